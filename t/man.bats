# Manual pages tell the truth: they match the tools, the table of exit codes and what really happens.
load helper

# claim NAME DATE SCORE...: a submission's JSON, and its logs beside it.
claim() {
	local name=$1 date=$2 seed=0
	shift 2
	printf '{"name": "%s", "date": "%s", "val_bpb": "TBD", "seed_results": {' "$name" "$date"
	for score; do
		seed=$((seed + 1))
		printf '%s"%s": {"val_bpb": %s}' "$([ $seed -eq 1 ] || echo ', ')" $seed "$score"
		awk -v s=$seed -v b="$score" 'BEGIN { print "seed:" s; print "val_loader:shards pattern=x tokens:62021632";
		    printf "final_int8_zlib_roundtrip_exact val_loss:%.8f val_bpb:%.8f\n", b * log(2) * 2.43593, b }' \
		    > "claims/$name/train_seed$seed.log"
	done
	echo '}}'
}

setup_file() {
	export FIXTURE=$BATS_FILE_TMPDIR/fixture
	mkdir -p "$FIXTURE/runs"
	cd "$FIXTURE"
	awk 'BEGIN { n = split("the a small cat dog reads writes every old new letter house and sees", w, " "); s = 7
	    for (d = 0; d < 400; d++) { line = "";
		for (i = 0; i < 12 + d % 9; i++) { s = (s * 1103 + 12345) % 65536; line = line (i ? " " : "") w[s % n + 1] }
		print "Document " d ": " line "." } }' > corpus.txt
	# Three steps: no example may depend on what else the machine has to do.
	jq '.train.iterations = 3' "$HG_TOP/examples/specs/tiny.json" > tiny.json
	hg-data -B -n 20 -f lines -o data corpus.txt 2> log
	for run in a b; do
		hg-spec -b tiny.json -s data.dir="$FIXTURE/data" -s train.seed=$((1337 + ${#run})) "runs/$run" 2>> log
		hg-run -l ledger "runs/$run" >> log 2>&1
	done
	hg-spec -b tiny.json -s data.dir="$FIXTURE/data" runs/new 2>> log
	# Programs of their own: one leaves files, one its word.
	mkdir own
	cp "$HG_TOP/t/tools/uniform.py" .
	echo '{"data": {"dir": "data"}, "system": {"backend": "external"}, "trainer": {"command": ["python3", "uniform.py",
	    "train"], "files": ["uniform.py"], "gives": "artifact"}, "scorer": {"command": ["python3", "uniform.py", "score"],
	    "files": ["uniform.py"]}, "eval": {"seq_len": 64}}' > files.json
	echo 'echo "step 1 val_bpb: 9"; echo "val_bpb: 1.$SEED"' > train.sh
	hg-spec -b files.json own/files 2>> log
	hg-run own/files >> log 2>&1
	echo '{"data": {"dir": "data"}, "system": {"backend": "external"}, "trainer": {"command": ["sh", "train.sh"],
	    "files": ["train.sh"], "set": {"SEED": "{seed}"}, "gives": "claim",
	    "reads": {"val_bpb": "last:val_bpb:? *([0-9]+[.][0-9]+)"}}}' > mine.json
	hg-spec -b mine.json own/claim 2>> log
	hg-run own/claim >> log 2>&1
	# What other people claim: a submission with its logs, and a research loop.
	mkdir -p claims/shallow claims/deep
	claim shallow 2026-03-01 1.2000 1.2013 1.2004 > claims/shallow/submission.json
	claim deep 2026-03-09 1.1871 1.1859 1.1866 > claims/deep/submission.json
	printf 'commit\tval_bpb\tstatus\tdescription\nbaseline\t0.9979\tkeep\tbaseline\n' > claims/results.tsv
	printf 'e05a87d\t0.000000\tcrash\tbatch 131K\nbea057b\t0.9861\tkeep\thalve the batch\n' >> claims/results.tsv
}

@test "every tool has a page and every page a tool" {
	local f tools
	tools=" $(make -s -C "$HG_TOP" tools | sed 's|.*/||; s|\.c$||' | tr '\n' ' ')"
	for f in $tools; do
		[ -f "$HG_TOP/man/$f.1" ] || { echo "no page for $f" >&2; false; }
	done
	for f in "$HG_TOP"/man/*.1; do
		f=$(basename "$f" .1)
		[[ $tools == *" $f "* ]] || { echo "no tool for $f.1" >&2; false; }
	done
}

@test "every contract has a page of section 5" {
	local f
	for f in "$HG_TOP"/contracts/*.json; do
		f=$(basename "$f" .json)
		[ -f "$HG_TOP/man/hg-$f.5" ] || { echo "no page for contract $f" >&2; false; }
	done
}

# The text of one section, rendered on endless lines.
section() {
	mandoc -T ascii -O width=1000 "$1" | col -b | awk -v want="$2" '
	    /^[A-Z]/ { on = $0 == want; next }
	    on { sub(/^ +/, ""); sub(/ +$/, ""); if ($0 != "") print }'
}

@test "SYNOPSIS equals what -h prints" {
	local f tool
	for f in "$HG_TOP"/man/*.1; do
		tool=$(basename "$f" .1)
		section "$f" SYNOPSIS | sed 's/ \.\.\./.../g' > "$BATS_TEST_TMPDIR/page"
		"$tool" -h | sed -n '/^$/q; s/^usage: *//; s/^ *//; s/ \.\.\./.../g; p' > "$BATS_TEST_TMPDIR/help"
		diff "$BATS_TEST_TMPDIR/help" "$BATS_TEST_TMPDIR/page" >&2 || { echo "$tool differs" >&2; false; }
	done
}

@test "every tool's page has EXIT STATUS and FILES, and names only codes that exit.h defines" {
	local f code
	for f in "$HG_TOP"/man/*.1; do
		[ -n "$(section "$f" "EXIT STATUS")" ] || { echo "$f: no EXIT STATUS" >&2; false; }
		[ -n "$(section "$f" FILES)" ] || { echo "$f: no FILES" >&2; false; }
		for code in $(section "$f" "EXIT STATUS" | sed -n 's/^\([0-9][0-9]*\) .*/\1/p'); do
			grep -qE "= $code,?[[:space:]]" "$HG_TOP/lib/base/exit.h" || { echo "$f: code $code" >&2; false; }
		done
	done
}

@test "every example in a page runs and prints what the page shows" {
	local f failed=""
	for f in "$HG_TOP"/man/*.[157]; do
		rm -rf "$BATS_TEST_TMPDIR/copy"
		cp -a "$FIXTURE" "$BATS_TEST_TMPDIR/copy"
		"$PYTHON" "$HG_TOP/t/tools/man_examples.py" "$f" "$BATS_TEST_TMPDIR/copy" >&2 || failed="$failed $(basename "$f")"
	done
	[ -z "$failed" ] || echo "pages that are not true:$failed" >&2
	[ -z "$failed" ]
}
