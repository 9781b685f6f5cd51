"""How fast docmill is: every figure beside its bare baseline, run in turns in the same minutes."""
