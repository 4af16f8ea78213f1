# A ledger as a page: what it says, that it says it of every ledger, and that nothing in a ledger gets out of it.
load helper

setup_file() {
	cd "$BATS_FILE_TMPDIR"
	mkdir plain many big
	# Sixty runs: confirmations, refusals, loss curves.  And several groups, one of them never calibrated.
	"$HG_T/tools/campaign" -n 60 plain/ledger
	"$HG_T/tools/campaign" -n 240 -l 3 many/ledger
	a_night night
}

# scored RUN BPB [KEY=VALUE...]: a run directory as a scored run leaves it, which the ledger beside takes in.
scored() {
	JUDGED_DATA=$BATS_FILE_TMPDIR "$PYTHON" "$HG_TOP/t/tools/judged_run.py" "$@"
	hg-ledger add "${1%/runs/*}/ledger" "$1" > "${1%/runs/*}/added"
}

# slot DIR RUN BPB [KEY=VALUE...]: a run as the open plan asks for it next, which takes its slot before it trains.
slot() {
	local line dir=$1 run=$2 bpb=$3
	line=$(hg-ledger next "$dir/ledger")
	shift 3
	hg-spec -b "$dir/ledger/$(cut -f 5 <<< "$line")/spec.json" -s train.seed="$(cut -f 4 <<< "$line")" \
	    -s train.data_offset="$(cut -f 6 <<< "$line")" "$dir/runs/$run" 2> "$dir/warned"
	hg-ledger take "$dir/ledger" "$dir/runs/$run" > "$dir/taken"
	scored "$dir/runs/$run" "$bpb" "$@"
}

# a_night DIR: five seeds, one run that the machine starved, and a challenger, whose confirmation is given up after three
# runs that are named as hg-confirm names them.
a_night() {
	local i
	mkdir "$1"
	for i in 1 2 3 4 5; do
		scored "$1/runs/base$i" "2.30$i" "seed=$i"
	done
	hg-ledger calibrate "$1/ledger" "$1/runs/base1" > "$1/calibrated"
	scored "$1/runs/starved" 1.9 train.matrix_lr=0.03 starved=yes train.schedule=wallclock train.warmdown_frac=0.4
	scored "$1/runs/good" 2.23 train.matrix_lr=0.02
	scored "$1/runs/good.2" 2.23 train.matrix_lr=0.02 seed=77
	hg-ledger plan "$1/ledger" "$1/runs/good" > "$1/plan"
	for i in 1 2 3; do
		slot "$1" "good.p.$i" 2.23
	done
	hg-ledger plan -x "$1/ledger" > "$1/given-up"
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	export SOURCE_DATE_EPOCH=1800000000
	F=$BATS_FILE_TMPDIR
}

@test "a page takes the place of a file and of nothing else" {
	local there
	mkfifo pipe
	mkdir dir
	mknod null c 1 3 || :
	for there in pipe dir null /dev/full; do
		[ -e "$there" ] || continue
		run -100 --separate-stderr hg-report -o "$there" "$F/plain/ledger"
		[ "$stderr" = "hg-report: -o '$there' is no file: without -o the page goes to standard output" ]
	done
	[ -p pipe ]
	[ -c /dev/full ]
	# A slip costs neither the ledger nor anything else that is no page.
	cp -r "$F/plain/ledger" mine
	for there in ledger.jsonl policy.json; do
		run -100 --separate-stderr hg-report -o "mine/$there" mine
		[ "$stderr" = "hg-report: -o 'mine/$there' is there and is no page: nothing else is replaced" ]
	done
	hg-ledger replay mine
	: > page.html
	hg-report -o page.html mine
	hg-report -o page.html mine
	ln -s page.html link.html
	hg-report -o link.html mine
}

page() {
	"$PYTHON" "$HG_TOP/t/tools/report_page.py" "$@"
}

forge() {
	"$PYTHON" "$HG_TOP/t/tools/report_forge.py" "$@"
}

# text PAGE: all that a reader sees, on one line.
text() {
	page text "$1" | tr -s '\n ' ' '
}

@test "a page is one well-formed file without script, network or address, and accessible" {
	local which
	for which in plain many; do
		hg-report -o $which.html "$F/$which/ledger"
		page form $which.html
		run ! grep -qiE '<script|javascript:|(src|href)="?https?:' $which.html
	done
}

@test "the top answers what is best, whether it is real, and what to do next" {
	hg-report "$F/plain/ledger" > p.html
	text p.html > t
	grep -qE 'What is the best run\? [0-9.]+ bits per byte The incumbent configuration, estimated from [0-9]+ runs' t
	grep -qF "$(hg-ledger incumbent -j "$F/plain/ledger" | jq -r .run_id)" t
	hg-ledger list -j "$F/plain/ledger" | jq -s 'map(select(.verdict.reason == "confirmed")) | last' > crowned
	grep -qE "Is it real\? Yes, confirmed $(jq .verdict.runs crowned) pairs of fresh runs, planned beforehand, both of a pair" t
	sed 's/\xc2\xa0/ /g' t | grep -qE "The odds for a gain are [0-9,]+ to 1; $(jq -r '1 / .verdict.level | round' crowned | sed 's/000$/,000/') to 1 was asked for"
	grep -qF "What to try, or stop?" t
	# the reasoning is the stop rule's own
	cp -a "$F/plain" shut
	hg-ledger plan -x shut/ledger > given-up
	hg-report shut/ledger > p.html
	text p.html > t
	run hg-ledger stop shut/ledger
	[ "$status" -eq 1 ]
	grep -qF "Stop rule: $(echo "${lines[0]}" | sed 's/^go on: //')" t
	grep -qF "$(echo "${lines[1]}" | tr -s ' ')" t
}

@test "every number of the page is the ledger's, and the staircase is the incumbent's history" {
	hg-report -o plain.html "$F/plain/ledger"
	[ "$(page numbers plain.html "$F/plain/ledger")" -eq "$(hg-ledger list -j "$F/plain/ledger" | wc -l)" ]
	hg-report -o many.html "$F/many/ledger"
	[ "$(page numbers many.html "$F/many/ledger")" -eq "$(hg-ledger list -j "$F/many/ledger" | wc -l)" ]
}

@test "text stands out from its ground by 4.5 to 1 in every scheme, and marks by 3 to 1; no two marks have a colour that any colour blindness makes one" {
	hg-report -o p.html "$F/plain/ledger"
	page colours p.html
}

