#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "base/str.h"
#include "data/dataset.h"
#include "run/mint.h"
#include "run/specisa.h"
#include "schema/contract.h"
#include "work/speccheck.h"

/* How many documents, from the first, fill a window of ${need} tokens; 0 if all of them do not. */
static uint64_t
documents_that_fill(const struct dataset_doc *docs, uint64_t count, uint64_t need)
{
	uint64_t tokens = 0, i;

	for (i = 0; i < count; i++)
		if ((tokens += docs[i].tokens) >= need)
			return (i + 1);
	return (0);
}

/* The first eval.docs documents must fill a window.  Where their table is not there, the stages say so. */
static int
check_documents(const struct trainspec *r, const char *dir, uint64_t need)
{
	struct dataset_doc *docs = NULL;
	struct inputerror f = { .kind = REFUSAL_NONE };
	struct dataset *d;
	uint64_t fill;
	int code = HG_EXIT_DONE;

	if ((d = dataset_open(dir, &f)) == NULL || (docs = dataset_docs(d, &f)) == NULL) {
		code = inputerror_exit(f.kind);
		goto done;
	}
	fill = documents_that_fill(docs, d->val.documents, need);
	if (fill > r->eval_docs) {
		say_error("eval.docs=%llu: the first documents of validation in '%s' do not fill one window of "
			  "eval.seq_len=%zu; %llu would",
		    (unsigned long long)r->eval_docs, dir, r->eval_seq_len, (unsigned long long)fill);
		code = HG_EXIT_USAGE;
	}
done:
	free(docs);
	dataset_free(d);
	return (code);
}

/* What can't be scored whatever is trained: documents that are not there or too short are refused, all of them said. */
static int
check_validation(const struct trainspec *r, const json_t *spec, uint64_t *train_tokens)
{
	const uint64_t need = r->eval_law.mode == SCORE_NON_OVERLAPPING ? r->eval_seq_len + 1 : 2;
	const char *dir = jsonio_text(spec, "data.dir", "");
	struct str file = STR_INIT, docs = STR_INIT;
	json_t *dataset = NULL;
	int64_t documents, tokens;
	int code = HG_EXIT_DONE;

	if (str_printf(&file, "%s/" DATASET_FILE, dir) == -1 ||
	    contract_read(AT_FDCWD, file.p, "dataset", NULL, &dataset) == -1 ||
	    str_printf(&docs, "%s/%s", dir, jsonio_text(dataset, "val.docs_file", "")) == -1) {
		say_errno("cannot read '%s'", dir);
		code = mint_exit(errno);
		goto done;
	}
	if (train_tokens != NULL)
		*train_tokens = (uint64_t)jsonio_i64(dataset, "train.tokens", 0);
	documents = jsonio_i64(dataset, "val.documents", 0);
	tokens = jsonio_i64(dataset, "val.tokens", 0);
	if (r->eval_docs > (uint64_t)documents) {
		say_error("eval.docs=%llu: '%s' has %lld validation documents", (unsigned long long)r->eval_docs, dir,
		    (long long)documents);
		code = HG_EXIT_USAGE;
	} else if ((uint64_t)tokens < need)
		/* A spec of 0.1 may ask for it, and keeps its digests. */
		say_note("the run can't be scored: the %lld tokens of validation in '%s' do not fill one window of "
			 "eval.seq_len=%zu",
		    (long long)tokens, dir, r->eval_seq_len);
	else if (r->eval_docs != 0 && access(docs.p, F_OK) == 0)
		code = check_documents(r, dir, need);
done:
	json_decref(dataset);
	str_free(&docs);
	str_free(&file);
	return (code);
}

int
speccheck(const json_t *spec, struct trainspec *recipe, uint64_t *train_tokens)
{
	if (specisa_check(spec) == -1 || trainspec_read(recipe, spec) == -1)
		return (HG_EXIT_USAGE);
	if (recipe->artifact.quantizer == QUANTIZE_GPTQ && strcmp(recipe->backend, "external") == 0) {
		say_error("export.quantizer=gptq needs what matrices read at the end of training, which a program does "
			  "not hand over: use sdclip");
		return (HG_EXIT_USAGE);
	}
	return (check_validation(recipe, spec, train_tokens));
}
