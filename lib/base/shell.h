#ifndef HG_SHELL_H
#define HG_SHELL_H

#include <stdarg.h>

#include "base/str.h"

/**
 * Commands that are shown to be typed, or pasted: whatever stands in them, sh
 * takes each word as the path that it is.
 * Checked: t/unit/base.c, t/hg-ledger.bats, t/style.bats.
 */

/**
 * shell_command(s, format, ...):
 * Append a command; the format is a literal and as sh wants it, and what %s
 * inserts becomes one word, or the beginning of one: plain as it is, quoted
 * where it must be, by printf where it has bytes that can't be shown, and with
 * ./ before a dash, so that it is a path and no option.
 * Errors: -1 with errno ENOMEM.
 */
int shell_command(struct str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
int shell_vcommand(struct str *s, const char *format, va_list ap);

/* Is a text plain words with blanks between, which sh takes as they stand? */
int shell_is_plain(const char *text);

/* What to type next, below a message: `tool:   next: command`; the format as shell_command has it. */
void shell_next(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
