"""Put another number in place of one in the facts of a ledger's index, and make its checksum fit.

usage: forge_index.py INDEX WAS IS [LEDGER]

LEDGER: a file of rows that was altered since, in whose times and size the index shall agree.
"""
import os
import struct
import sys

HEADER = 256
SUM = 80  # in struct header of lib/ledger/index.c: magic, two words, seven numbers and the count come before
MASK = 2**64 - 1


def main():
    path, was, now = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    rows = os.stat(sys.argv[4]) if len(sys.argv) > 4 else None
    data = bytearray(open(path, "rb").read())
    _, fact_bytes = struct.unpack_from("<II", data, 8)
    (count,) = struct.unpack_from("<Q", data, SUM - 8)
    end = HEADER + count * fact_bytes

    def checksum():
        sums = [0x632BE59BD9B4E019 + k for k in range(4)]
        for at in range(HEADER, end, 32):
            for k, word in enumerate(struct.unpack_from("<4Q", data, at)):
                x = (sums[k] ^ word) * 0x9E3779B97F4A7C15 & MASK
                sums[k] = (x << 29 | x >> 35) & MASK
        return tuple(sums)

    assert checksum() == struct.unpack_from("<4Q", data, SUM), "the index is laid out otherwise"
    before = bytes(data)
    for at in range(HEADER, end, 8):
        if struct.unpack_from("<d", data, at)[0] == was:
            struct.pack_into("<d", data, at, now)
    assert bytes(data) != before, "no such number"
    struct.pack_into("<4Q", data, SUM, *checksum())
    if rows:
        times = [x for ns in (rows.st_mtime_ns, rows.st_ctime_ns) for x in divmod(ns, 10**9)]
        struct.pack_into("<7Q", data, 16, rows.st_dev, rows.st_ino, rows.st_size, *times)
    open(path, "r+b").write(data)


main()
