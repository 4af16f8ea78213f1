# The CUDA backend, twice: emulated on the host, for `make check` everywhere;
# and by nvcc, with CUDA=1.  Included by the Makefile, which defines B and Q.

CUDA_SRC := adam attention attention_grad average before branch columns convert embed gates gram graph head lanes lookup mlp muon norm ops_cuda output \
	product profile qkv selftest skip stream sumsq transfer values
CUDA_HOME ?= /usr/local/cuda

# --- emulated ---------------------------------------------------------------

EMU := $(B)/emu
ifeq ($(origin CXX),default)
CXX := $(if $(findstring clang,$(CC)),clang++,g++)
endif
comma := ,
EMU_CXXFLAGS := -std=c++20 -O2 -g -ffp-contract=off -pthread -Wall -Wextra -Werror -Wno-unknown-pragmas \
	-DHG_EMU -Icuda -Ilib -I. $(if $(SAN),-fsanitize=address$(comma)undefined -fno-sanitize-recover=all)
EMU_LDFLAGS := -g -pthread $(if $(SAN),-fsanitize=address$(comma)undefined)
CUDA_UNITS := $(filter cuda_%,$(UNITS))

$(EMU)/%.o: cuda/%.cu
	@mkdir -p $(@D)
	$(call say,EMU)
	$(Q)$(CXX) $(EMU_CXXFLAGS) $(EMU_PLANT) -MMD -MP -x c++ -c -o $@ $<

$(EMU)/%.o: cuda/%.cpp
	@mkdir -p $(@D)
	$(call say,EMU)
	$(Q)$(CXX) $(EMU_CXXFLAGS) -MMD -MP -c -o $@ $<

$(EMU)/c/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) -DHG_CUDA -DHG_EMU -Icuda $(HG_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(EMU)/libhg-cuda.a: $(CUDA_SRC:%=$(EMU)/%.o) $(EMU)/emu.o $(EMU)/emu_blas.o
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^

# The registry compiled anew knows of `cuda`; it stands before the archive that has the other one.
EMU_OBJS := $(EMU)/c/lib/gpt/ops.o $(EMU)/libhg-cuda.a
$(CUDA_UNITS:%=$(B)/unit/%): $(B)/unit/%: $(EMU)/c/t/unit/%.o $(EMU_OBJS) $(ALL_LIBS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CXX) $(EMU_LDFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(EMU)/golden: $(EMU)/c/t/tools/golden.o $(EMU_OBJS) $(ALL_LIBS)
	$(call say,LD)
	$(Q)$(CXX) $(EMU_LDFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

units: $(EMU)/golden

$(EMU)/bench: $(EMU)/bench.o $(EMU_OBJS) $(ALL_LIBS)
	$(call say,LD)
	$(Q)$(CXX) $(EMU_LDFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

units: $(EMU)/bench

# The tools that compute, with an emulated card in reach of system.backend=cuda.
EMU_TOOLS := hg-train hg-export hg-prompt hg-score
$(EMU_TOOLS:%=$(EMU)/bin/%): $(EMU)/bin/%: $(B)/bin/%.o $(EMU_OBJS) $(ALL_LIBS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CXX) $(EMU_LDFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

units: $(EMU_TOOLS:%=$(EMU)/bin/%)

# Bugs planted into the kernels must turn the tests red.
$(B)/mutate: cuda/mutate.sh $(B)/unit/cuda_ops
	$(Q)printf '#!/bin/sh\nexport CXX="%s" CXXFLAGS="%s" LINK="%s"\nexec cuda/mutate.sh "%s" "$$@"\n' \
		'$(CXX)' '$(EMU_CXXFLAGS) -O1 -g0 -w' '$(ALL_LIBS) $(EMU_LDFLAGS) $(LDFLAGS) $(LDLIBS)' '$(B)' >$@.tmp
	$(Q)chmod +x $@.tmp && mv $@.tmp $@

units: $(B)/mutate

# --- by nvcc ----------------------------------------------------------------

ifdef CUDA
NVCC ?= $(CUDA_HOME)/bin/nvcc
CUDA_ARCHS := 80 86 89 90
NVCCFLAGS := -std=c++20 -O3 -Werror all-warnings -Xcompiler -Wall,-Wextra -Xptxas -v \
	$(foreach a,$(CUDA_ARCHS),-gencode arch=compute_$a$(comma)code=sm_$a) \
	-gencode arch=compute_90$(comma)code=compute_90 -Icuda -Ilib -I.
CPPFLAGS += -DHG_CUDA
gpt_OBJ += $(CUDA_SRC:%=$(B)/cuda/%.o)
LDLIBS += -L$(CUDA_HOME)/lib64 -Wl,-rpath,$(CUDA_HOME)/lib64 -lcublasLt -lcudart_static -ldl -lrt -lstdc++

# What ptxas says of registers and spills is kept beside the object, for t/cuda.bats.
$(B)/cuda/%.o: cuda/%.cu
	@mkdir -p $(@D)
	$(call say,NVCC)
	$(Q)$(NVCC) $(NVCCFLAGS) -MMD -MP -c -o $@ $< 2> $(@:.o=.ptxas) || { cat $(@:.o=.ptxas) >&2; false; }

# The unit programs again, on the card.
DEVICE := $(B)/device
$(CUDA_UNITS:%=$(DEVICE)/%): $(DEVICE)/%: $(B)/t/unit/%.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(HG_CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(DEVICE)/bench: $(B)/cuda/bench.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(HG_CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

device: all $(CUDA_UNITS:%=$(DEVICE)/%) $(DEVICE)/bench
units: $(CUDA_UNITS:%=$(DEVICE)/%) $(DEVICE)/bench
endif

# On a machine with a card.  Both print, and leave in a file, all that is worth sending back.
.PHONY: check-gpu bench-gpu device
check-gpu bench-gpu:
	@sh cuda/device.sh $(CUDA_HOME)/bin/nvcc
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory CUDA=1 device
	CUDA_HOME=$(CUDA_HOME) sh cuda/$@.sh build/$(notdir $(CC))-cuda
