/* SPDX-License-Identifier: BSD-3-Clause */
/* The capture files of one name in one folder: which are kept, and what a killed process left. */
#pragma once

#include <stdint.h>

struct mt_capture_ring {
	const char *directory;
	const char *name;
	uint64_t keep_files; /* complete files; 0: all */
	uint64_t keep_bytes; /* of all together; 0: no bound */
};

/* Opens the folder, and makes it where only its last part is missing. Returns a descriptor or
 * -errno. */
int mt_capture_ring_open(const struct mt_capture_ring *ring);

/* Completes what killed processes left. Returns how many files, or the first failure's -errno. */
int mt_capture_ring_recover(const struct mt_capture_ring *ring, int directory);

/* Removes the oldest complete files until no more than keep_files are there, and `room` bytes more
 * fit within keep_bytes. Returns how many were removed, or -errno. */
int mt_capture_ring_prune(const struct mt_capture_ring *ring, int directory, uint64_t room);
