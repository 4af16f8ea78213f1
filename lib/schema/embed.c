/*
 * Run by the build: prints the C source that puts files into programs.
 *   embed contracts FILE.json...         their text on one line each, for embedded_contracts
 *   embed code FILE... -- VARIANT...     their sizes and digests, for embedded_code
 *   embed text NAME FILE                 its bytes, for embedded_NAME
 */
#include <fcntl.h>
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
	uint64_t size_bytes;
	int i;

	printf("const struct fingerprint_file %s[] = {\n", name);
	for (i = 0; i < n && strcmp(files[i], "--") != 0; i++) {
		if (sha256_at(AT_FDCWD, files[i], hex, &size_bytes) == -1) {
			say_errno("cannot read '%s'", files[i]);
			return (-1);
		}
		printf("\t{ \"%s\", \"%s\", %llu },\n", files[i], hex, (unsigned long long)size_bytes);
		*sum_bytes += size_bytes;
		if (str_printf(sums, "%s  %s\n", hex, files[i]) == -1)
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
	} else
		say_error("usage: embed contracts FILE... | code FILE... [-- FILE...] | text NAME FILE");
	return (exit_flush(rc == 0 ? HG_EXIT_DONE : HG_EXIT_SYSTEM));
}
