#include <string.h>
#include <unistd.h>

#include "work/provenance.h"
#include "run/fingerprint.h"
#include "gpt/numerics.h"
#include "base/proc.h"
#include "gpt/trainspec.h"
#include "base/say.h"
#include "base/sha256.h"

unsigned
provenance_threads(const struct model *m, unsigned threads)
{
	return (strcmp(model_backend(m), "ref") == 0 ? 1 : threads);
}

int
provenance_system(const struct model *m, unsigned threads, const char *lane, json_t *report)
{
	char numerics[SHA256_HEX_SIZE], sha256[SHA256_HEX_SIZE], cpu[200], libc[64] = "unknown";
	unsigned n = provenance_threads(m, threads);
	json_t *libraries;

	if (numerics_digest(model_backend(m), model_isa(m), model_arith(m), model_numerics(m), n, numerics) == -1)
		return (-1);
	proc_cpu_model(cpu, sizeof(cpu));
	/* Exponentials and the like are the C library's. */
	confstr(_CS_GNU_LIBC_VERSION, libc, sizeof(libc));
	if ((libraries = json_pack("{s:s}", "libc", libc)) == NULL)
		return (-1);
	if (*model_library(m) != '\0')
		json_object_set_new(libraries, "backend", json_string(model_library(m)));
	if (json_object_update_new(report,
		json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:o, s:s}", "backend", model_backend(m), "isa", model_isa(m),
		    "arith", trainspec_arith_name(model_arith(m)), "threads", (json_int_t)n, "lane", lane, "cpu_model",
		    cpu, "libraries", libraries, "numerics_sha256", numerics)) == -1)
		return (-1);
	return (fingerprint_system(report, sha256) == -1 ?
		-1 :
		json_object_set_new(report, "system_sha256", json_string(sha256)));
}

int
provenance_starved(const struct model *m, unsigned threads, int64_t cpu_ms, double clock_ms)
{
	unsigned cpus = proc_cpus(), n = provenance_threads(m, threads);

	if (strcmp(model_backend(m), "cuda") == 0 || clock_ms < 1000)
		return (0);
	return ((double)cpu_ms < 0.7 * clock_ms * (n < cpus ? n : cpus));
}

json_t *
provenance_file(int dirfd, const char *name)
{
	char sha256[SHA256_HEX_SIZE];
	uint64_t bytes;

	if (sha256_at(dirfd, name, sha256, &bytes) == -1) {
		say_errno("cannot read '%s'", name);
		return (NULL);
	}
	return (json_pack("{s:s, s:I, s:s}", "file", name, "bytes", (json_int_t)bytes, "sha256", sha256));
}
