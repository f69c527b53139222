/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/health.h"

#include <stdarg.h>
#include <stdio.h>

static void __attribute__((format(printf, 2, 3)))
add(struct mt_health *health, const char *format, ...)
{
	va_list args;

	health->healthy = false;
	if (health->reasons_count == MT_HEALTH_MAX_REASONS) {
		snprintf(health->reasons[MT_HEALTH_MAX_REASONS - 1], MT_HEALTH_REASON,
			"and more that is not listed here");
		return;
	}
	va_start(args, format);
	vsnprintf(health->reasons[health->reasons_count++], MT_HEALTH_REASON, format, args);
	va_end(args);
}

static void judge_workers(const struct mt_health_facts *facts, struct mt_health *health)
{
	if (facts->control_stuck)
		add(health, "control thread has not run for %u s", facts->stall_seconds);
	for (unsigned w = 0; w < facts->workers_count; w++) {
		const struct mt_health_worker *worker = &facts->workers[w];

		if (worker->stuck)
			add(health, "worker on lcore %u: no heartbeat for %u s, last stage %s",
				worker->lcore, facts->stall_seconds, worker->stage);
	}
}

static void judge_ports(const struct mt_health_facts *facts, struct mt_health *health)
{
	for (unsigned p = 0; p < facts->ports_count; p++) {
		const struct mt_health_port *port = &facts->ports[p];

		if (!port->started)
			add(health, "port %s: not started", port->name);
		else if (!port->link)
			add(health, "port %s: no link", port->name);
	}
}

static void judge_outputs(const struct mt_health_facts *facts, struct mt_health *health)
{
	unsigned marked = 0;
	unsigned able = 0;

	for (unsigned o = 0; o < facts->outputs_count; o++)
		marked += facts->outputs[o].required;
	for (unsigned o = 0; o < facts->outputs_count; o++)
		able += facts->outputs[o].up && (marked == 0 || facts->outputs[o].required);
	if (able > 0 || facts->outputs_count == 0)
		return;
	for (unsigned o = 0; o < facts->outputs_count; o++) {
		const struct mt_health_output *output = &facts->outputs[o];

		if (marked == 0 || output->required)
			add(health, "output %s can't take frames%s%s", output->name,
				output->error != NULL ? ": " : "",
				output->error != NULL ? output->error : "");
	}
}

void mt_health_judge(const struct mt_health_facts *facts, struct mt_health *health)
{
	health->healthy = true;
	health->reasons_count = 0;
	if (facts->draining)
		add(health, "draining");
	judge_workers(facts, health);
	judge_ports(facts, health);
	judge_outputs(facts, health);
}

bool mt_heartbeat_see(struct mt_heartbeat *heartbeat, uint64_t loops, uint64_t now_ms)
{
	if (heartbeat->changed_ms != 0 && heartbeat->loops == loops)
		return false;
	heartbeat->loops = loops;
	heartbeat->changed_ms = now_ms;
	return true;
}

bool mt_heartbeat_is_stale(
	const struct mt_heartbeat *heartbeat, uint64_t loops, uint64_t now_ms, uint64_t stall_ms)
{
	return heartbeat->loops == loops && now_ms >= heartbeat->changed_ms + stall_ms;
}
