#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/hash.h"
#include "base/utf8.h"
#include "import/number.h"
#include "import/repeats.h"

/* --- what a text says ------------------------------------------------------- */

enum { TEXT = 240 };

/* A description without seeds and without words that say that something is run again. */
struct said {
	char rest[TEXT]; /* what is left, in lower case, one blank between words */
	long seed;       /* -1: none is named */
	int seeded;      /* it speaks of a seed */
	int again;       /* it says that something is run again */
	int unchanged;   /* that nothing was changed */
	int baseline;
	int ref;    /* index of an earlier line that it names, or -1 */
	int refs;   /* how many different ones */
	int stated; /* it says what came out, which is left out of the rest */
	int plain;  /* it fitted, and what came out is not what tells it from others */
};

static int
is_among(const char *word, const char *const *among)
{
	for (; *among != NULL && strcmp(*among, word) != 0; among++)
		;
	return (*among != NULL);
}

static int
is_index(const char *text)
{
	return (*text != '\0' && strspn(text, "0123456789") == strlen(text));
}

/* What an earlier line is found by. */
enum by { BY_ID, BY_NUMBER, BY_COMMIT, BY_HASH, BY_SETTINGS, BY_TEXT, BY_ID_TEXT, BYS };

/* The lines up to here that count, each in the chains of all that it is found by; by index + 1, 0 ends them. */
struct search {
	const struct loop *l;
	struct said *text, *id; /* of each line */
	struct hash last[BYS];
	size_t (*before)[BYS];
};

static size_t
last_by(const struct search *s, enum by by, uint64_t hash)
{
	size_t at = 0, *last = hash_find(&s->last[by], hash, &at);

	return (last == NULL ? 0 : *last);
}

static size_t
before(const struct search *s, enum by by, size_t line)
{
	return (s->before[line - 1][by]);
}

/* Of ${n} bytes, whatever their case. */
static uint64_t
hash_lower(const char *text, size_t n)
{
	uint64_t hash = HASH_START;
	size_t i;
	char c;

	for (i = 0; i < n; i++) {
		c = (char)tolower((unsigned char)text[i]);
		hash = hash_bytes(hash, &c, 1);
	}
	return (hash);
}

enum { COMMIT_LEAST = 6, NUMBER_LEAST = 3 };

/* "0004" of "0004_deep": its length; 0: it has none. */
static size_t
number_before(const char *id)
{
	size_t n = strspn(id, "0123456789");

	return (n > 0 && (id[n] == '_' || id[n] == '-') ? n : 0);
}

static int
remember(struct search *s, enum by by, size_t line, uint64_t hash)
{
	size_t at = 0, *last = hash_find(&s->last[by], hash, &at);

	if (last == NULL)
		return (hash_add(&s->last[by], hash, line));
	s->before[line - 1][by] = *last;
	*last = line;
	return (0);
}

/* From now on a line is found by what it has. */
static int
remember_line(struct search *s, size_t i)
{
	const struct claimrow *e = s->l->line[i].entry;
	const struct said *text = &s->text[i], *id = &s->id[i];
	size_t line = i + 1, n = number_before(e->id);
	int bad = 0;

	if (*e->id != '\0')
		bad |= remember(s, BY_ID, line, hash_lower(e->id, strlen(e->id)));
	if (n >= NUMBER_LEAST)
		bad |= remember(s, BY_NUMBER, line, hash_lower(e->id, n));
	if (strlen(e->commit) >= COMMIT_LEAST)
		bad |= remember(s, BY_COMMIT, line, hash_lower(e->commit, COMMIT_LEAST));
	if (*e->hash != '\0')
		bad |= remember(s, BY_HASH, line, hash_text(e->hash));
	if (*e->seed != '\0')
		bad |= remember(s, BY_SETTINGS, line, hash_text(e->settings));
	if (text->plain)
		bad |= remember(s, BY_TEXT, line, hash_text(text->rest));
	if (id->plain)
		bad |= remember(s, BY_ID_TEXT, line, hash_text(id->rest));
	return (bad);
}

