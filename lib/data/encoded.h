#ifndef HG_ENCODED_H
#define HG_ENCODED_H

#include <stdint.h>

#include "data/corpus.h"
#include "data/inputerror.h"
#include "data/vocab.h"

/* Documents of a corpus on their way to ids, in order: what whoever encodes them is given, and hands over. */
struct encoded_from {
	int dirfd;
	struct corpus *corpus; /* each of its buckets is forgotten once it was read */
	const struct vocab *vocab;
	int keep_lines;          /* line breaks are a token, that of their byte */
	uint64_t skip, skip_end; /* documents of these numbers in the order are passed over */
};

/* One of them. */
struct encoded {
	const uint16_t *ids; /* BOS first */
	uint64_t n;
	uint64_t bytes;                            /* that the ids count */
	uint64_t lost_bytes, lost;                 /* of the text; lost: the document does not come back as it was */
	unsigned char digest[CORPUS_DIGEST_BYTES]; /* of the ids; not of the byte vocabulary's, where texts tell more */
};

/* Takes one document, in order; -1 ends the encoding. */
typedef int encoded_sink(void *cookie, const struct corpus_doc *doc, const struct encoded *d, struct inputerror *f);

/* What one thread needs to measure them. */
struct encoded_meter;
struct encoded_meter *encoded_meter_new(const struct vocab *v); /* NULL with errno ENOMEM */
void encoded_meter_free(struct encoded_meter *m);

/* Fill in what follows from d->ids and the text. 0, or -1 with errno ENOMEM. */
int encoded_measure(struct encoded_meter *m, const struct corpus_doc *doc, struct encoded *d);

#endif
