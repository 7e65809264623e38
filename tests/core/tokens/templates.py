"""The layouts of chat templates that real models bring, with the tiny vocabulary's control tokens in place of theirs.

What matters to rendering is kept: where BOS stands, what is trimmed, how roles are named, what ends a turn.
"""

BOS, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA3 = (
    "{{ '<|endoftext|>' }}{% for m in messages %}"
    "{{ '<|im_start|>' + m['role'] + '<|im_start|>\n\n' + m['content'] | trim + '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_start|>\n\n' }}{% endif %}"
)
GEMMA = (
    "{{ '<|endoftext|>' }}{% for m in messages %}{% if m['role'] == 'assistant' %}{% set role = 'model' %}{% else %}"
    "{% set role = m['role'] %}{% endif %}{{ '<|im_start|>' + role + '\n' + m['content'] | trim + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>model\n' }}{% endif %}"
)
MISTRAL = (
    "{{ '<|endoftext|>' }}{% for m in messages %}"
    "{% if m['role'] == 'user' %}{{ ' [INST] ' + m['content'] + ' [/INST]' }}"
    "{% elif m['role'] == 'system' %}{{ m['content'] }}{% else %}{{ ' ' + m['content'] + '<|im_end|>' }}{% endif %}"
    "{% endfor %}"
)
ZEPHYR = (
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ '<|user|>\n' + m['content'] + '<|im_end|>\n' }}"
    "{% elif m['role'] == 'system' %}{{ '<|system|>\n' + m['content'] + '<|im_end|>\n' }}"
    "{% else %}{{ '<|assistant|>\n' + m['content'] + '<|im_end|>\n' }}{% endif %}"
    "{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}"
)
# Looks at the text: no fast path may be taken.
THINKING = (
    "{% for m in messages %}{% set text = m['content'] %}"
    "{% if '</think>' in text %}{% set text = text.split('</think>')[-1] %}{% endif %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + text + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

REAL = {"chatml": CHATML, "llama3": LLAMA3, "gemma": GEMMA, "mistral": MISTRAL, "zephyr": ZEPHYR, "none": None}
