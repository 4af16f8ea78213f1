#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "schema/contract.h"
#include "schema/later.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "run/spec.h"
#include "run/specdigest.h"
#include "base/str.h"

#define HOUR_MS ((int64_t)3600 * 1000)
#define DAY_MS (24 * HOUR_MS)

const struct bind spec_keys[] = {
	BIND(struct spec_limits, "budget.max_wallclock_ms", cap_ms),
	BIND(struct spec_limits, "budget.artifact_cap_bytes", artifact_cap_bytes),
	BIND(struct spec_limits, "budget.train_deadline_ms", train_deadline_ms),
	BIND(struct spec_limits, "budget.export_deadline_ms", export_deadline_ms),
	BIND(struct spec_limits, "budget.prompt_deadline_ms", prompt_deadline_ms),
	BIND(struct spec_limits, "budget.score_deadline_ms", score_deadline_ms),
	BIND(struct spec_limits, "budget.lane_wait_ms", lane_wait_ms),
	BIND(struct spec_limits, "budget.stall_ms", stall_ms),
	BIND(struct spec_limits, "budget.overhead_ms", overhead_ms),
	BIND(struct spec_limits, "system.lane", lane),
	BIND(struct spec_limits, "system.cpus", cpus),
	BIND_END,
};

const struct spec_taken spec_taken[] = {
	{ "model.vocab_size", "data.vocab_size" },
	{ "eval.seq_len", "train.seq_len" },
	{ NULL, NULL },
};

/* Every digest that can be recomputed from the file itself; 0, or -1 with errno, said. */
static int
verify(const json_t *spec, const char *what)
{
	json_t *digests = json_object_get(spec, "digests"), *again, *member;
	const char *key;
	size_t i;
	int rc = -1;

	for (i = 0; spec_taken[i].key != NULL; i++)
		if (json_is_null(jsonio_get(spec, spec_taken[i].key))) {
			say_error("'%s': %s: null is not filled in", what, spec_taken[i].key);
			errno = EBADMSG;
			return (-1);
		}
	if ((again = json_copy(digests)) == NULL || specdigest_again(spec, again) == -1 ||
	    json_object_set(again, "tokenizer_sha256", jsonio_get(spec, "data.tokenizer_sha256")) == -1) {
		errno = ENOMEM;
		say_errno("cannot verify '%s'", what);
		goto out;
	}
	json_object_foreach(again, key, member) {
		if (json_equal(member, json_object_get(digests, key)))
			continue;
		say_error("'%s' was edited: digests.%s is %s, but the content gives %s", what, key,
		    jsonio_text(digests, key, ""), json_string_value(member));
		errno = EBADMSG;
		goto out;
	}
	rc = 0;
out:
	json_decref(again);
	return (rc);
}

int
spec_read(int rundir, const char *path, struct spec *s)
{
	struct str what = STR_INIT;
	const struct bind *row;
	char *text;
	size_t n;
	int rc = -1, error;

	memset(s, 0, sizeof(*s));
	if ((text = file_read(rundir, SPEC_FILE, CONTRACT_MAX_BYTES, &n)) == NULL) {
		if (errno != ENOENT)
			say_errno("cannot read '%s/%s'", path, SPEC_FILE);
		return (-1);
	}
	s->text = text;
	s->text_bytes = n;
	if (str_printf(&what, "%s/%s", path, SPEC_FILE) == -1 || sha256_hex(text, n, s->text_sha256) == -1) {
		say_errno("cannot read '%s/%s'", path, SPEC_FILE);
		goto err0;
	}
	if ((s->json = contract_parse(text, n, what.p, "spec")) == NULL)
		goto err0;
	/* The digests are of what the file says; what it leaves out is known only after them. */
	if (verify(s->json, what.p) == -1)
		goto err0;
	if (later_fill("spec", s->json) == -1) {
		say_errno("cannot read '%s'", what.p);
		goto err0;
	}
	s->run_id = jsonio_text(s->json, "run_id", "");
	s->run_uid = jsonio_text(s->json, "run_uid", "");
	for (row = spec_keys; row->path != NULL; row++)
		(void)bind_set(row, &s->limits, jsonio_get(s->json, row->path));
	rc = 0;
	goto out;
err0:
	error = errno;
	spec_free(s);
	errno = error;
out:
	error = errno;
	str_free(&what);
	errno = error;
	return (rc);
}

void
spec_free(struct spec *s)
{
	json_decref(s->json);
	free(s->text);
	s->json = NULL;
	s->text = NULL;
	s->run_id = s->run_uid = NULL;
}

int64_t
spec_cap_ms(const struct spec *s)
{
	return (s->limits.cap_ms == 0 ? INT64_MAX : s->limits.cap_ms);
}

int64_t
spec_deadline_ms(const struct spec *s, const char *stage)
{
	int64_t cap_ms = spec_cap_ms(s), deadline_ms;
	char path[64];

	snprintf(path, sizeof(path), "budget.%s_deadline_ms", stage);
	deadline_ms = (int64_t)bind_number(bind_find(spec_keys, path), &s->limits);
	if (deadline_ms == 0)
		deadline_ms = cap_ms == INT64_MAX ? DAY_MS : 2 * cap_ms + HOUR_MS / 2;
	assert(deadline_ms > 0);
	return (deadline_ms);
}
