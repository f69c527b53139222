/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of capture files: NAME-20260131T235959.123456Z.pcapng, so that they sort by time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MT_CAPTURE_PART ".part" /* stands behind the name of a file that is not complete */

void mt_capture_name(char *to, size_t size, const char *name, uint64_t time_ns);

/* Is `file` a capture file of `name`? *part: one that is not complete. */
bool mt_capture_name_is(const char *file, const char *name, bool *part);

/* The length of `name` in the file name of a part file, or 0 if it is none. */
size_t mt_capture_name_length(const char *part);
