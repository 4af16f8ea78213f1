#!/bin/sh
# bench-gpu.sh BUILD: how fast this machine's card is, and where the time goes.

nvidia-smi --query-gpu=name,driver_version,memory.total,power.limit,clocks.max.sm,clocks.max.mem --format=csv || {
	echo "nvidia-smi lists no card: install the NVIDIA driver" >&2
	exit 1
}
exec "$1/device/bench"
