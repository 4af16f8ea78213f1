#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/jsonio.h"
#include "base/num.h"
#include "base/progress.h"
#include "base/say.h"
#include "base/sha256.h"
#include "gpt/resume.h"
#include "gpt/safetensors.h"
#include "gpt/trainer_state.h"

#define RESUME_FORMAT "homegolf.resume.v1"

/* Of the whole file with zeros in the place of these digits; what 0.1 wrote has none. */
#define DIGEST_KEY "content_sha256"
#define DIGEST_DIGITS ((size_t)SHA256_HEX_SIZE - 1)

/* What a resume file holds, in its order: of each tensor the weights, then the state that the optimizer keeps. */
struct contents {
	struct safetensors_tensor *entries;
	struct ops_buf **bufs; /* by entry: where its elements live */
	char (*names)[PARAMS_NAME_SIZE + PARAMS_STATE_SIZE];
	size_t count;
};

static void
contents_free(struct contents *c)
{
	free(c->entries);
	free(c->bufs);
	free(c->names);
}

/* Owns: contents_free, in any case. Errors: -1 with errno ENOMEM. */
static int
contents_make(const struct trainer *t, struct contents *c)
{
	const struct params *p = model_params(t->args.model);
	const size_t room = (1 + PARAMS_STATES) * p->count;

	c->count = 0;
	c->entries = calloc(room, sizeof(*c->entries));
	c->bufs = calloc(room, sizeof(struct ops_buf *));
	c->names = calloc(room, sizeof(*c->names));
	if (c->entries == NULL || c->bufs == NULL || c->names == NULL) {
		errno = ENOMEM;
		return (-1);
	}
	for (size_t at = 0; at < room; at++) {
		const size_t i = at / (1 + PARAMS_STATES), s = at % (1 + PARAMS_STATES);
		const struct params_tensor *mine = &p->tensors[i];
		const char *suffix = s == 0 ? "" : params_state(mine->group, s - 1);
		const size_t n = s == 0 ? mine->n : params_state_n(mine, s - 1);
		const size_t dims = n == mine->n ? (size_t)mine->dims : 1;

		if (suffix == NULL || (s > 0 && optimizer_buffer(t->optimizer, i, s - 1) == NULL))
			continue;
		snprintf(c->names[c->count], sizeof(c->names[c->count]), "%s%s", mine->name, suffix);
		c->bufs[c->count] = s == 0 ? model_weight(t->args.model, i) : optimizer_buffer(t->optimizer, i, s - 1);
		c->entries[c->count] = (struct safetensors_tensor){
			.name = c->names[c->count],
			.dtype = SAFETENSORS_F32,
			.dims = dims,
			.shape = { dims == 2 ? mine->rows : n, mine->cols },
			.n = n,
		};
		c->count++;
	}
	return (0);
}

/* Micro-batches of so many steps, if each was as the trainer was opened. */
static uint64_t
usual_spans(const struct trainer *t, uint64_t step)
{
	return (step * (t->args.batch_tokens / t->args.micro_batch_tokens));
}

/* What must agree for a state to go on: the model and how a batch is taken; and how far it has come. */
static json_t *
identity(const struct trainer *t)
{
	json_t *config = config_to_json(&model_params(t->args.model)->config), *identity = NULL;
	char *text = config != NULL ? jsonio_line(config) : NULL;
	char seq_len[24], batch[24], micro[24], step[24], spans[24], averaged[24];

	snprintf(seq_len, sizeof(seq_len), "%zu", t->args.seq_len);
	snprintf(batch, sizeof(batch), "%zu", t->args.batch_tokens);
	snprintf(micro, sizeof(micro), "%zu", t->args.micro_batch_tokens);
	snprintf(step, sizeof(step), "%" PRIu64, t->step);
	if (text != NULL)
		identity = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "format", RESUME_FORMAT, "config", text,
		    "seq_len", seq_len, "batch_tokens", batch, "micro_batch_tokens", micro, "step", step);
	snprintf(spans, sizeof(spans), "%" PRIu64, t->spans);
	if (identity != NULL && t->spans != usual_spans(t, t->step))
		json_object_set_new(identity, "spans", json_string(spans));
	snprintf(averaged, sizeof(averaged), "%" PRIu64, t->averaged);
	if (identity != NULL && t->averaged != 0)
		json_object_set_new(identity, "averaged", json_string(averaged));
	free(text);
	json_decref(config);
	return (identity);
}

