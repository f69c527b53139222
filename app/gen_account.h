/* SPDX-License-Identifier: BSD-3-Clause */
/* The receiver's books: what of the marked packets has come, twice, late, or not. Memory is bounded
 * whatever the marks say. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gen_histogram.h"
#include "gen_mark.h"

enum {
	/* How many numbers back a packet is known to have come before or not. */
	GEN_ACCOUNT_WINDOW = 1 << 24,
};

struct gen_flow_account {
	uint64_t next; /* the highest number seen, plus one */
	uint64_t next_of_way[2];
	uint64_t unique;
	uint64_t duplicated;
	uint64_t reordered;
};

/* One writer: who calls gen_account_take(). */
struct gen_account {
	bool begun;
	uint32_t run;  /* that of the first mark */
	uint64_t next; /* the highest number of the run, plus one */
	uint64_t marked;
	uint64_t unique;
	uint64_t duplicated;
	/* After one with a higher number of its flow; and that went the same way. */
	uint64_t reordered;
	uint64_t reordered_one_way;
	uint64_t stale;      /* too far back to know whether it had come before */
	uint64_t other_runs; /* not looked at further */
	uint64_t impossible; /* numbers that no sender gives; not looked at further */
	uint64_t early;      /* received before it was sent, by the clocks: counts as 0 ns */
	struct gen_histogram *latency;
	struct gen_flow_account *flows;
	uint32_t flows_count;                /* of entries; not all need have come */
	struct gen_histogram **flow_latency; /* of flows 0 to per_flow-1; NULL: none came */
	uint32_t per_flow;
	uint64_t *seen; /* one bit for each number of the window */
};

/* `per_flow`: so many flows have a histogram of their own. False: no memory. */
bool gen_account_begin(struct gen_account *account, uint32_t per_flow);
void gen_account_end(struct gen_account *account);

/* Takes the mark of a packet that was received at `now_ns` (since 1970-01-01 UTC). */
void gen_account_take(struct gen_account *account, const struct gen_mark *mark, uint64_t now_ns);

/* Packets that were sent and have not come: `sent` of them were, or, if that is 0, all up to the
 * highest number. (What is lost at the very end cannot be seen then.) */
uint64_t gen_account_lost(const struct gen_account *account, uint64_t sent);

static inline uint64_t gen_flow_lost(const struct gen_flow_account *flow)
{
	return flow->next > flow->unique ? flow->next - flow->unique : 0;
}
