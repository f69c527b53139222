/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/watch.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/daemon.h"
#include "control/log.h"
#include "control/xstats.h"
#include "output/monotonic.h"

enum {
	SAMPLE_MS = 1000,
};

void mt_watch_init(struct mt_watch *watch)
{
	memset(watch, 0, sizeof(*watch));
	pthread_mutex_init(&watch->lock, NULL);
}

/* --- workers ---------------------------------------------------------------------------------- */

static struct mt_heartbeat heartbeat_of(struct mt_watch *watch, unsigned worker)
{
	/* In this order: a change in between then makes the heartbeat look newer, never older. */
	struct mt_heartbeat heartbeat = {
		.loops = atomic_load_explicit(&watch->workers[worker].loops, memory_order_acquire),
	};

	heartbeat.changed_ms =
		atomic_load_explicit(&watch->workers[worker].changed_ms, memory_order_relaxed);
	return heartbeat;
}

static bool is_stuck(struct mt_daemon *daemon, unsigned worker, uint64_t now_ms)
{
	struct mt_heartbeat heartbeat = heartbeat_of(&daemon->watch, worker);
	uint64_t loops = atomic_load_explicit(
		&daemon->datapath.workers[worker]->heartbeat, memory_order_relaxed);

	return mt_heartbeat_is_stale(
		&heartbeat, loops, now_ms, (uint64_t)daemon->config->health.stall_seconds * 1000);
}

static void tell_stuck(struct mt_daemon *daemon, unsigned index, bool stuck)
{
	struct mt_worker *worker = daemon->datapath.workers[index];
	bool *told = &daemon->watch.workers[index].told;

	if (stuck && !*told)
		mt_log(MT_LOG_ERROR,
			"worker on lcore %u is stuck: no heartbeat for %u s, last stage %s; is its "
			"CPU taken by something else, or an output's device hung?",
			worker->lcore, daemon->config->health.stall_seconds,
			mt_stage_name(atomic_load_explicit(&worker->stage, memory_order_relaxed)));
	if (!stuck && *told)
		mt_log(MT_LOG_NOTICE, "worker on lcore %u goes on again", worker->lcore);
	*told = stuck;
}

static void look_at_workers(struct mt_daemon *daemon, uint64_t now_ms)
{
	struct mt_watch *watch = &daemon->watch;
	bool any = false;

	for (unsigned w = 0; w < daemon->datapath.workers_count; w++) {
		struct mt_heartbeat heartbeat = heartbeat_of(watch, w);
		bool stuck;

		if (mt_heartbeat_see(&heartbeat,
			    atomic_load_explicit(
				    &daemon->datapath.workers[w]->heartbeat, memory_order_relaxed),
			    now_ms)) {
			atomic_store_explicit(&watch->workers[w].changed_ms, heartbeat.changed_ms,
				memory_order_relaxed);
			atomic_store_explicit(
				&watch->workers[w].loops, heartbeat.loops, memory_order_release);
		}
		stuck = is_stuck(daemon, w, now_ms);
		tell_stuck(daemon, w, stuck);
		any |= stuck;
	}
	atomic_store_explicit(&watch->stuck, any, memory_order_relaxed);
}

static void sample_load(struct mt_daemon *daemon, unsigned index)
{
	const struct mt_load_counters *load = &daemon->datapath.workers[index]->load;
	struct mt_load_counters *before = &daemon->watch.before[index];
	struct mt_load_counters now = {
		.busy_cycles = mt_counter(&load->busy_cycles),
		.idle_cycles = mt_counter(&load->idle_cycles),
		.packets = mt_counter(&load->packets),
	};
	double busy = (double)(now.busy_cycles - before->busy_cycles);
	double idle = (double)(now.idle_cycles - before->idle_cycles);
	uint64_t packets = now.packets - before->packets;
	struct mt_worker_sample sample = {
		.cycles_per_packet = packets > 0 ? busy / (double)packets : 0,
		.busy_ratio = busy + idle > 0 ? busy / (busy + idle) : 0,
	};

	*before = now;
	pthread_mutex_lock(&daemon->watch.lock);
	daemon->watch.loads[index] = sample;
	pthread_mutex_unlock(&daemon->watch.lock);
}

