# shellcheck shell=sh
# The store of images, and whom it trusts.

# fetch_file FILE: puts an ACI into the store; sets id.
fetch_file() {
    verify "$1"
    hash=$(sha512sum <"$1") || exit 254
    id=$(printf 'sha512-%.64s' "$hash")
    [ ! -d "$DATA/cas/tree/$id" ] || return 0
    tree=$(mktemp -d "$DATA/cas/tmp.XXXXXX") && chmod 0755 "$tree" || exit 254
    tar -C "$tree" --numeric-owner -xf "$1" || fail "$1 is no image: tar cannot read it"
    [ -d "$tree/rootfs" ] && [ -f "$tree/manifest" ] || fail "$1 is no image: it has no manifest and rootfs"
    awk -v prefix=image/ -f "$LIBRARY/json.awk" "$tree/manifest" >"$tree/flat" ||
        fail "$1 is no image: its manifest is no JSON"
    name_of_image "$tree"
    [ "$kind" = ImageManifest ] || fail "$1 is no image: acKind is not ImageManifest"
    ln -f "$1" "$DATA/cas/blob/$id" 2>/dev/null || cp "$1" "$DATA/cas/blob/$id"
    mv "$tree" "$DATA/cas/tree/$id" 2>/dev/null || rm -rf "$tree"
    # The database: id, name, time.
    echo "$id $image_name $(date +%s)" >>"$DATA/cas/db/images"
}

# name_of_image TREE: sets image_name and kind.
name_of_image() {
    image_name='' kind=''
    while IFS='	' read -r key value; do
        case $key in
        image/name) image_name=$value ;;
        image/acKind) kind=$value ;;
        esac
    done <"$1/flat"
}

# Signatures are checked by gpgv, against the keys that are trusted.
verify() {
    case ,$INSECURE, in *,image,* | *,all,* | *,all-fetch,*) return ;; esac
    [ -e "$1.asc" ] || fail "$1: no signature: $1.asc does not exist"
    command -v gpgv >/dev/null || fail "$1: signatures need gpgv here; --insecure-options=image does without"
    for key in "$CONFIG"/trustedkeys/root.d/* "$CONFIG"/trustedkeys/prefix.d/*/* "$CONFIG"/trustedkeys/prefix.d/*/*/*; do
        [ -f "$key" ] && gpgv --keyring "$key" "$1.asc" "$1" 2>/dev/null && return
    done
    fail "$1: the signature is by no trusted key"
}

# image_of WORD: a file, a URL of a file, an id or its beginning, or a name in the store; sets id.
image_of() {
    case $1 in
    file://*) fetch_file "${1#file://}" ;;
    sha512-*)
        id=
        for found in "$DATA/cas/tree/$1"*; do [ ! -d "$found" ] || id=${found##*/}; done
        [ -n "$id" ] || fail "no image with the id $1 in the store"
        ;;
    *)
        if [ -f "$1" ]; then fetch_file "$1"; else
            id=$(grep -F " ${1%%:*} " "$DATA/cas/db/images" 2>/dev/null | tail -n 1)
            id=${id%% *}
            [ -n "$id" ] || fail "$1 is no file and no image in the store; minirkt has no discovery"
        fi
        ;;
    esac
}

command_fetch() {
    for word; do
        case $word in
        -*) ;;
        *) image_of "$word" && echo "$id" ;;
        esac
    done
}

command_image() {
    case $1 in
    list) cat "$DATA/cas/db/images" 2>/dev/null ;;
    cat-manifest) image_of "$2" && cat "$DATA/cas/tree/$id/manifest" ;;
    rm)
        shift
        for word; do
            image_of "$word"
            rm -rf "$DATA/cas/tree/$id" "$DATA/cas/blob/$id"
            sed -i "/^$id /d" "$DATA/cas/db/images"
            echo "successfully removed aci for image: \"$id\""
        done
        ;;
    *) fail "minirkt has no \`image $1\`" ;;
    esac
    :
}

# The fingerprint of a binary OpenPGP key, version 4 (RFC 4880, 12.2): SHA-1 of 0x99, the length, the packet's body.
fingerprint() {
    set -- "$1" "$(od -An -tu1 -N6 "$1")"
    # shellcheck disable=SC2086 # the numbers are words
    set -- "$1" $2
    case $2 in
    153) head=3 size=$(($3 * 256 + $4)) ;;
    152) head=2 size=$3 ;;
    198) if [ "$3" -lt 192 ]; then head=2 size=$3; else head=3 size=$((($3 - 192) * 256 + $4 + 192)); fi ;;
    *) fail "$1 is no binary OpenPGP public key" ;;
    esac
    {
        printf "\\231\\$(printf %03o $((size / 256)))\\$(printf %03o $((size % 256)))"
        tail -c +$((head + 1)) "$1" | head -c "$size"
    } | sha1sum | cut -d ' ' -f 1
}

command_trust() {
    prefix='' root='' key=''
    for word; do
        case $word in
        --prefix=*) prefix=${word#*=} ;;
        --root | --root=true) root=yes ;;
        -*) ;;
        *) key=$word ;;
        esac
    done
    [ -n "$prefix$root" ] || fail "--root required for non-prefixed keys"
    [ -n "$key" ] || fail "minirkt has no discovery of keys: name a file"
    print=$(fingerprint "$key") && [ -n "$print" ] || exit 254
    directory=$CONFIG/trustedkeys/root.d
    [ -z "$prefix" ] || directory=$CONFIG/trustedkeys/prefix.d/$prefix
    mkdir -p "$directory" && cp "$key" "$directory/$print" || exit 254
    if [ -n "$prefix" ]; then echo "Added key for prefix \"$prefix\" at \"$directory/$print\""
    else echo "Added root key at \"$directory/$print\""; fi
}
