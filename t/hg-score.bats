# hg-export, hg-prompt and hg-score: an honest number, bound to the bytes that it came from.
load helper

setup_file() {
	export DATA=$BATS_FILE_TMPDIR/data HOMEGOLF_LANES=$BATS_FILE_TMPDIR/lanes
	tiny_data "$DATA" 2> /dev/null
	cd "$BATS_FILE_TMPDIR"
	mkdir runs
	# One matrix is over 65,536 elements, so that the artifact holds int8 too.
	tiny_spec runs/whole train.iterations=6 train.val_every=6 model.model_dim=192 model.mlp_mult=4 model.num_layers=1
	hg-train runs/whole
	cp -r runs/whole runs/trained
	hg-export runs/whole
	cp -r runs/whole runs/exported
	hg-prompt runs/whole > text
	hg-score runs/whole
}

setup() {
	cd "$BATS_FILE_TMPDIR"
	R=runs/t$BATS_TEST_NUMBER
}

# copy_of STATE: a run of its own in that state. A run keeps its name, so the copy stands in a folder of its own.
copy_of() {
	mkdir -p "$R"
	cp -r "runs/$1" "$R/whole"
	R=$R/whole
}

# forge KEY VALUE...: alter the score's report, and make the summary's digest of it fit, as anybody can.
forge() {
	while [ $# -gt 0 ]; do
		jq --arg v "$2" "(\$v | try fromjson catch \$v) as \$x | .$1 = \$x" "$R/artifact_score_report.json" > forged
		mv forged "$R/artifact_score_report.json"
		shift 2
	done
	jq --arg d "$(sha256sum < "$R/artifact_score_report.json" | cut -d' ' -f1)" '.score_report_sha256 = $d' \
		"$R/artifact_score_summary.json" > forged
	mv forged "$R/artifact_score_summary.json"
}

kind() { jq -r .kind "$R/$1_refusal.json"; }

@test "the artifact opens with Python's zlib and a safetensors reader, and restores the checkpoint" {
	"$PYTHON" - runs/whole <<'END'
import json, struct, sys, zlib, math
def tensors(raw):
    n = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8:8 + n])
    meta = head.pop("__metadata__", {})
    form = {"F32": "f", "F16": "e", "I8": "b"}
    out = {}
    for name, t in head.items():
        a, b = t["data_offsets"]
        out[name] = (t["dtype"], t["shape"], struct.unpack("<%d%s" % ((b - a) // struct.calcsize(form[t["dtype"]]), form[t["dtype"]]), raw[8 + n + a:8 + n + b]))
    return meta, out
run = sys.argv[1]
meta, q = tensors(zlib.decompress(open(run + "/artifact.hgz", "rb").read()))
_, w = tensors(open(run + "/checkpoint.safetensors", "rb").read())
assert json.loads(meta["config"])["model_dim"] == 192, meta
seen = 0
for name, (dtype, shape, v) in w.items():
    d, s, x = q[name]
    assert s == shape, name
    if d == "I8":
        seen += 1
        scale = q[name + ".scale"][2]
        x = [x[i] * scale[i // shape[1]] for i in range(len(x))]
        bound = max(scale) * 0.51
    else:
        bound = 1e-3
    assert max(abs(a - b) for a, b in zip(x, v)) <= bound, name
assert seen == 2, seen
END
}

@test "an export report counts code and artifact against the cap in decimal bytes" {
	local r=runs/whole/export_report.json
	[ "$(jq '.total_bytes == .code_bytes + .artifact.bytes and .cap_bytes == 16000000 and .within_cap' $r)" = true ]
	[ "$(jq .artifact.bytes $r)" = "$(wc -c < runs/whole/artifact.hgz)" ]
	[ "$(jq -r .artifact.sha256 $r)" = "$(sha256sum < runs/whole/artifact.hgz | cut -d' ' -f1)" ]
}

# bats test_tags=b24
@test "an artifact over the cap is a receipt that says so, not a refusal" {
	tiny_spec "$R" budget.artifact_cap_bytes=1000
	hg-train "$R"
	hg-export "$R"
	[ "$(jq .within_cap "$R/export_report.json")" = false ]
}

@test "exporting the same checkpoint again gives the same bytes" {
	copy_of trained
	hg-export "$R"
	cmp "$R/artifact.hgz" runs/whole/artifact.hgz
}

@test "a checkpoint with one altered byte is not exported" {
	copy_of trained
	printf '\377' | dd of="$R/checkpoint.safetensors" bs=1 seek=5000 conv=notrunc 2> /dev/null
	run hg-export "$R"
	[ "$status" -eq 1 ]
	[ "$(kind export)" = input_wrong_digest ]
	[ ! -e "$R/artifact.hgz" ]
}

# bats test_tags=b10
@test "bits per byte are nats / ln 2 / bytes, and the documents add up to the report" {
	local r=runs/whole/artifact_score_report.json
	jq -e '(.val_loss / (2 | log) * .tokens / .bytes - .val_bpb) | fabs < 1e-12' $r
	jq -e '(.val_loss / (2 | log) * .tokens / .raw_bytes - .val_bpb_raw) | fabs < 1e-12' $r
	awk -F '\t' -v want="$(jq -r '[.tokens, .bytes, .raw_bytes, .val_loss * .tokens, .documents] | @tsv' $r)" '
	    /^#/ { next } { t += $2; b += $3; r += $4; n += $5; d++ }
	    END { split(want, w, "\t"); if (t != w[1] || b != w[2] || d != w[5]) exit 1
		if (n - w[4] > 1e-6 || w[4] - n > 1e-6 || r < w[3]) exit 1 }' runs/whole/score_docs.tsv
}

@test "the score after quantisation is near the one before it, which the report tells too" {
	jq -e '(.val_loss - .prequant_val_loss) | fabs < 0.05' runs/whole/artifact_score_report.json
}

# bats test_tags=b8
@test "scoring again gives a report that differs in nothing but what is declared as timing" {
	copy_of exported
	hg-score -j 2 "$R"
	cmp "$R/score_docs.tsv" runs/whole/score_docs.tsv
	local f timing
	for f in score_report:artifact_score_report score_summary:artifact_score_summary; do
		timing=$(jq -c '[.properties | to_entries[] | select(.value["x-timing"]) | .key]' "$HG_TOP/contracts/${f%:*}.json")
		jq -S --argjson t "$timing" 'with_entries(select(.key as $k | $t | index($k) | not)) | del(.threads, .score_report_sha256)' \
			"$R/${f#*:}.json" > one
		jq -S --argjson t "$timing" 'with_entries(select(.key as $k | $t | index($k) | not)) | del(.threads, .score_report_sha256)' \
			"runs/whole/${f#*:}.json" > two
		diff one two
	done
}

@test "hg-score -c scores again, compares and writes nothing" {
	copy_of whole
	ls -lR --time-style=full-iso "$R" > before
	run --separate-stderr hg-score -c "$R"
	[ "$status" -eq 0 ]
	[ "$(jq .same <<< "$output")" = true ]
	ls -lR --time-style=full-iso "$R" > after
	diff before after
}

@test "hg-score -c says no when the recorded score is not what the artifact gives" {
	copy_of whole
	sed -i 's/"val_bpb": [0-9]/"val_bpb": 9/' "$R/artifact_score_report.json"
	run --separate-stderr hg-score -c "$R"
	[ "$status" -eq 1 ]
	[ "$(jq -c .differ <<< "$output")" = '["val_bpb"]' ]
}

@test "hg-score -c compares all that follows from artifact and data, and a report of before a member came is the same" {
	local report=artifact_score_report.json key value
	copy_of whole
	cp "$R/$report" kept
	while read -r key value; do
		forge "$key" "$value"
		run --separate-stderr hg-score -c "$R"
		[ "$status" -eq 1 ]
		[ "$(jq -r '.differ[]' <<< "$output")" = "${key%%.*}" ]
		cp kept "$R/$report"
	done <<-END
		val_kept_sha256 $(sha256sum < /dev/null | cut -c 1-64)
		raw_bytes 1
		documents_expected 1
		partial true
		eval.seq_len 31
		prequant_val_loss 1.5
		training_report_sha256 $(sha256sum < /dev/null | cut -c 1-64)
	END
	jq 'del(.val_kept_sha256) | .threads += 1 | .score_ms += 1' kept > "$R/$report"
	run -0 --separate-stderr hg-score -c "$R"
	[ "$(jq .same <<< "$output")" = true ]
}

# bats test_tags=b6,b18
@test "an artifact that is missing, cut short, too long or altered is four kinds of refusal" {
	local base=$R k
	for k in input_missing input_truncated input_wrong_size input_wrong_digest; do
		R=$base/$k
		copy_of exported
		case $k in
		input_missing) rm "$R/artifact.hgz" ;;
		input_truncated) truncate -s -1 "$R/artifact.hgz" ;;
		input_wrong_size) printf x >> "$R/artifact.hgz" ;;
		input_wrong_digest) printf '\001' | dd of="$R/artifact.hgz" bs=1 seek=100 conv=notrunc 2> /dev/null ;;
		esac
		run hg-score "$R"
		[ "$status" -ne 0 ]
		[ "$(kind score)" = "$k" ]
		[ ! -e "$R/artifact_score_report.json" ]
	done
}

