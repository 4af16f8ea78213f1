/* lib/base: numbers, JSON text, clocks, identities and the file verbs. Prints TAP. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/array.h"
#include "base/atomfile.h"
#include "base/bpb.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/jsonio.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/process.h"
#include "base/rng.h"
#include "base/say.h"
#include "base/shell.h"
#include "base/spread.h"
#include "base/str.h"
#include "base/utf8.h"
#include "t/unit/tap.h"

static void
numbers(void)
{
	uint64_t u = 7;
	int64_t i = 7;
	double f = 7;

	tap_ok(num_u64("18446744073709551615", 0, UINT64_MAX, &u) == 0 && u == UINT64_MAX, "the largest u64 is read");
	tap_ok(num_u64("18446744073709551616", 0, UINT64_MAX, &u) == -1 && errno == ERANGE, "one more is out of range");
	tap_ok(num_u64("-1", 0, 9, &u) == -1 && errno == EINVAL, "a negative u64 is no number");
	tap_ok(num_u64(" 1", 0, 9, &u) == -1 && num_u64("1 ", 0, 9, &u) == -1 && num_u64("", 0, 9, &u) == -1 &&
		num_u64("0x1", 0, 9, &u) == -1 && num_u64("1e0", 0, 9, &u) == -1,
	    "blanks, hexadecimal and exponents are no u64");
	tap_ok(num_i64("-9", -9, 9, &i) == 0 && i == -9 && num_i64("-10", -9, 9, &i) == -1, "i64 has both bounds");
	tap_ok(num_f64("1e-3", 0, 1, &f) == 0 && f == 1e-3, "a double is read");
	tap_ok(num_f64("nan", -1e308, 1e308, &f) == -1 && num_f64("inf", -1e308, 1e308, &f) == -1 &&
		num_f64("1e999", -1e308, 1e308, &f) == -1 && num_f64("0x1p3", 0, 99, &f) == -1,
	    "nan, inf, overflow and hexadecimal are refused");
	tap_ok(num_duration_ms("1.5", 10000, &i) == 0 && i == 1500 && num_duration_ms("2m", 1000000, &i) == 0 &&
		i == 120000,
	    "durations take seconds and m");
	tap_ok(num_duration_ms("0", 1000, &i) == -1 && errno == ERANGE, "a duration is never zero");
}

static void
processes(void)
{
	const char *const says[] = { "sh", "-c", "read line; echo \"$line\"; exit 7", NULL },
			  *const none[] = { "no such tool", NULL };
	const int nowhere[3] = { -1, -1, -1 };
	int in[2], out[2], status;
	char text[16] = "";
	pid_t pid;

	if (pipe(in) == -1 || pipe(out) == -1)
		return;
	pid = process_start(says, AT_FDCWD, (const int[3]){ in[0], out[1], -1 });
	close(out[1]);
	tap_ok(pid > 0 && write(in[1], "hello\n", 6) == 6 && read(out[0], text, 6) == 6 && strcmp(text, "hello\n") == 0,
	    "a program has the descriptors that it was given");
	status = process_wait(pid);
	tap_ok(WIFEXITED(status) && WEXITSTATUS(status) == 7, "and its end is waited for");
	tap_ok(process_start(none, AT_FDCWD, nowhere) == -1 && errno == ENOENT, "a program that is not there is none");
}

static void
arrays(void)
{
	int *few = NULL, *more = NULL, *p, kept = 1;
	size_t cap = 0, i;

	for (i = 0; i < 1000; i++) {
		if ((p = array_few(few, i, sizeof(*p))) != NULL)
			(few = p)[i] = (int)i;
		if ((p = array_room(more, i, &cap, sizeof(*p))) != NULL)
			(more = p)[i] = (int)i;
	}
	for (i = 0; i < 1000; i++)
		kept &= few[i] == (int)i && more[i] == (int)i;
	tap_ok(kept && cap >= 1000, "arrays keep what they hold while they grow");
	free(few);
	free(more);
}

/* RFC 8785, appendix B: all of its samples that are numbers. */
static void
canonical_numbers(void)
{
	static const struct {
		uint64_t bits;
		const char *text;
	} samples[] = {
		{ 0x0000000000000000, "0" },
		{ 0x8000000000000000, "0" },
		{ 0x0000000000000001, "5e-324" },
		{ 0x8000000000000001, "-5e-324" },
		{ 0x7fefffffffffffff, "1.7976931348623157e+308" },
		{ 0xffefffffffffffff, "-1.7976931348623157e+308" },
		{ 0x4340000000000000, "9007199254740992" },
		{ 0xc340000000000000, "-9007199254740992" },
		{ 0x4430000000000000, "295147905179352830000" },
		{ 0x44b52d02c7e14af5, "9.999999999999997e+22" },
		{ 0x44b52d02c7e14af6, "1e+23" },
		{ 0x44b52d02c7e14af7, "1.0000000000000001e+23" },
		{ 0x444b1ae4d6e2ef4e, "999999999999999700000" },
		{ 0x444b1ae4d6e2ef4f, "999999999999999900000" },
		{ 0x444b1ae4d6e2ef50, "1e+21" },
		{ 0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7" },
		{ 0x3eb0c6f7a0b5ed8d, "0.000001" },
		{ 0x41b3de4355555553, "333333333.3333332" },
		{ 0x41b3de4355555554, "333333333.33333325" },
		{ 0x41b3de4355555555, "333333333.3333333" },
		{ 0x41b3de4355555556, "333333333.3333334" },
		{ 0x41b3de4355555557, "333333333.33333343" },
		{ 0xbecbf647612f3696, "-0.0000033333333333333333" },
		{ 0x43143ff3c1cb0959, "1424953923781206.2" },
	};
	json_t *v;
	double x;
	char *s;
	size_t i;

	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		memcpy(&x, &samples[i].bits, sizeof(x));
		v = json_real(x);
		s = jsonio_canonical(v);
		tap_ok(s != NULL && strcmp(s, samples[i].text) == 0, "%016llx is %s as RFC 8785 has it",
		    (unsigned long long)samples[i].bits, samples[i].text);
		free(s);
		json_decref(v);
	}
	tap_ok(json_real(NAN) == NULL && json_real(INFINITY) == NULL && json_real(-INFINITY) == NULL &&
		json_is_null(jsonio_real(NAN)),
	    "what is no number cannot get into JSON");
}

