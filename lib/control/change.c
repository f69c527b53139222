/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/change.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_change.h"
#include "control/daemon.h"
#include "control/log.h"
#include "control/snapshot.h"
#include "output/monotonic.h"

enum {
	SETTLE_MS = 500, /* waited at a time for the workers */
	MAX_SNAPSHOTS = 4,
	MAX_POLICIES = 3,
};

/* What is freed when no worker can have it any more. */
struct mt_leftover {
	struct mt_leftover *next;
	const struct mt_config *config;
	struct mt_policy *policies[MAX_POLICIES];
	struct mt_snapshot *snapshots[MAX_SNAPSHOTS];
	struct mt_output *outputs[MT_SNAPSHOT_MAX_OUTPUTS];
	unsigned policies_count;
	unsigned snapshots_count;
	unsigned outputs_count;
};

/* One output of the running configuration. */
struct running {
	struct mt_output *output;        /* NULL: closed, or not to be had */
	bool closed;                     /* to make room */
	struct mt_output_counts *counts; /* of one that was closed */
	uint64_t errors;
	bool stays;
	bool blocks; /* one that is wanted can't be opened beside it */
};

struct change {
	struct mt_daemon *daemon;
	char *error;
	size_t error_size;
	struct mt_leftover *old;

	/* As it was. */
	const struct mt_config *before;
	struct mt_policy *before_policy;
	struct mt_snapshot *before_snapshot;
	struct mt_output_notes before_notes[MT_SNAPSHOT_MAX_OUTPUTS];
	struct running running[MT_SNAPSHOT_MAX_OUTPUTS];

	/* As it shall be. */
	struct mt_config *config;
	struct mt_policy *policy;
	struct mt_output *outputs[MT_SNAPSHOT_MAX_OUTPUTS]; /* NULL: not open yet */
	bool published; /* something else than `before_snapshot` was, on the way */
	bool offered;   /* the new outputs among it: a worker may know them */
	char summary[MT_RELOAD_TEXT];
};

/* Waits as long as no worker counts as stuck, but that limit at the most. */
static bool settle(struct change *change)
{
	struct mt_daemon *daemon = change->daemon;
	uint64_t end = mt_monotonic_ms() + UINT64_C(1000) * change->before->health.stall_seconds;

	while (!mt_datapath_settle(&daemon->datapath, SETTLE_MS)) {
		mt_watch_look(daemon);
		if (!mt_watch_may_go_on(daemon) || mt_monotonic_ms() >= end)
			return false;
	}
	return true;
}

/* --- what is left behind --- */

static void flush(struct mt_output *output)
{
	if (output->ops->flush != NULL)
		output->ops->flush(output);
}

/* Its counters end here: no one can read them afterwards. */
static void tell_removed(struct mt_output *output)
{
	struct mt_output_counts sum = {0};

	for (uint16_t q = 0; q < output->queues; q++) {
		struct mt_output_counts counts;
		uint64_t in_flight;

		mt_output_read(output, q, &counts, &in_flight);
		sum.offered += counts.offered;
		sum.delivered += counts.delivered;
	}
	mt_log(MT_LOG_NOTICE,
		"output %s: removed; of %" PRIu64 " frames offered to it %" PRIu64
		" were delivered, %" PRIu64 " dropped",
		output->name, sum.offered, sum.delivered, sum.offered - sum.delivered);
}

static void close_outputs(struct mt_leftover *left)
{
	/* All are told first, so that their readers leave at the same time. */
	for (unsigned o = 0; o < left->outputs_count; o++)
		flush(left->outputs[o]);
	for (unsigned o = 0; o < left->outputs_count; o++) {
		tell_removed(left->outputs[o]);
		mt_output_destroy(left->outputs[o]);
	}
}

