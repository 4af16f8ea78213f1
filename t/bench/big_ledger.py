"""Make a ledger of many rows, for benchmarks: the row of one run, again and again, as if of other runs.

usage: big_ledger.py LEDGER ROWS RUN

RUN is added with hg-ledger; its row is then repeated under other ids, seeds and scores, with its chain.
"""
import hashlib
import json
import subprocess
import sys


def main():
    ledger, rows, run = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    subprocess.run(["hg-ledger", "add", ledger, run], check=True, stdout=subprocess.DEVNULL)
    path = f"{ledger}/ledger.jsonl"
    with open(path, "rb") as f:
        lines = f.readlines()
    row = json.loads(lines[-1])
    prev = hashlib.sha256(lines[-1]).hexdigest()
    count = row["row"]
    bpb = row["run"]["metrics"]["val_bpb"]
    with open(path, "ab") as f:
        while count < rows:
            count += 1
            row["row"], row["prev"] = count, prev
            row["run"]["run_uid"] = f"{count:032x}"
            row["run"]["run_id"] = f"r{count}"
            row["run"]["seed"] = count
            row["run"]["metrics"]["val_bpb"] = bpb + count % 97 * 1e-4
            line = (json.dumps(row, ensure_ascii=False) + "\n").encode()
            f.write(line)
            prev = hashlib.sha256(line).hexdigest()


main()
