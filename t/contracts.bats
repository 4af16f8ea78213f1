# Contracts: one text for writers, readers, man pages and other people's validators.
load helper

setup_file() {
	export SAMPLES=$BATS_FILE_TMPDIR/samples
	/usr/bin/python3 "$HG_TOP/t/tools/samples.py" "$HG_TOP/contracts" "$SAMPLES"
}

contract() {
	"$HG_T/tools/contract" "$@"
}

@test "every contract keeps to the subset that the checker knows" {
	contract -l
}

@test "a contract with an unknown keyword, a loose pattern or an unbounded integer is found" {
	cd "$BATS_TEST_TMPDIR"
	reject() {
		printf '%s' "$1" > c.json
		run --separate-stderr contract -l c.json
		[ "$status" -eq 103 ]
		[[ "$stderr" == *"$2"* ]] || { echo "$1: $stderr" >&2; false; }
	}
	reject '{"type": "string", "format": "uri"}' "unknown keyword 'format'"
	reject '{"properties": {"a": {"oneOf": []}}}' "unknown keyword 'oneOf'"
	reject '{"type": "text"}' "type 'text' is unknown"
	reject '{"type": "integer"}' "an integer needs"
	reject '{"type": "integer", "minimum": 0, "maximum": 9007199254740992}' "an integer needs"
	reject '{"type": "string", "pattern": "a$"}' "pattern"
	reject '{"type": "string", "pattern": "^a"}' "pattern"
	reject '{"type": "string", "pattern": "^a|b$"}' "pattern"
	reject '{"type": "string", "pattern": "^\\d$"}' "pattern"
	reject '{"type": "string", "pattern": "^[^a]$"}' "pattern"
	reject '{"type": "string", "pattern": "^[[:digit:]]$"}' "pattern"
	reject '{"type": "string", "pattern": "^(?:a)$"}' "pattern"
	reject '{"type": "string", "pattern": "^a+?$"}' "pattern"
	reject '{"type": "string", "pattern": "^.$"}' "pattern"
	reject '{"$ref": "#/$defs/nothing"}' "leads nowhere"
	reject '{"$ref": "other.json"}' "leads nowhere"
	reject '{"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}' "another \$ref"
	reject '{"required": ["a"], "properties": {}}' "'a' is no property"
	reject '{"type": "boolean", "default": 3}' "3 is not true or false"
	reject '{"x-tag": "important"}' "x-tag"
	reject '{"properties": {"a.b": {}}}' "dot"
	reject '{"x-since": 2}' "x-since must be a version"
	reject '{"x-since": "0.2x"}' "x-since must be a version"
	reject '{"x-since": "2"}' "x-since must be a version"
	reject '{"type": "boolean", "x-tag": "result", "x-since": "0.2"}' "needs a default"
	reject '{"required": ["a"], "properties": {"a": {"x-since": "0.2"}}}' "a: a key with x-since cannot be required"
	reject '{"properties": {"a": {"x-tag": "result"}}}' "a: a tagged key must be required or have x-since"
	reject '{"enum": [[1]]}' "scalars"
	reject '[]' "must be an object"
}

