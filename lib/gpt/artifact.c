#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gpt/artifact.h"
#include "gpt/coder.h"
#include "gpt/f16.h"
#include "gpt/gptq.h"
#include "base/jsonio.h"
#include "gpt/quantize.h"
#include "gpt/safetensors.h"
#include "gpt/trainspec.h"
#include "base/say.h"

#define MAX_HEADER ((size_t)4 << 20)

/* How a tensor of the table is stored. */
struct stored {
	enum safetensors_dtype dtype;
	unsigned bits;
	struct quantize_law rows; /* of I8 */
};

static struct stored
stored_as(const struct params_tensor *t, const struct artifact_law *law)
{
	const int embeds = t->group == PARAMS_EMBED || t->group == PARAMS_HEAD || t->group == PARAMS_VALUE;
	struct stored s = { SAFETENSORS_F32, 32, { 8, QUANTIZE_MINMAX, 0, law->scale_floor } };

	if (t->storage == PARAMS_EXACT)
		return (s);
	if (t->dims == 2 && t->n > QUANTIZE_MIN_ELEMENTS) {
		/* Control tensors of that size are int8 by the public rule, and no matter of the law's. */
		if (t->group != PARAMS_SCALAR) {
			s.rows.bits = embeds ? law->embed_bits : law->bits;
			s.rows.clip = law->quantizer;
			s.rows.sdclip_k = embeds ? law->sdclip_embed_k : law->sdclip_k;
		}
		s.bits = s.rows.bits;
		s.dtype = s.bits == 16 ? SAFETENSORS_F16 : SAFETENSORS_I8;
	} else if (t->storage != PARAMS_CONTROL) {
		s.bits = 16;
		s.dtype = SAFETENSORS_F16;
	}
	return (s);
}

int
artifact_watches(const void *law, const struct params_tensor *t)
{
	const struct artifact_law *l = law;

	return (l->quantizer == QUANTIZE_GPTQ && t->group != PARAMS_SCALAR && t->group != PARAMS_FROZEN &&
	    stored_as(t, l).dtype == SAFETENSORS_I8);
}

/* The entries of the file: first all F32, then F16 (scales too), then I8, so that each is aligned. */
struct layout {
	struct safetensors_tensor *entries;
	char (*scale_names)[PARAMS_NAME_SIZE + 8]; /* by tensor */
	size_t *tensor;                            /* by entry: which tensor of the table */
	int *is_scale;                             /* by entry */
	size_t count;
	uint64_t bytes;
};

static void
layout_free(struct layout *l)
{
	free(l->entries);
	free(l->scale_names);
	free(l->tensor);
	free(l->is_scale);
}

/* Where in a file's data the scales of an I8 entry stand. */
static uint64_t
scales_of(const struct layout *l, size_t entry)
{
	size_t s = 0;

	while (!l->is_scale[s] || l->tensor[s] != l->tensor[entry])
		s++;
	return (l->entries[s].offset);
}

static void
layout_add(struct layout *l, const struct params *p, size_t i, enum safetensors_dtype dtype, int is_scale)
{
	const struct params_tensor *t = &p->tensors[i];
	struct safetensors_tensor *e = &l->entries[l->count];

	l->tensor[l->count] = i;
	l->is_scale[l->count] = is_scale;
	l->count++;
	e->name = is_scale ? l->scale_names[i] : t->name;
	e->dtype = dtype;
	e->dims = is_scale ? 1 : (size_t)t->dims;
	e->shape[0] = is_scale || t->dims == 2 ? t->rows : t->cols;
	e->shape[1] = is_scale || t->dims == 1 ? 0 : t->cols;
	e->n = is_scale ? t->rows : t->n;
	e->offset = l->bytes;
	e->bytes = e->n * safetensors_dtype_size(dtype);
	l->bytes += e->bytes;
}