/* The last line with that id, or whose id begins with it as its number ("0004_deep"); or with that commit. */
static int
named_line(const struct search *s, const char *word, int numbers)
{
	const struct loop_line *line = s->l->line;
	size_t i = 0, k = 0, n = strlen(word);
	int found = -1;

	if (n == 0 || (is_index(word) && !numbers && n < NUMBER_LEAST))
		return (-1);
	if (!is_index(word) || numbers || n > NUMBER_LEAST)
		for (i = last_by(s, BY_ID, hash_lower(word, n)); i > 0; i = before(s, BY_ID, i))
			if (strcasecmp(line[i - 1].entry->id, word) == 0)
				break;
	if (is_index(word) && n >= NUMBER_LEAST)
		for (k = last_by(s, BY_NUMBER, hash_lower(word, n)); k > 0; k = before(s, BY_NUMBER, k))
			if (strncmp(line[k - 1].entry->id, word, n) == 0 && number_before(line[k - 1].entry->id) == n)
				break;
	if (i > 0 || k > 0)
		return ((int)(i > k ? i : k) - 1);
	/* A commit names a configuration only where it is that of one alone. */
	if (!claim_is_commit(word) || n <= COMMIT_LEAST || strpbrk(word, "0123456789") == NULL)
		return (-1);
	for (i = last_by(s, BY_COMMIT, hash_lower(word, COMMIT_LEAST)); i > 0; i = before(s, BY_COMMIT, i)) {
		if (strncasecmp(line[i - 1].entry->commit, word, n) != 0)
			continue;
		if (found != -1 && line[found].config != line[i - 1].config)
			return (-1);
		found = (int)i - 1;
	}
	return (found);
}

/* Bytes up to what parts words. */
static size_t
word_length(const char *text)
{
	size_t n = 0;

	while (text[n] != '\0' && strchr(" \t\n,;:()[]{}\"'=#/", text[n]) == NULL && utf8_punctuation(text + n) == 0)
		n++;
	return (n);
}

/* Is a word a line's own score, as people write it: "~142K", "956ms" of microseconds, "93.4%"? */
static int
is_score(const char *word, double score)
{
	static const double thousands[] = { 1e-9, 1e-6, 1e-3, 1, 1e3, 1e6, 1e9 };
	size_t n, digits, i;
	struct number f;
	double x;

	word += strspn(word, "~+<>=");
	n = strspn(word, "0123456789.");
	if (isnan(score) || n == 0 || isnan((f = number_read(word, n, NUMBER_ANY)).number) || f.number == 0)
		return (0);
	for (digits = 0, i = strspn(word, "0."); i < n; i++)
		digits += word[i] != '.';
	if (digits < 3)
		return (0);
	/* What follows the digits may be a thousand, or a unit that is one. */
	for (i = 0; i < sizeof(thousands) / sizeof(thousands[0]); i++) {
		x = thousands[i];
		if ((x == 1 || isalpha((unsigned char)word[n])) &&
		    fabs(f.number * x - fabs(score)) <= 0.51 * f.unit * x)
			return (1);
	}
	return (word[n] == '%' && fabs(f.number - 100 * fabs(score)) <= 0.51 * f.unit);
}

