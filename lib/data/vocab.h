#ifndef HG_VOCAB_H
#define HG_VOCAB_H

#include <stddef.h>
#include <stdint.h>

#include "data/inputerror.h"
#include "base/sha256.h"
#include "base/str.h"

/**
 * A vocabulary: what each id stands for, and how many bytes of text it counts.
 * Two kinds: a SentencePiece `.model` file, and bytes (id = byte + 4, 260 ids).
 * Both begin every document with BOS.  Immutable once opened.
 */
struct vocab;

/* The longest model file that is read. */
#define VOCAB_MAX_BYTES ((size_t)64 << 20)

/* The id of byte 0 in the byte vocabulary. */
#define VOCAB_BYTE_FIRST 4

enum vocab_type { VOCAB_NORMAL = 1, VOCAB_UNKNOWN, VOCAB_CONTROL, VOCAB_USER, VOCAB_UNUSED, VOCAB_BYTE };

/**
 * vocab_open(path, f):
 * Read a SentencePiece model: its pieces, types, BOS and dummy prefix.
 * The file may be hostile: it is bounded (64 MiB, 65,536 pieces of at most
 * 64 KiB) and nothing of it is trusted.
 * Errors: NULL, said, *f filled: tokenizer_missing, invalid, memory, io.
 * Checked: t/unit/data.c reproduces golden/bpb.json token by token.
 */
struct vocab *vocab_open(const char *path, struct inputerror *f);

/* As vocab_open; messages call the file ${what}. */
struct vocab *vocab_open_as(const char *path, const char *what, struct inputerror *f);

/* The byte vocabulary; its digest is that of the string "homegolf bytes v1". NULL with errno ENOMEM. */
struct vocab *vocab_bytes(void);
void vocab_free(struct vocab *v);

uint32_t vocab_size(const struct vocab *v);
uint32_t vocab_bos(const struct vocab *v);
int vocab_is_bytes(const struct vocab *v);
const char *vocab_path(const struct vocab *v); /* of the model's file; NULL for bytes */
const char *vocab_sha256(const struct vocab *v);

/* Does the model put a blank in front of each text (the dummy prefix), which is none of the text's? Bytes: 0. */
int vocab_adds_blank(const struct vocab *v);

/* What the model calls its rules for normalising text, of any n bytes; NULL for bytes and if it does not say. */
const char *vocab_normalizer(const struct vocab *v, size_t *n);

/* How a SentencePiece model turns text into pieces. Pointers are into the model, and valid as long as it is. */
struct vocab_rules {
	int is_bpe;                     /* and not one of the other kinds */
	int byte_fallback;              /* what no piece spells is the pieces of its bytes, not the unknown */
	int adds_blank, blank_behind;   /* the dummy prefix is there; it is a suffix, as the blanks of words are */
	int joins_blanks, marks_blanks; /* runs of blanks are one, and none at an end; U+2581 stands for a blank */
	int tests_itself;               /* the model has examples that whoever loads it must reproduce */
	const unsigned char *charsmap;  /* rules that rewrite characters, compiled; NULL: none */
	size_t charsmap_bytes;
	const char *bos_piece; /* what spells BOS */
	size_t bos_bytes;
};
const struct vocab_rules *vocab_rules(const struct vocab *v);

/* No piece goes on after a blank: words are encoded apart. */
int vocab_keeps_words(const struct vocab *v);

/* May text be encoded apart on both sides of a blank between ASCII letters or digits? No piece goes on after one. */
int vocab_cuts(const struct vocab *v);

/* Are line breaks the tokens of their byte to whoever encodes? Set before the vocabulary is used; no by default. */
void vocab_keep_lines(struct vocab *v);
int vocab_keeps_lines(const struct vocab *v);

/* The id of a byte's piece, or -1: a model without byte fallback. */
int32_t vocab_byte_id(const struct vocab *v, uint8_t byte);

/* Type of an id, and its piece as the model spells it (not NUL-terminated). id < vocab_size (asserted). */
enum vocab_type vocab_type(const struct vocab *v, uint32_t id);
const char *vocab_piece(const struct vocab *v, uint32_t id, size_t *n);
float vocab_score(const struct vocab *v, uint32_t id); /* what BPE merges by, the highest first */

/**
 * vocab_target_bytes(v, previous, id):
 * Bytes of text that target ${id} counts after ${previous}: 0 for control,
 * unknown and unused; 1 for a byte piece; else the UTF-8 length of the piece
 * without one leading U+2581, plus 1 if it had one and ${previous} is not
 * control, unknown or unused.
 */
uint32_t vocab_target_bytes(const struct vocab *v, uint32_t previous, uint32_t id);

/* The sum over ids[1..n-1], each a target after the one before it. */
uint64_t vocab_count_bytes16(const struct vocab *v, const uint16_t *ids, uint64_t n);

/* The byte of a piece of that type (VOCAB_BYTE). */
uint8_t vocab_byte(const struct vocab *v, uint32_t id);

#endif
