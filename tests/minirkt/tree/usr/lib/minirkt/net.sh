# shellcheck shell=sh
# A pod's network namespace. Networks are CNI's where its plugins are in the guest; else a contained pod has loopback.

PLUGINS='/usr/lib/cni /opt/cni/bin'

# net_up NETWORKS: what --net says; sets netns, which is empty for the guest's own.
net_up() {
    netns=
    [ "$1" != host ] || return 0
    netns=cni-$uuid
    ip netns add "$netns" && ip -n "$netns" link set lo up || return
    echo "$netns" >"$pod/netns"
    : >"$pod/nets"
    [ "$1" != none ] || return 0
    number=0
    for network in $(echo "$1" | tr ',' ' '); do cni_add "$network" || return; done
}

# cni_add NAME[:ARGUMENTS]: one network, by its file in /etc/rkt/net.d or by being one of rkt's own.
cni_add() {
    plugin_of "${1%%:*}" || return
    [ -n "$plugin" ] || return 0
    arguments=
    case $1 in *:*) arguments=${1#*:} ;; esac
    echo "${1%%:*} eth$number $arguments" >>"$pod/nets"
    cni ADD "eth$number" "$arguments" >"$pod/net-$number.json" || { cat "$pod/net-$number.json" >&2; return 1; }
    number=$((number + 1))
}

# cni COMMAND INTERFACE ARGUMENTS: calls $plugin with $conf as the specification of CNI says.
cni() {
    printf '%s' "$conf" | CNI_VERSION=0.1.0 CNI_COMMAND=$1 CNI_CONTAINERID=$uuid CNI_NETNS=/var/run/netns/$netns \
        CNI_IFNAME=$2 CNI_ARGS=$3 CNI_PATH="$CONFIG/net.d:$(echo "$PLUGINS" | tr ' ' ':')" "$plugin"
}

# plugin_of NAME: sets conf, type and plugin; plugin is empty where one of rkt's own networks has no plugin here.
plugin_of() {
    conf='' own=''
    for file in "$CONFIG"/net.d/*.conf; do
        [ -e "$file" ] || continue
        awk -f "$LIBRARY/json.awk" "$file" | grep -qx "name	$1" && conf=$(cat "$file") && break
    done
    [ -n "$conf" ] || case $1 in
    default)
        own=yes
        conf='{"cniVersion":"0.3.1","name":"default","type":"ptp","ipMasq":true,"ipam":{"type":"host-local",
            "subnet":"172.16.28.0/24","routes":[{"dst":"0.0.0.0/0"}]}}'
        ;;
    default-restricted)
        own=yes
        conf='{"cniVersion":"0.3.1","name":"default-restricted","type":"ptp","ipMasq":false,
            "ipam":{"type":"host-local","subnet":"172.17.0.0/26"}}'
        ;;
    *) echo "rkt: no network named $1 in $CONFIG/net.d" >&2; return 1 ;;
    esac
    type=$(printf '%s' "$conf" | awk -f "$LIBRARY/json.awk" | sed -n 's/^type	//p')
    plugin=
    for directory in $PLUGINS; do [ ! -x "$directory/$type" ] || { plugin=$directory/$type; break; }; done
    [ -n "$plugin$own" ] || { echo "rkt: the network $1 needs the CNI plugin $type" >&2; return 1; }
}

# Gives back what the networks of a pod took: addresses, interfaces, rules, and its namespace.
net_down() {
    read -r netns 2>/dev/null <"$pod/netns" || return 0
    while read -r name interface arguments; do
        plugin_of "$name" && [ -n "$plugin" ] && cni DEL "$interface" "$arguments" >/dev/null
    done <"$pod/nets"
    [ ! -e "/run/netns/$netns" ] || ip netns delete "$netns"
}

# The networks of a pod as JSON (rkt's netinfo).
networks() {
    [ -s "$pod/nets" ] || return 0
    printf ',"networks":['
    comma='' number=0
    while read -r name interface arguments; do
        address=$(awk -f "$LIBRARY/json.awk" "$pod/net-$number.json" |
            sed -n 's#^\(ips/0/address\|ip4/ip\)	\([^/]*\).*#\2#p' | head -n 1)
        printf '%s{"netName":"%s","netConf":"","ifName":"%s","ip":"%s","args":"%s","mask":""}' \
            "$comma" "$name" "$interface" "$address" "$arguments"
        comma=, number=$((number + 1))
    done <"$pod/nets"
    printf ']'
}
