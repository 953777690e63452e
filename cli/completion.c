/*
 * completion.c - words for the shell's completion.
 *
 * The script asks kist itself, by --help and list, so that it is never older than the program.
 */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char bash[] =
	"# bash completion for kist; zsh takes it after: autoload -U bashcompinit; bashcompinit\n"
	"_kist_options() { # of `kist WORDS --help`: each, and with \"value\" those that take one\n"
	"	kist \"${@:2}\" --help 2>/dev/null |\n"
	"		sed -nE \"s/^ +(-.,)? *(--[a-z0-9-]+)$1 .*/\\2/p\"\n"
	"}\n"
	"_kist_image() { # VERB: its options, the words of its --filter, or names of images\n"
	"	local cur=${COMP_WORDS[COMP_CWORD]}\n"
	"	case $1:${COMP_WORDS[COMP_CWORD - 1]}:$cur in\n"
	"	ls:--filter:*) words='reference= label= label!= before= since= dangling=true dangling=false' ;;\n"
	"	prune:--filter:*) words='until= label= label!=' ;;\n"
	"	*:-*) words=$(kist image --help | sed -n \"s/^  $1 //p\" | grep -oE -e '--[a-z-]+') ;;\n"
	"	inspect:* | history:* | tag:* | push:* | save:* | rm:* | bundle:* | export:*)\n"
	"		words=$(kist image ls --format '{{.Repository}}:{{.Tag}}' 2>/dev/null) ;;\n"
	"	esac\n"
	"	[[ $words != *=* ]] || compopt -o nospace 2>/dev/null\n"
	"}\n"
	"_kist() {\n"
	"	local cur=${COMP_WORDS[COMP_CWORD]} i=1 n=1 root=() words= value\n"
	"	value=\" $(_kist_options ' [A-Z]+[^ ]*' | tr '\\n' ' ')\"\n"
	"	COMPREPLY=()\n"
	"	while [ \"$i\" -lt \"$COMP_CWORD\" ] && [[ ${COMP_WORDS[i]} == -* ]]; do\n"
	"		[ \"${COMP_WORDS[i]}\" != --root ] || root=(--root \"${COMP_WORDS[i + "
	"1]}\")\n"
	"		[[ $value != *\" ${COMP_WORDS[i]} \"* ]] || i=$((i + 1))\n"
	"		i=$((i + 1))\n"
	"	done\n"
	"	[ \"$i\" -le \"$COMP_CWORD\" ] || return 0 # the value of a global option: a file, "
	"perhaps\n"
	"	case ${COMP_WORDS[i]} in job | image) n=2 ;; esac\n"
	"	[ \"$n\" -le $((COMP_CWORD - i)) ] || n=$((COMP_CWORD - i))\n"
	"	case ${COMP_WORDS[i]}:$((COMP_CWORD - i)) in\n"
	"	*:0) ;;\n"
	"	image:1) words=$(kist image --help | sed -nE 's/^  ([a-z]+) .*/\\1/p') ;;\n"
	"	image:*) _kist_image \"${COMP_WORDS[i + 1]}\" ;;\n"
	"	images:*) _kist_image ls ;;\n"
	"	rmi:*) _kist_image rm ;;\n"
	"	pull:* | push:* | load:* | save:* | tag:*) _kist_image \"${COMP_WORDS[i]}\" ;;\n"
	"	esac\n"
	"	if [ -n \"$words\" ]; then\n"
	"		:\n"
	"	elif [[ $cur == -* ]]; then\n"
	"		words=$(_kist_options '( [A-Z]+[^ ]*)?' \"${COMP_WORDS[@]:i:n}\")\n"
	"	elif [ \"$i\" = \"$COMP_CWORD\" ]; then\n"
	"		words=$(kist --help | sed -nE '/^commands:/,/^$/s/^  ([a-z]+) .*/\\1/p')\n"
	"	else\n"
	"		case ${COMP_WORDS[i]} in\n"
	"		start | exec | state | kill | pause | resume | update | events | ps | "
	"delete)\n"
	"			words=$(kist \"${root[@]}\" list -q 2>/dev/null) ;;\n"
	"		esac\n"
	"	fi\n"
	"	mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	"}\n"
	"complete -o default -F _kist kist\n";

int command_completion(int argc, char **argv)
{
	struct err e = ERR_INIT;
	int status, first;

	first = cli_parse(cli_find("completion"), NULL, 0, argc, argv, &status);
	if (first < 0)
		return status;
	if (strcmp(argv[first], "bash") != 0) {
		err_say(&e, ENOTSUP, "completion: \"%.64s\" is not bash", argv[first]);
		err_fix(&e, "zsh takes bash's after: autoload -U bashcompinit; bashcompinit");
		return cli_fail(&e, 1);
	}
	fputs(bash, stdout);
	if (fflush(stdout) != 0) {
		err_set(&e, errno, "cannot print the completion");
		return cli_fail(&e, 1);
	}
	return 0;
}
