"""Runs the periodic jobs: retention, orphans, pruning and the invariant audit."""
