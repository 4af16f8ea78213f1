#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/contract.h"
#include "schema/later.h"
#include "base/array.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "run/specdigest.h"
#include "base/str.h"

/* The digest of a part, as dataset.json itself has it: of a line for each shard, and for each file of byte counts. */
static json_t *
shards_digest(const json_t *part)
{
	const json_t *files = json_object_get(part, "files"), *counts = json_object_get(part, "byte_files");
	char hex[SHA256_HEX_SIZE];
	struct str s = STR_INIT;
	size_t i;
	int rc = str_puts(&s, "");

	for (i = 0; i < json_array_size(files) && rc == 0; i++) {
		const json_t *f = json_array_get(files, i);

		rc = str_printf(&s, "%s %lld\n", jsonio_text(f, "sha256", ""), (long long)jsonio_i64(f, "tokens", 0));
	}
	for (i = 0; i < json_array_size(counts) && rc == 0; i++) {
		const json_t *f = json_array_get(counts, i);

		rc = str_printf(&s, "%s %lld bytes\n", jsonio_text(f, "sha256", ""),
		    (long long)jsonio_i64(f, "tokens", 0));
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
	/* Of 0.2: absent where they say nothing, so that digests of before stay. */
	static const char *const later[] = { "keep_lines", "json_key", "val_files" };
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
		for (i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
			inputs = json_object_get(json_object_get(dataset, "source"), later[i]);
			if (inputs != NULL && json_object_set(v, later[i], inputs) == -1)
				goto out;
		}
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
specdigest_data(const char *path, json_t **out, char data_sha256[SHA256_HEX_SIZE])
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
	    jsonio_put(data, "train_sha256", shards_digest(jsonio_get(dataset, "train"))) == -1 ||
	    jsonio_put(data, "val_sha256", shards_digest(jsonio_get(dataset, "val"))) == -1 ||
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

/* What the contract says of a key: is it a result's, and did it come after 0.1? */
struct rule {
	const char *key;
	const json_t *rule;
	int result, later;
};

/* A section and what the contract says of its keys, which is looked up once. */
struct rules {
	const char *section;
	struct rule *of;
	size_t count;
};

/* Sections whose result keys digests are of. */
enum { MODEL, TRAIN, EVAL, EXPORT, BUDGET, TRAINER, SCORER, SECTIONS };

static struct rules all_rules[SECTIONS] = {
	[MODEL] = { .section = "model" },
	[TRAIN] = { .section = "train" },
	[EVAL] = { .section = "eval" },
	[EXPORT] = { .section = "export" },
	[BUDGET] = { .section = "budget" },
	[TRAINER] = { .section = "trainer" },
	[SCORER] = { .section = "scorer" },
};

/* In this order, which ends in SECTIONS. */
static const int config_sections[] = { MODEL, TRAIN, EVAL, EXPORT, BUDGET, SECTIONS };
static const int model_sections[] = { MODEL, TRAIN, EXPORT, BUDGET, SECTIONS };
static const int eval_sections[] = { EVAL, SECTIONS };
static const int program_sections[] = { TRAINER, SCORER, SECTIONS };

/* The rules of a section; NULL without memory. */
static const struct rules *
rules_of(int section)
{
	struct rules *r = &all_rules[section];
	const char *key;
	json_t *properties, *rule;

	if (r->of != NULL)
		return (r);
	properties = jsonio_get(contract_at("spec", r->section), "properties");
	if ((r->of = calloc(json_object_size(properties) + 1, sizeof(*r->of))) == NULL)
		return (NULL);
	json_object_foreach(properties, key, rule)
		r->of[r->count++] = (struct rule){ key, rule, strcmp(contract_tag(rule), "result") == 0,
			later_is(rule) };
	return (r);
}

/* The rule of a key, or NULL; *at is where the one before was, as specs have keys in the contract's order. */
static const struct rule *
rule_of(const struct rules *r, const char *key, size_t *at)
{
	const struct rule *x;
	size_t looked;

	for (looked = 0; looked < r->count; looked++) {
		x = &r->of[*at];
		if (++*at == r->count)
			*at = 0;
		if (strcmp(x->key, key) == 0)
			return (x);
	}
	return (NULL);
}

/*
 * Is a key one that digests are of? Those of 0.1 are, which the spec's check has seen, and of later ones those that
 * deviate: so a digest never changes because a key came.  1, 0, or -1 without memory.
 */
static int
counts(const struct rule *x, const json_t *v)
{
	if (x == NULL || !x->result)
		return (0);
	return (x->later ? later_deviates(x->rule, v) : 1);
}

/* A member as its digest sees it: n bytes of text. */
struct piece {
	const char *key;
	size_t at, n;
	int counts;
};

/*
 * A spec in the form that digests are of, each member of its sections by itself, in that form's order: what several
 * digests are of is written once.  Its room is kept for the next one.
 */
struct written {
	struct str text, joined;
	struct piece *of;
	size_t count, cap;
	struct section {
		size_t first, count;
	} section[SECTIONS];
};

/* A member of what a digest is of: a section, all of it or its result keys, or any other value. */
struct item {
	const char *key;
	int section; /* SECTIONS: a value */
	int results;
	const char *but; /* a key that is left out */
	const json_t *value;
};

static int
by_key(const void *a, const void *b)
{
	return (jsonio_order(((const struct piece *)a)->key, ((const struct piece *)b)->key));
}

static int
items_by_key(const void *a, const void *b)
{
	return (jsonio_order(((const struct item *)a)->key, ((const struct item *)b)->key));
}

static int
write_section(struct written *w, const json_t *spec, int section)
{
	const struct rules *rules = rules_of(section);
	struct section *s = &w->section[section];
	struct piece *more, *x;
	const char *key;
	size_t at = 0;
	json_t *v;

	s->first = w->count;
	s->count = 0;
	if (rules == NULL)
		return (-1);
	json_object_foreach(json_object_get(spec, rules->section), key, v) {
		if ((more = array_room(w->of, w->count, &w->cap, sizeof(*more))) == NULL)
			return (-1);
		w->of = more;
		x = &more[w->count++];
		x->key = key;
		x->at = w->text.n;
		x->counts = counts(rule_of(rules, key, &at), v);
		if (x->counts == -1 || jsonio_put_member(&w->text, key, v) == -1)
			return (-1);
		x->n = w->text.n - x->at;
		s->count++;
	}
	if (s->count != 0)
		qsort(w->of + s->first, s->count, sizeof(*w->of), by_key);
	return (0);
}

static int
write_sections(struct written *w, const json_t *spec, const int *sections)
{
	w->text.n = w->count = 0;
	for (; *sections != SECTIONS; sections++)
		if (write_section(w, spec, *sections) == -1)
			return (-1);
	return (0);
}

/* Begin an object's next member with what comes before its key. */
static int
put_comma(struct str *s, int *before)
{
	const char *comma = *before ? "," : "";

	*before = 1;
	return (str_puts(s, comma));
}

static int
put_section(struct written *w, const struct item *item)
{
	const struct section *s = &w->section[item->section];
	const struct piece *x;
	int before = 0, rc = str_puts(&w->joined, "{");

	for (x = w->of + s->first; x < w->of + s->first + s->count && rc == 0; x++) {
		if ((item->results && !x->counts) || (item->but != NULL && strcmp(item->but, x->key) == 0))
			continue;
		rc = put_comma(&w->joined, &before);
		if (rc == 0)
			rc = str_add(&w->joined, w->text.p + x->at, x->n);
	}
	return (rc == 0 ? str_puts(&w->joined, "}") : -1);
}

/* The digest of an object of these members; 0, or -1 without memory. */
static int
digest_items(struct written *w, struct item *items, size_t n, char hex[SHA256_HEX_SIZE])
{
	struct str *out = &w->joined;
	int before = 0, rc;
	size_t i;

	if (n != 0)
		qsort(items, n, sizeof(*items), items_by_key);
	out->n = 0;
	rc = str_puts(out, "{");
	for (i = 0; i < n && rc == 0; i++) {
		rc = put_comma(out, &before);
		if (rc == 0 && items[i].section == SECTIONS)
			rc = jsonio_put_member(out, items[i].key, items[i].value);
		else if (rc == 0 && (rc = jsonio_put_key(out, items[i].key)) == 0)
			rc = put_section(w, &items[i]);
	}
	if (rc == 0)
		rc = str_puts(out, "}");
	return (rc == 0 ? sha256_hex(out->p, out->n, hex) : -1);
}

/*
 * The digest of the result keys of sections that were written, and of digests that exist already.  The vocabulary is
 * the tokenizer's: another one is a change of the tokenizer, not of the ${recipe} too.
 */
static int
digest_of(struct written *w, const int *sections, int recipe, const json_t *digests, const char *const *others,
    char hex[SHA256_HEX_SIZE])
{
	struct item items[16];
	const json_t *other;
	size_t n = 0;

	for (; *sections != SECTIONS; sections++)
		items[n++] = (struct item){ .key = all_rules[*sections].section,
			.section = *sections,
			.results = 1,
			.but = recipe && *sections == MODEL ? "vocab_size" : NULL };
	for (; *others != NULL; others++)
		if ((other = json_object_get(digests, *others)) != NULL)
			items[n++] = (struct item){ .key = *others, .section = SECTIONS, .value = other };
	assert(n <= sizeof(items) / sizeof(items[0]));
	return (digest_items(w, items, n, hex));
}

/* One after the other, as specs are read. */
static struct written written = { .text = STR_INIT, .joined = STR_INIT };

int
specdigest_recipe(const json_t *spec, char hex[SHA256_HEX_SIZE])
{
	static const char *const too[] = { "replay_sha256", NULL };

	if (write_sections(&written, spec, model_sections) == 0 &&
	    digest_of(&written, model_sections, 1, json_object_get(spec, "digests"), too, hex) == 0)
		return (0);
	errno = ENOMEM;
	return (-1);
}

/* The digest of the programs of others, where there are any. */
static int
put_trainer(struct written *w, const json_t *spec, json_t *digests)
{
	static const char *const nothing[] = { NULL };
	char hex[SHA256_HEX_SIZE];

	if (json_object_get(spec, "trainer") == NULL && json_object_get(spec, "scorer") == NULL)
		return (0);
	if (write_sections(w, spec, program_sections) == -1 ||
	    digest_of(w, program_sections, 0, digests, nothing, hex) == -1)
		return (-1);
	return (json_object_set_new(digests, "trainer_sha256", json_string(hex)));
}

int
specdigest_put(const json_t *spec, json_t *digests)
{
	static const char *const config_too[] = {
		"data_sha256",
		"tokenizer_sha256",
		"init_sha256",
		"replay_sha256",
		"trainer_sha256",
		NULL,
	};
	static const char *const model_too[] = { "init_sha256", "replay_sha256", NULL };
	static const char *const nothing[] = { NULL };
	const struct {
		const char *key;
		const int *sections;
		int recipe;
		const char *const *others;
	} made[] = {
		{ "config_sha256", config_sections, 0, config_too },
		{ "model_sha256", model_sections, 1, model_too },
		{ "eval_sha256", eval_sections, 0, nothing },
	};
	char hex[SHA256_HEX_SIZE];
	size_t i;

	if (put_trainer(&written, spec, digests) == -1 || write_sections(&written, spec, config_sections) == -1)
		goto err0;
	for (i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		if (digest_of(&written, made[i].sections, made[i].recipe, digests, made[i].others, hex) == -1 ||
		    json_object_set_new(digests, made[i].key, json_string(hex)) == -1)
			goto err0;
	return (0);
err0:
	errno = ENOMEM;
	return (-1);
}

/* The digest of the whole but itself, of a spec whose config_sections are written. 0, or -1 without memory. */
static int
content_of(struct written *w, const json_t *spec, char hex[SHA256_HEX_SIZE])
{
	json_t *digests = NULL, *v;
	struct item *items;
	const int *section;
	const char *key;
	size_t n = 0;
	int rc = -1;

	if ((items = calloc(json_object_size(spec) + 1, sizeof(*items))) == NULL)
		return (-1);
	json_object_foreach((json_t *)(uintptr_t)spec, key, v) {
		for (section = config_sections; *section != SECTIONS && strcmp(key, all_rules[*section].section) != 0;
		     section++)
			;
		items[n++] = (struct item){ .key = key, .section = *section, .value = v };
		if (strcmp(key, "digests") != 0)
			continue;
		if ((digests = json_copy(v)) == NULL)
			goto out;
		json_object_del(digests, "content_sha256");
		items[n - 1].value = digests;
	}
	rc = digest_items(w, items, n, hex);
out:
	json_decref(digests);
	free(items);
	return (rc);
}

int
specdigest_content(const json_t *spec, char hex[SHA256_HEX_SIZE])
{
	if (write_sections(&written, spec, config_sections) == 0 && content_of(&written, spec, hex) == 0)
		return (0);
	errno = ENOMEM;
	return (-1);
}

int
specdigest_again(const json_t *spec, json_t *digests)
{
	char hex[SHA256_HEX_SIZE];

	/* Of the same spec: what the others wrote last serves for the content, too. */
	if (specdigest_put(spec, digests) == 0 && content_of(&written, spec, hex) == 0 &&
	    json_object_set_new(digests, "content_sha256", json_string(hex)) == 0)
		return (0);
	errno = ENOMEM;
	return (-1);
}

json_t *
specdigest_settings(const json_t *spec)
{
	json_t *settings = json_object(), *v;
	const struct rules *rules;
	const int *section;
	const struct rule *x;
	char path[128];
	int differs;

	for (section = config_sections; settings != NULL && *section != SECTIONS; section++) {
		if ((rules = rules_of(*section)) == NULL)
			goto err0;
		/* In the order of the contract, whatever that of the spec. */
		for (x = rules->of; x < rules->of + rules->count; x++) {
			if (!x->result)
				continue;
			v = json_object_get(json_object_get(spec, rules->section), x->key);
			snprintf(path, sizeof(path), "%s.%s", rules->section, x->key);
			if ((differs = later_deviates(x->rule, v)) == -1 ||
			    (differs && json_object_set(settings, path, v) == -1))
				goto err0;
		}
	}
	return (settings);
err0:
	json_decref(settings);
	errno = ENOMEM;
	return (NULL);
}
