# SPDX-License-Identifier: Apache-2.0
"""Makes src/test/resources/schedules.json: learning rates of transformers' get_scheduler, step by step.

Usage: schedules_reference.py OUT. Last run with transformers 5.18.0, torch 2.13.0. Not part of the build.
"""
import json
import sys

import torch
from transformers import get_scheduler

TOP = 2e-4
cases = []
for name, kwargs, warmup, total in [
    ("linear", {}, 3, 10),
    ("linear", {}, 0, 7),
    ("cosine", {}, 3, 10),
    ("cosine", {}, 5, 5),
    ("cosine", {"num_cycles": 1.25}, 2, 11),
    ("cosine_with_restarts", {}, 2, 9),
    ("cosine_with_restarts", {"num_cycles": 3}, 2, 16),
    ("polynomial", {}, 2, 9),
    ("polynomial", {"lr_end": 2e-5, "power": 2.5}, 0, 8),
    ("polynomial", {"lr_end": 0, "power": 0.5}, 3, 8),
    ("constant", {}, 3, 5),
    ("constant_with_warmup", {}, 4, 7),
    ("inverse_sqrt", {}, 4, 12),
    ("inverse_sqrt", {}, 0, 5),
    ("inverse_sqrt", {"timescale": 3}, 5, 12),
]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=TOP)
    scheduler = get_scheduler(name, optimizer, warmup, total, scheduler_specific_kwargs=kwargs)
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    cases.append(dict(type=name, kwargs=kwargs, warmup=warmup, rates=rates))
with open(sys.argv[1], "w") as out:
    out.write("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
