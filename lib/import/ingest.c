#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"
#include "import/ingest.h"
#include "base/jsonio.h"
#include "base/out.h"
#include "base/say.h"

/* What a row is found again by. */
enum by { BY_CONTENT, BY_KEY, BY_SERIES, BY_CELLS, BYS };

/* An imported row. */
struct ingest_seen {
	char by[BYS][SHA256_HEX_SIZE];
	char row[SHA256_HEX_SIZE]; /* its own digest */
	const char *metric;        /* of a table's line; one of names */
	int higher;
	size_t next[BYS]; /* index + 1 of the one before in its chain */
};

enum { HOLD_BYTES = 8 << 20 };

/* Chains of rows whose digests begin alike: index + 1 of the last. */
struct ingest_chains {
	struct hash last[BYS];
	char **name; /* of metrics, each once */
	size_t names;
};

/* A metric's name, once for all rows. NULL with errno ENOMEM. */
static const char *
name_of(struct ingest_chains *c, const char *name)
{
	char **grown;
	size_t i;

	for (i = 0; i < c->names; i++)
		if (strcmp(c->name[i], name) == 0)
			return (c->name[i]);
	if ((grown = array_few(c->name, c->names, sizeof(*grown))) == NULL)
		return (NULL);
	c->name = grown;
	if ((c->name[c->names] = strdup(name)) == NULL)
		return (NULL);
	return (c->name[c->names++]);
}

static int
remember(struct ingest *in, const char *const by[BYS], const char *row, const char *metric, int higher)
{
	struct ingest_seen *grown, *s;
	size_t *last, at;
	int k;

	if ((grown = array_room(in->seen, in->seen_count, &in->seen_size, sizeof(*grown))) == NULL)
		goto err0;
	in->seen = grown;
	s = &in->seen[in->seen_count++];
	strcpy(s->row, row);
	s->higher = higher;
	if ((s->metric = name_of(in->chains, metric)) == NULL)
		goto err0;
	for (k = 0; k < BYS; k++) {
		strcpy(s->by[k], by[k]);
		at = 0;
		last = hash_find(&in->chains->last[k], standings_tag(by[k]), &at);
		s->next[k] = last == NULL ? 0 : *last;
		if (last != NULL)
			*last = in->seen_count;
		else if (hash_add(&in->chains->last[k], standings_tag(by[k]), in->seen_count) == -1)
			goto err0;
	}
	return (0);
err0:
	say_errno("cannot import");
	return (-1);
}

/* The last row with that digest, or the one before ${from}. */
static const struct ingest_seen *
find(const struct ingest *in, enum by by, const char *hex, const struct ingest_seen *from)
{
	const size_t *last;
	size_t i, at = 0;

	if (from != NULL)
		i = from->next[by];
	else
		i = (last = hash_find(&in->chains->last[by], standings_tag(hex), &at)) == NULL ? 0 : *last;
	for (; i != 0; i = in->seen[i - 1].next[by])
		if (strcmp(in->seen[i - 1].by[by], hex) == 0)
			return (&in->seen[i - 1]);
	return (NULL);
}

static int
fits(const char *hex)
{
	return (strlen(hex) == SHA256_HEX_SIZE - 1);
}

/* The digest of a table line's cells, as table.h has it, from its row. */
static int
cells_of(char hex[SHA256_HEX_SIZE], const json_t *row)
{
	const json_t *v;
	struct sha256 *h;
	const char *text;
	size_t i;

	hex[0] = '\0';
	if (strcmp(jsonio_text(row, "import.form", ""), "table") != 0)
		return (0);
	if ((h = sha256_begin()) == NULL)
		return (-1);
	json_array_foreach(jsonio_get(row, "import.values"), i, v) {
		text = jsonio_text(v, "text", "");
		sha256_add(h, text, strlen(text) + 1);
	}
	sha256_end(h, hex);
	return (0);
}

int
ingest_begin(struct ingest *in, struct ledger *l, int json)
{
	const struct standings_fact *f;
	const char *by[BYS];
	char digest[SHA256_HEX_SIZE], cells[SHA256_HEX_SIZE];
	json_t *row;
	size_t i;
	int rc;

	memset(in, 0, sizeof(*in));
	in->l = l;
	in->json = json;
	if ((in->chains = calloc(1, sizeof(*in->chains))) == NULL) {
		say_errno("cannot import");
		return (-1);
	}
	for (i = 0; i < standings_count(&l->book); i++) {
		f = standings_fact(&l->book, i);
		if (f->kind != STANDINGS_IMPORT)
			continue;
		if ((row = ledger_row(l, f)) == NULL)
			return (-1);
		by[BY_CONTENT] = jsonio_text(row, "import.content_sha256", "");
		by[BY_KEY] = jsonio_text(row, "import.key_sha256", "");
		by[BY_SERIES] = jsonio_text(row, "import.series_sha256", "");
		by[BY_CELLS] = cells;
		rc = -1;
		if (cells_of(cells, row) == 0 && ledger_digest(l, f, digest) == 0)
			rc = fits(by[BY_CONTENT]) && fits(by[BY_KEY]) &&
				(by[BY_SERIES][0] == '\0' || fits(by[BY_SERIES])) ?
			    remember(in, by, digest, jsonio_text(row, "import.metric", ""),
				strcmp(jsonio_text(row, "import.direction", ""), "higher") == 0) :
			    0;
		json_decref(row);
		if (rc == -1)
			return (-1);
	}
	return (0);
}

