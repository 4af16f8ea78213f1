#ifndef HG_OPS_H
#define HG_OPS_H

/**
 * The operation table: everything a backend must be able to do.
 *
 * The order of operations of the model is written once (lib/gpt/model.c,
 * lib/gpt/optimizer.c) over this table.  An entry is a unit that a fast
 * backend wants to fuse, stated by what it computes; how it is tiled, packed
 * or kept in lower precision is the backend's own affair.  `ref` (plain loops,
 * float64) is the specification: every other backend is compared with it.
 *
 * Letters: B sequences, T positions, N = B*T rows, C model_dim, H query heads,
 * K key/value heads, D = C/H head width, F width of the MLP, V vocabulary.
 * A weight (out, in) maps a row x of `in` to x * w^T, as in the public model.
 * All matrices are row-major.  This header names no type of any device.
 *
 * Determinism: for one backend, arithmetic and ISA, every entry gives the same
 * bits whatever the number of threads and however often it is called.
 */

#include <stddef.h>
#include <stdint.h>

/* What a buffer is for; the backend chooses its element type and packing. */
enum ops_role {
	OPS_WEIGHT, /* matrix parameter (rows, cols): float32 master, and what the products need */
	OPS_VECTOR, /* small parameter, gradient or optimizer state: float32 */
	OPS_TABLE,  /* large parameter (rows, cols) that nothing reads but rows of it by ids: float32 */
	OPS_ROWS,   /* the gradient of an OPS_TABLE, which only those entries add to that read it by ids: float32 */
	OPS_STREAM, /* residual stream and its gradient (rows, cols): float32 or lower */
	OPS_ACT,    /* other activations (rows, cols): float32 or lower */
	OPS_CACHE,  /* keys or values by position (max_positions, K*D): as OPS_ACT; attention has seen each row before
		     * another follows, and sees none again that is written again, but from position 0 on */
	OPS_STAT,   /* per-row statistics, losses, logits: float32 */
	OPS_IDS     /* token ids: int32 */
};

/* Columns of a buffer in multiples of this leave no padding behind rows. */
#define OPS_WHOLE 32

/* From so many elements on a parameter that is looked up is an OPS_TABLE; a smaller one is a VECTOR. */
#define OPS_TABLE_ELEMENTS ((size_t)1 << 20)

struct ops_buf; /* owned by the backend that made it */
struct ops_ctx; /* one opened backend */

enum ops_arith {
	OPS_FP32,
	OPS_BF16 /* products and activations bf16; sums, master weights and optimizer float32 */
};

/* Fixed when the backend is opened; scratch is sized from it, once. */
struct ops_geometry {
	size_t vocab_size;    /* V */
	size_t model_dim;     /* C */
	size_t num_heads;     /* H */
	size_t num_kv_heads;  /* K; divides H */
	size_t mlp_dim;       /* F */
	int mlp_gated;        /* some mlp is OPS_SWIGLU */
	size_t bigram_dim;    /* width of the table of pairs, 0 without one */
	size_t rope_dims;     /* elements of a head that turn, from the first on; 0: all */
	size_t max_rows;      /* largest N of any call */
	size_t max_positions; /* largest position + 1: length of the RoPE tables */
	double rope_base;
	double logit_softcap;
	double norm_eps;
};

struct ops_open_args {
	struct ops_geometry geometry;
	enum ops_arith arith;
	const char *isa;  /* "auto", or a name that the backend's isa_names lists */
	unsigned threads; /* at least 1 */
	int training;     /* nonzero: backward and optimizer scratch too */
	/*
	 * Revision of how training rounds: what a backend adds up in another order than the version before, it does so
	 * from a further one on, and below that to the old bits.  Forward alone is no part of it.  0 is 1.
	 */
	unsigned numerics;
};

