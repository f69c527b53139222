/* SPDX-License-Identifier: BSD-3-Clause */
/* The fields of an inner frame that rules look at, laid out for rte_acl: network order, groups of
 * four bytes behind the first. */
#pragma once

#include <assert.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "policy/spec.h"

/* What is known of the frame, each with all before it. A rule that asks for more does not match. */
enum {
	MT_KNOWN_IP = 0x80,    /* addresses and protocol: a sound IP header */
	MT_KNOWN_PORTS = 0x40, /* ports, or the ICMP type: not of fragments */
	MT_KNOWN_TCP_FLAGS = 0x20,
};

struct mt_key {
	uint8_t protocol;
	uint8_t family; /* 4, 6; 0: no sound IP. Not matched, but chooses the classifier */
	uint8_t unused[2];
	uint16_t segment;   /* of which filter: filters.h */
	uint8_t direction;  /* enum mt_direction */
	uint8_t known;      /* MT_KNOWN_* */
	uint8_t source[16]; /* IPv4: the first four */
	uint8_t destination[16];
	uint16_t source_port;
	uint16_t destination_port;
	uint16_t vlan;
	uint8_t icmp_type;
	uint8_t tcp_flags;
};
static_assert(sizeof(struct mt_key) == 48, "the key has no gaps");

/* Reads `frame`, which has the flags `flags` (MT_FLAG_*); all but the segment. */
void mt_key_read(const struct rte_mbuf *frame, uint8_t flags, struct mt_key *key);
