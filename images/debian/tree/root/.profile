# root's shell is dash, see finish.sh; a person who logs in gets bash.
if [ -t 0 ] && [ "$0" = -sh ] && [ -x /bin/bash ]; then
    SHELL=/bin/bash exec /bin/bash -l
fi
