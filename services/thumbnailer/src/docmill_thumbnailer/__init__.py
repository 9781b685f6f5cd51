"""Draws thumbnails."""
