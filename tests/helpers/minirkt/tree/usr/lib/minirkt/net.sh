# shellcheck shell=sh
# A pod's network namespace and the networks that CNI's plugins make in it, in the manner of rkt's
# Documentation/networking. A pod's directory has `netns` (where the namespace is), `nets` (a line "NUMBER NAME
# ARGUMENTS" for each network that the pod is in), and net/NUMBER.conf and .json: what a plugin was told and has said.

# Where rkt looks besides net.d; its stage1 brings its own, and so the double takes copies when it is installed: whatever is done
# to the guest's plugins later does nothing to it. Those of rkt are of 2016 and 2017, and these are the guest's.
PLUGINS=/usr/lib/rkt/plugins/net

take_plugins() {
    [ -z "$MINIRKT_LIBRARY" ] && [ -d /usr/lib/cni ] && [ ! -d "$PLUGINS" ] && mkdir -p "$PLUGINS" 2>/dev/null || return 0
    for plugin in bridge dhcp host-local ipvlan macvlan ptp; do
        [ ! -e "/usr/lib/cni/$plugin" ] || cp -L "/usr/lib/cni/$plugin" "$PLUGINS/" || exit 254
    done
}

# net_up NETWORKS: what --net says, separated by commas; sets netns, which is empty for the guest's own.
net_up() {
    netns='' reversed=''
    set_chains
    case ,$1, in *,host,*) return 0 ;; esac
    # As CNI's library calls it: by random numbers.
    read -r netns </proc/sys/kernel/random/uuid && netns=cni-$netns
    ip netns add "$netns" && ip -n "$netns" link set lo up || return
    printf '%s' "/var/run/netns/$netns" >"$pod/netns"
    mkdir "$pod/net"
    : >"$pod/nets"
    case ,$1, in *,none,*) ;; *) load_networks "$(echo "$1" | tr ',' ' ')" || return ;; esac
    { join_networks && forward_ports; } || {
        net_leave
        return 1
    }
}

# The pod's own chains in the table nat.
set_chains() {
    dnat=RKT-PFWD-DNAT-$(printf '%.8s' "$uuid")
    snat=RKT-PFWD-SNAT-${dnat##*-}
}

# wanted NAME WORDS: whether one of the words of --net is this network; sets arguments.
wanted() {
    for word in $2; do
        arguments=
        case $word in *:*) arguments=${word#*:} ;; esac
        case ${word%%:*} in "$1" | all) return 0 ;; esac
    done
    return 1
}

