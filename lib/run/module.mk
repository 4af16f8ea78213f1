# The run directory: names, locks, states, specs, receipts, refusals, and the gate that reads them all.
run_SRC := closeout fingerprint gate mint receipt refusal retry rundir runlock spec specdigest specrequest state status wait

# The list of counted code becomes a source.
run_OBJ = $(B)/lib/run/embedded_code.o

# What a stranger needs to train, restore and score: these count towards the cap.  Not counted, like the libraries,
# are lib/base (messages, JSON, files) and what surrounds a run; t/unit/spec.c keeps room for the published artifact.
CODE_LIST := $(B)/gen/embedded_model.c \
	$(addprefix lib/gpt/,artifact.c artifact.h config.c config.h embedded_model.h f16.c f16.h model.c model.h \
	ops.c ops.h ops_ref.c optimizer.c optimizer.h params.c params.def params.h quantize.c quantize.h safetensors.c \
	safetensors.h schedule.c schedule.h score.c score.h trainer.c trainer.h) \
	$(addprefix lib/data/,loader.c loader.h shard.c shard.h tokens.c tokens.h vocab.c vocab.h)
# These only change speed.
CODE_VARIANTS := $(sort $(wildcard lib/gpt/cpu/*.[ch] cuda/*.cu cuda/*.cuh))

$(B)/gen/embedded_code.c: $(CODE_LIST) $(CODE_VARIANTS) $(B)/gen/embed lib/run/module.mk
	$(call say,GEN)
	$(Q)$(B)/gen/embed code $(CODE_LIST) -- $(CODE_VARIANTS) > $@.new && mv $@.new $@

$(B)/lib/run/embedded_%.o: $(B)/gen/embedded_%.c lib/run/embedded_code.h lib/run/fingerprint.h
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(HG_CFLAGS) $(CFLAGS) -c -o $@ $<
