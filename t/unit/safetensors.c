/* Safetensors: what is written is read back; every kind of lie in a header is refused. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gpt/f16.h"
#include "gpt/safetensors.h"
#include "base/say.h"
#include "t/unit/tap.h"

/* Open a file made of a header text and n zero bytes of data. */
static struct safetensors *
open_text(const char *header, size_t data, unsigned char **out)
{
	const size_t n = strlen(header);
	unsigned char *file = calloc(1, 8 + n + data);
	struct safetensors *s;

	for (int i = 0; i < 8; i++)
		file[i] = (unsigned char)((uint64_t)n >> (8 * i) & 0xff);
	memcpy(file + 8, header, n);
	s = safetensors_parse(file, 8 + n + data, "sample");
	if (out != NULL)
		*out = file;
	else
		free(file);
	return (s);
}

static int
accepted(const char *header, size_t data)
{
	unsigned char *file;
	struct safetensors *s = open_text(header, data, &file);
	const int ok = s != NULL;

	safetensors_free(s);
	free(file);
	return (ok);
}

/* Refused, and the message says so with this word in it. */
static int
refused(const char *header, size_t data, const char *word)
{
	return (!accepted(header, data) && errno == EBADMSG && strstr(say_last(), word) != NULL);
}

#define A(shape, from, to) "{\"a\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" from "," to "]}}"

static void
hostile(void)
{
	unsigned char short_file[7] = { 0 }, huge[16];

	tap_ok(accepted(A("[2]", "0", "8"), 8), "a plain file opens");
	tap_ok(accepted("{}", 0) && accepted("{\"__metadata__\":{\"k\":\"v\"}}   ", 0),
	    "so do an empty one and one with padding");
	tap_ok(accepted(A("[]", "0", "4"), 4) && accepted(A("[0,5]", "0", "0"), 0),
	    "scalars and empty tensors are tensors");
	tap_ok(refused(A("[2]", "0", "8"), 7, "outside"), "offsets past the end are refused");
	tap_ok(refused(A("[2]", "0", "8"), 9, "follow"), "bytes behind the last tensor are refused");
	tap_ok(refused(A("[2]", "1", "9"), 9, "hole"), "a hole is refused");
	tap_ok(refused(A("[2]", "8", "0"), 8, "outside"), "offsets that run backwards are refused");
	tap_ok(refused(A("[2]", "-8", "0"), 8, "outside"), "negative offsets are refused");
	tap_ok(refused(A("[3]", "0", "8"), 8, "fit"), "offsets that do not fit the shape are refused");
	tap_ok(refused(A("[4294967296,4294967296]", "0", "0"), 0, "large"), "a product that overflows is refused");
	tap_ok(refused(A("[9223372036854775807,4]", "0", "0"), 0, "large"), "so is the largest integer times four");
	tap_ok(refused(A("[18446744073709551617]", "0", "4"), 4, "JSON"), "an integer beyond 64 bits is refused");
	tap_ok(refused(A("[-1]", "0", "4"), 4, "whole") && refused(A("[1.0]", "0", "4"), 4, "whole") &&
		refused(A("[\"1\"]", "0", "4"), 4, "whole"),
	    "shapes are whole numbers");
	tap_ok(refused(A("[1,1,1,1,1,1,1,1,1]", "0", "4"), 4, "dimensions"), "nine dimensions are refused");
	tap_ok(refused("{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype"),
	    "an unknown dtype is refused");
	tap_ok(refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "needs"), "a missing member is refused");
	tap_ok(refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4, "needs"),
	    "an additional member is refused");
	tap_ok(refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
		       "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
		   8, "JSON"),
	    "a name that stands twice is refused");
	tap_ok(refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
		       "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
		   8, "overlaps"),
	    "tensors that overlap are refused");
	tap_ok(refused("{\"__metadata__\":{\"k\":1}}", 0, "string") && refused("{\"__metadata__\":[]}", 0, "object"),
	    "metadata are strings");
	tap_ok(refused("[]", 0, "object") && refused("{", 0, "JSON") && refused("", 0, "JSON") &&
		refused("{} x", 0, "JSON"),
	    "a header that is no JSON object is refused");
	tap_ok(safetensors_parse(short_file, sizeof(short_file), "sample") == NULL && errno == EBADMSG,
	    "seven bytes are no file");
	memset(huge, 0xff, sizeof(huge));
	tap_ok(safetensors_parse(huge, sizeof(huge), "sample") == NULL && errno == EBADMSG,
	    "a header length of 2^64-1 is refused");
}

