# A night by examples/night.md, by hand and by other tools' queues; and two machines over one directory.
load helper
load requests

setup_file() {
	export DATA=$BATS_FILE_TMPDIR/data
	tiny_data "$DATA" 2> /dev/null
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	export HOMEGOLF_LANES=$PWD/lanes
}

# written: the commands that examples/night.md shows with what they print; the night ends twelve hours from now.
written() {
	sed -n -e 's/^    \$ //p' -e 's/^    > //p' "$HG_TOP/examples/night.md" | sed "s/-t 07:30/-t '12 hours'/"
}

# evening: what night.md does before the night.
evening() {
	written | sed '/^hg-triage night/,$d' > script
	cp "$DATA.txt" data.txt
	sh -e script
}

# recipe WORD: the line of night.md that begins with it; of a crontab, its command.
recipe() {
	sed -n "s/^    \($1.*\)/\1/p" "$HG_TOP/examples/night.md" | head -n 1
}

# calibrated: whichever of the two came first is the incumbent, and has its seeds.
calibrated() {
	[ -n "$(find night/runs -path '*.cal.4/artifact_score_summary.json')" ]
}

# uncalibrated: what is new does not wait for the noise of its lane.
uncalibrated() {
	jq '.calibrate = false' night/campaign.json > new
	mv new night/campaign.json
}

names_done() {
	hg-triage night 2> /dev/null | awk -F '\t' '$2 == "done" { printf "%s ", $1 }'
}

trained_once() {
	[ "$(jq -s -c 'map(.attempt) | unique' night/runs/*/training_report.json)" = "[1]" ]
}

@test "night.md's commands print what it shows, from an empty directory to the morning's page and an answer" {
	cp "$DATA.txt" data.txt
	written > script
	sed -n -e '/^    \$/,/^$/{/^    [$>] /d;s/^    //p;}' "$HG_TOP/examples/night.md" > shown
	# A code says where the campaign stands: 99 is no failure.
	run --separate-stderr sh script
	diff shown <(echo "$output") || { hg-triage -s escalated night; tail -n 30 night.txt; false; } >&2
	[ -z "$stderr" ] || { echo "$stderr" >&2; false; }
	# Calibrated by itself, on a page that says so.
	calibrated
	grep -q '<title>' night/page.html
	hg-ledger verify night/ledger
	trained_once
}

@test "cron's line sees a campaign through, in the environment that cron gives" {
	local line n
	line=$(sed -n 's|^    \*/5 \* \* \* \*  ||p' "$HG_TOP/examples/night.md")
	[ -n "$line" ]
	mkdir -p home/golf home/.local
	ln -s "$HG_TOP/bin" home/.local/bin
	cd home/golf
	evening
	for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		env -i HOME="$PWD/.." PATH=/usr/bin:/bin SHELL=/bin/sh LOGNAME=me /bin/sh -c "$line" 3>&- || :
		until_true 60 eval '[ "$(hg-triage -w night)" != running ]'
		[ "$(names_done)" != "base long " ] || break
	done
	calibrated
	[ "$(names_done)" = "base long " ]
	trained_once
}

@test "make's round begins what is ready, once, and another does nothing" {
	ln -s "$HG_TOP/examples" examples
	evening
	uncalibrated
	sh -c "$(recipe 'make ')" > out 2>&1
	[ "$(names_done)" = "base long " ]
	trained_once
	sh -c "$(recipe 'make ')" > out 2>&1
	[ "$(hg-ledger list -a -j night/ledger | jq -s 'map(select(.run != null)) | length')" -eq 2 ]
}

@test "GNU parallel's round begins what is ready, once" {
	command -v parallel > /dev/null || skip "no parallel here"
	evening
	uncalibrated
	sh -c "$(recipe 'hg-triage -s ready night | cut -f 5 | parallel')" > out 2>&1
	[ "$(names_done)" = "base long " ]
	trained_once
}

@test "nq's queue begins what is ready, once" {
	command -v nq > /dev/null || skip "no nq here"
	evening
	uncalibrated
	sh -c "$(recipe 'hg-triage -s ready night | cut -f 5 | while')" > out 2>&1 3>&-
	fq -q > /dev/null 2>&1 || :
	nq -w
	[ "$(names_done)" = "base long " ]
	trained_once
}

@test "systemd-run's unit sees a campaign through" {
	systemd-run --user --wait true 2> /dev/null || skip "no systemd of the user's here"
	evening
	sh -c "$(recipe 'systemd-run --user --unit' | sed "s/07:30/'12 hours'/
		s/--unit=night/--wait --unit=hg-night-$$/; s/-E PATH/-E PATH -E HOMEGOLF_LANES/")" || :
	[ "$(names_done)" = "base long " ]
	trained_once
}

# --- two machines over one directory ---

