#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/say.h"
#include "data/shard.h"
#include "data/vocab.h"

#define PIECE_MAX_BYTES 65535

/* The byte vocabulary: before VOCAB_BYTE_FIRST pad, BOS, EOS, unknown. */
#define BYTE_SIZE 260
#define BYTE_NAME "homegolf bytes v1"

static const char space_mark[] = "\xe2\x96\x81"; /* U+2581 */
#define MARK_BYTES (sizeof(space_mark) - 1)

struct piece {
	const char *text;
	uint16_t bytes;      /* length of text */
	uint16_t counts;     /* bytes of text it stands for, a leading space mark not counted */
	uint8_t marked;      /* has a leading space mark that may count one more */
	uint8_t counts_mark; /* 1 unless control, unknown or unused: a mark after it counts */
	uint8_t type;
	uint8_t byte; /* of a byte piece */
	float score;
};

/* A length-delimited stretch of the file that is being read, as protobuf lays it. */
struct wire {
	const unsigned char *p, *end;
};

struct vocab {
	char *file; /* the model's bytes, into which the pieces point; NULL for the byte vocabulary */
	char *path;
	struct piece *pieces;
	uint32_t size, bos;
	int is_bytes;
	int keeps_lines;
	struct vocab_rules encoding;
	struct wire rules; /* what the model calls them, in the file; NULL if it does not say */
	int maps_own;      /* its normaliser's rules are not among those known by name */
	char sha256[SHA256_HEX_SIZE];
};

struct field {
	uint32_t number;
	unsigned type; /* 0 varint, 1 eight bytes, 2 delimited, 5 four bytes */
	uint64_t varint;
	struct wire body;
};

static int
read_varint(struct wire *w, uint64_t *x)
{
	unsigned shift;

	*x = 0;
	for (shift = 0; shift < 64; shift += 7) {
		if (w->p == w->end)
			return (-1);
		*x |= (uint64_t)(*w->p & 127) << shift;
		if ((*w->p++ & 128) == 0)
			return (0);
	}
	return (-1);
}

/* The next field: 1; 0 at the end; -1 if the bytes are no protobuf. */
static int
read_field(struct wire *w, struct field *field)
{
	uint64_t key, n;

	if (w->p == w->end)
		return (0);
	if (read_varint(w, &key) == -1 || key >> 3 == 0 || key >> 3 > 536870911)
		return (-1);
	field->number = (uint32_t)(key >> 3);
	field->type = key & 7;
	field->varint = 0;
	field->body.p = field->body.end = w->p;
	switch (field->type) {
	case 0:
		return (read_varint(w, &field->varint) == -1 ? -1 : 1);
	case 1:
		n = 8;
		break;
	case 2:
		if (read_varint(w, &n) == -1)
			return (-1);
		break;
	case 5:
		n = 4;
		break;
	default:
		return (-1);
	}
	if (n > (uint64_t)(w->end - w->p))
		return (-1);
	field->body.p = w->p;
	field->body.end = w->p += n;
	return (1);
}

static int
hex_digit(char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *p = c == '\0' ? NULL : strchr(digits, c);

	return (p == NULL ? -1 : (int)(p - digits));
}

/* Derive what a piece counts from its text and type; -1 for a byte piece that names no byte. */
static int
finish_piece(struct piece *p)
{
	int high, low;

	p->counts_mark = p->type != VOCAB_CONTROL && p->type != VOCAB_UNKNOWN && p->type != VOCAB_UNUSED;
	if (!p->counts_mark)
		return (0);
	if (p->type == VOCAB_BYTE) {
		if (p->bytes != 6 || memcmp(p->text, "<0x", 3) != 0 || p->text[5] != '>' ||
		    (high = hex_digit(p->text[3])) == -1 || (low = hex_digit(p->text[4])) == -1)
			return (-1);
		p->byte = (uint8_t)(high << 4 | low);
		p->counts = 1;
		return (0);
	}
	p->counts = p->bytes;
	if (p->bytes >= MARK_BYTES && memcmp(p->text, space_mark, MARK_BYTES) == 0) {
		p->marked = 1;
		p->counts -= MARK_BYTES;
	}
	return (0);
}

static float
read_float(const unsigned char *p)
{
	uint32_t bits = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
	float x;

	memcpy(&x, &bits, sizeof(x));
	return (x);
}

static const char *
read_piece(struct wire w, struct piece *p)
{
	struct field field;
	int rc;

	p->type = VOCAB_NORMAL;
	p->text = "";
	while ((rc = read_field(&w, &field)) == 1) {
		if (field.number == 1 && field.type == 2) {
			if (field.body.end - field.body.p > PIECE_MAX_BYTES)
				return ("a piece of more than 65535 bytes");
			p->text = (const char *)field.body.p;
			p->bytes = (uint16_t)(field.body.end - field.body.p);
		} else if (field.number == 3 && field.type == 0) {
			if (field.varint < VOCAB_NORMAL || field.varint > VOCAB_BYTE)
				return ("a piece of unknown type");
			p->type = (uint8_t)field.varint;
		} else if (field.number == 2 && field.type == 5)
			p->score = read_float(field.body.p);
	}
	if (rc == -1)
		return ("a piece that is cut off");
	if (p->bytes == 0)
		return ("an empty piece");
	return (finish_piece(p) == -1 ? "a byte piece that names no byte" : NULL);
}

