#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <regex.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/num.h"
#include "base/pattern.h"
#include "base/say.h"
#include "base/sha256.h"
#include "base/tree.h"
#include "run/fingerprint.h"
#include "run/program.h"
#include "run/rundir.h"
#include "schema/contract.h"
#include "schema/later.h"

static const char *const sections[] = { "trainer", "scorer", NULL };

/* What braces in words may hold. */
static const char *const placeholders[] = { "seed", "spec", "data", "out", "keep", "threads", "run_uid", NULL };

const struct bind program_keys[] = {
	BIND(struct program, "command", command),
	BIND(struct program, "set", set),
	BIND(struct program, "files", files),
	BIND(struct program, "program", program),
	BIND(struct program, "executable", executable),
	BIND(struct program, "params", params),
	BIND(struct program, "env", env),
	BIND(struct program, "max_bytes", max_bytes),
	BIND_END,
};

const struct bind program_trainer_keys[] = {
	BIND(struct program, "gives", gives),
	BIND(struct program, "reads", reads),
	BIND_END,
};

int
program_read(struct program *p, const json_t *spec, const char *section)
{
	const struct bind *const tables[] = { program_keys, program_trainer_keys }, *row;
	const json_t *rules = jsonio_get(contract_at("spec", section), "properties"), *rule;
	json_t *keys = json_object_get(spec, section);
	size_t i;

	memset(p, 0, sizeof(*p));
	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (row = tables[i]; row->path != NULL; row++)
			if ((rule = json_object_get(rules, row->path)) != NULL)
				(void)bind_set(row, p, later_or_default(rule, json_object_get(keys, row->path)));
	return (json_array_size(p->command) != 0);
}

const char *
program_pattern(const char *text, int *last)
{
	*last = strncmp(text, "last:", 5) == 0;
	return (text + (*last ? 5 : 0));
}

int
program_expand(struct str *out, const char *word, const json_t *values)
{
	const char *end, *value;
	char name[32];
	size_t n;

	for (; *word != '\0'; word = end) {
		if (*word != '{') {
			end = word + strcspn(word, "{");
			if (str_add(out, word, (size_t)(end - word)) == -1)
				return (-1);
			continue;
		}
		if (word[1] == '{') {
			end = word + 2;
			if (str_puts(out, "{") == -1)
				return (-1);
			continue;
		}
		n = strcspn(word + 1, "}");
		if (word[1 + n] == '\0' || n >= sizeof(name))
			goto err0;
		memcpy(name, word + 1, n);
		name[n] = '\0';
		if ((value = json_string_value(json_object_get(values, name))) == NULL)
			goto err0;
		if (str_puts(out, value) == -1)
			return (-1);
		end = word + n + 2;
	}
	return (str_puts(out, ""));
err0:
	errno = EINVAL;
	return (-1);
}

/* --- what it said ---------------------------------------------------------- */

char *
program_log(int dirfd, const char *name, size_t max_bytes)
{
	char *log;
	size_t n, i;

	if ((log = file_read(dirfd, name, max_bytes, &n)) == NULL)
		return (NULL);
	for (i = 0; i < n; i++)
		if (log[i] == '\0' || log[i] == '\r')
			log[i] = '\n';
	return (log);
}

int
program_number(const char *text, char *log, char said[PROGRAM_NUMBER_SIZE], double *value, int *found)
{
	char *line, *end, ends;
	regmatch_t at[2];
	int last, matches, error;
	regex_t re;
	size_t n;

	*found = 0;
	if ((error = pattern_compile(&re, program_pattern(text, &last), 0)) != 0) {
		errno = error == REG_ESPACE ? ENOMEM : EINVAL;
		return (-1);
	}
	for (line = log; *line != '\0'; line = *end == '\0' ? end : end + 1) {
		end = line + strcspn(line, "\n");
		/* To match takes the square of a line's length. */
		if (end - line > PROGRAM_LINE_BYTES)
			continue;
		ends = *end;
		*end = '\0';
		matches = regexec(&re, line, 2, at, 0) == 0;
		*end = ends;
		if (!matches || at[1].rm_so == -1)
			continue;
		++*found;
		n = (size_t)(at[1].rm_eo - at[1].rm_so);
		snprintf(said, PROGRAM_NUMBER_SIZE, "%.*s", (int)n, line + at[1].rm_so);
		if (n >= PROGRAM_NUMBER_SIZE || num_f64(said, -1e300, 1e300, value) == -1) {
			regfree(&re);
			errno = ERANGE;
			return (-1);
		}
	}
	regfree(&re);
	return (0);
}

