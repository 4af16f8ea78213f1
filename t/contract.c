/*
 * contract NAME FILE...   does each file keep its contract? 0, or 103 and why on stderr
 * contract -1 NAME FILE   the same for each line of a file
 * contract -v NAME FILE   for each line of a file, which must be JSON: "valid" or "invalid: why" on stdout
 * contract -l [FILE...]   are all embedded contracts sound, or those given?
 * contract -k NAME        every key by path, with its tag, to compare pages with
 * contract -n             the names of all contracts
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract.h"
#include "exit.h"
#include "file.h"
#include "jsonio.h"
#include "say.h"

static int
lint(int n, char **files)
{
	struct str where = STR_INIT;
	const char *const *names;
	json_t *v;
	int code = HG_EXIT_DONE;

	if (n == 0)
		for (names = contract_names(); *names != NULL; names++)
			if (contract_lint(*names, &where) == -1) {
				say_error("contract '%s': %s", *names, where.p);
				str_free(&where);
				code = HG_EXIT_CONTRACT;
			}
	for (; n > 0; n--, files++) {
		if (jsonio_read(AT_FDCWD, *files, CONTRACT_MAX_BYTES, NULL, &v) == -1)
			return (HG_EXIT_SYSTEM);
		if (contract_lint_schema(v, &where) == -1) {
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
			else if (contract_check(name, v, &where) == -1)
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
	if (argc == 2 && strcmp(argv[1], "-n") == 0) {
		for (names = contract_names(); *names != NULL; names++)
			puts(*names);
		return (exit_flush(HG_EXIT_DONE));
	}
	if (argc == 3 && strcmp(argv[1], "-k") == 0 && is_name(argv[2])) {
		print_keys(contract_at(argv[2], ""), contract_at(argv[2], ""), "");
		return (exit_flush(HG_EXIT_DONE));
	}
	if (argc == 4 && (strcmp(argv[1], "-1") == 0 || strcmp(argv[1], "-v") == 0) && is_name(argv[2]))
		return (exit_flush(lines(argv[2], argv[3], argv[1][1] == 'v')));
	if (argc < 3 || !is_name(argv[1])) {
		say_error("usage: contract [-1 | -v] NAME FILE... | -k NAME | -l [FILE...] | -n");
		return (HG_EXIT_USAGE);
	}
	for (i = 2; i < argc; i++) {
		if (contract_read(AT_FDCWD, argv[i], argv[1], NULL, &v) == -1) {
			if (errno == ENOENT)
				say_errno("cannot read '%s'", argv[i]);
			code = errno == EBADMSG && code == HG_EXIT_DONE ? HG_EXIT_CONTRACT :
			    errno == EBADMSG ? code : HG_EXIT_SYSTEM;
		} else
			json_decref(v);
	}
	return (exit_flush(code));
}
