#!/bin/sh
# bench-tools.sh [-n ROWS]: how long the tools make people wait.
#
# Starting each tool; a ledger of ROWS rows (100,000) and of a hundredth of
# that; waking up when a stage closes out; status of ROWS / 100 runs.  Wall time, in
# milliseconds: median, minimum and maximum of some.  Indented lines and the
# empty program are what the work above or below them must cost at least.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
: "${HG_T:=$top/t}"
HG_TOP=$top
bin=${HG_BIN:-$top/bin}
PATH=$bin:$HG_T/tools:$top/bin:$PATH
export PATH HG_TOP HOMEGOLF_LANES
python=/usr/bin/python3 rows=100000
while getopts n: option; do
	case $option in
	n) rows=$OPTARG ;;
	*) exit 100 ;;
	esac
done
work=$(mktemp -d "${TMPDIR:-/tmp}/bench-tools.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 111' HUP INT TERM
cd "$work"
HOMEGOLF_LANES=$work/lanes

ms() {	# COMMAND...: how long it took; what it prints is dropped
	t0=$(date +%s%N)
	"$@" >/dev/null 2>&1 || :
	echo "$t0 $(date +%s%N)" | awk '{ printf "%.2f\n", ($2 - $1) / 1e6 }'
}

spread() {	# WHAT, numbers on stdin
	sort -g | awk -v what="$1" '{ x[NR] = $1 } END {
		m = NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2
		printf "%-48s %8.1f  (%.1f..%.1f of %d)\n", what, m, x[1], x[NR], NR }'
}

many() {	# WHAT COUNT COMMAND...
	what=$1 count=$2
	shift 2
	for _ in $(seq "$count"); do ms "$@"; done | spread "$what"
}

printf '%-48s %8s\n' 'milliseconds' median
many "an empty program (true)" 20 env true
for tool in $(find "$bin" "$top/bin" -maxdepth 1 -name 'hg-*' ! -name '*.*' -exec basename {} \; | sort -u); do
	many "$tool -h" 10 "$tool" -h
done

runs=10
for i in $(seq $((2 * runs))); do
	"$python" "$top/t/tools/judged_run.py" "run$i" "1.$((400 + i))" "train.seed=$i" >/dev/null
done
for n in $((rows / 100)) "$rows"; do
	"$python" "$top/t/bench/big_ledger.py" "L$n" "$n" run1
	hg-ledger list "L$n" >/dev/null	# Whatever is made once is made now.
	hg-ledger add "L$n" run2 >/dev/null
	for i in $(seq 3 $((runs + 2))); do ms hg-ledger add "L$n" "run$i"; done | spread "hg-ledger add, $n rows"
	many "hg-ledger incumbent, $n rows" 5 hg-ledger incumbent "L$n"
	many "hg-ledger verify, $n rows" 3 hg-ledger verify "L$n"
	many "  openssl sha256 of the same $(($(stat -c %s "L$n/ledger.jsonl") / 1000000)) MB" 3 \
		openssl dgst -sha256 "L$n/ledger.jsonl"
done

mkdir data
cp "$top/contracts/dataset.valid/full.json" data/dataset.json
for i in $(seq 12); do
	hg-spec -s data.dir="$work/data" "await$i" >/dev/null
	hg-await -t 60 train "await$i" >/dev/null 2>&1 &
	waiter=$!
	fakestage train "await$i" nap=300 deliver >/dev/null 2>&1
	wait "$waiter" || :
	echo "$(date +%s%N) $(stat -c %.9Z "await$i/training_report.json")"
done | awk '{ printf "%.2f\n", $1 / 1e6 - $2 * 1e3 }' | spread "hg-await, from the receipt in place to its exit"

for i in $(seq $((rows / 100))); do
	cp -r run1 "many$i"
done
many "hg-status of $((rows / 100)) runs" 3 hg-status many*
many "  jq over their summaries of score" 3 jq .val_bpb many*/artifact_score_summary.json
