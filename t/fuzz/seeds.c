/* seeds DIR: write small valid files of every binary format, by our own writers, into DIR/TARGET/. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "gpt/artifact.h"
#include "data/dataset.h"
#include "base/exit.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/proc.h"
#include "run/runlock.h"
#include "gpt/safetensors.h"
#include "base/say.h"
#include "data/shard.h"

static const char *top;

/* A new file TOP/TARGET/NAME. */
static int
file(const char *target, const char *name)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", top, target);
	mkdir(path, 0777);
	snprintf(path, sizeof(path), "%s/%s/%s", top, target, name);
	if ((fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) == -1) {
		say_errno("cannot write '%s'", path);
		exit(HG_EXIT_SYSTEM);
	}
	return (fd);
}

static void
bytes(const char *target, const char *name, const void *data, size_t n)
{
	int fd = file(target, name);

	if (file_write_all(fd, data, n) == -1 || close(fd) == -1) {
		say_errno("cannot write '%s'", name);
		exit(HG_EXIT_SYSTEM);
	}
}

static void
safetensors(void)
{
	static const float w[6] = { 1, -2, 3.5f, 0, 1e-9f, 7 };
	static const unsigned char q[4] = { 1, 255, 0, 128 };
	const struct safetensors_tensor t[] = {
		{ .name = "a", .dtype = SAFETENSORS_F32, .dims = 2, .shape = { 2, 3 }, .n = 6, .data = w },
		{ .name = "b.scale", .dtype = SAFETENSORS_F16, .dims = 1, .shape = { 2 }, .n = 2, .data = q },
		{ .name = "empty", .dtype = SAFETENSORS_BF16, .dims = 2, .shape = { 0, 9 }, .n = 0, .data = q },
		{ .name = "one", .dtype = SAFETENSORS_I8, .dims = 0, .n = 1, .data = q },
	};
	json_t *metadata = json_pack("{s:s}", "format", "pt");
	int fd;

	fd = file("safetensors", "four");
	if (safetensors_write(fd, t, 4, metadata) == -1)
		exit(HG_EXIT_SYSTEM);
	close(fd);
	fd = file("safetensors", "none");
	if (safetensors_write(fd, t, 0, NULL) == -1)
		exit(HG_EXIT_SYSTEM);
	close(fd);
	json_decref(metadata);
}

/* What people publish: the shapes of a submission, its log, and a table. */
static void
import(void)
{
	static const char map[] =
	    "{\"name\": \"a\", \"date\": \"2026-03-19\", \"seed_results\": {\"42\": {\"val_loss\": 1.98, "
	    "\"val_bpb\": 1.1742, \"artifact_bytes\": 15374243}, \"7\": {\"val_bpb\": \"1.1744\"}},"
	    " \"mean_val_bpb\": 1.1743,\n"
	    "// so they say\n\"val_bpb_std\": NaN, \"bytes_total\": 15374243, \"code_bytes\": 50651,}\n";
	static const char lists[] =
	    "{\"seeds\": [42, 0], \"seed_scores\": [1.09, 1.08], \"val_bpb\": \"TBD\", \"seed1\": {\"bpb\": 1},"
	    " \"results\": [{\"seed\": 3, \"val_bpb\": 1.1}], \"a\": 1, \"a\": {\"b\": \"\\u00e9\\ud83d\\ude00\"}}";
	static const char log[] =
	    "seed:42\nval_loader:shards pattern=x tokens:62021632\n    log0(f\"x val_loss:{a:.4f} val_bpb:{b:.4f}\")\n"
	    "step:100/200 val_loss:2.1 val_bpb:1.3 train_time:600ms step_avg:6ms\rCode size: 47642 bytes\n"
	    "Total submission size: 67272625 bytes\nTotal submission size int8+zlib: 15863489 bytes\n"
	    "sliding_eval [ 99.1%] 1/2 windows running_bpb=1.15\nfinal_int8_zlib_roundtrip val_loss:1.9827"
	    " val_bpb:1.1742\n"
	    "final_int8_zlib_roundtrip_exact val_loss:1.98265459 val_bpb:1.17423973\nlegal_ttt val_loss:nan"
	    " val_bpb:nan\n";
	static const char tabs[] =
	    "commit\tval_bpb\tmemory_gb\tstatus\tdescription\nbaseline\t0.997900\t44.0\tkeep\tbaseline\n"
	    "e05a87d\\t0.000000\\t0.0\\tcrash\\tbatch\n889dbed\t0,9737\t60.2\tdiscard\trandom seed 42 to 137\textra\n";
	static const char commas[] = "run_id,val_bpb,val_bpb,notes\n1,\"1.1\",1.2 GB,\"a \"\"b\"\"\nc\"\n";
	static const char bars[] =
	    "# Results\n| name | **val bpb** | status |\n|---|:--:|---|\n| x | `1.1` | kept |\n\nend\n";

	bytes("import", "map", map, sizeof(map) - 1);
	bytes("import", "lists", lists, sizeof(lists) - 1);
	bytes("import", "log", log, sizeof(log) - 1);
	bytes("import", "tabs", tabs, sizeof(tabs) - 1);
	bytes("import", "commas", commas, sizeof(commas) - 1);
	bytes("import", "bars", bars, sizeof(bars) - 1);
	bytes("import", "utf16",
	    "\xff\xfe{\0\"\0a\0\"\0:\0"
	    "1\0}\0",
	    16);
}

