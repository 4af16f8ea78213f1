#!/usr/bin/env python3
"""A model of its own kind, and what scores it: an n-gram model over tokens, its counts compressed by zlib.

Evidence: artifact.  trainer.command=["python3", "ngram.py", "train"], trainer.files=["ngram.py"],
scorer.command=["python3", "ngram.py", "score"], scorer.files=["ngram.py"], trainer.gives=artifact
trainer.params: order (3), weight (2), leave_out (0.1).  The seed decides which documents, leave_out of them, it never
sees, so that runs of other seeds are other runs.  It takes no steps: train.iterations=1.

p(t | context) = (count(context, t) + weight * p(t | context less its first token)) / (count(context) + weight), and at
the end of that 1 / vocabulary.  So no token has probability 0, and those of all tokens sum to 1: a scorer owes that.
"""
import array, collections, json, math, os, random, sys, time, zlib

env, BOS = os.environ, 1


def tokens(part):
    ids, data = array.array("H"), env["HOMEGOLF_DATA_DIR"]
    with open(f"{data}/dataset.json") as f:
        files = json.load(f)[part]["files"]
    for file in files:
        with open(os.path.join(data, file["path"]), "rb") as f:  # a whole path where shards were adopted
            ids.frombytes(f.read()[1024:])  # 256 words of header, then the ids
    if sys.byteorder == "big":
        ids.byteswap()
    return ids


def train():
    start, result = time.monotonic(), {"schema": "homegolf.trainer_result.v1", "run_uid": env["HOMEGOLF_RUN_UID"]}
    if env.get("HOMEGOLF_DRY_RUN"):
        return print(json.dumps(result | {"result": "dry_run"}))
    spec = json.load(open(env["HOMEGOLF_SPEC"]))
    params = {"order": 3, "weight": 2, "leave_out": 0.1} | spec["trainer"].get("params", {})
    order, seed = params["order"], int(env["HOMEGOLF_SEED"])
    chance, grams, n = random.Random(seed), collections.Counter(), 0
    context, wanted = (BOS,) * order, True
    for t in tokens("train"):
        context = context[1:] + (t,)
        if t == BOS:
            wanted = chance.random() >= params["leave_out"]
        if wanted:
            grams[context] += 1
            n += 1
    model = {"vocabulary": spec["model"]["vocab_size"], "order": order, "weight": params["weight"],
             "grams": [[*gram, count] for gram, count in sorted(grams.items())]}
    with open("ngram.z", "wb") as f:
        f.write(zlib.compress(json.dumps(model, separators=(",", ":")).encode(), 9))
    print(json.dumps(result | {"result": "trained", "seed": seed, "artifact": ["ngram.z"], "steps": 1, "tokens": n,
                               "train_ms": round(1000 * (time.monotonic() - start))}))


def score():
    """Of the model it knows what is in ngram.z.  docs.tsv is the table to fill in: index, scored tokens, bytes and raw
    bytes of each document, and in the last column its nats."""
    model = json.loads(zlib.decompress(open("ngram.z", "rb").read()))
    order, weight, count, total = model["order"], model["weight"], collections.Counter(), collections.Counter()
    for *gram, n in model["grams"]:
        for i in range(order):
            count[tuple(gram[i:])] += n
            total[tuple(gram[i:-1])] += n
    ids = iter(tokens("val"))
    context = (BOS,) * (order - 1) + (next(ids),)  # the very first token is never predicted
    with open("docs.tsv") as docs, open("score_docs.tsv", "w") as out:
        out.write(docs.readline())
        for row in docs:
            document, n, *counted = row.split("\t")[:4]
            nats = 0.0
            for _ in range(int(n)):
                t, p = next(ids), 1 / model["vocabulary"]
                for i in range(order, 0, -1):
                    known = context[i:]
                    p = (count[known + (t,)] + weight * p) / (total[known] + weight)
                context = context[1:] + (t,)
                nats -= math.log(p)
            print(document, n, *counted, f"{nats:.17g}", sep="\t", file=out)


{"train": train, "score": score}[sys.argv[1]]()
