# What is interrupted at the terminal, or dies, is gone on with by the same command; it is no failure of anything.
load helper

setup_file() {
	export DATA=$BATS_FILE_TMPDIR/data HOMEGOLF_LANES=$BATS_FILE_TMPDIR/lanes
	tiny_data "$DATA" 2> /dev/null
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	mkdir runs
	tiny_spec runs/base train.iterations=150 train.matrix_lr=0.0001
	hg-run -l ledger runs/base > /dev/null 2>&1
}

# trains RUN: it is in the middle of its training.
trains() {
	[ -e "$1/metrics.jsonl" ] && [ "$(wc -l < "$1/metrics.jsonl")" -ge 3 ] && [ ! -e "$1/training_report.json" ]
}

# interrupt RUN COMMAND...: a process group of its own, and INT to all of it as a terminal does, once RUN trains.
interrupt() {
	local run=$1 pid
	shift
	set -m
	"$@" > out 2> err 3>&- &
	pid=$!
	set +m
	until_true 60 trains "$run"
	kill -INT -- "-$pid"
	wait "$pid" && return 1
	until_true 20 refused "$run"
}

refused() {
	[ -e "$1/train_refusal.json" ]
}

rows_of() {
	hg-ledger list -a -j ledger | jq -s --arg id "$1" '[.[] | select(.run.run_id == $id)] | length'
}

@test "a calibration interrupted at the terminal goes on with the very run, from where it was, and calibrates" {
	interrupt runs/base.cal.1 hg-confirm -c ledger runs/base
	[ "$(jq -r .kind runs/base.cal.1/train_refusal.json)" = cancelled ]
	[ "$(rows_of base.cal.1)" -eq 0 ]
	run -0 hg-confirm -c ledger runs/base
	[[ $output == *"is calibrated: 5 seeds"* ]]
	[ "$(jq .resumes runs/base.cal.1/training_report.json)" -eq 1 ]
	[ "$(ls runs | tr '\n' ' ')" = "base base.cal.1 base.cal.2 base.cal.3 base.cal.4 " ]
	[ "$(rows_of base.cal.1)" -eq 1 ]
}

@test "a confirmation interrupted in a slot goes on with the slot's run, from where it was, and ends judged" {
	local slot
	hg-confirm -c ledger runs/base > /dev/null 2>&1
	tiny_spec runs/better train.iterations=150
	hg-run -l ledger runs/better > /dev/null 2>&1
	tiny_spec runs/better.2 train.iterations=150 train.seed=9
	hg-run -l ledger runs/better.2 > /dev/null 2>&1
	hg-ledger plan -n 2 ledger runs/better > /dev/null 2>&1
	slot=runs/better.$(hg-ledger next ledger | cut -f 1)
	interrupt "$slot.1" hg-confirm -n 2 ledger runs/better
	[ "$(jq -r .kind "$slot.1/train_refusal.json")" = cancelled ]
	# Killed with all that it started, too.
	set -m
	hg-confirm -n 2 ledger runs/better > out 2> err 3>&- &
	pid=$!
	set +m
	until_true 60 trains "$slot.2"
	kill -KILL -- "-$pid"
	wait "$pid" || :
	run -0 hg-confirm -n 2 ledger runs/better
	[[ $output == *"onfirmation in campaign "* ]]
	[ "$(jq .resumes "$slot.1/training_report.json")" -eq 1 ]
	[ "$(ls -d "$slot".* | wc -l)" -eq 4 ]
	[ "$(hg-ledger list -a -j ledger | jq -s '[.[] | select(.run.refusals // [] | length > 0)] | length')" -eq 0 ]
	hg-ledger verify ledger
	hg-ledger replay ledger
}

