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

# sweep ITERATIONS RATES [VARIABLE=VALUE]...
sweep() {
	local n=$1 rates=$2
	shift 2
	make -f "$HG_TOP/examples/sweep.mk" -j2 -k DIR=sweep DATA="$DATA" BASE=base.json RATES="$rates" \
		SET=train.iterations="$n" "$@"
}

# unjudged LEDGER: the rows that wait for something, those of calibrations' own runs included.
unjudged() {
	hg-ledger list -j "$1" | jq -r '.verdict | select(.class == "blocked" or .reason == "uncalibrated") | .reason' | wc -l
}

@test "a sweep of six ends judged, and asked again it runs nothing" {
	run sweep 5 "0.02 0.01 0.015 0.03 0.04 0.06"
	[ "$status" -eq 0 ]
	[ "$(find sweep -path '*lr-*' -name artifact_score_summary.json | wc -l)" -eq 10 ]
	[ "$(unjudged sweep/ledger)" -eq 0 ]
	# The first and four more seeds of it, then five that were screened as they came.
	[ "$(hg-ledger list -j sweep/ledger | jq -r .verdict.reason | sort | uniq -c | awk '$2 == "first" || $2 == "replicate" { n += $1 }
		$2 == "second_wanted" || $2 == "promising" || $2 == "within_noise" || $2 == "worse" { s += $1 } END { print n, s }')" = "5 5" ]
	before=$(find sweep -type f -newer sweep/lr-0.02/spec.json | wc -l)
	rows=$(wc -l < sweep/ledger/ledger.jsonl)
	run sweep 5 "0.02 0.01 0.015 0.03 0.04 0.06"
	[ "$status" -eq 0 ]
	[ "$(wc -l < sweep/ledger/ledger.jsonl)" -eq "$rows" ]
	[ "$(find sweep -type f -newer sweep/lr-0.02/spec.json | wc -l)" -eq "$before" ]
	hg-ledger replay sweep/ledger
}

# in_lane LANE REASONS: names of the runs that were judged so in a lane, sorted.
in_lane() {
	hg-ledger list -j sweep/ledger | jq -r --arg lane "$1" --arg why "$2" \
		'select(.run.lane == $lane and (.verdict.reason | test("^(" + $why + ")$"))).run.run_id' | sort | tr '\n' ' '
}

@test "a sweep of six over two lanes, interrupted, ends judged by the same command, the best of the second beside the first's" {
	local rates="0.001 0.002 0.02 0.003 0.01 0.004" screened="second_wanted|promising|within_noise|worse" pid rows
	set -m
	sweep 20 "$rates" LANES="one two" > out 2>&1 3>&- &
	pid=$!
	set +m
	until_true 60 eval '[ -e sweep/lr-0.001.two.cal.1/metrics.jsonl ]'
	kill -INT -- "-$pid"
	wait "$pid" && false
	run sweep 20 "$rates" LANES="one two"
	[ "$status" -eq 0 ] || { echo "$output" >&2; false; }
	[ "$(unjudged sweep/ledger)" -eq 0 ]
	# Each lane has five seeds of the first rate; each other rate was screened in its lane.
	[ "$(in_lane one 'first|replicate' | wc -w)" -eq 5 ]
	[ "$(in_lane two 'first|replicate' | wc -w)" -eq 5 ]
	[ "$(in_lane two "$screened")" = "lr-0.01 lr-0.02 " ]
	[ "$(in_lane one "$screened")" = "lr-0.002 lr-0.003 lr-0.004 lr-0.02.one " ]
	[[ "$(in_lane one "second_wanted|promising")" == *"lr-0.02.one"* ]]
	# Another seed: not the one that was picked for its score.
	[ "$(jq .train.seed sweep/lr-0.02.one/spec.json)" -ne "$(jq .train.seed sweep/lr-0.02/spec.json)" ]
	rows=$(wc -l < sweep/ledger/ledger.jsonl)
	run sweep 20 "$rates" LANES="one two"
	[ "$status" -eq 0 ]
	[ "$(wc -l < sweep/ledger/ledger.jsonl)" -eq "$rows" ]
	hg-ledger replay sweep/ledger
	# What is left to ask for ends: the incumbent's side is made where the challenger's is.
	hg-confirm -n 12 sweep/ledger sweep/lr-0.02.one
	[ "$(hg-ledger show sweep/ledger | jq -r '.confirmation.lane + " " + .verdict.class')" = "one improvement" ]
}

@test "a run of a sweep that is refused fails it each time, stops no other, and RETRY=-r tries it again" {
	# 1000000 is out of the key's range: there is no such run.
	run sweep 5 "0.02 0.03 1000000"
	[ "$status" -ne 0 ]
	[[ "$output" == *train.matrix_lr* ]]
	[ -e sweep/lr-0.03/artifact_score_summary.json ]
	[ ! -e sweep/lr-1000000/spec.json ]
	run sweep 5 "0.02 0.03 0.04" SET="train.iterations=5 budget.train_deadline_ms=1"
	[ "$status" -ne 0 ]
	[ "$(jq -r .kind sweep/lr-0.04/train_refusal.json)" = deadline_exceeded ]
	run sweep 5 "0.02 0.03 0.04"
	[ "$status" -ne 0 ]
	[ "$(jq .attempt sweep/lr-0.04/train_refusal.json)" -eq 1 ]
	run sweep 5 "0.02 0.03 0.04" RETRY=-r
	[ "$status" -ne 0 ]
	[ "$(jq .attempt sweep/lr-0.04/train_refusal.json)" -eq 2 ]
}

@test "a sweep interrupted at the terminal is gone on with by the same command, each run from where it was, and ends judged" {
	local pid
	set -m
	sweep 150 "0.02 0.03 0.04" > out 2>&1 3>&- &
	pid=$!
	set +m
	until_true 60 eval '[ -e sweep/lr-0.02/metrics.jsonl ] && [ "$(wc -l < sweep/lr-0.02/metrics.jsonl)" -ge 3 ]'
	kill -INT -- "-$pid"
	wait "$pid" && false
	until_true 20 test -e sweep/lr-0.02/train_refusal.json
	[ ! -e sweep/lr-0.02/training_report.json ]
	run sweep 150 "0.02 0.03 0.04"
	[ "$status" -eq 0 ]
	[ "$(jq .resumes sweep/lr-0.02/training_report.json)" -eq 1 ]
	[ "$(unjudged sweep/ledger)" -eq 0 ]
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

# unscored: what it reads, but for scores, which are each machine's.
unscored() {
	sed 's/	[0-9][0-9.]*$/	SCORE/'
}

@test "agent.md's commands print what it shows, and the loop asked again answers the same and runs nothing" {
	local rows
	ln -s "$HG_TOP/examples" examples
	ln -s "$DATA" data
	sed -n -e 's/^    \$ //p' -e 's/^    > //p' "$HG_TOP/examples/agent.md" > script
	sed -n -e '/^    [$>] /d' -e 's/^    //p' "$HG_TOP/examples/agent.md" | unscored > shown
	run --separate-stderr sh -e script
	[ "$status" -eq 0 ]
	diff shown <(unscored <<< "$output")
	[[ "$stderr" == *"unknown key 'train.iteration'; the nearest is 'train.iterations'"* ]]
	[[ "$stderr" == *"only sections model, train and about, and trainer.params, may be asked for"* ]]
	hg-ledger verify work/ledger
	rows=$(wc -l < work/ledger/ledger.jsonl)
	run --separate-stderr sh examples/agent.sh -c -b base.json work data requests.jsonl
	[ "$status" -eq 0 ]
	diff <(head -n 6 shown) <(unscored <<< "$output")
	[ "$(wc -l < work/ledger/ledger.jsonl)" -eq "$rows" ]
}

@test "the loop answers a request that is refused or nonsense and goes on, and stops at a ledger that was altered" {
	mkdir asked
	jq '.budget.train_deadline_ms = 1' base.json > asked/1-late.json
	echo 'not JSON' > asked/2-nonsense.json
	cp base.json asked/3-good.json
	run --separate-stderr sh "$HG_TOP/examples/agent.sh" work "$DATA" asked
	[ "$status" -eq 0 ]
	[ "$(cut -f 1-3 <<< "$output")" = "$(printf '1-late\tblocked\trefused\n2-nonsense\t-\trequest\n3-good\tnoise\tfirst')" ]
	# The refused one was tried twice, and both are on record.
	[ "$(hg-ledger list -j work/ledger | jq -r .verdict.reason | xargs)" = "refused refused first" ]
	# A row's score made better.
	sed -i 's/"val_bpb": *[0-9]/"val_bpb": 0/' work/ledger/ledger.jsonl
	run -103 --separate-stderr sh "$HG_TOP/examples/agent.sh" work "$DATA" asked
	[[ "$stderr" == *"was altered"* ]]
}

# kept: examples/campaign's ledger, where it may be written to, and the one run that is kept to bear witness.
kept() {
	cp -R "$HG_TOP/examples/campaign/ledger" "$HG_TOP/examples/campaign/runs" .
	chmod -R u+w ledger runs
}

# judged NAME: how that idea's confirmation ended.
judged() {
	hg-ledger list -j ledger | jq -rs --arg name "$1" '
		(map(select(.run.run_id == $name))[0].run.config_sha256) as $c
		| map(select(.confirmation.challenger_sha256 == $c))[] | .verdict | "\(.class) \(.reason)"'
}

@test "the campaign in examples/ replays as it was judged, its gain confirmed, its null not, and its README has the ledger's figures" {
	kept
	hg-ledger verify ledger
	run -0 hg-ledger replay ledger
	[[ "$output" == *", 0 differ" ]]
	[ "$(hg-ledger list -j ledger | jq -r 'select(.verdict.class == "improvement") | .verdict.reason')" = confirmed ]
	[ "$(judged momentum-0.9)" = "improvement confirmed" ]
	# It looked good once.
	[ "$(hg-ledger list -j ledger | jq -r 'select(.run.run_id // "" | test("^beta1-0.91(.again.1)?$")).verdict.reason' | xargs)" = \
		"second_wanted within_noise" ]
	# Every figure of the table, and the sum below it.
	run -0 jq -rs -f "$HG_TOP/examples/campaign/figures.jq" ledger/ledger.jsonl
	[ "${#lines[@]}" -ge 21 ]
	diff <(sed -n '/^| idea/,/^[0-9]* runs/p' "$HG_TOP/examples/campaign/README.md") <(echo "$output")
	# and what its sentences say of confirmations
	hg-ledger list -j ledger | jq -r 'select(.confirmation).verdict
		| .gain, (select(.class == "improvement") | .gain_lower, .gain_upper)' > gains
	[ "$(wc -l < gains)" -eq 3 ]
	while read -r gain; do
		printf -v gain %.4f "${gain#-}"
		grep -q "[^+-]$gain" "$HG_TOP/examples/campaign/README.md" || { echo "$gain" >&2; false; }
	done < gains
	# The page is of this ledger, by its head.
	grep -q "$(cut -d ' ' -f 2 ledger/head | cut -c 1-12)" "$HG_TOP/examples/campaign/report.html"
}

@test "what is kept of the campaign names no place of the machine that made it" {
	# Data of any other place would be somebody's.
	run ! grep -nE '"(/[^/"]+)+' <(sed 's|"/srv/homegolf/campaign/data"||g' "$HG_TOP/examples/campaign/ledger/ledger.jsonl")
	run ! grep -rnE '/(work|root|home|tmp)/|localhost' "$HG_TOP/examples/campaign"
}

@test "the campaign's script goes from text to page with a few steps and one idea, and asked again it runs nothing" {
	local rows
	awk '{ print; print "" }' "$DATA.txt" > text
	export STEPS=3 IDEAS=1
	run --separate-stderr sh "$HG_TOP/examples/campaign/run.sh" c text
	[ "$status" -eq 0 ]
	hg-ledger verify c/ledger
	[ "$(hg-ledger list -j c/ledger | jq -r 'select(.run.run_id == "softcap-31").verdict | .noise')" = calibrated ]
	[ -s c/report.html ]
	rows=$(wc -l < c/ledger/ledger.jsonl)
	run --separate-stderr sh "$HG_TOP/examples/campaign/run.sh" c text
	[ "$status" -eq 0 ]
	[ "$(wc -l < c/ledger/ledger.jsonl)" -eq "$rows" ]
}

@test "the kept campaign of a minute replays to the last digit, and its table tells what the ledger has" {
	local run score
	cp -R "$HG_TOP/examples/campaigns/minute/ledger" minute
	run -0 --separate-stderr hg-ledger replay minute
	[[ $output == "14 rows, 12 verdicts derived again, 0 differ" ]]
	for run in 01-encoder0 02-warmdown 03-heads 04-decay 05-smear 06-bigram 07-values; do
		score=$(jq -r --arg run "$run" 'select(.run.run_id? == $run) | .verdict.score' minute/ledger.jsonl)
		grep -q "^| $run | $(printf %.3f "$score") |" "$HG_TOP/examples/campaigns/minute/README.md"
		[ "$(sha256sum < "$HG_TOP/examples/campaigns/minute/in/$run.json" | cut -d ' ' -f 1)" = \
		    "$(jq -r .request_sha256 "$HG_TOP/examples/campaigns/minute/admit/$run.json")" ]
	done
	run ! grep -rnE '/(work|root|home|tmp)/|localhost' "$HG_TOP/examples/campaigns/minute"
}

@test "the kept campaign of ten minutes replays, and its tables and the README tell what its seeds scored" {
	local ten=$HG_TOP/examples/campaigns/ten
	cp -R "$ten/ledger" ten
	run -0 --separate-stderr hg-ledger replay ten
	[[ $output == "6 rows, 4 verdicts derived again, 0 differ" ]]
	jq -r 'select(.run.run_id? | . != null and startswith("00-base")) | .verdict.score' ten/ledger.jsonl | awk '
	    { n++; sum += $1; squares += $1 * $1 }
	    END { mean = sum / n; printf "%d %.3f %.3f", n, mean, sqrt((squares - n * mean * mean) / (n - 1)) }' > found
	read -r n mean sd < found || :
	grep -q "2,533 steps of 4,096 tokens: $mean bpb, standard deviation $sd over $n seeds" "$HG_TOP/README.md"
	grep -q "^| 01-values | $(jq -r 'select(.run.run_id? == "01-values") | .verdict.score' ten/ledger.jsonl |
	    awk '{ printf "%.3f", $1 }') |" "$ten/README.md"
	run ! grep -rnE '/(work|root|home|tmp)/|localhost' "$ten" "$HG_TOP/examples/campaigns/minute-2"
}

@test "the recipe of a minute is what its five seeds were measured with, and its mean and deviation are theirs" {
	local keys
	keys=$(jq -r '.model | [.value_embed_layers, .num_heads, .num_kv_heads, .encoder_layers] | "model.value_embed_layers=\(.[0]
	    | tojson) model.num_heads=\(.[1]) model.num_kv_heads=\(.[2]) model.encoder_layers=\(.[3])"' "$HG_TOP/examples/specs/cpu-1min.json")
	awk -F '\t' -v keys="$keys" -v steps="$(jq .train.iterations "$HG_TOP/examples/specs/cpu-1min.json")" '
	    $1 == steps && $3 == keys { n++; sum += $8; squares += $8 * $8; seeds[$2] }
	    END { mean = sum / n; for (s in seeds) different++
		printf "%d seeds: %.3f bpb, standard deviation %.3f\n", different, mean, sqrt((squares - n * mean * mean) / (n - 1)) }' \
	    "$HG_TOP/examples/campaigns/seeds/runs.tsv" > found
	[ "$(cat found)" = "5 seeds: 1.529 bpb, standard deviation 0.007" ]
	grep -q "1,210 steps of 4,096 tokens: 1.529 bpb, standard deviation 0.007 over 5 seeds" "$HG_TOP/README.md"
}
