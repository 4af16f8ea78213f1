#define _GNU_SOURCE /* MAP_POPULATE */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/array.h"
#include "base/atomfile.h"
#include "base/file.h"
#include "law/settled.h"
#include "ledger/index.h"
#include "base/proc.h"

/*
 * Facts hold reasons by number: with another list of them an index is of another version.  So it is where a fact has
 * other members, and where lib/law/standings.c makes anything else of the same facts, as that is kept, too.
 */
enum { VERSION = 8 << 8 | VERDICT_REASONS };

/* To apply so many facts takes no longer than to read an image of what follows from them. */
enum { SETTLE = 1024 };

/* No row is shorter: the digest of the one before stands in it. */
enum { ROW_LEAST_BYTES = 64 };

struct header {
	char magic[8];
	uint32_t version, fact_bytes;
	uint64_t dev, ino, size, mtime_s, mtime_ns, ctime_s, ctime_ns;
	uint64_t count;
	uint64_t sum[4];
	char boot[40];
	char head[72];
	char pad[32];
};

/* Before the blocks of facts and the image, whose bytes are summed as facts are. */
struct settled_header {
	char magic[8];
	uint32_t version, sizes;
	uint64_t dev, ino;
	uint64_t count;    /* of facts, */
	uint64_t facts[4]; /* and their sum */
	uint64_t policy;   /* as struct index has it */
	uint64_t bytes;    /* of what follows, */
	uint64_t rest[4];  /* and its sum */
	char boot[40];
};

_Static_assert(sizeof(struct settled_header) == 160, "the image follows");
_Static_assert(sizeof(struct header) == 256, "facts start at 256");
_Static_assert(sizeof(struct standings_fact) % 32 == 0, "facts are summed in four columns");

static void
fill(struct header *h, const struct stat *ledger, size_t count, const uint64_t sum[4], const char *head)
{
	struct proc_id machine;

	memset(h, 0, sizeof(*h));
	memcpy(h->magic, "hgindex", 8);
	h->version = VERSION;
	h->fact_bytes = sizeof(struct standings_fact);
	h->dev = (uint64_t)ledger->st_dev;
	h->ino = (uint64_t)ledger->st_ino;
	h->size = (uint64_t)ledger->st_size;
	h->mtime_s = (uint64_t)ledger->st_mtim.tv_sec;
	h->mtime_ns = (uint64_t)ledger->st_mtim.tv_nsec;
	h->ctime_s = (uint64_t)ledger->st_ctim.tv_sec;
	h->ctime_ns = (uint64_t)ledger->st_ctim.tv_nsec;
	h->count = count;
	memcpy(h->sum, sum, sizeof(h->sum));
	if (proc_machine(&machine) == 0)
		memcpy(h->boot, machine.boot_id, sizeof(machine.boot_id));
	memcpy(h->head, head, SHA256_HEX_SIZE);
}

/*
 * One column of a fact into its sum.  Each step can be undone, so that no change of a single word is lost; turning it
 * lets the highest bit count, too.
 */
static uint64_t
mix(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * 0x9e3779b97f4a7c15;
	return (sum << 29 | sum >> 35);
}

static uint64_t
word_at(const unsigned char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return (word);
}

/* Before the first fact: zeros must count. */
static void
begin_sum(uint64_t sum[4])
{
	int k;

	for (k = 0; k < 4; k++)
		sum[k] = 0x632be59bd9b4e019 + (uint64_t)k;
}

/* Whole rows of four columns, so that the processor's multiplications overlap. */
static void
add_bytes(uint64_t sum[4], const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint64_t a = sum[0], b = sum[1], c = sum[2], d = sum[3];
	size_t i;

	for (i = 0; i + 4 * sizeof(a) <= n; i += 4 * sizeof(a)) {
		a = mix(a, word_at(p + i));
		b = mix(b, word_at(p + i + sizeof(a)));
		c = mix(c, word_at(p + i + 2 * sizeof(a)));
		d = mix(d, word_at(p + i + 3 * sizeof(a)));
	}
	sum[0] = a;
	sum[1] = b;
	sum[2] = c;
	sum[3] = d;
}

static void
add_up(uint64_t sum[4], const struct standings_fact *f)
{
	add_bytes(sum, f, sizeof(*f));
}

