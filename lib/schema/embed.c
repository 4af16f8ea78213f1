/*
 * Run by the build: prints the C source that puts files into programs.
 *   embed contracts FILE.json...         their text on one line each, for embedded_contracts
 *   embed code FILE... -- VARIANT...     their sizes and digests, for embedded_code
 *   embed text NAME FILE                 its bytes, for embedded_NAME
 *   embed model SPEC.json                bounds and defaults of its section model, for embedded_model
 */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "base/str.h"

static void
print_literal(const char *s)
{
	int column = 0;

	putchar('"');
	for (; *s != '\0'; s++) {
		if (*s == '\n')
			fputs("\\n", stdout);
		else {
			if (*s == '"' || *s == '\\')
				putchar('\\');
			putchar(*s);
		}
		if (++column >= 90 && s[1] != '\0') {
			printf("\"\n\t    \"");
			column = 0;
		}
	}
	putchar('"');
}

static int
contracts(int n, char **files)
{
	const char *base, *dot;
	json_t *v;
	char *line;

	printf("const struct embedded_contract embedded_contracts[] = {\n");
	for (; n > 0; n--, files++) {
		if (jsonio_read(AT_FDCWD, *files, JSONIO_MAX_BYTES, NULL, &v) == -1)
			return (-1);
		line = jsonio_line(v);
		json_decref(v);
		if (line == NULL)
			return (-1);
		base = strrchr(*files, '/') == NULL ? *files : strrchr(*files, '/') + 1;
		dot = strrchr(base, '.');
		printf("\t{ \"%.*s\",\n\t    ", dot == NULL ? (int)strlen(base) : (int)(dot - base), base);
		print_literal(line);
		printf(" },\n");
		free(line);
	}
	printf("\t{ 0, 0 }\n};\n");
	return (0);
}

/* One list of files up to "--" or the end; returns how many operands it took, or -1. */
static int
list(const char *name, int n, char **files, uint64_t *sum_bytes, struct str *sums)
{
	char hex[SHA256_HEX_SIZE];
	const char *path;
	uint64_t size_bytes;
	int i;

	printf("const struct fingerprint_file %s[] = {\n", name);
	for (i = 0; i < n && strcmp(files[i], "--") != 0; i++) {
		if (sha256_at(AT_FDCWD, files[i], hex, &size_bytes) == -1) {
			say_errno("cannot read '%s'", files[i]);
			return (-1);
		}
		/* What the build generates is called the same in every build directory. */
		path = strstr(files[i], "/gen/") == NULL ? files[i] : strstr(files[i], "/gen/") + 1;
		printf("\t{ \"%s\", \"%s\", %llu },\n", path, hex, (unsigned long long)size_bytes);
		*sum_bytes += size_bytes;
		if (str_printf(sums, "%s  %s\n", hex, path) == -1)
			return (-1);
	}
	printf("\t{ 0, 0, 0 }\n};\n");
	return (i);
}

static int
code(int n, char **files)
{
	struct str sums = STR_INIT, ignored = STR_INIT;
	char hex[SHA256_HEX_SIZE];
	uint64_t bytes = 0, others = 0;
	int used, rc = -1;

	if ((used = list("embedded_code", n, files, &bytes, &sums)) == -1)
		goto err0;
	if (sha256_hex(sums.p == NULL ? "" : sums.p, sums.n, hex) == -1)
		goto err0;
	printf("const uint64_t embedded_code_bytes = %llu;\n", (unsigned long long)bytes);
	printf("const char embedded_code_sha256[] = \"%s\";\n", hex);
	used += used < n;
	if (list("embedded_code_variants", n - used, files + used, &others, &ignored) == -1)
		goto err0;
	rc = 0;
err0:
	str_free(&sums);
	str_free(&ignored);
	return (rc);
}

static int
text(const char *name, const char *file)
{
	size_t n;
	char *p = file_read(AT_FDCWD, file, JSONIO_MAX_BYTES, &n);

	if (p == NULL) {
		say_errno("cannot read '%s'", file);
		return (-1);
	}
	printf("const char embedded_%s[] =\n\t    ", name);
	print_literal(p);
	printf(";\n");
	free(p);
	return (0);
}

/* A number of a rule; a bound that is excluded gives the next one that is not. 0, or -1 if there is none. */
static int
bound(const json_t *rule, const char *included, const char *excluded, double towards, double *out)
{
	const json_t *in = json_object_get(rule, included), *ex = json_object_get(rule, excluded);

	if (!json_is_number(in) && !json_is_number(ex))
		return (-1);
	*out = json_is_number(in) ? json_number_value(in) : nextafter(json_number_value(ex), towards);
	return (0);
}

static int
model(const char *file)
{
	const json_t *rule, *value;
	double min = 0, max = 1;
	const char *key;
	json_t *v, *member;

	if (jsonio_read(AT_FDCWD, file, JSONIO_MAX_BYTES, NULL, &v) == -1)
		return (-1);
	printf("const struct embedded_key embedded_model[] = {\n");
	json_object_foreach(jsonio_get(v, "properties.model.properties"), key, member) {
		rule = member;
		value = json_object_get(rule, "default");
		min = 0;
		max = 1;
		if (!json_is_boolean(value) &&
		    (bound(rule, "minimum", "exclusiveMinimum", INFINITY, &min) == -1 ||
			bound(rule, "maximum", "exclusiveMaximum", -INFINITY, &max) == -1 ||
			!(json_is_number(value) || json_is_null(value)))) {
			say_error("'%s': model.%s is no flag, and lacks a least, a greatest or a default number", file,
			    key);
			json_decref(v);
			return (-1);
		}
		printf("\t{ \"%s\", %.17g, %.17g, %.17g, %d },\n", key, min, max,
		    json_is_true(value) ? 1.0 : json_number_value(value), json_object_get(rule, "x-since") != NULL);
	}
	printf("\t{ 0, 0, 0, 0, 0 }\n};\n");
	json_decref(v);
	return (0);
}

int
main(int argc, char **argv)
{
	int rc = -1;

	exit_init("embed");
	printf("/* Written by lib/schema/embed.c. */\n");
	if (argc > 2 && strcmp(argv[1], "contracts") == 0) {
		printf("#include \"schema/embedded.h\"\n\n");
		rc = contracts(argc - 2, argv + 2);
	} else if (argc > 2 && strcmp(argv[1], "code") == 0) {
		printf("#include \"run/embedded_code.h\"\n\n");
		rc = code(argc - 2, argv + 2);
	} else if (argc == 4 && strcmp(argv[1], "text") == 0) {
		printf("#include \"report/css.h\"\n\n");
		rc = text(argv[2], argv[3]);
	} else if (argc == 3 && strcmp(argv[1], "model") == 0) {
		printf("#include \"gpt/embedded_model.h\"\n\n");
		rc = model(argv[2]);
	} else
		say_error(
		    "usage: embed contracts FILE... | code FILE... [-- FILE...] | text NAME FILE | model SPEC.json");
	return (exit_flush(rc == 0 ? HG_EXIT_DONE : HG_EXIT_SYSTEM));
}
