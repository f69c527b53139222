/* SPDX-License-Identifier: BSD-3-Clause */
#include "random_policy.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#include "random_packet.h"

#define PICK(list) (list[random_below(RTE_DIM(list))])

/* Few values, so that rules and packets meet. */
static const uint16_t ports[] = {22, 53, 80, 443, 8000, 8040, 8080, 65535, 0};
static const uint8_t protocols[] = {6, 6, 6, 17, 17, 1, 58, 132, 47, 33, 136};
static const uint8_t icmp_types[] = {0, 3, 8, 128, 255};
static const uint16_t vlans[] = {0, 1, 10, 4094};

static struct mt_address ipv4_address(void)
{
	static const uint32_t addresses[] = {
		0x0a000001, 0x0a000002, 0x0a000102, 0x0a010203, 0xc0a80101, 0xffffffff, 0x00000000};

	return mt_address_from_ipv4(rte_cpu_to_be_32(PICK(addresses)));
}

static struct mt_address ipv6_address(void)
{
	static const uint64_t high[] = {
		0x20010db800000000, 0x20010db800010000, 0xfd00000000000001, 0};
	static const uint64_t low[] = {1, 2, 0x8000000000000001, 0x0000ffff0a000001};

	return (struct mt_address){rte_cpu_to_be_64(PICK(high)), rte_cpu_to_be_64(PICK(low))};
}

/* The first `length` bits of an address. */
static struct mt_address cut(struct mt_address address, unsigned length)
{
	uint8_t *bytes = (uint8_t *)&address;

	for (unsigned bit = length; bit < 128; bit++)
		bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return address;
}

static struct mt_cidr random_cidr(bool ipv6)
{
	static const uint8_t lengths4[] = {0, 8, 9, 16, 24, 31, 32};
	static const uint8_t lengths6[] = {0, 8, 32, 33, 48, 64, 65, 127, 128};
	struct mt_cidr cidr = {.family = ipv6 ? 6 : 4};

	cidr.length = ipv6 ? PICK(lengths6) : (uint8_t)(96 + PICK(lengths4));
	cidr.address = cut(ipv6 ? ipv6_address() : ipv4_address(), cidr.length);
	return cidr;
}

static struct mt_port_range random_range(void)
{
	struct mt_port_range range = {PICK(ports), PICK(ports)};

	if (random_one_in(2))
		range.last = range.first;
	if (range.last < range.first)
		range = (struct mt_port_range){range.last, range.first};
	return range;
}

static bool has_ports(int protocol)
{
	return protocol == 6 || protocol == 17 || protocol == 132 || protocol == 33
		|| protocol == 136;
}

static void random_direction(struct mt_rule *rule)
{
	static const uint8_t ranges[][2] = {{1, 3}, {1, 3}, {1, 1}, {3, 3}, {1, 2}, {2, 3}};
	const uint8_t *range = PICK(ranges);

	rule->direction_first = range[0];
	rule->direction_last = range[1];
}

static void random_treatment(struct mt_treatment *treatment)
{
	*treatment = (struct mt_treatment){0};
	if (random_one_in(3))
		treatment->outputs = (uint16_t)(1 + random_below((1 << RANDOM_OUTPUTS) - 1));
	if (random_one_in(3))
		treatment->truncate = 14 + random_below(200);
}

static void random_rule(struct mt_rule *rule, uint32_t number, bool bpf)
{
	static const char *const expressions[] = {"greater 120", "less 119", "ether[0] = 2"};
	bool ipv6 = random_one_in(3);

	*rule = (struct mt_rule){
		.number = number,
		.accept = random_one_in(2),
		.protocol = random_one_in(4) ? -1 : PICK(protocols),
		.vlan = random_one_in(4) ? (int16_t)PICK(vlans) : -1,
		.icmp_type = -1,
		.source_ports = MT_ALL_PORTS,
		.destination_ports = MT_ALL_PORTS,
	};
	random_direction(rule);
	if (has_ports(rule->protocol) && random_one_in(3))
		rule->source_ports = random_range();
	if (has_ports(rule->protocol) && random_one_in(2))
		rule->destination_ports = random_range();
	if (rule->protocol == 6 && random_one_in(3)) {
		rule->tcp_flags_mask = (uint8_t)random_next();
		rule->tcp_flags = (uint8_t)random_next() & rule->tcp_flags_mask;
	}
	if ((rule->protocol == 1 || rule->protocol == 58) && random_one_in(2))
		rule->icmp_type = PICK(icmp_types);
	if (random_one_in(3))
		rule->source = random_cidr(ipv6);
	if (random_one_in(3))
		rule->destination = random_cidr(ipv6);
	if (bpf && random_one_in(3))
		rule->bpf = PICK(expressions);
	random_treatment(&rule->treatment);
}

