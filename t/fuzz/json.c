/* JSON files of ours: the parser, the contract that the schema names (all of them if none), and both ways to print. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/contract.h"
#include "t/fuzz/fuzz.h"
#include "base/jsonio.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str where = STR_INIT;
	const char *const *names;
	char schema[128], *text, *mine, *other;
	json_t *v, *again;
	int known = 0;

	if ((v = jsonio_parse((const char *)data, size, "fuzz")) == NULL)
		return (0);
	for (names = contract_names(); *names != NULL; names++) {
		snprintf(schema, sizeof(schema), "homegolf.%s.v1", *names);
		if (strcmp(jsonio_text(v, "schema", ""), schema) != 0)
			continue;
		known = 1;
		contract_check(*names, v, &where);
	}
	for (names = contract_names(); !known && *names != NULL; names++)
		contract_check(*names, v, &where);
	/* What is written reads back as the same value: 3.0 as 3, which RFC 8785 does not tell apart. */
	mine = jsonio_canonical(v);
	if (mine != NULL && (text = jsonio_pretty(v)) != NULL) {
		again = jsonio_parse(text, strlen(text), "pretty");
		fuzz_must(again != NULL);
		other = jsonio_canonical(again);
		fuzz_must(other != NULL && strcmp(mine, other) == 0);
		free(other);
		json_decref(again);
		free(text);
	}
	if ((text = jsonio_line(v)) != NULL) {
		fuzz_must(strchr(text, '\n') == NULL);
		free(text);
	}
	free(mine);
	str_free(&where);
	json_decref(v);
	return (0);
}
