/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/telemetry.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>
#include <rte_telemetry.h>
#include <rte_version.h>

#include "control/api.h"
#include "control/json_list.h"
#include "control/log.h"

enum {
	MAX_KEY = 64,
	MAX_DEPTH = 4,
	MAX_SESSIONS = 64, /* of one answer: more do not fit into 16 KiB */
};

/* A callback gets no argument of ours, and DPDK's thread outlives the daemon's documents. */
struct access {
	pthread_mutex_t lock;
	struct mt_daemon *daemon; /* NULL: stopped */
};

static struct access *accessor(void)
{
	static struct access access = {.lock = PTHREAD_MUTEX_INITIALIZER};

	return &access;
}

static int add_number(struct rte_tel_data *dict, const char *key, uint64_t value)
{
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
	return rte_tel_data_add_dict_uint(dict, key, value);
#else
	return rte_tel_data_add_dict_u64(dict, key, value);
#endif
}

/* Names in a telemetry dictionary are of letters, digits, "_" and "/" only. */
static void make_key(char key[MAX_KEY], const char *name)
{
	size_t i;

	for (i = 0; name[i] != '\0' && i + 1 < MAX_KEY; i++) {
		bool good = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z')
			|| (name[i] >= '0' && name[i] <= '9') || name[i] == '_';

		key[i] = name[i];
		if (!good)
			key[i] = '_';
	}
	key[i] = '\0';
}

static void fill_dict(struct rte_tel_data *dict, const json_t *object, unsigned depth);

static void add_text(struct rte_tel_data *dict, const char *key, const char *text)
{
	char cut[RTE_TEL_MAX_STRING_LEN];

	snprintf(cut, sizeof(cut), "%.*s", (int)sizeof(cut) - 1, text);
	rte_tel_data_add_dict_string(dict, key, cut);
}

static void add_container(
	struct rte_tel_data *dict, const char *key, const json_t *object, unsigned depth)
{
	struct rte_tel_data *inner = rte_tel_data_alloc();

	if (inner == NULL)
		return;
	rte_tel_data_start_dict(inner);
	fill_dict(inner, object, depth + 1);
	if (rte_tel_data_add_dict_container(dict, key, inner, 0) != 0)
		rte_tel_data_free(inner);
}

static void add_member(
	struct rte_tel_data *dict, const char *name, const json_t *value, unsigned depth)
{
	char text[RTE_TEL_MAX_STRING_LEN];
	char key[MAX_KEY];

	make_key(key, name);
	if (json_is_integer(value)) {
		/* A NUMA node may be -1. */
		if (json_integer_value(value) < 0)
			rte_tel_data_add_dict_int(dict, key, (int)json_integer_value(value));
		else
			add_number(dict, key, (uint64_t)json_integer_value(value));
	} else if (json_is_boolean(value)) {
		add_number(dict, key, json_is_true(value));
	} else if (json_is_real(value)) {
		snprintf(text, sizeof(text), "%.9g", json_real_value(value));
		add_text(dict, key, text);
	} else if (json_is_string(value)) {
		add_text(dict, key, json_string_value(value));
	} else if (json_is_object(value) && depth < MAX_DEPTH) {
		add_container(dict, key, value, depth);
	} else if (json_is_array(value) && !json_is_object(json_array_get(value, 0))) {
		/* Telemetry has no lists in a list's members' members. */
		mt_json_list_text(value, "", text, sizeof(text));
		add_text(dict, key, text);
	} else if (json_is_null(value)) {
		add_text(dict, key, "");
	}
}

static void fill_dict(struct rte_tel_data *dict, const json_t *object, unsigned depth)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)object, name, value)
		add_member(dict, name, value, depth);
}

/* A list of objects with names or numbers becomes a dictionary of them: an answer holds 16 KiB, and
 * one of them can be asked for. */
static void fill_list(struct rte_tel_data *dict, const json_t *list, const char *id)
{
	json_t *item;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)list, i, item) {
		const json_t *by = json_object_get(item, id);
		char name[MAX_KEY], key[MAX_KEY];

		if (json_is_string(by))
			snprintf(name, sizeof(name), "%s", json_string_value(by));
		else
			snprintf(name, sizeof(name), "%" JSON_INTEGER_FORMAT,
				json_integer_value(by));
		make_key(key, name);
		add_container(dict, key, item, 1);
	}
}

