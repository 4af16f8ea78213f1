#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/jsonio.h"
#include "base/jsonscan.h"
#include "base/say.h"
#include "base/str.h"

/* The tokens of larger files would stay in memory. */
enum { SCANNED = 256 << 10 };

enum form { PRETTY, LINE, CANONICAL };

/* Short of memory the parser may call a token invalid, so that its own word can't be taken for what is wrong. */
static int starved;

static void *
noting_malloc(size_t n)
{
	void *p = malloc(n);

	if (p == NULL)
		starved = 1;
	return (p);
}

static json_t *
fast(const char *text, size_t n)
{
	static struct jsonscan scan = JSONSCAN_INIT;

	return (n <= SCANNED && jsonscan_text(&scan, text, n) == 0 ? jsonscan_tree(&scan) : NULL);
}

json_t *
jsonio_try(const char *text, size_t n)
{
	json_t *v = fast(text, n);

	return (v != NULL ? v : json_loadb(text, n, 0, NULL));
}

json_t *
jsonio_parse(const char *text, size_t n, const char *what)
{
	enum { ROOM = 120 << 10 }; /* less than malloc gives back at once */
	char *volatile room;
	json_error_t error;
	json_t *v;

	json_set_alloc_funcs(noting_malloc, free);
	/* Of what this declines the parser says what is wrong, if anything is. */
	if ((v = fast(text, n)) != NULL)
		return (v);
	/* jansson scans past its text where memory runs out; what is freed here stays with the heap, and is found. */
	room = malloc(n < ROOM / 16 ? 16 * n + 1 : ROOM);
	starved = room == NULL;
	free(room);
	v = starved ? NULL : json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	if (v == NULL) {
		if (starved) {
			errno = ENOMEM;
			say_errno("cannot read '%s'", what);
		} else {
			say_error("'%s' is not JSON: line %d, column %d: %s", what, error.line, error.column,
			    error.text);
			errno = EBADMSG;
		}
	}
	return (v);
}

int
jsonio_read(int dirfd, const char *name, size_t max_bytes, char *text_sha256, json_t **out)
{
	char *text;
	size_t n;
	int error;

	if ((text = file_read(dirfd, name, max_bytes, &n)) == NULL) {
		if (errno != ENOENT)
			say_errno("cannot read '%s'", name);
		return (-1);
	}
	if (text_sha256 != NULL && sha256_hex(text, n, text_sha256) == -1)
		goto err0;
	if ((*out = jsonio_parse(text, n, name)) == NULL)
		goto err0;
	free(text);
	return (0);
err0:
	error = errno;
	free(text);
	errno = error;
	return (-1);
}

/* One more in the last place of d[.ddd]e[+-]dd; 0, or -1 if that takes another place in front. */
static int
next_decimal(char *digits)
{
	char *p = strchr(digits, 'e');

	while (p != digits) {
		p--;
		if (*p >= '0' && *p < '9') {
			(*p)++;
			return (0);
		}
		if (*p == '9')
			*p = '0';
	}
	return (-1);
}

/* The digits after the point of d.ddde[+-]dd that are not the zeros at its end. */
static int
fewest(const char *digits)
{
	const char *point = strchr(digits, '.'), *e = strchr(point, 'e');

	while (e[-1] == '0')
		e--;
	return ((int)(e - point) - 1);
}

/*
 * A number of at most 15 digits, none of them beyond the 22nd place: its digits, which come back as it since both they
 * and the power of ten are exact and one division rounds right, and how many stand behind the point.  -1 if it is none.
 */
static int
few_digits(double x, int64_t *digits)
{
	static const double tens[] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14,
		1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
	size_t places;

	for (places = 0; places < sizeof(tens) / sizeof(tens[0]) && x * tens[places] < 1e15; places++) {
		*digits = (int64_t)(x * tens[places] + 0.5);
		if ((double)*digits / tens[places] == x)
			return ((int)places);
	}
	return (-1);
}

/* The digits of n, without a NUL; how many. */
static int
put_digits(char *text, uint64_t n)
{
	char back[20];
	int count = 0, i;

	do
		back[count++] = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	for (i = 0; i < count; i++)
		text[i] = back[count - 1 - i];
	return (count);
}

