#!/bin/sh
# Questions that a shell answers: every tool prints one JSON object a line.
# usage: pipeline.sh LEDGER RUN...
set -eu
ledger=$1
shift

echo "runs by state:"
hg-status -j "$@" | jq -r .state | sort | uniq -c

echo "the three best scores:"
hg-status -j "$@" | jq -r 'select(.val_bpb != null) | [.val_bpb, .run_id] | @tsv' | sort -n | head -3

echo "what is not finished, and what to type next:"
hg-status -j "$@" | jq -r 'select(.state != "complete") | "\(.run_id)\t\(.state)\t\(.next // "-")"'

echo "rows of the ledger by class:"
hg-ledger list -j "$ledger" | jq -r .verdict.class | sort | uniq -c
