# A campaign of tiny real runs in c/, for suites that set DATA.

# campaign LANE...: one in c/ whose base is three steps long.
campaign() {
	mkdir -p c/in c/admit
	cat > c/base.json <<-END
		{"data": {"dir": "$DATA"},
		 "model": {"vocab_size": 260, "num_layers": 2, "model_dim": 16, "num_heads": 2, "num_kv_heads": 1},
		 "train": {"seq_len": 64, "batch_tokens": 128, "micro_batch_tokens": 128, "iterations": 3, "warmup_steps": 1,
			"warmdown_frac": 0.4},
		 "prompt": {"text": "Document", "tokens": 8}, "budget": {"max_wallclock_ms": "none"},
		 "system": {"backend": "ref", "threads": 1}}
	END
	printf '%s\n' "$@" | jq -R '{name: .}' | jq -s \
		'{schema: "homegolf.campaign.v1", base: "base.json", calibrate: false, lanes: ., routes: []}' > c/campaign.json
}

# ask NAME LANE [JQ]: a request with a seed of its own, moved into place.
asked=0
ask() {
	asked=$((asked + 1))
	jq -n --arg lane "$2" --argjson seed "$asked" '{train: {seed: $seed}, system: {lane: $lane},
		about: {hypothesis: "another seed", expected_gain: 5}} | '"${3:-.}" > "c/in/.$1"
	mv "c/in/.$1" "c/in/$1.json"
}
