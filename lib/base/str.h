#ifndef HG_STR_H
#define HG_STR_H

#include <stddef.h>

/**
 * A byte string that grows.  Start from STR_INIT; always NUL-terminated once
 * something was added.  Functions return 0, or -1 with errno ENOMEM, after
 * which the string is as it was.  Owns: p; str_free releases it.
 */
struct str {
	char *p;
	size_t n, cap;
};

#define STR_INIT \
	{ \
		NULL, 0, 0 \
	}

/* Make room for so many more bytes and a NUL, for who then writes at p + n himself. */
int str_room(struct str *s, size_t more);

int str_add(struct str *s, const void *data, size_t n);
int str_puts(struct str *s, const char *text);
int str_printf(struct str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void str_free(struct str *s);

/* Is a text what runs, lanes and campaigns may be called: 1 to so many of A-Z a-z 0-9 . _ - and no dot first? */
#define STR_NAME_MAX 64
int str_is_name(const char *text);

#endif
