# The ledger: what it keeps, what it refuses, and what it makes of runs.
load helper
load judged

setup() {
	cd "$BATS_TEST_TMPDIR"
	export JUDGED_DATA=$BATS_FILE_TMPDIR
	L=$PWD/ledger
	law2 "$L"
}

@test "the first sound run of a group is the incumbent, as noise and reason first" {
	scored runs/a 2.3
	run --separate-stderr hg-ledger add "$L" runs/a
	[ "$status" -eq 0 ]
	[[ "${lines[0]}" == "row 2: noise: first" ]]
	[ -z "$stderr" ]
	[ "$(hg-ledger incumbent -j "$L" | jq -r .run_id)" = a ]
}

# bats test_tags=b21
@test "adding a run twice says so and changes nothing" {
	scored runs/a 2.3
	add runs/a
	cp "$L/ledger.jsonl" before
	run --separate-stderr hg-ledger add "$L" runs/a
	[ "$status" -eq 0 ]
	[[ "$output" == *"in the ledger already: row 2"* ]]
	cmp before "$L/ledger.jsonl"
}

# bats test_tags=b21
@test "a retry gets a row of its own that names the row it supersedes" {
	scored runs/a 2.3 refuse=score:out_of_memory
	add runs/a
	[ "$(field 2 '.verdict.class + " " + .verdict.reason')" = "blocked refused" ]
	mkdir -p runs/a/attempts/score.1
	mv runs/a/score_refusal.json runs/a/attempts/score.1/
	scored runs/a 2.3
	add runs/a
	[ "$(field 3 .run.attempt)" = 2 ]
	[ "$(field 3 .run.supersedes)" = "$(sed -n 2p "$L/ledger.jsonl" | sha256sum | cut -c 1-64)" ]
	[ "$(field 3 .verdict.reason)" = first ]
}

@test "a row keeps what was set otherwise than by default, and by which data, so that it is known without the run" {
	scored runs/a 2.3 train.matrix_lr=0.02 seed=7
	add runs/a
	rm -r runs
	[ "$(field 2 '.run.settings["train.matrix_lr"]')" = 0.02 ]
	[ "$(field 2 '.run.settings["model.num_layers"]')" = 2 ]
	# what is as by default, what is no result, and what tells replicates apart is not among them
	[ "$(field 2 '.run.settings | keys[] | select(test("head_lr|backend|hypothesis|seed|data"))')" = "" ]
	[ "$(field 2 .run.data_name)" = data-aa ]
	[ "$(field 2 .run.backend)" = ref ]
}

@test "a key whose value is a list, or a list of pairs, is kept in the row, and whoever shows rows shows it" {
	scored runs/a 2.3 'train.batch_schedule=[[0, 8192], [0.3, 16384]]' 'model.value_embed_layers=[0, 1]'
	add runs/a
	[ "$(field 2 '.run.settings | "\(.["train.batch_schedule"]) \(.["model.value_embed_layers"])"')" = "[[0,8192],[0.3,16384]] [0,1]" ]
	scored runs/b 2.2 'train.batch_schedule=[[0, 16384]]'
	add runs/b
	hg-ledger verify "$L"
	hg-diff runs/a runs/b > told
	grep -F 'train.batch_schedule' told | grep -F "[[0,16384]]"
	hg-report -o page.html "$L"
	grep -F 'batch_schedule' page.html
}

@test "two adds at once lose no row and double none" {
	local i
	for i in 1 2 3 4 5 6; do
		scored runs/r$i 2.3$i seed=$i
	done
	for i in 1 2 3 4 5 6; do
		hg-ledger add "$L" runs/r$i 3>&- > out.$i 2>&1 &
		hg-ledger add "$L" runs/r$i 3>&- > again.$i 2>&1 &
	done
	wait
	[ "$(wc -l < "$L/ledger.jsonl")" -eq 7 ]
	[ "$(jq -r 'select(.kind == "run").run.run_uid' "$L/ledger.jsonl" | sort -u | wc -l)" -eq 6 ]
	hg-ledger verify "$L"
	hg-ledger replay "$L"
}

@test "a run that is still to be scored is pending, and no row is made of it" {
	scored runs/a 2.3
	rm runs/a/artifact_score_summary.json
	run --separate-stderr hg-ledger add "$L" runs/a
	[ "$status" -eq 2 ]
	[ "$(wc -l < "$L/ledger.jsonl")" -eq 1 ]
}

# bats test_tags=b34
@test "a tampered, reordered, deleted or torn row is found and named, wherever it is" {
	local i
	for i in 1 2 3; do
		scored runs/r$i 2.3$i seed=$i
		add runs/r$i
	done
	hg-ledger verify "$L"
	cp -a "$L" good
	tell() {
		run --separate-stderr hg-ledger verify "$L"
		[ "$status" -eq 103 ]
		[[ "$stderr" == *"$1"* ]] || { echo "want '$1', got: $stderr" >&2; false; }
		run ! hg-ledger add "$L" runs/r1
		rm -rf "$L"
		cp -a good "$L"
	}
	sed -i '2s/2\.31/2.30/' "$L/ledger.jsonl"
	tell "row 2 was altered"
	sed -i '4s/"seed": 3/"seed": 9/' "$L/ledger.jsonl"
	tell "row 4 was altered"
	rm "$L/head"
	sed -i '4s/"seed": 3/"seed": 9/' "$L/ledger.jsonl"
	run --separate-stderr hg-ledger verify "$L"
	[ "$status" -eq 103 ]
	[[ "$stderr" == *"row 4 is gone or was altered: the run 'r3' remembers another"* ]]
	rm -rf "$L"
	cp -a good "$L"
	sed -i 3d "$L/ledger.jsonl"
	tell "rows are missing: after row 2 comes row 4"
	sed -n '1p' good/ledger.jsonl > "$L/ledger.jsonl"
	sed -n '3p' good/ledger.jsonl >> "$L/ledger.jsonl"
	sed -n '2p;4p' good/ledger.jsonl >> "$L/ledger.jsonl"
	tell "after row 1 comes row 3"
	sed -i 1d "$L/ledger.jsonl"
	tell "after row 0 comes row 2"
	sed -i '$d' "$L/ledger.jsonl"
	tell "rows are missing at the end"
	rm "$L/head"
	sed -i '$d' "$L/ledger.jsonl"
	run --separate-stderr hg-ledger verify "$L"
	[ "$status" -eq 103 ]
	[[ "$stderr" == *"row 4 is gone"*"'r3' remembers"* ]]
}

# bats test_tags=b34
@test "a torn last row is named by verify and moved aside by the next writer alone" {
	scored runs/a 2.3
	scored runs/b 2.4 seed=2
	add runs/a
	printf '{"schema": "homegolf.ledger_row.v1", "prev"' >> "$L/ledger.jsonl"
	run --separate-stderr hg-ledger verify "$L"
	[ "$status" -eq 103 ]
	[[ "$stderr" == *"row 3 is unfinished"* ]]
	hg-ledger list "$L" > listed
	[ "$(wc -l < listed)" -eq 2 ]
	add runs/b 2> note
	grep -q "moved an unfinished last row" note
	[ "$(cat "$L"/torn.*)" = '{"schema": "homegolf.ledger_row.v1", "prev"' ]
	hg-ledger verify "$L"
	[ "$(wc -l < "$L/ledger.jsonl")" -eq 3 ]
}

# bats test_tags=b34
@test "every single byte that is changed is found" {
	local size at
	scored runs/a 2.3
	scored runs/b 2.4 seed=2
	add runs/a runs/b
	cp "$L/ledger.jsonl" good
	size=$(stat -c %s good)
	for at in $(seq 0 97 $((size - 1))) $((size - 2)) $((size - 1)); do
		cp good "$L/ledger.jsonl"
		printf '\001' | dd of="$L/ledger.jsonl" bs=1 seek="$at" conv=notrunc status=none
		run hg-ledger verify "$L"
		[ "$status" -eq 103 ] || { echo "byte $at of $size" >&2; false; }
	done
}

# bats test_tags=b50
@test "a corrupt ledger is refused and preserved, even if it was altered behind the index's back" {
	scored runs/a 2.3
	scored runs/b 2.4 seed=2
	scored runs/c 2.5 seed=3
	add runs/a runs/b
	sed -i '2s/2\.3/2.2/' "$L/ledger.jsonl"
	cp "$L/ledger.jsonl" before
	run --separate-stderr hg-ledger add "$L" runs/c
	[ "$status" -eq 103 ]
	[[ "$stderr" == *"row 2 was altered"* ]]
	cmp before "$L/ledger.jsonl"
	rm "$L/ledger.jsonl"
	run --separate-stderr hg-ledger add "$L" runs/c
	[ "$status" -eq 103 ]
	[[ "$stderr" == *"is gone"* ]]
	[ ! -e "$L/ledger.jsonl" ]
}

@test "the index is disposable: damaged, old, foreign or absent, the ledger is the same" {
	local how
	scored runs/a 2.3
	scored runs/b 2.4 seed=2
	add runs/a
	for how in 'rm' 'truncate -s 300' 'dd if=/dev/urandom bs=1 seek=400 count=9 conv=notrunc status=none of=' 'cp /bin/sh'; do
		case $how in
		*of=) $how"$L/index" ;;
		*) $how "$L/index" ;;
		esac
		hg-ledger add "$L" runs/a > out
		grep -q "already: row 2" out
	done
	add runs/b
	[ "$(wc -l < "$L/ledger.jsonl")" -eq 3 ]
	hg-ledger replay "$L"
}

@test "an index that was added to is the one that the rows make, whatever was wrong with the one before" {
	local how
	scored runs/a 2.3
	scored runs/b 2.4 seed=2
	scored runs/c 2.25 train.matrix_lr=0.05
	scored runs/d 2.25 refuse=train:out_of_memory
	add runs/a
	add runs/b
	add runs/c
	add runs/d
	# What follows the header is facts alone; that has the sums of them and the digest of the last row.
	tail -c +257 "$L/index" > kept
	head -c 256 "$L/index" | tail -c +73 > sums
	head -c 16 "$L/index" > version
	for how in version layout fact sum torn none; do
		case $how in
		version) printf '\006' | dd of="$L/index" bs=1 seek=9 conv=notrunc status=none ;;
		layout) printf '\377' | dd of="$L/index" bs=1 seek=12 conv=notrunc status=none ;;
		fact) printf '\377' | dd of="$L/index" bs=1 seek=600 conv=notrunc status=none ;;
		sum) printf '\377\376' | dd of="$L/index" bs=1 seek=82 conv=notrunc status=none ;;
		torn) truncate -s -100 "$L/index" ;;
		none) rm "$L/index" ;;
		esac
		hg-ledger add "$L" runs/a > out
		grep -q "already: row 2" out
		tail -c +257 "$L/index" > made
		cmp kept made || { echo "$how" >&2; false; }
		head -c 256 "$L/index" | tail -c +73 | cmp sums - || { echo "$how" >&2; false; }
		head -c 16 "$L/index" | cmp version - || { echo "$how" >&2; false; }
	done
}

instructions() {	# COMMAND...: how many it executes
	valgrind --tool=none --log-file=/dev/null true 2> /dev/null || skip "no valgrind"
	valgrind --tool=callgrind --callgrind-out-file=calls "$@" > /dev/null 2>&1
	sed -n 's/^\(summary\|totals\): //p' calls | head -n 1
}

@test "adding a row costs about a thousand instructions for each row that is there, and making the index some hundred times that" {
	local i small large made
	nm "$(command -v hg-ledger)" 2> /dev/null | grep -q __asan_ && skip "instrumented"
	for i in 1 2 3 4; do scored runs/r$i 2.$i seed=$i; done
	"$PYTHON" "$HG_TOP/t/bench/big_ledger.py" few 200 runs/r1
	"$PYTHON" "$HG_TOP/t/bench/big_ledger.py" many 2200 runs/r2
	hg-ledger add few runs/r3
	hg-ledger add many runs/r3
	small=$(instructions hg-ledger add few runs/r4)
	large=$(instructions hg-ledger add many runs/r4)
	echo "$(((large - small) / 2000)) for a row" >&2
	[ $((large - small)) -lt $((2000 * 1150)) ]
	rm many/index
	made=$(instructions hg-ledger add many runs/r4)
	echo "$(((made - small) / 2200)) for a row of the index" >&2
	[ $((made - small)) -lt $((2200 * 350000)) ]
}