static void free_leftover(struct mt_daemon *daemon, struct mt_leftover *left)
{
	close_outputs(left);
	for (unsigned s = 0; s < left->snapshots_count; s++)
		mt_snapshot_free(left->snapshots[s]);
	for (unsigned p = 0; p < left->policies_count; p++)
		mt_policy_destroy(left->policies[p]);
	if (left->config != daemon->start_config)
		mt_config_free((struct mt_config *)(uintptr_t)left->config);
	free(left);
}

void mt_change_free_leftovers(struct mt_daemon *daemon)
{
	while (daemon->reload.leftovers != NULL) {
		struct mt_leftover *left = daemon->reload.leftovers;

		daemon->reload.leftovers = left->next;
		free_leftover(daemon, left);
	}
}

static void leave_snapshot(struct change *change, struct mt_snapshot *snapshot)
{
	change->old->snapshots[change->old->snapshots_count++] = snapshot;
}

static void leave_policy(struct change *change, struct mt_policy *policy)
{
	if (policy != NULL)
		change->old->policies[change->old->policies_count++] = policy;
}

static void leave_output(struct change *change, struct mt_output *output)
{
	change->old->outputs[change->old->outputs_count++] = output;
}

/* Frees what was left, now or, where a worker is stuck, with the next reload. */
static void clear_up(struct change *change, bool settled)
{
	struct mt_daemon *daemon = change->daemon;

	if (settled) {
		free_leftover(daemon, change->old);
		return;
	}
	mt_log(MT_LOG_ERROR,
		"reload: a worker does not go on: the memory of the configuration before stays "
		"taken until the next reload");
	change->old->next = daemon->reload.leftovers;
	daemon->reload.leftovers = change->old;
}

/* --- the file --- */

/* A worker that is stuck would keep the new configuration from coming into force. */
static int check_workers(struct change *change)
{
	if (settle(change)) {
		mt_change_free_leftovers(change->daemon);
		return 0;
	}
	snprintf(change->error, change->error_size,
		"a worker does not go on, see the log; nothing was changed");
	return -EBUSY;
}

static int read_file(struct change *change)
{
	struct mt_daemon *daemon = change->daemon;
	struct mt_plan plan;
	int rc = mt_config_load_again(daemon->start_config->path, daemon->config, &change->config,
		change->error, change->error_size);

	if (rc == 0)
		rc = mt_config_change_check(
			daemon->config, change->config, change->error, change->error_size);
	if (rc == 0)
		rc = mt_plan_make(change->config, &plan, change->error, change->error_size);
	if (rc == 0)
		rc = mt_config_change_check_buffers(
			change->config, daemon->plan, &plan, change->error, change->error_size);
	if (rc == 0)
		rc = mt_snapshot_policy(
			change->config, &change->policy, change->error, change->error_size);
	return rc;
}

/* --- which outputs stay --- */

static void find_running(struct change *change)
{
	const struct mt_snapshot *snapshot = change->before_snapshot;

	for (unsigned r = 0; r < change->before->outputs_count; r++) {
		for (unsigned o = 0; o < snapshot->outputs_count; o++) {
			if (strcmp(change->before->outputs[r].name, snapshot->outputs[o]->name)
				!= 0)
				continue;
			change->running[r].output = snapshot->outputs[o];
			change->before_notes[r] = change->daemon->notes[o];
		}
	}
}

static void compare_outputs(struct change *change)
{
	const struct mt_config *before = change->before;

	find_running(change);
	for (unsigned r = 0; r < before->outputs_count; r++) {
		struct running *running = &change->running[r];

		for (unsigned o = 0; o < change->config->outputs_count; o++) {
			if (running->output == NULL || running->output->ops == &mt_output_lost
				|| !mt_config_same_output(
					&before->outputs[r], &change->config->outputs[o]))
				continue;
			running->stays = true;
			change->outputs[o] = running->output;
		}
	}
	for (unsigned r = 0; r < before->outputs_count; r++) {
		for (unsigned o = 0; o < change->config->outputs_count; o++) {
			change->running[r].blocks |= change->running[r].output != NULL
				&& !change->running[r].stays && change->outputs[o] == NULL
				&& mt_config_outputs_collide(
					&before->outputs[r], &change->config->outputs[o]);
		}
	}
}

