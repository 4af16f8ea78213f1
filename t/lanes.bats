# A confirmation on several lanes of one machine class: whole pairs, one on each lane at a time.
load helper
load judged

setup() {
	cd "$BATS_TEST_TMPDIR"
	export JUDGED_DATA=$BATS_FILE_TMPDIR
	L=$PWD/ledger
}

# promising RUN RATE [KEY=VALUE...]: a configuration that both its runs say is better
promising() {
	scored "$1" 2.23 train.matrix_lr="$2" seed=71 "${@:3}"
	scored "$1.2" 2.231 train.matrix_lr="$2" seed=72 "${@:3}"
	add "$1" "$1.2"
	[ "$(field "$(basename "$1").2" .verdict.reason)" = promising ]
}

# slot_on LANE NUMBER [KEY=VALUE...]: the run of the plan's slot of that number, on that lane, by the pretended trainer
slot_on() {
	local line new base
	line=$(hg-ledger next -L "$1" "$L" | awk -F '\t' -v n="$2" '$2 == n')
	[ -n "$line" ]
	new=$(dirname "$L")/runs/$(basename "$L").$2.$1
	[ ! -e "$new" ] || new=$new.2
	hg-spec -b "$L/$(cut -f 5 <<< "$line")/spec.json" -s train.seed="$(cut -f 4 <<< "$line")" \
	    -s train.data_offset="$(cut -f 6 <<< "$line")" -s system.lane="$1" "$new" 2> /dev/null
	ADDED=$PWD/added PRETEND="${*:3}" hg-run -l "$L" "$new"
}

decided() {
	hg-ledger show "$L" | jq -c '.kind, (.verdict | [.reason, .runs, .incumbent_runs, .odds, .gain, .score, .p_loss, .rank_p]),
	    .incumbent_after.score'
}

@test "pairs that come in in any order from several lanes have the verdict of pairs that came one after the other on one" {
	local n
	calibrated
	pretend
	promising runs/good 0.0460
	hg-ledger plan -L b,default "$L" runs/good > plan
	grep -q "^Each pair runs on one of 2 lanes, whichever is free: default, b.$" plan
	hg-ledger show "$L" | jq -e '.plan.lanes == ["default", "b"] and (.plan.machine_sha256 | length) == 64'
	mkdir one
	cp -r ledger runs one
	# in order, on the challenger's own lane
	L=$PWD/one/ledger
	for n in $(seq 1 48); do
		hg-ledger show "$L" | jq -e '.kind == "confirmation"' > /dev/null && break
		slot_on default "$n"
	done
	decided > in-order
	jq -es '.[0] == "confirmation" and .[1][0] == "confirmed"' in-order
	pairs=$(jq -s '.[1][1]' in-order)
	# the first pair comes last, and one more pair than was needed is in by then
	L=$PWD/ledger
	for n in $(seq $((2 * pairs + 2)) -1 3); do
		case $((((n - 1) / 2) % 2)) in
		0) slot_on default "$n" ;;
		1) slot_on b "$n" ;;
		esac
		hg-ledger show "$L" | jq -e '.verdict.reason == "slot"'
	done
	grep -q "^odds: $((2 * pairs)) runs are in, and no pair that counts yet; 1,000 to 1 for a gain is wanted; $((48 - 2 * pairs)) runs left at most, about .* on 2 lanes$" added
	slot_on b 2
	hg-ledger show "$L" | jq -e '.verdict.reason == "slot"'
	slot_on b 1
	decided > out-of-order
	diff in-order out-of-order
	hg-ledger show "$L" | jq -r .verdict.text | grep -q "run in turns on 2 lanes of one machine class, each pair on one of them, as $pairs pairs"
	[ "$(hg-ledger show "$L" | jq '.confirmation.challenger_runs | length')" -eq "$pairs" ]
	hg-ledger replay "$L"
	# the new incumbent is known by a run of the plan's own lane, so that a lane's name is no difference
	scored runs/next 2.1 train.matrix_lr=0.047 seed=73
	add runs/next
	[ "$(field next '.verdict.changed | join(",")')" = model ]
	# one whose chain was made again with a verdict that rests on the pair that was not needed is found
	jq -c "if .kind == \"confirmation\" then .verdict.runs = $((pairs + 1)) else . end" "$L/ledger.jsonl" > l
	cp l "$L/ledger.jsonl"
	rm -f "$L/index" "$L/head"
	run ! hg-ledger replay "$L"
}

