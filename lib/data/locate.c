#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/search.h"
#include "base/str.h"
#include "data/locate.h"

/* Nothing has the digest: what was looked for, where, and what to do. */
static void
tell(const char *recorded, const char *observed, const char *sha256, const char *link, struct inputerror *f)
{
	const char *list = getenv(LOCATE_VARIABLE);
	struct str object = STR_INIT, where = STR_INIT;

	if (str_printf(&object, "%s/" DATASET_FILE, recorded) == -1 ||
	    str_printf(&where, "%s, and it is neither in '%s' nor %s%s%s; set " LOCATE_VARIABLE " or make that a link",
		sha256, link, list == NULL ? "is " LOCATE_VARIABLE " set" : "in " LOCATE_VARIABLE " (",
		list == NULL ? "" : list, list == NULL ? "" : ")") == -1)
		inputerror_errno(f, "find", recorded);
	else if (*observed == '\0')
		inputerror_set(f, REFUSAL_INPUT_MISSING, object.p, "no file", where.p);
	else
		inputerror_set(f, REFUSAL_INPUT_WRONG_DIGEST, object.p, observed, where.p);
	str_free(&object);
	str_free(&where);
}

/* Where the data directory is: its name in *dir; -1, said. */
static int
find_directory(const char *recorded, const char *sha256, const char *rundir, struct str *dir, struct inputerror *f)
{
	char observed[SHA256_HEX_SIZE], hex[SHA256_HEX_SIZE];
	int rc;

	if (search_here(recorded, DATASET_FILE, sha256, SEARCH_ANY, observed))
		return (str_puts(dir, recorded) == -1 ? inputerror_errno(f, "find", recorded) : 0);
	if (str_printf(dir, "%s/data", rundir) == -1)
		return (inputerror_errno(f, "find", recorded));
	if (search_here(dir->p, DATASET_FILE, sha256, SEARCH_ANY, hex))
		return (0);
	if ((rc = search_list(getenv(LOCATE_VARIABLE), DATASET_FILE, sha256, SEARCH_ANY, dir)) == -1)
		return (inputerror_errno(f, "find", recorded));
	if (rc == 1)
		return (0);
	dir->n = 0;
	if (str_printf(dir, "%s/data", rundir) == -1)
		return (inputerror_errno(f, "find", recorded));
	tell(recorded, observed, sha256, dir->p, f);
	return (-1);
}

/* An adopted shard that is gone: where a file of that name has its size and digest. It stays where it was otherwise. */
static int
find_shard(const struct dataset *d, struct dataset_shard *shard, struct inputerror *f)
{
	const char *name = strrchr(shard->path, '/');
	char hex[SHA256_HEX_SIZE];
	struct str dir = STR_INIT;
	int rc;

	if (name == NULL || access(shard->path, F_OK) == 0)
		return (0);
	name++;
	if (str_puts(&dir, d->dir) == -1)
		goto err0;
	if ((rc = search_here(d->dir, name, shard->sha256, shard->bytes, hex)) == 0)
		rc = search_list(getenv(LOCATE_VARIABLE), name, shard->sha256, shard->bytes, &dir);
	if (rc == -1 || (rc == 1 && (str_puts(&dir, "/") == -1 || str_puts(&dir, name) == -1)))
		goto err0;
	if (rc == 1) {
		free(shard->path);
		shard->path = dir.p;
	} else
		str_free(&dir);
	return (0);
err0:
	inputerror_errno(f, "find", shard->path);
	str_free(&dir);
	return (-1);
}

static int
find_shards(const struct dataset *d, struct dataset_part *part, struct inputerror *f)
{
	size_t i;

	for (i = 0; i < part->count; i++)
		if (find_shard(d, &part->shards[i], f) == -1)
			return (-1);
	return (0);
}

struct dataset *
locate_dataset(const char *recorded, const char *sha256, const char *rundir, struct inputerror *f)
{
	struct str dir = STR_INIT;
	struct dataset *d = NULL;

	if (find_directory(recorded, sha256, rundir, &dir, f) == -1)
		goto done;
	if ((d = dataset_open(dir.p, f)) == NULL)
		goto done;
	if (strcmp(d->sha256, sha256) != 0) {
		inputerror_set(f, REFUSAL_INPUT_WRONG_DIGEST, d->dir, d->sha256, sha256);
		goto err0;
	}
	if (find_shards(d, &d->train, f) == -1 || find_shards(d, &d->val, f) == -1 ||
	    find_shards(d, &d->val_counts, f) == -1)
		goto err0;
done:
	str_free(&dir);
	return (d);
err0:
	dataset_free(d);
	d = NULL;
	goto done;
}
