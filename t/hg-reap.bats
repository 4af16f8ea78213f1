load helper
load fakerun

setup() {
	fakerun_setup
	mkdir runs
	new_run runs/a
	new_run runs/b
}

@test "hg-reap closes out orphans, prints them as JSON, and finds nothing the next time" {
	fakestage train runs/a hang 3>&- &
	pid=$!
	until_true 10 running train runs/a
	kill -9 "$pid"
	exits 137 "$pid"
	hg-reap runs > out
	"$HG_T/tools/contract" -1 reap out
	[ "$(jq -r '[.run, .stage, .did, .state] | join(" ")' out)" = "runs/a train owner_died refused" ]
	hg-reap runs > out
	[ ! -s out ]
}

# bats test_tags=b55
@test "hg-reap touches nothing alive" {
	fakestage train runs/a nap=700 deliver 3>&- &
	pid=$!
	until_true 10 running train runs/a
	hg-reap runs > out
	[ ! -s out ]
	exits 0 "$pid"
	[ -e runs/a/training_report.json ]
}

# bats test_tags=b12,b55
@test "an overdue lock that names a pid with another start time kills nobody" {
	sleep 60 3>&- &
	innocent=$!
	hold_lock train runs/a "$(lock_text "$innocent" 1 1)"
	run -99 hg-reap runs
	[[ $output == *'"did": "held"'* ]]
	kill -0 "$innocent"
	kill "$innocent" "$holder"
}

@test "an overdue owner on another host is left alone and named" {
	hold_lock train runs/a "$(lock_text 1 1 1 00000000-0000-0000-0000-000000000000 elsewhere)"
	run -99 hg-reap runs
	[[ $output == *"host 'elsewhere': end it there"* ]]
	[[ $output == *'"did": "elsewhere", "state": "overdue"'* ]]
	kill -0 "$holder"
	kill "$holder"
}

# bats test_tags=b12
@test "a lock of an earlier boot is an orphan's" {
	lock_text 1 1 1 00000000-0000-0000-0000-000000000000 | awk '{ printf "%-511s\n", $0 }' > runs/a/train.lock
	hg-reap runs > out
	[ "$(jq -r .did out)" = owner_died ]
	[[ $(key runs/a/train_refusal.json .detail) == *"restarted"* ]]
}

@test "a lock with garbage in it is an orphan's, too" {
	head -c 700 /dev/urandom > runs/a/train.lock
	hg-reap runs > out
	[ "$(jq -r .did out)" = owner_died ]
	[ "$(key runs/a/train_refusal.json .owner)" = null ]
	"$HG_T/tools/contract" refusal runs/a/train_refusal.json
}

# bats test_tags=b54
@test "hg-reap refuses what is no directory of runs" {
	run -100 hg-reap runs/a
	[[ $output == *"is a run"* ]]
	run -100 hg-reap data
	[[ $output == *"not a directory of runs"* ]]
	run -100 hg-reap nothing
	run -100 hg-reap data/dataset.json
}

# bats test_tags=b54
@test "hg-reap does nothing at all when timestamps lie in the future" {
	lock_text 1 1 1 00000000-0000-0000-0000-000000000000 "$(uname -n)" 2199-01-01T00:00:00.000Z |
		awk '{ printf "%-511s\n", $0 }' > runs/a/train.lock
	fakestage train runs/b hang 3>&- &
	pid=$!
	until_true 10 running train runs/b
	kill -9 "$pid"
	exits 137 "$pid"
	run -1 hg-reap runs
	[[ $output == *"future"* ]]
	[ ! -e runs/a/train_refusal.json ] && [ ! -e runs/b/train_refusal.json ]
	rm runs/a/train.lock
	touch -d '+1 day' runs/a/spec.json
	run -1 hg-reap runs
	[ ! -e runs/b/train_refusal.json ]
}

@test "one run that cannot be closed out does not keep hg-reap from the others" {
	echo x > runs/a/train.lock
	echo x > runs/b/train.lock
	echo garbage > runs/a/spec.json
	run -103 hg-reap runs
	[ -e runs/b/train_refusal.json ] && [ ! -e runs/a/train_refusal.json ]
}

@test "hundreds of idle runs are looked at, and nothing is said of them" {
	(cd runs && seq -f n%g 500 | xargs mkdir && for d in n*; do ln a/spec.json "$d/spec.json"; done)
	run -0 hg-reap runs
	[ "$output" = "hg-reap: 502 runs, 0 stages dead, 0 alive" ]
}
