# Homegolf.  `make demo` and `make check` are all that a stranger needs:
# both install what is missing (as root) and build first.  `make help` lists the rest.
#
# CC=clang, SAN=1 (address and undefined-behaviour sanitizers), COV=1 (coverage) and CUDA=1 are asked for, never
# detected; each has a build directory of its own.  Programs of the plain build stand beside their sources.

VERSION := 0.1.0

ifeq ($(origin CC),default)
CC := gcc
endif
VARIANT := $(notdir $(CC))$(if $(SAN),-san)$(if $(COV),-cov)$(if $(FUZZ),-fuzz)$(if $(CUDA),-cuda)
B := build/$(VARIANT)
BIN := $(if $(filter gcc,$(VARIANT)),bin,$(B)/bin)
TDIR := $(if $(filter gcc,$(VARIANT)),t,$(B)/t)

CPPFLAGS += -D_POSIX_C_SOURCE=200809L -D_XOPEN_SOURCE=700 -DHG_VERSION='"$(VERSION)"' -Ilib -I.
CFLAGS ?= -O2 -g
# No contraction: the same source gives the same bits whatever -march allows.
HG_CFLAGS := -std=c11 -ffp-contract=off -pthread -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes
# Warnings are errors for whoever works on this, not for a stranger whose compiler is newer.
WERROR := $(if $(DEV),-Werror)
HG_CFLAGS += $(WERROR)
ifdef FUZZ
HG_CFLAGS += -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
ifdef SAN
HG_CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
ifdef COV
HG_CFLAGS += --coverage
LDFLAGS += --coverage
endif
# Of OpenSSL one digest is used: from its archive, where there is one, since to relocate all of the shared library takes
# longer than what most tools do.
CRYPTO := $(shell $(CC) -print-file-name=libcrypto.a)
LDLIBS := -Wl,--as-needed -ljansson -lz -llzma $(if $(findstring /,$(CRYPTO)),$(CRYPTO),-lcrypto) -lm

# The one list of packages: build, run, demo and tests.
APT := gcc g++ libc6-dev libjansson-dev zlib1g-dev liblzma-dev libssl-dev \
	sentencepiece jq bats perl shellcheck clang-format mandoc man-db strace python3 python3-jsonschema \
	libtest-json-schema-acceptance-perl procps

# --- what there is ----------------------------------------------------------

# Each folder of lib/ lists its sources; dependencies point to the right.
MODULES := trace report campaign import judge ledger law work stage gpt data run schema base
# (Fragments have rules of their own.)
.DEFAULT_GOAL := all
include $(MODULES:%=lib/%/module.mk)

