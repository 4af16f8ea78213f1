# The morning's page: hg-report of a campaign says of every request what hg-triage says, and what would clear it.
load helper
load fakerun
load judged

# A campaign with a request in every state and for every reason, whose runs were never trained.
setup_file() {
	cd "$BATS_FILE_TMPDIR"
	PATH=$HG_T/tools:$PATH
	export HOMEGOLF_LANES=$BATS_FILE_TMPDIR/lanes JUDGED_DATA=$BATS_FILE_TMPDIR
	everything
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	PATH=$HG_T/tools:$PATH
	export HOMEGOLF_LANES=$BATS_FILE_TMPDIR/lanes SOURCE_DATE_EPOCH=1800000000
	C=$BATS_FILE_TMPDIR/c
}

teardown_file() {
	local pid
	pid=$(cat "$BATS_FILE_TMPDIR/at-work")
	kill "$pid" || :
	until_true 20 gone "$pid"
}

page() {
	"$PYTHON" "$HG_TOP/t/tools/report_page.py" "$@"
}

# text PAGE: all that a reader sees, on one line.
text() {
	page text "$1" | tr -s '\n ' ' '
}

# campaign DIR [JQ]: an empty one.
campaign() {
	mkdir -p "$1/in" "$1/admit"
	jq -n '{schema: "homegolf.campaign.v1", base: "../base.json", calibrate: false,
	    lanes: ["left", "run", "dead", "again", "ended", "stuck", "same", "next"] | map({name: .}),
	    routes: [{when: {"train.seed": 801}, lane: "left"}, {when: {"train.seed": 801}, lane: "next"}],
	    scope: ["train.*", "eval.*", "system.*"]}' | jq "${2:-.}" > "$1/campaign.json"
}

# request NAME LANE SEED [JQ]
request() {
	jq -n --arg l "$2" --argjson s "$3" '{train: {seed: $s}, system: {lane: $l}, about: {hypothesis: "half the rate",
	    expected_gain: 0.06}}' | jq "${4:-.}" > "c/in/$1.json"
}

older() {
	find "c/runs/$1" -maxdepth 1 -type f -exec touch -d '1 minute ago' {} +
}

# made NAME LANE SEED [JQ]: a request, and its run, which nobody is about to go on with
made() {
	request "$@"
	hg-triage -m "$1" c > path
	older "$1"
}

refused() {
	local run=c/runs/$1 kind
	shift
	for kind; do
		[ ! -e "$run/train_refusal.json" ] || hg-retry train "$run"
		fakestage train "$run" "refuse=$kind" || :
	done
	older "${run##*/}"
}

everything() {
	local pid
	L=c/ledger SET="system.lane=left budget.max_wallclock_ms=none"
	campaign c
	mkdir c/old
	ln -s c/old runs
	calibrated
	cp runs/base1/spec.json base.json
	# What is done.
	made good left 7 '.train.matrix_lr = 0.046'
	scored c/runs/good 2.23
	add c/runs/good
	pretend
	hg-confirm "$L" c/runs/good > out 2> err
	made flat left 8 '.train.matrix_lr = 0.041'
	scored c/runs/flat 2.232
	add c/runs/flat
	made hope left 9 '.train.matrix_lr = 0.049'
	scored c/runs/hope 2.15
	add c/runs/hope
	made gone left 10 '.train.matrix_lr = 0.9'
	refused gone loss_diverged
	add c/runs/gone || :
	# What is not.
	made ended ended 11
	scored c/runs/ended 2.3
	made again again 12
	refused again out_of_memory
	made tired stuck 13
	refused tired out_of_memory disk_full out_of_memory
	made same same 14
	refused same out_of_memory out_of_memory
	made killed dead 15
	fakestage train c/runs/killed hang 3>&- &
	pid=$!
	until_true 10 running train c/runs/killed
	kill -KILL "$pid" "$(worker_of train c/runs/killed)"
	wait "$pid" || :
	older killed
	made atwork run 16
	fakestage train c/runs/atwork hang 3>&- &
	echo $! > at-work
	until_true 10 running train c/runs/atwork
	# What waits for its owner.
	made other same 17
	request other same 18
	made torn same 19
	echo '{' > c/runs/torn/spec.json
	request next next 20
	request then next 21
	request thin left 22 '.about.hypothesis = ""'
	request small left 23 '.about.expected_gain = 0.0001'
	request wide left 24 '.eval.docs = 3'
	request far left 25 '.model.mlp_mult = 3'
	request twin next 20
	request odd left 26 '.train.matrix_lrr = 1'
	request lost nowhere 27
	request both left 801 'del(.system)'
	echo '{"train": ' > c/in/half.json
}

