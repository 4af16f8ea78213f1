/* Safetensors: whatever opens can be read to the last byte. */
#include <stdlib.h>

#include "t/fuzz/fuzz.h"
#include "gpt/safetensors.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct safetensors_tensor *t;
	struct safetensors *s;
	uint64_t bytes = 0;
	size_t i;
	float *x;

	if ((s = safetensors_parse(data, size, "fuzz")) == NULL)
		return (0);
	for (i = 0; i < safetensors_count(s); i++) {
		t = safetensors_at(s, i);
		bytes += t->bytes;
		fuzz_must(bytes <= size);
		if ((x = malloc(t->n * sizeof(*x) + 1)) != NULL && safetensors_get_f32(s, t, x) == 0)
			fuzz_must(safetensors_find(s, t->name) != NULL);
		free(x);
	}
	json_decref(safetensors_all_metadata(s));
	safetensors_free(s);
	return (0);
}
