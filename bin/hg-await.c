#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit.h"
#include "base/num.h"
#include "base/opt.h"
#include "base/say.h"
#include "run/wait.h"

/* Nobody waits for ever, also not by forgetting to say how long. */
#define DEFAULT_WAIT "24h"
#define MAX_WAIT_MS (INT64_C(366) * 86400 * 1000)

static const struct opt_tool tool = { "hg-await", "Wait until stages have closed out; close out those that died.",
	"hg-await [-a] [-t SECONDS] STAGE[,STAGE...] RUN..." };
static struct opt table[] = {
	{ .letter = 'a', .help = "any of them is enough" },
	{ .letter = 't', .arg = "SECONDS", .help = "wait at most that long (90, 10m, 2h; default " DEFAULT_WAIT ")" },
	{ .letter = '\0' },
};

/* The stages of a list such as train,score as bits; 0 after saying what is wrong. */
static unsigned
stages_of(const char *list)
{
	char name[16];
	unsigned bits = 0;
	size_t n;
	int s;

	do {
		n = strcspn(list, ",");
		snprintf(name, sizeof(name), "%.*s", n < sizeof(name) ? (int)n : 0, list);
		if ((s = rundir_stage_of(name)) == -1) {
			say_error("unknown stage '%.*s'", (int)n, list);
			return (0);
		}
		bits |= 1u << s;
		list += n;
	} while (*list++ == ',');
	return (bits);
}

int
main(int argc, char **argv)
{
	struct rundir *runs;
	unsigned stages;
	int64_t wait_ms;
	const char *wait;
	int i, opened = 0, code = HG_EXIT_SYSTEM;

	exit_init(tool.name);
	if ((i = opt_parse(&tool, table, argc, argv)) < 0)
		return (i == OPT_EXIT ? exit_flush(HG_EXIT_DONE) : HG_EXIT_USAGE);
	wait = opt_row(table, 't')->value != NULL ? opt_row(table, 't')->value : DEFAULT_WAIT;
	if (num_duration_ms(wait, MAX_WAIT_MS, &wait_ms) == -1) {
		say_error("'%s' is not a time to wait: more than 0 seconds, at most a year", wait);
		return (opt_usage(&tool));
	}
	if (argc - i < 2 || (stages = stages_of(argv[i])) == 0)
		return (opt_usage(&tool));
	argv += i + 1;
	argc -= i + 1;
	if ((runs = calloc((size_t)argc, sizeof(*runs))) == NULL) {
		say_errno("cannot wait");
		return (HG_EXIT_SYSTEM);
	}
	while (opened < argc) {
		if (rundir_open(&runs[opened], argv[opened]) == -1) {
			code = rundir_exit(errno);
			goto done;
		}
		if (rundir_load(&runs[opened++]) == -1) {
			code = rundir_exit(errno);
			goto done;
		}
	}
	code = wait_stages(runs, argc, stages, opt_row(table, 'a')->value != NULL, wait_ms);
done:
	while (opened > 0)
		rundir_close(&runs[--opened]);
	free(runs);
	return (exit_flush(code));
}