/* Where the digits stand in a header of ${n} bytes, or NULL. */
static char *
digest_place(char *header, size_t n)
{
	static const char key[] = "\"" DIGEST_KEY "\"";
	char *at = header, *end = header + n;

	while ((at = memchr(at, '"', (size_t)(end - at))) != NULL && (size_t)(end - at) > sizeof(key))
		if (memcmp(at++, key, sizeof(key) - 1) == 0) {
			at = memchr(at + sizeof(key) - 2, '"', (size_t)(end - at) - sizeof(key) + 2);
			return (at != NULL && (size_t)(end - at) > DIGEST_DIGITS ? at + 1 : NULL);
		}
	return (NULL);
}

/* Is the file what was saved? 0, or -1 after saying why not. */
static int
verify(const struct trainer *t, int fd, const struct safetensors *s, const char *what)
{
	const char *recorded = safetensors_metadata(s, DIGEST_KEY);
	struct sha256 *h = NULL;
	char hex[SHA256_HEX_SIZE], *header = NULL, *place;
	unsigned char head[8];
	size_t n = 8, i;
	int rc = -1;

	if (recorded == NULL)
		return (0);
	if (file_read_at(fd, head, sizeof(head), 0) == 0) {
		for (i = 0; i < sizeof(head); i++)
			n += (size_t)head[i] << 8 * i;
		header = malloc(n);
	}
	if (header == NULL || file_read_at(fd, header, n, 0) != 0 || (h = sha256_begin()) == NULL)
		goto err0;
	if ((place = digest_place(header, n)) != NULL)
		memset(place, '0', DIGEST_DIGITS);
	sha256_add(h, header, n);
	for (i = 0; i < safetensors_count(s); i++) {
		if (safetensors_get(s, safetensors_at(s, i), t->staging) != 0)
			goto out;
		sha256_add(h, t->staging, safetensors_at(s, i)->n * sizeof(*t->staging));
		progress_tick();
	}
	sha256_end(h, hex);
	h = NULL;
	if ((rc = strcmp(hex, recorded) == 0 ? 0 : -1) == -1) {
		say_error("'%s' has been altered since it was saved: remove it to begin anew", what);
		errno = EBADMSG;
	}
	goto out;
err0:
	say_errno("cannot read '%s'", what);
out:
	sha256_free(h);
	free(header);
	return (rc);
}

int
resume_save(const struct trainer *t, int fd, const json_t *extra)
{
	json_t *metadata = identity(t);
	struct sha256 *h = sha256_begin();
	char hex[SHA256_HEX_SIZE], *header = NULL;
	struct contents c;
	size_t n;
	int rc = -1;

	if (contents_make(t, &c) != 0)
		goto out;
	errno = ENOMEM;
	snprintf(hex, sizeof(hex), "%0*d", (int)DIGEST_DIGITS, 0);
	if (metadata == NULL || h == NULL || json_object_set_new(metadata, DIGEST_KEY, json_string(hex)) != 0)
		goto out;
	if (extra != NULL && json_object_update_missing(metadata, (json_t *)(uintptr_t)extra) != 0)
		goto out;
	if ((header = safetensors_header(c.entries, c.count, metadata, &n)) == NULL)
		goto out;
	sha256_add(h, header, n);
	if (file_write_all(fd, header, n) != 0)
		goto out;
	for (size_t e = 0; e < c.count; e++) {
		trainer_stage(t, c.bufs[e], c.entries[e].n);
		sha256_add(h, t->staging, c.entries[e].n * sizeof(*t->staging));
		if (file_write_all(fd, t->staging, c.entries[e].n * sizeof(*t->staging)) != 0)
			goto out;
		progress_tick();
	}
	sha256_end(h, hex);
	h = NULL;
	memcpy(digest_place(header, n), hex, DIGEST_DIGITS);
	if (lseek(fd, 0, SEEK_SET) == -1 || file_write_all(fd, header, n) != 0)
		goto out;
	rc = 0;
out:
	if (rc != 0)
		say_errno("cannot save the state of training");
	sha256_free(h);
	free(header);
	json_decref(metadata);
	contents_free(&c);
	return (rc);
}

