/* SPDX-License-Identifier: BSD-3-Clause */
/* All filters in two classifiers (rte_acl), one for IPv4 and what is no IP, one for IPv6.
 *
 * A rule's place among its filter's rules, in ascending number, is its priority. rte_acl cannot run
 * a rule's BPF program, so a rule that has one ends a *segment* of its filter: when the program
 * says no, or nothing of the segment matches, the frame is looked up once more in the next segment.
 * A filter without such rules is one segment: one look-up. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "policy/key.h"
#include "policy/spec.h"

struct rte_acl_ctx;
struct mt_bpf;

struct mt_filter_entry {
	const struct mt_filter *filter;
	uint16_t first_segment;
	uint16_t last_segment;
};

struct mt_rule_entry {
	const struct mt_rule *rule;
	struct mt_bpf *bpf; /* NULL: none */
};

struct mt_filters {
	struct rte_acl_ctx *acl4; /* NULL: no rule can match */
	struct rte_acl_ctx *acl6;
	struct mt_filter_entry *entries; /* as in the specification */
	struct mt_rule_entry *rules;     /* the classifiers' results count from 1 */
	uint32_t count;
	uint32_t rules_count;
};

/* One look-up. */
struct mt_filter_job {
	const struct mt_filter_entry *filter;
	struct mt_key *key; /* its segment is overwritten */
	struct rte_mbuf *frame;
	const struct mt_rule *rule; /* the result; NULL: none matches */
};

/* Returns 0, or -errno with one line in `error`. */
int mt_filters_make(struct mt_filters *filters, const struct mt_policy_spec *spec, char *error,
	size_t error_size);

void mt_filters_free(struct mt_filters *filters);

/* Looks `count` (at most MT_POLICY_BURST) frames up. */
void mt_filters_run(const struct mt_filters *filters, struct mt_filter_job *jobs, uint16_t count);
