/*
 * The laws of rows at their edges; artifacts written, restored, altered, cut short and forged.
 * test_tags=b65,b66
 */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <lzma.h>
#include <zlib.h>

#include "gpt/artifact.h"
#include "gpt/f16.h"
#include "base/file.h"
#include "gpt/quantize.h"
#include "base/rng.h"
#include "gpt/safetensors.h"
#include "base/say.h"
#include "t/unit/tap.h"

#define SCALE_FLOOR (1.0 / 127)
static const struct quantize_law published = { 8, QUANTIZE_MINMAX, 0, SCALE_FLOOR };
static const struct quantize_law floorless = { 8, QUANTIZE_MINMAX, 0, 0 };
static const struct artifact_law law = { 8, 8, QUANTIZE_MINMAX, 12.85, 20, SCALE_FLOOR, CODER_ZLIB, 65536 };
static const struct artifact_law xz = { 8, 8, QUANTIZE_MINMAX, 12.85, 20, SCALE_FLOOR, CODER_XZ, 65536 };

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void
rows(void)
{
	const float ties[4] = { 0.5f / 127, 1.5f / 127, -2.5f / 127, -127.0f / 127 };
	const float zeros[4] = { 0, -0.0f, 0, 0 }, large[4] = { 1000, -1000, 500, 1 }, one[1] = { -3 };
	float scratch[4], back[4];
	int8_t q[4];
	uint16_t scale[4];

	quantize_rows(&published, ties, 1, 4, q, scale, scratch);
	tap_ok(q[0] == 0 && q[1] == 2 && q[2] == -2 && q[3] == -127, "halves go to the even neighbour");
	tap_ok(f16_to(scale[0]) != 1.0f / 127 && fabsf(f16_to(scale[0]) - 1.0f / 127) < 1e-5f,
	    "the scale is kept as float16");
	quantize_rows(&published, zeros, 1, 4, q, scale, scratch);
	quantize_restore(q, scale, 1, 4, back);
	tap_ok(back[0] == 0 && back[1] == 0 && scale[0] == f16_from(1.0f / 127), "a row of zeros keeps the floor");
	quantize_rows(&floorless, zeros, 1, 4, q, scale, scratch);
	quantize_restore(q, scale, 1, 4, back);
	tap_ok(back[0] == 0 && back[3] == 0 && scale[0] == 0, "without a floor it stays zeros");
	quantize_rows(&published, large, 1, 4, q, scale, scratch);
	quantize_restore(q, scale, 1, 4, back);
	tap_ok(q[0] == 127 && q[1] == -127 && fabsf(back[0] - 1000) < 1, "large rows scale up");
	quantize_rows(&published, one, 1, 1, q, scale, scratch);
	tap_ok(q[0] == -127, "a row of one column is its own maximum");
	quantize_rows(&floorless, ties, 4, 1, q, scale, scratch);
	tap_ok(q[0] == 127 && q[3] == -127 && scale[0] != scale[3], "each row has a scale of its own");
}

static void
fewer_bits(void)
{
	const struct quantize_law six = { 6, QUANTIZE_MINMAX, 0, 0 }, cut = { 6, QUANTIZE_SDCLIP, 2, 0 };
	const float w[4] = { 31, -31, 15.5f, 0.5f }, spike[8] = { 1, -1, 1, -1, 1, -1, 1, 100 }, one[1] = { -3 };
	float scratch[8], back[8];
	int8_t q[8];
	uint16_t scale[1];

	quantize_rows(&six, w, 1, 4, q, scale, scratch);
	tap_ok(quantize_top(6) == 31 && quantize_top(7) == 63 && quantize_top(8) == 127 && q[0] == 31 && q[1] == -31 &&
		q[2] == 16 && q[3] == 0,
	    "6 bits have levels up to 31, and halves go to the even one");
	quantize_rows(&cut, spike, 1, 8, q, scale, scratch);
	quantize_restore(q, scale, 1, 8, back);
	tap_ok(q[7] == 31 && back[7] < 80 && back[7] > 60, "sdclip cuts off what is beyond so many deviations");
	quantize_rows(&cut, one, 1, 1, q, scale, scratch);
	tap_ok(q[0] == -31, "a row of one column, which has no deviation, is its own maximum");
}

