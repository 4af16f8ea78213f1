#ifndef HG_FOREIGN_H
#define HG_FOREIGN_H

#include <stddef.h>

/**
 * What programs of others write, to us and for people.
 * Checked: t/hostile.bats, t/external.bats.
 */

/* Make a fifo that others write to and we read from, without ever waiting for one of them. -1 with errno. */
int foreign_fifo(int dirfd, const char *name);

/* The last line of a file that is not blank, cut to the room; "" where there is none. Returns out. */
char *foreign_last_line(int fd, char *out, size_t size);

#endif
