# Passes of a campaign, at once, killed anywhere, and stopped by their owner: each request is begun once, none is lost.
load helper
load requests

setup_file() {
	export DATA=$BATS_FILE_TMPDIR/data
	tiny_data "$DATA" 2> /dev/null
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	export HOMEGOLF_LANES=$PWD/lanes TMPDIR=$PWD/tmp LOGGED=$PWD/logged
	mkdir tmp
}

teardown() {
	[ ! -d "$BATS_TEST_TMPDIR/c" ] || hg-campaign -k "$BATS_TEST_TMPDIR/c" > /dev/null 2>&1 || :
}

# wrapped TOOL [BEFORE [AFTER]]: from now on it runs between those words of sh, and hg-train logs each that trained.
wrapped() {
	local real
	mkdir -p wrap
	rm -f "wrap/$1"
	real=$(command -v "$1")
	cat > "wrap/$1" <<-END
		#!/bin/sh
		$2
		$real "\$@"
		code=\$?
		$3
		exit \$code
	END
	chmod +x "wrap/$1"
	case $PATH in
	"$PWD/wrap:"*) ;;
	*) PATH=$PWD/wrap:$PATH ;;
	esac
}

# log_training: hg-train logs the runs that it trained to their end, and hg-run those that it was begun for.
log_training() {
	wrapped hg-train 'had=; for run; do :; done; [ ! -e "$run/training_report.json" ] || had=1' \
		'[ -n "$had" ] || [ $code -ne 0 ] || printf "trained %s\n" "${run##*/}" >> "$LOGGED"'
	wrapped hg-run 'for run; do :; done; printf "begun %s\n" "${run##*/}" >> "$LOGGED"'
}

# logged WORD: how often each run was logged with it, as COUNTxRUNS.
logged() {
	sed -n "s/^$1 //p" "$LOGGED" | sort | uniq -c | awk '{ print $1 }' | sort | uniq -c | awk '{ print $2 "x" $1 }'
}

states() {
	hg-triage "$1" 2> /dev/null | cut -f 2 | sort | uniq -c | awk '{ printf "%s%s %s", sep, $1, $2; sep = ", " }'
}

is_word() {
	[ "$(hg-triage -w c)" = "$1" ]
}

# aged: what was made and not begun is no longer new, as ten seconds later.
aged() {
	local run
	for run in c/runs/*/; do
		[ ! -e "$run/spec.json" ] || [ -e "$run/training_report.json" ] || touch -d '1 minute ago' "$run/spec.json"
	done
}

# trains NAME: it is in the middle of its training.
trains() {
	[ -e "c/runs/$1/metrics.jsonl" ] && [ "$(wc -l < "c/runs/$1/metrics.jsonl")" -ge 3 ]
}

# held NAME WORD: its training stands still, or goes on, so that it is not over while it is looked at.
held() {
	kill "-$2" "$(sed -n 's/.* pid=\([0-9]*\) .*/\1/p' "c/runs/$1/train.lock")"
}

# processes: all that were started from here and are no zombies.
processes() {
	local p
	for p in /proc/[0-9]*; do
		[ "$(readlink "$p/cwd" 2> /dev/null)" = "$PWD" ] || continue
		grep -q '^State:.[ZX]' "$p/status" 2> /dev/null && continue
		tr '\0' ' ' < "$p/cmdline" 2> /dev/null | grep -E '(^|[ /])(hg-|[^ ]*setsid)' || :
	done
}

no_process() {
	[ -z "$(processes)" ]
}

# digests: every file of the campaign and what is in it.
digests() {
	find c lanes -printf '%p %y %m %T@\n' 2> /dev/null | sort
	find tmp -type f
	find c lanes -type f -exec sha256sum {} + 2> /dev/null | sort
}

long='.train.iterations = 100000'

