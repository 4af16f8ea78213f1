# hg-spec: a run begins as a checked, complete and digested spec.
load helper

setup() {
	cd "$BATS_TEST_TMPDIR"
	mkdir runs data
	# Text enough for the published run.
	jq '.train.tokens = 20000000000' "$HG_TOP/contracts/dataset.valid/full.json" > data/dataset.json
}

spec() {
	hg-spec -s data.dir=data "$@"
}

# refuse CODE TEXT ARGUMENT...: exit CODE, nothing on stdout, one line with TEXT on stderr, and no run.
refuse() {
	local code=$1 text=$2
	shift 2
	run --separate-stderr hg-spec "$@"
	[ "$status" -eq "$code" ] || { echo "exit $status: $stderr" >&2; false; }
	[ -z "$output" ]
	[[ "$stderr" == *"$text"* ]] || { echo "$stderr" >&2; false; }
	[ "$(wc -l <<< "$stderr")" -eq 1 ]
	[ -z "$(ls runs)" ]
}

@test "hg-spec makes the run and a spec that keeps its contract, silently" {
	run --separate-stderr spec runs/a
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
	[ "$(ls -A runs/a)" = spec.json ]
	"$HG_T/tools/contract" spec runs/a/spec.json
	"$PYTHON" -c 'import json, sys, jsonschema
jsonschema.Draft202012Validator(json.load(open(sys.argv[1]))).validate(json.load(open(sys.argv[2])))' \
	    "$HG_TOP/contracts/spec.json" runs/a/spec.json
	[ "$(jq -r '.run_id' runs/a/spec.json)" = a ]
	[ "$(jq -r 'keys_unsorted[0]' runs/a/spec.json)" = schema ]
}

@test "defaults are the published values" {
	jq '.tokenizer.vocab_size = 1024' data/dataset.json > new
	mv new data/dataset.json
	spec runs/a
	[ "$(jq -c '.model | [.vocab_size, .num_layers, .model_dim, .num_heads, .num_kv_heads, .mlp_mult, .tie_embeddings,
	    .rope_base, .logit_softcap, .qk_gain_init, .tied_embed_init_std]' runs/a/spec.json)" = \
	    '[1024,9,512,8,4,2,true,10000,30,1.5,0.005]' ]
	[ "$(jq -c '.train | [.seed, .seq_len, .batch_tokens, .iterations, .warmup_steps, .warmdown_iters, .tied_embed_lr,
	    .embed_lr, .head_lr, .matrix_lr, .scalar_lr, .muon_momentum, .muon_momentum_warmup_start,
	    .muon_momentum_warmup_steps, .muon_backend_steps, .beta1, .beta2, .adam_eps, .grad_clip_norm]' \
	    runs/a/spec.json)" = \
	    '[1337,1024,524288,20000,20,1200,0.05,0.6,0.008,0.04,0.04,0.95,0.85,500,5,0.9,0.95,1e-08,0]' ] ||
	    [ "$(jq -c '.train.adam_eps' runs/a/spec.json)" = 1e-8 ]
	[ "$(jq -c '[.eval.mode, .eval.seq_len, .eval.docs, .budget.max_wallclock_ms, .budget.artifact_cap_bytes]' \
	    runs/a/spec.json)" = '["non_overlapping",1024,0,600000,16000000]' ]
	[ "$(jq '.export.scale_floor * 127' runs/a/spec.json)" = 1 ]
}

# bats test_tags=b2
@test "every stage has a deadline, and none can be zero" {
	local stage
	spec runs/a
	for stage in train export prompt score; do
		[ "$(jq ".budget.${stage}_deadline_ms | . == \"auto\" or . > 0" runs/a/spec.json)" = true ]
	done
	[ "$(jq '.budget.lane_wait_ms | . == "auto" or . > 0' runs/a/spec.json)" = true ]
	rm -r runs/a
	for stage in train export prompt score; do
		refuse 100 "budget.${stage}_deadline_ms: 0 is not at least 1" -s data.dir=data \
		    -s budget.${stage}_deadline_ms=0 runs/a
	done
	refuse 100 "is not at least 1" -s data.dir=data -s budget.max_wallclock_ms=0 runs/a
	refuse 100 "nor the word none" -s data.dir=data -s budget.max_wallclock_ms=never runs/a
	refuse 100 "is not an integer or a string" -s data.dir=data -s budget.max_wallclock_ms=1.5 runs/a
	spec -s budget.max_wallclock_ms=none runs/a
}

# bats test_tags=b44
@test "an unknown key is refused by name, and the nearest is named" {
	refuse 100 "unknown key 'train.iteratons'; the nearest is 'train.iterations'" -s train.iteratons=3 runs/a
	refuse 100 "unknown key 'seed'; the nearest is 'train.seed'" -s seed=3 runs/a
	refuse 100 "unknown key 'trian.seed'; the nearest is 'train.seed'" -s trian.seed=3 runs/a
	refuse 100 "unknown key 'zzz.qqq'; hg-spec(5)" -s zzz.qqq=3 runs/a
	refuse 100 "unknown key 'train.seed.x'" -s train.seed.x=3 runs/a
	echo '{"train": {"iteratons": 3}}' > base.json
	refuse 103 "'base.json': unknown key 'train.iteratons'; the nearest is 'train.iterations'" -b base.json runs/a
	echo '{"training": {}}' > base.json
	refuse 103 "'base.json': unknown key 'training'" -b base.json runs/a
}

