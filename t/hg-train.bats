# hg-train: what was executed is what the receipt says, and kills lose nothing.
load helper

setup_file() {
	export DATA=$BATS_FILE_TMPDIR/data HOMEGOLF_LANES=$BATS_FILE_TMPDIR/lanes
	tiny_data "$DATA" 2> /dev/null
	cd "$BATS_FILE_TMPDIR"
	mkdir runs
	tiny_spec runs/plain train.iterations=6 train.val_every=3
	hg-train runs/plain
}

setup() {
	cd "$BATS_FILE_TMPDIR"
	R=runs/t$BATS_TEST_NUMBER
}

report() { jq -r "$2" "$1/training_report.json"; }
owner() { sed -n 's/.* pid=\([0-9]*\) .*/\1/p' "$1/train.lock"; }

# bats test_tags=b15,b18
@test "a training report tells what was executed, and binds checkpoint and metrics by digest" {
	[ "$(report runs/plain '[.steps, .tokens, .batch_tokens, .micro_batch_tokens, .stop_reason, .backend, .threads] | @csv')" = \
		'6,1536,256,128,"iterations","ref",1' ]
	[ "$(report runs/plain .checkpoint.sha256)" = "$(sha256sum < runs/plain/checkpoint.safetensors | cut -d' ' -f1)" ]
	[ "$(report runs/plain .metrics.sha256)" = "$(sha256sum < runs/plain/metrics.jsonl | cut -d' ' -f1)" ]
	[ "$(report runs/plain .metrics.rows)" = 6 ]
	[ "$(report runs/plain .spec_sha256)" = "$(sha256sum < runs/plain/spec.json | cut -d' ' -f1)" ]
	[ ! -e runs/plain/resume.safetensors ]
}

@test "metrics hold a line for each step, with the scale that was applied" {
	[ "$(jq -s -c 'map(.step)' runs/plain/metrics.jsonl)" = "[0,1,2,3,4,5]" ]
	jq -se '[map(.lr_scale), [1, 1, 1, 1, 2 / 2.4, 1 / 2.4]] | transpose | all(.[0] - .[1] | fabs < 1e-12)' \
		runs/plain/metrics.jsonl
	[ "$(jq -s 'map(select(.val_bpb != null)) | length' runs/plain/metrics.jsonl)" = 2 ]
	jq -se 'all(.train_loss > 0 and .train_loss < 8)' runs/plain/metrics.jsonl
}

@test "the same spec gives the same bits, in another run and for any number of threads" {
	tiny_spec "$R" train.iterations=6 train.val_every=3
	hg-train -j 2 "$R"
	cmp "$R/checkpoint.safetensors" runs/plain/checkpoint.safetensors
	tiny_spec "$R-cpu" system.backend=cpu
	tiny_spec "$R-cpu2" system.backend=cpu
	hg-train -j 1 "$R-cpu"
	hg-train -j 2 "$R-cpu2"
	[ "$(report "$R-cpu2" .threads)" = 2 ]
	cmp "$R-cpu/checkpoint.safetensors" "$R-cpu2/checkpoint.safetensors"
}

# bats test_tags=b64,b66
@test "the second numerics are other last digits on cpu and the same on ref, in the receipt, and the same for any threads" {
	local n
	for n in 1 2; do
		tiny_spec "$R-ref$n" train.iterations=3 train.numerics="$n"
		tiny_spec "$R-cpu$n" train.iterations=3 train.numerics="$n" system.backend=cpu system.threads=1
		hg-train "$R-ref$n"
		hg-train "$R-cpu$n"
	done
	cmp "$R-ref1/checkpoint.safetensors" "$R-ref2/checkpoint.safetensors"
	run ! cmp -s "$R-cpu1/checkpoint.safetensors" "$R-cpu2/checkpoint.safetensors"
	jq -es '[.[].train_loss] | (.[2] - .[5] | fabs) < 1e-4' "$R-cpu1/metrics.jsonl" "$R-cpu2/metrics.jsonl"
	[ "$(report "$R-cpu1" .numerics_sha256)" != "$(report "$R-cpu2" .numerics_sha256)" ]
	[ "$(report "$R-cpu1" .levers.numerics)" = null ]
	[ "$(report "$R-cpu2" .levers.numerics)" = 2 ]
	[ "$(jq -r .digests.config_sha256 "$R-cpu1/spec.json")" != "$(jq -r .digests.config_sha256 "$R-cpu2/spec.json")" ]
	tiny_spec "$R-three" train.iterations=3 train.numerics=2 system.backend=cpu system.threads=3
	hg-train "$R-three"
	cmp "$R-cpu2/checkpoint.safetensors" "$R-three/checkpoint.safetensors"
	run -100 --separate-stderr hg-spec -b "$R-cpu2/spec.json" -s train.numerics=3 "$R-none"
	[[ "$stderr" == *train.numerics* ]]
}

@test "another seed gives other bits" {
	tiny_spec "$R" train.iterations=6 train.seed=4
	hg-train "$R"
	run ! cmp -s "$R/checkpoint.safetensors" runs/plain/checkpoint.safetensors
}

@test "a training report says how many tokens were seen at all, and how often the data was gone through" {
	local total
	total=$(jq '.train.tokens' "$DATA/dataset.json")
	[ "$(report runs/plain '.unique_tokens == .tokens and .epochs == .tokens / .stream_tokens and .epochs < 1')" = true ]
	# More than all of it: no token more is there than the shards hold.
	head -c 3000 "$DATA.txt" > "$R.txt"
	hg-data -B -f lines -n 2 -o "$R-data" "$R.txt"
	total=$(jq '.train.tokens' "$R-data/dataset.json")
	DATA=$R-data tiny_spec "$R" train.iterations=60
	hg-train "$R"
	[ "$(report "$R" "[.unique_tokens, .epochs == .tokens / $total, .epochs > 1] | @csv")" = "$total,true,true" ]
}

