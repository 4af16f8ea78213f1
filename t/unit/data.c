/* lib/data: shards, the loader, vocabularies, children and hostile input. Prints TAP. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/child.h"
#include "data/dataset.h"
#include "base/jsonio.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/file.h"
#include "data/loader.h"
#include "base/say.h"
#include "data/shard.h"
#include "data/shard_writer.h"
#include "base/str.h"
#include "t/unit/tap.h"
#include "data/tokens.h"
#include "data/vocab.h"
#include "data/vocab_decode.h"
#include "data/vocab_encode.h"

static char dir[] = "/tmp/hg-data-unit.XXXXXX";
static int dirfd_of;

/* ../shared/NAME, or NULL after a skipped test line. */
static const char *
shared(const char *name)
{
	static char path[4096];
	const char *top = getenv("HG_TOP");

	snprintf(path, sizeof(path), "%s/../shared/%s", top == NULL ? "." : top, name);
	if (access(path, R_OK) == 0)
		return (path);
	tap_ok(1, "%s # SKIP not here", name);
	return (NULL);
}

static void
write_shard(const char *name, const uint16_t *ids, uint64_t n)
{
	struct shard_writer *w = shard_writer_begin(dirfd_of, name, NULL);

	if (w == NULL || shard_writer_add(w, ids, n, NULL) == -1 ||
	    shard_writer_finish(w, ATOMFILE_REPLACE, NULL) == -1)
		abort();
}

/* Put bytes into a file at an offset; with n == 0 cut it there. */
static void
poke(const char *name, long at, const void *bytes, size_t n)
{
	int fd = openat(dirfd_of, name, O_WRONLY);

	if (fd == -1 || (n > 0 ? pwrite(fd, bytes, n, at) != (ssize_t)n : ftruncate(fd, at) == -1))
		abort();
	close(fd);
}

static enum refusal_kind
opens(const char *name)
{
	struct inputerror f = { .kind = REFUSAL_NONE };
	struct shard s;

	if (shard_open(&s, dirfd_of, name, &f) == 0)
		shard_close(&s);
	return (f.kind);
}

static void
shards(void)
{
	static const uint16_t ids[] = { 1, 5, 259, 65535, 7 };
	static const unsigned char first[] = { 0x88, 0xd8, 0x34, 0x01, 1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0 };
	struct inputerror f = { .kind = REFUSAL_NONE };
	struct shard s;
	int32_t back[5];
	size_t n;
	char *file;

	write_shard("a.bin", ids, 5);
	file = file_read(dirfd_of, "a.bin", 1 << 20, &n);
	tap_ok(file != NULL && n == 1024 + 10 && memcmp(file, first, sizeof(first)) == 0 &&
		memcmp(file + 1024, "\x01\x00\x05\x00\x03\x01\xff\xff\x07\x00", 10) == 0,
	    "a shard has the public layout, byte by byte");
	free(file);
	tap_ok(shard_open(&s, dirfd_of, "a.bin", &f) == 0 && s.tokens == 5 &&
		shard_read(&s, 1, 4, 65536, back, &f) == 0 && back[0] == 5 && back[2] == 65535 && back[3] == 7,
	    "what was written is read back");
	tap_ok(shard_read(&s, 0, 5, 65535, back, &f) == -1 && f.kind == REFUSAL_INPUT_INVALID &&
		strstr(f.observed, "id 65535 at position 3") != NULL,
	    "an id outside the vocabulary is found, with its position");
	poke("a.bin", 1030, NULL, 0);
	tap_ok(shard_read(&s, 0, 5, 65536, back, &f) == -1 && f.kind == REFUSAL_INPUT_TRUNCATED,
	    "a shard that shrinks while it is read is truncated, not a crash");
	shard_close(&s);
	tap_ok(opens("a.bin") == REFUSAL_INPUT_TRUNCATED, "a shard cut inside its ids is truncated");
	poke("a.bin", 100, NULL, 0);
	tap_ok(opens("a.bin") == REFUSAL_INPUT_TRUNCATED, "a shard cut inside its header is truncated");
	write_shard("b.bin", ids, 5);
	poke("b.bin", 1034, "\0\0", 2);
	tap_ok(opens("b.bin") == REFUSAL_INPUT_WRONG_SIZE, "a shard with bytes behind its ids has the wrong size");
	write_shard("b.bin", ids, 5);
	poke("b.bin", 0, "\x89", 1);
	tap_ok(opens("b.bin") == REFUSAL_INPUT_INVALID, "a wrong magic is invalid");
	write_shard("b.bin", ids, 5);
	poke("b.bin", 4, "\2", 1);
	tap_ok(opens("b.bin") == REFUSAL_INPUT_INVALID, "a wrong version is invalid");
	write_shard("b.bin", ids, 5);
	poke("b.bin", 8, "\x01\xe1\xf5\x05", 4);
	tap_ok(opens("b.bin") == REFUSAL_INPUT_INVALID, "more than 10^8 tokens are invalid");
	poke("b.bin", 8, "\0\0\0\0", 4);
	tap_ok(opens("b.bin") == REFUSAL_INPUT_INVALID, "a shard without tokens is invalid");
	tap_ok(opens("none.bin") == REFUSAL_INPUT_MISSING, "a shard that is not there is missing");
	tap_ok(symlinkat("b.bin", dirfd_of, "link.bin") == 0 && opens("link.bin") == REFUSAL_INPUT_INVALID,
	    "a symbolic link is not followed");
}

