#!/bin/sh
# fuzz.sh: run libFuzzer targets for a time each, from seeds and from what earlier runs learnt.
usage() {
	echo "usage: fuzz.sh -b PROGRAMS [-t SECONDS] [TARGET...]"
}

top=$(cd "$(dirname "$0")/../.." && pwd)
programs='' seconds=60
while getopts b:t:h letter; do
	case $letter in
	b) programs=$(cd "$OPTARG" && pwd) || exit 100 ;;
	t) seconds=$OPTARG ;;
	h) usage && exit 0 ;;
	*) usage >&2 && exit 100 ;;
	esac
done
shift $((OPTIND - 1))
[ -n "$programs" ] || { usage >&2 && exit 100; }
if [ $# -eq 0 ]; then
	for target in "$top"/t/fuzz/*.c; do
		case $target in */fuzz.c | */main.c | */seeds.c) continue ;; esac
		set -- "$@" "$(basename "$target" .c)"
	done
fi

build=$(dirname "$(dirname "$programs")")
mkdir -p "$build/corpus" "$build/found"
"$programs/seeds" "$build/seeds" || exit
rm -rf "$build/samples"
/usr/bin/python3 "$top/t/tools/samples.py" "$top/contracts" "$build/samples" || exit
status=0
ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=1
export ASAN_OPTIONS

for target; do
	mkdir -p "$build/corpus/$target" "$build/found/$target"
	log=$build/found/$target.log
	set -- "$build/corpus/$target"
	for dir in "$build/seeds/$target" "$top/t/fuzz/found/$target"; do
		[ ! -d "$dir" ] || set -- "$@" "$dir"
	done
	case $target in
	json | scan | plan) set -- "$@" "$build"/samples/* ;;
	ledger) set -- "$@" "$build"/samples/ledger_row.* ;;
	esac
	# A target is asked about what it does with 64 KiB at most: larger files only repeat themselves.
	"$programs/$target" -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=1024 -close_fd_mask=2 \
		-print_final_stats=1 -artifact_prefix="$build/found/$target/" "$@" >"$log" 2>&1
	code=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	cover=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
	if [ "$code" -eq 0 ]; then
		echo "$target: $seconds s, ${runs:-0} inputs, ${cover:-0} edges, no finding"
	else
		status=1
		echo "$target: FINDING after ${runs:-?} inputs; see $log and $build/found/$target/"
	fi
done
exit $status
