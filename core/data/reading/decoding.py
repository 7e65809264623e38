"""A file's bytes → its text, in pieces. UTF-8, UTF-16 and UTF-32 are recognised; of another encoding it is said which
it may be, with words as they would be read, and a person chooses.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from core.data.reading import table, unpacking
from core.data.reading.table import Source
from core.errors import UserError

_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16's, with which it begins
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
COMMON = ("cp1252", "cp1250", "cp1251", "mac_roman")
"""Offered besides what the bytes look like, where they can be read so."""
NAMES = {
    **{"cp1252": "Windows-1252", "cp1250": "Windows-1250", "cp1251": "Windows-1251", "mac_roman": "Mac Roman"},
    **{"cp1253": "Windows-1253", "cp1254": "Windows-1254", "cp1255": "Windows-1255", "cp1256": "Windows-1256"},
    **{"gb18030": "GB 18030", "big5": "Big5", "cp932": "Shift JIS", "cp949": "EUC-KR", "koi8_r": "KOI8-R"},
}
MOST_OFFERED = 6
_OF_NO_FILE = ("idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined")
"""What Python calls encodings, and no file is written in."""
_LETTERS = re.compile(r"[^\s,;|\"“”]*[^\x00-\x7f][^\s,;|\"“”]*")
_BEYOND = re.compile(rb"[^\n]*[\x80-\xff][^\n]*\n?")
_ESCAPED = re.compile("[\udc80-\udcff]")


class TooLong(UserError):
    """More letters than a row may have."""


class UnknownEncoding(UserError):
    """The text is in an encoding that a person has to choose."""

    def __init__(self, message: str, offered: dict[str, str]) -> None:
        super().__init__(message)
        self.offered = offered
        """Encoding → words of the file as they would be read; the most likely first."""


def text_pieces(source: Source) -> Iterator[str]:
    """The text of a file, about PIECE bytes at a time and cut behind an end of line only: see `decoded_pieces`.

    Raises UserError for a line longer than LONGEST_ROW.
    """
    waiting: list[str] = []
    line = length = 0
    for text in decoded_pieces(source):
        end = text.rfind("\n") + 1
        if end:
            whole = "".join((*waiting, text[:end]))
            yield whole
            line += whole.count("\n")
            waiting, length = [text[end:]], len(text) - end
        else:
            waiting.append(text)
            length += len(text)
        if length > table.LONGEST_ROW:
            raise too_long(source.name, line + 1)
    if rest := "".join(waiting):
        yield rest


def too_long(name: str, line: int) -> TooLong:
    return TooLong(
        f"“{name}”: what begins in line {line:,} has more than {table.LONGEST_ROW / 1e6:,.0f} million letters, the "
        "limit of one row. Part it into rows: plain text by empty lines."
    )


def decoded_pieces(source: Source) -> Iterator[str]:
    """The text of a file, PIECE bytes at a time, cut anywhere. Raises UserError, naming the line, for what is none."""
    encoding = source.encoding or recognised(unpacking.beginning(source, 1 << 16))
    decoder = codecs.getincrementaldecoder("utf-8-sig" if _is_utf8(encoding) else encoding)()
    source.reading.encoding = encoding.removesuffix("-sig")
    lines, beyond_ascii = 0, False
    for data in _and_end(unpacking.pieces(source)):
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeError as e:
            raise _undecodable(source, encoding, e, lines, beyond_ascii) from e
        if "\0" in text:
            line = lines + text.count("\n", 0, text.index("\0")) + 1
            raise UserError(
                f"“{source.name}” holds a NUL byte in line {line}: it is not a text file. Export it as text again."
            )
        lines += text.count("\n")
        beyond_ascii = beyond_ascii or not text.isascii()
        if text:
            yield text


def _and_end(pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield from pieces
    yield b""


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


def recognised(data: bytes) -> str:
    """The encoding that the beginning of a text shows: by its mark, else by where its zero bytes stand."""
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return encoding
    if b"\0" not in data:
        return "utf-8-sig"
    # In UTF-16 and UTF-32 line ends, quotes and separators are written with zero bytes, whatever the language is.
    # What could be UTF-8, too, must be mostly ASCII; in Chinese one letter of fifty may be.
    best, encoding = 0.5 if _decodes(data) else 0.02, "utf-8-sig"
    for candidate, width in (("utf-32-le", 4), ("utf-32-be", 4), ("utf-16-le", 2), ("utf-16-be", 2)):
        try:
            text = data[: len(data) // width * width].decode(candidate)
        except UnicodeDecodeError as e:
            if e.start < len(data) - 8:
                continue
            text = data[: e.start].decode(candidate)  # the sample ends within a pair of surrogates
        share = sum(c.isascii() and (c.isprintable() or c in "\t\r\n") for c in text) / max(1, len(text))
        if len(text) > 1 and "\0" not in text and share > best:
            best, encoding = share, candidate
    return encoding


def _decodes(data: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return False
    return True


def require_encoding(name: str) -> str:
    """Python's name of a text encoding. Raises UserError for another."""
    try:
        info = codecs.lookup(name)
        "a".encode(info.name)  # refused by what encodes no text, e.g. base64
        if info.name in _OF_NO_FILE:
            raise LookupError(name)
    except (LookupError, UnicodeError) as e:
        raise UserError(
            f"There is no text encoding “{name}”. Common ones: utf-8, windows-1252, windows-1250, windows-1251, "
            "mac-roman, utf-16-le, gb18030, shift-jis."
        ) from e
    return info.name


