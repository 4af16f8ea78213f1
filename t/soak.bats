# A campaign goes on under faults, and the verdict on it can be each of the three.
load helper

setup() {
	cd "$BATS_TEST_TMPDIR"
}

# bats test_tags=b57
@test "a minute of a campaign under faults ends with every request in a row or an escalation, and nothing left running" {
	[ -z "$HG_SAN" ] || skip "memory is another under sanitizers"
	run "$PYTHON" "$HG_TOP/t/soak/soak.py" -t 45 -s 7 d
	echo "$output"
	[ "$status" -ne 1 ]
	[[ $output != *"not ok"* ]]
	[[ $output == *"survivors: 0"* ]]
	[[ $output == *"names that jammed: 0"* ]]
	[[ $output == *"unanswered: 0"* ]]
}

# log [NAME=VALUE]...: of a soak that passes, but for that.
log() {
	"$PYTHON" - "$@" <<-'END' > log
		import json, sys
		o = dict(a.split("=") for a in sys.argv[1:])
		say = lambda ev, t, **w: print(json.dumps(dict(w, ev=ev, t=t)))
		say("begin", 0, window=30)
		for t in range(int(o.get("samples", 200))):
		    kb = 4000 + (100 * t if "grows" in o else 0)
		    say("sample", t, kinds={"hg-campaign": [1, kb, 5 + (t // 20 if "descriptors" in o else 0)]})
		    if t % 10 == 0 and ("stuck" not in o or t < 50):
		        say("fault", t, what="kill-owner", run="alpha", turn=t)
		        say("reap", t, run="beta" if "wrong" in o else "alpha", turn=t, stage="train", did="owner_died")
		        say("end", t, name="alpha", turn=t, state="escalated" if "jammed" in o else "done",
		            reason="corrupt" if "jammed" in o else "noise")
		left = {k: ["7 hg-train"] if k in o else [] for k in ("survivors", "temporaries", "unanswered", "rows")}
		say("final", 201, verify=int("verify" in o), replay=0, drain=0, **left)
	END
	run "$PYTHON" "$HG_TOP/t/soak/soak.py" -j log
}

# bats test_tags=b60
@test "a soak fails for each thing that may go wrong in it, and too few samples are inconclusive" {
	log
	[ "$status" -eq 0 ]
	local bad
	for bad in survivors temporaries unanswered rows verify wrong grows descriptors stuck jammed; do
		log $bad=1
		echo "$bad: $output"
		[ "$status" -eq 1 ]
		[ "$(grep -c '^not ok' <<< "$output")" -eq 1 ]
	done
	log samples=15
	[ "$status" -eq 2 ]
	[[ $output == *"# verdict: inconclusive"* ]]
}
