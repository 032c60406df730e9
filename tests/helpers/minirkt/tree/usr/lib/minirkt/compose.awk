# Makes of an image manifest and a command line what one app of a pod is: its unit, its environment, its part of the
# pod's manifest.
#
# Variables: app (index on the command line), name, id, rootfs (its tree in the guest), dir (where the files go),
# volumes (directory of empty volumes), systemd (version of the stage1's), insecure (words of --insecure-options),
# parent (file with the variables of the caller).
# Input: lines of cli.awk, then lines of json.awk with the image's manifest, each with `image/` before its path.
# Files: units/NAME.service, units/NAME.socket, env/NAME, environ, binds, empty, forward, notify, ids, capabilities, json.

BEGIN {
    FS = "\t"
    quote = "\""
    split("AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP " \
        "SETUID SYS_CHROOT", usual, " ")
}

$1 ~ /^image\// { image[substr($1, 7)] = plain($2); next }
$1 ~ /^opt\// { option($1, plain($2), "all"); next }
index($1, "app/" app "/opt/") == 1 { option($1, plain($2), "own"); next }
index($1, "app/" app "/arg/") == 1 { arg[args++] = plain($2) }

function plain(value,    out, at) {
    out = ""
    while (at = index(value, "\\")) {
        c = substr(value, at + 1, 1)
        out = out substr(value, 1, at - 1) (c == "n" ? "\n" : c == "t" ? "\t" : c)
        value = substr(value, at + 2)
    }
    return out value
}

function escaped(value) {
    gsub(/\\/, "&&", value)
    gsub(/\n/, "\\n", value)
    gsub(/\t/, "\\t", value)
    return value
}

function option(path, value, whose,    parts, n, key) {
    n = split(path, parts, "/")
    key = parts[n]
    if (key == "mount") list["mount", whose, many["mount", whose]++] = value
    else if (whose == "own" && key == "environment") own_env[own_envs++] = value
    else if (key == "set-env") all_env[all_envs++] = value
    else if (key == "set-env-file") env_file[env_files++] = value
    else if (key == "volume") volume_text[volume_texts++] = value
    else if (key == "port") port_text[port_texts++] = value
    else if (key ~ /^caps-/) caps[key] = caps[key] "," value
    else opt[key] = value
}

function fail(message) {
    print "rkt: " message >"/dev/stderr"
    failed = 1
    exit 254
}

function json(value) {
    gsub(/\\/, "&&", value)
    gsub(/"/, "\\\"", value)
    gsub(/\n/, "\\n", value)
    gsub(/\t/, "\\t", value)
    return quote value quote
}

# A word of a unit's command line (systemd.service(5)): no variable, no specifier.
function word(value) {
    gsub(/\\/, "&&", value)
    gsub(/"/, "\\\"", value)
    gsub(/\n/, "\\n", value)
    gsub(/\t/, "\\t", value)
    gsub(/%/, "%%", value)
    gsub(/\$/, "$$", value)
    return quote value quote
}

function set_env(pair,    at, key) {
    at = index(pair, "=")
    key = substr(pair, 1, at - 1)
    if (!(key in env)) env_name[envs++] = key
    env[key] = substr(pair, at + 1)
}

function read_env(path,    line) {
    while ((getline line <path) > 0) if (line !~ /^[ \t]*([#;]|$)/ && index(line, "=")) set_env(plain(line))
    close(path)
}

# A number of the image's own file: the third field of the line of a name; or a path's owner.
function number_of(name, file,    line, parts, found) {
    if (name ~ /^[0-9]+$/) return name
    if (name == "root") return 0
    if (name ~ /^\//) {
        line = "stat -c " (file ~ /group/ ? "%g" : "%u") " '" rootfs name "'"
        line | getline found
        close(line)
        return found
    }
    found = ""
    while ((getline line <(rootfs file)) > 0) { split(line, parts, ":"); if (parts[1] == name) found = parts[3] }
    close(rootfs file)
    if (found == "") fail("the image has no `" name "` in " file)
    return found
}

function program(path,    command, found) {
    if (path ~ /^\//) return path
    command = "IFS=:; path='" env["PATH"] "'; cd '" rootfs "' && for d in $path; do if [ -e \".$d/" path "\" ] || [ -h \".$d/" path \
        "\" ]; then echo \"$d\"; break; fi; done"
    found = ""
    command | getline found
    close(command)
    if (found == "") fail("the image has no `" path "` in " env["PATH"])
    return found "/" path
}

# A quantity of Kubernetes' resource model: 42Mi, 128M, 500m.
function quantity(text,    value, unit, power) {
    value = text + 0
    unit = text
    sub(/^[0-9.]+/, "", unit)
    if (unit == "m") return value / 1000
    power = index("KMGTP", toupper(substr(unit, 1, 1)))
    return unit == "" ? value : value * (unit ~ /i$/ ? 1024 : 1000) ^ power
}

function add(section, line) {
    unit[section] = unit[section] line "\n"
}

function isolator(kind, body) {
    isolators = isolators (isolators ? "," : "") "{" quote "name" quote ":" json(kind) "," quote "value" quote ":" body "}"
}

# The words of an isolator's value that is a set.
function words_of(at,    j, out) {
    out = ""
    for (j = 0; ("app/isolators/" at "/value/set/" j) in image; j++) out = out " " image["app/isolators/" at "/value/set/" j]
    return substr(out, 2)
}

function set_of(text,    parts, n, i, out) {
    out = ""
    n = split(text, parts, /[ ,]+/)
    for (i = 1; i <= n; i++) if (parts[i] != "") out = out (out ? "," : "") json(parts[i])
    return "{" quote "set" quote ":[" out "]}"
}

END {
    if (failed) exit 254
    environment()
    bin = program("exec" in opt ? opt["exec"] : "app/exec/0" in image ? image["app/exec/0"] : nothing())
    command()
    ids()
    read_isolators()
    resources()
    rights()
    mounts()
    ports()
    kernel_files()
    write()
}

function nothing() { fail("the image has an empty \"exec\" (try --exec=BINARY)") }