/**
 * How rows lie for one pass: B sequences of T rows each, whose first position
 * is ${pos0}.  Training and scoring use pos0 == 0.  With pos0 > 0, B is 1 and
 * keys and values of positions before pos0 already stand in k and v, whose
 * rows are then indexed by position (the KV cache of generation): qkv writes
 * rows pos0..pos0+T-1 of k and v, attention reads rows 0..pos0+T-1.  Backward
 * entries see pos0 == 0 only.  Ids and targets are below V (asserted).
 *
 * Rows before ${from} of each sequence are wanted by nobody, but as keys and
 * values: what qkv writes to xm and q, and all that attention, output, proj,
 * mlp, lanes and head write, may be left out there, whatever stands in its
 * place.  The other rows get the bits that they have with from == 0, as which
 * the other entries see it.
 */
struct ops_rows {
	size_t B, T, pos0, from;
};

/**
 * One block's first half: mix, norm, products, head norm, RoPE.
 *   u  = x + skip_w * skip          (skip == NULL: u = x)
 *   xm = mix[0] * u + mix[1] * x0
 *   h  = norm_scale * rms(xm)
 *   q  = rope(rms_head(h wq^T)), k = rope(rms_head(h wk^T)), v = h wv^T
 * The q gain is not applied here; attention applies it.  rq and rk are NULL
 * when no backward follows.
 */
struct ops_qkv {
	const struct ops_buf *x;      /* STREAM (N, C) */
	const struct ops_buf *skip;   /* STREAM (N, C) or NULL */
	const struct ops_buf *skip_w; /* VECTOR (S, C), row skip_row used */
	size_t skip_row;
	const struct ops_buf *x0;           /* STREAM (N, C) */
	const struct ops_buf *mix;          /* VECTOR (2, C) */
	const struct ops_buf *wq, *wk, *wv; /* WEIGHT (C, C), (K*D, C), (K*D, C) */
	struct ops_buf *xm;      /* STREAM (N, C): out of forward; not kept for backward, which may rebuild it */
	struct ops_buf *q;       /* ACT (N, C) */
	struct ops_buf *k, *v;   /* ACT (N, K*D), or (max_positions, K*D) as a cache */
	struct ops_buf *rq, *rk; /* STAT (N, H), (N, K): reciprocal rms of each head before rotation; or NULL */
	float norm_scale;
	struct ops_buf *cut; /* STAT (N, any number up to C), out: the first columns of h; or NULL */
};

/**
 * Backward of ops_qkv.  In: dxm (gradient reaching xm from the residual path),
 * dq (with respect to q as stored, gain excluded), dk, dv.  Out: dx
 * overwritten; dskip overwritten when skip is given; dx0, and the parameter
 * gradients, accumulated.  dx may be the same buffer as dxm.
 */
struct ops_qkv_grad {
	struct ops_buf *dxm;              /* STREAM (N, C); may be used as scratch */
	struct ops_buf *dq, *dk, *dv;     /* ACT, shapes of q, k, v; may be used as scratch */
	struct ops_buf *dx, *dskip, *dx0; /* STREAM (N, C) */
	struct ops_buf *dskip_w, *dmix;   /* VECTOR */
	struct ops_buf *dwq, *dwk, *dwv;  /* WEIGHT-shaped gradients, role VECTOR */
	const struct ops_buf *dcut;       /* STAT, as cut: the gradient that reaches h there; or NULL */
};

/**
 * What attention reads for values, in place of raw = h wv^T:
 *   u = raw + 2 sigmoid(<gate[kv head], cut>) * table[ids]   (table NULL: u = raw)
 *   v = mix[0] * u + mix[1] * first                          (mix NULL: v = u)
 * gate reads as many columns of cut as it has.  Rows of raw, v and first are by position, as in qkv.
 */
struct ops_values {
	const struct ops_buf *raw;   /* ACT (N, K*D); may be v's buffer where mix is NULL or no backward follows */
	const struct ops_buf *ids;   /* IDS (N) */
	const struct ops_buf *table; /* VECTOR or TABLE (V, K*D), or NULL */
	const struct ops_buf *gate;  /* VECTOR (K, columns) */
	const struct ops_buf *cut;   /* STAT (N, columns or more) */
	const struct ops_buf *mix;   /* VECTOR (2) or NULL */
	const struct ops_buf *first; /* ACT (N, K*D): v of the first layer */
	struct ops_buf *v;           /* ACT (N, K*D) */
};