/* Fill a part whose shards are the given arrays. */
static void
make_part(struct dataset_part *part, const json_t *arrays)
{
	char name[64];
	uint16_t ids[256];
	size_t i, j, n;

	memset(part, 0, sizeof(*part));
	part->name = "train";
	part->count = json_array_size(arrays);
	part->shards = calloc(part->count, sizeof(part->shards[0]));
	for (i = 0; i < part->count; i++) {
		n = json_array_size(json_array_get(arrays, i));
		for (j = 0; j < n; j++)
			ids[j] = (uint16_t)json_integer_value(json_array_get(json_array_get(arrays, i), j));
		snprintf(name, sizeof(name), "part_%06zu.bin", i);
		write_shard(name, ids, n);
		part->shards[i].path = malloc(sizeof(dir) + sizeof(name));
		sprintf(part->shards[i].path, "%s/%s", dir, name);
		part->shards[i].tokens = n;
	}
}

static void
free_part(struct dataset_part *part)
{
	size_t i;

	for (i = 0; i < part->count; i++)
		free(part->shards[i].path);
	free(part->shards);
}

static int
same_span(struct loader *l, const json_t *want)
{
	int32_t ids[256];
	size_t j;

	if (loader_take(l, ids, NULL) == -1)
		return (0);
	for (j = 0; j < json_array_size(want); j++)
		if (ids[j] != (int32_t)json_integer_value(json_array_get(want, j)))
			return (0);
	return (1);
}

