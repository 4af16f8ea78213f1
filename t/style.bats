# House rules that a machine can check.
load helper

@test "a library file exports only names that begin with its own" {
	local bad="" object stem symbol
	while read -r object; do
		stem=$(basename "$object" .o)
		while read -r symbol; do
			case $symbol in
			"$stem" | "$stem"_* | __asan_* | __ubsan_* | __odr_asan*) ;;
			*) bad="$bad $object:$symbol" ;;
			esac
		done < <(nm --defined-only --extern-only "$object" | awk 'NF == 3 && $2 ~ /[TDBRC]/ { print $3 }')
	done < <(find "$HG_BUILD/lib" -name '*.o')
	[ -z "$bad" ] || echo "$bad" >&2
	[ -z "$bad" ]
}

# allowed AREA HEADER-AREAS...: no file of lib/AREA includes a header of any other area.
only_uses() {
	local area=$1 bad="" other header
	shift
	for other in base run data gpt work judge import report; do
		case " $area $* " in *" $other "*) continue ;; esac
		for header in $(find "$HG_TOP/lib/$other" -name '*.h' -printf '%f\n'); do
			bad="$bad$(grep -rlE "^#include [\"<](.*/)?$header[\">]" "$HG_TOP/lib/$area" || :)"
		done
	done
	[ -z "$bad" ] || echo "lib/$area reaches too far: $bad" >&2
	[ -z "$bad" ]
}

@test "dependencies point one way" {
	only_uses base
	only_uses run base
	only_uses data base
	only_uses gpt base
	only_uses judge run base
	only_uses report import judge run base
	only_uses work gpt data run base
	only_uses import judge run base
}

@test "no line is wider than 120 columns and none ends in blanks" {
	cd "$HG_TOP"
	run grep -nE '[[:blank:]]+$' $(git ls-files '*.[ch]' '*.cu' '*.cuh' '*.sh' '*.bats' Makefile '*.mk' bin/hg-run 2>/dev/null)
	[ "$output" = "" ]
	run awk '{ s = $0; n = 0; for (i = 1; i <= length(s); i++) n += substr(s, i, 1) == "\t" ? 8 - n % 8 : 1 }
	    n > 120 { print FILENAME ":" FNR ": " n " columns" }' $(git ls-files '*.[ch]' '*.cu' '*.cuh' '*.sh' bin/hg-run)
	[ "$output" = "" ]
}

@test "every tool answers -h and --version on stdout and exits 0" {
	local tool
	for tool in "$HG_TOP"/bin/hg-*.c "$HG_TOP/bin/hg-run"; do
		[ -e "$tool" ] || continue
		tool=$(basename "$tool" .c)
		run "$tool" -h
		[ "$status" -eq 0 ]
		[[ "$output" == "usage: $tool"* ]]
		run "$tool" --version
		[ "$status" -eq 0 ]
		[[ "$output" == "$tool "[0-9]* ]]
	done
}

@test "every tool exits 100 and says usage on stderr for an unknown option or a missing operand" {
	local tool
	for tool in "$HG_TOP"/bin/hg-*.c "$HG_TOP/bin/hg-run"; do
		[ -e "$tool" ] || continue
		tool=$(basename "$tool" .c)
		run --separate-stderr "$tool" -%
		[ "$status" -eq 100 ]
		[ -z "$output" ]
		[[ "$stderr" == *usage:* ]]
		run --separate-stderr "$tool"
		[ "$status" -eq 100 ]
		[ -z "$output" ]
	done
}
