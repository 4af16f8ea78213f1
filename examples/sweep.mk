# A sweep as a Makefile: one run for each learning rate, judged as they come.
#
#   make -f examples/sweep.mk -j2 -k DIR=sweep DATA=demo/data
#
# The first rate is the incumbent.  Its run comes first, then the seeds that
# calibrate the lane, so that each other rate is screened when it is added and
# none has to be run again to be judged.
#
# All runs share one lane.  Noise belongs to a lane, a named setting of the
# machine with one trainer at a time, so runs of two lanes are never set beside
# each other: half a sweep in another lane would wait for an incumbent and a
# calibration of its own.  With -j2 the next run trains while the last one is
# scored; a schedule by the clock wants the machine for itself, so leave -j2
# out there.  Whoever has two settings (two sockets, two GPUs) has two sweeps:
# DIR=sweep-a LANE=a beside DIR=sweep-b LANE=b, each judged by its own ledger.
#
# The receipt of the score is the target: make starts a run that has none and
# leaves alone one that has.  Interrupt it whenever you like; the same command
# goes on, each run from where it was.  A run that is refused is shown, does
# not stop the others (-k), and fails the sweep each time; with RETRY=-r it is
# tried again.

DIR ?= sweep
DATA ?= demo/data
BASE ?= examples/specs/cpu-1min.json
RATES ?= 0.02 0.01 0.015 0.03 0.04 0.06
LANE ?= sweep
SET ?=
RETRY ?= -i

RUNS := $(RATES:%=$(DIR)/lr-%)
FIRST := $(firstword $(RUNS))
SCORE := artifact_score_summary.json

.PHONY: all calibrated
.PRECIOUS: $(RUNS:%=%/$(SCORE)) $(RUNS:%=%/spec.json)

# A run that was scored and then interrupted has no row yet; the others' stand.
all: $(RUNS:%=%/$(SCORE)) | calibrated
	@hg-ledger add $(DIR)/ledger $(RUNS)
	@hg-status $(RUNS)

calibrated: $(FIRST)/$(SCORE)
	hg-confirm -c $(DIR)/ledger $(FIRST)

$(filter-out $(FIRST)/$(SCORE),$(RUNS:%=%/$(SCORE))): | calibrated

$(RUNS:%=%/$(SCORE)): %/$(SCORE): %/spec.json
	hg-run $(RETRY) -l $(DIR)/ledger $*

$(RUNS:%=%/spec.json): $(DIR)/lr-%/spec.json: | $(DIR)
	hg-spec -b $(BASE) -s data.dir=$(abspath $(DATA)) -s train.matrix_lr=$* -s system.threads=1 \
		-s system.lane=$(LANE) $(SET:%=-s %) $(DIR)/lr-$*

$(DIR):
	mkdir -p $@
