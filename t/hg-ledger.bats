# The ledger: what it keeps, what it refuses, and what it makes of runs.
load helper

setup() {
	cd "$BATS_TEST_TMPDIR"
	export JUDGED_DATA=$BATS_FILE_TMPDIR
	L=$PWD/ledger
}

# scored RUN BPB [KEY=VALUE...]: a run directory as a scored run leaves it.
scored() {
	"$PYTHON" "$HG_TOP/t/tools/judged_run.py" "$@"
}

add() {
	hg-ledger add "$L" "$@" > added
}

field() {
	hg-ledger show "$L" "$1" | jq -r "$2"
}

# five seeds of one configuration, and the lane's noise known from them
calibrated() {
	local i=0 bpb
	for bpb in 2.300 2.310 2.295 2.305 2.301; do
		i=$((i + 1))
		scored "runs/base$i" $bpb seed=$i
		add "runs/base$i"
	done
	hg-ledger calibrate "$L" runs/base1 > calibration
}

# A training that is over at once: the score is the configuration's and the seed's (a gain of ten times matrix_lr's rise).
pretend() {
	mkdir -p bin
	cat > bin/hg-run <<-END
	#!/bin/sh
	ledger=\$2 run=\$3
	bpb=\$($PYTHON -c 'import json, random, sys
	s = json.load(open(sys.argv[1] + "/spec.json"))["train"]
	print(2.3 - 10 * (s["matrix_lr"] - 0.04) + random.Random(s["seed"]).gauss(0, 0.006))' "\$run")
	$PYTHON "$HG_TOP/t/tools/judged_run.py" "\$run" "\$bpb" \$PRETEND && hg-ledger add "\$ledger" "\$run" > /dev/null
	END
	chmod +x bin/hg-run
	PATH=$PWD/bin:$PATH
}

@test "the first sound run of a group is the incumbent, as noise and reason first" {
	scored runs/a 2.3
	run --separate-stderr hg-ledger add "$L" runs/a
	[ "$status" -eq 0 ]
	[[ "${lines[0]}" == "row 2: noise: first" ]]
	[ -z "$stderr" ]
	[ "$(hg-ledger incumbent -j "$L" | jq -r .run_id)" = a ]
}

# bats test_tags=b21
@test "adding a run twice says so and changes nothing" {
	scored runs/a 2.3
	add runs/a
	cp "$L/ledger.jsonl" before
	run --separate-stderr hg-ledger add "$L" runs/a
	[ "$status" -eq 0 ]
	[[ "$output" == *"in the ledger already: row 2"* ]]
	cmp before "$L/ledger.jsonl"
}

# bats test_tags=b21
@test "a retry gets a row of its own that names the row it supersedes" {
	scored runs/a 2.3 refuse=score:out_of_memory
	add runs/a
	[ "$(field 2 '.verdict.class + " " + .verdict.reason')" = "blocked refused" ]
	mkdir -p runs/a/attempts/score.1
	mv runs/a/score_refusal.json runs/a/attempts/score.1/
	scored runs/a 2.3
	add runs/a
	[ "$(field 3 .run.attempt)" = 2 ]
	[ "$(field 3 .run.supersedes)" = "$(sed -n 2p "$L/ledger.jsonl" | sha256sum | cut -c 1-64)" ]
	[ "$(field 3 .verdict.reason)" = first ]
}

@test "a row keeps what was set otherwise than by default, and by which data, so that it is known without the run" {
	scored runs/a 2.3 train.matrix_lr=0.02 seed=7
	add runs/a
	rm -r runs
	[ "$(field 2 '.run.settings["train.matrix_lr"]')" = 0.02 ]
	[ "$(field 2 '.run.settings["model.num_layers"]')" = 2 ]
	# what is as by default, what is no result, and what tells replicates apart is not among them
	[ "$(field 2 '.run.settings | keys[] | select(test("head_lr|backend|hypothesis|seed|data"))')" = "" ]
	[ "$(field 2 .run.data_name)" = data-aa ]
	[ "$(field 2 .run.backend)" = ref ]
}

@test "two adds at once lose no row and double none" {
	local i
	for i in 1 2 3 4 5 6; do
		scored runs/r$i 2.3$i seed=$i
	done
	for i in 1 2 3 4 5 6; do
		hg-ledger add "$L" runs/r$i 3>&- > out.$i 2>&1 &
		hg-ledger add "$L" runs/r$i 3>&- > again.$i 2>&1 &
	done
	wait
	[ "$(wc -l < "$L/ledger.jsonl")" -eq 7 ]
	[ "$(jq -r 'select(.kind == "run").run.run_uid' "$L/ledger.jsonl" | sort -u | wc -l)" -eq 6 ]
	hg-ledger verify "$L"
	hg-ledger replay "$L"
}

@test "a run that is still to be scored is pending, and no row is made of it" {
	scored runs/a 2.3
	rm runs/a/artifact_score_summary.json
	run --separate-stderr hg-ledger add "$L" runs/a
	[ "$status" -eq 2 ]
	[ "$(wc -l < "$L/ledger.jsonl")" -eq 1 ]
}

# bats test_tags=b34
@test "a tampered, reordered, deleted or torn row is found and named, wherever it is" {
	local i
	for i in 1 2 3; do
		scored runs/r$i 2.3$i seed=$i
		add runs/r$i
	done
	hg-ledger verify "$L"
	cp -a "$L" good
	tell() {
		run --separate-stderr hg-ledger verify "$L"
		[ "$status" -eq 103 ]
		[[ "$stderr" == *"$1"* ]] || { echo "want '$1', got: $stderr" >&2; false; }
		run ! hg-ledger add "$L" runs/r1
		rm -rf "$L"
		cp -a good "$L"
	}
	sed -i '2s/2\.31/2.30/' "$L/ledger.jsonl"
	tell "row 2 was altered"
	sed -i '4s/"seed": 3/"seed": 9/' "$L/ledger.jsonl"
	tell "row 4 was altered"
	rm "$L/head"
	sed -i '4s/"seed": 3/"seed": 9/' "$L/ledger.jsonl"
	run --separate-stderr hg-ledger verify "$L"
	[ "$status" -eq 103 ]
	[[ "$stderr" == *"row 4 is gone or was altered: the run 'r3' remembers another"* ]]
	rm -rf "$L"
	cp -a good "$L"
	sed -i 3d "$L/ledger.jsonl"
	tell "rows are missing: after row 2 comes row 4"
	sed -n '1p' good/ledger.jsonl > "$L/ledger.jsonl"
	sed -n '3p' good/ledger.jsonl >> "$L/ledger.jsonl"
	sed -n '2p;4p' good/ledger.jsonl >> "$L/ledger.jsonl"
	tell "after row 1 comes row 3"
	sed -i 1d "$L/ledger.jsonl"
	tell "after row 0 comes row 2"
	sed -i '$d' "$L/ledger.jsonl"
	tell "rows are missing at the end"
	rm "$L/head"
	sed -i '$d' "$L/ledger.jsonl"
	run --separate-stderr hg-ledger verify "$L"
	[ "$status" -eq 103 ]
	[[ "$stderr" == *"row 4 is gone"*"'r3' remembers"* ]]
}

# bats test_tags=b34
@test "a torn last row is named by verify and moved aside by the next writer alone" {
	scored runs/a 2.3
	scored runs/b 2.4 seed=2
	add runs/a
	printf '{"schema": "homegolf.ledger_row.v1", "prev"' >> "$L/ledger.jsonl"
	run --separate-stderr hg-ledger verify "$L"
	[ "$status" -eq 103 ]
	[[ "$stderr" == *"row 3 is unfinished"* ]]
	hg-ledger list "$L" > listed
	[ "$(wc -l < listed)" -eq 2 ]
	add runs/b 2> note
	grep -q "moved an unfinished last row" note
	[ "$(cat "$L"/torn.*)" = '{"schema": "homegolf.ledger_row.v1", "prev"' ]
	hg-ledger verify "$L"
	[ "$(wc -l < "$L/ledger.jsonl")" -eq 3 ]
}

# bats test_tags=b34
@test "every single byte that is changed is found" {
	local size at
	scored runs/a 2.3
	scored runs/b 2.4 seed=2
	add runs/a runs/b
	cp "$L/ledger.jsonl" good
	size=$(stat -c %s good)
	for at in $(seq 0 97 $((size - 1))) $((size - 2)) $((size - 1)); do
		cp good "$L/ledger.jsonl"
		printf '\001' | dd of="$L/ledger.jsonl" bs=1 seek="$at" conv=notrunc status=none
		run hg-ledger verify "$L"
		[ "$status" -eq 103 ] || { echo "byte $at of $size" >&2; false; }
	done
}

# bats test_tags=b50
@test "a corrupt ledger is refused and preserved, even if it was altered behind the index's back" {
	scored runs/a 2.3
	scored runs/b 2.4 seed=2
	scored runs/c 2.5 seed=3
	add runs/a runs/b
	sed -i '2s/2\.3/2.2/' "$L/ledger.jsonl"
	cp "$L/ledger.jsonl" before
	run --separate-stderr hg-ledger add "$L" runs/c
	[ "$status" -eq 103 ]
	[[ "$stderr" == *"row 2 was altered"* ]]
	cmp before "$L/ledger.jsonl"
	rm "$L/ledger.jsonl"
	run --separate-stderr hg-ledger add "$L" runs/c
	[ "$status" -eq 103 ]
	[[ "$stderr" == *"is gone"* ]]
	[ ! -e "$L/ledger.jsonl" ]
}

@test "the index is disposable: damaged, old, foreign or absent, the ledger is the same" {
	local how
	scored runs/a 2.3
	scored runs/b 2.4 seed=2
	add runs/a
	for how in 'rm' 'truncate -s 300' 'dd if=/dev/urandom bs=1 seek=400 count=9 conv=notrunc status=none of=' 'cp /bin/sh'; do
		case $how in
		*of=) $how"$L/index" ;;
		*) $how "$L/index" ;;
		esac
		hg-ledger add "$L" runs/a > out
		grep -q "already: row 2" out
	done
	add runs/b
	[ "$(wc -l < "$L/ledger.jsonl")" -eq 3 ]
	hg-ledger replay "$L"
}