def title(encoding: str) -> str:
    return NAMES.get(encoding, encoding.replace("_", "-").upper())


def flag(encoding: str) -> str:
    """As it is named on the command line."""
    return title(encoding).lower().replace(" ", "-")


def _undecodable(source: Source, encoding: str, error: UnicodeError, lines: int, beyond_ascii: bool) -> UserError:
    what = title(encoding.removesuffix("-sig"))
    if not isinstance(error, UnicodeDecodeError):
        return UserError(f"“{source.name}” cannot be read as {what}: {error}. Choose another encoding.")
    data, start = error.object, error.start
    line = lines + data[:start].count(b"\n") + 1
    there = f"“{source.name}” is not {what} text: line {line:,} holds the byte 0x{data[start]:02X}"
    if source.encoding:
        return UnknownEncoding(f"{there}, which stands for nothing in it. Choose another encoding.", _offered(data))
    if not _is_utf8(encoding):
        return UserError(f"{there}. It is broken or cut off: save it as UTF-8 and import it again.")
    text = data.decode("utf-8", "surrogateescape")
    broken = len(_ESCAPED.findall(text))
    if beyond_ascii or sum(not c.isascii() for c in text) > 2 * broken:
        near = data[max(0, start - 20) : start + 20].decode("utf-8", "replace").replace("\n", " ")
        return UserError(
            f"{there}, near “{near}”, while most of it is. Texts of two encodings stand in one file, or it is cut off: "
            "correct that place and import it again."
        )
    offered = _offered(data[data.rfind(b"\n", 0, start) + 1 :])
    if not offered:
        return UserError(f"{there}. Save it as UTF-8 (in Excel: “CSV UTF-8”) and import it again.")
    best = next(iter(offered))
    return UnknownEncoding(
        f"{there}. It seems to be {title(best)}: {offered[best]}. If these words are right, choose that encoding "
        f"(on the command line: --encoding {flag(best)}); or save the file as UTF-8 (in Excel: “CSV UTF-8”) and import "
        "it again.",
        offered,
    )


def _offered(data: bytes) -> dict[str, str]:
    """Encodings that the bytes may be in → three words with letters beyond ASCII."""
    import charset_normalizer

    sample = b"".join(m.group() for m in _BEYOND.finditer(data[: 1 << 18]))[: 1 << 15]
    guesses = [match.encoding for match in charset_normalizer.from_bytes(sample)]
    likely = [encoding for encoding in guesses if encoding == guesses[0] or encoding in NAMES]
    # Short Latin texts are taken for any of their encodings; that of Western Windows is by far the most frequent.
    if not likely or _is_latin(sample, likely[0]):
        likely.insert(0, COMMON[0])
    offered: dict[str, str] = {}
    for encoding in dict.fromkeys((*likely, *COMMON)):
        if len(offered) == MOST_OFFERED or _is_utf8(encoding):
            break
        try:
            text = sample.decode(encoding)
        except UnicodeDecodeError as e:
            if e.end < len(sample) - 4:
                continue
            text = sample[: e.start].decode(encoding)
        words = list(dict.fromkeys(word[:16] for word in _LETTERS.findall(text)))[:3]
        shown = ", ".join(f"“{word}”" for word in words)
        if words and all(c.isprintable() for word in words for c in word) and shown not in offered.values():
            offered[encoding] = shown
    return offered


def _is_latin(sample: bytes, encoding: str) -> bool:
    letters = [c for c in sample.decode(encoding, "replace") if not c.isascii() and c.isalpha()]
    return sum(c < "\u0250" for c in letters) * 2 >= len(letters)
