#ifndef HG_TOKENIZER_H
#define HG_TOKENIZER_H

#include <stdint.h>

#include "data/corpus.h"
#include "data/inputerror.h"
#include "data/vocab.h"

/**
 * The SentencePiece model of a data directory: copied from where the user has
 * one, or trained by spm_train on a sample of the training documents.  Either
 * leaves it in ${dirfd} as TOKENIZER_FILE, durable.
 * Owns:   the caller calls vocab_free.
 * Errors: NULL, said, *f filled.
 * Checked: t/hg-data.bats.
 */
#define TOKENIZER_FILE "tokenizer.model"

struct vocab *tokenizer_copy(int dirfd, const char *model, struct inputerror *f);

/* The one that stands in the directory already. */
struct vocab *tokenizer_open(int dirfd, struct inputerror *f);

struct tokenizer_sample {
	struct corpus *corpus;
	uint64_t text_bytes;          /* of all its documents */
	uint64_t val_docs, val_given; /* as of a struct encode; these are not sampled */
	int keep_lines;               /* train one that keeps line breaks and blanks as they are */
};

/* The vocabulary may come out smaller than asked for. */
struct vocab *
tokenizer_train(int dirfd, const struct tokenizer_sample *from, uint32_t vocab_size_asked, struct inputerror *f);

#endif
