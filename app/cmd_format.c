/* SPDX-License-Identifier: BSD-3-Clause */
#include "commands.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

void format_count(char text[FORMAT_SIZE], uint64_t count)
{
	char digits[FORMAT_SIZE];
	size_t length = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, count);
	char *to = text;

	for (size_t i = 0; i < length; i++) {
		if (i != 0 && (length - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
}

void format_scaled(char text[FORMAT_SIZE], double value)
{
	static const char *const prefixes[] = {"", " k", " M", " G", " T", " P"};
	unsigned prefix = 0;

	/* From 999.5 on, %.0f would make four digits of it. */
	while (value >= 999.5 && prefix + 1 < sizeof(prefixes) / sizeof(prefixes[0])) {
		value /= 1000;
		prefix++;
	}
	if (value == 0)
		snprintf(text, FORMAT_SIZE, "0");
	else
		snprintf(text, FORMAT_SIZE, "%.*f%s",
			value < 9.995           ? 2
				: value < 99.95 ? 1
						: 0,
			value, prefixes[prefix]);
}

void format_duration(char text[FORMAT_SIZE], uint64_t seconds)
{
	uint64_t minutes = seconds / 60;
	uint64_t hours = minutes / 60;

	if (minutes == 0)
		snprintf(text, FORMAT_SIZE, "%" PRIu64 " s", seconds);
	else if (hours == 0)
		snprintf(text, FORMAT_SIZE, "%" PRIu64 " min %02" PRIu64 " s", minutes,
			seconds % 60);
	else if (hours < 24)
		snprintf(text, FORMAT_SIZE, "%" PRIu64 " h %02" PRIu64 " min", hours, minutes % 60);
	else
		snprintf(
			text, FORMAT_SIZE, "%" PRIu64 " d %02" PRIu64 " h", hours / 24, hours % 24);
}

void format_time(char text[FORMAT_SIZE], uint64_t seconds)
{
	time_t time = (time_t)seconds;
	struct tm local;

	if (localtime_r(&time, &local) == NULL
		|| strftime(text, FORMAT_SIZE, "%Y-%m-%d %H:%M:%S", &local) == 0)
		snprintf(text, FORMAT_SIZE, "%" PRIu64, seconds);
}

double rate_per_second(uint64_t before, uint64_t after, double seconds)
{
	return after > before && seconds > 0 ? (double)(after - before) / seconds : 0;
}
