#!/usr/bin/python3
"""contracts_written.py CHECKER CONTRACTS DIR...: every JSON file below DIR keeps its contract, by both checkers.

The contract is the one that the file's schema names; metrics.jsonl has lines of its own.  Prints how many values of
which contract were seen, and every break.  Exit status 1 if there was one.
"""
import collections
import json
import os
import subprocess
import sys
import tempfile

from jsonschema import Draft202012Validator


def values(path):
    with open(path) as f:
        if path.endswith(".jsonl"):
            for i, line in enumerate(f):
                yield f"{path} line {i + 1}", json.loads(line)
        else:
            yield path, json.load(f)


def main():
    checker, folder, dirs = sys.argv[1], sys.argv[2], sys.argv[3:]
    found = collections.defaultdict(list)
    for top in dirs:
        for where, _, files in sorted(os.walk(top)):
            for f in sorted(files):
                if f.endswith((".json", ".jsonl")):
                    for what, v in values(os.path.join(where, f)):
                        name = v.get("schema", "homegolf.metrics.v1" if f == "metrics.jsonl" else "").split(".")
                        found[name[1] if len(name) == 3 else "none"].append((what, v))
    bad = 0
    for name, seen in sorted(found.items()):
        schema = Draft202012Validator(json.load(open(os.path.join(folder, name + ".json"))))
        with tempfile.NamedTemporaryFile("w") as t:
            t.writelines(json.dumps(v) + "\n" for _, v in seen)
            t.flush()
            ours = subprocess.run([checker, "-v", name, t.name], capture_output=True, text=True, check=True).stdout
        for (what, v), line in zip(seen, ours.splitlines(), strict=True):
            error = next(schema.iter_errors(v), None)
            if error is not None or line != "valid":
                bad += 1
                print(f"{what}: {name}: {line}; python3-jsonschema: {error.message if error else 'valid'}")
        print(f"{name} {len(seen)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
