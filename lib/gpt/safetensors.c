#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gpt/f16.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/progress.h"
#include "gpt/safetensors.h"
#include "base/say.h"

static const struct {
	const char *name;
	size_t size;
} dtypes[] = {
	[SAFETENSORS_BOOL] = { "BOOL", 1 },
	[SAFETENSORS_U8] = { "U8", 1 },
	[SAFETENSORS_I8] = { "I8", 1 },
	[SAFETENSORS_U16] = { "U16", 2 },
	[SAFETENSORS_I16] = { "I16", 2 },
	[SAFETENSORS_F16] = { "F16", 2 },
	[SAFETENSORS_BF16] = { "BF16", 2 },
	[SAFETENSORS_U32] = { "U32", 4 },
	[SAFETENSORS_I32] = { "I32", 4 },
	[SAFETENSORS_F32] = { "F32", 4 },
	[SAFETENSORS_U64] = { "U64", 8 },
	[SAFETENSORS_I64] = { "I64", 8 },
	[SAFETENSORS_F64] = { "F64", 8 },
};

#define DTYPES (sizeof(dtypes) / sizeof(dtypes[0]))

struct safetensors {
	json_t *header;                     /* names and metadata live in it */
	struct safetensors_tensor *tensors; /* by offset */
	size_t count;
	char *what;
	const unsigned char *memory; /* the data, or NULL: then they stand in fd from data_at on */
	int fd;
	uint64_t data_at, data_bytes;
};

const char *
safetensors_dtype_name(enum safetensors_dtype dtype)
{
	return (dtypes[dtype].name);
}

size_t
safetensors_dtype_size(enum safetensors_dtype dtype)
{
	return (dtypes[dtype].size);
}

static int
bad(const struct safetensors *s, const char *name, const char *why)
{
	if (name != NULL)
		say_error("%s: tensor '%.64s' %s", s->what, name, why);
	else
		say_error("%s: %s", s->what, why);
	errno = EBADMSG;
	return (-1);
}

/* A non-negative integer of the header; -1 if it is none. */
static int
whole(const json_t *v, uint64_t *out)
{
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return (-1);
	*out = (uint64_t)json_integer_value(v);
	return (0);
}

/* Fill one tensor from its entry; everything but its relation to the others is checked. */
static int
read_entry(const struct safetensors *s, struct safetensors_tensor *t, const char *name, const json_t *entry)
{
	const json_t *shape = json_object_get(entry, "shape"), *offsets = json_object_get(entry, "data_offsets");
	const char *dtype = json_string_value(json_object_get(entry, "dtype"));
	uint64_t n = 1, value, end;
	size_t d;

	t->name = name;
	if (!json_is_object(entry) || json_object_size(entry) != 3 || dtype == NULL || !json_is_array(shape) ||
	    !json_is_array(offsets) || json_array_size(offsets) != 2)
		return (bad(s, name, "needs exactly dtype, shape and two data_offsets"));
	for (d = 0; d < DTYPES && strcmp(dtypes[d].name, dtype) != 0; d++)
		;
	if (d == DTYPES)
		return (bad(s, name, "has an unknown dtype"));
	t->dtype = (enum safetensors_dtype)d;
	t->dims = json_array_size(shape);
	if (t->dims > SAFETENSORS_MAX_DIMS)
		return (bad(s, name, "has too many dimensions"));
	for (size_t i = 0; i < t->dims; i++) {
		if (whole(json_array_get(shape, i), &value) != 0)
			return (bad(s, name, "has a shape that is not whole numbers"));
		if (value != 0 && n > UINT64_MAX / 16 / value)
			return (bad(s, name, "is too large to exist"));
		t->shape[i] = (size_t)value;
		n *= value;
	}
	t->n = (size_t)n;
	t->bytes = n * dtypes[d].size;
	if (whole(json_array_get(offsets, 0), &t->offset) != 0 || whole(json_array_get(offsets, 1), &end) != 0 ||
	    end < t->offset || end > s->data_bytes)
		return (bad(s, name, "has data_offsets outside the file"));
	if (end - t->offset != t->bytes)
		return (bad(s, name, "has data_offsets that do not fit its shape"));
	return (0);
}

/* By offset; an empty tensor comes before the one that starts where it stands. */
static int
by_offset(const void *a, const void *b)
{
	const struct safetensors_tensor *x = a, *y = b;

	if (x->offset != y->offset)
		return (x->offset < y->offset ? -1 : 1);
	return ((x->bytes > y->bytes) - (x->bytes < y->bytes));
}

