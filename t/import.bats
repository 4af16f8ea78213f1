# Other people's results: what is read, what is never guessed, and what is said of it.
load helper

setup() {
	cd "$BATS_TEST_TMPDIR"
	L=$PWD/ledger
}

# take SOURCE...: import into $L; what is printed goes to ./found, the flags of all new rows to ./flags.
take() {
	hg-ledger import "$L" "$@" > found
	rows | jq -r '.flags[].flag, .values[].flags[]' | sort -u > flags
}

rows() {
	jq -c 'select(.kind == "import").import' "$L/ledger.jsonl"
}

flagged() {
	grep -qx "$1" flags || { echo "no $1 among: $(tr '\n' ' ' < flags)" >&2; false; }
}

# verdict FILE-OR-TITLE: "verdict: reason" of the last row with it.
verdict() {
	hg-ledger replay -j "$L" | jq -r --arg w "$1" 'select(.file == $w or .title == $w) |
	    .verdict + (if .reason then ": " + .reason else "" end)' | tail -n 1
}

# a submission NAME with seeds 42, 7 and 9, of the given scores, and logs; bytes per token and tokens as given.
submit() { # NAME DATE LABEL RATIO TOKENS SCORE...
	local name=$1 date=$2 label=$3 ratio=$4 tokens=$5 seed
	shift 5
	mkdir -p "public/$name"
	for seed in 42 7 9 11 13; do
		[ $# -gt 0 ] || break
		awk -v s="$seed" -v b="$1" -v r="$ratio" -v t="$tokens" -v l="$label" 'BEGIN {
		    print "seed:" s; print "val_loader:shards pattern=x tokens:" t; print "step:10/20 train_loss:3.1"
		    print "Code size: 50000 bytes"; print "Total submission size int8+zlib: 15900000 bytes"
		    printf "%s val_loss:%.8f val_bpb:%.8f\n", l, b * log(2) * r, b }' > "public/$name/train_seed$seed.log"
		printf '"%s": {"val_bpb": %s}\n' "$seed" "$1"
		shift
	done | paste -sd, | jq -R --arg n "$name" --arg d "$date" '"{" + . + "}" | fromjson |
	    {name: $n, date: $d, author: "x", val_bpb: (map(.val_bpb) | add / length), seed_results: .}' \
	    > "public/$name/submission.json"
}

json() {
	mkdir -p "$1"
	cat > "$1/submission.json"
}

# --- flags ------------------------------------------------------------------

@test "every flag of the table has a way to come about" {
	local f name missing=""
	json missing <<< '{"val_bpb": null, "seed_results": {"1": {"val_bpb": "n/a"}}}'
	json placeholder <<< '{"val_bpb": "TBD"}'
	json not_finite <<< '{"val_bpb": "NaN"}'
	json unit <<< '{"val_bpb": "1.2 bpb"}'
	json comma <<< '{"val_bpb": "1,2244"}'
	json not_a_number <<< '{"val_bpb": "~1.12"}'
	json not_whole <<< '{"val_bpb": 1.1, "bytes_total": 15.9}'
	json out_of_range <<< '{"val_bpb": -1}'
	json loss <<< '{"val_loss": 1.14276}'
	json quoted <<< '{"val_bpb": "1.1690"}'
	json not_json <<< '{"val_bpb": 1.1, "a" 2}'
	json lax <<< '{"val_bpb": 1.1, // so they say
		}'
	json twice <<< '{"val_bpb": 1.1, "val_bpb": 1.2}'
	"$PYTHON" -c 'print("{\"a\":" * 80 + "1" + "}" * 80)' | json deep
	"$PYTHON" -c 'import json; print(json.dumps({"val_bpb": 1.1, "x": list(range(5000))}))' | json many
	"$PYTHON" -c 'import json; print(json.dumps({"val_bpb": 1.1, "blurb": "x" * 9000}))' | json cut
	printf '{"val_bpb": 1.1, "name": "\xff\xe9"}' | json not_utf8
	printf '{"val_bpb": 1.1}' | iconv -t UTF-16 | json utf16
	json empty < /dev/null
	json disagree <<< '{"val_bpb": 1.1, "mean_bpb": 1.2}'
	json mean <<< '{"val_bpb": 1.1500, "val_bpb_std": 0.5, "seeds": [1, 2], "seed_scores": [1.1000, 1.3000]}'
	json best <<< '{"val_bpb": 1.1000, "seeds": [1, 2], "seed_scores": [1.1000, 1.3000]}'
	json ratio <<< '{"val_bpb": 1.2, "seed_results": {"1": {"val_bpb": 1.1000, "val_loss": 2.0000},
	    "2": {"val_bpb": 1.3000, "val_loss": 2.0000}}}'
	json bytes <<< '{"val_bpb": 1.1, "bytes_total": 16777000, "bytes_code": 1, "bytes_model": 2, "artifact_mb": 16.0}'
	json ambiguous <<< '{"val_bpb": 5.0, "seed_results": {"1": 1.1, "2": 1.3}}'
	json unmatched <<< '{"val_bpb": 1.2, "seeds": [1, 2, 3], "seed_scores": [1.1, 1.3]}'
	json twice_counted <<< '{"val_bpb": 1.03967403, "val_loss": 3.16104735}'
	json low <<< '{"val_bpb": 0.57}'
	json long <<< '{"val_bpb": 1.1, "train_time_seconds": 660}'
	# Against logs
	json part <<< '{"val_bpb": 1.1, "model_params": 17059912}'
	printf 'model_params:26993756\nval_loader:shards pattern=x tokens:9662464\nfinal_int8_zlib_roundtrip %s\n' \
	    'val_loss:1.85729943 val_bpb:1.10000000' > part/train.log
	json logs <<< '{"val_bpb": 1.2, "seed_results": {"1": {"val_bpb": 1.5}, "2": {"val_bpb": 2.5}, "3": {"val_bpb": 1.4},
	    "4": {"val_bpb": 1.2}}}'
	printf 'seed:1\nfinal_int8_zlib_roundtrip val_loss:2.0 val_bpb:1.10000000\n' > logs/train_seed1.log
	printf 'seed:2\nfinal_int8_zlib_roundtrip val_loss:2.5000 val_bpb:1.1000\n' > logs/train_seed2.log
	printf 'seed:3\nstep:9/10 val_loss:2.4 val_bpb:1.4000\nfinal_int8_zlib_roundtrip val_loss:2.6 val_bpb:1.6\n' \
	    > logs/train_seed3.log
	printf 'seed:4\nsliding_eval [ 99%%] 1/2\nfinal_int8_zlib_roundtrip val_loss:2.0 val_bpb:1.2000\n' \
	    > logs/train_seed4.log
	printf 'seed:4\nfinal_int8_zlib_roundtrip val_loss:2.0 val_bpb:1.3000\n' > logs/other_seed4.log
	printf 'seed:6\nfinal_int8_zlib_roundtrip val_loss:2.0 val_bpb:1.3000\n' > logs/train_seed5.log
	printf 'seed:7\n    log0(f"final val_loss:{a:.4f} val_bpb:{b:.4f}")\nstep:3/10 train_loss:1 train_time:3ms\n' \
	    > logs/train_seed7.log
	printf 'seed:8\nstep:3/10 train_loss:1 train_time:3ms\nTraceback (most recent call last):\n' \
	    > logs/train_seed8.log
	cp logs/train_seed1.log logs/again_seed1.log
	head -c 4096 /dev/zero > logs/zeros.log
	truncate -s 40M logs/long.log
	mkfifo logs/fifo.log
	mkdir several
	echo '{"val_bpb": 1.1}' > several/submission_a.json
	echo '{"val_bpb": 1.2}' > several/submission_b.json
	cp logs/train_seed1.log several/
	# Tables
	printf 'commit\tval_bpb\tstatus\tdescription\tx\tx\nbaseline\t1.1\tkeep\tb\t1\t2\n' > results.tsv
	printf 'aaaaaa1\t0.000000\tcrash\tc\t1\t2\naaaaaa2\t1.2\tmaybe\td\t1\t2\naaaaaa3\t1.2\n' >> results.tsv
	printf 'aaaaaa4\t1.2\tkeep\te\t1\t2\t3\naaaaaa5\\t1.3\\tkeep\\tf\\t1\\t2\naaaaaa2\t1.2\tmaybe\td\t1\t2\n' \
	    >> results.tsv
	printf '1.1\t2.2\t3.3\n' > nameless.tsv
	timeout 60 hg-ledger import "$L" . > found 2> said
	timeout 60 hg-ledger import -m 1 "$L" nameless.tsv > found 2> said
	rows | jq -r '.flags[].flag, .values[].flags[]' | sort -u > flags
	for name in $(sed -n 's/^\t\[DEFECT_[A-Z0-9_]*\] = { *"*\([a-z0-9_]*\)".*/\1/p; s/^\t    "\([a-z0-9_]*\)", .*/\1/p' \
	    "$HG_TOP/lib/import/defect.c"); do
		grep -qx "$name" flags || missing="$missing $name"
	done
	[ -z "$missing" ] || { echo "never seen:$missing" >&2; false; }
	# Nothing that has no number has one.
	run jq -c 'select(.kind == "import").import.values[] | select(.flags - ["quoted_number", "cut"] != [] and .number)' \
	    "$L/ledger.jsonl"
	[ "$output" = "" ]
}

