/* SPDX-License-Identifier: BSD-3-Clause */
/* Health: one answer to "may a load balancer send traffic here?", with the reasons where not. A
 * pure function over facts that others gathered: it touches nothing and changes nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MT_HEALTH_MAX_WORKERS = 128,
	MT_HEALTH_MAX_PORTS = 16,
	MT_HEALTH_MAX_OUTPUTS = 16,
	MT_HEALTH_MAX_REASONS = 16, /* the last one counts those beyond */
	MT_HEALTH_REASON = 256,
};

struct mt_health_worker {
	unsigned lcore;
	bool stuck;        /* no heartbeat for the whole of stall_seconds */
	const char *stage; /* where it was last seen */
};

struct mt_health_port {
	const char *name;
	bool started; /* false also while it is being reset */
	bool link;
};

struct mt_health_output {
	const char *name;
	bool required;
	bool up;           /* can take frames */
	const char *error; /* why not; NULL: not known */
};

/* Strings are the caller's. */
struct mt_health_facts {
	bool draining;
	bool control_stuck; /* the control thread has not looked for stall_seconds */
	unsigned stall_seconds;
	unsigned workers_count;
	unsigned ports_count;
	unsigned outputs_count;
	struct mt_health_worker workers[MT_HEALTH_MAX_WORKERS];
	struct mt_health_port ports[MT_HEALTH_MAX_PORTS];
	struct mt_health_output outputs[MT_HEALTH_MAX_OUTPUTS];
};

struct mt_health {
	bool healthy;
	unsigned reasons_count; /* 0 if and only if healthy */
	char reasons[MT_HEALTH_MAX_REASONS][MT_HEALTH_REASON];
};

/* Healthy if every worker goes on, every port was started and has link, an output can take frames
 * (one of those that are marked as required, or of all where none is marked; none at all is fine),
 * and the daemon is not draining. No traffic is healthy. */
void mt_health_judge(const struct mt_health_facts *facts, struct mt_health *health);

/* Heartbeat of one worker, as it was seen. */
struct mt_heartbeat {
	uint64_t loops;      /* when last looked at */
	uint64_t changed_ms; /* when it was first seen so */
};

/* Notes that the worker stands at `loops` now. Returns true if it moved since the last time. */
bool mt_heartbeat_see(struct mt_heartbeat *heartbeat, uint64_t loops, uint64_t now_ms);

/* Has it stood still for `stall_ms`? `loops` is where it is now. */
bool mt_heartbeat_is_stale(
	const struct mt_heartbeat *heartbeat, uint64_t loops, uint64_t now_ms, uint64_t stall_ms);
