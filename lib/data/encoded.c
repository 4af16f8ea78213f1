#include <stdlib.h>

#include "base/sha256.h"
#include "data/encoded.h"
#include "data/textloss.h"

struct encoded_meter {
	const struct vocab *vocab;
	struct textloss loss;
	struct sha256 *digest;
};

struct encoded_meter *
encoded_meter_new(const struct vocab *v)
{
	struct encoded_meter *m;

	if ((m = calloc(1, sizeof(*m))) == NULL)
		return (NULL);
	m->vocab = v;
	if ((m->digest = sha256_begin()) == NULL) {
		free(m);
		return (NULL);
	}
	return (m);
}

void
encoded_meter_free(struct encoded_meter *m)
{
	if (m == NULL)
		return;
	sha256_free(m->digest);
	textloss_free(&m->loss);
	free(m);
}

int
encoded_measure(struct encoded_meter *m, const struct corpus_doc *doc, struct encoded *d)
{
	const struct textloss before = m->loss;
	char hex[SHA256_HEX_SIZE];

	d->bytes = vocab_count_bytes16(m->vocab, d->ids, d->n);
	/* Bytes are the text: nothing to decode, and copies are found by it. */
	if (vocab_is_bytes(m->vocab))
		return (0);
	if (textloss_add(&m->loss, m->vocab, d->ids, d->n, doc->text, doc->bytes) == -1)
		return (-1);
	d->lost_bytes = m->loss.bytes - before.bytes;
	d->lost = m->loss.documents - before.documents;
	sha256_add(m->digest, d->ids, d->n * sizeof(d->ids[0]));
	sha256_next(m->digest, hex);
	corpus_digest(hex, d->digest);
	return (0);
}
