#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "base/clock.h"
#include "data/dataset.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/num.h"
#include "schema/contract.h"
#include "data/shard.h"
#include "base/str.h"
#include "data/vocab.h"

#define DIGESTS_FILE ".digests"
#define DIGESTS_MAX_BYTES ((size_t)4 << 20)
#define DOCS_MAX_BYTES ((size_t)1 << 30)

/* Smaller files are read every time: that is as fast as asking, and needs no trust in a clock. */
#define REMEMBER_MIN_BYTES ((uint64_t)16 << 20)

/* A file changed this recently might change again without its times showing it. */
#define SETTLED_MS 2000

/* DIR/NAME, or NAME if it is absolute. NULL with errno ENOMEM. */
static char *
path_in(const char *dir, const char *name)
{
	struct str s = STR_INIT;

	if (str_printf(&s, "%s%s%s", *name == '/' ? "" : dir, *name == '/' ? "" : "/", name) == -1)
		return (NULL);
	return (s.p);
}

static char *
copy(const char *text)
{
	struct str s = STR_INIT;

	return (str_puts(&s, text) == -1 ? NULL : s.p);
}

/* Files of ours lie directly in the directory; adopted ones have an absolute path. */
static int
name_is_sound(const char *name)
{
	return (*name == '/' || (*name != '\0' && *name != '.' && strchr(name, '/') == NULL));
}

static int
hex_is_sound(const char *hex)
{
	return (strlen(hex) == SHA256_HEX_SIZE - 1 && strspn(hex, "0123456789abcdef") == SHA256_HEX_SIZE - 1);
}

/* The digest of a part: of the lines "DIGEST TOKENS" of its shards, and "DIGEST TOKENS bytes" of its byte counts. */
static int
part_digest(const struct dataset_part *part, const struct dataset_part *counts, char hex[SHA256_HEX_SIZE])
{
	struct str s = STR_INIT;
	size_t i;
	int rc = 0;

	for (i = 0; i < part->count && rc == 0; i++)
		rc = str_printf(&s, "%s %" PRIu64 "\n", part->shards[i].sha256, part->shards[i].tokens);
	for (i = 0; counts != NULL && i < counts->count && rc == 0; i++)
		rc = str_printf(&s, "%s %" PRIu64 " bytes\n", counts->shards[i].sha256, counts->shards[i].tokens);
	if (rc == 0)
		rc = sha256_hex(s.p, s.n, hex);
	str_free(&s);
	return (rc);
}

/* Fill train.sha256, val.sha256 and content_sha256 from the digests of the files, as hg-dataset(5) defines them. */
static int
digest_all(struct dataset *d)
{
	struct str s = STR_INIT;
	int rc;

	if (part_digest(&d->train, NULL, d->train.sha256) == -1 ||
	    part_digest(&d->val, &d->val_counts, d->val.sha256) == -1 ||
	    part_digest(&d->val_counts, NULL, d->val_counts.sha256) == -1)
		return (-1);
	rc = str_printf(&s, "homegolf.dataset.v1\ntokenizer %s\ntrain %s\nval %s\nraw %s\n", d->tokenizer_sha256,
	    d->train.sha256, d->val.sha256, *d->val_raw_sha256 == '\0' ? "-" : d->val_raw_sha256);
	if (rc == 0)
		rc = sha256_hex(s.p, s.n, d->content_sha256);
	str_free(&s);
	return (rc);
}

static json_t *
count_json(uint64_t n)
{
	return (n == DATASET_UNKNOWN ? json_null() : json_integer((json_int_t)n));
}

static json_t *
files_json(const struct dataset_part *part)
{
	const struct dataset_shard *s;
	json_t *files;
	size_t i;

	if ((files = json_array()) == NULL)
		return (NULL);
	for (i = 0; i < part->count; i++) {
		s = &part->shards[i];
		if (json_array_append_new(files,
			json_pack("{s:s, s:I, s:s, s:I}", "path", s->path, "bytes", (json_int_t)s->bytes, "sha256",
			    s->sha256, "tokens", (json_int_t)s->tokens)) == -1) {
			json_decref(files);
			return (NULL);
		}
	}
	return (files);
}

