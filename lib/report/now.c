#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "report/now.h"
#include "report/panel.h"
#include "report/pagedata.h"
#include "report/watched.h"
#include "run/active.h"

/* So many of the last runs are asked where they lie, and so many directories are looked at. */
enum { RUNS = 256, PLACES = 16 };

/* The directory that a run lies in, once. 0, or -1 with errno. */
static int
add_place(struct active *a, const struct page *p, const struct pagedata_run *r)
{
	struct str path = STR_INIT;
	struct stat st;
	char *slash;
	size_t i;
	int rc = pagedata_place(p->s, r->dir, &path);

	if (rc == 0 && (slash = strrchr(path.p, '/')) != NULL && slash != path.p) {
		*slash = '\0';
		for (i = 0; i < a->place_count; i++)
			if (strcmp(a->places[i], path.p) == 0)
				break;
		if (i == a->place_count && stat(path.p, &st) == 0 && S_ISDIR(st.st_mode))
			rc = active_add(a, path.p);
	}
	str_free(&path);
	return (rc);
}

static void
put_run(const struct page *p, const char *path)
{
	struct watched w = { .path = NULL };
	struct str line = STR_INIT;

	watched_look(&w, path);
	if (panel_line(&line, &w, path) == -1)
		p->m->failed = ENOMEM;
	else
		markup_put(p->m, "<p class=\"cost now\"><b>Running now:</b> %s</p>\n", line.p);
	str_free(&line);
	watched_free(&w);
}

void
now_line(const struct page *p)
{
	const struct active_run *first;
	struct active a = { .running_only = 1 };
	size_t i;

	for (i = p->s->run_count; i-- > 0 && p->s->run_count - i <= RUNS && a.place_count < PLACES;)
		if (*p->s->runs[i].dir != '\0' && add_place(&a, p, &p->s->runs[i]) == -1) {
			p->m->failed = ENOMEM;
			break;
		}
	/* A place that goes away meanwhile is no reason not to have a page. */
	if (a.place_count > 0 && active_look(&a) == 0 && (first = active_first(&a)) != NULL &&
	    first->state == STATE_RUN_RUNNING)
		put_run(p, first->path);
	active_free(&a);
}
