/* SPDX-License-Identifier: BSD-3-Clause */
#include "gen_account.h"

#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "gen_traffic.h"

enum {
	WORD_BITS = 64,
	WORDS = GEN_ACCOUNT_WINDOW / WORD_BITS,
	FIRST_FLOWS = 1024,
};

static const uint64_t MAX_SEQUENCE = 1ull << 62;

bool gen_account_begin(struct gen_account *account, uint32_t per_flow)
{
	*account = (struct gen_account){.per_flow = per_flow};
	account->latency = gen_histogram_create(GEN_HISTOGRAM_FINE);
	account->seen = calloc(WORDS, sizeof(*account->seen));
	account->flow_latency = calloc(per_flow + 1ul, sizeof(*account->flow_latency));
	if (account->latency != NULL && account->seen != NULL && account->flow_latency != NULL)
		return true;
	gen_account_end(account);
	return false;
}

void gen_account_end(struct gen_account *account)
{
	for (uint32_t f = 0; account->flow_latency != NULL && f < account->per_flow; f++)
		free(account->flow_latency[f]);
	free(account->flow_latency);
	free(account->latency);
	free(account->seen);
	free(account->flows);
	*account = (struct gen_account){0};
}

static struct gen_flow_account *find_flow(struct gen_account *account, uint32_t flow)
{
	uint32_t count = RTE_MAX(account->flows_count, (uint32_t)FIRST_FLOWS);
	struct gen_flow_account *grown;

	if (flow < account->flows_count)
		return &account->flows[flow];
	if (flow >= GEN_MAX_FLOWS)
		return NULL;
	while (count <= flow)
		count *= 2;
	grown = realloc(account->flows, count * sizeof(*grown));
	if (grown == NULL)
		return NULL;
	memset(grown + account->flows_count, 0, (count - account->flows_count) * sizeof(*grown));
	account->flows = grown;
	account->flows_count = count;
	return &grown[flow];
}

static bool is_seen(const struct gen_account *account, uint64_t sequence)
{
	uint64_t bit = sequence % GEN_ACCOUNT_WINDOW;

	return (account->seen[bit / WORD_BITS] >> bit % WORD_BITS & 1) != 0;
}

/* Moves the window on so that `sequence` is its newest number. */
static void advance(struct gen_account *account, uint64_t sequence)
{
	if (sequence - account->next >= GEN_ACCOUNT_WINDOW)
		memset(account->seen, 0, WORDS * sizeof(*account->seen));
	else
		for (uint64_t s = account->next; s <= sequence; s++) {
			uint64_t bit = s % GEN_ACCOUNT_WINDOW;

			account->seen[bit / WORD_BITS] &= ~(1ull << bit % WORD_BITS);
		}
	account->next = sequence + 1;
}

/* The first of its number? Not to be said of one that is too far back. */
static bool is_first(struct gen_account *account, uint64_t sequence, bool *stale)
{
	uint64_t bit = sequence % GEN_ACCOUNT_WINDOW;

	*stale = sequence + GEN_ACCOUNT_WINDOW < account->next;
	if (*stale)
		return false;
	if (sequence >= account->next)
		advance(account, sequence);
	else if (is_seen(account, sequence))
		return false;
	account->seen[bit / WORD_BITS] |= 1ull << bit % WORD_BITS;
	return true;
}

static void take_order(
	struct gen_account *account, struct gen_flow_account *flow, const struct gen_mark *mark)
{
	uint64_t *next_of_way = &flow->next_of_way[mark->flags & GEN_MARK_INGRESS];

	if (mark->flow_sequence < flow->next) {
		flow->reordered++;
		account->reordered++;
	} else {
		flow->next = mark->flow_sequence + 1;
	}
	if (mark->flow_sequence < *next_of_way)
		account->reordered_one_way++;
	else
		*next_of_way = mark->flow_sequence + 1;
}

static void take_latency(struct gen_account *account, const struct gen_mark *mark, uint64_t now_ns)
{
	uint64_t time_ns = 0;

	if (now_ns >= mark->time_ns)
		time_ns = now_ns - mark->time_ns;
	else
		account->early++;
	gen_histogram_add(account->latency, time_ns);
	if (mark->flow >= account->per_flow)
		return;
	if (account->flow_latency[mark->flow] == NULL)
		account->flow_latency[mark->flow] = gen_histogram_create(GEN_HISTOGRAM_COARSE);
	if (account->flow_latency[mark->flow] != NULL)
		gen_histogram_add(account->flow_latency[mark->flow], time_ns);
}

void gen_account_take(struct gen_account *account, const struct gen_mark *mark, uint64_t now_ns)
{
	struct gen_flow_account *flow;
	bool stale;

	if (!account->begun) {
		account->begun = true;
		account->run = mark->run;
	}
	if (mark->run != account->run) {
		account->other_runs++;
		return;
	}
	flow = find_flow(account, mark->flow);
	if (flow == NULL || mark->sequence > MAX_SEQUENCE || mark->flow_sequence > MAX_SEQUENCE) {
		account->impossible++;
		return;
	}
	account->marked++;
	if (is_first(account, mark->sequence, &stale)) {
		account->unique++;
		flow->unique++;
		take_order(account, flow, mark);
		take_latency(account, mark, now_ns);
	} else if (stale) {
		account->stale++;
	} else {
		account->duplicated++;
		flow->duplicated++;
	}
}

uint64_t gen_account_lost(const struct gen_account *account, uint64_t sent)
{
	uint64_t expected = sent != 0 ? sent : account->next;

	return expected > account->unique ? expected - account->unique : 0;
}
