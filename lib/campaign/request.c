#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "campaign/request.h"
#include "work/speccheck.h"
#include "run/specrequest.h"
#include "schema/contract.h"

/* A request is text that a person or a program wrote: larger ones are none. */
enum { MOST_BYTES = 1 << 20 };

const char *
request_reason(enum reason r)
{
	static const char *const names[REASONS] = { "not_json", "unreadable", "spec_refused", "edited", "thin",
		"unrouted", "ambiguous", "out_of_scope", "reserved", "duplicate", "undetectable", "attempts",
		"same_kind", "corrupt" };

	return (names[r]);
}

void
request_because(struct request *r, enum reason reason, const char *why, ...)
{
	va_list ap;

	if ((r->cleared & 1u << reason) != 0)
		return;
	if (r->reasons == 0) {
		va_start(ap, why);
		vsnprintf(r->why, sizeof(r->why), why, ap);
		va_end(ap);
	}
	r->reasons |= 1u << reason;
}

/* Is that the system's failure, which says nothing of the file that was to be read? */
static int
is_system(int error)
{
	return (error == ENOMEM || error == EMFILE || error == ENFILE);
}

/* The owner's answer to these very bytes; of one that is none to them, why. 0, or -1 with errno, said. */
static int
read_answer(const struct campaign *c, struct request *r)
{
	char file[sizeof(CAMPAIGN_ANSWERS) + REQUEST_NAME + 8];
	json_t *answer, *v;
	unsigned reason;
	size_t i;
	int rc;

	snprintf(file, sizeof(file), CAMPAIGN_ANSWERS "/%s.json", r->name);
	say_hush(1);
	rc = contract_read(c->fd, file, "admission", NULL, &answer);
	say_hush(0);
	if (rc == -1) {
		if (is_system(errno)) {
			say_errno("cannot read '%s/%s'", c->path, file);
			return (-1);
		}
		if (errno != ENOENT && errno != ENOTDIR)
			snprintf(r->answer, sizeof(r->answer), "%s", say_last());
		return (0);
	}
	if (strcmp(jsonio_text(answer, "request_sha256", ""), r->sha256) == 0) {
		json_array_foreach(json_object_get(answer, "reasons"), i, v)
			for (reason = 0; reason < REASONS; reason++)
				if (strcmp(json_string_value(v), request_reason((enum reason)reason)) == 0)
					r->cleared |= 1u << reason;
		r->attempts = jsonio_i64(answer, "attempts", 0);
	} else
		snprintf(r->answer, sizeof(r->answer),
		    "'%s' answers other bytes than '" CAMPAIGN_REQUESTS "/%s.json' has now: %.12s, and not %.12s", file,
		    r->name, r->sha256, jsonio_text(answer, "request_sha256", ""));
	json_decref(answer);
	return (0);
}

int
request_read(const struct campaign *c, const char *dir, const char *file, const char *name, struct request *r)
{
	struct str path = STR_INIT;
	char *text = NULL;
	size_t n;
	int rc = -1, error;

	memset(r, 0, sizeof(*r));
	snprintf(r->name, sizeof(r->name), "%s", name);
	if (str_printf(&path, "%s%s%s", dir, *dir == '\0' ? "" : "/", file) == -1) {
		say_errno("cannot read '%s'", file);
		return (-1);
	}
	if ((text = file_read(c->fd, path.p, MOST_BYTES, &n)) == NULL) {
		error = errno;
		if (!is_system(error)) {
			request_because(r, file_at_fault(error) ? REASON_NOT_JSON : REASON_UNREADABLE,
			    "'%s' can't be read: %s", path.p, say_why(error));
			rc = 0;
		} else
			say_errno("cannot read '%s/%s'", c->path, path.p);
		goto done;
	}
	if (sha256_hex(text, n, r->sha256) == -1) {
		say_errno("cannot digest '%s/%s'", c->path, path.p);
		goto done;
	}
	say_hush(1);
	r->json = jsonio_parse(text, n, path.p);
	say_hush(0);
	if (r->json == NULL && errno != EBADMSG) {
		say_errno("cannot read '%s/%s'", c->path, path.p);
		goto done;
	}
	if (r->json == NULL)
		request_because(r, REASON_NOT_JSON, "%s", say_last());
	else if (!json_is_object(r->json)) {
		json_decref(r->json);
		r->json = NULL;
		request_because(r, REASON_NOT_JSON, "'%s' is no object of sections", path.p);
	}
	rc = read_answer(c, r);
done:
	free(text);
	str_free(&path);
	return (rc);
}

