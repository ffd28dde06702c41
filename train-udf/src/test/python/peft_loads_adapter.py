# SPDX-License-Identifier: Apache-2.0
"""Loads an adapter with peft and compares its logits with those that another adapter gives.

Usage: peft_loads_adapter.py BASE ADAPTER REFERENCE [LIMIT]

BASE is a checkpoint, ADAPTER a folder that AdapterFiles wrote, REFERENCE one that peft wrote with the same tensors, or a
safetensors file whose input_ids and logits the adapter is to give to 1e-4, as NAME.safetensors:TENSOR.
Not part of the build (which needs no Python): run it by hand after a change to AdapterFiles. Last run with
transformers 5.18.0, peft 0.21.0, torch 2.13.0: difference 0.0 (bit for bit), effect of the adapter 0.4; with the patterns of
adapters_reference.py 0.0 too, effect 1.4.

What PeftVariantsTest trained (dora over llama, bias-all and bias-lora-only over qwen2, save-embeddings over llama, save-norms over
qwen3, save-tied over gemma2), against what peft trained:
  peft_loads_adapter.py src/test/resources/parity/llama target/peft-adapters/dora src/test/resources/peft/dora/adapter_final 1e-4
Last run with the same versions: differences 5.4e-7, 5.4e-7 and 4.8e-7, effects 0.6 and 0.7; of the last three 4.1e-6, 2.8e-6 and
8.0e-7, effects 1.7, 0.6 and 1.0.

What DecomposedBaseTest trained and took to the checkpoint (pissa over llama, with rslora over qwen2), against peft's own conversion:
  peft_loads_adapter.py src/test/resources/parity/llama target/peft-adapters/pissa-pissa src/test/resources/decomposed/pissa/converted 1e-4
Last run with the same versions: differences 7.3e-6 (pissa_niter_16: 7.5e-6) and 2.8e-5, effects 0.7 and 0.4.
"""
import sys
import warnings

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

warnings.simplefilter("error")  # peft warns about keys that it does not know
warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings=True`")  # save-tied
warnings.filterwarnings("ignore", message="The following rank_pattern keys did not match")  # one of adapters_reference.py


def logits(base, adapter, ids=None):
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    if adapter:
        model = PeftModel.from_pretrained(model, adapter).eval()
    if ids is None:
        ids = torch.arange(3, 43).reshape(1, -1) % model.config.vocab_size
    with torch.no_grad():
        return model(input_ids=ids).logits


base, adapter, reference = sys.argv[1:4]
limit = float(sys.argv[4]) if len(sys.argv) > 4 else 0.0
if ".safetensors:" in reference:
    file, tensor = reference.rsplit(":", 1)
    expected = load_file(file)
    ids, theirs, allowed = expected["input_ids"].long(), expected[tensor], 1e-4
    ours, none = logits(base, adapter, ids)[0], logits(base, None, ids)[0]
else:
    ours, theirs, none, allowed = logits(base, adapter), logits(base, reference), logits(base, None), limit
difference = float((ours - theirs).abs().max())
effect = float((none - theirs).abs().max())
print(f"difference {difference}, effect of the adapter {effect}")
if difference > allowed or effect == 0.0:
    sys.exit("the adapter is not the one that peft wrote")