static int
combine(char hex[SHA256_HEX_SIZE], const char *a, const char *b, size_t nth)
{
	char text[2 * SHA256_HEX_SIZE + 24];

	snprintf(text, sizeof(text), "%s %s %zu", a, b, nth);
	return (sha256_hex(text, strlen(text), hex));
}

/* Which of the same digests before it, from 0. */
struct nth {
	const char *hex;
	size_t index;
};

static int
by_hex(const void *a, const void *b)
{
	const struct nth *x = a, *y = b;
	int c = strcmp(x->hex, y->hex);

	return (c != 0 ? c : x->index < y->index ? -1 : x->index > y->index);
}

/* nth[i]: how many lines before line i have its content (or key). */
static int
count_twins(struct claim *const *claims, size_t n, int keys, size_t *out)
{
	struct nth *sorted;
	size_t i, k = 0;

	if ((sorted = calloc(n, sizeof(*sorted))) == NULL)
		return (-1);
	for (i = 0; i < n; i++) {
		sorted[i].hex = keys ? claims[i]->key : claims[i]->content;
		sorted[i].index = i;
	}
	qsort(sorted, n, sizeof(*sorted), by_hex);
	for (i = 0; i < n; i++) {
		k = i > 0 && strcmp(sorted[i].hex, sorted[i - 1].hex) == 0 ? k + 1 : 0;
		out[sorted[i].index] = k;
	}
	free(sorted);
	return (0);
}

struct tally {
	const char *series;
	size_t shared;
};

/*
 * The series that a table's lines belong to: the known one that begins alike, or that has more than half of its lines
 * or of theirs; otherwise one of its own.
 */
static void
find_series(const struct ingest *in, struct claim *const *claims, size_t n, char series[SHA256_HEX_SIZE])
{
	enum { MOST = 64 };
	struct tally tally[MOST];
	const struct ingest_seen *s;
	size_t i, k, known, count = 0, best = 0;

	strcpy(series, claims[0]->series);
	if (find(in, BY_SERIES, series, NULL) != NULL)
		return;
	for (i = 0; i < n; i++) {
		/* Of rows with the same cells the last few decide: tables in hundreds of copies are all alike. */
		for (k = 0, s = NULL; k < MOST && (s = find(in, BY_CELLS, claims[i]->content, s)) != NULL; k++) {
			size_t t;

			for (t = 0; t < count && strcmp(tally[t].series, s->by[BY_SERIES]) != 0; t++)
				;
			if (t == MOST)
				continue;
			if (t == count) {
				tally[count].series = s->by[BY_SERIES];
				tally[count++].shared = 0;
			}
			tally[t].shared++;
		}
	}
	for (i = 0; i < count; i++) {
		if (tally[i].shared <= best)
			continue;
		for (known = 0, s = NULL; (s = find(in, BY_SERIES, tally[i].series, s)) != NULL; known++)
			;
		if (2 * tally[i].shared > (known < n ? known : n)) {
			best = tally[i].shared;
			strcpy(series, tally[i].series);
		}
	}
}

static int
print_findings(struct ingest *in, const json_t *row)
{
	const json_t *f;
	char *line;
	size_t i;

	if (in->json) {
		if ((line = jsonio_line(row)) == NULL)
			return (-1);
		out_json(line, strlen(line));
		free(line);
		return (0);
	}
	json_array_foreach(jsonio_get(row, "import.flags"), i, f)
		out_put("%s:%lld: %s: %s\n", jsonio_text(f, "file", "?"), (long long)jsonio_i64(f, "line", 0),
		    jsonio_text(f, "flag", "?"), jsonio_text(f, "detail", ""));
	return (0);
}

static int
append(struct ingest *in, struct claim *c, const char *cells)
{
	const char *by[BYS] = { c->content, c->key, c->series, cells };
	const struct ingest_seen *before;
	json_t *row = NULL, *import;
	int rc = -1;

	before = find(in, BY_CONTENT, c->content, NULL);
	if (before != NULL &&
	    (c->form != CLAIM_TABLE || !in->asked ||
		(strcmp(before->metric, c->metric) == 0 && before->higher == c->higher))) {
		in->known++;
		return (0);
	}
	/* The same line by another metric stands in the place of what it was by the one before. */
	if (before == NULL)
		before = find(in, BY_KEY, c->key, NULL);
	if ((import = claim_json(c)) == NULL || (row = ledger_begin(in->l, STANDINGS_IMPORT)) == NULL) {
		json_decref(import);
		errno = ENOMEM;
		say_errno("cannot import '%s'", c->file);
		return (-1);
	}
	if (before != NULL)
		json_object_set_new(import, "revises", json_string(before->row));
	json_object_set_new(row, "import", import);
	if (ledger_append(in->l, row, NULL) == -1)
		goto err0;
	in->added[c->form]++;
	in->revised += before != NULL;
	in->findings += c->note_count;
	if (remember(in, by, in->l->head, c->metric, c->higher) == -1 ||
	    ((in->json || c->form != CLAIM_TABLE) && print_findings(in, row) == -1))
		goto err0;
	rc = 0;
	if (in->l->held.n > HOLD_BYTES) {
		if ((rc = ledger_release(in->l)) == 0)
			ledger_hold(in->l);
	}
err0:
	json_decref(row);
	return (rc);
}

