#!/usr/bin/python3
"""schema_suite.py CHECKER SUITE: the JSON Schema Test Suite (its folder draft2020-12), by our checker.

A group whose schema uses what the subset in contract.h lacks is skipped, listed with the reason, and the checker must
say so, too; all other cases must get the suite's verdict.  Prints each difference, each skipped group and how many
cases were run.  Exit status 1 if there was a difference.
"""
import collections
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

SILENT = {"$schema", "title", "description", "default", "readOnly"}
KEYWORDS = SILENT | {
    "type", "const", "enum", "$ref", "$defs", "properties", "required", "additionalProperties", "items", "minItems",
    "maxItems", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "pattern"}

def foreign(schema, root):
    """What a schema uses that is not in the subset."""
    if isinstance(schema, bool):
        yield "true or false as a schema"
        return
    for key, arg in schema.items():
        if key not in KEYWORDS:
            yield key
        elif key in ("properties", "$defs"):
            for inner in arg.values():
                yield from foreign(inner, root)
        elif key == "items" or (key == "additionalProperties" and arg is not False):
            yield from foreign(arg, root)
        elif key == "$ref":
            name = re.fullmatch("#/[$]defs/([^/~%]+)", arg)
            if not name or name[1] not in root.get("$defs", {}):
                yield "$ref that is not #/$defs/NAME"
            elif isinstance(root["$defs"][name[1]], dict) and "$ref" in root["$defs"][name[1]]:
                yield "$ref to a $ref"
        elif key in ("const", "enum"):
            if any(isinstance(v, (dict, list)) for v in (arg if key == "enum" else [arg])):
                yield f"{key} of objects or arrays"
        elif key == "pattern" and (not re.fullmatch(r"\^[ -~]*\$", arg) or re.search(r"\\[a-zA-Z]", arg)):
            yield "a pattern beyond what POSIX and ECMA-262 share"


def huge(v):
    """Does a value hold an integer that 64 bits do not?"""
    if isinstance(v, (dict, list)):
        return any(map(huge, v.values() if isinstance(v, dict) else v))
    return isinstance(v, int) and not -2**63 <= v < 2**63


def main():
    checker, suite = sys.argv[1:]
    cases = []
    for f in sorted(glob.glob(f"{suite}/*.json") + glob.glob(f"{suite}/optional/*.json")):
        with open(f) as text:
            for group in json.load(text):
                for test in group["tests"]:
                    cases.append((f"{os.path.relpath(f, suite)[:-5]}: {group['description']}", group["schema"], test))
    with tempfile.NamedTemporaryFile("w") as t:
        for _, schema, test in cases:
            t.write(json.dumps({"schema": schema, "data": test["data"]}) + "\n")
        t.flush()
        said = subprocess.run([checker, "-s", t.name], capture_output=True, text=True, check=True).stdout.splitlines()
    skipped, reasons, wrong = {}, collections.Counter(), 0
    for (group, schema, test), line in zip(cases, said, strict=True):
        want, why = "valid" if test["valid"] else "invalid", sorted(set(foreign(schema, schema)))
        if huge(schema) or huge(test["data"]):
            want, why = "invalid: not JSON", ["an integer beyond 64 bits"]
        elif why:
            want = "outside"
        if why:
            skipped[group] = why
            reasons[why[0]] += 1
        if not (line.startswith("invalid: ") if want == "invalid" else line.split(": ")[0] == want or line == want):
            wrong += 1
            print(f"{group}: {test['description']}: '{want}' expected, ours says '{line}'")
    for group, why in sorted(skipped.items()):
        print(f"skipped {group}: {', '.join(why)}")
    for why, n in reasons.most_common():
        print(f"{n} cases skipped for {why}")
    print(f"{len(cases) - reasons.total()} cases run, {reasons.total()} skipped, {wrong} differences")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
