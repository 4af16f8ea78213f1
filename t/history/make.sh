#!/bin/sh
# make.sh: keep what the tools in PATH write, as t/history/VERSION, before the next version changes them.
#
# usage: t/history/make.sh        (PATH=$PWD/bin:$PATH, in a clean checkout of the version that is kept)
#
# t/history.bats then holds every later version to it.  A directory that exists is never made anew: history is kept.
# Specs hold the absolute path of their data and are sealed, so all of it is made in a fixed place, and tested there:
#
#   /tmp/homegolf-history/VERSION
#       data/               a data directory of bytes
#       runs/base.1         the configuration that came first, and was beaten (one of its five calibrating seeds)
#       runs/gain.PLAN.SLOT one of the four runs that confirmed a gain; promoted
#       runs/untied         two layers, an untied head, grouped queries, other keys; scored by sliding windows
#       runs/coarse         large enough for int8; pruned of its checkpoint
#       runs/refused        min_steps_unreachable, twice, the first attempt in attempts/
#       runs/killed         cancelled once, taken up again, and killed: an orphan with its resume point
#       claims/             somebody else's table, imported
#       ledger/             a calibrated lane, a policy that was changed, a confirmation, one given up, a regression, a
#                           refusal superseded, an import, a promotion
#       sets/NAME.json      settings as a person gives them
#       expected            what must come out, one fact a line; see below
#
# expected, with blanks between the words:
#   set NAME CONFIG MODEL EVAL      digests of a new spec made from sets/NAME.json
#   state RUN STATE TRAIN EXPORT PROMPT SCORE
#   gate RUN STAGE CODE             for each stage that has closed out or was refused
#   trained RUN SHA256              of the checkpoint that the run's spec gives, whether it is here or not
#   grown SET RUN SHA256            of the checkpoint of a set with train.init_from=runs/RUN/checkpoint.safetensors
#   scored RUN BPB LOSS SHA256      of score_docs.tsv
#   row N KIND RUN CLASS REASON     - where a row has none
#   head SHA256                     of the ledger's last row
#   incumbent SHA256 RUN            of each comparability group, with its configuration
#   import N SCORE VERDICT          of imported rows
#
# Bits: backend cpu, isa portable, fp32, one thread, a schedule by steps: the same on any x86-64 with this libm.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
all=/tmp/homegolf-history
version=$(hg-spec --version | cut -d ' ' -f 2)
name=${version%.*}
keep=$top/t/history/$name place=$all/$name

say() { printf 'make.sh: %s\n' "$*" >&2; }

[ ! -e "$keep" ] || { say "'$keep' exists, and history is not made twice"; exit 1; }
mkdir "$all" 2> /dev/null || { say "'$all' exists: if nothing is at work there, remove it"; exit 1; }
trap 'rm -rf "$all"' EXIT
echo "$$ make.sh" > "$all/owner"
mkdir "$place" && cd "$place"
export HOMEGOLF_LANES="$all/lanes"

# --- data and settings --------------------------------------------------------

awk 'BEGIN {
	n = split("the a small cat dog reads writes every old new letter house and sees", w, " "); s = 7
	for (d = 0; d < 70; d++) {
		line = ""
		for (i = 0; i < 8 + d % 9; i++) {
			s = (s * 1103 + 12345) % 65536
			line = line (i ? " " : "") w[s % n + 1]
		}
		print "Document " d ": " line "."
	}
}' > "$all/text"
hg-data -B -n 10 -f lines -o data "$all/text"

