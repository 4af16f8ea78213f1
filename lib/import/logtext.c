#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "import/logtext.h"

/* The needle in n bytes, or NULL. */
static const char *
find(const char *p, size_t n, const char *needle)
{
	size_t k = strlen(needle);
	const char *end = p + n;

	while ((size_t)(end - p) >= k && (p = memchr(p, needle[0], (size_t)(end - p) - k + 1)) != NULL) {
		if (memcmp(p, needle, k) == 0)
			return (p);
		p++;
	}
	return (NULL);
}

static int
is_word(char c)
{
	return (isalnum((unsigned char)c) || c == '_');
}

/* What stands after a key at p: its colon or equals sign and blanks, then up to a blank, comma or bracket. */
static int
after(const char *p, const char *end, struct logtext_figure *f, enum number_kind kind, unsigned line)
{
	const char *begin;

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	if (p == end || (*p != ':' && *p != '='))
		return (0);
	for (p++; p < end && (*p == ' ' || *p == '\t'); p++)
		;
	for (begin = p;
	     p < end && *p != ' ' && *p != '\t' && *p != ',' && *p != ')' && *p != ']' && *p != ';' && *p != '|'; p++)
		;
	f->text = begin;
	f->n = (size_t)(p - begin);
	f->line = line;
	f->figure = number_read(begin, f->n, kind);
	return (1);
}

/* The last "key: value" of a piece, where key stands as a word of its own. */
static int
valued(const struct textfile_piece *piece, const char *key, struct logtext_figure *f, enum number_kind kind,
    const char **where)
{
	const char *p = piece->p, *end = piece->p + piece->n;
	size_t k = strlen(key);
	int found = 0;

	for (; (p = find(p, (size_t)(end - p), key)) != NULL; p += k) {
		if ((p > piece->p && is_word(p[-1])) || (p + k < end && is_word(p[k])))
			continue;
		if (!after(p + k, end, f, kind, piece->line))
			continue;
		if (where != NULL)
			*where = p;
		found = 1;
		break;
	}
	return (found);
}

/* Does a program's source stand here? */
static int
is_source(const struct logtext_figure *f, const char *label, size_t label_n)
{
	if (f->text != NULL &&
	    (f->n == 0 || (f->figure.flags & DEFECT_BIT(DEFECT_TEMPLATE)) != 0 || f->text[0] == '"' ||
		f->text[0] == '\''))
		return (1);
	return (find(label, label_n, "(f\"") != NULL || find(label, label_n, "f'") != NULL ||
	    find(label, label_n, "\"") != NULL || find(label, label_n, "print(") != NULL);
}

/* A label without times, ranks and bars before it, and without what ends it. */
static void
trim(const char **label, size_t *n)
{
	const char *p = *label, *end = *label + *n, *q;

	for (;;) {
		for (q = p; q < end && !isalpha((unsigned char)*q); q++)
			;
		/* "[rank0]: ", "INFO: " */
		if (end - q > 5 && (memcmp(q, "INFO", 4) == 0 || memcmp(q, "rank", 4) == 0)) {
			for (p = q + 4; p < end && isdigit((unsigned char)*p); p++)
				;
			continue;
		}
		break;
	}
	/* "200/2000 val_loss": progress is told by its numbers, so they stay. */
	for (; p < q && !isdigit((unsigned char)*p); p++)
		;
	if (memchr(p, '/', (size_t)(q - p)) == NULL)
		p = q;
	for (; end > p && (isspace((unsigned char)end[-1]) || strchr(":,|-=>", end[-1]) != NULL); end--)
		;
	*label = p;
	*n = (size_t)(end - p);
}

static int
is_progress(const char *label, size_t n)
{
	size_t i;

	if (n >= 4 && strncasecmp(label, "step", 4) == 0 && (n == 4 || !isalpha((unsigned char)label[4])))
		return (1);
	if (n >= 4 && strncasecmp(label, "iter", 4) == 0)
		return (1);
	if (n >= 5 && strncasecmp(label, "epoch", 5) == 0)
		return (1);
	for (i = 0; i < n && isdigit((unsigned char)label[i]); i++)
		;
	return (i > 0 && i < n && label[i] == '/');
}

static unsigned
stride_in(const struct textfile_piece *piece)
{
	struct logtext_figure f;

	if ((valued(piece, "stride", &f, NUMBER_COUNT, NULL) || valued(piece, "eval_stride", &f, NUMBER_COUNT, NULL)) &&
	    f.figure.number >= 1 && f.figure.number < 1000000)
		return ((unsigned)f.figure.number);
	return (0);
}