@test "a run that was only interrupted gets no row unasked; asked for it is blocked, and the stop rule counts it under law 1 only" {
	local i
	for i in 1 2 3; do
		tiny_spec runs/r$i train.iterations=2000 train.seed=$((10 + i))
		interrupt runs/r$i hg-run -l ledger runs/r$i
		hg-run -l ledger runs/r$i > out 2>&1 || [ $? -eq 102 ]
		grep -q "only interrupted (train: cancelled) and gets no row yet; 'hg-run -r -l ledger runs/r$i' goes on" out
	done
	[ "$(hg-ledger list -j ledger | wc -l)" -eq 1 ]
	run -2 hg-ledger add ledger runs/r1
	run -0 hg-ledger add -i ledger runs/r1 runs/r2 runs/r3
	[ "$(hg-ledger list -j ledger | jq -r .verdict.reason | tail -n 3 | sort -u)" = refused ]
	run hg-ledger stop ledger
	[[ $output != *"blocked or invalid"* ]]
	hg-ledger verify ledger
	mkdir ledger1
	jq 'del(.law)' ledger/policy.json > ledger1/policy.json
	run -0 hg-ledger add -i ledger1 runs/r1 runs/r2 runs/r3
	run -2 hg-ledger stop ledger1
	[[ $output == "pause: the last 3 runs were blocked or invalid"* ]]
	hg-ledger replay ledger
	hg-ledger replay ledger1
}

@test "hg-run -l says a verdict once" {
	tiny_spec runs/other train.iterations=3
	run -0 hg-run -l ledger runs/other
	[ "$(grep -c "Run 'other' scored" <<< "$output")" -eq 1 ]
	[ "$(grep -c "^next: " <<< "$output")" -eq 1 ]
	[ "$(jq -r .verdict.reason runs/other/classification.json)" = uncalibrated ]
}

@test "a line of progress names its run and is cut to the terminal" {
	tiny_spec runs/named train.iterations=3
	COLUMNS='' script -qec 'stty cols 40; hg-train runs/named; hg-export runs/named; hg-score runs/named' typescript > /dev/null
	tr '\r' '\n' < typescript > lines
	grep -q '^hg-train: named: ' lines
	grep -q '^hg-score: named: ' lines
	[ "$(sed 's/\x1b\[K//g' lines | awk '/^hg-(train|score): named: / && length > most { most = length } END { print most }')" -le 39 ]
}

@test "of processes that share a terminal one shows its progress, and no line of another is written into it" {
	local run
	for run in one two; do tiny_spec runs/$run train.iterations=200; done
	cat > both.sh <<-END
		HOMEGOLF_LANES=$PWD/lanes1 hg-train runs/one &
		HOMEGOLF_LANES=$PWD/lanes2 hg-train runs/two &
		hg-status runs/none
		wait
	END
	"$PYTHON" -c 'import pty, sys; pty.spawn(sys.argv[1:])' sh both.sh < /dev/null > typescript
	"$PYTHON" - <<-'END'
		import re
		shown = open("typescript", newline="").read().replace("\r\n", "\n")
		before, seen = None, set()
		for part in re.split("(?=\r)|(?<=\n)", shown):
		    found = re.match(r"\rhg-train: (one|two): [^\n]*\x1b\[K$", part)
		    if found:
		        assert before in (None, found[1]), shown
		        before = found[1]
		        seen.add(before)
		    elif part.startswith("\r\x1b[K"):
		        before = None
		    else:
		        assert before is None or part == "", (part, shown)
		assert seen, shown
	END
	[ -e runs/one/training_report.json ] && [ -e runs/two/training_report.json ]
}

@test "what an interrupted stage says to type next names the ledger that its driver was given" {
	local next
	mkdir "it's a ledger"
	tiny_spec runs/long train.iterations=2000
	interrupt runs/long hg-run -l "it's a ledger/l" runs/long
	next=$(sed -n 's/^hg-train:   next: //p' err)
	[ "$next" = "hg-run -r -l 'it'\\''s a ledger/l' $PWD/runs/long" ]
	[ "$(jq -r .next runs/long/train_refusal.json)" = "hg-run -r $PWD/runs/long" ]
	run hg-await -t 1 train runs/long
	[[ "$output" == *"next: hg-run -r $PWD/runs/long"* ]]
}
