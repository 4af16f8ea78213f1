#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/say.h"
#include "base/shell.h"
#include "base/utf8.h"

#define PLAIN "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+=:,@%"

struct making {
	struct str *s;
	int failed;
};

static void
add(void *arg, const char *text, size_t n)
{
	struct making *m = arg;

	if (!m->failed && str_add(m->s, text, n) == -1)
		m->failed = 1;
}

static void
put(const struct format *f, const char *text)
{
	f->add(f->arg, text, strlen(text));
}

int
shell_is_plain(const char *text)
{
	return (strspn(text, PLAIN " ") == strlen(text));
}

/* Can a terminal show all of it? */
static int
can_show(const char *text)
{
	uint32_t c;
	size_t n;

	for (; *text != '\0'; text += n)
		if ((n = utf8_read(text, UTF8_MAX_BYTES, &c)) == 0 || utf8_hidden(c))
			return (0);
	return (1);
}

/* "$(printf 'a\012b')"; what printf or the quotes would take for theirs is a number, too. */
static void
by_printf(const struct format *f, const char *word)
{
	const char *p;
	char octal[8];

	put(f, "\"$(printf '");
	for (p = word; *p != '\0'; p++)
		if (*p >= 0x20 && *p < 0x7f && strchr("'\\%!", *p) == NULL)
			f->add(f->arg, p, 1);
		else {
			snprintf(octal, sizeof(octal), "\\%03o", (unsigned char)*p);
			put(f, octal);
		}
	/* The substitution drops newlines at the end, and a directory may be followed by a slash. */
	put(f, p > word && p[-1] == '\n' ? "/')\"" : "')\"");
}

static size_t
insert(const struct format *f, const char *word, size_t most, int left)
{
	const char *p;

	(void)most, (void)left;
	if (*word == '-')
		put(f, "./");
	if (!can_show(word))
		by_printf(f, word);
	else if (*word != '\0' && strspn(word, PLAIN) == strlen(word))
		put(f, word);
	else {
		put(f, "'");
		for (p = word; *p != '\0'; p++)
			if (*p == '\'')
				put(f, "'\\''");
			else
				f->add(f->arg, p, 1);
		put(f, "'");
	}
	return (strlen(word));
}

int
shell_vcommand(struct str *s, const char *format, va_list ap)
{
	struct making m = { s, 0 };
	const struct format f = { add, insert, &m };

	format_put(&f, format, ap);
	if (m.failed)
		errno = ENOMEM;
	return (m.failed ? -1 : 0);
}

int
shell_command(struct str *s, const char *format, ...)
{
	va_list ap;
	int rc;

	va_start(ap, format);
	rc = shell_vcommand(s, format, ap);
	va_end(ap);
	return (rc);
}

void
shell_next(const char *format, ...)
{
	struct str command = STR_INIT;
	va_list ap;

	va_start(ap, format);
	if (shell_vcommand(&command, format, ap) == 0)
		say_note("  next: %s", command.p);
	va_end(ap);
	str_free(&command);
}
