/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/sessions.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

struct reading {
	struct mt_session *sessions;
	size_t count;
	size_t room;
};

static void add_counts(struct mt_session_counts *sum, const struct mt_session_counts *counts)
{
	sum->packets += counts->packets;
	sum->bytes += counts->bytes;
	sum->truncated += counts->truncated;
	sum->drops += counts->drops;
	sum->duplicates += counts->duplicates;
	if (counts->first_ns != 0 && (sum->first_ns == 0 || counts->first_ns < sum->first_ns))
		sum->first_ns = counts->first_ns;
	if (counts->last_ns > sum->last_ns)
		sum->last_ns = counts->last_ns;
}

static int append(struct reading *reading, const struct mt_session *session)
{
	if (reading->count == reading->room) {
		size_t room = reading->room == 0 ? MT_SESSIONS_LISTED : 2 * reading->room;
		struct mt_session *grown = reallocarray(reading->sessions, room, sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		reading->sessions = grown;
		reading->room = room;
	}
	reading->sessions[reading->count++] = *session;
	return 0;
}

static int read_worker(
	const struct mt_sessions *sessions, struct reading *reading, struct mt_session_counts *full)
{
	struct mt_session session = {0};

	for (uint32_t e = 0; e < MT_SESSION_CAPACITY; e++) {
		if (mt_sessions_read(sessions, e, &session.vni, &session.counts)
			&& append(reading, &session) < 0)
			return -ENOMEM;
	}
	mt_sessions_read(sessions, MT_SESSION_OTHER, &session.vni, &session.counts);
	add_counts(full, &session.counts);
	return 0;
}

static int by_vni(const void *a, const void *b)
{
	const struct mt_session *left = a, *right = b;

	return (left->vni > right->vni) - (left->vni < right->vni);
}

static int by_packets(const void *a, const void *b)
{
	const struct mt_session *left = a, *right = b;
	uint64_t l = left->counts.packets, r = right->counts.packets;

	return l != r ? (l < r) - (l > r) : by_vni(a, b);
}

static int by_age(const void *a, const void *b)
{
	const struct mt_session *left = a, *right = b;
	uint64_t l = left->counts.first_ns, r = right->counts.first_ns;

	return l != r ? (l > r) - (l < r) : by_vni(a, b);
}

/* One session of those that several workers saw. */
static void merge(struct reading *reading)
{
	size_t kept = 0;

	if (reading->count == 0)
		return;
	qsort(reading->sessions, reading->count, sizeof(*reading->sessions), by_vni);
	for (size_t i = 1; i < reading->count; i++) {
		struct mt_session *last = &reading->sessions[kept];

		if (reading->sessions[i].vni == last->vni)
			add_counts(&last->counts, &reading->sessions[i].counts);
		else
			reading->sessions[++kept] = reading->sessions[i];
	}
	reading->count = kept + 1;
}

/* Puts the registered sessions in front, in their order, which mostly spares a sort; `reading` is
 * by VNI. Sets how many of them are registered now. */
static int put_registered_first(
	struct mt_session_register *registered, struct reading *reading, uint32_t *listed)
{
	struct mt_session *ordered = calloc(reading->count, sizeof(*ordered));
	bool *taken = calloc(reading->count, sizeof(*taken));
	size_t count = 0, rest;

	if (ordered == NULL || taken == NULL) {
		free(ordered);
		free(taken);
		return -ENOMEM;
	}
	pthread_mutex_lock(&registered->lock);
	for (uint32_t r = 0; r < registered->count; r++) {
		const struct mt_session key = {.vni = registered->vnis[r]};
		const struct mt_session *found =
			bsearch(&key, reading->sessions, reading->count, sizeof(key), by_vni);

		/* Not there: read before it was registered by someone else. */
		if (found == NULL)
			continue;
		taken[found - reading->sessions] = true;
		ordered[count++] = *found;
	}
	rest = count;
	for (size_t i = 0; i < reading->count; i++) {
		if (!taken[i])
			ordered[rest++] = reading->sessions[i];
	}
	if (registered->count < MT_SESSIONS_LISTED && rest > count)
		qsort(&ordered[count], rest - count, sizeof(*ordered), by_age);
	for (; count < rest && registered->count < MT_SESSIONS_LISTED; count++)
		registered->vnis[registered->count++] = ordered[count].vni;
	pthread_mutex_unlock(&registered->lock);
	free(taken);
	free(reading->sessions);
	reading->sessions = ordered;
	*listed = (uint32_t)count;
	return 0;
}

int mt_sessions_list(const struct mt_datapath *datapath, struct mt_session_register *registered,
	struct mt_session_list *list)
{
	struct reading reading = {0};
	int rc = 0;

	*list = (struct mt_session_list){0};
	for (uint16_t w = 0; rc == 0 && w < datapath->workers_count; w++)
		rc = read_worker(&datapath->workers[w]->sessions, &reading, &list->full);
	merge(&reading);
	if (rc == 0 && reading.count > 0 && registered != NULL)
		rc = put_registered_first(registered, &reading, &list->count);
	else if (rc == 0 && reading.count > 0)
		qsort(reading.sessions, reading.count, sizeof(*reading.sessions), by_packets);
	if (registered == NULL)
		list->count = (uint32_t)RTE_MIN(reading.count, (size_t)MT_SESSIONS_LISTED);
	if (rc < 0) {
		free(reading.sessions);
		return rc;
	}
	list->sessions = reading.sessions;
	list->seen = reading.count;
	list->other = list->full;
	for (size_t i = list->count; i < reading.count; i++)
		add_counts(&list->other, &reading.sessions[i].counts);
	return 0;
}

void mt_sessions_free(struct mt_session_list *list)
{
	free(list->sessions);
	list->sessions = NULL;
}
