"""The misspelling detector: real typos, what is no typo, languages, and rates measured on real text."""

import random
import re

import pytest

from core.review.detectors import dictionary, spelling


def misspelt(text: str, prompt: str = "", reference: str = "", taught: frozenset[str] = frozenset()) -> list[str]:
    found = spelling.check(text, taught, prompt, reference)
    assert bool(found.spans) == (found.score >= spelling.THRESHOLD)
    return [text[a:b] for a, b in found.spans]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("recieve", "receive"),
        ("freind", "friend"),
        ("definately", "definitely"),
        ("seperate", "separate"),
        ("goverment", "government"),
        ("accomodate", "accommodate"),
        ("tommorow", "tomorrow"),
        ("occured", "occurred"),
        ("wierd", "weird"),
        ("untill", "until"),
        ("teh", "the"),
        ("becuase", "because"),
        ("neccessary", "necessary"),
        ("beleive", "believe"),
        ("citys", "cities"),
    ],
)
def test_finds_common_typos_in_a_sentence(wrong, right):
    text = f"This is the way in which we {wrong} it in the morning."
    assert misspelt(text) == [wrong]
    assert f"“{wrong}”" in spelling.check(text, (), "", "").reason
    assert misspelt(text.replace(wrong, right)) == []


@pytest.mark.parametrize(
    "text",
    [
        "Use `recieve()` for this, as the manual says.",
        "Take this as an example:\n```\nthier = recieve\n```\nand that is all.",
        "Take this as an example, which is not closed:\n```\nthier recieve seperate",
        "The page is at https://example.org/recieve/thier and also at www.recieve.com for now.",
        "Please write to recieve@example.org or to me.",
        "The answer is $recieve + thier$ and that is all, or \\(thier + wierd\\) if you like.",
        "The variable recieve_all and the key recieve2 and the type recieveAll are in config.recieve now.",
        "The RECIEVE agency is what people call it.",
        "We met our friend Freind in the town of Thier last year.",
        "The tag #recieve is what they use for it.",
        "My neighbour's favourite colour is grey; she organised the programme and analysed its behaviour.",
        "They're what you'd call kids' clothes, and we've got the dog's bowl; it isn't mine.",
        "The app has a smartphone screenshot of the dataset and a chatbot for the workflow etc.",
        "She attaches the boxes, watches the dishes and passes the quizzes.",
        "I love the café and the naïve façade of it.",
    ],
)
def test_what_is_no_misspelling(text):
    assert misspelt(text) == []


def test_sentence_starts_are_checked_but_names_are_not():
    assert misspelt("Recieve the parcel, then open it.") == ["Recieve"]
    assert misspelt("The parcel came. Definately open it now.") == ["Definately"]
    assert misspelt("Then Recieve opened it. Recieve is a man with a name that is odd.") == []


def test_words_of_the_prompt_the_reference_and_the_training_rows_are_right():
    text = "The spelling of the word is freind here."
    assert misspelt(text) == ["freind"]
    assert misspelt(text, prompt="Correct this: Freind") == []
    assert misspelt(text, reference="It says freind.") == []
    assert misspelt(text, taught=frozenset({"freind"})) == []


OTHERS = {
    "es": (
        "El libro que me prestaste ayer está sobre la mesa de la cocina, pero no he tenido tiempo de leerlo.",
        ("ayer", "ayerr"),
    ),
    "fr": (
        "Je voudrais acheter un billet pour le train de demain matin, mais la gare est fermée.",
        ("acheter", "acehter"),
    ),
    "de": (
        "Der Hund läuft schnell über die Straße und sucht im Garten nach der Haushaltsleiter.",
        ("schnell", "schenll"),
    ),
    "it": (
        "Il gatto dorme sul divano mentre la mamma prepara la cena per tutta la famiglia dell'amico.",
        ("mentre", "mentrre"),
    ),
    "pt": (
        "O gato dorme no sofá enquanto a mãe prepara o jantar para toda a família.",
        ("enquanto", "enqaunto"),
    ),
}
BEFORE = "This is what the letter said when it came to the house of my brother in the spring of last year"
AFTER = "I recieved it in the morning, and we read it at once, but nobody in the house could make sense of it."


@pytest.mark.parametrize("code", OTHERS)
def test_five_other_languages_are_read_also_inside_english(code):
    text, (right, wrong) = OTHERS[code]
    assert misspelt(text) == []
    assert misspelt(text.replace(right, wrong)) == [wrong]
    assert misspelt(f"{BEFORE}: “{text}” {AFTER}") == ["recieved"]


@pytest.mark.parametrize(
    "text",
    [
        "Het was een koude dag en we liepen naar de markt om brood en kaas te kopen voor morgen.",
        "Kucing itu tidur di sofa sementara ibu memasak makan malam untuk seluruh keluarga.",
        "To jest bardzo dobry dom i on ma tam dwa koty oraz psa.",
    ],
)
def test_languages_without_a_list_are_not_judged(text):
    found = spelling.check(text, (), "", "")
    assert (found.score, found.spans) == (0.0, ())
    assert "none of the six languages" in found.reason
    assert misspelt(f"{BEFORE}: “{text}” {AFTER}") == ["recieved"]


