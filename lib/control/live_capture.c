/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/live_capture.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "control/daemon.h"
#include "control/live_names.h"
#include "control/live_stream.h"
#include "output/monotonic.h"

enum {
	WAKE_MS = 5,    /* how late a frame goes out at the most, if nothing else came */
	SLOW_MS = 100,  /* between two looks at a client that takes nothing */
	END_MS = 5000,  /* that a client has to take what is left */
	STOP_MS = 1000, /* the same when the daemon ends */
	WORKERS_MS = 1000,
};

enum client {
	CLIENT_READS,
	CLIENT_ENDS, /* wants no more frames, but what is left and the statistics */
	CLIENT_GONE,
};

struct mt_live_capture {
	struct mt_live_captures *captures;
	struct mt_datapath *datapath;
	unsigned place;
	uint64_t id;
	uint64_t since;
	struct mt_live_request request; /* with copies of its strings */
	char *filter;
	char *session;
	struct mt_live *live;
	struct mt_live_names names;
	struct mt_live_stream stream;
	_Atomic bool stop; /* writer: control */
	/* The thread's own. */
	int fd;
	enum client client;
	void (*leave)(void *context);
	void *leave_context;
};

void mt_live_captures_init(struct mt_live_captures *captures)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&captures->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&captures->freed, &attributes);
	pthread_condattr_destroy(&attributes);
}

/* --- opening ---------------------------------------------------------------------------------- */

static void free_capture(struct mt_live_capture *capture)
{
	mt_live_destroy(capture->live);
	mt_live_names_free(&capture->names);
	free(capture->stream.buffer);
	free(capture->filter);
	free(capture->session);
	free(capture);
}

/* Takes it out of the list and frees it. Its numbers stay in the sums. */
static void remove_capture(struct mt_live_capture *capture)
{
	struct mt_live_captures *captures = capture->captures;

	pthread_mutex_lock(&captures->lock);
	captures->list[capture->place] = NULL;
	captures->freeing++;
	captures->frames += mt_counter(&capture->stream.frames);
	captures->bytes += mt_counter(&capture->stream.bytes);
	captures->lost += mt_live_lost(capture->live);
	pthread_mutex_unlock(&captures->lock);
	free_capture(capture);
	pthread_mutex_lock(&captures->lock);
	captures->freeing--;
	pthread_cond_broadcast(&captures->freed);
	pthread_mutex_unlock(&captures->lock);
}

/* A place in the list, or false. */
static bool add_capture(struct mt_live_capture *capture)
{
	struct mt_live_captures *captures = capture->captures;
	bool found = false;

	pthread_mutex_lock(&captures->lock);
	for (unsigned p = 0; p < MT_DATAPATH_MAX_CAPTURES && !found && !captures->stopping; p++) {
		if (captures->list[p] != NULL)
			continue;
		captures->list[p] = capture;
		capture->place = p;
		capture->id = ++captures->begun;
		found = true;
	}
	captures->refused += !found;
	pthread_mutex_unlock(&captures->lock);
	return found;
}

static bool check_request(const struct mt_live_request *request, char *error, size_t error_size)
{
	if (request->has_vni && request->session != NULL) {
		snprintf(error, error_size, "vni and session: only one of them can be asked for");
		return false;
	}
	if (request->snap > MT_LIVE_MAX_SNAP) {
		snprintf(error, error_size, "snap: %" PRIu32 " is larger than %d", request->snap,
			MT_LIVE_MAX_SNAP);
		return false;
	}
	if (request->filter == NULL)
		return true;
	if (strlen(request->filter) > MT_LIVE_MAX_FILTER) {
		snprintf(
			error, error_size, "filter: longer than %d characters", MT_LIVE_MAX_FILTER);
		return false;
	}
	/* It is written to the log. */
	for (const char *c = request->filter; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f) {
			snprintf(error, error_size, "filter: control character (byte 0x%02x)",
				(unsigned char)*c);
			return false;
		}
	}
	return true;
}

/* What the configuration knows: the session that is asked for, and the names of all. */
static int take_names(struct mt_live_capture *capture, const struct mt_policy_spec *policy,
	struct mt_live_settings *settings, char *error, size_t error_size)
{
	const struct mt_session_spec *session;

	if (capture->session != NULL) {
		session = mt_live_names_find(
			policy->sessions, policy->sessions_count, capture->session);
		if (session == NULL) {
			snprintf(error, error_size,
				"no session is called \"%.100s\": see `mirrortap sessions`, or ask "
				"for its VNI",
				capture->session);
			return -ENOENT;
		}
		settings->one_vni = true;
		settings->vni = session->vni;
	}
	return mt_live_names_copy(&capture->names, policy->sessions, policy->sessions_count);
}

static int open_live(
	struct mt_live_capture *capture, struct mt_daemon *daemon, char *error, size_t error_size)
{
	const struct mt_live_request *request = &capture->request;
	struct mt_live_settings settings = {
		.filter = capture->filter,
		.one_vni = request->has_vni,
		.vni = request->vni,
		.snap = request->snap != 0 ? request->snap : MT_LIVE_MAX_SNAP,
		.queues = daemon->datapath.queues_count,
	};
	char reason[512];
	int rc;

