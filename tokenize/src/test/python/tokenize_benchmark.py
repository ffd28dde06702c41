# SPDX-License-Identifier: Apache-2.0
"""Times datasets.map with a chat template, as people tokenise without spark-qlora, beside TokenizeBenchmark.

    python tokenize_benchmark.py data DIR ROWS      generated conversations and an 8k byte-level BPE tokenizer
    python tokenize_benchmark.py map DIR PROCESSES  tokenises them: ids alone, then ids with the assistant mask
    python tokenize_benchmark.py once DIR PROCESSES the mask alone, in a fresh process: time it beside ./qlora tokenize
"""
import itertools
import json
import os
import random
import sys
import time

TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}{% endfor %}"
)
SYLLABLES = "ba ke ti mo ran sel dor wick ling ost per in al ta ver con dis pro ness tion ment ing er ed ly".split()


class Writer:
    """Makes sentences of words whose frequencies fall as Zipf has it."""

    def __init__(self):
        self.random = random.Random(0)
        pick = self.random.choice
        self.words = ["".join(pick(SYLLABLES) for _ in range(self.random.randint(1, 4))) for _ in range(20000)]
        self.cumulative = list(itertools.accumulate(1 / (rank + 1) for rank in range(len(self.words))))

    def sentence(self):
        words = self.random.choices(self.words, cum_weights=self.cumulative, k=self.random.randint(6, 24))
        return words[0].capitalize() + " " + " ".join(words[1:]) + self.random.choice([".", "?", "!", ": 42.", "; so."])

    def text(self, least, most):
        return " ".join(self.sentence() for _ in range(self.random.randint(least, most)))

    def conversation(self):
        messages = [{"role": "system", "content": self.text(1, 1)}] if self.random.random() < 0.3 else []
        for _ in range(self.random.randint(1, 4)):
            messages.append({"role": "user", "content": self.text(1, 4)})
            messages.append({"role": "assistant", "content": self.text(2, 10)})
        return {"messages": messages}


def make(folder, rows):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    os.makedirs(folder + "/tokenizer", exist_ok=True)
    writer = Writer()
    with open(folder + "/chats.jsonl", "w") as out:
        for _ in range(rows):
            out.write(json.dumps(writer.conversation()) + "\n")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=8192,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator((writer.text(5, 5) for _ in range(4000)), trainer)
    tokenizer.save(folder + "/tokenizer/tokenizer.json")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "chat_template": TEMPLATE,
        "model_max_length": 1000000,
        "clean_up_tokenization_spaces": False,
    }
    with open(folder + "/tokenizer/tokenizer_config.json", "w") as out:
        json.dump(config, out)


def cpu():
    """Processor seconds of this process and those it has waited for: on a busy machine the better measure."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def run_once(folder, processes):
    run_map(folder, processes, masks=(True,))


def run_map(folder, processes, masks=(False, True)):
    start = time.time()
    import datasets
    from transformers import AutoTokenizer

    datasets.disable_progress_bars()
    datasets.disable_caching()
    tokenizer = AutoTokenizer.from_pretrained(folder + "/tokenizer")
    print(json.dumps({"import_seconds": round(time.time() - start, 2)}), flush=True)
    for mask in masks:

        def tokenize(row):
            encoded = tokenizer.apply_chat_template(
                row["messages"], tokenize=True, return_dict=True, return_assistant_tokens_mask=mask
            )
            ids = encoded["input_ids"][:2048]
            if not mask:
                return {"input_ids": ids}
            return {"input_ids": ids, "assistant_masks": encoded["assistant_masks"][:2048]}

        start, before = time.time(), cpu()
        rows = datasets.Dataset.from_json(folder + "/chats.jsonl", cache_dir=folder + "/cache", keep_in_memory=False)
        rows = rows.map(tokenize, remove_columns=["messages"], num_proc=processes)
        seconds = time.time() - start
        used = cpu() - before
        tokens = sum(len(ids) for ids in rows["input_ids"])
        print(json.dumps({
            "mask": mask, "rows": len(rows), "tokens": tokens, "processes": processes, "seconds": round(seconds, 2),
            "cpu_s": round(used, 2), "tokens_per_second": round(tokens / seconds),
        }), flush=True)


if __name__ == "__main__":
    {"data": make, "map": run_map, "once": run_once}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
