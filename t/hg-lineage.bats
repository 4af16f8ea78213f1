# hg-lineage: where a run, a file or a digest comes from, and what is deployable now.
load helper
load judged

# One run from text to row, which tests change copies of.
setup_file() {
	cd "$BATS_FILE_TMPDIR"
	export DATA=$PWD/data HOMEGOLF_LANES=$PWD/lanes
	tiny_data data 2> /dev/null
	mkdir runs
	tiny_spec runs/a
	hg-run -l ledger runs/a > log 2>&1
	tiny_spec runs/b train.seed=2
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	export HOMEGOLF_LANES=$PWD/lanes JUDGED_DATA=$PWD
	cp -a "$BATS_FILE_TMPDIR/runs" "$BATS_FILE_TMPDIR/ledger" "$BATS_FILE_TMPDIR/data" .
	L=$PWD/ledger
}

# states: "LINK STATE", a line each, of the last output of -j
states() {
	jq -r '.links[] | "\(.link) \(.state)"' <<< "$output"
}

# link NAME STATE CODE: hg-lineage of runs/a has that link in that state, and exits so
link() {
	run --separate-stderr hg-lineage -j -l ledger runs/a
	[ "$status" -eq "$3" ] || { echo "exit $status: $output $stderr" >&2; false; }
	states | grep -qx "$1 $2" || { states >&2; false; }
}

# row JSON: append a row to the ledger, chained
row() {
	"$PYTHON" - "$L/ledger.jsonl" "$1" <<-'END'
	import hashlib, json, sys
	lines = open(sys.argv[1], "rb").read().splitlines(True)
	row = {"schema": "homegolf.ledger_row.v1", "prev": hashlib.sha256(lines[-1]).hexdigest(), "row": len(lines) + 1,
	       "added_at": "2026-11-28T12:00:00.000Z", **json.loads(sys.argv[2])}
	open(sys.argv[1], "ab").write(json.dumps(row).encode() + b"\n")
	END
}

# sha_of_row N: the digest of a row's line
sha_of_row() {
	sed -n "$1p" "$L/ledger.jsonl" | sha256sum | cut -c1-64
}

# promoted: the run's row, and a promotion of its artifact
promoted() {
	row "$(jq -nc --arg run "$(sha_of_row 2)" --arg artifact "$(jq -r .artifact.sha256 runs/a/export_report.json)" \
	    '{kind: "promotion", promotion: {run_id: "a", run_sha256: $run, artifact_sha256: $artifact}}')"
}

@test "hg-lineage follows a run from its data to its row, link by link, and all is ok" {
	run --separate-stderr hg-lineage -j runs/a
	[ "$status" -eq 0 ] || { echo "$output$stderr" >&2; false; }
	[ -z "$stderr" ]
	echo "$output" > l.json
	"$HG_T/tools/contract" lineage l.json
	[ "$(states | tr '\n' ' ')" = "data ok train_shards ok val_shards ok val_docs ok tokenizer ok spec ok train ok \
checkpoint ok metrics ok export ok artifact ok prompt ok score ok score_report ok score_docs ok row ok " ]
	[ "$(jq -r '.links[] | select(.link == "artifact").sha256' l.json)" = "$(sha256sum < runs/a/artifact.hgz | cut -c1-64)" ]
	[ "$(jq -r '.links[] | select(.link == "row").sha256' l.json)" = "$(sha_of_row 2)" ]
	run --separate-stderr hg-lineage runs/a
	[ "${lines[0]}" = "runs/a: ok" ]
	grep -qE '^ok +artifact +[0-9a-f]{12}  runs/a/artifact.hgz: [0-9]+ bytes$' <<< "$output"
	# A run that has not begun has no more than it has.
	run --separate-stderr hg-lineage -j runs/b
	[ "$status" -eq 0 ] || { echo "$output$stderr" >&2; false; }
	[ "$(states | tail -n 1)" = "spec ok" ]
}

