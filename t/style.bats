# House rules that a machine can check.
load helper

# OBJECT SYMBOL, a line for each that a file of lib/ exports.
exports() {
	(cd "$HG_BUILD" && find lib -name '*.o' -exec nm -A --defined-only --extern-only {} +) |
		awk '$2 ~ /[TDBRC]/ && $3 !~ /^__(asan|ubsan|odr_asan)/ { sub(/:.*/, "", $1); print $1, $3 }' |
		while read -r object symbol; do
			# Left by another version.
			[ ! -e "$HG_TOP/${object%.o}.c" ] && [[ $object != */embedded_* ]] || echo "$object $symbol"
		done
}

@test "a library file exports only names that begin with its own" {
	[ "$(exports | wc -l)" -gt 300 ]
	run awk '{ stem = $1; sub(/.*\//, "", stem); sub(/\.o$/, "", stem) } $2 != stem && index($2, stem "_") != 1' <(exports)
	[ "$output" = "" ] || { echo "$output" >&2; false; }
}

# said_for_tests HEADER SYMBOL: the comment above its declaration says that it is exported for tests alone.
said_for_tests() {
	awk -v symbol="$2" '
	    /\/\*/ { comment = ""; inside = 1 }
	    inside { comment = comment $0; inside = !/\*\// ; next }
	    /^$/ { comment = "" }
	    $0 ~ "(^|[ *])" symbol "[][(;]" && comment ~ /Exported for tests\./ { found = 1 }
	    END { exit !found }' "$1"
}

@test "every export of lib/ is used by another file, or says that it is for tests" {
	local object symbol bad=""
	cd "$BATS_TEST_TMPDIR"
	find "$HG_BUILD/lib" "$HG_BUILD/bin" "$HG_BUILD/t/tools" "$HG_BUILD/t/bench" "$HG_BUILD/t/torture" -name '*.o' \
		-exec nm --undefined-only {} + | awk 'NF == 2 { print $2 }' > used
	# In a build without it, CUDA's objects are not there to ask.
	grep -ohE '[a-z0-9_]+' "$HG_TOP"/cuda/*.cu "$HG_TOP"/cuda/*.cuh >> used
	exports | awk 'NR == FNR { used[$1] = 1; next } !($2 in used)' used - > left
	while read -r object symbol; do
		# What was made can be released, also where a process ends first.
		[[ $symbol == *_free || $symbol == *_close ]] || said_for_tests "$HG_TOP/${object%.o}.h" "$symbol" ||
			bad="$bad $object:$symbol"
	done < left
	[ -z "$bad" ] || echo "$bad" >&2
	[ -z "$bad" ]
}

@test "what tools print goes through out_ and say_, and a command with a word in it through shell_command" {
	cd "$HG_TOP"
	# printf knows nothing of terminals
	run ! grep -nE '(^|[^a-z_])(printf|puts|vprintf)\(' $(git ls-files 'bin/*.c' 'lib/*.c' | grep -vE '^lib/base/|^lib/schema/embed\.c$')
	# statements on one line, and those with a command that something is inserted into
	awk '{ at = $0; sub(/^[ \t]+/, "", at); line = line at; if (at ~ /[;{}]$/) { print FILENAME ": " line; line = "" } }' \
		$(git ls-files 'bin/*.c' 'lib/*.c') | sed 's/""//g' | grep -E '"[^"]*hg-[a-z]+ [^"]*%s' > "$BATS_TEST_TMPDIR/commands"
	[ "$(wc -l < "$BATS_TEST_TMPDIR/commands")" -ge 10 ]
	run ! grep -vE 'shell_v?command\(|shell_next\(|markup_command\(|[^_]command\(&?c' "$BATS_TEST_TMPDIR/commands"
}

# bats test_tags=b23
@test "only lib/base opens files to read, append to or lock: nothing waits for a fifo in a file's place" {
	cd "$HG_TOP"
	# what is left are directories, new files of our own, and /dev/null
	run bash -c "grep -nE '(^|[^a-z_>.])(open|openat|fopen|freopen)\(' \$(git ls-files 'bin/*.c' 'lib/*.c' | grep -v '^lib/base/') |
	    grep -vE 'O_DIRECTORY|O_EXCL|\"/dev/null\"'"
	[ "$output" = "" ] || { echo "$output" >&2; false; }
}

@test "whatever a header names as its check is there" {
	cd "$HG_TOP"
	awk 'FNR == 1 || / \* [A-Z][a-z]*:/ || /^ \*$/ { said = 0 }
	    (at = index($0, "Checked:")) > 0 { said = 1; $0 = substr($0, at) }
	    said { for (i = 1; i <= NF; i++) if ($i ~ /^(t|cuda|lib)\//) { sub(/[.,;)]+$/, "", $i); print FILENAME, $i } }
	    /\*\// { said = 0 }' $(git ls-files '*.h' '*.cuh') > "$BATS_TEST_TMPDIR/checks"
	[ "$(wc -l < "$BATS_TEST_TMPDIR/checks")" -gt 20 ]
	while read -r header path; do
		[ -e "$path" ] || { echo "$header: $path" >&2; false; }
	done < "$BATS_TEST_TMPDIR/checks"
}

# only_uses MODULE OTHER...: what lib/MODULE includes of ours is of itself or of these others.
only_uses() {
	local module=$1 allowed
	allowed=$(IFS='|'; echo "$*")
	run grep -rnE '^#include "' "$HG_TOP/lib/$module"
	bad=$(grep -vE "#include \"($allowed)/" <<< "$output" || :)
	[ -z "$bad" ] || echo "lib/$module reaches too far: $bad" >&2
	[ -z "$bad" ]
}

@test "dependencies point one way" {
	only_uses base
	only_uses schema base
	only_uses run schema base
	only_uses stage run schema base
	only_uses data schema base
	only_uses gpt schema base
	only_uses work stage gpt data run schema base
	only_uses law base
	only_uses ledger law schema base
	only_uses judge ledger law run schema base
	only_uses import judge ledger law schema base
	only_uses trace ledger law data run schema base
	only_uses campaign judge ledger law work gpt data run schema base
	only_uses report campaign import judge ledger law run schema base
}

@test "every folder of lib/ is held to its dependencies" {
	local module
	for module in "$HG_TOP"/lib/*/; do
		grep -qE "^	only_uses $(basename "$module")( |$)" "$HG_TOP/t/style.bats" || { echo "$module" >&2; false; }
	done
}

# The tools that are sh.
drivers() {
	git grep -lE '^#!/bin/sh' -- bin
}

@test "every tool that is sh is among those that make builds, shellcheck reads and editors know" {
	cd "$HG_TOP"
	[ "$(drivers | wc -l)" -ge 2 ]
	for f in $(drivers); do
		[[ " $(make -s tools) " == *" ${f#bin/} "* ]]
		[[ $(make -n lint) == *shellcheck*" $f "* ]]
		grep -qE "^\[\{.*[,{]${f#bin/}[,}]" .editorconfig
		[ -x "$f" ]
	done
}

@test "no line is wider than 120 columns and none ends in blanks" {
	cd "$HG_TOP"
	run grep -nE '[[:blank:]]+$' $(git ls-files '*.[ch]' '*.def' '*.cu' '*.cuh' '*.sh' '*.bats' Makefile '*.mk' 2>/dev/null) $(drivers)
	[ "$output" = "" ]
	run awk '{ s = $0; n = 0; for (i = 1; i <= length(s); i++) n += substr(s, i, 1) == "\t" ? 8 - n % 8 : 1 }
	    n > 120 { print FILENAME ":" FNR ": " n " columns" }' $(git ls-files '*.[ch]' '*.def' '*.cu' '*.cuh' '*.sh') $(drivers)
	[ "$output" = "" ]
}

@test "every tool answers -h and --version on stdout and exits 0" {
	local tool
	for tool in $(make -s -C "$HG_TOP" tools); do
		run "$tool" -h
		[ "$status" -eq 0 ]
		[[ "$output" == "usage: $tool"* ]]
		run "$tool" --version
		[ "$status" -eq 0 ]
		[[ "$output" == "$tool "[0-9]* ]]
	done
}

@test "every tool refuses an option that is given twice, but for those that may be" {
	local tool option arg seen=0
	for tool in $(make -s -C "$HG_TOP" tools); do
		while read -r option arg; do
			case "$tool $option" in
			"hg-spec -s" | "hg-pace -s" | "hg-report -c" | "hg-prune -l" | "hg-score -s") continue ;;
			esac
			run --separate-stderr "$tool" "$option" ${arg:+1} "$option" ${arg:+1} nothing nothing
			[ "$status" -eq 100 ]
			[ -z "$output" ]
			[[ "$stderr" == "$tool: option '$option' is given twice"*usage:* ]] ||
			    { echo "$tool $option: $stderr" >&2; false; }
			seen=$((seen + 1))
		done < <("$tool" -h | sed -nE 's/^  (-[a-gi-zA-Z])( ([A-Z][^ ]*))? .*/\1 \3/p')
	done
	[ "$seen" -ge 20 ]
}

