/*
 * Keys of spec.json: all are bound, to fields that hold them, and later ones mean their default.  Prints TAP.
 * test_tags=b65
 */
#include <math.h>
#include <string.h>

#include "base/bind.h"
#include "base/exit.h"
#include "base/jsonio.h"
#include "gpt/embedded_model.h"
#include "gpt/ops.h"
#include "gpt/trainspec.h"
#include "run/program.h"
#include "run/spec.h"
#include "run/specisa.h"
#include "schema/contract.h"
#include "schema/later.h"
#include "t/unit/tap.h"

/* Every table, with what its paths lack of the spec's. */
static const struct table {
	const char *prefix;
	const struct bind *rows;
	size_t size;
} tables[] = {
	{ "model.", config_keys, sizeof(struct config) },
	{ "", trainspec_keys, sizeof(struct trainspec) },
	{ "", spec_keys, sizeof(struct spec_limits) },
	{ "trainer.", program_keys, sizeof(struct program) },
	{ "trainer.", program_trainer_keys, sizeof(struct program) },
	{ "scorer.", program_keys, sizeof(struct program) },
};

#define TABLES (sizeof(tables) / sizeof(tables[0]))

static const json_t *
rule_of(const struct table *t, const struct bind *row)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s", t->prefix, row->path);
	return (contract_at("spec", path));
}

static int
is_bound(const char *path)
{
	size_t i, n;

	for (i = 0; i < TABLES; i++) {
		n = strlen(tables[i].prefix);
		if (strncmp(path, tables[i].prefix, n) == 0 && bind_find(tables[i].rows, path + n) != NULL)
			return (1);
	}
	return (0);
}

static void
all_are_bound(void)
{
	json_t *sections = json_object_get(contract_at("spec", ""), "properties"), *section, *rule;
	const char *name, *key, *tag;
	int seen = 0, unbound = 0;
	char path[128];

	json_object_foreach(sections, name, section) {
		/* What is computed is checked, not obeyed. */
		if (strcmp(name, "data") == 0)
			continue;
		json_object_foreach(json_object_get(section, "properties"), key, rule) {
			tag = contract_tag(rule);
			if (strcmp(tag, "result") != 0 && strcmp(tag, "replicate") != 0 && strcmp(tag, "system") != 0)
				continue;
			seen++;
			snprintf(path, sizeof(path), "%s.%s", name, key);
			if (!is_bound(path)) {
				unbound++;
				printf("# %s is bound to nothing\n", path);
			}
		}
	}
	tap_ok(seen >= 50 && unbound == 0, "each of the %d result, replicate and system keys of a spec is bound", seen);
}

/* The words of a row are those of the contract, all of them and in any order. */
static int
same_words(const struct bind *row, const json_t *rule)
{
	const json_t *words = json_object_get(rule, "enum");
	size_t i, n, found = 0;

	for (n = 0; row->words[n] != NULL; n++)
		for (i = 0; i < json_array_size(words); i++)
			found += strcmp(row->words[n], json_string_value(json_array_get(words, i))) == 0;
	return (n == found && n == json_array_size(words));
}

static int
fits(const struct bind *row, const json_t *rule)
{
	switch (row->type) {
	case BIND_REAL:
		return (contract_has_type(rule, "number") || contract_has_type(rule, "integer"));
	case BIND_FLAG:
		return (contract_has_type(rule, "boolean"));
	case BIND_TEXT:
		return (contract_has_type(rule, "string") || json_object_get(rule, "enum") != NULL);
	case BIND_SET:
	case BIND_LIST:
	case BIND_PAIRS:
		return (contract_has_type(rule, "array"));
	case BIND_VALUE:
		return (contract_has_type(rule, "array") || contract_has_type(rule, "object"));
	case BIND_WORD:
		return (same_words(row, rule));
	default:
		return (contract_has_type(rule, "integer"));
	}
}

