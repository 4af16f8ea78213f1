# The supervisor: every way to end becomes a receipt or one typed refusal.
load helper
load fakerun

setup() {
	fakerun_setup
	new_run r
}

@test "a stage that delivers leaves its receipt, and says so when asked again" {
	run -0 fakestage train r deliver
	[ "$(key r/training_report.json .attempt)" = 1 ]
	[ ! -e r/train_refusal.json ]
	before=$(sha256sum r/training_report.json)
	run -0 fakestage train r signal=9
	[[ $output == *"has closed out already"* ]]
	[ "$before" = "$(sha256sum r/training_report.json)" ]
}

# bats test_tags=b3
@test "exit, signal, want of memory and deadline are four refusal kinds" {
	fakestage train r deliver
	new_run r2 && fakestage train r2 deliver
	new_run r3 && fakestage train r3 deliver
	new_run r4 && fakestage train r4 deliver
	run -1 fakestage export r exit=3
	[ "$(key r/export_refusal.json .kind)" = worker_exited ]
	[ "$(key r/export_refusal.json .observed.exit_status)" = 3 ]
	run -102 fakestage export r2 signal=11
	[ "$(key r2/export_refusal.json .kind)" = worker_signalled ]
	[ "$(key r2/export_refusal.json .observed.signal)" = 11 ]
	if [ -z "$HG_SAN" ]; then
		run -102 fakestage export r3 malloc
		[ "$(key r3/export_refusal.json .kind)" = out_of_memory ]
	fi
	run -102 fakestage -t 1 export r4 ignore hang
	[ "$(key r4/export_refusal.json .kind)" = deadline_exceeded ]
	[ "$(key r4/export_refusal.json .expected.deadline_ms)" = 1000 ]
}

# bats test_tags=b6
@test "a refusal that the worker types is published with what it saw and what it wanted" {
	run -1 fakestage train r refuse=input_wrong_digest
	[ "$(key r/train_refusal.json .kind)" = input_wrong_digest ]
	[ "$(key r/train_refusal.json .observed.seen)" = 1 ]
	[ "$(key r/train_refusal.json .expected.wanted)" = 2 ]
	[[ $(key r/train_refusal.json .next) = "hg-status $(realpath r)  # "*" hg-run -r $(realpath r); else anew: "* ]]
	run -1 fakestage train r deliver
	[[ $output == *input_wrong_digest*next:* ]]
	[ ! -e r/training_report.json ]
}

# bats test_tags=b19
@test "every kind of refusal ends in the exit code of its class, then and later" {
	local kind code
	for kind in $(jq -r '.properties.kind.enum[]' "$HG_TOP/contracts/refusal.json"); do
		rm -rf k
		new_run k
		run fakestage train k "refuse=$kind"
		code=$status
		[ "$(key k/train_refusal.json .kind)" = "$kind" ]
		[ "$(key k/train_refusal.json .retryable)" = "$([ "$code" -eq 102 ] && echo true || echo false)" ]
		[ "$code" -eq 102 ] || [ "$code" -eq 1 ]
		run -"$code" hg-await -t 5 train k
		run -"$code" fakestage train k
	done
}

# bats test_tags=b4
@test "outputs without a receipt and temporaries are gone after a refusal, what resumes stays" {
	run -102 fakestage train r write=checkpoint.safetensors write=resume.safetensors half=resume.safetensors \
		half=checkpoint.safetensors signal=9
	[ ! -e r/checkpoint.safetensors ]
	[ -e r/resume.safetensors ]
	run ls -A r
	[[ $output != *.tmp.* ]]
	[ -e r/train_refusal.json ] && [ ! -e r/training_report.json ]
}

# bats test_tags=b4
@test "outputs that a killed owner left are gone after the next look" {
	fakestage train r write=checkpoint.safetensors half=checkpoint.safetensors hang 3>&- &
	pid=$!
	until_true 10 test -e r/checkpoint.safetensors
	kill -9 $pid
	exits 137 $pid
	run -102 hg-await -t 5 train r
	[ ! -e r/checkpoint.safetensors ]
	run ls -A r
	[[ $output != *.tmp.* ]]
}

@test "a full disk is disk_full, with what was said as its detail" {
	run -102 fakestage train r full
	[ "$(key r/train_refusal.json .kind)" = disk_full ]
	[[ $(key r/train_refusal.json .detail) == *"No space left"* ]]
}

@test "on a disk that is really full the outputs make room for the refusal" {
	mkdir small
	mount -t tmpfs -o size=128k none small 2> /dev/null || skip "cannot mount here"
	new_run small/r
	run fakestage train small/r write=resume.safetensors fill=checkpoint.safetensors deliver
	cp small/r/train_refusal.json refusal.json 2> /dev/null || ls -la small/r >&2
	left=$(ls -A small/r)
	umount small
	[ "$status" -eq 102 ]
	[ "$(key refusal.json .kind)" = disk_full ]
	[[ $left != *checkpoint* && $left != *.tmp.* ]]
}