@pytest.mark.parametrize(
    "text",
    [
        "The jewellery was mouldy from the draught, and the aluminium kerb needs a cheque for the woollen pyjamas.",
        "The paediatric ward treats leukaemia and anaemia; the manoeuvre was sceptical, and he is marvellous.",
        "It isn‘t what they´re after, and she doesnʼt mind.",
        "The infor\u00admation is im\u00adpor\u00adtant for the people of the town.",
        "This is a well-\nknown fact, and the infor-\nmation is here for the people.",
        "The cafe\u0301 is on the corner of the street, and it is a nai\u0308ve idea.",
        "The report said “freind”, which is a common mistake.",
    ],
)
def test_spellings_marks_and_parted_words_that_are_right(text):
    assert misspelt(text) == []


def test_a_misspelling_that_a_line_parts_or_a_soft_hyphen_hides_is_found():
    assert misspelt("This is the defi-\nnately right way for all of us.") == ["defi-\nnately"]
    assert misspelt("This is the de\u00adfinately right way for all of us.") == ["de\u00adfinately"]


@pytest.mark.parametrize("text", ["", " \n", "1, 2, 3", "你好，世界", "שלום עולם", "🎹🎻", "https://example.org"])
def test_texts_without_english_words_are_not_judged(text):
    found = spelling.check(text, (), "", "")
    assert (found.score, found.spans) == (0.0, ())
    assert found.reason.startswith("Not checked")


def test_badly_spelt_english_is_still_english():
    text = "Tihs sentense is writen verry badly and it has meny misteaks that you kan see hear."
    assert {"Tihs", "sentense", "writen", "verry", "misteaks"} <= set(misspelt(text))


def test_a_one_word_answer_is_judged_by_the_language_of_its_reference():
    assert misspelt("freind", reference="friend") == ["freind"]
    assert misspelt("gata", reference="gato") == []


def test_unknown_words_without_a_near_word_score_low():
    found = spelling.check("The zorblaxian and the quibnutter are in the house.", (), "", "")
    assert 0 < found.score < 0.5
    assert "unknown words: 2" in found.reason


def test_a_frequent_near_word_scores_higher_than_a_rare_one():
    assert dictionary.suggestion("becuase")[1] > dictionary.suggestion("ascetik")[1]


def test_a_wrong_first_letter_is_weaker_evidence():
    weak, strong = dictionary.suggestion("ebsurd"), dictionary.suggestion("absurt")
    assert weak[0] == strong[0] == "absurd"
    assert weak[1] < strong[1]


def test_the_dictionary_is_read_once():
    assert dictionary.counts() is dictionary.counts()


def test_work_on_unknown_words_is_bounded(monkeypatch):
    asked = []
    monkeypatch.setattr(dictionary, "suggestion", lambda word, language="en": asked.append(word) or ("", 0.1))
    letters = "bcdfghjk"
    words = [a + b + c + d for a in letters for b in letters for c in letters for d in letters]
    spelling.check(" ".join(f"this is the {w} of it." for w in words), (), "", "")
    assert len(asked) == spelling.MAX_UNKNOWN


def test_recall_on_real_misspellings_of_single_words(typos):
    """Words in the dictionary are real words (`advise` for `advice`), which the detector does not claim to find."""
    wrong = [w for words in typos.values() for w in words if w not in dictionary.counts()]
    found = [w for w in wrong if not dictionary.is_known(w) and dictionary.suggestion(w)[1] >= spelling.THRESHOLD]
    print(f"recall on {len(wrong):,} non-words one letter away: {len(found) / len(wrong):.3f}")
    assert len(wrong) > 5000
    assert len(found) / len(wrong) > 0.85


def test_recall_and_precision_in_real_sentences(instruct_rows, typos):
    """One word of a real answer is replaced by a real misspelling of it: that word and no other is marked."""
    draw, found, extra, total = random.Random(0), 0, 0, 0
    for row in instruct_rows:
        words = [m for m in re.finditer(r"\b[a-z]{3,}\b", row.target) if m.group() in typos]
        if not words or (wrong := draw.choice(typos[(word := draw.choice(words)).group()])) in dictionary.counts():
            continue
        text = row.target[: word.start()] + wrong + row.target[word.end() :]
        spans = spelling.check(text, (), row.prompt, row.target).spans
        hit = any(a <= word.start() < b for a, b in spans)
        found, extra, total = found + hit, extra + len(spans) - hit, total + 1
    print(f"recall in {total} sentences: {found / total:.3f}; other words marked: {extra}")
    assert total > 300
    assert found / total > 0.75
    assert extra <= 0.01 * total


def test_false_alarms_on_real_answers(instruct_rows, predictions):
    alarms = [r for r in instruct_rows if misspelt(r.target, r.prompt)]
    print(f"flagged training answers: {len(alarms)} of {len(instruct_rows)}")
    assert len(alarms) <= 0.005 * len(instruct_rows)
    # Half of these references have real errors (“funished”, “restauran't”); the rest are names and rare words.
    alarms = [p for p in predictions if misspelt(p["reference"], p["instruction"] + " " + p["input"])]
    print(f"flagged expert answers: {len(alarms)} of {len(predictions)}")
    assert len(alarms) <= 0.08 * len(predictions)


def test_false_alarms_on_text_that_no_threshold_was_chosen_on(questions):
    marked, words = sum(len(misspelt(q)) for q in questions), sum(len(q.split()) for q in questions)
    print(f"marked words: {marked} of {words:,}")
    assert marked <= 0.0005 * words
