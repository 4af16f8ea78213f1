#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "base/clock.h"
#include "schema/contract.h"
#include "base/exit.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "ledger/ledger.h"
#include "law/settled.h"
#include "base/num.h"
#include "base/proc.h"
#include "ledger/row.h"
#include "base/say.h"
#include "base/shell.h"

#define OPENING "{\"schema\": \"" ROW_SCHEMA "\", \"prev\": \""
#define NUMBER "\", \"row\": "
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

enum { LOCK_WAIT_MS = 30000, MAX_LINE = 16 << 20, READ_AGAIN = 16 };

int
ledger_exit(int error)
{
	switch (error) {
	case EBADMSG:
		return (HG_EXIT_CONTRACT);
	case EAGAIN:
		return (HG_EXIT_NOT_YET);
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
		return (HG_EXIT_USAGE);
	default:
		return (file_at_fault(error) ? HG_EXIT_CONTRACT : HG_EXIT_SYSTEM);
	}
}

/* What a line claims: the digest before it and its number; 0, or -1 if it is no row's beginning. */
static int
claims(const char *line, size_t n, const char **prev, uint64_t *number)
{
	const char *p = line + sizeof(OPENING) - 1 + 64, *end;
	char text[21];
	size_t digits;

	if (n < sizeof(OPENING) - 1 + 64 + sizeof(NUMBER) || memcmp(line, OPENING, sizeof(OPENING) - 1) != 0 ||
	    memcmp(p, NUMBER, sizeof(NUMBER) - 1) != 0)
		return (-1);
	*prev = line + sizeof(OPENING) - 1;
	p += sizeof(NUMBER) - 1;
	if ((end = memchr(p, ',', n - (size_t)(p - line))) == NULL || (digits = (size_t)(end - p)) >= sizeof(text))
		return (-1);
	memcpy(text, p, digits);
	text[digits] = '\0';
	return (num_u64(text, 1, UINT64_MAX, number));
}

/* One line against the chain so far; 0, or -1 after saying which row fails, and how. */
static int
follows(const char *line, size_t n, uint64_t row, const char *head)
{
	const char *prev;
	uint64_t number;

	if (claims(line, n, &prev, &number) == -1) {
		say_error("row %llu was altered: it does not begin as a row does", (unsigned long long)row);
		return (-1);
	}
	if (number > row)
		say_error("rows are missing: after row %llu comes row %llu", (unsigned long long)row - 1,
		    (unsigned long long)number);
	else if (number < row)
		say_error("rows are out of order: row %llu stands where row %llu should", (unsigned long long)number,
		    (unsigned long long)row);
	else if (memcmp(prev, head, 64) == 0)
		return (0);
	else if (row == 1)
		say_error("row 1 was altered: it names a row before it");
	else
		say_error("row %llu was altered: row %llu names another digest than it has",
		    (unsigned long long)row - 1, (unsigned long long)row);
	return (-1);
}

int
ledger_walk(int rows, ledger_each *each, void *arg, uint64_t *size, uint64_t *count, char head[SHA256_HEX_SIZE])
{
	char *buf, *bigger, *line, *end, next[SHA256_HEX_SIZE];
	struct sha256 *h;
	size_t cap = 1 << 20, have = 0, at, n;
	uint64_t offset = 0;
	ssize_t got;
	int rc = -1;

	*count = 0;
	*size = 0;
	strcpy(head, ZEROS);
	if ((buf = malloc(cap)) == NULL || (h = sha256_begin()) == NULL) {
		free(buf);
		errno = ENOMEM;
		say_errno("cannot read the ledger");
		return (-1);
	}
	for (;;) {
		got = pread(rows, buf + have, cap - have, (off_t)(offset + have));
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1) {
			say_errno("cannot read the ledger");
			goto err0;
		}
		if (got == 0)
			break;
		have += (size_t)got;
		for (at = 0; (end = memchr(buf + at, '\n', have - at)) != NULL; at += n) {
			line = buf + at;
			n = (size_t)(end - line) + 1;
			if (follows(line, n, *count + 1, head) == -1) {
				errno = EBADMSG;
				goto err0;
			}
			sha256_add(h, line, n);
			sha256_next(h, next);
			memcpy(head, next, sizeof(next));
			++*count;
			if (each != NULL && each(arg, line, n, offset + at, head) != 0) {
				rc = 2;
				goto err0;
			}
		}
		memmove(buf, buf + at, have - at);
		have -= at;
		offset += at;
		*size = offset;
		if (have == cap) {
			if (cap >= MAX_LINE) {
				say_error("row %llu has no end", (unsigned long long)*count + 1);
				errno = EBADMSG;
				goto err0;
			}
			if ((bigger = realloc(buf, 2 * cap)) == NULL) {
				say_errno("cannot read the ledger");
				goto err0;
			}
			buf = bigger;
			cap *= 2;
		}
	}
	rc = have != 0;
