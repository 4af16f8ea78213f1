# The programs of examples/trainers take part as they are: run, scored, judged, and no more believed than they can be.
load helper

setup_file() {
	export DATA=$BATS_FILE_TMPDIR/data HOMEGOLF_LANES=$BATS_FILE_TMPDIR/lanes
	tiny_data "$DATA" 2> /dev/null
	cat > "$BATS_FILE_TMPDIR/base.json" <<-'END'
		{"model": {"vocab_size": 260, "num_layers": 3, "model_dim": 32, "num_heads": 4, "num_kv_heads": 2},
		 "train": {"seq_len": 64, "batch_tokens": 512, "micro_batch_tokens": 512, "iterations": 40, "warmup_steps": 0,
			"warmdown_frac": 0.4},
		 "prompt": {"text": "Document", "tokens": 8},
		 "system": {"backend": "external", "threads": 1}}
	END
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	P=$HG_TOP/examples/trainers
	PROGRAM=()
}

# Programs in Python want one that has what they import, whichever that is.
need_python() {
	local python
	for python in python3 "$PYTHON"; do
		command -v "$python" > /dev/null && "$python" -c "$1" 2> /dev/null || continue
		PY=$(command -v "$python")
		return
	done
	skip "no python3 with $2"
}

# program RUN [SECTION.KEY=VALUE]...: a run of the program that PROGRAM describes; what is given here wins.
program() {
	local run=$1 settings=() s
	shift
	for s in "${PROGRAM[@]}"; do
		[[ " $* " == *" ${s%%=*}="* ]] || settings+=(-s "$s")
	done
	for s in "$@"; do settings+=(-s "$s"); done
	hg-spec -b "$BATS_FILE_TMPDIR/base.json" -s "data.dir=$DATA" "${settings[@]}" "$run"
}

of_numpy() {
	need_python 'import numpy' numpy
	PROGRAM=("trainer.command=[\"$PY\", \"numpy_gpt.py\"]" "trainer.files=[\"$P/numpy_gpt.py\"]")
}

of_ngram() {
	need_python 'import zlib' zlib
	PROGRAM=(trainer.gives=artifact "trainer.command=[\"$PY\", \"ngram.py\", \"train\"]" "trainer.files=[\"$P/ngram.py\"]"
		"scorer.command=[\"$PY\", \"ngram.py\", \"score\"]" "scorer.files=[\"$P/ngram.py\"]" train.iterations=1)
}

# of_bigram FORM READS
of_bigram() {
	need_python 'import array' array
	PROGRAM=(trainer.gives=claim "trainer.command=[\"$PY\", \"claim_bigram.py\", \"$1\"]" "trainer.reads=$2"
		"trainer.files=[\"$P/claim_bigram.py\"]" 'trainer.set={"SEED": "{seed}", "DATA_PATH": "{data}"}')
}

LOOP='{"val_bpb": "last:^val_bpb: +([0-9.]+)"}'

of_sort() {
	PROGRAM=(trainer.gives=claim "trainer.command=[\"sh\", \"claim_seconds.sh\", \"-n\"]"
		"trainer.files=[\"$P/claim_seconds.sh\"]" 'trainer.set={"SEED": "{seed}", "LC_ALL": "C"}'
		'trainer.reads={"value": "^seconds: ([0-9.]+)$"}')
}

# judged_by METRIC: a ledger whose policy compares that.
judged_by() {
	tiny_spec plain train.iterations=1
	hg-run -l plainly plain
	mkdir ledger
	jq ".metric.name = \"$1\" | .metric.across_tokenizers = \"$1\"" plainly/policy.json > ledger/policy.json
}

# row LEDGER RUN FILTER: of that run's row.
row() {
	hg-ledger list -j "$1" | jq -r "select(.run.run_id == \"$2\") | $3"
}

# below A B: is the number A less than B?
below() {
	awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "null" && a + 0 < b + 0) }'
}

# ids PART: the tokens of that part of the data, one a line.
ids() {
	od -An -v -tu2 -w2 -j1024 "$DATA/corpus_$1_000000.bin"
}

