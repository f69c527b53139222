/* SPDX-License-Identifier: BSD-3-Clause */
#include "dump.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_memory.h>
#include <rte_mempool.h>
#include <rte_memzone.h>

#include "output/ring.h"
#include "packet/frame_info.h"

#define EVENT_NAME "mirrordump"

/* --- where EAL looks --- */

static bool has_config(const char *folder, const char *prefix)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/dpdk/%s/config", folder, prefix);
	return access(path, F_OK) == 0;
}

/* EAL's files are under /var/run, but under the service's own folder (systemd's RuntimeDirectory=)
 * where the daemon is a service; and its control socket lies there too. */
static bool choose_runtime_folder(const char *prefix, const char *socket_path)
{
	const char *given = getenv("RUNTIME_DIRECTORY");
	char copy[256];
	const char *folders[3];

	snprintf(copy, sizeof(copy), "%s", socket_path);
	folders[0] = given != NULL ? given : "/var/run";
	folders[1] = "/var/run";
	folders[2] = dirname(copy);
	for (unsigned i = 0; i < RTE_DIM(folders); i++) {
		if (has_config(folders[i], prefix)) {
			setenv("RUNTIME_DIRECTORY", folders[i], 1);
			return true;
		}
	}
	return false;
}

/* EAL binds the thread that starts it to an lcore. No daemon's lcore id, nor one of its CPUs if
 * there is another. Several mirrordumps may have the same id: see read_frames(). */
static void choose_lcore(
	const struct dump_daemon *daemon, const cpu_set_t *allowed, unsigned *lcore, unsigned *cpu)
{
	bool found = false;

	*lcore = RTE_MAX_LCORE - 1;
	while (*lcore > 0 && daemon->lcores[*lcore])
		--*lcore;
	*cpu = 0;
	for (unsigned c = 0; c < CPU_SETSIZE; c++) {
		if (!CPU_ISSET(c, allowed) || (found && daemon->cpus[c]))
			continue;
		*cpu = c;
		if (!daemon->cpus[c])
			return;
		found = true;
	}
}

/* --- no devices --- */

/* A frame's reader needs the daemon's memory and none of its devices. But EAL copies the primary's
 * virtual devices into each secondary process and has them probed there, and what the driver of a
 * tap, pcap or memif device does in such a process ranges from nothing to taking part in the
 * device's end. EAL loads all drivers where it is a shared library, whatever -d says; and it has
 * to, because a mempool names its operations by their place in the list of those loaded. So not the
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

/* --- attaching --- */

/* One line out of what EAL wrote, which may be many. */
static void explain(const char *prefix, char *log, int eal_errno, char *error, size_t error_size)
{
	const char *remedy = "-v shows DPDK's own words";
	char *line = strstr(log, "EAL: ");

	if (strstr(log, "version mismatch") != NULL)
		remedy = "both programs must run with the same DPDK: install them from one build, "
			 "then restart the daemon";
	else if (strstr(log, "Permission denied") != NULL || geteuid() != 0)
		remedy = "run it as root: the daemon's hugepages are root's";
	else if (strstr(log, "refused secondary") != NULL)
		remedy = "the daemon shares no memory: start it without --in-memory";
	if (line != NULL) {
		line += strlen("EAL: ");
		line[strcspn(line, "\n")] = '\0';
	}
	snprintf(error, error_size, "DPDK does not attach to the daemon (file prefix %s): %s; %s",
		prefix, line != NULL ? line : rte_strerror(eal_errno), remedy);
}

