/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/acl.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_memory.h>

#include "policy/key.h"

/* The fields in the order in which the tries look at them: what tells filters apart comes first. */
enum {
	FIELD_PROTOCOL,
	FIELD_SEGMENT,
	FIELD_DIRECTION,
	FIELD_KNOWN,
	FIELD_SOURCE,
	FIELDS4_ADDRESS = 1, /* of an address: words of four bytes */
	FIELDS6_ADDRESS = 4,
};

/* Behind the addresses. */
enum {
	TAIL_SOURCE_PORT,
	TAIL_DESTINATION_PORT,
	TAIL_VLAN,
	TAIL_ICMP_TYPE,
	TAIL_TCP_FLAGS,
	TAIL_FIELDS,
};

static unsigned words_of(uint8_t family)
{
	return family == 6 ? FIELDS6_ADDRESS : FIELDS4_ADDRESS;
}

static unsigned tail_of(uint8_t family)
{
	return FIELD_SOURCE + 2 * words_of(family);
}

static unsigned fields_of(uint8_t family)
{
	return tail_of(family) + TAIL_FIELDS;
}

int mt_acl_begin(struct mt_acl_builder *builder, uint8_t family, uint32_t capacity)
{
	*builder = (struct mt_acl_builder){
		.family = family,
		.rule_size = RTE_ACL_RULE_SZ(fields_of(family)),
	};
	builder->rules = calloc(capacity + 1, builder->rule_size);
	return builder->rules == NULL ? -ENOMEM : 0;
}

void mt_acl_end(struct mt_acl_builder *builder)
{
	free(builder->rules);
	builder->rules = NULL;
}

bool mt_acl_suits(const struct mt_rule *rule, uint8_t family)
{
	return (rule->source.family == 0 || rule->source.family == family)
		&& (rule->destination.family == 0 || rule->destination.family == family);
}

static bool is_any(struct mt_port_range ports)
{
	return ports.first == 0 && ports.last == UINT16_MAX;
}

/* How many of the bits MT_KNOWN_IP, MT_KNOWN_PORTS, MT_KNOWN_TCP_FLAGS the rule asks for. */
static unsigned known_bits(const struct mt_rule *rule)
{
	if (rule->tcp_flags_mask != 0)
		return 3;
	if (!is_any(rule->source_ports) || !is_any(rule->destination_ports) || rule->icmp_type >= 0)
		return 2;
	return rule->protocol >= 0 || rule->source.family != 0 || rule->destination.family != 0;
}

/* `bits` of 8 or 16 that must be equal, from the upper end on; 0: any value. */
static struct rte_acl_field prefix(uint32_t value, uint32_t bits)
{
	return (struct rte_acl_field){.value.u32 = value, .mask_range.u32 = bits};
}

static struct rte_acl_field range(uint16_t first, uint16_t last)
{
	return (struct rte_acl_field){.value.u16 = first, .mask_range.u16 = last};
}

/* An address as words in host order; the prefix reaches as far into each as is left of it. */
static void put_address(
	struct rte_acl_field *fields, unsigned words, const struct mt_cidr *cidr, unsigned family)
{
	uint32_t address[4];
	unsigned left = 0;

	memcpy(address, &cidr->address, sizeof(address));
	if (cidr->family != 0)
		left = family == 4 ? cidr->length - 96u : cidr->length;
	for (unsigned w = 0; w < words; w++) {
		unsigned bits = RTE_MIN(left, 32u);
		uint32_t value = cidr->family != 0 ? rte_be_to_cpu_32(address[4 - words + w]) : 0;

		fields[w] =
			prefix(bits == 0 ? 0 : value & RTE_ACL_MASKLEN_TO_BITMASK(bits, 4u), bits);
		left -= bits;
	}
}