# bats test_tags=b44
@test "a value of another type or out of range is refused with key, value and bound" {
	refuse 100 "train.seed: 3.5 is not an integer" -s train.seed=3.5 runs/a
	refuse 100 'train.seed: "x" is not an integer' -s train.seed=x runs/a
	refuse 100 'train.seed: "" is not an integer' -s train.seed= runs/a
	refuse 100 "train.seed: -1 is not at least 0" -s train.seed=-1 runs/a
	refuse 100 "train.beta1: 1 is not below 1" -s train.beta1=1 runs/a
	refuse 100 'train.schedule: "cosine" is none of "iterations", "wallclock"' -s train.schedule=cosine runs/a
	refuse 100 'model.tie_embeddings: "yes" is not true or false' -s model.tie_embeddings=yes runs/a
	refuse 100 'train.matrix_lr: "nan" is not a number' -s train.matrix_lr=nan runs/a
	refuse 100 "system.threads: 0 is not at least 1" -s system.threads=0 runs/a
	refuse 100 "the value is not UTF-8" -s "about.hypothesis=$(printf '\377')" runs/a
	echo '{"train": {"seed": "1"}}' > base.json
	refuse 103 "'base.json': train.seed: \"1\" is not an integer" -b base.json runs/a
}

@test "values are typed by the contract, not by how they look" {
	spec -s train.seed=1e3 -s train.warmdown_frac=0.5 -s model.rope_base=5e4 -s system.lane=7 -s about.hypothesis=12 \
	    -s model.tie_embeddings=false -s train.micro_batch_tokens=65536 -s about.parent=null runs/a
	[ "$(jq -c '[.train.seed, .train.warmdown_frac, .model.rope_base, .system.lane, .about.hypothesis,
	    .model.tie_embeddings, .train.micro_batch_tokens, .about.parent]' runs/a/spec.json)" = \
	    '[1000,0.5,50000,"7","12",false,65536,null]' ]
}

@test "rules between keys are checked before the run exists" {
	local d="-s data.dir=data"
	refuse 100 "'num_heads' is 7; it must divide model_dim 512" $d -s model.num_heads=7 runs/a
	refuse 100 "'num_kv_heads' is 3" $d -s model.num_kv_heads=3 runs/a
	refuse 100 "model.vocab_size: 100 is not the 260 tokens" $d -s model.vocab_size=100 runs/a
	refuse 100 "model.vocab_size: 1024 is not the 260 tokens" $d -s model.vocab_size=1024 runs/a
	refuse 100 "train.batch_tokens=1000 is not a multiple of train.seq_len=1024" $d -s train.batch_tokens=1000 runs/a
	refuse 100 "train.micro_batch_tokens=1000 is not a multiple" $d -s train.micro_batch_tokens=1000 runs/a
	refuse 100 "is not a multiple of train.micro_batch_tokens=3072" $d -s train.micro_batch_tokens=3072 runs/a
	refuse 100 "train.min_steps=9 is more than train.iterations=8" $d -s train.min_steps=9 -s train.iterations=8 runs/a
	refuse 100 'train.schedule=wallclock needs' $d -s train.schedule=wallclock -s budget.max_wallclock_ms=none runs/a
	refuse 100 'eval.mode=sliding:65: the stride' $d -s eval.mode=sliding:65 -s eval.seq_len=64 runs/a
	refuse 100 'eval.mode=ttt:65:0.1: the chunk' $d -s eval.mode=ttt:65:0.1 -s eval.seq_len=64 runs/a
}

@test "a key given twice and a computed key are refused" {
	refuse 100 "'train.seed' is given twice" -s train.seed=1 -s train.seed=1 runs/a
	refuse 100 "'data.train_sha256' is computed" -s data.train_sha256=x runs/a
	refuse 100 "'digests.config_sha256' is computed" -s digests.config_sha256=x runs/a
	refuse 100 "'run_id' is computed" -s run_id=x runs/a
	refuse 100 "'x' is not SECTION.KEY=VALUE" -s x runs/a
	refuse 100 "'=x' is not SECTION.KEY=VALUE" -s =x runs/a
}

@test "data must be named, be there and keep its contract" {
	refuse 100 "data.dir is not set" runs/a
	refuse 111 "data.dir: cannot find 'nowhere'" -s data.dir=nowhere runs/a
	mkdir empty
	refuse 111 "dataset.json': No such file" -s data.dir=empty runs/a
	jq '.tokenizer.vocab_size = 0' data/dataset.json > empty/dataset.json
	refuse 103 "tokenizer.vocab_size: 0 is not at least 1" -s data.dir=empty runs/a
	head -c 100 data/dataset.json > empty/dataset.json
	refuse 103 "not JSON" -s data.dir=empty runs/a
	: > empty/dataset.json
	refuse 103 "not JSON" -s data.dir=empty runs/a
}

@test "values set win over the base, the base over defaults, and a whole spec is a base" {
	echo '{"train": {"seed": 5, "iterations": 7000}}' > base.json
	spec -b base.json -s train.seed=6 runs/a
	[ "$(jq -c '[.train.seed, .train.iterations, .train.log_every]' runs/a/spec.json)" = '[6,7000,1]' ]
	hg-spec -b runs/a/spec.json -s train.seed=8 runs/b
	[ "$(jq -c '[.run_id, .train.seed, .train.iterations]' runs/b/spec.json)" = '["b",8,7000]' ]
	[ "$(jq -r .run_uid runs/a/spec.json)" != "$(jq -r .run_uid runs/b/spec.json)" ]
}

@test "a base may come through a link or a pipe" {
	echo '{"train": {"iterations": 7}}' > base.json
	ln -s base.json link.json
	hg-spec -b link.json -s data.dir=data runs/linked
	[ "$(jq .train.iterations runs/linked/spec.json)" = 7 ]
	jq '.train.iterations = 8' base.json | hg-spec -b /dev/stdin -s data.dir=data runs/piped
	[ "$(jq .train.iterations runs/piped/spec.json)" = 8 ]
}