/* ${search} finds the lines that it names; NULL: it names none.  ${score} is the line's own. */
static void
read_text(struct said *s, const struct search *search, const char *text, double score)
{
	static const char *const again[] = { "rerun", "reruns", "repeat", "repeats", "repeated", "replicate",
		"replicates", "replication", "confirm", "confirms", "confirmed", "confirming", "confirmation", "again",
		"variance", "noise", "reproduce", "reproduces", "reproduced", "reproduction", "retest", "remeasure",
		"same", "identical", "rebaseline", NULL };
	static const char *const neutral[] = { "run", "runs", "of", "the", "a", "an", "check", "test", "nothing",
		"changed", "change", "changes", "no", "code", "unchanged", "number", "with", "for", "at", "on", "to",
		"new", "best", "state", "config", "configuration", "current", "previous", "last", "another",
		"different", "random", "from", "only", "exact", "exactly", "as", "and", "re", "kept", "this", "by",
		"result", "measurement", "measure", "verify", "verification", "sanity", "estimate", "floor", "rng",
		"set", "using", "exp", "line", "iter", "iteration", "x", "out", "fresh", "extra", NULL };
	static const char *const nouns[] = { "run", "exp", "line", "iter", "iteration", "id", NULL };
	char word[64];
	size_t n, k, rest = 0;
	int after_seed = 0, after_noun = 0, after_no = 0, negative, ref, digits;
	const char *p;

	memset(s, 0, sizeof(*s));
	s->seed = s->ref = -1;
	s->plain = 1;
	while (*text != '\0') {
		/* Words for names of lines keep their joints. */
		n = word_length(text);
		if (n == 0) {
			if (*text == '#')
				after_noun = 1;
			text += (k = utf8_punctuation(text)) > 0 ? k : 1;
			continue;
		}
		if (n >= sizeof(word)) {
			s->plain = 0;
			return;
		}
		for (k = 0; k < n; k++)
			word[k] = (char)tolower((unsigned char)text[k]);
		word[n] = '\0';
		text += n;
		while (n > 1 && (word[n - 1] == '.' || word[n - 1] == '!'))
			word[--n] = '\0';
		if (!after_seed && search != NULL && (ref = named_line(search, word, after_noun)) != -1) {
			if (s->ref == -1 || s->ref != ref)
				s->refs++;
			s->ref = ref;
			after_seed = after_noun = 0;
			continue;
		}
		/* Its parts: "seed_42", "re-run", "0003_wide_seed42". */
		for (p = word; *p != '\0';) {
			char part[64];

			negative = *p == '-' && isdigit((unsigned char)p[1]) && p == word;
			k = negative ? 1 + strcspn(p + 1, "_-") : strcspn(p, "_-");
			if (k == 0) {
				p++;
				continue;
			}
			memcpy(part, p, k);
			part[k] = '\0';
			p += k;
			digits = is_index(part);
			if (after_seed == 0 && !(after_noun && digits) && is_score(part, score)) {
				/* Texts that agree in what came out agree by that, and not in what was run. */
				s->stated = 1;
				continue;
			}
			if (strncmp(part, "seed", 4) == 0 &&
			    (part[4] == '\0' || (part[4] == 's' && part[5] == '\0') || is_index(part + 4))) {
				s->seeded = 1;
				after_seed = part[4] != '\0' && part[4] != 's' ? 0 : 2;
				if (is_index(part + 4))
					s->seed = strtol(part + 4, NULL, 10);
			} else if (after_seed > 0 && digits) {
				s->seed = strtol(part, NULL, 10);
				after_seed = 1;
			} else if (after_seed > 0 && (strcmp(part, "to") == 0 || strcmp(part, "is") == 0))
				;
			else if (strcmp(part, "baseline") == 0) {
				s->baseline = 1;
				after_seed = 0;
			} else if (!after_no && is_among(part, again)) {
				s->again = 1;
				after_seed = 0;
			} else if (is_among(part, neutral)) {
				if (strcmp(part, "unchanged") == 0 ||
				    (after_no && (strncmp(part, "change", 6) == 0 || strcmp(part, "code") == 0)))
					s->unchanged = 1;
				if (strcmp(part, "re") == 0 && *p != '\0')
					s->again = 1;
				after_seed = 0;
			} else {
				if (rest + k + 2 > sizeof(s->rest)) {
					s->plain = 0;
					return;
				}
				if (rest > 0)
					s->rest[rest++] = ' ';
				memcpy(s->rest + rest, part, k + 1);
				rest += k;
				after_seed = 0;
			}
			after_no = strcmp(part, "no") == 0 || strcmp(part, "nothing") == 0 ||
			    (after_no && strcmp(part, "code") == 0);
			after_noun = is_among(part, nouns);
		}
	}
	if (s->stated && !s->again)
		s->plain = 0;
}

/* --- what repeats what ------------------------------------------------------ */

/* Was another configuration than that of line ${from} kept after it and before ${to}? */
static int
kept_between(const struct loop *l, size_t from, size_t to)
{
	size_t i;

	for (i = from + 1; i < to; i++)
		if (l->line[i].entry->status == 'k' && l->line[i].counts && l->line[i].config != l->line[from].config)
			return (1);
	return (0);
}

static int
last_kept(const struct loop *l, size_t at)
{
	while (at-- > 0)
		if (l->line[at].counts && l->line[at].entry->status == 'k')
			return ((int)at);
	return (-1);
}

static int
line_before(size_t at)
{
	return (at == 0 ? -1 : (int)at - 1);
}

