# Levels that make up for one another: what the end of training leaves for them, its time, and what they are worth.
# The arithmetic: t/unit/gptq.c.
load helper

setup_file() {
	export DATA=$BATS_FILE_TMPDIR/data HOMEGOLF_LANES=$BATS_FILE_TMPDIR/lanes
	cd "$BATS_FILE_TMPDIR"
	tiny_data "$DATA" 2> /dev/null
	wide fed export.quantizer=gptq export.gptq_tokens=500
	hg-run fed 2> /dev/null
}

setup() {
	cd "$BATS_FILE_TMPDIR"
}

# wide RUN SETTING...: an embedding and an MLP of over 65,536 elements, at 6 bits.
wide() {
	tiny_spec "$1" system.backend=cpu system.isa="${ISA:-portable}" model.num_layers=1 model.model_dim="${WIDTH:-256}" train.seq_len=16 \
		train.batch_tokens=64 train.micro_batch_tokens=64 train.iterations="${STEPS:-2}" eval.docs=3 \
		export.bits=6 export.embed_bits=6 export.scale_floor=0.0001 export.sdclip_k="${REACH:-5}" export.sdclip_embed_k=5 \
		"${@:2}"
}

# names FILE: of the tensors in a safetensors file, sorted.
names() {
	"$PYTHON" -c 'import json, struct, sys
raw = open(sys.argv[1], "rb").read()
print(*sorted(k for k in json.loads(raw[8:8 + struct.unpack("<Q", raw[:8])[0]]) if k != "__metadata__"))' "$1"
}

# bats test_tags=b64,b65,b66
@test "training leaves what the matrices to be rounded read, of the text behind the last step's, and its receipt says so" {
	[ "$(names fed/calibration.safetensors)" = "blocks.0.mlp.fc.weight.gram blocks.0.mlp.proj.weight.gram tok_emb.weight.gram" ]
	# Whole sequences of 16; two steps of 64 tokens came before.
	[ "$(jq -c '.calibration | [.file, .tokens, .first_token, .ms > 0]' fed/training_report.json)" = \
		'["calibration.safetensors",512,128,true]' ]
	[ "$(jq -r .calibration.sha256 fed/training_report.json)" = "$(sha256sum < fed/calibration.safetensors | cut -d' ' -f1)" ]
	[ "$(jq -c .levers fed/export_report.json)" = \
		'{"bits":6,"embed_bits":6,"quantizer":"gptq","sdclip_k":5,"sdclip_embed_k":5,"gptq_tokens":500}' ]
	hg-gate score fed
	[ "$(jq '.val_bpb | isnormal' fed/artifact_score_summary.json)" = true ]
}

# bats test_tags=b64
@test "a trained model scores better by it than rounded under the same clip, in the same form" {
	local law
	for law in gptq sdclip; do
		REACH=20 ISA=auto STEPS=60 wide "by-$law" export.quantizer=$law export.gptq_tokens=4000
		hg-run "by-$law" 2> /dev/null
	done
	cmp by-gptq/checkpoint.safetensors by-sdclip/checkpoint.safetensors
	jq -se 'map([.artifact.payload_bytes // .payload_bytes]) | .[0] == .[1]' by-gptq/export_report.json by-sdclip/export_report.json
	jq -c .val_bpb by-gptq/artifact_score_summary.json by-sdclip/artifact_score_summary.json >&2
	jq -se 'map(.val_bpb) | .[0] < .[1]' by-gptq/artifact_score_summary.json by-sdclip/artifact_score_summary.json
}

# bats test_tags=b64
@test "it changes no step, and without it there is no such file" {
	wide plain export.quantizer=sdclip
	hg-train plain 2> /dev/null
	cmp plain/checkpoint.safetensors fed/checkpoint.safetensors
	[ ! -e plain/calibration.safetensors ]
	jq -e 'has("calibration") | not' plain/training_report.json
	# Nor where every matrix is too small for levels.
	tiny_spec small export.quantizer=gptq export.gptq_tokens=64
	hg-run small 2> /dev/null
	[ ! -e small/calibration.safetensors ]
	hg-gate score small
}

# bats test_tags=b47,b66
@test "the same is left again, by hg-train -c and by every number of threads, and the same artifact made" {
	hg-train -c fed > said
	[ "$(jq -c '[.same, .differ]' said)" = '[true,[]]' ]
	wide again export.quantizer=gptq export.gptq_tokens=500
	hg-train -j 3 again 2> /dev/null
	hg-export again 2> /dev/null
	cmp again/calibration.safetensors fed/calibration.safetensors
	cmp again/artifact.hgz fed/artifact.hgz
}

# bats test_tags=b44,b65
@test "an export without it is refused by the file's name, one whose file was altered by its digest" {
	wide lost export.quantizer=gptq export.gptq_tokens=64
	hg-train lost 2> /dev/null
	cp lost/calibration.safetensors kept
	rm lost/calibration.safetensors
	run ! hg-export lost
	[ "$(jq -r .kind lost/export_refusal.json)" = input_missing ]
	[[ "$(jq -r .detail lost/export_refusal.json)" == *calibration.safetensors* ]]
	run ! hg-gate train lost
	[[ "$output" == *"calibration.safetensors: missing"* ]]
	hg-retry export lost
	printf '\377' | dd of=kept bs=1 seek=5000 conv=notrunc 2> /dev/null
	cp kept lost/calibration.safetensors
	run ! hg-export lost
	[ "$(jq -r .kind lost/export_refusal.json)" = input_wrong_digest ]
	# A training that says nothing of one.
	wide silent export.quantizer=gptq export.gptq_tokens=64
	hg-train silent 2> /dev/null
	jq 'del(.calibration)' silent/training_report.json > report
	cat report > silent/training_report.json
	run ! hg-export silent
	[[ "$(jq -r .detail silent/export_refusal.json)" == *"needs 'calibration.safetensors'"*"ask for sdclip"* ]]
}

