/*
 * hg-data: text, or shards that exist already, become a data directory.
 * A worker fills a temporary directory; its owner waits, and however the worker
 * ends leaves nothing behind but complete shards, with notes to go on by.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "data/adopt.h"
#include "base/array.h"
#include "base/atomfile.h"
#include "base/file.h"
#include "schema/contract.h"
#include "data/dataset.h"
#include "base/exit.h"
#include "data/inputerror.h"
#include "base/jsonio.h"
#include "base/num.h"
#include "base/opt.h"
#include "data/prepare.h"
#include "base/proc.h"
#include "data/resume.h"
#include "base/say.h"
#include "data/shard.h"
#include "data/staging.h"
#include "base/str.h"

#define DEFAULT_SEED 1
#define LIST_MAX_BYTES ((size_t)64 << 20)
#define DEFAULT_VOCAB 1024 /* the public baseline's */
#define SMALLEST_VOCAB 261 /* the special ids, the bytes, and one piece */

static const struct opt_tool tool = {
	.name = "hg-data",
	.summary = "Turn text into token shards with a tokenizer and dataset.json, or adopt shards that exist already.",
	.synopsis = "hg-data [-t MODEL | -v VOCAB | -B] [-n VAL_DOCS] [-S SEED|none] [-f para|lines|jsonl|files] "
		    "[-j KEY] [-kL] [-T LIST] -o DIR FILE... [-- VAL_FILE...]\n"
		    "hg-data -a [-t MODEL | -B] [-k] [-b BYTES] -o DIR TRAIN.bin... -- VAL.bin... [-- BYTES.bin...]",
};

struct request {
	const char *dir;
	int adopt;
	struct prepare text;
	char *list, **listed; /* names that -T gave, and where they lie */
	struct adopt shards;
};

/* --- the command line --------------------------------------------------------------- */

static int
wrong(const char *what, const char *value)
{
	say_error("%s: '%s'", what, value);
	return (-1);
}

static int
read_text_options(struct prepare *p, struct opt *table)
{
	const char *value;
	uint64_t x;
	int format;

	p->how.format = DOCUMENTS_PARA;
	if ((value = opt_row(table, 'f')->value) != NULL) {
		if ((format = documents_format_of(value)) == -1)
			return (wrong("-f is none of para, lines, jsonl, files", value));
		p->how.format = (enum documents_format)format;
	}
	p->how.key = opt_row(table, 'j')->value;
	p->how.skip = opt_row(table, 'k')->count > 0;
	if ((p->how.key != NULL || p->how.skip) && p->how.format != DOCUMENTS_JSONL)
		return (wrong("-j and -k are for -f jsonl, not", documents_format_name(p->how.format)));
	if (p->how.key != NULL && strcmp(p->how.key, "text") == 0)
		p->how.key = NULL;
	p->keep_lines = opt_row(table, 'L')->count > 0;
	if ((value = opt_row(table, 'n')->value) != NULL && num_u64(value, 1, 10000000, &p->val_docs) == -1)
		return (wrong("-n is no number from 1 to 10000000", value));
	p->seed = DEFAULT_SEED;
	if ((value = opt_row(table, 'S')->value) != NULL) {
		p->keep_order = strcmp(value, "none") == 0;
		if (!p->keep_order && num_u64(value, 0, (UINT64_C(1) << 53) - 1, &p->seed) == -1)
			return (wrong("-S is neither none nor a number below 2^53", value));
	}
	p->vocab_size = opt_row(table, 't')->count + opt_row(table, 'B')->count > 0 ? 0 : DEFAULT_VOCAB;
	if ((value = opt_row(table, 'v')->value) != NULL) {
		if (num_u64(value, SMALLEST_VOCAB, SHARD_MAX_VOCAB, &x) == -1)
			return (wrong("-v is no number from 261 to 65536", value));
		p->vocab_size = (uint32_t)x;
	}
	p->model = opt_row(table, 't')->value;
	return (0);
}

