#include <errno.h>
#include <string.h>

#include "base/jsonio.h"
#include "base/say.h"
#include "run/specisa.h"

static const struct {
	const char *backend, *names;
} backends[] = {
	{ "ref", "scalar" },
	{ "cpu", "amx avx512-bf16 avx512 avx2 portable amx-emulated" },
	{ "cuda", "sm_120 sm_100 sm_90 sm_89 sm_86 sm_80" },
};

/* Blanks between, fastest first. NULL: no such backend. */
static const char *
names_of(const char *backend)
{
	size_t i;

	for (i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
		if (strcmp(backends[i].backend, backend) == 0)
			return (backends[i].names);
	return (NULL);
}

/* Is ${word} one of ${list}? */
static int
listed(const char *list, const char *word)
{
	size_t n = strlen(word), m;

	for (; *list != '\0'; list += m + (list[m] == ' ')) {
		m = strcspn(list, " ");
		if (m == n && memcmp(list, word, n) == 0)
			return (1);
	}
	return (0);
}

int
specisa_check(const json_t *spec)
{
	const char *backend = jsonio_text(spec, "system.backend", ""), *isa = jsonio_text(spec, "system.isa", "auto"),
		   *names = names_of(backend);

	/* A backend without a list here is another's to judge. */
	if (names == NULL || strcmp(isa, "auto") == 0 || listed(names, isa))
		return (0);
	say_error("system.isa: backend '%s' has no '%s'; it has: auto %s", backend, isa, names);
	errno = EINVAL;
	return (-1);
}
