#!/bin/sh
# keys.sh [NAME...]: write what contracts and manual pages repeat anew: the verdicts' reasons (lib/law/reasons.def)
# into the contracts' enumerations, and the contracts' keys into section KEYS of their pages.
set -eu
cd "$(dirname "$0")/../.."

# Contracts are built into t/tools/contract: with new reasons, make comes in between.
for contract in contracts/ledger_row.json contracts/classification.json; do
	awk -F'"' '
	    FNR == NR {
		if (/^REASON\(/) list["reason"] = list["reason"] " " $2
		if (/^REASON\(.*, RULE, /) list["rule"] = list["rule"] " " $2
		next
	    }
	    /^ *"(reason|rule)": \{$/ { member = $2 }
	    member != "" && /^ *"enum": \[$/ {
		print
		match($0, /^ */)
		line = indent = sprintf("%" RLENGTH + 2 "s", "")
		n = split(list[member], name, " ")
		for (i = 1; i <= n; i++) {
			item = "\"" name[i] "\"" (i < n ? "," : "")
			if (length(line) + length(item) + (line != indent) > 116) {
				print line
				line = indent
			}
			line = line (line == indent ? "" : " ") item
		}
		print line
		skip = 1
	    }
	    skip && /^ *\],/ { skip = 0; member = "" }
	    !skip' lib/law/reasons.def "$contract" > "$contract.new"
	if cmp -s "$contract" "$contract.new"; then
		rm "$contract.new"
	else
		mv "$contract.new" "$contract"
		echo "$contract: run make, then this again"
	fi
done
[ $# -gt 0 ] || eval "set -- $(t/tools/contract -n | tr '\n' ' ')"
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
