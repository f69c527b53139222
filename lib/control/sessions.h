/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions: the workers' counters, one sum for each VNI. */
#pragma once

#include <pthread.h>
#include <stdint.h>

#include "datapath/worker.h"

enum {
	/* Sessions that one answer lists. It bounds the API's documents and the label values of the
	 * metrics, whatever VNIs arrive; the others are one sum. */
	MT_SESSIONS_LISTED = 1024,
};

/* Which sessions the metrics list, in the order in which they were first read: neither the counters
 * of one nor the sum of the others must go back, so one that is listed stays, whatever becomes of
 * the clock. Nothing is evicted from the workers' tables. */
struct mt_session_register {
	pthread_mutex_t lock; /* of the HTTP threads */
	uint32_t count;
	uint32_t vnis[MT_SESSIONS_LISTED];
};

struct mt_session {
	uint32_t vni;
	struct mt_session_counts counts;
};

struct mt_session_list {
	struct mt_session *sessions; /* MT_SESSIONS_LISTED at most */
	uint32_t count;
	uint32_t seen;                  /* VNIs that have an entry, those not listed included */
	struct mt_session_counts other; /* all that is not listed */
	struct mt_session_counts full;  /* the part of it that found a worker's table full */
};

/* Reads the tables of all workers while they go on; any thread. Summed over the list and `other`,
 * packets = accepted + duplicate + stopped + in flight + queue_full. Lists those that are
 * registered, and registers the oldest of the others while there is room; without a register, those
 * with the most packets, most first. Returns 0, to be freed by mt_sessions_free(), or -ENOMEM. */
int mt_sessions_list(const struct mt_datapath *datapath, struct mt_session_register *registered,
	struct mt_session_list *list);
void mt_sessions_free(struct mt_session_list *list);
