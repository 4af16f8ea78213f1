# A sweep as a Makefile: one run for each learning rate, judged as they come.
#
#   make -f examples/sweep.mk -j2 -k DIR=sweep DATA=demo/data
#   make -f examples/sweep.mk -j2 -k DIR=sweep DATA=demo/data LANES="one two"
#
# The first rate is the incumbent.  Its run comes first, then the seeds that
# calibrate the lane, so that each other rate is screened when it is added and
# none has to be run again to be judged.
#
# Noise belongs to a lane, a named setting of the machine with one trainer at a
# time (two sockets, two GPUs), so runs of two lanes are never set beside each
# other.  With several LANES the other rates are dealt to them in turns, and
# each lane has a run of the first rate and a calibration of its own, in the
# same ledger: every rate is judged in its lane.  The best of each further lane,
# if it passed the screen there, is made again with another seed in the first
# one, where it is judged beside what passed there; one confirmation in the
# first lane is then all that is left to ask for.
#
# With -j2 two lanes train at once; in one lane the next run trains while the
# last one is scored.  A schedule by the clock wants the machine for itself, so
# leave -j2 out there.
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
LANES ?= $(LANE)
SET ?=
RETRY ?= -i

SCORE := artifact_score_summary.json
LEDGER := $(DIR)/ledger
HOME_LANE := $(firstword $(LANES))
FIRST := $(DIR)/lr-$(firstword $(RATES))

# RATE:LANE of each but the first.
DEALT := $(shell printf '%s\n' $(wordlist 2,$(words $(RATES)),$(RATES)) | \
	awk -v lanes="$(LANES)" 'BEGIN { n = split(lanes, lane, " ") } NF { print $$1 ":" lane[(NR - 1) % n + 1] }')
rates_of = $(patsubst %:$(1),$(DIR)/lr-%,$(filter %:$(1),$(DEALT)))
AWAY := $(foreach lane,$(filter-out $(HOME_LANE),$(LANES)),$(if $(call rates_of,$(lane)),$(lane)))
USED := $(HOME_LANE) $(AWAY)
base_of = $(if $(filter $(1),$(HOME_LANE)),$(FIRST),$(FIRST).$(1))

RUNS := $(foreach lane,$(USED),$(call base_of,$(lane)) $(call rates_of,$(lane)))

.PHONY: all $(USED:%=calibrated-%) $(AWAY:%=home-from-%)
.PRECIOUS: $(RUNS:%=%/$(SCORE)) $(RUNS:%=%/spec.json)

# A run that was scored and then interrupted has no row yet; the others' stand.
all: $(RUNS:%=%/$(SCORE)) $(AWAY:%=home-from-%) | $(USED:%=calibrated-%)
	@hg-ledger add $(LEDGER) $(RUNS)
	@hg-status $(RUNS) $(foreach lane,$(AWAY),$(wildcard $(patsubst %,%.$(HOME_LANE),$(call rates_of,$(lane)))))

# Of what looks better in the lane $*, the run with the greatest gain is made again in the first lane.
best = hg-ledger list $(LEDGER) | awk -v of="$(notdir $(call rates_of,$*))" \
	'BEGIN { n = split(of, run, " "); for (i = 1; i <= n; i++) ours[run[i]] = 1 } \
	($$2 in ours) && ($$4 == "second_wanted" || $$4 == "promising") && (best == "" || $$6 < gain) { \
		best = $$2; gain = $$6 } END { print best }'

$(AWAY:%=home-from-%): home-from-%:
	@hg-ledger add $(LEDGER) $(call rates_of,$*)
	@best=`$(best)` && [ -n "$$best" ] || exit 0; run=$(DIR)/$$best new=$(DIR)/$$best.$(HOME_LANE); \
	if [ ! -e $$new/spec.json ]; then \
		set -- `hg-ledger next $(LEDGER) $$run` && \
		hg-spec -b $$run/spec.json -s system.lane=$(HOME_LANE) -s train.seed=$$1 \
			$${2:+-s train.data_offset=$$2} $$new; \
	fi && if [ -e $$new/$(SCORE) ]; then hg-ledger add $(LEDGER) $$new; else hg-run $(RETRY) -l $(LEDGER) $$new; fi

$(USED:%=calibrated-%): calibrated-%:
	@hg-ledger show $(LEDGER) $(call base_of,$*) > /dev/null 2>&1 || hg-ledger add $(LEDGER) $(call base_of,$*)
	hg-confirm -c $(LEDGER) $(call base_of,$*)

define in_lane
calibrated-$(1): $(call base_of,$(1))/$(SCORE)
home-from-$(1): $(patsubst %,%/$(SCORE),$(call rates_of,$(1))) | calibrated-$(HOME_LANE)
$(patsubst %,%/$(SCORE),$(call rates_of,$(1))): | calibrated-$(1)
$(patsubst %,%/spec.json,$(call base_of,$(1)) $(call rates_of,$(1))): LANE := $(1)
$(call base_of,$(1))/spec.json: RATE := $(firstword $(RATES))
endef
$(foreach lane,$(USED),$(eval $(call in_lane,$(lane))))

$(RUNS:%=%/$(SCORE)): %/$(SCORE): %/spec.json
	hg-run $(RETRY) -l $(LEDGER) $*

$(RUNS:%=%/spec.json): $(DIR)/lr-%/spec.json: | $(DIR)
	hg-spec -b $(BASE) -s data.dir=$(abspath $(DATA)) -s train.matrix_lr=$(or $(RATE),$*) -s system.threads=1 \
		-s system.lane=$(LANE) $(SET:%=-s %) $(DIR)/lr-$*

$(DIR):
	mkdir -p $@
