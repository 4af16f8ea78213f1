# shellcheck shell=sh disable=SC2034,SC2154
# Scenarios of torture.sh: NAME_make (what is there before), NAME_run (with `under COMMAND...`), NAME_again (how one
# goes on) and NAME_bits (what must come out), each in a directory of its own.  Training is three steps of a tiny model
# by the ref backend, on one thread.

scenarios='verbs spec mint data shard train export prompt score detached await retry reap leftover gate status first'
scenarios="$scenarios prune ledger import classify report chain program scorer request seed"

# --- what several need --------------------------------------------------------

# Once, in the suite's own directory.
before_all() {
	awk 'BEGIN {
		n = split("the cat sat on a mat and saw that it was good for all of us to see", word, " ")
		for (i = 0; i < 66; i++) {
			line = ""
			for (k = 0; k < 20 + i % 30; k++) line = line word[(i * 7 + k * k * 3) % n + 1] " "
			print line
		}
	}' >corpus.txt
	hg-data -B -n 6 -f lines -o data corpus.txt || return
	cat >base.json <<-EOT
	{
	  "model": {"vocab_size": 260, "num_layers": 2, "model_dim": 16, "num_heads": 2, "num_kv_heads": 1,
	    "mlp_mult": 1},
	  "train": {"seq_len": 16, "batch_tokens": 64, "micro_batch_tokens": 64, "iterations": 3, "warmup_steps": 1,
	    "warmdown_frac": 0.4, "muon_momentum_warmup_steps": 2, "log_every": 1, "checkpoint_every_ms": 1},
	  "data": {"dir": "$base/data"},
	  "prompt": {"tokens": 4, "text": "the"},
	  "budget": {"max_wallclock_ms": 60000},
	  "system": {"backend": "ref", "threads": 1}
	}
	EOT
	jq '.system.backend = "external" | .eval.seq_len = 16 |
	    .trainer = {"command": ["/bin/sh", "x.sh"], "files": ["x.sh"], "gives": "artifact"} |
	    .scorer = {"command": ["/bin/sh", "s.sh"], "files": ["s.sh"]}' base.json >program.json
}

# The run `r` up to and with a stage, made once.
upto() {
	if [ ! -e "$base/upto.score" ]; then
		mkdir "$base/upto" && (cd "$base/upto" && hg-spec -b "$base/base.json" r) || return
		for stage in train export prompt score; do
			(cd "$base/upto" && hg-$stage r) && cp -a "$base/upto" "$base/upto.$stage" || return
		done
	fi
	cp -a "$base/upto.$1/r" .
}

# As a person would: start it; if it was refused, ask again.
finish() {
	timeout 60 hg-"$1" r
	case $? in
	0) return 0 ;;
	1 | 102) hg-retry "$1" r && timeout 60 hg-"$1" r ;;
	*) return 1 ;;
	esac
}

# By its rows; a run whose witness a fault took says nothing of them.
verified() {
	hg-ledger verify L >/dev/null
	case $? in 0 | 2) ;; *) return 1 ;; esac
}

# A receipt without what time and identity put into it.
timeless() {
	jq -S 'del(.owner, .started_at, .finished_at, .elapsed_ms, .attempt, .run_uid, .spec_sha256,
	    .training_report_sha256, .export_report_sha256, .score_report_sha256, .score_ms, .tokens_per_s)' "$1"
}

# --- the file verbs of lib/base -----------------------------------------------

text='{"verb":"seen","by":"torture"}'
verbs_make() { :; }
verbs_run() {
	# shellcheck disable=SC2086
	under "$HG_T/torture/verbs" ${VERBS_BUG:+-b $VERBS_BUG} . create training_report.json "$text" \
		replace summary.json "$text" post train_status.json "$text" append ledger.jsonl "$text"
}
verbs_again() {
	"$HG_T/torture/verbs" . create training_report.json "$text" replace summary.json "$text" \
		post train_status.json "$text"
}
verbs_bits() { cat training_report.json summary.json train_status.json; }

# --- specs ----------------------------------------------------------------------

spec_make() { :; }
spec_run() { under hg-spec -b "$base/base.json" r; }
spec_again() { hg-spec -b "$base/base.json" r; }
spec_bits() { jq -S 'del(.run_uid, .created_at, .digests.content_sha256)' r/spec.json; }

# Minting: names are never given twice, and one that was given away by a dead process hurts nobody.
mint_make() { :; }
mint_run() { under hg-spec -b "$base/base.json" -u ./r; }
mint_again() {
	# What a dead process took for a name stays taken, and empty but for a temporary.
	for name in r-*; do
		[ -e "$name/spec.json" ] || rm -rf "$name"
	done
	if [ -e r-1 ]; then hg-spec -b "$base/base.json" r-1; else hg-spec -b "$base/base.json" -u ./r; fi
}
mint_bits() { jq -S 'del(.run_uid, .run_id, .created_at, .digests.content_sha256)' r-*/spec.json; }

