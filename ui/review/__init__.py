"""The Error review: answers are read and labelled at a desk, by its owner in the tab and by others on a page apart."""
