/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <numa.h>

#include "control/config_lines.h"
#include "control/lcores.h"
#include "datapath/mempool_lifo.h"
#include "datapath/worker.h"

enum {
	/* What DPDK's headers say, repeated because nothing here may need EAL. */
	HEADROOM_BYTES = 128, /* RTE_PKTMBUF_HEADROOM */
	MBUF_BYTES = 128,     /* struct rte_mbuf */
	OBJECT_BYTES = 64,    /* mempool's header and alignment of one object */
	RING_BYTES = 384,     /* struct rte_ring, before its slots */
	SLOT_BYTES = 8,
	RECORD_BYTES = 9234, /* of a frame that is copied for consumers, without snap */
	RECORD_HEADER_BYTES = 64,
	CACHE_MBUFS = 384,    /* a mempool cache of one lcore: it flushes at 1.5 times its size */
	BURST_MBUFS = 4 * 64, /* one worker: received, parsed, queued, delivered */
	PCAPNG_MBUFS = 64,    /* a pcapng output's thread has in hand */
	PORT_OUTPUT_DESCRIPTORS = 1024, /* transmit descriptors of one queue */
	/* The buffers of a port output: idle receive queues, copies for devices that want them. */
	PORT_OUTPUT_BYTES = 1023 * (9216 + 22 + 128 + 192) + 511 * (2176 + 192),
	/* Sessions and filters; see lib/policy. Rules measured: 24 KiB for one, and at most 1,100
	 * bytes for each of thousands of random ones in rte_acl's two classifiers. */
	SESSION_BYTES = 64,
	SESSION_SLOT_BYTES = 8,
	SESSION_LEAST_SLOTS = 256,
	SOURCE_BYTES = 32,
	FILTERS_BYTES = 32 << 10,
	RULE_BYTES = 1536,
	DEFAULT_DATA_BYTES = 2048,
	DEFAULT_BLOCK_BYTES = 4096, /* net_af_packet: a page */
	LARGEST_DATA_BYTES = 65344, /* with headroom, rounded up to 64: fits mbuf's 16 bits */
	HUGEPAGE_BYTES = 2 << 20,
	DEFAULT_HUGEPAGES_BYTES = 256 << 20, /* what a default machine sets aside for us */
};

_Static_assert((int)MT_MAX_LCORES == (int)MT_LCORES_MAX_ID, "one limit");

/* What making a plan needs besides the plan itself. */
struct maker {
	const struct mt_config *config;
	struct mt_plan *plan;
	char *error;
	size_t error_size;
	struct mt_lcores lcores;
	struct mt_cpus workers; /* their lcore ids */
};

