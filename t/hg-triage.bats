# What each request of a campaign waits for: by its bytes, its run, the ledger and the owner's words, and by nothing else.
load helper
load fakerun

# A base, two lanes and a ledger-less campaign; the runs are made without a model.
setup() {
	fakerun_setup
	mkdir -p c/in c/admit
	cat > base.json <<-END
		{"data": {"dir": "$PWD/data"}, "model": {"num_layers": 2}}
	END
	campaign
}

teardown() {
	! mountpoint -q "$BATS_TEST_TMPDIR/small" || umount -l "$BATS_TEST_TMPDIR/small"
}

# campaign [JQ]: campaign.json, with what JQ makes of it.
campaign() {
	jq -n '{schema: "homegolf.campaign.v1", base: "../base.json", lanes: [{name: "left"}, {name: "right",
	    set: {"system.threads": 1}}], calibrate: false, routes: [{when: {"model.num_layers": 2}, lane: "left"},
	    {when: {"train.seed": 8}, lane: "right"}, {when: {"model.num_layers": 3}, lane: "right"}]}' |
		jq "${1:-.}" > c/campaign.json
}

# request NAME [JQ]: a good one, with what JQ makes of it.
request() {
	jq -n '{about: {hypothesis: "half the rate", expected_gain: 0.01}}' | jq "${2:-.}" > "c/in/$1.json"
}

# told NAME: its state, lane and reason.
told() {
	hg-triage c 2> why | awk -F '\t' -v n="$1" '$1 == n { print $2, $3, $4 }'
}

# is NAME WORDS...
is() {
	local name=$1
	shift
	[ "$(told "$name")" = "$*" ] || { echo "$name: $(told "$name"), not $*" >&2; hg-triage c >&2; false; }
}

# minted NAME: its run, begun so long ago that nobody is about to go on with it.
minted() {
	hg-triage -m "$1" c > path
	[ "$(cat path)" = "c/runs/$1" ]
	older "$1"
}

older() {
	find "c/runs/$1" -maxdepth 1 -type f -exec touch -d '1 minute ago' {} +
}

answer() {
	jq -n --arg d "$(sha256sum < "c/in/$1.json" | cut -d ' ' -f 1)" --argjson r "$2" \
	    '{schema: "homegolf.admission.v1", request_sha256: $d, reasons: $r, why: "so it shall be"} + ('"${3:-{\}}"')' \
	    > "c/admit/$1.json"
	"$HG_T/tools/contract" admission "c/admit/$1.json"
}

# judged_on_left: runs that were never trained may be put into the campaign's ledger, on lane left.
judged_on_left() {
	load judged
	export JUDGED_DATA=$PWD
	L=c/ledger SET="system.lane=left budget.max_wallclock_ms=none"
	mkdir c/old
	ln -s c/old runs
}

@test "the table that hg-triage prints is the one of its page, with every cell filled" {
	hg-triage -T > table
	sed -n '/^\.Bd -literal/,/^\.Ed/p' "$HG_TOP/man/hg-triage.1" | sed '1d;$d' | head -n 13 > page
	diff <(sed 's/ *$//' table) page
	[ "$(awk 'NR > 1 && NF >= 4' table | wc -l)" -eq 12 ]
	# and each state and reason of it is told of by the pages
	for word in $(sed 1d table | tr -s ' :' '\n\n' | grep -E '^[a-z_]+$' | sort -u); do
		grep -qw -- "$word" "$HG_TOP/man/hg-triage.1" "$HG_TOP/man/hg-campaign.5" || { echo "$word" >&2; false; }
	done
}

# bats test_tags=b61
@test "what is thin, unrouted, ambiguous, out of scope, reserved, a duplicate or no spec is escalated by name, and never routed to a default" {
	request good
	request thin '.about.hypothesis = ""'
	request vague 'del(.about.expected_gain)'
	request lost '.model.num_layers = 4'
	request nowhere '.system.lane = "none"'
	request both '.train.seed = 8'
	request wide '.eval.docs = 3'
	request twin '.about.hypothesis = "the same again"'
	request odd '.train.matrix_lrr = 1'
	request bad '.train.matrix_lr = -1'
	echo '{"train": ' > c/in/half.json
	echo '[]' > c/in/list.json
	mkdir c/in/folder.json
	mkfifo c/in/pipe.json
	printf '{}' > "c/in/a b.json"
	is good ready left new
	is thin escalated left thin,duplicate
	is vague escalated left thin,duplicate
	is lost escalated - unrouted
	is nowhere escalated - unrouted,duplicate
	is both escalated - ambiguous
	is wide escalated left reserved
	is twin escalated left duplicate
	is odd escalated - spec_refused
	is bad escalated - spec_refused
	is half escalated - not_json
	is list escalated - not_json
	is folder escalated - not_json
	is pipe escalated - not_json
	is "a b" escalated - spec_refused
	hg-triage -s escalated c > said 2> why || [ $? -eq 99 ]
	grep -qE "^odd	.*unknown key 'train.matrix_lrr'; the nearest is 'train.matrix_lr'$" said
	grep -qE "^both	.*routes lead to 'left' and to 'right'" said
	grep -qE "^wide	.*it changes eval.docs, which the owner keeps$" said
	[ "$(wc -l < said)" -eq 14 ]
	# None of them is made, whatever is asked for.
	for name in thin lost both wide twin half nowhere; do
		run -1 hg-triage -m "$name" c
		[ ! -e "c/runs/$name" ]
	done
	run -100 hg-triage -m nobody c
	campaign '.scope = ["model.*"]'
	request scoped '.train.matrix_lr = 0.02'
	is scoped escalated left out_of_scope
	request inside '.model.num_layers = 3'
	is inside ready right new
}