/* Only the object that `params` names, if it names one. */
static void keep_one(json_t *list, const char *id, const char *params)
{
	for (size_t i = json_array_size(list); params != NULL && *params != '\0' && i > 0; i--) {
		const json_t *by = json_object_get(json_array_get(list, i - 1), id);
		char number[32];

		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(by));
		if (strcmp(json_is_string(by) ? json_string_value(by) : number, params) != 0)
			json_array_remove(list, i - 1);
	}
}

static json_t *health_document(struct mt_daemon *daemon)
{
	bool healthy;

	return mt_api_health(daemon, &healthy);
}

/* The sum of the others stands first in the list. */
static json_t *sessions_document(struct mt_daemon *daemon)
{
	json_t *document = mt_api_sessions(daemon);
	json_t *other = json_object_get(document, "other");

	json_object_set_new(other, "vni", json_string("other"));
	json_array_insert(json_object_get(document, "sessions"), 0, other);
	return document;
}

static const struct command {
	const char *command;
	json_t *(*make)(struct mt_daemon *daemon);
	const char *list; /* NULL: the document is one object */
	const char *id;
	size_t most; /* objects of the list; 0: all */
	const char *help;
} commands[] = {
	{"/mirrortap/ledger", mt_api_ledger, NULL, NULL, 0, "All verdicts, summed. No parameters."},
	{"/mirrortap/status", mt_api_status, NULL, NULL, 0, "State of the daemon. No parameters."},
	{"/mirrortap/workers", mt_api_status, "workers", "lcore", 0,
		"Workers and their load. Parameter: lcore, else all."},
	{"/mirrortap/queues", mt_api_queues, "queues", "queue", 0,
		"Queues. Parameter: queue, else all."},
	{"/mirrortap/outputs", mt_api_outputs, "outputs", "name", 0,
		"Outputs. Parameter: name, else all."},
	{"/mirrortap/ports", mt_api_ports, "ports", "name", 0, "Ports. Parameter: name, else all."},
	{"/mirrortap/health", health_document, NULL, NULL, 0,
		"Health and its reasons. No parameters."},
	{"/mirrortap/sessions", sessions_document, "sessions", "vni", MAX_SESSIONS + 1,
		"Sessions. Parameter: VNI or other, else those with the most packets."},
};

static int answer(const char *name, const char *params, struct rte_tel_data *data)
{
	struct access *access = accessor();
	const struct command *command = NULL;
	json_t *document = NULL;

	for (size_t c = 0; c < sizeof(commands) / sizeof(*commands); c++) {
		if (strcmp(name, commands[c].command) == 0)
			command = &commands[c];
	}
	if (command == NULL)
		return -EINVAL;
	pthread_mutex_lock(&access->lock);
	if (access->daemon != NULL) {
		mt_daemon_hold(access->daemon);
		document = command->make(access->daemon);
		mt_daemon_let_go(access->daemon);
	}
	pthread_mutex_unlock(&access->lock);
	if (document == NULL)
		return -EAGAIN;
	rte_tel_data_start_dict(data);
	if (command->list != NULL) {
		json_t *list = json_object_get(document, command->list);

		keep_one(list, command->id, params);
		for (size_t i = json_array_size(list); command->most > 0 && i > command->most; i--)
			json_array_remove(list, i - 1);
		fill_list(data, list, command->id);
	} else {
		fill_dict(data, document, 0);
	}
	json_decref(document);
	return 0;
}

void mt_telemetry_start(struct mt_daemon *daemon)
{
	struct access *access = accessor();

	pthread_mutex_lock(&access->lock);
	access->daemon = daemon;
	pthread_mutex_unlock(&access->lock);
	for (size_t c = 0; c < sizeof(commands) / sizeof(*commands); c++) {
		int rc = rte_telemetry_register_cmd(commands[c].command, answer, commands[c].help);

		if (rc < 0)
			mt_log(MT_LOG_WARNING, "telemetry command %s: %s", commands[c].command,
				strerror(-rc));
	}
}

void mt_telemetry_stop(void)
{
	struct access *access = accessor();

	pthread_mutex_lock(&access->lock);
	access->daemon = NULL;
	pthread_mutex_unlock(&access->lock);
}
