"""A container that has booted all of a system: its services, what machined and journald do with it, and its users."""