# bats test_tags=b80
@test "eight passes at once begin each ready request once, over three lanes, and train and judge it once" {
	local n=0
	campaign a b c
	for name in one two three four five six; do
		n=$((n % 3 + 1))
		ask $name "$(cut -c $n <<< abc)"
	done
	[ "$(states c)" = "3 ready, 3 waiting" ]
	log_training
	for n in 1 2 3 4 5 6 7 8 9 10; do
		seq 8 | xargs -P 8 -I{} sh -c 'hg-campaign -1 c > out.{} 2> err.{} 3>&- || :'
		until_true 60 eval '! is_word running'
		! is_word drained || break
	done
	[ "$(states c)" = "6 done" ]
	[ "$(logged trained)" = 1x6 ]
	[ "$(logged begun)" = 1x6 ]
	[ "$(hg-ledger list -a -j c/ledger | jq -r 'select(.run != null).run.run_id' | sort | xargs)" = \
		"five four one six three two" ]
	[ "$(jq -s -c 'map(.attempt) | unique' c/runs/*/training_report.json)" = "[1]" ]
	hg-ledger verify c/ledger
	[ -z "$(find c -name '.tmp.*')" ]
}

# bats test_tags=b80
@test "a pass that is killed after any of its commands is finished by the next, nothing lost and nothing done twice" {
	[ -z "$HG_SAN" ] || skip "minutes under sanitizers; the tools are the same in the others"
	local k=0 killed=1 pass n tool
	campaign a b
	log_training
	export PASS=$PWD/pass KILL_AT=$PWD/kill_at CALLS=$PWD/calls
	# Of a driver the group is another.
	for tool in hg-triage hg-reap hg-ledger hg-report hg-status setsid; do
		wrapped $tool '' 'read -r _ _ _ _ group _ < /proc/$$/stat
			if [ -s "$KILL_AT" ] && [ "$group" = "$(cat "$PASS")" ]; then
				echo >> "$CALLS"
				[ "$(wc -l < "$CALLS")" -ne "$(cat "$KILL_AT")" ] || kill -s KILL -- "-$group"
			fi'
	done
	# A driver is begun by setsid, which then is it.
	sed -i 's|^/.*setsid .*|"${0%/wrap/setsid}/detached" "$@" \&|' wrap/setsid
	printf '#!/bin/sh\nexec %s "$@"\n' "$(PATH=${PATH#*:} command -v setsid)" > detached
	chmod +x detached
	while [ "$killed" -eq 1 ]; do
		k=$((k + 1))
		ask "a$k" a
		# The first ten commands look, and dispatch one.
		[ $k -le 10 ] || ask "b$k" b
		: > calls
		echo $k > kill_at
		set -m
		sh -c 'echo $$ > pass; exec hg-campaign -1 c' > out 2>&1 3>&- &
		pass=$!
		set +m
		n=0
		wait $pass || n=$?
		[ $n -eq 137 ] || killed=0
		: > kill_at
		for n in 1 2 3 4 5 6 7 8 9 10; do
			aged
			hg-campaign c > out 2>&1 3>&- || :
			! is_word drained || break
		done
		[ "$(states c)" = "$asked done" ] || { echo "after $k: $(hg-triage c)" >&2; cat out >&2; false; }
	done
	# It was killed often.
	[ $k -ge 12 ]
	[ "$(logged trained)" = "1x$asked" ]
	[ "$(hg-ledger list -a -j c/ledger | jq -s 'map(select(.run != null)) | length')" -eq "$asked" ]
	hg-ledger verify c/ledger
	[ -z "$(find c -name '.tmp.*')" ]
}

# bats test_tags=b58
@test "a pass that comes late to a retry leaves it: no stage is tried more often than campaign.json lets it be" {
	campaign a
	jq '.attempts = 2' c/campaign.json > new
	mv new c/campaign.json
	ask one a
	mkdir fake
	printf '#!/bin/sh\nexec "$HG_T/tools/fakestage" train "$1" signal=9\n' > fake/hg-train
	chmod +x fake/hg-train
	PATH=$PWD/fake:$PATH hg-campaign -1 c > out 2>&1 3>&- || :
	until_true 60 [ -e c/runs/one/train_refusal.json ]
	until_true 60 eval 'aged; [ "$(hg-triage c 2> /dev/null | cut -f 2,4)" = "$(printf "ready\tretry:train.1")" ]'
	# Both passes have seen the first attempt refused; the driver of one of them comes when the second is, too.
	wrapped hg-run 'echo >> drivers; until [ "$(wc -l < drivers)" -eq 2 ]; do sleep 0.1; done
		mkdir first 2> /dev/null || until [ "$(jq .attempt c/runs/one/train_refusal.json 2> /dev/null)" = 2 ]; do
		sleep 0.1; done' 'echo "$code" >> ended'
	PATH=$PWD/fake:$PATH
	hg-campaign -1 c > out.1 2>&1 3>&- || :
	hg-campaign -1 c > out.2 2>&1 3>&- || :
	[ "$(cat out.1 out.2 | grep -c '^begun')" -eq 2 ]
	until_true 60 eval '[ "$(wc -l < ended)" -eq 2 ]'
	[ "$(jq .attempt c/runs/one/train_refusal.json)" -eq 2 ]
	[ "$(sort ended | xargs)" = "1 102" ]
	[ "$(hg-triage c 2> /dev/null | cut -f 2,4)" = "$(printf 'escalated\tattempts')" ]
	grep -q "train of 'c/runs/one' is refused in attempt 2, and not in 1 any more" c/campaign.log
}

