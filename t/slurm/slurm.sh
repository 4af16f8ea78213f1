#!/bin/sh
# slurm.sh: examples/slurm.sh on a Slurm of two nodes that is made for it on this machine, and ended with it.
#
# Everything lies in one temporary directory: key, state, logs, sockets.  Both nodes are this machine under two names;
# the tools of a job see the name of its node, so that each has lanes of its own.  Every wait has an end.
usage() {
	echo 'usage: slurm.sh [-k]'
	echo
	echo 'run a campaign on two nodes of a Slurm made for it; as root, with slurm-wlm and munge installed'
	echo
	echo '  -k           keep the directory of logs and runs'
}

top=$(cd "$(dirname "$0")/../.." && pwd)
: "${HG_BIN:=$top/bin}"
keep=''
while getopts kh letter; do
	case $letter in
	k) keep=y ;;
	h) usage && exit 0 ;;
	*) usage >&2 && exit 100 ;;
	esac
done

skipped() {
	echo "skipped: $1"
	exit 0
}

PATH=$PATH:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL
[ "$(id -u)" = 0 ] || skipped 'not root, as who Slurm and munge are started'
for program in munged slurmctld slurmd sbatch squeue scontrol scancel setpriv cc; do
	command -v "$program" > /dev/null || skipped "no $program here (slurm-wlm, munge)"
done
getent passwd munge > /dev/null || skipped 'no user munge here'

D=$(mktemp -d "${TMPDIR:-/tmp}/hg-slurm.XXXXXX") || exit 111
chmod 755 "$D"

# ours: every process that this started or that its jobs left, by what it was started with, stands in or has open.
ours() {
	found=$(for proc in /proc/[0-9]*; do
		if grep -qsF "$D/" "$proc/environ" "$proc/cmdline" ||
			find "$proc/cwd" "$proc/fd" -maxdepth 1 -lname "$D/*" 2> /dev/null | grep -q .; then
			echo "${proc#/proc/}"
		fi
	done)
	# Those that looked are gone by now.
	for pid in $found; do
		[ ! -d "/proc/$pid" ] || echo "$pid"
	done
}

# signal SIGNAL PID...
signal() {
	sig=$1
	shift
	for pid; do
		kill -"$sig" "$pid" 2> /dev/null
	done
}

none_ours() {
	[ -z "$(ours)" ]
}

# poll SECONDS COMMAND...: until it is true, or the time is over.
poll() {
	end=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt "$end" ] || return 1
		sleep 0.3
	done
}

# Jobs first, or a node would report them; then the daemons, and what is left.
stop_all() {
	[ -z "$controller" ] || timeout 20 scancel --user=root 2> /dev/null
	[ -z "$controller" ] || poll 30 drained
	# shellcheck disable=SC2086 # empty ones are none
	signal TERM $node1 $node2 $controller $munged
	controller=''
	poll 20 none_ours && return
	# shellcheck disable=SC2046 # process numbers
	signal KILL $(ours)
	poll 20 none_ours
}

controller='' node1='' node2='' munged='' failures=0 number=0 ended=''
finish() {
	code=$?
	trap '' INT TERM HUP EXIT
	[ -n "$ended" ] || stop_all
	left=$(ours)
	[ -z "$left" ] || { echo "# left: $left"; code=1; }
	if [ -n "$keep" ]; then
		echo "# kept: $D"
	else
		rm -rf "$D"
	fi
	exit "$code"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# --- a Slurm of two nodes ---------------------------------------------------

taken() {
	grep -qi "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$1") [0-9A-F:]* 0A " /proc/net/tcp /proc/net/tcp6 2> /dev/null
}

port=16800
for _ in 1 2 3 4 5 6 7 8 9 10; do
	port=$((port + 10))
	! taken "$port" && ! taken $((port + 1)) && ! taken $((port + 2)) && break
done

