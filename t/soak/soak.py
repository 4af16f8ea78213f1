#!/usr/bin/env python3
"""A campaign under faults for a while, and a verdict: 0 pass, 1 fail, 2 inconclusive.

soak.py [-t SECONDS] [-s SEED] DIR   runs it in DIR, which is made, and writes DIR/soak.jsonl
soak.py -j LOG                       judges a log
"""
import argparse, collections, glob, json, os, random, re, secrets, shutil, signal, statistics, subprocess, sys, time

NAMES = ["alpha", "beta", "gamma", "delta", "omega"]
MEMORY_KB = 8192
FEW = 20
# Of a kind of short life each look meets another moment: below so many a half, the most files that it had open say
# more than their median.
RARE = 30


def judge(events):
    """Lines of (ok, what), ok None where it can't be told."""
    of = lambda ev: [e for e in events if e["ev"] == ev]
    out = []
    faults, reaps, samples, ends = of("fault"), of("reap"), of("sample"), of("end")
    final = (of("final") or [None])[-1]
    wrong = []
    for r in reaps:
        before = [f for f in faults if f["t"] <= r["t"]]
        full = any(f["what"] == "full" and f["t"] >= r["t"] - 60 for f in before)
        mine = {f["what"] for f in before if f.get("run") == r["run"] and f.get("turn") == r.get("turn")}
        allowed = {"owner_died": {"kill-owner", "kill-all"}, "owner_stopped": {"stop"}, "stalled": {"stop"}}
        may = allowed.get(r["did"], {"kill-owner", "kill-all", "stop"})
        if r["did"] not in ("nothing", "held", "elsewhere") and not mine & may and not full:
            wrong.append("%s %s %s" % (r["run"], r["stage"], r["did"]))
    out.append((not wrong, "wrong reaps: %d of %d %s" % (len(wrong), len(reaps), "; ".join(wrong[:5]))))
    # No fault of ours alters a run: one that can't be read has been left so by a tool.
    jammed = ["%s.%s" % (e["name"], e["turn"]) for e in ends if "corrupt" in str(e["reason"]).split(",")]
    out.append((not jammed, "names that jammed: %d %s" % (len(jammed), " ".join(jammed[:5]))))
    if final is None:
        out.append((None, "the log has no end"))
    else:
        for key in ("survivors", "temporaries", "unanswered", "rows"):
            out.append((not final[key], "%s: %d %s" % (key, len(final[key]), "; ".join(map(str, final[key][:5])))))
        for key in ("verify", "replay", "drain"):
            out.append((final[key] == 0, "%s ends with %d" % (key, final[key])))
    kinds = collections.defaultdict(list)
    for s in samples:
        for kind, (_, kb, fds) in s["kinds"].items():
            kinds[kind].append((s["t"], kb, fds))
    told, untold = 0, []
    if len(samples) >= FEW:
        middle = (samples[0]["t"] + samples[-1]["t"]) / 2
        for kind, rows in sorted(kinds.items()):
            a = [r for r in rows if r[0] <= middle]
            b = [r for r in rows if r[0] > middle]
            if min(len(a), len(b)) < FEW // 2:
                untold.append(kind)
                continue
            told += 1
            drift = statistics.median(r[1] for r in b) - statistics.median(r[1] for r in a)
            late = b[len(b) // 2:]
            grows = statistics.median(r[1] for r in late) - statistics.median(r[1] for r in b[:len(b) // 2])
            out.append((drift <= MEMORY_KB and grows <= MEMORY_KB,
                        "memory of %s: second half %+d KB, and %+d KB within it" % (kind, drift, grows)))
            middle_of = statistics.median if min(len(a), len(b)) >= RARE else max
            more = middle_of([r[2] for r in late]) - middle_of([r[2] for r in a])
            out.append((more <= 2, "descriptors of %s: %+g" % (kind, more)))
    if told and untold:
        out.append((True, "memory of these was seen too rarely to tell: " + " ".join(untold)))
    if not told:
        out.append((None, "memory and descriptors: %d samples are too few" % len(samples)))
    begin = (of("begin") or [{"t": 0, "window": 30}])[0]
    last = max([e["t"] for e in events if e["ev"] in ("sample", "end")] or [0])
    stamps = [begin["t"]] + [e["t"] for e in ends] + [last]
    longest = max(b - a for a, b in zip(stamps, stamps[1:]))
    out.append((longest <= begin["window"],
                "progress: %d requests ended, at most %.1f s between two, window %g s" %
                (len(ends), longest, begin["window"])))
    if not ends or len(faults) < 3:
        out.append((None, "%d faults and %d ended requests are too few" % (len(faults), len(ends))))
    else:
        count = collections.Counter(f["what"] for f in faults)
        out.append((True, "faults: " + ", ".join("%s %d" % i for i in sorted(count.items()))))
        count = collections.Counter("%s:%s" % (e["state"], e["reason"]) for e in ends)
        out.append((True, "ends: " + ", ".join("%s %d" % i for i in sorted(count.items()))))
    return out


def verdict(events):
    lines = judge(events)
    print("1..%d" % len(lines))
    for n, (ok, what) in enumerate(lines, 1):
        print("%s %d - %s%s" % ("not ok" if ok is False else "ok", n, what.strip(),
                                " # SKIP inconclusive" if ok is None else ""))
    words = [ok for ok, _ in lines]
    code = 1 if False in words else 2 if None in words else 0
    print("# verdict: " + ("pass", "fail", "inconclusive")[code], flush=True)
    return code


class Soak:
    def __init__(self, top, seconds, seed):
        self.top, self.seconds, self.random = os.path.abspath(top), seconds, random.Random(seed)
        os.makedirs(self.top)
        os.chdir(self.top)
        self.mark = "HOMEGOLF_SOAK=" + secrets.token_hex(16)
        self.env = dict(os.environ, HOMEGOLF_LANES=self.top + "/lanes", HOMEGOLF_SOAK=self.mark.split("=")[1])
        self.log = open("soak.jsonl", "w")
        self.events, self.turn, self.number = [], dict.fromkeys(NAMES, 0), seed * 100000 % 1000000000
        # Which victim there is depends on the machine: it is drawn apart, so that the order of faults is the seed's alone.
        self.pick = random.Random(seed + 1)
        self.mounted, self.children, self.stopped, self.hot = False, {}, {}, None

    def say(self, ev, **what):
        e = dict(what, ev=ev, t=round(time.monotonic(), 3))
        self.events.append(e)
        self.log.write(json.dumps(e) + "\n")
        self.log.flush()

    def tool(self, *argv):
        return subprocess.run(argv, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def processes(self):
        found = {}
        for p in glob.glob("/proc/[0-9]*"):
            try:
                with open(p + "/environ", "rb") as f:
                    if self.mark.encode() not in f.read().split(b"\0"):
                        continue
                with open(p + "/stat") as f:
                    stat = f.read()
                if stat.rsplit(")", 1)[1].split()[0] == "Z":
                    continue
                with open(p + "/cmdline", "rb") as f:
                    argv = [os.path.basename(a.decode("utf-8", "replace")) for a in f.read().split(b"\0")]
                kind = next((a for a in argv[:2] if a.startswith("hg-")), argv[0])
                with open(p + "/statm") as f:
                    kb = int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
                found[int(p[6:])] = (kind, kb, len(os.listdir(p + "/fd")))
            except (OSError, IndexError):
                pass
        return found

    def setup(self):
        os.makedirs("archive")
        os.makedirs("c")
        if os.geteuid() == 0:
            r = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "soak", "c"], capture_output=True)
            self.mounted = r.returncode == 0
        if not self.mounted:
            print("# no mount is possible here: the disk is never full", flush=True)
        os.makedirs("c/in")
        with open("corpus.txt", "w") as f:
            f.writelines("Document %d of a corpus: the quick brown fox, %d.\n" % (d, d * d) for d in range(300))
        subprocess.run(["hg-data", "-B", "-n", "20", "-f", "lines", "-o", "data", "corpus.txt"], check=True,
                       stderr=subprocess.DEVNULL)
        with open("stub.sh", "w") as f:
            f.write('#!/bin/sh\nsleep 0.5\necho "val_bpb: 1.$SEED"\n')
        os.chmod("stub.sh", 0o755)
        model = dict(vocab_size=260, num_layers=2, model_dim=32, num_heads=4, num_kv_heads=2)
        train = dict(seq_len=64, batch_tokens=256, micro_batch_tokens=128, iterations=20, warmup_steps=1)
        self.put("c/base.json", json.dumps({"data": {"dir": self.top + "/data"}, "model": model, "train": train,
                 "prompt": {"text": "Document", "tokens": 8}, "budget": {"stall_ms": 3000}, "system": {"threads": 1}}))
        self.put("c/campaign.json", json.dumps({
            "schema": "homegolf.campaign.v1", "base": "base.json", "lanes": [{"name": "own"}, {"name": "stub"}],
            "routes": [{"when": {"system.backend": "ref"}, "lane": "own"},
                       {"when": {"system.backend": "external"}, "lane": "stub"}],
            "reserved": [], "calibrate": False, "window_ms": 60000}))

    def put(self, path, text):
        try:
            with open(path + ".new", "w") as f:
                f.write(text)
            os.rename(path + ".new", path)
        except OSError:
            # The disk is full now and then; what was not put into place is nobody's.
            if os.path.exists(path + ".new"):
                os.unlink(path + ".new")
            raise

    def request(self, name):
        self.number += 1
        self.turn[name] += 1
        r = {"train": {"seed": self.number}, "about": {"hypothesis": "a seed", "expected_gain": 0.01}}
        if (NAMES.index(name) + self.turn[name]) % 2:
            r["system"] = {"backend": "ref"}
        else:
            r["system"] = {"backend": "external"}
            r["trainer"] = {"command": ["./stub.sh"], "files": [self.top + "/stub.sh"], "gives": "claim",
                            "set": {"SEED": "{seed}"}, "reads": {"val_bpb": "last:val_bpb: *([0-9.]+)"}}
        try:
            self.put("c/in/%s.json" % name, json.dumps(r))
        except OSError:
            pass

    def triage(self):
        try:
            return json.loads(self.tool("hg-triage", "-j", "c").stdout)["requests"]
        except (ValueError, KeyError):
            return []

    def go_on(self):
        """Runs that fail by faults of ours are no reason to pause; the ledger is made with its first row."""
        path = "c/ledger/policy.json"
        try:
            with open(path) as f:
                policy = json.load(f)
            if policy["plateau"]["pause_after_failures"] < 1000:
                policy["plateau"]["pause_after_failures"] = 1000
                self.put(path, json.dumps(policy))
        except (OSError, ValueError):
            pass

    def renew(self):
        """What ended is moved aside, and its name is used again."""
        for r in self.triage():
            if r["name"] not in NAMES or r["state"] not in ("done", "escalated"):
                continue
            if any(r["name"] in a for a in self.command_lines()):
                continue
            self.say("end", name=r["name"], turn=self.turn[r["name"]], state=r["state"], reason=r["reason"])
            aside = "archive/%s.%d" % (r["name"], self.turn[r["name"]])
            for path, to in (("c/in/%s.json" % r["name"], aside + ".json"), ("c/runs/" + r["name"], aside)):
                if os.path.exists(path):
                    self.move(path, to)
        for name in NAMES:
            if not os.path.exists("c/in/%s.json" % name) and not os.path.exists("c/runs/" + name):
                self.request(name)

    @staticmethod
    def move(path, to):
        """At once, also to another file system, and although who held the directory before may still write in it."""
        moving = "c/.moving"
        os.rename(path, moving)
        if not os.path.isdir(moving):
            shutil.move(moving, to)
            return
        shutil.copytree(moving, to, symlinks=True)
        for _ in range(50):
            shutil.rmtree(moving, ignore_errors=True)
            if not os.path.exists(moving):
                return
            time.sleep(0.1)
        raise OSError("%s is still written in" % path)

    def command_lines(self):
        for pid in self.processes():
            try:
                with open("/proc/%d/cmdline" % pid, "rb") as f:
                    yield [os.path.basename(a) for a in f.read().decode("utf-8", "replace").split("\0")]
            except OSError:
                pass

    def draw(self):
        return self.random.choice(["kill-owner", "kill-owner", "kill-worker", "kill-driver", "kill-campaign",
                                   "kill-all", "stop", "stop", "full", "corrupt"])

    def fault(self, what):
        """Whether there was anything that it could befall."""
        if what == "full":
            if self.mounted and self.hot is None:
                self.say("fault", what=what)
                self.hot = time.monotonic() + 2
                with open("c/fill", "wb", buffering=0) as f:
                    try:
                        while True:
                            f.write(bytes(1 << 16))
                    except OSError:
                        pass
            return True
        if what == "corrupt":
            name = self.pick.choice(NAMES)
            path = "c/in/%s.json" % name
            try:
                with open(path) as f:
                    text = f.read()
                self.put(path, text[:len(text) // 2] if self.pick.random() < 0.5 else text + "\n")
                self.say("fault", what=what, run=name, turn=self.turn[name])
            except OSError:
                return False
            return True
        victims = []
        for pid, (kind, _, _) in sorted(self.processes().items()):
            try:
                with open("/proc/%d/cmdline" % pid, "rb") as f:
                    argv = f.read().decode("utf-8", "replace").split("\0")
                parent = int(open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            run = next((os.path.basename(a) for a in argv if os.path.basename(a) in NAMES), None)
            stage = kind in ("hg-train", "hg-export", "hg-prompt", "hg-score")
            owner = stage and any(re.search(r"\bpid=%d\b" % pid, t) for t in self.locks(run))
            if {"kill-owner": owner, "kill-all": owner, "kill-worker": stage and not owner or kind == "stub.sh",
                    "kill-driver": kind == "hg-run", "kill-campaign": kind == "hg-campaign", "stop": stage}[what]:
                victims.append((pid, run, kind, parent))
        if not victims:
            return False
        pid, run, kind, _ = self.pick.choice(victims)
        self.say("fault", what=what, pid=pid, run=run, kind=kind, turn=self.turn.get(run))
        # Without its driver an owner that died is the reapers'.
        if what == "kill-all":
            for other, (name, _, _) in self.processes().items():
                try:
                    with open("/proc/%d/cmdline" % other, "rb") as f:
                        argv = [os.path.basename(a) for a in f.read().decode("utf-8", "replace").split("\0")]
                    if name == "hg-run" and run in argv:
                        os.kill(other, signal.SIGKILL)
                except OSError:
                    pass
        try:
            os.kill(pid, signal.SIGSTOP if what == "stop" else signal.SIGKILL)
            if what == "stop":
                self.stopped[pid] = time.monotonic() + self.pick.choice([1, 8])
        except ProcessLookupError:
            pass
        return True

    def locks(self, run):
        for path in glob.glob("c/runs/%s/*.lock" % run):
            try:
                with open(path, errors="replace") as f:
                    yield f.read()
            except OSError:
                pass

    def tend(self, key, every, argv):
        """Start it again some time after it ended, and tell what it reaped."""
        now = time.monotonic()
        child, due = self.children.get(key, (None, 0))
        if child is not None:
            if child.poll() is None:
                return
            child.out.seek(0)
            for line in child.out.read().splitlines():
                if line.startswith("reaped\t"):
                    run, stage, did = line.split("\t")[1:3] + ["unknown"]
                elif line.startswith("{") and key == "reap":
                    r = json.loads(line)
                    run, stage, did = r["run"], r["stage"], r["did"]
                else:
                    continue
                run = os.path.basename(run)
                self.say("reap", by=key, run=run, stage=stage, did=did, turn=self.turn.get(run))
            child.out.close()
            self.children[key] = (None, now + every)
        elif now >= due and argv:
            out = open("%s.out" % key, "w+")
            child = subprocess.Popen(argv, env=self.env, stdin=subprocess.DEVNULL, stdout=out,
                                     stderr=open(os.devnull, "w"), start_new_session=True)
            child.out = out
            self.children[key] = (child, 0)

    def calm(self, all_of_it=False):
        now = time.monotonic()
        for pid, until in list(self.stopped.items()):
            if all_of_it or now >= until:
                if pid in self.processes():
                    os.kill(pid, signal.SIGCONT)
                del self.stopped[pid]
        if self.hot is not None and (all_of_it or now >= self.hot):
            os.unlink("c/fill")
            self.hot = None

    def run(self):
        self.setup()
        self.say("begin", window=max(30, min(120, self.seconds)), seconds=self.seconds)
        end = time.monotonic() + self.seconds
        faults = renew = 0.0
        what = self.draw()
        while time.monotonic() < end:
            now = time.monotonic()
            self.tend("campaign", 0.5, ["hg-campaign", "-1", "c"])
            self.tend("reap", 1.7, ["hg-reap", "c"])
            self.calm()
            if now >= renew and self.hot is None:
                self.go_on()
                self.renew()
                renew = now + 1
            if now >= faults and (self.fault(what) or now >= faults + 5):
                what = self.draw()
                faults = now + self.random.uniform(0.5, 3)
            kinds = {}
            for kind, kb, fds in self.processes().values():
                n, a, b = kinds.get(kind, (0, 0, 0))
                kinds[kind] = (n + 1, max(a, kb), max(b, fds))
            self.say("sample", kinds=kinds)
            time.sleep(0.25)
        self.calm(True)
        for key in list(self.children):
            while self.children[key][0] is not None:
                self.tend(key, 0, None)
                time.sleep(0.05)
        self.last()

    def last(self):
        try:
            drain = subprocess.run(["hg-campaign", "c"], env=self.env, stdin=subprocess.DEVNULL, timeout=300,
                                   stdout=open("drain.out", "w"), stderr=subprocess.STDOUT).returncode
        except subprocess.TimeoutExpired:
            drain = 99
        # What waits for its owner says 2.
        drain = 0 if drain in (0, 1, 2) else drain
        stop = self.tool("hg-campaign", "-k", "c").returncode
        limit = time.monotonic() + 10
        while self.processes() and time.monotonic() < limit:
            time.sleep(0.2)
        left = self.processes()
        unanswered = ["%s %s" % (r["name"], r["state"]) for r in self.triage() if r["state"] not in ("done", "escalated")
                      or r["state"] == "escalated" and not r["reason"]]
        names = {r["name"] for r in self.triage()}
        unanswered += [n for n in NAMES if os.path.exists("c/in/%s.json" % n) and n not in names]
        temporaries = [p for p in glob.glob("c/**/*", recursive=True) + glob.glob("c/**/.*", recursive=True)
                       if ".tmp" in os.path.basename(p) or p.endswith(".new")]
        rows = self.rows()
        verify = self.tool("hg-ledger", "verify", "c/ledger")
        replay = self.tool("hg-ledger", "replay", "c/ledger")
        for t in (verify, replay):
            if t.returncode:
                print("# " + (t.stderr or t.stdout).strip()[-400:].replace("\n", "\n# "))
        self.say("final", survivors=["%d %s" % (p, k[0]) for p, k in left.items()], temporaries=temporaries,
                 unanswered=unanswered, rows=rows, verify=verify.returncode, replay=replay.returncode, drain=drain or stop)
        for pid in left:
            os.kill(pid, signal.SIGKILL)

    def rows(self):
        """Attempts with more than one row, and runs without one whose request is done."""
        count = collections.Counter()
        with open("c/ledger/ledger.jsonl") as f:
            for line in f:
                row = json.loads(line)
                if row["kind"] == "run":
                    count[row["run"]["run_uid"], row["run"]["attempt"]] += 1
        wrong = ["attempt %d of %s has %d rows" % (i[1], i[0], n) for i, n in count.items() if n != 1]
        judged = {uid for uid, _ in count}
        done = {"%s.%d" % (e["name"], e["turn"]) for e in self.events if e["ev"] == "end" and e["state"] == "done"}
        for name in sorted(done):
            with open("archive/%s/spec.json" % name) as f:
                if json.load(f)["run_uid"] not in judged:
                    wrong.append(name)
        return wrong

    def close(self):
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.mounted:
            shutil.copytree("c", "c.kept", symlinks=True)
            subprocess.run(["umount", "c"])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("-t", type=float, default=300)
    p.add_argument("-s", type=int, default=1)
    p.add_argument("-j", action="store_true")
    p.add_argument("path")
    a = p.parse_args()
    if a.j:
        with open(a.path) as f:
            return verdict([json.loads(line) for line in f])
    soak = Soak(a.path, a.t, a.s)
    print("# seed %d, %g s, %s" % (a.s, a.t, soak.top), flush=True)
    try:
        soak.run()
    finally:
        soak.close()
    return verdict(soak.events)


if __name__ == "__main__":
    sys.exit(main())
