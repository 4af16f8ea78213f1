#include <string.h>

#include "data/split.h"

int
split_begin(struct split *s, uint64_t wanted, uint64_t given)
{
	memset(s, 0, sizeof(*s));
	s->wanted = given > 0 ? 0 : wanted;
	s->given = given;
	return ((s->val = corpus_set_new()) == NULL ? -1 : 0);
}

int
split_next(struct split *s, const struct corpus_doc *doc)
{
	int rc;

	if (s->given > 0 || s->found < s->wanted) {
		s->given -= s->given > 0;
		if ((rc = corpus_set_add(s->val, doc->digest)) == -1)
			return (-1);
		s->found += (uint64_t)rc;
		s->dropped += rc == 0;
		return (rc == 1 ? SPLIT_VAL : SPLIT_DROP);
	}
	if (!corpus_set_has(s->val, doc->digest))
		return (SPLIT_TRAIN);
	s->dropped++;
	return (SPLIT_DROP);
}

void
split_free(struct split *s)
{
	corpus_set_free(s->val);
	memset(s, 0, sizeof(*s));
}
