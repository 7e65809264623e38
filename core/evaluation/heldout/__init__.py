"""Base against tuned on rows that were never trained: loss, answers, labels, slices."""