# load_networks WORDS: net/NUMBER.conf and a line of `load` for each network, in the order of the files.
load_networks() {
    number=0 names=
    for file in "$CONFIG"/net.d/*.conf; do
        [ -e "$file" ] || continue
        name=$(value_of name <"$file")
        case " $names " in *" $name "*) continue ;; esac
        ! wanted "$name" "$1" || load "$name" <"$file"
    done
    # One of rkt's own is there in any case; without its plugin in the guest the double makes none.
    case " $names " in
    *' default '* | *' default-restricted '*) ;;
    *)
        own=default-restricted more=
        ! wanted default "$1" || own=default
        [ "$own" = default-restricted ] || more=',"routes":[{"dst":"0.0.0.0/0"}]'
        subnet=172.17.0.0/26 masquerade=false
        [ "$own" = default-restricted ] || subnet=172.16.28.0/24 masquerade=true
        wanted "$own" "$1" || arguments=
        if plugin_for ptp; then
            printf '{"name":"%s","type":"ptp","ipMasq":%s,"ipam":{"type":"host-local","subnet":"%s"%s}}\n' \
                "$own" "$masquerade" "$subnet" "$more" | load "$own"
        fi
        names="$names $own"
        ;;
    esac
    for word in $1; do
        case " $names all " in *" ${word%%:*} "*) ;; *) echo "rkt: networks not found: ${word%%:*}" >&2 && return 1 ;; esac
    done
}

# load NAME: takes the configuration on standard input.
load() {
    cat >"$pod/net/$number.conf"
    echo "$number $1 $arguments" >>"$pod/net/load"
    names="$names $1" number=$((number + 1))
}

join_networks() {
    [ -e "$pod/net/load" ] || return 0
    while read -r number name arguments; do
        cni ADD "$number" "$arguments" >"$pod/net/$number.json" || {
            echo "rkt: error adding network \"$name\": $(value_of msg <"$pod/net/$number.json")" >&2
            return 1
        }
        echo "$number $name $arguments" >>"$pod/nets"
        # The first network that has name servers wins.
        [ -s "$pod/dns" ] || dns_of "$name" <"$pod/net/$number.json" >"$pod/dns"
    done <"$pod/net/load"
}

# value_of PATH: a member of the JSON on standard input.
value_of() {
    awk -f "$LIBRARY/json.awk" | sed -n "s#^$1	##p"
}

# plugin_for TYPE: sets plugin.
plugin_for() {
    for directory in "$CONFIG/net.d" "$PLUGINS"; do
        plugin=$directory/$1
        [ ! -x "$plugin" ] || return 0
    done
    return 1
}

# cni COMMAND NUMBER ARGUMENTS: calls a network's plugin as the specification of CNI says.
cni() {
    type=$(value_of type <"$pod/net/$2.conf")
    plugin_for "$type" || { echo "rkt: could not find plugin \"$type\"" >&2 && return 1; }
    CNI_VERSION=0.1.0 CNI_COMMAND=$1 CNI_CONTAINERID=$uuid CNI_NETNS=/var/run/netns/$netns CNI_IFNAME=eth$2 \
        CNI_ARGS=$3 CNI_PATH="$CONFIG/net.d:$PLUGINS" "$plugin" <"$pod/net/$2.conf"
}

# Ports of the guest lead to the first network that is masqueraded, or else to the last one.
forward_ports() {
    cat "$pod"/appsinfo/*/forward >"$pod/forward" 2>/dev/null
    [ -s "$pod/forward" ] || { rm -f "$pod/forward" && return; }
    [ -s "$pod/nets" ] || { echo 'rkt: no networks found' >&2 && rm "$pod/forward" && return 1; }
    while read -r each _; do
        number=$each
        [ "$(value_of ipMasq <"$pod/net/$number.conf")" != true ] || break
    done <"$pod/nets"
    address=$(value_of ip4/ip <"$pod/net/$number.json")
    gateway=$(value_of ip4/gateway <"$pod/net/$number.json")
    # So that packets from 127.0.0.1 may leave by the interface that has the gateway's address.
    ip -o address show to "$gateway" | while read -r _ link _; do
        echo 1 >"/proc/sys/net/ipv4/conf/$link/route_localnet"
    done
    {
        printf '*nat\n:%s - [0:0]\n:%s - [0:0]\n' "$dnat" "$snat"
        leading_rules I
        while read -r protocol host port inside; do
            echo "-A $dnat -d $host -p $protocol --dport $port -j DNAT --to-destination ${address%/*}:$inside"
            echo "-A $snat -p $protocol -s 127.0.0.1 -d ${address%/*} --dport $inside -j MASQUERADE"
        done <"$pod/forward"
        echo COMMIT
    } | nat || { rm "$pod/forward" && return 1; }
}

# leading_rules COMMAND: the rules that lead to the pod's own chains, inserted (I) or deleted (D).
leading_rules() {
    echo "-$1 POSTROUTING -s 127.0.0.1 ! -d 127.0.0.1 -j $snat"
    echo "-$1 PREROUTING -m addrtype --dst-type LOCAL -j $dnat"
    echo "-$1 OUTPUT -m addrtype --dst-type LOCAL -j $dnat"
}

# Changes the guest's table nat; Debian calls the program by the second name where its alternatives are not set up.
nat() {
    for program in iptables-restore iptables-nft-restore; do
        ! command -v "$program" >/dev/null || { "$program" --noflush && return; }
    done
    echo 'rkt: ports could not be forwarded with iptables' >&2
    return 1
}

# Leaves the networks of a pod, the last one first: rules, interfaces, addresses.
net_leave() {
    [ ! -e "$pod/forward" ] || {
        echo '*nat' && leading_rules D && printf -- '-F %s\n-X %s\n' "$dnat" "$dnat" "$snat" "$snat" && echo COMMIT
    } | nat
    rm -f "$pod/forward"
    while read -r line; do reversed="$line
$reversed"; done <"$pod/nets"
    echo "$reversed" | while read -r number _ arguments; do
        [ -z "$number" ] || cni DEL "$number" "$arguments" >/dev/null
    done
    : >"$pod/nets"
}

# Gives back what the networks of a pod took, and its namespace.
net_down() {
    [ -e "$pod/nets" ] || return 0
    set_chains
    reversed=''
    netns=$(cat "$pod/netns") && netns=${netns##*/}
    net_leave
    [ ! -e "/run/netns/$netns" ] || ip netns delete "$netns"
}

# The networks of a pod as JSON (rkt's netinfo).
networks() {
    [ -s "$pod/nets" ] || return 0
    printf ',"networks":['
    comma=''
    while read -r number name arguments; do
        address=$(value_of ip4/ip <"$pod/net/$number.json")
        printf '%s{"netName":"%s","netConf":"net/%s.conf","ifName":"eth%s","ip":"%s","args":"%s","mask":""}' \
            "$comma" "$name" "$number" "$number" "${address%/*}" "$arguments"
        comma=,
    done <"$pod/nets"
    printf ']'
}
