"""Suite cgroup: where controllers are mounted, where containers' processes are, and that limits are in force."""
