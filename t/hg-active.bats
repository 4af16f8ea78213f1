# One resolver says which run is the active one.
load helper
load fakerun

setup() {
	fakerun_setup
	mkdir runs
}

# complete RUN: all its stages have closed out.
complete() {
	local s
	for s in train export prompt score; do
		fakestage "$s" "$1" deliver 2>> log
	done
}

# begun RUN TIME: its stages began then, as their locks have it.
begun() {
	local s
	for s in train export prompt score; do
		[ ! -s "$1/$s.lock" ] || sed -i "s/started_at=[^ ]*/started_at=$2/" "$1/$s.lock"
	done
}

# Everything that tells of an active run tells of this one, however the runs are named.
active_is() {
	[ "$(hg-active runs)" = "$1" ]
	[ "$(hg-active runs/)" = "$1" ]
	[ "$(hg-active runs/*)" = "$1" ]
	[ "$(hg-active -a runs | head -n 1 | cut -f 1)" = "$1" ]
	[ "$(hg-active -j runs | jq -r .run)" = "$1" ]
	[ "$(hg-status -j runs | jq -r .run)" = "$1" ]
}

# bats test_tags=b39
@test "one that waits for its lane comes after one that is on it, though it began later" {
	new_run runs/first
	new_run runs/second
	fakestage -l train runs/first hang 3>&- &
	on=$!
	until_true 10 running train runs/first
	fakestage -l train runs/second hang 3>&- &
	waits=$!
	until_true 10 grep -qs 'lane_ahead=' runs/second/train.lock
	[ "$(hg-active runs)" = runs/first ]
	kill "$on"
	wait "$on" || :
	until_true 10 eval '[ "$(hg-active runs)" = runs/second ]'
	kill "$waits"
	wait "$waits" || :
}

@test "a run whose spec was taken from it while it trains is corrupt, and not passed over" {
	new_run runs/it
	fakestage train runs/it hang 3>&- &
	pid=$!
	until_true 10 running train runs/it
	mv runs/it/spec.json away
	run -2 --separate-stderr hg-active -a runs
	[[ "$output" == *"runs/it	corrupt"* ]] || [[ "$(hg-active -a runs 2> /dev/null)" == *"runs/it	corrupt"* ]]
	mv away runs/it/spec.json
	kill "$pid"
	wait "$pid" || :
}

@test "the newest run that is running is the active one, else the newest that is complete, and neither dead nor refused ones" {
	for run in done old young dead refused new between bad; do
		new_run runs/$run
	done
	complete runs/done
	complete runs/old
	begun runs/done 2026-01-02T00:00:00.000Z
	begun runs/old 2026-01-01T00:00:00.000Z
	fakestage train runs/between deliver
	fakestage train runs/refused 'refuse' 2>> log || :
	[ "$(hg-status -j runs/refused | jq -r .state)" = refused ]
	fakestage train runs/dead hang 3>&- &
	pid=$!
	until_true 10 running train runs/dead
	kill -9 "$pid"
	exits 137 "$pid"
	dead() { [ "$(hg-status -j runs/dead | jq -r .state)" = dead ]; }
	until_true 10 dead
	echo '{' > runs/bad/spec.json
	active_is runs/done
	# One that runs comes before all that are complete, and the newest of those.
	new_run runs/a1
	new_run runs/a2
	fakestage train runs/a2 hang 3>&- &
	second=$!
	until_true 10 running train runs/a2
	active_is runs/a2
	fakestage train runs/a1 hang 3>&- &
	first=$!
	until_true 10 running train runs/a1
	active_is runs/a1
	hg-cancel train runs/a1
	exits 102 "$first"
	active_is runs/a2
	hg-cancel train runs/a2
	exits 102 "$second"
	active_is runs/done
	# All of them, in the order in which they are chosen.
	run -0 --separate-stderr hg-active -a runs
	[ "$(head -n 2 <<< "$output" | tr '\t\n' '  ')" = "runs/done complete runs/old complete " ]
	[ "$(wc -l <<< "$output")" -eq 10 ]
	for line in runs/dead:dead runs/refused:refused runs/new:new runs/between:waiting runs/bad:corrupt; do
		grep -qx "${line%:*}	${line#*:}" <<< "$output"
	done
	[[ $stderr == *"runs/bad/spec.json"* ]]
	# What tells of a run by hg-status tells the same of it here.
	hg-active -j -a runs 2> err > all || [ $? -eq 103 ]
	[ "$(wc -l < all)" -eq 9 ]
	"$HG_T/tools/contract" -1 run_state all
	while read -r run state; do
		[ "$(hg-status -j "$run" | jq -r .state)" = "$state" ]
	done < <(jq -r '"\(.run) \(.state)"' all)
}