err0:
	sha256_free(h);
	free(buf);
	return (rc);
}

/* What the posted head says; 0, or -1 if it says nothing that can be read. */
static int
read_head(int dir, uint64_t *number, char digest[SHA256_HEX_SIZE])
{
	unsigned long long n;
	char *text;
	size_t size;
	int ok;

	if ((text = file_read(dir, LEDGER_HEAD, 256, &size)) == NULL)
		return (-1);
	ok = sscanf(text, "%llu %64[0-9a-f]\n", &n, digest) == 2 && strlen(digest) == 64;
	free(text);
	*number = n;
	return (ok ? 0 : -1);
}

struct load {
	struct ledger *l;
	uint64_t head_number;
	char head_digest[SHA256_HEX_SIZE];
	uint64_t number;
	int error; /* why a row was not taken */
	struct jsonscan scan;
};

static int
take_policy(struct ledger *l, const json_t *wanted)
{
	struct policy policy;

	if (policy_take(&policy, wanted) == -1 || standings_policy(&l->book, &policy) == -1)
		return (-1);
	/* References are counted in values that are not const. */
	json_incref((json_t *)(uintptr_t)wanted);
	json_decref(l->policy);
	l->policy = (json_t *)(uintptr_t)wanted;
	return (0);
}

/* An open plan goes by the rules that it was made under, whatever the last ones are. */
static int
take_planned(struct ledger *l)
{
	struct standings_plan *p;
	struct row row;
	int rc;

	for (p = l->book.plans; p < l->book.plans + l->book.plan_count; p++) {
		if (p->closed || p->policy_row == l->book.policy_row)
			continue;
		if (ledger_read(l, standings_row(&l->book, p->policy_row), &row) == -1)
			return (-1);
		rc = row.kind == STANDINGS_POLICY ? policy_take(&p->policy, row.policy) : -1;
		row_free(&row);
		if (rc == -1)
			return (-1);
	}
	return (0);
}

int
ledger_begins(uint64_t number, enum standings_kind kind)
{
	if (number != 1 || kind == STANDINGS_POLICY)
		return (0);
	say_error("row 1 is no policy: a ledger begins with the rules that it is judged by");
	errno = EBADMSG;
	return (-1);
}

static int
load_row(void *arg, const char *line, size_t n, uint64_t offset, const char *digest)
{
	struct load *load = arg;
	struct standings_fact f;
	char what[64];
	struct row r;
	json_t *row;
	int rc = -1;

	load->number++;
	if (load->number == load->head_number && strcmp(digest, load->head_digest) != 0) {
		say_error("row %llu was altered: '%s' remembers another digest of it", (unsigned long long)load->number,
		    LEDGER_HEAD);
		return (1);
	}
	/*
	 * Its contract was checked before it was written, and the chain vouches for it since.  Of a run that nothing
	 * stands against only the fact is wanted: most rows are those.
	 */
	if (jsonscan_text(&load->scan, line, n) == 0 && row_scan(&r, &load->scan) == 0)
		goto whole;
	snprintf(what, sizeof(what), "row %llu", (unsigned long long)load->number);
	if ((row = jsonio_parse(line, n, what)) == NULL || row_read(&r, row) == -1) {
		load->error = errno;
		return (1);
	}
whole:
	if (row_fact(&r, &f) == -1) {
		say_error("row %llu is not whole", (unsigned long long)load->number);
		goto err0;
	}
	f.offset = offset;
	f.length = (uint32_t)n;
	f.row = standings_tag(digest);
	if (ledger_begins(load->number, r.kind) == -1)
		goto err0;
	if (f.kind == STANDINGS_POLICY && take_policy(load->l, r.policy) == -1)
		goto err0;
	if (standings_apply(&load->l->book, &f) == -1) {
		load->error = errno;
		say_errno("cannot read the ledger");
		goto err0;
	}
	rc = 0;
err0:
	row_free(&r);
	return (rc == 0 ? 0 : 1);
}

/* Read and verify everything. */
static int
load_all(struct ledger *l)
{
	struct load load = { .l = l, .scan = JSONSCAN_INIT };
	uint64_t count;
	int rc;

	if (read_head(l->dir, &load.head_number, load.head_digest) == -1)
		load.head_number = 0;
	rc = ledger_walk(l->rows, load_row, &load, &l->size_bytes, &count, l->head);
	jsonscan_free(&load.scan);
	if (rc == 2)
		errno = load.error == ENOMEM ? ENOMEM : EBADMSG;
	if (rc == -1 || rc == 2)
		return (-1);
	if (count < load.head_number) {
		say_error("rows are missing at the end: there were %llu, there are %llu",
		    (unsigned long long)load.head_number, (unsigned long long)count);
		errno = EBADMSG;
		return (-1);
	}
	return (0);
}