static void random_filters(struct random_policy *made, bool bpf)
{
	made->spec.filters = made->filters;
	made->spec.filters_count = 1 + random_below(RANDOM_FILTERS);
	for (unsigned f = 0; f < made->spec.filters_count; f++) {
		unsigned count = random_below(RANDOM_RULES + 1);

		for (unsigned r = 0; r < count; r++)
			random_rule(&made->rules[f][r], r * 7 % RANDOM_RULES * 100 + r, bpf);
		made->filters[f] = (struct mt_filter){"filter", made->rules[f], count};
	}
}

static uint32_t random_vni(void)
{
	static const uint32_t vnis[] = {0, 1, 2, 4321, 0xffffff, 0x10000, 77, 78};

	return PICK(vnis);
}

static bool vni_is_new(const struct random_policy *made, unsigned count, uint32_t vni)
{
	for (unsigned s = 0; s < count; s++) {
		if (made->sessions[s].vni == vni)
			return false;
	}
	return true;
}

void random_policy(struct random_policy *made, bool bpf)
{
	unsigned wanted = random_below(RANDOM_SESSIONS + 1);

	*made = (struct random_policy){.spec.sessions = made->sessions};
	random_filters(made, bpf);
	made->spec.drop_unknown = random_one_in(2);
	made->spec.outputs_count = RANDOM_OUTPUTS;
	for (unsigned o = 0; o < RANDOM_OUTPUTS; o++) {
		if (random_one_in(4))
			made->spec.outputs[o].filter =
				&made->filters[random_below(made->spec.filters_count)];
	}
	for (unsigned s = 0; s < wanted; s++) {
		unsigned count = made->spec.sessions_count;
		struct mt_session_spec session = {
			.vni = random_vni(), .sources = made->sources[count]};

		if (!vni_is_new(made, count, session.vni))
			continue;
		if (random_one_in(2))
			session.sources_count = 1 + random_below(RANDOM_SOURCES);
		for (unsigned i = 0; i < session.sources_count; i++)
			made->sources[count][i] = random_cidr(random_one_in(4));
		if (!random_one_in(4))
			session.filter = &made->filters[random_below(made->spec.filters_count)];
		random_treatment(&session.treatment);
		made->sessions[count] = session;
		made->spec.sessions_count++;
	}
}

/* --- frames --- */

static void put_transport(struct random_frame *made)
{
	struct packet *packet = &made->packet;
	uint32_t at = packet->length;

	made->source_port = PICK(ports);
	made->destination_port = PICK(ports);
	made->icmp_type = PICK(icmp_types);
	made->tcp_flags = (uint8_t)random_next();
	if (made->protocol == 6) {
		put_tcp(packet, made->source_port, made->destination_port);
		packet->bytes[at + 13] = made->tcp_flags;
	} else if (made->protocol == 17) {
		put_udp(packet, made->source_port, made->destination_port);
	} else if (made->protocol == 1 || made->protocol == 58) {
		put_icmp(packet, made->icmp_type, 0);
	} else {
		put_16(packet, made->source_port);
		put_16(packet, made->destination_port);
	}
	made->ports_known =
		has_ports(made->protocol) || made->protocol == 1 || made->protocol == 58;
	made->flags_known = made->protocol == 6;
	put_pattern(packet, random_below(100));
	/* Cut short by the source: less and less can be known. */
	if (random_one_in(10)) {
		uint32_t left = random_below(16);
		uint32_t first = made->protocol == 1 || made->protocol == 58 ? 1 : 4;

		packet->length = RTE_MIN(packet->length, at + left);
		made->ports_known &= packet->length - at >= first;
		made->flags_known &= packet->length - at >= 14;
	}
}

static void fragment(struct random_frame *made)
{
	made->ports_known = false;
	made->flags_known = false;
}

