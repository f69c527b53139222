/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_change.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "control/config_lines.h"
#include "output/tap.h"
#include "output/vni_map.h"

/* The message as it grows: the first key in whole, of the others where they are. */
struct refusal {
	const char *file;
	char *error;
	size_t size;
	size_t used;
	unsigned count;
};

static void __attribute__((format(printf, 2, 3)))
say(struct refusal *refusal, const char *format, ...)
{
	va_list args;
	int written;

	if (refusal->used >= refusal->size)
		return;
	va_start(args, format);
	written = vsnprintf(
		refusal->error + refusal->used, refusal->size - refusal->used, format, args);
	va_end(args);
	refusal->used += written > 0 ? (size_t)written : 0;
}

static void refuse(struct refusal *refusal, const char *path)
{
	unsigned line = mt_config_lines_find_in_file(refusal->file, path);

	if (refusal->count++ == 0)
		say(refusal,
			"%s:%u: %s can't change while the daemon runs; take it back, or restart "
			"(nothing was changed)",
			refusal->file, line, path);
	else
		say(refusal, "; the same of %s:%u: %s", refusal->file, line, path);
}

static bool same_text(const char *left, const char *right)
{
	if (left == NULL || right == NULL)
		return left == right;
	return strcmp(left, right) == 0;
}

static bool same_list(
	char *const *left, unsigned left_count, char *const *right, unsigned right_count)
{
	if (left_count != right_count)
		return false;
	for (unsigned i = 0; i < left_count; i++) {
		if (strcmp(left[i], right[i]) != 0)
			return false;
	}
	return true;
}

/* A key of one mapping, and whether it is as it was. */
struct key {
	const char *name;
	bool same;
};

static void check_keys(
	struct refusal *refusal, const char *mapping, const struct key *keys, size_t count)
{
	char path[2 * MT_CONFIG_MAX_PATH];

	for (size_t k = 0; k < count; k++) {
		snprintf(path, sizeof(path), "%s.%s", mapping, keys[k].name);
		if (!keys[k].same)
			refuse(refusal, path);
	}
}

static void check_dataplane(struct refusal *refusal, const struct mt_config_dataplane *running,
	const struct mt_config_dataplane *wanted)
{
	const struct key keys[] = {
		{"lcores", same_text(running->lcores, wanted->lcores)},
		{"receive_lcores", same_text(running->receive_lcores, wanted->receive_lcores)},
		{"queue_lcores", same_text(running->queue_lcores, wanted->queue_lcores)},
		{"queues", running->queues == wanted->queues},
		{"idle", running->idle == wanted->idle},
		{"queue_length", running->queue_length == wanted->queue_length},
		{"hash.fields", running->hash.fields == wanted->hash.fields},
		{"hash.include_vni", running->hash.include_vni == wanted->hash.include_vni},
		{"eal",
			same_list(
				running->eal, running->eal_count, wanted->eal, wanted->eal_count)},
	};

	check_keys(refusal, "dataplane", keys, sizeof(keys) / sizeof(*keys));
}

static void check_port(struct refusal *refusal, const struct mt_config_port *running,
	const struct mt_config_port *wanted, unsigned index)
{
	const struct key keys[] = {
		{"name", same_text(running->name, wanted->name)},
		{"device", same_text(running->device, wanted->device)},
		{"host_interface", same_text(running->host_interface, wanted->host_interface)},
		{"host_interface_backend",
			running->host_interface_backend == wanted->host_interface_backend},
		{"host_rate", running->host_rate == wanted->host_rate},
		{"buffer_bytes", running->buffer_bytes == wanted->buffer_bytes},
		{"buffers", running->buffers == wanted->buffers},
		{"descriptors", running->descriptors == wanted->descriptors},
	};
	char path[MT_CONFIG_MAX_PATH];

	snprintf(path, sizeof(path), "ports[%u]", index);
	check_keys(refusal, path, keys, sizeof(keys) / sizeof(*keys));
}

static void check_ports(
	struct refusal *refusal, const struct mt_config *running, const struct mt_config *wanted)
{
	char path[MT_CONFIG_MAX_PATH];

	for (unsigned p = 0; p < running->ports_count && p < wanted->ports_count; p++)
		check_port(refusal, &running->ports[p], &wanted->ports[p], p);
	if (wanted->ports_count < running->ports_count) {
		refuse(refusal, "ports");
	} else if (wanted->ports_count > running->ports_count) {
		snprintf(path, sizeof(path), "ports[%u].name", running->ports_count);
		refuse(refusal, path);
	}
}

/* Segments are held by what was made at the start. */
static void check_reorder(struct refusal *refusal, const struct mt_config_reorder *running,
	const struct mt_config_reorder *wanted)
{
	const struct key keys[] = {
		{"window_us", running->window_us == wanted->window_us},
		{"packets", running->packets == wanted->packets},
	};

	check_keys(refusal, "reorder", keys, sizeof(keys) / sizeof(*keys));
}

static void check_http(struct refusal *refusal, const struct mt_config_http *running,
	const struct mt_config_http *wanted)
{
	const struct key keys[] = {
		{"listen",
			same_list(running->listen, running->listen_count, wanted->listen,
				wanted->listen_count)},
		{"probe_listen",
			same_list(running->probe_listen, running->probe_listen_count,
				wanted->probe_listen, wanted->probe_listen_count)},
		{"control_socket", same_text(running->control_socket, wanted->control_socket)},
	};

	check_keys(refusal, "http", keys, sizeof(keys) / sizeof(*keys));
}