static json_t *
part_json(const struct dataset_part *part)
{
	json_t *v;

	v = json_pack("{s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:s}", "files", files_json(part), "documents",
	    (json_int_t)part->documents, "tokens", (json_int_t)part->tokens, "bytes", (json_int_t)part->bytes,
	    "raw_bytes", count_json(part->raw_bytes), "lost_bytes", count_json(part->lost_bytes), "lost_documents",
	    count_json(part->lost_documents), "sha256", part->sha256);
	if (v != NULL && part->empty_documents > 0 &&
	    json_object_set_new(v, "empty_documents", json_integer((json_int_t)part->empty_documents)) == -1) {
		json_decref(v);
		v = NULL;
	}
	return (v);
}

/* What a sidecar adds to validation. */
static int
counts_json(const struct dataset *d, json_t *val)
{
	if (json_object_set_new(val, "byte_files", files_json(&d->val_counts)) == -1 ||
	    json_object_set_new(val, "piece_bytes", count_json(d->val_piece_bytes)) == -1)
		return (-1);
	if (d->val_declared_bytes == DATASET_UNKNOWN)
		return (0);
	return (json_object_set_new(val, "declared_bytes", count_json(d->val_declared_bytes)));
}

void
dataset_take_vocab(struct dataset *d, const struct vocab *v)
{
	size_t n, i;
	const char *name = vocab_normalizer(v, &n);

	memcpy(d->tokenizer_sha256, vocab_sha256(v), SHA256_HEX_SIZE);
	d->vocab_size = vocab_size(v);
	d->bos_id = vocab_bos(v);
	if (vocab_is_bytes(v)) {
		name = "identity";
		n = strlen(name);
	}
	for (i = 0; i < n && i < sizeof(d->normalizer) - 1; i++)
		d->normalizer[i] = (char)(name[i] > ' ' && name[i] < 0x7f ? name[i] : '?');
	d->normalizer[i] = '\0';
}

/* Does every document come back? 1, 0, or -1 if it was not measured. */
static int
is_lossless(const struct dataset *d)
{
	if (d->train.lost_documents == DATASET_UNKNOWN || d->val.lost_documents == DATASET_UNKNOWN)
		return (-1);
	return (d->train.lost_documents == 0 && d->val.lost_documents == 0);
}

json_t *
dataset_json(struct dataset *d, json_t *source)
{
	json_t *v = NULL, *train, *val;
	int lossless = is_lossless(d);

	if (digest_all(d) == -1)
		goto done;
	if ((val = part_json(&d->val)) != NULL)
		json_object_update_new(val,
		    json_pack("{s:s?, s:s?, s:s, s:s}", "raw_sha256",
			*d->val_raw_sha256 == '\0' ? NULL : d->val_raw_sha256, "kept_sha256",
			*d->val_kept_sha256 == '\0' ? NULL : d->val_kept_sha256, "docs_file", d->docs_path,
			"docs_sha256", d->docs_sha256));
	if (val != NULL && d->val_counts.count > 0 && counts_json(d, val) == -1) {
		json_decref(val);
		val = NULL;
	}
	if ((train = part_json(&d->train)) != NULL)
		json_object_set_new(train, "overlap_documents", json_integer((json_int_t)d->train_overlap));
	v = json_pack("{s:s, s:O, s:{s:s, s:s?, s:s, s:I, s:I, s:s?, s:o}, s:o, s:o, s:s}", "schema",
	    "homegolf.dataset.v1", "source", source, "tokenizer", "kind",
	    d->tokenizer_path == NULL ? "bytes" : "sentencepiece", "file", d->tokenizer_path, "sha256",
	    d->tokenizer_sha256, "vocab_size", (json_int_t)d->vocab_size, "bos_id", (json_int_t)d->bos_id, "normalizer",
	    *d->normalizer == '\0' ? NULL : d->normalizer, "lossless",
	    lossless == -1 ? json_null() : json_boolean(lossless), "train", train, "val", val, "content_sha256",
	    d->content_sha256);
done:
	json_decref(source);
	if (v == NULL)
		errno = ENOMEM;
	return (v);
}

