/* SPDX-License-Identifier: BSD-3-Clause */
/* Flow hash: one 32-bit number per conversation, the same in both directions.
 *
 * Each endpoint (address and port) is hashed by itself with CRC32C, the two results are put in
 * order, and hashed again with the protocol: so it is symmetric for IPv4, IPv6 and MAC pairs alike
 * without comparing addresses. CRC32C rather than Toeplitz: it is one instruction per 8 bytes
 * (SSE4.2, ARMv8; DPDK falls back to tables), while Toeplitz in software walks a key bit by bit and
 * is only symmetric with a special key. CRC is linear, so a multiplication follows it that spreads
 * its low entropy into the upper bits, which choose the queue. */
#pragma once

#include <stdint.h>

#include <rte_hash_crc.h>

/* CRC32C of 8 bytes. DPDK's rte_hash_crc_8byte() looks up at run time which instruction there is;
 * every build of ours knows, and the look-ups cost a tenth of the whole decapsulation. */
static inline uint32_t mt_hash_crc(uint64_t data, uint32_t init)
{
#if defined(__SSE4_2__)
	return (uint32_t)__builtin_ia32_crc32di(init, data);
#elif defined(__ARM_FEATURE_CRC32)
	return __builtin_aarch64_crc32cx(init, data);
#else
	return rte_hash_crc_8byte(data, init);
#endif
}

/* Which fields of the inner frame make a flow. */
enum mt_hash_fields {
	MT_HASH_5_TUPLE, /* addresses, protocol, ports */
	MT_HASH_2_TUPLE, /* the pair of addresses: all that two hosts say to each other */
	MT_HASH_VNI,     /* the session only */
};

/* The choice of fields as masks, so that every choice takes the same straight path. */
struct mt_hash_config {
	uint64_t address; /* of each 8 bytes of an address */
	uint16_t port;
	uint16_t protocol;
	uint32_t vni;
};

/* `include_vni`: also tell equal flows of different VNIs apart. */
static inline struct mt_hash_config mt_hash_configure(enum mt_hash_fields fields, int include_vni)
{
	return (struct mt_hash_config){
		.address = fields == MT_HASH_VNI ? 0 : UINT64_MAX,
		.port = fields == MT_HASH_5_TUPLE ? UINT16_MAX : 0,
		.protocol = fields == MT_HASH_5_TUPLE ? UINT16_MAX : 0,
		.vni = fields == MT_HASH_VNI || include_vni ? UINT32_MAX : 0,
	};
}

/* What the hash of an endpoint with an IPv4 address begins with. */
enum {
	MT_HASH_SEED4 = 0x4d54,
};

/* Hash of one endpoint with an IPv4 address. Address and port in network order as loaded. */
static inline uint32_t mt_hash_endpoint4(
	const struct mt_hash_config *config, uint32_t address, uint16_t port)
{
	uint64_t endpoint = (uint64_t)(port & config->port) << 32 | (address & config->address);

	return mt_hash_crc(endpoint, MT_HASH_SEED4);
}

/* Hash of one endpoint with an IPv6 address in two halves, likewise. */
static inline uint32_t mt_hash_endpoint6(
	const struct mt_hash_config *config, uint64_t high, uint64_t low, uint16_t port)
{
	uint32_t hash;

	hash = mt_hash_crc(high & config->address, 0x6d360000u | (port & config->port));
	return mt_hash_crc(low & config->address, hash);
}

/* Hash of one MAC address, the 48 bits as a number. */
static inline uint32_t mt_hash_endpoint_mac(const struct mt_hash_config *config, uint64_t mac)
{
	return mt_hash_crc(mac & config->address, 0x6d61u);
}

/* Spreads what a CRC left into the upper bits. */
static inline uint32_t mt_hash_finish(uint32_t crc)
{
	crc *= 0x9e3779b1u;
	return crc ^ crc >> 15;
}

/* Two endpoints as one number, the one with the smaller hash first. CRC is linear and both hashes
 * are CRCs: without the multiplication of one of them, a port of one endpoint could be traded for
 * the other's address, the protocol or the VNI, bit by bit, with the same result. */
static inline uint64_t mt_hash_pair(
	const struct mt_hash_config *config, uint32_t low, uint32_t high)
{
	/* Masked here too: the endpoints of IPv4, IPv6 and MAC addresses have seeds of their own,
	 * and all of a session is one flow when only the VNI counts. */
	return ((uint64_t)(high * 0x9e3779b1u) << 32 | low) & config->address;
}

/* Joins two endpoints, in any order, with what both directions have in common: the protocol (of
 * IP) or the ethertype, and the VNI. */
static inline uint32_t mt_hash_join(const struct mt_hash_config *config, uint32_t a, uint32_t b,
	uint16_t protocol, uint32_t vni)
{
	/* Which of two hashes is smaller is a coin toss that no branch predictor wins. */
	uint32_t swap = (a ^ b) & -(uint32_t)(a > b);
	uint32_t low = a ^ swap;
	uint32_t high = b ^ swap;
	uint32_t salt = (protocol & config->protocol) ^ (vni & config->vni) << 8;

	return mt_hash_finish(mt_hash_crc(mt_hash_pair(config, low, high), salt));
}

/* The queue, 0..queues-1, of a flow hash: its upper bits, without a division. */
static inline uint32_t mt_hash_queue(uint32_t hash, uint32_t queues)
{
	return (uint64_t)hash * queues >> 32;
}
