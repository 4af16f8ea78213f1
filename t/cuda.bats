# The CUDA backend: emulated where there is no card, and what needs one.  Operations and training are in t/unit/cuda_*.c.
load helper

need_card() {
	[ -n "$HG_GPU" ] || skip "needs a card: make check-gpu"
}

model_levers="encoder_layers leaky_relu2 swiglu value_residual value_embed attn_gate smear bigram_hash bigram_prior
    xsa ln_scale rope_dims skip_gate"

golden() {
	need_shared
	run "$HG_BUILD/emu/golden" "$SHARED/golden/$1" -b cuda -a "$2"
	echo "$output" | grep -v 'ok$' >&2 || :
	[ "$status" -eq 0 ]
	[[ "${lines[-1]}" == *" compared, 0 failed, "* ]]
}

# near FILE_A FILE_B KEY: two receipts' numbers, 1e-4 apart at most.
near() {
	jq -ne --slurpfile a "$1" --slurpfile b "$2" "(\$a[0]$3 - \$b[0]$3) | fabs < 1e-4"
}

# What an emulated card takes its time for: tokens of a step, and of a score.
few=(train.seq_len=16 train.batch_tokens=64 train.micro_batch_tokens=32 eval.docs=6)

# Train, export, prompt and score one spec on ref and on cuda.
both_ways() {
	export DATA=$BATS_TEST_TMPDIR/data HOMEGOLF_LANES=$BATS_TEST_TMPDIR/lanes
	cd "$BATS_TEST_TMPDIR"
	tiny_data "$DATA" 2> /dev/null
	mkdir runs
	for backend in ref cuda; do
		tiny_spec "runs/$backend" system.backend="$backend" train.iterations=5 "${few[@]}"
		hg-train "runs/$backend"
		hg-export "runs/$backend"
		hg-prompt "runs/$backend" > "$backend.text"
		hg-score "runs/$backend"
		hg-score -e documents -s eval.mode=documents "runs/$backend"
		hg-score -e still -s eval.mode=ttt:16:0 "runs/$backend"
		hg-score -e ttt -s eval.mode=ttt:16:1 "runs/$backend"
	done
	[ "$(jq -r .backend runs/cuda/training_report.json)" = cuda ]
	[ "$(jq -r .backend runs/cuda/artifact_score_report.json)" = cuda ]
	[[ "$(jq -r .libraries.backend runs/cuda/training_report.json)" == *", cuda "*" driver "*" cublas "* ]]
	near runs/{ref,cuda}/training_report.json .final_train_loss
	near runs/{ref,cuda}/artifact_score_summary.json .val_loss
	for evaluation in documents still ttt; do near runs/{ref,cuda}/evals/$evaluation.json .val_loss; done
	near runs/cuda/evals/{documents,still}.json .val_loss
	run ! near runs/cuda/evals/{documents,ttt}.json .val_loss
	[ -s cuda.text ]
}

# survives_kill STEPS: training on cuda that is killed goes on, and ends in the bits of training that was not.
survives_kill() {
	export DATA=$BATS_TEST_TMPDIR/data HOMEGOLF_LANES=$BATS_TEST_TMPDIR/lanes
	cd "$BATS_TEST_TMPDIR"
	tiny_data "$DATA" 2> /dev/null
	tiny_spec killed system.backend=cuda train.iterations="$1" train.checkpoint_every_ms=1 "${few[@]}"
	tiny_spec calm system.backend=cuda train.iterations="$1" "${few[@]}"
	hg-train killed 2> /dev/null 3>&- &
	until_true 60 test -e killed/resume.safetensors
	kill -9 "$(sed -n 's/.* pid=\([0-9]*\) .*/\1/p' killed/train.lock)"
	wait $! || :
	run hg-await -t 10 train killed
	[ "$status" -eq 102 ]
	[ "$(jq -r .kind killed/train_refusal.json)" = owner_died ]
	hg-retry train killed
	hg-train killed
	[ "$(jq .resumes killed/training_report.json)" -eq 1 ]
	hg-train calm
	cmp killed/checkpoint.safetensors calm/checkpoint.safetensors
}

@test "one spec trains, prompts and scores to the same numbers on ref and on emulated CUDA" {
	PATH=$HG_BUILD/emu/bin:$PATH
	both_ways
}

# bats test_tags=b1
@test "training on emulated CUDA that was killed goes on and ends in the same bits" {
	PATH=$HG_BUILD/emu/bin:$PATH
	survives_kill 24
}

# bats test_tags=b14
@test "a card that is too small is a refusal that names bytes and the setting to lower" {
	export DATA=$BATS_TEST_TMPDIR/data HOMEGOLF_LANES=$BATS_TEST_TMPDIR/lanes
	cd "$BATS_TEST_TMPDIR"
	tiny_data "$DATA" 2> /dev/null
	tiny_spec run system.backend=cuda
	export PATH=$HG_BUILD/emu/bin:$PATH HG_EMU_MEMORY=45000000
	run hg-train run
	[ "$status" -eq 102 ]
	run jq -r '.kind, .detail' run/train_refusal.json
	[ "${lines[0]}" = out_of_memory ]
	[[ "${lines[1]}" =~ [0-9]+\ bytes\ asked\ for,\ [0-9]+\ of\ 45000000\ free ]]
	[[ "${lines[1]}" == *"lower train.micro_batch_tokens" ]]
}

