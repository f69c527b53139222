/* SPDX-License-Identifier: BSD-3-Clause */
#include "gen_eal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "output/interrupt_guard.h"
#include "stop.h"

enum {
	MAX_ARGUMENTS = 64,
	TEXT = 64,
	DESCRIPTORS = 1024,
	CACHE = 512,
	MBUFS = 16383,
	LONG_MBUFS = 4095, /* of more than LONG_ROOM bytes */
	LONG_ROOM = 2304,
	LINK_TRIES = 200,
	LINK_PAUSE_NS = 50000000,
	MTU = 9216,
};

struct arguments {
	char *list[MAX_ARGUMENTS + 1];
	int count;
};

static void add(struct arguments *arguments, const char *text)
{
	if (arguments->count < MAX_ARGUMENTS)
		arguments->list[arguments->count++] = (char *)(uintptr_t)text;
}

/* Does the user say this himself? "-l" also as "-l3". */
static bool has(const struct gen_options *options, const char *name)
{
	for (int i = 0; i < options->eal_count; i++) {
		if (strncmp(options->eal[i], name, strlen(name)) == 0)
			return true;
	}
	return false;
}

static int last_cpu(void)
{
	cpu_set_t allowed;
	int last = 0;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		return 0;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &allowed))
			last = cpu;
	}
	return last;
}

/* "0000:00:06.0", or without the domain */
static bool is_pci(const char *device)
{
	unsigned domain, bus, slot, function;

	return sscanf(device, "%x:%x:%x.%x", &domain, &bus, &slot, &function) == 4
		|| sscanf(device, "%x:%x.%x", &bus, &slot, &function) == 3;
}

/* EAL prints pages of its own usage to standard output when an argument is wrong; that is the
 * result's place. */
static int init_quietly(struct arguments *arguments)
{
	int saved, null, rc;

	fflush(stdout);
	saved = dup(STDOUT_FILENO);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (saved >= 0 && null >= 0)
		dup2(null, STDOUT_FILENO);
	rc = rte_eal_init(arguments->count, arguments->list);
	fflush(stdout);
	if (saved >= 0) {
		dup2(saved, STDOUT_FILENO);
		close(saved);
	}
	if (null >= 0)
		close(null);
	return rc;
}

/* EAL leaves it behind, empty or not: a run folder of its own for each run. One that is in use has
 * files in it, and stays. */
static void remove_run_folder(void)
{
	const char *folder = rte_eal_get_runtime_dir();

	if (folder[0] != '\0')
		rmdir(folder);
}

static bool start_eal(const struct gen_options *options)
{
	char prefix[TEXT], lcores[TEXT], device[TEXT];
	struct arguments arguments = {0};

	snprintf(prefix, sizeof(prefix), "--file-prefix=mirrorgen-%d", (int)getpid());
	snprintf(lcores, sizeof(lcores), "--lcores=0@%d",
		options->cpu >= 0 ? options->cpu : last_cpu());
	snprintf(device, sizeof(device), "--allow=%.*s", (int)strcspn(options->device, ","),
		options->device);
	add(&arguments, "mirrorgen");
	add(&arguments, "--no-telemetry");
	add(&arguments, options->verbose ? "--log-level=info" : "--log-level=error");
	if (!has(options, "--file-prefix"))
		add(&arguments, prefix);
	/* Nothing is shared, and nothing is left behind: no files. Without hugepages EAL has none
	 * anyway, and refuses to be told. */
	if (has(options, "--no-huge") || has(options, "--legacy-mem"))
		add(&arguments, "--no-shconf");
	else if (!has(options, "--in-memory"))
		add(&arguments, "--in-memory");
	if (!has(options, "-l") && !has(options, "-c") && !has(options, "--lcores"))
		add(&arguments, lcores);
	if (!has(options, "--no-pci") && !has(options, "-a") && !has(options, "--allow"))
		add(&arguments, is_pci(options->device) ? device : "--no-pci");
	for (int i = 0; i < options->eal_count; i++)
		add(&arguments, options->eal[i]);
	if (arguments.count == MAX_ARGUMENTS) {
		gen_complain("more than %d EAL arguments", MAX_ARGUMENTS);
		return false;
	}
	if (init_quietly(&arguments) >= 0)
		return true;
	remove_run_folder();
	gen_complain("DPDK does not start: %s; it needs root and free hugepages (grep Huge "
		     "/proc/meminfo), or -- --no-huge; -v shows DPDK's own words",
		rte_strerror(rte_errno));
	return false;
}