static char *
line_of(const struct ledger *l, const struct standings_fact *f)
{
	char *line;

	if ((line = malloc(f->length + 1u)) == NULL || file_read_at(l->rows, line, f->length, f->offset) == -1) {
		say_errno("cannot read '%s/%s'", l->path, LEDGER_ROWS);
		free(line);
		return (NULL);
	}
	line[f->length] = '\0';
	return (line);
}

/* The fact of a line, which stands at ${at}; 0 or -1. */
static int
fact_of_line(struct standings_fact *f, const char *line, size_t n, uint64_t at, char digest[SHA256_HEX_SIZE])
{
	struct row row;
	json_t *json;
	int rc;

	if (sha256_hex(line, n, digest) == -1 || (json = jsonio_try(line, n)) == NULL || row_read(&row, json) == -1)
		return (-1);
	rc = row_fact(&row, f);
	row_free(&row);
	f->offset = at;
	f->length = (uint32_t)n;
	f->row = standings_tag(digest);
	return (rc);
}

/* Is a fact of the index what its row says? */
static int
is_of_row(const struct ledger *l, const struct standings_fact *f)
{
	struct standings_fact says;
	char digest[SHA256_HEX_SIZE], *line;
	int same;

	if ((line = line_of(l, f)) == NULL)
		return (0);
	same = fact_of_line(&says, line, f->length, f->offset, digest) == 0 && memcmp(&says, f, sizeof(says)) == 0 &&
	    (f->offset + f->length != l->size_bytes || strcmp(digest, l->head) == 0);
	free(line);
	return (same);
}

/*
 * What the next decision rests on is read again from its rows: the last row, what made each incumbent, and the newest
 * of its runs and of the rows that are no run's.  Older ones are believed to the index.
 */
static int
index_agrees(const struct ledger *l)
{
	const struct standings_fact *f;
	const struct standings_group *g = NULL;
	size_t i, count = standings_count(&l->book);
	unsigned left = READ_AGAIN;

	for (i = count; i > 0 && left > 0; i--) {
		f = standings_fact(&l->book, i - 1);
		if (f->kind == STANDINGS_IMPORT && i != count)
			continue;
		if (f->kind == STANDINGS_RUN && i != count) {
			if (g == NULL || g->group != f->group)
				g = f->group == 0 ? NULL : standings_group(&l->book, f->group);
			if (g == NULL || (i - 1 != g->reference && f->config != g->incumbent))
				continue;
		}
		if (!is_of_row(l, f))
			return (0);
		left--;
	}
	/* Before those only what challengers are held against. */
	for (g = l->book.groups; g < l->book.groups + l->book.group_count; g++) {
		f = g->reference < i ? standings_fact(&l->book, g->reference) : NULL;
		if (f != NULL && f->kind == STANDINGS_RUN && f->group == g->group && !is_of_row(l, f))
			return (0);
	}
	return (1);
}

/* Does a row say of its group what follows from what was settled: who is incumbent, and where that stands? */
static int
says_the_same(const struct ledger *l, const struct standings_fact *f, const struct standings_group *g)
{
	const struct standings *b = &l->book;
	const enum policy_metric metric = b->policy.metric.name;
	struct noise_arm arm;
	struct row row;
	int same;

	if (!is_of_row(l, f) || ledger_read(l, f, &row) == -1)
		return (0);
	arm = standings_standing(b, standings_config(b, g->group, g->lane, g->incumbent), metric);
	same = row.after.config != NULL && standings_tag(row.after.config) == g->incumbent &&
	    standings_fact(b, g->reference)->config == g->incumbent;
	/* Under the rules before it stood elsewhere. */
	if (same && (uint64_t)row.number > l->index.policy)
		same = row.after.runs == (int64_t)arm.n &&
		    (arm.n == 0 ? isnan(row.after.score) : fabs(row.after.score - arm.mean) <= 1e-9 * fabs(arm.mean));
	row_free(&row);
	return (same);
}

/*
 * What was settled has no key, either.  So it is held against what the last row of each group said when it was judged;
 * where that is something else, all facts are applied again.
 */
static int
settled_agrees(const struct ledger *l)
{
	const struct standings *b = &l->book;
	const struct standings_group *g;
	const struct standings_fact *f;
	size_t i;

	for (g = b->groups; g < b->groups + b->group_count; g++) {
		for (i = standings_count(b); g->incumbent != 0 && i > 0; i--) {
			f = standings_fact(b, i - 1);
			if (f->group == g->group && (f->kind == STANDINGS_RUN || f->kind == STANDINGS_VERDICT))
				break;
		}
		if (g->incumbent != 0 && (i == 0 || !says_the_same(l, standings_fact(b, i - 1), g)))
			return (0);
	}
	return (1);
}

