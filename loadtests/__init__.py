"""Measurements on real parts; each prints a ratio against a bare baseline of the same run."""
