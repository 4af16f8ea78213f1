# hg-data: text or existing shards become a data directory, whole or not at all.
load helper

setup() {
	mkdir "$BATS_TEST_TMPDIR/here"
	cd "$BATS_TEST_TMPDIR/here"
}

# 300 documents of some lines each, parted by blank lines.
corpus() {
	awk 'BEGIN { n = split("the a small cat dog reads writes every old new letter house and sees", w, " "); s = 7
	    for (d = 0; d < 300; d++) {
		printf "Entry %d\n", d
		for (l = 0; l < 1 + d % 3; l++) { line = "  "
			for (i = 0; i < 8; i++) { s = (s * 1103 + 12345) % 65536; line = line " " w[s % n + 1] }
			print line "." }
		print "" } }'
}

# The documents of a part, decoded independently: one JSON string a line.
decoded() {
	"$PYTHON" - "$1" "$2" <<-'END'
		import json, struct, sys
		where, part = sys.argv[1:]
		d = json.load(open(where + "/dataset.json"))
		ids = []
		for f in d[part]["files"]:
		    b = open(where + "/" + f["path"], "rb").read()
		    h = struct.unpack("<256i", b[:1024])
		    assert h == (20240520, 1, f["tokens"]) + (0,) * 253 and len(b) == 1024 + 2 * f["tokens"]
		    ids += struct.unpack("<%dH" % f["tokens"], b[1024:])
		docs, doc = [], None
		for i in ids:
		    if i == 1:
		        doc = bytearray()
		        docs.append(doc)
		    else:
		        doc.append(i - 4)
		for doc in docs:
		    print(json.dumps(doc.decode()))
	END
}

# A model of another kind than BPE, NAME.model, trained on a text.
unigram() {
	spm_train --model_type=unigram --vocab_size=400 --hard_vocab_limit=false --input="$2" --model_prefix="$1" \
		--byte_fallback=true --pad_id=0 --bos_id=1 --eos_id=2 --unk_id=3 --minloglevel=2
}

# One line on stderr that matches, this exit code, nothing on stdout.
says() {
	[ "$status" -eq "$1" ] || { echo "exit $status: $stderr" >&2; false; }
	[ -z "$output" ]
	[ "$(wc -l <<< "$stderr")" -eq 1 ] || { echo "$stderr" >&2; false; }
	[[ "$stderr" == "hg-data: "*$2* ]] || { echo "$stderr" >&2; false; }
}

# ... and there is no trace of DIR, temporary or not.
leaves_nothing() {
	says "$@"
	[ -z "$(find . -name 'out*' -o -name '.tmp*')" ]
}

