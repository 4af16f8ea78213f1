#!/bin/sh
# bench-tools.sh [-n ROWS]: how long the tools make people wait.
#
# Starting each tool; a ledger of ROWS rows (100,000) and of a hundredth of
# that, and its index made anew; waking up when a stage closes out; status of
# ROWS / 5 runs in one directory; a page of a ledger of ROWS / 10 of them.  Wall
# time, in milliseconds: median, minimum and maximum of some.  Indented lines and
# the empty program are what the work above or below them must cost at least, or
# what a plain SQLite takes for the same (t/bench/sqlite_same.py, by Python's
# module; left out where there is none).
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

sqlite() {	# WHAT ARGUMENT...: what SQLite takes for the same
	what=$1
	shift
	"$python" -c 'import sqlite3' 2>/dev/null || return 0
	"$python" "$top/t/bench/sqlite_same.py" "$@" | spread "  SQLite $what"
}

rebuild() {	# LEDGER: its index, by a run that it has already
	rm -f "$1/index"
	hg-ledger add "$1" run2
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
for i in 1 2 3 4 5 6 7 8; do
	"$python" "$top/t/tools/judged_run.py" "other$i" "1.$((402 + i))" "train.matrix_lr=0.0$i" >/dev/null
done 2>/dev/null
for n in $((rows / 100)) "$rows"; do
	"$python" "$top/t/bench/big_ledger.py" "L$n" "$n" run1
	hg-ledger list "L$n" >/dev/null	# Whatever is made once is made now.
	hg-ledger add "L$n" run2 >/dev/null
	for i in $(seq 3 $((runs + 2))); do ms hg-ledger add "L$n" "run$i"; done | spread "hg-ledger add, $n rows"
	sqlite "making a table of $n rows" build "L$n" "db$n"
	sqlite "insert and select, $n rows" add "db$n" 10
	many "  one byte appended and synced (dd)" 10 \
		dd if=/dev/zero of=synced bs=1 count=1 oflag=append conv=notrunc,fsync
	many "hg-ledger add that makes the index, $n rows" 3 rebuild "L$n"
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

JUDGED_DATA=$work "$python" "$top/t/bench/many_runs.py" runs $((rows / 5)) run1 other*
cd runs
many "hg-status of $((rows / 5)) runs" 3 hg-status r*
many "  jq over their summaries of score" 3 sh -c 'printf "%s/artifact_score_summary.json\0" r* | xargs -0 jq .val_bpb'
cd ..
sqlite "select of $((rows / 5)) runs" status dbruns runs 3

(cd runs && seq -f r%.0f $((rows / 10)) | xargs hg-ledger add ../made >/dev/null)
many "hg-report of $((rows / 10)) runs" 3 hg-report -o page.html made
sqlite "making a table of $((rows / 10)) rows" build made dbmade
sqlite "group by of $((rows / 10)) rows" report dbmade 3
