#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "import/fields.h"
#include "import/gamecheck.h"
#include "import/logcheck.h"
#include "import/selfcheck.h"
#include "import/submission.h"

/* All runs alike, or nothing can be said. */
static void
settle_scoring(struct claim *c)
{
	int seen = 0;
	size_t i;

	for (i = 0; i < c->run_count; i++) {
		if (c->runs[i].score == 0)
			continue;
		if (!seen) {
			c->scoring = c->runs[i].scoring;
			c->stride = c->runs[i].stride;
			seen = 1;
		} else if (c->scoring != c->runs[i].scoring || c->stride != c->runs[i].stride) {
			/* A run whose log is missing says nothing against the others. */
			if (c->runs[i].scoring == CLAIM_UNKNOWN)
				continue;
			if (c->scoring == CLAIM_UNKNOWN) {
				c->scoring = c->runs[i].scoring;
				c->stride = c->runs[i].stride;
				continue;
			}
			claim_note(c, DEFECT_AMBIGUOUS, c->file, 0, "its runs were scored in different ways");
			c->scoring = CLAIM_UNKNOWN;
			return;
		}
	}
}

static int
digest_files(struct claim *c)
{
	struct sha256 *h;
	size_t i;

	if ((h = sha256_begin()) == NULL)
		return (-1);
	for (i = 0; i < c->file_count; i++) {
		const char *base = strrchr(c->files[i].name, '/');

		/* Names within the folder count, the way to it does not. */
		base = base == NULL ? c->files[i].name : base + 1;
		sha256_add(h, base, strlen(base) + 1);
		sha256_add(h, c->files[i].sha256, SHA256_HEX_SIZE);
	}
	/* A log alone is another claim than a submission with that log and no more. */
	sha256_add(h, "log", c->form == CLAIM_LOG ? 3 : 0);
	sha256_end(h, c->content);
	return (0);
}

/* Whose claim: folder, file's name, title and author, none of which says what is claimed. */
static int
digest_key(struct claim *c, const char *name, const char *folder)
{
	const char *base = strrchr(name, '/');
	struct sha256 *h;

	base = base == NULL ? name : base + 1;
	if ((h = sha256_begin()) == NULL)
		return (-1);
	sha256_add(h, folder, strlen(folder) + 1);
	sha256_add(h, base, strlen(base) + 1);
	sha256_add(h, c->title == NULL ? "" : c->title, c->title == NULL ? 1 : strlen(c->title) + 1);
	sha256_add(h, c->author == NULL ? "" : c->author, c->author == NULL ? 1 : strlen(c->author) + 1);
	sha256_end(h, c->key);
	return (0);
}

/* The runs of a JSON without logs, or whose logs are none. */
static void
lone_run(struct claim *c, const struct fields *t)
{
	unsigned loss = fields_whole(t, CLAIM_VAL_LOSS, 0), steps = fields_whole(t, CLAIM_STEPS, 0);
	unsigned tokens = fields_whole(t, CLAIM_TOKENS, 0);
	unsigned train_ms = fields_whole(t, CLAIM_TRAIN_MS, 0), train_s = fields_whole(t, CLAIM_TRAIN_S, 0);
	unsigned seed = fields_whole(t, CLAIM_SEED, 0);
	struct claim_run *r;
	int run;

	if ((run = claim_run(c)) == -1)
		return;
	r = &c->runs[run];
	r->score = r->val_bpb = c->score;
	r->val_loss = loss;
	r->steps = steps;
	r->tokens = tokens;
	r->train = train_ms != 0 ? train_ms : train_s;
	if (seed != 0) {
		r->has_seed = 1;
		r->seed = (int64_t)claim_number(c, seed);
	}
}

