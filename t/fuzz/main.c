/*
 * Feed files to a fuzz target: TARGET [-m ROUNDS] FILE-OR-DIRECTORY...
 *
 * With -m each file also in ROUNDS mutated forms, the same ones every time: cut short, bytes changed, pieces moved.
 * What the target says goes nowhere; the file under way is named if the process dies by it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/fuzz/fuzz.h"
#include "base/exit.h"
#include "base/file.h"
#include "base/num.h"
#include "base/opt.h"
#include "base/rng.h"
#include "base/say.h"

static struct opt table[] = {
	{ .letter = 'm', .arg = "ROUNDS", .help = "also feed so many mutations of each file (0)" },
	{ .letter = '\0' },
};

static const struct opt_tool tool = {
	.name = "fuzz",
	.summary = "feed files to a parser; it must come back",
	.synopsis = "NAME [-m ROUNDS] FILE|DIR...",
};

static char under_way[PATH_MAX + 64];
static int terminal;

/* Async-signal-safe: only write. */
static void
died(int sig)
{
	if (write(terminal, under_way, strlen(under_way)) == -1 || write(terminal, "\n", 1) == -1)
		_exit(HG_EXIT_BUG);
	_exit(sig == SIGALRM ? HG_EXIT_NOT_YET : HG_EXIT_BUG);
}

/* A copy of exactly n bytes: a sanitizer sees the first byte behind. */
static void
feed(const char *data, size_t n)
{
	char *copy;

	if ((copy = malloc(n == 0 ? 1 : n)) == NULL)
		abort();
	memcpy(copy, data, n);
	alarm(20);
	LLVMFuzzerTestOneInput((const uint8_t *)copy, n);
	alarm(0);
	free(copy);
}

static void
mutate(struct rng *r, const char *data, size_t n)
{
	static const unsigned char odd[] = { 0, 0xff, 0x7f, 0x80, '"', '{', '9', '-', '\n', 1 };
	size_t at, from, length, i;
	char *copy;

	if (n == 0 || (copy = malloc(n)) == NULL)
		return;
	memcpy(copy, data, n);
	switch (rng_below(r, 4)) {
	case 0:
		n = rng_below(r, n);
		break;
	case 1:
		for (i = rng_below(r, 4) + 1; i > 0; i--)
			copy[rng_below(r, n)] ^= (char)(1 << rng_below(r, 8));
		break;
	case 2:
		for (i = rng_below(r, 8) + 1; i > 0; i--)
			copy[rng_below(r, n)] = (char)odd[rng_below(r, sizeof(odd))];
		break;
	default:
		at = rng_below(r, n);
		from = rng_below(r, n);
		length = rng_below(r, n - (at > from ? at : from)) + 1;
		memmove(copy + at, copy + from, length);
		break;
	}
	feed(copy, n);
	free(copy);
}

/* 0, or -1 after saying why not. */
static int
feed_file(const char *path, uint64_t rounds)
{
	struct rng r;
	uint64_t i;
	char *data;
	size_t n;

	if ((data = file_read(AT_FDCWD, path, (size_t)64 << 20, &n)) == NULL) {
		say_errno("cannot read '%s'", path);
		return (-1);
	}
	snprintf(under_way, sizeof(under_way), "dies of '%s'", path);
	feed(data, n);
	rng_seed(&r, n, 0);
	for (i = 0; i < rounds; i++) {
		snprintf(under_way, sizeof(under_way), "dies of mutation %llu of '%s'", (unsigned long long)i, path);
		mutate(&r, data, n);
	}
	free(data);
	return (0);
}

int
main(int argc, char **argv)
{
	static const int deadly[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM };
	unsigned long files = 0;
	uint64_t rounds = 0;
	FTSENT *e;
	FTS *walk;
	size_t i;
	int at, quiet;

	exit_init("fuzz");
	if ((at = opt_parse(&tool, table, argc, argv)) == OPT_EXIT)
		return (exit_flush(HG_EXIT_DONE));
	if (at == OPT_USAGE || at == argc ||
	    (table[0].value != NULL && num_u64(table[0].value, 0, 1 << 20, &rounds) == -1))
		return (at == OPT_USAGE ? HG_EXIT_USAGE : opt_usage(&tool));
	terminal = dup(STDERR_FILENO);
	for (i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		signal(deadly[i], died);
	if ((walk = fts_open(argv + at, FTS_PHYSICAL | FTS_NOCHDIR, NULL)) == NULL ||
	    (quiet = open("/dev/null", O_WRONLY | O_CLOEXEC)) == -1) {
		say_errno("cannot begin");
		return (HG_EXIT_SYSTEM);
	}
	/* Parsers say what is wrong with each of thousands of files. */
	if (getenv("FUZZ_SAY") == NULL)
		dup2(quiet, STDERR_FILENO);
	while ((e = fts_read(walk)) != NULL)
		if (e->fts_info == FTS_F) {
			if (feed_file(e->fts_path, rounds) == -1)
				return (HG_EXIT_SYSTEM);
			files++;
		}
	fts_close(walk);
	close(quiet);
	printf("%lu files\n", files);
	return (exit_flush(files == 0 ? HG_EXIT_NO : HG_EXIT_DONE));
}
