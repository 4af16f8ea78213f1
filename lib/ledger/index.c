#define _GNU_SOURCE /* MAP_POPULATE */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "base/file.h"
#include "ledger/index.h"
#include "base/proc.h"

/* Facts hold reasons by number: with another list of them an index is of another version. */
enum { VERSION = 7 << 8 | VERDICT_REASONS };

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

/* Four columns, so that the processor's multiplications overlap. */
static void
add_up(uint64_t sum[4], const struct standings_fact *f)
{
	const unsigned char *p = (const unsigned char *)f;
	uint64_t a = sum[0], b = sum[1], c = sum[2], d = sum[3];
	size_t i;

	for (i = 0; i < sizeof(*f); i += 4 * sizeof(a)) {
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

/* Could a row that begins at ${at} have said this? */
static int
could_be(const struct standings_fact *f, uint64_t at)
{
	return (f->offset == at && f->length != 0 && f->kind < STANDINGS_KINDS && f->klass < VERDICT_CLASSES &&
	    f->reason < VERDICT_REASONS && (f->kind != STANDINGS_PLAN || (f->n >= 2 && f->n <= STANDINGS_SEEDS)));
}

int
index_open(struct index *x, int dirfd, const struct stat *ledger)
{
	struct header want, have;
	uint64_t size, at = 0, sum[4];
	size_t i;
	int fd;

	memset(x, 0, sizeof(*x));
	begin_sum(sum);
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
	x->map_size = sizeof(have) + (size_t)have.count * sizeof(struct standings_fact);
	if ((x->map = mmap(NULL, x->map_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0)) == MAP_FAILED) {
		x->map = NULL;
		goto err0;
	}
	close(fd);
	x->facts = (const struct standings_fact *)(const void *)((const char *)x->map + sizeof(have));
	x->count = (size_t)have.count;
	for (i = 0; i < x->count && could_be(&x->facts[i], at); i++) {
		add_up(sum, &x->facts[i]);
		at += x->facts[i].length;
		if (x->facts[i].kind == STANDINGS_POLICY)
			x->policy = i + 1;
	}
	/* Line by line to the ledger's end. */
	if (i < x->count || at != have.size || memcmp(sum, have.sum, sizeof(sum)) != 0) {
		index_close(x);
		return (-1);
	}
	memcpy(x->sum, sum, sizeof(sum));
	memcpy(x->head, have.head, SHA256_HEX_SIZE);
	return (0);
err0:
	close(fd);
	return (-1);
}

void
index_close(struct index *x)
{
	if (x->map != NULL)
		munmap(x->map, x->map_size);
	memset(x, 0, sizeof(*x));
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
