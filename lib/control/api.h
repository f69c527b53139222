/* SPDX-License-Identifier: BSD-3-Clause */
/* The JSON documents of /api/v1. Each returns a new reference, or NULL without memory. The caller
 * holds the daemon. */
#pragma once

#include <jansson.h>

#include "control/daemon.h"

json_t *mt_api_status(struct mt_daemon *daemon);
json_t *mt_api_ledger(struct mt_daemon *daemon);
json_t *mt_api_queues(struct mt_daemon *daemon);
json_t *mt_api_outputs(struct mt_daemon *daemon);
json_t *mt_api_ports(struct mt_daemon *daemon);

/* The MT_SESSIONS_LISTED sessions with the most packets, most first, and the sum of the others. */
json_t *mt_api_sessions(struct mt_daemon *daemon);

/* {"status": "ok" or "unhealthy", "healthy": true, "reasons": []}. Sets `healthy`. */
json_t *mt_api_health(struct mt_daemon *daemon, bool *healthy);

/* A ledger that was read before, as in mt_api_ledger. */
json_t *mt_api_ledger_document(const struct mt_ledger *ledger);
