# shellcheck shell=sh
# From a command line to a pod in the place `prepare` or `prepared`.

# prepare ARGUMENTS: makes the pod, with its lock held as descriptor 9; sets pod, uuid.
prepare() {
    read -r uuid </proc/sys/kernel/random/uuid
    pod=$DATA/pods/embryo/$uuid
    mkdir "$pod" || exit 254
    exec 9<"$pod" && flock --exclusive 9 || exit 254
    mv "$pod" "$DATA/pods/prepare/$uuid" && pod=$DATA/pods/prepare/$uuid || exit 254
    awk -v command="$command" -f "$LIBRARY/cli.awk" x "$@" >"$pod/cli" || abandon
    # Before anything else is prepared: of a pod that cannot be prepared the file has the UUID, too.
    pod_option uuid-file-save
    [ -z "$value" ] || printf '%s' "$uuid" >"$value" || abandon
    date +%s >"$pod/created"
    env >"$pod/parent-env"
    mkdir "$pod/appsinfo" "$pod/sharedVolumes"
    pod_option pod-manifest
    [ -z "$value" ] || read_manifest "$value" >>"$pod/cli" || abandon
    systemd_version
    while IFS='	' read -r key image; do
        case $key in
        app/*/image)
            key=${key#app/}
            unescaped "$image"
            (prepare_app "${key%/image}" "$value") || abandon
            ;;
        esac
    done <"$pod/cli"
    # With real ids of the guest only: a stage1 that is the guest's own tree cannot be given to other ids.
    pod_option private-users
    [ "$value" != true ] || { echo "rkt: minirkt has no --private-users" >&2; abandon; }
    pod_manifest >"$pod/pod"
}

# read_manifest FILE: a pod's manifest as words of a command line, and its apps' parts in the directory manifest.
read_manifest() {
    mkdir "$pod/manifest" && [ -r "$1" ] && awk -f "$LIBRARY/json.awk" "$1" >"$pod/manifest/flat" ||
        fail "the pod manifest $1 cannot be read, or is no JSON"
    awk -v dir="$pod/manifest" -f "$LIBRARY/manifest.awk" "$pod/manifest/flat"
}

# A pod that could not be prepared stays where it is, unlocked: its state is "aborted prepare".
abandon() {
    exit 254
}

# pod_option NAME: the last value that the command line gave it; sets value.
pod_option() {
    last=''
    while IFS='	' read -r key value; do
        case $key in opt/*/"$1") last=$value ;; esac
    done <"$pod/cli"
    unescaped "$last"
}

# pod_options NAME: all of its values, a line each.
pod_options() {
    while IFS='	' read -r key value; do
        case $key in opt/*/"$1") printf '%s\n' "$value" ;; esac
    done <"$pod/cli"
}

prepare_app() {
    image_of "$2"
    name=''
    while IFS='	' read -r key value; do
        case $key in app/"$1"/opt/*/name) name=$value ;; esac
    done <"$pod/cli"
    # An image's name is a path with a host; the app's is its last part.
    [ -n "$name" ] || { name_of_image "$DATA/cas/tree/$id" && name=${image_name##*/}; }
    app=$pod/appsinfo/$name
    mkdir "$app" 2>/dev/null || fail "the pod has two apps named $name; --name tells them apart"
    echo "$name" >>"$pod/apps"
    echo "$id" >"$app/treeStoreID"
    flat=$DATA/cas/tree/$id/flat
    if [ -e "$pod/manifest/$1" ]; then
        sed -n '/^image\/name\t/p' "$flat" >>"$pod/manifest/$1" && flat=$pod/manifest/$1
    fi
    mkdir "$app/units" "$app/env" && ln -s "$DATA/cas/tree/$id/manifest" "$app/manifest"
    awk -v app="$1" -v name="$name" -v id="$id" -v rootfs="$DATA/cas/tree/$id/rootfs" -v dir="$app" \
        -v volumes="$DATA/pods/run/$uuid/sharedVolumes" -v systemd="$version" -v insecure="$INSECURE" \
        -v parent="$pod/parent-env" -v repaired=" $repaired " -v handlers="$(! since 30 || echo +)" \
        -v calls_file="$LIBRARY/calls" \
        -f "$LIBRARY/compose.awk" -f "$LIBRARY/compose2.awk" "$pod/cli" "$flat" || exit 254
    [ ! -e "$app/empty" ] || while IFS='	' read -r volume mode owner; do
        mkdir -p "$pod/sharedVolumes/$volume"
        chown "$owner" "$pod/sharedVolumes/$volume" && chmod "$mode" "$pod/sharedVolumes/$volume"
    done <"$app/empty"
}

pod_manifest() {
    printf '{"acVersion":"0.8.11","acKind":"PodManifest","apps":['
    comma=''
    while read -r name; do
        printf '%s' "$comma" && cat "$pod/appsinfo/$name/json" && comma=,
    done <"$pod/apps"
    printf '],"volumes":['
    comma=''
    pod_options volume | while IFS= read -r text; do
        unescaped "$text"
        text=$value
        printf '%s{"name":%s' "$comma" "$(json_string "${text%%,*}")"
        printf ',%s' "${text#*,}" | tr ',' '\n' | sed -n 's/^\([a-zA-Z]*\)=\(true\|false\)$/,"\1":\2/p;t;s/^\([a-zA-Z]*\)=\(.*\)$/,"\1":"\2"/p' | tr -d '\n'
        printf '}'
        comma=,
    done
    printf '],"isolators":[],"annotations":[{"name":"coreos.com/rkt/stage1/version","value":"%s"}],"ports":[' "$VERSION"
    comma=''
    pod_options port | while IFS= read -r text; do
        host=${text#*:}
        case $host in *:*) host=",\"hostIP\":\"${host%:*}\"" ;; *) host='' ;; esac
        printf '%s{"name":"%s","hostPort":%s%s}' "$comma" "${text%%:*}" "${text##*:}" "$host"
        comma=,
    done
    printf ']}\n'
}

command_prepare() {
    prepare "$@"
    mv "$pod" "$DATA/pods/prepared/$uuid" && echo "$uuid"
}
