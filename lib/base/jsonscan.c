#define _DEFAULT_SOURCE /* le64toh */
#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/jsonscan.h"
#include "base/utf8.h"

enum { DEEPEST = 64, DIGITS = 19, SEEN = 16, ROOM = 8 };

struct scan {
	struct jsonscan *s;
	char *p, *end;
};

static const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;

/* Eight bytes, the first of them lowest. */
static uint64_t
word_at(const char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return (le64toh(word));
}

/*
 * The highest bit of each of eight bytes that has it, or is a control, a quote or a backslash; above the lowest of them
 * others may be reported, too.
 */
static uint64_t
special(uint64_t x)
{
	uint64_t quote = x ^ ones * '"', slash = x ^ ones * '\\';

	return ((x | (x - ones * 0x20) | (quote - ones) | (slash - ones)) & highs);
}

/* What a letter after a backslash stands for; NUL: it is declined. */
static char
escaped(char c)
{
	static const char letters[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
	const char *at = c == '\0' ? NULL : strchr(letters, c);

	return (at == NULL ? '\0' : means[at - letters]);
}

/*
 * The quote that ends a string whose text begins at p, or NULL: there is none, or what is declined.  *to gets where
 * its text ends, which is earlier where escapes were put in place.
 */
static char *
string_end(char *p, char *end, char **to)
{
	char *out = p;
	uint64_t bits;
	unsigned char c = 0;
	size_t n;

	while (p < end) {
		for (; end - p >= 8; p += 8, out += 8) {
			if ((bits = special(word_at(p))) != 0) {
				n = (size_t)__builtin_ctzll(bits) / 8;
				if (out != p)
					memmove(out, p, n);
				p += n;
				out += n;
				break;
			}
			if (out != p)
				memmove(out, p, sizeof(bits));
		}
		for (; p < end && (c = (unsigned char)*p) >= 0x20 && c < 0x80 && c != '"' && c != '\\'; p++)
			*out++ = (char)c;
		if (p == end || c < 0x20)
			return (NULL);
		if (c == '"') {
			*to = out;
			return (p);
		}
		if (c == '\\') {
			if (end - p < 2 || (*out++ = escaped(p[1])) == '\0')
				return (NULL);
			p += 2;
			continue;
		}
		if ((n = utf8_read(p, (size_t)(end - p), NULL)) == 0)
			return (NULL);
		for (; n > 0; n--)
			*out++ = *p++;
	}
	return (NULL);
}

static char *
blanks(char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return (p);
}

/* The index of a new token, or -1. */
static int64_t
token(struct jsonscan *s, enum jsonscan_type type)
{
	struct jsonscan_token *grown;

	if (s->count == s->cap) {
		if ((grown = array_room(s->tokens, s->count, &s->cap, sizeof(*grown))) == NULL)
			return (-1);
		s->tokens = grown;
	}
	s->tokens[s->count] = (struct jsonscan_token){ .type = type };
	s->tokens[s->count].next = (uint32_t)s->count + 1;
	return ((int64_t)s->count++);
}

static int
scan_string(struct scan *x)
{
	int64_t at = token(x->s, JSONSCAN_STRING);
	char *to, *end = string_end(x->p + 1, x->end, &to);

	if (at == -1 || end == NULL)
		return (-1);
	*to = '\0';
	x->s->tokens[at].text = x->p + 1;
	x->s->tokens[at].n = (uint32_t)(to - x->p - 1);
	x->p = end + 1;
	return (0);
}

static int
is_digit(char c)
{
	return (c >= '0' && c <= '9');
}

/*
 * A number.  Of a mantissa below 2^53 and a power of ten that a double holds the quotient is the nearest double; for
 * others there is strtod, which what follows a number, and is none, ends.
 */
static int
scan_number(struct scan *x)
{
	static const double tens[] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14,
		1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
	char *p = x->p, *begin;
	int minus = *p == '-', digits = 0, places = 0, real = 0, exponent;
	uint64_t whole = 0;
	double value;
	int64_t at;

	p += minus;
	for (begin = p; p < x->end && is_digit(*p); p++, digits++)
		whole = whole * 10 + (uint64_t)(*p - '0');
	if (digits == 0 || (*begin == '0' && digits > 1))
		return (-1);
	if (p < x->end && *p == '.') {
		real = 1;
		for (p++; p < x->end && is_digit(*p); p++, digits++, places++)
			whole = whole * 10 + (uint64_t)(*p - '0');
		if (places == 0)
			return (-1);
	}
	if (p == x->end || (!real && (digits > DIGITS || whole > INT64_MAX)))
		return (-1);
	if (digits > DIGITS || whole >= (uint64_t)1 << 53)
		real *= 2;
	value = real == 1 ? (double)whole / tens[places] : 0;
	if (*p == 'e' || *p == 'E') {
		real = 2;
		p++;
		p += p < x->end && (*p == '-' || *p == '+');
		for (exponent = 0; p < x->end && is_digit(*p); p++)
			exponent++;
		if (exponent == 0 || p == x->end)
			return (-1);
	}
	if (real == 2) {
		value = strtod(x->p, &begin);
		if (begin != p || !isfinite(value))
			return (-1);
	} else if (minus)
		value = -value;
	if ((at = token(x->s, real ? JSONSCAN_REAL : JSONSCAN_INTEGER)) == -1)
		return (-1);
	if (real)
		x->s->tokens[at].real = value;
	else
		x->s->tokens[at].integer = minus ? -(int64_t)whole : (int64_t)whole;
	x->p = p;
	return (0);
}

static int
scan_word(struct scan *x, const char *word, enum jsonscan_type type)
{
	size_t n = strlen(word);

	if ((size_t)(x->end - x->p) < n || memcmp(x->p, word, n) != 0 || token(x->s, type) == -1)
		return (-1);
	x->p += n;
	return (0);
}

/* Is a key one of the n members before it? Few of those that differ have the same bit in ${seen}. */
static int
is_again(const struct jsonscan *s, uint32_t object, uint32_t n, const struct jsonscan_token *key, uint64_t seen[SEEN])
{
	const struct jsonscan_token *t;
	uint64_t first, last = 0, mixed;
	uint32_t i, k;

	/* After every text there is room for a word. */
	first = word_at(key->text);
	if (key->n < sizeof(first))
		first &= ((uint64_t)1 << 8 * key->n) - 1;
	else
		last = word_at(key->text + key->n - sizeof(last));
	mixed = ((first ^ key->n) * 0x9e3779b97f4a7c15 ^ last) * 0x9e3779b97f4a7c15 >> 54;
	if ((seen[mixed >> 6] >> (mixed & 63) & 1) == 0) {
		seen[mixed >> 6] |= (uint64_t)1 << (mixed & 63);
		return (0);
	}
	for (i = object + 1, k = 0; k < n; k++, i = s->tokens[i + 1].next) {
		t = &s->tokens[i];
		if (t->n == key->n && memcmp(t->text, key->text, key->n) == 0)
			return (1);
	}
	return (0);
}

static int scan_value(struct scan *x, int depth);

static int
scan_list(struct scan *x, int depth, char close)
{
	uint64_t seen[SEEN] = { 0 };
	uint32_t n = 0;
	int64_t at;

	if ((at = token(x->s, close == '}' ? JSONSCAN_OBJECT : JSONSCAN_ARRAY)) == -1)
		return (-1);
	if ((x->p = blanks(x->p + 1, x->end)) < x->end && *x->p == close)
		goto done;
	for (;; x->p++, n++) {
		if (close == '}') {
			if ((x->p = blanks(x->p, x->end)) == x->end || *x->p != '"' || scan_string(x) == -1 ||
			    is_again(x->s, (uint32_t)at, n, &x->s->tokens[x->s->count - 1], seen) ||
			    (x->p = blanks(x->p, x->end)) == x->end || *x->p++ != ':')
				return (-1);
		}
		if (scan_value(x, depth + 1) == -1 || (x->p = blanks(x->p, x->end)) == x->end)
			return (-1);
		if (*x->p != ',')
			break;
	}
	n++;
	if (*x->p != close)
		return (-1);
done:
	if (x->p == x->end)
		return (-1);
	x->p++;
	x->s->tokens[at].n = n;
	x->s->tokens[at].next = (uint32_t)x->s->count;
	return (0);
}

static int
scan_value(struct scan *x, int depth)
{
	if ((x->p = blanks(x->p, x->end)) == x->end || depth == DEEPEST)
		return (-1);
	switch (*x->p) {
	case '"':
		return (scan_string(x));
	case '{':
		return (scan_list(x, depth, '}'));
	case '[':
		return (scan_list(x, depth, ']'));
	case 't':
		return (scan_word(x, "true", JSONSCAN_TRUE));
	case 'f':
		return (scan_word(x, "false", JSONSCAN_FALSE));
	case 'n':
		return (scan_word(x, "null", JSONSCAN_NULL));
	default:
		return (scan_number(x));
	}
}

int
jsonscan_text(struct jsonscan *s, const char *text, size_t n)
{
	struct scan x = { .s = s };
	char *grown;

	s->count = 0;
	if (n >= UINT32_MAX / 2)
		return (-1);
	if (n + ROOM > s->text_cap) {
		if ((grown = realloc(s->text, n + n / 2 + ROOM)) == NULL)
			return (-1);
		s->text = grown;
		s->text_cap = n + n / 2 + ROOM;
	}
	memcpy(s->text, text, n);
	memset(s->text + n, 0, ROOM);
	x.p = s->text;
	x.end = s->text + n;
	if (scan_value(&x, 0) == -1 || blanks(x.p, x.end) != x.end || s->tokens[0].type > JSONSCAN_ARRAY)
		return (-1);
	return (0);
}

void
jsonscan_free(struct jsonscan *s)
{
	free(s->text);
	free(s->tokens);
	*s = (struct jsonscan)JSONSCAN_INIT;
}

static int
is_key(const struct jsonscan_token *t, const char *key, size_t n)
{
	return (t->n == n && memcmp(t->text, key, n) == 0);
}

const struct jsonscan_token *
jsonscan_member(const struct jsonscan *s, const struct jsonscan_token *object, const char *key, uint32_t *at)
{
	uint32_t first, i, end;
	size_t n = strlen(key);

	if (object == NULL || object->type != JSONSCAN_OBJECT)
		return (NULL);
	first = (uint32_t)(object - s->tokens) + 1;
	end = object->next;
	if (*at > first && *at < end && is_key(&s->tokens[*at], key, n))
		i = *at;
	else
		for (i = first; i < end && !is_key(&s->tokens[i], key, n); i = s->tokens[i + 1].next)
			;
	if (i >= end)
		return (NULL);
	*at = s->tokens[i + 1].next;
	return (&s->tokens[i + 1]);
}

static json_t *
tree(const struct jsonscan *s, uint32_t at)
{
	const struct jsonscan_token *t = &s->tokens[at];
	json_t *v;
	uint32_t i;
	int rc = 0;

	switch (t->type) {
	case JSONSCAN_STRING:
		return (json_stringn_nocheck(t->text, t->n));
	case JSONSCAN_INTEGER:
		return (json_integer(t->integer));
	case JSONSCAN_REAL:
		return (json_real(t->real));
	case JSONSCAN_TRUE:
		return (json_true());
	case JSONSCAN_FALSE:
		return (json_false());
	case JSONSCAN_NULL:
		return (json_null());
	case JSONSCAN_ARRAY:
		v = json_array();
		for (i = at + 1; v != NULL && i < t->next && rc == 0; i = s->tokens[i].next)
			rc = json_array_append_new(v, tree(s, i));
		break;
	case JSONSCAN_OBJECT:
	default:
		v = json_object();
		for (i = at + 1; v != NULL && i < t->next && rc == 0; i = s->tokens[i + 1].next)
			rc = json_object_setn_new_nocheck(v, s->tokens[i].text, s->tokens[i].n, tree(s, i + 1));
		break;
	}
	if (rc == 0)
		return (v);
	json_decref(v);
	return (NULL);
}

json_t *
jsonscan_tree(const struct jsonscan *s)
{
	return (tree(s, 0));
}

const struct jsonscan_token *
jsonscan_get(const struct jsonscan *s, const char *path)
{
	const struct jsonscan_token *t = s->tokens;
	uint32_t i, end;
	size_t n;

	for (;;) {
		if (t->type != JSONSCAN_OBJECT)
			return (NULL);
		n = strcspn(path, ".");
		end = t->next;
		for (i = (uint32_t)(t - s->tokens) + 1; i < end && !is_key(&s->tokens[i], path, n);
		     i = s->tokens[i + 1].next)
			;
		if (i >= end)
			return (NULL);
		t = &s->tokens[i + 1];
		if (path[n] == '\0')
			return (t);
		path += n + 1;
	}
}

json_t *
jsonscan_value(const struct jsonscan *s, const struct jsonscan_token *t)
{
	return (tree(s, (uint32_t)(t - s->tokens)));
}
