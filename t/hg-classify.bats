# The law: each rule by a run that breaks it, and the preview that changes no ledger.
load helper

setup() {
	cd "$BATS_TEST_TMPDIR"
	export JUDGED_DATA=$BATS_FILE_TMPDIR
}

scored() {
	"$PYTHON" "$HG_TOP/t/tools/judged_run.py" "$@"
}

# is CLASS REASON CODE RUN
is() {
	run --separate-stderr hg-classify -j ledger "$4"
	[ "$status" -eq "$3" ] || { echo "$4: exit $status: $stderr" >&2; false; }
	[ "$(jq -r '.class + " " + .reason' <<< "$output")" = "$1 $2" ] || { echo "$4: $output" >&2; false; }
	cmp "$4/classification.json" <(echo "$output")
}

# bats test_tags=b22,b24,b15,b11
@test "each broken rule has its class, and the first one decides" {
	scored runs/good 2.3
	scored runs/cap 2.3 total_bytes=17000000
	scored runs/late 2.3 late=3
	scored runs/last 2.3 train_ms=60090
	scored runs/part 2.3 partial=yes
	scored runs/seed 2.3 executed.seed=7
	scored runs/lane 2.3 executed.lane=other
	scored runs/cut 2.3 steps=150
	scored runs/layers 2.3 executed.model.num_layers=7
	scored runs/unknown 2.3 executed.model.layers=7
	scored runs/refused 2.3 refuse=train:loss_diverged
	scored runs/scoring 2.3 refuse=score:out_of_memory
	scored runs/both 2.3 total_bytes=17000000 refuse=score:out_of_memory
	scored runs/zero 0
	scored runs/begun 2.3
	rm runs/begun/artifact_score_summary.json runs/begun/artifact_score_report.json runs/begun/score_docs.tsv
	scored runs/altered 2.3
	echo x >> runs/altered/artifact.hgz
	scored runs/broken 2.3
	echo '{' > runs/broken/training_report.json
	is noise first 0 runs/good
	is invalid over_cap 1 runs/cap
	is invalid late_step 1 runs/late
	is noise first 0 runs/last
	is invalid partial 1 runs/part
	is invalid mismatch 1 runs/seed
	is invalid mismatch 1 runs/lane
	is invalid mismatch 1 runs/cut
	is invalid mismatch 1 runs/layers
	is invalid mismatch 1 runs/unknown
	is blocked refused 1 runs/refused
	is blocked refused 1 runs/scoring
	is blocked refused 1 runs/both
	is invalid impossible 1 runs/zero
	is blocked missing_evidence 2 runs/begun
	is invalid mismatch 1 runs/altered
	is blocked unreadable_evidence 1 runs/broken
	[ ! -e ledger ]
}

# bats test_tags=b36,b38
@test "asked twice without a change the preview says the same, and it is what add then writes" {
	scored runs/a 2.3
	scored runs/b 2.2 train.matrix_lr=0.05
	hg-ledger add ledger runs/a > out
	hg-classify -j ledger runs/b > one
	hg-classify -j ledger runs/b > two
	cmp one two
	hg-ledger add ledger runs/b > out
	diff <(jq -S .verdict one) <(hg-ledger show ledger b | jq -S .verdict)
	[ "$(hg-classify -j ledger runs/b | jq .recorded_row)" = 3 ]
}

