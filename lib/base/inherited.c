#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/inherited.h"

static void
dispose(int sig, void (*handler)(int))
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = handler;
	sigaction(sig, &sa, NULL);
}

void
inherited_settle(void)
{
	/* Messages to nobody are lost without harm; input and a product must not seem to be there. */
	static const int modes[] = { O_WRONLY, O_RDONLY, O_WRONLY };
	sigset_t none;
	int fd;

	/* From below: the lowest that is free is the one that is missing. */
	for (fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", modes[fd]) != fd)
			_exit(HG_EXIT_SYSTEM);
	dispose(SIGCHLD, SIG_DFL);
	dispose(SIGPIPE, SIG_IGN);
	dispose(SIGXFSZ, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(umask(0777) & ~(mode_t)0700);
}
