/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the keeper's history lies, and whose it is; see state_folder.h. */
#include "app/state_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Files of the history in the folder @fd, which only root can write, become the user's. */
static void give_files(int fd, const struct confine_user *user)
{
	static const char ours[] = "history.";
	DIR *dir = fdopendir(dup(fd));
	struct dirent *entry;
	struct stat st;

	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, ours, sizeof(ours) - 1) &&
		    !fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) &&
		    !st.st_uid && st.st_nlink == 1)
			(void)!fchownat(fd, entry->d_name, user->uid, user->gid,
					AT_SYMLINK_NOFOLLOW);
	if (dir)
		closedir(dir);
}

int state_folder_make(const char *dir, const struct confine_user *user, struct err *err)
{
	struct stat st;
	int fd, ret = 0;

	if (mkdir(dir, 0700) && errno != EEXIST)
		return err_set(err, -errno, "state: cannot make %s for user %s: %s", dir,
			       user->name, strerror(errno));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!geteuid() && fd >= 0 && !fstat(fd, &st) && !st.st_uid &&
	    !(st.st_mode & (S_IWGRP | S_IWOTH))) {
		give_files(fd, user);
		if (fchown(fd, user->uid, user->gid))
			ret = err_set(err, -errno, "state: cannot give %s to user %s: %s", dir,
				      user->name, strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	return ret;
}
