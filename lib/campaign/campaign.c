#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "campaign/campaign.h"
#include "schema/contract.h"

/* A digest, and why. */
enum { MOST_ANSWER_BYTES = 65536 };

const json_t *
campaign_lane(const struct campaign *c, const char *name)
{
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(c->json, "lanes"), i, v)
		if (strcmp(jsonio_text(v, "name", ""), name) == 0)
			return (v);
	return (NULL);
}

/* Is it a key of a spec? A lane sets those of section system alone. */
static int
is_key(const char *key, const json_t *value, const char *section)
{
	struct str where = STR_INIT;
	int is = strncmp(key, section, strlen(section)) == 0 && contract_check_key("spec", key, value, &where) == 0;

	if (!is)
		say_error("'%s' in " CAMPAIGN_FILE ": %s", key,
		    where.n == 0 ? "a lane sets keys of section system alone" : where.p);
	str_free(&where);
	return (is);
}

/* What the contract can't say. 0, or -1, said. */
static int
check(const struct campaign *c)
{
	const char *key, *name;
	json_t *v, *value;
	size_t i;

	json_array_foreach(json_object_get(c->json, "lanes"), i, v) {
		name = jsonio_text(v, "name", "");
		if (campaign_lane(c, name) != v) {
			say_error("two lanes of '%s/" CAMPAIGN_FILE "' are called '%s'", c->path, name);
			return (-1);
		}
		json_object_foreach(json_object_get(v, "set"), key, value)
			if (!is_key(key, value, "system.") || strcmp(key, "system.lane") == 0)
				return (-1);
	}
	json_array_foreach(json_object_get(c->json, "routes"), i, v) {
		name = jsonio_text(v, "lane", "");
		if (campaign_lane(c, name) == NULL) {
			say_error("a route of '%s/" CAMPAIGN_FILE "' leads to '%s', which is no lane of it", c->path,
			    name);
			return (-1);
		}
		json_object_foreach(json_object_get(v, "when"), key, value)
			if (!is_key(key, value, ""))
				return (-1);
	}
	return (0);
}

int
campaign_open(struct campaign *c, const char *path)
{
	int error;

	*c = (struct campaign){ .path = strdup(path), .fd = -1 };
	if (c->path == NULL || (c->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1) {
		say_errno("cannot open '%s'", path);
		goto err0;
	}
	if (contract_read(c->fd, CAMPAIGN_FILE, "campaign", NULL, &c->json) == -1) {
		if (errno == ENOENT)
			say_error("'%s' is no campaign: it has no " CAMPAIGN_FILE
				  "; hg-campaign(5) says what is in one",
			    path);
		goto err0;
	}
	if (check(c) == -1) {
		errno = EBADMSG;
		goto err0;
	}
	return (0);
err0:
	error = errno;
	campaign_close(c);
	errno = error;
	return (-1);
}

void
campaign_close(struct campaign *c)
{
	json_decref(c->json);
	free(c->path);
	if (c->fd != -1)
		close(c->fd);
	*c = (struct campaign){ .fd = -1 };
}

const json_t *
campaign_get(const struct campaign *c, const char *key)
{
	const json_t *v = json_object_get(c->json, key);

	return (v != NULL ? v : json_object_get(contract_at("campaign", key), "default"));
}

const char *
campaign_word(const struct campaign *c, const char *key)
{
	const json_t *v = campaign_get(c, key);

	return (json_is_string(v) ? json_string_value(v) : NULL);
}

int64_t
campaign_count(const struct campaign *c, const char *key)
{
	return (json_integer_value(campaign_get(c, key)));
}

int
campaign_fits(const json_t *patterns, const char *key)
{
	const json_t *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)patterns, i, v)
		if (fnmatch(json_string_value(v), key, 0) == 0)
			return (1);
	return (0);
}

int
campaign_place(const struct campaign *c, const char *name, struct str *out)
{
	const size_t n = strlen(c->path);

	out->n = 0;
	if ((*name == '/'                          ? str_puts(out, name) :
		    n > 0 && c->path[n - 1] == '/' ? str_printf(out, "%s%s", c->path, name) :
						     str_printf(out, "%s/%s", c->path, name)) == 0)
		return (0);
	say_errno("cannot tell where '%s' is", name);
	return (-1);
}

int
campaign_halted(const struct campaign *c)
{
	struct stat st;

	/* What can't be looked at may be there. */
	return (fstatat(c->fd, CAMPAIGN_HALT, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT);
}

int
campaign_goes_on(const struct campaign *c, const char *head)
{
	const size_t digits = strlen(head);
	size_t n;
	char *text = file_read(c->fd, CAMPAIGN_GO_ON, MOST_ANSWER_BYTES, &n);
	int is;

	if (text == NULL)
		return (errno == ENOENT ? 0 : -1);
	is = strncmp(text, head, digits) == 0 && strchr(" \t\r\n", text[digits]) != NULL;
	free(text);
	return (is ? 1 : -1);
}
