#ifndef HG_EMBEDDED_H
#define HG_EMBEDDED_H

/* What lib/schema/embed.c writes into a source at build: contracts/NAME.json, sorted by name, ended by a NULL name. */
struct embedded_contract {
	const char *name, *text;
};
extern const struct embedded_contract embedded_contracts[];

#endif
