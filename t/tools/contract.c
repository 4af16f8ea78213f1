/*
 * contract NAME FILE...   does each file keep its contract? 0, or 103 and why on stderr
 * contract -1 NAME FILE   the same for each line of a file
 * contract -v NAME FILE   for each line of a file, which must be JSON: "valid" or "invalid: why" on stdout
 * contract -s FILE        for each line {"schema": .., "data": ..} of a file: "valid", "invalid: why" or "outside: why"
 * contract -l [FILE...]   are all embedded contracts sound, or those given?
 * contract -k NAME        every key by path, with its tag, to compare pages with
 * contract -m NAME        the section KEYS of its manual page
 * contract -w stage       the words that contracts list under that key; also kind (of a refusal), next, reason and rule
 * contract -d             the definitions that hg-contract(7) describes
 * contract -n             the names of all contracts
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/contract.h"
#include "schema/lint.h"
#include "base/exit.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "law/verdict.h"
#include "run/refusal.h"
#include "base/say.h"
#include "run/state.h"

static int
lint(int n, char **files)
{
	struct str where = STR_INIT;
	const char *const *names;
	json_t *v;
	int code = HG_EXIT_DONE;

	if (n == 0)
		for (names = contract_names(); *names != NULL; names++)
			if (lint_contract(*names, &where) == -1) {
				say_error("contract '%s': %s", *names, where.p);
				str_free(&where);
				code = HG_EXIT_CONTRACT;
			}
	for (; n > 0; n--, files++) {
		if (jsonio_read(AT_FDCWD, *files, CONTRACT_MAX_BYTES, NULL, &v) == -1)
			return (HG_EXIT_SYSTEM);
		if (lint_schema(v, &where) == -1) {
			say_error("contract '%s': %s", *files, where.p);
			code = HG_EXIT_CONTRACT;
		}
		str_free(&where);
		json_decref(v);
	}
	return (code);
}

static void
print_keys(const json_t *root, const json_t *schema, const char *prefix)
{
	const json_t *ref = json_object_get(schema, "$ref"), *items;
	char path[256];
	const char *key;
	json_t *member;

	if (ref != NULL)
		schema = json_object_get(json_object_get(root, "$defs"), json_string_value(ref) + strlen("#/$defs/"));
	if ((items = json_object_get(schema, "items")) != NULL) {
		snprintf(path, sizeof(path), "%s[]", prefix);
		print_keys(root, items, path);
	}
	json_object_foreach(json_object_get(schema, "properties"), key, member) {
		snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix == '\0' ? "" : ".", key);
		printf("%s\t%s\n", path, contract_tag(member));
		print_keys(root, member, path);
	}
}

/* --- the manual page's section ---------------------------------------------- */

static const json_t *
followed(const json_t *root, const json_t *schema)
{
	const char *ref = jsonio_text(schema, "$ref", NULL);

	return (ref == NULL ? schema : json_object_get(json_object_get(root, "$defs"), ref + strlen("#/$defs/")));
}

/* Definitions that hg-contract(7) describes, once for all pages; others are described where they are used. */
static const char *const described[] = {
	"sha256",
	"sha256_or_none",
	"sha256_or_null",
	"time",
	"time_or_null",
	"count",
	"count_or_null",
	"run_id",
	"run_uid",
	"stage",
	"attempt",
	"backend",
	"arith",
	"lane",
	"file",
	"owner",
	"owner_or_null",
	"text",
};

static const char *
described_name(const json_t *schema)
{
	const char *ref = jsonio_text(schema, "$ref", NULL);
	size_t i;

	for (i = 0; ref != NULL && i < sizeof(described) / sizeof(described[0]); i++)
		if (strcmp(ref + strlen("#/$defs/"), described[i]) == 0)
			return (described[i]);
	return (NULL);
}

/* An object whose members stand in this page. */
static int
has_members_here(const json_t *root, const json_t *schema)
{
	return (described_name(schema) == NULL && json_object_get(followed(root, schema), "properties") != NULL);
}

static void
print_value(const json_t *v)
{
	char *line = jsonio_line(v), *p;

	for (p = line; p != NULL && *p != '\0'; p++)
		if (*p == '\\')
			fputs("\\e", stdout);
		else
			putchar(*p);
	free(line);
}

static void
print_bound(const json_t *schema, const char *key, const char *words)
{
	const json_t *v = json_object_get(schema, key);

	/* The largest integer that JSON carries is no bound worth naming. */
	if (v == NULL || json_integer_value(v) == 9007199254740991)
		return;
	printf(" %s ", words);
	print_value(v);
}