/* RFC 8785, 3.2.2 and 3.2.3: its two samples. */
static void
canonical_texts(void)
{
	static const char *const samples[][2] = {
		{ "{\"numbers\": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],"
		  "\"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\","
		  "\"literals\": [null, true, false]}",
		    "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
		    "\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}" },
		{ "{\"\\u20ac\": \"Euro Sign\", \"\\r\": \"Carriage Return\","
		  "\"\\ufb33\": \"Hebrew Letter Dalet With Dagesh\", \"1\": \"One\","
		  "\"\\ud83d\\ude00\": \"Emoji: Grinning Face\", \"\\u0080\": \"Control\","
		  "\"\\u00f6\": \"Latin Small Letter O With Diaeresis\"}",
		    "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\","
		    "\"\xc3\xb6\":\"Latin Small Letter O With Diaeresis\",\"\xe2\x82\xac\":\"Euro Sign\","
		    "\"\xf0\x9f\x98\x80\":\"Emoji: Grinning Face\","
		    "\"\xef\xac\xb3\":\"Hebrew Letter Dalet With Dagesh\"}" },
	};
	json_t *v;
	size_t i;
	char *s;

	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		v = jsonio_parse(samples[i][0], strlen(samples[i][0]), "sample");
		s = jsonio_canonical(v);
		tap_ok(s != NULL && strcmp(s, samples[i][1]) == 0, "RFC 8785's sample of %s gives its bytes",
		    i == 0 ? "values" : "keys by UTF-16 code units");
		free(s);
		json_decref(v);
	}
}

