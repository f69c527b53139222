/* SPDX-License-Identifier: BSD-3-Clause */
/* The ledger: all verdicts, summed. received = host + accepted + sum(drops) + in_flight, and per
 * output offered = delivered + sum(drops) + in_flight. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "datapath/worker.h"
#include "output/output.h"
#include "packet/verdict.h"

struct mt_ledger_output {
	char name[MT_OUTPUT_MAX_NAME + 1];
	uint64_t offered;
	uint64_t delivered;
	uint64_t in_flight;
	uint64_t drops[MT_OUTPUT_DROP_COUNT];
};

struct mt_ledger {
	uint64_t received;
	uint64_t host;
	uint64_t accepted;
	uint64_t in_flight;               /* on the way to or in the queues */
	uint64_t drops[MT_VERDICT_COUNT]; /* those that are drops */
	/* The same by port, from the same reading. */
	struct {
		uint64_t received;
		uint64_t received_bytes;
		uint64_t host;
	} ports[MT_DATAPATH_MAX_PORTS];
	unsigned outputs_count;
	struct mt_ledger_output outputs[MT_SNAPSHOT_MAX_OUTPUTS];
	bool balanced;
};

/* Reads the ledger while the workers go on; never stops them. */
void mt_ledger_read(
	struct mt_datapath *datapath, const struct mt_snapshot *snapshot, struct mt_ledger *ledger);
