"""Decides what a file is and plans its pages."""