/* Of lines whose text, or id, is the same without seeds, the last; -1: none. */
static int
same_text(const struct search *find, size_t at, enum by by)
{
	const struct loop *l = find->l;
	const struct said *all = by == BY_TEXT ? find->text : find->id, *s = &all[at], *t;
	const struct claimrow *e = l->line[at].entry, *f;
	size_t line, i;

	if (s->rest[0] == '\0' || !s->plain || s->refs > 0)
		return (-1);
	for (line = last_by(find, by, hash_text(s->rest)); line > 0; line = before(find, by, line)) {
		i = line - 1;
		f = l->line[i].entry;
		t = &all[i];
		if (strcmp(t->rest, s->rest) != 0)
			continue;
		if (s->seed != -1 && s->seed == t->seed)
			continue;
		if (strcmp(f->hash, e->hash) != 0 || s->stated != t->stated)
			continue;
		if (s->stated && kept_between(l, i, at))
			return (-1);
		/* One of them has to say that it is one of several. */
		if (!s->seeded && !s->again && !t->seeded) {
			if (by == BY_ID_TEXT || e->named_by_id || strcmp(e->commit, f->commit) != 0 ||
			    strcmp(e->settings, f->settings) != 0)
				return (-1);
			return (kept_between(l, i, at) ? -1 : (int)i);
		}
		if (kept_between(l, i, at) && f->status != 'k')
			return (-1);
		return ((int)i);
	}
	return (-1);
}

/* Does an id say more than a letter and a number? */
static int
has_words(const char *text)
{
	size_t n;

	for (; *text != '\0'; text += n == 0 ? 1 : n) {
		for (n = 0; isalpha((unsigned char)text[n]); n++)
			;
		if (n >= 3)
			return (1);
	}
	return (0);
}

static int
repeated_by(const struct search *find, size_t at)
{
	const struct loop *l = find->l;
	const struct said *text = find->text, *id = find->id, *s = &text[at];
	const struct claimrow *e = l->line[at].entry, *f;
	size_t line, i;
	int found, kept;

	if (e->hash[0] != '\0') {
		for (line = last_by(find, BY_HASH, hash_text(e->hash)); line > 0; line = before(find, BY_HASH, line))
			if (strcmp(l->line[line - 1].entry->hash, e->hash) == 0)
				return ((int)line - 1);
		return (-1);
	}
	if (e->seed[0] != '\0' && e->settings[0] != '\0') {
		for (line = last_by(find, BY_SETTINGS, hash_text(e->settings)); line > 0;
		     line = before(find, BY_SETTINGS, line)) {
			i = line - 1;
			f = l->line[i].entry;
			if (strcmp(f->settings, e->settings) == 0 && strcmp(f->seed, e->seed) != 0 &&
			    strcmp(text[i].rest, s->rest) == 0 &&
			    (!has_words(id[at].rest) || strcmp(id[i].rest, id[at].rest) == 0))
				return ((int)i);
		}
	}
	if (s->plain && s->rest[0] == '\0' && (s->seeded || s->again)) {
		kept = last_kept(l, at);
		if (s->refs == 1)
			return (s->ref);
		if (s->refs > 1)
			return (-1);
		if (s->baseline) {
			/* Once others were kept it may mean the state that is the baseline now. */
			if (kept != -1 && l->line[kept].config != l->line[l->start].config &&
			    fabs(l->line[at].score - l->line[kept].score) <
				fabs(l->line[at].score - l->line[l->start].score))
				return (-1);
			for (i = at; i-- > 0;)
				if (l->line[i].counts && text[i].baseline && text[i].rest[0] == '\0' && !text[i].again)
					return ((int)i);
			return (l->start != -1 && (size_t)l->start < at ? l->start : -1);
		}
		if (e->parent[0] != '\0')
			return (named_line(find, e->parent, 1));
		found = line_before(at);
		/* After a line that was discarded "rerun" may mean either; what changed nothing is what was kept. */
		if (kept != -1 &&
		    (s->unchanged || (s->seeded && !s->again) ||
			(found != -1 && l->line[found].config == l->line[kept].config && l->line[found].counts)))
			return (kept);
		return (-1);
	}
	if ((found = same_text(find, at, BY_TEXT)) != -1)
		return (found);
	return (id[at].seeded ? same_text(find, at, BY_ID_TEXT) : -1);
}

/* An earlier line with the same commit and the same digits; -1: none. */
static int
twin_of(const struct search *s, size_t at)
{
	const struct loop_line *w = &s->l->line[at], *v;
	const char *commit = w->entry->commit;
	size_t i;

	if (!claim_is_commit(commit) || w->entry->digits < 3)
		return (-1);
	for (i = last_by(s, BY_COMMIT, hash_lower(commit, COMMIT_LEAST)); i > 0; i = before(s, BY_COMMIT, i)) {
		v = &s->l->line[i - 1];
		if (v->score == w->score && strcmp(v->entry->commit, commit) == 0)
			return ((int)i - 1);
	}
	return (-1);
}

