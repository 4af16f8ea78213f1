#!/bin/sh
# bench.sh [-r ROUNDS] [-s STEPS] [-t THREADS] [-o OUT.tsv] [SHAPE...]: the performance table.
#
# Shapes: tiny small baseline baseline-64k (all by default).  For each, in bf16
# and fp32, t/bench runs ROUNDS times; where PYTHON (default: the first python3
# that can import torch) has torch and ../shared/peers/torch_gpt.py exists, the
# peer runs after each round, eager and compiled, and what counts is the ratio
# within a round.  Rows go to OUT.tsv (default build/bench.tsv), a table to stdout.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
peer=$top/../shared/peers/torch_gpt.py
rounds=3 steps=6 threads=$(nproc) out=$top/build/bench.tsv bench=${BENCH:-$top/t/bench/bench}
while getopts r:s:t:o: option; do
	case $option in
	r) rounds=$OPTARG ;;
	s) steps=$OPTARG ;;
	t) threads=$OPTARG ;;
	o) out=$OPTARG ;;
	*) exit 100 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- tiny small baseline baseline-64k

find_python() {
	for p in ${PYTHON:-python3 /usr/bin/python3}; do
		if [ -e "$peer" ] && "$p" -c 'import torch' 2>/dev/null; then
			echo "$p"
			return
		fi
	done
}

# LAYERS,DIM,HEADS,KV,MLP,VOCAB,SEQ,BATCH and micro-batches of a step.
shape_of() {
	case $1 in
	tiny) echo 4,128,4,2,2,1024,256,16 1 ;;
	small) echo 4,256,4,2,2,1024,512,8 1 ;;
	baseline) echo 9,512,8,4,2,1024,1024,4 1 ;;
	baseline-64k) echo 9,512,8,4,2,1024,1024,4 16 ;;
	*) echo "bench.sh: no shape '$1'" >&2; exit 100 ;;
	esac
}

# Tokens per second of the peer, or nothing. OPENBLAS_CORETYPE would hold a newer BLAS back.
peer_rate() {
	[ -n "$python" ] || return 0
	env -u OPENBLAS_CORETYPE "$python" "$peer" -q "$@" 2>/dev/null | tail -n 1 | jq -r '.tokens_per_s // empty' || :
}

# median min max of numbers on stdin
spread() {
	sort -g | awk '{ x[NR] = $1 } END {
		m = NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2
		if (NR) printf "%.2f (%.2f..%.2f)", m, x[1], x[NR]
		else printf "-" }'
}

python=$(find_python)
mkdir -p "$(dirname "$out")"
printf '%s\t' shape arith isa round tokens_per_s share gflops ceiling_gflops peak_mb score_ratio eager compiled \
	>"$out.tmp"
echo phase_ms >>"$out.tmp"
for shape; do
	args=$(shape_of "$shape")
	c=${args% *} n=${args#* } few=$steps
	[ "$n" = 1 ] || few=2
	for arith in bf16 fp32; do
		for round in $(seq "$rounds"); do
			ours=$("$bench" -c "$c" -n "$n" -a "$arith" -j "$threads" -s "$few")
			eager=$(peer_rate -b "$arith" -t "$threads" -c "$c" --accum "$n" -s $((few + 2)))
			compiled=
			[ "$n" != 1 ] ||
				compiled=$(peer_rate --compile -b "$arith" -t "$threads" -c "$c" -s $((few + 2)))
			echo "$ours" | jq -r --arg shape "$shape" --arg arith "$arith" --arg round "$round" \
				--arg eager "${eager:--}" --arg compiled "${compiled:--}" '
				[.phase_ms | to_entries[] | "\(.key)=\(.value * 100 | round / 100)"] as $phases |
				[$shape, $arith, .isa, $round, .tokens_per_s, .share, .gflops, .ceiling_gflops,
				.peak_mb, .score_ratio, $eager, $compiled, ($phases | join(" "))] | @tsv'
		done >>"$out.tmp"
	done
done
mv "$out.tmp" "$out"

printf '%-13s %-5s %-12s %-28s %-20s %7s %6s %-20s %s\n' shape arith isa 'tokens/s' 'share of products' MB score/ \
	'times eager peer' 'times compiled peer'
for shape; do
	for arith in bf16 fp32; do
		rows() { awk -F '\t' -v s="$shape" -v a="$arith" '$1 == s && $2 == a' "$out"; }
		ratio() { rows | awk -F '\t' -v i="$1" '$i > 0 { print $5 / $i }' | spread; }
		printf '%-13s %-5s %-12s %-28s %-20s %7.0f %6s %-20s %s\n' "$shape" "$arith" \
			"$(rows | cut -f 3 | head -n 1)" "$(rows | cut -f 5 | spread)" "$(rows | cut -f 6 | spread)" \
			"$(rows | cut -f 9 | sort -g | tail -n 1)" "$(rows | cut -f 10 | spread | cut -d ' ' -f 1)" \
			"$(ratio 11)" "$(ratio 12)"
	done
done