# bats test_tags=b34
@test "a ledger that does not verify makes no page: 103, and which row" {
	cp -a "$F/plain" bad
	sed -i '9s/"seed": /"seed": 7/' bad/ledger/ledger.jsonl
	echo '<!doctype html>before' > p.html
	run --separate-stderr hg-report -o p.html bad/ledger
	[ "$status" -eq 103 ]
	[ -z "$output" ]
	[[ "$stderr" == *"row 9 was altered"* ]]
	[ "$(cat p.html)" = '<!doctype html>before' ]
	run --separate-stderr hg-report bad/ledger
	[ "$status" -eq 103 ]
	[ -z "$output" ]
	rm -rf bad
	cp -a "$F/plain" bad
	sed -i '$d' bad/ledger/ledger.jsonl
	run --separate-stderr hg-report bad/ledger
	[ "$status" -eq 103 ]
	[[ "$stderr" == *"rows are missing at the end"* ]]
	# without the head only the run itself remembers
	JUDGED_DATA=$F "$PYTHON" "$HG_TOP/t/tools/judged_run.py" runs/w 2.3
	JUDGED_DATA=$F "$PYTHON" "$HG_TOP/t/tools/judged_run.py" runs/v 2.4 seed=2
	hg-ledger add ledger runs/w runs/v > added
	rm ledger/head
	sed -i '$d' ledger/ledger.jsonl
	run --separate-stderr hg-report ledger
	[ "$status" -eq 103 ]
	[ -z "$output" ]
	[[ "$stderr" == *"row 3 is gone"*"'v' remembers"* ]]
	run --separate-stderr hg-report nowhere
	[ "$status" -eq 100 ]
	[ -z "$output" ]
}

@test "whatever a ledger says is text on the page: no element, attribute, link or hidden character comes of it" {
	cp -a "$F/plain" evil
	forge evil/ledger hostile > count
	[ "$(cat count)" -gt 200 ]
	hg-report -o p.html evil/ledger
	page form p.html
	page text p.html > t
	grep -qF '<script>alert(1)</script>' t
	grep -qF '"><img src=x onerror=alert(1)>' t
	grep -qF ']]></style></title><b>' t
	grep -qF '&lt;&amp;&#60;' t
	grep -qF '\u202eesrever\u202c' t
	grep -qF '\u001b[31m' t
	grep -qF '%s%n%d%99999d' t
	run ! grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]|\xef\xbb\xbf' p.html
	# nor do settings and names of data, whose keys are anybody's too
	forge evil/ledger set "$(jq 'select(.kind == "run").row' evil/ledger/ledger.jsonl | tail -n 1)" \
		'run.data_name="<script>d</script>"' 'run.settings={"train.<script>k</script>": "\"><script>v</script>", "eval.docs": "<b>"}'
	hg-report -o p.html evil/ledger
	page form p.html
	page text p.html | tr -d '\n' > t
	grep -qF 'train.<script>k</script>' t
	grep -qF '"><script>v</script>' t
	grep -qF '<script>d</script>' t
	# 64 KiB of hypothesis are cut, and that is said
	grep -qE '\([0-9]{2},[0-9]{3} characters; cut here\)' <(text p.html)
	[ "$(stat -c %s p.html)" -lt 400000 ]
}

@test "whatever values a ledger has, there is a page or a refusal, and never a crash" {
	local seed code
	mkdir small
	"$HG_T/tools/campaign" -n 30 small/ledger
	for seed in $(seq 1 60); do
		rm -rf odd
		cp -a small odd
		forge odd/ledger random "$seed"
		code=0
		timeout 30 hg-report -o p.html odd/ledger 2> err || code=$?
		case $code in
		0) page form p.html > size || { echo "seed $seed" >&2; false; } ;;
		103) [ -s err ] ;;
		*) echo "seed $seed: $code $(tail -n 1 err)" >&2; false ;;
		esac
	done
}

@test "a row whose digests are all zeros is no reason to fall over" {
	cp -a "$F/plain" zeros
	forge zeros/ledger set 9 "run.group_sha256=\"$(printf %064d 7)\""
	forge zeros/ledger set 10 run.group_sha256=null
	run --separate-stderr hg-ledger replay zeros/ledger
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"row 9 differs"* ]]
	hg-report -o p.html zeros/ledger
	grep -qF 'what row 9 says does not follow' <(text p.html)
}

@test "an empty ledger, one run, none scored, no directories: each makes a sensible page" {
	local n
	for n in 0 1 2 4; do
		mkdir of$n
		"$HG_T/tools/campaign" -n $n of$n/ledger
		hg-report -o of$n.html of$n/ledger
		page form of$n.html
	done
	text of0.html > t
	grep -qF 'None yet No run has been added' t
	grep -qF 'Run something' t
	text of1.html > t
	grep -qF 'Not shown It is the incumbent because it was the first sound run' t
	grep -qF 'Calibrate the lane' t
	grep -qF 'calibrates the lane with 4 more seeds' t
	grep -qF 'noise uncalibrated' t
	run ! grep -qF 'run-to-run deviations of' t
	# all refused
	cp -a of4 refused
	for n in 2 3 4 5; do
		forge refused/ledger set $n 'run.group_sha256=null' 'run.metrics.val_bpb=null' 'verdict.class="blocked"' \
			'verdict.reason="refused"' 'verdict.score=null' 'incumbent_after=null' \
			'verdict.findings=[{"rule": "refused", "detail": "train: loss_diverged"}]'
	done
	hg-report -o refused.html refused/ledger
	page form refused.html
	text refused.html > t
	grep -qF 'None yet 4 runs were added, and none counts: 4 blocked, 0 invalid, 0 starved' t
	grep -qF 'Pause The last 4 runs were blocked or invalid' t
	grep -qF 'train: loss_diverged' t
	grep -qF 'nothing has a score' t
	# scored, but the machine was busy
	JUDGED_DATA=$F "$PYTHON" "$HG_TOP/t/tools/judged_run.py" busy/a 2.3 starved=yes \
	    train.schedule=wallclock
	hg-ledger add busy/ledger busy/a > added
	hg-report -o busy.html busy/ledger
	page form busy.html
	text busy.html > t
	grep -qF 'None yet 1 run was added, and none counts: 0 blocked, 0 invalid, 1 starved' t
	grep -qF 'the same again when the machine is quiet.' t
	# nothing beside the ledger
	cp -a "$F/plain" alone
	rm -rf alone/runs
	hg-report -o alone.html alone/ledger
	page form alone.html
	[ "$(text alone.html | grep -o 'No curve: its files are no longer there' | wc -l)" -eq 6 ]
}

@test "a loss curve is drawn only from the file that the ledger binds" {
	local run
	cp -a "$F/plain" c
	run=$(tail -n 2 c/ledger/ledger.jsonl | head -n 1 | jq -r .run.run_id)
	hg-report -o p.html c/ledger
	[ "$(grep -o 'class="loss"' p.html | wc -l)" -eq 6 ]
	text p.html > t
	grep -qF "loss $(tail -n 1 "c/runs/$run/metrics.jsonl" | jq -r .train_loss | xargs printf '%.4f') at step 659" t
	sed -i 's/"step": 5,/"step": 6,/' "c/runs/$run/metrics.jsonl"
	hg-report -o p.html c/ledger
	[ "$(grep -o 'class="loss"' p.html | wc -l)" -eq 5 ]
	grep -qF "No curve: its files are not those that the ledger names" <(text p.html)
	rm "c/runs/$run/metrics.jsonl"
	hg-report -o p.html c/ledger
	grep -qF "No curve: its files are no longer there" <(text p.html)
	mkfifo "c/runs/$run/metrics.jsonl"
	timeout 20 hg-report -o p.html c/ledger
	[ "$(grep -o 'class="loss"' p.html | wc -l)" -eq 5 ]
}

