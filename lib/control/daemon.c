/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/daemon.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_random.h>
#include <rte_timer.h>

#include "control/change.h"
#include "control/lifecycle.h"
#include "control/log.h"
#include "control/snapshot.h"
#include "output/interrupt_guard.h"
#include "output/monotonic.h"
#include "packet/frame_info.h"

static int start_policy(struct mt_daemon *daemon, char *error, size_t error_size)
{
	const struct mt_policy_spec *spec = &daemon->config->policy;

	if (mt_snapshot_policy(daemon->config, &daemon->policy, error, error_size) < 0)
		return -EINVAL;
	daemon->snapshot = mt_snapshot_make(daemon, daemon->config, daemon->policy);
	if (daemon->snapshot == NULL) {
		snprintf(error, error_size, "snapshot: no memory; give EAL more hugepages");
		return -ENOMEM;
	}
	mt_datapath_publish(&daemon->datapath, daemon->snapshot);
	if (daemon->policy != NULL)
		mt_log(MT_LOG_INFO, "policy: %u session%s, %u filter%s, other VNIs: %s",
			spec->sessions_count, spec->sessions_count == 1 ? "" : "s",
			spec->filters_count, spec->filters_count == 1 ? "" : "s",
			spec->drop_unknown ? "drop" : "accept");
	return 0;
}

static int start_ports(struct mt_daemon *daemon, char *error, size_t error_size)
{
	for (unsigned p = 0; p < daemon->config->ports_count; p++) {
		int rc = mt_port_start(&daemon->ports[p], &daemon->config->ports[p], daemon->plan,
			p, error, error_size);

		daemon->ports_count++;
		if (rc < 0)
			return rc;
		mt_port_check_nodes(&daemon->ports[p], daemon->plan);
		mt_ethdev_watch(&daemon->ports[p].device, &daemon->ports[p].life);
	}
	return 0;
}

static int start_host(struct mt_daemon *daemon, unsigned index, char *error, size_t error_size)
{
	const struct mt_port *port = &daemon->ports[index];
	struct mt_host_settings settings = {
		.interface = port->config->host_interface,
		.backend = port->config->host_interface_backend,
		.index = index,
		.port_id = port->device.id,
		.mtu = port->device.mtu,
		.rate_pps = port->config->host_rate,
		.numa_node = port->device.numa_node,
	};
	struct mt_host *host = calloc(1, sizeof(*host));
	int rc;

	if (host == NULL)
		return -ENOMEM;
	rte_eth_macaddr_get(port->device.id, &settings.mac);
	rc = mt_host_open(host, &settings, error, error_size);
	if (rc < 0) {
		free(host);
		return rc;
	}
	daemon->hosts[index] = host;
	daemon->pump.hosts[daemon->pump.count++] = host;
	mt_log(MT_LOG_INFO, "port %s: host interface %s (%s), MTU %u, at most %u frames a second",
		port->config->name, host->interface, mt_host_backend_name(host->backend),
		settings.mtu, host->rate_pps);
	return 0;
}