# bats test_tags=b25,b22
@test "an uncalibrated lane never yields an improvement, however large the gain" {
	scored runs/a 2.3
	scored runs/b 1.3 train.matrix_lr=0.05
	add runs/a runs/b
	[ "$(field b '.verdict.class + " " + .verdict.reason + " " + .verdict.noise')" = "noise uncalibrated uncalibrated" ]
	run --separate-stderr hg-ledger plan "$L" runs/b
	[ "$status" -eq 2 ]
	[[ "$stderr" == *"calibrate comes first"* ]]
	[ "$(hg-ledger incumbent -j "$L" | jq -r .run_id)" = a ]
}

@test "a lane is calibrated by five seeds of a recipe, and not by five runs of one seed" {
	local i
	for i in 1 2 3 4 5; do
		scored runs/same$i 2.30$i seed=1
		add runs/same$i
	done
	run --separate-stderr hg-ledger calibrate "$L" runs/same1
	[ "$status" -eq 2 ]
	[[ "$stderr" == *"1 of the 5 seeds"* ]]
	[ "$(field same2 .verdict.reason)" = same_seed ]
	for i in 2 3 4 5; do
		scored runs/s$i 2.30$i seed=$i
		add runs/s$i
	done
	run hg-ledger calibrate "$L" runs/same1
	[ "$status" -eq 0 ]
	[[ "$output" == *"is calibrated: 5 seeds"* ]]
	run hg-ledger calibrate "$L" runs/same1
	[ "$status" -eq 0 ]
	[[ "$output" == "calibrated already" ]]
}

