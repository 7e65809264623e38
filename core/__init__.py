"""Everything Tunewright does, without a page: import rows, render, train, evaluate, review, export.

Knows nothing of Gradio or plotly. Usable headless: `python -m core --help`.
"""
