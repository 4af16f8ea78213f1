# The tracer kills, fails and judges as it says; and it goes red for the bugs that it is there to find.
load helper

setup() {
	cd "$BATS_TEST_TMPDIR"
	mkdir d
	export HG_BIN=$HG_TOP/bin
	[ "$HG_T" = "$HG_TOP/t" ] || HG_BIN=${HG_T%/t}/bin
	torture=$HG_T/torture/torture
	verbs=$HG_T/torture/verbs
	# Leaks cannot be looked for under ptrace.
	export ASAN_OPTIONS=detect_leaks=0
}

# field WORD: of the last report.
field() {
	awk -v w="$1" '$1 == w { print $2 }' report
}

# A command with bug $1 breaks rule $2: $3 are more options, the rest is what it does.
red() {
	local bug=$1 rule=$2 options=$3
	shift 3
	# shellcheck disable=SC2086
	run --separate-stderr "$torture" -g d $options -r report "$verbs" -b "$bug" d "$@"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"violation: $rule: "* ]]
}

@test "the file verbs break no rule of the durability order" {
	run "$torture" -g d -r report "$verbs" d create training_report.json a replace summary.json b \
		post train_status.json c append ledger.jsonl d
	[ "$status" -eq 0 ]
	[ "$output" = "" ]
	[ "$(field exit)" = 0 ]
	[ "$(cat d/training_report.json d/summary.json d/train_status.json d/ledger.jsonl)" = abcd ]
}

@test "a result published before its bytes are synced is found" {
	red no-sync unsynced-data "" create training_report.json text
}

@test "a directory that is not synced before the command ends is found" {
	red no-dir-sync unsynced-name "" create checkpoint.safetensors text
}

@test "a directory that is not synced before the next marker is found" {
	red no-dir-sync unsynced-name "" create checkpoint.safetensors text create training_report.json text
	[[ "$stderr" == *"checkpoint.safetensors is not synced before"*training_report.json* ]]
}

@test "a result written in place is found" {
	red in-place written-in-place "" create training_report.json text
}

@test "a result published by rename is found, for it would overwrite another" {
	red rename overwritable "" create training_report.json text
}

@test "a failed sync that is tried again and then believed is found" {
	red retry failed-sync "-s sync -n 1 -e EIO" create training_report.json text
}

@test "an append that is not synced is found" {
	red no-append-sync unsynced-append "" append ledger.jsonl text
}

@test "for what a dead process appended unsynced who started it answers, and who reads it, and nobody else" {
	local dies="$verbs d append ledger.jsonl text"
	# judged COMMANDS: what is said when the first of them is killed at its fsync.
	judged() {
		rm -f d/*
		run --separate-stderr "$torture" -g d -s sync -n 1 -k caller -r report sh -c "$dies; $1"
		[ "$(field injected)" = 1 ]
		[ "$(cut -c 1-4 d/ledger.jsonl)" = text ]
		echo "$1: $stderr"
	}
	judged 'exit 0'
	[[ "$stderr" == *"violation: unsynced-append: "* ]]
	judged 'head -n 1 d/ledger.jsonl; exit 111'
	[[ "$stderr" == *"violation: unsynced-append: "* ]]
	judged '/bin/true; exit 111'
	[[ "$stderr" != *violation* ]]
	judged "$dies; exit 0"
	[[ "$stderr" != *violation* ]]
}

@test "a process that outlives its command is found and ended" {
	run --separate-stderr "$torture" -w 0.2 -r report "$verbs" -b child d post a b
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"violation: survives: process "*"(verbs) still runs"* ]]
	[ "$(field survivors)" = 1 ]
	run ! kill -0 "$(sed -n 's/.*process \([0-9]*\) .*/\1/p' <<<"$stderr")"
}

@test "a command that hangs is found and ended" {
	run --separate-stderr "$torture" -t 0.2 -r report sleep 600
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"violation: hangs: "* ]]
	[ "$(field signal)" = 9 ]
}

@test "one counter numbers the calls of a whole process tree" {
	run "$torture" -s exec -o trace -r report sh -c '(/bin/cat /dev/null); /usr/bin/env /bin/true; :'
	[ "$status" -eq 0 ]
	[ "$(cut -d' ' -f1 trace | paste -sd' ')" = "1 2 3" ]
	[ "$(cut -d' ' -f2 trace | sort -u | wc -l)" -eq 2 ]
}