@test "every request stands on the page once, in the state and on the lane that hg-triage says" {
	hg-triage -j "$C" > told || :
	"$HG_T/tools/contract" triage told
	[ "$(jq -r '[.requests[].state] | unique | join(" ")' told)" = "dead done escalated ready running unjudged waiting" ]
	hg-report -o p.html "$C"
	page form p.html
	page requests p.html > shown
	diff <(jq -r '.requests[] | [.name, .state, .lane // "no lane"] | @tsv' told | sort) <(sort shown)
}

@test "all reasons to escalate are on the page, each with what would clear it, and the kinds of what was refused" {
	local reason
	hg-report -o p.html "$C"
	text p.html > t
	for reason in $(sed -n '/^\.Ss Reasons to escalate/,/^\.El/s/^\.It Cm \([a-z_]*\).*/\1/p' "$HG_TOP/man/hg-campaign.5"); do
		# Root reads everything, so hg-triage.bats makes that one as somebody else.
		[ "$reason" != unreadable ] || continue
		grep -qE "<b>$reason</b>: [a-z]{3,} .{10,}</div>" p.html || { echo "$reason" >&2; false; }
	done
	[ "$(grep -c 'class="sub clears"' p.html)" -eq 13 ]
	grep -qF 'it changes eval.docs, which the owner keeps reserved : leave that key alone, or your answer' t
	grep -qF 'refused: out_of_memory' t
	grep -qF 'train: loss_diverged' t
	# What only another request mends has no command that would admit it, and what an answer clears has one.
	[ "$(grep -c '<details>' p.html)" -eq "$(hg-triage -j "$C" 2> /dev/null | jq '[.requests[] |
	    select(.state == "escalated" and ((.reason | split(",")) - $may == []))] | length' \
		--argjson may "$(jq '.properties.reasons.items.enum' "$HG_TOP/contracts/admission.json")")" ]
}

@test "the command that the page has for an escalated request admits it, as its contract wants, and nothing else" {
	local name
	cp -a "$C" .
	cp "$BATS_FILE_TMPDIR/base.json" .
	hg-report -o p.html c
	for name in far wide thin small twin same tired; do
		page admits p.html "$name" > command
		sh -e command
		"$HG_T/tools/contract" admission "c/admit/$name.json"
		hg-triage -j c 2> why | jq -e --arg n "$name" '.requests[] | select(.name == $n) | .state != "escalated"' > is ||
			{ echo "$name: $(cat command)" >&2; hg-triage c >&2; false; }
	done
	[ "$(hg-triage -s escalated c 2> /dev/null | cut -f 1 | tr '\n' ' ')" = "both half lost odd other torn " ]
	hg-report -o p.html c
	! grep -q '<details>' p.html || false
}

