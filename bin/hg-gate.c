#include <errno.h>
#include <stdio.h>

#include "evidence.h"
#include "exit.h"
#include "jsonio.h"
#include "opt.h"
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

int
main(int argc, char **argv)
{
	static const struct opt_tool tool = {
		"hg-gate",
		"Say whether all that a stage owes is there, valid and bound by digest; list what is not.",
		"hg-gate STAGE RUN"
	};
	static struct opt table[] = { { .letter = '\0' } };
	struct evidence e;
	struct rundir r;
	int i, s, code;

	exit_init(tool.name);
	if ((i = opt_parse(&tool, table, argc, argv)) < 0)
		return (i == OPT_EXIT ? exit_flush(HG_EXIT_DONE) : HG_EXIT_USAGE);
	if (argc - i != 2)
		return (opt_usage(&tool));
	if ((s = rundir_stage_of(argv[i])) == -1) {
		say_error("unknown stage '%s'", argv[i]);
		return (opt_usage(&tool));
	}
	if (rundir_open(&r, argv[i + 1]) == -1)
		return (rundir_exit(errno));
	if (evidence_gather(&e, &r, (enum stage)s) == -1)
		code = rundir_exit(errno);
	else {
		print(&e);
		code = evidence_verdict(&e);
		evidence_free(&e);
	}
	rundir_close(&r);
	return (exit_flush(code));
}