# bats test_tags=b26
@test "the incumbent's own configuration with another seed, or its artifact again, is never an improvement" {
	calibrated
	scored runs/lucky 2.0 seed=99
	add runs/lucky
	[ "$(field lucky '.verdict.class + " " + .verdict.reason')" = "noise replicate" ]
	scored runs/copy 2.0 train.matrix_lr=0.05 artifact="$(cat runs/base1/artifact.hgz)"
	add runs/copy
	[ "$(field copy '.verdict.class + " " + .verdict.reason')" = "noise identical_artifact" ]
	run --separate-stderr hg-ledger plan "$L" runs/lucky
	[ "$status" -eq 1 ]
}

# bats test_tags=b30,b23
@test "noise-level gains do not ratchet the incumbent" {
	local i
	calibrated
	for i in 1 2 3 4; do
		scored runs/c$i 2.30$((3 - i / 2)) train.matrix_lr=0.05$i
		add runs/c$i
	done
	[ "$(hg-ledger incumbent -j "$L" | jq -r .run_id)" = base5 ]
	[ "$(jq -s '[.[] | select(.verdict.class == "improvement")] | length' "$L/ledger.jsonl")" = 0 ]
	# each delta is the run's score less the mean of the incumbent's five
	[ "$(field c1 '(.verdict.delta - (.run.metrics.val_bpb - 2.3022)) | fabs < 1e-12')" = true ]
}