static int
read_header(struct safetensors *s)
{
	uint64_t at = 0;
	const char *key;
	json_t *v;

	if (!json_is_object(s->header))
		return (bad(s, NULL, "safetensors header is no JSON object"));
	s->tensors = calloc(json_object_size(s->header) + 1, sizeof(*s->tensors));
	if (s->tensors == NULL) {
		say_errno("cannot read '%s'", s->what);
		return (-1);
	}
	json_object_foreach(s->header, key, v) {
		if (strcmp(key, "__metadata__") == 0) {
			const char *name;
			json_t *text;

			if (!json_is_object(v))
				return (bad(s, NULL, "__metadata__ is no object"));
			json_object_foreach(v, name, text)
				if (!json_is_string(text))
					return (bad(s, NULL, "__metadata__ holds something that is no string"));
			continue;
		}
		if (read_entry(s, &s->tensors[s->count], key, v) != 0)
			return (-1);
		s->count++;
	}
	qsort(s->tensors, s->count, sizeof(*s->tensors), by_offset);
	for (size_t i = 0; i < s->count; i++) {
		if (s->tensors[i].offset < at)
			return (bad(s, s->tensors[i].name, "overlaps another"));
		if (s->tensors[i].offset > at)
			return (bad(s, s->tensors[i].name, "has a hole before it"));
		at += s->tensors[i].bytes;
	}
	if (at != s->data_bytes)
		return (bad(s, NULL, "bytes follow the last tensor"));
	return (0);
}

/* Length of the header from the file's first bytes; 0 or -1. */
static int
header_length(const struct safetensors *s, const unsigned char first[8], uint64_t file_bytes, size_t *length)
{
	uint64_t n = 0;

	for (int i = 7; i >= 0; i--)
		n = n << 8 | first[i];
	if (n > SAFETENSORS_MAX_HEADER || n > file_bytes - 8)
		return (bad(s, NULL, "safetensors header length is larger than the file or the limit"));
	*length = (size_t)n;
	return (0);
}

static struct safetensors *
begin(const char *what)
{
	struct safetensors *s = calloc(1, sizeof(*s));

	if (s != NULL && (s->what = strdup(what)) == NULL) {
		free(s);
		s = NULL;
	}
	if (s == NULL)
		say_errno("cannot read '%s'", what);
	return (s);
}

struct safetensors *
safetensors_parse(const void *data, size_t n, const char *what)
{
	struct safetensors *s;
	size_t length;

	if ((s = begin(what)) == NULL)
		return (NULL);
	if (n < 8) {
		bad(s, NULL, "too short for a safetensors file");
		goto err;
	}
	if (header_length(s, data, n, &length) != 0)
		goto err;
	s->data_at = 8 + length;
	s->data_bytes = n - s->data_at;
	s->memory = (const unsigned char *)data + s->data_at;
	if ((s->header = jsonio_parse((const char *)data + 8, length, what)) == NULL || read_header(s) != 0)
		goto err;
	return (s);

err:
	safetensors_free(s);
	return (NULL);
}

struct safetensors *
safetensors_read(int fd, const char *what)
{
	unsigned char first[8];
	struct safetensors *s;
	struct stat st;
	char *text = NULL;
	size_t length;

	if ((s = begin(what)) == NULL)
		return (NULL);
	s->fd = fd;
	if (fstat(fd, &st) != 0) {
		say_errno("cannot read '%s'", what);
		goto err;
	}
	if (st.st_size < 8) {
		bad(s, NULL, "too short for a safetensors file");
		goto err;
	}
	if (file_read_at(fd, first, sizeof(first), 0) != 0) {
		say_errno("cannot read '%s'", what);
		goto err;
	}
	if (header_length(s, first, (uint64_t)st.st_size, &length) != 0)
		goto err;
	s->data_at = 8 + length;
	s->data_bytes = (uint64_t)st.st_size - s->data_at;
	if ((text = malloc(length + 1)) == NULL || file_read_at(fd, text, length, 8) != 0) {
		say_errno("cannot read '%s'", what);
		goto err;
	}
	if ((s->header = jsonio_parse(text, length, what)) == NULL || read_header(s) != 0)
		goto err;
	free(text);
	return (s);

err:
	free(text);
	safetensors_free(s);
	return (NULL);
}

void
safetensors_free(struct safetensors *s)
{
	const int error = errno;

	if (s == NULL)
		return;
	json_decref(s->header);
	free(s->tensors);
	free(s->what);
	free(s);
	errno = error;
}

size_t
safetensors_count(const struct safetensors *s)
{
	return (s->count);
}

const struct safetensors_tensor *
safetensors_at(const struct safetensors *s, size_t i)
{
	assert(i < s->count);
	return (&s->tensors[i]);
}

const struct safetensors_tensor *
safetensors_find(const struct safetensors *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->tensors[i].name, name) == 0)
			return (&s->tensors[i]);
	return (NULL);
}

const char *
safetensors_metadata(const struct safetensors *s, const char *key)
{
	return (json_string_value(json_object_get(json_object_get(s->header, "__metadata__"), key)));
}

json_t *
safetensors_all_metadata(const struct safetensors *s)
{
	json_t *metadata = json_object_get(s->header, "__metadata__");

	return (metadata != NULL ? json_copy(metadata) : json_object());
}

