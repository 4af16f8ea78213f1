# Homegolf.  `make demo` and `make check` are all that a stranger needs:
# both install what is missing (as root) and build first.
#
#   all  demo  check  lint  install  bench  sim  torture  fuzz  behaviours  clean
#
# CC=clang, SAN=1 (address and undefined-behaviour sanitizers) and CUDA=1 are
# asked for, never detected; each has a build directory of its own.  Programs
# of the plain build stand beside their sources in bin/.

VERSION := 0.1.0

ifeq ($(origin CC),default)
CC := gcc
endif
VARIANT := $(notdir $(CC))$(if $(SAN),-san)$(if $(FUZZ),-fuzz)$(if $(CUDA),-cuda)
B := build/$(VARIANT)
BIN := $(if $(filter gcc,$(VARIANT)),bin,$(B)/bin)
T := $(if $(filter gcc,$(VARIANT)),t,$(B)/t)

CPPFLAGS += -D_POSIX_C_SOURCE=200809L -D_XOPEN_SOURCE=700 -DHG_VERSION='"$(VERSION)"' $(addprefix -Ilib/,base run data gpt work judge import report) -I$(B)
CFLAGS ?= -O2 -g
# No contraction: the same source gives the same bits whatever -march allows.
HG_CFLAGS := -std=c11 -ffp-contract=off -pthread -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Werror
ifdef FUZZ
HG_CFLAGS += -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
ifdef SAN
HG_CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
LDLIBS := -Wl,--as-needed -ljansson -lz -lcrypto -lm

# The one list of packages: build, run, demo and tests.
APT := gcc g++ libc6-dev libjansson-dev zlib1g-dev libssl-dev \
	sentencepiece jq bats perl shellcheck mandoc man-db strace python3 python3-jsonschema \
	libtest-json-schema-acceptance-perl procps

# --- what there is ----------------------------------------------------------

# Each folder of lib/ lists its sources; dependencies point to the right.
AREAS := report import judge work gpt data run base
# (Fragments have rules of their own.)
.DEFAULT_GOAL := all
include $(AREAS:%=lib/%/area.mk)

# Tools in C, and the areas each may use.
hg-data_USES := data run base
hg-shard_USES := data base
hg-spec_USES := gpt data run base
hg-pace_USES := gpt data run base
hg-train_USES := work gpt data run base
hg-export_USES := work gpt data run base
hg-prompt_USES := work gpt data run base
hg-score_USES := work gpt data run base
hg-await_USES := run base
hg-cancel_USES := run base
hg-status_USES := run base
hg-gate_USES := run base
hg-reap_USES := run base
hg-retry_USES := run base
hg-classify_USES := judge run base
hg-ledger_USES := import judge run base
hg-report_USES := report import judge run base
TOOLS := hg-data hg-shard hg-spec hg-pace hg-train hg-export hg-prompt hg-score hg-await hg-cancel hg-status hg-gate \
	hg-retry hg-reap hg-classify hg-ledger hg-report
SCRIPTS := hg-run hg-confirm