/* --- ports ------------------------------------------------------------------------------------ */

static bool is_started(struct mt_daemon *daemon, unsigned port)
{
	return port < daemon->ports_count
		&& !atomic_load_explicit(&daemon->datapath.paused[port], memory_order_relaxed);
}

/* What was counted under this name before; nothing at first. */
static struct mt_driver_count counted_before(const struct mt_port_sample *before, const char *name)
{
	for (unsigned i = 0; i < before->xstats_count; i++) {
		if (strcmp(before->xstats[i].name, name) == 0)
			return before->xstats[i].count;
	}
	return (struct mt_driver_count){0};
}

/* Which of the driver's statistics are wanted: asked for when their number has changed. */
static void find_xstats(
	struct mt_daemon *daemon, unsigned port, uint16_t id, struct mt_port_sample *sample)
{
	const struct mt_port_sample *before = &daemon->watch.ports[port];
	struct rte_eth_xstat_name *names;
	int total = rte_eth_xstats_get_names(id, NULL, 0);

	if (total == daemon->watch.xstats_total[port])
		return;
	sample->xstats_count = 0;
	daemon->watch.xstats_total[port] = total;
	names = total > 0 ? calloc((size_t)total, sizeof(*names)) : NULL;
	if (names == NULL)
		return;
	total = rte_eth_xstats_get_names(id, names, (unsigned)total);
	for (int i = 0; i < total && sample->xstats_count < MT_WATCH_MAX_XSTATS; i++) {
		struct mt_xstat parsed;

		if (!mt_xstat_parse(names[i].name, &parsed))
			continue;
		sample->xstats[sample->xstats_count].id = (uint64_t)i;
		snprintf(sample->xstats[sample->xstats_count].name, sizeof(sample->xstats[0].name),
			"%s", names[i].name);
		sample->xstats[sample->xstats_count].count = counted_before(before, names[i].name);
		sample->xstats_count++;
	}
	free(names);
}

/* Returns false if the driver did not say. */
static bool sample_xstats(uint16_t id, bool restarted, struct mt_port_sample *sample)
{
	uint64_t ids[MT_WATCH_MAX_XSTATS];
	uint64_t values[MT_WATCH_MAX_XSTATS];
	unsigned count = sample->xstats_count;

	for (unsigned i = 0; i < count; i++)
		ids[i] = sample->xstats[i].id;
	if (count == 0)
		return true;
	if (rte_eth_xstats_get_by_id(id, ids, values, count) != (int)count)
		return false;
	for (unsigned i = 0; i < count; i++) {
		struct mt_xstat parsed;
		bool counts = mt_xstat_parse(sample->xstats[i].name, &parsed)
			&& parsed.kind != MT_XSTAT_ALLOWANCE_AVAILABLE;

		mt_driver_count_see(&sample->xstats[i].count, values[i], restarted && counts);
	}
	return true;
}

/* Returns false if the driver did not say. */
static bool sample_stats(uint16_t id, bool restarted, struct mt_port_sample *sample)
{
	struct rte_eth_stats stats;

	if (rte_eth_stats_get(id, &stats) < 0)
		return false;
	mt_driver_count_see(&sample->imissed, stats.imissed, restarted);
	mt_driver_count_see(&sample->ierrors, stats.ierrors, restarted);
	mt_driver_count_see(&sample->rx_nombuf, stats.rx_nombuf, restarted);
	mt_driver_count_see(&sample->oerrors, stats.oerrors, restarted);
	return true;
}

