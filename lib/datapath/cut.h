/* SPDX-License-Identifier: BSD-3-Clause */
/* Making a frame shorter, in whatever segments it is. */
#pragma once

#include <rte_mbuf.h>

/* Cuts everything behind `length` bytes off; whole segments are freed. */
static inline void mt_cut_back(struct rte_mbuf *frame, uint32_t length)
{
	struct rte_mbuf *last = frame;
	uint16_t segments = 1;

	frame->pkt_len = length;
	while (length > last->data_len) {
		length -= last->data_len;
		last = last->next;
		segments++;
	}
	last->data_len = length;
	if (last->next != NULL) {
		rte_pktmbuf_free(last->next);
		last->next = NULL;
	}
	frame->nb_segs = segments;
}
