/* lib/run/spec and lib/run/fingerprint: deadlines, caps, reading, what ran. Prints TAP. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "schema/contract.h"
#include "base/exit.h"
#include "run/fingerprint.h"
#include "base/jsonio.h"
#include "run/spec.h"
#include "run/specdiff.h"
#include "run/specrequest.h"
#include "t/unit/tap.h"

/* What the published artifact leaves of the cap for code. */
#define ROOM_BYTES (16000000 - 15816000)

/* A data directory "data" here, from the contract's sample. */
static int
make_data(void)
{
	const char *top = getenv("HG_TOP");
	char path[4096], *text;
	json_t *v;
	size_t n;
	int rc;

	snprintf(path, sizeof(path), "%s/contracts/dataset.valid/full.json", top);
	if (contract_read(AT_FDCWD, path, "dataset", NULL, &v) == -1)
		return (-1);
	text = contract_pretty("dataset", v, &n);
	rc = mkdir("data", 0777) == 0 && chdir("data") == 0 ? atomfile_replace(AT_FDCWD, "dataset.json", text, n) : -1;
	if (chdir("..") == -1)
		rc = -1;
	free(text);
	json_decref(v);
	return (rc);
}

/* Build a spec with settings, publish and read it back. */
static int
make(struct spec *s, const char *const *settings)
{
	json_t *request = specrequest_new(), *spec = NULL;
	char *text;
	size_t n;
	int rc = specrequest_set(request, "data.dir=data");

	for (; rc == 0 && *settings != NULL; settings++)
		rc = specrequest_set(request, *settings);
	if (rc == 0)
		rc = specrequest_build(request, &spec);
	if (rc == 0)
		rc = specrequest_identify(spec, "run");
	json_decref(request);
	if (rc == -1)
		return (-1);
	text = contract_pretty("spec", spec, &n);
	rc = atomfile_replace(AT_FDCWD, SPEC_FILE, text, n);
	free(text);
	json_decref(spec);
	return (rc == -1 ? -1 : spec_read(AT_FDCWD, ".", s));
}

static void
limits(void)
{
	static const char *const defaults[] = { NULL };
	static const char *const none[] = { "budget.max_wallclock_ms=none", NULL };
	static const char *const given[] = { "budget.train_deadline_ms=7", "budget.max_wallclock_ms=5", NULL };
	json_t *v = NULL;
	struct spec s;

	tap_ok(make(&s, defaults) == 0 && strcmp(s.run_id, "run") == 0 && strlen(s.run_uid) == 32,
	    "a spec is read back");
	tap_ok(jsonio_f64(s.json, "train.min_lr_frac", -1) == 0 &&
		contract_read(AT_FDCWD, SPEC_FILE, "spec", NULL, &v) == 0 && jsonio_get(v, "train.min_lr_frac") == NULL,
	    "with later keys filled in that the file leaves out");
	json_decref(v);
	tap_ok(spec_cap_ms(&s) == 600000, "the cap is 600 seconds unless told otherwise");
	tap_ok(spec_deadline_ms(&s, "train") == 2 * 600000 + 1800000,
	    "training has twice its cap and half an hour, from when it has its lane");
	tap_ok(spec_deadline_ms(&s, "export") > 0 && spec_deadline_ms(&s, "prompt") > 0 &&
		spec_deadline_ms(&s, "score") > 0,
	    "the other stages have deadlines too");
	spec_free(&s);
	tap_ok(make(&s, none) == 0 && spec_cap_ms(&s) == INT64_MAX && spec_deadline_ms(&s, "train") == 86400000,
	    "without a cap there still is a deadline");
	spec_free(&s);
	tap_ok(make(&s, given) == 0 && spec_cap_ms(&s) == 5 && spec_deadline_ms(&s, "train") == 7,
	    "what is given holds");
	spec_free(&s);
	spec_free(&s);
}

