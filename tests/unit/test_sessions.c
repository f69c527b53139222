/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters per session: whatever VNIs come, in whatever order, nothing is uncounted, a reader
 * beside the worker sees whole entries and counters that only grow, and lists of them balance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "build_frames.h"
#include "packet/frame_info.h"

/* --- a worker's table, and batches for it --- */

static struct mt_sessions *make_table(void)
{
	void *table = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(struct mt_sessions));

	assert_non_null(table);
	return memset(table, 0, sizeof(struct mt_sessions));
}

static struct mt_session_counts counts_of(const struct mt_sessions *table, uint32_t wanted)
{
	struct mt_session_counts counts;
	uint32_t vni;

	for (uint32_t e = 0; e < MT_SESSION_CAPACITY; e++) {
		if (mt_sessions_read(table, e, &vni, &counts) && vni == wanted)
			return counts;
	}
	fail_msg("VNI %u is not there", wanted);
	return counts;
}

static struct mt_session_counts other_of(const struct mt_sessions *table)
{
	struct mt_session_counts counts;
	uint32_t vni;

	assert_true(mt_sessions_read(table, MT_SESSION_OTHER, &vni, &counts));
	return counts;
}

/* How many VNIs have an entry; each once, and all packets in all entries. */
static uint32_t check_table(const struct mt_sessions *table, uint64_t packets)
{
	uint8_t *seen = calloc(VNIS / 8, 1);
	uint64_t sum = other_of(table).packets;
	uint32_t entries = 0;

	assert_non_null(seen);
	for (uint32_t e = 0; e < MT_SESSION_CAPACITY; e++) {
		struct mt_session_counts counts;
		uint32_t vni;

		if (!mt_sessions_read(table, e, &vni, &counts))
			continue;
		assert_in_range(vni, 0, VNIS - 1);
		assert_false(seen[vni / 8] & 1 << vni % 8);
		seen[vni / 8] |= 1 << vni % 8;
		assert_int_equal(counts.bytes, counts.packets * 100);
		sum += counts.packets;
		entries++;
	}
	assert_int_equal(sum, packets);
	free(seen);
	return entries;
}

/* --- one table --- */

static void one_session(void **state)
{
	struct mt_sessions *table = make_table();
	struct mt_session_counts counts;
	struct frames frames;

	(void)state;
	start_frames(&frames, 7 * (uint64_t)SECOND);
	for (unsigned i = 0; i < 5; i++)
		add_frame(&frames, 4321, i < 2 ? MT_FLAG_TRUNCATED | MT_FLAG_EGRESS : 0, 60 + i);
	count_frames(table, &frames);
	frames.batch.time_ns = 9 * (uint64_t)SECOND;
	count_frames(table, &frames);
	counts = counts_of(table, 4321);
	assert_int_equal(counts.packets, 10);
	assert_int_equal(counts.bytes, 2 * (60 + 61 + 62 + 63 + 64));
	assert_int_equal(counts.truncated, 4);
	assert_int_equal(counts.drops, 0);
	assert_int_equal(counts.first_ns, 7 * (uint64_t)SECOND);
	assert_int_equal(counts.last_ns, 9 * (uint64_t)SECOND);
	assert_int_equal(other_of(table).packets, 0);
	free(table);
}

/* Sessions in turn within a batch, the lowest and the highest VNI among them. */
static void mixed_batch(void **state)
{
	static const uint32_t vnis[] = {0, VNIS - 1, 0, 5, 5, 0, VNIS - 1};
	struct mt_sessions *table = make_table();
	struct frames frames;

	(void)state;
	start_frames(&frames, SECOND);
	for (unsigned i = 0; i < RTE_DIM(vnis); i++)
		add_frame(&frames, vnis[i], i == 3 ? MT_FLAG_TRUNCATED : 0, 100 + i);
	count_frames(table, &frames);
	assert_int_equal(counts_of(table, 0).packets, 3);
	assert_int_equal(counts_of(table, 0).bytes, 100 + 102 + 105);
	assert_int_equal(counts_of(table, 0).truncated, 0);
	assert_int_equal(counts_of(table, 5).packets, 2);
	assert_int_equal(counts_of(table, 5).truncated, 1);
	assert_int_equal(counts_of(table, VNIS - 1).packets, 2);
	assert_int_equal(counts_of(table, VNIS - 1).bytes, 101 + 106);
	free(table);
}

