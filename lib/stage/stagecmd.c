#include <errno.h>
#include <string.h>

#include "stage/stagecmd.h"
#include "base/exit.h"
#include "base/say.h"

int
stagecmd_main(const struct opt_tool *tool, struct opt *options, int argc, char **argv, errand *act)
{
	struct opt none[] = { { .letter = '\0' } };
	struct rundir r;
	int i, s, code, last;

	exit_init(tool->name);
	if ((i = opt_parse(tool, options == NULL ? none : options, argc, argv)) < 0)
		return (i == OPT_EXIT ? exit_flush(HG_EXIT_DONE) : HG_EXIT_USAGE);
	if (argc - i != 2)
		return (opt_usage(tool));
	last = strcmp(argv[i], "last") == 0;
	if ((s = rundir_stage_of(argv[i])) == -1 && !last) {
		say_error("unknown stage '%s'", argv[i]);
		return (opt_usage(tool));
	}
	if (rundir_open(&r, argv[i + 1]) == -1)
		return (rundir_exit(errno));
	if (last && rundir_load(&r) == -1) {
		code = rundir_exit(errno);
		rundir_close(&r);
		return (code);
	}
	if (last)
		s = (int)rundir_last(&r);
	code = act(&r, (enum stage)s);
	rundir_close(&r);
	return (exit_flush(code));
}
