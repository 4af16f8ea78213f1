/*
 * A request is {"set": {...}, "base": {...}, "file": NAME}: sections as in
 * spec.json, with only what was given.  Which keys there are, their types,
 * defaults and tags is asked of the contract at every step.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "schema/contract.h"
#include "schema/later.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/say.h"
#include "base/sha256.h"
#include "run/spec.h"
#include "base/str.h"

#define HOUR_MS ((int64_t)3600 * 1000)
#define DAY_MS (24 * HOUR_MS)

/* Keys whose null, in a request, takes another key's value; in a spec they are never null. */
static const struct {
	const char *key, *from;
} taken[] = {
	{ "model.vocab_size", "data.vocab_size" },
	{ "eval.seq_len", "train.seq_len" },
};

const struct bind spec_keys[] = {
	BIND(struct spec_limits, "budget.max_wallclock_ms", cap_ms),
	BIND(struct spec_limits, "budget.artifact_cap_bytes", artifact_cap_bytes),
	BIND(struct spec_limits, "budget.train_deadline_ms", train_deadline_ms),
	BIND(struct spec_limits, "budget.export_deadline_ms", export_deadline_ms),
	BIND(struct spec_limits, "budget.prompt_deadline_ms", prompt_deadline_ms),
	BIND(struct spec_limits, "budget.score_deadline_ms", score_deadline_ms),
	BIND(struct spec_limits, "budget.lane_wait_ms", lane_wait_ms),
	BIND(struct spec_limits, "system.lane", lane),
	BIND_END,
};

/* --- what the contract says ----------------------------------------------- */

static const json_t *
root_properties(void)
{
	return (json_object_get(contract_at("spec", ""), "properties"));
}

/* A section's keys, or NULL if there is no such section that people fill in. */
static json_t *
section_keys(const char *section)
{
	if (strcmp(section, "digests") == 0)
		return (NULL);
	return (jsonio_get(json_object_get(root_properties(), section), "properties"));
}

static int
is_computed(const json_t *rule)
{
	return (json_is_true(json_object_get(rule, "readOnly")));
}

static int
has_type(const json_t *rule, const char *name)
{
	const json_t *type = json_object_get(rule, "type");
	size_t i;

	if (json_is_string(type))
		return (strcmp(json_string_value(type), name) == 0);
	for (i = 0; i < json_array_size(type); i++)
		if (strcmp(json_string_value(json_array_get(type, i)), name) == 0)
			return (1);
	return (0);
}

/* Levenshtein's distance, of texts shorter than 64; longer ones are far. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[65], na = strlen(a), nb = strlen(b), i, j, diagonal, above, least;

	if (na >= 64 || nb >= 64)
		return (64);
	for (j = 0; j <= nb; j++)
		row[j] = j;
	for (i = 0; i < na; i++) {
		diagonal = row[0];
		row[0] = i + 1;
		for (j = 0; j < nb; j++) {
			above = row[j + 1];
			least = diagonal + (a[i] != b[j]);
			if (above + 1 < least)
				least = above + 1;
			if (row[j] + 1 < least)
				least = row[j] + 1;
			row[j + 1] = least;
			diagonal = above;
		}
	}
	return (row[nb]);
}

/* Say that ${path} is no key; where one is near, which. */
static void
say_unknown(const char *file, const char *path)
{
	char full[160], near[160] = "";
	size_t best = 64, d;
	const char *section, *key;
	json_t *keys, *rule, *member;

	json_object_foreach((json_t *)(size_t)root_properties(), section, rule) {
		if ((keys = section_keys(section)) == NULL)
			continue;
		json_object_foreach(keys, key, member) {
			snprintf(full, sizeof(full), "%s.%s", section, key);
			/* Who leaves the section out means the key. */
			d = strchr(path, '.') == NULL ? 1 + distance(path, key) : distance(path, full);
			if (d < best && !is_computed(member)) {
				best = d;
				strcpy(near, full);
			}
		}
	}
	if (best > 1 + strlen(path) / 3)
		near[0] = '\0';
	say_error("%s%s%sunknown key '%s'%s%s%s", file == NULL ? "" : "'", file == NULL ? "" : file,
	    file == NULL ? "" : "': ", path, near[0] == '\0' ? "; hg-spec(5) lists them" : "; the nearest is '", near,
	    near[0] == '\0' ? "" : "'");
}

