/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/filters.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_byteorder.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#include "policy/acl.h"
#include "policy/bpf.h"
#include "policy/policy.h"

static int by_number(const void *left, const void *right)
{
	const struct mt_rule *const *a = left;
	const struct mt_rule *const *b = right;

	return ((*a)->number > (*b)->number) - ((*a)->number < (*b)->number);
}

static const struct mt_rule **sort_rules(const struct mt_filter *filter)
{
	const struct mt_rule **sorted = calloc(filter->rules_count + 1, sizeof(*sorted));

	if (sorted == NULL)
		return NULL;
	for (unsigned r = 0; r < filter->rules_count; r++)
		sorted[r] = &filter->rules[r];
	qsort(sorted, filter->rules_count, sizeof(*sorted), by_number);
	return sorted;
}

/* What the classifiers are made from, while they are made. */
struct maker {
	struct mt_filters *filters;
	struct mt_acl_builder acl4;
	struct mt_acl_builder acl6;
	uint32_t segment;
	char *error;
	size_t error_size;
};

static int add_rule(struct maker *maker, const struct mt_filter *filter, const struct mt_rule *rule,
	uint32_t place)
{
	struct mt_rule_entry *entry = &maker->filters->rules[maker->filters->rules_count++];
	uint32_t result = maker->filters->rules_count;
	char reason[160];

	entry->rule = rule;
	if (rule->bpf != NULL) {
		entry->bpf = mt_bpf_create(rule->bpf, reason, sizeof(reason));
		if (entry->bpf == NULL) {
			snprintf(maker->error, maker->error_size, "filter %s, rule %u: bpf: %s",
				filter->name, rule->number, reason);
			return -EINVAL;
		}
	}
	if (mt_acl_suits(rule, 4))
		mt_acl_add(&maker->acl4, rule, maker->segment, place, result);
	if (mt_acl_suits(rule, 6))
		mt_acl_add(&maker->acl6, rule, maker->segment, place, result);
	return 0;
}

static int add_filter(struct maker *maker, const struct mt_filter *filter)
{
	struct mt_filter_entry *entry = &maker->filters->entries[maker->filters->count++];
	const struct mt_rule **sorted = sort_rules(filter);
	int rc = sorted == NULL ? -ENOMEM : 0;

	*entry = (struct mt_filter_entry){.filter = filter, .first_segment = maker->segment};
	for (unsigned r = 0; r < filter->rules_count && rc == 0; r++) {
		rc = add_rule(maker, filter, sorted[r], r);
		if (sorted[r]->bpf != NULL && r + 1 < filter->rules_count)
			maker->segment++;
	}
	entry->last_segment = maker->segment++;
	free(sorted);
	return rc;
}

static unsigned count_rules(const struct mt_policy_spec *spec, unsigned *segments)
{
	unsigned rules = 0;

	*segments = spec->filters_count;
	for (unsigned f = 0; f < spec->filters_count; f++) {
		rules += spec->filters[f].rules_count;
		for (unsigned r = 0; r < spec->filters[f].rules_count; r++)
			*segments += spec->filters[f].rules[r].bpf != NULL;
	}
	return rules;
}

static int make(struct maker *maker, const struct mt_policy_spec *spec)
{
	struct mt_filters *filters = maker->filters;
	unsigned segments;
	unsigned rules = count_rules(spec, &segments);
	int rc;

	if (segments > UINT16_MAX) {
		snprintf(maker->error, maker->error_size,
			"%u filters and rules with bpf; at most %u are allowed", segments,
			UINT16_MAX);
		return -E2BIG;
	}
	filters->entries = rte_zmalloc("mt_filters",
		sizeof(*filters->entries) * (spec->filters_count + 1), RTE_CACHE_LINE_SIZE);
	filters->rules = rte_zmalloc(
		"mt_filters", sizeof(*filters->rules) * (rules + 1), RTE_CACHE_LINE_SIZE);
	if (filters->entries == NULL || filters->rules == NULL
		|| mt_acl_begin(&maker->acl4, 4, rules) < 0
		|| mt_acl_begin(&maker->acl6, 6, rules) < 0)
		return -ENOMEM;
	for (unsigned f = 0; f < spec->filters_count; f++) {
		rc = add_filter(maker, &spec->filters[f]);
		if (rc < 0)
			return rc;
	}
	rc = mt_acl_build(&maker->acl4, &filters->acl4);
	if (rc == 0)
		rc = mt_acl_build(&maker->acl6, &filters->acl6);
	return rc;
}

