# shellcheck shell=sh disable=SC2034
# Scenarios of torture.sh: NAME_make, NAME_run (with `under COMMAND...`), NAME_again and NAME_bits, each in a
# directory of its own.

scenarios='verbs'

# The file verbs of lib/base.
text='{"verb":"seen","by":"torture"}'
verbs_make() { :; }
verbs_run() {
	# shellcheck disable=SC2086
	under "$HG_T/verbs" ${VERBS_BUG:+-b $VERBS_BUG} . create training_report.json "$text" replace summary.json "$text" \
		post train_status.json "$text" append ledger.jsonl "$text"
}
verbs_again() {
	"$HG_T/verbs" . create training_report.json "$text" replace summary.json "$text" post train_status.json "$text"
}
verbs_bits() { cat training_report.json summary.json train_status.json; }
