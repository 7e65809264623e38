"""What detectors suggest about two answers, what people say about them, and in which order.

Knows examples, generations and label events; knows nothing of models, jobs or pages. Detectors only suggest, people
decide. Who may read or write which project is the caller's business.
"""
