#define _GNU_SOURCE /* syscall */

#include <errno.h>

#include "gpt/cpu/isa.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* State components that the system saves on a switch (XCR0). */
#define XCR0_AVX 0x6u
#define XCR0_AVX512 0xe6u
#define XCR0_TILES 0x60000u

#define ARCH_REQ_XCOMP_PERM 0x1023
#define XTILEDATA 18

static uint64_t
xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return ((uint64_t)high << 32 | low);
}

static int
all(uint64_t set, uint64_t bits)
{
	return ((set & bits) == bits);
}

unsigned
isa_features(void)
{
	unsigned a, b, c, d, b7, d7, a71 = 0, features = 0;
	uint64_t saved;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !all(c, bit_OSXSAVE | bit_AVX | bit_FMA))
		return (0);
	saved = xcr0();
	if (!all(saved, XCR0_AVX) || !__get_cpuid_count(7, 0, &a, &b7, &c, &d7) || !all(b7, bit_AVX2))
		return (0);
	features |= ISA_AVX2;
	if (a >= 1 && __get_cpuid_count(7, 1, &a71, &b, &c, &d) == 0)
		a71 = 0;
	if (!all(saved, XCR0_AVX512) || !all(b7, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL))
		return (features);
	features |= ISA_AVX512;
	if (!all(a71, 1u << 5))
		return (features);
	features |= ISA_AVX512_BF16;
	if (all(saved, XCR0_TILES) && all(d7, 1u << 22 | 1u << 24))
		features |= ISA_AMX_BF16;
	return (features);
}

int
isa_request_tiles(void)
{
	return (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0 ? 0 : -1);
}

#else

unsigned
isa_features(void)
{
	return (0);
}

int
isa_request_tiles(void)
{
	errno = ENODEV;
	return (-1);
}

#endif