static int
layout_make(struct layout *l, const struct params *p, const struct artifact_law *law)
{
	*l = (struct layout){
		.entries = calloc(2 * p->count, sizeof(*l->entries)),
		.scale_names = calloc(p->count, sizeof(*l->scale_names)),
		.tensor = calloc(2 * p->count, sizeof(*l->tensor)),
		.is_scale = calloc(2 * p->count, sizeof(*l->is_scale)),
	};
	if (l->entries == NULL || l->scale_names == NULL || l->tensor == NULL || l->is_scale == NULL) {
		layout_free(l);
		*l = (struct layout){ NULL, NULL, NULL, NULL, 0, 0 };
		errno = ENOMEM;
		return (-1);
	}
	for (size_t i = 0; i < p->count; i++) {
		strcpy(l->scale_names[i], p->tensors[i].name);
		strcat(l->scale_names[i], ".scale");
	}
	for (size_t i = 0; i < p->count; i++)
		if (stored_as(&p->tensors[i], law).dtype == SAFETENSORS_F32)
			layout_add(l, p, i, SAFETENSORS_F32, 0);
	for (size_t i = 0; i < p->count; i++) {
		if (stored_as(&p->tensors[i], law).dtype == SAFETENSORS_F16)
			layout_add(l, p, i, SAFETENSORS_F16, 0);
		else if (stored_as(&p->tensors[i], law).dtype == SAFETENSORS_I8)
			layout_add(l, p, i, SAFETENSORS_F16, 1);
	}
	for (size_t i = 0; i < p->count; i++)
		if (stored_as(&p->tensors[i], law).dtype == SAFETENSORS_I8)
			layout_add(l, p, i, SAFETENSORS_I8, 0);
	return (0);
}

uint64_t
artifact_payload(const struct config *c, const struct artifact_law *law)
{
	uint64_t bytes = 0;
	struct params *p;
	struct layout l;

	if ((p = params_new(c)) == NULL)
		return (0);
	if (layout_make(&l, p, law) == 0) {
		bytes = l.bytes;
		layout_free(&l);
	}
	params_free(p);
	return (bytes);
}

#define PACKED 0.92

/* Bits that a level likely takes in the stream. */
static double
level_bits(const struct quantize_law *rows)
{
	const double most = PACKED * rows->bits;

	if (rows->clip == QUANTIZE_MINMAX)
		return (most);
	/* A normal distribution's entropy, in levels: half of log2(2 pi e), and log2 of its deviation. */
	return (fmin(most, fmax(0.4, 2.0471 + log2(quantize_top(rows->bits) / rows->sdclip_k) + 0.4)));
}

uint64_t
artifact_likely(const struct config *c, const struct artifact_law *law)
{
	/* The least that xz made of a difference: 2.85 %, where most are levels of 8 bits. */
	const double share = law->coder == CODER_XZ ? 0.97 : 1;
	double bytes = 0;
	struct params *p;

	if ((p = params_new(c)) == NULL)
		return (0);
	for (size_t i = 0; i < p->count; i++) {
		const struct params_tensor *t = &p->tensors[i];
		const struct stored s = stored_as(t, law);

		if (s.dtype == SAFETENSORS_I8)
			bytes += (double)t->n * level_bits(&s.rows) / 8 + PACKED * 2 * (double)t->rows;
		else
			bytes += PACKED * (double)t->n * s.bits / 8;
	}
	params_free(p);
	return ((uint64_t)(share * bytes));
}

/* The stored tensors of data (laid out by l) as float32. */
static void
restore(const struct layout *l, const struct params *p, const unsigned char *data, float *w)
{
	for (size_t e = 0; e < l->count; e++) {
		const struct params_tensor *t = &p->tensors[l->tensor[e]];
		const unsigned char *at = data + l->entries[e].offset;
		float *out = w + t->offset;

		if (l->is_scale[e])
			continue;
		switch (l->entries[e].dtype) {
		case SAFETENSORS_F32:
			memcpy(out, at, t->n * sizeof(*out));
			break;
		case SAFETENSORS_F16:
			for (size_t i = 0; i < t->n; i++)
				out[i] = f16_to(((const uint16_t *)(const void *)at)[i]);
			break;
		default:
			quantize_restore((const int8_t *)at, (const uint16_t *)(const void *)(data + scales_of(l, e)),
			    t->rows, t->cols, out);
			break;
		}
	}
}