/* What finds no room in a queue is a drop too. */
static void lost_to_a_full_queue(void **state)
{
	struct mt_sessions *table = make_table();
	struct frames frames;

	(void)state;
	start_frames(&frames, SECOND);
	for (unsigned i = 0; i < 6; i++)
		add_frame(&frames, i % 2, MT_FLAG_TRUNCATED, 100 + i);
	count_frames(table, &frames);
	mt_sessions_lose(table, &frames.batch.frames[3], 2); /* of VNI 1, then of VNI 0 */
	assert_int_equal(counts_of(table, 0).packets, 3);
	assert_int_equal(counts_of(table, 0).bytes, 100 + 102 + 104);
	assert_int_equal(counts_of(table, 0).truncated, 3);
	assert_int_equal(counts_of(table, 0).drops, 1);
	assert_int_equal(counts_of(table, 1).packets, 3);
	assert_int_equal(counts_of(table, 1).bytes, 101 + 103 + 105);
	assert_int_equal(counts_of(table, 1).truncated, 3);
	assert_int_equal(counts_of(table, 1).drops, 1);
	/* All of one session, all lost. */
	start_frames(&frames, SECOND);
	add_frame(&frames, 0, 0, 100);
	count_frames(table, &frames);
	mt_sessions_lose(table, frames.batch.frames, 1);
	assert_int_equal(counts_of(table, 0).packets, 4);
	assert_int_equal(counts_of(table, 0).drops, 2);
	free(table);
}

/* Of a session that is new, one that is in the batch, and one of an earlier batch. */
static void dropped_with_a_vni(void **state)
{
	struct mt_sessions *table = make_table();
	struct rte_mbuf short_frame;
	struct frames frames;

	(void)state;
	start_frames(&frames, SECOND);
	add_frame(&frames, 1, 0, 100);
	count_frames(table, &frames);
	start_frames(&frames, 2 * (uint64_t)SECOND);
	add_frame(&frames, 2, 0, 100);
	for (uint32_t vni = 1; vni <= 3; vni++)
		mt_batch_drop_of_session(
			&frames.batch, &short_frame, MT_VERDICT_INNER_TOO_SHORT, vni);
	count_frames(table, &frames);
	assert_int_equal(frames.batch.dropped_count, 3);
	assert_int_equal(frames.batch.verdicts[MT_VERDICT_INNER_TOO_SHORT], 3);
	for (uint32_t vni = 1; vni <= 3; vni++) {
		assert_int_equal(counts_of(table, vni).packets, vni < 3);
		assert_int_equal(counts_of(table, vni).drops, 1);
		assert_int_equal(counts_of(table, vni).last_ns, 2 * (uint64_t)SECOND);
	}
	/* A batch of nothing but drops. */
	start_frames(&frames, 3 * (uint64_t)SECOND);
	mt_batch_drop_of_session(&frames.batch, &short_frame, MT_VERDICT_NO_HEADROOM, 1);
	count_frames(table, &frames);
	assert_int_equal(counts_of(table, 1).packets, 1);
	assert_int_equal(counts_of(table, 1).drops, 2);
	free(table);
}

/* As many sessions as an AWS account may have, in any order or in a row: all have an entry. */
static void ten_thousand_sessions(void **state)
{
	enum { SESSIONS = 10000 };
	uint32_t *vnis;

	(void)state;
	for (uint32_t seed = 0; seed < 5; seed++) {
		struct mt_sessions *table = make_table();

		vnis = make_vnis(SESSIONS, seed * 100003);
		for (uint32_t i = 0; seed == 4 && i < SESSIONS; i++)
			vnis[i] = 77 + i;
		count_vnis(table, vnis, SESSIONS, 3, SECOND);
		assert_int_equal(check_table(table, 3 * SESSIONS), SESSIONS);
		assert_int_equal(other_of(table).packets, 0);
		for (uint32_t i = 0; i < SESSIONS; i += 1000)
			assert_int_equal(counts_of(table, vnis[i]).packets, 3);
		free(table);
		free(vnis);
	}
}

/* More than there is room for: the first keep their entries, what is left is in one sum. */
static void table_full(void **state)
{
	enum { SESSIONS = 4 * MT_SESSION_CAPACITY };
	uint32_t *vnis = make_vnis(SESSIONS, 1);
	struct mt_sessions *table = make_table();
	struct mt_session_counts other;
	uint32_t entries;

	(void)state;
	count_vnis(table, vnis, 100, 1, SECOND);
	count_vnis(table, vnis, SESSIONS, 2, 2 * (uint64_t)SECOND);
	entries = check_table(table, 100 + 2 * SESSIONS);
	assert_in_range(entries, MT_SESSION_CAPACITY * 9 / 10, MT_SESSION_CAPACITY);
	other = other_of(table);
	assert_int_equal(other.packets, 2 * (SESSIONS - entries));
	assert_int_equal(other.bytes, other.packets * 100);
	assert_int_equal(other.first_ns, 2 * (uint64_t)SECOND);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(counts_of(table, vnis[i]).packets, 3);
	free(table);
	free(vnis);
}

/* VNIs chosen so that all begin in the last bucket: they go on in others, round the table's end,
 * and in no more than MT_SESSION_CHOICES of them. */
