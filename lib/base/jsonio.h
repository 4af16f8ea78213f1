#ifndef HG_JSONIO_H
#define HG_JSONIO_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sha256.h"
#include "base/str.h"

/**
 * JSON values are jansson's (json_t, reference counted); this adds reading
 * with bounds, writing with one form of numbers, RFC 8785 and digests.
 * Duplicate keys, trailing bytes and files over max_bytes are errors.
 */

#define JSONIO_MAX_BYTES ((size_t)16 << 20)

/**
 * jsonio_read(dirfd, name, max_bytes, text_sha256, out):
 * Read one JSON value from a file; with ${text_sha256} not NULL also the digest
 * of its bytes.  Owns: the caller decrefs *out.  Errors: -1 with errno; ENOENT
 * ordinary and silent, EBADMSG malformed; all but ENOENT are said.
 */
int jsonio_read(int dirfd, const char *name, size_t max_bytes, char *text_sha256, json_t **out);

/* Parse n bytes; NULL after saying why, naming ${what}; errno EBADMSG or ENOMEM. */
json_t *jsonio_parse(const char *text, size_t n, const char *what);

/* Parse n bytes that may well be none of ours: NULL in silence, and what has a key twice may pass. */
json_t *jsonio_try(const char *text, size_t n);

/* Indented by two spaces, insertion order, newline at the end. Owns: the caller frees. NULL with errno ENOMEM. */
char *jsonio_pretty(const json_t *v);

/* One line, insertion order, no newline. */
char *jsonio_line(const json_t *v);

/* RFC 8785: members sorted by UTF-16 code units, numbers as ECMAScript prints them. */
char *jsonio_canonical(const json_t *v);

/**
 * Parts of that form, put at the end of ${s}, for who writes it bit by bit: a
 * key with its colon, and a member.  order: which of two keys comes first, as
 * strcmp.  Errors: -1 with errno ENOMEM.
 */
int jsonio_put_key(struct str *s, const char *key);
int jsonio_put_member(struct str *s, const char *key, const json_t *v);
int jsonio_order(const char *a, const char *b);

/* sha256 of the RFC 8785 form; 0, or -1 with errno ENOMEM. */
int jsonio_digest(const json_t *v, char hex[SHA256_HEX_SIZE]);

/* Shortest decimal that reads back as x, in ECMAScript's form; x is finite. Returns text. */
#define JSONIO_NUMBER_SIZE 32
char *jsonio_number(char text[JSONIO_NUMBER_SIZE], double x);

/* A real, or null where x is not finite: numbers that are none never make invalid JSON. */
json_t *jsonio_real(double x);

/**
 * Members by dotted path, "model.num_layers".  get: NULL if absent.  The others
 * return the value, or the fallback where it is absent or of another type.
 */
json_t *jsonio_get(const json_t *v, const char *path);
const char *jsonio_text(const json_t *v, const char *path, const char *fallback);
int64_t jsonio_i64(const json_t *v, const char *path, int64_t fallback);
double jsonio_f64(const json_t *v, const char *path, double fallback);
int jsonio_true(const json_t *v, const char *path);

/* Store a new reference at a dotted path, making objects on the way; steals value; 0 or -1. */
int jsonio_put(json_t *v, const char *path, json_t *value);

#endif
