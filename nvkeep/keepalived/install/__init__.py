"""Installing nvkeep's part of keepalived's configuration beside other people's: candidate, conflicts, checks, installer."""
