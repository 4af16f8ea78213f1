# Where locks do not reach: that a process lives no longer must be known, and is not concluded from a free lock.
load helper
load fakerun

setup() {
	fakerun_setup
	mkdir runs
	new_run runs/a
}

# leave_lock RUN TEXT: what a lock says that nobody here holds.
leave_lock() {
	awk '{ printf "%-511s\n", $0 }' <<< "$2" > "$1/train.lock"
}

# The lock text of a process of another machine; its deadline by the wall clock is SECONDS from now.
foreign_text() {
	lock_text 7 1 1 00000000-0000-0000-0000-000000000000 elsewhere |
		sed "s/deadline_at=[^ ]*/deadline_at=$(date -u -d "$1 seconds" +%Y-%m-%dT%H:%M:%S.000Z)/"
}

# Has the process that directory open, and a watch on it?
waits_on() {
	readlink "/proc/$1"/fd/* 2> /dev/null | grep -q "/$2$" && grep -q inotify "/proc/$1"/fdinfo/* 2> /dev/null
}

start_of() {
	sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20
}

now_boot_ms() {
	"$PYTHON" -c 'import time; print(time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000000)'
}

# bats test_tags=b24
@test "a stage of another host whose deadline is to come is left alone by every tool, with a word, and no second one starts" {
	leave_lock runs/a "$(foreign_text +3600)"
	run --separate-stderr hg-reap runs
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[[ $stderr == *"was begun by process 7 of host 'elsewhere', which can't be seen from here: left alone"* ]]
	[[ $stderr == *"hg-reap -x elsewhere DIR"* ]]
	run -99 hg-await -t 1 train runs/a
	[[ $output == *"host 'elsewhere', which can't be seen from here"* ]]
	run -99 fakestage train runs/a deliver
	[[ $output == *"host 'elsewhere', which can't be seen from here"* ]]
	[ "$(hg-status -j runs/a | jq -r .stages.train.state)" = running ]
	[ "$(hg-status -n runs/a)" = await-train ]
	[[ $(hg-status -j runs/a | jq -r .stages.train.unseen) == \
		"begun by process 7 of host 'elsewhere', which can't be seen from here: left alone until its deadline, "*", and five minutes" ]]
	hg-status runs/a > out
	grep -q "train: running as process 7, as far as can be known: begun by process 7 of host 'elsewhere'" out
	hg-status -j runs/a > out
	"$HG_T/tools/contract" run_state out
	run -99 hg-cancel train runs/a
	[ ! -e runs/a/train_refusal.json ]
	[ ! -e runs/a/training_report.json ]
}

# bats test_tags=b24
@test "a stage of another host is closed out once its deadline and five minutes have passed" {
	leave_lock runs/a "$(foreign_text -200)"
	hg-reap runs > out
	[ ! -s out ]
	leave_lock runs/a "$(foreign_text -400)"
	hg-reap runs > out
	[ "$(jq -r .did out)" = owner_died ]
}

# bats test_tags=b24
@test "a stage of a host that is gone is closed out before its deadline when somebody says so, and no other is" {
	leave_lock runs/a "$(foreign_text +3600)"
	new_run runs/b
	leave_lock runs/b "$(foreign_text +3600 | sed 's/host=elsewhere/host=other/')"
	hg-reap -x elsewhere runs > out
	[ "$(jq -r '[.run, .did] | join(" ")' out)" = "runs/a owner_died" ]
	[ ! -e runs/b/train_refusal.json ]
	run -100 hg-reap -x "$(uname -n)" runs
	[[ $output == *"is this machine"* ]]
}

# bats test_tags=b24
@test "a process of this machine that the lock names is alive, though its lock is free as seen from here" {
	sleep 60 3>&- &
	alive=$!
	leave_lock runs/a "$(lock_text $alive "$(start_of $alive)" $(($(now_boot_ms) + 3600000)))"
	hg-reap runs > out
	[ ! -s out ]
	run -99 fakestage train runs/a deliver
	[[ $output == *"process $alive runs, and its lock can't be seen from here"*"left alone"* ]]
	[[ $(hg-status -j runs/a | jq -r .stages.train.unseen) == "process $alive runs, and its lock can't be seen from here"* ]]
	kill -9 $alive
	exits 137 $alive
	hg-reap runs > out
	[ "$(jq -r .did out)" = owner_died ]
}

# bats test_tags=b24
@test "a process of a container with a name of its own, which can't be seen, is not dead" {
	leave_lock runs/a "$(lock_text 999999 1 $(($(now_boot_ms) + 3600000)) "" container |
		sed "s/deadline_at=[^ ]*/deadline_at=$(date -u -d '1 hour' +%Y-%m-%dT%H:%M:%S.000Z)/")"
	hg-reap runs > out
	[ ! -s out ]
	[ ! -e runs/a/train_refusal.json ]
}