# bats test_tags=b9
@test "a score is refused when a receipt is of another run, or the data changed" {
	tiny_spec "$R-other"
	hg-train "$R-other"
	local base=$R
	R=$base/receipt
	copy_of exported
	cp "$base-other/training_report.json" "$R/training_report.json"
	run hg-score "$R"
	[ "$(kind score)" = input_wrong_digest ]
	R=$base/data
	copy_of exported
	rm -rf kept
	cp -r "$DATA" kept
	printf '\007' | dd of="$(ls "$DATA"/*val_000000.bin)" bs=1 seek=3000 conv=notrunc 2> /dev/null
	run hg-score "$R"
	rm -rf "$DATA"
	mv kept "$DATA"
	[ "$(kind score)" = input_wrong_digest ]
}

# bats test_tags=b7
@test "a run that trained no step gets a refusal, not a score" {
	copy_of trained
	sed -i 's/"steps": [0-9]*,/"steps": 0,/' "$R/training_report.json"
	hg-export "$R" || :
	run hg-score "$R"
	[ "$status" -ne 0 ]
	[ ! -e "$R/artifact_score_report.json" ]
	run hg-gate score "$R"
	[ "$status" -ne 0 ]
	[ "$(kind score)" = no_steps_trained ]
}

@test "every token is scored once by sliding windows, and more context does not hurt much" {
	tiny_spec "$R" eval.mode=sliding:16
	hg-train "$R"
	hg-export "$R"
	hg-score "$R"
	[ "$(jq .tokens "$R/artifact_score_report.json")" = "$(($(jq .val.tokens "$DATA/dataset.json") - 1))" ]
	[ "$(jq .partial "$R/artifact_score_report.json")" = false ]
	# All of the text is scored, so the bytes are those that hg-data counted.
	[ "$(jq -c '[.bytes, .raw_bytes]' "$R/artifact_score_report.json")" = "$(jq -c '[.val.bytes, .val.raw_bytes]' "$DATA/dataset.json")" ]
}

