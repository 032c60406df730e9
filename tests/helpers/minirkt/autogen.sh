#!/bin/sh
# There is nothing to generate: the configure of the double is a script.
:
