#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/say.h"
#include "base/str.h"
#include "base/utf8.h"
#include "data/child.h"
#include "data/parts.h"
#include "data/scratch.h"
#include "data/split.h"
#include "data/tokenizer.h"

/* Text that spm_train sees: it holds some twelve bytes in memory for each of them. */
#define SAMPLE_BYTES ((uint64_t)32 << 20)
#define SAMPLE_STREAM UINT64_C(0x73706d5f74726169)

/* It skips longer lines. */
#define SENTENCE_BYTES 4000

/* spm_train is given this long, and as long again for each so many bytes: some fifty times what it needs. */
#define TRAIN_WAIT_MS INT64_C(600000)
#define TRAIN_BYTES_PER_MS 20

/* A line for spm_train, cut at blanks where it would be too long. */
static int
put_line(struct str *out, const char *text, size_t n)
{
	size_t length;

	for (; n > 0; n -= length, text += length) {
		length = n;
		if (length > SENTENCE_BYTES) {
			length = SENTENCE_BYTES;
			while (length > 0 && text[length] != ' ' && text[length] != '\n')
				length--;
			/* No blank at all: cut before a character. */
			length = length == 0 ? SENTENCE_BYTES : length;
			length = utf8_cut(text, length);
		}
		if (scratch_line(out, text, length) == -1)
			return (-1);
	}
	return (0);
}

/* A document: a line, or its lines where these are kept. */
static int
put_sentences(struct str *out, const char *text, size_t n, int keep_lines)
{
	struct parts parts;
	const char *p;
	size_t length;

	parts_begin(&parts, text, n, keep_lines, 0);
	while (parts_next(&parts, &p, &length) != -1)
		if (put_line(out, p, length) == -1)
			return (-1);
	return (0);
}

/* A sample of the training documents: each is in it by a hash of its own, so that any order gives an even one. */
static int
write_sample(const struct tokenizer_sample *from, int fd, struct inputerror *f)
{
	struct corpus_bucket bucket;
	struct split split;
	struct str text = STR_INIT;
	uint64_t threshold = UINT64_MAX, taken = 0;
	size_t i, j;
	int side, rc = -1;

	if (from->text_bytes > SAMPLE_BYTES)
		threshold = UINT64_MAX / (from->text_bytes / 1024) * (SAMPLE_BYTES / 1024);
	if (split_begin(&split, from->val_docs, from->val_given) == -1)
		return (inputerror_errno(f, "split", "the corpus"));
	for (i = 0; i < corpus_buckets(from->corpus); i++) {
		if ((rc = corpus_load(from->corpus, i, &bucket, f)) == -1)
			goto done;
		for (j = 0; j < bucket.count; j++) {
			if ((side = split_next(&split, &bucket.docs[j])) == -1)
				break;
			if (side != SPLIT_TRAIN || rng_mix(bucket.docs[j].place ^ SAMPLE_STREAM) > threshold ||
			    taken > 2 * SAMPLE_BYTES)
				continue;
			taken += bucket.docs[j].bytes;
			if (put_sentences(&text, bucket.docs[j].text, bucket.docs[j].bytes, from->keep_lines) == -1 ||
			    scratch_flush(&text, fd, 1 << 20) == -1)
				break;
		}
		rc = j < bucket.count ? -1 : 0;
		corpus_release(&bucket);
		if (rc == -1) {
			inputerror_errno(f, "write", "a sample for spm_train");
			goto done;
		}
	}
	if ((rc = scratch_flush(&text, fd, 0)) == -1)
		inputerror_errno(f, "write", "a sample for spm_train");
done:
	split_free(&split);
	str_free(&text);
	return (rc);
}

/* What spm_train says of the corpus or the size, not of the machine, and the size that it needs. */
static int
train_fault(const char *words, uint32_t vocab_size_asked, struct inputerror *f)
{
	const char *needs = strstr(words, " vs ");
	char observed[sizeof(f->observed)], expected[64] = "";
	unsigned long pieces;

	if (needs != NULL && strstr(words, "ocab") != NULL && sscanf(needs, " vs %lu", &pieces) == 1) {
		snprintf(observed, sizeof(observed), "-v %" PRIu32 ": this corpus has characters for more pieces",
		    vocab_size_asked);
		snprintf(expected, sizeof(expected), "at least -v %lu", pieces);
		return (inputerror_set(f, REFUSAL_SPEC_INVALID, "spm_train", observed, expected));
	}
	return (inputerror_set(f, REFUSAL_INPUT_INVALID, "the corpus for spm_train", words, ""));
}