/* Bytes [at, at + n) of a tensor. */
static int
fetch(const struct safetensors *s, const struct safetensors_tensor *t, uint64_t at, void *out, size_t n)
{
	assert(at + n <= t->bytes);
	if (n == 0)
		return (0);
	if (s->memory != NULL) {
		memcpy(out, s->memory + t->offset + at, n);
		return (0);
	}
	if (file_read_at(s->fd, out, n, s->data_at + t->offset + at) == 0)
		return (0);
	say_errno("cannot read tensor '%.64s' of '%s'", t->name, s->what);
	return (-1);
}

int
safetensors_get(const struct safetensors *s, const struct safetensors_tensor *t, void *out)
{
	return (fetch(s, t, 0, out, (size_t)t->bytes));
}

/* Little-endian bits of one element, whatever this machine's order. */
static uint64_t
element(const unsigned char *p, size_t size)
{
	uint64_t u = 0;

	while (size-- > 0)
		u = u << 8 | p[size];
	return (u);
}

static float
as_f32(enum safetensors_dtype dtype, uint64_t u)
{
	const uint32_t low = (uint32_t)u;
	float f;
	double d;

	switch (dtype) {
	case SAFETENSORS_F32:
		memcpy(&f, &low, sizeof(f));
		return (f);
	case SAFETENSORS_F16:
		return (f16_to((uint16_t)u));
	case SAFETENSORS_BF16:
		return (f16_bf16_to((uint16_t)u));
	case SAFETENSORS_F64:
		memcpy(&d, &u, sizeof(d));
		return ((float)d);
	case SAFETENSORS_I8:
		return ((float)(int8_t)u);
	case SAFETENSORS_I16:
		return ((float)(int16_t)u);
	case SAFETENSORS_I32:
		return ((float)(int32_t)low);
	default:
		return ((float)low);
	}
}

int
safetensors_get_f32(const struct safetensors *s, const struct safetensors_tensor *t, float *out)
{
	const size_t size = dtypes[t->dtype].size;
	unsigned char chunk[8192];
	const size_t room = sizeof(chunk) / size;

	if (t->dtype == SAFETENSORS_I64 || t->dtype == SAFETENSORS_U64)
		return (bad(s, t->name, "is not of a type that float32 can hold"));
	for (size_t i = 0; i < t->n; i += room) {
		const size_t n = t->n - i < room ? t->n - i : room;

		if (fetch(s, t, i * size, chunk, n * size) != 0)
			return (-1);
		for (size_t j = 0; j < n; j++)
			out[i + j] = as_f32(t->dtype, element(chunk + j * size, size));
	}
	return (0);
}

char *
safetensors_header(const struct safetensors_tensor *tensors, size_t count, const json_t *metadata, size_t *n)
{
	json_t *header = json_object();
	char *text = NULL, *out = NULL;
	uint64_t at = 0;
	size_t length, padded;
	int failed = header == NULL;

	if (metadata != NULL)
		failed |= json_object_set(header, "__metadata__", (json_t *)(uintptr_t)metadata) != 0;
	for (size_t i = 0; i < count; i++) {
		const struct safetensors_tensor *t = &tensors[i];
		const uint64_t start = at;
		json_t *shape = json_array();

		at += dtypes[t->dtype].size * (uint64_t)t->n;
		for (size_t d = 0; d < t->dims; d++)
			failed |= json_array_append_new(shape, json_integer((json_int_t)t->shape[d])) != 0;
		assert(json_object_get(header, t->name) == NULL);
		failed |= json_object_set_new(header, t->name,
			      json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtypes[t->dtype].name, "shape", shape,
				  "data_offsets", (json_int_t)start, (json_int_t)at)) != 0;
	}
	if (!failed && (text = json_dumps(header, JSON_COMPACT)) != NULL) {
		length = strlen(text);
		padded = (length + 7) / 8 * 8;
		if ((out = malloc(8 + padded)) != NULL) {
			for (int i = 0; i < 8; i++)
				out[i] = (char)((uint64_t)padded >> (8 * i) & 0xff);
			memset(out + 8, ' ', padded);
			memcpy(out + 8, text, length);
			*n = 8 + padded;
		}
	}
	free(text);
	json_decref(header);
	if (out == NULL)
		errno = ENOMEM;
	return (out);
}

int
safetensors_write(int fd, const struct safetensors_tensor *tensors, size_t count, const json_t *metadata)
{
	size_t n;
	char *header = safetensors_header(tensors, count, metadata, &n);
	int rc = -1;

	if (header == NULL)
		return (-1);
	if (file_write_all(fd, header, n) != 0)
		goto out;
	for (size_t i = 0; i < count; i++) {
		if (file_write_all(fd, tensors[i].data, tensors[i].n * dtypes[tensors[i].dtype].size) != 0)
			goto out;
		progress_tick();
	}
	rc = 0;
out:
	free(header);
	return (rc);
}
