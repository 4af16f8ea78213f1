#include <errno.h>

#include "run/embedded_code.h"
#include "run/fingerprint.h"
#include "base/jsonio.h"

int
fingerprint_system(const json_t *report, char hex[SHA256_HEX_SIZE])
{
	static const char *const keys[] = {
		"backend",
		"isa",
		"arith",
		"threads",
		"lane",
		"cpu_model",
		"libraries",
		"numerics_sha256",
	};
	json_t *system, *member;
	size_t i;
	int rc = -1;

	if ((system = json_object()) == NULL) {
		errno = ENOMEM;
		return (-1);
	}
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if ((member = json_object_get(report, keys[i])) == NULL) {
			errno = EBADMSG;
			goto out;
		}
		if (json_object_set(system, keys[i], member) == -1) {
			errno = ENOMEM;
			goto out;
		}
	}
	rc = jsonio_digest(system, hex);
out:
	json_decref(system);
	return (rc);
}

int
fingerprint_machine(const json_t *spec, const json_t *report, char hex[SHA256_HEX_SIZE])
{
	static const char *const keys[] = { "backend", "threads", "cpu_model", "libraries" };
	json_t *machine = json_object(), *member;
	size_t i;
	int rc = machine == NULL ? -1 : 0;

	for (i = 0; rc == 0 && i < sizeof(keys) / sizeof(keys[0]); i++)
		if ((member = json_object_get(report, keys[i])) != NULL)
			rc = json_object_set(machine, keys[i], member);
	if (rc == 0 && (member = jsonio_get(spec, "system.isa")) != NULL)
		rc = json_object_set(machine, "isa", member);
	if (rc == 0 && (member = jsonio_get(report, "executable.sha256")) != NULL)
		rc = json_object_set(machine, "executable", member);
	if (rc == 0)
		rc = jsonio_digest(machine, hex);
	json_decref(machine);
	if (rc == -1)
		errno = ENOMEM;
	return (rc);
}

void
fingerprint_code(uint64_t *bytes, const char **sha256)
{
	if (bytes != NULL)
		*bytes = embedded_code_bytes;
	if (sha256 != NULL)
		*sha256 = embedded_code_sha256;
}

const struct fingerprint_file *
fingerprint_code_files(void)
{
	return (embedded_code);
}

const struct fingerprint_file *
fingerprint_variant_files(void)
{
	return (embedded_code_variants);
}
