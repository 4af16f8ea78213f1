#include <assert.h>

#include "base/utf8.h"

size_t
utf8_read(const void *p, size_t n, uint32_t *c)
{
	const unsigned char *s = p;
	unsigned char low = 0x80, high = 0xbf;
	size_t length, i;
	uint32_t x;

	if (n == 0)
		return (0);
	if (s[0] < 0x80) {
		if (c != NULL)
			*c = s[0];
		return (1);
	}
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return (0);
	length = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (length > n)
		return (0);
	/* Overlong forms, surrogates and what is past the end all show in the second byte. */
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return (0);
	x = (uint32_t)(s[0] & (0x7f >> length)) << 6 | (s[1] & 0x3f);
	for (i = 2; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return (0);
		x = x << 6 | (s[i] & 0x3f);
	}
	if (c != NULL)
		*c = x;
	return (length);
}

int
utf8_hidden(uint32_t c)
{
	return (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || c == 0x180e ||
	    (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	    c == 0xfeff || (c >= 0xfff0 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe0fff) || (c & 0xfffe) == 0xfffe ||
	    (c >= 0xfdd0 && c <= 0xfdef));
}

size_t
utf8_punctuation(const char *text)
{
	uint32_t c = 0;
	size_t n;

	if (((unsigned char)*text & 0x80) == 0 || (n = utf8_read(text, UTF8_MAX_BYTES, &c)) == 0)
		return (0);
	/* No-break space, middle dot, general punctuation; and what parts words of Chinese and Japanese. */
	return (c == 0xa0 || c == 0xb7 || (c >= 0x2000 && c <= 0x206f) || (c >= 0x3000 && c <= 0x3002) || c == 0xff08 ||
		    c == 0xff09 || c == 0xff0c || c == 0xff1a || c == 0xff1b ?
		n :
		0);
}

size_t
utf8_write(char out[UTF8_MAX_BYTES], uint32_t c)
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4, i;

	assert(c <= 0x10ffff && (c < 0xd800 || c > 0xdfff));
	for (i = n; i-- > 1; c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(n == 1 ? c : (0xf00u >> n & 0xff) | c);
	return (n);
}

size_t
utf8_count(const char *text, size_t n)
{
	size_t count = 0, i;

	for (i = 0; i < n; i++)
		count += !utf8_continues(text[i]);
	return (count);
}

int
utf8_continues(char byte)
{
	return (((unsigned char)byte & 0xc0) == 0x80);
}

size_t
utf8_cut(const char *text, size_t most)
{
	size_t n = most;

	while (n > 0 && most - n < 4 && utf8_continues(text[n]))
		n--;
	return (n);
}