void
request_free(struct request *r)
{
	json_decref(r->json);
	json_decref(r->spec);
	r->json = r->spec = NULL;
}

/* `SECTION.KEY=VALUE` as specrequest_set takes it. 0, or -1 with errno, said. */
static int
set(json_t *request, const char *key, const json_t *value)
{
	struct str text = STR_INIT;
	char *line = NULL;
	int rc = -1;

	if (!json_is_string(value) && (line = jsonio_line(value)) == NULL)
		errno = ENOMEM;
	else if (str_printf(&text, "%s=%s", key, line == NULL ? json_string_value(value) : line) == 0)
		rc = specrequest_set(request, text.p);
	free(line);
	str_free(&text);
	return (rc);
}

/* Each key that a request sets, as "section.key"; what is no section is said to be none. */
typedef int each_key(void *arg, const char *key, const json_t *value);
static int
each(const struct request *r, each_key *f, void *arg)
{
	char path[128];
	const char *section, *key;
	json_t *keys, *value;

	json_object_foreach(r->json, section, keys) {
		if (strcmp(section, "schema") == 0)
			continue;
		if (!json_is_object(keys)) {
			say_error("'%.60s' is no section of a spec", section);
			errno = EINVAL;
			return (-1);
		}
		json_object_foreach(keys, key, value) {
			if (strchr(section, '=') != NULL || strchr(key, '=') != NULL) {
				say_error("'%.60s.%.60s' is no key of a spec", section, key);
				errno = EINVAL;
				return (-1);
			}
			snprintf(path, sizeof(path), "%.60s.%.60s", section, key);
			if (f(arg, path, value) == -1)
				return (-1);
		}
	}
	return (0);
}

static int
set_key(void *arg, const char *key, const json_t *value)
{
	return (set(arg, key, value));
}

/* A pipe would be waited for, and is another one each time. */
static int
is_base(const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
		return (1);
	say_error("'%s' is neither a file nor a run", path);
	errno = EINVAL;
	return (0);
}

/* The whole spec, on a lane if one is named: *out, or NULL with what stands against it said. -1: the system failed. */
static int
build(const struct campaign *c, const struct request *r, const json_t *lane, json_t **out)
{
	const char *base = campaign_word(c, "base"), *key;
	json_t *request = specrequest_new(), *value;
	struct trainspec recipe;
	struct str path = STR_INIT;
	int rc = -1, code = HG_EXIT_DONE;

	*out = NULL;
	if (request == NULL || (base != NULL && campaign_place(c, base, &path) == -1) ||
	    (base != NULL && (!is_base(path.p) || specrequest_base(request, path.p) == -1)) ||
	    each(r, set_key, request) == -1)
		goto done;
	json_object_foreach(json_object_get(lane, "set"), key, value)
		if (jsonio_get(r->json, key) == NULL && set(request, key, value) == -1)
			goto done;
	if (lane != NULL && jsonio_get(r->json, "system.lane") == NULL &&
	    set(request, "system.lane", json_object_get(lane, "name")) == -1)
		goto done;
	value = json_string(r->sha256);
	rc = set(request, "about.request_sha256", value);
	json_decref(value);
	if (rc == 0 && (rc = specrequest_build(request, out)) == 0 &&
	    (code = speccheck(*out, &recipe, NULL)) != HG_EXIT_DONE) {
		json_decref(*out);
		*out = NULL;
	}
done:
	/* What the request is at fault for is a reason, and no failure. */
	if (rc == -1 && errno != ENOMEM && errno != EIO && errno != EMFILE && errno != ENFILE)
		rc = 0;
	json_decref(request);
	str_free(&path);
	return (code == HG_EXIT_SYSTEM ? -1 : rc);
}