/* What matrices read, and how to make use of it: of the last one asked for, since some that follow read the same. */
struct feedback {
	const struct calibration *inputs;
	const float *gram;
	struct gptq *made;
};

/* Levels and scales of tensor i. */
static int
round_rows(struct feedback *f, const struct params *p, size_t i, const struct quantize_law *law, const float *w,
    int8_t *q, uint16_t *scale, float *scratch)
{
	const struct params_tensor *t = &p->tensors[i];
	const float *gram = law->clip == QUANTIZE_GPTQ ? calibration_gram(f->inputs, p, i) : NULL;

	if (gram == NULL) {
		quantize_rows(law, w, t->rows, t->cols, q, scale, scratch);
		return (0);
	}
	if (gram != f->gram) {
		gptq_free(f->made);
		f->gram = gram;
		if ((f->made = gptq_new(gram, t->cols)) == NULL) {
			if (errno != ENOMEM) {
				say_error("what tensor '%s' reads is no sum of squares", t->name);
				errno = ERANGE;
			}
			return (-1);
		}
	}
	return (gptq_rows(f->made, law, w, t->rows, q, scale, scratch));
}

/* Fill data from the weights; -1 after naming a tensor that cannot be stored. */
static int
store(const struct layout *l, const struct params *p, const float *w, const struct artifact_law *law,
    struct feedback *f, unsigned char *data, float *scratch)
{
	for (size_t e = 0; e < l->count; e++) {
		const struct params_tensor *t = &p->tensors[l->tensor[e]];
		const float *in = w + t->offset;
		uint16_t *half = (uint16_t *)(void *)(data + l->entries[e].offset);
		struct stored s;

		if (l->is_scale[e])
			continue;
		for (size_t i = 0; i < t->n; i++) {
			if (!isfinite(in[i]) || (l->entries[e].dtype != SAFETENSORS_F32 && fabsf(in[i]) >= 65520)) {
				say_error("tensor '%s' holds %g, which the artifact cannot store", t->name,
				    (double)in[i]);
				errno = ERANGE;
				return (-1);
			}
		}
		switch (l->entries[e].dtype) {
		case SAFETENSORS_F32:
			memcpy(half, in, t->n * sizeof(*in));
			break;
		case SAFETENSORS_F16:
			for (size_t i = 0; i < t->n; i++)
				half[i] = f16_from(in[i]);
			break;
		default:
			s = stored_as(t, law);
			half = (uint16_t *)(void *)(data + scales_of(l, e));
			if (round_rows(f, p, l->tensor[e], &s.rows, in, (int8_t *)data + l->entries[e].offset, half,
				scratch) != 0)
				return (-1);
			for (size_t r = 0; r < t->rows; r++)
				if (!isfinite(f16_to(half[r]))) {
					say_error("row %zu of tensor '%s' needs a scale that the artifact cannot store",
					    r, t->name);
					errno = ERANGE;
					return (-1);
				}
			break;
		}
	}
	return (0);
}

static json_t *
metadata_of(const struct params *p, const struct artifact_law *law, const char *tokenizer_sha256)
{
	const struct trainspec r = { .artifact = *law };
	json_t *config = config_to_json(&p->config), *levers = trainspec_levers(&r, "export."), *metadata = NULL;
	char *text = config != NULL ? jsonio_line(config) : NULL;
	char *quantised = levers != NULL ? jsonio_line(levers) : NULL;

	if (text != NULL && quantised != NULL)
		metadata = json_pack("{s:s, s:s, s:s*, s:s}", "format", ARTIFACT_FORMAT, "config", text, "export",
		    json_object_size(levers) > 0 ? quantised : NULL, "tokenizer_sha256", tokenizer_sha256);
	free(quantised);
	free(text);
	json_decref(levers);
	json_decref(config);
	return (metadata);
}

