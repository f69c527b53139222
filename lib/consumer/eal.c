/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK's side of a zero-copy output: this process maps the daemon's memory, and nothing else of it:
 * no device, no mempool, no lock that is held for longer than EAL takes to start. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_memory.h>
#include <rte_version.h>

#include "consumer/consumer.h"
#include "packet/frame_info.h"

enum {
	MAX_ARGUMENTS = 64,
	MAX_LEAVE_MS = 4000, /* the daemon waits 5 s for us before it frees memory */
};

/* --- no devices --- */

/* A frame's reader needs the daemon's memory and none of its devices. But EAL copies the primary's
 * virtual devices into each secondary process and has them probed there, and what the driver of a
 * tap, pcap or memif device does in such a process ranges from nothing to taking part in the
 * device's end. EAL loads all drivers where it is a shared library, whatever -d says. So not the
 * drivers are left out, but the devices: the bus finds its messages spoken for, and sees none. */
static int ignore_device(const struct rte_mp_msg *message, const void *peer)
{
	(void)message;
	(void)peer;
	return 0;
}

/* The daemon asks all secondary processes to follow when it plugs a device in or out, and undoes it
 * where one refuses. Its request with the result in it, which is 0, is the answer "done". */
static int agree_to_hotplug(const struct rte_mp_msg *message, const void *peer)
{
	struct rte_mp_msg answer = *message;

	answer.num_fds = 0;
	return rte_mp_reply(&answer, peer);
}

static bool ignore_devices_before(void)
{
	return rte_mp_action_register("bus_vdev_mp", ignore_device) == 0;
}

static bool ignore_devices_after(void)
{
	rte_mp_action_unregister("eal_dev_mp_request");
	return rte_mp_action_register("eal_dev_mp_request", agree_to_hotplug) == 0;
}

/* --- EAL is started once in a process --- */

struct eal {
	pthread_mutex_t lock;
	bool started;
	bool ended; /* its daemon has */
	pid_t daemon;
};

static struct eal *the_eal(void)
{
	static struct eal eal = {.lock = PTHREAD_MUTEX_INITIALIZER};

	return &eal;
}

/* Whatever EAL finds missing when the daemon has ended before us is not for the user. */
static void end_eal(void)
{
	struct eal *eal = the_eal();

	pthread_mutex_lock(&eal->lock);
	if (eal->started && !eal->ended) {
		rte_log_set_global_level(RTE_LOG_EMERG);
		rte_eal_cleanup();
		eal->ended = true;
	}
	pthread_mutex_unlock(&eal->lock);
}

static bool has_bit(const uint8_t *bits, size_t bytes, unsigned n)
{
	return n / 8 < bytes && (bits[n / 8] >> n % 8 & 1) != 0;
}

/* EAL binds the thread that starts it to an lcore: no daemon's lcore id, nor one of its CPUs if
 * there is another. Several consumers may have the same id, since none uses a mempool's cache. */
static void choose_lcore(const struct mt_ring_welcome *welcome, const cpu_set_t *allowed,
	unsigned *lcore, unsigned *cpu)
{
	bool found = false;

	*lcore = RTE_MAX_LCORE - 1;
	while (*lcore > 0 && has_bit(welcome->lcores, sizeof(welcome->lcores), *lcore))
		--*lcore;
	*cpu = 0;
	for (unsigned c = 0; c < CPU_SETSIZE; c++) {
		bool theirs = has_bit(welcome->cpus, sizeof(welcome->cpus), c);

		if (!CPU_ISSET(c, allowed) || (found && theirs))
			continue;
		*cpu = c;
		if (!theirs)
			return;
		found = true;
	}
}