static int start_eal(const struct dump_daemon *daemon, bool verbose)
{
	char lcores[32], prefix[sizeof(daemon->file_prefix) + 16];
	char *arguments[] = {"mirrordump", "--proc-type=secondary", prefix, lcores, "--no-pci",
		"--no-telemetry", verbose ? "--log-level=info" : "--log-level=error", NULL};
	cpu_set_t before;
	unsigned lcore, cpu;
	int rc;

	if (sched_getaffinity(0, sizeof(before), &before) != 0)
		CPU_ZERO(&before);
	choose_lcore(daemon, &before, &lcore, &cpu);
	snprintf(lcores, sizeof(lcores), "--lcores=%u@%u", lcore, cpu);
	snprintf(prefix, sizeof(prefix), "--file-prefix=%s", daemon->file_prefix);
	rc = rte_eal_init(RTE_DIM(arguments) - 1, arguments);
	/* The threads that begin here may run where this process might before, but had better leave
	 * the daemon's CPUs alone. */
	for (unsigned c = 0; c < CPU_SETSIZE && CPU_COUNT(&before) > 1; c++) {
		if (daemon->cpus[c])
			CPU_CLR(c, &before);
	}
	if (CPU_COUNT(&before) > 0)
		sched_setaffinity(0, sizeof(before), &before);
	return rc;
}

/* EAL repeats its last words on standard error, past the log. Returns what to give to restore(). */
static int silence_stderr(void)
{
	int saved = dup(STDERR_FILENO);
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

static bool attach_logged(const struct dump_daemon *daemon, char *error, size_t error_size)
{
	char *log = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&log, &size);
	int saved, rc;

	if (stream == NULL) {
		snprintf(error, error_size, "out of memory");
		return false;
	}
	rte_openlog_stream(stream);
	saved = silence_stderr();
	rc = start_eal(daemon, false);
	restore_stderr(saved);
	rte_openlog_stream(stderr);
	fclose(stream);
	if (rc < 0)
		explain(daemon->file_prefix, log, rte_errno, error, error_size);
	free(log);
	return rc >= 0;
}

bool dump_attach(const struct dump_daemon *daemon, const char *socket_path, bool verbose,
	char *error, size_t error_size)
{
	if (!choose_runtime_folder(daemon->file_prefix, socket_path)) {
		snprintf(error, error_size, "%s",
			geteuid() != 0
				? "the daemon's memory cannot be seen: run it as root"
				: "no DPDK process runs with this file prefix; is mirrortapd "
				  "running, in this mount namespace, and the prefix right?");
		return false;
	}
	if (!ignore_devices_before()) {
		snprintf(error, error_size, "DPDK: %s", rte_strerror(rte_errno));
		return false;
	}
	if (verbose) {
		rte_openlog_stream(stderr);
		if (start_eal(daemon, true) < 0) {
			explain(daemon->file_prefix, "", rte_errno, error, error_size);
			return false;
		}
	} else if (!attach_logged(daemon, error, error_size)) {
		return false;
	}
	if (!ignore_devices_after()) {
		snprintf(error, error_size, "DPDK: %s", rte_strerror(rte_errno));
		return false;
	}
	return true;
}

/* --- rings --- */

static bool add_range(struct dump_rings *rings, const void *start, size_t length)
{
	struct dump_range *grown =
		realloc(rings->ranges, (rings->ranges_count + 1) * sizeof(*grown));

	if (grown == NULL)
		return false;
	rings->ranges = grown;
	grown[rings->ranges_count++] =
		(struct dump_range){(uintptr_t)start, (uintptr_t)start + length};
	return true;
}

static void add_pool_part(
	struct rte_mempool *pool, void *opaque, struct rte_mempool_memhdr *part, unsigned index)
{
	(void)pool;
	(void)index;
	add_range(opaque, part->addr, part->len);
}

struct pool_check {
	struct dump_rings *rings;
	bool mismatch;
};

/* Frames are freed by the operations that stand at the pool's place in this process's list. The
 * list is made by loading drivers: look whether the daemon loaded others. */
static void check_pool(struct rte_mempool *pool, void *opaque)
{
	struct pool_check *check = opaque;
	char name[RTE_RING_NAMESIZE];
	bool is_ring;

	snprintf(name, sizeof(name), RTE_MEMPOOL_MZ_FORMAT, pool->name);
	is_ring = pool->pool_data != NULL && rte_ring_lookup(name) == pool->pool_data;
	if (pool->ops_index < 0 || (uint32_t)pool->ops_index >= rte_mempool_ops_table.num_ops
		|| is_ring
			!= (strncmp(rte_mempool_get_ops(pool->ops_index)->name, "ring_", 5) == 0))
		check->mismatch = true;
	rte_mempool_mem_iter(pool, add_pool_part, check->rings);
}