@test "a dry run says beforehand what the run would be too short or too long for, and its exit code stays" {
	tiny_spec "$R" 2> minted
	run -0 --separate-stderr hg-train -n "$R"
	[ "$(jq -r .result <<< "$output")" = dry_run ]
	[ "${#stderr_lines[@]}" -eq 3 ]
	[ "$(sed 's/^hg-train/hg-spec/' <<< "$stderr")" = "$(cat minted)" ]
	[[ "${stderr_lines[0]}" == "hg-train: Muon's momentum never reaches"*", and 3 steps"* ]]
	# The text that tiny_data makes is gone through once in some steps.
	tiny_spec "$R-again" train.iterations=500
	run -0 --separate-stderr hg-train -n "$R-again"
	[[ "$stderr" == *" epochs: 128000 tokens of training, and the data hold $(jq .train.tokens "$DATA/dataset.json"), so that text comes again"* ]]
	run -0 --separate-stderr hg-train "$R-again"
	[[ "$stderr" == *" epochs: "*"so that text came again"* ]]
}

@test "a run that was too short says for what: momentum, tokens a parameter, steps; and a long one says nothing" {
	tiny_spec "$R"
	run --separate-stderr hg-train "$R"
	[ "$status" -eq 0 ]
	local steps
	steps=$(report "$R" .steps)
	[[ "$stderr" == *"Muon's momentum never reached its full value: train.muon_momentum_warmup_steps 500, and $steps steps"* ]]
	[[ "$stderr" == *" tokens a parameter: under 5, "* ]]
	[[ "$stderr" == *"hg-train: $steps steps: under 500, "* ]]
	# One step fewer and the momentum is full in the last; none is asked for where both ends are the same.
	tiny_spec "$R-full" train.muon_momentum_warmup_steps=$((steps - 1))
	tiny_spec "$R-last" train.muon_momentum_warmup_steps="$steps"
	tiny_spec "$R-same" train.muon_momentum_warmup_start=0.95
	run --separate-stderr hg-train "$R-full"
	[[ "$stderr" != *momentum* ]]
	run --separate-stderr hg-train "$R-last"
	[[ "$stderr" == *momentum* ]]
	run --separate-stderr hg-train "$R-same"
	[[ "$stderr" != *momentum* ]]
	# Of a momentum that rises over a share of the run, steps of its own say nothing.
	tiny_spec "$R-share" train.muon_momentum_warmup_frac=0.5
	run --separate-stderr hg-train "$R-share"
	[[ "$stderr" == *"under 500"* && "$stderr" != *momentum* ]]
	tiny_spec "$R-long" system.backend=cpu train.iterations=500 train.batch_tokens=1024 \
	    train.micro_batch_tokens=1024 train.muon_momentum_warmup_steps=10 train.warmup_steps=0
	run --separate-stderr hg-train "$R-long"
	[ "$status" -eq 0 ]
	[[ "$stderr" != *momentum* && "$stderr" != *"a parameter"* && "$stderr" != *"under 500"* ]] || {
		echo "$stderr" >&2; report "$R-long" '.tokens / .model.params' >&2; false; }
}

# bats test_tags=b91
@test "train.data_offset is where the batches begin: whole rounds of the shards and 0 change no bit, anything else does" {
	local backend total
	total=$(jq '.train.tokens' "$DATA/dataset.json")
	[ "$(report runs/plain '[.data_offset, .stream_tokens] | @csv')" = "0,$total" ]
	tiny_spec "$R-round" train.iterations=6 train.val_every=3 train.data_offset="$total"
	hg-train "$R-round"
	cmp "$R-round/checkpoint.safetensors" runs/plain/checkpoint.safetensors
	for backend in ref cpu; do
		tiny_spec "$R-$backend" system.backend=$backend
		tiny_spec "$R-$backend-there" system.backend=$backend train.data_offset=1001
		hg-train "$R-$backend"
		hg-train "$R-$backend-there"
		run ! cmp -s "$R-$backend/checkpoint.safetensors" "$R-$backend-there/checkpoint.safetensors"
		[ "$(report "$R-$backend-there" .data_offset)" = 1001 ]
	done
	# The same configuration, as of another seed.
	[ "$(jq .digests.config_sha256 "$R-ref/spec.json")" = "$(jq .digests.config_sha256 "$R-ref-there/spec.json")" ]
}

# bats test_tags=b91
@test "with given weights the seed changes no bit, and train.data_offset does" {
	tiny_spec "$R-a" train.init_from="$PWD/runs/plain/checkpoint.safetensors" train.seed=1
	tiny_spec "$R-b" train.init_from="$PWD/runs/plain/checkpoint.safetensors" train.seed=2
	tiny_spec "$R-c" train.init_from="$PWD/runs/plain/checkpoint.safetensors" train.data_offset=77
	hg-train "$R-a"
	hg-train "$R-b"
	hg-train "$R-c"
	cmp "$R-a/checkpoint.safetensors" "$R-b/checkpoint.safetensors"
	run ! cmp -s "$R-a/checkpoint.safetensors" "$R-c/checkpoint.safetensors"
}

