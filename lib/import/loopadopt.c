#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/shell.h"
#include "import/loopadopt.h"

/* Would they be said of that group?  Where nothing differs, running again tells nothing. */
static int
is_asked(const struct rejudge_group *g)
{
	const struct loop *l = &g->loop;

	return (g->series != NULL && l->promising != -1 && !(l->df < 1 && l->equal > 0) &&
	    strncmp(g->metric, "column ", 7) != 0 && isalpha((unsigned char)g->metric[0]));
}

static const char *
command_of(const struct rejudge_group *g)
{
	return (g->loop.line[g->loop.promising].entry->command);
}

static int
is_alike(const struct rejudge_group *a, const struct rejudge_group *b)
{
	return (strcmp(a->metric, b->metric) == 0 && a->loop.higher == b->loop.higher &&
	    strcmp(command_of(a), command_of(b)) == 0);
}

static int
ends(const char *text, size_t n, const char *with)
{
	size_t k = strlen(with);

	return (n > k && memcmp(text + n - k, with, k) == 0);
}

/* The program's words, and those of them that are files of its own: they come under their last names. */
static int
take_words(json_t *words, json_t *files, const char *command)
{
	const char *p = command, *last, *q;
	char *word;
	size_t n;
	int bad = 0, first = 1;

	for (p += strspn(p, " "); *p != '\0' && !bad; p += strspn(p, " "), first = 0) {
		n = strcspn(p, " ");
		last = p;
		if (strncmp(p, "./", 2) == 0 || ends(p, n, ".py") || ends(p, n, ".sh")) {
			bad |= json_array_append_new(files, json_stringn(p, n));
			for (q = p; q < p + n; q++)
				last = *q == '/' ? q + 1 : last;
		}
		if ((word = calloc(n + 3, 1)) == NULL)
			return (-1);
		if (last > p && first)
			strcpy(word, "./");
		strncat(word, last, n - (size_t)(last - p));
		bad |= json_array_append_new(words, json_string(word));
		free(word);
		p += n;
	}
	return (bad);
}

/* What only a shell understands is given to one; a brace is two for hg-train(1). */
static int
take_script(json_t *words, const char *command)
{
	struct str script = STR_INIT;
	int bad = 0;

	for (; *command != '\0'; command++)
		bad |= str_add(&script, *command == '{' ? "{{" : command, *command == '{' ? 2 : 1);
	bad |= json_array_append_new(words, json_string("sh")) | json_array_append_new(words, json_string("-c")) |
	    json_array_append_new(words, json_string(script.p == NULL ? "" : script.p));
	str_free(&script);
	return (bad);
}

/* A setting of hg-spec(1), whose value is JSON. */
static int
put_setting(struct str *out, const char *name, const json_t *value)
{
	struct str setting = STR_INIT;
	char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	int bad;

	bad = text == NULL || str_printf(&setting, "%s=%s", name, text) == -1 ||
	    shell_command(out, " -s %s", setting.p) == -1;
	free(text);
	str_free(&setting);
	return (bad);
}

/* Where the last line stands that begins with the metric, after words in capitals. */
static json_t *
reads(const char *metric, const char *as)
{
	struct str pattern = STR_INIT;
	const char *p = strrchr(metric, '.') == NULL ? metric : strrchr(metric, '.') + 1;
	json_t *v = NULL;
	int bad = str_puts(&pattern, "last:^[A-Z ]*");

	for (; *p != '\0'; p++)
		bad |= str_add(&pattern, isalnum((unsigned char)*p) || *p == '_' ? p : ".", 1);
	bad |= str_puts(&pattern, "[ :=]+(-?[0-9.]*[0-9][eE]?[-+]?[0-9]*)");
	if (!bad)
		v = json_pack("{s:s}", as, pattern.p);
	str_free(&pattern);
	return (v);
}

static int
put_spec(struct str *out, const struct rejudge_group *g, const char *as)
{
	const char *command = command_of(g);
	json_t *words = json_array(), *files = json_array(), *set = json_pack("{s:s}", "SEED", "{seed}");
	json_t *pattern = reads(g->metric, as);
	int bad = words == NULL || files == NULL || set == NULL || pattern == NULL;

	if (*command == '\0' || *command == '-')
		command = "./measure";
	if (!bad)
		bad |= shell_is_plain(command) && strcspn(command, "=") >= strcspn(command, " ") ?
		    take_words(words, files, command) :
		    take_script(words, command);
	bad |= str_puts(out, "  hg-spec -s data.dir=own.data -s system.backend=external -s trainer.gives=claim");
	bad |= put_setting(out, "trainer.command", words);
	bad |= put_setting(out, "trainer.files", files);
	bad |= put_setting(out, "trainer.set", set);
	bad |= put_setting(out, "trainer.reads", pattern);
	bad |= str_puts(out, " own.1\n");
	json_decref(words);
	json_decref(files);
	json_decref(set);
	json_decref(pattern);
	return (bad);
}

int
loopadopt_text(struct str *out, const struct rejudge *r, const struct rejudge_group *g)
{
	const struct rejudge_group *other;
	int usual = strcmp(g->metric, "val_bpb") == 0 && !g->loop.higher, bad = 0;

	if (!is_asked(g))
		return (0);
	for (other = r->group; other < g; other++)
		if (is_asked(other) && is_alike(other, g))
			return (0);
	bad |= str_puts(out, "Or let Homegolf run it from here on, with its seeds, noise and confirmations:\n");
	bad |= str_puts(out, "  seq 9999 | hg-data -B -f lines -n 999 -o own.data -\n");
	bad |= put_spec(out, g, usual ? "val_bpb" : "value");
	bad |= str_puts(out, "  ");
	if (!usual) {
		bad |= str_puts(out, "mkdir own.ledger && sed '/\"metric\"/,/}/{s/\"val_bpb[a-z_]*\"/\"value\"/;");
		bad |= str_puts(out, g->loop.higher ? "s/\"lower\"/\"higher\"/;}'" : "}'");
		bad |= shell_command(out, " %s/policy.json > own.ledger/policy.json && ", r->ledger);
	}
	bad |= str_puts(out, "hg-run -l own.ledger own.1\n");
	bad |= str_puts(out,
	    "There own.data stands for data that the program finds itself, and the program is taken to heed SEED, to"
	    " need no file but trainer.files and to print its score as trainer.reads has it: hg-trainer(7).\n");
	if (bad) {
		errno = ENOMEM;
		return (-1);
	}
	return (0);
}
