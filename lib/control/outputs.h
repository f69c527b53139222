/* SPDX-License-Identifier: BSD-3-Clause */
/* The outputs as control sees them: opened as the configuration says, looked after ten times a
 * second, and what is known of each besides its counters. Control thread only, but for what says
 * otherwise. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/config.h"
#include "control/log.h"
#include "output/output.h"

struct mt_daemon;
struct mt_ledger;

/* Counters at the last look. */
struct mt_output_sample {
	uint64_t offered;
	uint64_t dropped;
	uint64_t delivered;
};

/* What is known of one output; goes with it from snapshot to snapshot. */
struct mt_output_notes {
	bool required; /* for health */
	/* It took none of what it was offered in the last second: its reader is away. Writer:
	 * control. Readers: those who hold the daemon. */
	_Atomic bool starved;
	/* Copy of the output's error text, for others than control, guarded by mt_daemon.lock: an
	 * output may take long over mending itself, and no one shall wait for that. */
	char error[MT_OUTPUT_MAX_ERROR];
	/* Control only. */
	struct mt_output_sample sample;
	bool told_drop[MT_OUTPUT_DROP_COUNT]; /* reasons that were told once */
	bool told_error;
	uint64_t told_resets; /* of its device */
	struct mt_log_limit told_reset;
	struct mt_log_limit told_failed;
	struct mt_log_limit told_still; /* in error, for another reason */
	struct mt_log_limit told_mended;
};

/* Opens one output. `sessions`: those whose names consumers are told. Returns NULL on failure, with
 * one line in `error`. */
struct mt_output *mt_outputs_open(struct mt_daemon *daemon, const struct mt_config_output *config,
	const struct mt_policy_spec *sessions, char *error, size_t error_size);

/* One in place of an output that can't be opened: it drops all it is offered, as an error. */
struct mt_output *mt_outputs_open_lost(
	struct mt_daemon *daemon, const struct mt_config_output *config);

/* Mends what is broken and tells the log of it. */
void mt_outputs_maintain(struct mt_daemon *daemon);

/* Tells the log once of each new reason for drops. */
void mt_outputs_tell_drops(struct mt_daemon *daemon, const struct mt_ledger *ledger);

/* Lets others see an output's error text. */
void mt_outputs_share_error(struct mt_daemon *daemon, unsigned index);
