# The cpu backend meets the golden vectors with every instruction set that runs here, in both arithmetics.
load helper

# golden STEM ISA ARITH: pass, or skip where the machine lacks the instructions.
golden() {
	need_shared
	run "$HG_T/tools/golden" "$SHARED/golden/$1" -b cpu -i "$2" -a "$3" -j 2
	[[ "$output" != *"this machine cannot run isa"* ]] || skip "this machine has no $2"
	echo "$output" | grep -v 'ok$' >&2 || :
	[ "$status" -eq 0 ]
	[[ "${lines[0]}" == "backend cpu, isa "*", $3" ]]
	[[ "${lines[-1]}" == *" compared, 0 failed, "* ]]
}

all_stems() {
	golden tiny_tied "$1" "$2"
	golden odd_layers_mha "$1" "$2"
	golden real_init "$1" "$2"
}

@test "portable meets the golden vectors in fp32" {
	all_stems portable fp32
}

@test "portable meets the golden vectors in bf16" {
	all_stems portable bf16
}

@test "avx2 meets the golden vectors in fp32" {
	all_stems avx2 fp32
}

@test "avx2 meets the golden vectors in bf16" {
	all_stems avx2 bf16
}

@test "avx512 meets the golden vectors in fp32" {
	all_stems avx512 fp32
}

@test "avx512 meets the golden vectors in bf16" {
	all_stems avx512 bf16
}

@test "avx512-bf16 meets the golden vectors in bf16" {
	all_stems avx512-bf16 bf16
}

@test "amx meets the golden vectors in bf16" {
	all_stems amx bf16
}

@test "amx with emulated tiles meets the golden vectors in bf16" {
	all_stems amx-emulated bf16
}

@test "auto never chooses the emulated tiles" {
	need_shared
	run "$HG_T/tools/golden" "$SHARED/golden/tiny_tied" -b cpu -i auto -a bf16
	[[ "${lines[0]}" != *emulated* ]]
}

@test "an instruction set that there is not is refused by name" {
	run "$HG_T/bench/bench" -c 1,16,2,1,2,32,8,1 -i mmx
	[ "$status" -eq 111 ]
	[[ "$output" == *"no isa 'mmx'"* ]]
}

@test "the tools' benchmark times every tool, ledgers of two sizes, waking up, and status" {
	HG_BIN=$(dirname "$(command -v hg-spec)") run -0 sh "$HG_TOP/t/bench/tools.sh" -n 200
	for what in 'hg-train -h' 'hg-ledger add, 2 rows' 'hg-ledger add, 200 rows' 'hg-ledger verify, 200 rows' \
		'from the receipt in place to its exit' 'hg-status of 40 runs'; do
		grep -qE "$what +[0-9]+\.[0-9]  \([0-9.]+\.\.[0-9.]+ of [1-9]" <<< "$output"
	done
}

@test "bench prints one line of JSON with speed, share of the ceiling, memory and phases" {
	run "$HG_T/bench/bench" -c 1,32,2,1,2,64,16,2 -s 2 -j 1
	[ "$status" -eq 0 ]
	echo "$output" | jq -e '.tokens_per_s > 0 and .share > 0 and .peak_mb > 0 and .score_tokens_per_s > 0 and
	    (.phase_ms | length) == 14'
}
