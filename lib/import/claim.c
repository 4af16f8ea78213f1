#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "base/bpb.h"
#include "base/array.h"
#include "import/claim.h"
#include "base/clock.h"
#include "base/jsonio.h"
#include "base/str.h"

static const struct {
	const char *name;
	enum number_kind kind;
} whats[CLAIM_WHATS] = {
	[CLAIM_OWN] = { "", NUMBER_ANY },
	[CLAIM_VAL_BPB] = { "val_bpb", NUMBER_SCORE },
	[CLAIM_VAL_LOSS] = { "val_loss", NUMBER_LOSS },
	[CLAIM_SD] = { "val_bpb_sd", NUMBER_SPREAD },
	[CLAIM_TOTAL_BYTES] = { "total_bytes", NUMBER_COUNT },
	[CLAIM_CODE_BYTES] = { "code_bytes", NUMBER_COUNT },
	[CLAIM_MODEL_BYTES] = { "model_bytes", NUMBER_COUNT },
	[CLAIM_ARTIFACT_BYTES] = { "artifact_bytes", NUMBER_COUNT },
	[CLAIM_SEED] = { "seed", NUMBER_COUNT },
	[CLAIM_STEPS] = { "steps", NUMBER_COUNT },
	[CLAIM_TRAIN_MS] = { "train_ms", NUMBER_SPREAD },
	[CLAIM_TRAIN_S] = { "train_s", NUMBER_SPREAD },
	[CLAIM_TOKENS] = { "tokens", NUMBER_COUNT },
	[CLAIM_SEEDS_N] = { "seeds_n", NUMBER_COUNT },
	[CLAIM_TITLE] = { "title", NUMBER_ANY },
	[CLAIM_AUTHOR] = { "author", NUMBER_ANY },
	[CLAIM_DATE] = { "date", NUMBER_ANY },
	[CLAIM_STATUS] = { "status", NUMBER_ANY },
	[CLAIM_METHOD] = { "method", NUMBER_ANY },
	[CLAIM_STRIDE] = { "stride", NUMBER_COUNT },
	[CLAIM_COMMIT] = { "commit", NUMBER_ANY },
	[CLAIM_METRIC] = { "metric", NUMBER_ANY },
};

/* What people call things. Longer lists of names are no better: what is not here keeps its own name. */
static const struct {
	const char *name;
	enum claim_what what;
} names[] = {
	{ "val_bpb", CLAIM_VAL_BPB },
	{ "bpb", CLAIM_VAL_BPB },
	{ "val_bpb_exact", CLAIM_VAL_BPB },
	{ "final_val_bpb", CLAIM_VAL_BPB },
	{ "final_bpb", CLAIM_VAL_BPB },
	{ "mean_val_bpb", CLAIM_VAL_BPB },
	{ "val_bpb_mean", CLAIM_VAL_BPB },
	{ "mean_bpb", CLAIM_VAL_BPB },
	{ "bpb_mean", CLAIM_VAL_BPB },
	{ "val_loss", CLAIM_VAL_LOSS },
	{ "val_loss_nats", CLAIM_VAL_LOSS },
	{ "val_loss_exact", CLAIM_VAL_LOSS },
	{ "final_val_loss", CLAIM_VAL_LOSS },
	{ "mean_val_loss", CLAIM_VAL_LOSS },
	{ "val_loss_mean", CLAIM_VAL_LOSS },
	{ "mean_val_loss_nats", CLAIM_VAL_LOSS },
	{ "val_bpb_std", CLAIM_SD },
	{ "std_val_bpb", CLAIM_SD },
	{ "std_bpb", CLAIM_SD },
	{ "bpb_std", CLAIM_SD },
	{ "val_bpb_sd", CLAIM_SD },
	{ "val_bpb_stdev", CLAIM_SD },
	{ "bytes_total", CLAIM_TOTAL_BYTES },
	{ "total_bytes", CLAIM_TOTAL_BYTES },
	{ "submission_bytes", CLAIM_TOTAL_BYTES },
	{ "total_submission_bytes", CLAIM_TOTAL_BYTES },
	{ "bytes_code", CLAIM_CODE_BYTES },
	{ "code_bytes", CLAIM_CODE_BYTES },
	{ "bytes_model", CLAIM_MODEL_BYTES },
	{ "model_bytes", CLAIM_MODEL_BYTES },
	{ "bytes_model_compressed", CLAIM_MODEL_BYTES },
	{ "bytes_model_int8_zlib", CLAIM_MODEL_BYTES },
	{ "bytes_model_int6_zstd", CLAIM_MODEL_BYTES },
	{ "artifact_bytes", CLAIM_ARTIFACT_BYTES },
	{ "artifact_size_bytes", CLAIM_ARTIFACT_BYTES },
	{ "seed", CLAIM_SEED },
	{ "seeds", CLAIM_SEED },
	{ "steps", CLAIM_STEPS },
	{ "step_stop", CLAIM_STEPS },
	{ "stop_step", CLAIM_STEPS },
	{ "train_steps", CLAIM_STEPS },
	{ "training_steps", CLAIM_STEPS },
	{ "steps_completed", CLAIM_STEPS },
	{ "train_time_ms", CLAIM_TRAIN_MS },
	{ "training_time_ms", CLAIM_TRAIN_MS },
	{ "train_wallclock_ms", CLAIM_TRAIN_MS },
	{ "train_time_s", CLAIM_TRAIN_S },
	{ "train_time_seconds", CLAIM_TRAIN_S },
	{ "training_time_seconds", CLAIM_TRAIN_S },
	{ "train_s", CLAIM_TRAIN_S },
	{ "wallclock_seconds", CLAIM_TRAIN_S },
	{ "val_tokens", CLAIM_TOKENS },
	{ "n_seeds", CLAIM_SEEDS_N },
	{ "num_seeds", CLAIM_SEEDS_N },
	{ "name", CLAIM_TITLE },
	{ "title", CLAIM_TITLE },
	{ "run_name", CLAIM_TITLE },
	{ "author", CLAIM_AUTHOR },
	{ "github_id", CLAIM_AUTHOR },
	{ "date", CLAIM_DATE },
	{ "val_bpb_method", CLAIM_METHOD },
	{ "eval_method", CLAIM_METHOD },
	{ "scoring", CLAIM_METHOD },
	{ "eval_stride", CLAIM_STRIDE },
};

