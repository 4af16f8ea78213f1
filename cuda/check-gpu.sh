#!/bin/sh
# check-gpu.sh BUILD: everything that can be proven on the card of this machine.
# Exits 0 only if all of it passed; without a card that is never so.

build=$1
failed=0

try() {
	echo "== $*"
	"$@" || { echo "FAILED: $*"; failed=1; }
}

echo "== the machine"
uname -srm
nvidia-smi || { echo "FAILED: nvidia-smi lists no card: install the NVIDIA driver"; exit 1; }

try "$build/device/cuda_ops"
try "$build/device/cuda_train"
for stem in ../shared/golden/*.safetensors; do
	stem=${stem%.safetensors}
	case $stem in
	*/int8x | *'*') continue ;;
	esac
	try "$build/t/golden" "$stem" -b cuda -a fp32
	try "$build/t/golden" "$stem" -b cuda -a bf16
done

# Training, resuming and scoring through the tools, where there are tests for it.
HG_GPU=1 HG_BUILD=$PWD/$build HG_T=$PWD/$build/t PATH=$PWD/$build/bin:$PATH
export HG_GPU HG_BUILD HG_T PATH
try bats --filter-tags gpu t/cuda.bats

if command -v compute-sanitizer >/dev/null; then
	for tool in memcheck racecheck initcheck synccheck; do
		try compute-sanitizer --tool "$tool" --error-exitcode 1 "$build/device/cuda_ops"
	done
else
	echo "== compute-sanitizer is not installed: skipped"
fi
[ "$failed" = 0 ] && echo "all passed"
exit "$failed"