/* The index of "--" among the operands, or argc. */
static int
parting(int argc, char **argv, int first)
{
	while (first < argc && strcmp(argv[first], "--") != 0)
		first++;
	return (first);
}

/* Add the names in a list, one a line, to the files. */
static int
read_list(struct request *q, const char *list)
{
	const char *line, *end;
	size_t n, room = 0, i;
	char **files = NULL, **more;
	char *text;
	int fd;

	fd = file_open_given(list);
	if (fd == -1 || (text = file_read_fd(fd, LIST_MAX_BYTES, NULL)) == NULL) {
		say_errno("-T: cannot read '%s'", list);
		if (fd != -1)
			close(fd);
		return (-1);
	}
	close(fd);
	for (n = 0, i = 0, line = text; *line != '\0' || i < q->text.count; n++) {
		if ((more = array_room(files, n, &room, sizeof(*more))) == NULL)
			goto err0;
		files = more;
		if (i < q->text.count) {
			files[n] = q->text.files[i++];
			continue;
		}
		end = strchr(line, '\n');
		files[n] = text + (line - text);
		line = end == NULL ? line + strlen(line) : end + 1;
		if (end != NULL)
			text[end - text] = '\0';
		n -= *files[n] == '\0';
	}
	q->list = text;
	q->text.files = q->listed = files;
	q->text.count = n;
	if (n == 0) {
		say_error("-T: '%s' lists no file", list);
		return (-1);
	}
	return (0);
err0:
	say_errno("-T: cannot read '%s'", list);
	free(files);
	free(text);
	return (-1);
}

/* FILE... [-- VAL_FILE...] */
static int
read_files(struct request *q, struct opt *table, int argc, char **argv, int first)
{
	struct prepare *p = &q->text;
	const char *list = opt_row(table, 'T')->value;
	int end;

	/* Without operands in front of it, "--" ended the options. */
	if (list != NULL && strcmp(argv[first - 1], "--") == 0)
		first--;
	end = parting(argc, argv, first);
	p->files = argv + first;
	p->count = (size_t)(end - first);
	if (end < argc) {
		p->val_files = argv + end + 1;
		p->val_count = (size_t)(argc - end - 1);
		if (p->val_count == 0 || opt_row(table, 'n')->count > 0) {
			say_error(p->val_count == 0 ? "no file for validation behind '--'" :
						      "-n is for validation from the files; behind '--' all is");
			return (-1);
		}
	}
	if (list != NULL)
		return (read_list(q, list));
	if (p->count == 0)
		say_error("no file is given");
	return (p->count == 0 ? -1 : 0);
}

/* TRAIN.bin... -- VAL.bin... [-- BYTES.bin...]: patterns of a shell name shards and byte counts alike. */
static int
read_shards(struct adopt *a, struct opt *table, int argc, char **argv, int first)
{
	const char *value = opt_row(table, 'b')->value;
	int i = parting(argc, argv, first), end = i;

	a->model = opt_row(table, 't')->value;
	a->train = argv + first;
	a->train_count = (size_t)(i - first);
	if (i < argc) {
		end = parting(argc, argv, i + 1);
		a->val = argv + i + 1;
		a->val_count = (size_t)(end - i - 1);
	}
	if (end < argc) {
		a->counts = argv + end + 1;
		a->counts_count = (size_t)(argc - end - 1);
	}
	a->declared_bytes = DATASET_UNKNOWN;
	if (a->train_count == 0 || a->val_count == 0)
		say_error("-a needs shards on both sides: TRAIN.bin... -- VAL.bin...");
	else if (end < argc && (a->counts_count == 0 || parting(argc, argv, end + 1) < argc))
		say_error("behind a second '--' are the byte counts of VAL.bin..., and nothing else");
	else if (value != NULL && a->counts_count == 0)
		say_error("-b is what byte counts sum to, and none are given behind a second '--'");
	else if (value != NULL && num_u64(value, 1, (UINT64_C(1) << 53) - 1, &a->declared_bytes) == -1)
		wrong("-b is no number of bytes", value);
	else
		return (0);
	return (-1);
}

