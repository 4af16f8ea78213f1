load helper
load fakerun

setup() {
	fakerun_setup
	new_run r
}

complete() {
	local s
	for s in $("$HG_T/tools/contract" -w stage); do
		fakestage $s "$1" deliver
	done
}

# bats test_tags=b37,b9
@test "hg-gate passes a complete run, and binds it to its spec" {
	complete r
	for s in $("$HG_T/tools/contract" -w stage); do
		run -0 hg-gate $s r
		[ "$output" = "$s of r: complete and bound to spec $(sha256sum r/spec.json | cut -c1-12)" ]
	done
}

# bats test_tags=b36,b37,b38
@test "everything that is missing or altered is listed at once, and the same twice" {
	complete r
	rm r/checkpoint.safetensors
	echo more >> r/artifact.hgz
	printf y | dd of=r/score_docs.tsv bs=1 conv=notrunc status=none
	run -1 hg-gate score r
	[ "${#lines[@]}" -eq 3 ]
	[[ $output == *"train: checkpoint.safetensors: missing"* ]]
	[[ $output == *"export: artifact.hgz: altered: its size in bytes differs (505, not 500)"* ]]
	[[ $output == *"score: score_docs.tsv: altered: its digest differs"* ]]
	first=$output
	run -1 hg-gate score r
	[ "$output" = "$first" ]
}

# bats test_tags=b37
@test "a receipt of another run, spec, stage or attempt fails" {
	complete r
	new_run s
	complete s
	cp s/export_report.json r/export_report.json
	run -1 hg-gate score r
	[[ $output == *"export: export_report.json: other_run: it is of another run"* ]]
	cp s/training_report.json r/training_report.json
	run -1 hg-gate train r
	[ "${#lines[@]}" -eq 1 ]
	mkdir -p s/attempts/train.1
	run -1 hg-gate train s
	[[ $output == *"other_run: it is of another attempt (1, not 2)"* ]]
}

# bats test_tags=b37,b9
@test "a receipt that was made from other bytes than those here is unbound" {
	complete r
	# Trained again: each file is sound by itself, and the chain is not.
	rm r/training_report.json r/checkpoint.safetensors r/train.lock
	fakestage train r nap=10 deliver
	run -1 hg-gate export r
	[[ $output == *"export: export_report.json: unbound: training_report_sha256 differs"* ]]
	run -1 hg-gate score r
	[[ $output == *"score: artifact_score_report.json: unbound: training_report_sha256 differs"* ]]
}

# bats test_tags=b37,b9
@test "every digest that a receipt or a report has is held against what it was made from" {
	local stage file key said zeros
	zeros=$(printf '%064d' 0)
	complete r
	while read -r stage file key said; do
		cp "r/$file" kept
		jq ".$key = \"$zeros\"" kept > "r/$file"
		run -1 hg-gate "$stage" r
		[[ $output == *"$stage: $said"* ]] || { echo "$file $key: $output" >&2; false; }
		cp kept "r/$file"
	done <<-END
		train training_report.json checkpoint.sha256 checkpoint.safetensors: altered: its digest differs
		train training_report.json metrics.sha256 metrics.jsonl: altered: its digest differs
		train training_report.json config_sha256 training_report.json: differs: config_sha256 differs
		train training_report.json dataset_sha256 training_report.json: differs: dataset_sha256 differs
		train training_report.json tokenizer_sha256 training_report.json: differs: tokenizer_sha256 differs
		export export_report.json training_report_sha256 export_report.json: unbound: training_report_sha256 differs
		export export_report.json checkpoint_sha256 export_report.json: unbound: checkpoint_sha256 differs
		export export_report.json artifact.sha256 artifact.hgz: altered: its digest differs
		prompt prompt_report.json artifact_sha256 prompt_report.json: unbound: artifact_sha256 differs
		score artifact_score_summary.json score_report_sha256 artifact_score_summary.json: unbound: score_report_sha256
		score artifact_score_report.json artifact_sha256 artifact_score_report.json: unbound: artifact_sha256 differs
		score artifact_score_report.json export_report_sha256 artifact_score_report.json: unbound: export_report_sha256
		score artifact_score_report.json training_report_sha256 artifact_score_report.json: unbound: training_report_sha
		score artifact_score_report.json dataset_sha256 artifact_score_report.json: differs: dataset_sha256 differs
		score artifact_score_report.json tokenizer_sha256 artifact_score_report.json: differs: tokenizer_sha256 differs
		score artifact_score_report.json eval_sha256 artifact_score_report.json: differs: eval_sha256 differs
		score artifact_score_report.json docs_sha256 score_docs.tsv: altered: its digest differs
	END
	run -0 hg-gate score r
	for key in val_loss val_bpb val_bpb_raw documents; do
		cp r/artifact_score_summary.json kept
		jq ".$key += 1" kept > r/artifact_score_summary.json
		run -1 hg-gate score r
		[[ $output == *"artifact_score_summary.json: differs: $key is not the report's"* ]]
		cp kept r/artifact_score_summary.json
	done
}