/* The running output of that name; -1: there is none. */
static int running_of(const struct change *change, const char *name)
{
	for (unsigned r = 0; r < change->before->outputs_count; r++) {
		if (strcmp(change->before->outputs[r].name, name) == 0)
			return (int)r;
	}
	return -1;
}

static void __attribute__((format(printf, 3, 4)))
append(char *text, size_t size, const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, size - used, format, args);
	va_end(args);
}

/* "3 sessions, 1 filter, 2 outputs (ids added, tools changed)". */
static void describe(const struct change *change, char *text, size_t size)
{
	const struct mt_policy_spec *spec = &change->config->policy;
	const char *separator = " (";

	snprintf(text, size, "%u session%s, %u filter%s, %u output%s", spec->sessions_count,
		spec->sessions_count == 1 ? "" : "s", spec->filters_count,
		spec->filters_count == 1 ? "" : "s", change->config->outputs_count,
		change->config->outputs_count == 1 ? "" : "s");
	for (unsigned o = 0; o < change->config->outputs_count; o++) {
		const char *name = change->config->outputs[o].name;
		int r = running_of(change, name);

		if (r >= 0 && change->running[r].stays)
			continue;
		append(text, size, "%s%s %s", separator, name, r < 0 ? "added" : "changed");
		separator = ", ";
	}
	for (unsigned r = 0; r < change->before->outputs_count; r++) {
		const char *name = change->before->outputs[r].name;

		if (mt_config_find_output(change->config, name) != NULL)
			continue;
		append(text, size, "%s%s removed", separator, name);
		separator = ", ";
	}
	if (*separator == ',')
		append(text, size, ")");
}

/* --- what others see --- */

static void show(struct mt_daemon *daemon, const struct mt_config *config, struct mt_policy *policy,
	struct mt_snapshot *snapshot, const struct mt_output_notes *notes)
{
	pthread_rwlock_wrlock(&daemon->hold);
	daemon->config = config;
	daemon->policy = policy;
	daemon->snapshot = snapshot;
	memcpy(daemon->notes, notes, sizeof(daemon->notes));
	pthread_rwlock_unlock(&daemon->hold);
	for (unsigned o = 0; o < snapshot->outputs_count; o++)
		mt_outputs_share_error(daemon, o);
	mt_watch_look(daemon);
}

/* --- room for outputs that change --- */

static bool any_blocks(const struct change *change)
{
	for (unsigned r = 0; r < change->before->outputs_count; r++) {
		if (change->running[r].blocks)
			return true;
	}
	return false;
}

/* The running configuration without the outputs that are in the way, or with all that it had. */
static struct mt_snapshot *running_snapshot(
	struct change *change, bool all, struct mt_output_notes *notes)
{
	struct mt_snapshot *snapshot =
		mt_snapshot_make(change->daemon, change->before, change->before_policy);

	for (unsigned r = 0; snapshot != NULL && r < change->before->outputs_count; r++) {
		if (change->running[r].output == NULL || (!all && change->running[r].blocks))
			continue;
		notes[snapshot->outputs_count] = change->before_notes[r];
		mt_snapshot_add_output(
			snapshot, change->running[r].output, change->before->outputs[r].place);
	}
	return snapshot;
}

static void close_one(struct running *running)
{
	struct mt_output *output = running->output;

	running->counts = mt_output_counts_of(output);
	running->errors = atomic_load_explicit(&output->errors, memory_order_relaxed);
	mt_output_destroy(output);
	running->output = NULL;
	running->closed = true;
}

/* The counters of the output whose name it has go on. */
static void go_on(struct change *change, struct mt_output *output, int r)
{
	struct running *running = &change->running[r];

	atomic_store_explicit(&output->earlier, running->counts, memory_order_release);
	running->counts = NULL;
	atomic_fetch_add_explicit(&output->errors, running->errors, memory_order_relaxed);
}

