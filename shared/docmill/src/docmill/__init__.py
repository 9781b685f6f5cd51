"""What every docmill service shares."""