static void sample_counters(
	struct mt_daemon *daemon, unsigned port, uint16_t id, struct mt_port_sample *sample)
{
	uint64_t *seen = &daemon->watch.resets[port];
	uint64_t resets =
		atomic_load_explicit(&daemon->ports[port].life.resets, memory_order_relaxed);
	bool restarted = resets != *seen;
	bool all = sample_stats(id, restarted, sample);

	if (restarted)
		daemon->watch.xstats_total[port] = INT_MIN; /* as many, but perhaps others */
	find_xstats(daemon, port, id, sample);
	all &= sample_xstats(id, restarted, sample);
	if (all)
		*seen = resets;
}

/* A port that is being reset keeps its last numbers. The driver is asked without the lock: only
 * control, which is here, writes. */
static void sample_port(struct mt_daemon *daemon, unsigned port)
{
	static struct mt_port_sample sample; /* too large for a stack; control thread only */
	struct mt_port_sample *shared = &daemon->watch.ports[port];
	uint16_t id = daemon->ports[port].device.id;
	struct rte_eth_link link = {0};
	struct rte_ether_addr mac;

	sample = *shared;
	sample.started = is_started(daemon, port);
	sample.link = false;
	if (sample.started) {
		sample.link = rte_eth_link_get_nowait(id, &link) == 0
			&& link.link_status == RTE_ETH_LINK_UP;
		if (rte_eth_macaddr_get(id, &mac) == 0)
			rte_ether_format_addr(sample.mac, sizeof(sample.mac), &mac);
		sample.device = daemon->ports[port].device;
		sample_counters(daemon, port, id, &sample);
	}
	pthread_mutex_lock(&daemon->watch.lock);
	*shared = sample;
	pthread_mutex_unlock(&daemon->watch.lock);
}

/* --- outputs ---------------------------------------------------------------------------------- */

/* A ring without a reader is in no error, but takes nothing once it is full. It is taken back when
 * the output takes a frame, or when a reader takes one; without traffic and with nothing left to
 * read, an output is presumed good. */
static void sample_outputs(struct mt_daemon *daemon)
{
	struct mt_ledger ledger;

	mt_ledger_read(&daemon->datapath, daemon->snapshot, &ledger);
	for (unsigned o = 0; o < ledger.outputs_count; o++) {
		struct mt_output_sample *before = &daemon->notes[o].sample;
		_Atomic bool *starved = &daemon->notes[o].starved;
		struct mt_output_sample now = {
			.offered = ledger.outputs[o].offered,
			.delivered = ledger.outputs[o].delivered,
		};

		/* What an output's own filter keeps from it does not starve it. */
		for (unsigned r = 0; r < MT_OUTPUT_DROP_COUNT; r++) {
			if (mt_output_drop_is_wanted(r))
				now.offered -= ledger.outputs[o].drops[r];
			else
				now.dropped += ledger.outputs[o].drops[r];
		}
		if (now.offered != before->offered)
			*starved = now.dropped - before->dropped == now.offered - before->offered;
		else if (now.delivered != before->delivered || ledger.outputs[o].in_flight == 0)
			*starved = false;
		*before = now;
	}
}

bool mt_watch_output_can_take(struct mt_daemon *daemon, unsigned output)
{
	return atomic_load_explicit(&daemon->snapshot->outputs[output]->state, memory_order_relaxed)
		== MT_OUTPUT_UP
		&& !atomic_load_explicit(&daemon->notes[output].starved, memory_order_relaxed);
}

/* --- all of it -------------------------------------------------------------------------------- */

void mt_watch_look(struct mt_daemon *daemon)
{
	struct mt_watch *watch = &daemon->watch;
	uint64_t now_ms = mt_monotonic_ms();

	atomic_store_explicit(&watch->looked_ms, now_ms, memory_order_relaxed);
	look_at_workers(daemon, now_ms);
	if (watch->sampled_ms != 0 && now_ms < watch->sampled_ms + SAMPLE_MS)
		return;
	watch->sampled_ms = now_ms;
	for (unsigned w = 0; w < daemon->datapath.workers_count; w++)
		sample_load(daemon, w);
	for (unsigned p = 0; p < daemon->ports_count; p++)
		sample_port(daemon, p);
	sample_outputs(daemon);
}