@test "no card is a refusal that says what to do, and nothing is computed elsewhere" {
	export DATA=$BATS_TEST_TMPDIR/data HOMEGOLF_LANES=$BATS_TEST_TMPDIR/lanes
	cd "$BATS_TEST_TMPDIR"
	tiny_data "$DATA" 2> /dev/null
	export PATH=$HG_BUILD/emu/bin:$PATH HG_EMU_DEVICES=0
	for micro in 128 auto; do
		tiny_spec "$micro" system.backend=cuda train.micro_batch_tokens="$micro"
		run ! hg-train "$micro"
		run jq -r '.kind, .detail' "$micro/train_refusal.json"
		[ "${lines[0]}" = device_unavailable ]
		[[ "${lines[1]}" == *nvidia-smi*system.backend=cpu* ]]
		[ ! -e "$micro/checkpoint.safetensors" ]
	done
}

@test "make check-gpu and bench-gpu without a card refuse at once, with the fix, and build nothing" {
	! nvidia-smi -L 2> /dev/null || skip "there is a card"
	for target in check-gpu bench-gpu; do
		run ! --separate-stderr make -s -C "$HG_TOP" "$target"
		[ "$output" = "" ]
		[[ "${stderr_lines[0]}" == "device_unavailable: "*"install the NVIDIA driver"* ]]
	done
}

@test "emulated CUDA meets the golden vectors of a tied model with grouped heads, in fp32 and bf16" {
	golden tiny_tied fp32
	golden tiny_tied bf16
}

@test "emulated CUDA meets the golden vectors of an odd number of layers, in fp32 and bf16" {
	golden odd_layers_mha fp32
	golden odd_layers_mha bf16
}

@test "emulated CUDA meets the golden vectors of public initial values, in fp32 and bf16" {
	golden real_init fp32
	golden real_init bf16
}

@test "emulated CUDA meets the golden vectors of the optimizer's levers, in fp32 and bf16" {
	local stem
	for stem in schedule muon_decay muon_decay_cautious muon_row muon_neuron muon_polar muon_power average; do
		golden levers/$stem fp32
		golden levers/$stem bf16
	done
}

# bats test_tags=b64
@test "emulated CUDA meets the golden vectors of the model's levers, in fp32 and bf16, and of all of them in fp32" {
	local stem
	for stem in $model_levers; do
		golden levers/$stem fp32
		golden levers/$stem bf16
	done
	golden levers/start fp32
	golden levers/combination fp32
}

@test "barriers removed, bounds moved and strides mistaken in the kernels turn the emulated tests red, an eighth of them" {
	[ -z "$HG_SAN" ] || skip "without sanitizers only: they would find some of it first"
	cd "$HG_TOP"
	run "$HG_BUILD/mutate" -e 8
	echo "$output" >&2
	[ "$status" -eq 0 ]
	[ "$(grep -c '^ok' <<<"$output")" -ge 6 ]
}

@test "the benchmark runs on the emulated card and prints where the time goes" {
	run "$HG_BUILD/emu/bench" tiny
	[ "$status" -eq 0 ]
	[[ "$output" == *"tiny: step of 64 tokens"* ]]
	[[ "$output" == *"tiny: 2 graphs captured, "*"tiny: without graphs "*"tiny: scoring "* ]]
	[[ "$output" == *"attention_backward_keys"* ]]
	run "$HG_BUILD/emu/bench" tiny-levers
	[ "$status" -eq 0 ]
	for kernel in gate_sums table_values_grad output_backward smear_backward lookup_backward skip_backward; do
		[[ "$output" == *"$kernel"* ]]
	done
}

@test "a build without CUDA names no backend cuda" {
	[ ! -d "$HG_BUILD/cuda" ] || skip "this is a CUDA=1 build"
	need_shared
	run ! --separate-stderr "$HG_T/tools/golden" "$SHARED/golden/tiny_tied" -b cuda
	[[ "$stderr" == *"no backend 'cuda'"* ]]
}

@test "no kernel spills registers, on any architecture" {
	[ -d "$HG_BUILD/cuda" ] || skip "needs a CUDA=1 build"
	run cat "$HG_BUILD"/cuda/*.ptxas
	for arch in 80 86 89 90; do
		[ "$(grep -c "attention_forward.* for 'sm_$arch'" <<<"$output")" -eq 8 ]
	done
	run grep -hE '[1-9][0-9]* bytes (stack frame|spill)' "$HG_BUILD"/cuda/*.ptxas
	echo "$output" >&2
	[ "$output" = "" ]
}

@test "a CUDA build without a card says so once, with the fix, and never computes elsewhere" {
	[ -d "$HG_BUILD/cuda" ] || skip "needs a CUDA=1 build"
	[ ! -e /dev/nvidia0 ] || skip "there is a card"
	need_shared
	run ! --separate-stderr "$HG_T/tools/golden" "$SHARED/golden/tiny_tied" -b cuda
	[ "$(grep -c 'nvidia-smi' <<<"$stderr")" -eq 1 ]
	[[ "$stderr" == *"system.backend=cpu"* ]]
	[[ "$output" != *" ok"* ]]
}

# bats test_tags=gpu
@test "on a card, one spec trains, prompts and scores to the same numbers as on ref" {
	need_card
	both_ways
}

# bats test_tags=gpu
@test "on a card, training that was killed goes on and ends in the same bits" {
	need_card
	survives_kill 4000
}

# bats test_tags=gpu
@test "on a card, both arithmetics meet the golden vectors" {
	need_card
	need_shared
	for stem in tiny_tied odd_layers_mha real_init $(printf 'levers/%s ' $model_levers); do
		"$HG_T/tools/golden" "$SHARED/golden/$stem" -b cuda -a fp32
		"$HG_T/tools/golden" "$SHARED/golden/$stem" -b cuda -a bf16
	done
}
