/* SPDX-License-Identifier: BSD-3-Clause */
/* Random sessions, filters and inner frames, and what a policy must say of them, found the plain
 * way: every rule of a filter is looked at, one after the other. Knows nothing of lib/policy but
 * the shape of its specification, and reads no packet: it knows what it put into them. */
#pragma once

#include "build_packet.h"
#include "policy/policy.h"

enum {
	RANDOM_SESSIONS = 6,
	RANDOM_FILTERS = 4,
	RANDOM_RULES = 16,
	RANDOM_SOURCES = 3,
	RANDOM_OUTPUTS = 3,
};

struct random_policy {
	struct mt_policy_spec spec;
	struct mt_session_spec sessions[RANDOM_SESSIONS];
	struct mt_cidr sources[RANDOM_SESSIONS][RANDOM_SOURCES];
	struct mt_filter filters[RANDOM_FILTERS];
	struct mt_rule rules[RANDOM_FILTERS][RANDOM_RULES];
};

struct random_frame {
	struct packet packet;
	struct mt_address outer_source;
	uint32_t vni;
	uint8_t flags;    /* MT_FLAG_INGRESS, MT_FLAG_EGRESS or neither */
	uint8_t family;   /* 4, 6, or 0: no IP */
	bool ports_known; /* or the ICMP type */
	bool flags_known; /* of TCP */
	uint8_t protocol;
	uint8_t icmp_type;
	uint8_t tcp_flags;
	uint16_t vlan;
	uint16_t source_port;
	uint16_t destination_port;
	struct mt_address source; /* IPv4 mapped */
	struct mt_address destination;
};

/* `bpf`: rules may have capture filters, which take long to make. */
void random_policy(struct random_policy *made, bool bpf);
void random_frame(struct random_frame *made);

/* What mt_policy_decide() must say, where nothing samples. */
void plain_decision(const struct mt_policy_spec *spec, const struct random_frame *frame,
	struct mt_decision *decision);