# bats test_tags=b45
@test "a whole spec as a base means its very data, unless other data is named" {
	spec runs/a
	cp -r data other
	mv runs/a/spec.json base.json
	rmdir runs/a
	jq '.val.files[0].sha256 = "'"$(printf '0%.0s' {1..64})"'"' other/dataset.json > data/dataset.json
	refuse 103 "'base.json' names data with dataset_sha256" -b base.json runs/a
	hg-spec -b base.json -s data.dir=data runs/a
	hg-spec -b base.json -s data.dir=other runs/b
	[ "$(jq -r .digests.config_sha256 runs/b/spec.json)" = "$(jq -r .digests.config_sha256 base.json)" ]
}

@test "replicates share the config digest: seed, names, paths, system and cosmetics are not in it, all else is" {
	config() { jq -r .digests.config_sha256 "runs/$1/spec.json"; }
	local i=0 s
	cp -r data copy
	spec runs/a
	for s in train.seed=2 train.log_every=9 train.val_every=9 train.checkpoint_every_ms=9 system.backend=ref \
	    system.threads=1 system.lane=other about.hypothesis=faster prompt.text=x budget.score_deadline_ms=5 \
	    data.dir=copy; do
		i=$((i + 1))
		if [ "$s" = data.dir=copy ]; then hg-spec -s $s runs/same$i; else spec -s "$s" runs/same$i; fi
		[ "$(config same$i)" = "$(config a)" ] || { echo "$s changed it" >&2; false; }
	done
	for s in train.matrix_lr=0.03 model.num_layers=8 train.iterations=19999 train.micro_batch_tokens=65536 \
	    eval.docs=5 eval.arith=bf16 train.arith=bf16 export.scale_floor=0.001 budget.max_wallclock_ms=1000 \
	    budget.artifact_cap_bytes=1000 train.init_from=data/dataset.json train.replay=data/dataset.json; do
		i=$((i + 1))
		spec -s "$s" runs/other$i
		[ "$(config other$i)" != "$(config a)" ] || { echo "$s did not change it" >&2; false; }
	done
}

# bats test_tags=b63,b64
@test "digests are those that version 0.1 gave the same settings" {
	digests() { jq -r '.digests | "\(.config_sha256) \(.model_sha256) \(.eval_sha256)"' "runs/$1/spec.json"; }
	spec runs/a
	[ "$(digests a)" = "46b12f248a4ab612b45ce7bf444691ceb23d44a5bf070ec47910463d73453fe4 \
dc54a4c1b5481dfb70022728aa15d8fb29e7de41e5c46f9f8e8f2ebe45748fb1 \
685c405209041dd23b56f894fde90c1f805129516c35ccf5f7df7ec3b610d92d" ]
	spec -s train.schedule=wallclock -s train.warmdown_frac=0.5 -s model.tie_embeddings=false \
	    -s eval.mode=sliding:64 -s budget.max_wallclock_ms=60000 -s train.matrix_lr=0.02 \
	    -s export.scale_floor=0.01 runs/b
	[ "$(digests b)" = "62cb4117084eb12da214e85276f97054083ebbe9db5bab99ed53f61560ffb46c \
4fbf8768cd580f3e433f7bfd2302b544e97ec815a465a73caf39c9ee2fb5d699 \
061bc76de6fd3615bb0fdafb343343509842b65651ad07a50da7b82b6a8c2721" ]
}

# bats test_tags=b63,b64
@test "a later key counts only where it deviates, and stands only there" {
	config() { jq -r .digests.config_sha256 "runs/$1/spec.json"; }
	model() { jq -r .digests.model_sha256 "runs/$1/spec.json"; }
	spec runs/a
	spec -s train.min_lr_frac=0.0 runs/b
	spec -s train.min_lr_frac=0.1 runs/c
	spec -s train.min_lr_frac=1e-1 runs/d
	[ "$(jq -c '.train.min_lr_frac' runs/a/spec.json runs/b/spec.json runs/c/spec.json | paste -sd ' ')" = \
	    "null null 0.1" ]
	[ "$(config a) $(model a)" = "$(config b) $(model b)" ]
	[ "$(config a)" != "$(config c)" ] && [ "$(model a)" != "$(model c)" ]
	[ "$(config c) $(model c)" = "$(config d) $(model d)" ]
	# An explicit default, as another program may write it, is the same configuration.
	jq '.train.min_lr_frac = 0' runs/a/spec.json > base.json
	spec -b base.json runs/e
	[ "$(config a)" = "$(config e)" ]
	run --separate-stderr spec -s train.min_lr_frac=0 runs/a
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"exists with this very spec" ]]
	run --separate-stderr spec -s train.min_lr_frac=0.5 runs/a
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"train.min_lr_frac is 0, not 0.5" ]]
	run --separate-stderr spec runs/c
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"train.min_lr_frac is 0.1, not 0" ]]
	# It is sealed like any other.
	jq '.train.min_lr_frac = 0.2' runs/c/spec.json > new
	cp new runs/c/spec.json
	run --separate-stderr hg-status runs/c
	[ "$status" -eq 103 ]
	[[ "$stderr" == *"was edited"* ]]
}

