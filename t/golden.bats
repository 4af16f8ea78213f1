# The golden vectors, where they are; the rest of the proof (gradients, resuming, hostile files) is in t/unit.
load helper

golden() {
	need_shared
	run "$HG_T/tools/golden" "$SHARED/golden/$1" "${@:2}"
	echo "$output" | grep -v 'ok$' >&2 || :
	[ "$status" -eq 0 ]
	[[ "${lines[-1]}" == *" compared, 0 failed, "* ]]
}

@test "ref meets the golden vectors of a tied model with grouped heads" {
	golden tiny_tied -b ref
}

@test "ref meets the golden vectors of an odd number of layers" {
	golden odd_layers_mha -b ref
}

@test "ref meets the golden vectors of public initial values, accumulation, clipping and warmdown" {
	golden real_init -b ref
}

@test "the int8 law is met exactly" {
	golden int8x
	[[ "$output" != *skipped:* ]]
}

@test "rows of 8, 7 and 6 bits by both quantizers, and binary16, are met exactly" {
	golden levers/quant
	[[ "$output" != *skipped:* ]]
	[[ "${lines[-1]}" == "26 compared, "* ]]
}

@test "the learning-rate scales and the loader's spans are met" {
	golden more
	[[ "$output" == *"loader: span 13"* ]]
	[[ "$output" == *"schedule: step 12000"* ]]
}

@test "the learning-rate scales of a warmdown that stops early are met" {
	golden levers/tables
	[[ "$output" != *skipped:*schedule* ]]
	[[ "$output" == *"schedule: step 1499 of 1500"* ]]
}

# lever NAME: a stem of levers, on ref, and on every instruction set of cpu that runs here in both arithmetics.
lever() {
	golden "levers/$1" -b ref
	for isa in portable avx2 avx512 avx512-bf16 amx-emulated amx; do
		for arith in fp32 bf16; do
			run "$HG_T/tools/golden" "$SHARED/golden/levers/$1" -b cpu -i "$isa" -a "$arith"
			[[ "$output" != *"cannot run isa"* ]] || continue
			grep FAILED <<<"$output" >&2 || :
			[ "$status" -eq 0 ]
			[[ "${lines[-1]}" == *" compared, 0 failed, "* ]]
		done
	done
}

# bats test_tags=b64
@test "a model that keeps fewer layers for its skips meets the golden vectors" {
	lever encoder_layers
}

@test "ref meets the golden vectors of a warmdown of another shape" {
	golden levers/schedule -b ref
}

@test "ref and cpu meet the golden vectors of Muon's decay, plain and cautious, in fp32 and bf16" {
	local arith stem
	for stem in muon_decay muon_decay_cautious; do
		golden levers/$stem -b ref
		for arith in fp32 bf16; do
			golden levers/$stem -b cpu -a $arith
		done
	done
}

@test "ref and cpu meet the golden vectors of Muon's norms, coefficients and power, in fp32 and bf16" {
	local arith stem
	for stem in muon_row muon_neuron muon_polar muon_power; do
		golden levers/$stem -b ref
		for arith in fp32 bf16; do
			golden levers/$stem -b cpu -a $arith
		done
		[[ $stem != muon_neuron || "$output" == *rows/blocks.2.mlp.proj.weight*ok* ]]
	done
}

# bats test_tags=b94
@test "on Gram matrices ref and cpu meet the golden vectors of Muon within the same tolerances, in fp32 and bf16" {
	local arith stem
	for stem in real_init tiny_tied levers/muon_row levers/muon_neuron levers/muon_polar levers/muon_power; do
		for arith in fp32 bf16; do
			golden $stem -b cpu -a $arith -G
			[[ "$output" == *"blocks.0.mlp."*ok* ]]
		done
	done
	golden levers/muon_polar -b ref -G
}

# bats test_tags=b64
@test "the activations leaky relu^2 and swiglu meet the golden vectors" {
	lever leaky_relu2
	lever swiglu
}

# bats test_tags=b64
@test "mixed and embedded values, gated attention and removed own values meet the golden vectors" {
	lever value_residual
	lever value_embed
	lever attn_gate
	lever xsa
}

# bats test_tags=b64
@test "hashed pairs, smeared embeddings and the prior from counts meet the golden vectors" {
	lever bigram_hash
	lever smear
	lever bigram_prior
}

# bats test_tags=b64
@test "norms by depth, heads that turn in part and gated skips meet the golden vectors" {
	lever ln_scale
	lever rope_dims
	lever skip_gate
}

# bats test_tags=b64,b66
@test "all levers at once from public first values meet the golden vectors, the gradients of three steps with them" {
	need_shared
	golden levers/start -b ref
	for isa in portable avx2 avx512; do
		run "$HG_T/tools/golden" "$SHARED/golden/levers/start" -b cpu -i "$isa"
		[[ "$output" != *"cannot run isa"* ]] || continue
		grep FAILED <<<"$output" >&2 || :
		[ "$status" -eq 0 ]
		[[ "$output" == *"step2/grad/"* ]]
	done
}

# bats test_tags=b64
@test "an average over the tail of the run meets the golden vectors, and the tables of where it begins" {
	lever average
	golden levers/average
	[[ "$output" == *"average/blocks.0.mlp.fc.weight"* ]]
	golden levers/tables
	[[ "$output" == *"average: from update 84 of 333"*ok* ]]
}

@test "golden says no, by name, when a vector differs" {
	need_shared
	cp "$SHARED"/golden/tiny_tied.* "$BATS_TEST_TMPDIR"
	chmod u+w "$BATS_TEST_TMPDIR"/*
	# The last four bytes are the last token's loss.
	printf '\0\0\200\100' | dd of="$BATS_TEST_TMPDIR/tiny_tied.safetensors" bs=1 conv=notrunc \
		seek=$(($(stat -c %s "$BATS_TEST_TMPDIR/tiny_tied.safetensors") - 4)) 2>/dev/null
	run "$HG_T/tools/golden" "$BATS_TEST_TMPDIR/tiny_tied"
	[ "$status" -eq 1 ]
	[[ "$output" == *"step0/nll"*FAILED* ]]
}

@test "golden takes its options before or after the stem, and refuses what it does not know" {
	run "$HG_T/tools/golden"
	[ "$status" -eq 100 ]
	run "$HG_T/tools/golden" x -a fp8
	[ "$status" -eq 100 ]
	run "$HG_T/tools/golden" "$BATS_TEST_TMPDIR/none" -b ref
	[ "$status" -eq 103 ]
}
