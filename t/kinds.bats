# What stands in a file's place and is none: nothing waits for it, and nothing reads gigabytes of it.
load helper

setup_file() {
	cd "$BATS_FILE_TMPDIR"
	export DATA=$PWD/data
	tiny_data data > /dev/null
	mkdir runs
	tiny_spec runs/a > /dev/null
	hg-run -l ledger runs/a > /dev/null 2>&1
	[ -e ledger/ledger.jsonl ]
	[ -e runs/a/score_docs.tsv ]
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	cp -r "$BATS_FILE_TMPDIR/runs" "$BATS_FILE_TMPDIR/ledger" .
	export DATA=$BATS_FILE_TMPDIR/data HOMEGOLF_LANES=$PWD/lanes
}

# put KIND FILE
put() {
	case $1 in
	fifo) mkfifo "$2" ;;
	directory) mkdir "$2" ;;
	socket) "$PYTHON" -c 'import os, socket, sys
os.chdir(os.path.dirname(sys.argv[1])); socket.socket(socket.AF_UNIX).bind(os.path.basename(sys.argv[1]))' "$2" ;;
	sparse) truncate -s 4G "$2" ;;
	esac
}

take() {
	if [ -d "$1" ]; then rmdir "$1" 2>/dev/null || rm -rf "$1"; else rm -f "$1"; fi
}

# ends COMMAND...: soon, in a code of the table, which is no failed assertion.
ends() {
	run timeout -s KILL 20 "$@" < /dev/null
	case $status in
	0 | 1 | 2 | 99 | 100 | 102 | 103 | 111) ;;
	*) echo "$kind for $file: $*: $status: $output" >&2; false ;;
	esac
}

# bats test_tags=b23
@test "a fifo, a directory, a socket or a sparse file in place of any file of a run ends every tool soon, by the table" {
	local file kind
	for file in $(cd runs/a && find . -maxdepth 1 -type f -printf '%f\n'); do
		mv "runs/a/$file" kept
		for kind in fifo directory socket sparse; do
			put $kind "runs/a/$file"
			ends hg-status runs/a
			ends hg-active runs
			ends hg-watch -1 -l ledger runs/a
			ends hg-gate score runs/a
			ends hg-await -t 1 score runs/a
			ends hg-reap runs
			ends hg-score -c runs/a
			ends hg-report -o page.html ledger
			ends hg-diff runs/a runs/a
			ends hg-lineage -l ledger runs/a
			ends hg-ledger add other runs/a
			ends hg-ledger verify ledger runs
			take "runs/a/$file"
		done
		mv kept "runs/a/$file"
	done
	hg-gate score runs/a
}

# bats test_tags=b23
@test "a fifo, a directory, a socket or a sparse file in place of any file of a ledger ends every command soon, by the table" {
	local file kind code
	for file in $(cd ledger && find . -maxdepth 1 -type f -printf '%f\n'); do
		mv "ledger/$file" kept
		for kind in fifo directory socket sparse; do
			put $kind "ledger/$file"
			for command in verify replay list incumbent; do
				ends hg-ledger $command ledger
				[ $file != ledger.jsonl ] || [ "$status" -eq 103 ] ||
				    { echo "$kind: $command: $status: $output" >&2; false; }
				[ $file != ledger.jsonl ] || [ $kind = sparse ] || [[ "$output" == *ledger*"it is a "*": move it away"* ]]
			done
			ends hg-ledger show ledger 1
			ends hg-ledger classify ledger runs/a
			ends hg-report -o page.html ledger
			ends hg-diff -l ledger runs/a runs/a
			ends hg-lineage -d ledger
			ends hg-watch -1 -l ledger runs/a
			ends hg-ledger add ledger runs/a
			take "ledger/$file"
		done
		mv kept "ledger/$file"
	done
	hg-ledger verify ledger
}

# bats test_tags=b23
@test "a fifo, a directory, a socket or a sparse file where a stage will write ends the run soon, by the table" {
	local file kind
	for file in metrics.jsonl train.log train.lock resume.safetensors score_resume.tsv; do
		for kind in fifo directory socket sparse; do
			rm -rf runs/b
			tiny_spec runs/b > /dev/null
			put $kind "runs/b/$file"
			ends hg-run runs/b
		done
	done
}

