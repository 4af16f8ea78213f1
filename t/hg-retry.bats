load helper
load fakerun

setup() {
	fakerun_setup
	new_run r
}

@test "hg-retry moves a refused attempt aside and keeps what it resumes from" {
	run -102 fakestage train r progress=3 write=resume.safetensors signal=9
	run -0 hg-retry train r
	[ "$output" = "r/attempts/train.1" ]
	[ "$(ls r/attempts/train.1 | tr '\n' ' ')" = "train_refusal.json train_status.json " ]
	[ -e r/resume.safetensors ] && [ ! -e r/train_refusal.json ]
	[ "$(hg-status -j r | jq -r .stages.train.state)" = absent ]
	fakestage train r deliver
	[ "$(key r/training_report.json .attempt)" = 2 ]
}

@test "attempts are counted up" {
	for n in 1 2 3; do
		run -102 fakestage train r signal=9
		[ "$(key r/train_refusal.json .attempt)" = "$n" ]
		hg-retry train r
	done
	[ "$(ls r/attempts | tr '\n' ' ')" = "train.1 train.2 train.3 " ]
}

@test "a refusal whose attempt is not the one after those in attempts/ is of another attempt: no for the gate, and never retired" {
	run -102 fakestage train r signal=9
	hg-retry train r
	run -102 fakestage train r signal=9
	cp r/train_refusal.json kept
	for n in 1 3 7; do
		jq ".attempt = $n" kept > r/train_refusal.json
		run -1 hg-gate train r
		[[ $output == *"train: train_refusal.json: other_run: it is of another attempt ($n, not 2)"* ]]
		run -103 hg-retry train r
		[[ $output == *"'r/train_refusal.json' says that it is of attempt $n, which 'attempts' does not bear out"* ]]
		[ "$(ls r/attempts)" = train.1 ]
	done
	cp kept r/train_refusal.json
	run -1 hg-gate train r
	[[ $output != *"other_run"* ]]
	# One whose retirement was interrupted is retired.
	mkdir r/attempts/train.2
	run -1 hg-gate train r
	[[ $output != *"other_run"* ]]
	hg-retry train r
	[ -e r/attempts/train.2/train_refusal.json ]
}

# bats test_tags=b49
@test "hg-retry touches neither a receipt nor a running stage, and asked twice does nothing" {
	run -102 fakestage train r signal=9
	run -0 hg-retry train r
	run -0 hg-retry train r
	[[ $output == *"nothing to retry"* ]]
	fakestage train r nap=500 deliver 3>&- &
	pid=$!
	until_true 10 running train r
	run -99 hg-retry train r
	exits 0 "$pid"
	run -1 hg-retry train r
	[ -e r/training_report.json ]
}

@test "hg-retry -a moves that attempt alone aside, and of many who ask at once for it one makes the next" {
	local n
	run -102 fakestage train r signal=9
	run -1 hg-retry -a 2 train r
	[[ $output == *"train of 'r' is refused in attempt 1, and not in 2 any more"* ]]
	[ -e r/train_refusal.json ] && [ ! -e r/attempts ]
	run -0 hg-retry -a 1 train r
	[ "$output" = "r/attempts/train.1" ]
	run -102 fakestage train r signal=9
	for n in 1 2 3 4 5 6; do
		{ hg-retry -a 1 train r || echo "$?" > "said.$n"; } > /dev/null 2>&1 3>&- &
	done
	wait
	[ "$(cat said.* | xargs)" = "1 1 1 1 1 1" ]
	[ "$(key r/train_refusal.json .attempt)" = 2 ]
	for n in 0 x 1x -1 ''; do
		run -100 hg-retry -a "$n" train r
		[[ $output == *"-a '$n' is the number of no attempt"* ]]
	done
}

# bats test_tags=b5
@test "hg-retry killed at any system call leaves the stage refused or absent, and can be asked again" {
	local n=0 state
	run -102 fakestage train r progress=3 signal=9
	cp -r r saved
	for call in ftruncate fsync mkdirat renameat; do
		for n in 1 2 3 4; do
			rm -rf r
			cp -r saved r
			strace -qq -o /dev/null -e inject=$call:signal=KILL:when=$n hg-retry train r > /dev/null 2>&1 || :
			state=$(hg-status -j r | jq -r .stages.train.state)
			[ "$state" = refused ] || [ "$state" = absent ] || { echo "$call $n: $state" >&2; false; }
			run -0 hg-retry train r
			[ "$(hg-status -j r | jq -r .stages.train.state)" = absent ]
			[ -e r/attempts/train.1/train_refusal.json ]
		done
	done
}
