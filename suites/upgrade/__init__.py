"""What becomes of a guest, and of the containers that run in it, when its systemd is upgraded in place."""
