"""Make a run directory as a scored run leaves it, without training: for tests of judgement.

usage: judged_run.py RUN BPB [KEY=VALUE...]

The spec comes from hg-spec, all receipts keep their contracts and are bound by digest.
KEY is a spec key (SECTION.KEY) or one of: total_bytes, train_ms, overshoot_ms, starved, artifact
(its text), ago_ms (started), refuse=STAGE:KIND, late (rows of metrics past the cap), partial, seed (train.seed),
 raw_bytes (of the validation text), stream (tokens of the training shards), raw (digest letter of the validation
 text), kept (what the tokenizer keeps of it: all, a digest letter, or nothing where that was not measured; absent:
 scored by 0.1), lost (which share it loses of it), tokenizer (digest letter), steps, spread (of documents), cpu (its
 model).
"""
import datetime
import hashlib
import json
import math
import os
import random
import subprocess
import sys

from samples import samples

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def sample(name):
    """The least valid one."""
    return min((v for _, v, error in samples(f"{TOP}/contracts", name) if error is None), key=len)


def sha(data):
    return hashlib.sha256(data).hexdigest()


def write(path, value):
    data = value if isinstance(value, bytes) else json.dumps(value, indent=2).encode() + b"\n"
    with open(path, "wb") as f:
        f.write(data)
    return sha(data)


def data_dir(where, raw, tokenizer):
    """A dataset.json alone; shards are never opened here."""
    path = f"{where}/data-{raw}{tokenizer}"
    if not os.path.exists(f"{path}/dataset.json"):
        d = json.load(open(f"{TOP}/contracts/dataset.valid/full.json"))
        d["val"]["raw_sha256"] = sha(b"raw " + raw.encode())
        d["tokenizer"]["sha256"] = sha(b"tokenizer " + tokenizer.encode())
        d["val"]["files"][0]["sha256"] = sha(f"{raw}{tokenizer}".encode())
        d["content_sha256"] = sha(b"content " + raw.encode())
        os.makedirs(path, exist_ok=True)
        write(f"{path}/dataset.json", d)
    return path


def now(ms=0):
    t = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(milliseconds=ms)
    return t.strftime("%Y-%m-%dT%H:%M:%S.") + f"{t.microsecond // 1000:03d}Z"


