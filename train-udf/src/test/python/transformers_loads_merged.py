# SPDX-License-Identifier: Apache-2.0
"""Loads a merged checkpoint with transformers alone and compares its logits with those of peft's adapter on the base.

Usage: transformers_loads_merged.py BASE ADAPTER MERGED

BASE is a checkpoint, ADAPTER an adapter of it in PEFT's layout, MERGED a folder that MergedCheckpoint wrote of the two in
float32, the base not quantised. Not part of the build (which needs no Python): run it by hand after a change to
MergedCheckpoint. Last run with transformers 5.18.0, peft 0.21.0, torch 2.13.0 on llama, phi3 and gemma2 of the parity
resources: differences below 1e-6, effects of the adapter from 0.7 on. What SavedModulesTest merges into gemma2, whose embedding and
output projection are tied, with modules_to_save embed_tokens, lm_head and norm: below 1e-6, effects from 0.28 on.
"""
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

TOLERANCE = 1e-4


def logits(folder, adapter=None):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    if adapter:
        model = PeftModel.from_pretrained(model, adapter).eval()
    ids = torch.arange(3, 43).reshape(1, -1) % model.config.vocab_size
    with torch.no_grad():
        return model(input_ids=ids).logits


base, adapter, merged = sys.argv[1:]
ours, theirs, none = logits(merged), logits(base, adapter), logits(base)
difference = float((ours - theirs).abs().max())
effect = float((none - theirs).abs().max())
print(f"difference {difference}, effect of the adapter {effect}")
if difference > TOLERANCE or effect < 100 * TOLERANCE:
    sys.exit("the merged checkpoint is not base and adapter")
