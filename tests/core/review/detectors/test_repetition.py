"""The repetition detector: loops of every kind, what only looks like one, and rates on real outputs."""

import random

import pytest

from core.review.detectors import repetition

PROSE = (
    "The harbour was quiet that morning, and only two fishing boats had left before the fog came in. Anna counted the "
    "crates on the pier while her brother mended a net. Nobody spoke of the storm, although everyone had heard the "
    "warning on the radio. By noon the sun broke through, gulls returned to the roofs, and the first ferry blew its "
    "horn. She decided to wait for the second one, because her aunt never travelled without a large breakfast."
)
SONG = "Row the boat along the stream\nMerrily we go\nLife is nothing but a dream\nMerrily we go\n"


def never_the_same(pieces: list[str], length: int) -> list[str]:
    """A long sequence of few pieces in which no `length` of them follow each other twice (de Bruijn, greedy)."""
    sequence, seen = [pieces[0]] * (length - 1), set()
    while True:
        tail = sequence[len(sequence) - length + 1 :]
        following = next((p for p in reversed(pieces) if (*tail, p) not in seen), None)
        if following is None:
            return sequence
        seen.add((*tail, following))
        sequence.append(following)


def flagged(text: str, reference: str = "") -> bool:
    found = repetition.check(text, reference)
    assert bool(found.spans) == (found.score >= repetition.THRESHOLD)
    return found.score >= repetition.THRESHOLD


@pytest.mark.parametrize(
    "text",
    [
        PROSE + " It was very good." * 12,
        PROSE + " and so on" * 5 + " and",
        "The man walked into the room.\n" * 8,
        "very " * 40,
        "a" * 2000,
        "哈" * 60,
        "我喜欢吃苹果。" * 10,
        "🎹🎻🎼" * 20,
        "ha" * 400,
        "אני אוהב תפוחים " * 10,
        "".join(f"- Stainless Steel Measuring Cups and Spoons Set, {n}-Piece\n" for n in range(1, 40)),
        "".join(f"example_{n}\n" for n in range(100, 400)),
        "".join(f"{n}. Click on the button to add the file to the list.\n" for n in range(1, 30)),
        "Input:\nOutput:\n" * 30,
        "1. Eggs\n" + "".join(f"{n}. Bacon\n" for n in range(2, 28)),
        "Banana, " * 10,
        "Banana, " * 30 + "and that is all there is to say about this long list of yellow fruit.",
        "I like it. It is a good day now. He went. It is a good day now. She sang a song. It is a good day now.",
        "```\n" + "print(x)\n" * 30,
    ],
)
def test_loops_are_flagged(text):
    assert flagged(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "No.",
        "no no no no no",
        PROSE,
        PROSE + "\n\n" + PROSE.replace("Anna", "Maria").upper()[:120],
        "".join(f"https://example.org/questions/{n}/how-to-do-it-well\n" for n in range(30)),
        "| name | price | stock |\n" + "".join(f"| item {n} | 10 euros | 5 pieces |\n" for n in range(30)),
        "```python\n" + "".join(f"assert add({n}, 1) == {n + 1}\n" for n in range(30)) + "```\nThat is the test.",
        "Name: ____________________________________________________________",
        "The contents:\n" + "." * 300 + "\n" + "-" * 300,
        "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25",
        SONG,
        "O " * 40,
        "B-PER O O B-LOC I-LOC O O O O O O O O O O O O O O O O O O",
        "".join(f"INSERT INTO customers (id, name, city) VALUES ({n}, 'Ada {n}', 'Oslo');\n" for n in range(12)),
        "Monday: rest or walk for 20 minutes\nTuesday: run for 20 minutes\nWednesday: rest or walk for 20 minutes\n"
        "Thursday: run for 20 minutes\nFriday: rest or walk for 20 minutes\nSaturday: run for 30 minutes\n",
        "I left my coat\nBut I keep coming back to you\nBut I keep coming back to you\n\nThe radio plays our song\n"
        "But I keep coming back to you\nBut I keep coming back to you\n\nOne day I will go\nBut I keep coming back",
        "Собака бежит по улице и ищет свой мяч, который вчера потеряла в саду за домом у старой реки. " + PROSE,
    ],
)
def test_what_is_no_loop(text):
    assert not flagged(text)


