# The model family: geometry, tensors, operations, training, artifact.
gpt_SRC := arena artifact calibration calibration_watched checkpoint coder config f16 generate gptq model model_buffers model_bytes numerics ops ops_ref optimizer params prior quantize resume \
	safetensors schedule schedule_read score score_law trainer trainer_bytes trainer_open trainspec ttt
include lib/gpt/cpu/cpu.mk

# Most tests train by the reference; a third less time, and the same bits, as no flag here lets a sum change its order.
$(B)/lib/gpt/ops_ref.o: private CFLAGS := $(CFLAGS:-O2=-O3)

# Bounds and defaults of the model's keys, defaults of the others, of their contract: code that counts towards the cap, unlike the engine.
gpt_OBJ = $(B)/lib/gpt/embedded_model.o $(B)/lib/gpt/embedded_spec.o

$(B)/gen/embedded_model.c: contracts/spec.json $(B)/gen/embed
	$(call say,GEN)
	$(Q)$(B)/gen/embed model $< > $@.new && mv $@.new $@

$(B)/gen/embedded_spec.c: contracts/spec.json $(B)/gen/embed
	$(call say,GEN)
	$(Q)$(B)/gen/embed defaults $< > $@.new && mv $@.new $@