@test "a limit on file sizes is an error that is told, not a death" {
	new_run f
	ulimit -f 2
	run -102 fakestage train f fill=checkpoint.safetensors deliver
	[ "$(key f/train_refusal.json .kind)" = io_error ]
	[[ $(key f/train_refusal.json .detail) == *"File too large"* ]]
}

@test "a body that breaks its contract is refused, and no control character reaches the terminal" {
	run -1 fakestage train r broken
	[ "$(key r/train_refusal.json .kind)" = worker_exited ]
	[[ $output != *$'\033'* ]]
	[ ! -e r/training_report.json ]
}

# bats test_tags=b1
@test "the worker dies with an owner killed by SIGKILL" {
	fakestage train r ignore hang 3>&- &
	pid=$!
	until_true 10 running train r
	worker=$(worker_of train r)
	kill -9 "$(owner_of train r)"
	until_true 2 gone "$worker"
}

@test "INT, TERM and HUP close a stage out as cancelled" {
	local sig
	for sig in INT TERM HUP; do
		rm -rf c
		new_run c
		# A shell ignores INT for its background jobs.
		env --default-signal=INT fakestage train c hang 3>&- &
		pid=$!
		until_true 10 running train c
		kill -$sig "$(owner_of train c)"
		exits 102 $pid
		[ "$(key c/train_refusal.json .kind)" = cancelled ]
	done
}

@test "under nohup a stage outlives its terminal, and TERM still stops it" {
	(trap '' HUP; exec fakestage train r hang) 3>&- &
	pid=$!
	until_true 10 running train r
	worker=$(worker_of train r)
	kill -HUP "$(owner_of train r)"
	kill -HUP "$worker"
	run -99 hg-await -t 1 train r
	kill -0 "$worker"
	kill -TERM "$(owner_of train r)"
	exits 102 $pid
	[ "$(key r/train_refusal.json .kind)" = cancelled ]
}

@test "INT that was ignored stays so: ^C in a terminal does not stop a job that a script put in the background" {
	(trap '' INT; exec fakestage train r hang) 3>&- &
	pid=$!
	until_true 10 running train r
	worker=$(worker_of train r)
	kill -INT "$(owner_of train r)" "$worker"
	run -99 hg-await -t 1 train r
	kill -0 "$worker"
	kill -TERM "$(owner_of train r)"
	exits 102 $pid
}

@test "a stage whose parent ignores SIGCHLD ends by its deadline and by TERM" {
	(trap '' CHLD; exec "$PYTHON" -c 'import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execvp(sys.argv[1], sys.argv[1:])' fakestage train r hang) 3>&- &
	pid=$!
	until_true 10 running train r
	kill -TERM "$(owner_of train r)"
	exits 102 $pid
	[ "$(key r/train_refusal.json .kind)" = cancelled ]
}

@test "a cancelled worker that asks may save what it resumes from" {
	fakestage -s train r poll 3>&- &
	pid=$!
	until_true 10 running train r
	kill -TERM "$(owner_of train r)"
	exits 102 $pid
	[ "$(key r/train_refusal.json .kind)" = cancelled ]
	[ -e r/resume.safetensors ]
}

@test "a second signal ends the patience with a worker that ignores the first" {
	env --default-signal=INT fakestage train r ignore hang 3>&- &
	pid=$!
	until_true 10 running train r
	worker=$(worker_of train r)
	kill -INT "$(owner_of train r)"
	kill -0 "$worker"
	kill -TERM "$(owner_of train r)"
	exits 102 $pid
	gone "$worker"
}

# bats test_tags=b47
@test "nobody of the worker's group outlives its stage" {
	run -102 fakestage -t 1 train "$PWD/r" child ignore hang
	run ! pgrep -f "fakestage.*$PWD/r "
	new_run q
	run -0 fakestage train "$PWD/q" child deliver
	run ! pgrep -f "fakestage.*$PWD/q "
}

@test "a detached stage returns at once, and writes to its log" {
	fakestage train r deliver
	fakestage export r deliver
	start=$(date +%s)
	x=$(fakestage -d score r nap=3000 nonsense)
	[ $(($(date +%s) - start)) -lt 3 ]
	[ -z "$x" ]
	run -99 hg-await -t 0.2 score r
	[[ $output == *"still running"* ]]
	run -1 hg-await -t 20 score r
	grep -q "unknown word 'nonsense'" r/score.log
}

@test "a detached stage that may not start says why and returns its code" {
	run -2 fakestage -d score r deliver
	[[ $output == *"needs 'export_report.json' first"* ]]
	[ ! -e r/score.lock ]
}

# bats test_tags=b17
@test "stages below a refusal stay absent, and the others' results in place" {
	fakestage train r deliver
	run -102 fakestage export r signal=9
	run -102 fakestage score r deliver
	run -102 fakestage prompt r deliver
	[ ! -e r/score.lock ] && [ ! -e r/prompt.lock ]
	[ -e r/training_report.json ]
	hg-retry export r
	fakestage export r deliver
	run -102 fakestage prompt r signal=9
	run -0 fakestage score r deliver
	[ -e r/prompt_refusal.json ] && [ -e r/artifact_score_summary.json ]
}