mkdir "$D/munge" "$D/state" "$D/log" "$D/bin" "$D/blind" "$D/lanes"
head -c 1024 /dev/urandom > "$D/munge/key"
chmod 700 "$D/munge" && chmod 400 "$D/munge/key" && chown -R munge: "$D/munge" && chmod 711 "$D/munge"

cat > "$D/slurm.conf" <<-END
	ClusterName=homegolf
	SlurmctldHost=$(hostname -s)(127.0.0.1)
	SlurmctldPort=$port
	SlurmUser=root
	SlurmdUser=root
	AuthType=auth/munge
	AuthInfo=socket=$D/munge/socket,cred_expire=5
	CredType=cred/munge
	StateSaveLocation=$D/state
	SlurmdSpoolDir=$D/spool.%n
	SlurmctldPidFile=$D/slurmctld.pid
	SlurmdPidFile=$D/slurmd.%n.pid
	SlurmctldLogFile=$D/log/slurmctld
	SlurmdLogFile=$D/log/slurmd.%n
	ProctrackType=proctrack/linuxproc
	TaskPlugin=task/none
	JobAcctGatherType=jobacct_gather/none
	SelectType=select/cons_tres
	SelectTypeParameters=CR_CPU
	SchedulerParameters=sched_interval=2,bf_interval=2
	SlurmdParameters=config_overrides
	ReturnToService=2
	SlurmdTimeout=10
	MpiDefault=none
	NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=1
	NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port=$((port + 2)) CPUs=1
	PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
END
SLURM_CONF=$D/slurm.conf
export SLURM_CONF

# node N: start its daemon, whose process is $!.
node() {
	slurmd -D -N "n$1" -f "$SLURM_CONF" > "$D/log/slurmd.n$1.out" 2>&1 < /dev/null &
}

idle() {
	[ "$(timeout 20 sinfo -h -N -t idle -o %N 2> /dev/null | sort | xargs)" = 'n1 n2' ]
}

drained() {
	jobs=$(timeout 20 squeue -h -o %i) && [ -z "$jobs" ]
}

setpriv --reuid=munge --regid=munge --clear-groups munged --foreground --key-file="$D/munge/key" \
	--socket="$D/munge/socket" --pid-file="$D/munge/pid" --log-file="$D/munge/log" --seed-file="$D/munge/seed" \
	> "$D/log/munged.out" 2>&1 < /dev/null &
munged=$!
poll 20 test -S "$D/munge/socket" || skipped "munged does not start: $(tail -n 1 "$D/log/munged.out" "$D/munge/log")"
slurmctld -D -c -f "$SLURM_CONF" > "$D/log/slurmctld.out" 2>&1 < /dev/null &
controller=$!
node 1
node1=$!
node 2
node2=$!
poll 60 idle || skipped "Slurm does not start: $(grep -hi 'error\|fatal' "$D"/log/* | tail -n 1)"

# --- what a campaign needs --------------------------------------------------

cc -shared -fPIC -o "$D/hostname.so" "$top/t/preload/hostname.c" || exit 111
cat > "$D/bin/on-node" <<-END
	#!/bin/sh
	# A tool on the node of its job has that node's name.
	if [ -n "\$SLURMD_NODENAME" ]; then
		HOST_NAME=\$SLURMD_NODENAME LD_PRELOAD=$D/hostname.so
		export HOST_NAME LD_PRELOAD
	fi
	exec "$HG_BIN/\${0##*/}" "\$@"
END
for tool in "$HG_BIN"/hg-*; do
	case $tool in
	*.c) ;;
	*) ln -s on-node "$D/bin/${tool##*/}" ;;
	esac
done
# A queue that shows no job, as to one who looks at the same moment.
printf '#!/bin/sh\n' > "$D/blind/squeue"
chmod 755 "$D/bin/on-node" "$D/blind/squeue"
PATH=$D/bin:$PATH
HOMEGOLF_LANES=$D/lanes
export PATH HOMEGOLF_LANES

C=$D/night
mkdir -p "$C/in" "$C/runs"
bash -c 'bats_require_minimum_version() { :; }; . "$1/t/helper.bash"; tiny_data "$2"' - "$top" "$D/data" \
	2> "$D/log/data" || { cat "$D/log/data" >&2; exit 111; }

