# SPDX-License-Identifier: Apache-2.0
"""Reference data of a base in 8 bits: bitsandbytes' LLM.int8 arithmetic (MatMul8bitLt of version 0.50, as it is on a CPU) written out
in PyTorch, under transformers and peft, in F32.

    int8_reference.py MODEL OUT.safetensors THRESHOLD     tensors named as those of the parity models
    int8_reference.py --check MODEL FIXTURE               the same arithmetic against logits that bitsandbytes itself made

MODEL is a parity model (config.json, model.safetensors, adapter_init, expected.safetensors with the tokens). What is padding is no row
of any product, as it is none where sequences are packed. With --check, logits are the fixture's to the bit.
"""
import os
import sys

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForCausalLM

FACTOR = 6.200124e-05  # bitsandbytes' for 1/127²; its CUDA kernels have 6.200012e-05
STEPS, TOP = 12, 5e-3
kept = None  # which rows of a batch are no padding
outliers = 0  # columns found


def codes(x, threshold=0.0):
    """Codes, scales, and columns of outliers of rows in F16."""
    out = x.abs() >= threshold if threshold > 0 else torch.zeros_like(x, dtype=torch.bool)
    columns = torch.argwhere(out.any(dim=0)).view(-1)
    scales = x.masked_fill(out, 0).abs().amax(dim=1).float()
    result = torch.round(x.masked_fill(out, 0) * (127.0 / scales.unsqueeze(1))).to(torch.int8)
    result[:, columns] = 0
    return result, scales, columns


class Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, scales, threshold):
        global outliers
        ctx.save_for_backward(weight, scales)
        quantised, rows, columns = codes(x.half(), threshold)
        outliers += columns.numel()
        sums = torch.matmul(quantised.double(), weight.double().t()).to(torch.int32)
        y = sums * (rows.unsqueeze(1) * scales.unsqueeze(0)) * FACTOR
        if columns.numel():
            some = weight[:, columns] * scales.unsqueeze(1) * 7.874015718698502e-3
            y = y.addmm(x[:, columns], some.t())
        return y

    @staticmethod
    def backward(ctx, dy):
        weight, scales = ctx.saved_tensors
        dense = weight.to(dy.dtype) * scales.unsqueeze(1).mul(1.0 / 127.0)
        return torch.matmul(dy, dense), None, None, None


class Int8(nn.Linear):
    """A frozen linear layer in 8 bits."""

    threshold = 6.0

    def quantise(self):
        self.codes, self.scales, _ = codes(self.weight.data.half())
        return self

    def forward(self, x):
        flat = x.reshape(-1, x.shape[-1])
        rows = kept.reshape(-1)
        y = flat.new_zeros(flat.shape[0], self.out_features)
        y[rows] = Product.apply(flat[rows], self.codes, self.scales, self.threshold)
        y = y.reshape(*x.shape[:-1], -1)
        return y if self.bias is None else y + self.bias


def load(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear and name != "lm_head":
                child.__class__ = Int8
                child.quantise()
    return model


def tokens(file):
    global kept
    expected = load_file(file)
    ids, mask, labels = (expected[name].long() for name in ("input_ids", "attention_mask", "labels"))
    kept = mask.bool()
    return expected, dict(input_ids=ids, attention_mask=mask, labels=labels)


def check(folder, fixture):
    expected, batch = tokens(os.path.join(fixture, "expected.safetensors"))
    with torch.no_grad():
        out = load(folder)(**batch)
    print("loss", float(out.loss), float(expected["loss"][0]), "columns of outliers", outliers,
          "equal", bool((out.logits == expected["logits"])[kept].all()))


def make(folder, out, threshold):
    global outliers
    Int8.threshold = threshold
    given, batch = tokens(os.path.join(folder, "expected.safetensors"))
    result = {}
    model = load(folder)
    with torch.no_grad():
        o = model(**batch)
    result["int8.logits"], result["int8.loss"] = o.logits, o.loss.reshape(1)
    print("columns of outliers", outliers)
    for p in model.parameters():
        p.requires_grad_(False)
    pm = PeftModel.from_pretrained(model, os.path.join(folder, "adapter_init"), is_trainable=True)
    pm.train()
    o = pm(**batch)
    result["lora.loss"] = o.loss.detach().reshape(1)
    o.loss.backward()
    for name, p in pm.named_parameters():
        if p.requires_grad:
            result["grad." + name.replace(".default", "")] = p.grad.clone()
    pm.zero_grad()
    trained = [p for p in pm.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=TOP, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
    losses, norms = [], []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = TOP * (1 - step / STEPS)
        loss = pm(**batch).loss
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(trained, 1.0)))
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss))
    result["train.losses"], result["train.grad_norms"] = torch.tensor(losses), torch.tensor(norms)
    save_file({name: t.contiguous() for name, t in result.items()}, out)
    print("losses", losses)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "--check":
        check(sys.argv[2], sys.argv[3])
    else:
        make(sys.argv[1], sys.argv[2], float(sys.argv[3]))
