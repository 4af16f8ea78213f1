#include <math.h>
#include <strings.h>

#include "import/metric.h"

struct metric_fit
metric_fit(const double *score, const char *status, size_t n, int higher)
{
	struct metric_fit f = { 0 };
	double best = NAN, last = NAN;
	int better;
	size_t i;

	for (i = 0; i < n; i++) {
		if (isnan(score[i]) || (status[i] != 'k' && status[i] != 'd'))
			continue;
		f.decisions++;
		better = isnan(best) || (higher ? score[i] > best : score[i] < best);
		if (status[i] == 'd') {
			f.discarded++;
			f.discarded_fit += isnan(best) || !better;
			f.fits += isnan(best) || !better;
			continue;
		}
		f.fits += better;
		if (!isnan(last)) {
			f.kept++;
			f.kept_fit += better;
			f.kept_worse += higher ? score[i] < last : score[i] > last;
		}
		last = score[i];
		if (better)
			best = score[i];
	}
	return (f);
}

int
metric_fit_is_sure(const struct metric_fit *f)
{
	return (f->decisions >= 8 && f->fits == f->decisions && f->kept >= 2 && f->discarded >= 3);
}

double
metric_fit_share(const struct metric_fit *f)
{
	double kept = f->kept == 0 ? 0 : (double)f->kept_fit / (double)f->kept;

	return (f->discarded == 0 ? kept : (kept + (double)f->discarded_fit / (double)f->discarded) / 2);
}

int
metric_zero_is_none(const double *score, size_t n, int fractions, int higher)
{
	double least = INFINITY, most = 0, x;
	size_t i;

	if (higher || !fractions)
		return (0);
	for (i = 0; i < n; i++) {
		x = fabs(score[i]);
		if (isnan(x) || x == 0)
			continue;
		least = fmin(least, x);
		most = fmax(most, x);
	}
	return (most > 0 && least > 0.05 * most);
}

int
metric_direction(const char *text)
{
	if (strncasecmp(text, "high", 4) == 0 || strncasecmp(text, "max", 3) == 0)
		return (1);
	return (strncasecmp(text, "low", 3) == 0 || strncasecmp(text, "min", 3) == 0 ? 0 : -1);
}
