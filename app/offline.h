/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames from capture files, for the packet code: what `decap` and `filter test` share. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <pcap/pcap.h>

#include <rte_mbuf_core.h>

#include "offline_read.h"
#include "packet/facts.h"

enum {
	OFFLINE_MAX_RECORD = 262144, /* libpcap's own bound for Ethernet */
	OFFLINE_SEGMENTS = OFFLINE_MAX_RECORD / UINT16_MAX + 1,
};

/* Says what is wrong: printf-like, one line without its newline. */
typedef void offline_complain(const char *format, ...);

/* "-" in words, for messages. */
const char *offline_named(const char *path, const char *standard);

/* Opens a capture of Ethernet frames. NULL after a complaint. */
struct offline_reader *offline_open(const char *path, offline_complain *complain);

/* What shall be done with a record; record->ts.tv_usec are nanoseconds. False ends it. */
typedef bool offline_take(void *context, const struct pcap_pkthdr *record, const uint8_t *bytes);

/* Takes all records to the end of the file, which was opened from `path`. False if `take` said so,
 * or after a complaint if the file does not end well. */
bool offline_take_all(struct offline_reader *capture, const char *path, offline_take *take,
	void *context, offline_complain *complain);

/* Lays bytes out as mbufs, which can only state 65,535 bytes each, without a copy. At most
 * OFFLINE_MAX_RECORD bytes, into OFFLINE_SEGMENTS mbufs. */
void offline_segments(struct rte_mbuf *segments, const uint8_t *bytes, uint32_t length);

/* Takes what the capture itself cut off into account. The outer headers state how long the frame
 * was, so as a rule the facts have it already; but where they end just where the capture was cut,
 * the record knows of more. */
void offline_apply_record_length(const struct pcap_pkthdr *record, struct mt_facts *facts);
