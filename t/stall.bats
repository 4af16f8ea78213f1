# What stands still is ended, what a stage started is gone with it, and lanes are given in order.
load helper
load fakerun

setup() {
	fakerun_setup
	new_run r
}

# bats test_tags=b68
@test "a worker that stands still is ended as stalled, and the lane is free for the next" {
	local how
	for how in stop hang beat; do
		rm -rf r
		new_run r budget.stall_ms=700
		run -102 fakestage -l train r "$how"
		[ "$(key r/train_refusal.json .kind)" = stalled ]
		[ "$(key r/train_refusal.json .expected.stall_ms)" = 700 ]
		[ "$(key r/train_refusal.json .observed.still_ms)" -ge 700 ]
		[ "$how" != stop ] || [ "$(key r/train_refusal.json .observed.worker)" = "was stopped" ]
		[ "$(key r/train_refusal.json .retryable)" = true ]
	done
	new_run s
	run -0 fakestage -l train s deliver
	[[ $output != *waiting* ]]
}

# bats test_tags=b68
@test "a worker that gets on slowly is never ended, nor one for which no limit stands" {
	new_run q budget.stall_ms=1000
	run -0 fakestage train q slow=12 deliver
	new_run n budget.stall_ms=none
	run -0 fakestage train n nap=1500 deliver
}

# bats test_tags=b68
@test "waiting for a lane does not count as standing still" {
	new_run s budget.stall_ms=500
	fakestage -l train r nap=1500 deliver 3>&- &
	pid=$!
	until_true 10 running train r
	run -0 fakestage -l train s deliver
	exits 0 $pid
}

# bats test_tags=b68
@test "a stopped worker that is ended may save what it resumes from" {
	new_run p budget.stall_ms=500
	run -102 fakestage -s train p stop poll
	[ "$(key p/train_refusal.json .kind)" = stalled ]
	[ -e p/resume.safetensors ]
}

# bats test_tags=b68
@test "on a full disk, where no status can be posted, a worker that gets on is not taken for a stalled one" {
	mkdir small
	mount -t tmpfs -o size=1m none small 2> /dev/null || skip "cannot mount here"
	new_run small/r budget.stall_ms=1000
	fakestage train small/r slow=20 deliver 2> out 3>&- &
	pid=$!
	until_true 10 running train small/r
	head -c 2000000 /dev/zero > small/filler 2> /dev/null || true
	until_true 10 grep -q "cannot post" out
	sleep 1.5
	rm small/filler
	code=0
	wait "$pid" || code=$?
	umount small
	[ "$code" -eq 0 ]
}

overdue() { hg-status -j "$1" | jq -e '.stages.train.state == "overdue"'; }

# leaver N: a program that forks twice, takes sessions of its own and closes all descriptors: "sleep N" in the end.
leaver() {
	echo "(setsid sh -c 'setsid sleep $1 <&- >&- 2>&- &' <&- >&- 2>&- &)"
}

# bats test_tags=b69,b47
@test "once a stage has closed out nothing that it started is left, however it ended and whatever that did" {
	local how n=420000 pid
	for how in deliver signal=9 exit=3 stall timeout cancel worker; do
		n=$((n + 1))
		rm -rf r
		new_run r budget.stall_ms=1000
		case $how in
		deliver | signal=9 | exit=3) run fakestage train r "daemon=$(leaver $n)" nap=300 "$how" ;;
		stall) run -102 fakestage train r "daemon=$(leaver $n)" ignore hang ;;
		timeout) run -102 fakestage -t 0.5 train r "daemon=$(leaver $n)" ignore hang ;;
		*)
			fakestage train r "daemon=$(leaver $n)" hang 3>&- &
			pid=$!
			until_true 10 pgrep -fx "sleep $n"
			if [ $how = cancel ]; then hg-cancel train r; else kill -9 "$(worker_of train r)"; fi
			exits 102 $pid ;;
		esac
		[ -e r/train_refusal.json ] || [ -e r/training_report.json ]
		run ! pgrep -fx "sleep $n"
	done
}

# bats test_tags=b69
@test "whoever closes out a stage whose owner was killed ends what that had started, and nothing of others" {
	local who n=430000 pid
	new_run other
	fakestage train other "daemon=$(leaver 439999)" hang 3>&- &
	other=$!
	until_true 10 pgrep -fx "sleep 439999"
	for who in "hg-await -t 5 train r" "hg-reap ." "hg-gate train r" "hg-train r"; do
		n=$((n + 1))
		rm -rf r
		new_run r
		fakestage train r "daemon=$(leaver $n)" hang 3>&- &
		pid=$!
		until_true 10 pgrep -fx "sleep $n"
		pgrep -fx "sleep $n" > left
		kill -9 "$pid"
		exits 137 $pid
		kill -0 "$(cat left)"
		run $who
		[ "$(key r/train_refusal.json .kind)" = owner_died ]
		run ! pgrep -fx "sleep $n"
	done
	pgrep -fx "sleep 439999"
	hg-cancel train other
	exits 102 $other
	run ! pgrep -fx "sleep 439999"
}

