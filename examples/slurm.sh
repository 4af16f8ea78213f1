#!/bin/sh
# A campaign (hg-campaign(5)) on Slurm: one pass, on the head node.  What hg-campaign begins, this submits.
# usage: slurm.sh [-L LANE] CAMPAIGN [SBATCH-OPTION...]
#
#   sh examples/slurm.sh night
#   while sh examples/slurm.sh night; [ $? -eq 99 ]; do sleep 60; done
#   sh examples/slurm.sh -L big night --partition=big --gres=gpu:1
#
# Each request that hg-triage calls ready becomes a job, its name and the job's number are printed, and so does what the
# ledger asks for, if campaign.json wants that.  A job is called hg.UID, by the run's run_uid, and depends on singleton:
# of jobs of one name Slurm starts one at a time.  So Slurm's queue is the record of where runs are, and this may be
# called at any time, by cron or twice at once: a run that has a job gets no other, and should two be submitted all the
# same, the second finds the run done and ends.  Nothing is submitted while CAMPAIGN/halt exists.  The exit code is that
# of hg-triage as the campaign stands at the end: 0 done, 99 something runs or is ready, 2 the rest waits for its owner.
#
# The ledger is written on the head node alone: a job is hg-run without a ledger, and the next pass adds what has ended.
# A run for a slot of a confirmation takes it before its job is submitted.
#
# A job's time limit is the sum of the deadlines of its run's stages and five minutes.  TERM_S seconds before the end
# what still runs is stopped, as by scancel, too: the stage saves what it has and closes out as cancelled, and the job
# of a later pass goes on from there.  One that is cut off twice in a row waits for its owner's answer (same_kind), so
# let --time, if it is among SBATCH-OPTION, be long enough.  A job whose node fails is started again by Slurm.  A run
# that had MOST_JOBS jobs and is still to be done is named, and gets no more.
#
# Lanes and nodes.  A campaign has as many jobs at a time as campaign.json has lanes: name one for each node.  A job
# has its node to itself (--exclusive), as timed runs want, so two lanes never share one.  The noise of a lane is that
# of its machine: where nodes are not alike, tie each lane to its own by a pass for each, -L LANE and --nodelist or
# --constraint.  With --oversubscribe several jobs fit on a node that has room; their lanes then need system.cpus or
# cards of their own, as on one machine.
#
# CAMPAIGN, data and tools have one path on all nodes.  Their file system need not have locks: a stage that was begun
# on another host counts as alive until its deadline, or until hg-reap -x HOST says that nothing runs there any more.
# Slurm can't know that of a node that it lost, so where a run is held up by this, it is named here with what to type.
set -u

# Slurm may send it up to a minute before.
TERM_S=${TERM_S:-90}
# A stage that was told to end has closed out by then.
CLOSE_S=15
# So many jobs are enough for one run: four stages, each tried a few times.
MOST_JOBS=${MOST_JOBS:-20}

say() {
	printf 'slurm.sh: %s\n' "$1" >&2
}

usage() {
	echo 'usage: slurm.sh [-L LANE] CAMPAIGN [SBATCH-OPTION...]' >&2
	exit 100
}

# TERM may come to this shell alone, or to all of the job.  A stage that has it closes out by itself, and a second one
# would end the time that it has to save; so it is asked by name only if it goes on.  What runs when this ends
# is killed.
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

# What a job does on its node, `slurm.sh -r RUN OPTION`.
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
	hg-run "$2" "$run" &
	driver=$!
	wait "$driver"
	exit
}

[ $# -ne 3 ] || [ "$1" != -r ] || job "$2" "$3"
lane=''
while getopts L: option; do
	case $option in
	L) lane=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || usage
campaign=$(cd "$1" && pwd) || exit 100
shift
ledger=$campaign/ledger
failed=''

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

