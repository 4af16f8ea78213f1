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
	local setting settings=()
	for setting in "$@"; do settings+=("model.${setting#model.}"); done
	goes_on_with "${few[@]}" "${settings[@]}"
}

# goes_on_with KEY=VALUE...: likewise, for keys of any section.
goes_on_with() {
	local settings=("$@") pid
	tiny_spec killed model.num_layers=4 train.iterations=100 train.checkpoint_every_ms=1 "${settings[@]}"
	tiny_spec calm model.num_layers=4 train.iterations=100 "${settings[@]}"
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

# bats test_tags=b64,b66
@test "a loop of layers: trained, kept and scored, from the beginning of the run or from a share of it on, and refused without sense" {
	on 'loop=[1,2,2]'
	on 'loop=[0,0,3]' skip_gate=true value_residual=true encoder_layers=2
	goes_on_with "${few[@]}" 'model.loop=[0,2,2]' train.loop_from=0.5
	[ "$(jq -s -c '[.[:50], .[50:]] | map(map(.visits) | unique)' calm/metrics.jsonl)" = '[[4],[7]]' ]
	tiny_spec again "train.replay=$PWD/killed/metrics.jsonl" model.num_layers=4 train.iterations=100 "${few[@]}" \
	    'model.loop=[0,2,2]' train.loop_from=0.5
	hg-train again 2> /dev/null
	cmp again/checkpoint.safetensors calm/checkpoint.safetensors
	hg-gate train calm
	# A replay that may not do what was done is refused, and so is what is no loop.
	tiny_spec bare "train.replay=$PWD/killed/metrics.jsonl" model.num_layers=4 "${few[@]}" 'model.loop=[0,2,2]'
	run ! hg-train bare
	jq -e '.detail | contains("7 visits of layers") or contains("4 visits of layers")' bare/train_refusal.json
	refused loop model.num_layers=4 'model.loop=[2,4,2]'
	refused loop model.num_layers=4 'model.loop=[1,2,1]'
	refused "train.loop_from=0.5 without a loop" train.loop_from=0.5
	refused loop_from 'model.loop=[0,0,2]' train.loop_from=1
}

# bats test_tags=b64,b66
@test "two residual lanes: trained, kept and scored; refused beyond the last layer and where skips are kept" {
	on parallel_from=2
	on parallel_from=0 encoder_layers=0 ln_scale=true
	goes_on parallel_from=3
	refused parallel_from model.num_layers=4 model.parallel_from=4
	refused parallel_from model.num_layers=4 model.parallel_from=1
	refused parallel_from model.num_layers=4 model.parallel_from=-1
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
@test "every lever of the model trains on the emulated card, and the report says that it was executed" {
	local lever
	PATH=$HG_BUILD/emu/bin:$PATH
	for lever in encoder_layers=0 mlp_activation=swiglu mlp_activation=leaky_relu2 value_residual=true xsa_layers=1 \
	    ln_scale=true rope_dims=2 skip_gate=true 'value_embed_layers=[1]' attn_gate=true smear=true bigram_buckets=50 \
	    bigram_prior=counts 'loop=[0,1,2]' parallel_from=1; do
		rm -rf card
		tiny_spec card system.backend=cuda "${few[@]}" "model.$lever"
		hg-train card 2> /dev/null
		[ "$(jq -c ".model.${lever%%=*}" card/training_report.json)" = "$(jq -c ".model.${lever%%=*}" card/spec.json)" ]
	done
}

# changed BACKEND NAME SETTING...: a run of eight steps, of few tokens, in which these change something.
changed() {
	local backend=$1 name=$2
	shift 2
	tiny_spec "$name" system.backend=$backend train.iterations=8 "${few[@]}" "$@"
	hg-train "$name" 2> /dev/null
}

# bats test_tags=b64,b95
@test "batches that grow and sequences that lengthen: as asked, in tokens, metrics and receipts, on every backend and any threads" {
	local backend schedules='train.batch_schedule=[[0,32],[0.25,64],[0.5,128]]'
	PATH=$HG_BUILD/emu/bin:$PATH
	for backend in ref cpu cuda; do
		changed $backend $backend "$schedules" 'train.seq_schedule=[[0,4],[0.5,8],[0.9,16]]'
		[ "$(jq -s -c 'map(.batch_tokens)' $backend/metrics.jsonl)" = '[32,32,64,64,128,128,128,128]' ]
		[ "$(jq -s -c 'map(.seq_len)' $backend/metrics.jsonl)" = '[4,4,4,4,8,8,8,8]' ]
		[ "$(jq -s -c 'map(.tokens)' $backend/metrics.jsonl)" = '[32,64,128,192,320,448,576,704]' ]
		[ "$(jq -s -c 'map(.lr_scale * 100 | round)' $backend/metrics.jsonl)" = '[50,50,71,71,100,94,63,31]' ]
		jq -e '.tokens == 704 and .batch_tokens == 64 and
		    .levers.batch_schedule == [[0, 32], [0.25, 64], [0.5, 128]]' $backend/training_report.json
		hg-gate train $backend
	done
	jq -ne --slurpfile a ref/training_report.json --slurpfile b cpu/training_report.json \
	    '($a[0].final_train_loss - $b[0].final_train_loss) | fabs < 1e-4'
	jq -ne --slurpfile a ref/training_report.json --slurpfile b cuda/training_report.json \
	    '($a[0].final_train_loss - $b[0].final_train_loss) | fabs < 1e-4'
	changed cpu three "$schedules" 'train.seq_schedule=[[0,4],[0.5,8],[0.9,16]]' system.threads=3
	cmp cpu/checkpoint.safetensors three/checkpoint.safetensors
	# The same tokens in the same order: without a change of the batch, and none of the rate, only the cuts differ.
	changed ref same 'train.batch_schedule=[[0.5,64]]' 'train.seq_schedule=[[0.5,16]]'
	changed ref plain
	cmp same/checkpoint.safetensors plain/checkpoint.safetensors
	changed ref rate "$schedules" train.batch_schedule_lr=none
	[ "$(jq -s -c 'map(.lr_scale * 100 | round)' rate/metrics.jsonl)" = '[100,100,100,100,100,94,63,31]' ]
}

# bats test_tags=b64,b95
@test "a run whose batches change goes on, is replayed and is trained again to the same bits, by steps and by the clock" {
	local growing=("${few[@]}" 'train.batch_schedule=[[0,32],[0.3,128],[0.6,64]]' 'train.seq_schedule=[[0,4],[0.7,16]]')
	local timed=("${few[@]}" 'train.batch_schedule=[[0,32],[0.5,64]]' 'train.seq_schedule=[[0,4],[0.5,16]]')
	goes_on_with "${growing[@]}"
	tiny_spec again "train.replay=$PWD/killed/metrics.jsonl" model.num_layers=4 train.iterations=100 "${growing[@]}"
	hg-train again 2> /dev/null
	cmp again/checkpoint.safetensors calm/checkpoint.safetensors
	hg-train -c calm | jq -e .same
	by_clock clock 10 "${timed[@]}"
	[ "$(jq -s -c 'map([.batch_tokens, .seq_len]) | unique' clock/metrics.jsonl)" = '[[32,4],[64,16]]' ]
	# A step is of the second kind where half of the cap was over before it.
	jq -se '[range(1; length) as $i | (.[$i].batch_tokens == 64) == (.[$i - 1].wallclock_ms >= '$((CAP_MS / 2))')] | all' \
	    clock/metrics.jsonl
	tiny_spec clock-again "train.replay=$PWD/clock/metrics.jsonl" "${timed[@]}"
	hg-train clock-again 2> /dev/null
	cmp clock/checkpoint.safetensors clock-again/checkpoint.safetensors
	[ "$(jq .tokens clock/training_report.json)" = "$(jq .tokens clock-again/training_report.json)" ]
	# Without the keys it would be another run, and is none.
	tiny_spec bare "train.replay=$PWD/clock/metrics.jsonl" "${few[@]}"
	run ! hg-train bare
	jq -e '.detail | contains("train.batch_schedule")' bare/train_refusal.json
}

# bats test_tags=b95
@test "schedules that cannot be are refused when the run is made, with the key, the value and the rule" {
	refused "train.batch_schedule has 96 tokens, which is not a multiple of train.seq_len=64" 'train.batch_schedule=[[0,96]]'
	refused "multiple of train.micro_batch_tokens=128" 'train.batch_schedule=[[0,192]]'
	refused "train.seq_schedule has 24 tokens, which does not divide train.seq_len=64" 'train.seq_schedule=[[0.5,24]]'
	refused "train.seq_schedule has 128 tokens" 'train.seq_schedule=[[0.5,128]]'
	refused "shares that grow, from 0 to below 1" 'train.batch_schedule=[[0.5,128],[0.5,256]]'
	refused "shares that grow, from 0 to below 1" 'train.batch_schedule=[[1,128]]'
	refused "whole numbers of tokens from 1 on" 'train.seq_schedule=[[0,0]]'
	refused "whole numbers of tokens from 1 on" 'train.seq_schedule=[[0,32.5]]'
	refused "train.seq_schedule" 'train.seq_schedule=[[0]]'
	refused "train.batch_schedule" 'train.batch_schedule=128'
	refused "train.batch_schedule_lr" train.batch_schedule_lr=linear
}

# bats test_tags=b64
@test "a receipt whose tokens are not those of its changing batches is found out" {
	changed ref run 'train.batch_schedule=[[0,32],[0.5,128]]'
	hg-gate train run
	chmod u+w run run/training_report.json
	jq '.tokens = 8 * 128 + 32' run/training_report.json > edited
	cat edited > run/training_report.json
	run ! hg-gate train run
	[[ "$output" == *"tokens is not what steps of its batch_schedule make"* ]]
}

# iterations NAME SETTING...: how many fit into 10 s by hg-pace.
iterations() {
	tiny_spec "pace-$1" budget.max_wallclock_ms=10000 train.batch_tokens=2048 "${@:2}"
	hg-pace -t 0.4 "pace-$1" | jq .iterations
}

@test "hg-pace counts every kind of step by its share of the run, of steps or of time" {
	local small large steps clock try
	# A sixteenth of the work: 16 and 1 to 1.9 by steps and 8.5 by time.  What else the machine does may spoil a look.
	for try in 1 2 3 4; do
		small=$(iterations small$try 'train.batch_schedule=[[0,128]]')
		large=$(iterations large$try)
		steps=$(iterations steps$try 'train.batch_schedule=[[0,128],[0.5,2048]]')
		clock=$(iterations clock$try 'train.batch_schedule=[[0,128],[0.5,2048]]' train.schedule=wallclock)
		echo "small $small large $large, half of the steps $steps, half of the time $clock" >&2
		! jq -ne "$steps > 1.2 * $large and $steps < 4 * $large and $clock > 4 * $large and $clock < 0.8 * $small" ||
		    return 0
	done
	return 1
}

# bats test_tags=b64
@test "batches that grow reach a loss with fewer tokens than the last batch does from the start" {
	markov_data
	reach grown 'train.batch_schedule=[[0,256],[0.6,1024]]'
	reach whole
	echo "tokens until a loss of 3: grown $(cat grown.tokens) whole $(cat whole.tokens)" >&2
	jq -ne "$(cat grown.tokens) < 0.7 * $(cat whole.tokens)"
}

# reach NAME SETTING...: how many tokens a training on that text takes until its loss, of three steps, is below 3.
reach() {
	local name=$1
	shift
	DATA=$PWD/markov tiny_spec "$name" system.backend=cpu train.iterations=60 train.batch_tokens=1024 \
	    train.micro_batch_tokens=256 train.matrix_lr=0.02 train.warmdown_frac=0.2 "$@"
	hg-train "$name" 2> /dev/null
	jq -s '[range(2; length) as $i | select((.[$i].train_loss + .[$i - 1].train_loss + .[$i - 2].train_loss) / 3 < 3) |
	    .[$i].tokens][0]' "$name/metrics.jsonl" > "$name.tokens"
}

# bats test_tags=b64,b95
@test "an average over the tail is what the checkpoint holds, validated beside the last weights, on every backend" {
	local backend tail='train.average=tail train.average_from=0.5 train.average_horizon=0.25'
	PATH=$HG_BUILD/emu/bin:$PATH
	for backend in ref cpu cuda; do
		changed $backend $backend $tail train.val_every=4
		[ "$(jq -s -c 'map(.average_keep * 1000 | round)' $backend/metrics.jsonl)" = '[1000,1000,1000,0,607,607,607,607]' ]
		jq -e '.averaged_steps == 5 and .val_loss != .last_val_loss and .val_bpb != .last_val_bpb and
		    .levers == {"average": "tail", "average_horizon": 0.25}' $backend/training_report.json
		jq -se '.[7].val_loss == $r[0].val_loss and .[7].last_val_loss == $r[0].last_val_loss' \
		    --slurpfile r $backend/training_report.json $backend/metrics.jsonl
		# Where it begins it is the weights.
		jq -se '.[3].val_loss == .[3].last_val_loss' $backend/metrics.jsonl
		# The weights are those of a run without it, whatever is scored on the way.
		changed $backend $backend-off train.val_every=8
		[ "$(jq .last_val_loss $backend/training_report.json)" = "$(jq .val_loss $backend-off/training_report.json)" ]
		[ "$(jq .final_train_loss $backend/training_report.json)" = "$(jq .final_train_loss $backend-off/training_report.json)" ]
		jq -e 'has("averaged_steps") or has("last_val_loss") | not' $backend-off/training_report.json
		hg-export $backend 2> /dev/null
		hg-score $backend 2> /dev/null
		jq -ne --slurpfile s $backend/artifact_score_report.json --slurpfile r $backend/training_report.json \
		    '$s[0].prequant_val_loss == $r[0].val_loss'
	done
	jq -ne --slurpfile a ref/training_report.json --slurpfile b cpu/training_report.json \
	    '($a[0].val_loss - $b[0].val_loss) | fabs < 1e-4'
	jq -ne --slurpfile a ref/training_report.json --slurpfile b cuda/training_report.json \
	    '($a[0].val_loss - $b[0].val_loss) | fabs < 1e-4'
	changed cpu three $tail train.val_every=4 system.threads=3
	cmp cpu/checkpoint.safetensors three/checkpoint.safetensors
	# A run that ends before it begins says so, and keeps its weights.
	tiny_spec early train.iterations=8 train.average=tail train.average_from=1 train.schedule=wallclock \
	    budget.max_wallclock_ms=600000
	tiny_spec plain train.iterations=8 train.schedule=wallclock budget.max_wallclock_ms=600000
	hg-train early 2> said
	grep -q "before train.average_from" said
	jq -e '.averaged_steps == 0' early/training_report.json
}

# bats test_tags=b64,b95
@test "an average goes on after a kill, is replayed and is trained again to the same bits, by steps and by the clock" {
	goes_on_with "${few[@]}" train.average=tail train.average_from=0.05
	tiny_spec again "train.replay=$PWD/killed/metrics.jsonl" model.num_layers=4 "${few[@]}" train.average=tail \
	    train.average_from=0.9
	hg-train again 2> /dev/null
	cmp again/checkpoint.safetensors calm/checkpoint.safetensors
	hg-train -c calm | jq -e .same
	by_clock clock 50 "${few[@]}" train.average=tail
	jq -se 'map(.average_keep) | .[0] == 1 and index(0) > 0 and last < 1 and last > 0' clock/metrics.jsonl
	# By the clock it has forgotten as much as its share of the run, whatever a step took.
	jq -se 'map(.average_keep) | .[index(0) + 1:] | map(log) | add | . > -6 and . < -3.5' clock/metrics.jsonl
	tiny_spec clock-again "train.replay=$PWD/clock/metrics.jsonl" "${few[@]}" train.average=tail
	hg-train clock-again 2> /dev/null
	cmp clock/checkpoint.safetensors clock-again/checkpoint.safetensors
}

# bats test_tags=b64
@test "where the rate never falls and gradients are noisy, the average over the tail ends lower than the last weights" {
	markov_data
	DATA=$PWD/markov tiny_spec noisy system.backend=cpu train.iterations=80 train.batch_tokens=128 train.warmdown_frac=null \
	    train.warmdown_iters=0 train.matrix_lr=0.06 train.val_every=80 train.average=tail
	hg-train noisy 2> /dev/null
	jq .val_loss,.last_val_loss noisy/training_report.json >&2
	jq -e '.val_loss < .last_val_loss - 0.05' noisy/training_report.json
}

# bats test_tags=b95
@test "averages that cannot be are refused by their key" {
	refused train.average train.average=ema
	refused train.average_horizon train.average=tail train.average_horizon=0
	refused train.average_from train.average=tail train.average_from=1.5
}
