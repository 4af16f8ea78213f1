#include <math.h>

#include "base/bpb.h"

double
bpb_bits(double nats)
{
	return (nats / M_LN2);
}

double
bpb_nats(double bits)
{
	return (bits * M_LN2);
}

double
bpb_of_sum(double nats, double bytes)
{
	return (bpb_bits(nats) / bytes);
}

double
bpb_of_loss(double loss, double tokens, double bytes)
{
	return (bpb_bits(loss) * tokens / bytes);
}

double
bpb_token_bytes(double loss, double bpb)
{
	return (bpb_bits(loss) / bpb);
}
