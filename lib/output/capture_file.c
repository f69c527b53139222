/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/capture_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "output/capture_name.h"
#include "output/pcapng_blocks.h"

enum {
	PAGE = 4096,           /* to which O_DIRECT keeps: the largest block of disks */
	PROBE_BYTES = 4 << 20, /* a file is not begun where less is left */
	NAME_TRIES = 1000,
	FILE_MODE = 0640,
};

int mt_capture_file_init(struct mt_capture_file *file)
{
	*file = (struct mt_capture_file){.fd = -1, .directory = -1};
	file->buffer = aligned_alloc(PAGE, MT_CAPTURE_BUFFER_BYTES + MT_CAPTURE_MAX_BLOCK);
	file->marks = calloc(MT_CAPTURE_MAX_MARKS, sizeof(*file->marks));
	if (file->buffer != NULL && file->marks != NULL)
		return 0;
	mt_capture_file_free(file);
	return -ENOMEM;
}

void mt_capture_file_free(struct mt_capture_file *file)
{
	free(file->buffer);
	free(file->marks);
	file->buffer = NULL;
	file->marks = NULL;
}

/* Is there room, by the file system's own word? Where it can't reserve, by its count of what is
 * free, which knows nothing of quotas. */
static int probe(int fd)
{
	struct statvfs fs;

	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, PROBE_BYTES) == 0)
		return 0;
	if (errno != EOPNOTSUPP)
		return -errno;
	if (fstatvfs(fd, &fs) < 0)
		return -errno;
	return (uint64_t)fs.f_bavail * fs.f_frsize < PROBE_BYTES ? -ENOSPC : 0;
}

static int create(struct mt_capture_file *file, int flags)
{
	int fd = openat(file->directory, file->part,
		O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | flags, FILE_MODE);

	return fd < 0 ? -errno : fd;
}

int mt_capture_file_open(
	struct mt_capture_file *file, int directory, const char *name, uint64_t now_ns)
{
	char final[MT_CAPTURE_NAME_BYTES - sizeof(MT_CAPTURE_PART)];
	int rc;

	file->directory = directory;
	file->used = 0;
	file->base = 0;
	file->written = 0;
	file->boundary = 0;
	file->marks_count = 0;
	file->first_ns = 0;
	file->has_frames = false;
	file->opened_ns = now_ns;
	file->direct = true;
	mt_capture_name(final, sizeof(final), name, now_ns);
	snprintf(file->part, sizeof(file->part), "%s" MT_CAPTURE_PART, final);
	rc = create(file, O_DIRECT);
	if (rc == -EINVAL) { /* not on this file system */
		file->direct = false;
		unlinkat(directory, file->part, 0);
		rc = create(file, 0);
	}
	if (rc < 0) {
		close(directory);
		return rc;
	}
	file->fd = rc;
	flock(file->fd, LOCK_EX | LOCK_NB);
	rc = probe(file->fd);
	if (rc < 0) {
		unlinkat(directory, file->part, 0);
		close(file->fd);
		close(directory);
		file->fd = -1;
	}
	return rc;
}

