/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/outputs.h"

#include <stdio.h>
#include <string.h>

#include "control/daemon.h"
#include "control/lifecycle.h"
#include "output/ethdev_life.h"

static const struct mt_output_ops *const output_types[] = {
	[MT_OUTPUT_TAP] = &mt_output_tap,
	[MT_OUTPUT_RING] = &mt_output_ring,
	[MT_OUTPUT_PORT] = &mt_output_port,
	[MT_OUTPUT_PCAPNG] = &mt_output_pcapng,
};

/* What capture files call a session: asked by the outputs' threads, at any time. */
static bool describe_session(void *context, uint32_t vni, struct mt_output_session *session)
{
	struct mt_daemon *daemon = context;
	const struct mt_session_spec *spec = NULL;
	bool known;

	mt_daemon_hold(daemon);
	if (daemon->policy != NULL)
		spec = mt_policy_session(daemon->policy, vni);
	known = spec != NULL && spec->name != NULL;
	if (known) {
		snprintf(session->name, sizeof(session->name), "%s", spec->name);
		snprintf(session->description, sizeof(session->description), "%s",
			spec->description != NULL ? spec->description : "");
	}
	mt_daemon_let_go(daemon);
	return known;
}

static struct mt_output *open_as(struct mt_daemon *daemon, const struct mt_output_ops *ops,
	const struct mt_config_output *config, const struct mt_policy_spec *sessions, char *error,
	size_t error_size)
{
	const struct mt_plan *plan = daemon->plan;
	uint16_t queue_worker[MT_MAX_QUEUES];
	int queue_node[MT_MAX_QUEUES];
	struct mt_output_settings settings = {
		.name = config->name,
		.interface = config->interface,
		.device = config->device,
		.tx_queues = config->tx_queues,
		.mtu = config->mtu,
		.length = config->length,
		.snap = config->snap,
		.own_prefix = daemon->eal.own_prefix,
		.copy = config->mode == MT_CONFIG_COPY,
		.drop_old = config->drop_old,
		.keep = config->keep,
		.group = config->group,
		.sessions = sessions != NULL ? sessions->sessions : NULL,
		.sessions_count = sessions != NULL ? sessions->sessions_count : 0,
		.directory = config->directory,
		.rotate_bytes = config->rotate_bytes,
		.keep_bytes = config->keep_bytes,
		.rotate_seconds = config->rotate_seconds,
		.keep_files = config->keep_files,
		.describe = describe_session,
		.describe_context = daemon,
		.queues = plan->queues,
		.queue_worker = queue_worker,
		.queue_node = queue_node,
		.synchronize = mt_lifecycle_synchronize,
		.synchronize_context = daemon,
	};

	for (unsigned q = 0; q < plan->queues; q++) {
		queue_worker[q] = plan->queue_owner[q];
		queue_node[q] = plan->workers[plan->queue_owner[q]].numa_node;
	}
	return mt_output_create(ops, &settings, error, error_size);
}

struct mt_output *mt_outputs_open(struct mt_daemon *daemon, const struct mt_config_output *config,
	const struct mt_policy_spec *sessions, char *error, size_t error_size)
{
	return open_as(daemon, output_types[config->type], config, sessions, error, error_size);
}

struct mt_output *mt_outputs_open_lost(
	struct mt_daemon *daemon, const struct mt_config_output *config)
{
	char error[MT_OUTPUT_MAX_ERROR];

	return open_as(daemon, &mt_output_lost, config, NULL, error, sizeof(error));
}

void mt_outputs_share_error(struct mt_daemon *daemon, unsigned index)
{
	pthread_mutex_lock(&daemon->lock);
	memcpy(daemon->notes[index].error, daemon->snapshot->outputs[index]->error,
		sizeof(daemon->notes[index].error));
	pthread_mutex_unlock(&daemon->lock);
}

/* What became of an output since the last round, whose error is still what others see. */
static void tell_output(struct mt_daemon *daemon, unsigned index)
{
	struct mt_output *output = daemon->snapshot->outputs[index];
	struct mt_output_notes *notes = &daemon->notes[index];
	bool failed = atomic_load_explicit(&output->state, memory_order_relaxed) == MT_OUTPUT_ERROR;
	uint64_t resets = output->life == NULL
		? 0
		: atomic_load_explicit(&output->life->resets, memory_order_relaxed);

	if (resets != notes->told_resets && !notes->told_error)
		mt_log_limited(&notes->told_reset, MT_LOG_WARNING,
			"output %s: its device asked to be reset; it was, and is back",
			output->name);
	if (failed && !notes->told_error)
		mt_log_limited(&notes->told_failed, MT_LOG_ERROR, "output %s: %s", output->name,
			output->error);
	else if (failed && strcmp(output->error, notes->error) != 0)
		mt_log_limited(&notes->told_still, MT_LOG_ERROR, "output %s: %s", output->name,
			output->error);
	if (!failed && notes->told_error)
		mt_log_limited(
			&notes->told_mended, MT_LOG_NOTICE, "output %s: is up again", output->name);
	notes->told_resets = resets;
	notes->told_error = failed;
}

void mt_outputs_maintain(struct mt_daemon *daemon)
{
	for (unsigned o = 0; o < daemon->snapshot->outputs_count; o++) {
		struct mt_output *output = daemon->snapshot->outputs[o];

		if (output->ops->maintain != NULL)
			output->ops->maintain(output);
		tell_output(daemon, o);
		mt_outputs_share_error(daemon, o);
	}
}

void mt_outputs_tell_drops(struct mt_daemon *daemon, const struct mt_ledger *ledger)
{
	for (unsigned o = 0; o < ledger->outputs_count; o++) {
		for (unsigned r = 0; r < MT_OUTPUT_DROP_COUNT; r++) {
			if (ledger->outputs[o].drops[r] == 0 || daemon->notes[o].told_drop[r]
				|| mt_output_drop_is_wanted(r))
				continue;
			daemon->notes[o].told_drop[r] = true;
			mt_log(MT_LOG_WARNING, "output %s is dropping frames, %s: %s",
				ledger->outputs[o].name, mt_output_drop_name(r),
				mt_output_drop_meaning(r));
		}
	}
}
