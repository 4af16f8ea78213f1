/* Both libraries have the same shape: in and out, a step, and what came of it; so one loop serves either way. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lzma.h>
#include <zlib.h>

#include "base/file.h"
#include "base/progress.h"
#include "base/say.h"
#include "gpt/coder.h"

/* The window of xz: as long as the data, which it need not be longer than, and at most this. */
#define MAX_WINDOW ((size_t)64 << 20)
#define MAX_MEMORY (MAX_WINDOW + ((size_t)1 << 20))

#define STEP ((size_t)1 << 30)

enum came { CAME_MORE, CAME_END, CAME_STUCK, CAME_BAD, CAME_NOMEM };

struct coder_stream {
	enum coder coder;
	const char *what;
	z_stream z;
	lzma_stream x;
};

static int
errno_of(lzma_ret rc)
{
	if (rc == LZMA_OK)
		return (0);
	assert(rc == LZMA_MEM_ERROR);
	errno = ENOMEM;
	return (-1);
}

static int
pack_begin(struct coder_stream *s, enum coder coder, size_t n)
{
	lzma_options_lzma options;
	const lzma_filter filters[] = { { LZMA_FILTER_LZMA2, &options }, { LZMA_VLI_UNKNOWN, NULL } };

	*s = (struct coder_stream){ .coder = coder, .x = LZMA_STREAM_INIT };
	if (coder == CODER_ZLIB) {
		if (deflateInit(&s->z, 9) == Z_OK)
			return (0);
		errno = ENOMEM;
		return (-1);
	}
	if (lzma_lzma_preset(&options, 9 | LZMA_PRESET_EXTREME))
		assert(0);
	options.dict_size = (uint32_t)(n > MAX_WINDOW ? MAX_WINDOW : n < LZMA_DICT_SIZE_MIN ? LZMA_DICT_SIZE_MIN : n);
	options.lc = 0;
	options.lp = 1;
	options.pb = 0;
	return (errno_of(lzma_stream_encoder(&s->x, filters, LZMA_CHECK_CRC64)));
}

static void
finish(struct coder_stream *s, int packs)
{
	if (s->coder == CODER_XZ)
		lzma_end(&s->x);
	else if (packs)
		deflateEnd(&s->z);
	else
		inflateEnd(&s->z);
}

/* Pack what there is of one piece into out, until that is full. The bytes made, and whether the piece is used up. */
static size_t
pack_some(struct coder_stream *s, const unsigned char **in, size_t *left, int last, unsigned char *out, size_t room,
    int *full)
{
	size_t n;

	if (s->coder == CODER_ZLIB) {
		int rc;

		s->z.next_in = (unsigned char *)(uintptr_t)*in;
		s->z.avail_in = *left > STEP ? (uInt)STEP : (uInt)*left;
		n = s->z.avail_in;
		s->z.next_out = out;
		s->z.avail_out = (uInt)room;
		rc = deflate(&s->z, last && n == *left ? Z_FINISH : Z_NO_FLUSH);
		assert(rc != Z_STREAM_ERROR);
		n -= s->z.avail_in;
		*full = s->z.avail_out == 0;
		room -= s->z.avail_out;
	} else {
		lzma_ret rc;

		s->x.next_in = *in;
		s->x.avail_in = *left;
		n = *left;
		s->x.next_out = out;
		s->x.avail_out = room;
		rc = lzma_code(&s->x, last ? LZMA_FINISH : LZMA_RUN);
		assert(rc == LZMA_OK || rc == LZMA_STREAM_END || rc == LZMA_BUF_ERROR);
		n -= s->x.avail_in;
		*full = s->x.avail_out == 0 && rc != LZMA_STREAM_END;
		room -= s->x.avail_out;
	}
	*in += n;
	*left -= n;
	return (room);
}

int
coder_pack(enum coder coder, int fd, const void *const *pieces, const size_t *sizes, size_t count, uint64_t *written)
{
	unsigned char out[1 << 16];
	struct coder_stream s;
	size_t all = 0, made;
	int full;

	*written = 0;
	for (size_t i = 0; i < count; i++)
		all += sizes[i];
	if (pack_begin(&s, coder, all) == -1)
		return (-1);
	for (size_t i = 0; i < count; i++) {
		const unsigned char *in = pieces[i];
		size_t left = sizes[i];

		do {
			made = pack_some(&s, &in, &left, i + 1 == count, out, sizeof(out), &full);
			if (file_write_all(fd, out, made) != 0)
				goto err1;
			*written += made;
			progress_tick();
		} while (full || left > 0);
	}
	finish(&s, 1);
	return (0);
err1:
	finish(&s, 1);
	return (-1);
}

/* --- unpacking ------------------------------------------------------------------- */