@test "both runs of a pair are on one lane, which the plan names, and of the machine class of its challenger" {
	calibrated
	pretend
	promising runs/good 0.0460
	hg-ledger plan -L b "$L" runs/good > plan
	slot_on b 1
	grep -q "^odds: 1 run is in; 1,000 to 1 for a gain is wanted; 47 runs left at most, about .* on 2 lanes$" added
	# the other run of that pair is asked of that lane alone
	[ "$(hg-ledger next -L default "$L" | head -n 1 | cut -f 2)" = 3 ]
	[ "$(hg-ledger next -L b "$L" | head -n 1 | cut -f 2)" = 2 ]
	[ "$(hg-ledger next "$L" | cut -f 2,7)" = "2	b" ]
	[ -z "$(hg-ledger next -L c "$L")" ]
	rows=$(wc -l < "$L/ledger.jsonl")
	line=$(hg-ledger next "$L")
	hg-spec -b "$L/$(cut -f 5 <<< "$line")/spec.json" -s train.seed="$(cut -f 4 <<< "$line")" \
	    -s train.data_offset="$(cut -f 6 <<< "$line")" runs/elsewhere
	run ! hg-run -l "$L" runs/elsewhere
	[[ "$output" == *"'runs/elsewhere' belongs to a pair whose other run was on another lane, so it fills no slot"* ]]
	[ "$(wc -l < "$L/ledger.jsonl")" -eq "$rows" ]
	# one that took its slot and ran on a machine of another kind leaves it to the next, and that is counted
	run -0 slot_on b 2 cpu=other
	[[ "$output" == *"on another machine, backend, instruction set or number of threads than the plan's challenger"* ]]
	[ "$(hg-ledger next "$L" | cut -f 2,7)" = "2	b" ]
	slot_on b 2
	[ "$(hg-ledger next "$L" | cut -f 2)" = 3 ]
	# what the plan names no lane for fills nothing, and lanes are fixed with it
	run -1 hg-ledger plan -L default,c "$L" runs/good
	[[ "$output" == *"the open plan names no lane 'c'"* ]]
	run -0 hg-ledger plan -L b "$L" runs/good
	hg-ledger replay "$L"
}

@test "a challenger that tries another arithmetic is of its incumbent's machine class, and its pairs are filled" {
	calibrated
	pretend
	promising runs/good 0.0460 train.arith=bf16
	hg-ledger plan -L b "$L" runs/good > plan
	slot_on default 1
	slot_on default 2
	[ "$(hg-ledger next -L default "$L" | cut -f 2 | head -n 1)" = 3 ]
	slot_on b 3
	slot_on b 4
	[ "$(hg-ledger next -L b "$L" | cut -f 2 | head -n 1)" = 5 ]
	[ "$(jq -s '[.[] | select(.run.machine_sha256 != null) | .run.machine_sha256] | unique | length' \
		"$L/ledger.jsonl")" -eq 1 ]
	[ "$(jq -s '[.[] | select(.run.system_sha256 != null) | .run.system_sha256] | unique | length' \
		"$L/ledger.jsonl")" -ge 3 ]
	hg-ledger replay "$L"
}

@test "both runs of a pair that ask for one arithmetic are of one build: another's numerics fill no slot" {
	calibrated
	pretend
	promising runs/good 0.0460
	hg-ledger plan "$L" runs/good > plan
	slot_on default 1
	run -0 slot_on default 2 build=other
	[[ "$output" == *"on another machine"* ]]
	[ "$(hg-ledger next "$L" | cut -f 2)" = 2 ]
	slot_on default 2
	[ "$(hg-ledger next "$L" | cut -f 2)" = 3 ]
	hg-ledger replay "$L"
}

