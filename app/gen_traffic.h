/* SPDX-License-Identifier: BSD-3-Clause */
/* Mirror traffic in the shape that AWS gives it, made in memory: which frame comes next, and its
 * bytes. No port, file or clock: the same specification gives the same frames.
 *
 * Each flow is a conversation between a mirrored interface (the source) and a peer of its own. Its
 * packets go in both directions in turn, and each direction has its own outer UDP source port out
 * of 128 (65408 to 65535). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_byteorder.h>

#include "gen_choice.h"
#include "packet/facts.h"
#include "packet/verdict.h"

enum {
	GEN_MAX_FLOWS = 1 << 22, /* peers are of 100.64.0.0/10 */
	GEN_MAX_SOURCES = 1 << 16,
	GEN_MAX_SESSIONS = 1 << 20,
	GEN_MIN_INNER = 14,
	GEN_MAX_INNER = 16000,
	GEN_MAX_PREFIX = 320,
	GEN_BROKEN_BYTES = 128, /* room for a malformed frame */
	GEN_ERROR_SIZE = 512,
};

enum gen_distribution {
	GEN_UNIFORM,
	GEN_ZIPF,
	GEN_CYCLE, /* one after the other */
};

enum gen_tunnel {
	GEN_VXLAN,
	GEN_GENEVE, /* with the Ethernet frame in it */
	GEN_GWLB,   /* VXLAN in GENEVE, as through a Gateway Load Balancer */
	GEN_TUNNELS,
};

/* Who sends mirror traffic to whom. IPv4 addresses in host order; an IPv6 address of a mirrored
 * interface or peer is 2001:db8::a.b.c.d. */
struct gen_ends {
	uint8_t target_mac[6];
	uint8_t sender_mac[6];
	uint32_t target;
	uint8_t target6[16];
	uint32_t source; /* the first one */
	uint16_t vxlan_port;
	uint16_t geneve_port;
};

struct gen_sizes {
	uint32_t *bytes;
	double *weights;
	uint32_t count;
};

/* Shares are from 0 to 1. */
struct gen_spec {
	struct gen_ends ends;
	uint32_t sources;
	uint32_t sessions;
	uint32_t first_vni;
	uint32_t flows;
	enum gen_distribution distribution;
	double zipf_exponent;
	struct gen_sizes sizes;      /* of inner frames, before truncation */
	double tunnels[GEN_TUNNELS]; /* weights, of flows */
	double ipv6;                 /* of flows: inside */
	double outer_ipv6;           /* of flows */
	double udp;                  /* of flows, the others are TCP */
	double fragments;            /* of flows: each packet in two fragments, UDP */
	double copies;               /* of packets: a second mirror point sends them as well */
	double malformed[MT_VERDICT_COUNT]; /* of frames, in sum less than 1 */
	uint32_t truncate;                  /* bytes behind the tunnel; 0: whole */
	uint64_t seed;
	const char *capture; /* inner frames out of this file instead; NULL: made */
};

/* What has been made and not taken back. One writer: who calls gen_traffic_write(). */
struct gen_counts {
	uint64_t frames;
	uint64_t bytes;    /* of outer frames */
	uint64_t marked;   /* frames with a mark that no earlier one has: copies are not counted */
	uint64_t unmarked; /* frames of flows that are too small for a mark */
	uint64_t copies;
	uint64_t fragments;
	uint64_t ipv6;
	uint64_t truncated;
	uint64_t tunnels[GEN_TUNNELS];
	uint64_t verdicts[MT_VERDICT_COUNT];
};

/* One frame, chosen but not written. */
struct gen_next {
	uint32_t index; /* of the flow, malformed or captured frame */
	uint16_t size;  /* of the inner frame, of a flow */
	uint8_t kind;
};

/* One frame that was written, as it is counted. */
struct gen_made {
	uint32_t length;
	uint8_t shape;   /* whose template; not of a malformed one */
	uint8_t verdict; /* enum mt_verdict */
	bool marked;     /* and the first with its mark */
	bool unmarked;
	bool copy;
	bool truncated;
};

struct gen_traffic;

/* NULL on failure, with one line in `error`. */
struct gen_traffic *gen_traffic_create(const struct gen_spec *spec, char error[GEN_ERROR_SIZE]);
void gen_traffic_free(struct gen_traffic *traffic);

/* Bytes that a buffer needs for any frame; it may be more than the longest frame has. */
uint32_t gen_traffic_room(const struct gen_traffic *traffic);
/* The longest frame. */
uint32_t gen_traffic_longest(const struct gen_traffic *traffic);

/* Prepares a buffer of gen_traffic_room() bytes: once, as gen_traffic_write() leaves all that does
 * not change as it is. */
void gen_traffic_fill(uint8_t *bytes, uint32_t room);

/* Chooses the next `count` frames; all of them must then be written, in order. */
void gen_traffic_choose(struct gen_traffic *traffic, struct gen_next *next, unsigned count);

/* Writes a frame, sent at `time_ns`, and counts it. */
struct gen_made gen_traffic_write(
	struct gen_traffic *traffic, const struct gen_next *next, uint8_t *bytes, uint64_t time_ns);

/* Takes a frame that was not sent out of the counts again. Only for the last ones of a run: their
 * numbers are not used again. */
void gen_traffic_take_back(struct gen_traffic *traffic, const struct gen_made *made);

const struct gen_counts *gen_traffic_counts(const struct gen_traffic *traffic);

/* Frames of the capture that are left out: too short or too long to be an inner frame. */
uint32_t gen_traffic_skipped(const struct gen_traffic *traffic);

/* What tells the packet room which ports carry mirror traffic. */
static inline struct mt_tunnels gen_tunnels(const struct gen_ends *ends)
{
	return (struct mt_tunnels){
		.vxlan_ports = {rte_cpu_to_be_16(ends->vxlan_port)},
		.geneve_ports = {rte_cpu_to_be_16(ends->geneve_port)},
		.vxlan_count = 1,
		.geneve_count = 1,
		.hash = mt_hash_configure(MT_HASH_5_TUPLE, false),
	};
}