@test "what follows from a thousand rows and more is kept, and a row costs a third of that then" {
	local i small large
	nm "$(command -v hg-ledger)" 2> /dev/null | grep -q __asan_ && skip "instrumented"
	for i in 1 2 3 4 5; do scored runs/r$i 2.$i seed=$i; done
	"$PYTHON" "$HG_TOP/t/bench/big_ledger.py" few 200 runs/r1
	"$PYTHON" "$HG_TOP/t/bench/big_ledger.py" many 4200 runs/r2
	for i in 3 4; do
		hg-ledger add few runs/r$i
		hg-ledger add many runs/r$i
	done
	[ ! -e few/standings ] && [ -s many/standings ]
	small=$(instructions hg-ledger add few runs/r5)
	large=$(instructions hg-ledger add many runs/r5)
	echo "$(((large - small) / 4000)) for a row" >&2
	[ $((large - small)) -lt $((4000 * 400)) ]
}

@test "what is kept of many rows changes no row: damaged, of other facts or another ledger, it is as if it were not there" {
	local how
	scored runs/a 2.3
	scored runs/b 2.25 train.matrix_lr=0.05
	"$PYTHON" "$HG_TOP/t/bench/big_ledger.py" -c 40 many 2000 runs/a runs/b
	"$PYTHON" "$HG_TOP/t/bench/big_ledger.py" -c 40 other 2000 runs/b runs/a
	scored runs/c 2.28 train.matrix_lr=0.06
	scored runs/d 2.28 train.matrix_lr=0.07
	scored runs/e 2.2 seed=3
	hg-ledger add other runs/c > /dev/null
	hg-ledger add other runs/d > /dev/null
	hg-ledger add many runs/c > /dev/null
	hg-ledger add many runs/d > /dev/null
	rm runs/?/ledger_witness.json
	[ -s other/standings ]
	cp many/standings whole
	# What a run's row would be, by the index alone and by what is kept.
	row() {
		hg-ledger add many runs/e > said 2>&1
		tail -n 1 many/ledger.jsonl | jq -c 'del(.added_at)'
		truncate -s "$(head -n -1 many/ledger.jsonl | wc -c)" many/ledger.jsonl
		rm -f many/index many/head runs/e/ledger_witness.json
		hg-ledger add many runs/d > /dev/null
	}
	rm many/standings
	hg-ledger add many runs/d > /dev/null
	rm -f many/standings
	expected=$(row)
	for how in whole flipped head torn empty other; do
		case $how in
		whole) cp whole many/standings ;;
		flipped) printf '\377\376\375' | dd of=many/standings bs=1 seek=9000 conv=notrunc status=none ;;
		head) printf '\377' | dd of=many/standings bs=1 seek=40 conv=notrunc status=none ;;
		torn) truncate -s -32 many/standings ;;
		empty) : > many/standings ;;
		other) cp other/standings many/standings ;;
		esac
		[ "$(row)" = "$expected" ] || { echo "$how" >&2; false; }
		cp whole many/standings
	done
	hg-ledger verify many
}

# bats test_tags=b34
@test "what is kept of many rows and was forged, its checksum too, moves no incumbent: the last row of its group knows" {
	local c
	scored runs/a 2.3
	for c in b c d e; do scored runs/$c 2.4 "train.matrix_lr=0.0$((0x$c))"; done
	hg-ledger add many runs/a
	"$PYTHON" "$HG_TOP/t/bench/big_ledger.py" many 1300 runs/b
	hg-ledger add many runs/c
	hg-ledger add many runs/d
	[ "$("$PYTHON" "$HG_TOP/t/tools/forge_standings.py" many/standings 2.3 1.9)" -gt 0 ]
	# to readers, and to who writes
	hg-ledger incumbent -a -j many | jq -es 'any(.score == 2.3) and all(.score != 1.9)'
	hg-ledger add many runs/e
	jq -es '.[-1] | .verdict.incumbent_score == 2.3 and .incumbent_after.score == 2.3' many/ledger.jsonl
	hg-ledger verify many
}

@test "what is kept of many rows serves where a group was not added to for long, also under rules of later on" {
	local before
	scored runs/a 2.3
	scored runs/other 2.3 eval.docs=1
	scored runs/b 2.4 train.matrix_lr=0.05
	scored runs/c 2.4 train.matrix_lr=0.06
	scored runs/d 2.4 train.matrix_lr=0.07
	hg-ledger add many runs/a
	hg-ledger add many runs/other
	jq '.plateau.pause_after_failures = 7' many/policy.json > p
	cp p many/policy.json
	"$PYTHON" "$HG_TOP/t/bench/big_ledger.py" many 1300 runs/b
	hg-ledger add many runs/c
	hg-ledger add many runs/d
	before=$(stat -c %i many/standings)
	scored runs/e 2.4 train.matrix_lr=0.08
	hg-ledger add many runs/e
	# made again only where it was not believed
	[ "$(stat -c %i many/standings)" = "$before" ]
	[ "$(jq -s '[.[] | select(.kind == "run") | .run.eval_sha256] | unique | length' many/ledger.jsonl)" -eq 2 ]
}

@test "facts of an index that were damaged are those of their rows again before anything rests on them" {
	scored runs/a 2.3
	scored runs/b 2.25 train.matrix_lr=0.05
	"$PYTHON" "$HG_TOP/t/bench/big_ledger.py" -c 40 many 2000 runs/a runs/b
	scored runs/c 2.28 train.matrix_lr=0.06
	scored runs/d 2.2 seed=3
	scored runs/e 2.2 seed=770
	hg-ledger add many runs/c > /dev/null
	hg-ledger add many runs/d > /dev/null
	[ -s many/standings ]
	# Of facts that are read again anyway, those of the newest rows, none; of the others a byte that tells what they are.
	"$PYTHON" -c 'if 1:
		f = open("many/index", "r+b")
		for i in range(64, 1500):
		    f.seek(256 + 320 * i + 60 + i % 90)
		    c = f.read(1)
		    f.seek(-1, 1)
		    f.write(bytes([c[0] ^ 0x5a]))'
	hg-ledger add many runs/e > said
	# Row 770 is one of the incumbent's, of that seed.
	grep -q "^row 2003: noise: same_seed" said
	tail -c +257 many/index > mended
	hg-ledger verify many
	rm many/index many/standings
	hg-ledger add many runs/e > again
	grep -q "already: row 2003" again
	tail -c +257 many/index | cmp mended -
}

# bats test_tags=b34
@test "an index that was forged, checksum and all, gives no false score of the incumbent to the chain" {
	scored runs/a 2.3
	scored runs/b 2.31 seed=2
	scored runs/c 2.29 train.matrix_lr=0.05
	add runs/a runs/b
	cp -r "$L" honest
	hg-ledger add honest runs/c > expected
	rm runs/c/ledger_witness.json
	"$PYTHON" "$HG_TOP/t/tools/forge_index.py" "$L/index" 2.3 1.9
	hg-ledger add "$L" runs/c > added
	same='.verdict.incumbent_score, .incumbent_after.score'
	[ "$(hg-ledger show "$L" | jq "$same")" = "$(hg-ledger show honest | jq "$same")" ]
	[ "$(hg-ledger show "$L" | jq .incumbent_after.score)" != 1.9 ]
	hg-ledger replay "$L"
}

@test "paths with blanks and quotes are one word in whatever is shown to be typed, on the page too" {
	local dir="it's a place"
	mkdir "$dir"
	L="$dir/my ledger"
	hg-ledger stop "$L" > said 2>&1 || :
	JUDGED_DATA=$BATS_FILE_TMPDIR
	scored "$dir/runs/r1" 2.3 refuse=train:out_of_memory
	add "$dir/runs/r1"
	cat added >> said
	scored "$dir/runs/base1" 2.3
	add "$dir/runs/base1"
	cat added >> said
	hg-ledger promote "$L" "$dir/runs/base1" >> said || :
	scored "$dir/runs/b" 2.2 train.matrix_lr=0.05
	hg-ledger plan "$L" "$dir/runs/b" 2>> said || :
	hg-ledger promote "$L" "$dir/runs/b" >> said || :
	hg-ledger calibrate "$L" "$dir/runs/base1" 2>> said || :
	hg-classify "$L" "$dir/runs/base1" >> said
	hg-report "$L" > page
	grep -o '<code[^>]*>hg-[^<]*<' page | sed "s/<code[^>]*>/next: /; s/<$//; s/&#39;/'/g" | grep ' .* ' >> said
	pasted said
	# each operand is a path as it is, whatever stands before it
	tr '\037' '\n' < given | grep . | sort | uniq -c > words
	run ! grep -vE " (-[a-z]|add|list|stop|verify|replay|promote|show|calibrate|score|RUN|it's a place/(my ledger|runs/(r1|base1|b)(\.2|/spec\.json)?))$" words
	grep -qF "it's a place/my ledger" words
	[ "$(grep -c "it's a place" words)" -ge 4 ]
}

@test "hg-run that was given a ledger ends a refusal with a command that names it" {
	scored runs/r1 2.3 refuse=train:out_of_memory
	run --separate-stderr hg-run -l ledger runs/r1
	[ "$status" -eq 102 ]
	[ "$(grep 'next: ' <<< "$stderr" | tail -n 1)" = "next: hg-run -r -l ledger runs/r1" ]
}

@test "before the first row whoever reads a ledger says what makes one, and nothing is left of the look" {
	local tool
	for tool in 'hg-ledger list' 'hg-ledger show' 'hg-ledger incumbent' 'hg-ledger verify' 'hg-ledger replay' 'hg-ledger stop' \
		'hg-ledger next' hg-report; do
		run --separate-stderr $tool "not there"
		[ "$status" -eq 100 ]
		[[ $stderr == *"cannot open the ledger 'not there': No such file or directory"*"next: hg-run -l 'not there' RUN  #"* ]]
		[ ! -e "not there" ]
	done
}

@test "hg-status -n with a ledger says done once the run's row is in, so that a loop over runs ends" {
	local n=0
	rm -r "$L"
	scored runs/a 2.3
	scored runs/b 2.31 seed=2
	# nothing can be generated from what these runs hold, which stops nothing
	hg-prompt runs/a || :
	hg-prompt runs/b || :
	[ "$(hg-status -n -l ledger runs/a)" = judge ]
	[ ! -e ledger ]
	for run in runs/a runs/b; do
		while [ "$(hg-status -n -l ledger "$run")" != done ]; do
			n=$((n + 1))
			[ "$n" -le 2 ]
			hg-run -l ledger "$run" > out 2>&1
		done
	done
	[ "$n" -eq 2 ]
	[ "$(hg-status -n runs/a)" = judge ]
	[ "$(hg-status -n -l ledger runs/a runs/b | tr '\t\n' '  ')" = "runs/a done runs/b done " ]
	run -100 hg-status -l ledger runs/a
	# another ledger does not have it
	[ "$(hg-status -n -l other runs/a)" = judge ]
}

# What a received ledger may hold: in a path, in a text.
EVIL_DIR=$'../runs/a b;touch t1 $(touch t2)`touch t3`\n\x27"touch t4"\e[31m\u009b2J\u202e!!%s\\'
EVIL_TEXT=$'\e]0;x\a\r\nrow 9: improvement\u009b2J\u202e\u007f %s%n'

# harmless FILE...: nothing in them that a terminal obeys.
harmless() {
	run ! grep -lP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]' "$@"
}

# pasted FILE...: each command that they say to type next, done by sh with tools that only say what they were given.
pasted() {
	local tool
	mkdir -p stubs paste
	for tool in hg-confirm hg-run hg-spec hg-ledger hg-score hg-gate; do
		printf '#!/bin/sh\nprintf "%%s\\037" "$@" >> "%s/given"\n' "$PWD" > "stubs/$tool"
		chmod +x "stubs/$tool"
	done
	cat "$@" | sed -n 's/^\(hg-[a-z]*: \)\? *next: \(hg-\)/\2/p' > typed
	[ -s typed ]
	(cd paste && PATH=$OLDPWD/stubs:$PATH sh "$OLDPWD/typed")
	[ -z "$(ls -A paste)" ]
}

