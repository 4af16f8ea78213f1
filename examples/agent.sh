#!/bin/sh
# One pass of a loop that proposes and is judged: takes requests, prints a line for each.
# usage: agent.sh [-c] [-b BASE] DIR DATA REQUESTS
#
# REQUESTS   a file with a request on each line (- is standard input), or a directory of NAME.json; a request is what
#            hg-spec -b takes: {"train": {"matrix_lr": 0.02}, "about": {"hypothesis": "half the rate"}}
# DIR        keeps DIR/ledger, DIR/runs and DIR/requests
# -b BASE    requests say only what differs from this one, in sections model, train and about, or in trainer.params:
#            what counts as a score, what a run may cost and which program runs are then not theirs to say
# -c         also do what verdicts name next: calibrate the lane, run again and confirm what looks better
#
# A line is name, class, reason and score, with tabs between.  Class - means that nothing was judged: "request" is one
# that cannot be taken, "running" one that somebody else is at.  Words for people are on standard error.
#
# A request is a run, by its file's name or the digest of its line.  So killed and started again this goes on where
# it was, and a request that was answered gets the same answer.  examples/agent.md tells more, and why to trust it.
set -eu

usage() {
	echo 'usage: agent.sh [-c] [-b BASE] DIR DATA REQUESTS' >&2
	exit 100
}

confirm='' base=''
while getopts b:c option; do
	case $option in
	b) base=$OPTARG ;;
	c) confirm=1 ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -eq 3 ] || usage
dir=$1 data=$(cd "$2" && pwd) requests=$3
ledger=$dir/ledger
mkdir -p "$dir/runs" "$dir/requests"

# verdict RUN: class, reason and score of its row, or of the confirmation that decided on its configuration since.
verdict() {
	[ -e "$ledger/ledger.jsonl" ] || return 0
	hg-ledger list -j "$ledger" | jq -rs --arg uid "$(jq -r .run_uid "$1/spec.json")" '
		(map(select(.run.run_uid == $uid)) | last) as $row
		| map(select(. == $row or ($row != null and .row > $row.row
			and .confirmation.challenger_sha256 == $row.run.config_sha256))) | last // empty
		| .verdict | [.class, .reason, .score // "-"] | @tsv'
}

# drive RUN: to its end and its row.  What is interrupted is gone on with, what may do better is tried once more.
drive() {
	code=0
	hg-run -i -l "$ledger" "$1" > /dev/null || code=$?
	if [ "$code" -eq 102 ]; then
		code=0
		hg-run -r -l "$ledger" "$1" > /dev/null || code=$?
	fi
}

# follow RUN: what its verdict says is next, if that is more runs.
follow() {
	case $(verdict "$1" | cut -f 2) in
	first) hg-confirm -c "$ledger" "$1" > /dev/null ;;
	uncalibrated)
		incumbent=$(hg-ledger incumbent -j "$ledger" | jq -r .run_id)
		hg-confirm -c "$ledger" "$dir/runs/$incumbent" > /dev/null
		;;
	second_wanted | promising) hg-confirm "$ledger" "$1" > /dev/null ;;
	esac
}

# asked FILE: the request as hg-spec takes it.
asked() {
	if [ -z "$base" ]; then
		cat "$1"
		return
	fi
	jq -s 'if length == 2 and (.[1] | keys - ["about", "model", "train", "trainer"] == []
			and ((has("trainer") | not) or (.trainer | type == "object" and keys - ["params"] == [])))
		then .[0] * .[1]
		else error("only sections model, train and about, and trainer.params, may be asked for") end
		' "$base" "$1"
}

# answer NAME FILE: run the request, and print its line.
answer() {
	request=$dir/requests/$1.json run=$dir/runs/$1 code=0
	if asked "$2" > "$request"; then
		hg-spec -b "$request" -s "data.dir=$data" "$run" || code=$?
	else
		code=100
	fi
	case $code in
	0) ;;
	1 | 100 | 103)
		printf '%s\t-\trequest\t-\n' "$1"
		return
		;;
	*) exit "$code" ;;
	esac
	drive "$run"
	case $code in
	0 | 1 | 2 | 102) ;;
	99)
		printf '%s\t-\trunning\t-\n' "$1"
		return
		;;
	*)
		# A bug, a broken file or a failing machine: for a person, and the next request would meet it, too.
		echo "agent.sh: '$run' ended with $code; see hg-exit(7)" >&2
		exit "$code"
		;;
	esac
	[ -z "$confirm" ] || follow "$run" || echo "agent.sh: what comes after '$run' ended with $?" >&2
	printf '%s\t%s\n' "$1" "$(verdict "$run")"
}

if [ -d "$requests" ]; then
	for file in "$requests"/*.json; do
		[ -e "$file" ] || continue
		name=${file##*/}
		answer "${name%.json}" "$file"
	done
else
	[ "$requests" = - ] || exec < "$requests"
	while IFS= read -r line; do
		[ -n "$line" ] || continue
		printf '%s\n' "$line" > "$dir/requests/line"
		answer "$(sha256sum < "$dir/requests/line" | cut -c 1-12)" "$dir/requests/line" < /dev/null
	done
fi