/* A number that few_digits knows and that is written without an exponent; 0 if it is none. */
static int
put_few(char *text, double x)
{
	char digits[20];
	int64_t n;
	int places, count, at = 0;

	if (!(fabs(x) >= 1e-6) || (places = few_digits(fabs(x), &n)) == -1)
		return (0);
	if (x < 0)
		text[at++] = '-';
	count = put_digits(digits, (uint64_t)n);
	if (count <= places) {
		text[at++] = '0';
		text[at++] = '.';
		memset(text + at, '0', (size_t)(places - count));
		at += places - count;
		memcpy(text + at, digits, (size_t)count);
		at += count;
	} else {
		memcpy(text + at, digits, (size_t)(count - places));
		at += count - places;
		if (places != 0) {
			text[at++] = '.';
			memcpy(text + at, digits + count - places, (size_t)places);
			at += places;
		}
	}
	text[at] = '\0';
	return (1);
}

char *
jsonio_number(char text[JSONIO_NUMBER_SIZE], double x)
{
	char digits[40], *e;
	int precision, n, exponent, i, at = 0, power;

	if (x == 0) {
		strcpy(text, "0");
		return (text);
	}
	if (put_few(text, x))
		return (text);
	/*
	 * Where 15 digits tell a number they are the only ones that do, and without their last zeros the fewest; less
	 * than that is told by numbers that are not normal.
	 */
	precision = 0;
	if (fabs(x) > 1e-290) {
		snprintf(digits, sizeof(digits), "%.14e", x);
		precision = strtod(digits, NULL) == x ? fewest(digits) : 15;
	}
	for (; precision < 17; precision++) {
		snprintf(digits, sizeof(digits), "%.*e", precision, x);
		if (strtod(digits, NULL) == x)
			break;
		/* Doubles lie closer below a power of two than above: if the nearest decimal fails, the next may do. */
		if (fabs(frexp(x, &power)) == 0.5 && next_decimal(digits) == 0 && strtod(digits, NULL) == x)
			break;
	}
	if (x < 0)
		text[at++] = '-';
	/* digits: [-]d[.ddd]e[+-]dd -> the digit string and where the point goes */
	e = strchr(digits, 'e');
	exponent = atoi(e + 1);
	*e = '\0';
	e = digits + (x < 0);
	if (e[1] == '.')
		memmove(e + 1, e + 2, strlen(e + 2) + 1);
	n = (int)strlen(e);
	if (exponent >= 0 && exponent < 21) {
		for (i = 0; i < n || i <= exponent; i++) {
			if (i == exponent + 1)
				text[at++] = '.';
			text[at++] = i < n ? e[i] : '0';
		}
		text[at] = '\0';
	} else if (exponent < 0 && exponent >= -6) {
		text[at++] = '0';
		text[at++] = '.';
		for (i = -1; i > exponent; i--)
			text[at++] = '0';
		strcpy(text + at, e);
	} else {
		text[at++] = e[0];
		if (n > 1) {
			text[at++] = '.';
			memcpy(text + at, e + 1, (size_t)n - 1);
			at += n - 1;
		}
		sprintf(text + at, "e%c%d", exponent < 0 ? '-' : '+', abs(exponent));
	}
	return (text);
}

static int
put_char(struct str *s, char c)
{
	if (str_room(s, 1) == -1)
		return (-1);
	s->p[s->n++] = c;
	s->p[s->n] = '\0';
	return (0);
}

