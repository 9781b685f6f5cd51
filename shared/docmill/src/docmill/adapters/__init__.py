"""One module per technology; foreign errors end here."""
