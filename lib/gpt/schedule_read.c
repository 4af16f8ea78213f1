#include <stdlib.h>
#include <string.h>

#include "base/jsonio.h"
#include "base/say.h"
#include "gpt/schedule_read.h"

/* Take the scale of one metrics line; 0, or -1 after saying why. */
static int
take(const char *line, size_t n, double **scales, uint64_t *count, uint64_t *room)
{
	json_t *row = jsonio_parse(line, n, "metrics line");
	const int64_t step = jsonio_i64(row, "step", -1);
	json_t *scale = jsonio_get(row, "lr_scale");
	const double value = json_number_value(scale);
	int rc = -1;

	if (row == NULL)
		return (-1);
	if (step < 0 || !json_is_number(scale)) {
		say_error("a metrics line has no step or no lr_scale");
		goto out;
	}
	if ((uint64_t)step < *count) {
		if ((*scales)[step] != value) {
			say_error("metrics give two scales for step %jd", (intmax_t)step);
			goto out;
		}
		rc = 0;
		goto out;
	}
	if ((uint64_t)step > *count) {
		say_error("metrics lack step %ju, so they cannot be replayed (train.log_every must be 1)",
		    (uintmax_t)*count);
		goto out;
	}
	if (*count == *room) {
		const uint64_t more = *room ? *room * 2 : 1024;
		double *p = realloc(*scales, more * sizeof(*p));

		if (p == NULL) {
			say_error("cannot keep %ju scales: out of memory", (uintmax_t)more);
			goto out;
		}
		*scales = p;
		*room = more;
	}
	(*scales)[(*count)++] = value;
	rc = 0;
out:
	json_decref(row);
	return (rc);
}

int
schedule_read_scales(const char *text, size_t n, double **scales, uint64_t *count)
{
	const char *end = text + n;
	uint64_t room = 0;

	*scales = NULL;
	*count = 0;
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *stop = newline != NULL ? newline : end;

		if (take(text, (size_t)(stop - text), scales, count, &room) != 0)
			goto err;
		text = stop + 1;
	}
	if (*count > 0)
		return (0);
	say_error("metrics hold no step to replay");
err:
	free(*scales);
	*scales = NULL;
	return (-1);
}