static int
fill_report(struct artifact_report *r, const struct layout *l, const struct params *p, const struct artifact_law *law,
    const float *w, const float *restored)
{
	if ((r->tensors = calloc(p->count, sizeof(*r->tensors))) == NULL)
		return (-1);
	r->payload_bytes = l->bytes;
	for (size_t e = 0; e < l->count; e++)
		r->tensors[l->tensor[e]].bytes += l->entries[e].bytes;
	for (size_t i = 0; i < p->count; i++) {
		const struct params_tensor *t = &p->tensors[i];
		const struct stored s = stored_as(t, law);
		struct artifact_tensor *out = &r->tensors[i];
		double sum = 0;

		for (size_t j = 0; j < t->n; j++) {
			const double error = fabs((double)restored[t->offset + j] - w[t->offset + j]);

			out->max_error = fmax(out->max_error, error);
			sum += error * error;
		}
		out->rms_error = sqrt(sum / (double)t->n);
		out->name = t->name;
		out->dtype = safetensors_dtype_name(s.dtype);
		out->bits = s.bits;
		out->dims = t->dims;
		out->rows = t->rows;
		out->cols = t->cols;
		r->max_error = fmax(r->max_error, out->max_error);
	}
	return (0);
}

static size_t
widest(const struct params *p)
{
	size_t most = 0;

	for (size_t i = 0; i < p->count; i++)
		most = p->tensors[i].cols > most ? p->tensors[i].cols : most;
	return (most);
}

int
artifact_write(int fd, const struct params *p, const float *w, const char *tokenizer_sha256,
    const struct artifact_law *law, const struct calibration *inputs, struct artifact_report *report)
{
	struct feedback f = { inputs, NULL, NULL };
	struct artifact_report r = { NULL, 0, 0, 0 };
	unsigned char *data = NULL;
	float *scratch = NULL, *restored = NULL;
	json_t *metadata = NULL;
	char *header = NULL;
	struct layout l;
	size_t header_n;
	int rc = -1;

	assert(law->quantizer != QUANTIZE_GPTQ || inputs != NULL);
	if (layout_make(&l, p, law) != 0)
		goto err0;
	data = calloc(1, l.bytes);
	scratch = calloc(widest(p), sizeof(*scratch));
	restored = calloc(p->n, sizeof(*restored));
	metadata = metadata_of(p, law, tokenizer_sha256);
	if (metadata != NULL)
		header = safetensors_header(l.entries, l.count, metadata, &header_n);
	if (data == NULL || scratch == NULL || restored == NULL || header == NULL) {
		errno = ENOMEM;
		goto err1;
	}
	if (store(&l, p, w, law, &f, data, scratch) != 0)
		goto out;
	restore(&l, p, data, restored);
	if (fill_report(&r, &l, p, law, w, restored) != 0)
		goto err1;
	if (coder_pack(law->coder, fd, (const void *[]){ header, data }, (const size_t[]){ header_n, l.bytes }, 2,
		&r.bytes) != 0)
		goto err1;
	*report = r;
	r.tensors = NULL;
	rc = 0;
	goto out;
err1:
	say_errno("cannot write the artifact");
out:
	gptq_free(f.made);
	artifact_report_free(&r);
	free(header);
	json_decref(metadata);
	free(restored);
	free(scratch);
	free(data);
	layout_free(&l);
	return (rc);
err0:
	say_errno("cannot write the artifact");
	return (-1);
}

void
artifact_report_free(struct artifact_report *report)
{
	free(report->tensors);
	report->tensors = NULL;
}

static int
bad(const char *what, const char *why)
{
	say_error("'%s': %s", what, why);
	errno = EBADMSG;
	return (-1);
}

static int
is_bits(unsigned bits)
{
	return (bits == 16 || (bits >= 6 && bits <= 8));
}

