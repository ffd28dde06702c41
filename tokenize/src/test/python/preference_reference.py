# SPDX-License-Identifier: Apache-2.0
"""Tokens and completion masks of preference rows, as TRL's DPOTrainer (1.x) makes them with transformers' tokenizers:
the prompt with the generation prompt, prompt and answer each as a whole, the answer being what is beyond the prompt's tokens;
texts end with the end-of-sequence token; sequences are cut at their end, and rows whose prompt fills max_length are dropped.

  python preference_reference.py ../resources/io/sparkqlora/tokenize/bpe ../resources/io/sparkqlora/tokenize/preferences/trl.json
"""

import json
import sys

from transformers import PreTrainedTokenizerFast

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def turn(role, content):
    return {"role": role, "content": content}


def rows():
    texts = [
        ("The cat sat", " on the mat.", " under the table, and slept."),
        ("Question: what is 2+2?\nAnswer:", " 4", " 5, I think"),
        ("The cat sat", " on the mat.</s>", " on the dog."),
    ]
    for prompt, chosen, rejected in texts:
        yield {"prompt": prompt, "chosen": chosen, "rejected": rejected, "max_length": 64}
    chat = {
        "prompt": [turn("system", "Be brief."), turn("user", "What colour is the sky?")],
        "chosen": [turn("assistant", "It is blue.")],
        "rejected": [turn("assistant", "It is green, as everybody knows.")],
    }
    longer = {
        "prompt": [turn("user", "Count.")],
        "chosen": [turn("assistant", "one"), turn("user", "Go on."), turn("assistant", "two")],
        "rejected": [turn("assistant", "two")],
    }
    for length in (128, 62, 53, 20):
        yield {**chat, "max_length": length}
    yield {**longer, "max_length": 99}


def ids(tokenizer, value, **kwargs):
    if isinstance(value, str):
        return tokenizer(value)["input_ids"]
    return tokenizer.apply_chat_template(value, tokenize=True, return_dict=True, **kwargs)["input_ids"]


def tokenized(tokenizer, row):
    prompt, length = row["prompt"], row["max_length"]
    prompt_ids = ids(tokenizer, prompt) if isinstance(prompt, str) else ids(tokenizer, prompt, add_generation_prompt=True)
    out = dict(row)
    for which in ("chosen", "rejected"):
        answer = row[which]
        if isinstance(answer, str) and not answer.endswith(tokenizer.eos_token):
            answer += tokenizer.eos_token
        whole = ids(tokenizer, prompt + answer)
        assert whole[: len(prompt_ids)] == prompt_ids, row
        dropped = len(prompt_ids) >= length
        mask = [0] * len(prompt_ids) + [1] * (len(whole) - len(prompt_ids))
        out[which + "_ids"] = None if dropped else whole[:length]
        out[which + "_mask"] = None if dropped else mask[:length]
    return out


def main(folder, target):
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE
    with open(target, "w") as file:
        lines = [json.dumps(tokenized(tokenizer, row)) for row in rows()]
        file.write("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