@test "every valid sample is accepted and every contract has one" {
	local name
	for name in $(contract -n); do
		[ -e "$HG_TOP/contracts/$name.json" ]
		contract "$name" "$SAMPLES/$name.valid"/*.json
	done
}

@test "every invalid sample is refused with the error that stands beside it" {
	local name f want seen=0
	for name in $(contract -n); do
		for f in "$SAMPLES/$name.invalid"/*.json; do
			want=$(cat "${f%.json}.error")
			run --separate-stderr contract "$name" "$f"
			[ "$status" -eq 103 ] || { echo "$f: exit $status" >&2; false; }
			[ -z "$output" ]
			[[ "$stderr" == "contract: '$f': $want"* ]] || { printf '%s\n' "$stderr" "$want" >&2; false; }
			seen=$((seen + 1))
		done
	done
	[ "$seen" -ge 40 ]
}

@test "python3-jsonschema gives the same verdict on all samples and thousands of mutations of them" {
	"$PYTHON" "$HG_TOP/t/tools/contracts_agree.py" "$HG_T/tools/contract" "$HG_TOP/contracts" >&2
}

@test "the checker gives the verdict of the JSON Schema Test Suite wherever it reads the schema" {
	local suite=/usr/share/perl5/auto/share/dist/Test-JSON-Schema-Acceptance/tests/draft2020-12
	run "$PYTHON" "$HG_TOP/t/tools/schema_suite.py" "$HG_T/tools/contract" "$suite"
	grep -v '^skipped' <<< "$output"
	[ "$status" -eq 0 ]
	[[ "${lines[-1]}" =~ ^([0-9]+)" cases run" ]]
	[ "${BASH_REMATCH[1]}" -ge 270 ]
}

@test "definitions that several contracts share are the same in all of them" {
	run jq -rs '[.[] | ."$defs" // {} | to_entries[]] | group_by(.key)[] | map(.value) | unique |
	    select(length > 1) | tojson' "$HG_TOP"/contracts/*.json
	[ "$output" = "" ]
}

@test "every contract names itself in schema, but for the lines of metrics" {
	run jq -r 'select(.properties.schema.const == null) | .title' "$HG_TOP"/contracts/*.json
	[ "$output" = "metrics.jsonl, one line" ]
}

@test "every settable key of a spec has a default and a tag, and every digest is computed" {
	run jq -r '.properties | to_entries[] | select(.value.properties and .key != "digests") | .key as $s |
	    .value.properties | to_entries[] | select(.value.readOnly | not) | select("\($s).\(.key)" != "data.dir") |
	    select((.value | has("default") | not) or .value."x-tag" == null) | "\($s).\(.key)"' \
	    "$HG_TOP/contracts/spec.json"
	[ "$output" = "" ]
	run jq -r '.properties.digests.properties | to_entries[] | select(.value.readOnly | not) | .key' \
	    "$HG_TOP/contracts/spec.json"
	[ "$output" = "" ]
}

@test "every key has a description" {
	run jq -r 'input_filename as $f | paths(objects) as $p | select($p[-2] == "properties") |
	    select(getpath($p) | has("description") or (has("properties") and has("required")) | not) |
	    "\($f) \($p | join("."))"' "$HG_TOP"/contracts/*.json
	[ "$(grep -v '\$defs' <<< "$output")" = "" ]
}

@test "deep, huge and broken JSON is refused in one line" {
	cd "$BATS_TEST_TMPDIR"
	refuse() {
		run --separate-stderr contract refusal "$1"
		[ "$status" -eq "$2" ]
		[[ "$stderr" == *"$3"* ]]
		[ "$(wc -l <<< "$stderr")" -eq 1 ]
	}
	"$PYTHON" -c 'print("[" * 100000 + "]" * 100000)' > deep
	refuse deep 103 "not JSON"
	"$PYTHON" -c 'print("{\"schema\": " * 1000 + "1" + "}" * 1000)' > nested
	refuse nested 103 "run_id: is missing"
	"$PYTHON" -c 'print("[" + "0," * 3000000 + "0]")' > huge
	refuse huge 111 "File too large"
	: > empty
	refuse empty 103 "not JSON"
	printf '{"schema": "a", "schema": "b"}' > twice
	refuse twice 103 "not JSON"
	printf '{"schema": "\\u001b[2J\033"}' > control
	refuse control 103 "not JSON"
	jq '.kind = "\u009b\u202e"' "$HG_TOP/contracts/refusal.valid/full.json" > c1
	refuse c1 103 'kind: "\xc2\x9b\xe2\x80\xae" is none'
	printf '{"attempt": 1e999}' > big
	refuse big 103 "not JSON"
	refuse missing 111 "No such file"
	mkfifo fifo
	refuse fifo 111 "cannot read"
	ln -s empty link
	refuse link 111 "cannot read"
}

@test "every contract's page lists its keys as the contract has them (t/tools/keys.sh writes them)" {
	local name
	for name in $(contract -n); do
		[ -e "$HG_TOP/man/hg-$name.5" ] || { echo "no page for $name" >&2; false; }
		diff <(awk '/^\.Sh/ { on = /^\.Sh (KEYS|KINDS)$/ } on' "$HG_TOP/man/hg-$name.5") <(contract -m "$name") >&2 ||
		    { echo "man/hg-$name.5 differs from contracts/$name.json" >&2; false; }
	done
}

# lists WORDS QUERY FILE...: each list that the query finds has the program's words, in their order.
lists() {
	local words=$1 query=$2 seen=0 list
	shift 2
	while read -r list; do
		diff <(contract -w "$words") <(jq -r '.[]' <<< "$list") >&2 ||
		    { echo "a list of the program's words ($words) differs" >&2; false; }
		seen=$((seen + 1))
	done < <(jq -c "$query" "$@")
	[ "$seen" -ge 1 ]
}

@test "kinds, stages and next words in contracts are those of the program (t/tools/keys.sh writes them)" {
	local c=$HG_TOP/contracts
	[ "$(contract -m refusal | sed -n 's/^\.It Dv //p')" = "$(contract -w kind)" ]
	lists kind '.properties.kind.enum' "$c/refusal.json"
	lists stage '.. | objects | .stage? | select(type == "object") | .enum // empty' "$c"/*.json
	lists next '.. | objects | .next? | select(type == "object") | .enum // empty' "$c"/*.json
	run -100 contract -w nothing
}

@test "a state and a summary of a run have every stage of the program, in its order" {
	local c=$HG_TOP/contracts
	lists stage '.properties.stages | .required, (.properties | keys_unsorted)' "$c/run_state.json"
	lists stage '. as $c | .required, (.properties | keys_unsorted) |
	    map(select($c.properties[.]."$ref" == "#/$defs/stage_state"))' "$c/summary.json"
}

@test "the reasons of verdicts in contracts and hg-ledger(1) are those of the program (t/tools/keys.sh writes them)" {
	local name word page
	for name in ledger_row classification; do
		lists reason '.. | objects | .reason? | select(type == "object") | .enum // empty' "$HG_TOP/contracts/$name.json"
		lists rule '.. | objects | .rule? | select(type == "object") | .enum // empty' "$HG_TOP/contracts/$name.json"
	done
	page=$(mandoc -T ascii -O width=1000 "$HG_TOP/man/hg-ledger.1" | col -b |
	    awk '/^[A-Z]/ { on = $0 == "CLASSES" } on' | tr -cs 'a-z_' '\n')
	for word in $(contract -w reason); do
		grep -qx "$word" <<< "$page" || { echo "hg-ledger(1) does not name $word" >&2; false; }
	done
}

@test "what no retry helps is not answered with the same command again" {
	contract -m refusal | awk '
	    /^\.It Dv / { kind = $3; retry = 0 }
	    /a retry may help\.$/ { retry = 1 }
	    /^\.Dl / && !retry { sub(/^\.Dl /, ""); sub(/ *#.*/, ""); print kind ": " $0 }' > "$BATS_TEST_TMPDIR/typed"
	[ "$(wc -l < "$BATS_TEST_TMPDIR/typed")" -ge 15 ]
	[ "$(grep -c . "$BATS_TEST_TMPDIR/typed")" = "$(contract -m refusal | grep -A1 '^\.It Dv ' | grep -v '^\.It\|^--' | grep -vc 'a retry may help\.$')" ]
	run ! grep -E 'hg-run( -r)? RUN$|hg-run -r|hg-retry|hg-STAGE' "$BATS_TEST_TMPDIR/typed"
	# One made anew says what is other.
	run ! grep -E 'hg-spec -b RUN/spec\.json RUN' "$BATS_TEST_TMPDIR/typed"
}