# bats test_tags=b95
@test "two warm-ups of the momentum at once, a share over 1 and an unknown shape are refused with the key and the fix" {
	run --separate-stderr spec -s train.muon_momentum_warmup_frac=0.2 -s train.muon_momentum_warmup_steps=40 runs/a
	[ "$status" -eq 100 ]
	[[ "$stderr" == *"train.muon_momentum_warmup_frac=0.2 excludes train.muon_momentum_warmup_steps=40"*"at 500"* ]]
	run --separate-stderr spec -s train.muon_momentum_warmup_frac=1.5 runs/a
	[ "$status" -eq 100 ]
	[[ "$stderr" == *"train.muon_momentum_warmup_frac"*"1.5"* ]]
	run --separate-stderr spec -s train.adam_warmdown_frac=0 runs/a
	[ "$status" -eq 100 ]
	[[ "$stderr" == *"train.adam_warmdown_frac"* ]]
	run --separate-stderr spec -s train.warmdown_shape=step runs/a
	[ "$status" -eq 100 ]
	[[ "$stderr" == *"train.warmdown_shape"*linear*cosine*sqrt* ]]
	for key in muon_weight_decay=-1 muon_decay_mode=bold muon_norm=column muon_coefficients=6 muon_grad_power=0 muon_form=square \
	    muon_scale=1; do
		run --separate-stderr spec -s "train.$key" runs/a
		[ "$status" -eq 100 ]
		[[ "$stderr" == *"train.${key%=*}"* ]]
	done
	for steps in 2 6; do
		run --separate-stderr spec -s train.muon_coefficients=minimax -s train.muon_backend_steps=$steps runs/a
		[ "$status" -eq 100 ]
		[[ "$stderr" == *"train.muon_coefficients=minimax has coefficients for 3 to 5 steps"*"is $steps:"* ]]
	done
	spec -s train.muon_coefficients=minimax -s train.muon_backend_steps=3 runs/minimax
	spec -s train.muon_momentum_warmup_frac=0.2 runs/b
	[ "$(jq '.train.muon_momentum_warmup_frac' runs/b/spec.json)" = 0.2 ]
}

@test "the eval digest is of the law: a window given or taken from training is the same law" {
	spec runs/a
	spec -s eval.seq_len=1024 runs/b
	spec -s eval.seq_len=512 runs/c
	spec -s train.matrix_lr=1 runs/d
	eval_of() { jq -r .digests.eval_sha256 "runs/$1/spec.json"; }
	[ "$(eval_of a)" = "$(eval_of b)" ]
	[ "$(eval_of a)" = "$(eval_of d)" ]
	[ "$(eval_of a)" != "$(eval_of c)" ]
}

@test "another tokenizer over the same text changes the tokenizer digest and not the data digest" {
	mkdir other
	jq '.tokenizer.sha256 = .content_sha256 | .tokenizer.vocab_size = 1024 | .train.files[0].sha256 = .content_sha256 |
	    .val.files[0].sha256 = .content_sha256' data/dataset.json > other/dataset.json
	spec runs/a
	hg-spec -s data.dir=other runs/b
	[ "$(jq .digests.data_sha256 runs/a/spec.json)" = "$(jq .digests.data_sha256 runs/b/spec.json)" ]
	[ "$(jq .digests.tokenizer_sha256 runs/a/spec.json)" != "$(jq .digests.tokenizer_sha256 runs/b/spec.json)" ]
	[ "$(jq .digests.config_sha256 runs/a/spec.json)" != "$(jq .digests.config_sha256 runs/b/spec.json)" ]
	# Though its vocabulary is larger, and the model's with it: one thing has changed.
	[ "$(jq .model.vocab_size runs/b/spec.json)" = 1024 ]
	[ "$(jq .digests.model_sha256 runs/a/spec.json)" = "$(jq .digests.model_sha256 runs/b/spec.json)" ]
	# Where the text is not known, the shards stand for it.
	for d in data other; do
		jq '.val.raw_sha256 = null' $d/dataset.json > new
		mv new $d/dataset.json
	done
	spec runs/c
	hg-spec -s data.dir=other runs/d
	[ "$(jq .digests.data_sha256 runs/c/spec.json)" != "$(jq .digests.data_sha256 runs/d/spec.json)" ]
}

# bats test_tags=b45
@test "digests can be recomputed with jq and sha256sum from what hg-spec(5) says" {
	spec -s about.hypothesis=x runs/a
	local eval
	eval=$(jq -cjS '{eval: (.eval | {arith, docs, mode, seq_len})}' runs/a/spec.json | sha256sum)
	[ "${eval%% *}" = "$(jq -r .digests.eval_sha256 runs/a/spec.json)" ]
	[ "$(sha256sum < data/dataset.json | cut -d' ' -f1)" = "$(jq -r .data.dataset_sha256 runs/a/spec.json)" ]
	[ "$(jq -r '.train.files[] | "\(.sha256) \(.tokens)"' data/dataset.json | sha256sum | cut -d' ' -f1)" = \
	    "$(jq -r .data.train_sha256 runs/a/spec.json)" ]
}

# bats test_tags=b45
@test "a spec that was edited is refused, whatever the key" {
	local change
	spec runs/a
	cp runs/a/spec.json whole
	for change in '.train.seed = 2' '.train.matrix_lr = 0.05' '.about.hypothesis = "better"' '.run_id = "z"' \
	    '.budget.score_deadline_ms = 1' '.digests.config_sha256 = .digests.eval_sha256' '.data.dir = "/elsewhere"' \
	    '.digests.init_sha256 = .digests.eval_sha256' '.eval.docs = 1'; do
		jq "$change" whole > runs/a/spec.json
		run --separate-stderr spec runs/a
		[ "$status" -eq 103 ] || { echo "$change: $status $stderr" >&2; false; }
		[[ "$stderr" == *"/spec.json' was edited"* ]]
	done
	# White space is no content.
	jq -c . whole > runs/a/spec.json
	spec runs/a
}

