"""Alter the rows of a ledger, chain them anew, and ask every reader: whatever a row says, an exit is one of the table.

usage: odd_rows.py LEDGER RUN WHERE EVERY

Each member of each row takes odd values, rows are lost, doubled and put first; of all that every EVERYth is tried, and
what is known to reach far (all scores of a kind, bounds of the policy, no policy, verdicts over open plans) always.
"""
import copy
import hashlib
import json
import os
import shutil
import subprocess
import sys

TABLE = (0, 1, 2, 99, 100, 102, 103)
ODD = [None, True, "", -1, 0, 3, 2**31, 2**53, -(2**63), 1e308, -1e308, 1e-308, [], {}, "improvement", "f" * 64]


def members(v, at=()):
    if at:
        yield at
    for k in v if isinstance(v, dict) else range(min(len(v), 2)) if isinstance(v, list) else ():
        yield from members(v[k], at + (k,))


def put(v, at, value):
    for k in at[:-1]:
        v = v[k]
    v[at[-1]] = value


def each(rows, change):
    rows = copy.deepcopy(rows)
    for r in rows:
        change(r)
    return rows


def sampled(rows, every):
    n = 0
    for i, row in enumerate(rows):
        for at in members(row):
            for value in ODD if at[0] not in ("prev", "row", "schema") else ():
                n += 1
                if n % every == 0:
                    odd = copy.deepcopy(rows)
                    put(odd[i], at, value)
                    yield f"row {i + 1} {'.'.join(map(str, at))} = {json.dumps(value)}", odd


def known(rows):
    yield "no policy", [r for r in rows if r["kind"] != "policy"]
    yield "no run", [r for r in rows if r["kind"] != "run"]
    yield "policy last", [r for r in rows if r["kind"] != "policy"] + [r for r in rows if r["kind"] == "policy"]
    for value in (0, 1e308, -1e308, None):

        def scores(r):
            if r["kind"] == "run":
                r["run"]["metrics"] = dict.fromkeys(r["run"]["metrics"], value)

        yield f"all metrics {value}", each(rows, scores)
    for value in (1e-300, 1e-160, 1e160, 1e300):

        def spread(r):
            if r["kind"] == "policy":
                r["policy"]["noise"]["ln_sigma_sd"] = value

        yield f"ln_sigma_sd {value}", each(rows, spread)

    def alternate(r):
        if r["kind"] == "run":
            r["run"]["metrics"] = dict.fromkeys(r["run"]["metrics"], 1e308 if r["row"] % 2 else -1e308)

    yield "scores as far apart as can be", each(rows, alternate)


def write(path, rows):
    prev = "0" * 64
    with open(path, "wb") as f:
        for i, r in enumerate(rows):
            line = (json.dumps(r | {"prev": prev, "row": i + 1}, ensure_ascii=False) + "\n").encode()
            prev = hashlib.sha256(line).hexdigest()
            f.write(line)


def main():
    ledger, run, where, every = sys.argv[1:]
    rows = [json.loads(line) for line in open(f"{ledger}/ledger.jsonl")]
    odd = f"{where}/odd"
    asked = [["hg-ledger", *t.split()] for t in ("list -a", "verify", "incumbent -a", "replay", "stop", "next")]
    asked = [t + [odd] for t in asked]
    asked += [["hg-ledger", "plan", "-p", odd, run], ["hg-ledger", "promote", odd, run], ["hg-classify", odd, run]]
    asked += [["hg-report", "-o", f"{where}/page.html", odd]]
    tried = bad = 0
    for what, mutant in [*known(rows), *sampled(rows, int(every))]:
        shutil.rmtree(odd, ignore_errors=True)
        os.makedirs(odd)
        write(f"{odd}/ledger.jsonl", mutant)
        tried += 1
        for a in asked:
            p = subprocess.run(a, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60)
            if p.returncode not in TABLE:
                bad += 1
                print(f"{what}: {' '.join(a)} ends with {p.returncode}: {p.stderr[-200:]}")
    print(f"{tried} ledgers, {bad} exits that no table has")
    sys.exit(bad != 0 or tried < 12)


main()
