#!/bin/sh
# check-gpu.sh BUILD: everything that can be proven on the card of this machine.
# Exits 0 only if all of it passed.  All that is printed is in check-gpu.txt too.

build=$1
report=check-gpu.txt
failed=0

try() {
	echo "== $*"
	"$@" || { echo "FAILED: $*"; failed=1; }
}

all() {
	. cuda/machine.sh
	try "$build/device/cuda_ops"
	try "$build/device/cuda_train"
	for stem in ../shared/golden/*.safetensors; do
		stem=${stem%.safetensors}
		case $stem in
		*/int8x) continue ;;
		*'*') echo "== there are no golden vectors beside this tree: skipped"; continue ;;
		esac
		try "$build/t/tools/golden" "$stem" -b cuda -a fp32
		try "$build/t/tools/golden" "$stem" -b cuda -a bf16
	done

	# Training, being killed and going on, scoring: through the tools, as a player does it.
	HG_GPU=1 HG_BUILD=$PWD/$build HG_T=$PWD/$build/t PATH=$PWD/$build/bin:$PATH
	export HG_GPU HG_BUILD HG_T PATH
	try bats --filter-tags gpu t/cuda.bats

	if command -v compute-sanitizer >/dev/null; then
		for tool in memcheck racecheck initcheck synccheck; do
			try compute-sanitizer --tool "$tool" --error-exitcode 1 "$build/device/cuda_ops"
		done
		try compute-sanitizer --error-exitcode 1 "$build/device/cuda_train"
	else
		echo "== compute-sanitizer is not installed: skipped"
	fi
	[ "$failed" = 0 ] && echo "all passed"
	return "$failed"
}

{ all; echo "exit status $?"; } 2>&1 | tee "$report"
echo "to send back: $PWD/$report" >&2
[ "$(tail -n 1 "$report")" = "exit status 0" ]