static int write_all(struct mt_capture_file *file, size_t from, size_t bytes)
{
	uint64_t at = file->base + from;
	uint64_t end = at + bytes;

	while (at < end) {
		ssize_t n = pwrite(file->fd, file->buffer + (at - file->base), end - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		at += (uint64_t)n;
		/* A tail that was written before is still there. */
		if (at > file->written)
			file->written = at;
	}
	return 0;
}

static int set_direct(int fd, bool direct)
{
	int flags = fcntl(fd, F_GETFL);

	flags = direct ? flags | O_DIRECT : flags & ~O_DIRECT;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

/* Less than a page can't go past the page cache. */
static int write_tail(struct mt_capture_file *file)
{
	int rc;

	if (!file->direct)
		return write_all(file, 0, file->used);
	rc = set_direct(file->fd, false);
	if (rc == 0)
		rc = write_all(file, 0, file->used);
	if (rc == 0)
		rc = set_direct(file->fd, true);
	return rc;
}

/* Whole pages. Some file systems take O_DIRECT at open and refuse it here. */
static int write_pages(struct mt_capture_file *file, size_t bytes)
{
	int rc = write_all(file, 0, bytes);

	if (rc != -EINVAL || !file->direct)
		return rc;
	file->direct = false;
	rc = set_direct(file->fd, false);
	return rc < 0 ? rc : write_all(file, 0, bytes);
}

int mt_capture_file_flush(struct mt_capture_file *file, bool tail)
{
	size_t pages = file->used & ~(size_t)(PAGE - 1);
	int rc = 0;

	if (pages > 0)
		rc = write_pages(file, pages);
	if (rc < 0)
		return rc;
	file->used -= pages;
	file->base += pages;
	memmove(file->buffer, file->buffer + pages, file->used);
	if (tail && file->written < mt_capture_file_size(file))
		rc = write_tail(file);
	return rc;
}

void mt_capture_file_take(struct mt_capture_file *file,
	void (*take)(void *context, const struct mt_capture_mark *mark), void *context)
{
	uint32_t n = 0;

	for (; n < file->marks_count && file->marks[n].end <= file->written; n++) {
		take(context, &file->marks[n]);
		file->boundary = file->marks[n].end;
		file->has_frames |= file->marks[n].bytes > 0;
	}
	file->marks_count -= n;
	memmove(file->marks, file->marks + n, file->marks_count * sizeof(*file->marks));
}

/* A name that is taken, by a file of another run or a clock that was set back, is no reason to lose
 * either file. */
static int give_name(int directory, const char *part, uint64_t time_ns)
{
	size_t length = mt_capture_name_length(part);
	char name[MT_CAPTURE_NAME_BYTES], final[MT_CAPTURE_NAME_BYTES];
	struct stat stat;

	snprintf(name, sizeof(name), "%.*s", (int)length, part);
	for (unsigned i = 0; i < NAME_TRIES; i++) {
		mt_capture_name(final, sizeof(final), name, time_ns + i * 1000u);
		if (renameat2(directory, part, directory, final, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno == EEXIST)
			continue;
		if (errno != EINVAL && errno != ENOSYS)
			return -errno;
		/* The file system can't say so itself (NFS). */
		if (fstatat(directory, final, &stat, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		return renameat(directory, part, directory, final) == 0 ? 0 : -errno;
	}
	return -EEXIST;
}

/* Common to what was written here and what was found. */
static int complete(int fd, int directory, const char *part, uint64_t boundary, uint64_t first_ns)
{
	if (first_ns == 0)
		return unlinkat(directory, part, 0) == 0 || errno == ENOENT ? 0 : -errno;
	/* Also gives back what was reserved behind the end. */
	if (ftruncate(fd, (off_t)boundary) < 0)
		return -errno;
	return give_name(directory, part, first_ns);
}

int mt_capture_file_finish(struct mt_capture_file *file)
{
	int rc = complete(file->fd, file->directory, file->part, file->boundary,
		file->has_frames ? file->first_ns : 0);

	close(file->fd);
	close(file->directory);
	file->fd = -1;
	return rc;
}

/* --- a file that was left -------------------------------------------------------------------- */

struct reader {
	int fd;
	uint8_t *window;
	uint64_t start; /* of the window in the file */
	size_t bytes;
	int error; /* a read failed */
};

/* `bytes` of the file at `at`; NULL: it does not have them. */
static const uint8_t *look_at(struct reader *reader, uint64_t at, size_t bytes)
{
	if (at < reader->start || at + bytes > reader->start + reader->bytes) {
		ssize_t n = pread(reader->fd, reader->window, MT_CAPTURE_BUFFER_BYTES, (off_t)at);

		if (n < 0)
			reader->error = -errno;
		reader->start = at;
		reader->bytes = n > 0 ? (size_t)n : 0;
	}
	return bytes <= reader->bytes - (at - reader->start) ? reader->window + (at - reader->start)
							     : NULL;
}

/* Where the last whole block ends, and when the first packet was received. */
static void find_boundary(struct reader *reader, uint64_t *boundary, uint64_t *first_ns)
{
	const uint8_t *block;
	uint32_t length, again;

	*boundary = 0;
	*first_ns = 0;
	while ((block = look_at(reader, *boundary, 8)) != NULL) {
		enum mt_pcapng_kind kind = mt_pcapng_look(block, &length);

		if (kind == MT_PCAPNG_BROKEN || (*boundary == 0 && kind != MT_PCAPNG_SECTION))
			return;
		if (kind == MT_PCAPNG_PACKET && *first_ns == 0) {
			block = look_at(reader, *boundary, MT_PCAPNG_PACKET_HEAD_BYTES);
			if (block == NULL)
				return;
			*first_ns = mt_pcapng_packet_time(block);
		}
		block = look_at(reader, *boundary + length - sizeof(again), sizeof(again));
		if (block == NULL)
			return;
		memcpy(&again, block, sizeof(again));
		if (again != length)
			return;
		*boundary += length;
	}
}

/* What one write may have left unfinished is cut off. If there is more behind the last whole block,
 * the disk lost something in the middle: then all is left as it is. */
static int complete_found(struct reader *reader, int directory, const char *part)
{
	uint64_t boundary, first_ns;
	struct stat stat;

	find_boundary(reader, &boundary, &first_ns);
	if (reader->error < 0)
		return reader->error;
	if (fstat(reader->fd, &stat) < 0)
		return -errno;
	if ((uint64_t)stat.st_size > boundary + MT_CAPTURE_BUFFER_BYTES + MT_CAPTURE_MAX_BLOCK) {
		boundary = (uint64_t)stat.st_size;
		if (first_ns == 0)
			first_ns = (uint64_t)stat.st_mtim.tv_sec * 1000000000u;
	}
	return complete(reader->fd, directory, part, boundary, first_ns);
}

int mt_capture_file_recover(int directory, const char *part)
{
	struct reader reader = {.fd = openat(directory, part, O_RDWR | O_CLOEXEC | O_NOFOLLOW)};
	int rc = 0;

	if (reader.fd < 0)
		return -errno;
	if (flock(reader.fd, LOCK_EX | LOCK_NB) < 0)
		rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
	reader.window = malloc(MT_CAPTURE_BUFFER_BYTES);
	if (rc == 0 && reader.window == NULL)
		rc = -ENOMEM;
	if (rc == 0)
		rc = complete_found(&reader, directory, part);
	free(reader.window);
	close(reader.fd);
	return rc;
}
