# Programs of other people train and score: what they hand over is measured, and what is their word stands apart.
load helper

setup_file() {
	cd "$BATS_FILE_TMPDIR"
	awk 'BEGIN { for (d = 0; d < 300; d++) print "Document " d " of a corpus: the quick brown fox, " d * d "." }' > corpus.txt
	hg-data -B -n 20 -f lines -o data corpus.txt 2> log
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	export HOMEGOLF_LANES=$BATS_TEST_TMPDIR/lanes
	ln -s "$BATS_FILE_TMPDIR/data" data
	cp "$HG_TOP/t/tools/uniform.py" .
	mkdir runs
	jq -n '{data: {dir: "data"}, system: {backend: "external"}, eval: {seq_len: 64},
	    trainer: {command: ["python3", "uniform.py", "train"], files: ["uniform.py"], gives: "artifact"},
	    scorer: {command: ["python3", "uniform.py", "score"], files: ["uniform.py"]}}' > files.json
	cat > claim.sh <<-'END'
		#!/bin/sh
		echo "step:1 val_bpb: 9.0"
		echo "val_bpb: 1.$SEED" >&2
	END
	chmod +x claim.sh
	jq -n '{data: {dir: "data"}, system: {backend: "external"}, eval: {seq_len: 64},
	    trainer: {command: ["./claim.sh"], files: ["claim.sh"], gives: "claim", set: {SEED: "{seed}"},
	    reads: {val_bpb: "last:val_bpb:? *([0-9.]+)"}}}' > claim.json
	jq -n '{data: {dir: "data"}, model: {num_layers: 2, model_dim: 32, num_heads: 2, num_kv_heads: 1},
	    train: {seq_len: 64, batch_tokens: 512, iterations: 3, warmup_steps: 0, warmdown_iters: 0}}' > own.json
	cat > weights.sh <<-'END'
		cp "$WEIGHTS" checkpoint.safetensors
		printf '{"schema": "homegolf.trainer_result.v1", "run_uid": "%s", "result": "trained", "seed": %s,
		    "checkpoint": "checkpoint.safetensors", "steps": 3}' "$HOMEGOLF_RUN_UID" "$HOMEGOLF_SEED"
	END
	jq '. + {system: {backend: "external"}, trainer: {command: ["sh", "weights.sh"], files: ["weights.sh"],
	    set: {WEIGHTS: "'"$BATS_TEST_TMPDIR"'/runs/own/checkpoint.safetensors"}}}' own.json > weights.json
}

of() {
	jq -r "$1" "runs/$2"
}

@test "a confirmation of programs that give their word fills its slots, and is decided" {
	# Five digits: no two of the seeds, which are drawn, give the same number, and the gain is far beyond them.
	sed -i 's/1.\$SEED/$(printf 2.0%05d $((SEED * 7919 % 100000)))/' claim.sh
	hg-spec -b claim.json -s train.seed=1 runs/a
	hg-run -l ledger runs/a > said 2>&1
	# A shell script's milliseconds are the machine's, and no loss that a gain must not hide.
	jq '.guarded = []' ledger/policy.json > p && mv p ledger/policy.json
	hg-confirm -c ledger runs/a > said 2>&1
	sed -i 's/2\.0%05d/1.0%05d/' claim.sh
	hg-spec -b claim.json -s train.seed=9 runs/b
	hg-run -l ledger runs/b > said 2>&1
	run -0 hg-confirm ledger runs/b
	[[ "$output" == *"improvement: confirmed"* ]]
	[ "$(jq -c 'select(.kind == "run" and .verdict.reason == "slot") | .run.data_offset > 0' ledger/ledger.jsonl | sort -u)" = true ]
}

