#ifndef HG_PARTS_H
#define HG_PARTS_H

#include <stddef.h>

/**
 * A document in the parts that spm_encode gets as lines, so that neither line breaks are lost where they are kept, nor
 * one line takes it some two hundred times its size in memory.  A long line is cut only before a single blank between
 * ASCII letters or digits: no piece and no normalisation reaches across that in models that vocab_cuts allows.
 */
struct parts {
	const char *p, *end;
	int keep_lines, cut; /* parts end at line breaks; long ones may be cut */
	int how, done;       /* of the next part */
};

/* The first part; one after a line break, which is in neither; one that begins with the blank of a cut. */
enum { PARTS_FIRST, PARTS_LINE, PARTS_CUT };

/* Before the first of a text that is not empty. */
void parts_begin(struct parts *s, const char *text, size_t n, int keep_lines, int cut);

/* The next part (PARTS_*) in *text and *n, which may be 0; -1 after the last. */
int parts_next(struct parts *s, const char **text, size_t *n);

#endif