@test "what a received ledger says is neither code to the shell that its commands are pasted into nor an order to a terminal" {
	local row key of text dir n=0
	calibrated
	scored runs/good 2.23 train.matrix_lr=0.046
	add runs/good
	row=$(jq -r 'select(.run.run_id == "good").row' "$L/ledger.jsonl")
	text=$(jq -n --arg t "$EVIL_TEXT" '$t') dir=$(jq -n --arg t "$EVIL_DIR" '$t')
	for of in 2 "$row"; do
		"$PYTHON" "$HG_TOP/t/tools/report_forge.py" "$L" set "$of" run.dir="$dir" run.hypothesis="$text" verdict.text="$text"
	done
	mkdir alone
	cp -a "$L" alone
	hg-ledger verify alone/ledger > said.verify || [ $? -eq 2 ]
	# each of them reads; what it answers is not the point
	for key in list 'list -a' 'list -j' 'list -s' show 'show LEDGER 2' incumbent 'incumbent -a' 'incumbent -j' stop next \
		replay 'replay -j' 'plan LEDGER runs/good' 'plan LEDGER runs/base1' 'add LEDGER runs/good' 'promote LEDGER runs/good'; do
		[[ $key == *LEDGER* ]] || key="$key LEDGER"
		# shellcheck disable=SC2086
		hg-ledger ${key//LEDGER/$L} > "said.$((n += 1)).${key%% *}" 2> "said.$n.err" || :
	done
	hg-classify "$L" runs/good > said.classify 2>&1 || :
	hg-report alone/ledger > said.page 2> said.page.err
	harmless said.*
	jq -e --arg t "$EVIL_TEXT" '.verdict.text == $t' < <(hg-ledger show "$L" 2)
	grep -qF 'next: hg-confirm' said.*.stop
	pasted said.[!p]*
	# the path that was pasted is the one that the ledger says
	grep -qF "${EVIL_DIR#../}" given
	sed -n 's/.*<code class="cmd">\(hg-confirm[^<]*\)<.*/next: \1/p' said.page | sed "s/&#39;/'/g; s/&quot;/\"/g" > said.cmd
	: > given
	pasted said.cmd
	grep -qF "${EVIL_DIR#../}" given
}

@test "a row that calls a run, a lane or a campaign what none may be called is refused and named by whoever reads it" {
	local what n=0
	calibrated
	scored runs/good 2.23 train.matrix_lr=0.046
	add runs/good
	hg-ledger plan "$L" runs/good > /dev/null
	for what in '2 run.run_id="a;touch x"' '3 run.lane="a b"' '2 run.run_id=".."' '4 incumbent_after.run_id="-\u001b"' \
		'9 plan.campaign="$(x)"' '9 plan.challenger.run_id=""' '7 calibration.lane="../x"'; do
		n=$((n + 1))
		mkdir "bad$n"
		cp -a "$L" "bad$n"
		# shellcheck disable=SC2086
		"$PYTHON" "$HG_TOP/t/tools/report_forge.py" "bad$n/ledger" set "${what%% *}" "${what#* }"
		for tool in 'hg-ledger list -a' 'hg-ledger list -s' 'hg-ledger stop' 'hg-ledger incumbent -a' 'hg-ledger replay' \
			'hg-ledger show' hg-report; do
			echo "$what: $tool"
			run --separate-stderr $tool "bad$n/ledger"
			[ "$status" -eq 103 ]
			[[ $stderr == *"row ${what%% *}"[!0-9]* || $stderr == *"'the last row'"* ]]
		done
	done
	[ "$n" -eq 7 ]
}

# bats test_tags=b25,b22
@test "an uncalibrated lane never yields an improvement, however large the gain" {
	scored runs/a 2.3
	scored runs/b 1.3 train.matrix_lr=0.05
	add runs/a runs/b
	[ "$(field b '.verdict.class + " " + .verdict.reason + " " + .verdict.noise')" = "noise uncalibrated uncalibrated" ]
	run --separate-stderr hg-ledger plan "$L" runs/b
	[ "$status" -eq 2 ]
	[[ "$stderr" == *"next: hg-confirm -c $L "*runs/a* ]]
	[ "$(hg-ledger incumbent -j "$L" | jq -r .run_id)" = a ]
}

@test "a lane is calibrated by five seeds of a recipe, and not by five runs of one seed" {
	local i
	for i in 1 2 3 4 5; do
		scored runs/same$i 2.30$i seed=1
		add runs/same$i
	done
	run --separate-stderr hg-ledger calibrate "$L" runs/same1
	[ "$status" -eq 2 ]
	[[ "$stderr" == *"1 of the 5 seeds"* ]]
	[ "$(field same2 .verdict.reason)" = same_seed ]
	for i in 2 3 4 5; do
		scored runs/s$i 2.30$i seed=$i
		add runs/s$i
	done
	run hg-ledger calibrate "$L" runs/same1
	[ "$status" -eq 0 ]
	[[ "$output" == *"is calibrated: 5 seeds"* ]]
	run hg-ledger calibrate "$L" runs/same1
	[ "$status" -eq 0 ]
	[[ "$output" == "calibrated already" ]]
}

# bats test_tags=b91
@test "runs from the same given weights at the same place in the data are one run, whatever their seed" {
	local i
	echo weights > w
	for i in 1 2 3 4 5; do
		scored runs/g$i 2.3 seed=$i train.init_from="$PWD/w" stream=1000
		add runs/g$i
	done
	[ "$(field g1 .verdict.reason)" = first ]
	[ "$(field g5 '.verdict.class + " " + .verdict.reason')" = "noise same_replicate" ]
	[[ "$(field g5 .verdict.text)" == *"as run 'g1' of row 2 (another train.data_offset makes a run of its own), so it is that run again"* ]]
	# Whole rounds of the shards are the same place.
	scored runs/round 2.3 seed=6 train.init_from="$PWD/w" train.data_offset=3000 stream=1000
	add runs/round
	[ "$(field round .verdict.reason)" = same_replicate ]
	run -2 --separate-stderr hg-ledger calibrate "$L" runs/g1
	[[ "$stderr" == *"1 of the 5 seeds"* ]]
	[ "$(hg-ledger incumbent -j "$L" | jq -r .runs)" = 1 ]
	# Each place is one, under one seed, too.
	for i in 1 2 3 4; do
		scored runs/o$i 2.30$i seed=1 train.init_from="$PWD/w" train.data_offset=$i stream=1000
		add runs/o$i
		[ "$(field o$i .verdict.reason)" = replicate ]
	done
	hg-ledger calibrate "$L" runs/g1 > calibration
	[[ "$(cat calibration)" == *"5 seeds lie 0.00158 apart"* ]]
	# Other weights are another configuration, and that is what differs.
	echo others > w2
	scored runs/h 2.3 train.init_from="$PWD/w2" stream=1000
	add runs/h
	[ "$(field h '.verdict.changed + [.verdict.credited] | join(" ")')" = "initial_weights initial_weights" ]
	[[ "$(field h .verdict.text)" == *"The two start from different initial weights"* ]]
	hg-ledger replay "$L"
}

# bats test_tags=b91
@test "runs whose artifact is one of their configuration's, seed and place notwithstanding, are that run, and calibration ends" {
	local i
	scored runs/a1 2.3 seed=1 artifact=same
	add runs/a1
	scored runs/a2 2.3 seed=2 artifact=same
	add runs/a2
	[ "$(field a2 .verdict.reason)" = same_replicate ]
	[[ "$(field a2 .verdict.text)" == *"Its artifact is byte for byte that of run 'a1' of row 2:"* ]]
	pretend
	export PRETEND=artifact=same
	run -1 --separate-stderr hg-confirm -c "$L" runs/a1
	[[ "$stderr" == *"come out the same whatever their seed and place"* ]]
	[ "$(find runs -name 'a1.cal.*' | wc -l)" -le 3 ]
	hg-ledger replay "$L"
}

# bats test_tags=b91
@test "hg-confirm makes runs from given weights at places of their own, and its verdict names the weights" {
	calibrated
	pretend
	echo weights > w
	scored runs/good 2.20 train.matrix_lr=0.0500 train.init_from="$PWD/w" stream=1000
	add runs/good
	hg-confirm "$L" runs/good
	[ "$(tail -n 1 "$L/ledger.jsonl" | jq -r .verdict.reason)" = confirmed ]
	[[ "$(tail -n 1 "$L/ledger.jsonl" | jq -r .verdict.text)" == *"all start from the given weights "*"different initial weights"* ]]
	# Of five runs no two are at one place; the incumbent's stay where they were.
	[ "$(jq -s -c '[.[] | select(.kind == "run" and .verdict.reason == "slot") | .run |
		[.init_sha256 == "none", .data_offset]] | [(map(select(.[0])) | unique | length), (map(select(.[0] | not)) | unique | length)]' \
		"$L/ledger.jsonl")" = "[1,5]" ]
	hg-ledger replay "$L"
	# A lane of such a configuration is calibrated by places, too.
	hg-spec -b runs/good/spec.json -s system.lane=other runs/lane
	hg-run -l "$L" runs/lane
	hg-confirm -c "$L" runs/lane > calibration 2> /dev/null
	[[ "$(tail -n 1 calibration)" == *"lane 'other' is calibrated: 5 seeds"* ]]
	hg-ledger replay "$L"
}

# bats test_tags=b91
@test "a ledger under law 1 replays as it was judged, confirms nothing from copies, and law 2 counts them once" {
	local i
	scored runs/any 2.4
	hg-ledger add ledger0 runs/any > added
	[ "$(jq .law ledger0/policy.json)" = 3 ]
	jq 'del(.law)' "$L/policy.json" > p
	cp p "$L/policy.json"
	echo weights > w
	for i in 1 2 3 4 5; do
		scored runs/g$i 2.3 seed=$i train.init_from="$PWD/w"
		add runs/g$i
	done
	[ "$(field g5 .verdict.reason)" = replicate ]
	run -2 --separate-stderr hg-ledger calibrate "$L" runs/g1
	[[ "$stderr" == *"1 of the 5 seeds"* ]]
	[ "$(hg-ledger incumbent -j "$L" | jq -r .runs)" = 5 ]
	hg-ledger replay "$L"
	for i in 1 2 3 4; do
		scored runs/o$i 2.31$i seed=2$i train.init_from="$PWD/w" train.data_offset=$i
		add runs/o$i
	done
	hg-ledger calibrate "$L" runs/g1 > calibration
	scored runs/good 2.0 train.matrix_lr=0.07
	add runs/good
	run -1 --separate-stderr hg-ledger plan "$L" runs/good
	[[ "$stderr" == *"rests on copies of one run from given weights"*'put "law": 2 into'* ]]
	jq '.law = 2' p > "$L/policy.json"
	scored runs/other 2.2 train.matrix_lr=0.05
	add runs/other
	[ "$(field other .verdict.incumbent_runs)" = 5 ]
	[ "$(hg-ledger incumbent -j "$L" | jq -r .runs)" = 5 ]
	rm "$L/index"
	[ "$(hg-ledger incumbent -j "$L" | jq -r .runs)" = 5 ]
	hg-ledger plan -p "$L" runs/good > out 2> err
	hg-ledger replay "$L"
	# And never back.
	cp p "$L/policy.json"
	scored runs/more 2.2 train.matrix_lr=0.06
	run -103 --separate-stderr hg-ledger add "$L" runs/more
	[[ "$stderr" == *"judged by law 2"* ]]
}

# bats test_tags=b26
@test "the incumbent's own configuration with another seed, or its artifact again, is never an improvement" {
	calibrated
	scored runs/lucky 2.0 seed=99
	add runs/lucky
	[ "$(field lucky '.verdict.class + " " + .verdict.reason')" = "noise replicate" ]
	scored runs/copy 2.0 train.matrix_lr=0.05 artifact="$(cat runs/base1/artifact.hgz)"
	add runs/copy
	[ "$(field copy '.verdict.class + " " + .verdict.reason')" = "noise identical_artifact" ]
	run --separate-stderr hg-ledger plan "$L" runs/lucky
	[ "$status" -eq 1 ]
}

# bats test_tags=b30,b23
@test "noise-level gains do not ratchet the incumbent" {
	local i
	calibrated
	for i in 1 2 3 4; do
		scored runs/c$i 2.30$((3 - i / 2)) train.matrix_lr=0.05$i
		add runs/c$i
	done
	[ "$(hg-ledger incumbent -j "$L" | jq -r .run_id)" = base5 ]
	[ "$(jq -s '[.[] | select(.verdict.class == "improvement")] | length' "$L/ledger.jsonl")" = 0 ]
	# each delta is the run's score less the mean of the incumbent's five
	[ "$(field c1 '(.verdict.delta - (.run.metrics.val_bpb - 2.3022)) | fabs < 1e-12')" = true ]
}

# bats test_tags=b27
@test "the direction is what the policy declares" {
	calibrated
	scored runs/up 2.4 train.matrix_lr=0.05
	add runs/up
	[ "$(field up .verdict.class)" = regression ]
	jq '.metric.direction = "higher"' "$L/policy.json" > p
	mv p "$L/policy.json"
	scored runs/up2 2.4 train.matrix_lr=0.06
	add runs/up2
	[ "$(field up2 '.verdict.reason + " " + (.verdict.gain > 0 | tostring)')" = "promising true" ]
	# the rules are in the chain: the older verdict still follows from the older policy
	hg-ledger replay "$L"
}

# bats test_tags=b28
@test "what changed is told as a set, and more than one thing credits none" {
	calibrated
	scored runs/model 2.29 train.matrix_lr=0.05
	scored runs/both 2.29 train.matrix_lr=0.06 system.lane=default tokenizer=b
	scored runs/seed 2.29 seed=77
	add runs/model runs/both runs/seed
	[ "$(field model '.verdict | (.changed | join(",")) + " " + .credited')" = "model model" ]
	[ "$(field both '.verdict | (.changed | join(",")) + " " + (.credited | tostring)')" = "model,tokenizer null" ]
	[ "$(field seed '.verdict.changed | length')" = 0 ]
}

@test "a verdict's words, hg-classify and the list name the keys that differ from the incumbent's, with both values" {
	local lr='train.matrix_lr 0.04 -> 0.05' decay='train.scalar_lr 0.04 -> 0.1'
	calibrated
	scored runs/one 2.2 train.matrix_lr=0.05
	scored runs/two 2.31 train.matrix_lr=0.05 train.scalar_lr=0.1
	add runs/one
	grep -qF "What differs from the incumbent: $lr." added
	run hg-classify "$L" runs/two
	[[ "$output" == *"What differs from the incumbent: $lr, $decay; more than one, so none can be credited."* ]]
	[[ "$output" != *model* ]]
	add runs/two
	field two .verdict.text | grep -qF "$lr, $decay; more than one"
	hg-ledger list "$L" > list
	grep -E '^ +[0-9]+  one .*Z  train\.matrix_lr 0\.04 -> 0\.05$' list
	grep -qF "$lr, $decay" list
	[ "$(grep -c 'base.* -> ' list)" -eq 0 ]
	# A terminal has less room for it, and what it has is used.
	COLUMNS=140 hg-ledger list -s "$L" > narrow
	[ "$(awk 'length > 140' narrow | wc -l)" -eq 0 ]
	grep -qE ' one .* train\.matrix_l' narrow
	# Where rows do not know what was set, the verdict's word stands.
	hg-ledger list "$HG_TOP/t/history/0.1/ledger" > old
	grep -qE ' model$' old
}

# bats test_tags=b29
@test "another eval law or another validation text is another group; across tokenizers the raw score is compared" {
	SET=kept=all calibrated
	scored runs/text 1.0 raw=z
	scored runs/law 1.0 eval.docs=10
	scored runs/tok 2.29 tokenizer=b kept=all
	add runs/text runs/law runs/tok
	[ "$(field text .verdict.reason)" = first ]
	[ "$(field law .verdict.reason)" = first ]
	[ "$(field tok .verdict.metric)" = val_bpb_raw ]
	[ "$(field base2 .verdict.metric)" = val_bpb ]
	# In a list of both the raw one is named.
	hg-ledger list "$L" > listed
	grep -q ' tok .*  tokenizer (val_bpb_raw)$' listed
	[ "$(grep -c val_bpb listed)" -eq 1 ]
	[ "$(hg-ledger incumbent -a "$L" | wc -l)" -eq 3 ]
}

# bats test_tags=b92
@test "a tokenizer that loses text, or was not measured, is never compared with another, not even one that loses the same" {
	local run
	for run in 1 2 3 4 5; do scored "runs/base$run" "2.3$run" seed="$run" kept=all; done
	add runs/base?
	hg-ledger calibrate "$L" runs/base1
	scored runs/exact 2.2 tokenizer=b kept=all
	scored runs/loses 1.1 tokenizer=c kept=x
	scored runs/same_loss 1.0 tokenizer=d kept=x
	scored runs/loses2 1.0 tokenizer=c kept=x seed=2
	scored runs/other_loss 1.0 tokenizer=e kept=y
	scored runs/unknown 1.0 tokenizer=f kept=
	scored runs/own_unknown 2.2 train.matrix_lr=0.05 kept=
	add runs/exact runs/loses runs/same_loss runs/loses2 runs/other_loss runs/unknown runs/own_unknown
	[ "$(field exact '.verdict | "\(.metric) \(.reason)"')" = "val_bpb_raw promising" ]
	[ "$(field exact .run.group_sha256)" = "$(field base1 .run.group_sha256)" ]
	[ "$(field loses .verdict.reason)" = first ]
	[ "$(field same_loss .verdict.reason)" = first ]
	[ "$(field loses2 '.verdict | "\(.metric) \(.reason)"')" = "val_bpb replicate" ]
	[ "$(field other_loss .verdict.reason)" = first ]
	[ "$(field loses '[.run.val_lost_frac, .run.val_kept_sha256 != .run.val_raw_sha256] | map(tostring) | join(" ")')" = "0.25 true" ]
	field loses .verdict.text | grep -qE 'validation text of tokenizer [0-9a-f]{8}, which loses 25 % of the validation text and so is compared with no other'
	[ "$(hg-ledger incumbent -a "$L" | wc -l)" -eq 4 ]
	[ "$(field unknown '.verdict | "\(.metric) \(.incumbent_score) \(.reason)"')" = "val_bpb null not_comparable" ]
	# With its own tokenizer it is compared as ever.
	[ "$(field own_unknown '.verdict | "\(.metric) \(.reason)"')" = "val_bpb promising" ]
	hg-ledger replay "$L"
}

# bats test_tags=b92
@test "a run of 0.1, whose tokenizer nobody measured, is not compared with a later one of another tokenizer" {
	local law
	for law in 2 1; do
		L=$PWD/ledger$law
		[ "$law" = 1 ] || law2 "$L"
		[ "$law" = 2 ] || { mkdir "$L"; jq 'del(.law)' ledger2/policy.json > "$L/policy.json"; }
		calibrated
		# What has a record of losing less, more or nothing is told alike; one without is not known to lose nothing.
		scored "runs/exact$law" 1.2 tokenizer=b kept=all
		scored "runs/silent$law" 1.2 tokenizer=c
		add "runs/exact$law" "runs/silent$law"
		[ "$(field "exact$law" '.verdict | "\(.class) \(.reason) \(.incumbent_score)"')" = "noise not_comparable null" ]
		[ "$(field "silent$law" '.verdict | "\(.class) \(.reason) \(.incumbent_score)"')" = "noise not_comparable null" ]
		field "exact$law" .verdict.text > text
		grep -qE 'tokenizer [0-9a-f]{8}, which loses nothing .* incumbent has tokenizer [0-9a-f]{8}, of which it was not measured' text
		grep -qF '(hg-data -B)' text
		grep -qF 'after another run on data that hg-data made anew' text
		run --separate-stderr hg-ledger plan "$L" "runs/exact$law"
		[ "$status" -ne 0 ]
		[ "$(grep -c '"plan"' "$L/ledger.jsonl")" -eq 0 ]
		hg-ledger replay "$L"
	done
	# Measured anew, the incumbent is comparable again.
	L=$PWD/ledger2
	scored runs/base6 2.302 seed=6 kept=all
	scored runs/exact3 2.2 tokenizer=b kept=all seed=9
	add runs/base6 runs/exact3
	[ "$(field exact3 '.verdict | "\(.metric) \(.reason)"')" = "val_bpb_raw promising" ]
}

# bats test_tags=b34,b93
@test "what spends runs reads every row: an old row that was changed, with a forged index, plans, calibrates and promotes nothing" {
	local i
	calibrated
	pretend
	scored runs/good 2.2 train.matrix_lr=0.046
	add runs/good
	hg-confirm -n 3 "$L" runs/good > out 2> err
	# So many rows that the first ones are no longer read again.
	for i in $(seq 20); do scored "runs/n$i" 2.31 train.matrix_lr="0.04$((50 + i))"; done
	add runs/n?*
	scored runs/next 1.9 train.matrix_lr=0.08
	add runs/next
	cp -r "$L" honest
	# As somebody would who wants a lane that was quieter than it was.
	sed -i '4s/"val_bpb": 2\.295\([,}0-9]\)/"val_bpb": 2.296\1/' "$L/ledger.jsonl"
	run ! cmp -s "$L/ledger.jsonl" honest/ledger.jsonl
	"$PYTHON" "$HG_TOP/t/tools/forge_index.py" "$L/index" 2.295 2.296 "$L/ledger.jsonl"
	cp "$L/ledger.jsonl" before
	# The index is believed by what is only looked at.
	hg-ledger stop "$L" > /dev/null || [ $? -eq 1 ]
	scorer 'exit 0'
	for how in 'plan runs/next' 'plan -p runs/next' 'calibrate -n 9 runs/base1' 'promote runs/good'; do
		# shellcheck disable=SC2086
		set -- $how
		run --separate-stderr hg-ledger "${@:1:$#-1}" "$L" "${@: -1}"
		[ "$status" -eq 103 ] || { echo "$how: $status $output $stderr" >&2; false; }
		[ -n "$stderr" ]
	done
	run -103 --separate-stderr hg-confirm -c -n 9 "$L" runs/base1
	cmp before "$L/ledger.jsonl"
	[ "$(find runs -name '*.cal.*' | wc -l)" -eq 0 ]
}

# bats test_tags=b93
@test "a ledger that lost rows which any of its runs remembers plans and calibrates nothing" {
	calibrated
	scored runs/good 2.2 train.matrix_lr=0.046
	add runs/good
	cp -r "$L" older
	scored runs/later 2.31 train.matrix_lr=0.047
	add runs/later
	rm -r "$L" && mv older "$L"
	for how in 'plan runs/good' 'calibrate -n 9 runs/base1'; do
		# shellcheck disable=SC2086
		set -- $how
		run --separate-stderr hg-ledger "${@:1:$#-1}" "$L" "${@: -1}"
		[ "$status" -eq 103 ]
		[[ "$stderr" == *"ends with row "*"its runs remember rows up to "*"restore the newer ledger"*"nothing is planned by the ledger"* ]]
	done
	run -103 hg-confirm -c -n 9 "$L" runs/base1
	[ "$(find runs -name '*.cal.*' | wc -l)" -eq 0 ]
}

@test "each subcommand has options and a usage of its own" {
	local word words
	words=$(hg-ledger -h | sed -n '/^$/q; s/^usage://; s/^ *hg-ledger \([a-z]*\) .*/\1/p' | uniq)
	[ "$(wc -w <<< "$words")" -eq 18 ]
	hg-ledger -h | sed '/^$/,$d; s/^usage:/      /' > whole
	for word in $words; do
		hg-ledger "$word" -h > own
		[[ "$(head -n 1 own)" == "usage: hg-ledger $word "* ]]
		diff <(grep "hg-ledger $word " whole) <(sed '/^$/,$d; s/^usage:/      /' own) >&2
		# none takes -z, and none has a ledger for nothing
		run --separate-stderr hg-ledger "$word" -z ledger
		[ "$status" -eq 100 ]
		[ -z "$output" ]
		[[ "$stderr" == *"unknown option '-z'"*"usage: hg-ledger $word "* ]]
		[ "$(grep -vc "hg-ledger $word " <<< "$stderr")" -eq 1 ]
		run --separate-stderr hg-ledger "$word"
		[ "$status" -eq 100 ]
		[[ "$stderr" == "usage: hg-ledger $word "* ]]
	done
	# another's option is refused, and its help does not tell of it
	run --separate-stderr hg-ledger add -n 3 ledger runs/a
	[ "$status" -eq 100 ]
	[[ "$stderr" == *"unknown option '-n'"*"usage: hg-ledger add [-i] LEDGER RUN..." ]]
	run ! grep -q -- '-n SEEDS' <(hg-ledger list -h)
	grep -qF -- '-n SEEDS' <(hg-ledger plan -h)
	run --separate-stderr hg-ledger judge ledger
	[ "$status" -eq 100 ]
	[[ "$stderr" == *"unknown subcommand 'judge'"*"usage: hg-ledger add"* ]]
}

# advised COMMAND: whoever is asked what to do next says this, after a run was added.
advised() {
	grep -qxF "next: $1" added || { cat added >&2; return 1; }
	run hg-ledger stop "$L"
	[ "${lines[-1]}" = "next: $1" ] || { echo "$output" >&2; return 1; }
	hg-report -o p.html "$L"
	grep -qF "<code class=\"cmd\">$1</code>" p.html
}

@test "what no retry gets past is never to be retried: after a run, by the stop rule and on the page the refusal is looked at" {
	local kind final=0
	for kind in $(grep -o '^REFUSAL_KIND([A-Z_]*, "[a-z_]*", 0' "$HG_TOP/lib/schema/refusalkind.def" | cut -d '"' -f 2); do
		scored "runs/$kind" 2.3 "refuse=train:$kind"
		L=ledger.$kind
		hg-ledger add "$L" "runs/$kind" > added
		advised "hg-status runs/$kind"
		run ! grep -q hg-run added
		final=$((final + 1))
	done
	[ "$final" -ge 15 ]
	hg-status "runs/$kind" | grep -q "next: "
}

@test "what to do next is said alike after a run, by the stop rule and on the page" {
	local slot
	scored runs/r1 2.3 refuse=train:out_of_memory
	hg-ledger add ledger runs/r1 > added
	L=ledger
	grep -qxF "next: hg-run -r -l ledger runs/r1" added
	advised "hg-run -r -l ledger runs/r1"
	scored runs/base0 2.302 seed=100
	add runs/base0
	advised "hg-confirm -c ledger runs/base0"
	scored runs/other 2.2 train.matrix_lr=0.05
	add runs/other
	advised "hg-confirm -c ledger runs/base0"
	calibrated
	scored runs/good 2.23 train.matrix_lr=0.046
	add runs/good
	advised "hg-confirm ledger runs/good"
	# the better of two
	scored runs/better 2.22 train.matrix_lr=0.047
	add runs/better
	advised "hg-confirm ledger runs/better"
	# a plan that is open comes first, whoever else waits
	hg-ledger plan "$L" runs/good > /dev/null
	slot=$(hg-ledger next "$L" | cut -f 3,4 | tr '\t' ' ')
	scored runs/slot 2.3 train.seed="${slot#* }" train.matrix_lr="$([ "${slot% *}" = challenger ] && echo 0.046 || echo 0.04)"
	add runs/slot
	grep -qxF "next: hg-confirm ledger runs/slot" added
	run hg-ledger stop "$L"
	[ "${lines[-1]}" = "next: hg-confirm ledger runs/good" ]
	hg-ledger plan -x "$L" > /dev/null
	run hg-ledger stop "$L"
	[ "${lines[-1]}" = "next: hg-confirm ledger runs/better" ]
}

# bats test_tags=b32
# bats test_tags=b90
@test "load alone never changes a verdict on a score that does not depend on the clock, and no such run is made again" {
	scored runs/base 2.300 starved=yes
	add runs/base
	[ "$(field base .verdict.reason)" = first ]
	pretend
	PRETEND=starved=yes hg-confirm -c "$L" runs/base > calibration 2> /dev/null
	[[ "$(tail -n 1 calibration)" == *"is calibrated: 5 seeds"* ]]
	[ "$(find runs -name 'base.cal.*' | wc -l)" = 4 ]
	scored runs/gain 2.0 train.matrix_lr=0.05 starved=yes train_ms=59900
	add runs/gain
	[ "$(field gain .verdict.reason)" = promising ]
	jq '.guarded |= map(if .name == "train_ms" then .tolerance = 0.01 else . end)' "$L/policy.json" > p
	cp p "$L/policy.json"
	scored runs/told 2.0 train.matrix_lr=0.07 train_ms=59900
	add runs/told
	[ "$(field told .verdict.reason)" = promising ]
	[[ "$(field told .verdict.text)" == *"Its train_ms of 59900 against the incumbent's 58211 decides nothing: load changes it, and a time counts only where both"* ]]
	hg-confirm "$L" runs/gain > confirmation 2> /dev/null
	[ "$(tail -n 1 "$L/ledger.jsonl" | jq -r .verdict.reason)" = confirmed ]
	hg-ledger replay "$L"
}

# bats test_tags=b90
@test "where the clock counts, a time is worse only beyond its own noise, and the verdict names all figures" {
	local i=0 ms
	for ms in 40000 44000 37000 42000 39000; do
		i=$((i + 1))
		scored runs/base$i 2.30$i seed=$i train.schedule=wallclock train_ms=$ms
		add runs/base$i
	done
	hg-ledger calibrate "$L" runs/base1 > calibration
	scored runs/noisy 2.2 train.matrix_lr=0.05 train.schedule=wallclock train_ms=45000
	scored runs/slow 2.2 train.matrix_lr=0.06 train.schedule=wallclock train_ms=59000
	add runs/noisy runs/slow
	[ "$(field noisy .verdict.reason)" = promising ]
	[[ "$(field noisy .verdict.text)" == *"Its train_ms of 45000 against the incumbent's 40000 decides nothing: it is within"* ]]
	[ "$(field slow '.verdict | .class + " " + .guarded_metric')" = "regression train_ms" ]
	[ "$(field slow '[.verdict | .guard_value, .guard_reference, .guard_tolerance] | @csv')" = "59000,40000,0.05" ]
	[[ "$(field slow .verdict.text)" == *"scored 2.20000 val_bpb, 0.10300 better than the incumbent's 2.30300"*"worse in train_ms: 59000 against the incumbent's 40000, which is 47.5 % worse where 5 % is tolerated; a gain"* ]]
	hg-ledger replay "$L"
}

@test "a loss in a guarded metric is not masked by a gain in another" {
	calibrated
	scored runs/fat 2.0 train.matrix_lr=0.05 total_bytes=400000
	add runs/fat
	[ "$(field fat '.verdict.class + " " + .verdict.guarded_metric')" = "regression total_bytes" ]
}

@test "incumbent_after.score is the mean of the runs that it counts: all of a start, then those of the confirmation alone" {
	calibrated
	pretend
	jq -s -e '[.[] | select(.kind == "run")] as $runs | $runs[-1].incumbent_after as $now |
	    ($now.runs == 5) and (($now.score - 2.3022) | fabs < 1e-9)' "$L/ledger.jsonl"
	scored runs/good 2.23 train.matrix_lr=0.0460
	add runs/good
	hg-confirm "$L" runs/good > out 2> err
	jq -s -e '.[-1].incumbent_after as $now | [.[] | select(.kind == "run" and .verdict.plan_sha256 != null and
	    .run.config_sha256 == $now.config_sha256).run.metrics.val_bpb] as $scores |
	    ($now.runs == 5) and ($scores | length == 5) and (($now.score - ($scores | add / 5)) | fabs < 1e-9)' "$L/ledger.jsonl"
}

