/* SPDX-License-Identifier: BSD-3-Clause */
/* What a consumer should know of an inner frame, carried in its mbuf's dynamic fields at a fixed
 * offset. Its first part is DPDK's own timestamp field (RTE_MBUF_DYNFIELD_TIMESTAMP_NAME), which
 * some drivers register too: there is no room for both. The flow hash is in mbuf.hash.rss
 * (RTE_MBUF_F_RX_RSS_HASH is set). */
#pragma once

#include <assert.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "packet/frame.h"

struct mt_frame_info {
	uint64_t time_ns;         /* received, since 1970-01-01 UTC */
	struct mt_address source; /* outer source, IPv4 mapped; network order */
	uint32_t vni_flags;       /* VNI << 8 | MT_FLAG_* */
	uint32_t original_length; /* bytes before truncation */
};

/* One half of a cache line, in the mbuf's second one. */
enum {
	MT_FRAME_INFO_OFFSET = 96,
};
static_assert(sizeof(struct mt_frame_info) == 32, "frame info fills the dynamic field");
static_assert(offsetof(struct rte_mbuf, dynfield1) <= MT_FRAME_INFO_OFFSET
		&& MT_FRAME_INFO_OFFSET + 32 <= offsetof(struct rte_mbuf, dynfield1)
				+ sizeof(((struct rte_mbuf *)0)->dynfield1),
	"frame info lies within the mbuf's dynamic fields");

#define MT_FRAME_INFO_NAME "mirrortap_frame_info"

/* Registers the fields: once, by the primary process, before the first port is started. Returns 0,
 * or -EBUSY if another library has taken the place, or another -errno. */
int mt_frame_info_register(void);

static inline struct mt_frame_info *mt_frame_info(struct rte_mbuf *frame)
{
	return RTE_PTR_ADD(frame, MT_FRAME_INFO_OFFSET);
}

static inline const struct mt_frame_info *mt_frame_info_of(const struct rte_mbuf *frame)
{
	return (const struct mt_frame_info *)((const char *)frame + MT_FRAME_INFO_OFFSET);
}

static inline uint32_t mt_frame_vni(const struct mt_frame_info *info)
{
	return info->vni_flags >> 8;
}

static inline uint8_t mt_frame_flags(const struct mt_frame_info *info)
{
	return (uint8_t)info->vni_flags;
}
