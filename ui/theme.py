"""The one theme: greys and ink; colour is kept for what it means (base, tuned, reference)."""

from __future__ import annotations

import gradio as gr

# For plots, which do not know the mode: middle tones that are readable on both backgrounds.
PLOT_BASE = "#6a8fc2"
PLOT_TUNED = "#dd7426"
PLOT_BETTER = "#3f9d66"
PLOT_WORSE = "#d0574c"
MUTED = "#7b8494"

SANS = ("Inter", "ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace")


def theme() -> gr.themes.Base:
    base = gr.themes.Base(
        primary_hue=gr.themes.colors.slate,
        neutral_hue=gr.themes.colors.slate,
        font=list(SANS),
        font_mono=list(MONO),
        radius_size=gr.themes.sizes.radius_md,
        spacing_size=gr.themes.sizes.spacing_md,
    )
    return base.set(
        body_background_fill="#fbfbfa",
        body_background_fill_dark="#14171c",
        body_text_color="#1f2530",
        body_text_color_dark="#e3e6eb",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_color="#e4e5e8",
        block_border_color_dark="#2c323c",
        block_label_text_color="#5a6372",
        block_label_text_color_dark="#9aa3b2",
        block_info_text_color="#5a6372",
        block_info_text_color_dark="#9aa3b2",
        block_title_text_weight="500",
        block_shadow="none",
        block_border_width="0px",
        block_padding="4px 2px",
        layout_gap="14px",
        input_border_width="1px",
        button_large_text_weight="550",
        button_large_text_size="0.95rem",
        button_large_padding="8px 16px",
        button_primary_background_fill="#1f2530",
        button_primary_background_fill_hover="#39414f",
        button_primary_background_fill_dark="#e3e6eb",
        button_primary_background_fill_hover_dark="#ffffff",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#14171c",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="#232831",
        button_secondary_background_fill_hover="#f3f3f1",
        button_secondary_background_fill_hover_dark="#2c323c",
        button_secondary_border_color="#d3d6dc",
        button_secondary_border_color_dark="#3a424f",
        button_border_width="1px",
        input_background_fill="#ffffff",
        input_background_fill_dark="#171b21",
        input_border_color="#d3d6dc",
        input_border_color_dark="#3a424f",
        checkbox_label_background_fill="#ffffff",
        checkbox_label_background_fill_dark="#1b1f26",
    )
