# Programs that mean no good, as trainers and scorers: each ends in a typed refusal, and nothing of it stays.
load helper

setup_file() {
	tiny_data "$BATS_FILE_TMPDIR/data" 3>&-
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	DATA=$BATS_FILE_TMPDIR/data
	export HOMEGOLF_LANES=$PWD/lanes
	cat > prelude.sh <<-'END'
		dry() { [ -n "$HOMEGOLF_DRY_RUN" ]; }
		result() { # [MEMBERS]
			printf '{"schema": "homegolf.trainer_result.v1", "run_uid": "%s", "result": "trained", "seed": %s, %s}\n' \
			    "$HOMEGOLF_RUN_UID" "$HOMEGOLF_SEED" "${1:-"\"artifact\": [\"model.bin\"]"}"
		}
		good() { echo weights > model.bin; result; }
	END
	cat > prelude.py <<-'END'
		import ctypes, fcntl, json, math, os, signal, struct, sys, time
		E = os.environ
		def result(**more):
		    v = {"schema": "homegolf.trainer_result.v1", "run_uid": E["HOMEGOLF_RUN_UID"], "result": "trained",
		         "seed": int(E["HOMEGOLF_SEED"])}
		    v.update(more or {"artifact": ["model.bin"]})
		    print(json.dumps(v), flush=True)
		def good():
		    with open("model.bin", "w") as f: f.write("weights\n")
		    result()
		def leave(do):
		    """do() in a process that forks twice, has a session of its own and no descriptor of ours."""
		    if os.fork() != 0: return
		    os.setsid()
		    if os.fork() != 0: os._exit(0)
		    os.closerange(0, 100)
		    try: do()
		    finally: os._exit(0)
		def later(do):
		    """The same, and wait until it is about to begin."""
		    r, w = os.pipe()
		    def begin():
		        time.sleep(0.05)
		        do()
		    leave(begin)
		    os.close(w); os.read(r, 1); os.close(r)
	END
	cat > score.sh <<-'END'
		awk -F'\t' -v OFS='\t' 'NR > 1 { $NF = 2.5 * $2 } { print }' docs.tsv > score_docs.tsv
	END
	cat > base.json <<-END
		{"data": {"dir": "$DATA"}, "system": {"backend": "external", "threads": 1},
		 "model": {"vocab_size": 260, "num_layers": 1, "model_dim": 16, "num_heads": 2, "num_kv_heads": 1, "mlp_mult": 1},
		 "train": {"seq_len": 64, "batch_tokens": 512}, "eval": {"seq_len": 64},
		 "budget": {"max_wallclock_ms": 60000}}
	END
}

