# SPDX-License-Identifier: Apache-2.0
"""A small byte-level BPE tokenizer with a chat template, and what transformers makes of texts and conversations with it.

Usage: make_tokenizer_reference.py OUT_DIR     (made with transformers 5.18.0, tokenizers 0.23.2)
"""
import json, os, random, sys
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

TEMPLATE = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content + '<|im_end|>\n' }}{% endgeneration %}{% else %}{{ m.content + '<|im_end|>\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
WORDS = "the a cat dog house water blue seven is was on in under café naïve 中文 字 🙂 👩‍👩‍👧 e\u0301 ﬁn Straße 12 3.5 {x: 1} <b> & \"q\" it's   \n\n \t – … Привет мир".split(" ")


def text(rng, most=14):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, most)))


def main(out):
    os.makedirs(out, exist_ok=True)
    rng = random.Random(5)
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    special = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]
    backend.train_from_iterator((text(rng, 60) for _ in range(400)), trainers.BpeTrainer(vocab_size=420, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    backend.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])])
    # a length that the file carries must not cut anything here
    backend.enable_truncation(16)
    backend.enable_padding(length=16)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", chat_template=TEMPLATE)
    tokenizer.save_pretrained(out)
    texts = [text(rng) for _ in range(60)] + ["", " ", "<s>x</s>", "a<|im_end|>b"]
    conversations = []
    for _ in range(60):
        roles = ["user", "assistant"] * rng.randint(1, 3)
        conversations.append([{"role": r, "content": text(rng)} for r in (["system"] if rng.random() < 0.3 else []) + roles])
    cases = []
    for c in conversations:
        o = tokenizer.apply_chat_template(c, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
        cases.append([c, o["input_ids"], "".join(map(str, o["assistant_masks"]))])
    ids = [[t, tokenizer(t)["input_ids"], tokenizer(t, add_special_tokens=False)["input_ids"]] for t in texts]
    with open(os.path.join(out, "reference.json"), "w") as f:
        json.dump({"texts": ids, "conversations": cases, "size": len(tokenizer)}, f, ensure_ascii=False, separators=(",", ":"))


main(sys.argv[1])
