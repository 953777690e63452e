/*
 * layers.h - a root that is made of an image's layers, instead of a folder of the bundle.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct root_layers {
	int pin;                   /* keeps the layers in the store, and lies beside them; -1: none */
	const char *dir;           /* absolute: where all of them are */
	const char *const *layers; /* below it, top first; ".": itself */
	size_t count;
	const char *upper_dir;     /* a folder that keeps changes; NULL: a tmpfs, gone at the end */
	uint64_t upper_bytes;      /* of that tmpfs; 0: as much as the kernel gives */
};