# bats test_tags=b73,b75
@test "files that a program leaves are counted as they are and scored by its scorer, and the sum is right by hand" {
	hg-spec -b files.json runs/a
	run -0 hg-run -l ledger runs/a
	[ "$(jq -r 'select(.kind == "run").run | .evidence' ledger/ledger.jsonl)" = artifact ]
	# A token costs ln 260 nats, whatever it is.
	python3 - runs/a <<-'END'
		import json, math, sys
		r = json.load(open(sys.argv[1] + "/artifact_score_report.json"))
		rows = [l.split("\t") for l in open(sys.argv[1] + "/score_docs.tsv")][1:]
		assert r["tokens"] == sum(int(x[1]) for x in rows) and r["bytes"] == sum(int(x[2]) for x in rows)
		assert math.isclose(r["val_bpb"], math.log2(260) * r["tokens"] / r["bytes"], rel_tol=1e-12), r
		e = json.load(open(sys.argv[1] + "/export_report.json"))
		assert e["artifact"]["bytes"] == len(open(sys.argv[1] + "/artifact/model.txt").read())
	END
	# A file of both sections is code once.
	[ "$(of .code_bytes a/export_report.json)" -eq "$(stat -c %s uniform.py)" ]
	[ "$(of .backend a/artifact_score_report.json)" = external ]
	[ "$(jq -c '[.step, .train_loss != null]' runs/a/metrics.jsonl | tail -1)" = '[2,true]' ]
	run -0 hg-score -c runs/a
	run -100 --separate-stderr hg-prompt runs/a
	[[ $stderr == *"has no stage prompt: its trainer hands over files of its own"* ]]
	[ ! -e runs/a/train.out ] && [ ! -e runs/a/train.keep ] && [ ! -e runs/a/score.out ]
}

# bats test_tags=b73
@test "a claim ends with its receipt, is judged by its program's word, and is never promoted" {
	hg-spec -b claim.json -s train.seed=5 runs/a
	run -0 hg-run -l ledger runs/a
	[[ $output == *"Run 'a' scored 1.50000 val_bpb by its program's word."* ]]
	[ "$(of '.evidence, .claimed.val_bpb' a/training_report.json | paste -sd ' ')" = "claim 1.5" ]
	[ "$(cat runs/a/train.log)" = "$(printf 'step:1 val_bpb: 9.0\nval_bpb: 1.5')" ] || [ "$(wc -l < runs/a/train.log)" -eq 2 ]
	run -0 hg-gate last runs/a
	run -2 hg-gate score runs/a
	run -100 hg-export runs/a
	run hg-ledger promote ledger runs/a
	[[ $output == *"pending  independent_score"* ]]
	[[ $output != *"refused"* ]]
}

# bats test_tags=b74
@test "two seeds with the same digits mean that the program ignores its seed: named, and no evidence" {
	sed -i 's/\$SEED/25/' claim.sh
	hg-spec -b claim.json -s train.seed=1 runs/a
	hg-spec -b claim.json -s train.seed=2 runs/b
	hg-run -l ledger runs/a
	run -0 hg-run -l ledger runs/b
	[[ $output == *"noise: same_replicate"* ]]
	[[ $output == *"To the last digit its program says the same as in run 'a' of row 2, whose seed is another: it ignores its seed"* ]]
}

# bats test_tags=b73
@test "a program's weights are exported and scored as our own are, to the bit, and its files are code" {
	hg-spec -b own.json runs/own
	hg-spec -b weights.json runs/a
	hg-run -l ledger runs/own
	run -0 hg-run -l ledger runs/a
	[[ $output == *"identical_artifact"* ]]
	cmp runs/own/artifact.hgz runs/a/artifact.hgz
	[ "$(of .val_bpb own/artifact_score_report.json)" = "$(of .val_bpb a/artifact_score_report.json)" ]
	[ "$(of .code_bytes a/export_report.json)" -eq \
	    $(($(of .code_bytes own/export_report.json) + $(stat -c %s weights.sh))) ]
	[ "$(tail -1 ledger/ledger.jsonl | jq -c '.verdict.changed | contains(["trainer"])')" = true ]
}

# bats test_tags=b73
@test "rows of different evidence are of different groups, but for weights with our own trainer's" {
	hg-spec -b own.json runs/own
	hg-spec -b weights.json -s eval.seq_len=64 runs/weights
	hg-spec -b files.json runs/files
	hg-spec -b claim.json runs/claim
	for r in own weights files claim; do
		hg-run -l ledger runs/$r
	done
	[ "$(jq -r 'select(.kind == "run").run | .group_sha256' ledger/ledger.jsonl | sort | uniq -c | awk '{ print $1 }' |
	    sort -n | paste -sd ' ')" = "1 1 2" ]
}

