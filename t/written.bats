# Everything that the tools write keeps its contract, by our checker and by python3-jsonschema.
load helper

@test "what a complete run, a refused one and their ledger leave, and what tools print, keeps its contract" {
	local name trainer
	cd "$BATS_TEST_TMPDIR"
	mkdir runs printed
	awk 'BEGIN { for (d = 0; d < 300; d++) print "Document " d " of a corpus: the quick brown fox, " d * d "." }' > corpus.txt
	hg-data -B -n 20 -f lines -o data corpus.txt
	hg-spec -b "$HG_TOP/examples/specs/tiny.json" -s data.dir=data runs/good
	hg-spec -b "$HG_TOP/examples/specs/tiny.json" -s data.dir=data -s budget.train_deadline_ms=1 runs/refused
	hg-run -l ledger runs/good
	run hg-run -l ledger runs/refused
	# A program of somebody else's, and what it prints.
	cp "$HG_TOP/t/tools/uniform.py" .
	hg-spec -s data.dir=data -s system.backend=external -s trainer.gives=artifact -s eval.seq_len=64 \
	    -s 'trainer.command=["python3", "uniform.py", "train"]' -s 'trainer.files=["uniform.py"]' \
	    -s 'scorer.command=["python3", "uniform.py", "score"]' -s 'scorer.files=["uniform.py"]' runs/program
	hg-run -l ledger runs/program
	(cd runs/program && HOMEGOLF_DRY_RUN=1 HOMEGOLF_RUN_UID="$(jq -r .run_uid spec.json)" \
	    python3 program/uniform.py train) > printed/trainer_result.json
	[ -e runs/refused/train_refusal.json ]
	# A trainer that was killed, for hg-reap to find.
	hg-spec -b "$HG_TOP/examples/specs/tiny.json" -s data.dir=data -s train.iterations=100000 \
	    -s budget.max_wallclock_ms=5000 runs/dead
	hg-train runs/dead 2> log 3>&- &
	trainer=$!
	until_true 30 test -s runs/dead/train.lock
	kill -KILL $trainer
	wait $trainer || :
	hg-status -w runs/good
	hg-status -j runs/good runs/refused > printed/state.jsonl
	hg-reap runs > printed/reap.jsonl
	# Seen from outside: two runs, a watched one, where one comes from, a further evaluation, and one that was pruned.
	hg-diff -j runs/good runs/refused > printed/diff.jsonl
	hg-watch -j -t 5 runs/good > printed/watch.jsonl
	hg-lineage -j -l ledger runs/good > printed/lineage.jsonl
	hg-score -e short -s eval.docs=5 runs/good
	hg-spec -b "$HG_TOP/examples/specs/tiny.json" -s data.dir=data -s train.matrix_lr=0.03 runs/other
	hg-run -l ledger runs/other > printed.other
	hg-prune -l ledger runs/other
	printf 'commit\tval_bpb\tstatus\tdescription\nbaseline\t0.9979\tkeep\tbaseline\n' > results.tsv
	hg-ledger import ledger results.tsv
	hg-ledger replay -j ledger > printed/import_verdicts.jsonl
	mkdir -p night/in
	echo '{"schema": "homegolf.campaign.v1", "lanes": [{"name": "a"}], "routes": []}' > night/campaign.json
	echo '{}' > night/in/nothing.json
	hg-triage -j night > printed/triage.jsonl || :
	run "$PYTHON" "$HG_TOP/t/tools/contracts_written.py" "$HG_T/tools/contract" "$HG_TOP/contracts" data runs ledger printed
	echo "$output" >&2
	[ "$status" -eq 0 ]
	for name in $("$HG_T/tools/contract" -n); do
		# It takes a calibrated lane: t/outrun.bats has one.  And what the owner of a campaign writes no tool does.
		case $name in pace | admission | campaign) continue ;; esac
		grep -q "^$name [1-9]" <<< "$output" || { echo "no tool wrote a $name" >&2; false; }
	done
}


@test "the defaults are those of examples/specs/public.json, but for its schedule and micro-batch" {
	cd "$BATS_TEST_TMPDIR"
	mkdir data
	jq '.tokenizer.vocab_size = 1024' "$HG_TOP/contracts/dataset.valid/full.json" > data/dataset.json
	hg-spec -s data.dir=data a
	hg-spec -b "$HG_TOP/examples/specs/public.json" -s data.dir=data -s train.schedule=iterations \
	    -s train.micro_batch_tokens=auto b
	[ "$(jq -r .digests.config_sha256 a/spec.json)" = "$(jq -r .digests.config_sha256 b/spec.json)" ]
}