# Tools in C, and the modules each may use.
hg-data_USES := data run schema base
hg-shard_USES := data base
hg-spec_USES := work stage gpt data run schema base
hg-pace_USES := work stage gpt data run schema base
hg-train_USES := work stage gpt data run schema base
hg-export_USES := work stage gpt data run schema base
hg-prompt_USES := work stage gpt data run schema base
hg-score_USES := work stage gpt data run schema base
hg-await_USES := run schema base
hg-cancel_USES := stage run schema base
hg-active_USES := run schema base
hg-watch_USES := report import judge ledger law stage run schema base
hg-status_USES := judge ledger law run schema base
hg-gate_USES := stage run schema base
hg-reap_USES := run schema base
hg-retry_USES := stage run schema base
hg-prune_USES := judge ledger law run schema base
hg-classify_USES := judge ledger law run schema base
hg-ledger_USES := import judge ledger law run schema base
hg-diff_USES := trace ledger law run schema base
hg-lineage_USES := trace ledger law data run schema base
hg-triage_USES := campaign judge ledger law work stage gpt data run schema base
hg-report_USES := report campaign import judge ledger law work stage gpt data run schema base
# hg-ledger has a file for each subcommand; a folder called hg-ledger would stand where the program goes.
hg-ledger_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard bin/ledger/*.c))
TOOLS := hg-data hg-shard hg-spec hg-pace hg-train hg-export hg-prompt hg-score hg-await hg-cancel hg-status hg-active \
	hg-watch hg-gate hg-retry hg-reap hg-prune hg-classify hg-ledger hg-report hg-diff hg-lineage \
	hg-triage
SCRIPTS := hg-run hg-confirm hg-campaign

# Unit programs print TAP; check programs are used by tests and by hand.
UNITS := $(basename $(notdir $(wildcard t/unit/*.c)))
CHECKS := $(patsubst t/%.c,%,$(filter-out t/torture/calls.c t/torture/durable.c t/tools/simplay.c t/tools/simworld.c,$(wildcard t/torture/*.c t/bench/*.c t/tools/*.c)))
FUZZERS := $(filter-out fuzz main seeds,$(basename $(notdir $(wildcard t/fuzz/*.c))))

# ----------------------------------------------------------------------------

# As many at a time as there are processors.
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
.PHONY: all help demo check quick slowest suites tools units fuzzers lint headers format format-check analyze coverage bench sim torture \
	soak mutants fuzz check-slurm behaviours deps install uninstall installcheck dist clean

# What a rule does, in a word; V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-4s %s\n' $1 $@)

all: $(TOOLS:%=$(BIN)/%) $(if $(filter-out bin,$(BIN)),$(SCRIPTS:%=$(BIN)/%)) $(CHECKS:%=$(TDIR)/%)

objects = $(patsubst %,$(B)/lib/$1/%.o,$($1_SRC))
archives = $(foreach a,$1,$(if $($a_SRC),$(B)/libhg-$a.a))
ALL_LIBS := $(call archives,$(MODULES))
include cuda/cuda.mk

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(HG_CFLAGS) $(CFLAGS) $(ISA_CFLAGS) -MMD -MP -c -o $@ $<

# What the build generates for a module.
define embedded_rule
$(B)/lib/$1/embedded_%.o: $(B)/gen/embedded_%.c
	@mkdir -p $$(@D)
	$$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(HG_CFLAGS) $(CFLAGS) -MMD -MP -c -o $$@ $$<
endef
$(foreach a,$(MODULES),$(if $(filter $(B)/lib/$a/embedded_%,$($a_OBJ)),$(eval $(call embedded_rule,$a))))

define archive_rule
$(B)/libhg-$1.a: $(call objects,$1) $($1_OBJ) lib/$1/module.mk
	@rm -f $$@
	$$(call say,AR)
	$(Q)$(AR) rcs $$@ $$(filter %.o,$$^)
endef
$(foreach a,$(MODULES),$(if $($a_SRC),$(eval $(call archive_rule,$a))))

define tool_rule
$(BIN)/$1: $(or $($1_OBJ),$(B)/bin/$1.o) $(call archives,$($1_USES))
	@mkdir -p $$(@D)
	$$(call say,LD)
	$(Q)$(CC) $(HG_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $$@ $$^ $$(LDLIBS)
endef
$(foreach t,$(TOOLS),$(eval $(call tool_rule,$t)))

# Some have more objects, named below.
$(CHECKS:%=$(TDIR)/%): $(TDIR)/%: $(B)/t/%.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(HG_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter-out %.o,$^) $(LDLIBS)

$(TDIR)/torture/torture: $(B)/t/torture/calls.o $(B)/t/torture/durable.o
$(TDIR)/tools/sim: $(B)/t/tools/simplay.o $(B)/t/tools/simworld.o

$(patsubst %,$(B)/unit/%,$(filter-out cuda_%,$(UNITS))): $(B)/unit/%: $(B)/t/unit/%.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(HG_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/unit/trainer: private LDFLAGS += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=posix_memalign

# With FUZZ=1 libFuzzer drives the targets, else a main that feeds them files.
$(FUZZERS:%=$(B)/fuzz/%): $(B)/fuzz/%: $(B)/t/fuzz/%.o $(B)/t/fuzz/fuzz.o $(if $(FUZZ),,$(B)/t/fuzz/main.o) $(ALL_LIBS)
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

# The names of all tools, for tests and scripts.
tools:
	@echo $(TOOLS) $(SCRIPTS)

define HELP
make all             build every tool (programs stand beside their sources in bin/)
make demo            the main job on real text, three minutes; a page at its end
make check           every test; T='hg-spec noise' only these (t/NAME.bats, t/unit/NAME.c)
make quick           the fastest tests, half a minute on an idle machine
make slowest         what the last check spent its time on, and what it skipped
make lint            shellcheck, manual pages, headers alone, C as clang-format has it (make format mends)
make analyze         clang-tidy with a short list of checks, kept clean
make coverage        lines that make check executes, by module
make bench           speed beside the machine's own product rate, memory, tools
make sim             simulated campaigns through the law of judgement
make torture         a fault at every system call (FAULTS=n, SECONDS=n, SEED=n, CHAOS=n bound or vary it)
make soak            a campaign under faults, and a verdict (SECONDS=n, SEED=n)
make mutants         bugs planted into the CUDA kernels, one after the other, each to be noticed
make fuzz            libFuzzer on every parser (FUZZ_SECONDS=n each, FUZZ_TARGETS=name)
make check-slurm     eight runs and their mishaps on a Slurm of two nodes, made for it on this machine; as root
make behaviours      numbered promises that no test carries
make install         to PREFIX=/usr/local under DESTDIR; make uninstall takes it away again
make installcheck    installs into build/, and does the main thing with what is there
make dist            the committed tree as build/homegolf-$(VERSION).tar.gz
make check-gpu       on a machine with a card: all that can be proven there; make bench-gpu: how fast
make tags, make compile_commands.json   for editors

CC=clang  SAN=1 (sanitizers)  COV=1  CUDA=1  DEV=1 (warnings are errors)  BROWSER=1 (install chromium, test the page)
BRIEF=1 with SAN=1 (leave out what sanitizers gain nothing from)  V=1 (show commands)  JOBS=n
endef
export HELP
help:
	@printf '%s\n' "$$HELP"

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

# What is tested: everything, or what T names (T=hg-spec, T='spec noise'): bats files and unit programs.
# The longest are begun first, so that none is left for one core alone at the end; all others by name.
LONGEST := $(wildcard $(addprefix t/,hg-ledger.bats levers.bats hg-train.bats campaign.bats)) $(B)/unit/ops \
	$(B)/unit/cpu $(wildcard $(addprefix t/,torture.bats hg-triage.bats cuda.bats)) $(B)/unit/cuda_ops \
	$(B)/unit/cuda_train $(B)/unit/levers t/soak.bats
ALL_TESTS := $(sort $(wildcard t/*.bats)) $(UNITS:%=$(B)/unit/%)
TESTS := $(if $(T),$(foreach t,$(T),$(wildcard t/$t.bats) $(if $(filter $t,$(UNITS)),$(B)/unit/$t)),$(filter \
	$(ALL_TESTS),$(LONGEST)) $(filter-out $(LONGEST),$(ALL_TESTS)))
# Where sanitizers find nothing that other suites don't run, too; `make check SAN=1` runs them, and leaves them out, and
# says so, with BRIEF=1.  First texts, compared with texts or with what tools print; then drivers in sh, examples and
# programs of others, whose tools have suites of their own; then what mostly waits for a stage that hangs or fails, as
# stage and external do, and `make torture SAN=1`; then the numbers of whole runs and of each lever, whose operations,
# tensors and files are run by t/unit (ops, cpu, cuda_ops, trainer, gptq, artifact, resume).
SANITIZED_ELSEWHERE := style man readme contracts written \
	hg-run hg-confirm campaign night morning soak interrupted inherited examples trainers \
	stall kinds torture \
	levers golden cpu cuda gptq unit/levers unit/cuda_train
LEFT_OUT := $(if $(BRIEF),$(if $(SAN),$(if $(T),,$(SANITIZED_ELSEWHERE))))
TESTS := $(filter-out $(LEFT_OUT:%=t/%.bats) $(LEFT_OUT:%=$(B)/%),$(TESTS))
# Those that together take seconds.
QUICK := $(wildcard $(addprefix t/,style.bats hg-spec.bats hg-status.bats hg-gate.bats)) \
	$(patsubst %,$(B)/unit/%,$(filter base contract data documents markup noise run safetensors schedule spec stats,$(UNITS)))
PROVE = PATH="$(CURDIR)/$(BIN):$$PATH" HG_TOP="$(CURDIR)" HG_BUILD="$(CURDIR)/$(B)" HG_T="$(CURDIR)/$(TDIR)" HG_SAN="$(SAN)" \
	HG_BRIEF="$(BRIEF)" t/tools/prove.sh $(JOBS)

# Dependencies come first, then a fresh make reads what they brought.
ifdef BROWSER
check: APT += chromium
endif
check: deps
	@$(foreach t,$(T),[ -e t/$t.bats ] || [ -e t/unit/$t.c ] || { echo "T=$t: neither t/$t.bats nor t/unit/$t.c" >&2; exit 1; };) :
	@$(MAKE) --no-print-directory -j$(JOBS) all units fuzzers
	$(if $(T)$(SAN),,@$(MAKE) --no-print-directory lint)
	$(if $(LEFT_OUT),@echo 'left out by BRIEF=1: $(LEFT_OUT)')
	@$(PROVE) $(TESTS)

# What a check with these settings runs, by name.
suites:
	@printf '%s\n' $(basename $(notdir $(TESTS)))

quick: deps
	@$(MAKE) --no-print-directory -j$(JOBS) all units
	@$(PROVE) $(QUICK)

# The slowest tests and all that were skipped, as the last check saw them.
slowest:
	@t/tools/prove.sh -s $(B)

FORMATTED = $(shell git ls-files '*.c' '*.h' 2>/dev/null || find bin lib t -name '*.[ch]')
# Every header compiles alone, without a warning.  What uses VEC_FN is the body of a variant of the cpu backend.
HEADERS = $(shell grep -L VEC_FN $(wildcard lib/*/*.h lib/*/*/*.h bin/*/*.h t/*/*.h))

