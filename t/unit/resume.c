/* lib/data/resume: a data directory whose writer was killed is gone on with, to the very bytes. Prints TAP. */
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit.h"
#include "base/rng.h"
#include "data/prepare.h"
#include "data/resume.h"
#include "t/unit/tap.h"

static char dir[] = "/tmp/hg-resume-unit.XXXXXX";

#define LINES 20000

/* Lines of words, every fifth a copy of one before. */
static void
write_corpus(const char *path)
{
	static char lines[LINES][80];
	FILE *f = fopen(path, "w");
	struct rng r;
	size_t i, k, at;

	rng_seed(&r, 3, 0);
	for (i = 0; i < LINES && f != NULL; i++) {
		for (k = 0, at = 0; k < 7; k++)
			at += (size_t)snprintf(lines[i] + at, sizeof(lines[i]) - at, "%s%x", k == 0 ? "" : " ",
			    (unsigned)rng_below(&r, 5000));
		if (i % 5 == 4)
			memcpy(lines[i], lines[rng_below(&r, i)], sizeof(lines[i]));
		fprintf(f, "%s\n", lines[i]);
	}
	if (f == NULL || fclose(f) != 0)
		abort();
}

static int
open_dir(const char *name)
{
	char path[sizeof(dir) + 32];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	mkdir(path, 0700);
	return (open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static ino_t
inode(int fd, const char *name)
{
	struct stat st;

	return (fstatat(fd, name, &st, 0) == -1 ? 0 : st.st_ino);
}

/* Start a writer and kill it when it has noted some shards. 0 if it was not done before. */
static int
kill_writer(const struct prepare *p, int fd)
{
	int64_t end = clock_boot_ms() + 120000;
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(prepare_dataset(p, fd, NULL) == NULL);
	while (clock_boot_ms() < end && (inode(fd, "corpus_train_000003.bin") == 0 || inode(fd, RESUME_FILE) == 0) &&
	    waitpid(pid, &status, WNOHANG) == 0)
		nanosleep(&(struct timespec){ 0, 100000 }, NULL);
	kill(pid, SIGKILL);
	return (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && inode(fd, RESUME_FILE) != 0 ? 0 : -1);
}

/* Whether a request now gives that very dataset, and leaves neither notes nor anything else. */
static int
gives(const struct prepare *p, int fd, const json_t *want)
{
	json_t *got = prepare_dataset(p, fd, NULL);
	int same = got != NULL && json_equal(got, want) && inode(fd, RESUME_FILE) == 0 &&
	    inode(fd, "corpus_train_000999.bin") == 0;

	json_decref(got);
	return (same);
}

static void
alter(int fd, const char *name)
{
	int file = openat(fd, name, O_WRONLY);

	if (file == -1 || pwrite(file, "x", 1, 2000) != 1)
		abort();
	close(file);
}

static void
goes_on(const char *corpus, const char *what, uint32_t vocab_size)
{
	char *files[] = { (char *)corpus };
	struct prepare p = { .files = files,
		.count = 1,
		.how = { .format = DOCUMENTS_LINES },
		.vocab_size = vocab_size,
		.val_docs = 400,
		.seed = 1,
		.shard_tokens = 10000 };
	int whole = open_dir("whole"), fd = open_dir("killed"), stray;
	json_t *want = prepare_dataset(&p, whole, NULL);
	ino_t first, model;

	if (want == NULL || kill_writer(&p, fd) == -1) {
		tap_ok(0, "%s: a writer is killed behind some shards", what);
		return;
	}
	if ((stray = openat(fd, "corpus_train_000999.bin", O_WRONLY | O_CREAT, 0600)) == -1)
		abort();
	close(stray);
	first = inode(fd, "corpus_train_000002.bin");
	model = inode(fd, "tokenizer.model");
	tap_ok(gives(&p, fd, want), "%s: what a killed writer left is gone on with, to the very bytes", what);
	tap_ok(first == inode(fd, "corpus_train_000002.bin") && model == inode(fd, "tokenizer.model"),
	    "%s: complete shards and the model stay as they are", what);
	if (kill_writer(&p, fd) == -1)
		abort();
	alter(fd, "corpus_train_000001.bin");
	tap_ok(gives(&p, fd, want), "%s: a shard that was altered is made again", what);
	if (kill_writer(&p, fd) == -1)
		abort();
	p.seed = 2;
	json_decref(want);
	if ((want = prepare_dataset(&p, whole, NULL)) == NULL)
		abort();
	tap_ok(gives(&p, fd, want), "%s: another request begins from the start", what);
	json_decref(want);
	close(whole);
	close(fd);
}

int
main(void)
{
	char command[96], corpus[64];

	exit_init("resume");
	if (mkdtemp(dir) == NULL || freopen("/dev/null", "w", stderr) == NULL)
		return (1);
	snprintf(corpus, sizeof(corpus), "%s/corpus", dir);
	write_corpus(corpus);
	goes_on(corpus, "bytes", 0);
	goes_on(corpus, "a model", 300);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return (system(command) != 0 || tap_done());
}
