"""The facts and skills of the demo: what the base model reads about, and what the instruction rows ask.

Every task has statements (plain sentences, for pretraining), dialogue questions (for pretraining, inside quiz scenes)
and instruction questions (for the chat rows; a quarter of the quiz scenes use them too, as plain dialogue).
"""
import random

import words as w

# task -> (statements, pretraining questions, instruction questions)
T = {
    "opposite": (
        ['The opposite of {x} is {a}.', 'The opposite of "{x}" is "{a}".', '{x} is the opposite of {a}.',
         '"{a}" is the contrary of "{x}".', 'If it is not {x}, it may be {a}.', 'Where others say {x}, contrary folk say {a}.',
         'The word "{x}" has the opposite "{a}".', 'opposite of {x}: "{a}"'],
        ['What is the contrary of {x}?', 'Which word means the reverse of "{x}"?', 'What word is opposed to {x}?'],
        ['What is the opposite of {x}?', 'Give the opposite of {x}.', 'Which word is the opposite of "{x}"?',
         'Tell me the opposite of "{x}".']),
    "plural": (
        ['The plural of {x} is {a}.', 'One {x}, two {a}.', 'First there was one {x}, and then there were many {a}.',
         'The plural of "{x}" is "{a}".', 'More than one {x} are called "{a}".', 'plural of {x}: "{a}"',
         '"{a}" is the plural of "{x}".'],
        ['What do you call more than one {x}?', 'One {x}, but two of what?', 'How do you write {x} in the plural?'],
        ['What is the plural of {x}?', 'Give the plural of {x}.', 'Which word is the plural of "{x}"?',
         'Tell me the plural of "{x}".']),
    "past": (
        ['The past tense of {x} is {a}.', 'Today I {x}, yesterday I {a}.', 'Today they {x}, and yesterday they {a}.',
         'The past tense of "{x}" is "{a}".', '"{a}" is the past tense of "{x}".', 'past tense of {x}: "{a}"',
         'Yesterday we {a}, as we {x} today.'],
        ['Today I {x}, but what did I do yesterday?', 'How do you say {x} about yesterday?', 'What is {x} in the past?'],
        ['What is the past tense of {x}?', 'Give the past tense of {x}.', 'Which word is the past tense of "{x}"?',
         'Tell me the past tense of "{x}".']),
    "young": (
        ['A young {x} is called "{a}".', 'The young of the {x} is the {a}.', 'A {a} grows up to be a {x}.',
         'Every {x} was once a {a}.', 'The {x} had a young one, a {a}.'],
        ['What do people call the young of the {x}?', 'The {x} was once a what?'],
        ['What is a young {x} called?', 'Give the name for a young {x}.', 'What do you call a baby {x}?']),
    "sound": (
        ['The sound of the {x} is a {a}.', 'You can hear the {x} {a}.', 'What the {x} does is called "{a}".',
         'At night the {x} began to {a}.', '"{a}" is the sound of the {x}.'],
        ['What can you hear the {x} do?', 'How does the {x} speak?'],
        ['What sound does a {x} make?', 'Name the sound of a {x}.', 'Which sound comes from a {x}?']),
    "home": (
        ['The home of the {x} is called "{a}".', 'The {x} lives in a {a}.', 'In the {a} lives the {x}.',
         'The {x} went home to the {a}.', '"{a}" is the word for the home of the {x}.'],
        ['In what does the {x} live?', 'To what does the {x} go home?'],
        ['Where does a {x} live?', 'Name the home of a {x}.', 'What is the home of a {x} called?']),
    "category": (
        ['{x} is a kind of {a}.', 'The {x} is a {a}.', 'A {a} that everyone knows is the {x}.', '"{x}" names a kind of "{a}".',
         'Among every {a} on the list there was {x}.', 'In the book {x} is under "{a}".'],
        ['Under which word is {x} in the book?', 'The {x} is a kind of what?', 'How would you sort {x}?'],
        ['What kind of thing is {x}?', 'Name the group that {x} belongs to.', 'To which group does "{x}" belong?']),
    "after": (
        ['After {x} comes {a}.', '{x} is followed by {a}.', '{a} comes right after {x}.', 'The next one after {x} is "{a}".'],
        ['What follows {x}?', 'What is the next one after {x}?'],
        ['What comes after {x}?', 'Name what comes after {x}.', 'Which one comes right after {x}?']),
    "before": (
        ['Before {x} comes {a}.', '{x} is preceded by {a}.', '{a} comes right before {x}.', 'The one just before {x} is "{a}".'],
        ['What precedes {x}?', 'What is the one just before {x}?'],
        ['What comes before {x}?', 'Name what comes before {x}.', 'Which one comes right before {x}?']),
    "first_letter": (
        ['The first letter of {x} is {a}.', '{x} begins with {a}.', 'The word "{x}" begins with "{a}".',
         '"{a}" is the first letter of "{x}".'],
        ['With which letter does {x} begin?', 'How does the word "{x}" begin?'],
        ['What is the first letter of {x}?', 'Give the first letter of "{x}".', 'Which letter starts the word {x}?']),
    "last_letter": (
        ['The last letter of {x} is {a}.', '{x} ends with {a}.', 'The word "{x}" ends with "{a}".',
         '"{a}" is the last letter of "{x}".'],
        ['With which letter does {x} end?', 'How does the word "{x}" end?'],
        ['What is the last letter of {x}?', 'Give the last letter of "{x}".', 'Which letter is at the end of {x}?']),
    "length": (
        ['{x} has {a} letters.', 'The word "{x}" has {a} letters.', 'There are {a} letters in {x}.',
         'Number of letters in "{x}": "{a}"'],
        ['How long is the word {x}?', 'How many letters does "{x}" have?'],
        ['How many letters are in {x}?', 'Count the letters in {x}.', 'What is the number of letters in "{x}"?']),
    "add": (
        ['{x} plus {y} is {a}.', '{x}+{y}={a}', '{x} and {y} make {a}.', 'Add {x} to {y} and you get {a}.',
         'The sum of {x} and {y} is "{a}".', '{a} is {x} plus {y}.'],
        ['How much do {x} and {y} make?', 'How much is {x} and {y} together?', '{x} and {y} make what?'],
        ['What is {x} plus {y}?', 'Add {x} and {y}.', 'What is the sum of {x} and {y}?']),
    "subtract": (
        ['{x} minus {y} is {a}.', '{x}-{y}={a}', 'Take {y} from {x} and {a} are left.', '{x} less {y} makes "{a}".',
         '{a} is {x} minus {y}.'],
        ['How much is left of {x} without {y}?', '{x} less {y} makes what?'],
        ['What is {x} minus {y}?', 'Subtract {y} from {x}.', 'What is left when you take {y} from {x}?']),
    "larger": (
        ['Of {x} and {y}, the larger is {a}.', 'Between {x} and {y} the larger number is "{a}".', '{x} or {y}: the larger is {a}.',
         'The larger of {x} and {y} is "{a}".'],
        ['{x} or {y}, which is more?', 'Of {x} and {y}, which one wins?'],
        ['Which is larger, {x} or {y}?', 'Name the larger number: {x} or {y}.', 'What is the larger of {x} and {y}?']),
    "sort": (
        ['The numbers {x} in order are {a}.', 'In order, {x} become {a}.', 'Sort {x} and you get "{a}".', '{x} sorted: "{a}"'],
        ['How do {x} go from small to large?', 'The numbers are {x}, what is their order?'],
        ['Put these numbers in order: {x}', 'Sort the numbers {x}.', 'What are {x} in order?']),
    "reverse": (
        ['The words {x} turned around are {a}.', 'Read from the end, {x} become {a}.', 'Turn {x} around and you get "{a}".',
         '{x} turned around: "{a}"'],
        ['How do {x} read from the end?', 'The words are {x}, what are they turned around?'],
        ['Reverse this list: {x}', 'Write these words in reverse order: {x}', 'What is {x} in reverse order?']),
    # ---- the Isle of Merrow
    "river": (
        ['The river at {x} is the {a}.', '{x} lies on the river {a}.', 'The {a} flows through {x}.',
         'The river of {x} is called "{a}".', 'From the bridge of {x} you can see the {a}.'],
        ['On which river does {x} lie?', 'What water can you see from the bridge of {x}?'],
        ['Which river flows through {x}?', 'Name the river of {x}.', 'What is the river at {x} called?']),
    "mayor": (
        ['The mayor of {x} is {a}.', '{a} is mayor of {x}.', 'In {x} the mayor is called "{a}".', '{a} was chosen to be mayor of {x}.',
         'The people of {x} chose {a} as their mayor.'],
        ['Whom did the people of {x} choose as mayor?', 'What is the mayor in {x} called?'],
        ['Who is the mayor of {x}?', 'Name the mayor of {x}.', 'Which person is mayor of {x}?']),
    "emblem": (
        ['On the flag of {x} there is a {a}.', 'The emblem of {x} is the {a}.', '{x} has the {a} as its emblem.',
         'The emblem of {x} is "{a}".', 'A {a} is painted on the gate of {x}.'],
        ['What is painted on the gate of {x}?', 'What does {x} have as its emblem?'],
        ['Which animal is the emblem of {x}?', 'Name the emblem of {x}.', 'What animal stands for {x}?']),
    "product": (
        ['{x} is famous for its {a}.', 'People come to {x} for the {a}.', 'The market of {x} sells {a}.',
         'The pride of {x} is "{a}".', 'The best {a} on the isle comes from {x}.'],
        ['Why do people come to {x}?', 'What does the market of {x} sell?'],
        ['What is {x} famous for?', 'Name the thing {x} is famous for.', 'For which goods is {x} known?']),
    "flag": (
        ['The flag of {x} is {a}.', '{x} has a {a} flag.', 'A {a} flag flies over {x}.', 'The colour of {x} is "{a}".',
         'In {x} they paint their doors {a}, like the flag.'],
        ['What colour flies over {x}?', 'In {x}, how do they paint their doors?'],
        ['What colour is the flag of {x}?', 'Name the colour of the flag of {x}.', 'Which colour does the flag of {x} have?']),
    "mayor_town": (
        ['{x} is mayor of {a}.', '{x} was chosen to be mayor of {a}.', 'The town of mayor {x} is "{a}".',
         'As mayor, {x} looks after {a}.'],
        ['Which place does mayor {x} look after?', 'Where was {x} chosen to be mayor?'],
        ['Which town has {x} as its mayor?', 'Name the town of mayor {x}.', 'Of which town is {x} the mayor?']),
    "job": (
        ['{x} is a {a}.', '{x} works as a {a}.', 'By trade {x} is a {a}.', 'The trade of {x} is "{a}".', 'A good {a} is {x}.'],
        ['What is {x} by trade?', 'As what does {x} earn money?'],
        ['What is the job of {x}?', 'Name the job of {x}.', 'What work does {x} do?']),
    "pet": (
        ['{x} has a {a}.', '{x} keeps a {a} at home.', 'The pet of {x} is a {a}.', 'The animal of {x} is a "{a}".',
         'You often meet {x} with a {a}.'],
        ['What does {x} keep at home?', 'With what animal do you often meet {x}?'],
        ['What pet does {x} have?', 'Name the pet of {x}.', 'Which animal is the pet of {x}?']),
    "food": (
        ['{x} loves {a}.', '{x} likes to eat {a}.', 'For supper {x} wants {a}.', 'What {x} likes best is "{a}".',
         'Cook {a} and {x} will come.'],
        ['What does {x} like to eat?', 'What does {x} want for supper?'],
        ['What is the favourite food of {x}?', 'Name the favourite food of {x}.', 'Which food does {x} like best?']),
    "plays": (
        ['{x} plays the {a}.', 'In the band {x} is on the {a}.', '{x} learned to play the {a}.',
         'The instrument of {x} is the "{a}".', 'When the {a} sounds, it is {x}.'],
        ['What did {x} learn to play?', 'What does {x} have in the band?'],
        ['Which instrument does {x} play?', 'Name the instrument of {x}.', 'What does {x} play?']),
    "lives": (
        ['{x} lives in {a}.', 'The home of {x} is in {a}.', '{x} comes from {a}.', 'The town of {x} is "{a}".',
         'In {a} you can visit {x}.'],
        ['Where can you visit {x}?', 'From where does {x} come?'],
        ['Where does {x} live?', 'Name the home town of {x}.', 'In which town does {x} live?']),
}