@test "the flags that hg-import(7) lists are those of the program, with the same words" {
	awk '/^\.Sh FLAGS/ { on = 1; next } /^\.Sh/ { on = 0 } on && /^\.It Li/ { name = $3; next }
	    on && name { print name ": " $0; name = "" }' "$HG_TOP/man/hg-import.7" | sed 's/\\e/\\/g' > page
	tr -d '\n' < "$HG_TOP/lib/import/defect.c" | grep -oE '\[DEFECT_[A-Z0-9_]+\] = \{[^}]*\}' |
	    sed -E 's/"[[:blank:]]+"//g; s/.*\{[[:blank:]]*"([a-z0-9_]+)",[[:blank:]]*"(.*)"[[:blank:]]*\}/\1: \2/; s/\\\\/\\/g' > program
	[ "$(wc -l < program)" -ge 50 ]
	diff program page
}

# --- what is read -----------------------------------------------------------

@test "one result in every shape gives the same seeds and scores" {
	local shape n=0
	while read -r shape; do
		n=$((n + 1))
		json "shape$n" <<< "$shape"
	done <<-'END'
		{"name": "x", "val_bpb": 1.2, "seed_results": {"42": {"val_bpb": 1.1}, "7": {"val_bpb": 1.3}}}
		{"name": "x", "val_bpb": 1.2, "seeds": {"42": {"val_bpb": 1.1}, "7": {"val_bpb": "1.3"}}}
		{"name": "x", "mean_val_bpb": 1.2, "seeds": [42, 7], "seed_scores": [1.1, 1.3]}
		{"name": "x", "mean_bpb": 1.2, "val_bpb_seeds": {"seed_42": 1.1, "seed_7": 1.3}}
		{"name": "x", "val_bpb_mean": 1.2, "seed42": {"val_bpb": 1.1}, "seed_7": {"bpb": 1.3}}
		{"name": "x", "val_bpb": 1.2, "val_bpb_seed42": 1.1, "val_bpb_seed7": 1.3}
		{"name": "x", "bpb": 1.2, "seed_results": [{"seed": 42, "val_bpb": 1.1}, {"seed": 7, "val_bpb": 1.3}]}
		{"name": "x", "results": {"val_bpb": 1.2, "seed_results": {"42": {"val_bpb": 1.1}, "7": {"val_bpb": 1.3}}}}
		{"name": "x", "val_bpb": 1.2, "results": {"seed42": {"val_bpb": 1.1}, "seed7": {"val_bpb": 1.3}}}
		{"name": "x", "val_bpb": 1.2, "seed_results": {"42": 1.1, "7": 1.3}}
		{"name": "x", "mean_bpb": 1.2, "val_bpb": {"42": 1.1, "7": 1.3}, "val_loss": {"42": 1.9, "7": 2.2}}
		{"name": "x", "mean_bpb": 1.2, "val_bpb": {"seed_42": 1.1, "seed_7": 1.3, "mean": 1.2, "std": 0.1}}
		{"name": "x", "val_bpb": 1.2, "per_seed": {"42": {"final_val_bpb": 1.1, "val_bpb_exact": 1.1000}, "7": {"val_bpb": 1.3}},}
	END
	take .
	[ "$(rows | wc -l)" -eq "$n" ]
	[ "$(rows | jq -c '[.score, ([.runs[] | [.seed, .score]] | sort)]' |
	    sort -u)" = '[1.2,[[7,1.3],[42,1.1]]]' ] ||
	    { rows | jq -c '[.file, .score, [.runs[] | [.seed, .score]]]' >&2; false; }
}

@test "what made or showed a JSON may stand around it, and each line keeps its number" {
	json here <<- 'END'
		cat > records/x/submission.json <<'EOF'
		{
		  "name": "here",
		  "val_bpb": 1.2
		}
		EOF
	END
	json bare <<< 'json{
		  "name": "bare", "val_bpb": 1.2}'
	json fence <<- 'END'

		```json
		{"name": "fence",
		"val_bpb": 1.2}
		```
	END
	# Text that only looks so is no end, and what follows an end is no JSON.
	json inside <<- 'END'
		cat > x <<-"EOF"
		{"name": "EOF <<EOF",
		"val_bpb": 1.2,
		"blurb": "```"}
		EOF
	END
	json more <<- 'END'
		cat > x << EOF
		{"name": "more", "val_bpb": 1.2}
		EOF
		git add x
	END
	take .
	[ "$(rows | jq -r '[.title, .score, (.values[] | select(.name == "val_bpb").line)] | join(" ")' | sort)" = "$(printf '%s\n' 'EOF <<EOF 1.2 3' 'bare 1.2 2' 'fence 1.2 4' 'here 1.2 4' 'more  2' | sort)" ] ||
	    { rows | jq -c '[.title, .score, .flags]' >&2; false; }
	[ "$(rows | jq -r 'select(.title != "more").flags[].flag' | sort | uniq -c | tr -s ' ')" = " 4 lax_json" ]
	[ "$(rows | jq 'select(.title == "more") | any(.flags[]; .flag == "not_json")')" = true ]
}

