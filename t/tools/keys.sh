#!/bin/sh
# keys.sh [NAME...]: write the contracts' keys anew into section KEYS of their manual pages.
set -eu
cd "$(dirname "$0")/../.."
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
