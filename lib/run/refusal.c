#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "base/clock.h"
#include "schema/contract.h"
#include "base/exit.h"
#include "base/jsonio.h"
#include "run/receipt.h"
#include "run/refusal.h"
#include "base/say.h"
#include "base/shell.h"
#include "base/str.h"

static const struct {
	const char *name;
	int retryable;
	const char *meaning;
	const char *next;
} kinds[REFUSAL_COUNT] = {
#define REFUSAL_KIND(id, name, retryable, meaning, next) [REFUSAL_##id] = { name, retryable, meaning, next },
#include "schema/refusalkind.def"
};

/* The enumeration has the kinds in this order, each and no other. */
enum {
	AT_NONE,
#define REFUSAL_KIND(id, name, retryable, meaning, next) AT_##id,
#include "schema/refusalkind.def"
	AT_COUNT
};
#define REFUSAL_KIND(id, name, retryable, meaning, next) \
	_Static_assert((int)AT_##id == (int)REFUSAL_##id, "schema/refusalkind.h lists " #id " elsewhere");
#include "schema/refusalkind.def"
_Static_assert((int)AT_COUNT == (int)REFUSAL_COUNT, "schema/refusalkind.h lists a kind that has no row");

const char *
refusal_name(enum refusal_kind kind)
{
	return (kinds[kind].name);
}

enum refusal_kind
refusal_by_name(const char *name)
{
	int k;

	for (k = REFUSAL_NONE + 1; k < REFUSAL_COUNT; k++)
		if (strcmp(kinds[k].name, name) == 0)
			return ((enum refusal_kind)k);
	return (REFUSAL_NONE);
}

const char *
refusal_meaning(enum refusal_kind kind)
{
	return (kinds[kind].meaning);
}

int
refusal_retryable(enum refusal_kind kind)
{
	return (kinds[kind].retryable != 0);
}

const char *
refusal_template(enum refusal_kind kind)
{
	return (kinds[kind].next);
}

int
refusal_exit(enum refusal_kind kind)
{
	return (kinds[kind].retryable ? HG_EXIT_RETRY : HG_EXIT_NO);
}

enum refusal_kind
refusal_of_errno(int error)
{
	switch (error) {
	case ENOMEM:
		return (REFUSAL_OUT_OF_MEMORY);
	case ENOSPC:
	case EDQUOT:
		return (REFUSAL_DISK_FULL);
	case EAGAIN:
		/* fork and pthread_create, and nothing else that a stage leaves at that. */
		return (REFUSAL_PROCESS_LIMIT);
	case EDOM:
		return (REFUSAL_LOSS_DIVERGED);
	default:
		return (REFUSAL_IO_ERROR);
	}
}

/* What a template says where the program's files are to be named. */
#define FILES "trainer.files=LIST"

/* Does the template say hg-run of what stands at ${at}? */
static int
drives(const char *template, const char *at)
{
	static const char *const drivers[] = { "hg-run ", "hg-run -r " };
	size_t i, n;

	for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		n = strlen(drivers[i]);
		if ((size_t)(at - template) >= n && memcmp(at - n, drivers[i], n) == 0)
			return (1);
	}
	return (0);
}

/* The files of the program that failed, as -s takes them: by the names that they had where they were named. */
static int
put_files(struct str *out, const struct rundir *r, enum stage s)
{
	const char *section = s == STAGE_SCORE ? "scorer" : "trainer";
	const json_t *program = json_object_get(json_object_get(r->spec.json, section), "program");
	json_t *names = json_array();
	struct str word = STR_INIT;
	char *line = NULL;
	size_t i;
	int rc = -1;

	for (i = 0; i < json_array_size(program); i++)
		if (json_array_append(names, json_object_get(json_array_get(program, i), "file")) == -1)
			goto out;
	if ((line = jsonio_line(names)) != NULL && str_printf(&word, "%s.files=%s", section, line) == 0)
		rc = shell_command(out, "%s", word.p);
out:
	str_free(&word);
	free(line);
	json_decref(names);
	return (rc);
}

/* The template with RUN and STAGE filled in, and hg-run's ledger if there is one; NULL with errno ENOMEM. */
static char *
next_of(const struct rundir *r, enum stage s, enum refusal_kind kind, const char *ledger)
{
	struct str out = STR_INIT;
	const char *p = kinds[kind].next;
	char *run = realpath(r->path, NULL);
	int rc = 0;

	while (*p != '\0' && rc == 0) {
		if (strncmp(p, "RUN", 3) == 0) {
			if (ledger != NULL && drives(kinds[kind].next, p))
				rc = shell_command(&out, "-l %s ", ledger);
			if (rc == 0)
				rc = shell_command(&out, "%s", run == NULL ? r->path : run);
			p += 3;
		} else if (strncmp(p, "STAGE", 5) == 0) {
			rc = str_puts(&out, rundir_stages[s].name);
			p += 5;
		} else if (strncmp(p, FILES, sizeof(FILES) - 1) == 0) {
			rc = put_files(&out, r, s);
			p += sizeof(FILES) - 1;
		} else
			rc = str_add(&out, p++, 1);
	}
	free(run);
	if (rc == -1) {
		str_free(&out);
		errno = ENOMEM;
	}
	return (out.p);
}

static json_t *
copy_or_null(const json_t *v)
{
	return (v == NULL ? json_null() : json_deep_copy(v));
}

