#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/process.h"
#include "judge/rescore.h"

/* hg-score -c prints one line. */
#define ANSWER_MAX_BYTES ((size_t)1 << 16)

/* What it printed, or NULL; *code gets its exit code, or -1. */
static json_t *
ask(const char *tool, const char *path, int *code)
{
	const char *const argv[] = { tool, "-c", "--", path, NULL };
	int ends[2], status;
	json_t *answer = NULL;
	char *text;
	pid_t pid;
	size_t n;

	*code = -1;
	if (process_pipe(ends) == -1)
		return (NULL);
	fflush(stdout);
	pid = process_start(argv, AT_FDCWD, (const int[3]){ STDIN_FILENO, ends[1], STDERR_FILENO });
	close(ends[1]);
	if (pid != -1) {
		if ((text = file_read_fd(ends[0], ANSWER_MAX_BYTES, &n)) != NULL)
			answer = json_loadb(text, n, 0, NULL);
		free(text);
	}
	close(ends[0]);
	if (pid != -1 && WIFEXITED(status = process_wait(pid)))
		*code = WEXITSTATUS(status);
	return (answer);
}

enum rescore
rescore_run(const char *path, char scorer[SHA256_HEX_SIZE], struct str *found)
{
	enum rescore is = RESCORE_UNKNOWN;
	char tool[PATH_MAX];
	json_t *answer;
	int code;

	scorer[0] = '\0';
	if (process_sibling("hg-score", tool, sizeof(tool)) == -1 || sha256_at(AT_FDCWD, tool, scorer, NULL) == -1) {
		(void)str_puts(found, "there is no hg-score beside hg-ledger");
		return (RESCORE_NOBODY);
	}
	answer = ask(tool, path, &code);
	if (code == HG_EXIT_DONE) {
		is = RESCORE_SAME;
		(void)str_puts(found, "hg-score -c got the same");
	} else if (code == HG_EXIT_NO && json_is_false(json_object_get(answer, "same"))) {
		/* A refusal has the same code, and prints nothing. */
		is = RESCORE_DIFFERS;
		(void)str_puts(found, "hg-score -c got another score");
	} else
		(void)str_puts(found, "hg-score -c did not finish");
	json_decref(answer);
	return (is);
}