@test "the same spec again says so and exits 0; another one is refused and leaves the first" {
	spec runs/a
	cp runs/a/spec.json first
	run --separate-stderr spec runs/a
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[[ "$stderr" == *"'runs/a' exists with this very spec" ]]
	run --separate-stderr spec -s train.seed=2 runs/a
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"exists with another spec, which stays: train.seed is 1337, not 2" ]]
	cmp first runs/a/spec.json
	head -c 50 first > runs/a/spec.json
	run --separate-stderr spec runs/a
	[ "$status" -eq 103 ]
	[ "$(wc -c < runs/a/spec.json)" -eq 50 ]
}

@test "a directory that is empty, or holds what a killed hg-spec left, is accepted; any other is not" {
	mkdir runs/a runs/b runs/c
	: > runs/b/.tmp.spec.json.123.0
	: > runs/c/notes
	spec runs/a
	spec runs/b
	[ "$(ls -A runs/b)" = spec.json ]
	run --separate-stderr spec runs/c
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"'runs/c' exists, is not empty and has no 'spec.json'" ]]
	[ "$(ls -A runs/c)" = notes ]
}

@test "names that are no run ids, ways through '..' and links are refused" {
	local name
	for name in ../evil runs/../../evil runs/.. .. . .hidden 'runs/a b' 'runs/é' "runs/$(printf 'a%.0s' {1..65})" '' / \
	    "runs/$(printf 'a\033[2J')"; do
		run --separate-stderr spec "$name"
		[ "$status" -eq 100 ] || { echo "'$name': $status" >&2; false; }
		[ -z "$output" ]
		[[ "$stderr" != *$'\033'* ]]
	done
	[ -z "$(ls -A runs)" ]
	[ ! -e ../evil ]
	mkdir target
	ln -s ../target runs/link
	run --separate-stderr spec runs/link
	[ "$status" -eq 111 ]
	[ -z "$(ls -A target)" ]
	: > runs/file
	run --separate-stderr spec runs/file
	[ "$status" -eq 111 ]
	spec "runs/$(printf 'a%.0s' {1..64})"
	spec runs/slashes///
	[ -e runs/slashes/spec.json ]
}

# bats test_tags=b43
@test "fifty concurrent mints make fifty runs with fifty names, uids and whole specs" {
	seq 50 | xargs -P 50 -I{} hg-spec -s data.dir=data -u runs/try > names
	[ "$(sort -u names | wc -l)" -eq 50 ]
	[ "$(find runs -mindepth 1 -maxdepth 1 | wc -l)" -eq 50 ]
	[ "$(jq -r .run_uid runs/*/spec.json | sort -u | wc -l)" -eq 50 ]
	"$HG_T/tools/contract" spec runs/*/spec.json
	[ "$(jq -r '"runs/" + .run_id' runs/*/spec.json | sort)" = "$(sort names)" ]
}

@test "concurrent hg-specs of one name: the same spec succeeds for all, another for exactly one" {
	seq 20 | xargs -P 20 -I{} hg-spec -s data.dir=data runs/a 2> log
	[ "$(ls -A runs/a)" = spec.json ]
	! seq 20 | xargs -P 20 -I{} sh -c 'hg-spec -s data.dir=data -s train.seed={} runs/b 2> /dev/null && echo {}' > won
	[ "$(wc -l < won)" -eq 1 ]
	[ "$(jq .train.seed runs/b/spec.json)" = "$(cat won)" ]
}

@test "a mint continues after the largest number and never takes one that exists" {
	mkdir runs/x-7 runs/x-99999999999999999999 runs/x-8b
	[ "$(spec -u runs/x)" = runs/x-8 ]
	[ "$(spec -u runs/x)" = runs/x-9 ]
	[ "$(cd runs && hg-spec -s data.dir=../data -u x)" = ./x-10 ]
	run --separate-stderr spec -u "runs/$(printf 'a%.0s' {1..63})"
	[ "$status" -eq 100 ]
	run --separate-stderr spec -u runs/x runs/y
	[ "$status" -eq 100 ]
}

@test "what cannot be written leaves nothing behind" {
	refuse 111 "cannot create 'nowhere/a'" -s data.dir=data nowhere/a
	[ "$(id -u)" -ne 0 ] || skip "root writes anywhere"
	chmod a-w runs
	refuse 111 "cannot create 'runs/a'" -s data.dir=data runs/a
}

@test "a full disk leaves no run" {
	# A file size limit stands in for the disk: the write fails, and what was made is taken back.
	run --separate-stderr bash -c 'trap "" XFSZ; ulimit -f 1; exec hg-spec -s data.dir=data runs/a'
	[ "$status" -eq 111 ]
	[[ "$stderr" == *"cannot create 'runs/a/spec.json'"* ]]
	[ -z "$(ls -A runs)" ]
}

@test "a want of memory is never a spec that breaks its contract, nor the end of a process that frees twice" {
	[ -z "$HG_SAN" ] || skip "sanitizers need address space"
	local kb seen=''
	for kb in $(seq 400 16 2000); do
		status=0
		prlimit --data=$((kb * 1024)) hg-spec -s data.dir=data runs/a > said 2>&1 || status=$?
		# 127: the loader itself had too little.
		[[ " 0 111 127 " == *" $status "* ]] || { echo "$kb: $status" >&2; cat said >&2; false; }
		[ "$status" -eq 0 ] || [ ! -e runs/a/spec.json ]
		rm -rf runs/a
		seen="$seen $status"
	done
	[[ $seen == *" 0"* && $seen == *" 111"* ]]
}

