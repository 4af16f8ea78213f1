"""Rewrite a ledger's rows and chain them again, as nobody honest would: for tests of what shows them.

usage: report_forge.py LEDGER hostile          every text in every row but the last becomes something to choke on
       report_forge.py LEDGER random SEED      a few values anywhere but in the last row become others, of any type
       report_forge.py LEDGER set ROW KEY=JSON...   members of one row by dotted path
       report_forge.py LEDGER search SEED      settings of every run but the first few become its own, as of a random search
       report_forge.py LEDGER promote RUN_ROW       the run's artifact is promoted, on the confirmation before
"""
import hashlib
import json
import os
import random
import re
import sys

NASTY = ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onmouseover='alert(1)", "]]></style></title><b>",
         "&lt;&amp;&#60;", "\u202eesrever\u202c \u2066x\u2069 \u200b\ufeff", "%s%n%d%99999d", "javascript:alert(1)", "a\x1b[31m\x07\tb\nc",
         "<!-- ", "--><svg/onload=alert(1)>", "{{7*7}} ${x}", "\U0001f3cc\ufe0f \u00e9\u4e2d\u6587", "https://evil.example/x.js"]
ODD = [None, True, 0, -1, 1, 3, 2 ** 53, -2 ** 53, 1e308, -1e308, 5e-324, 0.5, "", "none", "run", "x" * 5000, "f" * 64, [], {}, [None] * 9,
       "confirmation", "improvement", "noise", "first", "promising", "2026-11-22T00:00:00.000Z", "higher", "val_loss"]
KEEP = {"schema", "prev", "kind", "class", "reason", "metric", "direction", "noise", "side", "name", "unit", "across_tokenizers",
        "started_at", "added_at", "stage", "guarded_metric", "credited", "changed", "condition", "run_id", "lane", "campaign"}


def nasty(value, key, count):
    if isinstance(value, dict):
        return {k: nasty(v, k, count) for k, v in value.items()}
    if isinstance(value, list):
        return [nasty(v, key, count) for v in value]
    if isinstance(value, str) and key not in KEEP and not key.endswith(("sha256", "_uid", "nonce")) and value != "none":
        count[0] += 1
        text = NASTY[count[0] % len(NASTY)] + key
        if key == "hypothesis":
            count[1] += 1
        return text * (65536 // len(text) + 1) if key == "hypothesis" and count[1] % 5 == 0 else text
    return value


def main():
    path = f"{sys.argv[1]}/ledger.jsonl"
    lines = open(path, "rb").read().splitlines(keepends=True)
    rows = [json.loads(line) for line in lines]
    if sys.argv[2] == "hostile":
        count = [0, 0]
        rows[:-1] = [nasty(r, "", count) if r["kind"] != "policy" else r for r in rows[:-1]]
        print(count[0])
    elif sys.argv[2] == "random":
        rng = random.Random(int(sys.argv[3]))
        for _ in range(rng.randint(1, 6)):
            at = rows[rng.randrange(len(rows) - 1)]
            while True:
                key = rng.choice(list(at) if isinstance(at, dict) else range(len(at)))
                if not isinstance(at[key], (dict, list)) or not at[key] or rng.random() < 0.1:
                    break
                at = at[key]
            if key not in ("schema", "prev", "row"):
                at[key] = rng.choice(ODD)
    elif sys.argv[2] == "search":
        rng = random.Random(int(sys.argv[3]))
        for row in [r for r in rows if r["kind"] == "run"][5:]:
            row["run"]["settings"] = {"train.matrix_lr": 10 ** rng.uniform(-3, 0), "train.muon_momentum": rng.uniform(0.8, 0.99),
                                      "train.iterations": rng.randrange(100, 5000), "model.rope_base": rng.choice([5e-324, 1.0, 1e308]),
                                      "train.scalar_lr": rng.choice([-1e308, 0.04, 1e308])}
    elif sys.argv[2] == "promote":
        run = rows[int(sys.argv[3]) - 1]
        digest = lambda row: hashlib.sha256(lines[row["row"] - 1]).hexdigest()
        verdict = [r for r in rows if r["kind"] == "confirmation" and r["row"] <= len(rows)][-1]
        rows.append({"schema": run["schema"], "prev": "", "row": len(rows) + 1, "added_at": rows[-1]["added_at"], "kind": "promotion",
                     "promotion": {**{k: run["run"][k] for k in ("group_sha256", "config_sha256", "run_id", "artifact_sha256")},
                                   "run_sha256": digest(run), "confirmation_sha256": digest(verdict), "head_sha256": digest(rows[-1]),
                                   "conditions": [{"condition": "incumbent", "holds": True, "evidence": "it is"}]}})
        lines.append(b"")
    else:
        for pair in sys.argv[4:]:
            key, text = pair.split("=", 1)
            at = rows[int(sys.argv[3]) - 1]
            *way, last = key.split(".")
            for k in way:
                at = at[k]
            at[last] = json.loads(text)
    prev = "0" * 64
    digests = {}
    with open(path, "w", encoding="utf-8") as f:
        for row, before in zip(rows, lines):
            # Rows name others by digest.
            text = json.dumps(row, ensure_ascii=False)
            for old in set(re.findall("[0-9a-f]{64}", text)) & digests.keys():
                text = text.replace(old, digests[old])
            row = json.loads(text)
            row["prev"] = prev
            line = json.dumps(row, ensure_ascii=False) + "\n"
            f.write(line)
            prev = hashlib.sha256(line.encode()).hexdigest()
            digests[hashlib.sha256(before).hexdigest()] = prev
    for name in ("head", "index"):
        if os.path.exists(f"{sys.argv[1]}/{name}"):
            os.remove(f"{sys.argv[1]}/{name}")


main()