headers: $(foreach h,$(HEADERS),$(B)/$h.ok)

$(B)/%.h.ok: %.h
	@mkdir -p $(@D)
	$(call say,H)
	$(Q)$(CC) $(CPPFLAGS) $(HG_CFLAGS) -Werror -Wno-unused-function -MMD -MP -MF $@.d -MT $@ -fsyntax-only -x c-header $< && touch $@

lint: format-check
	@$(MAKE) --no-print-directory -j$(JOBS) headers
	shellcheck $(SCRIPTS:%=bin/%) $(wildcard examples/*.sh examples/*/*.sh t/run lib/*/*.sh t/*/*.sh cuda/*.sh .ci/run)
	mandoc -T lint -W warning $(wildcard man/*.[157])

format:
	clang-format -i $(FORMATTED)

format-check:
	@clang-format --dry-run -Werror $(FORMATTED)

# A short list of checks that finds bugs, not tastes (.clang-tidy), kept clean.
analyze: APT += clang-tidy
analyze: deps compile_commands.json
	@printf '%s\n' $(filter-out cuda/% t/%,$(filter %.c,$(FORMATTED))) | \
		xargs -P $(JOBS) -n 8 clang-tidy --quiet -p . 2>$(B)/tidy.err; code=$$?; \
		[ $$code = 0 ] || { cat $(B)/tidy.err; exit $$code; }

# What editors and analyzers ask for.
compile_commands.json: Makefile $(wildcard lib/*/module.mk)
	@$(MAKE) --no-print-directory -Bn V=1 all units fuzzers | jq -Rn --arg top "$(CURDIR)" \
		'[inputs | select(test(" -c -o [^ ]+\\.o [^ ]+\\.c$$")) | {directory: $$top, command: ., file: (split(" ") | last)}] | unique_by(.file)' \
		> $@.new && mv $@.new $@

