/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks of pcapng files, draft-ietf-opsawg-pcapng, made in memory: a section header, interfaces
 * with names, packets with nanoseconds, original length and direction, statistics. Nothing more.
 *
 * Ours because rte_pcapng (22.11) ties interfaces to DPDK ports, so it cannot name a VNI, and
 * libpcap reads pcapng but does not write it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	MT_PCAPNG_MAX_TEXT = 255, /* bytes of a name or description; what is longer is cut */
	MT_PCAPNG_MAX_PACKET_BYTES = 262144, /* what readers take of an Ethernet frame */

	/* Room that the blocks need. */
	MT_PCAPNG_SECTION_BYTES = 48,
	MT_PCAPNG_MAX_INTERFACE_BYTES = 16 + 2 * (4 + 256) + 8 + 4 + 4,
	MT_PCAPNG_STATISTICS_BYTES = 20 + 5 * 12 + 4 + 4,
	MT_PCAPNG_PACKET_HEAD_BYTES = 28,
	MT_PCAPNG_MAX_PACKET_TAIL_BYTES = 3 + 8 + 4 + 4,
};

struct mt_pcapng_interface {
	const char *name;
	const char *description; /* NULL: none */
	uint32_t snap;           /* bytes of a packet that are kept at most; 0: all */
};

struct mt_pcapng_packet {
	uint64_t time_ns;         /* since 1970-01-01 UTC */
	uint32_t interface;       /* id: interfaces are numbered from 0 as they are described */
	uint32_t original_length; /* bytes, before truncation */
	uint8_t flags; /* MT_FLAG_INGRESS: inbound, MT_FLAG_EGRESS: outbound; others: not kept */
};

/* Of one interface, since start_ns. Delivered is what is in the file. */
struct mt_pcapng_statistics {
	uint32_t interface;
	uint64_t start_ns;
	uint64_t now_ns;
	uint64_t received;
	uint64_t dropped;
	uint64_t delivered;
};

/* Each returns how many bytes it put: a multiple of 4. */
uint32_t mt_pcapng_put_section(uint8_t *to);
uint32_t mt_pcapng_put_interface(uint8_t *to, const struct mt_pcapng_interface *interface);
uint32_t mt_pcapng_put_statistics(uint8_t *to, const struct mt_pcapng_statistics *statistics);

/* A packet of `length` captured bytes is its head, these bytes, and its tail directly behind them.
 * The head has MT_PCAPNG_PACKET_HEAD_BYTES; the tail's number of bytes is returned. */
void mt_pcapng_put_packet_head(uint8_t *to, const struct mt_pcapng_packet *packet, uint32_t length);
uint32_t mt_pcapng_put_packet_tail(uint8_t *to, uint8_t flags, uint32_t length);

/* Of the whole block. */
uint32_t mt_pcapng_packet_bytes(uint32_t length);

/* --- reading again what was written on this machine ------------------------------------------- */

enum mt_pcapng_kind {
	MT_PCAPNG_SECTION,
	MT_PCAPNG_PACKET,
	MT_PCAPNG_OTHER,
	MT_PCAPNG_BROKEN,
};

/* What the block is that begins with these 8 bytes, and its whole length. */
enum mt_pcapng_kind mt_pcapng_look(const uint8_t *start, uint32_t *length);

/* Time of the packet whose head this is. */
uint64_t mt_pcapng_packet_time(const uint8_t *head);

/* What a block of `length` bytes says, if it is statistics of an interface; else false. Options
 * that it does not have are 0. */
bool mt_pcapng_read_statistics(
	const uint8_t *block, uint32_t length, struct mt_pcapng_statistics *statistics);
