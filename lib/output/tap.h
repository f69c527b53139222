/* SPDX-License-Identifier: BSD-3-Clause */
/* What the two outputs of type tap share: tap.c has one interface, tap_sessions.c one for each
 * session. */
#pragma once

#include <errno.h>

#include "output/output.h"
#include "output/tap_device.h"
#include "output/vlan.h"

enum {
	MT_TAP_OVERHEAD = 14 + 8, /* header and two VLAN tags, which an MTU does not count */
	MT_TAP_MAX_SESSIONS = 256,
};

/* A session that has an interface of its own. */
struct mt_tap_session {
	uint32_t vni;
	char interface[IFNAMSIZ];
};

/* Writes one frame, with a tag if its VNI has one in `vlans`, which may be NULL. Returns 0 or an
 * errno, as mt_tap_write(). Worker. */
static inline int mt_tap_put(const struct mt_tap *tap, int fd, const struct mt_vni_map *vlans,
	const struct rte_mbuf *frame)
{
	int32_t vlan = vlans != NULL ? mt_vlan_of(vlans, frame) : MT_VNI_MAP_NONE;
	uint32_t length = frame->pkt_len + (vlan != MT_VNI_MAP_NONE ? MT_VLAN_TAG : 0);

	if (length > tap->mtu + MT_TAP_OVERHEAD)
		return EMSGSIZE;
	return vlan != MT_VNI_MAP_NONE ? mt_tap_write_tagged(fd, frame, vlan)
				       : mt_tap_write(fd, frame);
}

/* What a failed write is counted as. Worker. */
static inline enum mt_output_drop mt_tap_drop_reason(struct mt_output *output, int error)
{
	switch (error) {
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
		return MT_OUTPUT_DROP_FULL;
	case EMSGSIZE:
	case EINVAL:
		return MT_OUTPUT_DROP_TOO_LONG;
	default:
		mt_output_fail(output);
		return MT_OUTPUT_DROP_ERROR;
	}
}