@test "hg-data permutes documents, puts validation first and loses none" {
	corpus > c.txt
	hg-data -B -n 30 -o out c.txt
	{ decoded out val; decoded out train; } > got
	"$PYTHON" -c 'import json; [print(json.dumps(p.strip("\n"))) for p in open("c.txt").read().split("\n\n") if p.strip()]' > want
	[ "$(wc -l < got)" -eq 300 ]
	run ! cmp -s got want
	diff <(sort got) <(sort want)
	[ "$(decoded out val | wc -l)" -eq 30 ]
	# Not just the first ones.
	[ "$(decoded out val | grep -c '"Entry [12]\?[0-9]\\n')" -lt 15 ]
}

@test "hg-data keeps what it wrote to its contract, sums, digests and table included" {
	corpus > c.txt
	hg-data -B -n 30 -o out c.txt
	"$HG_T/tools/contract" dataset out/dataset.json
	"$PYTHON" - <<-'END'
		import hashlib, json
		d = json.load(open("out/dataset.json"))
		sha = lambda b: hashlib.sha256(b).hexdigest()
		for part in ("train", "val"):
		    p = d[part]
		    for f in p["files"]:
		        b = open("out/" + f["path"], "rb").read()
		        assert sha(b) == f["sha256"] and len(b) == f["bytes"]
		    assert p["tokens"] == sum(f["tokens"] for f in p["files"]) == p["documents"] + p["bytes"]
		    assert p["bytes"] == p["raw_bytes"]
		    assert p["sha256"] == sha("".join("%s %d\n" % (f["sha256"], f["tokens"]) for f in p["files"]).encode())
		table = open("out/val_docs.tsv").read()
		assert sha(table.encode()) == d["val"]["docs_sha256"]
		rows = [r.split("\t") for r in table.splitlines()]
		assert rows[0] == ["# doc", "tokens", "bytes", "raw_bytes"]
		assert [int(r[0]) for r in rows[1:]] == list(range(30))
		assert [sum(int(r[i]) for r in rows[1:]) for i in (1, 2, 3)] == [d["val"][k] for k in ("tokens", "bytes", "raw_bytes")]
		assert d["tokenizer"]["sha256"] == sha(b"homegolf bytes v1")
		assert d["source"]["files"][0]["sha256"] == sha(open("c.txt", "rb").read())
		want = "homegolf.dataset.v1\ntokenizer %s\ntrain %s\nval %s\nraw %s\n" % (
		    d["tokenizer"]["sha256"], d["train"]["sha256"], d["val"]["sha256"], d["val"]["raw_sha256"])
		assert d["content_sha256"] == sha(want.encode())
	END
	decoded out val | "$PYTHON" -c 'import hashlib, json, sys
print(hashlib.sha256(b"".join(json.loads(l).encode() + b"\0" for l in sys.stdin)).hexdigest())' > raw
	[ "$(cat raw)" = "$(jq -r .val.raw_sha256 out/dataset.json)" ]
}

@test "hg-data: the same files and seed give the same bytes, another seed other ones" {
	corpus > c.txt
	hg-data -B -n 30 -o a c.txt
	taskset -c "$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')" hg-data -B -n 30 -S 1 -o b c.txt
	diff -r a b
	hg-data -B -n 30 -S 2 -o c c.txt
	[ "$(jq -r .val.raw_sha256 a/dataset.json)" != "$(jq -r .val.raw_sha256 c/dataset.json)" ]
}

@test "hg-data -S none keeps the order" {
	corpus > c.txt
	hg-data -B -n 30 -S none -o out c.txt
	{ decoded out val; decoded out train; } > got
	"$PYTHON" -c 'import json; [print(json.dumps(p.strip("\n"))) for p in open("c.txt").read().split("\n\n") if p.strip()]' > want
	cmp got want
	[ "$(jq -r .source.seed out/dataset.json)" = none ]
}

@test "hg-data trains a tokenizer, and the same corpus gives the same model and shards" {
	corpus > c.txt
	hg-data -v 320 -n 30 -o a c.txt
	hg-data -v 320 -n 30 -o b c.txt
	diff -r a b
	[ "$(jq .tokenizer.vocab_size a/dataset.json)" -eq "$(spm_export_vocab --model=a/tokenizer.model | wc -l)" ]
	# What spm_decode makes of the shard is what the corpus says, blanks squeezed.
	"$PYTHON" - a > ids <<-'END'
		import json, struct, sys
		d = json.load(open("a/dataset.json"))
		b = open("a/" + d["train"]["files"][0]["path"], "rb").read()
		out = []
		for i in struct.unpack("<%dH" % ((len(b) - 1024) // 2), b[1024:]):
		    if i == 1:
		        out.append([])
		    else:
		        out[-1].append(str(i))
		print("\n".join(map(" ".join, out)))
	END
	spm_decode --model=a/tokenizer.model --input_format=id ids | sort > got
	hg-data -B -n 30 -o bytes c.txt
	decoded bytes train | jq -r 'gsub("\\s+"; " ")' | sort > want
	diff got want
	[ "$(jq .train.raw_bytes a/dataset.json)" -eq "$(jq .train.raw_bytes bytes/dataset.json)" ]
	[ "$(jq -r .val.raw_sha256 a/dataset.json)" = "$(jq -r .val.raw_sha256 bytes/dataset.json)" ]
}

# bats test_tags=b92
@test "what a tokenizer loses of the text is counted by decoding, said in one line and recorded" {
	# Blanks at the beginning of lines, runs of them, line breaks; one document has none of these.
	"$PYTHON" -c 'for d in range(200):
	    print("def f%d(a, b):\n    if a  >  b:\n\treturn a\n" % d if d % 4 else "one line, number %d\n" % d)' > c.txt
	run --separate-stderr hg-data -v 320 -n 60 -o out c.txt
	[ "$status" -eq 0 ]
	hg-data -B -n 60 -o bytes c.txt
	decoded bytes val > val.jsonl
	decoded bytes train > train.jsonl
	"$PYTHON" - "${stderr_lines[0]}" <<-'END'
		import hashlib, json, re, sys
		d, b = json.load(open("out/dataset.json")), json.load(open("bytes/dataset.json"))
		for part in ("val", "train"):
		    raw = [json.loads(l) for l in open(part + ".jsonl")]
		    kept = [re.sub(r"\s+", " ", t).strip() for t in raw]
		    # A line break or tab that became a blank is lost too.
		    lost = sum(len(t) - len(k) + sum(" " not in s for s in re.findall(r"\s+", t)) for t, k in zip(raw, kept))
		    p = d[part]
		    assert p["lost_bytes"] == lost > 0, (p, lost)
		    assert p["lost_documents"] == sum(t != k for t, k in zip(raw, kept)) < p["documents"], p
		    assert p["raw_bytes"] == sum(map(len, raw))
		    assert (b[part]["lost_bytes"], b[part]["lost_documents"]) == (0, 0)
		    if part == "val":
		        assert p["kept_sha256"] == hashlib.sha256("".join(k + "\0" for k in kept).encode()).hexdigest()
		        want = "hg-data: the tokenizer loses %d of %d bytes (%.3g %%) of the validation text, in %d of %d documents" % (
		            lost, p["raw_bytes"], 100 * lost / p["raw_bytes"], p["lost_documents"], p["documents"])
		        assert sys.argv[1].startswith(want), sys.argv[1]
		assert b["val"]["kept_sha256"] == b["val"]["raw_sha256"] == d["val"]["raw_sha256"]
	END
	# Shards that were adopted have no text to compare with.
	hg-data -a -t out/tokenizer.model -o adopted out/corpus_train_*.bin -- out/corpus_val_*.bin
	jq -e '.val | .lost_bytes == null and .lost_documents == null and .kept_sha256 == null' adopted/dataset.json
	[ "$(jq -c '.tokenizer | [.normalizer, .lossless]' adopted/dataset.json)" = '["nmt_nfkc",null]' ]
}

@test "a dataset names its normaliser and whether it loses anything, by decoding and not by the name" {
	"$PYTHON" -c 'for d in range(200): print("the file number %d is of the office" % d)' > plain.txt
	sed '7s/file/\xef\xac\x81le/' plain.txt > ligature.txt
	hg-data -f lines -S none -v 300 -n 20 -o plain plain.txt
	# Nothing in this text is normalised, whatever the rules could do; a ligature in one document, and they did.
	[ "$(jq -c '.tokenizer | [.normalizer, .lossless]' plain/dataset.json)" = '["nmt_nfkc",true]' ]
	hg-data -f lines -S none -t plain/tokenizer.model -n 20 -o ligature ligature.txt
	[ "$(jq -c '[.tokenizer.normalizer, .tokenizer.lossless, .val.lost_documents]' ligature/dataset.json)" = \
	    '["nmt_nfkc",false,1]' ]
	# Lost in training alone it is lost, and the score of validation stands by its own count.
	sed '77s/file/\xef\xac\x81le/' plain.txt > train.txt
	hg-data -f lines -S none -t plain/tokenizer.model -n 20 -o train train.txt
	[ "$(jq -c '[.tokenizer.lossless, .train.lost_documents, .val.lost_documents]' train/dataset.json)" = '[false,1,0]' ]
	hg-data -L -f lines -v 300 -n 20 -o lines plain.txt
	[ "$(jq -c '.tokenizer | [.normalizer, .lossless]' lines/dataset.json)" = '["identity",true]' ]
	hg-data -B -f lines -n 20 -o bytes ligature.txt
	[ "$(jq -c '.tokenizer | [.normalizer, .lossless]' bytes/dataset.json)" = '["identity",true]' ]
	# What is said twice must agree.
	jq '.tokenizer.lossless = true' ligature/dataset.json > forged && cp forged ligature/dataset.json
	run -103 hg-data -f lines -S none -t plain/tokenizer.model -n 20 -o ligature ligature.txt
	[[ $output == *"counts of lost text and a tokenizer.lossless that disagree"* ]]
}

# bats test_tags=b92
@test "a character that comes back as a sentence is lost alone, and not with what follows it" {
	"$PYTHON" -c 'for d in range(200): print("number %d met \ufdfa and said what else there is to say of it" % d)' > c.txt
	hg-data -f lines -v 320 -n 40 -o out c.txt
	jq -e '.val | .lost_documents == 40 and .lost_bytes == 40 * 3' out/dataset.json
}

# bats test_tags=b92
@test "a normaliser that makes every letter an a is found to lose nearly all of the text" {
	corpus > c.txt
	"$PYTHON" -c 'for c in [*range(65, 91), *range(98, 123)]: print("%X\t61" % c)' > rules.tsv
	spm_train --input=c.txt --model_prefix=a --model_type=bpe --vocab_size=290 --byte_fallback --hard_vocab_limit=false \
		--add_dummy_prefix=false --normalization_rule_tsv=rules.tsv --minloglevel=2 2> log || { cat log >&2; false; }
	hg-data -t a.model -n 30 -o out c.txt
	jq -e '.val | .lost_documents == .documents and .lost_bytes > 0.6 * .raw_bytes and .kept_sha256 != .raw_sha256' out/dataset.json
}

# bats test_tags=b18
@test "hg-data counts bytes per document under a given model as golden/bpb.json does" {
	need_shared
	"$PYTHON" - "$SHARED" <<-'END'
		import json, sys
		b = json.load(open(sys.argv[1] + "/golden/bpb.json"))
		docs = b["docs"] + [{"text": "the last one is for training"}]
		open("c.jsonl", "w").write("".join(json.dumps({"id": 1, "text": d["text"]}) + "\n" for d in docs))
		table = open("want", "w")
		at = 0
		print("# doc\ttokens\tbytes\traw_bytes", file=table)
		for i, d in enumerate(b["docs"]):
		    # The first id of the stream is no target; a later BOS counts nothing.
		    n = len(d["ids"])
		    own = b["target_bytes"][at + (i > 0) - (i > 0):at + n - 1] if i == 0 else b["target_bytes"][at - 1:at + n - 1]
		    print(i, n, sum(own), len(d["text"].encode()), sep="\t", file=table)
		    at += n
	END
	hg-data -t "$SHARED/fixtures/fineweb_8192_bpe.model" -f jsonl -S none -n 4 -o out c.jsonl
	diff want out/val_docs.tsv
	cmp "$SHARED/fixtures/fineweb_8192_bpe.model" out/tokenizer.model
}

@test "hg-data reads paragraphs, lines, JSONL, files, pipes and standard input alike" {
	printf 'one\r\n\ttwo \r\n\r\n \t \nthree\n' > p.txt
	hg-data -B -S none -n 1 -f para -o para p.txt
	[ "$(decoded para val)$(decoded para train)" = '"one\n\ttwo "'$'"three"' ]
	printf '\357\273\277one\r\n\n\t \nt\303\251o\nthree' > l.txt
	hg-data -B -S none -n 1 -f lines -o lines l.txt
	[ "$(decoded lines val; decoded lines train)" = $'"one"\n"t\\u00e9o"\n"three"' ]
	[ "$(jq .source.empty lines/dataset.json)" -eq 2 ]
	printf '{"text":"a\\nb\\u00e9"}\n\n{"x":[1,{"text":2}],"text":" "}\n{"text":"c"}' > j.jsonl
	hg-data -B -S none -n 1 -f jsonl -o jsonl j.jsonl
	[ "$(decoded jsonl val; decoded jsonl train)" = $'"a\\nb\\u00e9"\n"c"' ]
	printf 'a\n\nb\n\n' > f1
	printf 'c' > f2
	hg-data -B -S none -n 1 -f files -o files f1 f2
	[ "$(decoded files val; decoded files train)" = $'"a\\n\\nb"\n"c"' ]
	hg-data -B -S none -n 1 -f para -o pipe <(cat p.txt)
	hg-data -B -S none -n 1 -f para -o stdin - < p.txt
	cmp para/corpus_train_000000.bin pipe/corpus_train_000000.bin
	cmp para/corpus_train_000000.bin stdin/corpus_train_000000.bin
}

@test "hg-data drops copies of validation documents from training, and counts all copies" {
	for i in 1 2 3 4 5 6 7 8 9; do echo "line $i"; done > c.txt
	cat c.txt c.txt c.txt > ccc.txt
	hg-data -B -f lines -n 4 -o out ccc.txt
	jq -e '.source | .documents == 27 and .duplicates == 18' out/dataset.json
	[ "$(decoded out val | sort -u | wc -l)" -eq 4 ]
	[ "$(decoded out val | wc -l)" -eq 4 ]
	run ! grep -Fxf <(decoded out val) <(decoded out train)
	[ "$(jq '.val.documents + .train.documents + .source.duplicates_dropped' out/dataset.json)" -eq 27 ]
	[ "$(jq .train.documents out/dataset.json)" -eq 15 ]
}

@test "hg-data reads bytes that are no UTF-8 as windows-1252 and NUL as a space, and says how many" {
	printf 'caf\351 \223quoted\224 \0here \355\240\200 \300\257\n\nsecond\n\nthird\n' > c.txt
	run --separate-stderr hg-data -B -S none -n 1 -o out c.txt
	[ "$status" -eq 0 ]
	[[ "${stderr_lines[0]}" == "hg-data: 8 bytes that are no UTF-8 were read as windows-1252, 1 NUL bytes as spaces" ]]
	[ "$(decoded out val | jq -r .)" = $'caf\303\251 \342\200\234quoted\342\200\235  here \303\255\302\240\342\202\254 \303\200\302\257' ]
	jq -e '.source.invalid_utf8 == 8 and .source.nul == 1' out/dataset.json
}

@test "hg-data says in one line what is wrong with a corpus, and leaves nothing" {
	: > empty
	run --separate-stderr hg-data -B -o out empty
	leaves_nothing 103 "'the corpus' is invalid: no document that is not empty"
	printf '\n \n\t\n' > blank
	run --separate-stderr hg-data -B -f lines -o out blank
	leaves_nothing 103 "no document that is not empty"
	run --separate-stderr hg-data -B -o out nowhere.txt
	leaves_nothing 111 "cannot read 'nowhere.txt': No such file"
	run --separate-stderr hg-data -B -o out .
	leaves_nothing 103 "cannot read '.': it is a directory; name a file"
	printf 'a\n\nb\n' > two
	run --separate-stderr hg-data -B -n 2 -o out two
	leaves_nothing 103 "too few different documents: 2, expected at least 3: 2 for validation and one to train on; -f lines makes each line one; -n asks for fewer"
	printf '{"text":"a"}\n{"txet":"b"}\n' > j
	run --separate-stderr hg-data -B -f jsonl -o out j
	leaves_nothing 103 "'j' is invalid: line 2: no object with a string \"text\""
	printf '{"text":"a"}\n{"text":"b"\n' > j
	run --separate-stderr hg-data -B -f jsonl -o out j
	leaves_nothing 103 "'j' is invalid: line 2: not JSON"
	printf '\377\376a\0' > utf16
	run --separate-stderr hg-data -B -o out utf16
	leaves_nothing 103 "UTF-16"
	gzip < two > two.gz
	run --separate-stderr hg-data -B -o out two.gz
	leaves_nothing 103 "unpack it first"
	head -c 17000000 /dev/zero | tr '\0' x > long
	run --separate-stderr hg-data -B -o out two long
	leaves_nothing 103 "'long' is invalid: line 1: "
	echo no model > bad.model
	run --separate-stderr hg-data -t bad.model -n 1 -o out two
	leaves_nothing 103 "'bad.model' is invalid: no SentencePiece model"
	run --separate-stderr hg-data -t gone.model -n 1 -o out two
	leaves_nothing 111 "cannot read 'gone.model'"
	run --separate-stderr hg-data -B -n 1 -o nowhere/out two
	leaves_nothing 111 "cannot make 'nowhere/out': No such file"
}

@test "hg-data names a helper that is not installed, fails or prints something else, and leaves nothing" {
	corpus > c.txt
	mkdir empty fake
	run --separate-stderr env PATH="$PWD/empty" "$(command -v hg-data)" -v 320 -o out c.txt
	leaves_nothing 111 "cannot run 'spm_train': No such file"
	printf '#!/bin/sh\necho "first" >&2; echo "disk quota of the moon" >&2; exit 9\n' > fake/spm_train
	chmod +x fake/spm_train
	run --separate-stderr env PATH="$PWD/fake:$PATH" hg-data -v 320 -o out c.txt
	leaves_nothing 111 "'spm_train' can't be used: it exited with 9: disk quota of the moon"
	rm fake/spm_train
	# It is asked for ids of models that are not BPE.
	unigram uni c.txt
	printf '#!/bin/sh\nexec head -n 3\n' > fake/spm_encode
	chmod +x fake/spm_encode
	run --separate-stderr env PATH="$PWD/fake:$PATH" hg-data -t uni.model -o out c.txt
	leaves_nothing 103 "'spm_encode' is invalid: line 1: byte 0x"
	printf '#!/bin/sh\ncat > /dev/null; echo 1 5; echo 1 6\n' > fake/spm_encode
	run --separate-stderr env PATH="$PWD/fake:$PATH" hg-data -t uni.model -o out c.txt
	leaves_nothing 103 "it printed another number of documents"
	printf '#!/bin/sh\nkill -9 $$\n' > fake/spm_encode
	run --separate-stderr env PATH="$PWD/fake:$PATH" hg-data -t uni.model -o out c.txt
	leaves_nothing 111 "it died of signal 9"
}

@test "hg-data asked again finds its work done; another request or another content is refused and left intact" {
	corpus > c.txt
	hg-data -B -n 30 -o out c.txt
	cp -a out before
	cp c.txt moved.txt
	run --separate-stderr hg-data -B -n 30 -o out moved.txt
	says 0 "'out' holds this dataset already"
	run --separate-stderr hg-data -B -n 31 -o out c.txt
	says 1 "'out' holds another dataset"
	run --separate-stderr hg-data -B -n 30 -S 2 -o out c.txt
	says 1 "'out' holds another dataset"
	run --separate-stderr hg-data -v 320 -n 30 -o out c.txt
	says 1 "'out' holds another dataset"
	echo more >> moved.txt
	run --separate-stderr hg-data -B -n 30 -o out moved.txt
	says 1 "'out' holds another dataset"
	diff -r before out
	mkdir precious empty
	echo text > precious/file
	run --separate-stderr hg-data -B -n 30 -o precious c.txt
	says 1 "'precious' exists and is no data directory"
	[ "$(ls -A precious)" = file ]
	run --separate-stderr hg-data -B -n 30 -o c.txt c.txt
	says 1 "'c.txt' exists"
	hg-data -B -n 30 -o empty/ c.txt
	diff -r before empty
}

# bats test_tags=b18
@test "hg-data asked again finds a shard that was altered, cut, longer or gone" {
	corpus > c.txt
	hg-data -B -n 30 -o out c.txt
	cp -a out good
	printf '\7' | dd of=out/corpus_train_000000.bin bs=1 seek=1500 conv=notrunc 2> /dev/null
	run --separate-stderr hg-data -B -n 30 -o out c.txt
	says 103 "'out/corpus_train_000000.bin' has the wrong digest"
	truncate -s -2 out/corpus_train_000000.bin
	run --separate-stderr hg-data -B -n 30 -o out c.txt
	says 103 "'out/corpus_train_000000.bin' is truncated"
	cp good/corpus_train_000000.bin out
	printf 'xx' >> out/corpus_val_000000.bin
	run --separate-stderr hg-data -B -n 30 -o out c.txt
	says 103 "'out/corpus_val_000000.bin' has the wrong size"
	cp good/corpus_val_000000.bin out
	printf 'x' | dd of=out/corpus_val_000000.bin bs=1 conv=notrunc 2> /dev/null
	run --separate-stderr hg-data -B -n 30 -o out c.txt
	says 103 "'out/corpus_val_000000.bin' is invalid: magic"
	rm out/corpus_val_000000.bin
	run --separate-stderr hg-data -B -n 30 -o out c.txt
	says 111 "cannot read 'out/corpus_val_000000.bin': No such file"
	cp good/corpus_val_000000.bin out
	sed -i 's/	/ /' out/val_docs.tsv
	run --separate-stderr hg-data -B -n 30 -o out c.txt
	says 103 "'out/val_docs.tsv' has the wrong digest"
	cp good/val_docs.tsv out
	hg-data -B -n 30 -o out c.txt
}

# bats test_tags=b18
@test "a large shard's digest is remembered, and a change that keeps its size and mtime is found all the same" {
	yes "a line that makes a shard large enough to be remembered" | head -n 200000 | awk '{ print $0, NR }' > c.txt
	hg-data -B -n 30 -f lines -o out c.txt
	[ "$(stat -c %s out/corpus_train_000000.bin)" -gt 16777216 ]
	# Not while it is fresh.
	hg-data -B -n 30 -f lines -o out c.txt
	until_true 10 sh -c 'test $(($(date +%s) - $(stat -c %Z out/corpus_train_000000.bin))) -gt 3'
	hg-data -B -n 30 -f lines -o out c.txt
	grep -q corpus_train_000000.bin out/.digests
	# The leak checker does not work under strace.
	ASAN_OPTIONS=detect_leaks=0 strace -f -e trace=read,openat -o trace hg-data -B -n 30 -f lines -o out c.txt
	run ! grep -q 'corpus_train.*131072' trace
	touch -r out/corpus_train_000000.bin stamp
	printf '\7' | dd of=out/corpus_train_000000.bin bs=1 seek=150000 conv=notrunc 2> /dev/null
	touch -r stamp out/corpus_train_000000.bin
	run --separate-stderr hg-data -B -n 30 -f lines -o out c.txt
	says 103 "'out/corpus_train_000000.bin' has the wrong digest"
}

@test "hg-data -a adopts shards where they lie, links resolved, and finds documents and bytes by itself" {
	corpus > c.txt
	hg-data -v 320 -n 30 -o made c.txt
	mkdir deep
	ln -s ../made/corpus_train_000000.bin deep/link.bin
	hg-data -a -t made/tokenizer.model -o out deep/link.bin -- made/corpus_val_000000.bin
	"$HG_T/tools/contract" dataset out/dataset.json
	[ "$(ls out)" = $'dataset.json\ntokenizer.model\nval_docs.tsv' ]
	jq -e --arg p "$PWD/made/corpus_train_000000.bin" '.train.files[0].path == $p and .val.raw_sha256 == null and
	    .val.raw_bytes == null and .source.format == "adopted"' out/dataset.json
	diff <(cut -f 1-3 made/val_docs.tsv) <(cut -f 1-3 out/val_docs.tsv)
	[ "$(cut -f 4 out/val_docs.tsv | sort -u)" = $'-\nraw_bytes' ]
	for k in documents tokens bytes sha256; do
		[ "$(jq ".train.$k, .val.$k" made/dataset.json)" = "$(jq ".train.$k, .val.$k" out/dataset.json)" ]
	done
	run --separate-stderr hg-data -a -t made/tokenizer.model -o out deep/link.bin -- made/corpus_val_000000.bin
	says 0 "'out' holds this dataset already"
	run --separate-stderr hg-data -a -t made/tokenizer.model -o out made/corpus_val_000000.bin -- made/corpus_train_000000.bin
	says 1 "'out' holds another dataset"
}

@test "hg-data -a refuses a shard on both sides, and documents on both unless they are asked for and counted" {
	local i
	for i in 0 1 2 3 4 5 6 7 8 9; do echo "document $i"; done > c.txt
	hg-data -B -f lines -S none -n 4 -o made c.txt
	cp made/corpus_val_000000.bin again.bin
	run --separate-stderr hg-data -a -B -k -o out made/corpus_train_000000.bin again.bin -- made/corpus_val_000000.bin
	leaves_nothing 103 "'$PWD/made/corpus_val_000000.bin' is invalid: the same shard is given for training"
	# Three of six training documents are documents 1, 3 and 1 of validation; a document more makes it another shard.
	printf 'document %s\n' 8 1 7 3 1 9 x > mixed.txt
	hg-data -B -f lines -S none -n 1 -o mixed <(echo other; cat mixed.txt)
	run --separate-stderr hg-data -a -B -o out mixed/corpus_train_000000.bin -- made/corpus_val_000000.bin
	leaves_nothing 103 "mixed/corpus_train_000000.bin' is invalid: 3 of 7 training documents are in validation too, first document 2, which begins at token 11; adopt other shards, or keep them with -k"
	hg-data -a -B -k -o out mixed/corpus_train_000000.bin -- made/corpus_val_000000.bin
	[ "$(jq .train.overlap_documents out/dataset.json)" -eq 3 ]
	hg-data -a -B -o apart made/corpus_train_000000.bin -- made/corpus_val_000000.bin
	[ "$(jq .train.overlap_documents apart/dataset.json)" -eq 0 ]
}

@test "hg-data -a tells of documents of BOS alone, and of a side where a single BOS or none says where documents begin" {
	shard() { # NAME ID...
		"$PYTHON" -c 'import struct, sys
n = sys.argv[2:]
open(sys.argv[1], "wb").write(struct.pack("<256i", 20240520, 1, len(n), *[0] * 253) + struct.pack("<%dH" % len(n), *map(int, n)))' "$@"
	}
	# Two in a row and one behind the last; in training one in the middle of two shards.
	shard val.bin 1 70 71 1 1 1 72 73 1
	shard train0.bin 1 80 81 1
	shard train1.bin 1 82 83 84
	run -0 --separate-stderr hg-data -a -B -o out train0.bin train1.bin -- val.bin
	[[ "$stderr" == *"3 of 5 documents of val are BOS alone, without text; the last begins at token 8 of '$PWD/val.bin' and ends it"* ]]
	[[ "$stderr" == *"1 of 3 documents of train are BOS alone, without text; the last begins at token 3 of '$PWD/train0.bin'"* ]]
	[[ "$stderr" != *"train0.bin' and ends it"* && "$stderr" != *"a single BOS"* ]]
	[ "$(jq -c '[.val.documents, .val.empty_documents, .train.empty_documents, .val.bytes]' out/dataset.json)" = '[5,3,1,4]' ]
	[ "$(awk '!/^#/ && $2 == 1 && $3 == 0' out/val_docs.tsv | wc -l)" -eq 3 ]
	# What has none does not say so, and a stream that nobody parted is told.
	shard one.bin 1 70 71 72 73
	shard none.bin 80 81 82 83 84
	run -0 --separate-stderr hg-data -a -B -o single none.bin -- one.bin
	[[ "$stderr" == *"val holds a single BOS (id 1) in 5 tokens"* ]]
	[[ "$stderr" == *"train holds no BOS (id 1) in 5 tokens"* ]]
	jq -e '(.val | has("empty_documents") | not) and (.train | has("empty_documents") | not)' single/dataset.json
	run -0 --separate-stderr hg-data -a -B -o plain train1.bin train0.bin -- one.bin
	[[ "$stderr" == *"1 of 3 documents of train are BOS alone"*"train0.bin' and ends it"* ]]
}

@test "training text that only its tokenizer makes a copy of a validation document is dropped, and its number said" {
	corpus | awk 'NF' > c.txt
	{ cat c.txt; head -n 20 c.txt | sed 's/ /   /g'; } > twice.txt
	run --separate-stderr hg-data -v 320 -f lines -S none -n 50 -o out twice.txt
	[ "$status" -eq 0 ]
	# Some lines of the first 20 are one word with blanks around; the copies are all dropped, whatever their blanks.
	[ "${stderr_lines[0]}" = "hg-data: 20 copies of validation documents were dropped, so that none is trained on" ]
	jq -e '.source.duplicates_dropped == 20' out/dataset.json
	hg-data -a -t out/tokenizer.model -o adopted out/corpus_train_*.bin -- out/corpus_val_*.bin
}

@test "hg-data -a refuses shards that are none, too short, of other ids, or that start inside a document" {
	corpus > c.txt
	hg-data -B -n 30 -o made c.txt
	cd made
	V=corpus_val_000000.bin
	T=corpus_train_000000.bin
	head -c 2000 $T > short.bin
	run --separate-stderr hg-data -a -B -o ../out short.bin -- $V
	leaves_nothing 103 "'$PWD/short.bin' is truncated: 2000 bytes"
	{ printf 'x'; tail -c +2 $T; } > magic.bin
	run --separate-stderr hg-data -a -B -o ../out magic.bin -- $V
	leaves_nothing 103 "magic.bin' is invalid: magic"
	{ head -c 1030 $T; printf '\4\1'; tail -c +1033 $T; } > id.bin
	run --separate-stderr hg-data -a -B -o ../out id.bin -- $V
	leaves_nothing 103 "id.bin' is invalid: id 260 at position 3, expected ids below 260"
	{ head -c 1024 $V; printf '\5\0'; tail -c +1027 $V; } > bos.bin
	run --separate-stderr hg-data -a -B -o ../out $T -- bos.bin
	leaves_nothing 103 "its first id is not BOS"
	run --separate-stderr hg-data -a -B -o ../out $T -- none.bin
	leaves_nothing 111 "cannot read 'none.bin'"
	run --separate-stderr hg-data -a -B -o ../out $T
	[ "$status" -eq 100 ]
	cd ..
	[ ! -e out ]
}

@test "hg-data says what spm_train found: a vocabulary too small for the corpus is a wrong command line, with the size that would do" {
	"$PYTHON" -c 'for i in range(300): print("line", chr(0x4e00 + i) * 3, i, "\n")' > c.txt
	run --separate-stderr hg-data -v 300 -o out c.txt
	leaves_nothing 100 "'spm_train' can't do what was asked for: -v 300: this corpus has characters for more pieces, expected at least -v "
	hg-data -v "${stderr##*-v }" -o out c.txt
	mkdir fake
	cat > fake/spm_train <<-'END'
		#!/bin/sh
		echo 'spm_train_main.cc(275) [_status.ok()] Internal: src/x.cc(9) [!a.empty()] nothing to count' >&2
		echo 'Program terminated with an unrecoverable error.' >&2
		exit 255
	END
	chmod +x fake/spm_train
	run --separate-stderr env PATH="$PWD/fake:$PATH" hg-data -v 320 -o other c.txt
	says 103 "'the corpus for spm_train' is invalid: nothing to count"
}

@test "hg-data names the kind of a file that is no text, and what would make text of it" {
	corpus > c.txt
	local how what code
	gzip < c.txt > gzip
	bzip2 < c.txt > bzip2
	xz < c.txt > xz 2> tools || printf '\3757zXZ\0more' > xz
	tar cf tar c.txt
	iconv -f UTF-8 -t UTF-16LE c.txt > utf16le
	iconv -f UTF-8 -t UTF-16BE c.txt > utf16be
	iconv -f UTF-8 -t UTF-32LE c.txt > utf32le
	iconv -f UTF-8 -t UTF-32BE c.txt > utf32be
	printf 'слово за словом\n' | iconv -f UTF-8 -t KOI8-R > koi8
	for code in 1 2 3 4 5; do cat koi8 koi8 > more && mv more koi8; done
	printf '\4"M\030more' > lz4
	printf '\050\265\057\375more' > zstd
	printf 'PK\3\4more' > zip
	cp /bin/sh elf
	head -c 4000 /dev/zero > nul
	while read -r how what; do
		run --separate-stderr hg-data -B -f lines -o out "$how"
		leaves_nothing 103 "'$how' is invalid: $what"
		# From a pipe too.
		run --separate-stderr hg-data -B -f lines -o out - < "$how"
		leaves_nothing 103 "'-' is invalid: $what"
	done <<-'END'
		gzip compressed by gzip; unpack it first (zcat)
		bzip2 compressed by bzip2; unpack it first (bzcat)
		xz compressed by xz; unpack it first (xzcat)
		lz4 compressed by lz4; unpack it first (lz4cat)
		zstd compressed by zstd; unpack it first (zstdcat)
		zip a zip archive; unpack it first (unzip -p)
		tar a tar archive; unpack it first (tar -xO)
		elf a program or library (ELF)
		utf16le it looks like UTF-16 without a mark; make it UTF-8 first (iconv -f UTF-16LE or UTF-16BE)
		utf16be it looks like UTF-16 without a mark; make it UTF-8 first (iconv -f UTF-16LE or UTF-16BE)
		utf32le it looks like UTF-32 without a mark; make it UTF-8 first (iconv -f UTF-32LE or UTF-32BE)
		utf32be it looks like UTF-32 without a mark; make it UTF-8 first (iconv -f UTF-32LE or UTF-32BE)
		koi8 more than three tenths of it is no UTF-8; make it UTF-8 first (iconv -f ENCODING)
		nul no text: more than a tenth of it is NUL or control bytes (strings)
	END
}

@test "hg-data -j names the key of JSON lines, and -k skips and counts lines that hold no document" {
	printf '{"body":"%s","text":1}\n' a b c > good.jsonl
	{ cat good.jsonl; echo '{"body":"cut'; echo '{"other":"x"}'; echo '{"body":"d"}'; } > bad.jsonl
	run --separate-stderr hg-data -B -f jsonl -j body -o out bad.jsonl
	leaves_nothing 103 "'bad.jsonl' is invalid: line 4: not JSON"
	[[ "$stderr" == *"; -k skips and counts such lines" ]]
	run --separate-stderr hg-data -B -f jsonl -o out good.jsonl
	leaves_nothing 103 "line 1: no object with a string \"text\" (-j names another key)"
	hg-data -B -f jsonl -j body -k -S none -n 1 -o out bad.jsonl
	[ "$(decoded out val; decoded out train)" = $'"a"\n"b"\n"c"\n"d"' ]
	jq -e '.source | .skipped == 2 and .json_key == "body"' out/dataset.json
	run --separate-stderr hg-data -B -f jsonl -j text -k -S none -n 1 -o out bad.jsonl
	says 1 "'out' holds another dataset"
}

@test "hg-data takes the validation from files of its own behind --, and drops what training shares with them" {
	printf '%s\n' one two three two four > train.txt
	printf '%s\n' five two five > val.txt
	local seed
	for seed in 1 2 none; do
		hg-data -B -f lines -S "$seed" -o "out$seed" train.txt -- val.txt
		[ "$(decoded "out$seed" val | sort)" = $'"five"\n"two"' ]
		[ "$(decoded "out$seed" train | sort)" = $'"four"\n"one"\n"three"' ]
		jq -e '.source | .val_files == 1 and .duplicates_dropped == 3 and .files_total == 2' "out$seed/dataset.json"
	done
	run --separate-stderr hg-data -B -f lines -o out1 train.txt -- val.txt
	says 0 "holds this dataset already"
	run --separate-stderr hg-data -B -f lines -o out1 val.txt train.txt
	says 1 "holds another dataset"
	printf '\n\n' > blank
	run --separate-stderr hg-data -B -f lines -o other train.txt -- blank
	says 103 "no document that is not empty in the files for validation"
	run --separate-stderr hg-data -B -f lines -o other blank -- val.txt
	says 103 "no document that is not empty in the files for training"
}

@test "hg-data -T reads the names of files from a list or standard input" {
	printf '%s\n' a b > 1
	printf '%s\n' c d > 'two words'
	printf '%s\n' e > 3
	hg-data -B -f lines -S none -n 1 -o want 1 'two words' 3
	printf 'two words\n\n3' > list
	hg-data -B -f lines -S none -n 1 -T list -o listed 1
	cmp want/corpus_train_000000.bin listed/corpus_train_000000.bin
	printf '1\ntwo words\n3\n' | hg-data -B -f lines -S none -n 1 -T - -o piped
	cmp want/corpus_train_000000.bin piped/corpus_train_000000.bin
	hg-data -B -f lines -T list -o parted -- 1
	[ "$(decoded parted val | sort)" = $'"a"\n"b"' ]
	run --separate-stderr hg-data -B -T nowhere -o out
	[ "$status" -eq 100 ]
	[[ "$stderr" == *"-T: cannot read 'nowhere'"* ]]
}

@test "hg-data -L keeps line breaks and blanks: a model that is trained so gives every document back byte for byte" {
	"$PYTHON" -c 'for d in range(200): print("\n\ndef f%d(a):\n\n    if a:\n\treturn  %d \n" % (d, d * d), end="\0")' > c
	tr '\0' '\n' < c | jq -cRs 'split("\n\n\ndef")[1:][] | {text: ("\n\ndef" + .)}' > c.jsonl
	hg-data -L -v 320 -f jsonl -n 50 -o out c.jsonl
	jq -e '.source.keep_lines and .val.lost_documents == 0 and .train.lost_documents == 0 and
	    .val.kept_sha256 == .val.raw_sha256' out/dataset.json
	hg-data -v 320 -f jsonl -n 50 -o joined c.jsonl
	jq -e '.val.lost_documents == .val.documents' joined/dataset.json
	run --separate-stderr hg-data -v 320 -f jsonl -n 50 -o out c.jsonl
	says 1 "'out' holds another dataset"
}

# Ids of a data directory, a document a line.
ids_of() {
	"$PYTHON" - "$1" <<-'END'
		import struct, sys
		ids = []
		for part in ("val", "train"):
		    b = open("%s/corpus_%s_000000.bin" % (sys.argv[1], part), "rb").read()
		    for i in struct.unpack("<%dH" % ((len(b) - 1024) // 2), b[1024:]):
		        ids.append([]) if i == 1 else None
		        ids[-1].append(str(i))
		print("\n".join(map(" ".join, ids)))
	END
}

@test "long lines are encoded to the very ids of spm_encode, and by it in parts where hg-data does not" {
	"$PYTHON" -c 'import random
r = random.Random(5)
w = ["%x" % r.getrandbits(20) for _ in range(900)] + ["na\u00efve", "\u4e2d\u6587", "a\u0301", "--", "\u00a0x", "x  y", "x"]
for _ in range(12): print(" ".join(r.choices(w, k=9000)))' > c.txt
	hg-data -v 320 -f lines -S none -n 3 -o bpe c.txt
	spm_encode --model=bpe/tokenizer.model --output_format=id --extra_options=bos < c.txt > want
	ids_of bpe > got
	cmp want got
	# A model with tests of its own, of which there are none, is the same model, and spm_encode's.
	{ cat bpe/tokenizer.model; printf '"\0'; } > tested.model
	mkdir fake
	printf '#!/bin/sh\n: > %s/asked\nexec %s "$@"\n' "$PWD" "$(command -v spm_encode)" > fake/spm_encode
	chmod +x fake/spm_encode
	PATH="$PWD/fake:$PATH" hg-data -t tested.model -f lines -S none -n 3 -o spm c.txt
	[ -e asked ]
	ids_of spm > got
	cmp want got
}

@test "hg-data gives the same bytes on one processor as on all of them, by its own encoder and by spm_encode" {
	[ "$(nproc)" -gt 1 ] || skip "a single processor"
	"$PYTHON" -c 'import random
r = random.Random(7)
w = ["%x" % r.getrandbits(20) for _ in range(3000)]
for _ in range(60000): print(" ".join(r.choices(w, k=14)))' > c.txt
	head -n 3000 c.txt > some.txt
	unigram uni some.txt
	hg-data -v 320 -f lines -n 30 -o trained some.txt
	local how
	for how in "-t uni.model" "-t trained/tokenizer.model" -B; do
		rm -rf one all
		taskset -c "$(taskset -cp $$ | sed 's/.*[ ,-]//')" hg-data $how -f lines -n 50 -o one c.txt
		hg-data $how -f lines -n 50 -o all c.txt
		cmp one/dataset.json all/dataset.json
	done
}

@test "hg-data -a without what made the shards says what is missing" {
	run --separate-stderr hg-data -a -o out a.bin -- b.bin
	[ "$status" -eq 100 ]
	[[ "${stderr_lines[0]}" == "hg-data: -a needs -t MODEL, the model that made the shards, or -B for bytes" ]]
	run --separate-stderr hg-data -a -B -o out a.bin
	[ "$status" -eq 100 ]
	[[ "${stderr_lines[0]}" == "hg-data: -a needs shards on both sides: TRAIN.bin... -- VAL.bin..." ]]
	run --separate-stderr hg-data -B c.txt
	[[ "${stderr_lines[0]}" == "hg-data: -o DIR is missing"* ]]
}

# bats test_tags=b5
@test "a killed hg-data leaves no directory, and the next one clears what it left" {
	corpus > c.txt
	mkdir fake
	printf '#!/bin/sh\n: > %s/started\nexec sleep 1000\n' "$PWD" > fake/spm_train
	chmod +x fake/spm_train
	PATH="$PWD/fake:$PATH" hg-data -v 320 -n 30 -o out c.txt 3>&- &
	owner=$!
	until_true 20 test -e started
	helper=$(pgrep -f "sleep 1000" | while read -r p; do
		[ "$(readlink "/proc/$p/cwd" | grep -c "$PWD/.tmp.out")" -eq 1 ] && echo "$p"; done)
	[ -n "$helper" ]
	kill -9 "$owner"
	wait "$owner" || :
	# Nobody survives the owner.
	until_true 20 test ! -e "/proc/$helper"
	[ ! -e out ]
	[ -n "$(ls -d .tmp.out.*)" ]
	hg-data -B -n 30 -o out c.txt
	[ -z "$(find . -name '.tmp*')" ]
	[ -f out/dataset.json ]
}

# bats test_tags=b5
@test "a running hg-data's temporary is left alone by another, and both end in one directory" {
	corpus > c.txt
	mkdir fake
	printf '#!/bin/sh\n: > %s/started\nwhile [ ! -e %s/go ]; do sleep 0.02; done\nexec spm_train "$@"\n' "$PWD" "$PWD" > fake/spm_train
	sed -i 's|exec spm_train|exec '"$(command -v spm_train)"'|' fake/spm_train
	chmod +x fake/spm_train
	PATH="$PWD/fake:$PATH" hg-data -v 320 -n 30 -o out c.txt 2> first 3>&- &
	local owner=$!
	until_true 20 test -e started
	hg-data -v 320 -n 30 -o out c.txt
	: > go
	wait "$owner"
	grep -q "holds this dataset already" first || { cat first >&2; false; }
	[ -z "$(find . -name '.tmp*')" ]
	hg-data -v 320 -n 30 -o out c.txt
}

@test "hg-data interrupted by a signal clears up at once and ends by that signal" {
	corpus > c.txt
	mkdir fake
	printf '#!/bin/sh\n: > %s/started\nexec sleep 1000\n' "$PWD" > fake/spm_train
	chmod +x fake/spm_train
	PATH="$PWD/fake:$PATH" hg-data -v 320 -n 30 -o out c.txt 3>&- &
	local owner=$! rc=0
	until_true 20 test -e started
	kill -TERM "$owner"
	wait "$owner" || rc=$?
	[ "$rc" -eq 143 ]
	[ -z "$(find . -name '.tmp*' -o -name out)" ]
}

# bats test_tags=b5
@test "hg-data that ends with shards complete keeps them, says so, and the next one goes on in the same directory" {
	corpus > c.txt
	hg-data -B -n 30 -o want c.txt
	mkdir fake
	printf '#!/bin/sh\n: > %s/started\nexec sleep 1000\n' "$PWD" > fake/spm_train
	chmod +x fake/spm_train
	# Notes that it did not write: whether they are any use is another test's (t/unit/resume.c).
	PATH="$PWD/fake:$PATH" hg-data -v 320 -n 30 -o out c.txt 2> said 3>&- &
	local owner=$! rc=0 left
	until_true 20 test -e started
	left=$(echo .tmp.out.????????????????)
	: > "$left/.resume"
	kill -TERM "$owner"
	wait "$owner" || rc=$?
	[ "$rc" -eq 143 ]
	grep -q "what is complete of 'out' is kept: the same command goes on behind it" said
	[ -e "$left/sample.txt" ]
	local inode
	inode=$(stat -c %i "$left")
	hg-data -B -n 30 -o out c.txt
	[ "$(stat -c %i out)" -eq "$inode" ]
	[ "$(find . -name '.tmp*' | wc -l)" -eq 0 ]
	# Of what was of no use nothing is left.
	[ "$(ls -A out)" = "$(ls -A want)" ]
	cmp out/dataset.json want/dataset.json
	# Who adopts shards goes on in nothing.
	mkdir .tmp.adopted.0123456789abcdef
	: > .tmp.adopted.0123456789abcdef/.resume
	: > .tmp.adopted.0123456789abcdef.lock
	hg-data -a -B -o adopted want/corpus_train_*.bin -- want/corpus_val_*.bin
	[ "$(find . -name '.tmp*' -o -name '.resume' | wc -l)" -eq 0 ]
}

@test "hg-data on a full disk says so, exits 111 and leaves nothing" {
	unshare -rm true 2> /dev/null || skip "no mount namespaces here"
	corpus > c.txt
	mkdir small
	run --separate-stderr unshare -rm sh -c 'mount -t tmpfs -o size=32k none small && { hg-data -B -n 30 -o small/out c.txt; rc=$?
	    ls -A small; exit $rc; }'
	says 111 "No space left on device"
}

@test "hg-data in a directory that can't be written to says so and exits 111" {
	unshare -rm true 2> /dev/null || skip "no mount namespaces here"
	corpus > c.txt
	mkdir fixed
	run --separate-stderr unshare -rm sh -c 'mount -t tmpfs -o ro none fixed && hg-data -B -n 30 -o fixed/out c.txt'
	says 111 "cannot make 'fixed/out': Read-only file system"
}

@test "hg-data refuses options that exclude each other and values out of range" {
	: > c.txt
	local args
	for args in "-B -v 1024 -o out c.txt" "-B c.txt" "-B -o out" "-a -o out a -- b" "-a -B -n 5 -o out a -- b" \
		"-j k -o out c.txt" "-k -o out c.txt" "-n 3 -o out c.txt -- c.txt" "-o out c.txt --" "-a -B -L -o out a -- b" \
		"-v 260 -o out c.txt" "-v 65537 -o out c.txt" "-B -n 0 -o out c.txt" "-B -f csv -o out c.txt" "-B -S x -o out c.txt"; do
		# shellcheck disable=SC2086
		run --separate-stderr hg-data $args
		[ "$status" -eq 100 ] || { echo "$args: $status" >&2; false; }
		[[ "$stderr" == *usage:* ]]
		[ ! -e out ]
	done
}

@test "-v and -n take what hg-data(1) says that they take, to the last number, and refuse the next" {
	local letter least most page=$HG_TOP/man/hg-data.1
	for letter in v n; do
		read -r least most <<< "$(sed -nE "/^\.It Fl $letter Ar/{n;s/.* from ([0-9]+) to ([0-9]+)[,.].*/\1 \2/p;}" "$page")"
		[ "$least" -gt 0 ]
		[ "$most" -gt "$least" ]
		for good in "$least" "$most"; do
			run hg-data -$letter "$good" -o out missing.txt
			[[ "$output" == *"cannot read 'missing.txt'"* ]] || { echo "$letter $good: $output" >&2; false; }
		done
		for bad in $((least - 1)) $((most + 1)); do
			run -100 hg-data -$letter "$bad" -o out missing.txt
			[[ "$output" == *"-$letter is no number from $least to $most"* ]]
		done
	done
}
