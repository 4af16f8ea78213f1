/*
 * Artifacts.  What is no stream of zlib or xz is taken for the contents of one and compressed first, so that the
 * fuzzer gets behind the checksum.
 */
#include <stdlib.h>
#include <zlib.h>

#include "gpt/artifact.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct artifact a;
	uint8_t *stream = NULL;
	uLongf n;

	if (size > 1 << 20)
		return (0);
	if (size < 2 || (data[0] != 0xfd && (data[0] != 0x78 || (data[0] * 256 + data[1]) % 31 != 0))) {
		n = compressBound(size);
		if ((stream = malloc(n)) == NULL || compress2(stream, &n, data, size, 1) != Z_OK) {
			free(stream);
			return (0);
		}
		data = stream;
		size = n;
	}
	if (artifact_read(data, size, "fuzz", &a) == 0)
		artifact_free(&a);
	free(stream);
	return (0);
}