bool mt_watch_may_go_on(struct mt_daemon *daemon)
{
	return !atomic_load_explicit(&daemon->watch.stuck, memory_order_relaxed);
}

uint64_t mt_watch_heartbeat_age_ms(struct mt_daemon *daemon, unsigned worker)
{
	struct mt_heartbeat heartbeat = heartbeat_of(&daemon->watch, worker);
	uint64_t now_ms = mt_monotonic_ms();

	if (heartbeat.loops
		!= atomic_load_explicit(
			&daemon->datapath.workers[worker]->heartbeat, memory_order_relaxed))
		return 0;
	return now_ms > heartbeat.changed_ms ? now_ms - heartbeat.changed_ms : 0;
}

static void gather_ports(struct mt_daemon *daemon, struct mt_health_facts *facts)
{
	facts->ports_count = daemon->config->ports_count;
	pthread_mutex_lock(&daemon->watch.lock);
	for (unsigned p = 0; p < facts->ports_count; p++) {
		facts->ports[p] = (struct mt_health_port){
			.name = daemon->config->ports[p].name,
			.started = is_started(daemon, p) && daemon->watch.ports[p].started,
			.link = daemon->watch.ports[p].link,
		};
	}
	pthread_mutex_unlock(&daemon->watch.lock);
}

/* Without the outputs' error texts: /api/v1/outputs and the log have them. */
static void gather_outputs(struct mt_daemon *daemon, struct mt_health_facts *facts)
{
	facts->outputs_count = daemon->snapshot->outputs_count;
	for (unsigned o = 0; o < facts->outputs_count; o++) {
		struct mt_output *output = daemon->snapshot->outputs[o];

		facts->outputs[o] = (struct mt_health_output){
			.name = output->name,
			.required = daemon->notes[o].required,
			.up = mt_watch_output_can_take(daemon, o),
			.error = atomic_load_explicit(
					 &daemon->notes[o].starved, memory_order_relaxed)
				? "it drops every frame"
				: NULL,
		};
	}
}

void mt_watch_health(struct mt_daemon *daemon, struct mt_health *health)
{
	uint64_t looked_ms = atomic_load_explicit(&daemon->watch.looked_ms, memory_order_relaxed);
	uint64_t now_ms = mt_monotonic_ms();
	struct mt_health_facts facts = {
		.draining = mt_daemon_is_draining(daemon),
		.stall_seconds = daemon->config->health.stall_seconds,
		.workers_count = daemon->datapath.workers_count,
	};

	facts.control_stuck = now_ms > looked_ms + (uint64_t)facts.stall_seconds * 1000;
	for (unsigned w = 0; w < facts.workers_count; w++) {
		struct mt_worker *worker = daemon->datapath.workers[w];

		facts.workers[w] = (struct mt_health_worker){
			.lcore = worker->lcore,
			.stuck = is_stuck(daemon, w, now_ms),
			.stage = mt_stage_name(
				atomic_load_explicit(&worker->stage, memory_order_relaxed)),
		};
	}
	gather_ports(daemon, &facts);
	gather_outputs(daemon, &facts);
	mt_health_judge(&facts, health);
}

void mt_watch_read_port(struct mt_daemon *daemon, unsigned port, struct mt_port_sample *sample)
{
	pthread_mutex_lock(&daemon->watch.lock);
	*sample = daemon->watch.ports[port];
	pthread_mutex_unlock(&daemon->watch.lock);
}

void mt_watch_read_worker(
	struct mt_daemon *daemon, unsigned worker, struct mt_worker_sample *sample)
{
	pthread_mutex_lock(&daemon->watch.lock);
	*sample = daemon->watch.loads[worker];
	pthread_mutex_unlock(&daemon->watch.lock);
}