@test "where scores depend on the clock each lane of a plan must be calibrated; law 2 and what is no name are refused" {
	SET=train.schedule=wallclock calibrated
	pretend
	promising runs/good 0.0460 train.schedule=wallclock
	run -2 hg-ledger plan -L b "$L" runs/good
	[[ "$output" == *"lane 'b' is not calibrated"* ]]
	run -1 hg-ledger plan -L a/b "$L" runs/good
	[[ "$output" == *"'a/b' is no name of a lane"* ]]
	run -1 hg-ledger plan -L a,b,c,d,e,f,g,h "$L" runs/good
	[[ "$output" == *"a plan has 8 lanes at most"* ]]
	for i in 1 2 3 4 5; do
		scored "runs/b$i" 2.30$i seed=9$i train.schedule=wallclock system.lane=b
		add "runs/b$i"
	done
	hg-ledger calibrate "$L" runs/b1
	hg-ledger plan -L b "$L" runs/good
	hg-ledger replay "$L"
	# a row that says otherwise is found
	sed -i 's/"lanes": *\["default", *"b"\]/"lanes": ["default", "x"]/' "$L/ledger.jsonl"
	rm -f "$L/index" "$L/head"
	run -1 hg-ledger replay "$L"
	[[ "$output" == *"it names a lane that was not calibrated"* ]]
	rm -rf "$L" runs
	law2 "$L"
	calibrated
	scored runs/good 2.23 train.matrix_lr=0.0460
	add runs/good
	run -1 hg-ledger plan -L b "$L" runs/good
	[[ "$output" == *"law 2 has no pairs"* ]]
}

# At most as many trainings as lanes at once: log each one's begin and end, and take a while.
slowly() {
	mv bin/hg-run bin/hg-run.pretended
	cat > bin/hg-run <<-END
	#!/bin/sh
	for run; do :; done
	lane=\$(jq -r .system.lane "\$run/spec.json")
	# told by the command itself: what comes while a shell starts one may be lost between the two
	sh -c 'echo "begin \$1 \$2" >> $PWD/trace; exec sleep \${SLOWLY:-0.3}' - "\$lane" "\$run"
	$PWD/bin/hg-run.pretended "\$@"
	code=\$?
	echo "end \$lane \$run" >> $PWD/trace
	exit \$code
	END
	chmod +x bin/hg-run
}

traced() {
	[ -e trace ] && [ "$(grep -c "^$1" trace)" -ge "$2" ]
}

@test "hg-confirm -L makes one pair on each lane at a time, and prints after each pair the odds, what is left and the cost" {
	calibrated
	pretend
	promising runs/good 0.0460
	sed -i 's|> "${ADDED:-/dev/null}"||' bin/hg-run
	slowly
	hg-confirm -L default,b,c "$L" runs/good > out 2> err
	# what other lanes were still at is added after the verdict
	jq -es '[.[] | select(.kind == "confirmation")] | length == 1 and .[0].verdict.reason == "confirmed"' "$L/ledger.jsonl"
	hg-ledger replay "$L"
	# three at once, and never two on one lane
	awk '{ n[$2] += $1 == "begin" ? 1 : -1; if (n[$2] > 1) bad = 1; all = 0; for (l in n) all += n[l]; if (all > most) most = all }
	    END { exit bad || most != 3 }' trace
	# each pair on one lane
	jq -es '[.[] | select(.verdict.reason == "slot") | .run] | group_by(.seed) |
	    all(map(.lane) | unique | length == 1) and ([.[][].lane] | unique | length) == 3' "$L/ledger.jsonl"
	grep -Eq '^odds: .*; 1,000 to 1 for a gain is wanted; [0-9]+ runs left at most, about .* on 3 lanes$' out
	[ -z "$(cat err | grep -v '^hg-spec' | grep -v '^$')" ] || { cat err; false; }
	# the ledger says the verdict again, and nothing is run
	n=$(wc -l < trace)
	hg-confirm -L default,b,c "$L" runs/good > out 2> err
	[ "$(wc -l < trace)" -eq "$n" ]
}

@test "killed and called again, hg-confirm goes on with each lane's pair, or with all of them on one lane, and a lane stopped by its parent's death runs no more" {
	calibrated
	pretend
	promising runs/good 0.0460
	slowly
	SLOWLY=1 hg-confirm -L default,b "$L" runs/good > out 2> err 3>&- &
	pid=$!
	until_true 20 traced begin 2
	kill -KILL "$pid"
	until_true 20 traced end 2
	sleep 1.5
	[ "$(grep -c begin trace)" -eq 2 ]
	# called without lanes it finishes what the other lane began, there
	hg-confirm "$L" runs/good > out 2> err
	jq -es '[.[] | select(.kind == "confirmation")][0].verdict.reason == "confirmed"' "$L/ledger.jsonl"
	[ "$(jq -s '[.[] | select(.verdict.reason == "slot" and .run.lane == "b")] | length' "$L/ledger.jsonl")" -eq 2 ]
	hg-ledger replay "$L"
}