@test "a table in every form and order of columns gives the same lines" {
	printf 'commit\tval_bpb\tmemory_gb\tstatus\tdescription\nabc1231\t0.98\t44.0\tkeep\ta b\n' > results1.tsv
	printf 'description,status,val_bpb,commit\n"a b",KEEP,0.98,abc1232\n' > results2.csv
	printf 'commit\\tval_bpb\\tmemory_gb\\tstatus\\tdescription\nabc1233\\t0.98\\t44.0\\tkeep\\ta b\n' \
	    > results3.tsv
	printf '# Runs\n\nsome words\n\n| Commit | **Val BPB** | Status | Description |\n|---|:-:|---|---|\n| abc1234 | `0.98` | kept | a b |\n\nend\n' \
	    > results4.md
	printf '\xef\xbb\xbfcommit\tval_bpb\tstatus\tdescription\r\nabc1235\t0.98\tkeep\ta b\r\n' > results5.tsv
	printf 'commit;val_bpb;status;description\nabc1236;0.98;keep;a b\n' > results6.csv
	printf 'commit\tval_bpb\tmemory_gb\tstatus\tdescription\nabc1237\\t0.98\\t44.0\\tkeep\\ta b\n' > results7.tsv
	printf 'commit\tval_bpb\tstatus\tdescription\rabc1238\t0.98\tkeep\ta b\r' > results8.tsv
	take .
	[ "$(rows | wc -l)" -eq 8 ]
	[ "$(rows | jq -c '[.score, .status, .title]' | sort -u)" = '[0.98,"keep","a b"]' ] || { rows |
	    jq -c '[.file,.score,.status,.title]' >&2; false; }
}

@test "a line with too few or too many cells is believed only where its status stands under status" {
	printf 'commit\tval_bpb\tstatus\tdescription\nabc1234\t0.98\tkeep\nabc1235\t0.97\nabc1236\t0.96\tkeep\tone\ttwo\n' \
	    > results.tsv
	printf 'abc1237\t60.2\t0.95\tkeep\tshifted by one\n' >> results.tsv
	take results.tsv
	[ "$(rows | jq -c .score | tr '\n' ' ')" = "0.98 null 0.96 null " ]
	flagged cells_missing
	flagged cells_extra
}

@test "the log line that has the claimed score says how it was scored" {
	local label
	for label in final_int8_zlib_roundtrip_exact final_int6_sliding_window_exact legal_ttt_exact final_ngram_exact \
	    DIAGNOSTIC_post_ema; do
		mkdir -p "s/$label"
		echo '{"val_bpb": 1.17423973}' > "s/$label/submission.json"
		printf 'seed:1\nquantized val_loss:3.1 val_bpb:1.9\n%s val_loss:1.98265459 val_bpb:1.17423973\n' "$label" \
		    > "s/$label/train.log"
	done
	take s
	[ "$(rows | jq -r .scoring | tr '\n' ' ')" = "unknown sliding plain other ttt " ]
	flagged prequant_score
	[ "$(verdict DIAGNOSTIC_post_ema/submission.json)" = "invalid: prequant_score" ]
}

@test "each value stands on the line that it names, in the file that it names" {
	need_shared
	local source
	for source in "$SHARED/fixtures/parameter-golf" "$SHARED/fixtures/autoresearch"; do
		hg-ledger import "$L" "$source" > found
	done
	rows > rows.jsonl
	"$PYTHON" - "$SHARED/fixtures/parameter-golf" "$SHARED/fixtures/autoresearch" <<-'END'
	import json, os, sys
	n = 0
	for line in open("rows.jsonl"):
	    row = json.loads(line)
	    for v in row["values"]:
	        path = next(p for p in (os.path.join(d, v["file"]) for d in sys.argv[1:]) if os.path.exists(p))
	        there = open(path, newline="\n", errors="replace").read().split("\n")[v["line"] - 1]
	        key = v["path"].split(".")[-1].split("[")[0]
	        text = v["text"] if path.endswith((".log", ".tsv")) else json.dumps(v["text"], ensure_ascii=False)[1:-1]
	        assert text in there, (v, there)
	        if path.endswith(".json") and key:
	            assert f'"{key}"' in there or "[" in v["path"], (v, there)
	        if v["number"] is not None:
	            assert float(v["text"]) == v["number"], v
	        n += 1
	assert n > 1500, n
	END
}

@test "a last line that was cut is no score, and loss and bpb that were swapped are neither" {
	mkdir -p cut swapped count
	printf 'seed:1\nfinal_int8_zlib_roundtrip val_loss:2.07269931 val_bpb:1.22' > cut/train.log
	printf '{"val_loss": 1.2243657, "val_bpb": 2.07269931}' > swapped/submission.json
	printf '{"val_bpb": 1.1, "seeds": 3}' > count/submission.json
	take .  cut/train.log
	flagged truncated_log
	flagged loss_as_bpb
	[ "$(rows | jq -c 'select(.file != "count/submission.json") | [.score, .runs[].score]' |
	    sort -u)" = '[null,null]' ] ||
	    { rows | jq -c '[.file, .score, .runs]' >&2; false; }
	[ "$(rows | jq -c 'select(.file == "count/submission.json").runs[].seed')" = null ]
	# Whole lines without a line feed behind them are whole.
	printf 'seed:1\nfinal_int8_zlib_roundtrip val_loss:2.07269931 val_bpb:1.22436570' > cut/train.log
	take cut/train.log
	[ "$(rows | tail -n 1 | jq .score)" = 1.2243657 ]
}

@test "letters of many bytes survive wherever a text is cut" {
	local i
	for i in 0 1 2 3; do
		mkdir -p "$i"
		"$PYTHON" -c "
print('{\"val_bpb\": \"%s%s\", \"name\": \"%s%s\"}' % ('x' * $i, '\\u20ac' * 2000, 'x' * $i, '\\U0001f600' * 3000))" > "$i/submission.json"
		"$PYTHON" -c "
print('%s%s val_loss:2.00000000 val_bpb:1.20000000' % ('x' * $i, '\\u20ac' * 500))" > "$i/train.log"
	done
	take .
	[ "$(rows | wc -l)" -eq 4 ]
	[ "$(rows | jq -r '.flags[] | select(.flag == "not_a_number").detail' | wc -l)" -eq 4 ]
	[ "$(rows | jq -r '.values[] | select(.number == 1.2).path' | wc -l)" -eq 4 ]
	hg-ledger verify "$L"
}