/* A member that the contract has as a digest, or as a digest or null: that is "". */
static void
get_hex(const json_t *v, const char *path, char hex[SHA256_HEX_SIZE])
{
	snprintf(hex, SHA256_HEX_SIZE, "%s", jsonio_text(v, path, ""));
}

static uint64_t
get_count(const json_t *v, const char *path)
{
	return ((uint64_t)jsonio_i64(v, path, 0));
}

/* A count that may be null, or absent in what an earlier version wrote. */
static uint64_t
get_count_or_unknown(const json_t *v, const char *path)
{
	return (json_is_integer(jsonio_get(v, path)) ? get_count(v, path) : DATASET_UNKNOWN);
}

/* The shards of a part, and their tokens in *sum; what is wrong, as read_part. */
static const char *
read_files(const struct dataset *d, const json_t *files, struct dataset_part *part, uint64_t *sum)
{
	const json_t *file;
	struct dataset_shard *s;
	const char *name;

	*sum = 0;
	if ((part->shards = calloc(json_array_size(files), sizeof(*s))) == NULL)
		return ("");
	for (; part->count < json_array_size(files); part->count++) {
		file = json_array_get(files, part->count);
		s = &part->shards[part->count];
		name = jsonio_text(file, "path", "");
		if (!name_is_sound(name))
			return ("a shard without a sound name");
		s->bytes = get_count(file, "bytes");
		s->tokens = get_count(file, "tokens");
		if (s->tokens == 0 || s->tokens > SHARD_MAX_TOKENS || s->bytes != SHARD_HEADER_BYTES + 2 * s->tokens)
			return ("a shard whose size and tokens disagree");
		get_hex(file, "sha256", s->sha256);
		if ((s->path = path_in(d->dir, name)) == NULL)
			return ("");
		*sum += s->tokens;
	}
	return (NULL);
}

/* What no contract can say of a part, or NULL; "" with errno ENOMEM. */
static const char *
read_part(const struct dataset *d, const json_t *v, struct dataset_part *part)
{
	const char *wrong;
	uint64_t sum;

	part->documents = get_count(v, "documents");
	part->tokens = get_count(v, "tokens");
	part->empty_documents = get_count(v, "empty_documents");
	part->bytes = get_count(v, "bytes");
	part->raw_bytes = get_count_or_unknown(v, "raw_bytes");
	part->lost_bytes = get_count_or_unknown(v, "lost_bytes");
	part->lost_documents = get_count_or_unknown(v, "lost_documents");
	if ((wrong = read_files(d, jsonio_get(v, "files"), part, &sum)) != NULL)
		return (wrong);
	if (sum != part->tokens || part->documents > part->tokens || part->empty_documents > part->documents)
		return ("a part whose counts disagree");
	return (NULL);
}

/* The byte counts beside validation, if there are any, as read_part. */
static const char *
read_counts(struct dataset *d, const json_t *val)
{
	const json_t *files = jsonio_get(val, "byte_files");
	const char *wrong;

	d->val_declared_bytes = get_count_or_unknown(val, "declared_bytes");
	d->val_piece_bytes = get_count(val, "piece_bytes");
	if (files == NULL)
		return (NULL);
	if ((wrong = read_files(d, files, &d->val_counts, &d->val_counts.tokens)) != NULL)
		return (wrong);
	if (d->val_counts.tokens != d->val.tokens)
		return ("not a byte count for each token of validation");
	d->val_counts.bytes = d->val.bytes;
	if (d->val_declared_bytes != DATASET_UNKNOWN && d->val_declared_bytes != d->val.bytes)
		return ("a declared_bytes that is not the sum of the byte counts");
	return (NULL);
}

