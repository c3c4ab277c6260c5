/*
 * directories.c - the directories that the suite lives in.
 */
#include "master/directories.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct wanted {
	const char *path;
	const char *below; /* a name in it, or NULL: path itself */
	const char *user;  /* NULL: root */
	const char *group; /* NULL: the user's own */
	mode_t mode;
};

/* As mkdir -p: what lies above is made readable for all, as the administrator would. */
static bool make_parents(const char *path)
{
	char partial[1024];

	if (strlen(path) >= sizeof partial) {
		errno = ENAMETOOLONG;
		return false;
	}
	for (size_t i = 1; path[i] != '\0'; i++) {
		if (path[i] != '/')
			continue;
		slice_copy(slice_of(path, i), partial, sizeof partial);
		/* The mask of master would make them private. */
		if (mkdir(partial, 0755) == 0 ? chmod(partial, 0755) == -1 : errno != EEXIST)
			return false;
	}
	return true;
}

static bool give_to(int directory, const struct wanted *w, char *error)
{
	struct passwd *user = w->user == NULL ? NULL : getpwnam(w->user);
	struct group *group = w->group == NULL ? NULL : getgrnam(w->group);
	gid_t gid = group != NULL ? group->gr_gid : user != NULL ? user->pw_gid : 0;

	if (w->user != NULL && user == NULL) {
		snprintf(error, DIRECTORY_ERROR_MAX, "there is no user \"%s\"; create it, or see petrel(8)", w->user);
		return false;
	}
	if (w->group != NULL && group == NULL) {
		snprintf(error, DIRECTORY_ERROR_MAX, "there is no group \"%s\"; create it, or see petrel(8)", w->group);
		return false;
	}
	return fchown(directory, user == NULL ? 0 : user->pw_uid, gid) == 0;
}

/* Nothing in it but what a file system puts into its root. */
static bool is_empty(int directory)
{
	int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = copy == -1 ? NULL : fdopendir(copy);
	struct dirent *entry;
	bool empty = entries != NULL;

	while (empty && (entry = readdir(entries)) != NULL)
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || strcmp(entry->d_name, "lost+found") == 0;
	if (entries != NULL)
		closedir(entries);
	else if (copy != -1)
		close(copy);
	return empty;
}

/* A slip of the pen in petrel.conf (directory.mail /home, directory.run /tmp) must not take what is others'. */
static bool may_be_ours(int directory, const struct wanted *w, const char *path, char *error)
{
	const struct passwd *user = w->user == NULL ? NULL : getpwnam(w->user);
	uid_t uid = user == NULL ? 0 : user->pw_uid;
	struct stat st;

	if (fstat(directory, &st) == -1)
		return false;
	if ((st.st_mode & S_IWOTH) != 0)
		snprintf(error, DIRECTORY_ERROR_MAX, "%s: everybody may write to it; it cannot be the suite's own", path);
	else if (st.st_uid != uid && !is_empty(directory))
		snprintf(error, DIRECTORY_ERROR_MAX, "%s: there is something in it, and it belongs to uid %u and not to %s; if it is meant, chown it",
		    path, (unsigned)st.st_uid, w->user == NULL ? "root" : w->user);
	return error[0] == '\0';
}

static bool make(const struct wanted *w, bool privileged, char *error)
{
	char path[1100];
	int directory;
	bool made;

	snprintf(path, sizeof path, "%s%s%s", w->path, w->below == NULL ? "" : "/", w->below == NULL ? "" : w->below);
	error[0] = '\0';
	if (!make_parents(path) || (mkdir(path, 0700) == -1 && errno != EEXIST)) {
		snprintf(error, DIRECTORY_ERROR_MAX, "%s: %s", path, strerror(errno));
		return false;
	}
	/* What is already there must be a directory, not a link that somebody has put in its place. */
	directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	made = directory != -1 && (!privileged || (may_be_ours(directory, w, path, error) && give_to(directory, w, error))) &&
	    fchmod(directory, w->mode) == 0;
	if (!made && error[0] == '\0')
		snprintf(error, DIRECTORY_ERROR_MAX, "%s: %s", path, strerror(errno));
	if (directory != -1)
		close(directory);
	return made;
}

bool directories_make(const struct settings *s, bool privileged, char error[DIRECTORY_ERROR_MAX])
{
	const struct wanted all[] = {
	    {s->directory.run, NULL, NULL, NULL, 0755},
	    {s->directory.run, "empty", NULL, NULL, 0555},
	    {s->directory.spool, NULL, s->user.queue, NULL, 0711},
	    {s->directory.spool, "tmp", s->user.queue, NULL, 0700},
	    {s->directory.spool, "new", s->user.queue, NULL, 0700},
	    {s->directory.spool, "cur", s->user.queue, NULL, 0700},
	    {s->directory.spool, "hold", s->user.queue, NULL, 0700},
	    {s->directory.spool, "bad", s->user.queue, NULL, 0700},
	    {s->directory.spool, "journal", s->user.queue, NULL, 0700},
	    /* Users reach drop/ by the group of sendmail(1) only, may add to it and see nothing of it. */
	    {s->directory.spool, "drop", s->user.queue, s->user.drop_group, privileged ? 01730 : 0700},
	    {s->directory.mail, NULL, s->user.mail, NULL, 0711},
	    {s->directory.tables, NULL, NULL, NULL, 0755},
	    {s->directory.auth, NULL, s->user.auth, NULL, 0700},
	    {s->directory.policy, NULL, s->user.network, NULL, 0700},
	    {s->directory.log, NULL, s->user.network, NULL, 0750},
	};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (!make(&all[i], privileged, error))
			return false;
	return true;
}