@test "each of the last runs that trained has both losses at their last common step, what it set otherwise and its verdict" {
	cp -a "$F/plain" both
	# one that ended early, as the ledger would bind it
	"$PYTHON" - both <<-'END'
	import hashlib, json, os, subprocess, sys
	rows = [json.loads(line) for line in open("both/ledger/ledger.jsonl")]
	run = [r for r in rows if r["kind"] == "run" and os.path.exists(f"both/runs/{r['run']['run_id']}/metrics.jsonl")][-1]
	where = f"both/runs/{run['run']['run_id']}"
	kept = open(f"{where}/metrics.jsonl").read().splitlines(True)[:403]
	report = json.load(open(f"{where}/training_report.json"))
	was = hashlib.sha256(open(f"{where}/metrics.jsonl", "rb").read()).hexdigest()
	text = json.dumps(report)
	assert was in text
	text = text.replace(was, hashlib.sha256("".join(kept).encode()).hexdigest())
	open(f"{where}/metrics.jsonl", "w").writelines(kept)
	open(f"{where}/training_report.json", "w").write(text)
	sha = hashlib.sha256(text.encode()).hexdigest()
	subprocess.run(["python3", os.environ["HG_TOP"] + "/t/tools/report_forge.py", "both/ledger", "set", str(run["row"]),
	    f'run.training_report_sha256="{sha}"'], check=True)
	END
	hg-report -o p.html both/ledger
	page form p.html
	"$PYTHON" - p.html both <<-'END'
	import json, re, sys
	text, rows = open(sys.argv[1]).read(), [json.loads(line) for line in open(sys.argv[2] + "/ledger/ledger.jsonl")]
	rows = {r["row"]: r for r in rows}
	def points(row):
	    lines = [json.loads(l) for l in open(f"{sys.argv[2]}/runs/{rows[row]['run']['run_id']}/metrics.jsonl")]
	    lines = [(l["step"], l["train_loss"]) for l in lines if l.get("train_loss") is not None]
	    per = -(-len(lines) // 240)
	    parts = [lines[i:i + per] for i in range(0, len(lines), per)]
	    return [tuple(sum(x) / len(part) for x in zip(*part)) for part in parts]
	def at(p, step):
	    for (a, x), (b, y) in zip(p, p[1:]):
	        if a <= step <= b:
	            return x + (y - x) * (step - a) / (b - a)
	steps = set()
	figures = re.findall(r'<figure id="l(\d+)">(.*?)</figure>', text, re.S)
	assert len(figures) == 6
	for row, body in figures:
	    r = rows[int(row)]
	    assert f'<a href="#l{row}">loss</a>' in text
	    assert f'{r["verdict"]["class"]}: ' in body
	    said = re.search(r"At step (\d+) ([0-9.]+) against ([0-9.]+)\.", body)
	    other = re.search(r'incumbent [^ ]* <a class="row" href="#r(\d+)"', body)
	    if "the incumbent's own" in body:
	        assert not said
	        continue
	    own, under = points(int(row)), points(int(other.group(1)))
	    step = min(own[-1][0], under[-1][0])
	    steps.add(int(said.group(1)))
	    assert abs(step - int(said.group(1))) <= 0.5
	    assert abs(at(own, step) - float(said.group(2))) < 6e-5, (row, at(own, step), said.groups())
	    assert abs(at(under, step) - float(said.group(3))) < 6e-5, (row, at(under, step), said.groups())
	    # the two are told apart by more than their colour
	    assert 'class="loss" d="' in body and 'class="under" d="' in body
	assert len(steps) == 2, steps
	style = re.search(r"<style>(.*?)</style>", text, re.S).group(1)
	assert "stroke-dasharray" in re.search(r"\.under\{([^}]*)\}", style).group(1)
	assert "stroke-dasharray" not in re.search(r"\.loss\{([^}]*)\}", style).group(1)
	END
}

@test "a verdict that does not follow from its rows is said before all else, though the chain be whole" {
	local row
	cp -a "$F/plain" forged
	row=$(jq -r 'select(.verdict.reason == "within_noise").row' forged/ledger/ledger.jsonl | tail -n 1)
	forge forged/ledger set "$row" 'verdict.class="improvement"' 'verdict.reason="confirmed"'
	hg-ledger verify forged/ledger || [ $? -eq 2 ]
	run --separate-stderr hg-report -o p.html forged/ledger
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"row $row differs"* ]]
	page form p.html
	text p.html > t
	grep -qF "Do not believe this ledger. Its chain is unbroken, but what row $row says does not follow" t
	grep -qF "Is it real? No Row $row does not follow" t
	run ! grep -qF 'Yes, confirmed' t
	hg-report "$F/plain/ledger" > p.html
	run ! grep -qF 'Do not believe' p.html
	grep -qE '[0-9]+ verdicts were derived again from the rows alone, and none differs' <(text p.html)
}

@test "imported results stand by themselves, each with what replay says, and never beside our own" {
	mkdir theirs only
	{
		printf 'commit\tval_bpb\tmemory_gb\tstatus\tdescription\n'
		printf 'a1b2c3d\t0.997900\t44.0\tkeep\tbaseline\n'
		printf 'b2c3d4e\t0.993200\t44.2\tkeep\t<script>alert(1)</script> & "more"\n'
		printf 'c3d4e5f\t1.005000\t44.0\tdiscard\tswitch to GeLU\n'
		printf 'd4e5f6a\t0.000000\t0.0\tcrash\tdouble width\n'
		printf 'e5f6a7b\t0.991000\t44.1\tkeep\tlonger warmdown\n'
	} > theirs/results.tsv
	sed 's/0\.99/1.19/; s/\(keep\|discard\)\t/\1\tanother: /' theirs/results.tsv > theirs/others.tsv
	hg-ledger import only/ledger theirs > imported
	hg-report -o p.html only/ledger
	page form p.html
	text p.html > t
	grep -qF "no run of our own has been added" t
	grep -qF '<script>alert(1)</script> & "more"' t
	grep -qF "Other people's results 10 imported claims:" t
	[ "$(grep -o '<figure class="history">' p.html | wc -l)" -eq 2 ]
	# beside our own: the answers stay ours, no point is on one of our pictures, and each row is as replay has it
	cp -a "$F/plain" both
	hg-ledger import both/ledger theirs > imported
	hg-report -o both.html both/ledger
	page form both.html
	[ "$(page numbers both.html both/ledger)" -eq "$(hg-ledger list -j "$F/plain/ledger" | wc -l)" ]
	hg-ledger replay -j both/ledger > verdicts.jsonl
	[ "$(wc -l < verdicts.jsonl)" -eq 10 ]
	[ "$(jq -s 'map(.group) | unique | length' verdicts.jsonl)" -eq 2 ]
	"$PYTHON" - both.html verdicts.jsonl <<-'END'
	import html, json, re, sys
	text = open(sys.argv[1]).read()
	ours, theirs = text.split('<section id="others"', 1)
	groups = {int(n): part for n, part in re.findall(r'<h3 id="f(\d+)">(.*?)(?=<h3 |</section>)', theirs, re.S)}
	table = {int(r): (html.unescape(c), body) for r, c, body in re.findall(
	    r'<tr><td class="n">(\d+)</td>.*?<th scope="row" class="why">(.*?)(?:<div|</th>)(.*?)</tr>', theirs, re.S)}
	for v in map(json.loads, open(sys.argv[2])):
	    title, body = table.pop(v["row"])
	    assert title == v["title"] and v["verdict"].replace("_", " ") in body, (v, body)
	    for x in (v["score"], v["gain"]):
	        assert x is None or f'value="{x!r}"' in body, (x, body)
	    assert f"<title>#{v['row']} " not in ours
	    for n, part in groups.items():
	        assert (f"<title>#{v['row']} " in part) == (n == v["group"]) == (f">{v['row']}</td>" in part), (n, v)
	assert not table
	END
}

