#ifndef HG_BPB_H
#define HG_BPB_H

/**
 * Nats and bits, tokens and bytes: the one place where a loss becomes bits per
 * byte.  The order of the operations is part of it: receipts, rows and claims
 * carry these very doubles.  What is not finite stays so.
 * Checked: t/unit/base.c.
 */

/* Nats as bits, and back. */
double bpb_bits(double nats);
double bpb_nats(double bits);

/* Bits per byte of ${nats}, summed over what ${bytes} bytes held. */
double bpb_of_sum(double nats, double bytes);

/* The same from ${loss}, the mean in nats per token. */
double bpb_of_loss(double loss, double tokens, double bytes);

/* Bytes per token, as a loss in nats per token and bits per byte of the same text imply them. */
double bpb_token_bytes(double loss, double bpb);

#endif
