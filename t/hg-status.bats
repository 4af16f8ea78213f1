load helper
load fakerun

setup() {
	fakerun_setup
	new_run r
}

stage_state() {
	hg-status -j "$2" | jq -r ".stages.$1.state"
}

is_in() {
	[ "$(stage_state "$2" "$3")" = "$1" ]
}

# bats test_tags=b16
@test "hg-status shows each stage's state, and no stage as running whose processes are gone" {
	[ "$(stage_state train r)" = absent ]
	fakestage train r hang 3>&- &
	pid=$!
	until_true 10 running train r
	[ "$(stage_state train r)" = running ]
	kill -9 "$pid"
	exits 137 "$pid"
	until_true 10 is_in orphaned train r
	[ "$(hg-status -j r | jq -r .state)" = dead ]
	hg-await -t 5 train r > out 2>&1 || :
	[ "$(stage_state train r)" = refused ]
	run -0 hg-status r
	[[ $output == *"train: refused (owner_died)"*"next: hg-run -r"* ]]
	hg-retry train r
	fakestage train r deliver
	[ "$(stage_state train r)" = closed_out ]
}

# bats test_tags=b16
@test "hg-status changes nothing" {
	fakestage train r write=checkpoint.safetensors hang 3>&- &
	pid=$!
	until_true 10 test -e r/checkpoint.safetensors
	kill -9 "$pid"
	exits 137 "$pid"
	before=$(ls -lA --time-style=full-iso r)
	hg-status r > out
	hg-status -j r > out
	hg-status -n r > out
	[ "$before" = "$(ls -lA --time-style=full-iso r)" ]
}

# bats test_tags=b53
@test "a stage that lives and makes no progress is wedged, one that does is not" {
	fakestage train r beat 3>&- &
	pid=$!
	until_true 10 test -e r/train_status.json
	[ "$(hg-status -j r | jq -r .stages.train.health)" = ok ]
	kill -STOP "$(worker_of train r)"
	# By the limit of the spec, ten minutes, that its owner goes by.
	jq '.progressed_at = (now - 300 | strftime("%Y-%m-%dT%H:%M:%S.000Z"))' r/train_status.json > posted
	cp posted r/train_status.json
	[ "$(hg-status -j r | jq -r .stages.train.health)" = ok ]
	jq '.progressed_at = "2026-01-01T00:00:00.000Z"' r/train_status.json > posted
	cp posted r/train_status.json
	[ "$(hg-status -j r | jq -r .stages.train.health)" = wedged ]
	[ "$(stage_state train r)" = running ]
	run -0 hg-status r
	[[ $output == *"WEDGED: no progress for"* ]]
	# The heartbeat alone does not heal it.
	kill -CONT "$(worker_of train r)"
	hg-cancel train r
	exits 102 "$pid"
}

# told STAGE DONE EXPECTED LOSS: progress of a stage at work is what its status file has under these keys.
told() {
	local s=$1
	shift
	fakestage "$s" r beat 3>&- &
	pid=$!
	until_true 10 test -e "r/${s}_status.json"
	[ "$(hg-status -j r | jq -c ".stages.$s.progress | [.done, .expected, .loss]")" = \
	    "$(jq -c "[.$1, .$2, .$3]" "r/${s}_status.json")" ]
	[[ $(hg-status r) == *"$s: running"*" $(key "r/${s}_status.json" ".$1") of "* ]]
	hg-cancel "$s" r
	exits 102 "$pid"
}

@test "progress is told in the terms of the stage: steps of a training, documents of a score" {
	told train step steps_expected train_loss
	hg-retry train r
	fakestage train r deliver
	fakestage export r deliver
	told score documents documents_expected val_loss
}

@test "the state is a contract, on one line for each run" {
	new_run s
	fakestage train s progress=3 deliver
	hg-status -j r s > out
	[ "$(wc -l < out)" -eq 2 ]
	"$HG_T/tools/contract" -1 run_state out
	[ "$(jq -r .next out | tr '\n' ' ')" = "train export " ]
}

next_is() {
	run -0 hg-status -n r
	[ "$output" = "$1" ]
}

# bats test_tags=b16
@test "hg-status -n prints the word that says what to do next, from the first step to the last" {
	next_is train
	fakestage train r hang 3>&- &
	pid=$!
	until_true 10 running train r
	next_is await-train
	kill -9 "$pid"
	exits 137 "$pid"
	until_true 10 is_in orphaned train r
	next_is await-train
	hg-await -t 5 train r > out 2>&1 || :
	next_is stop-train
	hg-retry train r
	next_is train
	fakestage train r deliver
	next_is export
	fakestage export r deliver
	next_is prompt
	run -1 fakestage prompt r exit=3
	next_is score
	fakestage score r deliver
	next_is judge
	cp r/attempts/train.1/train_refusal.json r/
	next_is fail-train
	[ "$(hg-status -j r | jq -r .next)" = fail-train ]
}