int mt_filters_make(struct mt_filters *filters, const struct mt_policy_spec *spec, char *error,
	size_t error_size)
{
	struct maker maker = {.filters = filters, .error = error, .error_size = error_size};
	int rc;

	*filters = (struct mt_filters){0};
	if (error_size > 0)
		error[0] = '\0';
	rc = make(&maker, spec);
	mt_acl_end(&maker.acl4);
	mt_acl_end(&maker.acl6);
	if (rc < 0) {
		if (error_size > 0 && error[0] == '\0')
			snprintf(error, error_size,
				"filters: %s; use fewer rules or give EAL more hugepages",
				rte_strerror(-rc));
		mt_filters_free(filters);
	}
	return rc;
}

void mt_filters_free(struct mt_filters *filters)
{
	for (uint32_t r = 0; r < filters->rules_count; r++)
		mt_bpf_destroy(filters->rules[r].bpf);
	mt_acl_free(filters->acl4);
	mt_acl_free(filters->acl6);
	rte_free(filters->entries);
	rte_free(filters->rules);
	*filters = (struct mt_filters){0};
}

/* Looks those jobs up whose keys are in `data`; adds the results to theirs. */
static void classify(const struct rte_acl_ctx *acl, const uint8_t **data, const uint16_t *places,
	uint16_t count, uint32_t *results)
{
	uint32_t found[MT_POLICY_BURST];

	if (count == 0)
		return;
	if (acl == NULL) {
		for (uint16_t i = 0; i < count; i++)
			results[places[i]] = 0;
		return;
	}
	rte_acl_classify(acl, data, found, count, 1);
	for (uint16_t i = 0; i < count; i++)
		results[places[i]] = found[i];
}

/* One look-up of each of the jobs in `pending`. */
static void look_up(const struct mt_filters *filters, const struct mt_filter_job *jobs,
	const uint16_t *pending, uint16_t count, uint32_t *results)
{
	const uint8_t *data4[MT_POLICY_BURST];
	const uint8_t *data6[MT_POLICY_BURST];
	uint16_t places4[MT_POLICY_BURST];
	uint16_t places6[MT_POLICY_BURST];
	uint16_t count4 = 0;
	uint16_t count6 = 0;

	for (uint16_t i = 0; i < count; i++) {
		const struct mt_key *key = jobs[pending[i]].key;

		if (key->family == 6) {
			data6[count6] = (const uint8_t *)key;
			places6[count6++] = i;
		} else {
			data4[count4] = (const uint8_t *)key;
			places4[count4++] = i;
		}
	}
	classify(filters->acl4, data4, places4, count4, results);
	classify(filters->acl6, data6, places6, count6, results);
}

/* Takes the result of a look-up. False: the job shall be looked up in its next segment. */
static bool settle(const struct mt_filters *filters, struct mt_filter_job *job, uint32_t result)
{
	uint16_t segment = rte_be_to_cpu_16(job->key->segment);

	if (result != 0) {
		const struct mt_rule_entry *entry = &filters->rules[result - 1];

		if (entry->bpf == NULL || mt_bpf_match(entry->bpf, job->frame)) {
			job->rule = entry->rule;
			return true;
		}
	}
	job->rule = NULL;
	if (segment == job->filter->last_segment)
		return true;
	job->key->segment = rte_cpu_to_be_16(segment + 1);
	return false;
}

void mt_filters_run(const struct mt_filters *filters, struct mt_filter_job *jobs, uint16_t count)
{
	uint32_t results[MT_POLICY_BURST];
	uint16_t pending[MT_POLICY_BURST];
	uint16_t left;

	for (uint16_t i = 0; i < count; i++) {
		jobs[i].key->segment = rte_cpu_to_be_16(jobs[i].filter->first_segment);
		pending[i] = i;
	}
	/* As often as a filter has segments, MT_POLICY_MAX_BPF_RULES + 1 at most. */
	for (; count > 0; count = left) {
		look_up(filters, jobs, pending, count, results);
		left = 0;
		for (uint16_t i = 0; i < count; i++) {
			if (!settle(filters, &jobs[pending[i]], results[i]))
				pending[left++] = pending[i];
		}
	}
}
