/* SentencePiece models: every piece of what opens can be looked at, counted and decoded, and text be encoded. */
#include <stdlib.h>

#include "t/fuzz/fuzz.h"
#include "base/str.h"
#include "data/bpe.h"
#include "data/vocab.h"
#include "data/vocab_decode.h"

#define TEXT_BYTES ((size_t)4096)

/* The model's own bytes are the text. */
static void
encode(const struct vocab *v, const uint8_t *data, size_t size)
{
	struct bpe_ids ids = { NULL, 0, 0 };
	struct bpe_encoder *e;
	struct bpe *b;
	size_t i;

	if ((b = bpe_open(v)) == NULL)
		return;
	if ((e = bpe_encoder_new(b)) == NULL ||
	    bpe_encode(e, (const char *)data, size < TEXT_BYTES ? size : TEXT_BYTES, &ids) == -1)
		abort();
	for (i = 0; i < ids.n; i++)
		fuzz_must(ids.p[i] < vocab_size(v));
	bpe_encoder_free(e);
	bpe_free(b);
	free(ids.p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str out = STR_INIT;
	struct inputerror f;
	struct vocab *v;
	int32_t ids[2];
	uint32_t i;
	size_t n;

	if ((v = vocab_open(fuzz_file("x.model", data, size), &f)) == NULL)
		return (0);
	fuzz_must(vocab_size(v) > 0 && vocab_bos(v) < vocab_size(v));
	for (i = 0; i < vocab_size(v); i++) {
		vocab_piece(v, i, &n);
		fuzz_must(vocab_target_bytes(v, vocab_bos(v), i) <= n + 1);
		ids[0] = (int32_t)vocab_bos(v);
		ids[1] = (int32_t)i;
		if (vocab_decode(v, ids, 2, &out) == -1)
			break;
	}
	encode(v, data, size);
	str_free(&out);
	vocab_free(v);
	return (0);
}
