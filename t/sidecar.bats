# Byte counts beside adopted shards: a score over the bytes of the original, where text was transformed before it became tokens.
load helper

setup_file() {
	load helper
	cd "$BATS_FILE_TMPDIR"
	transformed . 20 40
}

setup() {
	FILES=$BATS_FILE_TMPDIR
	cd "$BATS_TEST_TMPDIR"
}

# transformed DIR VAL TRAIN: shards of as many documents, whose capitals are small letters behind U+E001, and the counts
# of the original's bytes; sum has what the original has, docs what each document has.
transformed() {
	"$PYTHON" - "$@" <<-'END'
		import random, struct, sys
		where, val, train = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
		def shard(name, xs):
		    open(where + "/" + name, "wb").write(
		        struct.pack("<256i", 20240520, 1, len(xs), *[0] * 253) + struct.pack("<%dH" % len(xs), *xs))
		random.seed(3)
		words = "the a small cat dog reads writes every old new letter house and sees \u00e9t\u00e9".split()
		texts = ["Document %d: " % i + " ".join(w.title() if random.random() < .3 else w for w in random.choices(words, k=20))
		    for i in range(val + train)]
		def tokens(text):
		    ids, counts = [1], [0]
		    for c in text:
		        if c.isupper():
		            ids += [b + 4 for b in "\ue001".encode()]
		            counts += [0] * 3
		        for b in c.lower().encode():
		            ids.append(b + 4)
		            counts.append(1)
		    return ids, counts
		docs = [tokens(t) for t in texts]
		shard("val.bin", sum((d[0] for d in docs[:val]), []))
		shard("counts.bin", sum((d[1] for d in docs[:val]), []))
		shard("train.bin", sum((d[0] for d in docs[val:]), []))
		# The same split elsewhere: tokens behind 7 documents, counts in the middle of one.
		shard("val0.bin", sum((d[0] for d in docs[:7]), []))
		shard("val1.bin", sum((d[0] for d in docs[7:val]), []))
		all = sum((d[1] for d in docs[:val]), [])
		shard("counts0.bin", all[:1000])
		shard("counts1.bin", all[1000:])
		open(where + "/docs", "w").writelines("%d\n" % len(t.encode()) for t in texts[:val])
		open(where + "/sum", "w").write("%d\n" % sum(len(t.encode()) for t in texts[:val]))
	END
}