@test "the call at which a tree is killed has not happened, and with -x it has" {
	run "$torture" -s mkdir -n 2 -r report mkdir one two three
	[ "$status" -eq 0 ]
	[ "$(field signal)" = 9 ]
	[ "$(ls -d one two three 2>/dev/null)" = one ]
	run "$torture" -s mkdir -n 2 -x -r report mkdir four five six
	[ "$(ls -d four five six 2>/dev/null | paste -sd' ')" = "five four" ]
}

@test "the caller, its parent or the root is killed alone" {
	run "$torture" -s mkdir -n 1 -k caller -r report sh -c 'mkdir one; mkdir two'
	[ "$(ls -d one two 2>/dev/null)" = two ]
	run "$torture" -s mkdir -n 1 -k parent -r report sh -c 'mkdir three; mkdir four'
	[ "$(ls -d three four 2>/dev/null)" = three ]
	[ "$(field signal)" = 9 ]
	run "$torture" -s mkdir -n 1 -k root -z TERM -r report sh -c '(mkdir five; :); mkdir six; :'
	[ "$(ls -d five six 2>/dev/null)" = five ]
	[ "$(field signal)" = 15 ]
}

@test "a call that is made to fail does nothing and fails as asked, once or from then on" {
	run "$torture" -s mkdir -n 1 -e ENOSPC -r report mkdir one two
	[[ "$output" == *one*"No space left on device"* ]]
	[ "$(field exit)" = 1 ]
	[ "$(field injected)" = 1 ]
	[ "$(ls -d one two 2>/dev/null)" = two ]
	run "$torture" -s mkdir -n 1 -a -e ENOSPC -r report mkdir three four
	[ "$(field injected)" = 2 ]
	[ ! -e three ] && [ ! -e four ]
}

@test "a close that is made to fail has let go of its descriptor, so that a pipe still ends" {
	local n
	for n in $(seq 40); do
		run "$torture" -s close -n "$n" -e EIO -t 3 -r report sh -c 'echo text | cat >/dev/null; :'
		echo "$n: $output"
		[ "$status" -eq 0 ]
		[ "$(field injected)" != 0 ] || break
	done
	[ "$n" -gt 4 ] && [ "$n" -lt 40 ]
}

@test "a tree is killed after a time" {
	run "$torture" -m 0.1 -r report sh -c 'sleep 600 & sleep 600; :'
	[ "$status" -eq 0 ]
	[ "$(field signal)" = 9 ]
	[ "$(field survivors)" = 0 ]
}

# bats test_tags=b5
@test "a file created under fire is absent or whole at every call, and the next writer completes it" {
	local n calls
	run "$torture" -s all -r report "$verbs" d create training_report.json text
	calls=$(field calls)
	[ "$calls" -gt 10 ]
	for n in $(seq "$calls"); do
		rm -rf d && mkdir d
		"$torture" -s all -n "$n" -r report "$verbs" d create training_report.json text
		[ "$(field signal)" = 9 ]
		[ ! -e d/training_report.json ] || [ "$(cat d/training_report.json)" = text ]
		"$verbs" d create training_report.json text
		[ "$(ls -A d)" = training_report.json ]
		[ "$(cat d/training_report.json)" = text ]
	done
}

@test "a file written in place is seen half there by the same probe" {
	local n half=0
	for n in 1 2 3 4 5 6; do
		rm -rf d && mkdir d
		"$torture" -n "$n" -r report "$verbs" -b in-place d create training_report.json text
		[ ! -e d/training_report.json ] || [ "$(cat d/training_report.json)" = text ] || half=1
	done
	[ "$half" -eq 1 ]
}

# suite BUG: the whole machinery on the file verbs with a bug.
suite() {
	VERBS_BUG=$1 run "$HG_TOP/t/torture/torture.sh" -S 7 -n 12 verbs
	[ "$status" -ne 0 ]
	[[ "${lines[-1]}" =~ ^"faults injected: "[0-9]+", violations: "[1-9] ]]
}

@test "the suite finds a missing sync, a result written in place and one that would be overwritten" {
	suite no-sync
	[[ "$output" == *": unsynced-data: "* ]]
	suite in-place
	[[ "$output" == *": written-in-place: "* ]]
	[[ "$output" == *"partial or malformed JSON under a final name"* ]]
	suite rename
	[[ "$output" == *": overwritable: "* ]]
}

@test "the suite names the command that repeats a violation, and it does" {
	VERBS_BUG=in-place run "$HG_TOP/t/torture/torture.sh" -S 7 -n 12 verbs
	again=$(grep -A1 '^violation: verbs [^c].*partial' <<<"$output" | sed -n "s/.*-1 '\\(.*\\)'$/\\1/p" | head -n 1)
	VERBS_BUG=in-place TMPDIR=$PWD run "$HG_TOP/t/torture/torture.sh" -1 "$again"
	[ "$status" -eq 1 ]
	[[ "$output" == *"partial or malformed JSON under a final name"* ]]
}