# bats test_tags=b1,b4
@test "training that was killed goes on from its resume point and ends in the same bits, wherever its data begin" {
	local attempt=0
	tiny_spec "$R" train.iterations=150 train.data_offset=333 train.checkpoint_every_ms=1 train.warmdown_frac=0.01
	tiny_spec "$R-calm" train.iterations=150 train.data_offset=333 train.warmdown_frac=0.01
	while [ "$attempt" -lt 3 ]; do
		hg-train "$R" 2> /dev/null 3>&- &
		until_true 20 test -e "$R/resume.safetensors"
		until_true 20 eval '[ "$(jq .step "$R/train_status.json")" -gt $((attempt * 10)) ]'
		kill -9 "$(owner "$R")" || :
		wait $! || :
		run hg-await -t 10 train "$R"
		[ "$status" -eq 102 ]
		[ "$(jq -r .kind "$R/train_refusal.json")" = owner_died ]
		hg-retry train "$R"
		attempt=$((attempt + 1))
	done
	hg-train "$R"
	[ "$(report "$R" .attempt)" = 4 ]
	[ "$(report "$R" .resumes)" -ge 1 ]
	[ "$(report "$R" .lost_ms)" -ge 0 ]
	hg-train "$R-calm"
	cmp "$R/checkpoint.safetensors" "$R-calm/checkpoint.safetensors"
	[ "$(jq -s -c 'map(.step) == [range(150)]' "$R/metrics.jsonl")" = true ]
}

@test "resumes and lost_ms count every attempt that went on, also one that was killed before it saved" {
	local attempt lost=0 from at
	tiny_spec "$R" train.iterations=600 train.checkpoint_every_ms=3600000
	hg-train "$R" 2> /dev/null 3>&- &
	until_true 20 eval '[ -e "$R/metrics.jsonl" ] && [ "$(wc -l < "$R/metrics.jsonl")" -gt 9 ]'
	hg-cancel train "$R"
	wait $! || :
	from=$(wc -l < "$R/metrics.jsonl")
	at=$(tail -n 1 "$R/metrics.jsonl" | jq .wallclock_ms)
	for attempt in 2 3; do
		hg-retry train "$R"
		hg-train "$R" 2> /dev/null 3>&- &
		# What the attempt before wrote is cut off first.
		until_true 20 eval '[ "$(jq "select(.attempt == $attempt) | .phase" "$R/train_status.json")" = "\"train\"" ]'
		until_true 20 eval '[ "$(wc -l < "$R/metrics.jsonl")" -gt $((from + 9)) ]'
		kill -9 "$(owner "$R")"
		wait $! || :
		run hg-await -t 10 train "$R"
		[ "$status" -eq 102 ]
		lost=$((lost + $(tail -n 1 "$R/metrics.jsonl" | jq .wallclock_ms) - at))
	done
	hg-retry train "$R"
	hg-train "$R"
	[ "$(report "$R" .attempt)" = 4 ]
	[ "$(report "$R" .resumes)" = 3 ]
	[ "$(report "$R" .lost_ms)" -ge $((lost - 4)) ]
}

# bats test_tags=b64
@test "learning rates do not fall below min_lr_frac, by steps and by the clock, and replay to the same bits" {
	local backend
	for backend in ref cpu; do
		tiny_spec "$R-$backend" train.iterations=8 train.warmdown_frac=0.5 train.min_lr_frac=0.4 system.backend=$backend
		hg-train "$R-$backend"
		[ "$(jq -s -c 'map(.lr_scale)' "$R-$backend/metrics.jsonl")" = '[1,1,1,1,1,0.75,0.5,0.4]' ]
		tiny_spec "$R-$backend-off" train.iterations=8 train.warmdown_frac=0.5 system.backend=$backend
		hg-train "$R-$backend-off"
		[ "$(jq -s -c 'map(.lr_scale)' "$R-$backend-off/metrics.jsonl")" = '[1,1,1,1,1,0.75,0.5,0.25]' ]
		run cmp -s "$R-$backend/checkpoint.safetensors" "$R-$backend-off/checkpoint.safetensors"
		[ "$status" -eq 1 ]
	done
	tiny_spec "$R-again" "train.replay=$PWD/$R-ref/metrics.jsonl" train.iterations=8 train.warmdown_frac=0.5
	hg-train "$R-again"
	cmp "$R-ref/checkpoint.safetensors" "$R-again/checkpoint.safetensors"
	by_clock "$R-clock" 10 train.warmdown_frac=1 train.min_lr_frac=0.7
	[ "$(jq -s 'map(.lr_scale) | (min == 0.7) and (last == 0.7)' "$R-clock/metrics.jsonl")" = true ]
}

# bats test_tags=b94
@test "each lever of the optimizer is executed and in the receipt, and off leaves the bits" {
	local key one
	tiny_spec "$R-off" train.muon_weight_decay=0 train.muon_norm=none train.muon_grad_power=1 train.muon_form=direct \
	    train.muon_scale=frobenius
	tiny_spec "$R-never"
	hg-train "$R-off"
	hg-train "$R-never"
	cmp "$R-off/checkpoint.safetensors" "$R-never/checkpoint.safetensors"
	[ "$(report "$R-off" .levers)" = null ]
	for key in muon_weight_decay=0.5 muon_norm=row muon_norm=neuron muon_coefficients=polar muon_grad_power=0.9 \
	    muon_coefficients=minimax muon_scale=schatten; do
		one=$R-${key/=/-}
		tiny_spec "$one" "train.$key"
		hg-train "$one"
		run cmp -s "$R-off/checkpoint.safetensors" "$one/checkpoint.safetensors"
		[ "$status" -eq 1 ]
		[ "$(jq -r '.levers | to_entries[] | "\(.key)=\(.value)"' "$one/training_report.json")" = "$key" ]
	done
	# In float64 its rounding is too small to see.
	for key in muon_form=direct muon_form=gram; do
		one=$R-${key/=/-}
		tiny_spec "$one" "train.$key" system.backend=cpu
		hg-train "$one"
	done
	run cmp -s "$R-muon_form-direct/checkpoint.safetensors" "$one/checkpoint.safetensors"
	[ "$status" -eq 1 ]
	[ "$(report "$one" .levers.muon_form)" = gram ]
}

