#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "intake.h"
#include "jsonio.h"
#include "say.h"

/* An imported row: its content's, key's and table's digests, and its own. */
struct intake_seen {
	char content[SHA256_HEX_SIZE], key[SHA256_HEX_SIZE], series[SHA256_HEX_SIZE], row[SHA256_HEX_SIZE];
	size_t next_content, next_key;	/* index + 1 of the one before in its chain */
};

enum { CHAINS = 1 << 14, HOLD_BYTES = 8 << 20 };

/* Chains of rows by content and by key, the last row first. */
struct intake_chains {
	size_t content[CHAINS], key[CHAINS];
};

static size_t
chain(const char *hex)
{

	return ((size_t)(book_tag(hex) & (CHAINS - 1)));
}

static int
remember(struct intake *in, const char *content, const char *key, const char *series, const char *row)
{
	struct intake_seen *grown, *s;
	size_t size;

	if (in->seen_count == in->seen_size) {
		size = in->seen_size == 0 ? 256 : 2 * in->seen_size;
		if ((grown = realloc(in->seen, size * sizeof(*grown))) == NULL) {
			say_errno("cannot import");
			return (-1);
		}
		in->seen = grown;
		in->seen_size = size;
	}
	s = &in->seen[in->seen_count++];
	strcpy(s->content, content);
	strcpy(s->key, key);
	strcpy(s->series, series);
	strcpy(s->row, row);
	s->next_content = in->chains->content[chain(content)];
	in->chains->content[chain(content)] = in->seen_count;
	s->next_key = in->chains->key[chain(key)];
	in->chains->key[chain(key)] = in->seen_count;
	return (0);
}

static const struct intake_seen *
find_content(const struct intake *in, const char *content)
{
	size_t i;

	for (i = in->chains->content[chain(content)]; i != 0; i = in->seen[i - 1].next_content)
		if (strcmp(in->seen[i - 1].content, content) == 0)
			return (&in->seen[i - 1]);
	return (NULL);
}

static const struct intake_seen *
find_key(const struct intake *in, const char *key)
{
	size_t i;

	for (i = in->chains->key[chain(key)]; i != 0; i = in->seen[i - 1].next_key)
		if (strcmp(in->seen[i - 1].key, key) == 0)
			return (&in->seen[i - 1]);
	return (NULL);
}

static int
fits(const char *hex)
{

	return (strlen(hex) == SHA256_HEX_SIZE - 1);
}

