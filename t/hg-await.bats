load helper
load fakerun

setup() {
	fakerun_setup
	new_run r
}

# bats test_tags=b1
@test "hg-await ends when the trainer is killed, and the refusal is owner_died" {
	fakestage train r hang 3>&- &
	pid=$!
	until_true 10 running train r
	hg-await -t 30 train r > out 2> err 3>&- &
	await=$!
	read -r -t 0.3 <> <(:) || :
	kill -9 "$pid"
	start=$(date +%s%N)
	exits 102 "$await"
	[ $((($(date +%s%N) - start) / 1000000)) -lt 2000 ]
	[ "$(cat out)" = "r train refused" ]
	grep -q owner_died err
	grep -q "next: hg-run -r $(realpath r)" err
	[ "$(key r/train_refusal.json .kind)" = owner_died ]
	[ "$(key r/train_refusal.json .owner.pid)" = "$pid" ]
}

# bats test_tags=b1
@test "hg-await ends for a stopped owner after its deadline, and nobody survives" {
	fakestage -t 1 train r ignore hang 3>&- &
	pid=$!
	until_true 10 running train r
	worker=$(worker_of train r)
	kill -STOP "$pid"
	run -102 hg-await -t 30 train r
	[ "$(key r/train_refusal.json .kind)" = owner_stopped ]
	exits 137 "$pid"
	gone "$worker"
}

# bats test_tags=b2
@test "hg-await cannot be told to wait for ever" {
	run -100 hg-await -t 0 train r
	run -100 hg-await -t -1 train r
	run -100 hg-await -t inf train r
	run -0 hg-await -h
	[[ $output == *"default 24h"* ]]
}

# bats test_tags=b19
@test "hg-await exits 99 when the deadline passes, and tells never started from still running" {
	run -99 hg-await -t 0.2 train r
	[[ $output == *"train of 'r' never started"* ]]
	fakestage train r hang 3>&- &
	pid=$!
	until_true 10 running train r
	run -99 hg-await -t 0.2 train r
	[[ $output == *"train of 'r' is still running"* ]]
	hg-cancel train r
	exits 102 "$pid"
}

@test "hg-await waits for a stage that has not begun" {
	hg-await -t 30 train,export r > out 3>&- &
	await=$!
	fakestage train r nap=100 deliver
	fakestage export r deliver
	exits 0 "$await"
	[ "$(sort out | tr '\n' ,)" = "r export closed_out,r train closed_out," ]
}

@test "hg-await -a is satisfied by the first of several runs" {
	new_run s
	hg-await -a -t 30 train r s > out 3>&- &
	await=$!
	fakestage train s deliver
	exits 0 "$await"
	[ "$(cat out)" = "s train closed_out" ]
}

@test "hg-await of several gives the code of the worst" {
	new_run s
	new_run t
	fakestage train r deliver
	run -102 fakestage train s signal=9
	run -102 hg-await -t 5 train r s
	run -1 fakestage train t exit=1
	run -1 hg-await -t 5 train r s t
}

@test "hg-await does not wait for a stage that a refusal keeps from starting" {
	run -1 fakestage train r refuse=loss_diverged
	run -1 hg-await -t 60 score r
	[[ $output == *"r score blocked train"* ]]
}

# bats test_tags=b1
@test "hg-await closes out the dead before a stage that will never start" {
	fakestage train r hang 3>&- &
	pid=$!
	until_true 10 running train r
	kill -9 "$pid"
	exits 137 "$pid"
	run -102 hg-await -t 60 score r
	[ "$(key r/train_refusal.json .kind)" = owner_died ]
}

@test "hg-await works where no file events come" {
	# The leak checker can't run under a tracer.
	ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o /dev/null -e inject=inotify_init1:error=EMFILE hg-await -t 30 train r > deaf 2> err 3>&- &
	await=$!
	until_true 10 grep -q "no file events" err
	fakestage train r nap=200 deliver
	exits 0 "$await"
}

@test "hg-await is woken by the owner's end, without a watch on files, and by a file where there is no owner yet" {
	fakestage train r hang 3>&- &
	pid=$!
	until_true 10 running train r
	# The leak checker can't run under a tracer.
	export ASAN_OPTIONS=detect_leaks=0
	strace -qq -e trace=poll -o owned hg-await -t 30 train r 2> /dev/null 3>&- &
	await=$!
	until_true 10 grep -q 'poll(' owned
	hg-cancel train r
	exits 102 "$pid"
	exits 102 "$await"
	# What it looked at once a second anyway would have timed out.
	grep -qE 'poll\(\[\{fd=-1\}, \{fd=[0-9]+, .* = 1 ' owned || { cat owned >&2; false; }
	new_run s
	strace -qq -e trace=poll -o absent hg-await -t 30 train s 3>&- &
	await=$!
	until_true 10 grep -q 'poll(' absent
	fakestage train s deliver
	exits 0 "$await"
	grep -qE 'poll\(\[\{fd=[0-9]+, .*\{fd=-1\}\], .* = 1 ' absent || { cat absent >&2; false; }
}

@test "hg-await uses no measurable processor time" {
	fakestage train r nap=2000 deliver 3>&- &
	pid=$!
	TIMEFORMAT='%U %S'
	{ time hg-await -t 30 train r > out 2> err; } 2> times
	awk '{ exit !($1 + $2 < 0.1) }' times
	exits 0 "$pid"
}

# bats test_tags=b4
@test "many that wait close the dead out once" {
	local i pids=''
	fakestage train r hang 3>&- &
	pid=$!
	until_true 10 running train r
	for i in 1 2 3 4 5 6 7 8; do
		hg-await -t 30 train r > "out.$i" 2>&1 3>&- &
		pids="$pids $!"
	done
	kill -9 "$pid"
	for i in $pids; do
		exits 102 "$i"
	done
	[ ! -e r/training_report.json ]
	run ls -A r
	[[ $output != *.tmp.* ]]
}

@test "hg-await says which stage or run it does not know" {
	run -100 hg-await -t 1 trian r
	[[ $output == *"unknown stage 'trian'"* ]]
	run -100 hg-await -t 1 train nothing
	mkdir empty
	run -100 hg-await -t 1 train empty
	[[ $output == *"is not a run"* ]]
	cp -r r copy
	run -103 hg-await -t 1 train copy
	[[ $output == *"belongs to run 'r'"* ]]
}