# bats test_tags=b11,b96
@test "each document by itself, and test-time training on it, are laws of their own; at rate 0 the latter scores the former's bits" {
	local mode n=0 e=$R/whole/evals
	copy_of whole
	for mode in documents ttt:16:0 ttt:16:0.5 ttt:16:1 ttt:32:0.5; do
		hg-score -e "e$((n += 1))" -s "eval.mode=$mode" -s eval.docs=5 "$R" > said
		[ "$(jq -r .eval.mode said)" = "$mode" ]
	done
	# Each token but the first, whatever the law.
	[ "$(jq -s 'map(.tokens) | unique | .[]' "$e"/*.json)" = \
		"$(awk -F '\t' '!/^#/ && n++ < 5 { s += $2 } END { print s - 1 }' "$DATA/val_docs.tsv")" ]
	[ "$(jq -c -s 'map([.documents, .partial]) | unique' "$e"/*.json)" = '[[5,false]]' ]
	[ "$(jq -s 'map(.eval_sha256) | unique | length' "$e"/*.json "$R/artifact_score_report.json")" = 6 ]
	[ "$(jq -r .docs_sha256 "$e/e1.json")" = "$(jq -r .docs_sha256 "$e/e2.json")" ]
	[ "$(jq -s 'map(.docs_sha256) | unique | length' "$e"/*.json)" = 4 ]
	[ "$(jq -r '.claim_boundary | test("Test-time training")' "$e/e1.json" "$e/e3.json" | tr '\n' ' ')" = "false true " ]
	# The artifact is as it was.
	hg-score -c "$R"
}

# bats test_tags=b96
@test "test-time training scores a checkpoint while it trains, and changes neither it, nor artifact, nor prompt" {
	tiny_spec "$R" train.iterations=6 train.val_every=3 model.model_dim=192 model.mlp_mult=4 model.num_layers=1 \
	    eval.mode=ttt:16:0.5 eval.docs=4
	hg-train "$R"
	cmp "$R/checkpoint.safetensors" runs/whole/checkpoint.safetensors
	hg-export "$R"
	cmp "$R/artifact.hgz" runs/whole/artifact.hgz
	hg-prompt "$R" > said
	cmp said text
	hg-score -j 2 "$R"
	hg-score -c "$R"
	hg-gate score "$R"
	jq -e '(.val_loss - .prequant_val_loss) | fabs > 0 and fabs < 0.05' "$R/artifact_score_report.json"
	# It is what hg-score -e says of the other run.
	copy_of whole
	hg-score -e same -s eval.mode=ttt:16:0.5 -s eval.docs=4 "$R"
	[ "$(jq -c '[.val_bpb, .docs_sha256]' "$R/evals/same.json")" = \
		"$(jq -c '[.val_bpb, .docs_sha256]' "${R%/whole}/artifact_score_report.json")" ]
}

# bats test_tags=b11
@test "the first N documents are a law of their own, complete in itself" {
	tiny_spec "$R" eval.docs=5
	hg-train "$R"
	hg-export "$R"
	hg-score "$R"
	[ "$(jq -c '[.documents <= 5, .documents == .documents_expected, .partial]' "$R/artifact_score_report.json")" = '[true,true,false]' ]
}

@test "hg-score -d returns at once with its output closed, and hg-await ends with the receipt" {
	copy_of exported
	x=$(hg-score -d "$R")
	[ -z "$x" ]
	hg-await -t 60 score "$R"
	[ "$(jq .val_bpb "$R/artifact_score_summary.json")" = "$(jq .val_bpb runs/whole/artifact_score_summary.json)" ]
}

# bats test_tags=b3,b13
@test "a scorer that runs out of time is refused as out of time, or earlier as sure to" {
	copy_of exported
	run hg-score -t 0.001 "$R"
	[ "$status" -eq 102 ]
	[[ "$(kind score)" == deadline_exceeded ]] || [[ "$(kind score)" == projected_over_budget ]]
}

@test "stages that have not closed out are pending: nothing is touched, exit 2" {
	copy_of trained
	run --separate-stderr hg-score "$R"
	[ "$status" -eq 2 ]
	[ ! -e "$R/score_refusal.json" ]
	[[ "$stderr" == *hg-export* ]]
}

@test "asked again, a stage that has closed out says so and exits 0" {
	run hg-export runs/whole
	[ "$status" -eq 0 ]
	run hg-score runs/whole
	[ "$status" -eq 0 ]
}

# bats test_tags=b17
@test "a prompt that fails leaves the score alone" {
	tiny_spec "$R" budget.prompt_deadline_ms=20 prompt.tokens=50000
	run hg-run "$R"
	[ "$(kind prompt)" = deadline_exceeded ]
	[ "$(jq .partial "$R/artifact_score_summary.json")" = false ]
}

@test "hg-prompt takes what the spec may say, and refuses the rest as a wrong command line that touches no stage" {
	local odd
	copy_of exported
	ls -A "$R" > before
	for odd in -n0 -n1048577 -T-1 -T101 -Tnan -S-1 -S9007199254740992 -nmany "-p$(head -c 65537 /dev/zero | tr '\0' x)"; do
		run --separate-stderr hg-prompt "$odd" "$R"
		[ "$status" -eq 100 ]
		[[ $stderr == "hg-prompt: ${odd:0:2}"* ]]
	done
	run --separate-stderr hg-prompt -p $'ab\xc3\xa9\xffz' "$R"
	[ "$status" -eq 100 ]
	[[ ${stderr_lines[0]} == "hg-prompt: -p: the prompt is no UTF-8: byte 5, 0xff, begins no character" ]]
	ls -A "$R" | diff before -
	hg-prompt -n 2 -S 9007199254740991 -p $'\xc3\xa9' "$R" > text2
	[ -e "$R"/prompt_report.json ]
}

