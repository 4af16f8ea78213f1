#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "import/grid.h"
#include "import/jsontext.h"
#include "import/metric.h"
#include "import/number.h"

struct grid *
grid_new(enum csv_form form)
{
	struct grid *g;

	if ((g = calloc(1, sizeof(*g))) == NULL)
		return (NULL);
	g->form = form;
	g->higher = -1;
	return (g);
}

void
grid_free(struct grid *g)
{
	struct grid *next;
	size_t i;

	for (; g != NULL; g = next) {
		next = g->next;
		for (i = 0; i < g->count; i++)
			csv_free(&g->line[i]);
		free(g->line);
		csv_free(&g->names);
		free(g->metric);
		free(g->salt);
		free(g->command);
		free(g);
	}
}

struct csv *
grid_add(struct grid *g, unsigned line)
{
	struct csv *grown;

	if ((grown = array_room(g->line, g->count, &g->cap, sizeof(*grown))) == NULL)
		return (NULL);
	g->line = grown;
	memset(&g->line[g->count], 0, sizeof(*g->line));
	g->line[g->count].line = line;
	g->line[g->count].form = g->form;
	return (&g->line[g->count++]);
}

int
grid_column(struct grid *g, const char *name)
{
	size_t i;
	char *copy;

	if ((copy = strdup(name)) == NULL)
		return (-1);
	grid_simplify(copy);
	for (i = 0; i < g->names.count && strcmp(g->names.cell[i], copy) != 0; i++)
		;
	if (i < g->names.count || i == CSV_MOST) {
		free(copy);
		errno = 0;
		return (i == CSV_MOST ? -1 : (int)i);
	}
	g->names.cell[g->names.count++] = copy;
	return ((int)i);
}

int
grid_put(struct csv *line, int column, const char *text, size_t n)
{
	char *copy;

	if ((copy = malloc(n + 1)) == NULL)
		return (-1);
	memcpy(copy, text, n);
	copy[n] = '\0';
	while (line->count <= (size_t)column)
		line->cell[line->count++] = NULL;
	free(line->cell[column]);
	line->cell[column] = copy;
	return (0);
}

void
grid_simplify(char *name)
{
	char *p;

	for (p = name; *p == '#' || *p == ' '; p++)
		;
	memmove(name, p, strlen(p) + 1);
	for (p = name; *p != '\0'; p++)
		*p = *p == ' ' || *p == '-' ? '_' : (char)tolower((unsigned char)*p);
}

int
grid_called(const char *column, const char *name)
{
	size_t n = strlen(column), k = strlen(name);

	if (strcmp(column, name) == 0)
		return (2);
	return (n > k && column[n - k - 1] == '.' && strcmp(column + n - k, name) == 0 &&
	    !isdigit((unsigned char)column[0]));
}

/* --- JSON ------------------------------------------------------------------ */

/* One object, or all of an array of them. */
struct reading {
	struct grid *g;
	size_t from; /* index of the first line that it adds */
	int array;   /* objects are elements of an array */
	unsigned base;
	int failed;
};

static struct csv *
line_of(struct reading *r, size_t index, unsigned line)
{
	while (r->g->count <= r->from + index) {
		if (r->g->count >= GRID_LINES) {
			r->g->more = 1;
			return (NULL);
		}
		if (grid_add(r->g, line) == NULL) {
			r->failed = 1;
			return (NULL);
		}
	}
	return (&r->g->line[r->from + index]);
}

static int
item(void *arg, const struct jsontext_item *it)
{
	struct reading *r = arg;
	const char *path = it->path, *p;
	struct csv *line;
	int column;

	if (it->depth < (r->array ? 2u : 1u) || it->level[0].in_array != r->array ||
	    (r->array && it->level[1].in_array))
		return (0);
	if ((line = line_of(r, r->array ? it->level[0].index : 0, r->base + it->line)) == NULL)
		return (r->failed);
	/* "[3].metrics.mem_mb" is metrics.mem_mb, which is mem_mb. */
	if (r->array && (p = strchr(path, '.')) != NULL)
		path = p + 1;
	if (strncmp(path, "metrics.", 8) == 0 && path[8] != '\0')
		path += 8;
	if ((column = grid_column(r->g, path)) == -1) {
		r->failed = errno == ENOMEM;
		line->more = 1;
		return (r->failed);
	}
	/* A key that stands twice is a matter of opinion: the last one is what programs read. */
	if (grid_put(line, column, it->kind == JSONTEXT_WORD && strncmp(it->text, "null", it->n) == 0 ? "" : it->text,
		it->kind == JSONTEXT_WORD && strncmp(it->text, "null", it->n) == 0 ? 0 : it->n) == -1)
		r->failed = 1;
	return (r->failed);
}