static void
judge_scores(struct fields *t, struct logcheck *logs, size_t n)
{
	struct claim *c = t->c;
	unsigned method, stride;
	size_t i;

	for (i = 0; i < c->run_count; i++)
		c->runs[i].score = c->runs[i].val_bpb;
	if (claim_scored(c) > 0) {
		if (n > 0)
			logcheck_match(c, logs, n);
	} else if (c->run_count > 1 && n == 0) {
		/* Seeds that are only named: the score is of all of them, and of none in particular. */
	} else if (n > 0) {
		c->run_count = 0;
		logcheck_runs(c, logs, n);
		if (claim_scored(c) == 0 && c->score != 0) {
			c->run_count = 0;
			lone_run(c, t);
		}
	} else {
		c->run_count = 0;
		lone_run(c, t);
	}
	settle_scoring(c);
	/* Without a log the author's word for the method, if it says anything. */
	method = fields_method(t);
	if (c->scoring == CLAIM_UNKNOWN && method != 0 && !claim_has(c, DEFECT_AMBIGUOUS)) {
		c->scoring = claim_scoring_of(c->values[method - 1].text, strlen(c->values[method - 1].text));
		stride = fields_whole(t, CLAIM_STRIDE, 0);
		if (c->scoring == CLAIM_SLIDING && stride != 0)
			c->stride = (unsigned)claim_number(c, stride);
	}
}

/* Blanks for all but the ends of lines, so that every line keeps its number. */
static void
blank(char *p, const char *end)
{
	for (; p < end; p++)
		if (*p != '\n' && *p != '\r')
			*p = ' ';
}

/* The word that ends a shell's here-document, which a line begins: its length in *n, or NULL. */
static const char *
here_word(const struct textfile_piece *piece, size_t *n)
{
	const char *p, *end = piece->p + piece->n;

	for (p = piece->p; p + 2 < end && (p[0] != '<' || p[1] != '<'); p++)
		;
	if (p + 2 >= end)
		return (NULL);
	for (p += 2; p < end && strchr("- \t'\"\\", *p) != NULL; p++)
		;
	for (*n = 0; p + *n < end && (isalnum((unsigned char)p[*n]) || p[*n] == '_'); (*n)++)
		;
	return (*n == 0 ? NULL : p);
}

/*
 * JSON in what made it, or in what showed it: the shell's "cat > FILE <<'EOF'", a page's fence of three backquotes, the
 * bare word json.  1 if something was blanked, in *copy, with the line where it stood; 0 if nothing is around it; -1
 * with errno ENOMEM.  Owns: the caller frees copy->text.
 */
static int
unwrap(const struct textfile *json, struct textfile *copy, unsigned *line)
{
	static const char fence[] = "```";
	struct textfile_piece piece;
	const char *word = NULL, *last;
	size_t n = 0, k;
	char *p;

	if (json->text == NULL)
		return (0);
	textfile_pieces(&piece, json->text, json->n);
	do
		if (!textfile_next(&piece))
			return (0);
	while (piece.n == strspn(piece.p, " \t"));
	k = strspn(piece.p, " \t");
	if (piece.n - k >= 3 && memcmp(piece.p + k, fence, 3) == 0) {
		word = fence;
		n = 3;
	} else if (piece.n - k > 4 && strncasecmp(piece.p + k, "json", 4) == 0 && piece.p[k + 4] == '{')
		piece.n = k + 4;
	else if (strchr("{[", piece.p[k]) != NULL || (word = here_word(&piece, &n)) == NULL)
		return (0);
	if ((p = malloc(json->n + 1)) == NULL)
		return (-1);
	memcpy(p, json->text, json->n + 1);
	blank(p + (piece.p - json->text), p + (piece.p - json->text) + piece.n);
	*line = piece.line;
	/* Only where nothing but blanks follows is the word the end of it. */
	for (last = NULL; word != NULL && textfile_next(&piece);) {
		k = strspn(piece.p, " \t");
		if (k >= piece.n)
			continue;
		last = piece.n - k >= n && memcmp(piece.p + k, word, n) == 0 &&
			strspn(piece.p + k + n, " \t") >= piece.n - k - n ?
		    piece.p + k :
		    NULL;
	}
	if (last != NULL)
		blank(p + (last - json->text), p + (last - json->text) + n);
	*copy = *json;
	copy->text = p;
	return (1);
}

