#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "base/str.h"
#include "run/rundir.h"
#include "trace/find.h"
#include "trace/lineage.h"

/* Files of a run that name digests, in the order in which they say what a file is; its own digest counts, too. */
static const char *const named_in[] = { RUNDIR_SPEC, "training_report.json", "export_report.json", "prompt_report.json",
	RUNDIR_SCORE_REPORT, "artifact_score_summary.json", RUNDIR_PRUNED };

/* The digits of a digest, all or the first of them, and the whole one that was met last. */
struct sought {
	const char *digits;
	char sha256[SHA256_HEX_SIZE];
};

static int
is_meant(const char *text, struct sought *d)
{
	if (strncmp(text, d->digits, strlen(d->digits)) != 0 || strlen(text) != SHA256_HEX_SIZE - 1 ||
	    strspn(text, "0123456789abcdef") != SHA256_HEX_SIZE - 1)
		return (0);
	strcpy(d->sha256, text);
	return (1);
}

/* Where a digest stands in a value: 1 and its path in ${where}; 0; -1 with errno ENOMEM. */
static int
mentioned(const json_t *v, struct sought *sought, struct str *where)
{
	const size_t n = where->n;
	const char *key;
	json_t *member;
	size_t i;
	int rc = 0;

	if (json_is_string(v))
		return (is_meant(json_string_value(v), sought));
	json_object_foreach((json_t *)(uintptr_t)v, key, member) {
		rc = str_printf(where, "%s%s", n == 0 || where->p[n - 1] == ' ' ? "" : ".", key) == -1 ?
		    -1 :
		    mentioned(member, sought, where);
		if (rc != 0)
			return (rc);
		where->p[where->n = n] = '\0';
	}
	json_array_foreach((json_t *)(uintptr_t)v, i, member) {
		rc = str_printf(where, "[%zu]", i) == -1 ? -1 : mentioned(member, sought, where);
		if (rc != 0)
			return (rc);
		where->p[where->n = n] = '\0';
	}
	return (0);
}

/* A file of JSON that is that digest, or names it. As mentioned. */
static int
in_file(int dirfd, const char *name, struct sought *sought, struct str *where)
{
	char hex[SHA256_HEX_SIZE];
	json_t *v;
	int rc;

	where->n = 0;
	if (str_printf(where, "%s", name) == -1)
		return (-1);
	if (sha256_at(dirfd, name, hex, NULL) == 0 && is_meant(hex, sought))
		return (1);
	if (faccessat(dirfd, name, R_OK, 0) == -1 || jsonio_read(dirfd, name, JSONIO_MAX_BYTES, NULL, &v) == -1)
		return (0);
	if ((rc = str_puts(where, ": ")) == 0)
		rc = mentioned(v, sought, where);
	json_decref(v);
	return (rc);
}

static int
note(struct find *f, const struct sought *sought, const char *run, const char *as, int shared,
    const struct rows_row *row)
{
	struct find_match *list;

	if ((list = array_room(f->list, f->count, &f->cap, sizeof(*list))) == NULL)
		return (-1);
	f->list = list;
	list[f->count] = (struct find_match){ .run = run == NULL ? NULL : strdup(run),
		.as = strdup(as),
		.shared = shared };
	strcpy(list[f->count].sha256, sought->sha256);
	if (row != NULL)
		list[f->count].row = *row;
	f->count++;
	return (list[f->count - 1].as == NULL || (run != NULL && list[f->count - 1].run == NULL) ? -1 : 0);
}

/* Was that directory looked at already? 1, 0, or -1 with errno ENOMEM. */
static int
again(struct find *f, const char *path)
{
	char *real = realpath(path, NULL), **seen;
	const uint64_t tag = real == NULL ? 0 : hash_text(real);
	size_t *value, at = 0;

	if (real == NULL)
		return (1);
	while ((value = hash_find(&f->known, tag, &at)) != NULL)
		if (strcmp(f->seen[*value - 1], real) == 0) {
			free(real);
			return (1);
		}
	if ((seen = array_room(f->seen, f->seen_count, &f->seen_cap, sizeof(*seen))) == NULL) {
		free(real);
		return (-1);
	}
	f->seen = seen;
	seen[f->seen_count++] = real;
	return (hash_add(&f->known, tag, f->seen_count));
}

