/* lib/run/contract: what no sample file can show. Prints TAP. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "schema/check.h"
#include "schema/contract.h"
#include "schema/plan.h"
#include "base/jsonscan.h"
#include "base/exit.h"
#include "base/jsonio.h"
#include "t/unit/tap.h"

/* A valid value of a contract, from its sample. */
static json_t *
sample(const char *name)
{
	const char *top = getenv("HG_TOP");
	char path[4096];
	json_t *v = NULL;

	snprintf(path, sizeof(path), "%s/contracts/%s.valid/full.json", top == NULL ? "." : top, name);
	if (contract_read(AT_FDCWD, path, name, NULL, &v) == -1)
		tap_ok(0, "the sample of %s can be read", name);
	return (v);
}

static void
paths(void)
{
	const json_t *schema = contract_at("spec", "train.seed");

	tap_ok(jsonio_i64(schema, "default", 0) == 1337, "a member's schema is found by path");
	tap_ok(strcmp(contract_tag(schema), "replicate") == 0, "with its tag");
	tap_ok(contract_at("spec", "train.sed") == NULL && contract_at("spec", "seed") == NULL &&
		contract_at("spec", "train.seed.x") == NULL && contract_at("spec", "train..seed") == NULL,
	    "what the contract does not name has none");
	tap_ok(contract_at("spec", "") != NULL && strcmp(contract_tag(contract_at("spec", "")), "") == 0,
	    "the empty path is the whole");
	tap_ok(contract_at("training_report", "owner.pid") != NULL, "paths lead through definitions");
	tap_ok(contract_at("training_report", "libraries.any") != NULL, "and through members of any name");
}

static void
keys(void)
{
	struct str where = STR_INIT;
	json_t *v = json_integer(-1);

	tap_ok(contract_check_key("spec", "train.seed", v, &where) == -1 && errno == EBADMSG &&
		strcmp(where.p, "train.seed: -1 is not at least 0") == 0,
	    "one value is checked, and named by its path");
	str_free(&where);
	tap_ok(contract_check_key("spec", "train.sed", v, &where) == -1 &&
		strcmp(where.p, "train.sed: unknown key") == 0,
	    "an unknown path is a break");
	str_free(&where);
	tap_ok(contract_check_key("spec", "train.seed", v, NULL) == -1 && errno == EBADMSG, "without a message too");
	json_decref(v);
}

static void
parts(void)
{
	json_t *part = json_pack("{s:{s:i}}", "train", "seed", 3), *wrong = json_pack("{s:{s:i}}", "train", "sed", 3);

	tap_ok(contract_check("spec", part, NULL) == -1, "a part is no whole");
	tap_ok(contract_check_part("spec", part, NULL) == 0, "but keeps the contract of a part");
	tap_ok(contract_check_part("spec", wrong, NULL) == -1, "which knows the same keys");
	json_decref(part);
	json_decref(wrong);
}

static void
integers(void)
{
	static const char text[] = "{\"step\": 3.0, \"tokens\": 4e2, \"train_loss\": 2.0, \"lr_scale\": 1, "
				   "\"grad_norm\": null, \"wallclock_ms\": 5}";
	json_t *v = contract_parse(text, strlen(text), "text", "metrics");

	tap_ok(json_is_integer(json_object_get(v, "step")) && jsonio_i64(v, "tokens", 0) == 400,
	    "integers written as reals are read as integers");
	tap_ok(json_is_real(json_object_get(v, "train_loss")), "reals stay reals");
	json_decref(v);
}

/* A sample's digest as anything that is nearly one. */
static void
digests(void)
{
	static const struct {
		const char *text;
		size_t n;
		int may;
	} cases[] = {
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 64, 1 },
		{ "0000000000000000000000000000000000000000000000000000000000000000", 64, 1 },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde", 63, 0 },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0", 65, 0 },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeF", 64, 0 },
		{ "A123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 64, 0 },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeg", 64, 0 },
		{ "/123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 64, 0 },
		{ "0123456789abcdef0123456789abcdef:123456789abcdef0123456789abcdef", 64, 0 },
		{ "`123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 64, 0 },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n", 64, 0 },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n", 65, 0 },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde", 64, 0 },
		{ "", 0, 0 },
	};
	json_t *v;
	size_t i, wrong = 0;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		v = json_stringn_nocheck(cases[i].text, cases[i].n);
		if ((contract_check_key("admission", "request_sha256", v, NULL) == 0) != cases[i].may)
			wrong += (size_t)printf("# %s\n", cases[i].text) > 0;
		json_decref(v);
	}
	/* All hexadecimal and as long, where no digest is asked for. */
	v = json_string(cases[0].text);
	tap_ok(wrong == 0 && contract_check_key("ledger_row", "run.parent_uid", v, NULL) == -1,
	    "a digest is 64 digits of 0-9a-f, and stands only where one is asked for");
	json_decref(v);
}

