"""What people see. Gradio and plotly live here and nowhere else; everything that happens is in core."""

from ui.shell import build

__all__ = ["build"]
