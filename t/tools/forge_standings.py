"""forge_standings.py FILE FROM TO: in LEDGER/standings make each number FROM another one, and its checksum fit again."""
import struct
import sys

HEADER = 160
REST = 88  # where the header has the checksum of what follows it
MASK = 2**64 - 1


def summed(data):
    data = data + b"\0" * (32 - len(data) % 32)
    sums = [0x632BE59BD9B4E019 + k for k in range(4)]
    for at in range(0, len(data), 32):
        for k, word in enumerate(struct.unpack_from("<4Q", data, at)):
            x = (sums[k] ^ word) * 0x9E3779B97F4A7C15 & MASK
            sums[k] = (x << 29 | x >> 35) & MASK
    return struct.pack("<4Q", *sums)


def main(path, old, new):
    with open(path, "rb") as f:
        data = bytearray(f.read())
    if bytes(data[REST:REST + 32]) != summed(bytes(data[HEADER:])):
        sys.exit("the checksum is another, or elsewhere")
    changed = 0
    for at in range(HEADER, len(data) - 7, 8):
        if struct.unpack_from("<d", data, at)[0] == old:
            struct.pack_into("<d", data, at, new)
            changed += 1
    data[REST:REST + 32] = summed(bytes(data[HEADER:]))
    with open(path, "r+b") as f:
        f.write(data)
    print(changed)


main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
