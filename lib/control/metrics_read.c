/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/metrics_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_version.h>

#include "control/metrics.h"
#include "control/sessions.h"
#include "control/xstats.h"
#include "output/ethdev_life.h"
#include "output/ring.h"
#include "version.h"

struct number {
	char text[24];
};

static struct number number(unsigned n)
{
	struct number result;

	snprintf(result.text, sizeof(result.text), "%u", n);
	return result;
}

static void add_daemon(struct mt_metrics *m, struct mt_daemon *daemon)
{
	struct mt_health health;

	mt_watch_health(daemon, &health);
	mt_metrics_add(
		m, MT_METRIC_BUILD_INFO, 1, "version", MT_VERSION, "dpdk", rte_version(), NULL);
	mt_metrics_add(m, MT_METRIC_UPTIME, mt_daemon_uptime(daemon), NULL);
	mt_metrics_add(m, MT_METRIC_HEALTHY, health.healthy, NULL);
	mt_metrics_add(m, MT_METRIC_DRAINING, mt_daemon_is_draining(daemon), NULL);
}

static void add_reloads(struct mt_metrics *m, struct mt_daemon *daemon)
{
	struct mt_reload_status status;

	mt_reload_read(daemon, &status);
	mt_metrics_add(m, MT_METRIC_RELOADS, status.applied, "result", "applied", NULL);
	mt_metrics_add(m, MT_METRIC_RELOADS, status.refused, "result", "refused", NULL);
	mt_metrics_add(m, MT_METRIC_RELOAD_SUCCESSFUL, status.last.rc == 0, NULL);
	mt_metrics_add(m, MT_METRIC_CONFIG_TIME, status.applied_seconds, NULL);
}

static void add_ledger_output(struct mt_metrics *m, const struct mt_ledger_output *output)
{
	mt_metrics_add(m, MT_METRIC_OUTPUT_OFFERED, output->offered, "output", output->name, NULL);
	mt_metrics_add(
		m, MT_METRIC_OUTPUT_DELIVERED, output->delivered, "output", output->name, NULL);
	mt_metrics_add(
		m, MT_METRIC_OUTPUT_IN_FLIGHT, output->in_flight, "output", output->name, NULL);
	for (unsigned r = 0; r < MT_OUTPUT_DROP_COUNT; r++)
		mt_metrics_add(m, MT_METRIC_OUTPUT_DROPPED, output->drops[r], "output",
			output->name, "reason", mt_output_drop_name(r), NULL);
}

static void add_ledger(struct mt_metrics *m, struct mt_daemon *daemon)
{
	struct mt_ledger ledger;

	mt_ledger_read(&daemon->datapath, daemon->snapshot, &ledger);
	mt_metrics_add(m, MT_METRIC_LEDGER_BALANCED, ledger.balanced, NULL);
	mt_metrics_add(m, MT_METRIC_ACCEPTED, ledger.accepted, NULL);
	mt_metrics_add(m, MT_METRIC_IN_FLIGHT, ledger.in_flight, NULL);
	for (unsigned v = MT_VERDICT_HOST + 1; v < MT_VERDICT_COUNT; v++)
		mt_metrics_add(
			m, MT_METRIC_DROPPED, ledger.drops[v], "verdict", mt_verdict_name(v), NULL);
	for (unsigned p = 0; p < daemon->ports_count; p++) {
		const char *port = daemon->ports[p].config->name;

		mt_metrics_add(m, MT_METRIC_RECEIVED, ledger.ports[p].received, "port", port, NULL);
		mt_metrics_add(m, MT_METRIC_RECEIVED_BYTES, ledger.ports[p].received_bytes, "port",
			port, NULL);
		mt_metrics_add(m, MT_METRIC_HOST, ledger.ports[p].host, "port", port, NULL);
	}
	for (unsigned o = 0; o < ledger.outputs_count; o++)
		add_ledger_output(m, &ledger.outputs[o]);
}