# bats test_tags=b5
@test "a kill at any system call leaves no run, an empty one that the next hg-spec accepts, or a whole one" {
	local n made=0
	[ -z "$HG_SAN" ] || skip "sanitizers and strace exclude each other"
	n=$(strace -qq -f -o /dev/stdout hg-spec -s data.dir=data runs/all | wc -l)
	for ((i = 1; i <= n; i++)); do
		rm -rf runs/a
		strace -qq -o /dev/null -e inject=all:signal=KILL:when=$i hg-spec -s data.dir=data runs/a > /dev/null 2>&1 || :
		if [ -e runs/a/spec.json ]; then
			"$HG_T/tools/contract" spec runs/a/spec.json
			made=$((made + 1))
		fi
		spec runs/a 2> log
		[ "$(ls -A runs/a)" = spec.json ] || { ls -A runs/a >&2; echo "call $i" >&2; false; }
	done
	[ "$made" -gt 0 ]
}

@test "the file is synced before its name, and both directories before exit 0" {
	[ -z "$HG_SAN" ] || skip "sanitizers and strace exclude each other"
	strace -qq -o trace -e trace=mkdirat,openat,fsync,renameat2,exit_group hg-spec -s data.dir=data runs/a
	# mkdir, fsync (file), link, fsync (run), fsync (parent)
	[ "$(sed -n 's/^\(mkdirat\|fsync\|renameat2\)(.*/\1/p' trace | tr '\n' ' ')" = "mkdirat fsync renameat2 fsync fsync " ]
}

@test "a schedule that never reaches its full rate is warned about" {
	run --separate-stderr spec -s train.iterations=200 runs/a
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"never reaches its full value: train.warmdown_iters 1200 is more than train.iterations 200"* ]]
	run --separate-stderr spec -s train.iterations=200 -s train.warmdown_frac=0.4 runs/b
	[ "$status" -eq 0 ]
	[[ "$stderr" != *"learning rate"* ]]
}

@test "every spec in examples is accepted and reaches its full rate" {
	local f
	jq '.tokenizer.vocab_size = 1024' data/dataset.json > new
	mv new data/dataset.json
	for f in "$HG_TOP"/examples/specs/*.json; do
		run --separate-stderr hg-spec -b "$f" -s data.dir=data "runs/$(basename "$f" .json)"
		[ "$status" -eq 0 ] || { echo "$f: $stderr" >&2; false; }
		# They may be short, and say it.
		[ -z "$(grep -vE 'tokens a parameter: under 5|steps: under 500' <<< "$stderr")" ] || { echo "$f: $stderr" >&2; false; }
	done
}

# warned WANT ARGUMENT...: a spec is told of its size by lines that begin so, and of nothing else; exit 0.
warned() {
	local want=$1
	shift
	run --separate-stderr spec "$@"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ "$(sed -E "s/^hg-spec: //; s/^(Muon|[^ ]+ (tokens|steps|epochs)).*/\1/" <<< "$stderr" | paste -sd ,)" = "$want" ] || {
		echo "$stderr" >&2; false; }
}

@test "a run too short for its momentum, its parameters or any lesson, or longer than its text, is told so, a line each" {
	local small='-s model.num_layers=2 -s model.model_dim=64 -s model.num_heads=2 -s model.num_kv_heads=1
	    -s train.seq_len=256 -s train.batch_tokens=4096 -s train.micro_batch_tokens=1024 -s train.warmdown_frac=0.4'
	warned 'Muon,0.16 tokens,3 steps' $small -s train.iterations=3 runs/a
	[[ "${stderr_lines[0]}" == "hg-spec: Muon's momentum never reaches its full value: train.muon_momentum_warmup_steps 500, and 3 steps"* ]]
	[[ "${stderr_lines[1]}" == *"tokens a parameter: under 5, "* && "${stderr_lines[2]}" == *"steps: under 500, "* ]]
	warned 'Muon,499 steps' $small -s train.iterations=499 runs/b
	warned 'Muon' $small -s train.iterations=500 runs/c
	warned '' $small -s train.iterations=501 runs/d
	warned '499 steps' $small -s train.iterations=499 -s train.muon_momentum_warmup_start=0.95 runs/e
	warned '499 steps' $small -s train.iterations=499 -s train.muon_momentum_warmup_frac=0.3 runs/f
	# The last step that the text is enough for, and the next.
	jq '.train.tokens = 600 * 4096' data/dataset.json > new
	mv new data/dataset.json
	warned '' $small -s train.iterations=600 runs/h
	warned '1.00 epochs' $small -s train.iterations=601 runs/i
	warned '2.50 epochs' $small -s train.iterations=1500 runs/j
	[ "$stderr" = "hg-spec: 2.50 epochs: 6144000 tokens of training, and the data hold 2457600, so that text comes again" ]
	# By the clock steps are a bound: too few are too few, but whether text comes again is not known.
	warned '' $small -s train.schedule=wallclock -s train.iterations=1500 runs/k
	warned 'Muon,400 steps' $small -s train.schedule=wallclock -s train.iterations=400 runs/l
	# What a program does with its keys only it knows; and of a replay's steps its file tells.
	printf '#!/bin/sh\n' > t.sh
	warned '' -s system.backend=external -s 'trainer.command=["sh","t.sh"]' -s 'trainer.files=["t.sh"]' \
	    -s trainer.gives=claim -s 'trainer.reads={"val_bpb":"x=([0-9.]+)"}' -s train.iterations=3 runs/m
	warned '' $small -s train.iterations=3 -s train.replay=t.sh runs/n
}

