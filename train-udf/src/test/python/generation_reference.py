# SPDX-License-Identifier: Apache-2.0
"""Makes src/test/resources/generation/llama.json: greedy continuations by transformers, with and without an adapter.

Usage: generation_reference.py BASE ADAPTER OUT. Last run with transformers 5.18.0, peft 0.21.0, torch 2.13.0, F32.
Not part of the build. "margin" is the smallest distance between the two best logits: how far rounding is from
changing a token.
"""
import json
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

base, adapter, out = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
generator = torch.Generator().manual_seed(7)
prompts = [torch.randint(3, model.config.vocab_size, (n,), generator=generator).tolist() for n in (1, 5, 17, 30, 3)]


def run(model):
    answers, margin = [], float("inf")
    for prompt in prompts:
        result = model.generate(input_ids=torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                                max_new_tokens=24, do_sample=False, output_logits=True, return_dict_in_generate=True)
        answers.append(result.sequences[0, len(prompt):].tolist())
        for logits in result.logits:
            best = logits[0].topk(2).values
            margin = min(margin, float(best[0] - best[1]))
    return dict(answers=answers, margin=margin)


reference = dict(prompts=prompts, base=run(model))
reference["adapted"] = run(PeftModel.from_pretrained(model, adapter).eval())
json.dump(reference, open(out, "w"))
print(reference)
