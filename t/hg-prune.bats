# hg-prune: what nothing rests on goes, and is told from what was lost.
load helper
load judged

setup() {
	cd "$BATS_TEST_TMPDIR"
	export JUDGED_DATA=$PWD
	L=led
	SET=
}

# beaten: runs/base1 to base5 calibrate the lane of the incumbent; runs/worse is a challenger that lost.
beaten() {
	calibrated
	scored runs/worse 2.9 seed=6 train.matrix_lr=0.02
	add runs/worse
}

# bats test_tags=b78
@test "what nothing rests on is pruned: it goes from the disk, its receipts stay good, and every tool says pruned" {
	local size
	beaten
	size=$(stat -c %s runs/worse/checkpoint.safetensors runs/worse/score_docs.tsv | paste -sd+ | bc)
	ls -l --time-style=full-iso runs/worse > before
	run -0 --separate-stderr hg-prune -n runs/worse
	[ "${lines[0]}" = "would prune runs/worse/checkpoint.safetensors $(stat -c %s runs/worse/checkpoint.safetensors)" ]
	[ "${lines[1]}" = "would prune runs/worse/score_docs.tsv $(stat -c %s runs/worse/score_docs.tsv)" ]
	[ "${lines[2]}" = "would free $size bytes in 2 files" ]
	ls -l --time-style=full-iso runs/worse | cmp - before
	sha256sum runs/worse/checkpoint.safetensors > sum
	run -0 --separate-stderr hg-prune runs/worse
	[ "${lines[2]}" = "freed $size bytes in 2 files" ]
	[ ! -e runs/worse/checkpoint.safetensors ] && [ ! -e runs/worse/score_docs.tsv ]
	"$HG_T/tools/contract" pruned runs/worse/pruned.json
	[ "$(jq -r '.files[0].sha256' runs/worse/pruned.json)" = "$(cut -d ' ' -f 1 sum)" ]
	[ "$(jq -r '.run_uid' runs/worse/pruned.json)" = "$(jq -r .run_uid runs/worse/spec.json)" ]
	run -0 hg-gate score runs/worse
	[[ "${lines[0]}" == "score of runs/worse: complete and bound to spec "* ]]
	[[ "${lines[1]}" == "train: checkpoint.safetensors: pruned: it was removed at 20"*"; another run of 'spec.json' makes it again" ]]
	[[ "${lines[2]}" == "score: score_docs.tsv: pruned: "* ]]
	[ "$(hg-status -j runs/worse | jq -c '[.state, .pruned]')" = '["complete",["checkpoint.safetensors","score_docs.tsv"]]' ]
	[[ "$(hg-status runs/worse)" == *"checkpoint.safetensors: pruned"* ]]
	hg-status -j runs/worse > state
	"$HG_T/tools/contract" run_state state
	# The ledger finds the run as it was, and what is asked again is answered again.
	run -0 hg-classify "$L" runs/worse
	hg-ledger verify "$L"
	hg-ledger replay "$L"
	run -0 --separate-stderr hg-prune runs/worse
	[ "$output" = "freed 0 bytes in 0 files" ]
	[ "$(jq '.files | length' runs/worse/pruned.json)" = 2 ]
}