@test "what a model writes reaches a pipe as it is, and a terminal as what can be seen" {
	local p=$'a\e[31m\tb\x7f\nc\u009b2J'
	hg-prompt -n 1 -T 0 -p "$p" runs/whole > piped
	[ "$(head -c ${#p} piped | head -c 3)" = $'a\e[' ]
	"$PYTHON" -c 'import pty, sys; pty.spawn(sys.argv[1:])' hg-prompt -n 1 -T 0 -p "$p" runs/whole < /dev/null | tr -d '\r' > seen
	grep -qF 'a\x1b[31m'$'\t''b\x7f' seen
	grep -qF 'c\xc2\x9b2J' seen
}

@test "hg-prompt generates the same text from the same seed and writes its receipt once" {
	[ "$(cat text)" = "$(jq -r .text runs/whole/prompt_report.json)" ]
	[ "$(hg-prompt runs/whole)" = "$(cat text)" ]
	[ "$(hg-prompt -T 0 -S 1 runs/whole)" = "$(hg-prompt -T 0 -S 2 runs/whole)" ]
	[ "$(hg-prompt -S 5 -n 30 -T 2 runs/whole)" != "$(hg-prompt -S 6 -n 30 -T 2 runs/whole)" ]
	[ "$(jq '.tokens | length' runs/whole/prompt_report.json)" -le 8 ]
}

@test "hg-pace prints how many iterations fit, and writes nothing" {
	tiny_spec "$R" budget.max_wallclock_ms=5000
	ls -lR --time-style=full-iso "$R" > before
	run --separate-stderr hg-pace -t 0.1 "$R"
	[ "$status" -eq 0 ]
	jq -e '.iterations > 1 and .iterations <= 5000 / .step_ms and .steps >= 3' <<< "$output"
	ls -lR --time-style=full-iso "$R" > after
	diff before after
}

# bats test_tags=b45,b44
@test "reports keep their contracts" {
	"$HG_T/tools/contract" export_report runs/whole/export_report.json
	"$HG_T/tools/contract" prompt_report runs/whole/prompt_report.json
	"$HG_T/tools/contract" score_report runs/whole/artifact_score_report.json
	"$HG_T/tools/contract" score_summary runs/whole/artifact_score_summary.json
	"$HG_T/tools/contract" score_status runs/whole/score_status.json
}

# What a score is, without when and how fast it was made.
bits() { jq -c '[.val_loss, .val_bpb, .docs_sha256, .dataset_sha256]' "$1/artifact_score_report.json"; }

@test "a run whose data has moved is scored again to the same bits: by HOMEGOLF_DATA, by a folder in it, by a link" {
	local how want
	want=$(bits runs/whole)
	mkdir "$R"
	cp -r "$DATA" "$R/there"
	cp -r runs/exported "$R/a"
	# The spec names a directory that is gone: as on another machine.
	mv "$DATA" "$DATA.away"
	for how in none file itself folder link; do
		mkdir "$R/$how"
		cp -r runs/exported "$R/$how/whole"
	done
	run -1 --separate-stderr hg-score "$R/none/whole"
	[[ "$stderr" == *"'$DATA/dataset.json' is missing"*"neither in '$R/none/whole/data' nor is HOMEGOLF_DATA set"* ]]
	[ "$(jq -r .kind "$R/none/whole/score_refusal.json")" = input_missing ]
	HOMEGOLF_DATA=$PWD/$R/there hg-score "$R/itself/whole"
	HOMEGOLF_DATA=/nowhere::$PWD/$R hg-score "$R/folder/whole"
	HOMEGOLF_DATA=$PWD/$R hg-prompt "$R/folder/whole" > "$R/text"
	HOMEGOLF_DATA=$PWD/$R hg-pace -s 1 "$R/folder/whole" > "$R/pace" || [ $? -eq 100 ]
	ln -s ../../there "$R/link/whole/data"
	hg-score "$R/link/whole"
	# A spec made from the run's finds it likewise, and hg-gate has nothing against the link.
	hg-spec -b "$R/link/whole/spec.json" -s train.seed=9 "$R/seed"
	HOMEGOLF_DATA=$PWD/$R hg-spec -b "$R/none/whole/spec.json" -s train.seed=9 "$R/seed2"
	hg-gate score "$R/link/whole"
	mv "$DATA.away" "$DATA"
	for how in itself folder link; do
		[ "$(bits "$R/$how/whole")" = "$want" ] || { bits "$R/$how/whole" >&2; false; }
	done
	cmp text "$R/text"
	[ "$(jq -r .digests.config_sha256 "$R/seed/spec.json")" = "$(jq -r .digests.config_sha256 runs/whole/spec.json)" ]
	[ "$(jq -r .data.dir "$R/seed2/spec.json")" = "$PWD/$R/there" ]
}