static void
twice(void *arg, const char *path, unsigned line)
{
	(void)arg;
	(void)path;
	(void)line;
}

static const char *
cell(const struct grid *g, const struct csv *line, const char *name)
{
	size_t i;

	for (i = 0; i < g->names.count && i < line->count; i++)
		if (strcmp(g->names.cell[i], name) == 0)
			return (line->cell[i]);
	return (NULL);
}

static int
is_blank(const char *p, size_t n)
{
	for (; n > 0 && isspace((unsigned char)*p); p++, n--)
		;
	return (n == 0);
}

int
grid_is_json(const struct textfile *file, unsigned least)
{
	static const struct jsontext_reader nothing = { NULL, NULL, NULL };
	const char *p = file->text, *end, *feed;
	struct jsontext_reader reader = nothing;
	struct jsontext_end how;
	struct reading r = { 0 };
	int is;

	if (p == NULL)
		return (0);
	end = p + file->n;
	for (; p < end && isspace((unsigned char)*p); p++)
		;
	if (p == end)
		return (0);
	if (*p == '[') {
		for (p++; p < end && isspace((unsigned char)*p); p++)
			;
		return (p < end && *p == '{');
	}
	if (*p != '{')
		return (0);
	/* The first line is an object of its own. */
	if ((feed = memchr(p, '\n', (size_t)(end - p))) == NULL)
		feed = end;
	if ((r.g = grid_new(CSV_NONE)) == NULL)
		return (0);
	reader.item = item;
	reader.twice = twice;
	reader.arg = &r;
	is = jsontext_read(p, (size_t)(feed - p), &reader, &how) == 0 && how.ok && r.g->count == 1;
	grid_free(r.g);
	/* One object on one line may be anything; the next one shows that there are several. */
	for (p = feed; least > 1 && p < end && isspace((unsigned char)*p); p++)
		;
	return (is && (least <= 1 || (p < end && *p == '{')));
}

/* A config line's own words become those of the table that it begins. */
static int
begin_segment(struct grid *into, const struct grid *said)
{
	const struct csv *line = &said->line[0];
	const char *metric = cell(said, line, "metricname"), *way = cell(said, line, "bestdirection");
	const char *command = cell(said, line, "command");
	size_t i, n = 0;

	if (command == NULL)
		command = cell(said, line, "cmd");
	if (command != NULL && *command != '\0' && (into->command = strdup(command)) == NULL)
		return (-1);
	into->said_at = line->line;
	if (metric == NULL)
		metric = cell(said, line, "metric_name");
	if (way == NULL)
		way = cell(said, line, "best_direction");
	if (way == NULL)
		way = cell(said, line, "direction");
	if (metric != NULL && *metric != '\0' && (into->metric = strdup(metric)) == NULL)
		return (-1);
	if (way != NULL)
		into->higher = metric_direction(way);
	for (i = 0; i < line->count; i++)
		n += (line->cell[i] == NULL ? 0 : strlen(line->cell[i])) + 1;
	if ((into->salt = calloc(n + 1, 1)) == NULL)
		return (-1);
	for (i = 0; i < line->count; i++) {
		strcat(into->salt, line->cell[i] == NULL ? "" : line->cell[i]);
		strcat(into->salt, " ");
	}
	return (0);
}

static int
is_config(const struct grid *g)
{
	const char *type = g->count == 1 ? cell(g, &g->line[0], "type") : NULL;

	return (g->count == 1 &&
	    ((type != NULL && strcasecmp(type, "config") == 0) || cell(g, &g->line[0], "metricname") != NULL));
}