/* --- taking requests ------------------------------------------------------ */

json_t *
spec_new(void)
{
	return (json_object());
}

/* Name unknown keys with the nearest known one, which the checker can't. */
static int
base_keys_known(const char *file, const json_t *v)
{
	const char *section, *key;
	char path[160];
	json_t *rule, *keys, *members, *member;

	json_object_foreach((json_t *)(size_t)v, section, members) {
		if ((rule = json_object_get(root_properties(), section)) == NULL) {
			say_unknown(file, section);
			return (0);
		}
		if ((keys = section_keys(section)) == NULL)
			continue;
		json_object_foreach(members, key, member) {
			if (json_object_get(keys, key) != NULL)
				continue;
			snprintf(path, sizeof(path), "%.60s.%.90s", section, key);
			say_unknown(file, path);
			return (0);
		}
	}
	return (1);
}

int
spec_base(json_t *request, const char *file)
{
	struct str where = STR_INIT;
	const char *section;
	json_t *v, *members;
	char *text;
	size_t n;
	void *next;
	int fd;

	/* The path is the user's own: links in it are meant, and a pipe will do. */
	if ((fd = open(file, O_RDONLY | O_CLOEXEC)) == -1) {
		say_errno("cannot read '%s'", file);
		return (-1);
	}
	text = file_read_fd(fd, CONTRACT_MAX_BYTES, &n);
	close(fd);
	if (text == NULL) {
		say_errno("cannot read '%s'", file);
		return (-1);
	}
	v = jsonio_parse(text, n, file);
	free(text);
	if (v == NULL)
		return (-1);
	if (!json_is_object(v))
		say_error("'%s': is not an object", file);
	else if (!base_keys_known(file, v))
		;
	else if (contract_check_part("spec", v, &where) == -1)
		say_error("'%s': %s", file, where.p == NULL ? "breaks its contract" : where.p);
	else {
		/* Only what people fill in is taken over. */
		json_object_foreach_safe(v, next, section, members)
			if (section_keys(section) == NULL)
				json_object_del(v, section);
		if (json_object_set_new(request, "base", v) == 0 && jsonio_put(request, "file", json_string(file)) == 0)
			return (0);
		errno = ENOMEM;
		say_errno("cannot take '%s'", file);
		return (-1);
	}
	str_free(&where);
	json_decref(v);
	errno = EBADMSG;
	return (-1);
}