/* What a value may be, in words. */
static void
print_type(const json_t *root, const json_t *schema)
{
	const char *name = described_name(schema), *pattern;
	const json_t *type, *list;
	size_t i;

	if (name != NULL) {
		for (; *name != '\0'; name++)
			putchar(*name == '_' ? ' ' : *name);
		return;
	}
	schema = followed(root, schema);
	type = json_object_get(schema, "type");
	if (json_object_get(schema, "const") != NULL) {
		print_value(json_object_get(schema, "const"));
		return;
	}
	if ((list = json_object_get(schema, "enum")) != NULL) {
		for (i = 0; i < json_array_size(list); i++) {
			fputs(i == 0 ? "" : i + 1 == json_array_size(list) ? " or " : ", ", stdout);
			print_value(json_array_get(list, i));
		}
		return;
	}
	if (type == NULL)
		fputs("any value", stdout);
	else if (json_is_string(type))
		fputs(json_string_value(type), stdout);
	for (i = 0; i < json_array_size(type); i++)
		printf("%s%s", i == 0 ? "" : " or ", json_string_value(json_array_get(type, i)));
	list = json_object_get(schema, "items");
	if (list != NULL && !has_members_here(root, list)) {
		fputs(" of ", stdout);
		print_type(root, list);
	}
	print_bound(schema, "minimum", "from");
	print_bound(schema, "exclusiveMinimum", "above");
	print_bound(schema, "maximum", "to");
	print_bound(schema, "exclusiveMaximum", "below");
	if ((pattern = jsonio_text(schema, "pattern", NULL)) != NULL) {
		fputs(" matching ", stdout);
		print_value(json_object_get(schema, "pattern"));
	}
}

/* One sentence a line, as mdoc likes it. */
static void
print_text(const char *text)
{
	for (; *text != '\0'; text++) {
		putchar(*text);
		if (*text == '\\')
			putchar('e');
		if (*text == '.' && text[1] == ' ') {
			putchar('\n');
			text++;
		}
	}
	putchar('\n');
}

static int
is_required(const json_t *schema, const char *key)
{
	const json_t *required = json_object_get(schema, "required");
	size_t i;

	for (i = 0; i < json_array_size(required); i++)
		if (strcmp(json_string_value(json_array_get(required, i)), key) == 0)
			return (1);
	return (0);
}

static void
print_members(const json_t *root, const json_t *schema, const char *prefix)
{
	const json_t *inner;
	const char *key;
	json_t *member;
	char path[256];

	schema = followed(root, schema);
	json_object_foreach(json_object_get(schema, "properties"), key, member) {
		snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix == '\0' ? "" : ".", key);
		printf(".It Va %s\n", path);
		print_type(root, member);
		if (json_object_get(member, "x-unit") != NULL)
			printf(", in %s", jsonio_text(member, "x-unit", ""));
		if (json_object_get(member, "default") != NULL) {
			fputs(", default ", stdout);
			print_value(json_object_get(member, "default"));
		}
		if (*contract_tag(member) != '\0')
			printf(", %s", contract_tag(member));
		if (jsonio_true(member, "readOnly"))
			fputs(", computed", stdout);
		if (jsonio_true(member, "x-timing"))
			fputs(", timing", stdout);
		if (json_object_get(member, "x-since") != NULL)
			printf(", since %s", jsonio_text(member, "x-since", ""));
		else if (!is_required(schema, key))
			fputs(", optional", stdout);
		puts(json_object_get(member, "description") == NULL ? "." : ":");
		if (json_object_get(member, "description") != NULL)
			print_text(jsonio_text(member, "description", ""));
		if (has_members_here(root, member))
			print_members(root, member, path);
		inner = json_object_get(member, "items");
		if (inner != NULL && has_members_here(root, inner)) {
			snprintf(path, sizeof(path), "%s%s%s[]", prefix, *prefix == '\0' ? "" : ".", key);
			print_members(root, inner, path);
		}
	}
}

/* The kinds stand in lib/schema/refusalkind.def. */
static void
print_kinds(void)
{
	int kind;

	printf(".Sh KINDS\n.Bl -tag -width Ds\n");
	for (kind = REFUSAL_NONE + 1; kind < REFUSAL_COUNT; kind++) {
		printf(".It Dv %s\n%s", refusal_name(kind), refusal_meaning(kind));
		printf("%s.\n", refusal_retryable(kind) ? "; a retry may help" : "");
		printf("Next:\n.Dl %s\n", refusal_template(kind));
	}
	printf(".El\n");
}

/* Programs carry their contracts without the words for people: those are in the file. 0, or -1, said. */
static int
print_page(const char *name)
{
	const char *top = getenv("HG_TOP");
	char path[4096];
	json_t *whole;

	snprintf(path, sizeof(path), "%s/contracts/%s.json", top == NULL ? "." : top, name);
	if (jsonio_read(AT_FDCWD, path, CONTRACT_MAX_BYTES, NULL, &whole) == -1)
		return (-1);
	printf(".Sh KEYS\n.Bl -tag -width Ds\n");
	print_members(whole, whole, "");
	json_decref(whole);
	printf(".El\n");
	if (strcmp(name, "refusal") == 0)
		print_kinds();
	return (0);
}

/* --- lists in contracts that the program has in a table ---------------------- */

