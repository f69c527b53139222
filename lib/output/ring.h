/* SPDX-License-Identifier: BSD-3-Clause */
/* The ring output: frames for other processes, the consumers (see ring_area.h and lib/consumer).
 *
 * A consumer never frees a frame and never touches a mempool: it says how many of those it took it
 * is done with, and the worker that owns the queue frees them. So the daemon always knows which
 * frames are out, and takes them back when the consumer dies. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "output/output.h"
#include "output/ring_area.h"
#include "policy/spec.h"

/* One queue; not shared with consumers but for `area`. */
struct mt_ring_queue {
	/* Set at open, then read only. */
	struct mt_ring_area *area;
	uint8_t header[MT_RING_HEADER_BYTES]; /* of the area, as it should be */
	uint64_t *slots;                      /* in the area; written, never read */
	uint8_t *records;                     /* copy: in the area */
	void **waiting;       /* [length] what the slots hold: mbufs or numbers of records */
	void **borrowed;      /* [length] what the consumer took and did not give back, in order */
	uint32_t *free_stack; /* copy: [length] records that are free */
	uint32_t mask;
	uint32_t length;
	uint32_t capture_bytes; /* copy: of a frame at most */
	uint32_t record_bytes;
	bool copy;
	bool drop_old;
	bool keep; /* fill the slots although there is no consumer */
	int memory_fd;
	size_t mapped_bytes;

	/* The last consumer, counted from 1, times two, and 1 if it is there. Writer: the claims
	 * thread, which names the next one when `settled` says that all is back from the one
	 * before. Reader: worker. */
	_Atomic uint32_t claim __rte_cache_aligned;
	/* The last consumer from which all was taken back. Writer: worker. Reader: claims. */
	_Atomic uint32_t settled;

	/* The worker's own. Counts grow for ever; an index is a count and `mask`. */
	uint32_t seen __rte_cache_aligned; /* of `claim` */
	uint32_t serving;                  /* consumer; 0: none */
	bool taking_back;                  /* the consumer `serving` has gone */
	uint32_t free_count;
	uint64_t head;
	uint64_t taken; /* waiting: head - taken */
	uint64_t borrowed_head;
	uint64_t borrowed_tail; /* borrowed: head - tail */
	uint64_t left_from;     /* of waiting[], when it was flushed: to be freed at the close */
	uint32_t left;
	/* Writer: worker. Readers: all. */
	uint64_t out;        /* frames that the consumer holds */
	uint64_t high_water; /* of frames that waited */
	uint64_t misbehaved; /* times that a consumer's field was out of bounds */
} __rte_cache_aligned;

struct mt_ring_claims;

struct mt_ring_output {
	struct mt_ring_queue *queues;  /* [output->queues] */
	struct mt_ring_claims *claims; /* NULL: no other process can attach */
	uint64_t flushed_ms;           /* when consumers were told that it closes; 0: not yet */
};

/* What is known about a queue's consumer. */
struct mt_ring_status {
	const char *state; /* "absent", "attaching", "reading", "asleep", "stalled" */
	bool attached;
	pid_t pid;
	uid_t uid;
	char program[MT_RING_MAX_PROGRAM + 1]; /* as it says */
	uint64_t attaches;                     /* consumers that there were */
	uint64_t heartbeat_age_ms;
	uint64_t processed; /* as it says */
	uint64_t borrowed;
	uint64_t high_water;
	uint64_t misbehaved;
};

/* "zero-copy" or "copy" of a ring output. */
const char *mt_ring_mode_name(const struct mt_output *output);

/* Attempts to attach that were refused, ever. Any thread. */
uint64_t mt_ring_refused(const struct mt_output *output);

/* The consumer of one queue of a ring output. Any thread but workers. */
void mt_ring_read_status(struct mt_output *output, uint16_t queue, struct mt_ring_status *status);

/* --- ring_claims.c: who may read --- */

/* Opens the socket and starts the thread that answers on it. Returns 0, or -errno with the reason
 * in output->error. */
int mt_ring_claims_start(struct mt_output *output, const struct mt_output_settings *settings);

/* No one can attach any more. Gives consumers a moment to leave, from when they were told that no
 * more frames come. */
void mt_ring_claims_stop(struct mt_output *output);

/* Consumers that attach from now on are told these names. Returns 0 or -errno. */
int mt_ring_claims_rename(
	struct mt_output *output, const struct mt_session_spec *sessions, unsigned count);

void mt_ring_claims_status(struct mt_output *output, uint16_t queue, struct mt_ring_status *status);
uint64_t mt_ring_claims_refused(const struct mt_ring_claims *claims);

/* --- ring_names.c: names of sessions --- */

/* A sealed memfd with struct mt_ring_names in it. Returns its descriptor, which is the caller's, or
 * -errno. */
int mt_ring_names_make(const struct mt_session_spec *sessions, unsigned count);

/* --- ring_pages.c: the memory of mbufs --- */

struct mt_ring_pages {
	unsigned count;
	uint64_t from, to; /* addresses of all */
	struct mt_ring_page_part {
		struct mt_ring_part place;
		int fd; /* EAL's; allows writing */
	} * parts;
	bool failed; /* some page has no descriptor, or there is no memory for the list */
};

/* Finds the pages of all pools of mbufs, neighbours in one file taken together. `parts` is the
 * caller's to free. Not for workers. */
void mt_ring_pages_find(struct mt_ring_pages *pages);
