/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/api.h"

#include <stdlib.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "control/json_text.h"
#include "control/sessions.h"
#include "output/ethdev_life.h"
#include "output/ring.h"
#include "version.h"

static json_t *count(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *output_drops(const uint64_t drops[MT_OUTPUT_DROP_COUNT])
{
	json_t *object = json_object();

	for (unsigned r = 0; r < MT_OUTPUT_DROP_COUNT; r++)
		json_object_set_new(object, mt_output_drop_name(r), count(drops[r]));
	return object;
}

json_t *mt_api_ledger_document(const struct mt_ledger *ledger)
{
	json_t *drops = json_object();
	json_t *outputs = json_object();

	for (unsigned v = MT_VERDICT_HOST + 1; v < MT_VERDICT_COUNT; v++)
		json_object_set_new(drops, mt_verdict_name(v), count(ledger->drops[v]));
	for (unsigned o = 0; o < ledger->outputs_count; o++) {
		const struct mt_ledger_output *output = &ledger->outputs[o];

		json_object_set_new(outputs, output->name,
			json_pack("{s:o, s:o, s:o, s:o}", "offered", count(output->offered),
				"delivered", count(output->delivered), "in_flight",
				count(output->in_flight), "drops", output_drops(output->drops)));
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "received", count(ledger->received),
		"host", count(ledger->host), "accepted", count(ledger->accepted), "in_flight",
		count(ledger->in_flight), "drops", drops, "outputs", outputs, "balanced",
		ledger->balanced);
}

json_t *mt_api_ledger(struct mt_daemon *daemon)
{
	struct mt_ledger ledger;

	mt_ledger_read(&daemon->datapath, daemon->snapshot, &ledger);
	return mt_api_ledger_document(&ledger);
}

static json_t *worker_status(struct mt_daemon *daemon, unsigned index)
{
	const struct mt_plan_worker *plan = &daemon->plan->workers[index];
	struct mt_worker *worker = daemon->datapath.workers[index];
	json_t *receive_queues = json_array();
	json_t *queues = json_array();
	struct mt_worker_sample sample;

	for (unsigned r = 0; r < worker->rx_count; r++)
		json_array_append_new(receive_queues,
			json_sprintf("%s/%u", daemon->ports[worker->rx[r].port].config->name,
				worker->rx[r].queue_id));
	for (unsigned q = 0; q < worker->owned_count; q++)
		json_array_append_new(queues, json_integer(worker->owned[q]));
	mt_watch_read_worker(daemon, index, &sample);
	return json_pack(
		"{s:i, s:i, s:i, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:f, s:f, s:f, s:o, s:s}",
		"lcore", (int)plan->lcore, "cpu", plan->cpu, "numa_node", plan->numa_node,
		"receives", plan->receives, "owns", plan->owns, "receive_queues", receive_queues,
		"queues", queues, "loops",
		count(atomic_load_explicit(&worker->heartbeat, memory_order_relaxed)),
		"heartbeat_age_ms", count(mt_watch_heartbeat_age_ms(daemon, index)), "packets",
		count(mt_counter(&worker->load.packets)), "busy_ratio", sample.busy_ratio,
		"cycles_per_packet", sample.cycles_per_packet, "longest_loop_seconds",
		(double)mt_counter(&worker->load.longest_cycles) / (double)rte_get_tsc_hz(),
		"slow_loops", count(mt_counter(&worker->load.slow_loops)), "stage",
		mt_stage_name(atomic_load_explicit(&worker->stage, memory_order_relaxed)));
}

json_t *mt_api_health(struct mt_daemon *daemon, bool *healthy)
{
	json_t *reasons = json_array();
	struct mt_health health;

	mt_watch_health(daemon, &health);
	for (unsigned r = 0; r < health.reasons_count; r++)
		json_array_append_new(reasons, mt_json_text(health.reasons[r]));
	*healthy = health.healthy;
	return json_pack("{s:s, s:b, s:o}", "status", health.healthy ? "ok" : "unhealthy",
		"healthy", health.healthy, "reasons", reasons);
}

/* Which configuration is in force, and how the last reload went; null: there was none. */
static json_t *reload_status(struct mt_daemon *daemon)
{
	struct mt_reload_status status;
	json_t *last = json_null();

	mt_reload_read(daemon, &status);
	if (status.last_seconds != 0)
		last = json_pack("{s:s, s:o, s:o}", "result",
			status.last.rc == 0 ? "applied" : "refused", "at",
			count(status.last_seconds), "text", mt_json_text(status.last.text));
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "generation", count(status.generation),
		"applied_at", count(status.applied_seconds), "applied", count(status.applied),
		"refused", count(status.refused), "last", last);
}

