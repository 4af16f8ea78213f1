#!/bin/sh
# A campaign on Slurm, one pass on the head node: each run that may go on becomes a job, each that has ended a row.
# usage: slurm.sh [-L LANE] CAMPAIGN [SBATCH-OPTION...]
#
#   sh examples/slurm.sh night
#   sh examples/slurm.sh -L big night --partition=big --gres=gpu:1
#   while sh examples/slurm.sh night && [ -n "$(squeue -h --me -o %j | grep '^hg\.')" ]; do sleep 60; done
#
# Whatever hg-triage calls ready is submitted, its name and job number printed.  A job is called hg.UID, by the run's
# run_uid, and depends on singleton: of jobs of one name Slurm starts one at a time.  So Slurm's queue is the record
# of where runs are, and this may be called again at any time, by cron or twice at once: a run that has a job gets no
# other, and should two be submitted all the same, the second finds the run done and ends.  Nothing is submitted while
# CAMPAIGN/halt exists.
#
# The ledger is written here alone: a job is `hg-run -i` without a ledger, and the next pass adds what has ended.  A run
# for a slot of a confirmation takes it here, before its job is submitted.
#
# A job's time limit is the sum of the deadlines of its run's stages and five minutes.  What has not ended TERM_S
# seconds before that is stopped, as by scancel or a smaller --time: the stage saves what it has and closes out as
# cancelled, and the job of the next pass goes on from there.  A job whose node fails is started again by Slurm.
#
# Lanes and nodes.  A lane is one trainer at a time on each host, and its name stands for one kind of machine: hosts
# that are alike may share a name, and with it a calibration; those that are not need names of their own, and a pass
# each, with -L and the options that find such nodes.  A job has its node to itself (--exclusive), as timed runs want.
# With --oversubscribe among SBATCH-OPTION more fit on one, but then give each place a lane of its own: jobs of one
# lane would wait for each other there, in time that Slurm counts.
#
# CAMPAIGN, the data and the tools must have one path on all nodes.  The file system between them need not have locks:
# a stage that was begun on another host counts as alive until its deadline, or until hg-reap -x HOST; where Slurm has
# no job of such a run any more, this says so and what to type.
set -u

# Slurm may send it up to a minute before.
TERM_S=${TERM_S:-90}
# A stage that was told to end has closed out by then.
CLOSE_S=15

say() {
	printf 'slurm.sh: %s\n' "$1" >&2
}

usage() {
	echo 'usage: slurm.sh [-L LANE] CAMPAIGN [SBATCH-OPTION...]' >&2
	exit 100
}

# TERM may come to this shell alone, or to all of the job.  A stage that has it closes out by itself, and a second one
# would end the time that it has to save; so it is asked by name only if it goes on.  What runs when this ends is killed.
# shellcheck disable=SC2317 # called by the trap
terminate() {
	trap : TERM
	[ -n "$driver" ] || driver=${!:-}
	[ -n "$driver" ] || exit 102
	say "'$run' is to end"
	while next=$(hg-status -n "$run"); do
		case $next in
		await-*)
			stage=${next#await-}
			hg-await -t "$CLOSE_S" "$stage" "$run" > /dev/null 2>&1
			[ $? -ne 99 ] || hg-cancel "$stage" "$run" >&2
			;;
		*) kill -0 "$driver" 2> /dev/null || break ;;
		esac
		sleep 0.2
	done
	wait "$driver"
	# Without its argument exit would say what was before the trap.
	exit $?
}

# What a job does on its node, `slurm.sh -r RUN`.
job() {
	run=$1
	next=$(hg-status -n "$run") || exit
	case $next in
	await-*)
		# No other job has this run.  What died here is closed out; what another host began can't be known.
		hg-await -t 10 "${next#await-}" "$run" >&2
		[ $? -ne 99 ] || exit 99
		;;
	esac
	driver=''
	trap terminate TERM
	hg-run -i "$run" &
	driver=$!
	wait "$driver"
	exit
}