static void add_xstats(struct mt_metrics *m, const char *port, const struct mt_port_sample *sample)
{
	for (unsigned i = 0; i < sample->xstats_count; i++) {
		uint64_t value = sample->xstats[i].count.value;
		struct mt_xstat xstat;

		if (!mt_xstat_parse(sample->xstats[i].name, &xstat))
			continue;
		switch (xstat.kind) {
		case MT_XSTAT_ALLOWANCE_EXCEEDED:
			mt_metrics_add(m, MT_METRIC_PORT_ALLOWANCE_EXCEEDED, value, "port", port,
				"name", xstat.name, NULL);
			break;
		case MT_XSTAT_ALLOWANCE_AVAILABLE:
			mt_metrics_add(m, MT_METRIC_PORT_ALLOWANCE_AVAILABLE, value, "port", port,
				"name", xstat.name, NULL);
			break;
		case MT_XSTAT_DEVICE:
			mt_metrics_add(m, MT_METRIC_PORT_XSTATS, value, "port", port, "name",
				xstat.name, NULL);
			break;
		case MT_XSTAT_QUEUE:
			mt_metrics_add(m, MT_METRIC_PORT_QUEUE_XSTATS, value, "port", port, "queue",
				number(xstat.queue).text, "name", xstat.name, NULL);
			break;
		}
	}
}

static void add_port(struct mt_metrics *m, struct mt_daemon *daemon, unsigned index,
	struct mt_port_sample *sample)
{
	const struct mt_port *port = &daemon->ports[index];
	const char *name = port->config->name;

	mt_watch_read_port(daemon, index, sample);
	mt_metrics_add(m, MT_METRIC_PORT_UP, sample->started, "port", name, NULL);
	mt_metrics_add(m, MT_METRIC_PORT_LINK, sample->link, "port", name, NULL);
	mt_metrics_add(m, MT_METRIC_PORT_RESETS,
		atomic_load_explicit(&port->life.resets, memory_order_relaxed), "port", name, NULL);
	mt_metrics_add(m, MT_METRIC_PORT_MISSED, sample->imissed.value, "port", name, NULL);
	mt_metrics_add(m, MT_METRIC_PORT_ERRORS, sample->ierrors.value, "port", name, NULL);
	mt_metrics_add(m, MT_METRIC_PORT_NO_BUFFER, sample->rx_nombuf.value, "port", name, NULL);
	mt_metrics_add(m, MT_METRIC_PORT_SEND_ERRORS, sample->oerrors.value, "port", name, NULL);
	mt_metrics_add(m, MT_METRIC_PORT_POOL_SIZE, port->pool->size, "port", name, NULL);
	mt_metrics_add(m, MT_METRIC_PORT_POOL_USED, rte_mempool_in_use_count(port->pool), "port",
		name, NULL);
	add_xstats(m, name, sample);
}

static void add_host(struct mt_metrics *m, struct mt_daemon *daemon, unsigned index)
{
	const char *port = daemon->ports[index].config->name;
	const struct mt_host *host = daemon->hosts[index];
	const char *name = host->interface;

	mt_metrics_add(m, MT_METRIC_HOST_UP, !host->failed, "port", port, "interface", name,
		"backend", mt_host_backend_name(host->backend), NULL);
	mt_metrics_add(m, MT_METRIC_HOST_TO, mt_counter(&host->counters.to_kernel), "port", port,
		"interface", name, NULL);
	mt_metrics_add(m, MT_METRIC_HOST_TO_DROPS, mt_counter(&host->counters.to_kernel_drops),
		"port", port, "interface", name, NULL);
	mt_metrics_add(m, MT_METRIC_HOST_FROM, mt_counter(&host->counters.from_kernel), "port",
		port, "interface", name, NULL);
	mt_metrics_add(m, MT_METRIC_HOST_FROM_DROPS, mt_counter(&host->counters.from_kernel_drops),
		"port", port, "interface", name, NULL);
}

