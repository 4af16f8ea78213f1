# For tests of supervision: runs without a model, and tools whose work is a script.

fakerun_setup() {
	cd "$BATS_TEST_TMPDIR" || return
	PATH=$HG_T/tools:$PATH
	export HOMEGOLF_LANES=$PWD/lanes
	mkdir data
	cp "$HG_TOP/contracts/dataset.valid/full.json" data/dataset.json
}

# new_run NAME [SECTION.KEY=VALUE]...
new_run() {
	local run=$1 set=()
	shift
	for kv; do set+=(-s "$kv"); done
	hg-spec -s data.dir="$PWD/data" "${set[@]}" "$run" 3>&-
}

# The value of a key in a JSON file.
key() {
	jq -r "$2" "$1"
}

# The process that the lock of a stage names.
owner_of() {
	sed -n 's/.* pid=\([0-9]*\) .*/\1/p' "$2/$1.lock"
}

worker_of() {
	sed -n 's/.* worker=\([0-9]*\) .*/\1/p' "$2/$1.lock"
}

running() {
	[ "$(worker_of "$1" "$2")" -gt 0 ] 2> /dev/null
}

gone() {
	! kill -0 "$1" 2> /dev/null || grep -q '^State:.*[ZX]' "/proc/$1/status" 2> /dev/null
}

# fake_tools: hg-train and its kin that do what RUN/STAGE.words says, a line each time, or deliver.
fake_tools() {
	mkdir -p fake
	local s
	for s in $("$HG_T/tools/contract" -w stage); do
		cat > "fake/hg-$s" <<-END
			#!/bin/sh
			[ "\$1" = -d ] && { d=-d; shift; } || d=
			words=deliver
			if [ -s "\$1/$s.words" ]; then
				words=\$(head -n 1 "\$1/$s.words")
				sed -i 1d "\$1/$s.words"
			fi
			exec fakestage \$d $s "\$1" \$words
		END
	done
	cat > fake/hg-classify <<-END
		#!/bin/sh
		echo "classified \$*" >> "$PWD/calls"
	END
	cat > fake/hg-ledger <<-END
		#!/bin/sh
		echo "ledger \$*" >> "$PWD/calls"
	END
	chmod +x fake/*
	PATH=$PWD/fake:$PATH
}

# hold_lock STAGE RUN TEXT: hold a lock from a process that the text does not name, until killed; its pid in $holder.
hold_lock() {
	"$PYTHON" - "$2/$1.lock" "$3" 3>&- > holding <<-'END' &
		import fcntl, os, struct, sys, time
		fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o644)
		fcntl.fcntl(fd, 37, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))
		if sys.argv[2]:
		    os.pwrite(fd, sys.argv[2].ljust(511).encode() + b"\n", 0)
		print("held", flush=True)
		time.sleep(60)
	END
	holder=$!
	until_true 10 grep -q held holding
}

# lock_text PID START DEADLINE_BOOT_MS [BOOT HOST [STARTED_AT]]: its deadline by the wall clock is long past.
lock_text() {
	printf 'homegolf.lock.v1 pid=%s start=%s worker=0 worker_start=0 boot=%s host=%s attempt=1' \
		"$1" "$2" "${4:-$(cat /proc/sys/kernel/random/boot_id)}" "${5:-$(uname -n)}"
	printf ' deadline_boot_ms=%s deadline_at=2026-01-01T00:01:00.000Z started_at=%s' \
		"$3" "${6:-2026-01-01T00:00:00.000Z}"
}

# exits CODE PID: a background job ends with that code.
exits() {
	local code=0
	wait "$2" || code=$?
	[ "$code" -eq "$1" ] || { echo "process $2 exited with $code, not $1" >&2; return 1; }
}
