/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "control/config_dedup.h"
#include "control/config_lines.h"
#include "control/config_pcapng.h"
#include "control/config_policy.h"
#include "control/config_schema.h"
#include "control/config_values.h"

enum {
	DEFAULT_QUEUES = 1,
	DEFAULT_QUEUE_LENGTH = 4096,
	DEFAULT_STALL_SECONDS = 5,
	DEFAULT_HOST_RATE = 50000,
	DEFAULT_DESCRIPTORS = 1024,
	/* Fewer stay in the CPU's cache or run dry in a burst. */
	DEFAULT_BUFFERS = 16383,
	DEFAULT_MTU = 9216, /* the largest frame that AWS mirrors, without its tunnel */
	DEFAULT_RING_LENGTH = 4096,
	VXLAN_PORT = 4789,  /* RFC 7348 section 5 */
	GENEVE_PORT = 6081, /* RFC 8926 section 3.3 */
};

/* The path of one key in list entries, in a buffer of the caller's. */
static const char *path_of(char *buffer, const char *list, unsigned entry, const char *key)
{
	snprintf(buffer, MT_CONFIG_MAX_PATH, "%s[%u]%s%s", list, entry, *key == '\0' ? "" : ".",
		key);
	return buffer;
}

static bool present(struct mt_config_lines *lines, const char *path)
{
	return mt_config_lines_node(lines, path) != NULL;
}

static int fill_udp_ports(struct mt_config_lines *lines, const char *path, uint16_t number,
	uint16_t **ports, unsigned *count)
{
	/* An empty list says that there are none. */
	if (present(lines, path))
		return 0;
	*ports = malloc(sizeof(**ports));
	if (*ports == NULL)
		return -ENOMEM;
	(*ports)[0] = number;
	*count = 1;
	return 0;
}

static int fill_text(char **text, const char *value)
{
	if (*text == NULL)
		*text = strdup(value);
	return *text == NULL ? -ENOMEM : 0;
}

/* 0 is outside the range of each number, so it stands for an absent key. */
static void fill_number(uint32_t *number, uint32_t value)
{
	if (*number == 0)
		*number = value;
}

static int fill_output(struct mt_config_output *output)
{
	if (output->type == MT_OUTPUT_RING)
		fill_number(&output->length, DEFAULT_RING_LENGTH);
	if (output->type != MT_OUTPUT_TAP)
		return 0;
	fill_number(&output->mtu, DEFAULT_MTU);
	return fill_text(&output->interface, output->name);
}

static int fill_defaults(struct mt_config_lines *lines, struct mt_config *config)
{
	struct mt_config_tunnels *tunnels = &config->tunnels;
	int result = fill_text(&config->path, lines->file);

	fill_number(&config->dataplane.queues, DEFAULT_QUEUES);
	fill_number(&config->dataplane.queue_length, DEFAULT_QUEUE_LENGTH);
	fill_number(&config->health.stall_seconds, DEFAULT_STALL_SECONDS);
	for (unsigned i = 0; i < config->ports_count; i++) {
		fill_number(&config->ports[i].buffers, DEFAULT_BUFFERS);
		fill_number(&config->ports[i].descriptors, DEFAULT_DESCRIPTORS);
		fill_number(&config->ports[i].host_rate, DEFAULT_HOST_RATE);
	}
	for (unsigned i = 0; i < config->outputs_count && result == 0; i++)
		result = fill_output(&config->outputs[i]);
	if (result == 0)
		result = fill_udp_ports(lines, "tunnels.vxlan_ports", VXLAN_PORT,
			&tunnels->vxlan_ports, &tunnels->vxlan_ports_count);
	if (result == 0)
		result = fill_udp_ports(lines, "tunnels.geneve_ports", GENEVE_PORT,
			&tunnels->geneve_ports, &tunnels->geneve_ports_count);
	if (result == 0)
		result = fill_text(&config->http.control_socket, MT_DEFAULT_SOCKET);
	if (result < 0)
		snprintf(lines->error, lines->error_size, "%s: out of memory", lines->file);
	return result;
}