teardown() {
	# What a test that failed left.
	local uid
	for uid in $(jq -r .run_uid ./*/spec.json 2> /dev/null); do
		grep -lsaF "HOMEGOLF_STAGE=$uid/" /proc/[0-9]*/environ | cut -d/ -f3 | xargs -r kill -9 2> /dev/null || true
	done
}

# artifact RUN sh|py [SECTION.KEY=VALUE]... < PROGRAM: a run whose trainer is this program.
artifact() {
	of artifact "$@" -s 'scorer.command=["/bin/sh", "score.sh"]' -s 'scorer.files=["score.sh"]'
}

# of GIVES RUN sh|py [WORD]... < PROGRAM
of() {
	local gives=$1 run=$2 language=$3 words=(-s "trainer.gives=$1") interpreter=/bin/sh
	shift 3
	[ "$language" = sh ] || interpreter=/usr/bin/python3
	cat "prelude.$language" - > "$run.$language"
	while [ $# -gt 0 ]; do
		if [ "$1" = -s ]; then words+=(-s "$2") && shift; else words+=(-s "$1"); fi
		shift
	done
	hg-spec -b base.json -s "trainer.command=[\"$interpreter\", \"$run.$language\"]" \
		-s "trainer.files=[\"$run.$language\"]" "${words[@]}" "$run"
	sha256sum < "$run/spec.json" > "$run.spec"
}

# survivors RUN: is there a process that a stage of it has started? (grep fails for those that nobody may read.)
survivors() {
	[ -n "$(grep -lsaF "HOMEGOLF_STAGE=$(jq -r .run_uid "$1.json")/" /proc/[0-9]*/environ)" ]
}

# nothing_left RUN: no process, no directory of a program's, no other spec.
nothing_left() {
	cp "$1/spec.json" "$1.json"
	run ! survivors "$1"
	[ ! -e "$1/train.out" ]
	[ ! -e "$1/score.out" ]
	sha256sum --quiet -c <(sed "s|-|$1/spec.json|" "$1.spec")
	run ! compgen -G "$1/.removed.*"
	run ! compgen -G "$1/.tmp.*"
}

key() { jq -r "$2" "$1"; }

# refused KIND RUN [TEXT]: training is refused so, with that exit code and in words that have TEXT; nothing is left.
refused() {
	local code=1
	case $1 in trainer_failed | stalled | input_changed | worker_signalled | out_of_memory | io_error) code=102 ;; esac
	run -$code timeout 60 hg-train "$2" 3>&-
	is_refused train "$@"
}

# is_refused STAGE KIND RUN [TEXT]
is_refused() {
	[ "$(key "$3/$1_refusal.json" .kind)" = "$2" ] || { cat "$3/$1_refusal.json"; false; }
	[[ $(key "$3/$1_refusal.json" .detail) == *"${4:-}"* ]] || { key "$3/$1_refusal.json" .detail; false; }
	[ ! -e "$3/training_report.json" ] || [ "$1" != train ]
	[ ! -e "$3/checkpoint.safetensors" ]
	nothing_left "$3"
}

# works RUN: the same lane serves another run at once.
works() {
	artifact "$1" sh <<< good
	run -0 hg-train "$1" 3>&-
	[[ $output != *waiting* ]]
	nothing_left "$1"
}

# bats test_tags=b46
@test "what is no result, or two, or half of one, or of no number that there is, completes no run" {
	local name text
	while IFS='|' read -r name text; do
		artifact "$name" sh <<< "echo weights > model.bin; $text"
		refused result_invalid "$name"
	done <<-'END'
		none|true
		two|result; result
		half|result | head -c 60
		words|echo "step 1"; result
		after|result; echo done
		array|printf '[%s]' "$(result)"
		nan|result '"artifact": ["model.bin"], "final_train_loss": NaN'
		infinite|result '"artifact": ["model.bin"], "final_train_loss": 1e400'
		twice|result '"artifact": ["model.bin"], "artifact": ["model.bin"]'
		bytes|result "\"artifact\": [\"model.bin\"], \"claims\": {\"a\": \"$(printf '\377')\"}"
		unknown|result '"artifact": ["model.bin"], "val_bpb": 0.1'
		nul|result; printf '\0'
	END
	works good
}

# bats test_tags=b46
@test "a result for another run, with another seed or of another model is refused with all that differs at once" {
	artifact other sh <<< 'HOMEGOLF_RUN_UID=0123456789abcdef0123456789abcdef
		HOMEGOLF_SEED=99
		echo weights > model.bin
		result "\"model\": {\"num_layers\": 7, \"wings\": 2}, \"checkpoint\": \"x\", \"artifact\": [\"model.bin\"]"'
	refused result_mismatch other
	run -0 jq -cS '[(.observed | keys), .expected."model.num_layers", .observed."model.num_layers",
	    .expected."model.wings", .observed.seed]' other/train_refusal.json
	[ "$output" = '[["checkpoint","model.num_layers","model.wings","run_uid","seed"],1,7,null,99]' ]
	[ "$(key other/train_refusal.json .expected.run_uid)" = "$(key other/spec.json .run_uid)" ]
}

# bats test_tags=b46
@test "a non-zero exit or a signal after a good result completes no run" {
	artifact code sh <<< 'good; exit 3'
	refused trainer_failed code "exited with status 3"
	artifact sig sh <<< 'good; kill -9 $$'
	refused trainer_failed sig "killed by signal 9"
	[ ! -e sig/artifact ]
	# The same program, mended, may go on.
	works good
}

