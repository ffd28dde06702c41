# SPDX-License-Identifier: Apache-2.0
"""Makes src/test/resources/generation/warpers.json: probabilities after transformers' logits warpers.

Usage: sampling_reference.py OUT. Last run with transformers 5.18.0, torch 2.13.0. Not part of the build.
"""
import json
import sys

import torch
from transformers.generation.logits_process import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

torch.manual_seed(0)
cases = []
for temperature, top_k, top_p in [(1.0, 50, 1.0), (0.7, 5, 1.0), (1.3, 0, 0.6), (0.9, 10, 0.5), (1.0, 3, 0.01), (2.0, 1, 1.0)]:
    logits = (torch.randn(1, 40) * 2).round(decimals=2)
    logits[0, 7] = logits[0, 8]  # a tie
    scores = logits.clone()
    if temperature != 1.0:
        scores = TemperatureLogitsWarper(temperature)(None, scores)
    if top_k:
        scores = TopKLogitsWarper(min(top_k, 40))(None, scores)
    if top_p < 1.0:
        scores = TopPLogitsWarper(top_p)(None, scores)
    cases.append(dict(temperature=temperature, top_k=top_k, top_p=top_p, logits=logits[0].tolist(),
                      probabilities=torch.softmax(scores.double(), -1)[0].tolist()))
json.dump(cases, open(sys.argv[1], "w"))
