"""Suite pod: the life of containers and pods, what they may do, and how they fit in with the guest's services."""