/* 0, or -1 after saying what is wrong. */
static int
read_request(struct request *q, struct opt *table, int argc, char **argv, int first)
{
	const char *other;
	unsigned vocabularies = opt_row(table, 't')->count + opt_row(table, 'v')->count + opt_row(table, 'B')->count;

	q->adopt = opt_row(table, 'a')->count > 0;
	if ((q->dir = opt_row(table, 'o')->value) == NULL) {
		say_error("-o DIR is missing: the data directory to create");
		return (-1);
	}
	if (vocabularies > 1) {
		say_error("only one of -t, -v and -B can be");
		return (-1);
	}
	if (!q->adopt && opt_row(table, 'b')->count > 0) {
		say_error("-b is what byte counts beside adopted shards sum to: it needs -a");
		return (-1);
	}
	if (!q->adopt)
		return (read_text_options(&q->text, table) == -1 ? -1 : read_files(q, table, argc, argv, first));
	if (vocabularies == 0 || opt_row(table, 'v')->count > 0) {
		say_error("-a needs -t MODEL, the model that made the shards, or -B for bytes");
		return (-1);
	}
	for (other = "nSfjLT"; *other != '\0'; other++)
		if (opt_row(table, *other)->count > 0) {
			say_error("-%c is for text, and -a takes shards", *other);
			return (-1);
		}
	q->shards.keep_overlap = opt_row(table, 'k')->count > 0;
	return (read_shards(&q->shards, table, argc, argv, first));
}

/* --- what is there already ------------------------------------------------------------- */

static int
is_empty_directory(const char *path)
{
	struct dirent *e;
	int empty = 1;
	DIR *d;

	if ((d = opendir(path)) == NULL)
		return (0);
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			empty = 0;
	closedir(d);
	return (empty);
}

/* Whoever published the directory may have died before its name would last. */
static int
sync_name(const char *path)
{
	int fd, parent = -1, rc = -1, error;

	if ((fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) != -1 &&
	    (parent = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) != -1)
		rc = atomfile_sync_dir(parent);
	error = errno;
	if (parent != -1)
		close(parent);
	if (fd != -1)
		close(fd);
	errno = error;
	if (rc == -1)
		say_errno("cannot sync the directory of '%s'", path);
	return (rc);
}

/* Was what stands in the directory made by this very request? 1, 0, -1 said. */
static int
same_request(const struct request *q, const char *path, struct inputerror *f)
{
	json_t *v;
	int same;

	if (contract_read(AT_FDCWD, path, "dataset", NULL, &v) == -1) {
		f->kind = errno == EBADMSG ? REFUSAL_INPUT_INVALID : REFUSAL_IO_ERROR;
		return (-1);
	}
	same = prepare_same(&q->text, v, f);
	json_decref(v);
	return (same);
}

/*
 * The directory holds a dataset: is it the one asked for, unharmed?  With
 * ${content_sha256} its content is compared, otherwise the request.
 */
static int
answer_dataset(const struct request *q, const char *path, const char *content_sha256)
{
	struct inputerror f = { .kind = REFUSAL_NONE };
	struct dataset *d;
	int same;

	if ((d = dataset_open(q->dir, &f)) == NULL)
		return (inputerror_exit(f.kind));
	if (content_sha256 != NULL)
		same = strcmp(content_sha256, d->content_sha256) == 0;
	else
		same = same_request(q, path, &f);
	if (same == 1 && dataset_verify(d, DATASET_ALL, &f) == -1)
		same = -1;
	dataset_free(d);
	if (same == -1)
		return (inputerror_exit(f.kind));
	if (same == 1 && sync_name(q->dir) == -1)
		return (HG_EXIT_SYSTEM);
	if (same == 1)
		say_note("'%s' holds this dataset already", q->dir);
	else
		say_error("'%s' holds another dataset", q->dir);
	return (same == 1 ? HG_EXIT_DONE : HG_EXIT_NO);
}

