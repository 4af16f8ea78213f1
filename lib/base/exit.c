#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/inherited.h"
#include "base/say.h"

/* Sanitizers must end in the same code as a failed assertion. */
#if defined(__SANITIZE_ADDRESS__)
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
const char *
__asan_default_options(void)
{
	return ("exitcode=101:abort_on_error=0:detect_stack_use_after_return=0:allocator_may_return_null=1");
}
const char *
__ubsan_default_options(void)
{
	return ("exitcode=101:halt_on_error=1:print_stacktrace=1");
}
#endif

static void
bug(int sig)
{
	(void)sig;
	_exit(HG_EXIT_BUG);
}

void
exit_init(const char *tool)
{
	struct sigaction sa;

	inherited_settle();
	say_init(tool);
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = bug;
	sigaction(SIGABRT, &sa, NULL);
}

int
exit_worse(int a, int b)
{
	static const int order[] = { HG_EXIT_SYSTEM, HG_EXIT_BUG, HG_EXIT_CONTRACT, HG_EXIT_USAGE, HG_EXIT_RETRY,
		HG_EXIT_NOT_YET, HG_EXIT_NO, HG_EXIT_PENDING };
	size_t i;

	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (a == order[i] || b == order[i])
			return (order[i]);
	return (HG_EXIT_DONE);
}

int
exit_flush(int code)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };

	if (fflush(stdout) != 0 || ferror(stdout)) {
		/* A reader that has read enough, as head does, is no failure, of its own or of ours. */
		if (poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0)
			return (code);
		if (errno == EFBIG)
			errno = EMSGSIZE;
		say_errno("cannot write standard output");
		return (HG_EXIT_SYSTEM);
	}
	return (code);
}
