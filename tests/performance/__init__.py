"""Scripts that print ratios measured on the machine they run on. They assert nothing."""
