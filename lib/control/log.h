/* SPDX-License-Identifier: BSD-3-Clause */
/* Log lines of the control threads: one line per event, to standard error, with a journald
 * priority in front (sd-daemon(3)) when systemd reads it. Never called by a worker. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum mt_log_level {
	MT_LOG_ERROR = 3, /* syslog(3) numbers */
	MT_LOG_WARNING = 4,
	MT_LOG_NOTICE = 5,
	MT_LOG_INFO = 6,
	MT_LOG_DEBUG = 7,
};

/* Printf-like; the newline is added. */
void mt_log(enum mt_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Lines above this level are left out. Default MT_LOG_INFO. */
void mt_log_set_level(enum mt_log_level level);

/* What was said of one event that may repeat. Zero at first; the caller's lock guards it, if more
 * than one thread uses it. */
struct mt_log_limit {
	uint64_t said_ms; /* 0: never */
	unsigned left_out;
};

enum {
	MT_LOG_LIMIT_MS = 60000,
};

/* mt_log() at most once in MT_LOG_LIMIT_MS for each `limit`; the line then says how many times it
 * was left out meanwhile. Returns true if it was written. */
bool mt_log_limited(struct mt_log_limit *limit, enum mt_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
