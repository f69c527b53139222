/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/daemon.h"

#include <errno.h>
#include <stdio.h>

#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "control/log.h"
#include "packet/frame_info.h"

static const struct mt_output_ops *const output_types[] = {
	[MT_OUTPUT_TAP] = &mt_output_tap,
	[MT_OUTPUT_RING] = &mt_output_ring,
	[MT_OUTPUT_PORT] = &mt_output_port,
};

static int start_ports(struct mt_daemon *daemon, char *error, size_t error_size)
{
	for (unsigned p = 0; p < daemon->config->ports_count; p++) {
		int rc = mt_port_start(&daemon->ports[p], &daemon->config->ports[p], daemon->plan,
			p, error, error_size);

		daemon->ports_count++;
		if (rc < 0)
			return rc;
		mt_port_check_nodes(&daemon->ports[p], daemon->plan);
		if (daemon->config->ports[p].host_interface != NULL)
			mt_log(MT_LOG_WARNING,
				"port %s: host interfaces are not supported yet: what is not "
				"mirror "
				"traffic is counted as host and not handed to %s",
				daemon->config->ports[p].name,
				daemon->config->ports[p].host_interface);
	}
	return 0;
}

static int start_outputs(struct mt_daemon *daemon, char *error, size_t error_size)
{
	const struct mt_plan *plan = daemon->plan;
	uint16_t queue_worker[MT_MAX_QUEUES];
	int queue_node[MT_MAX_QUEUES];

	for (unsigned q = 0; q < plan->queues; q++) {
		queue_worker[q] = plan->queue_owner[q];
		queue_node[q] = plan->workers[plan->queue_owner[q]].numa_node;
	}
	for (unsigned o = 0; o < daemon->config->outputs_count; o++) {
		const struct mt_config_output *config = &daemon->config->outputs[o];
		struct mt_output_settings settings = {
			.name = config->name,
			.interface = config->interface,
			.device = config->device,
			.tx_queues = config->tx_queues,
			.mtu = config->mtu,
			.length = config->length,
			.queues = plan->queues,
			.queue_worker = queue_worker,
			.queue_node = queue_node,
		};
		struct mt_output *output =
			mt_output_create(output_types[config->type], &settings, error, error_size);

		if (output == NULL)
			return -EIO;
		daemon->snapshot.outputs[daemon->snapshot.outputs_count++] = output;
	}
	return 0;
}

/* The ring by which other workers feed the queue; none if only its owner receives. */
static int make_queue_ring(struct mt_daemon *daemon, uint16_t index)
{
	const struct mt_plan *plan = daemon->plan;
	struct mt_queue *queue = daemon->datapath.queues[index];
	unsigned flags = RING_F_SC_DEQ | RING_F_EXACT_SZ;
	char name[RTE_RING_NAMESIZE];
	unsigned producers = 0;

	for (unsigned w = 0; w < plan->workers_count; w++)
		producers += w != queue->owner && daemon->datapath.workers[w]->rx_count > 0;
	if (producers == 0)
		return 0;
	if (producers == 1)
		flags |= RING_F_SP_ENQ;
	snprintf(name, sizeof(name), "mti_queue_%u", index);
	queue->ring = rte_ring_create(name, daemon->config->dataplane.queue_length,
		plan->workers[queue->owner].numa_node, flags);
	return queue->ring == NULL ? -rte_errno : 0;
}

