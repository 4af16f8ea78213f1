# The driver of confirmations: what it makes of its command line and of what the tools under it answer.
load helper

setup() {
	cd "$BATS_TEST_TMPDIR"
	mkdir fake
	PATH=$PWD/fake:$PATH
}

# fake TOOL BODY: a tool that does that.
fake() {
	printf '#!/bin/sh\necho "%s $*" >> calls\n%s\n' "$1" "$2" > "fake/$1"
	chmod +x "fake/$1"
}

@test "hg-confirm says what is wrong with its command line, in one line and the usage" {
	local args
	for args in "" ledger "ledger r s" "-x ledger r" "-c -c ledger r" "-n 2 -n 2 ledger r" "-n" "-L" "-L a -L b ledger r" "-L a/b ledger r" "-L a,,b ledger r" "-L , ledger r" "-L .a ledger r" "-c -L a ledger r" "-- -c"; do
		# shellcheck disable=SC2086
		run -100 --separate-stderr hg-confirm $args
		[ -z "$output" ]
		[[ ${stderr_lines[0]} == "hg-confirm: "* ]]
		[ "${stderr_lines[1]}" = "usage: hg-confirm [-1] [-c] [-n SEEDS] [-L LANES] LEDGER RUN" ]
		[ "${#stderr_lines[@]}" -eq 2 ]
	done
}

# bats test_tags=b19
@test "a tool that is killed, or can't start, is the system's failure to hg-confirm, and a full disk under its output, too" {
	fake hg-ledger 'kill -9 $$'
	run -111 hg-confirm ledger r
	run -111 hg-confirm -c ledger r
	run -111 hg-confirm --version
	fake hg-ledger 'exit 127'
	run -111 hg-confirm ledger r
	run -111 sh -c 'hg-confirm -h > /dev/full'
}

@test "a plan whose next slot can't be read is no plan that is done" {
	fake hg-ledger 'case $1 in plan) exit 0 ;; esac; echo "hg-ledger: cannot read" >&2; exit 111'
	run -111 --separate-stderr hg-confirm ledger r
	[ "$stderr" = "hg-ledger: cannot read" ]
	fake hg-ledger 'case $1 in plan) exit 0 ;; esac; echo "no plan is open" >&2; exit 1'
	run -0 hg-confirm ledger r
	[ "$output" = "" ]
	fake hg-ledger 'exit 2'
	run -2 hg-confirm ledger r
}

@test "a slot that stays open ends hg-confirm after three runs, and called again it goes on with three more" {
	mkdir -p runs
	fake hg-ledger 'case $1 in plan) exit 0 ;; next) printf "abcd\t1\tincumbent\t7\truns/base\n" ;; show) grep -q "hg-run -i -l ledger $3$" calls ;; esac'
	fake hg-spec 'shift 4; mkdir -p "$1"; : > "$1/spec.json"'
	fake hg-run ''
	run -1 --separate-stderr hg-confirm ledger runs/r
	[[ $stderr == *"slot 1 of the plan stays open after 3 runs"*"the same command goes on" ]]
	[ "$(grep -c ^hg-run calls)" -eq 3 ]
	run -1 --separate-stderr hg-confirm ledger runs/r
	[ "$(grep ^hg-run calls | sort -u | wc -l)" -eq 6 ]
	grep -qx 'hg-run -i -l ledger runs/r.abcd.1.6' calls
}

