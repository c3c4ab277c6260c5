/*
 * maildir.c - delivery into a Maildir.
 */
#include "store/maildir.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "common/siphash.h"
#include "store/home.h"
#include "store/index.h"
#include "store/line_ends.h"
#include "store/names.h"

/* A delivery under way. */
struct job {
	int home_fd;
	const struct maildir_delivery *what;
	struct maildir_result *result;
	char directory[FILE_NAME_SIZE]; /* of the folder, below Maildir/ */
	char unique[FILE_NAME_SIZE];    /* "SECONDS.M<microseconds>I<id>R<hash>.HOST" */
	char tmp_path[PATH_BELOW_SIZE];
	char new_path[PATH_BELOW_SIZE];
};

static enum maildir_outcome failed(struct job *job, const char *step)
{
	job->result->error = errno;
	job->result->step = step;
	return MAILDIR_FAILED;
}

static void path_in_home(
    const char *directory, const char *sub, const char *name, char out[PATH_BELOW_SIZE])
{
	bool is_inbox = strcmp(directory, ".") == 0;

	snprintf(out, PATH_BELOW_SIZE, "Maildir/%s%s%s%s%s", is_inbox ? "" : directory,
	    is_inbox ? "" : "/", sub, name[0] == '\0' ? "" : "/", name);
}

static bool name_it(struct job *job)
{
	/* The key is a constant: the same recipient must get the same name after a restart. */
	const struct siphash_key key = {0x70657472656c2d6d, 0x61696c646972206e};
	const struct maildir_delivery *what = job->what;
	char id[MESSAGE_ID_TEXT + 1], host[FILE_HOSTNAME_MAX + 1], folder[FILE_NAME_SIZE];

	message_id_format(what->id, id);
	file_name_hostname(what->hostname, host);
	snprintf(job->unique, sizeof job->unique, "%llu.M%06lluI%sR%016llx.%s",
	    (unsigned long long)(what->arrived_us / 1000000),
	    (unsigned long long)(what->arrived_us % 1000000), id,
	    (unsigned long long)siphash(key, what->recipient), host);
	return folder_name_check(
		   slice_is_empty(what->folder) ? SLICE("INBOX") : what->folder, folder) &&
	       folder_name_to_directory(folder, job->directory);
}

/* ---- writing ---- */

/*
 * Headers and content to the file.  The block is converted where it lies: reading
 * begins one octet behind the place where the converted octets go.
 */
static const char *write_content(struct job *job, int fd, struct to_disk *state)
{
	const struct maildir_delivery *what = job->what;
	size_t block = what->size < MAILDIR_BLOCK ? (size_t)what->size : MAILDIR_BLOCK;
	char *buffer = malloc(what->headers.len + block + 2);
	size_t filled;
	const char *step = NULL;

	if (buffer == NULL)
		return "memory";
	filled = to_disk_block(state, what->headers, buffer);
	for (uint64_t done = 0; step == NULL && done < what->size;) {
		size_t piece = what->size - done < block ? (size_t)(what->size - done) : block;
		char *in = buffer + filled + 1;

		if (!io_read_at(what->content_fd, in, piece, what->offset + done)) {
			step = "read";
			break;
		}
		done += piece;
		filled += to_disk_block(state, slice_of(in, piece), in - 1);
		if (done < what->size) {
			if (!io_write(fd, slice_of(buffer, filled)))
				step = "write";
			filled = 0;
		}
	}
	if (step == NULL) {
		filled += to_disk_end(state, buffer + filled);
		if (!io_write(fd, slice_of(buffer, filled)))
			step = "write";
		else if (what->flush && fsync(fd) != 0)
			step = "flush";
	}
	free(buffer);
	return step;
}

