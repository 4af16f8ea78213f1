#ifndef HG_TABLELINE_H
#define HG_TABLELINE_H

#include "import/header.h"
#include "import/textfile.h"

/* One line of a keep/discard table as a claim, of which table.h tells. */

/* The digest of ${b}'s cells, those of ${a} before them unless it is NULL. 0, or -1 with errno ENOMEM. */
int tableline_digest(char hex[SHA256_HEX_SIZE], const struct csv *a, const struct csv *b);

/* ${h} has its metric. Owns: claim_free releases it. NULL with errno ENOMEM. */
struct claim *tableline_claim(const struct header *h, const struct csv *row, const char *name,
    const struct textfile *file, const char *series);

#endif