/* Everything a sample artifact is made of. */
struct sample {
	struct params *p;
	float *w;
	char *bytes; /* of the artifact */
	size_t n;
	struct artifact_report report;
};

static int
temporary(void)
{
	char path[] = "/tmp/hg-artifact-XXXXXX";
	const int fd = mkstemp(path);

	unlink(path);
	return (fd);
}

static void
make_sample(struct sample *s, size_t vocab_size, const struct artifact_law *by)
{
	struct config c;
	const int fd = temporary();

	config_default(&c);
	c.vocab_size = vocab_size;
	c.num_layers = 2;
	c.model_dim = 192;
	c.num_heads = 4;
	c.num_kv_heads = 2;
	s->p = params_new(&c);
	s->w = calloc(s->p->n, sizeof(*s->w));
	params_init(s->p, 1, s->w);
	if (artifact_write(fd, s->p, s->w, DIGEST, by, NULL, &s->report) != 0)
		exit(1);
	lseek(fd, 0, SEEK_SET);
	s->bytes = file_read_fd(fd, 1 << 24, &s->n);
	close(fd);
}

static void
free_sample(struct sample *s)
{
	params_free(s->p);
	free(s->w);
	free(s->bytes);
	artifact_report_free(&s->report);
}

static int
reads(const void *bytes, size_t n)
{
	struct artifact a;

	if (artifact_read(bytes, n, "sample", &a) != 0)
		return (0);
	artifact_free(&a);
	return (1);
}

static void
round_trip(const struct sample *s)
{
	static const char *const once[] = { "F16", "F32" };
	static const char *const block[] = { "F32", "F32", "F32", "F32", "F16", "F16", "F16", "F16", "I8", "I8" };
	struct sample again;
	struct artifact a;
	double worst = 0;
	size_t quantised = 0, as_published = 0;

	make_sample(&again, 300, &law);
	tap_ok(again.n == s->n && memcmp(again.bytes, s->bytes, s->n) == 0 && s->report.bytes == s->n,
	    "the same weights give the same bytes, counted in the report");
	if (!tap_ok(artifact_read(s->bytes, s->n, "sample", &a) == 0, "an artifact is restored"))
		return;
	for (size_t i = 0; i < s->p->count; i++) {
		const struct params_tensor *t = &s->p->tensors[i];
		double most = 0;

		for (size_t j = t->offset; j < t->offset + t->n; j++)
			most = fmax(most, fabs((double)a.w[j] - s->w[j]));
		worst = fmax(worst, fabs(most - s->report.tensors[i].max_error));
		quantised += strcmp(s->report.tensors[i].dtype, "I8") == 0;
	}
	for (size_t i = 0; i < s->p->count; i++)
		as_published += strcmp(s->report.tensors[i].dtype, i < 2 ? once[i] : block[(i - 2) % 10]) == 0;
	tap_ok(as_published == 22 && s->p->count == 22, "control tensors stay float32, small matrices become float16");
	tap_ok(worst == 0, "with exactly the errors that the report names");
	tap_ok(quantised == 4, "only matrices over 65,536 elements become int8 (%zu)", quantised);
	tap_ok(a.config.model_dim == 192 && a.config.tie_embeddings == 1 && a.config.rope_base == 10000 &&
		strcmp(a.tokenizer_sha256, DIGEST) == 0,
	    "its configuration and tokenizer digest come back");
	artifact_free(&a);
	free_sample(&again);
}

