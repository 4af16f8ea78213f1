#!/usr/bin/env python3
"""A trainer of the baseline family in numpy alone: all its parameters, with gradients of its own, by Adam.

Evidence: checkpoint.  trainer.command=["python3", "numpy_gpt.py"], trainer.files=["numpy_gpt.py"]
Of its spec it obeys section model and train.seed, seq_len, batch_tokens, iterations, data_offset and warmdown_frac, and
has a learning rate of its own, trainer.params.lr.  The rest of section train means nothing here: no Muon, no clock.
"""
import json, os, struct, sys, time
import numpy as np

start, spec, env, tape, f32 = time.monotonic(), json.load(open("spec.json")), os.environ, [], np.float32
model, train = spec["model"], spec["train"]
L, D, H, K, V = (model[k] for k in ("num_layers", "model_dim", "num_heads", "num_kv_heads", "vocab_size"))
d, F, T, N = D // H, D * model["mlp_mult"], train["seq_len"], train["batch_tokens"]


class Var:  # a value, and with each that it was made from the function that takes its gradient back there
    def __init__(s, value, *origins):
        s.v, s.origins, s.grad = value, origins, 0
        tape.append(s)


def scatter(g, i, shape):
    out = np.zeros(shape, f32)
    np.add.at(out, i, g)
    return out


def flat(x): return x.reshape(-1, x.shape[-1])
def softmax(z): return np.exp(z - np.logaddexp.reduce(z, -1, keepdims=True))
def add(a, b): return Var(a.v + b.v, (a, lambda g: g), (b, lambda g: g))
def mul(x, w): return Var(x.v * w.v, (x, lambda g: g * w.v), (w, lambda g: (g * x.v).reshape(-1, *w.v.shape).sum(0)))
def pick(w, i): return Var(w.v[i], (w, lambda g: scatter(g, i, w.v.shape)))
def view(x, *shape): return Var(x.v.reshape(shape), (x, lambda g: g.reshape(x.v.shape)))
def relu2(x): return Var(np.maximum(x.v, 0) ** 2, (x, lambda g: 2 * g * np.maximum(x.v, 0)))
def linear(x, w): return Var(x.v @ w.v.T, (x, lambda g: g @ w.v), (w, lambda g: flat(g).T @ flat(x.v)))


def norm(x):
    r = 1 / np.sqrt((x.v ** 2).mean(-1, keepdims=True) + f32(1.1920929e-07))
    y = x.v * r
    return Var(y, (x, lambda g: r * (g - y * (g * y).mean(-1, keepdims=True))))