static json_t *live_captures(struct mt_daemon *daemon)
{
	json_t *captures = json_array();
	struct mt_live_statuses statuses;

	mt_live_captures_read(&daemon->captures, &statuses);
	for (unsigned c = 0; c < statuses.count; c++) {
		const struct mt_live_status *status = &statuses.list[c];

		json_array_append_new(captures,
			json_pack("{s:o, s:i, s:i, s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:o, s:o}",
				"id", count(status->id), "pid", (int)status->pid, "uid",
				(int)status->uid, "filter", mt_json_text(status->filter), "session",
				mt_json_text(status->session), "vni",
				status->has_vni ? count(status->vni) : json_null(), "count",
				status->count != 0 ? count(status->count) : json_null(), "snaplen",
				(int)status->snap, "since", count(status->since), "packets",
				count(status->frames), "bytes", count(status->bytes), "lost",
				count(status->lost)));
	}
	mt_live_statuses_free(&statuses);
	return captures;
}

json_t *mt_api_status(struct mt_daemon *daemon)
{
	json_t *workers = json_array();
	bool healthy;
	json_t *health = mt_api_health(daemon, &healthy);
	json_t *document;

	for (unsigned w = 0; w < daemon->datapath.workers_count; w++)
		json_array_append_new(workers, worker_status(daemon, w));
	document = json_pack(
		"{s:s, s:i, s:s, s:b, s:O, s:o, s:o, s:o, s:o, s:s, s:i, s:i, s:o, s:o}", "version",
		MT_VERSION, "pid", (int)getpid(), "state",
		mt_daemon_is_draining(daemon) ? "draining" : "running", "healthy", healthy,
		"warnings", json_object_get(health, "reasons"), "uptime_seconds",
		count(mt_daemon_uptime(daemon)), "config", mt_json_text(daemon->start_config->path),
		"reload", reload_status(daemon), "file_prefix",
		mt_json_text(daemon->eal.file_prefix), "decapsulation", daemon->simd_name,
		"control_lcore", (int)daemon->plan->control_lcore, "control_cpu",
		daemon->plan->control_cpu, "workers", workers, "captures", live_captures(daemon));
	json_decref(health);
	return document;
}

json_t *mt_api_queues(struct mt_daemon *daemon)
{
	json_t *queues = json_array();

	for (uint16_t q = 0; q < daemon->datapath.queues_count; q++) {
		struct mt_queue *queue = daemon->datapath.queues[q];
		struct mt_queue_counts counts;
		uint64_t full = 0;

		mt_commit_read(&queue->counters.commit, (uint64_t *)&counts,
			(const uint64_t *)&queue->counters.counts, sizeof(counts));
		for (uint16_t w = 0; w < daemon->datapath.workers_count; w++)
			full += mt_counter(&daemon->datapath.workers[w]->full.full[q]);
		json_array_append_new(queues,
			json_pack("{s:i, s:i, s:o, s:o, s:o, s:o, s:i, s:i, s:o}", "queue", (int)q,
				"lcore", (int)daemon->plan->workers[queue->owner].lcore, "packets",
				count(counts.accepted), "bytes", count(counts.accepted_bytes),
				"full", count(full), "duplicates", count(counts.duplicates),
				"depth", queue->ring == NULL ? 0 : (int)rte_ring_count(queue->ring),
				"length",
				queue->ring == NULL ? 0 : (int)rte_ring_get_capacity(queue->ring),
				"high_water", count(mt_counter(&queue->counters.high_water))));
	}
	return json_pack("{s:o}", "queues", queues);
}

static void add_counts(struct mt_output_counts *sum, const struct mt_output_counts *counts)
{
	sum->offered += counts->offered;
	sum->delivered += counts->delivered;
	sum->delivered_bytes += counts->delivered_bytes;
	for (unsigned r = 0; r < MT_OUTPUT_DROP_COUNT; r++)
		sum->drops[r] += counts->drops[r];
}

