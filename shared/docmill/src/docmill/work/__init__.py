"""The worker runtime: one way to run every stage."""