# bats test_tags=b27
@test "the direction is what the policy declares" {
	calibrated
	scored runs/up 2.4 train.matrix_lr=0.05
	add runs/up
	[ "$(field up .verdict.class)" = regression ]
	jq '.metric.direction = "higher"' "$L/policy.json" > p
	mv p "$L/policy.json"
	scored runs/up2 2.4 train.matrix_lr=0.06
	add runs/up2
	[ "$(field up2 '.verdict.reason + " " + (.verdict.gain > 0 | tostring)')" = "promising true" ]
	# the rules are in the chain: the older verdict still follows from the older policy
	hg-ledger replay "$L"
}

# bats test_tags=b28
@test "what changed is told as a set, and more than one thing credits none" {
	calibrated
	scored runs/model 2.29 train.matrix_lr=0.05
	scored runs/both 2.29 train.matrix_lr=0.06 system.lane=default tokenizer=b
	scored runs/seed 2.29 seed=77
	add runs/model runs/both runs/seed
	[ "$(field model '.verdict | (.changed | join(",")) + " " + .credited')" = "model model" ]
	[ "$(field both '.verdict | (.changed | join(",")) + " " + (.credited | tostring)')" = "model,tokenizer null" ]
	[ "$(field seed '.verdict.changed | length')" = 0 ]
}

# bats test_tags=b29
@test "another eval law or another validation text is another group; across tokenizers the raw score is compared" {
	calibrated
	scored runs/text 1.0 raw=z
	scored runs/law 1.0 eval.docs=10
	scored runs/tok 2.29 tokenizer=b
	add runs/text runs/law runs/tok
	[ "$(field text .verdict.reason)" = first ]
	[ "$(field law .verdict.reason)" = first ]
	[ "$(field tok .verdict.metric)" = val_bpb_raw ]
	[ "$(field base2 .verdict.metric)" = val_bpb ]
	[ "$(hg-ledger incumbent -a "$L" | wc -l)" -eq 3 ]
}

@test "each subcommand has options and a usage of its own" {
	local word words
	words=$(hg-ledger -h | sed -n '/^$/q; s/^usage://; s/^ *hg-ledger \([a-z]*\) .*/\1/p' | uniq)
	[ "$(wc -w <<< "$words")" -eq 12 ]
	hg-ledger -h | sed '/^$/,$d; s/^usage:/      /' > whole
	for word in $words; do
		hg-ledger "$word" -h > own
		[[ "$(head -n 1 own)" == "usage: hg-ledger $word "* ]]
		diff <(grep "hg-ledger $word " whole) <(sed '/^$/,$d; s/^usage:/      /' own) >&2
		# none takes -z, and none has a ledger for nothing
		run --separate-stderr hg-ledger "$word" -z ledger
		[ "$status" -eq 100 ]
		[ -z "$output" ]
		[[ "$stderr" == *"unknown option '-z'"*"usage: hg-ledger $word "* ]]
		[ "$(grep -vc "hg-ledger $word " <<< "$stderr")" -eq 1 ]
		run --separate-stderr hg-ledger "$word"
		[ "$status" -eq 100 ]
		[[ "$stderr" == "usage: hg-ledger $word "* ]]
	done
	# another's option is refused, and its help does not tell of it
	run --separate-stderr hg-ledger add -n 3 ledger runs/a
	[ "$status" -eq 100 ]
	[[ "$stderr" == *"unknown option '-n'"*"usage: hg-ledger add LEDGER RUN..." ]]
	run ! grep -q -- '-n SEEDS' <(hg-ledger list -h)
	grep -qF -- '-n SEEDS' <(hg-ledger plan -h)
	run --separate-stderr hg-ledger judge ledger
	[ "$status" -eq 100 ]
	[[ "$stderr" == *"unknown subcommand 'judge'"*"usage: hg-ledger add"* ]]
}