static void colliding_vnis(void **state)
{
	uint32_t *vnis = malloc(VNIS / MT_SESSION_BUCKETS * 2 * sizeof(*vnis));
	struct mt_sessions *table = make_table();
	uint32_t count = 0;
	uint32_t entries;

	(void)state;
	assert_non_null(vnis);
	for (uint32_t vni = 0; vni < VNIS; vni++) {
		uint32_t home = (vni + (vni >> 14) * 0x19e3) % MT_SESSION_CAPACITY;

		if (home / MT_SESSION_WAYS == MT_SESSION_BUCKETS - 1)
			vnis[count++] = vni;
	}
	assert_in_range(count, VNIS / MT_SESSION_BUCKETS / 2, VNIS / MT_SESSION_BUCKETS * 2);
	count_vnis(table, vnis, count, 2, SECOND);
	entries = check_table(table, 2 * (uint64_t)count);
	assert_in_range(entries, MT_SESSION_WAYS * 2, count);
	/* The bucket is full, and its VNIs are the first that came. */
	for (uint32_t i = 0; i < MT_SESSION_WAYS; i++) {
		struct mt_session_counts counts;
		uint32_t vni;

		assert_true(mt_sessions_read(
			table, MT_SESSION_CAPACITY - MT_SESSION_WAYS + i, &vni, &counts));
		assert_in_range(vni, vnis[0], vnis[MT_SESSION_WAYS - 1]);
	}
	free(table);
	free(vnis);
}

/* --- beside a reader --- */

struct race {
	struct mt_sessions *table;
	const uint32_t *vnis;
	uint32_t count;
	_Atomic bool ended;
};

static uint32_t length_of(uint32_t vni)
{
	return 60 + vni % 1000;
}

static void *write_batches(void *opaque)
{
	struct race *race = opaque;
	struct frames frames;
	uint32_t next = 0;

	/* New VNIs come all the time, old ones go on. */
	for (uint32_t n = 1; n <= 60000; n++) {
		uint32_t known = 1 + (uint64_t)n * (race->count - 1) / 60000;

		start_frames(&frames, n);
		while (frames.batch.count < MT_BURST) {
			uint32_t vni = race->vnis[next++ % known];

			add_frame(&frames, vni, MT_FLAG_TRUNCATED, length_of(vni));
		}
		count_frames(race->table, &frames);
	}
	atomic_store(&race->ended, true);
	return NULL;
}

static void reader_beside_the_worker(void **state)
{
	enum { SESSIONS = 12000 };
	struct race race = {.table = make_table(), .count = SESSIONS};
	uint32_t *vnis = make_vnis(SESSIONS, 3);
	uint8_t *known = calloc(VNIS, 1);
	struct mt_session_counts *before = calloc(MT_SESSION_CAPACITY, sizeof(*before));
	pthread_t writer;
	unsigned rounds = 0;
	bool ended;

	(void)state;
	race.vnis = vnis;
	assert_true(known != NULL && before != NULL);
	for (uint32_t i = 0; i < SESSIONS; i++)
		known[vnis[i]] = 1;
	assert_int_equal(pthread_create(&writer, NULL, write_batches, &race), 0);
	do {
		ended = atomic_load(&race.ended);
		for (uint32_t e = 0; e < MT_SESSION_CAPACITY; e++) {
			struct mt_session_counts now;
			uint32_t vni;

			if (!mt_sessions_read(race.table, e, &vni, &now)) {
				assert_int_equal(before[e].first_ns, 0);
				continue;
			}
			assert_true(known[vni]);
			assert_true(now.first_ns != 0);
			assert_true(before[e].first_ns == 0 || before[e].first_ns == now.first_ns);
			assert_true(now.packets >= before[e].packets);
			assert_true(now.bytes >= before[e].bytes);
			assert_true(now.truncated >= before[e].truncated);
			assert_true(now.last_ns >= before[e].last_ns);
			/* Read after the packets, so it lags by no more than a batch. */
			assert_true(now.bytes + MT_BURST * length_of(vni)
				>= now.packets * length_of(vni));
			before[e] = now;
		}
		rounds++;
	} while (!ended);
	pthread_join(writer, NULL);
	assert_true(rounds > 1);
	for (uint32_t e = 0; e < MT_SESSION_CAPACITY; e++)
		assert_int_equal(before[e].truncated, before[e].packets);
	free(before);
	free(known);
	free(race.table);
	free(vnis);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_session),
		cmocka_unit_test(mixed_batch),
		cmocka_unit_test(lost_to_a_full_queue),
		cmocka_unit_test(dropped_with_a_vni),
		cmocka_unit_test(ten_thousand_sessions),
		cmocka_unit_test(table_full),
		cmocka_unit_test(colliding_vnis),
		cmocka_unit_test(reader_beside_the_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