static json_t *output_counts(const struct mt_output_counts *counts, uint64_t in_flight)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "offered", count(counts->offered),
		"delivered", count(counts->delivered), "delivered_bytes",
		count(counts->delivered_bytes), "in_flight", count(in_flight), "drops",
		output_drops(counts->drops));
}

/* A ring's consumer, as the daemon sees it; `processed` and `program` are its own word. */
static json_t *consumer_document(struct mt_output *output, uint16_t queue)
{
	struct mt_ring_status status;

	mt_ring_read_status(output, queue, &status);
	return json_pack("{s:s, s:b, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "state",
		status.state, "attached", status.attached, "pid", (int)status.pid, "uid",
		(int)status.uid, "program", mt_json_text(status.program), "attaches",
		count(status.attaches), "heartbeat_age_ms", count(status.heartbeat_age_ms),
		"processed", count(status.processed), "borrowed", count(status.borrowed),
		"high_water", count(status.high_water), "misbehaved", count(status.misbehaved));
}

static void add_ring(json_t *document, struct mt_output *output)
{
	json_object_set_new(document, "mode", json_string(mt_ring_mode_name(output)));
	json_object_set_new(document, "refused", count(mt_ring_refused(output)));
}

static json_t *output_document(struct mt_daemon *daemon, unsigned index)
{
	struct mt_output *output = daemon->snapshot->outputs[index];
	struct mt_output_counts sum = {0};
	uint64_t sum_in_flight = 0;
	json_t *queues = json_array();
	char error[MT_OUTPUT_MAX_ERROR];
	json_t *document;
	bool failed;

	for (uint16_t q = 0; q < output->queues; q++) {
		struct mt_output_counts counts;
		uint64_t in_flight;
		json_t *queue;

		mt_output_read(output, q, &counts, &in_flight);
		add_counts(&sum, &counts);
		sum_in_flight += in_flight;
		queue = output_counts(&counts, in_flight);
		json_object_set_new(queue, "queue", json_integer(q));
		if (output->ops == &mt_output_ring)
			json_object_set_new(queue, "consumer", consumer_document(output, q));
		json_array_append_new(queues, queue);
	}
	document = output_counts(&sum, sum_in_flight);
	if (output->ops == &mt_output_ring)
		add_ring(document, output);
	pthread_mutex_lock(&daemon->lock);
	memcpy(error, daemon->notes[index].error, sizeof(error));
	pthread_mutex_unlock(&daemon->lock);
	failed = atomic_load_explicit(&output->state, memory_order_relaxed) == MT_OUTPUT_ERROR;
	json_object_set_new(document, "error", failed ? mt_json_text(error) : json_null());
	json_object_set_new(
		document, "last_error", error[0] != '\0' ? mt_json_text(error) : json_null());
	json_object_set_new(document, "name", json_string(output->name));
	json_object_set_new(document, "type", json_string(output->ops->type));
	json_object_set_new(document, "state", json_string(failed ? "error" : "up"));
	json_object_set_new(document, "errors",
		count(atomic_load_explicit(&output->errors, memory_order_relaxed)));
	if (output->life != NULL)
		json_object_set_new(document, "resets",
			count(atomic_load_explicit(&output->life->resets, memory_order_relaxed)));
	json_object_set_new(document, "queues", queues);
	return document;
}

json_t *mt_api_outputs(struct mt_daemon *daemon)
{
	json_t *outputs = json_array();

	for (uint16_t o = 0; o < daemon->snapshot->outputs_count; o++) {
		json_t *document = output_document(daemon, o);

		json_object_set_new(document, "required", json_boolean(daemon->notes[o].required));
		json_array_append_new(outputs, document);
	}
	return json_pack("{s:o}", "outputs", outputs);
}

static json_t *host_document(const struct mt_host *host)
{
	if (host == NULL)
		return json_null();
	return json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:o}", "interface", host->interface,
		"backend", mt_host_backend_name(host->backend), "up", !host->failed, "to_kernel",
		count(mt_counter(&host->counters.to_kernel)), "to_kernel_drops",
		count(mt_counter(&host->counters.to_kernel_drops)), "from_kernel",
		count(mt_counter(&host->counters.from_kernel)), "from_kernel_drops",
		count(mt_counter(&host->counters.from_kernel_drops)));
}