static int check_name(struct mt_config_lines *lines, const char *path, const char *name)
{
	size_t length = strspn(name,
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789_-");

	if (length == 0 || length > MT_MAX_NAME || name[length] != '\0')
		return mt_config_lines_refuse(lines, path, "\"%.60s\" is not a name; allowed: %s",
			name, mt_config_schema_help(path));
	return 0;
}

/* What the kernel takes: dev_valid_name() in its net/core/dev.c. */
static int check_interface(struct mt_config_lines *lines, const char *path, const char *name)
{
	size_t length = strlen(name);
	bool valid = length >= 1 && length <= MT_MAX_NAME && strcmp(name, ".") != 0
		&& strcmp(name, "..") != 0;

	for (size_t i = 0; i < length; i++)
		valid = valid && name[i] != '/' && name[i] != ':'
			&& !isspace((unsigned char)name[i]) && isprint((unsigned char)name[i]);
	if (!valid)
		return mt_config_lines_refuse(lines, path,
			"\"%.60s\" cannot name an interface; allowed: 1 to 15 characters without "
			"'/', ':' and blanks, not '.' or '..'",
			name);
	return 0;
}

/* A name that must be told apart from all before it. */
struct taken {
	const char *text;
	size_t length;
	char where[MT_CONFIG_MAX_PATH];
};

struct taken_list {
	struct taken list[MT_MAX_PORTS + MT_MAX_OUTPUTS];
	unsigned count;
};

static int take(struct mt_config_lines *lines, struct taken_list *taken, const char *path,
	const char *text, size_t length)
{
	struct taken *new = &taken->list[taken->count++];

	for (struct taken *old = taken->list; old < new; old++)
		if (old->length == length && memcmp(old->text, text, length) == 0)
			return mt_config_lines_refuse(lines, path,
				"\"%.*s\" is taken by %s; each needs its own", (int)length, text,
				old->where);
	*new = (struct taken){.text = text, .length = length};
	snprintf(new->where, sizeof(new->where), "%s", path);
	return 0;
}

/* One device can be opened once, whatever its arguments. "0000:00:06.0" and "00:06.0" are one. */
static int take_device(struct mt_config_lines *lines, struct taken_list *taken, const char *path,
	const char *device)
{
	size_t length = strcspn(device, ",");

	if (length == 0 || isblank((unsigned char)device[0]))
		return mt_config_lines_refuse(lines, path, "\"%.60s\" is no device; allowed: %s",
			device, mt_config_schema_help(path));
	if (strncmp(device, "0000:", 5) == 0) {
		device += 5;
		length -= 5;
	}
	return take(lines, taken, path, device, length);
}

struct all_taken {
	struct taken_list names, interfaces, devices;
};

static int check_port(struct mt_config_lines *lines, const struct mt_config_port *port,
	unsigned index, struct all_taken *taken)
{
	char path[MT_CONFIG_MAX_PATH];
	int result;

	path_of(path, "ports", index, "name");
	result = check_name(lines, path, port->name);
	if (result == 0)
		result = take(lines, &taken->names, path, port->name, strlen(port->name));
	if (result == 0)
		result = take_device(lines, &taken->devices,
			path_of(path, "ports", index, "device"), port->device);
	if (result == 0 && port->host_interface != NULL) {
		path_of(path, "ports", index, "host_interface");
		result = check_interface(lines, path, port->host_interface);
		if (result == 0)
			result = take(lines, &taken->interfaces, path, port->host_interface,
				strlen(port->host_interface));
	}
	return result;
}

/* Keys that only some output types have. */
static int check_output_keys(
	struct mt_config_lines *lines, const struct mt_config_output *output, unsigned index)
{
	static const struct {
		const char *name;
		const char *keys;
	} types[] = {
		[MT_OUTPUT_TAP] = {"tap",
			"name, type, required, interface, mtu, filter, sample, sample_by"},
		[MT_OUTPUT_RING] = {"ring",
			"name, type, required, length, mode, snap, when_full, when_absent, group, "
			"filter, sample, sample_by"},
		[MT_OUTPUT_PORT] = {"port",
			"name, type, required, device, tx_queues, filter, sample, sample_by"},
		[MT_OUTPUT_PCAPNG] = {"pcapng",
			"name, type, required, directory, rotate_bytes, rotate_seconds, "
			"keep_files, keep_bytes, snap, length, filter, sample, sample_by"},
	};
	static const struct {
		const char *key;
		unsigned types; /* bits */
	} owners[] = {
		{"interface", 1 << MT_OUTPUT_TAP},
		{"mtu", 1 << MT_OUTPUT_TAP},
		{"device", 1 << MT_OUTPUT_PORT},
		{"tx_queues", 1 << MT_OUTPUT_PORT},
		{"length", 1 << MT_OUTPUT_RING | 1 << MT_OUTPUT_PCAPNG},
		{"snap", 1 << MT_OUTPUT_RING | 1 << MT_OUTPUT_PCAPNG},
		{"mode", 1 << MT_OUTPUT_RING},
		{"when_full", 1 << MT_OUTPUT_RING},
		{"when_absent", 1 << MT_OUTPUT_RING},
		{"group", 1 << MT_OUTPUT_RING},
		{"directory", 1 << MT_OUTPUT_PCAPNG},
		{"rotate_bytes", 1 << MT_OUTPUT_PCAPNG},
		{"rotate_seconds", 1 << MT_OUTPUT_PCAPNG},
		{"keep_files", 1 << MT_OUTPUT_PCAPNG},
		{"keep_bytes", 1 << MT_OUTPUT_PCAPNG},
	};
	char path[MT_CONFIG_MAX_PATH];

	for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
		if ((owners[i].types >> output->type & 1) != 0
			|| !present(lines, path_of(path, "outputs", index, owners[i].key)))
			continue;
		return mt_config_lines_refuse(lines, path,
			"does not belong to an output of type %s; allowed with it: %s",
			types[output->type].name, types[output->type].keys);
	}
	if (output->type == MT_OUTPUT_PORT && output->device == NULL) {
		path_of(path, "outputs", index, "device");
		return mt_config_lines_refuse(
			lines, path, "is missing: %s", mt_config_schema_help(path));
	}
	return 0;
}