@test "a seed to calibrate with that was refused is left for another one, and three in a row end hg-confirm, which goes on" {
	mkdir -p runs
	# Enough after four sound runs; every run has a row once it was made, as a refused one has.
	fake hg-ledger 'case $1 in calibrate) [ "$(cat sound 2> /dev/null | wc -l)" -ge 4 ] || exit 2 ;; next) echo 7 ;; show) grep -q "hg-run -i -l ledger $3$" calls ;; esac'
	fake hg-spec 'shift 4; mkdir -p "$1"; : > "$1/spec.json"'
	fake hg-run '[ ! -e full ] || exit 102; echo >> sound'
	# A night in which the disk filled up left one that was refused.
	mkdir runs/r.cal.1
	: > runs/r.cal.1/spec.json
	echo 'hg-run -i -l ledger runs/r.cal.1' > calls
	touch full
	run -1 --separate-stderr hg-confirm -c ledger runs/r
	[[ $stderr == *"3 seeds in a row were refused, the last 'runs/r.cal.4'; hg-ledger list says why, the same command goes on"* ]]
	rm full
	run -0 --separate-stderr hg-confirm -c ledger runs/r
	[ "$(grep ^hg-run calls)" = "$(printf 'hg-run -i -l ledger runs/r.cal.%s\n' 1 2 3 4 5 6 7 8)" ]
	# One refused between sound ones ends nothing; what has no row needs a person.
	rm sound
	fake hg-run 'case $4 in *.cal.10) exit 102 ;; *.cal.14) exit 1 ;; esac; echo >> sound'
	run -0 hg-confirm -c ledger runs/r
	[ "$(grep -c ^hg-run calls)" -eq 13 ]
	rm sound
	fake hg-ledger 'case $1 in calibrate) exit 2 ;; next) echo 7 ;; show) exit 1 ;; esac'
	fake hg-run 'exit 102'
	run -102 hg-confirm -c ledger runs/s
}

@test "two hg-confirm -c at once calibrate one lane: the run that the other one made meanwhile is gone on with" {
	fake hg-ledger 'case $1 in calibrate) [ -e runs/r.cal.1/done ] || exit 2 ;; next) printf "7\n" ;; esac'
	fake hg-spec 'shift 4; mkdir -p "$1"; : > "$1/spec.json"; echo "hg-spec: exists with another spec" >&2; exit 1'
	fake hg-run ': > "$4/done"'
	run -0 --separate-stderr hg-confirm -c ledger runs/r
	[ "$stderr" = "" ]
	[ "$(grep ^hg-run calls)" = "hg-run -i -l ledger runs/r.cal.1" ]
	fake hg-spec 'echo "hg-spec: unknown key" >&2; exit 100'
	rm -r runs
	run -100 --separate-stderr hg-confirm -c ledger runs/r
	[ "$stderr" = "hg-spec: unknown key" ]
}

@test "names that begin with a dash are names" {
	fake hg-ledger 'exit 1'
	run -1 hg-confirm -- -l -r
	[ "$(cat calls)" = "$(printf '%s\n' "hg-ledger plan -p ./-l ./-r" "hg-ledger plan ./-l ./-r")" ]
}

@test "hg-confirm -1 makes the next run and names it, starts nothing, and ends where so many came to nothing" {
	mkdir -p runs
	fake hg-ledger 'case $1 in plan) exit 0 ;; next) printf "abcd\t1\tincumbent\t7\truns/base\n" ;; show) [ -e "$3/row" ] || [ -e "runs/$3/row" ] ;; esac'
	fake hg-spec 'shift 4; mkdir -p "$1"; : > "$1/spec.json"'
	fake hg-run ''
	for n in "" .2 .3; do
		run -99 --separate-stderr hg-confirm -1 ledger runs/r
		[ "$output" = "runs/r.abcd.1$n" ]
		[ -e "runs/r.abcd.1$n/spec.json" ]
		# asked again before it has a row it is the same one
		run -99 --separate-stderr hg-confirm -1 ledger runs/r
		[ "$output" = "runs/r.abcd.1$n" ]
		: > "runs/r.abcd.1$n/row"
	done
	run -1 --separate-stderr hg-confirm -1 ledger runs/r
	[[ "$stderr" == *"slot 1 of the plan stays open after 3 runs"* ]]
	[ ! -e runs/r.abcd.1.4 ]
	! grep -q '^hg-run' calls || false
	# Seeds to calibrate with: one is there, and none that is made counts.
	fake hg-ledger 'case $1 in calibrate) echo "hg-ledger: 1 of the 5 seeds is there" >&2; exit 2 ;; next) echo 7 ;; show) [ -e "$3/row" ] || [ -e "runs/$3/row" ] ;; esac'
	for n in 1 2 3 4 5; do
		run -99 --separate-stderr hg-confirm -1 -c ledger runs/r
		[ "$output" = "runs/r.cal.$n" ]
		: > "runs/r.cal.$n/row"
	done
	run -1 --separate-stderr hg-confirm -1 -c ledger runs/r.cal.5
	[[ "$stderr" == *"5 runs brought no seed that counts"* ]]
	[ ! -e runs/r.cal.6 ]
	! grep -q '^hg-run' calls || false
}
