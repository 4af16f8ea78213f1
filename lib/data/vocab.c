#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/child.h"
#include "base/file.h"
#include "base/say.h"
#include "data/shard.h"
#include "data/vocab.h"

#define MODEL_MAX_BYTES ((size_t)64 << 20)
#define PIECE_MAX_BYTES 65535
#define PROMPT_MAX_BYTES ((size_t)1 << 20)

/* The byte vocabulary: id = byte + BYTE_FIRST; before them pad, BOS, EOS, unknown. */
#define BYTE_FIRST 4
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
};

struct vocab {
	char *file; /* the model's bytes, into which the pieces point; NULL for the byte vocabulary */
	char *path;
	struct piece *pieces;
	uint32_t size, bos;
	int is_bytes, joins_lines;
	char sha256[SHA256_HEX_SIZE];
};

/* A length-delimited stretch of the file that is being read, as protobuf lays it. */
struct wire {
	const unsigned char *p, *end;
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
		}
	}
	if (rc == -1)
		return ("a piece that is cut off");
	if (p->bytes == 0)
		return ("an empty piece");
	return (finish_piece(p) == -1 ? "a byte piece that names no byte" : NULL);
}

/* Trainer settings: the id that begins documents. */
static const char *
read_trainer(struct wire w, uint64_t *bos)
{
	struct field field;
	int rc;

	while ((rc = read_field(&w, &field)) == 1)
		if (field.number == 41 && field.type == 0)
			*bos = field.varint;
	return (rc == -1 ? "trainer settings that are cut off" : NULL);
}