def test_long_prose_in_any_script_is_not_called_uniform():
    """UTF-8 writes Cyrillic letters in two bytes and Thai ones in three, which alone makes bytes compress well."""
    draws = [f"{chr(0x430 + (i * 7 + i * i) % 32)}{chr(0x430 + (i * 11) % 32)}{i % 97}" for i in range(3000)]
    cyrillic = " ".join(word.translate({48 + d: 0x430 + 3 * d for d in range(10)}) for word in draws)
    assert not flagged(cyrillic)


def test_the_redundant_rounds_are_marked_and_counted():
    text = "I said this to him. " + "The end is near and so is the night. " * 5
    found = repetition.check(text, "")
    (start, end), *rest = found.spans
    assert not rest
    assert text[start:end].startswith("The end is near")
    assert text[:start].count("The end is near") == 1
    assert found.reason == "The last 9 words repeat 5 times."


def test_singular_words_and_characters():
    assert repetition.check("It is so " + "very " * 30, "").reason == "The last word repeats 30 times."
    assert repetition.check("x" * 100, "").reason == "The last character repeats 100 times."


def test_more_rounds_score_higher():
    scores = [repetition.check(PROSE + " Now it is time to go home." * n, "").score for n in (2, 4, 16)]
    assert scores == sorted(set(scores))


def test_lines_in_ever_new_order_are_found_and_marked():
    lines = never_the_same(["The cat sleeps", "A dog barks", "One bird sings", "Two mice hide", "My fish swims"], 2)
    found = repetition.check("\n".join(lines), "")
    assert found.reason == f"{len(lines) - 5} of {len(lines)} lines repeat an earlier line."
    assert len(found.spans) == len(lines) - 5


def test_uniform_text_without_one_repeated_sequence_is_found_and_marked():
    text = " ".join(never_the_same(["stainless", "measuring", "amazonian", "including"], 4))
    found = repetition.check(text, "")
    assert "compresses" in found.reason
    assert found.spans == ((0, len(text)),)


def test_only_the_end_of_a_very_long_text_counts():
    draw = random.Random(0)
    end = " ".join("".join(draw.choices("abcdefghijklmnop", k=7)) for _ in range(repetition.LIMIT // 8 + 1))
    assert not flagged("the loop goes on " * 60_000 + end)


def test_repetition_that_the_reference_has_too_is_right():
    song = SONG + "Hold your hat and hold your hand\nMerrily we go\nFar away is solid land\nMerrily we go\n" * 3
    assert flagged(song)
    assert not flagged(song, reference=song)
    assert flagged(song + "Merrily we go\n" * 40, reference=song)


def test_spans_of_a_long_text_point_into_it():
    text = "word" + PROSE * 600 + " the loop goes on" * 2000
    found = repetition.check(text, "")
    assert len(text) > repetition.LIMIT
    (start, end) = found.spans[0]
    assert text[start:end].startswith("the loop goes on the loop")
    assert end == len(text)


def test_rates_on_real_outputs(predictions):
    """The tuned outputs flagged here were read: each one loops, lists the same again or fills a template for ever."""
    rates = {side: sum(flagged(p[side], p["reference"]) for p in predictions) for side in ("base", "tuned")}
    alarms = sum(flagged(p["reference"]) for p in predictions)
    print(f"flagged of {len(predictions)}: base {rates['base']}, tuned {rates['tuned']}, references {alarms}")
    assert rates["base"] >= 0.95 * len(predictions)
    assert 0.05 * len(predictions) <= rates["tuned"] <= 0.125 * len(predictions)
    assert alarms == 0