/* An exit code if the directory's name is taken, said; -1 if it is free. */
static int
answer_there(const struct request *q, const char *content_sha256)
{
	struct str path = STR_INIT;
	struct stat st;
	int rc;

	if (lstat(q->dir, &st) == -1)
		return (-1);
	if (str_printf(&path, "%s/" DATASET_FILE, q->dir) == -1) {
		say_errno("cannot read '%s'", q->dir);
		return (HG_EXIT_SYSTEM);
	}
	if (stat(path.p, &st) == -1) {
		rc = is_empty_directory(q->dir) ? -1 : HG_EXIT_NO;
		if (rc == HG_EXIT_NO)
			say_error("'%s' exists and is no data directory", q->dir);
	} else if (q->adopt && content_sha256 == NULL)
		rc = -1; /* adopting is quick: it is done first, then compared */
	else
		rc = answer_dataset(q, path.p, content_sha256);
	str_free(&path);
	return (rc);
}

/* --- making it ----------------------------------------------------------------------------- */

static int
publish(const struct request *q, struct staging *s, const json_t *v, struct inputerror *f)
{
	char *text;
	size_t n;
	int rc;

	if ((text = contract_pretty("dataset", v, &n)) == NULL) {
		if (errno == EBADMSG)
			return (HG_EXIT_BUG);
		say_errno("cannot write '" DATASET_FILE "'");
		return (HG_EXIT_SYSTEM);
	}
	rc = atomfile_replace(staging_fd(s), DATASET_FILE, text, n);
	free(text);
	if (rc == -1) {
		inputerror_errno(f, "write", DATASET_FILE);
		return (inputerror_exit(f->kind));
	}
	switch (staging_commit(s, f)) {
	case 0:
		break;
	case STAGING_TAKEN:
		/* By a dataset: then it may be the same. By anything else: said. */
		rc = answer_there(q, jsonio_text(v, "content_sha256", ""));
		if (rc == -1)
			say_error("'%s' is taken", q->dir);
		return (rc == -1 ? HG_EXIT_NO : rc);
	default:
		return (inputerror_exit(f->kind));
	}
	say_note("%" PRId64 " training documents (%" PRId64 " tokens), %" PRId64 " for validation (%" PRId64
		 " tokens, %" PRId64 " bytes), vocabulary %" PRId64,
	    jsonio_i64(v, "train.documents", 0), jsonio_i64(v, "train.tokens", 0), jsonio_i64(v, "val.documents", 0),
	    jsonio_i64(v, "val.tokens", 0), jsonio_i64(v, "val.bytes", 0), jsonio_i64(v, "tokenizer.vocab_size", 0));
	return (HG_EXIT_DONE);
}

static int
work(const struct request *q, struct staging *s)
{
	struct inputerror f = { .kind = REFUSAL_NONE };
	json_t *v;
	int rc;

	if (q->adopt)
		v = adopt_dataset(&q->shards, staging_fd(s), &f);
	else
		v = prepare_dataset(&q->text, staging_fd(s), &f);
	if (v == NULL)
		return (inputerror_exit(f.kind));
	rc = publish(q, s, v, &f);
	json_decref(v);
	return (rc);
}