@test "a lane gives a run its settings, unless its request sets them, and the run keeps its request's digest" {
	request a '.model.num_layers = 3'
	request b '.model.num_layers = 3 | .train.seed = 9 | .system.threads = 2'
	hg-triage -m a c
	[ "$(jq -c '[.system.lane, .system.threads]' c/runs/a/spec.json)" = '["right",1]' ]
	[ "$(jq -r .about.request_sha256 c/runs/a/spec.json)" = "$(sha256sum < c/in/a.json | cut -d ' ' -f 1)" ]
	# What is made of that run is not what was asked for.
	hg-spec -b c/runs/a/spec.json derived > made
	[ "$(jq -r .about.request_sha256 derived/spec.json)" = null ]
	rm -r c/runs/a
	mv c/in/a.json .
	hg-triage -m b c
	[ "$(jq -c '[.system.lane, .system.threads]' c/runs/b/spec.json)" = '["right",2]' ]
}

# bats test_tags=b61
@test "a lane that a request names by a number is the one that its run has, or none of the campaign's" {
	request odd '.system.lane = 3'
	is odd escalated - unrouted
	[[ "$(hg-triage c 2> why)" == *"system.lane '3' is no lane of the campaign" ]]
	campaign '.lanes += [{name: "3", set: {"system.threads": 1}}]'
	is odd ready 3 new
	minted odd
	is odd ready 3 begin
	[ "$(jq -c '[.system.lane, .system.threads]' c/runs/odd/spec.json)" = '["3",1]' ]
}

# bats test_tags=b61
@test "the owner's answer clears its reasons for these very bytes, and what only another request mends is never cleared" {
	request wide '.eval.docs = 3'
	is wide escalated left reserved
	answer wide '["thin"]'
	is wide escalated left reserved
	answer wide '["reserved"]'
	is wide ready left new
	request wide '.eval.docs = 4'
	is wide escalated left reserved
	jq '.reasons = ["unrouted"]' c/admit/wide.json > new
	mv new c/admit/wide.json
	is wide escalated left reserved
}

@test "an answer that is none is told: no JSON, a reason that can't be cleared, other bytes, no request, no name" {
	request wide '.eval.docs = 3'
	answer wide '["reserved"]'
	is wide ready left new
	[ ! -s why ] || ! grep -q admit why
	jq '.request_sha256 = "'"$(printf '%064d' 7)"'"' c/admit/wide.json > new
	cp new c/admit/wide.json
	is wide escalated left reserved
	other="'admit/wide.json' answers other bytes than 'in/wide.json' has now: $(sha256sum < c/in/wide.json | cut -c 1-12), and not 000000000000"
	grep -qxF "hg-triage: $other" why
	hg-triage c 2> /dev/null | grep -q "it changes eval.docs, which the owner keeps; $other$"
	jq '.reasons = ["unrouted"]' new > c/admit/wide.json
	is wide escalated left reserved
	grep -q "^hg-triage: 'admit/wide.json': reasons\[0\]: \"unrouted\" is none of " why
	echo '{' > c/admit/wide.json
	is wide escalated left reserved
	grep -q "^hg-triage: 'admit/wide.json' is not JSON: " why
	rm c/admit/wide.json
	mkdir c/admit/wide.json
	is wide escalated left reserved
	grep -q "^hg-triage: cannot read 'admit/wide.json': it is a directory" why || { cat why >&2; false; }
	rmdir c/admit/wide.json
	cp new c/admit/nobody.json
	cp new c/admit/wide
	is wide escalated left reserved
	grep -qxF "hg-triage: 'admit/nobody.json' answers no request: there is no 'in/nobody.json'" why
	grep -qxF "hg-triage: 'admit/wide' is no answer: NAME.json is" why
	hg-triage -j c 2> /dev/null > triage.json || [ $? -eq 2 ]
	"$HG_T/tools/contract" triage triage.json
	jq -e '.answers | length == 2 and (.[0] | startswith("\u0027admit/nobody.json\u0027 answers no request"))' triage.json
	# The campaign tells them, too.
	run -2 --separate-stderr hg-campaign c
	[ "$(cut -d : -f 2- <<< "$stderr" | sort)" = "$(jq -r '" " + .answers[]' triage.json | sort)" ]
}