static void
score_line(struct logtext *log, const struct textfile_piece *piece)
{
	struct logtext_score s = { 0 };
	const char *at_bpb = NULL, *at_loss = NULL, *label_end;

	if (!valued(piece, "val_bpb", &s.val_bpb, NUMBER_SCORE, &at_bpb) &&
	    (!valued(piece, "bpb", &s.val_bpb, NUMBER_SCORE, &at_bpb) ||
		!valued(piece, "val_loss", &s.val_loss, NUMBER_LOSS, NULL)))
		return;
	valued(piece, "val_loss", &s.val_loss, NUMBER_LOSS, &at_loss);
	label_end = at_loss != NULL && at_loss < at_bpb ? at_loss : at_bpb;
	s.label = piece->p;
	s.label_n = (size_t)(label_end - piece->p);
	if (is_source(&s.val_bpb, s.label, s.label_n)) {
		if (log->templates++ == 0)
			log->template = s.val_bpb;
		return;
	}
	/* A last line without an end may be cut, and its number with it: the two of a line have as many digits. */
	if (s.val_bpb.text + s.val_bpb.n == log->end && s.val_bpb.figure.unit > s.val_loss.figure.unit) {
		log->cut = piece->line;
		return;
	}
	trim(&s.label, &s.label_n);
	if (is_progress(s.label, s.label_n)) {
		log->progress = s;
		log->trained = piece->line;
		return;
	}
	s.scoring = claim_scoring_of(s.label, s.label_n);
	s.stride = stride_in(piece);
	/* The last ones count: a log that scores at every step still ends with the final score. */
	if (log->score_count == LOGTEXT_SCORES) {
		memmove(log->scores, log->scores + 1, sizeof(log->scores) - sizeof(log->scores[0]));
		log->score_count--;
	}
	log->scores[log->score_count++] = s;
	log->score_total++;
}

/* "Total submission size int8+zlib: 15863489 bytes" */
static void
size_line(struct logtext *log, const struct textfile_piece *piece)
{
	static const char total[] = "Total submission size";
	const char *p, *end = piece->p + piece->n, *colon;
	struct logtext_figure f, *into;
	size_t i;

	if ((p = find(piece->p, piece->n, total)) != NULL) {
		p += sizeof(total) - 1;
		if ((colon = memchr(p, ':', (size_t)(end - p))) == NULL)
			return;
		for (i = 0; p + i < colon && p[i] == ' '; i++)
			;
		into = p + i < colon ? &log->total_bytes : &log->other_total;
	} else if ((p = find(piece->p, piece->n, "Code size")) != NULL) {
		if ((colon = memchr(p, ':', (size_t)(end - p))) == NULL ||
		    find(p, (size_t)(colon - p), "uncompressed") != NULL)
			return;
		into = &log->code_bytes;
	} else
		return;
	if (!after(colon, end, &f, NUMBER_COUNT, piece->line))
		return;
	if (f.text + f.n == log->end) {
		log->cut = piece->line;
		return;
	}
	if (is_source(&f, piece->p, (size_t)(p - piece->p))) {
		if (log->templates++ == 0)
			log->template = f;
		return;
	}
	/* The unit must be the one that is counted in. */
	for (p = f.text + f.n; p < end && *p == ' '; p++)
		;
	if (p < end && isalpha((unsigned char)*p) && (end - p < 5 || memcmp(p, "bytes", 5) != 0)) {
		f.n = (size_t)(end - f.text);
		f.figure = number_read(f.text, f.n, NUMBER_COUNT);
	}
	*into = f;
}

static void
seed_line(struct logtext *log, const struct textfile_piece *piece)
{
	const char *p = piece->p, *end = piece->p + piece->n;
	struct logtext_figure f;

	/* "seed:1337", "  seed: 42", after times and bars at most: the first word of its line. */
	for (; p < end && !isalpha((unsigned char)*p); p++)
		;
	/* "seed = 0" is a line of a program. */
	if (end - p < 6 || strncasecmp(p, "seed", 4) != 0 || (p[4] != ':' && (p[4] != '=' || p[5] == ' ')) ||
	    !after(p + 4, end, &f, NUMBER_COUNT, piece->line))
		return;
	if (isnan(f.figure.number))
		return;
	if (log->seed.text == NULL || log->seed.figure.number != f.figure.number)
		log->seeds++;
	if (log->seed.text == NULL)
		log->seed = f;
}