enum claim_what
claim_what_of(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(names[i].name, name) == 0)
			return (names[i].what);
	return (CLAIM_OWN);
}

const char *
claim_what_name(enum claim_what what)
{
	return (whats[what].name);
}

enum number_kind
claim_what_kind(enum claim_what what)
{
	/* Times are any number that is not negative. */
	return (what == CLAIM_TRAIN_MS || what == CLAIM_TRAIN_S ? NUMBER_ANY : whats[what].kind);
}

/* Text, not numbers: nothing is wrong with a title that is no number. */
static int
is_text(enum claim_what what)
{
	return (what == CLAIM_TITLE || what == CLAIM_AUTHOR || what == CLAIM_DATE || what == CLAIM_STATUS ||
	    what == CLAIM_METHOD || what == CLAIM_COMMIT || what == CLAIM_OWN);
}

char *
claim_copy(struct claim *c, const char *text, size_t n)
{
	size_t i, k;
	char *p;

	/* A sequence is never cut in two. */
	if (n > CLAIM_TEXT)
		n = utf8_cut(text, CLAIM_TEXT);
	if ((p = malloc(n + 1)) == NULL) {
		c->broken = 1;
		return (NULL);
	}
	memcpy(p, text, n);
	p[n] = '\0';
	/* What was cut on its way here may end in half a letter, which no JSON may hold. */
	for (i = 0; i < n; i += k)
		if ((k = utf8_read(p + i, n - i, NULL)) == 0 || p[i] == '\0') {
			p[i] = '?';
			k = 1;
		}
	return (p);
}

struct claim *
claim_new(enum claim_form form, const char *file)
{
	struct claim *c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return (NULL);
	c->form = form;
	c->metric = "val_bpb";
	if ((c->file = claim_copy(c, file, strlen(file))) == NULL) {
		free(c);
		errno = ENOMEM;
		return (NULL);
	}
	return (c);
}

void
claim_free(struct claim *c)
{
	size_t i;

	if (c == NULL)
		return;
	for (i = 0; i < c->value_count; i++) {
		free(c->values[i].name);
		free(c->values[i].text);
		free(c->values[i].path);
	}
	for (i = 0; i < c->note_count; i++) {
		free(c->notes[i].detail);
		free(c->notes[i].file);
	}
	for (i = 0; i < c->file_count; i++)
		free(c->files[i].name);
	free(c->values);
	free(c->runs);
	free(c->notes);
	free(c->files);
	free(c->title);
	free(c->author);
	free(c->date);
	free(c->file);
	free(c);
}

/* Room for one more; 0, or -1 if the claim is broken now. */
static int
room(struct claim *c, void *array, size_t count, size_t *cap, size_t size)
{
	void *grown;

	if (c->broken)
		return (-1);
	if ((grown = array_room(*(void **)array, count, cap, size)) == NULL) {
		c->broken = 1;
		return (-1);
	}
	*(void **)array = grown;
	return (0);
}