@test "hg-lineage calls altered what has other bytes, missing what is gone, and what rests on it is as it was" {
	cp -a runs/a kept
	local file link
	while read -r file link; do
		rm -rf runs/a
		cp -a kept runs/a
		printf x >> "runs/a/$file"
		link "$link" altered 1
		rm "runs/a/$file"
		link "$link" missing 2
	done <<-'END'
		checkpoint.safetensors checkpoint
		metrics.jsonl metrics
		artifact.hgz artifact
		artifact_score_report.json score_report
		score_docs.tsv score_docs
	END
	# A receipt is known by what later ones, and the row, name it by.
	for file in training export; do
		rm -rf runs/a
		cp -a kept runs/a
		printf ' ' >> "runs/a/${file}_report.json"
		[ $file = training ] && link train altered 1 || link export altered 1
		rm "runs/a/${file}_report.json"
		[ $file = training ] && link train missing 2 || link export missing 2
	done
	rm -rf runs/a
	cp -a kept runs/a
	sed -i 's/"seed": 1337/"seed": 1338/' runs/a/spec.json
	link spec altered 1
	rm -rf runs/a
	cp -a kept runs/a
	rm runs/a/artifact.hgz
	ln -s ../../kept/artifact.hgz runs/a/artifact.hgz
	link artifact altered 1
}

@test "hg-lineage reads the data itself, where it lies now, and names the shard that is not what it was" {
	local shard
	shard=$(jq -r '.train.files[0].path' data/dataset.json)
	DATA=$PWD/data tiny_spec runs/c
	mv data elsewhere
	run --separate-stderr hg-lineage -j runs/c
	[ "$status" -eq 2 ] || { echo "$output$stderr" >&2; false; }
	states | grep -qx 'data missing'
	states | grep -qx 'tokenizer unknown'
	export HOMEGOLF_DATA=$PWD
	run --separate-stderr hg-lineage -j runs/c
	[ "$status" -eq 0 ] || { echo "$output$stderr" >&2; false; }
	[ "$(jq -r '.links[0].file' <<< "$output")" = "$PWD/elsewhere/dataset.json" ]
	printf "\377" | dd of="elsewhere/$shard" bs=1 seek=2001 conv=notrunc status=none
	run --separate-stderr hg-lineage -j runs/c
	[ "$status" -eq 1 ] || { echo "$output$stderr" >&2; false; }
	[ "$(jq -r '.links[] | select(.state == "altered") | "\(.link) \(.file)"' <<< "$output")" = \
	    "train_shards $PWD/elsewhere/$shard" ]
	states | grep -qx 'val_shards ok'
	rm "elsewhere/$shard"
	run --separate-stderr hg-lineage -j runs/c
	[ "$status" -eq 2 ] || { echo "$output$stderr" >&2; false; }
	states | grep -qx 'train_shards missing'
	# other data in its place is not it
	mkdir data
	sed 's/"seed": [a-z0-9]*/"seed": 12345/' elsewhere/dataset.json > data/dataset.json
	rm -r elsewhere
	run --separate-stderr hg-lineage -j runs/c
	[ "$status" -eq 1 ] || { echo "$output$stderr" >&2; false; }
	states | grep -qx 'data altered'
}

# bats test_tags=b78
@test "hg-lineage tells a pruned file from a lost one, in the run itself and where another run began with it" {
	cp -a "$(jq -r .data.dir runs/a/spec.json)" own
	# weights that a run beside it starts from are kept
	mkdir elsewhere
	hg-spec -b runs/a -s data.dir=own -s train.init_from=runs/a/checkpoint.safetensors elsewhere/c
	rm runs/a/ledger_witness.json
	hg-prune runs/a > said 2>&1 || cat said >&2
	[ ! -e runs/a/checkpoint.safetensors ] || { cat said >&2; false; }
	link checkpoint pruned 0
	run --separate-stderr hg-lineage -j elsewhere/c
	[ "$status" -eq 0 ] || { echo "$output$stderr" >&2; false; }
	states | grep -qx 'initial_weights pruned'
	# what another run's list says is nothing to this one
	jq -c '.run_uid = "00000000000000000000000000000000"' runs/a/pruned.json > new
	mv new runs/a/pruned.json
	link checkpoint missing 2
}