	/* A reload may come: what is taken of the configuration is copied. */
	mt_daemon_hold(daemon);
	rc = take_names(capture, &daemon->config->policy, &settings, error, error_size);
	mt_daemon_let_go(daemon);
	if (rc < 0)
		return rc;
	capture->live = mt_live_create(&settings, reason, sizeof(reason));
	if (capture->live != NULL)
		return 0;
	if (capture->filter != NULL)
		snprintf(error, error_size, "filter \"%.200s\": %s", capture->filter, reason);
	else
		snprintf(error, error_size, "%s", reason);
	return -EINVAL;
}

static bool copy_text(char **to, const char *text)
{
	if (text != NULL)
		*to = strdup(text);
	return text == NULL || *to != NULL;
}

static int open_stream(struct mt_live_capture *capture, char *error, size_t error_size)
{
	capture->stream = (struct mt_live_stream){
		.live = capture->live,
		.limit = capture->request.count,
		.snap = capture->live->snap,
		.describe = mt_live_names_describe,
		.describe_context = &capture->names,
	};
	if (mt_live_stream_begin(&capture->stream) < 0) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	if (add_capture(capture))
		return 0;
	snprintf(error, error_size,
		"%d captures run already, or the daemon is stopping: `mirrortap status` shows "
		"whose they are; end one",
		MT_DATAPATH_MAX_CAPTURES);
	return -EBUSY;
}

int mt_live_capture_open(struct mt_daemon *daemon, const struct mt_live_request *request,
	struct mt_live_capture **result, char *error, size_t error_size)
{
	struct mt_live_capture *capture;
	int rc = -ENOMEM;

	if (!check_request(request, error, error_size))
		return -EINVAL;
	snprintf(error, error_size, "out of memory");
	capture = calloc(1, sizeof(*capture));
	if (capture == NULL)
		return -ENOMEM;
	capture->captures = &daemon->captures;
	capture->datapath = &daemon->datapath;
	capture->request = *request;
	capture->since = (uint64_t)time(NULL);
	if (copy_text(&capture->filter, request->filter)
		&& copy_text(&capture->session, request->session))
		rc = open_live(capture, daemon, error, error_size);
	if (rc == 0)
		rc = open_stream(capture, error, error_size);
	if (rc < 0) {
		free_capture(capture);
		return rc;
	}
	*result = capture;
	return 0;
}

void mt_live_capture_abandon(struct mt_live_capture *capture)
{
	remove_capture(capture);
}

/* --- the thread ------------------------------------------------------------------------------- */

static bool is_pending(const struct mt_live_capture *capture)
{
	return capture->stream.sent < capture->stream.used;
}

/* Sends what the client takes at once. */
static void send_some(struct mt_live_capture *capture)
{
	struct mt_live_stream *stream = &capture->stream;
	ssize_t sent;

	if (!is_pending(capture))
		return;
	sent = send(capture->fd, stream->buffer + stream->sent, stream->used - stream->sent,
		MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent >= 0)
		mt_live_stream_advance(stream, (size_t)sent);
	else if (errno != EAGAIN && errno != EINTR)
		capture->client = CLIENT_GONE;
}

/* The client has nothing to say: its end of the stream is the end of the capture. */
static void hear(struct mt_live_capture *capture)
{
	char ignored[256];
	ssize_t count = recv(capture->fd, ignored, sizeof(ignored), MSG_DONTWAIT);

	if (count == 0)
		capture->client = CLIENT_ENDS;
	else if (count < 0 && errno != EAGAIN && errno != EINTR)
		capture->client = CLIENT_GONE;
}

/* Until the client takes more, goes away, or the time is over: also one that gets nothing is seen
 * to go. */
