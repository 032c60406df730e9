# Makes of a pod's manifest, as lines of json.awk, what cli.awk makes of a command line; of an app's part, where it has one, a
# file NUMBER in the directory `dir`, as the lines of an image's manifest.

BEGIN { FS = "\t" }

{
    n = split($1, part, "/")
    value = substr($0, length($1) + 2)
    key = part[n]
    if (part[1] == "volumes") {
        if (key == "name") name[part[2]] = value
        else text[part[2]] = text[part[2]] "," key "=" value
    } else if (part[1] == "ports") {
        if (key == "name") port[part[2]] = value
        else if (key == "hostIP") address[part[2]] = value ":"
        else if (key == "hostPort") number[part[2]] = value
    } else if (part[1] == "apps") {
        app = "app/" part[2]
        if (part[3] == "app") print "image/" substr($1, length("apps/" part[2]) + 2) "\t" value >(dir "/" part[2])
        else if (part[3] == "name") print app "/opt/" count++ "/name\t" value
        else if (part[3] == "image" && key == "id") print app "/image\t" value
        else if (key == "readOnlyRootFS") print app "/opt/" count++ "/readonly-rootfs\t" value
        else if (part[3] == "mounts" && key == "volume") mounted[app, part[4]] = value
        else if (part[3] == "mounts" && key == "path") path[app, part[4]] = value
    }
}

END {
    for (i in name) print "opt/" count++ "/volume\t" name[i] text[i]
    for (i in port) print "opt/" count++ "/port\t" port[i] ":" address[i] number[i]
    for (i in mounted) {
        split(i, at, SUBSEP)
        print at[1] "/opt/" count++ "/mount\tvolume=" mounted[i] ",target=" path[i]
    }
}