tags: $(FORMATTED)
	ctags -f $@ $(FORMATTED)

# Lines executed by `make check`, a number for each module.
coverage: APT += gcovr
coverage: deps
	@$(MAKE) --no-print-directory COV=1 check
	@gcovr -r . --object-directory build/$(notdir $(CC))-cov --json-summary -o build/coverage.json -e 't/.*' -e 'build/.*' && \
		jq -r '[.files[] | {m: (.filename | split("/")[:-1] | join("/")), c: .line_covered, n: .line_total}] | group_by(.m)[] | \
		"\(.[0].m)\t\((map(.c) | add) * 1000 / (map(.n) | add) | round / 10) %"' build/coverage.json

# Simulated campaigns through the real law: the table of hg-ledger(1), some minutes.
sim: $(TDIR)/tools/sim
	$(TDIR)/tools/sim

# Faults injected into every tool at every system call: FAULTS=n bounds each scenario and mode, SECONDS=n the whole,
# SEED=n repeats an order, CHAOS=n kills whole runs at random moments instead.
torture: deps
	@$(MAKE) --no-print-directory -j$(JOBS) all
	HG_BIN="$(CURDIR)/$(BIN)" HG_T="$(CURDIR)/$(TDIR)" t/torture/torture.sh $(if $(FAULTS),-n $(FAULTS)) \
		$(if $(SECONDS),-b $(SECONDS)) $(if $(SEED),-S $(SEED)) $(if $(CHAOS),-c $(CHAOS)) $(SCENARIOS)