def make(run, bpb, settings, base=None):
    own = {k: v for k, v in settings.items() if "." not in k}
    run = os.path.abspath(run)
    where = os.environ.get("JUDGED_DATA", os.path.dirname(run))
    raw, tokenizer = own.get("raw", "a"), own.get("tokenizer", "a")
    data = data_dir(where, raw, tokenizer)
    os.makedirs(os.path.dirname(run), exist_ok=True)
    if not os.path.exists(f"{run}/spec.json"):
        # The smallest file that loads the demo's geometry onto the sample data.
        args = ["hg-spec"] + (["-b", base] if base else ["-b", f"{TOP}/examples/specs/tiny.json"])
        sets = {"data.dir": data, "system.backend": "ref", "budget.max_wallclock_ms": "60000",
                "train.iterations": "200", "train.micro_batch_tokens": own.get("micro", "8192"), "train.batch_tokens": "8192"}
        if base:
            sets = {}
        sets.update({k: v for k, v in settings.items() if "." in k and not k.startswith("executed.")})
        if "seed" in own:
            sets["train.seed"] = own["seed"]
        for k, v in sets.items():
            args += ["-s", f"{k}={v}"]
        subprocess.run(args + [run], check=True, stdout=subprocess.DEVNULL)
    text = open(f"{run}/spec.json", "rb").read()
    spec = json.loads(text)
    head = {"run_id": spec["run_id"], "run_uid": spec["run_uid"], "attempt": 1, "spec_sha256": sha(text)}
    tail = {"started_at": now(-int(own.get("ago_ms", 0))), "finished_at": now(5), "elapsed_ms": int(own.get("train_ms", 58211)) + 2000}
    for s in ("train", "export", "score"):
        for f in os.listdir(f"{run}/attempts") if os.path.isdir(f"{run}/attempts") else []:
            if f.startswith(f"{s}."):
                head.setdefault("attempts", {})[s] = int(f.split(".")[1]) + 1
    attempts = head.pop("attempts", {})

    def begin(name, stage):
        v = sample(name)
        v.update(head)
        v["stage"] = stage
        v["attempt"] = attempts.get(stage, 1)
        v.update({k: x for k, x in tail.items() if k in v})
        return v

    refuse = own.get("refuse", ":").split(":")

    def refused(stage):
        if refuse[0] != stage:
            return False
        v = begin("refusal", stage)
        v["kind"] = refuse[1]
        write(f"{run}/{stage}_refusal.json", v)
        return True

    if refused("train"):
        return
    steps = int(own.get("steps", spec["train"]["iterations"]))
    train_ms, late = int(own.get("train_ms", 58211)), int(own.get("late", 0))
    cap = spec["budget"]["max_wallclock_ms"]
    if late:
        train_ms = cap + 100 * (late + 1)
    r = begin("training_report", "train")
    rows = [{"step": i + 1, "tokens": 8192 * (i + 1), "train_loss": 2.0, "lr_scale": 1.0, "grad_norm": None,
             "wallclock_ms": min(train_ms, (i + 1) * 50)} for i in range(5)]
    if late:
        rows += [{**rows[-1], "step": steps - late + i, "wallclock_ms": cap + 100 * (i + 1)} for i in range(late + 1)]
    metrics = "".join(json.dumps(x) + "\n" for x in rows).encode()
    seed = spec["train"]["seed"]
    offset = spec["train"].get("data_offset", 0)
    blob = f"weights {spec['digests']['config_sha256']} {seed} {offset} {bpb}".encode() if offset else \
        f"weights {spec['digests']['config_sha256']} {seed} {bpb}".encode()
    r.update({"dataset_sha256": spec["data"]["dataset_sha256"], "tokenizer_sha256": spec["data"]["tokenizer_sha256"],
              "config_sha256": spec["digests"]["config_sha256"], "model": {**spec["model"], "params": 91264}, "seed": seed,
              "data_offset": offset, "stream_tokens": int(own.get("stream", 1000000)),
              "schedule": spec["train"]["schedule"], "steps": steps, "batch_tokens": spec["train"]["batch_tokens"],
              "micro_batch_tokens": 8192, "seq_len": spec["train"]["seq_len"], "warmup_steps": spec["train"]["warmup_steps"],
              "train_ms": train_ms, "overshoot_ms": max(0, train_ms - cap) if cap != "none" else 0, "cap_ms": cap,
              "wallclock_ms": train_ms + 1000, "starved": own.get("starved") == "yes", "backend": spec["system"]["backend"],
              "lane": spec["system"]["lane"], "arith": spec["train"]["arith"],
              "checkpoint": {"file": "checkpoint.safetensors", "bytes": len(blob), "sha256": write(f"{run}/checkpoint.safetensors", blob)},
              "metrics": {"file": "metrics.jsonl", "bytes": len(metrics), "sha256": write(f"{run}/metrics.jsonl", metrics), "rows": len(rows)}})
    r["cpu_model"] = own.get("cpu", r["cpu_model"])
    if r["arith"] != "fp32":
        r["isa"], r["numerics_sha256"] = r["isa"] + "-" + r["arith"], sha(r["arith"].encode())
    if "build" in own:
        r["numerics_sha256"] = sha(own["build"].encode())
    r["system_sha256"] = system_digest(r)
    for k in ("seed", "batch_tokens", "backend", "lane"):
        if f"executed.{k}" in settings:
            r[k] = type(r[k])(settings[f"executed.{k}"])
    for k, v in settings.items():
        if k.startswith("executed.model."):
            r["model"][k[len("executed.model."):]] = int(v)
    r["tokens"] = r["steps"] * r["batch_tokens"]
    training = write(f"{run}/training_report.json", r)
    if refused("export"):
        return
    artifact = own.get("artifact", blob.decode()).encode()
    x = begin("export_report", "export")
    x.pop("levers", None)
    code = x["code_bytes"]
    total = int(own.get("total_bytes", code + len(artifact)))
    x["code_bytes"] = code = total - len(artifact)
    x.update({"training_report_sha256": training, "checkpoint_sha256": r["checkpoint"]["sha256"], "total_bytes": total,
              "artifact": {"file": "artifact.hgz", "bytes": len(artifact), "sha256": write(f"{run}/artifact.hgz", artifact)},
              "cap_bytes": spec["budget"]["artifact_cap_bytes"], "within_cap": total <= spec["budget"]["artifact_cap_bytes"]})
    export = write(f"{run}/export_report.json", x)
    if refused("score"):
        return
    docs, tokens, n_bytes = 50, 100000, 250000
    raw_bytes = int(own.get("raw_bytes", n_bytes))
    whole = [raw_bytes // docs + (i < raw_bytes % docs) for i in range(docs)]
    loss = float(bpb) * math.log(2) * n_bytes / tokens
    rng = random.Random(f"{seed} {run}")
    nats = [loss * tokens / docs * (1 + 0.1 * math.sin(i)) + (rng.gauss(0, float(own.get("spread", 1))) if loss else 0) for i in range(docs)]
    over = (sum(nats) - loss * tokens) / docs
    whole = ["-"] * docs if own.get("raw_known") == "no" else whole
    table = "# doc\ttokens\tbytes\traw_bytes\tnats\n" + "".join(
        f"{i}\t{tokens // docs}\t{n_bytes // docs}\t{whole[i]}\t{nats[i] - over:.17g}\n" for i in range(docs))
    s = begin("score_report", "score")
    partial = own.get("partial") == "yes"
    real = loss / math.log(2) * tokens / n_bytes
    s.update({"artifact_sha256": x["artifact"]["sha256"], "export_report_sha256": export, "training_report_sha256": training,
              "dataset_sha256": r["dataset_sha256"], "tokenizer_sha256": r["tokenizer_sha256"],
              "docs_sha256": write(f"{run}/score_docs.tsv", table.encode()), "eval": spec["eval"],
              "eval_sha256": spec["digests"]["eval_sha256"], "val_raw_sha256": sha(b"raw " + raw.encode()),
              "val_loss": loss, "val_bpb": real, "val_bpb_raw": loss / math.log(2) * tokens / raw_bytes, "tokens": tokens, "bytes": n_bytes,
              "raw_bytes": raw_bytes,
              "documents": docs - partial, "documents_expected": docs, "partial": partial, "backend": "ref", "arith": spec["eval"]["arith"], "prequant_val_loss": None, "prequant_val_bpb": None})
    if own.get("raw_known") == "no":
        s.update({"val_raw_sha256": None, "val_bpb_raw": None, "raw_bytes": None})
    if "kept" in own:
        kept = {"": None, "all": s["val_raw_sha256"]}
        s["val_kept_sha256"] = kept.get(own["kept"], sha(b"kept " + own["kept"].encode()))
        s["val_lost_frac"] = {"": None, "all": 0}.get(own["kept"], float(own.get("lost", 0.25)))
    report = write(f"{run}/artifact_score_report.json", s)
    m = begin("score_summary", "score")
    m.pop("spec_sha256", None)
    m.update({"val_loss": loss, "val_bpb": real, "val_bpb_raw": s["val_bpb_raw"], "partial": partial, "documents": s["documents"],
              "artifact_bytes": len(artifact), "total_bytes": total, "within_cap": x["within_cap"], "score_report_sha256": report})
    write(f"{run}/artifact_score_summary.json", m)


def system_digest(report):
    keys = ("backend", "isa", "arith", "threads", "lane", "cpu_model", "libraries", "numerics_sha256")
    v = {k: report[k] for k in keys}
    return sha(json.dumps(v, sort_keys=True, separators=(",", ":")).encode())


if __name__ == "__main__":
    make(sys.argv[1], sys.argv[2], dict(a.split("=", 1) for a in sys.argv[3:]))