static void
rates(void)
{
	/* Loss, tokens and bytes that a receipt gave, with the rate of an independent implementation. */
	tap_ok(bpb_of_loss(10.64899006955549, 62021632, 151080363) == 6.306931747817168,
	    "bits per byte of a mean loss are those of the reference, to the last bit");
	tap_ok(bpb_of_sum(1004.5, 777) == 1.8651057510591555,
	    "a sum becomes bits first and is divided then: the last bit says so");
	tap_ok(bpb_bits(0.69314718055994531) == 1 && bpb_nats(1) == 0.69314718055994531,
	    "ln 2 nats are a bit, there and back");
	tap_ok(bpb_token_bytes(0.69314718055994531 * 3, 1.5) == 2,
	    "three bits a token at 1.5 a byte: tokens of two bytes");
	tap_ok(isnan(bpb_of_loss(NAN, 1, 1)) && isinf(bpb_of_sum(1, 0)), "what is not finite stays so");
}

/* Bytes, and the character that they begin with; length 0: none. */
static void
letters(void)
{
	static const struct {
		const char *bytes;
		size_t n, length;
		uint32_t c;
		const char *what;
	} cases[] = {
		{ "", 0, 0, 0, "nothing is no character" },
		{ "", 1, 1, 0, "NUL is one" },
		{ "a", 1, 1, 'a', "a letter of ASCII" },
		{ "\x7f", 1, 1, 0x7f, "the last of one byte" },
		{ "\x80", 1, 0, 0, "a byte that continues begins none" },
		{ "\xbf\x80", 2, 0, 0, "nor does the last such" },
		{ "\xc0\x80", 2, 0, 0, "an overlong NUL" },
		{ "\xc1\xbf", 2, 0, 0, "the last overlong form of two bytes" },
		{ "\xc2\x80", 2, 2, 0x80, "the first of two bytes" },
		{ "\xdf\xbf", 2, 2, 0x7ff, "the last of two bytes" },
		{ "\xc3\xa9z", 3, 2, 0xe9, "what follows is not looked at" },
		{ "\xc3z", 2, 0, 0, "a second byte that is a letter" },
		{ "\xe0\x9f\xbf", 3, 0, 0, "the last overlong form of three bytes" },
		{ "\xe0\xa0\x80", 3, 3, 0x800, "the first of three bytes" },
		{ "\xed\x9f\xbf", 3, 3, 0xd7ff, "the last before the surrogates" },
		{ "\xed\xa0\x80", 3, 0, 0, "the first surrogate" },
		{ "\xed\xbf\xbf", 3, 0, 0, "the last surrogate" },
		{ "\xee\x80\x80", 3, 3, 0xe000, "the first after the surrogates" },
		{ "\xef\xbf\xbf", 3, 3, 0xffff, "the last of three bytes" },
		{ "\xe2\x82z", 3, 0, 0, "a third byte that is a letter" },
		{ "\xf0\x8f\xbf\xbf", 4, 0, 0, "the last overlong form of four bytes" },
		{ "\xf0\x90\x80\x80", 4, 4, 0x10000, "the first of four bytes" },
		{ "\xf0\x9f\x98\x80", 4, 4, 0x1f600, "a face" },
		{ "\xf4\x8f\xbf\xbf", 4, 4, 0x10ffff, "the last character of all" },
		{ "\xf4\x90\x80\x80", 4, 0, 0, "one past U+10FFFF" },
		{ "\xf5\x80\x80\x80", 4, 0, 0, "a first byte past all" },
		{ "\xff", 1, 0, 0, "a byte that UTF-8 never has" },
		{ "\xf0\x9f\x98z", 4, 0, 0, "a fourth byte that is a letter" },
		{ "\xc3\xa9", 1, 0, 0, "two bytes cut after one" },
		{ "\xe2\x82\xac", 2, 0, 0, "three bytes cut after two" },
		{ "\xf0\x9f\x98\x80", 3, 0, 0, "four bytes cut after three" },
		{ "\xf0\x9f", 4, 0, 0, "four bytes that a NUL cuts" },
	};
	char utf8[UTF8_MAX_BYTES];
	uint32_t c;
	size_t i, n;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		c = 0xdead;
		n = utf8_read(cases[i].bytes, cases[i].n, &c);
		tap_ok(n == cases[i].length && c == (n == 0 ? 0xdead : cases[i].c) &&
			utf8_read(cases[i].bytes, cases[i].n, NULL) == n,
		    "UTF-8: %s", cases[i].what);
		if (n != 0 && cases[i].length == n)
			tap_ok(utf8_write(utf8, cases[i].c) == n && memcmp(utf8, cases[i].bytes, n) == 0,
			    "UTF-8 written: %s", cases[i].what);
	}
	tap_ok(utf8_count("\xc3\xa9\xe2\x82\xac\0z", 7) == 4 && utf8_count("", 0) == 0,
	    "characters are counted, NUL too");
	tap_ok(utf8_cut("a\xe2\x82\xacz", 1) == 1 && utf8_cut("a\xe2\x82\xacz", 2) == 1 &&
		utf8_cut("a\xe2\x82\xacz", 3) == 1 && utf8_cut("a\xe2\x82\xacz", 4) == 4,
	    "a text is cut between characters");
	tap_ok(utf8_punctuation("\xe2\x80\x94 x") == 3 && utf8_punctuation("\xc2\xa0") == 2 &&
		utf8_punctuation("\xef\xbc\x9a") == 3 && utf8_punctuation("- x") == 0 && utf8_punctuation("") == 0 &&
		utf8_punctuation("\xe2\x80") == 0 && utf8_punctuation("\xe2\x86\x92") == 0 &&
		utf8_punctuation("\xc3\xa9") == 0,
	    "a dash, a blank and a colon beyond ASCII part words, an arrow, a letter and a cut character do not");
	tap_ok(utf8_cut("\x80\x80\x80\x80\x80\x80\x80", 6) == 2 && utf8_cut("\x80\x80", 1) == 0,
	    "what is no text loses four bytes at most");
}

