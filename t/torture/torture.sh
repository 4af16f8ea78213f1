#!/bin/sh
# torture.sh: inject faults into Homegolf's tools, one after another, and check what they leave.
#
# A scenario is a few functions of t/torture/scenarios.sh: make (what is there before), run (what is done under fire),
# again (how a person goes on afterwards) and bits (what must come out, whatever happened in between).  After each
# fault the files are looked at, the scenario is done again without a fault, and the bits are compared with those of
# an undisturbed run.  Every trace is judged for the durability order.

usage() {
	cat <<-EOT
	usage: torture.sh [-j JOBS] [-n FAULTS] [-b SECONDS] [-S SEED] [SCENARIO...]
	       torture.sh [-j JOBS] [-b SECONDS] [-S SEED] -c ROUNDS [SCENARIO...]
	       torture.sh -1 'SCENARIO MODE N'
	       torture.sh -l

	inject faults into tools at each of their system calls and check what is left

	  -j JOBS      at the same time (2)
	  -n FAULTS    at most so many for each scenario and mode, spread evenly (all)
	  -b SECONDS   start no fault after this time (none)
	  -S SEED      of the order and of the spread (from the clock; printed)
	  -c ROUNDS    chaos instead: kill the whole tree at random moments until it is done, so many times
	  -1 FAULT     do one fault again and keep its files
	  -l           list scenarios and modes
	EOT
}

top=$(cd "$(dirname "$0")/../.." && pwd)
: "${HG_T:=$top/t}"
: "${HG_BUILD:=$top/build/gcc}"
PATH=${HG_BIN:-$top/bin}:$PATH
torture=$HG_T/torture/torture
invariants=$HG_T/torture/invariants
LC_ALL=C
# Leaks cannot be looked for under ptrace.
ASAN_OPTIONS=detect_leaks=0
export PATH LC_ALL ASAN_OPTIONS HG_T HG_BUILD HOMEGOLF_LANES

jobs=2 most=0 budget=0 seed=$(date +%s) chaos=0 one='' list=''
while getopts j:n:b:S:c:1:lh letter; do
	case $letter in
	j) jobs=$OPTARG ;;
	n) most=$OPTARG ;;
	b) budget=$OPTARG ;;
	S) seed=$OPTARG ;;
	c) chaos=$OPTARG ;;
	1) one=$OPTARG ;;
	l) list=y ;;
	h) usage && exit 0 ;;
	*) usage >&2 && exit 100 ;;
	esac
done
shift $((OPTIND - 1))

. "$top/t/torture/scenarios.sh"

# What can happen to a scenario: "kill:WHO:SORTS", "SIGNAL:WHO:SORTS", or "ERROR:SORTS", with a + "from then on".
small='kill:all:all kill:caller:change TERM:root:change'
errors='ENOSPC:write,sync,truncate,mkdir,rename,link,open EIO:write,sync,truncate,rename,link,unlink,open,close,read
EMFILE:open,desc EINTR:write,sync,open,close,read,lock,wait,truncate ENOMEM:alloc,fork,exec EAGAIN:fork
ENOSPC+:write,mkdir,rename,link EIO+:sync EMFILE+:open,desc ENOMEM+:alloc'

# Trees of processes are killed as a whole and in part; their calls are many, so only those that change something.
tree='kill:all:change kill:caller:change kill:parent:change kill:root:change TERM:root:change TERM:caller:change
INT:root:change'

# Of the whole chain what is not each stage's own: those are tortured one by one.
driver='kill:all:change kill:caller:change kill:root:change TERM:root:change EAGAIN:fork ENOMEM:fork,exec
EMFILE:open,desc ENOSPC+:write,mkdir,rename,link'

modes_of() {
	case $1 in
	chain) echo "$driver" ;;
	verbs | spec | mint | shard | await | retry | reap | leftover | gate | prune | status | first | ledger | \
		classify | report)
		echo "$small $errors"
		;;
	*) echo "$tree $errors" ;;
	esac
}

# The tracer's options for a mode and a number ('' to count only).
options_of() {
	mode=$1 number=$2
	sorts=${mode##*:}
	printf -- '-s %s' "$sorts"
	[ -n "$number" ] || return 0
	printf -- ' -n %s' "$number"
	case $mode in
	kill:*)
		mode=${mode#kill:}
		printf -- ' -k %s' "${mode%%:*}"
		;;
	E*+:*) printf -- ' -a -e %s' "${mode%%+*}" ;;
	E*:*) printf -- ' -e %s' "${mode%%:*}" ;;
	*)
		printf -- ' -z %s' "${mode%%:*}"
		mode=${mode#*:}
		printf -- ' -k %s' "${mode%%:*}"
		;;
	esac
}

# Scenarios say `under COMMAND...` for what is to be traced; $options is '' when nothing is to happen to it.
under() {
	# shellcheck disable=SC2086
	"$torture" $options -g . -t 120 -w 30 -r ../report "$@" <"${input:-/dev/null}"
}

