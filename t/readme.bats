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

# commands: the README's commands with one's own text, a line each.
commands() {
	sed -n '/^## Five commands/,/^## /s/^    \$ //p' "$HG_TOP/README.md"
}

@test "the README's commands with one's own text do what it says, from text to page" {
	cd "$BATS_TEST_TMPDIR"
	export HOMEGOLF_LANES=$PWD/lanes
	ln -s "$HG_TOP/examples" examples
	tiny_data unused 2> /dev/null
	for _ in 1 2 3 4; do awk -v n=$RANDOM '{ print n, $0 }' unused.txt; done > book.txt
	# A hundred times smaller, or a test would take minutes: fewer steps, pieces and documents.
	commands | sed 's/small\.json/tiny.json/; s/-n 1000/-n 20 -v 320/' > script
	[ "$(wc -l < script)" -eq 7 ]
	grep -q -- '-v 320' script && grep -q tiny script
	echo 'set -e' | cat - script > all
	run sh all
	echo "$output"
	[ "$status" -eq 0 ]
	[ -s page.html ]
	[ "$(hg-ledger list -j ledger | wc -l)" -eq 2 ]
	# Nothing is shown to be better by one run of each.
	run ! hg-ledger promote ledger second
}

@test "the words that the README explains are those of homegolf(7), and other pages use them" {
	cd "$BATS_TEST_TMPDIR"
	sed -n '/^## Words/,/^With an/s/^| \([a-z ]*\) | .*/\1/p' "$HG_TOP/README.md" | grep -vx word | sort > readme
	sed -n '/^\.Ss Words/,/^\.Sh/s/^\.It //p' "$HG_TOP/man/homegolf.7" | sort > page
	[ "$(wc -l < page)" -gt 15 ]
	diff readme page
	local word
	while read -r word; do
		grep -qi -- "$word" "$HG_TOP"/man/hg-* || { echo "no other page says '$word'" >&2; false; }
	done < page
}

@test "homegolf(7) leads to every other page" {
	local page
	for page in "$HG_TOP"/man/hg-*.[157]; do
		page=$(basename "$page")
		grep -qE "^\.(Pq )?Xr ${page%.*} ${page##*.}( |$)" "$HG_TOP/man/homegolf.7" || { echo "$page" >&2; false; }
	done
}

@test "the newest release of CHANGELOG.md is the Makefile's version" {
	[ "$(sed -n 's/^## \([0-9.]*\) .*/\1/p' "$HG_TOP/CHANGELOG.md" | head -n 1)" = \
		"$(sed -n 's/^VERSION := //p' "$HG_TOP/Makefile")" ]
}
