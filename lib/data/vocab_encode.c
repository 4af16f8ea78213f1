#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
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
	if (in == NULL || out == NULL || err == NULL || str_printf(&model, "--model=%s", vocab_path(v)) == -1 ||
	    (line = malloc(n + 1)) == NULL) {
		inputerror_errno(f, "encode with", vocab_path(v));
		goto done;
	}
	argv[1] = model.p;
	for (i = 0; i < n; i++)
		line[i] = (text[i] == '\n' && !vocab_keeps_lines(v)) || text[i] == '\r' || text[i] == '\0' ? ' ' :
													     text[i];
	line[n] = '\n';
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

int
vocab_encode(const struct vocab *v, const char *text, size_t n, int64_t wait_ms, int32_t **ids, uint64_t *count,
    struct inputerror *f)
{
	size_t i;

	assert(wait_ms > 0);
	if (n > PROMPT_MAX_BYTES)
		return (inputerror_set(f, REFUSAL_INPUT_INVALID, "text", "more than 1 MiB", "a prompt"));
	if (!vocab_is_bytes(v))
		return (encode_model(v, text, n, wait_ms, ids, count, f));
	if ((*ids = malloc((n + 1) * sizeof((*ids)[0]))) == NULL)
		return (inputerror_errno(f, "encode", "text"));
	(*ids)[0] = (int32_t)vocab_bos(v);
	for (i = 0; i < n; i++)
		(*ids)[i + 1] = (int32_t)((unsigned char)text[i] + VOCAB_BYTE_FIRST);
	*count = n + 1;
	return (0);
}
