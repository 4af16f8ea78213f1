# hg-pace: the pace of a run, and a plan of what to train in a given time.
load helper

# plan ARGUMENT...: a plan in little time, of shapes that a sanitised build can measure.
plan() {
	hg-pace -t 0.2 -s system.threads=1 -s model.num_layers=1 -s model.model_dim=64 -s train.seq_len=128 "$@" "$DATA" > plan.json 2> plan.err
}

setup_file() {
	tiny_data "$BATS_FILE_TMPDIR/data" 2> /dev/null
	export DATA=$BATS_FILE_TMPDIR/data PLANNED=$BATS_FILE_TMPDIR/planned
	cd "$BATS_FILE_TMPDIR"
	export HOMEGOLF_LANES=$BATS_FILE_TMPDIR/lanes
	plan -w 20 -o planned
	mv plan.json planned.json
}

setup() {
	mkdir "$BATS_TEST_TMPDIR/here"
	cd "$BATS_TEST_TMPDIR/here"
	export HOMEGOLF_LANES=$PWD/lanes
}

# refuses CODE PATTERN ARGUMENT...: says one line and makes nothing.
refuses() {
	local code=$1 pattern=$2
	shift 2
	run --separate-stderr hg-pace "$@"
	[ "$status" -eq "$code" ]
	[ -z "$output" ]
	[[ $stderr == *$pattern* ]] || { echo "$stderr" >&2; false; }
	[ ! -e run ]
}

@test "the pace of a run is measured in memory: nothing in it is written" {
	tiny_spec run budget.max_wallclock_ms=60000
	before=$(ls -lA --full-time run)
	hg-pace -t 0.1 run > pace.json
	[ "$(ls -lA --full-time run)" = "$before" ]
	jq -e '.steps >= 3 and .step_ms > 0 and .step_ms_p90 >= .step_ms and .cap_ms == 60000
	    and .iterations <= .cap_ms / .step_ms and .micro_batch_tokens == 128' pace.json
}

@test "a run whose cap is shorter than a step is answered with no" {
	tiny_spec run budget.max_wallclock_ms=1 train.batch_tokens=4096
	run --separate-stderr hg-pace -t 0.1 run
	[ "$status" -eq 1 ]
	[[ $stderr == *"not even one fits in budget.max_wallclock_ms=1"* ]]
	[ "$(jq .iterations <<< "$output")" = 0 ]
}

@test "what is planned has been measured, and no measured shape is expected to do better" {
	cp "$PLANNED.json" plan.json
	jq -e '. as $p | (.measured | length) > 1 and ([.measured[] | select(. == $p.choice)] | length) == 1
	    and all(.measured[1:][]; .val_bpb >= $p.val_bpb)' plan.json
	jq -e '.choice.iterations * .choice.step_ms <= 20000 and .choice.iterations * .choice.step_ms > 18000' plan.json
	jq -e '.val_bpb_low < .val_bpb and .val_bpb < .val_bpb_high and .text > 0' plan.json
	jq -e '(.tokens_per_param - .choice.iterations * .choice.batch_tokens / .params | fabs) < 1e-6' plan.json
}

@test "-o makes the run that was planned, and its figures are those of the plan" {
	cp "$PLANNED.json" plan.json
	cp -r "$PLANNED" run
	[ "$(jq -c '[.choice | .num_layers, .model_dim, .batch_tokens, .seq_len, .iterations]' plan.json)" = \
	    "$(jq -c '[.model.num_layers, .model.model_dim, .train.batch_tokens, .train.seq_len, .train.iterations]' run/spec.json)" ]
	[ "$(jq .budget.max_wallclock_ms run/spec.json)" = 20000 ]
	jq .spec plan.json > base.json
	hg-spec -b base.json -s "data.dir=$DATA" again
	[ "$(jq .digests.config_sha256 again/spec.json)" = "$(jq .digests.config_sha256 run/spec.json)" ]
}

@test "keys that the owner fixes stay, and the plan goes around them" {
	echo '{"model": {"num_heads": 4, "num_kv_heads": 4}, "train": {"matrix_lr": 0.03, "warmdown_frac": 0.3}}' > base.json
	plan -w 20 -b base.json -s train.batch_tokens=2048 -o run
	jq -e '.model.num_heads == 4 and .model.num_kv_heads == 4 and .model.num_layers == 1
	    and .train.matrix_lr == 0.03 and .train.warmdown_frac == 0.3 and .train.batch_tokens == 2048' run/spec.json
	jq -e 'all(.measured[1:][]; .batch_tokens == 2048)' plan.json
}

@test "a shape that is the probe's own is measured again, with what the owner fixed" {
	hg-pace -t 0.1 -w 20 -s system.threads=1 -s model.num_layers=2 -s model.model_dim=64 -s train.seq_len=128 \
	    -s train.batch_tokens=1024 -s model.mlp_mult=4 "$DATA" > plan.json 2> plan.err
	jq -e '(.measured | length) == 2 and .choice == .measured[1] and .settled
	    and .choice.step_ms != .measured[0].step_ms' plan.json
}

@test "more time is never expected to score worse" {
	plan -w 5 -s train.batch_tokens=1024
	short=$(jq .val_bpb plan.json)
	plan -w 2h -s train.batch_tokens=1024
	jq -e --argjson short "$short" '.val_bpb < $short and .extrapolated' plan.json
}

@test "a plan for data with different validation texts is refused, since their scores do not compare" {
	sed 's/Document/Paper/' "$DATA.txt" > other.txt
	hg-data -B -n 20 -f lines -o other other.txt 2> /dev/null
	refuses 100 'do not hold the same validation text' -t 0.1 -w 20 -o run "$DATA" other
}

@test "a plan that cannot be is refused in a line, and makes no run" {
	refuses 100 "-w '0' is not a time" -w 0 -o run "$DATA"
	refuses 100 "usage: hg-pace" -w 10 -o run
	refuses 100 "usage: hg-pace" -o run "$DATA"
	refuses 100 "unknown key 'model.depth'" -w 10 -s model.depth=3 -o run "$DATA"
	printf '#!/bin/sh\n' > program
	chmod +x program
	refuses 100 "there is no plan for system.backend=external" -w 10 -s system.backend=external \
	    -s 'trainer.command=["./program"]' -s 'trainer.files=["./program"]' -s trainer.gives=claim \
	    -s 'trainer.reads={"val_bpb":"^bpb (.*)$"}' -o run "$DATA"
	refuses 111 "nowhere" -w 10 -o run nowhere
	refuses 1 "no shape makes 50 steps in 0 s" -t 0.1 -w 0.001 -s system.threads=1 -s model.num_layers=1 -s model.model_dim=64 \
	    -s train.batch_tokens=1024 -s train.seq_len=128 -o run "$DATA"
}

@test "a plan never touches a run that is there" {
	tiny_spec run
	before=$(sha256sum run/spec.json)
	run hg-pace -t 0.1 -w 20 -s system.threads=1 -s model.num_layers=1 -s model.model_dim=64 -s train.seq_len=128 -o run "$DATA"
	[ "$status" -ne 0 ]
	[ "$(sha256sum run/spec.json)" = "$before" ]
}

@test "the law that plans rest on is the fit of the runs that are kept beside it" {
	"$PYTHON" "$HG_TOP/t/tools/fitlaw.py" "$HG_TOP/examples/campaigns/law" > law.def
	diff law.def "$HG_TOP/lib/work/losslaw.def"
}