/* As if zeros followed the last byte: how many there are is known besides. */
static void
sum_bytes(uint64_t sum[4], const char *bytes, size_t n)
{
	const size_t rows = n / 32 * 32;
	char last[32] = { 0 };

	begin_sum(sum);
	add_bytes(sum, bytes, rows);
	memcpy(last, bytes + rows, n - rows);
	add_bytes(sum, last, sizeof(last));
}

static void
fill_settled(struct settled_header *h, const struct stat *ledger)
{
	struct proc_id machine;

	memset(h, 0, sizeof(*h));
	memcpy(h->magic, "hgstand", 8);
	h->version = VERSION;
	h->sizes = sizeof(struct standings) + sizeof(struct standings_plan) + sizeof(struct standings_stats) +
	    sizeof(struct standings_group) + sizeof(struct standings_lane) + sizeof(struct standings_config) +
	    sizeof(struct standings_campaign) + sizeof(struct standings_mark);
	h->dev = (uint64_t)ledger->st_dev;
	h->ino = (uint64_t)ledger->st_ino;
	if (proc_machine(&machine) == 0)
		memcpy(h->boot, machine.boot_id, sizeof(machine.boot_id));
}

/* How many blocks begin among so many facts, or where they end. */
static size_t
blocks_of(size_t facts)
{
	return (facts / STANDINGS_BLOCK + 1);
}

static void
forget_settled(struct index *x)
{
	if (x->settled != NULL)
		munmap(x->settled, x->settled_bytes);
	free(x->blocks);
	free(x->unseen);
	x->settled = NULL;
	x->blocks = NULL;
	x->unseen = NULL;
	x->image = NULL;
	x->settled_count = x->block_count = x->block_cap = x->policy = 0;
}

