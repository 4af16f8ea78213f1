# What every bats file loads: where things are, and a few words to test with.
bats_require_minimum_version 1.8.0

: "${HG_TOP:=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}"
: "${HG_BUILD:=$HG_TOP/build/gcc}"
: "${HG_T:=$HG_TOP/t}"
export HG_TOP HG_BUILD HG_T
# bats puts a directory of its own in front of whatever make gave us.
case :$PATH: in
*":$HG_BUILD/bin:"* | *":$HG_TOP/bin:"*) ;;
*) PATH=$HG_TOP/bin:$PATH ;;
esac
SHARED=$HG_TOP/../shared
PYTHON=/usr/bin/python3

# Tests that read reference data say skip where it is absent.
need_shared() {
	[ -d "$SHARED" ] || skip "no ../shared here"
}

# until_true SECONDS COMMAND...: poll a condition; a deadline instead of a sleep.
until_true() {
	local end=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt "$end" ] || return 1
		read -r -t 0.02 <> <(:) || :
	done
}

# tiny_data DIR: a data directory of bytes from 400 made-up sentences, 20 of them for validation.
tiny_data() {
	awk 'BEGIN { n = split("the a small cat dog reads writes every old new letter house and sees", w, " "); s = 7
	    for (d = 0; d < 400; d++) { line = "";
		for (i = 0; i < 12 + d % 9; i++) { s = (s * 1103 + 12345) % 65536; line = line (i ? " " : "") w[s % n + 1] }
		print "Document " d ": " line "." } }' > "$1.txt"
	hg-data -B -n 20 -f lines -o "$1" "$1.txt"
}

# tiny_spec RUN [SECTION.KEY=VALUE]...: three steps of the smallest model by the reference backend; DATA names its data.
tiny_spec() {
	local run=$1 base=${BATS_FILE_TMPDIR:-$BATS_TEST_TMPDIR}/tiny-base.json settings=() s
	shift
	for s in "$@"; do settings+=(-s "$s"); done
	[ -e "$base" ] || cat > "$base" <<-'END'
		{"model": {"vocab_size": 260, "num_layers": 2, "model_dim": 32, "num_heads": 4, "num_kv_heads": 2},
		 "train": {"seq_len": 64, "batch_tokens": 256, "micro_batch_tokens": 128, "iterations": 3, "warmup_steps": 1,
			"warmdown_frac": 0.4},
		 "prompt": {"text": "Document", "tokens": 8},
		 "budget": {"max_wallclock_ms": "none"},
		 "system": {"backend": "ref", "threads": 1}}
	END
	hg-spec -b "$base" -s "data.dir=$DATA" "${settings[@]}" "$run"
}

# train_slowing RUN: train it on a machine that turns 2000 times as slow once it is under way, so that what fits its cap
# by far passes it, however fast the machine is.
train_slowing() {
	local pid
	[ -z "$HG_SAN" ] || skip "sanitizers want to be loaded first"
	cc -shared -fPIC -o slow.so "$HG_T/preload/slowclock.c"
	SLOW=2000 SLOW_AT=$PWD/slow LD_PRELOAD=$PWD/slow.so hg-train "$1" 3>&- &
	pid=$!
	until_true 20 eval "[ -e '$1/metrics.jsonl' ] && [ \"\$(wc -l < '$1/metrics.jsonl')\" -gt 6 ]"
	touch slow
	wait "$pid"
	rm slow
}

# by_clock RUN STEPS [SECTION.KEY=VALUE]...: train by the clock, and for longer where a busy machine made fewer steps.
by_clock() {
	local run=$1 steps=$2
	shift 2
	for CAP_MS in 300 1500 8000; do
		rm -rf "$run"
		tiny_spec "$run" train.schedule=wallclock budget.max_wallclock_ms="$CAP_MS" train.iterations=100000 "$@"
		hg-train "$run" 2> /dev/null
		[ "$(jq .steps "$run/training_report.json")" -lt "$steps" ] || return 0
	done
	return 1
}

# law2 LEDGER: the ledger that is to be there is judged by law 2, as all new ones of its time were.
law2() {
	mkdir -p "$1"
	cat > "$1/policy.json" <<-'END'
	{
	  "schema": "homegolf.policy.v1",
	  "law": 2,
	  "campaign": {"name": "first", "alpha": 0.008, "confirmations": 6},
	  "metric": {"name": "val_bpb", "direction": "lower", "across_tokenizers": "val_bpb_raw"},
	  "minimum_effect": {"value": 0.0, "unit": "bits_per_byte"},
	  "noise": {"ln_sigma_sd": 0.42, "floor": 0.0001, "calibration_seeds": 5},
	  "screen": {"gain_sd": 1.25, "regression_level": 0.01},
	  "confirm": {"seeds": 5, "gain_sd": 3.5, "power": 0.8},
	  "guarded": [
	    {"name": "total_bytes", "direction": "lower", "tolerance": 0.02},
	    {"name": "train_ms", "direction": "lower", "tolerance": 0.05}
	  ],
	  "plateau": {"miss": 0.05, "success_rate": 0.1, "pause_after_failures": 3},
	  "promotion": {"margin": 0.005, "unit": "nats_per_token", "confidence": 0.99}
	}
	END
}