static void
loading(void)
{
	const char *path = shared("golden/more.json");
	const json_t *spans;
	json_t *more, *arrays;
	struct dataset_part part;
	struct inputerror f = { .kind = REFUSAL_NONE };
	struct loader *l;
	struct tokens *t;
	uint64_t n, k, i;
	int32_t ids[64];
	size_t s;
	int same = 1;

	if (path != NULL) {
		more = json_load_file(path, 0, NULL);
		make_part(&part, json_object_get(json_object_get(more, "loader"), "shards"));
		n = (uint64_t)json_integer_value(
		    json_object_get(json_object_get(more, "loader"), "tokens_per_micro_batch"));
		spans = json_object_get(json_object_get(more, "loader"), "spans");
		l = loader_open(&part, 65536, n, 0, NULL);
		for (s = 0; s < json_array_size(spans); s++)
			same &= same_span(l, json_array_get(spans, s));
		tap_ok(same && s > 0 && loader_cursor(l) == s,
		    "the loader takes the golden spans, over shards and round the end");
		loader_seek(l, 5);
		tap_ok(same_span(l, json_array_get(spans, 5)) && loader_cursor(l) == 6, "a cursor resumes at its span");
		loader_close(l);
		free_part(&part);
		json_decref(more);
	}

	/* 10 ids in spans of 4: the third wraps in its middle. */
	arrays = json_pack("[[iii],[i],[iiiiii]]", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
	make_part(&part, arrays);
	l = loader_open(&part, 10, 3, 0, NULL);
	for (same = 1, k = 0; k < 25; k++) {
		same &= loader_take(l, ids, NULL) == 0;
		for (i = 0; i < 4; i++)
			same &= (uint64_t)ids[i] == (4 * k + i) % 10;
	}
	tap_ok(same, "a span wraps in its middle");
	loader_seek(l, UINT64_C(1) << 62);
	tap_ok(loader_take(l, ids, NULL) == 0 && (uint64_t)ids[0] == (UINT64_C(1) << 62) % 10 * 4 % 10,
	    "a cursor may be as large as it likes");
	loader_close(l);
	l = loader_open(&part, 10, 3, 10 * (UINT64_C(1) << 50) + 7, NULL);
	for (same = 1, k = 0; k < 25; k++) {
		same &= loader_take(l, ids, NULL) == 0;
		for (i = 0; i < 4; i++)
			same &= (uint64_t)ids[i] == (7 + 4 * k + i) % 10;
	}
	tap_ok(same && loader_cursor(l) == 25, "an offset is where the first span begins, whole rounds not counted");
	loader_seek(l, 3);
	tap_ok(loader_take(l, ids, NULL) == 0 && ids[0] == (7 + 4 * 3) % 10, "and a cursor resumes with it");
	loader_close(l);
	t = tokens_open(&part, 10, NULL);
	for (same = tokens_count(t) == 10, k = 0; k < 10; k++) {
		same &= tokens_read(t, k, 10 - k, ids, NULL) == 0;
		for (i = k; i < 10; i++)
			same &= (uint64_t)ids[i - k] == i;
	}
	tap_ok(same, "shards read as one array from any position");
	tokens_close(t);
	t = tokens_open(&part, 9, NULL);
	tap_ok(tokens_read(t, 0, 9, ids, NULL) == 0 && tokens_read(t, 5, 5, ids, &f) == -1 &&
		f.kind == REFUSAL_INPUT_INVALID,
	    "ids outside the vocabulary are found while loading");
	tokens_close(t);
	tap_ok(loader_open(&part, 10, 10, 0, &f) == NULL && f.kind == REFUSAL_INPUT_INVALID,
	    "fewer ids than one span are refused");
	part.shards[1].tokens = 2;
	tap_ok(tokens_open(&part, 10, &f) == NULL && f.kind == REFUSAL_INPUT_WRONG_SIZE,
	    "a shard of another length than recorded is refused");
	free_part(&part);
	json_decref(arrays);
}

/* What ids count as a shard's. */
static uint64_t
count_bytes(const struct vocab *v, const int32_t *ids, uint64_t n)
{
	uint16_t *stored = calloc(n, sizeof(*stored));
	uint64_t bytes;

	for (uint64_t i = 0; i < n; i++)
		stored[i] = (uint16_t)ids[i];
	bytes = vocab_count_bytes16(v, stored, n);
	free(stored);
	return (bytes);
}

static void
counting(void)
{
	const char *path = shared("golden/bpb.json");
	const json_t *docs, *ids, *want, *doc;
	json_t *bpb;
	struct str text = STR_INIT;
	struct vocab *v;
	int32_t *all, *mine;
	uint64_t n = 0, count;
	size_t d, i, first;
	int same = 1, decoded = 1, encoded = 1;

	if (path == NULL)
		return;
	bpb = json_load_file(path, 0, NULL);
	docs = json_object_get(bpb, "docs");
	want = json_object_get(bpb, "target_bytes");
	all = calloc(json_array_size(want) + 1, sizeof(all[0]));
	if ((path = shared("fixtures/fineweb_8192_bpe.model")) == NULL || (v = vocab_open(path, NULL)) == NULL)
		abort();
	tap_ok(vocab_size(v) == 8192 && vocab_bos(v) == 1 && !vocab_adds_blank(v) && !vocab_is_bytes(v),
	    "a real model is read: size, BOS, normaliser");
	for (d = 0; d < json_array_size(docs); d++) {
		doc = json_array_get(docs, d);
		ids = json_object_get(doc, "ids");
		for (first = n, i = 0; i < json_array_size(ids); i++)
			all[n++] = (int32_t)json_integer_value(json_array_get(ids, i));
		text.n = 0;
		decoded &= vocab_decode(v, all + first, n - first, &text) == 0 &&
		    strcmp(text.p, json_string_value(json_object_get(doc, "decoded"))) == 0;
		encoded &= vocab_encode(v, json_string_value(json_object_get(doc, "text")),
			       json_string_length(json_object_get(doc, "text")), 60000, &mine, &count, NULL) == 0 &&
		    count == n - first && memcmp(mine, all + first, count * sizeof(mine[0])) == 0;
		free(mine);
	}
	/* The very first id is never a target. */
	same = n == json_array_size(want) + 1;
	for (i = 0; i + 1 < n && same; i++)
		same = vocab_target_bytes(v, (uint32_t)all[i], (uint32_t)all[i + 1]) ==
		    (uint32_t)json_integer_value(json_array_get(want, i));
	tap_ok(same, "golden/bpb.json is reproduced token by token (%d of %zu)", (int)i, json_array_size(want));
	tap_ok(count_bytes(v, all, n) == (uint64_t)json_integer_value(json_object_get(bpb, "stream_bytes")),
	    "and so is its sum");
	tap_ok(decoded, "its ids decode to its texts");
	tap_ok(encoded, "its texts encode to its ids");
	text.n = 0;
	vocab_keep_lines(v);
	tap_ok(vocab_encode(v, "one\n\ntwo\n", 9, 60000, &mine, &count, NULL) == 0 &&
		vocab_decode(v, mine, count, &text) == 0 && strcmp(text.p, "one\n\ntwo\n") == 0,
	    "line breaks that are kept come back");
	free(mine);
	vocab_free(v);
	str_free(&text);
	free(all);
	json_decref(bpb);
}

static void
byte_vocabulary(void)
{
	struct vocab *v = vocab_bytes();
	struct str text = STR_INIT;
	int32_t *ids;
	uint64_t n;
	char want[SHA256_HEX_SIZE];

	tap_ok(vocab_size(v) == 260 && vocab_bos(v) == 1, "the byte vocabulary has 260 ids");
	tap_ok(sha256_hex("homegolf bytes v1", 17, want) == 0 && strcmp(want, vocab_sha256(v)) == 0,
	    "its digest is that of its name");
	tap_ok(vocab_encode(v, "a\0\xff", 3, 1000, &ids, &n, NULL) == 0 && n == 4 && ids[0] == 1 && ids[1] == 'a' + 4 &&
		ids[2] == 4 && ids[3] == 259,
	    "ids are byte + 4 after BOS");
	tap_ok(count_bytes(v, ids, n) == 3 && vocab_target_bytes(v, 5, 1) == 0 && vocab_target_bytes(v, 1, 3) == 0,
	    "each byte counts one, BOS and unknown none");
	tap_ok(vocab_decode(v, ids, n, &text) == 0 && text.n == 3 && memcmp(text.p, "a\0\xff", 3) == 0,
	    "bytes decode to themselves");
	free(ids);
	str_free(&text);
	vocab_free(v);
}

/* A value of dataset.json: two parts of one shard each. */
static json_t *
directory_json(void)
{
	static char name[] = "a_000000.bin", docs[] = "val_docs.tsv";
	struct dataset_shard s = { .path = name, .bytes = 1024 + 18, .tokens = 9 };
	struct dataset d = { .vocab_size = 260, .bos_id = 1, .docs_path = docs };

	sha256_hex("a", 1, s.sha256);
	sha256_hex("b", 1, d.docs_sha256);
	sha256_hex("homegolf bytes v1", 17, d.tokenizer_sha256);
	d.train = d.val = (struct dataset_part){ .shards = &s, .count = 1, .documents = 2, .tokens = 9, .bytes = 7 };
	d.val.raw_bytes = DATASET_UNKNOWN;
	return (dataset_json(&d,
	    json_pack("{s:s, s:[], s:n, s:n, s:n, s:n, s:n, s:n}", "format", "adopted", "files", "documents", "empty",
		"invalid_utf8", "nul", "duplicates_dropped", "seed")));
}

/* What opening a directory says is wrong with it once ${path} is ${value}; "" if nothing. Steals value. */
static const char *
open_error(const char *path, json_t *value, struct dataset **d)
{
	static struct inputerror f;
	json_t *v = directory_json();
	char file[128];

	f = (struct inputerror){ .kind = REFUSAL_NONE };
	snprintf(file, sizeof(file), "%s/" DATASET_FILE, dir);
	if ((value != NULL && jsonio_put(v, path, value) == -1) || json_dump_file(v, file, 0) == -1)
		abort();
	json_decref(v);
	*d = dataset_open(dir, &f);
	if ((*d == NULL) != (f.kind == REFUSAL_INPUT_INVALID))
		abort();
	return (f.observed);
}

static void
directories(void)
{
	static const struct {
		const char *path, *json, *error;
	} cases[] = {
		{ "schema", "\"other\"", "schema: \"other\" is not \"homegolf.dataset.v1\"" },
		{ "x", "1", "x: unknown key" },
		{ "train.files", "[]", "train.files: 0 items are fewer than 1" },
		{ "tokenizer.vocab_size", "0", "tokenizer.vocab_size: 0 is not at least 1" },
		{ "tokenizer.bos_id", "-1", "tokenizer.bos_id: -1 is not at least 0" },
		{ "tokenizer.bos_id", "260", "a BOS id outside the vocabulary" },
		{ "tokenizer.kind", "\"words\"", "tokenizer.kind: \"words\" is none of \"sentencepiece\", \"bytes\"" },
		{ "tokenizer.kind", "\"sentencepiece\"", "a tokenizer without a sound name" },
		{ "val.docs_file", "\"../val_docs.tsv\"", "a docs_file without a sound name" },
		{ "val.tokens", "8", "a part whose counts disagree" },
		{ "train.documents", "10", "a part whose counts disagree" },
		{ "val.files",
		    "[{\"path\": \"a\", \"bytes\": 1040, \"tokens\": 9, \"sha256\": \""
		    "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\"}]",
		    "a shard whose size and tokens disagree" },
		{ "val.files",
		    "[{\"path\": \"b/a\", \"bytes\": 1042, \"tokens\": 9, \"sha256\": \""
		    "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\"}]",
		    "a shard without a sound name" },
		{ "tokenizer.sha256", "\"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\"",
		    "a content_sha256 that is not of its members" },
	};
	struct dataset *d;
	const char *error;

	error = open_error("", NULL, &d);
	tap_ok(d != NULL && *error == '\0' && d->train.raw_bytes == 0 && d->val.raw_bytes == DATASET_UNKNOWN &&
		*d->val_raw_sha256 == '\0' && d->vocab_size == 260 && d->tokenizer_path == NULL &&
		d->val.shards[0].tokens == 9,
	    "a data directory is opened as it was written%s", error);
	dataset_free(d);
	error = open_error("val.tokens", json_real(9), &d);
	tap_ok(d != NULL && d->val.tokens == 9, "a count may be written 9.0%s", error);
	dataset_free(d);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		error = open_error(cases[i].path, json_loads(cases[i].json, JSON_DECODE_ANY, NULL), &d);
		tap_ok(d == NULL && strcmp(error, cases[i].error) == 0, "dataset.json is refused: %s", error);
		dataset_free(d);
	}
}