# advised COMMAND: whoever is asked what to do next says this, after a run was added.
advised() {
	grep -qxF "next: $1" added || { cat added >&2; return 1; }
	run hg-ledger stop "$L"
	[ "${lines[-1]}" = "next: $1" ] || { echo "$output" >&2; return 1; }
	hg-report -o p.html "$L"
	grep -qF "<code class=\"cmd\">$1</code>" p.html
}

@test "what to do next is said alike after a run, by the stop rule and on the page" {
	local slot
	scored runs/r1 2.3 refuse=train:loss_diverged
	hg-ledger add ledger runs/r1 > added
	L=ledger
	grep -qxF "next: hg-run -r -l ledger runs/r1" added
	advised "hg-run -r -l ledger runs/r1"
	scored runs/base0 2.302 seed=100
	add runs/base0
	advised "hg-confirm -c ledger runs/base0"
	scored runs/other 2.2 train.matrix_lr=0.05
	add runs/other
	advised "hg-confirm -c ledger runs/base0"
	calibrated
	scored runs/good 2.23 train.matrix_lr=0.046
	add runs/good
	advised "hg-confirm ledger runs/good"
	# the better of two
	scored runs/better 2.22 train.matrix_lr=0.047
	add runs/better
	advised "hg-confirm ledger runs/better"
	# a plan that is open comes first, whoever else waits
	hg-ledger plan "$L" runs/good > /dev/null
	slot=$(hg-ledger next "$L" | cut -f 3,4 | tr '\t' ' ')
	scored runs/slot 2.3 train.seed="${slot#* }" train.matrix_lr="$([ "${slot% *}" = challenger ] && echo 0.046 || echo 0.04)"
	add runs/slot
	grep -qxF "next: hg-confirm ledger runs/slot" added
	run hg-ledger stop "$L"
	[ "${lines[-1]}" = "next: hg-confirm ledger runs/good" ]
	hg-ledger plan -x "$L" > /dev/null
	run hg-ledger stop "$L"
	[ "${lines[-1]}" = "next: hg-confirm ledger runs/better" ]
}

# bats test_tags=b32
@test "a loss in a guarded metric is not masked by a gain in another" {
	calibrated
	scored runs/fat 2.0 train.matrix_lr=0.05 total_bytes=400000
	add runs/fat
	[ "$(field fat '.verdict.class + " " + .verdict.guarded_metric')" = "regression total_bytes" ]
}

@test "a gain is confirmed by fresh seeds in turns, planned before they run, and looked at once" {
	local slots
	calibrated
	pretend
	scored runs/good 2.23 train.matrix_lr=0.0460
	add runs/good
	[ "$(field good .verdict.reason)" = promising ]
	hg-confirm "$L" runs/good > out 2> err
	[ "$(tail -n 1 "$L/ledger.jsonl" | jq -r '.kind + " " + .verdict.class')" = "confirmation improvement" ]
	tail -n 1 "$L/ledger.jsonl" > verdict
	# ten runs, five a side, no seed of before, verdict bound to their rows
	[ "$(jq '.confirmation.challenger_runs + .confirmation.incumbent_runs | unique | length' verdict)" = 10 ]
	[ "$(jq -r 'select(.kind == "run").run.seed' "$L/ledger.jsonl" | sort | uniq -d | wc -l)" = 0 ]
	slots=$(jq -r 'select(.kind == "plan").plan.slots[].side' "$L/ledger.jsonl" | cut -c 1 | tr -d '\n')
	# the sides take turns, and in going first, too
	[ "$slots" = ciicciicci ] || [ "$slots" = icciicciic ]
	[ "$(jq '.confirmation.cross_check.documents' verdict)" = 50 ]
	[ "$(jq -r .incumbent_after.config_sha256 verdict)" = "$(field good .run.config_sha256)" ]
	hg-ledger replay "$L"
	hg-ledger verify "$L"
	run --separate-stderr hg-confirm "$L" runs/good
	[ "$status" -eq 1 ]
}