@test "what nobody gets begun, for whatever reason, is left after some passes and told, and is spun on by none" {
	campaign a
	ask one a
	wrapped hg-triage '[ "$1" != -m ] || { echo "no making today" >&2; exit 111; }'
	run -99 --separate-stderr timeout 60 hg-campaign c
	[[ "$stderr" == *"10 passes in a row could neither begin nor judge what is ready: see 'c/campaign.log'"* ]]
	[ "$(grep -c 'no making today' c/campaign.log)" -eq 10 ]
	rm wrap/hg-triage
	hg-triage -m one c
	aged
	wrapped hg-run 'echo >> drivers; exit 111'
	run -99 --separate-stderr timeout 60 hg-campaign c
	[[ "$stderr" == *"'c/runs/one' was begun 5 times and is as it was: see 'c/campaign.log'"* ]]
	[ "$(wc -l < drivers)" -eq 5 ]
	rm wrap/hg-run
	hg-campaign c > out 2>&1 3>&- || :
	[ "$(states c)" = "1 done" ]
}

# bats test_tags=b81
@test "a request edited after it was judged is judged again, and never made of what it was" {
	campaign a
	ask one a
	[ "$(states c)" = "1 ready" ]
	# Between a pass's look and the making of its run: it asks for what the owner keeps.
	wrapped hg-triage '[ "$1" != -m ] || echo "{\"eval\": {\"docs\": 1}, \"system\": {\"lane\": \"a\"},
		\"about\": {\"hypothesis\": \"easier\", \"expected_gain\": 1}}" > c/in/one.json'
	hg-campaign -1 c > out 2> err || :
	[ -z "$(find c -path '*runs/*')" ]
	[ "$(hg-triage c 2> /dev/null | cut -f 2-4)" = "$(printf 'escalated\ta\treserved')" ]
	# An edit to something sound: that is what is run.
	rm wrap/hg-triage
	wrapped hg-triage '[ "$1" != -m ] || sed -i "s/another seed/still another/" c/in/one.json'
	ask one a
	hg-campaign c > out 2> err || :
	[ "$(jq -r .about.hypothesis c/runs/one/spec.json)" = "still another" ]
	[ "$(jq -r .about.request_sha256 c/runs/one/spec.json)" = "$(sha256sum < c/in/one.json | cut -d ' ' -f 1)" ]
	[ "$(states c)" = "1 done" ]
}

# bats test_tags=b81
@test "a request edited while its run goes on lets it end, is told as edited, and is not begun again" {
	campaign a
	ask one a '.train.iterations = 100'
	log_training
	hg-campaign -1 c > out 2>&1 3>&- || :
	until_true 60 trains one
	held one STOP
	sed -i 's/another seed/a change of mind/' c/in/one.json
	[ "$(hg-triage c 2> /dev/null | cut -f 2,4)" = "$(printf 'running\tedited')" ]
	held one CONT
	hg-campaign c > out 2>&1 3>&- || :
	[ "$(hg-triage c 2> /dev/null | cut -f 2,4)" = "$(printf 'escalated\tedited')" ]
	hg-campaign c > out 2>&1 3>&- || :
	[ "$(logged begun)" = 1x1 ]
	[ "$(jq -r .about.hypothesis c/runs/one/spec.json)" = "another seed" ]
	[ "$(hg-ledger list -a -j c/ledger | jq -s 'map(select(.run != null)) | length')" -eq 1 ]
}

