#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "import/lineid.h"

/* Of the lines of one table: how many have a text, and how many texts there are. */
struct census {
	size_t lines, texts;
};

/* Does it look like a name, and not like a word for having none ("none", "HEAD", "-")? */
static int
is_name(const char *text)
{
	return (strpbrk(text, " \t\n") == NULL && strpbrk(text, "0123456789_") != NULL &&
	    strspn(text, "0123456789.") < strlen(text));
}

/* The commit of a line that is none and may name it; NULL. */
static const char *
stand_in(const struct claimrow *e)
{
	return (*e->id == '\0' && !claim_is_commit(e->commit) && is_name(e->commit) ? e->commit : NULL);
}

static const char *
id_of(const struct claimrow *e)
{
	return (*e->id == '\0' ? NULL : e->id);
}

static const char *
name_of(const struct claimrow *e)
{
	return (*e->name == '\0' ? NULL : e->name);
}

/* A line that runs another one again may have its name. */
static int
tells_of(const struct claimrow *e, const char *text)
{
	return (strstr(e->title, text) != NULL && strcmp(e->title, text) != 0);
}

static int
count(struct census *c, const struct entries *all, const size_t *at, size_t n,
    const char *(*text_of)(const struct claimrow *))
{
	struct hash seen = { 0 };
	const char *text;
	size_t i, place;
	int rc = 0;

	memset(c, 0, sizeof(*c));
	for (i = 0; i < n && rc == 0; i++) {
		if ((text = text_of(&all->entry[at[i]])) == NULL || tells_of(&all->entry[at[i]], text))
			continue;
		c->lines++;
		place = 0;
		if (hash_find(&seen, hash_text(text), &place) != NULL)
			continue;
		c->texts++;
		rc = hash_add(&seen, hash_text(text), 1);
	}
	hash_free(&seen);
	return (rc);
}

static int
take(struct claimrow *e, const char *text)
{
	char *copy;

	if (text == NULL || text == e->id)
		return (0);
	if ((copy = strdup(text)) == NULL)
		return (-1);
	free(e->id);
	e->id = copy;
	e->named_by_id |= strcmp(e->id, e->title) == 0;
	return (0);
}

/* One table: ${n} lines, by their indices. */
static int
settle(struct entries *all, const size_t *at, size_t n)
{
	struct census ids, names, commits;
	size_t i;
	int bad;

	if (count(&ids, all, at, n, id_of) == -1 || count(&names, all, at, n, name_of) == -1)
		return (-1);
	for (i = 0, bad = 0; 2 * ids.texts <= ids.lines && names.texts > ids.texts && i < n; i++)
		bad |= take(&all->entry[at[i]], name_of(&all->entry[at[i]]));
	if (bad || count(&commits, all, at, n, stand_in) == -1)
		return (-1);
	for (i = 0; 2 * commits.texts >= commits.lines && i < n; i++)
		bad |= take(&all->entry[at[i]], stand_in(&all->entry[at[i]]));
	return (bad ? -1 : 0);
}

/* Each line's next one in its table, by index + 1, and whether one stands before it. */
static int
chain(const struct entries *all, size_t *next, char *follows)
{
	struct hash last = { 0 };
	uint64_t hash;
	size_t i, place, *before;
	int rc = 0;

	for (i = 0; i < all->count && rc == 0; i++) {
		if (all->entry[i].form != CLAIM_TABLE)
			continue;
		hash = hash_text(all->entry[i].series);
		for (place = 0; (before = hash_find(&last, hash, &place)) != NULL;)
			if (strcmp(all->entry[*before - 1].series, all->entry[i].series) == 0)
				break;
		if (before == NULL) {
			rc = hash_add(&last, hash, i + 1);
			continue;
		}
		next[*before - 1] = i + 1;
		follows[i] = 1;
		*before = i + 1;
	}
	hash_free(&last);
	return (rc);
}

int
lineid_settle(struct entries *all)
{
	size_t *next = calloc(all->count + 1, sizeof(*next)), *at = calloc(all->count + 1, sizeof(*at)), i, k, n;
	char *follows = calloc(all->count + 1, 1);
	int rc = next == NULL || at == NULL || follows == NULL || chain(all, next, follows) == -1 ? -1 : 0;

	for (i = 0; rc == 0 && i < all->count; i++) {
		if (all->entry[i].form != CLAIM_TABLE || follows[i])
			continue;
		for (n = 0, k = i + 1; k > 0; k = next[k - 1])
			at[n++] = k - 1;
		rc = settle(all, at, n);
	}
	free(next);
	free(at);
	free(follows);
	if (rc == -1)
		errno = ENOMEM;
	return (rc);
}