const struct mt_config_output *mt_config_find_output(
	const struct mt_config *config, const char *name)
{
	for (unsigned o = 0; o < config->outputs_count; o++) {
		if (strcmp(config->outputs[o].name, name) == 0)
			return &config->outputs[o];
	}
	return NULL;
}

/* Frames that are on their way know their outputs by places: none may change hands at once. */
static int check_places(const struct mt_config *running, const struct mt_config *wanted,
	char *error, size_t error_size)
{
	for (unsigned o = 0; o < wanted->outputs_count; o++) {
		const struct mt_config_output *output = &wanted->outputs[o];
		char path[MT_CONFIG_MAX_PATH];

		if (mt_config_find_output(running, output->name) != NULL)
			continue;
		for (unsigned r = 0; r < running->outputs_count; r++) {
			if (running->outputs[r].place != output->place)
				continue;
			snprintf(path, sizeof(path), "outputs[%u].name", o);
			snprintf(error, error_size,
				"%s:%u: %s: %s can't take the place of another output at once, "
				"there are %d; reload without that one first",
				wanted->path, mt_config_lines_find_in_file(wanted->path, path),
				path, output->name, MT_MAX_OUTPUTS);
			return -EINVAL;
		}
	}
	return 0;
}

int mt_config_change_check(const struct mt_config *running, const struct mt_config *wanted,
	char *error, size_t error_size)
{
	struct refusal refusal = {.file = wanted->path, .error = error, .size = error_size};

	check_dataplane(&refusal, &running->dataplane, &wanted->dataplane);
	check_ports(&refusal, running, wanted);
	check_reorder(&refusal, &running->reorder, &wanted->reorder);
	check_http(&refusal, &running->http, &wanted->http);
	if (refusal.count > 0)
		return -EINVAL;
	return check_places(running, wanted, error, error_size);
}

int mt_config_change_check_buffers(const struct mt_config *wanted, const struct mt_plan *running,
	const struct mt_plan *plan, char *error, size_t error_size)
{
	for (unsigned p = 0; p < wanted->ports_count; p++) {
		if (plan->ports[p].mbufs <= running->ports[p].mbufs)
			continue;
		snprintf(error, error_size,
			"%s:%u: outputs may hold more frames than port %s has buffers for: %u are "
			"needed, and it was started with %u; shorten outputs[].length, or set "
			"ports[%u].buffers and restart (nothing was changed)",
			wanted->path, mt_config_lines_find_in_file(wanted->path, "outputs"),
			wanted->ports[p].name, plan->ports[p].mbufs, running->ports[p].mbufs, p);
		return -EINVAL;
	}
	return 0;
}

static bool same_vlans(const struct mt_config_output *left, const struct mt_config_output *right)
{
	if (left->vlans_count != right->vlans_count)
		return false;
	for (unsigned v = 0; v < left->vlans_count; v++) {
		if (left->vlans[v].vni != right->vlans[v].vni
			|| left->vlans[v].number != right->vlans[v].number)
			return false;
	}
	return true;
}

static bool same_tap_sessions(
	const struct mt_config_output *left, const struct mt_config_output *right)
{
	if (left->per_session != right->per_session
		|| left->tap_sessions_count != right->tap_sessions_count)
		return false;
	for (unsigned s = 0; s < left->tap_sessions_count; s++) {
		if (left->tap_sessions[s].vni != right->tap_sessions[s].vni
			|| strcmp(left->tap_sessions[s].interface, right->tap_sessions[s].interface)
				!= 0)
			return false;
	}
	return true;
}

bool mt_config_same_output(
	const struct mt_config_output *left, const struct mt_config_output *right)
{
	return strcmp(left->name, right->name) == 0 && left->type == right->type
		&& same_text(left->interface, right->interface)
		&& same_text(left->device, right->device) && left->tx_queues == right->tx_queues
		&& left->mtu == right->mtu && left->length == right->length
		&& left->snap == right->snap && left->mode == right->mode
		&& left->drop_old == right->drop_old && left->keep == right->keep
		&& same_text(left->group, right->group)
		&& same_text(left->directory, right->directory)
		&& left->rotate_bytes == right->rotate_bytes
		&& left->keep_bytes == right->keep_bytes
		&& left->rotate_seconds == right->rotate_seconds
		&& left->keep_files == right->keep_files && same_vlans(left, right)
		&& same_tap_sessions(left, right);
}

static bool same_device(const char *left, const char *right)
{
	size_t length;

	if (left == NULL || right == NULL)
		return false;
	length = strcspn(left, ",");
	return strcspn(right, ",") == length && strncmp(left, right, length) == 0;
}

static bool has_interface(const struct mt_config_output *output, const char *interface)
{
	if (interface == NULL)
		return false;
	if (!output->per_session)
		return same_text(output->interface, interface);
	for (unsigned s = 0; s < output->tap_sessions_count; s++) {
		if (strcmp(output->tap_sessions[s].interface, interface) == 0)
			return true;
	}
	return false;
}

/* Where sessions have interfaces of their own, the key is only a prefix of their names. */
static bool share_interface(
	const struct mt_config_output *left, const struct mt_config_output *right)
{
	if (!left->per_session)
		return has_interface(right, left->interface);
	for (unsigned s = 0; s < left->tap_sessions_count; s++) {
		if (has_interface(right, left->tap_sessions[s].interface))
			return true;
	}
	return false;
}

bool mt_config_outputs_collide(
	const struct mt_config_output *left, const struct mt_config_output *right)
{
	return strcmp(left->name, right->name) == 0 || share_interface(left, right)
		|| same_device(left->device, right->device);
}
