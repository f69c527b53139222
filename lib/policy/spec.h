/* SPDX-License-Identifier: BSD-3-Clause */
/* What a policy shall be made of: sessions, filters, and what outputs take, as the configuration or
 * an import says it, checked. In AWS's words: https://docs.aws.amazon.com/vpc/latest/mirroring/. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "packet/facts.h"

enum {
	MT_POLICY_MAX_OUTPUTS = 16,
	MT_POLICY_MAX_BPF_RULES = 16, /* of one filter: each may cost a look-up more */
};

/* A range of addresses; that of an IPv4 one is that of its mapped addresses. */
struct mt_cidr {
	struct mt_address address;
	uint8_t length; /* 0 to 128; of IPv4 96 more than written */
	uint8_t family; /* 4, 6; 0: any address of either */
};

struct mt_port_range {
	uint16_t first;
	uint16_t last;
};

#define MT_ALL_PORTS ((struct mt_port_range){0, UINT16_MAX})

/* As seen from the source. The order matters: a rule takes a range of them, and "cannot be known"
 * stands between the two. */
enum mt_direction {
	MT_DIRECTION_INGRESS = 1,
	MT_DIRECTION_UNKNOWN = 2,
	MT_DIRECTION_EGRESS = 3,
};

/* What becomes of frames, beyond accepting them. 0: nothing said. */
struct mt_treatment {
	uint16_t outputs;  /* set of outputs, bit o for outputs[o]: only there */
	uint32_t truncate; /* bytes of the inner frame to keep */
	uint32_t sample;   /* keep 1 in so many flows or packets */
	bool sample_packets;
};

struct mt_rule {
	uint32_t number;
	uint8_t direction_first; /* enum mt_direction */
	uint8_t direction_last;
	bool accept;
	int16_t protocol;  /* -1: any, and what is no IP */
	int16_t vlan;      /* VLAN id of the outermost tag, 0: no tag; -1: any */
	int16_t icmp_type; /* -1: any; with protocol ICMP or ICMPv6 */
	uint8_t tcp_flags; /* those of `tcp_flags_mask` that must be set, the others be clear */
	uint8_t tcp_flags_mask;
	struct mt_port_range source_ports; /* with a protocol that has ports */
	struct mt_port_range destination_ports;
	struct mt_cidr source;
	struct mt_cidr destination;
	const char *bpf; /* pcap-filter(7) expression on the inner frame; NULL: none */
	struct mt_treatment treatment;
};

/* The rules may be in any order. */
struct mt_filter {
	const char *name;
	const struct mt_rule *rules;
	unsigned rules_count;
};

struct mt_session_spec {
	uint32_t vni;
	const char *name;
	const char *description;        /* NULL: none */
	const struct mt_cidr *sources;  /* allowed outer sources */
	unsigned sources_count;         /* 0: any */
	const struct mt_filter *filter; /* NULL: none, all is accepted */
	struct mt_treatment treatment;
};

/* Of one output, in its own right. */
struct mt_output_policy {
	const struct mt_filter *filter; /* NULL: none */
	uint32_t sample;                /* 0: none */
	bool sample_packets;
};

struct mt_policy_spec {
	const struct mt_session_spec *sessions; /* each VNI once */
	unsigned sessions_count;
	bool drop_unknown; /* VNIs that no session has */
	const struct mt_filter *filters;
	unsigned filters_count;
	struct mt_output_policy outputs[MT_POLICY_MAX_OUTPUTS]; /* by their places */
	unsigned outputs_count;                                 /* places, from 0 */
	uint16_t gaps; /* set of those places that no output has */
};

/* True if the policy would change nothing about any packet. */
bool mt_policy_spec_is_empty(const struct mt_policy_spec *spec);
