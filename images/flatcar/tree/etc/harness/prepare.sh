#!/bin/sh
# Before the harness's sshd starts: the host's key, and the network as the kernel's command line says,
# harness.network=ADDRESS/PREFIX,GATEWAY.
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

# One kind, as others cost a second each to make or in every handshake.
key=/etc/harness/ssh_host_ed25519_key
[ -e $key ] || ssh-keygen -q -t ed25519 -N '' -C guest -f $key
mkdir -p /var/empty

for word in $(cat /proc/cmdline); do
    case $word in harness.network=*) network=${word#*=} ;; esac
done
n=300
until [ -e /sys/class/net/eth0 ]; do
    [ $((n -= 1)) -gt 0 ] || exit
    sleep 0.1
done
ip link set lo up
ip link set eth0 up
ip address replace "${network%,*}" dev eth0
ip route replace default via "${network#*,}"
echo "harness guest: the network is up" >/dev/console
