# Flattens a JSON document: one line for each value, its path and itself with a tab between.
#
#     {"app": {"exec": ["/bin/sh", "-c"]}}   ->   app/exec/0<TAB>/bin/sh
#                                                 app/exec/1<TAB>-c
#
# The variable `prefix` stands before each path.
#
# A backslash, newline and tab in a value are written \\, \n and \t. Ends with status 1 where it is no JSON.

function skip() {
    while (substr(text, at, 1) ~ /^[ \t\r\n]$/) at++
}

function broken() {
    bad = 1
    at = size + 1
    return ""
}

function escaped(value) {
    gsub(/\\/, "&&", value)
    gsub(/\n/, "\\n", value)
    gsub(/\t/, "\\t", value)
    return value
}

function quoted(    out, char, code) {
    out = ""
    for (at++; at <= size; at++) {
        char = substr(text, at, 1)
        if (char == "\"") { at++; return out }
        if (char != "\\") { out = out char; continue }
        char = substr(text, ++at, 1)
        if (char == "n") char = "\n"
        else if (char == "t") char = "\t"
        else if (char == "r") char = "\r"
        else if (char == "b") char = "\b"
        else if (char == "f") char = "\f"
        else if (char == "u") {
            # Of these only ASCII is translated: nothing else stands in names, paths and options.
            code = hex(substr(text, at + 1, 4))
            char = code < 128 ? sprintf("%c", code) : "\\u" substr(text, at + 1, 4)
            at += 4
        }
        out = out char
    }
    return broken()
}

function hex(digits,    i, sum) {
    sum = 0
    for (i = 1; i <= length(digits); i++) sum = sum * 16 + index("0123456789abcdef", tolower(substr(digits, i, 1))) - 1
    return sum
}

function value(path,    char, key, n, start) {
    skip()
    char = substr(text, at, 1)
    if (char == "{" || char == "[") {
        at++
        n = 0
        for (skip(); at <= size && substr(text, at, 1) !~ /^[]}]$/; skip()) {
            key = n++
            if (char == "{") {
                if (substr(text, at, 1) != "\"") return broken()
                key = quoted()
                skip()
                if (substr(text, at++, 1) != ":") return broken()
            }
            value(path == "" ? key : path "/" key)
            skip()
            if (substr(text, at, 1) == ",") at++
        }
        if (at++ > size) broken()
    } else if (char == "\"") {
        key = quoted()
        if (!bad) print prefix path "\t" escaped(key)
    } else {
        start = at
        while (substr(text, at, 1) ~ /^[-+.0-9A-Za-z]$/) at++
        if (at == start) return broken()
        print prefix path "\t" substr(text, start, at - start)
    }
}

{ text = text $0 "\n" }

END {
    size = length(text)
    at = 1
    value("")
    skip()
    exit bad || at <= size
}