static void add_worker(struct mt_metrics *m, struct mt_daemon *daemon, unsigned index)
{
	struct mt_worker *worker = daemon->datapath.workers[index];
	const struct number lcore = number(worker->lcore);
	const double hz = (double)rte_get_tsc_hz();
	uint64_t busy = mt_counter(&worker->load.busy_cycles);
	uint64_t idle = mt_counter(&worker->load.idle_cycles);
	unsigned stage = atomic_load_explicit(&worker->stage, memory_order_relaxed);
	struct mt_worker_sample sample;

	mt_watch_read_worker(daemon, index, &sample);
	mt_metrics_add_real(m, MT_METRIC_WORKER_HEARTBEAT_AGE,
		(double)mt_watch_heartbeat_age_ms(daemon, index) / 1000, "lcore", lcore.text, NULL);
	mt_metrics_add(m, MT_METRIC_WORKER_LOOPS,
		atomic_load_explicit(&worker->heartbeat, memory_order_relaxed), "lcore", lcore.text,
		NULL);
	mt_metrics_add(m, MT_METRIC_WORKER_PACKETS, mt_counter(&worker->load.packets), "lcore",
		lcore.text, NULL);
	mt_metrics_add_real(m, MT_METRIC_WORKER_BUSY, (double)busy / hz, "lcore", lcore.text, NULL);
	mt_metrics_add_real(m, MT_METRIC_WORKER_IDLE, (double)idle / hz, "lcore", lcore.text, NULL);
	mt_metrics_add(m, MT_METRIC_WORKER_BUSY_CYCLES, busy, "lcore", lcore.text, NULL);
	mt_metrics_add(m, MT_METRIC_WORKER_IDLE_CYCLES, idle, "lcore", lcore.text, NULL);
	mt_metrics_add_real(m, MT_METRIC_WORKER_CYCLES_PER_PACKET, sample.cycles_per_packet,
		"lcore", lcore.text, NULL);
	mt_metrics_add_real(
		m, MT_METRIC_WORKER_BUSY_RATIO, sample.busy_ratio, "lcore", lcore.text, NULL);
	mt_metrics_add_real(m, MT_METRIC_WORKER_LONGEST_LOOP,
		(double)mt_counter(&worker->load.longest_cycles) / hz, "lcore", lcore.text, NULL);
	mt_metrics_add(m, MT_METRIC_WORKER_SLOW_LOOPS, mt_counter(&worker->load.slow_loops),
		"lcore", lcore.text, NULL);
	for (unsigned s = 0; s < MT_STAGE_COUNT; s++)
		mt_metrics_add(m, MT_METRIC_WORKER_STAGE, s == stage, "lcore", lcore.text, "stage",
			mt_stage_name(s), NULL);
}

static void add_latency(struct mt_metrics *m, const struct mt_latency *latency, const char *queue)
{
	uint64_t buckets[MT_LATENCY_BUCKETS];
	double bounds[MT_LATENCY_BUCKETS];

	for (unsigned b = 0; b < MT_LATENCY_BUCKETS; b++) {
		bounds[b] = (double)((uint64_t)MT_LATENCY_FIRST_NS << b) / 1e9;
		buckets[b] = mt_counter(&latency->buckets[b]);
	}
	mt_metrics_add_histogram(m, MT_METRIC_LATENCY, "queue", queue, bounds, buckets,
		MT_LATENCY_BUCKETS, (double)mt_counter(&latency->sum_ns) / 1e9);
}

static void add_reorder(struct mt_metrics *m, const struct mt_reorder *reorder, const char *queue)
{
	const struct {
		const char *reason;
		const uint64_t *count;
	} released[] = {
		{"closed", &reorder->counts.closed},
		{"expired", &reorder->counts.expired},
		{"full", &reorder->counts.full},
	};

	mt_metrics_add(m, MT_METRIC_REORDER_HELD, __atomic_load_n(&reorder->held, __ATOMIC_RELAXED),
		"queue", queue, NULL);
	for (size_t r = 0; r < RTE_DIM(released); r++)
		mt_metrics_add(m, MT_METRIC_REORDER_RELEASED, mt_counter(released[r].count),
			"queue", queue, "reason", released[r].reason, NULL);
}