@test "a file found anywhere is known by its digest: to the runs that are named, beside it, or in a ledger" {
	local sha
	sha=$(sha256sum < runs/a/artifact.hgz | cut -c1-64)
	mkdir -p far/away
	cp runs/a/artifact.hgz far/away/model
	run --separate-stderr hg-lineage far/away/model
	[ "$status" -eq 2 ] || { echo "$output$stderr" >&2; false; }
	[[ $stderr == *"no run that was looked at knows 'far/away/model' ($sha)"* ]]
	run --separate-stderr hg-lineage far/away/model runs
	[ "$status" -eq 0 ] || { echo "$output$stderr" >&2; false; }
	[ "${lines[0]}" = "runs/a: ${sha:0:12} is export_report.json: artifact.sha256" ]
	run --separate-stderr hg-lineage -j -l ledger far/away/model
	[ "$status" -eq 0 ] || { echo "$output$stderr" >&2; false; }
	[ "$(jq -r '.run, .found.sha256, .found.as' <<< "$output")" = "$PWD/runs/a
$sha
export_report.json: artifact.sha256" ]
	cp runs/a/checkpoint.safetensors runs/weights
	run --separate-stderr hg-lineage runs/weights
	[[ ${lines[0]} == "runs/a: "*" is training_report.json: checkpoint.sha256" ]]
	run --separate-stderr hg-lineage "$sha" runs/b runs/a
	[[ ${lines[0]} == "runs/a: "* ]]
	# as much of it as is shown is enough, in letters of either kind
	run --separate-stderr hg-lineage "$(tr a-f A-F <<< "${sha:0:12}")" runs
	[ "${lines[0]}" = "runs/a: ${sha:0:12} is export_report.json: artifact.sha256" ]
	run -100 hg-lineage "${sha:0:11}" runs
	run --separate-stderr hg-lineage -l ledger "$(sha_of_row 2)"
	[ "${lines[0]}" = "$PWD/runs/a: $(sha_of_row 2 | cut -c1-12) is row 2" ]
	# what the runs of a folder share is said of each, and followed of none
	run --separate-stderr hg-lineage "data/$(jq -r '.val.files[0].path' data/dataset.json)" runs
	[ "$status" -eq 0 ] || { echo "$output$stderr" >&2; false; }
	[ "${#lines[@]}" -eq 2 ]
	[[ ${lines[1]} == "runs/b: "*" is dataset.json: val.files[0].sha256" ]]
	run -100 hg-lineage nothing
	run -100 hg-lineage
	run -100 hg-lineage runs/none
	# what never ends, or ends when another process says so, is not read
	mkfifo never
	run -100 timeout 20 hg-lineage never
	run -100 timeout 20 hg-lineage /dev/zero
}

@test "what stands in the place of a receipt, a refusal or a witness is altered, and never missing or ok" {
	local file kind
	for file in training_report.json artifact_score_summary.json export_refusal.json; do
		for kind in fifo link directory; do
			cp -a runs/a kept
			rm -f "runs/a/$file"
			case $kind in
			fifo) mkfifo "runs/a/$file" ;;
			link) ln -s spec.json "runs/a/$file" ;;
			directory) mkdir "runs/a/$file" ;;
			esac
			run -1 --separate-stderr hg-lineage -j runs/a
			jq -es '.[0].state == "altered"' <<< "$output"
			# the tools that ask for the run's state agree
			for tool in "hg-status" "hg-gate last" "hg-prune -n" "hg-ledger add ledger" "hg-ledger missing ledger"; do
				# shellcheck disable=SC2086
				run -103 --separate-stderr $tool runs/a
			done
			run -103 --separate-stderr hg-reap runs
			rm -r runs/a
			mv kept runs/a
		done
	done
	mv runs/a/ledger_witness.json witness
	ln -s ../../witness runs/a/ledger_witness.json
	link row ok 0
	run -1 --separate-stderr hg-lineage -j runs/a
	states | grep -qx 'row altered'
}

