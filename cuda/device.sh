#!/bin/sh
# device.sh NVCC: is there a card, and a compiler for it?  Asked before anything is
# built, since building takes minutes.  Exits 1 after saying what to do.

refuse() {
	echo "device_unavailable: $1" >&2
	exit 1
}

if ! nvidia-smi -L 2>/dev/null | grep -q '^GPU '; then
	refuse "nvidia-smi lists no card; install the NVIDIA driver until it does (without a card: make CUDA=1 check)"
fi
[ -x "$1" ] || refuse "'$1' is not there; install the CUDA toolkit, or say CUDA_HOME=DIR"
