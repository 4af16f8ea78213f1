# How an artifact's weights become bytes: bits, quantizers.  Rows alone: t/golden.bats, forgeries: t/unit/artifact.c.
load helper

# Wide enough that its embedding and its MLP are over 65,536 elements, and trained for a moment only.
setup_file() {
	export DATA=$BATS_FILE_TMPDIR/data HOMEGOLF_LANES=$BATS_FILE_TMPDIR/lanes
	cd "$BATS_FILE_TMPDIR"
	tiny_data "$DATA" 2> /dev/null
	wide plain
	hg-run plain 2> /dev/null
}

setup() {
	cd "$BATS_FILE_TMPDIR"
}

# wide RUN SETTING...
wide() {
	tiny_spec "$1" system.backend=cpu system.isa=portable model.num_layers=1 model.model_dim=256 train.seq_len=16 \
		train.batch_tokens=64 train.micro_batch_tokens=64 train.iterations=2 eval.docs=3 "${@:2}"
}

# under RUN SETTING...: that model under another law, from training to score.
under() {
	[ ! -d "$1" ] || return 0
	wide "$@"
	hg-run "$1" 2> /dev/null
}

# tensor RUN NAME: its type, its bits, the largest of its levels and the number of different ones, by plain Python.
tensor() {
	"$PYTHON" - "$1" "$2" <<-'END'
		import json, struct, sys, zlib
		raw = zlib.decompress(open(sys.argv[1] + "/artifact.hgz", "rb").read())
		n = struct.unpack("<Q", raw[:8])[0]
		t = json.loads(raw[8:8 + n])[sys.argv[2]]
		a, b = t["data_offsets"]
		data = raw[8 + n + a:8 + n + b]
		q = struct.unpack("%db" % len(data), data) if t["dtype"] == "I8" else [0]
		table = json.load(open(sys.argv[1] + "/export_report.json"))["tensors"]
		print(t["dtype"], [r["bits"] for r in table if r["name"] == sys.argv[2]][0], max(map(abs, q)), len(set(q)))
	END
}

# bats test_tags=b64,b66
@test "an artifact has the bits that the spec asks for, says so to everybody, and is gated, prompted and scored" {
	local bits top
	[ "$(tensor plain tok_emb.weight | cut -d' ' -f1,2)" = "I8 8" ]
	for bits in 7 6; do
		top=$((2 ** (bits - 1) - 1))
		under "b$bits" export.bits=$bits export.embed_bits=8 export.scale_floor=0.0001
		under "e$bits" export.embed_bits=$bits export.scale_floor=0.0001
		[[ "$(tensor "b$bits" blocks.0.mlp.fc.weight)" == "I8 $bits $top "* ]]
		[[ "$(tensor "b$bits" tok_emb.weight)" == "I8 8 127 "* ]]
		[[ "$(tensor "e$bits" tok_emb.weight)" == "I8 $bits $top "* ]]
		[[ "$(tensor "e$bits" blocks.0.mlp.fc.weight)" == "I8 8 127 "* ]]
		[ "$(jq -c .levers "b$bits/export_report.json" "e$bits/export_report.json" | paste -sd' ')" = \
			"{\"bits\":$bits} {\"embed_bits\":$bits}" ]
	done
	under b16 export.bits=16 export.embed_bits=16
	[ "$(tensor b16 tok_emb.weight)" = "F16 16 0 1" ]
	for bits in b16 b7 b6 e7 e6; do
		hg-gate score $bits
		[ -s $bits/prompt_report.json ]
		[ "$(jq .val_loss $bits/artifact_score_report.json)" != "$(jq .val_loss plain/artifact_score_report.json)" ]
		# Half a step of the widest row at most: what is restored is what was trained, but for that.
		jq -e '[.tensors[] | select(.dtype == "I8") | .max_error > 0 and .max_error < 0.02] | all' $bits/export_report.json
	done
	jq -se 'map(.artifact.bytes) | .[0] > .[1] and .[1] > .[2]' b16/export_report.json b7/export_report.json b6/export_report.json
}

