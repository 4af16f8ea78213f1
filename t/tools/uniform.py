"""A trainer whose model gives every token the same chance, and its scorer: the smallest program with an artifact.

uniform.py train | score, as hg-trainer(7) says.
"""
import json
import math
import os
import sys

if sys.argv[1] == "train":
    result = {"schema": "homegolf.trainer_result.v1", "run_uid": os.environ["HOMEGOLF_RUN_UID"]}
    if "HOMEGOLF_DRY_RUN" in os.environ:
        result["result"] = "dry_run"
    else:
        with open(os.environ["HOMEGOLF_SPEC"]) as f:
            vocab_size = json.load(f)["data"]["vocab_size"]
        with open("model.txt", "w") as f:
            # The seed stands in it, so that two seeds are two artifacts.
            json.dump({"vocab_size": vocab_size, "seed": int(os.environ["HOMEGOLF_SEED"])}, f)
        with open(os.environ["HOMEGOLF_METRICS"], "w") as f:
            for step in range(3):
                f.write(json.dumps({"step": step, "train_loss": math.log(vocab_size)}) + "\n")
        result |= {"result": "trained", "seed": int(os.environ["HOMEGOLF_SEED"]), "artifact": ["model.txt"], "steps": 3}
    print(json.dumps(result))
else:
    with open("model.txt") as f:
        nats = math.log(json.load(f)["vocab_size"])
    with open("docs.tsv") as docs, open("score_docs.tsv", "w") as out:
        out.write(next(docs))
        for line in docs:
            *columns, _ = line.split("\t")
            out.write("\t".join(columns + [repr(int(columns[1]) * nats)]) + "\n")
