#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "import/jsontext.h"
#include "base/rng.h"
#include "base/str.h"
#include "base/utf8.h"

struct reading {
	const char *p, *end;
	unsigned line;
	const struct jsontext_reader *reader;
	struct jsontext_end *out;
	struct jsontext_level level[JSONTEXT_DEPTH];
	char *keys[JSONTEXT_DEPTH];
	size_t path_size[JSONTEXT_DEPTH]; /* of the path before this level */
	uint64_t id[JSONTEXT_DEPTH];      /* of the object open at this level */
	size_t depth;
	uint64_t ids;
	struct str path, string;
	struct hash seen; /* keys of objects */
	int failed;       /* memory */
};

static int
stop(struct reading *r, const char *why)
{
	if (r->out->why == NULL) {
		r->out->why = why;
		r->out->line = r->line;
	}
	return (-1);
}

static int
no_memory(struct reading *r)
{
	r->failed = 1;
	return (-1);
}

static void
lax(struct reading *r)
{
	if (r->out->lax_line == 0)
		r->out->lax_line = r->line;
}

static void
skip_line(struct reading *r)
{
	lax(r);
	for (; r->p < r->end && *r->p != '\n'; r->p++)
		;
}

/* Blanks and comments. */
static int
skip(struct reading *r)
{
	for (; r->p < r->end;) {
		if (*r->p == '\n')
			r->line++;
		if (*r->p == ' ' || *r->p == '\t' || *r->p == '\r' || *r->p == '\n') {
			r->p++;
		} else if (*r->p == '#' || (*r->p == '/' && r->end - r->p > 1 && r->p[1] == '/')) {
			skip_line(r);
		} else if (*r->p == '/' && r->end - r->p > 1 && r->p[1] == '*') {
			lax(r);
			for (r->p += 2; r->end - r->p > 1 && (r->p[0] != '*' || r->p[1] != '/'); r->p++)
				if (*r->p == '\n')
					r->line++;
			if (r->end - r->p < 2)
				return (stop(r, "a comment has no end"));
			r->p += 2;
		} else
			break;
	}
	return (0);
}

static int
hex4(struct reading *r, uint32_t *c)
{
	int i, d;

	*c = 0;
	if (r->end - r->p < 4)
		return (stop(r, "an escape is cut off"));
	for (i = 0; i < 4; i++, r->p++) {
		d = tolower((unsigned char)*r->p);
		if (!isxdigit(d))
			return (stop(r, "an escape is none"));
		*c = *c << 4 | (uint32_t)(isdigit(d) ? d - '0' : d - 'a' + 10);
	}
	return (0);
}

static int
put(struct reading *r, uint32_t c)
{
	char utf8[4];

	return (str_add(&r->string, utf8, utf8_write(utf8, c)) == -1 ? no_memory(r) : 0);
}

/* A surrogate without its other half, or U+0000, is kept as it is written. */
static int
unicode(struct reading *r)
{
	const char *from = r->p - 2;
	uint32_t c, low;

	if (hex4(r, &c) == -1)
		return (-1);
	if (c >= 0xd800 && c < 0xdc00 && r->end - r->p > 5 && r->p[0] == '\\' && r->p[1] == 'u') {
		r->p += 2;
		if (hex4(r, &low) == -1)
			return (-1);
		if (low >= 0xdc00 && low < 0xe000)
			return (put(r, 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00)));
		c = 0;
	}
	if (c == 0 || (c >= 0xd800 && c < 0xe000))
		return (str_add(&r->string, from, (size_t)(r->p - from)) == -1 ? no_memory(r) : 0);
	return (put(r, c));
}