int
claim_value(struct claim *c, enum claim_what what, const char *name, const char *text, size_t n, enum number_kind kind,
    const char *file, unsigned line, const char *path)
{
	struct claim_value *v;

	if (c->value_count >= CLAIM_VALUES) {
		if (!c->full)
			claim_note(c, DEFECT_TOO_MANY, file, line, "more than %d values; the rest is left out",
			    CLAIM_VALUES);
		c->full = 1;
		return (-1);
	}
	if (room(c, &c->values, c->value_count, &c->value_cap, sizeof(*c->values)) == -1)
		return (-1);
	v = &c->values[c->value_count];
	memset(v, 0, sizeof(*v));
	v->what = what;
	v->run = -1;
	v->file = file;
	v->line = line;
	v->figure = number_read(text, n, kind);
	if (n > CLAIM_TEXT)
		v->flags |= DEFECT_BIT(DEFECT_CUT);
	if (!is_text(what))
		v->flags |= v->figure.flags;
	v->name = claim_copy(c, name, strlen(name));
	v->text = claim_copy(c, text, n);
	v->path = claim_copy(c, path, strlen(path));
	c->value_count++;
	return (c->broken ? -1 : (int)c->value_count - 1);
}

void
claim_doubt(struct claim *c, int value, enum defect f)
{
	if (value < 0)
		return;
	c->values[value].flags |= DEFECT_BIT(f);
	c->values[value].figure.number = NAN;
}

int
claim_run(struct claim *c)
{
	if (c->run_count >= CLAIM_RUNS || room(c, &c->runs, c->run_count, &c->run_cap, sizeof(*c->runs)) == -1)
		return (-1);
	memset(&c->runs[c->run_count], 0, sizeof(*c->runs));
	return ((int)c->run_count++);
}

int
claim_run_of(struct claim *c, int64_t seed)
{
	size_t i;
	int run;

	for (i = 0; i < c->run_count; i++)
		if (c->runs[i].has_seed && c->runs[i].seed == seed)
			return ((int)i);
	if ((run = claim_run(c)) != -1) {
		c->runs[run].has_seed = 1;
		c->runs[run].seed = seed;
	}
	return (run);
}

void
claim_note(struct claim *c, enum defect f, const char *file, unsigned line, const char *format, ...)
{
	struct claim_note *note;
	char detail[1024];
	va_list ap;

	if (c->note_count >= CLAIM_NOTES || room(c, &c->notes, c->note_count, &c->note_cap, sizeof(*c->notes)) == -1)
		return;
	va_start(ap, format);
	vsnprintf(detail, sizeof(detail), format, ap);
	va_end(ap);
	note = &c->notes[c->note_count++];
	note->flag = f;
	note->line = line;
	note->detail = claim_copy(c, detail, strlen(detail));
	note->file = claim_copy(c, file, strlen(file));
}

int
claim_has(const struct claim *c, enum defect f)
{
	size_t i;

	for (i = 0; i < c->note_count; i++)
		if (c->notes[i].flag == f)
			return (1);
	return (0);
}

void
claim_file(struct claim *c, const char *name, const struct textfile *t)
{
	struct claim_file *f;
	int k;

	for (k = 0; k < FLAGS; k++) {
		if ((t->flags & DEFECT_BIT(k)) == 0)
			continue;
		if (k == DEFECT_UNREADABLE)
			claim_note(c, DEFECT_UNREADABLE, name, 0, "%s",
			    t->error == EMEDIUMTYPE ? "no regular file" : strerror(t->error));
		else
			claim_note(c, (enum defect)k, name, 0, "%llu bytes: %s", (unsigned long long)t->bytes,
			    defect_meaning((enum defect)k));
	}
	if (t->sha256[0] == '\0')
		return;
	if (c->file_count >= CLAIM_FILES || room(c, &c->files, c->file_count, &c->file_cap, sizeof(*c->files)) == -1)
		return;
	f = &c->files[c->file_count++];
	f->name = claim_copy(c, name, strlen(name));
	memcpy(f->sha256, t->sha256, sizeof(f->sha256));
	f->bytes = t->bytes;
}

double
claim_number(const struct claim *c, unsigned value)
{
	return (value == 0 ? NAN : c->values[value - 1].figure.number);
}

double
claim_unit(const struct claim *c, unsigned value)
{
	return (value == 0 ? 0 : c->values[value - 1].figure.unit);
}