@test "nothing hangs: fifos, devices, loops of links, unreadable and endless things are passed by or refused by name" {
	mkdir -p tree/a/b
	mkfifo tree/submission.json tree/a/train.log tree/results.tsv
	ln -s .. tree/a/b/loop
	ln -s /dev/zero tree/a/zero.log
	ln -s loop2 tree/loop1
	ln -s loop1 tree/loop2
	printf '{"val_bpb": 1.1}' > tree/a/submission.json
	run --separate-stderr timeout 20 hg-ledger import "$L" tree
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"'submission.json' was left out: no regular file"* ]]
	[ "$(rows | wc -l)" -eq 1 ]
	for source in /dev/null tree/submission.json tree/loop1 nothing /dev/zero; do
		run --separate-stderr timeout 20 hg-ledger import "$L" "$source"
		[ "$status" -eq 103 ] || { echo "$source: $status $stderr" >&2; false; }
		[ -n "$stderr" ]
	done
	mkdir void
	run --separate-stderr hg-ledger import "$L" void tree
	[ "$status" -eq 103 ]
	[[ "$stderr" == *"nothing in 'void'"* ]]
}

@test "a folder 70 deep, a file of 100 MB and one of a single endless line are read or left out in time" {
	local deep=tree i
	for i in $(seq 70); do deep=$deep/d; done
	mkdir -p "$deep"
	printf '{"val_bpb": 1.1}' > "$deep/submission.json"
	mkdir tree/big tree/line
	truncate -s 100M tree/big/submission.json
	"$PYTHON" -c 'import sys; sys.stdout.write("{\"val_bpb\": 1.25, \"a\": [" + "1," * 900000 + "1]}")' > tree/line/submission.json
	run --separate-stderr timeout 60 hg-ledger import "$L" tree
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"deeper than"* ]]
	[[ "$stderr" == *"'big/submission.json' is larger than"* ]]
	[ "$(rows | jq -r .file)" = line/submission.json ]
	[ "$(rows | jq .score)" = 1.25 ]
}

@test "what a name or a value says reaches no terminal as a control sequence" {
	mkdir "$(printf 's\033[2Jx')"
	printf '{"val_bpb": "\\u001b[31mTBD", "name": "\\u001b[2J\\u0007"}' > "$(printf 's\033[2Jx')/submission.json"
	hg-ledger import "$L" . > out 2>&1
	hg-ledger replay "$L" >> out 2>&1
	run ! grep -q "$(printf '\033')" out
}

