# The public records as specs: each is taken, and has the parameters that its table says.
load helper

SPECS=$HG_TOP/examples/specs/public

setup_file() {
	export DATA=$BATS_FILE_TMPDIR/data HOMEGOLF_LANES=$BATS_FILE_TMPDIR/lanes
	cd "$BATS_FILE_TMPDIR"
	tiny_data "$DATA" 2> /dev/null
	mkdir runs
}

setup() {
	cd "$BATS_FILE_TMPDIR"
}

# The table of README.md, by tabs: spec, score, parameters, public ones, what cannot be said; no thousands' commas.
rows() {
	sed -n 's/^| `\([a-z0-9-]*\)` | /\1 | /p' "$SPECS/README.md" |
		awk -F ' [|] ' '{ gsub(",", "", $3); gsub(",", "", $4); print $1 "\t" $2 "\t" $3 "\t" $4 "\t" $5 }'
}

# made NAME [RUN SETTING...]: its run, on data that say that they have as many pieces as it asks for.
made() {
	local run=${2:-$1}
	[ ! -e "runs/$run" ] || return 0
	jq --argjson v "$(jq '.model.vocab_size // 1024' "$SPECS/$1.json")" '.tokenizer.vocab_size = $v' \
		"$DATA/dataset.json" > new
	mv new "$DATA/dataset.json"
	hg-spec -b "$SPECS/$1.json" -s "data.dir=$DATA" "${@:3}" "runs/$run" 2> said || { cat said >&2; return 1; }
}

@test "every row of the table has its spec, every spec its row, and hg-spec takes it" {
	local name score
	[ "$(rows | cut -f1 | sort)" = "$(cd "$SPECS" && printf '%s\n' *.json | sed 's/[.]json$//' | sort)" ]
	while IFS=$'\t' read -r name score _; do
		made "$name"
		[[ "$score" =~ ^1[.][0-9]{4}$ ]]
		jq -e '.train.schedule == "wallclock" and (.budget.max_wallclock_ms == 600000 or .run_id == "four-hours")' \
			"runs/$name/spec.json"
	done < <(rows)
}

@test "a spec's model has the parameters of the table, and the difference from the public count is told" {
	local name ours public words apart
	while IFS=$'\t' read -r name _ ours public words; do
		made "$name"
		[ "$("$HG_T/tools/params" "runs/$name/spec.json" | cut -d' ' -f1)" = "$ours" ] || { echo "$name" >&2; false; }
		[ "$public" != "?" ] || continue
		apart=$((public - ours))
		# By its number, here or in the row that it is the same as.
		case $apart in
		0) ;;
		499) [[ "$words" == *499* ]] ;;
		164342) [[ "$words" == *"164,342"* || "$words" == "the same"* ]] ;;
		557059) [[ "$words" == *"557,059"* ]] ;;
		48) [[ "$words" == *"48 fewer"* ]] ;;
		*) echo "$name: $apart" >&2; false ;;
		esac
	done < <(rows)
}

# What makes the differences: from the keys alone, with the records' own shapes for the smear and the shared table.
@test "the differences are those of the tensors that the table names" {
	local with without
	# A gate of 512 channels for one of 12 and a scale.
	[ $((512 - (12 + 1))) -eq 499 ]
	[ $((1024 * 128 + 256 * 128 + 3)) -eq 163843 ]
	[ $((4096 * 128 + 256 * 128 + 3)) -eq 557059 ]
	made gptq-lite
	made gptq-lite dry -s model.smear=false
	with=$("$HG_T/tools/params" runs/gptq-lite/spec.json | cut -d' ' -f1)
	without=$("$HG_T/tools/params" runs/dry/spec.json | cut -d' ' -f1)
	[ $((with - without)) -eq 13 ]
}

@test "layers that come again do so in the order that the records' logs print, and as many are kept for skips" {
	local logs=$SHARED/fixtures/parameter-golf name visits kept
	need_shared
	for name in vocab8192:2026-04-05_SP8192_GPTQ-Embeddings_SDClip_Loop45x2 \
	    three-layer-loop:2026-04-09_SP8192_3LayerRecur_ParResid_QK525_LegalTTT; do
		grep -h -m1 -o 'encoder:.*' "$logs/${name#*:}"/train*.log | sort -u > order
		visits=$(grep -o '[0-9]*' order | wc -l)
		kept=$(sed 's/decoder.*//' order | grep -o '[0-9]*' | wc -l)
		made "${name%%:*}"
		jq -e --argjson visits "$visits" --argjson kept "$kept" '.model | .loop as $l |
		    .num_layers + ($l[1] - $l[0] + 1) * ($l[2] - 1) == $visits and ($visits / 2 | floor) == $kept' \
			"runs/${name%%:*}/spec.json"
	done
}

@test "the public counts are those of the records' logs, and the bytes before compression where the table says so" {
	local logs=$SHARED/fixtures/parameter-golf name public folder n=0
	need_shared
	while read -r name folder; do
		public=$(rows | awk -F '\t' -v name="$name" '$1 == name { print $4 }')
		[ "$(grep -h -m1 -o 'model_params:.*' "$logs/$folder"/train*.log | sort -u)" = "model_params:$public" ]
		n=$((n + 1))
	done <<-'END'
		baseline 2026-03-17_NaiveBaseline
		seq2048 2026-03-18_LongContextSeq2048
		ten-layers 2026-03-19_SlidingWindow_FP16Emb_10L_MuonWD_OvertoneInit
		tail-average 2026-03-20_Int6_MLP3x_SmearGate_BigramHash_MuonWD_SWA
		gptq-lite 2026-03-22_11L_EMA_GPTQ-lite_warmdown3500_QAT015_1.1233
		leaky 2026-03-23_LeakyReLU_LegalTTT_ParallelMuon
		leaky-test-time 2026-03-23_LeakyReLU_LegalTTT_ParallelMuon
		gptq 2026-03-25_ValCalib_GPTQ_XSA_BigramHash3072
		row-norm-loop 2026-04-03_MuonEqR_DepthRecurrence_WD090_AllInt6
		vocab8192 2026-04-05_SP8192_GPTQ-Embeddings_SDClip_Loop45x2
		three-layer-loop 2026-04-09_SP8192_3LayerRecur_ParResid_QK525_LegalTTT
		three-layer-loop-test-time 2026-04-09_SP8192_3LayerRecur_ParResid_QK525_LegalTTT
		document-test-time 2026-04-14_MultiPhaseGlobalSGD_PhasedTTT
	END
	# No row claims a count that no log was compared with.
	[ "$(rows | awk -F '\t' '$4 != "?"' | wc -l)" -eq "$n" ]
	for name in baseline:NaiveBaseline seq2048:LongContextSeq2048 ten-layers:SlidingWindow_FP16Emb; do
		made "${name%%:*}"
		[ "$(grep -h -o 'payload:[0-9]*' "$logs"/*"${name#*:}"*/train*.log | sort -u)" = \
			"payload:$("$HG_T/tools/params" "runs/${name%%:*}/spec.json" | cut -d' ' -f2)" ]
	done
}
