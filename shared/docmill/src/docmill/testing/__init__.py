"""Fakes, contract suites and document makers for tests and the demo."""