struct coder_stream *
coder_open(const void *data, size_t n, const char *what)
{
	static const unsigned char xz[] = { 0xfd, '7', 'z', 'X', 'Z', 0 };
	struct coder_stream *s;

	if (n > UINT32_MAX) {
		say_error("'%s': it is larger than any artifact", what);
		errno = EBADMSG;
		return (NULL);
	}
	if ((s = calloc(1, sizeof(*s))) == NULL)
		goto err0;
	s->what = what;
	s->coder = n >= sizeof(xz) && memcmp(data, xz, sizeof(xz)) == 0 ? CODER_XZ : CODER_ZLIB;
	if (s->coder == CODER_XZ) {
		s->x = (lzma_stream)LZMA_STREAM_INIT;
		s->x.next_in = data;
		s->x.avail_in = n;
		if (lzma_stream_decoder(&s->x, MAX_MEMORY, LZMA_TELL_NO_CHECK | LZMA_TELL_UNSUPPORTED_CHECK) != LZMA_OK)
			goto err1;
	} else {
		s->z.next_in = (unsigned char *)(uintptr_t)data;
		s->z.avail_in = (uInt)n;
		if (inflateInit(&s->z) != Z_OK)
			goto err1;
	}
	return (s);
err1:
	free(s);
err0:
	errno = ENOMEM;
	say_errno("cannot read '%s'", what);
	return (NULL);
}

enum coder
coder_of(const struct coder_stream *s)
{
	return (s->coder);
}

/* One step into out; the bytes that came. */
static size_t
unpack_some(struct coder_stream *s, unsigned char *out, size_t room, enum came *came)
{
	if (room > STEP)
		room = STEP;
	if (s->coder == CODER_ZLIB) {
		s->z.next_out = out;
		s->z.avail_out = (uInt)room;
		switch (inflate(&s->z, Z_NO_FLUSH)) {
		case Z_OK:
			*came = CAME_MORE;
			break;
		case Z_STREAM_END:
			*came = CAME_END;
			break;
		case Z_BUF_ERROR:
			*came = CAME_STUCK;
			break;
		case Z_MEM_ERROR:
			*came = CAME_NOMEM;
			break;
		default:
			*came = CAME_BAD;
		}
		return (room - s->z.avail_out);
	}
	s->x.next_out = out;
	s->x.avail_out = room;
	switch (lzma_code(&s->x, LZMA_FINISH)) {
	case LZMA_OK:
		*came = CAME_MORE;
		break;
	case LZMA_STREAM_END:
		*came = CAME_END;
		break;
	case LZMA_BUF_ERROR:
		*came = CAME_STUCK;
		break;
	case LZMA_MEM_ERROR:
		*came = CAME_NOMEM;
		break;
	default:
		*came = CAME_BAD;
	}
	return (room - s->x.avail_out);
}

static int
fail(const struct coder_stream *s, enum came came)
{
	if (came == CAME_NOMEM) {
		errno = ENOMEM;
		say_errno("cannot read '%s'", s->what);
		return (-1);
	}
	say_error("'%s' is damaged: %s", s->what,
	    s->coder == CODER_XZ ? "its xz stream is broken, has no checksum, or wants more memory than any of ours" :
		s->z.msg != NULL ? s->z.msg :
				   "not a zlib stream");
	errno = EBADMSG;
	return (-1);
}

int
coder_take(struct coder_stream *s, void *out, size_t n)
{
	unsigned char *at = out;
	enum came came;
	size_t got;

	while (n > 0) {
		got = unpack_some(s, at, n, &came);
		at += got;
		n -= got;
		if (n == 0)
			break;
		if (came == CAME_END || came == CAME_STUCK) {
			say_error("'%s' is cut short: %zu more bytes were expected", s->what, n);
			errno = ENODATA;
			return (-1);
		}
		if (came != CAME_MORE)
			return (fail(s, came));
	}
	return (0);
}

int
coder_end(struct coder_stream *s)
{
	unsigned char more;
	enum came came;

	if (unpack_some(s, &more, 1, &came) > 0) {
		say_error("'%s' holds more than its header declares", s->what);
	} else if (came == CAME_END) {
		if (s->coder == CODER_XZ ? s->x.avail_in == 0 : s->z.avail_in == 0)
			return (0);
		say_error("'%s' has bytes after its end", s->what);
	} else if (came == CAME_BAD || came == CAME_NOMEM) {
		return (fail(s, came));
	} else {
		say_error("'%s' is cut short: its checksum is missing", s->what);
		errno = ENODATA;
		return (-1);
	}
	errno = EBADMSG;
	return (-1);
}

void
coder_close(struct coder_stream *s)
{
	const int error = errno;

	if (s == NULL)
		return;
	finish(s, 0);
	free(s);
	errno = error;
}
