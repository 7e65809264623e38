"""Faults that are planted into real rows, by generators that know nothing of the checks."""

from __future__ import annotations

import base64
import html
import random
import re
from collections.abc import Callable


def misread(text: str, draw: random.Random) -> str:
    """Letters with marks are put in, and all of it is read in the wrong encoding."""
    words = ["café", "naïve", "Zürich", "“so”", "it’s", "señor", "10 €", "façade", "smörgåsbord", "– and"]
    at = draw.choice([m.end() for m in re.finditer(" ", text)] or [len(text)])
    whole = f"{text[:at]} {draw.choice(words)} {text[at:]}"
    try:
        return whole.encode().decode(draw.choice(["cp1252", "latin-1", "mac-roman"]))
    except UnicodeDecodeError:
        return whole.encode().decode("latin-1")


def cut(text: str, draw: random.Random) -> str:
    """Cut at a word, anywhere in the second half of a text of several sentences."""
    words = text.split(" ")
    return " ".join(words[: draw.randrange(len(words) // 2, len(words) - 1)]) if len(words) >= 20 else ""


def slip(text: str, draw: random.Random) -> str:
    """One letter of a long lower-case word is swapped, left out, doubled or replaced by its neighbour."""
    places = [m.span() for m in re.finditer(r"(?<![\w'])[a-z]{6,}(?![\w'])", text)]
    if not places:
        return ""
    start, end = draw.choice(places)
    word, i = text[start:end], draw.randrange(1, end - start - 2)
    near = dict(zip("qwertyuiopasdfghjklzxcvbnm", "wertyuioplsdfghjklkxcvbnmn", strict=True))
    changed = draw.choice(
        [
            word[:i] + word[i + 1] + word[i] + word[i + 2 :],
            word[:i] + word[i + 1 :],
            word[:i] + word[i] + word[i:],
            word[:i] + near[word[i]] + word[i + 1 :],
        ]
    )
    return text[:start] + changed + text[end:]


def marked_up(text: str, draw: random.Random) -> str:
    if draw.random() < 0.5:
        return html.escape(text + ' & "more"')
    lines = "</p><p>".join(text.split("\n"))
    return draw.choice([f"<p>{lines}</p>", f"<div class='x'>{text}</div>", text.replace(". ", ".<br/>") + "<br/>"])


def personal(text: str, draw: random.Random) -> str:
    digits = lambda n: "".join(draw.choices("0123456789", k=n))  # noqa: E731
    name = "".join(draw.choices("abcdefghijklmnop", k=6))
    secret = base64.b64encode(draw.randbytes(60)).decode().replace("+", "a").replace("/", "b").replace("=", "c")
    body = f"4{digits(14)}"
    check = next(d for d in "0123456789" if luhn(body + d))
    iban = digits(18)
    iban = f"DE{98 - int(iban + '131400') % 97:02d}{iban}"
    thing = draw.choice(
        [
            f"{name}.{digits(2)}@{draw.choice(['gmail.com', 'firma.de', 'mail.co.uk'])}",
            f"+49 151 {digits(4)} {digits(4)}",
            f"+44 20 7946 {digits(4)}",
            f"phone: (212) {draw.choice('23456789')}{digits(2)}-{digits(4)}",
            body + check,
            " ".join((body + check)[i : i + 4] for i in range(0, 16, 4)),
            iban,
            f"ghp_{secret[:36]}",
            f"AKIA{re.sub('[^A-Z0-9]', 'X', secret.upper())[:16]}",
            f"sk-proj-{secret[:48]}",
            f"hf_{re.sub('[^A-Za-z]', 'q', secret)[:34]}",
        ]
    )
    return f"{text} Reach it by {thing}."


def luhn(number: str) -> bool:
    total = sum(int(d) for d in number[-1::-2]) + sum(sum(divmod(2 * int(d), 10)) for d in number[-2::-2])
    return total % 10 == 0


REFUSALS = (
    "As an AI language model, I do not have personal opinions.",
    "I'm sorry, but I cannot assist with that request.",
    "I apologize, but I am unable to provide this.",
    "Unfortunately, I can't do that.",
    "Sorry, I can't help with that.",
    "I am just an AI and have no feelings.",
    "As a large language model, I cannot browse the web.",
    "Als KI-Sprachmodell habe ich keine Meinung dazu.",
    "I'm not able to discuss this topic.",
    "I must decline to answer, for it is against my guidelines.",
)
FOREIGN = (
    "Der Brief kam gestern an, aber niemand im Haus wollte ihn öffnen, bevor der Vater zurück war.",
    "La lettre est arrivée hier, mais personne dans la maison ne voulait l'ouvrir avant le retour du père.",
    "La carta llegó ayer, pero nadie en la casa quiso abrirla antes de que volviera el padre.",
    "Письмо пришло вчера, но никто в доме не хотел открывать его до возвращения отца.",
    "手紙は昨日届いたが、父が帰るまで家の誰も開けようとはしなかった。だから机の上に置いたままだった。",
    "De brief kwam gisteren aan, maar niemand in huis wilde hem openen voordat de vader terug was.",
)
FAULTS: dict[str, Callable[[str, random.Random], str]] = {
    "personal": personal,
    "empty": lambda text, draw: draw.choice(["...", "n/a", "NaN", "null", "-", "TODO", "undefined", "N.A."]),
    "unfinished": cut,
    "refusals": lambda text, draw: draw.choice(REFUSALS),
    "repetition": lambda text, draw: f"{text} " + f"{text.split('. ')[-1]} " * draw.randint(4, 9),
    "misspelling": slip,
    "encoding": misread,
    "spaces": lambda text, draw: draw.choice([f" {text}", f"{text}\n", f"\t{text}", f"{text} \n "]),
    "remnants": lambda text, draw: draw.choice(
        [f"{text}<|im_end|>", f"### Response:\n{text}", f"{text}</s>", f"[INST] {text}", f"ASSISTANT: {text}",
         f"{text}<|eot_id|>", f"{text}\n\n### Instruction:\nNext", f"{text} {{{{ name }}}}", f"{text}<end_of_turn>"]
    ),
    "markup": marked_up,
    "language": lambda text, draw: draw.choice(FOREIGN),
    "lengths": lambda text, draw: " ".join(f"word{draw.randrange(9999)}" for _ in range(draw.randint(3000, 9000))),
}  # fmt: skip
"""Check → (a clean answer, random numbers) → the same with a fault; empty where it cannot be planted."""


Row = dict[str, str]
"""prompt, answer, split."""


def written_otherwise(text: str, draw: random.Random) -> str:
    """Other case, spaces, marks at the end: nothing that a reader would call another question."""
    return draw.choice(
        [text.upper(), text.lower(), text.replace(" ", "  "), f"{text} ?", f" {text}", text.rstrip(".?!")]
    )


def asked_otherwise(text: str, draw: random.Random) -> str:
    """As other people would ask it: politely, in a hurry, with a slip of the keyboard."""
    bare = text.rstrip(".?! ")
    polite = [
        f"Please {bare[:1].lower()}{bare[1:]}.",
        f"Could you help me with this? {text}",
        f"I need to know: {text}",
    ]
    hurried = [f"{bare}, thanks", f"hey, {bare.lower()}", f"Quick question: {text}", f"{bare} – please be brief."]
    return draw.choice([*polite, *hurried, slip(text, draw) or f"Tell me: {text}"])


def another(rows: list[Row], row: Row, draw: random.Random) -> str:
    """The answer of some other row."""
    return draw.choice([r["answer"] for r in rows if r["answer"] != row["answer"]])


BETWEEN: dict[str, Callable[[list[Row], Row, random.Random], Row]] = {
    "copies": lambda rows, row, draw: {**row, "prompt": written_otherwise(row["prompt"], draw)},
    "near_copies": lambda rows, row, draw: {**row, "prompt": asked_otherwise(row["prompt"], draw)},
    "contradictions": lambda rows, row, draw: {**row, "answer": another(rows, row, draw)},
    "reworded": lambda rows, row, draw: {
        **row, "prompt": asked_otherwise(row["prompt"], draw), "answer": another(rows, row, draw)
    },
    "leaks": lambda rows, row, draw: {
        **row,
        "prompt": draw.choice([written_otherwise, asked_otherwise])(row["prompt"], draw),
        "split": "train",
    },
    "benchmarks": lambda rows, row, draw: {
        **row, "prompt": draw.choice(["{}", "Question: {}\nA. yes\nB. no", "{} Answer briefly."]).format(row["prompt"])
    },
    "label_writings": lambda rows, row, draw: {**row, "answer": draw.choice([str.upper, str.title])(row["answer"])},
    "rare_labels": lambda rows, row, draw: {**row, "answer": draw.choice(["urgent", "returned"])},
}  # fmt: skip
"""Check → (all rows, one of them, random numbers) → a row to add beside it, with a fault that only both show."""