# bats test_tags=b78
@test "a file that was lost, altered, or is of another digest than the one pruned is never said to be pruned" {
	beaten
	cp -r runs/worse kept
	rm runs/worse/checkpoint.safetensors
	run -2 --separate-stderr hg-prune runs/worse
	[[ "$stderr" == *"'runs/worse' is not whole, and nothing of it goes: checkpoint.safetensors: missing"* ]]
	echo other > runs/worse/checkpoint.safetensors
	run -1 --separate-stderr hg-prune runs/worse
	[[ "$stderr" == *"nothing of it goes: checkpoint.safetensors: altered"* ]]
	[ -e runs/worse/score_docs.tsv ] && [ ! -e runs/worse/pruned.json ]
	cp kept/checkpoint.safetensors runs/worse
	hg-prune runs/worse
	jq '.files[0].sha256 = "'"$(printf '%064d' 0)"'"' runs/worse/pruned.json > forged
	cp runs/worse/pruned.json good
	cp forged runs/worse/pruned.json
	run -2 hg-gate train runs/worse
	[[ "$output" == "train: checkpoint.safetensors: missing: it is not there"* ]]
	jq '.run_uid = "'"$(printf '%032d' 0)"'"' good > runs/worse/pruned.json
	run -103 hg-gate train runs/worse
	[[ "$output" == *"train: pruned.json: malformed: "*"is of another run"* ]]
	echo '{}' > runs/worse/pruned.json
	run -103 hg-gate train runs/worse
	# What was put back counts as any other.
	cp good runs/worse/pruned.json
	cp kept/checkpoint.safetensors runs/worse
	run -0 hg-gate train runs/worse
	[ "${#lines[@]}" -eq 1 ]
	[ "$(hg-status -j runs/worse | jq -c .pruned)" = '["score_docs.tsv"]' ]
	printf x >> runs/worse/checkpoint.safetensors
	run -1 hg-gate train runs/worse
}

