"""The Error review: a desk at which answers are read and labelled, in its tab and on a page for invited people."""
