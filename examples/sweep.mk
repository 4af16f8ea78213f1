# A sweep as a Makefile: one run for each learning rate, two one-thread lanes.
#
#   make -f examples/sweep.mk -j2 -k DIR=sweep DATA=demo/data
#
# summary.json is the target: make starts a run that has none and leaves alone
# one that has.  Interrupt it whenever you like; with RETRY=-r the same command
# goes on with what is not finished.  A run that is refused is shown and does
# not stop the others (-k).  Runs share nothing, so -j2 runs two, each in a lane
# of its own.

DIR ?= sweep
DATA ?= demo/data
BASE ?= examples/specs/cpu-1min.json
RATES ?= 0.01 0.02 0.03 0.04
SET ?=
RETRY ?=

RUNS := $(RATES:%=$(DIR)/lr-%)

.PRECIOUS: $(DIR)/lr-%/summary.json $(DIR)/lr-%/spec.json
.PHONY: all
.DELETE_ON_ERROR:

all: $(RUNS:%=%/summary.json)
	@hg-status $(RUNS)

# Runs alternate between two lanes; one trainer at a time in each.
lane = $(if $(filter $1,$(wordlist 1,1,$(RATES)) $(wordlist 3,3,$(RATES))),a,b)

$(DIR)/lr-%/spec.json: | $(DIR)
	hg-spec -b $(BASE) -s data.dir=$(abspath $(DATA)) -s train.matrix_lr=$* -s system.threads=1 \
		-s system.lane=$(call lane,$*) $(SET:%=-s %) $(DIR)/lr-$*

$(DIR)/lr-%/summary.json: $(DIR)/lr-%/spec.json
	hg-run $(RETRY) -l $(DIR)/ledger $(DIR)/lr-$*
	hg-status -w $(DIR)/lr-$*

$(DIR):
	mkdir -p $@
