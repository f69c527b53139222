/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_import.h"

#include <errno.h>
#include <glob.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

enum {
	MAX_FILES = 1000,
	MAX_FILE_BYTES = 128 << 20, /* ten thousand network interfaces take a fifth of it */
	MAX_WHERE = 160,
	LEAST_TRUNCATE = 14,
	DNS_PORT = 53,
	DNS_RULES = 4, /* UDP and TCP, to and from the port */
};

static const char KEY[] = "sessions.import";
static const char SESSIONS[] = "TrafficMirrorSessions";
static const char FILTERS[] = "TrafficMirrorFilters";
static const char INTERFACES[] = "NetworkInterfaces";

struct file {
	char *path;
	json_t *root;
};

struct mt_config_import {
	struct mt_config_lines *lines;
	struct mt_config *config;
	struct file *files;
	unsigned files_count;
	json_t *interfaces; /* address by id; NULL: no file has any */
	bool have_filters;
	unsigned filters_count;
	unsigned sessions_count;
};

/* --- messages --- */

/* Where in which file; `path` is cut where it is too long for a message. */
struct where {
	struct mt_config_import *import;
	const char *file;
	char path[MAX_WHERE];
};

__attribute__((format(printf, 2, 3))) static int refuse(
	const struct where *where, const char *format, ...)
{
	char what[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	return mt_config_lines_refuse(where->import->lines, KEY, "%s: %s%s%s", where->file,
		where->path, where->path[0] == '\0' ? "" : ": ", what);
}

static int out_of_memory(struct mt_config_import *import)
{
	mt_config_lines_refuse(import->lines, KEY, "out of memory");
	return -ENOMEM;
}

/* One step into an object. */
static struct where at_key(const struct where *where, const char *key)
{
	struct where child = *where;

	snprintf(child.path, sizeof(child.path), "%.100s%s%s", where->path,
		where->path[0] == '\0' ? "" : ".", key);
	return child;
}

static struct where at_index(const struct where *where, const char *key, size_t index)
{
	struct where child = at_key(where, key);
	size_t used = strlen(child.path);

	snprintf(child.path + used, sizeof(child.path) - used, "[%zu]", index);
	return child;
}

/* --- members, checked --- */

/* An object's member, NULL where it is absent (or null) and need not be there. */
static int get(const struct where *where, const json_t *object, const char *key, int type,
	bool needed, const char *wanted, const json_t **member)
{
	struct where child = at_key(where, key);

	*member = json_object_get(object, key);
	if (*member == NULL || json_is_null(*member)) {
		*member = NULL;
		return needed ? refuse(&child, "is missing; needed: %s", wanted) : 0;
	}
	if ((int)json_typeof(*member) != type)
		return refuse(&child, "is not %s", wanted);
	return 0;
}

static int get_text(const struct where *where, const json_t *object, const char *key, bool needed,
	const char **text)
{
	const json_t *member;
	int result = get(where, object, key, JSON_STRING, needed, "text", &member);

	*text = member != NULL ? json_string_value(member) : NULL;
	return result;
}

static int get_number(const struct where *where, const json_t *object, const char *key,
	int64_t maximum, int64_t *number)
{
	const json_t *member;
	int result = get(where, object, key, JSON_INTEGER, *number < 0, "a number", &member);
	struct where child = at_key(where, key);

	if (result < 0 || member == NULL)
		return result;
	*number = json_integer_value(member);
	if (*number < 0 || *number > maximum)
		return refuse(&child, "%lld is not a number from 0 to %lld", (long long)*number,
			(long long)maximum);
	return 0;
}

/* Text that lives as long as the configuration. Control characters of tags are not let through to
 * terminals. NULL: out of memory. */
static const char *keep_text(struct mt_config_import *import, const char *text)
{
	char *kept = mt_config_keep(import->config, strlen(text) + 1);

	for (size_t i = 0; kept != NULL && text[i] != '\0'; i++)
		kept[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
	return kept;
}

/* --- files --- */

static int load_file(struct mt_config_import *import, const char *path)
{
	struct file *file = &import->files[import->files_count];
	struct where where = {.import = import, .file = path};
	struct stat status;
	json_error_t error;

	if (stat(path, &status) < 0)
		return refuse(&where, "%s; name files that can be read", strerror(errno));
	if (!S_ISREG(status.st_mode) || status.st_size > MAX_FILE_BYTES)
		return refuse(&where, "is not a regular file of at most 128 MiB");
	file->root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (file->root == NULL)
		return refuse(&where, "line %d: is not JSON: %s", error.line, error.text);
	file->path = strdup(path);
	import->files_count++;
	return file->path == NULL ? out_of_memory(import) : 0;
}

/* A folder stands for the *.json in it; a relative path begins at the configuration's folder. */
static char *make_pattern(const char *configuration, const char *path)
{
	const char *slash = strrchr(configuration, '/');
	int folder = path[0] == '/' || slash == NULL ? 0 : (int)(slash + 1 - configuration);
	struct stat status;
	char *pattern, *files;

	if (asprintf(&pattern, "%.*s%s", folder, configuration, path) < 0)
		return NULL;
	if (stat(pattern, &status) < 0 || !S_ISDIR(status.st_mode))
		return pattern;
	if (asprintf(&files, "%s/*.json", pattern) < 0)
		files = NULL;
	free(pattern);
	return files;
}

static int load_files(struct mt_config_import *import, const char *path)
{
	char *pattern = make_pattern(import->lines->file, path);
	glob_t found = {0};
	int result = 0;

	if (pattern == NULL)
		return out_of_memory(import);
	if (glob(pattern, GLOB_NOCHECK | GLOB_ERR, NULL, &found) != 0 || found.gl_pathc == 0)
		result = mt_config_lines_refuse(
			import->lines, KEY, "\"%.200s\" cannot be read", pattern);
	else if (found.gl_pathc > MAX_FILES)
		result = mt_config_lines_refuse(import->lines, KEY,
			"\"%.200s\" means %zu files; at most %d are allowed", pattern,
			found.gl_pathc, MAX_FILES);
	else if ((import->files = calloc(found.gl_pathc, sizeof(*import->files))) == NULL)
		result = out_of_memory(import);
	for (size_t i = 0; result == 0 && i < found.gl_pathc; i++)
		result = load_file(import, found.gl_pathv[i]);
	globfree(&found);
	free(pattern);
	return result;
}

/* The list `key` of a file, or NULL. Its entries are objects. */
static int get_list(
	const struct where *where, const json_t *root, const char *key, const json_t **list)
{
	int result = get(where, root, key, JSON_ARRAY, false, "a list", list);

	for (size_t i = 0; result == 0 && i < json_array_size(*list); i++) {
		struct where entry = at_index(where, key, i);

		if (!json_is_object(json_array_get(*list, i)))
			result = refuse(&entry, "is not an object");
	}
	return result;
}

static int read_interface(
	struct mt_config_import *import, const struct where *where, const json_t *object)
{
	const char *id, *address;
	int result = get_text(where, object, "NetworkInterfaceId", true, &id);

	if (result == 0)
		result = get_text(where, object, "PrivateIpAddress", true, &address);
	if (result == 0 && json_object_set_new(import->interfaces, id, json_string(address)) < 0)
		result = out_of_memory(import);
	return result;
}

static int read_interfaces(
	struct mt_config_import *import, const struct where *where, const json_t *list)
{
	int result = 0;

	if (import->interfaces == NULL)
		import->interfaces = json_object();
	for (size_t i = 0; result == 0 && i < json_array_size(list); i++) {
		struct where entry = at_index(where, INTERFACES, i);

		result = read_interface(import, &entry, json_array_get(list, i));
	}
	return result;
}

/* What a file holds, checked as far as lists go; counts it. */
static int survey(struct mt_config_import *import, const struct file *file)
{
	struct where where = {.import = import, .file = file->path};
	const json_t *sessions = NULL, *filters = NULL, *interfaces = NULL, *token = NULL;
	int result;

	if (!json_is_object(file->root))
		return refuse(&where, "is not an object as the AWS command line prints it");
	result = get_list(&where, file->root, SESSIONS, &sessions);
	if (result == 0)
		result = get_list(&where, file->root, FILTERS, &filters);
	if (result == 0)
		result = get_list(&where, file->root, INTERFACES, &interfaces);
	if (result < 0)
		return result;
	if (sessions == NULL && filters == NULL && interfaces == NULL)
		return refuse(&where, "holds none of %s, %s, %s", SESSIONS, FILTERS, INTERFACES);
	token = json_object_get(file->root, "NextToken");
	if (json_is_string(token) && json_string_length(token) > 0)
		return refuse(&where,
			"NextToken: the list goes on elsewhere; ask without --max-items and "
			"--no-paginate");
	import->sessions_count += json_array_size(sessions);
	import->filters_count += json_array_size(filters);
	import->have_filters |= filters != NULL;
	return interfaces != NULL ? read_interfaces(import, &where, interfaces) : 0;
}

int mt_config_import_open(
	struct mt_config_lines *lines, struct mt_config *config, struct mt_config_import **import)
{
	struct mt_config_import *made = calloc(1, sizeof(*made));
	int result = 0;

	*import = made;
	if (made == NULL)
		return -ENOMEM;
	made->lines = lines;
	made->config = config;
	if (config->sessions.import != NULL)
		result = load_files(made, config->sessions.import);
	for (unsigned f = 0; result == 0 && f < made->files_count; f++)
		result = survey(made, &made->files[f]);
	return result;
}

void mt_config_import_close(struct mt_config_import *import)
{
	if (import == NULL)
		return;
	for (unsigned f = 0; f < import->files_count; f++) {
		json_decref(import->files[f].root);
		free(import->files[f].path);
	}
	json_decref(import->interfaces);
	free(import->files);
	free(import);
}

unsigned mt_config_import_filters_count(const struct mt_config_import *import)
{
	return import->filters_count;
}

unsigned mt_config_import_sessions_count(const struct mt_config_import *import)
{
	return import->sessions_count;
}

/* Runs `read` on each entry of the lists `key` in all files. */
typedef int read_entry(struct mt_config_import *import, const struct where *where,
	const json_t *object, void *context);

static int for_each(
	struct mt_config_import *import, const char *key, read_entry *read, void *context)
{
	for (unsigned f = 0; f < import->files_count; f++) {
		struct where where = {.import = import, .file = import->files[f].path};
		const json_t *list = json_object_get(import->files[f].root, key);

		for (size_t i = 0; i < json_array_size(list); i++) {
			struct where entry = at_index(&where, key, i);
			int result = read(import, &entry, json_array_get(list, i), context);

			if (result < 0)
				return result;
		}
	}
	return 0;
}

/* --- filters --- */

static int read_ports(const struct where *where, const json_t *object, const char *key,
	struct mt_port_range *ports)
{
	struct where child = at_key(where, key);
	int64_t first = -1, last = -1;
	const json_t *range;
	int result = get(where, object, key, JSON_OBJECT, false, "an object", &range);

	*ports = MT_ALL_PORTS;
	if (result < 0 || range == NULL)
		return result;
	result = get_number(&child, range, "FromPort", UINT16_MAX, &first);
	if (result == 0)
		result = get_number(&child, range, "ToPort", UINT16_MAX, &last);
	if (result == 0 && last < first)
		result = refuse(&child, "ToPort is smaller than FromPort");
	if (result == 0)
		*ports = (struct mt_port_range){(uint16_t)first, (uint16_t)last};
	return result;
}

static int read_cidr(
	const struct where *where, const json_t *object, const char *key, struct mt_cidr *cidr)
{
	struct where child = at_key(where, key);
	const char *text;
	int result = get_text(where, object, key, false, &text);

	if (result == 0 && text != NULL && !mt_config_cidr(text, cidr))
		return refuse(&child, "\"%.60s\" is no CIDR", text);
	return result;
}

static int read_action(const struct where *where, const json_t *object, struct mt_rule *rule)
{
	struct where child = at_key(where, "RuleAction");
	const char *text;
	int result = get_text(where, object, "RuleAction", true, &text);

	if (result < 0)
		return result;
	rule->accept = strcmp(text, "accept") == 0;
	if (!rule->accept && strcmp(text, "reject") != 0)
		return refuse(&child, "\"%.60s\" is neither accept nor reject", text);
	return 0;
}

/* AWS has applied the filter already. Where the direction of a frame cannot be known here, rules
 * that accept match and rules that reject do not, so that nothing is lost of what it let pass. */
static void set_direction(struct mt_rule *rule, bool egress)
{
	rule->direction_first = egress ? MT_DIRECTION_EGRESS : MT_DIRECTION_INGRESS;
	rule->direction_last = rule->direction_first;
	if (rule->accept && egress)
		rule->direction_first = MT_DIRECTION_UNKNOWN;
	else if (rule->accept)
		rule->direction_last = MT_DIRECTION_UNKNOWN;
}

static int read_rule(
	const struct where *where, const json_t *object, bool egress, struct mt_rule *rule)
{
	int64_t number = -1;
	int64_t protocol = 256; /* absent: all */
	int result;

	*rule = (struct mt_rule){.vlan = -1, .icmp_type = -1};
	result = get_number(where, object, "RuleNumber", INT32_MAX, &number);
	if (result == 0)
		result = get_number(where, object, "Protocol", UINT8_MAX, &protocol);
	if (result == 0)
		result = read_action(where, object, rule);
	if (result == 0)
		result = read_ports(where, object, "SourcePortRange", &rule->source_ports);
	if (result == 0)
		result =
			read_ports(where, object, "DestinationPortRange", &rule->destination_ports);
	if (result == 0)
		result = read_cidr(where, object, "SourceCidrBlock", &rule->source);
	if (result == 0)
		result = read_cidr(where, object, "DestinationCidrBlock", &rule->destination);
	rule->number = (uint32_t)number;
	rule->protocol = protocol > UINT8_MAX ? -1 : (int16_t)protocol;
	set_direction(rule, egress);
	return result;
}

static int read_rules(const struct where *where, const json_t *object, const char *key, bool egress,
	struct mt_rule *rules, unsigned *count)
{
	const json_t *list = json_object_get(object, key);
	int result = 0;

	for (size_t i = 0; result == 0 && i < json_array_size(list); i++) {
		struct where entry = at_index(where, key, i);

		result = read_rule(&entry, json_array_get(list, i), egress, &rules[*count]);
		++*count;
	}
	return result;
}

/* With the network service amazon-dns AWS mirrors DNS whatever the rules say. */
static void add_dns(struct mt_rule *rules, unsigned *count)
{
	static const struct mt_port_range dns = {DNS_PORT, DNS_PORT};

	for (unsigned i = 0; i < DNS_RULES; i++)
		rules[(*count)++] = (struct mt_rule){
			.direction_first = MT_DIRECTION_INGRESS,
			.direction_last = MT_DIRECTION_EGRESS,
			.accept = true,
			.protocol = i / 2 == 0 ? IPPROTO_UDP : IPPROTO_TCP,
			.vlan = -1,
			.icmp_type = -1,
			.source_ports = i % 2 == 0 ? MT_ALL_PORTS : dns,
			.destination_ports = i % 2 == 0 ? dns : MT_ALL_PORTS,
		};
}

static bool has_dns(const json_t *object)
{
	const json_t *services = json_object_get(object, "NetworkServices");

	for (size_t i = 0; i < json_array_size(services); i++) {
		const char *name = json_string_value(json_array_get(services, i));

		if (name != NULL && strcmp(name, "amazon-dns") == 0)
			return true;
	}
	return false;
}

struct filters {
	struct mt_filter *list;
	unsigned count;
};

static const struct mt_filter *find_filter(
	const struct mt_filter *filters, unsigned count, const char *name)
{
	for (unsigned f = 0; f < count; f++) {
		if (strcmp(filters[f].name, name) == 0)
			return &filters[f];
	}
	return NULL;
}

static int read_filter(struct mt_config_import *import, const struct where *where,
	const json_t *object, void *context)
{
	struct filters *filters = context;
	const json_t *ingress, *egress;
	struct mt_rule *rules;
	unsigned count = 0;
	const char *id;
	int result = get_text(where, object, "TrafficMirrorFilterId", true, &id);

	if (result == 0)
		result = get_list(where, object, "IngressFilterRules", &ingress);
	if (result == 0)
		result = get_list(where, object, "EgressFilterRules", &egress);
	if (result < 0 || find_filter(filters->list, filters->count, id) != NULL)
		return result;
	rules = mt_config_keep(import->config,
		sizeof(*rules) * (json_array_size(ingress) + json_array_size(egress) + DNS_RULES));
	id = keep_text(import, id);
	if (rules == NULL || id == NULL)
		return out_of_memory(import);
	if (has_dns(object))
		add_dns(rules, &count);
	result = read_rules(where, object, "IngressFilterRules", false, rules, &count);
	if (result == 0)
		result = read_rules(where, object, "EgressFilterRules", true, rules, &count);
	filters->list[filters->count++] = (struct mt_filter){id, rules, count};
	return result;
}

int mt_config_import_filters(
	struct mt_config_import *import, struct mt_filter *filters, unsigned *count)
{
	struct filters context = {filters, *count};
	int result = for_each(import, FILTERS, read_filter, &context);

	*count = context.count;
	return result;
}

/* --- sessions --- */

struct sessions {
	const struct mt_filter *filters;
	unsigned filters_count;
	struct mt_session_spec *list;
	unsigned count;
	unsigned local; /* the first so many are the configuration's own */
	json_t *by_vni; /* place in the list, by VNI as text */
	json_t *names;  /* those that are taken */
};

/* The tag Name, NULL where there is none. */
static const char *name_tag(const json_t *object)
{
	const json_t *tags = json_object_get(object, "Tags");

	for (size_t i = 0; i < json_array_size(tags); i++) {
		const json_t *tag = json_array_get(tags, i);
		const char *key = json_string_value(json_object_get(tag, "Key"));
		const char *value = json_string_value(json_object_get(tag, "Value"));

		if (key != NULL && strcmp(key, "Name") == 0 && value != NULL && *value != '\0')
			return value;
	}
	return NULL;
}

/* Adds the primary address of the session's network interface to the allowed sources. */
static int add_source(
	const struct where *where, const json_t *object, struct mt_session_spec *session)
{
	struct mt_config_import *import = where->import;
	struct where child = at_key(where, "NetworkInterfaceId");
	const char *id, *address;
	struct mt_cidr *sources;
	int result = get_text(where, object, "NetworkInterfaceId", true, &id);

	if (result < 0 || import->interfaces == NULL)
		return result;
	address = json_string_value(json_object_get(import->interfaces, id));
	if (address == NULL)
		return refuse(&child,
			"%s is in none of the files; add describe-network-interfaces of its "
			"account, or list the session in the configuration",
			id);
	/* Room for twice as many whenever there are a power of two of them. */
	sources = (struct mt_cidr *)session->sources;
	if ((session->sources_count & (session->sources_count - 1)) == 0) {
		sources = mt_config_keep(
			import->config, sizeof(*sources) * 2 * (session->sources_count + 1));
		if (sources == NULL)
			return out_of_memory(import);
		for (unsigned s = 0; s < session->sources_count; s++)
			sources[s] = session->sources[s];
	}
	session->sources = sources;
	if (!mt_config_cidr(address, &sources[session->sources_count++]))
		return refuse(&child, "%s has \"%.60s\", which is no address", id, address);
	return 0;
}

static int find_session_filter(const struct where *where, const json_t *object,
	const struct sessions *sessions, const struct mt_filter **filter)
{
	struct where child = at_key(where, "TrafficMirrorFilterId");
	const char *id;
	int result = get_text(where, object, "TrafficMirrorFilterId", true, &id);

	*filter = NULL;
	if (result < 0)
		return result;
	*filter = find_filter(sessions->filters, sessions->filters_count, id);
	if (*filter == NULL && where->import->have_filters)
		return refuse(&child,
			"%s is in none of the files; add describe-traffic-mirror-filters of its "
			"account, or a filter of this name to the configuration",
			id);
	return 0;
}

/* A name of its own: the tag, or else the id, which is unique. */
static int name_session(struct mt_config_import *import, const json_t *object, const char *id,
	struct sessions *sessions, struct mt_session_spec *session)
{
	const char *name = name_tag(object);
	const char *description = json_string_value(json_object_get(object, "Description"));

	if (name == NULL || json_object_get(sessions->names, name) != NULL)
		name = id;
	session->name = keep_text(import, name);
	if (description != NULL)
		session->description = keep_text(import, description);
	if (session->name == NULL || json_object_set_new(sessions->names, name, json_true()) < 0)
		return out_of_memory(import);
	return 0;
}

static int read_session(struct mt_config_import *import, const struct where *where,
	const json_t *object, void *context)
{
	struct sessions *sessions = context;
	struct mt_session_spec *session;
	const struct mt_filter *filter = NULL;
	int64_t length = 0;
	int64_t vni = -1;
	const json_t *place;
	const char *id;
	char key[16];
	int result = get_text(where, object, "TrafficMirrorSessionId", true, &id);

	if (result == 0)
		result = get_number(where, object, "VirtualNetworkId", 0xffffff, &vni);
	if (result == 0)
		result = get_number(where, object, "PacketLength", UINT16_MAX, &length);
	if (result == 0)
		result = find_session_filter(where, object, sessions, &filter);
	if (result < 0)
		return result;
	if (length < LEAST_TRUNCATE)
		length = 0;
	snprintf(key, sizeof(key), "%lld", (long long)vni);
	place = json_object_get(sessions->by_vni, key);
	if (place == NULL) {
		session = &sessions->list[sessions->count];
		*session = (struct mt_session_spec){
			.vni = (uint32_t)vni,
			.filter = filter,
			.treatment.truncate = (uint32_t)length,
		};
		result = name_session(import, object, id, sessions, session);
		if (json_object_set_new(sessions->by_vni, key, json_integer(sessions->count++)) < 0)
			result = out_of_memory(import);
	} else if (json_integer_value(place) < sessions->local) {
		return 0; /* the configuration's own wins */
	} else {
		/* AWS lets many sources share a VNI. What they do not have in common is left to
		 * AWS, which has done it already. */
		session = &sessions->list[json_integer_value(place)];
		if (session->filter != filter)
			session->filter = NULL;
		if (session->treatment.truncate != length)
			session->treatment.truncate = 0;
	}
	return result == 0 ? add_source(where, object, session) : result;
}

/* What the configuration lists has its VNIs and names first. */
static int take_local(struct sessions *sessions)
{
	char key[16];

	sessions->by_vni = json_object();
	sessions->names = json_object();
	for (unsigned s = 0; s < sessions->local; s++) {
		snprintf(key, sizeof(key), "%u", sessions->list[s].vni);
		if (json_object_set_new(sessions->by_vni, key, json_integer(s)) < 0
			|| json_object_set_new(sessions->names, sessions->list[s].name, json_true())
				< 0)
			return -ENOMEM;
	}
	return 0;
}

int mt_config_import_sessions(struct mt_config_import *import, const struct mt_filter *filters,
	unsigned filters_count, struct mt_session_spec *list, unsigned *count)
{
	struct sessions sessions = {
		.filters = filters,
		.filters_count = filters_count,
		.list = list,
		.count = *count,
		.local = *count,
	};
	int result = 0;

	if (import->sessions_count == 0)
		return 0;
	if (take_local(&sessions) < 0)
		result = out_of_memory(import);
	if (result == 0)
		result = for_each(import, SESSIONS, read_session, &sessions);
	json_decref(sessions.by_vni);
	json_decref(sessions.names);
	*count = sessions.count;
	return result;
}
