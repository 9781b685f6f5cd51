"""Deploys and rolls back a release with checks; needs python3, kubectl and helm only."""
