#!/usr/bin/env bats
# native only: what the machines offer differs by their kernels, and the test machine has no script(1)
# The hostile program of tests/tools/reach.c as a job: nothing more than docs/security.md says.

bats_require_minimum_version 1.5.0
load helpers

setup() {
	need_root
	cd "$BATS_TEST_TMPDIR" || return
}

# documented COLUMN: "NAME<tab>ANSWER", as the program says it.
documented() {
	awk -F ' *[|] *' -v title="$1" '
		/^<!-- reach:begin/ { on = 1 }
		/^<!-- reach:end/ { on = 0 }
		on && /^\| \|/ { for (i = 3; i < NF; i++) if ($i == title) column = i; next }
		on && /^\| [^|]/ { print $2 "\t" ($column == "" ? "no" : $column) }' "$TOP/docs/security.md"
}

# more_than DOCUMENTED SEEN: what was reached and should not be, or is not said. Numbers of files are
# the kernel's: none stays none, and many stay about as many.
more_than() {
	awk -F '\t' 'NR == FNR { said[$1] = $2; next }
		!($1 in said) { print "not in the table: " $0; next }
		{ seen[$1] = 1 }
		$1 ~ /^files of/ { if ($2 > said[$1] * 1.5) print $0 ", documented: " said[$1]; next }
		$2 != said[$1] { print $0 ", documented: " said[$1] }
		END { for (name in said) if (!(name in seen)) print "not tried: " name }' "$1" "$2"
}

@test "what a job reaches is what docs/security.md says, and no more" {
	export TMPDIR=$BATS_TEST_TMPDIR
	mkdir answers
	"$TOP/tests/reach.sh" --only "$PWD/answers" job compute dev like_docker
	for name in job compute dev like_docker; do
		documented "\`${name#like_}\`" >said
		[ "$(wc -l <said)" -ge 40 ]
		more_than said "answers/$name" >beyond
		[ ! -s beyond ] || { echo "$name:"; cat beyond; false; }
	done
}