/* How a header says that the weights were stored; without a word, by the defaults. */
static int
read_law(const json_t *said, const char *what, struct artifact_law *law)
{
	const char *text = said != NULL ? json_string_value(said) : "{}";
	struct trainspec r = { .artifact = { 0 } };
	json_t *levers;
	int rc;

	if (text == NULL)
		return (bad(what, "its metadata 'export' is no text"));
	if ((levers = jsonio_parse(text, strlen(text), what)) == NULL)
		return (-1);
	rc = json_is_object(levers) ? trainspec_take(&r, "export.", levers) :
				      bad(what, "its metadata 'export' holds no object");
	json_decref(levers);
	if (rc != 0) {
		errno = EBADMSG;
		return (-1);
	}
	if (!is_bits(r.artifact.bits) || !is_bits(r.artifact.embed_bits))
		return (bad(what, "its export.bits or export.embed_bits is none of 16, 8, 7 and 6"));
	*law = r.artifact;
	return (0);
}

/* The configuration that a header declares, and how weights are stored. */
static int
read_metadata(const json_t *header, const char *what, struct artifact *a)
{
	const json_t *metadata = json_object_get(header, "__metadata__");
	const char *format = json_string_value(json_object_get(metadata, "format"));
	const char *tokenizer = json_string_value(json_object_get(metadata, "tokenizer_sha256"));
	const char *text = json_string_value(json_object_get(metadata, "config"));
	json_t *config;
	int rc;

	if (format == NULL || strcmp(format, ARTIFACT_FORMAT) != 0)
		return (bad(what, "its format is not " ARTIFACT_FORMAT));
	if (tokenizer == NULL || strlen(tokenizer) != SHA256_HEX_SIZE - 1 ||
	    strspn(tokenizer, "0123456789abcdef") != SHA256_HEX_SIZE - 1)
		return (bad(what, "its tokenizer_sha256 is no digest"));
	if (text == NULL)
		return (bad(what, "it has no model configuration"));
	strcpy(a->tokenizer_sha256, tokenizer);
	if (read_law(json_object_get(metadata, "export"), what, &a->law) == -1)
		return (-1);
	if ((config = jsonio_parse(text, strlen(text), what)) == NULL)
		return (-1);
	rc = config_from_json(&a->config, config);
	json_decref(config);
	if (rc != 0)
		errno = EBADMSG;
	return (rc);
}

/* Fetch the tensors that the configuration implies, and no others, into data laid out by l. */
static int
fetch_entries(const struct safetensors *s, const struct layout *l, const char *what, unsigned char *data)
{
	if (safetensors_count(s) != l->count)
		return (bad(what, "it has not the number of tensors that its configuration implies"));
	for (size_t e = 0; e < l->count; e++) {
		const struct safetensors_tensor *mine = &l->entries[e];
		const struct safetensors_tensor *t = safetensors_find(s, mine->name);

		if (t == NULL || t->dtype != mine->dtype || t->dims != mine->dims || t->shape[0] != mine->shape[0] ||
		    (t->dims == 2 && t->shape[1] != mine->shape[1])) {
			say_error("'%s': tensor '%s' is missing, or not of the type and shape that its configuration "
				  "implies",
			    what, mine->name);
			errno = EBADMSG;
			return (-1);
		}
		if (safetensors_get(s, t, data + mine->offset) != 0)
			return (-1);
	}
	return (0);
}

/* No level is beyond what its bits have: such a weight would be none that was stored. */
static int
check_levels(const struct layout *l, const struct artifact *a, const unsigned char *data, const char *what)
{
	for (size_t e = 0; e < l->count; e++) {
		const struct params_tensor *t = &a->params->tensors[l->tensor[e]];
		const int8_t *q = (const int8_t *)data + l->entries[e].offset;
		struct stored s;
		int top;

		if (l->entries[e].dtype != SAFETENSORS_I8)
			continue;
		s = stored_as(t, &a->law);
		top = quantize_top(s.bits);
		for (size_t i = 0; i < t->n; i++) {
			if (q[i] >= -top && q[i] <= top)
				continue;
			say_error("'%s': tensor '%s' holds the level %d, and %u bits have none beyond %d", what,
			    t->name, q[i], s.bits, top);
			errno = EBADMSG;
			return (-1);
		}
	}
	return (0);
}