# A lane for each node; the smallest model, three steps.
jq -n --arg data "$D/data" '{
	model: {vocab_size: 260, num_layers: 2, model_dim: 32, num_heads: 4, num_kv_heads: 2},
	train: {seq_len: 64, batch_tokens: 256, micro_batch_tokens: 128, iterations: 3, warmup_steps: 1,
		warmdown_frac: 0.4},
	prompt: {text: "Document", tokens: 8}, budget: {max_wallclock_ms: "none"},
	system: {backend: "ref", threads: 1}, data: {dir: $data}}' > "$D/base.json"
jq -n '{schema: "homegolf.campaign.v1", base: "../base.json", lanes: [{name: "one"}, {name: "two"}],
	routes: [], reserved: [], calibrate: false}' > "$C/campaign.json"

# ask NAME SEED LANE [JQ]: a request.
ask() {
	jq -n --argjson seed "$2" --arg lane "$3" '{about: {hypothesis: "another seed", expected_gain: 0.1},
		train: {seed: $seed}, system: {lane: $lane}} | '"${4:-.}" > "$C/in/.$1" &&
		mv "$C/in/.$1" "$C/in/$1.json"
}

# ask_long NAME SEED SECONDS: one that trains by the clock.
ask_long() {
	ask "$1" "$2" one '.train += {schedule: "wallclock", iterations: 1000000} |
		.budget.max_wallclock_ms = 1000 * '"$3"
}

# pass [SBATCH-OPTION...]: one pass over the campaign.
pass() {
	timeout 120 sh "$top/examples/slurm.sh" "$C" "$@" 2>> "$D/log/passes"
	case $? in
	0 | 1 | 2 | 99) ;;
	*) echo 'the pass failed' ;;
	esac
}

# submits NAME [SBATCH-OPTION...]: a pass submits that run, and no other.
submits() {
	name=$1
	shift
	pass "$@" > "$D/submitted"
	[ "$(cut -f 1 "$D/submitted")" = "$name" ]
}

of() {
	jq -r "$1" "$C/runs/$2" 2> /dev/null
}

# job_of NAME: the number of its job.
job_of() {
	timeout 20 squeue -h --name="hg.$(of .run_uid "$1/spec.json")" -o %i
}

# trains NAME: its training is some steps along.
trains() {
	[ -e "$C/runs/$1/metrics.jsonl" ] && [ "$(wc -l < "$C/runs/$1/metrics.jsonl")" -gt 5 ] &&
		[ "$(hg-status -n "$C/runs/$1")" = await-train ]
}

refused() {
	[ "$(of .kind "$1/train_refusal.json")" = "$2" ]
}

finished() {
	[ "$(hg-status -j "$C/runs/$1" | jq -r .state)" = complete ]
}

rows() {
	hg-ledger list -j "$C/ledger" 2> /dev/null | jq -r --arg name "$1" 'select(.run.run_id == $name) | .row' | wc -l
}

# promise SENTENCE COMMAND...: one line of the outcome.
promise() {
	number=$((number + 1)) what=$1
	shift
	if "$@"; then
		echo "ok $number $what"
	else
		echo "not ok $number $what"
		failures=$((failures + 1))
		timeout 20 squeue 2>&1 | sed 's/^/# /'
		tail -n 8 "$D/log/passes" | sed 's/^/# /'
		echo "# -k keeps the logs"
	fi
}

# --- promises ---------------------------------------------------------------

halted() {
	touch "$C/halt"
	submitted=$(pass)
	rm "$C/halt"
	[ -z "$submitted" ] && drained
}

# hold STATE [REASON]: of both nodes, which then begin nothing, or go on.
hold() {
	timeout 20 scontrol update nodename=n1,n2 state="$1" ${2:+reason="$2"}
}

