# What is watched is told as it is: alive, waiting, dead or broken, beside the incumbent, and nothing is changed.
load helper
load fakerun

setup() {
	fakerun_setup
	unset COLUMNS
	export LC_ALL=C
	mkdir runs
	new_run runs/r about.hypothesis='half the rate'
}

# Nothing outlives a test that failed.
teardown() {
	jobs -p | xargs -r kill 2> /dev/null || :
}

complete() {
	local s
	for s in train export prompt score; do
		fakestage "$s" "$1" deliver 2>> log
	done
}

# says CODE WORD RUN: what a look tells, and the code that it ends with.
says() {
	local code=0
	hg-watch -1 "$3" > panel 2> err || code=$?
	[ "$(head -n 1 panel | cut -d ' ' -f 1)" = "$2" ] && [ "$code" -eq "$1" ] ||
	    { echo "$3: $code $(head -n 3 panel), not $1 $2" >&2; cat err >&2; return 1; }
}

# posted STAGE RUN JQ_FILTER: its status file, changed.
posted() {
	jq -c "$3" "$2/$1_status.json" > "$BATS_TEST_TMPDIR/posted"
	cp "$BATS_TEST_TMPDIR/posted" "$2/$1_status.json"
}

# zone_where HOUR: the time zone in which it is now some minutes before HOUR's end.
zone_where() {
	local minutes=$(((10#$(date -u +%H) * 60 + 10#$(date -u +%M) - $1 * 60 - 50 + 2880) % 1440))
	printf 'LOC+%02d:%02d' $((minutes / 60)) $((minutes % 60))
}

# until_is FORMAT: how the time is shown at which run r's lane is free at the latest.
until_is() {
	export TZ
	says 99 waiting runs/r
	tr '\n' ' ' < panel | grep -q "until at the latest $(date -d "$(jq -r .lane.until json)" "+$1"); 0"
}

ago() {
	echo "(now - $1 | strftime(\"%Y-%m-%dT%H:%M:%S.000Z\"))"
}

# bats test_tags=b40
@test "a run that waits, trains, validates, scores, is stale or wedged is told from each other and exits 99" {
	says 99 new runs/r
	fakestage train runs/r progress=3 hang 3>&- &
	pid=$!
	until_true 10 test -e runs/r/train_status.json
	says 99 training runs/r
	grep -q "^half the rate$" panel
	done=$(jq -r '"\(100 * .step / .steps_expected | floor) %  \(.step) of \(.steps_expected) steps"' runs/r/train_status.json)
	grep -q "^\[.*\]  $done$" panel
	grep -q "28,145 tokens/s  ETA 51 s  deadline in " panel
	posted train runs/r '.phase = "warmup" | .step = 1 | .steps_expected = 1'
	says 99 training runs/r
	grep -q 'warmup 1 of 1 steps' panel
	posted train runs/r '.phase = "validate"'
	says 99 validating runs/r
	posted train runs/r ".updated_at = $(ago 5) | .progressed_at = $(ago 5)"
	says 99 validating runs/r
	posted train runs/r ".updated_at = $(ago 100) | .progressed_at = $(ago 100)"
	says 99 stale runs/r
	grep -q "train lives, and made no progress for 1 min 4" panel
	posted train runs/r ".updated_at = $(ago 700) | .progressed_at = $(ago 700)"
	says 99 wedged runs/r
	hg-cancel train runs/r
	exits 102 "$pid"
	hg-retry train runs/r
	fakestage train runs/r deliver
	says 99 waiting runs/r
	grep -q "for somebody to start export: nobody is at work on it" panel
	fakestage export runs/r deliver
	fakestage prompt runs/r hang 3>&- &
	pid=$!
	until_true 10 running prompt runs/r
	says 99 prompting runs/r
	hg-cancel prompt runs/r
	exits 102 "$pid"
	fakestage score runs/r progress=3 hang 3>&- &
	pid=$!
	until_true 10 test -e runs/r/score_status.json
	says 99 scoring runs/r
	grep -q "documents" panel
	hg-cancel score runs/r
	exits 102 "$pid"
}

# bats test_tags=b40
@test "a run that waits for its lane says who has it, since when, and until when at the latest" {
	new_run runs/first
	fakestage -l train runs/first hang 3>&- &
	pid=$!
	until_true 10 running train runs/first
	fakestage -l train runs/r deliver 2> /dev/null 3>&- &
	other=$!
	waits() { hg-status -j runs/r | jq -e '.stages.train.lane' > /dev/null; }
	until_true 10 waits
	says 99 waiting runs/r
	tr '\n' ' ' < panel > line
	holder="process $(owner_of train runs/first), run 'runs/first'"
	time='([0-9-]{10} )?[0-9:]{5,8}'
	grep -qE "for its lane, which $holder has since $time \([0-9]+ s\), until at the latest $time; 0 before it" line
	grep -qE "it waits since $time \([0-9]+ s\)" line
	hg-watch -j -t 0.1 runs/r > json || [ $? -eq 99 ]
	"$HG_T/tools/contract" -1 watch json
	[ "$(jq -r '.lane.holder' json)" = "$holder" ]
	# Where that is another day it is said; where it is today it is not.
	[ "$(jq -r '.left_ms < 10 * 3600 * 1000' json)" = true ]
	TZ=$(zone_where 12) until_is %T
	TZ=$(zone_where 23) until_is '%F %H:%M'
	[ "$(jq -r '.lane.since <= .at and .lane.until > .at' json)" = true ]
	# Nothing is made where there is no lane.
	run -99 env HOMEGOLF_LANES="$PWD/nolanes" hg-watch -1 runs/r
	[ ! -e nolanes ]
	hg-cancel train runs/first
	exits 102 "$pid"
	exits 0 "$other"
}

# bats test_tags=b40
@test "a run that is dead, refused, complete, removed or not to be read is told from each other and from one that waits" {
	fakestage train runs/r hang 3>&- &
	pid=$!
	until_true 10 running train runs/r
	kill -9 "$pid"
	exits 137 "$pid"
	dead() { [ "$(hg-status -j runs/r | jq -r .state)" = dead ]; }
	until_true 10 dead
	says 102 dead runs/r
	run -102 hg-await -t 5 train runs/r
	says 102 refused runs/r
	grep -q "^train refused (owner_died): " panel
	grep -q "^next: hg-run -r " panel
	echo '{"schema": 1' > runs/r/train_refusal.json
	says 103 corrupt runs/r
	rm runs/r/train_refusal.json
	new_run runs/no
	fakestage train runs/no refuse=spec_invalid 2>> log || kind=$?
	says 1 refused runs/no
	new_run runs/c
	complete runs/c
	says 0 complete runs/c
	# What can't be read is corrupt and never that nothing has begun.
	cp runs/c/artifact_score_summary.json kept
	echo '{' > runs/c/artifact_score_summary.json
	says 103 corrupt runs/c
	grep -q artifact_score_summary panel
	cp kept runs/c/artifact_score_summary.json
	says 0 complete runs/c
	cp runs/no/train_refusal.json runs/c/
	says 103 corrupt runs/c
	rm runs/c/train_refusal.json
	new_run runs/bad
	echo '{' > runs/bad/spec.json
	says 103 corrupt runs/bad
	grep -q "spec.json" panel
	new_run runs/live
	fakestage train runs/live progress=1 hang 3>&- &
	pid=$!
	until_true 10 test -e runs/live/train_status.json
	head -c 40 runs/live/train_status.json > half
	cp half runs/live/train_status.json
	says 103 corrupt runs/live
	hg-cancel train runs/live
	exits 102 "$pid"
	run -100 hg-watch -1 runs/nothing
	run -100 hg-watch -1 -l runs/nothing runs/r
	mkdir empty
	says 2 none empty
}

# lines RUN|DIR: watch it from the background, lines to the file watched; its process in $watcher.
lines() {
	hg-watch -t 60 "$1" > watched 2> err 3>&- &
	watcher=$!
}

told() {
	grep -q "$1" watched
}

# bats test_tags=b40
@test "where stdout is no terminal there is a line for each change, and a run that is swapped or removed is told with a word" {
	lines runs/r
	until_true 10 told "runs/r new"
	fakestage train runs/r progress=1 hang 3>&- &
	pid=$!
	until_true 10 told "runs/r training train, "
	# What goes on is no news, nor is a number that changes a little.
	posted train runs/r '.step += 1'
	posted train runs/r '.phase = "validate"'
	until_true 10 told "runs/r validating"
	[ "$(grep -c "training train" watched)" -eq 1 ]
	hg-cancel train runs/r
	exits 102 "$pid"
	exits 102 "$watcher"
	told "runs/r refused train (cancelled): "
	[ ! -s err ]
	# Another run in its place.
	new_run runs/s
	new_run other
	complete other
	lines runs/s
	until_true 10 told "runs/s new"
	mv runs/s gone
	mv other runs/s
	exits 103 "$watcher"
	told "runs/s corrupt.*names another run\|runs/s corrupt"
	mv runs/s other
	mv gone runs/s
	lines runs/s
	until_true 10 told "runs/s new"
	mkdir aside
	new_run aside/s
	mv runs/s gone
	mv aside/s runs/s
	until_true 10 told "another run is 'runs/s' now"
	rm -r runs/s
	exits 1 "$watcher"
	told "runs/s removed"
}

# bats test_tags=b40
@test "of a directory the active run is watched, another as soon as that is, and none where there is none" {
	rm -r runs/r
	lines runs
	until_true 10 told "runs none"
	for run in a b c; do new_run runs/$run; done
	complete runs/a
	until_true 10 told "runs/a complete"
	fakestage train runs/b progress=1 hang 3>&- &
	one=$!
	until_true 10 told "runs/b training"
	fakestage train runs/c progress=1 hang 3>&- &
	two=$!
	until_true 10 told "runs/c training"
	kill -9 "$two"
	exits 137 "$two"
	again() { [ "$(grep -c "runs/b training" watched)" -eq 2 ]; }
	until_true 10 again
	# Between two stages it stays the one that is watched.
	hg-cancel train runs/b
	exits 102 "$one"
	back() { [ "$(grep -c "runs/a complete" watched)" -eq 2 ]; }
	until_true 10 back
	new_run runs/d
	fakestage train runs/d progress=1 nap=2500 deliver 3>&- &
	one=$!
	until_true 10 told "runs/d training"
	exits 0 "$one"
	until_true 10 told "runs/d waiting"
	# For longer than between two looks.
	read -r -t 3 <> <(:) || :
	fakestage export runs/d hang 3>&- &
	one=$!
	until_true 10 told "runs/d exporting"
	back
	hg-cancel export runs/d
	exits 102 "$one"
	rm -r runs
	until_true 10 told "runs removed"
	over() { ! kill -0 "$watcher" 2> /dev/null; }
	until_true 20 over
	exits 1 "$watcher"
}

# rows FROM TO: lines of metrics.
rows() {
	seq "$1" "$2" | awk '{ printf "{\"step\": %d, \"tokens\": %d, \"train_loss\": %.4f, \"lr_scale\": 1, \"grad_norm\": null, ", $1, $1 * 10, 1 + 4 / ($1 + 1)
	    printf "\"wallclock_ms\": %d", 100 * $1 + 100
	    if ($1 % 10 == 9) printf ", \"val_loss\": %.4f, \"val_bpb\": %.4f", 1.5 + 4 / ($1 + 1), 2 + 4 / ($1 + 1)
	    print "}" }'
}

# best_is LOSS VALIDATION: what a look at the run's metrics tells.
best_is() {
	hg-watch -1 runs/r > panel || [ $? -eq 99 ]
	grep -q "best $1  validation $2 " panel
}

# bats test_tags=b41
@test "losses are those of whole lines, followed as the file grows, shrinks or is replaced, and the curve has them all" {
	rows 0 99 > runs/r/metrics.jsonl
	best_is 1.0400 1.5400
	grep -q "^training loss by step, 0 to 99  o validation$" panel
	[ "$(sed -n '/^loss/,/^training loss/p' panel | sed '1d; $d' | tr -cd o | wc -c)" -eq 10 ]
	[ "$(grep -c '\*' panel)" -ge 5 ]
	hg-watch -j -t 60 runs/r > json 3>&- &
	watcher=$!
	now() { [ "$(tail -n 1 json | jq -c '[.best_loss, .val_loss, .best_val_loss]')" = "$1" ]; }
	until_true 10 now '[1.04,1.54,1.54]'
	# Half a line is no number yet.
	printf '{"step": 100, "tokens": 1010, "train_loss": 0.5' >> runs/r/metrics.jsonl
	best_is 1.0400 1.5400
	run ! grep -q "no rows" panel
	printf '25, "lr_scale": 1, "grad_norm": null, "wallclock_ms": 10100}\n' >> runs/r/metrics.jsonl
	until_true 10 now '[0.525,1.54,1.54]'
	# A training that went on from its resume point writes the last steps again.
	rows 0 49 > whole
	cp whole runs/r/metrics.jsonl
	until_true 10 now '[1.08,1.58,1.58]'
	# Another beginning in the same file, however long it has become meanwhile.
	jq -c '.train_loss += 1' <(rows 0 199) > whole
	cp whole runs/r/metrics.jsonl
	until_true 10 now '[2.02,1.52,1.52]'
	rows 0 499 > whole
	mv whole runs/r/metrics.jsonl
	until_true 10 now '[1.008,1.508,1.508]'
	# However long it is.
	rows 500 20009 >> runs/r/metrics.jsonl
	until_true 10 now '[1.0002,1.5002,1.5002]'
	echo 'no row' >> runs/r/metrics.jsonl
	rows 20010 20019 >> runs/r/metrics.jsonl
	until_true 10 now '[1.0002,1.5002,1.5002]'
	best_is 1.0002 1.5002
	grep -q "1 lines of metrics.jsonl are no rows" panel
	"$HG_T/tools/contract" -1 watch json
	kill "$watcher"
	exits 143 "$watcher"
	# A file that is none, or larger than any training writes, is corrupt at once.
	mv runs/r/metrics.jsonl kept
	truncate -s 2T runs/r/metrics.jsonl
	says 103 corrupt runs/r
	rm runs/r/metrics.jsonl
	mkdir runs/r/metrics.jsonl
	says 103 corrupt runs/r
	grep -q "cannot read 'metrics.jsonl': it is a directory" panel
	rmdir runs/r/metrics.jsonl
	mv kept runs/r/metrics.jsonl
	# The last resume point, with its age.
	touch -d '90 seconds ago' runs/r/resume.safetensors
	hg-watch -1 runs/r > panel || [ $? -eq 99 ]
	grep -qE "^resume point 1 min (29|3[0-9]) s ago$" panel
	hg-watch -j -t 0.1 runs/r > json || [ $? -eq 99 ]
	[ "$(jq -r '.resume_at < .at' json)" = true ]
}

# bats test_tags=b41
@test "with a ledger the panel has the incumbent's score, and its loss at this step and at this time, if its files are its row's" {
	tiny_data words
	DATA=$PWD/words
	tiny_spec runs/a train.iterations=30 2>> log
	hg-run -l ledger runs/a >> log 2>&1
	tiny_spec runs/b train.iterations=30 train.seed=7 2>> log
	# As far as half of it, and twice as slow.
	jq -c 'select(.step < 16) | .wallclock_ms *= 2 | .train_loss += 0.25' runs/a/metrics.jsonl > runs/b/metrics.jsonl
	hg-watch -j -l ledger -t 0.1 runs/b > json || [ $? -eq 99 ]
	"$HG_T/tools/contract" -1 watch json
	[ "$(jq -c '.target | [.run, .metric, .runs, .itself, .why]' json)" = '["runs/a","val_bpb",1,false,null]' ]
	[ "$(jq .target.score json)" = "$(jq .val_bpb runs/a/artifact_score_summary.json)" ]
	# A twentieth before the last step is the last step here.
	at() { jq -s "[.[] | select($1)] | last.train_loss" runs/a/metrics.jsonl; }
	ms=$(tail -n 1 runs/b/metrics.jsonl | jq .wallclock_ms)
	mean() { jq -s "[.[] | select(.wallclock_ms <= $ms and .wallclock_ms > 0.95 * $ms) | .train_loss] | add / length" runs/a/metrics.jsonl; }
	near() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a - b < 1e-9 && b - a < 1e-9) }'; }
	near "$(jq .target.loss_at_step json)" "$(at '.step == 15')"
	near "$(jq '.target.mean_loss - .target.loss_at_step' json)" 0.25
	if [ "$(jq -s "last.wallclock_ms >= $ms" runs/a/metrics.jsonl)" = true ]; then
		near "$(jq .target.loss_at_ms json)" "$(mean)"
	fi
	hg-watch -1 -l ledger runs/b > panel || [ $? -eq 99 ]
	grep -qE "^target [0-9.]+ val_bpb  runs/a  \(1 run\)$" panel
	grep -qE "^at this step [0-9.]+  here \+0.2500$" panel
	grep -q "\. incumbent$" panel
	# Beyond its end there is nothing to compare with.
	jq -c '.step += 20' runs/a/metrics.jsonl > runs/b/metrics.jsonl
	hg-watch -j -l ledger -t 0.1 runs/b > json || [ $? -eq 99 ]
	[ "$(jq -c '.target | [.loss_at_step, .loss_at_ms != null, .why]' json)" = '[null,true,null]' ]
	run -99 hg-watch -1 -l ledger runs/b
	[[ $output == *"ended before this step"* ]]
	run -0 hg-watch -1 -l ledger runs/a
	[[ $output == *"runs/a, this very run"* ]]
	# Other data can't be compared.
	run hg-watch -1 -l ledger runs/r
	[[ $output == *"target none: "* ]]
	# What is not what the ledger names is not shown.
	echo >> runs/a/metrics.jsonl
	run hg-watch -1 -l ledger runs/b
	[[ $output == *"no losses of it: its files are not those that the ledger names"* ]]
	[[ $output != *"at this step"* ]]
}

