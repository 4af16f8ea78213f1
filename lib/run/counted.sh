#!/bin/sh
# Print the paths of the counted code: what a stranger needs to train, restore and score, with all that it includes.
# usage: counted.sh [GENERATED]...      (from the top; sources that the build generates, DIR/gen/NAME)
#
# From the roots on, a file brings what it includes; a header x.h brings x.c, each x_*.c without a header of its own,
# and each generated source that includes it first.  Every file of lib/gpt must be brought, or be named here with the
# reason why nobody needs it.
set -eu

roots='lib/work/solo.c'

# generate        continues a prompt
# resume          saves and loads a training that is interrupted
# numerics        tells machines' arithmetic apart, for the receipts
# schedule_read   reads the metrics that a replay follows
without='generate numerics resume schedule_read'

# All sources there are, then the closure in one awk.
printf "%s\n" lib/*/*.[ch] lib/*/*.def "$@" | awk -v roots="$roots" -v without="$without" '
function wrong(text) { print "counted.sh: " text > "/dev/stderr"; bad = 1 }
function bring(path) { if (!(path in brought)) { brought[path] = 1; queue[++last] = path } }
# The name as an include gives it: without the folder that is searched.
function name_of(path) {
	return substr(path, index(path, "/gen/") ? index(path, "/gen/") + 5 : 5)
}
# What a line includes of ours, or "".
function included(line,    part) {
	return line ~ /^[ \t]*#[ \t]*include[ \t]*"/ && split(line, part, "\"") > 1 ? part[2] : ""
}
# The header that a source belongs to: x.h, or the longest x.h of its folder that x_*.c begins with, or "".
function header_of(name,    stem, line, found) {
	if (path_of[name] !~ /^lib\//) {
		while (found == "" && (getline line < path_of[name]) > 0)
			found = included(line)
		close(path_of[name])
		return found
	}
	for (stem = substr(name, 1, length(name) - 2); stem != ""; ) {
		if ((stem ".h") in path_of)
			return stem ".h"
		if (!match(stem, /_[^_\/]*$/))
			return ""
		stem = substr(stem, 1, RSTART - 1)
	}
	return ""
}
{ path_of[name_of($0)] = $0 }
END {
	for (name in path_of)
		if (name ~ /\.c$/ && (header = header_of(name)) != "")
			sources[header] = sources[header] " " name
	n = split(roots, list, " ")
	for (i = 1; i <= n; i++)
		bring(list[i])
	for (next_one = 1; next_one <= last; next_one++) {
		file = queue[next_one]
		while ((got = (getline line < file)) > 0) {
			if ((name = included(line)) == "")
				continue
			if (!(name in path_of)) {
				wrong(file " includes " name ", which is not there")
				continue
			}
			bring(path_of[name])
			n = split(sources[name], list, " ")
			for (i = 1; i <= n; i++)
				bring(path_of[list[i]])
		}
		if (got < 0)
			wrong("cannot read " file)
		close(file)
	}
	n = split(without, list, " ")
	for (i = 1; i <= n; i++) {
		file = "lib/gpt/" list[i]
		apart[file ".c"] = apart[file ".h"] = 1
		if ((file ".c") in brought || (file ".h") in brought)
			wrong(file " is needed after all")
		if (!(name_of(file ".c") in path_of))
			wrong(file ".c is named here, but is not there")
	}
	for (name in path_of)
		if (path_of[name] ~ /^lib\/gpt\// && !(path_of[name] in brought) && !(path_of[name] in apart))
			wrong(path_of[name] " is neither counted nor named here as not needed")
	if (bad)
		exit 1
	for (file in brought)
		print file | "LC_ALL=C sort"
}'
