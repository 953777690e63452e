/*
 * apply-folder.h - the folders of a layer that entries are being put into.
 *
 * Internal to the unpacker. Each was reached through path_open_in_root() or
 * made by us, is held by its descriptor and found again by the path that led
 * to it, until something is taken away: then no name counts any more. Making
 * things in a folder changes its mtime, so what it shall be is put back when
 * it is left.
 */
#pragma once
#include "image/apply.h"

/* Makes a->in the folder at that (clean) path; "" is the layer's own. Sets no record. */
int folder_enter(struct apply *a, const char *path);
/* Takes fd over as the folder at that path and makes it a->in. Sets no record. */
int folder_adopt(struct apply *a, int fd, const char *path);
/* Owner, mode or ACL of a->in were set. Sets no record. */
int folder_changed(struct apply *a);
/* The folder at that path without entering it: NULL with errno. Valid until the next of these. */
struct apply_folder *folder_find(struct apply *a, const char *path);
/* Something is about to be taken away: the paths of what is open may lead elsewhere from now on.
 * a->in stays open. */
void folders_forget_names(struct apply *a);
/* Leaves all of them; a->in is NULL then. */
void folders_leave(struct apply *a);
/* Closes without putting anything back. */
void folders_free(struct apply *a);