/* --- its code -------------------------------------------------------------- */

static int
is_in(const json_t *list, const json_t *entry)
{
	size_t i;

	for (i = 0; i < json_array_size(list); i++)
		if (json_equal(json_array_get(list, i), entry))
			return (1);
	return (0);
}

int
program_code(const json_t *spec, int ours, uint64_t *bytes, char hex[SHA256_HEX_SIZE])
{
	static const char *const sections[] = { "trainer.program", "scorer.program" };
	const struct fingerprint_file *f;
	struct str lines = STR_INIT;
	const char *code;
	json_t *entry;
	size_t i, k;
	int rc = 0;

	*bytes = 0;
	if (ours)
		fingerprint_code(bytes, &code);
	for (i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		json_array_foreach(jsonio_get(spec, sections[i]), k, entry) {
			/* A file of both sections is one file. */
			if (i == 1 && is_in(jsonio_get(spec, sections[0]), entry))
				continue;
			*bytes += (uint64_t)jsonio_i64(entry, "bytes", 0);
			rc |= str_printf(&lines, "%s  %s\n", jsonio_text(entry, "sha256", ""),
			    jsonio_text(entry, "file", ""));
		}
	for (f = fingerprint_code_files(); ours && f->path != NULL; f++)
		rc |= str_printf(&lines, "%s  %s\n", f->sha256, f->path);
	rc |= sha256_hex(lines.p == NULL ? "" : lines.p, lines.n, hex);
	str_free(&lines);
	if (rc != 0)
		errno = ENOMEM;
	return (rc == 0 ? 0 : -1);
}

/* --- resolving ------------------------------------------------------------ */

static int __attribute__((format(printf, 1, 2))) wrong(const char *format, ...)
{
	char text[768];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	say_error("%s", text);
	errno = EINVAL;
	return (-1);
}

static int
out_of_memory(void)
{
	errno = ENOMEM;
	say_errno("cannot build a spec");
	return (-1);
}

int
program_owns(const char *name)
{
	static const char *const names[] = { RUNDIR_SPEC, PROGRAM_FIFO, PROGRAM_TEMPORARY, PROGRAM_DOCS,
		RUNDIR_SCORE_DOCS };
	size_t i, n = strcspn(name, "/");

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0)
			return (1);
	return (0);
}

/* Do the braces of a word hold what they may? */
static int
check_word(const char *section, const char *key, const char *word)
{
	json_t *values = json_object();
	struct str out = STR_INIT;
	int i, rc;

	for (i = 0; placeholders[i] != NULL; i++)
		json_object_set_new(values, placeholders[i], json_string(""));
	rc = program_expand(&out, word, values);
	json_decref(values);
	str_free(&out);
	if (rc == -1 && errno == EINVAL)
		return (
		    wrong("%s.%s: '%s' has braces that hold none of seed, spec, data, out, keep, threads and run_uid; "
			  "a brace that is meant as one is written {{",
			section, key, word));
	return (rc == -1 ? out_of_memory() : 0);
}

/* Is that one of the variables by which a program is told of its run? */
static int
is_told(const char *name)
{
	return (strncmp(name, "HOMEGOLF_", 9) == 0);
}

static int
check_words(const char *section, const struct program *p)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
	const char *name, *word;
	json_t *v;
	size_t i;

	for (i = 0; i < json_array_size(p->command); i++) {
		word = json_string_value(json_array_get(p->command, i));
		if (i == 0 && (*word == '\0' || strchr(word, '{') != NULL))
			return (wrong("%s.command: its first word, '%s', must name a program", section, word));
		if (check_word(section, "command", word) == -1)
			return (-1);
	}
	json_object_foreach((json_t *)(uintptr_t)p->set, name, v) {
		if (*name == '\0' || (*name >= '0' && *name <= '9') || strspn(name, letters) != strlen(name))
			return (wrong("%s.set: '%s' can't name an environment variable", section, name));
		if (is_told(name))
			return (wrong("%s.set: '%s' tells the program what the spec says, and nothing else", section,
			    name));
		if (check_word(section, "set", json_string_value(v)) == -1)
			return (-1);
	}
	json_array_foreach((json_t *)(uintptr_t)p->env, i, v)
		if (is_told(json_string_value(v)))
			return (wrong("%s.env: '%s' tells the program what the spec says, and nothing else", section,
			    json_string_value(v)));
	return (0);
}