/* Takes the outputs that are in the way from the workers and from all others, and closes them. */
static int make_room(struct change *change)
{
	struct mt_output_notes notes[MT_SNAPSHOT_MAX_OUTPUTS] = {0};
	struct mt_daemon *daemon = change->daemon;
	struct mt_snapshot *snapshot = running_snapshot(change, false, notes);

	if (snapshot == NULL)
		return -ENOMEM;
	leave_snapshot(change, snapshot);
	change->published = true;
	mt_datapath_publish(&daemon->datapath, snapshot);
	if (!settle(change))
		return -EBUSY;
	show(daemon, change->before, change->before_policy, snapshot, notes);
	for (unsigned r = 0; r < change->before->outputs_count; r++) {
		if (change->running[r].blocks)
			flush(change->running[r].output);
	}
	for (unsigned r = 0; r < change->before->outputs_count; r++) {
		if (change->running[r].blocks)
			close_one(&change->running[r]);
	}
	return 0;
}

static bool is_blocked(const struct change *change, unsigned o)
{
	for (unsigned r = 0; r < change->before->outputs_count; r++) {
		if (change->running[r].blocks
			&& mt_config_outputs_collide(
				&change->before->outputs[r], &change->config->outputs[o]))
			return true;
	}
	return false;
}

/* Opens what is not open yet: all that can be while the running outputs are there, or the rest. */
static int open_outputs(struct change *change, bool rest)
{
	for (unsigned o = 0; o < change->config->outputs_count; o++) {
		const struct mt_config_output *config = &change->config->outputs[o];
		int r = running_of(change, config->name);

		if (change->outputs[o] != NULL || is_blocked(change, o) != rest)
			continue;
		change->outputs[o] = mt_outputs_open(change->daemon, config,
			&change->config->policy, change->error, change->error_size);
		if (change->outputs[o] == NULL)
			return -EIO;
		if (r >= 0)
			go_on(change, change->outputs[o], r);
	}
	return 0;
}

/* --- taking it back --- */

static bool is_new(const struct change *change, unsigned o)
{
	for (unsigned r = 0; r < change->before->outputs_count; r++) {
		if (change->running[r].stays && change->running[r].output == change->outputs[o])
			return false;
	}
	return change->outputs[o] != NULL;
}

/* `taken`: a new output still has what it stands on. */
static void open_again(struct change *change, unsigned r, bool taken)
{
	struct running *running = &change->running[r];
	const struct mt_config_output *config = &change->before->outputs[r];
	char error[MT_OUTPUT_MAX_ERROR + MT_OUTPUT_MAX_NAME] =
		"a worker may still use the new one; reload when it goes on";

	if (!taken)
		running->output = mt_outputs_open(
			change->daemon, config, &change->before->policy, error, sizeof(error));
	if (running->output == NULL) {
		append(change->error, change->error_size, "; it can't be opened again: %s", error);
		running->output = mt_outputs_open_lost(change->daemon, config);
	}
	if (running->output == NULL)
		return;
	go_on(change, running->output, (int)r);
	change->before_notes[r].told_resets = 0;
}

/* Where the counts of a closed output went with one that was to follow it. */
static void take_counts_back(struct change *change, unsigned o)
{
	int r = running_of(change, change->config->outputs[o].name);

	if (r < 0 || change->running[r].counts != NULL)
		return;
	change->running[r].counts = atomic_exchange(&change->outputs[o]->earlier, NULL);
}

/* A worker that is stuck may use new outputs until the next reload, if it was ever given them. */
static void drop_new_outputs(struct change *change, bool settled)
{
	for (unsigned o = 0; o < change->config->outputs_count; o++) {
		if (!is_new(change, o))
			continue;
		take_counts_back(change, o);
		if (settled || !change->offered)
			mt_output_destroy(change->outputs[o]);
		else
			leave_output(change, change->outputs[o]);
	}
}