/* Trainer settings: the id that begins documents, and what was trained. */
static const char *
read_trainer(struct wire w, struct vocab_rules *rules, uint64_t *bos)
{
	struct field field;
	int rc;

	while ((rc = read_field(&w, &field)) == 1)
		if (field.number == 41 && field.type == 0)
			*bos = field.varint;
		else if (field.number == 3 && field.type == 0)
			rules->is_bpe = field.varint == 2;
		else if (field.number == 24 && field.type == 0)
			rules->blank_behind = field.varint != 0;
		else if (field.number == 35 && field.type == 0)
			rules->byte_fallback = field.varint != 0;
		else if (field.number == 46 && field.type == 2) {
			rules->bos_piece = (const char *)field.body.p;
			rules->bos_bytes = (size_t)(field.body.end - field.body.p);
		}
	return (rc == -1 ? "trainer settings that are cut off" : NULL);
}

static int
names_known_rules(struct wire w)
{
	static const char *const known[] = { "identity", "nfkc", "nmt_nfkc", "nfkc_cf", "nmt_nfkc_cf" };
	size_t i, n = (size_t)(w.end - w.p);

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (n == strlen(known[i]) && memcmp(w.p, known[i], n) == 0)
			return (1);
	return (0);
}

static const char *
read_normalizer(struct wire w, struct vocab *v)
{
	struct field field;
	int rc;

	while ((rc = read_field(&w, &field)) == 1)
		if (field.number == 1 && field.type == 2) {
			v->maps_own = !names_known_rules(field.body);
			v->rules = field.body;
		} else if (field.number == 2 && field.type == 2) {
			v->encoding.charsmap = field.body.p;
			v->encoding.charsmap_bytes = (size_t)(field.body.end - field.body.p);
		} else if (field.number == 3 && field.type == 0)
			v->encoding.adds_blank = field.varint != 0;
		else if (field.number == 4 && field.type == 0)
			v->encoding.joins_blanks = field.varint != 0;
		else if (field.number == 5 && field.type == 0)
			v->encoding.marks_blanks = field.varint != 0;
	return (rc == -1 ? "normaliser settings that are cut off" : NULL);
}

/* What is wrong with the model, or NULL. */
static const char *
read_model(struct vocab *v, size_t bytes)
{
	struct wire w = { (const unsigned char *)v->file, (const unsigned char *)v->file + bytes };
	struct field field;
	const char *wrong = NULL;
	uint64_t bos = 1;
	int rc;

	/* Unless the settings say otherwise. */
	v->encoding.adds_blank = v->encoding.joins_blanks = v->encoding.marks_blanks = 1;
	v->encoding.bos_piece = "<s>";
	v->encoding.bos_bytes = 3;
	if ((v->pieces = calloc(SHARD_MAX_VOCAB, sizeof(v->pieces[0]))) == NULL)
		return ("too large for memory");
	while ((rc = read_field(&w, &field)) == 1) {
		if (field.type != 2)
			continue;
		if (field.number == 1) {
			if (v->size == SHARD_MAX_VOCAB)
				return ("more than 65536 pieces, whose ids don't fit into a shard");
			wrong = read_piece(field.body, &v->pieces[v->size++]);
		} else if (field.number == 2)
			wrong = read_trainer(field.body, &v->encoding, &bos);
		else if (field.number == 3)
			wrong = read_normalizer(field.body, v);
		else if (field.number == 4)
			v->encoding.tests_itself = 1;
		if (wrong != NULL)
			return (wrong);
	}
	if (rc == -1 || v->size == 0)
		return ("no SentencePiece model");
	if (bos >= v->size || v->pieces[bos].type != VOCAB_CONTROL)
		return ("a model without a BOS that is a control piece");
	v->bos = (uint32_t)bos;
	return (NULL);
}

struct vocab *
vocab_open(const char *path, struct inputerror *f)
{
	return (vocab_open_as(path, path, f));
}

struct vocab *
vocab_open_as(const char *path, const char *what, struct inputerror *f)
{
	const char *wrong;
	struct vocab *v;
	size_t bytes;

	if ((v = calloc(1, sizeof(*v))) == NULL || (v->path = malloc(strlen(path) + 1)) == NULL) {
		inputerror_errno(f, "read", what);
		goto err0;
	}
	strcpy(v->path, path);
	if ((v->file = file_read(AT_FDCWD, path, VOCAB_MAX_BYTES, &bytes)) == NULL) {
		inputerror_errno(f, "read", what);
		if (f != NULL && f->kind == REFUSAL_INPUT_MISSING)
			f->kind = REFUSAL_TOKENIZER_MISSING;
		goto err0;
	}
	if (sha256_hex(v->file, bytes, v->sha256) == -1) {
		inputerror_errno(f, "read", what);
		goto err0;
	}
	if ((wrong = read_model(v, bytes)) != NULL) {
		inputerror_set(f, REFUSAL_INPUT_INVALID, what, wrong, "a SentencePiece model");
		goto err0;
	}
	return (v);
err0:
	vocab_free(v);
	return (NULL);
}