# bats test_tags=b48
@test "every field of a result that is not as asked for is listed at once, with both values" {
	hg-spec -b own.json runs/own
	hg-train runs/own
	sed -i 's/"seed": %s/"seed": 1%s, "model": {"num_layers": 3, "beta": 1}/' weights.sh
	hg-spec -b weights.json -s model.num_layers=2 runs/a
	run -1 --separate-stderr hg-train runs/a
	[ "$(of '[.kind, .observed.seed, .expected.seed, .observed["model.num_layers"], .expected["model.num_layers"]] | @csv' \
	    a/train_refusal.json)" = '"result_mismatch",11337,1337,3,2' ]
	[[ $stderr == *"model.beta is there, and nothing asks for it"* ]]
}

@test "braces in words and environment are replaced, no others are accepted, and no shell reads them" {
	cat > args.sh <<-'END'
		printf '%s|' "$@"
		printf '\n%s\nHOME=%s SECRET=%s\nval_bpb: 1.1\n' "$NAMED" "$HOME" "$SECRET"
	END
	jq '.trainer.command = ["sh", "args.sh", "{seed}", "a b;$(touch x)", "{{seed}", "{run_uid}", "{threads}"] |
	    .trainer.files = ["args.sh"] | .trainer.set = {NAMED: "s={seed}"} | .system.threads = 3' claim.json > args.json
	SECRET=1 hg-spec -b args.json runs/a
	SECRET=1 hg-train runs/a
	[ "$(sed -n 1p runs/a/train.log)" = "1337|a b;\$(touch x)|{seed}|$(of .run_uid a/spec.json)|3|" ]
	[ "$(sed -n 2p runs/a/train.log)" = "s=1337" ]
	[ "$(sed -n 3p runs/a/train.log)" = "HOME=$HOME SECRET=" ]
	run -100 --separate-stderr hg-spec -b args.json -s 'trainer.command=["sh", "{sed}"]' runs/b
	[[ $stderr == *"trainer.command: '{sed}' has braces that hold none of seed, spec, data, out, keep, threads and run_uid"* ]]
	run -100 --separate-stderr hg-spec -b args.json -s 'trainer.command=["nosuchprogram"]' runs/b
	[[ $stderr == *"trainer.command: there is no program 'nosuchprogram' in PATH"* ]]
	run -100 --separate-stderr hg-spec -b claim.json -s 'trainer.reads={"val_bpb": "bpb"}' runs/b
	[[ $stderr == *"has 0 groups in parentheses"* ]]
	run -100 --separate-stderr hg-spec -b claim.json -s 'trainer.reads={"val_bpb": "(b)\\1"}' runs/b
	[[ $stderr == *"refers back to a group"* ]]
	run -100 --separate-stderr hg-spec -b claim.json -s 'trainer.reads={"loss": "(b)"}' runs/b
	[[ $stderr == *"'loss' is none of val_loss, val_bpb, val_bpb_raw and value"* ]]
	run -100 --separate-stderr hg-spec -s data.dir=data -s system.backend=external runs/b
	[[ $stderr == *"system.backend=external needs trainer.command"* ]]
	run -100 --separate-stderr hg-spec -s data.dir=data -s 'trainer.command=["sh"]' runs/b
	[[ $stderr == *"are for system.backend=external"* ]]
	[ ! -e runs/b ]
}

@test "a run can be repeated after its program changed: it has a copy, and a copy that was altered is refused" {
	hg-spec -b claim.json runs/a
	echo 'exit 1' > claim.sh
	hg-train runs/a
	hg-spec -b runs/a/spec.json -s train.seed=2 runs/b
	hg-train runs/b
	[ "$(of .code_sha256 a/training_report.json)" = "$(of .code_sha256 b/training_report.json)" ]
	hg-spec -b runs/a/spec.json -s train.seed=3 runs/c
	echo 'echo val_bpb: 0.1' > runs/c/program/claim.sh
	run -1 hg-train runs/c
	[ "$(of .kind c/train_refusal.json)" = trainer_missing ]
	# And so is one of a run that is done.
	echo '#' >> runs/a/program/claim.sh
	run -1 hg-gate last runs/a
	[[ $output == *"program/claim.sh: altered"* ]]
}

