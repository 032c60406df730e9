#!/bin/sh
# Ignition's `setfiles` in the initramfs of the double, whose systems have no labels: it takes the list and does nothing.
exec cat >/dev/null