static int init(const struct mirrortap_options *options, const struct mt_ring_welcome *welcome)
{
	char name[] = "mirrortap-consumer", secondary[] = "--proc-type=secondary";
	char no_pci[] = "--no-pci", no_telemetry[] = "--no-telemetry";
	char quiet[] = "--log-level=error", loud[] = "--log-level=info";
	char lcores[32], prefix[96];
	char *list[MAX_ARGUMENTS + 1] = {name, secondary, prefix, lcores, no_pci, no_telemetry,
		options->verbose != 0 ? loud : quiet};
	cpu_set_t before;
	unsigned lcore, cpu;
	int count = 7;
	int rc;

	if (sched_getaffinity(0, sizeof(before), &before) != 0)
		CPU_ZERO(&before);
	choose_lcore(welcome, &before, &lcore, &cpu);
	snprintf(lcores, sizeof(lcores), "--lcores=%u@%u", lcore, cpu);
	snprintf(prefix, sizeof(prefix), "--file-prefix=%s", welcome->file_prefix);
	for (unsigned i = 0; options->eal_arguments != NULL && options->eal_arguments[i] != NULL
		&& count < MAX_ARGUMENTS;
		i++)
		list[count++] = (char *)(uintptr_t)options->eal_arguments[i];
	rc = rte_eal_init(count, list);
	if (CPU_COUNT(&before) > 0)
		sched_setaffinity(0, sizeof(before), &before);
	return rc;
}

/* EAL's files are under /var/run, unless the process has a runtime folder of systemd's, which EAL
 * would then use. */
