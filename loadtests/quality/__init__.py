"""How well pages are read, and at what cost, beside what a user would take instead."""