int
repeats_text(struct str *out, const struct claimrow *e, enum loop_rerun how)
{
	switch (how) {
	case LOOP_RERUN_ID:
		return (str_printf(out, "rerun of %s%s", is_index(e->id) ? "run " : "", e->id));
	case LOOP_RERUN_COMMIT:
		return (str_printf(out, "rerun of %s", e->commit));
	default:
		return (str_puts(out, e->title));
	}
}

/* Is that text, in a line that is added below all others, taken for the configuration of this one? 1, 0 or -1. */
static int
is_taken_for(struct search *s, const struct loop_line *w, enum loop_rerun how)
{
	char none[] = "";
	struct str text = STR_INIT;
	struct claimrow added = { .id = none,
		.parent = none,
		.seed = none,
		.settings = none,
		.commit = none,
		.hash = w->entry->hash };
	size_t n = s->l->count;
	int found = -1;

	if (how == LOOP_RERUN_COMMIT ? !claim_is_commit(w->entry->commit) :
				       *(how == LOOP_RERUN_ID ? w->entry->id : w->entry->title) == '\0')
		return (0);
	if (repeats_text(&text, w->entry, how) == -1 || str_puts(&text, " seed=1") == -1) {
		str_free(&text);
		return (-1);
	}
	s->l->line[n].entry = &added;
	s->l->line[n].score = w->score;
	read_text(&s->text[n], s, text.p, w->score);
	if (strpbrk(text.p, "\t\n\r\"") == NULL)
		found = repeated_by(s, n);
	s->l->line[n].entry = NULL;
	str_free(&text);
	return (found != -1 && s->l->line[found].counts && s->l->line[found].config == w->config);
}

/* How kept lines can be named. */
static int
find_reruns(struct search *s, struct loop *l)
{
	struct loop_line *w;
	size_t i;
	int how, is;

	for (i = 0; i < l->count; i++) {
		w = &l->line[i];
		w->reruns = 0;
		for (how = 0; how < LOOP_RERUNS && w->counts && w->entry->status == 'k'; how++) {
			if ((is = is_taken_for(s, w, (enum loop_rerun)how)) == -1)
				return (-1);
			w->reruns |= (unsigned)is << how;
		}
	}
	return (0);
}

int
repeats_find(struct loop *l)
{
	struct search s = { .l = l };
	struct loop_line *w;
	size_t i, n;
	int by, rc = -1;

	s.text = calloc(l->count + 1, sizeof(*s.text));
	s.id = calloc(l->count + 1, sizeof(*s.id));
	s.before = calloc(l->count + 1, sizeof(*s.before));
	if (s.text == NULL || s.id == NULL || s.before == NULL)
		goto out;
	l->config_count = 0;
	for (i = 0; i < l->count; i++) {
		w = &l->line[i];
		/* A line's own name speaks of no other, though another may have it. */
		read_text(&s.text[i], strcasecmp(w->entry->title, w->entry->id) == 0 ? NULL : &s, w->entry->title,
		    w->score);
		/* "0003_wide" is wide. */
		n = number_before(w->entry->id);
		read_text(&s.id[i], NULL, w->entry->id + (n > 0 ? n + 1 : 0), NAN);
		w->repeats = w->twin = w->before = -1;
		w->config = -1;
		w->why = "";
		w->gain = w->lower = w->p = NAN;
		if (!w->counts)
			continue;
		if (l->start == -1)
			l->start = (int)i;
		if ((w->repeats = repeated_by(&s, i)) != -1 && !l->line[w->repeats].counts)
			w->repeats = -1;
		if (w->repeats != -1)
			w->config = l->line[w->repeats].config;
		else if ((w->twin = twin_of(&s, i)) != -1) {
			w->config = l->line[w->twin].config;
			l->twins++;
		} else
			w->config = (int)l->config_count++;
		if (remember_line(&s, i) == -1)
			goto out;
	}
	rc = find_reruns(&s, l);
out:
	for (by = 0; by < BYS; by++)
		hash_free(&s.last[by]);
	free(s.before);
	free(s.text);
	free(s.id);
	return (rc);
}