# bats test_tags=b69
@test "a stage whose driver was killed is closed out by its owner, and nothing of it is left" {
	mkdir fake
	printf '#!/bin/sh\nexec fakestage train "$1" "daemon=%s" hang\n' "$(leaver 440001)" > fake/hg-train
	chmod +x fake/hg-train
	PATH=$PWD/fake:$PATH hg-run r > out 2>&1 3>&- &
	driver=$!
	until_true 10 pgrep -fx "sleep 440001"
	kill -9 $driver
	exits 137 $driver
	hg-cancel train r
	[ "$(key r/train_refusal.json .kind)" = cancelled ]
	run ! pgrep -fx "sleep 440001"
}

# bats test_tags=b70
@test "a worker that outlives SIGKILL is refused as unkillable in bounded time, by its owner and by others" {
	[ -z "$HG_SAN" ] || skip "sanitizers want to be loaded first"
	cc -shared -fPIC -o nokill.so "$HG_T/preload/nokill.c"
	LD_PRELOAD=$PWD/nokill.so run -102 timeout 60 fakestage -t 0.3 train r ignore hang
	[ "$(key r/train_refusal.json .kind)" = unkillable ]
	[[ $(key r/train_refusal.json .detail) == "process "*" lives on"* ]]
	new_run s
	fakestage -t 1 train s undying ignore nap=400 stopboth hang 3>&- &
	pid=$!
	until_true 20 overdue s
	worker=$(worker_of train s)
	LD_PRELOAD=$PWD/nokill.so run -102 timeout 60 hg-await -t 20 train s
	[ "$(key s/train_refusal.json .kind)" = unkillable ]
	kill -9 "$worker"
	wait $pid || true
	hg-retry train s
}

waits() { hg-status -j "$1" | jq -e ".stages.train.lane.ahead == $2" > /dev/null; }

# bats test_tags=b71
@test "a lane is given in the order of asking, and status shows who has it and how many are before" {
	local i pids=()
	fakestage -l -t 7200 train r nap=4000 deliver 3>&- &
	pids+=($!)
	until_true 10 running train r
	for i in 1 2 3 4; do
		new_run "w$i"
		fakestage -l train "w$i" nap=50 deliver 2> /dev/null 3>&- &
		pids+=($!)
		until_true 10 waits "w$i" $((i - 1))
	done
	[ "$(hg-status -j w3 | jq -r .stages.train.lane.pid)" = "$(owner_of train r)" ]
	run -0 hg-status w3
	[[ $output == *"waiting for its lane, which process $(owner_of train r) has, with 2 before it"* ]]
	# It may take as long as those before it may: two hours, and three times its own default, and then its own.
	[ "$(hg-status -j w3 | jq -r ".stages.train.left_ms > 7200000 + 3 * $((2 * 600000 + 1800000))")" = true ]
	# Who dies in the line is out of it.
	kill -9 "$(owner_of train w2)"
	for i in 0 1 3 4; do exits 0 "${pids[$i]}"; done
	finished() { key "$1/training_report.json" .finished_at; }
	[ "$(finished r)" '<' "$(finished w1)" ]
	[ "$(finished w1)" '<' "$(finished w3)" ]
	[ "$(finished w3)" '<' "$(finished w4)" ]
	run ! waits w4 0
}

# bats test_tags=b71
@test "the automatic deadline runs from the lane, and has no part of the wait in it" {
	new_run s budget.max_wallclock_ms=100000 budget.lane_wait_ms=50000000
	fakestage -l train r nap=1500 deliver 3>&- &
	pid=$!
	until_true 10 running train r
	fakestage -l train s nap=3000 deliver 2> /dev/null 3>&- &
	other=$!
	until_true 10 running train s
	left=$(hg-status -j s | jq -r .stages.train.left_ms)
	[ "$left" -le 2000000 ]
	[ "$left" -gt 1900000 ]
	exits 0 $pid
	exits 0 $other
}

# bats test_tags=b71
@test "one who stands still at the head of the line does not keep a free lane from those behind" {
	fakestage -l train r nap=1500 deliver 3>&- &
	pid=$!
	until_true 10 running train r
	new_run s
	fakestage -l train s deliver 2> /dev/null 3>&- &
	first=$!
	until_true 10 waits s 0
	kill -STOP $first
	new_run q
	run -0 fakestage -l train q deliver
	[[ $output == *"with 1 before us"* ]]
	exits 0 $pid
	kill -CONT $first
	exits 0 $first
}

