#ifndef HG_SAFETENSORS_H
#define HG_SAFETENSORS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Safetensors files: 8 bytes of header length (little-endian), a JSON header,
 * then the tensors' bytes.  The reader trusts nothing: header length, shapes,
 * products, offsets and names are checked before any use, tensors must fill the
 * data exactly, in some order, without overlap or hole, and only then is the
 * file open.
 * Source: https://github.com/huggingface/safetensors (format).
 * Checked: t/unit/safetensors.c, t/fuzz/safetensors.c.
 */

enum safetensors_dtype {
	SAFETENSORS_BOOL,
	SAFETENSORS_U8,
	SAFETENSORS_I8,
	SAFETENSORS_U16,
	SAFETENSORS_I16,
	SAFETENSORS_F16,
	SAFETENSORS_BF16,
	SAFETENSORS_U32,
	SAFETENSORS_I32,
	SAFETENSORS_F32,
	SAFETENSORS_U64,
	SAFETENSORS_I64,
	SAFETENSORS_F64
};

#define SAFETENSORS_MAX_DIMS 8
#define SAFETENSORS_MAX_HEADER ((size_t)16 << 20)

struct safetensors_tensor {
	const char *name;
	enum safetensors_dtype dtype;
	size_t dims, shape[SAFETENSORS_MAX_DIMS];
	size_t n;               /* elements; 1 for no dims */
	uint64_t offset, bytes; /* place in the data, which starts after the header */
	const void *data;       /* to be written; unused by the reader */
};

/* "F32" and the like; bytes of an element. */
const char *safetensors_dtype_name(enum safetensors_dtype dtype);
size_t safetensors_dtype_size(enum safetensors_dtype dtype);

struct safetensors;

/**
 * safetensors_parse(data, n, what) / safetensors_read(fd, what):
 * Open a file that is in memory, or behind a descriptor that can seek.
 * ${what} names it in messages.
 * Owns:   the caller frees; memory or descriptor are borrowed until then.
 * Errors: NULL after saying why; errno EBADMSG (malformed), ENOMEM, or that of reading.
 */
struct safetensors *safetensors_parse(const void *data, size_t n, const char *what);
struct safetensors *safetensors_read(int fd, const char *what);
void safetensors_free(struct safetensors *s);

size_t safetensors_count(const struct safetensors *s);
const struct safetensors_tensor *safetensors_at(const struct safetensors *s, size_t i); /* by offset */
const struct safetensors_tensor *safetensors_find(const struct safetensors *s, const char *name);

/* A string of __metadata__, or NULL. */
const char *safetensors_metadata(const struct safetensors *s, const char *key);

/* All of __metadata__ as an object of strings, empty if there is none. Owns: the caller decrefs. */
json_t *safetensors_all_metadata(const struct safetensors *s);

/* A tensor's bytes, all of them, into out; 0, or -1 after saying why. */
int safetensors_get(const struct safetensors *s, const struct safetensors_tensor *t, void *out);

/* A tensor as float32, from any type but 64-bit integers; 0, or -1 after saying why. Shapes: out (t->n). */
int safetensors_get_f32(const struct safetensors *s, const struct safetensors_tensor *t, float *out);

/**
 * safetensors_header(tensors, count, metadata, n):
 * The bytes that precede the data: length and JSON, padded with spaces so that
 * the data start at a multiple of 8.  Offsets follow the order given; name,
 * dtype, dims and shape of each tensor are read.  ${metadata} is an object of
 * strings, or NULL.  The same arguments give the same bytes.
 * Owns:   the caller frees.  Errors: NULL with errno ENOMEM.
 */
char *safetensors_header(const struct safetensors_tensor *tensors, size_t count, const json_t *metadata, size_t *n);

/* Header and data to a descriptor; 0, or -1 with errno of write or ENOMEM. */
int safetensors_write(int fd, const struct safetensors_tensor *tensors, size_t count, const json_t *metadata);

#endif