@test "the first lines say what was tried, what is real and what needs its owner" {
	hg-report "$C" > p.html
	text p.html > t
	grep -qE 'What was tried\? 4 of 23 requests came to an end Of these: 1 found better, 2 not settled, 1 refused or not counted\. Still to come: 1 at work, 1 died and not closed out, 1 ended and not added, 2 ready, 1 waiting\.' t || { cut -c 1-900 t >&2; false; }
	grep -qF 'What is real? 1 found better good (confirmed): by runs made for that question alone. Not settled: flat , hope' t || { cut -c 1-900 t >&2; false; }
	grep -qE 'What needs you\? 13 requests wait for you both \(ambiguous\), .* and 7 more' t || { cut -c 1-900 t >&2; false; }
	# and before all that the ledger says
	[ "$(grep -n 'What needs you?' p.html | cut -d : -f 1)" -lt "$(grep -n 'What is the best run?' p.html | cut -d : -f 1)" ]
}

@test "what is done says what has become of its configuration: nothing, being confirmed, confirmed, promoted, not confirmed" {
	cp -a "$C" .
	cp "$BATS_FILE_TMPDIR/base.json" .
	standing() {
		hg-triage -j c 2> why | jq -r --arg n "$1" '.requests[] | select(.name == $n) | "\(.standing) \(.reason)"'
	}
	[ "$(standing good)" = "confirmed noise:second_wanted,confirmed" ]
	[ "$(standing hope)" = "null noise:second_wanted" ]
	[ "$(standing gone)" = "null blocked:refused" ]
	[ "$(standing wide)" = "null reserved" ]
	# what is planned, and ends badly: after its second run every one is worse than the incumbent's beside it
	cp -a c d
	cp -a "$BATS_FILE_TMPDIR/bin" .
	PATH=$PWD/bin:$PATH
	hash -r
	[ "$(type -p hg-run)" = "$PWD/bin/hg-run" ]
	hg-confirm -1 c/ledger c/runs/hope > next 2> err || :
	hg-run -l c/ledger "$(tail -n 1 next)" > out 2>&1
	hg-confirm -1 c/ledger c/runs/hope > next 2> err || :
	[ "$(standing hope)" = "confirming noise:second_wanted,confirming" ]
	sed -i 's/2.3 - 10 /2.3 + 10 /' bin/hg-run
	hg-confirm c/ledger c/runs/hope > out 2> err || :
	[ "$(standing hope)" = "not_confirmed noise:second_wanted,not_confirmed" ]
	[ "$(standing good)" = "confirmed noise:second_wanted,confirmed" ]
	rm -r c
	mv d c
	# promoted, and not any more once its evidence was altered
	L=c/ledger
	mkdir -p bin
	scorer 'exit 0'
	PATH=$PWD/bin:$PATH
	hg-triage -F c > conditions || :
	hg-ledger incumbent -j "$L" > incumbent
	hg-ledger promote "$L" "c/runs/$(jq -r .run_id incumbent)" > promoted || { cat promoted >&2; false; }
	[ "$(standing good)" = "promoted noise:second_wanted,promoted" ]
	hg-report -o p.html c
	grep -qF '<b>confirmed and promoted</b>; its first run: noise' p.html
	hg-ledger note "$L" "c/runs/$(jq -r .run_id incumbent)" altered > noted
	[ "$(standing good)" = "confirmed noise:second_wanted,confirmed" ]
}

@test "nothing that a request, a run or the campaign's own name says becomes markup" {
	local evil='<script>alert(1)</script>"><img src=x onerror=alert(1)>'
	mkdir '<i>night&'
	cd '<i>night&'
	cp "$BATS_FILE_TMPDIR/base.json" .
	campaign '<b>c'
	ln -s '<b>c' c
	request sound left 1 ".about.hypothesis = $(jq -n --arg e "$evil" '$e')"
	request odd left 2 ".train = {$(jq -n --arg e "$evil" '$e'): 1}"
	request lane '<u>left</u>' 3
	request thin left 4 '.about = {hypothesis: "\u202eesrever\u001b[31m"}'
	printf '{}' > 'c/in/<s>name<!--.json'
	printf '%s' "$evil" > c/in/half.json
	hg-report -o p.html '<b>c'
	page form p.html
	page text p.html > t
	grep -qF "$evil" t
	grep -qF '<s>name<!--' t
	grep -qF '<u>left</u>' t
	grep -qF '\u202eesrever\u001b[31m' t
	! grep -qE '<(script|img|s|u|i|b)>(alert|name|left|night|c)' p.html || false
	! grep -q '<img' p.html || false
}