# bats test_tags=b93
@test "a run that has a row is judged as of now: by its files as they are and against today's incumbent" {
	local i
	law2 ledger
	for i in 1 2 3 4 5; do
		scored runs/base$i 2.30$i seed=$i
		hg-ledger add ledger runs/base$i > out
	done
	hg-ledger calibrate ledger runs/base1 > out
	scored runs/was 2.28 train.matrix_lr=0.05
	scored runs/best 2.0 train.matrix_lr=0.06
	hg-ledger add ledger runs/was runs/best > out
	run -0 hg-classify ledger runs/was
	[ "${lines[0]}" = "noise: promising (row 8)" ]
	hg-ledger plan ledger runs/best > out
	while line=$(hg-ledger next ledger 2> /dev/null); do
		slot=runs/slot$(cut -f 2 <<< "$line")
		seed=$(cut -f 4 <<< "$line")
		case $line in
		*challenger*) scored "$slot" "2.00$((seed % 9))" seed="$seed" train.matrix_lr=0.06 ;;
		*) scored "$slot" "2.30$((seed % 9))" seed="$seed" ;;
		esac
		hg-ledger add ledger "$slot" > out
	done
	[ "$(hg-ledger incumbent -j ledger | jq -r .config_sha256)" = "$(jq -r .digests.config_sha256 runs/best/spec.json)" ]
	run -0 hg-classify ledger runs/was
	[ "${lines[0]}" = "regression: worse (row 8 said noise: promising)" ]
	[[ "$output" == *"0.27"*" worse than the incumbent's"* ]]
	[[ "$output" != *"hg-confirm"* ]]
	[ "$(jq -r '[.class, .recorded_class, .recorded_reason] | join(" ")' runs/was/classification.json)" = "regression noise promising" ]
	# Nobody waits, and no confirmation is spent on it.
	run ! grep -q "wait" <(hg-ledger stop ledger)
	run -1 --separate-stderr hg-ledger plan ledger runs/was
	[[ "$stderr" == *"would be regression: worse"* ]]
	scored runs/again 2.301 seed=1
	hg-ledger add ledger runs/again > out
	[ "$(hg-ledger show ledger again | jq -r .verdict.reason)" = same_seed ]
	run -0 hg-classify ledger runs/base1
	[ "${lines[0]}" = "regression: worse (row 2 said noise: first)" ]
	run -0 hg-classify ledger runs/best
	[ "${lines[0]}" = "noise: replicate (row 9 said noise: promising)" ]
	# What was altered since is named, bound by digests or not.
	scored other/was 2.1 train.matrix_lr=0.05
	cp other/was/artifact_score_report.json other/was/artifact_score_summary.json runs/was/
	run -1 hg-classify ledger runs/was
	[[ "$output" == *"The run is not what its row says. Altered since: score report."* ]]
	[ "$(jq -r .altered runs/was/classification.json)" = "score report" ]
	scored runs/next 1.9 train.matrix_lr=0.07
	hg-ledger add ledger runs/next > out
	echo more >> runs/next/artifact.hgz
	run -1 --separate-stderr hg-ledger plan ledger runs/next
	[[ "$stderr" == *"'runs/next' is not what its row says"* ]]
	echo more >> runs/best/artifact.hgz
	run -1 hg-classify ledger runs/best
	[[ "${lines[0]}" == "invalid: mismatch (row 9 said noise: promising)" ]]
}

# bats test_tags=b37
@test "all that is missing is listed at once" {
	scored runs/a 2.3 total_bytes=17000000 late=2 partial=yes executed.seed=7
	run hg-classify -j ledger runs/a
	[ "$status" -eq 1 ]
	[ "$(jq -r '[.verdict.findings[].rule] | join(" ")' <<< "$output")" = "mismatch over_cap late_step partial" ]
}

# bats test_tags=b35
@test "a row carries its claim boundary, and the verdict what it was said of" {
	scored runs/a 2.3
	hg-ledger add ledger runs/a > out
	[ -n "$(hg-ledger show ledger a | jq -r .run.claim_boundary)" ]
}

@test "an uncalibrated verdict says what to type, and what that costs" {
	scored runs/a 2.3
	scored runs/b 2.2 train.matrix_lr=0.05
	hg-ledger add ledger runs/a > out
	run hg-classify ledger runs/b
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "noise: uncalibrated" ]
	[[ "$output" == *"is not calibrated"* ]]
	[[ "$output" == *"next: hg-confirm -c ledger runs/a"* ]]
	[[ "$output" == *"4 more seeds"*"min"* ]]
}

@test "a run that is at work is not judged" {
	scored runs/a 2.3
	rm runs/a/artifact_score_summary.json
	run hg-classify ledger runs/a
	[ "$status" -eq 2 ]
}

@test "a starved run is to be done again, also when it is the first that a ledger sees" {
	scored runs/busy 2.3 starved=yes train.schedule=wallclock
	run --separate-stderr hg-classify -j ledger runs/busy
	[ "$(jq -r .reason <<< "$output")" = starved ]
	[ "$(jq -r .next.command <<< "$output")" = \
		"hg-spec -b runs/busy/spec.json runs/busy.2 && hg-run -l ledger runs/busy.2" ]
}