@test "other data under the right name is refused, and altered data that the search finds likewise" {
	mkdir "$R"
	cp -r runs/exported "$R/whole"
	cp -r "$DATA" "$R/altered"
	printf '\007' | dd of="$R/altered/corpus_val_000000.bin" bs=1 seek=1500 conv=notrunc 2> /dev/null
	cp -r "$DATA" "$R/other"
	jq '.source.seed = 77' "$R/other/dataset.json" > "$R/new"
	mv "$R/new" "$R/other/dataset.json"
	mv "$DATA" "$DATA.away"
	cp -r "$R/other" "$DATA"
	HOMEGOLF_DATA=$PWD/$R/other run -1 --separate-stderr hg-score "$R/whole"
	[[ "$stderr" == *"'$DATA/dataset.json' has the wrong digest"*"nor in HOMEGOLF_DATA ($PWD/$R/other)"* ]]
	[ "$(jq -r .kind "$R/whole/score_refusal.json")" = input_wrong_digest ]
	hg-retry score "$R/whole"
	HOMEGOLF_DATA=$PWD/$R/altered run -1 --separate-stderr hg-score "$R/whole"
	[[ "$stderr" == *"altered/corpus_val_000000.bin' has the wrong digest"* ]]
	[ "$(jq -r .kind "$R/whole/score_refusal.json")" = input_wrong_digest ]
	rm -r "$DATA"
	mv "$DATA.away" "$DATA"
}

@test "adopted shards that have moved are found by name and digest, and another file of that name is not taken" {
	mkdir "$R" "$R/shards" "$R/wrong"
	cp "$DATA"/corpus_*.bin "$R/shards"
	hg-data -a -B -o "$R/adopted" "$R"/shards/corpus_train_*.bin -- "$R"/shards/corpus_val_*.bin
	hg-spec -b runs/whole/spec.json -s data.dir="$R/adopted" "$R/run"
	hg-train "$R/run"
	hg-export "$R/run"
	mkdir "$R/again" "$R/clean"
	cp -r "$R/run" "$R/again/run"
	hg-score "$R/run"
	mv "$R/shards" "$R/moved"
	cp "$R/moved"/* "$R/wrong"
	printf '\007' | dd of="$R/wrong/corpus_val_000000.bin" bs=1 seek=1500 conv=notrunc 2> /dev/null
	HOMEGOLF_DATA=$PWD/$R/wrong run -1 --separate-stderr hg-score "$R/again/run"
	[ "$(jq -r .kind "$R/again/run/score_refusal.json")" = input_missing ]
	cp -r "$R/run" "$R/clean/run"
	HOMEGOLF_DATA=$PWD/$R/wrong:$PWD/$R/moved hg-score -c "$R/clean/run"
}

@test "a score on validation that was trained on says so in its claim boundary" {
	mkdir "$R"
	hg-data -B -f lines -S none -n 1 -o "$R/more" "$DATA.txt"
	hg-data -a -B -k -o "$R/adopted" "$R"/more/corpus_train_*.bin -- "$DATA"/corpus_val_*.bin
	[ "$(jq .train.overlap_documents "$R/adopted/dataset.json")" -ge 19 ]
	hg-spec -b runs/whole/spec.json -s data.dir="$R/adopted" "$R/run"
	hg-train "$R/run"
	hg-export "$R/run"
	hg-score "$R/run"
	[[ "$(jq -r .claim_boundary "$R/run/artifact_score_report.json")" == \
		*". $(jq .train.overlap_documents "$R/adopted/dataset.json") training documents are in validation too."* ]]
	run ! grep -q "in validation too" runs/whole/artifact_score_report.json
}

# bats test_tags=b92
@test "a score says which share of the text its tokenizer loses, and where it loses any, that no other's compares with it" {
	[ "$(jq .val_lost_frac runs/whole/artifact_score_report.json)" = 0 ]
	mkdir "$R"
	# Blanks in a row and at the ends are lost.
	sed 's/ /  /3; s/$/ /' "$DATA.txt" > "$R/c.txt"
	hg-data -v 300 -n 20 -f lines -o "$R/data" "$R/c.txt"
	hg-spec -b runs/whole/spec.json -s model.vocab_size="$(jq .tokenizer.vocab_size "$R/data/dataset.json")" \
		-s data.dir="$R/data" "$R/run"
	hg-train "$R/run"
	hg-export "$R/run"
	hg-score "$R/run"
	# Bits per raw byte would reward it, and do not stand; what they would have been divided by is told all the same.
	jq -e '.val_bpb_raw == null and .raw_bytes > .bytes and .val_bpb > 0' "$R/run/artifact_score_report.json"
	[ "$(jq .val_bpb_raw "$R/run/artifact_score_summary.json")" = null ]
	jq -e --slurpfile d "$R/data/dataset.json" '.val_lost_frac == $d[0].val.lost_bytes / $d[0].val.raw_bytes and .val_lost_frac > 0' \
		"$R/run/artifact_score_report.json"
	jq -r .claim_boundary "$R/run/artifact_score_report.json" | grep -qE 'but not this one: this tokenizer loses [0-9]+ of [0-9]+ bytes'
	hg-ledger add "$R/ledger" "$R/run" > added
	grep -qE 'text of tokenizer [0-9a-f]{8}, which loses [0-9.]+ % of the validation text and so is compared with no other' added
}

# bats test_tags=b85
@test "a validation shard or an artifact that is altered while it is scored is refused by name" {
	local name file pid
	awk '{ print; for (i = 0; i < 3; i++) print i, $0 }' "$DATA.txt" > more.txt
	hg-data -B -n 900 -f lines -o more more.txt 2> /dev/null
	for name in shard docs artifact; do
		cp -r more "more-$name"
		DATA=$PWD/more-$name tiny_spec "$R-$name" train.iterations=1 train.warmup_steps=0 model.model_dim=64
		hg-train "$R-$name"
		hg-export "$R-$name"
		case $name in
		shard) file=$(ls "$PWD/more-$name"/*val_000000.bin) ;;
		docs) file=$PWD/more-$name/val_docs.tsv ;;
		artifact) file=$R-$name/artifact.hgz ;;
		esac
		hg-score "$R-$name" 2> /dev/null 3>&- &
		pid=$!
		until_true 20 test -e "$R-$name/score_status.json"
		printf 'A\0' | dd of="$file" bs=1 seek=1400 conv=notrunc 2> /dev/null
		wait "$pid" || :
		[ "$(jq -r .kind "$R-$name/score_refusal.json")" = input_changed ]
		[[ $(jq -r .detail "$R-$name/score_refusal.json") == *"${file##*/}' was altered while it was in use" ]]
		[ ! -e "$R-$name/artifact_score_report.json" ]
		[ ! -e "$R-$name/score_docs.tsv" ]
	done
}