@test "a gain is confirmed by fresh seeds in turns, planned before they run, and looked at once" {
	local slots
	calibrated
	pretend
	scored runs/good 2.23 train.matrix_lr=0.0460
	add runs/good
	[ "$(field good .verdict.reason)" = promising ]
	hg-confirm "$L" runs/good > out 2> err
	[ "$(tail -n 1 "$L/ledger.jsonl" | jq -r '.kind + " " + .verdict.class')" = "confirmation improvement" ]
	tail -n 1 "$L/ledger.jsonl" > verdict
	# ten runs, five a side, no seed of before, verdict bound to their rows
	[ "$(jq '.confirmation.challenger_runs + .confirmation.incumbent_runs | unique | length' verdict)" = 10 ]
	[ "$(jq -r 'select(.kind == "run").run.seed' "$L/ledger.jsonl" | sort | uniq -d | wc -l)" = 0 ]
	slots=$(jq -r 'select(.kind == "plan").plan.slots[].side' "$L/ledger.jsonl" | cut -c 1 | tr -d '\n')
	# the sides take turns, and in going first, too
	[ "$slots" = ciicciicci ] || [ "$slots" = icciicciic ]
	[ "$(jq '.confirmation.cross_check.documents' verdict)" = 50 ]
	[ "$(jq -r .incumbent_after.config_sha256 verdict)" = "$(field good .run.config_sha256)" ]
	hg-ledger replay "$L"
	hg-ledger verify "$L"
	run --separate-stderr hg-confirm "$L" runs/good
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == *"improvement: confirmed" ]]
}