@test "a gain that is none is not confirmed, and the incumbent stays" {
	calibrated
	pretend
	scored runs/lucky 2.27 train.matrix_lr=0.0400001
	add runs/lucky
	[ "$(field lucky .verdict.reason)" = promising ]
	hg-confirm "$L" runs/lucky > out 2> err
	[ "$(tail -n 1 "$L/ledger.jsonl" | jq -r '.verdict.class + " " + .verdict.reason')" = "noise not_confirmed" ]
	[[ "$(tail -n 1 "$L/ledger.jsonl" | jq -r .verdict.text)" == *"That does not show it to be useless"* ]]
	[ "$(hg-ledger incumbent -j "$L" | jq -r .config_sha256)" = "$(field base1 .run.config_sha256)" ]
}

@test "a confirmation that is interrupted goes on with the slots that are open" {
	calibrated
	pretend
	scored runs/good 2.23 train.matrix_lr=0.0460
	add runs/good
	hg-ledger plan "$L" runs/good > plan
	line=$(hg-ledger next "$L")
	hg-ledger plan "$L" runs/good | grep -q "open already"
	hg-spec -b "$L/$(echo "$line" | cut -f 5)/spec.json" -s train.seed="$(echo "$line" | cut -f 4)" runs/by-hand 2> /dev/null
	hg-run -l "$L" runs/by-hand
	[ "$(hg-ledger next "$L" | cut -f 2)" = 2 ]
	hg-confirm "$L" runs/good > out 2> err
	[ "$(jq -s '[.[] | select(.kind == "run" and .verdict.reason == "slot")] | length' "$L/ledger.jsonl")" = 10 ]
	[ "$(tail -n 1 "$L/ledger.jsonl" | jq -r .kind)" = confirmation ]
}

@test "runs of a planned seed that began before the plan, or were starved, fill no slot" {
	calibrated
	pretend
	scored runs/good 2.23 train.matrix_lr=0.0460
	add runs/good
	hg-ledger plan "$L" runs/good > plan
	line=$(hg-ledger next "$L")
	hg-spec -b "$L/$(echo "$line" | cut -f 5)/spec.json" -s train.seed="$(echo "$line" | cut -f 4)" runs/busy 2> /dev/null
	PRETEND=starved=yes hg-run -l "$L" runs/busy
	[ "$(field busy .verdict.reason)" = starved ]
	[ "$(hg-ledger next "$L" | cut -f 2)" = 1 ]
	hg-spec -b "$L/$(echo "$line" | cut -f 5)/spec.json" -s train.seed="$(echo "$line" | cut -f 4)" runs/early 2> /dev/null
	PRETEND=ago_ms=600000 hg-run -l "$L" runs/early
	[ "$(field early .verdict.reason)" != slot ]
	[ "$(hg-ledger next "$L" | cut -f 2)" = 1 ]
}

@test "a plan that is given up is spent, and a campaign that has spent all makes no more" {
	calibrated
	jq '.campaign.confirmations = 1' "$L/policy.json" > p
	mv p "$L/policy.json"
	scored runs/good 2.23 train.matrix_lr=0.0460
	scored runs/next 2.23 train.matrix_lr=0.0470
	add runs/good runs/next
	hg-ledger plan "$L" runs/good > plan
	run --separate-stderr hg-ledger plan "$L" runs/next
	[ "$status" -eq 2 ]
	hg-ledger plan -x "$L" > given-up
	[ "$(tail -n 1 "$L/ledger.jsonl" | jq -r .verdict.reason)" = abandoned ]
	run --separate-stderr hg-ledger plan "$L" runs/next
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"has spent its 1 confirmations"* ]]
	jq '.campaign.name = "second"' "$L/policy.json" > p
	mv p "$L/policy.json"
	hg-ledger plan "$L" runs/next
	hg-ledger replay "$L"
}

