#ifndef HG_LISTING_H
#define HG_LISTING_H

/**
 * A ledger's rows as lines of text.
 */
struct listing {
	int all;          /* rows of every kind */
	int json;         /* the rows themselves */
	int drawn;        /* for a person at a terminal: as wide as it is, incumbents marked, sparklines below */
	unsigned columns; /* its width; 0: not known */
	int utf8;         /* block characters may be used */
};

/* A score or a difference in so many columns; a dash where there is none. */
void listing_score(double v, int width, int precision);

/* Print them from an open ledger.jsonl; returns the exit code: DONE, or CONTRACT if it does not verify. */
int listing_print(int rows, const struct listing *how);

#endif
