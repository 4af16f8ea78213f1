/* The model's configuration with a key that came later: qk_gain_init, in this program's own rules. Prints TAP. */
#include <string.h>

#include "base/exit.h"
#include "base/say.h"
#include "gpt/config.h"
#include "gpt/embedded_model.h"
#include "t/unit/tap.h"

/* In place of what the build makes of the contract. */
const struct embedded_key embedded_model[] = {
	{ "vocab_size", 1, 65536, 0, 0 },
	{ "num_layers", 1, 1024, 9, 0 },
	{ "model_dim", 2, 16384, 512, 0 },
	{ "num_heads", 1, 1024, 8, 0 },
	{ "num_kv_heads", 1, 1024, 4, 0 },
	{ "mlp_mult", 1, 64, 2, 0 },
	{ "tie_embeddings", 0, 1, 1, 0 },
	{ "rope_base", 1, 1e12, 10000, 0 },
	{ "logit_softcap", 0.001, 1000000, 30, 0 },
	{ "qk_gain_init", -1000, 1000, 1.5, 1 },
	{ "tied_embed_init_std", 0, 1000, 0.005, 0 },
	{ "encoder_layers", 0, 512, -1, 1 },
	{ "loop", 0, 3, 0, 1 },
	{ "mlp_activation", 0, 2, 0, 1 },
	{ "value_residual", 0, 1, 0, 1 },
	{ "value_embed_layers", 0, 1024, 0, 1 },
	{ "attn_gate", 0, 1, 0, 1 },
	{ "smear", 0, 1, 0, 1 },
	{ "bigram_buckets", 0, 1048576, 0, 1 },
	{ "bigram_dim", 1, 16384, 64, 1 },
	{ "bigram_prior", 0, 1, 0, 1 },
	{ "bigram_prior_tokens", 2, 9007199254740991, 10000000, 1 },
	{ "xsa_layers", 0, 1024, 0, 1 },
	{ "ln_scale", 0, 1, 0, 1 },
	{ "rope_dims", 2, 16384, -1, 1 },
	{ "skip_gate", 0, 1, 0, 1 },
	{ "parallel_from", 0, 1023, -1, 1 },
	{ 0, 0, 0, 0, 0 },
};

int
main(void)
{
	struct config c, back;
	json_t *v;

	exit_init("laterkey");
	config_default(&c);
	c.vocab_size = 300;
	v = config_to_json(&c);
	tap_ok(json_object_get(v, "qk_gain_init") == NULL && json_object_size(v) == 10,
	    "a later key at its default is left out");
	tap_ok(config_from_json(&back, v) == 0 && back.qk_gain_init == 1.5 && back.vocab_size == 300,
	    "and has its default where it is absent");
	json_object_set_new(v, "qk_gain_init", json_integer(2000));
	tap_ok(config_from_json(&back, v) == -1 && strstr(say_last(), "qk_gain_init"), "its bounds hold");
	json_object_set_new(v, "qk_gain_init", json_null());
	tap_ok(config_from_json(&back, v) == -1 && strstr(say_last(), "'qk_gain_init' must be a number"),
	    "so does its type");
	json_object_del(v, "qk_gain_init");
	json_object_del(v, "rope_base");
	tap_ok(config_from_json(&back, v) == -1 && strstr(say_last(), "'rope_base' is missing"),
	    "a key that was always there is still required");
	json_decref(v);

	c.qk_gain_init = 3;
	v = config_to_json(&c);
	tap_ok(json_number_value(json_object_get(v, "qk_gain_init")) == 3, "another value stands in the object");
	tap_ok(config_from_json(&back, v) == 0 && back.qk_gain_init == 3, "and is read back");
	json_object_set_new(v, "qk_gain", json_integer(3));
	tap_ok(config_from_json(&back, v) == -1 && strstr(say_last(), "'qk_gain' is unknown"),
	    "an unknown key is refused");
	json_decref(v);
	return (tap_done());
}