/* Another program may write a default out: the same settings, the same digests. */
static void
written_out(void)
{
	json_t *request = specrequest_new(), *bare = NULL, *full = NULL, *other = NULL;
	struct str where = STR_INIT;
	struct spec s;
	char *text;
	size_t n;

	if (specrequest_set(request, "data.dir=data") == 0 && specrequest_build(request, &bare) == 0 &&
	    (full = json_deep_copy(bare)) != NULL && jsonio_put(full, "train.min_lr_frac", json_real(0.0)) == 0 &&
	    (other = json_deep_copy(bare)) != NULL && jsonio_put(other, "train.min_lr_frac", json_real(0.5)) == 0 &&
	    specrequest_identify(full, "run") == 0 && (text = contract_pretty("spec", full, &n)) != NULL) {
		atomfile_replace(AT_FDCWD, SPEC_FILE, text, n);
		free(text);
	}
	if (tap_ok(spec_read(AT_FDCWD, ".", &s) == 0, "a later key's default may be written out"))
		spec_free(&s);
	tap_ok(specdiff_first(bare, full, &where) == 0 && specdiff_first(full, bare, &where) == 0,
	    "and asks for the same as one that is absent");
	tap_ok(specdiff_first(bare, other, &where) == 1 && strcmp(where.p, "train.min_lr_frac is 0, not 0.5") == 0,
	    "another value does not");
	str_free(&where);
	json_decref(request);
	json_decref(bare);
	json_decref(full);
	json_decref(other);
}

static void
fingerprints(void)
{
	json_t *report = json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:{s:s}, s:s, s:i}", "backend", "cpu", "isa", "avx2",
	    "arith", "fp32", "threads", 2, "lane", "default", "cpu_model", "x", "libraries", "libc", "2.36",
	    "numerics_sha256", "00", "steps", 5);
	char a[SHA256_HEX_SIZE], b[SHA256_HEX_SIZE];
	const struct fingerprint_file *f;
	const char *sha256;
	uint64_t bytes, sum = 0;

	tap_ok(fingerprint_system(report, a) == 0, "a system has a digest");
	json_object_set_new(report, "steps", json_integer(6));
	tap_ok(fingerprint_system(report, b) == 0 && strcmp(a, b) == 0, "which other keys do not change");
	json_object_set_new(report, "threads", json_integer(1));
	tap_ok(fingerprint_system(report, b) == 0 && strcmp(a, b) != 0, "and each of its own does");
	json_object_del(report, "lane");
	tap_ok(fingerprint_system(report, b) == -1 && errno == EBADMSG, "without one of them there is none");
	json_decref(report);

	fingerprint_code(&bytes, &sha256);
	for (f = fingerprint_code_files(); f->path != NULL; f++)
		sum += f->bytes;
	tap_ok(bytes < sum && strlen(sha256) == 64, "counted code is handed in as one stream, which is less");
	tap_ok(bytes > 0 && bytes <= ROOM_BYTES, "counted code (%llu) leaves room for the published artifact",
	    (unsigned long long)bytes);
	for (sum = 0, f = fingerprint_variant_files(); f->path != NULL; f++)
		sum += f->bytes;
	tap_ok(sum > 0, "variants that only change speed are listed beside it (%llu)", (unsigned long long)sum);
}

int
main(void)
{
	char dir[] = "/tmp/hg-spec.XXXXXX", top[4096];

	exit_init("spec");
	/* Where the sources are, before leaving. */
	if (getenv("HG_TOP") == NULL && getcwd(top, sizeof(top)) != NULL)
		setenv("HG_TOP", top, 1);
	if (mkdtemp(dir) == NULL || chdir(dir) == -1 || make_data() == -1)
		return (HG_EXIT_SYSTEM);
	limits();
	written_out();
	fingerprints();
	if (chdir("/") == 0 && fork() == 0)
		execlp("rm", "rm", "-rf", dir, (char *)NULL);
	return (tap_done());
}
