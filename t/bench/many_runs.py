"""Make many scored runs of the configurations of a few, each whole, with a name, a seed and a score of its own.

usage: many_runs.py DIR COUNT RUN...

DIR/r1 to DIR/rCOUNT follow the specs of the RUNs in turn, as t/tools/judged_run.py makes them.
"""
import decimal
import functools
import hashlib
import json
import os
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, f"{TOP}/t/tools")

import judged_run  # noqa: E402


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(v):
    """As lib/base/jsonio.c writes what is digested: numbers as ECMAScript has them, keys in order, no blanks."""
    if isinstance(v, dict):
        return "{" + ",".join(f"{canonical(k)}:{canonical(v[k])}" for k in sorted(v)) + "}"
    if isinstance(v, list):
        return "[" + ",".join(map(canonical, v)) + "]"
    if isinstance(v, float):
        if v == int(v):
            return str(int(v))
        if 1e-6 <= abs(v) < 1e-4:
            return format(decimal.Decimal(repr(v)), "f")
        return repr(v).replace("e-0", "e-")
    return json.dumps(v, ensure_ascii=False)


def main():
    where, count, runs = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    specs = [json.load(open(f"{run}/spec.json")) for run in runs]
    scores = [json.load(open(f"{run}/artifact_score_report.json"))["val_bpb"] for run in runs]
    sample = functools.lru_cache(judged_run.sample)
    judged_run.sample = lambda name: dict(sample(name))
    for i in range(1, count + 1):
        spec, made = specs[i % len(specs)], f"{where}/r{i}"
        spec["run_id"], spec["run_uid"] = f"r{i}", sha(f"run {i}")[:32]
        spec["train"]["seed"] = 1000 + i
        del spec["digests"]["content_sha256"]
        spec["digests"]["content_sha256"] = sha(canonical(spec))
        os.makedirs(made)
        with open(f"{made}/spec.json", "w") as f:
            f.write(json.dumps(spec, indent=2) + "\n")
        judged_run.make(made, str(scores[i % len(specs)] + int(sha(f"score {i}")[:4], 16) * 1e-7), {})


main()
