#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "base/str.h"
#include "import/steplog.h"

/* The value of "key:value" in a piece: its bytes up to a blank. NULL: none. */
static const char *
value_of(const struct textfile_piece *piece, const char *key, size_t *n)
{
	const char *p = piece->p, *end = piece->p + piece->n;
	size_t k = strlen(key);

	for (; p + k < end; p++) {
		if (memcmp(p, key, k) != 0 || p[k] != ':' || (p > piece->p && !isspace((unsigned char)p[-1])))
			continue;
		for (p += k + 1, *n = 0; p + *n < end && !isspace((unsigned char)p[*n]); ++*n)
			;
		return (*n > 0 ? p : NULL);
	}
	return (NULL);
}

/* "1490/1490": the two numbers. */
static int
steps_of(const char *p, size_t n, unsigned long *step, unsigned long *of)
{
	char text[48], *end;

	if (n >= sizeof(text))
		return (-1);
	memcpy(text, p, n);
	text[n] = '\0';
	*step = strtoul(text, &end, 10);
	if (end == text || *end != '/')
		return (-1);
	*of = strtoul(end + 1, &end, 10);
	return (*end == '\0' && *of > 0 ? 0 : -1);
}

/* Folder and name without numbers, and the program's digest. */
static int
name_arm(struct str *arm, const char *label, const char *program, size_t n)
{
	char hex[SHA256_HEX_SIZE];
	const char *base = strrchr(label, '/'), *dot, *p;
	size_t k = base == NULL ? 0 : (size_t)(base - label), stem;
	int hexed, bad = 0;

	base = base == NULL ? label : base + 1;
	bad |= str_add(arm, label, k);
	if ((dot = strrchr(base, '.')) == NULL)
		dot = base + strlen(base);
	/* A name that is nothing but an identifier says nothing. */
	stem = (size_t)(dot - base);
	hexed = stem >= 32 && strspn(base, "0123456789abcdefABCDEF-") >= stem;
	if (k > 0 && !hexed)
		bad |= str_puts(arm, "/");
	for (p = base; !hexed && p < dot; p++)
		if (!isdigit((unsigned char)*p))
			bad |= str_add(arm, p, 1);
	if (program != NULL)
		bad |= sha256_hex(program, n, hex) == -1 || str_printf(arm, "@%.8s", hex) == -1 ? -1 : 0;
	return (bad);
}

static int
put(struct grid *g, struct csv *line, const char *name, const char *p, size_t n)
{
	int column = grid_column(g, name);

	return (column == -1 ? -1 : grid_put(line, column, p, n));
}

/* A time in milliseconds without its unit. */
static int
put_ms(struct grid *g, struct csv *line, const char *name, const struct textfile_piece *piece, const char *key)
{
	const char *p;
	size_t n;

	if ((p = value_of(piece, key, &n)) == NULL || n < 3 || memcmp(p + n - 2, "ms", 2) != 0)
		return (0);
	return (put(g, line, name, p, n - 2));
}

int
steplog_take(struct grid *g, const char *label, const struct textfile *file)
{
	struct textfile_piece piece, last = { 0 };
	unsigned long step = 0, of = 0;
	const char *p, *loss, *program = NULL;
	size_t n, loss_n, program_n = 0;
	struct csv *line;
	struct str arm = STR_INIT;
	char text[32];
	int seen = 0, rc = 1;

	if (file->text == NULL || strstr(file->text, "val_bpb") != NULL || strstr(file->text, "val_loss:") == NULL)
		return (0);
	textfile_pieces(&piece, file->text, file->n);
	while (textfile_next(&piece)) {
		if (program == NULL && piece.n >= 4 && strspn(piece.p, "=") >= piece.n) {
			program = file->text;
			program_n = (size_t)(piece.p - file->text);
		}
		if ((p = value_of(&piece, "step", &n)) == NULL || steps_of(p, n, &step, &of) == -1 ||
		    value_of(&piece, "val_loss", &n) == NULL)
			continue;
		seen = 1;
		last = piece;
	}
	if (!seen)
		return (0);
	p = value_of(&last, "step", &n);
	(void)steps_of(p, n, &step, &of);
	loss = value_of(&last, "val_loss", &loss_n);
	snprintf(text, sizeof(text), "%lu", step);
	if (name_arm(&arm, label, program, program_n) == -1 || (line = grid_add(g, (unsigned)g->count + 1)) == NULL ||
	    put(g, line, "run", label, strlen(label)) == -1 || put(g, line, "arm", arm.p, arm.n) == -1 ||
	    put(g, line, "status", step == of ? "finished" : "crashed", step == of ? 8 : 7) == -1 ||
	    put(g, line, "val_loss", loss, step == of ? loss_n : 0) == -1 ||
	    put(g, line, "steps", text, strlen(text)) == -1 ||
	    put_ms(g, line, "train_time_ms", &last, "train_time") == -1 ||
	    put_ms(g, line, "step_avg_ms", &last, "step_avg") == -1) {
		errno = ENOMEM;
		rc = -1;
	}
	str_free(&arm);
	return (rc);
}
