#!/bin/sh
# A measure that is no bits per byte: how long sort(1) takes with the options given, on numbers that SEED draws.
#
# Evidence: claim.  trainer.gives=claim, trainer.files=["claim_seconds.sh"],
# trainer.command=["sh", "claim_seconds.sh", "-n"], trainer.set={"SEED": "{seed}", "LC_ALL": "C"},
# trainer.reads={"value": "^seconds: ([0-9.]+)$"}
# In the ledger's policy.json metric.name and metric.across_tokenizers are "value", metric.direction is "lower".
# Whether "-n", "-S1M" or "-n", "--parallel=2" is faster than "-n" is then asked like any other question.
set -eu
awk -v seed="$SEED" 'BEGIN { srand(seed); for (i = 0; i < 100000; i++) printf "%d\n", 1000000000 * rand() }' > numbers
start=$(date +%s%N)
sort "$@" -o sorted numbers
end=$(date +%s%N)
awk -v ns=$((end - start)) 'BEGIN { printf "seconds: %.9f\n", ns / 1e9 }'