@test "a request that can't be read is told as that, its run made or not, and is not taken for an edited one" {
	[ "$(id -u)" -eq 0 ] || skip "only root becomes somebody else"
	request a
	request b '.train.seed = 9 | .model.num_layers = 3'
	minted a
	chmod -R a+rwX .
	chmod a+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR"
	chmod 600 c/in/a.json c/in/b.json
	run -2 --separate-stderr setpriv --reuid=65534 --clear-groups hg-triage c
	[ "${lines[0]}" = "a	escalated	left	unreadable	'in/a.json' can't be read: Permission denied" ]
	[ "${lines[1]}" = "b	escalated	-	unreadable	'in/b.json' can't be read: Permission denied" ]
	# What is no file is no request, whatever its run was made of.
	mv c/in/a.json kept
	mkdir c/in/a.json
	is a escalated left not_json
	rmdir c/in/a.json
	mv kept c/in/a.json
	is a ready left begin
}

# bats test_tags=b81
@test "a request that is edited after it has its run is judged again, and its run is never gone on with as what it was" {
	request a
	minted a
	is a ready left begin
	cp c/in/a.json was
	request a '.train.matrix_lr = 0.02'
	is a escalated left edited
	run -1 hg-triage -m a c
	cp was c/in/a.json
	is a ready left begin
	# what runs is let run, and then told
	fakestage train c/runs/a hang 3>&- &
	pid=$!
	until_true 10 running train c/runs/a
	is a running left -
	request a '.train.matrix_lr = 0.02'
	is a running left edited
	kill "$pid"
	wait "$pid" || :
	is a escalated left edited
}

@test "a lane has one run until its score is in: what has begun goes first, then what is tried again, then what is new, by name" {
	request a
	request b '.train.seed = 9'
	request c '.train.seed = 10 | .model.num_layers = 3'
	is a ready left new
	is b waiting left lane:a
	is c ready right new
	minted b 2> said && false
	minted a
	is a ready left begin
	is b waiting left lane:a
	fakestage train c/runs/a hang 3>&- &
	pid=$!
	until_true 10 running train c/runs/a
	is a running left -
	is b waiting left lane:a
	[ "$(hg-triage -L c)" = right ]
	kill -KILL "$pid" "$(worker_of train c/runs/a)"
	wait "$pid" || :
	until_true 10 eval '[ "$(told a)" = "dead left -" ]'
	is b waiting left lane:a
	run hg-reap c
	[[ "$output" == *'"run": "c/runs/a"'* ]]
	is a ready left retry:train.1
	is b waiting left lane:a
	# a run that no request asked for has its lane, too
	hg-spec -b base.json -s train.seed=99 -s system.lane=right c/runs/slot 2> said
	is c waiting right lane:slot
	hg-triage -j c 2> why | jq -e '.others == 1'
}

# bats test_tags=b58
@test "work whose worker died is ready again up to a bound, and escalated then, or when it was refused for the same kind twice" {
	campaign '.attempts = 3'
	request a
	minted a
	fakestage train c/runs/a refuse=out_of_memory || :
	older a
	is a ready left retry:train.1
	hg-retry train c/runs/a
	fakestage train c/runs/a refuse=out_of_memory || :
	is a escalated left same_kind
	answer a '["same_kind"]'
	is a ready left retry:train.2
	hg-retry train c/runs/a
	fakestage train c/runs/a refuse=disk_full || :
	is a escalated left attempts
	answer a '["attempts"]' '{attempts: 4}'
	is a ready left retry:train.3
	# What no retry helps is judged, and done.
	hg-retry train c/runs/a
	fakestage train c/runs/a refuse=loss_diverged || :
	is a unjudged left refused
	hg-ledger add c/ledger c/runs/a > said 2>&1
	is a done left blocked:refused
	[ "$(hg-triage -w c)" = drained ]
	run -0 hg-triage c
}

@test "nothing is ready while halt is there, whatever lies under that name" {
	request a
	for what in "touch" "mkdir" "mkfifo" "ln -s nowhere"; do
		$what c/halt
		is a waiting left halt
		[ "$(hg-triage -w c)" = halted ]
		run -1 --separate-stderr hg-triage c
		[[ "$stderr" == *"halted: 'halt' is there" ]]
		run -1 hg-triage -m a c
		rm -rf c/halt
	done
	is a ready left new
}

