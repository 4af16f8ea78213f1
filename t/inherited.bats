# What a process inherits from whoever started it: signals, descriptors, umask.
load helper

setup_file() {
	export DATA=$BATS_FILE_TMPDIR/data
	tiny_data "$DATA"
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	export HOMEGOLF_LANES=$PWD/lanes
}

# under WAY COMMAND...: run it as a parent would that is odd in this way, for a minute at most.
under() {
	timeout -s KILL 60 "$PYTHON" -c '
import os, signal as s, sys
way = sys.argv[1]
if way == "chld": s.signal(s.SIGCHLD, s.SIG_IGN)
if way == "blocked": s.pthread_sigmask(s.SIG_BLOCK, s.valid_signals())
if way == "umask": os.umask(0o777)
for fd in {"in": [0], "out": [1], "err": [2], "closed": [0, 1, 2]}.get(way, []): os.close(fd)
os.execvp(sys.argv[2], sys.argv[2:])' "$@" 3>&-
}

# every_tool WAY: one after the other, each must end as it does elsewhere; USED names those that were.
every_tool() {
	local way=$1 base=$BATS_TEST_TMPDIR/$1.json
	prompt=0
	# Where the product can't be written, that is told.
	[[ $way != out && $way != closed ]] || prompt=102
	tiny_spec plain
	cp "$BATS_FILE_TMPDIR/tiny-base.json" "$base"
	used=""
	t() {
		local code=$1
		shift
		used="$used $1"
		run --separate-stderr under "$way" "$@"
		# shellcheck disable=SC2154
		case $way,$status in
		*,"$code" | closed,111) ;;
		out,111) [[ $stderr == *"cannot write standard output"* ]] || [[ $1 == hg-run || $1 == hg-confirm ]] ;;
		*) echo "$way: $*: $status, not $code: $stderr" >&2; return 1 ;;
		esac
	}
	t 0 hg-data -B -n 20 -f lines -o d "$DATA.txt"
	t 0 hg-shard -h
	t 0 hg-spec -b "$base" -s data.dir="$PWD/d" r
	t 0 hg-spec -b "$base" -s data.dir="$PWD/d" s
	t 0 hg-pace r
	t 0 hg-train r
	t 0 hg-export r
	t "$prompt" hg-prompt r
	t 0 hg-score -d r
	t 0 hg-await -t 30 score r
	t 0 hg-gate score r
	t 0 hg-status r
	t 0 hg-retry train s
	t 1 hg-cancel train s
	t 0 hg-reap .
	mkdir -p l
	t 0 hg-run -l l s
	run -0 hg-await -t 30 score s
	t 0 hg-classify l r
	t 0 hg-ledger list l
	t 0 hg-report l
	t 0 hg-confirm -h
}

sound() {
	local s
	for s in train export prompt score; do
		[[ $s != prompt || $prompt = 0 ]] || continue
		run -0 hg-gate "$s" r
		run -0 hg-gate "$s" s
	done
	cmp r/artifact.hgz s/artifact.hgz
	run -0 hg-ledger verify l
	[ -z "$(find . -type f -name '*.json' ! -perm -u+r)" ]
	for s in r/*.lock s/*.lock; do
		[ "$(head -c 16 "$s")" = homegolf.lock.v1 ] && [ "$(stat -c %s "$s")" -eq 512 ]
	done
}

@test "every tool works where SIGCHLD is ignored" {
	every_tool chld
	sound
	# shellcheck disable=SC2154
	for tool in $(make -s -C "$HG_TOP" tools); do
		[[ " $used " == *" $tool "* ]] || { echo "not tried: $tool" >&2; false; }
	done
}

@test "every tool works where all signals are blocked" {
	every_tool blocked
	sound
}

@test "every tool works where the umask takes everything, and can read again what it made" {
	every_tool umask
	sound
	[ -z "$(find r s d l ! -perm -u+r)" ]
}

@test "every tool works without a standard input, or says that its output can't be written, and no file gets either" {
	local way
	for way in in out err closed; do
		mkdir $way
		cd $way
		every_tool $way
		sound
		cd ..
	done
}

@test "the ways to run overnight that hg-run(1) gives outlive a terminal that closes" {
	local way n=0 line
	mkdir runs
	while read -r line; do
		way=${line%% *}
		n=$((n + 1))
		command -v "$way" > /dev/null || continue
		[[ $way = nohup || $way = setsid ]] || continue
		tiny_spec runs/a train.iterations=60
		# A terminal of its own; it closes when its shell has ended, and HUP goes to its jobs.
		"$PYTHON" -c 'import os, pty, sys
pid, fd = pty.fork()
if pid == 0: os.execvp("bash", ["bash", "-ic", sys.argv[1] + "\nuntil [ -s runs/a/train.lock ]; do sleep 0.02; done; kill -HUP 0"])
try:
    while os.read(fd, 4096): pass
except OSError: pass' "$line" 3>&-
		run -0 hg-await -t 60 score runs/a
		rm -rf ledger
		mv runs/a "$way"
	done < <(sed -n '/^\.Ss Overnight/,/^\.Ed/{/hg-run -l/p;}' "$HG_TOP/man/hg-run.1" | tr -d '\r')
	[ "$n" -eq 4 ]
}
