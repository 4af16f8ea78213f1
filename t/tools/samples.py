#!/usr/bin/python3
"""samples.py CONTRACTS DIR: write all samples of all contracts below DIR, for whoever wants them as files.

A sample stands whole in CONTRACTS/NAME.valid/*.json, or in one line of CONTRACTS/NAME.patches.jsonl as a patch
(RFC 6902: add, remove, replace) of such a one: {"name": .., "of": .., "patch": [..], "error": ..}.  With "error", how
the message begins, it is invalid, else valid.  DIR/NAME.valid/*.json and DIR/NAME.invalid/*.json are written, and
*.error beside the latter.
"""
import copy
import glob
import json
import os
import sys


def step(token):
    return token.replace("~1", "/").replace("~0", "~")


def patched(value, patch):
    """A patched copy; what is to be replaced or removed must be there."""
    value = {"": copy.deepcopy(value)}
    for p in patch:
        at, key, *path = value, *map(step, p["path"].split("/"))
        for token in path:
            at = at[int(key) if isinstance(at, list) else key]
            key = token
        if isinstance(at, list):
            key = len(at) if key == "-" else int(key)
        if p["op"] == "remove":
            del at[key]
        elif p["op"] == "add" and isinstance(at, list):
            at.insert(key, p["value"])
        elif p["op"] == "add":
            at[key] = p["value"]
        else:
            assert p["op"] == "replace" and (isinstance(at, list) or key in at), p
            at[key] = p["value"]
    return value[""]


def samples(contracts, contract):
    """(name, value, error or None if valid) of every sample of one contract."""
    whole = {}
    for f in sorted(glob.glob(f"{contracts}/{contract}.valid/*.json")):
        with open(f) as text:
            whole[os.path.basename(f)[:-5]] = json.load(text)
    for name, value in whole.items():
        yield name, value, None
    with open(f"{contracts}/{contract}.patches.jsonl") as lines:
        for line in map(json.loads, lines):
            yield line["name"], patched(whole[line["of"]], line["patch"]), line.get("error")


def main():
    contracts, to = sys.argv[1:]
    for schema in sorted(glob.glob(f"{contracts}/*.json")):
        contract = os.path.basename(schema)[:-5]
        for name, value, error in samples(contracts, contract):
            folder = f"{to}/{contract}.{'valid' if error is None else 'invalid'}"
            os.makedirs(folder, exist_ok=True)
            with open(f"{folder}/{name}.json", "x") as f:
                json.dump(value, f, indent=2)
                f.write("\n")
            if error is not None:
                with open(f"{folder}/{name}.error", "x") as f:
                    f.write(error + "\n")


if __name__ == "__main__":
    main()
