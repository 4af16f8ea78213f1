#!/bin/sh
# mutate.sh BUILD [-e K] [FILE]: put one bug after the other into a copy of the
# kernels, and see that the emulated tests notice.  With -e K each K-th of them
# only, from a place that changes with the kernels.  A row names the file, the unit that
# is compiled, what is planted, and a sed script that must change one line, or
# up to three; before it, the program that must notice.
# Prints TAP.  CXX, CXXFLAGS and LINK (archives and libraries) come from cuda.mk.

build=$1
shift
every=1 turn=0
if [ "$1" = -e ]; then
	every=$2
	turn=$(cat cuda/*.cu cuda/*.cuh cuda/mutate.sh | cksum | awk -v k="$every" '{ print $1 % k }')
	shift 2
fi
only=$1
work=$(mktemp -d) || exit 111
trap 'rm -rf "$work"' EXIT
n=0
rows=0
failed=0

report() {
	[ "$1" = ok ] || failed=1
	echo "$1 $n - $2"
}

# Link the given unit before the archive that has the sound one.
link() {
	# shellcheck disable=SC2086
	$CXX -pthread -o "$work/test" "$build/emu/c/t/unit/$program.o" "$build/emu/c/lib/gpt/ops.o" "$work/unit.o" \
	    "$build/emu/libhg-cuda.a" $LINK
}

# Is it this row's turn?
picked() {
	rows=$((rows + 1))
	[ $((rows % every)) -eq "$turn" ]
}

mutate() {
	picked || return 0
	file=$1 unit=$2 what=$3 script=$4
	[ -z "$only" ] || [ "$only" = "$file" ] || return 0
	n=$((n + 1))
	cp cuda/*.cu cuda/*.cuh cuda/*.h "$work"
	sed "$script" "cuda/$file" >"$work/$file"
	case $(diff "cuda/$file" "$work/$file" | grep -c '^<') in
	[123]) ;;
	*) report "not ok" "$what: the script does not change a few lines of $file"; return ;;
	esac
	# shellcheck disable=SC2086
	if ! { $CXX $CXXFLAGS -x c++ -c -o "$work/unit.o" "$work/$unit.cu" && link; }; then
		report "not ok" "$what: does not build"
	elif timeout 900 "$work/test" -1 >"$work/out" 2>&1; then
		report "not ok" "$what: nothing is noticed"
	else
		report ok "$what: $({ grep '^not ok' "$work/out" || tail -n 1 "$work/out"; } | head -n 1 |
		    sed 's/^not ok [0-9]* - //')"
	fi
}

# The other way round: a change that must not matter passes; so what turns red is the planted bug.
sound() {
	picked || return 0
	file=$1 unit=$2 what=$3 script=$4 flag=$5
	[ -z "$only" ] || [ "$only" = sound ] || return 0
	n=$((n + 1))
	cp cuda/*.cu cuda/*.cuh cuda/*.h "$work"
	sed "$script" "cuda/$file" >"$work/$file"
	# shellcheck disable=SC2086
	if [ -z "$flag" ] && cmp -s "cuda/$file" "$work/$file"; then
		report "not ok" "$what: the script changes nothing in $file"
	elif $CXX $CXXFLAGS $flag -x c++ -c -o "$work/unit.o" "$work/$unit.cu" && link &&
	    timeout 300 "$work/test" -1 >"$work/out" 2>&1; then
		report ok "$what: all is well"
	else
		report "not ok" "$what: $(head -n 1 "$work/out")"
	fi
}

barrier='/__syncthreads/d'

program=cuda_ops
mutate attention.cu attention "no barrier before the next keys are loaded" "/int k0 = 0/,/load_tile/ { $barrier; }"
mutate attention.cu attention "no barrier after keys are loaded" "/load_tile.*vs, v/,/unroll/ { $barrier; }"
mutate attention_grad.cu attention_grad "no barrier before the next queries are loaded" \
    "/int q0 = /,/load_tile/ { $barrier; }"
mutate attention_grad.cu attention_grad "no barrier after the next keys are loaded" \
    "/load_tile.*vs, a.v + keys_at, KD, k0/,/scores_of/ { $barrier; }"
mutate lookup.cuh embed "no barrier between counting rows and listing them" \
    "/count\[warp_id/,/for (int w/ { $barrier; }"
mutate columns.cuh qkv "no barrier before the warps' sums are added" "/scratch\[warp_id/,/if (warp_id/ { $barrier; }"
mutate device.cuh embed "no barrier before a sum's scratch is used again" \
    "/sum += scratch/,/return (sum)/ { $barrier; }"
mutate attention.cu attention "a query that does not see itself" 's/key <= position + half/key < position + half/'
mutate norm.cu norm "a row's last column left out" \
    '0,/c < C;/s//c < C - 1;/'
mutate mlp.cu mlp "one element too many" '0,/i >= n/s/i >= n/i > n/'
mutate qkv.cu qkv "a strip that ends a row early" 's/first + STRIP_ROWS : m.N;/first + STRIP_ROWS : m.N - 1;/'
mutate attention.cuh attention "the stride of a head for that of a row" \
    's/(size_t)n \* row_stride + d\]/(size_t)n * D + d]/'
mutate qkv.cu qkv "positions counted by heads" '0,/i \/ p.heads % p.T/s//i % p.T/'
mutate mma.cuh attention_grad "a fragment from the wrong column" \
    's/lane_id() % 4 \* 2 \* stride + lane_id() \/ 4/lane_id() \/ 4 * stride + lane_id() % 4 * 2/'
mutate attention_grad.cu attention_grad "shared memory over 48 KB that nobody asked for" \
    's/(int)keys_shared<A, DP>()));/0));/'
mutate attention.cuh attention_grad "heads counted before tiles" 's/blockIdx.x \/ tiles;/blockIdx.x \/ heads;/'
mutate muon.cu muon "momentum of the wrong matrix" '0,/batch.p\[blockIdx.y\].momentum;/s//batch.p[0].momentum;/'
mutate head.cu head "the slope of the cap left out" 's/scale \* p \* (1.0f - part \* part)/scale * p/'
mutate skip.cu skip "a gate's slope left out" 's/ \* g \* (1 - g);/;/'
mutate lanes.cu lanes "a lane in place of the mean" 's/0.5f \* (x + y)/x/'
mutate lanes.cu lanes "what the MLP adds to one lane taken for what it adds to the other" \
    's/l.add\[2\] \* x + l.add\[3\] \* y/l.add[3] * x + l.add[2] * y/'
mutate values.cu values "what later layers add left out" 's/dv += d.later\[i\];/;/'
mutate output.cu output "one value for all heads of a row" '0,/(i \/ o.group)/s//(i \/ o.group \/ o.K * o.K)/'
mutate qkv.cu qkv "a scaled norm's gradient not scaled" 's/d.r\[n\] \* scale;/d.r[n];/'
mutate head.cu head "a prior's gradient without the slope of the cap" 's/along += gradient \* /along += scale * p * /'
mutate head.cu head "one row of a prior for all tokens" 's/prior.ids\[i \/ V\]/prior.ids[0]/'
mutate columns.cu columns "a total without its last number" 's/i < n; i += TOTAL/i + 1 < n; i += TOTAL/'
mutate gates.cu gates "a strip of a gate's sums that ends a row early" \
    's/first + STRIP_ROWS : s.rows;/first + STRIP_ROWS : s.rows - 1;/'
mutate gates.cu gates "what gates look at moved by the first of them alone" 's/g < s.count; g++/g < 1; g++/'
mutate qkv.cu qkv "no gradient through what gates look at" 's/+= dcut\[i\];/+= 0 * dcut[i];/'
mutate output.cu output "a gate left out along the own value" '/dshare \*= gate;/d'
mutate values.cu values "a table's row left out of what is mixed" 's/ + 2 \* g \* row\[j\]);/);/'
mutate lookup.cu lookup "one head's rate for all heads of a row" 's/ + c \/ l.group\] : x/] : x/'
mutate before.cu before "what the next row took left out" 's/d += shares\[n + 1\] \* ds\[i + C\];/;/'
mutate before.cu before "the norm of a row before it was smeared" \
    's/smear_at(e, share, c, m.C) \* r \* mean/e[c] * r * mean/'
mutate before.cu before "pairs' scale left out of their projection's gradient" 's/+= \*scale \* G/+= G/'
mutate average.cu average "what is kept and what is new exchanged" 's/fmaf(\*keep, /fmaf(1 - *keep, /'

program=cuda_train
mutate adam.cu adam "the bias correction as an argument, so that no step is like another" \
    's/\(const struct adam_law \*law,\) const/\1 float baked, const/; s/ law->fix1, fix2/ baked, fix2/
    s/transfer_value(ctx, terms),/transfer_value(ctx, terms), terms.fix1,/'
mutate muon.cu muon "the first step's learning rate for ever" \
    's/const struct muon_law terms = {/static const struct muon_law terms = {/'
mutate graph.cu graph "another tape of the same length taken for the same" \
    's/ g->hash == hash &&//; s/memcmp(g->tape, t->calls, t->bytes) == 0/true/'
mutate graph.cu graph "a tape captured when it comes first" 's/\*known = false;/*known = true;/'
mutate product.cu product "a wait inside a capture" \
    's/return (status == CUBLAS/cudaStreamSynchronize(ctx->stream); &/'
mutate transfer.cu transfer "no wait for ids and numbers to arrive" '/StreamWaitEvent(ctx->stream, s->copied/d'
mutate transfer.cu transfer "no wait for a slot's last load to be taken" '/StreamWaitEvent(ctx->copies, s->taken/d'
mutate transfer.cu transfer "the host writes to a slot that is still being copied" \
    '/EventSynchronize(s->copied)/d; /!m->open/d'
mutate transfer.cu transfer "losses copied before they are computed" '/StreamWaitEvent(ctx->copies, m->computed/d'
mutate transfer.cu transfer "losses read before they have come" '/EventSynchronize(m->fetched)/d'
mutate transfer.cu transfer "numbers that are sent before they are written" \
    's/memcpy(filling(m)->pinned + at, x, n)/(void)(filling(m)->pinned + at), (void)x/'
mutate transfer.cu transfer "losses in the mirror believed after something else wrote them" \
    's/ || buf != m->losses)/ || buf == m->losses)/'
mutate stream.cu stream "an update held back for ever" 's/batch.n\[0\] = 1;/batch.n[0] = 0;/'
mutate muon.cu muon "a weight updated in spite of a loss that is not finite" \
    '/^muon_update/,/^}/ { /if (\*held)/d; /return;/d; }'

sound graph.cu graph "a tape so short that it is done in pieces" 's/TAPE_BYTES = 1 << 20/TAPE_BYTES = 66000/'

program=cuda_ops
sound attention_grad.cu attention_grad "the float32 matrix unit by shuffles, as on a card" "" -DEMU_SHUFFLED
sound context.cuh ops_cuda "logits in several chunks" 's/LOGITS = 1 << 23/LOGITS = 1/'
echo "1..$n"
exit "$failed"
