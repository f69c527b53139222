/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/config_aws.h"

enum {
	LEAST_TRUNCATE = 14,
};

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
	const struct mt_aws_where *where, const json_t *object, struct mt_session_spec *session)
{
	struct mt_config_import *import = where->import;
	struct mt_aws_where child = mt_aws_at_key(where, "NetworkInterfaceId");
	const char *id, *address;
	struct mt_cidr *sources;
	int result = mt_aws_get_text(where, object, "NetworkInterfaceId", true, &id);

	if (result < 0 || import->interfaces == NULL)
		return result;
	address = json_string_value(json_object_get(import->interfaces, id));
	if (address == NULL)
		return mt_aws_refuse(&child,
			"%s is in none of the files; add describe-network-interfaces of its "
			"account, or list the session in the configuration",
			id);
	/* Room for twice as many whenever there are a power of two of them. */
	sources = (struct mt_cidr *)session->sources;
	if ((session->sources_count & (session->sources_count - 1)) == 0) {
		sources = mt_config_keep(
			import->config, sizeof(*sources) * 2 * (session->sources_count + 1));
		if (sources == NULL)
			return mt_aws_out_of_memory(import);
		for (unsigned s = 0; s < session->sources_count; s++)
			sources[s] = session->sources[s];
	}
	session->sources = sources;
	if (!mt_config_cidr(address, &sources[session->sources_count++]))
		return mt_aws_refuse(&child, "%s has \"%.60s\", which is no address", id, address);
	return 0;
}

static int find_session_filter(const struct mt_aws_where *where, const json_t *object,
	const struct sessions *sessions, const struct mt_filter **filter)
{
	struct mt_aws_where child = mt_aws_at_key(where, "TrafficMirrorFilterId");
	const char *id;
	int result = mt_aws_get_text(where, object, "TrafficMirrorFilterId", true, &id);

	*filter = NULL;
	if (result < 0)
		return result;
	*filter = mt_aws_find_filter(sessions->filters, sessions->filters_count, id);
	if (*filter == NULL && where->import->have_filters)
		return mt_aws_refuse(&child,
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
	session->name = mt_aws_keep_text(import, name);
	if (description != NULL)
		session->description = mt_aws_keep_text(import, description);
	if (session->name == NULL || json_object_set_new(sessions->names, name, json_true()) < 0)
		return mt_aws_out_of_memory(import);
	return 0;
}

static int read_session(struct mt_config_import *import, const struct mt_aws_where *where,
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
	int result = mt_aws_get_text(where, object, "TrafficMirrorSessionId", true, &id);

	if (result == 0)
		result = mt_aws_get_number(where, object, "VirtualNetworkId", 0xffffff, &vni);
	if (result == 0)
		result = mt_aws_get_number(where, object, "PacketLength", UINT16_MAX, &length);
	if (result < 0)
		return result;
	snprintf(key, sizeof(key), "%lld", (long long)vni);
	place = json_object_get(sessions->by_vni, key);
	if (place != NULL && json_integer_value(place) < sessions->local)
		return 0; /* the configuration's own wins */
	result = find_session_filter(where, object, sessions, &filter);
	if (result < 0)
		return result;
	if (length < LEAST_TRUNCATE)
		length = 0;
	if (place == NULL) {
		session = &sessions->list[sessions->count];
		*session = (struct mt_session_spec){
			.vni = (uint32_t)vni,
			.filter = filter,
			.treatment.truncate = (uint32_t)length,
		};
		result = name_session(import, object, id, sessions, session);
		if (json_object_set_new(sessions->by_vni, key, json_integer(sessions->count++)) < 0)
			result = mt_aws_out_of_memory(import);
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
		result = mt_aws_out_of_memory(import);
	if (result == 0)
		result = mt_aws_for_each(import, MT_AWS_SESSIONS, read_session, &sessions);
	json_decref(sessions.by_vni);
	json_decref(sessions.names);
	*count = sessions.count;
	return result;
}
