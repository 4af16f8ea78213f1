#ifndef HG_LEDGER_H
#define HG_LEDGER_H

#include <jansson.h>
#include <stdint.h>

#include "law/standings.h"
#include "ledger/index.h"
#include "ledger/row.h"
#include "base/sha256.h"
#include "base/str.h"

/**
 * The directory LEDGER/:
 *
 *   ledger.jsonl   rows, one JSON object a line; `prev` is the sha256 of the
 *                  previous line's bytes with its newline, 64 zeros in the first
 *   policy.json    the rules wanted; the last policy row has those that count
 *   lock           held by whoever appends
 *   head           posted: number and digest of the last row, a witness
 *   index          disposable, see index.h
 *   torn.OFFSET    a last line that a killed writer left unfinished, moved aside
 *
 * A row is one write and one fsync.  Nothing is ever rewritten: a ledger that
 * does not verify is refused and left as it is.
 */

#define LEDGER_ROWS "ledger.jsonl"
#define LEDGER_POLICY "policy.json"
#define LEDGER_LOCK "lock"
#define LEDGER_HEAD "head"
#define LEDGER_WITNESS "ledger_witness.json"
#define LEDGER_WITNESS_LOCK "ledger_witness.lock" /* in the run, too */

enum ledger_mode { LEDGER_READ, LEDGER_PREVIEW, LEDGER_WRITE };

/* The rows that were read last: every challenger is held against the same incumbent. */
enum { LEDGER_RECENT = 4 };
struct ledger_recent {
	struct {
		uint64_t row, offset; /* as in its fact */
		json_t *json;         /* NULL: none */
	} of[LEDGER_RECENT];
	unsigned next;
};

struct ledger {
	char *path;                 /* as given */
	char *real;                 /* absolute, links resolved */
	int dir, lock, rows;        /* descriptors; rows is -1 while there are none */
	uint64_t size_bytes;        /* of the rows that count: a torn tail is not among them */
	char head[SHA256_HEX_SIZE]; /* digest of the last row; zeros before the first */
	struct index index;
	struct standings book;
	json_t *policy;               /* of the last policy row */
	struct ledger_recent *recent; /* NULL: none are kept */
	int holding;                  /* see ledger_hold */
	int spoilt;                   /* the index was damaged where it was read, and can't be made good */
	struct str held;
};

/* Say that a ledger can't be opened, for errno, which is left as it was; and where there is none, what makes one. */
void ledger_cannot_open(const char *path);

/**
 * ledger_open(l, path, mode):
 * LEDGER_WRITE makes the directory if need be, takes the lock (waiting at most
 * 30 s), moves a torn tail aside, makes the rows that are there last, and
 * appends a policy row if policy.json says something new.  LEDGER_READ takes no lock and changes nothing, but
 * makes the rows last by ledger_settle.
 * Errors: -1 with errno, said: ENOENT no ledger there; EBADMSG it does not
 *         verify or breaks its contract; EAGAIN the lock is held; others.
 * LEDGER_PREVIEW reads likewise, but takes a ledger that is not there for an
 * empty one with the default policy.
 */
int ledger_open(struct ledger *l, const char *path, enum ledger_mode mode);

/*
 * The same from the rows alone, whose chain is checked to the first: for what is rare and rests on old rows, too, of
 * which an index that somebody forged could say anything.
 */
int ledger_open_whole(struct ledger *l, const char *path, enum ledger_mode mode);
void ledger_close(struct ledger *l);

/**
 * ledger_settle(dir, path):
 * Make the rows of a ledger that is read without a lock last, before anything is answered by them: whoever wrote the
 * last may have been killed before its fsync.  It costs no sync as long as the posted head tells of the last row, for
 * it is posted once that is synced.
 * Errors: -1 with errno, said.
 * Checked: t/torture.bats.
 */
int ledger_settle(int dir, const char *path);

/* The rows of the ledger at ${path} for ledger_walk, opened without a lock and made last; -1 with errno, said. */
int ledger_rows(const char *path);

/* The exit code for an errno of this file's functions. */
int ledger_exit(int error);

/* Schema, prev, number, time and kind of the next row; as JSON: the caller decrefs. NULL or -1 with errno ENOMEM. */
json_t *ledger_begin(const struct ledger *l, enum standings_kind kind);
int ledger_start(const struct ledger *l, struct row *r);

/**
 * ledger_append(l, row, f):
 * Check the row's contract, append it durably, and apply it to the book.
 * ${f} (or NULL) gets its fact.
 * Errors: -1 with errno, said; EBADMSG: the row breaks its contract, and nothing was written.
 */
int ledger_append(struct ledger *l, const json_t *row, struct standings_fact *f);

/**
 * ledger_hold(l), ledger_release(l):
 * Between the two rows are appended to memory, and ledger_release writes them
 * all by one write and one fsync: thousands of rows that nobody waits for one
 * by one.  Killed in between, the file has none of them, or the first of them
 * and a torn one; what was appended is there when release returns 0.  After a
 * failure the ledger can only be closed.  Held rows can't be read back.
 * Errors: -1 with errno, said.
 */
void ledger_hold(struct ledger *l);
int ledger_release(struct ledger *l);

/* The same with a row that is whole. */
int ledger_append_row(struct ledger *l, const struct row *r, struct standings_fact *f);

/* The row of a fact, read back. Owns: the caller frees the row, or decrefs it as JSON. -1 or NULL with errno, said. */
int ledger_read(const struct ledger *l, const struct standings_fact *f, struct row *r);
json_t *ledger_row(const struct ledger *l, const struct standings_fact *f);

/* A run's directory, kept relative to the ledger's, as a person where the tool was called would type it. 0 or -1. */
int ledger_place(const struct ledger *l, const char *dir, struct str *out);

/* A fact's digest in hex, from the line itself. 0 or -1, said. */
int ledger_digest(const struct ledger *l, const struct standings_fact *f, char hex[SHA256_HEX_SIZE]);

/**
 * ledger_walk(rows, each, arg):
 * Read the lines of an open ledger.jsonl one after another, checking the
 * chain: every line begins as a row, has the number it should and names the
 * digest of the line before.  ${each} gets the line (with its newline), where
 * it starts and its digest, and stops the walk by returning nonzero.
 * Returns 0; 1 if a torn tail remains, at *size; 2 if ${each} stopped it; -1
 * with errno, said (EBADMSG: which row, and how it fails).
 */
typedef int ledger_each(void *arg, const char *line, size_t n, uint64_t offset, const char *digest);
int ledger_walk(int rows, ledger_each *each, void *arg, uint64_t *size, uint64_t *count, char head[SHA256_HEX_SIZE]);

/* Does a ledger begin as it must, by the rules that it is judged by? 0, or -1 with errno EBADMSG, said. */
int ledger_begins(uint64_t number, enum standings_kind kind);

#endif