static enum refusal_kind
model_fault(const void *bytes, size_t n, uint32_t *size)
{
	struct inputerror f = { .kind = REFUSAL_NONE };
	char path[128];
	struct vocab *v;
	int fd;

	snprintf(path, sizeof(path), "%s/hostile.model", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd == -1 || file_write_all(fd, bytes, n) == -1)
		abort();
	close(fd);
	v = vocab_open(path, &f);
	*size = v == NULL ? 0 : vocab_size(v);
	vocab_free(v);
	return (f.kind);
}

#define MODEL(text) model_fault(text, sizeof(text) - 1, &size)

/* <pad> <s> and a word, as spm_train would write them. */
#define PAD "\x0a\x09\x0a\x05<pad>\x18\x03"
#define BOS "\x0a\x07\x0a\x03<s>\x18\x03"

static void
hostile_models(void)
{
	const char *path = shared("fixtures/fineweb_8192_bpe.model");
	uint32_t size;
	char *real;
	size_t n, cut, bad = 0;

	tap_ok(MODEL(PAD BOS "\x0a\x06\x0a\x04\xe2\x96\x81x") == REFUSAL_NONE && size == 3,
	    "a three-piece model is read");
	tap_ok(MODEL("") == REFUSAL_INPUT_INVALID, "an empty model is invalid");
	tap_ok(MODEL(PAD BOS "\x0a\x0f\x0a\x03") == REFUSAL_INPUT_INVALID, "a piece that is cut off is invalid");
	tap_ok(MODEL(PAD BOS "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01") == REFUSAL_INPUT_INVALID,
	    "a length of 2^64-1 is invalid");
	tap_ok(MODEL(PAD BOS "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff") == REFUSAL_INPUT_INVALID,
	    "an endless varint is invalid");
	tap_ok(MODEL(PAD BOS "\x0b") == REFUSAL_INPUT_INVALID, "a group is invalid");
	tap_ok(MODEL(PAD BOS "\x0a\x02\x0a\x00") == REFUSAL_INPUT_INVALID, "an empty piece is invalid");
	tap_ok(MODEL(PAD BOS "\x0a\x0a\x0a\x06<0xG0>\x18\x06") == REFUSAL_INPUT_INVALID,
	    "a byte piece that names no byte is invalid");
	tap_ok(MODEL(PAD "\x0a\x05\x0a\x03<s>") == REFUSAL_INPUT_INVALID, "a BOS that is an ordinary piece is invalid");
	tap_ok(MODEL(PAD BOS "\x12\x03\xc8\x02\x09") == REFUSAL_INPUT_INVALID,
	    "a BOS id outside the vocabulary is invalid");
	tap_ok(MODEL(PAD BOS "\x12\x03\xc8\x02\x00") == REFUSAL_NONE, "the BOS id is the model's own");
	tap_ok(MODEL("not a model at all, just some text\n") == REFUSAL_INPUT_INVALID, "text is no model");
	if (path == NULL || (real = file_read(AT_FDCWD, path, 1 << 20, &n)) == NULL)
		return;
	for (cut = 0; cut < n; cut += 997)
		bad += model_fault(real, cut, &size) == REFUSAL_NONE && size > 8192;
	tap_ok(bad == 0, "a real model cut anywhere never reads as more than it was");
	free(real);
}

