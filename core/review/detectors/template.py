"""Pieces of prompt templates that are left in a text."""

from __future__ import annotations

import re

# Headings that prompt templates write (Alpaca, Vicuna, Llama 2), and places that nothing was put into.
TEMPLATE = re.compile(
    r"<</?SYS>>|^#{2,3} ?(?:Instruction|Response|Input|System|User|Assistant) ?:?[ \t]*$"
    r"|^(?:Human|USER|ASSISTANT|Assistant|<human>|<bot>) ?:(?=\s|$)"
    r"|\{\{ ?[a-z_]{2,30} ?\}\}"
    r"|(?<![\w{$])\{(?:instruction|input|output|prompt|response|question|answer|context|text)\}",
    re.M,
)
