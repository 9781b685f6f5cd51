"""The same tasks and the same faults through stock Dramatiq and through docmill."""