@test "init_from and replay are kept by absolute path and digest, and must be there" {
	echo weights > w
	spec -s train.init_from=w -s train.replay=w runs/a
	[ "$(jq -r .train.init_from runs/a/spec.json)" = "$(realpath w)" ]
	[ "$(jq -r .digests.init_sha256 runs/a/spec.json)" = "$(sha256sum < w | cut -d' ' -f1)" ]
	[ "$(jq -r .digests.replay_sha256 runs/a/spec.json)" = "$(sha256sum < w | cut -d' ' -f1)" ]
	rm -r runs/a
	refuse 111 "train.init_from: cannot read 'missing'" -s data.dir=data -s train.init_from=missing runs/a
}

@test "hg-spec needs under 20 MB, and loads no BLAS" {
	[ -z "$HG_SAN" ] || skip "sanitizers need more"
	run "$PYTHON" -c 'import resource, subprocess
subprocess.run(["hg-spec", "-s", "data.dir=data", "runs/a"], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)'
	[ "$output" -lt 20000 ]
	run ! grep -iE 'blas|mkl|dnnl|cuda' <(ldd "$(command -v hg-spec)")
}

# bats test_tags=b94
@test "more documents than there are to score are refused, and validation shorter than a window is said" {
	spec -s eval.docs=5000 runs/all
	rm -r runs/all
	refuse 100 "eval.docs=5001: '$PWD/data' has 5000 validation documents" -s data.dir=data -s eval.docs=5001 runs/a
	jq '.val.tokens = 1024' data/dataset.json > data/new
	mv data/new data/dataset.json
	spec runs/long 2> said
	grep -q "the 1024 tokens of validation in '$PWD/data' do not fill one window of eval.seq_len=1024$" said
	spec -s eval.seq_len=1023 runs/short 2> said
	run ! grep window said
	spec -s eval.mode=sliding:64 runs/sliding 2> said
	run ! grep window said
}

# bats test_tags=b94
@test "the first documents that together are shorter than one window are refused, with how many would do" {
	local row
	for row in $(seq 60); do echo "the sentence $row"; done > text
	hg-data -B -n 20 -f lines -o own text
	# the first two and one id of the third: a window of so many targets takes three
	row=$(awk -F'\t' '!/^#/ && n++ < 2 { s += $2 } END { print s }' own/val_docs.tsv)
	refuse 100 "eval.docs=2: the first documents of validation in '$PWD/own' do not fill one window of eval.seq_len=$row; 3 would" \
	    -s data.dir=own -s eval.docs=2 -s eval.seq_len=$row runs/a
	hg-spec -s data.dir=own -s eval.docs=3 -s eval.seq_len=$row runs/three
	hg-spec -s data.dir=own -s eval.docs=2 -s eval.seq_len=$((row - 1)) runs/two
	hg-spec -s data.dir=own -s eval.docs=1 -s eval.seq_len=$row -s eval.mode=sliding:4 runs/sliding
	hg-spec -s data.dir=own -s eval.docs=1 -s eval.seq_len=$row -s eval.mode=documents runs/documents
	# of a table that is not the one that dataset.json counts nothing is believed
	sed -i '$d' own/val_docs.tsv
	run -103 hg-spec -s data.dir=own -s eval.docs=2 -s eval.seq_len=8 runs/b
	[[ "$output" == *"its rows are not those that dataset.json counts"* ]]
	[ ! -e runs/b ]
}

# bats test_tags=b94
@test "a model that cannot fit into memory or under its cap is warned about, with the figures, and nothing else is" {
	local huge='-s model.model_dim=16384 -s model.num_layers=1000 -s train.micro_batch_tokens=1024'
	spec $huge -s system.backend=cpu runs/huge 2> said
	[[ "$(grep -c 'training needs [0-9.]* MB of memory with 1024 tokens in a pass (parameters and gradients [0-9.]*, activations [0-9.]*, optimizer [0-9.]*), and [0-9.]* MB are all that this machine has' said)" = 1 ]]
	grep -q 'the artifact will likely be over its cap: [0-9]* bytes before compression.*budget.artifact_cap_bytes=16000000$' said
	spec $huge -s system.backend=cuda runs/card 2> said
	run ! grep memory said
	spec -s budget.artifact_cap_bytes=15000000 runs/tight 2> said
	grep -q 'budget.artifact_cap_bytes=15000000' said
	# What is stored in fewer bits is smaller, in more larger, and by deviations smaller still.
	spec -s budget.artifact_cap_bytes=15000000 -s export.bits=6 runs/six 2> said
	run ! grep -q 'artifact will likely' said
	spec -s budget.artifact_cap_bytes=10000000 -s export.bits=6 runs/tighter 2> said
	grep -q 'budget.artifact_cap_bytes=10000000' said
	spec -s budget.artifact_cap_bytes=10000000 -s export.bits=6 -s export.quantizer=sdclip runs/deviations 2> said
	run ! grep -q 'artifact will likely' said
	spec -s export.bits=16 runs/halves 2> said
	grep -q 'budget.artifact_cap_bytes=16000000' said
	run --separate-stderr spec runs/published
	[ -z "$stderr" ]
}

@test "a time may bear its unit, a bare number is milliseconds, and what is neither is refused" {
	spec -s budget.max_wallclock_ms=90s -s budget.train_deadline_ms=10m -s budget.lane_wait_ms=1.5h \
	    -s train.checkpoint_every_ms=0.25s -s budget.score_deadline_ms=4000 runs/a
	[ "$(jq -c '[.budget.max_wallclock_ms, .budget.train_deadline_ms, .budget.lane_wait_ms, .train.checkpoint_every_ms,
		.budget.score_deadline_ms]' runs/a/spec.json)" = "[90000,600000,5400000,250,4000]" ]
	rm -r runs/a
	for bad in 10d 0s -5m s 1.5hh; do
		refuse 100 "budget.max_wallclock_ms" -s data.dir=data -s budget.max_wallclock_ms=$bad runs/b
	done
	refuse 100 "is not at most 31536000000" -s data.dir=data -s budget.max_wallclock_ms=9000h runs/b
	# of a time only
	refuse 100 "train.iterations" -s data.dir=data -s train.iterations=10m runs/b
	refuse 100 "budget.max_wallclock_ms: '1h30m' is no time, such as 90s, 10m, 8h or 1500 (milliseconds), nor the word none" \
		-s data.dir=data -s budget.max_wallclock_ms=1h30m runs/b
	refuse 100 "budget.stall_ms: 'auto' is no time, such as 90s, 10m, 8h or 1500 (milliseconds)" \
		-s data.dir=data -s budget.stall_ms=auto runs/b
}

