/*
 * A node for each schema; what is referred to has one, found again by its address, however often that is.  Members
 * of a value mostly stand in the order of their contract: each is looked for from behind the one before.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/utf8.h"
#include "schema/check.h"
#include "schema/plan.h"

/* A letter of a set, so many times. */
struct piece {
	uint64_t set[2]; /* of ASCII; nothing else matches */
	size_t least, most;
};

struct member {
	const char *key;
	size_t n; /* its bytes */
	struct node *rule;
	int required;
};

struct node {
	const json_t *schema;
	unsigned types;  /* bits by enum json_type; 0: any */
	int integral;    /* reals are to be integers */
	int closed;      /* no members but those named */
	int unplanned;   /* there is more to it than stands here */
	size_t required; /* how many of the members */
	struct member *members;
	size_t count;
	const struct node *also, *extra, *items; /* $ref; other members; elements; or NULL */
	const json_t *constant, *choices;
	const json_t *least, *most, *above, *below;
	size_t min_length, max_length, min_items, max_items;
	struct piece *pieces; /* of the pattern, or where it has another form: */
	size_t pieces_count;
	const regex_t *pattern;
};

struct plan {
	const json_t *root;
	struct node **nodes; /* their addresses last */
	size_t count;
};

#define BIT(type) (1U << (type))

/* --- making ------------------------------------------------------------------ */

static unsigned
type_bits(const char *name, int *integral)
{
	if (strcmp(name, "object") == 0)
		return (BIT(JSON_OBJECT));
	if (strcmp(name, "array") == 0)
		return (BIT(JSON_ARRAY));
	if (strcmp(name, "string") == 0)
		return (BIT(JSON_STRING));
	if (strcmp(name, "boolean") == 0)
		return (BIT(JSON_TRUE) | BIT(JSON_FALSE));
	if (strcmp(name, "null") == 0)
		return (BIT(JSON_NULL));
	*integral = strcmp(name, "integer") == 0;
	return (BIT(JSON_INTEGER) | BIT(JSON_REAL));
}

static void
put_letter(struct piece *p, unsigned char c)
{
	p->set[c >> 6 & 1] |= (uint64_t)1 << (c & 63);
}

/* One letter or [set]; where it ends, or NULL if it is anything else. */
static const char *
read_set(const char *s, struct piece *p)
{
	if (*s == '\\' && s[1] != '\0') {
		put_letter(p, (unsigned char)s[1]);
		return (s + 2);
	}
	if (strchr("^$.[](){}|*+?\\", *s) == NULL) {
		put_letter(p, (unsigned char)*s);
		return (s + 1);
	}
	if (*s != '[' || s[1] == '^' || s[1] == ']')
		return (NULL);
	for (s++; *s != ']'; s++) {
		unsigned char from = (unsigned char)*s, to = from;

		if (*s == '\0' || *s == '[' || *s == '\\')
			return (NULL);
		if (s[1] == '-' && s[2] != ']') {
			to = (unsigned char)s[2];
			s += 2;
		}
		for (; from <= to && to < 128; from++)
			put_letter(p, from);
	}
	return (s + 1);
}

/* How often; where it ends, or NULL. */
static const char *
read_times(const char *s, struct piece *p)
{
	char *end;

	p->least = p->most = 1;
	if (*s != '{') {
		p->least = *s != '*' && *s != '?';
		p->most = *s == '*' || *s == '+' ? SIZE_MAX : 1;
		return (s + (*s == '*' || *s == '+' || *s == '?'));
	}
	p->least = p->most = strtoul(s + 1, &end, 10);
	if (*end == ',' && end[1] != '}')
		p->most = strtoul(end + 1, &end, 10);
	return (*end == '}' ? end + 1 : NULL);
}

/*
 * A pattern as pieces, each as long as it may be: that is right where a piece of no fixed length is followed by nothing
 * that begins as it goes on.  1 if it is of that form, 0 if not, -1 without memory.
 */
static int
read_pattern(struct node *n, const char *s)
{
	struct piece *more, *p;
	size_t i;

	if (*s++ != '^')
		return (0);
	while (*s != '$') {
		if ((more = array_few(n->pieces, n->pieces_count, sizeof(*more))) == NULL)
			return (-1);
		n->pieces = more;
		p = &more[n->pieces_count++];
		memset(p, 0, sizeof(*p));
		if (*s == '\0' || (s = read_set(s, p)) == NULL || (s = read_times(s, p)) == NULL)
			return (0);
	}
	for (i = 0; i + 1 < n->pieces_count; i++) {
		p = &n->pieces[i];
		if (p->least != p->most &&
		    (p[1].least == 0 || ((p[0].set[0] & p[1].set[0]) | (p[0].set[1] & p[1].set[1])) != 0))
			return (0);
	}
	/* Without pieces there would be nothing to go by. */
	return (n->pieces_count != 0 && s[1] == '\0');
}