# bats test_tags=b37
@test "no number, word or digest of a complete run's receipts can be altered without hg-gate score saying no" {
	local file
	copy_of whole
	hg-gate score "$R"
	for file in artifact_score_summary.json artifact_score_report.json export_report.json training_report.json; do
		cp "$R/$file" kept
		jq -r 'paths(scalars) | tojson' kept | grep -vE '"(tensors)",([2-9]|[0-9]{2,}),' > paths
		[ "$(wc -l < paths)" -ge 13 ]
		while read -r path; do
			jq --argjson p "$path" 'getpath($p) as $v | setpath($p; if ($v | type) == "number" then $v + 1
				elif ($v | type) == "boolean" then ($v | not) elif $v == null then 1 else $v[:-1] +
				(if $v[-1:] == "0" then "1" else "0" end) end)' kept > "$R/$file"
			run hg-gate score "$R"
			[ "$status" -eq 1 ] || [ "$status" -eq 103 ] || { echo "$file $path: $status" >&2; false; }
		done < paths
		cp kept "$R/$file"
	done
	hg-gate score "$R"
}

# bats test_tags=b37
@test "documents whose nats, tokens or bytes do not add up to the reported loss are found, digests forged or not" {
	local edit
	copy_of whole
	cp "$R/score_docs.tsv" kept
	for edit in '$5 = $5 + 0.01' '$2++' '$3++' '$4 += 1000' 'next' unmarked; do
		[ "$edit" != unmarked ] || sed '1s/^# //' kept > "$R/score_docs.tsv"
		[ "$edit" = unmarked ] || awk -F '\t' -v OFS='\t' 'NR == 3 { '"$edit"' } { print }' kept > "$R/score_docs.tsv"
		forge docs_sha256 "$(sha256sum < "$R/score_docs.tsv" | cut -d' ' -f1)"
		run -1 hg-gate score "$R"
		[ "$output" = "score: score_docs.tsv: differs: its sums are not the report's loss and counts" ] ||
		    [[ "$edit" = unmarked && "$output" = "score: score_docs.tsv: differs: it is no table of documents" ]]
	done
}

# bats test_tags=b37
@test "what is no table of documents vouches for no score, and a table of 400,000 is added up at once" {
	local edit
	copy_of whole
	cp "$R/score_docs.tsv" kept
	for edit in '1s/^#/x/' '2s/-*[0-9.]*$/-1/' '3s/^1/0/' '3s/$/\t1/' '3s/[0-9]*\(\t[^\t]*\)$/many\1/'; do
		sed "$edit" kept > "$R/score_docs.tsv"
		run -1 cmp -s kept "$R/score_docs.tsv"
		forge docs_sha256 "$(sha256sum < "$R/score_docs.tsv" | cut -d' ' -f1)"
		run -1 hg-gate score "$R"
		[ "$output" = "score: score_docs.tsv: differs: it is no table of documents" ]
	done
	# Reading each line as far as the end of the table takes a minute, on a fast machine.
	awk -v OFS='\t' '{ print } END { for (i = NR; i < 400000; i++) print i, 0, 0, 0, 0 }' kept > "$R/score_docs.tsv"
	forge docs_sha256 "$(sha256sum < "$R/score_docs.tsv" | cut -d' ' -f1)"
	run -1 timeout 20 hg-gate score "$R"
	[ "$output" = "score: score_docs.tsv: differs: its sums are not the report's loss and counts" ]
}

# bats test_tags=b37
@test "a score whose law, raw bytes or loss before quantisation are not those of spec, documents and trainer is found" {
	copy_of whole
	local r=artifact_score_report.json
	forge eval.seq_len 31
	run -1 hg-gate score "$R"
	[ "$output" = "score: $r: differs: eval.seq_len is not the spec's" ]
	forge eval.seq_len "$(jq .eval.seq_len "$R/spec.json")" prequant_val_loss 1.5
	run -1 hg-gate score "$R"
	[ "$output" = "score: $r: differs: prequant_val_loss is not the training report's" ]
	forge prequant_val_loss null raw_bytes 0
	run -1 hg-gate score "$R"
	[ "${lines[0]}" = "score: $r: differs: val_bpb_raw is not val_loss / ln 2 * tokens / raw_bytes" ]
	[ "${lines[1]}" = "score: score_docs.tsv: differs: its sums are not the report's loss and counts" ]
	forge raw_bytes null
	run -1 hg-gate score "$R"
	[ "${lines[0]}" = "score: $r: differs: val_bpb_raw is not val_loss / ln 2 * tokens / raw_bytes" ]
	# Left out it is found, too, where nothing is lost of the text.
	forge raw_bytes "$(jq .raw_bytes runs/whole/$r)" val_bpb_raw null
	run -1 hg-gate score "$R"
	[[ "$output" == *"score: $r: differs: val_bpb_raw is not val_loss / ln 2 * tokens / raw_bytes"* ]] || { echo "$output" >&2; false; }
}