# bats test_tags=b24
@test "a copy of a run that is running is refused as a copy, and nothing of the running one is ended" {
	fakestage train runs/a nap=3000 deliver 3>&- &
	pid=$!
	until_true 10 running train runs/a
	cp -r runs/a copy
	mkdir copies
	mv copy copies/a
	hg-reap copies > out
	[ "$(jq -r .did out)" = owner_died ]
	[[ $(key copies/a/train_refusal.json .detail) == "this is a copy of a run that was running: process "*" goes on with the other one" ]]
	exits 0 "$pid"
	[ -e runs/a/training_report.json ]
}

# bats test_tags=b24
@test "a run seen through an overlay is not reaped by its lower layer's side, nor the other way" {
	unshare -Urm true 2>/dev/null || skip "no mount namespaces of users' own here"
	mkdir low up work merged
	mv runs low/
	unshare -Urm sh -c 'mount -t overlay -o lowerdir=low,upperdir=up,workdir=work overlay merged' 2>/dev/null ||
		skip "no overlay mounts for users here"
	unshare -Urm sh -c 'mount -t overlay -o lowerdir=low,upperdir=up,workdir=work overlay merged
		fakestage train merged/runs/a nap=2000 deliver & pid=$!
		until grep -q "worker=[1-9]" up/runs/a/train.lock 2>/dev/null; do sleep 0.02; done
		cp -n low/runs/a/spec.json up/runs/a/ 2>/dev/null
		hg-reap up/runs > out 2> err
		wait $pid' 3>&-
	[ ! -s out ]
	[ -e up/runs/a/training_report.json ]
	[ ! -e up/runs/a/train_refusal.json ]
}

# bats test_tags=b28
@test "of twenty drivers on one run each ends with 0 or with 99, and none for what another swept away" {
	tiny_data real > /dev/null
	DATA=$PWD/real
	tiny_spec runs/t > /dev/null
	seq 20 | xargs -P 20 -I{} sh -c 'c=0; hg-run runs/t > out.{} 2>&1 || c=$?; echo $c' > codes
	grep -vxE '0|99' codes && { cat out.*; false; }
	[ "$(grep -cx 0 codes)" -ge 1 ]
	[ -z "$(find runs/t -name '.tmp.*')" ]
}

# bats test_tags=b28
@test "writers of one file do not take each other's temporaries away" {
	tiny_data real > /dev/null
	DATA=$PWD/real
	tiny_spec runs/t > /dev/null
	seq 200 | xargs -P 8 -I{} sh -c 'hg-status -w runs/t > /dev/null 2> err.{} || echo {}' > failed
	[ ! -s failed ] || { cat err.*; false; }
	[ -z "$(find runs/t -name '.tmp.*')" ]
}

# bats test_tags=b29
@test "whoever waits for a run that is removed is told so at once, and a renamed one is waited for" {
	hg-await -t 20 train runs/a > out 2> err 3>&- &
	waits=$!
	until_true 10 waits_on "$waits" runs/a
	mv runs/a runs/b
	sleep 0.2
	kill -0 $waits
	rm -rf runs/b
	exits 1 $waits
	[[ $(cat out) == *" train removed" ]]
	[[ $(cat err) == *"'runs/a' was removed: train of it never comes"* ]]
}

# bats test_tags=b29
@test "a host whose name is no ASCII writes locks that are read back" {
	unshare -Uru true 2> /dev/null || skip "no host names of users' own here"
	for name in 'höst a' 'a/b'; do
		rm -rf runs/a
		new_run runs/a
		unshare -Uru sh -c "printf '%s' '$name' > /proc/sys/kernel/hostname && fakestage train runs/a deliver"
		[ -e runs/a/training_report.json ]
		run "$PYTHON" -c 'import sys; t = open(sys.argv[1], "rb").read(); assert len(t) == 512 and all(32 <= b < 127 for b in t[:-1]), t; print(t.decode())' runs/a/train.lock
		[[ $output == *" host=h%C3%B6st%20a "* || $output == *" host=a%2Fb "* ]]
	done
}

