/* SPDX-License-Identifier: BSD-3-Clause */
/* From YAML to structs: libcyaml loads by the keyword table and says in which key it failed; the
 * message, with the right line, is made here. What libcyaml lets pass is checked afterwards. */
#pragma once

#include "control/config_lines.h"
#include "control/config_schema.h"

/* Loads `text`; `lines` holds the same text. Checks types, unknown, missing and repeated keys,
 * choices, numbers and their ranges. Returns 0 and *file, to be freed by mt_config_values_free(),
 * or -EINVAL with the message written. Absent keys are 0 or NULL. */
int mt_config_values_load(struct mt_config_lines *lines, const char *text, size_t length,
	struct mt_config_file **file);

void mt_config_values_free(struct mt_config_file *file);
