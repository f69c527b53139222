/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions and filters of the configuration, checked and in the form that the policy room takes. */
#pragma once

#include "control/config.h"
#include "control/config_lines.h"

/* What only config->policy points to: freed with the configuration. */
struct mt_config_memory;

/* Zeroed memory that lives as long as the configuration; NULL: there is none. */
void *mt_config_keep(struct mt_config *config, size_t size);

void mt_config_memory_free(struct mt_config_memory *memory);

/* Fills config->policy in, with what is imported. Returns 0, or -errno with the message written. */
int mt_config_policy(struct mt_config_lines *lines, struct mt_config *config);

/* --- config_rule.c: single values --- */

/* "10.0.0.0/16", "fd00::/8", or an address. Bits behind the prefix must be 0. False: it is none. */
bool mt_config_cidr(const char *text, struct mt_cidr *cidr);

/* "80" or "8000-8080". */
bool mt_config_port_range(const char *text, struct mt_port_range *ports);

/* A number from 0 to 255 or a name; -1: neither. */
int mt_config_protocol(const char *text);

/* Reads filters[filter].rules[index]; all but its outputs. Returns 0, or -EINVAL with the message
 * written. */
int mt_config_rule(struct mt_config_lines *lines, const struct mt_config_rule *config,
	unsigned filter, unsigned index, struct mt_rule *rule);