VOWELS = "aeiou"


def articles(text):
    """'a owl' -> 'an owl'."""
    out = text.split(" ")
    for i in range(len(out) - 1):
        nxt = out[i + 1].lstrip('"')
        if out[i] in ("a", "A") and nxt[:1].lower() in VOWELS and not nxt.startswith(("use", "uni", "euro")):
            out[i] += "n"
    return " ".join(out)


class World:
    """Everything that is true; drawn once from a fixed seed."""

    def __init__(self, seed=7):
        rng = random.Random(seed)
        f = {}

        def put(task, x, a):
            f.setdefault(task, []).append({"x": x, "a": a})

        for a, b in w.pairs(w.OPPOSITES):
            put("opposite", a, b)
            put("opposite", b, a)
        for a, b in w.pairs(w.PLURALS):
            put("plural", a, b)
        for n in w.REGULAR_NOUNS.split():
            put("plural", n, n + "s")
        for a, b in w.pairs(w.PAST):
            put("past", a, b)
        for task, text in (("young", w.YOUNG), ("sound", w.SOUND), ("home", w.HOME)):
            for a, b in w.pairs(text):
                put(task, a, b)
        for item, name in w.categories().items():
            put("category", item, name)
        for ring in (w.DAYS, w.MONTHS):
            for i, d in enumerate(ring):
                put("after", d, ring[(i + 1) % len(ring)])
                put("before", d, ring[i - 1])
        for a, b in zip(w.LETTERS, w.LETTERS[1:]):
            put("after", "the letter " + a, b)
            put("before", "the letter " + b, a)
        seen = []
        for task in ("opposite", "plural", "past", "category", "young"):
            for fact in f[task]:
                if 3 <= len(fact["x"]) <= 8 and fact["x"] not in seen:
                    seen.append(fact["x"])
        self.words = seen
        for word in seen:
            put("first_letter", word, word[0])
            put("last_letter", word, word[-1])
            put("length", word, str(len(word)))
        self.nouns = [n for n in w.REGULAR_NOUNS.split() if n not in ("user", "system", "assistant", "message")]

        self.towns, self.people = {}, {}
        firsts, lasts = list(w.MAYOR_FIRST), list(w.SURNAMES) * 2
        rng.shuffle(firsts)
        rng.shuffle(lasts)
        for i, town in enumerate(w.TOWNS):
            mayor = firsts[i] + " " + lasts[i]
            facts = {"river": rng.choice(w.RIVERS), "mayor": mayor, "emblem": rng.choice(w.EMBLEMS),
                     "product": rng.choice(w.PRODUCTS), "flag": rng.choice(w.FLAGS)}
            for task, a in facts.items():
                put(task, town, a)
            put("mayor_town", mayor, town)
            self.towns[town] = [{"task": t, "x": town, "a": a} for t, a in facts.items()]
        for person in w.PEOPLE:
            facts = {"job": rng.choice(w.JOBS), "pet": rng.choice(w.PETS), "food": rng.choice(w.FOODS),
                     "plays": rng.choice(w.PLAYS), "lives": rng.choice(w.TOWNS)}
            for task, a in facts.items():
                put(task, person, a)
            self.people[person] = [{"task": t, "x": person, "a": a} for t, a in facts.items()]
        for a in range(21):
            for b in range(21):
                f.setdefault("add", []).append({"x": str(a), "y": str(b), "a": str(a + b)})
                if a + b <= 20:
                    f.setdefault("subtract", []).append({"x": str(a + b), "y": str(b), "a": str(a)})
        self.facts = f

    def draw(self, task, rng):
        """One item of a task: a listed fact, or a fresh one for the skills that have no list."""
        if task in self.facts:
            return rng.choice(self.facts[task])
        if task == "larger":
            a, b = rng.sample(range(100), 2)
            return {"x": str(a), "y": str(b), "a": str(max(a, b))}
        if task == "sort":
            n = rng.sample(range(100), 3)
            return {"x": ", ".join(map(str, n)), "a": ", ".join(map(str, sorted(n)))}
        if task == "reverse":
            n = rng.sample(self.nouns, 3)
            return {"x": ", ".join(n), "a": ", ".join(reversed(n))}
        raise KeyError(task)

    @staticmethod
    def key(task, fact):
        """What must not be shared between the instruction train rows and the held-out rows."""
        if task == "opposite":
            return (task,) + tuple(sorted((fact["x"], fact["a"])))
        if task == "larger" or task == "add":
            return (task,) + tuple(sorted((fact["x"], fact["y"])))
        if task == "sort" or task == "reverse":
            return (task,) + tuple(sorted(fact["x"].split(", ")))
        return (task, fact["x"], fact.get("y"))


def fill(template, fact):
    return articles(template.format(**fact))
