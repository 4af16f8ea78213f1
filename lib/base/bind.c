#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/bind.h"

static int64_t
whole(const struct bind *row, const void *at)
{
	switch (row->type) {
	case BIND_UNSIGNED:
		return (*(const unsigned *)at);
	case BIND_ULONG:
		return ((int64_t) * (const unsigned long *)at);
	case BIND_ULLONG:
		return ((int64_t) * (const unsigned long long *)at);
	case BIND_LONG:
		return (*(const long *)at);
	case BIND_LLONG:
		return (*(const long long *)at);
	case BIND_WORD:
		return (*(const int *)at);
	default:
		assert(row->type == BIND_FLAG);
		return (*(const int *)at);
	}
}

static void
put_whole(const struct bind *row, void *at, int64_t value)
{
	switch (row->type) {
	case BIND_UNSIGNED:
		*(unsigned *)at = (unsigned)value;
		break;
	case BIND_ULONG:
		*(unsigned long *)at = (unsigned long)value;
		break;
	case BIND_ULLONG:
		*(unsigned long long *)at = (unsigned long long)value;
		break;
	case BIND_LONG:
		*(long *)at = (long)value;
		break;
	case BIND_LLONG:
		*(long long *)at = (long long)value;
		break;
	case BIND_WORD:
		*(int *)at = (int)value;
		break;
	default:
		assert(row->type == BIND_FLAG);
		*(int *)at = value != 0;
	}
}

static int
set_word(const struct bind *row, void *at, const char *word)
{
	int i;

	for (i = 0; word != NULL && row->words[i] != NULL; i++)
		if (strcmp(row->words[i], word) == 0) {
			memcpy(at, &i, sizeof(i));
			return (0);
		}
	return (-1);
}

int
bind_set_has(const struct bind_set *set, size_t number)
{
	return (set->bits[number / 8] >> number % 8 & 1);
}

void
bind_set_add(struct bind_set *set, size_t number)
{
	set->bits[number / 8] |= (unsigned char)(1 << number % 8);
}

static int64_t
size_of_set(const struct bind_set *set)
{
	int64_t n = 0;

	for (size_t i = 0; i < BIND_SET_END; i++)
		n += bind_set_has(set, i);
	return (n);
}

static int
put_set(struct bind_set *set, const json_t *list)
{
	struct bind_set new = { { 0 } };
	json_int_t last = -1, number;
	const json_t *v;
	size_t i;

	if (!json_is_array(list))
		return (-1);
	json_array_foreach((json_t *)(uintptr_t)list, i, v) {
		number = json_integer_value(v);
		if (!json_is_integer(v) || number <= last || number >= BIND_SET_END)
			return (-1);
		bind_set_add(&new, number);
		last = number;
	}
	*set = new;
	return (0);
}

static json_t *
list_of_set(const struct bind_set *set)
{
	json_t *list = json_array();

	for (size_t i = 0; i < BIND_SET_END; i++)
		if (bind_set_has(set, i))
			json_array_append_new(list, json_integer((json_int_t)i));
	return (list);
}

static int
put_list(struct bind_list *to, const json_t *list)
{
	struct bind_list new = { 0, { 0 } };
	const json_t *v;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > BIND_LIST_MOST)
		return (-1);
	json_array_foreach((json_t *)(uintptr_t)list, i, v) {
		if (!json_is_integer(v) || json_integer_value(v) < 0)
			return (-1);
		new.number[i] = (uint64_t)json_integer_value(v);
	}
	new.count = i;
	*to = new;
	return (0);
}

static json_t *
list_of(const struct bind_list *from)
{
	json_t *list = json_array();

	for (size_t i = 0; i < from->count; i++)
		json_array_append_new(list, json_integer((json_int_t)from->number[i]));
	return (list);
}

