#include "base/clock.h"
#include "base/jsonnull.h"

json_t *
jsonnull_text(const char *text)
{
	return (text == NULL || *text == '\0' ? json_null() : json_string(text));
}

json_t *
jsonnull_time(int64_t ms)
{
	char text[CLOCK_TEXT_SIZE];

	return (ms > 0 ? json_string(clock_text(text, ms)) : json_null());
}
