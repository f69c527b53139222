/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/frame_info.h"

#include <rte_errno.h>
#include <rte_mbuf_dyn.h>

static const struct rte_mbuf_dynfield timestamp = {
	.name = RTE_MBUF_DYNFIELD_TIMESTAMP_NAME,
	.size = sizeof(rte_mbuf_timestamp_t),
	.align = __alignof__(rte_mbuf_timestamp_t),
};

static const struct rte_mbuf_dynfield rest = {
	.name = MT_FRAME_INFO_NAME,
	.size = sizeof(struct mt_frame_info) - sizeof(rte_mbuf_timestamp_t),
	.align = 8,
};

enum {
	REST_OFFSET = MT_FRAME_INFO_OFFSET + sizeof(rte_mbuf_timestamp_t),
};
static_assert(offsetof(struct mt_frame_info, time_ns) == 0
		&& sizeof(((struct mt_frame_info *)0)->time_ns) == sizeof(rte_mbuf_timestamp_t),
	"the time is DPDK's timestamp field");

int mt_frame_info_register(void)
{
	if (rte_mbuf_dynfield_register_offset(&timestamp, MT_FRAME_INFO_OFFSET) < 0
		|| rte_mbuf_dynfield_register_offset(&rest, REST_OFFSET) < 0)
		return -rte_errno;
	return 0;
}
