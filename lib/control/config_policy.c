/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_import.h"
#include "control/config_schema.h"

/* --- memory --- */

struct mt_config_memory {
	struct mt_config_memory *next;
	_Alignas(max_align_t) char bytes[];
};

void *mt_config_keep(struct mt_config *config, size_t size)
{
	struct mt_config_memory *block = calloc(1, sizeof(*block) + size);

	if (block == NULL)
		return NULL;
	block->next = config->memory;
	config->memory = block;
	return block->bytes;
}

void mt_config_memory_free(struct mt_config_memory *memory)
{
	while (memory != NULL) {
		struct mt_config_memory *next = memory->next;

		free(memory);
		memory = next;
	}
}

static int out_of_memory(struct mt_config_lines *lines)
{
	snprintf(lines->error, lines->error_size, "%s: out of memory", lines->file);
	return -ENOMEM;
}

/* --- names --- */

static int check_name(struct mt_config_lines *lines, const char *path, const char *name)
{
	size_t length = strspn(name,
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789_-.");

	if (length == 0 || length > MT_MAX_SESSION_NAME || name[length] != '\0')
		return mt_config_lines_refuse(lines, path, "\"%.80s\" is not a name; allowed: %s",
			name, mt_config_schema_help(path));
	return 0;
}

/* Entries of a list sorted by what must be unique in it: ten thousand of them are compared with
 * their neighbours only. */
struct unique {
	const char *text; /* NULL: the number counts */
	uint32_t number;
	unsigned index;
};

static int by_key(const void *left, const void *right)
{
	const struct unique *a = left;
	const struct unique *b = right;
	int order = a->text != NULL ? strcmp(a->text, b->text)
				    : (a->number > b->number) - (a->number < b->number);

	return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

static bool same_key(const struct unique *a, const struct unique *b)
{
	return a->text != NULL ? strcmp(a->text, b->text) == 0 : a->number == b->number;
}

/* Refuses the entry of `list` whose `key` an earlier entry has. Sorts `entries`. */
static int check_unique(struct mt_config_lines *lines, const char *list, const char *key,
	struct unique *entries, unsigned count)
{
	const struct unique *second = NULL;
	const struct unique *first = NULL;
	char path[MT_CONFIG_MAX_PATH];

	qsort(entries, count, sizeof(*entries), by_key);
	for (unsigned i = 1; i < count; i++) {
		if (same_key(&entries[i - 1], &entries[i])
			&& (second == NULL || entries[i].index < second->index)) {
			first = &entries[i - 1];
			second = &entries[i];
		}
	}
	if (second == NULL)
		return 0;
	snprintf(path, sizeof(path), "%s[%u].%s", list, second->index, key);
	if (second->text != NULL)
		return mt_config_lines_refuse(lines, path,
			"\"%s\" is taken by %s[%u].%s; each needs its own", second->text, list,
			first->index, key);
	return mt_config_lines_refuse(lines, path, "%u is taken by %s[%u].%s; each needs its own",
		second->number, list, first->index, key);
}

/* --- references --- */

static int find_outputs(struct mt_config_lines *lines, const struct mt_config *config,
	const char *list, char *const *names, unsigned count, uint16_t *outputs)
{
	char path[MT_CONFIG_MAX_PATH + 16];

	*outputs = 0;
	for (unsigned n = 0; n < count; n++) {
		unsigned o = 0;

		while (o < config->outputs_count && strcmp(config->outputs[o].name, names[n]) != 0)
			o++;
		if (o == config->outputs_count) {
			snprintf(path, sizeof(path), "%s[%u]", list, n);
			return mt_config_lines_refuse(lines, path,
				"no output is named \"%.60s\"; name one of outputs[]", names[n]);
		}
		*outputs |= (uint16_t)(1u << config->outputs[o].place);
	}
	return 0;
}

/* NULL and a message where there is none of the name. */
static const struct mt_filter *find_filter(struct mt_config_lines *lines,
	const struct mt_policy_spec *spec, const char *path, const char *name)
{
	for (unsigned f = 0; f < spec->filters_count; f++) {
		if (strcmp(spec->filters[f].name, name) == 0)
			return &spec->filters[f];
	}
	mt_config_lines_refuse(
		lines, path, "no filter is named \"%.80s\"; name one of filters[]", name);
	return NULL;
}

/* --- filters --- */

/* AWS numbers the rules of each direction by themselves; `any` belongs to both. */
static int check_numbers(
	struct mt_config_lines *lines, const struct mt_config_filter *filter, unsigned index)
{
	struct unique *entries = calloc(filter->rules_count + 1, sizeof(*entries));
	char list[MT_CONFIG_MAX_PATH];
	int result = 0;

	if (entries == NULL)
		return out_of_memory(lines);
	snprintf(list, sizeof(list), "filters[%u].rules", index);
	for (int other = MT_RULE_INGRESS; other <= MT_RULE_EGRESS && result == 0; other++) {
		unsigned count = 0;

		for (unsigned r = 0; r < filter->rules_count; r++) {
			if ((int)filter->rules[r].direction != other)
				entries[count++] = (struct unique){
					.number = filter->rules[r].number, .index = r};
		}
		result = check_unique(lines, list, "number", entries, count);
	}
	free(entries);
	return result;
}

static int check_bpf_count(
	struct mt_config_lines *lines, const struct mt_config_filter *filter, unsigned index)
{
	char path[MT_CONFIG_MAX_PATH];
	unsigned count = 0;

	for (unsigned r = 0; r < filter->rules_count; r++) {
		count += filter->rules[r].bpf != NULL;
		if (count <= MT_POLICY_MAX_BPF_RULES)
			continue;
		snprintf(path, sizeof(path), "filters[%u].rules[%u].bpf", index, r);
		return mt_config_lines_refuse(lines, path,
			"is one too many; at most %d rules of a filter may have one",
			MT_POLICY_MAX_BPF_RULES);
	}
	return 0;
}

static int read_filter(struct mt_config_lines *lines, struct mt_config *config, unsigned index,
	struct mt_filter *filter)
{
	const struct mt_config_filter *from = &config->filters[index];
	struct mt_rule *rules = mt_config_keep(config, sizeof(*rules) * from->rules_count);
	char path[MT_CONFIG_MAX_PATH];
	int result;

	if (rules == NULL)
		return out_of_memory(lines);
	*filter = (struct mt_filter){from->name, rules, from->rules_count};
	snprintf(path, sizeof(path), "filters[%u].name", index);
	result = check_name(lines, path, from->name);
	for (unsigned r = 0; r < from->rules_count && result == 0; r++) {
		result = mt_config_rule(lines, &from->rules[r], index, r, &rules[r]);
		snprintf(path, sizeof(path), "filters[%u].rules[%u].outputs", index, r);
		if (result == 0)
			result = find_outputs(lines, config, path, from->rules[r].outputs,
				from->rules[r].outputs_count, &rules[r].treatment.outputs);
	}
	if (result == 0)
		result = check_numbers(lines, from, index);
	if (result == 0)
		result = check_bpf_count(lines, from, index);
	return result;
}

static int check_filter_names(struct mt_config_lines *lines, const struct mt_config *config)
{
	struct unique *entries = calloc(config->filters_count + 1, sizeof(*entries));
	int result;

	if (entries == NULL)
		return out_of_memory(lines);
	for (unsigned f = 0; f < config->filters_count; f++)
		entries[f] = (struct unique){.text = config->filters[f].name, .index = f};
	result = check_unique(lines, "filters", "name", entries, config->filters_count);
	free(entries);
	return result;
}

static int read_filters(
	struct mt_config_lines *lines, struct mt_config *config, struct mt_config_import *import)
{
	unsigned room = config->filters_count + mt_config_import_filters_count(import);
	struct mt_filter *filters = mt_config_keep(config, sizeof(*filters) * room);
	int result = 0;

	if (filters == NULL)
		return out_of_memory(lines);
	for (unsigned f = 0; f < config->filters_count && result == 0; f++)
		result = read_filter(lines, config, f, &filters[f]);
	if (result == 0)
		result = check_filter_names(lines, config);
	config->policy.filters = filters;
	config->policy.filters_count = config->filters_count;
	if (result == 0)
		result = mt_config_import_filters(import, filters, &config->policy.filters_count);
	return result;
}

/* --- sessions --- */

static int read_sources(struct mt_config_lines *lines, struct mt_config *config, unsigned index,
	struct mt_session_spec *session)
{
	const struct mt_config_session *from = &config->sessions.list[index];
	struct mt_cidr *sources = mt_config_keep(config, sizeof(*sources) * from->sources_count);
	char path[MT_CONFIG_MAX_PATH];

	if (sources == NULL)
		return out_of_memory(lines);
	session->sources = sources;
	session->sources_count = from->sources_count;
	for (unsigned s = 0; s < from->sources_count; s++) {
		if (mt_config_cidr(from->sources[s], &sources[s]))
			continue;
		snprintf(path, sizeof(path), "sessions.list[%u].sources[%u]", index, s);
		return mt_config_lines_refuse(lines, path, "\"%.60s\" is not allowed; allowed: %s",
			from->sources[s], mt_config_schema_help(path));
	}
	return 0;
}

static int read_session(struct mt_config_lines *lines, struct mt_config *config, unsigned index,
	struct mt_session_spec *session)
{
	const struct mt_config_session *from = &config->sessions.list[index];
	char path[MT_CONFIG_MAX_PATH];
	int result;

	*session = (struct mt_session_spec){
		.vni = from->vni,
		.name = from->name,
		.description = from->description,
		.treatment =
			{
				.truncate = from->truncate,
				.sample = from->sample,
				.sample_packets = from->sample_by == MT_SAMPLE_PACKETS,
			},
	};
	snprintf(path, sizeof(path), "sessions.list[%u].name", index);
	result = check_name(lines, path, from->name);
	if (result == 0)
		result = read_sources(lines, config, index, session);
	if (result == 0 && from->filter != NULL) {
		snprintf(path, sizeof(path), "sessions.list[%u].filter", index);
		session->filter = find_filter(lines, &config->policy, path, from->filter);
		result = session->filter == NULL ? -EINVAL : 0;
	}
	snprintf(path, sizeof(path), "sessions.list[%u].outputs", index);
	if (result == 0)
		result = find_outputs(lines, config, path, from->outputs, from->outputs_count,
			&session->treatment.outputs);
	return result;
}

/* Neither two of a VNI nor two of a name: metrics tell them apart by name. */
static int check_sessions(struct mt_config_lines *lines, const struct mt_config *config)
{
	const struct mt_config_sessions *sessions = &config->sessions;
	struct unique *entries = calloc(sessions->list_count + 1, sizeof(*entries));
	int result;

	if (entries == NULL)
		return out_of_memory(lines);
	for (unsigned s = 0; s < sessions->list_count; s++)
		entries[s] = (struct unique){.number = sessions->list[s].vni, .index = s};
	result = check_unique(lines, "sessions.list", "vni", entries, sessions->list_count);
	for (unsigned s = 0; s < sessions->list_count; s++)
		entries[s] = (struct unique){.text = sessions->list[s].name, .index = s};
	if (result == 0)
		result =
			check_unique(lines, "sessions.list", "name", entries, sessions->list_count);
	free(entries);
	return result;
}

static int read_sessions(
	struct mt_config_lines *lines, struct mt_config *config, struct mt_config_import *import)
{
	struct mt_policy_spec *spec = &config->policy;
	unsigned count = config->sessions.list_count;
	unsigned room = count + mt_config_import_sessions_count(import);
	struct mt_session_spec *sessions = mt_config_keep(config, sizeof(*sessions) * room);
	int result = 0;

	if (sessions == NULL)
		return out_of_memory(lines);
	for (unsigned s = 0; s < count && result == 0; s++)
		result = read_session(lines, config, s, &sessions[s]);
	if (result == 0)
		result = check_sessions(lines, config);
	spec->sessions = sessions;
	spec->sessions_count = count;
	spec->drop_unknown = config->sessions.unknown == MT_UNKNOWN_DROP;
	if (result == 0)
		result = mt_config_import_sessions(import, spec->filters, spec->filters_count,
			sessions, &spec->sessions_count);
	return result;
}

/* --- outputs --- */

/* What a rule says of accepted frames concerns all outputs; one output can only take or leave. */
static int check_output_filter(
	struct mt_config_lines *lines, const char *path, const struct mt_filter *filter)
{
	for (unsigned r = 0; r < filter->rules_count; r++) {
		const struct mt_treatment *treatment = &filter->rules[r].treatment;

		if (treatment->outputs == 0 && treatment->truncate == 0 && treatment->sample == 0)
			continue;
		return mt_config_lines_refuse(lines, path,
			"filter \"%s\" has outputs, truncate or sample in rule %u, which are for "
			"sessions; give the output a filter without them",
			filter->name, filter->rules[r].number);
	}
	return 0;
}

static int read_outputs(struct mt_config_lines *lines, struct mt_config *config)
{
	uint32_t taken = 0;

	for (unsigned o = 0; o < config->outputs_count; o++)
		taken |= UINT32_C(1) << config->outputs[o].place;
	config->policy.outputs_count = taken == 0 ? 0 : 32 - (unsigned)__builtin_clz(taken);
	config->policy.gaps =
		(uint16_t)(((UINT32_C(1) << config->policy.outputs_count) - 1) & ~taken);
	for (unsigned o = 0; o < config->outputs_count; o++) {
		const struct mt_config_output *from = &config->outputs[o];
		struct mt_output_policy *output = &config->policy.outputs[from->place];
		char path[MT_CONFIG_MAX_PATH];

		output->sample = from->sample;
		output->sample_packets = from->sample_by == MT_SAMPLE_PACKETS;
		if (from->filter == NULL)
			continue;
		snprintf(path, sizeof(path), "outputs[%u].filter", o);
		output->filter = find_filter(lines, &config->policy, path, from->filter);
		if (output->filter == NULL || check_output_filter(lines, path, output->filter) < 0)
			return -EINVAL;
	}
	return 0;
}

int mt_config_policy(struct mt_config_lines *lines, struct mt_config *config)
{
	struct mt_config_import *import;
	int result = mt_config_import_open(lines, config, &import);

	if (result == 0)
		result = read_filters(lines, config, import);
	if (result == 0)
		result = read_sessions(lines, config, import);
	if (result == 0)
		result = read_outputs(lines, config);
	mt_config_import_close(import);
	return result;
}