int
intake_begin(struct intake *in, struct ledger *l, int json)
{
	const struct book_fact *f;
	const char *content, *key, *series;
	char digest[SHA256_HEX_SIZE];
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
	for (i = 0; i < book_count(&l->book); i++) {
		f = book_fact(&l->book, i);
		if (f->kind != BOOK_IMPORT)
			continue;
		if ((row = ledger_row(l, f)) == NULL)
			return (-1);
		content = jsonio_text(row, "import.content_sha256", "");
		key = jsonio_text(row, "import.key_sha256", "");
		series = jsonio_text(row, "import.series_sha256", "");
		rc = fits(content) && fits(key) && (series[0] == '\0' || fits(series)) && ledger_digest(l, f,
		    digest) == 0 ?
		    remember(in, content, key, series, digest) : 0;
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

/* How many lines of the table are in the ledger as lines of that series. -1 with errno. */
static int
shared(const struct intake *in, struct claim *const *claims, size_t n, const size_t *nth, const char *series,
    size_t *out)
{
	char hex[SHA256_HEX_SIZE];
	size_t i;

	for (*out = 0, i = 0; i < n; i++) {
		if (combine(hex, series, claims[i]->content, nth[i]) == -1)
			return (-1);
		*out += find_content(in, hex) != NULL;
	}
	return (0);
}

/* The series that lines [claims, claims + n) belong to: one that is known, or their own. */
static int
find_series(const struct intake *in, struct claim *const *claims, size_t n, const size_t *nth,
    char series[SHA256_HEX_SIZE])
{
	const char *candidate = "", *last = "";
	size_t i, k, same, known, best = 0;

	strcpy(series, claims[0]->series);
	for (i = 0; i < in->seen_count; i++)
		if (strcmp(in->seen[i].series, series) == 0)
			return (0);
	for (i = 0; i < in->seen_count; i++) {
		candidate = in->seen[i].series;
		/* Rows of one series mostly stand together. */
		if (candidate[0] == '\0' || strcmp(candidate, last) == 0)
			continue;
		last = candidate;
		if (shared(in, claims, n, nth, candidate, &same) == -1)
			return (-1);
		for (known = 0, k = 0; k < in->seen_count; k++)
			known += strcmp(in->seen[k].series, candidate) == 0;
		if (same > best && 2 * same > (known < n ? known : n)) {
			best = same;
			strcpy(series, candidate);
		}
	}
	return (0);
}

static int
print_findings(struct intake *in, const json_t *row)
{
	const json_t *f;
	char *line, file[4096], detail[4096];
	size_t i;

	if (in->json) {
		if ((line = jsonio_line(row)) == NULL)
			return (-1);
		puts(line);
		free(line);
		return (0);
	}
	/* The text is the world's; what a terminal would obey in it is not passed on. */
	json_array_foreach(jsonio_get(row, "import.flags"), i, f) {
		say_clean(file, sizeof(file), jsonio_text(f, "file", "?"));
		say_clean(detail, sizeof(detail), jsonio_text(f, "detail", ""));
		printf("%s:%lld: %s: %s\n", file, (long long)jsonio_i64(f, "line", 0), jsonio_text(f, "flag", "?"),
		    detail);
	}
	return (0);
}

static int
append(struct intake *in, struct claim *c)
{
	const struct intake_seen *before;
	json_t *row = NULL, *import;
	int rc = -1;

	if (find_content(in, c->content) != NULL) {
		in->known++;
		return (0);
	}
	before = find_key(in, c->key);
	if ((import = claim_json(c)) == NULL || (row = ledger_begin(in->l, BOOK_IMPORT)) == NULL) {
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
	if (remember(in, c->content, c->key, c->series, in->l->head) == -1 || print_findings(in, row) == -1)
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

/* One table's lines: their series, then their digests in it. */
static int
take_lines(struct intake *in, struct claim *const *claims, size_t n)
{
	char series[SHA256_HEX_SIZE], hex[SHA256_HEX_SIZE];
	size_t i, *nth, *nth_key;
	int rc = -1;

	nth = calloc(n, sizeof(*nth));
	nth_key = calloc(n, sizeof(*nth_key));
	if (nth == NULL || nth_key == NULL || count_twins(claims, n, 0, nth) == -1 ||
	    count_twins(claims, n, 1, nth_key) == -1 || find_series(in, claims, n, nth, series) == -1)
		goto err0;
	for (i = 0; i < n; i++) {
		if (combine(hex, series, claims[i]->content, nth[i]) == -1)
			goto err0;
		strcpy(claims[i]->content, hex);
		if (combine(hex, series, claims[i]->key, nth_key[i]) == -1)
			goto err0;
		strcpy(claims[i]->key, hex);
		strcpy(claims[i]->series, series);
	}
	rc = 0;
	for (i = 0; i < n && rc == 0; i++)
		rc = append(in, claims[i]);
	goto out;
err0:
	say_errno("cannot import '%s'", claims[0]->file);
out:
	free(nth);
	free(nth_key);
	return (rc);
}

int
intake_claims(void *arg, struct claim *const *claims, size_t n)
{
	struct intake *in = arg;
	size_t from, to;

	/* Markdown may hold several tables. */
	for (from = 0; from < n; from = to) {
		if (claims[from]->form != CLAIM_TABLE) {
			to = from + 1;
			if (append(in, claims[from]) == -1)
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
intake_end(struct intake *in)
{

	return (ledger_release(in->l));
}

void
intake_free(struct intake *in)
{

	free(in->seen);
	free(in->chains);
	in->seen = NULL;
	in->chains = NULL;
}