static void add_queue(struct mt_metrics *m, struct mt_daemon *daemon, unsigned index)
{
	struct mt_queue *queue = daemon->datapath.queues[index];
	const struct number name = number(index);
	struct mt_queue_counts counts;
	uint64_t full = 0;

	mt_commit_read(&queue->counters.commit, (uint64_t *)&counts,
		(const uint64_t *)&queue->counters.counts, sizeof(counts));
	for (uint16_t w = 0; w < daemon->datapath.workers_count; w++)
		full += mt_counter(&daemon->datapath.workers[w]->full.full[index]);
	mt_metrics_add(m, MT_METRIC_QUEUE_PACKETS, counts.accepted, "queue", name.text, NULL);
	mt_metrics_add(m, MT_METRIC_QUEUE_BYTES, counts.accepted_bytes, "queue", name.text, NULL);
	mt_metrics_add(m, MT_METRIC_QUEUE_FULL, full, "queue", name.text, NULL);
	mt_metrics_add(m, MT_METRIC_QUEUE_DEPTH,
		queue->ring == NULL ? 0 : rte_ring_count(queue->ring), "queue", name.text, NULL);
	mt_metrics_add(m, MT_METRIC_QUEUE_LENGTH,
		queue->ring == NULL ? 0 : rte_ring_get_capacity(queue->ring), "queue", name.text,
		NULL);
	mt_metrics_add(m, MT_METRIC_QUEUE_HIGH_WATER, mt_counter(&queue->counters.high_water),
		"queue", name.text, NULL);
	if (daemon->snapshot->dedup_tables != NULL || counts.duplicates != 0) {
		mt_metrics_add(
			m, MT_METRIC_QUEUE_DUPLICATES, counts.duplicates, "queue", name.text, NULL);
		mt_metrics_add(m, MT_METRIC_DEDUP_EVICTED,
			mt_counter(&queue->counters.dedup_evicted), "queue", name.text, NULL);
	}
	if (queue->reorder != NULL)
		add_reorder(m, queue->reorder, name.text);
	add_latency(m, &queue->counters.latency, name.text);
}

static void add_consumer(struct mt_metrics *m, struct mt_output *output, uint16_t index)
{
	const struct number queue = number(index);
	const char *name = output->name;
	struct mt_output_counts counts;
	struct mt_ring_status status;
	uint64_t lag;

	mt_output_read(output, index, &counts, &lag);
	mt_ring_read_status(output, index, &status);
	mt_metrics_add(m, MT_METRIC_CONSUMER_ATTACHED, status.attached, "output", name, "queue",
		queue.text, NULL);
	mt_metrics_add_real(m, MT_METRIC_CONSUMER_HEARTBEAT_AGE,
		(double)status.heartbeat_age_ms / 1000, "output", name, "queue", queue.text, NULL);
	mt_metrics_add(m, MT_METRIC_CONSUMER_LAG, lag, "output", name, "queue", queue.text, NULL);
	mt_metrics_add(m, MT_METRIC_CONSUMER_BORROWED, status.borrowed, "output", name, "queue",
		queue.text, NULL);
	mt_metrics_add(m, MT_METRIC_CONSUMER_HIGH_WATER, status.high_water, "output", name, "queue",
		queue.text, NULL);
	mt_metrics_add(m, MT_METRIC_CONSUMER_PROCESSED, status.processed, "output", name, "queue",
		queue.text, NULL);
	mt_metrics_add(m, MT_METRIC_CONSUMER_ATTACHES, status.attaches, "output", name, "queue",
		queue.text, NULL);
}

static void add_ring(struct mt_metrics *m, struct mt_output *output)
{
	mt_metrics_add(m, MT_METRIC_CONSUMER_REFUSED, mt_ring_refused(output), "output",
		output->name, NULL);
	for (uint16_t q = 0; q < output->queues; q++)
		add_consumer(m, output, q);
}

/* `name` is empty for a VNI that no session has: such a label is as good as none. */
static void add_session(struct mt_metrics *m, const char *vni, const char *name,
	const struct mt_session_counts *counts)
{
	mt_metrics_add(
		m, MT_METRIC_SESSION_PACKETS, counts->packets, "vni", vni, "session", name, NULL);
	mt_metrics_add(
		m, MT_METRIC_SESSION_BYTES, counts->bytes, "vni", vni, "session", name, NULL);
	mt_metrics_add(m, MT_METRIC_SESSION_TRUNCATED, counts->truncated, "vni", vni, "session",
		name, NULL);
	mt_metrics_add(
		m, MT_METRIC_SESSION_DROPPED, counts->drops, "vni", vni, "session", name, NULL);
	if (counts->duplicates != 0)
		mt_metrics_add(m, MT_METRIC_SESSION_DUPLICATES, counts->duplicates, "vni", vni,
			"session", name, NULL);
	if (counts->last_ns != 0)
		mt_metrics_add(m, MT_METRIC_SESSION_LAST_SEEN, counts->last_ns / 1000000000, "vni",
			vni, "session", name, NULL);
}

static const char *session_name(const struct mt_daemon *daemon, uint32_t vni)
{
	const char *name = NULL;

	if (daemon->policy != NULL)
		name = mt_policy_session_name(daemon->policy, vni);
	return name != NULL ? name : "";
}

