#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "run/pace.h"
#include "schema/contract.h"

#define MAX_BYTES ((size_t)1 << 30)

uint64_t
pace_earliest(uint64_t iterations)
{
	return (iterations / 2 + iterations % 2);
}

/* The digest of all but the digest. */
static int
digest_of(const json_t *v, char hex[SHA256_HEX_SIZE])
{
	json_t *rest = json_copy((json_t *)(uintptr_t)v);
	int rc;

	if (rest == NULL) {
		errno = ENOMEM;
		return (-1);
	}
	(void)json_object_del(rest, "pace_sha256");
	rc = jsonio_digest(rest, hex);
	json_decref(rest);
	return (rc);
}

int
pace_seal(json_t *v)
{
	char hex[SHA256_HEX_SIZE];

	if (digest_of(v, hex) == -1)
		return (-1);
	if (json_object_set_new(v, "pace_sha256", json_string(hex)) == 0)
		return (0);
	errno = ENOMEM;
	return (-1);
}

/* What is wrong with it, or NULL. */
static const char *
wrong(const struct rundir *r, const json_t *v, const char *digest)
{
	uint64_t iterations = (uint64_t)jsonio_i64(r->spec.json, "train.iterations", 0), step, before = 0;
	const json_t *check;
	size_t i;

	if (strcmp(jsonio_text(v, "pace_sha256", ""), digest) != 0)
		return ("it was altered since it was made");
	if (strcmp(jsonio_text(v, "run_uid", ""), r->spec.run_uid) != 0 ||
	    strcmp(jsonio_text(v, "spec_sha256", ""), r->spec.text_sha256) != 0)
		return ("it is of another run or spec");
	if ((uint64_t)jsonio_i64(v, "iterations", 0) != iterations)
		return ("it is of runs with other train.iterations");
	if (strcmp(jsonio_text(r->spec.json, "train.schedule", ""), "iterations") != 0 ||
	    jsonio_text(r->spec.json, "train.replay", NULL) != NULL)
		return ("it goes by steps, and train.schedule or train.replay does not");
	if (jsonio_i64(r->spec.json, "train.log_every", 0) != 1)
		return ("it asks for every step's loss, and train.log_every is not 1");
	json_array_foreach(json_object_get(v, "checks"), i, check) {
		step = (uint64_t)jsonio_i64(check, "step", 0);
		if (step < pace_earliest(iterations))
			return ("it would end the run before half of its steps");
		if (step <= before || step > iterations || (uint64_t)jsonio_i64(v, "window_steps", 0) > step)
			return ("its checks are not in the order of steps that the run takes");
		before = step;
	}
	return (NULL);
}

int
pace_read(const struct rundir *r, struct pace *p)
{
	char digest[SHA256_HEX_SIZE];
	const json_t *check;
	const char *why;
	json_t *v;
	size_t i;

	memset(p, 0, sizeof(*p));
	if (contract_read(r->fd, RUNDIR_PACE, "pace", NULL, &v) == -1)
		return (errno == ENOENT ? 0 : -1);
	if (digest_of(v, digest) == -1) {
		json_decref(v);
		say_errno("cannot read '%s/%s'", r->path, RUNDIR_PACE);
		return (-1);
	}
	if ((why = wrong(r, v, digest)) != NULL) {
		say_error("'%s/%s': %s; remove it to train without, or have hg-ledger pace make it anew", r->path,
		    RUNDIR_PACE, why);
		json_decref(v);
		errno = EBADMSG;
		return (-1);
	}
	p->window = (uint64_t)jsonio_i64(v, "window_steps", 0);
	json_array_foreach(json_object_get(v, "checks"), i, check) {
		p->check[i].step = (uint64_t)jsonio_i64(check, "step", 0);
		p->check[i].limit = jsonio_f64(check, "limit", NAN);
	}
	p->checks = i;
	memcpy(p->group, jsonio_text(v, "group_sha256", ""), SHA256_HEX_SIZE);
	memcpy(p->sha256, digest, SHA256_HEX_SIZE);
	json_decref(v);
	return (1);
}

int
pace_loss(int dirfd, const char *path, uint64_t step, uint64_t window, double *loss)
{
	uint64_t rows = 0;
	char *text, *line, *end;
	double sum = 0, x;
	json_t *row;
	int64_t at;
	size_t n;

	if ((text = file_read(dirfd, RUNDIR_METRICS, MAX_BYTES, &n)) == NULL) {
		if (errno == ENOENT)
			errno = ENODATA;
		else
			say_errno("cannot read '%s/%s'", path, RUNDIR_METRICS);
		return (-1);
	}
	/* From the first row of the window on, which has its step's number; steps count from 0. */
	for (line = text; (end = memchr(line, '\n', n - (size_t)(line - text))) != NULL; line = end + 1) {
		if ((row = json_loadb(line, (size_t)(end - line), 0, NULL)) == NULL)
			break;
		at = jsonio_i64(row, "step", -1);
		x = jsonio_f64(row, "train_loss", NAN);
		json_decref(row);
		if (at < 0 || (uint64_t)at >= step)
			break;
		if ((uint64_t)at < step - window)
			continue;
		if (!isfinite(x) || (uint64_t)at != step - window + rows)
			break;
		sum += x;
		rows++;
	}
	free(text);
	if (rows != window) {
		errno = ENODATA;
		return (-1);
	}
	*loss = sum / (double)rows;
	return (0);
}
