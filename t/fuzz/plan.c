/* A plan against the contract that it was made of, which is right by definition: any JSON, by every contract. */
#include "base/jsonio.h"
#include "base/jsonscan.h"
#include "schema/check.h"
#include "schema/contract.h"
#include "schema/plan.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct plan *plans[256];
	const char *const *names = contract_names();
	struct check_walk w = { NULL, "", NULL, 0, 0 };
	static struct jsonscan scan = JSONSCAN_INIT;
	json_t *v;
	size_t i;
	int reals, scanned = jsonscan_text(&scan, (const char *)data, size) == 0;

	if ((v = jsonio_try((const char *)data, size)) == NULL)
		return (0);
	for (i = 0; names[i] != NULL; i++) {
		w.root = contract_at(names[i], "");
		if (plans[i] == NULL)
			plans[i] = plan_make(w.root);
		fuzz_must(
		    plans[i] != NULL && plan_keeps(plans[i], v, &reals) == (check_value(&w, w.root, v, NULL) == 0));
		if (scanned && plan_keeps_tokens(plans[i], &scan) != plan_keeps(plans[i], v, &reals))
			fuzz_must(reals && !plan_keeps_tokens(plans[i], &scan));
	}
	json_decref(v);
	return (0);
}