static int check_output(struct mt_config_lines *lines, struct mt_config_output *output,
	unsigned index, struct all_taken *taken)
{
	char path[MT_CONFIG_MAX_PATH];
	int result;

	path_of(path, "outputs", index, "name");
	result = check_name(lines, path, output->name);
	if (result == 0)
		result = take(lines, &taken->names, path, output->name, strlen(output->name));
	if (result == 0)
		result = check_output_keys(lines, output, index);
	if (result == 0 && output->type == MT_OUTPUT_PCAPNG)
		result = mt_config_pcapng(lines, output, index);
	if (result == 0 && output->type == MT_OUTPUT_PORT)
		result = take_device(lines, &taken->devices,
			path_of(path, "outputs", index, "device"), output->device);
	if (result == 0 && output->type == MT_OUTPUT_TAP) {
		path_of(path, "outputs", index, "interface");
		result = check_interface(lines, path, output->interface);
		if (result == 0)
			result = take(lines, &taken->interfaces, path, output->interface,
				strlen(output->interface));
	}
	return result;
}

static int check_ports_and_outputs(struct mt_config_lines *lines, const struct mt_config *config)
{
	struct all_taken taken = {0};
	int result = 0;

	for (unsigned i = 0; i < config->ports_count && result == 0; i++)
		result = check_port(lines, &config->ports[i], i, &taken);
	/* A port and an output may have the same name: metrics tell them apart by label. */
	taken.names.count = 0;
	for (unsigned i = 0; i < config->outputs_count && result == 0; i++)
		result = check_output(lines, &config->outputs[i], i, &taken);
	return result;
}

