# What the README shows is what the tools leave.
load helper

@test "the README's run directory lists exactly the files of a finished run" {
	cd "$BATS_TEST_TMPDIR"
	export DATA=$PWD/data HOMEGOLF_LANES=$PWD/lanes
	tiny_data "$DATA" 2> /dev/null
	mkdir runs
	tiny_spec runs/a
	hg-run -d -l ledger runs/a
	LC_ALL=C ls runs/a > there
	sed -n "s/^ *[0-9][0-9]* \([a-z_]*[.][a-z]*\)\( .*\)*$/\1/p" "$HG_TOP/README.md" > shown
	diff there shown
}

@test "the README explains every state of a stage" {
	run -0 diff <(sed -n '/STATE TABLE/,/^\.Ed/s/^[yesno]* *[yesno]* .* //p' "$HG_TOP/man/hg-rundir.5" | sort -u) \
		<(sed -n '/seven states/,/"Looks"/s/^| `\([a-z_]*\)` .*/\1/p' "$HG_TOP/README.md" | sort)
}
