#!/usr/bin/python3
"""contracts_agree.py CHECKER CONTRACTS [NAME...]: python3-jsonschema and our checker give the same verdict.

For each contract all samples, and many small mutations of them, are judged by
both; each difference is printed.  Exit status 1 if there was one.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

from jsonschema import Draft202012Validator, ValidationError, validators

from samples import samples


def pattern(validator, regex, instance, schema):
    # ECMA-262: $ is the end of the text; Python's also lets a newline follow.
    if isinstance(instance, str) and not re.search(regex[:-1] + r"\Z", instance):
        yield ValidationError(f"{instance!r} does not match {regex!r}")


CHECKER = validators.extend(Draft202012Validator, {"pattern": pattern})


ODD = [None, True, False, 0, 1, -1, 1.0, 2.5, -0.0, 1e300, 9007199254740991, 9007199254740992, 9007199254740991.0,
       "", "a", "none", "auto", "none\n", "x" * 5000, "\u00e9" * 64, "a\u0000b", "0" * 64, "0" * 65, "G" * 64,
       "../x", ".x", "2026-11-21T22:41:00.123Z", [], [1], {}, {"x": 1}]


def paths(v, at=()):
    yield at
    if isinstance(v, dict):
        for k in v:
            yield from paths(v[k], at + (k,))
    elif isinstance(v, list):
        for i in range(min(len(v), 3)):
            yield from paths(v[i], at + (i,))


def mutations(sample):
    """The sample itself, each time with another place changed; to be looked at before the next is asked for."""
    yield from ODD
    yield {**sample, "surplus": 1}
    for at in [at for at in paths(sample) if at]:
        w = sample
        for k in at[:-1]:
            w = w[k]
        key, old = at[-1], w[at[-1]]
        for odd in ODD:
            w[key] = odd
            yield sample
        w[key] = old
        if isinstance(w, dict):
            kept = list(w.items())
            del w[key]
            yield sample
            w[str(key) + "x"] = 1
            yield sample
            w.clear()
            w.update(kept)
        else:
            del w[key]
            yield sample
            w.insert(key, old)


def main():
    checker, folder, names = sys.argv[1], sys.argv[2], sys.argv[3:]
    names = names or sorted(f[:-5] for f in os.listdir(folder) if f.endswith(".json"))
    total = wrong = 0
    for name in names:
        schema = json.load(open(os.path.join(folder, name + ".json")))
        Draft202012Validator.check_schema(schema)
        is_valid = CHECKER(schema).is_valid
        texts, valid = [], []

        def take(v):
            texts.append(json.dumps(v))
            valid.append(is_valid(v))

        for what, v, error in samples(folder, name):
            take(v)
            whole = texts[-1]
            if valid[-1] != (error is None):
                print(f"{name} {what}: python3-jsonschema finds it {'in' if error is None else ''}valid")
                wrong += 1
            if error is None:
                for mutated in mutations(v):
                    take(mutated)
                assert json.dumps(v) == whole, f"{name} {what} is not as it was"
        with tempfile.NamedTemporaryFile("w") as t:
            t.write("".join(text + "\n" for text in texts))
            t.flush()
            ours = subprocess.run([checker, "-v", name, t.name], capture_output=True, text=True, check=True).stdout
        ours = ours.splitlines()
        assert len(ours) == len(texts), f"{name}: {len(ours)} verdicts for {len(texts)} values"
        for text, known, line in zip(texts, valid, ours):
            total += 1
            if known != (line == "valid"):
                wrong += 1
                print(f"{name}: ours says '{line}', python3-jsonschema the opposite: {text[:300]}")
    print(f"{total} values, {wrong} differences")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