/* In: dv, to which own and later are added first.  Out: dv becomes the gradient of raw; the others accumulated. */
struct ops_values_grad {
	struct ops_buf *dv;                /* ACT (N, K*D) */
	const struct ops_buf *own, *later; /* STREAM (N, K*D) or NULL: what else reached v */
	struct ops_buf *dfirst;            /* STREAM (N, K*D) */
	struct ops_buf *dtable;            /* VECTOR or ROWS */
	struct ops_buf *dgate;             /* VECTOR */
	struct ops_buf *dcut;              /* STAT */
	struct ops_buf *dmix;              /* VECTOR (2) */
};

/**
 * What proj reads, in place of attention's y, head by head:
 *   z   = y - (<y, v> / max(<v, v>, 1e-12)) v                (v NULL: z = y), v the row's own of its kv head
 *   out = 2 sigmoid(<gate[head], cut>) * z                   (gate NULL: out = z)
 */
struct ops_output {
	const struct ops_buf *y;    /* ACT (N, C) */
	const struct ops_buf *v;    /* ACT (N, K*D), rows by position; or NULL */
	const struct ops_buf *gate; /* VECTOR (H, columns) or NULL */
	const struct ops_buf *cut;  /* STAT (N, columns or more) */
	struct ops_buf *out;        /* ACT (N, C) */
};

/* In: dy, the gradient of out.  Out: dy becomes that of y; dv overwritten; dgate and dcut accumulated. */
struct ops_output_grad {
	struct ops_buf *dy;    /* ACT (N, C) */
	struct ops_buf *dv;    /* STREAM (N, K*D) */
	struct ops_buf *dgate; /* VECTOR */
	struct ops_buf *dcut;  /* STAT */
};

/**
 * The embedding with what the tokens before add:
 *   e[n] = emb[ids[n]] + scale * table[pairs[n]] proj^T             (table NULL: no second term)
 *   s[n] = e[n] + smeared[n] * lambda * sigmoid(<gate, e[n]>) * e[n-1]  (smeared NULL: s = e)
 *   x0   = rms(s)
 * gate reads as many columns of e as it has.  Rows of e are by position: with pos0 > 0 row pos0-1 stands there.
 */
struct ops_context {
	const struct ops_buf *ids;     /* IDS (N) */
	const struct ops_buf *emb;     /* WEIGHT, VECTOR or TABLE (V, C) */
	const struct ops_buf *pairs;   /* IDS (N), below the rows of table */
	const struct ops_buf *table;   /* VECTOR or TABLE (any, bigram_dim), or NULL */
	const struct ops_buf *proj;    /* WEIGHT (C, bigram_dim) */
	const struct ops_buf *scale;   /* VECTOR (1) */
	const struct ops_buf *smeared; /* IDS (N), 0 or 1, 0 where a sequence begins; or NULL */
	const struct ops_buf *gate;    /* VECTOR (columns) */
	const struct ops_buf *lambda;  /* VECTOR (1) */
	struct ops_buf *e;             /* STREAM (N, C): kept for backward */
	struct ops_buf *x0;            /* STREAM (N, C) */
};

/* In: dx0, which is used as scratch.  Out: de overwritten; the others accumulated. */
struct ops_context_grad {
	struct ops_buf *dx0, *de;        /* STREAM (N, C) */
	struct ops_buf *demb;            /* VECTOR or ROWS, of emb's shape */
	struct ops_buf *dtable;          /* VECTOR or ROWS */
	struct ops_buf *dproj, *dscale;  /* VECTOR */
	struct ops_buf *dgate, *dlambda; /* VECTOR */
};

/*
 * out = g x + (1 - g) w skip by columns, where w and g = sigmoid of gates are their rows skip_row; gates NULL:
 * out = x + w skip.
 */