/* The daemon frees memory, at its end above all: wait for the reader to leave what is in it. Called
 * before it is unmapped here, by EAL's thread, for which the daemon waits up to 5 s. */
static void on_memory_event(enum rte_mem_event type, const void *start, size_t length, void *opaque)
{
	struct dump_rings *rings = opaque;
	uintptr_t from = (uintptr_t)start;

	if (type != RTE_MEM_EVENT_FREE)
		return;
	pthread_mutex_lock(&rings->lock);
	for (size_t i = 0; i < rings->ranges_count; i++) {
		if (rings->ranges[i].from < from + length && from < rings->ranges[i].to)
			rings->gone = true;
	}
	pthread_mutex_unlock(&rings->lock);
}

static bool add_ring(struct dump_rings *rings, const char *output, unsigned queue)
{
	char name[RTE_RING_NAMESIZE];
	struct rte_ring *ring;

	mt_ring_name(name, output, queue);
	ring = rte_ring_lookup(name);
	if (ring == NULL || rings->count == DUMP_MAX_QUEUES)
		return false;
	rings->queue[rings->count] = queue;
	rings->ring[rings->count++] = ring;
	return add_range(rings, ring->memzone->addr, ring->memzone->len);
}

static bool check_frames(struct dump_rings *rings, char *error, size_t error_size)
{
	struct pool_check check = {.rings = rings};
	int rc = mt_frame_info_check();

	if (rc != 0) {
		snprintf(error, error_size,
			"frames of the daemon are laid out otherwise (%s): install both programs "
			"from one build",
			strerror(-rc));
		return false;
	}
	rte_mempool_walk(check_pool, &check);
	if (check.mismatch)
		snprintf(error, error_size,
			"the daemon has loaded other mempool drivers: remove -d from "
			"dataplane.eal, and run both programs on the same DPDK drivers");
	return !check.mismatch;
}

bool dump_rings_find(struct dump_rings *rings, const char *output, int queue,
	const struct dump_daemon *daemon, char *error, size_t error_size)
{
	unsigned q = queue < 0 ? 0 : (unsigned)queue;

	if (queue >= 0 && daemon->queues != 0 && q >= daemon->queues) {
		snprintf(error, error_size, "output %s has the queues 0 to %u, no queue %u", output,
			daemon->queues - 1, q);
		return false;
	}
	while (add_ring(rings, output, q) && queue < 0)
		q++;
	if (rings->count == 0 || (queue < 0 && daemon->queues != 0 && q != daemon->queues)) {
		snprintf(error, error_size,
			"the ring of output %s, queue %u, is not in the daemon's memory; is -o "
			"right, and a ring output?",
			output, q);
		return false;
	}
	if (!check_frames(rings, error, error_size))
		return false;
	if (rte_mem_event_callback_register(EVENT_NAME, on_memory_event, rings) != 0
		&& rte_errno != ENOTSUP) { /* --legacy-mem: nothing is ever unmapped */
		snprintf(error, error_size, "DPDK: %s", rte_strerror(rte_errno));
		return false;
	}
	return true;
}

bool dump_daemon_alive(const struct dump_daemon *daemon)
{
	if (daemon->pid > 0)
		return kill(daemon->pid, 0) == 0 || errno != ESRCH;
	return rte_eal_primary_proc_alive(NULL) == 1;
}

void dump_detach(struct dump_rings *rings)
{
	rte_mem_event_callback_unregister(EVENT_NAME, rings);
	/* Whatever EAL finds missing when the daemon has ended before us is not for the user. */
	rte_log_set_global_level(RTE_LOG_EMERG);
	rte_eal_cleanup();
	free(rings->ranges);
}
