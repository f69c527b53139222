/* SPDX-License-Identifier: BSD-3-Clause */
/* Receiving: from where frames come, and what is found out about them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "gen_account.h"
#include "gen_options.h"
#include "gen_send.h"

/* What the receiver knows. One writer: the thread that receives. */
struct gen_receiver {
	const struct gen_options *options;
	struct mt_tunnels tunnels;
	struct gen_account account;
	struct gen_progress progress;
	uint64_t frames;
	uint64_t bytes;
	uint64_t unmarked;
	uint64_t missed;    /* by the port or interface itself, as it says */
	uint64_t first_ns;  /* monotonic, of the first mark; 0: none yet */
	uint64_t last_ns;   /* of the last */
	bool cut_off;       /* the daemon ended first */
	uint64_t new_marks; /* at last_ns: how many there were */
};

/* Takes one frame that was received at `time_ns` (since 1970-01-01 UTC). Does not free it. */
void gen_receiver_take(
	struct gen_receiver *receiver, const struct rte_mbuf *frame, uint64_t time_ns);

/* To be called after each burst, or when there was none: progress, and whether to go on. */
bool gen_receiver_goes_on(struct gen_receiver *receiver);

/* Sources. Each receives until the end, and returns false after a failure, of which it has told. */
bool gen_receive_ring(struct gen_receiver *receiver);
bool gen_receive_port(struct gen_receiver *receiver);
bool gen_receive_pcap(struct gen_receiver *receiver); /* a file or a kernel interface */

/* `mirrorgen --receive`. False: failed, or not all that was expected has come. */
bool gen_receive(const struct gen_options *options);

/* --- gen_report_received.c --- */

bool gen_report_received(const struct gen_receiver *receiver);