size_t
claim_scored(const struct claim *c)
{
	size_t i, n = 0;

	for (i = 0; i < c->run_count; i++)
		n += c->runs[i].score != 0;
	return (n);
}

/* "sliding:64" and the like, into text[32]. */
static char *
scoring_text(char text[32], enum claim_scoring scoring, unsigned stride)
{
	static const char *const names[] = { "unknown", "unknown", "plain", "sliding", "ttt", "other" };

	if (scoring == CLAIM_SLIDING && stride > 0 && stride < 1000000)
		snprintf(text, 32, "sliding:%u", stride);
	else
		snprintf(text, 32, "%s", names[scoring]);
	return (text);
}

int
claim_is_commit(const char *text)
{
	size_t n = strlen(text);

	return (n >= 6 && n <= 40 && strspn(text, "0123456789abcdefABCDEF") == n);
}

static int
any_of(const char *lower, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strstr(lower, *words) != NULL)
			return (1);
	return (0);
}

enum claim_scoring
claim_scoring_of(const char *label, size_t n)
{
	static const char *const other[] = { "ngram", "n_gram", "n-gram", "slot", "ppm", "hedge", "mixer", "cache",
		"temped", "knn", "tilt", "blend", "ensemble", "two_pass", "twopass", "oracle", "memory", NULL };
	static const char *const ttt[] = { "ttt", "lora", "adapt", NULL };
	static const char *const before[] = { "prequant", "pre_quant", "pre-quant", "diagnostic", "ema", "swa",
		"candidate", "step", "raw", "fp32", "fp16", "bf16", "final_fp", "best_ckpt", "train", NULL };
	static const char *const sliding[] = { "sliding", "_sw", "sw_", "window", NULL };
	static const char *const plain[] = { "roundtrip", "quant", "int4", "int5", "int6", "int7", "int8", "ternary",
		"binary", "artifact", "export", "standard", "xnor", NULL };
	char lower[128];
	size_t i;

	if (n >= sizeof(lower))
		n = sizeof(lower) - 1;
	for (i = 0; i < n; i++)
		lower[i] = (char)tolower((unsigned char)label[i]);
	lower[n] = '\0';
	if (any_of(lower, other))
		return (CLAIM_OTHER);
	if (any_of(lower, ttt))
		return (CLAIM_TTT);
	if (any_of(lower, before))
		return (CLAIM_PREQUANT);
	if (any_of(lower, sliding))
		return (CLAIM_SLIDING);
	return (any_of(lower, plain) ? CLAIM_PLAIN : CLAIM_UNKNOWN);
}

/* --- JSON ------------------------------------------------------------------ */

static json_t *
count_or_null(double x)
{
	return (x >= 0 && x <= 9007199254740991.0 && x == floor(x) ? json_integer((json_int_t)x) : json_null());
}

static json_t *
text_or_null(const char *text)
{
	return (text == NULL ? json_null() : json_string(text));
}

static json_t *
flags_json(defect_set flags)
{
	json_t *a = json_array();
	int k, n = 0;

	for (k = 0; k < FLAGS; k++)
		if ((flags & DEFECT_BIT(k)) != 0 && n++ < 16)
			json_array_append_new(a, json_string(defect_name((enum defect)k)));
	return (a);
}

static json_t *
value_json(const struct claim_value *v)
{
	return (json_pack("{s:s, s:o, s:s, s:o, s:s, s:I, s:s, s:o}", "name",
	    v->what == CLAIM_OWN || v->what == CLAIM_METRIC ? v->name : whats[v->what].name, "run",
	    v->run < 0 ? json_null() : json_integer(v->run), "text", v->text, "number", jsonio_real(v->figure.number),
	    "file", v->file, "line", (json_int_t)v->line, "path", v->path, "flags", flags_json(v->flags)));
}

static json_t *
run_json(const struct claim *c, const struct claim_run *r)
{
	double loss = claim_number(c, r->val_loss), bpb = claim_number(c, r->val_bpb);
	double tokens = claim_number(c, r->tokens), train = claim_number(c, r->train);
	double ratio = bpb_token_bytes(loss, bpb);
	char scoring[32];

	if (r->train != 0 && c->values[r->train - 1].what == CLAIM_TRAIN_S)
		train *= 1000;
	return (json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "seed",
	    r->has_seed ? json_integer(r->seed) : json_null(), "score", jsonio_real(claim_number(c, r->score)),
	    "val_loss", jsonio_real(loss), "val_bpb", jsonio_real(bpb), "scoring",
	    scoring_text(scoring, r->scoring, r->stride), "bytes_per_token", jsonio_real(ratio), "tokens",
	    count_or_null(tokens), "bytes", count_or_null(round(tokens * ratio)), "total_bytes",
	    count_or_null(claim_number(c, r->total_bytes)), "steps", count_or_null(claim_number(c, r->steps)),
	    "train_ms", count_or_null(round(train))));
}

