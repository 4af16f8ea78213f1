# hg-shard: ids as text become one shard in the public layout.
load helper

setup() {
	mkdir "$BATS_TEST_TMPDIR/here"
	cd "$BATS_TEST_TMPDIR/here"
}

# One line on stderr, this exit code, nothing on stdout and no file left.
refuses() {
	local code=$1 pattern=$2
	[ "$status" -eq "$code" ]
	[ -z "$output" ]
	[ "$(wc -l <<< "$stderr")" -eq 1 ]
	[[ "$stderr" == "hg-shard: "*$pattern* ]] || { echo "$stderr" >&2; false; }
	[ -z "$(ls -A -I '*.model' .)" ]
}

shard() {
	run --separate-stderr sh -c 'printf "$1" | hg-shard -t bytes -o out.bin' sh "$1"
}

@test "hg-shard writes the public layout and prints documents, tokens and bytes" {
	shard '1 108 109\n1 110 4\n'
	[ "$status" -eq 0 ]
	[ "$output" = '{"docs":2,"tokens":6,"bytes":4}' ]
	"$PYTHON" - <<-'END'
		import struct
		d = open("out.bin", "rb").read()
		assert struct.unpack("<256i", d[:1024]) == (20240520, 1, 6) + (0,) * 253
		assert struct.unpack("<6H", d[1024:]) == (1, 108, 109, 1, 110, 4)
	END
}

@test "hg-shard counts bytes by a real model as an independent reader of it does" {
	need_shared
	"$PYTHON" - "$SHARED" <<-'END'
		import json, sys
		b = json.load(open(sys.argv[1] + "/golden/bpb.json"))
		ids = [i for d in b["docs"] for i in d["ids"]]
		assert sum(b["target_bytes"]) == b["stream_bytes"]
		open("want", "w").write('{"docs":%d,"tokens":%d,"bytes":%d}\n' % (len(b["docs"]), len(ids), b["stream_bytes"]))
		open("ids", "w").write("".join(" ".join(map(str, d["ids"])) + "\n" for d in b["docs"]))
	END
	hg-shard -t "$SHARED/fixtures/fineweb_8192_bpe.model" -o out.bin < ids > got
	cmp want got
}

@test "hg-shard takes tabs, CR LF, many blanks and a last line without its end" {
	shard '1 5\t6\r\n  1   7  \n1 8'
	[ "$status" -eq 0 ]
	[ "$output" = '{"docs":3,"tokens":7,"bytes":4}' ]
}

@test "hg-shard names the line of a bad id, an empty line, a missing BOS and a second one" {
	shard '1 5\n1 260\n'
	refuses 103 "line 2: id 260, expected ids below 260"
	shard '1 5\n1 99999999999999999999\n'
	refuses 103 "line 2: an id of 20 digits"
	shard '1 5\n1 -3\n'
	refuses 103 "line 2: byte 0x2d"
	shard '1 5\n1 6x\n'
	refuses 103 "line 2: byte 0x78"
	shard '1 5\n\n1 6\n'
	refuses 103 "line 2: an empty line"
	shard '1 5\n6 7\n'
	refuses 103 "line 2: id 6, expected BOS (1)"
	shard '1 5\n1 6 1 7\n'
	refuses 103 "line 2: BOS inside a document"
	shard '1 5\n1 6 \0 7\n'
	refuses 103 "line 2: byte 0x00"
	shard ''
	refuses 103 "no document"
}

@test "hg-shard reads numbers and lines that cross its blocks" {
	"$PYTHON" - <<-'END'
		import random
		random.seed(5)
		docs = [[1] + [random.randrange(2, 260) for _ in range(random.choice([1, 3, 200, 70000, 200000]))] for _ in range(40)]
		open("ids", "w").write("".join(" ".join(map(str, d)) + "\n" for d in docs))
		import struct
		flat = [i for d in docs for i in d]
		open("want", "wb").write(struct.pack("<256i", 20240520, 1, len(flat), *[0] * 253) + struct.pack("<%dH" % len(flat), *flat))
	END
	# In odd pieces too.
	hg-shard -t bytes -o out.bin < ids
	cmp want out.bin
	dd if=ids bs=777 2> /dev/null | hg-shard -t bytes -o again.bin
	cmp want again.bin
}

@test "hg-shard never overwrites and leaves what was there intact" {
	echo precious > out.bin
	run --separate-stderr sh -c 'echo 1 5 | hg-shard -t bytes -o out.bin'
	[ "$status" -eq 1 ]
	[ "$stderr" = "hg-shard: 'out.bin' exists already" ]
	[ "$(cat out.bin)" = precious ]
}

@test "hg-shard refuses a missing model, a text that is none and a directory that is not there" {
	run --separate-stderr sh -c 'echo 1 5 | hg-shard -t no.model -o out.bin'
	refuses 111 "cannot read 'no.model'"
	echo nonsense > bad.model
	run --separate-stderr sh -c 'echo 1 5 | hg-shard -t bad.model -o out.bin'
	refuses 103 "'$PWD/bad.model' is invalid"
	run --separate-stderr sh -c 'echo 1 5 | hg-shard -t bytes -o nowhere/out.bin'
	refuses 111 "cannot open 'nowhere'"
}

@test "hg-shard on a full disk says so, exits 111 and leaves nothing" {
	[ -w /dev/shm ] && unshare -rm true 2> /dev/null || skip "no mount namespaces here"
	mkdir small
	run --separate-stderr unshare -rm sh -c '
	    mount -t tmpfs -o size=64k none small && cd small &&
	    { yes "1 $(seq -s " " 5 200)" | head -n 2000 | hg-shard -t bytes -o out.bin; rc=$?; ls -A; exit $rc; }'
	[ "$status" -eq 111 ]
	[ -z "$output" ]
	[[ "$stderr" == "hg-shard: cannot write 'out.bin': No space left on device" ]]
}