static char *
text_of(const struct rundir *r, enum stage s, const struct runlock *lock, const struct refusal *why, size_t *n)
{
	char started[CLOCK_TEXT_SIZE], finished[CLOCK_TEXT_SIZE], detail[1024], *next = NULL, *text;
	struct proc_id me;
	json_t *v;

	/* A lock text that can't be read names nobody; the attempt is then the one that would be next. */
	if (proc_self(&me) == -1 || (v = receipt_begin(r, s, "refusal", lock->attempt)) == NULL)
		return (NULL);
	if ((next = next_of(r, s, why->kind, NULL)) == NULL)
		goto err0;
	clock_text(started, lock->started_ms);
	clock_text(finished, clock_wall_ms());
	say_clean(detail, sizeof(detail), why->detail);
	if (jsonio_put(v, "kind", json_string(kinds[why->kind].name)) == -1 ||
	    jsonio_put(v, "detail", json_string(detail)) == -1 ||
	    jsonio_put(v, "observed", copy_or_null(why->observed)) == -1 ||
	    jsonio_put(v, "expected", copy_or_null(why->expected)) == -1 ||
	    jsonio_put(v, "retryable", json_boolean(refusal_retryable(why->kind))) == -1 ||
	    jsonio_put(v, "next", json_string(next)) == -1 ||
	    jsonio_put(v, "owner", lock->owner.pid > 0 ? receipt_owner(&lock->owner) : json_null()) == -1 ||
	    jsonio_put(v, "closed_by", receipt_owner(&me)) == -1 ||
	    jsonio_put(v, "started_at", lock->started_ms > 0 ? json_string(started) : json_null()) == -1 ||
	    jsonio_put(v, "finished_at", json_string(finished)) == -1) {
		errno = ENOMEM;
		goto err0;
	}
	text = contract_pretty("refusal", v, n);
	free(next);
	json_decref(v);
	return (text);
err0:
	free(next);
	json_decref(v);
	return (NULL);
}

int
refusal_publish(const struct rundir *r, enum stage s, const struct runlock *lock, const struct refusal *why)
{
	const struct rundir_stage *st = &rundir_stages[s];
	int receipt, refusal, rc, error;
	char *text;
	size_t n;

	if ((receipt = rundir_has(r, st->receipt)) == -1 || (refusal = rundir_has(r, st->refusal)) == -1) {
		say_errno("cannot look into '%s'", r->path);
		return (-1);
	}
	if (receipt || refusal)
		return (1);
	/* First what has no receipt goes: on a full disk that is what makes room for the refusal. */
	if (rundir_discard(r, s) == -1)
		return (-1);
	if ((text = text_of(r, s, lock, why, &n)) == NULL) {
		say_errno("cannot make a refusal of stage %s of '%s'", st->name, r->path);
		return (-1);
	}
	if ((rc = atomfile_create(r->fd, st->refusal, text, n)) == -1) {
		error = errno;
		say_errno("cannot publish '%s/%s'", r->path, st->refusal);
		errno = error;
	}
	free(text);
	return (rc);
}

json_t *
refusal_read(const struct rundir *r, enum stage s)
{
	const struct rundir_stage *st = &rundir_stages[s];
	json_t *v;

	assert(r->spec.json != NULL);
	if (contract_read(r->fd, st->refusal, "refusal", NULL, &v) == -1)
		return (NULL);
	if (strcmp(jsonio_text(v, "run_uid", ""), r->spec.run_uid) != 0 ||
	    strcmp(jsonio_text(v, "stage", ""), st->name) != 0 ||
	    refusal_by_name(jsonio_text(v, "kind", "")) == REFUSAL_NONE) {
		say_error("'%s/%s' is not about this stage of this run", r->path, st->refusal);
		json_decref(v);
		errno = EBADMSG;
		return (NULL);
	}
	return (v);
}

static void
show_value(const char *word, const json_t *v)
{
	char *text;

	if (v == NULL || json_is_null(v))
		return;
	if (json_is_string(v))
		say_note("  %s: %s", word, json_string_value(v));
	else if ((text = jsonio_line(v)) != NULL) {
		say_note("  %s: %s", word, text);
		free(text);
	}
}

/* The command to go on, as recorded; under hg-run -l with the ledger, which is the driver's and not the run's. */
static void
show_next(const struct rundir *r, enum stage s, const json_t *refusal)
{
	const enum refusal_kind kind = refusal_by_name(jsonio_text(refusal, "kind", ""));
	const char *ledger = getenv("HG_RUN_LEDGER"), *recorded = jsonio_text(refusal, "next", "");
	char *plain = NULL, *with = NULL;

	if (ledger != NULL && *ledger != '\0' && kind != REFUSAL_NONE && (plain = next_of(r, s, kind, NULL)) != NULL &&
	    strcmp(plain, recorded) == 0 && (with = next_of(r, s, kind, ledger)) != NULL)
		recorded = with;
	if (*recorded != '\0')
		say_note("  next: %s", recorded);
	free(plain);
	free(with);
}

int
refusal_show(const struct rundir *r, enum stage s, const json_t *refusal)
{
	say_error("%s of '%s' was refused (%s): %s", rundir_stages[s].name, r->path, jsonio_text(refusal, "kind", "?"),
	    jsonio_text(refusal, "detail", "?"));
	show_value("expected", json_object_get(refusal, "expected"));
	show_value("observed", json_object_get(refusal, "observed"));
	show_next(r, s, refusal);
	return (jsonio_true(refusal, "retryable") ? HG_EXIT_RETRY : HG_EXIT_NO);
}

int
refusal_show_corrupt(const struct rundir *r, enum stage s)
{
	const struct rundir_stage *st = &rundir_stages[s];

	say_error("%s of '%s' is corrupt: both '%s' and '%s' are there", st->name, r->path, st->receipt, st->refusal);
	shell_next("hg-spec -b %s/spec.json %s.2 && hg-run %s.2  # or remove the one that is not true", r->path,
	    r->path, r->path);
	return (HG_EXIT_CONTRACT);
}
