# link-order.awk - link-order.txt as a script for ld: what is named there comes first.
{ sub(/#.*/, "") }
{
	for (i = 1; i <= NF; i++)
		name[++count] = $i
}
END {
	print_section(".text", "BEFORE")
	print_section(".rodata", "AFTER") # before it is another segment, one that is executed
}
function print_section(section, where,    i) {
	printf "SECTIONS { %s.used : {\n", section
	for (i = 1; i <= count; i++)
		if (name[i] ~ /:/) # libc.a:malloc.o
			printf "*%s(%s %s.*)\n", name[i], section, section
		else
			printf "*(%s.%s %s.%s.*)\n", section, name[i], section, name[i]
	printf "} } INSERT %s %s;\n", where, section
}