@test "what can't be told from luck is not drawn as if it could: no band and no interval on an uncalibrated lane" {
	hg-report -o p.html "$F/many/ledger"
	"$PYTHON" - p.html <<-'END'
	import re, sys
	panels = re.findall(r'<figure class="history">(.*?)</figure>', open(sys.argv[1]).read(), re.S)
	assert len(panels) == 3
	known = [p for p in panels if "seeds of one configuration calibrated" in p]
	assert len(known) == 2
	for p in panels:
	    chart = p[p.index('class="chart"'):]
	    assert ('class="band"' in chart) == (p in known)
	    assert 'class="unknown"' in chart
	    if p not in known:
	        assert 'class="truth' not in chart and "is not calibrated" in p
	END
}

@test "a gain in another metric than the score beside it names that metric, and no other gain does" {
	local row gain
	cp -a "$F/plain" raw
	row=$(hg-ledger list -j raw/ledger | jq -s 'map(select(.kind == "run" and .verdict.gain != null)) | last.row')
	forge raw/ledger set "$row" 'verdict.metric="val_bpb_raw"'
	gain=$(hg-ledger show raw/ledger "$row" | jq .verdict.gain)
	hg-report -o plain.html "$F/plain/ledger"
	hg-report -o raw.html raw/ledger 2> differs
	run ! grep -q '<div class="sub">val_bpb' plain.html
	[ "$(grep -o '<div class="sub">val_bpb_raw</div>' raw.html | wc -l)" -eq 1 ]
	grep -q "<data value=\"$gain\">[^<]*</data><div class=\"sub\">val_bpb_raw</div>" raw.html
}

@test "scores of two groups, lanes or tokenizers never stand on one axis" {
	hg-report -o p.html "$F/many/ledger"
	[ "$(grep -c '<figure class="history">' p.html)" -eq 3 ]
	# one group, and yet other machines, caps and tokenizers
	seven=$(printf '7%.0s' $(seq 64))8
	cp -a "$F/plain" mixed
	forge mixed/ledger set 24 'run.lane="other"'
	forge mixed/ledger set 25 'run.cap_ms=600000'
	forge mixed/ledger set 26 'run.tokenizer_sha256="'"${seven:0:64}"'"'
	forge mixed/ledger set 27 'run.group_sha256="'"${seven:1:64}"'"'
	hg-report -o mixed.html mixed/ledger 2> differs
	[ "$(grep -c '<figure class="history">' mixed.html)" -eq 5 ]
	"$PYTHON" - mixed.html mixed/ledger/ledger.jsonl <<-'END'
	import json, re, sys
	rows = {r["row"]: r for r in map(json.loads, open(sys.argv[2]))}
	for panel in re.findall(r'<figure class="history">(.*?)</figure>', open(sys.argv[1]).read(), re.S):
	    axes, tokenizers = set(), set()
	    for n in re.findall(r"<title>#(\d+) ", panel):
	        own = rows[int(n)][rows[int(n)]["kind"]]
	        axes.add((own["lane"], own["cap_ms"], own["group_sha256"]))
	        tokenizers.add(own.get("tokenizer_sha256"))
	    assert len(axes) == 1 and len(tokenizers - {None}) == 1, (axes, tokenizers)
	END
}

@test "an outlier is an arrow at the edge, and does not squash the rest" {
	local row
	cp -a "$F/plain" far
	row=$(jq -r 'select(.verdict.reason == "within_noise").row' far/ledger/ledger.jsonl | sed -n 3p)
	forge far/ledger set "$row" run.metrics.val_bpb=97.5
	hg-report -o p.html far/ledger
	page form p.html
	grep -q "href=\"#up\" class=\"k1 far\"[^>]*><title>#$row " p.html
	grep -qF '1 score lies beyond the scale' <(text p.html)
	run ! grep -qE '<text x="50" y="[0-9.]*" dy=".35em">[3-9]' p.html
}

@test "the class of a mark is its shape, not its colour alone, and all that occur are in the legend" {
	hg-report -o p.html "$F/many/ledger"
	"$PYTHON" - p.html <<-'END'
	import re, sys
	text = open(sys.argv[1]).read()
	shapes = re.findall(r'<(?:path|circle|g) id="m\d"[^>]*>', text)
	assert len(shapes) == len(set(re.sub(r'id="m\d"', "", s) for s in shapes)) == 8
	for figure in re.findall(r'<figure class="history">(.*?)</figure>', text, re.S):
	    legend, chart = figure.split("</ul>", 1)
	    used = set(re.findall(r'class="k(\d)', chart))
	    assert used == set(re.findall(r'class="k(\d)', legend)), used
	END
}

