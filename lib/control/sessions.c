/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/sessions.h"

#include <errno.h>
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

int mt_sessions_list(const struct mt_datapath *datapath, enum mt_sessions_order order,
	struct mt_session_list *list)
{
	struct reading reading = {0};

	*list = (struct mt_session_list){0};
	for (uint16_t w = 0; w < datapath->workers_count; w++) {
		if (read_worker(&datapath->workers[w]->sessions, &reading, &list->full) < 0) {
			free(reading.sessions);
			return -ENOMEM;
		}
	}
	merge(&reading);
	if (reading.count > 0)
		qsort(reading.sessions, reading.count, sizeof(*reading.sessions),
			order == MT_SESSIONS_BY_AGE ? by_age : by_packets);
	list->sessions = reading.sessions;
	list->seen = reading.count;
	list->count = RTE_MIN(list->seen, (uint32_t)MT_SESSIONS_LISTED);
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