# bats test_tags=b37
@test "a receipt that calls its files otherwise, or whose counts don't add up, is found" {
	complete r
	cp r/training_report.json kept
	jq '.tokens += 1' kept > r/training_report.json
	run -1 hg-gate train r
	[ "$output" = "train: training_report.json: differs: tokens is not steps * batch_tokens" ]
	jq '.checkpoint.file = "other.safetensors"' kept > r/training_report.json
	run -1 hg-gate train r
	[ "$output" = "train: checkpoint.safetensors: differs: its receipt calls it otherwise (other.safetensors, not checkpoint.safetensors)" ]
	cp kept r/training_report.json
	run -0 hg-gate train r
}

# bats test_tags=b37
@test "an empty, malformed or edited receipt breaks its contract, or the chain" {
	complete r
	cp -r r saved
	: > r/export_report.json
	run -103 hg-gate export r
	[[ $output == *"export: export_report.json: malformed"* ]]
	head -c 100 saved/export_report.json > r/export_report.json
	run -103 hg-gate export r
	jq '.colour = 1' saved/export_report.json > r/export_report.json
	run -103 hg-gate export r
	jq '.total_bytes = 1' saved/export_report.json > r/export_report.json
	run -1 hg-gate score r
	[[ $output == *"its sizes do not add up"*"unbound: export_report_sha256 differs"* ]]
	cp saved/export_report.json r/
	jq '.val_bpb = 1.0' saved/artifact_score_report.json > r/artifact_score_report.json
	run -1 hg-gate score r
	[[ $output == *"score_report_sha256 differs"*"val_bpb is not the report's"*"val_bpb is not val_loss"* ]]
}

# bats test_tags=b11
@test "a partial score does not pass" {
	fakestage train r deliver
	fakestage export r deliver
	FAKE_PARTIAL=1 fakestage score r deliver
	run -1 hg-gate score r
	[ "$output" = "score: artifact_score_report.json: partial: 4999 of 5000 documents were scored" ]
}

# bats test_tags=b19,b37
@test "what is not finished is pending, what is refused is no" {
	run -2 hg-gate score r
	[[ $output == *"train: training_report.json: unfinished"*"score: artifact_score_summary.json: unfinished"* ]]
	fakestage train r nap=400 deliver 3>&- &
	pid=$!
	until_true 10 running train r
	run -2 hg-gate train r
	[[ $output == *"stage train is running"* ]]
	exits 0 "$pid"
	run -1 fakestage export r refuse=input_invalid
	run -1 hg-gate score r
	[[ $output == *"export: export_report.json: refused: a test wants 'input_invalid'"* ]]
}

# bats test_tags=b4
@test "hg-gate closes out the dead first" {
	fakestage train r hang 3>&- &
	pid=$!
	until_true 10 running train r
	kill -9 "$pid"
	exits 137 "$pid"
	run -1 hg-gate train r
	[[ $output == *"refused"* ]]
	[ "$(key r/train_refusal.json .kind)" = owner_died ]
}

@test "a stage with both a receipt and a refusal is corrupt for every tool" {
	run -102 fakestage train r signal=9
	new_run s
	fakestage train s deliver
	cp s/training_report.json r/
	run -103 hg-gate train r
	[[ $output == *"train: training_report.json: corrupt"* ]]
	run -103 hg-await -t 1 train r
	run -103 hg-retry train r
	run -103 fakestage train r deliver
	[ "$(hg-status -j r | jq -r .state)" = corrupt ]
	run -103 hg-run r
}

@test "a symbolic link in the place of a file fails" {
	complete r
	cp r/artifact.hgz elsewhere
	rm r/artifact.hgz
	ln -s ../elsewhere r/artifact.hgz
	run -1 hg-gate export r
	[[ $output == *"artifact.hgz: altered: it cannot be read"* ]]
}
