#!/usr/bin/env python3
"""The baseline family as a PyTorch user writes it: modules, autograd, Adam, and Muon for the blocks' matrices.

Evidence: checkpoint.  trainer.command=["python3", "torch_gpt.py"], trainer.files=["torch_gpt.py"]
trainer.params.device: "cpu" (with HOMEGOLF_THREADS threads) or "cuda".  Torch 2 or later, and numpy.
It obeys sections model and train of its spec with their published meaning, and refuses what CANNOT names below: a
trainer that passes over a key makes a run that is not what its spec says.
Modules are so named that state_dict() has the public names, such as blocks.0.attn.c_q.weight.
"""
import json, os, struct, sys, time
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

env, spec = os.environ, json.load(open(os.environ["HOMEGOLF_SPEC"]))
model, train, params = spec["model"], spec["train"], spec["trainer"].get("params", {})
D, H, K, HD = model["model_dim"], model["num_heads"], model["num_kv_heads"], model["model_dim"] // model["num_heads"]
device = params.get("device", "cpu")
CANNOT = {"schedule": "iterations", "init_from": None, "replay": None, "arith": "fp32", "val_every": 0}


def rms(x):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1.1920929e-07)


def matrix(rows, columns, zero=False):
    linear = nn.Linear(columns, rows, bias=False)
    nn.init.zeros_(linear.weight) if zero else nn.init.uniform_(linear.weight, -columns ** -0.5, columns ** -0.5)
    return linear


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_q, self.c_k, self.c_v, self.proj = matrix(D, D), matrix(K * HD, D), matrix(K * HD, D), matrix(D, D, True)
        self.q_gain = nn.Parameter(torch.full((H,), float(model["qk_gain_init"])))

    def forward(self, x, cos, sin):
        def heads(y):
            return y.unflatten(-1, (-1, HD)).transpose(1, 2)

        def rotated(y):
            a, b = rms(y).chunk(2, -1)
            return torch.cat((a * cos + b * sin, b * cos - a * sin), -1)
        q, k, v = rotated(heads(self.c_q(x))), rotated(heads(self.c_k(x))), heads(self.c_v(x))
        q, k, v = q * self.q_gain[:, None, None], k.repeat_interleave(H // K, 1), v.repeat_interleave(H // K, 1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(y.transpose(1, 2).flatten(2))


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.proj = matrix(model["mlp_mult"] * D, D), matrix(D, model["mlp_mult"] * D, True)

    def forward(self, x):
        return self.proj(F.relu(self.fc(x)).square())


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn, self.mlp = Attention(), MLP()
        self.attn_scale, self.mlp_scale = nn.Parameter(torch.ones(D)), nn.Parameter(torch.ones(D))
        self.resid_mix = nn.Parameter(torch.stack((torch.ones(D), torch.zeros(D))))

    def forward(self, x, x0, cos, sin):
        x = self.resid_mix[0] * x + self.resid_mix[1] * x0
        x = x + self.attn_scale * self.attn(rms(x), cos, sin)
        return x + self.mlp_scale * self.mlp(rms(x))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok_emb = nn.Embedding(model["vocab_size"], D)
        nn.init.normal_(self.tok_emb.weight, 0, model["tied_embed_init_std"])
        self.blocks = nn.ModuleList(Block() for _ in range(model["num_layers"]))
        self.half = model["num_layers"] // 2
        if self.half:
            self.skip_weights = nn.Parameter(torch.ones(self.half, D))
        rates = model["rope_base"] ** (-torch.arange(0, HD, 2) / HD)
        angle = torch.outer(torch.arange(train["seq_len"]).float(), rates)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def forward(self, ids, targets):
        x = x0 = rms(self.tok_emb(ids))
        kept = []
        for i, block in enumerate(self.blocks):
            if i >= self.half and kept:
                x = x + self.skip_weights[i - self.half] * kept.pop()
            x = block(x, x0, self.cos, self.sin)
            if i < self.half:
                kept.append(x)
        z = F.linear(rms(x), self.tok_emb.weight)
        z = model["logit_softcap"] * torch.tanh(z / model["logit_softcap"])
        return F.cross_entropy(z.flatten(0, 1), targets.flatten())


def orthogonal(x):
    """Roughly the nearest orthogonal matrix, by Newton-Schulz steps: what makes Muon of momentum."""
    if x.shape[0] > x.shape[1]:
        return orthogonal(x.T).T * (x.shape[0] / x.shape[1]) ** 0.5
    x = x / (x.norm() + 1e-7)
    for _ in range(train["muon_backend_steps"]):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x


def spans(n):
    """Spans of n ids, one after the other: the shards in their order, and round again."""
    data = env["HOMEGOLF_DATA_DIR"]
    with open(f"{data}/dataset.json") as f:  # shards that were adopted lie elsewhere, and are named by their whole path
        shards = [os.path.join(data, file["path"]) for file in json.load(f)["train"]["files"]]
    ids = torch.from_numpy(np.concatenate([np.fromfile(name, "<u2", offset=1024) for name in shards]).astype(np.int64))
    at = train.get("data_offset", 0)
    while True:
        yield ids[torch.arange(at, at + n) % len(ids)].to(device)
        at += n


def scale_at(step):
    """Factor on all learning rates."""
    n, fraction = train["iterations"], train["warmdown_frac"]
    down = train["warmdown_iters"] if fraction is None else fraction * n
    return min(1, max((n - step) / down, train.get("min_lr_frac", 0))) if down else 1


def save(state, path):
    header, end = {}, 0
    blobs = [p.detach().float().cpu().numpy().tobytes() for p in state.values()]
    for (name, p), blob in zip(state.items(), blobs):
        header[name] = {"dtype": "F32", "shape": list(p.shape), "data_offsets": [end, end := end + len(blob)]}
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def main():
    asked = [f"train.{key}" for key, value in CANNOT.items() if train.get(key, value) != value]
    if asked or not model["tie_embeddings"]:
        sys.exit(f"torch_gpt.py: cannot do what is asked for in {', '.join(asked) or 'model.tie_embeddings'}")
    torch.set_num_threads(int(env["HOMEGOLF_THREADS"]))
    torch.manual_seed(int(env["HOMEGOLF_SEED"]))
    net = GPT().to(device)
    result = {"schema": "homegolf.trainer_result.v1", "run_uid": env["HOMEGOLF_RUN_UID"], "result": "dry_run"}
    if env.get("HOMEGOLF_DRY_RUN"):
        return print(json.dumps(result))
    matrices = [p for name, p in net.blocks.named_parameters() if name.endswith(".weight")]
    small = [p for name, p in net.named_parameters() if not name.endswith(".weight")]
    momenta, rates = [torch.zeros_like(p) for p in matrices], (train["tied_embed_lr"], train["scalar_lr"])
    adam = torch.optim.Adam([{"params": [net.tok_emb.weight]}, {"params": small}], lr=rates[0],
                            betas=(train["beta1"], train["beta2"]), eps=train["adam_eps"])
    batch, T = train["batch_tokens"], train["seq_len"]
    micro = batch if train["micro_batch_tokens"] == "auto" else train["micro_batch_tokens"]
    data, start = spans(micro + 1), time.monotonic()
    metrics = open(env["HOMEGOLF_METRICS"], "w", buffering=1) if "HOMEGOLF_METRICS" in env else sys.stderr
    for step in range(train["iterations"]):
        loss = 0.0
        for _ in range(batch // micro):
            span = next(data)
            part = net(span[:-1].view(-1, T), span[1:].view(-1, T)) * (micro / batch)
            part.backward()
            loss += part.item()
        if train["grad_clip_norm"]:
            nn.utils.clip_grad_norm_(net.parameters(), train["grad_clip_norm"])
        scale, warm = scale_at(step), min(1, step / max(1, train["muon_momentum_warmup_steps"]))
        mu = train["muon_momentum"] * warm + train["muon_momentum_warmup_start"] * (1 - warm)
        with torch.no_grad():
            for p, buf in zip(matrices, momenta):
                buf.mul_(mu).add_(p.grad)
                p.sub_(orthogonal(p.grad + mu * buf), alpha=scale * train["matrix_lr"])
        for group, rate in zip(adam.param_groups, rates):
            group["lr"] = scale * rate
        adam.step()
        net.zero_grad()
        ms = 1000 * (time.monotonic() - start)
        print(json.dumps({"step": step, "tokens": (step + 1) * batch, "train_loss": loss, "lr_scale": scale,
                          "grad_norm": None, "wallclock_ms": ms}), file=metrics)
    save(net.state_dict(), "checkpoint.safetensors")
    print(json.dumps(result | {"result": "trained", "seed": int(env["HOMEGOLF_SEED"]), "steps": train["iterations"],
                               "tokens": train["iterations"] * batch, "train_ms": round(ms),
                               "checkpoint": "checkpoint.safetensors"}))


main()
