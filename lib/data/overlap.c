#include <stdlib.h>

#include "base/sha256.h"
#include "data/overlap.h"

struct overlap {
	struct corpus_set *val;
	struct sha256 *digest; /* of the document under way */
	uint64_t ids;          /* of it */
};

struct overlap *
overlap_new(void)
{
	struct overlap *o;

	if ((o = calloc(1, sizeof(*o))) == NULL)
		return (NULL);
	if ((o->val = corpus_set_new()) == NULL || (o->digest = sha256_begin()) == NULL) {
		overlap_free(o);
		return (NULL);
	}
	return (o);
}

void
overlap_free(struct overlap *o)
{
	if (o == NULL)
		return;
	corpus_set_free(o->val);
	sha256_free(o->digest);
	free(o);
}

void
overlap_ids(struct overlap *o, const uint16_t *ids, uint64_t n)
{
	sha256_add(o->digest, ids, n * sizeof(ids[0]));
	o->ids += n;
}

int
overlap_end(struct overlap *o, int is_val)
{
	unsigned char digest[CORPUS_DIGEST_BYTES];
	char hex[SHA256_HEX_SIZE];
	uint64_t ids = o->ids;

	sha256_next(o->digest, hex);
	o->ids = 0;
	if (ids <= 1)
		return (0);
	corpus_digest(hex, digest);
	return (overlap_digest(o, digest, is_val));
}

int
overlap_digest(struct overlap *o, const unsigned char digest[CORPUS_DIGEST_BYTES], int is_val)
{
	if (is_val)
		return (corpus_set_add(o->val, digest) == -1 ? -1 : 0);
	return (corpus_set_has(o->val, digest));
}
