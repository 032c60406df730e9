# The second half of compose.awk: one function for each part of a unit (rkt 1.25's stage1/init/common/units.go).

function environment(    i) {
    set_env("AC_APP_NAME=" name)
    set_env("container=rkt")
    set_env("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    set_env("USER=root"); set_env("LOGNAME=root"); set_env("HOME=/root"); set_env("SHELL=/bin/sh")
    if (opt["inherit-env"] == "true") read_env(parent)
    for (i = 0; ("app/environment/" i "/name") in image; i++)
        set_env(image["app/environment/" i "/name"] "=" image["app/environment/" i "/value"])
    for (i = 0; i < env_files; i++) read_env(env_file[i])
    for (i = 0; i < all_envs; i++) set_env(all_env[i])
    for (i = 0; i < own_envs; i++) set_env(own_env[i])
}

function command(    i, n) {
    line = word(bin)
    exec_json = json("exec" in opt ? opt["exec"] : image["app/exec/0"])
    if (!("exec" in opt)) for (i = 1; ("app/exec/" i) in image; i++) {
        line = line " " word(image["app/exec/" i])
        exec_json = exec_json "," json(image["app/exec/" i])
    }
    for (i = 0; i < args; i++) { line = line " " word(arg[i]); exec_json = exec_json "," json(arg[i]) }
    add("Service", "ExecStart=" line)
    for (i = 0; ("app/eventHandlers/" i "/name") in image; i++) {
        line = ""
        for (n = 0; ("app/eventHandlers/" i "/exec/" n) in image; n++)
            line = line (n ? " " : "") word(image["app/eventHandlers/" i "/exec/" n])
        # Privileged since rkt 1.30 (rkt#3844): `+` is systemd's word for it.
        add("Service", (image["app/eventHandlers/" i "/name"] == "pre-start" ? "ExecStartPre=" : "ExecStopPost=") handlers line)
    }
}

function ids(    i, gids, parts) {
    user = number_of("user" in opt ? opt["user"] : "app/user" in image ? image["app/user"] : "0", "/etc/passwd")
    group = number_of("group" in opt ? opt["group"] : "app/group" in image ? image["app/group"] : "0", "/etc/group")
    gids = ""
    for (i = 0; ("app/supplementaryGIDs/" i) in image; i++) gids = gids " " image["app/supplementaryGIDs/" i]
    if ("supplementary-gids" in opt) gids = " " opt["supplementary-gids"]
    gsub(/,/, " ", gids)
    add("Service", "User=" user "\nGroup=" group)
    if (gids != "") add("Service", "SupplementaryGroups=" substr(gids, 2))
    print user, group gids >(dir "/ids")
    cwd = "working-dir" in opt ? opt["working-dir"] : "app/workingDirectory" in image ? image["app/workingDirectory"] : "/"
    add("Service", "WorkingDirectory=" cwd)
}

function read_isolators(    i, kind, value) {
    for (i = 0; ("app/isolators/" i "/name") in image; i++) {
        kind = image["app/isolators/" i "/name"]
        value = "app/isolators/" i "/value"
        if (kind == "resource/memory") memory = image[value "/limit"]
        else if (kind == "resource/cpu") cpu = image[value "/limit"]
        else if (kind == "os/linux/cpu-shares") shares = image[value]
        else if (kind == "os/linux/oom-score-adj") score = image[value]
        else if (kind == "os/linux/no-new-privileges") nnp = image[value]
        else if (kind == "os/linux/capabilities-retain-set") image_caps["caps-retain"] = words_of(i)
        else if (kind ~ /^os\/linux\/capabilities-re(move|voke)-set$/) image_caps["caps-remove"] = words_of(i)
        else if (kind ~ /^os\/linux\/seccomp-re(tain|move)-set$/) {
            filter = kind ~ /retain/ ? "retain" : "remove"
            calls = words_of(i)
            number = image[value "/errno"]
        }
    }
    if ("memory" in opt) memory = opt["memory"]
    if ("cpu" in opt) cpu = opt["cpu"]
    if ("cpu-shares" in opt) shares = opt["cpu-shares"]
    if ("oom-score-adj" in opt) score = opt["oom-score-adj"]
}

function limit(kind, value) {
    isolator(kind, "{" quote "request" quote ":" quote "0" quote "," quote "limit" quote ":" json(value) "}")
}

function resources() {
    if (memory != "") { add("Service", sprintf("MemoryLimit=%.0f", quantity(memory))); limit("resource/memory", memory) }
    if (cpu != "") { add("Service", sprintf("CPUQuota=%.0f%%", quantity(cpu) * 100)); limit("resource/cpu", cpu) }
    if (shares != "") { add("Service", "CPUShares=" shares); isolator("os/linux/cpu-shares", shares + 0) }
    if (score != "") { add("Service", "OOMScoreAdjust=" score); isolator("os/linux/oom-score-adj", score + 0) }
}

# Capabilities and system calls; sets of the image count only where the command line has none.
function rights(    set, i, parts, n, known) {
    if (caps["caps-retain"] != "" && caps["caps-remove"] != "") fail("--caps-retain and --caps-remove exclude each other")
    if (caps["caps-retain"] == "" && caps["caps-remove"] == "")
        for (i in image_caps) caps[i] = image_caps[i]
    if (caps["caps-retain"] != "") {
        set = caps["caps-retain"]
        gsub(/,/, " ", set)
        isolator("os/linux/capabilities-retain-set", set_of(set))
    } else {
        n = split(caps["caps-remove"], parts, /[ ,]+/)
        for (i = 1; i <= n; i++) known[parts[i]] = 1
        for (i = 1; i in usual; i++) if (!(("CAP_" usual[i]) in known)) set = set " CAP_" usual[i]
        if (caps["caps-remove"] != "") isolator("os/linux/capabilities-remove-set", set_of(caps["caps-remove"]))
    }
    retained = set
    if (insecure !~ /capabilities|all/) add("Service", "CapabilityBoundingSet=" set)
    if ("seccomp" in opt) {
        filter = "remove"; calls = number = ""
        n = split(opt["seccomp"], parts, ",")
        for (i = 1; i <= n; i++) {
            if (parts[i] ~ /^mode=/) filter = substr(parts[i], 6)
            else if (parts[i] ~ /^errno=/) number = substr(parts[i], 7)
            else calls = calls (calls ? " " : "") parts[i]
        }
        if (filter !~ /^(retain|remove)$/) fail("--seccomp: mode is retain or remove")
    }
    if (filter != "") isolator("os/linux/seccomp-" filter "-set", set_of(calls))
    else if (as_found("filter")) { filter = "retain"; calls = "@rkt/default-whitelist" }
    else { filter = "remove"; calls = "@rkt/default-blacklist" }
    if (insecure !~ /seccomp|all/) seccomp()
    nnp = nnp == "true" ? "true" : "false"
    # rkt's own doing, and not only systemd's: seccomp.go of stage1, forceNoNewPrivileges.
    if (as_found("filter") && user != 0 && unit["Service"] ~ /SystemCallFilter=/) nnp = "true"
    if (nnp == "true") isolator("os/linux/no-new-privileges", "true")
    add("Service", "NoNewPrivileges=" nnp)
}

# Whether something is as rkt has it, and not repaired.
function as_found(what) { return index(repaired, " " what " ") == 0 }

# The calls that rkt 1.25 allows by default, which are Docker's of 2016, as one line.
function allowed(    line, out) {
    while ((getline line <calls_file) > 0) if (line !~ /^#/) out = out " " line
    close(calls_file)
    return out
}

# rkt's own sets; where they are repaired, groups of systemd that are near to them. "all" is no filter where it is retained.
function seccomp() {
    if (as_found("filter")) gsub(/@(rkt|docker)\/default-whitelist/, allowed(), calls)
    gsub(/@rkt\/default-blacklist/, "@clock @cpu-emulation @module @obsolete @raw-io @reboot @swap", calls)
    gsub(/@(rkt|docker)\/default-whitelist/, "@system-service @mount @pkey", calls)
    gsub(/@appc.io\/empty/, "", calls)
    if (calls ~ /@appc.io\/all/) { if (filter == "retain") return; gsub(/@appc.io\/all/, "@system-service", calls) }
    if (calls ~ /^ *$/) return
    add("Service", "SystemCallFilter=" (filter == "remove" ? "~" : "") calls)
    if (number != "") add("Service", "SystemCallErrorNumber=" number)
}

function volume(text,    parts, n, i, at) {
    n = split(text, parts, ",")
    for (i = 2; i <= n; i++) {
        at = index(parts[i], "=")
        vol[parts[1], substr(parts[i], 1, at - 1)] = substr(parts[i], at + 1)
    }
    if (!((parts[1], "kind") in vol)) fail("the volume `" parts[1] "` has no kind")
}

# A link of the image leads to a place in the image, and not in the pod.
function resolved(path,    script, out) {
    script = "cd '" rootfs "' && set -f && at= IFS=/ && for part in $(printf %s '" path "'); do [ -n \"$part\" ] || continue; " \
        "if [ -h \".$at/$part\" ]; then to=$(readlink \".$at/$part\"); case $to in /*) at=$to ;; *) at=$at/$to ;; esac; " \
        "else at=$at/$part; fi; done; printf '%s\\n' \"$at\""
    script | getline out
    close(script)
    return out
}

function bind(volume_name, path, read_only,    source, ro, where) {
    if (!((volume_name, "kind") in vol)) vol[volume_name, "kind"] = "empty"
    source = vol[volume_name, "source"]
    if (vol[volume_name, "kind"] == "empty") {
        source = volumes "/" volume_name
        print volume_name "\t" (((volume_name, "mode") in vol) ? vol[volume_name, "mode"] : "0755") "\t" \
            (vol[volume_name, "uid"] + 0) ":" (vol[volume_name, "gid"] + 0) >(dir "/empty")
    }
    else if (system("[ -e '" source "' ]")) fail("stat " source ": no such file or directory")
    # What a volume says, if it says anything, replaces what the image's mount point says.
    ro = (((volume_name, "readOnly") in vol) ? vol[volume_name, "readOnly"] : read_only) == "true"
    where = "/opt/stage2/" name "/rootfs" resolved(path)
    gsub(/:/, "\\:", source)
    # systemd 241 did not hear the word (systemd#13170).
    print "--bind" (ro ? "-ro" : "") "=" source ":" where ":" \
        (vol[volume_name, "recursive"] == "false" && repaired !~ / !below / ? "norbind" : "rbind") >(dir "/binds")
    if (!ro) writable = writable " " where
    if (!system("[ -b '" vol[volume_name, "source"] "' ] || [ -c '" vol[volume_name, "source"] "' ]"))
        device(volume_name, where, ro)
    mounts_json = mounts_json (mounts_json ? "," : "") "{" quote "volume" quote ":" json(volume_name) "," \
        quote "path" quote ":" json(path) "}"
}

# rkt allows a link in its own directory, which prepare-app makes; what is not below /dev systemd ignores.
function device(volume_name, where, ro) {
    add("Service", "DeviceAllow=/dev/.rkt/" volume_name (ro ? " r" : " rw"))
    print volume_name, where >(dir "/devices")
}

function mounts(    i, j, parts, n, whose, path, name_of) {
    for (i = 0; i < volume_texts; i++) volume(volume_text[i])
    for (j = 0; j < 2; j++) {
        whose = j ? "own" : "all"
        for (i = 0; i < many["mount", whose]; i++) {
            split(list["mount", whose, i], parts, ",")
            name_of = path = ""
            for (n in parts) {
                if (parts[n] ~ /^volume=/) name_of = substr(parts[n], 8)
                if (parts[n] ~ /^target=/) path = substr(parts[n], 8)
            }
            if (!((name_of, "kind") in vol)) fail("there is no volume `" name_of "` for --mount")
            wanted[path] = name_of
        }
    }
    for (i = 0; ("app/mountPoints/" i "/name") in image; i++) {
        path = image["app/mountPoints/" i "/path"]
        if (!(path in wanted)) bind(image["app/mountPoints/" i "/name"], path, image["app/mountPoints/" i "/readOnly"])
    }
    for (path in wanted) bind(wanted[path], path, "false")
}

# --port=NAME:[IP:]PORT
function ports(    i, n, host, parts, key, at, text) {
    for (i = 0; i < port_texts; i++) {
        n = split(port_text[i], parts, ":")
        given[parts[1]] = parts[n]
        address[parts[1]] = n > 2 ? parts[2] : "0.0.0.0/0"
    }
    for (i = 0; ("app/ports/" i "/name") in image; i++) {
        at = "app/ports/" i
        key = image[at "/name"]
        text = "{" quote "name" quote ":" json(key) "," quote "protocol" quote ":" json(image[at "/protocol"]) "," \
            quote "port" quote ":" image[at "/port"] "}"
        ports_json = ports_json (ports_json ? "," : "") text
        host = key in given ? given[key] : image[at "/port"]
        if (image[at "/socketActivated"] == "true")
            socket = socket "Listen" (image[at "/protocol"] == "udp" ? "Datagram" : "Stream") "=" host "\n"
        else if (key in given)
            print image[at "/protocol"], address[key], given[key], image[at "/port"] >(dir "/forward")
    }
    if (socket != "") add("Unit", "Requires=" name ".socket\nAfter=" name ".socket")
}

function prefixed(property, paths,    parts, n, i) {
    n = split(paths, parts, " ")
    for (i = 1; i <= n; i++) add("Service", property "=-/opt/stage2/" name "/rootfs" parts[i])
}

function kernel_files() {
    read_only = opt["readonly-rootfs"] == "true"
    if (read_only) {
        n = split(writable, parts, " ")
        for (i = 1; i <= n; i++) add("Service", "ReadWriteDirectories=" parts[i])
        add("Service", "ReadOnlyDirectories=/opt/stage2/" name "/rootfs")
    }
    if (insecure ~ /paths|all/) return
    new = systemd >= 231
    prefixed(new ? "InaccessiblePaths" : "InaccessibleDirectories", "/proc/kcore /proc/kmem /proc/mem /sys/firmware" \
        (as_found("sys") ? " /proc/config.gz /proc/kallsyms /proc/sched_debug /sys/fs /sys/hypervisor /sys/module /sys/power" : ""))
    prefixed(new ? "ReadOnlyPaths" : "ReadOnlyDirectories", \
        "/proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/vm/panic_on_oom /proc/sysrq-trigger /proc/bus " \
        "/sys/block /sys/bus /sys/class /sys/dev /sys/devices /sys/kernel")
    if (systemd >= 233) add("Service", "ProtectKernelTunables=true")
    add("Service", "MountFlags=shared\nDevicePolicy=closed")
}

function write(    i, value) {
    printf "[Unit]\nDescription=Application=%s Image=%s\nDefaultDependencies=false\nWants=reaper-%s.service\n" \
        "OnFailure=halt.target\nRequires=prepare-app@%s.service sysusers.service\n" \
        "After=systemd-journald.service prepare-app@%s.service sysusers.service\n%s" \
        "[Service]\nRestart=no\nSyslogIdentifier=%s\nStandardInput=null\nStandardOutput=journal+console\n" \
        "StandardError=journal+console\nTimeoutStartSec=0\nRootDirectory=/opt/stage2/%s/rootfs\nEnvironmentFile=/rkt/env/%s\n%s", \
        name, image["name"], name, name, name, unit["Unit"], name, name, name, unit["Service"] >(dir "/units/" name ".service")
    for (i = 0; ("annotations/" i "/name") in image; i++)
        if (image["annotations/" i "/name"] == "appc.io/executor/supports-systemd-notify" \
            && image["annotations/" i "/value"] == "true") {
            print "Type=notify" >(dir "/units/" name ".service")
            print "yes" >(dir "/notify")
        }
    if (socket != "")
        printf "[Unit]\nDescription=Socket-activated ports of %s\nDefaultDependencies=false\n[Socket]\nBindIPv6Only=both\n" \
            "Service=%s.service\n%s", name, name, socket >(dir "/units/" name ".socket")
    for (i = 0; i < envs; i++) {
        value = env[env_name[i]]
        print escaped(env_name[i] "=" value) >(dir "/environ")
        env_json = env_json (i ? "," : "") "{" quote "name" quote ":" json(env_name[i]) "," quote "value" quote ":" json(value) "}"
        gsub(/["\\`$]/, "\\\\&", value)
        print env_name[i] "=" quote value quote >(dir "/env/" name)
    }
    print retained >(dir "/capabilities")
    printf "{\"name\":%s,\"image\":{\"name\":%s,\"id\":%s},\"app\":{\"exec\":[%s],\"user\":\"%s\",\"group\":\"%s\"," \
        "\"environment\":[%s],\"workingDirectory\":%s,\"ports\":[%s],\"isolators\":[%s]},\"readOnlyRootFS\":%s,\"mounts\":[%s]}", \
        json(name), json(image["name"]), json(id), exec_json, user, group, env_json, json(cwd), ports_json, isolators, \
        read_only ? "true" : "false", mounts_json >(dir "/json")
}