/* What others see stays for good: the running configuration without the outputs that made room. */
static void stay_without(struct change *change)
{
	struct mt_leftover *old = change->old;

	mt_log(MT_LOG_ERROR, "reload: no memory to take it back whole: restart");
	for (unsigned s = 0; s < old->snapshots_count; s++) {
		if (old->snapshots[s] == change->daemon->snapshot)
			old->snapshots[s] = change->before_snapshot;
	}
	for (unsigned r = 0; r < change->before->outputs_count; r++) {
		if (change->running[r].closed)
			mt_output_destroy(change->running[r].output); /* no worker ever saw it */
	}
}

/* The outputs that made room are opened again. */
static bool fill_room(struct change *change, bool settled)
{
	struct mt_output_notes notes[MT_SNAPSHOT_MAX_OUTPUTS] = {0};
	struct mt_daemon *daemon = change->daemon;
	struct mt_snapshot *snapshot;

	for (unsigned r = 0; r < change->before->outputs_count; r++) {
		if (change->running[r].closed)
			open_again(change, r, change->offered && !settled);
	}
	snapshot = running_snapshot(change, true, notes);
	if (snapshot == NULL) {
		stay_without(change);
		return settled;
	}
	leave_snapshot(change, change->before_snapshot);
	mt_datapath_publish(&daemon->datapath, snapshot);
	settled = settle(change);
	show(daemon, change->before, change->before_policy, snapshot, notes);
	return settled;
}

/* The running configuration is as it was. */
static void take_back(struct change *change)
{
	struct mt_daemon *daemon = change->daemon;
	bool settled = true;

	/* What others see has none of the new outputs, and only such as are still open. */
	if (change->published) {
		mt_datapath_publish(&daemon->datapath, daemon->snapshot);
		settled = settle(change);
	}
	drop_new_outputs(change, settled);
	leave_policy(change, change->policy);
	change->old->config = change->config;
	if (daemon->snapshot != change->before_snapshot)
		settled = fill_room(change, settled);
	clear_up(change, settled);
}

/* --- the new configuration comes into force --- */

/* Sends all frames everywhere, and says so of each frame: for the time between one snapshot whose
 * frames say nothing of their outputs and one that asks them, or the other way round. */
static int publish_between(
	struct change *change, const struct mt_config *config, const struct mt_snapshot *outputs)
{
	const struct mt_policy_spec spec = {
		.outputs_count = config->policy.outputs_count,
		.gaps = config->policy.gaps,
	};
	struct mt_policy *policy = mt_policy_create(&spec, change->error, change->error_size);
	struct mt_snapshot *snapshot;

	if (policy == NULL)
		return -ENOMEM;
	leave_policy(change, policy);
	snapshot = mt_snapshot_make(change->daemon, config, policy);
	if (snapshot == NULL)
		return -ENOMEM;
	leave_snapshot(change, snapshot);
	for (unsigned o = 0; o < outputs->outputs_count; o++)
		mt_snapshot_add_output(snapshot, outputs->outputs[o], outputs->places[o]);
	change->published = true;
	change->offered = outputs != change->daemon->snapshot;
	mt_datapath_publish(&change->daemon->datapath, snapshot);
	return settle(change) ? 0 : -EBUSY;
}

static struct mt_snapshot *new_snapshot(struct change *change, struct mt_output_notes *notes)
{
	struct mt_snapshot *snapshot =
		mt_snapshot_make(change->daemon, change->config, change->policy);

	for (unsigned o = 0; snapshot != NULL && o < change->config->outputs_count; o++) {
		const struct mt_config_output *config = &change->config->outputs[o];
		int r = running_of(change, config->name);

		if (r >= 0)
			notes[o] = change->before_notes[r];
		if (r < 0 || !change->running[r].stays)
			notes[o].told_resets = 0; /* of another device */
		notes[o].required = config->required;
		mt_snapshot_add_output(snapshot, change->outputs[o], config->place);
	}
	return snapshot;
}