/* A value of the rule that no zeroed field has. */
static json_t *
sample(const struct bind *row, const json_t *rule)
{
	const json_t *max = json_object_get(rule, "maximum");

	switch (row->type) {
	case BIND_REAL:
		return (json_real(0.75));
	case BIND_FLAG:
		return (json_true());
	case BIND_TEXT:
		return (json_string("x"));
	case BIND_SET:
		return (json_pack("[i, i]", 2, BIND_SET_END - 1));
	case BIND_LIST:
		return (json_pack("[i, i, i]", 2, 1, 3));
	case BIND_PAIRS:
		return (json_pack("[[i, i], [f, I]]", 0, 1, 0.5,
		    json_integer_value(
			json_object_get(json_object_get(json_object_get(rule, "items"), "items"), "maximum"))));
	case BIND_VALUE:
		return (json_pack("[s]", "x"));
	case BIND_WORD:
		return (json_string(row->words[1]));
	default:
		return (json_integer(json_integer_value(max)));
	}
}

/* Setting a row's largest value gives that value back, and changes no other row's. */
static int
stands_alone(const struct table *t, const struct bind *row)
{
	static char zeros[sizeof(struct trainspec)], to[sizeof(struct trainspec)];
	json_t *v = sample(row, rule_of(t, row)), *back, *before;
	const struct bind *other;
	int good;

	memset(to, 0, sizeof(to));
	good = bind_set(row, to, v) == 0;
	back = bind_get(row, to);
	good = good && json_equal(v, back);
	for (other = t->rows; other->path != NULL; other++) {
		if (other == row)
			continue;
		json_decref(back);
		before = bind_get(other, zeros);
		back = bind_get(other, to);
		good = good && json_equal(before, back);
		json_decref(before);
	}
	json_decref(back);
	json_decref(v);
	return (good);
}

static void
rows(const struct table *t)
{
	int unknown = 0, unfit = 0, mixed = 0, n = 0;
	const struct bind *row;
	const json_t *rule;

	for (row = t->rows; row->path != NULL; row++, n++) {
		if ((rule = rule_of(t, row)) == NULL) {
			printf("# no contract for %s%s\n", t->prefix, row->path);
			unknown++;
			continue;
		}
		if (!fits(row, rule)) {
			printf("# %s%s is of another type in the contract\n", t->prefix, row->path);
			unfit++;
			continue;
		}
		if (row->offset >= t->size || !stands_alone(t, row)) {
			printf("# %s%s shares its field, or is cut by it\n", t->prefix, row->path);
			mixed++;
		}
		if (bind_find(t->rows, row->path) != row)
			mixed++;
	}
	tap_ok(n > 0 && unknown == 0, "each of %d rows binds a key of the contract", n);
	tap_ok(unfit == 0, "to a field of its type");
	tap_ok(mixed == 0, "of its own that is wide enough");
}

static void
types(void)
{
	static const char *const words[] = { "one", "two", NULL };
	static const struct {
		enum bind_type type;
		const char *good, *bad;
	} cases[] = {
		{ BIND_UNSIGNED, "7", "{}" },
		{ BIND_ULONG, "3", "3.5" },
		{ BIND_ULLONG, "9007199254740991", "true" },
		{ BIND_LONG, "-1", "[]" },
		{ BIND_LLONG, "-1", "0.5" },
		{ BIND_REAL, "0.5", "false" },
		{ BIND_FLAG, "true", "1" },
		{ BIND_TEXT, "\"x\"", "1" },
		{ BIND_WORD, "\"two\"", "\"three\"" },
	};
	struct bind row = { "a", 0, BIND_FLAG, words };
	json_t *good, *bad, *back;
	int right = 1, zero = 1;
	union {
		uint64_t whole;
		double real;
		const char *text;
	} at;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		row.type = cases[i].type;
		good = json_loads(cases[i].good, JSON_DECODE_ANY, NULL);
		bad = json_loads(cases[i].bad, JSON_DECODE_ANY, NULL);
		memset(&at, 0, sizeof(at));
		right = right && bind_set(&row, &at, NULL) == -1 && bind_set(&row, &at, bad) == -1 &&
		    bind_set(&row, &at, good) == 0;
		back = bind_get(&row, &at);
		right = right && json_equal(back, good);
		json_decref(back);
		if (row.type <= BIND_REAL)
			zero = zero && bind_set(&row, &at, json_null()) == 0 && bind_number(&row, &at) == 0;
		json_decref(good);
		json_decref(bad);
	}
	tap_ok(right, "values of a row's type are taken and given back, others and absent ones refused");
	tap_ok(zero, "a number that is null is 0");
}