/* Numbers of two lanes, which a rounding to binary16 would change. */
static void
lanes(void)
{
	const struct artifact_law least = { 6, 6, QUANTIZE_MINMAX, 12.85, 20, SCALE_FLOOR, CODER_ZLIB, 65536 };
	struct artifact_report report;
	struct config c;
	struct params *p;
	struct artifact a;
	const int fd = temporary();
	size_t n, numbers = 0, same = 0;
	float *w;
	char *bytes;

	config_default(&c);
	c.vocab_size = 300;
	c.num_layers = 4;
	c.model_dim = 16;
	c.num_heads = 4;
	c.num_kv_heads = 2;
	c.parallel_from = 2;
	p = params_new(&c);
	w = calloc(p->n, sizeof(*w));
	for (size_t i = 0; i < p->n; i++)
		w[i] = 1 / (float)(i + 3);
	if (!tap_ok(artifact_write(fd, p, w, DIGEST, &least, NULL, &report) == 0, "a model of two lanes is packed"))
		return;
	lseek(fd, 0, SEEK_SET);
	bytes = file_read_fd(fd, 1 << 24, &n);
	if (tap_ok(artifact_read(bytes, n, "sample", &a) == 0 && a.config.parallel_from == 2, "and restored as one")) {
		for (size_t i = 0; i < p->count; i++)
			for (size_t j = 0; j < p->tensors[i].n && strstr(p->tensors[i].name, ".lane_") != NULL; j++) {
				numbers++;
				same += a.w[p->tensors[i].offset + j] == w[p->tensors[i].offset + j];
			}
		tap_ok(numbers == 12 && same == 12, "its lanes' numbers come back to the bit (%zu of %zu)", same,
		    numbers);
		artifact_free(&a);
	}
	artifact_report_free(&report);
	params_free(p);
	free(bytes);
	free(w);
	close(fd);
}

static void
damage(const struct sample *s, const char *coder)
{
	unsigned char *copy = malloc(s->n + 1);
	size_t found = 0, tried = 0;

	for (size_t at = 0; at < s->n; at += at < 64 || at + 64 > s->n ? 1 : 997) {
		memcpy(copy, s->bytes, s->n);
		copy[at] ^= 0xff;
		tried++;
		found += !reads(copy, s->n);
	}
	tap_ok(found == tried, "a byte flipped anywhere in %s is found (%zu of %zu)", coder, found, tried);
	tap_ok(!reads(s->bytes, s->n - 1) && errno == ENODATA, "one byte less is named as cut short");
	tap_ok(!reads(s->bytes, s->n / 2) && errno == ENODATA, "so is half of it");
	tap_ok(!reads(s->bytes, 0) && errno == ENODATA, "so is nothing at all");
	memcpy(copy, s->bytes, s->n);
	copy[s->n] = 0;
	tap_ok(!reads(copy, s->n + 1) && errno == EBADMSG, "one byte more is refused");
	free(copy);
}

/* Deflate a safetensors file with this header and n bytes of zeros; is it taken for an artifact? */
static int
forged(const char *header, size_t zeros)
{
	const size_t length = strlen(header);
	unsigned char *plain = calloc(1, 8 + length + zeros), *packed;
	uLongf n = compressBound(8 + length + zeros);
	int ok;

	for (int i = 0; i < 8; i++)
		plain[i] = (unsigned char)((uint64_t)length >> (8 * i) & 0xff);
	memcpy(plain + 8, header, length);
	packed = malloc(n);
	compress2(packed, &n, plain, 8 + length + zeros, 9);
	ok = reads(packed, n);
	free(plain);
	free(packed);
	return (ok);
}