/* net_af_packet receives only into a buffer that takes a whole frame of its ring. */
static uint32_t least_room(const char *device)
{
	enum { USUAL = 2048 };
	const char *frame = strstr(device, ",framesz=");
	unsigned long bytes = frame != NULL ? strtoul(frame + 9, NULL, 10) : USUAL;

	return (uint32_t)RTE_MIN(RTE_MAX(bytes, (unsigned long)USUAL), 1ul << 15);
}

static bool make_pool(struct gen_port *port, const struct gen_options *options, uint32_t room)
{
	uint32_t size =
		RTE_ALIGN(RTE_MAX(room, least_room(options->device)), 64u) + RTE_PKTMBUF_HEADROOM;
	uint32_t count = options->mbufs;

	if (count == 0)
		count = size > LONG_ROOM ? LONG_MBUFS : MBUFS;
	port->pool = rte_pktmbuf_pool_create(
		"mirrorgen", count, CACHE, 0, (uint16_t)size, SOCKET_ID_ANY);
	if (port->pool == NULL)
		gen_complain("%u packet buffers of %u bytes: %s; take fewer by --mbufs, or give "
			     "DPDK more memory (hugepages, or -- --no-huge -m MIB)",
			count, size, rte_strerror(rte_errno));
	return port->pool != NULL;
}

/* A memif or vhost port has its peer first. */
static bool wait_for_link(const struct gen_port *port)
{
	struct rte_eth_link link = {0};

	for (unsigned i = 0; i < LINK_TRIES && !stop_wanted(); i++) {
		if (rte_eth_link_get_nowait(port->device.id, &link) < 0
			|| link.link_status == RTE_ETH_LINK_UP)
			return true;
		nanosleep(&(struct timespec){.tv_nsec = LINK_PAUSE_NS}, NULL);
	}
	if (!stop_wanted())
		gen_complain("device \"%s\": its link is down; start its peer, or plug it in",
			port->device.device);
	return false;
}

static bool start_device(struct gen_port *port, const struct gen_options *options, bool receive)
{
	struct mt_ethdev_request request = {
		.rx_queues = 1, /* memif and vhost count queue pairs */
		.tx_queues = 1,
		.rx_descriptors = DESCRIPTORS,
		.tx_descriptors = DESCRIPTORS,
		.mtu = MTU,
		.all_rx_queues = receive,
		.pool = port->pool,
	};
	char error[GEN_ERROR_SIZE];

	if (mt_ethdev_start(&port->device, &request, error, sizeof(error)) != 0) {
		gen_complain("device \"%s\": %s", options->device, error);
		return false;
	}
	if (!receive && port->device.tx_queues == 0) {
		gen_complain("device \"%s\": cannot send; a vdev may need an argument for it, as "
			     "net_pcap0,tx_pcap=FILE",
			options->device);
		return false;
	}
	if (receive && port->device.rx_queues == 0) {
		gen_complain("device \"%s\": cannot receive; a vdev may need an argument for it, "
			     "as net_pcap0,rx_pcap=FILE",
			options->device);
		return false;
	}
	return wait_for_link(port);
}

bool gen_port_open(
	struct gen_port *port, const struct gen_options *options, bool receive, uint32_t room)
{
	char error[GEN_ERROR_SIZE];

	*port = (struct gen_port){0};
	if (!start_eal(options))
		return false;
	if (mt_ethdev_probe(options->device, &port->device, error, sizeof(error)) != 0)
		gen_complain("%s", error);
	else if (make_pool(port, options, room) && start_device(port, options, receive))
		return true;
	gen_port_close(port);
	return false;
}

void gen_port_close(struct gen_port *port)
{
	if (port->device.driver[0] != '\0')
		mt_ethdev_stop(&port->device);
	rte_mempool_free(port->pool);
	mt_interrupts_end();
	rte_eal_cleanup();
	remove_run_folder();
}
