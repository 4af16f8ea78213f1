load helper
load fakerun

setup() {
	fakerun_setup
	new_run r
}

@test "hg-cancel closes a running stage out as cancelled" {
	fakestage train r hang 3>&- &
	pid=$!
	until_true 10 running train r
	run -0 hg-cancel train r
	[ "$output" = "r train refused cancelled" ]
	exits 102 "$pid"
	[ "$(key r/train_refusal.json .kind)" = cancelled ]
	[ "$(key r/train_refusal.json .retryable)" = true ]
}

@test "hg-cancel says so when nothing runs, and changes nothing" {
	run -1 hg-cancel train r
	[[ $output == *"not running, but absent"* ]]
	fakestage train r deliver
	run -1 hg-cancel train r
	[[ $output == *"not running, but closed_out"* ]]
	[ ! -e r/train_refusal.json ]
}

# bats test_tags=b12
@test "hg-cancel does not signal a process that merely has the pid" {
	sleep 60 3>&- &
	innocent=$!
	hold_lock train r "$(lock_text "$innocent" 1 99999999999)"
	timeout 30 hg-cancel train r > out 2>&1 3>&- &
	cancel=$!
	read -r -t 0.5 <> <(:) || :
	kill "$cancel"
	kill -0 "$innocent"
	kill "$innocent" "$holder"
}

@test "hg-cancel leaves a process of another host alone" {
	hold_lock train r "$(lock_text 1 1 99999999999 00000000-0000-0000-0000-000000000000 elsewhere)"
	run -99 hg-cancel train r
	[[ $output == *"host 'elsewhere': cancel it there"* ]]
	kill "$holder"
}