static void
round_trip(void)
{
	const float f[6] = { 1, -2.5f, 0, 3e-39f, INFINITY, 7 };
	const int8_t q[5] = { -127, 0, 1, 127, -1 };
	const uint16_t h[2] = { 0x3c00, 0xc100 };
	const struct safetensors_tensor tensors[] = {
		{ .name = "weight", .dtype = SAFETENSORS_F32, .dims = 2, .shape = { 2, 3 }, .n = 6, .data = f },
		{ .name = "half", .dtype = SAFETENSORS_F16, .dims = 1, .shape = { 2 }, .n = 2, .data = h },
		{ .name = "q", .dtype = SAFETENSORS_I8, .dims = 1, .shape = { 5 }, .n = 5, .data = q },
	};
	json_t *metadata = json_pack("{s:s, s:s}", "format", "x", "quoted \"name\"", "line\nend");
	char path[] = "/tmp/hg-safetensors-XXXXXX";
	const int fd = mkstemp(path);
	struct safetensors *s;
	const struct safetensors_tensor *t;
	float back[6];
	char *one, *two;
	size_t one_n, two_n;

	unlink(path);
	one = safetensors_header(tensors, 3, metadata, &one_n);
	two = safetensors_header(tensors, 3, metadata, &two_n);
	tap_ok(one_n == two_n && memcmp(one, two, one_n) == 0 && one_n % 8 == 0,
	    "the same tensors give the same header, aligned to 8");
	tap_ok(safetensors_write(fd, tensors, 3, metadata) == 0, "a file is written");
	if (!tap_ok((s = safetensors_read(fd, "sample")) != NULL && safetensors_count(s) == 3,
		"and read back from its descriptor"))
		return;
	t = safetensors_find(s, "weight");
	tap_ok(t->dims == 2 && t->shape[0] == 2 && t->shape[1] == 3 && safetensors_get_f32(s, t, back) == 0 &&
		memcmp(back, f, sizeof(f)) == 0,
	    "float32 keeps its bits");
	tap_ok(safetensors_get_f32(s, safetensors_find(s, "half"), back) == 0 && back[0] == 1 && back[1] == -2.5f,
	    "float16 is widened");
	tap_ok(safetensors_get_f32(s, safetensors_find(s, "q"), back) == 0 && back[0] == -127 && back[4] == -1,
	    "int8 keeps its sign");
	tap_ok(strcmp(safetensors_metadata(s, "quoted \"name\""), "line\nend") == 0 &&
		safetensors_metadata(s, "none") == NULL && safetensors_find(s, "none") == NULL,
	    "metadata keep quotes and line ends");
	tap_ok(ftruncate(fd, lseek(fd, 0, SEEK_END) - 1) == 0 && safetensors_read(fd, "sample") == NULL &&
		errno == EBADMSG,
	    "the same file one byte shorter is refused");
	safetensors_free(s);
	json_decref(metadata);
	free(one);
	free(two);
	close(fd);
}

/* All 65,536 half floats, on the way to float32 and back; rounding is to even. */
static void
halves(void)
{
	int f16_bad = 0, bf16_bad = 0;

	for (uint32_t h = 0; h < 65536; h++) {
		const float f = f16_to((uint16_t)h), b = f16_bf16_to((uint16_t)h);
		const uint32_t wide = h << 16;

		f16_bad += isnan(f) ? !isnan(f16_to(f16_from(f))) : f16_from(f) != h;
		bf16_bad += memcmp(&b, &wide, sizeof(b)) != 0;
	}
	tap_ok(f16_bad == 0 && bf16_bad == 0,
	    "every binary16 survives widening and narrowing, and a bfloat16 is the upper half of a float");
	tap_ok(f16_from(2049) == f16_from(2048) && f16_from(2051) == f16_from(2052) && f16_from(65519.996f) == 0x7bff &&
		f16_from(65520) == 0x7c00 && f16_from(0x1p-25f) == 0 && f16_from(0x1.8p-25f) == 1 &&
		f16_from(-0.0f) == 0x8000 && f16_from(0x1.ff8p-15f) == 0x3ff && f16_from(0x1.ffcp-15f) == 0x400,
	    "narrowing rounds to even, at the edges too");
}

int
main(void)
{
	say_init("safetensors");
	if (freopen("/dev/null", "w", stderr) == NULL)
		return (1);
	hostile();
	round_trip();
	halves();
	return (tap_done());
}
