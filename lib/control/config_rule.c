/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_policy.h"
#include "control/config_schema.h"
#include "packet/ip.h"
#include "policy/bpf.h"
#include "policy/key.h"

/* A decimal number up to `maximum` that ends at `*text`, which is moved on; -1: there is none. */
static long read_number(const char **text, long maximum)
{
	size_t digits = strspn(*text, "0123456789");
	long value;

	if (digits == 0 || digits > 9)
		return -1;
	value = strtol(*text, NULL, 10);
	*text += digits;
	return value <= maximum ? value : -1;
}

static bool parse_address(const char *text, struct mt_cidr *cidr)
{
	struct in_addr ipv4;

	if (inet_pton(AF_INET, text, &ipv4) == 1) {
		cidr->family = 4;
		cidr->address = mt_address_from_ipv4(ipv4.s_addr);
		return true;
	}
	cidr->family = 6;
	return inet_pton(AF_INET6, text, &cidr->address) == 1;
}

/* Are all bits behind the prefix 0? */
static bool is_aligned(const struct mt_cidr *cidr)
{
	const uint8_t *bytes = (const uint8_t *)&cidr->address;

	for (unsigned bit = cidr->length; bit < 128; bit++) {
		if ((bytes[bit / 8] >> (7 - bit % 8) & 1) != 0)
			return false;
	}
	return true;
}

bool mt_config_cidr(const char *text, struct mt_cidr *cidr)
{
	size_t length = strcspn(text, "/");
	char address[INET6_ADDRSTRLEN];
	long prefix;

	if (length >= sizeof(address))
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	*cidr = (struct mt_cidr){0};
	if (!parse_address(address, cidr))
		return false;
	prefix = cidr->family == 4 ? 32 : 128;
	if (text[length] == '/') {
		const char *rest = text + length + 1;

		prefix = read_number(&rest, prefix);
		if (prefix < 0 || *rest != '\0')
			return false;
	}
	cidr->length = (uint8_t)(cidr->family == 4 ? prefix + 96 : prefix);
	return is_aligned(cidr);
}

bool mt_config_port_range(const char *text, struct mt_port_range *ports)
{
	long first = read_number(&text, UINT16_MAX);
	long last = first;

	if (first >= 0 && *text == '-') {
		text++;
		last = read_number(&text, UINT16_MAX);
	}
	if (first < 0 || last < first || *text != '\0')
		return false;
	*ports = (struct mt_port_range){(uint16_t)first, (uint16_t)last};
	return true;
}

/* Numbers: IANA, "Assigned Internet Protocol Numbers". */
static const struct {
	const char *name;
	int number;
} protocols[] = {
	{"icmp", 1},
	{"igmp", 2},
	{"tcp", 6},
	{"udp", 17},
	{"dccp", 33},
	{"gre", 47},
	{"esp", 50},
	{"ah", 51},
	{"icmpv6", 58},
	{"ospf", 89},
	{"sctp", 132},
	{"udplite", 136},
};

int mt_config_protocol(const char *text)
{
	const char *rest = text;
	long number;

	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		if (strcasecmp(text, protocols[i].name) == 0)
			return protocols[i].number;
	}
	number = read_number(&rest, UINT8_MAX);
	return *rest == '\0' ? (int)number : -1;
}

/* RFC 9293 section 3.1, RFC 3168 section 6.1; bit by bit from the lowest. */
static bool read_tcp_flags(const char *text, struct mt_rule *rule)
{
	static const char *const names[] = {"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"};

	while (true) {
		bool clear = *text == '!';
		size_t length = strcspn(text += clear, ", ");
		unsigned bit = 0;

		while (bit < 8
			&& (strlen(names[bit]) != length
				|| strncasecmp(names[bit], text, length) != 0))
			bit++;
		if (bit == 8 || (rule->tcp_flags_mask >> bit & 1) != 0)
			return false; /* unknown, or there twice */
		rule->tcp_flags_mask |= (uint8_t)(1 << bit);
		rule->tcp_flags |= (uint8_t)(!clear << bit);
		text += length;
		if (*text == '\0')
			return true;
		text += strspn(text, ", ");
	}
}

/* Where a rule stands, for messages. */
struct place {
	struct mt_config_lines *lines;
	unsigned filter;
	unsigned index;
};

static const char *path_of(const struct place *place, const char *key, char *path)
{
	snprintf(path, MT_CONFIG_MAX_PATH, "filters[%u].rules[%u].%s", place->filter, place->index,
		key);
	return path;
}

static int refuse_value(const struct place *place, const char *key, const char *value)
{
	char path[MT_CONFIG_MAX_PATH];

	path_of(place, key, path);
	return mt_config_lines_refuse(place->lines, path, "\"%.60s\" is not allowed; allowed: %s",
		value, mt_config_schema_help(path));
}