static void put_v4(struct random_frame *made)
{
	struct ipv4 ip = {.protocol = made->protocol};
	bool fragmented = random_one_in(8);

	made->family = 4;
	made->source = ipv4_address();
	made->destination = ipv4_address();
	ip.source = rte_be_to_cpu_32((uint32_t)(made->source.low >> 32));
	ip.destination = rte_be_to_cpu_32((uint32_t)(made->destination.low >> 32));
	if (random_one_in(8))
		ip.option_words = (uint8_t)(1 + random_below(10));
	if (fragmented)
		ip.fragment = random_one_in(2) ? 0x2000 : 0x0010;
	put_ipv4(&made->packet, &ip);
	put_transport(made);
	if (fragmented)
		fragment(made);
}

static void put_v6(struct random_frame *made)
{
	struct packet *packet = &made->packet;
	bool extended = random_one_in(8);
	bool fragmented = !extended && random_one_in(8);
	uint8_t next = extended ? IPPROTO_DSTOPTS : fragmented ? IPPROTO_FRAGMENT : made->protocol;
	uint32_t at = put_ipv6(packet, next, 1, 2);

	made->family = 6;
	made->source = ipv6_address();
	made->destination = ipv6_address();
	memcpy(packet->bytes + at + 8, &made->source, 16);
	memcpy(packet->bytes + at + 24, &made->destination, 16);
	if (extended)
		put_extension(packet, made->protocol, (uint8_t)random_below(3));
	if (fragmented)
		put_fragment6(packet, made->protocol, random_one_in(2) ? 0 : 64, true);
	put_transport(made);
	if (fragmented)
		fragment(made);
}

/* MAC addresses, tags, ethertype. */
static void put_link(struct random_frame *made, uint16_t ethertype)
{
	struct packet *packet = &made->packet;

	put_macs(packet, 1, 2);
	if (random_one_in(3)) {
		made->vlan = PICK(vlans);
		put_16(packet, random_one_in(2) ? 0x8100 : 0x88a8);
		put_16(packet, made->vlan | 0x6000); /* with a priority */
		if (random_one_in(3)) {
			put_16(packet, 0x8100);
			put_16(packet, 999);
		}
	}
	put_16(packet, ethertype);
}

static void put_ip_frame(struct random_frame *made)
{
	bool ipv6 = random_one_in(3);

	put_link(made, ipv6 ? ETHERTYPE_V6 : ETHERTYPE_V4);
	made->protocol = PICK(protocols);
	if (ipv6)
		put_v6(made);
	else
		put_v4(made);
}

/* ARP, or IP that is none: another version, or cut in its header. */
static void put_other_frame(struct random_frame *made)
{
	unsigned kind = random_below(3);

	put_link(made, kind == 0 ? 0x0806 : ETHERTYPE_V4);
	if (kind < 2)
		put_8(&made->packet, 0x15);
	else
		put_8(&made->packet, 0x45);
	put_pattern(&made->packet, kind < 2 ? random_below(80) : random_below(19));
}

void random_frame(struct random_frame *made)
{
	static const uint8_t directions[] = {0, MT_FLAG_INGRESS, MT_FLAG_EGRESS};

	memset(made, 0, sizeof(*made));
	packet_start(&made->packet);
	made->vni = random_vni();
	made->flags = PICK(directions);
	made->outer_source = random_one_in(5) ? ipv6_address() : ipv4_address();
	if (random_one_in(8))
		put_other_frame(made);
	else
		put_ip_frame(made);
	packet_close(&made->packet);
}

/* --- the plain way --- */

static bool in_cidr(const struct mt_cidr *cidr, struct mt_address address)
{
	struct mt_address prefix = cut(address, cidr->length);

	return memcmp(&prefix, &cidr->address, sizeof(prefix)) == 0;
}

static bool address_matches(
	const struct mt_cidr *cidr, uint8_t family, const struct mt_address *address)
{
	return cidr->family == 0 || (cidr->family == family && in_cidr(cidr, *address));
}

static bool in_range(struct mt_port_range range, uint16_t port)
{
	return port >= range.first && port <= range.last;
}

static bool is_all(struct mt_port_range range)
{
	return range.first == 0 && range.last == 65535;
}

static bool ports_match(const struct mt_rule *rule, const struct random_frame *frame)
{
	if (is_all(rule->source_ports) && is_all(rule->destination_ports))
		return true;
	return frame->ports_known && in_range(rule->source_ports, frame->source_port)
		&& in_range(rule->destination_ports, frame->destination_port);
}

