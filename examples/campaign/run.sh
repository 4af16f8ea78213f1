#!/bin/sh
# A whole campaign, from text to page: a base, the noise of its lane, ideas one after the other, each judged as it
# comes and confirmed if its verdict says so; what is confirmed is what the next idea is tried upon.
# usage: run.sh [DIR [TEXT]]
#
# DIR    where it all goes, campaign by default; killed and started again this goes on where it was
# TEXT   paragraphs to train on, instead of the dictionary of examples/gcide.sh
#
# STEPS and IDEAS shrink it for tests: steps of a run, and how many of the ideas.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-campaign}
text=${2:-$dir/gcide.txt}
mkdir -p "$dir/runs"
text=$(cd "$(dirname "$text")" && pwd)/${text##*/}
cd "$dir"
steps=${STEPS:-200}

[ -s "$text" ] || sh "$here/../gcide.sh" "$text"
# Bytes: no tokenizer to train.
hg-data -B -f para -n 200 -o data "$text"

# A schedule by steps: no bit of a score depends on what else the machine does.
cat > base.json <<END
{
  "model": {"num_layers": 2, "model_dim": 64, "num_heads": 4, "num_kv_heads": 2},
  "train": {
    "seq_len": 64, "batch_tokens": 1024, "micro_batch_tokens": 1024, "iterations": $steps,
    "warmup_steps": 1, "warmdown_frac": 0.4, "muon_momentum_warmup_steps": 50
  },
  "prompt": {"tokens": 32},
  "budget": {"max_wallclock_ms": "none"},
  "system": {"threads": 1, "lane": "home"}
}
END

say() { printf '\n== %s\n' "$*"; }

# try NAME BASE SEED WHY SETTING...: one run of BASE with these settings, and its row; prints the reason of its verdict.
try() {
	run=runs/$1 base=$2 seed=$3 why=$4
	shift 4
	for setting; do
		set -- "$@" -s "$setting"
		shift
	done
	[ -e "$run/spec.json" ] ||
		hg-spec -b "$base" -s data.dir=data -s train.seed="$seed" -s about.hypothesis="$why" "$@" "$run" >&2
	hg-run -i -l ledger "$run" >&2
	hg-ledger show ledger "$run" | jq -r .verdict.reason
}

say "base"
try base base.json 1337 'the public values, at a tiny shape' > /dev/null
hg-confirm -c ledger runs/base

# Name, settings and reason, all fixed before the first run.  The seed of the nth is 100 + n.
# Each is tried upon what is best so far.
half='train.batch_tokens=512 train.micro_batch_tokens=512'
n=0
while IFS='|' read -r name settings why; do
	n=$((n + 1))
	[ "$n" -le "${IDEAS:-100}" ] || break
	say "$name: $why"
	best=$(hg-ledger incumbent -j ledger | jq -r .run_id)
	# The settings are words.
	# shellcheck disable=SC2086
	reason=$(try "$name" "runs/$best/spec.json" $((100 + n)) "$why" $settings < /dev/null)
	case $reason in
	# 1: its second run did not bear it out.
	second_wanted | promising) hg-confirm ledger "runs/$name" < /dev/null || [ $? -eq 1 ] ;;
	esac
done <<END
softcap-31|model.logit_softcap=31|nothing: the cap is hardly reached
warmdown-0.2|train.warmdown_frac=0.2|a rate that is high for longer
rope-10500|model.rope_base=10500|nothing: 64 positions turn too little
momentum-0.9|train.muon_momentum=0.9|200 steps are too few to average over 20 of them
std-0.0055|model.tied_embed_init_std=0.0055|nothing much
half-batch|$half train.iterations=$((2 * steps))|the same text in twice the steps
qk-1.45|model.qk_gain_init=1.45|nothing much
matrix-0.08|train.matrix_lr=0.08|twice the rate
beta1-0.89|train.beta1=0.89|nothing much
softcap-29|model.logit_softcap=29|nothing: the cap is hardly reached
rope-9500|model.rope_base=9500|nothing: 64 positions turn too little
embed-0.052|train.tied_embed_lr=0.052|nothing much
std-0.0045|model.tied_embed_init_std=0.0045|nothing much
qk-1.55|model.qk_gain_init=1.55|nothing much
beta1-0.91|train.beta1=0.91|nothing much
softcap-32|model.logit_softcap=32|nothing: the cap is hardly reached
rope-11000|model.rope_base=11000|nothing: 64 positions turn too little
embed-0.048|train.tied_embed_lr=0.048|nothing much
END

say "the ledger"
hg-ledger verify ledger
hg-ledger replay ledger
hg-ledger list ledger
hg-ledger stop ledger || [ $? -le 2 ]
hg-report -o report.html ledger