@test "the cross-check by documents is in the metric of the verdict, named, and comes to the same gain" {
	local metric
	# Half of the raw text is not counted by the tokenizer.
	export PRETEND="raw_bytes=500000 spread=0"
	for metric in val_bpb val_loss; do
		rm -rf "$L" runs
		mkdir -p "$L"
		jq --arg m $metric '.metric.name = $m' "$HG_TOP/contracts/policy.valid/full.json" > "$L/policy.json"
		SET=$PRETEND calibrated
		pretend
		# shellcheck disable=SC2086
		scored runs/good 2.20 train.matrix_lr=0.0500 $PRETEND
		add runs/good
		hg-confirm "$L" runs/good > confirmation 2> /dev/null
		tail -n 1 "$L/ledger.jsonl" | jq -e --arg m $metric '
			.confirmation.cross_check as $c | $c.metric == $m and .verdict.metric == $m and
			(($c.gain_bits_per_byte // $c.gain_nats_per_token) / .verdict.gain - 1 | fabs < 0.002) and
			(($c.gain_bits_per_byte == null) == ($m == "val_loss"))'
	done
	hg-ledger replay "$L"
	hg-report -o page.html "$L"
	grep -q "By documents the gain is 0[.0-9]* val_loss with a standard error of" page.html
}

@test "a run that is far worse but not shown to be so is not said to say nothing" {
	calibrated
	# Some 2 deviations to the worse, where the level of a regression is 1 %.
	scored runs/far 2.318 train.matrix_lr=0.05
	scored runs/near 2.304 train.matrix_lr=0.06
	add runs/far runs/near
	[ "$(field far .verdict.reason) $(field near .verdict.reason)" = "within_noise within_noise" ]
	[[ "$(field far .verdict.text)" == *"That is 2."*" times the lane's run-to-run deviation of"*"by chance such a loss comes about in "*" of the cases, and worse is said at 1 %: it is neither"* ]]
	[[ "$(field near .verdict.text)" == *"a single run says nothing of such a difference"* ]]
}

@test "a plan's power is said before it is fixed, with the runs a side that would do, and looking fixes nothing" {
	calibrated
	scored runs/good 2.20 train.matrix_lr=0.0500
	add runs/good
	[[ "$(cat added)" == *"with 5 a side a gain of 3.5 lane deviations is confirmed with a chance of 74 %, and the policy wants 80 %: -n 6 has 8"* ]]
	cp "$L/ledger.jsonl" before
	run -0 --separate-stderr hg-ledger plan -p "$L" runs/good
	[[ "${lines[0]}" == "not planned, only looked at: 'good' against"* ]]
	[[ "${lines[1]}" == *"is confirmed with a chance of 74 %"* ]]
	[[ "$stderr" == *"-n 6 has 8"* ]]
	cmp before "$L/ledger.jsonl"
	run -0 --separate-stderr hg-ledger plan -p -n 6 "$L" runs/good
	[[ "${lines[1]}" == *"is confirmed with a chance of 8"*"Runs: 12"* ]]
	[ -z "$stderr" ]
	cmp before "$L/ledger.jsonl"
	run -100 hg-ledger plan -p -x "$L"
	# What is said is the plan's own.
	run -0 --separate-stderr hg-ledger plan -n 2 "$L" runs/good
	[[ "$stderr" == *"with 2 a side a gain"* ]]
}

# follow: type what hg-ledger stop, or hg-classify of the run, says is next.
follow() {
	local next
	next=$(hg-classify -j "$L" "$1" | jq -r .next.command)
	echo "$next" >> followed
	eval "$next" > out 2> err
}

@test "a plan that could never be filled is refused with the reason, and the steps that are printed lead to its verdict" {
	calibrated
	pretend
	cd runs
	# Another lane: the incumbent must run there, then the lane's noise must be known.
	scored there 2.1 train.matrix_lr=0.05 system.lane=other
	add there
	run -2 --separate-stderr hg-ledger plan "$L" there
	follow there
	follow there
	[[ "$(tail -n 1 followed)" == *"hg-confirm -c $L"*there.there ]]
	# What was added before the lane was calibrated can't screen.
	follow there
	follow there.2
	[ "$(tail -n 1 followed)" = "hg-confirm $L there.2" ]
	[ "$(tail -n 1 "$L/ledger.jsonl" | jq -r .verdict.reason)" = confirmed ]
	# Another cap: its runs are never set beside the incumbent's, which by now has the other lane, too.
	scored long 1.9 train.matrix_lr=0.06 budget.max_wallclock_ms=90000
	add long
	follow long
	[[ "$(tail -n 1 followed)" == *"budget.max_wallclock_ms=60000 long.2 "* ]]
	follow long.2
	[[ "$(tail -n 1 followed)" == *"system.lane=default long.2.there "* ]]
	follow long.2
	[ "$(tail -n 1 followed)" = "hg-confirm $L long.2" ]
	[ "$(tail -n 1 "$L/ledger.jsonl" | jq -r .verdict.reason)" = confirmed ]
	[ "$(sort followed | uniq -d)" = "" ]
	hg-ledger replay "$L"
}

@test "a lane that is calibrated, but by another configuration than the incumbent's, makes no plan that can't be filled" {
	local i
	calibrated
	pretend
	for i in 1 2 3 4 5; do
		scored runs/o$i 2.30$i seed=$i train.matrix_lr=0.041 system.lane=other
		add runs/o$i
	done
	hg-ledger calibrate "$L" runs/o1 > out
	scored runs/good 2.1 train.matrix_lr=0.05 system.lane=other
	add runs/good
	cp "$L/ledger.jsonl" before
	run -1 --separate-stderr hg-ledger plan "$L" runs/good
	[[ "$stderr" == *"no run of the incumbent can be set beside 'runs/good', so no plan could be filled: the incumbent never ran on lane 'other'"* ]]
	cmp before "$L/ledger.jsonl"
	follow runs/good
	hg-confirm "$L" runs/good > out 2> err
	[ "$(tail -n 1 "$L/ledger.jsonl" | jq -r .verdict.reason)" = confirmed ]
	scored runs/long 1.9 train.matrix_lr=0.06 budget.max_wallclock_ms=90000 system.lane=other
	add runs/long
	run ! hg-ledger plan "$L" runs/long
	run ! grep -q runs/long <(hg-ledger stop "$L")
}

@test "a plan that a clock ahead of this one made is said to wait for it, and spends no run" {
	calibrated
	scored runs/good 2.1 train.matrix_lr=0.05
	add runs/good
	hg-ledger plan "$L" runs/good > out
	sed -i '$s/"added_at": "[^"]*"/"added_at": "2099-01-01T00:00:00.000Z"/' "$L/ledger.jsonl"
	rm "$L"/index "$L"/head
	run -2 --separate-stderr hg-ledger next "$L"
	[[ "$stderr" == *"was made at 2099-01-01T00:00:00.000Z by a clock ahead of this one"*"hg-ledger plan -x"* ]]
	run -2 hg-confirm "$L" runs/good
	[ ! -e runs/good.*.1 ]
	[[ "$(hg-ledger stop "$L")" == *"next: hg-ledger plan -x $L" ]]
}

@test "a gain that is none is not confirmed, and the incumbent stays" {
	calibrated
	# seeds are drawn: with the lane's whole noise, what is none would be confirmed now and then
	NOISE=0.0005 pretend
	scored runs/lucky 2.27 train.matrix_lr=0.0400001
	add runs/lucky
	[ "$(field lucky .verdict.reason)" = promising ]
	hg-confirm "$L" runs/lucky > out 2> err
	[ "$(tail -n 1 "$L/ledger.jsonl" | jq -r '.verdict.class + " " + .verdict.reason')" = "noise not_confirmed" ]
	[[ "$(tail -n 1 "$L/ledger.jsonl" | jq -r .verdict.text)" == *"That does not show it to be useless"* ]]
	[ "$(hg-ledger incumbent -j "$L" | jq -r .config_sha256)" = "$(field base1 .run.config_sha256)" ]
}

@test "a confirmation that is interrupted goes on with the slots that are open" {
	calibrated
	pretend
	scored runs/good 2.23 train.matrix_lr=0.0460
	add runs/good
	hg-ledger plan "$L" runs/good > plan
	line=$(hg-ledger next "$L")
	hg-ledger plan "$L" runs/good | grep -q "open already"
	hg-spec -b "$L/$(echo "$line" | cut -f 5)/spec.json" -s train.seed="$(echo "$line" | cut -f 4)" runs/by-hand 2> /dev/null
	hg-run -l "$L" runs/by-hand
	[ "$(hg-ledger next "$L" | cut -f 2)" = 2 ]
	hg-confirm "$L" runs/good > out 2> err
	[ "$(jq -s '[.[] | select(.kind == "run" and .verdict.reason == "slot")] | length' "$L/ledger.jsonl")" = 10 ]
	[ "$(tail -n 1 "$L/ledger.jsonl" | jq -r .kind)" = confirmation ]
}

@test "a confirmation that is asked for again after its verdict says it again and spends nothing" {
	local gain
	for gain in 0.0470 0.0401; do
		calibrated
		NOISE=0.0005 pretend
		scored runs/c 2.2 train.matrix_lr=$gain
		add runs/c
		hg-confirm "$L" runs/c > out 2> err
		cp "$L/ledger.jsonl" before
		verdict=$(tail -n 1 before | jq -r '"row \(.row): \(.verdict.class): \(.verdict.reason)"')
		run --separate-stderr hg-confirm "$L" runs/c
		[ "$status" -eq 0 ]
		[ "${lines[0]}" = "$verdict" ]
		cmp before "$L/ledger.jsonl"
		run hg-confirm -n 5 "$L" runs/c
		[ "${lines[0]}" = "$verdict" ]
		echo "$verdict" >> verdicts
		# with more seeds a side it is another question, unless it is incumbent by now
		hg-ledger plan -n 6 "$L" runs/c > again 2>&1 && grep -q '^row [0-9]*: plan:' again && echo planned >> verdicts
		rm -rf "$L" runs
		law2 "$L"
	done
	grep -q 'improvement: confirmed' verdicts
	grep -q 'noise: not_confirmed' verdicts
	[ "$(grep -c planned verdicts)" -eq 1 ]
}

@test "runs of a planned seed that began before the plan, or were starved, fill no slot" {
	SET=train.schedule=wallclock calibrated
	pretend
	scored runs/good 2.23 train.matrix_lr=0.0460 train.schedule=wallclock
	add runs/good
	hg-ledger plan "$L" runs/good > plan
	line=$(hg-ledger next "$L")
	hg-spec -b "$L/$(echo "$line" | cut -f 5)/spec.json" -s train.seed="$(echo "$line" | cut -f 4)" runs/busy 2> /dev/null
	PRETEND=starved=yes hg-run -l "$L" runs/busy
	[ "$(field busy .verdict.reason)" = starved ]
	[ "$(hg-ledger next "$L" | cut -f 2)" = 1 ]
	hg-spec -b "$L/$(echo "$line" | cut -f 5)/spec.json" -s train.seed="$(echo "$line" | cut -f 4)" runs/early 2> /dev/null
	PRETEND=ago_ms=600000 hg-run -l "$L" runs/early
	[ "$(field early .verdict.reason)" != slot ]
	[ "$(hg-ledger next "$L" | cut -f 2)" = 1 ]
}

@test "a plan that is given up is spent, and a campaign that has spent all makes no more" {
	calibrated
	jq '.campaign.confirmations = 1' "$L/policy.json" > p
	mv p "$L/policy.json"
	scored runs/good 2.23 train.matrix_lr=0.0460
	scored runs/next 2.23 train.matrix_lr=0.0470
	add runs/good runs/next
	hg-ledger plan "$L" runs/good > plan
	run --separate-stderr hg-ledger plan "$L" runs/next
	[ "$status" -eq 2 ]
	hg-ledger plan -x "$L" > given-up
	[ "$(tail -n 1 "$L/ledger.jsonl" | jq -r .verdict.reason)" = abandoned ]
	run --separate-stderr hg-ledger plan "$L" runs/next
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"has spent its 1 confirmation; declare a new one"* ]]
	jq '.campaign.name = "second"' "$L/policy.json" > p
	mv p "$L/policy.json"
	hg-ledger plan "$L" runs/next
	hg-ledger replay "$L"
}

