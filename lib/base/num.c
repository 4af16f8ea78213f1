#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

int
num_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	unsigned long long v;
	char *end;

	if (!isdigit((unsigned char)text[0])) {
		errno = EINVAL;
		return (-1);
	}
	errno = 0;
	v = strtoull(text, &end, 10);
	if (*end != '\0') {
		errno = EINVAL;
		return (-1);
	}
	if (errno != 0 || v < min || v > max) {
		errno = ERANGE;
		return (-1);
	}
	*out = v;
	return (0);
}

int
num_i64(const char *text, int64_t min, int64_t max, int64_t *out)
{
	const char *digits = text + (text[0] == '-');
	long long v;
	char *end;

	if (!isdigit((unsigned char)digits[0])) {
		errno = EINVAL;
		return (-1);
	}
	errno = 0;
	v = strtoll(text, &end, 10);
	if (*end != '\0') {
		errno = EINVAL;
		return (-1);
	}
	if (errno != 0 || v < min || v > max) {
		errno = ERANGE;
		return (-1);
	}
	*out = v;
	return (0);
}

int
num_f64(const char *text, double min, double max, double *out)
{
	double v;
	char *end;

	/* Decimal only: strtod would also take hexadecimal, "inf" and leading blanks. */
	if (text[0] == '\0' || strspn(text, "0123456789.eE+-") != strlen(text)) {
		errno = EINVAL;
		return (-1);
	}
	v = strtod(text, &end);
	if (end == text || *end != '\0') {
		errno = EINVAL;
		return (-1);
	}
	if (!isfinite(v) || v < min || v > max) {
		errno = ERANGE;
		return (-1);
	}
	*out = v;
	return (0);
}

int
num_duration_ms(const char *text, int64_t max_ms, int64_t *out)
{
	char number[32];
	size_t n = strlen(text);
	double v, unit = 1e3;

	if (n == 0 || n >= sizeof(number)) {
		errno = EINVAL;
		return (-1);
	}
	memcpy(number, text, n + 1);
	switch (number[n - 1]) {
	case 's':
		number[n - 1] = '\0';
		break;
	case 'm':
		unit = 60e3;
		number[n - 1] = '\0';
		break;
	case 'h':
		unit = 3600e3;
		number[n - 1] = '\0';
		break;
	}
	if (num_f64(number, 0, 1e15, &v) == -1)
		return (-1);
	v = ceil(v * unit);
	if (v < 1 || v > (double)max_ms) {
		errno = ERANGE;
		return (-1);
	}
	*out = (int64_t)v;
	return (0);
}
