"""Recognises pages and assembles documents."""
