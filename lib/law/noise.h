#ifndef HG_NOISE_H
#define HG_NOISE_H

/**
 * How far apart two runs of one configuration lie, and what a difference of
 * two configurations is worth.
 *
 * Runs of configuration j are normal with a variance of its own, v_j; over the
 * configurations of a lane ln v_j is normal about an unknown centre, with a
 * declared spread (0.42 in ln sigma).  Given all the sample variances, the
 * chance of a gain as large as the one seen, were there none, is the normal
 * tail averaged over what v_a and v_b can be.  That is the moderated t test
 * (Smyth 2004, doi:10.2202/1544-6115.1027) without its approximations: the
 * lane's other configurations moderate both variances, each stays its own, and
 * the level is exact under this model since the centre is a location
 * parameter.  Heavier tails than the normal's make it err towards noise.
 * Checked: t/unit/noise.c and, over whole campaigns, t/tools/sim.c.
 */

/* The lane's configurations, seen in the logarithm of their variances. Start from noise_pool. */
struct noise_pool {
	double tau2;              /* variance of ln sigma^2 over configurations, as declared */
	double floor;             /* no deviation below this one is believed */
	double n, w, we, wee, ww; /* sums over configurations */
};

/* What a pool says of one more configuration: ln variance is normal(centre, tau2 + doubt). */
struct noise_prior {
	double tau2, centre, doubt; /* doubt is INFINITY for an empty pool */
};

/* One side: fresh runs (n, mean), and all that its own runs say of its variance (df, ss). */
struct noise_arm {
	double n, mean, df, ss;
};

struct noise_test {
	double gain;         /* how much better b is than a */
	double se;           /* standard error, root mean square over what the variances can be */
	double p;            /* chance of such a gain or a larger one if the true gain were the margin */
	double p_loss;       /* likewise of such a loss if there were none */
	double lower, upper; /* the true gain is above, below these with the confidence asked for, each */
	double sd_a, sd_b;   /* deviations of single runs, medians */
};

/* ln_sigma_sd: how ln sigma spreads over configurations, unless the lane shows more. */
struct noise_pool noise_pool(double ln_sigma_sd, double floor);

/* Add a configuration whose runs had ${df} degrees of freedom; nothing if df < 1. */
void noise_pool_add(struct noise_pool *pool, double df, double ss);

struct noise_prior noise_prior(const struct noise_pool *pool);

/* The deviation at the pool's centre, 0 for an empty pool: what "lane deviations" counts in. */
double noise_lane_sd(const struct noise_pool *pool);

/*
 * Degrees of freedom that the prior is worth: those of a chi-squared whose logarithm varies as much. 0 if nothing is
 * known.
 */
double noise_prior_df(const struct noise_prior *prior);

/**
 * noise_compare(a, b, pool, sign, margin, confidence):
 * Compare challenger ${b} with incumbent ${a}, neither of which is in ${pool};
 * ${sign} is 1 where lower is better, -1 where higher is.  Where a side has no
 * run, or neither they nor the pool have degrees of freedom, nothing is shown:
 * p and p_loss are 1, and what is not known is NAN.
 */
struct noise_test noise_compare(const struct noise_arm *a, const struct noise_arm *b, const struct noise_pool *pool,
    int sign, double margin, double confidence);

/**
 * noise_power(pool, history_df, level, gain_sd, n):
 * Chance that n runs a side confirm a gain of ${gain_sd} lane deviations at
 * ${level}, where the incumbent has ${history_df} older degrees of freedom,
 * averaged over how deviations differ between configurations; NAN for fewer
 * than 2 runs, or where nothing is known.
 */
double noise_power(const struct noise_pool *pool, double history_df, double level, double gain_sd, unsigned n);

/* --- pairs: runs of both sides with the same seed and place in the data, held against each other one by one --- */

enum { NOISE_GAINS = 16, NOISE_VARIANCES = 256 };

/*
 * All that is known before a confirmation's first pair; its plan fixes it.  The lane's other configurations say what
 * the variance of single runs is (lane), the incumbent's runs outside of plans theirs (df, ss), and earlier pairs how
 * far differences spread: pairs_e is the weighted mean of ln(variance / 2) of theirs, and pairs_w its precision, 0
 * without any.
 */
struct noise_before {
	double lane_sd, floor;
	struct noise_prior lane;
	double df, ss;
	double pairs_w, pairs_e;
	double screened; /* the gain that the screen saw; NAN: none did */
};

/* What the variance of a pair's difference can be, if there is no gain and for each gain that is held against that. */
struct noise_spread {
	double lane_sd, first,
	    step; /* ln variance is first + i step, and weights are logarithms, too, but for the last */
	double null[NOISE_VARIANCES], gain[NOISE_GAINS][NOISE_VARIANCES], weight[NOISE_GAINS];
	double at[NOISE_GAINS]; /* the gains, in lane deviations */
};

/* Differences of pairs, better being positive: their number, mean and sum of squared deviations from it. */
struct noise_pairs {
	double n, mean, ss;
};

/* 0, or -1: nothing is known of the lane's noise. */
int noise_spread(const struct noise_before *known, struct noise_spread *s);

/**
 * noise_odds(s, p, margin):
 * How many times likelier pairs ${p} are if there is a gain above ${margin}
 * than if there is none: an e-process (Ramdas, Gruenwald, Vovk and Shafer 2023,
 * doi:10.1214/23-STS894).  Without a gain it exceeds 1/a, at any time that
 * anybody cares to look, with a chance of a at most.
 * Checked: t/unit/noise.c, and over whole campaigns by t/tools/sim.c.
 */
double noise_odds(const struct noise_spread *s, const struct noise_pairs *p, double margin);

/* The true gain is above ${lower}, below ${upper} with this confidence each, whenever one stops; INFINITY: unknown. */
void noise_bounds(const struct noise_spread *s, const struct noise_pairs *p, double confidence, double *lower,
    double *upper);

/* Are so many pairs with such odds not worth another? A claim that is given up costs power alone, whenever that is. */
int noise_hopeless(double pairs, double odds);

/**
 * noise_pairs_power(known, level, gain_sd, n):
 * Chance that at most n pairs confirm a gain of ${gain_sd} lane deviations at
 * ${level}, looked at after each; NAN where nothing is known.  Within 0.03, by
 * a simulation that is the same for the same question.
 */
double noise_pairs_power(const struct noise_before *known, double level, double gain_sd, unsigned n);

/* What an earlier confirmation's pairs say: the precision and the value of ln(variance / 2); 0: fewer than two. */
double noise_pairs_weight(const struct noise_pool *pool, const struct noise_pairs *p, double *e);

#endif