# changed NAME PLACE VALUE [PLACE VALUE]...: counts.bin with other values, all of them where the place is "all".
changed() {
	"$PYTHON" - "$FILES/counts.bin" "$@" <<-'END'
		import struct, sys
		b = bytearray(open(sys.argv[1], "rb").read())
		for at, value in zip(sys.argv[3::2], sys.argv[4::2]):
		    for i in range((len(b) - 1024) // 2) if at == "all" else [int(at)]:
		        struct.pack_into("<H", b, 1024 + 2 * i, int(value))
		open(sys.argv[2], "wb").write(b)
	END
}

# adopt DIR ARGUMENT...: train.bin and val.bin with what follows.
adopt() {
	local dir=$1
	shift
	run --separate-stderr hg-data -a -B -o "$dir" "$FILES/train.bin" -- "$FILES/val.bin" "$@"
}

# refuses TEXT: in one line, and leaves nothing.
refuses() {
	[ "$status" -eq 103 ] || { echo "exit $status: $stderr" >&2; false; }
	[ -z "$output" ]
	[ "$(wc -l <<< "$stderr")" -eq 1 ]
	[[ "$stderr" == "hg-data: "*"$1"* ]] || { echo "$stderr" >&2; false; }
	[ -z "$(find . -name 'out*' -o -name '.tmp*')" ]
}

@test "hg-data -a takes byte counts where they lie, and counts validation by them, document by document" {
	local sum files
	sum=$(cat "$FILES/sum")
	adopt out -- "$FILES/counts.bin"
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"val has $sum bytes by its byte counts, which its text bears out; its tokens' text has $(jq .val.piece_bytes out/dataset.json), $(jq '.val.piece_bytes - .val.bytes' out/dataset.json) of them in private-use characters"* ]]
	"$HG_T/tools/contract" dataset out/dataset.json
	[ "$(ls out)" = $'dataset.json\nval_docs.tsv' ]
	jq -e --arg p "$(realpath "$FILES")/counts.bin" --arg d "$(sha256sum < "$FILES/counts.bin" | cut -d' ' -f1)" \
	    '.val.byte_files == [{path: $p, bytes: (1024 + 2 * .val.tokens), sha256: $d, tokens: .val.tokens}]' out/dataset.json
	[ "$(jq .val.bytes out/dataset.json)" -eq "$sum" ]
	diff <(grep -v '^#' out/val_docs.tsv | cut -f 3) "$FILES/docs"
	# What the original was nobody measured.
	jq -e '.val | .raw_bytes == null and .raw_sha256 == null and .lost_documents == null and .kept_sha256 == null and
	    (has("declared_bytes") | not)' out/dataset.json
	jq -e '.tokenizer.lossless == null' out/dataset.json
	# The digests, as hg-dataset(5) has them.
	files=$(jq -r '.val | (.files[] | "\(.sha256) \(.tokens)"), (.byte_files[] | "\(.sha256) \(.tokens) bytes")' out/dataset.json)
	[ "$(sha256sum <<< "$files" | cut -d' ' -f1)" = "$(jq -r .val.sha256 out/dataset.json)" ]
	# They are part of the data: with other counts, or none, it is another dataset.
	adopt out -- "$FILES/counts.bin"
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"'out' holds this dataset already"* ]]
	adopt out
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"'out' holds another dataset"* ]]
	changed one.bin 5 2
	adopt out -- one.bin
	[ "$status" -eq 1 ]
}

@test "documents have the same bytes however shards and byte counts are cut" {
	adopt one -- "$FILES/counts.bin"
	hg-data -a -B -o two "$FILES/train.bin" -- "$FILES/val0.bin" "$FILES/val1.bin" -- "$FILES/counts0.bin" "$FILES/counts1.bin"
	cmp one/val_docs.tsv two/val_docs.tsv
	jq -e '.val.byte_files | length == 2 and .[0].tokens == 1000' two/dataset.json
	[ "$(jq .val.bytes one/dataset.json)" = "$(jq .val.bytes two/dataset.json)" ]
}

