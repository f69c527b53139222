/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/json_list.h"

#include <stdint.h>
#include <stdio.h>

void mt_json_list_text(const json_t *array, const char *none, char *text, size_t size)
{
	size_t used = 0;
	json_t *item;
	size_t i;

	snprintf(text, size, "%s", none);
	json_array_foreach ((json_t *)(uintptr_t)array, i, item) {
		const char *comma = i == 0 ? "" : ",";

		if (json_is_string(item))
			used += (size_t)snprintf(
				text + used, size - used, "%s%s", comma, json_string_value(item));
		else
			used += (size_t)snprintf(text + used, size - used,
				"%s%" JSON_INTEGER_FORMAT, comma, json_integer_value(item));
		if (used >= size)
			return;
	}
}
