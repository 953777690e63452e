#!/bin/sh
# Proves who includes whom: base <- {cgroup, ns, net, image} <- runtime <- supervisor <- cli. A
# folder includes itself and what stands left of it; siblings never include each other.
#
#   tests/layering.sh [TREE]
cd "${1:-$(dirname "$0")/..}" || exit 2
find base cgroup ns net image runtime supervisor cli -name '*.[ch]' 2>/dev/null | sort |
	xargs -r grep -nHE '^[[:space:]]*#[[:space:]]*include' | awk '
BEGIN {
	may["base"] = "base"
	may["cgroup"] = "base cgroup"
	may["ns"] = "base ns"
	may["net"] = "base net"
	may["image"] = "base image"
	may["runtime"] = "base cgroup ns net image runtime"
	may["supervisor"] = may["runtime"] " supervisor"
	may["cli"] = may["supervisor"] " cli"
	n = split(may["cli"], all)
	for (i = 1; i <= n; i++)
		folder[all[i]] = 1
}
{
	split($0, part, ":")
	from = part[1]
	sub(/\/.*/, "", from)
	text = $0
	sub(/^[^:]*:[^:]*:[[:space:]]*#[[:space:]]*include[[:space:]]*/, "", text)
	quoted = text ~ /^"/
	text = substr(text, 2)
	sub(/[">].*/, "", text)
	to = text
	sub(/\/.*/, "", to)
	includes++
	# Only our own: <net/if.h> is the kernel headers, not our net/.
	if (!quoted)
		next
	place = part[1] ":" part[2]
	if (!(to in folder)) {
		print place ": \"" text "\": our headers are named from the top: \"folder/file.h\""
		bad = 1
	} else if (index(" " may[from] " ", " " to " ") == 0) {
		print place ": " from "/ must not include " to "/ (\"" text "\")"
		bad = 1
	}
}
END {
	if (!bad)
		print "layering: " includes + 0 " includes, each in order"
	exit bad
}'
