#!/usr/bin/env python3
"""Fit the planner's law of loss to runs: fitlaw.py examples/campaigns/law > lib/work/losslaw.def

val_bpb = E + A / body^a + B / bytes^b + C / steps^c + D / seq_len + F / sqrt(vocab_size) (+ R for runs of the planner's
first recipe), least squares of the relative error, where the body are the parameters that are not looked up or a head.
The planner proposes its second recipe, for which R is left out. The coefficients are linear once the exponents are
chosen, and no less than 0; exponents are searched on a grid. Runs with levers, and those of one layer, which the form
does not fit and the planner does not propose, are left out. Standard library only, and no random numbers: the same runs
give the same text. With -v each run beside what the law expects of it, on stderr.
"""
import itertools
import math
import sys

OWN = "dictionary"  # the law is of this text; runs on others tell how far it goes there


def read(path):
    lines = [l.rstrip("\n").split("\t") for l in open(path) if not l.startswith("#")]
    head, rows = lines[0], lines[1:]
    return [{k: v if k in ("name", "text", "levers") else float(v) for k, v in zip(head, r)} for r in rows]


def solve(a, b):
    """Gauss with pivots; None if singular."""
    n = len(b)
    m = [row[:] + [y] for row, y in zip(a, b)]
    for i in range(n):
        p = max(range(i, n), key=lambda r: abs(m[r][i]))
        if abs(m[p][i]) < 1e-300:
            return None
        m[i], m[p] = m[p], m[i]
        for r in range(n):
            if r != i:
                f = m[r][i] / m[i][i]
                m[r] = [x - f * y for x, y in zip(m[r], m[i])]
    return [m[i][n] / m[i][i] for i in range(n)]


def fit_linear(columns, y):
    """Coefficients >= 0 of least relative squares: the best of all subsets, of which there are few."""
    k = len(columns)
    rows = [[c[i] / y[i] for c in columns] for i in range(len(y))]
    best = None
    for mask in range(1, 1 << k):
        use = [j for j in range(k) if mask >> j & 1]
        a = [[sum(r[i] * r[j] for r in rows) for j in use] for i in use]
        w = solve(a, [sum(r[i] for r in rows) for i in use])
        if w is None or min(w) < 0:
            continue
        full = [0.0] * k
        for j, v in zip(use, w):
            full[j] = v
        error = sum((sum(f * x for f, x in zip(full, r)) - 1) ** 2 for r in rows)
        if best is None or error < best[0]:
            best = (error, full)
    return best


def body(r):
    return r["params"] - r["lookup"]


def columns(runs, powers):
    a, b, c = powers
    return [[1.0] * len(runs), [body(r) ** -a for r in runs], [r["bytes"] ** -b for r in runs],
            [r["steps"] ** -c for r in runs], [1 / r["seq_len"] for r in runs],
            [r["vocab_size"] ** -0.5 for r in runs], [float(r["recipe"] == 1) for r in runs]]


def fit(runs, grid):
    y = [r["val_bpb"] for r in runs]
    best = None
    for powers in grid:
        got = fit_linear(columns(runs, powers), y)
        if got is not None and (best is None or got[0] < best[0]):
            best = (got[0], powers, got[1])
    return best


def expect(law, r):
    (a, b, c), w = law
    return sum(k * c[0] for k, c in zip(w, columns([r], (a, b, c))))


def text_factor(probes, text, vocab):
    """How hard a text is beside the law's, by the probe; as losslaw_text()."""
    own = {p["vocab_size"]: p["probe_bpb"] for p in probes if p["text"] == OWN}
    return {(p["text"], p["vocab_size"]): p["probe_bpb"] for p in probes}[text, vocab] / own[vocab]


def main():
    folder = sys.argv[1]
    runs, probes = read(folder + "/runs.tsv"), read(folder + "/probes.tsv")
    own = [r for r in runs if r["text"] == OWN and r["levers"] == "-" and r["num_layers"] > 1]
    powers_tried = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0]
    _, powers, w = fit(own, list(itertools.product(powers_tried, repeat=3)))
    # Each left out once, its score foretold by the others.
    left = []
    for i, r in enumerate(own):
        rest = own[:i] + own[i + 1:]
        left.append(r["val_bpb"] / expect((powers, fit(rest, [powers])[2]), r) - 1)
    sd = math.sqrt(sum(x * x for x in left) / (len(left) - len(w)))
    other = [r["val_bpb"] / expect((powers, w), r) / text_factor(probes, r["text"], r["vocab_size"]) - 1
             for r in runs if r["text"] != OWN and r["levers"] == "-"]
    defines = list(zip(("E", "A", "B", "C", "D", "F"), w[:6])) + list(zip(("BODY_POWER", "BYTES_POWER", "STEPS_POWER"), powers))
    defines += [("SD", sd), ("TEXT_SD", math.sqrt(sum(x * x for x in other) / len(other)))]
    print("/* Made by t/tools/fitlaw.py from %d runs in examples/campaigns/law; do not edit. */" % len(own))
    for name, v in defines:
        print("#define LOSSLAW_%s %.6g" % (name, v))
    for name, f in (("LEAST", min), ("MOST", max)):
        print("#define LOSSLAW_%s { %s }" % (name, ", ".join("%.0f" % f(of(r) for r in own) for of in (
            body, lambda r: r["bytes"], lambda r: r["steps"], lambda r: r["seq_len"],
            lambda r: r["vocab_size"]))))
    print("#define LOSSLAW_PROBES { %s }" % ", ".join(
        "{ %.0f, %.6g }" % (p["vocab_size"], p["probe_bpb"]) for p in probes if p["text"] == OWN))
    if sys.argv[2:] == ["-v"]:
        for r in runs:
            e = expect((powers, w), r)
            sys.stderr.write("%-12s %-10s %8.4f %8.4f %+7.2f %%\n" % (
                r["name"], r["text"], r["val_bpb"], e, 100 * (r["val_bpb"] / e - 1)))


main()
