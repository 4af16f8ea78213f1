#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bpb.h"
#include "base/atomfile.h"
#include "schema/contract.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/say.h"
#include "base/str.h"
#include "ledger/witness.h"

enum { LOCK_WAIT_MS = 10000 };

/* The ledger's own name: the digest of its first row. */
static int
genesis(const struct ledger *l, char hex[SHA256_HEX_SIZE])
{
	return (standings_count(&l->book) == 0 ? -1 : ledger_digest(l, standings_fact(&l->book, 0), hex));
}

/* Does the ledger have the row ${number} with this digest? 1, 0, or -1 with errno, said. */
static int
has_row(const struct ledger *l, int64_t number, const char *digest)
{
	const struct standings_fact *f;
	char hex[SHA256_HEX_SIZE];

	if (number < 1 || (uint64_t)number > standings_count(&l->book))
		return (0);
	f = standings_fact(&l->book, (size_t)number - 1);
	if (f->row != standings_tag(digest))
		return (0);
	return (ledger_digest(l, f, hex) == -1 ? -1 : strcmp(hex, digest) == 0);
}

static const char *const remembered[][2] = { { "row_sha256", "row" }, { "head_sha256", "head_row" } };

int
witness_agrees(const struct ledger *l, const char *path)
{
	char mine[SHA256_HEX_SIZE];
	const char *digest;
	long long row;
	char *text;
	json_t *file = NULL, *w;
	size_t i, n, count = standings_count(&l->book);
	int dir, k, has = 1;

	if (count == 0)
		return (0);
	if (genesis(l, mine) == -1)
		return (-1);
	if ((dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (0);
	if ((text = file_read(dir, LEDGER_WITNESS, CONTRACT_MAX_BYTES, &n)) != NULL)
		file = json_loadb(text, n, 0, NULL);
	free(text);
	close(dir);
	/* Whoever renews it says what is wrong with it. */
	if (file == NULL || contract_check("ledger_witness", file, NULL) == -1) {
		json_decref(file);
		return (0);
	}
	json_array_foreach(json_object_get(file, "witnesses"), i, w) {
		if (strcmp(jsonio_text(w, "ledger_sha256", ""), mine) != 0)
			continue;
		for (k = 0; k < 2 && has == 1; k++) {
			digest = jsonio_text(w, remembered[k][0], "");
			row = (long long)jsonio_i64(w, remembered[k][1], 0);
			if ((has = has_row(l, row, digest)) != 0)
				continue;
			say_error("the ledger '%s' has lost row %lld: it has %zu, and the run '%s' remembers that one"
				  " as %.12s; restore the newer ledger, or, if there is none, move '%s/%s' away, which"
				  " gives up all rows that only the newer one has",
			    l->path, row, count, path, digest, path, LEDGER_WITNESS);
			errno = EBADMSG;
		}
	}
	json_decref(file);
	return (has == 1 ? 0 : -1);
}

int
witness_of_another(int dir, const char *real, const struct ledger *l)
{
	char mine[SHA256_HEX_SIZE] = "", *text;
	json_t *file, *w;
	size_t i, n;
	int another = 0;

	if ((text = file_read(dir, LEDGER_WITNESS, CONTRACT_MAX_BYTES, &n)) == NULL)
		return (0);
	if (l != NULL)
		(void)genesis(l, mine);
	file = json_loadb(text, n, 0, NULL);
	free(text);
	json_array_foreach(json_object_get(file, "witnesses"), i, w) {
		if (strcmp(jsonio_text(w, "ledger_sha256", ""), mine) == 0) {
			another = 0;
			break;
		}
		another |= strcmp(jsonio_text(w, "ledger", ""), real) == 0;
	}
	json_decref(file);
	return (another);
}

/* Two ledgers may take one run at once: whoever changes its witness holds this. The descriptor, or -1 with errno. */
static int
lock_witness(int dir)
{
	int fd, error;

	if ((fd = file_open_change(dir, LEDGER_WITNESS_LOCK, O_RDWR | O_CREAT, 0666)) == -1)
		return (-1);
	if (proc_lock_wait(fd, LOCK_WAIT_MS) == 0)
		return (fd);
	error = errno;
	close(fd);
	errno = error;
	return (-1);
}

int
witness_keep(const struct ledger *l, const char *path, const struct row *row, const char *digest)
{
	char mine[SHA256_HEX_SIZE], *text;
	json_t *file = NULL, *kept, *w, *old = NULL;
	size_t i, n;
	int dir, lock, rc = -1;

	if (genesis(l, mine) == -1)
		return (-1);
	if ((dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		goto err0;
	if ((lock = lock_witness(dir)) == -1)
		goto err1;
	if (contract_read(dir, LEDGER_WITNESS, "ledger_witness", NULL, &file) == -1) {
		/* One that can't be read is worth nothing any more. */
		if (errno != ENOENT && errno != EBADMSG)
			goto err2;
		file = json_pack("{s:s, s:[]}", "schema", "homegolf.ledger_witness.v1", "witnesses");
	}
	kept = json_object_get(file, "witnesses");
	w = json_pack("{s:s, s:s, s:I, s:I, s:s, s:I, s:s}", "ledger", l->real, "ledger_sha256", mine, "attempt",
	    (json_int_t)row->run.attempt, "row", (json_int_t)row->number, "row_sha256", digest, "head_row",
	    (json_int_t)standings_count(&l->book), "head_sha256", l->head);
	if (w == NULL)
		goto err2;
	json_array_foreach(kept, i, old)
		if (strcmp(jsonio_text(old, "ledger_sha256", ""), mine) == 0 &&
		    json_equal(json_object_get(old, "attempt"), json_object_get(w, "attempt")))
			break;
	if (i < json_array_size(kept)) {
		/* Another row of the same attempt is what another copy of this ledger has: nothing to forget. */
		if (strcmp(jsonio_text(old, "row_sha256", ""), digest) != 0) {
			json_decref(w);
			goto err2;
		}
		/* The first head remembered is as good as any later one. */
		if (jsonio_i64(old, "head_row", 0) > row->number) {
			json_decref(w);
			rc = 0;
			goto err2;
		}
		json_array_set_new(kept, i, w);
	} else
		json_array_append_new(kept, w);
	if ((text = contract_pretty("ledger_witness", file, &n)) == NULL)
		goto err2;
	if ((rc = atomfile_replace(dir, LEDGER_WITNESS, text, n)) == 0)
		(void)atomfile_sweep(dir, LEDGER_WITNESS);
	free(text);
err2:
	json_decref(file);
	close(lock);
err1:
	close(dir);
err0:
	if (rc == -1)
		say_note("'%s' keeps no witness of its row", path);
	return (rc);
}

static int
by_digest(const void *a, const void *b)
{
	return (memcmp(a, b, SHA256_HEX_SIZE - 1));
}

/* Is it merely not there, or not for us to read? Anything else is the system's failure, and no answer. */
static int
is_absent(int error)
{
	return (error == ENOENT || error == ENOTDIR || error == ELOOP || error == EACCES);
}

/*
 * The witness of the directory ${name}, open as ${dir}.  One that can't be understood is none: said of a run, but
 * elsewhere a file of that name may be anybody's.  -1 with errno, EBADMSG for such.
 */
static int
read_beside(int dir, const char *name, json_t **file)
{
	struct str what = STR_INIT;
	json_t *v = NULL;
	char *text;
	size_t n;
	int error;

	if ((text = file_read(dir, LEDGER_WITNESS, CONTRACT_MAX_BYTES, &n)) == NULL) {
		if (!is_absent(errno))
			say_errno("cannot read '%s/%s'", name, LEDGER_WITNESS);
		return (-1);
	}
	*file = NULL;
	errno = EBADMSG;
	if (faccessat(dir, "spec.json", F_OK, 0) == -1 &&
	    ((v = json_loadb(text, n, 0, NULL)) == NULL || contract_check("ledger_witness", v, NULL) == -1))
		errno = EBADMSG;
	else if (str_printf(&what, "%s/%s", name, LEDGER_WITNESS) == 0)
		*file = contract_parse(text, n, what.p, "ledger_witness");
	error = errno;
	json_decref(v);
	str_free(&what);
	free(text);
	errno = error;
	return (*file == NULL ? -1 : 0);
}

static int
by_uid(const void *a, const void *b)
{
	return (memcmp(a, b, WITNESS_UID_SIZE - 1));
}

/* Has the run in ${dir} a row? Its spec says who it is; one without has none. */
static int
has_run(const struct witness_rows *rows, int dir)
{
	char uid[WITNESS_UID_SIZE];
	json_t *spec;

	if (rows->runs == 0 || jsonio_read(dir, "spec.json", CONTRACT_MAX_BYTES, NULL, &spec) == -1)
		return (0);
	snprintf(uid, sizeof(uid), "%s", jsonio_text(spec, "run_uid", ""));
	json_decref(spec);
	return (bsearch(uid, rows->uids, rows->runs, sizeof(uid), by_uid) != NULL);
}

/* What one run remembers; the number of rows that the ledger lacks. */
static int
check_one(const struct ledger *l, const char *mine, const struct witness_rows *rows, int dir, const char *name,
    struct witness_found *found)
{
	char key[SHA256_HEX_SIZE];
	json_t *file, *w;
	int fd, lacking = 0, known = 0, other = 0, k, error;
	size_t i;

	if ((fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1) {
		if (is_absent(errno))
			return (0);
		say_errno("cannot open '%s'", name);
		return (-1);
	}
	if (read_beside(fd, name, &file) == -1) {
		error = errno;
		close(fd);
		errno = error;
		return (is_absent(error) || error == EBADMSG || file_at_fault(error) ? 0 : -1);
	}
	json_array_foreach(json_object_get(file, "witnesses"), i, w) {
		if (strcmp(jsonio_text(w, "ledger_sha256", ""), mine) != 0) {
			other |= strcmp(jsonio_text(w, "ledger", ""), l->real) == 0;
			continue;
		}
		known = 1;
		found->checked++;
		for (k = 0; k < 2; k++) {
			snprintf(key, sizeof(key), "%s", jsonio_text(w, remembered[k][0], ""));
			if (bsearch(key, rows->digests, rows->count, SHA256_HEX_SIZE, by_digest) != NULL)
				continue;
			say_error("row %lld is gone or was altered: the run '%s' remembers another",
			    (long long)jsonio_i64(w, remembered[k][1], 0), name);
			if (jsonio_i64(w, "head_row", 0) > found->last)
				found->last = jsonio_i64(w, "head_row", 0);
			lacking++;
			break;
		}
	}
	if (other && !known && has_run(rows, fd)) {
		say_error(
		    "row 1 was altered: the run '%s' has a row, and remembers this ledger by another first row; if it"
		    " was begun anew here, hg-ledger add makes the run know it",
		    name);
		lacking++;
	}
	json_decref(file);
	close(fd);
	return (lacking);
}

int
witness_check(const struct ledger *l, const struct witness_rows *rows, char *const *dirs, size_t ndirs, int exact,
    struct witness_found *found)
{
	char mine[SHA256_HEX_SIZE];
	struct dirent *e;
	size_t i;
	int lacking = 0, fd, n, error;
	DIR *d;

	memset(found, 0, sizeof(*found));
	if (genesis(l, mine) == -1)
		return (-1);
	for (i = 0; i < ndirs; i++) {
		if (exact) {
			if ((n = check_one(l, mine, rows, AT_FDCWD, dirs[i], found)) == -1)
				return (-1);
			lacking += n;
			continue;
		}
		if ((fd = openat(l->dir, dirs[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 && is_absent(errno))
			continue;
		if (fd == -1 || (d = fdopendir(fd)) == NULL)
			goto err0;
		for (n = 0, errno = 0; n != -1 && (e = readdir(d)) != NULL; errno = 0)
			if (e->d_name[0] != '.') {
				n = check_one(l, mine, rows, fd, e->d_name, found);
				lacking += n;
			}
		error = errno;
		closedir(d);
		errno = error;
		if (n == -1)
			return (-1);
		if (error != 0) {
			fd = -1;
			goto err0;
		}
	}
	return (lacking);
err0:
	error = errno;
	if (fd != -1)
		close(fd);
	errno = error;
	say_errno("cannot look for witnesses in '%s/%s'", l->path, dirs[i]);
	return (-1);
}

/* Sums over the documents: of what was lost, in nats or bits, and of what the metric divides it by. */
struct documents {
	size_t n;
	double *loss, *per;
};

/* Add one run's, of the file that was scored. Its columns sum up to what the run's metrics were made of. */
static int
read_documents(const struct ledger *l, const struct run_record *run, enum policy_metric metric, double weight,
    double share, struct documents *sum)
{
	static const int columns[] = { [POLICY_VAL_LOSS] = 1, [POLICY_VAL_BPB] = 2, [POLICY_VAL_BPB_RAW] = 3 };
	struct str path = STR_INIT;
	char *text = NULL, *p, *line, *fields[5], hex[SHA256_HEX_SIZE];
	size_t n, i = 0, k, size;
	double nats, per, all = 0;
	int rc = -1;

	if (str_printf(&path, "%s/%s/score_docs.tsv", l->real, run->dir == NULL ? "" : run->dir) == -1 ||
	    (text = file_read(AT_FDCWD, path.p, (size_t)1 << 30, &size)) == NULL || sha256_hex(text, size, hex) == -1 ||
	    run->docs == NULL || strcmp(hex, run->docs) != 0)
		goto err0;
	for (n = 0, p = text; (p = strchr(p, '\n')) != NULL; p++)
		n++;
	if (n < 2 || (sum->n != 0 && sum->n != n - 1))
		goto err0;
	if (sum->n == 0) {
		sum->n = n - 1;
		sum->loss = calloc(sum->n, sizeof(*sum->loss));
		sum->per = calloc(sum->n, sizeof(*sum->per));
		if (sum->loss == NULL || sum->per == NULL)
			goto err0;
	}
	for (line = strchr(text, '\n') + 1; i < sum->n; line = p + 1, i++) {
		if ((p = strchr(line, '\n')) == NULL)
			goto err0;
		*p = '\0';
		for (k = 0; k < 5; k++) {
			fields[k] = line;
			if ((line = strchr(line, '\t')) != NULL)
				*line++ = '\0';
			else if (k < 4)
				goto err0;
			else
				break;
		}
		if (num_f64(fields[4], -1e300, 1e300, &nats) == -1 ||
		    num_f64(fields[columns[metric]], 0, 1e300, &per) == -1)
			goto err0;
		sum->loss[i] += weight * (metric == POLICY_VAL_LOSS ? nats : bpb_bits(nats));
		sum->per[i] += share * per;
		all += per;
	}
	/* The table has the last document's raw bytes whole; the metric leaves out an end that was not scored. */
	if (metric == POLICY_VAL_BPB_RAW && run->raw_bytes != RECORD_NONE)
		sum->per[sum->n - 1] += share * ((double)run->raw_bytes - all);
	rc = 0;
err0:
	free(text);
	str_free(&path);
	return (rc);
}

struct row_documents
witness_documents(const struct ledger *l, const struct standings_plan *plan, unsigned n, enum policy_metric metric)
{
	struct documents sum = { 0, NULL, NULL };
	double gain = 0, per = 0, ss = 0, r, sign = l->book.policy.metric.sign / (n / 2.0);
	struct row_documents out = { RECORD_NONE, NAN, NAN, NAN, NULL };
	struct row row;
	unsigned k;
	size_t i;
	int rc;

	for (k = 0; k < n && plan->slot[k].fact != 0; k++)
		;
	if (k < n || metric > POLICY_VAL_BPB_RAW)
		return (out);
	for (k = 0; k < n; k++) {
		if (ledger_read(l, standings_fact(&l->book, plan->slot[k].fact - 1), &row) == -1)
			goto out;
		/* The incumbent's less the challenger's: what was gained. */
		rc = read_documents(l, &row.run, metric, plan->slot[k].challenger ? -sign : sign, 1.0 / n, &sum);
		row_free(&row);
		if (rc == -1)
			goto out;
	}
	for (i = 0; i < sum.n; i++) {
		gain += sum.loss[i];
		per += sum.per[i];
	}
	if (sum.n < 2 || !(per > 0))
		goto out;
	gain /= per;
	for (i = 0; i < sum.n; i++) {
		r = sum.loss[i] - gain * sum.per[i];
		ss += r * r;
	}
	out.documents = (int64_t)sum.n;
	out.metric = policy_metric_name(metric);
	*(metric == POLICY_VAL_LOSS ? &out.gain_nats_per_token : &out.gain_bits_per_byte) = gain;
	out.se = sqrt(ss * (double)sum.n / (double)(sum.n - 1)) / per;
out:
	free(sum.loss);
	free(sum.per);
	return (out);
}
