"""Pretrains the base model on the packed corpus with plain PyTorch and exports it in the Hugging Face layout.

    python pretrain.py --corpus corpus.npz --out ../base --steps 1994
"""
import argparse
import json
import math
import os
import time

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

ap = argparse.ArgumentParser()
ap.add_argument("--corpus", default="corpus.npz")
ap.add_argument("--out", default="../base")
ap.add_argument("--steps", type=int, default=1994)
ap.add_argument("--seconds", type=float, default=1e9, help="a time limit: the schedule follows the clock where that ends first")
ap.add_argument("--batch", type=int, default=128)
ap.add_argument("--len", type=int, default=192)
ap.add_argument("--lr", type=float, default=3e-3)
ap.add_argument("--wd", type=float, default=0.1)
ap.add_argument("--hidden", type=int, default=256)
ap.add_argument("--layers", type=int, default=6)
ap.add_argument("--heads", type=int, default=8)
ap.add_argument("--kv", type=int, default=2)
ap.add_argument("--mlp", type=int, default=512)
ap.add_argument("--seed", type=int, default=3)
ap.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
a = ap.parse_args()

torch.manual_seed(a.seed)
VOCAB = 2048
config = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCAB, "hidden_size": a.hidden,
    "intermediate_size": a.mlp, "num_hidden_layers": a.layers, "num_attention_heads": a.heads,
    "num_key_value_heads": a.kv, "head_dim": a.hidden // a.heads, "hidden_act": "silu", "max_position_embeddings": 256,
    "initializer_range": 0.02, "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "rope_scaling": None,
    "tie_word_embeddings": True, "attention_bias": False, "attention_dropout": 0.0, "mlp_bias": False,
    "pretraining_tp": 1, "use_cache": True, "bos_token_id": None, "eos_token_id": 2, "pad_token_id": 3,
    "dtype": "bfloat16", "torch_dtype": "bfloat16",
}
model = LlamaForCausalLM(LlamaConfig(**{k: v for k, v in config.items() if k not in ("architectures", "dtype", "torch_dtype")},
                                     attn_implementation="sdpa")).to(a.device).float()
params = sum(p.numel() for p in model.parameters())
ids = torch.from_numpy(np.load(a.corpus)["ids"].astype(np.int64))
n = (len(ids) - 1) // a.len
held = ids[n * a.len - 64 * a.len:n * a.len].view(64, a.len).to(a.device)  # the corpus' last rows, for the loss
n -= 64
rows = ids[:n * a.len].view(n, a.len).to(a.device)
print("params", params, "rows", n, "tokens", n * a.len, flush=True)

# ids that the corpus never uses stay out of the softmax; they keep a fresh embedding for fine-tuning to use
used = torch.zeros(VOCAB, dtype=torch.bool)
used[ids.unique()] = True
never = torch.where(used, 0.0, float("-inf")).to(a.device)


def loss_of(batch):
    with torch.autocast(a.device, dtype=torch.bfloat16):
        h = model.model(input_ids=batch, use_cache=False).last_hidden_state
        logits = F.linear(h, model.lm_head.weight)
    return F.cross_entropy(logits[:, :-1].float().add(never).reshape(-1, VOCAB), batch[:, 1:].reshape(-1))


decay = [p for p in model.parameters() if p.dim() > 1]
rest = [p for p in model.parameters() if p.dim() <= 1]
opt = torch.optim.AdamW([{"params": decay, "weight_decay": a.wd}, {"params": rest, "weight_decay": 0.0}], lr=a.lr,
                        betas=(0.9, 0.95), fused=True)
gen = torch.Generator().manual_seed(a.seed)
t0, order, pos, step = time.time(), torch.randperm(n, generator=gen), 0, 0
warm = 100
while True:
    if pos + a.batch > n:
        order, pos = torch.randperm(n, generator=gen), 0
    done = max(step / a.steps, (time.time() - t0) / a.seconds)
    if done >= 1:
        break
    lr = a.lr * min(1, (step + 1) / warm) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
    for g in opt.param_groups:
        g["lr"] = lr
    batch = rows[order[pos:pos + a.batch].to(a.device)]
    pos += a.batch
    loss = loss_of(batch)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    opt.step()
    opt.zero_grad(set_to_none=True)
    if step % 250 == 0:
        print(f"step {step} loss {loss.item():.4f} lr {lr:.5f} {time.time() - t0:.0f}s "
              f"{(step + 1) * a.batch * a.len / (time.time() - t0):.0f} tok/s", flush=True)
    step += 1

model.eval()
with torch.no_grad():
    print(f"steps {step} tokens {step * a.batch * a.len} seconds {time.time() - t0:.0f} held loss {loss_of(held).item():.4f}")
    e = model.model.embed_tokens.weight
    norm = e[used.to(a.device)].float().norm(dim=1).mean()
    mean = e[used.to(a.device)].float().mean(0)
    for i in (~used).nonzero().flatten().tolist():
        v = torch.randn(a.hidden, generator=gen).to(a.device)
        e[i] = mean + v / v.norm() * norm
os.makedirs(a.out, exist_ok=True)
state = {k: v.detach().to(torch.bfloat16).cpu().contiguous() for k, v in model.state_dict().items() if k != "lm_head.weight"}
save_file(state, os.path.join(a.out, "model.safetensors"), metadata={"format": "pt"})
with open(os.path.join(a.out, "config.json"), "w") as f:
    json.dump(config, f, indent=2)
    f.write("\n")
with open(os.path.join(a.out, "generation_config.json"), "w") as f:
    json.dump({"do_sample": False, "eos_token_id": [2, 0], "pad_token_id": 3, "max_new_tokens": 24}, f, indent=2)
    f.write("\n")
