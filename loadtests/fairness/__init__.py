"""What fairness promises, in figures."""