# bats test_tags=b23
@test "a file that is too large is refused by its size, before a byte of it is read" {
	truncate -s 4G large.json
	run timeout -s KILL 20 hg-spec -b large.json runs/c
	[ "$status" -eq 103 ]
	[[ "$output" == *"'large.json': File too large for what stands here"* ]]
}

# bats test_tags=b23
@test "a pipe that is named on purpose is read" {
	tiny_spec runs/c > /dev/null
	hg-spec -b <(cat "$BATS_FILE_TMPDIR/tiny-base.json") -s "data.dir=$DATA" runs/d
	cat "$BATS_FILE_TMPDIR/tiny-base.json" | hg-spec -b /dev/stdin -s "data.dir=$DATA" runs/e
	hg-data -B -n 20 -f lines -o data2 <(cat "$DATA.txt")
	cmp "$DATA/dataset.json" data2/dataset.json || diff <(jq -S .training "$DATA/dataset.json") <(jq -S .training data2/dataset.json)
	hg-data -B -n 20 -f lines -T <(echo "$DATA.txt") -o data3
}

@test "a directory that is named where a file is wanted is said to be one, and nobody is told to move it" {
	local line
	mkdir dir
	seq -f "line %g" 30 > text
	hg-data -B -n 2 -f lines -o d text 2> /dev/null
	for line in "hg-data -B -n 2 -o new dir" "hg-data -B -n 2 -o new -T dir" "hg-data -t dir -n 2 -f lines -o new text" \
	    "hg-data -a -B -o new dir -- dir" "hg-data -a -t dir -o new text -- text" "hg-shard -t dir -o new" \
	    "hg-spec -s data.dir=d -s train.init_from=dir new" \
	    "hg-spec -s data.dir=d -s train.replay=dir new"; do
		# shellcheck disable=SC2086
		run $line < /dev/null
		[ "$status" -ge 100 ]
		[[ "$output" == *"cannot read 'dir': it is a directory; name a file"* ]] || { echo "$line: $output" >&2; false; }
		[ ! -e new ]
	done
	# A run's directory may stand for its spec; this is none.
	run hg-spec -b dir new
	[ "$status" -ge 100 ]
	[[ "$output" == *"'dir' is not a run: there is no 'spec.json' in it"* ]]
}

@test "directories with backslashes and line feeds in their names work in every tool, and no line is broken by them" {
	local d odd
	for d in 'a\b' $'a\nb' $'a\n' '\n\'; do
		mkdir "$d"
		cp -r "$DATA" "$d/data"
		jq 'del(.digests)' runs/a/spec.json > base.json
		hg-spec -b base.json -s data.dir="$d/data" "$d/run"
		[ "$(jq -r .data.dir "$d/run/spec.json"; echo .)" = "$(realpath "$d/data"; echo .)" ]
		run -0 hg-run -l "$d/ledger" "$d/run"
		odd=$(printf '%s' "$d" | tr '\n' '@' | sed 's/@/\\x0a/g')
		[ "$(hg-status "$d/run" | tail -n +2 | cut -d ' ' -f 1)" = "$odd/run" ]
		[ "$(hg-status -n -l "$d/ledger" "$d/run" | wc -l)" -eq 1 ]
		[ "$(hg-status -j "$d/run" | jq -r .run; echo .)" = "$d/run"$'\n.' ]
		run -0 hg-ledger add "$d/ledger" "$d/run"
		[[ $output == "'$odd/run' is in the ledger already: row 2, "* ]]
		hg-ledger verify "$d/ledger" "$d/run"
		hg-ledger replay "$d/ledger"
		run -0 hg-reap "$d"
		hg-gate score "$d/run"
		hg-report -o "$d/page.html" "$d/ledger"
		grep -q '</html>' "$d/page.html"
		# The run's own name is one of a few letters, whatever it lies in.
		run -100 hg-spec -b base.json -s data.dir="$d/data" "$d/b"$'\n'
		[[ $output == *"can't be a run's name"* ]]
		[ "$(wc -l <<< "$output")" -eq 1 ]
	done
}
