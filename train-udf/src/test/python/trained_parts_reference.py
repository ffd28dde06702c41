# SPDX-License-Identifier: Apache-2.0
"""Makes train-udf/src/test/resources/peft: what peft computes with options that train more than an adapter's two matrices.

Usage: trained_parts_reference.py PARITY OUT NAME...     (run by hand; the build needs no Python)

PARITY is the folder of the parity test's models, whose batch and checkpoint are taken; the base's linear layers but lm_head are
quantised to NF4 with double quantisation and held dequantised in F32, in bitsandbytes' arithmetic written out. Written are
adapter_init, adapter_final and expected.safetensors: the base's loss, loss and gradients with adapter_init, losses and gradient norms
of 12 steps.
Last run with transformers 5.18.0, peft 0.21.0, torch 2.13.0.
"""
import os
import re
import shutil
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForCausalLM

SEVEN = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
CASES = {
    "dora": dict(model="llama", target_modules=SEVEN, use_dora=True),
    "bias-all": dict(model="qwen2", target_modules=["q_proj", "down_proj"], bias="all"),
    "bias-lora-only": dict(model="qwen2", target_modules=["q_proj", "o_proj"], bias="lora_only"),
    "save-embeddings": dict(model="llama", target_modules=["q_proj", "v_proj"], modules_to_save=["embed_tokens", "lm_head"]),
    "save-norms": dict(model="qwen3", target_modules=["q_proj", "down_proj"], modules_to_save=["norm"]),
    # tied, scaled embeddings, and norms behind attention and feed-forward
    "save-tied": dict(model="gemma2", target_modules=["v_proj"], modules_to_save=["embed_tokens", "norm"]),
}
SPARED = re.compile(r"bias|layernorm|rmsnorm|(?:^|\.)norm(?:$|\.)|_norm(?:$|\.)")
STEPS, LR = 12, 5e-3
LEVELS = torch.tensor([
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0])


def dynamic_map():
    """bitsandbytes' signed map of 8 bits: an exponent of up to seven digits, the rest a linear fraction."""
    data = []
    for i in range(7):
        items = 2 ** i + 1
        bounds = torch.linspace(0.1, 1, items)
        means = (bounds[:-1] + bounds[1:]) / 2.0
        data += ((10 ** (-6 + i)) * means).tolist()
        data += (-(10 ** (-6 + i)) * means).tolist()
    data += [0.0, 1.0]
    return torch.tensor(sorted(data))


def nearest(values, levels):
    bounds = (levels[1:] + levels[:-1]) / 2
    return torch.bucketize(values, bounds)


def nf4(weight):
    flat = weight.float().reshape(-1)
    blocks = nn.functional.pad(flat, (0, -len(flat) % 64)).reshape(-1, 64)
    absmax = blocks.abs().amax(1)
    codes = nearest(blocks * (1 / absmax)[:, None], LEVELS)
    offset = absmax.mean()
    rest = absmax - offset
    nested = nn.functional.pad(rest, (0, -len(rest) % 256)).reshape(-1, 256)
    scale = nested.abs().amax(1)
    table = dynamic_map()
    # bitsandbytes looks codes up in 65,536 bins
    bins = ((nested * (1 / scale)[:, None]).clamp(-1, 1) + 1) * 0.5 * 65535 + 0.5
    again = table[nearest(-1 + 2 * bins.int() / 65535, table)] * scale[:, None]
    absmax = again.reshape(-1)[: len(absmax)] + offset
    return (LEVELS[codes] * absmax[:, None]).reshape(-1)[: len(flat)].reshape(weight.shape)


def main(parity, out, name):
    case = dict(CASES[name])
    source = os.path.join(parity, case.pop("model"))
    folder = os.path.join(out, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    known = load_file(os.path.join(source, "expected.safetensors"))
    ids, mask, labels = known["input_ids"].long(), known["attention_mask"].long(), known["labels"].long()
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        for module_name, module in model.named_modules():
            if isinstance(module, nn.Linear) and module_name != "lm_head":
                module.weight.copy_(nf4(module.weight))
        base = model.eval()(input_ids=ids, attention_mask=mask, labels=labels).loss
    for parameter in model.parameters():
        parameter.requires_grad = False
    torch.manual_seed(11)
    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, task_type="CAUSAL_LM", **case))
    generator = torch.Generator().manual_seed(12)
    with torch.no_grad():
        for n, p in model.named_parameters():
            if p.requires_grad and "lora_B" in n:
                p.copy_(torch.randn(p.shape, generator=generator) * 0.02)
            elif p.requires_grad and "lora_A" not in n:
                p.mul_(1 + 0.1 * torch.randn(p.shape, generator=generator))
    model.save_pretrained(os.path.join(folder, "adapter_init"))
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    expected = dict(input_ids=known["input_ids"], attention_mask=known["attention_mask"], labels=known["labels"])

    def loss():
        return model(input_ids=ids, attention_mask=mask, labels=labels).loss

    first = loss()
    first.backward()
    expected["base.loss"] = base.reshape(1)
    expected["loss"] = first.detach().reshape(1)
    # gradients under the names that the parameters are saved by
    save = dict(model.named_parameters())
    for n, p in save.items():
        if p.requires_grad:
            key = n.replace(".default", "").replace(".modules_to_save", "")
            key = key.removesuffix(".weight") if "lora_magnitude_vector" in key else key
            expected["grad." + key] = p.grad.clone()
    model.zero_grad()
    # transformers' Trainer doesn't decay biases and norms
    spared = [p for n, p in model.named_parameters() if p.requires_grad and SPARED.search(n)]
    others = [p for n, p in model.named_parameters() if p.requires_grad and not SPARED.search(n)]
    groups = [dict(params=others, weight_decay=0.01), dict(params=spared, weight_decay=0.0)]
    optimizer = torch.optim.AdamW(groups, lr=LR, betas=(0.9, 0.999), eps=1e-8)
    losses, norms = [], []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = LR * (1 - step / STEPS)
        value = loss()
        value.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(trained, 1.0)))
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(value))
    expected["train.losses"] = torch.tensor(losses)
    expected["train.grad_norms"] = torch.tensor(norms)
    model.save_pretrained(os.path.join(folder, "adapter_final"))
    save_file({k: v.contiguous() for k, v in expected.items()}, os.path.join(folder, "expected.safetensors"))
    for which in ("adapter_init", "adapter_final"):
        readme = os.path.join(folder, which, "README.md")
        if os.path.exists(readme):
            os.remove(readme)
    print(name, losses[0], losses[-1], sorted(k for k in expected if k.startswith("grad."))[:6])


if __name__ == "__main__":
    for each in sys.argv[3:]:
        main(sys.argv[1], sys.argv[2], each)