#define METADATA(V, L, D) \
	"{\"__metadata__\":{\"format\":\"homegolf.artifact.v1\",\"tokenizer_sha256\":\"" DIGEST "\"," \
	"\"config\":\"{\\\"vocab_size\\\":" V ",\\\"num_layers\\\":" L ",\\\"model_dim\\\":" D ",\\\"num_heads\\\":1," \
	"\\\"num_kv_heads\\\":1,\\\"mlp_mult\\\":1,\\\"tie_embeddings\\\":true,\\\"rope_base\\\":10000," \
	"\\\"logit_softcap\\\":30,\\\"qk_gain_init\\\":1.5,\\\"tied_embed_init_std\\\":0.005}\"}"

static void
forgeries(void)
{
	tap_ok(!forged("{}", 0) && strstr(say_last(), "format"), "a safetensors file without our format is refused");
	tap_ok(!forged(METADATA("4", "0", "2") "}", 0) && strstr(say_last(), "num_layers"),
	    "an impossible configuration is refused by its key");
	tap_ok(!forged(METADATA("65536", "1024", "16384") "}", 0) && strstr(say_last(), "too small"),
	    "a model larger than the file can hold is refused before memory is asked for");
	tap_ok(!forged(METADATA("4", "1", "2") "}", 1 << 20) && strstr(say_last(), "more than"),
	    "a bomb is not inflated beyond what its configuration needs");
	tap_ok(!forged(METADATA("4", "1", "2") "}", 7) && errno == ENODATA, "data that stop early are cut short");
	tap_ok(!forged(METADATA("4", "1", "2") ",\"x\":{\"dtype\":\"U8\",\"shape\":[122],\"data_offsets\":[0,122]}}",
		   122) &&
		errno == EBADMSG,
	    "other tensors than the configuration implies are refused: %s", say_last());
}

static void
unstorable(struct sample *s)
{
	const float kept = s->w[0];
	struct artifact_report report;
	const int fd = temporary();

	s->w[0] = NAN;
	tap_ok(s->report.payload_bytes > 0 && artifact_payload(&s->p->config, &law) == s->report.payload_bytes,
	    "the payload of an artifact is known before there is one");
	tap_ok(artifact_write(fd, s->p, s->w, DIGEST, &law, NULL, &report) == -1 && errno == ERANGE,
	    "a weight that is no number is refused");
	s->w[0] = 1e6f;
	tap_ok(artifact_write(fd, s->p, s->w, DIGEST, &law, NULL, &report) == -1 &&
		strstr(say_last(), "tok_emb.weight") != NULL,
	    "one too large for float16 is refused by name");
	s->w[0] = kept;
	close(fd);
}

/* The file in an artifact. Owns: the caller frees. */
static unsigned char *
inside(const struct sample *s, uLongf *n)
{
	struct coder_stream *z = coder_open(s->bytes, s->n, "sample");
	unsigned char *plain;
	size_t length = 0;

	*n = s->report.payload_bytes + 8;
	plain = malloc(*n);
	if (coder_take(z, plain, 8) != 0)
		exit(1);
	for (int i = 7; i >= 0; i--)
		length = length << 8 | plain[i];
	*n += length;
	plain = realloc(plain, *n);
	if (coder_take(z, plain + 8, *n - 8) != 0 || coder_end(z) != 0)
		exit(1);
	coder_close(z);
	return (plain);
}

/* What a tensor of the sample's law has: its bits, and which quantizer of what reach made its rows. */
static int
stored_by(const struct sample *s, const struct artifact *a, const struct artifact_law *by, size_t i)
{
	const struct params_tensor *t = &s->p->tensors[i];
	const int table = i == 0, large = t->n > QUANTIZE_MIN_ELEMENTS;
	const unsigned bits = table ? by->embed_bits : by->bits;
	const struct quantize_law rows = { bits, by->quantizer, table ? by->sdclip_embed_k : by->sdclip_k,
		by->scale_floor };
	int8_t *q = malloc(t->n);
	uint16_t *scale = malloc(t->rows * sizeof(*scale));
	float *want = malloc(t->n * sizeof(*want)), *scratch = malloc(t->cols * sizeof(*scratch));
	int same;

	if (large && bits < 16) {
		quantize_rows(&rows, s->w + t->offset, t->rows, t->cols, q, scale, scratch);
		quantize_restore(q, scale, t->rows, t->cols, want);
	} else
		for (size_t j = 0; j < t->n; j++)
			want[j] = large || t->storage == PARAMS_QUANTIZED ? f16_to(f16_from(s->w[t->offset + j])) :
									    s->w[t->offset + j];
	same = memcmp(want, a->w + t->offset, t->n * sizeof(*want)) == 0 &&
	    (!large || s->report.tensors[i].bits == bits);
	free(q);
	free(scale);
	free(want);
	free(scratch);
	return (same);
}

