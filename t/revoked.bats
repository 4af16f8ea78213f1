# What is said of a run after its row: recheck, note, and what both do to a promotion.
load helper
load judged

setup() {
	cd "$BATS_TEST_TMPDIR"
	export JUDGED_DATA=$PWD
	L=led
	SET=
}

# promoted: runs/good stands promoted.
promoted() {
	confirmed
	hg-ledger promote "$L" runs/good > out
	grep -q '^promoted: row ' out
}

# sound: the ledger verifies and replays, and every row keeps its contract.
sound() {
	hg-ledger verify "$L"
	hg-ledger replay "$L"
	while read -r row; do
		echo "$row" > row.json
		"$HG_T/tools/contract" ledger_row row.json
	done < "$L/ledger.jsonl"
}

# bats test_tags=b51,b79
@test "recheck gates and scores again what stands promoted: what holds appends nothing, what does not is revoked by a row" {
	promoted
	cp "$L/ledger.jsonl" before
	run -0 hg-ledger recheck "$L"
	[[ "$output" == "holds    'runs/good': it is what row "*" says, and hg-score -c got the same; all "*" that the gain rests on are what their rows say" ]]
	run -0 hg-ledger recheck "$L" runs/good
	cmp before "$L/ledger.jsonl"
	# What can't be looked at now is no failure: no data, no artifact, no scorer.
	scorer 'exit 1'
	run -2 --separate-stderr hg-ledger recheck "$L"
	[ "$output" = "pending  'runs/good': hg-score -c did not finish" ]
	mv runs/good/artifact.hgz away
	run -2 --separate-stderr hg-ledger recheck "$L"
	[[ "$output" == "pending  'runs/good': files that receipts name are not there" ]]
	cmp before "$L/ledger.jsonl"
	mv away runs/good/artifact.hgz
	scorer 'echo "{\"same\": false}"; exit 1'
	run -1 hg-ledger recheck "$L"
	[[ "$output" == "revoked  'runs/good': row "*": hg-score -c got another score" ]]
	[ "$(hg-ledger show "$L" | jq -c '[.kind, .revocation.run_id, .revocation.promotion_sha256]')" = \
	    "$(jq -c "[\"revocation\", \"good\", \"$(tail -n 1 before | sha256sum | cut -d ' ' -f 1)\"]" <<< null)" ]
	sound
	# Once is enough.
	cp "$L/ledger.jsonl" before
	run -1 hg-ledger recheck "$L"
	[[ "$output" == "barred   'runs/good': row "*": revoked: hg-score -c got another score" ]]
	cmp before "$L/ledger.jsonl"
}

# bats test_tags=b51,b79
@test "a revocation ends a promotion wherever it is told, with and without the index, until a person clears it" {
	promoted
	cp -r runs/good kept
	echo more >> runs/good/artifact.hgz
	run -1 hg-ledger recheck "$L" runs/good
	[[ "$output" == "revoked  'runs/good': row "*": the run is not what its row says: "* ]]
	rm -r runs/good
	mv kept runs/good
	for how in index rows; do
		[ $how = index ] || rm -f "$L/index"
		run -1 hg-ledger promote "$L" runs/good
		[[ "$output" == *"no       cleared            row "*": revoked: the run is not what its row says"* ]]
		[[ "$(hg-ledger incumbent "$L")" == *"its promotion does not stand: row "*": revoked: "* ]]
		[[ "$(hg-ledger incumbent -j "$L" | jq -r .barred)" == "row "*": revoked: "* ]]
		[[ "$(hg-ledger list "$L")" == *" good "*"revocation"* ]]
	done
	hg-ledger show "$L" runs/good | jq -r .kind | grep -qx revocation
	hg-report -o page.html "$L"
	grep -q 'It does not stand, for what #[0-9]* says' page.html
	grep -q 'class="badge[^"]*">revoked' page.html
	run ! grep -q 'class="badge[^"]*">promoted' page.html
	# at its top, too, where nothing asks to promote it again
	grep -q '<p class="big" id="best">.*<span class="badge">revoked</span></p>' page.html
	grep -qE 'Its promotion was <b>revoked</b>: what row [0-9]+ says stands against it' page.html
	grep -q '<h2 id="hp">Promotion: <span class="no">revoked</span>' page.html
	run ! grep -q 'hg-ledger promote' page.html
	run -0 hg-ledger note "$L" runs/good cleared "restored from a copy"
	[[ "$output" == "row "*": good: cleared" ]]
	sound
	run -0 hg-ledger promote "$L" runs/good
	[[ "$output" == "promoted already: row "* ]]
	[[ "$(hg-ledger incumbent "$L")" != *"does not stand"* ]]
	run -0 hg-ledger recheck "$L"
	hg-report -o page.html "$L"
	run ! grep -q revoked page.html
	grep -q '<p class="big" id="best">.*<span class="badge">promoted</span></p>' page.html
}

# slot NAME: one of the runs that the confirmation of runs/good counts, by its row's digest.
slot() {
	local digest row
	digest=$(jq -rs "map(select(.kind == \"confirmation\"))[0].confirmation.$1[0]" "$L/ledger.jsonl")
	while read -r row; do
		[ "$(printf '%s\n' "$row" | sha256sum | cut -d ' ' -f 1)" != "$digest" ] || jq -r .run.run_id <<< "$row"
	done < "$L/ledger.jsonl"
}

# bats test_tags=b51,b79
@test "a promotion falls with a run that its gain rests on: one that is altered, or that a person notes to be" {
	local run side
	promoted
	for side in challenger_runs incumbent_runs; do
		run=$(slot $side)
		cp -r "runs/$run" kept
		rm "runs/$run/artifact.hgz"
		run -2 --separate-stderr hg-ledger recheck "$L"
		[[ "$output" == "pending  'runs/good': 1 of the "*" that the gain rests on must be put back as they were: "*"$run"* ]]
		[[ "$stderr" != *"hg-score"* ]]
		echo more > "runs/$run/artifact.hgz"
		run -1 hg-ledger recheck "$L"
		[[ "$output" == "revoked  'runs/good': row "*": 1 of the "*" that the gain rests on: "*"$run"*" is not what its row says"* ]]
		rm -r "runs/$run"
		mv kept "runs/$run"
		run -1 hg-lineage -d "$L"
		hg-ledger note "$L" runs/good cleared > said
		run -0 hg-lineage -d "$L"
		[[ "$output" == *"ok       runs "* ]]
	done
	# a note against one of a slot, or of its lane's calibration, is told everywhere before anybody looks again
	for noted in "$run" base3; do
		hg-ledger note "$L" "$noted" altered > said
		run -1 --separate-stderr hg-lineage -d "$L"
		[[ "$output" == *"good: not deployable"*"altered  runs "*"row "*": altered"* ]]
		[[ "$(hg-ledger incumbent "$L")" == *"its promotion does not stand: row "*": altered"* ]]
		run -1 hg-ledger promote "$L" runs/good
		[[ "$output" != *"promoted already"* ]]
		hg-report -o page.html "$L"
		grep -q 'It does not stand, for what #[0-9]* says' page.html
		hg-ledger note "$L" "$noted" cleared > said
		run -0 hg-lineage -d "$L"
		hg-report -o page.html "$L"
		run ! grep -q 'It does not stand' page.html
	done
	hg-ledger note "$L" "$run" altered > said
	run -1 hg-ledger recheck "$L"
	[[ "$output" == "revoked "*"$run"*": altered"* ]]
	sound
}

# bats test_tags=b79
@test "the word altered bars a run, and every promotion that rests on it, until cleared; any other word bars nothing" {
	confirmed
	run -0 hg-ledger note "$L" runs/good odd "its curve has a step"
	[[ "$(hg-ledger list "$L")" == *" good "*"note: odd"*"its curve has a step"* ]]
	run -0 hg-ledger note "$L" base3 altered
	run -1 hg-ledger promote "$L" runs/good
	[[ "$output" =~ no\ +runs\ +1\ of\ the\ [0-9]+\ that\ the\ gain\ rests\ on:\ .*runs/base3\'\ \(row\ [0-9]+\):\ row\ [0-9]+:\ altered ]]
	hg-ledger note "$L" base3 cleared > said
	run -0 hg-ledger note "$L" runs/good altered
	run -1 hg-ledger promote "$L" runs/good
	[[ "$output" =~ no\ +cleared\ +row\ [0-9]+:\ altered ]]
	hg-ledger note "$L" runs/good cleared "it was another disk" > said
	run -0 hg-ledger promote "$L" runs/good
	[[ "$output" =~ yes\ +cleared\ +row\ [0-9]+:\ cleared:\ it\ was\ another\ disk ]]
	[[ "$output" == *"promoted: row "* ]]
	sound
	# One that stands already falls, too.
	hg-ledger note "$L" runs/good altered > said
	run -1 hg-ledger promote "$L" runs/good
	run -1 hg-ledger recheck "$L"
	[[ "$output" == "barred   "*": altered" ]]
	# What is said of nobody is refused, and no ledger is made for it.
	run -1 hg-ledger note "$L" runs/nobody altered
	[[ "$output" == *"has no row of 'runs/nobody'"* ]]
	run -100 hg-ledger note "$L" runs/good "Not a word"
	run ! hg-ledger note none runs/good odd
	[ ! -e none ]
	sound
}

# bats test_tags=b78
@test "an artifact that is gone is deployable by no list of pruned files, whoever wrote it" {
	promoted
	jq -n --arg uid "$(jq -r .run_uid runs/good/spec.json)" --arg d "$(sha256sum < runs/good/artifact.hgz | cut -d ' ' -f 1)" \
	    '{schema: "homegolf.pruned.v1", run_uid: $uid, pruned_at: "2026-11-28T12:00:00.000Z",
	    files: [{file: "artifact.hgz", bytes: 1, sha256: $d, pruned_at: "2026-11-28T12:00:00.000Z"}]}' > runs/good/pruned.json
	rm runs/good/artifact.hgz
	run -2 --separate-stderr hg-lineage -d "$L"
	[[ "$output" == *"good: not deployable"*"missing  artifact"* ]]
	run -2 --separate-stderr hg-ledger recheck "$L"
}

@test "missing lists the runs of directories that have no row, and says no where one is done" {
	scored runs/a 2.3
	scored runs/b 2.4 train.matrix_lr=0.02
	scored runs/c 2.4 train.matrix_lr=0.03 refuse=train:loss_diverged
	hg-spec -b runs/a/spec.json -s train.seed=99 runs/new
	mkdir runs/stranger
	touch runs/file
	add runs/a
	run -1 --separate-stderr hg-ledger missing "$L" runs
	[ "$output" = "$(printf 'runs/b\tcomplete\nruns/c\trefused\nruns/new\tnew')" ]
	add runs/b runs/c
	run -0 --separate-stderr hg-ledger missing "$L" runs
	[ "$output" = "$(printf 'runs/new\tnew')" ]
	run -100 hg-ledger missing "$L" nowhere
	run -0 --separate-stderr hg-ledger missing "$L" "$L"
	[ -z "$output" ]
	# A run that is named stands for itself; of several answers the worst is the answer.
	run -0 --separate-stderr hg-ledger missing "$L" runs/new
	[ "$output" = "$(printf 'runs/new\tnew')" ]
	scored runs/0 2.4 train.matrix_lr=0.04
	mv runs/new/spec.json runs/new/was
	mkfifo runs/new/spec.json
	run -103 --separate-stderr hg-ledger missing "$L" runs
	[ "$output" = "$(printf 'runs/0\tcomplete')" ]
}
