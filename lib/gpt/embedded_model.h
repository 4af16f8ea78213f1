#ifndef HG_EMBEDDED_MODEL_H
#define HG_EMBEDDED_MODEL_H

/* The section model of contracts/spec.json, as lib/schema/embed.c writes it at build; ended by a NULL name. */
struct embedded_key {
	const char *name;
	double min, max; /* both allowed */
	double value;    /* the default: a word's place, a list's size; null is 0, and of a later key -1 */
	int later;       /* came after 0.1: absent means default */
};
extern const struct embedded_key embedded_model[];

#endif