static void
laws(void)
{
	static const unsigned bits[] = { 16, 8, 7, 6 };
	size_t wrong = 0, forgotten = 0, tried = 0, sizes = 0, bytes[4][4], said = 0;

	for (size_t b = 0; b < 4; b++)
		for (size_t e = 0; e < 4; e++) {
			const struct artifact_law by = { bits[b], bits[e],
				(b + e) % 2 ? QUANTIZE_SDCLIP : QUANTIZE_MINMAX, 9, 6, 1e-5,
				e % 2 ? CODER_XZ : CODER_ZLIB, 65536 };
			struct sample s;
			struct artifact a;
			unsigned char *plain;
			uLongf n;

			make_sample(&s, 400, &by);
			tried++;
			bytes[b][e] = s.n;
			sizes += artifact_payload(&s.p->config, &by) == s.report.payload_bytes;
			plain = inside(&s, &n);
			said += memmem(plain, n, "\"export\"", 8) != NULL;
			free(plain);
			if (artifact_read(s.bytes, s.n, "sample", &a) != 0) {
				wrong++;
				free_sample(&s);
				continue;
			}
			for (size_t i = 0; i < s.p->count; i++)
				wrong += !stored_by(&s, &a, &by, i);
			forgotten += a.law.bits != by.bits || a.law.embed_bits != by.embed_bits ||
			    a.law.quantizer != by.quantizer || a.law.sdclip_k != by.sdclip_k ||
			    a.law.sdclip_embed_k != by.sdclip_embed_k || a.law.coder != by.coder;
			artifact_free(&a);
			free_sample(&s);
		}
	tap_ok(wrong == 0 && tried == 16,
	    "bits are matrices', embed_bits the embedding's, with the quantizer's reach of each, by the rows' law");
	tap_ok(forgotten == 0 && said == 16, "an artifact says by which law it was made");
	tap_ok(sizes == 16, "and has the payload that was foretold");
	tap_ok(bytes[0][1] > bytes[1][1] && bytes[1][1] > bytes[3][1] && bytes[1][0] > bytes[1][1] &&
		bytes[1][1] > bytes[1][3],
	    "fewer bits are fewer bytes, of matrices and of the embedding");
}

/* Two runs of this project under many laws, as measured: examples/campaigns/bits. And the public baseline's size. */
static void
foretold(void)
{
	const char *top = getenv("HG_TOP");
	char path[4096], line[256], quantizer[16], model[16], coder[16];
	size_t lines = 0, far = 0;
	struct artifact_law by;
	unsigned long long bytes;
	struct config c;
	double off;
	FILE *f;

	config_default(&c);
	c.vocab_size = 1024;
	tap_ok(fabs((double)artifact_likely(&c, &law) / 15816000 - 1) < 0.01,
	    "an artifact of the public baseline's shape is expected to have its size");
	snprintf(path, sizeof(path), "%s/examples/campaigns/bits/table.tsv", top != NULL ? top : ".");
	if ((f = fopen(path, "r")) == NULL)
		exit(1);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%15s %u %u %15s %lf %15s %llu", model, &by.bits, &by.embed_bits, quantizer,
			&by.scale_floor, coder, &bytes) != 7 ||
		    by.scale_floor > 1e-3)
			continue;
		by.quantizer = strcmp(quantizer, "gptq") == 0 ? QUANTIZE_GPTQ :
		    strcmp(quantizer, "sdclip") == 0          ? QUANTIZE_SDCLIP :
								QUANTIZE_MINMAX;
		by.coder = strcmp(coder, "xz") == 0 ? CODER_XZ : CODER_ZLIB;
		by.sdclip_k = 12.85;
		by.sdclip_embed_k = 20;
		c.num_layers = 2;
		c.model_dim = strcmp(model, "wide") == 0 ? 320 : 128;
		c.num_heads = c.model_dim / 64;
		c.num_kv_heads = 1;
		off = (double)artifact_likely(&c, &by) / (double)bytes - 1;
		far += fabs(off) > 0.1;
		lines++;
	}
	fclose(f);
	tap_ok(far == 0 && lines >= 24,
	    "the size of an artifact is foretold within a tenth, at all bits and by all quantizers "
	    "(%zu of %zu farther off)",
	    far, lines);
}