# bats test_tags=b64,b95
@test "a shape, Adam's own warmdown and a momentum that rises by shares are applied, logged and replayed to the same bits" {
	local backend key one
	for backend in ref cpu; do
		tiny_spec "$R-$backend" train.iterations=8 train.warmdown_frac=0.5 train.warmdown_shape=sqrt \
		    train.adam_warmdown_frac=1 train.muon_momentum_warmup_frac=0.5 system.backend=$backend
		hg-train "$R-$backend"
		[ "$(jq -s -c 'map(.lr_scale * 100 | round)' "$R-$backend/metrics.jsonl")" = '[100,100,100,100,100,50,29,13]' ]
		[ "$(jq -s -c 'map(.adam_lr_scale * 100 | round)' "$R-$backend/metrics.jsonl")" = '[100,65,50,39,29,21,13,6]' ]
		[ "$(jq -s -c 'map(.momentum_rise)' "$R-$backend/metrics.jsonl")" = '[0,0.25,0.5,0.75,1,1,1,1]' ]
		tiny_spec "$R-$backend-off" train.iterations=8 train.warmdown_frac=0.5 system.backend=$backend
		hg-train "$R-$backend-off"
		for key in warmdown_shape=sqrt adam_warmdown_frac=1 muon_momentum_warmup_frac=0.5; do
			one=$R-$backend-${key%=*}
			tiny_spec "$one" train.iterations=8 train.warmdown_frac=0.5 "train.$key" system.backend=$backend
			hg-train "$one"
			run cmp -s "$one/checkpoint.safetensors" "$R-$backend-off/checkpoint.safetensors"
			[ "$status" -eq 1 ]
		done
	done
	tiny_spec "$R-again" "train.replay=$PWD/$R-ref/metrics.jsonl" train.iterations=8
	hg-train "$R-again"
	cmp "$R-ref/checkpoint.safetensors" "$R-again/checkpoint.safetensors"
	[ "$(jq -c '[.lr_scale, .adam_lr_scale, .momentum_rise]' "$R-again/metrics.jsonl")" = \
	    "$(jq -c '[.lr_scale, .adam_lr_scale, .momentum_rise]' "$R-ref/metrics.jsonl")" ]
}

