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
	sed -n '/^## Words/,/^## With/s/^| \([a-z ]*\) | .*/\1/p' "$HG_TOP/README.md" | grep -vx word | sort > readme
	sed -n '/^\.Ss Words/,/^\.Sh/s/^\.It //p' "$HG_TOP/man/homegolf.7" | sort > page
	[ "$(wc -l < page)" -gt 15 ]
	diff readme page
	local word
	while read -r word; do
		grep -qiE -- "(^|[^a-z])$word(s|es)?([^a-z]|\$)" "$HG_TOP"/man/hg-* ||
			{ echo "no other page says '$word'" >&2; false; }
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

# paths FILE: what stands between backquotes there and looks like a path of the tree.
paths() {
	grep -oE '`[A-Za-z0-9_./-]+/[A-Za-z0-9_./-]*`' "$1" | tr -d '`' | sort -u
}

@test "every path that README.md and CONTRIBUTING.md name is in the tree" {
	cd "$HG_TOP"
	local path n=0
	while read -r path; do
		n=$((n + 1))
		case $path in
		# Patterns, what is built or made, and what the map says below its folder.
		*NAME* | *LAYER* | *VERSION* | build/* | attempts/* | ledger/) continue ;;
		esac
		[ -e "$path" ] || { echo "no '$path'" >&2; false; }
	done < <(paths README.md; paths CONTRIBUTING.md)
	[ "$n" -gt 40 ]
}

@test "every commit that CONTRIBUTING.md shows is of this history" {
	cd "$HG_TOP"
	# A tree without its history, as make dist makes one, has nothing to ask.
	[ "$(git rev-parse --show-toplevel 2> /dev/null)" = "$(pwd -P)" ] || skip "no history here"
	[ "$(git rev-parse --is-shallow-repository)" = false ] || skip "a part of the history only"
	local commit n=0
	while read -r commit; do
		n=$((n + 1))
		git merge-base --is-ancestor "$commit" HEAD || { echo "no '$commit'" >&2; false; }
	done < <(grep -oE '`[0-9a-f]{7}' CONTRIBUTING.md | tr -d '`' | sort -u)
	[ "$n" -gt 5 ]
}

@test "each question that the README answers is a paragraph of its own" {
	# Renderers join lines that no empty line parts.
	run -0 awk '/^## What people ask/ { on = 1 } /^## Words/ { on = 0 }
	    on && /^[*][*]/ { n++; if (before != "") print } { before = $0 } END { if (n < 8) print n }' "$HG_TOP/README.md"
	[ -z "$output" ]
}
