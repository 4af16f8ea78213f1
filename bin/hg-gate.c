#include <errno.h>
#include <stdio.h>

#include "stage/stagecmd.h"
#include "run/gate.h"
#include "base/exit.h"
#include "base/jsonio.h"
#include "run/rundir.h"
#include "base/out.h"
#include "base/say.h"

static void
print_finding(const json_t *f)
{
	const char *observed = jsonio_text(f, "observed", NULL), *expected = jsonio_text(f, "expected", NULL);

	out_put("%s: %s: %s: %s", jsonio_text(f, "stage", ""), jsonio_text(f, "file", ""),
	    jsonio_text(f, "problem", ""), jsonio_text(f, "detail", ""));
	if (observed != NULL && expected != NULL)
		out_put(" (%s, not %s)", observed, expected);
	putchar('\n');
}

static void
print(const struct gate *e)
{
	const json_t *f;
	size_t i;

	if (json_array_size(e->findings) == 0)
		out_put("%s of %s: complete and bound to spec %.12s\n", rundir_stages[e->stage].name, e->run->path,
		    e->run->spec.text_sha256);
	json_array_foreach(e->findings, i, f)
		print_finding(f);
	json_array_foreach(e->pruned, i, f)
		print_finding(f);
}

static int
gate(struct rundir *r, enum stage s)
{
	struct gate e;
	int code;

	if (gate_gather(&e, r, s) == -1)
		return (rundir_exit(errno));
	print(&e);
	code = gate_verdict(&e);
	gate_free(&e);
	return (code);
}

int
main(int argc, char **argv)
{
	static const struct opt_tool tool = { "hg-gate",
		"Say whether all that a stage owes is there, valid and bound by digest; list what is not.",
		"hg-gate STAGE RUN" };

	return (stagecmd_main(&tool, NULL, argc, argv, gate));
}