# bats test_tags=b31
@test "the plateau counts sound comparable challengers only, and failures pause" {
	local i
	calibrated
	scored runs/n1 2.303 train.matrix_lr=0.051
	scored runs/n2 2.304 train.matrix_lr=0.052
	add runs/n1 runs/n2
	run hg-ledger stop "$L"
	[ "$status" -eq 1 ]
	[[ "$output" == "go on: 2 challengers in a row"* ]]
	scored runs/bad1 2.3 train.matrix_lr=0.053 total_bytes=17000000
	scored runs/bad2 2.3 train.matrix_lr=0.054 refuse=train:loss_diverged
	add runs/bad1 runs/bad2
	run hg-ledger stop "$L"
	[ "$status" -eq 1 ]
	[[ "$output" == "go on: 2 challengers in a row"* ]]
	scored runs/bad3 2.3 train.matrix_lr=0.055 partial=yes
	add runs/bad3
	run hg-ledger stop "$L"
	[ "$status" -eq 2 ]
	[[ "$output" == "pause: the last 3 runs"* ]]
	scored runs/n3 2.303 train.matrix_lr=0.056
	add runs/n3
	jq '.plateau.success_rate = 0.9' "$L/policy.json" > p
	mv p "$L/policy.json"
	scored runs/n4 2.303 train.matrix_lr=0.057
	add runs/n4
	run hg-ledger stop "$L"
	[ "$status" -eq 0 ]
	[[ "$output" == "stop: 4 challengers in a row"* ]]
}

# bats test_tags=b33,b62
@test "promotion lists every condition; what is missing is pending, what is false refused, and a moved head refuses" {
	calibrated
	pretend
	run hg-ledger promote "$L" runs/base1
	[ "$status" -eq 2 ]
	[[ "$output" == *"pending  confirmed_gain"* ]]
	[[ "$output" == *"next: hg-confirm"* ]]
	scored runs/good 2.23 train.matrix_lr=0.0460
	add runs/good
	run hg-ledger promote "$L" runs/good
	[ "$status" -eq 1 ]
	[[ "$output" == *"no       incumbent"* ]]
	[[ "$output" == *refused ]]
	hg-confirm "$L" runs/good > out 2> err
	printf '#!/bin/sh\nexit 0\n' > bin/hg-score
	chmod +x bin/hg-score
	run hg-ledger promote -H 0123456789abcdef "$L" runs/good
	[ "$status" -eq 1 ]
	[[ "$output" == *"no       head"* ]]
	cp "$L/ledger.jsonl" before
	printf '#!/bin/sh\nexit 1\n' > bin/hg-score
	run hg-ledger promote "$L" runs/good
	[ "$status" -eq 1 ]
	[[ "$output" == *"no       scored_again"* ]]
	cmp before "$L/ledger.jsonl"
	printf '#!/bin/sh\nexit 0\n' > bin/hg-score
	run hg-ledger promote "$L" runs/good
	[ "$status" -eq 0 ]
	[[ "$output" == *"promoted: row "* ]]
	cp "$L/ledger.jsonl" before
	run hg-ledger promote "$L" runs/good
	[ "$status" -eq 0 ]
	[[ "$output" == "promoted already: row "* ]]
	cmp before "$L/ledger.jsonl"
}

# bats test_tags=b62
@test "a head that moves while the artifact is scored again refuses the promotion" {
	calibrated
	pretend
	scored runs/good 2.23 train.matrix_lr=0.0460
	scored runs/other 2.3 train.matrix_lr=0.05
	add runs/good
	hg-confirm "$L" runs/good > out 2> err
	printf '#!/bin/sh\nhg-ledger add %s runs/other\n' "$L" > bin/hg-score
	chmod +x bin/hg-score
	run hg-ledger promote "$L" runs/good
	[ "$status" -eq 1 ]
	[[ "$output" == *"head has moved"* ]]
	[ "$(jq -s '[.[] | select(.kind == "promotion")] | length' "$L/ledger.jsonl")" = 0 ]
}

