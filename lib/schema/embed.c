/*
 * Run by the build: prints the C source that puts files into programs.
 *   embed contracts FILE.json...         what a check goes by of each, on one line, for embedded_contracts
 *   embed code FILE... -- VARIANT...     sizes and digests of their code, for embedded_code
 *   embed strip FILE                     its code: no comments, no blank that is not needed
 *   embed text NAME FILE                 its bytes, for embedded_NAME
 *   embed model SPEC.json                bounds and defaults of its section model, for embedded_model
 *   embed defaults SPEC.json             defaults of its other sections, for embedded_spec
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

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

/* What is for people alone: every tool parses its contracts before it does anything else. */
static int
is_for_people(const char *keyword, const json_t *v)
{
	return (json_is_string(v) &&
	    (strcmp(keyword, "description") == 0 || strcmp(keyword, "title") == 0 || strcmp(keyword, "$schema") == 0));
}

/* A schema without that, at every depth: a member that is called so has a schema of its own, and no text. */
static void
drop_words(json_t *v)
{
	const char *key;
	json_t *member;
	void *next;
	size_t i;

	json_object_foreach_safe(v, next, key, member) {
		if (is_for_people(key, member))
			json_object_del(v, key);
		else
			drop_words(member);
	}
	json_array_foreach(v, i, member)
		drop_words(member);
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
		drop_words(v);
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

/* The end of the string or character constant that begins at p, or of the text. */
static const char *
literal_end(const char *p)
{
	const char quote = *p++;

	for (; *p != '\0' && *p != '\n' && *p != quote; p++)
		if (*p == '\\' && p[1] != '\0')
			p++;
	return (*p == quote ? p + 1 : p);
}

/* The end of the comment that begins at p, or NULL if none does; the newline after // is no part of it. */
static const char *
comment_end(const char *p)
{
	const char *end;

	if (p[0] == '/' && p[1] == '*')
		return ((end = strstr(p + 2, "*/")) != NULL ? end + 2 : p + strlen(p));
	if (p[0] != '/' || p[1] != '/')
		return (NULL);
	for (; *p != '\0' && *p != '\n'; p++)
		if (*p == '\\' && p[1] == '\n')
			p++;
	return (p);
}

/* Would two tokens that a blank parts run together without it? */
static int
keeps_apart(char a, char b)
{
	static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.\"'";
	static const char sign[] = "+-*/%&|<>=!^~?:#.";

	if (strchr(word, a) != NULL && strchr(word, b) != NULL)
		return (1);
	if (strchr(sign, a) != NULL && strchr(sign, b) != NULL)
		return (1);
	/* 0xe + 1 is three tokens, 0xe+1 is none. */
	return (strchr("eEpP", a) != NULL && strchr("+-", b) != NULL);
}

/*
 * What is left of C without comments, indentation, blanks at the ends of lines and empty lines; other blanks and
 * comments become one space.  A compiler sees the same but for line numbers.
 */
static int
strip(const char *p, struct str *out)
{
	const char *end;
	int blank = 0, start = 1, directive = 0, continued = 0;

	while (*p != '\0') {
		if ((end = comment_end(p)) != NULL || *p == ' ' || *p == '\t') {
			blank = 1;
			p = end != NULL ? end : p + 1;
			continue;
		}
		if (*p == '\n') {
			continued = directive && !start && out->p[out->n - 1] == '\\';
			if (!start && str_add(out, "\n", 1) == -1)
				return (-1);
			blank = 0;
			start = 1;
			p++;
			continue;
		}
		if (start)
			directive = continued || *p == '#';
		if (blank && !start && (directive || keeps_apart(out->p[out->n - 1], *p)) && str_add(out, " ", 1) == -1)
			return (-1);
		blank = start = 0;
		end = *p == '"' || *p == '\'' ? literal_end(p) : p + 1;
		if (str_add(out, p, (size_t)(end - p)) == -1)
			return (-1);
		p = end;
	}
	return (start ? 0 : str_add(out, "\n", 1));
}

/* The code of a file. 0, or -1 after saying why. */
static int
strip_file(const char *file, struct str *out)
{
	char *text;
	size_t n;
	int rc;

	if ((text = file_read(AT_FDCWD, file, JSONIO_MAX_BYTES, &n)) == NULL) {
		say_errno("cannot read '%s'", file);
		return (-1);
	}
	if ((rc = strip(text, out)) == -1)
		say_errno("cannot read '%s'", file);
	free(text);
	return (rc);
}

/* The path that a file is listed under: generated ones without the build directory, whose name is the compiler's. */
static const char *
listed(const char *file)
{
	const char *gen = strncmp(file, "build/", 6) == 0 ? strstr(file, "/gen/") : NULL;

	return (gen != NULL ? gen + 1 : file);
}

/*
 * One list of files up to "--" or the end; returns how many operands it took, or -1. ${bundle} gets what is handed in:
 * of each file a line with its path and size, and then its code.
 */
static int
list(const char *name, int n, char **files, struct str *bundle, struct str *sums)
{
	struct str code = STR_INIT;
	char hex[SHA256_HEX_SIZE];
	int i, rc = -1;

	printf("const struct fingerprint_file %s[] = {\n", name);
	for (i = 0; i < n && strcmp(files[i], "--") != 0; i++) {
		code.n = 0;
		if (strip_file(files[i], &code) == -1 || sha256_hex(code.n == 0 ? "" : code.p, code.n, hex) == -1)
			goto err0;
		printf("\t{ \"%s\", \"%s\", %zu },\n", listed(files[i]), hex, code.n);
		if (str_printf(sums, "%s  %s\n", hex, listed(files[i])) == -1 ||
		    str_printf(bundle, "%s %zu\n", listed(files[i]), code.n) == -1 ||
		    str_add(bundle, code.n == 0 ? "" : code.p, code.n) == -1)
			goto err0;
	}
	printf("\t{ 0, 0, 0 }\n};\n");
	rc = i;
err0:
	str_free(&code);
	return (rc);
}

/* The size of a text as one zlib stream at its best, or 0, said. */
static uint64_t
deflated(const struct str *s)
{
	uLongf n = compressBound(s->n);
	Bytef *out = malloc(n);

	if (out == NULL || compress2(out, &n, (const Bytef *)s->p, s->n, Z_BEST_COMPRESSION) != Z_OK) {
		errno = ENOMEM;
		say_errno("cannot compress the counted code");
		n = 0;
	}
	free(out);
	return (n);
}

static int
code(int n, char **files)
{
	struct str sums = STR_INIT, ignored = STR_INIT, bundle = STR_INIT, others = STR_INIT;
	char hex[SHA256_HEX_SIZE];
	uint64_t bytes;
	int used, rc = -1;

	if ((used = list("embedded_code", n, files, &bundle, &sums)) == -1 || (bytes = deflated(&bundle)) == 0)
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
	str_free(&bundle);
	str_free(&others);
	return (rc);
}

static int
stripped(const char *file)
{
	struct str code = STR_INIT;
	int rc = strip_file(file, &code);

	if (rc == 0)
		fwrite(code.p, 1, code.n, stdout);
	str_free(&code);
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

/* Where the default stands among the words of a key, whose last place is given, too. */
static double
place(const json_t *words, const json_t *value, double *last)
{
	size_t i;

	for (i = 0; i < json_array_size(words) && !json_equal(json_array_get(words, i), value); i++)
		;
	*last = (double)json_array_size(words) - 1;
	return ((double)i);
}

static int
model(const char *file)
{
	const json_t *rule, *value;
	double min = 0, max = 1, number;
	const char *key;
	json_t *v, *member;
	int later;

	if (jsonio_read(AT_FDCWD, file, JSONIO_MAX_BYTES, NULL, &v) == -1)
		return (-1);
	printf("const struct embedded_key embedded_model[] = {\n");
	json_object_foreach(jsonio_get(v, "properties.model.properties"), key, member) {
		rule = member;
		value = json_object_get(rule, "default");
		later = json_object_get(rule, "x-since") != NULL;
		number = json_is_true(value) ? 1 : json_is_null(value) && later ? -1 : json_number_value(value);
		min = 0;
		max = 1;
		if (json_is_array(value))
			max = json_number_value(json_object_get(rule, "maxItems"));
		else if (json_is_string(value))
			number = place(json_object_get(rule, "enum"), value, &max);
		else if (!json_is_boolean(value) &&
		    (bound(rule, "minimum", "exclusiveMinimum", INFINITY, &min) == -1 ||
			bound(rule, "maximum", "exclusiveMaximum", -INFINITY, &max) == -1 ||
			!(json_is_number(value) || json_is_null(value)))) {
			say_error("'%s': model.%s is no flag, and lacks a least, a greatest or a default number", file,
			    key);
			json_decref(v);
			return (-1);
		}
		printf("\t{ \"%s\", %.17g, %.17g, %.17g, %d },\n", key, min, max, number, later);
	}
	printf("\t{ 0, 0, 0, 0, 0 }\n};\n");
	json_decref(v);
	return (0);
}

/*
 * The defaults of a spec's keys, as JSON, but of model, trainer, scorer and about: those of later keys apart,
 * which may be absent.
 */
static int
defaults(const char *file)
{
	json_t *v, *made = json_pack("{s:{}, s:{}}", "first", "later"), *member, *rule, *value;
	const char *section, *key;
	char path[160], *line = NULL;

	if (made == NULL || jsonio_read(AT_FDCWD, file, JSONIO_MAX_BYTES, NULL, &v) == -1)
		return (-1);
	json_object_foreach(json_object_get(v, "properties"), section, member) {
		/* Of programs of others, and of what is for people alone, a stranger needs to know nothing. */
		if (strcmp(section, "model") == 0 || strcmp(section, "trainer") == 0 ||
		    strcmp(section, "scorer") == 0 || strcmp(section, "about") == 0)
			continue;
		json_object_foreach(json_object_get(member, "properties"), key, rule) {
			/* Of keys that every spec has only the training's are asked for: the published optimizer. */
			value = json_object_get(rule, "default");
			if (value == NULL ||
			    (strcmp(section, "train") != 0 && json_object_get(rule, "x-since") == NULL))
				continue;
			snprintf(path, sizeof(path), "%s.%s", section, key);
			json_object_set(json_object_get(made,
					    json_object_get(rule, "x-since") == NULL ? "first" : "later"),
			    path, value);
		}
	}
	if ((line = jsonio_line(made)) != NULL) {
		printf("const char embedded_spec[] =\n\t    ");
		print_literal(line);
		printf(";\n");
	}
	json_decref(made);
	json_decref(v);
	free(line);
	return (line == NULL ? -1 : 0);
}

int
main(int argc, char **argv)
{
	int rc = -1;

	exit_init("embed");
	if (argc == 3 && strcmp(argv[1], "strip") == 0)
		return (exit_flush(stripped(argv[2]) == 0 ? HG_EXIT_DONE : HG_EXIT_SYSTEM));
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
	} else if (argc == 3 && strcmp(argv[1], "defaults") == 0) {
		printf("#include \"gpt/embedded_spec.h\"\n\n");
		rc = defaults(argv[2]);
	} else
		say_error("usage: embed contracts FILE... | code FILE... [-- FILE...] | strip FILE | text NAME FILE | "
			  "model SPEC.json | defaults SPEC.json");
	return (exit_flush(rc == 0 ? HG_EXIT_DONE : HG_EXIT_SYSTEM));
}