# On a terminal of Python's: size, then what to do with it, as a script that says what the screen was sent.
on_terminal() {
	"$PYTHON" - "$@" 3>&- <<-'END'
		import fcntl, os, pty, re, select, signal, struct, sys, termios, time
		run, sizes = sys.argv[1], [tuple(map(int, s.split("x"))) for s in sys.argv[2:]]
		pid, fd = pty.fork()
		if pid == 0:
		    time.sleep(0.2)
		    os.execvp("hg-watch", ["hg-watch", run])
		def size(s):
		    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", s[1], s[0], 0, 0))
		# All that comes until it has what is waited for, and is a whole frame.
		def read(seconds, what="\0"):
		    out, end = b"", time.time() + seconds
		    while time.time() < end and not (re.search(what, out.decode(errors="replace")) and out.endswith(b"\x1b[J")):
		        if select.select([fd], [], [], 0.05)[0]:
		            try:
		                out += os.read(fd, 65536)
		            except OSError:
		                break
		    return out.decode(errors="replace")
		def frames(text):
		    return [f for f in text.split("\x1b[J") if f.strip()]
		size(sizes[0])
		before = termios.tcgetattr(fd)
		sent = ""
		for s in sizes:
		    size(s)
		    text = read(30, r"\x1b\[[0-9]+A\r" if s == sizes[0] else r"\x1b\[2J")
		    sent += text
		    assert frames(text), (s, text)
		    last = frames(text)[-1]
		    lines = re.sub(r"\x1b\[[0-9]*A\r|\x1b\[H|\x1b\[2J", "", last).split("\x1b[K\r\n")
		    assert lines[-1] == "", lines
		    assert len(lines) - 1 < s[1], (s, lines)
		    # A letter of the hypothesis may take two columns.
		    assert max(sum(2 if ord(c) > 0x2fff else 1 for c in l) for l in lines) <= s[0], (s, lines)
		    assert all(32 <= ord(c) < 127 or os.environ["LC_ALL"] != "C" for l in lines for c in l), lines
		    assert lines[0].startswith("training"), lines
		    print(len(lines) - 1, "lines")
		# Drawn over itself: up as many lines as there were, and no mode is set.
		assert "\x1b[?" not in sent
		assert re.search(r"\x1b\[[0-9]+A\r", sent), repr(sent)
		assert termios.tcgetattr(fd) == before
		os.write(fd, b"\x03")
		end = time.time() + 10
		while (done := os.waitpid(pid, os.WNOHANG)) == (0, 0) and time.time() < end:
		    read(0.1)
		assert os.WIFSIGNALED(done[1]) and os.WTERMSIG(done[1]) == signal.SIGINT, done
		print("ended")
	END
}

