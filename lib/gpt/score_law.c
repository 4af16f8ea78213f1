#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "base/say.h"
#include "gpt/score_law.h"

static const char sliding[] = "sliding:", ttt[] = "ttt:";

/* CHUNK:LR */
static int
parse_ttt(const char *text, size_t seq_len, struct score_law *law)
{
	const size_t digits = strspn(text, "0123456789");
	char number[24];
	uint64_t chunk;

	if (digits >= sizeof(number) || text[digits] != ':')
		return (-1);
	memcpy(number, text, digits);
	number[digits] = '\0';
	if (num_u64(number, 1, seq_len, &chunk) != 0 || num_f64(text + digits + 1, 0, 1e4, &law->lr) != 0)
		return (-1);
	law->mode = SCORE_TTT;
	law->chunk = (size_t)chunk;
	return (0);
}

int
score_law_parse(const char *text, size_t seq_len, struct score_law *law)
{
	uint64_t stride;

	*law = (struct score_law){ .mode = SCORE_NON_OVERLAPPING, .seq_len = seq_len, .stride = seq_len };
	if (strcmp(text, "non_overlapping") == 0)
		return (0);
	if (strcmp(text, "documents") == 0) {
		law->mode = SCORE_DOCUMENTS;
		return (0);
	}
	if (strncmp(text, sliding, sizeof(sliding) - 1) == 0) {
		law->mode = SCORE_SLIDING;
		if (num_u64(text + sizeof(sliding) - 1, 1, seq_len, &stride) == 0) {
			law->stride = (size_t)stride;
			return (0);
		}
		say_error("eval.mode=%s: the stride must be between 1 and eval.seq_len, which is %zu", text, seq_len);
	} else if (strncmp(text, ttt, sizeof(ttt) - 1) == 0) {
		if (parse_ttt(text + sizeof(ttt) - 1, seq_len, law) == 0)
			return (0);
		say_error("eval.mode=%s: the chunk must be between 1 and eval.seq_len, which is %zu, and the rate a "
			  "number below 10000",
		    text, seq_len);
	} else
		say_error("eval.mode=%s is none of non_overlapping, sliding:STRIDE, documents and ttt:CHUNK:LR", text);
	errno = EINVAL;
	return (-1);
}

uint64_t
score_law_targets(const struct score_law *law, uint64_t ids)
{
	uint64_t n = ids < 2 ? 0 : ids - 1;

	return (law->mode == SCORE_NON_OVERLAPPING ? n / law->seq_len * law->seq_len : n);
}