/* What a log may be read for: the names of metrics in a policy. */
static const char *const metrics[] = { "val_loss", "val_bpb", "val_bpb_raw", "value", NULL };

static int
refers_back(const char *pattern)
{
	for (; *pattern != '\0'; pattern++)
		if (*pattern == '\\' && *++pattern >= '1' && *pattern <= '9')
			return (1);
		else if (*pattern == '\0')
			break;
	return (0);
}

static int
check_reads(const struct program *p)
{
	const char *name;
	char reason[200];
	regex_t pattern;
	size_t groups;
	json_t *v;
	int last, error;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)p->reads, name, v) {
		for (i = 0; metrics[i] != NULL && strcmp(metrics[i], name) != 0; i++)
			continue;
		if (metrics[i] == NULL)
			return (wrong("trainer.reads: '%s' is none of val_loss, val_bpb, val_bpb_raw and value", name));
		error = pattern_compile(&pattern, program_pattern(json_string_value(v), &last), 0);
		if (error != 0) {
			regerror(error, &pattern, reason, sizeof(reason));
			return (wrong("trainer.reads: '%s' is no extended regular expression: %s", json_string_value(v),
			    reason));
		}
		groups = pattern.re_nsub;
		regfree(&pattern);
		/* No extended regular expression of POSIX has them, and to match one may take for ever. */
		if (refers_back(json_string_value(v)))
			return (wrong("trainer.reads: '%s' refers back to a group, which takes for ever",
			    json_string_value(v)));
		if (groups != 1)
			return (
			    wrong("trainer.reads: '%s' has %zu groups in parentheses; the number is in the one group",
				json_string_value(v), groups));
	}
	return (0);
}

/* Rules between keys. */
static int
check_rules(const json_t *spec, const struct program *trainer, int trains, int scores)
{
	int external = strcmp(jsonio_text(spec, "system.backend", ""), "external") == 0;

	if (external && !trains)
		return (wrong("system.backend=external needs trainer.command, a JSON array of words: "
			      "-s 'trainer.command=[\"python3\", \"train.py\"]'"));
	if (!external && (json_object_get(spec, "trainer") != NULL || json_object_get(spec, "scorer") != NULL))
		return (wrong("trainer.* and scorer.* are for system.backend=external, not %s",
		    jsonio_text(spec, "system.backend", "")));
	if (!external)
		return (0);
	if (strcmp(trainer->gives, "artifact") == 0 && !scores)
		return (wrong("trainer.gives=artifact needs scorer.command, which scores what the trainer leaves"));
	if (strcmp(trainer->gives, "artifact") != 0 && scores)
		return (wrong("scorer.command is for trainer.gives=artifact, not %s", trainer->gives));
	if (strcmp(trainer->gives, "claim") == 0 && json_object_size(trainer->reads) == 0)
		return (wrong("trainer.gives=claim needs trainer.reads: where the log tells the score"));
	if (strcmp(trainer->gives, "claim") != 0 && json_object_size(trainer->reads) != 0)
		return (wrong("trainer.reads is for trainer.gives=claim, not %s", trainer->gives));
	return (0);
}

/* How a file is known below PROGRAM_DIR: as it was named, if that leads nowhere else, or by its last name. */
static const char *
name_of(const char *path)
{
	const char *p, *slash = strrchr(path, '/');

	while (strncmp(path, "./", 2) == 0)
		path += 2;
	if (*path == '/')
		return (slash + 1);
	for (p = path; p != NULL; p = strchr(p, '/') == NULL ? NULL : strchr(p, '/') + 1)
		if (*p == '.' || *p == '\0' || *p == '/')
			return (slash == NULL ? path : slash + 1);
	return (path);
}

/*
 * Where to take the i-th file from, and its name: as it was named, or, if that came with a base, where the base's run
 * keeps it.
 */