# bats test_tags=b41
@test "on a terminal the panel is drawn over itself, fits every size, follows a change of size, and leaves no mode behind" {
	rm -r runs/r
	new_run runs/r about.hypothesis='half the rate, 一半的学习率, and a long reason why that should be so for models as small as this one'
	rows 0 99 > runs/r/metrics.jsonl
	fakestage train runs/r beat 3>&- &
	pid=$!
	until_true 10 test -e runs/r/train_status.json
	(while sleep 0.3; do rows 100 101 >> runs/r/metrics.jsonl; done) 3>&- > grown 2>&1 &
	grow=$!
	run -0 on_terminal runs/r 80x24 24x40 120x50 30x8
	[[ $output == *ended ]]
	export LC_ALL=C.UTF-8
	run -0 on_terminal runs 80x24 24x24
	kill "$grow"
	hg-cancel train runs/r
	exits 102 "$pid"
	# Braille where the locale has it.
	hg-watch -1 runs/r > panel || [ $? -eq 102 ]
	grep -q $'\xe2\xa0' panel
	LC_ALL=C hg-watch -1 runs/r > panel || [ $? -eq 102 ]
	run ! env LC_ALL=C grep -q $'[\x80-\xff]' panel
}

@test "nothing that comes from a run reaches the terminal but as plain text" {
	fakestage train runs/r refuse=spec_invalid 2>> log || :
	jq '.detail = "\u001b[31mred\u0007\u202e" | .next = "\u001b]0;title\u0007"' runs/r/train_refusal.json > changed
	cp changed runs/r/train_refusal.json
	for how in -1 -j ''; do
		# shellcheck disable=SC2086
		hg-watch $how runs/r > out 2> err || :
		grep -q "refused" out
		run ! grep -q $'[\x1b\x07]' out err
		run ! grep -q $'\u202e' out err
	done
}

