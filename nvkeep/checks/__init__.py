"""What is checked before it is needed: whether this host could serve (`readiness`), whether the hosts agree (`consistency`)."""
