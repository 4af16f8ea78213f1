# Every parser comes back from hostile files: seeds, their mutations, and whatever was once found.
load helper

@test "every parser survives its seeds, thousands of mutations of them, and all former findings" {
	cd "$BATS_TEST_TMPDIR"
	"$HG_BUILD/fuzz/seeds" seeds
	"$PYTHON" "$HG_TOP/t/tools/samples.py" "$HG_TOP/contracts" samples
	local source target
	for source in "$HG_TOP"/t/fuzz/*.c; do
		target=$(basename "$source" .c)
		case $target in fuzz | main | seeds) continue ;; esac
		set --
		[ ! -d "seeds/$target" ] || set -- "seeds/$target"
		[ ! -d "$HG_TOP/t/fuzz/found/$target" ] || set -- "$@" "$HG_TOP/t/fuzz/found/$target"
		case $target in json | scan | plan) set -- "$@" samples/* ;; esac
		[ "$target" != ledger ] || set -- "$@" samples/ledger_row.valid
		run "$HG_BUILD/fuzz/$target" -m "${FUZZ_ROUNDS:-300}" "$@"
		echo "$target: $output"
		[ "$status" -eq 0 ]
	done
}

@test "a target that dies names the file that killed it" {
	cd "$BATS_TEST_TMPDIR"
	printf 'boom' >boom
	run "$HG_BUILD/fuzz/text" boom
	[ "$status" -eq 0 ]
	run "$HG_BUILD/fuzz/text" missing
	[ "$status" -eq 1 ]
}