static void
hashes(void)
{
	struct hash t = { 0 };
	uint64_t crowd;
	size_t at = 0, i, *found, wrong = 0;

	/* The authors' own vectors. */
	tap_ok(hash_text("") == UINT64_C(0xcbf29ce484222325) && hash_text("a") == UINT64_C(0xaf63dc4c8601ec8c) &&
		hash_text("foobar") == UINT64_C(0x85944171f73967e8),
	    "FNV-1a is what its authors say");
	tap_ok(hash_bytes(HASH_START, "foobar", 6) == UINT64_C(0x85944171f73967e8) &&
		hash_bytes(hash_text("foo"), "bar", 3) == UINT64_C(0x85944171f73967e8) &&
		hash_bytes(HASH_START, "\0", 1) == UINT64_C(0xaf63bd4c8601b7df),
	    "it goes on where it stopped, and over NULs");
	tap_ok(hash_find(&t, 7, &at) == NULL, "an empty table holds nothing");
	/* Multiples of a large power of two all want one place; those near the top go round the end. */
	for (i = 1; i <= 3000; i++) {
		crowd = i % 3 == 0 ? i << 32 | 63 : i * UINT64_C(0x9e3779b97f4a7c15);
		wrong += hash_add(&t, crowd, i) != 0 || (i % 5 == 0 && hash_add(&t, crowd, 10000 + i) != 0);
	}
	for (i = 1; i <= 3000; i++) {
		crowd = i % 3 == 0 ? i << 32 | 63 : i * UINT64_C(0x9e3779b97f4a7c15);
		at = 0;
		found = hash_find(&t, crowd, &at);
		wrong += found == NULL || *found != i;
		found = hash_find(&t, crowd, &at);
		wrong += i % 5 == 0 ? found == NULL || *found != 10000 + i : found != NULL;
		at = 0;
		wrong += hash_find(&t, crowd + ((uint64_t)1 << 31), &at) != NULL;
	}
	tap_ok(wrong == 0 && t.count == 3600, "each value is found under its hash, in order, and none under another");
	tap_ok(t.size >= 2 * t.count && (t.size & (t.size - 1)) == 0, "at most half of a table is full");
	at = 0;
	*hash_find(&t, UINT64_C(0x9e3779b97f4a7c15), &at) = 77;
	at = 0;
	tap_ok(*hash_find(&t, UINT64_C(0x9e3779b97f4a7c15), &at) == 77, "a value is replaced in its place");
	hash_free(&t);
	at = 0;
	tap_ok(hash_find(&t, UINT64_C(0x9e3779b97f4a7c15), &at) == NULL && hash_add(&t, 1, 1) == 0,
	    "freed, it is empty");
	hash_free(&t);
	/* The last place of the least table, so that the second goes round its end; then it grows. */
	wrong = hash_add(&t, 63, 1) != 0 || hash_add(&t, 63, 2) != 0;
	for (i = 3; i < 40; i++)
		wrong += hash_add(&t, i, i) != 0;
	at = 0;
	found = hash_find(&t, 63, &at);
	wrong += t.size != 128 || found == NULL || *found != 1;
	found = hash_find(&t, 63, &at);
	tap_ok(wrong == 0 && found != NULL && *found == 2, "a table that grows keeps the order round its end");
	hash_free(&t);
}

