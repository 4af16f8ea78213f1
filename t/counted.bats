# Counted code: a stranger with nothing but these files trains, restores and scores, to the last bit.
load helper

# The files of the bundle, as the build counts them.
strip_into() {
	local file to
	while read -r file; do
		to=$1/${file#build/*/}
		mkdir -p "$(dirname "$to")"
		"$HG_BUILD/gen/embed" strip "$HG_TOP/$file" > "$to"
	done < "$HG_BUILD/gen/counted"
}

setup_file() {
	export DATA=$BATS_FILE_TMPDIR/data HOMEGOLF_LANES=$BATS_FILE_TMPDIR/lanes
	export BUNDLE=$BATS_FILE_TMPDIR/bundle
	cd "$BATS_FILE_TMPDIR"
	tiny_data "$DATA" 2> /dev/null
	mkdir runs bundle
	tiny_spec runs/a train.iterations=5
	tiny_spec runs/b train.iterations=4 model.tie_embeddings=false eval.mode=sliding:16 eval.docs=7 train.warmup_steps=2 train.warmdown_frac=1 \
		train.grad_clip_norm=1 export.scale_floor=0.002 export.coder=xz
	tiny_spec runs/c train.iterations=2 eval.mode=ttt:16:0.5 eval.seq_len=48 eval.docs=9
	local r
	for r in runs/a runs/b runs/c; do
		hg-train "$r"
		hg-export "$r"
		hg-score "$r"
	done
	strip_into bundle
	(
		cd bundle
		# shellcheck disable=SC2046
		cc -std=c11 -ffp-contract=off -D_XOPEN_SOURCE=700 -DHG_PORTABLE -O2 -Ilib -Igen -c $(find . -name '*.c')
	)
}

setup() {
	cd "$BATS_FILE_TMPDIR"
}

link() {
	cc -o "$1" "${@:2}" -ljansson -lz -llzma -lcrypto -lm
}

# shards PART: absolute paths.
shards() {
	jq -r --arg dir "$DATA" ".$1.files[].path | \$dir + \"/\" + ." "$DATA/dataset.json"
}

# bats test_tags=b67
@test "what is counted, alone in an empty directory, trains, restores and scores to the last bit" {
	local r
	link solo bundle/*.o
	for r in a b c; do
		mkdir -p "by-hand/$r"
		# shellcheck disable=SC2046
		(cd "by-hand/$r" && ../../solo "../../runs/$r/spec.json" bytes $(shards train) -- $(shards val) > said)
		[ "$(jq -r .checkpoint_sha256 "by-hand/$r/said")" = "$(jq -r .checkpoint.sha256 "runs/$r/training_report.json")" ]
		[ "$(jq -r .train_loss "by-hand/$r/said")" = "$(jq -r .final_train_loss "runs/$r/training_report.json")" ]
		[ "$(jq -r '.artifact_sha256, .artifact_bytes' "by-hand/$r/said")" = \
			"$(jq -r '.artifact | .sha256, .bytes' "runs/$r/export_report.json")" ]
		[ "$(jq '.val_loss, .val_bpb, .tokens, .bytes' "by-hand/$r/said")" = \
			"$(jq '.val_loss, .val_bpb, .tokens, .bytes' "runs/$r/artifact_score_report.json")" ]
	done
	run ! cmp -s by-hand/a/checkpoint.safetensors by-hand/b/checkpoint.safetensors
}

# bats test_tags=b67
@test "what is counted scores over byte counts that came with shards, too" {
	local train val
	[ -x solo ] || link solo bundle/*.o
	train=$(shards train) val=$(shards val)
	# Two bytes for each, as nobody's text has, so that it shows who counts.
	"$PYTHON" -c 'import struct, sys
b = open(sys.argv[1], "rb").read()
ids = struct.unpack("<%dH" % ((len(b) - 1024) // 2), b[1024:])
open("counts.bin", "wb").write(b[:1024] + struct.pack("<%dH" % len(ids), *[0 if i == 1 else 2 for i in ids]))' "$val"
	hg-data -a -B -b $(($(jq .val.bytes "$DATA/dataset.json") * 2)) -o doubled $train -- $val -- counts.bin
	[ -d runs/doubled ] || DATA=$PWD/doubled tiny_spec runs/doubled
	hg-run runs/doubled
	mkdir -p by-hand/doubled
	# shellcheck disable=SC2086
	(cd by-hand/doubled && ../../solo ../../runs/doubled/spec.json bytes $train -- $val -- ../../counts.bin > said)
	[ "$(jq '.val_loss, .val_bpb, .tokens, .bytes' by-hand/doubled/said)" = \
		"$(jq '.val_loss, .val_bpb, .tokens, .bytes' runs/doubled/artifact_score_report.json)" ]
	jq -e '.bytes > 1.9 * .tokens' by-hand/doubled/said
}

# bats test_tags=b67
@test "the export report has the size of those files as one zlib stream, and their digest as sha256sum prints it" {
	(cd bundle && sed 's,^build/[^/]*/,,' "$HG_BUILD/gen/counted" | while read -r file; do
		printf '%s %s\n' "$file" "$(stat -c %s "$file")"
		cat "$file"
	done) > stream
	[ "$("$PYTHON" -c 'import sys, zlib; print(len(zlib.compress(open(sys.argv[1], "rb").read(), 9)))' stream)" = \
		"$(jq .code_bytes runs/a/export_report.json)" ]
	[ "$(cd bundle && sed 's,^build/[^/]*/,,' "$HG_BUILD/gen/counted" | xargs sha256sum | sha256sum | cut -d' ' -f1)" = \
		"$(jq -r .code_sha256 runs/a/export_report.json)" ]
}

