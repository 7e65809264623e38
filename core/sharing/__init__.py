"""What leaves the workshop: the adapter, with a card that says what it is."""