field() {
	sed -n "s/^$1 \\([^ ]*\\).*/\\1/p" "$2"
}

# How a command may end: by a code of hg-exit(7), by one of the shell's when it could not go on, or by our signal.
end_is_known() {
	code=$(field exit report)
	case $code in
	0 | 1 | 2 | 99 | 100 | 102 | 103 | 111) return 0 ;;
	126 | 127) case $mode in E*) return 0 ;; esac ;;
	130 | 137 | 143) case $scenario:$mode in chain:kill:* | chain:TERM:* | chain:INT:*) return 0 ;; esac ;;
	'') case $mode:$(field signal report) in kill:*:9 | TERM:*:15 | INT:*:2 | chaos:9) return 0 ;; esac
		# A shell without memory may die of it; ours is not to say how.
		case $scenario:$mode in chain:ENOMEM* | seed:ENOMEM*) return 0 ;; esac ;;
	esac
	return 1
}

bad() {
	echo "violation: $scenario $mode $n: $*"
}

# A fresh copy of what is there before, in ./work.
fresh() {
	rm -rf work report out err lanes && cp -a "$base/made/$scenario" work
	HOMEGOLF_LANES=$PWD/lanes
}

# What no fault may leave; with -s when somebody has come by since.
look() {
	# shellcheck disable=SC2086
	"$invariants" $1 work >looked 2>looked.err
	[ $? -le 1 ] || bad "cannot look: $(tail -n 1 looked.err)"
	while read -r line; do bad "$line"; done <looked
}

# Are the results those of an undisturbed run?
compare() {
	(cd work && "${scenario}_bits") >bits 2>bits.err || bad "$1, no result: $(tail -n 1 bits.err)"
	cmp -s bits "$base/bits.$scenario" ||
		bad "$1, other bits: $(diff bits "$base/bits.$scenario" | sed 1d | paste -sd' ' | cut -c 1-200)"
}

# After the fault: look, go on, look again, compare. Says violations.
aftermath() {
	end_is_known || bad "ended with $(field exit report)$(sed -n 's/^signal/signal/p' report)"
	sed -n 's/^torture: violation: //p' err | while read -r line; do bad "$line"; done
	grep -q -e 'runtime error:' -e 'ERROR: AddressSanitizer' err &&
		bad "a sanitizer complains: $(grep -m 1 -e 'rror:' err)"
	look ''
	case $scenario:$(field exit report) in
	detached:* | await:* | retry:* | reap:* | leftover:*) ;;
	# A run is complete without its prompt (hg-run(1)): that is tried again below.
	chain:0) [ -e work/r/prompt_refusal.json ] || compare "it says that it is done" ;;
	*:0) compare "it says that it is done" ;;
	esac
	(cd work && options='-s exec' && "${scenario}_again") >again.out 2>again.err ||
		bad "going on fails with $?: $(tail -n 1 again.err)"
	sed -n 's/^torture: violation: //p' again.err | while read -r line; do bad "going on: $line"; done
	look -s
	compare "afterwards"
}

# One fault, in the current directory, which is the job's own.
fault() {
	scenario=$1 mode=$2 n=$3
	fresh
	options=$(options_of "$mode" "$n")
	(cd work && "${scenario}_run") >out 2>err
	[ -s report ] || {
		bad "the tracer failed: $(tail -n 1 err)"
		return
	}
	[ "$(field injected report)" != 0 ] || return 0
	echo fault
	aftermath
}

# Kill the whole tree at random moments until it gets through.
chaos_once() {
	scenario=$1 mode=chaos n=$2
	fresh
	round=0
	while :; do
		round=$((round + 1))
		# Later rounds live longer, so that it ends.
		ms=$(awk -v s="$n" -v r="$round" 'BEGIN {
			x = s * 7919 + r * 104729
			for (i = 0; i < 9; i++) x = (16807 * x) % 2147483647
			print 1 + x % (50 * r * r + 20)
		}')
		options=$(printf -- '-s exec -m %s.%03d' $((ms / 1000)) $((ms % 1000)))
		(cd work && "${scenario}_run") >out 2>err
		[ -s report ] || {
			bad "the tracer failed: $(tail -n 1 err)"
			return
		}
		[ "$(field injected report)" != 0 ] || break
		echo fault
		end_is_known || bad "round $round: ended with $(field exit report)"
		look ''
		[ "$round" -lt 60 ] || {
			bad "not done after $round rounds"
			return
		}
	done
	aftermath
}

# A shuffled list of "N" from 1 to $1, at most $2 of them (0: all).
spread() {
	awk -v n="$1" -v most="$2" -v seed="$3" 'BEGIN {
		x = seed % 2147483646 + 1
		step = most > 0 && n > most ? n / most : 1
		x = (16807 * x) % 2147483647
		for (at = x / 2147483647 * step; at < n; at += step) print int(at) + 1
	}'
}

