/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the lab changes outside its own processes, and how that is undone: settings of the kernel
 * ("knobs"), folders and cgroups that it makes. Each is in a journal, on the disk, before it is
 * done. Whoever opened the journal undoes all of it at the end; where he was killed, whoever
 * calls knobs_recover() next does: the process that waits for him, at the latest the next redmem
 * command of any kind.
 *
 * A journal is a file in a folder that only its owner can write. It is locked while its writer
 * lives. It begins with the kernel's boot id: after a reboot knobs and cgroups are as they
 * were without us. Its lines are words separated by tabs:
 *
 *	boot	ID
 *	file	PATH	VALUE	that it had before
 *	folder	PATH		with all that is in it; processes that work in it are ended
 *	cgroup	PATH
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct knobs;

/* Where journals are: $REDMEM_LAB_STATE, else for root /var/lib/redmem-lab, else below the user's
 * $XDG_STATE_HOME or ~/.local/state. Nothing is appended where there is no such place. */
void knobs_folder(struct buf *out);

/* Begin a journal in @folder, which is made when it is not there. Not to be called twice at a time
 * in one process: the lock is the process's. */
int knobs_open(struct knobs **out, const char *folder, struct err *err);
/* Set the file @path to @value. Of a file that shows a choice ("always [madvise] never") the one in
 * brackets is its value. */
int knobs_set(struct knobs *k, const char *path, const char *value, struct err *err);
/* Set it to what it was before the first knobs_set(). */
int knobs_reset(struct knobs *k, const char *path, struct err *err);
/* Make a folder for what is temporary in @parent; its path is appended to @out. Its name is made
 * up before it is there: it may never be. */
int knobs_folder_make(struct knobs *k, const char *parent, struct buf *out, struct err *err);
/* Make a cgroup. */
int knobs_cgroup_make(struct knobs *k, const char *path, struct err *err);
/* Undo all, newest first, and remove the journal, which stays when something could not be undone.
 * Processes in our folders and cgroups have ended or are ended. Frees @k, which may be NULL. */
int knobs_close(struct knobs *k, struct err *err);

/*
 * Undo what is in journals of @folder whose writers have ended. What was done is appended to @said,
 * in words with commas in between; nothing when there was nothing to do. A negative errno when
 * something could not be undone; that is tried again the next time.
 */
int knobs_recover(const char *folder, struct buf *said, struct err *err);
