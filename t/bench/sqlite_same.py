"""A plain SQLite doing what a tool does, on the same rows: milliseconds on stdout, a line a try.

usage: sqlite_same.py build LEDGER DB        its rows of runs, parsed and inserted in one transaction, with an index
       sqlite_same.py add DB TRIES           one more row, synced, and the incumbent
       sqlite_same.py status DB DIR TRIES    the table of the runs of DIR, whose receipts it has already
       sqlite_same.py report DB TRIES        what each configuration scored

By Python's own module (the library is the command's); starting Python is not counted, nor is reading the runs of DIR.
"""
import json
import os
import sqlite3
import sys
import time

RUNS = "CREATE TABLE runs (uid TEXT PRIMARY KEY, id TEXT, config TEXT, lane TEXT, seed INTEGER, bpb REAL, row TEXT)"
PUT = "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)"
TABLE = "SELECT id, train, score, bpb, bytes FROM status ORDER BY id"
BEST = "SELECT config, avg(bpb), count(*) FROM runs GROUP BY config ORDER BY avg(bpb) LIMIT 1"
EACH = "SELECT config, count(*), avg(bpb), min(bpb), max(bpb), avg(bpb * bpb) FROM runs GROUP BY config"


def opened(path):
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous=FULL")
    return db


def values(line):
    run = json.loads(line).get("run")
    if run is None:
        return None
    return (run["run_uid"], run["run_id"], run["config_sha256"], run["lane"], run["seed"],
            run["metrics"]["val_bpb"], line)


def build(ledger, path):
    db = opened(path)
    db.execute("BEGIN")
    db.execute(RUNS)
    with open(f"{ledger}/ledger.jsonl") as f:
        db.executemany(PUT, (v for v in map(values, f) if v))
    db.execute("CREATE INDEX by_config ON runs (config)")
    db.execute("COMMIT")


def add(db, i):
    row = list(db.execute("SELECT * FROM runs LIMIT 1").fetchone())
    began = time.perf_counter()
    row[0] = f"new {i} {began}"
    db.execute(PUT, row)
    db.execute("SELECT row FROM runs WHERE config = ? LIMIT 1", (row[2],)).fetchone()
    return began


def fill(db, where):
    db.execute("CREATE TABLE IF NOT EXISTS status (id TEXT, train TEXT, score TEXT, bpb REAL, bytes INTEGER)")
    db.execute("BEGIN")
    db.execute("DELETE FROM status")
    for name in os.listdir(where):
        with open(f"{where}/{name}/artifact_score_summary.json") as f:
            v = json.load(f)
        db.execute("INSERT INTO status VALUES (?, 'closed_out', 'closed_out', ?, ?)",
                   (name, v["val_bpb"], v["total_bytes"]))
    db.execute("COMMIT")


def main():
    what = sys.argv[1]
    began = time.perf_counter()
    if what == "build":
        build(*sys.argv[2:4])
        print(f"{(time.perf_counter() - began) * 1e3:.2f}")
        return
    db = opened(sys.argv[2])
    if what == "status":
        fill(db, sys.argv[3])
    for i in range(int(sys.argv[-1])):
        began = time.perf_counter()
        if what == "add":
            began = add(db, i)
        elif what == "status":
            "\n".join("\t".join(map(str, row)) for row in db.execute(TABLE))
        else:
            db.execute(EACH).fetchall(), db.execute(BEST).fetchall()
        print(f"{(time.perf_counter() - began) * 1e3:.2f}")


main()
