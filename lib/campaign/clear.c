#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonio.h"
#include "base/shell.h"
#include "campaign/clear.h"

enum { MOST_ATTEMPTS = 100 }; /* that an answer may allow */

static const struct {
	const char *words;
	int by_answer;
} reasons[REASONS] = {
	[REASON_NOT_JSON] = { "write it anew, as a JSON object", 0 },
	[REASON_UNREADABLE] = { "let it be read by whoever works through the campaign, or write it anew", 0 },
	[REASON_SPEC_REFUSED] = { "mend what it asks for, or the base that it builds on", 0 },
	[REASON_EDITED] = { "put the bytes back that its run was made of, or name the request anew", 0 },
	[REASON_THIN] = { "say about.hypothesis and about.expected_gain, or your answer", 1 },
	[REASON_UNROUTED] = { "name a lane in system.lane, or add a route to " CAMPAIGN_FILE, 0 },
	[REASON_AMBIGUOUS] = { "name one lane in system.lane", 0 },
	[REASON_OUT_OF_SCOPE] = { "leave that key alone, or your answer", 1 },
	[REASON_RESERVED] = { "leave that key alone, or your answer", 1 },
	[REASON_DUPLICATE] = { "take it away, ask for another seed, or your answer", 1 },
	[REASON_UNDETECTABLE] = { "ask for something larger, or your answer", 1 },
	[REASON_ATTEMPTS] = { "mend what keeps it from its end; your answer allows one attempt more", 1 },
	[REASON_SAME_KIND] = { "mend what it was refused for, then your answer", 1 },
	[REASON_CORRUPT] = { "look at its run by hg-status, and move it away", 0 },
};

const char *
clear_words(enum reason reason)
{
	return (reasons[reason].words);
}

/* What the table of states has a reason for is no reason of the request's own, so the line's text is what counts. */
unsigned
clear_reasons(const struct triage_line *line)
{
	const char *at = line->reason, *name;
	unsigned set = 0;
	size_t n;
	int r;

	for (; line->state == TRIAGE_ESCALATED && *at != '\0'; at += n + (at[n] == ',')) {
		n = strcspn(at, ",");
		for (r = 0; r < REASONS; r++) {
			name = request_reason((enum reason)r);
			if (strlen(name) == n && strncmp(name, at, n) == 0)
				set |= 1u << r;
		}
	}
	return (set);
}

/* {"schema": ..., "request_sha256": ..., "reasons": [...], "why": ...} as one line; NULL with errno. */
static char *
answer(const struct triage_line *line, unsigned set)
{
	json_t *list = json_array(), *v;
	char *text = NULL;
	int r;

	/* What an answer says already stays said: it is written anew. */
	for (r = 0; r < REASONS; r++)
		if (((set | line->request.cleared) & 1u << r) != 0 && reasons[r].by_answer)
			json_array_append_new(list, json_string(request_reason((enum reason)r)));
	v = json_pack("{s:s, s:s, s:o, s:s}", "schema", "homegolf.admission.v1", "request_sha256", line->request.sha256,
	    "reasons", list, "why", "its owner read it, and it shall be");
	if (v != NULL && ((set | line->request.cleared) & 1u << REASON_ATTEMPTS) != 0)
		json_object_set_new(v, "attempts",
		    json_integer((set & 1u << REASON_ATTEMPTS) != 0 && line->run != NULL ? line->run->attempt + 1 :
											   line->request.attempts));
	if (v == NULL || (text = json_dumps(v, 0)) == NULL)
		errno = ENOMEM;
	json_decref(v);
	return (text);
}

int
clear_command(const struct triage *t, const struct triage_line *line, struct str *out)
{
	char name[REQUEST_NAME + sizeof(CAMPAIGN_ANSWERS) + 8];
	struct str folder = STR_INIT, path = STR_INIT;
	const unsigned set = clear_reasons(line);
	char *text;
	int r, rc = -1;

	for (r = 0; r < REASONS; r++)
		if ((set & 1u << r) != 0 && !reasons[r].by_answer)
			return (0);
	if (set == 0 || *line->request.sha256 == '\0')
		return (0);
	if ((set & 1u << REASON_ATTEMPTS) != 0 && line->run != NULL && line->run->attempt >= MOST_ATTEMPTS)
		return (0);
	if ((text = answer(line, set)) == NULL)
		return (-1);
	snprintf(name, sizeof(name), CAMPAIGN_ANSWERS "/%s.json", line->request.name);
	if (campaign_place(t->c, CAMPAIGN_ANSWERS, &folder) == 0 && campaign_place(t->c, name, &path) == 0)
		rc = shell_command(out, "mkdir -p %s && printf '%%s\\n' %s > %s", folder.p, text, path.p);
	str_free(&folder);
	str_free(&path);
	free(text);
	return (rc);
}