static void wait_for_client(struct mt_live_capture *capture, int limit_ms)
{
	struct pollfd wait = {.fd = capture->fd};

	if (capture->client == CLIENT_READS)
		wait.events |= POLLIN;
	if (is_pending(capture))
		wait.events |= POLLOUT;
	if (poll(&wait, 1, limit_ms) <= 0)
		return;
	if ((wait.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
		capture->client = CLIENT_GONE;
	else if ((wait.revents & POLLIN) != 0)
		hear(capture);
}

static bool is_stopped(const struct mt_live_capture *capture)
{
	return atomic_load_explicit(&capture->stop, memory_order_relaxed);
}

static void stream_frames(struct mt_live_capture *capture)
{
	struct mt_live_stream *stream = &capture->stream;

	while (capture->client == CLIENT_READS && !is_stopped(capture)
		&& !mt_live_stream_is_full(stream)) {
		bool idle;

		mt_live_stream_fill(stream);
		idle = !is_pending(capture);
		send_some(capture);
		/* Where all of it went there may be more already. */
		wait_for_client(capture, idle ? WAKE_MS : is_pending(capture) ? SLOW_MS : 0);
	}
}

/* What is left, and the statistics: a client that does not take them in time has to go without. */
static void stream_end(struct mt_live_capture *capture)
{
	const uint64_t begin = mt_monotonic_ms();
	bool all = false;

	while (capture->client != CLIENT_GONE && (!all || is_pending(capture))) {
		if (mt_monotonic_ms() - begin > (is_stopped(capture) ? STOP_MS : END_MS))
			return;
		if (!all)
			all = mt_live_stream_finish(&capture->stream);
		send_some(capture);
		if (is_pending(capture))
			wait_for_client(capture, SLOW_MS);
	}
}

static void tell_begin(const struct mt_live_capture *capture)
{
	const struct mt_live_request *request = &capture->request;
	char of[128] = "all sessions";

	if (request->has_vni)
		snprintf(of, sizeof(of), "VNI %" PRIu32, request->vni);
	else if (capture->session != NULL)
		snprintf(of, sizeof(of), "session %.100s", capture->session);
	mt_log_limited(&capture->captures->told_begin, MT_LOG_INFO,
		"capture %" PRIu64 ": begun by process %d (user %u): %s%s%.300s", capture->id,
		(int)request->pid, (unsigned)request->uid, of,
		capture->filter != NULL ? ", filter " : "",
		capture->filter != NULL ? capture->filter : "");
}

static void *run(void *context)
{
	struct mt_live_capture *capture = context;
	struct mt_live_captures *captures = capture->captures;
	bool left;

	pthread_setname_np(pthread_self(), "mt-capture");
	pthread_mutex_lock(&captures->lock);
	tell_begin(capture);
	pthread_mutex_unlock(&captures->lock);
	mt_live_attach(capture->datapath, capture->place, capture->live);
	stream_frames(capture);
	mt_live_detach(capture->datapath, capture->place);
	left = mt_datapath_synchronize(capture->datapath, WORKERS_MS);
	stream_end(capture);
	capture->leave(capture->leave_context);
	/* A worker that is stuck may still copy. */
	while (!left)
		left = mt_datapath_synchronize(capture->datapath, WORKERS_MS);
	pthread_mutex_lock(&captures->lock);
	mt_log_limited(&captures->told_end, MT_LOG_INFO,
		"capture %" PRIu64 ": ended: %" PRIu64 " frames, %" PRIu64 " lost", capture->id,
		capture->stream.frames, mt_live_lost(capture->live));
	pthread_mutex_unlock(&captures->lock);
	remove_capture(capture);
	return NULL;
}

void mt_live_capture_begin(
	struct mt_live_capture *capture, int fd, void (*leave)(void *context), void *context)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int rc;

	capture->fd = fd;
	capture->leave = leave;
	capture->leave_context = context;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(&thread, &attributes, run, capture);
	pthread_attr_destroy(&attributes);
	if (rc == 0)
		return;
	leave(context);
	mt_live_capture_abandon(capture);
}

void mt_live_captures_stop(struct mt_live_captures *captures)
{
	struct timespec end;
	bool any;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += (WORKERS_MS + STOP_MS) / 1000 + 1;
	pthread_mutex_lock(&captures->lock);
	captures->stopping = true;
	do {
		any = captures->freeing > 0;
		for (unsigned p = 0; p < MT_DATAPATH_MAX_CAPTURES; p++) {
			if (captures->list[p] == NULL)
				continue;
			any = true;
			atomic_store_explicit(&captures->list[p]->stop, true, memory_order_relaxed);
		}
	} while (any && pthread_cond_timedwait(&captures->freed, &captures->lock, &end) == 0);
	pthread_mutex_unlock(&captures->lock);
}

/* --- what others see -------------------------------------------------------------------------- */

void mt_live_captures_read(struct mt_live_captures *captures, struct mt_live_statuses *statuses)
{
	*statuses = (struct mt_live_statuses){0};
	pthread_mutex_lock(&captures->lock);
	statuses->begun = captures->begun;
	statuses->refused = captures->refused;
	statuses->frames = captures->frames;
	statuses->bytes = captures->bytes;
	statuses->lost = captures->lost;
	for (unsigned p = 0; p < MT_DATAPATH_MAX_CAPTURES; p++) {
		const struct mt_live_capture *capture = captures->list[p];
		struct mt_live_status *status = &statuses->list[statuses->count];

		if (capture == NULL)
			continue;
		*status = (struct mt_live_status){
			.id = capture->id,
			.pid = capture->request.pid,
			.uid = capture->request.uid,
			.has_vni = capture->request.has_vni,
			.vni = capture->request.vni,
			.count = capture->request.count,
			.snap = capture->request.snap,
			.since = capture->since,
			.frames = mt_counter(&capture->stream.frames),
			.bytes = mt_counter(&capture->stream.bytes),
			.lost = mt_live_lost(capture->live),
		};
		copy_text(&status->filter, capture->filter);
		copy_text(&status->session, capture->session);
		statuses->frames += status->frames;
		statuses->bytes += status->bytes;
		statuses->lost += status->lost;
		statuses->count++;
	}
	pthread_mutex_unlock(&captures->lock);
}

void mt_live_statuses_free(struct mt_live_statuses *statuses)
{
	for (unsigned c = 0; c < statuses->count; c++) {
		free(statuses->list[c].filter);
		free(statuses->list[c].session);
	}
	statuses->count = 0;
}