# bats test_tags=b78
@test "what an incumbent, a calibration, an open plan, a confirmation or another run's weights rest on is kept, and why is said" {
	local run
	pretend
	calibrated
	scored runs/better 2.2 seed=7 train.matrix_lr=0.05
	add runs/better
	run -0 --separate-stderr hg-prune runs/base1 runs/base5
	[[ "${lines[0]}" == "kept runs/base1: "*", by the ledger '"*"led'" ]]
	[ "${lines[2]}" = "freed 0 bytes in 0 files" ]
	# One that waits for a confirmation goes, for that makes fresh runs; under an open plan it stays.
	run -0 hg-prune -n runs/better
	[[ "$output" == *"would prune runs/better/checkpoint.safetensors"* ]]
	scored runs/better2 2.2 seed=8 train.matrix_lr=0.05
	add runs/better2
	run -0 hg-ledger plan "$L" runs/better
	run -0 hg-prune -n runs/better
	[ "${lines[0]}" = "kept runs/better: a plan that is open is about its configuration, by the ledger '$PWD/led'" ]
	hg-confirm "$L" runs/better > out
	[ "$(hg-ledger show "$L" | jq -r '.kind + " " + .verdict.class')" = "confirmation improvement" ]
	# All of the confirmation's runs, on both sides, and the calibration's; the incumbent's.
	for run in runs/*/; do
		run=${run%/}
		run -0 --separate-stderr hg-prune "$run"
		[[ "${lines[0]}" == "kept $run: "* ]] || { echo "$output $stderr" >&2; false; }
		[ -e "$run/checkpoint.safetensors" ]
	done
	hg-prune runs/base1 | grep -q "kept runs/base1: the calibration in row 7 counts it"
	hg-prune runs/better2 | grep -q "kept runs/better2: its configuration is the incumbent"
	# Weights that another run started from.
	scored runs/worse 2.9 seed=6 train.matrix_lr=0.02
	add runs/worse
	scored runs/from 2.9 seed=6 train.init_from="$PWD/runs/worse/checkpoint.safetensors"
	add runs/from
	run -0 hg-prune runs/worse
	[[ "${lines[0]}" == "kept runs/worse: the run of row "*" started from its weights, by the ledger '"* ]]
	hg-prune runs/from | grep -q "^pruned runs/from/checkpoint.safetensors"
}

@test "weights that a run starts from which no ledger knows yet are kept, be it beside or named on the line" {
	beaten
	hg-spec -b runs/worse/spec.json -s train.init_from="$PWD/runs/worse/checkpoint.safetensors" runs/next 2> /dev/null
	run -0 hg-prune runs/worse
	[ "${lines[0]}" = "kept runs/worse: 'next' starts from its weights" ]
	[ -e runs/worse/checkpoint.safetensors ]
	mkdir away
	mv runs/next away/next
	run -0 hg-prune -n runs/worse
	[[ "${lines[0]}" == "would prune runs/worse/checkpoint.safetensors "* ]]
	run -0 hg-prune runs/worse away/next
	[ "${lines[0]}" = "kept runs/worse: 'away/next' starts from its weights" ]
	[ -e runs/worse/checkpoint.safetensors ]
}

@test "a run in a ledger that is gone, or is another one now, is kept until -l tells where that lies" {
	local run
	beaten
	mv led away
	for run in runs/worse runs/base1; do
		run -1 --separate-stderr hg-prune "$run"
		[[ "$stderr" == *"'$run' is in the ledger '$PWD/led' and might be what something there rests on; where that lies now, -l tells"* ]]
	done
	scored runs/other 2.5 seed=1 JUDGED_DATA="$PWD"
	hg-ledger add led runs/other > /dev/null
	run -1 --separate-stderr hg-prune runs/worse
	[[ "$stderr" == *"where another one is now"* ]]
	run -0 hg-prune -n -l away runs/base1
	[[ "$output" == "kept runs/base1: "*"by the ledger 'away'"* ]]
	run -0 hg-prune -l away runs/worse
	[[ "$output" == *"pruned runs/worse/checkpoint.safetensors"* ]]
	echo broken > runs/base1/ledger_witness.json
	run -103 hg-prune -l away runs/base1
	[ -e runs/base1/checkpoint.safetensors ]
}

@test "without a ledger weights go and documents stay, which whoever adds the run looks at" {
	scored runs/a 2.3
	hg-prune runs/a
	[ ! -e runs/a/checkpoint.safetensors ] && [ -e runs/a/score_docs.tsv ]
	hg-ledger add "$L" runs/a > added
	[[ "$(cat added)" == *"noise: first"* ]]
}

@test "a resume point goes with a run that diverged, was outrun or is done, and stays where an attempt may come back to it" {
	local kind
	for kind in loss_diverged outrun owner_died input_missing stalled; do
		scored runs/$kind 2.3 refuse=train:$kind
		echo point > runs/$kind/resume.safetensors
	done
	scored runs/done 2.3
	echo point > runs/done/resume.safetensors
	echo table > runs/done/score_resume.tsv
	run -0 hg-prune runs/loss_diverged runs/outrun runs/owner_died runs/input_missing runs/stalled runs/done
	[ "${lines[0]}" = "pruned runs/loss_diverged/resume.safetensors 6" ]
	[ "${lines[1]}" = "pruned runs/outrun/resume.safetensors 6" ]
	[ "${lines[2]}" = "pruned runs/done/resume.safetensors 6" ]
	[ "${lines[3]}" = "pruned runs/done/score_resume.tsv 6" ]
	for kind in owner_died input_missing stalled; do
		[ -e runs/$kind/resume.safetensors ] && [ ! -e runs/$kind/pruned.json ]
	done
	hg-gate train runs/done
}

# bats test_tags=b78
@test "killed at any call, hg-prune leaves a run that is whole or says what is pruned, and the next one finishes" {
	[ -z "$HG_SAN" ] || skip "sanitizers and strace exclude each other"
	local n=1 call calls
	beaten
	cp -r runs/worse kept
	strace -qq -o trace hg-prune runs/worse > /dev/null
	calls=$(grep -c . trace)
	# From where the run's files are written to.
	for call in openat write fsync renameat unlinkat rename; do
		for ((n = 1; n <= calls; n++)); do
			rm -rf runs/worse
			cp -r kept runs/worse
			strace -qq -o one -e trace=$call -e inject=$call:signal=KILL:when=$n hg-prune runs/worse > /dev/null 2>&1 || :
			grep -q 'killed by SIGKILL' one || break
			run -0 hg-gate score runs/worse
			[[ "$output" != *missing* ]]
			hg-prune runs/worse > /dev/null
			[ ! -e runs/worse/checkpoint.safetensors ] && [ ! -e runs/worse/score_docs.tsv ]
			[ "$(jq '.files | length' runs/worse/pruned.json)" = 2 ]
			[ -z "$(find runs/worse -name '.tmp.*')" ]
		done
	done
}

# bats test_tags=b78
@test "a stage that runs, or died without a word, is left alone and named" {
	load fakerun
	fakerun_setup
	new_run r
	fakestage train r deliver
	fakestage export r nap=5000 deliver 3>&- &
	pid=$!
	until_true 5 eval '[ "$(hg-status -j r | jq -r .stages.export.state)" = running ]'
	run -99 hg-prune r
	[[ "$output" == *"export of 'r' is running"* ]]
	kill -9 $pid
	until_true 5 eval '[ "$(hg-status -j r | jq -r .stages.export.state)" = orphaned ]'
	run -99 hg-prune r
	[[ "$output" == *"export of 'r' is orphaned"*"next: hg-await export r  # closes it out"* ]]
	[ -e r/checkpoint.safetensors ] && [ ! -e r/pruned.json ]
}

# bats test_tags=b78
@test "whoever needs weights that were pruned is told that they were, not that they are missing: export, spec and train" {
	export HOMEGOLF_LANES=$PWD/lanes DATA=$PWD/data
	tiny_data data 2> /dev/null
	tiny_spec a
	hg-train a
	hg-export a
	tiny_spec b train.init_from="$PWD/a/checkpoint.safetensors"
	# One that lay elsewhere: beside it the weights would be kept.
	mkdir away
	mv b away/b
	hg-prune a > out
	grep -q '^pruned a/checkpoint.safetensors' out
	mv away/b b
	run -1 --separate-stderr hg-train b
	[[ "$stderr" == *"'$PWD/a/checkpoint.safetensors' was pruned at 20"*"another run of its spec makes it again"* ]]
	[ "$(jq -r .kind b/train_refusal.json)" = input_missing ]
	run -111 tiny_spec c train.init_from="$PWD/a/checkpoint.safetensors"
	[[ "$output" == *"train.init_from: '$PWD/a/checkpoint.safetensors' was pruned at 20"* ]]
	# A receipt that somebody removed: what it was made from is gone, on purpose.
	hg-gate export a
	rm a/export_report.json a/artifact.hgz a/export.lock
	run -1 --separate-stderr hg-export a
	[[ "$stderr" == *"'checkpoint.safetensors' was pruned at 20"* ]]
	# Another run of the spec does make it again.
	hg-spec -b a/spec.json again
	hg-train again
	[ "$(sha256sum < again/checkpoint.safetensors)" = "$(jq -r '.files[0].sha256' a/pruned.json)  -" ]
}

# bats test_tags=b78
@test "a run that was copied to where its data has another place gates, scores to the same bits, and prunes there" {
	export HOMEGOLF_LANES=$PWD/lanes DATA=$PWD/data
	tiny_data data 2> /dev/null
	mkdir runs there
	tiny_spec runs/a
	hg-train runs/a
	hg-export runs/a
	hg-score runs/a
	hg-ledger add led runs/a > added
	# As on another machine: the run by a copy, the data elsewhere, the ledger not at all.
	cp -r runs/a there
	mv data there/text
	mv led there/ledger
	rm -r runs
	cd there
	run -0 hg-gate score a
	run -1 --separate-stderr hg-score -c a
	[[ "$stderr" == *"HOMEGOLF_DATA"* ]]
	HOMEGOLF_DATA=$PWD hg-score -c a
	run -1 hg-prune a
	[[ "$output" == *"-l tells"* ]]
	run -0 hg-prune -l ledger a
	[[ "$output" == "kept a: its configuration is the incumbent"* ]]
	rm a/ledger_witness.json
	hg-prune a
	HOMEGOLF_DATA=$PWD hg-score -c a
	hg-gate score a
}
