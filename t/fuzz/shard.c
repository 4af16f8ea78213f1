/* Token shards: what opens can be read to its end, or is refused for an id. */
#include <fcntl.h>
#include <stdlib.h>

#include "t/fuzz/fuzz.h"
#include "data/shard.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct inputerror f;
	struct shard s;
	int32_t *ids;
	uint64_t i;

	if (shard_open(&s, AT_FDCWD, fuzz_file("x.bin", data, size), &f) == -1)
		return (0);
	fuzz_must(s.tokens * 2 < size);
	if ((ids = malloc(s.tokens * sizeof(*ids) + 1)) != NULL && shard_read(&s, 0, s.tokens, 1024, ids, &f) == 0)
		for (i = 0; i < s.tokens; i++)
			fuzz_must(ids[i] >= 0 && ids[i] < 1024);
	free(ids);
	shard_close(&s);
	return (0);
}
