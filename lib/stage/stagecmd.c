#include <errno.h>

#include "stage/stagecmd.h"
#include "base/exit.h"
#include "base/say.h"

int
stagecmd_main(const struct opt_tool *tool, struct opt *options, int argc, char **argv, errand *act)
{
	struct opt none[] = { { .letter = '\0' } };
	struct rundir r;
	int i, s, code;

	exit_init(tool->name);
	if ((i = opt_parse(tool, options == NULL ? none : options, argc, argv)) < 0)
		return (i == OPT_EXIT ? exit_flush(HG_EXIT_DONE) : HG_EXIT_USAGE);
	if (argc - i != 2)
		return (opt_usage(tool));
	if ((s = rundir_stage_of(argv[i])) == -1) {
		say_error("unknown stage '%s'", argv[i]);
		return (opt_usage(tool));
	}
	if (rundir_open(&r, argv[i + 1]) == -1)
		return (rundir_exit(errno));
	code = act(&r, (enum stage)s);
	rundir_close(&r);
	return (exit_flush(code));
}