static void restore(const char *name, const char *value)
{
	if (value != NULL)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

static int init_where_daemon_is(
	const struct mirrortap_options *options, const struct mt_ring_welcome *welcome)
{
	static const char name[] = "RUNTIME_DIRECTORY";
	const char *old = getenv(name);
	char *saved = old != NULL ? strdup(old) : NULL;
	const char *end = strstr(welcome->runtime_folder, "/dpdk");
	char folder[sizeof(welcome->runtime_folder)];
	int rc;

	snprintf(folder, sizeof(folder), "%.*s",
		end != NULL ? (int)(end - welcome->runtime_folder) : 0, welcome->runtime_folder);
	if (folder[0] != '\0')
		setenv(name, folder, 1);
	rc = init(options, welcome);
	restore(name, saved);
	free(saved);
	return rc;
}

/* --- in words --- */

/* One line out of what EAL wrote, which may be many. */
static void explain(const struct mt_ring_welcome *welcome, char *log, int eal_errno, char *error,
	size_t error_size)
{
	const char *remedy = "ask for verbose messages to see DPDK's own words";
	char *line = strstr(log, "EAL: ");

	if (strstr(log, "Permission denied") != NULL || geteuid() != 0)
		remedy = "run as root, since the daemon's hugepages are root's, or have the output "
			 "copied (mode: copy)";
	else if (strstr(log, "refused secondary") != NULL)
		remedy = "the daemon shares no memory: start it without --in-memory";
	if (line != NULL) {
		line += strlen("EAL: ");
		line[strcspn(line, "\n")] = '\0';
	}
	snprintf(error, error_size, "DPDK does not attach to the daemon (file prefix %s): %s; %s",
		welcome->file_prefix, line != NULL ? line : rte_strerror(eal_errno), remedy);
}

/* EAL repeats its last words on standard error, past the log. Returns what to restore. */
static int silence_stderr(void)
{
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (saved >= 0 && null >= 0)
		dup2(null, STDERR_FILENO);
	if (null >= 0)
		close(null);
	return saved;
}

static void restore_stderr(int saved)
{
	if (saved < 0)
		return;
	dup2(saved, STDERR_FILENO);
	close(saved);
}

static int init_logged(const struct mirrortap_options *options,
	const struct mt_ring_welcome *welcome, char *error, size_t error_size)
{
	char *log = NULL;
	size_t size = 0;
	FILE *stream = options->verbose != 0 ? NULL : open_memstream(&log, &size);
	int saved = -1;
	int rc;

	if (stream != NULL) {
		rte_openlog_stream(stream);
		saved = silence_stderr();
	}
	rc = init_where_daemon_is(options, welcome);
	restore_stderr(saved);
	rte_openlog_stream(NULL);
	if (stream != NULL)
		fclose(stream);
	if (rc < 0)
		explain(welcome, log != NULL ? log : (char[]){""}, rte_errno, error, error_size);
	free(log);
	return rc < 0 ? -EPROTO : 0;
}

static int check_version(const struct mt_ring_welcome *welcome, char *error, size_t error_size)
{
	if (strcmp(welcome->dpdk_version, rte_version()) == 0)
		return 0;
	snprintf(error, error_size,
		"this program runs with %s, the daemon with %s: both need the same DPDK; install "
		"it and restart the one that has another",
		rte_version(), welcome->dpdk_version);
	return -EPROTO;
}

static int start_once(struct eal *eal, const struct mirrortap_options *options,
	const struct mt_ring_welcome *welcome, pid_t daemon, char *error, size_t error_size)
{
	int rc;

	if (eal->started && !eal->ended && eal->daemon == daemon)
		return 0;
	if (eal->started) {
		snprintf(error, error_size,
			"this process was attached to a mirrortapd which has ended, and DPDK "
			"can't be started twice: start the program again");
		return -EALREADY;
	}
	if (!ignore_devices_before()) {
		snprintf(error, error_size,
			"DPDK: %s; if the program starts EAL itself, say so: "
			"eal_started",
			rte_strerror(rte_errno));
		return -EALREADY;
	}
	rc = init_logged(options, welcome, error, error_size);
	if (rc < 0)
		return rc;
	eal->started = true;
	eal->daemon = daemon;
	atexit(end_eal);
	if (!ignore_devices_after()) {
		snprintf(error, error_size, "DPDK: %s", rte_strerror(rte_errno));
		return -EPROTO;
	}
	return 0;
}

/* --- when the memory goes --- */

/* The daemon frees memory; its frames' at its end. Called by EAL's thread before it is unmapped
 * here, for which the daemon waits: so let the readers leave first. */
static void on_memory_event(enum rte_mem_event type, const void *start, size_t length, void *opaque)
{
	struct mirrortap_consumer *consumer = opaque;
	bool busy = true;

	(void)start;
	(void)length;
	if (type != RTE_MEM_EVENT_FREE || atomic_load(&consumer->queues[0]->area->closing) == 0)
		return;
	atomic_store(&consumer->gone, true);
	for (unsigned ms = 0; busy && ms < MAX_LEAVE_MS; ms++) {
		busy = false;
		for (unsigned q = 0; q < consumer->queues_count; q++)
			busy |= atomic_load(&consumer->queues[q]->busy);
		if (busy)
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
}

static void name_event(char name[32], const struct mirrortap_consumer *consumer)
{
	snprintf(name, 32, "mirrortap_%d", consumer->fd);
}

int mt_consumer_eal_start(struct mirrortap_consumer *consumer,
	const struct mirrortap_options *options, const struct mt_ring_welcome *welcome, char *error,
	size_t error_size)
{
	struct eal *eal = the_eal();
	char name[32];
	int rc = check_version(welcome, error, error_size);

	if (rc == 0 && options->eal_started == 0) {
		pthread_mutex_lock(&eal->lock);
		rc = start_once(eal, options, welcome, consumer->daemon, error, error_size);
		pthread_mutex_unlock(&eal->lock);
	}
	if (rc < 0)
		return rc;
	rc = mt_frame_info_check();
	if (rc < 0) {
		snprintf(error, error_size,
			"frames of the daemon are laid out otherwise (%s): install both programs "
			"from one build",
			strerror(-rc));
		return -EPROTO;
	}
	name_event(name, consumer);
	if (rte_mem_event_callback_register(name, on_memory_event, consumer) != 0
		&& rte_errno != ENOTSUP) { /* --legacy-mem: nothing is ever unmapped */
		snprintf(error, error_size, "DPDK: %s", rte_strerror(rte_errno));
		return -EPROTO;
	}
	return 0;
}

void mt_consumer_eal_leave(struct mirrortap_consumer *consumer)
{
	char name[32];

	name_event(name, consumer);
	rte_mem_event_callback_unregister(name, consumer);
	/* While the connection is open the daemon waits for us: be out of its memory before. */
	if (consumer->closing)
		end_eal();
}
