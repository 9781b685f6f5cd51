"""The REST service: takes documents in and gives results out."""
