"""Make a ledger of many rows, for benchmarks: rows of a few runs, again and again, as if of other runs.

usage: big_ledger.py [-c CONFIGS] LEDGER ROWS RUN [CHALLENGER]

RUN is added with hg-ledger; its row is then repeated under other ids, seeds and scores, with its chain.  With
-c the first row is followed by those of CONFIGS challengers of the incumbent, in turn, and every tenth is another
seed of the incumbent's; CHALLENGER is added for that, a run of another configuration.
"""
import getopt
import hashlib
import json
import subprocess
import sys


def sha(*what):
    return hashlib.sha256(" ".join(map(str, what)).encode()).hexdigest()


def main():
    options, operands = getopt.getopt(sys.argv[1:], "c:")
    configs = int(dict(options).get("-c", 0))
    ledger, rows, runs = operands[0], int(operands[1]), operands[2:]
    subprocess.run(["hg-ledger", "add", ledger, *runs], check=True, stdout=subprocess.DEVNULL)
    path = f"{ledger}/ledger.jsonl"
    with open(path, "rb") as f:
        lines = f.readlines()
    templates = [json.loads(line) for line in lines[-len(runs):]]
    prev = hashlib.sha256(lines[-1]).hexdigest()
    count = templates[-1]["row"]
    bpb = [row["run"]["metrics"]["val_bpb"] for row in templates]
    if configs:
        templates[0]["verdict"]["reason"] = "replicate"
    with open(path, "ab") as f:
        while count < rows:
            count += 1
            which = 1 if configs and count % 10 else 0
            row = templates[which]
            row["row"], row["prev"] = count, prev
            row["run"]["run_uid"] = sha("run", count)[:32]
            row["run"]["run_id"] = f"r{count}"
            row["run"]["seed"] = count
            score = bpb[which] + count % 97 * 1e-4
            row["run"]["metrics"]["val_bpb"] = score
            if configs:
                row["run"]["artifact_sha256"] = sha("artifact", count)
                row["run"]["metrics"]["val_bpb_raw"] = row["verdict"]["score"] = score
            if which:
                row["run"]["config_sha256"] = sha("config", count % configs)
                row["verdict"]["reason"] = "repeat" if count > configs * 10 // 9 else "within_noise"
            line = (json.dumps(row, ensure_ascii=False) + "\n").encode()
            f.write(line)
            prev = hashlib.sha256(line).hexdigest()


main()