# kill_driver NAME: the driver of that run, and nothing else.
kill_driver() {
	local p
	for p in /proc/[0-9]*; do
		[ "$(readlink "$p/cwd" 2> /dev/null)" = "$PWD" ] || continue
		tr '\0' ' ' < "$p/cmdline" 2> /dev/null | grep -qE "hg-run .*/$1 " && kill -KILL "${p#/proc/}"
	done
	:
}

@test "a ledger that is gone is missed, also where a run has begun another, and nothing is judged anew until its owner says" {
	campaign a
	ask one a
	hg-campaign c > out 2>&1 3>&- || :
	[ "$(states c)" = "1 done" ]
	ask two a
	mv c/ledger kept
	run -1 --separate-stderr timeout 60 hg-campaign c
	[[ "$stderr" == *"waiting: run 'one' has its row in a ledger that was in 'c/ledger' and is not there: put that back, or remove the ledger_witness.json of what is to be judged anew" ]]
	[ "$(hg-triage c 2> /dev/null | cut -f 1,2,4 | tr '\t\n' ' ;')" = "one waiting ledger_gone;two waiting ledger_gone;" ]
	[ ! -e c/ledger ]
	[ ! -e c/runs/two ]
	# A driver that was at work then makes another.
	mv kept c/ledger
	hg-triage -m two c
	mv c/ledger kept
	hg-run -l c/ledger c/runs/two > out 2>&1
	run -1 --separate-stderr timeout 60 hg-campaign c
	[[ "$stderr" == *"run 'one' has its row in a ledger that was in 'c/ledger'"* ]]
	[ "$(wc -l < c/ledger/ledger.jsonl)" -eq 2 ]
	rm -r c/ledger c/runs/two/ledger_witness.json
	mv kept c/ledger
	hg-campaign c > out 2>&1 3>&- || :
	[ "$(states c)" = "2 done" ]
	[ "$(wc -l < c/ledger/ledger.jsonl)" -eq 3 ]
	# Its owner wants all of it judged anew.
	rm -r c/ledger c/runs/*/ledger_witness.json
	hg-campaign c > out 2>&1 3>&- || :
	[ "$(states c)" = "2 done" ]
}

# bats test_tags=b56
@test "a driver that is killed stops no stage, and a later pass goes on with the run to its row" {
	campaign a
	ask one a '.train.iterations = 100'
	log_training
	hg-campaign -1 c > out 2>&1 3>&- || :
	until_true 60 trains one
	held one STOP
	kill_driver one
	[ "$(hg-triage c 2> /dev/null | cut -f 2)" = running ]
	held one CONT
	until_true 60 [ -e c/runs/one/training_report.json ]
	until_true 60 eval 'touch -d "1 minute ago" c/runs/one/*.json; ! is_word running'
	hg-campaign c > out 2>&1 3>&- || :
	[ "$(states c)" = "1 done" ]
	[ "$(jq .attempt c/runs/one/training_report.json)" -eq 1 ]
}

# bats test_tags=b56
@test "hg-campaign -k ends all that runs, its driver alive or killed, leaves no process and begins nothing more" {
	campaign a b
	ask one a "$long"
	ask two b "$long"
	ask three a
	hg-campaign -1 c > out 2>&1 3>&- || :
	until_true 60 trains one
	until_true 60 trains two
	kill_driver one
	run --separate-stderr timeout 60 hg-campaign -k c
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"'c/halt' is there from now on"* ]]
	until_true 10 no_process
	[ "$(jq -r .kind c/runs/one/train_refusal.json c/runs/two/train_refusal.json | xargs)" = "cancelled cancelled" ]
	hg-campaign -1 c > out 2>&1 || :
	[ "$(hg-triage -w c)" = halted ]
	[ ! -e c/runs/three ]
	no_process
	# It is once more as quick with nothing to end.
	run -0 hg-campaign -k c
}

@test "hg-campaign -k ends what runs also where it is stopped and campaign.json is broken, and says what is broken" {
	campaign a
	ask one a "$long"
	hg-campaign -1 c > out 2>&1 3>&- || :
	until_true 60 trains one
	kill -STOP "$(sed -n 's/.* pid=\([0-9]*\) .*/\1/p' c/runs/one/train.lock)"
	echo '{' > c/campaign.json
	run -103 --separate-stderr timeout 60 hg-campaign -k c
	[[ "$stderr" == *campaign.json* ]]
	until_true 10 no_process
	[ "$(jq -r .kind c/runs/one/train_refusal.json)" = cancelled ]
	[ -e c/halt ]
}

