/*
 * lib/data/bpe: its ids are spm_encode's, whatever the model and the text.  Prints TAP.
 *
 *	bpe MODEL FILE...	compare them on the lines of files
 *	bpe -w TEXT LINES SEED	write so many lines of the kinds below, made of that seed
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"
#include "base/str.h"
#include "base/utf8.h"
#include "data/bpe.h"
#include "data/child.h"
#include "data/idtext.h"
#include "t/unit/tap.h"

#define MODEL_WAIT_MS INT64_C(600000)

static char dir[] = "/tmp/hg-bpe-unit.XXXXXX";

static int
run(const char *const argv[], const char *in, const char *out)
{
	int in_fd = in == NULL ? -1 : open(in, O_RDONLY | O_CLOEXEC);
	int out_fd = out == NULL ? -1 : open(out, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct inputerror f;
	struct child c;
	int rc;

	rc = child_start(&c, argv, AT_FDCWD, in_fd, out_fd, -1, MODEL_WAIT_MS, &f) == -1 ? -1 : child_wait(&c, &f);
	if (in_fd != -1)
		close(in_fd);
	if (out_fd != -1)
		close(out_fd);
	return (rc);
}

/* --- comparing -------------------------------------------------------------------------- */

/* Lines that are encoded differently; -1 if something fails. */
static long
differences(const char *model, const char *path, long *lines)
{
	const char *argv[] = { "spm_encode", NULL, "--output_format=id", "--extra_options=bos", NULL };
	struct str flag = STR_INIT, ids_path = STR_INIT;
	struct inputerror f;
	struct vocab *v = vocab_open(model, &f);
	struct bpe *b = v == NULL ? NULL : bpe_open(v);
	struct bpe_encoder *e = b == NULL ? NULL : bpe_encoder_new(b);
	struct bpe_ids ids = { NULL, 0, 0 };
	struct idtext *r = NULL;
	const uint16_t *theirs;
	uint64_t n;
	uint16_t bos;
	FILE *in = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;
	ssize_t length;
	long wrong = 0;
	int fd = -1;

	*lines = 0;
	if (e == NULL || in == NULL || str_printf(&flag, "--model=%s", model) == -1 ||
	    str_printf(&ids_path, "%s/ids", dir) == -1)
		return (-1);
	argv[1] = flag.p;
	if (run(argv, path, ids_path.p) == -1 || (fd = file_open(AT_FDCWD, ids_path.p, NULL)) == -1 ||
	    (r = idtext_begin(fd, "spm_encode", vocab_size(v), vocab_bos(v))) == NULL)
		return (-1);
	bos = (uint16_t)vocab_bos(v);
	while ((length = getline(&line, &room, in)) > 0) {
		length -= line[length - 1] == '\n';
		ids.n = 0;
		if (bpe_ids_add(&ids, &bos, 1) == -1 || bpe_encode(e, line, (size_t)length, &ids) == -1 ||
		    idtext_next(r, &theirs, &n, &f) != 1)
			return (-1);
		++*lines;
		if (n == ids.n && memcmp(ids.p, theirs, n * sizeof(theirs[0])) == 0)
			continue;
		if (wrong++ == 0)
			printf("# line %ld of %s: %zu ids, not %ju\n", *lines, path, ids.n, (uintmax_t)n);
	}
	if (idtext_next(r, &theirs, &n, &f) != 0)
		wrong++;
	idtext_free(r);
	close(fd);
	fclose(in);
	free(line);
	free(ids.p);
	bpe_encoder_free(e);
	bpe_free(b);
	vocab_free(v);
	str_free(&flag);
	str_free(&ids_path);
	return (wrong);
}

/* --- lines of all kinds ------------------------------------------------------------------- */

/* clang-format off */
static const char *const odd[] = {
	" ", "  ", "\t", "\v", "\r", "\xe2\x96\x81", "\xe2\x96\x81 ", "\xc2\xa0", "\xe3\x80\x80",
	"\xe2\x80\x8b", "\xef\xbf\xbd", "\xef\xb7\xba", "\xcc\x81", "e\xcc\x81", "\xe1\x84\x80\xe1\x85\xa1",
	"\xef\xbc\xa1", "\xef\xac\x81", "\xc3\x9f", "\xf0\x9f\x98\x80", "\xff", "\xc0\x80", "\xed\xa0\x80",
	"\xf4\x90\x80\x80", "\xe2\x96", "\x01", "\x7f", "\xc2\x85", "\xe2\x80\xa8", "<s>", "</s>", "<unk>",
	"<0x41>", "USER", "us er", "\xe2\x81\x87", "1234567890",
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "..........", "---", "The", "the ",
	"ing", "A\xcc\x80 ", " \xcc\x80", "\xe2\x84\xa2", "\xc2\xbd", "\xe1\xba\x9b\xcc\xa3", "\xe0\xa5\x98",
	"\xe4\xb8\xad\xe6\x96\x87", "\xd0\x96",
};
/* clang-format on */
#define ODD (sizeof(odd) / sizeof(odd[0]))

