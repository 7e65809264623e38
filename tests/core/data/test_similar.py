"""No test row has a twin among the training rows, in whatever words; and different questions stay different."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data import actions as data_actions
from core.data.similar import groups as similar_groups
from core.data.similar import parts
from core.data.similar.groups import Reworded
from core.data.similar.words import words_of
from core.questions import asks_hash, canonical

TOPICS = """photosynthesis|the French Revolution|inflation|a black hole|machine learning|the water cycle|osmosis
|a mortgage|gravity|the stock market|blockchain|plate tectonics
|the immune system|a prime number|democracy|quantum entanglement
|the greenhouse effect|DNA|a volcano|jazz|an algorithm|the Roman Empire|entropy|a haiku|supply and demand
|natural selection|the Cold War|a neural network|insulin|compound interest|the big bang|a semiconductor|utilitarianism
|a recession|the placebo effect|a fjord|bread proofing|a sonnet|fiscal policy|the Doppler effect"""
ENGLISH = [topic.strip() for topic in TOPICS.replace("\n", "").split("|")]
GERMAN = "Photosynthese|Inflation|ein schwarzes Loch|maschinelles Lernen|Schwerkraft|der Treibhauseffekt|Entropie|Jazz"
CHINESE = "光合作用|通货膨胀|黑洞|机器学习|万有引力|温室效应|免疫系统|区块链"
PHRASINGS = {
    "plain": (ENGLISH, ["What is {}?", "Can you tell me what {} is?", "{}: explain", "Please define {}.", "{}?"]),
    "chatty": (
        ENGLISH,
        ["Walk me through {}", "I don't really know what {} is", "Hi! What do we mean by {}, exactly?"],
    ),
    "long": (ENGLISH, ["Give me a short overview of {}.", "How would you describe {} to a beginner?", "what's {}"]),
    "spaced": (ENGLISH, ["What is {}?", "What  is {} ?", "what is\u00a0{}", "WHAT IS {}", "“What is {}”?"]),
    "German": (
        GERMAN.split("|"),
        ["Was ist {}?", "Kannst du mir sagen, was {} ist?", "{}: bitte erklären", "Was versteht man unter {}?"],
    ),
    "French": (
        ["la photosynthèse", "un trou noir", "l'inflation", "le système immunitaire", "le jazz", "la TVA", "l'osmose"],
        ["Peux-tu m'aider à comprendre {} ?", "Donne-moi un aperçu de {}", "{} : définition simple", "C'est quoi {} ?"],
    ),
    "Spanish": (
        [
            "la fotosíntesis",
            "un agujero negro",
            "la inflación",
            "el sistema inmunitario",
            "el jazz",
            "el IVA",
            "la ósmosis",
        ],
        ["¿Me ayudas a entender {}?", "Dame un resumen breve de {}", "{}: definición", "¿En qué consiste {}?"],
    ),
    "Italian": (
        ["la fotosintesi", "un buco nero", "l'inflazione", "il sistema immunitario", "il jazz", "l'IVA", "l'osmosi"],
        ["Mi aiuti a capire {}?", "Dammi un breve riassunto di {}", "{}: definizione", "In cosa consiste {}?"],
    ),
    "Portuguese": (
        ["a fotossíntese", "um buraco negro", "a inflação", "o sistema imunitário", "o jazz", "o IVA", "a osmose"],
        ["Pode me ajudar a entender {}?", "Dê um breve resumo sobre {}", "{}: definição", "Em que consiste {}?"],
    ),
    "Chinese": (CHINESE.split("|"), ["什么是{}？", "你能告诉我{}是什么吗？", "请解释一下{}", "{}是什么意思"]),
}
COUNTRIES = ["France", "Spain", "Japan", "Brazil", "Kenya", "Norway", "Peru", "South Korea", "North Korea", "Austria"]
DIFFERENT: dict[str, list[str]] = {
    "places": [f"What is the capital of {c}?" for c in COUNTRIES],
    "attributes": [f"What is the {a} of {c}?" for c in COUNTRIES for a in ("capital", "population", "currency")],
    "kinds": [f"{w} was {n} born?" for n in ("Einstein", "Curie", "Darwin", "Bach") for w in ("When", "Where", "Why")],
    "numbers": [f"Say the number {n}." for n in range(40)],
    "sums": [f"{a}{sign}{b}" for a in range(5) for b in range(5) for sign in "+-*/"],
    "spaced sums": [f"What is {a} {sign} {b}?" for a in range(5) for b in range(5) for sign in "+-"],
    "short": ["Hi", "How are you?", "Who are you?", "What are you?", "Why?", "Thanks", "Yes", "No"],
    "one instruction": [
        f"Translate the following sentence into French.\n\nThe {a} likes the {b}"
        for a in ("cat", "baker", "king", "queen", "sailor")
        for b in ("mouse", "bread", "sea", "crown")
    ],
    "labels": [
        f"{text}\n\nLabel, one of positive, negative, neutral:"
        for text in ("I love it", "I hate it", "It broke at once", "Arrived on Monday", "Great value", "Never again")
    ],
    "code": [f"def {name}(a, b):\n    return a {sign} b" for name, sign in zip(["f", "g", "h"], "+-*", strict=True)],
    "quoted": [
        f"Translate '{w}' into French." for w in ("How are you?", "My name is", "What is it?", "Please", "I am")
    ],
    "quoted with marks": [f"Translate '{w}' into Japanese." for w in ("it's raining", "hello", "I don't know")],
    "one thing of another": [
        *(f"Rewrite the sentence using a simile. {w} is very fast." for w in ("The car", "She", "He", "My old horse")),
        *(f"Name a punctuation mark used to indicate {w}." for w in ("a question", "a pause", "possession")),
        *(f"Change this sentence grammatically. {w} seen the movie." for w in ("He have", "They has", "She have")),
        "What is the atomic mass of carbon?",
        "What is the atomic number of carbon?",
    ],
    "denied": ["Which of these is a mammal?", "Which of these is not a mammal?", "Which is a bird?"],
    "languages": ["What is C?", "What is C++?", "What is C#?", "What is R?", "What is Go?"],
    "Chinese": ["法国的首都是什么？", "西班牙的首都是什么？", "日本的首都是什么？"],
}


def groups(texts: list[str], size: int = 7):
    asked = [canonical(text) for text in texts]
    with Reworded(len(texts)) as reworded:
        for at in range(0, len(asked), size):
            reworded.add(asked[at : at + size])
    return reworded.groups(np.array([asks_hash([text]) for text in asked], np.int64))


def together(texts: list[str], size: int = 7) -> set[frozenset[str]]:
    """The texts that stand together."""
    numbers = groups(texts, size).numbers
    return {
        frozenset(t for t, n in zip(texts, numbers, strict=True) if n == number) for number in set(numbers.tolist())
    }


def imported(workspace, tmp_path, texts: list[str], **more):
    path = tmp_path / "rows.jsonl"
    rows = [{"prompt": text, "answer": f"answer {i}"} for i, text in enumerate(texts)]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    project = workspace.create_project(f"p{len(workspace.projects())}")
    version, _ = data_actions.import_file(workspace, project.id, path, **more)
    return version, workspace.examples(version.id)


@pytest.mark.parametrize("kind", PHRASINGS)
def test_no_test_row_has_a_twin_in_training(kind, workspace, tmp_path):
    topics, phrasings = PHRASINGS[kind]
    rows = [(n, phrasing.format(topic)) for n, topic in enumerate(topics) for phrasing in phrasings]
    random.Random(0).shuffle(rows)
    _, examples = imported(workspace, tmp_path, [text for _, text in rows])
    part_of: dict[int, set[str]] = {}
    for (topic, _), e in zip(rows, examples, strict=True):
        part_of.setdefault(topic, set()).add(e.split)
    assert [topics[n] for n, splits in part_of.items() if len(splits) > 1] == []


@pytest.mark.parametrize("kind", DIFFERENT)
def test_different_questions_are_not_grouped(kind):
    texts = DIFFERENT[kind]
    assert together(texts) == {frozenset([text]) for text in texts}


SLIPS = [
    ("How do I receive a parcel abroad?", "How do I recieve a parcel abroad?"),
    ("Why is the government in debt?", "Why is the goverment in debt?"),
    ("What does a necessary evil mean?", "What does a neccessary evil mean?"),
    ("Who invented the telephone?", "Who invented the telehpone?"),
]
NO_SLIPS = [
    ("How does a trial begin?", "How does a trail begin?"),
    ("What is the formula of methane?", "What is the formula of ethane?"),
    ("How is it spelt, 'receive'?", "How is it spelt, 'recieve'?"),
    ("What is cyclohexane?", "What is cyclohexene?"),
    ("Who was the emperor of Austria?", "Who was the emperor of Australia?"),
]


def test_a_slip_of_the_keyboard_makes_no_other_question():
    others = [f"{p.format(t)}" for t in ENGLISH for p in PHRASINGS["plain"][1]]
    for right, slip in SLIPS:
        for texts in ([right, slip], [*others, right, slip]):
            numbers = groups(texts).numbers
            assert numbers[-1] == numbers[-2] and (numbers == numbers[-1]).sum() == 2, slip
    usual = [f"Is it definitely so that the answer is {i}?" for i in range(6)]
    wrong = "Is it definately so that the answer is 3?"  # another letter: of words that are usual here
    assert frozenset([wrong, usual[3]]) in together([*usual, wrong])
    for one, other in NO_SLIPS:
        numbers = groups([*others, one, other]).numbers
        assert numbers[-1] != numbers[-2], other


def test_nor_among_many_others():
    different = list(dict.fromkeys(text for texts in DIFFERENT.values() for text in texts))
    numbers = groups([*different, *(p.format(t) for t in ENGLISH for p in PHRASINGS["plain"][1])]).numbers
    alike = {n for n in numbers.tolist() if (numbers[: len(different)] == n).sum() > 1}
    assert [[t for t, m in zip(different, numbers, strict=False) if m == n] for n in alike] == []


def test_a_system_prompt_makes_no_other_question(workspace, tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [
        {"prompt": f"Question about {t}", "answer": s, "system": s} for t in ENGLISH for s in ("Be brief.", "Rhyme.")
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    version, _ = data_actions.import_file(workspace, workspace.create_project("p").id, path)
    examples = workspace.examples(version.id)
    assert len({e.messages[0]["content"] for e in examples}) == 2
    assert len({(e.prompt, e.split) for e in examples}) == len(ENGLISH)


@given(seed=st.integers(0, 1000), size=st.integers(1, 100))
@settings(max_examples=15, deadline=None)
def test_groups_do_not_depend_on_the_order_of_rows(seed, size):
    texts = [p.format(t) for t in ENGLISH[:12] for p in PHRASINGS["plain"][1]] + DIFFERENT["attributes"]
    mixed = list(texts)
    random.Random(seed).shuffle(mixed)
    assert together(mixed, size) == together(texts)


def test_the_split_is_determined_by_its_seed(workspace, tmp_path):
    texts = [p.format(t) for t in ENGLISH for p in PHRASINGS["plain"][1]]
    one, again, other = (imported(workspace, tmp_path, texts, seed=seed)[0] for seed in (1, 1, 2))
    assert one.content_hash == again.content_hash != other.content_hash


def test_a_chain_swallows_nothing():
    """Each text is near the next; the last has nothing of the first."""
    chain = [" ".join(f"w{'x' * k}" for k in range(i, i + 9)) for i in range(60)]
    chain += [" ".join(f"w{'x' * k}" for k in range(i, i + 10)) for i in range(60)]
    found = groups(chain)
    assert np.bincount(np.unique(found.numbers, return_inverse=True)[1]).max() <= max(10, len(chain) // 5)
    assert found.parted > 0


def test_what_stays_similar_is_told_with_its_rows(workspace, tmp_path):
    texts = [
        f"In the play {t}, who kills the {w} in the third act before sunrise?"
        for t in ENGLISH
        for w in ("cook", "king")
    ]
    version, examples = imported(workspace, tmp_path, texts)
    similar = version.manifest["similar"]
    part = {e.row: e.split for e in examples}
    assert similar["pair_count"] >= len(similar["pairs"]) > 0 and similar["questions"] == len(texts)
    for row, other, score in similar["pairs"]:
        assert part[row] != part[other] and part[row] != "train" and 0.5 <= score <= 1
    look = parts.look(workspace.rows(version.id), version)
    assert (look.shared, look.compared, look.total) == (0, True, similar["pair_count"])
    first = look.pairs[0]
    assert [first.measures.row, first.other.row, first.score] == similar["pairs"][0]


def test_older_versions_tell_where_parts_share_questions(workspace, tmp_path):
    """They were split by a narrower definition."""
    from dataclasses import replace

    version, examples = imported(workspace, tmp_path, DIFFERENT["numbers"])
    train, test = (next(e for e in examples if e.split == s) for s in ("train", "test"))
    twin = replace(test, messages=({"role": "user", "content": f" {train.prompt.upper()} ?"},), row=99)
    manifest = {name: value for name, value in version.manifest.items() if name != "similar"}
    older = workspace.add_changed(version, manifest, {}, [twin])
    look = parts.look(workspace.rows(older.id), older)
    assert (look.shared, look.total, look.compared) == (1, 1, False)
    assert [(p.measures.row, p.other.row, p.score) for p in look.pairs] == [(99, train.row, 1.0)]


@given(st.lists(st.text("ab '\"+-3.é什么是\n\0" + "wxyz", max_size=30), max_size=8))
def test_words_of_many_texts_are_those_of_each(texts):
    texts = [canonical(text) for text in texts]
    whole = words_of(texts)
    each = [words_of([text]) for text in texts]
    assert whole.counts.tolist() == [n for one in each for n in one.counts.tolist()]
    for name in ("hashes", "figures", "quoted"):
        assert getattr(whole, name).tolist() == [n for one in each for n in getattr(one, name).tolist()]


def test_of_very_many_rows_wording_is_not_compared_and_the_import_says_so(workspace, tmp_path, monkeypatch):
    texts = [text for t in ENGLISH[:10] for text in (f"What is the price of {t}?", f"what is  the price of {t}")]
    monkeypatch.setattr(similar_groups, "MOST_ROWS", len(texts) - 1)
    version, examples = imported(workspace, tmp_path, texts)
    similar = version.manifest["similar"]
    assert similar["too_many"] and similar["pair_count"] == 0
    assert "in other words is compared up to" in parts.summary(similar)
    part = {e.row: e.split for e in examples}
    assert all(part[row] == part[row + 1] for row in range(1, len(texts), 2) if row + 1 in part)


def chats(openings: int, answers_differ: bool = False) -> list[dict]:
    """Of each opening: its first question alone, and two conversations that go on from it."""
    rows = []
    for i in range(openings):
        turns = [
            f"Tell me of the {ENGLISH[i]} number {i}.",
            f"It is {i}.",
            f"Why {i * 7}?",
            f"So {i}.",
            f"And {i}, when?",
        ]
        for n in (1, 3, 5):
            said = [*turns[:n], f"End {i}, {n}" if answers_differ else [*turns, f"Last {i}."][n]]
            messages = [{"role": ("user", "assistant")[k % 2], "content": text} for k, text in enumerate(said)]
            rows.append({"messages": [{"role": "system", "content": f"S {n}"}, *messages]})
    random.Random(1).shuffle(rows)
    return rows


@pytest.mark.parametrize("answers_differ", [False, True])
@pytest.mark.parametrize("too_many", [False, True])
def test_no_test_row_is_answered_in_the_history_of_a_training_row(
    workspace, tmp_path, monkeypatch, answers_differ, too_many
):
    monkeypatch.setattr(similar_groups, "MOST_ROWS", 5 if too_many else 1000)
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, chats(20, answers_differ))), encoding="utf-8")
    version, _ = data_actions.import_file(workspace, workspace.create_project("p").id, path)
    examples = workspace.examples(version.id)
    for test in (e for e in examples if e.split != "train"):
        asked = [m["content"] for m in test.messages if m["role"] != "system"]
        for e in (e for e in examples if e.split != test.split):
            seen = [m["content"] for m in e.messages if m["role"] != "system"]
            assert seen[: len(asked)] != asked
    assert version.manifest["similar"]["histories"] == 40
    assert "conversations with the rows that ask what" in parts.summary(version.manifest["similar"]) or too_many


def test_a_greeting_that_many_begin_with_holds_nothing_together(workspace, tmp_path):
    hello = [{"role": "user", "content": "Hi!"}, {"role": "assistant", "content": "Hello."}]
    rows = [{"messages": hello}]
    for i in range(40):
        rows.append(
            {"messages": [*hello, {"role": "user", "content": f"What is {i * i}?"}, {**hello[1], "content": "x"}]}
        )
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    version, _ = data_actions.import_file(workspace, workspace.create_project("p").id, path)
    assert version.counts == {"train": 33, "validation": 4, "test": 4}
