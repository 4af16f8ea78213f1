/* lib/run/contract: what no sample file can show. Prints TAP. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "schema/contract.h"
#include "base/exit.h"
#include "base/jsonio.h"
#include "t/unit/tap.h"

/* A valid value of a contract, from its sample. */
static json_t *
sample(const char *name)
{
	const char *top = getenv("HG_TOP");
	char path[4096];
	json_t *v = NULL;

	snprintf(path, sizeof(path), "%s/contracts/%s.valid/full.json", top == NULL ? "." : top, name);
	if (contract_read(AT_FDCWD, path, name, NULL, &v) == -1)
		tap_ok(0, "the sample of %s can be read", name);
	return (v);
}

static void
paths(void)
{
	const json_t *schema = contract_at("spec", "train.seed");

	tap_ok(jsonio_i64(schema, "default", 0) == 1337, "a member's schema is found by path");
	tap_ok(strcmp(contract_tag(schema), "replicate") == 0, "with its tag");
	tap_ok(contract_at("spec", "train.sed") == NULL && contract_at("spec", "seed") == NULL &&
		contract_at("spec", "train.seed.x") == NULL && contract_at("spec", "train..seed") == NULL,
	    "what the contract does not name has none");
	tap_ok(contract_at("spec", "") != NULL && strcmp(contract_tag(contract_at("spec", "")), "") == 0,
	    "the empty path is the whole");
	tap_ok(contract_at("training_report", "owner.pid") != NULL, "paths lead through definitions");
	tap_ok(contract_at("training_report", "libraries.any") != NULL, "and through members of any name");
}

static void
keys(void)
{
	struct str where = STR_INIT;
	json_t *v = json_integer(-1);

	tap_ok(contract_check_key("spec", "train.seed", v, &where) == -1 && errno == EBADMSG &&
		strcmp(where.p, "train.seed: -1 is not at least 0") == 0,
	    "one value is checked, and named by its path");
	str_free(&where);
	tap_ok(contract_check_key("spec", "train.sed", v, &where) == -1 &&
		strcmp(where.p, "train.sed: unknown key") == 0,
	    "an unknown path is a break");
	str_free(&where);
	tap_ok(contract_check_key("spec", "train.seed", v, NULL) == -1 && errno == EBADMSG, "without a message too");
	json_decref(v);
}

static void
parts(void)
{
	json_t *part = json_pack("{s:{s:i}}", "train", "seed", 3), *wrong = json_pack("{s:{s:i}}", "train", "sed", 3);

	tap_ok(contract_check("spec", part, NULL) == -1, "a part is no whole");
	tap_ok(contract_check_part("spec", part, NULL) == 0, "but keeps the contract of a part");
	tap_ok(contract_check_part("spec", wrong, NULL) == -1, "which knows the same keys");
	json_decref(part);
	json_decref(wrong);
}

static void
integers(void)
{
	static const char text[] = "{\"step\": 3.0, \"tokens\": 4e2, \"train_loss\": 2.0, \"lr_scale\": 1, "
				   "\"grad_norm\": null, \"wallclock_ms\": 5}";
	json_t *v = contract_parse(text, strlen(text), "text", "metrics");

	tap_ok(json_is_integer(json_object_get(v, "step")) && jsonio_i64(v, "tokens", 0) == 400,
	    "integers written as reals are read as integers");
	tap_ok(json_is_real(json_object_get(v, "train_loss")), "reals stay reals");
	json_decref(v);
}

/* A sample's digest as anything that is nearly one. */
static void
digests(void)
{
	static const struct {
		const char *text;
		size_t n;
		int may;
	} cases[] = {
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 64, 1 },
		{ "0000000000000000000000000000000000000000000000000000000000000000", 64, 1 },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde", 63, 0 },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0", 65, 0 },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeF", 64, 0 },
		{ "A123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 64, 0 },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeg", 64, 0 },
		{ "/123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 64, 0 },
		{ "0123456789abcdef0123456789abcdef:123456789abcdef0123456789abcdef", 64, 0 },
		{ "`123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 64, 0 },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n", 64, 0 },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n", 65, 0 },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde", 64, 0 },
		{ "", 0, 0 },
	};
	json_t *v;
	size_t i, wrong = 0;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		v = json_stringn_nocheck(cases[i].text, cases[i].n);
		if ((contract_check_key("admission", "request_sha256", v, NULL) == 0) != cases[i].may)
			wrong += (size_t)printf("# %s\n", cases[i].text) > 0;
		json_decref(v);
	}
	/* All hexadecimal and as long, where no digest is asked for. */
	v = json_string(cases[0].text);
	tap_ok(wrong == 0 && contract_check_key("ledger_row", "run.parent_uid", v, NULL) == -1,
	    "a digest is 64 digits of 0-9a-f, and stands only where one is asked for");
	json_decref(v);
}

static void
writing(void)
{
	json_t *v = sample("refusal"), *again;
	char *text;
	size_t n;

	text = contract_pretty("refusal", v, &n);
	again = contract_parse(text, n, "text", "refusal");
	tap_ok(json_equal(v, again), "what is written reads back the same");
	json_decref(again);
	free(text);
	json_object_set_new(v, "kind", json_string("bad_luck"));
	tap_ok(contract_pretty("refusal", v, &n) == NULL && errno == EBADMSG,
	    "what breaks its contract is not written");
	json_decref(v);
}

int
main(void)
{
	exit_init("contract");
	paths();
	keys();
	parts();
	integers();
	digests();
	writing();
	return (tap_done());
}
