#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "schema/contract.h"
#include "base/file.h"
#include "stage/inputs.h"
#include "base/jsonio.h"
#include "base/say.h"

int
inputs_broken(struct stage_work *w)
{
	if (errno != EBADMSG && errno != ENODATA && errno != ERANGE && errno != EINVAL &&
	    !file_at_fault(errno))
		return (-1);
	return (stage_refuse(w, errno == ENODATA ? REFUSAL_INPUT_TRUNCATED : REFUSAL_INPUT_INVALID, NULL, NULL, "%s",
	    say_last()));
}

int
inputs_receipt(struct stage_work *w, enum stage s, json_t **receipt, char sha256[SHA256_HEX_SIZE])
{
	const struct rundir *r = stage_rundir(w);
	const struct rundir_stage *st = &rundir_stages[s];
	const char *uid, *spec;
	int rc;

	if (contract_read(r->fd, st->receipt, st->receipt_contract, sha256, receipt) == -1) {
		if (errno == ENOENT)
			return (stage_refuse(w, REFUSAL_INPUT_MISSING, NULL, NULL, "'%s' is not there", st->receipt));
		return (inputs_broken(w));
	}
	uid = jsonio_text(*receipt, "run_uid", "");
	spec = jsonio_text(*receipt, "spec_sha256", "");
	if (strcmp(uid, r->spec.run_uid) != 0)
		rc = stage_refuse(w, REFUSAL_INPUT_WRONG_DIGEST, json_string(uid), json_string(r->spec.run_uid),
		    "'%s' is of another run: its run_uid differs", st->receipt);
	else if (strcmp(spec, r->spec.text_sha256) != 0)
		rc = stage_refuse(w, REFUSAL_INPUT_WRONG_DIGEST, json_string(spec), json_string(r->spec.text_sha256),
		    "'%s' is of another spec: its spec_sha256 differs", st->receipt);
	else
		return (0);
	json_decref(*receipt);
	*receipt = NULL;
	return (rc);
}

int
inputs_open(struct stage_work *w, const char *name, int64_t bytes, const char *sha256)
{
	char got[SHA256_HEX_SIZE];
	uint64_t size;
	int fd, error;

	if ((fd = file_open(stage_rundir(w)->fd, name, &size)) == -1) {
		if (errno == ENOENT)
			return (stage_refuse(w, REFUSAL_INPUT_MISSING, NULL, NULL, "'%s' is not there", name));
		say_errno("cannot read '%s'", name);
		return (inputs_broken(w));
	}
	if (size != (uint64_t)bytes) {
		stage_refuse(w, size < (uint64_t)bytes ? REFUSAL_INPUT_TRUNCATED : REFUSAL_INPUT_WRONG_SIZE,
		    json_integer((json_int_t)size), json_integer(bytes), "'%s' is %llu bytes long, and was %lld", name,
		    (unsigned long long)size, (long long)bytes);
		goto err0;
	}
	if (sha256_fd(fd, got, NULL) == -1 || lseek(fd, 0, SEEK_SET) == -1) {
		say_errno("cannot read '%s'", name);
		goto err0;
	}
	if (strcmp(got, sha256) != 0) {
		stage_refuse(w, REFUSAL_INPUT_WRONG_DIGEST, json_string(got), json_string(sha256),
		    "'%s' has been altered: its digest differs from its receipt's", name);
		goto err0;
	}
	return (fd);
err0:
	error = errno;
	close(fd);
	errno = error;
	return (-1);
}

static json_t *
text(const char *s)
{
	return (*s == '\0' ? NULL : json_string(s));
}

int
inputs_fault(struct stage_work *w, enum refusal_kind kind, const char *observed, const char *expected)
{
	return (stage_refuse(w, kind, text(observed), text(expected), "%s", say_last()));
}
