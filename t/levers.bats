# Levers of the model in the tools: one run each, from its spec to its score.  Arithmetic: t/unit/levers.c, t/golden.bats.
load helper

setup() {
	export DATA=$BATS_FILE_TMPDIR/data HOMEGOLF_LANES=$BATS_TEST_TMPDIR/lanes
	cd "$BATS_TEST_TMPDIR"
	[ -d "$DATA" ] || tiny_data "$DATA" 2> /dev/null
}

# on SETTING...: train, export, prompt and score a run with these settings of model, on ref and on cpu.
on() {
	local backend setting settings=()
	for setting in "$@"; do settings+=("model.$setting"); done
	for backend in ref cpu; do
		tiny_spec "$backend-off" system.backend=$backend model.num_layers=4 train.iterations=8
		tiny_spec "$backend" system.backend=$backend model.num_layers=4 train.iterations=8 "${settings[@]}"
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
	for setting in "$@"; do settings+=("model.$setting"); done
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
