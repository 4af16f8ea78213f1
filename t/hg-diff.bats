# hg-diff: what tells two runs apart.
load helper
load judged

setup() {
	cd "$BATS_TEST_TMPDIR"
	export JUDGED_DATA=$BATS_FILE_TMPDIR HOMEGOLF_LANES=$PWD/lanes
	L=$PWD/ledger
	law2 "$L"
}

# curve RUN STEPS MS LOSS [VAL_EVERY]: metrics of so many steps, MS each; LOSS is a jq expression of the step, $s.
curve() {
	jq -nc --argjson n "$2" --argjson ms "$3" --argjson every "${5:-0}" 'range($n) as $s |
	    {step: $s, tokens: (64 * ($s + 1)), train_loss: ('"$4"'), lr_scale: 1, grad_norm: null, wallclock_ms: ($ms * ($s + 1))} +
	    (if $every > 0 and $s % $every == 0 then {val_loss: ('"$4"' + 1), val_bpb: 2} else {} end)' > "$1/metrics.jsonl"
}

# bats test_tags=b77
@test "hg-diff names every key that differs, with its tag, and nothing else, and says which was made from which" {
	scored runs/one 2.3 about.hypothesis="$(printf 'x\033[31m')"
	hg-spec -b runs/one -s train.matrix_lr=0.02 -s train.min_lr_frac=0.5 -s system.threads=3 runs/two
	run --separate-stderr hg-diff runs/one runs/two
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[ "${lines[0]}" = "runs/one -> runs/two" ]
	[ "${lines[1]}" = "two was made from one" ]
	[ "$(sed -n '/^asked for/,/^$/p' <<< "$output" | tr -s ' ')" = "asked for
result train.min_lr_frac 0 -> 0.5
result train.matrix_lr 0.04 -> 0.02
system system.threads auto -> 3
cosmetic about.hypothesis x\\x1b[31m -> \"\"
cosmetic about.parent null -> one
cosmetic about.parent_uid null -> $(jq -r .run_uid runs/one/spec.json)" ]
	[ "$(sed -n '/^asked for/,/^$/p' <<< "$output" | sed '1d;/^$/d')" = "$(hg-spec -d runs/one runs/two)" ]
	# a run of the parent's name that is another one is not the parent
	mv runs/one elsewhere
	scored runs/one 2.3
	run hg-diff runs/one runs/two
	[[ $output != *"was made from"* ]]
	run hg-diff runs/one runs/one
	[[ $output == *"asked for the same"* ]]
}

@test "hg-diff says what was executed otherwise, and the numbers of both with how far they lie apart" {
	scored runs/one 2.3
	scored runs/two 2.25 train_ms=60000
	jq '.isa = "avx2" | .threads = 7 | .libraries.zlib = "1.3" | .libraries.other = "2" | .owner.host = "attic"' \
	    runs/two/training_report.json > new
	mv new runs/two/training_report.json
	run --separate-stderr hg-diff -j runs/one runs/two
	[ "$status" -eq 0 ]
	echo "$output" > diff.json
	"$HG_T/tools/contract" diff diff.json
	[ "$(jq -c '.executed | map([.key, .from, .to])' diff.json)" = \
	    '[["isa","avx512","avx2"],["threads",2,7],["host","desk","attic"],["libraries.zlib","1.2.13","1.3"],["libraries.other",null,"2"]]' ]
	[ "$(jq -c '.scores | map(select(.key == "val_bpb" or .key == "train_ms")) | map([.key, (.from * 1000 | round), (.to * 1000 | round)])' \
	    diff.json)" = '[["val_bpb",2300,2250],["train_ms",58211000,60000000]]' ]
	[ "$(jq .comparable diff.json)" = true ]
	run --separate-stderr hg-diff runs/one runs/two
	grep -qE '^val_bpb +2\.30000 +2\.25000  -0\.05000$' <<< "$output"
	grep -qE '^train_ms +58211 +60000  \+1789$' <<< "$output"
}

@test "hg-diff gives no difference of scores of other texts, nor of losses of other tokenizers" {
	scored runs/one 2.3
	scored runs/text 2.2 raw=b
	scored runs/pieces 2.2 tokenizer=b
	run hg-diff runs/one runs/text
	grep -qE '^val_bpb +2\.30000 +2\.20000$' <<< "$output"
	[[ $output == *"they can't be compared"* ]]
	run hg-diff runs/one runs/pieces
	grep -qE '^val_bpb +2\.30000 +2\.20000  -0\.10000$' <<< "$output"
	grep -qE '^val_loss +3\.98560 +3\.81231$' <<< "$output"
	grep -qE '^ +1 +2\.0000 +2\.0000$' <<< "$output"
	[[ $output == *"losses are per token and can't be compared"* ]]
}

@test "hg-diff says which run has no score, and not that scores are of other texts" {
	scored runs/one 2.3
	hg-spec -b runs/one runs/new
	run --separate-stderr hg-diff -j runs/one runs/new
	[ "$(jq .comparable <<< "$output")" = true ]
	run hg-diff runs/new runs/one
	[[ $output == *"'new' is not scored"* ]]
	[[ $output != *"other texts"* ]]
}

# bats test_tags=b77
@test "hg-diff compares losses at the same step and at the same training time, up to where the shorter run ends" {
	scored base 2.3
	hg-spec -b base fast
	hg-spec -b base slow
	# 100 steps in one second, and 50 in one and a half
	curve fast 100 10 '5 - $s / 100' 10
	curve slow 50 30 '4 - $s / 100' 20
	run --separate-stderr hg-diff -j fast slow
	[ "$status" -eq 0 ]
	# the point at step 49 is the mean of those since the point before it, at 48: itself
	[ "$(jq -c '.loss_at_step | [length, .[0].at, .[-1].at, (.[-1].from * 100 | round), (.[-1].to * 100 | round)]' <<< "$output")" = \
	    '[49,1,49,451,351]' ]
	# after a second the fast run is at its step 99, the slow one at its step 32
	[ "$(jq -c '.loss_at_time[-1] | [.at, (.from * 100 | round)]' <<< "$output")" = '[1000,401]' ]
	[ "$(jq -c '.loss_at_time | map(select(.at == 990)) | .[0] | [(.from * 100 | round), (.to * 100 | round)]' <<< "$output")" = \
	    '[402,368]' ]
	[ "$(jq -c '.validation_at_step | map([.at, .from, .to])' <<< "$output")" = '[[0,6,5],[20,5.8,4.8],[40,5.6,4.6]]' ]
	run --separate-stderr hg-diff fast slow
	# ten points, the last the mean of steps 46 to 49
	grep -qE '^ +49 +4\.5250 +3\.5250  -1\.0000$' <<< "$output"
	[ "$(sed -n '/^training loss, mean up to step/,/^$/p' <<< "$output" | grep -c '^ ')" -eq 10 ]
	[ "$(sed -n '/^training loss, mean up to second/,/^$/p' <<< "$output" | grep -c '^ ')" -eq 10 ]
}

@test "a run under way is compared by what it has logged, and a curve that is not its receipt's is left out with a word" {
	scored runs/one 2.3
	hg-spec -b runs/one runs/two
	curve runs/two 3 10 3
	printf '{"step": 3, "tok' >> runs/two/metrics.jsonl
	run --separate-stderr hg-diff -j runs/one runs/two
	[ "$status" -eq 0 ]
	[ "$(jq -c '[.to.losses, .loss_at_step[-1].to]' <<< "$output")" = '["read",3]' ]
	sed -i 's/"train_loss": 2.0/"train_loss": 1.0/' runs/one/metrics.jsonl
	run --separate-stderr hg-diff runs/one runs/two
	[ "$status" -eq 0 ]
	[[ $output == *"runs/one/metrics.jsonl: not the file that its receipt names"* ]]
	[[ $output != *"training loss"* ]]
	rm runs/two/metrics.jsonl
	run hg-diff runs/one runs/two
	[[ $output == *"runs/two/metrics.jsonl: no step was logged"* ]]
	rm runs/one/metrics.jsonl
	run hg-diff runs/one runs/two
	[[ $output == *"runs/one/metrics.jsonl: the file that its receipt names is gone"* ]]
}

@test "hg-diff says what a ledger says of both: the one that a run remembers, or the one that is named" {
	scored runs/one 2.3
	scored runs/two 2.29 train.matrix_lr=0.02
	scored runs/new 2.28 train.matrix_lr=0.01
	add runs/one
	add runs/two
	run --separate-stderr hg-diff runs/two runs/new
	[[ $output == *"ledger $L"$'\ntwo: row 3: noise: uncalibrated\nnew: no row'* ]]
	mv "$L" moved
	run --separate-stderr hg-diff runs/one runs/two
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[[ $output != *ledger* ]]
	run --separate-stderr hg-diff -l moved runs/one runs/two
	[[ $output == *$'ledger moved\none: row 2: noise: first\ntwo: row 3: noise: uncalibrated'* ]]
	run --separate-stderr hg-diff -l nowhere runs/one runs/two
	[ "$status" -eq 100 ]
	[ -z "$output" ]
	sed -i '2s/first/fired/' moved/ledger.jsonl
	run --separate-stderr hg-diff -l moved runs/one runs/two
	[ "$status" -eq 103 ]
	[ -z "$output" ]
}

@test "a receipt that breaks its contract or is another run's is named, and the rest is compared" {
	scored runs/one 2.3
	scored runs/two 2.2 train.matrix_lr=0.02
	cp runs/one/training_report.json runs/two/
	run --separate-stderr hg-diff runs/one runs/two
	[ "$status" -eq 103 ]
	[[ $stderr == *"'runs/two/training_report.json' is of another run"* ]]
	grep -qE '^result +train.matrix_lr +0.04 -> 0.02$' <<< "$output"
	echo '{' > runs/one/artifact_score_summary.json
	run --separate-stderr hg-diff runs/one runs/two
	[ "$status" -eq 103 ]
	grep -qE '^val_bpb +- +2\.20000$' <<< "$output"
	run -100 hg-diff runs/one
	run -100 hg-diff runs/one runs/none
}

# bats test_tags=b76
@test "hg-diff opens nothing for writing and changes nothing" {
	scored runs/one 2.3
	scored runs/two 2.2
	add runs/one
	add runs/two
	find runs "$L" -type f -exec sha256sum {} + | sort > before
	[ -z "$HG_SAN" ] || skip "sanitizers and strace exclude each other"
	strace -f -o calls -e trace=%file,ftruncate,write hg-diff runs/one runs/two > out
	grep -q 'metrics.jsonl' calls
	run ! grep -E 'O_WRONLY|O_RDWR|O_CREAT|unlink|rename|mkdir|[^d]link\(|chmod|ftruncate|utime' calls
	find runs "$L" -type f -exec sha256sum {} + | sort | diff before -
}
