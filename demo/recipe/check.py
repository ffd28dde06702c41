"""Fine-tunes the base model with LoRA (peft) on the demo rows and reports the exact match on the held-out rows.

    python check.py [--nf4] [--lr 3e-3] [--steps 130] [--batch 32] [--r 16] [--alpha 32]

With --nf4 the linear layers of the frozen base hold values that went through NF4 (blocks of 64, float32 absmax) and
back, which is what QLoRA computes with.
"""
import argparse
import json
import os
import random
import time

import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
NF4 = [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
       -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
       0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0]


def through_nf4(weight, block=64):
    levels = torch.tensor(NF4, device=weight.device)
    flat = weight.float().reshape(-1, block)
    scale = flat.abs().amax(1, keepdim=True).clamp_min(1e-12)
    idx = (flat / scale).unsqueeze(-1).sub(levels).abs().argmin(-1)
    return (levels[idx] * scale).reshape(weight.shape).to(weight.dtype)


def load_rows(path):
    with open(path) as f:
        return [json.loads(line)["messages"] for line in f]


def evaluate(model, tok, rows, device, max_new=16):
    """Greedy answers, in batches with left padding."""
    out = []
    model.eval()
    for i in range(0, len(rows), 50):
        part = [tok.apply_chat_template(m[:-1], add_generation_prompt=True, tokenize=True, return_dict=False)
                for m in rows[i:i + 50]]
        width = max(map(len, part))
        ids = torch.tensor([[3] * (width - len(p)) + p for p in part], device=device)
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in part], device=device)
        with torch.no_grad():
            gen = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=max_new, do_sample=False, eos_token_id=2,
                                 pad_token_id=3)
        out += [tok.decode(g[width:], skip_special_tokens=True).strip() for g in gen]
    hits = [o == m[-1]["content"] for o, m in zip(out, rows)]
    return sum(hits) / len(hits), out


def main(argv=None):
    ap = argparse.ArgumentParser()
    ap.add_argument("--base", default=os.path.join(HERE, "../base"))
    ap.add_argument("--data", default=os.path.join(HERE, "../data"))
    ap.add_argument("--nf4", action="store_true")
    ap.add_argument("--lr", type=float, default=3e-3)
    ap.add_argument("--steps", type=int, default=130)
    ap.add_argument("--batch", type=int, default=32)
    ap.add_argument("--r", type=int, default=16)
    ap.add_argument("--alpha", type=int, default=32)
    ap.add_argument("--warmup", type=int, default=5)
    ap.add_argument("--clip", type=float, default=1.0)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--show", type=int, default=0)
    ap.add_argument("--no-before", action="store_true")
    ap.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    a = ap.parse_args(argv)
    torch.manual_seed(a.seed)
    rng = random.Random(a.seed)
    tok = AutoTokenizer.from_pretrained(a.base)
    model = AutoModelForCausalLM.from_pretrained(a.base, dtype=torch.float32).to(a.device)
    names = "q_proj k_proj v_proj o_proj gate_proj up_proj down_proj".split()
    if a.nf4:
        for name, module in model.named_modules():
            if name.split(".")[-1] in names:
                module.weight.data = through_nf4(module.weight.data)
    train, held = load_rows(os.path.join(a.data, "train.jsonl")), load_rows(os.path.join(a.data, "heldout.jsonl"))
    before, before_out = (-1, []) if a.no_before else evaluate(model, tok, held, a.device)

    coded = []
    for m in train:
        e = tok.apply_chat_template(m, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
        coded.append((e["input_ids"], e["assistant_masks"]))
    lens = [len(c[0]) for c in coded]
    model = get_peft_model(model, LoraConfig(r=a.r, lora_alpha=a.alpha, lora_dropout=0.0, target_modules=names,
                                             task_type="CAUSAL_LM"))
    params = [p for p in model.parameters() if p.requires_grad]
    opt = torch.optim.AdamW(params, lr=a.lr, weight_decay=0.0)
    order, tokens, t0 = [], 0, time.time()
    first = last = 0.0
    model.train()
    for step in range(a.steps):
        if len(order) < a.batch:
            order = list(range(len(coded)))
            rng.shuffle(order)
        part, order = [coded[i] for i in order[:a.batch]], order[a.batch:]
        width = max(len(p[0]) for p in part)
        ids = torch.tensor([p[0] + [3] * (width - len(p[0])) for p in part], device=a.device)
        att = torch.tensor([[1] * len(p[0]) + [0] * (width - len(p[0])) for p in part], device=a.device)
        use = torch.tensor([p[1] + [0] * (width - len(p[0])) for p in part], device=a.device)
        labels = torch.where(use.bool(), ids, -100)
        for g in opt.param_groups:
            g["lr"] = a.lr * min(1.0, (step + 1) / a.warmup) * (1 - step / a.steps)
        logits = model(input_ids=ids, attention_mask=att).logits
        loss = F.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), labels[:, 1:].reshape(-1), ignore_index=-100)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, a.clip)
        opt.step()
        opt.zero_grad(set_to_none=True)
        tokens += int(att.sum())
        if step == 0:
            first = loss.item()
    last = loss.item()
    spent = time.time() - t0
    after, after_out = evaluate(model, tok, held, a.device)
    print(f"nf4={a.nf4} lr={a.lr} steps={a.steps} batch={a.batch} r={a.r} alpha={a.alpha} seed={a.seed}: exact match "
          f"{before:.3f} -> {after:.3f}; loss {first:.3f} -> {last:.3f}; {tokens} tokens in {spent:.1f} s = {tokens / spent:.0f} "
          f"tok/s; trainable {sum(p.numel() for p in params)}; length mean {sum(lens) / len(lens):.1f} max {max(lens)}", flush=True)
    if a.show:
        wrong = [(m[0]["content"], m[1]["content"], o) for m, o in zip(held, after_out) if o != m[1]["content"]]
        for m, b, o in list(zip(held, before_out or [None] * len(held), after_out))[:a.show]:
            print("   Q", m[0]["content"], "| before:", repr(b), "| after:", repr(o))
        for q, want, o in wrong:
            print("   WRONG", q, "| want", want, "| got", o)
    return before, after


if __name__ == "__main__":
    main()
