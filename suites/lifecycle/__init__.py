"""What happens to a container that runs: the guest's services are restarted, and other containers come and go."""