struct vocab *
vocab_bytes(void)
{
	struct vocab *v;
	struct piece *p;
	uint32_t id;

	if ((v = calloc(1, sizeof(*v))) == NULL || (v->pieces = calloc(BYTE_SIZE, sizeof(v->pieces[0]))) == NULL ||
	    sha256_hex(BYTE_NAME, sizeof(BYTE_NAME) - 1, v->sha256) == -1) {
		vocab_free(v);
		errno = ENOMEM;
		return (NULL);
	}
	v->size = BYTE_SIZE;
	v->bos = 1;
	v->is_bytes = 1;
	for (id = 0; id < BYTE_SIZE; id++) {
		p = &v->pieces[id];
		p->text = "";
		p->type = id < 3 ? VOCAB_CONTROL : id == 3 ? VOCAB_UNKNOWN : VOCAB_BYTE;
		p->counts = p->counts_mark = id >= VOCAB_BYTE_FIRST;
		p->byte = (uint8_t)(id - VOCAB_BYTE_FIRST);
	}
	return (v);
}

void
vocab_free(struct vocab *v)
{
	if (v == NULL)
		return;
	free(v->pieces);
	free(v->file);
	free(v->path);
	free(v);
}

uint32_t
vocab_size(const struct vocab *v)
{
	return (v->size);
}

const char *
vocab_normalizer(const struct vocab *v, size_t *n)
{
	*n = (size_t)(v->rules.end - v->rules.p);
	return ((const char *)v->rules.p);
}

uint32_t
vocab_bos(const struct vocab *v)
{
	return (v->bos);
}

int
vocab_is_bytes(const struct vocab *v)
{
	return (v->is_bytes);
}

const char *
vocab_path(const struct vocab *v)
{
	return (v->path);
}

const char *
vocab_sha256(const struct vocab *v)
{
	return (v->sha256);
}

int
vocab_adds_blank(const struct vocab *v)
{
	return (v->encoding.adds_blank);
}

/* Does a space mark stand in the piece behind something else? */
static int
goes_on_after_blank(const struct piece *p)
{
	size_t at, marks = 0;

	while (marks + MARK_BYTES <= p->bytes && memcmp(p->text + marks, space_mark, MARK_BYTES) == 0)
		marks += MARK_BYTES;
	for (at = marks; at + MARK_BYTES <= p->bytes; at++)
		if (memcmp(p->text + at, space_mark, MARK_BYTES) == 0 || p->text[at] == ' ')
			return (1);
	return (0);
}

const struct vocab_rules *
vocab_rules(const struct vocab *v)
{
	return (&v->encoding);
}

int
vocab_keeps_words(const struct vocab *v)
{
	uint32_t id;

	for (id = 0; id < v->size; id++)
		if (goes_on_after_blank(&v->pieces[id]))
			return (0);
	return (1);
}

int
vocab_cuts(const struct vocab *v)
{
	return (!v->is_bytes && !v->maps_own && vocab_keeps_words(v));
}

void
vocab_keep_lines(struct vocab *v)
{
	v->keeps_lines = 1;
}

int
vocab_keeps_lines(const struct vocab *v)
{
	return (v->keeps_lines);
}

int32_t
vocab_byte_id(const struct vocab *v, uint8_t byte)
{
	uint32_t id;

	for (id = 0; id < v->size; id++)
		if (v->pieces[id].type == VOCAB_BYTE && v->pieces[id].byte == byte)
			return ((int32_t)id);
	return (-1);
}

enum vocab_type
vocab_type(const struct vocab *v, uint32_t id)
{
	assert(id < v->size);
	return ((enum vocab_type)v->pieces[id].type);
}

float
vocab_score(const struct vocab *v, uint32_t id)
{
	assert(id < v->size);
	return (v->pieces[id].score);
}

const char *
vocab_piece(const struct vocab *v, uint32_t id, size_t *n)
{
	assert(id < v->size);
	*n = v->pieces[id].bytes;
	return (v->pieces[id].text);
}

uint32_t
vocab_target_bytes(const struct vocab *v, uint32_t previous, uint32_t id)
{
	assert(previous < v->size && id < v->size);
	return (v->pieces[id].counts + (uint32_t)(v->pieces[id].marked & v->pieces[previous].counts_mark));
}

uint64_t
vocab_count_bytes16(const struct vocab *v, const uint16_t *ids, uint64_t n)
{
	uint64_t bytes = 0, i;

	for (i = 1; i < n; i++)
		bytes += vocab_target_bytes(v, ids[i - 1], ids[i]);
	return (bytes);
}

uint8_t
vocab_byte(const struct vocab *v, uint32_t id)
{
	assert(id < v->size);
	return (v->pieces[id].byte);
}
