/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of libmirrortap-consumer: the socket (claim.c), the daemon's memory (memory.c), names
 * (names.c), frames (receive.c), waiting (wait.c). */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "consumer/mirrortap_consumer.h"
#include "output/ring_area.h"

enum {
	MT_CONSUMER_MAX_DESCRIPTORS = 2 * MT_RING_MAX_QUEUES, /* in one message */
};

struct mirrortap_queue {
	struct mirrortap_consumer *consumer;
	struct mt_ring_area *area;
	const uint64_t *slots;
	const uint8_t *records;
	/* What the daemon told when the queue was claimed; what stands in the area is not asked
	 * again. */
	uint32_t mask;
	uint32_t length;
	uint32_t snap; /* UINT32_MAX: none */
	uint32_t record_bytes;
	uint32_t records_count;
	size_t mapped_bytes;
	uint16_t number;
	bool copy;
	bool drop_old;
	bool armed;
	int wake_fd;
	/* The thread's own. */
	uint64_t taken;
	uint64_t released;
	uint64_t processed;
	uint64_t held;
	uint64_t polls;
};

struct mirrortap_consumer {
	int fd;       /* to the daemon: as long as it is open the queues are ours */
	bool closing; /* the daemon was seen to end */
	unsigned queues_count;
	struct mirrortap_queue *queues[MT_RING_MAX_QUEUES];
	/* zero-copy: the daemon's addresses, and what to add to one for ours. */
	uint64_t from;
	uint64_t to;
	uint64_t delta;
	void *reserved;
	size_t reserved_bytes;
	const struct mt_ring_names *names;
	size_t names_bytes;
};

/* claim.c */
int mt_consumer_claim(struct mirrortap_consumer *consumer, const struct mirrortap_options *options,
	struct mt_ring_welcome *welcome, char *error, size_t error_size);
int mt_consumer_start(struct mirrortap_consumer *consumer, char *error, size_t error_size);

/* Asks for the parts of the daemon's memory from `first` on. */
int mt_consumer_ask_memory(struct mirrortap_consumer *consumer, uint32_t first,
	struct mt_ring_memory *memory, int *descriptors, unsigned *count, char *error,
	size_t error_size);

/* Asks for the names of sessions; the descriptor is the caller's. */
int mt_consumer_ask_names(
	struct mirrortap_consumer *consumer, int *descriptor, char *error, size_t error_size);

/* names.c */
int mt_consumer_map_names(struct mirrortap_consumer *consumer, char *error, size_t error_size);
void mt_consumer_unmap_names(struct mirrortap_consumer *consumer);

/* memory.c */
int mt_consumer_map_memory(struct mirrortap_consumer *consumer,
	const struct mt_ring_welcome *welcome, char *error, size_t error_size);
void mt_consumer_unmap_memory(struct mirrortap_consumer *consumer);

/* receive.c: has the daemon ended? Asks the kernel. */
bool mt_consumer_daemon_gone(struct mirrortap_consumer *consumer);