static int start_hosts(struct mt_daemon *daemon, char *error, size_t error_size)
{
	for (unsigned p = 0; p < daemon->ports_count; p++) {
		int rc = 0;

		if (daemon->ports[p].config->host_interface != NULL)
			rc = start_host(daemon, p, error, error_size);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int start_outputs(struct mt_daemon *daemon, char *error, size_t error_size)
{
	const struct mt_config *config = daemon->config;

	for (unsigned o = 0; o < config->outputs_count; o++) {
		struct mt_output *output = mt_outputs_open(
			daemon, &config->outputs[o], &config->policy, error, error_size);

		if (output == NULL)
			return -EIO;
		daemon->notes[o].required = config->outputs[o].required;
		mt_snapshot_add_output(daemon->snapshot, output, config->outputs[o].place);
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

/* What else the owner of a queue needs for it, in its own memory. */
static int make_reorder(struct mt_daemon *daemon, uint16_t index)
{
	const struct mt_config *config = daemon->config;
	struct mt_queue *queue = daemon->datapath.queues[index];
	int node = daemon->plan->workers[queue->owner].numa_node;

	if (config->reorder.window_us == 0)
		return 0;
	queue->reorder = mt_reorder_create(config->reorder.packets, MT_BURST, rte_rand(), node);
	return queue->reorder == NULL ? -ENOMEM : 0;
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
		if (rc == 0)
			rc = make_reorder(daemon, q);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static_assert(
	sizeof(struct mt_worker) <= MT_PLAN_WORKER_BYTES, "the plan knows what a worker needs");

static int make_workers(struct mt_daemon *daemon)
{
	const struct mt_plan *plan = daemon->plan;

	for (unsigned w = 0; w < plan->workers_count; w++) {
		struct mt_worker *worker = rte_zmalloc_socket("mt_worker", sizeof(*worker),
			RTE_CACHE_LINE_SIZE, plan->workers[w].numa_node);

		if (worker == NULL)
			return -ENOMEM;
		worker->datapath = &daemon->datapath;
		worker->index = w;
		worker->policy.random = rte_rand() | 1;
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

/* A ring to the pump from each worker that polls a port with a host interface. */
static int connect_hosts(struct mt_daemon *daemon)
{
	for (unsigned w = 0; w < daemon->datapath.workers_count; w++) {
		struct mt_worker *worker = daemon->datapath.workers[w];

		for (uint16_t r = 0; r < worker->rx_count; r++) {
			uint16_t port = worker->rx[r].port;
			struct mt_host *host = daemon->hosts[port];

			if (host == NULL || worker->host[port] != NULL)
				continue;
			worker->host[port] = mt_host_add_worker(
				host, port, w, daemon->plan->workers[w].numa_node);
			if (worker->host[port] == NULL)
				return -ENOMEM;
		}
	}
	return mt_host_pump_start(&daemon->pump);
}

/* Where the workers report that they hold nothing of what control wants to take away. */
static int make_readers(struct mt_daemon *daemon)
{
	size_t size = rte_rcu_qsbr_get_memsize(MT_MAX_WORKERS);

	daemon->datapath.readers = rte_zmalloc("mt_readers", size, RTE_CACHE_LINE_SIZE);
	if (daemon->datapath.readers == NULL)
		return -ENOMEM;
	return rte_rcu_qsbr_init(daemon->datapath.readers, MT_MAX_WORKERS) == 0 ? 0 : -EINVAL;
}

static int start_workers(struct mt_daemon *daemon, char *error, size_t error_size)
{
	int rc = make_readers(daemon);

	if (rc == 0)
		rc = make_workers(daemon);

	if (rc == 0)
		rc = assign_receive_queues(daemon);
	if (rc == 0)
		rc = make_queues(daemon);
	if (rc == 0)
		rc = connect_hosts(daemon);
	if (rc == 0)
		mt_interrupt_guard_set(mt_lifecycle_synchronize, daemon);
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

/* Readers come and go all the time, so a writer goes first: none of them takes it twice. */
static void init_hold(pthread_rwlock_t *hold)
{
	pthread_rwlockattr_t attributes;

	pthread_rwlockattr_init(&attributes);
	pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(hold, &attributes);
	pthread_rwlockattr_destroy(&attributes);
}

void mt_daemon_hold(struct mt_daemon *daemon)
{
	pthread_rwlock_rdlock(&daemon->hold);
}

void mt_daemon_let_go(struct mt_daemon *daemon)
{
	pthread_rwlock_unlock(&daemon->hold);
}

int mt_daemon_start(struct mt_daemon *daemon, const struct mt_config *config,
	const struct mt_plan *plan, char *error, size_t error_size)
{
	struct mt_ledger ledger;
	int rc;

	memset(daemon, 0, sizeof(*daemon)); /* too large for a value on the stack */
	daemon->config = config;
	daemon->start_config = config;
	daemon->plan = plan;
	pthread_mutex_init(&daemon->lock, NULL);
	pthread_mutex_init(&daemon->session_register.lock, NULL);
	init_hold(&daemon->hold);
	rc = mt_reload_init(&daemon->reload);
	if (rc < 0) {
		snprintf(error, error_size, "reload: eventfd: %s", strerror(-rc));
		return rc;
	}
	mt_live_captures_init(&daemon->captures);
	mt_watch_init(&daemon->watch);
	rc = mt_eal_start(config, plan, &daemon->eal, error, error_size);
	if (rc < 0)
		return rc;
	daemon->simd = mt_decapsulate_simd_choose(mt_eal_simd_bits(), &daemon->simd_name);
	mt_log(MT_LOG_INFO, "decapsulation: %s", daemon->simd_name);
	rte_timer_subsystem_init();
	rc = mt_frame_info_register();
	if (rc < 0)
		snprintf(error, error_size, "mbuf field for frame information: %s",
			rte_strerror(-rc));
	if (rc == 0)
		rc = start_policy(daemon, error, error_size);
	if (rc == 0)
		rc = start_ports(daemon, error, error_size);
	if (rc == 0)
		rc = start_hosts(daemon, error, error_size);
	if (rc == 0)
		rc = start_outputs(daemon, error, error_size);
	if (rc == 0)
		rc = start_workers(daemon, error, error_size);
	if (rc < 0) {
		if (daemon->snapshot == NULL || mt_daemon_drain(daemon, &ledger))
			mt_daemon_stop(daemon);
		return rc;
	}
	mt_hooks_start(daemon);
	daemon->started = mt_monotonic_ms() / 1000;
	for (unsigned o = 0; o < daemon->snapshot->outputs_count; o++)
		mt_outputs_share_error(daemon, o);
	mt_watch_look(daemon);
	atomic_store(&daemon->state, MT_DAEMON_RUNNING);
	return 0;
}

/* Each reason for a drop is told once, when it first happens; the counters tell the rest. */
static void tell_drops(struct mt_daemon *daemon)
{
	struct mt_ledger ledger;

	mt_ledger_read(&daemon->datapath, daemon->snapshot, &ledger);
	for (unsigned v = 0; v < MT_VERDICT_COUNT; v++) {
		if (ledger.drops[v] == 0 || daemon->told_verdict[v] || mt_verdict_is_wanted(v))
			continue;
		daemon->told_verdict[v] = true;
		mt_log(MT_LOG_WARNING, "dropping packets, %s: %s %s", mt_verdict_name(v),
			mt_verdict_meaning(v), mt_verdict_remedy(v));
	}
	mt_outputs_tell_drops(daemon, &ledger);
}

void mt_daemon_maintain(struct mt_daemon *daemon)
{
	mt_lifecycle_round(daemon);
	mt_watch_look(daemon);
	mt_outputs_maintain(daemon);
	for (unsigned h = 0; h < daemon->pump.count; h++)
		mt_host_maintain(daemon->pump.hosts[h]);
	tell_drops(daemon);
}

void mt_daemon_stop(struct mt_daemon *daemon)
{
	struct mt_datapath *datapath = &daemon->datapath;

	mt_hooks_stop(&daemon->hooks);
	mt_interrupt_guard_set(NULL, NULL);
	mt_host_pump_stop(&daemon->pump);
	for (unsigned h = 0; h < daemon->pump.count; h++) {
		mt_host_close(daemon->pump.hosts[h]);
		free(daemon->pump.hosts[h]);
	}
	for (unsigned o = 0; daemon->snapshot != NULL && o < daemon->snapshot->outputs_count; o++)
		mt_output_destroy(daemon->snapshot->outputs[o]);
	/* Outputs among it, which close with all there that they were opened with. */
	mt_change_free_leftovers(daemon);
	for (unsigned p = 0; p < daemon->ports_count; p++)
		mt_port_stop(&daemon->ports[p]);
	for (unsigned p = 0; p < daemon->ports_count; p++)
		mt_port_free(&daemon->ports[p]);
	for (unsigned q = 0; q < datapath->queues_count; q++) {
		rte_ring_free(datapath->queues[q]->ring);
		mt_reorder_destroy(datapath->queues[q]->reorder);
		rte_free(datapath->queues[q]);
	}
	for (unsigned w = 0; w < datapath->workers_count; w++)
		rte_free(datapath->workers[w]);
	rte_free(datapath->readers);
	mt_reload_free(daemon);
	mt_snapshot_free(daemon->snapshot);
	mt_policy_destroy(daemon->policy);
	if (daemon->config != daemon->start_config)
		mt_config_free((struct mt_config *)(uintptr_t)daemon->config);
	mt_eal_stop(&daemon->eal);
	pthread_rwlock_destroy(&daemon->hold);
	pthread_mutex_destroy(&daemon->lock);
}

uint64_t mt_daemon_uptime(const struct mt_daemon *daemon)
{
	return mt_monotonic_ms() / 1000 - daemon->started;
}
