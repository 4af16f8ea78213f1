#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "schema/contract.h"
#include "base/file.h"
#include "stage/inputs.h"
#include "base/jsonio.h"
#include "run/pruned.h"
#include "base/say.h"

/* A file changed this recently might change again without its times showing it. */
#define SETTLED_MS 2000

struct input {
	int dirfd;
	char *path;
	char sha256[SHA256_HEX_SIZE];
	struct stat st; /* all zero: it was not there */
	int settled;    /* any later change will show in its times */
};

struct inputs {
	struct input *of;
	size_t count;
};

int
inputs_receipt(struct stage_work *w, enum stage s, json_t **receipt, char sha256[SHA256_HEX_SIZE])
{
	const struct rundir *r = stage_rundir(w);
	const struct rundir_stage *st = &rundir_stages[s];
	const char *uid, *spec;
	int rc;

	if (contract_read(r->fd, st->receipt, rundir_contract(r, s), sha256, receipt) == -1) {
		if (errno == ENOENT)
			return (stage_refuse(w, REFUSAL_INPUT_MISSING, NULL, NULL, "'%s' is not there", st->receipt));
		return (inputs_broken(w));
	}
	uid = jsonio_text(*receipt, "run_uid", "");
	spec = jsonio_text(*receipt, "spec_sha256", "");
	if (strcmp(uid, r->spec.run_uid) != 0)
		rc = stage_refuse(w, REFUSAL_INPUT_WRONG_DIGEST, json_string(uid), json_string(r->spec.run_uid),
		    "'%s' is of another run: its run_uid differs", st->receipt);
	else if (strcmp(spec, r->spec.text_sha256) != 0)
		rc = stage_refuse(w, REFUSAL_INPUT_WRONG_DIGEST, json_string(spec), json_string(r->spec.text_sha256),
		    "'%s' is of another spec: its spec_sha256 differs", st->receipt);
	else
		return (0);
	json_decref(*receipt);
	*receipt = NULL;
	return (rc);
}

/* --- bound at the start, and at the end ------------------------------------- */

/* Errors: as fstatat. */
static int
look(struct input *b)
{
	if (fstatat(b->dirfd, b->path, &b->st, AT_SYMLINK_NOFOLLOW) == -1) {
		memset(&b->st, 0, sizeof(b->st));
		return (-1);
	}
	b->settled = clock_wall_ms() - (int64_t)b->st.st_ctim.tv_sec * 1000 > SETTLED_MS;
	return (0);
}

int
inputs_bind(struct stage_work *w, int dirfd, const char *path, const char *sha256)
{
	struct inputs **all = stage_inputs(w);
	struct input *more, *b;

	if (*all == NULL && (*all = calloc(1, sizeof(**all))) == NULL)
		goto err0;
	if ((more = array_few((*all)->of, (*all)->count, sizeof(*more))) == NULL)
		goto err0;
	(*all)->of = more;
	b = &more[(*all)->count];
	b->dirfd = dirfd;
	snprintf(b->sha256, sizeof(b->sha256), "%s", sha256);
	if ((b->path = strdup(path)) == NULL)
		goto err0;
	(*all)->count++;
	/* What is not there is told by whoever opens it. */
	(void)look(b);
	return (0);
err0:
	errno = ENOMEM;
	say_errno("cannot bind '%s'", path);
	return (-1);
}

static int
same_time(struct timespec a, struct timespec b)
{
	return (a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec);
}

static int
same_file(const struct stat *a, const struct stat *b)
{
	return (a->st_dev == b->st_dev && a->st_ino == b->st_ino);
}

/* As it was when bound? Where its times do not say so its bytes must, and they are noted anew. */
static int
still(struct stage_work *w, struct input *b)
{
	const struct stat was = b->st;
	const int settled = b->settled;
	char got[SHA256_HEX_SIZE];

	if (look(b) == -1)
		goto err0;
	if (settled && same_file(&was, &b->st) && was.st_size == b->st.st_size &&
	    same_time(was.st_mtim, b->st.st_mtim) && same_time(was.st_ctim, b->st.st_ctim))
		return (0);
	if (sha256_at(b->dirfd, b->path, got, NULL) == -1)
		goto err0;
	if (strcmp(got, b->sha256) != 0)
		return (stage_refuse(w, REFUSAL_INPUT_CHANGED, json_string(got), json_string(b->sha256),
		    "'%s' was altered while it was in use", b->path));
	/* Bytes that are right again may have been others meanwhile. */
	if (same_file(&was, &b->st) && !same_time(was.st_mtim, b->st.st_mtim))
		return (stage_refuse(w, REFUSAL_INPUT_CHANGED, NULL, NULL, "'%s' was written to while it was in use",
		    b->path));
	return (0);
err0:
	if (errno == ENOENT || errno == ELOOP || errno == EISDIR || errno == EINVAL)
		return (stage_refuse(w, REFUSAL_INPUT_CHANGED, NULL, json_string(b->sha256),
		    "'%s' was removed while it was in use", b->path));
	say_errno("cannot read '%s'", b->path);
	return (-1);
}

