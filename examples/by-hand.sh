#!/bin/sh
# One run driven by hand, tool by tool: all that hg-run does.
# usage: by-hand.sh DATA LEDGER RUN [BASE.json] [SECTION.KEY=VALUE]...
set -eu
data=$(cd "$1" && pwd)
ledger=$2
run=$3
base=${4:-$(dirname "$0")/specs/tiny.json}
shift 3
[ $# -eq 0 ] || shift
# The rest are settings: each becomes "-s SETTING".
n=$#
while [ "$n" -gt 0 ]; do
	set -- "$@" -s "$1"
	shift
	n=$((n - 1))
done

hg-spec -b "$base" -s "data.dir=$data" "$@" "$run"
hg-train "$run"
hg-gate train "$run"
hg-export "$run"
hg-prompt -p "The " -n 40 "$run"
hg-score -d "$run"
hg-await -t 10m score "$run"
hg-gate score "$run"
hg-classify "$ledger" "$run" || :
hg-ledger add "$ledger" "$run"
hg-ledger verify "$ledger"
