"""`docmill-admin`: the operator's command."""