# A campaign under faults for SECONDS, and a verdict.
soak: deps
	@$(MAKE) --no-print-directory -j$(JOBS) all
	d=$$(mktemp -d) && PATH="$(CURDIR)/$(BIN):$(CURDIR)/bin:$$PATH" \
		/usr/bin/python3 t/soak/soak.py -t $(or $(SECONDS),300) -s $(or $(SEED),1) "$$d/soak"

# Every bug that is planted into the CUDA kernels must be noticed without a card.
mutants: deps
	@$(MAKE) --no-print-directory -j$(JOBS) units
	$(B)/mutate

# Each parser fed by libFuzzer for FUZZ_SECONDS; findings are kept in build/found/.
FUZZ_SECONDS ?= 60
fuzz: APT += clang libclang-rt-14-dev
fuzz: deps
	@$(MAKE) --no-print-directory -j$(JOBS) CC=clang FUZZ=1 fuzzers
	t/fuzz/fuzz.sh -b build/clang-fuzz/fuzz -t $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# A campaign on a Slurm of two nodes, made for it on this machine; where that can't be, it says why.
check-slurm: APT += slurm-wlm munge
check-slurm:
	@if $(MAKE) --no-print-directory deps APT='$(APT)'; then \
		$(MAKE) --no-print-directory -j$(JOBS) all && HG_BIN="$(CURDIR)/$(BIN)" t/slurm/slurm.sh; \
	else \
		echo 'skipped: slurm-wlm and munge cannot be installed'; \
	fi

demo: deps
	@$(MAKE) --no-print-directory -j$(JOBS) all
	PATH="$(CURDIR)/bin:$$PATH" sh examples/demo.sh

# Speed, share of the machine's own product rate, memory; beside the peer where torch is (PYTHON=...).
bench: all
	sh t/bench/bench.sh
	sh t/bench/tools.sh

behaviours:
	@for n in $$(seq 1 99); do \
		grep -qE "test_tags=.*\\bb$$n\\b" t/*.bats t/*/*.sh t/unit/*.c || echo b$$n; \
	done

PREFIX ?= /usr/local
BINDIR = $(DESTDIR)$(PREFIX)/bin
MANDIR = $(DESTDIR)$(PREFIX)/share/man
MANS := $(wildcard man/*.[157])
install: all
	install -d $(BINDIR) $(addprefix $(MANDIR)/man,1 5 7)
	install -m 755 $(TOOLS:%=$(BIN)/%) $(SCRIPTS:%=bin/%) $(BINDIR)
	for m in $(MANS); do install -m 644 $$m $(MANDIR)/man$${m##*.}; done

# Only what install puts there, by name.
uninstall:
	cd $(BINDIR) && rm -f $(TOOLS) $(SCRIPTS)
	for m in $(MANS); do rm -f $(MANDIR)/man$${m##*.}/$${m#man/}; done

# The installed tools do the main thing, out of reach of this tree's bin/.
INSTALLED := $(CURDIR)/$(B)/installed
installcheck: deps
	@rm -rf $(INSTALLED)
	@$(MAKE) --no-print-directory -j$(JOBS) install DESTDIR= PREFIX=$(INSTALLED) >/dev/null
	@sh t/tools/installcheck.sh $(INSTALLED) $(VERSION)
	@$(MAKE) --no-print-directory uninstall DESTDIR= PREFIX=$(INSTALLED)
	@[ -z "$$(find $(INSTALLED) -type f)" ] || { find $(INSTALLED) -type f; exit 1; }

# The release's tree as an archive; what is not committed is not in it.
dist:
	@mkdir -p build
	git archive --prefix=homegolf-$(VERSION)/ -o build/homegolf-$(VERSION).tar.gz HEAD
	@echo build/homegolf-$(VERSION).tar.gz

clean:
	rm -rf build tags compile_commands.json $(TOOLS:%=bin/%) $(CHECKS:%=t/%)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
