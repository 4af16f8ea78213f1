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

survivors() { grep -lsaF "HOMEGOLF_STAGE=$(jq -r .run_uid "$1.json")/" /proc/[0-9]*/environ; }

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
	[ ! -e sig/files ]
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