/* Everything that identity() says, but how far it has come, must stand in the file too. */
static int
same_identity(const struct trainer *t, const struct safetensors *s, const char *what)
{
	json_t *mine = identity(t), *value;
	const char *key;
	int same = mine != NULL;

	json_object_foreach(mine, key, value) {
		const char *theirs = safetensors_metadata(s, key);

		if (strcmp(key, "step") == 0 || strcmp(key, "spans") == 0 || strcmp(key, "averaged") == 0)
			continue;
		if (theirs == NULL || strcmp(theirs, json_string_value(value)) != 0) {
			say_error("'%s' cannot be resumed here: its %s is %s, this run's is %s", what, key,
			    theirs != NULL ? theirs : "missing", json_string_value(value));
			errno = EBADMSG;
			same = 0;
			break;
		}
	}
	json_decref(mine);
	return (same);
}

/* A count that not every state has. */
static int
get_count(const struct safetensors *s, const char *key, uint64_t *count)
{
	const char *text = safetensors_metadata(s, key);

	return (text == NULL ? 0 : num_u64(text, 0, INT64_MAX, count));
}

int
resume_load(struct trainer *t, int fd, const char *what, json_t **extra)
{
	const struct model *m = t->args.model;
	const struct safetensors_tensor *found;
	struct safetensors *s = NULL;
	struct contents c;
	uint64_t step, spans = 0, averaged = 0;
	int rc = -1;

	if (contents_make(t, &c) != 0) {
		say_errno("cannot read '%s'", what);
		goto out;
	}
	if ((s = safetensors_read(fd, what)) == NULL || !same_identity(t, s, what))
		goto out;
	if (safetensors_metadata(s, "step") == NULL || safetensors_count(s) != c.count ||
	    get_count(s, "step", &step) != 0 || get_count(s, "spans", &spans) != 0 ||
	    get_count(s, "averaged", &averaged) != 0) {
		say_error("'%s' is not a whole state of training", what);
		errno = EBADMSG;
		goto out;
	}
	/* All is checked before anything changes. */
	for (size_t e = 0; e < c.count; e++) {
		found = safetensors_find(s, c.entries[e].name);
		if (found == NULL || found->dtype != SAFETENSORS_F32 || found->n != c.entries[e].n) {
			say_error("'%s' lacks tensor '%s', or has it in another shape", what, c.entries[e].name);
			errno = EBADMSG;
			goto out;
		}
	}
	if (verify(t, fd, s, what) != 0)
		goto out;
	for (size_t e = 0; e < c.count; e++) {
		if (safetensors_get(s, safetensors_find(s, c.entries[e].name), t->staging) != 0)
			goto out;
		model_ops(m)->upload(model_ctx(m), c.bufs[e], 0, t->staging, c.entries[e].n);
	}
	t->step = step;
	t->spans = safetensors_metadata(s, "spans") != NULL ? spans : usual_spans(t, step);
	t->averaged = averaged;
	if (extra != NULL)
		*extra = safetensors_all_metadata(s);
	rc = 0;
out:
	safetensors_free(s);
	contents_free(&c);
	return (rc);
}