static int make_queues(struct mt_daemon *daemon)
{
	const struct mt_plan *plan = daemon->plan;
	struct mt_datapath *datapath = &daemon->datapath;

	for (unsigned q = 0; q < plan->queues; q++) {
		unsigned owner = plan->queue_owner[q];
		struct mt_worker *worker = datapath->workers[owner];
		int rc;

		datapath->queues[q] = rte_zmalloc_socket("mt_queue", sizeof(struct mt_queue),
			RTE_CACHE_LINE_SIZE, plan->workers[owner].numa_node);
		if (datapath->queues[q] == NULL)
			return -ENOMEM;
		datapath->queues_count++;
		datapath->queues[q]->owner = owner;
		worker->owned[worker->owned_count++] = q;
		rc = make_queue_ring(daemon, q);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int make_workers(struct mt_daemon *daemon)
{
	const struct mt_plan *plan = daemon->plan;

	for (unsigned w = 0; w < plan->workers_count; w++) {
		struct mt_worker *worker = rte_zmalloc_socket("mt_worker", sizeof(*worker),
			RTE_CACHE_LINE_SIZE, plan->workers[w].numa_node);

		if (worker == NULL)
			return -ENOMEM;
		worker->datapath = &daemon->datapath;
		worker->snapshot = &daemon->snapshot;
		worker->index = w;
		worker->lcore = plan->workers[w].lcore;
		daemon->datapath.workers[daemon->datapath.workers_count++] = worker;
	}
	return 0;
}

/* Receive queues of all ports in turn to the receiving workers. */
static int assign_receive_queues(struct mt_daemon *daemon)
{
	const struct mt_plan *plan = daemon->plan;
	unsigned next = 0;

	for (unsigned p = 0; p < daemon->ports_count; p++) {
		for (uint16_t q = 0; q < daemon->ports[p].device.rx_queues; q++) {
			struct mt_worker *worker;

			while (!plan->workers[next % plan->workers_count].receives)
				next++;
			worker = daemon->datapath.workers[next++ % plan->workers_count];
			if (worker->rx_count == MT_MAX_RX_PER_WORKER)
				return -E2BIG;
			worker->rx[worker->rx_count++] =
				(struct mt_rx){daemon->ports[p].device.id, q, p};
		}
	}
	return 0;
}

static int start_workers(struct mt_daemon *daemon, char *error, size_t error_size)
{
	int rc = make_workers(daemon);

	if (rc == 0)
		rc = assign_receive_queues(daemon);
	if (rc == 0)
		rc = make_queues(daemon);
	for (unsigned w = 0; rc == 0 && w < daemon->datapath.workers_count; w++) {
		struct mt_worker *worker = daemon->datapath.workers[w];

		rc = rte_eal_remote_launch(mt_worker_run, worker, worker->lcore);
	}
	if (rc < 0)
		snprintf(error, error_size,
			"workers: %s; reserve more hugepages or ask for fewer "
			"queues and workers",
			rte_strerror(-rc));
	return rc;
}

static time_t monotonic_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

int mt_daemon_start(struct mt_daemon *daemon, const struct mt_config *config,
	const struct mt_plan *plan, char *error, size_t error_size)
{
	struct mt_ledger ledger;
	int rc;

	*daemon = (struct mt_daemon){.config = config, .plan = plan};
	pthread_mutex_init(&daemon->lock, NULL);
	daemon->snapshot.queues = plan->queues;
	mt_config_tunnels(config, &daemon->snapshot.tunnels);
	daemon->snapshot.fast = mt_fast_prepare(&daemon->snapshot.tunnels);
	daemon->snapshot.plain_hash = config->dataplane.hash.fields == MT_HASH_5_TUPLE
		&& !config->dataplane.hash.include_vni;
	rc = mt_eal_start(config, plan, &daemon->eal, error, error_size);
	if (rc < 0)
		return rc;
	rc = mt_frame_info_register();
	if (rc < 0)
		snprintf(error, error_size, "mbuf field for frame information: %s",
			rte_strerror(-rc));
	if (rc == 0)
		rc = start_ports(daemon, error, error_size);
	if (rc == 0)
		rc = start_outputs(daemon, error, error_size);
	if (rc == 0)
		rc = start_workers(daemon, error, error_size);
	if (rc < 0) {
		if (mt_daemon_drain(daemon, &ledger))
			mt_daemon_stop(daemon);
		return rc;
	}
	daemon->started = monotonic_seconds();
	daemon->state = MT_DAEMON_RUNNING;
	return 0;
}

/* Each reason for a drop is told once, when it first happens; the counters tell the rest. */
static void tell_drops(struct mt_daemon *daemon)
{
	struct mt_ledger ledger;

	mt_ledger_read(&daemon->datapath, &daemon->snapshot, &ledger);
	for (unsigned v = 0; v < MT_VERDICT_COUNT; v++) {
		if (ledger.drops[v] == 0 || daemon->told_verdict[v])
			continue;
		daemon->told_verdict[v] = true;
		mt_log(MT_LOG_WARNING, "dropping packets, %s: %s %s", mt_verdict_name(v),
			mt_verdict_meaning(v), mt_verdict_remedy(v));
	}
	for (unsigned o = 0; o < ledger.outputs_count; o++) {
		for (unsigned r = 0; r < MT_OUTPUT_DROP_COUNT; r++) {
			if (ledger.outputs[o].drops[r] == 0 || daemon->told_drop[o][r])
				continue;
			daemon->told_drop[o][r] = true;
			mt_log(MT_LOG_WARNING, "output %s is dropping frames, %s: %s",
				ledger.outputs[o].name, mt_output_drop_name(r),
				mt_output_drop_meaning(r));
		}
	}
}

void mt_daemon_maintain(struct mt_daemon *daemon)
{
	pthread_mutex_lock(&daemon->lock);
	for (unsigned o = 0; o < daemon->snapshot.outputs_count; o++) {
		struct mt_output *output = daemon->snapshot.outputs[o];
		bool failed;

		if (output->ops->maintain != NULL)
			output->ops->maintain(output);
		failed = atomic_load_explicit(&output->state, memory_order_relaxed)
			== MT_OUTPUT_ERROR;
		if (failed && !daemon->told_error[o])
			mt_log(MT_LOG_ERROR, "output %s: %s", output->name, output->error);
		if (!failed && daemon->told_error[o])
			mt_log(MT_LOG_NOTICE, "output %s: is up again", output->name);
		daemon->told_error[o] = failed;
	}
	pthread_mutex_unlock(&daemon->lock);
	tell_drops(daemon);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Waits until `done` says so, looking each millisecond. Returns false if `limit_ms` went by. */
static bool wait_until(
	bool (*done)(struct mt_daemon *daemon), struct mt_daemon *daemon, unsigned limit_ms)
{
	uint64_t end = now_ms() + limit_ms;

	while (!done(daemon)) {
		if (now_ms() >= end)
			return false;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	return true;
}

static bool ports_empty(struct mt_daemon *daemon)
{
	for (unsigned w = 0; w < daemon->datapath.workers_count; w++) {
		struct mt_worker *worker = daemon->datapath.workers[w];

		if (worker->rx_count > 0 && !worker->drained)
			return false;
	}
	return true;
}

static bool nothing_in_flight(struct mt_daemon *daemon)
{
	struct mt_ledger ledger;

	mt_ledger_read(&daemon->datapath, &daemon->snapshot, &ledger);
	for (unsigned o = 0; o < ledger.outputs_count; o++)
		ledger.in_flight += ledger.outputs[o].in_flight;
	return ledger.in_flight == 0;
}

static bool workers_ended(struct mt_daemon *daemon)
{
	for (unsigned w = 0; w < daemon->datapath.workers_count; w++) {
		if (rte_eal_get_lcore_state(daemon->datapath.workers[w]->lcore) == RUNNING)
			return false;
	}
	return true;
}

/* What the workers left in the rings of the queues. */
static void free_queued(struct mt_daemon *daemon)
{
	for (uint16_t q = 0; q < daemon->datapath.queues_count; q++) {
		struct mt_queue *queue = daemon->datapath.queues[q];
		struct rte_mbuf *frames[MT_BURST];
		unsigned n;

		while (queue->ring != NULL
			&& (n = rte_ring_dequeue_burst(
				    queue->ring, (void **)frames, MT_BURST, NULL))
				> 0) {
			rte_pktmbuf_free_bulk(frames, n);
			mt_commit_begin(&queue->counters.commit);
			mt_count(&queue->counters.counts.stopped, n);
			mt_commit_end(&queue->counters.commit);
		}
	}
}

static void set_state(struct mt_daemon *daemon, enum mt_daemon_state state)
{
	pthread_mutex_lock(&daemon->lock);
	daemon->state = state;
	pthread_mutex_unlock(&daemon->lock);
}

bool mt_daemon_drain(struct mt_daemon *daemon, struct mt_ledger *ledger)
{
	enum { PORTS_MS = 200, QUEUES_MS = 500, WORKERS_MS = 2000 };
	struct mt_datapath *datapath = &daemon->datapath;
	bool ended;

	set_state(daemon, MT_DAEMON_DRAINING);
	atomic_store_explicit(&datapath->phase, MT_PHASE_DRAIN, memory_order_release);
	/* A port that never runs dry is left after a while. */
	wait_until(ports_empty, daemon, PORTS_MS);
	atomic_store_explicit(&datapath->phase, MT_PHASE_FLUSH, memory_order_release);
	wait_until(nothing_in_flight, daemon, QUEUES_MS);
	atomic_store_explicit(&datapath->phase, MT_PHASE_STOP, memory_order_release);
	ended = wait_until(workers_ended, daemon, WORKERS_MS);
	if (ended) {
		free_queued(daemon);
		for (uint16_t o = 0; o < daemon->snapshot.outputs_count; o++) {
			struct mt_output *output = daemon->snapshot.outputs[o];

			if (output->ops->flush != NULL)
				output->ops->flush(output);
		}
	} else {
		mt_log(MT_LOG_ERROR, "a worker does not end: what it holds stays in flight");
	}
	mt_ledger_read(datapath, &daemon->snapshot, ledger);
	return ended;
}

void mt_daemon_stop(struct mt_daemon *daemon)
{
	struct mt_datapath *datapath = &daemon->datapath;

	for (unsigned o = 0; o < daemon->snapshot.outputs_count; o++)
		mt_output_destroy(daemon->snapshot.outputs[o]);
	for (unsigned p = 0; p < daemon->ports_count; p++)
		mt_port_stop(&daemon->ports[p]);
	for (unsigned p = 0; p < daemon->ports_count; p++)
		mt_port_free(&daemon->ports[p]);
	for (unsigned q = 0; q < datapath->queues_count; q++) {
		rte_ring_free(datapath->queues[q]->ring);
		rte_free(datapath->queues[q]);
	}
	for (unsigned w = 0; w < datapath->workers_count; w++)
		rte_free(datapath->workers[w]);
	mt_eal_stop(&daemon->eal);
	pthread_mutex_destroy(&daemon->lock);
}
