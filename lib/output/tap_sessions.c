/* SPDX-License-Identifier: BSD-3-Clause */
/* TAP for each session: inner frames go to the kernel interface of their session, for tools that
 * separate by interface. Frames of sessions without one are not for this output. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "output/release.h"
#include "output/tap.h"

enum {
	LOOKED_AT = 32, /* interfaces that a round of control looks at */
};

struct session_tap {
	struct mt_tap device;
	_Atomic bool failed; /* writes fail. Writer: the workers; control takes it */
	bool broken;         /* control only */
};

struct tap_sessions {
	struct mt_vni_map *taps;  /* place in taps_list */
	struct mt_vni_map *vlans; /* NULL: none */
	unsigned count;
	unsigned next; /* to be looked at; control only */
	struct session_tap list[];
};

static void sessions_close(struct mt_output *output)
{
	struct tap_sessions *sessions = output->private;

	for (unsigned s = 0; s < sessions->count; s++)
		mt_tap_close(&sessions->list[s].device);
	free(sessions->taps);
	free(sessions->vlans);
	free(sessions);
}

static int make_maps(struct tap_sessions *sessions, const struct mt_output_settings *settings)
{
	struct mt_vni_number places[MT_TAP_MAX_SESSIONS];

	for (unsigned s = 0; s < settings->tap_sessions_count; s++)
		places[s] = (struct mt_vni_number){settings->tap_sessions[s].vni, (uint16_t)s};
	sessions->taps = mt_vni_map_create(places, settings->tap_sessions_count);
	if (sessions->taps == NULL)
		return -ENOMEM;
	if (settings->vlans_count == 0)
		return 0;
	sessions->vlans = mt_vni_map_create(settings->vlans, settings->vlans_count);
	return sessions->vlans == NULL ? -ENOMEM : 0;
}

static int open_one(struct mt_output *output, const struct mt_output_settings *settings,
	const struct mt_tap_session *session)
{
	struct tap_sessions *sessions = output->private;
	struct mt_tap *tap = &sessions->list[sessions->count].device;
	int rc;

	tap->mtu = settings->mtu;
	tap->queues = settings->queues;
	tap->silent = true;
	snprintf(tap->interface, sizeof(tap->interface), "%s", session->interface);
	rc = mt_tap_open(tap);
	if (rc < 0)
		snprintf(output->error, sizeof(output->error), "%s", tap->error);
	else
		sessions->count++;
	return rc;
}

static int sessions_open(struct mt_output *output, const struct mt_output_settings *settings)
{
	unsigned count = settings->tap_sessions_count;
	struct tap_sessions *sessions =
		calloc(1, sizeof(*sessions) + count * sizeof(sessions->list[0]));
	int rc;

	if (sessions == NULL)
		return -ENOMEM;
	output->private = sessions;
	rc = make_maps(sessions, settings);
	for (unsigned s = 0; rc == 0 && s < count; s++)
		rc = open_one(output, settings, &settings->tap_sessions[s]);
	if (rc < 0)
		sessions_close(output);
	return rc;
}

/* Returns 0 or an errno; ENOENT: its session has no interface. */
static int put(struct tap_sessions *sessions, uint16_t queue, const struct rte_mbuf *frame)
{
	int32_t place = mt_vni_map_find(sessions->taps, mt_frame_vni(mt_frame_info_of(frame)));
	struct session_tap *tap;
	int error;

	if (place == MT_VNI_MAP_NONE)
		return ENOENT;
	tap = &sessions->list[place];
	/* One failed write says it for all until control has looked. */
	if (atomic_load_explicit(&tap->failed, memory_order_relaxed))
		return EIO;
	error = mt_tap_put(&tap->device, tap->device.fds[queue], sessions->vlans, frame);
	if (error == EIO || error == EBADFD)
		atomic_store_explicit(&tap->failed, true, memory_order_relaxed);
	return error;
}

static void sessions_send(
	struct mt_output *output, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	struct mt_output_queue *q = &output->per_queue[queue];
	uint16_t drops[MT_OUTPUT_DROP_COUNT] = {0};
	uint16_t delivered = 0;
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < count; i++) {
		int error = put(output->private, queue, frames[i]);

		if (error == 0) {
			delivered++;
			bytes += frames[i]->pkt_len;
		} else if (error == ENOENT) {
			drops[MT_OUTPUT_DROP_NO_SESSION]++;
		} else {
			drops[mt_tap_drop_reason(output, error)]++;
		}
	}
	mt_commit_begin(&q->commit);
	mt_count(&q->counts.offered, count);
	mt_count(&q->counts.delivered, delivered);
	mt_count(&q->counts.delivered_bytes, bytes);
	for (unsigned r = 0; delivered < count && r < MT_OUTPUT_DROP_COUNT; r++)
		mt_count(&q->counts.drops[r], drops[r]);
	mt_commit_end(&q->commit);
	mt_release(frames, count);
}

/* Returns whether it is in order now. In error for one look at least, so that it can be seen. */
static bool look_at(struct mt_output *output, struct session_tap *tap)
{
	int problem = mt_tap_check(&tap->device);

	if (problem == 0) {
		tap->broken = false;
		atomic_store_explicit(&tap->failed, false, memory_order_relaxed);
		return true;
	}
	if (tap->broken)
		problem = mt_tap_mend(&tap->device, problem);
	else
		tap->broken = true;
	if (problem != 0)
		snprintf(output->error, sizeof(output->error), "%s", tap->device.error);
	return false;
}

/* Some interfaces in each round, and all of those that are known to be broken. */
static void sessions_maintain(struct mt_output *output)
{
	struct tap_sessions *sessions = output->private;
	unsigned until = sessions->next + LOOKED_AT;
	bool fine = true;

	for (unsigned s = 0; s < sessions->count; s++) {
		struct session_tap *tap = &sessions->list[s];
		bool turn = s >= sessions->next && s < until;

		if (turn || tap->broken || atomic_load_explicit(&tap->failed, memory_order_relaxed))
			fine &= look_at(output, tap);
	}
	sessions->next = until < sessions->count ? until : 0;
	if (fine)
		atomic_store_explicit(&output->state, MT_OUTPUT_UP, memory_order_relaxed);
	else
		mt_output_fail(output);
}

const struct mt_output_ops mt_output_tap_sessions = {
	.type = "tap",
	.open = sessions_open,
	.send = sessions_send,
	.maintain = sessions_maintain,
	.close = sessions_close,
};