# bats test_tags=b15
@test "a replay that its cap cut short is invalid, and a whole one is not" {
	[ -z "$HG_SAN" ] || skip "sanitizers want to be loaded first"
	local r
	awk 'BEGIN { for (i = 0; i < 2000; i++) print "{\"step\": " i ", \"lr_scale\": 1}" }' > long.jsonl
	tiny_spec "$R-cut" train.replay="$PWD/long.jsonl" budget.max_wallclock_ms=600000 budget.stall_ms=36000000
	tiny_spec "$R-all" train.replay="$PWD/runs/whole/metrics.jsonl"
	train_slowing "$R-cut"
	hg-train "$R-all"
	for r in "$R-cut" "$R-all"; do
		hg-export "$r"
		hg-score "$r" 2> /dev/null
		hg-gate score "$r"
	done
	run -1 hg-classify -j none "$R-cut"
	[ "$(jq -r '.class + " " + .reason' "$R-cut/classification.json")" = "invalid mismatch" ]
	[[ $(jq -r '.verdict.findings[0].detail' "$R-cut/classification.json") == \
		"train.replay: asked for all of its steps, executed "*" of schedule replay until the cap" ]]
	run -0 hg-classify -j none "$R-all"
	[ "$(jq -r .reason "$R-all/classification.json")" = first ]
}

# notes_data: text for which a score takes notes long before it ends.
notes_data() {
	awk '{ print; for (i = 0; i < 3; i++) print i, $0 }' "$DATA.txt" > notes.txt
	hg-data -B -n 900 -f lines -o notes notes.txt 2> /dev/null
	DATA=$PWD/notes
}

# score_noting RUN: score it in the background, with notes every tenth of a second (every few by a sanitized program,
# which is slower and whose library wants to be loaded first), and stderr in `said`.
score_noting() {
	if [ -n "$HG_SAN" ]; then
		hg-score "$1" 2> said 3>&- &
	else
		[ -e slow.so ] || cc -shared -fPIC -o slow.so "$HG_T/preload/slowclock.c"
		SLOW=50 SLOW_AT=$PWD/slow.so LD_PRELOAD=$PWD/slow.so hg-score "$1" 2> said 3>&- &
	fi
	pid=$!
}

# bats test_tags=b85
@test "a score goes on from notes that are whole, and begins anew from notes in which a digit changed" {
	local pid said
	notes_data
	tiny_spec "$R" train.iterations=1 train.warmup_steps=0 model.model_dim=64 model.num_layers=6 \
		budget.score_deadline_ms=100h
	hg-train "$R"
	hg-export "$R"
	for said in "" "going on from part" "'score_resume.tsv' is of another score, or was altered: scoring begins anew"; do
		score_noting "$R"
		[ -z "$said" ] || until_true 60 grep -q "$said" said
		[ -n "$said" ] || until_true 60 grep -q ^part "$R/score_resume.tsv"
		hg-cancel score "$R"
		wait "$pid" || :
		hg-retry score "$R"
		# a digit of the first document's nats, in what the next but one reads
		[[ $said != going* ]] || sed -i '2s/\([0-8]\)$/9/;2t;2s/9$/1/' "$R/score_resume.tsv"
	done
}

# bats test_tags=b85
@test "a score that was interrupted twice counts two resumes, though its notes were torn, and has the bits of one that was not" {
	local pid n
	[ -z "$HG_SAN" ] || skip "sanitizers want to be loaded first"
	notes_data
	tiny_spec "$R" train.iterations=1 train.warmup_steps=0 model.model_dim=64 budget.score_deadline_ms=100h
	hg-train "$R"
	hg-export "$R"
	for n in 0 1; do
		score_noting "$R"
		until_true 60 awk -v n=$n '/^resume/ { r++ } /^part/ && r + 0 == n { found = 1 } END { exit !found }' "$R/score_resume.tsv" \
		    2> /dev/null
		hg-cancel score "$R"
		wait "$pid" || :
		[ "$n" = 0 ] || grep -q "going on from part" said
		hg-retry score "$R"
		printf '7\t12\t4' >> "$R/score_resume.tsv"
	done
	hg-score "$R"
	[ "$(jq .resumes "$R/artifact_score_report.json")" = 2 ]
	hg-score -c "$R" > again
	[ "$(jq .same again)" = true ]
}

# bats test_tags=b85,b96
@test "test-time training that was interrupted goes on at a document's beginning, with the bits of one that was not" {
	local pid
	[ -z "$HG_SAN" ] || skip "sanitizers want to be loaded first"
	tiny_spec "$R" train.iterations=1 train.warmup_steps=0 eval.mode=ttt:8:0.5 eval.seq_len=32 budget.score_deadline_ms=100h
	hg-train "$R"
	hg-export "$R"
	cc -shared -fPIC -o slower.so "$HG_T/preload/slowclock.c"
	SLOW=5000 SLOW_AT=$PWD/slower.so LD_PRELOAD=$PWD/slower.so hg-score "$R" 2> said 3>&- &
	pid=$!
	until_true 60 grep -q ^part "$R/score_resume.tsv" 2> /dev/null
	hg-cancel score "$R"
	wait "$pid" || :
	hg-retry score "$R"
	hg-score "$R" 2> said
	grep -q "going on from part [0-9]* of $(jq .val.documents "$DATA/dataset.json")" said
	[ "$(jq .resumes "$R/artifact_score_report.json")" = 1 ]
	hg-score -c "$R" > again
	[ "$(jq .same again)" = true ]
}