struct ops_skip {
	const struct ops_buf *x, *skip;  /* STREAM (N, C) */
	const struct ops_buf *w, *gates; /* VECTOR (S, C); gates may be NULL */
	size_t skip_row;
	struct ops_buf *out; /* STREAM (N, C) */
};

/* In: dx, the gradient of out.  Out: dx becomes that of x; dskip overwritten; dw, dgates accumulated. */
struct ops_skip_grad {
	struct ops_buf *dx, *dskip;  /* STREAM (N, C) */
	struct ops_buf *dw, *dgates; /* VECTOR (S, C); dgates NULL without gates */
};

/**
 * The end of a layer of two residual lanes A and B, whose attention read A and whose MLP read B, both before the layer:
 *   a1 = keep[0] A + add[0][0] att + add[1][0] mlp,  b1 = keep[1] B + add[0][1] att + add[1][1] mlp
 * where mlp = x2 - B is what ops_mlp added to its x1 = B, and att what ops_proj added to an xm of zeros.
 * Of the last layer, whose b1 is NULL, a1 is the mean of both, (a1 + b1) / 2.
 * a1 and b1 may be the buffers of A and B; A and B may be one buffer, as they are where the lanes begin.
 */
struct ops_lanes {
	const struct ops_buf *a, *b;    /* STREAM (N, C): A, B */
	const struct ops_buf *att, *x2; /* STREAM (N, C) */
	const struct ops_buf *keep;     /* VECTOR (2) */
	const struct ops_buf *add;      /* VECTOR (2, 2): rows from attention and MLP, columns to A and B */
	struct ops_buf *a1, *b1;        /* STREAM (N, C); b1 may be NULL */
};

/**
 * In: da, db, the gradients of a1 and b1; where b1 is NULL da alone, that of the mean.
 * Out: da becomes keep[0] times that of a1; datt and dmlp, the gradients of att and mlp, overwritten; db becomes
 * keep[1] times that of b1, less dmlp, so that what ops_mlp_grad makes of dx2 = dmlp, which has the residual's share
 * in it, completes db when added; dkeep, dadd accumulated.
 */
struct ops_lanes_grad {
	struct ops_buf *da, *db, *datt, *dmlp; /* STREAM (N, C) */
	struct ops_buf *dkeep, *dadd;          /* VECTOR (2), (2, 2) */
};

/* What is added to logits before the softcap: alpha * table[ids]. */
struct ops_prior {
	const struct ops_buf *table; /* VECTOR (V, V) */
	const struct ops_buf *alpha; /* VECTOR (1) */
	const struct ops_buf *ids;   /* IDS, by the rows of x */
};

/**
 * Causal attention of H heads over K key/value heads; head h reads kv head
 * h / (H/K).  Weights softmax(gain[h] * q.k / sqrt(D)); y (N, C).
 * lse (N, H) is the log of the sum of exponentials of the scaled scores.
 */
struct ops_attention {
	const struct ops_buf *q, *k, *v; /* ACT */
	const struct ops_buf *gain;      /* VECTOR (H) */
	struct ops_buf *y;               /* ACT (N, C) */
	struct ops_buf *lse;             /* STAT (N, H); NULL if no backward follows */
};

/* Out: dq, dk, dv overwritten (dq excludes the gain's own gradient, i.e. is d loss / d stored q); dgain accumulated. */
struct ops_attention_grad {
	const struct ops_buf *dy;     /* ACT (N, C) */
	struct ops_buf *dq, *dk, *dv; /* ACT */
	struct ops_buf *dgain;        /* VECTOR (H) */
};

/* x1 = xm + scale * (y wo^T). */
struct ops_proj {
	const struct ops_buf *xm;    /* STREAM (N, C) */
	const struct ops_buf *y;     /* ACT (N, C) */
	const struct ops_buf *wo;    /* WEIGHT (C, C) */
	const struct ops_buf *scale; /* VECTOR (C) */
	struct ops_buf *x1;          /* STREAM (N, C); may be xm's buffer */
};

