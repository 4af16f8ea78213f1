#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomfile.h"
#include "base/clock.h"
#include "schema/contract.h"
#include "base/jsonio.h"
#include "run/receipt.h"
#include "base/say.h"

json_t *
receipt_begin(const struct rundir *r, enum stage s, const char *contract, int attempt)
{
	char schema[80];
	json_t *v;

	snprintf(schema, sizeof(schema), "homegolf.%s.v1", contract);
	v = json_pack("{s:s, s:s, s:s, s:s, s:i, s:s}", "schema", schema, "run_id", r->spec.run_id, "run_uid",
	    r->spec.run_uid, "stage", rundir_stages[s].name, "attempt", attempt, "spec_sha256", r->spec.text_sha256);
	if (v == NULL)
		errno = ENOMEM;
	return (v);
}

json_t *
receipt_owner(const struct proc_id *id)
{
	return (json_pack("{s:I, s:I, s:s, s:s}", "pid", (json_int_t)id->pid, "start_time", (json_int_t)id->start_time,
	    "boot_id", id->boot_id, "host", id->host));
}

/* owner, started_at, finished_at (now), elapsed_ms. 0, or -1 with errno ENOMEM. */
static int
end(json_t *v, const struct runlock *lock)
{
	char started[CLOCK_TEXT_SIZE], finished[CLOCK_TEXT_SIZE];
	int64_t now = clock_wall_ms(), elapsed = now - lock->started_ms;

	clock_text(started, lock->started_ms);
	clock_text(finished, now);
	/* The wall clock may have been set back meanwhile. */
	if (jsonio_put(v, "owner", receipt_owner(&lock->owner)) == -1 ||
	    jsonio_put(v, "started_at", json_string(started)) == -1 ||
	    jsonio_put(v, "finished_at", json_string(finished)) == -1 ||
	    jsonio_put(v, "elapsed_ms", json_integer(elapsed > 0 ? elapsed : 0)) == -1) {
		errno = ENOMEM;
		return (-1);
	}
	return (0);
}

/* Head, the body's keys, tail as far as the contract names them; the text to publish, or NULL, said. */
static char *
text_of(const struct rundir *r, enum stage s, const struct runlock *lock, const char *contract, const json_t *body,
    const char *bound, const char *bound_sha256, size_t *n)
{
	static const char *const optional[] = { "spec_sha256", "owner", "started_at", "finished_at", "elapsed_ms" };
	char *text = NULL;
	json_t *v;
	size_t i;

	if ((v = receipt_begin(r, s, contract, lock->attempt)) == NULL)
		goto err0;
	if (json_object_update_missing(v, (json_t *)(uintptr_t)body) == -1)
		goto err1;
	if (bound != NULL && jsonio_put(v, bound, json_string(bound_sha256)) == -1)
		goto err1;
	if (end(v, lock) == -1)
		goto err1;
	/* What an operator greps stays short: a summary names no owner and no times. */
	for (i = 0; i < sizeof(optional) / sizeof(optional[0]); i++)
		if (contract_at(contract, optional[i]) == NULL)
			json_object_del(v, optional[i]);
	text = contract_pretty(contract, v, n);
	json_decref(v);
	return (text);
err1:
	json_decref(v);
err0:
	errno = ENOMEM;
	say_errno("cannot make a %s", contract);
	return (NULL);
}

static int
publish(const struct rundir *r, const char *name, const char *text, size_t n)
{
	if (atomfile_create(r->fd, name, text, n) == 0)
		return (0);
	say_errno("cannot publish '%s/%s'", r->path, name);
	return (-1);
}

int
receipt_publish(const struct rundir *r, enum stage s, const struct runlock *lock, const json_t *body)
{
	const struct rundir_stage *st = &rundir_stages[s];
	char *report = NULL, *receipt = NULL, key[64], sha256[SHA256_HEX_SIZE];
	const json_t *mine = body, *other = NULL;
	int receipt_there, refusal_there, rc = -1, error;
	size_t report_n = 0, n;

	if ((receipt_there = rundir_has(r, st->receipt)) == -1 || (refusal_there = rundir_has(r, st->refusal)) == -1) {
		say_errno("cannot look into '%s'", r->path);
		return (-1);
	}
	if (receipt_there || refusal_there)
		return (1);
	if (st->report != NULL) {
		mine = json_object_get(body, "receipt");
		other = json_object_get(body, "report");
		if (!json_is_object(mine) || !json_is_object(other)) {
			say_error("stage %s delivered no report", st->name);
			errno = EBADMSG;
			return (-1);
		}
		report = text_of(r, s, lock, st->report_contract, other, NULL, NULL, &report_n);
		if (report == NULL || sha256_hex(report, report_n, sha256) == -1)
			goto done;
		snprintf(key, sizeof(key), "%s_sha256", st->report_contract);
	}
	/* Both are known to be sound before either is published. */
	receipt = text_of(r, s, lock, rundir_contract(r, s), mine, st->report != NULL ? key : NULL, sha256, &n);
	if (receipt == NULL)
		goto done;
	if (report != NULL && publish(r, st->report, report, report_n) == -1)
		goto done;
	rc = publish(r, st->receipt, receipt, n);
done:
	error = errno;
	free(report);
	free(receipt);
	errno = error;
	return (rc);
}