@test "raw bytes of a document whose end no window fills are its share by the bytes counted, rounded, of others all" {
	# Full width letters, which the tokenizer's normaliser makes narrow: three raw bytes for one that counts.
	awk '{ gsub("a", "\xef\xbd\x81"); gsub("e", "\xef\xbd\x85"); print }' "$DATA.txt" > wide.txt
	hg-data -v 300 -n 20 -f lines -o wide wide.txt 2> /dev/null
	DATA=$PWD/wide tiny_spec "$R" model.vocab_size=300 eval.docs=7
	hg-train "$R"
	hg-export "$R"
	hg-score "$R"
	"$PYTHON" - "$R" <<-'END'
		import json, sys
		run = sys.argv[1]
		report = json.load(open(run + "/artifact_score_report.json"))
		read = lambda f: [l.split("\t") for l in open(f).read().splitlines() if l[0] != "#"]
		whole = {int(r[0]): [int(x) for x in r[1:4]] for r in read("wide/val_docs.tsv")}
		total, cut = 0, 0
		for r in read(run + "/score_docs.tsv"):
		    tokens, counted, raw = whole[int(r[0])]
		    assert raw > counted
		    if int(r[2]) < counted:
		        cut += 1
		        total += int(raw * int(r[2]) / counted + 0.5)
		    else:
		        total += raw
		assert cut == 1, cut
		assert report["raw_bytes"] == total, (report["raw_bytes"], total)
	END
}

# bats test_tags=b51,b52
@test "a further evaluation scores the artifact by another law into evals/, bound by digest, and closes nothing out" {
	copy_of exported
	ls "$R" > before
	run -0 --separate-stderr hg-score -e wide -s eval.seq_len=128 -s eval.docs=3 "$R"
	"$HG_T/tools/contract" evaluation "$R/evals/wide.json"
	[ "$(jq -c '[.name, .comparison_only, .eval.seq_len, .eval.docs, .documents, .partial]' "$R/evals/wide.json")" = \
	    '["wide",true,128,3,3,false]' ]
	[ "$(jq -cS . <<< "$output")" = "$(jq -cS . "$R/evals/wide.json")" ]
	[ "$(jq -r .artifact_sha256 "$R/evals/wide.json")" = "$(sha256sum < "$R/artifact.hgz" | cut -d ' ' -f 1)" ]
	[ "$(jq -r .dataset_sha256 "$R/evals/wide.json")" = "$(jq -r .data.dataset_sha256 "$R/spec.json")" ]
	[ "$(jq -r .tokenizer_sha256 "$R/evals/wide.json")" = "$(jq -r .data.tokenizer_sha256 "$R/spec.json")" ]
	# The law's digest is the one that a run of that law has, and its number what that run's score is.
	hg-spec -b "$R/spec.json" -s eval.seq_len=128 -s eval.docs=3 -s train.val_every=0 "$R.law"
	[ "$(jq -r .eval_sha256 "$R/evals/wide.json")" = "$(jq -r .digests.eval_sha256 "$R.law/spec.json")" ]
	hg-train "$R.law"
	hg-export "$R.law"
	hg-score "$R.law"
	[ "$(jq -c '[.val_bpb, .docs_sha256]' "$R/evals/wide.json")" = \
	    "$(jq -c '[.val_bpb, .docs_sha256]' "$R.law/artifact_score_report.json")" ]
	# No stage was touched, and no judgement looks at it.
	[ "$(hg-status -j "$R" | jq -r .stages.score.state)" = absent ]
	[ "$(ls "$R" | grep -v '^evals$')" = "$(cat before)" ]
	run -2 hg-gate score "$R"
	run -2 hg-classify "$R.ledger" "$R"
	# By the spec's law it is the score itself.
	hg-score -e same "$R" > /dev/null
	[ "$(jq -c '[.val_bpb, .docs_sha256]' "$R/evals/same.json")" = "$(bits runs/whole | jq -c '[.[1], .[2]]')" ]
}

# bats test_tags=b51
@test "an evaluation that is there is printed and not made again; another artifact's, data's or law's is refused by name" {
	local key
	copy_of exported
	hg-score -e a -s eval.docs=2 "$R" > first
	sha256sum "$R/evals/a.json" > sum
	hg-score -e a -s eval.docs=2 "$R" > second
	cmp first second
	sha256sum --quiet -c sum
	run -1 --separate-stderr hg-score -e a -s eval.docs=3 "$R"
	[[ "$stderr" == *"'$R/evals/a.json' is of another eval law: "*"; take another name"* ]]
	cp "$R/evals/a.json" kept
	for key in artifact:artifact_sha256 data:dataset_sha256 tokenizer:tokenizer_sha256; do
		jq --arg z "$(printf %064d 0)" ".${key#*:} = \$z" kept > "$R/evals/a.json"
		run -1 --separate-stderr hg-score -e a -s eval.docs=2 "$R"
		[[ "$stderr" == *"'$R/evals/a.json' is of another ${key%:*}: 000000000000, not "* ]]
	done
	echo '{}' > "$R/evals/a.json"
	run -103 hg-score -e a -s eval.docs=2 "$R"
	# What is no evaluation is usage.
	run -100 --separate-stderr hg-score -e a -s train.seed=3 "$R"
	[[ "$stderr" == *"changes how it is scored alone"* ]]
	run -100 hg-score -e ../a "$R"
	run -100 hg-score -e a -c "$R"
	run -100 hg-score -s eval.docs=2 "$R"
	run -100 hg-score -e b -s eval.mode=all "$R"
	[ "$(ls "$R/evals")" = a.json ]
	rm "$R/export_report.json"
	run ! hg-score -e c "$R"
	[ "$(ls "$R/evals")" = a.json ]
}