static struct node *node_of(struct plan *p, const json_t *schema);
static struct node *known_node(struct plan *p, const json_t *schema);

static int
read_members(struct plan *p, struct node *n, const json_t *properties, const json_t *required)
{
	struct member *m;
	const char *key;
	json_t *rule;
	size_t i, k;

	if ((n->members = calloc(json_object_size(properties) + 1, sizeof(*n->members))) == NULL)
		return (-1);
	json_object_foreach((json_t *)(uintptr_t)properties, key, rule) {
		m = &n->members[n->count++];
		m->key = key;
		m->n = strlen(key);
		if ((m->rule = node_of(p, rule)) == NULL)
			return (-1);
	}
	for (i = 0; i < json_array_size(required); i++) {
		key = json_string_value(json_array_get(required, i));
		for (k = 0; k < n->count && strcmp(n->members[k].key, key) != 0; k++)
			;
		if (k == n->count)
			n->unplanned = 1;
		else if (!n->members[k].required) {
			n->members[k].required = 1;
			n->required++;
		}
	}
	return (0);
}

/* One keyword. 0, or -1 without memory. */
static int
read_keyword(struct plan *p, struct node *n, const char *keyword, const json_t *arg)
{
	struct check_walk w = { p->root, "", NULL, 0, 0 };
	const struct {
		const char *keyword;
		const json_t **at;
	} kept[] = { { "const", &n->constant }, { "enum", &n->choices }, { "minimum", &n->least },
		{ "maximum", &n->most }, { "exclusiveMinimum", &n->above }, { "exclusiveMaximum", &n->below } };
	const struct {
		const char *keyword;
		size_t *at;
	} lengths[] = { { "minLength", &n->min_length }, { "maxLength", &n->max_length }, { "minItems", &n->min_items },
		{ "maxItems", &n->max_items } };
	const char *name;
	int integral = 0, number = 0, one, rc;
	size_t i;

	/* What is required goes with the properties. */
	if (check_is_silent(keyword) || strcmp(keyword, "required") == 0)
		return (0);
	for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (strcmp(keyword, kept[i].keyword) == 0) {
			*kept[i].at = arg;
			return (0);
		}
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		if (strcmp(keyword, lengths[i].keyword) == 0) {
			*lengths[i].at = (size_t)json_number_value(arg);
			return (0);
		}
	if (strcmp(keyword, "type") == 0) {
		for (i = 0; (name = check_nth_type(arg, i)) != NULL; i++) {
			one = 0;
			n->types |= type_bits(name, &one);
			integral |= one;
			number |= strcmp(name, "number") == 0;
		}
		n->integral = integral && !number;
		return (0);
	}
	if (strcmp(keyword, "properties") == 0)
		return (read_members(p, n, arg, json_object_get(n->schema, "required")));
	if (strcmp(keyword, "$ref") == 0)
		return ((n->also = known_node(p, check_referred(&w, arg))) == NULL ? -1 : 0);
	if (strcmp(keyword, "items") == 0)
		return ((n->items = node_of(p, arg)) == NULL ? -1 : 0);
	if (strcmp(keyword, "additionalProperties") == 0) {
		n->closed = json_is_false(arg);
		return (n->closed || (n->extra = node_of(p, arg)) != NULL ? 0 : -1);
	}
	if (strcmp(keyword, "pattern") == 0) {
		if ((rc = read_pattern(n, json_string_value(arg))) != 1) {
			free(n->pieces);
			n->pieces = NULL;
			n->pieces_count = 0;
		}
		if (rc == 0 && (n->pattern = check_compiled(json_string_value(arg))) == NULL)
			rc = -1;
		return (rc == -1 ? -1 : 0);
	}
	n->unplanned = 1;
	return (0);
}

/* The node of a schema that may be referred to more than once: itself, too. */
static struct node *
known_node(struct plan *p, const json_t *schema)
{
	size_t i;

	for (i = 0; i < p->count; i++)
		if (p->nodes[i]->schema == schema)
			return (p->nodes[i]);
	return (node_of(p, schema));
}

