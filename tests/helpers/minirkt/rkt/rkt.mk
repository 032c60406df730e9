# A makefile of rkt has this name; the double has one file for all.
