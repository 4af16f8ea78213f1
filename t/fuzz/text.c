/* Small texts: numbers, durations, times, locks, and what is shown on a terminal. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "t/fuzz/fuzz.h"
#include "base/num.h"
#include "run/runlock.h"
#include "base/say.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text, clean[256], back[CLOCK_TEXT_SIZE];
	struct runlock lock;
	int64_t i, wall_ms;
	uint64_t u;
	size_t k;
	double f;

	if ((text = malloc(size + 1)) == NULL)
		return (0);
	memcpy(text, data, size);
	text[size] = '\0';
	if (num_u64(text, 3, 1000, &u) == 0)
		fuzz_must(u >= 3 && u <= 1000);
	if (num_i64(text, -5, 1000, &i) == 0)
		fuzz_must(i >= -5 && i <= 1000);
	if (num_f64(text, -1, 2.5, &f) == 0)
		fuzz_must(isfinite(f) && f >= -1 && f <= 2.5);
	if (num_duration_ms(text, 100000, &i) == 0)
		fuzz_must(i >= 1 && i <= 100000);
	if (clock_parse(text, &wall_ms) == 0)
		fuzz_must(strcmp(clock_text(back, wall_ms), text) == 0);
	if (runlock_parse((const char *)data, size, &lock) == RUNLOCK_GOOD)
		fuzz_must(lock.owner.pid > 0 && lock.attempt > 0 &&
		    memchr(lock.owner.host, '\0', sizeof(lock.owner.host)) != NULL);
	say_clean(clean, sizeof(clean), text);
	for (k = 0; clean[k] != '\0'; k++)
		fuzz_must((unsigned char)clean[k] >= 0x20 && clean[k] != 0x7f);
	free(text);
	return (0);
}