static int
put_pairs(struct bind_pairs *pairs, const json_t *list)
{
	struct bind_pairs new = { 0, { 0 }, { 0 } };
	const json_t *v;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > BIND_PAIRS_MOST)
		return (-1);
	json_array_foreach((json_t *)(uintptr_t)list, i, v) {
		const json_t *share = json_array_get(v, 0), *number = json_array_get(v, 1);

		if (json_array_size(v) != 2 || !json_is_number(share) || !json_is_integer(number) ||
		    json_integer_value(number) < 1)
			return (-1);
		new.share[i] = json_number_value(share);
		new.number[i] = (uint64_t)json_integer_value(number);
		if (!(new.share[i] >= 0 && new.share[i] < 1) || (i > 0 && !(new.share[i] > new.share[i - 1])))
			return (-1);
	}
	new.count = i;
	*pairs = new;
	return (0);
}

static json_t *
list_of_pairs(const struct bind_pairs *pairs)
{
	json_t *list = json_array();

	for (size_t i = 0; i < pairs->count; i++)
		json_array_append_new(list,
		    json_pack("[o, I]", pairs->share[i] == 0 ? json_integer(0) : json_real(pairs->share[i]),
			(json_int_t)pairs->number[i]));
	return (list);
}

int
bind_set(const struct bind *row, void *to, const json_t *v)
{
	void *at = (char *)to + row->offset;
	int none = json_is_null(v) || json_is_string(v);

	switch (row->type) {
	case BIND_TEXT:
		if (!none)
			return (-1);
		*(const char **)at = json_string_value(v);
		return (0);
	case BIND_VALUE:
		*(const json_t **)at = v;
		return (v == NULL ? -1 : 0);
	case BIND_SET:
		return (put_set(at, v));
	case BIND_LIST:
		return (put_list(at, v));
	case BIND_PAIRS:
		return (put_pairs(at, v));
	case BIND_WORD:
		return (set_word(row, at, json_string_value(v)));
	case BIND_FLAG:
		if (!json_is_boolean(v))
			return (-1);
		*(int *)at = json_is_true(v);
		return (0);
	case BIND_REAL:
		if (!none && !json_is_number(v))
			return (-1);
		*(double *)at = none ? 0 : json_number_value(v);
		return (0);
	default:
		if (!none && !json_is_integer(v))
			return (-1);
		put_whole(row, at, none ? 0 : json_integer_value(v));
		return (0);
	}
}

json_t *
bind_get(const struct bind *row, const void *from)
{
	const void *at = (const char *)from + row->offset;
	const char *text;
	int word;

	switch (row->type) {
	case BIND_TEXT:
		text = *(const char *const *)at;
		return (text == NULL ? json_null() : json_string(text));
	case BIND_VALUE:
		return (*(json_t *const *)at == NULL ? json_null() : json_incref(*(json_t *const *)at));
	case BIND_SET:
		return (list_of_set(at));
	case BIND_LIST:
		return (list_of(at));
	case BIND_PAIRS:
		return (list_of_pairs(at));
	case BIND_WORD:
		memcpy(&word, at, sizeof(word));
		return (json_string(row->words[word]));
	case BIND_FLAG:
		return (json_boolean(*(const int *)at));
	case BIND_REAL:
		return (json_real(*(const double *)at));
	default:
		return (json_integer((json_int_t)whole(row, at)));
	}
}

double
bind_number(const struct bind *row, const void *from)
{
	const void *at = (const char *)from + row->offset;

	if (row->type == BIND_SET)
		return ((double)size_of_set(at));
	if (row->type == BIND_LIST)
		return ((double)((const struct bind_list *)at)->count);
	if (row->type == BIND_PAIRS)
		return ((double)((const struct bind_pairs *)at)->count);
	return (row->type == BIND_REAL ? *(const double *)at : (double)whole(row, at));
}

void
bind_put(const struct bind *row, void *to, double value)
{
	void *at = (char *)to + row->offset;

	if (row->type == BIND_SET)
		memset(at, 0, sizeof(struct bind_set));
	else if (row->type == BIND_LIST)
		memset(at, 0, sizeof(struct bind_list));
	else if (row->type == BIND_PAIRS)
		memset(at, 0, sizeof(struct bind_pairs));
	else if (row->type == BIND_REAL)
		*(double *)at = value;
	else
		put_whole(row, at, (int64_t)value);
}

const struct bind *
bind_find(const struct bind *rows, const char *path)
{
	for (; rows->path != NULL; rows++)
		if (strcmp(rows->path, path) == 0)
			return (rows);
	return (NULL);
}
