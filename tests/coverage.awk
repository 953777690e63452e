# Reads lcov's format as llvm-cov writes it: each file's lines and branches reached, then those of the
# set-up path together, then those of all.
#
#   awk -v top=FOLDER/ -v missed=FILE -v exceptions=FILE [-v gate=1] -f coverage.awk coverage.info
#
# A branch of the set-up path that nothing can take stands in tests/coverage.exceptions with the reason;
# it is counted apart, and one that is taken after all, or no longer there, is told. With gate=1 it fails
# when anything else of the set-up path is missed, or fewer than 90 % of all lines are reached.

# Branches of these are to be reached, all of them: whatever a hostile root, its paths, its ids,
# capabilities, filter or mounts come by.
function is_setup(file) {
	return file ~ /^base\/(path|ids)/ || file ~ /^runtime\/(caps|seccomp)/ ||
		file ~ /^ns\/(copy_up|dev|hot|inject|maps|mount|ops_(idmap|mask|mount|path|symlink|userns)|overlay|parse|rootfs)/
}
function percent(hit, all) {
	return all ? sprintf("%5.1f %% (%d of %d)", 100 * hit / all, hit, all) : "    -"
}
# What stands there, without its indent.
function line_of(file, number,    text, i) {
	if (!(file in read)) {
		read[file] = 1
		for (i = 1; (getline text <(top file)) > 0; i++) {
			gsub(/^[ \t]+|[ \t]+$/, "", text)
			source[file, i] = text
		}
		close(top file)
	}
	return source[file, number]
}
# "FILE|never true|SOURCE LINE|REASON"
BEGIN {
	while ((getline text <exceptions) > 0) {
		if (text ~ /^#/ || split(text, a, "|") < 4)
			continue
		excepted[a[1], a[2], a[3]] = a[4]
	}
}
/^SF:/ { file = substr($0, 4); sub(top, "", file); next }
/^DA:/ {
	split(substr($0, 4), a, ",")
	lines[file]++
	if (a[2] > 0)
		lines_hit[file]++
}
# BRDA:line,block,branch,count: the two ways of a condition are branches 0 and 1, and so on.
/^BRDA:/ {
	split(substr($0, 6), a, ",")
	branches[file]++
	if (a[4] != "-" && a[4] > 0) {
		branches_hit[file]++
	} else if (is_setup(file)) {
		way = a[3] % 2 ? "never false" : "never true"
		text = line_of(file, a[1])
		if ((file, way, text) in excepted) {
			branches[file]--
			used[file, way, text] = 1
			said[++reasons] = file ":" a[1] ": " way ": " excepted[file, way, text]
		} else {
			print file ":" a[1] ": " way ": " text >missed
		}
	}
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
	for (i = 1; i <= reasons; i++)
		print "not counted: " said[i]
	for (key in excepted)
		if (!(key in used)) {
			split(key, a, SUBSEP)
			print "not an exception any more: " a[1] ": " a[2] ": " a[3]
			failed = 1
		}
	if (setupb_hit < setupb || all_hit < 0.9 * all) {
		print "too little: of the set-up path every branch is to be reached, of all lines 90 %"
		failed = 1
	}
	exit gate && failed
}
