/* SPDX-License-Identifier: BSD-3-Clause */
/* Fields of headers, at no alignment, in network order. */
#pragma once

#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>

static inline void gen_put16(uint8_t *field, uint32_t value)
{
	uint16_t word = rte_cpu_to_be_16((uint16_t)value);

	memcpy(field, &word, sizeof(word));
}

static inline void gen_put32(uint8_t *field, uint32_t value)
{
	uint32_t word = rte_cpu_to_be_32(value);

	memcpy(field, &word, sizeof(word));
}

/* Sum of the 16-bit words of a header, not yet folded (RFC 1071). */
static inline uint32_t gen_sum(const uint8_t *bytes, uint32_t length)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i + 1 < length; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	return sum;
}

static inline uint32_t gen_sum32(uint32_t value)
{
	return (value >> 16) + (value & 0xffff);
}

static inline uint16_t gen_fold(uint32_t sum)
{
	sum = (sum >> 16) + (sum & 0xffff);
	sum += sum >> 16;
	return (uint16_t)~sum;
}
