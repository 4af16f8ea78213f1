#!/usr/bin/env python3
"""A program that knows nothing of Homegolf and tells its score in its log, in one of three forms that the field prints.

Evidence: claim.  What it says is its word: it can be replicated, judged and confirmed, but not promoted.
trainer.gives=claim, trainer.files=["claim_bigram.py"], trainer.command=["python3", "claim_bigram.py", FORM],
trainer.set={"SEED": "{seed}", "DATA_PATH": "{data}"}, and by FORM trainer.reads, which says where the score stands:
golf  one line at the end tells it       {"val_bpb": "^final_int8_zlib_roundtrip_exact .*val_bpb:([0-9.]+)"}
loop  many lines do, and the last counts {"val_bpb": "last:^val_bpb: +([0-9.]+)"}
llmc  there is only a loss               {"val_loss": "last:^val loss ([0-9.]+)$"}
      (which the ledger's policy.json must then compare: metric.name and metric.across_tokenizers)
A program that is no demonstration is taken so without a change: its seed, and where its data lie, by the variables or
arguments that it has, and a pattern for its own lines.
"""
import array, collections, json, math, os, random, sys, time


def tokens(data, part):
    ids = array.array("H")
    for file in data[part]["files"]:
        with open(os.path.join(os.environ["DATA_PATH"], file["path"]), "rb") as f:
            ids.frombytes(f.read()[1024:])
    return ids


def logits(counts, V):
    """Of each token that was seen, the logarithms of how often which other came next."""
    return {a: [math.log(row[b] + 1 / V) for b in range(V)] for a, row in counts.items()}


def rounded(table):
    """The same as a scale and 8 bits each, which is what an artifact would hold."""
    scales = {a: max(map(abs, row)) / 127 or 1 for a, row in table.items()}
    return {a: [round(x / scales[a]) * scales[a] for x in row] for a, row in table.items()}


def loss(table, ids, V):
    """Mean nats."""
    norm = {a: math.log(sum(map(math.exp, row))) for a, row in table.items()}
    return sum(norm[a] - table[a][b] if a in table else math.log(V) for a, b in zip(ids, ids[1:])) / (len(ids) - 1)


def main():
    form, chance, start = sys.argv[1], random.Random(int(os.environ["SEED"])), time.monotonic()
    with open(os.environ["DATA_PATH"] + "/dataset.json") as f:
        data = json.load(f)
    V, val = data["tokenizer"]["vocab_size"], tokens(data, "val")
    per_byte = (len(val) - 1) / math.log(2) / data["val"]["bytes"]
    ids, counts, steps = tokens(data, "train"), collections.defaultdict(collections.Counter), 5
    pieces = [ids[i:i + 257] for i in range(0, len(ids), 256)]
    chance.shuffle(pieces)
    for step in range(1, steps + 1):
        for piece in pieces[(step - 1) * len(pieces) // 10:step * len(pieces) // 10]:
            for a, b in zip(piece, piece[1:]):
                counts[a][b] += 1
        table = logits(counts, V)
        nats, ms = loss(table, val, V), 1000 * (time.monotonic() - start)
        if form == "golf":
            print(f"step:{step}/{steps} val_loss:{nats:.4f} val_bpb:{nats * per_byte:.4f} train_time:{ms:.0f}ms "
                  f"step_avg:{ms / step:.2f}ms")
        elif form == "loop":
            print(f"\rstep {step:05d} ({100 * step / steps:.1f}%) | loss: {nats:.6f}", end="")
            print(f"\nval_bpb: {nats * per_byte:.4f}")
        else:
            print(f"step {step:4d}/{steps} | loss {nats:.6f} | norm 1.0000 | lr 1.00e+00 | {ms / step:.2f} ms")
            print(f"val loss {nats:.4f}")
    if form == "golf":
        table = rounded(table)
        nats = loss(table, val, V)
        print(f"final_int8_zlib_roundtrip val_loss:{nats:.4f} val_bpb:{nats * per_byte:.4f}")
        print(f"final_int8_zlib_roundtrip_exact val_loss:{nats:.8f} val_bpb:{nats * per_byte:.8f}")
    elif form == "loop":
        print(f"---\nval_bpb:          {nats * per_byte:.6f}\ntraining_seconds: {time.monotonic() - start:.1f}")


main()
