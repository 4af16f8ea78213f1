#!/bin/sh
# keys.sh [NAME...]: write the program's lists of words anew into the contracts that have them, and the contracts' keys
# into section KEYS of their manual pages.
set -eu
cd "$(dirname "$0")/../.."
# The lists are those of this tree.
make -s t/tools/contract >&2
[ $# -gt 0 ] || eval "set -- $(t/tools/contract -n | tr '\n' ' ')"

# words FILE KEY: in place of what any member KEY has as its enum, the words of that name; on lines of its own where it
# stood on more than one.
words() {
	t/tools/contract -w "$2" > "$1.words"
	awk -v key="\"$2\": {" -v words="$1.words" '
	    BEGIN { while ((getline line < words) > 0) list[++n] = "\"" line "\"" }
	    function fill(indent,    i, out) {
		for (i = 1; i <= n; i++) {
			if (out != "" && length(out list[i]) > 112) { print out; out = "" }
			out = (out == "" ? indent : out " ") list[i] (i < n ? "," : "")
		}
		print out
	    }
	    function joined(    i, out) {
		for (i = 1; i <= n; i++) out = out (i == 1 ? "" : ", ") list[i]
		return out
	    }
	    skip && !/^ *\]/ { next }
	    { skip = 0 }
	    (at = index($0, key "\"enum\": [")) > 0 {
		at += length(key "\"enum\": [")
		rest = substr($0, at)
		$0 = substr($0, 1, at - 1) joined() substr(rest, index(rest, "]"))
	    }
	    { print }
	    /"enum": \[$/ && index(before, key) { match($0, /^ */); fill(substr($0, 1, RLENGTH) "  "); skip = 1 }
	    { before = $0 }' "$1" > "$1.new"
	rm "$1.words"
	if cmp -s "$1" "$1.new"; then rm "$1.new"; else mv "$1.new" "$1"; echo "$1"; fi
}
{
	words contracts/refusal.json kind
	for contract in contracts/ledger_row.json contracts/classification.json; do
		words "$contract" reason
		words "$contract" rule
	done
	for contract in contracts/*.json; do
		words "$contract" stage
		words "$contract" next
	done
} | grep . && make -s t/tools/contract >&2

for name; do
	page=man/hg-$name.5
	[ -e "$page" ] || { echo "$page is missing" >&2; continue; }
	t/tools/contract -m "$name" > "$page.keys"
	awk -v keys="$page.keys" '
	    /^\.Sh (KEYS|KINDS)$/ { if (!done++) while ((getline line < keys) > 0) print line; skip = 1; next }
	    /^\.Sh/ { skip = 0 }
	    !skip' "$page" > "$page.new"
	if cmp -s "$page" "$page.new"; then rm "$page.new"; else mv "$page.new" "$page"; echo "$page"; fi
	rm "$page.keys"
done
