"""Visible strings that more than one place uses, or that are long. Short sentences, the person's words before ours."""

TITLE = "Tunewright"
TABS = ("Data", "Tokens", "Training", "Evaluation", "Error review", "Sharing")

NO_ROWS = "There are no rows in this project yet."
NO_ROWS_NEXT = "Drop a file under “Import rows” in the Data tab."

IMPORT_HELP = (
    "Tables: CSV, Excel, JSON lines, JSON, Parquet, and exports of labelling tools. Documents: PDF, Word, Markdown and "
    "text, of which the passages become rows. Several files, or a ZIP of them, are read together. Columns are guessed; "
    "you can change them before anything is imported. What of the rows is not trained is listed."
)
PASTE_HELP = (
    "Cells copied from a spreadsheet, CSV, or JSON lines. The first line names the columns, such as prompt and answer."
)
PASTE_EXAMPLE = "prompt,answer\nWhat is the capital of France?,Paris"
HUB_HELP = (
    "Rows of a public data set of the Hugging Face Hub: its id, or the address of its page. Only the rows that you ask "
    "for are fetched, all of the newest commit, which the version remembers."
)
TEMPLATE_INFO = "In place of one prompt column: a text with columns in braces."
TEMPLATE_EXAMPLE = "Translate {text} into {language}."
SYSTEM_INFO = "Of the whole project, kept for later imports. Rows that bring no system message get it."
DELETE_HELP = "Its rows, runs, evaluations, chats and corrections go with it. Download first what you want to keep."
CHOOSE_COLUMNS = "Choose above which columns are meant; nothing is imported before."
WHICH_COLUMNS = "Choose above which columns are meant, or say that these are; nothing is imported before."
CHECKS_HELP = (
    "Looks for copies, contradictions, leaks into the test rows, answers that are cut, refuse or repeat, "
    "damaged letters, remnants of templates, personal data and more. Nothing is changed before you have seen it."
)
MENDING_HELP = (
    "The mended rows become the next version; the present one stays as it is, and this can be undone. A test row stays "
    "a test row."
)
AUGMENT_HELP = (
    "A model writes more rows, made of your training rows, your prompts or your texts. These are sent to the endpoint, "
    "or stay on this machine. Five come first, as a sample. Nobody needs to read what is a copy, asks what a test row "
    "asks, refuses, or has another form. You accept, edit or reject the others; accepted ones become training rows "
    "that say who wrote them, and never measure."
)
DRAFT_KEYS = "Keys: A accept, E edit, R reject, U undo, → or N the next, ← or P the one before. Esc leaves a text."
AUGMENT_KEY_LOCAL = "Sent to the endpoint, written nowhere. Empty: TUNEWRIGHT_AUGMENT_KEY of the environment."
MATERIAL = {
    "answer": ("Prompts to answer", "One a line. Your training rows show the model how answers are to be."),
    "document": ("Texts to ask about", "Empty lines between their parts. Empty: the training rows of plain text."),
}
KEEPING_HELP = "What you keep waits here, also after a reload, until you make a version of it."
ROWS_HELP = (
    "Keys: ↑ and ↓ choose a row, E changes it, D deletes it or takes that back, A adds one, U undoes the last. Nothing "
    "becomes part of a version before you say so."
)
ALL_ROWS = "Search or filter above to delete or move only what matches. Exported are the rows of this version."
MATCHING_ROWS = (
    "Deleted and moved rows wait above until you make a version, and can be undone. What asks the same as a moved row "
    "moves with it. Exported are the rows as this version has them."
)
SPLIT_HELP = (
    "The rows are drawn anew and become the next version; it can be undone. Frozen is what was a test row in any "
    "version of this project: it stays one, or is left out where its group is trained. A test row is never trained."
)
TOKENS_HELP = (
    "This is what the model is fed: the very same ids that training, scoring and answering use. Point at a token to "
    "see its id. Only the filled tokens are learnt; the others are shown to the model as its question. Of a "
    "conversation every answer is learnt, unless you or the row say otherwise. "
    "Keys: → or N the next row, ← or P the one before."
)
COUNTING = "Counting what each method trains …"
SPEC_HELP = (
    "Exactly what Start runs. Save it to keep or share the settings; `python -m core train --spec run-spec.json` runs "
    "the same. Where your rows lie is not part of it."
)
EVALUATION_HELP = (
    "Base and tuned answer the same frozen test rows, which were never trained. The interval says how far the "
    "difference may be luck: where it contains 0, this many rows cannot tell."
)
BENCHMARK_HELP = (
    "Better on your data can be worse elsewhere: benchmarks of general knowledge show what was forgotten. Questions, "
    "prompts and metrics are lm-evaluation-harness's own."
)
NO_BENCHMARK = "No benchmark is chosen: whether something was forgotten elsewhere will not be seen."
SHOWS_FROM = (
    "“Shows from”: the smallest difference that so many questions usually show, where one answer in ten changes. "
    "Smaller ones stay unseen."
)
AT_BEST = (
    "“At best”: the questions are by subject, and those of one subject are alike; where the subjects differ much, only "
    "larger ones show."
)
OTHER_TASKS = "Several with commas, for example piqa, winogrande."
EARLY_STOP = "As soon as the interval of its difference is narrow enough; the interval is corrected for it."
CHAT_TEMPLATE = (
    "Base models are asked plainly, as published scores are. Choose it for a chat model, or one that was tuned to chat."
)
PARTS = "25, 50 and 75 %: often most of what was learnt with less of what was forgotten. Takes several times as long."
REASONING = "For models that think before they answer, besides the longest answer. Others do not use it."
ANSWERS = "Each is asked for after what is truly said before it; intervals then count conversations. Takes longer."
LONGEST = "0: it follows the references, so that few right answers would be cut. The same on both sides."
STRENGTH_HELP = (
    "The tuned model with only a part of its adapter: 0 % is the base, 100 % is as trained. To the right: better on "
    "your rows. Upwards: better elsewhere. A point that keeps most of the right and loses little of the height may "
    "be the model to keep."
)
DETAILS_HELP = (
    "Of several metrics of the same answers some differ by luck. So one was named before the run; these are corrected "
    "for their number, and a difference is told in them only where that one has one."
)
SLICES_HELP = "The intervals are not corrected for the number of slices: of many, some differ by luck."
OVERLAP_HELP = (
    "A question counts where 13 of its words stand in a training row in their order, a shorter one where all of it "
    "does. What is only worded differently is not seen."
)
SUBJECTS_HELP = "The intervals are not corrected for the number of subjects: of 57, about three differ by luck."
COMPARE_HELP = "Finish an evaluation, then choose several here: runs, models, strengths."
CHAT_EMPTY = ("Nothing asked yet.", "Base and tuned will answer the same message here, side by side.")
CHAT_NO_RUN = ("There is nobody to talk to yet.", "Finish a run in the Training tab first.")
CHAT_HELP = (
    "Both sides answer on one copy of the weights, each with its own earlier answers before it. The model is loaded at "
    "the first message, and let go after ten idle minutes, when a training or an evaluation starts, or when the app "
    "ends. A few messages show what an answer looks like; which side is better is told by the measurements above."
)
WISHED = "Needed for the test set; the tuned model's earlier answers go with it."
JUDGE_HELP = (
    "A language model compares base and tuned with your answer, each pair twice with the sides changed over; only a "
    "verdict that stays with the side counts. The answers, questions and references are sent to the endpoint. A judge "
    "errs, too: how often it follows the place, and how far it agrees with your own labels, is told."
)
KEY_LOCAL = "Sent to the endpoint, written nowhere. Empty: TUNEWRIGHT_JUDGE_KEY of the environment."
PUBLIC_ONLY = " By https, at a public address."
KEY_SPACE = "Sent to the endpoint, written nowhere."
REVIEW_HELP = (
    "Mark what is wrong with each answer, and say which is better. Detectors mark what they suspect (✦); you decide. "
    "A label has three states: wrong, unsure, not wrong. Select words first, and the label marks that place. The sides "
    "are shuffled and called A and B until you have given your verdict. Everything is stored at once, and kept in this "
    "browser while the server is away. ? shows the keys.\n\n"
    "What is most likely wrong comes first; every fifth row is drawn at random, and rates are told of those alone. In "
    "15 % of the rows hints stay hidden, so that it can be told how far people follow them.\n\n"
    "An answer that you wrote becomes a training row of the next dataset version when you say so. Its row, and every "
    "row that asks the same, then no longer tests: whoever wrote it has seen what the model said."
)
INVITE_HELP = (
    "Whoever has the link reads and labels the answers of this review in a page of its own, and reaches nothing else. "
    "Rows are shared out, so that nobody does one twice unless you want several labels for each. They are known by the "
    "name that they choose. On your own machine start the app with LABEL_PORT=7870: at that port nothing but labelling "
    "is, while this page stays yours."
)
ERROR_LABELS = {
    "misspelling": "Misspelling",
    "repetition": "Repetition",
    "too_long": "Too long",
    "off_topic": "Off topic",
    "wrong_fact": "Wrong fact",
    "wrong_format": "Wrong format",
    "cut_off": "Cut off",
}
VERDICTS = {
    "base": "Base is better",
    "tuned": "Tuned is better",
    "tie": "Equal",
    "both_bad": "Both bad",
}


def annotator(name: str) -> str:
    """Who labelled, as pages say it: the owner of the project has no name of their own."""
    return "You" if name == "local" or name.startswith("visitor-") else name


def enough(since: int) -> str:
    return f"The last {since} labelled rows brought no new kind of error. You may stop here."