/* What is wrong with a table's new lines: one finding a kind, with how often and, of statuses, which. */
static void
print_kinds(const struct claim *const *added, size_t n)
{
	enum { WORDS = 32 };
	const struct claim_note *note, *first;
	struct {
		const char *text;
		size_t count;
	} word[WORDS];
	size_t i, k, w, words, count;
	int flag;

	for (flag = 0; flag < FLAGS; flag++) {
		first = NULL;
		count = words = 0;
		for (i = 0; i < n; i++) {
			for (k = 0; k < added[i]->note_count; k++) {
				note = &added[i]->notes[k];
				if ((int)note->flag != flag)
					continue;
				if (first == NULL)
					first = note;
				count++;
				for (w = 0; w < words && strcmp(word[w].text, note->detail) != 0; w++)
					;
				if (w == words && w < WORDS) {
					word[words].text = note->detail;
					word[words++].count = 0;
				}
				if (w < words)
					word[w].count++;
			}
		}
		if (first == NULL)
			continue;
		out_put("%s:%u: %s: %s", first->file, first->line, defect_name((enum defect)flag), first->detail);
		if (flag == DEFECT_UNKNOWN_STATUS && words > 1)
			for (w = 1; w < words; w++)
				out_put(", %s",
				    strchr(word[w].text, '"') == NULL ? word[w].text : strchr(word[w].text, '"'));
		if (count > 1)
			out_put(" (%zu lines)", count);
		out_put("\n");
	}
}

/* One table's lines: their series, then their digests in it. */
static int
take_lines(struct ingest *in, struct claim *const *claims, size_t n)
{
	char series[SHA256_HEX_SIZE], hex[SHA256_HEX_SIZE], cells[SHA256_HEX_SIZE];
	const struct claim **added = calloc(n, sizeof(const struct claim *));
	size_t i, before, count = 0, *nth, *nth_key;
	int rc = -1;

	nth = calloc(n, sizeof(*nth));
	nth_key = calloc(n, sizeof(*nth_key));
	if (added == NULL || nth == NULL || nth_key == NULL || count_twins(claims, n, 0, nth) == -1 ||
	    count_twins(claims, n, 1, nth_key) == -1)
		goto err0;
	find_series(in, claims, n, series);
	for (rc = 0, i = 0; i < n && rc == 0; i++) {
		strcpy(cells, claims[i]->content);
		if (combine(hex, series, cells, nth[i]) == -1)
			goto err0;
		strcpy(claims[i]->content, hex);
		if (combine(hex, series, claims[i]->key, nth_key[i]) == -1)
			goto err0;
		strcpy(claims[i]->key, hex);
		strcpy(claims[i]->series, series);
		before = in->added[CLAIM_TABLE];
		rc = append(in, claims[i], cells);
		if (rc == 0 && in->added[CLAIM_TABLE] > before)
			added[count++] = claims[i];
	}
	if (rc == 0 && !in->json)
		print_kinds(added, count);
	goto out;
err0:
	rc = -1;
	say_errno("cannot import '%s'", claims[0]->file);
out:
	free(added);
	free(nth);
	free(nth_key);
	return (rc);
}

const char *
ingest_metric(void *arg, const char *series, int *higher)
{
	const struct ingest_seen *s = find(arg, BY_SERIES, series, NULL);

	if (s == NULL)
		return (NULL);
	*higher = s->higher;
	return (s->metric);
}

int
ingest_claims(void *arg, struct claim *const *claims, size_t n)
{
	struct ingest *in = arg;
	size_t from, to;

	/* Markdown may hold several tables. */
	for (from = 0; from < n; from = to) {
		if (claims[from]->form != CLAIM_TABLE) {
			to = from + 1;
			if (append(in, claims[from], "") == -1)
				return (-1);
			continue;
		}
		for (to = from; to < n && strcmp(claims[to]->series, claims[from]->series) == 0; to++)
			;
		if (take_lines(in, claims + from, to - from) == -1)
			return (-1);
	}
	return (0);
}

int
ingest_end(struct ingest *in)
{
	return (ledger_release(in->l));
}

void
ingest_free(struct ingest *in)
{
	size_t i;
	int k;

	free(in->seen);
	for (k = 0; in->chains != NULL && k < BYS; k++)
		hash_free(&in->chains->last[k]);
	for (i = 0; in->chains != NULL && i < in->chains->names; i++)
		free(in->chains->name[i]);
	if (in->chains != NULL)
		free(in->chains->name);
	free(in->chains);
	in->seen = NULL;
	in->chains = NULL;
}
