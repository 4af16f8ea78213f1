# What earlier versions wrote, kept by t/history/make.sh, is still theirs: read, judged, scored and gone on with.
# Specs hold the absolute path of their data and are sealed, so each version is tested where it was made.
load helper

ALL=/tmp/homegolf-history

# take_place: make ALL ours, by a lock that the kernel gives back when this file's process is gone, however it ends.
take_place() {
	exec {place}> "$ALL.lock"
	if ! flock -w 300 "$place"; then
		echo "'$ALL' is in use by another test: $ALL.lock is locked" >&2
		return 1
	fi
	if [ -L "$ALL" ] || { [ -e "$ALL" ] && [ ! -O "$ALL" ]; }; then
		echo "'$ALL' is not a directory of ours; history can only be tested there" >&2
		return 1
	fi
	rm -rf "$ALL"
	mkdir "$ALL"
}

setup_file() {
	local version
	export HOMEGOLF_LANES=$BATS_FILE_TMPDIR/lanes
	take_place
	for version in "$HG_TOP"/t/history/*/; do
		cp -r "$version" "$ALL/"
	done
}

teardown_file() {
	[ -z "${place-}" ] || rm -rf "$ALL"
}

# Each version in its place; what tests make goes to a directory of its own.
setup() {
	local version
	cd "$ALL" || return
	VERSIONS=()
	for version in [0-9]*/; do
		VERSIONS+=("${version%/}")
		mkdir -p "$BATS_TEST_TMPDIR/$version"
	done
	[ "${#VERSIONS[@]}" -gt 0 ]
}

# facts VERSION WORD: the lines of what is expected that begin with it, without it. There is one at least.
facts() {
	sed -n "s/^$2 //p" "$1/expected" | grep .
}

# same WHAT GOT EXPECTED
same() {
	[ "$2" = "$3" ] || { echo "$1: got '$2', where history has '$3'" >&2; return 1; }
}

sha() { sha256sum < "$1" | cut -d ' ' -f 1; }

# copy_of VERSION RUN: a copy to change, under its name, in R.
copy_of() {
	R=$BATS_TEST_TMPDIR/$1/copy/$2
	mkdir -p "${R%/*}"
	cp -r "$1/runs/$2" "$R"
}

# bats test_tags=b63
@test "history: every run of an earlier version is in the state that it was left in" {
	local v run state
	for v in "${VERSIONS[@]}"; do
		while read -r run state; do
			same "$v $run" "$(hg-status -j "$v/runs/$run" |
				jq -r '[.state, .stages[("train", "export", "prompt", "score")].state] | join(" ")')" \
				"$state"
		done < <(facts "$v" state)
		[ "$(facts "$v" state | wc -l)" -eq "$(find "$v/runs" -mindepth 1 -maxdepth 1 | wc -l)" ]
	done
}

# bats test_tags=b63
@test "history: every stage that closed out passes the gate as it did, and what was pruned is pending" {
	local v run stage code
	for v in "${VERSIONS[@]}"; do
		while read -r run stage code; do
			run --separate-stderr hg-gate "$stage" "$v/runs/$run"
			same "$v $run $stage ($output${stderr-})" "$status" "$code"
		done < <(facts "$v" gate)
	done
}

# bats test_tags=b63
@test "history: an old ledger verifies to the head that it had, with the witnesses of its runs" {
	local v
	for v in "${VERSIONS[@]}"; do
		run --separate-stderr hg-ledger verify "$v/ledger"
		same "$v ($stderr)" "$status" 0
		[[ "$output" == *" witnesses agree; head $(facts "$v" head)" ]] || { echo "$output" >&2; false; }
		[[ "$output" != *" 0 witnesses"* ]]
	done
}

# bats test_tags=b63
@test "history: an old ledger replays with no difference, under the rules that it was judged by" {
	local v
	for v in "${VERSIONS[@]}"; do
		run --separate-stderr hg-ledger replay "$v/ledger"
		same "$v ($stderr)" "$status" 0
		[[ "${lines[0]}" == *"verdicts derived again, 0 differ" ]]
		same "$v" "$(hg-ledger replay -j "$v/ledger" | jq -r '"\(.row) \(.score) \(.verdict)"')" \
			"$(facts "$v" import)"
		same "$v" "$(hg-ledger incumbent -a -j "$v/ledger" | jq -r '"\(.config_sha256) \(.run_id)"')" \
			"$(facts "$v" incumbent)"
	done
}

