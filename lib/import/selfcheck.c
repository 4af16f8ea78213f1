#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/bpb.h"
#include "import/selfcheck.h"

static void
check_mean(struct claim *c, unsigned sd_value)
{
	double sum = 0, unit = 0, mean, ss = 0, x, best = INFINITY, sd, claimed, sd_unit;
	size_t i, n = claim_scored(c), single = 0;
	const struct claim_value *v;

	if (c->score == 0 || n < 2)
		return;
	v = &c->values[c->score - 1];
	claimed = v->figure.number;
	for (i = 0; i < c->run_count; i++) {
		if (c->runs[i].score == 0)
			continue;
		x = claim_number(c, c->runs[i].score);
		sum += x;
		best = fmin(best, x);
		unit = fmax(unit, claim_unit(c, c->runs[i].score));
		single += number_agree(x, claim_unit(c, c->runs[i].score), claimed, v->figure.unit);
	}
	mean = sum / (double)n;
	for (i = 0; i < c->run_count; i++)
		if (c->runs[i].score != 0)
			ss += pow(claim_number(c, c->runs[i].score) - mean, 2);
	if (!number_agree(mean, unit, claimed, v->figure.unit)) {
		if (number_agree(best, unit, claimed, v->figure.unit))
			claim_note(c, DEFECT_BEST_OF_SEEDS, v->file, v->line,
			    "%s is %s, the best of %zu runs; their mean is %.8f", v->path, v->text, n, mean);
		else
			claim_note(c, DEFECT_MEAN_DISAGREES, v->file, v->line,
			    "%s is %s; the mean of %zu runs is %.8f%s", v->path, v->text, n, mean,
			    single > 0 ? ", and it is one of them" : "");
	}
	if (sd_value == 0)
		return;
	v = &c->values[sd_value - 1];
	sd = sqrt(ss / (double)(n - 1));
	/* What rounding of the scores can do to it, and of itself. */
	sd_unit = v->figure.unit + unit;
	if (fabs(v->figure.number - sd) > sd_unit && fabs(v->figure.number - sqrt(ss / (double)n)) > sd_unit)
		claim_note(c, DEFECT_SD_DISAGREES, v->file, v->line, "%s is %s; that of %zu runs is %.8f", v->path,
		    v->text, n, sd);
}

/* Loss and bpb of each run in the same proportion, within what their digits leave open. */
static void
check_ratio(struct claim *c)
{
	double ratio, error, first = NAN, first_error = 0, loss, bpb;
	const struct claim_run *r;
	size_t i;

	for (i = 0; i < c->run_count; i++) {
		r = &c->runs[i];
		loss = claim_number(c, r->val_loss);
		bpb = claim_number(c, r->val_bpb);
		if (isnan(loss) || isnan(bpb))
			continue;
		ratio = bpb_token_bytes(loss, bpb);
		error = ratio * (claim_unit(c, r->val_loss) / loss + claim_unit(c, r->val_bpb) / bpb);
		if (isnan(first)) {
			first = ratio;
			first_error = error;
		} else if (fabs(ratio - first) > error + first_error + 1e-3 * first)
			claim_note(c, DEFECT_RATIO_APART, c->values[r->val_bpb - 1].file,
			    c->values[r->val_bpb - 1].line,
			    "loss and bpb imply %.6f bytes per token, those of the first run %.6f", ratio, first);
	}
}

void
selfcheck_cap(struct claim *c, const struct claim_value *v)
{
	if (!(v->figure.number > CLAIM_CAP_BYTES))
		return;
	claim_note(c, DEFECT_OVER_CAP, v->file, v->line, "%s is %.0f, over %d",
	    v->path[0] == '\0' ? claim_what_name(v->what) : v->path, v->figure.number, CLAIM_CAP_BYTES);
}

/* Megabytes of 2^20: provable where the bytes stand beside them. */
static void
check_mib(struct claim *c, double total)
{
	const struct claim_value *v;
	struct number f;
	size_t i, n, k, count = c->value_count;

	if (isnan(total))
		return;
	for (i = 0; i < count; i++) {
		v = &c->values[i];
		n = strlen(v->name);
		k = strspn(v->text, "0123456789.");
		if (v->what == CLAIM_OWN && n > 3 && strcasecmp(v->name + n - 3, "_mb") == 0)
			f = v->figure;
		else if (k > 0 && strcasecmp(v->text + k + strspn(v->text + k, " "), "mb") == 0)
			f = number_read(v->text, k, NUMBER_ANY);
		else if (v->what == CLAIM_OWN && strcmp(v->text, "true") == 0 && strstr(v->name, "under_16") != NULL &&
		    total > CLAIM_CAP_BYTES && total <= 16 << 20) {
			claim_note(c, DEFECT_MIB_AS_MB, v->file, v->line,
			    "%s is true of 16 MiB; %.0f bytes are over 16,000,000", v->path, total);
			continue;
		} else
			continue;
		if (!isnan(f.number) && f.unit < 0.2 && !number_agree(f.number, f.unit, total / 1e6, 0) &&
		    number_agree(f.number, f.unit, total / 1048576, 0))
			claim_note(c, DEFECT_MIB_AS_MB, v->file, v->line,
			    "%s is %s; %.0f bytes are %.3f MB and %.3f MiB", v->path, v->text, total, total / 1e6,
			    total / 1048576);
	}
}