# bats test_tags=b82
@test "a campaign without progress over its window is wedged, whatever processes exist, and one whose work has just come is not" {
	campaign '.window_ms = 20000'
	request a
	[ "$(hg-triage -w c)" = ready ]
	touch -d '1 hour ago' c/in/a.json
	[ "$(hg-triage -w c)" = wedged ]
	run -1 --separate-stderr hg-triage c
	[[ "$stderr" =~ wedged:\ there\ is\ work,\ and\ nothing\ got\ on\ for\ 3[0-9]{3}\ s ]]
	minted a
	fakestage train c/runs/a progress=3 hang 3>&- &
	pid=$!
	until_true 10 test -e c/runs/a/train_status.json
	[ "$(hg-triage -w c)" = running ]
	# It lives, and says so; it does not get on.
	jq -c '.progressed_at = "2020-01-01T00:00:00.000Z" | .updated_at = (now | strftime("%Y-%m-%dT%H:%M:%S.000Z"))' \
	    c/runs/a/train_status.json > new
	cp new c/runs/a/train_status.json
	touch -d '1 hour ago' c/runs/a/train.lock c/runs/a/spec.json
	[ "$(hg-triage -w c)" = wedged ]
	[ "$(hg-triage -j c 2> why | jq -c '[.word, .counts.running]')" = '["wedged",1]' ]
	kill "$pid"
	wait "$pid" || :
}

# bats test_tags=b54,b57
@test "what is dead while a clock is wrong waits with that reason, nobody waits for it without end, and what to type clears it" {
	campaign '.window_ms = 20000'
	request a
	request b '.train.seed = 9'
	request c '.train.seed = 10 | .model.num_layers = 3'
	minted a
	fakestage train c/runs/a hang 3>&- &
	pid=$!
	until_true 10 running train c/runs/a
	minted c
	touch -d '2 days' c/runs/c/spec.json
	is a running left -
	kill -KILL "$pid" "$(worker_of train c/runs/a)"
	wait "$pid" || :
	until_true 10 eval '[ "$(told a)" = "waiting left wrong_clock" ]'
	is b waiting left lane:a
	# What is not dead goes on.
	is c ready right begin
	rm c/in/c.json
	# Of no request, it is no less dead.
	mv c/in/a.json kept
	[ "$(hg-triage -w c)" = waiting ]
	mv kept c/in/a.json
	run -1 --separate-stderr hg-campaign c
	[[ "$stderr" == *"'runs/c/spec.json' is of a time that is still to come"* ]]
	eval "$(hg-triage c 2> why | awk -F '\t' '$1 == "a" { print $5 }')" || :
	is a ready left retry:train.1
	# Nor does its stamp say that somebody got on.
	find c/in c/runs/a -type f -exec touch -d '1 hour ago' {} +
	[ "$(hg-triage -w c)" = wedged ]
	[ "$(hg-triage -j c 2> why | jq '(.progressed_at | sub("[.].*"; "Z") | fromdate) < now')" = true ]
}

@test "while nothing runs the canary tells whether anything could, and why not" {
	campaign '.canary = "canary.json"'
	request canary
	mv c/in/canary.json c/canary.json
	request a 'del(.about)'
	run -2 --separate-stderr hg-triage c
	[ "$stderr" = "hg-triage: escalated: all that is left waits for its owner" ]
	campaign '.canary = "canary.json" | .routes = []'
	run -2 --separate-stderr hg-triage c
	[[ "$stderr" == *"the canary could not be dispatched: it names no system.lane, and no route"* ]]
	rm base.json
	run -2 --separate-stderr hg-triage c
	[[ "$stderr" == *"the canary could not be dispatched: "*"base.json"* ]]
	rm c/canary.json
	run -2 --separate-stderr hg-triage c
	[[ "$stderr" == *"the canary could not be dispatched: 'canary.json' can't be read"* ]]
}

@test "hg-triage -j keeps its contract in every state, and hg-triage changes nothing" {
	request a
	request b '.train.seed = 9'
	request thin 'del(.about)'
	minted a
	find c -printf '%p %T@ %s\n' | sort > before
	run -99 --separate-stderr hg-triage -j c
	echo "$output" > triage.json
	"$HG_T/tools/contract" triage triage.json
	jq -e '.counts.ready == 1 and .counts.waiting == 1 and .counts.escalated == 1 and (.requests | length) == 3' triage.json
	jq -e '.requests[0] | .name == "a" and .has_run and .next == "hg-run -l c/ledger c/runs/a"' triage.json
	hg-triage -F c > said || :
	hg-triage -L c > said
	run -99 hg-triage -s ready c
	[ "${#lines[@]}" -eq 2 ]
	find c -printf '%p %T@ %s\n' | sort | diff before -
	run -100 hg-triage -s nothing c
	run -100 hg-triage data
	[[ "$output" == *"'data' is no campaign: it has no campaign.json"* ]]
	run -100 hg-triage nowhere
}

