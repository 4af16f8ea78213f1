# The fast CPU backend: one file per instruction set and arithmetic.  They alone are compiled for more than the
# baseline of the machine's architecture, and run only after isa_features() has said that they may.
gpt_SRC += $(addprefix cpu/,buffers isa levers measure muon_tasks operations ops_cpu pool selftest sizes tables portable_bf16 portable_fp32)
ifeq ($(shell uname -m),x86_64)
gpt_SRC += $(addprefix cpu/,amx_bf16 amx_emulated_bf16 avx2_bf16 avx2_fp32 avx512_bf16 avx512_fp32 avx512dot_bf16)

AVX512 := -mavx2 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl
$(B)/lib/gpt/cpu/avx2_bf16.o $(B)/lib/gpt/cpu/avx2_fp32.o: ISA_CFLAGS := -mavx2 -mfma
$(B)/lib/gpt/cpu/avx512_bf16.o $(B)/lib/gpt/cpu/avx512_fp32.o: ISA_CFLAGS := $(AVX512)
$(B)/lib/gpt/cpu/avx512dot_bf16.o $(B)/lib/gpt/cpu/amx_emulated_bf16.o: ISA_CFLAGS := $(AVX512) -mavx512bf16
$(B)/lib/gpt/cpu/amx_bf16.o: ISA_CFLAGS := $(AVX512) -mavx512bf16 -mamx-tile -mamx-bf16
endif
