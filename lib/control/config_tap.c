/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_tap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_policy.h"
#include "control/config_schema.h"
#include "output/tap.h"
#include "output/vni_map.h"

enum {
	MAX_VLANS = 4096,
	MAX_VNI = (1 << 24) - 1,
	MAX_VLAN = 4094,
};

static const char *path_of(char *path, unsigned index, const char *key)
{
	snprintf(path, MT_CONFIG_MAX_PATH, "outputs[%u].%s", index, key);
	return path;
}

/* A decimal number from `minimum` to `maximum`; -1: it is none. */
static long number_of(const yaml_node_t *node, long minimum, long maximum)
{
	const char *text;
	size_t digits;
	long value;

	if (node == NULL || node->type != YAML_SCALAR_NODE)
		return -1;
	text = (const char *)node->data.scalar.value;
	digits = strspn(text, "0123456789");
	if (digits == 0 || digits > 8 || digits != node->data.scalar.length
		|| (digits > 1 && *text == '0'))
		return -1;
	value = strtol(text, NULL, 10);
	return value < minimum || value > maximum ? -1 : value;
}

static int read_vlan(struct mt_config_lines *lines, const char *path, const yaml_node_pair_t *pair,
	struct mt_config_output *output)
{
	const yaml_node_t *key = yaml_document_get_node(&lines->document, pair->key);
	const yaml_node_t *value = yaml_document_get_node(&lines->document, pair->value);
	unsigned line = (unsigned)key->start_mark.line + 1;
	long vni = number_of(key, 0, MAX_VNI);
	long vlan = number_of(value, 1, MAX_VLAN);

	if (vni < 0)
		return mt_config_lines_refuse_at(lines, line, path,
			"\"%.60s\" is no VNI; allowed: a number from 0 to %u",
			key->type == YAML_SCALAR_NODE ? (const char *)key->data.scalar.value : "",
			MAX_VNI);
	if (vlan < 0)
		return mt_config_lines_refuse_at(lines, line, path,
			"VNI %ld has no VLAN id; allowed: a number from 1 to %u", vni, MAX_VLAN);
	for (unsigned v = 0; v < output->vlans_count; v++)
		if (output->vlans[v].vni == vni)
			return mt_config_lines_refuse_at(
				lines, line, path, "has VNI %ld twice; keep one of them", vni);
	output->vlans[output->vlans_count++] =
		(struct mt_vni_number){(uint32_t)vni, (uint16_t)vlan};
	return 0;
}

static int read_vlans(struct mt_config_lines *lines, struct mt_config *config, unsigned index)
{
	struct mt_config_output *output = &config->outputs[index];
	char path[MT_CONFIG_MAX_PATH];
	const yaml_node_t *node =
		mt_config_lines_node(lines, path_of(path, index, "vlan_from_vni"));
	const yaml_node_pair_t *pair;
	size_t count;
	int result = 0;

	if (node == NULL)
		return 0;
	count = node->data.mapping.pairs.top - node->data.mapping.pairs.start;
	if (count == 0 || count > MAX_VLANS)
		return mt_config_lines_refuse(lines, path,
			"has %zu entries; 1 to %u are allowed: %s", count, MAX_VLANS,
			mt_config_schema_help(path));
	output->vlans = mt_config_keep(config, count * sizeof(*output->vlans));
	if (output->vlans == NULL)
		return -ENOMEM;
	for (pair = node->data.mapping.pairs.start;
		result == 0 && pair < node->data.mapping.pairs.top; pair++)
		result = read_vlan(lines, path, pair, output);
	return result;
}

/* Can frames of the session come to the output, by what the session or its filter's rules say? */
static bool reaches(const struct mt_session_spec *session, unsigned place)
{
	const struct mt_filter *filter = session->filter;

	if (session->name == NULL)
		return false;
	if (session->treatment.outputs == 0 || (session->treatment.outputs >> place & 1) != 0)
		return true;
	for (unsigned r = 0; filter != NULL && r < filter->rules_count; r++)
		if ((filter->rules[r].treatment.outputs >> place & 1) != 0)
			return true;
	return false;
}