# bats test_tags=b63
@test "history: the rows of an old ledger are listed with the classes that they were given, and make a page" {
	local v
	for v in "${VERSIONS[@]}"; do
		same "$v" "$(hg-ledger list -a -j "$v/ledger" | jq -r '[.row, .kind, .run.run_id // "-",
			.verdict.class // "-", .verdict.reason // "-"] | join(" ")')" "$(facts "$v" row)"
		hg-report -o "$BATS_TEST_TMPDIR/$v/page.html" "$v/ledger"
		[ -s "$BATS_TEST_TMPDIR/$v/page.html" ]
	done
}

# bats test_tags=b63
@test "history: an old run that is judged as of now is told with the class of its row, and as unaltered" {
	local v run judged=0
	for v in "${VERSIONS[@]}"; do
		for run in "$v"/runs/*; do
			[ -e "$run/ledger_witness.json" ] || continue
			# 1: judged, and refused or invalid; 2: not all of its files are kept here.
			run --separate-stderr hg-classify -j "$v/ledger" "$run"
			[ "$status" -le 2 ]
			same "$run" "$(jq -r '.recorded_class + " " + .recorded_reason + (.altered // "")' <<< "$output")" \
				"$(facts "$v" row | awk -v id="${run##*/}" '$3 == id { s = $4 " " $5 } END { print s }')"
			judged=$((judged + 1))
		done
	done
	[ "$judged" -gt 0 ]
}

