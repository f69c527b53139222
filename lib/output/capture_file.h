/* SPDX-License-Identifier: BSD-3-Clause */
/* One capture file while it is written: blocks are made in a large buffer, which goes to the file
 * in whole pages, past the page cache where the file system can do that (O_DIRECT).
 *
 * The file is DIRECTORY/NAME-TIME.pcapng.part until it is complete, and is locked (flock) as long
 * as it is written. All functions are for one thread. What fails returns -errno. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MT_CAPTURE_BUFFER_BYTES = 1 << 20,
	MT_CAPTURE_MAX_BLOCK = 320 << 10, /* bytes that may be reserved at once */
	MT_CAPTURE_MAX_MARKS = 16384,
	MT_CAPTURE_NAME_BYTES = 96, /* of a file's name */
};

/* The end of a block in the file, and whose it is. */
struct mt_capture_mark {
	uint64_t end;
	uint32_t bytes; /* of the frame; 0: no frame */
	uint16_t queue;
	uint16_t number; /* of its VNI in the file */
	uint32_t vni;
};

struct mt_capture_file {
	int fd; /* -1: none is open */
	int directory;
	bool direct;
	uint8_t *buffer;  /* page-aligned */
	size_t used;      /* bytes in the buffer */
	uint64_t base;    /* where buffer[0] is in the file: on a page's boundary */
	uint64_t written; /* the file holds all bytes before it */
	uint64_t opened_ns;
	uint64_t first_ns; /* receive time of the first frame; 0: none yet. The caller sets it */
	bool has_frames;   /* that are written */
	struct mt_capture_mark *marks; /* of blocks that are not written as a whole */
	uint32_t marks_count;
	uint64_t boundary; /* where the last block ends that is written as a whole */
	char part[MT_CAPTURE_NAME_BYTES];
};

/* The buffer, with no file open. */
int mt_capture_file_init(struct mt_capture_file *file);
void mt_capture_file_free(struct mt_capture_file *file);

/* Creates the file in `directory` (a descriptor, which the file takes over) and makes sure that
 * some mebibytes can be written to it. On failure nothing is left of it. */
int mt_capture_file_open(
	struct mt_capture_file *file, int directory, const char *name, uint64_t now_ns);

/* Where the next block begins, with room for `bytes`. NULL: flush first. */
static inline uint8_t *mt_capture_file_reserve(struct mt_capture_file *file, size_t bytes)
{
	if (file->used + bytes > MT_CAPTURE_BUFFER_BYTES + MT_CAPTURE_MAX_BLOCK
		|| file->used >= MT_CAPTURE_BUFFER_BYTES
		|| file->marks_count == MT_CAPTURE_MAX_MARKS)
		return NULL;
	return file->buffer + file->used;
}

/* Bytes of the file, with those that are still in the buffer. */
static inline uint64_t mt_capture_file_size(const struct mt_capture_file *file)
{
	return file->base + file->used;
}

/* The block that was made there; `mark` says whose it is. */
static inline void mt_capture_file_commit(
	struct mt_capture_file *file, size_t bytes, struct mt_capture_mark mark)
{
	file->used += bytes;
	mark.end = mt_capture_file_size(file);
	file->marks[file->marks_count++] = mark;
}

/* Writes the buffer: its whole pages, and with `tail` the rest too, which is then written again
 * with its page. Afterwards marks up to `written` are the caller's to take. */
int mt_capture_file_flush(struct mt_capture_file *file, bool tail);

/* Takes the marks of the blocks that are written, which are the first ones: calls `take` for
 * each.*/
void mt_capture_file_take(struct mt_capture_file *file,
	void (*take)(void *context, const struct mt_capture_mark *mark), void *context);

/* Cuts the file behind its last whole block and gives it its name, or removes it if it has no
 * frame; closes it. What was not flushed is lost: its marks are still there. */
int mt_capture_file_finish(struct mt_capture_file *file);

/* Finishes the part file NAME of a process that was killed, in the same way. Returns -EBUSY if a
 * process is writing it. */
int mt_capture_file_recover(int directory, const char *part);
