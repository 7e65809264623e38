"""The reading page: what it shows stays where a person is."""

from __future__ import annotations

import gradio as gr
import pytest

from tests.core.judge.test_actions import make_evaluation
from ui import review
from ui.page import Page


@pytest.fixture
def reading(workspace):
    """The tab as it is built: its components and its handlers."""
    with gr.Blocks() as blocks:
        state = gr.State("")
        page = Page(workspace, gr.BrowserState(""), gr.Dropdown(), gr.State(0), state, gr.State(""))
        with gr.Tab("Error review") as opened:
            review.build(page, opened)
    handlers = (getattr(fn.fn, "__wrapped__", None) for fn in blocks.fns.values())
    return next(h.__self__ for h in handlers if isinstance(getattr(h, "__self__", None), review.Review))


def test_looking_again_leaves_a_person_at_their_row(workspace, rows_file, reading):
    """A row that is labelled goes to the end of the order: whoever looked anew was at another row, with their marks."""
    job = make_evaluation(workspace, rows_file)
    first = reading.refresh("", job.project_id, None, True)
    order = first[reading.order]
    assert first[reading.at] == 0 and len(order) > 2
    reading.store("", job.id, order, 0, True, [], ["off_topic"], None, "", "")

    again = reading.refresh("", job.project_id, job.id, True, order)
    assert again[reading.order] == order
    assert "1 of" in again[reading.lead]
    for written in (reading.at, reading.prompt, reading.correction, reading.note, reading.verdict):
        assert written not in again
    # A page that is opened anew begins with what is not labelled yet.
    anew = reading.refresh("", job.project_id, None, True)
    assert anew[reading.order][-1] == order[0]
    # Another evaluation begins at its first row.
    other = make_evaluation(workspace, rows_file, "Another")
    shown = reading.refresh("", other.project_id, job.id, True, order)
    assert shown[reading.at] == 0 and reading.prompt in shown