# broken TEXT OPTIONS: the invariants see a breach that says so.
broken() {
	run "$HG_T/torture/invariants" ${2:+"$2"} d
	[ "$status" -eq 1 ]
	[[ "$output" == *"$1"* ]]
}

@test "the invariants see partial JSON, a broken contract, both endings, an orphan, and what no receipt covers" {
	seq 1 40 | sed 's/.*/text number &/' >corpus.txt
	hg-data -B -n 4 -f lines -o data corpus.txt
	hg-spec -s data.dir="$PWD/data" -s model.vocab_size=260 d/r
	run "$HG_T/torture/invariants" -s d
	[ "$status" -eq 0 ]
	[ "$output" = "" ]
	printf 'x' >d/r/checkpoint.safetensors
	run "$HG_T/torture/invariants" d
	[ "$status" -eq 0 ]
	broken "'checkpoint.safetensors' is there without the receipt of stage train" -s
	rm d/r/checkpoint.safetensors
	: >d/r/.tmp.spec.json.1.0
	broken "a temporary is left" -s
	rm d/r/.tmp.spec.json.1.0
	printf 'garbage' >d/r/train.lock
	broken "stage train is orphaned" -s
	: >d/r/train.lock
	printf '{"schema": "homegolf.refusal.v1"' >d/r/train_refusal.json
	broken "partial or malformed JSON under a final name"
	printf '{"schema": "homegolf.refusal.v1"}' >d/r/train_refusal.json
	broken "train_refusal.json: "
	printf '{}' >d/r/training_report.json
	broken "stage train is corrupt"
}

# A run of three steps, complete, and its data; what a killed command may have left of it unsynced is anybody's guess.
complete() {
	awk 'BEGIN {
		for (i = 0; i < 30; i++) {
			for (k = 0; k < 30; k++)
				printf "the cat sat %d ", i * k
			print ""
		}
	}' >text
	hg-data -B -n 6 -f lines -o data text
	cat >spec <<-EOT
	hg-spec -s model.vocab_size=260 -s model.num_layers=1 -s model.model_dim=16 \
		-s model.num_heads=2 -s model.num_kv_heads=1 -s model.mlp_mult=1 \
		-s train.seq_len=16 -s train.batch_tokens=64 -s train.micro_batch_tokens=64 \
		-s train.iterations=2 -s train.warmup_steps=1 \
		-s data.dir=$PWD/data -s system.backend=ref -s system.threads=1 -s budget.max_wallclock_ms=60000 r
	EOT
	sh spec
	HOMEGOLF_LANES=$PWD/lanes hg-run r
}

@test "a row that a killed command left unsynced is synced before the next one says that it is there" {
	local n
	complete
	for n in $(seq 40); do
		rm -rf g && mkdir g
		run --separate-stderr "$torture" -g g -s sync -n "$n" -k caller -r report \
			sh -c 'hg-ledger add g/L r || hg-ledger add g/L r'
		echo "$n: $stderr"
		[ "$(field injected)" != 0 ] || break
		[ "$(field exit)" -eq 0 ]
		[[ "$stderr" != *violation* ]]
	done
	[ "$n" -gt 3 ] && [ "$n" -lt 40 ]
}

@test "who reads a row that a killed command left unsynced syncs it first, and else syncs nothing" {
	local n reader readers=("hg-ledger list" "hg-ledger show" "hg-ledger incumbent" "hg-ledger verify" \
		"hg-ledger next" "hg-ledger stop" "hg-ledger replay" "hg-status -n -l" "hg-classify" "hg-report -o page")
	# call READER: with the operands that it takes.
	call() {
		case $1 in
		*show | *-l | *classify) echo "$1 g/L r" ;;
		*) echo "$1 g/L" ;;
		esac
	}
	complete
	# The sync of the run's row: the row is there, the head does not tell of it, and the next writer may never come.
	for n in $(seq 40); do
		rm -rf g && mkdir g
		"$torture" -s sync -n "$n" -k caller -r report sh -c 'hg-ledger add g/L r; :' >/dev/null 2>&1
		[ "$(field injected)" != 0 ]
		[ ! -s g/L/ledger.jsonl ] || [ "$(wc -l <g/L/ledger.jsonl)" -lt 2 ] || break
	done
	cp -a g left
	for reader in "${readers[@]}"; do
		rm -rf g && mkdir g
		run --separate-stderr "$torture" -g g -s sync -n "$n" -k caller -r report \
			sh -c "hg-ledger add g/L r; $(call "$reader")"
		echo "$reader: $output $stderr"
		[[ "$(field exit)" == [012] ]]
		[ "$(field injected)" = 1 ]
		[[ "$stderr" != *violation* ]]
		# One that can't be synced is not vouched for.
		rm -rf g && cp -a left g
		# shellcheck disable=SC2046
		run "$torture" -s sync -n 1 -a -e EIO -r report $(call "$reader")
		echo "$reader: $output"
		[ "$(field exit)" -eq 111 ]
		[[ "$output" == *"cannot sync the ledger 'g/L'"* ]]
	done
	hg-ledger add g/L r
	hg-ledger add g/L r
	sed 's/ r$/ r2/; s/hg-spec/hg-spec -s train.seed=8/' spec | sh
	HOMEGOLF_LANES=$PWD/lanes hg-run -l g/L r2
	for reader in "${readers[@]:0:7}"; do
		# shellcheck disable=SC2046
		run "$torture" -s sync -r report $(call "$reader")
		echo "$reader: $output"
		[ "$(field calls)" -eq 0 ]
	done
}