# submit HG-RUN-OPTION RUN [SBATCH-OPTION...]
submit() {
	option=$1 run=$2 name=${2##*/}
	shift 2
	uid=$(jq -er .run_uid "$run/spec.json") && limit=$(minutes "$run") || return 103
	! queued "$uid" || return 0
	if [ -e "$ledger/ledger.jsonl" ] && [ "$(hg-status -n "$run")" = train ]; then
		# As hg-run -l does before it trains.
		hg-ledger take -p "$ledger" "$run" >&2 || return
		hg-ledger pace -p "$ledger" "$run" >&2
	fi
	mkdir -p "$campaign/slurm" || return 111
	log=$campaign/slurm/$name.log
	# A job that does nothing, as on a node without the tools, leaves the run ready.
	if [ -e "$log" ] && [ "$(grep -c '^slurm.sh: job ' "$log")" -ge "$MOST_JOBS" ]; then
		say "'$run' had $MOST_JOBS jobs: see '$log', and remove it to go on"
		return 0
	fi
	# The owner's halt is looked at last.
	[ ! -e "$campaign/halt" ] || return 0
	id=$(sbatch --parsable --time="$limit" --signal="B:TERM@$TERM_S" --nodes=1 --ntasks=1 --exclusive --requeue \
		--open-mode=append --output="$log" "$@" \
		--job-name="hg.$uid" --dependency=singleton "$0" -r "$run" "$option") || return 111
	printf 'slurm.sh: job %s\n' "$id" >> "$log"
	printf '%s\t%s\n' "$name" "${id%%;*}"
}

# request NAME REASON [SBATCH-OPTION...]: one that is ready.
request() {
	name=$1 reason=$2
	shift 2
	case $reason in
	new)
		# 1: another pass was faster.
		hg-triage -m "$name" "$campaign" > /dev/null || { [ $? -eq 1 ] && return 0; return 111; }
		submit -i "$campaign/runs/$name" "$@"
		;;
	retry:*) submit "-a${reason#retry:}" "$campaign/runs/$name" "$@" ;;
	*) submit -i "$campaign/runs/$name" "$@" ;;
	esac
}

# asked [SBATCH-OPTION...]: the runs that the ledger asks for, to calibrate or to confirm, if the owner wants them.
asked() {
	runs=$(hg-campaign -a "$campaign") || return 111
	while IFS= read -r made; do
		[ -n "$made" ] || continue
		[ -z "$lane" ] || [ "$(jq -r .system.lane "$made/spec.json")" = "$lane" ] || continue
		submit -i "$made" "$@" < /dev/null || return
	done <<-END
		$runs
	END
}

# lost RUN: one that counts as running, if it has no job and another host began it.
lost() {
	uid=$(jq -er .run_uid "$1/spec.json") || return 103
	! queued "$uid" || return 0
	hg-status -j "$1" | jq -r '.stages | to_entries[] | select(.value.unseen) | "\(.key) was \(.value.unseen)"' |
		while IFS= read -r unseen; do
			say "'$1' has no job; $unseen"
			say "  next: hg-reap -x HOST '$campaign'  # if nothing runs there any more"
		done
}

# told STATE: name and reason of the requests in it, on this lane if there is one.
told() {
	hg-triage -s "$1" "$campaign" 2> /dev/null |
		awk -F '\t' -v lane="$lane" 'lane == "" || $3 == lane { print $1, $4 }'
}

hg-triage -L "$campaign" > /dev/null || exit
[ ! -d "$campaign/runs" ] || hg-reap "$campaign" > /dev/null 2>&1

# What has ended gets its row; 2: it was only interrupted.
{
	hg-triage -s unjudged "$campaign" 2> /dev/null | sed "s|	.*||; s|^|$campaign/runs/|"
	[ ! -e "$ledger/ledger.jsonl" ] || hg-ledger missing "$ledger" "$campaign/runs" 2> /dev/null |
		sed -n -e 's/	complete$//p' -e 's/	refused$//p'
} | sort -u | while IFS= read -r run; do
	hg-ledger add "$ledger" "$run" < /dev/null >&2 || [ $? -le 2 ] || say "'$run' was not added to '$ledger'"
done

asked "$@" < /dev/null || failed=$?
ready=$(told ready) running=$(told running)
while read -r name reason; do
	[ -n "$name" ] || continue
	request "$name" "$reason" "$@" < /dev/null || { failed=$?; say "'$name' was not submitted"; }
done <<END
$ready
END
while read -r name reason; do
	[ -z "$name" ] || lost "$campaign/runs/$name" < /dev/null || failed=$?
done <<END
$running
END
[ -z "$failed" ] || exit "$failed"
hg-triage "$campaign" > /dev/null 2>&1
exit
