/* hg-shard: token ids on stdin, one document a line, become one shard. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "base/exit.h"
#include "base/file.h"
#include "data/inputerror.h"
#include "data/idtext.h"
#include "base/opt.h"
#include "base/out.h"
#include "base/say.h"
#include "data/shard.h"
#include "data/shard_writer.h"
#include "data/vocab.h"

static const struct opt_tool tool = {
	.name = "hg-shard",
	.summary = "Turn token ids on standard input, one document a line, into one shard; print what was counted.",
	.synopsis = "hg-shard -t MODEL|bytes -o OUT.bin",
};

struct counts {
	uint64_t docs, tokens, bytes;
};

/* All documents into the shard; 0 or -1, said. */
static int
fill(struct shard_writer *w, const struct vocab *v, struct counts *counts, struct inputerror *f)
{
	const uint16_t *ids;
	struct idtext *r;
	uint64_t n;
	int rc;

	if ((r = idtext_begin(STDIN_FILENO, "standard input", vocab_size(v), vocab_bos(v))) == NULL)
		return (inputerror_errno(f, "read", "standard input"));
	while ((rc = idtext_next(r, &ids, &n, f)) == 1) {
		if (shard_writer_add(w, ids, n, f) == -1) {
			rc = -1;
			break;
		}
		counts->docs++;
		counts->tokens += n;
		counts->bytes += vocab_count_bytes16(v, ids, n);
	}
	idtext_free(r);
	if (rc == 0 && counts->docs == 0)
		return (inputerror_set(f, REFUSAL_INPUT_INVALID, "standard input", "no document", ""));
	return (rc);
}

/* The directory of a path, open, and its last component; the path is cut between them. */
static int
open_parent(char *path, const char **name, struct inputerror *f)
{
	char *slash = strrchr(path, '/');
	const char *parent = slash == NULL ? "." : slash == path ? "/" : path;
	int fd;

	*name = slash == NULL ? path : slash + 1;
	if (slash != NULL)
		*slash = '\0';
	if ((fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		inputerror_errno(f, "open", parent);
	return (fd);
}

/* Everything but the command line; an exit code. */
static int
make_shard(const char *path, const struct vocab *v, struct counts *counts)
{
	struct inputerror f = { .kind = REFUSAL_NONE };
	struct shard_writer *w;
	char *copy = strdup(path);
	const char *name;
	int dirfd;

	if (copy == NULL) {
		inputerror_errno(&f, "write", path);
		goto err0;
	}
	if ((dirfd = open_parent(copy, &name, &f)) == -1)
		goto err1;
	if (faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		/* Whoever is still writing it comes too late; what is left of the killed goes. */
		(void)atomfile_sweep(dirfd, name);
		say_error("'%s' exists already", path);
		f.kind = REFUSAL_NONE;
		goto err2;
	}
	if ((w = shard_writer_begin(dirfd, name, &f)) == NULL)
		goto err2;
	if (fill(w, v, counts, &f) == -1) {
		shard_writer_abort(w);
		goto err2;
	}
	if (shard_writer_finish(w, ATOMFILE_CREATE, &f) == -1)
		goto err2;
	(void)atomfile_sweep(dirfd, name);
	close(dirfd);
	free(copy);
	return (HG_EXIT_DONE);
err2:
	close(dirfd);
err1:
	free(copy);
err0:
	return (f.kind == REFUSAL_NONE ? HG_EXIT_NO : inputerror_exit(f.kind));
}

static struct vocab *
open_vocab(const char *model, struct inputerror *f)
{
	struct vocab *v = NULL;
	char *path;

	if (strcmp(model, "bytes") == 0) {
		if ((v = vocab_bytes()) == NULL)
			inputerror_errno(f, "open", model);
		return (v);
	}
	/* The path is the user's own: links in it are meant. */
	if ((path = file_given(model)) == NULL)
		inputerror_errno(f, "read", model);
	else
		v = vocab_open(path, f);
	free(path);
	return (v);
}

int
main(int argc, char **argv)
{
	struct opt table[] = {
		{ .letter = 't', .arg = "MODEL", .help = "SentencePiece model of the ids, or the word bytes" },
		{ .letter = 'o', .arg = "OUT.bin", .help = "the shard to create" }, { .letter = '\0' }
	};
	struct inputerror f = { .kind = REFUSAL_NONE };
	struct counts counts = { 0, 0, 0 };
	const char *model, *out;
	struct vocab *v;
	int rc;

	exit_init("hg-shard");
	if ((rc = opt_parse(&tool, table, argc, argv)) == OPT_EXIT)
		return (exit_flush(HG_EXIT_DONE));
	if (rc == OPT_USAGE)
		return (HG_EXIT_USAGE);
	model = opt_row(table, 't')->value;
	out = opt_row(table, 'o')->value;
	if (rc != argc || model == NULL || out == NULL)
		return (opt_usage(&tool));
	if ((v = open_vocab(model, &f)) == NULL)
		return (inputerror_exit(f.kind));
	rc = make_shard(out, v, &counts);
	vocab_free(v);
	if (rc == HG_EXIT_DONE)
		out_put("{\"docs\":%" PRIu64 ",\"tokens\":%" PRIu64 ",\"bytes\":%" PRIu64 "}\n", counts.docs,
		    counts.tokens, counts.bytes);
	return (exit_flush(rc));
}
