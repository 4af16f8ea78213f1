#!/bin/sh
# prove.sh JOBS TEST...: run tests by prove, keep what they said in $HG_BUILD/tap, and name what was skipped; last of
# all, where a log that was cut keeps it, what failed and what it said.
# prove.sh -s BUILD: the slowest tests and the skipped ones, as they were the last time.
set -u

skipped() {
	cat "$1"/tap/*.tap | sed -n 's/^ok [0-9]* \(.*\) # skip */\1: /p' | sed 's/ in [0-9]*ms:/:/' |
		sort > "$1/tap/skipped"
	[ -s "$1/tap/skipped" ] || return 0
	echo "$(wc -l < "$1/tap/skipped") skipped:"
	sed 's/^/  /' "$1/tap/skipped"
}

failed() {
	for tap in "$1"/tap/*.tap; do
		awk -v name="${tap##*/}" '/^not ok/ { print name ": " $0 } !/^#/ { of = /^not ok/ } of && /^#/' "$tap"
	done
}

if [ "$1" = -s ]; then
	[ -d "$2/tap" ] || { echo "prove.sh: no tests ran in $2 yet; make check" >&2; exit 1; }
	echo "slowest, in ms:"
	sed -n 's/^ok [0-9]* \(.*\) in \([0-9]*\)ms.*/\2 \1/p' "$2"/tap/*.tap | sort -rn | head -n 20
	skipped "$2"
	exit
fi

jobs=$1
shift
rm -rf "$HG_BUILD/tap"
mkdir -p "$HG_BUILD/tap"
# Tests send INT, and what a shell runs in the background has been begun deaf to it.
env --default-signal=INT,QUIT prove -j "$jobs" --timer --exec t/run "$@"
code=$?
skipped "$HG_BUILD"
failed "$HG_BUILD"
exit $code
