"""How columns are called in public datasets. In order of preference; compared as `normal` writes them."""

from __future__ import annotations


def normal(column: str) -> str:
    """In lower case, spaces, dashes and dots as underscores."""
    return column.strip().lower().replace(" ", "_").replace("-", "_").replace(".", "_")


MESSAGES = (
    "messages",
    "conversations",
    "conversation",
    "chat",
    "dialog",
    "dialogue",
    "turns",
    "conversational",
    "utterances",
    "contents",
)
DIALOGS = ("dialog", "dialogue", "turns", "utterances")
"""Of these, what may hold bare texts, said in turn (DailyDialog)."""
SYSTEM = ("system", "system_prompt", "system_message", "system_instruction", "systeminstruction")
HISTORY = ("history", "previous_turns")
TOOLS = ("tools", "functions", "available_tools")
REASONING = ("reasoning_content", "thinking", "reasoning", "reasoning_trace", "complex_cot")
CHOSEN = ("chosen", "chosen_response", "chosen_answer", "preferred", "preferred_output")
REJECTED = (
    *("rejected", "rejected_response", "rejected_answer", "rejected_output", "dispreferred", "non_preferred_output"),
)
MARK = ("label", "mark", "rating", "feedback", "thumb", "thumbs", "good", "liked", "kto_tag")

ASKED = (
    *("instruction", "prompt", "question", "query", "user", "human", "problem", "inputs", "input_text", "user_input"),
    *("user_message", "user_prompt", "instructions", "utterance"),
)
"""A prompt, and nothing else."""
MAY_BE_ASKED = ("text", "source", "sentence", "request", "message", "content", "body", "review", "comment", "tweet")
"""A prompt where there is an answer."""
CONTEXT = ("input", "context", "passage", "document", "article", "dialogue", "choices", "options")
"""Further text of a prompt; the prompt itself where there is no other."""
ANSWERED = (
    *("output", "completion", "answer", "response", "target", "assistant", "reply", "answers", "outputs", "targets"),
    *("output_text", "target_text", "solution", "best_answer", "gpt", "model_answer", "final_answer"),
)
"""An answer, and nothing else."""
SUMMARY = ("summary", "highlights", "headline", "abstract", "tldr")
"""An answer beside a text that is known."""
LABELS = (
    *("label_text", "label_name", "label", "category", "class", "sentiment", "intent", "emotion", "topic", "labels"),
)
TEXT = ("text", "content", "document", "passage", "article")

PAIRS = (
    *(("article", "highlights"), ("article", "summary"), ("article", "abstract"), ("article", "headline")),
    *(("dialogue", "summary"), ("document", "summary"), ("text", "summary"), ("text", "headline"), ("post", "summary")),
    *(("source", "target"), ("src", "tgt"), ("input", "target"), ("question", "query"), ("question", "sql")),
    *(("sql_prompt", "sql"), ("code", "docstring"), ("func_code_string", "func_documentation_string"), ("nl", "cmd")),
    *(("complex", "simple"), ("noisy", "clean"), ("incorrect", "correct")),
)
"""Prompt and answer of public datasets (CNN/DailyMail, SAMSum, XSum, WMT, Spider …), where neither says it alone."""
TEXT_PAIRS = (
    *(("premise", "hypothesis"), ("sentence1", "sentence2"), ("sentence_1", "sentence_2"), ("question", "sentence")),
    *(("question1", "question2"), ("text1", "text2"), ("text_a", "text_b"), ("sentence_a", "sentence_b")),
    *(("claim", "evidence"), ("query", "passage"), ("question", "passage")),
)
"""Two texts that are judged together, with a label (SNLI, MRPC, QNLI, QQP, BoolQ …)."""
BESIDE = (
    *("id", "_id", "idx", "index", "uuid", "guid", "key", "row", "no", "nr", "number", "hash", "qid", "docid"),
    *("url", "uri", "link", "source", "dataset", "subset", "split", "language", "lang", "locale", "domain", "license"),
    *("date", "time", "timestamp", "created", "created_at", "updated_at", "year", "author", "user_id", "username"),
    *("file", "filename", "file_name", "path", "file_path", "metadata", "meta", "info", "tags", "tag", "model", "type"),
    *("score", "scores", "quality", "tokens", "token_count", "length", "word_count", "difficulty", "dump", "version"),
    *("section", "name", "origin", "generator", "annotator", "subject", "keywords", "category", "topic"),
    *("page", "sheet", "from_file", "from_sheet", "annotation_id", "lead_time", "record_id", "verdict", "note"),
)
"""What is written beside rows and never trained."""
MEDIA = ("image", "images", "audio", "audios", "video", "videos", "pixel_values")
"""What belongs to a row and cannot be trained with its texts."""
TITLES = ("title", "heading", "subreddit")
"""Beside a text that has an address or a number; else it may be what the text is asked for."""
NUMBERS = ("id", "_id", "url", "idx", "docid", "uri", "link", "pageid")
"""By which a text is known as one of a collection, such as Wikipedia's."""
LANGUAGES = frozenset(
    (
        *("ar", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fr", "ga", "gl", "gu"),
        *("he", "hi", "hr", "hu", "hy", "id", "is", "it", "ja", "ka", "kk", "km", "kn", "ko", "lt", "lv", "mk", "ml"),
        *("mn", "mr", "ms", "mt", "my", "nb", "ne", "nl", "nn", "no", "pa", "pl", "ps", "pt", "ro", "ru", "si", "sk"),
        *("sl", "sq", "sr", "sv", "sw", "ta", "te", "th", "tl", "tr", "uk", "ur", "uz", "vi", "zh"),
    )
)
