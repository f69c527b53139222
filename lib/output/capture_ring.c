/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/capture_ring.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/capture_file.h"
#include "output/capture_name.h"

enum {
	DIRECTORY_MODE = 0750,
};

int mt_capture_ring_open(const struct mt_capture_ring *ring)
{
	int fd = open(ring->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) {
		if (mkdir(ring->directory, DIRECTORY_MODE) < 0)
			return -errno;
		fd = open(ring->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

/* Complete files, or parts, sorted by name and so by time. */
struct list {
	struct entry {
		char name[MT_CAPTURE_NAME_BYTES];
		uint64_t bytes;
	} * entries;
	size_t count;
	size_t room;
	uint64_t bytes;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static int add(struct list *list, const char *name, uint64_t bytes)
{
	if (list->count == list->room) {
		size_t room = list->room * 2 + 64;
		struct entry *more = reallocarray(list->entries, room, sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		list->entries = more;
		list->room = room;
	}
	list->entries[list->count].bytes = bytes;
	snprintf(list->entries[list->count++].name, MT_CAPTURE_NAME_BYTES, "%.*s",
		MT_CAPTURE_NAME_BYTES - 1, name);
	list->bytes += bytes;
	return 0;
}

static int read_list(
	const struct mt_capture_ring *ring, int directory, bool parts, struct list *list)
{
	/* A description of its own: the place of reading belongs to it. */
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int rc = 0;

	*list = (struct list){0};
	if (stream == NULL) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		return rc;
	}
	while (rc == 0 && (entry = readdir(stream)) != NULL) {
		struct stat stat;
		bool part;

		if (!mt_capture_name_is(entry->d_name, ring->name, &part) || part != parts)
			continue;
		if (fstatat(directory, entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) == 0
			&& S_ISREG(stat.st_mode))
			rc = add(list, entry->d_name, (uint64_t)stat.st_size);
	}
	closedir(stream);
	if (list->count > 0)
		qsort(list->entries, list->count, sizeof(*list->entries), by_name);
	return rc;
}

int mt_capture_ring_recover(const struct mt_capture_ring *ring, int directory)
{
	struct list list;
	int rc = read_list(ring, directory, true, &list);
	int completed = 0;

	for (size_t i = 0; i < list.count; i++) {
		int one = mt_capture_file_recover(directory, list.entries[i].name);

		completed += one == 0;
		/* Another process's, or gone meanwhile. */
		if (one < 0 && one != -EBUSY && one != -ENOENT && rc == 0)
			rc = one;
	}
	free(list.entries);
	return rc < 0 ? rc : completed;
}

int mt_capture_ring_prune(const struct mt_capture_ring *ring, int directory, uint64_t room)
{
	struct list list;
	size_t i = 0;
	int rc;

	if (ring->keep_files == 0 && ring->keep_bytes == 0)
		return 0;
	rc = read_list(ring, directory, false, &list);
	for (; rc == 0 && i < list.count; i++) {
		bool many = ring->keep_files > 0 && list.count - i > ring->keep_files;
		bool large = ring->keep_bytes > 0 && list.bytes + room > ring->keep_bytes;

		if (!many && !large)
			break;
		if (unlinkat(directory, list.entries[i].name, 0) < 0 && errno != ENOENT) {
			rc = -errno;
			break;
		}
		list.bytes -= list.entries[i].bytes;
	}
	free(list.entries);
	return rc < 0 ? rc : (int)i;
}
