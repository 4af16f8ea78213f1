# Contracts: JSON Schema, as far as it is needed, and the files that follow it.
schema_SRC := check plan contract later lint interrupted

# Contracts and lists of files become sources (lib/schema/embed.c prints them).
schema_OBJ = $(B)/lib/schema/embedded_contracts.o
CONTRACTS := $(sort $(wildcard contracts/*.json))

$(B)/gen/embed: lib/schema/embed.c $(B)/libhg-base.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CPPFLAGS) $(HG_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/gen/embedded_contracts.c: $(CONTRACTS) $(B)/gen/embed lib/schema/module.mk
	$(call say,GEN)
	$(Q)$(B)/gen/embed contracts $(CONTRACTS) > $@.new && mv $@.new $@
