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
		out,111) [[ $stderr == *"cannot write standard output"* ]] || [[ $1 == hg-run || $1 == hg-confirm || $1 == hg-campaign ]] ;;
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
	t 0 hg-active .
	t 0 hg-watch r
	t 0 hg-retry train s
	t 1 hg-cancel train s
	t 0 hg-reap .
	mkdir -p l
	t 0 hg-run -l l s
	run -0 hg-await -t 30 score s
	t 0 hg-classify l r
	t 0 hg-ledger list l
	t 0 hg-report l
	t 0 hg-diff r s
	t 0 hg-lineage -l l s
	t 0 hg-prune -n r
	t 0 hg-confirm -h
	mkdir -p c
	echo '{"schema": "homegolf.campaign.v1", "lanes": [{"name": "a"}], "routes": []}' > c/campaign.json
	t 0 hg-triage c
	t 0 hg-campaign -1 c
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
	# A tmux server of its own, with this environment.
	export TMUX_TMPDIR=$PWD
	while read -r line; do
		way=${line%% *}
		n=$((n + 1))
		command -v "$way" > /dev/null || continue
		# There is a user's manager only where somebody has logged in.
		[[ $way != systemd-run ]] || systemd-run --user --wait --quiet true 2> /dev/null || continue
		tiny_spec runs/a train.iterations=60
		# A terminal of its own; it closes when its shell has ended, and HUP goes to its jobs.
		"$PYTHON" -c 'import os, pty, sys
pid, fd = pty.fork()
if pid == 0: os.execvp("bash", ["bash", "-ic", sys.argv[1] + "\nuntil [ -s runs/a/train.lock ]; do sleep 0.02; done; kill -HUP 0"])
try:
    while os.read(fd, 4096): pass
except OSError: pass' "$line" 3>&-
		run -0 hg-await -t 60 score runs/a
		# hg-run still adds it, and the ledger is its until then.
		for _ in $(seq 100); do
			if [ -s runs/a/ledger_witness.json ] && rm -rf ledger 2> /dev/null; then break; fi
			sleep 0.1
		done
		[ ! -e ledger ]
		mv runs/a "$way"
	done < <(sed -n '/^\.Ss Overnight/,/^\.Ed/{/hg-run -l/p;}' "$HG_TOP/man/hg-run.1" | tr -d '\r')
	! command -v tmux > /dev/null || tmux kill-server 2> /dev/null || :
	[ "$n" -eq 4 ]
}

# code OF_THE_TABLE
tabled() {
	case $1 in 0 | 1 | 2 | 99 | 100 | 102 | 103 | 111) ;; *) return 1 ;; esac
}

@test "where no file may grow beyond a limit every tool ends by itself, by the table of exit codes, and says what was met" {
	local limit tool line gone=0
	tiny_spec whole
	hg-run -l led whole > /dev/null 2>&1
	mkdir -p c/in
	echo '{"schema": "homegolf.campaign.v1", "lanes": [{"name": "a"}], "routes": [{"when": {}, "lane": "a"}]}' > c/campaign.json
	jq 'del(.digests, .run_id, .run_uid, .created_at, .system.lane) | .about.hypothesis = "h" | .about.expected_gain = 1' \
	    whole/spec.json > c/in/a.json
	for limit in 0 8; do
		mkdir at$limit
		for line in "hg-data -B -n 20 -f lines -o at$limit/d $DATA.txt" "hg-shard -t bytes -o at$limit/shard.bin" \
		    "hg-spec -b whole/spec.json at$limit/spec" "hg-pace -t 0.1 whole" "hg-train at$limit/train" "hg-export export" \
		    "hg-prompt whole" "hg-score score" "hg-score -d score" "hg-await -t 5 score score" "hg-gate score whole" \
		    "hg-status -w whole" "hg-active -a ." "hg-watch whole" "hg-cancel train at$limit/run" "hg-reap ." "hg-run -l at$limit/l at$limit/run" \
		    "hg-classify led whole" "hg-ledger add at$limit/l2 whole" "hg-report -o at$limit/page.html led" \
		    "hg-diff whole whole" "hg-lineage -l led whole" \
		    "hg-retry train at$limit/train" "hg-prune score" "hg-confirm -c led whole" "hg-triage c" \
		    "hg-triage -m a c" "hg-campaign -1 c"; do
			# shellcheck disable=SC2086
			set -- $line
			case ${*: -1} in
			*train | *run) [ -e "${*: -1}" ] || tiny_spec "${*: -1}" ;;
			export | score)
				# Not removed: one that was started with -d may still be writing.
				gone=$((gone + 1))
				mkdir gone$gone
				mv export score gone$gone 2> /dev/null || :
				tiny_spec export
				tiny_spec score
				hg-train export
				hg-train score
				hg-export score ;;
			esac
			run bash -c 'ulimit -f "$0"; exec timeout -s KILL 60 "$@" 3>&- < <(echo 1 2 3) > out 2> err' $limit "$@"
			tabled "$status" || { echo "$limit: $line: $status" >&2; cat err >&2; false; }
			run ! grep -h "move it away" err out
		done
	done
	[ "$(jq -r .kind at8/train/train_refusal.json 2> /dev/null || jq -r .kind at8/train/attempts/*/train_refusal.json)" = io_error ]
	run -102 bash -c 'ulimit -f 8; exec hg-train "$1" 3>&-' . at8/train
	[[ $output == *"File too large for the limit on the size of files, which ulimit -f shows"* ]]
}