/* The data of a run, where it is what the spec means: all that dataset.json names. As mentioned. */
static int
in_data(const json_t *spec, struct sought *sought, struct str *where)
{
	char hex[SHA256_HEX_SIZE];
	int fd, rc = 0;

	if ((fd = open(jsonio_text(spec, "data.dir", ""), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (0);
	if (sha256_at(fd, "dataset.json", hex, NULL) == 0 &&
	    strcmp(hex, jsonio_text(spec, "data.dataset_sha256", "")) == 0)
		rc = in_file(fd, "dataset.json", sought, where);
	close(fd);
	return (rc);
}

/* One run. 0, or -1 with errno. */
static int
look_at(struct find *f, const char *path, struct sought *sought)
{
	struct rundir r;
	struct str where = STR_INIT;
	size_t i;
	int rc = 0, shared = 0;

	if ((rc = again(f, path)) != 0)
		return (rc == 1 ? 0 : -1);
	/* What can't be read was said, and hides no other run. */
	if (rundir_open(&r, path) == -1)
		return (0);
	if (rundir_load(&r) == 0) {
		for (i = 0; i < sizeof(named_in) / sizeof(named_in[0]) && rc == 0; i++)
			if ((rc = in_file(r.fd, named_in[i], sought, &where)) == 1)
				shared = strstr(where.p, RUNDIR_SPEC ": data.") == where.p ||
				    strstr(where.p, RUNDIR_SPEC ": digests.") == where.p;
		if (rc == 0 && (rc = in_data(r.spec.json, sought, &where)) == 1)
			shared = 1;
		if (rc == 1)
			rc = note(f, sought, path, where.p, shared, NULL);
	}
	str_free(&where);
	rundir_close(&r);
	return (rc);
}

static int
is_run(const char *path)
{
	struct str spec = STR_INIT;
	struct stat st;
	int is;

	is = str_printf(&spec, "%s/" RUNDIR_SPEC, path) == 0 && lstat(spec.p, &st) == 0 && S_ISREG(st.st_mode);
	str_free(&spec);
	return (is);
}

static int
by_name(const void *a, const void *b)
{
	return (strcmp(*(char *const *)a, *(char *const *)b));
}

/* A directory that is a run, and the runs directly in it, by name. */
static int
look_in(struct find *f, const char *dir, struct sought *sought)
{
	char **names = NULL, **grown;
	struct dirent *e;
	struct str path = STR_INIT;
	size_t n = 0, i;
	int rc = 0;
	DIR *d;

	if (is_run(dir) && look_at(f, dir, sought) == -1)
		return (-1);
	if ((d = opendir(dir)) == NULL)
		return (0);
	while (rc == 0 && (e = readdir(d)) != NULL) {
		path.n = 0;
		if (e->d_name[0] == '.' || str_printf(&path, "%s/%s", dir, e->d_name) == -1 || !is_run(path.p))
			continue;
		if ((grown = array_few(names, n, sizeof(*names))) == NULL ||
		    ((names = grown)[n] = strdup(path.p)) == NULL)
			rc = -1;
		else
			n++;
	}
	closedir(d);
	if (n > 0)
		qsort(names, n, sizeof(*names), by_name);
	for (i = 0; i < n; i++) {
		rc = rc == 0 ? look_at(f, names[i], sought) : rc;
		free(names[i]);
	}
	free(names);
	str_free(&path);
	return (rc);
}

/* Beside a file: the directory that it lies in, and the one above. */
static int
look_beside(struct find *f, const char *file, struct sought *sought)
{
	const char *slash = strrchr(file, '/');
	char dir[PATH_MAX], above[PATH_MAX];
	int n = slash == NULL ? 0 : (int)(slash - file);

	if (slash == NULL)
		snprintf(dir, sizeof(dir), ".");
	else
		snprintf(dir, sizeof(dir), "%.*s", n == 0 ? 1 : n, file);
	if (look_in(f, dir, sought) == -1)
		return (-1);
	if (realpath(dir, above) == NULL || (slash = strrchr(above, '/')) == NULL || slash == above)
		return (0);
	/* As a person would type it: without the last part, if the path has one. */
	if ((n = (int)strlen(dir)) > 0 && strcmp(dir, ".") != 0 && strchr(dir, '/') != NULL &&
	    strstr(dir, "..") == NULL)
		*strrchr(dir, '/') = '\0';
	else
		snprintf(dir, sizeof(dir), "%s", strcmp(dir, ".") == 0 || strstr(dir, "..") != NULL ? ".." : ".");
	return (*dir == '\0' ? 0 : look_in(f, dir, sought));
}

struct wanted {
	const char *ledger;
	struct sought *sought;
};

/* Of a large ledger only what may be an answer is kept: runs that are there still, and rows that name the digest. */
static int
is_wanted(void *arg, const struct rows_row *row)
{
	struct wanted *w = arg;
	const json_t *run = json_object_get(row->json, "run");
	struct str where = STR_INIT;
	char *dir;
	int is;

	if (run == NULL)
		return (0);
	is = is_meant(row->sha256, w->sought) || mentioned(run, w->sought, &where) != 0;
	str_free(&where);
	if (is || (dir = lineage_place(w->ledger, jsonio_text(run, "dir", ""))) == NULL)
		return (1);
	is = is_run(dir);
	free(dir);
	return (is);
}

/* A run by its last row: its directory says more, if it is there still. 0, or -1 with errno. */
static int
look_up_row(struct find *f, const char *ledger, const struct rows_row *row, struct sought *sought)
{
	char *dir = lineage_place(ledger, jsonio_text(row->json, "run.dir", ""));
	struct str where = STR_INIT;
	int rc = dir == NULL ? -1 : 0;

	if (rc == 0 && is_meant(row->sha256, sought)) {
		if ((rc = str_printf(&where, "row %lld", (long long)row->number)) == 0)
			rc = note(f, sought, is_run(dir) ? dir : NULL, where.p, 0, row);
	} else if (rc == 0 && is_run(dir))
		rc = look_at(f, dir, sought);
	else if (rc == 0 && (rc = str_printf(&where, "row %lld: ", (long long)row->number)) == 0) {
		rc = mentioned(json_object_get(row->json, "run"), sought, &where);
		if (rc == 1)
			rc = note(f, sought, NULL, where.p, 0, row);
	}
	str_free(&where);
	free(dir);
	return (rc);
}

/* The runs of a ledger, by the last row of each. */
static int
look_up(struct find *f, const char *ledger, struct sought *sought)
{
	struct hash runs = { NULL, 0, 0 };
	const struct rows_row *row;
	uint64_t tag;
	size_t i, at;
	int rc = 0;

	for (i = f->rows.count; i-- > 0 && rc == 0;) {
		row = &f->rows.list[i];
		tag = hash_text(jsonio_text(row->json, "run.run_uid", ""));
		at = 0;
		if (hash_find(&runs, tag, &at) != NULL)
			continue;
		if ((rc = hash_add(&runs, tag, i + 1)) == 0)
			rc = look_up_row(f, ledger, row, sought);
	}
	hash_free(&runs);
	return (rc);
}

int
find_runs(const char *sha256, const char *file, const char *ledger, char *const *runs, int n, struct find *f)
{
	struct sought sought = { sha256, "" };
	struct wanted w = { ledger, &sought };
	int i, rc = 0;

	memset(f, 0, sizeof(*f));
	if (ledger != NULL && rows_read(ledger, is_wanted, &w, &f->rows) == -1)
		return (-1);
	for (i = 0; i < n && rc == 0; i++)
		rc = look_in(f, runs[i], &sought);
	if (rc == 0 && file != NULL)
		rc = look_beside(f, file, &sought);
	if (rc == 0 && ledger != NULL)
		rc = look_up(f, ledger, &sought);
	if (rc == -1)
		say_errno("cannot look for '%s'", sha256);
	return (rc);
}

void
find_free(struct find *f)
{
	while (f->count > 0) {
		free(f->list[--f->count].run);
		free(f->list[f->count].as);
	}
	while (f->seen_count > 0)
		free(f->seen[--f->seen_count]);
	free(f->list);
	free(f->seen);
	hash_free(&f->known);
	rows_free(&f->rows);
}