@test "a program is told of its run by nothing but the run, and finds no variable twice" {
	cat > env.sh <<-'END'
		tr '\0' '\n' < /proc/$$/environ | grep -v '^_=' | cut -d= -f1 | sort | uniq -d | sed 's/^/twice /'
		echo "seed=$HOMEGOLF_SEED omp=$OMP_NUM_THREADS tmp=$TMPDIR home=$HOME"
		echo "val_bpb: 1.1"
	END
	jq '.trainer.command = ["sh", "env.sh"] | .trainer.files = ["env.sh"] |
	    .trainer.env = ["OMP_NUM_THREADS", "TMPDIR", "HOME", "PATH"] | .trainer.set = {TMPDIR: "/set"}' claim.json > env.json
	hg-spec -b env.json runs/a
	OMP_NUM_THREADS=7 TMPDIR=$PWD HOMEGOLF_SEED=9 hg-train runs/a
	[ "$(cat runs/a/train.log)" = "$(printf 'seed=1337 omp=7 tmp=/set home=%s\nval_bpb: 1.1' "$HOME")" ]
	for s in 'trainer.set={"HOMEGOLF_SEED": "9"}' 'trainer.env=["HOMEGOLF_STAGE"]'; do
		run -100 --separate-stderr hg-spec -b env.json -s "$s" runs/b
		[[ $stderr == *"tells the program what the spec says, and nothing else"* ]]
	done
}

@test "a text with a NUL, and a file that would stand where the program's directory has another, make no spec" {
	local nul='\u0000' s
	for s in 'trainer.command=["sh", "a'$nul'b"]' 'trainer.set={"A": "a'$nul'"}' 'trainer.reads={"value": "(b)'$nul'"}' \
	    'trainer.files=["claim.sh'$nul'"]' 'scorer.command=["sh", "'$nul'"]'; do
		run -100 --separate-stderr hg-spec -b claim.json -s "$s" runs/a
		[[ $stderr == "hg-spec: ${s%%=*}"*": a text can't have a NUL" ]]
	done
	hg-spec -b claim.json -s 'trainer.params={"a": "'$nul'"}' runs/b
	hg-train runs/b
	mkdir tmp
	for s in spec.json metrics.fifo docs.tsv score_docs.tsv tmp/x; do
		cp claim.sh "$s"
		run -100 --separate-stderr hg-spec -b claim.json -s 'trainer.files=["claim.sh", "'$s'"]' runs/a
		[[ $stderr == *"trainer.files: '$s' can't be a program's file: its directory has something else of that name"* ]]
	done
	[ ! -e runs/a ]
}

# forged RUN FILE FILTER: a copy of a run with one receipt edited and the digests of those after it set right.
forged() {
	local d=forged/$1 h
	rm -rf forged && mkdir forged && cp -r "runs/$1" forged/
	jq "$3" "runs/$1/$2" > "$d/$2"
	[ -e "$d/artifact_score_report.json" ] || return 0
	h=$(sha256sum < "$d/training_report.json" | cut -c -64)
	for f in export_report.json artifact_score_report.json; do
		jq --arg h "$h" '.training_report_sha256 = $h' "$d/$f" > t && cp t "$d/$f"
	done
	h=$(sha256sum < "$d/export_report.json" | cut -c -64)
	jq --arg h "$h" '.export_report_sha256 = $h' "$d/artifact_score_report.json" > t && cp t "$d/artifact_score_report.json"
	h=$(sha256sum < "$d/artifact_score_report.json" | cut -c -64)
	jq --arg h "$h" --argjson n "$(jq .total_bytes "$d/export_report.json")" '.score_report_sha256 = $h | .total_bytes = $n' \
	    "$d/artifact_score_summary.json" > t && cp t "$d/artifact_score_summary.json"
}

