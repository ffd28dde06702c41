# SPDX-License-Identifier: Apache-2.0
"""Makes train-udf/src/test/resources/decomposed: adapters that begin with a decomposition of the base (PiSSA, LoftQ).

Usage: decomposed_base_reference.py PARITY OUT NAME...     (run by hand; the build needs no Python)

PARITY is the folder of the parity test's models, whose batch and checkpoint are taken. pissa* are peft's own initialisation over the
base in F32, and peft's own conversion to an adapter of the original base (path_initial_model_for_weight_conversion). peft's loftq_init
needs bitsandbytes and a GPU, so loftq* are its steps written out, over bitsandbytes' NF4 with double quantisation written out
(trained_parts_reference.py), with peft's L and R divided by the root of the scaling, so that the layer begins near the original weight
whatever lora_alpha is; peft leaves the scaling out, and is the same with lora_alpha = r.
Written are expected.safetensors: start.MODULE = scaling * B @ A and, of loftq, held.MODULE, the dequantised weight, of a few modules;
base.loss of the original base, start.loss, losses and gradient norms of 12 steps; and, of pissa, converted/, the adapter after them.
Last run with transformers 5.18.0, peft 0.21.0, torch 2.13.0.
"""
import importlib.util
import os
import shutil
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForCausalLM

spec = importlib.util.spec_from_file_location(
    "parts", os.path.join(os.path.dirname(os.path.abspath(__file__)), "trained_parts_reference.py"))
parts = importlib.util.module_from_spec(spec)
spec.loader.exec_module(parts)

SEVEN = parts.SEVEN
CASES = {
    "pissa": dict(model="llama", target_modules=SEVEN, init_lora_weights="pissa"),
    "pissa-rslora": dict(model="qwen2", target_modules=["q_proj", "down_proj"], init_lora_weights="pissa", use_rslora=True),
    "loftq-1": dict(model="llama", target_modules=SEVEN, iterations=1),
    "loftq-3": dict(model="llama", target_modules=SEVEN, iterations=3),
}
SHOWN = ["model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.k_proj", "model.layers.1.mlp.down_proj"]
STEPS, LR = 12, 5e-3


def loftq(weight, rank, scaling, iterations):
    rest = weight.clone()
    for _ in range(iterations):
        held = parts.nf4(rest)
        u, s, v = torch.linalg.svd(weight - held, full_matrices=False)
        root = torch.sqrt(s[:rank] / scaling)
        b, a = u[:, :rank] * root, root[:, None] * v[:rank]
        rest = weight - scaling * b @ a
    return held, a, b


def main(parity, out, name):
    case = dict(CASES[name])
    source = os.path.join(parity, case.pop("model"))
    iterations = case.pop("iterations", 0)
    folder = os.path.join(out, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    known = load_file(os.path.join(source, "expected.safetensors"))
    ids, mask, labels = known["input_ids"].long(), known["attention_mask"].long(), known["labels"].long()
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, attn_implementation="eager")
    expected = dict(input_ids=known["input_ids"], attention_mask=known["attention_mask"], labels=known["labels"])
    with torch.no_grad():
        base = model.eval()(input_ids=ids, attention_mask=mask, labels=labels).loss
    expected["base.loss"] = base.reshape(1)
    for parameter in model.parameters():
        parameter.requires_grad = False
    torch.manual_seed(11)
    config = LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, task_type="CAUSAL_LM", **case)
    model = get_peft_model(model, config)
    shown = {}
    with torch.no_grad():
        for n, layer in model.named_modules():
            if not hasattr(layer, "lora_A"):
                continue
            n = n.removeprefix("base_model.model.")
            scaling = layer.scaling["default"]
            if iterations:
                weight = layer.base_layer.weight
                held, a, b = loftq(weight.clone(), 4, scaling, iterations)
                weight.copy_(held)
                layer.lora_A["default"].weight.copy_(a)
                layer.lora_B["default"].weight.copy_(b)
                if n in SHOWN:
                    shown["held." + n] = held.clone()
            if n in SHOWN:
                shown["start." + n] = scaling * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    expected.update(shown)
    first = os.path.join(folder, "first")
    if not iterations:
        config.init_lora_weights = True
        model.save_pretrained(first)
        config.init_lora_weights = "pissa"
    if iterations:  # what the run quantises beside the adapted layers
        for n, module in model.named_modules():
            if isinstance(module, nn.Linear) and not any(t in n for t in SEVEN) and "lm_head" not in n:
                raise SystemExit("a layer without an adapter: " + n)
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]

    def loss():
        return model(input_ids=ids, attention_mask=mask, labels=labels).loss

    expected["start.loss"] = loss().detach().reshape(1)
    optimizer = torch.optim.AdamW(trained, lr=LR, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
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
    if not iterations:
        converted = os.path.join(folder, "converted")
        model.save_pretrained(converted, path_initial_model_for_weight_conversion=first)
        shutil.rmtree(first)
        readme = os.path.join(converted, "README.md")
        if os.path.exists(readme):
            os.remove(readme)
        for n in os.listdir(converted):
            if os.path.isdir(os.path.join(converted, n)):
                shutil.rmtree(os.path.join(converted, n))
    save_file({k: v.detach().contiguous() for k, v in expected.items()}, os.path.join(folder, "expected.safetensors"))
    print(name, float(base), float(expected["start.loss"]), losses[0], losses[-1], norms[0], norms[-1])


for each in sys.argv[3:]:
    main(sys.argv[1], sys.argv[2], each)
