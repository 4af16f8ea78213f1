/*
 * A stage whose work is a script, under the real supervisor: what the tests of
 * closing out are made with.
 *
 *	fakestage [-d] [-l] [-s] [-t SECONDS] STAGE RUN [WORD]...
 *
 * The worker does the words in turn; some end it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bpb.h"
#include "base/atomfile.h"
#include "base/exit.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/num.h"
#include "base/opt.h"
#include "base/process.h"
#include "base/say.h"
#include "base/str.h"
#include "stage/stage.h"

struct script {
	char **words;
	int n;
};

static void
nap(int64_t ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&ts, &ts) == -1 && errno == EINTR)
		continue;
}

/* The body of a receipt: the valid sample of its contract without head and tail. */
static json_t *
sample(const char *contract)
{
	static const char *const common[] = { "schema", "run_id", "run_uid", "stage", "attempt", "spec_sha256", "owner",
		"started_at", "finished_at", "elapsed_ms" };
	const char *top = getenv("HG_TOP");
	char path[512];
	json_t *v;
	size_t i;

	snprintf(path, sizeof(path), "%s/contracts/%s.valid/full.json", top == NULL ? "." : top, contract);
	if ((v = json_load_file(path, 0, NULL)) == NULL) {
		say_error("cannot read '%s'", path);
		return (NULL);
	}
	for (i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		json_object_del(v, common[i]);
	return (v);
}

/* Create an output of that many bytes unless it is there. */
static int
output(int dir, const char *name, size_t n)
{
	char *p;
	int rc;

	if ((p = calloc(1, n + 1)) == NULL)
		return (-1);
	memset(p, 'x', n);
	rc = atomfile_create(dir, name, p, n);
	free(p);
	return (rc == -1 && errno == EEXIST ? 0 : rc);
}

static void
bind_file(json_t *v, const char *path, int dir, const char *name)
{
	char hex[SHA256_HEX_SIZE], key[64];
	uint64_t n;

	if (sha256_at(dir, name, hex, &n) == -1)
		return;
	snprintf(key, sizeof(key), "%s.sha256", path);
	jsonio_put(v, key, json_string(hex));
	snprintf(key, sizeof(key), "%s.bytes", path);
	jsonio_put(v, key, json_integer((json_int_t)n));
}

static void
bind_digest(json_t *v, const char *key, int dir, const char *name)
{
	char hex[SHA256_HEX_SIZE];

	if (sha256_at(dir, name, hex, NULL) == 0)
		jsonio_put(v, key, json_string(hex));
}

static int
is_among(const char *const *names, const char *name)
{
	for (; *names != NULL; names++)
		if (strcmp(*names, name) == 0)
			return (1);
	return (0);
}

static int64_t
artifact_bytes(const struct rundir *r)
{
	struct stat st;

	return (fstatat(r->fd, RUNDIR_ARTIFACT, &st, 0) == -1 ? 0 : st.st_size);
}

/* A table of documents whose sums are those of a score's report. */
static int
output_docs(int dir, const json_t *report)
{
	const long long n = jsonio_i64(report, "documents", 1), tokens = jsonio_i64(report, "tokens", n),
			bytes = jsonio_i64(report, "bytes", n);
	const double loss = jsonio_f64(report, "val_loss", 1);
	struct str text = STR_INIT;
	long long i, t, b;
	int rc;

	rc = str_puts(&text, "# doc\ttokens\tbytes\traw_bytes\tnats\n");
	for (i = 0; i < n && rc == 0; i++) {
		t = tokens / n + (i < tokens % n);
		b = bytes / n + (i < bytes % n);
		rc = str_printf(&text, "%lld\t%lld\t%lld\t%lld\t%.17g\n", i, t, b, b, loss * (double)t);
	}
	if (rc == 0 && (rc = atomfile_create(dir, RUNDIR_SCORE_DOCS, text.p, text.n)) == -1 && errno == EEXIST)
		rc = 0;
	str_free(&text);
	return (rc);
}

/* What the stage table says that the receipt, or its report, binds: files are made, the rest is there. */
static int
bind_all(const struct stage_work *w, const struct rundir_stage *st, json_t *v)
{
	const struct rundir *r = stage_rundir(w);
	const struct rundir_bind *b;
	const char *receipt;
	json_t *other;
	int dir, own;

	for (b = st->binds; b->how != RUNDIR_BIND_END; b++) {
		receipt = rundir_stages[b->stage].receipt;
		switch (b->how) {
		case RUNDIR_BIND_FILE:
		case RUNDIR_BIND_DIGEST:
			/* What a stage keeps lies in the run itself, empty if nothing wrote it. */
			own = is_among(st->outputs, b->to);
			dir = own ? stage_outputs(w) : r->fd;
			if ((own && strcmp(b->to, RUNDIR_SCORE_DOCS) == 0 ? output_docs(dir, v) :
									    output(dir, b->to, own ? 500 : 0)) == -1)
				return (-1);
			if (b->how == RUNDIR_BIND_FILE)
				bind_file(v, b->key, dir, b->to);
			else
				bind_digest(v, b->key, dir, b->to);
			break;
		case RUNDIR_BIND_SPEC:
			jsonio_put(v, b->key, json_incref(jsonio_get(r->spec.json, b->to)));
			break;
		case RUNDIR_BIND_RECEIPT:
			bind_digest(v, b->key, r->fd, receipt);
			break;
		case RUNDIR_BIND_MEMBER:
			if (jsonio_read(r->fd, receipt, 1 << 20, NULL, &other) == -1)
				return (-1);
			jsonio_put(v, b->key, json_incref(jsonio_get(other, b->to)));
			json_decref(other);
			break;
		case RUNDIR_BIND_END:
			break;
		}
	}
	return (0);
}

/* A table of documents that adds up to the report: the first has it all. */
static int
documents(int dir, const json_t *report)
{
	int64_t i, n = jsonio_i64(report, "documents", 0);
	struct str s = STR_INIT;
	int rc;

	rc = str_printf(&s, "# doc\ttokens\tbytes\traw_bytes\tnats\n0\t%lld\t%lld\t%lld\t%.17g\n",
	    (long long)jsonio_i64(report, "tokens", 0), (long long)jsonio_i64(report, "bytes", 0),
	    (long long)jsonio_i64(report, "raw_bytes", 0),
	    jsonio_f64(report, "val_loss", 0) * jsonio_f64(report, "tokens", 0));
	for (i = 1; i < n && rc == 0; i++)
		rc = str_printf(&s, "%lld\t0\t0\t0\t0\n", (long long)i);
	if (rc == 0 && (rc = atomfile_create(dir, RUNDIR_SCORE_DOCS, s.p, s.n)) == -1 && errno == EEXIST)
		rc = 0;
	str_free(&s);
	return (rc);
}

/* A receipt that is true of what lies in the run. */
static json_t *
body(struct stage_work *w)
{
	int s = rundir_stage_of(getenv("FAKE_STAGE"));
	const struct rundir *r = stage_rundir(w);
	const struct rundir_stage *st = &rundir_stages[s];
	json_t *v = sample(st->receipt_contract), *report = st->report == NULL ? NULL : sample(st->report_contract);
	const char *const *key;
	int64_t bytes;
	double bpb;

	if (s == STAGE_SCORE && documents(stage_outputs(w), report) == -1)
		return (NULL);
	if (bind_all(w, st, report != NULL ? report : v) == -1)
		return (NULL);
	/* What must add up besides. */
	switch (s) {
	case STAGE_TRAIN:
		/* Nothing asks for it. */
		json_object_del(v, "calibration");
		break;
	case STAGE_EXPORT:
		json_object_del(v, "levers");
		jsonio_put(v, "total_bytes",
		    json_integer(jsonio_i64(v, "code_bytes", 0) + jsonio_i64(v, "artifact.bytes", 0)));
		break;
	case STAGE_SCORE:
		jsonio_put(report, "eval", json_incref(jsonio_get(r->spec.json, "eval")));
		bpb = bpb_of_loss(jsonio_f64(report, "val_loss", 0), jsonio_f64(report, "tokens", 0),
		    jsonio_f64(report, "bytes", 1));
		jsonio_put(report, "val_bpb", json_real(bpb));
		jsonio_put(report, "val_bpb_raw", json_real(bpb));
		jsonio_put(report, "prequant_val_loss", json_null());
		jsonio_put(report, "prequant_val_bpb", json_null());
		if (getenv("FAKE_PARTIAL") != NULL) {
			jsonio_put(report, "partial", json_true());
			jsonio_put(report, "documents", json_integer(4999));
		}
		bytes = artifact_bytes(r);
		jsonio_put(v, "artifact_bytes", json_integer(bytes));
		jsonio_put(v, "total_bytes", json_integer(151000 + bytes));
		break;
	}
	if (report == NULL)
		return (v);
	json_object_del(v, st->report_key);
	for (key = st->repeats; *key != NULL; key++)
		jsonio_put(v, *key, json_incref(jsonio_get(report, *key)));
	return (json_pack("{s:o, s:o}", "report", report, "receipt", v));
}

static void
post(struct stage_work *w, int64_t progress)
{
	const char *contract = rundir_stages[rundir_stage_of(getenv("FAKE_STAGE"))].status_contract;
	static const char *const head[] = { "pid", "start_time", "boot_id", "updated_at", "progress", "progressed_at" };
	json_t *v;
	size_t i;

	if (contract == NULL || (v = sample(contract)) == NULL)
		return;
	for (i = 0; i < sizeof(head) / sizeof(head[0]); i++)
		json_object_del(v, head[i]);
	jsonio_put(v, "elapsed_ms", json_integer(1));
	stage_progress(w, progress, v);
}

static int
work(struct stage_work *w, void *arg)
{
	const struct script *script = arg;
	static const char block[4096];
	const char *word, *value;
	struct atomfile *a;
	struct rlimit limit = { 256 << 20, 256 << 20 };
	char *p;
	enum refusal_kind kind;
	int64_t k;
	int i, fd;

	for (i = 0; i < script->n; i++) {
		word = script->words[i];
		value = strchr(word, '=') == NULL ? "" : strchr(word, '=') + 1;
		if (strncmp(word, "nap=", 4) == 0)
			nap(atol(value));
		else if (strcmp(word, "hang") == 0)
			for (;;)
				nap(1000);
		else if (strcmp(word, "ignore") == 0)
			signal(SIGTERM, SIG_IGN);
		else if (strcmp(word, "child") == 0) {
			if (fork() == 0)
				for (signal(SIGTERM, SIG_IGN);;)
					nap(1000);
		} else if (strncmp(word, "daemon=", 7) == 0) {
			/* A foreign program, which leaves us behind as thoroughly as it can. */
			const char *const argv[] = { "sh", "-c", value, NULL };
			const int fds[3] = { -1, -1, -1 };

			if (process_start(argv, AT_FDCWD, fds) == -1)
				return (-1);
		} else if (strcmp(word, "undying") == 0)
			/* Lives on when its owner is killed. */
			prctl(PR_SET_PDEATHSIG, 0);
		else if (strncmp(word, "exit=", 5) == 0)
			_exit(atoi(value));
		else if (strncmp(word, "return=", 7) == 0)
			return (atoi(value));
		else if (strncmp(word, "signal=", 7) == 0) {
			signal(atoi(value), SIG_DFL);
			raise(atoi(value));
		} else if (strcmp(word, "malloc") == 0) {
			setrlimit(RLIMIT_AS, &limit);
			if ((p = malloc((size_t)1 << 30)) == NULL) {
				say_errno("cannot allocate the model");
				return (-1);
			}
			free(p);
		} else if (strcmp(word, "full") == 0) {
			if ((fd = open("/dev/full", O_WRONLY)) == -1 || file_write_all(fd, "x", 1) == -1) {
				say_errno("cannot write '%s'", "checkpoint");
				return (-1);
			}
		} else if (strncmp(word, "write=", 6) == 0) {
			if (output(stage_outputs(w), value, 64) == -1)
				return (-1);
		} else if (strncmp(word, "fill=", 5) == 0) {
			/* A file as large as the disk. */
			if ((a = atomfile_begin(stage_outputs(w), value)) == NULL)
				return (-1);
			while (file_write_all(atomfile_fd(a), block, sizeof(block)) == 0)
				continue;
			say_errno("cannot write '%s'", value);
			return (-1);
		} else if (strncmp(word, "half=", 5) == 0) {
			if (atomfile_begin(stage_outputs(w), value) == NULL)
				return (-1);
		} else if (strncmp(word, "refuse=", 7) == 0) {
			if ((kind = refusal_by_name(value)) == REFUSAL_NONE)
				return (77);
			return (stage_refuse(w, kind, json_pack("{s:i}", "seen", 1), json_pack("{s:i}", "wanted", 2),
			    "a test wants '%s'", value));
		} else if (strncmp(word, "progress=", 9) == 0)
			post(w, atol(value));
		else if (strcmp(word, "beat") == 0)
			for (;; nap(20))
				post(w, 1);
		else if (strcmp(word, "stop") == 0)
			raise(SIGSTOP);
		else if (strncmp(word, "slow=", 5) == 0)
			/* Progress, that many times, a little of it each time. */
			for (k = 1; k <= atol(value); k++) {
				nap(200);
				post(w, k);
			}
		else if (strcmp(word, "stopboth") == 0)
			kill(getppid(), SIGSTOP);
		else if (strcmp(word, "poll") == 0) {
			while (!stage_stopping(w))
				nap(10);
			if (output(stage_rundir(w)->fd, RUNDIR_RESUME, 10) == -1)
				return (-1);
			return (-1);
		} else if (strcmp(word, "broken") == 0)
			return (stage_deliver(w, json_pack("{s:s}", "no such key", "\033[31m")));
		else if (strcmp(word, "deliver") == 0)
			return (stage_deliver(w, body(w)));
		else {
			say_error("unknown word '%s'", word);
			return (78);
		}
	}
	return (0);
}

static int
rehearse(void *arg, const struct rundir *r, int outputs, const json_t *delivered)
{
	(void)arg;
	(void)r;
	printf("%s %d\n", json_is_object(delivered) ? "delivered" : "nothing",
	    faccessat(outputs, RUNDIR_SCORE_DOCS, F_OK, 0));
	return (HG_EXIT_DONE);
}

int
main(int argc, char **argv)
{
	static const struct opt_tool tool = { "fakestage", "Run a scripted stage.",
		"fakestage [-cdls] [-t SECONDS] STAGE RUN [WORD]..." };
	static struct opt table[] = {
		{ .letter = 'c', .help = "rehearse" },
		{ .letter = 'd', .help = "detach" },
		{ .letter = 'l', .help = "take the lane" },
		{ .letter = 's', .help = "the worker asks stage_stopping" },
		{ .letter = 't', .arg = "SECONDS", .help = "deadline" },
		{ .letter = '\0' },
	};
	struct stage_job job = { .work = work };
	struct script script;
	int i;

	exit_init("fakestage");
	if ((i = opt_parse(&tool, table, argc, argv)) < 0)
		return (i == OPT_EXIT ? HG_EXIT_DONE : HG_EXIT_USAGE);
	if (argc - i < 2 || rundir_stage_of(argv[i]) == -1)
		return (opt_usage(&tool));
	job.stage = (enum stage)rundir_stage_of(argv[i]);
	setenv("FAKE_STAGE", argv[i], 1);
	script.words = argv + i + 2;
	script.n = argc - i - 2;
	job.arg = &script;
	job.detach = opt_row(table, 'd')->value != NULL;
	job.lane = opt_row(table, 'l')->value != NULL;
	job.stops = opt_row(table, 's')->value != NULL;
	if (opt_row(table, 'c')->value != NULL)
		job.rehearse = rehearse;
	if (opt_row(table, 't')->value != NULL &&
	    num_duration_ms(opt_row(table, 't')->value, INT64_C(86400000), &job.deadline_ms) == -1)
		return (opt_usage(&tool));
	return (exit_flush(stage_run(argv[i + 1], &job)));
}
