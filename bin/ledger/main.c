#include <stdlib.h>
#include <string.h>

#include "base/exit.h"
#include "base/say.h"
#include "base/str.h"
#include "bin/ledger/command.h"

static const struct command *const commands[] = { &add_command, &list_command, &show_command, &incumbent_command,
	&verify_command, &calibrate_command, &plan_command, &next_command, &take_command, &base_command, &pace_command,
	&stop_command, &promote_command, &import_command, &replay_command, &recheck_command, &note_command,
	&missing_command };

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

/* Usage of all subcommands; options stand after the subcommand. */
static int
whole(int argc, char **argv)
{
	static struct opt none[] = { { .letter = '\0' } };
	struct str synopsis = STR_INIT;
	struct opt_tool tool = { "hg-ledger",
		"Keep, show and check a ledger of judged runs; -h after a subcommand tells its options.", "" };
	size_t i;
	int rc = 0, code;

	for (i = 0; i < COMMANDS; i++)
		rc |= str_printf(&synopsis, "%s%s", i == 0 ? "" : "\n", commands[i]->synopsis);
	if (rc != 0) {
		say_errno("cannot say how it is used");
		return (HG_EXIT_SYSTEM);
	}
	tool.synopsis = synopsis.p;
	if (argc > 1 && argv[1][0] != '-') {
		say_error("unknown subcommand '%s'", argv[1]);
		code = opt_usage(&tool);
	} else if ((rc = opt_parse(&tool, none, argc, argv)) == OPT_EXIT)
		code = HG_EXIT_DONE;
	else
		code = rc == OPT_USAGE ? HG_EXIT_USAGE : opt_usage(&tool);
	str_free(&synopsis);
	return (code);
}

static int
one(const struct command *c, int argc, char **argv)
{
	const struct opt_tool tool = { "hg-ledger", c->summary, c->synopsis };
	int i;

	if ((i = opt_parse(&tool, c->options, argc, argv)) < 0)
		return (i == OPT_EXIT ? HG_EXIT_DONE : HG_EXIT_USAGE);
	argc -= i + 1; /* operands after the ledger */
	if (argc < c->least || argc > c->most)
		return (opt_usage(&tool));
	return (c->answer(c->options, argv[i], argv + i + 1, argc));
}

int
main(int argc, char **argv)
{
	const struct command *c = NULL;
	size_t i;

	exit_init("hg-ledger");
	for (i = 0; argc > 1 && i < COMMANDS; i++)
		if (strcmp(commands[i]->word, argv[1]) == 0)
			c = commands[i];
	return (exit_flush(c == NULL ? whole(argc, argv) : one(c, argc - 1, argv + 1)));
}
