/*
 * Texts as tokens: what is accepted is what the parser accepts, and the same; what a member is found by; what is left
 * to the parser.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/jsonio.h"
#include "base/jsonscan.h"
#include "t/unit/tap.h"

static struct jsonscan scan = JSONSCAN_INIT;

/* Is it accepted as the parser has it, or declined? 1, 0, or -1: otherwise. */
static int
agrees(const char *text, size_t n)
{
	json_t *theirs, *ours = NULL;
	int rc = 0;

	theirs = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (jsonscan_text(&scan, text, n) == 0 && (ours = jsonscan_tree(&scan)) != NULL)
		rc = theirs != NULL && json_equal(ours, theirs) ? 1 : -1;
	json_decref(ours);
	json_decref(theirs);
	return (rc);
}

static void
texts(void)
{
	static const char *const accepted[] = { "{}", "[]", " [ ] ", "{\"a\": 1}\n", "[1,2.5,-3,-0,0,0.0,-0.0]",
		"[1e3, 1E-3, 1.5e+300, 4.9e-324, 0.1, 1.7976931348623157e308]",
		"[9223372036854775807, -9223372036854775807, 9007199254740993.0, 123456789012345678901234567890.5]",
		/* Past 64 bits, and past the powers of ten that a double holds. */
		"[18446744073709551617.5, 0.000000000000000000000000025, -0.00000000000000000000000000]",
		"[1.4103000000000003, 2.431213735814008, 0.00027978199997543, 8.5, 0.30000000000000004]",
		"[\"\", \"a\", \"exactly8\", \"exactly 9\", \"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 and more\"]",
		"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\", \"a\\\\.b and then more than a word\"]", "[true,false,null,[],{}]",
		"{\"a\":{\"a\":{\"a\":[{\"b\":1},{\"b\":1}]}},\"b\":[[[[]]]]}",
		"{\"seventeen_letters\":1,\"seventeen_lettert\":2,\"\":3}" };
	static const char *const refused[] = { "", " ", "{", "[", "[1", "[1,]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}",
		"{a:1}", "[01]", "[1.]", "[.5]", "[+1]", "[-]", "[1e]", "[1e400]", "[1]x", "[\"\x01\"]", "[\"\n\"]",
		"[\"a]", "[\"\xff\"]", "[\"\xc0\x80\"]", "[\"\xed\xa0\x80\"]", "[\"\\x\"]", "[\"\\", "[tru]", "[nul]",
		"{\"a\":1,\"a\":2}", "{\"long enough\":1,\"b\":2,\"long enough\":3}", "{\"b\":{\"a\":1,\"a\":1}}",
		"[9223372036854775808]", "[99999999999999999999]", "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"\":5,\"\":6}" };
	static const char *const left[] = { "[\"\\u0041\"]", "1", "\"a\"", "[-9223372036854775808]" };
	size_t i, bad;

	for (i = bad = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++)
		if (agrees(accepted[i], strlen(accepted[i])) != 1)
			bad += (size_t)printf("# %s\n", accepted[i]) > 0;
	tap_ok(bad == 0, "what is accepted is what the parser reads, to the last bit");
	for (i = bad = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (jsonscan_text(&scan, refused[i], strlen(refused[i])) != -1)
			bad += (size_t)printf("# %s\n", refused[i]) > 0;
	tap_ok(bad == 0 && jsonscan_text(&scan, "[\"a\0b\"]", 7) == -1, "what is no JSON is declined");
	for (i = bad = 0; i < sizeof(left) / sizeof(left[0]); i++)
		bad += agrees(left[i], strlen(left[i])) != 0;
	tap_ok(bad == 0, "what is left to the parser is declined, too");
}

static int
nested(size_t n)
{
	char text[256];

	memset(text, '[', n);
	memset(text + n, ']', n);
	return (agrees(text, 2 * n));
}

/* Every valid sample whole, cut anywhere, and with any byte changed: never anything but what the parser says. */
static void
samples(void)
{
	const char *top = getenv("HG_TOP");
	char path[4096], *text, byte;
	unsigned files = 0, whole = 0, wrong = 0;
	struct dirent *e;
	size_t n, i;
	DIR *d;

	snprintf(path, sizeof(path), "%s/contracts/ledger_row.valid", top == NULL ? "." : top);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (strstr(e->d_name, ".json") == NULL ||
		    (text = file_read(dirfd(d), e->d_name, JSONIO_MAX_BYTES, &n)) == NULL)
			continue;
		files++;
		whole += agrees(text, n) == 1;
		for (i = 0; i < n; i += 7) {
			wrong += agrees(text, i) == -1;
			byte = text[i];
			text[i] = "\"\\{}[],: 0e.-\x80\n"[i / 7 % 16];
			wrong += agrees(text, n) == -1;
			text[i] = byte;
		}
		free(text);
	}
	if (d != NULL)
		closedir(d);
	tap_ok(files >= 10 && whole == files, "%u samples of rows are read as the parser reads them", files);
	tap_ok(wrong == 0, "cut and changed ones are refused, or read as the parser reads them");
}

static void
members(void)
{
	static const char text[] = "{\"a\": 1, \"b\": {\"x\": [1, 2], \"a\": 5}, \"c\": \"last\"}";
	const struct jsonscan_token *root, *b;
	uint32_t at = 0, in = 0;

	json_t *v, *like = json_pack("{s:[i,i], s:i}", "x", 1, 2, "a", 5);

	if (jsonscan_text(&scan, text, strlen(text)) == -1)
		abort();
	root = scan.tokens;
	b = jsonscan_member(&scan, root, "b", &at);
	tap_ok(b != NULL && b->type == JSONSCAN_OBJECT && b->n == 2 && jsonscan_member(&scan, b, "x", &in)->n == 2 &&
		jsonscan_member(&scan, b, "a", &in)->integer == 5,
	    "a member is found, and those of a member");
	tap_ok(strcmp(jsonscan_member(&scan, root, "c", &at)->text, "last") == 0 &&
		jsonscan_member(&scan, root, "a", &at)->integer == 1 &&
		jsonscan_member(&scan, root, "x", &at) == NULL && jsonscan_member(&scan, root, "", &at) == NULL &&
		jsonscan_member(&scan, NULL, "a", &at) == NULL,
	    "in any order, and of others there is none");
	v = jsonscan_value(&scan, jsonscan_get(&scan, "b"));
	tap_ok(json_equal(v, like) && jsonscan_get(&scan, "b.a")->integer == 5 && jsonscan_get(&scan, "b.c") == NULL &&
		jsonscan_get(&scan, "c.a") == NULL && jsonscan_get(&scan, "") == NULL,
	    "by dotted path, too, and as a value");
	json_decref(v);
	json_decref(like);
}

int
main(void)
{
	texts();
	tap_ok(nested(64) == 1 && nested(65) == 0, "what is nested past 64 is left to the parser");
	samples();
	members();
	jsonscan_free(&scan);
	return (tap_done());
}