/* Is the name one of another interface in this file, which is not this output's prefix? */
static bool is_taken(const struct mt_config *config, unsigned index, const char *interface)
{
	for (unsigned p = 0; p < config->ports_count; p++)
		if (config->ports[p].host_interface != NULL
			&& strcmp(config->ports[p].host_interface, interface) == 0)
			return true;
	for (unsigned o = 0; o <= index; o++) {
		const struct mt_config_output *other = &config->outputs[o];

		if (other->type == MT_OUTPUT_TAP && !other->per_session && o != index
			&& strcmp(other->interface, interface) == 0)
			return true;
		for (unsigned s = 0; s < other->tap_sessions_count; s++)
			if (strcmp(other->tap_sessions[s].interface, interface) == 0)
				return true;
	}
	return false;
}

/* `prefix` and the session's name where the kernel takes that, else `prefix` and the VNI. Returns
 * false if that is too long as well. */
static bool name_interface(
	char interface[IFNAMSIZ], const char *prefix, const struct mt_session_spec *session)
{
	int length = snprintf(interface, IFNAMSIZ, "%s%s", prefix, session->name);

	if (length >= IFNAMSIZ)
		length = snprintf(interface, IFNAMSIZ, "%s%u", prefix, session->vni);
	return length < IFNAMSIZ;
}

static int add_session(struct mt_config_lines *lines, struct mt_config *config, unsigned index,
	const struct mt_session_spec *session)
{
	struct mt_config_output *output = &config->outputs[index];
	struct mt_tap_session *tap = &output->tap_sessions[output->tap_sessions_count];
	char path[MT_CONFIG_MAX_PATH];

	path_of(path, index, "interface");
	if (!name_interface(tap->interface, output->interface, session))
		return mt_config_lines_refuse(lines, path,
			"\"%s\" and VNI %u together are longer than %d characters; take a shorter "
			"one, of 7 at most",
			output->interface, session->vni, IFNAMSIZ - 1);
	if (is_taken(config, index, tap->interface))
		return mt_config_lines_refuse(lines, path,
			"session %s would have the interface %s, which is taken; take another "
			"prefix or session name",
			session->name, tap->interface);
	tap->vni = session->vni;
	output->tap_sessions_count++;
	return 0;
}

static int make_sessions(struct mt_config_lines *lines, struct mt_config *config, unsigned index)
{
	const struct mt_policy_spec *policy = &config->policy;
	struct mt_config_output *output = &config->outputs[index];
	char path[MT_CONFIG_MAX_PATH];
	unsigned count = 0;
	int result = 0;

	path_of(path, index, "per");
	for (unsigned s = 0; s < policy->sessions_count; s++)
		count += reaches(&policy->sessions[s], output->place);
	if (count == 0)
		return mt_config_lines_refuse(lines, path,
			"session, but no session comes to this output; name them in sessions.list");
	if (count > MT_TAP_MAX_SESSIONS)
		return mt_config_lines_refuse(lines, path,
			"session, and %u sessions come to this output; at most %u are allowed: "
			"choose them by the sessions' outputs",
			count, MT_TAP_MAX_SESSIONS);
	output->tap_sessions = mt_config_keep(config, count * sizeof(*output->tap_sessions));
	if (output->tap_sessions == NULL)
		return -ENOMEM;
	for (unsigned s = 0; result == 0 && s < policy->sessions_count; s++)
		if (reaches(&policy->sessions[s], output->place))
			result = add_session(lines, config, index, &policy->sessions[s]);
	return result;
}

int mt_config_tap(struct mt_config_lines *lines, struct mt_config *config)
{
	int result = 0;

	for (unsigned o = 0; result == 0 && o < config->outputs_count; o++) {
		result = read_vlans(lines, config, o);
		if (result == 0 && config->outputs[o].per_session)
			result = make_sessions(lines, config, o);
	}
	return result;
}