/* A block of facts that the index no longer has as they were, from their rows. 0 or -1. */
static int
mend_block(struct ledger *l, size_t block)
{
	const struct index_block *b = &l->index.blocks[block];
	const size_t n = (size_t)(b[1].at - b[0].at);
	struct standings_fact facts[STANDINGS_BLOCK];
	char digest[SHA256_HEX_SIZE], *text, *line, *end;
	size_t i;
	int rc = -1;

	if ((text = malloc(n)) == NULL || file_read_at(l->rows, text, n, b->at) == -1)
		goto out;
	for (i = 0, line = text; i < STANDINGS_BLOCK; i++, line = end + 1)
		if ((end = memchr(line, '\n', n - (size_t)(line - text))) == NULL ||
		    fact_of_line(&facts[i], line, (size_t)(end + 1 - line), b->at + (uint64_t)(line - text), digest) ==
			-1)
			goto out;
	rc = index_mend(&l->index, block, facts);
out:
	free(text);
	return (rc);
}

/* A block of the index before it is read for the first time. What can't be made good judges nothing more. */
static void
see_block(void *arg, size_t block)
{
	struct ledger *l = arg;

	if (index_see(&l->index, block) == 0)
		return;
	(void)unlinkat(l->dir, INDEX_FILE, 0);
	l->index.count = 0;
	l->spoilt |= mend_block(l, block) == -1;
}

/*
 * What follows from all facts of the index: those that were settled once need not be applied, nor be seen until they
 * are asked for. 0, or -1: what was seen is not what it was.
 */
static int
adopt(struct ledger *l)
{
	const struct index *x = &l->index;
	size_t i;

	if (x->settled_count != 0 && settled_take(&l->book, x->image, x->image_bytes, x->settled_count) == 0) {
		l->book.unseen = x->unseen;
		l->book.see = see_block;
		l->book.see_arg = l;
	} else
		for (i = 0; x->unseen != NULL && i < x->settled_count / STANDINGS_BLOCK; i++)
			if (index_see(x, i) == -1)
				return (-1);
	return (standings_adopt(&l->book, x->facts, x->count));
}

/* The policy's row, by the index, which may have left it unseen; 0 or -1. */
static int
read_policy(struct ledger *l, struct row *row)
{
	const struct index *x = &l->index;
	const size_t block = (x->policy - 1) / STANDINGS_BLOCK;

	if (x->policy == 0 ||
	    (x->unseen != NULL && block < x->settled_count / STANDINGS_BLOCK && index_see(x, block) == -1))
		return (-1);
	return (ledger_read(l, &x->facts[x->policy - 1], row));
}

static int
load_index(struct ledger *l, enum ledger_mode mode, const struct stat *st, enum index_trust trust)
{
	struct row row;
	int rc;

	if (index_open(&l->index, l->dir, st, trust) == -1)
		return (-1);
	l->size_bytes = (uint64_t)st->st_size;
	memcpy(l->head, l->index.head, sizeof(l->head));
	/* The policy that counts is the last policy row's, and by its law all rows are counted. */
	if (read_policy(l, &row) == -1)
		goto err0;
	rc = take_policy(l, row.policy);
	row_free(&row);
	if (rc == -1 || adopt(l) == -1 || !index_agrees(l) || (l->index.settled_count != 0 && !settled_agrees(l)))
		goto err0;
	if (mode == LEDGER_WRITE)
		index_settle(&l->index, l->dir, st, &l->book);
	if (take_planned(l) == 0)
		return (0);
err0:
	standings_free(&l->book);
	index_close(&l->index);
	l->spoilt = 0;
	return (-1);
}

static int
load(struct ledger *l, enum ledger_mode mode, int whole)
{
	struct stat st;

	strcpy(l->head, ZEROS);
	if ((l->rows = file_open(l->dir, LEDGER_ROWS, NULL)) == -1) {
		if (errno == ENOENT && mode != LEDGER_READ) {
			uint64_t number;
			char digest[SHA256_HEX_SIZE];

			if (read_head(l->dir, &number, digest) == 0) {
				say_error("'%s/%s' is gone, and there were %llu rows", l->path, LEDGER_ROWS,
				    (unsigned long long)number);
				errno = EBADMSG;
				return (-1);
			}
			return (0);
		}
		ledger_cannot_open(l->path);
		return (-1);
	}
	if (fstat(l->rows, &st) == -1) {
		say_errno("cannot look at '%s/%s'", l->path, LEDGER_ROWS);
		return (-1);
	}
	if (!whole &&
	    (load_index(l, mode, &st, mode == LEDGER_WRITE ? INDEX_LAZY : INDEX_SETTLED) == 0 ||
		load_index(l, mode, &st, INDEX_ALONE) == 0))
		return (0);
	standings_init(&l->book);
	if (load_all(l) == -1)
		return (-1);
	if (mode == LEDGER_WRITE && l->size_bytes == (uint64_t)st.st_size)
		index_write(l->dir, &st, &l->book, l->head, &l->index);
	return (0);
}

