"""Checks: how many planted faults each finds, and how often it cries wolf: `python -m tests.performance.checks [FILE]`

Real rows (the sample, or a file) are taken as clean; into a seeded twentieth of them one fault each is planted, by
generators that know nothing of the checks (encodings of Python, `html.escape`, keyboard slips, cutting anywhere …).
Printed of each check: false alarms on the clean rows, and precision and recall on the planted ones. Findings that the
clean rows have already count for nobody. Prints, does not assert.
"""

from __future__ import annotations

import argparse
import base64
import html
import json
import random
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "assets" / "samples" / "marrowby.jsonl"
FEW = 40
"""Faults of each kind that are planted, or a twentieth of the rows."""


def main(path: Path, seed: int) -> None:
    from core.checking import result, worker
    from core.checking.checks import CHECKS
    from core.data.actions import import_file
    from core.settings import Settings
    from core.store.workspace import open_workspace

    with tempfile.TemporaryDirectory() as folder:
        workspace = open_workspace(Settings(home=Path(folder)))
        project = workspace.create_project("Performance")
        clean, _ = import_file(workspace, project.id, path)
        began = time.perf_counter()
        worker.check(workspace, clean, lambda share, what: None)
        seconds = time.perf_counter() - began
        examples = workspace.examples(clean.id)
        numbers = [e.row for e in examples]
        print(f"{path.name}: {len(examples):,} rows, checked in {seconds:.1f} s")
        of = lambda version, name: {  # noqa: E731
            numbers[i] for i in result.places(workspace.rows_file(version.id), name).tolist() if i < len(numbers)
        }
        alarms = {name: of(clean, name) for name in CHECKS}
        print(f"  {'check':<16}{'false alarms':>14}{'planted':>9}{'recall':>8}{'precision':>11}")
        figures = {}
        for name, check in CHECKS.items():
            planted = plant(name, examples, random.Random(f"{seed} {name}"))
            rate = len(alarms[name]) / len(examples)
            line = f"  {name:<16}{rate:>13.1%} "
            figures[name] = {"false_alarms": round(rate, 4)}
            if planted:
                rows, faulty = planted
                version = workspace.add_version(project.id, name, rows, {"file": path.name})
                worker.check(workspace, version, lambda share, what: None)
                found = of(version, name) - (alarms[name] - faulty)
                hits = len(found & faulty)
                recall, precision = hits / len(faulty), hits / max(1, len(found))
                line += f"{len(faulty):>9}{recall:>8.0%}{precision:>11.0%}"
                figures[name] |= {"recall": round(recall, 3), "precision": round(precision, 3)}
            print(line + ("   not shown by default" if check.folded else ""), flush=True)
        print(json.dumps(figures))


def plant(name: str, examples: list, draw: random.Random) -> tuple[list, set[int]] | None:
    """(rows with faults of one kind, numbers of the rows that have one); None where nothing can be planted."""
    if name not in FAULTS:
        return None
    rows, faulty = list(examples), set()
    places = list(range(len(rows)))
    draw.shuffle(places)
    wanted = min(FEW, max(5, len(rows) // 20))
    for place in places:
        if len(faulty) == wanted:
            break
        answer = FAULTS[name](rows[place].target, draw)
        if answer and answer != rows[place].target:
            rows[place] = replace(rows[place], target=answer)
            faulty.add(rows[place].row)
    return (rows, faulty) if faulty else None


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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", default=SAMPLE)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    main(arguments.file, arguments.seed)