lane=''
while getopts L:r: option; do
	case $option in
	L) lane=$OPTARG ;;
	r) job "$OPTARG" ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || usage
campaign=$(cd "$1" && pwd) || exit 100
shift
ledger=$campaign/ledger
failed=0

# What has ended gets its row; a run that has it, and one that was only interrupted, are left as they are.
for run in "$campaign"/runs/*; do
	[ -e "$run/spec.json" ] || continue
	next=$(hg-status -n -l "$ledger" "$run") || { failed=$?; continue; }
	case $next in
	judge | stop-*)
		hg-ledger add "$ledger" "$run" >&2
		code=$?
		case $code in
		0 | 1 | 2) ;;
		*) failed=$code ;;
		esac
		;;
	esac
done

# queued UID: whether Slurm has a job of that run, pending or running.
queued() {
	jobs=$(squeue --noheader --me --name="hg.$1" --format=%i) || exit 111
	[ -n "$jobs" ]
}

# minutes RUN: all its deadlines, as hg-spec(5) has them, and five minutes for what lies between.
minutes() {
	jq '.budget | (if .train_deadline_ms != "auto" then .train_deadline_ms
			elif .max_wallclock_ms == "none" then 86400000 else 2 * .max_wallclock_ms + 1800000 end)
		+ .export_deadline_ms + .prompt_deadline_ms + .score_deadline_ms | . / 60000 | ceil + 5' "$1/spec.json"
}

# submit NAME [SBATCH-OPTION...]
submit() {
	name=$1
	shift
	run=$(hg-triage -m "$name" "$campaign")
	code=$?
	case $code in
	0) ;;
	# Somebody was faster.
	1) return 0 ;;
	*) return "$code" ;;
	esac
	uid=$(jq -er .run_uid "$run/spec.json") && limit=$(minutes "$run") || return 103
	! queued "$uid" || return 0
	if [ -e "$ledger/ledger.jsonl" ] && [ "$(hg-status -n "$run")" = train ]; then
		# As hg-run -l does before it trains.
		hg-ledger take -p "$ledger" "$run" >&2 || return
		hg-ledger pace -p "$ledger" "$run" >&2
	fi
	mkdir -p "$campaign/slurm" || return 111
	[ ! -e "$campaign/halt" ] || return 0
	id=$(sbatch --parsable --time="$limit" --signal="B:TERM@$TERM_S" --nodes=1 --ntasks=1 --exclusive --requeue \
		--open-mode=append --output="$campaign/slurm/$name.log" "$@" \
		--job-name="hg.$uid" --dependency=singleton "$0" -r "$run") || return 111
	printf '%s\t%s\n' "$name" "${id%%;*}"
}

# lost NAME: a run that counts as running and has no job.  Elsewhere it may be at work outside of Slurm.
lost() {
	run=$campaign/runs/$1
	uid=$(jq -er .run_uid "$run/spec.json") || return 103
	! queued "$uid" || return 0
	hg-status -j "$run" | jq -r '.stages | to_entries[] | select(.value.unseen) | "\(.key) was \(.value.unseen)"' |
		while IFS= read -r unseen; do
			say "'$run' has no job; $unseen"
			say "  next: hg-reap -x HOST '$campaign/runs'  # if nothing runs there any more"
		done
}

if [ -e "$campaign/halt" ]; then
	say "'$campaign/halt' is there, so nothing is submitted"
	exit "$failed"
fi
found=$(hg-triage "$campaign")
code=$?
case $code in
0 | 1 | 2) ;;
*) exit "$code" ;;
esac
found=$(printf '%s\n' "$found" | awk -F '\t' -v lane="$lane" \
	'($2 == "ready" || $2 == "running") && (lane == "" || $3 == lane) { print $2, $1 }')
while read -r state name; do
	case $state in
	ready) submit "$name" "$@" < /dev/null || { failed=$?; say "'$name' was not submitted ($failed)"; } ;;
	running) lost "$name" < /dev/null || failed=$? ;;
	esac
done <<END
$found
END
exit "$failed"
