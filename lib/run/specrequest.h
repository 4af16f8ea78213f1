#ifndef HG_SPECREQUEST_H
#define HG_SPECREQUEST_H

#include <jansson.h>

/* Making a spec: a request takes a base and settings, and is built and sealed. */

/**
 * specrequest_new():
 * An empty request.  specrequest_base and specrequest_set add to it, specrequest_build makes the
 * spec of it; values set win over the base, defaults fill the rest.
 * Owns: the caller decrefs.
 */
json_t *specrequest_new(void);

/**
 * specrequest_read(path):
 * A spec to build upon or to compare: of a file, which may be partial, or of the run in a directory.
 * Owns:   the caller decrefs.
 * Errors: NULL with errno EBADMSG (not JSON, an unknown key, a value out of
 *         range, a run whose spec was edited) or that of reading, all said.
 */
json_t *specrequest_read(const char *path);

/**
 * specrequest_base(request, path):
 * Start from such a spec.  Its identity and digests are not taken over; digests
 * of data that it names must turn out the same.  Where ${path} is a run's
 * directory, that run is about.parent, and nothing else of section about is taken over.
 * Errors: -1 with errno, said, as specrequest_read.
 */
int specrequest_base(json_t *request, const char *path);

/**
 * specrequest_set(request, text):
 * Take `SECTION.KEY=VALUE`, typed by the contract.
 * Errors: -1 with errno EINVAL, said: an unknown key (with the nearest known
 *         one), a value out of range, a key given twice, a computed key.
 */
int specrequest_set(json_t *request, const char *text);

/* What was set or the base has for a key; NULL where the default will fill it. Borrowed. */
const json_t *specrequest_given(const json_t *request, const char *path);

/* As specrequest_set, of a value that yields to what is given. */
int specrequest_offer(json_t *request, const char *text);

/**
 * specrequest_build(request, out):
 * Fill defaults, read what data.dir, train.init_from and train.replay name,
 * make their paths absolute and compute the data's and the spec's digests.
 * No identity yet, see specrequest_identify.
 * Owns:   the caller decrefs *out.
 * Errors: -1 with errno, said: EINVAL data.dir is not set or the vocabulary is
 *         not the data's; EBADMSG dataset.json breaks its contract, or its
 *         digests are not those that the base names; others of reading.
 */
int specrequest_build(const json_t *request, json_t **out);

/* Give a built spec its run_id, a random run_uid and created_at, and seal it. 0, or -1 with errno, said. */
int specrequest_identify(json_t *spec, const char *run_id);

#endif