static void
writing(void)
{
	json_t *v = sample("refusal"), *again;
	char *text;
	size_t n;

	text = contract_pretty("refusal", v, &n);
	again = contract_parse(text, n, "text", "refusal");
	tap_ok(json_equal(v, again), "what is written reads back the same");
	json_decref(again);
	free(text);
	json_object_set_new(v, "kind", json_string("bad_luck"));
	tap_ok(contract_pretty("refusal", v, &n) == NULL && errno == EBADMSG,
	    "what breaks its contract is not written");
	json_decref(v);
}

/* --- a plan against the contract that it was made of --------------------------- */

struct plans {
	const json_t *root;
	struct plan *plan;
	json_t
	    *bounds; /* every number of the contract, and a text of one letter more than the longest that it allows */
	unsigned kept, broken, wrong, scanned;
};

static void
find_bounds(struct plans *p, const json_t *schema)
{
	const char *key;
	char text[2048];
	json_t *v;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)schema, key, v) {
		if (json_is_number(v))
			json_array_append(p->bounds, v);
		if (strcmp(key, "maxLength") == 0 && json_integer_value(v) < (json_int_t)sizeof(text)) {
			memset(text, 'a', (size_t)json_integer_value(v) + 1);
			json_array_append_new(p->bounds, json_stringn(text, (size_t)json_integer_value(v)));
			json_array_append_new(p->bounds, json_stringn(text, (size_t)json_integer_value(v) + 1));
		}
		find_bounds(p, v);
	}
	json_array_foreach((json_t *)(uintptr_t)schema, i, v)
		find_bounds(p, v);
}

static void
agree(struct plans *p, const json_t *v)
{
	struct check_walk w = { p->root, "", NULL, 0, 0 };
	static struct jsonscan scan = JSONSCAN_INIT;
	int reals, kept = check_value(&w, p->root, v, NULL) == 0, tokens;
	char *text = jsonio_line(v);

	p->kept += (unsigned)kept;
	p->broken += (unsigned)!kept;
	if (plan_keeps(p->plan, v, &reals) != kept)
		p->wrong += printf("# %s\n", text) > 0;
	/* What is written with \u, or 3.0, is left to the parser. */
	if (jsonscan_text(&scan, text, strlen(text)) == 0) {
		p->scanned++;
		tokens = plan_keeps_tokens(p->plan, &scan);
		if (tokens != kept && (tokens || !reals))
			p->wrong += printf("# tokens of %s\n", text) > 0;
	}
	free(text);
}

/* A list of one element, as often as a bound says and once more; or the bound itself where it is no such number. */
static json_t *
as_long(json_t *element, json_t *bound)
{
	const json_int_t n = json_integer_value(bound);
	json_t *v;

	if (!json_is_integer(bound) || n < 0 || n > 256)
		return (json_incref(bound));
	v = json_array();
	while ((json_int_t)json_array_size(v) <= n)
		json_array_append(v, element);
	return (v);
}