# bats test_tags=b48
@test "a dry run that hands over an artifact, leaves its mark in the run or says that it trained is refused" {
	artifact over sh <<< 'good'
	run -1 hg-train -n over 3>&-
	[[ $output == *result_mismatch*artifact* ]]
	[ "$(ls over)" = "program
spec.json" ]
	artifact dry sh <<< 'printf "{\"schema\": \"homegolf.trainer_result.v1\", \"run_uid\": \"%s\", \"result\": \"dry_run\"}" $HOMEGOLF_RUN_UID'
	run -0 hg-train -n dry 3>&-
	nothing_left dry
	[ "$(ls dry)" = "program
spec.json" ]
	# Its directory is gone, too, on whatever file system that was.
	mkdir tmp
	[ ! -w /dev/shm ] || rmdir tmp && ln -s "$(mktemp -d /dev/shm/hostile.XXXXXX)" tmp
	TMPDIR=$PWD/tmp run -0 hg-train -n dry 3>&-
	TMPDIR=$PWD/tmp run -1 hg-train -n over 3>&-
	[ -z "$(ls -A tmp/)" ]
	run ! compgen -G ".removed.*"
	rm -rf "$(realpath tmp)"
}

# bats test_tags=b47,b72
@test "what a program writes where its run's files are is gone, the spec outlives it, and the run is refused" {
	local name text
	while IFS='|' read -r name text; do
		artifact "$name" sh <<< "cd ..; $text; cd train.out; good"
		refused trainer_failed "$name" "the program wrote '"
		ls "$name" > there
		run ! grep -vxE 'spec.json|program|train.lock|train.log|train_refusal.json|train.keep|metrics.jsonl' there
	done <<-'END'
		spec|echo {} > spec.json
		unspec|rm spec.json
		dirspec|rm spec.json; mkdir -p spec.json/a/b
		linkspec|rm spec.json; ln -s train.out/spec.json spec.json
		report|echo {} > training_report.json
		export|echo {} > export_report.json
		score|echo {} > artifact_score_summary.json; echo {} > artifact_score_report.json
		refusal|echo {} > train_refusal.json
		other|mkdir score_refusal.json
		weights|mkdir checkpoint.safetensors
		metrics|rm metrics.jsonl; mkfifo metrics.jsonl
		log|rm train.log; ln -s /etc/passwd train.log
		keep|rm -r train.keep; ln -s /etc train.keep
		attempts|rm -rf attempts; echo > attempts
		lock|rm train.lock; mkdir train.lock
	END
	# None of it stands in the way of the next.
	for name in spec keep attempts lock metrics; do
		run -0 hg-retry train "$name"
		refused trainer_failed "$name"
	done
}

# bats test_tags=b47,b69
@test "a program that kills its worker changes neither the spec nor what the stage says" {
	artifact w sh <<-'END'
		cd ..
		echo {} > spec.json
		echo {} > training_report.json
		mkdir checkpoint.safetensors
		setsid sleep 500 &
		kill -9 $PPID
		sleep 500
	END
	refused worker_signalled w
	works good
}

# bats test_tags=b46,b72
@test "a checkpoint of another geometry is refused with every tensor that differs, expected and observed" {
	cat > tensors.py <<-'END'
		import json, struct
		# The family's tensors, from what the refusal of an empty file names.
		def write(name, shapes, value=0.0, data=None, header=None):
		    at, h = 0, {}
		    for k, shape in shapes.items():
		        n = 4
		        for d in shape: n *= d
		        h[k] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + n]}
		        at += n
		    text = header if header is not None else json.dumps(h).encode()
		    body = struct.pack("<f", value) * (at // 4)
		    if data: body = data + body[len(data):]
		    open(name, "wb").write(struct.pack("<Q", len(text)) + text + body)
	END
	checkpoint() { cat tensors.py - | of checkpoint "$@"; }
	checkpoint empty py <<-'END'
		write("c.safetensors", {})
		result(checkpoint="c.safetensors")
	END
	refused result_mismatch empty
	jq '.expected | with_entries(.key |= ltrimstr("tensor "))' empty/train_refusal.json > shapes.json
	[ "$(jq length shapes.json)" -gt 5 ]
	run -0 jq -c '[.observed[]] | unique' empty/train_refusal.json
	[ "$output" = "[null]" ]
	# Half of them of another shape, one missing, one more: all are named at once.
	checkpoint other py <<-END
		shapes = json.load(open("$PWD/shapes.json"))
		for k in list(shapes)[1::2]: shapes[k] = shapes[k] + [2]
		del shapes[list(shapes)[0]]
		shapes["wing.weight"] = [3]
		write("c.safetensors", shapes)
		result(checkpoint="c.safetensors")
	END
	refused result_mismatch other
	run -0 jq -n --slurpfile r other/train_refusal.json --slurpfile s shapes.json '($s[0] | keys_unsorted) as $k |
	    [$k[0], ($k | to_entries[] | select(.key % 2 == 1).value), "wing.weight"] | map("tensor " + .) | sort ==
	    ($r[0].observed | keys)'
	[ "$output" = true ]
	[ "$(jq -c '[.expected["tensor wing.weight"], .observed["tensor wing.weight"]]' other/train_refusal.json)" = "[null,[3]]" ]
	# Numbers that are none, and a right one, for comparison.
	checkpoint nan py <<-END
		write("c.safetensors", json.load(open("$PWD/shapes.json")), data=struct.pack("<ff", 0, math.nan))
		result(checkpoint="c.safetensors")
	END
	run -1 hg-train nan 3>&-
	is_refused train loss_diverged nan "not finite"
	checkpoint right py <<-END
		os.mkdir("d")
		write("d/c.safetensors", json.load(open("$PWD/shapes.json")), 0.01)
		result(checkpoint="d/c.safetensors")
	END
	run -0 hg-train right 3>&-
	nothing_left right
	# What is none at all, and where none lies.
	local name text
	while IFS='|' read -r name text; do
		of checkpoint "$name" sh <<< "cp ../../right/checkpoint.safetensors c; $text; result '\"checkpoint\": \"c\"'"
		refused result_invalid "$name"
	done <<-'END'
		torn|truncate -s 1000 c
		garbage|echo garbage > c
		emptyfile|: > c
		huge|printf '\377\377\377\377\377\377\377\177' > c
		fifo|rm c; mkfifo c
		dir|rm c; mkdir c
		gone|rm c
		link|mv c d; ln -s "$PWD/d" c
		out|rm c; ln -s ../../right/checkpoint.safetensors c
		device|rm c; ln -s /dev/zero c
	END
	while IFS='|' read -r name text; do
		of checkpoint "$name" sh <<< "cp ../../right/checkpoint.safetensors ../c; ln -s .. up; result '\"checkpoint\": \"$text\"'"
		refused result_invalid "$name"
	done <<-'END'
		up|../c
		around|tmp/../../c
		absolute|/etc/passwd
		through|up/c
		root|/
		dot|.
	END
	works good
}

# bats test_tags=b72
@test "an artifact has files of its own alone: no links, no pipes, no names of ours, and no more than was allowed" {
	local name text list
	while IFS='|' read -r name list text; do
		artifact "$name" sh trainer.max_bytes=100000 <<< "echo w > a; $text; result '\"artifact\": $list'"
		refused result_invalid "$name"
		[ ! -e "$name/artifact" ]
	done <<-'END'
		link|["a", "b"]|ln -s ../../base.json b
		fifo|["a", "b"]|mkfifo b
		dir|["a", "tmp"]|true
		gone|["a", "b"]|true
		same|["a", "d/a"]|mkdir d; cp a d
		twice|["a", "a"]|true
		up|["../spec.json"]|true
		hidden|[".tmp.a"]|cp a .tmp.a
		ours|["spec.json"]|true
		table|["a", "score_docs.tsv"]|cp a score_docs.tsv
		docs|["docs.tsv"]|cp a docs.tsv
		holes|["a", "b", "c"]|truncate -s 60000 b; ln b c
		newline|["a\nb"]|true
		empty|[]|true
	END
	# Nor may a file of the program's own be called so.
	for name in spec.json metrics.fifo tmp/x docs.tsv score_docs.tsv; do
		mkdir -p tmp
		echo > $name
		run -100 hg-spec -b base.json -s 'trainer.command=["/bin/sh"]' -s "trainer.files=[\"$name\"]" x
		[[ $output == *"trainer.files: '$name' can't be a program's file"* ]]
	done
	works good
}

# bats test_tags=b47,b72
@test "a program that alters its own files while it runs, the run's copy or that which runs, is refused" {
	local text
	artifact a sh <<< 'echo "# more" >> ../program/a.sh; good'
	refused input_changed a "'program/a.sh' was altered"
	artifact b sh <<< 'echo "# more" >> b.sh; good'
	refused input_changed b "'b.sh' was altered"
	artifact c sh <<< 'rm ../program/c.sh; good'
	refused input_changed c "'program/c.sh' was removed"
	artifact d sh <<< 'rm d.sh; ln -s /bin/true d.sh; good'
	refused input_changed d "'d.sh' was"
	# Put back as it was, it may go on; as it is now it is another program.
	cp b.sh keep; mv keep b/program/b.sh
	run -102 hg-run -r b 3>&-
	is_refused train input_changed b
	run -1 hg-run -r a 3>&-
	is_refused train trainer_missing a "'program/a.sh' is not what it was"
	works good
}

# bats test_tags=b72
@test "a program that alters the data is refused, whichever file of it that is" {
	local file
	for file in dataset.json "$(basename "$DATA"/*train*.bin)" "$(basename "$DATA"/*val*.bin)"; do
		rm -rf copy r
		cp -r "$DATA" copy
		touch -d '1 hour ago' copy/*
		artifact r sh "data.dir=$PWD/copy" <<< "printf x >> \$HOMEGOLF_DATA_DIR/$file; good"
		refused input_changed r "$file"
	done
	artifact s sh "data.dir=$PWD/copy" <<< 'rm -r $HOMEGOLF_DATA_DIR; good'
	rm -rf copy && cp -r "$DATA" copy
	refused input_changed s "removed"
	cp -r "$DATA" copy
	works good
}

# bats test_tags=b47,b69
@test "a program that forks twice, takes sessions of its own and closes everything is gone with its stage" {
	artifact twice py <<-'END'
		def write():
		    while True:
		        open("../junk", "a").write("x")
		        time.sleep(0.001)
		for i in range(5): leave(write)
		time.sleep(0.3)
		good()
	END
	# What it handed over is good, and who went on writing into the run is gone before anything is published.
	run -0 hg-train twice 3>&-
	nothing_left twice
	size=$(stat -c %s twice/junk)
	artifact hop py <<-'END'
		def hop():
		    while True:
		        if os.fork() != 0: os._exit(0)
		        os.setsid()
		for i in range(4): leave(hop)
		time.sleep(0.3)
		sys.exit(1)
	END
	refused trainer_failed hop "status 1"
	[ "$(stat -c %s twice/junk)" = "$size" ]
	works good
}

# bats test_tags=b47,b72
@test "a program that forks for ever is ended with all that it started, in whatever sessions and however deep" {
	cc -O -o forker -x c - <<-'END'
		#define _GNU_SOURCE
		#include <sched.h>
		#include <signal.h>
		#include <stdlib.h>
		#include <unistd.h>
		static int leave(void *unused)
		{
			(void)unused;
			setsid();
			for (;;)
				pause();
		}
		/* A hundred processes, each the child of the one before; then more and more beside the last, that cost little. */
		int main(void)
		{
			int depth;

			for (depth = 0; depth < 100; depth++)
				if (fork() != 0)
					leave(NULL);
			for (;;) {
				clone(leave, (char *)malloc(16384) + 16384, CLONE_VM | SIGCHLD, NULL);
				usleep(100);
			}
		}
	END
	artifact bomb sh <<< "exec $PWD/forker"
	refused trainer_failed bomb "more than 4096 processes"
	works good
}

# bats test_tags=b47,b68
@test "one that ignores TERM, leaves its group or stops itself is ended when its time is over" {
	local name text
	while IFS='|' read -r name text; do
		artifact "$name" py budget.max_wallclock_ms=300 <<< "signal.signal(signal.SIGTERM, signal.SIG_IGN)
$text
while True: time.sleep(1)"
		refused trainer_failed "$name" "still at work after 0.300 s"
	done <<-'END'
		ignore|
		group|if os.fork() == 0: os.setpgid(0, 0); time.sleep(500)
		leave|os.setpgid(0, os.getpgid(os.getppid()))
		stop|os.kill(os.getpid(), signal.SIGSTOP)
		closed|os.closerange(0, 100)
		others|leave(lambda: time.sleep(500)); leave(lambda: os.kill(os.getpid(), signal.SIGSTOP))
	END
	works good
}

# bats test_tags=b68,b72
@test "a program that sleeps is stalled, also one that wakes now and then, and one that computes in silence is not" {
	local name text
	while IFS='|' read -r name text; do
		artifact "$name" py budget.stall_ms=2500 <<< "$text
while True: time.sleep(500)"
		refused stalled "$name" "no progress for 2."
	done <<-'END'
		sleep|
		stop|os.kill(os.getpid(), signal.SIGSTOP)
		wake|for i in range(10 ** 9): time.sleep(0.1)
		worker|os.kill(os.getppid(), signal.SIGSTOP)
	END
	artifact busy py budget.stall_ms=2500 <<-'END'
		end = time.monotonic() + 4
		while time.monotonic() < end: pass
		good()
	END
	run -0 hg-train busy 3>&-
	# Nor one whose work is done by processes that end, one after another, in sessions of their own.
	artifact parts py budget.stall_ms=2500 <<-'END'
		def part():
		    t = time.process_time()
		    while time.process_time() - t < 0.7: pass
		for i in range(5):
		    leave(part)
		    time.sleep(0.8)
		good()
	END
	run -0 hg-train parts 3>&-
	works good
}

# orphaned RUN: hg-train of a program that kills its owner ends so.
killed_owner() {
	local code=0
	hg-train "$1" 2> /dev/null 3>&- || code=$?
	[ "$code" = 137 ]
	cp "$1/spec.json" "$1.json"
}

# bats test_tags=b69,b72
@test "a program that kills its owner, and its worker, is found with all that it started, and the lane is free" {
	local who victims guard
	for who in "hg-reap ." "hg-await -t 20 train r" "hg-train r" "hg-gate train r"; do
		for victims in owner 'owner, worker' '*guards, owner, worker' 'owner, worker # stop guards'; do
			rm -rf r
			artifact r py <<-END
				worker = os.getppid()
				parent = lambda p: int(open("/proc/%d/stat" % p).read().rsplit(")", 1)[1].split()[1])
				owner = parent(worker)
				guards = []
				for p in os.listdir("/proc"):
				    try:
				        if p.isdigit() and parent(int(p)) == worker and int(p) != os.getpid(): guards.append(int(p))
				    except OSError: pass
				def hold():
				    f = open("../train.lock", "r+")
				    while True:
				        try:
				            fcntl.fcntl(f, 37, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))
				            break
				        except OSError: time.sleep(0.001)
				    open("../held", "w")
				    time.sleep(500)
				leave(hold)
				leave(lambda: time.sleep(500))
				time.sleep(0.1)
				open("../guards", "w").write(" ".join(map(str, guards)))
				if "stop" in "$victims":
				    for p in guards: os.kill(p, signal.SIGSTOP)
				for p in (${victims%#*},): os.kill(p, signal.SIGKILL)
				time.sleep(500)
			END
			killed_owner r
			# Nobody has to look for it, unless it has killed or stopped its guard, too, and then anybody may.
			if [[ $victims == *guards* ]]; then
				until_true 10 test -e r/held
				survivors r
			else
				until_true 10 eval '! survivors r'
			fi
			run timeout 30 $who
			[ "$(key r/train_refusal.json .kind)" = owner_died ]
			nothing_left r
			for guard in $(cat r/guards); do
				until_true 10 eval "! kill -0 $guard 2> /dev/null || grep -q '^State:.*[ZX]' /proc/$guard/status"
			done
			rm -rf good
			works good
		done
	done
	[[ $(hg-status r) == *owner_died* ]]
	# With the program mended it goes on.
	hg-retry train r
	[ "$(hg-status -j r | jq -r .stages.train.state)" = absent ]
}

# bats test_tags=b72
@test "what a program writes without end is bounded: its log, said and counted, its result, and its directories" {
	artifact log sh <<< 'head -c 70000000 /dev/zero | tr "\0" x >&2; good'
	run -0 hg-train log 3>&-
	[[ $output == *"the log is full at 67108864 bytes"* ]]
	[ "$(stat -c %s log/train.log)" = 67108864 ]
	[ "$(key log/training_report.json .log.dropped_bytes)" = $((70000000 - 67108864)) ]
	nothing_left log
	rm -r log
	artifact out sh <<< 'good; cat /dev/zero'
	refused result_invalid out "more than one result"
	artifact err sh budget.max_wallclock_ms=1000 <<< 'cat /dev/zero >&2'
	refused trainer_failed err "still at work"
	[ "$(stat -c %s err/train.log)" -le 67108864 ]
	rm -r err
	artifact file sh trainer.max_bytes=3000000 <<< 'cat /dev/zero > big'
	refused trainer_failed file
	artifact ignored py trainer.max_bytes=3000000 <<-'END'
		signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
		try: open("big", "wb").write(b"x" * 10000000)
		except OSError: open("../size", "w").write(str(os.stat("big").st_size))
		sys.exit(3)
	END
	refused trainer_failed ignored "status 3"
	[ "$(cat ignored/size)" = 3000000 ]
	local name text
	while IFS='|' read -r name text; do
		artifact "$name" sh trainer.max_bytes=3000000 <<< "$text
i=0; while :; do i=\$((i + 1)); head -c 1000000 /dev/zero > f\$i; sleep 0.02; done"
		refused trainer_failed "$name" "hold more than trainer.max_bytes"
	done <<-'END'
		files|
		kept|cd $HOMEGOLF_KEEP
		below|mkdir -p a/b/.c; cd a/b/.c
	END
	artifact moved sh trainer.max_bytes=3000000 <<< 'mv ../train.out ../elsewhere; while :; do head -c 1000000 /dev/zero > f$((i += 1)); sleep 0.02; done'
	refused trainer_failed moved "moved its directory"
	[ ! -e moved/elsewhere ]
	works good
}

# bats test_tags=b72
@test "neither depth nor number nor names nor permissions keep a program's directory from being removed" {
	artifact deep py <<-'END'
		for i in range(2000):
		    os.mkdir("d" * 200)
		    os.chdir("d" * 200)
		    if i % 100 == 0: open("f", "w")
		os.chdir(E["HOMEGOLF_OUT"])
		for i in range(20000): os.link("deep.py", "n%d" % i)
		good()
	END
	hg-train deep 2> said 3>&- || grep -q "too deep" said
	nothing_left deep
	artifact odd sh <<-'END'
		mkdir -p a/b/c ../.removed.1.1
		echo > ../.removed.2
		ln -s /etc ../.removed.3
		ln -s /etc a/etc
		echo > "$(printf 'a/b/\n\033[31m')"
		mkfifo a/b/c/fifo
		chmod 0 a/b/c
		chmod 0500 a/b
		chmod 0 a
		chmod 0500 .
		exit 1
	END
	if [ "$(id -u)" = 0 ]; then
		# To root no directory is closed.
		chmod -R a+rwX .
		chmod a+rx "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/*
		chmod -R a+rX "$DATA"
		export HOMEGOLF_LANES=$PWD/others-lanes
		mkdir -m 1777 others-lanes
		setpriv --reuid=65534 --clear-groups hg-train -h > /dev/null || skip "cannot be somebody else here"
		run -102 setpriv --reuid=65534 --clear-groups hg-train odd 3>&-
	else
		run -102 hg-train odd 3>&-
	fi
	is_refused train trainer_failed odd "status 1"
	[ -d /etc ]
}

@test "what a program mounted into its directory is left as it is, permissions too, and the stage ends, said" {
	unshare -m true 2> /dev/null || skip "no mounts here"
	mkdir -p runs
	mkdir -m 755 other && echo precious > other/file
	cat > mount.sh <<-'END'
		mkdir here && mount --bind "$OTHER" here && echo "val_bpb: 1.0"
	END
	jq -n --arg other "$PWD/other" --arg data "$DATA" '{data: {dir: $data}, system: {backend: "external"}, eval: {seq_len: 64},
	    trainer: {command: ["sh", "mount.sh"], files: ["mount.sh"], gives: "claim", set: {OTHER: $other},
	    reads: {val_bpb: "val_bpb: ([0-9.]+)"}}}' > mount.json
	hg-spec -b mount.json runs/a
	# In a namespace of its own, with which the mount goes.
	run timeout 60 unshare -m hg-train runs/a
	[ "$status" -ne 124 ]
	[[ $output == *"cannot remove"*"Device or resource busy"* ]]
	[ "$(cat other/file) $(stat -c %a other)" = "precious 755" ]
}

# bats test_tags=b72
@test "metrics may be flooded, garbled, cut or never read from: what is recorded is what was a row" {
	artifact flood py <<-'END'
		m = os.open(E["HOMEGOLF_METRICS"], os.O_WRONLY)
		end = time.monotonic() + 1
		i = 0
		while time.monotonic() < end:
		    i += 1
		    os.write(m, b'{"step": %d, "train_loss": 1.5}\n' % i)
		open("../count", "w").write(str(i))
		good()
	END
	run -0 hg-train flood 3>&-
	[ "$(wc -l < flood/metrics.jsonl)" = "$(cat flood/count)" ]
	[ "$(key flood/training_report.json .metrics.rows)" = "$(cat flood/count)" ]
	run -0 hg-gate train flood
	artifact garbage py <<-'END'
		m = os.open(E["HOMEGOLF_METRICS"], os.O_WRONLY)
		for line in [b"step 1", b'{"step": 1', b'{"step": NaN}', b'{"step": 1, "step": 2}', b"\xff\0\xff", b"x" * 300000,
		             b'{"step": 1, "train_loss": 1e400}', b'{"step": -1}', b'[1]', b'', b'{"step": 7}']:
		    os.write(m, line + b"\n")
		os.write(m, b'{"step": 8')
		good()
	END
	run -0 hg-train garbage 3>&-
	[ "$(grep -c "none of metrics.jsonl" <<< "$output")" = 1 ]
	[ "$(jq -c .step garbage/metrics.jsonl)" = 7 ]
	artifact gone sh <<< 'rm $HOMEGOLF_METRICS; ln -s ../train.lock $HOMEGOLF_METRICS; good'
	run -0 hg-train gone 3>&-
	[ "$(key gone/training_report.json .metrics)" = null ]
	nothing_left gone
}

# claim RUN 'READS' < PROGRAM
claim() { of claim "$1" sh -s "trainer.reads=$2"; }

# bats test_tags=b46
@test "a claim is the one number that the log has: none, several or no number at all are refused" {
	local name reads text want
	while IFS='|' read -r name reads want text; do
		claim "$name" "{\"val_bpb\": \"$reads\"}" <<< "$text"
		if [ "${want%% *}" = refused ]; then
			refused result_invalid "$name" "${want#refused }"
		else
			run -0 hg-train "$name" 3>&-
			[ "$(key "$name/training_report.json" .claimed.val_bpb)" = "$want" ]
			nothing_left "$name"
		fi
	done <<-'END'
		none|^val_bpb: (.*)|refused no line|echo "bpb: 1"
		several|^val_bpb: (.*)|refused several lines|echo "val_bpb: 1"; echo "val_bpb: 2"
		last|last:^val_bpb: (.*)|2|echo "val_bpb: 1"; echo "val_bpb: 2" >&2
		word|^val_bpb: (.*)|refused no finite number|echo "val_bpb: great"
		nan|^val_bpb: (.*)|refused no finite number|echo "val_bpb: nan"
		infinite|^val_bpb: (.*)|refused no finite number|echo "val_bpb: 1e400"
		inf|^val_bpb: (.*)|refused no finite number|echo "val_bpb: -inf"
		long|^val_bpb: (.*)|refused no finite number|printf "val_bpb: 1.%0200d" 1
		nothing|^val_bpb: (.*)|refused no finite number|echo "val_bpb: "
		lastword|last:^val_bpb: (.*)|refused no finite number|echo "val_bpb: 1"; echo "val_bpb: x"
		bytes|^val_bpb: (.*)|1.5|printf '\377\376\0\033[31mval_bpb: 9\nval_bpb: 1.5\r\n'
		cut|last:^val_bpb: (.*)|refused its log was cut|echo "val_bpb: 1"; head -c 67108864 /dev/zero
	END
}

# bats test_tags=b72
@test "what a program says comes to no terminal but as plain text" {
	artifact esc sh <<-'END'
		printf '\033]0;evil\007\033[2J\302\233' >&2
		exit 1
	END
	run -102 hg-train esc 3>&-
	run ! grep -q "$(printf '[\033\007]')" <<< "$output"
	hg-status esc > out
	run ! grep -q "$(printf '[\033\007]')" out
	artifact res sh <<-'END'
		result "\"artifact\": [\"a\"], \"model\": {\"\\u001b[2Jx\": 1, \"num_layers\": \"\\u001b]0;\"}"
	END
	run -1 hg-train res 3>&-
	run ! grep -q "$(printf '[\033\007]')" <<< "$output"
	hg-status res > out
	run ! grep -q "$(printf '[\033\007]')" out
	# A refusal can always be read again, however much disagrees.
	artifact many py <<-'END'
		result(artifact=["a"], model={"m%d" % i: i for i in range(60000)})
	END
	run -1 hg-train many 3>&-
	is_refused train result_mismatch many
	run -1 hg-gate train many
}

# bats test_tags=b72
@test "a program that eats memory, descriptors or what it may start fails alone, and typed" {
	[ -z "$HG_SAN" ] || skip "sanitizers want more addresses than that"
	artifact memory py <<< 'x = []
while True: x.append(bytearray(50000000))'
	(ulimit -v 1500000; exec hg-train memory) 3>&- 2> said && false || [ $? = 102 ]
	is_refused train trainer_failed memory MemoryError
	artifact files py <<< 'x = []
while True: x.append(os.open("/dev/null", os.O_RDONLY))'
	(ulimit -n 256; exec hg-train files) 3>&- 2> said && false || [ $? = 102 ]
	is_refused train trainer_failed files "Too many open files"
	# It has nothing open of ours, whatever we have.
	artifact fds sh <<< 'ls -l /proc/self/fd > ../fds; good'
	run -0 hg-train fds 3>&- 7< base.json
	run ! grep -E 'lock|lanes|base.json|metrics' fds/fds
	works good
}

# bats test_tags=b72,b75
@test "a scorer's table is that of the data with losses filled in, or the score is refused" {
	local name text kind
	artifact r sh <<< good
	rm -r r
	# What it does it reads in the run above, which it may.
	echo '. ../do' > score.sh
	artifact r sh <<< good
	hg-train r 3>&-
	hg-export r
	score='awk -F"\t" -v OFS="\t" "NR > 1 { \$NF = 2.5 * \$2 } { print }" docs.tsv'
	while IFS='|' read -r name kind text; do
		mkdir "$name"
		cp -r r "$name/r"
		cp r.spec "$name/r.spec"
		echo "$text" | sed "s~SCORE~$(sed 's/[\\&]/\\&/g' <<< "$score")~" > "$name/r/do"
		cd "$name"
		run timeout 30 hg-score r 3>&-
		case $kind in
		done)
			[ "$status" = 0 ]
			run -0 hg-gate score r
			nothing_left r ;;
		*)
			is_refused score "$kind" r
			[ ! -e r/score_docs.tsv ]
			# Mended, it scores at once.
			[ "$kind" != result_mismatch ] || {
				echo "$score > score_docs.tsv" > r/do
				hg-retry score r
				run -0 hg-score r 3>&-
			} ;;
		esac
		cd ..
	done <<-'END'
		right|done|SCORE > score_docs.tsv
		reads|done|[ "$(ls | paste -sd,)" = docs.tsv,model.bin,score.sh,spec.json,tmp ]; cat ../train.log ../spec.json > /dev/null; SCORE > score_docs.tsv
		fewer|result_mismatch|SCORE | sed '$d' > score_docs.tsv
		more|result_mismatch|SCORE | sed '$p' > score_docs.tsv
		other|result_mismatch|SCORE | awk -F"\t" -v OFS="\t" 'NR == 3 { $3 += 1 } { print }' > score_docs.tsv
		order|result_mismatch|SCORE | awk 'NR == 2 { l = $0; next } { print } NR == 3 { print l }' > score_docs.tsv
		header|result_mismatch|SCORE | sed 1d > score_docs.tsv
		negative|result_invalid|SCORE | sed '3s/[^\t]*$/-1/' > score_docs.tsv
		nan|result_invalid|SCORE | sed '3s/[^\t]*$/nan/' > score_docs.tsv
		infinite|result_invalid|SCORE | sed '3s/[^\t]*$/1e400/' > score_docs.tsv
		word|result_invalid|SCORE | sed '3s/[^\t]*$/1 2/' > score_docs.tsv
		none|result_invalid|true
		unfilled|result_invalid|: > score_docs.tsv; rm score_docs.tsv; mkdir score_docs.tsv
		link|result_invalid|SCORE > t; ln -s t score_docs.tsv
		fifo|result_invalid|mkfifo score_docs.tsv
		nul|result_invalid|SCORE | tr 2 '\0' > score_docs.tsv
		huge|result_invalid|head -c 1000000 /dev/zero > score_docs.tsv
		status|trainer_failed|SCORE > score_docs.tsv; exit 3
		artifact|input_changed|SCORE > score_docs.tsv; echo >> ../artifact/model.bin
		forged|trainer_failed|SCORE > score_docs.tsv; echo '{}' > ../artifact_score_summary.json
		spec|trainer_failed|SCORE > score_docs.tsv; echo '{}' > ../spec.json
		stay|done|setsid sleep 500 & SCORE > score_docs.tsv
	END
}

# bats test_tags=b72
@test "a program that rewrites a ledger beside its run is found out by all who read that" {
	artifact one sh <<< good
	run -0 hg-run -l L one 3>&-
	run -0 hg-ledger verify L
	cp -r L before
	local name text
	while IFS='|' read -r name text; do
		rm -rf L "$name"
		cp -r before L
		artifact "$name" sh <<< "cd ../../L; $text; cd - > /dev/null; good"
		run -0 hg-train "$name" 3>&-
		run -103 hg-ledger verify L
		run ! hg-ledger add L "$name"
		[ "$(grep -c "\"$name\"" L/ledger.jsonl)" = 0 ]
	done <<-'END'
		altered|sed -i 's/"artifact"/"checkpoint"/' ledger.jsonl
		appended|tail -n 1 ledger.jsonl >> ledger.jsonl
		garbage|echo '{"kind": "run"}' >> ledger.jsonl
		emptied|: > ledger.jsonl
	END
}
