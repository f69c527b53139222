/* SPDX-License-Identifier: BSD-3-Clause */
/* What a ring output and its consumers share: one piece of memory per queue, and the messages by
 * which a consumer claims queues. Used by lib/output (the daemon's side) and lib/consumer.
 *
 * The memory is a memfd that cannot change its size. The daemon reads of it no more than the fields
 * that a consumer writes, takes each once, and bounds it; what it needs to know about frames it
 * keeps to itself. The messages go over a Unix socket (SOCK_SEQPACKET), whose file says who may
 * attach; the kernel closes it when a consumer dies, however that happens. */
#pragma once

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "packet/frame_info.h"

#define MT_RING_FOLDER "/run/mirrortap"
#define MT_RING_MAGIC UINT64_C(0x676e69725f74696d)

enum {
	/* Goes up with each change of what is below that the other side must know of. */
	MT_RING_ABI = 1,
	MT_RING_LINE = 64,
	MT_RING_MAX_QUEUES = 64,
	MT_RING_MAX_PROGRAM = 31,
	MT_RING_MAX_NAME = 63,     /* of a session */
	MT_RING_MAX_NAMES = 65536, /* sessions beyond these have none here */
};

enum mt_ring_mode {
	MT_RING_ZERO_COPY, /* a slot holds the daemon's address of an mbuf */
	MT_RING_COPY,      /* a slot holds the number of a record in this memory */
};

struct mt_ring_area {
	/* Writer: the daemon, before any consumer sees it. */
	uint64_t magic;
	uint32_t abi;
	uint32_t mode; /* enum mt_ring_mode */
	uint32_t queue;
	uint32_t length;       /* slots, a power of two; as many frames are out at most */
	uint32_t snap;         /* bytes of a frame that a consumer shall see; 0: all */
	uint32_t drop_old;     /* the daemon moves `taken` too */
	uint32_t record_bytes; /* copy: from one record to the next */
	uint32_t records;      /* copy: how many */
	uint64_t slots_offset; /* uint64_t [length] */
	uint64_t records_offset;
	uint64_t total_bytes;
	_Atomic uint32_t closing; /* the daemon ends: no more will come. Writer: the daemon */

	/* Frames that were put into slots, ever. Writer: the worker. */
	alignas(MT_RING_LINE) _Atomic uint64_t head;

	/* Slots that were emptied, ever. Writer: the consumer; with `drop_old` by compare and
	 * exchange, as does the worker. */
	alignas(MT_RING_LINE) _Atomic uint64_t taken;

	/* Writer: the consumer. */
	alignas(MT_RING_LINE) _Atomic uint64_t released; /* frames given back, oldest first, ever */
	_Atomic uint64_t processed; /* frames that this consumer is done with */
	_Atomic uint64_t polls;     /* its heartbeat: calls to receive */
	_Atomic uint32_t sleeping;  /* wants its eventfd written when there is a frame */

	/* The daemon's counters, for the consumer to read. Writer: the daemon, ten times a second.
	 */
	alignas(MT_RING_LINE) _Atomic uint64_t offered;
	_Atomic uint64_t delivered;
	_Atomic uint64_t dropped_full;
	_Atomic uint64_t dropped_absent;
	_Atomic uint64_t high_water;
};
static_assert(offsetof(struct mt_ring_area, head) == 2 * MT_RING_LINE
		&& sizeof(struct mt_ring_area) == 6 * MT_RING_LINE,
	"each side writes to its own cache lines");

enum {
	MT_RING_HEADER_BYTES = offsetof(struct mt_ring_area, head),
};

/* copy: what stands before a frame's bytes. */
struct mt_ring_record {
	struct mt_frame_info info;
	uint32_t length; /* bytes that follow */
	uint32_t flow_hash;
	uint64_t reserved[3];
};
static_assert(sizeof(struct mt_ring_record) == MT_RING_LINE, "the bytes begin on a cache line");

/* --- the socket --- */

enum mt_ring_request {
	MT_RING_CLAIM = 1, /* answered with a welcome, and the descriptors of each queue */
	MT_RING_START = 2, /* frames may come; answered with a welcome when they do */
	/* zero-copy: the parts of the mbufs' memory from number `queue` on; answered with struct
	 * mt_ring_memory and a descriptor for each, which allows no more than reading. */
	MT_RING_MEMORY = 3,
	MT_RING_NAMES = 4, /* of sessions; answered with a welcome, and a memfd: mt_ring_names */
};

enum {
	MT_RING_ALL_QUEUES = -1,
	MT_RING_ANY_QUEUE = -2,
};

/* Magic and ABI stand first in each message, and the reason third in a welcome, for ever: so that
 * any two versions can tell each other why not. */
struct mt_ring_hello {
	uint64_t magic;
	uint32_t abi;
	uint32_t request; /* enum mt_ring_request */
	int32_t queue;    /* or MT_RING_ALL_QUEUES, MT_RING_ANY_QUEUE */
	char program[MT_RING_MAX_PROGRAM + 1];
};

struct mt_ring_welcome {
	uint64_t magic;
	uint32_t abi;
	int32_t status;   /* 0, or -errno */
	char reason[240]; /* in words, where it is not 0 */
	uint64_t queues;  /* bit mask of those claimed: a memfd and an eventfd for each follow */
	uint32_t queues_count; /* of the output */
	uint32_t mode;         /* enum mt_ring_mode */
	char version[32];      /* of the daemon */
	char dpdk_version[32];
	/* zero-copy: where the mbufs' memory lies in the daemon, in how many parts, and where in an
	 * mbuf things are: see mt_ring_mbuf_layout(). */
	uint64_t memory_from;
	uint64_t memory_to;
	uint32_t memory_parts;
	uint16_t mbuf_layout[8];
};

enum {
	MT_RING_PARTS = 100, /* in one message */
};

struct mt_ring_memory {
	uint64_t magic;
	uint32_t abi;
	uint32_t count;
	struct mt_ring_part {
		uint64_t address; /* in the daemon */
		uint64_t length;
		uint64_t offset; /* in the file */
	} parts[MT_RING_PARTS];
};

/* Names of the sessions that the daemon was configured with, VNIs rising; sealed. */
struct mt_ring_names {
	uint64_t magic;
	uint32_t abi;
	uint32_t count;
	struct mt_ring_name {
		uint32_t vni;
		char name[MT_RING_MAX_NAME + 1];
	} list[];
};

/* Programs may be built with other versions of DPDK than the daemon, as long as these are equal. */
static inline void mt_ring_mbuf_layout(uint16_t layout[8])
{
	layout[0] = sizeof(struct rte_mbuf);
	layout[1] = offsetof(struct rte_mbuf, buf_addr);
	layout[2] = offsetof(struct rte_mbuf, data_off);
	layout[3] = offsetof(struct rte_mbuf, pkt_len);
	layout[4] = offsetof(struct rte_mbuf, data_len);
	layout[5] = offsetof(struct rte_mbuf, next);
	layout[6] = offsetof(struct rte_mbuf, hash);
	layout[7] = MT_FRAME_INFO_OFFSET;
}

/* Where the socket of an output is: FOLDER/PREFIX.OUTPUT.ring. Returns as snprintf. */
static inline int mt_ring_socket_path(
	char *path, size_t size, const char *folder, const char *file_prefix, const char *output)
{
	return snprintf(path, size, "%s/%s.%s.ring", folder, file_prefix, output);
}