/* Is the sample's file read with ${from} in its header replaced by ${to}, of the same length? */
static int
reads_as(const struct sample *s, const char *from, const char *to)
{
	uLongf n, packed_n;
	unsigned char *plain = inside(s, &n), *packed = malloc(compressBound(n));
	char *at = memmem(plain, n, from, strlen(from));
	int ok;

	if (at == NULL || strlen(from) != strlen(to))
		exit(1);
	memcpy(at, to, strlen(to));
	packed_n = compressBound(n);
	compress2(packed, &packed_n, plain, n, 1);
	ok = reads(packed, packed_n);
	free(plain);
	free(packed);
	return (ok);
}

/* Likewise with the last level of the last tensor set. */
static int
reads_with(const struct sample *s, int level)
{
	uLongf n, packed_n;
	unsigned char *plain = inside(s, &n), *packed = malloc(compressBound(n));
	int ok;

	plain[n - 1] = (unsigned char)level;
	packed_n = compressBound(n);
	compress2(packed, &packed_n, plain, n, 1);
	ok = reads(packed, packed_n);
	free(plain);
	free(packed);
	return (ok);
}

#define SAID "{\\\"bits\\\": 6, \\\"embed_bits\\\": 16}"

/* Is an xz artifact read whose window, in its block's header, is as large as windows can be? */
static int
reads_with_window(const struct sample *s)
{
	unsigned char *copy = malloc(s->n);
	const size_t header = 12, size = ((size_t)(unsigned char)s->bytes[12] + 1) * 4, window = header + 4;
	uint32_t sum;
	int ok;

	memcpy(copy, s->bytes, s->n);
	if (copy[header + 2] != 0x21 || copy[header + 3] != 1)
		exit(1);
	copy[window] = 40;
	sum = lzma_crc32(copy + header, size - 4, 0);
	for (size_t i = 0; i < 4; i++)
		copy[header + size - 4 + i] = (unsigned char)(sum >> (8 * i) & 0xff);
	ok = reads(copy, s->n);
	free(copy);
	return (ok);
}

/* Or one that has no checksum? */
static int
reads_unchecked(const struct sample *s)
{
	uLongf n;
	unsigned char *plain = inside(s, &n), *packed = malloc(lzma_stream_buffer_bound(n));
	size_t packed_n = 0;
	int ok;

	if (lzma_easy_buffer_encode(1, LZMA_CHECK_NONE, NULL, plain, n, packed, &packed_n,
		lzma_stream_buffer_bound(n)) != LZMA_OK)
		exit(1);
	ok = reads(packed, packed_n);
	free(plain);
	free(packed);
	return (ok);
}

