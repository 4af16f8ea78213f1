#!/bin/sh
# The main job, end to end: a real English corpus becomes token shards, two
# one-minute runs that differ in one setting are trained, exported, prompted,
# scored in a detached process, awaited, classified and entered in a ledger,
# which is made a page to look at.
# Everything lands in demo/ (or in $1); run again, it adds two more runs.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=${1:-$here/../demo}
mkdir -p "$top/runs"
top=$(cd "$top" && pwd)
started=$(date +%s)

say() { printf '\n== %s\n' "$*"; }

say "corpus: the GNU Collaborative International Dictionary of English"
[ -s "$top/gcide.txt" ] || sh "$here/gcide.sh" "$top/gcide.txt"
ls -l "$top/gcide.txt"

say "hg-data: tokenizer, shards, dataset.json"
hg-data -v "${DEMO_VOCAB:-1024}" -n "${DEMO_DOCS:-5000}" -f para -o "$top/data" "$top/gcide.txt"
jq -c '{train: .train | {documents, tokens}, val: .val | {documents, tokens, bytes, raw_bytes}}' \
	"$top/data/dataset.json"

# By the clock, so that it ends in time on any machine; runs that are to be compared well go by steps, see hg-pace(1).
# DEMO_MS, DEMO_DOCS, DEMO_VOCAB and DEMO_BASE shrink the demo for tests.
spec() {
	hg-spec -b "${DEMO_BASE:-$here/specs/cpu-1min.json}" -s "data.dir=$top/data" \
		-s "budget.max_wallclock_ms=${DEMO_MS:-60000}" -s train.schedule=wallclock "$@"
}

# One setting differs.
for setting in train.matrix_lr=0.04 train.matrix_lr=0.02; do
	run=$(spec -s train.iterations=20000 -s "$setting" -s "about.hypothesis=$setting" -u "$top/runs/demo")
	say "hg-run: $run ($setting)"
	# -d scores in a detached process, which outlives an interrupted driver.  A run that does not count says why,
	# and the next may.
	hg-run -d -l "$top/ledger" "$run" || echo "hg-run ended with $?; see hg-exit(7)"
done

say "the ledger"
hg-ledger list "$top/ledger"

say "runs"
printf '%-10s %6s %9s %8s %10s %-26s %s\n' run steps tokens/s val_bpb bytes class delta
for run in "$top"/runs/demo*; do
	[ -f "$run/artifact_score_summary.json" ] || continue
	jq -rs '[.[0].run_id, .[0].steps, (.[0].tokens_per_s | round), .[1].val_bpb, .[1].artifact_bytes,
		(.[2].class + ": " + .[2].reason), (.[2].verdict.delta // "-")] | @tsv' \
		"$run/training_report.json" "$run/artifact_score_summary.json" "$run/classification.json" |
		awk -F '\t' '{ printf "%-10s %6d %9d %8.4f %10d %-26s %s\n", $1, $2, $3, $4, $5, $6, $7 }'
done

say "a sentence from the last artifact itself"
jq -r .text "$run/prompt_report.json"

say "the same as a page"
hg-report -o "$top/report.html" "$top/ledger"
echo "open $top/report.html in any browser"

say "done in $(($(date +%s) - started)) s; where to look next"
cat <<END
  ls $run
  hg-status $run
  hg-ledger show $top/ledger $run
  man $here/../man/hg-run.1
END