# on HOST COMMAND...: as another machine would: its name, boot and lanes are its own, and so are its processes.
on() {
	local host=$1
	shift
	sed "s/^......../$(printf '%s' "$host" | sha256sum | cut -c 1-8)/" /proc/sys/kernel/random/boot_id > "boot.$host"
	# shellcheck disable=SC2016
	HOMEGOLF_LANES=$PWD/lanes.$host unshare -umpf --kill-child --mount-proc sh -c 'echo "$0" > /proc/sys/kernel/hostname &&
		mount --bind "boot.$0" /proc/sys/kernel/random/boot_id && "$@"' "$host" "$@"
}

need_machines() {
	[ "$(id -u)" -eq 0 ] && on probe true 2> /dev/null || skip "no namespaces to make machines of here"
}

# shared LANE...: a campaign whose requests are one a lane, called as that is.
shared() {
	local lane
	campaign "$@"
	for lane; do
		ask "$lane" "$lane"
	done
}

states() {
	hg-triage c 2> /dev/null | cut -f 1,2 | tr '\t\n' '= '
}

@test "passes of two machines over one campaign at once begin each request once, and both see it through" {
	need_machines
	shared a b c d
	on one timeout 60 hg-campaign c > out.one 2> err.one 3>&- &
	one=$!
	on two timeout 60 hg-campaign c > out.two 2> err.two 3>&- &
	two=$!
	wait $one && wait $two
	[ "$(states)" = "a=done b=done c=done d=done " ]
	[ "$(grep -h ^begun out.one out.two | sort | uniq -c | awk '{ print $1 }' | xargs)" = "1 1 1 1" ]
	[ "$(jq -s -c 'map(.attempt) | unique' c/runs/*/training_report.json)" = "[1]" ]
	[ "$(wc -l < c/ledger/ledger.jsonl)" -eq 5 ]
	hg-ledger verify c/ledger
}

# at_work: processes of this test that train.
at_work() {
	local p
	for p in /proc/[0-9]*; do
		[ "$(readlink "$p/cwd" 2> /dev/null)" = "$PWD" ] && grep -q hg-train "$p/cmdline" 2> /dev/null && return
	done
	return 1
}

# fell PID: the machine that `on` is in that job goes, with all that runs there.
fell() {
	pkill -KILL -P "$1"
	wait "$1" || :
	until_true 20 eval '! at_work'
}

trains() {
	[ -e "c/runs/$1/metrics.jsonl" ] && [ "$(wc -l < "c/runs/$1/metrics.jsonl")" -ge 3 ]
}

# bats test_tags=b24
@test "what a machine began is left alone by the other's passes, also once it is gone, until its owner says that it is" {
	local pid
	need_machines
	shared a
	jq '.train.iterations = 300' c/in/a.json > longer
	mv longer c/in/a.json
	# Its process 1 takes all others of the machine with it.
	on one sh -c 'hg-campaign -1 c > out.one 2>&1; echo up; exec sleep 600' > up 3>&- &
	pid=$!
	until_true 60 trains a
	on two hg-campaign -1 c > out.two 2>&1 || :
	[ ! -s out.two ] || { cat out.two >&2; ! grep -E '^(begun|reaped)' out.two; }
	[ "$(states)" = "a=running " ]
	fell $pid
	on two hg-campaign -1 c > out.two 2>&1 || :
	run ! grep -E '^(begun|reaped|judged)' out.two
	[ "$(on two hg-triage c 2> /dev/null | cut -f 2)" = running ]
	[ ! -e c/runs/a/train_refusal.json ]
	on two hg-reap -x one c > reaped 2> err
	[ "$(jq -r '.run + " " + .stage' reaped)" = "c/runs/a train" ] || { cat reaped err >&2; false; }
	on two timeout 60 hg-campaign c > out.two 2>&1 || :
	grep -q '^begun' out.two
	[ "$(states)" = "a=done " ] || { states >&2; cat out.two c/campaign.log >&2; false; }
	[ "$(wc -l < c/ledger/ledger.jsonl)" -eq 2 ]
}

# bats test_tags=b24
@test "what a machine that is gone began is closed out by the other's pass once its deadline and the grace are over" {
	local pid
	need_machines
	shared a
	jq '.train.iterations = 300' c/in/a.json > longer
	mv longer c/in/a.json
	on one sh -c 'hg-campaign -1 c > out.one 2>&1; exec sleep 600' > up 3>&- &
	pid=$!
	until_true 60 trains a
	fell $pid
	on two hg-campaign -1 c > out.two 2>&1 || :
	run ! grep -E '^(begun|reaped|judged)' out.two
	# As an hour and five minutes later: the lock's text has its deadline by the wall clock.
	sed -i "s/deadline_at=[^ ]*/deadline_at=$(date -u -d '6 minutes ago' +%Y-%m-%dT%H:%M:%S.000Z)/" c/runs/a/train.lock
	on two timeout 60 hg-campaign c > out.two 2>&1 || :
	grep -q '^reaped.*runs/a' out.two || { cat out.two >&2; false; }
	[ "$(states)" = "a=done " ] || { states >&2; cat out.two c/campaign.log >&2; false; }
}
