/* SPDX-License-Identifier: BSD-3-Clause */
/* What consumers are told of a frame, in types that need nothing else. */
#pragma once

#include <stdint.h>

/* Flags of a frame, as consumers see them. */
enum {
	MT_FLAG_TRUNCATED = 1 << 0, /* fewer bytes are here than original_length says */
	MT_FLAG_INGRESS = 1 << 1,   /* towards the source: inner destination is the outer source */
	MT_FLAG_EGRESS = 1 << 2,    /* from the source: inner source is the outer source */
	MT_FLAG_BAD_CHECKSUM = 1 << 3, /* the NIC saw a wrong outer checksum */
};

/* An IPv4 address is kept mapped (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2). Network order. */
struct mt_address {
	uint64_t high;
	uint64_t low;
};

static inline struct mt_address mt_address_from_ipv4(uint32_t address_be)
{
	return (struct mt_address){0, (uint64_t)address_be << 32 | 0xffff0000u};
}