static struct node *
node_of(struct plan *p, const json_t *schema)
{
	struct node *n, **more;
	const char *keyword;
	json_t *arg;

	if ((more = array_few(p->nodes, p->count, sizeof(*more))) == NULL)
		return (NULL);
	p->nodes = more;
	if ((n = calloc(1, sizeof(*n))) == NULL)
		return (NULL);
	p->nodes[p->count++] = n;
	n->schema = schema;
	n->max_length = n->max_items = SIZE_MAX;
	/* Without properties nothing is known of what is required. */
	n->unplanned = json_object_get(schema, "required") != NULL && json_object_get(schema, "properties") == NULL;
	json_object_foreach((json_t *)(uintptr_t)schema, keyword, arg)
		if (read_keyword(p, n, keyword, arg) == -1)
			return (NULL);
	return (n);
}

struct plan *
plan_make(const json_t *root)
{
	struct plan *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return (NULL);
	p->root = root;
	if (node_of(p, root) != NULL)
		return (p);
	plan_free(p);
	return (NULL);
}

void
plan_free(struct plan *p)
{
	size_t i;

	if (p == NULL)
		return;
	for (i = 0; i < p->count; i++) {
		free(p->nodes[i]->members);
		free(p->nodes[i]->pieces);
		free(p->nodes[i]);
	}
	free(p->nodes);
	free(p);
}

/* --- going by it --------------------------------------------------------------- */

static int
matches(const struct node *n, const char *s, size_t length)
{
	const struct piece *p;
	size_t i, times, at = 0;

	for (i = 0; i < n->pieces_count; i++) {
		p = &n->pieces[i];
		for (times = 0; times < p->most && at < length; times++, at++) {
			unsigned char c = (unsigned char)s[at];

			if (c >= 128 || (p->set[c >> 6] >> (c & 63) & 1) == 0)
				break;
		}
		if (times < p->least)
			return (0);
	}
	return (at == length);
}

static int
is_string(const struct node *n, const char *s, size_t length)
{
	size_t points;

	if (n->pieces_count != 0 && !matches(n, s, length))
		return (0);
	if (n->pattern != NULL && (strlen(s) != length || regexec(n->pattern, s, 0, NULL, 0) != 0))
		return (0);
	if (n->min_length == 0 && n->max_length == SIZE_MAX)
		return (1);
	points = utf8_count(s, length);
	return (points >= n->min_length && points <= n->max_length);
}

static int
within(const struct node *n, const json_t *v)
{
	return ((n->least == NULL || check_compare(v, n->least) >= 0) &&
	    (n->most == NULL || check_compare(v, n->most) <= 0) &&
	    (n->above == NULL || check_compare(v, n->above) > 0) &&
	    (n->below == NULL || check_compare(v, n->below) < 0));
}

static int
is_one_of(const json_t *choices, const json_t *v)
{
	size_t i;

	for (i = 0; i < json_array_size(choices); i++)
		if (check_same(v, json_array_get(choices, i)))
			return (1);
	return (0);
}

static int keeps(const struct node *n, const json_t *v, int *reals);

static int
members_keep(const struct node *n, const json_t *v, int *reals)
{
	size_t at = 0, looked, required = 0;
	const struct member *m;
	const char *key;
	json_t *member;

	json_object_foreach((json_t *)(uintptr_t)v, key, member) {
		for (looked = 0; looked < n->count; looked++) {
			m = &n->members[at];
			if (++at == n->count)
				at = 0;
			if (strcmp(m->key, key) == 0)
				break;
		}
		if (looked < n->count) {
			required += (size_t)m->required;
			if (!keeps(m->rule, member, reals))
				return (0);
		} else if (n->closed || (n->extra != NULL && !keeps(n->extra, member, reals)))
			return (0);
	}
	return (required == n->required);
}

static int
keeps(const struct node *n, const json_t *v, int *reals)
{
	const json_type type = json_typeof(v);
	size_t i;

	if (n->unplanned || (n->types != 0 && (n->types & BIT(type)) == 0) ||
	    (n->also != NULL && !keeps(n->also, v, reals)) || (n->constant != NULL && !check_same(v, n->constant)) ||
	    (n->choices != NULL && !is_one_of(n->choices, v)))
		return (0);
	switch (type) {
	case JSON_OBJECT:
		return (members_keep(n, v, reals));
	case JSON_ARRAY:
		if (json_array_size(v) < n->min_items || json_array_size(v) > n->max_items)
			return (0);
		for (i = 0; n->items != NULL && i < json_array_size(v); i++)
			if (!keeps(n->items, json_array_get(v, i), reals))
				return (0);
		return (1);
	case JSON_STRING:
		return (is_string(n, json_string_value(v), json_string_length(v)));
	case JSON_REAL:
		*reals |= check_is_integral(v);
		if (n->integral && !check_is_integral(v))
			return (0);
		return (within(n, v));
	case JSON_INTEGER:
		return (within(n, v));
	default:
		return (1);
	}
}

