#ifndef HG_JSONNULL_H
#define HG_JSONNULL_H

#include <jansson.h>
#include <stdint.h>

/* A string, or null for NULL and "". Owns: the caller decrefs. NULL with errno ENOMEM. */
json_t *jsonnull_text(const char *text);

/* A time as clock_text has it, or null for 0. The same. */
json_t *jsonnull_time(int64_t ms);

#endif
