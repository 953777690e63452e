# What the tests of pages share: each command of a page, and the words it says that it prints.

# each_command FUNCTION: the page's text on stdin, its blocks indented by four, commands after "$ ". FUNCTION
# gets the command, and the words. Their number is in $count.
each_command() {
	local line command='' words=''
	count=0
	while IFS= read -r line; do
		case $line in
		'    $ '*)
			[ -z "$command" ] || "$1" "$command" "$words"
			command=${line#'    $ '} words='' count=$((count + 1))
			;;
		'    '*)
			if [[ $command == *\\ ]]; then
				command=${command%\\}${line#'    '}
			else
				words+=${line#'    '}$'\n'
			fi
			;;
		esac
	done
	"$1" "$command" "$words"
}
