# The model family: geometry, tensors, operations, training, artifact.
gpt_SRC := artifact checkpoint config f16 generate model numerics ops ops_ref optimizer optimizer_law params quantize trainspec \
	safetensors schedule schedule_read score trainer trainer_open
include lib/gpt/cpu/cpu.mk
