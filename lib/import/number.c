#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "import/number.h"

enum { LONGEST = 64 };

static int
is_one_of(const char *text, size_t n, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strlen(*words) == n && strncasecmp(*words, text, n) == 0)
			return (1);
	return (0);
}

/* How many of the bytes are a decimal number; *unit becomes one in its last digit. */
static size_t
decimal(const char *p, size_t n, double *unit)
{
	size_t i = 0, whole, digits = 0;
	int fraction = 0, exponent = 0, sign = 1, e = 0;

	if (i < n && (p[i] == '-' || p[i] == '+'))
		i++;
	for (whole = i; i < n && isdigit((unsigned char)p[i]); i++)
		;
	digits = i - whole;
	if (i < n && p[i] == '.')
		for (i++; i < n && isdigit((unsigned char)p[i]); i++, fraction++)
			;
	digits += (size_t)fraction;
	if (digits == 0)
		return (0);
	if (i + 1 < n && (p[i] == 'e' || p[i] == 'E') &&
	    (isdigit((unsigned char)p[i + 1]) ||
		(i + 2 < n && (p[i + 1] == '-' || p[i + 1] == '+') && isdigit((unsigned char)p[i + 2])))) {
		i++;
		if (p[i] == '-' || p[i] == '+')
			sign = p[i++] == '-' ? -1 : 1;
		for (; i < n && isdigit((unsigned char)p[i]); i++)
			if (e < 10000)
				e = 10 * e + p[i] - '0';
		exponent = sign * e;
	}
	*unit = pow(10, exponent - fraction);
	return (i);
}

static defect_set
why_not(const char *p, size_t n)
{
	static const char *const missing[] = { "-", "--", "---", "n/a", "na", "none", "null", ".", "\xe2\x80\x94",
		"\xe2\x80\x93", NULL };
	static const char *const later[] = { "tbd", "tba", "todo", "pending", "?", "??", "???", "xxx", "x.xxx",
		"x.xxxx", "x.xx", "unknown", "running", "to be determined", "placeholder", "fill me", "wip", NULL };
	static const char *const infinite[] = { "nan", "inf", "+inf", "-inf", "infinity", "-infinity", "+infinity",
		"-nan", NULL };
	double unit;
	size_t taken, i;

	if (n == 0 || is_one_of(p, n, missing))
		return (DEFECT_BIT(DEFECT_MISSING));
	if (is_one_of(p, n, later))
		return (DEFECT_BIT(DEFECT_PLACEHOLDER));
	if (is_one_of(p, n, infinite))
		return (DEFECT_BIT(DEFECT_NOT_FINITE));
	if (memchr(p, '{', n) != NULL || memchr(p, '}', n) != NULL || p[0] == '<' || p[0] == '$' || p[0] == '%')
		return (DEFECT_BIT(DEFECT_TEMPLATE));
	if ((taken = decimal(p, n, &unit)) > 0) {
		for (i = 0; i < n && (isdigit((unsigned char)p[i]) || strchr("+-.,_", p[i]) != NULL); i++)
			;
		if (i == n && memchr(p, ',', n) != NULL)
			return (DEFECT_BIT(DEFECT_COMMA));
		while (taken < n && (p[taken] == ' ' || p[taken] == '\t'))
			taken++;
		if (taken < n && (isalpha((unsigned char)p[taken]) || p[taken] == '%') &&
		    strcspn(p + taken, " \t") >= n - taken)
			return (DEFECT_BIT(DEFECT_UNIT));
	}
	return (DEFECT_BIT(DEFECT_NOT_A_NUMBER));
}

static int
possible(double x, enum number_kind kind, defect_set *why)
{
	int whole = x == floor(x);

	switch (kind) {
	case NUMBER_SCORE:
	case NUMBER_LOSS:
		*why = DEFECT_BIT(DEFECT_OUT_OF_RANGE);
		return (x > 0 && x <= 100);
	case NUMBER_SPREAD:
		*why = DEFECT_BIT(DEFECT_OUT_OF_RANGE);
		return (x >= 0 && x <= 100);
	case NUMBER_COUNT:
		*why = DEFECT_BIT(whole ? DEFECT_OUT_OF_RANGE : DEFECT_NOT_WHOLE);
		return (whole && x >= 0 && x <= 9007199254740991.0);
	case NUMBER_ANY:
		break;
	}
	return (1);
}

struct number
number_read(const char *text, size_t n, enum number_kind kind)
{
	struct number f = { NAN, 0, 0 };
	char copy[LONGEST + 1];
	double unit = 0, x;

	for (; n > 0 && isspace((unsigned char)text[0]); text++, n--)
		;
	for (; n > 0 && isspace((unsigned char)text[n - 1]); n--)
		;
	if (n == 0 || n > LONGEST || decimal(text, n, &unit) != n) {
		/* A copy that ends, so that nothing reads past it. */
		if (n > LONGEST)
			n = LONGEST;
		memcpy(copy, text, n);
		copy[n] = '\0';
		f.flags = why_not(copy, n);
		return (f);
	}
	memcpy(copy, text, n);
	copy[n] = '\0';
	errno = 0;
	x = strtod(copy, NULL);
	if (!isfinite(x) || (x == 0 && errno == ERANGE)) {
		f.flags = DEFECT_BIT(DEFECT_OUT_OF_RANGE);
		return (f);
	}
	if (!possible(x, kind, &f.flags))
		return (f);
	f.flags = 0;
	f.number = x == 0 ? 0 : x;
	f.unit = unit;
	return (f);
}

int
number_agree(double a, double unit_a, double b, double unit_b)
{
	double coarse = fmax(unit_a, unit_b);

	/* Less than one in the last digit of the coarser text: rounded or cut. Binary adds the rest. */
	return (fabs(a - b) < coarse * (1 - 1e-6) || fabs(a - b) <= 1e-12 * fmax(fabs(a), fabs(b)));
}