/* After the opening quote. */
static int
string(struct reading *r)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *begin, *at;

	r->string.n = 0;
	if (str_add(&r->string, "", 0) == -1)
		return (no_memory(r));
	for (;;) {
		for (begin = r->p; r->p < r->end && *r->p != '"' && *r->p != '\\'; r->p++) {
			if (*r->p == '\n') {
				lax(r);
				r->line++;
			}
		}
		if (str_add(&r->string, begin, (size_t)(r->p - begin)) == -1)
			return (no_memory(r));
		if (r->p == r->end)
			return (stop(r, "a string has no end"));
		if (*r->p++ == '"')
			return (0);
		if (r->p == r->end)
			return (stop(r, "a string has no end"));
		if (*r->p == 'u') {
			r->p++;
			if (unicode(r) == -1)
				return (-1);
		} else if (*r->p != '\0' && (at = strchr(from, *r->p)) != NULL) {
			if (put(r, (unsigned char)to[at - from]) == -1)
				return (-1);
			r->p++;
		} else
			return (stop(r, "an escape is none"));
	}
}

/* Has this object had this key? Two keys of one hash, mixed with its object's number, are taken for the same. */
static int
seen_before(struct reading *r, const char *key, size_t n)
{
	const uint64_t id = r->id[r->depth - 1], hash = rng_mix(hash_bytes(id, key, n) ^ rng_mix(id));
	size_t at = 0;

	if (hash_find(&r->seen, hash, &at) != NULL)
		return (1);
	return (hash_add(&r->seen, hash, 1) == -1 ? no_memory(r) : 0);
}

/* The key and its colon; the level's key and the path become its. */
static int
key(struct reading *r)
{
	struct jsontext_level *level = &r->level[r->depth - 1];
	unsigned line = r->line;
	char *copy;
	int twice;

	r->p++;
	if (string(r) == -1)
		return (-1);
	if ((copy = malloc(r->string.n + 1)) == NULL)
		return (no_memory(r));
	memcpy(copy, r->string.p, r->string.n + 1);
	free(r->keys[r->depth - 1]);
	level->key = r->keys[r->depth - 1] = copy;
	r->path.n = r->path_size[r->depth - 1];
	if ((r->path.n != 0 && str_puts(&r->path, ".") == -1) || str_add(&r->path, r->string.p, r->string.n) == -1)
		return (no_memory(r));
	twice = seen_before(r, r->string.p, r->string.n);
	if (twice == -1)
		return (-1);
	if (twice)
		r->reader->twice(r->reader->arg, r->path.p, line);
	if (skip(r) == -1)
		return (-1);
	if (r->p == r->end || *r->p != ':')
		return (stop(r, "a key has no value"));
	r->p++;
	return (skip(r));
}

static int
emit(struct reading *r, enum jsontext_kind kind, const char *text, size_t n, unsigned line)
{
	struct jsontext_item item = { kind, text, n, line, r->path.p == NULL ? "" : r->path.p, r->level, r->depth };

	return (r->reader->item(r->reader->arg, &item) != 0 ? stop(r, "enough") : 0);
}

static int
scalar(struct reading *r)
{
	static const char *const words[] = { "true", "false", "null", "NaN", "Infinity", "-Infinity", NULL };
	const char *begin = r->p;
	unsigned line = r->line;
	size_t n, i;

	if (*r->p == '"') {
		r->p++;
		if (string(r) == -1)
			return (-1);
		return (emit(r, JSONTEXT_STRING, r->string.p, r->string.n, line));
	}
	for (; r->p < r->end && (isalnum((unsigned char)*r->p) || strchr("+-._", *r->p) != NULL) && *r->p != '\0';
	     r->p++)
		;
	n = (size_t)(r->p - begin);
	for (i = 0; words[i] != NULL; i++)
		if (strlen(words[i]) == n && memcmp(words[i], begin, n) == 0) {
			if (i > 2)
				lax(r);
			return (emit(r, JSONTEXT_WORD, begin, n, line));
		}
	if (n == 0 || (!isdigit((unsigned char)*begin) && *begin != '-'))
		return (stop(r, "no value stands here"));
	for (i = 0; i < n; i++)
		if (!isdigit((unsigned char)begin[i]) && strchr("+-.eE", begin[i]) == NULL)
			return (stop(r, "a number is none"));
	return (emit(r, JSONTEXT_NUMBER, begin, n, line));
}

