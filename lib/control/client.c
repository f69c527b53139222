/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/un.h>

#include <curl/curl.h>

struct answer {
	char *bytes;
	size_t length;
	size_t room;
	bool too_long;
};

struct call {
	const char *socket_path;
	const char *path;
	bool post;
	unsigned timeout_ms;
	char *error;
	size_t error_size;
};

/* libcurl's write callback: anything but the number of bytes offered ends the transfer. */
static size_t take_bytes(char *bytes, size_t size, size_t count, void *opaque)
{
	struct answer *answer = opaque;
	size_t length = size * count;

	if (length > MT_CLIENT_MAX_ANSWER_BYTES - answer->length) {
		answer->too_long = true;
		return 0;
	}
	if (answer->length + length > answer->room) {
		size_t room = 2 * (answer->length + length);
		char *grown = realloc(answer->bytes, room);

		if (grown == NULL)
			return 0;
		answer->bytes = grown;
		answer->room = room;
	}
	memcpy(answer->bytes + answer->length, bytes, length);
	answer->length += length;
	return length;
}

int mt_client_fail_path(const char *socket_path, char *error, size_t error_size)
{
	snprintf(error, error_size,
		"%s: longer than the %zu bytes that the path of a socket may have", socket_path,
		sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	return -ENAMETOOLONG;
}

int mt_client_fail_connect(const char *socket_path, int os_error, char *error, size_t error_size)
{
	if (os_error == EACCES || os_error == EPERM) {
		snprintf(error, error_size,
			"%s: permission denied; run this as root, or as a user who may write to "
			"the socket",
			socket_path);
		return -EACCES;
	}
	if (os_error != 0 && os_error != ENOENT && os_error != ECONNREFUSED) {
		snprintf(error, error_size, "%s: %s; give the daemon's socket by --socket PATH",
			socket_path, strerror(os_error));
		return -os_error;
	}
	snprintf(error, error_size,
		"%s: mirrortapd is not running, or listens elsewhere: give --socket PATH",
		socket_path);
	return -ECONNREFUSED;
}

static int fail_transfer(
	const struct call *call, CURL *curl, CURLcode code, const struct answer *answer)
{
	long os_error = 0;

	if (code == CURLE_COULDNT_CONNECT) {
		curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_error);
		return mt_client_fail_connect(
			call->socket_path, (int)os_error, call->error, call->error_size);
	}
	if (code == CURLE_OPERATION_TIMEDOUT) {
		snprintf(call->error, call->error_size,
			"%s: no answer to %s within %u s; is the daemon stopped in a debugger, or "
			"its control CPU overloaded?",
			call->socket_path, call->path, call->timeout_ms / 1000);
		return -ETIMEDOUT;
	}
	if (answer->too_long) {
		snprintf(call->error, call->error_size,
			"%s: the answer to %s is longer than %d MiB; is this mirrortapd's socket?",
			call->socket_path, call->path, MT_CLIENT_MAX_ANSWER_BYTES >> 20);
		return -EFBIG;
	}
	snprintf(call->error, call->error_size, "%s: %s: %s; is this mirrortapd's control socket?",
		call->socket_path, call->path, curl_easy_strerror(code));
	return -EIO;
}

/* The daemon puts its reason into {"error": "..."}. */
static int fail_status(const struct call *call, long status, const json_t *document)
{
	const char *reason = json_string_value(json_object_get(document, "error"));

	if (reason != NULL)
		snprintf(call->error, call->error_size, "%s: %s", call->path, reason);
	else
		snprintf(call->error, call->error_size,
			"%s: the answer to %s is HTTP status %ld; is the daemon another version?",
			call->socket_path, call->path, status);
	return -EREMOTEIO;
}

static int read_answer(
	const struct call *call, CURL *curl, const struct answer *answer, json_t **document)
{
	json_error_t problem;
	json_t *read =
		json_loadb(answer->bytes != NULL ? answer->bytes : "", answer->length, 0, &problem);
	long status = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200 || status > 299) {
		int rc = fail_status(call, status, read);

		json_decref(read);
		return rc;
	}
	if (read == NULL && !(call->post && answer->length == 0)) {
		snprintf(call->error, call->error_size,
			"%s: the answer to %s is no JSON (%s); is this mirrortapd's control "
			"socket?",
			call->socket_path, call->path, problem.text);
		return -EBADMSG;
	}
	*document = read;
	return 0;
}

static int transfer(const struct call *call, CURL *curl, json_t **document)
{
	struct answer answer = {0};
	char url[256];
	CURLcode code;
	int rc;

	snprintf(url, sizeof(url), "http://mirrortapd%s", call->path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, call->socket_path);
	curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever http_proxy says */
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
	if (call->post) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, 0L);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
	}
	code = curl_easy_perform(curl);
	if (code != CURLE_OK)
		rc = fail_transfer(call, curl, code, &answer);
	else
		rc = read_answer(call, curl, &answer, document);
	free(answer.bytes);
	return rc;
}

static int perform(const struct call *call, json_t **document)
{
	CURL *curl;
	int rc;

	*document = NULL;
	if (strlen(call->socket_path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return mt_client_fail_path(call->socket_path, call->error, call->error_size);
	curl = curl_easy_init();
	if (curl == NULL) {
		snprintf(call->error, call->error_size, "libcurl does not start: out of memory?");
		return -ENOMEM;
	}
	rc = transfer(call, curl, document);
	curl_easy_cleanup(curl);
	return rc;
}

int mt_client_get(
	const char *socket_path, const char *path, json_t **answer, char *error, size_t error_size)
{
	const struct call call = {
		socket_path, path, false, MT_CLIENT_TIMEOUT_MS, error, error_size};

	return perform(&call, answer);
}

int mt_client_post(
	const char *socket_path, const char *path, json_t **answer, char *error, size_t error_size)
{
	return mt_client_post_wait(
		socket_path, path, MT_CLIENT_TIMEOUT_MS, answer, error, error_size);
}

int mt_client_post_wait(const char *socket_path, const char *path, unsigned timeout_ms,
	json_t **answer, char *error, size_t error_size)
{
	const struct call call = {socket_path, path, true, timeout_ms, error, error_size};

	return perform(&call, answer);
}