@test "who finds an ending, a row, a spec or a dataset does not vouch for it if it cannot be synced" {
	complete
	hg-ledger add L r
	for command in "hg-train r" "hg-score r" "hg-gate score r" "hg-await score r" "hg-ledger add L r" \
		"hg-retry train r" "sh spec" "hg-data -B -n 6 -f lines -o data text"; do
		# shellcheck disable=SC2086
		run "$torture" -s sync -n 1 -a -e EIO -r report $command
		echo "$command: $output"
		[ "$(field exit)" -eq 111 ]
		[[ "$output" == *"cannot sync"* ]]
	done
}

@test "a run that is retried while it is added gets the row of the attempt that was read, and the next one its own" {
	local n pid seen stopped=0
	complete
	sed 's/ r$/ refused/' spec | sh
	"$torture" -n 12 -r /dev/null hg-train refused || :
	run timeout 20 hg-await -t 10 train refused
	[ -e refused/train_refusal.json ]
	# Stopped before each of its opens in turn, the run is retried, and on it goes.
	for n in $(seq 4 60); do
		rm -rf L w pid && mkdir w && cp -a refused w
		"$torture" -s open -n "$n" -k root -z STOP -t 20 -r report \
			sh -c 'echo $$ >pid; exec hg-ledger add L w/refused' >/dev/null 2>&1 &
		seen=0
		while kill -0 $! 2>/dev/null && [ "$seen" -lt 4 ]; do
			if [ -s pid ] && grep -q '^State:.*[tT] ' "/proc/$(cat pid)/status" 2>/dev/null; then
				seen=$((seen + 1))
			else
				seen=0
			fi
			sleep 0.01
		done
		if [ "$seen" -eq 4 ]; then
			timeout 10 hg-retry train w/refused >/dev/null
			kill -CONT "$(cat pid)"
			stopped=$((stopped + 1))
		fi
		wait $! || :
		[ "$(field injected)" != 0 ] || break
		# Refused in the first attempt, if anything was read of it.
		jq -e -s 'map(select(.kind == "run")) | all(.run.attempt == 1)' L/ledger.jsonl >/dev/null || return 1
		HOMEGOLF_LANES=$PWD/lanes hg-ledger verify L >/dev/null
	done
	[ "$stopped" -gt 10 ]
	HOMEGOLF_LANES=$PWD/lanes hg-run w/refused >/dev/null 2>&1 || { hg-retry train w/refused && hg-run w/refused; }
	hg-ledger add L w/refused
	[ "$(jq -s 'map(select(.kind == "run")) | last | .verdict.class' L/ledger.jsonl)" != '"blocked"' ]
	[ "$(jq -s 'map(select(.kind == "run")) | last | .run.attempt' L/ledger.jsonl)" -eq 2 ]
}

# bats test_tags=b4,b5
@test "a sample of all faults breaks no promise" {
	# The same sample each time; `make torture` draws its own.
	run "$HG_TOP/t/torture/torture.sh" -S 7 -b "${TORTURE_SECONDS:-40}" -n 40
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "${lines[-1]}" =~ ^"faults injected: "[1-9][0-9]*", violations: 0"$ ]]
}

@test "its command line is checked" {
	run "$torture" -h
	[ "$status" -eq 0 ]
	run "$torture" -s no true
	[ "$status" -eq 100 ]
	run "$torture" -n 0 true
	[ "$status" -eq 100 ]
	run "$torture" -e EWHAT true
	[ "$status" -eq 100 ]
	run "$torture"
	[ "$status" -eq 100 ]
}