# bats test_tags=b67
@test "no source that is counted can be left out" {
	local left others o
	for left in bundle/*.o; do
		others=()
		for o in bundle/*.o; do [ "$o" = "$left" ] || others+=("$o"); done
		run ! link less "${others[@]}"
	done
}

@test "stripped code is the same code" {
	local file
	while read -r file; do
		case $file in *.h) continue ;; esac
		(cd "$HG_TOP" && cc -x c -E -P -DNDEBUG -D_XOPEN_SOURCE=700 -DHG_PORTABLE -Ilib "$file") | tr -d ' \t\n' > whole
		(cd bundle && cc -x c -E -P -DNDEBUG -D_XOPEN_SOURCE=700 -DHG_PORTABLE -Ilib -Igen "${file#build/*/}") | tr -d ' \t\n' > bare
		[ -s whole ]
		cmp whole bare
	done < "$HG_BUILD/gen/counted"
}

@test "stripping takes comments and needless blanks, and leaves strings, constants and continued lines" {
	cat > odd.c <<-'END'
		/* one */ int a; // two \
		    still two
		#define TWICE(x) \
		    ((x) + /* once more
		    */ (x))

		char s[] = "/* no */ \" // \\", c = '"', d = '\'', *e = "a    b"; /* "x */  int   b = a / /**/ 2;
		int
		main(void) { return (b - -a + (0xe + 1)); }
	END
	printf 'int last; /* not ended' >> odd.c
	cat > want <<-'END'
		int a;
		#define TWICE(x) \
		((x) + (x))
		char s[]="/* no */ \" // \\",c='"',d='\'',*e="a    b";int b=a/2;
		int
		main(void){return(b- -a+(0xe +1));}
		int last;
	END
	"$HG_BUILD/gen/embed" strip odd.c > bare
	diff want bare
}

# bats test_tags=b67
@test "a file of lib/gpt is counted, or named as not needed; nothing else passes" {
	mkdir tree
	cp -r "$HG_TOP/lib" tree
	cd tree
	counted() { lib/run/counted.sh; }
	[ "$(counted)" = "$(grep -v '^build/' "$HG_BUILD/gen/counted")" ]

	echo 'int zzz;' > lib/gpt/zzz.c
	run ! counted
	[ "$output" = "counted.sh: lib/gpt/zzz.c is neither counted nor named here as not needed" ]
	echo 'extern int zzz;' > lib/gpt/zzz.h
	echo '#include "gpt/zzz.h"' >> lib/gpt/model.c
	[ "$(counted | grep -c '^lib/gpt/zzz\.[ch]$')" = 2 ]
	mv lib/gpt/zzz.c lib/gpt/zzz_more.c
	[ "$(counted | grep -c '^lib/gpt/zzz_more.c$')" = 1 ]
	rm lib/gpt/zzz.h
	run ! counted
	[[ "$output" == *"lib/gpt/model.c includes gpt/zzz.h, which is not there"* ]]
	rm lib/gpt/zzz_more.c

	mkdir -p build/x/gen
	echo '#include "gpt/model.h"' > build/x/gen/table.c
	cp "$HG_TOP/lib/gpt/model.c" lib/gpt
	[ "$(lib/run/counted.sh build/x/gen/table.c | grep -c '^build/x/gen/table.c$')" = 1 ]

	echo '#include "gpt/generate.h"' >> lib/gpt/model.c
	run ! counted
	[[ "$output" == *"lib/gpt/generate is needed after all"* ]]
	cp "$HG_TOP/lib/gpt/model.c" lib/gpt
	rm lib/gpt/generate.[ch]
	run ! counted
	[ "$output" = "counted.sh: lib/gpt/generate.c is named here, but is not there" ]
}
