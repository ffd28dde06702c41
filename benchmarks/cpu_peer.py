#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `./qlora bench --backend cpu` is measured against: the same training step in transformers + peft, on the CPU.

Random weights of a named shape, LoRA on all linear layers, random tokens of which all count, AdamW. The base stays in 16 bits:
bitsandbytes' 4-bit layers are slower on a CPU. Prints one JSON object.

    pip install torch transformers peft
    python3 benchmarks/cpu_peer.py --shape smollm2-135m --seq 512 --batch 4 --rank 16
"""
import argparse
import json
import resource
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

SHAPES = {
    "smollm2-135m": dict(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
        num_key_value_heads=3, tie_word_embeddings=True, max_position_embeddings=8192),
    "tinyllama-1.1b": dict(
        vocab_size=32000, hidden_size=2048, intermediate_size=5632, num_hidden_layers=22, num_attention_heads=32,
        num_key_value_heads=4, max_position_embeddings=2048),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", choices=SHAPES, default="smollm2-135m")
    parser.add_argument("--seq", type=int, default=512)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--warmup", type=int, default=1)
    args = parser.parse_args()

    torch.manual_seed(42)
    config = LlamaConfig(**SHAPES[args.shape], use_cache=False)
    model = LlamaForCausalLM(config).to(getattr(torch, args.dtype))
    model = get_peft_model(model, LoraConfig(r=args.rank, lora_alpha=2 * args.rank, target_modules="all-linear", task_type="CAUSAL_LM"))
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4)
    model.train()
    times = []
    for step in range(args.warmup + args.steps):
        ids = torch.randint(0, config.vocab_size, (args.batch, args.seq))
        begin = time.perf_counter()
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step >= args.warmup:
            times.append(time.perf_counter() - begin)
    print(json.dumps(dict(
        tokens_per_second=args.batch * args.seq * len(times) / sum(times), step_ms=1e3 * sum(times) / len(times),
        peak_bytes=1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, loss=loss.item(), grad_norm=norm.item(),
        threads=torch.get_num_threads(), torch=torch.__version__)))


if __name__ == "__main__":
    main()