# bats test_tags=b31
@test "the plateau counts sound comparable challengers only, and failures pause" {
	local i
	calibrated
	scored runs/n1 2.303 train.matrix_lr=0.051
	scored runs/n2 2.304 train.matrix_lr=0.052
	add runs/n1 runs/n2
	run hg-ledger stop "$L"
	[ "$status" -eq 1 ]
	[[ "$output" == "go on: 2 challengers in a row"* ]]
	scored runs/bad1 2.3 train.matrix_lr=0.053 total_bytes=17000000
	scored runs/bad2 2.3 train.matrix_lr=0.054 refuse=train:loss_diverged
	add runs/bad1 runs/bad2
	run hg-ledger stop "$L"
	[ "$status" -eq 1 ]
	[[ "$output" == "go on: 2 challengers in a row"* ]]
	scored runs/bad3 2.3 train.matrix_lr=0.055 partial=yes
	add runs/bad3
	run hg-ledger stop "$L"
	[ "$status" -eq 2 ]
	[[ "$output" == "pause: the last 3 runs"* ]]
	scored runs/n3 2.303 train.matrix_lr=0.056
	add runs/n3
	jq '.plateau.success_rate = 0.9' "$L/policy.json" > p
	mv p "$L/policy.json"
	scored runs/n4 2.303 train.matrix_lr=0.057
	add runs/n4
	run hg-ledger stop "$L"
	[ "$status" -eq 0 ]
	[[ "$output" == "stop: 4 challengers in a row"* ]]
}

@test "a run that fails each time that it is tried is one failure to the stop rule, and three runs are three" {
	local i
	calibrated
	scored runs/bad1 2.3 train.matrix_lr=0.053 refuse=train:loss_diverged
	scored runs/bad2 2.3 train.matrix_lr=0.054 refuse=train:loss_diverged
	add runs/bad1 runs/bad2
	for i in 1 2; do
		hg-retry train runs/bad$i
		scored runs/bad$i 2.3 refuse=train:loss_diverged
		add runs/bad$i
	done
	[ "$(hg-ledger list -j "$L" | jq -r .verdict.class | tail -n 4 | sort -u)" = blocked ]
	run hg-ledger stop "$L"
	[[ "$output" != pause:* ]] || { echo "$output" >&2; false; }
	scored runs/bad3 2.3 train.matrix_lr=0.055 refuse=train:loss_diverged
	add runs/bad3
	run -2 hg-ledger stop "$L"
	[[ "$output" == "pause: the last 3 runs"* ]]
}

# bats test_tags=b31
@test "the stop rule counts no challenger whose confirmation was given up, and counts it once when one finds it no better" {
	calibrated
	NOISE=0.0005 pretend
	scored runs/n1 2.303 train.matrix_lr=0.051
	scored runs/good 2.23 train.matrix_lr=0.0401
	add runs/n1 runs/good
	said() { run hg-ledger stop "$L"; [[ "$output" == "go on: $1 challenger"* ]] || { echo "$output" >&2; false; }; }
	said '1'
	for _ in 1 2; do
		hg-ledger plan -n 2 "$L" runs/good > /dev/null
		hg-ledger plan -x "$L" > /dev/null
		said '1'
	done
	hg-confirm -n 3 "$L" runs/good > out 2> err
	[ "$(hg-ledger show "$L" | jq -r .verdict.reason)" = not_confirmed ]
	said '2'
	# The counts follow from the rows, however they are read.
	rm -f "$L/index"
	said '2'
}

