/* SPDX-License-Identifier: BSD-3-Clause */
/* Sending: to a file or to a port, at a rate, and what came of it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gen_options.h"
#include "gen_traffic.h"

/* When the next frame is due, in ns since the beginning. */
struct gen_pace {
	double due_ns;
	double ns_per_frame;
	double ns_per_byte;
};

static inline struct gen_pace gen_pace_make(const struct gen_limits *limits)
{
	return (struct gen_pace){
		.ns_per_frame = limits->pps > 0 ? 1e9 / limits->pps : 0,
		.ns_per_byte = limits->bits_per_second > 0 ? 8e9 / limits->bits_per_second : 0,
	};
}

static inline void gen_pace_add(struct gen_pace *pace, uint32_t bytes)
{
	pace->due_ns += pace->ns_per_frame + pace->ns_per_byte * bytes;
}

struct gen_result {
	double seconds;
	uint64_t not_sent; /* made, but the port did not take them before the end: not counted */
	uint64_t waits;    /* how often the port was full */
	double behind;     /* seconds for which the rate could not be kept */
};

/* Both return false after a failure, of which they have told. */
bool gen_send_file(
	const struct gen_options *options, struct gen_traffic *traffic, struct gen_result *result);
bool gen_send_port(
	const struct gen_options *options, struct gen_traffic *traffic, struct gen_result *result);

/* --- gen_report.c --- */

/* The line of each second. Frames and bytes so far; remembers them. */
struct gen_progress {
	const char *what; /* "sent" */
	bool quiet;
	uint64_t start_ns;
	uint64_t last_ns;
	uint64_t frames;
	uint64_t bytes;
};

uint64_t gen_realtime_ns(void); /* since 1970-01-01 UTC */
void gen_progress_start(struct gen_progress *progress, const char *what, bool quiet);
/* Writes a line if a second is over at `now_ns` (monotonic). `more` may be "". */
void gen_progress_show(struct gen_progress *progress, uint64_t now_ns, uint64_t frames,
	uint64_t bytes, const char *more);

/* The result of sending, to standard output (to standard error, if frames go there). False if that
 * failed. */
bool gen_report_sent(const struct gen_options *options, const struct gen_counts *counts,
	const struct gen_result *result);
