# The examples do what they say.
load helper

setup_file() {
	export DATA=$BATS_FILE_TMPDIR/data HOMEGOLF_LANES=$BATS_FILE_TMPDIR/lanes
	tiny_data "$DATA" 2> /dev/null
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	cat > base.json <<-'END'
	{"model": {"num_layers": 2, "model_dim": 32, "num_heads": 4, "num_kv_heads": 2},
	 "train": {"seq_len": 64, "batch_tokens": 256, "micro_batch_tokens": 256, "iterations": 4, "warmup_steps": 1,
		"warmdown_frac": 0.4},
	 "prompt": {"text": "The ", "tokens": 8},
	 "system": {"backend": "ref"}}
	END
}

@test "the demo goes from text to a ledger of two runs, and adds two more when run again" {
	mkdir demo
	# Entries as the dictionary has them: paragraphs.
	awk '{ print; print "" }' "$DATA.txt" > demo/gcide.txt
	export DEMO_VOCAB=300 DEMO_DOCS=40 DEMO_MS=2000 DEMO_BASE=$PWD/base.json
	run --separate-stderr sh "$HG_TOP/examples/demo.sh" "$PWD/demo"
	[ "$status" -eq 0 ]
	[[ "$output" == *"The "* ]]
	[ "$(find demo/runs -name artifact_score_summary.json | wc -l)" -eq 2 ]
	# By the clock: a machine that slows down makes fewer steps, and no run invalid.
	[ "$(jq -s -c 'map(.stop_reason) | unique' demo/runs/*/training_report.json)" = '["wallclock"]' ]
	hg-ledger verify demo/ledger
	[ "$(hg-ledger list -j demo/ledger | jq -r .verdict.class | sort -u)" = noise ]
	sh "$HG_TOP/examples/demo.sh" "$PWD/demo"
	[ "$(find demo/runs -name artifact_score_summary.json | wc -l)" -eq 4 ]
	[ "$(hg-ledger list -j demo/ledger | wc -l)" -eq 4 ]
	# and leaves it as a page
	"$PYTHON" "$HG_TOP/t/tools/report_page.py" numbers demo/report.html demo/ledger
	[ "$(grep -o 'class="loss"' demo/report.html | wc -l)" -eq 4 ]
}

@test "a run driven by hand ends as hg-run would end it" {
	mkdir runs
	sh "$HG_TOP/examples/by-hand.sh" "$DATA" ledger runs/hand base.json train.seed=3
	hg-spec -b base.json -s data.dir="$DATA" -s train.seed=3 runs/driven
	hg-run -l ledger runs/driven
	cmp runs/hand/artifact.hgz runs/driven/artifact.hgz
	[ "$(hg-status -j runs/hand | jq -r .state)" = complete ]
	[ "$(hg-ledger list -j ledger | wc -l)" -eq 2 ]
}

@test "the pipeline answers from states and ledger" {
	mkdir runs
	sh "$HG_TOP/examples/by-hand.sh" "$DATA" ledger runs/one base.json
	hg-spec -b base.json -s data.dir="$DATA" runs/two
	run --separate-stderr sh "$HG_TOP/examples/pipeline.sh" ledger runs/one runs/two
	[ "$status" -eq 0 ]
	[[ "$output" == *"1 complete"* ]]
	[[ "$output" == *"1 new"* ]]
	[[ "$output" == *"1 noise"* ]]
}

@test "a sweep runs in two lanes, shows a refused run without stopping the others, and leaves finished runs alone" {
	# 1000000 is out of the key's range: that run is refused, the others are not stopped.
	run make -f "$HG_TOP/examples/sweep.mk" -j2 -k DIR=sweep DATA="$DATA" BASE=base.json RATES="0.02 0.03 1000000" \
		SET=train.iterations=5
	[ "$status" -ne 0 ]
	[ -e sweep/lr-0.02/summary.json ]
	[ -e sweep/lr-0.03/summary.json ]
	[ ! -e sweep/lr-1000000/summary.json ]
	[[ "$output" == *train.matrix_lr* ]]
	before=$(stat -c %Y.%i sweep/lr-0.02/summary.json)
	run make -f "$HG_TOP/examples/sweep.mk" -j2 -k DIR=sweep DATA="$DATA" BASE=base.json RATES="0.02 0.03" SET=train.iterations=5
	[ "$status" -eq 0 ]
	[ "$(stat -c %Y.%i sweep/lr-0.02/summary.json)" = "$before" ]
	[[ "$output" == *complete* ]]
}

@test "a sweep that was interrupted goes on with what is not finished" {
	timeout -s INT 3 make -f "$HG_TOP/examples/sweep.mk" -j2 -k DIR=sweep DATA="$DATA" BASE=base.json \
		RATES="0.01 0.02 0.03 0.04" SET=train.iterations=60 3>&- || :
	until_true 20 eval '! pgrep -f "hg-train sweep/" > /dev/null'
	run make -f "$HG_TOP/examples/sweep.mk" -j2 -k DIR=sweep DATA="$DATA" BASE=base.json \
		RATES="0.01 0.02 0.03 0.04" SET=train.iterations=60 RETRY=-r
	[ "$status" -eq 0 ]
	[ "$(find sweep -name summary.json | wc -l)" -eq 4 ]
	hg-ledger verify sweep/ledger
}

@test "every base spec in examples/specs is taken by hg-spec" {
	local f
	for f in "$HG_TOP"/examples/specs/*.json; do
		case $f in
		*public* | *gpu* | *baseline* | *small* | *cpu* | *tiny*) ;;
		*) echo "no such class of recipe: $f" >&2; false ;;
		esac
		hg-spec -b "$f" -s data.dir="$DATA" -s model.vocab_size=260 "$(basename "$f" .json)"
	done
}