/* Seconds or milliseconds since 1970, as programs write them, from 2001 to 2286. */
static int
stamp(const char *date, int64_t *ms)
{
	size_t n = strspn(date, "0123456789");
	const char *end = date + n;

	if (*end == '.')
		end += 1 + strspn(end + 1, "0123456789");
	if (*end != '\0' || (n != 10 && n != 13) || (n == 13 && date[n] != '\0'))
		return (-1);
	*ms = strtoll(date, NULL, 10) * (n == 10 ? 1000 : 1);
	return (0);
}

/* What stands behind the seconds: a fraction, and UTC or nothing; other zones are not ours to convert. */
static int
is_utc(const char *p)
{
	if (*p == '.' || *p == ',')
		p += 1 + strspn(p + 1, "0123456789");
	return (*p == '\0' || strcmp(p, "Z") == 0 || strcmp(p, "+00:00") == 0 || strcmp(p, " UTC") == 0);
}

/* A date that is one, whole: a day, or a time in UTC. */
static json_t *
dated(const char *date)
{
	char text[CLOCK_TEXT_SIZE], back[CLOCK_TEXT_SIZE];
	int64_t ms;
	size_t n = date == NULL ? 0 : strlen(date);

	if (n == 10 && strchr(date, '-') != NULL)
		snprintf(text, sizeof(text), "%.10sT00:00:00.000Z", date);
	else if (n == 24 && date[10] == 'T' && date[23] == 'Z')
		snprintf(text, sizeof(text), "%s", date);
	else if (n >= 19 && (date[10] == 'T' || date[10] == ' ') && is_utc(date + 19))
		snprintf(text, sizeof(text), "%.10sT%.8s.000Z", date, date + 11);
	else if (n > 0 && stamp(date, &ms) == 0)
		clock_text(text, ms);
	else
		return (json_null());
	if (clock_parse(text, &ms) == -1 || strcmp(clock_text(back, ms), text) != 0)
		return (json_null());
	return (json_string(text));
}

json_t *
claim_json(const struct claim *c)
{
	static const char *const forms[] = { "submission", "log", "table" };
	json_t *runs = json_array(), *values = json_array(), *notes = json_array(), *files = json_array();
	char scoring[32];
	size_t i;

	if (c->broken) {
		errno = ENOMEM;
		goto err0;
	}
	for (i = 0; i < c->run_count; i++)
		json_array_append_new(runs, run_json(c, &c->runs[i]));
	for (i = 0; i < c->value_count; i++)
		json_array_append_new(values, value_json(&c->values[i]));
	for (i = 0; i < c->note_count; i++)
		json_array_append_new(notes,
		    json_pack("{s:s, s:s, s:s, s:I}", "flag", defect_name(c->notes[i].flag), "detail",
			c->notes[i].detail, "file", c->notes[i].file, "line", (json_int_t)c->notes[i].line));
	for (i = 0; i < c->file_count; i++)
		json_array_append_new(files,
		    json_pack("{s:s, s:I, s:s}", "file", c->files[i].name, "bytes", (json_int_t)c->files[i].bytes,
			"sha256", c->files[i].sha256));
	if (json_array_size(runs) != c->run_count || json_array_size(values) != c->value_count ||
	    json_array_size(notes) != c->note_count || json_array_size(files) != c->file_count) {
		errno = ENOMEM;
		goto err0;
	}
	return (json_pack("{s:s, s:s, s:s, s:s, s:o, s:n, s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:o, s:s, s:o, s:o,"
			  " s:o, s:o}",
	    "form", forms[c->form], "file", c->file, "content_sha256", c->content, "key_sha256", c->key,
	    "series_sha256", text_or_null(c->series[0] == '\0' ? NULL : c->series), "revises", "title",
	    text_or_null(c->title), "author", text_or_null(c->author), "date", text_or_null(c->date), "dated_at",
	    dated(c->date), "status", text_or_null(c->status), "metric", c->metric, "direction",
	    c->higher ? "higher" : "lower", "score", jsonio_real(claim_number(c, c->score)), "scoring",
	    scoring_text(scoring, c->scoring, c->stride), "runs", runs, "values", values, "flags", notes, "files",
	    files));
err0:
	json_decref(runs);
	json_decref(values);
	json_decref(notes);
	json_decref(files);
	return (NULL);
}