# bats test_tags=b49
@test "of many that start one stage at once exactly one runs it" {
	local i code pids=''
	for i in 1 2 3 4 5 6 7 8; do
		fakestage train r nap=300 deliver > "out.$i" 2>&1 3>&- &
		pids="$pids $!"
	done
	for i in $pids; do
		code=0
		wait "$i" || code=$?
		[ "$code" -eq 0 ] || [ "$code" -eq 99 ]
	done
	[ "$(key r/training_report.json .attempt)" = 1 ]
	[ ! -e r/train_refusal.json ]
}

@test "one trainer at a time has a lane, and the other waits visibly" {
	new_run s
	fakestage -l train r nap=700 deliver 3>&- &
	pid=$!
	until_true 10 running train r
	run -0 fakestage -l train s deliver
	[[ $output == *"waiting for lane 'default', taken by process"* ]]
	exits 0 $pid
	[ "$(key r/training_report.json .finished_at)" '<' "$(key s/training_report.json .finished_at)" ]
}

# bats test_tags=b2
@test "the wait for a lane is bounded too" {
	new_run s budget.lane_wait_ms=300
	fakestage -l train r hang 3>&- &
	pid=$!
	until_true 10 running train r
	run -102 fakestage -l train s deliver
	[ "$(key s/train_refusal.json .kind)" = lane_busy_timeout ]
	[[ $(key s/train_refusal.json .detail) == *"process"*"'r'"* ]]
	hg-cancel train r
	exits 102 $pid
}

# bats test_tags=b59
@test "work that never gets its lane and work that has it too long time out apart, each by a limit of its own" {
	new_run s budget.lane_wait_ms=400 budget.train_deadline_ms=60000
	new_run t budget.lane_wait_ms=60000 budget.train_deadline_ms=1500
	fakestage -l train t hang 3>&- &
	pid=$!
	until_true 10 running train t
	run -102 fakestage -l train s deliver
	[ "$(key s/train_refusal.json .kind)" = lane_busy_timeout ]
	exits 102 $pid
	[ "$(key t/train_refusal.json .kind)" = deadline_exceeded ]
	# Waiting is no part of what the deadline bounds.
	new_run u budget.lane_wait_ms=60000 budget.train_deadline_ms=1000
	fakestage -l train r nap=1800 deliver 3>&- &
	pid=$!
	until_true 10 running train r
	run -0 fakestage -l train u deliver
	exits 0 $pid
}

@test "a rehearsal changes nothing in the run" {
	fakestage train r deliver
	fakestage export r deliver
	fakestage score r deliver
	before=$(ls -lA --time-style=full-iso r)
	run -0 fakestage -c score r progress=3 deliver
	[ "$output" = "delivered 0" ]
	run -102 fakestage -c score r signal=9
	[ "$before" = "$(ls -lA --time-style=full-iso r)" ]
}

# bats test_tags=b42
@test "a status file names its process and times, and keeps its contract" {
	fakestage train r progress=7 hang 3>&- &
	pid=$!
	until_true 10 test -e r/train_status.json
	"$HG_T/tools/contract" train_status r/train_status.json
	[ "$(key r/train_status.json .pid)" = "$(worker_of train r)" ]
	[ "$(key r/train_status.json .progress)" = 7 ]
	hg-cancel train r
	exits 102 $pid
}

@test "a run is never entered through a symbolic link, nor by a name that leads elsewhere" {
	ln -s r link
	run -100 fakestage train link deliver
	run -100 fakestage train .. deliver
	run -100 fakestage train ./nothing deliver
	ln -s /etc/passwd r/training_report.json
	run -103 fakestage train r deliver
	[ ! -e r/train_refusal.json ]
}

@test "a stage and all that it starts run on the processors of system.cpus alone, and not at all where one is not there" {
	local one
	one=$("$PYTHON" -c 'import os; print(max(os.sched_getaffinity(0)))')
	new_run on system.cpus="$one"
	fakestage train on hang 3>&- &
	pid=$!
	until_true 10 running train on
	[ "$(sed -n 's/^Cpus_allowed_list:.//p' "/proc/$(worker_of train on)/status")" = "$one" ]
	# its owner, which must be able to end it, is not held back
	[ "$(sed -n 's/^Cpus_allowed_list:.//p' "/proc/$pid/status")" = "$(sed -n 's/^Cpus_allowed_list:.//p' /proc/self/status)" ]
	hg-cancel train on
	wait "$pid" || :
	new_run off system.cpus="$one,9999"
	run -102 fakestage train off deliver
	[ "$(key off/train_refusal.json .kind)" = device_unavailable ]
	[[ "$(key off/train_refusal.json .detail)" == "system.cpus=$one,9999: not all of these processors are there"* ]]
	for wrong in a 1- -1 1,,2 1,; do
		run -100 new_run wrong system.cpus="$wrong"
	done
}
