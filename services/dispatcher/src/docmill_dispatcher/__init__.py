"""Picks ready tasks fairly, publishes their hints, and reaps what was lost."""