static void
coders(void)
{
	struct sample s, packed;
	struct artifact a, b;

	make_sample(&s, 300, &law);
	make_sample(&packed, 300, &xz);
	tap_ok(packed.n < s.n, "xz makes the smaller artifact");
	damage(&packed, "xz");
	if (tap_ok(artifact_read(s.bytes, s.n, "sample", &a) == 0 &&
		    artifact_read(packed.bytes, packed.n, "sample", &b) == 0,
		"both are read, told by their first bytes")) {
		tap_ok(memcmp(a.w, b.w, a.params->n * sizeof(*a.w)) == 0, "and are the same weights");
		artifact_free(&a);
		artifact_free(&b);
	}
	tap_ok(!reads_as(&packed, "coder", "coder") && errno == EBADMSG && strstr(say_last(), "another coder") != NULL,
	    "an artifact that is packed by another coder than it says is refused");
	tap_ok(!reads_with_window(&packed) && errno == EBADMSG && strstr(say_last(), "memory") != NULL,
	    "a stream that asks for gigabytes to be unpacked is refused, and gets none");
	tap_ok(!reads_unchecked(&packed) && errno == EBADMSG && strstr(say_last(), "no checksum") != NULL,
	    "so is one without a checksum");
	free_sample(&s);
	free_sample(&packed);
}

static void
lies(void)
{
	const struct artifact_law by = { 6, 16, QUANTIZE_MINMAX, 12.85, 20, SCALE_FLOOR, CODER_ZLIB, 65536 };
	struct sample s, plain;

	make_sample(&s, 400, &by);
	make_sample(&plain, 300, &law);
	tap_ok(reads_with(&s, 31) && reads_with(&s, -31) && !reads_with(&s, 32) && errno == EBADMSG &&
		strstr(say_last(), "blocks.1.mlp.proj.weight") != NULL && strstr(say_last(), "31") != NULL &&
		!reads_with(&s, -32),
	    "a level beyond its bits is refused by the tensor's name: %s", say_last());
	tap_ok(reads_with(&plain, -127) && !reads_with(&plain, -128), "so is the one that int8 has too many");
	tap_ok(!reads_as(&s, "bits\\\": 6,", "bits\\\": 5,") && errno == EBADMSG &&
		strstr(say_last(), "none of 16, 8, 7 and 6") != NULL && !reads_as(&s, "bits\\\": 6,", "bits\\\": 0,"),
	    "bits that there are not are refused");
	tap_ok(!reads_as(&s, "bits\\\": 16}", "bits\\\": 8 }") && errno == EBADMSG &&
		strstr(say_last(), "more than its header declares") != NULL &&
		!reads_as(&s, "bits\\\": 6,", "bits\\\":16,") && errno == ENODATA,
	    "bits of another width than the tensors have are refused");
	tap_ok(!reads_as(&s, "\\\"bits\\\": 6,", "\\\"bots\\\": 6,") && errno == EBADMSG &&
		strstr(say_last(), "export.bots") != NULL,
	    "a law that this program does not know is refused by its key");
	tap_ok(!reads_as(&s, SAID, "[\\\"bits\\\", 6, \\\"embed_bits\\\", 16]") && errno == EBADMSG &&
		strstr(say_last(), "no object") != NULL,
	    "a law that is a list is refused");
	tap_ok(!reads_as(&s, "\"" SAID "\"", "[                                 ]") && errno == EBADMSG &&
		strstr(say_last(), "no text") != NULL,
	    "and one that is no text");
	tap_ok(!reads_as(&s, "bits\\\": 6,", "bits\\\": []") && errno == EBADMSG, "or broken");
	free_sample(&s);
	free_sample(&plain);
}

int
main(void)
{
	struct sample s;

	say_init("artifact");
	if (freopen("/dev/null", "w", stderr) == NULL)
		return (1);
	rows();
	fewer_bits();
	make_sample(&s, 300, &law);
	round_trip(&s);
	damage(&s, "zlib");
	forgeries();
	unstorable(&s);
	free_sample(&s);
	lanes();
	laws();
	coders();
	foretold();
	lies();
	return (tap_done());
}