@test "thousands of damaged copies of real files neither crash the importer nor make it believe what is no number" {
	need_shared
	"$PYTHON" - "$SHARED/fixtures" <<-'END'
	import glob, os, random, sys
	r = random.Random(7)
	files = sorted(f for what in ("*/*.json", "*.tsv", "*/train_seed4*.log") for f in glob.glob(f"{sys.argv[1]}/*/{what}"))
	bits = [b'"', b'{', b'}', b'[', b']', b',', b':', b'\\', b'\n', b'\r', b'\t', b'\0', b'\xff', b'NaN', b'-', b'e9',
	    b'//', b'null', b'0.000000', b'\xff\xfe']
	for i in range(1500):
	    path = r.choice(files)
	    data = bytearray(open(path, "rb").read())
	    for _ in range(r.choice((1, 1, 3, 20))):
	        at = r.randrange(len(data) + 1)
	        k = r.randrange(4)
	        if k == 0: data[at:at] = r.choice(bits)
	        elif k == 1: del data[at:at + r.choice((1, 2, 50))]
	        elif k == 2: data[at:at + 1] = r.choice(bits)
	        else: data[at:at] = data[at // 2:at // 2 + 80]
	    if r.random() < 0.1: data = data[:r.randrange(len(data) + 1)]
	    where = f"tree/{i}"
	    os.makedirs(where)
	    name = "submission.json" if path.endswith(".json") else os.path.basename(path)
	    open(f"{where}/{name}", "wb").write(data)
	END
	timeout 120 hg-ledger import "$L" tree > found
	hg-ledger verify "$L"
	hg-ledger replay "$L" > replayed
	[ "$(rows | wc -l)" -ge 1000 ]
	rows | "$PYTHON" -c '
import json, sys
for line in sys.stdin:
    for v in json.loads(line)["values"]:
        if v["number"] is not None:
            assert float(v["text"].strip()) == v["number"], v
            assert not set(v["flags"]) - {"quoted_number", "cut"}, v
            if v["name"] == "val_bpb":
                assert 0 < v["number"] <= 100, v'
}

# --- once ---------------------------------------------------------------------

@test "importing again adds nothing, wherever the files lie and whatever their times" {
	submit one 2026-03-01 final_int8_zlib_roundtrip_exact 2.4 62021632 1.20 1.21 1.22
	printf 'commit\tval_bpb\tstatus\tdescription\nbaseline\t0.9\tkeep\tb\nbaseline\t0.9\tkeep\tb\n' \
	    > public/results.tsv
	take public
	[ "$(rows | wc -l)" -eq 3 ]
	cp -r public elsewhere
	mv elsewhere/one elsewhere/two
	mv elsewhere/results.tsv elsewhere/renamed.tsv
	take public elsewhere elsewhere/two elsewhere/renamed.tsv public/one/submission.json
	# The JSON alone is another claim than the JSON with its logs.
	[ "$(rows | wc -l)" -eq 4 ]
	sha256sum < "$L/ledger.jsonl" > before
	take public elsewhere
	sha256sum < "$L/ledger.jsonl" | cmp - before
}

@test "of a table that has grown only the new lines are added; a changed line is a new row that names the old one" {
	printf 'commit\tval_bpb\tstatus\tdescription\nbaseline\t0.9\tkeep\tb\naaaaaa1\t0.89\tkeep\tone\n' > results.tsv
	take results.tsv
	printf 'aaaaaa2\t0.88\tkeep\ttwo\n-\t0.87\tkeep\tthree\n' >> results.tsv
	take results.tsv
	[ "$(rows | wc -l)" -eq 4 ]
	sed -i 's/0.88/0.885/; s/three/four/' results.tsv
	take results.tsv
	[ "$(rows | wc -l)" -eq 6 ]
	[ "$(rows | jq -r 'select(.revises).title')" = two ]
	[ "$(rows | jq -r 'select(.revises).revises')" = "$(sed -n 4p "$L/ledger.jsonl" | sha256sum |
	    cut -d' ' -f1)" ]
	[ "$(hg-ledger replay -j "$L" | jq -r 'select(.verdict == "revised").score')" = 0.88 ]
	# The first line decides which table it is; if that is what changed, the others still do.
	sed -i 's/^baseline\t0.9\t/baseline\t0.91\t/' results.tsv
	take results.tsv
	[ "$(rows | wc -l)" -eq 7 ]
	[ "$(rows | jq -r .series_sha256 | sort -u | wc -l)" -eq 1 ]
}

@test "a submission that says something else now revises what it said" {
	submit one 2026-03-01 final_int8_zlib_roundtrip_exact 2.4 62021632 1.20 1.21 1.22
	take public
	submit one 2026-03-01 final_int8_zlib_roundtrip_exact 2.4 62021632 1.10 1.11 1.12
	take public
	[ "$(rows | jq -r .revises | grep -c null)" -eq 1 ]
	[ "$(hg-ledger replay -j "$L" | jq -r .verdict | tr '\n' ' ')" = "revised first " ]
	# The old version comes by again: it is known, and nobody is revised.
	submit one 2026-03-01 final_int8_zlib_roundtrip_exact 2.4 62021632 1.20 1.21 1.22
	take public
	[ "$(rows | wc -l)" -eq 2 ]
}

@test "an import that was killed adds the rest when it is done again" {
	local i pid n
	for i in $(seq 600); do
		mkdir -p "public/$i"
		"$PYTHON" -c "import json; print(json.dumps({'val_bpb': 1 + $i / 1000, 'name': 'n$i', 'x': ['y' * 3000] * 20}))" \
		    > "public/$i/submission.json"
	done
	hg-ledger import "$PWD/whole" public > found
	for i in 1 2 3 4 5 6; do
		hg-ledger import "$L" public > found 2>&1 3>&- &
		pid=$!
		n=0
		until [ -s "$L/ledger.jsonl" ] &&
		    [ "$(wc -c < "$L/ledger.jsonl")" -gt $((i * 1500000)) ] || [ $((n += 1)) -gt 400 ]; do
			read -r -t 0.005 <> <(:) || :
		done
		kill -KILL "$pid" 2> said || :
		wait "$pid" || :
		# What a kill in the middle of a write leaves.
		truncate -s -7 "$L/ledger.jsonl"
		rm -f "$L/head" "$L/index"
	done
	hg-ledger import "$L" public > found
	hg-ledger verify "$L"
	cmp <(rows) <(jq -c 'select(.kind == "import").import' whole/ledger.jsonl)
}

# --- beside our own runs --------------------------------------------------------

@test "imported rows touch nothing of our own: verdicts, incumbent, plateau and replay are the same with and without" {
	local i run
	export JUDGED_DATA=$BATS_TEST_TMPDIR
	submit one 2026-03-01 final_int8_zlib_roundtrip_exact 2.4 62021632 0.20 0.21 0.22
	printf 'commit\tval_bpb\tstatus\tdescription\nbaseline\t0.1\tkeep\tb\n' > public/results.tsv
	i=0
	for bpb in 2.300 2.310 2.295 2.305 2.301; do
		i=$((i + 1))
		"$PYTHON" "$HG_TOP/t/tools/judged_run.py" "runs/base$i" $bpb seed=$i
	done
	"$PYTHON" "$HG_TOP/t/tools/judged_run.py" runs/worse 2.5 seed=9 train.matrix_lr=0.05
	for L in "$PWD/alone" "$PWD/mixed"; do
		for run in base1 base2 base3 base4 base5; do
			hg-ledger add "$L" "runs/$run" > added
			[ "$L" = "$PWD/alone" ] || hg-ledger import "$L" public > found
			printf 'x%s\t0.1\tkeep\tb\n' "$run" >> public/results.tsv
		done
		hg-ledger calibrate "$L" runs/base1 > calibrated
		hg-ledger add "$L" runs/worse > added
		# Ever more rows that are no runs, and crashes at that: no failures in a row of ours.
		printf 'crash%s\t0.0\tcrash\tx\n' 1 2 3 4 5 >> public/results.tsv
		[ "$L" = "$PWD/alone" ] || hg-ledger import "$L" public > found
		run hg-ledger stop "$L"
		echo "$status $output" > "$L.stop"
	done
	verdicts() { jq -c 'select(.kind == "run") | [.run.run_id, .verdict]' "$1/ledger.jsonl"; }
	cmp <(verdicts alone) <(verdicts mixed)
	cmp alone.stop mixed.stop
	hg-ledger incumbent mixed | sed 's/row .*//' | cmp - <(hg-ledger incumbent alone | sed 's/row .*//')
	rm mixed/index
	hg-ledger incumbent -a mixed > all
	hg-ledger verify mixed
	hg-ledger replay mixed | grep -q ' 6 verdicts derived again, 0 differ'
	[ "$(hg-ledger replay -j mixed | wc -l)" -gt 1 ]
}

@test "a forged imported row breaks the chain like any other" {
	submit one 2026-03-01 final_int8_zlib_roundtrip_exact 2.4 62021632 1.20 1.21 1.22
	submit two 2026-03-02 final_int8_zlib_roundtrip_exact 2.4 62021632 1.10 1.11 1.12
	take public
	sed -i '2s/1\.21/1.01/' "$L/ledger.jsonl"
	run hg-ledger verify "$L"
	[ "$status" -eq 103 ]
	run hg-ledger replay "$L"
	[ "$status" -eq 103 ]
}

# --- verdicts ---------------------------------------------------------------------

@test "a large gain is significant, a small one noise, a loss worse, one run too few, and noise does not ratchet" {
	local s=final_int8_zlib_roundtrip_exact
	submit a 2026-03-01 $s 2.4 62021632 1.2000 1.2010 1.2005
	submit b 2026-03-02 $s 2.4 62021632 1.1500 1.1512 1.1506
	submit c 2026-03-03 $s 2.4 62021632 1.1499 1.1509 1.1505
	submit d 2026-03-04 $s 2.4 62021632 1.1300
	submit e 2026-03-05 $s 2.4 62021632 1.2200 1.2210 1.2205
	submit f 2026-03-06 $s 2.4 62021632 1.1470 1.1480 1.1475
	take public
	[ "$(verdict a)" = first ]
	[ "$(verdict b)" = significant ]
	[ "$(verdict c)" = noise ]
	[ "$(verdict d)" = "not enough seeds: single run" ]
	[ "$(verdict e)" = worse ]
	# f is held against b, not against c or d, and its gain is below the record's margin.
	[ "$(hg-ledger replay -j "$L" | jq -c 'select(.title == "f") | [.incumbent_row, .verdict, .record]')" = '[3,"significant",false]' ]
	[ "$(hg-ledger replay -j "$L" | jq -c 'select(.title == "b").record')" = true ]
}

@test "other texts, other ways of scoring and unknown ones are never compared; another tokenizer on the same text is" {
	submit a 2026-03-01 final_int8_zlib_roundtrip_exact 2.40000000 62021632 1.20 1.21 1.22
	submit tokenizer 2026-03-02 final_int8_zlib_roundtrip_exact 3.72 40014022 1.10 1.11 1.12
	submit text 2026-03-03 final_int8_zlib_roundtrip_exact 2.50000000 62021632 1.00 1.01 1.02
	submit sliding 2026-03-04 final_int8_sliding_window_exact 2.40000000 62021632 0.90 0.91 0.92
	submit ttt 2026-03-05 legal_ttt_exact 2.40000000 62021632 0.80 0.81 0.82
	submit own 2026-03-06 final_ngram_exact 2.40000000 62021632 0.70 0.71 0.72
	submit unknown 2026-03-07 final_int8_zlib_roundtrip_exact 2.40000000 62021632 0.60 0.61 0.62
	rm public/unknown/*.log
	take public
	[ "$(verdict tokenizer)" = significant ]
	[ "$(verdict text)" = first ]
	[ "$(verdict sliding)" = first ]
	[ "$(verdict ttt)" = first ]
	[ "$(verdict own)" = "not comparable: own scoring" ]
	[ "$(verdict unknown)" = "not comparable: scoring unknown" ]
	[ "$(hg-ledger replay -j "$L" | jq -r 'select(.title == "a" or .title == "tokenizer").text' | sort -u |
	    wc -l)" -eq 1 ]
	[ "$(hg-ledger replay -j "$L" | jq -r '.text' | sort -u | wc -l)" -eq 3 ]
}

# game NAME JSON LOG-LINE...: a claim of 1.1 with a log of so many lines.
game() {
	local name=$1 more=$2
	shift 2
	json "$name" <<< '{"name": "'"$name"'", "val_bpb": 1.1, '"$more"'}'
	printf '%s\n' 'final_int8_zlib_roundtrip val_loss:1.85729937 val_bpb:1.10000000' "$@" > "$name/train.log"
}

# found NAME FLAG: its detail in that claim, or nothing.
found() {
	rows | jq -r --arg n "$1" --arg f "$2" 'select(.title == $n or .file == $n).flags[] | select(.flag == $f).detail'
}

@test "training over the game's time is found, its last step granted, and compared with nothing" {
	game within '"track": "10min_16mb"' 'step:7000/20000 train_time:600137ms'
	game slow_step '"x": 1' 'step:100/20000 train_time:605999ms'
	game over '"x": 1' 'step:7000/20000 train_time:601153ms'
	game said '"train_time_seconds": 601.2'
	game rounded '"train_time_seconds": 601'
	game summed '"seeds": [1, 2, 3], "seed_scores": [1.1, 1.1, 1.1], "train_time_seconds": 1799'
	game allowed '"track": "non-record-unlimited-compute-16mb"' 'step:7000/20000 train_time:14400000ms'
	mkdir alone
	for limit in 600.000 4800.000; do
		printf '%s\n' "settings max_wallclock_seconds:$limit" 'step:7000/20000 train_time:4700000ms' \
		    'final_int8_zlib_roundtrip val_loss:1.85729937 val_bpb:1.10000000' > "alone/$limit.log"
	done
	take .
	for name in within slow_step rounded summed alone/4800.000.log; do
		[ -z "$(found $name over_time)" ] || { found $name over_time >&2; false; }
	done
	found over over_time | grep -q '^train_time is 601153: 601.153 s of training, and the limit is 600 s'
	found said over_time | grep -q '601.200 s'
	found allowed over_time | grep -q '; its track allows that$'
	found alone/600.000.log over_time | grep -q '4700.000 s'
	[ "$(verdict over)" = "not comparable: over_time" ]
	[ "$(verdict allowed)" = "not comparable: over_time" ]
	verdict within | grep -qE '^(first|not enough seeds: single run)$'
}

@test "a score on a part of the validation text is a subset, whatever the vocabulary" {
	game whole '"x": 1' 'val_loader:shards pattern=x tokens:62021632'
	game tail '"x": 1' 'val_tokens: 62019584'
	# 9,662,464 tokens of 2.4359 bytes; three million that nobody says the bytes of; as many bytes by larger pieces.
	game part '"x": 1' 'val_loader:shards pattern=x tokens:9662464'
	json unsaid <<< '{"name": "unsaid", "val_bpb": 1.1, "val_tokens": 3000000}'
	json counted_apart <<< '{"name": "counted_apart", "val_bpb": 1.10000, "val_loss": 1.83000, "val_tokens": 61000000}'
	json large <<< '{"name": "large", "val_bpb": 1.1, "val_loss": 2.9, "val_tokens": 39700000}'
	take .
	[ "$(rows | jq -r 'select(.flags[].flag == "subset").title' | sort | tr '\n' ' ')" = "part unsaid " ]
	found part subset | grep -qE '^9662464 tokens are 235[0-9]{5} bytes; the whole split has 151080363$'
	found unsaid subset | grep -q '^3000000 tokens are at most 24000000 bytes'
}

@test "parameters that the claim or a log has otherwise are found, and rounded ones agree" {
	game same '"model_params": 17059912' model_params:17059912
	game rounded '"params": 17000000, "total_params": "17.1M"' model_params:17059912
	game millions '"params": 17.1, "model_params": "about 17M"' model_params:26993756
	game source '"model_params": 26993756' 'model_params:{n_params}' 'total model_params:26,993,757'
	game claimed '"model_params": 26993756' model_params:17059912
	game one_of_two '"model_params": 26993752, "seed_results": {"1": {"val_bpb": 1.1}, "2": {"val_bpb": 1.1}}'
	game two '"seed_results": {"1": {"val_bpb": 1.1}, "2": {"val_bpb": 1.1}}' model_params:17059912
	for seed in 1 2; do
		printf 'seed:%s\nmodel_params:%s\nfinal_int8_zlib_roundtrip val_loss:1.85729937 val_bpb:1.10000000\n' \
		    $seed 2699375$seed > two/train_seed$seed.log
		cp two/train_seed$seed.log one_of_two/
	done
	take .
	# One_of_two has the number of one log: that the two are apart is said, and that of the claim is not.
	[ "$(rows | jq -r 'select(.flags[].flag == "params_disagree").title' | sort | tr '\n' ' ')" = \
	    "claimed one_of_two two " ] ||
	    { rows | jq -c '[.title, .flags]' >&2; false; }
	[ "$(found claimed params_disagree)" = \
	    "model_params is 26993756, and 'claimed/train.log' has 17059912 on line 2" ]
	[ -z "$(rows | jq '.values[] | select(.text == "26")')" ]
	found two params_disagree | grep -q "^model_params is 26993752, and 'two/train_seed1.log' has 26993751"
}

@test "bytes per token that are known for a fault are named, and such a claim is compared with nothing" {
	json twice <<< '{"name": "twice", "val_bpb": 1.03967403, "val_loss": 3.16104735, "eval_method": "roundtrip"}'
	json assumed <<< '{"name": "assumed", "val_bpb": 1.0955, "val_loss": 2.1910, "eval_method": "roundtrip"}'
	json folded <<< '{"name": "folded", "val_bpb": 1.06507576, "val_loss": 3.07375351, "eval_method": "roundtrip"}'
	# One digit less, and half of all vocabularies would do.
	json vague <<< '{"name": "vague", "val_bpb": 1.1, "val_loss": 2.2, "eval_method": "roundtrip"}'
	json sound <<< '{"name": "sound", "val_bpb": 1.08563123, "val_loss": 2.80428123, "eval_method": "roundtrip"}'
	json other <<< '{"name": "other", "val_bpb": 1.08563123, "val_loss": 2.50428123, "eval_method": "roundtrip"}'
	take .
	[ "$(rows | jq -r 'select(.flags[].flag == "known_denominator").title' | sort | tr '\n' ' ')" = \
	    "assumed folded twice " ]
	found twice known_denominator | grep -q '4.3864 bytes per token, as V8192 with leading spaces counted twice, x 1.177$'
	found assumed known_denominator | grep -q '2.8854 bytes per token, as 2 / ln 2'
	found folded known_denominator | grep -q '4.1635 bytes per token, as V8192 of casefolded text'
	for name in twice assumed folded; do
		[ "$(verdict $name)" = "not comparable: known_denominator" ]
	done
	[ "$(hg-ledger replay "$L" | awk '$1 ~ /^[A-Z]$/ && $2 ~ /^3.72/ { print $NF }')" = V8192 ]
	[ "$(hg-ledger replay "$L" | awk '$1 ~ /^[A-Z]$/ && $2 ~ /^3.32/ { print $NF }')" = - ]
}

@test "scores and bytes that nobody has measured are implausible, but not those of scorers of their own" {
	json low <<< '{"name": "low", "val_bpb": 0.51, "eval_method": "roundtrip"}'
	json ngram <<< '{"name": "n-gram cache", "val_bpb": 0.51}'
	json folder_ppm <<< '{"name": "in its folder", "val_bpb": 0.51}'
	json long <<< '{"name": "long", "val_bpb": 1.09220592, "val_loss": 5.63793804}'
	game adapted '"x": 1'
	sed -i 's/1\.1,/0.8,/' adapted/submission.json
	sed -i 's/final_int8_zlib_roundtrip/legal_ttt/; s/1\.10000000/0.80000000/' adapted/train.log
	json tiny <<< '{"name": "tiny", "val_bpb": 1.1, "bytes_total": 16}'
	take .
	[ "$(rows | jq -r 'select(.flags[].flag == "implausible").title' | sort | tr '\n' ' ')" = "long low tiny " ]
	found low implausible | grep -q '^val_bpb is 0.51, below 0.85'
	found long implausible | grep -q 'imply 7.45 bytes per token'
	found tiny implausible | grep -q '^bytes_total is 16: '
	[ "$(verdict low)" = "not comparable: implausible" ]
}

@test "the public claims of the fixtures are under the game's time, whole, and of known vocabularies" {
	need_shared
	hg-ledger import "$L" "$SHARED/fixtures/parameter-golf" > found
	[ "$(rows | wc -l)" -eq 16 ]
	run jq -c 'select(.kind == "import").import.flags[] | select(.flag | IN("over_time", "subset", "params_disagree",
	    "implausible", "known_denominator"))' "$L/ledger.jsonl"
	[ "$output" = "" ]
	[ "$(hg-ledger replay "$L" | awk '/known as$/ { on = 1; next } on && NF == 0 { exit } on { print $NF }' |
	    sort | uniq -c | tr -s ' ' | tr '\n' ';')" = " 1 -; 1 V1024; 2 V4096; 2 V8192;" ]
}

@test "what is over the cap, contradicted by its log or without a score is invalid, and is nobody's incumbent" {
	local s=final_int8_zlib_roundtrip_exact
	submit big 2026-03-01 $s 2.4 62021632 1.00 1.01 1.02
	sed -i 's/15900000/16000001/' public/big/train_seed7.log
	submit lies 2026-03-02 $s 2.4 62021632 1.00 1.01 1.02
	sed -i 's/val_bpb:1.01/val_bpb:1.31/' public/lies/train_seed7.log
	submit none 2026-03-03 $s 2.4 62021632 1.00 1.01 1.02
	echo '{"name": "none", "val_bpb": "TBD"}' > public/none/submission.json
	rm public/none/*.log
	submit sound 2026-03-04 $s 2.4 62021632 1.20 1.21 1.22
	take public
	[ "$(verdict big)" = "invalid: over_cap" ]
	[ "$(verdict lies)" = "invalid: score_disagrees" ]
	[ "$(verdict none)" = "invalid: no_score" ]
	[ "$(verdict sound)" = first ]
	# The cap itself is allowed.
	sed -i 's/16000001/16000000/' public/big/train_seed7.log
	take public
	[ "$(verdict big)" = first ]
}

@test "the verdicts follow from what was claimed, not from the order in which it was imported" {
	local s=final_int8_zlib_roundtrip_exact other=$PWD/other
	submit a 2026-03-01 $s 2.4 62021632 1.2000 1.2010 1.2005
	submit b 2026-03-02 $s 2.4 62021632 1.1500 1.1512 1.1506
	submit c 2026-03-03 $s 2.4 62021632 1.1499 1.1509 1.1505
	submit d 2026-03-04 $s 3.0 60000000 1.1300 1.1311
	take public/a public/b public/c public/d
	hg-ledger import "$other" public/d public/c public/b public/a > found
	told() { hg-ledger replay -j "$1" | jq -c '[.title, .verdict, .reason, .score, .gain, .p, .record]'; }
	cmp <(told "$L") <(told "$other")
	cmp <(hg-ledger replay "$L") <(hg-ledger replay "$L")
}

@test "a keep/discard table's repeated lines say how much of it was noise, and without them nothing is called real" {
	printf 'commit\tval_bpb\tstatus\tdescription\nbaseline\t0.9979\tkeep\tbaseline\naaaaaa1\t0.9973\tdiscard\trandom seed 42 to 137\n' \
	    > results.tsv
	printf 'aaaaaa2\t0.9975\tkeep\ta\naaaaaa3\t0.9800\tkeep\tb\naaaaaa4\t0.9795\tkeep\tnew seed\naaaaaa5\t0.000000\tcrash\tc\n' \
	    >> results.tsv
	take results.tsv
	# It was run again afterwards, and stands with that.
	[ "$(verdict b)" = significant ]
	[ "$(verdict "new seed")" = "noise: seed alone" ]
	[ "$(verdict c)" = "invalid: crash" ]
	hg-ledger replay "$L" > out
	# Two repeats, 0.0006 and 0.0005 apart: sqrt((0.0006^2 + 0.0005^2) / 4) = 0.000391.
	grep -q "Of 2 keeps 1 is real, 1 within noise, 0 cannot be told; 1 kept line runs an earlier one again and is no change" out ||
	    { cat out >&2; false; }
	grep -q "a run's deviation is 0.000391 .* from 2 repeats of 2 configurations" out
	sed -i '/seed/d' results.tsv
	hg-ledger import other results.tsv > found
	hg-ledger replay other > out
	grep -q 'nobody knows what noise alone would give' out
	grep -q 'Of 2 keeps 0 are real, 0 within noise, 2 cannot be told' out
}

@test "a column is compared in the direction that is declared" {
	printf 'run_id\tval_bpb\taccuracy\tstatus\nr1\t9\t0.5\tkeep\nr2\t8\t0.7\tkeep\nr3\t8\t0.6\tkeep\n' > results.tsv
	hg-ledger import -M accuracy "$L" results.tsv > found
	[ "$(hg-ledger replay -j "$L" | jq -c '[.score, .gain] | map(. * 1e6 | round?)' | tr '\n' ' ')" != "" ]
	[ "$(hg-ledger replay -j "$L" | jq -r 'select(.gain) | .gain > 0' | tr '\n' ' ')" = "true false " ]
	hg-ledger import -m accuracy low results.tsv > found
	[ "$(hg-ledger replay -j low | jq -r 'select(.gain) | .gain > 0' | tr '\n' ' ')" = "false true " ]
	run hg-ledger import -m a -M b "$L" results.tsv
	[ "$status" -eq 100 ]
}

# --- the audit ----------------------------------------------------------------------

@test "bytes per token, implied bytes, means and deviations are those that independent arithmetic finds in the logs" {
	need_shared
	hg-ledger import "$L" "$SHARED/fixtures/parameter-golf" > found
	hg-ledger replay "$L" > replayed
	hg-ledger replay -j "$L" > replayed.jsonl
	"$PYTHON" - "$SHARED/fixtures/parameter-golf" <<-'END'
	import glob, json, math, os, re, statistics, sys
	rows = {json.loads(l)["file"].split("/")[0]: json.loads(l) for l in open("replayed.jsonl")}
	# Folder: the label of its claimed score.
	labels = {"2026-03-17_NaiveBaseline": "final_int8_zlib_roundtrip_exact",
	    "2026-03-18_LongContextSeq2048": "final_int8_zlib_roundtrip_exact",
	    "2026-03-22_11L_EMA_GPTQ-lite_warmdown3500_QAT015_1.1233": "final_int6_sliding_window_exact",
	    "2026-03-23_LeakyReLU_LegalTTT_ParallelMuon": "legal_ttt_exact",
	    "2026-04-05_SP8192_GPTQ-Embeddings_SDClip_Loop45x2": "quantized_sliding_window",
	    "2026-04-14_MultiPhaseGlobalSGD_PhasedTTT": "quantized_ttt_phased"}
	audit = [l.split() for l in open("replayed") if re.match(r"[A-Z]+ +[0-9.]+ +[0-9.e-]+ ", l)]
	for folder, label in labels.items():
	    got, texts = [], set()
	    for log in glob.glob(f"{sys.argv[1]}/{folder}/*.log"):
	        text = open(log).read()
	        if text in texts: continue
	        texts.add(text)
	        loss, bpb = map(float, re.findall(rf"^{label} val_loss:([0-9.]+) val_bpb:([0-9.]+)", text, re.M)[-1])
	        tokens = int(re.search(r"(?:val_tokens: |val_loader:.*tokens:)(\d+)", text).group(1))
	        got.append((bpb, loss / math.log(2) / bpb, tokens))
	    row = rows[folder]
	    assert abs(row["score"] - statistics.mean(g[0] for g in got)) < 1e-9, folder
	    if len(got) > 1:
	        assert abs(row["sd"] - statistics.stdev(g[0] for g in got)) < 1e-9, folder
	    assert any(abs(row["bytes_per_token"] - g[1]) < 1e-9 for g in got), folder
	    line = min((a for a in audit if a[3] == str(got[0][2])), key=lambda a: abs(float(a[1]) - got[0][1]))
	    assert abs(float(line[4]) - got[0][1] * got[0][2]) <= float(line[5]), (folder, line)
	    assert line[0] == row["text"]
	# The gain of a record, and that it is compared with the row before it that was significant.
	a = rows["2026-03-22_11L_EMA_GPTQ-lite_warmdown3500_QAT015_1.1233"]
	b = rows["2026-03-20_Int6_MLP3x_SmearGate_BigramHash_MuonWD_SWA"]
	assert abs(a["gain"] - (b["score"] - a["score"])) < 1e-12 and a["incumbent_row"] == b["row"]
	assert abs(a["margin"] - 0.005 * b["score"] / 1.93465876) < 1e-6
	# One text is not the others'.
	assert rows["2026-03-17_NaiveBaseline"]["text"] != rows["2026-03-18_LongContextSeq2048"]["text"]
	END
}

@test "results whose digits leave two texts open are compared with neither" {
	submit a 2026-03-01 final_int8_zlib_roundtrip_exact 2.4359 62021632 1.20 1.21 1.22
	submit b 2026-03-02 final_int8_zlib_roundtrip_exact 2.4365 62021632 1.10 1.11 1.12
	submit c 2026-03-03 final_int8_zlib_roundtrip_exact 2.4362 0 1.00 1.01 1.02
	sed -i -E '/val_loader/d; s/(val_[a-z]*:[0-9]\.[0-9]{2})[0-9]*/\1/g' public/c/*.log
	take public
	[ "$(verdict a)" = first ]
	[ "$(verdict b)" = first ]
	[ "$(verdict c)" = "not comparable: text unclear" ]
}

# --- the documentation --------------------------------------------------------------

@test "the tables of hg-import(7) are what its commands print" {
	need_shared
	# The first and the second literal block of its section.
	block() {
		awk -v want="$1" '/^\.Sh PUBLIC RESULTS/ { on = 1 } on && /^\.Bd/ { n++; next } /^\.Ed/ { n += 0.5 }
		    on && n == want' "$HG_TOP/man/hg-import.7" | sed 's/^\.sp$//'
	}
	ln -s "$(cd "$SHARED" && pwd)/fixtures/parameter-golf" parameter-golf
	ln -s "$(cd "$SHARED" && pwd)/fixtures/autoresearch" autoresearch
	hg-ledger import public parameter-golf > found
	diff <(block 1) <(hg-ledger replay public | sed 's/ *$//')
	hg-ledger import loop autoresearch > found
	diff <(block 2.5) <(hg-ledger replay loop | sed -n '/^group/,$p' | sed 's/ *$//')
}

@test "four times as many submissions take no more than some eight times as long" {
	local i few many
	make_some() {
		for i in $(seq "$2"); do
			mkdir -p "$1/$i"
			printf '{"name": "n%s", "val_bpb": 1.%s}' "$i" "$i" > "$1/$i/submission.json"
			printf 'seed:%s\nfinal_int8_zlib_roundtrip_exact val_loss:2.0 val_bpb:1.%s\n' "$i" "$i" \
			    > "$1/$i/train.log"
		done
	}
	cost() {
		local from
		from=$(date +%s%N)
		hg-ledger import "$PWD/l$1" "$1" > found
		echo $((($(date +%s%N) - from) / 1000))
	}
	make_some few 400
	make_some many 1600
	few=$(cost few)
	many=$(cost many)
	[ "$many" -lt $((8 * few + 500000)) ] || { echo "$few us, $many us" >&2; false; }
}
