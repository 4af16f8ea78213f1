#ifndef HG_EMU_CONTROL_H
#define HG_EMU_CONTROL_H

/**
 * What tests may ask of the emulated device (emu.cpp).  Process-wide, for one
 * thread; every function may be called at any time the device is idle.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In which order the threads of a block, the blocks of a grid, and the streams of the device run. */
enum emu_order { EMU_FORWARD, EMU_REVERSE, EMU_RANDOM };

void emu_set_order(enum emu_order order, uint64_t seed);

/* Device memory in all; an allocation that passes it fails as on a full card.  At first 8 GiB, or $HG_EMU_MEMORY. */
void emu_set_memory(size_t bytes);

/* Cards that the driver reports; 0: as without a driver.  At first 1, or $HG_EMU_DEVICES. */
void emu_set_devices(int count);

/* Whether streams capture; if not, every capture ends with an error. */
void emu_set_capture(int works);

/* Counted since the program began. */
struct emu_counts {
	uint64_t submitted;          /* kernels, products, copies, marks */
	uint64_t allocations;        /* cudaMalloc and cudaMallocHost */
	uint64_t waits;              /* calls that wait for the device */
	uint64_t captured, replayed; /* graphs made, and launched */
	uint64_t live_bytes;         /* device memory now allocated */
	uint64_t damaged;            /* guard zones found overwritten: global at free, shared after each block */
};

struct emu_counts emu_count(void);

/* Look at the guard zones of all live allocations now; the number of them that are damaged. */
size_t emu_damaged_now(void);

#ifdef __cplusplus
}
#endif

#endif
