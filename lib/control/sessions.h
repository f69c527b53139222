/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions: the workers' counters, one sum for each VNI. */
#pragma once

#include <stdint.h>

#include "datapath/worker.h"

enum {
	/* Sessions that one answer lists. It bounds the API's documents and the label values of the
	 * metrics, whatever VNIs arrive; the others are one sum. */
	MT_SESSIONS_LISTED = 1024,
};

enum mt_sessions_order {
	MT_SESSIONS_BY_PACKETS, /* most first */
	/* First seen first. One that is listed stays listed, as nothing is evicted, so neither its
	 * counters nor the sum of the others go back: for metrics. */
	MT_SESSIONS_BY_AGE,
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
 * packets = accepted + stopped + in flight. Returns 0, to be freed by mt_sessions_free(), or
 * -ENOMEM. */
int mt_sessions_list(const struct mt_datapath *datapath, enum mt_sessions_order order,
	struct mt_session_list *list);
void mt_sessions_free(struct mt_session_list *list);
