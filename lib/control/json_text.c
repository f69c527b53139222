/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/json_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static bool continues(unsigned char byte)
{
	return (byte & 0xc0) == 0x80;
}

/* RFC 3629, section 4: no overlong forms, no surrogates, nothing above U+10FFFF. Returns 0 where
 * no valid sequence begins. Does not read behind a NUL, which continues nothing. */
static size_t sequence_length(const unsigned char *at)
{
	unsigned char least = 0x80, most = 0xbf;
	size_t length;

	if (at[0] < 0x80)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	length = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	if (at[0] == 0xe0)
		least = 0xa0;
	else if (at[0] == 0xed)
		most = 0x9f;
	else if (at[0] == 0xf0)
		least = 0x90;
	else if (at[0] == 0xf4)
		most = 0x8f;
	if (at[1] < least || at[1] > most)
		return 0;
	for (size_t i = 2; i < length; i++) {
		if (!continues(at[i]))
			return 0;
	}
	return length;
}

void mt_json_text_mend(char *text)
{
	const unsigned char *from = (const unsigned char *)text;
	char *to = text;

	while (*from != '\0') {
		size_t length = sequence_length(from);

		if (length > 0) {
			memmove(to, from, length);
			to += length;
			from += length;
			continue;
		}
		*to++ = '?';
		do
			from++;
		while (continues(*from));
	}
	*to = '\0';
}

json_t *mt_json_text(const char *text)
{
	json_t *string;
	char *copy;

	if (text == NULL)
		return json_null();
	string = json_string(text);
	if (string != NULL)
		return string;
	copy = strdup(text);
	if (copy == NULL)
		return NULL;
	mt_json_text_mend(copy);
	string = json_string(copy);
	free(copy);
	return string;
}
