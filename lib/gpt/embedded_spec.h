#ifndef HG_EMBEDDED_SPEC_H
#define HG_EMBEDDED_SPEC_H

/**
 * Defaults of contracts/spec.json, the section model aside, as lib/schema/embed.c writes them at build: JSON,
 * {"first": {PATH: DEFAULT}, "later": {..}}.  First are the training's keys, which every spec has; later ones, of any
 * section, came after 0.1: absent means default.
 */
extern const char embedded_spec[];

#endif
