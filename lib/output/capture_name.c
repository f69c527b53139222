/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/capture_name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* 0: a digit; else the character itself. */
static const char time_pattern[] = "-00000000T000000.000000Z.pcapng";

void mt_capture_name(char *to, size_t size, const char *name, uint64_t time_ns)
{
	time_t seconds = (time_t)(time_ns / 1000000000u);
	char text[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y%m%dT%H%M%S", &tm);
	snprintf(to, size, "%s-%s.%06uZ.pcapng", name, text, (unsigned)(time_ns / 1000 % 1000000));
}

static bool is_time(const char *text)
{
	for (size_t i = 0; i < sizeof(time_pattern) - 1; i++) {
		if (time_pattern[i] == '0' ? !isdigit((unsigned char)text[i])
					   : text[i] != time_pattern[i])
			return false;
	}
	return true;
}

bool mt_capture_name_is(const char *file, const char *name, bool *part)
{
	size_t length = strlen(name);

	if (strncmp(file, name, length) != 0 || !is_time(file + length))
		return false;
	file += length + sizeof(time_pattern) - 1;
	*part = strcmp(file, MT_CAPTURE_PART) == 0;
	return *file == '\0' || *part;
}

size_t mt_capture_name_length(const char *part)
{
	const size_t behind = sizeof(time_pattern) - 1 + sizeof(MT_CAPTURE_PART) - 1;
	size_t length = strlen(part);

	return length > behind && is_time(part + length - behind) ? length - behind : 0;
}