/* Under the driver's own names. */
static json_t *xstats_document(const struct mt_port_sample *sample)
{
	json_t *xstats = json_object();

	for (unsigned i = 0; i < sample->xstats_count; i++)
		json_object_set_new(
			xstats, sample->xstats[i].name, count(sample->xstats[i].count.value));
	return xstats;
}

/* What the driver knows, as control last saw it: up to a second old. */
static json_t *port_document(struct mt_daemon *daemon, unsigned index,
	const struct mt_ledger *ledger, struct mt_port_sample *sample)
{
	const struct mt_port *port = &daemon->ports[index];

	mt_watch_read_port(daemon, index, sample);
	return json_pack("{s:s, s:o, s:s, s:s, s:b, s:s, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:o, "
			 "s:o, s:o, s:o, s:{s:i, s:i}, s:o, s:o}",
		"name", port->config->name, "device", mt_json_text(port->config->device), "driver",
		sample->device.driver, "link", sample->link ? "up" : "down", "started",
		sample->started, "mac", sample->mac[0] != '\0' ? sample->mac : "-", "mtu",
		(int)sample->device.mtu, "numa_node", sample->device.numa_node, "rx_queues",
		(int)sample->device.rx_queues, "descriptors", (int)sample->device.rx_descriptors,
		"packets", count(ledger->ports[index].received), "bytes",
		count(ledger->ports[index].received_bytes), "host",
		count(ledger->ports[index].host), "imissed", count(sample->imissed.value),
		"ierrors", count(sample->ierrors.value), "rx_nombuf",
		count(sample->rx_nombuf.value), "resets",
		count(atomic_load_explicit(&port->life.resets, memory_order_relaxed)), "pool",
		"size", (int)port->pool->size, "in_use", (int)rte_mempool_in_use_count(port->pool),
		"host_interface", host_document(daemon->hosts[index]), "xstats",
		xstats_document(sample));
}

json_t *mt_api_ports(struct mt_daemon *daemon)
{
	struct mt_port_sample *sample = malloc(sizeof(*sample)); /* large for a stack */
	json_t *ports = json_array();
	struct mt_ledger ledger;

	mt_ledger_read(&daemon->datapath, daemon->snapshot, &ledger);
	for (unsigned p = 0; sample != NULL && p < daemon->ports_count; p++)
		json_array_append_new(ports, port_document(daemon, p, &ledger, sample));
	free(sample);
	return json_pack("{s:o}", "ports", ports);
}

/* Seconds since 1970-01-01 UTC; null: never. */
static json_t *seconds(uint64_t ns)
{
	return ns == 0 ? json_null() : count(ns / 1000000000);
}

static json_t *session_counts(const struct mt_session_counts *counts)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "packets", count(counts->packets),
		"bytes", count(counts->bytes), "truncated", count(counts->truncated), "drops",
		count(counts->drops), "duplicates", count(counts->duplicates), "first_seen",
		seconds(counts->first_ns), "last_seen", seconds(counts->last_ns));
}

json_t *mt_api_sessions(struct mt_daemon *daemon)
{
	json_t *sessions, *other;
	struct mt_session_list list;

	if (mt_sessions_list(&daemon->datapath, NULL, &list) < 0)
		return NULL;
	sessions = json_array();
	for (uint32_t s = 0; s < list.count; s++) {
		uint32_t vni = list.sessions[s].vni;
		const char *name =
			daemon->policy != NULL ? mt_policy_session_name(daemon->policy, vni) : NULL;
		json_t *session =
			json_pack("{s:o, s:o}", "vni", count(vni), "name", mt_json_text(name));

		json_object_update_new(session, session_counts(&list.sessions[s].counts));
		json_array_append_new(sessions, session);
	}
	other = session_counts(&list.other);
	json_object_set_new(other, "sessions", count(list.seen - list.count));
	json_object_set_new(other, "table_full", count(list.full.packets));
	mt_sessions_free(&list);
	return json_pack("{s:o, s:o}", "sessions", sessions, "other", other);
}