@test "campaign.json that breaks its contract, or names what is none, is refused by name" {
	request a
	for wrong in '.lanes = []' '.default_lane = "left"' '.routes[0].lane = "middle"' '.lanes[1].name = "left"' \
	    '.routes[0].when = {"model.layers": 2}' '.lanes[0].set = {"train.seed": 1}' '.attempts = 0'; do
		campaign "$wrong"
		run -103 --separate-stderr hg-triage c
		[ -n "$stderr" ]
		run -103 hg-campaign -1 c
		[ ! -e c/runs ]
	done
	[ "$(hg-triage -g attempts c 2> /dev/null)" = "" ]
	campaign '.attempts = 7'
	[ "$(hg-triage -g attempts c)" = 7 ]
	[ "$(hg-triage -g confirm c)" = never ]
	run -100 hg-triage -g nothing c
}

@test "of many who ask at once for a request's run one makes it" {
	request a
	for i in 1 2 3 4 5 6 7 8; do
		hg-triage -m a c > "made.$i" 2> "said.$i" 3>&- &
	done
	wait
	[ "$(cat made.* | wc -l)" -eq 1 ]
	[ "$(cat said.* | grep -c "request 'a' is running")" -eq 7 ]
}

@test "what would not end in the time that is left waits, by the runs before it, or else by its deadlines" {
	request a '.budget.max_wallclock_ms = 60000'
	answer a '["reserved"]'
	run hg-triage -t 3600 c
	[[ "$output" == *"a	ready	left	new"* ]]
	run hg-triage -t 600 c
	[[ "$output" == *"a	waiting	left	time"* ]]
	run -100 hg-triage -t never c
}

# bats test_tags=b84
@test "promotion without a hand has its conditions printed, each yes, no or pending, and is none while one does not hold" {
	request a
	run -1 hg-triage -F c
	grep -qE '^no +asked_for ' <<< "$output"
	grep -qE '^pending +incumbent ' <<< "$output"
	campaign '.promote = "when_all_hold"'
	run -2 hg-triage -F c
	grep -qE '^yes +asked_for ' <<< "$output"
	touch c/halt
	run -1 hg-triage -F c
	grep -qE '^no +not_halted ' <<< "$output"
	! grep -q '^promote' <<< "$output"
}