void mt_acl_add(struct mt_acl_builder *builder, const struct mt_rule *rule, uint16_t segment,
	uint32_t place, uint32_t result)
{
	struct rte_acl_rule *added =
		RTE_PTR_ADD(builder->rules, (size_t)builder->count++ * builder->rule_size);
	unsigned words = words_of(builder->family);
	struct rte_acl_field *field = added->field;
	struct rte_acl_field *tail = field + tail_of(builder->family);
	static const uint8_t known[] = {0, MT_KNOWN_IP, MT_KNOWN_IP | MT_KNOWN_PORTS,
		MT_KNOWN_IP | MT_KNOWN_PORTS | MT_KNOWN_TCP_FLAGS};
	unsigned bits = known_bits(rule);

	added->data = (struct rte_acl_rule_data){
		.category_mask = 1,
		.priority = (int32_t)(RTE_ACL_MAX_PRIORITY - place),
		.userdata = result,
	};
	field[FIELD_PROTOCOL] =
		rule->protocol >= 0 ? prefix((uint32_t)rule->protocol, 8) : prefix(0, 0);
	field[FIELD_SEGMENT] = prefix(segment, 16);
	field[FIELD_DIRECTION] = (struct rte_acl_field){
		.value.u8 = rule->direction_first,
		.mask_range.u8 = rule->direction_last,
	};
	field[FIELD_KNOWN] = prefix(known[bits], bits);
	put_address(field + FIELD_SOURCE, words, &rule->source, builder->family);
	put_address(field + FIELD_SOURCE + words, words, &rule->destination, builder->family);
	tail[TAIL_SOURCE_PORT] = range(rule->source_ports.first, rule->source_ports.last);
	tail[TAIL_DESTINATION_PORT] =
		range(rule->destination_ports.first, rule->destination_ports.last);
	tail[TAIL_VLAN] = rule->vlan >= 0 ? prefix((uint32_t)rule->vlan, 16) : prefix(0, 0);
	tail[TAIL_ICMP_TYPE] =
		rule->icmp_type >= 0 ? prefix((uint32_t)rule->icmp_type, 8) : prefix(0, 0);
	tail[TAIL_TCP_FLAGS] = (struct rte_acl_field){
		.value.u8 = rule->tcp_flags,
		.mask_range.u8 = rule->tcp_flags_mask,
	};
}

/* Adds a field at its offset. Groups of four bytes have one input index: the first byte is alone,
 * the others begin at `segment`. */
static void define(struct rte_acl_config *config, unsigned type, unsigned size, unsigned offset,
	unsigned group)
{
	unsigned index = config->num_fields++;

	config->defs[index] = (struct rte_acl_field_def){
		.type = (uint8_t)type,
		.size = (uint8_t)size,
		.field_index = (uint8_t)index,
		.input_index = (uint8_t)group,
		.offset = offset,
	};
}

static void define_fields(struct rte_acl_config *config, unsigned words)
{
	unsigned group = 0;

	*config = (struct rte_acl_config){.num_categories = 1};
	define(config, RTE_ACL_FIELD_TYPE_MASK, 1, offsetof(struct mt_key, protocol), group++);
	define(config, RTE_ACL_FIELD_TYPE_MASK, 2, offsetof(struct mt_key, segment), group);
	define(config, RTE_ACL_FIELD_TYPE_RANGE, 1, offsetof(struct mt_key, direction), group);
	define(config, RTE_ACL_FIELD_TYPE_MASK, 1, offsetof(struct mt_key, known), group++);
	for (unsigned w = 0; w < words; w++)
		define(config, RTE_ACL_FIELD_TYPE_MASK, 4, offsetof(struct mt_key, source) + 4 * w,
			group++);
	for (unsigned w = 0; w < words; w++)
		define(config, RTE_ACL_FIELD_TYPE_MASK, 4,
			offsetof(struct mt_key, destination) + 4 * w, group++);
	define(config, RTE_ACL_FIELD_TYPE_RANGE, 2, offsetof(struct mt_key, source_port), group);
	define(config, RTE_ACL_FIELD_TYPE_RANGE, 2, offsetof(struct mt_key, destination_port),
		group++);
	define(config, RTE_ACL_FIELD_TYPE_MASK, 2, offsetof(struct mt_key, vlan), group);
	define(config, RTE_ACL_FIELD_TYPE_MASK, 1, offsetof(struct mt_key, icmp_type), group);
	define(config, RTE_ACL_FIELD_TYPE_BITMASK, 1, offsetof(struct mt_key, tcp_flags), group);
}

int mt_acl_build(const struct mt_acl_builder *builder, struct rte_acl_ctx **acl)
{
	struct rte_acl_config config;
	char name[RTE_ACL_NAMESIZE];
	struct rte_acl_param parameters = {
		.name = name,
		.socket_id = SOCKET_ID_ANY,
		.rule_size = builder->rule_size,
		.max_rule_num = builder->count,
	};
	int rc;

	*acl = NULL;
	if (builder->count == 0)
		return 0;
	/* Of its own, or rte_acl_create() would give us the one that has the name. The place of
	 * what it will be kept in is in use by no other policy. */
	snprintf(name, sizeof(name), "mt%p", (void *)acl);
	*acl = rte_acl_create(&parameters);
	if (*acl == NULL)
		return -ENOMEM;
	define_fields(&config, words_of(builder->family));
	rc = rte_acl_add_rules(*acl, builder->rules, builder->count);
	if (rc == 0)
		rc = rte_acl_build(*acl, &config);
	if (rc != 0) {
		rte_acl_free(*acl);
		*acl = NULL;
	}
	return rc;
}

void mt_acl_free(struct rte_acl_ctx *acl)
{
	rte_acl_free(acl);
}
