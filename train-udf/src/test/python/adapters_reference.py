# SPDX-License-Identifier: Apache-2.0
"""Makes the reference data in train-udf/src/test/resources/adapters with peft: an adapter whose modules differ in rank and
scale with the logits that it gives, and adapters with what add_weighted_adapter makes of them.

Usage: adapters_reference.py BASE OUT

BASE is train-udf/src/test/resources/models/llama. Not part of the build (which needs no Python). Last run with transformers
5.18.0, peft 0.21.0, torch 2.13.0.
"""
import json
import pathlib
import shutil
import sys

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

base, out = sys.argv[1], pathlib.Path(sys.argv[2])
IDS = torch.arange(3, 43, 2).reshape(1, -1)


def load():
    return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()


def config(**options):
    return LoraConfig(task_type="CAUSAL_LM", **options)


def randomize(model, seed):
    torch.manual_seed(seed)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn_like(parameter) * 0.1


def logits(model):
    with torch.no_grad():
        return model(input_ids=IDS).logits[0].contiguous()


def save(model, name, adapter="default"):
    folder = out / name
    model.save_pretrained(folder, selected_adapters=[adapter])
    if (folder / adapter).is_dir():
        for file in (folder / adapter).iterdir():
            file.rename(folder / file.name)
        (folder / adapter).rmdir()
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    text = json.loads(path.read_text())
    text["base_model_name_or_path"] = "llama"
    path.write_text(json.dumps(text, indent=2) + "\n")


shutil.rmtree(out, ignore_errors=True)
out.mkdir(parents=True)
expected = {"input_ids": IDS.to(torch.int32), "base": logits(load())}

patterns = config(
    r=4,
    lora_alpha=8,
    target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "down_proj"],
    use_rslora=True,
    rank_pattern={"layers.0.self_attn.(q|k)_proj": 2, "v_proj": 6, "q_proj": 5, "^model.layers.1.mlp.down_proj": 3, "oj": 9},
    alpha_pattern={"q_proj|v_proj": 10, "model.layers.0.mlp.down_proj": 2.5, "layers.*": 7},
)
model = get_peft_model(load(), patterns)
randomize(model, 1)
save(model, "patterns")
# peft writes patterns sorted by key, and so may read another first match than it had in memory
model = PeftModel.from_pretrained(load(), out / "patterns").eval()
expected["patterns"] = logits(model)
modules = {
    name.removeprefix("base_model.model."): [module.r["default"], module.scaling["default"]]
    for name, module in model.named_modules()
    if isinstance(module, LoraLayer)
}
(out / "patterns.json").write_text(json.dumps(modules, indent=1) + "\n")

ADAPTERS = {
    "x1": config(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"]),
    "x2": config(r=4, lora_alpha=6, target_modules=["q_proj", "down_proj"], use_rslora=True),
    "x3": config(r=2, lora_alpha=3, target_modules=["down_proj"], rank_pattern={"layers.1.mlp.down_proj": 3}),
}
COMBINATIONS = {
    "linear": dict(adapters=["x1", "x2"], weights=[0.7, -0.4], combination_type="linear"),
    "cat": dict(adapters=["x1", "x2", "x3"], weights=[0.7, -0.4, 1.5], combination_type="cat"),
    "svd": dict(adapters=["x1", "x2", "x3"], weights=[0.7, -0.4, 1.5], combination_type="svd", svd_rank=3),
    "one": dict(adapters=["x2"], weights=[0.5], combination_type="svd"),
}
for name, options in COMBINATIONS.items():
    model = get_peft_model(load(), ADAPTERS["x1"], adapter_name="x1")
    for other in ("x2", "x3"):
        model.add_adapter(other, ADAPTERS[other])
    randomize(model, 2)
    if name == "linear":
        for adapter in ADAPTERS:
            save(model, adapter, adapter)
    model.add_weighted_adapter(adapter_name="combined", **options)
    model.set_adapter("combined")
    save(model, name, "combined")
    expected[name] = logits(model)

save_file(expected, out / "expected.safetensors")