/* What a killed writer left after the last newline is no row; it is kept aside, for whoever wants to know. */
static int
mend(struct ledger *l)
{
	struct stat st;
	char name[64], *tail;
	size_t n;
	int fd, rc = -1;

	if (l->rows == -1 || fstat(l->rows, &st) == -1 || (uint64_t)st.st_size == l->size_bytes)
		return (0);
	n = (size_t)((uint64_t)st.st_size - l->size_bytes);
	snprintf(name, sizeof(name), "torn.%llu", (unsigned long long)l->size_bytes);
	if ((tail = malloc(n)) == NULL || file_read_at(l->rows, tail, n, l->size_bytes) == -1)
		goto err0;
	if (atomfile_replace(l->dir, name, tail, n) == -1)
		goto err0;
	if ((fd = file_open_change(l->dir, LEDGER_ROWS, O_WRONLY, 0)) == -1)
		goto err0;
	rc = ftruncate(fd, (off_t)l->size_bytes) == -1 || fsync(fd) == -1 ? -1 : 0;
	close(fd);
	if (rc == 0) {
		say_note("moved an unfinished last row to '%s/%s'", l->path, name);
		if (fstat(l->rows, &st) == 0)
			index_write(l->dir, &st, &l->book, l->head, &l->index);
	}
err0:
	if (rc == -1)
		say_errno("cannot move the unfinished last row of '%s' aside", l->path);
	free(tail);
	return (rc);
}

/* A ledger may go on to a later law, and never back to one that saw less. 0, or -1 with errno EBADMSG, said. */
static int
law_stands(const struct ledger *l, const struct policy *wanted)
{
	if (wanted->law >= l->book.policy.law)
		return (0);
	say_error("'%s/%s' asks for law %u, and the ledger is judged by law %u: put \"law\": %u into it", l->path,
	    LEDGER_POLICY, wanted->law, l->book.policy.law, l->book.policy.law);
	errno = EBADMSG;
	return (-1);
}

/* Make all rows last: whoever wrote them may have been killed before its fsync. */
static int
settle(const struct ledger *l)
{
	if (l->rows == -1 || (fsync(l->rows) == 0 && atomfile_sync_dir(l->dir) == 0))
		return (0);
	say_errno("cannot sync the ledger '%s'", l->path);
	return (-1);
}

/* The last whole line, without reading what is before it. Owns: the caller frees. NULL with errno. */
static char *
last_line(int dir, size_t *n, char digest[SHA256_HEX_SIZE])
{
	uint64_t size, from;
	size_t span = 1 << 14;
	char *buf = NULL, *p, *end;
	int fd;

	if ((fd = file_open(dir, LEDGER_ROWS, &size)) == -1)
		return (NULL);
	for (;; span *= 4) {
		free(buf);
		from = size > span ? size - span : 0;
		if ((buf = malloc((size_t)(size - from) + 1)) == NULL ||
		    file_read_at(fd, buf, (size_t)(size - from), from) == -1)
			goto err0;
		for (end = buf + (size - from); end > buf && end[-1] != '\n'; end--)
			;
		for (p = end - 1; p > buf && p[-1] != '\n'; p--)
			;
		if (end == buf && from == 0) {
			errno = ENOENT;
			goto err0;
		}
		if (end > buf && (p > buf || from == 0))
			break;
		if (span > MAX_LINE) {
			errno = EBADMSG;
			goto err0;
		}
	}
	close(fd);
	*n = (size_t)(end - p);
	memmove(buf, p, *n);
	buf[*n] = '\0';
	if (sha256_hex(buf, *n, digest) == -1) {
		free(buf);
		return (NULL);
	}
	return (buf);
err0:
	free(buf);
	close(fd);
	return (NULL);
}

/* Does the posted head tell of the last row? It is posted once that is synced. */
static int
head_tells(int dir)
{
	char digest[SHA256_HEX_SIZE], last[SHA256_HEX_SIZE], *line;
	uint64_t posted, number;
	const char *prev;
	int tells;
	size_t n;

	if (read_head(dir, &posted, digest) == -1 || (line = last_line(dir, &n, last)) == NULL)
		return (0);
	tells = claims(line, n, &prev, &number) == 0 &&
	    (number < posted || (number == posted && strcmp(last, digest) == 0));
	free(line);
	return (tells);
}

int
ledger_settle(int dir, const char *path)
{
	int rows, rc, error;

	/* Rows that can't be opened are nothing that was read. */
	if (head_tells(dir) || (rows = file_open(dir, LEDGER_ROWS, NULL)) == -1)
		return (0);
	rc = fsync(rows) == -1 || atomfile_sync_dir(dir) == -1 ? -1 : 0;
	error = errno;
	close(rows);
	/* Where nothing can be written nothing waits to be. */
	if (rc == 0 || error == EROFS || error == EINVAL)
		return (0);
	errno = error;
	say_errno("cannot sync the ledger '%s'", path);
	errno = error;
	return (-1);
}