static int
locate(const json_t *base, const char *base_file, const char *path, size_t i, char from[PATH_MAX], const char **name)
{
	const json_t *had = json_array_get(json_object_get(base, "program"), i);
	char hex[SHA256_HEX_SIZE];
	const char *slash;
	uint64_t bytes;

	*name = name_of(path);
	if (had != NULL) {
		*name = jsonio_text(had, "file", "");
		slash = strrchr(base_file, '/');
		if (snprintf(from, PATH_MAX, "%.*s%s/%s", slash == NULL ? 0 : (int)(slash - base_file) + 1, base_file,
			PROGRAM_DIR, *name) < PATH_MAX &&
		    sha256_at(AT_FDCWD, from, hex, &bytes) == 0 && strcmp(hex, jsonio_text(had, "sha256", "")) == 0)
			return (0);
		if (sha256_at(AT_FDCWD, path, hex, &bytes) == 0 && strcmp(hex, jsonio_text(had, "sha256", "")) != 0) {
			say_error("'%s' is not as '%s' has it; where it is meant as it is now, name the files anew",
			    path, base_file);
			errno = EBADMSG;
			return (-1);
		}
	}
	snprintf(from, PATH_MAX, "%s", path);
	return (0);
}

/* Digest the files of a section; their absolute paths and what they are go into it. */
static int
put_files(json_t *section, const char *what, const json_t *base, const char *base_file)
{
	json_t *files = json_object_get(section, "files"), *paths = json_array(), *program = json_array(), *v;
	char from[PATH_MAX], real[PATH_MAX], hex[SHA256_HEX_SIZE];
	int64_t total = 0;
	const char *name;
	uint64_t bytes;
	size_t i, j;

	if (json_array_size(files) == 0) {
		json_decref(paths);
		json_decref(program);
		return (0);
	}
	json_array_foreach(files, i, v) {
		if (locate(base, base_file, json_string_value(v), i, from, &name) == -1)
			goto err0;
		if (realpath(from, real) == NULL || sha256_at(AT_FDCWD, real, hex, &bytes) == -1) {
			if (errno == EISDIR)
				errno = EISNAM;
			say_errno("%s.files: cannot read '%s'", what, json_string_value(v));
			/* A name that leads nowhere is a wrong value. */
			if (errno == ENOENT || errno == ENOTDIR || errno == EISNAM)
				errno = EINVAL;
			goto err0;
		}
		if (*name == '\0' || strlen(name) > 255) {
			wrong("%s.files: '%s' has no name that a copy could have", what, from);
			goto err0;
		}
		if (program_owns(name)) {
			wrong("%s.files: '%s' can't be a program's file: its directory has something else of that name",
			    what, name);
			goto err0;
		}
		for (j = 0; j < i; j++)
			if (strcmp(jsonio_text(json_array_get(program, j), "file", ""), name) == 0) {
				wrong("%s.files: two files would be called '%s'", what, name);
				goto err0;
			}
		if ((total += (int64_t)bytes) > PROGRAM_MAX_BYTES) {
			wrong("%s.files: together over %lld bytes; a program's own files are meant, not its data", what,
			    (long long)PROGRAM_MAX_BYTES);
			goto err0;
		}
		if (json_array_append_new(paths, json_string(real)) == -1 ||
		    json_array_append_new(program,
			json_pack("{s:s, s:I, s:s}", "file", name, "bytes", (json_int_t)bytes, "sha256", hex)) == -1) {
			out_of_memory();
			goto err0;
		}
	}
	json_object_set_new(section, "files", paths);
	json_object_set_new(section, "program", program);
	return (0);
err0:
	json_decref(paths);
	json_decref(program);
	return (-1);
}

/* The path of the file that this word is, as it lies in the program's directory; NULL if it is none. */
static const char *
own_file(const json_t *section, const char *word)
{
	const json_t *program = json_object_get(section, "program");
	size_t i;

	if (strchr(word, '/') == NULL)
		return (NULL);
	while (strncmp(word, "./", 2) == 0)
		word += 2;
	for (i = 0; i < json_array_size(program); i++)
		if (strcmp(jsonio_text(json_array_get(program, i), "file", ""), word) == 0)
			return (json_string_value(json_array_get(json_object_get(section, "files"), i)));
	return (NULL);
}

static int
runs(const char *path)
{
	struct stat st;

	return (stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0);
}