# bats test_tags=b39
@test "of two runs that began at the same moment everybody chooses the same one, by its name" {
	mkdir other
	for run in runs/b runs/a runs/c; do
		new_run $run
		complete $run
		begun $run 2026-01-01T00:00:00.000Z
	done
	active_is runs/c
	mv runs/c other/0c
	active_is runs/b
	[ "$(hg-active other runs)" = runs/b ]
	[ "$(hg-active runs other)" = runs/b ]
	# A copy keeps its age, whenever it was made.
	mkdir -p copy
	cp -r runs/a copy/a
	begun runs/b 2025-01-01T00:00:00.000Z
	touch runs/b
	[ "$(hg-active copy runs)" = runs/a ]
}

# bats test_tags=b39
@test "where no run is running or complete hg-active and hg-status of the directory exit 2 and say how to see them" {
	for tool in hg-active "hg-active -a" "hg-active -j"; do
		# shellcheck disable=SC2086
		run -2 $tool runs
	done
	new_run runs/a
	run -2 --separate-stderr hg-active runs
	[ -z "$output" ]
	[[ $stderr == *"no run in 'runs' is running or complete"*"hg-active -a runs"* ]]
	run -2 --separate-stderr hg-status -n runs
	[ -z "$output" ]
	[[ $stderr == *"no run in 'runs' is running or complete"* ]]
	run -2 --separate-stderr hg-active -a runs
	[ "$output" = "runs/a	new" ]
	# Of several operands of hg-status the others are shown.
	run -2 --separate-stderr hg-status -n runs runs/a
	[ "$output" = "runs/a	train" ]
	run -100 hg-active nothing
	run -100 hg-active data/dataset.json
	# A directory that has no runs is no run either.
	run -100 hg-status data
	[[ $output == *"data"* ]]
}

# bats test_tags=b76
@test "hg-active opens nothing for writing and changes nothing" {
	[ -z "$HG_SAN" ] || skip "sanitizers and strace exclude each other"
	new_run runs/a
	new_run runs/b
	complete runs/a
	fakestage train runs/b hang 3>&- &
	pid=$!
	until_true 10 running train runs/b
	before=$(find . -printf '%p %i %s %T@ %C@\n' | sort)
	for tool in "hg-active" "hg-active -a" "hg-active -a -j" "hg-status"; do
		# shellcheck disable=SC2086
		strace -f -o "$BATS_TEST_TMPDIR/../trace" $tool runs > /dev/null
		run ! grep -E 'O_(WRONLY|RDWR|CREAT|TRUNC)|^[0-9]+ +(rename|unlink|link|mkdir|symlink|chmod|chown|utime|truncate|ftruncate|f?setxattr|mknod)' \
			"$BATS_TEST_TMPDIR/../trace"
	done
	[ "$before" = "$(find . -printf '%p %i %s %T@ %C@\n' | sort)" ]
	hg-cancel train runs/b
	exits 102 "$pid"
}

@test "among hundreds of runs the active one is found, whoever looked at them, and what can't be read is said" {
	local i
	new_run runs/r0
	for i in $(seq 300); do
		hg-spec -b runs/r0/spec.json "runs/many$i" 2> /dev/null
	done
	fakestage train runs/many77 hang 3>&- 2>> log &
	pid=$!
	until_true 10 running train runs/many77
	complete runs/many222
	[ "$(hg-active runs)" = runs/many77 ]
	[ "$(hg-status -j runs | jq -r .run)" = runs/many77 ]
	[ "$(hg-active -a runs | sed -n '1,2p')" = $'runs/many77\trunning\nruns/many222\tcomplete' ]
	[ "$(hg-active -a runs | sed 1,2d | cut -f 2 | sort | uniq -c | xargs)" = "299 new" ]
	hg-active -a -j runs | jq -r '.run + "\t" + .state' | cmp - <(hg-active -a runs)
	kill "$pid"
	wait "$pid" || :
	until_true 10 eval '[ "$(hg-active runs)" = runs/many222 ]'
	sed -i 's/"num_layers": 9/"num_layers": 8/' runs/many150/spec.json
	run -0 --separate-stderr hg-active -a runs
	[ "$(grep -c '	corrupt$' <<< "$output")" = 1 ]
	[[ $stderr == *"'runs/many150/spec.json' was edited"* ]]
	[ "$(grep -c . <<< "$output")" = 301 ]
}
