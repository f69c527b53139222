/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists of the API's documents as text. For the daemon and its clients. */
#pragma once

#include <stddef.h>

#include <jansson.h>

/* "0,1" or "eth1/0,eth1/1": the members of an array of integers or strings, cut at `size`; `none`
 * where there are none, or `array` is NULL. */
void mt_json_list_text(const json_t *array, const char *none, char *text, size_t size);