at_once() {
	hold drain wait || return
	pass > "$D/submitted.a" &
	first=$!
	pass > "$D/submitted.b"
	wait "$first"
	[ "$(cat "$D"/submitted.? | cut -f 1 | sort | xargs)" = 'r1 r2' ]
}

again() {
	submitted=$(pass)
	[ -z "$submitted" ]
}

# As far as hg-triage knows, nobody is about to begin these.
older() {
	find "$C/runs" -type f -exec touch -d '1 minute ago' {} +
	[ "$(hg-triage -s ready "$C" 2> /dev/null | wc -l)" -eq 2 ]
}

queued_again() {
	older && again && [ "$(timeout 20 squeue -h -o %i | wc -l)" -eq 2 ]
}

depend() {
	[ "$(timeout 20 squeue -h --state=PENDING -o %r | grep -c '^Dependency$')" -eq 2 ]
}

# One that does not see the queue, as one that looked at the same moment.
twice() {
	older || return
	submitted=$(PATH=$D/blind:$PATH pass | cut -f 1 | sort | xargs)
	[ "$submitted" = 'r1 r2' ] &&
		[ "$(timeout 20 squeue -h --state=PENDING -o %j | sort | uniq -c | awk '$1 == 2' | wc -l)" -eq 2 ] &&
		poll 20 depend
}

done_all() {
	pass > "$D/submitted"
	[ -z "$(hg-triage "$C" 2> /dev/null | awk -F '\t' '$2 != "done"')" ]
}

# Each stage once, and two nodes at it.
once() {
	hold resume && poll 300 done_all && poll 60 drained || return
	for n in 1 2 3 4 5 6 7 8; do
		finished "r$n" && [ ! -e "$C/runs/r$n/attempts" ] || return
	done
	timeout 20 scontrol show job | sed -n 's/^ *BatchHost=//p' | sort -u | xargs > "$D/nodes"
	[ "$(cat "$D/nodes")" = 'n1 n2' ]
}

recorded() {
	for n in 1 2 3 4 5 6 7 8; do
		[ "$(rows "r$n")" -eq 1 ] || return
	done
	again && hg-triage "$C" > /dev/null
}

# What Slurm ends at its limit is closed out before: resume point saved, a refusal that says so, no row.
overtime() {
	submits over --time=1 && poll 150 refused over cancelled && poll 60 drained &&
		[ -e "$C/runs/over/resume.safetensors" ] && [ "$(rows over)" -eq 0 ]
}

goes_on() {
	poll 60 submits over && [ "$(rows over)" -eq 0 ] && poll 240 drained && finished over &&
		[ "$(of .resumes over/training_report.json)" -eq 1 ] &&
		[ "$(of .kind over/attempts/train.1/train_refusal.json)" = cancelled ]
}

cancelled() {
	submits scan && poll 60 trains scan || return
	timeout 20 scancel "$(job_of scan)"
	poll 60 refused scan cancelled && poll 60 drained
}

by_hand() {
	timeout 240 hg-run -r "$C/runs/scan" > "$D/log/by-hand" 2>&1 && finished scan
}

# Node n1 or n2 loses power, as far as a part of a machine can.
node_dies() {
	submits dies && poll 60 trains dies || return
	job=$(job_of dies)
	dead=$(timeout 20 squeue -h -j "$job" -o %N)
	daemon=$node1
	[ "$dead" = n1 ] || daemon=$node2
	signal KILL "$daemon"
	for pid in $(ours); do
		if grep -qsz "^SLURMD_NODENAME=$dead\$" "/proc/$pid/environ" ||
			grep -qs "^slurmstepd: \[$job\." "/proc/$pid/cmdline"; then
			signal KILL "$pid"
		fi
	done
	wait "$daemon" 2> /dev/null
	# Slurm starts the job again, and it ends: nobody there can know what the other node does.
	poll 240 drained && [ "$(timeout 20 scontrol show job "$job" | sed -n 's/^ *BatchHost=//p')" != "$dead" ] &&
		grep -q "hg-await: train of '$C/runs/dies' was begun by .* of host '$dead'" "$C/slurm/dies.log" &&
		! refused dies owner_died
}

