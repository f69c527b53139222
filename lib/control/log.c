/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "output/monotonic.h"

static _Atomic int max_level = MT_LOG_INFO;

static const char *level_name(enum mt_log_level level)
{
	switch (level) {
	case MT_LOG_ERROR:
		return "error";
	case MT_LOG_WARNING:
		return "warning";
	case MT_LOG_NOTICE:
		return "notice";
	case MT_LOG_INFO:
		return "info";
	case MT_LOG_DEBUG:
		return "debug";
	}
	return "?";
}

void mt_log_set_level(enum mt_log_level level)
{
	max_level = level;
}

static void write_line(enum mt_log_level level, const char *text)
{
	char line[1100];
	int length;

	if (getenv("JOURNAL_STREAM") != NULL) {
		length = snprintf(line, sizeof(line), "<%d>%s\n", level, text);
	} else {
		struct timespec now;
		struct tm utc;
		char stamp[32];

		clock_gettime(CLOCK_REALTIME, &now);
		gmtime_r(&now.tv_sec, &utc);
		strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
		length = snprintf(line, sizeof(line), "%s.%03ldZ %s: %s\n", stamp,
			now.tv_nsec / 1000000, level_name(level), text);
	}
	/* One write, so that lines of several threads do not mix. */
	if (write(STDERR_FILENO, line, (size_t)length) < 0)
		return;
}

void mt_log(enum mt_log_level level, const char *format, ...)
{
	char text[1024];
	va_list args;

	if ((int)level > max_level)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	write_line(level, text);
}

bool mt_log_limited(struct mt_log_limit *limit, enum mt_log_level level, const char *format, ...)
{
	uint64_t now_ms = mt_monotonic_ms();
	char text[1024];
	size_t used;
	va_list args;

	if (limit->said_ms != 0 && now_ms < limit->said_ms + MT_LOG_LIMIT_MS) {
		limit->left_out++;
		return false;
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	used = strlen(text);
	if (limit->left_out > 0)
		snprintf(text + used, sizeof(text) - used, " (%u more in the last %u s)",
			limit->left_out, (unsigned)((now_ms - limit->said_ms) / 1000));
	*limit = (struct mt_log_limit){.said_ms = now_ms};
	if ((int)level <= max_level)
		write_line(level, text);
	return true;
}