# bats test_tags=b64
@test "sdclip cuts a row off at so many deviations, matrices and embeddings each at their own" {
	under wide-sd export.quantizer=sdclip export.scale_floor=0.0001
	under narrow-sd export.quantizer=sdclip export.sdclip_k=1.5 export.sdclip_embed_k=1.5 export.scale_floor=0.0001
	# Beyond 12.85 deviations there is nothing, within 1.5 there are weights that are cut off.
	[[ "$(tensor narrow-sd blocks.0.mlp.fc.weight)" == "I8 8 127 "* ]]
	[ "$(tensor wide-sd blocks.0.mlp.fc.weight | cut -d' ' -f3)" -lt 64 ]
	[ "$(tensor wide-sd tok_emb.weight | cut -d' ' -f3)" -lt "$(tensor narrow-sd tok_emb.weight | cut -d' ' -f3)" ]
	[ "$(jq -c .levers narrow-sd/export_report.json)" = '{"quantizer":"sdclip","sdclip_k":1.5,"sdclip_embed_k":1.5}' ]
	jq -se 'map(.artifact.bytes) | .[0] < .[1]' wide-sd/export_report.json narrow-sd/export_report.json
	hg-gate score narrow-sd
}

# bats test_tags=b64
@test "at their defaults the export's keys change no digest and no bit; at others the configuration's digest, and no trained bit" {
	local key
	wide same export.bits=8 export.embed_bits=8 export.quantizer=minmax export.sdclip_k=12.85 export.sdclip_embed_k=20 export.coder=zlib
	[ "$(jq -c '.digests | .config_sha256, .model_sha256, .eval_sha256' same/spec.json)" = \
		"$(jq -c '.digests | .config_sha256, .model_sha256, .eval_sha256' plain/spec.json)" ]
	[ "$(jq -c .export same/spec.json)" = '{"scale_floor":0.007874015748031496}' ]
	jq -e 'has("levers") | not' plain/export_report.json
	run ! grep -c '"export"' <("$PYTHON" -c 'import sys, zlib
sys.stdout.buffer.write(zlib.decompress(open("plain/artifact.hgz", "rb").read()))')
	for key in bits=6 embed_bits=16 quantizer=sdclip sdclip_k=3 sdclip_embed_k=3; do
		wide "digest-${key%%=*}" "export.$key"
		[ "$(jq .digests.config_sha256 "digest-${key%%=*}/spec.json")" != "$(jq .digests.config_sha256 plain/spec.json)" ]
	done
	under b6 export.bits=6 export.embed_bits=8 export.scale_floor=0.0001
	[ "$(jq .checkpoint.sha256 b6/training_report.json)" = "$(jq .checkpoint.sha256 plain/training_report.json)" ]
}

# bats test_tags=b64,b66
@test "xz packs the same weights in fewer bytes, in a stream that says so and that anybody's xz opens" {
	under xz export.coder=xz
	"$PYTHON" - plain/artifact.hgz xz/artifact.hgz <<-'END'
		import json, lzma, struct, sys, zlib
		a = zlib.decompress(open(sys.argv[1], "rb").read())
		b = lzma.decompress(open(sys.argv[2], "rb").read())
		def parts(raw):
		    n = struct.unpack("<Q", raw[:8])[0]
		    return json.loads(raw[8:8 + n]), raw[8 + n:]
		(ha, da), (hb, db) = parts(a), parts(b)
		assert da == db and "export" not in ha["__metadata__"]
		assert json.loads(hb["__metadata__"].pop("export")) == {"coder": "xz"} and ha == hb
	END
	[ "$(jq .val_loss xz/artifact_score_report.json)" = "$(jq .val_loss plain/artifact_score_report.json)" ]
	jq -se '.[1].artifact.bytes < .[0].artifact.bytes * 0.98 and .[1].levers == {"coder": "xz"}' \
	    plain/export_report.json xz/export_report.json
	hg-gate score xz
	[ "$(jq .digests.config_sha256 xz/spec.json)" != "$(jq .digests.config_sha256 plain/spec.json)" ]
}

# bats test_tags=b15,b66
@test "an export that had another law than the spec's is found out by the gate" {
	under b6 export.bits=6 export.embed_bits=8 export.scale_floor=0.0001
	mkdir forged
	cp -r b6 forged
	chmod -R u+w forged
	for change in '.levers.bits = 7' 'del(.levers)' '.levers.quantizer = "sdclip"' '.levers.colour = 1'; do
		jq "$change" b6/export_report.json > forged/b6/export_report.json
		run ! hg-gate export forged/b6
		echo "$output"
		[[ "$output" == *"levers"*"spec"* ]]
	done
}

# bats test_tags=b44
@test "bits and quantizers that there are not are refused by their key when the run is made" {
	local setting
	for setting in bits=5 bits=32 bits=6.5 embed_bits=9 quantizer=gptq-lite sdclip_k=0 sdclip_embed_k=1e9; do
		run ! wide refused "export.$setting"
		[[ "$output" == *"export.${setting%%=*}"* ]]
		[ ! -e refused ]
	done
}