@test "a run whose directory is gone is told of by its row" {
	local sha
	sha=$(sha256sum < runs/a/artifact.hgz | cut -c1-64)
	rm -rf runs/a
	run --separate-stderr hg-lineage -j -l ledger "$sha"
	[ "$status" -eq 2 ] || { echo "$output$stderr" >&2; false; }
	[ "$(jq -r .found.as <<< "$output")" = "row 2: artifact_sha256" ]
	states | grep -qx 'artifact missing'
	states | grep -qx 'row ok'
	# by its name, too
	run --separate-stderr hg-lineage -j -l ledger runs/a
	[ "$status" -eq 2 ] || { echo "$output$stderr" >&2; false; }
	[ "$(jq -r .run <<< "$output")" = runs/a ]
	states | grep -qx 'artifact missing'
	run -100 --separate-stderr hg-lineage -l ledger runs/nobody
	run -100 --separate-stderr hg-lineage runs/a
}

@test "a row that is of other files, no row, and a ledger that is not to be found are told apart" {
	sed -i 's/"wallclock_ms": [0-9]*/&1/' runs/a/training_report.json
	link row altered 1
	rm -rf runs/a
	cp -a "$BATS_FILE_TMPDIR/runs/a" runs/a
	run --separate-stderr hg-lineage -j -l ledger runs/b
	[ "$status" -eq 2 ] || { echo "$output$stderr" >&2; false; }
	states | grep -qx 'row unknown'
	mkdir -p elsewhere
	jq -c --arg l "$PWD/gone" '.witnesses[].ledger = $l' runs/a/ledger_witness.json > new
	mv new runs/a/ledger_witness.json
	run --separate-stderr hg-lineage -j runs/a
	[ "$status" -eq 2 ] || { echo "$output$stderr" >&2; false; }
	[[ $(jq -r '.links[-1].detail' <<< "$output") == *"name it by -l" ]]
	sed -i '1s/"policy"/"polics"/' ledger/ledger.jsonl
	link ledger altered 1
}

@test "rows that name a run are its links: take, calibration, confirmation, promotion, revocation, note" {
	row "$(jq -c '{kind: "take", take: {run_uid, slot: 1}}' runs/a/spec.json)"
	row "$(jq -nc --arg run "$(sha_of_row 2)" '{kind: "calibration", calibration: {runs: [$run]}}')"
	row "$(jq -nc --arg run "$(sha_of_row 2)" '{kind: "confirmation", confirmation: {challenger_runs: [$run]},
	    verdict: {class: "improvement", reason: "confirmed"}}')"
	row "$(jq -nc '{kind: "confirmation", confirmation: {challenger_runs: ["1"], incumbent_runs: ["2"]}}')"
	promoted
	row "$(jq -nc --arg run "$(sha_of_row 2)" '{kind: "note", note: {run_sha256: $run, word: "altered", text: null}}')"
	run --separate-stderr hg-lineage -j -l ledger runs/a
	[ "$status" -eq 0 ] || { echo "$output$stderr" >&2; false; }
	[ "$(states | sed -n '/^row/,$p' | tr '\n' ' ')" = "row ok take ok calibration ok confirmation ok promotion ok note ok " ]
	[ "$(jq -r '.links[] | select(.link == "confirmation").detail' <<< "$output")" = "row 5: improvement: confirmed" ]
}