/* Fill *d from a value that keeps its contract; what is wrong nevertheless, as read_part. */
static const char *
read_members(struct dataset *d, const json_t *v)
{
	const char *docs = jsonio_text(v, "val.docs_file", ""), *model = jsonio_text(v, "tokenizer.file", "");
	const json_t *lossless;
	const char *wrong;

	if ((wrong = read_part(d, jsonio_get(v, "train"), &d->train)) != NULL ||
	    (wrong = read_part(d, jsonio_get(v, "val"), &d->val)) != NULL ||
	    (wrong = read_counts(d, jsonio_get(v, "val"))) != NULL)
		return (wrong);
	if (strcmp(jsonio_text(v, "tokenizer.kind", ""), "bytes") != 0) {
		if (!name_is_sound(model))
			return ("a tokenizer without a sound name");
		if ((d->tokenizer_path = path_in(d->dir, model)) == NULL)
			return ("");
	}
	get_hex(v, "tokenizer.sha256", d->tokenizer_sha256);
	get_hex(v, "val.raw_sha256", d->val_raw_sha256);
	get_hex(v, "val.kept_sha256", d->val_kept_sha256);
	if (d->tokenizer_path == NULL && d->val_counts.count == 0) {
		/* Bytes lose nothing, also where an earlier version did not say so. */
		memcpy(d->val_kept_sha256, d->val_raw_sha256, SHA256_HEX_SIZE);
		d->train.lost_bytes = d->train.lost_documents = d->val.lost_bytes = d->val.lost_documents = 0;
	} else if ((*d->val_kept_sha256 == '\0') != (d->val.lost_documents == DATASET_UNKNOWN) ||
	    (d->val.lost_bytes == DATASET_UNKNOWN) != (d->val.lost_documents == DATASET_UNKNOWN) ||
	    (d->val.lost_documents == 0 && strcmp(d->val_kept_sha256, d->val_raw_sha256) != 0))
		return ("a count of lost text and a kept_sha256 that disagree");
	/* Said once more for whoever reads: it must be what the counts say. */
	lossless = jsonio_get(v, "tokenizer.lossless");
	if (json_is_boolean(lossless) && json_is_true(lossless) != (is_lossless(d) == 1))
		return ("counts of lost text and a tokenizer.lossless that disagree");
	snprintf(d->normalizer, sizeof(d->normalizer), "%s", jsonio_text(v, "tokenizer.normalizer", ""));
	get_hex(v, "val.docs_sha256", d->docs_sha256);
	d->train_overlap = get_count(v, "train.overlap_documents");
	d->keep_lines = jsonio_true(v, "source.keep_lines");
	d->vocab_size = (uint32_t)get_count(v, "tokenizer.vocab_size");
	d->bos_id = (uint32_t)get_count(v, "tokenizer.bos_id");
	if (d->bos_id >= d->vocab_size)
		return ("a BOS id outside the vocabulary");
	if (!name_is_sound(docs))
		return ("a docs_file without a sound name");
	if ((d->docs_path = path_in(d->dir, docs)) == NULL || digest_all(d) == -1)
		return ("");
	if (strcmp(jsonio_text(v, "content_sha256", ""), d->content_sha256) != 0)
		return ("a content_sha256 that is not of its members");
	return (NULL);
}

struct dataset *
dataset_open(const char *dir, struct inputerror *f)
{
	struct str path = STR_INIT, broken = STR_INIT;
	struct dataset *d;
	const char *wrong;
	json_t *v = NULL;

	if ((d = calloc(1, sizeof(*d))) == NULL || (d->dir = copy(dir)) == NULL ||
	    str_printf(&path, "%s/" DATASET_FILE, dir) == -1) {
		inputerror_errno(f, "read", dir);
		goto err0;
	}
	d->train.name = "train";
	d->val.name = "val";
	d->val_counts.name = "byte counts";
	if (jsonio_read(AT_FDCWD, path.p, JSONIO_MAX_BYTES, d->sha256, &v) == -1) {
		if (errno == EBADMSG)
			inputerror_set(f, REFUSAL_INPUT_INVALID, path.p, "not JSON", "");
		else
			inputerror_errno(f, "read", path.p);
		goto err0;
	}
	wrong = contract_accept("dataset", v, &broken) == 0 ? read_members(d, v) : errno == EBADMSG ? broken.p : "";
	if (wrong != NULL) {
		if (*wrong == '\0')
			inputerror_errno(f, "read", path.p);
		else
			inputerror_set(f, REFUSAL_INPUT_INVALID, path.p, wrong, "");
		goto err0;
	}
	json_decref(v);
	str_free(&path);
	return (d);
err0:
	json_decref(v);
	str_free(&broken);
	str_free(&path);
	dataset_free(d);
	return (NULL);
}