static int refuse(const struct maker *maker, const char *path, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(const struct maker *maker, const char *path, const char *format, ...)
{
	const char *file = maker->config->path != NULL ? maker->config->path : "configuration";
	unsigned line = mt_config_lines_find_in_file(file, path);
	va_list arguments;
	char number[16] = "";
	int used;

	/* A file that has changed or gone since it was loaded has no line to name. */
	if (line > 0)
		snprintf(number, sizeof(number), ":%u", line);
	used = snprintf(maker->error, maker->error_size, "%s%s: %s: ", file, number, path);
	if (used < 0 || (size_t)used >= maker->error_size)
		return -EINVAL;
	va_start(arguments, format);
	vsnprintf(maker->error + used, maker->error_size - used, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

/* libnuma's -1 (unknown CPU, no NUMA in this kernel or container) is node 0: there is one then. */
static int node_of_cpu(int cpu)
{
	int node = numa_available() < 0 ? -1 : numa_node_of_cpu(cpu);

	return node < 0 ? 0 : node;
}

static int first_cpu(const struct mt_cpus *cpus)
{
	for (unsigned cpu = 0; cpu < MT_LCORES_MAX_CPU; cpu++)
		if (mt_cpus_has(cpus, cpu))
			return cpu;
	return -1;
}

static int check_online(const struct maker *maker)
{
	struct mt_cpus online;
	char text[256];

	mt_lcores_online(&online);
	mt_lcores_format(&online, text, sizeof(text));
	for (unsigned i = 0; i < maker->lcores.count; i++)
		for (unsigned cpu = 0; cpu < MT_LCORES_MAX_CPU; cpu++)
			if (mt_cpus_has(&maker->lcores.list[i].cpus, cpu)
				&& !mt_cpus_has(&online, cpu))
				return refuse(maker, "dataplane.lcores",
					"lcore %u wants CPU %u, which is not online (online: %s); "
					"map it to one that is, e.g. '%u@%d'",
					maker->lcores.list[i].id, cpu, text,
					maker->lcores.list[i].id, first_cpu(&online));
	return 0;
}

static int place_lcores(struct maker *maker)
{
	const char *text = maker->config->dataplane.lcores;
	struct mt_lcores *lcores = &maker->lcores;
	struct mt_plan *plan = maker->plan;
	char problem[128];

	if (mt_lcores_parse(text, lcores, problem, sizeof(problem)) < 0)
		return refuse(maker, "dataplane.lcores",
			"\"%.60s\": %s; allowed: EAL's --lcores syntax, e.g. \"0-3\" or "
			"\"0@0,1@1\"",
			text, problem);
	if (lcores->count < 2)
		return refuse(maker, "dataplane.lcores",
			"\"%.60s\" names 1 lcore, at least 2 are needed (the first controls, the "
			"others work); on one core write '0@0,1@0'",
			text);
	if (check_online(maker) < 0)
		return -EINVAL;
	plan->control_lcore = lcores->list[0].id;
	plan->control_cpu = first_cpu(&lcores->list[0].cpus);
	for (unsigned i = 1; i < lcores->count; i++) {
		struct mt_plan_worker *worker = &plan->workers[plan->workers_count++];

		worker->lcore = lcores->list[i].id;
		worker->cpu = first_cpu(&lcores->list[i].cpus);
		worker->numa_node = node_of_cpu(worker->cpu);
		mt_cpus_add(&maker->workers, worker->lcore);
	}
	return 0;
}

const struct mt_plan_worker *mt_plan_far_worker(const struct mt_plan *plan, int node)
{
	const struct mt_plan_worker *far = NULL;

	if (node < 0)
		return NULL;
	for (unsigned w = 0; w < plan->workers_count; w++) {
		const struct mt_plan_worker *worker = &plan->workers[w];

		if (worker->numa_node == node)
			continue;
		if (worker->receives)
			return worker;
		if (far == NULL)
			far = worker;
	}
	return far;
}

/* Reads receive_lcores or queue_lcores; absent means all workers. */
static int read_role(
	const struct maker *maker, const char *path, const char *text, struct mt_cpus *ids)
{
	char problem[128], workers[256];

	*ids = maker->workers;
	if (text == NULL)
		return 0;
	if (mt_lcores_parse_ids(text, ids, problem, sizeof(problem)) < 0)
		return refuse(maker, path,
			"\"%.60s\": %s; allowed: lcore ids, e.g. \"1,2\" or \"1-2\"", text,
			problem);
	mt_lcores_format(&maker->workers, workers, sizeof(workers));
	for (unsigned id = 0; id < MT_LCORES_MAX_CPU; id++)
		if (mt_cpus_has(ids, id) && !mt_cpus_has(&maker->workers, id))
			return refuse(maker, path, "lcore %u %s; the workers are %s", id,
				id == maker->plan->control_lcore ? "controls and does not work"
								 : "is not in dataplane.lcores",
				workers);
	return 0;
}

/* Queue q to owner q modulo their number; an owner without queue keeps no role as owner. */
static void assign_queues(struct mt_plan *plan, const struct mt_cpus *owners)
{
	unsigned candidates[MT_MAX_LCORES];
	unsigned count = 0;

	for (unsigned i = 0; i < plan->workers_count; i++)
		if (mt_cpus_has(owners, plan->workers[i].lcore))
			candidates[count++] = i;
	for (unsigned q = 0; q < plan->queues; q++) {
		plan->queue_owner[q] = candidates[q % count];
		plan->workers[plan->queue_owner[q]].owns = true;
	}
}

static int check_roles(const struct maker *maker, const struct mt_cpus *owners)
{
	const struct mt_plan *plan = maker->plan;

	for (unsigned i = 0; i < plan->workers_count; i++) {
		const struct mt_plan_worker *worker = &plan->workers[i];

		if (worker->receives || worker->owns)
			continue;
		if (mt_cpus_has(owners, worker->lcore))
			return refuse(maker,
				maker->config->dataplane.queue_lcores != NULL
					? "dataplane.queue_lcores"
					: "dataplane.lcores",
				"lcore %u would have no queue to own, there are %u; raise "
				"dataplane.queues or name fewer lcores",
				worker->lcore, plan->queues);
		return refuse(maker, "dataplane.lcores",
			"lcore %u would have nothing to do; name it in receive_lcores or "
			"queue_lcores, or leave it out",
			worker->lcore);
	}
	return 0;
}

static int place_roles(struct maker *maker)
{
	const struct mt_config_dataplane *dataplane = &maker->config->dataplane;
	struct mt_plan *plan = maker->plan;
	struct mt_cpus receivers, owners;

	if (read_role(maker, "dataplane.receive_lcores", dataplane->receive_lcores, &receivers) < 0)
		return -EINVAL;
	if (read_role(maker, "dataplane.queue_lcores", dataplane->queue_lcores, &owners) < 0)
		return -EINVAL;
	plan->queues = dataplane->queues;
	for (unsigned i = 0; i < plan->workers_count; i++) {
		plan->workers[i].receives = mt_cpus_has(&receivers, plan->workers[i].lcore);
		plan->receivers_count += plan->workers[i].receives;
	}
	assign_queues(plan, &owners);
	return check_roles(maker, &owners);
}

/* A queue has a ring only if someone else than its owner may receive packets for it. */
static unsigned count_queue_rings(const struct mt_plan *plan)
{
	unsigned count = 0;

	for (unsigned q = 0; q < plan->queues; q++) {
		const struct mt_plan_worker *owner = &plan->workers[plan->queue_owner[q]];

		count += plan->receivers_count > owner->receives;
	}
	return count;
}

/* A number among the arguments of a vdev string, or `otherwise`. */
static unsigned long device_number(
	const char *device, const char *argument, unsigned long otherwise)
{
	const char *found = strstr(device, argument);

	return found != NULL ? strtoul(found + strlen(argument), NULL, 10) : otherwise;
}

/* net_af_packet copies each frame out of its ring into one mbuf and drops what does not fit. Its
 * ring's blocks must hold whole frames, or it stops receiving after some frames without a word. */
static int choose_buffer(struct maker *maker, unsigned index)
{
	static const char af_packet[] = "net_af_packet";
	const struct mt_config_port *port = &maker->config->ports[index];
	unsigned long data = DEFAULT_DATA_BYTES;

	if (strncmp(port->device, af_packet, sizeof(af_packet) - 1) == 0) {
		unsigned long frame = device_number(port->device, ",framesz=", DEFAULT_DATA_BYTES);
		unsigned long block = device_number(port->device, ",blocksz=", DEFAULT_BLOCK_BYTES);
		char path[MT_CONFIG_MAX_PATH];

		snprintf(path, sizeof(path), "ports[%u].device", index);
		if (frame == 0 || frame > LARGEST_DATA_BYTES)
			return refuse(maker, path, "framesz is not a number from 1 to %d",
				LARGEST_DATA_BYTES);
		if (block % frame != 0)
			return refuse(maker, path,
				"framesz %lu does not divide blocksz %lu; give a blocksz that is a "
				"multiple of it and of 4096",
				frame, block);
		data = (frame + HEADROOM_BYTES + 63) / 64 * 64 - HEADROOM_BYTES;
	}
	if (port->buffer_bytes > 0)
		data = port->buffer_bytes;
	maker->plan->ports[index].buffer_bytes = data + HEADROOM_BYTES;
	return 0;
}

/* Does the output set the mbufs themselves aside, up to `length` for each queue? */
static bool holds_mbufs(const struct mt_config_output *output)
{
	return output->type == MT_OUTPUT_PCAPNG
		|| (output->type == MT_OUTPUT_RING && output->mode == MT_CONFIG_ZERO_COPY);
}

/* What a worker sets aside to spread it at once; see mt_spread_limit(). */
static unsigned count_spread(const struct mt_plan *plan)
{
	return RTE_MIN(plan->queues * (unsigned)MT_SPREAD_PER_QUEUE, (unsigned)MT_SPREAD_FRAMES);
}

/* How many mbufs of one port can be held anywhere at one time:
 *
 *	the port's receive descriptors, of one receive queue for each receiver
 *	+ bursts in the workers' hands, and what they spread at once over many queues
 *	+ queue_length for each queue that has a ring
 *	+ packets x queues where segments are held back to be put in order
 *	+ length x queues for each ring output that is not copied
 *	+ length x queues, and a burst, for each pcapng output
 *	+ transmit descriptors x queues for each port output
 *	+ what the mempool caches of workers and control keep to themselves
 *
 * Rings and outputs are shared by all ports, but one port may fill them alone, so they count in
 * full for each. A tap output writes at once and holds nothing. Never fewer than the port's
 * `buffers`. Rounded up to 2^n - 1, which is what a mempool's ring of 2^n slots has room for. */
static uint64_t count_mbufs(const struct mt_config *config, const struct mt_plan *plan,
	const struct mt_config_port *port)
{
	uint64_t count = (uint64_t)port->descriptors * plan->receivers_count;
	uint64_t rounded = 1;

	count += (uint64_t)(BURST_MBUFS + count_spread(plan)) * plan->workers_count;
	count += (uint64_t)CACHE_MBUFS * (plan->workers_count + 1);
	count += (uint64_t)config->dataplane.queue_length * count_queue_rings(plan);
	count += (uint64_t)config->reorder.packets * plan->queues;
	for (unsigned i = 0; i < config->outputs_count; i++) {
		if (holds_mbufs(&config->outputs[i]))
			count += (uint64_t)config->outputs[i].length * plan->queues;
		if (config->outputs[i].type == MT_OUTPUT_PCAPNG)
			count += PCAPNG_MBUFS;
		if (config->outputs[i].type == MT_OUTPUT_PORT)
			count += (uint64_t)PORT_OUTPUT_DESCRIPTORS * plan->queues;
	}
	while (rounded < count || rounded < port->buffers)
		rounded = rounded * 2 + 1;
	return rounded;
}

/* One frame of a ring output that is copied; see lib/output/ring.c. */
static uint64_t record_bytes(const struct mt_config_output *output)
{
	uint32_t bytes = output->snap != 0 ? output->snap : RECORD_BYTES;

	return output->mode == MT_CONFIG_COPY ? (RECORD_HEADER_BYTES + bytes + 63) / 64 * 64 : 0;
}

static uint64_t policy_bytes(const struct mt_policy_spec *policy)
{
	uint64_t slots = SESSION_LEAST_SLOTS;
	uint64_t bytes = 0;

	if (mt_policy_spec_is_empty(policy))
		return 0;
	while (slots < UINT64_C(4) * policy->sessions_count)
		slots *= 2;
	bytes += slots * SESSION_SLOT_BYTES;
	for (unsigned s = 0; s < policy->sessions_count; s++)
		bytes += SESSION_BYTES + (uint64_t)policy->sessions[s].sources_count * SOURCE_BYTES;
	if (policy->filters_count > 0)
		bytes += FILTERS_BYTES;
	for (unsigned f = 0; f < policy->filters_count; f++)
		bytes += (uint64_t)policy->filters[f].rules_count * RULE_BYTES;
	return bytes;
}

static int size_memory(struct maker *maker)
{
	const struct mt_config *config = maker->config;
	struct mt_plan *plan = maker->plan;
	uint64_t ring = (uint64_t)config->dataplane.queue_length * SLOT_BYTES + RING_BYTES;

	plan->rings_bytes = ring * count_queue_rings(plan);
	for (unsigned i = 0; i < config->outputs_count; i++) {
		if (config->outputs[i].type == MT_OUTPUT_RING)
			plan->consumers_bytes += (uint64_t)plan->queues * config->outputs[i].length
				* (SLOT_BYTES + record_bytes(&config->outputs[i]));
		if (config->outputs[i].type == MT_OUTPUT_PCAPNG)
			plan->rings_bytes += plan->queues
				* ((uint64_t)config->outputs[i].length * SLOT_BYTES + RING_BYTES);
		if (config->outputs[i].type == MT_OUTPUT_PORT)
			plan->outputs_bytes += PORT_OUTPUT_BYTES;
	}
	if (config->dedup.window_ms != 0)
		plan->dedup_bytes = plan->queues * mt_dedup_bytes(config->dedup.entries);
	if (config->reorder.window_us != 0)
		plan->reorder_bytes = plan->queues * mt_reorder_bytes(config->reorder.packets);
	plan->workers_bytes = (uint64_t)plan->workers_count * MT_PLAN_WORKER_BYTES;
	plan->policy_bytes = 2 * policy_bytes(&config->policy);
	plan->total_bytes = plan->workers_bytes + plan->rings_bytes + plan->dedup_bytes
		+ plan->reorder_bytes + plan->outputs_bytes + plan->policy_bytes;
	for (unsigned i = 0; i < config->ports_count; i++) {
		if (choose_buffer(maker, i) < 0)
			return -EINVAL;
		plan->ports[i].mbufs = count_mbufs(config, plan, &config->ports[i]);
		plan->ports[i].bytes = (uint64_t)plan->ports[i].mbufs
			* (plan->ports[i].buffer_bytes + MBUF_BYTES + OBJECT_BYTES
				+ MT_MEMPOOL_LIFO_BYTES);
		plan->total_bytes += plan->ports[i].bytes;
	}
	return 0;
}

int mt_plan_make(
	const struct mt_config *config, struct mt_plan *plan, char *error, size_t error_size)
{
	struct maker maker = {
		.config = config,
		.plan = plan,
		.error = error,
		.error_size = error_size,
	};

	*plan = (struct mt_plan){0};
	if (place_lcores(&maker) < 0 || place_roles(&maker) < 0 || size_memory(&maker) < 0)
		return -EINVAL;
	return 0;
}

static double mebibytes(uint64_t bytes)
{
	return bytes / 1048576.0;
}

static void print_workers(const struct mt_plan *plan, FILE *stream)
{
	fprintf(stream, "cores\n");
	fprintf(stream, "  lcore %-3u cpu %-3d node %d  control\n", plan->control_lcore,
		plan->control_cpu, node_of_cpu(plan->control_cpu));
	for (unsigned i = 0; i < plan->workers_count; i++) {
		const struct mt_plan_worker *worker = &plan->workers[i];
		const char *separator = worker->receives ? ", owns queues" : "owns queues";

		fprintf(stream, "  lcore %-3u cpu %-3d node %d  %s", worker->lcore, worker->cpu,
			worker->numa_node, worker->receives ? "receives" : "");
		for (unsigned q = 0; q < plan->queues; q++) {
			if (plan->queue_owner[q] != i)
				continue;
			fprintf(stream, "%s %u", separator, q);
			separator = ",";
		}
		fprintf(stream, "\n");
	}
}

static void print_ports(const struct mt_config *config, const struct mt_plan *plan, FILE *stream)
{
	fprintf(stream, "ports\n");
	for (unsigned i = 0; i < config->ports_count; i++) {
		const struct mt_config_port *port = &config->ports[i];

		fprintf(stream, "  %-15s %s\n", port->name, port->device);
		fprintf(stream, "  %-15s %u descriptors, %u buffers of %u bytes, %.1f MiB\n", "",
			port->descriptors, plan->ports[i].mbufs, plan->ports[i].buffer_bytes,
			mebibytes(plan->ports[i].bytes));
	}
}

static void print_udp_ports(const char *tunnel, const uint16_t *ports, unsigned count, FILE *stream)
{
	fprintf(stream, "  %-15s", tunnel);
	for (unsigned i = 0; i < count; i++)
		fprintf(stream, "%s%u", i == 0 ? " UDP " : ", ", ports[i]);
	fprintf(stream, "%s\n", count == 0 ? " none" : "");
}

static void print_pcapng(const struct mt_config_output *output, FILE *stream)
{
	fprintf(stream, "pcapng files in %s, each of %.1f MiB", output->directory,
		mebibytes(output->rotate_bytes));
	if (output->rotate_seconds > 0)
		fprintf(stream, " or %u s", output->rotate_seconds);
	if (output->keep_files > 0)
		fprintf(stream, ", %u kept", output->keep_files);
	if (output->keep_bytes > 0)
		fprintf(stream, ", %.1f MiB in all", mebibytes(output->keep_bytes));
	fprintf(stream, "\n");
}

static void print_outputs(const struct mt_config *config, unsigned queues, FILE *stream)
{
	fprintf(stream, "outputs%s\n", config->outputs_count == 0 ? ": none" : "");
	for (unsigned i = 0; i < config->outputs_count; i++) {
		const struct mt_config_output *output = &config->outputs[i];

		fprintf(stream, "  %-15s ", output->name);
		switch (output->type) {
		case MT_OUTPUT_TAP:
			fprintf(stream, "tap %s, MTU %u, %u kernel queues\n", output->interface,
				output->mtu, queues);
			break;
		case MT_OUTPUT_RING:
			fprintf(stream, "%u rings of %u frames, %s\n", queues, output->length,
				output->mode == MT_CONFIG_COPY ? "copied" : "zero-copy");
			break;
		case MT_OUTPUT_PORT:
			fprintf(stream, "port %s\n", output->device);
			break;
		case MT_OUTPUT_PCAPNG:
			print_pcapng(output, stream);
			break;
		}
	}
}

static void print_policy(const struct mt_policy_spec *policy, FILE *stream)
{
	unsigned rules = 0;

	for (unsigned f = 0; f < policy->filters_count; f++)
		rules += policy->filters[f].rules_count;
	fprintf(stream, "sessions: %u, other VNIs: %s\n", policy->sessions_count,
		policy->drop_unknown ? "drop" : "accept");
	fprintf(stream, "filters: %u, with %u rules\n", policy->filters_count, rules);
}

static void print_reorder(const struct mt_config_reorder *reorder, FILE *stream)
{
	if (reorder->window_us != 0)
		fprintf(stream,
			"reordering: TCP, within %u us, at most %u packets for each queue\n",
			reorder->window_us, reorder->packets);
}

static void print_dedup(const struct mt_config_dedup *dedup, FILE *stream)
{
	if (dedup->window_ms == 0)
		return;
	fprintf(stream, "de-duplication: within %u ms, %s, %u entries for each queue\n",
		dedup->window_ms, dedup->across_sessions ? "across sessions" : "by session",
		mt_dedup_entries(dedup->entries));
}

static bool without_hugepages(const struct mt_config *config)
{
	for (unsigned i = 0; i < config->dataplane.eal_count; i++) {
		if (strcmp(config->dataplane.eal[i], "--no-huge") == 0)
			return true;
	}
	return false;
}

static void print_memory(const struct mt_config *config, const struct mt_plan *plan, FILE *stream)
{
	uint64_t pages = (plan->total_bytes + HUGEPAGE_BYTES - 1) / HUGEPAGE_BYTES;
	unsigned output_rings = 0;

	for (unsigned i = 0; i < config->outputs_count; i++)
		output_rings += config->outputs[i].type == MT_OUTPUT_PCAPNG ? plan->queues : 0;
	fprintf(stream, "memory\n");
	for (unsigned i = 0; i < config->ports_count; i++)
		fprintf(stream, "  buffers of %-15s %8.1f MiB\n", config->ports[i].name,
			mebibytes(plan->ports[i].bytes));
	if (plan->outputs_bytes > 0)
		fprintf(stream, "  port outputs %13s %8.1f MiB  (at most)\n", "",
			mebibytes(plan->outputs_bytes));
	if (plan->policy_bytes > 0)
		fprintf(stream, "  sessions, filters %8s %8.1f MiB  (twice, for a reload)\n", "",
			mebibytes(plan->policy_bytes));
	fprintf(stream, "  workers %18s %8.1f MiB\n", "", mebibytes(plan->workers_bytes));
	fprintf(stream, "  rings %20s %8.1f MiB  (%u to queues, %u to files)\n", "",
		mebibytes(plan->rings_bytes), count_queue_rings(plan), output_rings);
	if (plan->dedup_bytes > 0)
		fprintf(stream, "  de-duplication %11s %8.1f MiB  (%u tables)\n", "",
			mebibytes(plan->dedup_bytes), plan->queues);
	if (plan->reorder_bytes > 0)
		fprintf(stream, "  reordering %15s %8.1f MiB  (%u tables)\n", "",
			mebibytes(plan->reorder_bytes), plan->queues);
	fprintf(stream,
		"  total %20s %8.1f MiB = %" PRIu64
		" hugepages of 2 MiB, without what the devices' "
		"drivers take\n",
		"", mebibytes(plan->total_bytes), pages);
	if (plan->consumers_bytes > 0)
		fprintf(stream, "  and, not of hugepages, for consumers of rings %.1f MiB\n",
			mebibytes(plan->consumers_bytes));
	if (without_hugepages(config))
		fprintf(stream, "  --no-huge: of ordinary memory, up to twice as much\n");
	else if (plan->total_bytes <= DEFAULT_HUGEPAGES_BYTES * 3ull / 4)
		fprintf(stream, "  256 MiB of hugepages in all are enough for it\n");
	else
		fprintf(stream, "  set aside more than the usual 256 MiB of hugepages for it\n");
}

void mt_plan_print(const struct mt_config *config, const struct mt_plan *plan, FILE *stream)
{
	static const char *const fields[] = {
		[MT_HASH_5_TUPLE] = "5-tuple",
		[MT_HASH_2_TUPLE] = "2-tuple",
		[MT_HASH_VNI] = "vni",
	};
	const struct mt_config_dataplane *dataplane = &config->dataplane;

	print_workers(plan, stream);
	fprintf(stream, "queues: %u, by %s%s\n", plan->queues, fields[dataplane->hash.fields],
		dataplane->hash.include_vni ? " and VNI" : "");
	print_ports(config, plan, stream);
	fprintf(stream, "tunnels\n");
	print_udp_ports(
		"VXLAN", config->tunnels.vxlan_ports, config->tunnels.vxlan_ports_count, stream);
	print_udp_ports(
		"GENEVE", config->tunnels.geneve_ports, config->tunnels.geneve_ports_count, stream);
	print_policy(&config->policy, stream);
	print_dedup(&config->dedup, stream);
	print_reorder(&config->reorder, stream);
	print_outputs(config, plan->queues, stream);
	print_memory(config, plan, stream);
}