# --- data -------------------------------------------------------------------------

data_make() { :; }
data_run() { under hg-data -B -n 6 -f lines -o data "$base/corpus.txt"; }
data_again() { hg-data -B -n 6 -f lines -o data "$base/corpus.txt" || [ -e data/dataset.json ]; }
data_bits() { jq -S . data/dataset.json && cat data/* | sha256sum; }

shard_make() { awk 'BEGIN { for (i = 0; i < 9; i++) print 1, 4 + i * 7 % 256, 4 + i * 31 % 256 }' >ids; }
shard_run() { input=ids under hg-shard -t bytes -o x.bin; }
shard_again() { hg-shard -t bytes -o x.bin <ids || [ -e x.bin ]; }
shard_bits() { sha256sum <x.bin; }

# --- stages ------------------------------------------------------------------------

train_make() { hg-spec -b "$base/base.json" r; }
train_run() { under hg-train r; }
train_again() { finish train; }
train_bits() {
	jq '.checkpoint, .steps, .tokens, .final_train_loss, .stop_reason' r/training_report.json &&
		jq -c 'del(.wallclock_ms)' r/metrics.jsonl && sha256sum <r/checkpoint.safetensors
}

export_make() { upto train; }
export_run() { under hg-export r; }
export_again() { finish export; }
export_bits() { timeless r/export_report.json && sha256sum <r/artifact.hgz; }

prompt_make() { upto export; }
prompt_run() { under hg-prompt r; }
prompt_again() { finish prompt; }
prompt_bits() { timeless r/prompt_report.json; }

score_make() { upto prompt; }
score_run() { under hg-score r; }
score_again() { finish score; }
score_bits() {
	timeless r/artifact_score_report.json && sha256sum <r/score_docs.tsv && timeless r/artifact_score_summary.json
}

detached_make() { upto prompt; }
detached_run() { under hg-score -d r; }
detached_again() { hg-await -t 30 score r || finish score; }
detached_bits() { score_bits; }

# --- stages whose work a program does ------------------------------------------------

# A run whose trainer and scorer are programs in sh.
program_make() {
	cat >x.sh <<-'EOT'
	set -e
	echo '{"step": 1, "train_loss": 2}' >"$HOMEGOLF_METRICS"
	echo weights >model.bin
	printf '{"schema": "homegolf.trainer_result.v1", "run_uid": "%s", "result": "trained", "seed": %s,' \
	    "$HOMEGOLF_RUN_UID" "$HOMEGOLF_SEED"
	printf '"artifact": ["model.bin"]}\n'
	EOT
	cat >s.sh <<-'EOT'
	while read -r doc tokens bytes raw nats; do
		case $doc in
		'#') echo "# doc	tokens	bytes	raw_bytes	nats" ;;
		*) echo "$doc	$tokens	$bytes	$raw	$((tokens * 2))" ;;
		esac
	done <docs.tsv >score_docs.tsv
	EOT
	hg-spec -b "$base/program.json" r
}
program_run() { under hg-train r; }
program_again() { finish train; }
program_bits() {
	jq '.files, .seed, .claimed, .evidence, .stop_reason, .metrics.rows' r/training_report.json &&
		ls r/artifact && cat r/artifact/model.bin && [ ! -e r/train.out ]
}

scorer_make() { program_make && hg-train r && hg-export r; }
scorer_run() { under hg-score r; }
scorer_again() { finish score; }
scorer_bits() {
	timeless r/artifact_score_report.json && sha256sum <r/score_docs.tsv &&
		timeless r/artifact_score_summary.json && [ ! -e r/score.out ]
}

# --- closing out the dead ----------------------------------------------------------

# A trainer killed in its middle.
orphan() {
	hg-spec -b "$base/base.json" r && "$torture" -n 60 -r /dev/null hg-train r
	[ ! -e r/training_report.json ] && [ ! -e r/train_refusal.json ]
}

await_make() { orphan; }
await_run() { under hg-await -t 10 train r; }
await_again() {
	hg-await -t 10 train r
	finish train
}
await_bits() { train_bits; }

retry_make() {
	orphan && ! hg-await -t 10 train r
}
retry_run() { under hg-retry train r; }
retry_again() { finish train; }
retry_bits() { train_bits; }

reap_make() { orphan; }
reap_run() { under hg-reap .; }
reap_again() { hg-reap . && finish train; }
reap_bits() { train_bits; }

# The dead owner's worker had started a program, which took a session of its own and lives.
leftover_make() { orphan; }
leftover_run() {
	HOMEGOLF_STAGE=$(jq -r .run_uid r/spec.json)/train/1 setsid sleep 600 </dev/null >/dev/null 2>&1 &
	echo $! >sleeper
	# Before it is a program of its own it has the shell's environment; another job may have ended it already.
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		grep -q HOMEGOLF_STAGE "/proc/$!/environ" && break
		sleep 0.02
	done
	under hg-reap .
}
leftover_again() { reap_again; }
leftover_bits() {
	state=$(sed -n 's/^State:[^A-Z]*\(.\).*/\1/p' "/proc/$(cat sleeper)/status" 2>/dev/null)
	case $state in '' | Z | X) train_bits ;; *) return 1 ;; esac
}