@test "a promotion has a badge on the incumbent, and a line with when, at which score and what it rests on" {
	local run row was gain over
	cp -a "$F/plain" promoted
	hg-report -o p.html promoted/ledger
	run ! grep -qF 'class="badge">promoted' p.html
	run=$(hg-ledger incumbent -j promoted/ledger | jq .row)
	was=$(jq -r "select(.row == $run).run.metrics.val_bpb" promoted/ledger/ledger.jsonl | xargs printf '%.5f')
	row=$(jq -r 'select(.kind == "confirmation").row' promoted/ledger/ledger.jsonl | tail -n 1)
	gain=$(jq "select(.row == $row).verdict.gain" promoted/ledger/ledger.jsonl | xargs printf '%.5f')
	over=$(jq -r 'select(.kind == "plan" and .row < '"$row"').plan.incumbent.row' promoted/ledger/ledger.jsonl | tail -n 1)
	over=$(jq -r "select(.row == $over).run.run_id" promoted/ledger/ledger.jsonl)
	forge promoted/ledger promote "$run"
	hg-report -o p.html promoted/ledger
	page form p.html
	text p.html > t
	# at the top, in its section, and in the table of runs
	[ "$(grep -o 'class="badge">promoted' p.html | wc -l)" -eq 3 ]
	[ "$(grep -oE "was promoted 2025-11-[0-9: -]* UTC \(#[0-9]+\) at $was of its run #$run ?, artifact [0-9a-f]{8}" t | wc -l)" -eq 2 ]
	[ "$(grep -oE "It rests on confirmation #$row ?, a gain of $gain over ${over%.*}\.[0-9]+" t | wc -l)" -eq 2 ]
	grep -qF "Promotion: promoted" t
	# another run of the promoted configuration takes nothing away
	forge promoted/ledger set "$(($(wc -l < promoted/ledger/ledger.jsonl)))" 'promotion.artifact_sha256="'"$(printf %064d 7)"'"'
	hg-report -o p.html promoted/ledger
	grep -qF "Promotion: promoted" <(text p.html)
	# a later promotion takes its place, and says so
	forge promoted/ledger promote "$run"
	hg-report -o p.html promoted/ledger
	grep -qE 'It stood until the promotion in #[0-9]+' <(text p.html)
	[ "$(grep -o 'class="badge">promoted' p.html | wc -l)" -eq 3 ]
}

@test "a plan that was given up is abandoned after so many of its runs, and neither noise nor uncalibrated" {
	hg-report -o p.html "$F/night/ledger"
	page form p.html
	text p.html > t
	grep -qE 'abandoned after 3 of at most 48 runs; 1 of [0-9]+ failures spent' t
	grep -qE 'Out: #[0-9]+ the confirmation of good, given up;' t
	"$PYTHON" - p.html <<-'END'
	import re, sys
	text = open(sys.argv[1]).read()
	row = re.search(r'<section id="confirmations".*?<tr id="r\d+">(.*?)</tr>', text, re.S).group(1)
	assert "noise" not in row and "uncalibrated" not in row and "#m7" in row, row
	chart = re.search(r'class="chart".*?</figure>', text, re.S).group(0)
	# in the strip, and no stretch after it is hatched as if the noise had become unknown
	assert re.search(r'href="#m7" class="k7" x="[^"]*" y="316"', chart)
	hatched = [float(x) + float(w) for x, w in re.findall(r'class="unknown" x="([0-9.]+)%" y="\d+" width="([0-9.]+)%"', chart)]
	assert len(hatched) == 1 and hatched[0] < 60, hatched
	END
	# nothing was concluded, so the challenger is not called no better
	grep -qF 'Tried so far: 2 other configurations; 2 not judged' t
	[ "$(page numbers p.html "$F/night/ledger")" -eq "$(hg-ledger list -j "$F/night/ledger" | wc -l)" ]
}

@test "a page tells of pairs: odds so far and wanted, failures spent, runs that came to nothing, and who waits for a second run" {
	cp -a "$F/night" pairs
	# It looked good once.
	scored pairs/runs/once 2.25 train.matrix_lr=0.01
	hg-report -o p.html pairs/ledger
	page form p.html
	text p.html | sed 's/\xc2\xa0/ /g' > t
	grep -qE '1 configuration that looked good once waits for a second run, the last once \( #[0-9]+ ?\): hg-confirm [^ ]*/ledger [^ ]*/runs/once ' t
	grep -qF 'noise worth a second run; waits for a second run' t
	grep -qF 'Tried so far: 3 other configurations; 1 waiting for a second run, 2 not judged.' t
	grep -qE 'Campaign “first” has spent 1 of its [0-9]+ failures; a confirmation that shows an improvement spends none' t
	[ "$(page numbers p.html pairs/ledger)" -eq "$(hg-ledger list -j pairs/ledger | wc -l)" ]
	# Another campaign, in which one run is refused and another diverges.
	jq '.campaign.name = "second"' pairs/ledger/policy.json > policy && cp policy pairs/ledger/policy.json
	scored pairs/runs/once.2 2.25 train.matrix_lr=0.01 seed=9
	hg-report -o p.html pairs/ledger
	text p.html > t
	run ! grep -qE 'wait[a-z]* for a second run' t
	[ "$(grep -o '<div class="sub">mean of 2 runs</div>' p.html | wc -l)" -eq 2 ]
	hg-ledger plan pairs/ledger pairs/runs/once.2 > plan
	slot pairs p.1 2.31 refuse=train:out_of_memory
	slot pairs p.2 2.302
	slot pairs p.3 2.305
	hg-report -o p.html pairs/ledger
	text p.html | sed 's/\xc2\xa0/ /g' > t
	grep -qE "Finish the confirmation The plan for once.2 against base[0-9] has 1 of at most 24 pairs of runs; the odds for a gain are [0-9.]+ to 1( against it)?; it is confirmed at [0-9,]+ to 1, and ends as soon as the odds decide" t
	grep -qE 'has spent 1 of its [0-9]+ failures, the open one counted; .* The 2 campaigns of this ledger have spent levels of 0.00[0-9]+ in all' t
	grep -qE 'once.2 against base[0-9]+, 2 of at most 48 runs are in' t
	[ "$(hg-ledger next pairs/ledger | cut -f 3)" = challenger ] || slot pairs p.4 2.304
	slot pairs p.5 2.31 refuse=train:loss_diverged
	hg-report -o p.html pairs/ledger
	page form p.html
	text p.html > t
	grep -qE 'regression a run of it diverged; 1 of [0-9]+ failures spent nothing was compared' t
	grep -qE '(1 \+ 2 runs|1 pair); 2 runs came to nothing' t
	grep -qE 'Out: (#[0-9]+ [^;]*; )?#[0-9]+ the confirmation of once.2, a run of it diverged' t
	grep -qE 'Tried so far: 3 other configurations; 1 worse, 2 not judged' t
}

@test "a list tells of pairs as the page does: pairs and odds before what differs by key, and who waits for a second run" {
	local row
	hg-ledger list "$F/plain/ledger" > listed
	hg-report -o p.html "$F/plain/ledger"
	text p.html | sed 's/\xc2\xa0/ /g' > t
	[ "$(grep -c '(confirmation) ' listed)" -ge 2 ]
	for row in $(sed -n 's/^ *\([0-9]*\)  (confirmation) .*/\1/p' listed); do
		grep -E "^ *$row " listed |
		    grep -oE 'Z  [0-9]+ pairs, [0-9,]+ to 1; [a-z_]+\.[a-z_]+ [^ ]+ -> .*$' | sed 's/^Z  //' > line
		# the same, by the row and on the page
		grep -qF "$(cut -d ';' -f 1 line | sed 's/.*, \([0-9]\)/\1/') asked for" t
		hg-ledger show "$F/plain/ledger" "$row" | jq -r '"\(.verdict.runs) pairs, "' > want
		grep -qF "$(cat want)" line
		hg-ledger show "$F/plain/ledger" "$row" | jq -r .verdict.text | grep -qF "differs from the incumbent: $(sed 's/.*; //' line)"
	done
	# slots are compared with nothing; a second run's score is its own, and its delta that of both
	[ "$(grep -c 'noise: slot ' listed)" -gt 5 ]
	[ "$(grep -c 'noise: slot ' listed)" -eq "$(grep -cE 'noise: slot +[0-9.]+ +- ' listed)" ]
	hg-ledger list -j "$F/plain/ledger" | jq -r 'select(.verdict.reason == "promising") | [.row, .run.metrics.val_bpb, .verdict.delta] | @tsv' |
	while read -r row score delta; do
		grep -qE "^ *$row .* $(printf '%.5f +%.5f' "$score" "$delta") .*\(delta: mean of 2 runs\)$" listed
	done
	# who waits stands below, until the second run is in
	cp -a "$F/night" waits
	scored waits/runs/once 2.25 train.matrix_lr=0.01
	row=$(hg-ledger list -j waits/ledger | tail -n 1 | jq .row)
	COLUMNS=100 hg-ledger list -s waits/ledger > drawn
	grep -A 1 -x 'wait for a second run: 1' drawn | grep -qE "^ +$row  once *$"
	scored waits/runs/once.2 2.25 train.matrix_lr=0.01 seed=9
	run ! grep -q 'second run' <(hg-ledger list -s waits/ledger)
}

@test "a run that the law sets aside stands in the strip with its reason, and is no evidence in the picture" {
	local row
	hg-report -o p.html "$F/night/ledger"
	row=$(jq 'select(.verdict.reason == "starved").row' "$F/night/ledger/ledger.jsonl")
	grep -q "href=\"#m6\" class=\"k6\" x=\"[0-9.]*%\" y=\"316\"><title>#$row starved" p.html
	text p.html > t
	grep -qF "Out: " t
	grep -qE "#$row ? starved, the machine was busy" t
	grep -qE 'noise set aside: the machine was busy' t
	# nor does its score, lower than all, stretch the scale, or pass for the best of all
	run ! grep -qE '<text x="50" y="[0-9.]*" dy=".35em">(1\.9|2\.0|2\.1)' p.html
	grep -qE "1 better-looking score does not count; the best of them, 1.90000 by starved \( ?#$row ?\), is set aside: the machine was busy" t
}

# bats test_tags=b11
@test "each eval law has a group of its own, with its incumbent, and says how the text is cut" {
	local mode n=0
	mkdir laws
	for mode in sliding:32 documents ttt:32:0.5 ttt:32:1 non_overlapping; do
		scored laws/runs/m$((n += 1)) 2.$((9 - n)) "eval.mode=$mode"
	done
	[ "$(jq -s 'map(select(.run).run.group_sha256) | unique | length' laws/ledger/ledger.jsonl)" = 5 ]
	[ "$(jq -s 'map(select(.verdict.reason == "first")) | length' laws/ledger/ledger.jsonl)" = 5 ]
	hg-report -o p.html laws/ledger
	text p.html > t
	grep -qF "windows moved by 32 of 64 tokens, all documents" t
	grep -qF "each document by itself, windows of 64 tokens, all documents" t
	grep -qF "each document by itself, trained on chunks of 32 at 0.5, windows of 64 tokens, all documents" t
	grep -qF "each document by itself, trained on chunks of 32 at 1, windows of 64 tokens, all documents" t
}

@test "a group is named by its data, eval law, backend, lane and cap, its digest beside that" {
	local run group
	mkdir groups
	scored groups/runs/a 2.3
	scored groups/runs/b 2.3 raw=b eval.docs=20 'data.dir='"$F/data-ba"
	hg-report -o p.html groups/ledger
	page form p.html
	text p.html > t
	group=$(jq -r 'select(.run.run_id == "b").run.group_sha256' groups/ledger/ledger.jsonl | cut -c 1-8)
	grep -qE "data-ba, windows of 64 tokens, first 20 documents $group ?, judged last backend ref, lane default, cap 60 s" t
	grep -qF "data-aa, windows of 64 tokens, all documents" t
	# rows of an earlier version know no names
	rm -r groups/runs
	forge groups/ledger set 3 run.settings=null run.data_name=null run.backend=null
	hg-report -o p.html groups/ledger
	run=$(jq -r 'select(.row == 3).run | .data_sha256[:8], .eval_sha256[:8]' groups/ledger/ledger.jsonl | tr '\n' ' ')
	grep -qE "data ${run% * } ?, eval law ${run#* }" <(text p.html)
}

@test "what differs is named by key with both values, and by the verdict's words where rows do not know keys" {
	local row
	cp -a "$F/night" n
	hg-report -o p.html n/ledger
	row=$(jq 'select(.run.run_id == "good").row' n/ledger/ledger.jsonl)
	text p.html > t
	# in the table, in the confirmation and in what was said of it
	[ "$(grep -oE 'against #[0-9]+ ?: train.matrix_lr 0.04 -> 0.02' t | wc -l)" -ge 3 ]
	grep -qF 'train.schedule iterations -> wallclock' t
	rm -r n/runs
	forge n/ledger set "$row" run.settings=null
	hg-report -o p.html n/ledger
	"$PYTHON" - p.html "$row" <<-'END'
	import re, sys
	row = re.search(rf'<tr id="r{sys.argv[2]}">(.*?)</tr>', open(sys.argv[1]).read(), re.S).group(1)
	assert 'differs in model<' in row and 'matrix_lr' not in row, row
	END
}

@test "the incumbent's runs of a confirmation bear the incumbent's name, its side and their slot" {
	"$PYTHON" - "$F/night/ledger/ledger.jsonl" > want <<-'END'
	import json, sys
	rows = [json.loads(line) for line in open(sys.argv[1])]
	plan = [r for r in rows if r["kind"] == "plan"][-1]["plan"]
	for r in rows:
	    if r["kind"] == "run" and r["verdict"]["reason"] == "slot":
	        side, = [s for s in ("challenger", "incumbent") if plan[s]["config_sha256"] == r["run"]["config_sha256"]]
	        i, = [i for i, s in enumerate(plan["slots"]) if s["seed"] == r["run"]["seed"] and s["side"] == side]
	        print(f'{plan[side]["run_id"]} {side}\'s side, pair {i // 2 + 1} of at most 24 made as {r["run"]["run_id"]}')
	END
	[ "$(grep -c "^base[1-5] incumbent's" want)" -gt 0 ]
	[ "$(wc -l < want)" -eq 3 ]
	hg-report -o p.html "$F/night/ledger"
	# the last of them is the incumbent's last run, and has that badge
	text p.html | sed 's/ incumbent incumbent/ incumbent/' > t
	while read -r line; do
		grep -qF "$line" t || { echo "$line" >&2; false; }
	done < want
	# nowhere as the challenger's: neither in the picture nor at the top
	run ! grep -qE "<title>#[0-9]+ good.p" p.html
	run ! grep -qE "the last of them is good" t
}

@test "each loss curve lies over the incumbent's, which is labelled, on one scale of steps" {
	local row name
	hg-report -o p.html "$F/plain/ledger"
	text p.html > t
	row=$(hg-ledger incumbent -j "$F/plain/ledger" | jq .row)
	name=$(jq -r "select(.row == $row).run.run_id" "$F/plain/ledger/ledger.jsonl")
	# six curves, one of them the incumbent's own
	[ "$(grep -o 'class="under"' p.html | wc -l)" -eq 5 ]
	[ "$(grep -oE "incumbent ${name%.*}\.[0-9]+ #$row" t | wc -l)" -eq 5 ]
	[ "$(grep -o "It is the incumbent's own" t | wc -l)" -eq 1 ]
	[ "$(sed -n '/<div class="curves">/,/<\/section>/p' p.html | grep -o '>steps</text>' | wc -l)" -eq 6 ]
	# one of another tokenizer is compared with nobody, and one whose incumbent's files are gone says so
	cp -a "$F/plain" other
	rm -r "other/runs/$(jq -r "select(.row == $row).run.run_id" other/ledger/ledger.jsonl)"
	hg-report -o p.html other/ledger
	run ! grep -q 'class="under"' p.html
	[ "$(grep -oE "incumbent ${name%.*}\.[0-9]+ #$row ?: no curve, its files are no longer there" <(text p.html) | wc -l)" -eq 5 ]
}

@test "what was tried stands by key with values, runs, best scores and what became of them, and is drawn where it belongs" {
	local lr
	hg-report -o p.html "$F/plain/ledger"
	[ "$(page tried p.html "$F/plain/ledger" "$HG_TOP/contracts/spec.json")" -ge 8 ]
	# values that span more than 30 times, a key with a unit, one that is no number; without any run's directory
	mkdir wide
	for lr in 0.04 0.001 0.01 0.02 0.2; do
		scored "wide/runs/lr$lr" "2.3${lr#0.}" train.matrix_lr=$lr
	done
	scored wide/runs/iters 2.31 train.iterations=150
	scored wide/runs/arith 2.32 train.arith=bf16
	scored wide/runs/refused 2.1 train.matrix_lr=0.2 seed=5 refuse=train:loss_diverged
	scored wide/runs/starved 1.9 train.matrix_lr=0.01 starved=yes train.schedule=wallclock train.warmdown_frac=0.4
	rm -rf wide/runs
	hg-report -o p.html wide/ledger
	page form p.html
	[ "$(page tried p.html wide/ledger "$HG_TOP/contracts/spec.json")" -eq 4 ]
	[ "$(sed -n '/<b>train.matrix_lr</,/<table>/p' p.html | grep -o '>logarithmic<')" = '>logarithmic<' ]
	[ "$(sed -n '/<b>train.iterations</,/<table>/p' p.html | grep -o '>steps<')" = '>steps<' ]
	text p.html > t
	grep -qE '0\.2 2 1 by this key alone 1 out' t
	# one axis at a time: what differs between two groups is no key that was tried in either
	hg-report -o p.html "$F/many/ledger"
	page form p.html
	[ "$(grep -o '<div class="keys">' p.html | wc -l)" -eq 3 ]
	# nobody tried anything, or nobody knows what
	mkdir one
	scored one/runs/a 2.3
	hg-report -o p.html one/ledger
	run ! grep -qF 'key by key' p.html
}

@test "a search with as many values as runs makes no absurd page: columns in the pictures, and the best values in the tables" {
	mkdir search
	"$HG_T/tools/campaign" -n 400 search/ledger
	hg-report -o before.html search/ledger
	forge search/ledger search 3
	hg-report -o p.html search/ledger 2> differs
	page form p.html
	run ! grep -qE '="-?(nan|inf)' p.html
	[ "$(stat -c %s p.html)" -lt "$((2 * $(stat -c %s before.html)))" ]
	"$PYTHON" - p.html search/ledger/ledger.jsonl <<-'END'
	import json, re, sys
	text = open(sys.argv[1]).read()
	runs = [r for r in map(json.loads, open(sys.argv[2])) if r["kind"] == "run"]
	figures = dict(re.findall(r'<figure class="key"><figcaption><b>([^<]*)</b>(.*?)</figure>', text, re.S))
	for key, logs in (("train.matrix_lr", True), ("train.muon_momentum", False), ("train.iterations", True)):
	    body = figures[key]
	    values = {r["run"]["settings"].get(key) for r in runs[5:]}
	    rows = re.findall(r'<th scope="row"><code>([^<]*)</code>', body)
	    assert len(rows) == 16 and f"{len(values) + 1 - 16} more values, none with a better score." in body, (key, len(rows))
	    assert "<use " not in body and 1 < body.count('class="median"') <= 100, key
	    assert ("logarithmic" in body) == logs
	    have = [float(x) for x in re.findall(r'<data value="([^"]*)">', body)]
	    scores = sorted(r["run"]["metrics"]["val_bpb"] for r in runs if r["verdict"]["class"] not in ("blocked", "invalid"))
	    assert min(have) == scores[0] and set(scores[:11]) <= set(have), (key, have)
	# from one end of the numbers to the other
	for key in ("model.rope_base", "train.scalar_lr"):
	    xs = {float(x) for x in re.findall(r'class="median" r="[0-9.]*" cx="([0-9.]+)%"', figures[key])}
	    assert {4, 96} <= xs and len(xs) in (3, 4), (key, xs)
	END
}

@test "a page says which run is at work where the ledger's runs lie, as hg-active does, and nothing where none is" {
	local pid text
	export DATA=$PWD/data HOMEGOLF_LANES=$PWD/lanes
	tiny_data data 2> said
	mkdir runs
	tiny_spec runs/a
	hg-run -l ledger runs/a 2> said
	hg-report -o p.html ledger
	! grep -q "Running now" p.html || false
	tiny_spec runs/b train.iterations=1000000
	hg-train runs/b 2> said 3>&- &
	pid=$!
	until_true 30 grep -qs '"phase": "train"' runs/b/train_status.json
	hg-report -o p.html ledger
	kill "$pid"
	wait "$pid" || :
	grep -qE 'Running now: [^ ]* [^ ]*runs/b training train, [0-9]+ of 1000000' <(text p.html) || { text p.html | grep -o 'Running.*' >&2; cat said >&2; false; }
	hg-report -o p.html ledger
	! grep -q "Running now" p.html || false
	# Of another host's process nobody here holds the lock, nor of one that is dead: that one has an hour yet.
	tiny_spec runs/c
	for text in "00000000-0000-0000-0000-000000000000 host=elsewhere" "$(cat /proc/sys/kernel/random/boot_id) host=$(uname -n)"; do
		printf '%-511s\n' "homegolf.lock.v1 pid=4194304 start=1 worker=0 worker_start=0 boot=$text attempt=1 deadline_boot_ms=1 deadline_at=$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%S.000Z) started_at=2026-01-01T00:00:00.000Z" > runs/c/train.lock
		hg-report -o p.html ledger
		case $text in
		*elsewhere) grep -q 'Running now: .*runs/c ' <(text p.html) || { text p.html | grep -o 'Running.*' >&2; false; } ;;
		*) ! grep -q "Running now" p.html || false ;;
		esac
	done
}

@test "a page says what a campaign cost in runs and hours, what that went into, and what each find cost" {
	local row
	hg-report -o p.html "$F/plain/ledger"
	[ "$(page cost p.html "$F/plain/ledger")" -ge 2 ]
	hg-report -o p.html "$F/many/ledger"
	[ "$(page cost p.html "$F/many/ledger")" -ge 3 ]
	# runs that a plan asked for, one that was starved, and no find
	hg-report -o p.html "$F/night/ledger"
	[ "$(page cost p.html "$F/night/ledger")" -eq 0 ]
	grep -qE 'Cost so far: 11 runs, .* None found yet\.' <(text p.html)
	# unlike costs, and one that no row knows
	cp -a "$F/plain" uneven
	for row in $(jq 'select(.kind == "run").row' uneven/ledger/ledger.jsonl | sed -n '3p;9p;20p;41p'); do
		forge uneven/ledger set $row "run.cost_ms=$((row * 1234567))"
	done
	hg-report -o p.html uneven/ledger
	[ "$(page cost p.html uneven/ledger)" -ge 2 ]
	hg-report -o one.html "$F/plain/ledger"
	forge uneven/ledger set "$row" run.cost_ms=null
	hg-report -o p.html uneven/ledger
	[ "$(page cost p.html uneven/ledger)" -ge 2 ]
	grep -qF ', the time of 1 not known' p.html
	run ! cmp -s <(grep -o 'class="spent"[^>]*' p.html) <(grep -o 'class="spent"[^>]*' one.html)
	mkdir none
	"$HG_T/tools/campaign" -n 0 none/ledger
	hg-report -o p.html none/ledger
	run ! grep -qF 'id="cost"' p.html
}

@test "the same ledger at the same time is the same page, and -o replaces a page whole" {
	hg-report "$F/plain/ledger" > one
	hg-report -o two "$F/plain/ledger"
	cmp one two
	hg-report -o two "$F/many/ledger"
	run ! cmp -s one two
	[ "$(find . -name 'two*' | wc -l)" -eq 1 ]
	grep -qF '2027-01-15 08:00 UTC' one
	run --separate-stderr hg-report -o /nonexistent/p.html "$F/plain/ledger"
	[ "$status" -eq 111 ]
	SOURCE_DATE_EPOCH=soon run --separate-stderr hg-report "$F/plain/ledger"
	[ "$status" -eq 100 ]
	run bash -c 'hg-report "$1" > /dev/full' - "$F/plain/ledger"
	[ "$status" -eq 111 ]
}

@test "a page is loaded again only where that was asked for, and then tells of what is open and what is left" {
	local wrong
	cp -a "$F/night" open
	scored open/runs/next 2.22 train.matrix_lr=0.01
	scored open/runs/next.2 2.22 train.matrix_lr=0.01 seed=78
	hg-ledger plan open/ledger open/runs/next > plan
	slot open next.p.1 2.22
	hg-report open/ledger > still.html
	run ! grep -qF 'http-equiv="refresh"' still.html
	hg-report -r 45 -o p.html open/ledger
	page form p.html
	[ "$(grep -o '<meta http-equiv="refresh"[^>]*>' p.html)" = '<meta http-equiv="refresh" content="45">' ]
	[ "$(hg-report -r 1.5m open/ledger | grep -o '<meta http-equiv="refresh"[^>]*>')" = '<meta http-equiv="refresh" content="90">' ]
	# nothing else differs, but that it is said
	diff <(sed '/http-equiv="refresh"/d; s/; loaded again every 45 seconds//' p.html) still.html
	text p.html > t
	grep -qF '2027-01-15 08:00 UTC ; loaded again every 45 seconds' t
	grep -qE 'Finish the confirmation The plan for next against base[0-9] has 0 of at most 24 pairs of runs and one run of another' t
	grep -qE 'One is open: next against base[0-9], 1 of at most 48 runs are in' t
	grep -qE 'has spent 2 of its [0-9]+ failures, the open one counted' t
	for wrong in 0 -1 soon 86401 25h ''; do
		run --separate-stderr hg-report -r "$wrong" open/ledger
		[ "$status" -eq 100 ]
		[ -z "$output" ]
		[[ "$stderr" == *"-r '$wrong' is not a time of up to a day"* ]]
	done
}

@test "a page changes nothing in the ledger or the runs" {
	cp -a "$F/plain" kept
	(cd kept && find . -type f -exec sha256sum {} + | sort) > before
	hg-report -o p.html kept/ledger
	(cd kept && find . -type f -exec sha256sum {} + | sort) | diff before -
	chmod -R a-w kept
	hg-report -o p.html kept/ledger
	chmod -R u+w kept
}

@test "four times the runs take about four times as long, and 4,000 make no absurd page" {
	local i
	mkdir small large
	"$HG_T/tools/campaign" -n 1000 small/ledger
	"$HG_T/tools/campaign" -n 4000 large/ledger
	# instructions of this process, not seconds of a busy machine
	"$PYTHON" - <<-'END'
	import os, resource, subprocess
	def spent(ledger):
	    best = 1e9
	    for i in range(5):
	        before = resource.getrusage(resource.RUSAGE_CHILDREN)
	        subprocess.run(["hg-report", "-o", "p.html", ledger], check=True)
	        after = resource.getrusage(resource.RUSAGE_CHILDREN)
	        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
	    return best
	small, large = spent("small/ledger"), spent("large/ledger")
	assert large < 6 * small, (small, large)
	END
	hg-report -o large.html large/ledger
	page form large.html
	[ "$(stat -c %s large.html)" -lt 2000000 ]
	grep -qF 'older runs are left out' large.html
	grep -qF 'a column stands for' large.html
	hg-report -o small.html small/ledger
	[ "$(stat -c %s small.html)" -lt 2000000 ]
	# all its runs, and the last 40 confirmations
	[ "$(page numbers small.html small/ledger)" -eq "$(hg-ledger list -j small/ledger | jq -s '
		map(.kind) | (map(select(. == "run")) | length) + ([40, (map(select(. == "confirmation")) | length)] | min)')" ]
}

@test "in a real browser nothing overflows, at 1280 and 390 pixels, light and dark, nor on a sheet of paper" {
	local width scheme which
	command -v "${CHROMIUM:-chromium}" > /dev/null || skip "no chromium here (CHROMIUM names another)"
	hg-report -o plain.html "$F/plain/ledger"
	hg-report -o many.html "$F/many/ledger"
	cp -a "$F/plain" evil
	forge evil/ledger hostile > count
	hg-report -o evil.html evil/ledger
	for which in plain many evil; do
		for width in 1280 390; do
			for scheme in light dark; do
				timeout 120 "$PYTHON" "$HG_TOP/t/tools/report_look.py" $which.html $width $scheme > look
				[ "$(jq .seen look)" -gt 150 ]
				[ "$(jq .height look)" -gt 1500 ]
			done
		done
		# a sheet of A4 with margins
		sed 's/@media print/@media all/' $which.html > sheet.html
		timeout 120 "$PYTHON" "$HG_TOP/t/tools/report_look.py" sheet.html 680 light > look
		[ "$(jq .seen look)" -gt 150 ]
	done
}