static int
open_level(struct reading *r, int in_array)
{
	if (r->depth == JSONTEXT_DEPTH) {
		r->out->too_deep = 1;
		return (stop(r, "nested too deeply"));
	}
	r->p++;
	r->path_size[r->depth] = r->path.n;
	r->level[r->depth].key = "";
	r->level[r->depth].index = 0;
	r->level[r->depth].in_array = in_array;
	r->id[r->depth] = ++r->ids;
	r->depth++;
	return (skip(r));
}

static int
index_path(struct reading *r)
{
	struct jsontext_level *level = &r->level[r->depth - 1];

	r->path.n = r->path_size[r->depth - 1];
	return (str_printf(&r->path, "[%zu]", level->index) == -1 ? no_memory(r) : 0);
}

/* After a value: what closes here, and whether another value follows. 1: one does; 0: all is closed. */
static int
after_value(struct reading *r)
{
	struct jsontext_level *level;
	int comma;

	while (r->depth > 0) {
		level = &r->level[r->depth - 1];
		if (skip(r) == -1)
			return (-1);
		if ((comma = r->p < r->end && *r->p == ',')) {
			r->p++;
			if (skip(r) == -1)
				return (-1);
		}
		if (r->p == r->end)
			return (stop(r, "it ends too early"));
		if (*r->p != (level->in_array ? ']' : '}')) {
			if (!comma)
				return (stop(r, level->in_array ? "',' or ']' is missing" : "',' or '}' is missing"));
			level->index++;
			return (1);
		}
		if (comma)
			lax(r);
		r->p++;
		r->depth--;
		r->path.n = r->path_size[r->depth];
		if (r->path.p != NULL)
			r->path.p[r->path.n] = '\0';
	}
	return (0);
}

static int
document(struct reading *r)
{
	struct jsontext_level *level;
	int more;

	if (skip(r) == -1)
		return (-1);
	if (r->p == r->end)
		return (stop(r, "nothing is in it"));
	for (;;) {
		/* A value, after its key if it is in an object. */
		if (r->depth > 0) {
			level = &r->level[r->depth - 1];
			if (level->in_array  ? index_path(r) == -1 :
				*r->p != '"' ? stop(r, "a key is missing") == -1 :
					       key(r) == -1)
				return (-1);
			if (r->p == r->end)
				return (stop(r, "it ends too early"));
		}
		if (*r->p == '{' || *r->p == '[') {
			if (open_level(r, *r->p == '[') == -1)
				return (-1);
			if (r->p == r->end)
				return (stop(r, "it ends too early"));
			if (*r->p != (r->level[r->depth - 1].in_array ? ']' : '}'))
				continue;
			r->p++;
			r->depth--;
			r->path.n = r->path_size[r->depth];
		} else if (scalar(r) == -1)
			return (-1);
		if ((more = after_value(r)) == -1)
			return (-1);
		if (!more)
			break;
	}
	if (skip(r) == -1)
		return (-1);
	return (r->p == r->end ? 0 : stop(r, "something stands after the value"));
}

int
jsontext_read(const char *text, size_t n, const struct jsontext_reader *reader, struct jsontext_end *end)
{
	struct reading r;
	size_t i;

	memset(&r, 0, sizeof(r));
	memset(end, 0, sizeof(*end));
	r.p = text;
	r.end = text + n;
	r.line = 1;
	r.reader = reader;
	r.out = end;
	end->ok = document(&r) == 0;
	for (i = 0; i < JSONTEXT_DEPTH; i++)
		free(r.keys[i]);
	str_free(&r.path);
	str_free(&r.string);
	hash_free(&r.seen);
	if (r.failed) {
		errno = ENOMEM;
		return (-1);
	}
	return (0);
}