# bats test_tags=b33,b62
@test "promotion lists every condition; what is missing is pending, what is false refused, and a moved head refuses" {
	calibrated
	pretend
	run hg-ledger promote "$L" runs/base1
	[ "$status" -eq 2 ]
	[[ "$output" == *"pending  confirmed_gain"* ]]
	[[ "$output" == *"next: hg-confirm"* ]]
	scored runs/good 2.23 train.matrix_lr=0.0460
	add runs/good
	run hg-ledger promote "$L" runs/good
	[ "$status" -eq 1 ]
	[[ "$output" == *"no       incumbent"* ]]
	[[ "$output" == *refused ]]
	hg-confirm "$L" runs/good > out 2> err
	scorer 'exit 0'
	run hg-ledger promote -H 0123456789abcdef "$L" runs/good
	[ "$status" -eq 1 ]
	[[ "$output" == *"no       head"* ]]
	cp "$L/ledger.jsonl" before
	scorer 'echo "{\"same\": false}"; exit 1'
	run hg-ledger promote "$L" runs/good
	[ "$status" -eq 1 ]
	[[ "$output" == *"no       scored_again"* ]]
	# One that is refused, as without data, has the same code, and has found nothing out.
	scorer 'exit 1'
	run hg-ledger promote "$L" runs/good
	[ "$status" -eq 2 ]
	[[ "$output" == *"pending  scored_again       hg-score -c did not finish"* ]]
	cmp before "$L/ledger.jsonl"
	# Neither another one that comes first in PATH, nor none.
	scorer 'exit 0'
	mkdir first
	printf '#!/bin/sh\nexit 1\n' > first/hg-score
	chmod +x first/hg-score
	mv bin/hg-score away
	PATH=$PWD/first:$PATH run hg-ledger promote "$L" runs/good
	[ "$status" -eq 2 ]
	[[ "$output" == *"pending  scored_again       there is no hg-score beside hg-ledger"* ]]
	mv away bin/hg-score
	PATH=$PWD/first:$PATH run hg-ledger promote "$L" runs/good
	[ "$status" -eq 0 ]
	[[ "$output" == *"promoted: row "* ]]
	[ "$(hg-ledger show "$L" | jq -r .promotion.scorer_sha256)" = "$(sha256sum < bin/hg-score | cut -d ' ' -f 1)" ]
	cp "$L/ledger.jsonl" before
	run hg-ledger promote "$L" runs/good
	[ "$status" -eq 0 ]
	[[ "$output" == "promoted already: row "* ]]
	cmp before "$L/ledger.jsonl"
	# What was promoted is the artifact, and not the name of its run.
	echo more >> runs/good/artifact.hgz
	run hg-ledger promote "$L" runs/good
	[ "$status" -eq 1 ]
	[[ "$output" == *"no       evidence           the run is not what its row says"* ]]
	[[ "$output" == *"refused: altered since row "*" promoted it" ]]
	rm runs/good/artifact.hgz
	run hg-ledger promote "$L" runs/good
	[ "$status" -eq 0 ]
	[[ "$output" == "promoted already: row "*"pending  evidence "* ]]
	cmp before "$L/ledger.jsonl"
}