int
ledger_rows(const char *path)
{
	int dir, rows = -1, error;

	if ((dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) != -1) {
		if (ledger_settle(dir, path) == -1) {
			error = errno;
			close(dir);
			errno = error;
			return (-1);
		}
		rows = file_open(dir, LEDGER_ROWS, NULL);
		error = errno;
		close(dir);
		errno = error;
	}
	if (rows == -1)
		ledger_cannot_open(path);
	return (rows);
}

/* policy.json, made if it is missing, against the policy that counts. */
static int
sync_policy(struct ledger *l)
{
	char mine[SHA256_HEX_SIZE], theirs[SHA256_HEX_SIZE], uid[33], *text;
	struct policy policy;
	json_t *wanted = NULL;
	struct row row;
	size_t n;
	int rc = -1;

	row_init(&row, STANDINGS_POLICY);
	if (contract_read(l->dir, LEDGER_POLICY, "policy", NULL, &wanted) == -1) {
		if (errno != ENOENT)
			return (-1);
		/* A ledger that has its rules in the chain needs no file to repeat them. */
		wanted = l->policy != NULL ? json_incref(l->policy) : policy_default();
		if (wanted == NULL || (text = contract_pretty("policy", wanted, &n)) == NULL)
			goto err0;
		if (atomfile_create(l->dir, LEDGER_POLICY, text, n) == -1 && errno != EEXIST) {
			say_errno("cannot write '%s/%s'", l->path, LEDGER_POLICY);
			free(text);
			goto err0;
		}
		free(text);
	}
	if (policy_take(&policy, wanted) == -1 || law_stands(l, &policy) == -1 || jsonio_digest(wanted, mine) == -1)
		goto err0;
	if (l->policy != NULL) {
		if (jsonio_digest(l->policy, theirs) == -1)
			goto err0;
		if (strcmp(mine, theirs) == 0) {
			rc = 0;
			goto err0;
		}
		/* What was planned is judged by the rules that it was planned under. */
		if (standings_open_plan(&l->book, 0) != NULL) {
			say_note(
			    "'%s/%s' was changed: that counts once the open confirmation is decided (hg-ledger plan"
			    " -x gives it up)",
			    l->path, LEDGER_POLICY);
			rc = 0;
			goto err0;
		}
	}
	row.policy = wanted;
	if (ledger_start(l, &row) == -1)
		goto err0;
	if (standings_count(&l->book) == 0) {
		if (proc_random_hex(uid, 16) == -1)
			goto err0;
		row.ledger_uid = uid;
	}
	rc = ledger_append_row(l, &row, NULL);
	if (rc == 0)
		rc = take_policy(l, wanted);
err0:
	row_free(&row);
	json_decref(wanted);
	return (rc);
}

/* The rules that a preview goes by: those wanted, where they can be read, else those that count, else the default. */
static int
preview_policy(struct ledger *l)
{
	struct policy policy;
	json_t *wanted = NULL;
	int rc;

	if (l->dir != -1 && contract_read(l->dir, LEDGER_POLICY, "policy", NULL, &wanted) == -1 && errno != ENOENT)
		return (-1);
	if (wanted != NULL && (policy_take(&policy, wanted) == -1 || law_stands(l, &policy) == -1)) {
		json_decref(wanted);
		return (-1);
	}
	if (wanted == NULL && l->policy == NULL)
		wanted = policy_default();
	if (wanted == NULL)
		return (0);
	rc = take_policy(l, wanted);
	json_decref(wanted);
	return (rc);
}

