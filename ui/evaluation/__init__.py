"""The Evaluation tab: its form, its result, the chat and the judge."""