/* The JSON value that a text means under a key's types; what fits none becomes text, for the checker to refuse. */
static json_t *
value_of(const char *text, const json_t *rule)
{
	int64_t i;
	double x;

	if (has_type(rule, "null") && strcmp(text, "null") == 0)
		return (json_null());
	if (has_type(rule, "boolean") && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
		return (json_boolean(*text == 't'));
	if (has_type(rule, "integer") || has_type(rule, "number")) {
		if (num_i64(text, INT64_MIN, INT64_MAX, &i) == 0)
			return (json_integer(i));
		if (num_f64(text, -DBL_MAX, DBL_MAX, &x) == 0) {
			if (has_type(rule, "integer") && floor(x) == x && fabs(x) < 9007199254740992.0)
				return (json_integer((json_int_t)x));
			return (json_real(x));
		}
	}
	return (json_string(text));
}

int
spec_set(json_t *request, const char *text)
{
	const char *equals = strchr(text, '='), *dot;
	struct str where = STR_INIT;
	char path[160], set[170];
	json_t *keys, *rule, *value = NULL;
	char section[64] = "";

	if (equals == NULL || equals == text || (size_t)(equals - text) >= sizeof(path)) {
		say_error("'%s' is not SECTION.KEY=VALUE", text);
		goto err0;
	}
	memcpy(path, text, (size_t)(equals - text));
	path[equals - text] = '\0';
	if ((dot = strchr(path, '.')) != NULL && (size_t)(dot - path) < sizeof(section)) {
		memcpy(section, path, (size_t)(dot - path));
		section[dot - path] = '\0';
	}
	keys = section_keys(section);
	if (dot == NULL || (rule = json_object_get(keys, dot + 1)) == NULL) {
		if (contract_at("spec", path) != NULL)
			say_error("'%s' is computed; it can't be set", path);
		else
			say_unknown(NULL, path);
		goto err0;
	}
	if (is_computed(rule)) {
		say_error("'%s' is computed; it can't be set", path);
		goto err0;
	}
	snprintf(set, sizeof(set), "set.%s", path);
	if (jsonio_get(request, set) != NULL) {
		say_error("'%s' is given twice", path);
		goto err0;
	}
	if ((value = value_of(equals + 1, rule)) == NULL) {
		say_error("%s: the value is not UTF-8", path);
		goto err0;
	}
	if (contract_check_key("spec", path, value, &where) == -1) {
		say_error("%s", where.p == NULL ? path : where.p);
		goto err1;
	}
	if (jsonio_put(request, set, value) == 0)
		return (0);
	errno = ENOMEM;
	say_errno("cannot set '%s'", path);
	return (-1);
err1:
	str_free(&where);
	json_decref(value);
err0:
	errno = EINVAL;
	return (-1);
}

/* --- data ----------------------------------------------------------------- */

/* The digest of a list of shards: of the lines "DIGEST TOKENS", as dataset.json itself has it. */
static json_t *
shards_digest(const json_t *files)
{
	char hex[SHA256_HEX_SIZE];
	struct str s = STR_INIT;
	size_t i;
	int rc = str_puts(&s, "");

	for (i = 0; i < json_array_size(files) && rc == 0; i++) {
		const json_t *f = json_array_get(files, i);

		rc = str_printf(&s, "%s %lld\n", jsonio_text(f, "sha256", ""), (long long)jsonio_i64(f, "tokens", 0));
	}
	if (rc == 0)
		rc = sha256_hex(s.p, s.n, hex);
	str_free(&s);
	return (rc == 0 ? json_string(hex) : NULL);
}

/**
 * What tells texts apart whatever the tokenizer: the inputs, how they were cut
 * and permuted, and the validation text that came of it.  Where that is not
 * known, as with adopted shards, the shards themselves.
 */
static int
data_digest(const json_t *dataset, const json_t *data, char hex[SHA256_HEX_SIZE])
{
	static const char *const source[] = { "format", "seed", "documents" };
	json_t *v = json_object(), *inputs;
	size_t i;
	int rc = -1;

	if (jsonio_text(dataset, "val.raw_sha256", NULL) == NULL) {
		if (json_object_set(v, "train", json_object_get(data, "train_sha256")) == -1 ||
		    json_object_set(v, "val", json_object_get(data, "val_sha256")) == -1)
			goto out;
	} else {
		if (jsonio_put(v, "inputs", json_array()) == -1)
			goto out;
		inputs = jsonio_get(dataset, "source.files");
		for (i = 0; i < json_array_size(inputs); i++)
			if (json_array_append(json_object_get(v, "inputs"),
				json_object_get(json_array_get(inputs, i), "sha256")) == -1)
				goto out;
		for (i = 0; i < sizeof(source) / sizeof(source[0]); i++)
			if (json_object_set(v, source[i],
				json_object_get(json_object_get(dataset, "source"), source[i])) == -1)
				goto out;
		if (json_object_set(v, "val_raw_sha256", jsonio_get(dataset, "val.raw_sha256")) == -1 ||
		    json_object_set(v, "val_documents", jsonio_get(dataset, "val.documents")) == -1)
			goto out;
	}
	rc = jsonio_digest(v, hex);
out:
	json_decref(v);
	if (rc == -1)
		errno = ENOMEM;
	return (rc);
}

int
spec_data(const char *path, json_t **out, char data_sha256[SHA256_HEX_SIZE])
{
	char text_sha256[SHA256_HEX_SIZE];
	struct str file = STR_INIT;
	json_t *dataset, *data;

	if (str_printf(&file, "%s/dataset.json", path) == -1)
		goto err0;
	if (contract_read(AT_FDCWD, file.p, "dataset", text_sha256, &dataset) == -1) {
		if (errno == ENOENT)
			say_errno("cannot read '%s'", file.p);
		str_free(&file);
		return (-1);
	}
	if ((data = json_object()) == NULL)
		goto err1;
	if (jsonio_put(data, "dir", json_string(path)) == -1 ||
	    jsonio_put(data, "dataset_sha256", json_string(text_sha256)) == -1 ||
	    jsonio_put(data, "train_sha256", shards_digest(jsonio_get(dataset, "train.files"))) == -1 ||
	    jsonio_put(data, "val_sha256", shards_digest(jsonio_get(dataset, "val.files"))) == -1 ||
	    json_object_set(data, "tokenizer_sha256", jsonio_get(dataset, "tokenizer.sha256")) == -1 ||
	    json_object_set(data, "vocab_size", jsonio_get(dataset, "tokenizer.vocab_size")) == -1 ||
	    data_digest(dataset, data, data_sha256) == -1)
		goto err2;
	json_decref(dataset);
	str_free(&file);
	*out = data;
	return (0);
err2:
	json_decref(data);
err1:
	json_decref(dataset);
err0:
	str_free(&file);
	errno = ENOMEM;
	say_errno("cannot digest the data of '%s'", path);
	return (-1);
}

/* Each digest that ${want} names must be the same in ${have}; 0, or -1 with errno EBADMSG, said. */
static int
data_agrees(const char *file, const json_t *want, const json_t *have)
{
	const char *key;
	json_t *member;

	json_object_foreach((json_t *)(size_t)want, key, member) {
		const json_t *found = json_object_get(have, key);
		char *a, *b;

		if (strcmp(key, "dir") == 0 || json_equal(member, found))
			continue;
		a = jsonio_line(member);
		b = jsonio_line(found);
		say_error("'%s' names data with %s %s, but '%s' has %s", file, key, a == NULL ? "" : a,
		    jsonio_text(have, "dir", ""), b == NULL ? "" : b);
		free(a);
		free(b);
		errno = EBADMSG;
		return (-1);
	}
	return (0);
}

int
spec_data_check(const struct spec *s)
{
	char data_sha256[SHA256_HEX_SIZE];
	json_t *data;
	int rc, error;

	if (spec_data(jsonio_text(s->json, "data.dir", ""), &data, data_sha256) == -1)
		return (-1);
	rc = data_agrees(SPEC_FILE, json_object_get(s->json, "data"), data);
	error = errno;
	json_decref(data);
	errno = error;
	return (rc);
}

/* --- digests -------------------------------------------------------------- */

/**
 * The result keys of a section, without the seed: those of 0.1, which the
 * spec's check has seen, and of later ones those that deviate.  So a digest
 * never changes because a key came.
 */
static json_t *
result_keys(const json_t *spec, const char *section)
{
	json_t *keys = section_keys(section), *kept = json_object(), *rule, *v;
	const char *key;
	int counts;

	json_object_foreach(keys, key, rule) {
		if (strcmp(contract_tag(rule), "result") != 0)
			continue;
		if (strcmp(section, "train") == 0 && strcmp(key, "seed") == 0)
			continue;
		v = json_object_get(json_object_get(spec, section), key);
		counts = later_is(rule) ? later_deviates(rule, v) : 1;
		if (counts == -1 || (counts && json_object_set(kept, key, v) == -1)) {
			json_decref(kept);
			return (NULL);
		}
	}
	return (kept);
}

/* The digest of sections' result keys, but for one of the model's, and of digests that exist already. */
static json_t *
digest_of(const json_t *spec, const json_t *digests, const char *const *sections, const char * not,
    const char *const *others)
{
	char hex[SHA256_HEX_SIZE];
	json_t *v = json_object(), *made = NULL;

	for (; *sections != NULL; sections++)
		if (json_object_set_new(v, *sections, result_keys(spec, *sections)) == -1)
			goto out;
	json_object_del(json_object_get(v, "model"), not );
	for (; *others != NULL; others++)
		if (json_object_set(v, *others, json_object_get(digests, *others)) == -1)
			goto out;
	if (jsonio_digest(v, hex) == 0)
		made = json_string(hex);
out:
	json_decref(v);
	return (made);
}

/* Compute config, model and eval into ${digests}, which holds the others. 0, or -1 with errno ENOMEM. */
static int
put_digests(const json_t *spec, json_t *digests)
{
	static const char *const config[] = { "model", "train", "eval", "export", "budget", NULL };
	static const char *const config_too[] = {
		"data_sha256",
		"tokenizer_sha256",
		"init_sha256",
		"replay_sha256",
		NULL,
	};
	/* The vocabulary is the tokenizer's: another one is a change of the tokenizer, not of the model too. */
	static const char *const model[] = { "model", "train", "export", "budget", NULL };
	static const char *const model_too[] = { "init_sha256", "replay_sha256", NULL };
	static const char *const eval[] = { "eval", NULL };
	static const char *const nothing[] = { NULL };

	if (json_object_set_new(digests, "config_sha256", digest_of(spec, digests, config, "", config_too)) == -1 ||
	    json_object_set_new(digests, "model_sha256", digest_of(spec, digests, model, "vocab_size", model_too)) ==
		-1 ||
	    json_object_set_new(digests, "eval_sha256", digest_of(spec, digests, eval, "", nothing)) == -1) {
		errno = ENOMEM;
		return (-1);
	}
	return (0);
}

/* The digest of the whole but itself. */
static int
content_digest(const json_t *spec, char hex[SHA256_HEX_SIZE])
{
	json_t *copy = json_deep_copy(spec);
	int rc = -1;

	if (copy != NULL) {
		json_object_del(json_object_get(copy, "digests"), "content_sha256");
		rc = jsonio_digest(copy, hex);
	}
	json_decref(copy);
	if (rc == -1)
		errno = ENOMEM;
	return (rc);
}

/* --- building ------------------------------------------------------------- */

/**
 * Sections with what was set, else the base's, else the default; data holds
 * its place empty.  A later key stands only where it deviates: tools that are
 * older than it read the spec of a run that leaves it alone.
 */
static json_t *
filled(const json_t *request)
{
	const json_t *set = json_object_get(request, "set"), *base = json_object_get(request, "base"), *value;
	const char *section, *key;
	json_t *spec = json_object(), *keys, *rule, *member, *made;
	int stands;

	if (json_object_set_new(spec, "schema", json_string("homegolf.spec.v1")) == -1 ||
	    json_object_set_new(spec, "run_id", json_null()) == -1 ||
	    json_object_set_new(spec, "run_uid", json_null()) == -1 ||
	    json_object_set_new(spec, "created_at", json_null()) == -1)
		goto err0;
	json_object_foreach((json_t *)(size_t)root_properties(), section, rule) {
		if ((keys = section_keys(section)) == NULL)
			continue;
		if ((made = json_object()) == NULL || json_object_set_new(spec, section, made) == -1)
			goto err0;
		if (strcmp(section, "data") == 0)
			continue;
		json_object_foreach(keys, key, member) {
			if ((value = json_object_get(json_object_get(set, section), key)) == NULL &&
			    (value = json_object_get(json_object_get(base, section), key)) == NULL)
				value = json_object_get(member, "default");
			stands = later_is(member) ? later_deviates(member, value) : 1;
			if (stands == -1 || (stands && json_object_set_new(made, key, json_deep_copy(value)) == -1))
				goto err0;
		}
	}
	if (json_object_set_new(spec, "digests", json_object()) == -1)
		goto err0;
	return (spec);
err0:
	json_decref(spec);
	errno = ENOMEM;
	say_errno("cannot build a spec");
	return (NULL);
}

/* The file that a key names, by absolute path; its digest, or "none", goes to digests.NAME. */
static int
put_file(json_t *spec, const char *key, const char *digest)
{
	json_t *train = json_object_get(spec, "train"), *digests = json_object_get(spec, "digests");
	const char *name = jsonio_text(train, key, NULL);
	char hex[SHA256_HEX_SIZE], *path;
	uint64_t size_bytes;

	if (name == NULL)
		return (json_object_set_new(digests, digest, json_string("none")));
	if ((path = realpath(name, NULL)) == NULL || sha256_at(AT_FDCWD, path, hex, &size_bytes) == -1) {
		say_errno("train.%s: cannot read '%s'", key, name);
		free(path);
		return (-1);
	}
	if (json_object_set_new(train, key, json_string(path)) == -1 ||
	    json_object_set_new(digests, digest, json_string(hex)) == -1) {
		free(path);
		errno = ENOMEM;
		say_errno("cannot build a spec");
		return (-1);
	}
	free(path);
	return (0);
}

static int
put_data(const json_t *request, json_t *spec)
{
	const char *dir = jsonio_text(request, "set.data.dir", NULL);
	json_t *digests = json_object_get(spec, "digests"), *data;
	char data_sha256[SHA256_HEX_SIZE], *path;
	int moved = dir != NULL, rc;

	if (dir == NULL && (dir = jsonio_text(request, "base.data.dir", NULL)) == NULL) {
		say_error("data.dir is not set; name a data directory made by hg-data: -s data.dir=DIR");
		errno = EINVAL;
		return (-1);
	}
	if ((path = realpath(dir, NULL)) == NULL) {
		say_errno("data.dir: cannot find '%s'", dir);
		return (-1);
	}
	rc = spec_data(path, &data, data_sha256);
	free(path);
	if (rc == -1)
		return (-1);
	if (json_object_set_new(spec, "data", data) == -1 ||
	    json_object_set_new(digests, "data_sha256", json_string(data_sha256)) == -1 ||
	    json_object_set(digests, "tokenizer_sha256", json_object_get(data, "tokenizer_sha256")) == -1) {
		errno = ENOMEM;
		say_errno("cannot build a spec");
		return (-1);
	}
	/* A base that names digests means that very data, unless other data was asked for. */
	return (moved ? 0 : data_agrees(jsonio_text(request, "file", ""), jsonio_get(request, "base.data"), data));
}

/* The vocabulary is the tokenizer's: a larger one would generate ids that nobody can read. */
static int
check_vocabulary(const json_t *spec)
{
	long long vocab = jsonio_i64(spec, "model.vocab_size", 0), tokens = jsonio_i64(spec, "data.vocab_size", 0);

	if (vocab == tokens)
		return (0);
	say_error("model.vocab_size: %lld is not the %lld tokens of '%s'; leave it out, or say %lld", vocab, tokens,
	    jsonio_text(spec, "data.dir", ""), tokens);
	errno = EINVAL;
	return (-1);
}

int
spec_build(const json_t *request, json_t **out)
{
	json_t *spec;
	size_t i;
	int error;

	if ((spec = filled(request)) == NULL)
		return (-1);
	if (put_data(request, spec) == -1)
		goto err0;
	for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (json_is_null(jsonio_get(spec, taken[i].key)) &&
		    jsonio_put(spec, taken[i].key, json_incref(jsonio_get(spec, taken[i].from))) == -1)
			goto err1;
	if (put_file(spec, "init_from", "init_sha256") == -1 || put_file(spec, "replay", "replay_sha256") == -1 ||
	    check_vocabulary(spec) == -1)
		goto err0;
	if (put_digests(spec, json_object_get(spec, "digests")) == -1)
		goto err1;
	*out = spec;
	return (0);
err1:
	errno = ENOMEM;
	say_errno("cannot build a spec");
err0:
	error = errno;
	json_decref(spec);
	errno = error;
	return (-1);
}

int
spec_identify(json_t *spec, const char *run_id)
{
	char uid[33], now[CLOCK_TEXT_SIZE], hex[SHA256_HEX_SIZE];

	if (proc_random_hex(uid, sizeof(uid) / 2) == -1) {
		say_errno("cannot draw a random number");
		return (-1);
	}
	if (json_object_set_new(spec, "run_id", json_string(run_id)) == -1 ||
	    json_object_set_new(spec, "run_uid", json_string(uid)) == -1 ||
	    json_object_set_new(spec, "created_at", json_string(clock_text(now, clock_wall_ms()))) == -1 ||
	    content_digest(spec, hex) == -1 ||
	    json_object_set_new(json_object_get(spec, "digests"), "content_sha256", json_string(hex)) == -1) {
		errno = ENOMEM;
		say_errno("cannot identify a spec");
		return (-1);
	}
	return (0);
}

/* --- reading -------------------------------------------------------------- */

/* Every digest that can be recomputed from the file itself; 0, or -1 with errno, said. */
static int
verify(const json_t *spec, const char *what)
{
	json_t *digests = json_object_get(spec, "digests"), *again, *member;
	char hex[SHA256_HEX_SIZE];
	const char *key;
	size_t i;
	int rc = -1;

	for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (json_is_null(jsonio_get(spec, taken[i].key))) {
			say_error("'%s': %s: null is not filled in", what, taken[i].key);
			errno = EBADMSG;
			return (-1);
		}
	if ((again = json_copy(digests)) == NULL || put_digests(spec, again) == -1 || content_digest(spec, hex) == -1 ||
	    json_object_set_new(again, "content_sha256", json_string(hex)) == -1 ||
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
	if (str_printf(&what, "%s/%s", path, SPEC_FILE) == -1 || sha256_hex(text, n, s->text_sha256) == -1) {
		say_errno("cannot read '%s/%s'", path, SPEC_FILE);
		goto out;
	}
	if ((s->json = contract_parse(text, n, what.p, "spec")) == NULL)
		goto out;
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
	free(text);
	errno = error;
	return (rc);
}

void
spec_free(struct spec *s)
{
	json_decref(s->json);
	s->json = NULL;
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
		deadline_ms = cap_ms == INT64_MAX ? DAY_MS : 2 * cap_ms + HOUR_MS / 2 + s->limits.lane_wait_ms;
	assert(deadline_ms > 0);
	return (deadline_ms);
}

/* Say `PATH is A, not B` where two values differ in their RFC 8785 form. 0, 1, or -1. */
static int
value_differs(const char *path, const json_t *a, const json_t *b, struct str *where)
{
	char *x = a == NULL ? NULL : jsonio_canonical(a), *y = b == NULL ? NULL : jsonio_canonical(b);
	int rc = 0;

	if ((a != NULL && x == NULL) || (b != NULL && y == NULL))
		rc = -1;
	else if (x == NULL || y == NULL || strcmp(x, y) != 0)
		rc = str_printf(where, "%s is %s, not %s", path, x == NULL ? "absent" : x, y == NULL ? "absent" : y) ==
			-1 ?
		    -1 :
		    1;
	free(x);
	free(y);
	if (rc == -1)
		errno = ENOMEM;
	return (rc);
}

int
spec_differs(const json_t *a, const json_t *b, struct str *where)
{
	const char *section, *key;
	json_t *rule, *keys, *member;
	char path[160];
	int rc;

	json_object_foreach((json_t *)(size_t)root_properties(), section, rule) {
		if ((keys = json_object_get(rule, "properties")) == NULL)
			continue;
		json_object_foreach(keys, key, member) {
			snprintf(path, sizeof(path), "%s.%s", section, key);
			/* It covers the identity, which two runs never share. */
			if (strcmp(path, "digests.content_sha256") == 0)
				continue;
			if ((rc = value_differs(path, later_or_default(member, jsonio_get(a, path)),
				 later_or_default(member, jsonio_get(b, path)), where)) != 0)
				return (rc);
		}
	}
	return (0);
}

int
spec_id_valid(const char *id)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = strlen(id);

	return (n >= 1 && n <= 64 && id[0] != '.' && strspn(id, allowed) == n);
}
