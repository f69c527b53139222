/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/http_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/daemon.h"
#include "control/http_listen.h"
#include "control/log.h"
#include "control/watch.h"

enum {
	LOOK_NS = 50000000,
};

int mt_http_probes_add(struct mt_http_probes *probes, const char *address, bool early, void *server,
	char *error, size_t error_size)
{
	int fd;

	if (probes->count == MT_HTTP_MAX_PROBES)
		return -E2BIG;
	fd = mt_http_bind_tcp("http.probe_listen", address, early, error, error_size);
	if (fd < 0)
		return fd;
	probes->list[probes->count].server = server;
	probes->list[probes->count].address = address;
	probes->list[probes->count].fd = fd;
	probes->count++;
	return 0;
}

static int open_probe(struct mt_http_probes *probes, unsigned index)
{
	int fd = probes->list[index].fd;
	int rc = mt_http_open(fd);
	int served;

	if (rc < 0)
		return rc;
	served = fcntl(fd, F_DUPFD_CLOEXEC, 0); /* the server closes its own */
	rc = served < 0 ? -errno : probes->serve(probes->list[index].server, served);
	if (rc < 0)
		mt_http_shut(fd);
	else
		probes->list[index].open = true;
	return rc;
}

/* The address stays ours. */
static void shut_probe(struct mt_http_probes *probes, unsigned index)
{
	if (!probes->list[index].open)
		return;
	mt_http_shut(probes->list[index].fd); /* first, so that no one comes in any more */
	probes->leave(probes->list[index].server);
	probes->list[index].open = false;
}

/* Returns true if any changed. */
static bool turn(struct mt_http_probes *probes, bool green)
{
	bool changed = false;

	for (unsigned p = 0; p < probes->count; p++) {
		int rc = 0;

		if (probes->list[p].open == green)
			continue;
		if (green)
			rc = open_probe(probes, p);
		else
			shut_probe(probes, p);
		if (rc < 0)
			mt_log_limited(&probes->list[p].told_failed, MT_LOG_ERROR,
				"http.probe_listen: %s: %s; tried again and again: has another "
				"program taken the port?",
				probes->list[p].address, strerror(-rc));
		else
			changed = true;
	}
	return changed;
}

static void tell(struct mt_http_probes *probes, const struct mt_health *health)
{
	if (health->healthy)
		mt_log_limited(&probes->told_open, MT_LOG_NOTICE,
			"http.probe_listen: open, health is green");
	else
		mt_log_limited(&probes->told_shut, MT_LOG_NOTICE,
			"http.probe_listen: closed, health is red: %s", health->reasons[0]);
}

static void *follow_health(void *arg)
{
	struct mt_http_probes *probes = arg;
	struct mt_health health;

	while (!atomic_load_explicit(&probes->stop, memory_order_relaxed)) {
		mt_daemon_hold(probes->daemon);
		mt_watch_health(probes->daemon, &health);
		mt_daemon_let_go(probes->daemon);
		if (turn(probes, health.healthy))
			tell(probes, &health);
		nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
	}
	return NULL;
}

int mt_http_probes_start(struct mt_http_probes *probes)
{
	int rc = 0;

	if (probes->count > 0)
		rc = -pthread_create(&probes->thread, NULL, follow_health, probes);
	probes->running = probes->count > 0 && rc == 0;
	return rc;
}

void mt_http_probes_stop(struct mt_http_probes *probes)
{
	if (probes->running) {
		atomic_store_explicit(&probes->stop, true, memory_order_relaxed);
		pthread_join(probes->thread, NULL);
	}
	for (unsigned p = 0; p < probes->count; p++) {
		shut_probe(probes, p);
		close(probes->list[p].fd);
	}
}
