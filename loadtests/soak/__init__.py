"""Everything at once: producers, failing work and a schedule of faults."""