static void
free_part(struct dataset_part *part)
{
	size_t i;

	for (i = 0; i < part->count; i++)
		free(part->shards[i].path);
	free(part->shards);
}

void
dataset_clear(struct dataset *d)
{
	free_part(&d->train);
	free_part(&d->val);
	free_part(&d->val_counts);
	free(d->dir);
	free(d->docs_path);
	free(d->tokenizer_path);
	memset(d, 0, sizeof(*d));
}

void
dataset_free(struct dataset *d)
{
	if (d == NULL)
		return;
	dataset_clear(d);
	free(d);
}

/* --- digests remembered ------------------------------------------------------ */

struct digests {
	int dirfd;  /* -1: can't be opened, nothing is remembered */
	char *text; /* the file as it was */
	struct str added;
};

static void
digests_open(struct digests *g, const char *dir)
{
	g->added = (struct str)STR_INIT;
	g->text = NULL;
	if ((g->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) != -1)
		g->text = file_read(g->dirfd, DIGESTS_FILE, DIGESTS_MAX_BYTES, NULL);
}

/* Everything that would differ had the file been written to. The name comes last: it may hold blanks. */
static int
digests_key(struct str *key, const struct stat *st, const char *path)
{
	return (str_printf(key, "%ju %ju %jd %jd.%09ld %jd.%09ld %s", (uintmax_t)st->st_dev, (uintmax_t)st->st_ino,
	    (intmax_t)st->st_size, (intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec, (intmax_t)st->st_ctim.tv_sec,
	    st->st_ctim.tv_nsec, path));
}

static int
digests_find(const struct digests *g, const struct str *key, char hex[SHA256_HEX_SIZE])
{
	const char *line, *next;
	size_t n;

	for (line = g->text; line != NULL && *line != '\0'; line = next) {
		n = strcspn(line, "\n");
		next = line + n + (line[n] == '\n');
		if (n != SHA256_HEX_SIZE + key->n || memcmp(line + SHA256_HEX_SIZE, key->p, key->n) != 0)
			continue;
		memcpy(hex, line, SHA256_HEX_SIZE - 1);
		hex[SHA256_HEX_SIZE - 1] = '\0';
		return (hex_is_sound(hex) ? 0 : -1);
	}
	return (-1);
}

/* Write what is new, in front of what is known: a file grown too large forgets its oldest. */
static void
digests_close(struct digests *g)
{
	if (g->dirfd != -1 && g->added.n > 0) {
		if (g->text != NULL && g->added.n + strlen(g->text) < DIGESTS_MAX_BYTES)
			(void)str_puts(&g->added, g->text);
		(void)atomfile_post(g->dirfd, DIGESTS_FILE, g->added.p, g->added.n);
	}
	if (g->dirfd != -1)
		close(g->dirfd);
	str_free(&g->added);
	free(g->text);
}

/* Digest of an open file, remembered if it is large and settled. */
static int
digests_of(struct digests *g, int fd, const char *path, char hex[SHA256_HEX_SIZE])
{
	struct str key = STR_INIT;
	struct stat before, after;
	int rc = -1;

	if (fstat(fd, &before) == -1 || digests_key(&key, &before, path) == -1)
		goto done;
	if ((uint64_t)before.st_size >= REMEMBER_MIN_BYTES && digests_find(g, &key, hex) == 0) {
		rc = 0;
		goto done;
	}
	if (sha256_fd(fd, hex, NULL) == -1 || fstat(fd, &after) == -1)
		goto done;
	rc = 0;
	if ((uint64_t)before.st_size >= REMEMBER_MIN_BYTES && strchr(path, '\n') == NULL &&
	    before.st_ctim.tv_sec == after.st_ctim.tv_sec && before.st_ctim.tv_nsec == after.st_ctim.tv_nsec &&
	    clock_wall_ms() - (int64_t)before.st_ctim.tv_sec * 1000 > SETTLED_MS)
		(void)str_printf(&g->added, "%s %s\n", hex, key.p);
done:
	str_free(&key);
	return (rc);
}

/* --- verifying ----------------------------------------------------------------- */

static int
verify_digest(struct digests *g, int fd, const char *path, const char *want, struct inputerror *f)
{
	char hex[SHA256_HEX_SIZE];

	if (digests_of(g, fd, path, hex) == -1)
		return (inputerror_errno(f, "read", path));
	if (strcmp(hex, want) != 0)
		return (inputerror_set(f, REFUSAL_INPUT_WRONG_DIGEST, path, hex, want));
	return (0);
}

static int
verify_part(struct digests *g, const struct dataset_part *part, struct inputerror *f)
{
	char observed[64], expected[64];
	struct shard s;
	size_t i;
	int rc = 0;

	for (i = 0; i < part->count && rc == 0; i++) {
		if (shard_open(&s, AT_FDCWD, part->shards[i].path, f) == -1)
			return (-1);
		if (s.size_bytes != part->shards[i].bytes) {
			snprintf(observed, sizeof(observed), "%" PRIu64 " bytes", s.size_bytes);
			snprintf(expected, sizeof(expected), "%" PRIu64 " bytes", part->shards[i].bytes);
			rc = inputerror_set(f,
			    s.size_bytes < part->shards[i].bytes ? REFUSAL_INPUT_TRUNCATED : REFUSAL_INPUT_WRONG_SIZE,
			    s.path, observed, expected);
		} else
			rc = verify_digest(g, s.fd, s.path, part->shards[i].sha256, f);
		shard_close(&s);
	}
	return (rc);
}

static int
verify_file(struct digests *g, const char *path, const char *want, uint64_t most_bytes, enum refusal_kind missing,
    struct inputerror *f)
{
	int fd, rc;

	if ((fd = file_open_most(AT_FDCWD, path, most_bytes, NULL)) == -1) {
		inputerror_errno(f, "read", path);
		if (f != NULL && f->kind == REFUSAL_INPUT_MISSING)
			f->kind = missing;
		return (-1);
	}
	rc = verify_digest(g, fd, path, want, f);
	close(fd);
	return (rc);
}

int
dataset_verify(const struct dataset *d, unsigned what, struct inputerror *f)
{
	struct digests g;
	int rc = 0;

	digests_open(&g, d->dir);
	if ((what & DATASET_TOKENIZER) != 0 && d->tokenizer_path != NULL)
		rc = verify_file(&g, d->tokenizer_path, d->tokenizer_sha256, VOCAB_MAX_BYTES, REFUSAL_TOKENIZER_MISSING,
		    f);
	if (rc == 0 && (what & DATASET_VAL) != 0)
		rc = verify_file(&g, d->docs_path, d->docs_sha256, DOCS_MAX_BYTES, REFUSAL_INPUT_MISSING, f);
	if (rc == 0 && (what & DATASET_VAL) != 0)
		rc = verify_part(&g, &d->val, f);
	if (rc == 0 && (what & DATASET_VAL) != 0)
		rc = verify_part(&g, &d->val_counts, f);
	if (rc == 0 && (what & DATASET_TRAIN) != 0)
		rc = verify_part(&g, &d->train, f);
	digests_close(&g);
	return (rc);
}

/* --- validation documents ------------------------------------------------------- */

/* A decimal number up to ${stop}; "-" is DATASET_UNKNOWN. Moves *p behind the stop. */
static int
read_count(char **p, char stop, uint64_t *out)
{
	char *end = strchr(*p, stop);
	int rc = 0;

	if (end == NULL)
		return (-1);
	*end = '\0';
	if (strcmp(*p, "-") == 0)
		*out = DATASET_UNKNOWN;
	else
		rc = num_u64(*p, 0, DATASET_UNKNOWN - 1, out);
	*p = end + 1;
	return (rc);
}

static int
read_docs(const struct dataset *d, char *p, struct dataset_doc *docs)
{
	uint64_t i, index, tokens = 0, bytes = 0;

	if (strncmp(p, DATASET_DOCS_HEADER, sizeof(DATASET_DOCS_HEADER) - 1) != 0)
		return (-1);
	p += sizeof(DATASET_DOCS_HEADER) - 1;
	for (i = 0; i < d->val.documents; i++) {
		if (read_count(&p, '\t', &index) == -1 || index != i || read_count(&p, '\t', &docs[i].tokens) == -1 ||
		    read_count(&p, '\t', &docs[i].bytes) == -1 || read_count(&p, '\n', &docs[i].raw_bytes) == -1 ||
		    docs[i].tokens == 0 || docs[i].tokens > d->val.tokens - tokens ||
		    docs[i].bytes > d->val.bytes - bytes)
			return (-1);
		tokens += docs[i].tokens;
		bytes += docs[i].bytes;
	}
	return (*p == '\0' && tokens == d->val.tokens && bytes == d->val.bytes ? 0 : -1);
}

struct dataset_doc *
dataset_docs(const struct dataset *d, struct inputerror *f)
{
	struct dataset_doc *docs = NULL;
	char *text;

	if ((text = file_read(AT_FDCWD, d->docs_path, DOCS_MAX_BYTES, NULL)) == NULL ||
	    (docs = calloc(d->val.documents, sizeof(*docs))) == NULL) {
		inputerror_errno(f, "read", d->docs_path);
		goto err0;
	}
	if (read_docs(d, text, docs) == -1) {
		inputerror_set(f, REFUSAL_INPUT_INVALID, d->docs_path,
		    "its rows are not those that dataset.json counts", "");
		goto err0;
	}
	free(text);
	return (docs);
err0:
	free(docs);
	free(text);
	return (NULL);
}

int
dataset_docs_row(struct str *out, uint64_t doc, uint64_t tokens, uint64_t bytes, uint64_t raw_bytes)
{
	if (str_printf(out, "%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t", doc, tokens, bytes) == -1)
		return (-1);
	return (raw_bytes == DATASET_UNKNOWN ? str_puts(out, "-\n") : str_printf(out, "%" PRIu64 "\n", raw_bytes));
}

struct vocab *
dataset_vocab(const struct dataset *d, struct inputerror *f)
{
	const char *object = d->tokenizer_path != NULL ? d->tokenizer_path : "bytes";
	struct vocab *v;

	if (d->tokenizer_path != NULL)
		v = vocab_open(d->tokenizer_path, f);
	else if ((v = vocab_bytes()) == NULL)
		inputerror_errno(f, "open", object);
	if (v == NULL)
		return (NULL);
	if (strcmp(vocab_sha256(v), d->tokenizer_sha256) != 0) {
		inputerror_set(f, REFUSAL_INPUT_WRONG_DIGEST, object, vocab_sha256(v), d->tokenizer_sha256);
		goto err0;
	}
	if (vocab_size(v) != d->vocab_size || vocab_bos(v) != d->bos_id) {
		inputerror_set(f, REFUSAL_INPUT_INVALID, object, "vocabulary size or BOS differ from dataset.json", "");
		goto err0;
	}
	if (d->keep_lines && d->tokenizer_path != NULL) {
		if (vocab_byte_id(v, '\n') == -1) {
			inputerror_set(f, REFUSAL_INPUT_INVALID, object, "no byte pieces, but line breaks are kept",
			    "");
			goto err0;
		}
		vocab_keep_lines(v);
	}
	return (v);
err0:
	vocab_free(v);
	return (NULL);
}
