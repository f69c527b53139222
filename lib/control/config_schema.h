/* SPDX-License-Identifier: BSD-3-Clause */
/* The keyword table: every key with its type, help text and range. libcyaml loads by it, and the
 * messages about wrong types, keys and values are made from it. */
#pragma once

#include <cyaml/cyaml.h>

#include "control/config.h"

/* What libcyaml loads into. `config` is first: mt_config_free() gets its address. */
struct mt_config_file {
	struct mt_config config;
};

const cyaml_schema_value_t *mt_config_schema(void);

/* What is allowed for the key at `path` ("ports[3].device"), in words. Never NULL. */
const char *mt_config_schema_help(const char *path);

/* The numbers allowed at `path`. */
struct mt_config_range {
	uint32_t minimum, maximum;
	bool power_of_two;
};

struct mt_config_range mt_config_schema_range(const char *path);
