"""What is around the code: the local stack, charts, dashboards and rules."""