/*
 * Unpack a whole file, whose size follows from its header alone: length,
 * then configuration, then tensors.  Fills a's configuration and table, and
 * the layout.  NULL after saying why; the caller frees the file's bytes.
 */
static unsigned char *
unpack_file(struct coder_stream *z, size_t n, const char *what, struct artifact *a, struct layout *l, size_t *file_n)
{
	unsigned char first[8], *file = NULL, *more;
	json_t *header = NULL;
	uint64_t length = 0;

	if (coder_take(z, first, sizeof(first)) != 0)
		return (NULL);
	for (int i = 7; i >= 0; i--)
		length = length << 8 | first[i];
	if (length > MAX_HEADER || length > (uint64_t)n * CODER_MAX_EXPANSION) {
		bad(what, "its header is too long");
		return (NULL);
	}
	if ((file = malloc(8 + length)) == NULL)
		goto nomem;
	memcpy(file, first, sizeof(first));
	if (coder_take(z, file + 8, length) != 0)
		goto err;
	if ((header = jsonio_parse((char *)file + 8, length, what)) == NULL || read_metadata(header, what, a) != 0)
		goto err;
	if (a->law.coder != coder_of(z)) {
		bad(what, "it is packed by another coder than it says");
		goto err;
	}
	if (params_sizes(&a->config).n > (uint64_t)n * CODER_MAX_EXPANSION) {
		bad(what, "it is too small to hold the model that it declares");
		goto err;
	}
	if ((a->params = params_new(&a->config)) == NULL || layout_make(l, a->params, &a->law) != 0)
		goto nomem;
	*file_n = 8 + length + l->bytes;
	if ((more = realloc(file, *file_n)) == NULL)
		goto nomem;
	file = more;
	if (coder_take(z, file + 8 + length, l->bytes) != 0 || coder_end(z) != 0)
		goto err;
	json_decref(header);
	return (file);

nomem:
	errno = ENOMEM;
	say_errno("cannot read '%s'", what);
err:
	json_decref(header);
	free(file);
	return (NULL);
}

int
artifact_read(const void *data, size_t n, const char *what, struct artifact *a)
{
	struct layout l = { NULL, NULL, NULL, NULL, 0, 0 };
	unsigned char *file = NULL, *tensors = NULL;
	struct safetensors *s = NULL;
	struct coder_stream *z;
	size_t file_n;
	int rc = -1;

	memset(a, 0, sizeof(*a));
	if ((z = coder_open(data, n, what)) == NULL)
		return (-1);
	if ((file = unpack_file(z, n, what, a, &l, &file_n)) == NULL)
		goto out;
	tensors = malloc(l.bytes);
	a->w = calloc(a->params->n, sizeof(*a->w));
	if (tensors == NULL || a->w == NULL)
		goto nomem;
	if ((s = safetensors_parse(file, file_n, what)) == NULL || fetch_entries(s, &l, what, tensors) != 0 ||
	    check_levels(&l, a, tensors, what) != 0)
		goto out;
	restore(&l, a->params, tensors, a->w);
	for (size_t i = 0; i < a->params->n; i++) {
		if (!isfinite(a->w[i])) {
			bad(what, "it holds weights that are not finite");
			goto out;
		}
	}
	rc = 0;
	goto out;
nomem:
	errno = ENOMEM;
	say_errno("cannot read '%s'", what);
out:
	coder_close(z);
	safetensors_free(s);
	layout_free(&l);
	free(tensors);
	free(file);
	if (rc != 0)
		artifact_free(a);
	return (rc);
}

void
artifact_free(struct artifact *a)
{
	const int error = errno;

	params_free(a->params);
	free(a->w);
	a->params = NULL;
	a->w = NULL;
	errno = error;
}