/* A number of the contract's, or what a flag has in its place. */
static double
number(const json_t *rule, const char *word, double otherwise)
{
	const json_t *v = json_object_get(rule, word);

	return (json_is_number(v) ? json_number_value(v) : json_is_true(v) ? 1 : otherwise);
}

/* The default as the build writes it: a word's place, and -1 for what may be null. */
static double
usual(const json_t *rule)
{
	const json_t *words = json_object_get(rule, "enum"), *v = json_object_get(rule, "default");
	size_t i;

	for (i = 0; i < json_array_size(words); i++)
		if (json_equal(json_array_get(words, i), v))
			return ((double)i);
	return (number(rule, "default", later_is(rule) && json_is_null(v) ? -1 : 0));
}

static void
generated(void)
{
	json_t *keys = json_object_get(contract_at("spec", "model"), "properties"), *rule;
	const struct embedded_key *k;
	size_t n = 0;
	int same = 1;

	for (k = embedded_model; k->name != NULL; k++, n++) {
		rule = json_object_get(keys, k->name);
		same = same && rule != NULL && k->min == number(rule, "minimum", 0) &&
		    k->max ==
			number(rule, json_object_get(rule, "items") != NULL ? "maxItems" : "maximum",
			    fmax(1, (double)json_array_size(json_object_get(rule, "enum")) - 1)) &&
		    k->value == usual(rule) && k->later == later_is(rule);
	}
	tap_ok(same && n == json_object_size(keys), "the model's bounds and defaults are the contract's, to the bit");
}

static void
later(void)
{
	json_t *rule = json_pack("{s:s, s:f, s:s}", "type", "number", "default", 0.5, "x-since", "0.2"),
	       *old = json_pack("{s:s, s:f}", "type", "number", "default", 0.5), *half = json_real(0.5),
	       *other = json_real(0.25), *zero = json_pack("{s:i, s:s}", "default", 0, "x-since", "0.2"),
	       *nothing = json_real(0.0);

	tap_ok(later_is(rule) && !later_is(old), "x-since tells what came later");
	tap_ok(later_or_default(rule, other) == other && later_or_default(old, NULL) == NULL &&
		json_number_value(later_or_default(rule, NULL)) == 0.5,
	    "an absent later key has its default, and no other has");
	tap_ok(later_deviates(rule, NULL) == 0 && later_deviates(rule, half) == 0 && later_deviates(rule, other) == 1,
	    "only another value than the default deviates");
	tap_ok(later_deviates(zero, nothing) == 0, "0.0 does not deviate from 0");
	json_decref(rule);
	json_decref(old);
	json_decref(half);
	json_decref(other);
	json_decref(zero);
	json_decref(nothing);
}

/* What a backend calls its instruction sets can be asked for, and stands on the page. */
static void
instruction_sets(void)
{
	static const char *const names[] = { "cpu", "ref" };
	static const char path[] = "properties.system.properties.isa.description";
	const char *top = getenv("HG_TOP"), *text, *const * isa, *at;
	size_t i, bad = 0, n = 0;
	json_t *v, *spec, *contract;
	char file[4096];

	/* Programs carry their contracts without the words. */
	snprintf(file, sizeof(file), "%s/contracts/spec.json", top == NULL ? "." : top);
	contract = json_load_file(file, 0, NULL);
	text = jsonio_text(contract, path, "");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (isa = ops_find(names[i])->isa_names, at = strstr(text, names[i]); *isa != NULL; isa++, n++) {
			v = json_string(*isa);
			bad += contract_check_key("spec", "system.isa", v, NULL) != 0;
			bad += at == NULL || strstr(at, *isa) == NULL;
			spec = json_pack("{s:{s:s, s:s}}", "system", "backend", names[i], "isa", *isa);
			bad += specisa_check(spec) != 0;
			json_decref(spec);
			json_decref(v);
		}
	tap_ok(bad == 0 && n >= 3, "each instruction set of cpu and ref can be asked for, and its key names it");
	json_decref(contract);
}

int
main(void)
{
	size_t i;

	exit_init("keys");
	all_are_bound();
	for (i = 0; i < TABLES; i++)
		rows(&tables[i]);
	types();
	generated();
	later();
	instruction_sets();
	return (tap_done());
}