/* Signals that end us, unless whoever started us has them ignored; and the worker's end. */
static void
signals_of_interest(sigset_t *set)
{
	static const int ends[] = { SIGHUP, SIGINT, SIGTERM };
	struct sigaction old;
	size_t i;

	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (sigaction(ends[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaddset(set, ends[i]);
}

/* Wait for the worker, killing it if a signal asks us to end. Its wait status; the signal in *ended. */
static int
await_worker(pid_t worker, const sigset_t *set, int *ended)
{
	int status = 0, sig;
	pid_t got;

	*ended = 0;
	for (;;) {
		/* Its SIGCHLD comes once: a look that was cut off is taken again before another is waited for. */
		while ((got = waitpid(worker, &status, WNOHANG)) == -1 && errno == EINTR)
			;
		if (got == worker)
			return (status);
		if (sigwait(set, &sig) == 0 && sig != SIGCHLD) {
			*ended = sig;
			kill(worker, SIGKILL);
		}
	}
}

/* Owner and worker; an exit code. */
static int
make_dataset(const struct request *q)
{
	struct inputerror f = { .kind = REFUSAL_NONE };
	struct staging *s;
	sigset_t set, before;
	pid_t owner = getpid(), worker;
	int status, ended;

	signals_of_interest(&set);
	sigprocmask(SIG_BLOCK, &set, &before);
	if ((s = staging_begin(q->dir, q->adopt ? NULL : RESUME_FILE, &f)) == NULL)
		return (inputerror_exit(f.kind));
	if ((worker = fork()) == -1) {
		say_errno("cannot start a worker");
		staging_free(s);
		return (HG_EXIT_SYSTEM);
	}
	if (worker == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		if (proc_die_with_parent(owner) == -1)
			_exit(HG_EXIT_SYSTEM);
		exit(exit_flush(work(q, s)));
	}
	status = await_worker(worker, &set, &ended);
	if ((!WIFEXITED(status) || WEXITSTATUS(status) != HG_EXIT_DONE) && staging_keep(s))
		say_note("what is complete of '%s' is kept: the same command goes on behind it", q->dir);
	staging_free(s);
	if (ended != 0) {
		/* End as the signal would have ended us. */
		signal(ended, SIG_DFL);
		sigprocmask(SIG_SETMASK, &before, NULL);
		raise(ended);
	}
	if (WIFEXITED(status))
		return (WEXITSTATUS(status));
	say_error("the worker died of signal %d%s", WTERMSIG(status),
	    WTERMSIG(status) == SIGKILL ? " (out of memory?)" : "");
	return (WTERMSIG(status) == SIGABRT ? HG_EXIT_BUG : HG_EXIT_SYSTEM);
}

int
main(int argc, char **argv)
{
	struct opt table[] = { { .letter = 'a', .help = "adopt existing shards where they lie" },
		{ .letter = 't', .arg = "MODEL", .help = "use this SentencePiece model" },
		{ .letter = 'v', .arg = "VOCAB", .help = "train a model of this size (default 1024)" },
		{ .letter = 'B', .help = "no model: a token for each byte" },
		{ .letter = 'n', .arg = "VAL_DOCS", .help = "validation documents (default 5000, a tenth at most)" },
		{ .letter = 'S', .arg = "SEED|none", .help = "seed of the order (default 1); none keeps it" },
		{ .letter = 'f',
		    .arg = "FORMAT",
		    .help = "para (default): parted by blank lines; lines: one "
			    "a line; jsonl: \"text\" of each line; files: one a file" },
		{ .letter = 'k',
		    .help = "go on, counting: skip lines of jsonl without a document; -a: "
			    "keep training documents that are in validation" },
		{ .letter = 'b',
		    .arg = "BYTES",
		    .help = "-a: what BYTES.bin sum to, the bytes of the original validation text" },
		{ .letter = 'j', .arg = "KEY", .help = "jsonl: the key of the text (default text)" },
		{ .letter = 'L', .help = "keep line breaks, and with -v all blanks" },
		{ .letter = 'T',
		    .arg = "LIST",
		    .help = "read more file names from LIST, one a line; -: standard input" },
		{ .letter = 'o', .arg = "DIR", .help = "the data directory to create" }, { .letter = '\0' } };
	struct request q;
	int first, rc;

	exit_init("hg-data");
	memset(&q, 0, sizeof(q));
	if ((first = opt_parse(&tool, table, argc, argv)) == OPT_EXIT)
		return (exit_flush(HG_EXIT_DONE));
	if (first == OPT_USAGE)
		return (HG_EXIT_USAGE);
	if (read_request(&q, table, argc, argv, first) == -1)
		return (opt_usage(&tool));
	if ((rc = answer_there(&q, NULL)) == -1)
		rc = make_dataset(&q);
	else
		staging_sweep(q.dir);
	free(q.listed);
	free(q.list);
	return (exit_flush(rc));
}