# bats test_tags=b33
@test "a plan that is refused ends with a command that may be pasted, and helps" {
	local next
	calibrated
	pretend
	scored runs/good 2.23 train.matrix_lr=0.0460
	scored runs/late 2.25 train.matrix_lr=0.0470
	add runs/good runs/late
	hg-confirm "$L" runs/good > out 2> err
	run -1 --separate-stderr hg-ledger plan "$L" runs/late
	[[ ${stderr_lines[1]} == "hg-ledger:   next: hg-classify $L "*runs/late ]]
	next=${stderr_lines[1]#*next: }
	sh -c "$next" > said
	grep -q '^noise: within_noise (row [0-9]* said noise: promising)$' said
	# What was incumbent before the lane was calibrated screened nothing, and needs a run that does.
	run -2 --separate-stderr hg-ledger plan "$L" runs/base1
	[[ ${stderr_lines[0]} == *"was not screened since the lane was calibrated: add one more run of it" ]]
	[[ ${stderr_lines[1]} =~ next:\ hg-spec\ -b\ runs/base1/spec.json\ -s\ train.seed=[0-9]+\ runs/base1.2\ \&\&\ hg-run\ -l\ $L\ runs/base1.2$ ]]
}

# bats test_tags=b33
@test "a promotion names the run's own row, and holds the bound of the gain that the confirmation told, in its unit" {
	local said bound gain
	calibrated
	pretend
	scored runs/good 2.23 train.matrix_lr=0.0460
	add runs/good
	hg-confirm "$L" runs/good > out 2> err
	scorer 'exit 0'
	said=$(hg-ledger promote "$L" runs/good)
	[[ $said == *"sound              row $(hg-ledger show "$L" runs/good | jq -s 'last.row') breaks no rule"* ]]
	bound=$(sed -n 's/.*lower 99 % bound of the gain \([0-9.]*\),.*/\1/p' <<< "$said")
	gain=$(sed -n 's/.*(gain \([0-9.]*\),.*/\1/p' <<< "$said")
	hg-ledger list -a -j "$L" | jq -se --argjson bound "$bound" --argjson gain "$gain" \
		'map(select(.kind == "confirmation"))[0].verdict | .gain_lower / .gain / ($bound / $gain) - 1 | fabs < 0.001'
}

# bats test_tags=b34
@test "verify is pending and says so where no run bears witness to the chain, and one that is found is enough" {
	scored runs/a 2.3
	scored runs/b 2.31 seed=2
	add runs/a runs/b
	run -0 --separate-stderr hg-ledger verify "$L"
	[[ "$output" == "3 rows, 2 of them runs; 2 witnesses agree; head "* ]]
	mv runs moved
	run -2 --separate-stderr hg-ledger verify "$L"
	[[ "$output" == "3 rows, 2 of them runs; verified by its chain alone: no witness; head $(sha256sum < <(tail -n 1 "$L/ledger.jsonl") | cut -d ' ' -f 1)" ]]
	[[ "$stderr" == *"no run that was looked at remembers a row of the ledger"* ]]
	run -0 --separate-stderr hg-ledger verify "$L" moved/b
	[[ "$output" == "3 rows, 2 of them runs; 1 witness agrees; head "* ]]
	# What is left behind by whoever chains rows again.
	mv moved runs
	rm runs/*/ledger_witness.json
	run -2 --separate-stderr hg-ledger verify "$L"
}

# bats test_tags=b30
@test "a run that differs from the incumbent only in what has no effect screens nothing, and is told which keys and why" {
	local set row
	rm -r "$L"
	SET='train.adam_eps=1e-8 train.warmdown_frac=0.2' calibrated
	local keys=0
	for set in train.head_lr=0.02 train.embed_lr=0.3 train.warmdown_iters=700 train.warmup_steps=3 \
		train.adam_eps=1.0000001e-8 budget.artifact_cap_bytes=16000001 'train.head_lr=0.02 train.embed_lr=0.3'; do
		keys=$((keys + 1))
		# shellcheck disable=SC2086
		scored "runs/idle$keys" 2.2 seed=$((100 + keys)) train.adam_eps=1e-8 train.warmdown_frac=0.2 $set
		run -0 --separate-stderr hg-ledger add "$L" "runs/idle$keys"
		[ "$(field "idle$keys" '.verdict | "\(.class) \(.reason)"')" = "noise ineffective" ]
		[[ "$(field "idle$keys" .verdict.text)" == *"has no effect: "*"${set%%=*} "*" -> "*" ("*")"* ]]
	done
	[[ "$(field idle7 .verdict.text)" == *"train.embed_lr 0.6 -> 0.3 ("*"), train.head_lr 0.008 -> 0.02 (the head is the embedding"* ]]
	# No seed of the incumbent's, no screening of its own, and no second one.
	run -0 hg-ledger incumbent "$L"
	[[ "$output" == *"5 runs"* ]]
	run ! hg-ledger plan "$L" runs/idle1
	scored runs/again 2.2 seed=9 train.adam_eps=1e-8 train.warmdown_frac=0.2 train.head_lr=0.02
	add runs/again
	[ "$(field again .verdict.reason)" = ineffective ]
	# What has an effect beside it counts.
	scored runs/real 2.2 seed=8 train.adam_eps=1e-8 train.warmdown_frac=0.2 train.head_lr=0.02 train.matrix_lr=0.05
	add runs/real
	[ "$(field real .verdict.reason)" = second_wanted ]
	run -0 hg-ledger replay "$L"
	[[ "$output" == *" 0 differ"* ]]
}

# bats test_tags=b30
@test "law 2 takes what has no effect for a configuration like any other" {
	calibrated
	scored runs/idle 2.2 train.head_lr=0.02
	add runs/idle
	[ "$(field idle .verdict.reason)" = promising ]
}

# forged ROW KEY=JSON...: a row is changed and all rows are chained again, and no run remembers what it was
forged() {
	"$PYTHON" "$HG_TOP/t/tools/report_forge.py" "$L" set "$@"
	rm -f runs/*/ledger_witness.json
}

# bats test_tags=b33,b93
@test "promotion derives every verdict again: an incumbent's scores that were edited, with the chain recomputed, refuse it by row" {
	local row
	confirmed
	for row in $(jq -r 'select(.kind == "confirmation").confirmation.incumbent_runs[]' "$L/ledger.jsonl" |
		while read -r digest; do hg-ledger show "$L" "$digest" | jq .row; done); do
		forged "$row" "run.metrics.val_bpb=$(field "$row" '.run.metrics.val_bpb + 0.02')"
	done
	run -2 --separate-stderr hg-ledger verify "$L"
	run -1 --separate-stderr hg-ledger promote "$L" runs/good
	[[ "$output" =~ no\ +replay\ +row\ [0-9]+\ is\ not\ what\ follows\ from\ the\ rows\ before\ it ]]
	[[ "$output" =~ no\ +runs\ +5\ of\ the\ 15\ that\ the\ gain\ rests\ on:\ .*\(row\ $row\):\ the\ run\ is\ not\ what\ its\ row\ says:\ val_bpb\ is\  ]]
	[[ "$output" == *refused ]]
	[[ "$stderr" == *"row $row differs: "* ]]
}

# bats test_tags=b33,b93
@test "promotion looks again at every run that the gain rests on: one that is otherwise now refuses it, one that is gone is pending" {
	local row name file side
	confirmed
	for side in challenger incumbent calibration; do
		case $side in
		calibration) name=base3 row=$(hg-ledger show "$L" runs/base3 | jq .row) ;;
		*) row=$(hg-ledger show "$L" "$(jq -r 'select(.kind == "confirmation").confirmation.'$side'_runs[1]' "$L/ledger.jsonl")") &&
			name=$(jq -r .run.run_id <<< "$row") row=$(jq .row <<< "$row") ;;
		esac
		# A report that says another score than the row, by itself in order.
		cp -a "runs/$name" kept
		rescored "runs/$name"
		run -1 hg-ledger promote "$L" runs/good
		[[ "$output" =~ no\ +runs\ +1\ of\ the\ 15\ that\ the\ gain\ rests\ on:\ .*runs/$name\'\ \(row\ $row\):\ the\ run\ is\ not\ what\ its\ row\ says ]]
		rm -r "runs/$name"
		mv kept "runs/$name"
		mv "runs/$name" away
		run -2 hg-ledger promote "$L" runs/good
		[[ "$output" =~ pending\ +runs\ +1\ of\ the\ 15\ that\ the\ gain\ rests\ on\ must\ be\ put\ back\ as\ they\ were:\ .*runs/$name\'\ \(row\ $row\) ]]
		mv away "runs/$name"
	done
	# The run itself, too, by its row and not by what it is now.
	cp -a runs/good kept
	rescored runs/good
	run -1 hg-ledger promote "$L" runs/good
	[[ "$output" =~ no\ +evidence\ +the\ run\ is\ not\ what\ its\ row\ says:\ score_report_sha256 ]]
	rm -r runs/good
	mv kept runs/good
	run -0 hg-ledger promote "$L" runs/good
	[[ "$output" =~ yes\ +runs\ +all\ 15\ that\ the\ gain\ rests\ on\ are\ what\ their\ rows\ say ]]
	[[ "$output" =~ yes\ +replay\  ]]
}

# Three gains of 0.003 nats, each confirmed upon the one before, against a margin of 0.005; then one more.
gains_add_up() {
	local i said
	NOISE=0.00005
	pretend
	for i in 1 2 3 4 5; do
		scored runs/base$i 2.3000$i seed=$i
		add runs/base$i
	done
	hg-ledger calibrate "$L" runs/base1 > calibration
	scorer 'exit 0'
	# better N: one more challenger that gains 0.003 nats a token over the one before, confirmed.
	better() {
		scored "runs/g$1" "$("$PYTHON" -c "print(2.3 - 0.00173 * $1)")" "train.matrix_lr=$("$PYTHON" -c "print(0.04 + 0.000173 * $1)")"
		add "runs/g$1"
		hg-confirm "$L" "runs/g$1" > out 2> err
		[ "$(hg-ledger show "$L" | jq -r .verdict.reason)" = confirmed ]
	}
	margin() {
		said=$(hg-ledger promote "$L" "runs/g$1") || [ $? -eq "$2" ]
		said=$(grep ' margin ' <<< "$said")
	}
	better 1
	margin 1 1
	[[ $said =~ ^no\ .*bound\ of\ the\ gain\ 0\.00[012][0-9]*,\ margin\ 0\.00500\ .*[0-9]\ fresh\ runs,\ over\ the\ first\ incumbent ]]
	better 2
	better 3
	margin 3 0
	[[ $said =~ ^yes\ .*bound\ of\ the\ gain\ 0\.00[5678][0-9]*,\ margin\ 0\.00500\ .*gain\ 0\.00[89][0-9]*,\ 3\ confirmations\ add\ up,\ over\ the\ first\ incumbent ]]
	[ "$(hg-ledger show "$L" | jq -r .kind)" = promotion ]
	# From here on it counts anew.
	better 4
	margin 4 1
	[[ $said =~ ^no\ .*bound\ of\ the\ gain\ 0\.00[012][0-9]*,.*[0-9]\ fresh\ runs,\ over\ what\ row\ $(jq -r 'select(.kind == "promotion").row' "$L/ledger.jsonl")\ promoted ]]
}

# bats test_tags=b33
@test "gains that were confirmed one upon the other add up to promotion's margin, until something is promoted" {
	rm -r "$L"
	gains_add_up
	[ "$(jq .law "$L/policy.json")" -ge 3 ]
}

# bats test_tags=b33
@test "gains that law 2 confirmed add up to promotion's margin, too" {
	gains_add_up
	[ "$(jq .law "$L/policy.json")" = 2 ]
}

# bats test_tags=b62
@test "a head that moves while the artifact is scored again refuses the promotion" {
	calibrated
	pretend
	scored runs/good 2.23 train.matrix_lr=0.0460
	scored runs/other 2.3 train.matrix_lr=0.05
	add runs/good
	hg-confirm "$L" runs/good > out 2> err
	scorer "hg-ledger add '$L' runs/other"
	run hg-ledger promote "$L" runs/good
	[ "$status" -eq 1 ]
	[[ "$output" == *"head has moved"* ]]
	[ "$(jq -s '[.[] | select(.kind == "promotion")] | length' "$L/ledger.jsonl")" = 0 ]
}

# bats test_tags=b23
@test "replay derives every verdict again and says where a forged one differs" {
	calibrated
	scored runs/c 2.29 train.matrix_lr=0.05
	add runs/c
	run hg-ledger replay "$L"
	[ "$status" -eq 0 ]
	[[ "$output" == *"6 verdicts derived again, 0 differ" ]]
	# forge a class and mend the chain: only derivation finds it
	"$PYTHON" - "$L/ledger.jsonl" <<-'END'
	import hashlib, json, sys
	rows = open(sys.argv[1]).read().splitlines()
	rows[-1] = rows[-1].replace('"class": "noise"', '"class": "improvement"')
	open(sys.argv[1], "w").write("\n".join(rows) + "\n")
	END
	rm "$L/head"
	run --separate-stderr hg-ledger replay "$L"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *'class is "improvement" and should be "noise"'* ]]
}

# bats test_tags=b25,b22,b30,b88
@test "simulated campaigns: the law finds gains and calls nothing one where habits do, its bounds and stop rule hold" {
	run "$HG_T/tools/sim" -q
	[ "$status" -eq 0 ] || { echo "$output" >&2; false; }
}

@test "list prints the same to a pipe as ever, and a drawn one only if asked for" {
	scored runs/a 2.3
	add runs/a
	COLUMNS=60 hg-ledger list "$L" > piped
	[ "$(head -n 1 piped)" = "  row  run                       class: reason                      score     delta      bytes  added              changed" ]
	[ "$(wc -l < piped)" -eq 2 ]
	grep -q '^    2  a                         noise: first                     2.30000         -     ' piped
	run --separate-stderr hg-ledger list -j -s "$L"
	[ "$status" -eq 100 ]
}

@test "a drawn list keeps to the width, marks each new incumbent, and draws each group and lane by itself" {
	local width
	mkdir big
	"$HG_T/tools/campaign" -n 90 -l 3 big/ledger
	for width in 50 80 100 160; do
		COLUMNS=$width LC_ALL=C.UTF-8 hg-ledger list -s big/ledger > drawn
		[ "$(sed '/^val_bpb, group/d' drawn | wc -L)" -le "$width" ]
	done
	[ "$(grep -c '^val_bpb, group' drawn)" -eq 3 ]
	# the marks are the rows after which the group's incumbent is another configuration
	hg-ledger list -j big/ledger | jq -r -s 'reduce .[] as $r ({now: {}, rows: []};
		($r.run.group_sha256 // $r.confirmation.group_sha256) as $g | $r.incumbent_after.config_sha256 as $c |
		if $g != null and $c != null and .now[$g] != $c then .rows += [$r.row] | .now[$g] = $c else . end) | .rows[]' > want
	sed -n 's/^\* *\([0-9]*\) .*/\1/p' drawn > have
	[ "$(wc -l < want)" -ge 4 ]
	diff want have
	# the highest is a full block
	grep -q "^score .*$(printf '\342\226\210')" drawn
	LC_ALL=C COLUMNS=80 hg-ledger list -s big/ledger > ascii
	run ! grep -qP '[^\x00-\x7f]' ascii
	grep -q '^score .*#' ascii
}

@test "hg-ledger loads no BLAS" {
	run ! grep -qiE 'blas|dnnl|gomp' <(ldd "$(command -v hg-ledger)")
}

@test "a file beside the ledger that only bears a witness's name is nobody's witness; a broken one of a run is named" {
	scored runs/a 2.3
	hg-ledger add ledger runs/a
	mkdir contracts runs/b
	cp "$HG_TOP/contracts/ledger_witness.json" contracts
	run --separate-stderr hg-ledger verify ledger
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	echo '{}' > runs/b/ledger_witness.json
	: > runs/b/spec.json
	run --separate-stderr hg-ledger verify ledger
	[[ "$stderr" == *"'b/ledger_witness.json'"* ]]
}

# bats test_tags=b34
@test "an older copy of a ledger that was restored is not added to: what the run remembers is said, and stays" {
	local i
	for i in 1 2 3; do scored "runs/$(printf %d $i | tr 123 abc)" 2.3$i seed=$i; done
	add runs/a
	cp -r "$L" backup
	add runs/b runs/c
	mv "$L" newer
	cp -r backup "$L"
	cp runs/b/ledger_witness.json witness
	run --separate-stderr hg-ledger add "$L" runs/b
	[ "$status" -eq 103 ]
	[[ "$stderr" == *"has lost row 3: it has 2, and the run 'runs/b' remembers that one as $(sed -n 3p newer/ledger.jsonl |
		sha256sum | cut -c 1-12); restore the newer ledger"* ]]
	cmp backup/ledger.jsonl "$L/ledger.jsonl"
	cmp witness runs/b/ledger_witness.json
	run --separate-stderr hg-ledger verify "$L"
	[ "$status" -eq 103 ]
	[[ "$stderr" == *"ends with row 2, and its runs remember rows up to 4: rows 3 to 4 are lost; restore the newer ledger"* ]]
	# The newer one, or giving it up as the message says.
	run -0 hg-ledger add newer runs/b
	mv runs/b/ledger_witness.json given-up
	add runs/b
	grep -q '^row 3: ' added
}

# bats test_tags=b34
@test "a first row that was altered, all others chained to it anew, is found by the runs that have rows; a ledger begun anew is not" {
	local i
	for i in 1 2 3; do scored "runs/$(printf %d $i | tr 123 abc)" 2.3$i seed=$i; done
	add runs/a runs/b
	cp -r "$L" kept
	"$PYTHON" - "$L/ledger.jsonl" <<-'END'
		import hashlib, re, sys
		prev, out = "0" * 64, []
		for line in open(sys.argv[1], "rb").read().splitlines():
		    line = line.replace(b'"alpha": 0.008', b'"alpha": 0.8', 1)
		    line = re.sub(rb'"prev": "[0-9a-f]*"', b'"prev": "%s"' % prev.encode(), line, 1)
		    out.append(line)
		    prev = hashlib.sha256(line + b"\n").hexdigest()
		open(sys.argv[1], "wb").write(b"".join(x + b"\n" for x in out))
	END
	rm "$L/index" "$L/head"
	grep -q '"alpha": 0.8' "$L/ledger.jsonl"
	run --separate-stderr -103 hg-ledger verify "$L"
	[ "$(grep -c "row 1 was altered: the run '[ab]' has a row, and remembers this ledger by another first row" <<< "$stderr")" -eq 2 ]
	# Given up for a new one at its place, the old is nobody's.
	rm -r "$L"
	add runs/c
	run -0 hg-ledger verify "$L"
	[[ $output == "2 rows, 1 of them a run; 1 witness agrees"* ]]
	add runs/a
	run -0 hg-ledger verify "$L"
	[[ $output == "3 rows, 2 of them runs; 2 witnesses agree"* ]]
}

# bats test_tags=b34
@test "a row that a run remembers is never forgotten for another copy's row of the same run" {
	scored runs/a 2.3
	scored runs/b 2.4 seed=2
	add runs/a
	cp -r "$L" copy
	add runs/b
	cp runs/b/ledger_witness.json witness
	# The copy gets ahead while the run can't be asked.
	mv runs/b/ledger_witness.json away
	hg-ledger add copy runs/b
	mv away runs/b/ledger_witness.json
	run --separate-stderr hg-ledger add copy runs/b
	[ "$status" -eq 103 ]
	cmp witness runs/b/ledger_witness.json
}

@test "one run that is added to many ledgers at once remembers its row in each of them" {
	local i
	scored runs/a 2.3
	for i in 1 2 3 4 5 6 7 8; do
		hg-ledger add ledger$i runs/a 3>&- > out.$i 2>&1 &
	done
	wait
	[ "$(jq -r '.witnesses[].ledger_sha256' runs/a/ledger_witness.json | sort -u | wc -l)" -eq 8 ]
	for i in 1 2 3 4 5 6 7 8; do
		run -0 hg-ledger verify ledger$i runs/a
		[[ "$output" == *" 1 witness agrees"* ]]
	done
}

@test "a plan or a calibration makes no ledger: a mistyped name is said, and nothing is left" {
	scored runs/a 2.3
	local word
	for word in plan calibrate; do
		run --separate-stderr hg-ledger $word ledgr runs/a
		[ "$status" -eq 100 ]
		[[ "$stderr" == *"cannot open the ledger 'ledgr'"* ]]
		[ ! -e ledgr ]
	done
}

@test "what was changed, from what and where is told by the ledger alone, once the runs' directories are gone" {
	scored runs/one 2.30
	hg-spec -b runs/one -s train.matrix_lr=0.02 runs/two
	scored runs/two 2.29
	add runs/one
	add runs/two
	[ "$(field two '[.run.parent, .run.parent_uid, .run.host, .run.settings["train.matrix_lr"]] | @tsv')" = \
	    "one	$(jq -r .run_uid runs/one/spec.json)	$(jq -r .owner.host runs/two/training_report.json)	0.02" ]
	# who has no parent says nothing of one
	[ "$(field one '.run | has("parent"), has("parent_uid")')" = $'false\nfalse' ]
	mv runs gone
	run --separate-stderr hg-ledger list "$L"
	[ "$status" -eq 0 ]
	[[ ${lines[2]} == *"train.matrix_lr 0.04 -> 0.02" ]]
	hg-ledger replay "$L"
}