static bool add_sessions(struct mt_metrics *m, struct mt_daemon *daemon)
{
	struct mt_session_list list;

	if (mt_sessions_list(&daemon->datapath, &daemon->session_register, &list) < 0)
		return false;
	mt_metrics_add(m, MT_METRIC_SESSIONS, list.seen, NULL);
	mt_metrics_add(m, MT_METRIC_SESSION_TABLE_FULL, list.full.packets, NULL);
	for (uint32_t s = 0; s < list.count; s++)
		add_session(m, number(list.sessions[s].vni).text,
			session_name(daemon, list.sessions[s].vni), &list.sessions[s].counts);
	add_session(m, "other", "", &list.other);
	mt_sessions_free(&list);
	return true;
}

static void add_output(struct mt_metrics *m, struct mt_daemon *daemon, unsigned index)
{
	struct mt_output *output = daemon->snapshot->outputs[index];
	uint64_t bytes = 0;

	for (uint16_t q = 0; q < output->queues; q++) {
		struct mt_output_counts counts;
		uint64_t in_flight;

		mt_output_read(output, q, &counts, &in_flight);
		bytes += counts.delivered_bytes;
	}
	mt_metrics_add(m, MT_METRIC_OUTPUT_UP, mt_watch_output_can_take(daemon, index), "output",
		output->name, "type", output->ops->type, NULL);
	mt_metrics_add(m, MT_METRIC_OUTPUT_REQUIRED, daemon->notes[index].required, "output",
		output->name, NULL);
	mt_metrics_add(m, MT_METRIC_OUTPUT_ERRORS,
		atomic_load_explicit(&output->errors, memory_order_relaxed), "output", output->name,
		NULL);
	if (output->life != NULL)
		mt_metrics_add(m, MT_METRIC_OUTPUT_RESETS,
			atomic_load_explicit(&output->life->resets, memory_order_relaxed), "output",
			output->name, NULL);
	mt_metrics_add(m, MT_METRIC_OUTPUT_DELIVERED_BYTES, bytes, "output", output->name, NULL);
	if (output->ops == &mt_output_ring)
		add_ring(m, output);
}

static void add_captures(struct mt_metrics *m, struct mt_daemon *daemon)
{
	struct mt_live_statuses statuses;

	mt_live_captures_read(&daemon->captures, &statuses);
	mt_metrics_add(m, MT_METRIC_CAPTURES, statuses.count, NULL);
	mt_metrics_add(m, MT_METRIC_CAPTURES_BEGUN, statuses.begun, NULL);
	mt_metrics_add(m, MT_METRIC_CAPTURES_REFUSED, statuses.refused, NULL);
	mt_metrics_add(m, MT_METRIC_CAPTURE_PACKETS, statuses.frames, NULL);
	mt_metrics_add(m, MT_METRIC_CAPTURE_BYTES, statuses.bytes, NULL);
	mt_metrics_add(m, MT_METRIC_CAPTURE_LOST, statuses.lost, NULL);
	mt_live_statuses_free(&statuses);
}

char *mt_metrics_text(struct mt_daemon *daemon, bool openmetrics, size_t *length)
{
	struct mt_port_sample *sample = malloc(sizeof(*sample));
	struct mt_metrics *m = mt_metrics_create();
	uint64_t begin = rte_rdtsc();
	char *text = NULL;

	if (m != NULL && sample != NULL && add_sessions(m, daemon)) {
		add_daemon(m, daemon);
		add_reloads(m, daemon);
		add_ledger(m, daemon);
		for (unsigned p = 0; p < daemon->ports_count; p++) {
			add_port(m, daemon, p, sample);
			if (daemon->hosts[p] != NULL)
				add_host(m, daemon, p);
		}
		for (unsigned w = 0; w < daemon->datapath.workers_count; w++)
			add_worker(m, daemon, w);
		for (unsigned q = 0; q < daemon->datapath.queues_count; q++)
			add_queue(m, daemon, q);
		for (unsigned o = 0; o < daemon->snapshot->outputs_count; o++)
			add_output(m, daemon, o);
		add_captures(m, daemon);
		mt_metrics_add_real(m, MT_METRIC_SCRAPE_SECONDS,
			(double)(rte_rdtsc() - begin) / (double)rte_get_tsc_hz(), NULL);
		text = mt_metrics_render(m, openmetrics, length);
	}
	mt_metrics_free(m);
	free(sample);
	return text;
}