static void
json(void)
{
	static const struct {
		double x;
		const char *text;
	} cases[] = {
		{ 1, "1" },
		{ -1.5, "-1.5" },
		{ 0.05, "0.05" },
		{ 1e20, "100000000000000000000" },
		{ 1e-7, "1e-7" },
		{ 9007199254740993.0, "9007199254740992" },
		{ 123456.789, "123456.789" },
		{ 1.1920929e-07, "1.1920929e-7" },
		{ 0x1p-1017, "7.120236347223045e-307" },
		{ 0x1p-44, "5.684341886080802e-14" },
		{ -0x1p-24, "-5.960464477539063e-8" },
		/* 15 digits, and those that one more or less would tell wrongly. */
		{ 0.123456789012345, "0.123456789012345" },
		{ -123456789012345e100, "-1.23456789012345e+114" },
		{ 0.1 + 0.2, "0.30000000000000004" },
		{ 2.431213735814008, "2.431213735814008" },
	};
	char text[JSONIO_NUMBER_SIZE];
	json_t *v;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		tap_ok(strcmp(jsonio_number(text, cases[i].x), cases[i].text) == 0, "%s is written as ECMAScript does",
		    cases[i].text);
	v = json_object();
	tap_ok(jsonio_put(v, "a.b.c", json_integer(3)) == 0 && jsonio_i64(v, "a.b.c", 0) == 3 &&
		jsonio_i64(v, "a.x", 9) == 9,
	    "members are put and got by dotted path");
	json_decref(v);
}

/* Is a number written with the fewest digits that read back as it, and with no more zeros than its place asks for? */
static int
is_shortest(double x)
{
	char text[JSONIO_NUMBER_SIZE], digits[40];
	const char *p;
	int n = 0, fewest, zeros = 0;

	jsonio_number(text, x);
	for (fewest = 0; fewest < 17; fewest++) {
		snprintf(digits, sizeof(digits), "%.*e", fewest, x);
		if (strtod(digits, NULL) == x)
			break;
	}
	for (p = text; *p != '\0' && *p != 'e'; p++)
		if (*p >= '0' && *p <= '9' && (n != 0 || *p != '0')) {
			zeros = *p == '0' ? zeros + 1 : 0;
			n++;
		}
	if (strtod(text, NULL) == x && n - zeros <= fewest + 1 && (strchr(text, '.') == NULL || p[-1] != '0') &&
	    (strchr(text, 'e') != NULL) == (fabs(x) < 1e-6 || fabs(x) >= 1e21))
		return (1);
	printf("# %.17g is written %s\n", x, text);
	return (0);
}

static void
shortest(void)
{
	struct rng r;
	unsigned i, wrong = 0;
	char text[64];

	rng_seed(&r, 1, 1);
	for (i = 0; i < 20000; i++) {
		uint64_t n = rng_u64(&r) >> (rng_u64(&r) & 63);
		int place = (int)(rng_u64(&r) % 40) - 30;

		snprintf(text, sizeof(text), "%s%llue%d", i & 1 ? "-" : "", (unsigned long long)(n == 0 ? 1 : n),
		    place);
		wrong += !is_shortest(strtod(text, NULL));
		wrong += !is_shortest(nextafter(strtod(text, NULL), 1e300));
	}
	tap_ok(wrong == 0, "numbers are written with the fewest digits that read back as them");
}