/**
 * In: dx1, which by the residual is also the gradient of xm and is left as it
 * is.  Out: dy overwritten; dwo, dscale accumulated.  The product y wo^T is
 * not kept: with G = dx1^T y, dwo = scale * G by rows and
 * dscale[j] = <wo[j], G[j]>.
 */
struct ops_proj_grad {
	const struct ops_buf *dx1; /* STREAM (N, C) */
	struct ops_buf *dy;        /* ACT (N, C) */
	struct ops_buf *dwo;       /* VECTOR, WEIGHT-shaped */
	struct ops_buf *dscale;    /* VECTOR (C) */
};

enum ops_activation {
	OPS_RELU2,       /* max(0, r)^2 */
	OPS_LEAKY_RELU2, /* (r > 0 ? r : r / 2)^2 */
	OPS_SWIGLU       /* silu(gate) * r, where silu(z) = z / (1 + exp(-z)) */
};

/*
 * h = norm_scale * rms(x1), r = h wfc^T, gate = h wgate^T;  x2 = x1 + scale * (activation(r, gate) wproj^T).
 * What is kept for backward of OPS_RELU2 is max(0, r), and of the others r itself.
 */
struct ops_mlp {
	const struct ops_buf *x1;    /* STREAM (N, C) */
	const struct ops_buf *wfc;   /* WEIGHT (F, C) */
	const struct ops_buf *wproj; /* WEIGHT (C, F) */
	const struct ops_buf *scale; /* VECTOR (C) */
	struct ops_buf *r;           /* ACT (N, F): kept for backward */
	struct ops_buf *x2;          /* STREAM (N, C) */
	enum ops_activation activation;
	float norm_scale;
	const struct ops_buf *wgate; /* OPS_SWIGLU: WEIGHT (F, C) */
	struct ops_buf *gate;        /* OPS_SWIGLU: ACT (N, F), kept for backward */
};

/* In: dx2. Out: dx1 overwritten (residual included; may be dx2's buffer); dwfc, dwproj, dscale accumulated. */
struct ops_mlp_grad {
	const struct ops_buf *dx2;     /* STREAM (N, C) */
	struct ops_buf *dx1;           /* STREAM (N, C) */
	struct ops_buf *dwfc, *dwproj; /* VECTOR, WEIGHT-shaped */
	struct ops_buf *dscale;        /* VECTOR (C) */
	struct ops_buf *dwgate;        /* OPS_SWIGLU: VECTOR, WEIGHT-shaped; accumulated */
};

/**
 * g += h^T h, of the rows h that a product reads, which are one of
 *   norm_scale * rms(x)    where x is given
 *   y                      where y is given
 *   activation(r, gate)    else; r and gate as ops_mlp kept them
 * Both triangles are written.  In contexts for training only.
 */
struct ops_gram {
	const struct ops_buf *x; /* STREAM (N, C) or NULL */
	float norm_scale;
	const struct ops_buf *y; /* ACT (N, C) or NULL */
	const struct ops_buf *r; /* ACT (N, F) */
	const struct ops_buf *gate;
	enum ops_activation activation;
	struct ops_buf *g; /* VECTOR, (C, C) or (F, F) */
};

/**
 * Head and loss: z = softcap * tanh((rms(x) w^T + prior) / softcap), prior NULL: none;
 * nats[n] = -log softmax(z[n])[targets[n]].
 * With dx: dx is overwritten with the gradient of grad_scale * sum(nats) with
 * respect to x, and dw is accumulated; without, only nats is written.
 * Full logits are never stored by a fast backend.
 */
