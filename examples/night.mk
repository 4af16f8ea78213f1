# One round of a campaign: every request that is ready, by the command that hg-triage says, one a lane at most.
#
#   make -f examples/night.mk -j2 -k CAMPAIGN=night
#
# Repeat it for what had to wait for its lane; a request that failed is shown, and stops no other (-k).

CAMPAIGN ?= night
READY := $(shell hg-triage -s ready '$(CAMPAIGN)' 2> /dev/null | cut -f 1)

.PHONY: all $(READY)
all: $(READY)

$(READY):
	@sh -c "`hg-triage -s ready '$(CAMPAIGN)' 2> /dev/null | awk -F '\t' '$$1 == "$@" { print $$5 }'`"
