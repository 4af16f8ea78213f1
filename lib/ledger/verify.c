#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/exit.h"
#include "schema/contract.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "ledger/ledger.h"
#include "base/say.h"
#include "ledger/verify.h"
#include "ledger/witness.h"

struct checked {
	struct witness_rows rows;
	size_t cap, runs_cap;
	char **parents; /* directories that hold runs, from the ledger's, each once */
	size_t parent_count;
	char *last; /* the last line */
	size_t last_size, last_cap;
	uint32_t first_size;
	uint64_t runs;
	int broken;
};

static int
know_parent(struct checked *c, const char *dir, size_t n)
{
	char **grown;
	size_t i;

	for (; n > 0 && dir[n - 1] != '/'; n--)
		;
	/* "name" alone lies in the ledger's own directory. */
	if (n == 0) {
		dir = "./";
		n = 2;
	}
	for (i = c->parent_count; i-- > 0;)
		if (strncmp(c->parents[i], dir, n) == 0 && c->parents[i][n] == '\0')
			return (0);
	if ((grown = array_few(c->parents, c->parent_count, sizeof(*grown))) == NULL)
		return (-1);
	c->parents = grown;
	if ((grown[c->parent_count] = strndup(dir, n)) == NULL)
		return (-1);
	c->parent_count++;
	return (0);
}

static int
know_run(struct checked *c, const char *uid, const char *end)
{
	void *grown;

	if (end - uid < WITNESS_UID_SIZE || uid[WITNESS_UID_SIZE - 1] != '"')
		return (0);
	if ((grown = array_room(c->rows.uids, c->rows.runs, &c->runs_cap, sizeof(*c->rows.uids))) == NULL)
		return (-1);
	c->rows.uids = grown;
	memcpy(c->rows.uids[c->rows.runs], uid, WITNESS_UID_SIZE - 1);
	c->rows.uids[c->rows.runs++][WITNESS_UID_SIZE - 1] = '\0';
	return (0);
}

/* Is it a run's row? The kind stands right after number and time. */
static int
is_run(const char *line, size_t n)
{
	static const char key[] = ", \"kind\": \"run\", ";
	size_t i;

	for (i = 0; i + sizeof(key) < n && i < 256; i++)
		if (memcmp(line + i, key, sizeof(key) - 1) == 0)
			return (1);
	return (0);
}

static int
look(void *arg, const char *line, size_t n, uint64_t offset, const char *digest)
{
	static const char key[] = ", \"dir\": \"", uid[] = ", \"run_uid\": \"";
	struct checked *c = arg;
	const char *p, *q;
	void *grown;

	if (offset == 0)
		c->first_size = (uint32_t)n;
	if ((grown = array_room(c->rows.digests, c->rows.count, &c->cap, sizeof(*c->rows.digests))) == NULL)
		return (-1);
	c->rows.digests = grown;
	memcpy(c->rows.digests[c->rows.count++], digest, SHA256_HEX_SIZE);
	/* An unescaped quote ends a string, so these can only be keys; they stand among the first members of a run. */
	if (!is_run(line, n))
		goto keep;
	for (p = line, q = line + (n < 2048 ? n : 2048) - sizeof(key); p < q; p++) {
		if ((p = memchr(p, ',', (size_t)(q - p))) == NULL)
			break;
		if (memcmp(p, uid, sizeof(uid) - 1) == 0 && know_run(c, p + sizeof(uid) - 1, line + n) == -1)
			return (-1);
		if (memcmp(p, key, sizeof(key) - 1) != 0)
			continue;
		p += sizeof(key) - 1;
		if ((q = memchr(p, '"', (size_t)(line + n - p))) != NULL && memchr(p, '\\', (size_t)(q - p)) == NULL &&
		    know_parent(c, p, (size_t)(q - p)) == -1)
			return (-1);
		c->runs++;
		break;
	}
keep:
	if (n > c->last_cap) {
		if ((grown = realloc(c->last, n)) == NULL)
			return (-1);
		c->last = grown;
		c->last_cap = n;
	}
	memcpy(c->last, line, n);
	c->last_size = n;
	return (0);
}

static int
by_digest(const void *a, const void *b)
{
	return (memcmp(a, b, SHA256_HEX_SIZE - 1));
}