static void
check_bytes(struct claim *c, const struct fields *t)
{
	unsigned total = fields_whole(t, CLAIM_TOTAL_BYTES, 0), code = fields_whole(t, CLAIM_CODE_BYTES, 0);
	unsigned model = fields_whole(t, CLAIM_MODEL_BYTES, 0);
	double x = claim_number(c, total), sum = 0, parts = claim_number(c, code) + claim_number(c, model), known = NAN;
	size_t i, n = 0, same = 0, count = c->value_count;
	const struct claim_value *v;

	for (i = 0; i < c->run_count; i++)
		if (c->runs[i].total_bytes != 0) {
			n++;
			known = claim_number(c, c->runs[i].total_bytes);
			sum += known;
			same += known == x;
		}
	if (total != 0) {
		v = &c->values[total - 1];
		if (n > 0 && same == 0 && fabs(sum / (double)n - x) >= 1)
			claim_note(c, DEFECT_BYTES_DISAGREE, v->file, v->line,
			    "%s is %s, and none of %zu runs has as many, nor their"
			    " mean of %.0f",
			    v->path, v->text, n, sum / (double)n);
		else if (n == 0 && !isnan(parts) && parts != x)
			claim_note(c, DEFECT_BYTES_DISAGREE, v->file, v->line, "%s is %s, and its parts add up to %.0f",
			    v->path, v->text, parts);
		if (c->run_count == 1 && c->runs[0].total_bytes == 0)
			c->runs[0].total_bytes = total;
	}
	check_mib(c, total != 0 ? x : known);
	for (i = 0; i < count; i++)
		if (c->values[i].what == CLAIM_TOTAL_BYTES || c->values[i].what == CLAIM_ARTIFACT_BYTES)
			selfcheck_cap(c, &c->values[i]);
}

/*
 * Bits per byte under the name of a loss: the same number under both, or a loss that no tokenizer in use gives.  A loss
 * under the name of bits per byte: together they would give a token less than a byte.
 */
static int
check_pair(struct claim *c, unsigned loss, unsigned bpb)
{
	const struct claim_value *l, *b;
	double ratio;

	if (loss == 0 || bpb == 0 || isnan(claim_number(c, loss)) || isnan(claim_number(c, bpb)))
		return (0);
	l = &c->values[loss - 1];
	b = &c->values[bpb - 1];
	if (l->figure.number == b->figure.number) {
		claim_note(c, DEFECT_BPB_AS_LOSS, l->file, l->line, "%s and %s are both %s", l->path, b->path, l->text);
		claim_doubt(c, (int)loss - 1, DEFECT_BPB_AS_LOSS);
		return (1);
	}
	/* A hundredth for tokens of no bytes, and what the digits leave open. */
	ratio = bpb_token_bytes(l->figure.number, b->figure.number);
	if (ratio * (1 + l->figure.unit / l->figure.number + b->figure.unit / b->figure.number) >= 0.99)
		return (0);
	claim_note(c, DEFECT_LOSS_AS_BPB, b->file, b->line, "%s is %s and %s is %s: %.3f bytes per token", b->path,
	    b->text, l->path, l->text, ratio);
	claim_doubt(c, (int)bpb - 1, DEFECT_LOSS_AS_BPB);
	claim_doubt(c, (int)loss - 1, DEFECT_BPB_AS_LOSS);
	return (1);
}

static void
check_loss(struct claim *c, const struct fields *t)
{
	unsigned loss = fields_whole(t, CLAIM_VAL_LOSS, 0), bpb = fields_whole(t, CLAIM_VAL_BPB, 0);
	struct claim_run *r;
	size_t i;

	if (loss != 0 && bpb == 0 && claim_scored(c) == 0 && claim_number(c, loss) < bpb_nats(2)) {
		claim_note(c, DEFECT_BPB_AS_LOSS, t->file, c->values[loss - 1].line,
		    "%s is %s and there is no val_bpb: at 2 bytes a token or more it would be under 1 bit per byte",
		    c->values[loss - 1].path, c->values[loss - 1].text);
		claim_doubt(c, (int)loss - 1, DEFECT_BPB_AS_LOSS);
	} else
		check_pair(c, loss, bpb);
	for (i = 0; i < c->run_count; i++) {
		r = &c->runs[i];
		check_pair(c, r->val_loss, r->val_bpb);
		if (isnan(claim_number(c, r->val_loss)))
			r->val_loss = 0;
		if (isnan(claim_number(c, r->val_bpb)))
			r->val_bpb = 0;
		if (isnan(claim_number(c, r->score)))
			r->score = 0;
	}
	if (c->score != 0 && isnan(claim_number(c, c->score)))
		c->score = 0;
}

void
selfcheck_values(struct claim *c)
{
	const defect_set quiet = DEFECT_BIT(DEFECT_QUOTED_NUMBER) | DEFECT_BIT(DEFECT_AMBIGUOUS) |
	    DEFECT_BIT(DEFECT_NOT_JSON) | DEFECT_BIT(DEFECT_TOO_DEEP) | DEFECT_BIT(DEFECT_DUPLICATE_KEY) |
	    DEFECT_BIT(DEFECT_MISSING);
	struct claim_value *v;
	size_t i, n = c->value_count;
	int k;

	for (i = 0; i < n; i++) {
		v = &c->values[i];
		for (k = 0; k < FLAGS; k++)
			if ((v->flags & ~quiet & DEFECT_BIT(k)) != 0)
				claim_note(c, (enum defect)k, v->file, v->line, "%s is \"%.200s\"",
				    v->path[0] == '\0' ? claim_what_name(v->what) : v->path, v->text);
	}
}

void
selfcheck_claim(const struct fields *t)
{
	check_loss(t->c, t);
	check_mean(t->c, fields_whole(t, CLAIM_SD, 0));
	check_ratio(t->c);
	check_bytes(t->c, t);
}