# bats test_tags=b65
@test "a calibration that the spec does not ask for is found by the gate" {
	wide forged export.quantizer=sdclip
	hg-train forged 2> /dev/null
	cp fed/calibration.safetensors forged
	jq --slurpfile fed fed/training_report.json '.calibration = $fed[0].calibration' forged/training_report.json > report
	cat report > forged/training_report.json
	run ! hg-gate train forged
	[[ "$output" == *"names a calibration"* ]]
}

# bats test_tags=b70
@test "a run by the clock keeps time for it back from its steps, and ends within its cap" {
	local cap
	# So much text that it takes as long as many steps, on a machine of any speed.
	for cap in 1500 6000 20000; do
		rm -rf clock
		ISA=auto STEPS=100000 WIDTH=96 wide clock model.mlp_mult=8 export.quantizer=gptq export.gptq_tokens=18000 \
			train.schedule=wallclock budget.max_wallclock_ms=$cap train.warmdown_frac=0.5
		hg-train clock 2> said || { cat said >&2; continue; }
		jq '{train_ms, overshoot_ms, step_ms_mean, calibration, steps}' clock/training_report.json >&2
		tail -n 1 clock/metrics.jsonl >&2
		# The last step and the last pass may pass what is theirs, and no more.
		jq -se --argjson cap $cap '.[-1] as $last | .[0] | .calibration.ms as $for | .step_ms_mean as $step |
			.stop_reason == "wallclock" and .cap_ms == $cap and .overshoot_ms <= $for / 4 + 2 * $step and
			$for > 4 * $step and $last.wallclock_ms < $cap - $for / 2 + 2 * $step' \
			clock/training_report.json clock/metrics.jsonl && return 0
	done
	return 1
}

# bats test_tags=b70
@test "a calibration that takes all of the cap is refused before the first step, with what to lower, and reckoned with by hg-pace" {
	wide full export.quantizer=gptq export.gptq_tokens=100000000 budget.max_wallclock_ms=2000
	run ! hg-train full
	[ "$(jq -r .kind full/train_refusal.json)" = schedule_over_cap ]
	[[ "$(jq -r .detail full/train_refusal.json)" == *export.gptq_tokens=100000000*budget.max_wallclock_ms=2000* ]]
	# The pace of such a run has room for no step; without it there is some.
	wide none export.quantizer=gptq export.gptq_tokens=100000000 budget.max_wallclock_ms=1000s
	run ! --separate-stderr hg-pace -t 1 none
	[ "$(jq .iterations <<< "$output")" -eq 0 ]
	wide some export.quantizer=gptq export.gptq_tokens=100 budget.max_wallclock_ms=1000s
	[ "$(hg-pace -t 1 some 2> /dev/null | jq .iterations)" -gt 0 ]
}

# bats test_tags=b55
@test "a training that was killed goes on and leaves what one leaves that was not, with an average too" {
	local keys=(export.quantizer=gptq export.gptq_tokens=160 train.average_from=0.5)
	local pid
	STEPS=60 wide killed "${keys[@]}" train.average=tail train.checkpoint_every_ms=1
	hg-train killed 2> /dev/null 3>&- &
	until_true 60 test -e killed/resume.safetensors
	pid=$(sed -n 's/.* pid=\([0-9]*\) .*/\1/p' killed/train.lock)
	[ -n "$pid" ] && kill -9 "$pid"
	wait $! || :
	[ ! -e killed/training_report.json ]
	hg-await -t 10 train killed 2> /dev/null || :
	hg-retry train killed
	hg-train killed 2> /dev/null
	[ "$(jq .resumes killed/training_report.json)" -ge 1 ]
	STEPS=60 wide calm "${keys[@]}" train.average=tail
	hg-train calm 2> /dev/null
	cmp killed/checkpoint.safetensors calm/checkpoint.safetensors
	cmp killed/calibration.safetensors calm/calibration.safetensors
	# It is of the average, which the checkpoint holds, and not of the last weights.
	STEPS=60 wide last "${keys[@]}"
	hg-train last 2> /dev/null
	run ! cmp -s last/calibration.safetensors calm/calibration.safetensors
}

# bats test_tags=b44
@test "a program's weights are never asked for it" {
	echo '{"trainer": {"command": ["true"], "gives": "checkpoint"}, "system": {"backend": "external"}}' > external.json
	run ! hg-spec -b external.json -s "data.dir=$DATA" -s export.quantizer=gptq program
	[[ "$output" == *"export.quantizer=gptq"*"a program does not hand over"* ]]
	[ ! -e program ]
}

# bats test_tags=b64
@test "hg-prune takes it away with the checkpoint, and says so" {
	cp -r fed pruned-from 2> /dev/null
	mkdir runs
	wide runs/spent export.quantizer=gptq export.gptq_tokens=64
	hg-train runs/spent 2> /dev/null
	hg-export runs/spent 2> /dev/null
	run hg-prune runs/spent
	[[ "$output" == *"runs/spent/calibration.safetensors"* ]]
	[ ! -e runs/spent/calibration.safetensors ]
	hg-gate export runs/spent > said || { cat said >&2; false; }
	grep -q "calibration.safetensors: pruned" said
	hg-status runs/spent | grep -q "calibration.safetensors: pruned"
}