# bats test_tags=b29
@test "a host whose name is empty writes locks that are read back, by it and as another host's" {
	[ -z "$HG_SAN" ] || skip "sanitizers want to be loaded first"
	cc -shared -fPIC -o hostname.so "$HG_T/preload/hostname.c"
	export HOST_NAME=''
	LD_PRELOAD=$PWD/hostname.so fakestage -l train runs/a nap=1500 deliver 3>&- &
	pid=$!
	until_true 10 running train runs/a
	grep -qE ' host=[^ ]+ attempt=1 ' runs/a/train.lock
	[ "$(LD_PRELOAD=$PWD/hostname.so hg-status -j runs/a | jq -r .stages.train.state)" = running ]
	[ "$(hg-status -j runs/a | jq -r .stages.train.state)" = running ]
	exits 0 $pid
	[ -e runs/a/training_report.json ]
	hg-gate train runs/a || [ $? -ne 103 ]
	[ "$(find lanes -name '*.default.lock' | wc -l)" -eq 1 ]
}

# bats test_tags=b29
@test "without a home, lanes are never in a directory of the shared temporary one that another may write" {
	local own=/tmp/homegolf-65531 odd
	[ "$(id -u)" -eq 0 ] || skip "needs root, to be another user"
	[ ! -e $own ] || skip "$own is in use"
	chmod 777 . runs runs/a
	chmod -R a+rwX runs/a data
	# shellcheck disable=SC2317
	as_user() {
		env -u HOME -u XDG_STATE_HOME -u HOMEGOLF_LANES setpriv --reuid 65531 --clear-groups fakestage -l train "$@"
	}
	for odd in others open link; do
		case $odd in
		others) mkdir $own ;;
		open) mkdir -m 777 $own && chmod 777 $own && chown 65531 $own ;;
		link) mkdir elsewhere && chown 65531 elsewhere && ln -s "$PWD/elsewhere" $own && chown -h 65531 $own ;;
		esac
		run as_user runs/a deliver
		rm -rf $own
		[ "$status" -ne 0 ]
		[[ $output == *"'$own' is no directory that is yours alone to write: set HOMEGOLF_LANES to one"* ]]
		[ ! -e runs/a/training_report.json ]
		hg-retry train runs/a
		chmod -R a+rwX runs/a
	done
	[ -z "$(ls elsewhere)" ]
	run as_user runs/a deliver
	ls -ld $own > made
	rm -rf $own
	[ "$status" -eq 0 ]
	[[ $(cat made) == drwx------* ]]
}

# bats test_tags=b29
@test "where no more processes may start the stage is refused as process_limit, which a retry may mend" {
	[ -z "$HG_SAN" ] || skip "sanitizers start threads of their own"
	[ "$(id -u)" -eq 0 ] || skip "needs root, to be another user"
	chmod 777 . runs runs/a
	chmod a+rw runs/a/*
	run setpriv --reuid 65533 --clear-groups sh -c 'ulimit -p 0 2> /dev/null || ulimit -u 0; exec fakestage train runs/a deliver'
	[ "$status" -eq 102 ]
	[ "$(key runs/a/train_refusal.json .kind)" = process_limit ]
	[[ $(key runs/a/train_refusal.json .detail) == *"limit on processes"* ]]
}

# bats test_tags=b29
@test "a lane in a directory that users share is for each of them, whoever made it" {
	[ "$(id -u)" -eq 0 ] || skip "needs root, to be other users"
	mkdir -m 1777 shared
	chmod 777 . runs runs/a
	chmod a+rw runs/a/*
	export HOMEGOLF_LANES=shared
	new_run runs/b
	chmod -R a+rwX runs/b data
	setpriv --reuid 65533 --clear-groups sh -c 'umask 022; fakestage -l train runs/a deliver'
	setpriv --reuid 65532 --clear-groups sh -c 'umask 022; fakestage -l train runs/b deliver'
	[ -e runs/a/training_report.json ]
	[ -e runs/b/training_report.json ]
	chmod 644 shared/*
	new_run runs/c
	chmod -R a+rwX runs/c
	run setpriv --reuid 65532 --clear-groups fakestage -l train runs/c deliver
	[[ $output == *"is another user's: set HOMEGOLF_LANES to a directory of your own"* ]]
}