static int refuse(const struct place *place, const char *key, const char *why)
{
	char path[MT_CONFIG_MAX_PATH];

	return mt_config_lines_refuse(place->lines, path_of(place, key, path), "%s", why);
}

static int read_ports(const struct place *place, const char *key, const char *text, int protocol,
	struct mt_port_range *ports)
{
	*ports = MT_ALL_PORTS;
	if (text == NULL)
		return 0;
	if (!mt_protocol_has_ports(protocol))
		return refuse(
			place, key, "needs a protocol with ports: tcp, udp, sctp, udplite or dccp");
	return mt_config_port_range(text, ports) ? 0 : refuse_value(place, key, text);
}

static int read_cidr(
	const struct place *place, const char *key, const char *text, struct mt_cidr *cidr)
{
	*cidr = (struct mt_cidr){0};
	if (text == NULL || mt_config_cidr(text, cidr))
		return 0;
	return refuse_value(place, key, text);
}

static int read_addresses(
	const struct place *place, const struct mt_config_rule *config, struct mt_rule *rule)
{
	int result = read_cidr(place, "source_cidr", config->source_cidr, &rule->source);

	if (result == 0)
		result = read_cidr(
			place, "destination_cidr", config->destination_cidr, &rule->destination);
	if (result == 0 && rule->source.family != 0 && rule->destination.family != 0
		&& rule->source.family != rule->destination.family)
		result = refuse(place, "destination_cidr",
			"is of another family than source_cidr; both must be IPv4 or IPv6");
	return result;
}

static int read_extensions(
	const struct place *place, const struct mt_config_rule *config, struct mt_rule *rule)
{
	char path[MT_CONFIG_MAX_PATH];
	char reason[160];

	rule->vlan = config->vlan != NULL ? (int16_t)*config->vlan : -1;
	rule->icmp_type = config->icmp_type != NULL ? *config->icmp_type : -1;
	if (rule->icmp_type >= 0 && rule->protocol != IPPROTO_ICMP
		&& rule->protocol != IPPROTO_ICMPV6)
		return refuse(place, "icmp_type", "needs protocol icmp or icmpv6");
	if (config->tcp_flags != NULL && rule->protocol != IPPROTO_TCP)
		return refuse(place, "tcp_flags", "needs protocol tcp");
	if (config->tcp_flags != NULL && !read_tcp_flags(config->tcp_flags, rule))
		return refuse_value(place, "tcp_flags", config->tcp_flags);
	rule->bpf = config->bpf;
	if (rule->bpf != NULL && !mt_bpf_check(rule->bpf, reason, sizeof(reason)))
		return mt_config_lines_refuse(place->lines, path_of(place, "bpf", path),
			"\"%.60s\" is no capture filter: %s", rule->bpf, reason);
	return 0;
}

static void read_direction(enum mt_config_direction direction, struct mt_rule *rule)
{
	static const uint8_t first[] = {
		[MT_RULE_ANY] = MT_DIRECTION_INGRESS,
		[MT_RULE_INGRESS] = MT_DIRECTION_INGRESS,
		[MT_RULE_EGRESS] = MT_DIRECTION_EGRESS,
	};
	static const uint8_t last[] = {
		[MT_RULE_ANY] = MT_DIRECTION_EGRESS,
		[MT_RULE_INGRESS] = MT_DIRECTION_INGRESS,
		[MT_RULE_EGRESS] = MT_DIRECTION_EGRESS,
	};

	rule->direction_first = first[direction];
	rule->direction_last = last[direction];
}

int mt_config_rule(struct mt_config_lines *lines, const struct mt_config_rule *config,
	unsigned filter, unsigned index, struct mt_rule *rule)
{
	struct place place = {lines, filter, index};
	int result;

	*rule = (struct mt_rule){
		.number = config->number,
		.accept = config->action == MT_RULE_ACCEPT,
		.protocol = -1,
		.treatment =
			{
				.truncate = config->truncate,
				.sample = config->sample,
				.sample_packets = config->sample_by == MT_SAMPLE_PACKETS,
			},
	};
	read_direction(config->direction, rule);
	if (config->protocol != NULL) {
		rule->protocol = (int16_t)mt_config_protocol(config->protocol);
		if (rule->protocol < 0)
			return refuse_value(&place, "protocol", config->protocol);
	}
	result = read_ports(
		&place, "source_ports", config->source_ports, rule->protocol, &rule->source_ports);
	if (result == 0)
		result = read_ports(&place, "destination_ports", config->destination_ports,
			rule->protocol, &rule->destination_ports);
	if (result == 0)
		result = read_addresses(&place, config, rule);
	if (result == 0)
		result = read_extensions(&place, config, rule);
	return result;
}
