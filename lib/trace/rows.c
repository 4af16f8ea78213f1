#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "base/str.h"
#include "ledger/ledger.h"
#include "schema/contract.h"
#include "trace/rows.h"

struct reading {
	rows_want *want;
	void *arg;
	struct rows *rows;
};

static int
each(void *arg, const char *line, size_t n, uint64_t offset, const char *digest)
{
	struct reading *x = arg;
	struct rows_row *list, row = { .json = jsonio_parse(line, n, LEDGER_ROWS) };

	(void)offset;
	if (row.json == NULL)
		return (1);
	row.number = jsonio_i64(row.json, "row", 0);
	strcpy(row.sha256, digest);
	if (!x->want(x->arg, &row)) {
		json_decref(row.json);
		return (0);
	}
	if ((list = array_room(x->rows->list, x->rows->count, &x->rows->cap, sizeof(*list))) == NULL) {
		json_decref(row.json);
		say_errno("cannot read the ledger");
		return (1);
	}
	x->rows->list = list;
	list[x->rows->count++] = row;
	return (0);
}

int
rows_read(const char *path, rows_want *want, void *arg, struct rows *rows)
{
	struct reading x = { want, arg, rows };
	char head[SHA256_HEX_SIZE];
	uint64_t size, count;
	int fd, rc, error;

	memset(rows, 0, sizeof(*rows));
	if ((fd = ledger_rows(path)) == -1)
		return (-1);
	errno = EBADMSG;
	rc = ledger_walk(fd, each, &x, &size, &count, head);
	error = errno;
	close(fd);
	if (rc == 0 || rc == 1)
		return (0);
	rows_free(rows);
	errno = rc == 2 && error != ENOMEM ? EBADMSG : error;
	return (-1);
}

void
rows_free(struct rows *rows)
{
	while (rows->count > 0)
		json_decref(rows->list[--rows->count].json);
	free(rows->list);
	rows->list = NULL;
}

int
rows_witnessed(const struct rundir *r, char **path)
{
	const char *ledger;
	struct str rows = STR_INIT;
	json_t *v, *one;
	size_t i;
	int there = 0;

	if (contract_read(r->fd, LEDGER_WITNESS, "ledger_witness", NULL, &v) == -1)
		return (0);
	json_array_foreach(json_object_get(v, "witnesses"), i, one) {
		ledger = jsonio_text(one, "ledger", "");
		rows.n = 0;
		if (str_printf(&rows, "%s/" LEDGER_ROWS, ledger) == 0 && access(rows.p, R_OK) == 0 &&
		    (*path = strdup(ledger)) != NULL) {
			there = 1;
			break;
		}
	}
	str_free(&rows);
	json_decref(v);
	return (there);
}
