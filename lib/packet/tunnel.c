/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/tunnel.h"

enum {
	VXLAN_LENGTH = 8,
	VXLAN_FLAG_I = 0x08,
	GENEVE_LENGTH = 8,
	GENEVE_FLAG_CONTROL = 0x80,
	GENEVE_OPTION_LENGTH = 4, /* the fixed part */
	GENEVE_OPTION_CRITICAL = 0x80,
	PROTOCOL_ETHERNET = 0x6558,
};

static uint32_t read_vni(const uint8_t *field)
{
	return (uint32_t)field[0] << 16 | (uint32_t)field[1] << 8 | field[2];
}

enum mt_verdict mt_vxlan_read(const struct rte_mbuf *frame, uint32_t offset, uint32_t end,
	struct mt_tunnel_header *header)
{
	uint8_t scratch[VXLAN_LENGTH];
	const uint8_t *vxlan = mt_read(frame, offset, end, sizeof(scratch), scratch);

	if (vxlan == NULL)
		return MT_VERDICT_VXLAN_TOO_SHORT;
	if ((vxlan[0] & VXLAN_FLAG_I) == 0)
		return MT_VERDICT_VXLAN_NO_VNI;
	header->vni = read_vni(vxlan + 4);
	header->payload = offset + VXLAN_LENGTH;
	header->protocol = PROTOCOL_ETHERNET;
	return MT_VERDICT_ACCEPTED;
}

/* Option types have their critical bit in the type itself, and none of AWS's has it: so every
 * critical option is an unknown one. */
static enum mt_verdict walk_options(const struct rte_mbuf *frame, uint32_t offset, uint32_t end)
{
	while (offset < end) {
		uint8_t scratch[GENEVE_OPTION_LENGTH];
		const uint8_t *option = mt_read(frame, offset, end, sizeof(scratch), scratch);
		uint32_t length;

		if (option == NULL)
			return MT_VERDICT_GENEVE_BAD_OPTIONS;
		length = GENEVE_OPTION_LENGTH + (option[3] & 0x1fu) * 4;
		if (length > end - offset)
			return MT_VERDICT_GENEVE_BAD_OPTIONS;
		if ((option[2] & GENEVE_OPTION_CRITICAL) != 0)
			return MT_VERDICT_GENEVE_CRITICAL_OPTION;
		offset += length;
	}
	return MT_VERDICT_ACCEPTED;
}

enum mt_verdict mt_geneve_read(const struct rte_mbuf *frame, uint32_t offset, uint32_t end,
	struct mt_tunnel_header *header)
{
	uint8_t scratch[GENEVE_LENGTH];
	const uint8_t *geneve = mt_read(frame, offset, end, sizeof(scratch), scratch);
	uint32_t options;
	enum mt_verdict verdict;

	if (geneve == NULL)
		return MT_VERDICT_GENEVE_TOO_SHORT;
	if (geneve[0] >> 6 != 0)
		return MT_VERDICT_GENEVE_BAD_VERSION;
	options = (geneve[0] & 0x3fu) * 4;
	offset += GENEVE_LENGTH;
	if (options > end - offset)
		return MT_VERDICT_GENEVE_BAD_OPTIONS;
	if ((geneve[1] & GENEVE_FLAG_CONTROL) != 0)
		return MT_VERDICT_GENEVE_CONTROL;
	header->protocol = (uint16_t)(geneve[2] << 8 | geneve[3]);
	header->vni = read_vni(geneve + 4);
	header->payload = offset + options;
	verdict = walk_options(frame, offset, header->payload);
	if (verdict != MT_VERDICT_ACCEPTED)
		return verdict;
	if (header->protocol != PROTOCOL_ETHERNET && header->protocol != MT_ETHERTYPE_IPV4
		&& header->protocol != MT_ETHERTYPE_IPV6)
		return MT_VERDICT_GENEVE_UNKNOWN_PROTOCOL;
	return MT_VERDICT_ACCEPTED;
}
