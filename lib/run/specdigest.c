#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "schema/contract.h"
#include "schema/later.h"
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

/**
 * The result keys of a section, without those of a replicate: those of 0.1,
 * which the spec's check has seen, and of later ones those that deviate.  So
 * a digest never changes because a key came.
 */
static json_t *
result_keys(const json_t *spec, const char *section)
{
	json_t *rules = jsonio_get(contract_at("spec", section), "properties"), *kept = json_object(), *rule, *v;
	const char *key;
	int counts;

	json_object_foreach(json_object_get(spec, section), key, v) {
		rule = json_object_get(rules, key);
		if (strcmp(contract_tag(rule), "result") != 0)
			continue;
		counts = later_is(rule) ? later_deviates(rule, v) : 1;
		if (counts == -1 || (counts && json_object_set(kept, key, v) == -1)) {
			json_decref(kept);
			return (NULL);
		}
	}
	return (kept);
}

static const char *const config_sections[] = { "model", "train", "eval", "export", "budget", NULL };
static const char *const model_sections[] = { "model", "train", "export", "budget", NULL };

/* The result keys of sections, by section; NULL without memory. */
static json_t *
results_of(const json_t *spec, const char *const *sections)
{
	json_t *v = json_object();

	for (; *sections != NULL; sections++)
		if (json_object_set_new(v, *sections, result_keys(spec, *sections)) == -1) {
			json_decref(v);
			return (NULL);
		}
	return (v);
}

/*
 * The digest of sections of what results_of gave, and of digests that exist already.  The vocabulary is the
 * tokenizer's: another one is a change of the tokenizer, not of the ${recipe} too.
 */
static json_t *
digest_of(const json_t *results, const char *const *sections, int recipe, const json_t *digests,
    const char *const *others)
{
	char hex[SHA256_HEX_SIZE];
	json_t *v = json_object(), *made = NULL, *other, *model;

	for (; *sections != NULL; sections++)
		if (json_object_set(v, *sections, json_object_get(results, *sections)) == -1)
			goto out;
	if (recipe) {
		if ((model = json_copy(json_object_get(v, "model"))) == NULL)
			goto out;
		json_object_del(model, "vocab_size");
		if (json_object_set_new(v, "model", model) == -1)
			goto out;
	}
	for (; *others != NULL; others++)
		if ((other = json_object_get(digests, *others)) != NULL && json_object_set(v, *others, other) == -1)
			goto out;
	if (jsonio_digest(v, hex) == 0)
		made = json_string(hex);
out:
	json_decref(v);
	return (made);
}

int
specdigest_recipe(const json_t *spec, char hex[SHA256_HEX_SIZE])
{
	static const char *const too[] = { "replay_sha256", NULL };
	json_t *results = results_of(spec, model_sections), *digest;

	digest = results == NULL ? NULL : digest_of(results, model_sections, 1, json_object_get(spec, "digests"), too);
	json_decref(results);
	if (digest == NULL) {
		errno = ENOMEM;
		return (-1);
	}
	memcpy(hex, json_string_value(digest), SHA256_HEX_SIZE);
	json_decref(digest);
	return (0);
}

/* The digest of the programs of others, where there are any. */
static int
put_trainer(const json_t *spec, json_t *digests)
{
	static const char *const programs[] = { "trainer", "scorer", NULL };
	static const char *const nothing[] = { NULL };
	json_t *results;
	int rc;

	if (json_object_get(spec, "trainer") == NULL && json_object_get(spec, "scorer") == NULL)
		return (0);
	if ((results = results_of(spec, programs)) == NULL)
		return (-1);
	rc = json_object_set_new(digests, "trainer_sha256", digest_of(results, programs, 0, digests, nothing));
	json_decref(results);
	return (rc);
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
	static const char *const eval[] = { "eval", NULL };
	static const char *const nothing[] = { NULL };
	const struct {
		const char *key;
		const char *const *sections;
		int recipe;
		const char *const *others;
	} made[] = {
		{ "config_sha256", config_sections, 0, config_too },
		{ "model_sha256", model_sections, 1, model_too },
		{ "eval_sha256", eval, 0, nothing },
	};
	json_t *results = NULL;
	size_t i;

	if (put_trainer(spec, digests) == -1 || (results = results_of(spec, config_sections)) == NULL)
		goto err0;
	for (i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		if (json_object_set_new(digests, made[i].key,
			digest_of(results, made[i].sections, made[i].recipe, digests, made[i].others)) == -1)
			goto err0;
	json_decref(results);
	return (0);
err0:
	json_decref(results);
	errno = ENOMEM;
	return (-1);
}

int
specdigest_content(const json_t *spec, char hex[SHA256_HEX_SIZE])
{
	json_t *copy = json_copy((json_t *)(uintptr_t)spec), *digests;
	int rc = -1;

	if ((digests = json_object_get(copy, "digests")) != NULL && (digests = json_copy(digests)) != NULL) {
		json_object_del(digests, "content_sha256");
		rc = json_object_set_new(copy, "digests", digests);
	} else if (copy != NULL && json_object_get(copy, "digests") == NULL)
		rc = 0;
	if (rc == 0)
		rc = jsonio_digest(copy, hex);
	json_decref(copy);
	if (rc == -1)
		errno = ENOMEM;
	return (rc);
}

json_t *
specdigest_settings(const json_t *spec)
{
	json_t *settings = json_object(), *keys = NULL, *rule;
	const char *const *section;
	const char *key;
	char path[128];
	int differs;

	for (section = config_sections; settings != NULL && *section != NULL; section++) {
		if ((keys = result_keys(spec, *section)) == NULL)
			goto err0;
		/* In the order of the contract, whatever that of the spec. */
		json_object_foreach(jsonio_get(contract_at("spec", *section), "properties"), key, rule) {
			snprintf(path, sizeof(path), "%s.%s", *section, key);
			if ((differs = later_deviates(rule, json_object_get(keys, key))) == -1 ||
			    (differs && json_object_set(settings, path, json_object_get(keys, key)) == -1))
				goto err0;
		}
		json_decref(keys);
	}
	return (settings);
err0:
	json_decref(keys);
	json_decref(settings);
	errno = ENOMEM;
	return (NULL);
}