# bats test_tags=b76
@test "hg-watch opens nothing for writing and changes nothing, on a terminal, in a pipe, once, and beside a ledger" {
	[ -z "$HG_SAN" ] || skip "sanitizers and strace exclude each other"
	tiny_data words
	DATA=$PWD/words
	tiny_spec runs/a 2>> log
	hg-run -l ledger runs/a >> log 2>&1
	fakestage -l train runs/r progress=1 hang 3>&- &
	pid=$!
	until_true 10 running train runs/r
	new_run runs/w
	fakestage -l train runs/w deliver 2> /dev/null 3>&- &
	other=$!
	waits() { hg-status -j runs/w | jq -e '.stages.train.lane' > /dev/null; }
	until_true 10 waits
	trace=$BATS_FILE_TMPDIR/trace
	listed() { find runs ledger lanes -printf '%p %i %s %T@ %C@\n' | sort; }
	before=$(listed)
	for how in "-1" "-t 2" "-j -t 2" "-1 -l ledger" "-t 2 -l ledger"; do
		for run in runs runs/r runs/a runs/w; do
			# shellcheck disable=SC2086
			strace -f -o "$trace" hg-watch $how $run > /dev/null 2>&1 || :
			reads_only "$trace"
		done
	done
	script -qec "strace -f -o '$trace' hg-watch -t 2 -l ledger runs" /dev/null > "$BATS_FILE_TMPDIR/screen" || :
	grep -q runs/r "$BATS_FILE_TMPDIR/screen"
	grep -q 'write(1, ' "$trace"
	reads_only "$trace"
	[ "$before" = "$(listed)" ]
	hg-cancel train runs/r
	exits 102 "$pid"
	exits 0 "$other"
}

