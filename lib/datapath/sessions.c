/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/sessions.h"

#include <rte_branch_prediction.h>

#include "output/commit.h"
#include "packet/frame_info.h"

static uint32_t add(struct mt_sessions *sessions, uint32_t bucket, unsigned way, uint32_t key)
{
	uint32_t entry = bucket * MT_SESSION_WAYS + way;

	mt_count(&sessions->entries[entry].counts.first_ns, sessions->time_ns);
	__atomic_store_n(&sessions->keys[bucket][way], key, __ATOMIC_RELEASE);
	return entry;
}

/* The entry of a VNI, a new one if need be. Fibonacci hashing keeps VNIs in a row apart; buckets
 * further on are taken only when those before are full, so a free key ends the search. */
static inline uint32_t find(struct mt_sessions *sessions, uint32_t vni)
{
	const uint32_t key = vni + 1;
	const uint32_t hash = vni * 0x9e3779b1u;
	const uint32_t step = (hash >> 11) | 1;
	uint32_t bucket = hash >> 22;
	uint64_t *first_ns;

	static_assert(
		MT_SESSION_BUCKETS == 1u << (32 - 22), "the hash's upper bits are the bucket");
	for (unsigned choice = 0; choice < MT_SESSION_CHOICES; choice++) {
		const uint32_t *keys = sessions->keys[bucket];

		for (unsigned way = 0; way < MT_SESSION_WAYS; way++) {
			if (likely(keys[way] == key))
				return bucket * MT_SESSION_WAYS + way;
			if (keys[way] == 0)
				return add(sessions, bucket, way, key);
		}
		bucket = (bucket + step) % MT_SESSION_BUCKETS;
	}
	first_ns = &sessions->entries[MT_SESSION_OTHER].counts.first_ns;
	if (unlikely(*first_ns == 0))
		mt_count(first_ns, sessions->time_ns);
	return MT_SESSION_OTHER;
}

/* The entry's part of this batch. `place` may be left from an earlier batch: then it leads to
 * another entry's part, or to none. */
static inline struct mt_session_part *part_of(struct mt_sessions *sessions, uint32_t entry)
{
	uint32_t place = sessions->entries[entry].place;

	if (place < sessions->parts_count && sessions->parts[place].entry == entry)
		return &sessions->parts[place];
	place = sessions->parts_count++;
	sessions->entries[entry].place = place;
	sessions->parts[place] = (struct mt_session_part){.entry = entry};
	return &sessions->parts[place];
}

static inline uint32_t vni_flags_of(struct rte_mbuf *frame)
{
	return mt_frame_info(frame)->vni_flags;
}

static inline uint32_t is_truncated(uint32_t vni_flags)
{
	return (vni_flags & MT_FLAG_TRUNCATED) != 0;
}

/* Several sessions in one batch: a look-up for each run of frames. */
static __rte_noinline void gather_mixed(struct mt_sessions *sessions, const struct mt_batch *batch)
{
	struct mt_session_part *part = NULL;
	uint32_t last = 0;

	for (uint16_t i = 0; i < batch->count; i++) {
		uint32_t vni_flags = vni_flags_of(batch->frames[i]);

		if (part == NULL || vni_flags >> 8 != last) {
			last = vni_flags >> 8;
			part = part_of(sessions, find(sessions, last));
		}
		part->packets++;
		part->bytes += batch->frames[i]->pkt_len;
		part->truncated += is_truncated(vni_flags);
	}
}

void mt_sessions_gather(struct mt_sessions *sessions, const struct mt_batch *batch)
{
	const uint32_t first = vni_flags_of(batch->frames[0]);
	struct mt_session_part *part;
	uint32_t different = 0;
	uint32_t truncated = 0;
	uint64_t bytes = 0;

	sessions->time_ns = batch->time_ns;
	/* Mostly all of one session: found out without a branch for each frame. */
	for (uint16_t i = 0; i < batch->count; i++) {
		uint32_t vni_flags = vni_flags_of(batch->frames[i]);

		different |= vni_flags ^ first;
		truncated += is_truncated(vni_flags);
		bytes += batch->frames[i]->pkt_len;
	}
	if (different >> 8 != 0) {
		gather_mixed(sessions, batch);
		return;
	}
	part = part_of(sessions, find(sessions, first >> 8));
	part->packets = batch->count;
	part->bytes = bytes;
	part->truncated = truncated;
}

void mt_sessions_lose(struct mt_sessions *sessions, struct rte_mbuf **frames, uint16_t count)
{
	for (uint16_t i = 0; i < count; i++) {
		uint32_t vni_flags = vni_flags_of(frames[i]);
		struct mt_session_part *part = part_of(sessions, find(sessions, vni_flags >> 8));

		part->packets--;
		part->bytes -= frames[i]->pkt_len;
		part->truncated -= is_truncated(vni_flags);
		part->drops++;
	}
}

void mt_sessions_count(struct mt_sessions *sessions, const struct mt_batch *batch)
{
	sessions->time_ns = batch->time_ns;
	for (uint16_t d = 0; unlikely(d < batch->session_drops_count); d++)
		part_of(sessions, find(sessions, batch->session_drops[d]))->drops++;
	for (uint32_t p = 0; p < sessions->parts_count; p++) {
		const struct mt_session_part *part = &sessions->parts[p];
		struct mt_session_counts *counts = &sessions->entries[part->entry].counts;

		mt_count(&counts->packets, part->packets);
		mt_count(&counts->bytes, part->bytes);
		if (unlikely((part->truncated | part->drops) != 0)) {
			mt_count(&counts->truncated, part->truncated);
			mt_count(&counts->drops, part->drops);
		}
		__atomic_store_n(&counts->last_ns, batch->time_ns, __ATOMIC_RELAXED);
	}
	sessions->parts_count = 0;
}

bool mt_sessions_read(const struct mt_sessions *sessions, uint32_t entry, uint32_t *vni,
	struct mt_session_counts *counts)
{
	const struct mt_session_counts *from = &sessions->entries[entry].counts;

	if (entry != MT_SESSION_OTHER) {
		uint32_t key = __atomic_load_n(&sessions->keys[0][0] + entry, __ATOMIC_ACQUIRE);

		if (key == 0)
			return false;
		*vni = key - 1;
	}
	*counts = (struct mt_session_counts){
		.packets = mt_counter(&from->packets),
		.bytes = mt_counter(&from->bytes),
		.truncated = mt_counter(&from->truncated),
		.drops = mt_counter(&from->drops),
		.first_ns = mt_counter(&from->first_ns),
		.last_ns = mt_counter(&from->last_ns),
	};
	return true;
}