# bats test_tags=b56
@test "hg-campaign -k ends drivers, too, that are stopped between two stages, with what they had begun there" {
	campaign a b
	ask one a
	ask two b
	# A driver is stopped for itself, and one with the tool that it waits for.
	wrapped hg-export 'for run; do :; done
		case $run in
		*/one) kill -STOP $PPID; echo > one; exit 111 ;;
		*) echo > two; kill -STOP $PPID $$ ;;
		esac'
	hg-campaign -1 c > out 2>&1 3>&- || :
	until_true 60 [ -e one ]
	until_true 60 [ -e two ]
	# Of another campaign nothing is ended.
	mkdir other
	cp -r c/campaign.json other/
	mkdir other/runs
	hg-campaign -k other > out 2>&1
	until_true 10 eval '[ "$(processes | grep -c "[b]in/hg-run")" -eq 2 ]'
	run --separate-stderr hg-campaign -n -k c
	[ "$(grep -c '^kill -KILL ' <<< "$output")" -eq 2 ]
	run --separate-stderr timeout 60 hg-campaign -k c
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"the driver of 'c/runs/one' is ended"* ]]
	[[ "$stderr" == *"the driver of 'c/runs/two' is ended"* ]]
	until_true 10 no_process
	[ ! -e c/runs/one/export_report.json ]
	# And goes on once its owner lets it.
	rm c/halt wrap/hg-export
	aged
	find c/runs -maxdepth 2 -name '*.json' -exec touch -d '1 minute ago' {} +
	hg-campaign c > out 2>&1 3>&- || :
	[ "$(states c)" = "2 done" ]
}

# bats test_tags=b57
@test "hg-campaign goes on while another pass begins and ends runs between its looks, until there is nothing to do" {
	campaign left
	jq '.calibrate = true' c/campaign.json > new
	mv new c/campaign.json
	ask one left
	ask two left
	# Whatever is to calibrate is begun by another one, and has its row before this one asks where it all stands.
	wrapped hg-triage 'case "$INNER $1" in
		" -c") INNER=1 hg-campaign -1 c >> inner 2>&1 ;;
		" -w") while [ "$(INNER=1 hg-triage -w c 2> /dev/null)" = running ] ||
			[ -n "$(hg-ledger missing c/ledger c/runs 2> /dev/null)" ]; do sleep 0.1; done ;;
		esac'
	run -0 timeout 120 hg-campaign c
	[ "$(grep -c "^begun	c/runs/one.cal" inner)" -ge 3 ]
	[ "$(states c)" = "2 done" ]
}

@test "hg-campaign -n changes nothing, whatever there is to do, and a pass then does what it printed" {
	campaign a b
	ask one a
	ask two b
	ask bad a '.eval.docs = 1'
	digests > before
	run -99 --separate-stderr hg-campaign -n c
	printed=$output
	diff before <(digests)
	diff <(echo "$printed") - <<-'END'
		hg-triage -m one c
		hg-run -l c/ledger c/runs/one
		hg-triage -m two c
		hg-run -l c/ledger c/runs/two
	END
	hg-campaign -1 c > out 2>&1 3>&- || :
	until_true 60 eval '! is_word running'
	ask three a
	# A run that ended and has no row.
	hg-triage -m three c
	hg-run c/runs/three > /dev/null 2>&1
	digests > before
	run --separate-stderr hg-campaign -n c
	diff before <(digests)
	[[ "$output" == *"hg-ledger add c/ledger c/runs/three"* ]]
	run --separate-stderr hg-campaign -n -k c
	[[ "$output" == *"touch c/halt"* ]]
	diff before <(digests)
}

@test "hg-campaign -t begins nothing that would not end by then, and comes to an end itself" {
	campaign a
	ask one a
	run --separate-stderr timeout 20 hg-campaign -1 -t '10 minutes' c
	[ ! -e c/runs/one ]
	run --separate-stderr timeout 20 hg-campaign -t '10 minutes' c
	[ "$status" -eq 1 ]
	run -1 --separate-stderr hg-triage -t 600 c
	[[ "$stderr" == *"would end in time"* ]]
	[ ! -e c/runs/one ]
	# A run without a cap has a day until one is known, then what that took.
	timeout 60 hg-campaign -t '25 hours' c > out 2>&1 3>&- || :
	[ "$(states c)" = "1 done" ]
	ask two a
	timeout 60 hg-campaign -t '10 minutes' c > out 2>&1 3>&- || :
	[ "$(states c)" = "2 done" ]
}