@test "a campaign with nothing in it, without a ledger, halted, wedged or with one broken request has a page that says so" {
	cp "$BATS_FILE_TMPDIR/base.json" .
	campaign c
	hg-report -o p.html c
	page form p.html
	text p.html > t
	grep -qF 'What was tried? Nothing yet No request lies in c/in' t
	grep -qF 'What is real? Nothing yet' t
	grep -qF 'What needs you? Nothing The campaign is empty.' t
	grep -qF 'There is no ledger yet' t
	echo '{"train": ' > c/in/half.json
	hg-report -o p.html c
	page form p.html
	text p.html > t
	grep -qF 'What was tried? 0 of 1 request came to an end None has a row in the ledger.' t
	grep -qF 'What needs you? 1 request waits for you half (not_json)' t
	request a left 1
	touch -d '2 hours ago' c/in/a.json
	hg-report -o p.html c
	text p.html > t
	grep -qE 'What needs you\? It hangs The campaign is wedged : there is work, and nothing got on for [0-9]+ s' t
	touch c/halt
	hg-report -o p.html c
	page form p.html
	text p.html > t
	grep -qE "The campaign is halted : 'halt' is there.*rm c/halt" t
	# A broken campaign is none, and its page stays.
	cp p.html was
	echo '{}' > c/campaign.json
	run -103 hg-report -o p.html c
	cmp was p.html
	run -100 hg-report "$BATS_FILE_TMPDIR"
}

@test "making the page changes nothing in the campaign" {
	find "$C/" -path '*/runs/atwork' -prune -o -printf '%p %T@ %s\n' | sort > before
	hg-report -o p.html "$C"
	find "$C/" -path '*/runs/atwork' -prune -o -printf '%p %T@ %s\n' | sort | diff before -
}

@test "hg-campaign makes its page anew for a request and for an answer and once it is old, and not where nothing happened" {
	local was
	cp "$BATS_FILE_TMPDIR/base.json" .
	campaign c
	echo '{"train": ' > c/in/half.json
	run hg-campaign -1 c
	grep -qF 'half' <(text c/page.html)
	was=$(stat -c '%i %y' c/page.html)
	run hg-campaign -1 c
	[ "$(stat -c '%i %y' c/page.html)" = "$was" ]
	request thin left 1 'del(.about)'
	run hg-campaign -1 c
	grep -qF 'thin' <(text c/page.html)
	echo '{}' > c/admit/half.json
	was=$(stat -c '%i %y' c/page.html)
	run hg-campaign -1 c
	[ "$(stat -c '%i %y' c/page.html)" != "$was" ]
	touch -d '11 minutes ago' c/page.html
	find c/in c/admit c/campaign.json -exec touch -d '1 hour ago' {} +
	was=$(stat -c '%i %y' c/page.html)
	run hg-campaign -1 c
	[ "$(stat -c '%i %y' c/page.html)" != "$was" ]
}

@test "in a real browser the morning's page overflows nowhere, at 1280 and 390 pixels, light and dark, nor on a sheet of paper" {
	local width scheme
	command -v "${CHROMIUM:-chromium}" > /dev/null || skip "no chromium here (CHROMIUM names another)"
	hg-report -o p.html "$C"
	for width in 1280 390; do
		for scheme in light dark; do
			timeout 120 "$PYTHON" "$HG_TOP/t/tools/report_look.py" p.html $width $scheme > look
			[ "$(jq .seen look)" -gt 150 ]
		done
	done
	sed 's/@media print/@media all/' p.html > sheet.html
	timeout 120 "$PYTHON" "$HG_TOP/t/tools/report_look.py" sheet.html 680 light > look
	[ "$(jq .seen look)" -gt 150 ]
}
