#!/usr/bin/env python3
# Print the coefficients of train.muon_coefficients=minimax (lib/gpt/ops.c): for a number of steps and an interval
# [l, 1] of singular values, the composition of so many odd quintics that is nearest to 1 on it at worst.
# usage: minimax.py STEPS L [SAFETY]
#
# The best composition is the greedy one (arXiv:2505.16932, theorem 3.1): each step is the odd quintic nearest to 1 on
# the interval that the step before leaves.  That is found by the exchange of Remez: its error has one size and
# alternating signs at four points, the ends and the two where its slope is 0.  All steps but the last divide by SAFETY
# first, since rounding takes singular values past the end of the interval, where a quintic soon grows.
import math
import sys


def solve(rows):
    # Gauss, with the right sides in the last column.
    n = len(rows)
    for i in range(n):
        best = max(range(i, n), key=lambda r: abs(rows[r][i]))
        rows[i], rows[best] = rows[best], rows[i]
        for r in range(n):
            if r != i:
                by = rows[r][i] / rows[i][i]
                rows[r] = [x - by * y for x, y in zip(rows[r], rows[i])]
    return [rows[i][n] / rows[i][i] for i in range(n)]


def quintic(l, u):
    # (a, b, c) and the error of the odd quintic nearest to 1 on [l, u].
    q, r = l + (u - l) / 4, l + 3 * (u - l) / 4
    if l > 0.9999 * u:  # nothing left to gain: the fifth-order step of Newton-Schulz at u
        return (15 / 8 / u, -10 / 8 / u**3, 3 / 8 / u**5), 0.0
    for _ in range(100):
        points = zip((l, q, r, u), (1, -1, 1, -1))
        a, b, c, e = solve([[x, x**3, x**5, sign, 1] for x, sign in points])
        half = math.sqrt(9 * b * b - 20 * a * c)
        next_q, next_r = math.sqrt((-3 * b - half) / (10 * c)), math.sqrt((-3 * b + half) / (10 * c))
        done = abs(next_q - q) + abs(next_r - r) < 1e-15
        q, r = next_q, next_r
        if done:
            break
    return (a, b, c), e


def composition(steps, l, safety=1.0):
    table, u = [], 1.0
    for step in range(steps):
        (a, b, c), e = quintic(l, u)
        l, u = 1 - e, 1 + e
        by = 1.0 if step == steps - 1 else safety
        table.append((a / by, b / by**3, c / by**5))
        if by != 1.0:  # what the divided interval becomes
            l, u = l / by, u
    return table, e


if __name__ == "__main__":
    args = [float(x) for x in sys.argv[1:]]
    table, e = composition(int(args[0]), *args[1:])
    for a, b, c in table:
        print("{ %.16g, %.16g, %.16g }," % (a, b, c))
    print("error %.4f" % e)