named() {
	again && grep -q "'$C/runs/dies' has no job; train was begun by .* of host '$dead'" "$D/log/passes" &&
		grep -q "next: hg-reap -x HOST '$C'" "$D/log/passes"
}

resumed() {
	hg-reap -x "$dead" "$C" > /dev/null 2>&1 && refused dies owner_died && poll 60 submits dies &&
		poll 240 drained && finished dies && [ "$(of .host dies/training_report.json)" != "$dead" ]
}

node_returns() {
	node "${dead#n}"
	eval "node${dead#n}=\$!"
	poll 60 idle
}

# Its environment lacks the tools.
useless() {
	submits lost --export=NONE && poll 60 drained || return
	find "$C/runs/lost" -type f -exec touch -d '1 minute ago' {} +
	submitted=$(MOST_JOBS=1 pass)
	[ -z "$submitted" ] && grep -q "'$C/runs/lost' had 1 jobs: see '$C/slurm/lost.log'" "$D/log/passes" &&
		submits lost
}

everything() {
	poll 60 done_all && again && drained && hg-ledger verify "$C/ledger" > /dev/null 2>&1 || return
	for request in "$C"/in/*.json; do
		name=${request##*/} name=${name%.json}
		finished "$name" && [ "$(rows "$name")" -eq 1 ] || return
	done
	[ "$(find "$C/runs" -name artifact_score_summary.json | wc -l)" -eq "$(find "$C/in" -name '*.json' | wc -l)" ]
}

calibrates() {
	jq '.calibrate = true' "$C/campaign.json" > "$D/campaign" && mv "$D/campaign" "$C/campaign.json"
	pass > "$D/submitted"
	asked=$(cut -f 1 "$D/submitted")
	# Both lanes have four seeds of the incumbent.
	[ "$(echo "$asked" | grep -c '\.cal\.')" -eq 2 ] && poll 120 drained || return
	for name in $asked; do
		finished "$name" || return
	done
}

nothing_left() {
	stop_all
	ended=y
	[ -z "$(ours)" ] && ! taken "$port" && ! taken $((port + 1)) && ! taken $((port + 2))
}

for n in 1 3 5 7; do
	ask "r$n" "$n" one
	ask "r$((n + 1))" "$((n + 1))" two
done
promise 'nothing is submitted while the campaign has a file halt' halted
promise 'of two passes at once one submits each run' at_once
promise 'a pass while jobs are queued submits none of them again' queued_again
promise 'a pass that could not see them submits them twice, and of two jobs of a run one waits for the other' twice
# bats test_tags=b83
promise 'eight runs, two submitted twice, are done once each, every stage at its first attempt, on two nodes' once
promise 'each of them has one row, written on the head node, and a further pass submits nothing' recorded
ask_long over 21 60
# bats test_tags=b83
promise 'a job that exceeds its time limit leaves a refusal and a resume point, and no row' overtime
promise 'the next pass submits that run again, and it goes on from where it was' goes_on
ask_long scan 22 30
promise 'a job that is cancelled closes its stage out with a refusal' cancelled
promise 'hg-run -r goes on with that run by hand' by_hand
ask_long dies 23 30
promise 'a job whose node is killed is started again on the other node, and does not wait there' node_dies
promise 'a pass names that run, the host that began it and what to type, and submits nothing' named
promise 'once hg-reap -x has said that nothing runs there, the next pass goes on with it' resumed
promise 'a node that comes back is used again' node_returns
ask lost 24 two '.train.iterations = 4'
promise 'a run whose jobs do nothing is named after a number of them, and not submitted without end' useless
promise 'with the queue drained every request has one complete score and one row, and the ledger verifies' everything
promise 'runs that the ledger asks for, to calibrate each lane, are submitted where campaign.json wants that' calibrates
promise 'nothing that was started is left, no process and no port' nothing_left
echo "1..$number"
[ "$failures" -eq 0 ]