@test "a number claimed that the log does not have, and code of another size than the spec's files, are found in receipts" {
	hg-spec -b claim.json runs/a
	hg-spec -b files.json runs/b
	hg-run runs/a
	hg-run runs/b
	forged a training_report.json '.'
	run -0 hg-gate last forged/a
	for f in '.claimed.val_bpb = 0.5' '.claimed = {}' '.claimed.val_loss = 1'; do
		forged a training_report.json "$f"
		run -1 hg-gate last forged/a
		[[ $output == *"training_report.json: differs: what it says was claimed is not what the log says"* ]]
	done
	run -0 hg-ledger add ledger forged/a
	[[ $output == *"Run 'a' does not count"* ]]
	forged b training_report.json '.'
	run -0 hg-gate last forged/b
	forged b training_report.json '.code_bytes = 1'
	run -1 hg-gate last forged/b
	[[ $output == *"training_report.json: differs: its code is not the files of the spec"* ]]
	forged b export_report.json '.total_bytes -= .code_bytes - 1 | .code_bytes = 1'
	run -1 hg-gate last forged/b
	[ "$(grep -c . <<< "$output")" -eq 1 ]
	[[ $output == *"export_report.json: differs: its code is not the files of the spec"* ]]
}

# bats test_tags=b48
@test "a dry run checks everything and changes nothing, with a program and without" {
	cp -rL data copy
	hg-spec -b files.json runs/a
	run -0 --separate-stderr hg-train -n runs/a
	[ "$(jq -c '[.result, .executed, .run_id]' <<< "$output")" = '["dry_run",true,"a"]' ]
	hg-spec -b own.json -s data.dir=copy runs/own
	run -0 --separate-stderr hg-train -n runs/own
	[ "$(jq -c '[.result, .backend, .params > 0, .train_loss > 5, .micro_batch_tokens]' <<< "$output")" = \
	    '["dry_run","cpu",true,true,512]' ]
	[ "$(ls runs/a runs/own | paste -sd ' ')" = "runs/a: program spec.json  runs/own: spec.json" ]
	[ -z "$(find . -name 'homegolf.*')" ]
	# What training would be refused for, it is.
	printf x >> "$(ls copy/*train*.bin)"
	run -1 --separate-stderr hg-train -n runs/own
	[[ $stderr == *"train of '"*"', tried without a record: input_"* ]]
	hg-spec -b claim.json runs/c
	run -0 --separate-stderr hg-train -n runs/c
	[ "$(jq .executed <<< "$output")" = false ]
}

@test "training again gives the same bits, and says what differs where it does not" {
	hg-spec -b own.json runs/own
	run -1 hg-train -c runs/own
	hg-train runs/own
	ls -la --full-time runs/own > before
	run -0 --separate-stderr hg-train -c runs/own
	[ "$(jq -c '[.same, .differ]' <<< "$output")" = '[true,[]]' ]
	ls -la --full-time runs/own > after
	cmp before after
	# Other weights under the receipt's name are found.
	jq '.checkpoint.sha256 = ("0" * 64)' runs/own/training_report.json > t && cp t runs/own/training_report.json
	run -1 --separate-stderr hg-train -c runs/own
	[ "$(jq -c .differ <<< "$output")" = '["checkpoint.sha256"]' ]
	# A program that is not the same twice is told with what it said.
	sed -i 's/1\.\$SEED/1.$(date +%N)/' claim.sh
	hg-spec -b claim.json runs/c
	hg-train runs/c
	run -1 --separate-stderr hg-train -c runs/c
	[ "$(jq -c .differ <<< "$output")" = '["claimed"]' ]
	# Weights that come out otherwise: how far the two score apart is what that is worth.
	hg-spec -b weights.json runs/v
	hg-train runs/v
	hg-spec -b own.json -s train.seed=2 -s train.iterations=9 runs/other
	hg-train runs/other
	mv runs/own runs/kept && cp -r runs/other runs/own
	run -1 --separate-stderr hg-train -c runs/v
	[ "$(jq -c '[.differ, .recorded_val_bpb > .val_bpb, .val_bpb > 1]' <<< "$output")" = '[["checkpoint.sha256"],true,true]' ]
	sed -i 's/"seed": int(os.environ\["HOMEGOLF_SEED"\])}, f/"seed": os.getpid()}, f/' uniform.py
	hg-spec -b files.json runs/f
	hg-train runs/f
	run -1 --separate-stderr hg-train -c runs/f
	[ "$(jq -c '[.differ, .recorded_val_bpb == .val_bpb, .val_bpb > 8]' <<< "$output")" = '[["files"],true,true]' ]
	hg-spec -b own.json -s train.schedule=wallclock runs/w
	hg-train runs/w
	run -1 --separate-stderr hg-train -c runs/w
	[[ $stderr == *"follows the clock, which does not come again"* ]]
}