@test "halt is looked at last: once it is there in the middle of a pass nothing is begun, and without it all goes on" {
	campaign a b
	ask one a
	ask two b
	log_training
	# After one run was made, before it is begun.
	wrapped hg-triage '' '[ "$1" != -m ] || : > c/halt'
	hg-campaign -1 c > out 2>&1 || :
	[ -e c/runs/one/spec.json ]
	[ ! -e c/runs/two ]
	[ ! -e "$LOGGED" ]
	rm c/halt wrap/hg-triage
	# After the list was made, before any run is.
	wrapped hg-triage '' '[ "$1" != -s ] || [ "$2" != ready ] || : > c/halt'
	hg-campaign -1 c > out 2>&1 || :
	[ ! -e c/runs/two ]
	[ ! -e "$LOGGED" ]
	rm c/halt wrap/hg-triage
	aged
	hg-campaign c > out 2>&1 3>&- || :
	[ "$(states c)" = "2 done" ]
	[ "$(logged trained)" = 1x2 ]
}

@test "lanes whose names differ in their last letter alone are each calibrated with runs of their own" {
	local one=the-left-half-of-the-machine-in-the-attic-1 two=the-left-half-of-the-machine-in-the-attic-2
	campaign right $one $two
	jq 'del(.calibrate)' c/campaign.json > new
	mv new c/campaign.json
	ask first-of-all-with-a-name-of-its-own right
	ask b $one '.train.matrix_lr = 0.01 | .about.expected_gain = 5'
	ask c $two '.train.matrix_lr = 0.02 | .about.expected_gain = 5'
	hg-campaign c > said 2> why
	[ "$(hg-triage -w c)" = drained ]
	[ "$(jq -r 'select(.kind == "calibration") | .calibration.lane' c/ledger/ledger.jsonl | sort | xargs)" = "right $one $two" ]
	[ "$(find c/runs -mindepth 1 -maxdepth 1 | wc -l)" -eq 17 ]
	[ "$(jq -r .system.lane c/runs/*/spec.json | sort | uniq -c | xargs)" = "6 right 5 $one 6 $two" ]
	[ "$(find c/runs -name '*.on.*' | wc -l)" -eq 10 ]
	hg-ledger replay c/ledger
}

@test "each lane that requests use is calibrated with seeds of the first run before anything new is screened there" {
	campaign left right spare
	jq --arg cpu "$(taskset -cp $$ | sed 's/.*: \([0-9]*\).*/\1/')" \
	    'del(.calibrate) | .lanes[1].set = {"system.cpus": $cpu}' c/campaign.json > new
	mv new c/campaign.json
	ask a right
	ask b left '.train.matrix_lr = 0.01 | .about.expected_gain = 5'
	ask c right '.train.matrix_lr = 0.02 | .about.expected_gain = 5'
	hg-triage c > said 2> why || :
	[ "$(cut -f 1-4 said | tr '\t\n' ' ;')" = "a ready right new;b waiting left calibration;c waiting right lane:a;" ]
	hg-campaign c > said 2> why
	[ "$(hg-triage -w c)" = drained ]
	jq -es '[.[] | select(.kind == "calibration") | .calibration.lane] | sort == ["left", "right"]' c/ledger/ledger.jsonl
	! jq -r 'select(.kind == "run") | .verdict.reason' c/ledger/ledger.jsonl | grep -q uncalibrated || false
	[ "$(jq -r 'select(.kind == "run" and .verdict.reason == "first").run.run_id' c/ledger/ledger.jsonl)" = a ]
	[ -e c/runs/a.on.left.cal.4/artifact_score_summary.json ]
	# a lane's processors are that lane's
	[ "$(jq -r '.system.lane + " " + (.system.cpus | type)' c/runs/*/spec.json | sort | uniq | xargs)" = \
		"left null right string" ]
	[ "$(hg-triage -c c)" = "" ]
	# none was made on a lane that nobody asks for, and none for nothing: five of each lane, and the two others
	[ "$(find c/runs -mindepth 1 -maxdepth 1 | wc -l)" -eq 12 ]
	hg-ledger replay c/ledger
}
