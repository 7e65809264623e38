"""What people see. Gradio and plotly live here and nowhere else; everything that happens is in core."""

from ui import quick_gradio

quick_gradio.install()

from ui.shell import build  # noqa: E402  # it imports Gradio

__all__ = ["build"]