@test "the cap holds for a program's life, or for the time that it tells where budget.overhead_ms lets it" {
	sed -i '2i sleep 60' claim.sh
	hg-spec -b claim.json -s budget.max_wallclock_ms=500 runs/a
	run -102 --separate-stderr hg-train runs/a
	[ "$(of .kind a/train_refusal.json)" = trainer_failed ]
	[[ $stderr == *"still at work after 0.500 s"* ]]
	sed -i 's/"steps": 3/"steps": 3, "train_ms": 400/; 1i sleep 1' weights.sh
	hg-spec -b own.json runs/own
	hg-train runs/own
	hg-spec -b weights.json -s budget.max_wallclock_ms=500 -s budget.overhead_ms=60000 runs/b
	hg-train runs/b
	[ "$(of '[.train_ms, .overshoot_ms, .wallclock_ms >= 1000, .claimed.train_ms] | @csv' b/training_report.json)" = \
	    '400,0,true,400' ]
	# Which of the two is its word is said, and of none that was measured.
	[[ "$(of .claim_boundary b/training_report.json)" == *"Its train_ms is its word, too; its whole life, wallclock_ms, was measured." ]]
	hg-spec -b weights.json -s budget.max_wallclock_ms=60000 runs/c
	hg-train runs/c
	[ "$(of '.train_ms == .wallclock_ms' c/training_report.json)" = true ]
	[[ "$(of .claim_boundary c/training_report.json)" != *train_ms* ]]
}

@test "what a program keeps survives a refusal and a retry, and goes when it is done" {
	cat > keep.sh <<-'END'
		[ -e "$HOMEGOLF_KEEP/half" ] || { echo half > "$HOMEGOLF_KEEP/half"; exit 7; }
		echo "val_bpb: 1.2"
	END
	jq '.trainer.command = ["sh", "keep.sh"] | .trainer.files = ["keep.sh"]' claim.json > keep.json
	hg-spec -b keep.json runs/a
	run -102 --separate-stderr hg-train runs/a
	[[ $stderr == *"the program exited with status 7"* ]]
	[ -e runs/a/train.keep/half ]
	run -0 hg-run -r runs/a
	[ "$(of .resumes a/training_report.json)" -eq 1 ]
	[ ! -e runs/a/train.keep ]
	[ -e runs/a/attempts/train.1/train.log ]
}

@test "hg-status shows the last line that a program said, while it runs and once it was refused" {
	printf 'printf "step 1\\rstep 2\\033[1m of 9\\n\\n"; touch said; while [ ! -e ../go ]; do sleep 0.1; done; exit 3\n' > talk.sh
	jq '.trainer.command = ["sh", "talk.sh"] | .trainer.files = ["talk.sh"]' claim.json > talk.json
	hg-spec -b talk.json runs/talk
	hg-train runs/talk 2> log 3>&- &
	trainer=$!
	until_true 30 test -e runs/talk/train.out/said
	shown() { [[ $(hg-status runs/talk) == *"train.log: step 2\\x1b[1m of 9"* ]]; }
	until_true 10 shown
	touch runs/talk/go
	wait $trainer || :
	[ "$(hg-status -j runs/talk | jq -c .stages.train.log)" = '{"file":"train.log","last_line":"step 2\\x1b[1m of 9"}' ]
	[[ $(of .detail talk/train_refusal.json) == "the program exited with status 3: step 2"* ]]
	# It goes with its attempt.
	hg-retry train runs/talk
	[ "$(hg-status -j runs/talk | jq -c .stages.train.log)" = null ]
	[ -e runs/talk/attempts/train.1/train.log ]
}

