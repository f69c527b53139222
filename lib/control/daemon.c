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

#include "control/lifecycle.h"
#include "control/log.h"
#include "output/interrupt_guard.h"
#include "output/monotonic.h"
#include "packet/frame_info.h"

static const struct mt_output_ops *const output_types[] = {
	[MT_OUTPUT_TAP] = &mt_output_tap,
	[MT_OUTPUT_RING] = &mt_output_ring,
	[MT_OUTPUT_PORT] = &mt_output_port,
	[MT_OUTPUT_PCAPNG] = &mt_output_pcapng,
};

/* Sessions and filters; none where they would change nothing, so that they cost nothing. */
static int start_policy(struct mt_daemon *daemon, char *error, size_t error_size)
{
	const struct mt_policy_spec *spec = &daemon->config->policy;

	if (mt_policy_spec_is_empty(spec))
		return 0;
	daemon->policy = mt_policy_create(spec, error, error_size);
	if (daemon->policy == NULL)
		return -EINVAL;
	daemon->snapshot.policy = daemon->policy;
	daemon->snapshot.chooses = mt_policy_chooses(daemon->policy);
	mt_log(MT_LOG_INFO, "policy: %u session%s, %u filter%s, other VNIs: %s",
		spec->sessions_count, spec->sessions_count == 1 ? "" : "s", spec->filters_count,
		spec->filters_count == 1 ? "" : "s", spec->drop_unknown ? "drop" : "accept");
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

/* What capture files call a session. */
static bool describe_session(void *context, uint32_t vni, struct mt_output_session *session)
{
	const struct mt_session_spec *spec = mt_policy_session(context, vni);

	if (spec == NULL || spec->name == NULL)
		return false;
	snprintf(session->name, sizeof(session->name), "%s", spec->name);
	snprintf(session->description, sizeof(session->description), "%s",
		spec->description != NULL ? spec->description : "");
	return true;
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
			.vlans = config->vlans,
			.vlans_count = config->vlans_count,
			.tap_sessions = config->tap_sessions,
			.tap_sessions_count = config->tap_sessions_count,
			.length = config->length,
			.snap = config->snap,
			.own_prefix = daemon->eal.own_prefix,
			.copy = config->mode == MT_CONFIG_COPY,
			.drop_old = config->drop_old,
			.keep = config->keep,
			.group = config->group,
			.sessions = daemon->config->policy.sessions,
			.sessions_count = daemon->config->policy.sessions_count,
			.directory = config->directory,
			.rotate_bytes = config->rotate_bytes,
			.keep_bytes = config->keep_bytes,
			.rotate_seconds = config->rotate_seconds,
			.keep_files = config->keep_files,
			.describe = daemon->policy != NULL ? describe_session : NULL,
			.describe_context = daemon->policy,
			.queues = plan->queues,
			.queue_worker = queue_worker,
			.queue_node = queue_node,
			.synchronize = mt_lifecycle_synchronize,
			.synchronize_context = daemon,
		};
		struct mt_output *output = mt_output_create(
			config->per_session ? &mt_output_tap_sessions : output_types[config->type],
			&settings, error, error_size);

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
		worker->snapshot = &daemon->snapshot;
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

static void share_error(struct mt_daemon *daemon, unsigned index)
{
	pthread_mutex_lock(&daemon->lock);
	memcpy(daemon->output_errors[index], daemon->snapshot.outputs[index]->error,
		sizeof(daemon->output_errors[index]));
	pthread_mutex_unlock(&daemon->lock);
}

int mt_daemon_start(struct mt_daemon *daemon, const struct mt_config *config,
	const struct mt_plan *plan, char *error, size_t error_size)
{
	struct mt_ledger ledger;
	int rc;

	memset(daemon, 0, sizeof(*daemon)); /* too large for a value on the stack */
	daemon->config = config;
	daemon->plan = plan;
	pthread_mutex_init(&daemon->lock, NULL);
	pthread_mutex_init(&daemon->session_register.lock, NULL);
	mt_watch_init(&daemon->watch);
	daemon->snapshot.queues = plan->queues;
	mt_config_tunnels(config, &daemon->snapshot.tunnels);
	daemon->snapshot.fast = mt_fast_prepare(&daemon->snapshot.tunnels);
	daemon->snapshot.idle = config->dataplane.idle;
	daemon->snapshot.plain_hash = config->dataplane.hash.fields == MT_HASH_5_TUPLE
		&& !config->dataplane.hash.include_vni;
	rc = mt_eal_start(config, plan, &daemon->eal, error, error_size);
	if (rc < 0)
		return rc;
	daemon->snapshot.simd = mt_decapsulate_simd_choose(mt_eal_simd_bits(), &daemon->simd_name);
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
		if (mt_daemon_drain(daemon, &ledger))
			mt_daemon_stop(daemon);
		return rc;
	}
	rc = mt_hooks_start(&daemon->hooks, config, &daemon->datapath, daemon->policy);
	if (rc < 0) /* all else works without */
		mt_log(MT_LOG_ERROR, "hooks: thread: %s", strerror(-rc));
	daemon->started = mt_monotonic_ms() / 1000;
	for (unsigned o = 0; o < daemon->snapshot.outputs_count; o++)
		share_error(daemon, o);
	mt_watch_look(daemon);
	atomic_store(&daemon->state, MT_DAEMON_RUNNING);
	return 0;
}

