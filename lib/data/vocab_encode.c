#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "data/bpe.h"
#include "data/child.h"
#include "data/shard.h"
#include "data/vocab_encode.h"

#define PROMPT_MAX_BYTES ((size_t)1 << 20)

/* Read the ids that spm_encode printed; each further line is one of the text. */
static int
parse_ids(const struct vocab *v, const char *text, size_t bytes, int32_t *ids, uint64_t *count)
{
	const char *p = text, *end = text + bytes;
	uint32_t id;
	int opens = 0; /* BOS of a further line comes */

	*count = 0;
	while (p < end) {
		if (*p == ' ') {
			p++;
			continue;
		}
		if (*p == '\n') {
			p++;
			opens = p < end;
			if (opens)
				ids[(*count)++] = vocab_byte_id(v, '\n');
			continue;
		}
		for (id = 0; p < end && *p >= '0' && *p <= '9' && id < SHARD_MAX_VOCAB; p++)
			id = 10 * id + (uint32_t)(*p - '0');
		if (id >= vocab_size(v) || (p < end && *p != ' ' && *p != '\n'))
			return (-1);
		if (opens && id != vocab_bos(v))
			return (-1);
		if (!opens)
			ids[(*count)++] = (int32_t)id;
		opens = 0;
	}
	return (*count > 0 && (uint32_t)ids[0] == vocab_bos(v) ? 0 : -1);
}

/* A text as whoever encodes it gets it, with a line break behind it. Owns: the caller frees. */
static char *
plain(const struct vocab *v, const char *text, size_t n)
{
	char *line;
	size_t i;

	if ((line = malloc(n + 1)) == NULL)
		return (NULL);
	for (i = 0; i < n; i++)
		line[i] = (text[i] == '\n' && !vocab_keeps_lines(v)) || text[i] == '\r' || text[i] == '\0' ? ' ' :
													     text[i];
	line[n] = '\n';
	return (line);
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
	size_t bytes;
	int rc = -1;

	*ids = NULL;
	if (in == NULL || out == NULL || err == NULL || str_printf(&model, "--model=%s", vocab_path(v)) == -1 ||
	    (line = plain(v, text, n)) == NULL) {
		inputerror_errno(f, "encode with", vocab_path(v));
		goto done;
	}
	argv[1] = model.p;
	if (file_write_all(fileno(in), line, n + 1) == -1 || lseek(fileno(in), 0, SEEK_SET) == -1) {
		inputerror_errno(f, "encode with", vocab_path(v));
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

/* By our own encoder: lines apart where they are kept. */
static int
encode_here(const struct bpe *b, const struct vocab *v, const char *text, size_t n, struct bpe_ids *ids)
{
	const uint16_t bos = (uint16_t)vocab_bos(v), newline = (uint16_t)vocab_byte_id(v, '\n');
	struct bpe_encoder *e = bpe_encoder_new(b);
	const char *end = text + n, *p;
	int rc;

	rc = e == NULL ? -1 : bpe_ids_add(ids, &bos, 1);
	for (; rc == 0; text = p + 1) {
		if ((p = memchr(text, '\n', (size_t)(end - text))) == NULL)
			p = end;
		if ((rc = bpe_encode(e, text, (size_t)(p - text), ids)) == -1 || p == end)
			break;
		rc = bpe_ids_add(ids, &newline, 1);
	}
	bpe_encoder_free(e);
	return (rc);
}

static int
encode_bpe(const struct bpe *b, const struct vocab *v, const char *text, size_t n, int32_t **ids, uint64_t *count,
    struct inputerror *f)
{
	struct bpe_ids found = { NULL, 0, 0 };
	char *line = plain(v, text, n);
	size_t i;

	*ids = NULL;
	if (line != NULL && encode_here(b, v, line, n, &found) == 0 && (*ids = malloc(found.n * sizeof(**ids))) != NULL)
		for (i = 0; i < found.n; i++)
			(*ids)[i] = found.p[i];
	*count = found.n;
	free(found.p);
	free(line);
	return (*ids == NULL ? inputerror_errno(f, "encode with", vocab_path(v)) : 0);
}

int
vocab_encode(const struct vocab *v, const char *text, size_t n, int64_t wait_ms, int32_t **ids, uint64_t *count,
    struct inputerror *f)
{
	struct bpe *b;
	size_t i;
	int rc;

	assert(wait_ms > 0);
	if (n > PROMPT_MAX_BYTES)
		return (inputerror_set(f, REFUSAL_INPUT_INVALID, "text", "more than 1 MiB", "a prompt"));
	if (!vocab_is_bytes(v)) {
		if ((b = bpe_open(v)) == NULL)
			return (errno == ENOTSUP ? encode_model(v, text, n, wait_ms, ids, count, f) :
						   inputerror_errno(f, "encode with", vocab_path(v)));
		rc = encode_bpe(b, v, text, n, ids, count, f);
		bpe_free(b);
		return (rc);
	}
	if ((*ids = malloc((n + 1) * sizeof((*ids)[0]))) == NULL)
		return (inputerror_errno(f, "encode", "text"));
	(*ids)[0] = (int32_t)vocab_bos(v);
	for (i = 0; i < n; i++)
		(*ids)[i + 1] = (int32_t)((unsigned char)text[i] + VOCAB_BYTE_FIRST);
	*count = n + 1;
	return (0);
}