/* --- calls dealt out to processes ------------------------------------------------ */

static int
tell(void *arg, size_t i)
{
	const size_t *dies = arg;

	if (i == *dies)
		raise(SIGKILL);
	printf("%zu of some process\n", i);
	return (i == 100 || i == 777 ? HG_EXIT_CONTRACT : i == 500 ? HG_EXIT_USAGE : HG_EXIT_DONE);
}

/* What is printed by n calls, of which one may die, into out; the exit code. */
static int
told(FILE *out, size_t n, size_t dies)
{
	pid_t pid;

	fflush(stdout);
	if ((pid = fork()) == 0) {
		dup2(fileno(out), 1);
		dies = (size_t)spread(n, tell, &dies);
		fflush(stdout);
		_exit((int)dies);
	}
	return (WEXITSTATUS(process_wait(pid)));
}

static void
spreading(void)
{
	FILE *out = tmpfile();
	size_t i, n, wrong = 0;
	int code;

	code = told(out, 5000, 5000);
	rewind(out);
	for (i = 0; fscanf(out, "%zu of some process\n", &n) == 1; i++)
		wrong += n != i;
	tap_ok(i == 5000 && wrong == 0, "what is dealt out to processes is printed in its order");
	tap_ok(code == HG_EXIT_CONTRACT && told(out, 700, 700) == HG_EXIT_USAGE &&
		told(out, 200, 200) == HG_EXIT_CONTRACT && told(out, 90, 90) == HG_EXIT_DONE,
	    "and the last failure is the whole's");
	tap_ok(proc_cpus() < 2 || told(out, 5000, 300) == HG_EXIT_SYSTEM, "one that dies is missed");
	fclose(out);
}

static void
clocks(void)
{
	char text[CLOCK_TEXT_SIZE];
	int64_t ms = 0;

	tap_ok(strcmp(clock_text(text, 1700000000123), "2023-11-14T22:13:20.123Z") == 0,
	    "a time is written in RFC 3339");
	tap_ok(clock_parse(text, &ms) == 0 && ms == 1700000000123, "and read back");
	tap_ok(clock_parse("2023-02-30T00:00:00.000Z", &ms) == -1 && clock_parse("2023-02-28", &ms) == -1,
	    "a date that is none is refused");
}

static void
identity(void)
{
	struct proc_id me, other;
	pid_t child;
	int fd, fd2, status;

	tap_ok(proc_self(&me) == 0 && proc_alive(&me) == 1, "this process is alive");
	other = me;
	other.start_time++;
	tap_ok(proc_alive(&other) == 0 && proc_signal(&other, 0) == -1 && errno == ESRCH,
	    "a reused pid counts as dead and gets no signal");
	other = me;
	memset(other.boot_id, 'x', 36);
	tap_ok(proc_alive(&other) == 0, "a pid from before a restart counts as dead");
	strcpy(other.host, "elsewhere");
	tap_ok(proc_alive(&other) == -1, "of another host's process nobody can tell");
	if ((child = fork()) == 0)
		_exit(0);
	while (waitid(P_PID, (id_t)child, &(siginfo_t){ 0 }, WEXITED | WNOWAIT) == -1)
		;
	other = me;
	other.pid = child;
	tap_ok(proc_alive(&other) == 0, "a zombie counts as dead");
	waitpid(child, &status, 0);

	fd = open("lock", O_RDWR | O_CREAT, 0644);
	fd2 = open("lock", O_RDWR);
	tap_ok(proc_lock_held(fd2) == 0 && proc_lock(fd) == 0 && proc_lock_held(fd2) == 1,
	    "a lock is seen without being taken");
	tap_ok(proc_lock(fd2) == -1 && errno == EAGAIN && proc_lock_wait(fd2, 5) == -1,
	    "another description can't take it");
	close(open("lock", O_RDONLY));
	tap_ok(proc_lock_held(fd2) == 1, "closing another descriptor does not lose it");
	if ((child = fork()) == 0) {
		pause();
		_exit(0);
	}
	close(fd);
	tap_ok(proc_lock_held(fd2) == 1, "a child that inherited it keeps it held");
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	tap_ok(proc_lock_held(fd2) == 0 && proc_lock(fd2) == 0, "the kernel releases it at death");
	close(fd2);
}