/* Find the command's first word, as a shell would here and now. */
static int
put_executable(json_t *section, const char *what, const char *word)
{
	const char *p = getenv("PATH"), *end, *own;
	char path[PATH_MAX], real[PATH_MAX];

	if ((own = own_file(section, word)) != NULL)
		return (runs(own) ? 0 :
				    wrong("%s.command: '%s' is not executable: chmod +x it, or name its interpreter "
					  "before it",
					what, own));
	if (strchr(word, '/') != NULL) {
		if (!runs(word) || realpath(word, real) == NULL)
			return (wrong("%s.command: '%s' is no program that can be run, nor one of %s.files", what, word,
			    what));
		return (json_object_set_new(section, "executable", json_string(real)) == -1 ? out_of_memory() : 0);
	}
	for (; p != NULL; p = *end == '\0' ? NULL : end + 1) {
		end = p + strcspn(p, ":");
		snprintf(path, sizeof(path), "%.*s/%s", (int)(end - p), p, word);
		/* Not the file behind links: a virtual environment's python is known by its own path. */
		if (*path == '/' && runs(path))
			return (
			    json_object_set_new(section, "executable", json_string(path)) == -1 ? out_of_memory() : 0);
	}
	return (wrong("%s.command: there is no program '%s' in PATH", what, word));
}

int
program_resolve(json_t *spec, const json_t *base, const json_t *set, const char *base_file)
{
	struct program p[2];
	int i, anew, there[2];
	json_t *section;

	for (i = 0; sections[i] != NULL; i++) {
		/* Files that are named anew are meant as they are now, not as the base's run keeps them. */
		anew = json_object_get(json_object_get(set, sections[i]), "files") != NULL;
		if ((section = json_object_get(spec, sections[i])) != NULL &&
		    put_files(section, sections[i], anew ? NULL : json_object_get(base, sections[i]), base_file) == -1)
			return (-1);
		if ((there[i] = program_read(&p[i], spec, sections[i])) == 0)
			continue;
		if (check_words(sections[i], &p[i]) == -1 ||
		    put_executable(section, sections[i], json_string_value(json_array_get(p[i].command, 0))) == -1)
			return (-1);
	}
	if (check_rules(spec, &p[0], there[0], there[1]) == -1)
		return (-1);
	return (check_reads(&p[0]));
}

/* --- copying -------------------------------------------------------------- */

static int
copy_file(const char *from, const json_t *entry, int dirfd)
{
	const char *name = jsonio_text(entry, "file", "");
	char hex[SHA256_HEX_SIZE], *text;
	struct stat st;
	int fd, rc = -1;
	size_t n;

	if ((text = file_read(AT_FDCWD, from, (size_t)PROGRAM_MAX_BYTES, &n)) == NULL || stat(from, &st) == -1 ||
	    sha256_hex(text, n, hex) == -1) {
		say_errno("cannot read '%s'", from);
		goto err0;
	}
	if (strcmp(hex, jsonio_text(entry, "sha256", "")) != 0) {
		say_error("'%s' was changed just now", from);
		errno = EBADMSG;
		goto err0;
	}
	/* Until spec.json stands this is no run, so nobody sees it half written. */
	if (tree_make_way(dirfd, name) == -1 || (unlinkat(dirfd, name, 0) == -1 && errno != ENOENT) ||
	    (fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 0111 ? 0777 : 0666)) == -1)
		goto err1;
	rc = file_write_all(fd, text, n) == -1 || fsync(fd) == -1 ? -1 : 0;
	if (close(fd) == -1 || rc == -1)
		goto err1;
	free(text);
	return (0);
err1:
	rc = -1;
	say_errno("cannot write '%s/%s'", PROGRAM_DIR, name);
err0:
	free(text);
	return (rc);
}

int
program_copy(const json_t *spec, int rundir)
{
	const json_t *files, *program;
	int i, fd = -1, rc = -1;
	size_t k;

	for (i = 0; sections[i] != NULL; i++) {
		files = jsonio_get(json_object_get(spec, sections[i]), "files");
		program = jsonio_get(json_object_get(spec, sections[i]), "program");
		if (json_array_size(program) == 0)
			continue;
		if (fd == -1 &&
		    ((mkdirat(rundir, PROGRAM_DIR, 0777) == -1 && errno != EEXIST) ||
			(fd = openat(rundir, PROGRAM_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1)) {
			say_errno("cannot create '%s'", PROGRAM_DIR);
			return (-1);
		}
		for (k = 0; k < json_array_size(program); k++)
			if (copy_file(json_string_value(json_array_get(files, k)), json_array_get(program, k), fd) ==
			    -1)
				goto done;
	}
	rc = 0;
	if (fd != -1 && (rc = atomfile_sync_dir(fd)) == -1)
		say_errno("cannot sync '%s'", PROGRAM_DIR);
done:
	if (fd != -1)
		close(fd);
	return (rc);
}
