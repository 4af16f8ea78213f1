#ifndef HG_CODER_H
#define HG_CODER_H

#include <stddef.h>
#include <stdint.h>

/**
 * What packs an artifact: one stream of zlib at level 9, or of xz, whose range
 * coder wastes no part of a bit.  Either has a checksum of its own and is told
 * by its first bytes.  For xz the settings are those that packed trained weights
 * best: positions matter by two bytes, as float16 has, and what stood before not.
 * Checked: t/unit/artifact.c, t/fuzz/artifact.c.
 */
enum coder { CODER_ZLIB, CODER_XZ };

/* Neither expands a byte to more than this: a header that promises more is a lie. */
#define CODER_MAX_EXPANSION 8192

/**
 * coder_pack(coder, fd, pieces, sizes, count, written):
 * Write pieces as one stream; the same pieces give the same bytes, with the same version of the library.
 * Units:  sizes, written in bytes.
 * Errors: -1 with errno, which is the caller's to say.
 */
int
coder_pack(enum coder coder, int fd, const void *const *pieces, const size_t *sizes, size_t count, uint64_t *written);

struct coder_stream;

/**
 * coder_open(data, n, what) / coder_of(s) / coder_take(s, out, n) / coder_end(s):
 * A stream in memory; which coder packed it; its next ${n} bytes, no less; and that it ends there, with a checksum that
 * holds.
 * Owns:   the caller closes; ${data} and ${what} are borrowed until then.
 * Errors: NULL or -1 after saying why; errno EBADMSG (damaged, or longer), ENODATA (cut short), ENOMEM.
 */
struct coder_stream *coder_open(const void *data, size_t n, const char *what);
enum coder coder_of(const struct coder_stream *s);
int coder_take(struct coder_stream *s, void *out, size_t n);
int coder_end(struct coder_stream *s);
void coder_close(struct coder_stream *s);

#endif