@test "a reader that has read enough ends every tool quietly, and a disk that is full does not" {
	local tool
	cd "$BATS_TEST_TMPDIR"
	mkfifo pipe
	exec 7<> pipe 8> pipe 7<&-
	for tool in $(make -s -C "$HG_TOP" tools); do
		code=0
		"$tool" -h >&8 2> err 3>&- || code=$?
		# sh itself may die of the signal, as cat does
		[[ $code -eq 0 || $code -eq 141 ]]
		[ ! -s err ]
		code=0
		"$tool" -h > /dev/full 2> err || code=$?
		[ "$code" -eq 111 ]
		[ -s err ]
	done
	exec 8>&-
}

@test "every tool exits 100 and says usage on stderr for an unknown option or a missing operand" {
	local tool
	for tool in $(make -s -C "$HG_TOP" tools); do
		run --separate-stderr "$tool" -%
		[ "$status" -eq 100 ]
		[ -z "$output" ]
		[[ "$stderr" == *usage:* ]]
		run --separate-stderr "$tool"
		[ "$status" -eq 100 ]
		[ -z "$output" ]
	done
}

@test "sanitizers run every suite, and with BRIEF=1 all but those that the Makefile names, of which each exists" {
	local all brief out suite
	all=$(make -s -C "$HG_TOP" suites SAN=1 | sort)
	brief=$(make -s -C "$HG_TOP" suites SAN=1 BRIEF=1 | sort)
	out=$(comm -23 <(echo "$all") <(echo "$brief"))
	[ "$all" = "$(cd "$HG_TOP/t" && printf '%s\n' *.bats unit/*.c | sed 's/.*\///; s/\.[a-z]*$//' | sort)" ]
	[ "$(make -s -C "$HG_TOP" suites BRIEF=1 | sort)" = "$all" ]
	[ "$(make -s -C "$HG_TOP" suites SAN=1 BRIEF=1 T=style)" = style ]
	[ -z "$(comm -13 <(echo "$all") <(echo "$brief"))" ]
	[ "$out" = "$(sed -n '/^SANITIZED_ELSEWHERE/,/[^\\]$/p' "$HG_TOP/Makefile" | sed 's/.*:=//' | tr -s '\t \\' '\n' |
		sed 's/^unit\///' | grep . | sort)" ]
	# Whatever is memory's: each tool in C has its own suite among those that stay.
	for suite in $(make -s -C "$HG_TOP" tools); do
		[[ ! -e $HG_TOP/bin/$suite.c ]] || [[ ! -e $HG_TOP/t/$suite.bats ]] || grep -qx "$suite" <<< "$brief"
	done
}
