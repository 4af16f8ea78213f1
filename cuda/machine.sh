# For check-gpu.sh and bench-gpu.sh: what was run, and on what.

echo "== $(date -u +%Y-%m-%dT%H:%M:%SZ) $(git describe --always --dirty 2>/dev/null) on $(uname -srm)"
grep -m 1 'model name' /proc/cpuinfo
"${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" --version | tail -n 2
nvidia-smi
nvidia-smi --query-gpu=name,driver_version,compute_cap,memory.total,power.limit,clocks.max.sm,clocks.max.mem \
    --format=csv
