"""Trains the byte-level BPE tokenizer and writes tokenizer.json, tokenizer_config.json and the packed corpus.

    python tokenizer.py --docs 280000 --base ../base --corpus corpus.npz
"""
import argparse
import json
import os

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from text import documents

VOCAB = 2048
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"]
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}"
    "{{ '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def train(docs):
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=[AddedToken(s, special=True, normalized=False) for s in SPECIALS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    # the role names of the chat format are ordinary words; make sure that each is one token
    roles = ["user\nassistant\nsystem\n"] * 2000
    tok.train_from_iterator(roles + docs, trainer)
    return tok


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--docs", type=int, default=280000)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--base", default="../base")
    ap.add_argument("--corpus", default="corpus.npz")
    a = ap.parse_args()
    os.makedirs(a.base, exist_ok=True)
    tok = train(list(documents(30000, seed=a.seed + 1000)))
    tok.save(os.path.join(a.base, "tokenizer.json"), pretty=False)
    with open(os.path.join(a.base, "tokenizer_config.json"), "w") as f:
        json.dump({
            "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 256, "add_prefix_space": False,
            "clean_up_tokenization_spaces": False, "bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|pad|>",
            "unk_token": None, "additional_special_tokens": ["<|endoftext|>", "<|im_start|>"],
            "added_tokens_decoder": {str(i): {"content": s, "lstrip": False, "normalized": False, "rstrip": False,
                                              "single_word": False, "special": True} for i, s in enumerate(SPECIALS)},
            "chat_template": CHAT_TEMPLATE}, f, indent=2)
        f.write("\n")
    ids, total = [], 0
    batch = []
    for i, doc in enumerate(documents(a.docs, a.seed)):
        batch.append(doc + "\n")
        if len(batch) == 5000 or i + 1 == a.docs:
            for e in tok.encode_batch(batch):
                ids.append(np.array(e.ids + [0], dtype=np.uint16))
            batch = []
    flat = np.concatenate(ids)
    np.savez_compressed(a.corpus, ids=flat)
    print("tokens", len(flat), "used ids", len(np.unique(flat)), "bytes", os.path.getsize(a.corpus))