static bool bpf_matches(const char *expression, const struct random_frame *frame)
{
	if (strcmp(expression, "greater 120") == 0)
		return frame->packet.length >= 120;
	if (strcmp(expression, "less 119") == 0)
		return frame->packet.length <= 119;
	return frame->packet.bytes[0] == 2; /* ether[0] = 2 */
}

static bool rule_matches(const struct mt_rule *rule, const struct random_frame *frame)
{
	unsigned direction = frame->flags == MT_FLAG_INGRESS ? MT_DIRECTION_INGRESS
		: frame->flags == MT_FLAG_EGRESS             ? MT_DIRECTION_EGRESS
							     : MT_DIRECTION_UNKNOWN;

	if (direction < rule->direction_first || direction > rule->direction_last)
		return false;
	if (rule->vlan >= 0 && rule->vlan != frame->vlan)
		return false;
	if (rule->protocol >= 0 && (frame->family == 0 || rule->protocol != frame->protocol))
		return false;
	if (!address_matches(&rule->source, frame->family, &frame->source)
		|| !address_matches(&rule->destination, frame->family, &frame->destination))
		return false;
	if (!ports_match(rule, frame))
		return false;
	if (rule->icmp_type >= 0 && (!frame->ports_known || rule->icmp_type != frame->icmp_type))
		return false;
	if (rule->tcp_flags_mask != 0
		&& (!frame->flags_known
			|| (frame->tcp_flags & rule->tcp_flags_mask) != rule->tcp_flags))
		return false;
	return rule->bpf == NULL || bpf_matches(rule->bpf, frame);
}

/* The matching rule with the lowest number. */
static const struct mt_rule *first_match(
	const struct mt_filter *filter, const struct random_frame *frame)
{
	const struct mt_rule *first = NULL;

	for (unsigned r = 0; r < filter->rules_count; r++) {
		const struct mt_rule *rule = &filter->rules[r];

		if (rule_matches(rule, frame) && (first == NULL || rule->number < first->number))
			first = rule;
	}
	return first;
}

static bool source_allowed(const struct mt_session_spec *session, struct mt_address source)
{
	bool allowed = session->sources_count == 0;

	for (unsigned s = 0; s < session->sources_count; s++)
		allowed |= in_cidr(&session->sources[s], source);
	return allowed;
}

static void decide_outputs(const struct mt_policy_spec *spec, const struct random_frame *frame,
	uint16_t outputs, struct mt_decision *decision)
{
	for (unsigned o = 0; o < spec->outputs_count; o++) {
		const struct mt_filter *filter = spec->outputs[o].filter;
		const struct mt_rule *rule = filter != NULL ? first_match(filter, frame) : NULL;

		if (outputs != 0 && (outputs >> o & 1) == 0)
			continue;
		if (filter == NULL || (rule != NULL && rule->accept))
			decision->choices |= 1u << o;
		else
			decision->choices |= 1u << (o + 16);
	}
}

void plain_decision(const struct mt_policy_spec *spec, const struct random_frame *frame,
	struct mt_decision *decision)
{
	struct mt_treatment treatment = {0};
	const struct mt_session_spec *session = NULL;

	*decision = (struct mt_decision){.verdict = MT_VERDICT_ACCEPTED};
	for (unsigned s = 0; s < spec->sessions_count; s++) {
		if (spec->sessions[s].vni == frame->vni)
			session = &spec->sessions[s];
	}
	decision->session = session;
	if (session == NULL && spec->drop_unknown)
		decision->verdict = MT_VERDICT_SESSION_UNKNOWN;
	else if (session != NULL && !source_allowed(session, frame->outer_source))
		decision->verdict = MT_VERDICT_SOURCE_NOT_ALLOWED;
	if (decision->verdict != MT_VERDICT_ACCEPTED)
		return;
	if (session != NULL)
		treatment = session->treatment;
	if (session != NULL && session->filter != NULL) {
		decision->filter = session->filter;
		decision->rule = first_match(session->filter, frame);
		if (decision->rule == NULL || !decision->rule->accept) {
			decision->verdict = MT_VERDICT_FILTER_REJECTED;
			return;
		}
		if (decision->rule->treatment.outputs != 0)
			treatment.outputs = decision->rule->treatment.outputs;
		if (decision->rule->treatment.truncate != 0)
			treatment.truncate = decision->rule->treatment.truncate;
	}
	decision->truncate = treatment.truncate;
	decide_outputs(spec, frame, treatment.outputs, decision);
}