/* Sessions have other names, perhaps. Those who have read the old ones keep them. */
static void rename_sessions(struct change *change)
{
	const struct mt_policy_spec *spec = &change->config->policy;

	for (unsigned r = 0; r < change->before->outputs_count; r++) {
		struct mt_output *output = change->running[r].output;
		int rc = 0;

		if (change->running[r].stays && output->ops->rename != NULL)
			rc = output->ops->rename(output, spec->sessions, spec->sessions_count);
		if (rc < 0)
			mt_log(MT_LOG_WARNING,
				"output %s: consumers are told the sessions' old names: %s",
				output->name, strerror(-rc));
	}
}

static int bring_into_force(struct change *change)
{
	struct mt_output_notes notes[MT_SNAPSHOT_MAX_OUTPUTS] = {0};
	struct mt_daemon *daemon = change->daemon;
	struct mt_snapshot *snapshot = new_snapshot(change, notes);
	bool settled;
	int rc = 0;

	if (snapshot == NULL)
		return -ENOMEM;
	if (snapshot->chooses && change->before_policy == NULL)
		rc = publish_between(change, change->before, daemon->snapshot);
	else if (daemon->snapshot->chooses && change->policy == NULL)
		rc = publish_between(change, change->config, snapshot);
	if (rc < 0) {
		leave_snapshot(change, snapshot);
		return rc;
	}
	mt_datapath_publish(&daemon->datapath, snapshot);
	settled = settle(change);
	leave_snapshot(change, change->before_snapshot);
	leave_policy(change, change->before_policy);
	change->old->config = change->before;
	for (unsigned r = 0; r < change->before->outputs_count; r++) {
		if (!change->running[r].stays && change->running[r].output != NULL)
			leave_output(change, change->running[r].output);
	}
	show(daemon, change->config, change->policy, snapshot, notes);
	mt_hooks_start(daemon);
	rename_sessions(change);
	clear_up(change, settled);
	return 0;
}

static int apply(struct change *change)
{
	int rc = open_outputs(change, false);

	if (rc == 0 && any_blocks(change))
		rc = make_room(change);
	if (rc == 0)
		rc = open_outputs(change, true);
	if (rc == 0)
		rc = bring_into_force(change);
	if (rc == 0)
		return 0;
	if (change->error[0] == '\0')
		snprintf(change->error, change->error_size, "%s",
			rc == -EBUSY ? "a worker does not go on, see the log"
				     : "no memory; give EAL more hugepages");
	append(change->error, change->error_size, " (the running configuration stays)");
	take_back(change);
	return rc;
}

static int do_change(struct change *change, bool check, char *text, size_t size)
{
	unsigned before_count;
	int rc = read_file(change);

	if (rc == 0)
		compare_outputs(change);
	if (rc == 0 && check)
		describe(change, text, size);
	if (rc < 0 || check) {
		mt_policy_destroy(change->policy);
		mt_config_free(change->config);
		free(change->old);
		return rc;
	}
	before_count = change->before->outputs_count;
	describe(change, change->summary, sizeof(change->summary));
	rc = apply(change);
	/* `before` may be gone. */
	for (unsigned r = 0; r < before_count; r++)
		free(change->running[r].counts);
	if (rc == 0)
		snprintf(text, size, "%s", change->summary);
	return rc;
}

int mt_change(struct mt_daemon *daemon, bool check, char *text, size_t size)
{
	struct change *change = calloc(1, sizeof(*change)); /* large for a stack */
	int rc = -ENOMEM;

	*text = '\0';
	if (change != NULL)
		change->old = calloc(1, sizeof(*change->old));
	if (change == NULL || change->old == NULL) {
		snprintf(text, size, "no memory; nothing was changed");
		free(change);
		return rc;
	}
	change->daemon = daemon;
	change->error = text;
	change->error_size = size;
	change->before = daemon->config;
	change->before_policy = daemon->policy;
	change->before_snapshot = daemon->snapshot;
	rc = check ? 0 : check_workers(change);
	if (rc == 0)
		rc = do_change(change, check, text, size);
	else
		free(change->old);
	free(change);
	return rc;
}