/* As it is, and what is in it: the target compresses that again. */
static void
artifact_of(const struct config *c, const struct artifact_law *law, const char *packed, const char *plain)
{
	static const char digest[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	static unsigned char inside[1 << 20];
	struct artifact_report report;
	uLongf n = sizeof(inside);
	struct params *p;
	size_t stream_n;
	float *w;
	char *stream;
	int fd;

	if ((p = params_new(c)) == NULL || (w = calloc(p->n, sizeof(*w))) == NULL)
		exit(HG_EXIT_SYSTEM);
	params_init(p, 1, w);
	/* Levels take room, and most of what a fuzzer tries with them is the same. */
	for (size_t i = 0; i < p->count; i++)
		for (size_t j = 1000; j < p->tensors[i].n; j++)
			w[p->tensors[i].offset + j] = 0;
	fd = file("artifact", packed);
	if (artifact_write(fd, p, w, digest, law, NULL, &report) == -1)
		exit(HG_EXIT_SYSTEM);
	artifact_report_free(&report);
	lseek(fd, 0, SEEK_SET);
	if ((stream = file_read_fd(fd, 1 << 20, &stream_n)) == NULL)
		exit(HG_EXIT_SYSTEM);
	close(fd);
	if (plain != NULL) {
		if (uncompress(inside, &n, (const Bytef *)stream, stream_n) != Z_OK)
			exit(HG_EXIT_SYSTEM);
		bytes("artifact", plain, inside, n);
	}
	free(stream);
	params_free(p);
	free(w);
}

static void
artifact(void)
{
	struct artifact_law law = { 8, 8, QUANTIZE_MINMAX, 12.85, 20, 1.0 / 127, CODER_ZLIB, 65536 };
	struct config c;

	config_default(&c);
	c.vocab_size = 260;
	c.num_layers = 2;
	c.model_dim = 8;
	c.num_heads = 2;
	c.num_kv_heads = 1;
	c.mlp_mult = 1;
	artifact_of(&c, &law, "tiny.hgz", "tiny.inside");
	/* One table large enough for levels, and a law that is not the default. */
	c.vocab_size = 8200;
	law = (struct artifact_law){ 7, 6, QUANTIZE_SDCLIP, 12.85, 8, 1e-4, CODER_ZLIB, 65536 };
	artifact_of(&c, &law, "six.hgz", "six.inside");
	law.coder = CODER_XZ;
	artifact_of(&c, &law, "six.xz", NULL);
}

static void
shard(void)
{
	static unsigned char s[1024 + 2 * 3] = { 0x88, 0xd8, 0x34, 0x01, 1, 0, 0, 0, 3, 0, 0, 0 };

	s[1024] = 1;
	s[1026] = 100;
	s[1028] = 0xff;
	s[1029] = 3;
	bytes("shard", "three.bin", s, sizeof(s));
}

/* A SentencePiece model as protobuf: pieces with score and type, trainer settings with bos_id, a normaliser's name. */
static void
vocab(void)
{
	static const struct {
		const char *text;
		int type;
	} pieces[] = {
		{ "<pad>", 3 },
		{ "<s>", 3 },
		{ "</s>", 3 },
		{ "<unk>", 2 },
		{ "<0x00>", 6 },
		{ "<0xFF>", 6 },
		{ "\xe2\x96\x81the", 1 },
		{ "e", 1 },
		{ "\xe2\x96\x81", 1 },
		{ "user", 4 },
		{ "off", 5 },
	};
	unsigned char m[1024];
	size_t n = 0, i, k;

	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		k = strlen(pieces[i].text);
		m[n++] = 0x0a; /* pieces */
		m[n++] = (unsigned char)(k + 9);
		m[n++] = 0x0a; /* piece */
		m[n++] = (unsigned char)k;
		memcpy(m + n, pieces[i].text, k);
		n += k;
		memcpy(m + n, "\x15\0\0\x80\xbf\x18", 6); /* score -1, type */
		n += 6;
		m[n++] = (unsigned char)pieces[i].type;
	}
	memcpy(m + n, "\x12\x03\xc8\x02\x01", 5); /* trainer: field 41, bos_id 1 */
	n += 5;
	memcpy(m + n, "\x1a\x0a\x0a\x08nmt_nfkc", 12); /* normaliser: its name */
	n += 12;
	bytes("vocab", "eleven.model", m, n);
}