/* Each reason for a drop is told once, when it first happens; the counters tell the rest. */
static void tell_drops(struct mt_daemon *daemon)
{
	struct mt_ledger ledger;

	mt_ledger_read(&daemon->datapath, &daemon->snapshot, &ledger);
	for (unsigned v = 0; v < MT_VERDICT_COUNT; v++) {
		if (ledger.drops[v] == 0 || daemon->told_verdict[v] || mt_verdict_is_wanted(v))
			continue;
		daemon->told_verdict[v] = true;
		mt_log(MT_LOG_WARNING, "dropping packets, %s: %s %s", mt_verdict_name(v),
			mt_verdict_meaning(v), mt_verdict_remedy(v));
	}
	for (unsigned o = 0; o < ledger.outputs_count; o++) {
		for (unsigned r = 0; r < MT_OUTPUT_DROP_COUNT; r++) {
			if (ledger.outputs[o].drops[r] == 0 || daemon->told_drop[o][r]
				|| mt_output_drop_is_wanted(r))
				continue;
			daemon->told_drop[o][r] = true;
			mt_log(MT_LOG_WARNING, "output %s is dropping frames, %s: %s",
				ledger.outputs[o].name, mt_output_drop_name(r),
				mt_output_drop_meaning(r));
		}
	}
}

/* What became of an output since the last round, whose error is still what others see. */
static void tell_output(struct mt_daemon *daemon, unsigned index)
{
	struct mt_output *output = daemon->snapshot.outputs[index];
	bool failed = atomic_load_explicit(&output->state, memory_order_relaxed) == MT_OUTPUT_ERROR;
	uint64_t resets = output->life == NULL
		? 0
		: atomic_load_explicit(&output->life->resets, memory_order_relaxed);

	if (resets != daemon->told_resets[index] && !daemon->told_error[index])
		mt_log_limited(&daemon->told_reset[index], MT_LOG_WARNING,
			"output %s: its device asked to be reset; it was, and is back",
			output->name);
	if (failed && !daemon->told_error[index])
		mt_log_limited(&daemon->told_failed[index], MT_LOG_ERROR, "output %s: %s",
			output->name, output->error);
	else if (failed && strcmp(output->error, daemon->output_errors[index]) != 0)
		mt_log_limited(&daemon->told_still[index], MT_LOG_ERROR, "output %s: %s",
			output->name, output->error);
	if (!failed && daemon->told_error[index])
		mt_log_limited(&daemon->told_mended[index], MT_LOG_NOTICE, "output %s: is up again",
			output->name);
	daemon->told_resets[index] = resets;
	daemon->told_error[index] = failed;
}

void mt_daemon_maintain(struct mt_daemon *daemon)
{
	mt_lifecycle_round(daemon);
	mt_watch_look(daemon);
	for (unsigned o = 0; o < daemon->snapshot.outputs_count; o++) {
		struct mt_output *output = daemon->snapshot.outputs[o];

		if (output->ops->maintain != NULL)
			output->ops->maintain(output);
		tell_output(daemon, o);
		share_error(daemon, o);
	}
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
	rte_free(datapath->readers);
	mt_policy_destroy(daemon->policy);
	mt_eal_stop(&daemon->eal);
	pthread_mutex_destroy(&daemon->lock);
}

uint64_t mt_daemon_uptime(const struct mt_daemon *daemon)
{
	return mt_monotonic_ms() / 1000 - daemon->started;
}