@test "a score is over the bytes that the counts tell, per document, by every stage alike, and val_bpb_raw does not stand" {
	local run DATA=$PWD/side
	adopt side -- "$FILES/counts.bin"
	hg-data -a -B -o plain "$FILES/train.bin" -- "$FILES/val.bin"
	mkdir runs
	tiny_spec runs/side
	tiny_spec runs/some eval.docs=5
	DATA=$PWD/plain tiny_spec runs/plain
	for run in side some plain; do
		hg-run "runs/$run"
		hg-gate score "runs/$run"
	done
	# The tail that fills no window is dropped; what is scored of each document is the sum of its tokens' counts.
	"$PYTHON" - "$FILES" runs/side runs/some <<-'END'
		import json, math, struct, sys
		where = sys.argv[1]
		read = lambda n: struct.unpack("<%dH" % ((len(n) - 1024) // 2), n[1024:])
		ids, counts = (read(open(where + "/" + f, "rb").read()) for f in ("val.bin", "counts.bin"))
		for run in sys.argv[2:]:
		    report = json.load(open(run + "/artifact_score_report.json"))
		    rows = [l.split("\t") for l in open(run + "/score_docs.tsv") if l[0] != "#"]
		    doc, want = -1, {}
		    for i in range(report["tokens"] + 1):
		        doc += ids[i] == 1
		        if i > 0:
		            want[doc] = want.get(doc, 0) + counts[i]
		    assert {int(r[0]): int(r[2]) for r in rows} == want, run
		    assert all(r[3] == "-" for r in rows)
		    assert report["bytes"] == sum(want.values()) and report["raw_bytes"] is None
		    nats = sum(float(r[4]) for r in rows)
		    assert abs(report["val_bpb"] / (nats / math.log(2) / report["bytes"]) - 1) < 1e-12
		    assert report["val_bpb_raw"] is None and "byte counts that came with the shards" in report["claim_boundary"]
	END
	# The same losses, of which each original byte has more.
	[ "$(jq .val_loss runs/side/artifact_score_report.json)" = "$(jq .val_loss runs/plain/artifact_score_report.json)" ]
	jq -se '.[0].val_bpb > 1.05 * .[1].val_bpb' runs/side/artifact_score_report.json runs/plain/artifact_score_report.json
	jq -se '.[0].val_bpb == .[1].prequant_val_bpb' runs/side/training_report.json runs/side/artifact_score_report.json
	[ "$(hg-score -c runs/side | jq .same)" = true ]
	# Over other bytes is not comparable, and not the same configuration.
	jq -se '.[0].digests.config_sha256 != .[1].digests.config_sha256 and .[0].data.val_sha256 != .[1].data.val_sha256' \
	    runs/side/spec.json runs/plain/spec.json
	hg-ledger add ledger runs/side runs/plain
	[ "$(jq -r 'select(.kind == "run") | .verdict.reason' ledger/ledger.jsonl | paste -sd ,)" = first,first ]
}

@test "byte counts that were altered, or are gone, stop training that validates and scoring, and lineage names them" {
	local DATA=$PWD/side
	cp "$FILES/counts.bin" mine.bin
	adopt side -- mine.bin
	mkdir runs
	tiny_spec runs/a
	hg-train runs/a
	hg-export runs/a
	hg-lineage runs/a > before || :
	grep -qE '^ok +val_bytes ' before
	changed mine.bin 9 3
	run -1 --separate-stderr hg-score runs/a
	[[ "$stderr" == *"/mine.bin' has the wrong digest"* ]]
	[ "$(jq -r .kind runs/a/score_refusal.json)" = input_wrong_digest ]
	run hg-lineage runs/a
	grep -qE '^altered +val_bytes ' <<< "$output"
	mkdir away
	cp "$FILES/counts.bin" away/mine.bin
	rm mine.bin
	hg-retry score runs/a
	run -1 --separate-stderr hg-score runs/a
	[[ "$stderr" == *"mine.bin"* ]]
	hg-retry score runs/a
	HOMEGOLF_DATA=$PWD/away hg-score runs/a
}

@test "byte counts that can't be those of these shards are refused, each with file, place and mend" {
	head -c 1500 "$FILES/counts.bin" > short.bin
	adopt out -- short.bin
	refuses "'$PWD/short.bin' is truncated: 1500 bytes"
	{ printf x; tail -c +2 "$FILES/counts.bin"; } > magic.bin
	adopt out -- magic.bin
	refuses "magic.bin' is invalid: magic"
	adopt out -- "$FILES/counts0.bin"
	refuses "counts0.bin' is invalid: 1000 byte counts for $(($(stat -c %s "$FILES/val.bin") / 2 - 512)) tokens of validation; give those of these shards"
	adopt out -- none.bin
	[ "$status" -eq 111 ]
	[[ "$stderr" == *"cannot read 'none.bin'"* ]]
	changed zero.bin all 0
	adopt out -- zero.bin
	refuses "zero.bin' is invalid: count 0 is the first of document 0, which has text and of which no byte is counted, expected the bytes of the original text"
	adopt out -- "$FILES/val.bin"
	refuses "val.bin' is invalid: count 0 is 1 for a BOS, expected 0"
	changed shifted.bin 0 1
	adopt out -- shifted.bin
	refuses "shifted.bin' is invalid: count 0 is 1 for a BOS"
	changed cut.bin 20 65535
	adopt out -- cut.bin
	refuses "cut.bin' is invalid: count 20 is 65535, the most that fits"
	changed large.bin 20 1029
	adopt out -- large.bin
	refuses "large.bin' is invalid: count 20 is 1029 for a piece of 1 bytes, expected a size that a token can have, or the sum of all with -b"
	# Of several files the one that has it, and its place there.
	"$PYTHON" -c 'import sys; b = bytearray(open(sys.argv[1], "rb").read()); b[1024 + 10:1024 + 12] = b"\xff\xff"; open("c1.bin", "wb").write(b)' "$FILES/counts1.bin"
	adopt out -- "$FILES/counts0.bin" c1.bin
	refuses "'$PWD/c1.bin' is invalid: count 5 is 65535"
}

@test "the sum of byte counts is held against the text of the tokens, or what the owner says, to the byte" {
	local sum
	sum=$(cat "$FILES/sum")
	# A fiftieth is the most that passes: operators counted as text, as some did, are more.
	changed fits.bin 1 $((sum / 50))
	adopt fits -- fits.bin
	[ "$status" -eq 0 ]
	changed off.bin 1 $((sum / 50 + 1))
	adopt out -- off.bin
	refuses "off.bin' is invalid: its counts sum to $((sum + 1 + sum / 50)) bytes, expected about $sum, as the tokens' text without private-use characters has; if they are right, say with -b how many bytes the original has"
	# What the owner says holds alone, to the byte.
	run --separate-stderr hg-data -a -B -b $((sum + 1 + sum / 50)) -o said "$FILES/train.bin" -- "$FILES/val.bin" -- off.bin
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"bytes by its byte counts, which -b says"* ]]
	[ "$(jq .val.declared_bytes said/dataset.json)" -eq $((sum + 1 + sum / 50)) ]
	"$HG_T/tools/contract" dataset said/dataset.json
	run --separate-stderr hg-data -a -B -b $((sum - 1)) -o out "$FILES/train.bin" -- "$FILES/val.bin" -- "$FILES/counts.bin"
	refuses "counts.bin' is invalid: its counts sum to $sum bytes, expected the $((sum - 1)) that -b says"
	run --separate-stderr hg-data -a -B -b "$sum" -o right "$FILES/train.bin" -- "$FILES/val.bin" -- "$FILES/counts.bin"
	[ "$status" -eq 0 ]
	# How the sum was checked is no other data.
	adopt checked -- "$FILES/counts.bin"
	[ "$(jq .content_sha256 right/dataset.json)" = "$(jq .content_sha256 checked/dataset.json)" ]
}

