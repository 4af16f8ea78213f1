#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"
#include "base/say.h"

static const char *name = "hg";
static char last[1024];
static int progress_shown;

void
say_init(const char *tool)
{
	name = tool;
}

/* Bytes of the character at s, or 0: controls, and the marks that reorder text, are as good as an escape. */
static size_t
showable(const unsigned char *s)
{
	uint32_t c;
	size_t n = utf8_read(s, UTF8_MAX_BYTES, &c);

	if (n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
	    (c >= 0x2066 && c <= 0x2069))
		return (0);
	return (n);
}

char *
say_clean(char *out, unsigned long size, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t at = 0, n;

	while (*s != '\0') {
		n = showable(s);
		if (n != 0) {
			if (at + n >= size)
				break;
			memcpy(out + at, s, n);
			at += n;
			s += n;
		} else {
			if (at + 4 >= size)
				break;
			snprintf(out + at, 5, "\\x%02x", *s++);
			at += 4;
		}
	}
	out[at] = '\0';
	return (out);
}

/* One write per line, so that lines of several processes do not mix. */
static void
line(int keep, int error, const char *format, va_list ap)
{
	char raw[768], clean[1024], out[1200];
	size_t n;

	vsnprintf(raw, sizeof(raw), format, ap);
	if (error != 0) {
		n = strlen(raw);
		snprintf(raw + n, sizeof(raw) - n, ": %s", strerror(error));
	}
	say_clean(clean, sizeof(clean), raw);
	if (keep)
		memcpy(last, clean, sizeof(last));
	say_progress_end();
	n = (size_t)snprintf(out, sizeof(out), "%s: %s\n", name, clean);
	if (n >= sizeof(out))
		n = sizeof(out) - 1;
	if (write(STDERR_FILENO, out, n) == -1) {
		/* There is nobody left to tell. */
	}
}

void
say_error(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	line(1, 0, format, ap);
	va_end(ap);
}

void
say_errno(const char *format, ...)
{
	va_list ap;
	int error = errno;

	va_start(ap, format);
	line(1, error, format, ap);
	va_end(ap);
	errno = error;
}

void
say_note(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	line(0, 0, format, ap);
	va_end(ap);
}

void
say_progress(const char *format, ...)
{
	static struct timespec before;
	struct timespec now;
	char raw[160], clean[200];
	va_list ap;

	if (!isatty(STDERR_FILENO))
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (progress_shown && (now.tv_sec - before.tv_sec) * 1000 + (now.tv_nsec - before.tv_nsec) / 1000000 < 100)
		return;
	before = now;
	va_start(ap, format);
	vsnprintf(raw, sizeof(raw), format, ap);
	va_end(ap);
	fprintf(stderr, "\r%s: %s\033[K", name, say_clean(clean, sizeof(clean), raw));
	fflush(stderr);
	progress_shown = 1;
}

void
say_progress_end(void)
{
	if (!progress_shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	progress_shown = 0;
}

const char *
say_last(void)
{
	return (last);
}
