/*
 * params SPEC...   of the model of each spec.json: its parameters, the bytes of its artifact before compression, and
 *                  how many tensors become levels
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/exit.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "gpt/artifact.h"
#include "gpt/params.h"
#include "gpt/trainspec.h"

/* Tensors with a scale for each row. */
static size_t
levels(const struct params *p, const struct artifact_law *law)
{
	struct artifact_law asked = *law;
	size_t n = 0;

	asked.quantizer = QUANTIZE_GPTQ;
	for (size_t i = 0; i < p->count; i++)
		n += (size_t)artifact_watches(&asked, &p->tensors[i]);
	return (n);
}

int
main(int argc, char **argv)
{
	struct trainspec r;
	struct params *p;
	json_t *spec;

	say_init("params");
	for (int i = 1; i < argc; i++) {
		if (jsonio_read(AT_FDCWD, argv[i], (size_t)1 << 20, NULL, &spec) == -1 ||
		    trainspec_read(&r, spec) == -1 || (p = params_new(&r.config)) == NULL)
			return (HG_EXIT_SYSTEM);
		printf("%zu %" PRIu64 " %zu\n", p->n, artifact_payload(&r.config, &r.artifact), levels(p, &r.artifact));
		params_free(p);
		json_decref(spec);
	}
	return (HG_EXIT_DONE);
}