struct claim *
submission_claim(const char *name, const char *folder, const struct textfile *json, const struct logtext_file *from,
    size_t count)
{
	struct fields t = { .c = NULL };
	struct logcheck *logs = NULL;
	struct textfile bare = *json;
	unsigned line = 0;
	size_t i, n;
	int wrapped;

	if ((t.c = claim_new(CLAIM_SUBMISSION, name)) == NULL)
		return (NULL);
	t.file = name;
	claim_file(t.c, name, json);
	if ((wrapped = unwrap(json, &bare, &line)) == 1)
		claim_note(t.c, DEFECT_LAX_JSON, name, line,
		    "what made or showed it stands around it, such as a shell's here-document");
	fields_read(&t, &bare);
	if (wrapped == 1)
		free(bare.text);
	if (wrapped == -1)
		goto err0;
	if ((logs = calloc(count + 1, sizeof(*logs))) == NULL || t.broken)
		goto err0;
	n = logcheck_sort(t.c, from, count, logs);
	t.c->title = fields_text(&t, CLAIM_TITLE);
	t.c->author = fields_text(&t, CLAIM_AUTHOR);
	t.c->date = fields_text(&t, CLAIM_DATE);
	fields_assign(&t);
	t.c->score = fields_whole(&t, CLAIM_VAL_BPB, 1);
	fields_vouch(&t, t.c->score);
	for (i = 0; i < t.c->run_count; i++)
		if (t.c->runs[i].val_bpb != 0 && isnan(claim_number(t.c, t.c->runs[i].val_bpb)))
			t.c->runs[i].val_bpb = 0;
	selfcheck_values(t.c);
	judge_scores(&t, logs, n);
	selfcheck_claim(&t);
	gamecheck_claim(t.c);
	if (t.c->score == 0 && t.c->run_count == 1)
		t.c->score = t.c->runs[0].score;
	if (t.c->score == 0 && claim_scored(t.c) == 0)
		claim_note(t.c, DEFECT_NO_SCORE, name, 0, "no bits per byte that can be believed");
	if (digest_files(t.c) == -1 || digest_key(t.c, name, folder) == -1 || t.broken || t.c->broken)
		goto err0;
	goto out;
err0:
	claim_free(t.c);
	t.c = NULL;
	errno = ENOMEM;
out:
	fields_free(&t);
	free(logs);
	return (t.c);
}

struct claim *
submission_log_claim(const char *name, const char *folder, const struct textfile *file)
{
	struct logtext_file from = { name, *file };
	struct fields t = { .c = NULL };
	struct logcheck *log;
	size_t n, i;

	if ((log = calloc(1, sizeof(*log))) == NULL)
		return (NULL);
	if ((t.c = claim_new(CLAIM_LOG, name)) == NULL) {
		free(log);
		return (NULL);
	}
	n = logcheck_sort(t.c, &from, 1, log);
	if (n > 0) {
		logcheck_runs(t.c, log, n);
		for (i = 0; i < t.c->value_count; i++)
			if (t.c->values[i].what == CLAIM_TOTAL_BYTES)
				selfcheck_cap(t.c, &t.c->values[i]);
		gamecheck_claim(t.c);
	}
	settle_scoring(t.c);
	if (t.c->run_count == 1)
		t.c->score = t.c->runs[0].score;
	if (t.c->score == 0)
		claim_note(t.c, DEFECT_NO_SCORE, name, 0, "no final score");
	free(log);
	if (digest_files(t.c) == -1 || digest_key(t.c, name, folder) == -1 || t.c->broken) {
		claim_free(t.c);
		errno = ENOMEM;
		return (NULL);
	}
	return (t.c);
}

int
submission_is_log(const struct textfile *file)
{
	struct logtext *log;
	int is;

	if (file->text == NULL)
		return (0);
	if ((log = malloc(sizeof(*log))) == NULL)
		return (-1);
	logtext_read(log, file->text, file->n);
	is = logtext_is_one(log);
	free(log);
	return (is);
}