/* One that is BPE, with a rule that makes U+0001 a blank: so is text encoded by lib/data/bpe. */
static void
bpe(void)
{
	static const char *const pieces[] = { "<s>", "<unk>", "t", "h", "e", "th", "the", "\xe2\x96\x81",
		"\xe2\x96\x81the", "he" };
	/* A trie of eight units: the root leads to 2 ^ 1, whose value is at 3 ^ 4, and that is 0, the first text. */
	static const uint32_t trie[8] = { [0] = 2 << 10, [3] = 4 << 10 | 1 << 8 | 1, [7] = 1u << 31 };
	unsigned char m[1024];
	size_t n = 0, i, k;

	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		k = strlen(pieces[i]);
		m[n++] = 0x0a; /* pieces */
		m[n++] = (unsigned char)(k + 9);
		m[n++] = 0x0a; /* piece */
		m[n++] = (unsigned char)k;
		memcpy(m + n, pieces[i], k);
		n += k;
		memcpy(m + n, "\x15\0\0\x80\xbf\x18", 6); /* score, type */
		m[n + 3] = (unsigned char)(128 + i);
		n += 6;
		m[n++] = i == 0 ? 3 : i == 1 ? 2 : 1;
	}
	memcpy(m + n, "\x12\x05\x18\x02\xc8\x02\x00", 7); /* trainer: field 3, BPE; field 41, bos_id 0 */
	n += 7;
	memcpy(m + n, "\x1a\x28\x12\x26\x20\0\0\0", 8); /* normaliser: its rules, of 32 bytes and the texts */
	n += 8;
	for (i = 0; i < 8; i++)
		for (k = 0; k < 4; k++)
			m[n++] = (unsigned char)(trie[i] >> 8 * k);
	memcpy(m + n, " ", 2);
	n += 2;
	bytes("vocab", "bpe.model", m, n);
}

static void
dataset(void)
{
	static const char digest[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	static const char docs[] = "2 9 12\n# doc\ttokens\tbytes\traw_bytes\n0\t5\t8\t8\n1\t4\t4\t-\n";
	static char name[] = "a_000000.bin", docs_name[] = "val_docs.tsv";
	struct dataset_shard s = { .path = name, .bytes = 1024 + 18, .tokens = 9 };
	struct dataset d = { .vocab_size = 260, .bos_id = 1, .docs_path = docs_name };
	json_t *v;
	char *text;

	strcpy(s.sha256, digest);
	strcpy(d.tokenizer_sha256, digest);
	strcpy(d.val_raw_sha256, digest);
	strcpy(d.docs_sha256, digest);
	d.train = (struct dataset_part){ .shards = &s,
		.count = 1,
		.documents = 2,
		.tokens = 9,
		.bytes = 12,
		.raw_bytes = 12 };
	d.val = d.train;
	v = dataset_json(&d,
	    json_pack("{s:s, s:[], s:n, s:n, s:n, s:n, s:n, s:n}", "format", "adopted", "files", "documents", "empty",
		"invalid_utf8", "nul", "duplicates_dropped", "seed"));
	if ((text = jsonio_pretty(v)) == NULL)
		exit(HG_EXIT_SYSTEM);
	bytes("dataset", "dataset.json", text, strlen(text));
	bytes("dataset", "docs", docs, sizeof(docs) - 1);
	free(text);
	json_decref(v);
}

static void
texts(void)
{
	static const char *const some[] = {
		"18446744073709551616",
		"-1",
		"1e-3",
		"1.5h",
		"2026-11-21T22:00:00.000Z",
		"\033]0;title\a \xe2\x96\x81 \xff",
	};
	struct runlock lock = { .attempt = 1, .deadline_boot_ms = 1000, .started_ms = 1 };
	char name[16];
	size_t i;
	int fd;

	for (i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		snprintf(name, sizeof(name), "%zu", i);
		bytes("text", name, some[i], strlen(some[i]));
	}
	fd = file("text", "lock");
	if (proc_self(&lock.owner) == -1 || runlock_write(fd, &lock) == -1)
		exit(HG_EXIT_SYSTEM);
	close(fd);
}

int
main(int argc, char **argv)
{
	exit_init("seeds");
	if (argc != 2) {
		say_error("usage: seeds DIR");
		return (HG_EXIT_USAGE);
	}
	top = argv[1];
	if (mkdir(top, 0777) == -1 && errno != EEXIST) {
		say_errno("cannot make '%s'", top);
		return (HG_EXIT_SYSTEM);
	}
	safetensors();
	import();
	artifact();
	shard();
	vocab();
	bpe();
	dataset();
	texts();
	return (exit_flush(HG_EXIT_DONE));
}