@test "an instruction set that the backend has not is refused by name, with those that it has" {
	refuse 100 "system.isa: backend 'ref' has no 'portable'; it has: auto scalar" -s data.dir=data \
	    -s system.backend=ref -s system.isa=portable runs/a
	refuse 100 "system.isa: backend 'cpu' has no 'scalar'; it has: auto amx avx512-bf16" -s data.dir=data \
	    -s system.backend=cpu -s system.isa=scalar runs/a
	[ ! -e runs/a ]
	spec -s system.backend=ref -s system.isa=scalar runs/a
}

# bats test_tags=b45
@test "a path that is not UTF-8 is refused as such, since no file of a run could tell of it, and nothing is made" {
	local odd
	odd=$(printf 'a\377b')
	mkdir "$odd"
	cp -r data "$odd/data"
	ln -s "$odd/data" link
	echo '{}' > "$odd/base.json"
	refuse 100 "/data' is not UTF-8" -s data.dir="$PWD/link" runs/a
	refuse 100 "'a\\xffb/base.json' is not UTF-8" -b "$odd/base.json" -s data.dir=data runs/a
	refuse 100 "'a\\xffb/r' is not UTF-8" -s data.dir=data "$odd/r"
	[ ! -e "$odd/r" ]
	hg-spec -s data.dir=data runs/a
	mv runs/a "$odd/a"
	for tool in hg-status hg-train "hg-gate train" "hg-run"; do
		run --separate-stderr $tool "$odd/a"
		[ "$status" -eq 100 ]
		[[ "$stderr" == *"'a\\xffb/a' is not UTF-8"* ]]
	done
}

@test "a spec that is made from a run names it as its parent, and takes over all but what it was about" {
	spec -s about.hypothesis="the first" -s train.seed=3 runs/a
	hg-spec -b runs/a -s train.matrix_lr=0.02 runs/b
	[ "$(jq -c '[.about.parent, .about.parent_uid, .about.hypothesis, .train.seed]' runs/b/spec.json)" = \
	    "[\"a\",$(jq -c .run_uid runs/a/spec.json),\"\",3]" ]
	# twice is once
	hg-spec -b runs/a -s train.matrix_lr=0.02 runs/b
	# who says another parent does not get the run's number
	hg-spec -b runs/b -s about.parent=other -s about.hypothesis=why runs/d
	[ "$(jq -c .about runs/d/spec.json)" = '{"hypothesis":"why","parent":"other"}' ]
	# a file is taken as it stands
	hg-spec -b runs/b/spec.json runs/e
	[ "$(jq -r .about.parent runs/e/spec.json)" = a ]
	hg-spec -b runs/a/spec.json runs/f
	[ "$(jq -r .about.parent runs/f/spec.json)" = null ]
}

@test "a run whose spec was edited, and a directory that is no run, are no base" {
	spec runs/a
	mkdir runs/none
	run --separate-stderr hg-spec -b runs/none runs/b
	[ "$status" -eq 111 ]
	[[ $stderr == *"runs/none"* ]]
	sed -i 's/"seed": 1337/"seed": 1338/' runs/a/spec.json
	run --separate-stderr hg-spec -b runs/a runs/b
	[ "$status" -eq 103 ]
	[[ $stderr == *"was edited"* ]]
	[ ! -e runs/b ]
}

# bats test_tags=b77
@test "hg-spec -d names every key in which two specs differ, with its tag and both values, and nothing else" {
	spec -s about.hypothesis="$(printf 'a\033[1m')" runs/a
	hg-spec -b runs/a/spec.json -s train.matrix_lr=0.02 -s train.seed=4 -s train.min_lr_frac=0.5 -s system.threads=3 \
	    -s about.hypothesis=b runs/b
	run --separate-stderr hg-spec -d runs/a runs/b
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[ "$(tr -s ' ' <<< "$output")" = 'replicate train.seed 1337 -> 4
result train.min_lr_frac 0 -> 0.5
result train.matrix_lr 0.04 -> 0.02
system system.threads auto -> 3
cosmetic about.hypothesis a\x1b[1m -> b' ]
	# a file, which may be partial, and a run
	echo '{"train": {"seed": 1337, "matrix_lr": 0.04}}' > part.json
	run --separate-stderr hg-spec -d part.json runs/a
	[ "$(tr -s ' ' <<< "$output" | grep -v ' data\.')" = 'result model.vocab_size null -> 260
cosmetic about.hypothesis "" -> a\x1b[1m' ]
	run --separate-stderr hg-spec -d runs/a/spec.json runs/a
	[ "$status$output$stderr" = 0 ]
	echo '{"train": {"sed": 1}}' > part.json
	run --separate-stderr hg-spec -d part.json runs/a
	[ "$status" -eq 103 ]
	[[ $stderr == *"the nearest is 'train.seed'"* ]]
	run hg-spec -d -s train.seed=1 runs/a runs/b
	[ "$status" -eq 100 ]
}