struct ops_head {
	const struct ops_buf *x;       /* STREAM (N, C) */
	const struct ops_buf *w;       /* WEIGHT (V, C): tok_emb or lm_head */
	const struct ops_buf *targets; /* IDS (N) */
	struct ops_buf *nats;          /* STAT (N), written from element nats_at */
	size_t nats_at;
	struct ops_buf *dx; /* STREAM (N, C) or NULL */
	struct ops_buf *dw; /* VECTOR, WEIGHT-shaped, or NULL */
	float grad_scale;
	const struct ops_prior *prior;
	struct ops_buf *dalpha; /* VECTOR (1), accumulated */
};

/* One parameter as Muon updates it. */
struct ops_muon {
	struct ops_buf *w;        /* WEIGHT (rows, cols) */
	const struct ops_buf *g;  /* its gradient */
	struct ops_buf *momentum; /* VECTOR, WEIGHT-shaped */
	size_t rows, cols;
	struct ops_buf
	    *neuron; /* VECTOR (1, rows): running mean squares of the rows; of use with OPS_MUON_NEURON only */
};

enum ops_muon_norm { OPS_MUON_PLAIN, OPS_MUON_ROW, OPS_MUON_NEURON };

/*
 * What Newton-Schulz multiplies with: at each step the same, Polar Express (arXiv:2505.16932), which is made for five
 * steps, or for OPS_MINIMAX_LEAST to _MOST steps what brings singular values in an interval nearest to 1 at worst.
 */
enum ops_muon_coefficients { OPS_MUON_FIXED, OPS_MUON_POLAR, OPS_MUON_MINIMAX };

/*
 * How its steps are computed: one by one from X, or where X is not square some at once from A = X X^T, which commutes
 * with all that they multiply with: less work, and another rounding.
 */
enum ops_muon_form { OPS_MUON_DIRECT, OPS_MUON_GRAM };

/* What X is divided by before: its norm alone, or another bound on its largest singular value, too. */
enum ops_muon_scale { OPS_MUON_FROBENIUS, OPS_MUON_SCHATTEN };

/**
 * Muon, for each matrix (rows, cols), in this order:
 *   g *= grad_scale;  g = sign(g) |g|^grad_power
 *   buf = momentum buf + g;  u = g + momentum buf
 *   ROW:    u_i /= max(|u_i|, 1e-7), by rows
 *   X = u / (|u| + 1e-7), then ns_steps times X = a X + (b A + c A A) X with A = X X^T, turned where X is tall
 *   SCHATTEN: before the first step X /= max(|A|^(1/2), 1e-2), the fourth root of its singular values' fourth powers
 *   GRAM, X not square: as many of the steps at once as rounding bears, two for example as
 *           P = a I + b A + c A A;  A' = P A P;  P' = a' I + b' A' + c' A' A';  X = (P' P) X
 *   NEURON: s_i = .95 s_i + .05 mean_j X_ij^2;  o_ij = X_ij / (sqrt(s_i) + 1e-5);  X = o |X| / max(|o|, 1e-7)
 *   w -= decay w, with cautious only elements where X_ij w_ij > 0
 *   w -= lr sqrt(max(1, rows / cols)) X
 */
struct ops_muon_law {
	float lr; /* learning rate with the schedule's scale applied */
	float momentum;
	int nesterov; /* u as above, else u = buf */
	int ns_steps;
	float grad_scale; /* every gradient is multiplied by this first (clipping) */
	float grad_power; /* 0: 1 */
	enum ops_muon_norm norm;
	enum ops_muon_coefficients coefficients;
	enum ops_muon_form form;
	enum ops_muon_scale scale;
	float decay; /* learning rate times weight decay */
	int cautious;
};

/* Of NEURON: how fast the mean squares follow, and what is added to their roots. */
#define OPS_NEURON_BETA 0.95
#define OPS_NEURON_EPS 1e-5

/* Of MINIMAX: the numbers of steps that there are coefficients for. */
#define OPS_MINIMAX_LEAST 3
#define OPS_MINIMAX_MOST 5

/* Of SCHATTEN: the least that is divided by. */
#define OPS_SCHATTEN_LEAST 1e-2

/* The (a, b, c) of a step, counted from 0. */
const double *ops_muon_triple(const struct ops_muon_law *law, int step);