int
inputs_still(struct stage_work *w)
{
	struct inputs *all = *stage_inputs(w);
	size_t i;

	for (i = 0; all != NULL && i < all->count; i++)
		if (still(w, &all->of[i]) == -1)
			return (-1);
	return (0);
}

/* Refused: a noted file is another than it was, by what a look at it says.  0: none is. */
static int
touched(struct stage_work *w)
{
	struct inputs *all = *stage_inputs(w);
	struct stat now;
	size_t i;

	for (i = 0; all != NULL && i < all->count; i++) {
		struct input *b = &all->of[i];

		if (b->st.st_ino == 0)
			continue;
		if (fstatat(b->dirfd, b->path, &now, AT_SYMLINK_NOFOLLOW) == -1 || !same_file(&b->st, &now) ||
		    b->st.st_size != now.st_size || !same_time(b->st.st_mtim, now.st_mtim))
			return (still(w, b));
	}
	return (0);
}

int
inputs_broken(struct stage_work *w)
{
	const int error = errno;

	if (error != EBADMSG && error != ENODATA && error != ERANGE && error != EINVAL && !file_at_fault(error))
		return (-1);
	/* A reader in the middle of a change saw a short or a senseless file: it is the change that is told. */
	if (touched(w) == -1)
		return (-1);
	return (stage_refuse(w, error == ENODATA ? REFUSAL_INPUT_TRUNCATED : REFUSAL_INPUT_INVALID, NULL, NULL, "%s",
	    say_last()));
}

int
inputs_done(struct stage_work *w, int dirfd)
{
	struct inputs *all = *stage_inputs(w);
	size_t i, kept = 0;
	int rc = 0;

	for (i = 0; all != NULL && i < all->count; i++)
		if (all->of[i].dirfd != dirfd)
			all->of[kept++] = all->of[i];
		else {
			rc = rc == -1 ? -1 : still(w, &all->of[i]);
			free(all->of[i].path);
		}
	if (all != NULL)
		all->count = kept;
	return (rc);
}

/* --- files by digest -------------------------------------------------------- */

/* ${bytes} -1: of any size. ${whose}: what holds the digest. */
static int
open_bound(struct stage_work *w, int dirfd, const char *name, int64_t bytes, const char *sha256, const char *whose)
{
	char got[SHA256_HEX_SIZE], at[CLOCK_TEXT_SIZE];
	uint64_t size;
	int fd, error;

	if (inputs_bind(w, dirfd, name, sha256) == -1)
		return (-1);
	if ((fd = file_open(dirfd, name, &size)) == -1) {
		if (errno == ENOENT && pruned_given(dirfd, name, sha256, at))
			return (stage_refuse(w, REFUSAL_INPUT_MISSING, NULL, json_string(sha256),
			    "'%s' was pruned at %s; another run of its spec makes it again", name, at));
		if (errno == ENOENT)
			return (stage_refuse(w, REFUSAL_INPUT_MISSING, NULL, NULL, "'%s' is not there", name));
		say_errno("cannot read '%s'", name);
		return (inputs_broken(w));
	}
	if (bytes != -1 && size != (uint64_t)bytes) {
		stage_refuse(w, size < (uint64_t)bytes ? REFUSAL_INPUT_TRUNCATED : REFUSAL_INPUT_WRONG_SIZE,
		    json_integer((json_int_t)size), json_integer(bytes), "'%s' is %llu bytes long, and was %lld", name,
		    (unsigned long long)size, (long long)bytes);
		goto err0;
	}
	if (sha256_fd(fd, got, NULL) == -1 || lseek(fd, 0, SEEK_SET) == -1) {
		say_errno("cannot read '%s'", name);
		goto err0;
	}
	if (strcmp(got, sha256) != 0) {
		stage_refuse(w, REFUSAL_INPUT_WRONG_DIGEST, json_string(got), json_string(sha256),
		    "'%s' has been altered: its digest differs from its %s", name, whose);
		goto err0;
	}
	return (fd);
err0:
	error = errno;
	close(fd);
	errno = error;
	return (-1);
}

int
inputs_open(struct stage_work *w, const char *name, int64_t bytes, const char *sha256)
{
	return (inputs_open_at(w, stage_rundir(w)->fd, name, bytes, sha256));
}

int
inputs_open_at(struct stage_work *w, int dirfd, const char *name, int64_t bytes, const char *sha256)
{
	return (open_bound(w, dirfd, name, bytes, sha256, "receipt's"));
}

int
inputs_given(struct stage_work *w, const char *path, const char *sha256)
{
	return (open_bound(w, AT_FDCWD, path, -1, sha256, "spec's"));
}

static json_t *
text(const char *s)
{
	return (*s == '\0' ? NULL : json_string(s));
}

int
inputs_fault(struct stage_work *w, enum refusal_kind kind, const char *observed, const char *expected)
{
	if (touched(w) == -1)
		return (-1);
	return (stage_refuse(w, kind, text(observed), text(expected), "%s", say_last()));
}
