#include <errno.h>
#include <stdio.h>

#include "errand.h"
#include "evidence.h"
#include "exit.h"
#include "jsonio.h"
#include "rundir.h"
#include "say.h"

static void
print(const struct evidence *e)
{
	const char *observed, *expected;
	const json_t *f;
	size_t i;

	if (json_array_size(e->findings) == 0)
		printf("%s of %s: complete and bound to spec %.12s\n", rundir_stages[e->stage].name, e->run->shown,
		    e->run->spec.text_sha256);
	for (i = 0; i < json_array_size(e->findings); i++) {
		f = json_array_get(e->findings, i);
		printf("%s: %s: %s: %s", jsonio_text(f, "stage", ""), jsonio_text(f, "file", ""),
		    jsonio_text(f, "problem", ""), jsonio_text(f, "detail", ""));
		observed = jsonio_text(f, "observed", NULL);
		expected = jsonio_text(f, "expected", NULL);
		if (observed != NULL && expected != NULL)
			printf(" (%s, not %s)", observed, expected);
		putchar('\n');
	}
}

static int
gate(struct rundir *r, enum stage s)
{
	struct evidence e;
	int code;

	if (evidence_gather(&e, r, s) == -1)
		return (rundir_exit(errno));
	print(&e);
	code = evidence_verdict(&e);
	evidence_free(&e);
	return (code);
}

int
main(int argc, char **argv)
{
	static const struct opt_tool tool = {
		"hg-gate",
		"Say whether all that a stage owes is there, valid and bound by digest; list what is not.",
		"hg-gate STAGE RUN"
	};

	return (errand_main(&tool, argc, argv, gate));
}
