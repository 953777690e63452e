# Reads lcov's format as llvm-cov writes it: each file's lines and branches reached, then those of the
# set-up path together, then those of all.
#
#   awk -v top=FOLDER/ -v missed=FILE -f coverage.awk coverage.info
#
# A line that holds "unreached:" and why, or a branch on it, is not counted: by construction nothing
# can get there, and what stands there is for the day when that is no longer true.

# Branches of these are to be reached, all of them: whatever a hostile root, its paths, its ids,
# capabilities, filter or mounts come by.
function is_setup(file) {
	return file ~ /^base\/path/ || file ~ /^ns\/(maps|ops_idmap|ops_userns|ops_path|ops_mount|mounts|mount_options|parse_mounts|rootfs)/ ||
		file ~ /^runtime\/(caps|seccomp)/
}
function percent(hit, all) {
	return all ? sprintf("%5.1f %% (%d of %d)", 100 * hit / all, hit, all) : "    -"
}
function line_of(file, number,    text, i) {
	if (!(file in read)) {
		read[file] = 1
		i = 0
		while ((getline text <(top file)) > 0)
			if (text ~ /unreached: ./)
				exempt[file, ++i] = 1
			else
				i++
		close(top file)
	}
	return (file, number) in exempt
}
/^SF:/ { file = substr($0, 4); sub(top, "", file); next }
/^DA:/ {
	split(substr($0, 4), a, ",")
	if (line_of(file, a[1]))
		next
	lines[file]++
	if (a[2] > 0)
		lines_hit[file]++
}
# BRDA:line,block,branch,count: the two ways of a condition are branches 0 and 1, and so on.
/^BRDA:/ {
	split(substr($0, 6), a, ",")
	if (line_of(file, a[1]))
		next
	branches[file]++
	if (a[4] != "-" && a[4] > 0)
		branches_hit[file]++
	else if (is_setup(file))
		print file ":" a[1] ": " (a[3] % 2 ? "never false" : "never true") >missed
}
END {
	for (file in lines) {
		if (file !~ /^(base|cgroup|ns|net|image|runtime|supervisor|cli)\/.*\.c$/)
			continue
		all += lines[file]; all_hit += lines_hit[file]
		allb += branches[file]; allb_hit += branches_hit[file]
		if (is_setup(file)) {
			setup += lines[file]; setup_hit += lines_hit[file]
			setupb += branches[file]; setupb_hit += branches_hit[file]
		}
		printf "%-32s lines %-24s branches %s\n", file, percent(lines_hit[file], lines[file]),
			percent(branches_hit[file], branches[file]) | "sort"
	}
	close("sort")
	printf "\n%-32s lines %-24s branches %s\n", "the set-up path", percent(setup_hit, setup),
		percent(setupb_hit, setupb)
	printf "%-32s lines %-24s branches %s\n", "all", percent(all_hit, all), percent(allb_hit, allb)
}