static const char *
read_normalizer(struct wire w, int *joins_lines)
{
	struct field field;
	int rc;

	while ((rc = read_field(&w, &field)) == 1)
		if (field.number == 1 && field.type == 2)
			*joins_lines = field.body.end - field.body.p >= 4 && memcmp(field.body.p, "nmt_", 4) == 0;
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
			wrong = read_trainer(field.body, &bos);
		else if (field.number == 3)
			wrong = read_normalizer(field.body, &v->joins_lines);
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
	if ((v->file = file_read(AT_FDCWD, path, MODEL_MAX_BYTES, &bytes)) == NULL) {
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
		p->counts = p->counts_mark = id >= BYTE_FIRST;
		p->byte = (uint8_t)(id - BYTE_FIRST);
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
vocab_sha256(const struct vocab *v)
{
	return (v->sha256);
}

int
vocab_joins_lines(const struct vocab *v)
{
	return (v->joins_lines);
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

int
vocab_decode(const struct vocab *v, const int32_t *ids, uint64_t n, struct str *out)
{
	const struct piece *p;
	size_t at, had = out->n;
	uint64_t i;
	int rc = 0;

	for (i = 0; i < n && rc == 0; i++) {
		assert((uint32_t)ids[i] < v->size);
		p = &v->pieces[ids[i]];
		switch (p->type) {
		case VOCAB_CONTROL:
		case VOCAB_UNUSED:
			break;
		case VOCAB_UNKNOWN:
			rc = str_puts(out, " \xe2\x81\x87 ");
			break;
		case VOCAB_BYTE:
			rc = str_add(out, &p->byte, 1);
			break;
		default:
			for (at = 0; at < p->bytes && rc == 0;) {
				if (p->bytes - at >= MARK_BYTES && memcmp(p->text + at, space_mark, MARK_BYTES) == 0) {
					rc = str_puts(out, " ");
					at += MARK_BYTES;
				} else
					rc = str_add(out, p->text + at++, 1);
			}
		}
	}
	if (rc == -1 && out->p != NULL)
		out->p[out->n = had] = '\0';
	return (rc);
}

/* Read the ids that spm_encode printed. */
static int
parse_ids(const struct vocab *v, const char *text, size_t bytes, int32_t *ids, uint64_t *count)
{
	const char *p = text, *end = text + bytes;
	uint32_t id;

	*count = 0;
	while (p < end) {
		if (*p == ' ' || *p == '\n') {
			p++;
			continue;
		}
		for (id = 0; p < end && *p >= '0' && *p <= '9' && id < SHARD_MAX_VOCAB; p++)
			id = 10 * id + (uint32_t)(*p - '0');
		if (id >= v->size || (p < end && *p != ' ' && *p != '\n'))
			return (-1);
		ids[(*count)++] = (int32_t)id;
	}
	return (*count > 0 && (uint32_t)ids[0] == v->bos ? 0 : -1);
}

/* Through unnamed files: a pipe in and a pipe out could wait for each other. */
static int
encode_model(const struct vocab *v, const char *text, size_t n, int64_t wait_ms, int32_t **ids, uint64_t *count,
    struct inputerror *f)
{
	struct str model = STR_INIT;
	const char *argv[] = { "spm_encode", NULL, "--output_format=id", "--extra_options=bos", NULL };
	FILE *in = tmpfile(), *out = tmpfile(), *err = tmpfile();
	struct child c;
	char *line = NULL, *said = NULL;
	size_t i, bytes;
	int rc = -1;

	*ids = NULL;
	if (in == NULL || out == NULL || err == NULL || str_printf(&model, "--model=%s", v->path) == -1 ||
	    (line = malloc(n + 1)) == NULL) {
		inputerror_errno(f, "encode with", v->path);
		goto done;
	}
	argv[1] = model.p;
	for (i = 0; i < n; i++)
		line[i] = text[i] == '\n' || text[i] == '\r' || text[i] == '\0' ? ' ' : text[i];
	line[n] = '\n';
	if (file_write_all(fileno(in), line, n + 1) == -1 || lseek(fileno(in), 0, SEEK_SET) == -1) {
		inputerror_errno(f, "encode with", v->path);
		goto done;
	}
	if (child_start(&c, argv, AT_FDCWD, fileno(in), fileno(out), fileno(err), wait_ms, f) == -1 ||
	    child_wait(&c, f) == -1)
		goto done;
	if (lseek(fileno(out), 0, SEEK_SET) == -1 ||
	    (said = file_read_fd(fileno(out), 16 * PROMPT_MAX_BYTES, &bytes)) == NULL ||
	    (*ids = malloc((bytes / 2 + 1) * sizeof((*ids)[0]))) == NULL) {
		inputerror_errno(f, "read what was said by", argv[0]);
		goto done;
	}
	if (parse_ids(v, said, bytes, *ids, count) == -1) {
		inputerror_set(f, REFUSAL_INPUT_INVALID, argv[0], "it printed something else",
		    "ids of the model, BOS first");
		goto done;
	}
	rc = 0;
done:
	if (rc == -1) {
		free(*ids);
		*ids = NULL;
	}
	free(said);
	free(line);
	str_free(&model);
	if (err != NULL)
		fclose(err);
	if (out != NULL)
		fclose(out);
	if (in != NULL)
		fclose(in);
	return (rc);
}

int
vocab_encode(const struct vocab *v, const char *text, size_t n, int64_t wait_ms, int32_t **ids, uint64_t *count,
    struct inputerror *f)
{
	size_t i;

	assert(wait_ms > 0);
	if (n > PROMPT_MAX_BYTES)
		return (inputerror_set(f, REFUSAL_INPUT_INVALID, "text", "more than 1 MiB", "a prompt"));
	if (!v->is_bytes)
		return (encode_model(v, text, n, wait_ms, ids, count, f));
	if ((*ids = malloc((n + 1) * sizeof((*ids)[0]))) == NULL)
		return (inputerror_errno(f, "encode", "text"));
	(*ids)[0] = (int32_t)v->bos;
	for (i = 0; i < n; i++)
		(*ids)[i + 1] = (int32_t)((unsigned char)text[i] + BYTE_FIRST);
	*count = n + 1;
	return (0);
}