/* Run spm_train with the public settings. Names are relative: they end up in the model's bytes. */
static int
run_spm_train(int dirfd, uint32_t vocab_size_asked, int keep_lines, int err_fd, uint64_t sample_bytes,
    struct inputerror *f)
{
	char vocab_size[48], words[CHILD_WORDS];
	const char *argv[] = { "spm_train", "--input=sample.txt", "--model_prefix=spm", "--model_type=bpe", vocab_size,
		"--character_coverage=0.999", "--byte_fallback=true", "--split_digits=true",
		keep_lines ? "--normalization_rule_name=identity" : "--normalization_rule_name=nmt_nfkc",
		keep_lines ? "--remove_extra_whitespaces=false" : "--remove_extra_whitespaces=true",
		"--add_dummy_prefix=false", "--hard_vocab_limit=false", "--pad_id=0", "--bos_id=1", "--eos_id=2",
		"--unk_id=3", "--minloglevel=1", NULL };
	struct child c;

	snprintf(vocab_size, sizeof(vocab_size), "--vocab_size=%" PRIu32, vocab_size_asked);
	if (child_start(&c, argv, dirfd, -1, -1, err_fd, TRAIN_WAIT_MS + (int64_t)sample_bytes / TRAIN_BYTES_PER_MS,
		f) == -1)
		return (-1);
	switch (child_ask(&c, "] Internal: ", words, f)) {
	case 0:
		return (0);
	case CHILD_FAULT:
		return (train_fault(words, vocab_size_asked, f));
	default:
		return (-1);
	}
}

/* Publish a model's bytes under its name; steals the text. */
static int
put_model(int dirfd, char *text, size_t n, struct inputerror *f)
{
	int rc;

	if ((rc = atomfile_replace(dirfd, TOKENIZER_FILE, text, n)) == -1)
		inputerror_errno(f, "write", TOKENIZER_FILE);
	free(text);
	return (rc);
}

/* Open the model that stands in the directory; messages call it ${what}. */
static struct vocab *
open_model(int dirfd, const char *what, struct inputerror *f)
{
	struct str path = STR_INIT;
	struct vocab *v;

	if (str_printf(&path, "/proc/self/fd/%d/" TOKENIZER_FILE, dirfd) == -1) {
		inputerror_errno(f, "read", TOKENIZER_FILE);
		return (NULL);
	}
	v = vocab_open_as(path.p, what, f);
	str_free(&path);
	return (v);
}

struct vocab *
tokenizer_open(int dirfd, struct inputerror *f)
{
	return (open_model(dirfd, TOKENIZER_FILE, f));
}

struct vocab *
tokenizer_train(int dirfd, const struct tokenizer_sample *from, uint32_t vocab_size_asked, struct inputerror *f)
{
	struct vocab *v = NULL;
	struct stat st;
	char *text;
	int fd, err_fd;
	size_t n;

	if ((err_fd = scratch_file(dirfd, f)) == -1)
		return (NULL);
	if ((fd = openat(dirfd, "sample.txt", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) == -1) {
		inputerror_errno(f, "write", "sample.txt");
		goto done;
	}
	if (write_sample(from, fd, f) == -1 || fstat(fd, &st) == -1)
		goto done;
	say_progress("training the tokenizer on %ju MB", (uintmax_t)st.st_size / 1000000);
	if (run_spm_train(dirfd, vocab_size_asked, from->keep_lines, err_fd, (uint64_t)st.st_size, f) == -1)
		goto done;
	if ((text = file_read(dirfd, "spm.model", VOCAB_MAX_BYTES, &n)) == NULL) {
		inputerror_errno(f, "read", "spm.model");
		goto done;
	}
	if (put_model(dirfd, text, n, f) == -1 || atomfile_remove(dirfd, "sample.txt") == -1 ||
	    atomfile_remove(dirfd, "spm.model") == -1 || atomfile_remove(dirfd, "spm.vocab") == -1)
		goto done;
	v = tokenizer_open(dirfd, f);
done:
	if (fd != -1)
		close(fd);
	close(err_fd);
	return (v);
}

struct vocab *
tokenizer_copy(int dirfd, const char *model, struct inputerror *f)
{
	size_t n;
	char *text;
	int fd;

	/* The path is the user's own: links in it are meant. */
	if ((fd = file_open_given(model)) == -1) {
		inputerror_errno(f, "read", model);
		return (NULL);
	}
	text = file_read_fd(fd, VOCAB_MAX_BYTES, &n);
	close(fd);
	if (text == NULL) {
		inputerror_errno(f, "read", model);
		return (NULL);
	}
	return (put_model(dirfd, text, n, f) == -1 ? NULL : open_model(dirfd, model, f));
}