/* The same with what SCHATTEN divides by in it, which ${sumsq}, the sum of squares of A, gives; of use at step 0. */
struct ops_muon_abc {
	double a, b, c;
};
struct ops_muon_abc ops_muon_scaled(const struct ops_muon_law *law, int step, double sumsq);

/*
 * One parameter as Adam updates it.  Of a TABLE a backend may leave rows without gradient as they are until somebody
 * looks at them: then they are what they would have been, to the bit.
 */
struct ops_adam {
	struct ops_buf *w; /* WEIGHT, VECTOR or TABLE */
	const struct ops_buf *g;
	struct ops_buf *m, *v; /* VECTOR */
	size_t n;              /* elements */
	float lr;              /* scale applied */
};

struct ops_adam_law {
	float beta1, beta2, eps;
	uint64_t t; /* 1 for the first update; bias correction */
	float grad_scale;
};

/* A parameter and its running average. */
struct ops_average {
	struct ops_buf *average; /* VECTOR, of the shape of w */
	const struct ops_buf *w; /* WEIGHT, VECTOR or TABLE */
	size_t n;                /* elements */
};

/**
 * Functions return 0, or -1 after saying why (say_error), unless they return void;
 * void entries cannot fail on good arguments, and bad ones are asserted.
 * Entries may run asynchronously: results are there after download() or sync().
 */
struct ops {
	const char *name;             /* "ref", "cpu", "cuda" */
	const char *const *isa_names; /* NULL-terminated; fastest first; "auto" picks the first that runs here */
	/* Keys of section train that it can compute at their default only; ends with NULL. NULL: it computes all. */
	const char *const *lacks;

	/**
	 * open(args): Owns: the caller closes.  Errors: NULL after saying why; errno ENOMEM, ENODEV (a device or
	 * instruction set that this machine lacks), EINVAL (one that the backend has not, or a geometry that it cannot
	 * do), EPROTO (self-test disagreed).
	 */
	struct ops_ctx *(*open)(const struct ops_open_args *args);
	void (*close)(struct ops_ctx *ctx);
	/* What executes, measured: ISA actually used, its library versions ("" if none). Lives as long as ctx. */
	const char *(*isa)(const struct ops_ctx *ctx);
	const char *(*library)(const struct ops_ctx *ctx);

	/*
	 * memory(): bytes that open and alloc may hope for now, 0 if that cannot be told; says nothing.  NULL:
	 * buffers lie in host memory.
	 */
	uint64_t (*memory)(void);
	/*
	 * Buffers: NULL with errno ENOMEM, which a backend with memory of its own has explained.  Contents start
	 * as zeros.  alloc happens before the first step only.
	 */
	struct ops_buf *(*alloc)(struct ops_ctx *ctx, enum ops_role role, size_t rows, size_t cols);
	void (*free)(struct ops_ctx *ctx, struct ops_buf *buf);
	/*
	 * As alloc, any role but WEIGHT, in the memory of another buffer, ${at} bytes from its beginning, which must
	 * outlive it.  What stands there is taken as it is: who writes a buffer writes all that others read of it,
	 * provided that its columns fill whole multiples of OPS_WHOLE, so buffers that are never in use at the same
	 * time may share a place.  NULL: the backend has none of this.
	 */
	struct ops_buf *(
	    *place)(struct ops_ctx *ctx, enum ops_role role, size_t rows, size_t cols, struct ops_buf *in, size_t at);
	/*
	 * Convert from and to host float32 (int32 for OPS_IDS), n elements from element `at`.  upload of a WEIGHT
	 * refreshes what the products need; download waits for what the buffer depends on.
	 */
	void (*upload)(struct ops_ctx *ctx, struct ops_buf *buf, size_t at, const void *host, size_t n);
	void (*download)(struct ops_ctx *ctx, const struct ops_buf *buf, size_t at, void *host, size_t n);
	void (*zero)(struct ops_ctx *ctx, struct ops_buf *const *bufs, size_t count);
	void (*sync)(struct ops_ctx *ctx);

