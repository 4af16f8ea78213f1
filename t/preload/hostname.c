/* For LD_PRELOAD: a machine whose name is HOST_NAME, which may be empty. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

int
uname(struct utsname *un)
{
	static int (*real)(struct utsname *);
	const char *name = getenv("HOST_NAME");
	int rc;

	if (real == NULL)
		real = (int (*)(struct utsname *))dlsym(RTLD_NEXT, "uname");
	if ((rc = real(un)) == 0 && name != NULL) {
		memset(un->nodename, 0, sizeof(un->nodename));
		strncpy(un->nodename, name, sizeof(un->nodename) - 1);
	}
	return (rc);
}