gate_make() { upto score; }
gate_run() { under hg-gate score r; }
gate_again() { hg-gate score r; }
gate_bits() { hg-gate score r; echo $?; }

# What is there afterwards is the run as it was, or one that says what went.
prune_make() { upto score; }
prune_run() { under hg-prune r; }
prune_again() { hg-prune r; }
prune_bits() { hg-gate score r >gated && jq -cS '[.files[] | del(.pruned_at)]' r/pruned.json && ls r; }

status_make() { upto score; }
status_run() { under hg-status -w r; }
status_again() { hg-status -w r; }
status_bits() { jq -S 'del(.at)' r/summary.json; }

# --- the ledger -------------------------------------------------------------------------

# Two finished runs that differ in their seed; the first stands in the ledger, if that is asked for.
two_runs() {
	if [ ! -e "$base/two" ]; then
		mkdir "$base/two"
		for name in a b; do
			(cd "$base/two" && hg-spec -b "$base/base.json" -s "train.seed=$(printf %d "'$name")" $name &&
				hg-run $name) || return
		done
	fi
	cp -a "$base/two/a" "$base/two/b" .
	[ -z "$1" ] || hg-ledger add "$1" a
}

# The rows, whatever time it was, and that their chain holds.
rows() {
	verified &&
		jq -c '[.kind, .run.run_id, .run.run_uid, .run.attempt, .verdict.class, .verdict.reason]' L/ledger.jsonl
}

first_make() { two_runs; }
first_run() { under hg-ledger add L a; }
first_again() { hg-ledger add L a; }
first_bits() { rows; }

ledger_make() { two_runs L; }
ledger_run() { under hg-ledger add L b; }
ledger_again() { hg-ledger add L b; }
ledger_bits() { rows; }

import_make() {
	mkdir -p p/a
	printf '{"val_bpb": 1.2, "seed_results": {"1": {"val_bpb": 1.1}, "2": {"val_bpb": 1.3}}}' >p/a/submission.json
	printf 'seed:1\nfinal_int8_zlib_roundtrip val_loss:2.0 val_bpb:1.1\n' >p/a/train_seed1.log
	printf 'commit\tval_bpb\tstatus\tdescription\nbaseline\t0.9\tkeep\tb\naaaaaa1\t0.8\tkeep\tc\n' >p/results.tsv
}
import_run() { under hg-ledger import L p; }
import_again() { hg-ledger import L p; }
import_bits() { verified && jq -cS 'select(.kind == "import").import' L/ledger.jsonl; }

report_make() { two_runs L; }
report_run() { SOURCE_DATE_EPOCH=0 && export SOURCE_DATE_EPOCH && under hg-report -o page.html L; }
report_again() { report_run; }
report_bits() { sha256sum page.html; }

classify_make() { two_runs L; }
classify_run() { under hg-classify L b; }
classify_again() { hg-classify L b; }
classify_bits() { jq -S 'del(.at)' b/classification.json; }

# --- the whole chain ------------------------------------------------------------------

chain_make() { hg-spec -b "$base/base.json" r; }
chain_run() { under hg-run -l L r; }
chain_again() { timeout 100 hg-run -r -l L r; }
chain_bits() {
	train_bits && export_bits && prompt_bits && score_bits && verified &&
		jq -c '[.class, .reason]' L/ledger.jsonl | tail -n 1
}

# --- a campaign -----------------------------------------------------------------------

# The run of a request, of the bytes that are judged.
request_make() {
	mkdir -p c/in && echo '{"about": {"hypothesis": "h", "expected_gain": 1}}' >c/in/r.json &&
		jq -n --arg base "$base/base.json" '{schema: "homegolf.campaign.v1", base: $base, calibrate: false,
		    lanes: [{name: "a"}], routes: [{when: {}, lane: "a"}]}' >c/campaign.json
}
request_run() { under hg-triage -m r c; }
request_again() { [ -e c/runs/r/spec.json ] || hg-triage -m r c; }
request_bits() { jq -S 'del(.run_uid, .created_at, .digests.content_sha256)' c/runs/r/spec.json; }

# The next seed of a calibration: made once, and named again by who asks again.
seed_make() { two_runs L; }
seed_run() { under hg-confirm -1 -c L a; }
seed_again() {
	hg-confirm -1 -c L a
	[ $? -eq 99 ]
}
seed_bits() {
	# Which seed is drawn is chance's.
	ls -d a.cal.* && jq -S 'del(.run_uid, .created_at, .digests, .train.seed, .train.data_offset)' a.cal.1/spec.json
}
