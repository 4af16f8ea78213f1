load helper
load fakerun

setup() {
	fakerun_setup
	fake_tools
	new_run r
}

@test "hg-run drives a run to its end, and asked again changes nothing" {
	run -0 hg-run r
	[[ $output == *"r    complete"* ]]
	[ "$(key r/summary.json .state)" = complete ]
	before=$(sha256sum r/*.json | grep -v summary)
	run -0 hg-run r
	[ "$before" = "$(sha256sum r/*.json | grep -v summary)" ]
}

@test "hg-run -d scores detached and waits for it" {
	run -0 hg-run -d r
	[ -e r/score.log ]
	[ "$(key r/summary.json .score)" = closed_out ]
}

@test "hg-run -l classifies, then adds to the ledger, behind the gate" {
	run -0 hg-run -l ledger r
	[ "$(cat calls)" = "classified ledger r
ledger add ledger r" ]
	new_run s
	run -0 hg-run s
	rm s/checkpoint.safetensors calls
	run -2 hg-run -l ledger s
	[[ $output == *"checkpoint.safetensors: missing"* ]]
	run ! grep classified calls
}

# bats test_tags=b17,b19
@test "a refusal ends hg-run with its code and shows what to type next" {
	echo signal=9 > r/export.words
	run -102 hg-run r
	[[ $output == *"worker_signalled"*"next: hg-run -r $(realpath r)"* ]]
	[ "$(key r/summary.json .train)" = closed_out ]
	[ "$(key r/summary.json .export)" = refused ]
	run -102 hg-run r
	new_run s
	echo refuse=loss_diverged > s/train.words
	run -1 hg-run s
}

# bats test_tags=b17
@test "a prompt that fails does not stop scoring" {
	echo exit=3 > r/prompt.words
	run -0 hg-run r
	[ -e r/prompt_refusal.json ] && [ -e r/artifact_score_summary.json ]
}

@test "hg-run -r tries refused stages again, once" {
	printf 'signal=9\nsignal=11\n' > r/export.words
	run -102 hg-run r
	run -102 hg-run -r r
	[ "$(key r/export_refusal.json .observed.signal)" = 11 ]
	[ "$(key r/export_refusal.json .attempt)" = 2 ]
	run -0 hg-run -r r
	[ "$(ls r/attempts | tr '\n' ' ')" = "export.1 export.2 " ]
	[ "$(key r/export_report.json .attempt)" = 3 ]
}

@test "hg-run -a tries that attempt again and no other, and with -i only what was interrupted" {
	printf 'signal=9\nsignal=9\nrefuse=out_of_memory\n' > r/train.words
	run -102 hg-run r
	run -102 hg-run -a train.1 r
	[ "$(key r/train_refusal.json .attempt)" = 2 ]
	run -1 hg-run -a train.1 r
	[[ $output == *"train of 'r' is refused in attempt 2, and not in 1 any more"* ]]
	[ "$(key r/train_refusal.json .attempt)" = 2 ]
	run -102 hg-run -a train.2 r
	run -102 hg-run -i -a train.3 r
	[[ $output == *"was refused for more than an interruption"* ]]
	[ "$(key r/train_refusal.json .attempt)" = 3 ]
	# What is refused later in the same run is for another look, and what is not refused is gone on with.
	printf 'signal=9\n' > r/score.words
	run -102 hg-run -a train.3 r
	[ "$(key r/score_refusal.json .attempt)" = 1 ]
	run -0 hg-run -a score.1 r
	run -0 hg-run -a score.1 r
	for a in train train. .1 train.0 train.x ''; do
		run -100 hg-run -a "$a" r
	done
	run -100 hg-run -r -a train.1 r
}

@test "hg-run -r tries a refused prompt again" {
	echo exit=3 > r/prompt.words
	run -0 hg-run r
	run -0 hg-run -r r
	[ -e r/prompt_report.json ] && [ -e r/attempts/prompt.1/prompt_refusal.json ]
}

# bats test_tags=b4,b17
@test "hg-run -r closes out a prompt that died and tries it again" {
	fakestage train r deliver
	fakestage export r deliver
	fakestage prompt r hang 3>&- &
	pid=$!
	until_true 10 running prompt r
	kill -9 "$pid"
	exits 137 "$pid"
	run -0 hg-run -r r
	[ "$(key r/attempts/prompt.1/prompt_refusal.json .kind)" = owner_died ]
	[ "$(key r/prompt_report.json .attempt)" = 2 ]
	[ "$(key r/summary.json .state)" = complete ]
}

# bats test_tags=b4,b49
@test "hg-run finds a dead trainer, closes it out, and goes on when told to" {
	fakestage train r write=checkpoint.safetensors hang 3>&- &
	pid=$!
	until_true 10 running train r
	kill -9 "$pid"
	exits 137 "$pid"
	run -102 hg-run r
	[ "$(key r/train_refusal.json .kind)" = owner_died ]
	[ ! -e r/checkpoint.safetensors ]
	run -0 hg-run -r r
}

# bats test_tags=b49
@test "a driver killed at any moment is continued by the next" {
	local wait
	for wait in 0.02 0.05 0.1 0.15 0.2 0.3; do
		rm -rf k
		new_run k
		echo nap=50 deliver > k/train.words
		hg-run k > out 2>&1 3>&- &
		pid=$!
		read -r -t $wait <> <(:) || :
		kill -9 "$pid" 2> /dev/null || :
		wait "$pid" || :
		run -0 hg-run k
	done
}

@test "two drivers of one run end with the same receipts" {
	hg-run r > a 2>&1 3>&- &
	first=$!
	hg-run r > b 2>&1 3>&- &
	second=$!
	exits 0 "$first"
	exits 0 "$second"
	run ls r
	[[ $output != *refusal* ]]
}

@test "hg-run says what is wrong with its command line" {
	run -100 hg-run
	run -100 hg-run r s
	run -100 hg-run -x r
	run -100 hg-run -r -r r
	run -100 hg-run -l
	run -100 hg-run nothing
	run -100 hg-run -- -r
}

@test "hg-run tells a refusal once: by the stage that it ran, or by hg-await" {
	echo signal=9 > r/export.words
	run -102 hg-run r
	[ "$(grep -c 'export of .* was refused' <<< "$output")" -eq 1 ]
	run -102 hg-run r
	[ "$(grep -c 'export of .* was refused' <<< "$output")" -eq 1 ]
	new_run d
	echo signal=9 > d/score.words
	run -102 hg-run -d d
	[ "$(grep -c 'score of .* was refused' <<< "$output")" -eq 1 ]
}

# bats test_tags=b19
@test "a tool that is killed, or can't start, is the system's failure to hg-run, and a full disk under its output, too" {
	run -0 hg-run r
	mkdir bad
	printf '#!/bin/sh\nkill -9 $$\n' > bad/hg-status
	chmod +x bad/hg-status
	PATH=$PWD/bad:$PATH run -111 hg-run r
	echo 'exit 127' > bad/hg-status
	PATH=$PWD/bad:$PATH run -111 hg-run r
	run -111 sh -c 'hg-run r > /dev/full'
	run -111 sh -c 'hg-run -h > /dev/full'
}

# bats test_tags=b1,b19
@test "hg-run reports the refusal of a trainer that was killed under it" {
	echo hang > r/train.words
	hg-run r > out 2>&1 3>&- &
	pid=$!
	until_true 10 running train r
	kill -9 "$(owner_of train r)"
	exits 102 "$pid"
	[ "$(key r/train_refusal.json .kind)" = owner_died ]
	grep -q 'next: hg-run -r' out
}

# bats test_tags=b4
@test "a corrupt run is told by every tool that would go on, with a way out that works" {
	run -0 hg-run r
	new_run s
	echo refuse=loss_diverged > s/train.words
	run -1 hg-run s
	cp s/train_refusal.json r/
	for tool in 'hg-run' 'hg-train' 'hg-await train' 'hg-retry train'; do
		run -103 $tool r
		[[ $output == *"corrupt: both 'training_report.json' and 'train_refusal.json'"*"next: hg-spec -b "* ]]
	done
	run -0 sh -c "${output##*next: }"
	[ "$(key r.2/summary.json .state)" = complete ]
}

# bats test_tags=b19
@test "where no process can be started hg-run is a failure of the system, not pending" {
	[ "$(id -u)" -eq 0 ] || skip "a limit on another user's processes needs root"
	run -111 setpriv --reuid 65534 --clear-groups sh -c 'ulimit -p 0 2> /dev/null || ulimit -u 0; exec hg-run r'
}

@test "hg-run names itself and what makes a run where there is none, and shows no terminal what it would obey" {
	run -100 --separate-stderr hg-run $'no\e[31mthere'
	[ "$stderr" = "hg-run: there is no run 'no?[31mthere'; hg-spec makes one" ]
}

@test "a lane that cannot be made is refused with its reason, said once" {
	: > file
	HOMEGOLF_LANES=$PWD/file/lanes run -102 fakestage -l train r deliver
	[[ $(key r/train_refusal.json .detail) == "cannot make the directory of lanes"*": Not a directory" ]]
	[ "$(key r/train_refusal.json .detail | grep -o 'Not a directory' | wc -l)" -eq 1 ]
}

@test "what a model writes is on standard error, each line after a label, and the state alone on standard output" {
	mv fake/hg-prompt fake/hg-prompt.fake
	cat > fake/hg-prompt <<-END
	#!/bin/sh
	printf 'Document one.\nrow 7: improvement: confirmed\n'
	exec $PWD/fake/hg-prompt.fake "\$@"
	END
	chmod +x fake/hg-prompt
	run -0 --separate-stderr hg-run r
	[[ "${lines[0]}" == "RUN "* ]]
	[ "${#lines[@]}" -eq 2 ]
	[[ "$stderr" == *$'sample: Document one.\nsample: row 7: improvement: confirmed\n'* ]]
}

@test "a refused run that the ledger could not take ends hg-run with the ledger's code, and one that was only interrupted with its own" {
	echo refuse=loss_diverged > r/train.words
	printf '#!/bin/sh\nexit $(cat %s/added)\n' "$PWD" > fake/hg-ledger
	echo 99 > added
	run -99 hg-run -l ledger r
	echo 0 > added
	run -1 hg-run -l ledger r
	echo 2 > added
	run -1 hg-run -l ledger r
}