static void
files(void)
{
	const struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	struct atomfile *a;
	struct proc_id me;
	char *p, text[64], *again = NULL;
	struct stat st;
	size_t n, cap = 0, was;

	proc_self(&me);
	tap_ok(atomfile_create(AT_FDCWD, "made", "one", 3) == 0, "create makes a file");
	tap_ok(atomfile_create(AT_FDCWD, "made", "two", 3) == -1 && errno == EEXIST, "create refuses to overwrite");
	p = file_read(AT_FDCWD, "made", 10, &n);
	tap_ok(p != NULL && n == 3 && memcmp(p, "one", 3) == 0, "and leaves what was there");
	free(p);
	tap_ok(stat("made", &st) == 0 && st.st_nlink == 1, "no temporary is left");
	tap_ok(atomfile_replace(AT_FDCWD, "made", "three", 5) == 0 && stat("made", &st) == 0 && st.st_size == 5,
	    "replace replaces");
	tap_ok(atomfile_append(AT_FDCWD, "log", "a\n", 2) == 0 && atomfile_append(AT_FDCWD, "log", "b\n", 2) == 0 &&
		stat("log", &st) == 0 && st.st_size == 4,
	    "append appends");
	tap_ok(file_read(AT_FDCWD, "made", 4, &n) == NULL && errno == EFBIG, "a file over the bound is not read");
	tap_ok(file_read_again(AT_FDCWD, "made", 99, &again, &cap, &n) == 0 && strcmp(again, "three") == 0 && n == 5,
	    "a file is read into room that is kept");
	was = cap;
	tap_ok(file_read_again(AT_FDCWD, "log", 99, &again, &cap, &n) == 0 && strcmp(again, "a\nb\n") == 0 && n == 4 &&
		cap == was && file_read_again(AT_FDCWD, "made", 4, &again, &cap, &n) == -1 && errno == EFBIG,
	    "and the next one into the same, within its bound");
	free(again);
	if (symlink("made", "link") == 0)
		tap_ok(file_read(AT_FDCWD, "link", 99, &n) == NULL && errno == ELOOP,
		    "a symbolic link is not followed");
	if (mkfifo("fifo", 0600) == 0)
		tap_ok(file_read(AT_FDCWD, "fifo", 99, &n) == NULL && errno == EMEDIUMTYPE,
		    "a fifo does not hang a reader");
	close(open(".tmp.made.1.0", O_CREAT | O_WRONLY, 0600));
	close(open(".tmp.other.1.0", O_CREAT | O_WRONLY, 0600));
	tap_ok(atomfile_sweep(AT_FDCWD, "made") == 0 && access(".tmp.made.1.0", F_OK) == -1 &&
		access(".tmp.other.1.0", F_OK) == 0,
	    "a sweep removes the temporaries of one name");
	a = atomfile_begin(AT_FDCWD, "made");
	snprintf(text, sizeof(text), ".tmp.made.%ld-1-%.8s.0", (long)getpid(), me.boot_id);
	close(open(text, O_CREAT | O_WRONLY, 0600));
	close(open(".tmp.made.1-1-00000000.0", O_CREAT | O_WRONLY, 0600));
	close(open(".tmp.made.1-1-00000000.1", O_CREAT | O_WRONLY, 0600));
	tap_ok(utimensat(AT_FDCWD, ".tmp.made.1-1-00000000.1", old, 0) == 0 && atomfile_sweep(AT_FDCWD, "made") == 0 &&
		access(text, F_OK) == -1 && access(".tmp.made.1-1-00000000.0", F_OK) == 0 &&
		access(".tmp.made.1-1-00000000.1", F_OK) == -1,
	    "of a writer that has ended, and of another machine's once it is old, and of no other");
	tap_ok(a != NULL && atomfile_commit(a, ATOMFILE_REPLACE) == 0, "a sweep leaves who is writing alone");
}