static int
fits(const json_t *spec, const json_t *when)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)when, key, value)
		if (jsonio_get(spec, key) == NULL || !json_equal(jsonio_get(spec, key), value))
			return (0);
	return (1);
}

/* The lane that the request names, as its spec has it: 3 is "3" there. */
static const char *
named_lane(const struct request *r)
{
	return (jsonio_get(r->json, "system.lane") == NULL ? NULL : jsonio_text(r->spec, "system.lane", NULL));
}

/* The lane that the request names, or else the one that its routes lead to. */
static void
find_lane(const struct campaign *c, struct request *r)
{
	const char *named = named_lane(r), *lane = NULL, *other = NULL;
	json_t *route;
	size_t i;

	json_array_foreach(campaign_get(c, "routes"), i, route) {
		if (named != NULL || !fits(r->spec, json_object_get(route, "when")))
			continue;
		if (lane == NULL)
			lane = jsonio_text(route, "lane", NULL);
		else if (strcmp(lane, jsonio_text(route, "lane", "")) != 0)
			other = jsonio_text(route, "lane", NULL);
	}
	if (named != NULL && campaign_lane(c, named) == NULL)
		request_because(r, REASON_UNROUTED, "system.lane '%s' is no lane of the campaign", named);
	else if (named == NULL && lane == NULL)
		request_because(r, REASON_UNROUTED,
		    "it names no system.lane, and no route of " CAMPAIGN_FILE " fits it");
	else if (other != NULL)
		request_because(r, REASON_AMBIGUOUS, "routes lead to '%s' and to '%s': system.lane would decide", lane,
		    other);
	else
		snprintf(r->lane, sizeof(r->lane), "%s", named != NULL ? named : lane);
}

/* What may be changed, and by whom. */
struct scope {
	const json_t *scope, *reserved;
	struct request *r;
};

static int
look_at_key(void *arg, const char *key, const json_t *value)
{
	const struct scope *s = arg;

	(void)value;
	if (strncmp(key, "about.", 6) == 0 || strcmp(key, "system.lane") == 0)
		return (0);
	if (json_is_array(s->scope) && !campaign_fits(s->scope, key))
		request_because(s->r, REASON_OUT_OF_SCOPE, "it changes %s, and the campaign's scope does not name it",
		    key);
	if (campaign_fits(s->reserved, key))
		request_because(s->r, REASON_RESERVED, "it changes %s, which the owner keeps", key);
	return (0);
}

int
request_build(const struct campaign *c, struct request *r)
{
	const struct scope scope = { campaign_get(c, "scope"), campaign_get(c, "reserved"), r };
	json_t *spec = NULL;
	int rc;

	if (r->json == NULL)
		return (0);
	say_hush(1);
	if ((rc = build(c, r, NULL, &r->spec)) == 0 && r->spec == NULL)
		request_because(r, REASON_SPEC_REFUSED, "%s", say_last());
	if (rc == 0 && r->spec != NULL) {
		find_lane(c, r);
		if (*r->lane != '\0' && (rc = build(c, r, campaign_lane(c, r->lane), &spec)) == 0) {
			json_decref(r->spec);
			if ((r->spec = spec) == NULL)
				request_because(r, REASON_SPEC_REFUSED, "%s", say_last());
		}
	}
	say_hush(0);
	if (rc == -1) {
		say_error("cannot look at request '%s': %s", r->name, say_last());
		return (-1);
	}
	if (r->spec == NULL)
		return (0);
	if (*jsonio_text(r->spec, "about.hypothesis", "") == '\0')
		request_because(r, REASON_THIN, "about.hypothesis does not say what it is to find out");
	else if (!json_is_number(jsonio_get(r->spec, "about.expected_gain")))
		request_because(r, REASON_THIN, "about.expected_gain does not say how much better it should get");
	(void)each(r, look_at_key, (void *)(uintptr_t)&scope);
	return (0);
}