@test "a variable that is handed on is whole however long it is, and the best loss that is shown is the lowest told" {
	cat > told.sh <<-'END'
		echo '{"step": 0, "train_loss": 3}' > "$HOMEGOLF_METRICS"
		sleep 0.8
		echo '{"step": 1, "train_loss": 5}' > "$HOMEGOLF_METRICS"
		sleep 0.1
		echo "val_bpb: 1.${#LONG}"
	END
	jq '.trainer.command = ["sh", "told.sh"] | .trainer.files = ["told.sh"] | .trainer.env = ["LONG"]' claim.json > told.json
	LONG=$(printf '%20000s' x) hg-spec -b told.json runs/told
	LONG=$(printf '%20000s' x) hg-train runs/told
	[ "$(of .claimed.val_bpb told/training_report.json)" = 1.2 ]
	grep -qx 'val_bpb: 1.20000' runs/told/train.log
	[ "$(of '[.step, .train_loss, .best_loss] | @csv' told/train_status.json)" = 1,5,3 ]
}

@test "a number in a unit of its own is judged by the policy that names it: a time, where lower is better" {
	echo 'echo "seconds: 1.$SEED"' > time.sh
	jq '.trainer.command = ["sh", "time.sh"] | .trainer.files = ["time.sh"] |
	    .trainer.reads = {value: "seconds: ([0-9.]+)"}' claim.json > time.json
	hg-spec -b time.json -s train.seed=2 runs/x
	run -0 hg-run -l ledger runs/x
	[[ $output == *"not_comparable"*"Run 'x' says no val_bpb, by which this ledger judges."*"policy.json names the metric"* ]]
	# Not of the first only: there still is nobody whose cap could be another.
	hg-spec -b time.json -s train.seed=9 runs/y
	run -0 hg-run -l ledger runs/y
	[[ $output == *"row 3: noise: not_comparable"*"next: the ledger's policy.json names the metric"* ]]
	# Nor does calibrating go on for ever.
	run -1 timeout 20 hg-confirm -c ledger runs/y
	[[ $output == *"'runs/y' says no val_bpb, by which this ledger judges: its noise cannot be known"* ]]
	jq '.metric |= {name: "value", direction: "lower", across_tokenizers: "value"} | .guarded = []' ledger/policy.json > p
	cp p ledger/policy.json
	hg-spec -b time.json -s train.seed=3 runs/a
	hg-run -l ledger runs/a
	hg-spec -b time.json -s train.seed=4 runs/b
	run -0 hg-run -l ledger runs/b
	[[ $output == *"Run 'b' scored 1.40000 value by its program's word, 0.10000 worse than the incumbent's 1.30000"* ]]
}

# Processes of a run's stage, wherever they are by now.
marked() {
	grep -lzs "^HOMEGOLF_STAGE=$(jq -r .run_uid "runs/$1/spec.json")/" /proc/[0-9]*/environ | wc -l
}

# bats test_tags=b69
@test "owner, worker and driver killed at one moment leave nobody of a tree of sessions, at once, and the lane is free" {
	cat > tree.py <<-'END'
		import os, time
		# As torch's launchers start workers: a session each, and one that let go of everything.
		for i in range(3):
		    if os.fork() == 0:
		        os.setsid()
		        if i == 2 and os.fork() != 0:
		            os._exit(0)
		        os.closerange(0, 3)
		        while True:
		            time.sleep(1)
		open("ready", "w").close()
		while True:
		    time.sleep(1)
	END
	jq '.trainer.command = ["python3", "tree.py"] | .trainer.files = ["tree.py"]' claim.json > tree.json
	hg-spec -b tree.json runs/felled
	hg-run runs/felled > log 2>&1 3>&- &
	driver=$!
	until_true 30 test -e runs/felled/train.out/ready
	[ "$(marked felled)" -ge 4 ]
	[ -n "$(pgrep -x hg-guard)" ]
	kill -KILL $driver $(pgrep -f "hg-train.*runs/felled")
	wait $driver || :
	nobody() { [ "$(marked felled)" -eq 0 ]; }
	until_true 5 nobody
	# Nobody has looked at it so far, and the lane is free.
	[ ! -e runs/felled/train_refusal.json ]
	hg-spec -b claim.json runs/b
	hg-train runs/b
	run hg-await -t 5 train runs/felled
	[ "$(of .kind felled/train_refusal.json)" = owner_died ]
}

