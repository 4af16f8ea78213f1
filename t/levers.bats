# Levers of the model in the tools: one run each, from its spec to its score.  Arithmetic: t/unit/levers.c, t/golden.bats.
load helper

setup_file() {
	export DATA=$BATS_FILE_TMPDIR/data
	tiny_data "$DATA" 2> /dev/null
}

setup() {
	export HOMEGOLF_LANES=$BATS_TEST_TMPDIR/lanes
	cd "$BATS_TEST_TMPDIR"
}

# As few tokens as are still two sequences in each of two passes, for the reference is slow: of a step, and of a score.
few=(train.seq_len=16 train.batch_tokens=64 train.micro_batch_tokens=32 eval.docs=6)

# on SETTING...: train, export, prompt and score a run with these settings of model, on ref and on cpu.
on() {
	local backend setting settings=()
	for setting in "$@"; do settings+=("model.${setting#model.}"); done
	rm -rf ref cpu ref-off cpu-off
	for backend in ref cpu; do
		tiny_spec "$backend-off" system.backend=$backend model.num_layers=4 train.iterations=4 "${few[@]}"
		tiny_spec "$backend" system.backend=$backend model.num_layers=4 train.iterations=4 "${few[@]}" "${settings[@]}"
		[ "$(jq -r .digests.model_sha256 $backend/spec.json)" != "$(jq -r .digests.model_sha256 $backend-off/spec.json)" ]
		hg-train $backend 2> /dev/null
		# What was executed is read back from the model: the first key as it was asked for.
		[ "$(jq -c ".model.${1%%=*}" $backend/training_report.json)" = "$(jq -c ".model.${1%%=*}" $backend/spec.json)" ]
		hg-export $backend 2> /dev/null
		hg-prompt $backend > $backend.text 2> /dev/null
		[ -s $backend.text ]
		hg-score $backend 2> /dev/null
		jq -e '.val_loss < 6' $backend/artifact_score_summary.json
	done
	jq -ne --slurpfile a ref/artifact_score_summary.json --slurpfile b cpu/artifact_score_summary.json \
	    '($a[0].val_loss - $b[0].val_loss) | fabs < 1e-3'
}

# goes_on SETTING...: a run that was killed goes on from what it saved, and ends in the bits of one that was not.
goes_on() {
	local setting settings=() pid
	for setting in "$@"; do settings+=("model.${setting#model.}"); done
	tiny_spec killed model.num_layers=4 train.iterations=100 train.checkpoint_every_ms=1 "${few[@]}" "${settings[@]}"
	tiny_spec calm model.num_layers=4 train.iterations=100 "${few[@]}" "${settings[@]}"
	hg-train killed 2> /dev/null 3>&- &
	until_true 60 test -e killed/resume.safetensors
	pid=$(sed -n 's/.* pid=\([0-9]*\) .*/\1/p' killed/train.lock)
	[ -n "$pid" ] && kill -9 "$pid"
	wait $! || :
	hg-await -t 10 train killed 2> /dev/null || :
	hg-retry train killed
	hg-train killed 2> /dev/null
	[ "$(jq .resumes killed/training_report.json)" -ge 1 ]
	hg-train calm 2> /dev/null
	cmp killed/checkpoint.safetensors calm/checkpoint.safetensors
}

# refused WORDS SETTING...: a spec with these settings is not made, or its training refused; either says WORDS.
refused() {
	local words=$1 setting settings=()
	shift
	for setting in "$@"; do settings+=("$setting"); done
	if tiny_spec refused "${settings[@]}" 2> said; then
		run ! hg-train refused
		jq -r .detail refused/train_refusal.json >> said
		[ ! -e refused/checkpoint.safetensors ]
	fi
	cat said >&2
	grep -qF -- "$words" said
	rm -rf refused
}

# bats test_tags=b64,b66
@test "fewer encoder layers: trained, exported, prompted and scored as the spec has it, and refused beyond half" {
	on encoder_layers=1
	goes_on encoder_layers=1
	refused encoder_layers model.num_layers=4 model.encoder_layers=3
	refused encoder_layers model.encoder_layers=-1
}

# bats test_tags=b64,b66
@test "leaky relu^2 and swiglu: trained, exported, prompted and scored as the spec has them; no other word is one" {
	on mlp_activation=leaky_relu2
	on mlp_activation=swiglu model.mlp_mult=3
	goes_on mlp_activation=swiglu
	refused mlp_activation model.mlp_activation=gelu
}

# bats test_tags=b64,b66
@test "values mixed with the first layer's, and embedded: trained, kept and scored; refused where there is nothing to mix" {
	on value_residual=true
	on 'value_embed_layers=[0,3]' value_residual=true
	goes_on 'value_embed_layers=[1]' value_residual=true
	refused value_residual model.num_layers=1 model.value_residual=true
	refused value_embed_layers model.num_layers=2 'model.value_embed_layers=[2]'
	refused value_embed_layers model.num_layers=4 'model.value_embed_layers=[2,1]'
}

