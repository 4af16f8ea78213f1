# The model family: geometry, tensors, operations, training, artifact.
gpt_SRC := artifact checkpoint config f16 generate model ops ops_ref optimizer params quantize safetensors schedule \
	score trainer
include lib/gpt/cpu/cpu.mk
