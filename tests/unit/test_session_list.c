/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists of sessions over all workers: merged, in order, bounded, and nothing is missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "build_frames.h"
#include "control/sessions.h"

static struct mt_datapath *make_workers(uint16_t count)
{
	struct mt_datapath *datapath = calloc(1, sizeof(*datapath));

	assert_non_null(datapath);
	for (uint16_t w = 0; w < count; w++) {
		void *worker = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(struct mt_worker));

		assert_non_null(worker);
		datapath->workers[w] = memset(worker, 0, sizeof(struct mt_worker));
		datapath->workers_count++;
	}
	return datapath;
}

static void free_workers(struct mt_datapath *datapath)
{
	for (uint16_t w = 0; w < datapath->workers_count; w++)
		free(datapath->workers[w]);
	free(datapath);
}

static uint64_t packets_of(const struct mt_session_list *list)
{
	uint64_t sum = list->other.packets;

	for (uint32_t s = 0; s < list->count; s++)
		sum += list->sessions[s].counts.packets;
	return sum;
}

static void merged_over_workers(void **state)
{
	static const uint32_t a[] = {1, 2, 3}, b[] = {3, 4};
	struct mt_session_register registered = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct mt_datapath *datapath = make_workers(3); /* the third has nothing */
	struct mt_session_list list;

	(void)state;
	assert_int_equal(mt_sessions_list(datapath, NULL, &list), 0);
	assert_int_equal(list.count + list.seen + list.other.packets, 0);
	mt_sessions_free(&list);
	count_vnis(&datapath->workers[0]->sessions, a, 3, 10, 5 * (uint64_t)SECOND);
	count_vnis(&datapath->workers[1]->sessions, b, 2, 7, 4 * (uint64_t)SECOND);
	assert_int_equal(mt_sessions_list(datapath, NULL, &list), 0);
	assert_int_equal(list.count, 4);
	assert_int_equal(list.seen, 4);
	assert_int_equal(packets_of(&list), 44);
	assert_int_equal(list.sessions[0].vni, 3);
	assert_int_equal(list.sessions[0].counts.packets, 17);
	assert_int_equal(list.sessions[0].counts.bytes, 1700);
	assert_int_equal(list.sessions[0].counts.first_ns, 4 * (uint64_t)SECOND);
	assert_int_equal(list.sessions[0].counts.last_ns, 5 * (uint64_t)SECOND);
	assert_int_equal(list.sessions[1].vni, 1);
	assert_int_equal(list.sessions[2].vni, 2);
	assert_int_equal(list.sessions[3].vni, 4);
	mt_sessions_free(&list);
	assert_int_equal(mt_sessions_list(datapath, &registered, &list), 0);
	assert_int_equal(list.sessions[0].vni, 3);
	assert_int_equal(list.sessions[1].vni, 4);
	mt_sessions_free(&list);
	free_workers(datapath);
}

/* The busiest of more than a list takes; summed up, nothing is missing. */
static void more_than_a_list(void **state)
{
	enum { SESSIONS = 3 * MT_SESSION_CAPACITY };
	struct mt_datapath *datapath = make_workers(2);
	uint32_t *vnis = make_vnis(SESSIONS, 9);
	struct mt_session_list list;

	(void)state;
	count_vnis(&datapath->workers[0]->sessions, vnis, SESSIONS, 1, SECOND);
	count_vnis(&datapath->workers[1]->sessions, vnis, 3000, 1, SECOND);
	count_vnis(&datapath->workers[1]->sessions, vnis + 2500, 1, 500, SECOND);
	assert_int_equal(mt_sessions_list(datapath, NULL, &list), 0);
	assert_int_equal(list.count, MT_SESSIONS_LISTED);
	assert_in_range(list.seen, MT_SESSION_CAPACITY * 9 / 10, MT_SESSION_CAPACITY);
	assert_int_equal(list.sessions[0].vni, vnis[2500]);
	assert_int_equal(list.sessions[0].counts.packets, 502);
	for (uint32_t s = 1; s < list.count; s++)
		assert_true(list.sessions[s - 1].counts.packets >= list.sessions[s].counts.packets);
	assert_int_equal(packets_of(&list), SESSIONS + 3000 + 500);
	assert_int_equal(list.full.packets, SESSIONS - list.seen);
	assert_true(list.other.packets > list.full.packets);
	mt_sessions_free(&list);
	free(vnis);
	free_workers(datapath);
}

/* Who is registered, and so listed, stays so, and neither that one's counters nor the others' go
 * back. */
static void by_age_nothing_goes_back(void **state)
{
	enum { STEP = 300, STEPS = 20 };
	struct mt_session_register registered = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct mt_datapath *datapath = make_workers(2);
	uint32_t *vnis = make_vnis(STEP * STEPS, 4);
	struct mt_session_list before = {0};

	(void)state;
	for (uint32_t step = 1; step <= STEPS; step++) {
		struct mt_session_list list;

		/* The newest have by far the most packets; and by the clock, which goes back, they
		 * are the oldest. */
		count_vnis(&datapath->workers[step % 2]->sessions, vnis, STEP * step, step * 3,
			(2 * STEPS - step) * (uint64_t)SECOND);
		count_vnis(&datapath->workers[(step + 1) % 2]->sessions, vnis, STEP * step, 1,
			(2 * STEPS - step) * (uint64_t)SECOND + 1);
		assert_int_equal(mt_sessions_list(datapath, &registered, &list), 0);
		assert_int_equal(list.seen, STEP * step);
		for (uint32_t s = 0; s < before.count && before.count == MT_SESSIONS_LISTED; s++) {
			assert_int_equal(list.sessions[s].vni, before.sessions[s].vni);
			assert_true(list.sessions[s].counts.packets
				> before.sessions[s].counts.packets);
		}
		assert_true(list.other.packets >= before.other.packets);
		mt_sessions_free(&before);
		before = list;
	}
	assert_true(before.other.packets > 0);
	mt_sessions_free(&before);
	free(vnis);
	free_workers(datapath);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merged_over_workers),
		cmocka_unit_test(more_than_a_list),
		cmocka_unit_test(by_age_nothing_goes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