# set_of NAME FILTER: sets/NAME.json, by a jq filter of what is common.
mkdir sets
set_of() {
	jq -n "{
		model: {num_layers: 1, model_dim: 8, num_heads: 2, num_kv_heads: 1},
		train: {seq_len: 32, batch_tokens: 128, micro_batch_tokens: 64, iterations: 8, warmup_steps: 1,
			warmdown_frac: 0.4, tied_embed_lr: 0.02},
		data: {dir: \"$place/data\"},
		prompt: {text: \"Document\", tokens: 8},
		budget: {max_wallclock_ms: \"none\"},
		system: {backend: \"cpu\", isa: \"portable\", threads: 1}
	} | $2" > "sets/$1.json"
}
set_of base .
set_of gain '.train.tied_embed_lr = 0.2 | .about.hypothesis = "the embedding learns too slowly"'
set_of worse '.train.tied_embed_lr = 0'
set_of spare '.train.tied_embed_lr = 0.19 | .train.muon_momentum = 0.9'
set_of untied '.model.num_layers = 2 | .model.num_heads = 4 | .model.num_kv_heads = 2 | .model.tie_embeddings = false |
	.model.logit_softcap = 15 | .train.muon_momentum = 0.9 | .train.warmdown_frac = 0.25 |
	.train.grad_clip_norm = 1 | .train.val_every = 4 | .eval.mode = "sliding:8" | .eval.docs = 8'
set_of coarse '.model.model_dim = 34 | .model.num_heads = 1 | .model.mlp_mult = 64 | .train.matrix_lr = 0.2 |
	.export.scale_floor = 0.1'
set_of refused '.budget.max_wallclock_ms = 1 | .train.iterations = 100000 | .train.min_steps = 50000'
set_of killed '.train.iterations = 2000 | .train.checkpoint_every_ms = 1 | .train.log_every = 100 |
	.train.warmdown_frac = 0.1'
# The published values, which are the defaults; and what the rest leaves alone.
set_of public '{data}'
set_of others '.train |= . + {schedule: "wallclock", arith: "bf16", warmdown_frac: null, warmdown_iters: 3,
	matrix_lr: 0.03, beta2: 0.99, muon_backend_steps: 4} |
	.budget = {max_wallclock_ms: 60000, artifact_cap_bytes: 1000000} |
	.model |= . + {rope_base: 500, qk_gain_init: 1, mlp_mult: 3} | .eval = {seq_len: 16, arith: "bf16"}'

# --- runs and ledger ----------------------------------------------------------

# run_of SET RUN [SETTING]: to its row.
run_of() {
	hg-spec -b "sets/$1.json" ${3:+-s "$3"} "runs/$2"
	hg-run -l ledger "runs/$2"
}

# Where a step takes milliseconds, its time is chance.
mkdir runs
run_of base base.1 train.seed=1
jq '.guarded |= map(select(.name != "train_ms")) | .campaign.name = "history"' ledger/policy.json > "$all/policy"
cp "$all/policy" ledger/policy.json
for seed in 2 3 4 5; do run_of base base.$seed train.seed=$seed; done
hg-ledger calibrate ledger runs/base.1
run_of worse worse train.seed=6
run_of gain gain train.seed=7
hg-confirm -n 2 ledger runs/gain
slot=''
for run in runs/gain.*; do
	# The first of the challenger's.
	[ -n "$slot" ] || [ "$(jq .train.tied_embed_lr "$run/spec.json")" != 0.2 ] || slot=$run
done
run_of spare spare train.seed=8
hg-ledger plan ledger runs/spare
hg-ledger plan -x ledger
run_of refused refused || :
hg-run -r -l ledger runs/refused || :
[ -e runs/refused/attempts/train.1/train_refusal.json ]
mkdir claims
printf '%s\t%s\t%s\t%s\t%s\n' commit val_bpb memory_gb status description \
	a1b2c3d 0.997900 44.0 keep baseline \
	b2c3d4e 0.993200 44.2 keep 'raise the learning rate to 0.04' \
	c3d4e5f 1.005000 44.0 discard 'another activation' \
	d4e5f6a 0.000000 0.0 crash 'twice the width: out of memory' > claims/results.tsv
hg-ledger import ledger claims
hg-ledger promote ledger "$slot"
run_of untied untied
run_of coarse coarse

# --- a trainer that was cancelled, and then killed ----------------------------

hg-spec -b sets/killed.json runs/killed
mkdir "$all/twin"
hg-spec -b sets/killed.json "$all/twin/killed"
hg-train "$all/twin/killed"

# lines N: until the trainer has logged that many.
lines() {
	until [ -e runs/killed/resume.safetensors ] && [ "$(wc -l < runs/killed/metrics.jsonl)" -ge "$1" ]; do
		[ ! -e runs/killed/training_report.json ] || { say 'training was over too soon'; exit 1; }
		sleep 0.01
	done
}

hg-train runs/killed & trainer=$!
lines 2
hg-cancel train runs/killed
wait "$trainer" || :
hg-retry train runs/killed
hg-train runs/killed & trainer=$!
lines 6
owner=$(sed -n 's/.* pid=\([0-9]*\) .*/\1/p' runs/killed/train.lock)
kill -9 "$owner"
wait "$trainer" || :
# The worker dies with its owner: the lock is free when both are gone.
until hg-status -j runs/killed | jq -e '.stages.train.state == "orphaned"' > /dev/null; do sleep 0.01; done

# --- what must come out -------------------------------------------------------

sha() { sha256sum < "$1" | cut -d ' ' -f 1; }
trained() { echo "trained $1 $(sha "${2:-runs/$1}/checkpoint.safetensors")"; }

# One of each kind is enough; the ledger's rows stand without the rest.
for run in runs/*; do
	case $run in
	runs/base.1 | runs/untied | runs/coarse | runs/refused | runs/killed | "$slot") ;;
	*) rm -r "$run" ;;
	esac
done
{
	for f in sets/*.json; do
		f=$(basename "$f" .json)
		hg-spec -b "sets/$f.json" "$all/set.$f" 2> /dev/null
		jq -r --arg set "$f" '.digests |
			["set", $set, .config_sha256, .model_sha256, .eval_sha256] | join(" ")' \
			"$all/set.$f/spec.json"
	done
	for run in runs/*; do
		[ "$run" = runs/killed ] || [ "$run" = runs/refused ] || trained "${run#runs/}"
	done
	trained killed "$all/twin/killed"
	hg-spec -b sets/gain.json -s "train.init_from=$place/runs/base.1/checkpoint.safetensors" "$all/grown"
	hg-train "$all/grown"
	echo "grown gain base.1 $(sha "$all/grown/checkpoint.safetensors")"
	# Weighs most; what its receipts bind is pending from here on, and its artifact is scored as ever.
	rm runs/coarse/checkpoint.safetensors
	for run in runs/*; do
		id=${run#runs/}
		hg-status -j "$run" |
			jq -r '["state", .run_id, .state, .stages[("train", "export", "prompt", "score")].state] |
				join(" ")'
		for stage in train export prompt score; do
			[ -e "$run/${stage}_refusal.json" ] || [ "$(hg-status -j "$run" |
				jq -r ".stages.$stage.state")" = closed_out ] || continue
			code=0
			hg-gate $stage "$run" > /dev/null 2>&1 || code=$?
			echo "gate $id $stage $code"
		done
		[ ! -e "$run/artifact_score_report.json" ] ||
			echo "scored $id $(jq -r '"\(.val_bpb) \(.val_loss)"' "$run/artifact_score_report.json")" \
				"$(sha "$run/score_docs.tsv")"
	done
	jq -r '["row", .row, .kind, .run.run_id // "-", .verdict.class // "-", .verdict.reason // "-"] | join(" ")' \
		ledger/ledger.jsonl
	hg-ledger incumbent -a -j ledger | jq -r '"incumbent \(.config_sha256) \(.run_id)"'
	hg-ledger replay -j ledger | jq -r '"import \(.row) \(.score) \(.verdict)"'
	echo "head $(tail -n 1 ledger/ledger.jsonl | sha256sum | cut -d ' ' -f 1)"
} > expected

hg-ledger verify ledger
hg-ledger replay ledger
find . -type d -empty | grep . && { say 'git keeps no empty directories'; exit 1; }
cp -r "$place" "$keep"
say "$keep: $(find "$keep" -type f -exec cat {} + | wc -c) bytes"