static int
print_words(const char *key)
{
	struct state_next next;
	char word[STATE_WORD_SIZE];
	int i, s;

	if (strcmp(key, "kind") == 0)
		for (i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++)
			puts(refusal_name((enum refusal_kind)i));
	else if (strcmp(key, "stage") == 0)
		for (s = 0; s < STAGE_COUNT; s++)
			puts(rundir_stages[s].name);
	else if (strcmp(key, "next") == 0) {
		for (i = 0; i < STATE_DO_COUNT; i++)
			for (s = 0; s < (i == STATE_DO_GO_ON ? 1 : STAGE_COUNT); s++) {
				next = (struct state_next){ .what = (enum state_do)i, .stage = (enum stage)s };
				puts(state_word(word, &next));
			}
	} else if (strcmp(key, "reason") == 0 || strcmp(key, "rule") == 0) {
		for (i = 0; i < VERDICT_REASONS; i++)
			if (strcmp(key, "reason") == 0 || verdict_reason_counts((enum verdict_reason)i) == VERDICT_RULE)
				puts(verdict_reason_name((enum verdict_reason)i));
	} else
		return (HG_EXIT_USAGE);
	return (HG_EXIT_DONE);
}

/* ---------------------------------------------------------------------------- */

/* Without a name each line brings its schema. */
static int
lines(const char *name, const char *file, int verdicts)
{
	struct str where = STR_INIT;
	int code = HG_EXIT_DONE, number = 0;
	char *text, *line, *end, what[300];
	json_t *v;
	size_t n;

	if ((text = file_read(AT_FDCWD, file, (size_t)256 << 20, &n)) == NULL) {
		say_errno("cannot read '%s'", file);
		return (HG_EXIT_SYSTEM);
	}
	for (line = text; *line != '\0'; line = end + 1) {
		number++;
		if ((end = strchr(line, '\n')) == NULL) {
			say_error("'%s' line %d is torn", file, number);
			code = HG_EXIT_CONTRACT;
			break;
		}
		snprintf(what, sizeof(what), "%s line %d", file, number);
		if (verdicts) {
			v = jsonio_parse(line, (size_t)(end - line), what);
			if (v == NULL)
				printf("invalid: not JSON\n");
			else if (name == NULL &&
			    lint_check(json_object_get(v, "schema"), json_object_get(v, "data"), &where) == -1)
				printf("%s: %.*s\n", errno == ENOTSUP ? "outside" : "invalid",
				    (int)strcspn(where.p, "\n"), where.p);
			else if (name != NULL && contract_check(name, v, &where) == -1)
				printf("invalid: %s\n", where.p);
			else
				printf("valid\n");
			str_free(&where);
		} else if ((v = contract_parse(line, (size_t)(end - line), what, name)) == NULL)
			code = HG_EXIT_CONTRACT;
		json_decref(v);
	}
	free(text);
	return (code);
}

static int
is_name(const char *name)
{
	return (contract_text(name) != NULL);
}

int
main(int argc, char **argv)
{
	const char *const *names;
	int code = HG_EXIT_DONE, i;
	json_t *v;

	exit_init("contract");
	if (argc >= 2 && strcmp(argv[1], "-l") == 0)
		return (exit_flush(lint(argc - 2, argv + 2)));
	if (argc == 2 && strcmp(argv[1], "-d") == 0) {
		for (i = 0; i < (int)(sizeof(described) / sizeof(described[0])); i++)
			puts(described[i]);
		return (exit_flush(HG_EXIT_DONE));
	}
	if (argc == 2 && strcmp(argv[1], "-n") == 0) {
		for (names = contract_names(); *names != NULL; names++)
			puts(*names);
		return (exit_flush(HG_EXIT_DONE));
	}
	if (argc == 3 && strcmp(argv[1], "-w") == 0)
		return (exit_flush(print_words(argv[2])));
	if (argc == 3 && strcmp(argv[1], "-k") == 0 && is_name(argv[2])) {
		print_keys(contract_at(argv[2], ""), contract_at(argv[2], ""), "");
		return (exit_flush(HG_EXIT_DONE));
	}
	if (argc == 3 && strcmp(argv[1], "-m") == 0 && is_name(argv[2]))
		return (exit_flush(print_page(argv[2]) == 0 ? HG_EXIT_DONE : HG_EXIT_SYSTEM));
	if (argc == 4 && (strcmp(argv[1], "-1") == 0 || strcmp(argv[1], "-v") == 0) && is_name(argv[2]))
		return (exit_flush(lines(argv[2], argv[3], argv[1][1] == 'v')));
	if (argc == 3 && strcmp(argv[1], "-s") == 0)
		return (exit_flush(lines(NULL, argv[2], 1)));
	if (argc < 3 || !is_name(argv[1])) {
		say_error(
		    "usage: contract [-1 | -v] NAME FILE... | -s FILE | -k NAME | -m NAME | -w KEY | -l [FILE...] | "
		    "-d | -n");
		return (HG_EXIT_USAGE);
	}
	for (i = 2; i < argc; i++) {
		if (contract_read(AT_FDCWD, argv[i], argv[1], NULL, &v) == -1) {
			if (errno == ENOENT)
				say_errno("cannot read '%s'", argv[i]);
			code = errno == EBADMSG && code == HG_EXIT_DONE ? HG_EXIT_CONTRACT :
			    errno == EBADMSG                            ? code :
									  HG_EXIT_SYSTEM;
		} else
			json_decref(v);
	}
	return (exit_flush(code));
}
