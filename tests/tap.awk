# Reads TAP as tests/unit.sh and tests/integration.sh print it and counts, so that no test gets
# lost: each document lies between "# begin FILE" and "# exit STATUS FILE". A plan not
# fulfilled, a document that ran nothing, has no end or ended badly without saying why: failures.
#
#   awk -f tap.awk [-v skips=FILE] [-v ran=FILE] LOG
#
# Prints "failed: NAME" lines, then "PASSED FAILED SKIPPED". Names of skipped and of other tests
# go to the two files.
function fail(what) { failed++; here_failed++; print "failed: " what }
function end_document(status) {
	if (file == "")
		return
	if (seen < plan)
		fail(file ": " (plan - seen) " of " plan " tests did not report")
	else if (seen == 0)
		fail(file ": ran no test")
	else if (status != 0 && here_failed == 0)
		fail(file ": ended with " status)
	file = ""
}
/^# begin / {
	end_document("nothing")
	file = substr($0, 9)
	plan = seen = here_failed = 0
	next
}
/^# exit [0-9]+ / { end_document($3); next }
/^1\.\.[0-9]+$/ { plan += substr($0, 4); next }
/^(not )?ok [0-9]+ / {
	seen++
	bad = /^not /
	name = $0
	sub(/^(not )?ok [0-9]+ (- )?/, "", name)
	skip = 0
	if (name ~ /^# SKIP /) {                   # cmocka
		skip = 1
		sub(/^# SKIP /, "", name)
	} else if (!bad && match(name, /.* # skip/)) { # bats, the last one: names may hold "#"
		skip = 1
		name = substr(name, 1, RLENGTH - 7)
	}
	name = file ": " name
	if (skip) {
		skipped++
		if (skips)
			print name >skips
	} else {
		if (ran)
			print name >ran
		if (bad)
			fail(name)
		else
			passed++
	}
}
END {
	end_document("nothing")
	print passed + 0, failed + 0, skipped + 0
}
