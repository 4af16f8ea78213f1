/* Text that becomes markup: nothing in it may be more than text, whatever its bytes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/markup.h"
#include "t/unit/tap.h"

static int
is(const struct markup *m, const char *want)
{
	return (!m->failed && strcmp(m->out.p == NULL ? "" : m->out.p, want) == 0);
}

static void
shows(const char *text, const char *want, const char *what)
{
	struct markup m = { STR_INIT, 0 };

	markup_put(&m, "%s", text);
	tap_ok(is(&m, want), "%s", what);
	if (!is(&m, want))
		fprintf(stderr, "# have: %s\n# want: %s\n", m.out.p == NULL ? "" : m.out.p, want);
	str_free(&m.out);
}

int
main(void)
{
	struct markup m = { STR_INIT, 0 };
	char one[2] = "", *p;
	int i, bad = 0;

	shows("<b>&\"'", "&lt;b&gt;&amp;&quot;&#39;", "the five that mean something are escaped");
	shows("&amp;", "&amp;amp;", "what looks escaped is escaped again");
	shows("a\tb\nc\r\x1b[0m\x7f", "a\tb\nc\\u000d\\u001b[0m\\u007f", "controls are shown, but for tab and newline");
	shows("\xc2\x85\xc2\xad\xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8b\xef\xbb\xbf\xd8\x9c",
	    "\\u0085\\u00ad\\u202e\\u2066\\u200b\\ufeff\\u061c", "what hides or reorders text is shown");
	shows("\xf3\xa0\x81\x81\xef\xbf\xbe\xef\xb7\x90", "\\ue0041\\ufffe\\ufdd0",
	    "tags and non-characters are shown");
	shows("\xc3\xa9\xe4\xb8\xad\xf0\x9f\x8f\x8c", "\xc3\xa9\xe4\xb8\xad\xf0\x9f\x8f\x8c", "other characters stay");
	shows("a\xff"
	      "b\xc0\xaf"
	      "c\xe2\x80",
	    "a\xef\xbf\xbd"
	    "b\xef\xbf\xbd\xef\xbf\xbd"
	    "c\xef\xbf\xbd\xef\xbf\xbd",
	    "bytes that are no UTF-8 become U+FFFD");
	shows("\xed\xa0\x80<", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd&lt;",
	    "a surrogate is no character, and < stays one");
	shows("\xc3<i>", "\xef\xbf\xbd&lt;i&gt;", "a sequence cut short swallows nothing");
	shows("%s%n%d", "%s%n%d", "text is no format");

	/* Every single byte: never one that opens a tag or ends an attribute. */
	for (i = 1; i < 256; i++) {
		one[0] = (char)i;
		m.out.n = 0;
		markup_put(&m, "%s", one);
		for (p = m.out.p; *p != '\0'; p++)
			bad += strchr("<>\"'", *p) != NULL || (*p == '&' && strchr(p, ';') == NULL);
	}
	tap_ok(bad == 0, "no byte gets out of text or attribute");

	m.out.n = 0;
	markup_put(&m, "%.3s|%-.3s|%.5s|%-.2s", "abcdef", "abcdef", "abc", "\xc3\xa9\xc3\xa9\xc3\xa9");
	tap_ok(is(&m, "abc\xe2\x80\xa6|abc|abc|\xc3\xa9\xc3\xa9"),
	    "a precision counts characters and says that it cut");
	m.out.n = 0;
	markup_put(&m, "%d %5.2f %.*f %zu %llu %c %% %04x", -3, 1.005, 3, 2.0, (size_t)7, 1ull << 40, 'x', 255u);
	tap_ok(is(&m, "-3  1.00 2.000 7 1099511627776 x % 00ff"), "numbers are as printf has them");
	m.out.n = 0;
	markup_count(&m, 0);
	markup_put(&m, " ");
	markup_count(&m, 999);
	markup_put(&m, " ");
	markup_count(&m, 16000000);
	markup_put(&m, " ");
	markup_count(&m, -1234);
	tap_ok(is(&m, "0 999 16,000,000 -1,234"), "thousands are parted");
	m.out.n = 0;
	markup_data(&m, 2.3, 5);
	markup_signed(&m, -0.5, 1);
	markup_data(&m, 1e308, 2);
	tap_ok(strstr(m.out.p,
		   "<data value=\"2.3\">2.30000</data><data value=\"-0.5\">\xe2\x88\x92"
		   "0.5</data>") == m.out.p,
	    "a number carries its exact value");
	m.out.n = 0;
	markup_data(&m, NAN, 5);
	markup_signed(&m, INFINITY, 5);
	tap_ok(strstr(m.out.p, "data") == NULL, "what is no number has no value");
	str_free(&m.out);
	return (tap_done());
}