# bats test_tags=b63,b21
@test "history: adding, importing and promoting again what an old ledger has adds no row" {
	local v run
	for v in "${VERSIONS[@]}"; do
		for run in "$v"/runs/*; do
			[ -e "$run/ledger_witness.json" ] || continue
			run --separate-stderr hg-ledger add "$v/ledger" "$run"
			[[ "$output" == *"in the ledger already: row "* ]] || { echo "$output$stderr" >&2; false; }
		done
		run -0 --separate-stderr hg-ledger import "$v/ledger" "$v/claims"
		[[ "$output" == "0 rows added "* ]]
		run -0 --separate-stderr hg-ledger promote "$v/ledger" "$v"/runs/gain.*
		[[ "$output" == "promoted already: row "* ]]
		same "$v" "$(hg-ledger list -a -j "$v/ledger" | wc -l)" "$(facts "$v" row | wc -l)"
		same "$v" "$(tail -n 1 "$v/ledger/ledger.jsonl" | sha256sum | cut -d ' ' -f 1)" "$(facts "$v" head)"
	done
}

# bats test_tags=b63
@test "history: a new run joins an old ledger as a run of the old incumbent's configuration" {
	local v mine n
	for v in "${VERSIONS[@]}"; do
		mine=$BATS_TEST_TMPDIR/$v
		cp -r "$v/ledger" "$v/runs" "$mine/"
		hg-spec -b "$v/sets/gain.json" -s train.seed=99 "$mine/runs/new"
		hg-run -l "$mine/ledger" "$mine/runs/new"
		n=$(facts "$v" row | wc -l)
		head -n "$n" "$mine/ledger/ledger.jsonl" | cmp - "$v/ledger/ledger.jsonl"
		# Where a step takes milliseconds, a busy machine may starve it.
		[[ "$(hg-ledger show "$mine/ledger" new | jq -r '"\(.row) \(.verdict.class) \(.verdict.reason)"')" =~ \
			^$((n + 1))\ noise\ (replicate|starved)$ ]]
		same "$v" "$(hg-ledger incumbent -j -a "$mine/ledger" | jq -r .config_sha256)" \
			"$(facts "$v" incumbent | cut -d ' ' -f 1)"
		hg-ledger verify "$mine/ledger"
		hg-ledger replay "$mine/ledger"
	done
}

# bats test_tags=b63
@test "history: an old artifact scores to the same bits, document by document, and says the same" {
	local v run bpb loss docs
	for v in "${VERSIONS[@]}"; do
		while read -r run bpb loss docs; do
			copy_of "$v" "$run"
			rm "$R"/score* "$R"/artifact_score_* "$R"/prompt*
			hg-prompt "$R" > /dev/null
			same "$v $run" "$(jq -c .tokens "$R/prompt_report.json")" \
				"$(jq -c .tokens "$v/runs/$run/prompt_report.json")"
			hg-score "$R"
			same "$v $run" "$(jq -r '"\(.val_bpb) \(.val_loss)"' "$R/artifact_score_report.json")" \
				"$bpb $loss"
			same "$v $run" "$(sha "$R/score_docs.tsv")" "$docs"
			cmp "$R/score_docs.tsv" "$v/runs/$run/score_docs.tsv"
		done < <(facts "$v" scored)
	done
}

# bats test_tags=b63
@test "history: an old spec trains to the same bits" {
	local v run bits
	for v in "${VERSIONS[@]}"; do
		while read -r run bits; do
			hg-spec -b "$v/runs/$run/spec.json" "$BATS_TEST_TMPDIR/$v/$run"
			hg-train "$BATS_TEST_TMPDIR/$v/$run"
			same "$v $run" "$(sha "$BATS_TEST_TMPDIR/$v/$run/checkpoint.safetensors")" "$bits"
		done < <(facts "$v" trained)
	done
}

# bats test_tags=b63,b4
@test "history: an old trainer that was killed is gone on with from its resume point, to the bits of its twin" {
	local v bits
	for v in "${VERSIONS[@]}"; do
		bits=$(facts "$v" trained | sed -n 's/^killed //p')
		copy_of "$v" killed
		run -102 --separate-stderr hg-await -t 10 train "$R"
		same "$v" "$(jq -r '"\(.kind) \(.attempt)"' "$R/train_refusal.json")" "owner_died 2"
		hg-retry train "$R"
		hg-train "$R" 2> said
		grep -q "going on from step [1-9][0-9]* of" said
		same "$v" "$(sha "$R/checkpoint.safetensors")" "$bits"
		same "$v" "$(jq -r '"\(.attempt) \(.resumes) \(.steps)"' "$R/training_report.json")" \
			"3 2 $(jq .train.iterations "$R/spec.json")"
		hg-gate train "$R"
	done
}

# bats test_tags=b63
@test "history: a new run starts from the weights of an old checkpoint, to the same bits" {
	local v set run bits new
	for v in "${VERSIONS[@]}"; do
		while read -r set run bits; do
			new=$BATS_TEST_TMPDIR/$v/grown
			hg-spec -b "$v/sets/$set.json" -s train.init_from="$v/runs/$run/checkpoint.safetensors" "$new"
			hg-train "$new"
			same "$v" "$(sha "$new/checkpoint.safetensors")" "$bits"
		done < <(facts "$v" grown)
	done
}

# bats test_tags=b63,b64
@test "history: the settings of an earlier version have the config, model and eval digests that they had" {
	local v set digests run
	local three='.digests | [.config_sha256, .model_sha256, .eval_sha256] | join(" ")'
	for v in "${VERSIONS[@]}"; do
		while read -r set digests; do
			hg-spec -b "$v/sets/$set.json" "$BATS_TEST_TMPDIR/$v/$set" 2> /dev/null
			same "$v $set" "$(jq -r "$three" "$BATS_TEST_TMPDIR/$v/$set/spec.json")" "$digests"
		done < <(facts "$v" set)
		for run in "$v"/runs/*; do
			hg-spec -b "$run/spec.json" "$BATS_TEST_TMPDIR/$v/again-${run##*/}" 2> /dev/null
			same "$run" "$(jq -r "$three" "$BATS_TEST_TMPDIR/$v/again-${run##*/}/spec.json")" \
				"$(jq -r "$three" "$run/spec.json")"
		done
	done
}

# bats test_tags=b63
@test "history: a refused run of an earlier version is told with its reason, and tried again on request" {
	local v before
	for v in "${VERSIONS[@]}"; do
		copy_of "$v" refused
		before=$(ls "$R/attempts")
		run -1 --separate-stderr hg-await -t 1 train "$R"
		[[ "$output$stderr" == *min_steps_unreachable* ]]
		run -1 hg-run -r "$R"
		same "$v" "$(jq -r .kind "$R/train_refusal.json")" min_steps_unreachable
		same "$v" "$(ls "$R/attempts")" "$before
train.2"
	done
}

@test "history: whatever a row of an old ledger is altered to, every reader ends with a code of the table" {
	local v
	for v in "${VERSIONS[@]}"; do
		"$PYTHON" "$HG_TOP/t/tools/odd_rows.py" "$v/ledger" "$(echo "$v"/runs/gain.*)" "$BATS_TEST_TMPDIR" 2500
	done
}
