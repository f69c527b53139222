/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/sessions.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_malloc.h>

static_assert(sizeof(struct mt_session_policy) == RTE_CACHE_LINE_SIZE,
	"what a worker reads of a session is one cache line");

enum {
	LEAST_SLOTS_LOG2 = 8,
};

static unsigned __int128 host_order(struct mt_address address)
{
	return (unsigned __int128)rte_be_to_cpu_64(address.high) << 64
		| rte_be_to_cpu_64(address.low);
}

static struct mt_source_range range_of(const struct mt_cidr *cidr)
{
	unsigned __int128 mask =
		cidr->length == 0 ? 0 : ~(unsigned __int128)0 << (128 - cidr->length);
	unsigned __int128 address = host_order(cidr->address);

	return (struct mt_source_range){address & mask, address | ~mask};
}

static int by_first(const void *left, const void *right)
{
	const struct mt_source_range *a = left;
	const struct mt_source_range *b = right;

	return (a->first > b->first) - (a->first < b->first);
}

/* Sorts, and joins those that overlap. CIDRs nest or are apart, so that one is then in the other.
 * Returns how many are left. */
static uint32_t arrange(struct mt_source_range *ranges, uint32_t count)
{
	uint32_t kept = 0;

	qsort(ranges, count, sizeof(*ranges), by_first);
	for (uint32_t i = 0; i < count; i++) {
		if (kept > 0 && ranges[i].first <= ranges[kept - 1].last)
			ranges[kept - 1].last = RTE_MAX(ranges[kept - 1].last, ranges[i].last);
		else
			ranges[kept++] = ranges[i];
	}
	return kept;
}

static void insert(struct mt_session_table *sessions, uint32_t vni, uint32_t entry)
{
	const uint32_t mask = UINT32_MAX >> sessions->shift;
	uint32_t slot = mt_session_slot(sessions, vni);

	while (sessions->slots[slot].vni_plus_one != 0)
		slot = (slot + 1) & mask;
	sessions->slots[slot] = (struct mt_session_slot){vni + 1, entry};
}

static int allocate(struct mt_session_table *sessions, const struct mt_policy_spec *spec)
{
	size_t ranges = 1;
	unsigned log2 = LEAST_SLOTS_LOG2;

	while ((UINT32_C(1) << log2) < 4 * spec->sessions_count)
		log2++;
	for (unsigned i = 0; i < spec->sessions_count; i++)
		ranges += spec->sessions[i].sources_count;
	sessions->shift = 32 - log2;
	sessions->slots =
		rte_zmalloc("mt_sessions", sizeof(*sessions->slots) << log2, RTE_CACHE_LINE_SIZE);
	sessions->entries = rte_zmalloc("mt_sessions",
		sizeof(*sessions->entries) * (spec->sessions_count + 1), RTE_CACHE_LINE_SIZE);
	sessions->ranges =
		rte_zmalloc("mt_sessions", sizeof(*sessions->ranges) * ranges, RTE_CACHE_LINE_SIZE);
	if (sessions->slots != NULL && sessions->entries != NULL && sessions->ranges != NULL)
		return 0;
	mt_session_table_free(sessions);
	return -ENOMEM;
}

int mt_session_table_make(struct mt_session_table *sessions, const struct mt_policy_spec *spec)
{
	uint32_t ranges = 0;

	*sessions = (struct mt_session_table){
		.count = spec->sessions_count,
		.drop_unknown = spec->drop_unknown,
	};
	if (allocate(sessions, spec) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < spec->sessions_count; i++) {
		const struct mt_session_spec *session = &spec->sessions[i];
		struct mt_session_policy *entry = &sessions->entries[i];

		*entry = (struct mt_session_policy){
			.treatment = session->treatment,
			.filter = session->filter == NULL ? 0 : session->filter - spec->filters + 1,
			.ranges = ranges,
			.session = session,
		};
		for (unsigned s = 0; s < session->sources_count; s++)
			sessions->ranges[ranges + s] = range_of(&session->sources[s]);
		entry->ranges_count = arrange(&sessions->ranges[ranges], session->sources_count);
		ranges += entry->ranges_count;
		insert(sessions, session->vni, i);
	}
	return 0;
}

void mt_session_table_free(struct mt_session_table *sessions)
{
	rte_free(sessions->slots);
	rte_free(sessions->entries);
	rte_free(sessions->ranges);
	*sessions = (struct mt_session_table){0};
}

bool mt_session_table_allow(const struct mt_session_table *sessions,
	const struct mt_session_policy *entry, struct mt_address source)
{
	const struct mt_source_range *ranges = &sessions->ranges[entry->ranges];
	unsigned __int128 address = host_order(source);
	uint32_t from = 0;
	uint32_t to = entry->ranges_count;

	/* The last range that begins at or before the address. */
	while (from < to) {
		uint32_t middle = from + (to - from) / 2;

		if (ranges[middle].first <= address)
			from = middle + 1;
		else
			to = middle;
	}
	return from > 0 && address <= ranges[from - 1].last;
}
