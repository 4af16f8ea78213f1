#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "import/csv.h"
#include "base/str.h"

static size_t
count(const char *p, size_t n, const char *what)
{
	size_t k = strlen(what), found = 0, i;

	for (i = 0; i + k <= n; i++)
		if (memcmp(p + i, what, k) == 0) {
			found++;
			i += k - 1;
		}
	return (found);
}

enum csv_form
csv_form_of(const char *line, size_t n)
{
	while (n > 0 && line[0] == ' ') {
		line++;
		n--;
	}
	if (n > 0 && line[0] == '|')
		return (count(line, n, "|") > 1 ? CSV_BAR : CSV_NONE);
	if (memchr(line, '\t', n) != NULL)
		return (CSV_TAB);
	if (count(line, n, "\\t") > 0)
		return (CSV_LITERAL_TAB);
	if (memchr(line, ',', n) != NULL)
		return (CSV_COMMA);
	if (memchr(line, ';', n) != NULL)
		return (CSV_SEMICOLON);
	return (CSV_NONE);
}

static int
blank(char c)
{
	return (c == ' ' || c == '\t' || c == '\r' || c == '\n');
}

static int
put(struct csv *row, const char *p, size_t n)
{
	char *cell;

	for (; n > 0 && blank(p[0]); p++, n--)
		;
	for (; n > 0 && blank(p[n - 1]); n--)
		;
	/* Emphasis is no part of a number. */
	if (row->form == CSV_BAR)
		for (; n > 1 && (p[0] == '*' || p[0] == '`') && p[n - 1] == p[0]; p++, n -= 2)
			;
	if (row->count == CSV_MOST) {
		row->more = 1;
		return (0);
	}
	if ((cell = malloc(n + 1)) == NULL)
		return (-1);
	memcpy(cell, p, n);
	cell[n] = '\0';
	row->cell[row->count++] = cell;
	return (0);
}

/* One line, whose cells no quotes hold together. */
static int
split(struct csv *row, const char *p, size_t n, const char *by)
{
	size_t k = strlen(by), i, from = 0;

	for (i = 0; i + k <= n; i++) {
		/* A bar may be escaped. */
		if (memcmp(p + i, by, k) != 0 || (by[0] == '|' && i > 0 && p[i - 1] == '\\'))
			continue;
		if (put(row, p + from, i - from) == -1)
			return (-1);
		i += k - 1;
		from = i + 1;
	}
	return (put(row, p + from, n - from));
}

/* A cell in quotes at p, up to what follows its closing quote; its bytes in ${cell}. How many it took; 0: no memory. */
static size_t
quoted(struct str *cell, const char *p, size_t n, unsigned *line)
{
	size_t i;

	cell->n = 0;
	if (str_add(cell, "", 0) == -1)
		return (0);
	for (i = 1; i < n; i++) {
		if (p[i] == '"' && (i + 1 == n || p[i + 1] != '"'))
			return (i + 1);
		if (p[i] == '"')
			i++;
		if (p[i] == '\n')
			++*line;
		if (str_add(cell, p + i, 1) == -1)
			return (0);
	}
	return (n);
}

/* Is there a quote that closes? Otherwise it is a mere inch, or what is left of something cut. */
static int
closes(const char *p, size_t n, char by)
{
	size_t i;

	for (i = 1; i < n; i++) {
		if (p[i] != '"')
			continue;
		if (i + 1 < n && p[i + 1] == '"')
			i++;
		else
			return (i + 1 == n || p[i + 1] == by || p[i + 1] == '\n' || p[i + 1] == '\r');
	}
	return (0);
}

static int
split_quoted(struct csv *row, const char *text, size_t n, size_t *at, unsigned *line, char by)
{
	struct str cell = STR_INIT;
	size_t i = *at, took;

	for (;;) {
		if (i < n && text[i] == '"' && closes(text + i, n - i, by)) {
			if ((took = quoted(&cell, text + i, n - i, line)) == 0 || put(row, cell.p, cell.n) == -1)
				goto err0;
			i += took;
		} else {
			for (took = 0; i + took < n && text[i + took] != by && text[i + took] != '\n'; took++)
				;
			if (put(row, text + i, took) == -1)
				goto err0;
			i += took;
		}
		for (; i < n && text[i] == '\r'; i++)
			;
		if (i == n || text[i] != by)
			break;
		i++;
	}
	if (i < n) {
		i++;
		++*line;
	}
	*at = i;
	str_free(&cell);
	return (0);
err0:
	str_free(&cell);
	return (-1);
}

int
csv_next(struct csv *row, enum csv_form form, const char *text, size_t n, size_t *at, unsigned *line)
{
	const char *p = text + *at, *end;
	size_t size;
	int rc = 0;

	memset(row, 0, sizeof(*row));
	if (*at >= n)
		return (0);
	row->line = *line;
	row->form = form;
	if (form == CSV_COMMA || form == CSV_SEMICOLON) {
		if (split_quoted(row, text, n, at, line, form == CSV_COMMA ? ',' : ';') == -1)
			goto err0;
		return (1);
	}
	end = memchr(p, '\n', n - *at);
	size = end == NULL ? n - *at : (size_t)(end - p);
	*at += size + (end != NULL);
	*line += end != NULL;
	if (form == CSV_TAB && memchr(p, '\t', size) == NULL && count(p, size, "\\t") > 0)
		row->form = CSV_LITERAL_TAB;
	switch (row->form) {
	case CSV_TAB:
		rc = split(row, p, size, "\t");
		break;
	case CSV_LITERAL_TAB:
		rc = split(row, p, size, "\\t");
		break;
	case CSV_BAR:
		for (; size > 0 && blank(p[0]); p++, size--)
			;
		for (; size > 0 && blank(p[size - 1]); size--)
			;
		if (size > 0 && p[0] == '|') {
			p++;
			size--;
		}
		if (size > 0 && p[size - 1] == '|')
			size--;
		rc = split(row, p, size, "|");
		break;
	default:
		rc = put(row, p, size);
	}
	if (rc == 0)
		return (1);
err0:
	csv_free(row);
	errno = ENOMEM;
	return (-1);
}

void
csv_free(struct csv *row)
{
	size_t i;

	for (i = 0; i < row->count; i++)
		free(row->cell[i]);
	row->count = 0;
}

int
csv_is_rule(const struct csv *row)
{
	size_t i;

	for (i = 0; i < row->count; i++)
		if (strspn(row->cell[i], "-: ") != strlen(row->cell[i]) || strchr(row->cell[i], '-') == NULL)
			return (0);
	return (row->count > 0);
}