	/*
	 * Bracket one optimizer step (all its micro-batches and updates), or one scoring pass.  A backend may
	 * gather calls and submit them together: at end at the latest, or when it is asked for a result.
	 * When a loss that head computed since begin is not finite, muon and adam change nothing until the next
	 * begin, so that nobody need wait for the losses before asking for the update.
	 */
	void (*begin)(struct ops_ctx *ctx);
	void (*end)(struct ops_ctx *ctx);

	/* x0 = rms(emb[ids]), emb WEIGHT, VECTOR or TABLE (V, C) */
	void (*embed)(struct ops_ctx *ctx, struct ops_rows rows, struct ops_buf *x0, const struct ops_buf *ids,
	    const struct ops_buf *emb);
	/* demb accumulated from dx0 */
	void (*embed_grad)(struct ops_ctx *ctx, struct ops_rows rows, struct ops_buf *demb, const struct ops_buf *dx0,
	    const struct ops_buf *ids, const struct ops_buf *emb);
	void (*qkv)(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_qkv *a);
	void (*qkv_grad)(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_qkv *a,
	    const struct ops_qkv_grad *d);
	void (*attention)(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_attention *a);
	void (*attention_grad)(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_attention *a,
	    const struct ops_attention_grad *d);
	void (*proj)(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_proj *a);
	void (*proj_grad)(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_proj *a,
	    const struct ops_proj_grad *d);
	void (*mlp)(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_mlp *a);
	void (*mlp_grad)(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_mlp *a,
	    const struct ops_mlp_grad *d);
	void (*head)(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_head *a);
	/* Capped logits of rows first..first+count-1 of x, with their prior or NULL: STAT (count, V). */
	void (*logits)(struct ops_ctx *ctx, struct ops_buf *out, const struct ops_buf *x, size_t first, size_t count,
	    const struct ops_buf *w, const struct ops_prior *prior);
	/* dst += src, STREAM (N, C): gradients that meet at a skip. */
	void (*add)(struct ops_ctx *ctx, struct ops_rows rows, struct ops_buf *dst, const struct ops_buf *src);

	/* For calibration. */
	void (*gram)(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_gram *a);

	/* For single levers of the model. */
	void (*context)(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_context *a);
	void (*context_grad)(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_context *a,
	    const struct ops_context_grad *d);
	void (*values)(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_values *a);
	void (*values_grad)(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_values *a,
	    const struct ops_values_grad *d);
	void (*output)(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_output *a);
	void (*output_grad)(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_output *a,
	    const struct ops_output_grad *d);
	void (*skip)(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_skip *a);
	void (*skip_grad)(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_skip *a,
	    const struct ops_skip_grad *d);
	void (*lanes)(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_lanes *a);
	void (*lanes_grad)(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_lanes *a,
	    const struct ops_lanes_grad *d);

	/* Sum of squares over gradients, in a fixed order; waits. */
	double (*sumsq)(struct ops_ctx *ctx, const struct ops_buf *const *bufs, const size_t *n, size_t count);
	/* All matrices of the model in one call, so that equal shapes can be batched. */
	void (*muon)(struct ops_ctx *ctx, const struct ops_muon *p, size_t count, const struct ops_muon_law *law);
	void (*adam)(struct ops_ctx *ctx, const struct ops_adam *p, size_t count, const struct ops_adam_law *law);
	/* average = w + keep (average - w): w itself where keep is 0.  Between steps. */
	void (*average)(struct ops_ctx *ctx, const struct ops_average *p, size_t count, float keep);
};

/**
 * ops_find(name):
 * The table of a backend, or NULL with errno ENODEV if this build has none of
 * that name.  One file chooses a backend (lib/gpt/ops.c); nothing falls back.
 */
const struct ops *ops_find(const char *name);

/* The tables themselves, for ops.c alone. */
extern const struct ops ops_ref;
extern const struct ops ops_cpu;
extern const struct ops ops_cuda;

#endif