static int open_tmp(struct job *job)
{
	char name[FILE_NAME_SIZE];
	int fd;

	/* Random, so that what a crash left behind in tmp/ is not in the way. */
	snprintf(name, sizeof name, "%.200s.%08x", job->unique, arc4random());
	path_in_home(job->directory, "tmp", name, job->tmp_path);
	fd = open_beneath(
	    job->home_fd, job->tmp_path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0 && errno == ENOENT && strcmp(job->directory, ".") == 0 &&
	    store_prepare_home(job->home_fd) == 0)
		fd = open_beneath(
		    job->home_fd, job->tmp_path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	return fd;
}

static bool flush_directory(struct job *job)
{
	char path[PATH_BELOW_SIZE];
	int fd, result;

	path_in_home(job->directory, "new", "", path);
	fd = open_directory(job->home_fd, path);
	if (fd < 0)
		return false;
	result = fsync(fd);
	close(fd);
	return result == 0;
}

static enum maildir_outcome write_and_rename(struct job *job)
{
	struct to_disk state = {0};
	enum maildir_outcome outcome;
	const char *step;
	int fd = open_tmp(job);

	if (fd < 0 && errno == ENOENT)
		return MAILDIR_NO_FOLDER;
	if (fd < 0)
		return failed(job, "open");
	step = write_content(job, fd, &state);
	if (step != NULL) {
		outcome = failed(job, step);
		close(fd);
		unlinkat(job->home_fd, job->tmp_path, 0);
		return outcome;
	}
	close(fd);
	job->result->disk_size = state.disk_size;
	job->result->crlf_size = state.crlf_size;
	snprintf(job->result->name, sizeof job->result->name, "%.200s,S=%llu,W=%llu", job->unique,
	    (unsigned long long)state.disk_size, (unsigned long long)state.crlf_size);
	path_in_home(job->directory, "new", job->result->name, job->new_path);
	if (rename_exclusive(job->home_fd, job->tmp_path, job->home_fd, job->new_path) != 0) {
		outcome = errno == EEXIST ? MAILDIR_ALREADY : failed(job, "rename");
		unlinkat(job->home_fd, job->tmp_path, 0);
		return outcome;
	}
	return MAILDIR_DELIVERED;
}

/* ---- looking for an earlier delivery ---- */

/* A whole file of our name in this directory?  One that was cut short is taken away. */
static bool directory_has(struct job *job, const char *path)
{
	int fd = open_directory(job->home_fd, path);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool found = false;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (!found && (entry = readdir(d)) != NULL) {
		struct file_name name;
		struct stat st;

		if (!file_name_parse(slice_string(entry->d_name), &name) ||
		    !slice_equal(name.unique, slice_string(job->unique)) ||
		    fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		found = (uint64_t)st.st_size == name.disk_size;
		if (!found)
			unlinkat(dirfd(d), entry->d_name, 0);
	}
	closedir(d);
	return found;
}

static bool folder_has(struct job *job, const char *directory)
{
	char path[PATH_BELOW_SIZE];

	path_in_home(directory, "new", "", path);
	if (directory_has(job, path))
		return true;
	path_in_home(directory, "cur", "", path);
	return directory_has(job, path);
}

static bool was_delivered(struct job *job)
{
	int fd = open_directory(job->home_fd, "Maildir");
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool found;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	found = folder_has(job, ".");
	while (!found && (entry = readdir(d)) != NULL)
		if (entry->d_name[0] == '.' && strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			found = folder_has(job, entry->d_name);
	closedir(d);
	return found || index_name_is_gone(job->home_fd, slice_string(job->unique));
}

enum maildir_outcome maildir_deliver(
    int home_fd, const struct maildir_delivery *delivery, struct maildir_result *result)
{
	struct job job = {.home_fd = home_fd, .what = delivery, .result = result};
	enum maildir_outcome outcome;

	*result = (struct maildir_result){.step = ""};
	if (!name_it(&job))
		return MAILDIR_NO_FOLDER;
	if (delivery->headers.len > MAILDIR_HEADERS_MAX) {
		errno = E2BIG;
		return failed(&job, "headers");
	}
	if (delivery->redeliver && was_delivered(&job))
		return MAILDIR_ALREADY;
	outcome = write_and_rename(&job);
	/* Also where it was there already: who put it there may not have come to flush it. */
	if (delivery->flush && (outcome == MAILDIR_DELIVERED || outcome == MAILDIR_ALREADY) &&
	    !flush_directory(&job))
		outcome = failed(&job, "flush");
	return outcome;
}
