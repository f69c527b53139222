/* SPDX-License-Identifier: BSD-3-Clause */
/* The port output with fewer transmit queues than queues: what one worker sets aside, another
 * sends, and that is work like any other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "datapath/worker.h"
#include "output/ethdev_life.h"
#include "output/output.h"

enum {
	BUFFERS = 1023,
	FRAMES = 500,
	LENGTH = 100,
	LIMIT_S = 10,
};

static bool no_worker_runs(void *context)
{
	(void)context;
	return true;
}

/* On a device that no test had before: it stays in DPDK. Queue 0 and the only transmit queue are of
 * worker 0, queue 1 is of worker 1. */
static struct mt_output *make_output(const char *device)
{
	const uint16_t queue_worker[] = {0, 1};
	const int queue_node[] = {SOCKET_ID_ANY, SOCKET_ID_ANY};
	const struct mt_output_settings settings = {
		.name = "out",
		.device = device,
		.tx_queues = 1,
		.queues = 2,
		.queue_worker = queue_worker,
		.queue_node = queue_node,
		.synchronize = no_worker_runs,
	};
	char error[256] = "";
	struct mt_output *output =
		mt_output_create(&mt_output_port, &settings, error, sizeof(error));

	assert_string_equal(error, "");
	assert_non_null(output);
	return output;
}

static void send_by_worker_1(struct mt_output *output, uint16_t count)
{
	struct rte_mbuf *frames[FRAMES];

	assert_int_equal(rte_pktmbuf_alloc_bulk(rte_mempool_lookup("frames"), frames, count), 0);
	for (uint16_t i = 0; i < count; i++)
		assert_non_null(rte_pktmbuf_append(frames[i], LENGTH));
	output->ops->send(output, 1, frames, count);
}

static uint64_t delivered(struct mt_output *output, uint64_t *in_flight)
{
	struct mt_output_counts counts;

	mt_output_read(output, 1, &counts, in_flight);
	assert_int_equal(counts.offered, counts.delivered + *in_flight);
	return counts.delivered;
}

static void a_poll_says_what_it_sent(void **state)
{
	struct mt_output *output = make_output("net_null0");
	uint64_t in_flight;

	(void)state;
	assert_int_equal(output->ops->poll(output, 0), 0);
	send_by_worker_1(output, 70);
	assert_int_equal(delivered(output, &in_flight), 0);
	assert_int_equal(in_flight, 70);
	assert_int_equal(output->ops->poll(output, 1), 0); /* not its work */
	assert_int_equal(output->ops->poll(output, 0), 64);
	assert_int_equal(output->ops->poll(output, 0), 6);
	assert_int_equal(output->ops->poll(output, 0), 0);
	assert_int_equal(delivered(output, &in_flight), 70);
	assert_int_equal(in_flight, 0);
	mt_output_destroy(output);
	assert_int_equal(rte_mempool_in_use_count(rte_mempool_lookup("frames")), 0);
}

/* A virtual device is taken out of DPDK, and so can be had again. */
static void an_unplugged_device_comes_back(void **state)
{
	struct mt_output *output = make_output("net_null2,size=100");
	uint16_t id;

	(void)state;
	assert_int_equal(rte_eth_dev_get_port_by_name("net_null2", &id), 0);
	mt_ethdev_raise(output->life, RTE_ETH_EVENT_INTR_RMV);
	output->ops->maintain(output);
	assert_int_equal(output->state, MT_OUTPUT_ERROR);
	assert_string_equal(
		output->error, "net_null2,size=100 was unplugged; looked for again each second");
	assert_int_not_equal(rte_eth_dev_get_port_by_name("net_null2", &id), 0);
	assert_int_equal(output->life->resets, 0);
	output->ops->maintain(output); /* looks at once */
	assert_int_equal(output->state, MT_OUTPUT_UP);
	assert_int_equal(rte_eth_dev_get_port_by_name("net_null2", &id), 0);
	assert_int_equal(output->life->resets, 1);
	mt_output_destroy(output);
}

static void *run(void *worker)
{
	mt_worker_run(worker);
	return NULL;
}

/* A worker rests after loops without packets (datapath/idle.h): so what it sends for others must
 * be among its packets. */
static void sending_for_others_is_work(void **state)
{
	struct mt_output *output = make_output("net_null1");
	struct mt_queue queue = {0};
	struct mt_datapath datapath = {.queues_count = 1, .workers_count = 1};
	struct mt_snapshot snapshot = {
		.idle = MT_IDLE_SLEEP,
		.queues = 1,
		.outputs_count = 1,
		.outputs = {output},
	};
	struct mt_worker *worker = rte_zmalloc(NULL, sizeof(*worker), RTE_CACHE_LINE_SIZE);
	size_t size = rte_rcu_qsbr_get_memsize(1);
	uint64_t end = rte_get_timer_cycles() + LIMIT_S * rte_get_timer_hz();
	uint64_t in_flight;
	pthread_t thread;

	(void)state;
	assert_non_null(worker);
	datapath.queues[0] = &queue;
	datapath.workers[0] = worker;
	datapath.readers = rte_zmalloc(NULL, size, RTE_CACHE_LINE_SIZE);
	assert_non_null(datapath.readers);
	assert_int_equal(rte_rcu_qsbr_init(datapath.readers, 1), 0);
	worker->datapath = &datapath;
	mt_datapath_publish(&datapath, &snapshot);
	worker->owned_count = 1;
	send_by_worker_1(output, FRAMES);
	assert_int_equal(pthread_create(&thread, NULL, run, worker), 0);
	while (delivered(output, &in_flight) < FRAMES && rte_get_timer_cycles() < end)
		sched_yield();
	atomic_store(&datapath.phase, MT_PHASE_STOP);
	pthread_join(thread, NULL);
	assert_int_equal(delivered(output, &in_flight), FRAMES);
	/* Work, though they are another worker's packets. */
	assert_true(mt_counter(&worker->load.busy_cycles) > 0);
	assert_int_equal(mt_counter(&worker->load.packets), 0);
	rte_free(datapath.readers);
	rte_free(worker);
	mt_output_destroy(output);
	assert_int_equal(rte_mempool_in_use_count(rte_mempool_lookup("frames")), 0);
}

static int start(void **state)
{
	char *arguments[] = {"test_port", "--no-huge", "-m", "128", "--no-pci", "--no-shconf",
		"--no-telemetry", "--log-level=error", "--lcores=0"};

	(void)state;
	if (rte_eal_init(RTE_DIM(arguments), arguments) < 0)
		return -1;
	return rte_pktmbuf_pool_create("frames", BUFFERS, 0, 0, RTE_PKTMBUF_HEADROOM + 2048, 0)
			!= NULL
		? 0
		: -1;
}

static int stop(void **state)
{
	(void)state;
	return rte_eal_cleanup();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_poll_says_what_it_sent),
		cmocka_unit_test(sending_for_others_is_work),
		cmocka_unit_test(an_unplugged_device_comes_back),
	};

	return cmocka_run_group_tests_name("port", tests, start, stop);
}