reads_only() {
	grep -q openat "$1"
	run ! grep -E 'O_(WRONLY|RDWR|CREAT|TRUNC|APPEND)|F_(OFD_)?SETLK' "$1"
	run ! grep -E '^[0-9]+ +(rename|unlink|link|mkdir|rmdir|symlink|f?ch(mod|own)|utime|f?truncate|f?setxattr|mknod)' "$1"
}

@test "of many runs only those are looked into that have changed or are alive" {
	[ -z "$HG_SAN" ] || skip "sanitizers and strace exclude each other"
	rm -r runs/r
	for i in $(seq 40); do new_run "runs/r$i"; done
	fakestage train runs/r7 progress=1 hang 3>&- &
	pid=$!
	until_true 10 running train runs/r7
	strace -f -o trace -e trace=openat hg-watch -t 4 runs > watched 2> err || [ $? -eq 99 ]
	told "runs/r7 training"
	looks=$(grep -c '"runs", O_RDONLY' trace)
	[ "$looks" -ge 2 ]
	# Each once, and then what is watched and one more in turn by every look.
	read=$(grep -c '"spec.json", O_RDONLY' trace)
	[ "$read" -ge 40 ]
	[ "$read" -le $((41 + 2 * looks)) ]
	hg-cancel train runs/r7
	exits 102 "$pid"
}

@test "the words of hg-watch(1) and of the contract are the same, and so are those that a program sees and a person" {
	mandoc -T ascii -O width=100 "$HG_TOP/man/hg-watch.1" | col -bx |
	    awk '/^WORDS/ { on = 1; next } /^     All/ { on = 0 } on' | sed -n 's/^     \([a-z]\)/\1/p' |
	    sed 's/   .*//; s/, /\n/g' | sort > page
	jq -r '.properties.word.enum[]' "$HG_TOP/contracts/watch.json" | sort > contract
	[ "$(wc -l < contract)" -eq 16 ]
	diff contract page
}