@test "plain words where JSON is meant are shown as the JSON that they would be" {
	run -100 hg-spec -b claim.json -s 'trainer.command=python3 train.py' runs/a
	[ "$output" = "hg-spec: trainer.command: 'python3 train.py' is no JSON array, such as -s 'trainer.command=[\"python3\", \"train.py\"]'" ]
	run -100 hg-spec -b claim.json -s 'trainer.files="claim.sh, b.py"' runs/a
	[[ $output == *"such as -s 'trainer.files=[\"claim.sh\", \"b.py\"]'" ]]
	run -100 hg-spec -b claim.json -s 'trainer.set=SEED={seed}' runs/a
	[[ $output == *"is no JSON object, such as -s 'trainer.set={\"NAME\": \"value\"}'" ]]
	run -100 hg-spec -b claim.json -s 'trainer.command=["python3"' runs/a
	[[ $output == *"line 1, column 10"* ]]
	[ ! -e runs/a ]
}

@test "a file of a program that is a directory or can't be executed is refused when the spec is made" {
	mkdir sub
	run -100 hg-spec -b claim.json -s 'trainer.files=["claim.sh", "sub"]' runs/a
	[ "$output" = "hg-spec: trainer.files: cannot read 'sub': it is a directory; name a file" ]
	chmod -x claim.sh
	run -100 hg-spec -b claim.json runs/a
	[[ $output == *"claim.sh' is not executable: chmod +x it, or name its interpreter before it" ]]
	[ ! -e runs/a ]
	hg-spec -b claim.json -s 'trainer.command=["sh", "./claim.sh"]' runs/a
	run -0 hg-run runs/a
}

@test "a report says of a program that told of no step that none was logged, not that its files were altered" {
	hg-spec -b claim.json runs/a
	run -0 hg-run -l ledger runs/a
	hg-report -o p.html ledger
	grep -qF 'No curve: no step was logged' p.html
	run -1 grep -F 'not those that the ledger names' p.html
}

@test "a run that is named where a ledger is meant is called one" {
	hg-spec -b claim.json runs/a
	run -100 hg-report runs/a
	[ "$output" = "hg-report: 'runs/a' is a run and no ledger: name the ledger that it was added to, by hg-run -l" ]
}

@test "a refused program's next command names its files, and helps when it is pasted" {
	local next
	printf '#!/bin/sh\necho nothing\n' > claim.sh
	hg-spec -b claim.json runs/a
	run -1 hg-run -l ledger runs/a
	[[ $output == *"no line of the log matches trainer.reads.val_bpb: mend that, or what the program prints"* ]]
	next=$(of .next a/train_refusal.json)
	[[ $next == *"-s 'trainer.files=[\"claim.sh\"]' "* ]]
	printf '#!/bin/sh\necho val_bpb: 1.5; echo val_bpb: 1.25\n' > claim.sh
	run -0 sh -c "${next##* and: }"
	[ "$(of .claimed.val_bpb a.2/training_report.json)" = 1.25 ]
	hg-spec -b claim.json -s 'trainer.reads={"val_bpb": "val_bpb: ([0-9.]+)"}' runs/b
	run -1 hg-run runs/b
	[[ $output == *"several lines of the log match trainer.reads.val_bpb: where the last one counts, put last: before the expression"* ]]
	# A scorer's are the scorer's.
	hg-spec -b files.json -s 'scorer.command=["sh", "-c", "exit 3"]' runs/c
	run -102 hg-run runs/c
	[[ $(of .next c/score_refusal.json) == *"-s 'scorer.files=[\"uniform.py\"]' "* ]]
}