# Unit programs print TAP; check programs are used by tests and by hand.
UNITS := $(basename $(notdir $(wildcard t/unit/*.c)))
CHECKS := $(filter-out fuzz-%,$(basename $(notdir $(wildcard t/*.c))))
FUZZERS := $(basename $(notdir $(wildcard t/fuzz-*.c)))

# ----------------------------------------------------------------------------

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
.PHONY: all demo check units fuzzers lint install bench sim torture fuzz behaviours deps clean

# What a rule does, in a word; V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-4s %s\n' $1 $@)

all: $(TOOLS:%=$(BIN)/%) $(if $(filter-out bin,$(BIN)),$(SCRIPTS:%=$(BIN)/%)) $(CHECKS:%=$(T)/%)

objects = $(patsubst %,$(B)/lib/$1/%.o,$($1_SRC))
archives = $(foreach a,$1,$(if $($a_SRC),$(B)/libhg-$a.a))
ALL_LIBS := $(call archives,$(AREAS))
include cuda/cuda.mk

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(HG_CFLAGS) $(CFLAGS) $(ISA_CFLAGS) -MMD -MP -c -o $@ $<

define archive_rule
$(B)/libhg-$1.a: $(call objects,$1) $($1_OBJ)
	@rm -f $$@
	$$(call say,AR)
	$(Q)$(AR) rcs $$@ $$^
endef
$(foreach a,$(AREAS),$(if $($a_SRC),$(eval $(call archive_rule,$a))))

define tool_rule
$(BIN)/$1: $(B)/bin/$1.o $(call archives,$($1_USES))
	@mkdir -p $$(@D)
	$$(call say,LD)
	$(Q)$(CC) $(HG_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $$@ $$^ $$(LDLIBS)
endef
$(foreach t,$(TOOLS),$(eval $(call tool_rule,$t)))

$(CHECKS:%=$(T)/%): $(T)/%: $(B)/t/%.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(HG_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(T)/torture: $(B)/t/tracer/calls.o $(B)/t/tracer/durable.o

$(patsubst %,$(B)/unit/%,$(filter-out cuda_%,$(UNITS))): $(B)/unit/%: $(B)/t/unit/%.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(HG_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/unit/trainer: private LDFLAGS += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=posix_memalign

# With FUZZ=1 libFuzzer drives the targets, else a main that feeds them files.
$(FUZZERS:%=$(B)/fuzz/%): $(B)/fuzz/%: $(B)/t/%.o $(B)/t/fuzz/fuzz.o $(if $(FUZZ),,$(B)/t/fuzz/main.o) $(ALL_LIBS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(HG_CFLAGS) $(CFLAGS) $(LDFLAGS) $(if $(FUZZ),-fsanitize=fuzzer) -o $@ $^ $(LDLIBS)

$(B)/fuzz/seeds: $(B)/t/fuzz/seeds.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(HG_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

fuzzers: $(FUZZERS:%=$(B)/fuzz/%) $(B)/fuzz/seeds

ifneq ($(BIN),bin)
$(SCRIPTS:%=$(BIN)/%): $(BIN)/%: bin/%
	@mkdir -p $(@D)
	install -m 755 $< $@
endif

units: $(UNITS:%=$(B)/unit/%)

# Only what is missing is asked for; apt is not touched when nothing is.
deps:
	@missing=; for p in $(APT); do \
		dpkg-query -W -f='$${db:Status-Status}\n' $$p 2>/dev/null | grep -qx installed || missing="$$missing $$p"; \
	done; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" = 0 ]; then \
			apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing; \
		else \
			echo "missing packages; as root: apt-get install --no-install-recommends$$missing" >&2; exit 1; \
		fi; \
	fi

# Dependencies come first, then a fresh make reads what they brought.
check: deps
	@$(MAKE) --no-print-directory -j2 all units fuzzers
	@$(MAKE) --no-print-directory lint
	PATH="$(CURDIR)/$(BIN):$$PATH" HG_TOP="$(CURDIR)" HG_BUILD="$(CURDIR)/$(B)" HG_T="$(CURDIR)/$(T)" HG_SAN="$(SAN)" \
		prove -j2 --exec t/run $(sort $(wildcard t/*.bats)) $(UNITS:%=$(B)/unit/%)

lint:
	shellcheck $(wildcard bin/hg-run bin/hg-confirm examples/*.sh t/run t/*.sh cuda/*.sh .ci/run)
	mandoc -T lint -W warning $(wildcard man/*.[157])

# Simulated campaigns through the real law: the table of hg-ledger(1), some minutes.
sim: $(T)/sim
	$(T)/sim

# Faults injected into every tool at every system call: FAULTS=n bounds each scenario and mode, SECONDS=n the whole,
# SEED=n repeats an order, CHAOS=n kills whole runs at random moments instead.
torture: deps
	@$(MAKE) --no-print-directory -j2 all
	HG_BIN="$(CURDIR)/$(BIN)" HG_T="$(CURDIR)/$(T)" t/torture.sh $(if $(FAULTS),-n $(FAULTS)) \
		$(if $(SECONDS),-b $(SECONDS)) $(if $(SEED),-S $(SEED)) $(if $(CHAOS),-c $(CHAOS)) $(SCENARIOS)

# Each parser fed by libFuzzer for FUZZ_SECONDS; findings are kept in build/found/.
FUZZ_SECONDS ?= 60
fuzz: APT += clang libclang-rt-14-dev
fuzz: deps
	@$(MAKE) --no-print-directory -j2 CC=clang FUZZ=1 fuzzers
	t/fuzz.sh -b build/clang-fuzz/fuzz -t $(FUZZ_SECONDS) $(FUZZ_TARGETS)

demo: deps
	@$(MAKE) --no-print-directory -j2 all
	PATH="$(CURDIR)/bin:$$PATH" sh examples/demo.sh

# Speed, share of the machine's own product rate, memory; beside the peer where torch is (PYTHON=...).
bench: all
	sh t/bench.sh
	sh t/bench-tools.sh

behaviours:
	@for n in $$(seq 1 62); do \
		grep -qE "test_tags=.*\\bb$$n\\b" t/*.bats || echo b$$n; \
	done

PREFIX ?= /usr/local
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(addprefix $(DESTDIR)$(PREFIX)/share/man/man,1 5 7)
	install -m 755 $(TOOLS:%=$(BIN)/%) $(SCRIPTS:%=bin/%) $(DESTDIR)$(PREFIX)/bin
	for s in 1 5 7; do install -m 644 $$(ls man/*.$$s) $(DESTDIR)$(PREFIX)/share/man/man$$s; done

clean:
	rm -rf build $(TOOLS:%=bin/%) $(CHECKS:%=t/%)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