int
plan_keeps(const struct plan *p, const json_t *v, int *reals)
{
	*reals = 0;
	return (keeps(p->nodes[0], v, reals));
}

/* --- and of tokens ------------------------------------------------------------ */

/* Of lists and numbers nothing is said. */
static int
is_same(const struct jsonscan_token *t, const json_t *v)
{
	switch (t->type) {
	case JSONSCAN_STRING:
		return (json_is_string(v) && json_string_length(v) == t->n &&
		    memcmp(json_string_value(v), t->text, t->n) == 0);
	case JSONSCAN_TRUE:
		return (json_is_true(v));
	case JSONSCAN_FALSE:
		return (json_is_false(v));
	case JSONSCAN_NULL:
		return (json_is_null(v));
	default:
		return (0);
	}
}

static int
is_one(const struct jsonscan_token *t, const json_t *choices)
{
	size_t i;

	for (i = 0; i < json_array_size(choices); i++)
		if (is_same(t, json_array_get(choices, i)))
			return (1);
	return (0);
}

/* As check_compare. */
static int
compare(const struct jsonscan_token *t, const json_t *v)
{
	int64_t i, j;
	double x, y;

	if (t->type == JSONSCAN_INTEGER && json_is_integer(v)) {
		i = t->integer;
		j = json_integer_value(v);
		return ((i > j) - (i < j));
	}
	x = t->type == JSONSCAN_INTEGER ? (double)t->integer : t->real;
	y = json_number_value(v);
	return ((x > y) - (x < y));
}

static int keeps_tokens(const struct node *n, const struct jsonscan *s, uint32_t at);

static int
token_members_keep(const struct node *n, const struct jsonscan *s, uint32_t object)
{
	size_t at = 0, looked, required = 0;
	const struct jsonscan_token *key;
	const struct member *m;
	uint32_t i;

	for (i = object + 1; i < s->tokens[object].next; i = s->tokens[i + 1].next) {
		key = &s->tokens[i];
		for (looked = 0; looked < n->count; looked++) {
			m = &n->members[at];
			if (++at == n->count)
				at = 0;
			if (m->n == key->n && memcmp(m->key, key->text, key->n) == 0)
				break;
		}
		if (looked < n->count) {
			required += (size_t)m->required;
			if (!keeps_tokens(m->rule, s, i + 1))
				return (0);
		} else if (n->closed || (n->extra != NULL && !keeps_tokens(n->extra, s, i + 1)))
			return (0);
	}
	return (required == n->required);
}

static int
keeps_tokens(const struct node *n, const struct jsonscan *s, uint32_t at)
{
	static const json_type types[] = { [JSONSCAN_OBJECT] = JSON_OBJECT,
		[JSONSCAN_ARRAY] = JSON_ARRAY,
		[JSONSCAN_STRING] = JSON_STRING,
		[JSONSCAN_INTEGER] = JSON_INTEGER,
		[JSONSCAN_REAL] = JSON_REAL,
		[JSONSCAN_TRUE] = JSON_TRUE,
		[JSONSCAN_FALSE] = JSON_FALSE,
		[JSONSCAN_NULL] = JSON_NULL };
	const struct jsonscan_token *t = &s->tokens[at];
	uint32_t i;

	if (n->unplanned || (n->types != 0 && (n->types & BIT(types[t->type])) == 0) ||
	    (n->also != NULL && !keeps_tokens(n->also, s, at)) || (n->constant != NULL && !is_same(t, n->constant)) ||
	    (n->choices != NULL && !is_one(t, n->choices)))
		return (0);
	switch (t->type) {
	case JSONSCAN_OBJECT:
		return (token_members_keep(n, s, at));
	case JSONSCAN_ARRAY:
		if (t->n < n->min_items || t->n > n->max_items)
			return (0);
		for (i = at + 1; n->items != NULL && i < t->next; i = s->tokens[i].next)
			if (!keeps_tokens(n->items, s, i))
				return (0);
		return (1);
	case JSONSCAN_STRING:
		return (is_string(n, t->text, t->n));
	case JSONSCAN_REAL:
		/* Whoever reads 3.0 may want 3. */
		if (n->integral || floor(t->real) == t->real)
			return (0);
		/* FALLTHROUGH */
	case JSONSCAN_INTEGER:
		return ((n->least == NULL || compare(t, n->least) >= 0) &&
		    (n->most == NULL || compare(t, n->most) <= 0) && (n->above == NULL || compare(t, n->above) > 0) &&
		    (n->below == NULL || compare(t, n->below) < 0));
	default:
		return (1);
	}
}

int
plan_keeps_tokens(const struct plan *p, const struct jsonscan *s)
{
	return (keeps_tokens(p->nodes[0], s, 0));
}