# bats test_tags=b68
@test "an owner that is stopped with its worker is overdue for all alike, ends as stalled, and frees the lane" {
	local who
	for who in reap await; do
		rm -rf runs
		mkdir runs
		new_run runs/r budget.stall_ms=2000
		new_run runs/s
		fakestage -l train runs/r undying nap=400 stopboth stop hang 3>&- &
		pid=$!
		until_true 10 running train runs/r
		run -0 hg-reap runs
		[[ $output == *" 1 alive"* ]]
		until_true 30 overdue runs/r
		case $who in
		reap)
			run -0 hg-reap runs
			[[ $output == *'"did": "stalled", "state": "refused"'* ]] ;;
		await) run -102 hg-await -t 5 train runs/r ;;
		esac
		exits 137 $pid
		[ "$(key runs/r/train_refusal.json .kind)" = stalled ]
		run -0 fakestage -l train runs/s deliver
	done
}

health() { [ "$(hg-status -j "$1" | jq -r .stages.train.health)" = "$2" ]; }

# bats test_tags=b68,b53
@test "hg-status calls wedged by the limit by which hg-reap ends: none before it, and none where no limit stands" {
	local limit
	for limit in 1500 none; do
		rm -rf runs
		mkdir runs
		new_run runs/r budget.stall_ms=$limit
		fakestage train runs/r beat 3>&- &
		pid=$!
		until_true 10 test -e runs/r/train_status.json
		health runs/r ok
		kill -STOP $pid "$(worker_of train runs/r)"
		if [ $limit = none ]; then
			sleep 2
			health runs/r ok
			run -0 hg-reap runs
			[[ $output == *" 1 alive"* ]]
		else
			until_true 10 health runs/r wedged
			[ "$(hg-status -j runs/r | jq -r '.stages.train.progress.frozen_ms >= 1500')" = true ]
			until_true 30 overdue runs/r
			run -0 hg-reap runs
			[[ $output == *'"did": "stalled", "state": "refused"'* ]]
			exits 137 $pid
			continue
		fi
		kill -CONT $pid "$(worker_of train runs/r)"
		hg-cancel train runs/r
		exits 102 $pid
	done
}

# bats test_tags=b53
@test "a stage that waited long for its lane is not wedged when its worker begins" {
	new_run s budget.stall_ms=1000
	fakestage -l train r nap=2500 deliver 3>&- &
	pid=$!
	until_true 10 running train r
	fakestage -l train s nap=900 deliver 2> /dev/null 3>&- &
	other=$!
	until_true 20 running train s
	health s ok
	exits 0 $pid
	exits 0 $other
}

# bats test_tags=b68
@test "an owner that was stopped for less than its patience goes on, and none that runs is ever overdue for silence" {
	new_run q budget.stall_ms=400
	fakestage train q slow=25 deliver 3>&- &
	pid=$!
	until_true 10 running train q
	kill -STOP $pid
	sleep 1
	run ! overdue q
	kill -CONT $pid
	exits 0 $pid
}

# bats test_tags=b71
@test "a wait for a lane that is automatic ends when the run ahead should long be over, and not before" {
	local s
	[ -z "$HG_SAN" ] || skip "sanitizers want to be loaded first"
	cc -shared -fPIC -o sleep.so "$HG_T/preload/sleepclock.c"
	rm -rf r
	new_run r budget.lane_wait_ms=auto
	fakestage -l -t 2 train r undying ignore nap=400 stopboth hang 3>&- &
	pid=$!
	until_true 10 running train r
	# It has two seconds, and seventeen to be ended in; and so has whoever waits, seventeen more: 36 in all.
	for s in 12 45; do
		rm -f slept
		new_run w$s
		SLEPT_S=$s SLEPT_AT=$PWD/slept LD_PRELOAD=$PWD/sleep.so fakestage -l train w$s deliver 2> said 3>&- &
		other=$!
		until_true 10 waits w$s 0
		touch slept
		if [ $s = 12 ]; then
			sleep 0.5
			waits w$s 0
			hg-cancel train w$s
			exits 102 $other
			[ "$(key w$s/train_refusal.json .kind)" = cancelled ]
		else
			exits 102 $other
			[ "$(key w$s/train_refusal.json .kind)" = lane_busy_timeout ]
			[ "$(key w$s/train_refusal.json .expected.lane_wait_ms)" = auto ]
			[ "$(key w$s/train_refusal.json '.observed.waited_ms >= 30000')" = true ]
			grep -q "lane '.*' was busy for [0-9]* s: process $(owner_of train r), run 'r', and 0 waiting before us" said
		fi
	done
	kill -9 "$(worker_of train r)" $pid
	wait $pid || :
}
