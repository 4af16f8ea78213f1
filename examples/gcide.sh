#!/bin/sh
# An English corpus to play with: the GNU Collaborative International Dictionary
# of English, from Debian's package dict-gcide (40 MB, 128,000 entries).  The
# package is downloaded and unpacked, never installed.
# usage: gcide.sh OUT.txt
#
# An entry starts in column 0 and its other lines are indented; blank lines
# stand inside entries as well as between them.  Out comes what `hg-data -f para`
# reads: entries without blank lines, and one blank line between them.
set -eu
[ $# -eq 1 ] || { echo "usage: gcide.sh OUT.txt" >&2; exit 100; }
case $1 in
/*) out=$1 ;;
*) out=$PWD/$1 ;;
esac

work=$(mktemp -d "${TMPDIR:-/tmp}/gcide.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 111' HUP INT TERM
cd "$work"

# As root apt would fetch as another user, who may not write here.
fetch() { apt-get -q -o APT::Sandbox::User=root download dict-gcide >&2; }
# A fresh machine may have no package lists yet.
fetch || { [ "$(id -u)" -eq 0 ] && apt-get -q update >&2 && fetch; } || {
	echo "gcide.sh: cannot download the package dict-gcide; as root: apt-get update" >&2
	exit 111
}
dpkg-deb -x dict-gcide_*.deb .
gunzip -c < usr/share/dictd/gcide.dict.dz > gcide.dict
# Bytes, not characters: a few are not UTF-8, and hg-data says how it reads them.
LC_ALL=C awk '
    /^[ \t]*$/ { next }
    /^[^ \t]/ && started { print "" }
    { started = 1; print }' gcide.dict > gcide.txt
mv gcide.txt "$out.tmp"
mv "$out.tmp" "$out"