# How many calls of these sorts the last run made.
calls_in() {
	sum=0
	for word in $(echo "$1" | tr , ' '); do
		sum=$((sum + $(field "sort-$word" report)))
	done
	echo $sum
}

shuffle() {
	awk -v seed="$1" 'BEGIN { x = seed % 2147483646 + 1 } { x = (16807 * x) % 2147483647; print x, $0 }' |
		sort -n | cut -d' ' -f2-
}

if [ -n "$list" ]; then
	for scenario in $scenarios; do
		echo "$scenario: $(modes_of "$scenario" | paste -sd' ')"
	done
	exit 0
fi
[ $# -gt 0 ] || [ -n "$one" ] || eval "set -- $scenarios"
for scenario; do
	case " $scenarios " in
	*" $scenario "*) ;;
	*) echo "torture.sh: no such scenario: '$scenario' (there are: $scenarios)" >&2 && exit 100 ;;
	esac
done

base=$(mktemp -d "${TMPDIR:-/tmp}/torture.XXXXXX") || exit 111
keep=''
clean() {
	if [ -n "$keep" ]; then echo "kept: $base"; else rm -rf "$base"; fi
}
trap clean EXIT
trap 'exit 111' INT TERM HUP
mkdir "$base/made"
(cd "$base" && before_all) >"$base/make.out" 2>&1 || {
	echo "torture.sh: cannot begin: $(tail -n 1 "$base/make.out")" >&2
	exit 111
}

# What is there before, and what comes out if nothing happens.
prepare() {
	scenario=$1
	mkdir -p "$base/made/$scenario" "$base/job.0"
	(cd "$base/made/$scenario" && "${scenario}_make") >"$base/make.out" 2>&1 || {
		echo "torture.sh: cannot make '$scenario': $(tail -n 1 "$base/make.out")" >&2
		exit 111
	}
	cd "$base/job.0" || exit 111
	mode=count n=0
	: >"$base/bits.$scenario"
	fresh
	# Once without the tracer's eyes on it, for the bits; then once more, judged.
	options='-s exec'
	(cd work && "${scenario}_run") >out 2>err
	(cd work && "${scenario}_again") >again.out 2>again.err &&
		(cd work && "${scenario}_bits") >"$base/bits.$scenario"
	[ -s "$base/bits.$scenario" ] || {
		echo "torture.sh: '$scenario' fails undisturbed: $(cat err again.err | tail -n 2)" >&2
		exit 111
	}
	fresh
	(cd work && "${scenario}_run") >out 2>err
	aftermath
}

if [ -n "$one" ]; then
	# shellcheck disable=SC2086
	set -- $one
	prepare "$1"
	if [ "$2" = chaos ]; then chaos_once "$1" "$3"; else fault "$1" "$2" "$3"; fi >"$base/said"
	cat "$base/said"
	cat "$base/job.0/report"
	sed 's/^/err: /' "$base/job.0/err"
	sed 's/^/again: /' "$base/job.0/again.err"
	keep=y
	! grep -q ^violation "$base/said"
	exit
fi

echo "seed $seed"
for scenario; do
	prepare "$scenario" >>"$base/said.0"
	if [ "$chaos" -gt 0 ]; then
		seq "$chaos" | awk -v s="$scenario" -v seed="$seed" '{ print s, "chaos", (seed + $1) % 1000000 }'
		continue
	fi
	for mode in $(modes_of "$scenario"); do
		spread "$(calls_in "${mode##*:}")" "$most" "$seed" | sed "s/^/$scenario $mode /"
	done
done >"$base/all"
shuffle "$seed" <"$base/all" >"$base/list"
began=$(date +%s)
echo "faults to inject: $(($(wc -l <"$base/list")))"

job() {
	mkdir -p "$base/job.$1" && cd "$base/job.$1" || exit 111
	awk -v j="$1" -v n="$jobs" 'NR % n == j - 1' "$base/list" | while read -r s m n; do
		if [ "$budget" -gt 0 ] && [ $(($(date +%s) - began)) -ge "$budget" ]; then
			echo left
		elif [ "$m" = chaos ]; then
			chaos_once "$s" "$n"
		else
			fault "$s" "$m" "$n"
		fi
	done >"$base/said.$1"
}
pids=''
for j in $(seq "$jobs"); do
	job "$j" &
	pids="$pids $!"
done
# shellcheck disable=SC2086
wait $pids

sed -n "s|^violation: \\([^ ]* [^ ]* [^: ]*\\): .*|&\\
    again: t/torture/torture.sh -1 '\\1'|p" "$base"/said.*
left=$(cat "$base"/said.* | grep -c ^left)
[ "$left" -eq 0 ] || echo "left out for lack of time: $left"
injected=$(cat "$base"/said.* | grep -c ^fault)
violations=$(cat "$base"/said.* | grep -c ^violation)
echo "faults injected: $injected, violations: $violations"
[ "$injected" -gt 0 ] && [ "$violations" -eq 0 ]
