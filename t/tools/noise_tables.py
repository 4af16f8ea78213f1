#!/usr/bin/env python3
"""Tables of research loops whose truth is known: noise of many kinds, with or without gains planted in it.

    noise_tables.py DIRECTORY TABLES SEED [GAIN]

writes TABLES results.tsv-like tables of each kind of noise, KIND-REPEATS-NUMBER.tsv.  Without GAIN no change does anything, so
that no keep may be called real more often than the stated error allows.  With GAIN one change in four is better by so
many deviations, for good; the text of such a line begins with "gain".

Loops keep what is below the best so far (one in five keeps everything, or at random), and repeat nothing, the baseline
at first, now and then what is kept, each new best, or both.
"""
import math
import os
import random
import sys

SD = 0.002


def student(r, df):
    return r.gauss(0, 1) / math.sqrt(sum(r.gauss(0, 1) ** 2 for _ in range(df)) / df)


class Noise:
    """One after the other, as a night's runs see it; in deviations."""

    def __init__(self, r, kind, n):
        self.r, self.kind, self.n, self.i, self.last = r, kind, n, 0, 0.0
        self.slope = r.choice((-3, -1, 1, 3)) / n
        self.shift = r.choice((2, 4))

    def draw(self):
        r, kind = self.r, self.kind
        self.i += 1
        if kind == "normal":
            return r.gauss(0, 1)
        if kind == "outliers":
            return r.gauss(0, 1) + (r.choice((-20, 20)) if r.random() < 0.03 else 0)
        if kind == "heavy2":
            return student(r, 2)
        if kind == "heavy3":
            return student(r, 3)
        if kind == "laplace":
            return r.expovariate(1) * r.choice((-1, 1))
        if kind == "drift":
            return r.gauss(0, 1) + self.slope * self.i
        if kind == "correlated":
            self.last = 0.8 * self.last + 0.6 * r.gauss(0, 1)
            return self.last
        if kind == "rounded":
            return float(round(r.gauss(0, 1)))
        if kind == "clusters":
            return r.gauss(0, 0.3) + (self.shift if r.random() < 0.3 else 0)
        raise ValueError(kind)


KINDS = ("normal", "outliers", "heavy2", "heavy3", "laplace", "drift", "correlated", "clusters", "rounded",
         "deterministic")


def table(r, kind, gain):
    n = r.choice((10, 20, 40, 80, 200))
    habit = r.choice(("greedy",) * 8 + ("all", "random"))
    again = r.choice(("none", "first", "rarely", "often", "best", "both"))
    noise = Noise(r, "normal" if kind == "deterministic" else kind, n)
    lines = ["commit\tval_bpb\tstatus\tdescription"]
    best = kept = None
    truth = {}
    state, seed, due = 0.0, 0, 0
    while len(lines) <= n:
        commit = "%07x" % (r.getrandbits(27) | 1 << 27)
        if kept is not None and (due > 0 or r.random() < {"rarely": 0.05, "often": 0.3, "both": 0.1}.get(again, 0)):
            due -= due > 0
            seed += 1
            v = truth[kept][1] if kind == "deterministic" else 1.3 + SD * (noise.draw() + truth[kept][0])
            lines.append(f"{commit}\t{v:.6f}\tdiscard\trerun of {kept} seed={seed}")
            continue
        i = len(lines)
        planted = gain if kept is not None and gain and r.random() < 0.25 else 0
        v = 1.3 + SD * (noise.draw() + state - planted)
        keep = best is None or habit == "all" or (r.random() < 0.3 if habit == "random" else v < best)
        if keep:
            due = r.choice((2, 4)) if again in (("first", "both") if kept is None else ("best", "both")) else 0
            state -= planted
            best, kept = v, commit
            truth[kept] = (state, v)
        name = "gain" if planted else "change"
        lines.append(f"{commit}\t{v:.6f}\t{'keep' if keep else 'discard'}\t{name} {i}")
    return again, "\n".join(lines) + "\n"


def main():
    out, tables, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    gain = float(sys.argv[4]) if len(sys.argv) > 4 else 0
    os.makedirs(out)
    for kind in KINDS:
        r = random.Random(f"{seed} {kind}")
        for k in range(tables):
            again, text = table(r, kind, gain)
            with open(f"{out}/{kind}-{again}-{k}.tsv", "w", encoding="ascii") as f:
                f.write(text)


main()