# bats test_tags=b23
@test "replay derives every verdict again and says where a forged one differs" {
	calibrated
	scored runs/c 2.29 train.matrix_lr=0.05
	add runs/c
	run hg-ledger replay "$L"
	[ "$status" -eq 0 ]
	[[ "$output" == *"6 verdicts derived again, 0 differ" ]]
	# forge a class and mend the chain: only derivation finds it
	"$PYTHON" - "$L/ledger.jsonl" <<-'END'
	import hashlib, json, sys
	rows = open(sys.argv[1]).read().splitlines()
	rows[-1] = rows[-1].replace('"class": "noise"', '"class": "improvement"')
	open(sys.argv[1], "w").write("\n".join(rows) + "\n")
	END
	rm "$L/head"
	run --separate-stderr hg-ledger replay "$L"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *'class is "improvement" and should be "noise"'* ]]
}

# bats test_tags=b25,b22
@test "simulated campaigns: nothing is called an improvement, and real gains are found" {
	run "$HG_T/tools/sim" -q
	[ "$status" -eq 0 ] || { echo "$output" >&2; false; }
}

@test "list prints the same to a pipe as ever, and a drawn one only if asked for" {
	scored runs/a 2.3
	add runs/a
	COLUMNS=60 hg-ledger list "$L" > piped
	[ "$(head -n 1 piped)" = "  row  run                       class: reason                      score     delta      bytes  added              changed" ]
	[ "$(wc -l < piped)" -eq 2 ]
	grep -q '^    2  a                         noise: first                     2.30000         -     ' piped
	run --separate-stderr hg-ledger list -j -s "$L"
	[ "$status" -eq 100 ]
}

@test "a drawn list keeps to the width, marks each new incumbent, and draws each group and lane by itself" {
	local width
	mkdir big
	"$HG_T/tools/campaign" -n 90 -l 3 big/ledger
	for width in 50 80 100 160; do
		COLUMNS=$width LC_ALL=C.UTF-8 hg-ledger list -s big/ledger > drawn
		[ "$(sed '/^val_bpb, group/d' drawn | wc -L)" -le "$width" ]
	done
	[ "$(grep -c '^val_bpb, group' drawn)" -eq 3 ]
	# the marks are the rows after which the group's incumbent is another configuration
	hg-ledger list -j big/ledger | jq -r -s 'reduce .[] as $r ({now: {}, rows: []};
		($r.run.group_sha256 // $r.confirmation.group_sha256) as $g | $r.incumbent_after.config_sha256 as $c |
		if $g != null and $c != null and .now[$g] != $c then .rows += [$r.row] | .now[$g] = $c else . end) | .rows[]' > want
	sed -n 's/^\* *\([0-9]*\) .*/\1/p' drawn > have
	[ "$(wc -l < want)" -ge 4 ]
	diff want have
	# the highest is a full block
	grep -q "^score .*$(printf '\342\226\210')" drawn
	LC_ALL=C COLUMNS=80 hg-ledger list -s big/ledger > ascii
	run ! grep -qP '[^\x00-\x7f]' ascii
	grep -q '^score .*#' ascii
}

@test "hg-ledger loads no BLAS" {
	run ! grep -qiE 'blas|dnnl|gomp' <(ldd "$(command -v hg-ledger)")
}

@test "a file beside the ledger that only bears a witness's name is nobody's witness; a broken one of a run is named" {
	scored runs/a 2.3
	hg-ledger add ledger runs/a
	mkdir contracts runs/b
	cp "$HG_TOP/contracts/ledger_witness.json" contracts
	run --separate-stderr hg-ledger verify ledger
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	echo '{}' > runs/b/ledger_witness.json
	: > runs/b/spec.json
	run --separate-stderr hg-ledger verify ledger
	[[ "$stderr" == *"'b/ledger_witness.json'"* ]]
}

@test "a plan or a calibration makes no ledger: a mistyped name is said, and nothing is left" {
	scored runs/a 2.3
	local word
	for word in plan calibrate; do
		run --separate-stderr hg-ledger $word ledgr runs/a
		[ "$status" -eq 100 ]
		[[ "$stderr" == *"cannot open the ledger 'ledgr'"* ]]
		[ ! -e ledgr ]
	done
}