# bats test_tags=b79
@test "deployable is what is promoted, not revoked nor called altered, and there as it was" {
	run --separate-stderr hg-lineage -d ledger
	[ "$status" -eq 1 ] || { echo "$output$stderr" >&2; false; }
	[[ $stderr == *"no promotion stands"* ]]
	promoted
	run --separate-stderr hg-lineage -d ledger
	[ "$status" -eq 0 ] || { echo "$output$stderr" >&2; false; }
	[ "${lines[0]}" = "a: deployable" ]
	grep -qE "^ok +artifact +[0-9a-f]{12}  $PWD/runs/a/artifact.hgz: " <<< "$output"
	cp runs/a/artifact.hgz kept
	printf x >> runs/a/artifact.hgz
	run --separate-stderr hg-lineage -d ledger
	[ "$status" -eq 1 ] || { echo "$output$stderr" >&2; false; }
	[ "${lines[0]}" = "a: not deployable" ]
	rm runs/a/artifact.hgz
	run --separate-stderr hg-lineage -j -d ledger
	[ "$status" -eq 2 ] || { echo "$output$stderr" >&2; false; }
	[ "$(jq -r .state <<< "$output")" = missing ]
	mv kept runs/a/artifact.hgz
	row "$(jq -nc --arg run "$(sha_of_row 2)" '{kind: "note", note: {run_sha256: $run, word: "altered", text: null}}')"
	run --separate-stderr hg-lineage -d ledger
	[ "$status" -eq 1 ] || { echo "$output$stderr" >&2; false; }
	[ -z "$output" ]
	row "$(jq -nc --arg run "$(sha_of_row 2)" '{kind: "note", note: {run_sha256: $run, word: "cleared", text: null}}')"
	run --separate-stderr hg-lineage -d ledger
	[ "$status" -eq 0 ] || { echo "$output$stderr" >&2; false; }
	row "$(jq -nc --arg run "$(sha_of_row 2)" --arg p "$(sha_of_row 3)" '{kind: "revocation", revocation: {run_sha256: $run,
	    promotion_sha256: $p, text: "another score"}}')"
	run --separate-stderr hg-lineage -d ledger
	[ "$status" -eq 1 ] || { echo "$output$stderr" >&2; false; }
	# promoted or not: only a person ends that
	promoted
	run --separate-stderr hg-lineage -d ledger
	[ "$status" -eq 1 ]
	row "$(jq -nc --arg run "$(sha_of_row 2)" '{kind: "note", note: {run_sha256: $run, word: "cleared", text: null}}')"
	run --separate-stderr hg-lineage -d ledger
	[ "$status" -eq 0 ]
	[ "$(grep -c deployable <<< "$output")" -eq 1 ]
	# a later one of its group takes its place, one of another group does not
	row '{"kind": "promotion", "promotion": {"run_id": "b", "group_sha256": "1", "run_sha256": "1", "artifact_sha256": "2"}}'
	run --separate-stderr hg-lineage -d ledger
	[ "$status" -eq 2 ]
	[ "$(grep deployable <<< "$output")" = $'a: deployable\nb: not deployable' ]
	row '{"kind": "promotion", "promotion": {"run_id": "c", "run_sha256": "1", "artifact_sha256": "2"}}'
	run --separate-stderr hg-lineage -d ledger
	[ "$(grep deployable <<< "$output")" = $'b: not deployable\nc: not deployable' ]
}

@test "a further evaluation is a link, and one of another artifact is altered" {
	hg-score -e window -s eval.seq_len=32 runs/a > /dev/null
	link evaluation ok 0
	jq '.artifact_sha256 = "0000000000000000000000000000000000000000000000000000000000000000"' runs/a/evals/window.json \
	    > runs/a/evals/other.json
	link evaluation altered 1
	[ "$(jq -r '.links[] | select(.link == "evaluation") | .state, .detail' <<< "$output" | head -n 2)" = \
	    $'altered\nits artifact_sha256 is another' ]
}

