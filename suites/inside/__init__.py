"""A container with an older or a newer systemd than the guest's, as distributions meet on one computer."""