static int
by_uid(const void *a, const void *b)
{
	return (memcmp(a, b, WITNESS_UID_SIZE - 1));
}

/* The head that the last writer posted. */
static int
check_head(int dir, const struct checked *c)
{
	unsigned long long number;
	char digest[SHA256_HEX_SIZE], *text;
	size_t n;
	int rc = 0;

	if ((text = file_read(dir, LEDGER_HEAD, 256, &n)) == NULL)
		return (0);
	if (sscanf(text, "%llu %64[0-9a-f]", &number, digest) == 2 && strlen(digest) == 64) {
		if (number > c->rows.count) {
			say_error("rows are missing at the end: '%s' remembers %llu, there are %zu", LEDGER_HEAD,
			    number, c->rows.count);
			rc = -1;
		} else if (number > 0 && strcmp(c->rows.digests[number - 1], digest) != 0) {
			say_error("row %llu was altered: '%s' remembers another digest of it", number, LEDGER_HEAD);
			rc = -1;
		}
	}
	free(text);
	return (rc);
}

int
verify_ledger(const char *path, char *const *runs, int n, struct verify *out)
{
	struct checked c = { 0 };
	struct ledger l = { .path = NULL, .dir = -1, .lock = -1, .rows = -1 };
	struct standings_fact first = { .offset = 0 };
	struct witness_found found;
	json_t *row;
	uint64_t size, count;
	size_t i;
	int rc, lacking, code = HG_EXIT_CONTRACT;

	memset(out, 0, sizeof(*out));
	if ((l.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 ||
	    (l.rows = file_open(l.dir, LEDGER_ROWS, NULL)) == -1) {
		ledger_cannot_open(path);
		code = ledger_exit(errno);
		goto out;
	}
	if ((l.path = strdup(path)) == NULL || (l.real = realpath(path, NULL)) == NULL) {
		ledger_cannot_open(path);
		code = HG_EXIT_SYSTEM;
		goto out;
	}
	rc = ledger_settle(l.dir, path) == -1 ? -1 : ledger_walk(l.rows, look, &c, &size, &count, out->head);
	if (rc == -1 || rc == 2) {
		code = rc == -1 ? ledger_exit(errno) : HG_EXIT_SYSTEM;
		goto out;
	}
	if (count == 0) {
		say_error("the ledger '%s' has no rows", path);
		goto out;
	}
	if (rc == 1) {
		say_error("row %llu is unfinished: it has no end; the next writer moves it aside",
		    (unsigned long long)count + 1);
		c.broken = 1;
	}
	/* The chain vouches for every row but the last, which must at least be one. */
	if ((row = contract_parse(c.last, c.last_size, "the last row", "ledger_row")) == NULL)
		c.broken = 1;
	json_decref(row);
	if (check_head(l.dir, &c) == -1)
		c.broken = 1;
	/* Witnesses know the ledger by its first row. */
	first.length = c.first_size;
	if (standings_apply(&l.book, &first) == -1) {
		code = HG_EXIT_SYSTEM;
		goto out;
	}
	qsort(c.rows.digests, c.rows.count, sizeof(*c.rows.digests), by_digest);
	if (c.rows.runs > 0)
		qsort(c.rows.uids, c.rows.runs, sizeof(*c.rows.uids), by_uid);
	lacking = witness_check(&l, &c.rows, n > 0 ? runs : c.parents, n > 0 ? (size_t)n : c.parent_count, n > 0,
	    &found);
	if (lacking == -1) {
		code = HG_EXIT_SYSTEM;
		goto out;
	}
	out->witnesses = found.checked;
	if (found.last > (int64_t)count)
		say_error("the ledger '%s' ends with row %llu, and its runs remember rows up to %lld: rows %llu to %lld"
			  " are lost; restore the newer ledger",
		    path, (unsigned long long)count, (long long)found.last, (unsigned long long)count + 1,
		    (long long)found.last);
	if (lacking != 0)
		c.broken = 1;
	if (c.broken)
		goto out;
	out->rows = count;
	out->runs = c.runs;
	code = HG_EXIT_DONE;
out:
	for (i = 0; i < c.parent_count; i++)
		free(c.parents[i]);
	free(c.parents);
	free(c.rows.digests);
	free(c.rows.uids);
	free(c.last);
	ledger_close(&l);
	return (code);
}
