/*
 * A request is {"set": {...}, "base": {...}, "file": NAME}: sections as in
 * spec.json, with only what was given.  Which keys there are, their types,
 * defaults and tags is asked of the contract at every step.
 */
#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "schema/contract.h"
#include "schema/later.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/say.h"
#include "base/search.h"
#include "run/rundir.h"
#include "run/spec.h"
#include "run/specdigest.h"
#include "run/program.h"
#include "run/pruned.h"
#include "run/specrequest.h"
#include "base/str.h"

#define PATH_SIZE 160 /* of SECTION.KEY */

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
specrequest_new(void)
{
	/* Without the contract no key is known, which is no fault of who names one; it was said. */
	return (root_properties() == NULL ? NULL : json_object());
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

/* A file that may be partial. NULL with errno, said. */
static json_t *
read_part(const char *file)
{
	struct str where = STR_INIT;
	json_t *v;
	char *text;
	size_t n;
	int fd;

	if (rundir_can_tell(file) == -1)
		return (NULL);
	/* The path is the user's own: links in it are meant, and a pipe will do. */
	if ((fd = file_open_given(file)) == -1) {
		say_errno("cannot read '%s'", file);
		return (NULL);
	}
	text = file_read_fd(fd, CONTRACT_MAX_BYTES, &n);
	close(fd);
	if (text == NULL) {
		say_errno("cannot read '%s'", file);
		return (NULL);
	}
	v = jsonio_parse(text, n, file);
	free(text);
	if (v == NULL)
		return (NULL);
	if (!json_is_object(v))
		say_error("'%s': is not an object", file);
	else if (!base_keys_known(file, v))
		;
	else if (contract_check_part("spec", v, &where) == -1)
		say_error("'%s': %s", file, where.p == NULL ? "breaks its contract" : where.p);
	else
		return (v);
	str_free(&where);
	json_decref(v);
	errno = EBADMSG;
	return (NULL);
}

/* The spec of the run in a directory. NULL with errno, said. */
static json_t *
read_run(const char *path)
{
	struct rundir r;
	json_t *v = NULL;
	int error;

	if (rundir_open(&r, path) == -1)
		return (NULL);
	if (rundir_load(&r) == 0)
		v = json_incref(r.spec.json);
	error = errno;
	rundir_close(&r);
	errno = error;
	return (v);
}

static int
is_directory(const char *path)
{
	struct stat st;

	return (stat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

json_t *
specrequest_read(const char *path)
{
	return (is_directory(path) ? read_run(path) : read_part(path));
}

/* What is derived from a run is about something else than that was: where it comes from. 0 or -1. */
static int
derive(json_t *v)
{
	json_t *about = json_pack("{s:O, s:O}", "parent", json_object_get(v, "run_id"), "parent_uid",
	    json_object_get(v, "run_uid"));

	return (json_object_set_new(v, "about", about));
}

int
specrequest_base(json_t *request, const char *path)
{
	const char *section, *between = "/";
	struct str file = STR_INIT;
	const int run = is_directory(path);
	json_t *v, *members;
	void *next;

	if ((v = specrequest_read(path)) == NULL)
		return (-1);
	if (*path != '\0' && path[strlen(path) - 1] == '/')
		between = "";
	if (run && derive(v) == -1)
		goto err0;
	/* What a campaign's request asked for was that run, and no other. */
	json_object_del(json_object_get(v, "about"), "request_sha256");
	/* Only what people fill in is taken over. */
	json_object_foreach_safe(v, next, section, members)
		if (section_keys(section) == NULL)
			json_object_del(v, section);
	/* As for the spec's file, beside which data and programs are looked for. */
	if (str_printf(&file, "%s%s%s", path, run ? between : "", run ? SPEC_FILE : "") == -1 ||
	    json_object_set(request, "base", v) == -1 || jsonio_put(request, "file", json_string(file.p)) == -1)
		goto err0;
	str_free(&file);
	json_decref(v);
	return (0);
err0:
	str_free(&file);
	json_decref(v);
	errno = ENOMEM;
	say_errno("cannot take '%s'", path);
	return (-1);
}

/* Is it a key of a time in milliseconds? */
static int
is_time(const char *path, const json_t *rule)
{
	const size_t n = strlen(path);

	return (contract_has_type(rule, "integer") && n > 3 && strcmp(path + n - 3, "_ms") == 0);
}

/* A word that may stand for a time is a pattern, ^none$. */
static void
say_no_time(const char *path, const char *text, const json_t *rule)
{
	const char *word = jsonio_text(rule, "pattern", "");

	word += *word == '^';
	say_error("%s: '%s' is no time, such as 90s, 10m, 8h or 1500 (milliseconds)%s%.*s", path, text,
	    *word == '\0' ? "" : ", nor the word ", (int)strcspn(word, "$"), word);
}

/* Plain words where JSON is meant: say how they would be written. */
static void
say_no_json(const char *path, const char *text, const json_t *rule)
{
	static const char between[] = " \t\n,\"'\\";
	struct str s = STR_INIT;
	const char *p;
	size_t n;

	if (!contract_has_type(rule, "array")) {
		say_error("%s: '%s' is no JSON object, such as -s '%s={\"NAME\": \"value\"}'", path, text, path);
		return;
	}
	for (p = text + strspn(text, between); *p != '\0'; p += n + strspn(p + n, between)) {
		n = strcspn(p, between);
		if (str_printf(&s, "%s\"%.*s\"", s.n == 0 ? "" : ", ", (int)n, p) == -1)
			break;
	}
	say_error("%s: '%s' is no JSON array, such as -s '%s=[%s]'", path, text, path, s.n == 0 ? "" : s.p);
	str_free(&s);
}

/*
 * The JSON value that a text means under a key's types; what fits none becomes text, for the checker to refuse.  NULL,
 * said, if it is no JSON where only that will do, or no text.
 */
static json_t *
value_of(const char *path, const char *text, const json_t *rule)
{
	json_t *v;
	int64_t i;
	double x;

	if (contract_has_type(rule, "array") || contract_has_type(rule, "object")) {
		if (memchr("[{", text[strspn(text, " \t\n")], 2) != NULL)
			return (jsonio_parse(text, strlen(text), path));
		say_no_json(path, text, rule);
		errno = EINVAL;
		return (NULL);
	}

	if (contract_has_type(rule, "null") && strcmp(text, "null") == 0)
		return (json_null());
	if (contract_has_type(rule, "boolean") && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
		return (json_boolean(*text == 't'));
	/* A time may bear its unit; a bare number is in the key's own, milliseconds. */
	if (is_time(path, rule) && *text != '\0' && strchr("smh", text[strlen(text) - 1]) != NULL &&
	    num_duration_ms(text, INT64_C(9007199254740991), &i) == 0)
		return (json_integer(i));
	if (contract_has_type(rule, "integer") || contract_has_type(rule, "number")) {
		if (num_i64(text, INT64_MIN, INT64_MAX, &i) == 0)
			return (json_integer(i));
		if (num_f64(text, -DBL_MAX, DBL_MAX, &x) == 0) {
			if (contract_has_type(rule, "integer") && floor(x) == x && fabs(x) < 9007199254740992.0)
				return (json_integer((json_int_t)x));
			return (json_real(x));
		}
	}
	if ((v = json_string(text)) == NULL)
		say_error("%s: the value is not UTF-8", path);
	return (v);
}

/* Cut SECTION.KEY=VALUE, and take the value as the contract types it. Owns: the caller decrefs *value. -1, said. */
static int
parse(const char *text, char path[PATH_SIZE], json_t **value)
{
	const char *equals = strchr(text, '='), *dot;
	struct str where = STR_INIT;
	char section[64] = "";
	json_t *keys, *rule;

	if (equals == NULL || equals == text || (size_t)(equals - text) >= PATH_SIZE) {
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
	if ((*value = value_of(path, equals + 1, rule)) == NULL)
		goto err0;
	if (contract_check_key("spec", path, *value, &where) == -1) {
		if (is_time(path, rule) && json_is_string(*value))
			say_no_time(path, equals + 1, rule);
		else
			say_error("%s", where.p == NULL ? path : where.p);
		goto err1;
	}
	return (0);
err1:
	str_free(&where);
	json_decref(*value);
err0:
	errno = EINVAL;
	return (-1);
}

/* Put a key's value beside what the request has from there, "set" or "base"; steals it. */
static int
put_value(json_t *request, const char *from, const char *path, json_t *value)
{
	char place[PATH_SIZE + 8];

	snprintf(place, sizeof(place), "%s.%s", from, path);
	if (jsonio_put(request, place, value) == 0)
		return (0);
	errno = ENOMEM;
	say_errno("cannot set '%s'", path);
	return (-1);
}

const json_t *
specrequest_given(const json_t *request, const char *path)
{
	static const char *const from[] = { "set", "base" };
	char place[PATH_SIZE + 8];
	const json_t *v;

	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
		snprintf(place, sizeof(place), "%s.%s", from[i], path);
		if ((v = jsonio_get(request, place)) != NULL)
			return (v);
	}
	return (NULL);
}

int
specrequest_set(json_t *request, const char *text)
{
	char path[PATH_SIZE], place[PATH_SIZE + 8];
	json_t *value;

	if (parse(text, path, &value) == -1)
		return (-1);
	snprintf(place, sizeof(place), "set.%s", path);
	if (jsonio_get(request, place) == NULL)
		return (put_value(request, "set", path, value));
	say_error("'%s' is given twice", path);
	json_decref(value);
	errno = EINVAL;
	return (-1);
}

int
specrequest_offer(json_t *request, const char *text)
{
	char path[PATH_SIZE];
	json_t *value;

	if (parse(text, path, &value) == -1)
		return (-1);
	if (specrequest_given(request, path) == NULL)
		return (put_value(request, "base", path, value));
	json_decref(value);
	return (0);
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
			if (is_computed(member))
				continue;
			if ((value = json_object_get(json_object_get(set, section), key)) == NULL &&
			    (value = json_object_get(json_object_get(base, section), key)) == NULL)
				value = json_object_get(member, "default");
			stands = later_is(member) ? later_deviates(member, value) : 1;
			if (stands == -1 || (stands && json_object_set_new(made, key, json_deep_copy(value)) == -1))
				goto err0;
		}
		if (later_is(rule) && json_object_size(made) == 0)
			json_object_del(spec, section);
	}
	/* Another parent than the base's has another number, which nobody said. */
	if (jsonio_get(set, "about.parent") != NULL && jsonio_get(set, "about.parent_uid") == NULL)
		json_object_del(json_object_get(spec, "about"), "parent_uid");
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
	char hex[SHA256_HEX_SIZE], at[CLOCK_TEXT_SIZE], *path;
	uint64_t size_bytes;

	if (name == NULL)
		return (json_object_set_new(digests, digest, json_string("none")));
	if ((path = file_given(name)) == NULL || sha256_at(AT_FDCWD, path, hex, &size_bytes) == -1) {
		if (errno == ENOENT && pruned_given(AT_FDCWD, name, NULL, at)) {
			say_error("train.%s: '%s' was pruned at %s; another run of its spec makes it again", key, name,
			    at);
			errno = ENOENT;
		} else
			say_errno("train.%s: cannot read '%s'", key, name);
		free(path);
		return (-1);
	}
	if (rundir_can_tell(path) == -1) {
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

/*
 * Where the data of the base is, which may have moved: as it says, as data beside its file, or in HOMEGOLF_DATA.
 * Where none has its digest it is as it says, so that messages name that.  NULL with errno ENOMEM.
 */
static char *
base_data(const json_t *request, const char *dir)
{
	const char *want = jsonio_text(request, "base.data.dataset_sha256", NULL),
		   *file = jsonio_text(request, "file", ""), *slash = strrchr(file, '/');
	char hex[SHA256_HEX_SIZE];
	struct str at = STR_INIT;

	if (want != NULL && !search_here(dir, "dataset.json", want, SEARCH_ANY, hex)) {
		if (str_printf(&at, "%.*sdata", slash == NULL ? 0 : (int)(slash + 1 - file), file) == -1)
			goto err0;
		if (search_here(at.p, "dataset.json", want, SEARCH_ANY, hex))
			return (at.p);
		switch (search_list(getenv("HOMEGOLF_DATA"), "dataset.json", want, SEARCH_ANY, &at)) {
		case 1:
			return (at.p);
		case -1:
			goto err0;
		}
		at.n = 0;
	}
	if (str_puts(&at, dir) == -1)
		goto err0;
	return (at.p);
err0:
	str_free(&at);
	return (NULL);
}

static int
put_data(const json_t *request, json_t *spec)
{
	const char *dir = jsonio_text(request, "set.data.dir", NULL);
	json_t *digests = json_object_get(spec, "digests"), *data;
	char data_sha256[SHA256_HEX_SIZE], *path, *base;
	int moved = dir != NULL, rc;

	if (dir == NULL && (dir = jsonio_text(request, "base.data.dir", NULL)) == NULL) {
		say_error("data.dir is not set; name a data directory made by hg-data: -s data.dir=DIR");
		errno = EINVAL;
		return (-1);
	}
	base = moved ? NULL : base_data(request, dir);
	path = base == NULL && !moved ? NULL : realpath(moved ? dir : base, NULL);
	free(base);
	if (path == NULL) {
		say_errno("data.dir: cannot find '%s'%s", dir,
		    moved ? "" : "; HOMEGOLF_DATA says where data lies that moved");
		return (-1);
	}
	if ((rc = rundir_can_tell(path)) == 0)
		rc = specdigest_data(path, &data, data_sha256);
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

/* Words, names and paths end at a NUL, so one that has it would not be what the spec says. Parameters are handed on. */
static int
check_texts(const json_t *v, const char *where)
{
	const char *key;
	char path[200];
	json_t *member;
	size_t i;

	if (json_is_string(v) && strlen(json_string_value(v)) != json_string_length(v)) {
		say_error("%s: a text can't have a NUL", where);
		errno = EINVAL;
		return (-1);
	}
	json_array_foreach((json_t *)(uintptr_t)v, i, member)
		if (check_texts(member, where) == -1)
			return (-1);
	json_object_foreach((json_t *)(uintptr_t)v, key, member) {
		snprintf(path, sizeof(path), "%s%s%.80s", where, *where == '\0' ? "" : ".", key);
		if (strcmp(key, "params") != 0 && check_texts(member, path) == -1)
			return (-1);
	}
	return (0);
}

int
specrequest_build(const json_t *request, json_t **out)
{
	json_t *spec;
	size_t i;
	int error;

	if ((spec = filled(request)) == NULL)
		return (-1);
	if (check_texts(spec, "") == -1 || put_data(request, spec) == -1)
		goto err0;
	for (i = 0; spec_taken[i].key != NULL; i++)
		if (json_is_null(jsonio_get(spec, spec_taken[i].key)) &&
		    jsonio_put(spec, spec_taken[i].key, json_incref(jsonio_get(spec, spec_taken[i].from))) == -1)
			goto err1;
	if (put_file(spec, "init_from", "init_sha256") == -1 || put_file(spec, "replay", "replay_sha256") == -1 ||
	    check_vocabulary(spec) == -1 ||
	    program_resolve(spec, json_object_get(request, "base"), json_object_get(request, "set"),
		jsonio_text(request, "file", "")) == -1)
		goto err0;
	if (specdigest_put(spec, json_object_get(spec, "digests")) == -1)
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
specrequest_identify(json_t *spec, const char *run_id)
{
	char uid[33], now[CLOCK_TEXT_SIZE], hex[SHA256_HEX_SIZE];

	if (proc_random_hex(uid, sizeof(uid) / 2) == -1) {
		say_errno("cannot draw a random number");
		return (-1);
	}
	if (json_object_set_new(spec, "run_id", json_string(run_id)) == -1 ||
	    json_object_set_new(spec, "run_uid", json_string(uid)) == -1 ||
	    json_object_set_new(spec, "created_at", json_string(clock_text(now, clock_wall_ms()))) == -1 ||
	    specdigest_content(spec, hex) == -1 ||
	    json_object_set_new(json_object_get(spec, "digests"), "content_sha256", json_string(hex)) == -1) {
		errno = ENOMEM;
		say_errno("cannot identify a spec");
		return (-1);
	}
	return (0);
}
