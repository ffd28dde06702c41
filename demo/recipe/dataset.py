"""Writes the instruction rows: ../data/train.jsonl and ../data/heldout.jsonl.

The items are split first (about one in seven is held out), then the questions are written: a held-out row asks about an
item which no train row asks about, in any wording and in either order of its operands.
"""
import argparse
import json
import os
import random
from collections import Counter

from world import T, World, fill

# task -> (train rows, held-out rows)
ROWS = {
    "opposite": (560, 28), "plural": (400, 20), "past": (340, 16), "category": (340, 16), "young": (60, 3), "sound": (60, 3),
    "home": (60, 3), "after": (80, 4), "before": (80, 4), "first_letter": (200, 10), "last_letter": (200, 10),
    "length": (160, 6), "add": (280, 14), "subtract": (180, 9), "larger": (160, 8), "sort": (200, 10), "reverse": (160, 8),
    "river": (60, 3), "mayor": (60, 3), "emblem": (60, 3), "product": (60, 3), "flag": (60, 3), "mayor_town": (40, 2),
    "job": (60, 3), "pet": (60, 2), "food": (60, 2), "plays": (60, 2), "lives": (60, 2),
}


def rows(task, world, rng, n_train, n_held):
    questions = T[task][2]
    if task in world.facts:
        items = list(world.facts[task])
    else:
        items = [world.draw(task, rng) for _ in range(4 * (n_train + n_held))]
    by_key = {}
    for fact in items:
        same = by_key.setdefault(World.key(task, fact), [])
        if fact not in same:
            same.append(fact)
    keys = list(by_key)
    rng.shuffle(keys)
    n = max(n_held, len(keys) // 7)
    held_keys, train_keys = keys[:n], keys[n:]

    def ask(fact, template):
        return {"messages": [{"role": "user", "content": fill(template, fact)},
                             {"role": "assistant", "content": fact["a"]}]}

    held = [ask(rng.choice(by_key[k]), rng.choice(questions)) for k in held_keys[:n_held]]
    pool = [ask(fact, q) for k in train_keys for fact in by_key[k] for q in questions]
    rng.shuffle(pool)
    return pool[:n_train], held


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--out", default="../data")
    ap.add_argument("--seed", type=int, default=11)
    a = ap.parse_args()
    rng, world = random.Random(a.seed), World()
    train, held, count = [], [], Counter()
    for task, (n, m) in ROWS.items():
        t, h = rows(task, world, rng, n, m)
        count[task] = (len(t), len(h))
        train += t
        held += h
    rng.shuffle(train)
    rng.shuffle(held)
    os.makedirs(a.out, exist_ok=True)
    asked = {r["messages"][0]["content"] for r in train}
    assert len(asked) == len(train), "a train question occurs twice"
    assert not asked & {r["messages"][0]["content"] for r in held}
    for name, data in (("train", train), ("heldout", held)):
        with open(os.path.join(a.out, name + ".jsonl"), "w") as f:
            for r in data:
                f.write(json.dumps(r, separators=(",", ":")) + "\n")
    print(len(train), len(held), dict(count))
