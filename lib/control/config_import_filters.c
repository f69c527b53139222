/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <string.h>

#include "control/config_aws.h"

enum {
	DNS_PORT = 53,
	DNS_RULES = 4, /* UDP and TCP, to and from the port */
};

static int read_ports(const struct mt_aws_where *where, const json_t *object, const char *key,
	struct mt_port_range *ports)
{
	struct mt_aws_where child = mt_aws_at_key(where, key);
	int64_t first = -1, last = -1;
	const json_t *range;
	int result = mt_aws_get(where, object, key, JSON_OBJECT, false, "an object", &range);

	*ports = MT_ALL_PORTS;
	if (result < 0 || range == NULL)
		return result;
	result = mt_aws_get_number(&child, range, "FromPort", UINT16_MAX, &first);
	if (result == 0)
		result = mt_aws_get_number(&child, range, "ToPort", UINT16_MAX, &last);
	if (result == 0 && last < first)
		result = mt_aws_refuse(&child, "ToPort is smaller than FromPort");
	if (result == 0)
		*ports = (struct mt_port_range){(uint16_t)first, (uint16_t)last};
	return result;
}

static int read_cidr(const struct mt_aws_where *where, const json_t *object, const char *key,
	struct mt_cidr *cidr)
{
	struct mt_aws_where child = mt_aws_at_key(where, key);
	const char *text;
	int result = mt_aws_get_text(where, object, key, false, &text);

	if (result == 0 && text != NULL && !mt_config_cidr(text, cidr))
		return mt_aws_refuse(&child, "\"%.60s\" is no CIDR", text);
	return result;
}

static int read_action(const struct mt_aws_where *where, const json_t *object, struct mt_rule *rule)
{
	struct mt_aws_where child = mt_aws_at_key(where, "RuleAction");
	const char *text;
	int result = mt_aws_get_text(where, object, "RuleAction", true, &text);

	if (result < 0)
		return result;
	rule->accept = strcmp(text, "accept") == 0;
	if (!rule->accept && strcmp(text, "reject") != 0)
		return mt_aws_refuse(&child, "\"%.60s\" is neither accept nor reject", text);
	return 0;
}

/* AWS has applied the filter already. Where the direction of a frame cannot be known here, rules
 * that accept match and rules that reject do not, so that nothing is lost of what it let pass. */
static void set_direction(struct mt_rule *rule, bool egress)
{
	rule->direction_first = egress ? MT_DIRECTION_EGRESS : MT_DIRECTION_INGRESS;
	rule->direction_last = rule->direction_first;
	if (rule->accept && egress)
		rule->direction_first = MT_DIRECTION_UNKNOWN;
	else if (rule->accept)
		rule->direction_last = MT_DIRECTION_UNKNOWN;
}

static int read_rule(
	const struct mt_aws_where *where, const json_t *object, bool egress, struct mt_rule *rule)
{
	int64_t number = -1;
	int64_t protocol = 256; /* absent: all */
	int result;

	*rule = (struct mt_rule){.vlan = -1, .icmp_type = -1};
	result = mt_aws_get_number(where, object, "RuleNumber", INT32_MAX, &number);
	if (result == 0)
		result = mt_aws_get_number(where, object, "Protocol", UINT8_MAX, &protocol);
	if (result == 0)
		result = read_action(where, object, rule);
	if (result == 0)
		result = read_ports(where, object, "SourcePortRange", &rule->source_ports);
	if (result == 0)
		result =
			read_ports(where, object, "DestinationPortRange", &rule->destination_ports);
	if (result == 0)
		result = read_cidr(where, object, "SourceCidrBlock", &rule->source);
	if (result == 0)
		result = read_cidr(where, object, "DestinationCidrBlock", &rule->destination);
	rule->number = (uint32_t)number;
	rule->protocol = protocol > UINT8_MAX ? -1 : (int16_t)protocol;
	set_direction(rule, egress);
	return result;
}

static int read_rules(const struct mt_aws_where *where, const json_t *object, const char *key,
	bool egress, struct mt_rule *rules, unsigned *count)
{
	const json_t *list = json_object_get(object, key);
	int result = 0;

	for (size_t i = 0; result == 0 && i < json_array_size(list); i++) {
		struct mt_aws_where entry = mt_aws_at_index(where, key, i);

		result = read_rule(&entry, json_array_get(list, i), egress, &rules[*count]);
		++*count;
	}
	return result;
}

/* With the network service amazon-dns AWS mirrors DNS whatever the rules say. */
static void add_dns(struct mt_rule *rules, unsigned *count)
{
	static const struct mt_port_range dns = {DNS_PORT, DNS_PORT};

	for (unsigned i = 0; i < DNS_RULES; i++)
		rules[(*count)++] = (struct mt_rule){
			.direction_first = MT_DIRECTION_INGRESS,
			.direction_last = MT_DIRECTION_EGRESS,
			.accept = true,
			.protocol = i / 2 == 0 ? IPPROTO_UDP : IPPROTO_TCP,
			.vlan = -1,
			.icmp_type = -1,
			.source_ports = i % 2 == 0 ? MT_ALL_PORTS : dns,
			.destination_ports = i % 2 == 0 ? dns : MT_ALL_PORTS,
		};
}

static bool has_dns(const json_t *object)
{
	const json_t *services = json_object_get(object, "NetworkServices");

	for (size_t i = 0; i < json_array_size(services); i++) {
		const char *name = json_string_value(json_array_get(services, i));

		if (name != NULL && strcmp(name, "amazon-dns") == 0)
			return true;
	}
	return false;
}

struct filters {
	struct mt_filter *list;
	unsigned count;
};

static int read_filter(struct mt_config_import *import, const struct mt_aws_where *where,
	const json_t *object, void *context)
{
	struct filters *filters = context;
	const json_t *ingress, *egress;
	struct mt_rule *rules;
	unsigned count = 0;
	const char *id;
	int result = mt_aws_get_text(where, object, "TrafficMirrorFilterId", true, &id);

	if (result == 0)
		result = mt_aws_get_list(where, object, "IngressFilterRules", &ingress);
	if (result == 0)
		result = mt_aws_get_list(where, object, "EgressFilterRules", &egress);
	if (result < 0 || mt_aws_find_filter(filters->list, filters->count, id) != NULL)
		return result;
	rules = mt_config_keep(import->config,
		sizeof(*rules) * (json_array_size(ingress) + json_array_size(egress) + DNS_RULES));
	id = mt_aws_keep_text(import, id);
	if (rules == NULL || id == NULL)
		return mt_aws_out_of_memory(import);
	if (has_dns(object))
		add_dns(rules, &count);
	result = read_rules(where, object, "IngressFilterRules", false, rules, &count);
	if (result == 0)
		result = read_rules(where, object, "EgressFilterRules", true, rules, &count);
	filters->list[filters->count++] = (struct mt_filter){id, rules, count};
	return result;
}

int mt_config_import_filters(
	struct mt_config_import *import, struct mt_filter *filters, unsigned *count)
{
	struct filters context = {filters, *count};
	int result = mt_aws_for_each(import, MT_AWS_FILTERS, read_filter, &context);

	*count = context.count;
	return result;
}