/* A UDP port that carried both would need a guess for each packet. */
static int check_tunnels(struct mt_config_lines *lines, const struct mt_config_tunnels *tunnels)
{
	static const char *const lists[] = {"tunnels.vxlan_ports", "tunnels.geneve_ports"};
	unsigned vxlan_count = tunnels->vxlan_ports_count;
	unsigned count = vxlan_count + tunnels->geneve_ports_count;
	uint16_t ports[2 * MT_MAX_TUNNEL_PORTS];
	char path[MT_CONFIG_MAX_PATH], other[MT_CONFIG_MAX_PATH];

	if (count == 0)
		return mt_config_lines_refuse(lines, "tunnels",
			"names no UDP port; at least one is needed in vxlan_ports or geneve_ports");
	for (unsigned i = 0; i < count; i++) {
		bool geneve = i >= vxlan_count;

		ports[i] =
			geneve ? tunnels->geneve_ports[i - vxlan_count] : tunnels->vxlan_ports[i];
		path_of(path, lists[geneve], geneve ? i - vxlan_count : i, "");
		for (unsigned j = 0; j < i; j++) {
			bool other_geneve = j >= vxlan_count;

			if (ports[j] != ports[i])
				continue;
			path_of(other, lists[other_geneve], other_geneve ? j - vxlan_count : j, "");
			return mt_config_lines_refuse(lines, path,
				"%u is taken by %s; a UDP port carries one tunnel", ports[i],
				other);
		}
	}
	return 0;
}

/* "127.0.0.1:8080" or "[::1]:8080". */
static bool is_listen_address(const char *text)
{
	const char *colon = strrchr(text, ':');
	bool bracketed = *text == '[';
	char address[INET6_ADDRSTRLEN];
	struct in6_addr parsed;
	size_t length, digits;
	unsigned long port;

	if (colon == NULL)
		return false;
	length = colon - text;
	digits = strspn(colon + 1, "0123456789");
	port = strtoul(colon + 1, NULL, 10);
	if (digits == 0 || digits > 5 || colon[1 + digits] != '\0' || port < 1 || port > 65535)
		return false;
	if (bracketed && (length < 2 || text[length - 1] != ']'))
		return false;
	text += bracketed;
	length -= bracketed ? 2 : 0;
	if (length >= sizeof(address))
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	return inet_pton(bracketed ? AF_INET6 : AF_INET, address, &parsed) == 1;
}

static int check_addresses(
	struct mt_config_lines *lines, const char *list, char *const *addresses, unsigned count)
{
	char path[MT_CONFIG_MAX_PATH];

	for (unsigned i = 0; i < count; i++)
		if (!is_listen_address(addresses[i]))
			return mt_config_lines_refuse(lines, path_of(path, list, i, ""),
				"\"%.60s\" is not ADDRESS:PORT; allowed: e.g. 127.0.0.1:8080 or "
				"[::1]:8080",
				addresses[i]);
	return 0;
}

/* An address in both lists would be open whatever health says. */
static int check_probes(struct mt_config_lines *lines, const struct mt_config_http *http)
{
	char path[MT_CONFIG_MAX_PATH];

	for (unsigned i = 0; i < http->probe_listen_count; i++) {
		for (unsigned j = 0; j < i; j++)
			if (strcmp(http->probe_listen[i], http->probe_listen[j]) == 0)
				return mt_config_lines_refuse(lines,
					path_of(path, "http.probe_listen", i, ""),
					"%s is in http.probe_listen twice; name it once",
					http->probe_listen[i]);
		for (unsigned j = 0; j < http->listen_count; j++)
			if (strcmp(http->probe_listen[i], http->listen[j]) == 0)
				return mt_config_lines_refuse(lines,
					path_of(path, "http.probe_listen", i, ""),
					"%s is in http.listen too, which never closes; name each "
					"address in one of them",
					http->probe_listen[i]);
	}
	return 0;
}

static int check_http(struct mt_config_lines *lines, const struct mt_config_http *http)
{
	static const char socket_path[] = "http.control_socket";
	const size_t longest = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
	int result = check_addresses(lines, "http.listen", http->listen, http->listen_count);

	if (result == 0)
		result = check_addresses(
			lines, "http.probe_listen", http->probe_listen, http->probe_listen_count);
	if (result == 0)
		result = check_probes(lines, http);
	if (result < 0)
		return result;
	if (http->control_socket[0] != '/')
		return mt_config_lines_refuse(lines, socket_path,
			"\"%.60s\" is not an absolute path; allowed: e.g. " MT_DEFAULT_SOCKET,
			http->control_socket);
	if (strlen(http->control_socket) > longest)
		return mt_config_lines_refuse(lines, socket_path,
			"is %zu bytes long; a socket's path has at most %zu",
			strlen(http->control_socket), longest);
	return 0;
}

