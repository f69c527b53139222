/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of mirrordump: attaching to the daemon's memory, writing what was read. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <pcap/pcap.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "packet/facts.h"

enum {
	DUMP_MAX_QUEUES = 64,
	DUMP_ADDRESS_SIZE = 46, /* INET6_ADDRSTRLEN */
	DUMP_TIME_SIZE = 40,
};

/* --- dump_daemon.c: what the daemon says over its control socket --- */

struct dump_daemon {
	pid_t pid; /* 0: not known */
	char file_prefix[64];
	unsigned queues; /* of the output; 0: not known */
	/* Lcores and CPUs that are the daemon's. */
	bool lcores[RTE_MAX_LCORE];
	bool cpus[CPU_SETSIZE];
};

/* Asks for the daemon and its ring output `output`. If `file_prefix` is not NULL and not that of
 * the daemon that answers, or none answers, only the prefix is known. On failure one line is in
 * `error`. */
bool dump_daemon_ask(struct dump_daemon *daemon, const char *socket_path, const char *output,
	const char *file_prefix, char *error, size_t error_size);

/* --- dump_attach.c: DPDK's side --- */

/* Rings of one output in the daemon's memory. While `lock` is held and `gone` is false, the rings
 * and all frames are mapped. */
struct dump_rings {
	pthread_mutex_t lock;
	bool gone; /* the daemon has freed them, or is about to */
	unsigned count;
	unsigned queue[DUMP_MAX_QUEUES]; /* number of each */
	struct rte_ring *ring[DUMP_MAX_QUEUES];
	/* Where they and the frames lie. */
	struct dump_range {
		uintptr_t from;
		uintptr_t to;
	} * ranges;
	size_t ranges_count;
};

/* Becomes a DPDK secondary process of the daemon; once in a process. `socket_path` says where else
 * than in the usual place EAL's files may be. On failure one line is in `error`. */
bool dump_attach(const struct dump_daemon *daemon, const char *socket_path, bool verbose,
	char *error, size_t error_size);

/* Finds the rings of all queues of `output`, or of `queue` alone if that is not negative. */
bool dump_rings_find(struct dump_rings *rings, const char *output, int queue,
	const struct dump_daemon *daemon, char *error, size_t error_size);

/* False when the daemon has ended. */
bool dump_daemon_alive(const struct dump_daemon *daemon);

void dump_detach(struct dump_rings *rings);

/* --- dump_frame.c: one frame in words --- */

/* "10.0.0.1" for an IPv4 address that is mapped, else IPv6. */
void dump_format_address(char text[DUMP_ADDRESS_SIZE], struct mt_address address);

/* "2024-11-23T12:00:00.123456789Z" */
void dump_format_time(char text[DUMP_TIME_SIZE], uint64_t time_ns);

/* One line: time, queue, VNI, source, lengths, direction, flags, the inner frame in short. */
void dump_print_frame(FILE *stream, struct rte_mbuf *frame, unsigned queue);

/* --- dump_pcap.c: a capture file --- */

struct dump_pcap {
	const char *name;
	pcap_t *format;
	pcap_dumper_t *file;
	uint8_t *linear; /* where chained frames are put together */
};

/* Opens `path`, "-" being standard output. On failure one line is in `error`. */
bool dump_pcap_open(struct dump_pcap *pcap, const char *path, char *error, size_t error_size);

/* False after a failure to write; the reason is in errno. */
bool dump_pcap_write(struct dump_pcap *pcap, struct rte_mbuf *frame);
bool dump_pcap_flush(struct dump_pcap *pcap);
bool dump_pcap_close(struct dump_pcap *pcap);
