"""The form of whoever asks a model behind an address: which, with what key, and at what price."""

from __future__ import annotations

from typing import NamedTuple

import gradio as gr

from ui import text


class EndpointForm(NamedTuple):
    endpoint: gr.Textbox
    model: gr.Textbox
    key: gr.Textbox
    prompts: gr.Number
    replies: gr.Number


def build(name: str, at_home: bool, key_info: str) -> EndpointForm:
    """`name`: of the part of the page, for the ids “tw-NAME-endpoint” and so on. `at_home`: not on a Space."""
    return EndpointForm(
        gr.Textbox(
            label="Endpoint",
            info="OpenAI-compatible; the address before /chat/completions." + ("" if at_home else text.PUBLIC_ONLY),
            placeholder="http://localhost:11434/v1" if at_home else "https://api.example.com/v1",
            max_length=500,
            elem_id=f"tw-{name}-endpoint",
        ),
        gr.Textbox(label="Model", info="As the endpoint calls it.", max_length=200, elem_id=f"tw-{name}-model"),
        gr.Textbox(label="Key", info=key_info, type="password", max_length=500, elem_id=f"tw-{name}-key"),
        gr.Number(0, label="Price of prompts", info="Per million tokens; 0: not told.", minimum=0),
        gr.Number(0, label="Price of replies", info="Per million tokens; 0: not told.", minimum=0),
    )