static const struct mt_config_output *find_output(const struct mt_config *config, const char *name)
{
	for (unsigned o = 0; config != NULL && o < config->outputs_count; o++) {
		if (strcmp(config->outputs[o].name, name) == 0)
			return &config->outputs[o];
	}
	return NULL;
}

/* The lowest place that is free in both sets; where there is none, in the first. */
static unsigned free_place(uint32_t taken, uint32_t better_not)
{
	static_assert((int)MT_MAX_OUTPUTS < 32, "one place is always free for an output");
	unsigned place = (unsigned)__builtin_ctz(~(taken | better_not));

	return place < MT_MAX_OUTPUTS ? place : (unsigned)__builtin_ctz(~taken);
}

static void place_outputs(struct mt_config *config, const struct mt_config *running)
{
	uint32_t taken = 0, before = 0;

	for (unsigned o = 0; running != NULL && o < running->outputs_count; o++)
		before |= UINT32_C(1) << running->outputs[o].place;
	for (unsigned o = 0; o < config->outputs_count; o++) {
		const struct mt_config_output *same = find_output(running, config->outputs[o].name);

		if (same == NULL)
			continue;
		config->outputs[o].place = same->place;
		taken |= UINT32_C(1) << same->place;
	}
	for (unsigned o = 0; o < config->outputs_count; o++) {
		if (find_output(running, config->outputs[o].name) != NULL)
			continue;
		config->outputs[o].place = free_place(taken, before);
		taken |= UINT32_C(1) << config->outputs[o].place;
	}
}

static int load(struct mt_config_lines *lines, const char *text, size_t length,
	const struct mt_config *running, struct mt_config **config)
{
	struct mt_config_file *file;
	int result = mt_config_values_load(lines, text, length, &file);

	if (result < 0)
		return result;
	result = fill_defaults(lines, &file->config);
	if (result == 0)
		result = check_ports_and_outputs(lines, &file->config);
	if (result == 0)
		result = check_tunnels(lines, &file->config.tunnels);
	if (result == 0)
		result = check_http(lines, &file->config.http);
	if (result == 0) {
		place_outputs(&file->config, running);
		result = mt_config_policy(lines, &file->config);
	}
	if (result == 0)
		result = mt_config_dedup(lines, &file->config);
	if (result < 0)
		mt_config_free(&file->config);
	else
		*config = &file->config;
	return result;
}

int mt_config_load(const char *path, struct mt_config **config, char *error, size_t error_size)
{
	return mt_config_load_again(path, NULL, config, error, error_size);
}

int mt_config_load_again(const char *path, const struct mt_config *running,
	struct mt_config **config, char *error, size_t error_size)
{
	struct mt_config_lines lines;
	size_t length;
	char *text;
	int result = mt_config_lines_read(path, &text, &length, error, error_size);

	if (result < 0)
		return result;
	result = mt_config_lines_open(&lines, path, text, length, error, error_size);
	if (result == 0) {
		result = load(&lines, text, length, running, config);
		mt_config_lines_close(&lines);
	}
	free(text);
	return result;
}

void mt_config_free(struct mt_config *config)
{
	if (config == NULL)
		return;
	free(config->path);
	mt_config_memory_free(config->memory);
	/* The configuration is the first member of what libcyaml allocated. */
	mt_config_values_free((struct mt_config_file *)config);
}

void mt_config_tunnels(const struct mt_config *config, struct mt_tunnels *tunnels)
{
	*tunnels = (struct mt_tunnels){
		.vxlan_count = config->tunnels.vxlan_ports_count,
		.geneve_count = config->tunnels.geneve_ports_count,
		.hash = mt_hash_configure(
			config->dataplane.hash.fields, config->dataplane.hash.include_vni),
	};
	for (unsigned i = 0; i < tunnels->vxlan_count; i++)
		tunnels->vxlan_ports[i] = htons(config->tunnels.vxlan_ports[i]);
	for (unsigned i = 0; i < tunnels->geneve_count; i++)
		tunnels->geneve_ports[i] = htons(config->tunnels.geneve_ports[i]);
}
