/* SPDX-License-Identifier: BSD-3-Clause */
/* Writer of pcapng files, draft-ietf-opsawg-pcapng: one section, interfaces with names, packets
 * with nanoseconds, original length and direction. Nothing more.
 *
 * Ours because rte_pcapng (22.11) ties interfaces to DPDK ports, so it cannot name a VNI, and
 * libpcap reads pcapng but does not write it. */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include <sys/uio.h>

/* One section of one file. The file belongs to the caller, who opens and closes it. */
struct mt_pcapng {
	FILE *file;
	uint32_t interfaces; /* described so far: their ids are 0..interfaces-1 */
};

struct mt_pcapng_packet {
	uint64_t time_ns;         /* since 1970-01-01 UTC */
	uint32_t interface;       /* id, as mt_pcapng_add_interface gave it */
	uint32_t original_length; /* bytes, before truncation */
	uint8_t flags; /* MT_FLAG_INGRESS: inbound, MT_FLAG_EGRESS: outbound; others: not kept */
};

/* All return 0 (or what they say), or -errno if the file does not take it; -EINVAL for arguments
 * that the format cannot hold. After a failure the file is cut somewhere within a block. */

/* Starts a section in `file`: section header block with the name of the program. */
int mt_pcapng_begin(struct mt_pcapng *pcapng, FILE *file);

/* Describes one more Ethernet interface, of any snap length, time stamps in nanoseconds. Returns
 * its id. May be called between packets. */
int mt_pcapng_add_interface(struct mt_pcapng *pcapng, const char *name);

/* Writes one packet, gathered from `count` parts as writev would. */
int mt_pcapng_write(struct mt_pcapng *pcapng, const struct mt_pcapng_packet *packet,
	const struct iovec *parts, unsigned count);