@test "every tool ends where SIGPIPE is blocked or ignored and nobody reads what it says" {
	local how tool
	tiny_spec whole
	hg-run -l led whole > /dev/null 2>&1
	for how in blocked ignored; do
		for tool in "hg-status whole" "hg-status -j whole" "hg-active ." "hg-watch whole" "hg-watch -j whole" \
		    "hg-ledger list led" "hg-ledger show led" "hg-report led" "hg-diff whole whole" "hg-lineage whole" \
		    "hg-prompt whole" "hg-gate score whole" "hg-classify led whole" "hg-pace -t 0.1 whole" "hg-reap ." \
		    "hg-prune -n whole" "hg-await -t 5 score whole" "hg-run whole" "hg-triage -T" "hg-campaign -h"; do
			# shellcheck disable=SC2086
			run timeout -s KILL 60 "$PYTHON" -c '
import os, signal as s, sys
if sys.argv[1] == "blocked": s.pthread_sigmask(s.SIG_BLOCK, s.valid_signals())
else: s.signal(s.SIGPIPE, s.SIG_IGN)
r, w = os.pipe()
os.close(r)
os.dup2(w, 1)
os.execvp(sys.argv[2], sys.argv[2:])' $how $tool 3>&-
			tabled "$status" || { echo "$how: $tool: $status $output" >&2; false; }
		done
	done
}

@test "a worker whose parent had all signals blocked is stopped by TERM, and so is its owner" {
	local who
	load fakerun
	PATH=$HG_T/tools:$PATH
	for who in owner worker; do
		tiny_spec $who
		under blocked fakestage train $who hang &
		until_true 20 running train $who
		kill -TERM "$(${who}_of train $who)"
		until_true 20 test -e $who/train_refusal.json
		wait $! || [ $? -eq 102 ]
	done
	[ "$(jq -r .kind owner/train_refusal.json)" = cancelled ]
	[ "$(jq -r .kind worker/train_refusal.json)" = worker_signalled ]
}

@test "a descriptor that a tool inherited is held neither by a stage that it detached nor by a program that it started" {
	load fakerun
	PATH=$HG_T/tools:$PATH
	tiny_spec r
	hg-train r
	hg-export r
	fakestage -d score r hang 3>&- 7> held
	until_true 20 running score r
	run ! grep -q held <(readlink "/proc/$(owner_of score r)"/fd/* "/proc/$(worker_of score r)"/fd/*)
	hg-cancel score r
	mkdir fake
	printf '#!/bin/sh\nreadlink /proc/$$/fd/* > %s/fds\nexit 9\n' "$PWD" > fake/spm_train
	chmod +x fake/spm_train
	PATH=$PWD/fake:$PATH run hg-data -n 20 -f lines -o d "$DATA.txt" 3>&- 7> held 9< "$DATA.txt"
	[ -s fds ]
	run ! grep -E "held|$DATA.txt" fds
	# But what it was given to read by descriptor it reads.
	hg-data -B -n 20 -f lines -o d <(cat "$DATA.txt")
}
