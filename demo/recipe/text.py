"""Writes the plain-text pretraining corpus: notes, portraits and quiz scenes, no chat format.

    python text.py OUT.txt --docs 150000 --seed 1
Documents are separated by a line with <|endoftext|>.
"""
import argparse
import random

import words as w
from world import T, World, fill

WEIGHTS = {
    "opposite": 10, "plural": 7, "past": 6, "young": 1.5, "sound": 1.5, "home": 1.5, "category": 6, "after": 2.5,
    "before": 2.5, "first_letter": 6, "last_letter": 7, "length": 8, "add": 10, "subtract": 7, "larger": 6, "sort": 12,
    "reverse": 6, "river": 2, "mayor": 2.5, "emblem": 2, "product": 2, "flag": 2, "mayor_town": 2.5, "job": 2, "pet": 2,
    "food": 2, "plays": 2, "lives": 2,
}
SCENES = [
    '{n} asked {m}: "{q}" "{a}," said {m}.',
    '"{q}" asked {n}. {m} answered: "{a}".',
    'In the quiz the question was: "{q}" The right answer was "{a}".',
    '{n} looked up from the book. "{q}" "{a}," said {m} at once.',
    'On the blackboard stood: {q} And {n} wrote below it: "{a}".',
    '{q} {n} knew it: "{a}".',
    '{q} {m} says that it is {a}.',
    '"{q}" "It is {a}," said {n}.',
]
TOWN_OPEN = ["{x} is a town on the Isle of Merrow.", "Of all towns on the Isle of Merrow, {x} is a quiet one.",
             "A traveller on the Isle of Merrow should see {x}.", "{x} is an old town."]
PERSON_OPEN = ["{x} is known all over the Isle of Merrow.", "Everyone on the isle likes {x}.",
               "This is a portrait of {x}.", "Let me tell you about {x}."]
CLOSE = ["", "", "", "That is all.", "So it is written.", "And that is how it is."]
NOTES_OPEN = ["", "", "", "From the notebook of {n}.", "What {n} learned at school.", "Things to remember:",
              "Notes for the assistant of the teacher.", "A message for every user of this book:"]


class Writer:
    def __init__(self, world, rng):
        self.world, self.rng = world, rng
        self.tasks, self.weights = list(WEIGHTS), list(WEIGHTS.values())

    def task(self):
        return self.rng.choices(self.tasks, self.weights)[0]

    def statement(self, task, fact):
        return fill(self.rng.choice(T[task][0]), fact)

    def scene(self, task, fact):
        n, m = self.rng.sample(w.PEOPLE, 2)
        # mostly the dialogue questions; sometimes one in the words of the instruction rows, answered in dialogue
        q = fill(self.rng.choice(T[task][1 if self.rng.random() < 0.75 else 2]), fact)
        return self.rng.choice(SCENES).format(n=n, m=m, q=q, a=fact["a"])

    def notes(self):
        rng, one = self.rng, self.task()
        same = rng.random() < 0.5
        lines = [rng.choice(NOTES_OPEN).format(n=rng.choice(w.PEOPLE))]
        for _ in range(rng.randint(6, 14)):
            task = one if same else self.task()
            lines.append(self.statement(task, self.world.draw(task, rng)))
        return (" " if rng.random() < 0.6 else "\n").join(x for x in lines if x)

    def quiz(self):
        rng, one = self.rng, self.task()
        same = rng.random() < 0.4
        lines = []
        for _ in range(rng.randint(3, 8)):
            task = one if same else self.task()
            lines.append(self.scene(task, self.world.draw(task, rng)))
        return (" " if rng.random() < 0.3 else "\n").join(lines)

    def portrait(self):
        rng = self.rng
        if rng.random() < 0.5:
            x, opening, subject = rng.choice(list(self.world.towns)), TOWN_OPEN, self.world.towns
        else:
            x, opening, subject = rng.choice(list(self.world.people)), PERSON_OPEN, self.world.people
        facts = list(subject[x])
        rng.shuffle(facts)
        lines = [rng.choice(opening).format(x=x)]
        lines += [self.statement(fact["task"], fact) for fact in facts]
        lines += [self.scene(fact["task"], fact) for fact in facts if rng.random() < 0.3]
        lines.append(rng.choice(CLOSE))
        return " ".join(x for x in lines if x)

    def document(self):
        r = self.rng.random()
        return self.notes() if r < 0.5 else self.quiz() if r < 0.85 else self.portrait()


def documents(n, seed):
    writer = Writer(World(), random.Random(seed))
    for _ in range(n):
        yield writer.document()


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("out")
    ap.add_argument("--docs", type=int, default=150000)
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    with open(a.out, "w") as f:
        for doc in documents(a.docs, a.seed):
            f.write(doc + "\n<|endoftext|>\n")