@test "what runs and ledgers say reaches the terminal as text alone" {
	promoted
	sed -i "\$s/\"a\"/\"a\\\\u001b[31m\"/" ledger/ledger.jsonl
	run --separate-stderr hg-lineage -l ledger runs/a
	[[ $output != *$'\033'* ]]
	run --separate-stderr hg-lineage -d ledger
	[[ $output != *$'\033'* ]]
	[[ ${lines[0]} == 'a\x1b[31m: '* ]]
	run --separate-stderr hg-lineage -j -d ledger
	[[ $output == *'\u001b[31m'* ]]
}

# bats test_tags=b76
@test "hg-lineage opens nothing for writing and changes nothing" {
	[ -z "$HG_SAN" ] || skip "sanitizers and strace exclude each other"
	promoted
	find runs ledger data -type f -exec sha256sum {} + | sort > before
	for arguments in runs/a "-l ledger runs/a/artifact.hgz" "-d ledger"; do
		# shellcheck disable=SC2086
		strace -f -o calls -e trace=%file,ftruncate hg-lineage $arguments > out
		grep -q 'artifact.hgz' calls
		run ! grep -E 'O_WRONLY|O_RDWR|O_CREAT|unlink|rename|mkdir|[^d]link\(|linkat|chmod|ftruncate|utime' calls
	done
	find runs ledger data -type f -exec sha256sum {} + | sort | diff before -
}

@test "attempts before, and the refusal that stands, are links by their kind, and another run's is altered" {
	touch runs/b/train.lock
	jq -c --slurpfile s runs/b/spec.json '.run_id = "b" | .run_uid = $s[0].run_uid | .stage = "train" | .attempt = 1 |
	    .kind = "cancelled"' "$HG_TOP/contracts/refusal.valid/full.json" > refusal
	jq --arg sha "$(sha256sum < runs/b/spec.json | cut -c1-64)" '.spec_sha256 = $sha' refusal > runs/b/train_refusal.json
	run --separate-stderr hg-lineage -j runs/b
	[ "$status" -eq 0 ] || { echo "$output$stderr" >&2; false; }
	[ "$(jq -r '.links[-1] | .link, .state, .detail' <<< "$output")" = $'refusal\nok\ntrain: cancelled' ]
	hg-retry train runs/b > /dev/null
	run --separate-stderr hg-lineage -j runs/b
	[ "$(jq -r '.links[-1] | .link, .state, .file' <<< "$output")" = $'attempt\nok\nruns/b/attempts/train.1/train_refusal.json' ]
	sed -i 's/"run_uid": "./"run_uid": "0/; s/"run_uid": "0\(.*\)."/"run_uid": "0\10"/' runs/b/attempts/train.1/train_refusal.json
	run --separate-stderr hg-lineage -j runs/b
	[ "$status" -eq 1 ]
	states | grep -qx 'attempt altered'
}

@test "a receipt that is bound to another artifact or spec is altered, though its own bytes are what they were" {
	local report=runs/a/artifact_score_report.json summary=runs/a/artifact_score_summary.json
	jq '.artifact_sha256 = "0000000000000000000000000000000000000000000000000000000000000000"' $report > new
	mv new $report
	jq --arg sha "$(sha256sum < $report | cut -c1-64)" '.score_report_sha256 = $sha' $summary > new
	mv new $summary
	run --separate-stderr hg-lineage -j runs/a
	[ "$status" -eq 1 ]
	[ "$(jq -r '.links[] | select(.link == "score_report") | .state, .detail' <<< "$output")" = \
	    $'altered\nits artifact_sha256 is another' ]
	cp "$BATS_FILE_TMPDIR"/runs/a/artifact_score_* runs/a/
	jq '.run_uid = "00000000000000000000000000000000"' $summary > new
	mv new $summary
	link score altered 1
}
