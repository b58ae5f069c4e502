"""What outlives a process: records of a service, of the whole host, and orders given by hand. Atomic files, and locks."""

RUN, VAR = "/run/nvkeep", "/var/lib/nvkeep"