@test "a trainer in numpy hands over a checkpoint of the family, and the built-in scorer finds the loss that the program does" {
	local loss own
	of_numpy
	program a
	run -0 hg-run -l ledger a
	[ "$(row ledger a .run.evidence)" = checkpoint ]
	[ "$(row ledger a '.verdict | .class + " " + .reason')" = "noise first" ]
	[ "$(jq .claimed.steps a/training_report.json)" -eq 40 ]
	[ -s a/prompt_report.json ]
	# Of no idea it would be ln 260 = 5.56.
	loss=$(row ledger a .run.metrics.val_loss)
	below "$loss" 3
	# What the program itself finds for these weights; between them lie the artifact's 8 bits.
	own=$(cd a && "$PY" -B - "$P" "$DATA"/*_val_*.bin <<-'END'
		import json, struct, sys
		sys.path.insert(0, sys.argv[1])
		import numpy as np, numpy_gpt as g
		raw = open("checkpoint.safetensors", "rb").read()
		n = 8 + struct.unpack("<Q", raw[:8])[0]
		w = {name: g.Var(np.frombuffer(raw[n:], "<f4", np.prod(t["shape"], dtype=int), t["data_offsets"][0])
		     .reshape(t["shape"])) for name, t in json.loads(raw[8:n]).items() if name != "__metadata__"}
		ids = np.fromfile(sys.argv[2], "<u2", offset=1024).astype(int)
		n = (len(ids) - 1) // g.T * g.T
		print(g.forward(w, ids[:n].reshape(-1, g.T), ids[1:n + 1]).v)
	END
	)
	below "$(awk -v a="$loss" -v b="$own" 'BEGIN { print (a - b)^2 }')" 1e-6
	# Every tensor of the family, and no other.
	tiny_spec built model.num_layers=3
	hg-train built
	diff <(tensors a) <(tensors built)
}

# tensors RUN: names and shapes of its checkpoint.
tensors() {
	local n
	n=$(od -An -tu8 -N8 "$1/checkpoint.safetensors")
	dd if="$1/checkpoint.safetensors" bs=1 skip=8 count="$n" status=none |
		jq -c 'to_entries | map(select(.key != "__metadata__")) | sort_by(.key)[] | [.key, .value.dtype, .value.shape]'
}

@test "a trainer in numpy gives the same bits for a seed, and others for another" {
	of_numpy
	PROGRAM+=(train.iterations=3)
	program a
	program b
	program c train.seed=2
	hg-train a
	hg-train b
	hg-train c
	cmp a/checkpoint.safetensors b/checkpoint.safetensors
	run ! cmp a/checkpoint.safetensors c/checkpoint.safetensors
}

@test "a trainer in PyTorch hands over a checkpoint of the family, and what it can't do it refuses by name" {
	need_python 'import numpy, torch.nn.functional as f; f.scaled_dot_product_attention' "torch 2 and numpy"
	PROGRAM=("trainer.command=[\"$PY\", \"torch_gpt.py\"]" "trainer.files=[\"$P/torch_gpt.py\"]")
	program a
	run -0 hg-run -l ledger a
	[ "$(row ledger a .run.evidence)" = checkpoint ]
	below "$(row ledger a .run.metrics.val_loss)" 2
	# Its metric lines are the run's.
	[ "$(wc -l < a/metrics.jsonl)" -eq 40 ]
	program b train.arith=bf16
	run -102 hg-train b
	[ "$(jq -r .kind b/train_refusal.json)" = trainer_failed ]
	grep -q "cannot do what is asked for in train.arith" b/train.log
}

# bats test_tags=b75
@test "b75: the score of a model of its own kind is right to the last digit by hand" {
	of_ngram
	program a 'trainer.params={"order": 1, "weight": 1, "leave_out": 0}'
	run -0 hg-run -l ledger a
	[ "$(row ledger a .run.evidence)" = artifact ]
	# How often a token occurs in training, and one 260th of a time more: (n + 1/260) / (N + 1).
	{
		ids train | sed 's/^/train /'
		ids val | sed 's/^/val /'
		sed 1d a/score_docs.tsv | awk '{ print "doc", $2 }'
	} | awk '$1 == "train" { n[$2]++; N++ }
		$1 == "val" { v[m++] = $2 }
		$1 == "doc" { s = 0; for (i = 0; i < $2; i++) s -= log((n[v[++at]] + 1 / 260) / (N + 1)); printf "%.17g\n", s }' > hand
	[ "$(wc -l < hand)" -eq 20 ]
	diff hand <(sed 1d a/score_docs.tsv | cut -f 5)
	# And the sum is homegolf's: in the order of documents.
	[ "$(awk '{ s += $1 } END { printf "%.12g", s }' hand)" = "$(jq -r '.val_loss, .val_tokens // .tokens' a/artifact_score_report.json |
		awk 'NR == 1 { x = $1 } NR == 2 { printf "%.12g", x * $1 }')" ]
}

# bats test_tags=b73
@test "b73: a model of its own kind beats no idea, is scored again to the same, and is never set beside a checkpoint" {
	of_ngram
	program a
	run -0 hg-run -l ledger a
	# No idea would be ln 260 nats a token.
	below "$(row ledger a .run.metrics.val_loss)" 1.5
	run -0 hg-score -c a
	# What weighs is what it left, and its program.
	[ "$(row ledger a .run.artifact_bytes)" -eq "$(stat -c %s a/artifact/ngram.z)" ]
	[ "$(row ledger a .run.code_bytes)" -ge "$(stat -c %s "$P/ngram.py")" ]
	# Worse by far, and yet the first of its kind.
	tiny_spec built train.iterations=1
	run -0 hg-run -l ledger built
	[ "$(row ledger built '.verdict | .class + " " + .reason')" = "noise first" ]
	run ! test "$(row ledger a .run.group_sha256)" = "$(row ledger built .run.group_sha256)"
	hg-ledger verify ledger
	hg-ledger replay ledger
}

@test "seeds of a model that is counted, not trained, are runs of their own, and the same seed is the same run" {
	of_ngram
	program a
	program b train.seed=2
	program c
	hg-run -l ledger a
	hg-run -l ledger b
	hg-run -l ledger c
	cmp a/artifact/ngram.z c/artifact/ngram.z
	[ "$(row ledger b .verdict.reason)" = replicate ]
	[ "$(row ledger c .verdict.reason)" = same_seed ]
}

# claims FORM READS METRIC SED: the number in the row is the one that SED finds in the log, and is only claimed.
claims() {
	of_bigram "$1" "$2"
	program a
	run -0 hg-run -l ledger a
	[ "$(row ledger a .run.evidence)" = claim ]
	said=$(tr '\r' '\n' < a/train.log | sed -n "$4" | tail -n 1)
	[ -n "$said" ]
	[ "$(row ledger a ".run.metrics.$3" | jq . )" = "$(jq . <<< "$said")" ]
	[ "$(row ledger a '.verdict | .class + " " + .reason')" = "noise first" ]
	run ! hg-ledger promote ledger a
	[[ "$output" == *"independent_score"* ]]
}

# bats test_tags=b73
@test "b73: a score that a log tells in one line at its end is taken as its program's word, and is not promoted" {
	claims golf '{"val_bpb": "^final_int8_zlib_roundtrip_exact .*val_bpb:([0-9.]+)"}' val_bpb \
		's/^final_int8_zlib_roundtrip_exact .*val_bpb://p'
}

# bats test_tags=b73
@test "b73: of a score that a log tells again and again the last counts" {
	claims loop "$LOOP" val_bpb 's/^val_bpb: *//p'
	[ "$(grep -c '^val_bpb:' a/train.log)" -eq 6 ]
}

# bats test_tags=b73
@test "b73: a log that tells only a loss, as llm.c does, is judged by that where the policy says so" {
	judged_by val_loss
	claims llmc '{"val_loss": "last:^val loss ([0-9.]+)$"}' val_loss 's/^val loss //p'
	[ "$(row ledger a .verdict.metric)" = val_loss ]
}

@test "each pattern that claim_bigram.py gives for its forms is the one that is tested here" {
	local pattern n=0
	while read -r pattern; do
		grep -qF -- "$pattern" "$BATS_TEST_FILENAME" || { echo "$pattern" >&2; false; }
		n=$((n + 1))
	done < <(sed -n 's/^\(golf\|loop\|llmc\) .*\({".*"}\)$/\2/p' "$P/claim_bigram.py")
	[ "$n" -eq 3 ]
}

# bats test_tags=b74
@test "b74: a program that is given its seed has replicates, and one whose seed is forgotten is found" {
	of_bigram loop "$LOOP"
	program a
	program b train.seed=2
	hg-run -l ledger a
	hg-run -l ledger b
	[ "$(row ledger b .verdict.reason)" = replicate ]
	program c 'trainer.set={"SEED": "1", "DATA_PATH": "{data}"}'
	program d 'trainer.set={"SEED": "1", "DATA_PATH": "{data}"}' train.seed=2
	hg-run -l other c
	run hg-run -l other d
	[ "$(row other d .verdict.reason)" = same_replicate ]
	hg-classify other d > said || :
	grep -qi seed said
}

@test "a measure that is no bits per byte is judged, too, and lower is better" {
	judged_by value
	of_sort
	program a
	program b train.seed=2
	program c 'trainer.command=["sh", "claim_seconds.sh", "-n", "-S", "100k"]'
	hg-run -l ledger a
	hg-run -l ledger b
	hg-run -l ledger c
	[ "$(row ledger a .run.metrics.value)" = "$(sed -n 's/^seconds: //p' a/train.log | jq .)" ]
	[ "$(row ledger a '.verdict | [.metric, .direction, .reason] | @tsv')" = "value	lower	first" ]
	[ "$(row ledger b .verdict.reason)" = replicate ]
	[ "$(row ledger c .verdict.reason)" = uncalibrated ]
	[ "$(row ledger c .verdict.credited)" = trainer ]
}

@test "programs read the shards that dataset.json names, adopted ones where they lie" {
	local given=$DATA
	hg-data -a -B -o adopted "$given"/corpus_train_*.bin -- "$given"/corpus_val_*.bin
	of_ngram
	program a
	hg-run a
	DATA=$PWD/adopted
	program b
	hg-run b
	cmp a/score_docs.tsv b/score_docs.tsv
	of_bigram loop "$LOOP"
	program c
	hg-run c
	of_numpy
	program d train.iterations=2
	hg-run d
}

@test "another run of a program has its files as they were, and files that are named anew are taken as they are now" {
	of_bigram loop "$LOOP"
	cp "$P/claim_bigram.py" mine.py
	program a 'trainer.files=["mine.py"]' "trainer.command=[\"$PY\", \"mine.py\", \"loop\"]"
	echo '# changed' >> mine.py
	hg-spec -b a/spec.json -s train.seed=2 b
	cmp a/program/mine.py b/program/mine.py
	hg-spec -b a/spec.json -s 'trainer.files=["mine.py"]' c
	cmp mine.py c/program/mine.py
	cp mine.py other.py
	hg-spec -b a/spec.json -s 'trainer.files=["other.py"]' -s "trainer.command=[\"$PY\", \"other.py\", \"loop\"]" d
	cmp other.py d/program/other.py
	[ ! -e d/program/mine.py ]
	hg-train d
}

@test "a loop may ask for parameters of the program that its base names, and for nothing else of it" {
	local n
	of_ngram
	program first
	jq '{model, train: (.train | {seq_len, batch_tokens, iterations}), trainer: (.trainer | {command, files, gives}),
		scorer: (.scorer | {command, files}), system: {backend: "external"}}' first/spec.json > base.json
	cat > requests <<-'END'
		{}
		{"trainer": {"params": {"order": 4}}}
		{"trainer": {"params": {"order": 4}, "command": ["true"]}}
		{"trainer": null}
		{"scorer": {"command": ["true"]}}
		{"system": false}
		{"about": {}} {"eval": {"docs": 1}}
		["train"]
	END
	run -0 --separate-stderr sh "$HG_TOP/examples/agent.sh" -b base.json work "$DATA" requests
	[ "$(cut -f 2,3 <<< "$output" | tr '\t\n' ' ;')" = \
		"noise first;noise uncalibrated;- request;- request;- request;- request;- request;- request;" ]
	# Only what may be asked for became a run.
	[ "$(find work/runs -name spec.json | wc -l)" -eq 2 ]
	[ "$(cat work/runs/*/spec.json | jq -c '.trainer.params // {}' | sort | xargs)" = "{order:4} {}" ]
}

@test "every program in examples/trainers is run here, and says which evidence it gives" {
	local file
	for file in "$P"/*; do
		grep -qF "\$P/$(basename "$file")" "$BATS_TEST_FILENAME" || { echo "$file" >&2; false; }
		grep -qE '^(# )?Evidence: (checkpoint|artifact|claim)\.' "$file"
	done
}
