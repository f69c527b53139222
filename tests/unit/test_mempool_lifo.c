/* SPDX-License-Identifier: BSD-3-Clause */
/* The pools' handler: what came back last goes out first, no buffer is given to two or lost, and
 * there is room for all of them however they come back, by one thread or by several at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include <rte_eal.h>
#include <rte_mempool.h>

#include "datapath/mempool_lifo.h"
#include "frame_pool.h"

enum {
	BUFFERS = 1000,
	THREADS = 4,
	ROUNDS = 200000,
	MOST = 300, /* buffers in one hand, a little more than BUFFERS / THREADS */
};

/* Each buffer says who holds it. */
struct buffer {
	_Atomic uint32_t holder; /* 0: none */
};

static struct rte_mempool *open_pool(void)
{
	struct rte_mempool *pool = rte_mempool_create_empty(
		"lifo", BUFFERS, sizeof(struct buffer), 0, 0, SOCKET_ID_ANY, 0);

	assert_non_null(pool);
	assert_int_equal(rte_mempool_set_ops_byname(pool, mt_mempool_lifo(), NULL), 0);
	assert_int_equal(rte_mempool_populate_default(pool), BUFFERS);
	return pool;
}

/* What went wrong, in any thread: only the test's own may fail it. */
static _Atomic unsigned faults;

static void expect(bool right)
{
	if (!right)
		atomic_fetch_add(&faults, 1);
}

static void hold(void **buffers, unsigned count, uint32_t holder)
{
	for (unsigned i = 0; i < count; i++) {
		struct buffer *buffer = buffers[i];

		expect(atomic_exchange(&buffer->holder, holder) == 0);
	}
}

static void let_go(void **buffers, unsigned count, uint32_t holder)
{
	for (unsigned i = 0; i < count; i++) {
		struct buffer *buffer = buffers[i];

		expect(atomic_exchange(&buffer->holder, 0) == holder);
	}
}

/* All are there, each once. */
static void expect_all(struct rte_mempool *pool)
{
	void *buffers[BUFFERS];
	void *more;

	assert_int_equal(rte_mempool_avail_count(pool), BUFFERS);
	assert_int_equal(rte_mempool_ops_dequeue_bulk(pool, buffers, BUFFERS), 0);
	hold(buffers, BUFFERS, 99);
	assert_int_equal(rte_mempool_avail_count(pool), 0);
	assert_int_equal(rte_mempool_ops_dequeue_bulk(pool, &more, 1), -ENOBUFS);
	let_go(buffers, BUFFERS, 99);
	assert_int_equal(rte_mempool_ops_enqueue_bulk(pool, buffers, BUFFERS), 0);
	assert_int_equal(faults, 0);
}

static void last_in_first_out(void **state)
{
	struct rte_mempool *pool = open_pool();
	void *buffers[BUFFERS], *again[BUFFERS];

	(void)state;
	assert_int_equal(rte_mempool_ops_dequeue_bulk(pool, buffers, BUFFERS), 0);
	for (unsigned count = 1; count < BUFFERS; count += 7) {
		unsigned got = 0;

		assert_int_equal(rte_mempool_ops_enqueue_bulk(pool, buffers, count), 0);
		/* In several pieces; the last of a piece is what a cache gives out first. */
		while (got < count) {
			unsigned part = RTE_MIN(1 + (unsigned)random() % count, count - got);

			assert_int_equal(rte_mempool_ops_dequeue_bulk(
						 pool, &again[count - got - part], part),
				0);
			got += part;
		}
		assert_memory_equal(again, buffers, count * sizeof(*buffers));
		assert_int_equal(rte_mempool_avail_count(pool), 0);
	}
	assert_int_equal(rte_mempool_ops_enqueue_bulk(pool, buffers, BUFFERS), 0);
	expect_all(pool);
	rte_mempool_free(pool);
}

/* A piece that is not there is not given in part. */
static void all_or_nothing(void **state)
{
	struct rte_mempool *pool = open_pool();
	void *buffers[BUFFERS + 1];

	(void)state;
	assert_int_equal(rte_mempool_ops_dequeue_bulk(pool, buffers, BUFFERS + 1), -ENOBUFS);
	assert_int_equal(rte_mempool_ops_dequeue_bulk(pool, buffers, BUFFERS - 10), 0);
	assert_int_equal(rte_mempool_ops_dequeue_bulk(pool, &buffers[BUFFERS - 10], 11), -ENOBUFS);
	assert_int_equal(rte_mempool_avail_count(pool), 10);
	/* One by one: the worst for the nodes. */
	for (unsigned i = 0; i < BUFFERS - 10; i++)
		assert_int_equal(rte_mempool_ops_enqueue_bulk(pool, &buffers[i], 1), 0);
	expect_all(pool);
	rte_mempool_free(pool);
}

/* The CPUs before EAL took all but one away. */
static cpu_set_t cpus;

static void *use(void *argument)
{
	static _Atomic uint32_t last;
	struct rte_mempool *pool = argument;
	const uint32_t self = atomic_fetch_add(&last, 1) % THREADS + 1;
	unsigned seed = self;
	void *held[MOST];
	unsigned count = 0;

	expect(pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus) == 0);
	for (unsigned n = 0; n < ROUNDS; n++) {
		unsigned part = 1 + (unsigned)rand_r(&seed) % 64;

		if (rand_r(&seed) % 2 == 0 && count + part <= MOST) {
			if (rte_mempool_ops_dequeue_bulk(pool, &held[count], part) != 0)
				continue;
			hold(&held[count], part, self);
			count += part;
		} else {
			part = RTE_MIN(part, count);
			/* Sometimes one by one. */
			let_go(&held[count - part], part, self);
			if (rand_r(&seed) % 4 != 0) {
				count -= part;
				expect(rte_mempool_ops_enqueue_bulk(pool, &held[count], part) == 0);
				continue;
			}
			while (part-- > 0)
				expect(rte_mempool_ops_enqueue_bulk(pool, &held[--count], 1) == 0);
		}
	}
	let_go(held, count, self);
	expect(rte_mempool_ops_enqueue_bulk(pool, held, count) == 0);
	return NULL;
}

static void threads_share_it(void **state)
{
	struct rte_mempool *pool = open_pool();
	pthread_t threads[THREADS];

	(void)state;
	for (unsigned t = 0; t < THREADS; t++)
		assert_int_equal(pthread_create(&threads[t], NULL, use, pool), 0);
	for (unsigned t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	expect_all(pool);
	rte_mempool_free(pool);
}

static int start(void **state)
{
	(void)state;
	srandom(1);
	if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0)
		return -1;
	return frame_pool_open(128, 2047);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_in_first_out),
		cmocka_unit_test(all_or_nothing),
		cmocka_unit_test(threads_share_it),
	};

	return cmocka_run_group_tests(tests, start, frame_pool_close);
}