@test "hg-classify(1) explains every reason of a verdict, in their order, and no other, and starved as it is measured" {
	cd "$BATS_TEST_TMPDIR"
	sed -n '/^\.Sh REASONS/,/^\.El/s/^\.It Li //p' "$HG_TOP/man/hg-classify.1" > page
	contract -w reason | diff - page
	awk '/^\.Sh REASONS/ { on = 1 } on && /^\.(It|El)/ { if (last ~ /^\.It/) print last; last = $0; next } on { last = "" }' \
		"$HG_TOP/man/hg-classify.1" > unexplained
	[ ! -s unexplained ]
	grep -qF 'clock_ms < 1000)' "$HG_TOP/lib/work/provenance.c"
	grep -qF 'cpu_ms < 0.7 * clock_ms * (n < cpus ? n : cpus)' "$HG_TOP/lib/work/provenance.c"
	grep -qF 'less than 70 %' "$HG_TOP/man/hg-classify.1"
}

@test "the network in hg-train(1) has the tensors and the constants of the code" {
	local word page=$HG_TOP/man/hg-train.1
	cd "$BATS_TEST_TMPDIR"
	sed -n '/^\.Ss The network/,/^\.Ss Resuming/p' "$page" > network
	for word in $(sed -nE 's/^TENSOR\([^"]*"([a-z_.]+)".*/\1/p' "$HG_TOP/lib/gpt/params.def"); do
		grep -qwF -- "${word#blocks.}" network || { echo "hg-train(1) lacks $word" >&2; false; }
	done
	for word in 3.4445 -4.7750 2.0315 1e-7; do
		grep -qF -- "$word" network
		cat "$HG_TOP/lib/gpt/ops.c" "$HG_TOP/lib/gpt/ops_ref.c" | grep -F -- "$word" > /dev/null
	done
	grep -qF '2^-23' network
	grep -qF '2^-23' "$HG_TOP/lib/gpt/config.h"
}

@test "hg-contract(7) names every keyword of ours and every definition that pages call by name" {
	local word page
	page=$(mandoc -T ascii -O width=1000 "$HG_TOP/man/hg-contract.7" | col -b)
	for word in $(jq -r '.. | objects | keys[]' "$HG_TOP"/contracts/*.json | grep -E '^(x-|\$)' | sort -u) \
	    $(contract -d | sed 's/_or_.*//; s/_/./' | sort -u); do
		grep -qE -- "(^|[ ,])${word//\$/\\\$}([ ,.]|\$)" <<< "$page" || { echo "no $word in hg-contract(7)" >&2; false; }
	done
}