static void
children(void)
{
	const char *sleeper[] = { "sleep", "1000", NULL }, *dies[] = { "sh", "-c", "kill -9 $$", NULL };
	const char *fails[] = { "sh", "-c", "echo one >&2; echo two >&2; exit 3", NULL };
	const char *absent[] = { "hg-no-such-program", NULL };
	const char *fine[] = { "sh", "-c", "test \"$(cat)\" = \"\" && pwd", NULL };
	struct inputerror f = { .kind = REFUSAL_NONE };
	FILE *err = tmpfile(), *out = tmpfile();
	char text[128] = "";
	struct child c;
	int64_t began_ms = clock_boot_ms();

	tap_ok(child_start(&c, fine, dirfd_of, -1, fileno(out), -1, 60000, &f) == 0 && child_wait(&c, &f) == 0,
	    "a child that ends well is well, and reads nothing from /dev/null");
	tap_ok(pread(fileno(out), text, sizeof(text) - 1, 0) > 0 && strncmp(text, dir, strlen(dir)) == 0,
	    "it runs where it was told to");
	tap_ok(child_start(&c, sleeper, AT_FDCWD, -1, -1, -1, 50, &f) == 0 && child_wait(&c, &f) == -1 &&
		f.kind == REFUSAL_DEADLINE_EXCEEDED && c.pid == 0 && clock_boot_ms() - began_ms < 60000,
	    "a child past its deadline is killed");
	tap_ok(child_start(&c, fails, AT_FDCWD, -1, -1, fileno(err), 60000, &f) == 0 && child_wait(&c, &f) == -1 &&
		f.kind == REFUSAL_IO_ERROR && strcmp(f.observed, "it exited with 3: two") == 0,
	    "a failing child is named with its last words");
	tap_ok(child_start(&c, dies, AT_FDCWD, -1, -1, -1, 60000, &f) == 0 && child_wait(&c, &f) == -1 &&
		strcmp(f.observed, "it died of signal 9") == 0,
	    "a child's signal is named");
	tap_ok(child_start(&c, absent, AT_FDCWD, -1, -1, -1, 60000, &f) == -1 && f.kind == REFUSAL_TOKENIZER_MISSING,
	    "a program that is not installed is missing");
	fclose(err);
	fclose(out);
}

int
main(void)
{
	char command[64];
	FILE *quiet;

	exit_init("data");
	if (mkdtemp(dir) == NULL || (dirfd_of = open(dir, O_RDONLY | O_DIRECTORY)) == -1)
		return (1);
	/* Messages are tested where users see them; here they would only clutter. */
	if ((quiet = freopen("/dev/null", "w", stderr)) == NULL)
		return (1);
	shards();
	loading();
	counting();
	byte_vocabulary();
	directories();
	hostile_models();
	children();
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command) != 0)
		return (1);
	return (tap_done());
}
