"""The Error review: the desk at which answers are labelled, in its tab and for invited people."""
