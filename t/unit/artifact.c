/* The int8 law at its edges; artifacts written, restored, altered, cut short and forged. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
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
#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void
rows(void)
{
	const float ties[4] = { 0.5f / 127, 1.5f / 127, -2.5f / 127, -127.0f / 127 };
	const float zeros[4] = { 0, -0.0f, 0, 0 }, large[4] = { 1000, -1000, 500, 1 }, one[1] = { -3 };
	float scratch[4], back[4];
	int8_t q[4];
	uint16_t scale[4];

	quantize_rows(ties, 1, 4, SCALE_FLOOR, q, scale, scratch);
	tap_ok(q[0] == 0 && q[1] == 2 && q[2] == -2 && q[3] == -127, "halves go to the even neighbour");
	tap_ok(f16_to(scale[0]) != 1.0f / 127 && fabsf(f16_to(scale[0]) - 1.0f / 127) < 1e-5f,
	    "the scale is kept as float16");
	quantize_rows(zeros, 1, 4, SCALE_FLOOR, q, scale, scratch);
	quantize_restore(q, scale, 1, 4, back);
	tap_ok(back[0] == 0 && back[1] == 0 && scale[0] == f16_from(1.0f / 127), "a row of zeros keeps the floor");
	quantize_rows(zeros, 1, 4, 0, q, scale, scratch);
	quantize_restore(q, scale, 1, 4, back);
	tap_ok(back[0] == 0 && back[3] == 0 && scale[0] == 0, "without a floor it stays zeros");
	quantize_rows(large, 1, 4, SCALE_FLOOR, q, scale, scratch);
	quantize_restore(q, scale, 1, 4, back);
	tap_ok(q[0] == 127 && q[1] == -127 && fabsf(back[0] - 1000) < 1, "large rows scale up");
	quantize_rows(one, 1, 1, SCALE_FLOOR, q, scale, scratch);
	tap_ok(q[0] == -127, "a row of one column is its own maximum");
	quantize_rows(ties, 4, 1, 0, q, scale, scratch);
	tap_ok(q[0] == 127 && q[3] == -127 && scale[0] != scale[3], "each row has a scale of its own");
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
make_sample(struct sample *s)
{
	struct config c;
	const int fd = temporary();

	config_default(&c);
	c.vocab_size = 300;
	c.num_layers = 2;
	c.model_dim = 192;
	c.num_heads = 4;
	c.num_kv_heads = 2;
	s->p = params_new(&c);
	s->w = calloc(s->p->n, sizeof(*s->w));
	params_init(s->p, 1, s->w);
	if (artifact_write(fd, s->p, s->w, DIGEST, SCALE_FLOOR, &s->report) != 0)
		exit(1);
	lseek(fd, 0, SEEK_SET);
	s->bytes = file_read_fd(fd, 1 << 24, &s->n);
	close(fd);
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

	make_sample(&again);
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
	params_free(again.p);
	free(again.w);
	free(again.bytes);
	artifact_report_free(&again.report);
}

static void
damage(const struct sample *s)
{
	unsigned char *copy = malloc(s->n + 1);
	size_t found = 0, tried = 0;

	for (size_t at = 0; at < s->n; at += at < 64 || at + 64 > s->n ? 1 : 997) {
		memcpy(copy, s->bytes, s->n);
		copy[at] ^= 0xff;
		tried++;
		found += !reads(copy, s->n);
	}
	tap_ok(found == tried, "a byte flipped anywhere is found (%zu of %zu)", found, tried);
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
	tap_ok(s->report.payload_bytes > 0 && artifact_payload(&s->p->config) == s->report.payload_bytes,
	    "the payload of an artifact is known before there is one");
	tap_ok(artifact_write(fd, s->p, s->w, DIGEST, SCALE_FLOOR, &report) == -1 && errno == ERANGE,
	    "a weight that is no number is refused");
	s->w[0] = 1e6f;
	tap_ok(artifact_write(fd, s->p, s->w, DIGEST, SCALE_FLOOR, &report) == -1 &&
		strstr(say_last(), "tok_emb.weight") != NULL,
	    "one too large for float16 is refused by name");
	s->w[0] = kept;
	close(fd);
}

int
main(void)
{
	struct sample s;

	say_init("artifact");
	if (freopen("/dev/null", "w", stderr) == NULL)
		return (1);
	rows();
	make_sample(&s);
	round_trip(&s);
	damage(&s);
	forgeries();
	unstorable(&s);
	params_free(s.p);
	free(s.w);
	free(s.bytes);
	artifact_report_free(&s.report);
	return (tap_done());
}
