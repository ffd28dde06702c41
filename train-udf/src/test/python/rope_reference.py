# SPDX-License-Identifier: Apache-2.0
"""Makes train-udf/src/test/resources/rope: what transformers and peft compute with YaRN and LongRoPE, in F32.

Usage: rope_reference.py PARITY OUT     (run by hand; the build needs no Python)

PARITY is the folder of the parity test's models, whose weights, tokens and adapter_init are taken; a case has their config.json with
other rotary settings. Each row goes through the model alone, without padding, so that transformers turns it by its own length: of
"longrope" the first row is longer than the original context and the second is not. Losses are means over the counted tokens of both.
Written are config.json and expected.safetensors: the tokens, logits and loss of the base, loss and gradients with the adapter, losses
and gradient norms of 12 steps, and greedy continuations of prompts, one of which grows over the original context.
Printed are the frequencies and factors that RopeFrequenciesTest has.
Last run with transformers 5.18.0, peft 0.21.0, torch 2.13.0.
"""
import json
import os
import sys

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch.nn import functional as F
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

STEPS, LR = 12, 5e-3
SHORT = [1.0, 1.02, 1.05, 1.1, 1.25, 1.4, 1.7, 2.0]
LONG = [1.0, 1.3, 1.9, 2.8, 4.1, 5.5, 6.9, 8.0]
CASES = {
    "longrope": dict(model="phi3", original_max_position_embeddings=32,
                     rope_scaling=dict(type="longrope", short_factor=SHORT, long_factor=LONG)),
    "yarn": dict(model="qwen2", rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32)),
}
PROMPTS, NEW = (27, 40, 5), 12
FREQUENCIES = [
    dict(rope_type="yarn", rope_theta=1e6, factor=4.0, original_max_position_embeddings=32768),
    dict(rope_type="yarn", rope_theta=1e4, factor=8.0, original_max_position_embeddings=2048, beta_fast=16, beta_slow=2,
         truncate=False, mscale=0.7, mscale_all_dim=0.4),
    dict(rope_type="yarn", rope_theta=1e4, factor=40.0, original_max_position_embeddings=4096, attention_factor=0.9),
    dict(rope_type="longrope", rope_theta=1e4, original_max_position_embeddings=4096, short_factor=SHORT, long_factor=LONG),
    dict(rope_type="longrope", rope_theta=1e4, original_max_position_embeddings=4096, short_factor=SHORT, long_factor=LONG,
         factor=3.0),
    dict(rope_type="longrope", rope_theta=1e4, original_max_position_embeddings=4096, short_factor=SHORT, long_factor=LONG,
         attention_factor=1.25),
]


def load(folder, source):
    config = AutoConfig.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(source, config=config, dtype=torch.float32, attn_implementation="eager")
    return model.eval()


def rows(known):
    for i in range(known["input_ids"].shape[0]):
        n = int(known["attention_mask"][i].sum())
        yield known["input_ids"][i, :n].long()[None], known["labels"][i, :n].long()[None]


def loss(model, batch):
    total, count = 0.0, 0
    for ids, labels in batch:
        logits = model(input_ids=ids).logits[0, :-1]
        total = total + F.cross_entropy(logits, labels[0, 1:], ignore_index=-100, reduction="sum")
        count += int((labels[0, 1:] != -100).sum())
    return total / count


def greedy(model, prompt):
    """Without a cache: with one, the generate of this version goes on with a part of it where LongRoPE's factors change."""
    margin, tokens = float("inf"), list(prompt)
    for _ in range(NEW):
        best = model(input_ids=torch.tensor([tokens])).logits[0, -1].topk(2)
        margin = min(margin, float(best.values[0] - best.values[1]))
        tokens.append(int(best.indices[0]))
    print("greedy", len(prompt), "margin", margin)
    return torch.tensor(tokens).int()


def make(parity, out, name):
    case = dict(CASES[name])
    source = os.path.join(parity, case.pop("model"))
    folder = os.path.join(out, name)
    os.makedirs(folder, exist_ok=True)
    config = json.load(open(os.path.join(source, "config.json")))
    case["rope_theta"] = config.pop("rope_parameters")["rope_theta"]
    json.dump({**config, **case}, open(os.path.join(folder, "config.json"), "w"), indent=2)
    known = load_file(os.path.join(source, "expected.safetensors"))
    batch = list(rows(known))
    expected = {key: known[key] for key in ("input_ids", "attention_mask", "labels")}
    model = load(folder, source)
    with torch.no_grad():
        logits = torch.zeros(*known["input_ids"].shape, model.config.vocab_size)
        for i, (ids, _) in enumerate(batch):
            logits[i, : ids.shape[1]] = model(input_ids=ids).logits[0]
        expected["base.logits"], expected["base.loss"] = logits, loss(model, batch).reshape(1)
        generator = torch.Generator().manual_seed(5)
        for i, n in enumerate(PROMPTS):
            prompt = torch.randint(3, model.config.vocab_size, (n,), generator=generator).tolist()
            expected[f"greedy.{i}"] = greedy(model, prompt)
    for p in model.parameters():
        p.requires_grad_(False)
    model = PeftModel.from_pretrained(model, os.path.join(source, "adapter_init"), is_trainable=True)
    trained = [p for p in model.parameters() if p.requires_grad]
    first = loss(model, batch)
    first.backward()
    expected["lora.loss"] = first.detach().reshape(1)
    for n, p in model.named_parameters():
        if p.requires_grad:
            expected["grad." + n.replace(".default", "")] = p.grad.clone()
    model.zero_grad()
    optimizer = torch.optim.AdamW(trained, lr=LR, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
    losses, norms = [], []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = LR * (1 - step / STEPS)
        value = loss(model, batch)
        value.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(trained, 1.0)))
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(value.detach()))
    expected["train.losses"], expected["train.grad_norms"] = torch.tensor(losses), torch.tensor(norms)
    save_file({k: v.contiguous() for k, v in expected.items()}, os.path.join(folder, "expected.safetensors"))
    print(name, float(expected["base.loss"]), losses[0], losses[-1], [ids.shape[1] for ids, _ in batch])


def frequencies(parity):
    for given in FREQUENCIES:
        config = AutoConfig.from_pretrained(os.path.join(parity, "llama"))
        config.max_position_embeddings = 32768
        config.rope_parameters = dict(given)
        compute = ROPE_INIT_FUNCTIONS[given["rope_type"]]
        for length in (None, 5000) if given["rope_type"] == "longrope" else (None,):
            values, factor = compute(config, "cpu", seq_len=length)
            print(given, length, "factor", repr(factor))
            print(", ".join(f"{float(v):.9g}f" for v in values))


if __name__ == "__main__":
    torch.set_num_threads(1)
    frequencies(sys.argv[1])
    for case in CASES:
        make(sys.argv[1], sys.argv[2], case)