@test "the pieces of a model are told from operators inside them and beside them" {
	local sum
	# U+E001 before each capital, in text that a model of its own is trained on.
	"$PYTHON" - > t.txt <<-'END'
		import random
		random.seed(5)
		words = "the a small cat dog reads writes every old new letter house and sees".split()
		for i in range(300):
		    text = " ".join(w.title() if random.random() < .4 else w for w in random.choices(words, k=25))
		    print("%d " % i + "".join("\ue001" + c.lower() if c.isupper() else c for c in text))
	END
	hg-data -v 320 -f lines -n 30 -o made t.txt
	grep -q $'\ue001' <(spm_export_vocab --model=made/tokenizer.model --output_format=vocab)
	spm_export_vocab --model=made/tokenizer.model --output_format=vocab > vocab
	"$PYTHON" - > sum <<-'END'
		import struct
		pieces = [l.rstrip("\n").split("\t")[0] for l in open("vocab", encoding="utf-8", newline="\n")]
		b = open("made/corpus_val_000000.bin", "rb").read()
		ids = struct.unpack("<%dH" % ((len(b) - 1024) // 2), b[1024:])
		counts = []
		for i, p in zip(ids, (pieces[i] for i in ids)):
		    if i < 4:
		        counts.append(0)
		    elif len(p) == 6 and p[:3] == "<0x":
		        counts.append(1)
		    else:
		        counts.append(len(p.replace("\u2581", " ").replace("\ue001", "").encode()))
		open("counts.bin", "wb").write(b[:1024] + struct.pack("<%dH" % len(counts), *counts))
		print(sum(counts))
	END
	sum=$(cat sum)
	run -0 --separate-stderr hg-data -a -t made/tokenizer.model -o out made/corpus_train_000000.bin -- made/corpus_val_000000.bin -- counts.bin
	[ "$(jq .val.bytes out/dataset.json)" -eq "$sum" ]
	[[ "$stderr" == *"$(jq '.val.piece_bytes - .val.bytes' out/dataset.json) of them in private-use characters"* ]]
	# Exactly what the rule says, so that the sum may be off by a fiftieth and not by two.
	jq -e '.val | .piece_bytes > 1.05 * .bytes' out/dataset.json
}

@test "byte counts among the shards, text of operators without counts, and options for neither are named" {
	cp "$FILES/counts.bin" fineweb_val_bytes_000000.bin
	cp "$FILES/val.bin" fineweb_val_000000.bin
	run --separate-stderr hg-data -a -B -o out "$FILES/train.bin" -- fineweb_val_*.bin
	refuses "'$PWD/fineweb_val_bytes_000000.bin' is invalid: by its name it has byte counts and no tokens; it belongs behind a second '--'"
	hg-data -a -B -o good "$FILES/train.bin" -- fineweb_val_0*.bin -- fineweb_val_bytes_*.bin
	adopt plain
	[ "$status" -eq 0 ]
	[[ "${stderr_lines[0]}" == "hg-data: "*" % of the text of val are private-use characters"*"byte counts of the original go behind a second '--'" ]]
	# Ordinary text is told nothing, and its digests stay.
	tiny_data ordinary
	run --separate-stderr hg-data -a -B -o again ordinary/corpus_train_000000.bin -- ordinary/corpus_val_000000.bin
	[ "$(wc -l <<< "$stderr")" -eq 1 ]
	[ "$(jq .val.sha256 again/dataset.json)" = "$(jq .val.sha256 ordinary/dataset.json)" ]
	jq -e '.val | (has("byte_files") or has("piece_bytes")) | not' again/dataset.json
	for arguments in "-b 5 -o out t.bin -- v.bin" "-o out t.bin -- v.bin --" "-o out t.bin -- v.bin -- c.bin -- d.bin" \
	    "-b x -o out t.bin -- v.bin -- c.bin" "-b 0 -o out t.bin -- v.bin -- c.bin"; do
		run --separate-stderr hg-data -a -B $arguments
		[ "$status" -eq 100 ]
	done
	[[ "$stderr" == *"-b is no number of bytes: '0'"* ]]
	run --separate-stderr hg-data -b 5 -o out text
	[ "$status" -eq 100 ]
	[[ "${stderr_lines[0]}" == "hg-data: -b is what byte counts beside adopted shards sum to: it needs -a" ]]
}

@test "a dataset.json whose byte counts disagree with its tokens or its sum is refused" {
	local edit
	adopt side -- "$FILES/counts.bin"
	run --separate-stderr hg-data -a -B -b "$(cat "$FILES/sum")" -o said "$FILES/train.bin" -- "$FILES/val.bin" -- "$FILES/counts.bin"
	for edit in '.val.byte_files[0] |= (.tokens -= 1 | .bytes -= 2)|not a byte count for each token of validation' \
	    '.val.declared_bytes += 1|a declared_bytes that is not the sum of the byte counts' \
	    '.val.byte_files[0].sha256 = .val.files[0].sha256|a content_sha256 that is not of its members' \
	    'del(.val.byte_files)|a content_sha256 that is not of its members'; do
		rm -rf bad
		cp -r said bad
		jq "${edit%|*}" said/dataset.json > bad/dataset.json
		run --separate-stderr hg-data -a -B -o bad "$FILES/train.bin" -- "$FILES/val.bin" -- "$FILES/counts.bin"
		[ "$status" -eq 103 ]
		[[ "$stderr" == *"${edit##*|}"* ]] || { echo "$stderr" >&2; false; }
	done
}
