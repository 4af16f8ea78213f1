#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/say.h"
#include "base/utf8.h"

static const char *name = "hg";
static char last[1024];
static int progress_shown;

void
say_init(const char *tool)
{
	name = tool;
}

size_t
say_character(const char *text, char out[SAY_CHARACTER])
{
	uint32_t c;
	size_t n = utf8_read(text, UTF8_MAX_BYTES, &c);

	if (n == 0 || utf8_hidden(c)) {
		n = n == 0 ? 1 : n;
		for (size_t i = 0; i < n; i++)
			snprintf(out + 4 * i, 5, "\\x%02x", (unsigned char)text[i]);
	} else {
		memcpy(out, text, n);
		out[n] = '\0';
	}
	return (n);
}

char *
say_clean(char *out, unsigned long size, const char *text)
{
	char shown[SAY_CHARACTER];
	size_t at = 0, n;

	for (; *text != '\0'; text += n, at += strlen(shown)) {
		n = say_character(text, shown);
		if (at + strlen(shown) >= size)
			break;
		strcpy(out + at, shown);
	}
	out[at] = '\0';
	return (out);
}

const char *
say_why(int error)
{
	switch (error) {
	case EAGAIN:
		return ("Resource temporarily unavailable, as where a limit on processes or locks is reached");
	case EMSGSIZE:
		return ("File too large for the limit on the size of files, which ulimit -f shows");
	case EISDIR:
		return ("it is a directory and no file: move it away");
	case EISNAM:
		return ("it is a directory; name a file");
	case EMEDIUMTYPE:
		return ("it is a pipe, a socket or a device and no file: move it away");
	case ELOOP:
		return ("it is a symbolic link, or behind a circle of them: name what it leads to");
	case EFBIG:
		return ("File too large for what stands here: move it away");
	default:
		return (strerror(error));
	}
}

/*
 * A terminal has one line of progress.  Whose it is a lock on the terminal tells, of the classic kind: it is this
 * process's own, though the shell and all that it starts share one open file, and is freed when the process is gone.
 */
static int
terminal_lock(int command, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };

	if (fcntl(STDERR_FILENO, command, &lock) == -1)
		return (-1);
	return (command != F_GETLK || lock.l_type == F_UNLCK ? 0 : -1);
}

/* One write per line, so that lines of several processes do not mix. */
static int hush;

void
say_hush(int hushed)
{
	hush = hushed;
}

static void
line(int keep, int error, const char *format, va_list ap)
{
	char raw[3 * PATH_MAX], clean[sizeof(raw)], out[sizeof(raw) + 64];
	const int before = errno;
	size_t n;

	vsnprintf(raw, sizeof(raw), format, ap);
	if (error != 0) {
		n = strlen(raw);
		snprintf(raw + n, sizeof(raw) - n, ": %s", say_why(error));
	}
	say_clean(clean, sizeof(clean), raw);
	if (keep)
		say_clean(last, sizeof(last), raw);
	if (hush) {
		errno = before;
		return;
	}
	say_progress_end();
	/* Another process's progress gives way; it comes again below. */
	n = (size_t)snprintf(out, sizeof(out), "%s%s: %s\n",
	    isatty(STDERR_FILENO) && terminal_lock(F_GETLK, F_WRLCK) == -1 ? "\r\033[K" : "", name, clean);
	if (n >= sizeof(out))
		n = sizeof(out) - 1;
	if (write(STDERR_FILENO, out, n) == -1) {
		/* There is nobody left to tell. */
	}
	errno = before;
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
	struct winsize size;
	char raw[240], clean[300];
	size_t n;
	va_list ap;

	if (!isatty(STDERR_FILENO))
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (progress_shown && (now.tv_sec - before.tv_sec) * 1000 + (now.tv_nsec - before.tv_nsec) / 1000000 < 100)
		return;
	before = now;
	if (!progress_shown && terminal_lock(F_SETLK, F_WRLCK) == -1 && (errno == EAGAIN || errno == EACCES))
		return;
	va_start(ap, format);
	vsnprintf(raw, sizeof(raw), format, ap);
	va_end(ap);
	say_clean(clean, sizeof(clean), raw);
	/* What the terminal breaks into two lines would not be overwritten. */
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 &&
	    strlen(name) + 2 + strlen(clean) >= size.ws_col) {
		for (n = size.ws_col > strlen(name) + 3 ? size.ws_col - strlen(name) - 3 : 0;
		     n > 0 && utf8_continues(clean[n]); n--)
			;
		clean[n] = '\0';
	}
	fprintf(stderr, "\r%s: %s\033[K", name, clean);
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
	(void)terminal_lock(F_SETLK, F_UNLCK);
	progress_shown = 0;
}

const char *
say_last(void)
{
	return (last);
}
