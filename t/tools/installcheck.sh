#!/bin/sh
# installcheck.sh PREFIX VERSION: text to a score, a ledger and a page with the tools and pages in PREFIX alone.
set -eu
prefix=$1 version=$2 top=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$prefix/bin:/usr/bin:/bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

for tool in $(make -s -C "$top" tools); do
	[ -x "$prefix/bin/$tool" ]
	[ "$("$tool" --version)" = "$tool $version" ]
	[ -s "$prefix/share/man/man1/$tool.1" ]
done
sed 's/[^[:print:]]//g' "$top/README.md" > text.txt
hg-data -B -n 8 -o data text.txt
hg-spec -b "$top/examples/specs/tiny.json" -s data.dir=data a
hg-run -l ledger a
hg-ledger list ledger
hg-ledger verify ledger a
hg-report -o page.html ledger
[ -s page.html ]
echo "installed tools of $version work"