/* "stopping_early: wallclock_cap train_time:600038ms step:13780/20000" */
static void
step_line(struct logtext *log, const struct textfile_piece *piece)
{
	struct logtext_figure f;
	size_t n;

	if (valued(piece, "step", &f, NUMBER_ANY, NULL) && f.n > 0 && isdigit((unsigned char)f.text[0])) {
		for (n = 0; n < f.n && isdigit((unsigned char)f.text[n]); n++)
			;
		if (n == f.n || f.text[n] == '/') {
			f.n = n;
			f.figure = number_read(f.text, n, NUMBER_COUNT);
			log->step = f;
			log->trained = piece->line;
		}
	}
	if (valued(piece, "train_time", &f, NUMBER_ANY, NULL) && f.n > 2 && memcmp(f.text + f.n - 2, "ms", 2) == 0) {
		f.figure = number_read(f.text, f.n - 2, NUMBER_ANY);
		f.n -= 2;
		if (f.figure.number >= 0)
			log->train_ms = f;
	}
}

static void
token_line(struct logtext *log, const struct textfile_piece *piece)
{
	struct logtext_figure f;

	if (log->tokens.text != NULL)
		return;
	if (!(find(piece->p, piece->n, "val_loader:") != NULL && valued(piece, "tokens", &f, NUMBER_COUNT, NULL)) &&
	    !valued(piece, "val_tokens", &f, NUMBER_COUNT, NULL))
		return;
	if (f.figure.number >= 1)
		log->tokens = f;
}

/* "model_params:17059912", and "max_wallclock_seconds:600.000" among the settings. */
static void
setting_line(struct logtext *log, const struct textfile_piece *piece)
{
	struct logtext_figure f;
	const char *end = piece->p + piece->n;

	/* What a comma ends may be the thousands of something. */
	if (valued(piece, "model_params", &f, NUMBER_COUNT, NULL) && f.figure.number >= 1 && f.text + f.n != log->end &&
	    (f.text + f.n == end || f.text[f.n] != ',')) {
		if (log->params.text == NULL || log->params.figure.number != f.figure.number)
			log->models++;
		if (log->params.text == NULL)
			log->params = f;
	}
	if (valued(piece, "max_wallclock_seconds", &f, NUMBER_ANY, NULL) && f.figure.number > 0)
		log->time_cap = f;
}

static int
says(const struct textfile_piece *piece, const char *words)
{
	return (find(piece->p, piece->n, words) != NULL);
}

void
logtext_read(struct logtext *log, const char *text, size_t n)
{
	struct textfile_piece piece;
	unsigned stride = 0;
	int quoted;

	memset(log, 0, sizeof(*log));
	log->end = text + n;
	textfile_pieces(&piece, text, n);
	while (textfile_next(&piece)) {
		log->lines = piece.line;
		if (piece.n < 4)
			continue;
		if (says(&piece, "bpb"))
			score_line(log, &piece);
		if (says(&piece, " size"))
			size_line(log, &piece);
		if (says(&piece, "eed"))
			seed_line(log, &piece);
		if (says(&piece, "step"))
			step_line(log, &piece);
		if (says(&piece, "tokens"))
			token_line(log, &piece);
		if (says(&piece, "model_params") || says(&piece, "max_wallclock"))
			setting_line(log, &piece);
		/* Source says a great deal that was never done. */
		quoted = memchr(piece.p, '"', piece.n) != NULL || memchr(piece.p, '#', piece.n) != NULL;
		if (!quoted && (says(&piece, "sliding_eval [") || says(&piece, "sliding window eval")))
			log->slides = 1;
		if (!quoted && says(&piece, "stride") && stride_in(&piece) != 0)
			stride = stride_in(&piece);
		if (!quoted &&
		    (says(&piece, "Traceback (most recent call last)") || says(&piece, "CUDA out of memory") ||
			says(&piece, "OutOfMemoryError") || says(&piece, "ChildFailedError")))
			log->crashed = piece.line;
	}
	log->stride = stride;
}

int
logtext_name_seed(const char *name, int64_t *seed)
{
	const char *base = strrchr(name, '/'), *p;
	uint64_t x;
	int i;

	base = base == NULL ? name : base + 1;
	for (p = base; *p != '\0'; p++) {
		if (strncasecmp(p, "seed", 4) != 0 || (p > base && isalpha((unsigned char)p[-1])))
			continue;
		p += 4;
		if (*p == '_' || *p == '-' || *p == '=')
			p++;
		for (x = 0, i = 0; i < 15 && isdigit((unsigned char)p[i]); i++)
			x = 10 * x + (uint64_t)(p[i] - '0');
		if (i == 0 || i == 15)
			return (0);
		*seed = (int64_t)x;
		return (1);
	}
	return (0);
}

int
logtext_is_one(const struct logtext *log)
{
	return (log->score_count > 0 || log->cut > 0 || log->progress.label != NULL ||
	    (log->trained > 0 && log->train_ms.text != NULL));
}