/* What is not plain in a string, after a backslash. */
static int
put_escape(struct str *s, char c)
{
	static const char letters
	    [] = { ['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r' };
	const char text[2] = { '\\', letters[(unsigned char)c] };

	return (text[1] == '\0' ? str_printf(s, "\\u%04x", (unsigned)c) : str_add(s, text, sizeof(text)));
}

static int
put_string(struct str *s, const char *p, size_t n)
{
	const char *end = p + n;
	char *to;

	if (str_room(s, n + 2) == -1)
		return (-1);
	s->p[s->n++] = '"';
	for (;; p++) {
		for (to = s->p + s->n; p < end && (unsigned char)*p >= 0x20 && *p != '"' && *p != '\\'; p++)
			*to++ = *p;
		s->n = (size_t)(to - s->p);
		if (p == end)
			return (put_char(s, '"'));
		if (put_escape(s, *p) == -1 || str_room(s, (size_t)(end - p) + 1) == -1)
			return (-1);
	}
}

struct jsonio_member {
	const char *key;
	const json_t *value;
};

/* UTF-8 order is code point order; in UTF-16 what is above U+FFFF sorts below U+E000..U+FFFF. */
int
jsonio_order(const char *a, const char *b)
{
	const unsigned char *p = (const unsigned char *)a, *q = (const unsigned char *)b;

	while (*p != '\0' && *p == *q)
		p++, q++;
	if (*p >= 0xf0 && (*q == 0xee || *q == 0xef))
		return (-1);
	if (*q >= 0xf0 && (*p == 0xee || *p == 0xef))
		return (1);
	return ((int)*p - (int)*q);
}

static int
by_key(const void *a, const void *b)
{
	return (jsonio_order(((const struct jsonio_member *)a)->key, ((const struct jsonio_member *)b)->key));
}

static int put(struct str *s, const json_t *v, enum form form, int depth);

static int
newline(struct str *s, enum form form, int depth)
{
	if (form != PRETTY)
		return (0);
	return (str_printf(s, "\n%*s", 2 * depth, ""));
}

static int
put_object(struct str *s, const json_t *v, enum form form, int depth)
{
	size_t n = json_object_size(v), i = 0;
	struct jsonio_member *members;
	const char *key;
	json_t *member;
	int rc;

	if (n == 0)
		return (str_puts(s, "{}"));
	if ((members = malloc(n * sizeof(*members))) == NULL)
		return (-1);
	/* jansson's iteration is in insertion order. */
	json_object_foreach((json_t *)(uintptr_t)v, key, member)
		members[i++] = (struct jsonio_member){ key, member };
	if (form == CANONICAL)
		qsort(members, n, sizeof(*members), by_key);
	rc = put_char(s, '{');
	for (i = 0; i < n && rc == 0; i++) {
		if (i != 0)
			rc = form == LINE ? str_puts(s, ", ") : put_char(s, ',');
		if (rc == 0)
			rc = newline(s, form, depth + 1);
		if (rc == 0)
			rc = put_string(s, members[i].key, strlen(members[i].key));
		if (rc == 0)
			rc = form == CANONICAL ? put_char(s, ':') : str_puts(s, ": ");
		if (rc == 0)
			rc = put(s, members[i].value, form, depth + 1);
	}
	free(members);
	if (rc == 0)
		rc = newline(s, form, depth);
	return (rc == 0 ? str_puts(s, "}") : -1);
}

/* Arrays of plain numbers or strings stand on one line also in the indented form. */
static int
flat(const json_t *v)
{
	size_t i;

	for (i = 0; i < json_array_size(v); i++)
		if (json_is_object(json_array_get(v, i)) || json_is_array(json_array_get(v, i)))
			return (0);
	return (1);
}

static int
put_array(struct str *s, const json_t *v, enum form form, int depth)
{
	size_t n = json_array_size(v), i;
	enum form inner = form == PRETTY && flat(v) ? LINE : form;
	int rc = str_puts(s, "[");

	for (i = 0; i < n && rc == 0; i++) {
		if (i != 0)
			rc = str_puts(s, inner == LINE ? ", " : ",");
		if (rc == 0)
			rc = newline(s, inner, depth + 1);
		if (rc == 0)
			rc = put(s, json_array_get(v, i), inner, depth + 1);
	}
	if (rc == 0 && n != 0)
		rc = newline(s, inner, depth);
	return (rc == 0 ? str_puts(s, "]") : -1);
}

static int
put_integer(struct str *s, json_int_t n)
{
	char text[21] = "-";
	const uint64_t size = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
	const int sign = n < 0;

	return (str_add(s, text, (size_t)(sign + put_digits(text + sign, size))));
}

static int
put(struct str *s, const json_t *v, enum form form, int depth)
{
	char number[JSONIO_NUMBER_SIZE];
	double x;

	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return (put_object(s, v, form, depth));
	case JSON_ARRAY:
		return (put_array(s, v, form, depth));
	case JSON_STRING:
		return (put_string(s, json_string_value(v), json_string_length(v)));
	case JSON_INTEGER:
		return (put_integer(s, json_integer_value(v)));
	case JSON_REAL:
		x = json_real_value(v);
		jsonio_number(number, x);
		/* As an integer it would be too large for readers, ours among them. */
		if (form != CANONICAL && fabs(x) >= 9223372036854775808.0 && strpbrk(number, ".e") == NULL)
			return (str_printf(s, "%s.0", number));
		return (str_puts(s, number));
	case JSON_TRUE:
		return (str_puts(s, "true"));
	case JSON_FALSE:
		return (str_puts(s, "false"));
	case JSON_NULL:
		return (str_puts(s, "null"));
	}
	errno = EINVAL;
	return (-1);
}

