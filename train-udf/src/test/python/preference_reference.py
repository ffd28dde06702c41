# SPDX-License-Identifier: Apache-2.0
"""Preference training, written out: DPO's loss (Rafailov and others, 2023) as TRL's DPOTrainer takes it for PEFT models, the
reference being the model with its adapter disabled; transformers, peft and torch, F32 over weights that went through NF4 with double
quantisation.

  python preference_reference.py ../resources/parity/llama ../../../../kernels/src/test/resources/quantization/dynamic-map.safetensors \
      ../resources/preference/llama.safetensors
"""

import sys

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F
from transformers import AutoModelForCausalLM

NF4 = torch.tensor([
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0])
STEPS = 12
LENGTHS = [(7, 12, 9), (5, 4, 15), (11, 8, 8)]  # of a prompt and two answers


def nearest(x, code):
    middles = (code[1:] + code[:-1]) / 2
    return code[torch.bucketize(x, middles)]


def blockwise(x, code, block):
    """As bitsandbytes' CPU library since 0.50: values go to one of 65,536 bins, a bin to the nearest code."""
    rows = F.pad(x, (0, -len(x) % block)).reshape(-1, block)
    scale = rows.abs().amax(1, keepdim=True)
    bins = ((rows * (1 / scale) + 1) * 0.5 * 65535 + 0.5).floor()
    return (nearest(-1 + 2 * bins / 65535, code) * scale).flatten()[: len(x)]


def through_nf4(weight, dynamic):
    rows = weight.flatten().reshape(-1, 64)
    scale = rows.abs().amax(1)
    offset = scale.mean()
    held = blockwise(scale - offset, dynamic, 256) + offset
    return (nearest(rows / scale[:, None], NF4) * held[:, None]).reshape(weight.shape)


def quantise(model, dynamic):
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and name != "lm_head":
            module.weight.data = through_nf4(module.weight.data, dynamic)


def pairs(vocabulary):
    generator = torch.Generator().manual_seed(77)
    draw = lambda n: torch.randint(3, vocabulary, (n,), generator=generator)
    for prompt, chosen, rejected in LENGTHS:
        start = draw(prompt)
        yield prompt, torch.cat([start, draw(chosen)]), torch.cat([start, draw(rejected)])


def logps(model, ids, prompt):
    logits = model(input_ids=ids[None]).logits[0, prompt - 1 : -1]
    return logits.log_softmax(-1).gather(1, ids[prompt:, None]).sum()


def loss(model, data, beta, smoothing):
    losses, numbers = [], []
    for prompt, chosen, rejected in data:
        policy = [logps(model, ids, prompt) for ids in (chosen, rejected)]
        with torch.no_grad(), model.disable_adapter():
            reference = [logps(model, ids, prompt) for ids in (chosen, rejected)]
        rewards = [beta * (p - r) for p, r in zip(policy, reference)]
        margin = rewards[0] - rewards[1]
        losses.append(-(1 - smoothing) * F.logsigmoid(margin) - smoothing * F.logsigmoid(-margin))
        numbers.append(torch.stack([*rewards, (margin > 0).float(), margin, *policy]).detach())
    return torch.stack(losses).mean(), torch.stack(numbers).mean(0)


def run(model, data, beta, smoothing, steps):
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=5e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
    out = {"losses": [], "grad_norms": [], "numbers": []}
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 5e-3 * (1 - step / STEPS)
        value, numbers = loss(model, data, beta, smoothing)
        value.backward()
        out["grad_norms"].append(nn.utils.clip_grad_norm_(trained, 1.0).reshape(()))
        optimizer.step()
        optimizer.zero_grad()
        out["losses"].append(value.detach())
        out["numbers"].append(numbers)
    return {key: torch.stack(values) for key, values in out.items()}


def load(folder, dynamic):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    quantise(model, dynamic)
    return PeftModel.from_pretrained(model, folder + "/adapter_init", is_trainable=True)


def main(folder, map_file, target):
    dynamic = load_file(map_file)["signed"].float()
    model = load(folder, dynamic)
    data = list(pairs(model.config.vocab_size))
    out = {}
    for i, (prompt, chosen, rejected) in enumerate(data):
        out |= {f"{i}.prompt": torch.tensor([prompt]).int(), f"{i}.chosen": chosen.int(), f"{i}.rejected": rejected.int()}
    out |= {"dpo." + key: value for key, value in run(model, data, 0.1, 0.0, STEPS).items()}
    out |= {"final." + n.replace(".default", ""): p.data for n, p in model.named_parameters() if p.requires_grad}
    model = load(folder, dynamic)
    out |= {"smoothed." + key: value for key, value in run(model, data, 0.5, 0.2, 4).items()}
    save_file({key: value.contiguous() for key, value in out.items()}, target)
    print(out["dpo.losses"], out["dpo.grad_norms"], out["dpo.numbers"][-1], out["smoothed.losses"])


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