/* A character of any script, or none at all. */
static int
put_any(struct rng *r, struct str *out)
{
	char utf8[UTF8_MAX_BYTES];
	uint32_t c;

	do
		c = (uint32_t)rng_below(r, rng_below(r, 4) == 0 ? 0x110000 : rng_below(r, 3) == 0 ? 0x10000 : 0x3000);
	while ((c >= 0xd800 && c < 0xe000) || c == '\n');
	return (str_add(out, utf8, utf8_write(utf8, c)));
}

/* A line; ${text} lends pieces of what the model was trained on. */
static int
put_line(struct rng *r, const char *text, size_t n, struct str *out)
{
	size_t parts = rng_below(r, 12), at, length;
	unsigned kind = (unsigned)rng_below(r, 8);
	const char *piece;
	char byte;

	for (; parts > 0; parts--)
		switch (kind < 6 ? kind : rng_below(r, 4)) {
		case 0:
		case 4:
		case 5:
			at = rng_below(r, n);
			length = rng_below(r, n - at < 60 ? n - at : 60);
			for (; length > 0; length--, at++)
				if (str_add(out, text[at] == '\n' ? " " : text + at, 1) == -1)
					return (-1);
			break;
		case 1:
			piece = odd[rng_below(r, ODD)];
			if (str_puts(out, piece) == -1)
				return (-1);
			break;
		case 2:
			if (put_any(r, out) == -1)
				return (-1);
			break;
		default:
			byte = (char)rng_below(r, 256);
			if (str_add(out, byte == '\n' ? " " : &byte, 1) == -1)
				return (-1);
		}
	return (str_add(out, "\n", 1));
}

/* Lines of all kinds, and some that stand out. */
static int
write_lines(FILE *f, const char *text, size_t n, long lines, uint64_t seed)
{
	struct str line = STR_INIT;
	struct rng r;
	long i;

	rng_seed(&r, seed, 0);
	for (i = 0; i < lines; i++) {
		line.n = 0;
		if (put_line(&r, text, n, &line) == -1)
			return (-1);
		fwrite(line.p, 1, line.n, f);
	}
	fputs("\n \n  \n\xe2\x96\x81\n \xe2\x96\x81\n\t\n\xe3\x80\x80\na\n a\na \n\x01\n", f);
	fwrite("\0\na\0b\n\0 \0\n", 1, 11, f);
	for (i = 0; i < 20000; i++)
		fputs(odd[i % (long)ODD], f);
	fputc('\n', f);
	for (i = 0; i < 50000; i++)
		fputs(i % 7 == 0 ? "ab" : "a", f);
	fputc('\n', f);
	str_free(&line);
	return (ferror(f) ? -1 : 0);
}

/* --- models of all kinds -------------------------------------------------------------------- */

/* Text of this tree, in ${path}. */
static int
write_text(const char *path, struct str *text)
{
	static const char *const names[] = { "man/hg-spec.1", "man/hg-data.1", "man/hg-ledger.1", "CONTRIBUTING.md",
		"lib/data/documents.c", "LICENSE" };
	const char *top = getenv("HG_TOP");
	struct str name = STR_INIT;
	char *part;
	size_t i, n;
	FILE *f;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		name.n = 0;
		if (str_printf(&name, "%s/%s", top == NULL ? "." : top, names[i]) == -1 ||
		    (part = file_read(AT_FDCWD, name.p, 1 << 20, &n)) == NULL || str_add(text, part, n) == -1)
			return (-1);
		free(part);
	}
	str_free(&name);
	if ((f = fopen(path, "w")) == NULL)
		return (-1);
	fwrite(text->p, 1, text->n, f);
	fputs("caf\xc3\xa9 na\xc3\xafve \xe4\xb8\xad\xe6\x96\x87 \xd0\x96\xd0\xb8\xd1\x82\xd1\x8c\n", f);
	return (fclose(f));
}