int
jsonio_put_key(struct str *s, const char *key)
{
	return (put_string(s, key, strlen(key)) == -1 ? -1 : put_char(s, ':'));
}

int
jsonio_put_member(struct str *s, const char *key, const json_t *v)
{
	return (jsonio_put_key(s, key) == -1 ? -1 : put(s, v, CANONICAL, 0));
}

static char *
text_of(const json_t *v, enum form form, const char *tail)
{
	struct str s = STR_INIT;

	if (put(&s, v, form, 0) == -1 || str_puts(&s, tail) == -1) {
		str_free(&s);
		errno = ENOMEM;
		return (NULL);
	}
	return (s.p);
}

char *
jsonio_pretty(const json_t *v)
{
	return (text_of(v, PRETTY, "\n"));
}

char *
jsonio_line(const json_t *v)
{
	return (text_of(v, LINE, ""));
}

char *
jsonio_canonical(const json_t *v)
{
	return (text_of(v, CANONICAL, ""));
}

int
jsonio_digest(const json_t *v, char hex[SHA256_HEX_SIZE])
{
	char *text;
	int rc;

	if ((text = jsonio_canonical(v)) == NULL)
		return (-1);
	rc = sha256_hex(text, strlen(text), hex);
	free(text);
	return (rc);
}

json_t *
jsonio_real(double x)
{
	return (isfinite(x) ? json_real(x) : json_null());
}

json_t *
jsonio_get(const json_t *v, const char *path)
{
	const char *dot;

	while (v != NULL && (dot = strchr(path, '.')) != NULL) {
		v = json_object_getn(v, path, (size_t)(dot - path));
		path = dot + 1;
	}
	return (v == NULL ? NULL : json_object_get(v, path));
}

const char *
jsonio_text(const json_t *v, const char *path, const char *fallback)
{
	const json_t *m = jsonio_get(v, path);

	return (json_is_string(m) ? json_string_value(m) : fallback);
}

int64_t
jsonio_i64(const json_t *v, const char *path, int64_t fallback)
{
	const json_t *m = jsonio_get(v, path);

	return (json_is_integer(m) ? json_integer_value(m) : fallback);
}

double
jsonio_f64(const json_t *v, const char *path, double fallback)
{
	const json_t *m = jsonio_get(v, path);

	return (json_is_number(m) ? json_number_value(m) : fallback);
}

int
jsonio_true(const json_t *v, const char *path)
{
	return (json_is_true(jsonio_get(v, path)));
}

int
jsonio_put(json_t *v, const char *path, json_t *value)
{
	const char *dot;
	json_t *next;

	if (value == NULL)
		return (-1);
	while ((dot = strchr(path, '.')) != NULL) {
		next = json_object_getn(v, path, (size_t)(dot - path));
		if (next == NULL) {
			if ((next = json_object()) == NULL ||
			    json_object_setn_new(v, path, (size_t)(dot - path), next) == -1) {
				json_decref(value);
				return (-1);
			}
		}
		v = next;
		path = dot + 1;
	}
	return (json_object_set_new(v, path, value));
}