# bats test_tags=b84
@test "a run that only tries the campaign out is promoted by nobody but a person, though all else holds" {
	load judged
	export JUDGED_DATA=$PWD
	L=c/ledger SET=
	mkdir c/runs
	ln -s c/runs runs
	campaign '.promote = "when_all_hold"'
	for synthetic in false true; do
		rm -rf c/ledger c/runs/*
		calibrated
		pretend
		scored runs/good 2.23 train.matrix_lr=0.0460 about.synthetic=$synthetic
		add runs/good
		hg-confirm "$L" runs/good > out 2> err
		run hg-triage -F c
		if [ $synthetic = false ]; then
			[ "$status" -eq 0 ] || { echo "$output" >&2; false; }
			[ "$(tail -n 1 <<< "$output" | cut -f 1)" = promote ]
			[ -e "$(tail -n 1 <<< "$output" | cut -f 2)/spec.json" ]
			[ "$(tail -n 1 <<< "$output" | cut -f 3)" = "$(tail -n 1 c/ledger/ledger.jsonl | sha256sum | cut -d ' ' -f 1)" ]
			# Once done it is done, whichever of its runs is the last.
			scorer 'exit 0'
			hg-ledger promote "$L" "$(tail -n 1 <<< "$output" | cut -f 2)" > promoted
			run -1 hg-triage -F c
			grep -qE '^no +not_yet +row [0-9]+ promoted its configuration' <<< "$output"
			scored runs/more 2.231 seed=77 train.matrix_lr=0.0460
			add runs/more
			run -1 hg-triage -F c
			grep -qE '^no +not_yet +row [0-9]+ promoted its configuration' <<< "$output"
		else
			[ "$status" -eq 1 ]
			grep -qE '^no +not_synthetic ' <<< "$output"
			[ "$(grep -c '^no ' <<< "$output")" -eq 1 ]
			! grep -q '^promote' <<< "$output" || false
		fi
	done
}

# bats test_tags=b61
@test "a gain that a confirmation on the calibrated lane would rather not find is escalated as undetectable, and a larger one is not" {
	judged_on_left
	jq '.budget.max_wallclock_ms = "none"' base.json > new
	mv new base.json
	request small '.about.expected_gain = 0.002'
	request large '.about.expected_gain = 0.05 | .train.seed = 9'
	# nothing is known of the lane's noise yet
	is small waiting left lane:large
	calibrated
	sd=$(jq -s '[.[] | select(.kind == "calibration")][0].calibration.sd' c/ledger/ledger.jsonl)
	jq -en --argjson sd "$sd" '$sd > 0.004 and $sd < 0.02'
	is small escalated left undetectable
	is large ready left new
	hg-triage -s escalated c > said 2> why || :
	grep -qE "^small	.*a gain of 0.002 is 0\.[0-9] deviations of its lane: a confirmation finds that with a chance of [0-9]+ %$" said
	answer small '["undetectable"]'
	is small waiting left lane:large
}

@test "the ledger's stop rule holds back what is new, and nothing that has begun" {
	judged_on_left
	request a
	request b '.train.seed = 9 | .model.num_layers = 3'
	minted b
	calibrated
	for i in 1 2 3 4 5; do
		scored runs/x$i 2.4 train.matrix_lr=0.05$i system.lane=left budget.max_wallclock_ms=none refuse=train:loss_diverged
		add runs/x$i || :
	done
	run hg-ledger stop c/ledger
	[[ "$output" == pause:* ]] || { echo "$output" >&2; false; }
	is a waiting left pause
	is b ready right begin
	rm -r c/runs/b c/in/b.json
	[ "$(hg-triage -w c)" = waiting ]
	run -1 --separate-stderr hg-triage c
	head=$(tail -n 1 c/ledger/ledger.jsonl | sha256sum | cut -d ' ' -f 1)
	[[ "$stderr" == *"waiting: the ledger says pause: hg-ledger stop tells why; to go on all the same, until its next row: echo $head > c/go_on" ]]
	run -1 hg-triage -m a c
}

@test "the owner's answer to the stop rule holds for the very row that it was judged at, and the words say what to type" {
	judged_on_left
	request a
	request c '.train.seed = 10'
	calibrated
	fails() {
		scored runs/x$1 2.4 train.matrix_lr=0.05$1 system.lane=left budget.max_wallclock_ms=none refuse=train:loss_diverged
		add runs/x$1 || :
	}
	for i in 1 2 3 4 5; do fails $i; done
	is a waiting left pause
	say=$(hg-triage c 2> /dev/null | awk -F '\t' '$1 == "a" { print $5 }')
	[[ "$say" =~ ^echo\ [0-9a-f]{64}\ \>\ c/go_on$ ]]
	# No answer to this: another row's, half of it, more than it, something that is no file.
	for wrong in "$(printf '%064d' 0)" "${say:5:60}" "${say:5:64}0" ''; do
		echo "$wrong" > c/go_on
		is a waiting left pause
		grep -q "'go_on' is about another row than its last; to go on all the same, until its next row: echo " why
	done
	rm c/go_on
	mkdir c/go_on
	is a waiting left pause
	rmdir c/go_on
	sh -c "$say"
	is a ready left new
	is c waiting left lane:a
	[ "$(hg-triage -w c)" = ready ]
	echo "${say:5:64} the disk was full" > c/go_on
	is a ready left new
	# One more failure is another state.
	fails 6
	is a waiting left pause
	grep -q "'go_on' is about another row" why
	# A sound run ends the pause by itself.
	scored runs/sound 2.31 seed=41 $SET
	add runs/sound || :
	is a ready left new
}

@test "what can't be begun for a full disk or without permission waits with that reason, and the campaign is not ready" {
	local name
	[ "$(id -u)" -eq 0 ] || skip "only root mounts, and becomes somebody else"
	mkdir small
	mount -t tmpfs -o size=512k none small || skip "no tmpfs here"
	cp -r c base.json data small/
	jq '.canary = "canary.json"' c/campaign.json > small/c/campaign.json
	cd small
	request a
	cp c/in/a.json c/canary.json
	mkdir c/runs c/ledger
	: > c/campaign.log
	: > c/.lock
	is a ready left new
	dd if=/dev/zero of=fill bs=4k > filled 2>&1 || :
	is a waiting left disk_full
	hg-triage c 2> /dev/null | grep -q "^a	waiting	left	disk_full	the file system of 'c/runs' has no space left: make room there$"
	[ "$(hg-triage -w c)" = waiting ]
	run -1 --separate-stderr hg-triage c
	[[ "$stderr" == *"waiting: the file system of 'c/runs' has no space left: make room there" ]]
	run -1 hg-triage -m a c
	[[ "$output" == *"request 'a' is waiting: disk_full: the file system of 'c/runs' has no space left"* ]]
	[ "$(hg-triage -L c)" = "" ]
	run -1 timeout 60 hg-campaign c
	[ ! -e c/runs/a ]
	rm fill filled
	is a ready left new
	# By permission, of whoever asks.
	chmod -R a+rwX .
	chmod a+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR"
	other() { setpriv --reuid=65534 --clear-groups "$@"; }
	for name in c/runs c/ledger c/campaign.log c/.lock; do
		chmod a-w $name
		other hg-triage c > said 2> why || [ $? -eq 1 ] || { cat said why >&2; false; }
		grep -q "^a	waiting	left	not_writable	'$name' can't be written: Permission denied$" said || { cat said why >&2; false; }
		grep -q "waiting: '$name' can't be written: Permission denied$" why
		chmod a+w $name
	done
	# A run of its own alone.
	minted a
	chmod a-w c/runs/a
	other hg-triage c > said 2> why || [ $? -eq 1 ] || { cat said why >&2; false; }
	grep -q "^a	waiting	left	not_writable	'c/runs/a' can't be written: Permission denied$" said
	rm -r c/runs/a
	mount -o remount,ro .
	[ "$(hg-triage c 2> /dev/null | cut -f 2,4)" = "$(printf 'waiting\tnot_writable')" ]
	run -1 timeout 60 hg-campaign c
	[[ "$output" == *"Read-only file system"* ]]
}

# bats test_tags=b57
@test "what stands in the place of the log, the lock or the ledger waits with that reason, and hg-campaign waits for no pipe" {
	local what name
	request a
	for name in campaign.log .lock ledger; do
		for what in mkfifo mkdir; do
			[ "$name:$what" != ledger:mkdir ] || continue
			$what "c/$name"
			is a waiting left not_writable
			run -1 timeout 60 hg-campaign c
			[[ "$output" == *"waiting: 'c/$name' can't be written: it is no "*": move it away" ]]
			[ -s c/page.html ]
			rm -r c/page.html "c/$name"
		done
	done
	ln -s -f /dev/null c/campaign.log
	is a ready left new
	ln -s nowhere c/halt
	run -0 hg-campaign -k c
	[ "$output" = "" ]
}

# bats test_tags=b57
@test "a run that was tried again since it got its row is judged again, and is neither done nor in the ledger before" {
	request a
	minted a
	fakestage train c/runs/a refuse=out_of_memory || :
	hg-ledger add c/ledger c/runs/a > said 2>&1
	[ -z "$(hg-ledger missing c/ledger c/runs)" ]
	is a ready left retry:train.1
	hg-retry train c/runs/a
	fakestage train c/runs/a refuse=loss_diverged || :
	is a unjudged left refused
	run -1 hg-ledger missing c/ledger c/runs
	[ "$output" = "c/runs/a	refused" ]
	hg-ledger add c/ledger c/runs/a > said 2>&1
	is a done left blocked:refused
	run -0 hg-ledger missing c/ledger c/runs
	[ "$(jq -c 'select(.kind == "run").run.attempt' c/ledger/ledger.jsonl | tr '\n' ' ')" = "1 2 " ]
}

# bats test_tags=b57
@test "a request that waits for a calibration that can't be made says which run keeps it from that, and what to do" {
	judged_on_left
	mkdir c/runs
	scored runs/first 2.4 seed=1 $SET
	add runs/first
	campaign '.calibrate = true | .attempts = 2'
	request a '.train.seed = 5'
	is a waiting left calibration
	[ "$(hg-triage -j c 2> why | jq '.requests[0].next')" = null ]
	hg-spec -b runs/first -s train.seed=7 c/runs/first.cal.1 2> said
	fakestage train c/runs/first.cal.1 refuse=out_of_memory || :
	is a waiting left calibration
	[ "$(hg-triage -j c 2> why | jq '.requests[0].next')" = null ]
	hg-retry train c/runs/first.cal.1
	fakestage train c/runs/first.cal.1 refuse=out_of_memory || :
	is a waiting left calibration
	[ "$(hg-triage -j c 2> why | jq -r '.requests[0].next')" = "hg-run -r -l c/ledger c/runs/first.cal.1" ]
	is a waiting left calibration
	grep -q "waiting: run 'first.cal.1', which is to tell that lane's noise, was refused (out_of_memory)" why
	hg-report -o page.html c 2> said
	grep -q 'first.cal.1&#39;, which is to tell that lane&#39;s noise, was refused (out_of_memory)' page.html
	# Once it is gone on with it is nobody's to wait for.
	hg-retry train c/runs/first.cal.1
	[ "$(hg-triage -j c 2> why | jq '.requests[0].why')" = null ]
	# Without the run that seeds are made of there are none.
	older first.cal.1
	mv c/old/first kept
	is a waiting left calibration
	grep -q "waiting: the incumbent's run 'c/old/first', which .*, is not there: put it back" why
	mv kept c/old/first
	[ "$(hg-triage -j c 2> why | jq '.requests[0].why')" = null ]
}

# wanted: the lanes on which the incumbent is wanted, with what its run there sets.
wanted() {
	hg-triage -c c 2> /dev/null | cut -f 1,3 | tr '\t' ' '
}

@test "what is promising where the incumbent never ran has it run there first, and the campaign has not come to its end" {
	local i bpb right="system.lane=right budget.max_wallclock_ms=none"
	judged_on_left
	calibrated
	i=20
	for bpb in 2.300 2.310 2.295 2.305 2.301; do
		i=$((i + 1))
		scored runs/there$i $bpb seed=$i $right
		add runs/there$i
	done
	hg-ledger calibrate c/ledger runs/there21 > calibration
	campaign '.confirm = "promising"'
	[ -z "$(wanted)" ]
	# Another incumbent, found on the first lane.
	pretend
	scored runs/good 2.23 train.matrix_lr=0.0460 $SET
	add runs/good
	hg-confirm c/ledger runs/good > out 2> err
	[ "$(hg-ledger show c/ledger | jq -r .verdict.reason)" = confirmed ]
	[ -z "$(wanted)" ]
	[ "$(hg-triage -w c)" = empty ]
	for i in 31 32; do
		scored runs/better$i 2.0 seed=$i train.matrix_lr=0.07 $right
		add runs/better$i
	done
	[ "$(hg-ledger show c/ledger | jq -r .verdict.reason)" = promising ]
	[ "$(wanted)" = "right system.lane=right system.threads=1" ]
	[ "$(hg-triage -w c)" = ready ]
	# What only the other lane sets is there as it is without a lane.
	jq '.system.threads = 3' base.json > new
	mv new base.json
	campaign '.confirm = "promising" | .lanes[0].set = {"system.cpus": "0", "system.threads": 2}'
	[ "$(wanted)" = "right system.lane=right system.cpus=null system.threads=1" ]
	campaign '.confirm = "promising" | .lanes[0].set = {"system.threads": 2} | .lanes[1].set = {"system.isa": "auto"}'
	[ "$(wanted)" = "right system.lane=right system.threads=3 system.isa=auto" ]
}

# bats test_tags=b57
@test "a run that somebody was killed at making is none, and jams no name: its request makes it" {
	local left
	request a
	for left in "mkdir -p c/runs/a" "mkdir -p c/runs/a/program" "mkdir -p c/runs/a/program && : > c/runs/a/program/stub.sh" \
	    "mkdir -p c/runs/a && : > c/runs/a/.tmp.spec.json.1.0"; do
		eval "$left"
		is a ready left new
		[ "$(hg-triage -m a c)" = c/runs/a ]
		is a running left -
		rm -r c/runs/a
	done
	mkdir -p c/runs/a
	: > c/runs/a/metrics.jsonl
	is a escalated - corrupt
	run -1 hg-triage -m a c
}

# bats test_tags=b57
@test "a lane is free of a run that was made and that nobody goes on with, its request edited, gone or of the future" {
	request a
	request b '.train.seed = 9'
	minted a
	is b waiting left lane:a
	cp c/in/a.json kept
	echo ' ' >> c/in/a.json
	is a escalated left edited
	is b ready left new
	rm c/in/a.json
	is b ready left new
	[ "$(hg-triage -w c)" = ready ]
	cp kept c/in/a.json
	touch -d '1 hour' c/runs/a/spec.json
	is a ready left begin
}

# bats test_tags=b57
@test "what stands in the place of a run is corrupt, and takes no lane" {
	local put
	request a
	request b '.train.seed = 9'
	mkdir c/runs
	for put in "touch" "ln -s nowhere" "mkfifo"; do
		$put c/runs/a
		is a escalated - corrupt
		is b ready left new
		run -1 hg-triage -m a c
		rm c/runs/a
	done
	is a ready left new
}

@test "a base that is a pipe is nobody's to wait for" {
	request a
	rm base.json
	mkfifo base.json
	[ "$(timeout 10 hg-triage -w c)" = escalated ]
	is a escalated - spec_refused
	hg-triage -s escalated c 2> /dev/null | grep -q "is neither a file nor a run"
}

# bats test_tags=b61
@test "a key with an equals sign in it is no key, and sets no reserved one" {
	request a '.data["dir='"$PWD"'/data"] = "y"'
	is a escalated - spec_refused
}

@test "a disk that is full while a request's run is made leaves the name to be taken once there is room" {
	[ "$(id -u)" -eq 0 ] || skip "only root mounts"
	mkdir small
	mount -t tmpfs -o size=256k none small || skip "no tmpfs here"
	cp -r c base.json small/
	cp -r data small/
	cd small
	printf '#!/bin/sh\n# %030000d\n' 0 > stub.sh
	chmod +x stub.sh
	jq -n --arg stub "$PWD/stub.sh" '{system: {backend: "external"}, trainer: {command: [$stub], files: [$stub], gives: "claim",
	    reads: {val_bpb: "val_bpb ([0-9.]+)"}}, about: {hypothesis: "h", expected_gain: 1}}' > c/in/prog.json
	answer prog '["reserved"]'
	hg-triage c > said 2> why || :
	grep -q "^prog	ready	left	new" said || { cat said why >&2; cd ..; umount small; false; }
	# As much is left as a spec needs, and not its program.
	dd if=/dev/zero of=fill bs=1k > filled 2>&1 || :
	truncate -s -20480 fill
	run hg-triage -m prog c
	code=$status
	rm fill
	after=$(hg-triage c 2> /dev/null | grep '^prog' | cut -f 2,4)
	made=$(hg-triage -m prog c 2>&1 || :)
	cmp stub.sh c/runs/prog/program/stub.sh && same=1 || same=0
	cd ..
	umount small
	[ "$code" -eq 111 ]
	[ "$after" = "ready	new" ] || { echo "$after" >&2; false; }
	[ "$made" = c/runs/prog ]
	[ "$same" -eq 1 ]
}