/* The whole with a part in the place of ${at}, which is one of its parts: every odd value in turn. */
static void
odd(struct plans *p, const json_t *whole, json_t *parent, const char *key, size_t index, json_t *at)
{
	static const char *const values[] = { "null", "true", "-1", "0", "3", "3.0", "0.5", "1e300", "1e18", "\"\"",
		"\"none\"", "\"auto\"", "\"a.b\"", "\"a\\u0000\"", "\"\\u00e9\"", "[]", "[1]", "{}", "{\"x\": 1}",
		"\"0123456789abcdef0123456789abcdef\"", "\"2026-01-01T00:00:00.000Z\"", "\"0-1,3\"", "\"0-1,\"",
		"\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"", "\"ttt:8:0.5\"",
		"\"none\\u0000\"", "\"documents\\u0000\"" };
	const size_t texts = sizeof(values) / sizeof(values[0]);
	size_t i;
	json_t *v;

	json_incref(at);
	for (i = 0; i < texts + json_array_size(p->bounds); i++) {
		if (json_is_array(at) && json_array_size(at) != 0 && i >= texts)
			v = as_long(json_array_get(at, 0), json_array_get(p->bounds, i - texts));
		else if (i < texts)
			v = json_loads(values[i], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		else
			v = json_incref(json_array_get(p->bounds, i - texts));
		if (v == NULL)
			abort();
		if (key != NULL)
			json_object_set_new(parent, key, v);
		else
			json_array_set_new(parent, index, v);
		agree(p, whole);
	}
	if (key == NULL) {
		json_array_set_new(parent, index, at);
		return;
	}
	json_object_del(parent, key);
	agree(p, whole);
	json_object_set_new(parent, key, at);
	/* It stands last now, and once more with one that nobody knows. */
	agree(p, whole);
	json_object_set_new(parent, "unheard_of", json_integer(1));
	agree(p, whole);
	json_object_del(parent, "unheard_of");
}

static void
everywhere(struct plans *p, const json_t *whole, json_t *v)
{
	const char **keys, *key;
	size_t n = json_object_size(v), i = 0;
	json_t *member;

	for (i = 0; i < json_array_size(v); i++) {
		everywhere(p, whole, json_array_get(v, i));
		odd(p, whole, v, NULL, i, json_array_get(v, i));
	}
	keys = calloc(n + 1, sizeof(*keys));
	i = 0;
	json_object_foreach(v, key, member)
		keys[i++] = strdup(key);
	for (i = 0; i < n; i++) {
		everywhere(p, whole, json_object_get(v, keys[i]));
		odd(p, whole, v, keys[i], 0, json_object_get(v, keys[i]));
		free((char *)(uintptr_t)keys[i]);
	}
	free(keys);
}

/* Every valid sample of a contract; how many. */
static unsigned
samples(struct plans *p, const char *name)
{
	const char *top = getenv("HG_TOP");
	char path[4096];
	struct dirent *e;
	unsigned n = 0;
	json_t *v;
	DIR *d;

	snprintf(path, sizeof(path), "%s/contracts/%s.valid", top == NULL ? "." : top, name);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL)
		if (strstr(e->d_name, ".json") != NULL &&
		    jsonio_read(dirfd(d), e->d_name, JSONIO_MAX_BYTES, NULL, &v) == 0) {
			agree(p, v);
			everywhere(p, v, v);
			json_decref(v);
			n++;
		}
	if (d != NULL)
		closedir(d);
	return (n);
}

static void
plans(void)
{
	const char *const *name;
	struct plans all = { 0 };
	unsigned none = 0;

	for (name = contract_names(); *name != NULL; name++) {
		all.root = contract_at(*name, "");
		all.plan = plan_make(all.root);
		all.bounds = json_array();
		find_bounds(&all, all.root);
		none += samples(&all, *name) == 0;
		json_decref(all.bounds);
		plan_free(all.plan);
	}
	tap_ok(all.wrong == 0 && none == 0 && all.kept > 5000 && all.broken > 20000 && all.scanned > 20000,
	    "what a plan says, every contract says: of %u values kept and %u that break one, %u of them as tokens too",
	    all.kept, all.broken, all.scanned);
}

static void
empty_pattern(void)
{
	json_t *root = json_pack("{s:s, s:s}", "type", "string", "pattern", "^$");
	json_t *empty = json_string(""), *letter = json_string("a");
	struct plan *p = plan_make(root);
	int reals;

	tap_ok(plan_keeps(p, empty, &reals) && !plan_keeps(p, letter, &reals),
	    "a pattern of no letter takes the empty text alone");
	plan_free(p);
	json_decref(letter);
	json_decref(empty);
	json_decref(root);
}

static void
scans(void)
{
	static const char *const texts[] = { "{\"schema\": \"homegolf.policy.v1\"}", "{\"schema\": \"other\"}", "{", "",
		"{\"schema\": \"homegolf.policy.v1\", \"unheard_of\": 1}" };
	const struct jsonscan *scan;
	const char *top = getenv("HG_TOP"), *tmp = getenv("TMPDIR");
	char path[4096], dir[4096];
	size_t i, refused = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/contracts/policy.valid/full.json", top == NULL ? "." : top);
	scan = contract_scan(AT_FDCWD, path, "policy");
	tap_ok(scan != NULL && strcmp(jsonscan_get(scan, "metric.name")->text, "val_bpb") == 0 &&
		jsonscan_get(scan, "metric.name.x") == NULL && jsonscan_get(scan, "metric") != NULL &&
		jsonscan_get(scan, "nothing") == NULL && jsonscan_get(scan, "metric.nothing") == NULL,
	    "a file that keeps its contract is read as tokens, by dotted path");
	snprintf(dir, sizeof(dir), "%s/contract.XXXXXX", tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(dir) == NULL || (fd = open(dir, O_RDONLY | O_DIRECTORY)) == -1)
		abort();
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		atomfile_replace(fd, "other.json", texts[i], strlen(texts[i]));
		refused += contract_scan(fd, "other.json", "policy") == NULL;
	}
	tap_ok(refused == i && contract_scan(fd, "none.json", "policy") == NULL, "and no other");
	unlinkat(fd, "other.json", 0);
	close(fd);
	rmdir(dir);
}

int
main(void)
{
	exit_init("contract");
	plans();
	scans();
	empty_pattern();
	paths();
	keys();
	parts();
	integers();
	digests();
	writing();
	return (tap_done());
}
