# Reads the command line of `rkt run` and `rkt prepare` (the variable `command`), given as its arguments, and writes what it says as lines of
# a name and a value with a tab between; a backslash, newline and tab in a value are written \\, \n and \t.
#
#     opt/N/NAME VALUE         the N-th option that holds for the pod
#     app/I/image IMAGE        the I-th image, from 0; and what was said after it:
#     app/I/opt/N/NAME VALUE
#     app/I/arg/N WORD

function escaped(value) {
    gsub(/\\/, "&&", value)
    gsub(/\n/, "\\n", value)
    gsub(/\t/, "\\t", value)
    return value
}

function fail(message) {
    print "rkt: " message >"/dev/stderr"
    status = 254
    exit status
}

BEGIN {
    split("annotation caps-remove caps-retain cpu cpu-shares environment exec group mount name oom-score-adj " \
        "readonly-rootfs seccomp signature stderr stdin stdout supplementary-gids user user-annotation user-label " \
        "working-dir memory", names, " ")
    for (i in names) per_app[names[i]] = 1
    split("dns dns-domain dns-opt dns-search hostname hosts-entry ipc net pod-manifest port pull-policy set-env " \
        "set-env-file stage1-from-dir stage1-hash stage1-name stage1-path stage1-url uuid-file-save volume", names, " ")
    for (i in names) per_pod[names[i]] = 1
    # What rkt's prepare.go of 1.25 does not have.
    if (command == "prepare") {
        n = split("net hostname dns dns-domain dns-opt dns-search hosts-entry uuid-file-save", names, " ")
        for (i = 1; i <= n; i++) delete per_pod[names[i]]
    }
    split("inherit-env interactive mds-register no-overlay no-store private-users store-only quiet", names, " ")
    for (i in names) flag[names[i]] = 1
    if (command == "prepare") { delete flag["mds-register"]; delete flag["interactive"] }

    app = -1
    for (i = 2; i < ARGC; i++) {
        word = ARGV[i]
        if (word == "--") {
            if (app < 0) fail("`--` stands before the first image")
            for (n = 0; ++i < ARGC && ARGV[i] != "---"; n++) print "app/" app "/arg/" n "\t" escaped(ARGV[i])
        } else if (word ~ /^--./) {
            name = substr(word, 3)
            at = index(name, "=")
            value = at ? substr(name, at + 1) : ""
            if (at) name = substr(name, 1, at - 1)
            if (!(name in per_app) && !(name in per_pod) && !(name in flag)) fail("unknown flag: --" name)
            if (name in flag) { if (!at) value = "true" }
            else if (name == "net") { if (!at) value = "default" }
            else if (name == "readonly-rootfs" && !at) value = "true"
            else if (!at) {
                if (++i >= ARGC) fail("flag needs an argument: --" name)
                value = ARGV[i]
            }
            manifest = manifest || name == "pod-manifest"
            # What of an app stands before any image is one of none (rkt/run.go, rkt/prepare.go).
            conflicting = conflicting || name ~ /^(volume|mount|port|set-env|set-env-file|inherit-env|no-store|store-only)$/ ||
                (name == "pull-policy" && value != "new")
            if (app >= 0 && name in per_app) print "app/" app "/opt/" count++ "/" name "\t" escaped(value)
            else if (name in per_app && name != "mount") fail("--" name " must follow an image")
            else print "opt/" count++ "/" name "\t" escaped(value)
        } else print "app/" ++app "/image\t" escaped(word)
    }
    if (manifest && (app >= 0 || conflicting)) fail("conflicting flags set with --pod-manifest (see --help)")
    if (app < 0 && !manifest) fail("must provide at least one image or specify the pod manifest")
    exit 0
}
