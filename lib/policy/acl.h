/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules in rte_acl's terms, for keys of one family. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_acl.h>

#include "policy/spec.h"

struct mt_acl_builder {
	struct rte_acl_rule *rules; /* of rule_size bytes each */
	uint32_t rule_size;
	uint32_t count;
	uint8_t family;
};

/* Room for `capacity` rules. `family`: 6 for IPv6; 4 for IPv4 and what is no IP. Returns 0 or
 * -ENOMEM. */
int mt_acl_begin(struct mt_acl_builder *builder, uint8_t family, uint32_t capacity);

/* Can the rule match keys of this family? */
bool mt_acl_suits(const struct mt_rule *rule, uint8_t family);

/* `place` among the rules of its filter, from 0: the first match decides. `result` is what the
 * classifier shall return, not 0. */
void mt_acl_add(struct mt_acl_builder *builder, const struct mt_rule *rule, uint16_t segment,
	uint32_t place, uint32_t result);

/* Makes the classifier; *acl is NULL where no rule was added. Returns 0 or -errno. */
int mt_acl_build(const struct mt_acl_builder *builder, struct rte_acl_ctx **acl);

/* Frees the builder, not what it built. */
void mt_acl_end(struct mt_acl_builder *builder);

void mt_acl_free(struct rte_acl_ctx *acl);