def rotate(x):  # the halves of each head against each other, by angles that grow with the position
    a = np.outer(np.arange(T), model["rope_base"] ** (-np.arange(0, d, 2) / d)).astype(f32)[:, None]
    c, s = np.tile(np.cos(a), 2), np.concatenate((np.sin(a), -np.sin(a)), -1)
    return Var(x.v * c + np.roll(x.v, d // 2, -1) * s, (x, lambda g: g * c + np.roll(g * s, d // 2, -1)))


def attend(q, k, v):  # each head of k and v serves a group of q's
    def split(x): return x.reshape(-1, T, K, x.shape[2] // K, d).transpose(0, 2, 3, 1, 4)
    def merge(x): return x.transpose(0, 3, 1, 2, 4).reshape(x.shape[0], T, -1, d)
    def group(x): return merge(x.sum(2, keepdims=True))
    def scores(g):
        dp = split(g) @ vs.swapaxes(3, 4)
        return p * (dp - (dp * p).sum(-1, keepdims=True)) * f32(d ** -0.5)
    qs, ks, vs = split(q.v), split(k.v), split(v.v)
    p = softmax(qs @ ks.swapaxes(3, 4) * f32(d ** -0.5) + np.triu(np.full((T, T), -np.inf, f32), 1))
    return Var(merge(p @ vs), (q, lambda g: merge(scores(g) @ ks)), (k, lambda g: group(scores(g).swapaxes(3, 4) @ qs)),
               (v, lambda g: group(p.swapaxes(3, 4) @ split(g))))


def loss(z, targets):  # mean nats a token
    cap, at = f32(model["logit_softcap"]), (np.arange(len(targets)), targets)
    t = np.tanh(z.v / cap)
    p = softmax(cap * t)
    return Var(-np.log(p[at]).mean(), (z, lambda g: g * (p - scatter(1, at, p.shape)) * (1 - t * t) / len(targets)))


def initial(rng):
    def uniform(rows, columns): return rng.uniform(-1, 1, (rows, columns)) * columns ** -0.5
    w = {"tok_emb.weight": rng.normal(0, model["tied_embed_init_std"] if model["tie_embeddings"] else 1, (V, D))}
    w |= {} if model["tie_embeddings"] else {"lm_head.weight": np.zeros((V, D))}
    w |= {"skip_weights": np.ones((L // 2, D))} if L > 1 else {}
    for i in range(L):
        w |= {f"blocks.{i}.{name}": value for name, value in {
            "attn_scale": np.ones(D), "mlp_scale": np.ones(D), "resid_mix": np.outer([1, 0], np.ones(D)),
            "attn.q_gain": np.full(H, model["qk_gain_init"]), "attn.c_q.weight": uniform(D, D),
            "attn.c_k.weight": uniform(K * d, D), "attn.c_v.weight": uniform(K * d, D),
            "attn.proj.weight": np.zeros((D, D)), "mlp.fc.weight": uniform(F, D),
            "mlp.proj.weight": np.zeros((D, F))}.items()}
    return {name: Var(value.astype(f32)) for name, value in w.items()}


def forward(w, ids, targets):
    x = x0 = norm(pick(w["tok_emb.weight"], ids))
    kept = []
    for i in range(L):
        b = {name.split(".", 2)[2]: p for name, p in w.items() if name.startswith(f"blocks.{i}.")}
        if i >= L // 2 and kept:
            x = add(x, mul(kept.pop(), pick(w["skip_weights"], i - L // 2)))
        x = add(mul(x, pick(b["resid_mix"], 0)), mul(x0, pick(b["resid_mix"], 1)))
        q, k, v = (view(linear(norm(x), b[f"attn.c_{c}.weight"]), *ids.shape, -1, d) for c in "qkv")
        q = mul(rotate(norm(q)), view(pick(b["attn.q_gain"], np.repeat(np.arange(H), d)), H, d))
        y = view(attend(q, rotate(norm(k)), v), *ids.shape, D)
        x = add(x, mul(linear(y, b["attn.proj.weight"]), b["attn_scale"]))
        x = add(x, mul(linear(relu2(linear(norm(x), b["mlp.fc.weight"])), b["mlp.proj.weight"]), b["mlp_scale"]))
        kept += [x] if i < L // 2 else []
    return loss(view(linear(norm(x), w.get("lm_head.weight", w["tok_emb.weight"])), -1, V), targets)


def main():
    data = env["HOMEGOLF_DATA_DIR"]  # shards that were adopted lie elsewhere, and are named by their whole path
    shards = [os.path.join(data, f["path"]) for f in json.load(open(f"{data}/dataset.json"))["train"]["files"]]
    stream = np.concatenate([np.fromfile(name, "<u2", offset=1024) for name in shards]).astype(int)
    w = initial(np.random.default_rng(int(env["HOMEGOLF_SEED"])))
    moments = {name: np.zeros((2, *p.v.shape), f32) for name, p in w.items()}
    result = {"schema": "homegolf.trainer_result.v1", "run_uid": env["HOMEGOLF_RUN_UID"], "result": "dry_run"}
    if env.get("HOMEGOLF_DRY_RUN"):
        return print(json.dumps(result))
    steps, rate = train["iterations"], spec["trainer"].get("params", {}).get("lr", 0.02)
    for step in range(steps):
        span = stream.take(np.arange(N + 1) + step * (N + 1) + train.get("data_offset", 0), mode="wrap")
        tape.clear()
        for p in w.values():
            p.grad = 0
        forward(w, span[:-1].reshape(-1, T), span[1:]).grad = f32(1)
        print(f"step {step} train_loss {tape[-1].v:.4f}", file=sys.stderr)
        for var in reversed(tape):
            for origin, back in var.origins:
                origin.grad = origin.grad + back(var.grad)
        scale = min(1, (steps - step) / (steps * (train["warmdown_frac"] or 0) or 1))
        for name, p in w.items():
            a, b = moments[name]
            a += f32(0.1) * (p.grad - a)
            b += f32(0.05) * (p.grad ** 2 - b)
            size = np.sqrt(b / f32(1 - 0.95 ** (step + 1))) + f32(1e-8)
            p.v -= f32(rate * scale / (1 - 0.9 ** (step + 1))) * a / size
    header, end = {}, 0
    for name, p in w.items():
        header[name] = {"dtype": "F32", "shape": p.v.shape, "data_offsets": [end, end := end + p.v.nbytes]}
    text = json.dumps(header).encode()
    with open("checkpoint.safetensors", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(p.v.tobytes() for p in w.values()))
    ms = round(1000 * (time.monotonic() - start))
    print(json.dumps(result | {"result": "trained", "seed": int(env["HOMEGOLF_SEED"]), "steps": steps,
                               "tokens": steps * N, "train_ms": ms, "checkpoint": "checkpoint.safetensors"}))


if __name__ == "__main__":
    main()