/* Under the lock: what killed writers left goes; a directory without a row must outlast a crash with its first. */
static int
tidy(const struct ledger *l)
{
	int parent, rc;

	if (atomfile_sweep(l->dir, LEDGER_POLICY) == -1 || atomfile_sweep(l->dir, LEDGER_HEAD) == -1 ||
	    atomfile_sweep(l->dir, INDEX_FILE) == -1 || atomfile_sweep(l->dir, INDEX_STANDINGS) == -1)
		return (-1);
	if (faccessat(l->dir, LEDGER_ROWS, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return (0);
	if ((parent = openat(l->dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (-1);
	rc = atomfile_sync_dir(parent);
	close(parent);
	return (rc);
}

void
ledger_cannot_open(const char *path)
{
	char spec[PATH_MAX];
	int error = errno;

	if (error == ENOENT && snprintf(spec, sizeof(spec), "%s/spec.json", path) < (int)sizeof(spec) &&
	    access(spec, F_OK) == 0) {
		say_error("'%s' is a run and no ledger: name the ledger that it was added to, by hg-run -l", path);
		errno = error;
		return;
	}
	say_errno("cannot open the ledger '%s'", path);
	if (error == ENOENT)
		shell_next("hg-run -l %s RUN  # the first run that is added makes it", path);
	errno = error;
}

static int
open_ledger(struct ledger *l, const char *path, enum ledger_mode mode, int whole)
{
	char real[PATH_MAX];
	int error;

	memset(l, 0, sizeof(*l));
	l->dir = l->lock = l->rows = -1;
	standings_init(&l->book);
	l->recent = calloc(1, sizeof(*l->recent));
	if ((l->path = strdup(path)) == NULL)
		goto err1;
	if (mode == LEDGER_WRITE && mkdir(path, 0777) == -1 && errno != EEXIST) {
		say_errno("cannot make '%s'", path);
		goto err0;
	}
	if (mode == LEDGER_PREVIEW && access(path, F_OK) == -1 && errno == ENOENT) {
		strcpy(l->head, ZEROS);
		if ((l->real = strdup("/")) == NULL || preview_policy(l) == -1)
			goto err1;
		return (0);
	}
	if ((l->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 || realpath(path, real) == NULL ||
	    (l->real = strdup(real)) == NULL)
		goto err1;
	if (mode == LEDGER_WRITE) {
		if ((l->lock = file_open_change(l->dir, LEDGER_LOCK, O_RDWR | O_CREAT, 0666)) == -1)
			goto err1;
		if (proc_lock_wait(l->lock, LOCK_WAIT_MS) == -1) {
			say_errno("cannot lock '%s'", path);
			goto err0;
		}
		if (tidy(l) == -1)
			goto err1;
	}
	if (load(l, mode, whole) == -1)
		goto err0;
	if (mode == LEDGER_WRITE && (mend(l) == -1 || settle(l) == -1 || sync_policy(l) == -1))
		goto err0;
	if (mode != LEDGER_WRITE && ledger_settle(l->dir, l->path) == -1)
		goto err0;
	if (mode == LEDGER_PREVIEW && preview_policy(l) == -1)
		goto err0;
	return (0);
err1:
	ledger_cannot_open(path);
err0:
	error = errno;
	ledger_close(l);
	errno = error;
	return (-1);
}

int
ledger_open(struct ledger *l, const char *path, enum ledger_mode mode)
{
	return (open_ledger(l, path, mode, 0));
}

int
ledger_open_whole(struct ledger *l, const char *path, enum ledger_mode mode)
{
	return (open_ledger(l, path, mode, 1));
}

static void
forget(struct ledger_recent *recent)
{
	unsigned i;

	for (i = 0; recent != NULL && i < LEDGER_RECENT; i++)
		json_decref(recent->of[i].json);
	free(recent);
}

void
ledger_close(struct ledger *l)
{
	standings_free(&l->book);
	index_close(&l->index);
	str_free(&l->held);
	json_decref(l->policy);
	l->policy = NULL;
	forget(l->recent);
	l->recent = NULL;
	if (l->rows != -1)
		close(l->rows);
	if (l->lock != -1)
		close(l->lock);
	if (l->dir != -1)
		close(l->dir);
	l->rows = l->lock = l->dir = -1;
	free(l->path);
	free(l->real);
	l->path = l->real = NULL;
}

int
ledger_start(const struct ledger *l, struct row *r)
{
	char now[CLOCK_TEXT_SIZE];

	r->number = (int64_t)standings_count(&l->book) + 1;
	r->prev = row_text(r, l->head);
	r->added_at = row_text(r, clock_text(now, clock_wall_ms()));
	return (r->prev == NULL || r->added_at == NULL ? -1 : 0);
}

json_t *
ledger_begin(const struct ledger *l, enum standings_kind kind)
{
	struct row r;
	json_t *row;

	row_init(&r, kind);
	row = ledger_start(l, &r) == -1 ? NULL : row_envelope(&r);
	row_free(&r);
	return (row);
}

static int
write_rows(struct ledger *l, const char *lines, size_t n)
{
	if (atomfile_append(l->dir, LEDGER_ROWS, lines, n) == -1)
		return (-1);
	if (l->rows == -1)
		l->rows = file_open(l->dir, LEDGER_ROWS, NULL);
	return (l->rows == -1 ? -1 : 0);
}

/* The rows are in; witness and index are conveniences. With ${f} NULL there are too many new ones to add singly. */
static void
remember(struct ledger *l, const struct standings_fact *f)
{
	char head[SHA256_HEX_SIZE + 32];
	struct stat st;
	size_t i;

	if (fstat(l->rows, &st) == 0) {
		if (f == NULL || l->index.count == 0) {
			/* All of it is written, so all of it is seen first. */
			for (i = 0; i < standings_count(&l->book); i += STANDINGS_BLOCK)
				(void)standings_fact(&l->book, i);
			if (!l->spoilt)
				index_write(l->dir, &st, &l->book, l->head, &l->index);
		} else
			index_add(&l->index, l->dir, &st, f, l->head);
	}
	snprintf(head, sizeof(head), "%llu %s\n", (unsigned long long)standings_count(&l->book), l->head);
	(void)atomfile_post(l->dir, LEDGER_HEAD, head, strlen(head));
}

void
ledger_hold(struct ledger *l)
{
	l->holding = 1;
}

int
ledger_release(struct ledger *l)
{
	l->holding = 0;
	if (l->held.n == 0)
		return (0);
	if (write_rows(l, l->held.p, l->held.n) == -1) {
		say_errno("cannot add to the ledger '%s'", l->path);
		return (-1);
	}
	l->held.n = 0;
	remember(l, NULL);
	return (0);
}

/* ${parsed} is the same row. */
static int
append(struct ledger *l, const json_t *row, const struct row *parsed, struct standings_fact *f)
{
	struct standings_fact fact;
	struct str where = STR_INIT;
	char digest[SHA256_HEX_SIZE], *line = NULL, *grown;
	size_t n;
	int rc = -1;

	if (l->spoilt) {
		say_error(
		    "the index of '%s' was damaged, and its rows say otherwise: it is made again by the next who adds",
		    l->path);
		errno = EBADMSG;
		goto err0;
	}
	if (contract_check("ledger_row", row, &where) == -1 || row_fact(parsed, &fact) == -1) {
		say_error("the row to add breaks its contract: %s", where.p == NULL ? "a member is missing" : where.p);
		errno = EBADMSG;
		goto err0;
	}
	if ((line = jsonio_line(row)) == NULL)
		goto err1;
	n = strlen(line);
	if ((grown = realloc(line, n + 2)) == NULL)
		goto err1;
	line = grown;
	line[n++] = '\n';
	if (sha256_hex(line, n, digest) == -1)
		goto err1;
	if (l->holding) {
		if (str_add(&l->held, line, n) == -1)
			goto err1;
	} else if (write_rows(l, line, n) == -1)
		goto err1;
	fact.offset = l->size_bytes;
	fact.length = (uint32_t)n;
	fact.row = standings_tag(digest);
	l->size_bytes += n;
	memcpy(l->head, digest, sizeof(digest));
	if (standings_apply(&l->book, &fact) == -1)
		goto err1;
	if (!l->holding)
		remember(l, &fact);
	if (f != NULL)
		*f = fact;
	rc = 0;
	goto err0;
err1:
	say_errno("cannot add to the ledger '%s'", l->path);
err0:
	free(line);
	str_free(&where);
	return (rc);
}

int
ledger_append(struct ledger *l, const json_t *row, struct standings_fact *f)
{
	struct row r;
	int rc;

	if (row_read(&r, json_incref((json_t *)(uintptr_t)row)) == -1)
		return (-1);
	rc = append(l, row, &r, f);
	row_free(&r);
	return (rc);
}

int
ledger_append_row(struct ledger *l, const struct row *r, struct standings_fact *f)
{
	json_t *row;
	int rc;

	if ((row = row_write(r)) == NULL) {
		say_errno("cannot add to the ledger '%s'", l->path);
		return (-1);
	}
	rc = append(l, row, r, f);
	json_decref(row);
	return (rc);
}

json_t *
ledger_row(const struct ledger *l, const struct standings_fact *f)
{
	char *line;
	json_t *row;

	if ((line = line_of(l, f)) == NULL)
		return (NULL);
	row = jsonio_parse(line, f->length, LEDGER_ROWS);
	free(line);
	return (row);
}

int
ledger_read(const struct ledger *l, const struct standings_fact *f, struct row *r)
{
	struct ledger_recent *recent = l->recent;
	json_t *row;
	unsigned i;

	for (i = 0; recent != NULL && i < LEDGER_RECENT; i++)
		if (recent->of[i].json != NULL && recent->of[i].row == f->row && recent->of[i].offset == f->offset)
			return (row_read(r, json_incref(recent->of[i].json)));
	if ((row = ledger_row(l, f)) == NULL)
		return (-1);
	if (recent != NULL) {
		i = recent->next++ % LEDGER_RECENT;
		json_decref(recent->of[i].json);
		recent->of[i].row = f->row;
		recent->of[i].offset = f->offset;
		recent->of[i].json = json_incref(row);
	}
	return (row_read(r, row));
}

int
ledger_digest(const struct ledger *l, const struct standings_fact *f, char hex[SHA256_HEX_SIZE])
{
	char *line;
	int rc;

	if ((line = line_of(l, f)) == NULL)
		return (-1);
	rc = sha256_hex(line, f->length, hex);
	free(line);
	return (rc);
}

int
ledger_place(const struct ledger *l, const char *dir, struct str *s)
{
	const char *base = strrchr(l->path, '/'), *real = strrchr(l->real, '/');

	/* "ledger" and "../runs/a" are "runs/a", unless the ledger's name is a link to somewhere else. */
	base = base == NULL ? l->path : base + 1;
	if (strncmp(dir, "../", 3) == 0 && real != NULL && *base != '\0' && strcmp(base, real + 1) == 0)
		return (str_printf(s, "%.*s%s", (int)(base - l->path), l->path, dir + 3));
	return (str_printf(s, "%s/%s", l->path, dir));
}