/* What was settled, if that is whole, into x->settled; and what it says that it is of, with a count of 0: nothing. */
static void
read_settled(struct index *x, struct settled_header *have, int dirfd, const struct stat *ledger)
{
	struct settled_header want;
	uint64_t size, sum[4], blocks;
	int fd;

	have->count = 0;
	if ((fd = file_open(dirfd, INDEX_STANDINGS, &size)) == -1)
		return;
	if (size < sizeof(*have) || file_read_at(fd, have, sizeof(*have), 0) == -1)
		goto err0;
	fill_settled(&want, ledger);
	want.count = have->count;
	want.policy = have->policy;
	want.bytes = have->bytes;
	memcpy(want.facts, have->facts, sizeof(want.facts));
	memcpy(want.rest, have->rest, sizeof(want.rest));
	if (memcmp(&want, have, sizeof(want)) != 0 || want.boot[0] == '\0' || have->bytes != size - sizeof(*have) ||
	    have->count == 0 || have->count > x->count || have->policy == 0 || have->policy > have->count)
		goto err0;
	blocks = blocks_of((size_t)have->count) * sizeof(*x->blocks);
	if (have->bytes <= blocks)
		goto err0;
	x->settled_bytes = (size_t)size;
	x->settled = mmap(NULL, x->settled_bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (x->settled == MAP_FAILED) {
		x->settled = NULL;
		goto err0;
	}
	x->image = (const char *)x->settled + sizeof(*have) + blocks;
	x->image_bytes = (size_t)(have->bytes - blocks);
	sum_bytes(sum, (const char *)x->settled + sizeof(*have), (size_t)have->bytes);
	if (memcmp(sum, have->rest, sizeof(sum)) != 0)
		goto err0;
	close(fd);
	return;
err0:
	forget_settled(x);
	have->count = 0;
	close(fd);
}

/* Could a row that begins at ${at} have said this? */
static int
could_be(const struct standings_fact *f, uint64_t at)
{
	return (f->offset == at && f->length != 0 && f->kind < STANDINGS_KINDS && f->klass < VERDICT_CLASSES &&
	    f->reason < VERDICT_REASONS && (f->kind != STANDINGS_PLAN || (f->n >= 2 && f->n <= STANDINGS_SEEDS)));
}

/* A block begins, or the last one ends. */
static void
put_block(struct index *x, size_t block, const uint64_t sum[4], uint64_t at)
{
	struct index_block *more;

	/* Where memory was short they are not as many as they should be, and nothing is settled. */
	if (block != x->block_count || (more = array_room(x->blocks, block, &x->block_cap, sizeof(*more))) == NULL)
		return;
	x->blocks = more;
	memcpy(more[block].sum, sum, sizeof(more[block].sum));
	more[block].at = at;
	x->block_count++;
}

/* Sum up the facts from a block on, where it begins; 0 if they are the header's, and settled's as far as that goes. */
static int
walk(struct index *x, size_t block, const struct header *have, const struct settled_header *settled)
{
	size_t i = block * STANDINGS_BLOCK;
	uint64_t sum[4], at = 0;

	begin_sum(sum);
	if (block != 0) {
		memcpy(sum, x->blocks[block].sum, sizeof(sum));
		at = x->blocks[block].at;
	}
	for (;; i++) {
		if (i % STANDINGS_BLOCK == 0)
			put_block(x, i / STANDINGS_BLOCK, sum, at);
		if (i == settled->count && i != 0) {
			if (memcmp(sum, settled->facts, sizeof(sum)) != 0)
				return (-1);
			x->settled_count = i;
		}
		if (i == x->count || !could_be(&x->facts[i], at))
			break;
		add_up(sum, &x->facts[i]);
		at += x->facts[i].length;
		if (x->facts[i].kind == STANDINGS_POLICY)
			x->policy = i + 1;
	}
	memcpy(x->sum, sum, sizeof(sum));
	/* Line by line to the ledger's end. */
	return (i == x->count && at == have->size && memcmp(sum, have->sum, sizeof(sum)) == 0 ? 0 : -1);
}

/* The facts that came after those that were settled; 0, or -1: all are to be looked at. */
static int
walk_rest(struct index *x, const struct header *have, const struct settled_header *settled)
{
	const size_t seen = (size_t)settled->count / STANDINGS_BLOCK, words = seen / 64 + 1;
	size_t i;

	if ((x->blocks = malloc((seen + 1) * sizeof(*x->blocks))) == NULL ||
	    (x->unseen = calloc(words, sizeof(*x->unseen))) == NULL)
		return (-1);
	x->block_count = x->block_cap = seen + 1;
	memcpy(x->blocks, (const char *)x->settled + sizeof(*settled), x->block_count * sizeof(*x->blocks));
	x->policy = (size_t)settled->policy;
	for (i = 0; i < seen; i++)
		x->unseen[i / 64] |= (uint64_t)1 << i % 64;
	return (walk(x, seen, have, settled));
}

int
index_open(struct index *x, int dirfd, const struct stat *ledger, enum index_trust trust)
{
	struct settled_header settled = { .count = 0 };
	struct header want, have;
	uint64_t size;
	int fd, lazily;

	memset(x, 0, sizeof(*x));
	if ((fd = file_open(dirfd, INDEX_FILE, &size)) == -1)
		return (-1);
	if (size < sizeof(have) || file_read_at(fd, &have, sizeof(have), 0) == -1)
		goto err0;
	have.head[SHA256_HEX_SIZE - 1] = '\0';
	fill(&want, ledger, have.count, have.sum, have.head);
	if (memcmp(&want, &have, sizeof(have)) != 0 || want.boot[0] == '\0')
		goto err0;
	if (have.count > (uint64_t)ledger->st_size / ROW_LEAST_BYTES || have.count == 0 ||
	    have.count > (size - sizeof(have)) / sizeof(struct standings_fact))
		goto err0;
	x->count = (size_t)have.count;
	if (x->count >= SETTLE && trust != INDEX_ALONE)
		read_settled(x, &settled, dirfd, ledger);
	lazily = trust == INDEX_LAZY && settled.count != 0;
	x->map_size = sizeof(have) + x->count * sizeof(struct standings_fact);
	/* Where few facts are looked at those alone are mapped; and what is mended is so here alone. */
	x->map = mmap(NULL, x->map_size, lazily ? PROT_READ | PROT_WRITE : PROT_READ,
	    lazily ? MAP_PRIVATE : MAP_SHARED | MAP_POPULATE, fd, 0);
	if (x->map == MAP_FAILED) {
		x->map = NULL;
		goto err1;
	}
	x->facts = (const struct standings_fact *)(const void *)((const char *)x->map + sizeof(have));
	memcpy(x->head, have.head, SHA256_HEX_SIZE);
	if (!lazily || walk_rest(x, &have, &settled) == -1) {
		if (lazily) {
			forget_settled(x);
			settled.count = 0;
		}
		if (walk(x, 0, &have, &settled) == -1) {
			forget_settled(x);
			settled.count = 0;
			if (walk(x, 0, &have, &settled) == -1)
				goto err1;
		}
	}
	close(fd);
	return (0);
err1:
	index_close(x);
err0:
	close(fd);
	return (-1);
}

int
index_see(const struct index *x, size_t block)
{
	const struct standings_fact *f = x->facts + block * STANDINGS_BLOCK;
	const struct index_block *b = &x->blocks[block];
	uint64_t sum[4], at = b->at;
	size_t i;

	memcpy(sum, b->sum, sizeof(sum));
	for (i = 0; i < STANDINGS_BLOCK && could_be(&f[i], at); i++) {
		add_up(sum, &f[i]);
		at += f[i].length;
	}
	return (i == STANDINGS_BLOCK && at == b[1].at && memcmp(sum, b[1].sum, sizeof(sum)) == 0 ? 0 : -1);
}

int
index_mend(struct index *x, size_t block, const struct standings_fact facts[STANDINGS_BLOCK])
{
	memcpy((char *)x->map + sizeof(struct header) + block * STANDINGS_BLOCK * sizeof(*facts), facts,
	    STANDINGS_BLOCK * sizeof(*facts));
	return (index_see(x, block));
}

void
index_close(struct index *x)
{
	if (x->map != NULL)
		munmap(x->map, x->map_size);
	forget_settled(x);
	memset(x, 0, sizeof(*x));
}

/* Both parts, one after the other. NULL: memory is short. */
static char *
settle(const struct index *x, const struct standings *b, size_t *bytes)
{
	const size_t blocks = blocks_of(x->count) * sizeof(*x->blocks);
	char *image, *all = NULL;
	size_t n;

	if (x->block_count == blocks_of(x->count) && (image = settled_image(b, &n)) != NULL) {
		if ((all = malloc(blocks + n)) != NULL) {
			memcpy(all, x->blocks, blocks);
			memcpy(all + blocks, image, n);
			*bytes = blocks + n;
		}
		free(image);
	}
	return (all);
}

void
index_settle(const struct index *x, int dirfd, const struct stat *ledger, const struct standings *b)
{
	struct settled_header h;
	struct atomfile *a;
	char *all;
	size_t n;

	if (x->count < x->settled_count + SETTLE || (all = settle(x, b, &n)) == NULL)
		return;
	fill_settled(&h, ledger);
	h.count = x->count;
	h.policy = x->policy;
	h.bytes = n;
	memcpy(h.facts, x->sum, sizeof(h.facts));
	sum_bytes(h.rest, all, n);
	if ((a = atomfile_begin(dirfd, INDEX_STANDINGS)) != NULL) {
		if (file_write_all(atomfile_fd(a), &h, sizeof(h)) == 0 && file_write_all(atomfile_fd(a), all, n) == 0)
			(void)atomfile_commit(a, ATOMFILE_POST);
		else
			atomfile_abort(a);
	}
	free(all);
}

void
index_write(int dirfd, const struct stat *ledger, const struct standings *b, const char *head, struct index *x)
{
	struct atomfile *a;
	struct header h;
	uint64_t sum[4];
	size_t i, n = standings_count(b);

	begin_sum(sum);
	for (i = 0; i < n; i++)
		add_up(sum, standings_fact(b, i));
	fill(&h, ledger, n, sum, head);
	if ((a = atomfile_begin(dirfd, INDEX_FILE)) == NULL)
		return;
	if (file_write_all(atomfile_fd(a), &h, sizeof(h)) == -1)
		goto err0;
	if (b->bases != 0 && file_write_all(atomfile_fd(a), b->base, b->bases * sizeof(*b->base)) == -1)
		goto err0;
	if (b->mores != 0 && file_write_all(atomfile_fd(a), b->more, b->mores * sizeof(*b->more)) == -1)
		goto err0;
	if (atomfile_commit(a, ATOMFILE_POST) == 0) {
		x->count = n;
		memcpy(x->sum, sum, sizeof(sum));
	}
	return;
err0:
	atomfile_abort(a);
}

void
index_add(struct index *x, int dirfd, const struct stat *ledger, const struct standings_fact *f, const char *head)
{
	struct header h;
	off_t at = (off_t)(sizeof(h) + x->count * sizeof(*f));
	int fd;

	if (x->count == 0 || (fd = file_open_change(dirfd, INDEX_FILE, O_WRONLY, 0)) == -1)
		return;
	add_up(x->sum, f);
	x->count++;
	fill(&h, ledger, x->count, x->sum, head);
	/* The fact first: until the header counts it, the old header vouches for a ledger that is gone. */
	if (pwrite(fd, f, sizeof(*f), at) != (ssize_t)sizeof(*f) || pwrite(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h))
		(void)unlinkat(dirfd, INDEX_FILE, 0);
	close(fd);
}