static const struct {
	const char *name, *vocab, *rules, *fallback, *prefix, *extra, *other;
} kinds[] = {
	{ "the public settings", "1024", "nmt_nfkc", "true", "false", "true", "--split_digits=true" },
	{ "settings that keep blanks", "700", "identity", "true", "false", "false", "--split_digits=true" },
	{ "spm_train's own settings", "600", "nmt_nfkc", "false", "true", "true", "--split_digits=false" },
	{ "pieces across blanks", "800", "nfkc", "true", "true", "false", "--split_by_whitespace=false" },
	{ "case folded", "500", "nmt_nfkc_cf", "false", "false", "false", "--max_sentencepiece_length=5" },
	{ "pieces of a user", "600", "nmt_nfkc", "true", "true", "true", "--user_defined_symbols=USER,us er,ing,1" },
	{ "control pieces", "500", "nfkc", "false", "true", "false", "--control_symbols=<a>,The" },
};

static int
train(size_t i, const char *text, const char *prefix)
{
	struct str flags[7] = { STR_INIT, STR_INIT, STR_INIT, STR_INIT, STR_INIT, STR_INIT, STR_INIT };
	const char *argv[] = { "spm_train", "--model_type=bpe", "--hard_vocab_limit=false", "--character_coverage=0.98",
		"--minloglevel=2", kinds[i].other, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL };
	size_t at;
	int rc;

	if (str_printf(&flags[0], "--input=%s", text) == -1 ||
	    str_printf(&flags[1], "--model_prefix=%s", prefix) == -1 ||
	    str_printf(&flags[2], "--vocab_size=%s", kinds[i].vocab) == -1 ||
	    str_printf(&flags[3], "--normalization_rule_name=%s", kinds[i].rules) == -1 ||
	    str_printf(&flags[4], "--byte_fallback=%s", kinds[i].fallback) == -1 ||
	    str_printf(&flags[5], "--add_dummy_prefix=%s", kinds[i].prefix) == -1 ||
	    str_printf(&flags[6], "--remove_extra_whitespaces=%s", kinds[i].extra) == -1)
		return (-1);
	for (at = 0; at < 7; at++)
		argv[6 + at] = flags[at].p;
	rc = run(argv, NULL, NULL);
	for (at = 0; at < 7; at++)
		str_free(&flags[at]);
	return (rc);
}

static void
models(void)
{
	struct str text = STR_INIT, path = STR_INIT, prefix = STR_INIT, model = STR_INIT, lines_path = STR_INIT;
	long lines = 0, wrong;
	size_t i;
	FILE *f;

	if (str_printf(&path, "%s/text", dir) == -1 || str_printf(&lines_path, "%s/lines", dir) == -1 ||
	    str_printf(&prefix, "%s/m", dir) == -1 || str_printf(&model, "%s/m.model", dir) == -1 ||
	    write_text(path.p, &text) == -1 || (f = fopen(lines_path.p, "w")) == NULL ||
	    write_lines(f, text.p, text.n, 4000, 1) == -1 || fclose(f) != 0)
		abort();
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		wrong = train(i, path.p, prefix.p) == -1 ? -1 : differences(model.p, lines_path.p, &lines);
		if (!tap_ok(wrong == 0, "%s: the ids of every line are spm_encode's", kinds[i].name))
			printf("# %ld of %ld lines differ\n", wrong, lines);
	}
	str_free(&text);
	str_free(&path);
	str_free(&prefix);
	str_free(&model);
	str_free(&lines_path);
}

static void
clear(void)
{
	static const char *const names[] = { "ids", "text", "lines", "m.model", "m.vocab" };
	char path[sizeof(dir) + 16];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

int
main(int argc, char **argv)
{
	char *text;
	size_t n;
	long lines, wrong;
	int i;

	if (argc == 5 && strcmp(argv[1], "-w") == 0) {
		text = file_read(AT_FDCWD, argv[2], (size_t)1 << 30, &n);
		return (text == NULL || write_lines(stdout, text, n, atol(argv[3]), strtoull(argv[4], NULL, 10)) == -1);
	}
	if (mkdtemp(dir) == NULL)
		return (1);
	for (i = 2; i < argc; i++) {
		wrong = differences(argv[1], argv[i], &lines);
		if (!tap_ok(wrong == 0, "%s: %s: the ids of %ld lines are spm_encode's", argv[1], argv[i], lines))
			printf("# %ld differ\n", wrong);
	}
	if (argc == 1)
		models();
	clear();
	return (tap_done());
}
