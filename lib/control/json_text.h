/* SPDX-License-Identifier: BSD-3-Clause */
/* Texts that come from outside (configuration, command line, clients, consumers) or were cut by
 * bytes, as strings of the API's documents. */
#pragma once

#include <jansson.h>

/* Makes `text` valid UTF-8 (RFC 3629) in place: '?' for each sequence that is broken, with the
 * bytes that continue it. */
void mt_json_text_mend(char *text);

/* A string, mended where it has to be: jansson refuses what is not UTF-8, and with it the whole
 * document. null for NULL; NULL: out of memory. */
json_t *mt_json_text(const char *text);
