# The run directory: names, locks, states, specs, receipts, refusals, and the gate that reads them all.
run_SRC := active closeout fingerprint gate mint pace program pruned receipt refusal retry rundir runlock spec specdiff \
	specdigest specisa specrequest state status summary wait

# The list of counted code becomes a source.
run_OBJ = $(B)/lib/run/embedded_code.o

# Counted code: its list is computed (lib/run/counted.sh), from the sources and from those generated that it needs.
CODE_GENERATED := $(B)/gen/embedded_model.c $(B)/gen/embedded_spec.c
# These only change speed.
CODE_VARIANTS := $(sort $(wildcard lib/gpt/cpu/*.[ch] cuda/*.cu cuda/*.cuh))

# Any source may change the list, but only a change of what is listed makes anything anew.
$(B)/gen/counted: $(wildcard lib/*/*.[ch] lib/*/*.def) $(CODE_GENERATED) $(CODE_VARIANTS) $(B)/gen/embed lib/run/counted.sh lib/run/module.mk
	$(call say,GEN)
	$(Q)lib/run/counted.sh $(CODE_GENERATED) > $@.new
	$(Q)$(B)/gen/embed code $$(cat $@.new) -- $(CODE_VARIANTS) > $(B)/gen/embedded_code.c.new
	$(Q)cmp -s $(B)/gen/embedded_code.c.new $(B)/gen/embedded_code.c || cp $(B)/gen/embedded_code.c.new $(B)/gen/embedded_code.c
	$(Q)mv $@.new $@

$(B)/gen/embedded_code.c: $(B)/gen/counted
	@[ -e $@ ] || { rm -f $<; $(MAKE) --no-print-directory $<; }