# bats test_tags=b64,b66
@test "gated attention and removed own values: trained, kept and scored; more layers than there are are refused" {
	on attn_gate=true
	on xsa_layers=2 attn_gate=true
	goes_on xsa_layers=4 attn_gate=true
	refused xsa_layers model.num_layers=2 model.xsa_layers=3
}

# bats test_tags=b64,b66
@test "hashed pairs and smeared embeddings: trained, kept and scored; a table of one row is refused" {
	on bigram_buckets=300
	on smear=true bigram_buckets=50 bigram_dim=8
	goes_on smear=true bigram_buckets=50 bigram_dim=8
	refused bigram_buckets model.bigram_buckets=1
}

# bats test_tags=b64,b66
@test "a prior from counts: trained, kept and scored, of all the data or of its beginning" {
	on bigram_prior=counts
	on bigram_prior=counts bigram_prior_tokens=500
	goes_on bigram_prior=counts
}

# bats test_tags=b64,b66
@test "norms by depth, heads that turn in part and gated skips: trained, kept and scored, and refused without sense" {
	on ln_scale=true
	on rope_dims=4
	on skip_gate=true
	goes_on ln_scale=true rope_dims=2 skip_gate=true
	refused rope_dims model.rope_dims=3
	refused rope_dims model.rope_dims=10
	refused skip_gate model.num_layers=4 model.encoder_layers=0 model.skip_gate=true
	refused skip_gate model.num_layers=1 model.skip_gate=true
}

# A text in which only the last word tells the next: each of 40 words has four that follow it.
markov_data() {
	awk 'BEGIN { s = 11; for (d = 0; d < 300; d++) { w = d % 40; line = "";
		for (i = 0; i < 40; i++) { line = line sprintf("%c", 48 + w); s = (s * 1103 + 12345) % 65536
			w = (w * 7 + 3 + int(s / 256) % 4 * 11) % 40 }
		print line } }' > markov.txt
	hg-data -B -n 20 -f lines -o markov markov.txt 2> /dev/null
}

# loss NAME SETTING...: of a short training on that text.
loss() {
	local name=$1
	shift
	DATA=$PWD/markov tiny_spec "$name" system.backend=cpu train.iterations=25 train.matrix_lr=0.01 "$@"
	hg-train "$name" 2> /dev/null
	jq .final_train_loss "$name/training_report.json"
}

# bats test_tags=b64
@test "where only the last token tells the next, a prior from counts and hashed pairs are learned from the first steps" {
	markov_data
	plain=$(loss plain)
	prior=$(loss prior model.bigram_prior=counts)
	pairs=$(loss pairs model.bigram_buckets=4096 train.tied_embed_lr=0.3)
	plain_fast=$(loss plain-fast train.tied_embed_lr=0.3)
	echo "plain $plain prior $prior; faster: plain $plain_fast pairs $pairs" >&2
	jq -ne "$prior < $plain - 0.5 and $prior < 1.9"
	jq -ne "$pairs < $plain_fast"
}

# bats test_tags=b64
@test "the count of a prior is on the training clock, and only where one is asked for" {
	tiny_spec off
	tiny_spec counted model.bigram_prior=counts
	hg-train off 2> /dev/null
	hg-train counted 2> /dev/null
	for run in off counted; do
		jq -ne --slurpfile r $run/training_report.json --slurpfile m <(tail -n 1 $run/metrics.jsonl) \
		    '$r[0].train_ms >= $m[0].wallclock_ms'
	done
	[ "$(jq -r '.model.bigram_prior' counted/training_report.json)" = counts ]
	[ "$(jq -r '.model | has("bigram_prior")' off/training_report.json)" = false ]
}

# bats test_tags=b64
@test "a lever that the emulated card has no kernels for is refused by its name before training, not left out" {
	local lever
	PATH=$HG_BUILD/emu/bin:$PATH
	for lever in value_residual=true 'value_embed_layers=[1]' attn_gate=true smear=true bigram_buckets=50 \
	    bigram_prior=counts xsa_layers=1 ln_scale=true rope_dims=2 skip_gate=true; do
		rm -rf card
		tiny_spec card system.backend=cuda "model.$lever"
		run ! hg-train card
		[ "$(jq -r .kind card/train_refusal.json)" = spec_invalid ]
		[[ "$(jq -r .detail card/train_refusal.json)" == *"model.${lever%%=*}"*"system.backend=cpu"* ]]
		[ ! -e card/checkpoint.safetensors ]
	done
	for lever in encoder_layers=0 mlp_activation=swiglu mlp_activation=leaky_relu2; do
		rm -rf card
		tiny_spec card system.backend=cuda "model.$lever"
		hg-train card 2> /dev/null
		[ "$(jq -c ".model.${lever%%=*}" card/training_report.json)" = "$(jq -c ".model.${lever%%=*}" card/spec.json)" ]
	done
}