@test "the terminal's INT ends hg-confirm on all lanes at once, and leaves no process behind" {
	calibrated
	pretend
	promising runs/good 0.0460
	slowly
	set -m
	SLOWLY=100 hg-confirm -L default,b "$L" runs/good > out 2> err 3>&- < /dev/null &
	set +m
	group=$!
	until_true 20 traced begin 2
	kill -INT -- "-$group"
	run wait "$group"
	until_true 10 eval '! kill -0 -- "-$group" 2> /dev/null'
	[ "$(grep -c begin trace)" -eq 2 ]
	grep -q "interrupted; the same command goes on" err
	hg-confirm -L default,b "$L" runs/good > out 2> err
	jq -es '[.[] | select(.kind == "confirmation")][0].verdict.reason == "confirmed"' "$L/ledger.jsonl"
}

@test "a run that another lane is at when the odds have decided is cancelled, and is none of the verdict's" {
	mkdir fake runs
	PATH=$PWD/fake:$PATH
	# lane a fills both slots of the first pair, which decides, while b is at its first
	cat > fake/hg-ledger <<-'END'
	#!/bin/sh
	case $1 in
	show) grep -qx "row $3" rows ;;
	next)
		[ ! -e decided ] || exit 1
		[ "$2" = -L ] || exit 1
		[ -e rows ] || printf 'abcd\t1\tincumbent\t7\truns/i\t7\n'
		{ [ ! -e rows ] || [ "$3" = a ]; } && printf 'abcd\t2\tchallenger\t7\truns/c\t7\n'
		printf 'abcd\t3\tincumbent\t8\truns/i\t8\nabcd\t4\tchallenger\t8\truns/c\t8\n'
		;;
	esac
	END
	cat > fake/hg-spec <<-'END'
	#!/bin/sh
	lane=$8 run=$9
	case $lane$run in
	*=b*.1) until [ -d "$run" ]; do sleep 0.1; done ;;
	esac
	mkdir "$run" 2> /dev/null && echo "$lane" > "$run/spec.json"
	[ "$(cat "$run/spec.json")" = "$lane" ]
	END
	cat > fake/hg-run <<-'END'
	#!/bin/sh
	case $4 in
	*.3)
		: > at-work
		until [ -e "$4/cancelled" ]; do sleep 0.1; done
		exit 102
		;;
	esac
	until [ -e at-work ]; do sleep 0.1; done
	echo "row $4" >> rows
	case $4 in
	*.2) : > decided ;;
	esac
	END
	cat > fake/hg-cancel <<-'END'
	#!/bin/sh
	[ -d "$2" ] && : > "$2/cancelled"
	END
	chmod +x fake/*
	run -0 timeout 20 hg-confirm -L a,b ledger runs/r
	[[ "$output" == *"the odds have decided: 'runs/r.abcd.3' is cancelled, and is not needed" ]]
	[ -e runs/r.abcd.3/cancelled ]
	[ "$(cat rows)" = "$(printf 'row runs/r.abcd.1\nrow runs/r.abcd.2')" ]
}

@test "a pair whose first run is on its way on one lane is asked of no other lane, and both its runs are on one machine" {
	calibrated
	pretend
	promising runs/good 0.0460
	hg-ledger plan -L b "$L" runs/good > plan
	line=$(hg-ledger next -L b "$L" | head -n 1)
	made() {
		hg-spec -b "$L/$(cut -f 5 <<< "$1")/spec.json" -s train.seed="$(cut -f 4 <<< "$1")" \
		    -s train.data_offset="$(cut -f 6 <<< "$1")" -s system.lane="$3" "$2" 2> /dev/null
	}
	made "$line" runs/first b
	hg-ledger take "$L" runs/first > /dev/null
	made "$(hg-ledger next -L b "$L" | sed -n 2p)" runs/second default
	run -1 hg-ledger take "$L" runs/second
	[[ "$output" == *"no open plan asks for 'runs/second'"* ]]
	hg-ledger plan -x "$L" > /dev/null
	# without other lanes, too: a pair on two machines tells of the machines
	promising runs/fine 0.0465
	hg-ledger plan "$L" runs/fine > plan
	slot_on default 1 cpu=fast
	run -0 slot_on default 2
	[[ "$output" == *"on another machine"* ]]
	[ "$(hg-ledger next "$L" | cut -f 2)" = 2 ]
	slot_on default 2 cpu=fast
	[ "$(hg-ledger next "$L" | cut -f 2)" = 3 ]
	hg-ledger replay "$L"
}