# bats test_tags=b95
@test "by the clock Adam's scales and the momentum replay to the same bits, and the run ends warmed down" {
	by_clock "$R" 10 train.warmdown_frac=0.5 train.adam_warmdown_frac=0.9 train.muon_momentum_warmup_frac=0.4
	[ "$(jq -s '(.[0] | .lr_scale == 1 and .momentum_rise == 0) and (last | .momentum_rise == 1) and
	    (last | .adam_lr_scale <= .lr_scale)' "$R/metrics.jsonl")" = true ]
	tiny_spec "$R-again" "train.replay=$PWD/$R/metrics.jsonl"
	hg-train "$R-again"
	cmp "$R/checkpoint.safetensors" "$R-again/checkpoint.safetensors"
}

@test "a run that stops at its wall-clock cap can be replayed to the same bits" {
	by_clock "$R" 10
	[ "$(report "$R" .stop_reason)" = wallclock ]
	[ "$(report "$R" ".train_ms >= $CAP_MS and .overshoot_ms == .train_ms - $CAP_MS or .overshoot_ms >= 0")" = true ]
	[ "$(jq -s 'last.lr_scale < 0.9' "$R/metrics.jsonl")" = true ]
	tiny_spec "$R-again" "train.replay=$PWD/$R/metrics.jsonl" train.schedule=iterations train.iterations=100000
	hg-train "$R-again"
	[ "$(report "$R-again" .schedule)" = replay ]
	cmp "$R/checkpoint.safetensors" "$R-again/checkpoint.safetensors"
}

# bats test_tags=b71
@test "a machine that sleeps uses up no cap and makes no stall; the receipt tells it, and a deadline runs on" {
	[ -z "$HG_SAN" ] || skip "sanitizers want to be loaded first"
	cc -shared -fPIC -o sleep.so "$HG_T/preload/sleepclock.c"
	tiny_spec "$R" train.schedule=wallclock budget.max_wallclock_ms=2000 train.iterations=100000 \
		budget.train_deadline_ms=7200000 budget.stall_ms=600000
	SLEPT_S=3600 SLEPT_AT=$PWD/slept LD_PRELOAD=$PWD/sleep.so hg-train "$R" 3>&- &
	pid=$!
	until_true 10 test -s "$R/metrics.jsonl"
	touch slept
	wait "$pid"
	[ "$(report "$R" '.suspended_ms >= 3600000 and .suspended_ms < 3700000')" = true ]
	[ "$(report "$R" '.train_ms >= 2000 and .train_ms < 600000 and .wallclock_ms < 600000')" = true ]
	[ "$(report runs/plain .suspended_ms)" = 0 ]
	rm slept
	tiny_spec "$R-late" train.schedule=wallclock budget.max_wallclock_ms=60000 train.iterations=1000000 \
		budget.train_deadline_ms=1800000
	SLEPT_S=3600 SLEPT_AT=$PWD/slept LD_PRELOAD=$PWD/sleep.so hg-train "$R-late" 3>&- &
	pid=$!
	until_true 10 test -s "$R-late/metrics.jsonl"
	touch slept
	code=0
	wait "$pid" || code=$?
	rm slept
	[ "$code" -eq 102 ]
	[ "$(jq -r .kind "$R-late/train_refusal.json")" = deadline_exceeded ]
	[ -e "$R-late/resume.safetensors" ]
}

# bats test_tags=b24
@test "no step starts after the cap, and a run by steps that passes it says so" {
	[ -z "$HG_SAN" ] || skip "sanitizers want to be loaded first"
	tiny_spec "$R" budget.max_wallclock_ms=600000 train.iterations=2000 budget.stall_ms=36000000
	train_slowing "$R"
	[ "$(report "$R" .stop_reason)" = wallclock ]
	[ "$(report "$R" '.steps < 2000')" = true ]
	jq -se '.[:-1] | all(.wallclock_ms < 600000)' "$R/metrics.jsonl"
	[ "$(jq '.steps_expected < 2000 and .eta_ms < 60000' "$R/train_status.json")" = true ]
}

# bats test_tags=b20
@test "a run that cannot make min_steps is refused after its first steps, with the projection" {
	tiny_spec "$R" budget.max_wallclock_ms=1 train.iterations=100000 train.min_steps=50000
	run hg-train "$R"
	[ "$status" -eq 1 ]
	[ "$(jq -r .kind "$R/train_refusal.json")" = min_steps_unreachable ]
	[ "$(jq -r '.expected == 50000 and .observed < 50000' "$R/train_refusal.json")" = true ]
	[ ! -e "$R/checkpoint.safetensors" ]
}

# bats test_tags=b94
@test "a schedule by steps that cannot fit its cap is refused after the first measured steps, with what would fit" {
	local i
	tiny_spec "$R" budget.max_wallclock_ms=3600000 train.iterations=1000000000 train.log_every=1
	tiny_spec "$R-clock" budget.max_wallclock_ms=300 train.iterations=1000000000 train.schedule=wallclock
	run hg-train "$R"
	[ "$status" -eq 1 ]
	[ "$(jq -r '[.kind, .retryable, .expected] | @csv' "$R/train_refusal.json")" = \
		'"schedule_over_cap",false,1000000000' ]
	[ "$(jq '.observed > 2 and .observed < 1000000000' "$R/train_refusal.json")" = true ]
	[[ "$(jq -r .detail "$R/train_refusal.json")" == "a step takes "*" ms at best, so $(jq .observed "$R/train_refusal.json")"* ]]
	[[ "$(jq -r .detail "$R/train_refusal.json")" == *" steps fit in budget.max_wallclock_ms=3600000, and train.iterations asks for 1000000000" ]]
	[[ "$(jq -r .next "$R/train_refusal.json")" == \
		"hg-pace $PWD/$R "*"hg-spec -b $PWD/$R/spec.json -s train.iterations=N $PWD/$R.2 "* ]]
	[ "$(jq -s '(last.step >= 4) and (last.wallclock_ms < 360000)' "$R/metrics.jsonl")" = true ]
	[ ! -e "$R/checkpoint.safetensors" ]
	hg-train "$R-clock"
	[ "$(report "$R-clock" .stop_reason)" = wallclock ]
	for i in 0 1 2 3 4 5 6 7 8 9 10 11; do printf '{"step": %d, "lr_scale": 1}\n' "$i"; done > long.jsonl
	tiny_spec "$R-again" budget.max_wallclock_ms=1 "train.replay=$PWD/long.jsonl"
	run hg-train "$R-again"
	[ "$status" -eq 1 ]
	[ "$(jq -r '[.kind, .expected] | @csv' "$R-again/train_refusal.json")" = '"schedule_over_cap",12' ]
	[[ "$(jq -r .detail "$R-again/train_refusal.json")" == *", and train.replay has 12" ]]
}

# bats test_tags=b94
@test "warm-up counts its own steps, and promises no end" {
	tiny_spec "$R" train.warmup_steps=100000 train.iterations=7
	hg-train "$R" 2> said 3>&- &
	pid=$!
	until_true 20 eval '[ "$(jq -r .phase "$R/train_status.json")" = warmup ]'
	cp "$R/train_status.json" warming.json
	hg-cancel train "$R" || :
	wait "$pid" || :
	[ "$(jq -c '[.phase, .steps_expected, .tokens, .tokens_per_s, .eta_ms]' warming.json)" = '["warmup",100000,0,null,null]' ]
	[ "$(jq '.step > 0 and .step < 100000' warming.json)" = true ]
}

# bats test_tags=b14
@test "a loss that is not finite ends training with a refusal and no checkpoint" {
	"$PYTHON" - runs/plain/checkpoint.safetensors nan.safetensors <<'END'
import struct, sys
raw = bytearray(open(sys.argv[1], "rb").read())
raw[-4:] = struct.pack("<f", float("nan"))
open(sys.argv[2], "wb").write(raw)
END
	tiny_spec "$R" "train.init_from=$PWD/nan.safetensors" train.warmup_steps=0
	run hg-train "$R"
	[ "$status" -eq 1 ]
	[ "$(jq -r .kind "$R/train_refusal.json")" = loss_diverged ]
	[ ! -e "$R/checkpoint.safetensors" ]
	[ ! -e "$R/training_report.json" ]
}

@test "training starts from given weights by their public names" {
	tiny_spec "$R" train.iterations=6 train.val_every=3 "train.init_from=$PWD/runs/plain/checkpoint.safetensors"
	hg-train "$R"
	run ! cmp -s "$R/checkpoint.safetensors" runs/plain/checkpoint.safetensors
	[ "$(jq -s '.[0].train_loss' "$R/metrics.jsonl")" != "$(jq -s '.[0].train_loss' runs/plain/metrics.jsonl)" ]
}

# bats test_tags=b6,b18
@test "a shard that was altered, cut short or removed is refused by kind" {
	local shard kind
	for kind in input_wrong_digest input_truncated input_missing; do
		rm -rf copy
		cp -r "$DATA" copy
		rm -rf copy/.digests
		DATA=$PWD/copy tiny_spec "$R-$kind"
		shard=$(ls copy/*train_000000.bin)
		case $kind in
		input_wrong_digest) printf '\007' | dd of="$shard" bs=1 seek=3000 conv=notrunc 2> /dev/null ;;
		input_truncated) truncate -s -2 "$shard" ;;
		input_missing) rm "$shard" ;;
		esac
		run hg-train "$R-$kind"
		[ "$(jq -r .kind "$R-$kind/train_refusal.json")" = "$kind" ]
		[ "$status" -ne 0 ]
	done
}

# changing NAME COMMAND CAP_MS [SECTION.KEY=VALUE]...: train on data of its own until the cap, and run COMMAND meanwhile
changing() {
	local name=$1 command=$2 cap=$3 pid
	shift 3
	mkdir -p "$R.d"
	cp -r "$DATA" "$R.d/$name"
	DATA=$PWD/$R.d/$name tiny_spec "$R-$name" train.iterations=1000000 train.schedule=wallclock \
		budget.max_wallclock_ms="$cap" "$@"
	shard=$(ls "$PWD/$R.d/$name"/*train_000000.bin)
	hg-train "$R-$name" 2> /dev/null 3>&- &
	pid=$!
	until_true 20 test -e "$R-$name/train_status.json"
	eval "$command"
	wait $pid || :
}

# bats test_tags=b85
@test "a shard that is rewritten or removed while it is read is refused by name, even if it is as it was in the end" {
	local name
	changing other 'printf "A\0B\0" | dd of="$shard" bs=1 seek=3000 conv=notrunc 2> /dev/null' 2000
	changing back 'cp "$shard" same; printf "A\0B\0" | dd of="$shard" bs=1 seek=3000 conv=notrunc 2> /dev/null
		cat same > "$shard"' 2000
	# The reader comes upon the file while it is empty, and it's the change that is told all the same.
	changing refilled 'cp "$shard" same; : > "$shard"; until_true 20 test -e "$R-refilled/train_refusal.json"
		cat same > "$shard"' 2000
	changing gone 'mv "$shard" elsewhere' 2000
	changing val 'printf "A\0" | dd of="${shard/train/val}" bs=1 seek=1100 conv=notrunc 2> /dev/null' 2000 \
		train.val_every=1000000
	for name in other back refilled gone val; do
		[ "$(jq -r .kind "$R-$name/train_refusal.json")" = input_changed ]
		[[ $(jq -r .detail "$R-$name/train_refusal.json") == *"$R.d/$name/"*"_000000.bin' was "* ]]
		[ ! -e "$R-$name/training_report.json" ]
		[ ! -e "$R-$name/checkpoint.safetensors" ]
	done
	[[ $(jq -r .detail "$R-val/train_refusal.json") == *"val_000000.bin' was altered while it was in use" ]]
	# What changes nothing of its bytes is none of our business.
	changing mode 'chmod a-w "$shard"' 1000
	changing copy 'cp "$shard" "$shard.new"; mv "$shard.new" "$shard"' 1000
	[ -e "$R-mode/training_report.json" ]
	[ -e "$R-copy/training_report.json" ]
}

# bats test_tags=b85
@test "no resume point holds what came from an altered shard, and with the shard as it was training goes on" {
	local pid
	changing save 'until_true 20 test -e "$R-save/resume.safetensors"; cp "$shard" same
		printf "A\0B\0" | dd of="$shard" bs=1 seek=3000 conv=notrunc 2> /dev/null' \
		30000 train.checkpoint_every_ms=1000
	[ "$(jq -r .kind "$R-save/train_refusal.json")" = input_changed ]
	[ -e "$R-save/resume.safetensors" ]
	hg-retry train "$R-save"
	run -1 hg-train "$R-save"
	[ "$(jq -r .kind "$R-save/train_refusal.json")" = input_wrong_digest ]
	cat same > "$shard"
	hg-retry train "$R-save"
	hg-train "$R-save" 2> said 3>&- &
	pid=$!
	until_true 20 grep -q "going on from step" said
	hg-cancel train "$R-save"
	wait "$pid" || :
}

# flipped FILE TEXT|OFFSET: two bits of it, in the byte where TEXT ends or at an offset from the end
flipped() {
	"$PYTHON" - "$1" "$2" <<'END'
import sys
raw = bytearray(open(sys.argv[1], "rb").read())
at = raw.index(sys.argv[2].encode()) + len(sys.argv[2]) if sys.argv[2][0] == '"' else len(raw) - int(sys.argv[2])
raw[at] ^= 3
open(sys.argv[1], "wb").write(raw)
END
}

# bats test_tags=b85
@test "two flipped bits anywhere in a resume file are refused with the fix, and one of 0.1, without a digest, is taken" {
	local at pid
	tiny_spec "$R" train.iterations=100000 train.checkpoint_every_ms=600000
	hg-train "$R" 2> /dev/null 3>&- &
	pid=$!
	until_true 20 test -e "$R/metrics.jsonl"
	hg-cancel train "$R"
	wait "$pid" || :
	cp "$R/resume.safetensors" sound
	for at in 40 4000 '"clock_ns":"' '"run_uid":"'; do
		cp sound "$R/resume.safetensors"
		flipped "$R/resume.safetensors" "$at"
		hg-retry train "$R"
		run -1 timeout 20 hg-train "$R"
		[ "$(jq -r .kind "$R/train_refusal.json")" = input_invalid ]
		[ "$(jq -r .detail "$R/train_refusal.json")" = \
			"'resume.safetensors' has been altered since it was saved: remove it to begin anew" ]
	done
	"$PYTHON" - sound "$R/resume.safetensors" <<'END'
import json, struct, sys
raw = open(sys.argv[1], "rb").read()
n = struct.unpack("<Q", raw[:8])[0]
head = json.loads(raw[8:8 + n])
del head["__metadata__"]["content_sha256"]
text = json.dumps(head, separators=(",", ":")).encode()
text += b" " * (-len(text) % 8)
open(sys.argv[2], "wb").write(struct.pack("<Q", len(text)) + text + raw[8 + n:])
END
	hg-retry train "$R"
	hg-train "$R" 2> said 3>&- &
	pid=$!
	until_true 20 grep -q "going on from step" said
	hg-cancel train "$R"
	wait "$pid" || :
}

# bats test_tags=b85
@test "given weights and a replayed schedule are those of the spec's digest, before the first step and after the last" {
	local file r
	cp runs/plain/checkpoint.safetensors weights
	cp runs/plain/metrics.jsonl scales
	tiny_spec "$R-weights" train.init_from="$PWD/weights"
	tiny_spec "$R-scales" train.replay="$PWD/scales"
	for file in weights scales; do
		r=$R-$file
		printf '\001' | dd of=$file bs=1 seek=$(($(stat -c %s $file) - 40)) conv=notrunc 2> /dev/null
		run -1 hg-train "$r"
		[ "$(jq -r .kind "$r/train_refusal.json")" = input_wrong_digest ]
		[ "$(jq -r .detail "$r/train_refusal.json")" = \
			"'$PWD/$file' has been altered: its digest differs from its spec's" ]
		[ ! -e "$r/train_status.json" ]
	done
	cp runs/plain/checkpoint.safetensors weights
	changing init 'printf "\001" >> weights' 1000 train.init_from="$PWD/weights"
	[ "$(jq -r .kind "$R-init/train_refusal.json")" = input_changed ]
	[ "$(jq -r .detail "$R-init/train_refusal.json")" = "'$PWD/weights' was altered while it was in use" ]
}

# bats test_tags=b16,b49
@test "hg-cancel stops training, which closes out as cancelled and can be taken up again" {
	tiny_spec "$R" train.iterations=100000 train.checkpoint_every_ms=600000
	hg-train "$R" 2> /dev/null 3>&- &
	until_true 20 test -e "$R/train_status.json"
	hg-cancel train "$R"
	wait $! || :
	[ "$(jq -r .kind "$R/train_refusal.json")" = cancelled ]
	[ -e "$R/resume.safetensors" ]
}

@test "a second trainer of the same run is told that it runs, and exits 99" {
	tiny_spec "$R" train.iterations=100000
	hg-train "$R" 2> /dev/null 3>&- &
	until_true 20 test -e "$R/train_status.json"
	run hg-train "$R"
	[ "$status" -eq 99 ]
	hg-cancel train "$R"
	wait $! || :
}

# bats test_tags=b42
@test "status files and receipts keep their contracts" {
	"$HG_T/tools/contract" training_report runs/plain/training_report.json
	"$HG_T/tools/contract" train_status runs/plain/train_status.json
	while read -r line; do
		printf '%s' "$line" > row.json
		"$HG_T/tools/contract" metrics row.json
	done < runs/plain/metrics.jsonl
}

@test "a checkpoint opens in any safetensors reader under the public names" {
	"$PYTHON" - runs/plain/checkpoint.safetensors <<'END'
import json, struct, sys
raw = open(sys.argv[1], "rb").read()
n = struct.unpack("<Q", raw[:8])[0]
head = json.loads(raw[8:8 + n])
head.pop("__metadata__")
assert head["tok_emb.weight"]["shape"] == [260, 32], head["tok_emb.weight"]
assert head["blocks.1.attn.c_k.weight"]["shape"] == [16, 32]
assert all(t["dtype"] == "F32" for t in head.values())
assert max(t["data_offsets"][1] for t in head.values()) == len(raw) - 8 - n
END
}

@test "a read-only run directory gives one clear line and exit 111" {
	[ "$(id -u)" -ne 0 ] || skip "root writes anywhere"
	tiny_spec "$R"
	chmod a-w "$R"
	run hg-train "$R"
	chmod u+w "$R"
	[ "$status" -eq 111 ]
	[ "${#lines[@]}" -eq 1 ]
}

@test "a checkpoint that could not be written is refused for what went wrong, not for want of memory" {
	tiny_spec "$R"
	ulimit -f 60
	run -102 hg-train "$R"
	[ "$(jq -r .kind "$R/train_refusal.json")" = io_error ]
	[[ $(jq -r .detail "$R/train_refusal.json") == *"File too large"* ]]
	[ ! -e "$R/checkpoint.safetensors" ]
}

@test "an instruction set that the backend has not is a fault of the spec, which no retry mends" {
	# Made before hg-spec asked.
	tiny_spec "$BATS_TEST_TMPDIR/r"
	sed -i 's/"isa": *"auto"/"isa": "portable"/' "$BATS_TEST_TMPDIR/r/spec.json"
	run -103 --separate-stderr hg-train "$BATS_TEST_TMPDIR/r"
	sed -i "s/\(\"content_sha256\": *\)\"[0-9a-f]*\"/\1\"${stderr##* }\"/" "$BATS_TEST_TMPDIR/r/spec.json"
	run -1 --separate-stderr hg-train "$BATS_TEST_TMPDIR/r"
	[ "$(jq -r .kind "$BATS_TEST_TMPDIR/r/train_refusal.json")" = spec_invalid ]
	[[ $stderr == *"backend 'ref' has no isa 'portable'"* && $stderr != *"hg-run -r"* ]]
}

@test "hg-spec says of given weights that are none, or another model's, that training will refuse them" {
	local w=$PWD/runs/plain/checkpoint.safetensors
	run -0 --separate-stderr tiny_spec "$BATS_TEST_TMPDIR/fits" "train.init_from=$w"
	[[ $stderr != *init_from* ]]
	run -0 --separate-stderr tiny_spec "$BATS_TEST_TMPDIR/wide" "train.init_from=$w" model.model_dim=64
	[[ $stderr == *"tensor 'tok_emb.weight' of '$w' has not the shape of this model (260 x 64)"* ]]
	[[ $stderr == *"the run can't start from train.init_from: hg-train will refuse it"* ]]
	run -0 --separate-stderr tiny_spec "$BATS_TEST_TMPDIR/none" "train.init_from=$PWD/runs/plain/spec.json"
	[[ $stderr == *"the run can't start from train.init_from: hg-train will refuse it"* ]]
	run -1 hg-train "$BATS_TEST_TMPDIR/none"
}

@test "a backend that this build has not is a fault of the spec, which no retry mends, and the words name the build that has it" {
	[ ! -d "$HG_BUILD/cuda" ] || skip "this build has it"
	tiny_spec "$BATS_TEST_TMPDIR/r" system.backend=cuda
	run -1 --separate-stderr hg-train "$BATS_TEST_TMPDIR/r"
	[ "$(jq -r .kind "$BATS_TEST_TMPDIR/r/train_refusal.json")" = spec_invalid ]
	[[ $stderr == *"this build has no backend 'cuda': make CUDA=1 all builds one that has; or ask for system.backend=cpu"* ]]
	[[ $stderr == *"next: hg-spec -b "* && $stderr != *"hg-run -r"* ]]
}

# bats test_tags=b94
@test "a model that cannot fit into memory is refused before any is touched, with what to lower" {
	[ -z "$HG_SAN" ] || skip "sanitizers need more"
	tiny_spec "$R" model.model_dim=16384 model.num_layers=1000
	run "$PYTHON" -c 'import resource, subprocess, sys
print(subprocess.run(["hg-train", sys.argv[1]], stderr=subprocess.DEVNULL).returncode,
    resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 200000)' "$R"
	[ "$output" = "1 True" ]
	[ "$(jq -r '[.kind, .retryable] | @csv' "$R/train_refusal.json")" = '"over_memory",false' ]
	[[ "$(jq -r .detail "$R/train_refusal.json")" =~ ", optimizer "[0-9.]*"), and "[0-9.]*" MB are all that there are: lower model."(num_layers|model_dim)": "[0-9]+" is the largest that fits"$ ]]
	[[ "$(jq -r .detail "$R/train_refusal.json")" =~ ^"training needs "[0-9]{7,}"."[0-9]" MB of memory with 128 tokens in a pass (parameters and gradients " ]]
	tiny_spec "$R-wide" train.batch_tokens=1048576 train.micro_batch_tokens=1048576
	(ulimit -v 1000000; exec hg-train "$R-wide") || [ $? -eq 1 ]
	[ "$(jq -r .kind "$R-wide/train_refusal.json")" = over_memory ]
	[[ "$(jq -r .detail "$R-wide/train_refusal.json")" == *"lower train.micro_batch_tokens: "*" is the largest that fits" ]]
	[[ "$(jq -r .next "$R-wide/train_refusal.json")" == *"hg-spec -b "* ]]
}

@test "validation in windows shorter or longer than training's is the score of the weights that it was of" {
	local len backend
	for backend in ref cpu; do
		for len in 16 32 64 128; do
			r=$R-$backend-$len
			tiny_spec "$r" train.val_every=3 eval.seq_len="$len" system.backend="$backend"
			hg-train "$r" 2> said
			hg-export "$r"
			hg-score "$r" 2>> said
			jq -n -e --argjson a "$(report "$r" .val_bpb)" \
			    --argjson b "$(jq .prequant_val_bpb "$r/artifact_score_report.json")" '$a - $b | fabs < 1e-6'
		done
	done
	# as many ids as a pass of training, and no fewer
	[ "$(report "$R-ref-16" .val_bpb)" != "$(report "$R-ref-64" .val_bpb)" ]
}
