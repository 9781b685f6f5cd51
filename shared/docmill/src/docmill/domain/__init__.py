"""Data and rules of docmill; standard library only."""