@test "hg-status -n of several runs has a line for each that can be read" {
	new_run s
	fakestage train s deliver
	run -100 --separate-stderr hg-status -n r nothing s
	[ "$output" = "r	train"$'\n'"s	export" ]
	for other in -j -w; do
		run -100 --separate-stderr hg-status -n $other r
		[ -z "$output" ]
	done
}

@test "the words in hg-status(1) are those of the program" {
	diff <(mandoc -T ascii -O width=200 "$HG_TOP/man/hg-status.1" | col -b | awk '
	    /^[A-Z]/ { on = $0 == "WORDS" }
	    on && $1 ~ /^([a-z]+-)?S$/ { for (i = 1; i <= 4; i++) { w = $1; sub(/S$/, s[i], w); print w } }
	    on && $1 == "judge" { print $1 }
	    BEGIN { split("train export prompt score", s) }') <("$HG_T/tools/contract" -w next)
}

# bats test_tags=b16
@test "hg-status -w publishes a summary that says what there is" {
	fakestage train r deliver
	fakestage export r deliver
	fakestage score r deliver
	hg-status -w r
	"$HG_T/tools/contract" summary r/summary.json
	[ "$(key r/summary.json .score)" = closed_out ]
	[ "$(key r/summary.json .val_bpb)" = "$(key r/artifact_score_summary.json .val_bpb)" ]
	[ "$(key r/summary.json .total_bytes)" = "$(key r/export_report.json .total_bytes)" ]
}

@test "a number of another run's receipt is not shown" {
	new_run s
	for s in train export score; do fakestage $s s deliver; done
	cp s/artifact_score_summary.json r/
	[ "$(hg-status -j r | jq -r .val_bpb)" = null ]
}

@test "one run that cannot be read does not hide the others" {
	mkdir broken
	echo '{' > broken/spec.json
	run -103 hg-status broken r
	[[ $output == *"r       new"* ]] || [[ $output == *"r "*" new"* ]]
	run -100 hg-status nothing r
	run -100 hg-status -j -w r
}

@test "no control character in a name or a file reaches the terminal" {
	mkdir $'bad\033[31m'
	mv r $'bad\033[31m/r'
	run hg-status $'bad\033[31m/r'
	[[ $output != *$'\033'* ]]
	run hg-await -t 0.1 train $'bad\033[31m/r'
	[[ $output != *$'\033'* ]]
	run hg-status $'r\033[2J'
	[[ $output != *$'\033'* ]]
}

@test "the table of states in hg-rundir(5) is that of the code, cell by cell" {
	"$HG_BUILD/unit/run" table | sort > code
	mandoc -T ascii -O width=200 "$HG_TOP/man/hg-rundir.5" | col -b | awk '
	    function each(column, all,    v) { v = $column; if (v == "any") v = all; return v }
	    /^STATE TABLE$/ { on = 1; next }
	    /^[A-Z]/ { on = 0 }
	    on && NF == 6 && $1 ~ /^(no|yes)$/ {
		na = split(each(3, "free/held"), a, "/"); nb = split(each(4, "empty/good/garbage"), b, "/")
		nc = split(each(5, "before/past"), c, "/")
		for (i = 1; i <= na; i++) for (j = 1; j <= nb; j++) for (k = 1; k <= nc; k++)
			print $1, $2, a[i], b[j], c[k], $6 }' | sort > page
	[ "$(wc -l < code)" -eq 48 ]
	diff code page >&2
}

# bats test_tags=b19
@test "a want of memory never reads as a file that breaks its contract" {
	[ -z "$HG_SAN" ] || skip "sanitizers need address space"
	local kb status seen=''
	for kb in $(seq 6000 200 12000); do
		status=0
		sh -c "ulimit -v $kb; exec hg-status r" > /dev/null 2>&1 || status=$?
		[ "$status" -ne 103 ]
		seen="$seen $status"
	done
	[[ $seen == *" 0"* ]]
}

@test "hg-status says what was changed from the run that a run was made from, as long as that lies beside it" {
	cd "$BATS_TEST_TMPDIR"
	export DATA=$PWD/text
	tiny_data text 2> /dev/null
	mkdir -p runs
	tiny_spec runs/a about.hypothesis=x
	hg-spec -b runs/a -s train.matrix_lr=0.02 -s train.seed=3 runs/b
	run --separate-stderr hg-status runs/a runs/b
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[ "${lines[2]#*runs/b}" != "${lines[2]}" ]
	[ "${lines[3]}" = "    changed from a: train.seed 1337 -> 3, train.matrix_lr 0.04 -> 0.02" ]
	[ "${#lines[@]}" -eq 4 ]
	# another run of that name is not the parent
	mv runs/a elsewhere
	run --separate-stderr hg-status runs/b
	[ "${#lines[@]}" -eq 2 ]
	tiny_spec runs/a
	run --separate-stderr hg-status runs/b
	[ "${#lines[@]}" -eq 2 ]
}

@test "a summary names the refusal's kind, and is never stale: stages, retry, cancel and whoever closes out the dead renew it" {
	hg-status -w r
	run -102 fakestage train r signal=9
	"$HG_T/tools/contract" summary r/summary.json
	[ "$(key r/summary.json '[.state, .train, .refusal, .next] | join(" ")')" = "refused refused worker_signalled stop-train" ]
	hg-retry train r
	[ "$(key r/summary.json '[.state, .train, .refusal, .next] | join(" ")')" = "new absent  train" ]
	fakestage train r nap=10000 3>&- &
	pid=$!
	until_true 5 eval '[ "$(key r/summary.json .train)" = running ]'
	until_true 5 running train r
	hg-cancel train r
	[ "$(key r/summary.json '[.state, .train, .refusal] | join(" ")')" = "refused refused cancelled" ]
	wait $pid || :
	hg-retry train r
	fakestage train r nap=10000 3>&- &
	pid=$!
	until_true 5 running train r
	kill -9 $pid "$(worker_of train r)"
	until_true 5 eval '[ "$(hg-status -j r | jq -r .stages.train.state)" = orphaned ]'
	run -102 hg-await train r
	[ "$(key r/summary.json '[.state, .refusal] | join(" ")')" = "refused owner_died" ]
	hg-retry train r
	fakestage train r deliver
	[ "$(key r/summary.json '[.state, .train, .refusal, .next] | join(" ")')" = "waiting closed_out  export" ]
	"$HG_T/tools/contract" summary r/summary.json
}

@test "a summary that can't be written is removed rather than left stale, and the retry is done all the same" {
	run -102 fakestage train r signal=9
	hg-status -w r
	run bash -c 'ulimit -f 0; hg-retry train r'
	[ "$status" -eq 0 ]
	[[ "$output" == *"cannot publish 'r/summary.json'"* ]]
	[ ! -e r/summary.json ]
	[ "$(hg-status -j r | jq -r .stages.train.state)" = absent ]
}

@test "what a killed publisher left of a first summary is swept by the next stage, which makes none" {
	[ -z "$HG_SAN" ] || skip "sanitizers and strace exclude each other"
	strace -qq -o /dev/null -e inject=fsync:signal=KILL:when=1 hg-status -w r || :
	[ -n "$(find r -name '.tmp.summary.json.*')" ]
	fakestage train r deliver
	[ -z "$(find r -name '.tmp.*')" ] && [ ! -e r/summary.json ]
}

@test "hundreds of runs are shown as one after the other would be, whoever looked at them, and one that can't be read fails the whole" {
	local i
	for i in $(seq 300); do
		hg-spec -b r/spec.json "many$i" 2> /dev/null
		[ $((i % 7)) != 0 ] || fakestage train "many$i" deliver 2> /dev/null
	done
	for i in many*; do
		hg-status -j "$i"
	done | jq -c 'del(.at)' > by_one
	run -0 hg-status -j many*
	jq -c 'del(.at)' <<< "$output" | cmp by_one -
	[ "$(hg-status many* | sed 1d | grep -c ' closed_out ')" = 42 ]
	hg-status -n many* | cmp - <(jq -r '.run + "\t" + .next' by_one)
	# Whoever reads no more than the first line has it.
	[ "$(hg-status -n many* | head -1)" = "$(hg-status -n many* | sed -n 1p)" ]
	sed -i 's/"num_layers": 9/"num_layers": 8/' many150/spec.json
	run -103 hg-status -n many*
	[ "$(grep -c '^many' <<< "$output")" = 299 ]
	[[ $output == *"'many150/spec.json' was edited"* ]]
	[ "$(bash -c 'hg-status -j many* 2> /dev/null | true; echo "${PIPESTATUS[0]}"')" = 103 ]
}

@test "hundreds of runs are shown with as few descriptors as one is, and with any more, however many processes look" {
	local n fits= runs
	runs=$(yes r | head -300)
	for n in $(seq 4 $((12 + $(nproc)))); do
		# shellcheck disable=SC2086
		if ! (exec 3>&- && ulimit -n "$n" && exec hg-status -n $runs) > "out.$n" 2> "err.$n"; then
			[ -z "$fits" ] || { echo "well with $fits, and not with $n"; head -n 1 "err.$n"; return 1; } >&2
		else
			[ "$(grep -c '^r	train$' "out.$n")" = 300 ]
			fits=${fits:-$n}
		fi
	done
	[ -n "$fits" ]
	run -0 bash -c "exec 3>&-; ulimit -n $fits; exec hg-status -n r"
}
