#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/atomfile.h"
#include "base/file.h"
#include "base/str.h"
#include "data/resume.h"
#include "data/tokenizer.h"

#define NOTES_MAX_BYTES ((size_t)16 << 20)
#define NAME_BYTES 63

/* --- the notes' text ------------------------------------------------------------------ */

int
resume_note(const struct resume *r, int dirfd)
{
	const struct dataset_part *t = &r->train;
	char hex[SHA256_HEX_SIZE];
	struct str text = STR_INIT;
	size_t i;
	int rc = -1;

	if (str_printf(&text, "request %s\ntokenizer %s\n", r->request, r->tokenizer) == -1)
		goto done;
	for (i = 0; i < t->count; i++)
		if (str_printf(&text, "shard %s %" PRIu64 " %" PRIu64 " %s\n", t->shards[i].path, t->shards[i].bytes,
			t->shards[i].tokens, t->shards[i].sha256) == -1)
			goto done;
	if (str_printf(&text, "next %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", r->next, r->first, r->dropped,
		r->overlapping) == -1 ||
	    str_printf(&text, "train %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
		t->documents, t->tokens, t->bytes, t->raw_bytes, t->lost_bytes, t->lost_documents) == -1 ||
	    sha256_hex(text.p, text.n, hex) == -1 || str_printf(&text, "digest %s\n", hex) == -1)
		goto done;
	rc = atomfile_replace(dirfd, RESUME_FILE, text.p, text.n);
done:
	str_free(&text);
	return (rc);
}

static int
read_shard(struct dataset_part *t, const char *line)
{
	char name[NAME_BYTES + 1];
	struct dataset_shard s = { NULL, 0, 0, "" }, *more;

	if (sscanf(line, "shard %63s %" SCNu64 " %" SCNu64 " %64s", name, &s.bytes, &s.tokens, s.sha256) != 4)
		return (0);
	if ((more = array_few(t->shards, t->count, sizeof(*more))) == NULL || (s.path = strdup(name)) == NULL) {
		t->shards = more == NULL ? t->shards : more;
		return (-1);
	}
	t->shards = more;
	more[t->count++] = s;
	return (1);
}

/* Take notes apart: 1; 0 if they are none; -1 with errno ENOMEM. */
static int
read_notes(struct resume *r, char *text, size_t n)
{
	const char *digest = n < 72 ? "" : text + n - 72; /* "digest ", the digest, LF */
	char hex[SHA256_HEX_SIZE], *line, *end;
	struct dataset_part *t = &r->train;
	int rc = 0, complete = 0;

	if (strncmp(digest, "digest ", 7) != 0)
		return (0);
	if (sha256_hex(text, n - 72, hex) == -1)
		return (-1);
	if (strncmp(digest + 7, hex, strlen(hex)) != 0)
		return (0);
	for (line = text; (end = strchr(line, '\n')) != NULL && line < digest; line = end + 1) {
		*end = '\0';
		if ((rc = read_shard(t, line)) == -1)
			return (-1);
		complete += rc == 1 || sscanf(line, "request %64s", r->request) == 1 ||
		    sscanf(line, "tokenizer %64s", r->tokenizer) == 1 ||
		    sscanf(line, "next %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &r->next, &r->first, &r->dropped,
			&r->overlapping) == 4 ||
		    sscanf(line, "train %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
			&t->documents, &t->tokens, &t->bytes, &t->raw_bytes, &t->lost_bytes, &t->lost_documents) == 6;
	}
	return (t->count > 0 && r->next > r->first && (size_t)complete == t->count + 4);
}

/* --- what is there ------------------------------------------------------------------------ */

void
resume_clear(struct resume *r)
{
	size_t i;

	for (i = 0; i < r->train.count; i++)
		free(r->train.shards[i].path);
	free(r->train.shards);
	memset(r, 0, sizeof(*r));
}

/* Has a file that digest? A missing one has none. */
static int
is_whole(int dirfd, const char *name, const char *sha256)
{
	char hex[SHA256_HEX_SIZE];
	uint64_t bytes;

	return (sha256_at(dirfd, name, hex, &bytes) == 0 && strcmp(hex, sha256) == 0);
}

/* Read the notes, and look at all that they name: 1, 0, or -1 with errno ENOMEM. */
static int
find(struct resume *r, int dirfd, const char *request)
{
	char *text;
	size_t n, i;
	int rc;

	if ((text = file_read(dirfd, RESUME_FILE, NOTES_MAX_BYTES, &n)) == NULL)
		return (errno == ENOMEM ? -1 : 0);
	rc = read_notes(r, text, n);
	free(text);
	if (rc != 1)
		return (rc);
	/* Only what we would call a shard is looked at, and kept. */
	for (i = 0; i < r->train.count; i++)
		if (strncmp(r->train.shards[i].path, "corpus_train_", 13) != 0 ||
		    strchr(r->train.shards[i].path, '/') != NULL)
			return (0);
	if (strcmp(r->request, request) != 0 ||
	    (strcmp(r->tokenizer, RESUME_BYTES) != 0 && !is_whole(dirfd, TOKENIZER_FILE, r->tokenizer)))
		return (0);
	for (i = 0; i < r->train.count; i++)
		if (!is_whole(dirfd, r->train.shards[i].path, r->train.shards[i].sha256))
			return (0);
	return (1);
}

static int
is_named(const struct resume *r, int has_model, const char *name)
{
	size_t i;

	if (strcmp(name, TOKENIZER_FILE) == 0)
		return (has_model || (r->train.count > 0 && strcmp(r->tokenizer, RESUME_BYTES) != 0));
	if (strcmp(name, RESUME_FILE) == 0)
		return (r->train.count > 0);
	for (i = 0; i < r->train.count; i++)
		if (strcmp(name, r->train.shards[i].path) == 0)
			return (1);
	return (0);
}

/* Remove what the notes don't name; the notes first, where they are to go. */
static int
clean(const struct resume *r, int dirfd, int has_model)
{
	struct dirent *e;
	DIR *d;
	int fd, rc = 0;

	if (r->train.count == 0 && atomfile_remove(dirfd, RESUME_FILE) == -1)
		return (-1);
	if ((fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (-1);
	if ((d = fdopendir(fd)) == NULL) {
		close(fd);
		return (-1);
	}
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && !is_named(r, has_model, e->d_name) &&
		    unlinkat(dirfd, e->d_name, 0) == -1)
			rc = -1;
	closedir(d);
	return (rc);
}

int
resume_begin(struct resume *r, int dirfd, const char request[SHA256_HEX_SIZE], int has_model, struct inputerror *f)
{
	int there;

	memset(r, 0, sizeof(*r));
	if ((there = find(r, dirfd, request)) == -1)
		return (inputerror_errno(f, "read", RESUME_FILE));
	if (!there)
		resume_clear(r);
	memcpy(r->request, request, SHA256_HEX_SIZE);
	return (clean(r, dirfd, has_model) == -1 ? inputerror_errno(f, "clear", "the temporary directory") : 0);
}