/* What sh makes of the word that stands for ${text}; the bytes that could not be shown are counted. */
static int
taken_as(const char *text, const char *wanted)
{
	struct str s = STR_INIT;
	char got[1024], shown[1024];
	FILE *f;
	size_t n;
	int same;

	if (shell_command(&s, "printf %%s %s", text) == -1 || (f = popen(s.p, "r")) == NULL)
		return (0);
	n = fread(got, 1, sizeof(got) - 1, f);
	got[n] = '\0';
	same = pclose(f) == 0 && strcmp(got, wanted) == 0 && strcmp(say_clean(shown, sizeof(shown), s.p), s.p) == 0;
	str_free(&s);
	return (same);
}

static void
shell_words(void)
{
	static const char *const words[] = { "", " ", "a b", "it's", "$(touch x)", "`touch x`", "a;touch x",
		"a&b|c>d<e", "\"$HOME\"", "~", "*", "?[a]", "#", "!!", "\\", "\\n%s%n", "{a,b}", "\033[31m'\\%!",
		"\xff\xc3\xa9", "\xe2\x80\xaegpj.sh",
		("\xc2\x9b"
		 "1m"),
		"a\nb", "\r\b\177", "\xc3\xa9" };
	struct str s = STR_INIT;
	char every[256];
	int i, good = 1;

	for (i = 0; i < (int)(sizeof(words) / sizeof(words[0])); i++)
		if (!taken_as(words[i], words[i])) {
			printf("# %s\n", words[i]);
			good = 0;
		}
	for (i = 1; i < 256; i++)
		every[i - 1] = (char)i;
	every[255] = '\0';
	tap_ok(good && taken_as(every, every),
	    "sh takes a word of a command that is shown as the text that it was, any text");
	tap_ok(taken_as("-rf", "./-rf") && taken_as("a\n", "a\n/"),
	    "a dash begins no option, and a newline at the end of a directory's name stays");
	tap_ok(shell_command(&s, "hg-spec -b %s/spec.json %s.2", "runs/a", "a b") == 0 &&
		strcmp(s.p, "hg-spec -b runs/a/spec.json 'a b'.2") == 0,
	    "what is plain stays plain, and what follows a word belongs to it");
	str_free(&s);
}

static void
others(void)
{
	char out[64];
	struct rng r;
	double sum = 0, sq = 0, x;
	int i;

	tap_ok(strcmp(say_clean(out, sizeof(out), "a\033[2J\xc3\xa9\xff\xe2\x80\xae"),
		   "a\\x1b[2J\xc3\xa9\\xff\\xe2\\x80\\xae") == 0,
	    "control bytes, bad UTF-8 and bidi overrides never reach a terminal");
	rng_seed(&r, 1337, 0);
	for (i = 0; i < 100000; i++) {
		x = rng_normal(&r);
		sum += x;
		sq += x * x;
	}
	tap_ok(fabs(sum / 1e5) < 0.015 && fabs(sq / 1e5 - 1) < 0.02, "normals have mean 0 and variance 1");
	rng_seed(&r, 1, 2);
	tap_ok(rng_u64(&r) != 0 && rng_below(&r, 10) < 10, "below is below");
}

int
main(void)
{
	char dir[] = "/tmp/hg-base.XXXXXX";

	exit_init("base");
	if (mkdtemp(dir) == NULL || chdir(dir) == -1)
		return (HG_EXIT_SYSTEM);
	numbers();
	arrays();
	processes();
	canonical_numbers();
	canonical_texts();
	rates();
	letters();
	hashes();
	json();
	shortest();
	spreading();
	clocks();
	identity();
	files();
	shell_words();
	others();
	if (chdir("/") == 0 && fork() == 0)
		execlp("rm", "rm", "-rf", dir, (char *)NULL);
	return (tap_done());
}