struct grid *
grid_json(const struct textfile *file, size_t *bad)
{
	struct jsontext_reader reader = { item, twice, NULL };
	struct jsontext_end how;
	struct textfile_piece piece;
	struct reading r = { 0 };
	struct grid *first, *g, *said = NULL;
	const char *p = file->text;
	size_t n = file->n;

	*bad = 0;
	for (; n > 0 && isspace((unsigned char)*p); p++, n--)
		;
	if ((first = g = grid_new(CSV_NONE)) == NULL)
		return (NULL);
	reader.arg = &r;
	if (n > 0 && *p == '[') {
		r.g = g;
		r.array = 1;
		if (jsontext_read(file->text, file->n, &reader, &how) == -1 || r.failed)
			goto err0;
		*bad = !how.ok;
		return (first);
	}
	textfile_pieces(&piece, file->text, file->n);
	while (textfile_next(&piece)) {
		if (is_blank(piece.p, piece.n))
			continue;
		/* Alone first: a config line and one that is cut leave the table as it was. */
		if ((said = grid_new(CSV_NONE)) == NULL)
			goto err0;
		memset(&r, 0, sizeof(r));
		r.g = said;
		r.base = piece.line - 1;
		if (jsontext_read(piece.p, piece.n, &reader, &how) == -1 || r.failed)
			goto err0;
		if (!how.ok || said->count != 1)
			(*bad)++;
		else if (is_config(said)) {
			if (g->count > 0 || g->salt != NULL) {
				if ((g->next = grid_new(CSV_NONE)) == NULL)
					goto err0;
				g = g->next;
			}
			if (begin_segment(g, said) == -1)
				goto err0;
		} else if (g->count < GRID_LINES) {
			r.g = g;
			r.from = g->count;
			if (jsontext_read(piece.p, piece.n, &reader, &how) == -1 || r.failed)
				goto err0;
		} else
			g->more = 1;
		grid_free(said);
		said = NULL;
	}
	return (first);
err0:
	grid_free(said);
	grid_free(first);
	errno = ENOMEM;
	return (NULL);
}

/* --- charts ---------------------------------------------------------------- */

static int
ends(const char *text, const char *with)
{
	size_t n = strlen(text), k = strlen(with);

	return (n >= k && strcmp(text + n - k, with) == 0);
}

/* "run_a___val_loss" has its run before the last "_-_", which is simplified to three underscores. */
static char *
metric_in(char *name)
{
	char *p, *last = NULL;

	for (p = strstr(name, "___"); p != NULL; p = strstr(p + 1, "___"))
		last = p;
	return (last == NULL || last == name || last[3] == '\0' ? NULL : last);
}

int
grid_chart(struct grid *g)
{
	static const char *const steps[] = { "step", "_step", "global_step", "epoch", "trainer/global_step",
		"relative_time_(process)", "wall_time", NULL };
	struct grid *runs;
	struct csv *line;
	char *at, *text;
	size_t i, k, found = 0;
	int column, rc = 0;

	for (i = 0; g->names.count > 1 && steps[i] != NULL && strcmp(steps[i], g->names.cell[0]) != 0; i++)
		;
	if (g->names.count < 2 || steps[i] == NULL)
		return (0);
	for (i = 1; i < g->names.count; i++)
		found += metric_in(g->names.cell[i]) != NULL;
	if (found != g->names.count - 1)
		return (0);
	if ((runs = grid_new(g->form)) == NULL)
		return (-1);
	if (grid_column(runs, "run_name") == -1 || grid_column(runs, g->names.cell[0]) == -1)
		goto err0;
	for (i = 1; i < g->names.count; i++) {
		if (ends(g->names.cell[i], "__min") || ends(g->names.cell[i], "__max"))
			continue;
		at = metric_in(g->names.cell[i]);
		/* The last step that has a number. */
		for (k = g->count; k-- > 0;) {
			text = i < g->line[k].count ? g->line[k].cell[i] : NULL;
			if (text != NULL && !isnan(number_read(text, strlen(text), NUMBER_ANY).number))
				break;
		}
		if (k == (size_t)-1)
			continue;
		if ((line = grid_add(runs, g->line[k].line)) == NULL || (column = grid_column(runs, at + 3)) == -1)
			goto err0;
		text = g->line[k].cell[i];
		if (grid_put(line, 0, g->names.cell[i], (size_t)(at - g->names.cell[i])) == -1 ||
		    grid_put(line, 1, g->line[k].cell[0], strlen(g->line[k].cell[0])) == -1 ||
		    grid_put(line, column, text, strlen(text)) == -1)
			goto err0;
	}
	for (i = 0; i < runs->count; i++)
		for (k = 0; k < runs->names.count; k++)
			if (k >= runs->line[i].count || runs->line[i].cell[k] == NULL)
				if (grid_put(&runs->line[i], (int)k, "", 0) == -1)
					goto err0;
	/* What it holds is exchanged, and the chart's own lines go. */
	{
		struct grid was = *g;

		g->names = runs->names;
		g->line = runs->line;
		g->count = runs->count;
		g->cap = runs->cap;
		runs->names = was.names;
		runs->line = was.line;
		runs->count = was.count;
		runs->cap = was.cap;
	}
	rc = 1;
err0:
	grid_free(runs);
	return (rc == 1 ? 1 : -1);
}
