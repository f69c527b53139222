/* SPDX-License-Identifier: BSD-3-Clause */
#include "gen_traffic.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_prefetch.h>

#include "gen_broken.h"
#include "gen_capture.h"
#include "gen_packet.h"
#include "gen_random.h"

enum {
	PORTS = 128, /* outer UDP source ports of a source */
	FIRST_PORT = 0xff80,
	FIRST_PEER = 100 << 24 | 64 << 16, /* 100.64.0.0/10 */
	FIRST_PEER_PORT = 1024,
	PEER_PORTS = 60000,
	TCP_SERVICE = 443,
	UDP_SERVICE = 9,
	FLOWS_ALIGN = 64,
};

enum kind {
	KIND_FLOW,
	KIND_COPY, /* of the frame before */
	KIND_BROKEN,
	KIND_CAPTURED,
};

/* Two of them in a cache line: with many flows, each packet finds its flow in memory. */
struct flow {
	uint64_t sequence; /* of the next mark */
	uint32_t source;
	uint32_t peer;
	uint32_t vni;
	uint16_t peer_port;
	uint16_t size; /* of the first fragment: the later one is like it */
	uint16_t id;
	uint8_t phase; /* which of its ways, and which fragment, is next */
	uint8_t shape;
	uint8_t outer_ports[2]; /* by direction, over FIRST_PORT */
};
static_assert(sizeof(struct flow) == 32, "two flows in a cache line");

struct gen_traffic {
	struct gen_random random;
	struct gen_counts counts;
	uint64_t sequence; /* of the next mark */
	uint32_t run;
	uint32_t prefix; /* what is copied of a template; a multiple of ALIGN */
	uint32_t truncate;
	uint32_t flows_count;
	uint32_t sessions;
	uint32_t cycle;  /* next flow, or captured frame */
	uint32_t chosen; /* the last flow, or captured frame */
	enum gen_distribution distribution;
	struct flow *flows; /* with a capture, one for each of its frames */
	struct gen_choice zipf;
	struct gen_choice sizes;
	uint16_t *size_bytes;
	struct gen_broken broken;
	uint64_t copies_share;
	bool copy_next;
	struct gen_packet last; /* the packet before, for a copy of it */
	uint8_t last_shape;
	bool captured;
	struct gen_capture capture;
	uint32_t longest;
	uint32_t *sums; /* of gen_packet_sums() */
	struct gen_template templates[GEN_SHAPES];
};

/* --- setting up --- */

/* A share of all flows, spread evenly over their numbers: multiples of an irrational number,
 * another one for each property, so that properties meet as often as their shares say. */
static bool has_property(uint32_t flow, double irrational, double share)
{
	double multiple = (flow + 0.5) * irrational;

	return multiple - (double)(uint64_t)multiple < share;
}

static enum gen_tunnel tunnel_of(uint32_t flow, const double *weights)
{
	double sum = weights[GEN_VXLAN] + weights[GEN_GENEVE] + weights[GEN_GWLB];

	if (has_property(flow, 0.6180339887498949, weights[GEN_VXLAN] / sum))
		return GEN_VXLAN;
	return has_property(
		       flow, 0.6180339887498949, (weights[GEN_VXLAN] + weights[GEN_GENEVE]) / sum)
		? GEN_GENEVE
		: GEN_GWLB;
}

static uint8_t shape_of(const struct gen_spec *spec, uint32_t flow)
{
	enum gen_inner inner = GEN_TCP;

	if (has_property(flow, 0.4142135623730951, spec->fragments))
		inner = GEN_FRAGMENT_FIRST;
	else if (has_property(flow, 0.7320508075688772, spec->udp))
		inner = GEN_UDP;
	return (uint8_t)gen_shape(tunnel_of(flow, spec->tunnels),
		has_property(flow, 0.2360679774997896, spec->outer_ipv6),
		has_property(flow, 0.6457513110645906, spec->ipv6), inner);
}

/* `bits` choose its ports. */
static struct flow make_flow(const struct gen_spec *spec, uint32_t number, uint64_t bits)
{
	uint8_t there = bits % PORTS;

	return (struct flow){
		.source = spec->ends.source + number % spec->sources,
		.peer = FIRST_PEER + number % GEN_MAX_FLOWS,
		.vni = spec->first_vni + number % spec->sessions,
		.peer_port = (uint16_t)(FIRST_PEER_PORT + (bits >> 16) % PEER_PORTS),
		/* The other direction's is another one. */
		.outer_ports = {there, (uint8_t)((there + 1 + (bits >> 8) % (PORTS - 1)) % PORTS)},
	};
}

static bool make_flows(struct gen_traffic *traffic, const struct gen_spec *spec)
{
	traffic->flows_count = spec->flows;
	traffic->flows =
		aligned_alloc(FLOWS_ALIGN, (spec->flows + 1) / 2 * 2 * sizeof(struct flow));
	if (traffic->flows == NULL)
		return false;
	for (uint32_t f = 0; f < spec->flows; f++) {
		traffic->flows[f] = make_flow(spec, f, gen_mix(spec->seed ^ gen_mix(f + 1ull)));
		traffic->flows[f].shape = shape_of(spec, f);
	}
	return spec->distribution != GEN_ZIPF
		|| gen_choice_zipf(&traffic->zipf, spec->flows, spec->zipf_exponent);
}

static bool make_sizes(struct gen_traffic *traffic, const struct gen_spec *spec)
{
	traffic->size_bytes = malloc(spec->sizes.count * sizeof(*traffic->size_bytes));
	if (traffic->size_bytes == NULL)
		return false;
	for (uint32_t i = 0; i < spec->sizes.count; i++)
		traffic->size_bytes[i] = (uint16_t)spec->sizes.bytes[i];
	return gen_choice_make(&traffic->sizes, spec->sizes.weights, spec->sizes.count);
}

static bool make_captured(
	struct gen_traffic *traffic, const struct gen_spec *spec, char error[GEN_ERROR_SIZE])
{
	if (!gen_capture_read(&traffic->capture, spec->capture, &spec->ends, error))
		return false;
	snprintf(error, GEN_ERROR_SIZE, "out of memory");
	traffic->captured = true;
	traffic->flows_count = traffic->capture.count;
	traffic->flows = aligned_alloc(
		FLOWS_ALIGN, (traffic->flows_count + 1) / 2 * 2 * sizeof(*traffic->flows));
	if (traffic->flows == NULL)
		return false;
	for (uint32_t f = 0; f < traffic->flows_count; f++) {
		uint32_t hash = traffic->capture.frames[f].flow_hash;

		traffic->flows[f] = make_flow(spec, hash, gen_mix(spec->seed ^ gen_mix(hash)));
		traffic->flows[f].shape = (uint8_t)gen_shape(tunnel_of(hash, spec->tunnels),
			has_property(hash, 0.2360679774997896, spec->outer_ipv6), false, GEN_TCP);
	}
	return true;
}

/* How long frames can get, and how much of a template must be written over what an earlier frame
 * has left in the buffer. */
static void measure(struct gen_traffic *traffic, const struct gen_spec *spec)
{
	uint32_t inner = traffic->capture.longest;
	uint32_t headers = traffic->broken.count > 0 ? GEN_BROKEN_BYTES : 0;

	for (uint32_t i = 0; i < spec->sizes.count && !traffic->captured; i++)
		inner = RTE_MAX(inner, spec->sizes.bytes[i]);
	for (uint32_t f = 0; f < traffic->flows_count; f++) {
		const struct gen_template *template = &traffic->templates[traffic->flows[f].shape];
		uint32_t longest = RTE_MAX((uint32_t) template->payload, template->inner + inner);

		if (spec->truncate != 0)
			longest = RTE_MIN(longest, template->inner + spec->truncate);
		traffic->longest = RTE_MAX(traffic->longest, longest);
		headers = RTE_MAX(headers, (uint32_t) template->payload + GEN_MARK_LENGTH);
	}
	traffic->prefix =
		RTE_MIN(RTE_ALIGN(headers, (uint32_t)GEN_COPY_ALIGN), (uint32_t)GEN_MAX_PREFIX);
	if (traffic->broken.count > 0)
		traffic->longest = RTE_MAX(traffic->longest, (uint32_t)GEN_BROKEN_BYTES);
}

struct gen_traffic *gen_traffic_create(const struct gen_spec *spec, char error[GEN_ERROR_SIZE])
{
	struct gen_traffic *traffic = calloc(1, sizeof(*traffic));
	bool fine;

	snprintf(error, GEN_ERROR_SIZE, "out of memory");
	if (traffic == NULL)
		return NULL;
	traffic->random.state = gen_mix(spec->seed);
	traffic->run = (uint32_t)spec->seed;
	traffic->sessions = spec->sessions;
	traffic->truncate = spec->truncate != 0 ? spec->truncate : UINT32_MAX;
	traffic->distribution = spec->distribution;
	traffic->copies_share = gen_share(spec->copies);
	for (unsigned s = 0; s < GEN_SHAPES; s++)
		gen_template_make(&traffic->templates[s], s, &spec->ends);
	fine = spec->capture != NULL ? make_captured(traffic, spec, error)
				     : make_flows(traffic, spec) && make_sizes(traffic, spec);
	if (!fine || !gen_broken_begin(&traffic->broken, spec)) {
		gen_traffic_free(traffic);
		return NULL;
	}
	measure(traffic, spec);
	/* Checksums are of whole packets, also of those that are truncated then. */
	traffic->sums = gen_packet_sums(GEN_MAX_INNER + GEN_MAX_PREFIX);
	if (traffic->sums == NULL) {
		gen_traffic_free(traffic);
		return NULL;
	}
	return traffic;
}

void gen_traffic_free(struct gen_traffic *traffic)
{
	if (traffic == NULL)
		return;
	gen_capture_free(&traffic->capture);
	gen_choice_free(&traffic->zipf);
	gen_choice_free(&traffic->sizes);
	gen_broken_end(&traffic->broken);
	free(traffic->size_bytes);
	free(traffic->sums);
	free(traffic->flows);
	free(traffic);
}

uint32_t gen_traffic_room(const struct gen_traffic *traffic)
{
	/* A captured frame is copied whole, a fragment of the least size may be longer than asked.
	 */
	return RTE_MAX(traffic->longest, traffic->prefix) + GEN_COPY_ALIGN;
}

uint32_t gen_traffic_longest(const struct gen_traffic *traffic)
{
	return traffic->longest;
}

const struct gen_counts *gen_traffic_counts(const struct gen_traffic *traffic)
{
	return &traffic->counts;
}

uint32_t gen_traffic_skipped(const struct gen_traffic *traffic)
{
	return traffic->capture.skipped;
}

void gen_traffic_fill(uint8_t *bytes, uint32_t room)
{
	for (uint32_t i = 0; i < room; i++)
		bytes[i] = gen_filler(i);
}

/* --- choosing --- */

static uint32_t choose_next(struct gen_traffic *traffic)
{
	if (traffic->cycle == traffic->flows_count)
		traffic->cycle = 0;
	return traffic->cycle++;
}

static uint32_t choose_flow(struct gen_traffic *traffic)
{
	switch (traffic->distribution) {
	case GEN_ZIPF:
		return gen_choice_draw(&traffic->zipf, gen_random_next(&traffic->random));
	case GEN_UNIFORM:
		return (uint32_t)((gen_random_next(&traffic->random) >> 32) * traffic->flows_count
			>> 32);
	default:
		return choose_next(traffic);
	}
}

static void choose(struct gen_traffic *traffic, struct gen_next *next)
{
	if (traffic->copy_next) {
		traffic->copy_next = false;
		next->kind = KIND_COPY;
		next->index = traffic->chosen;
		return;
	}
	if (traffic->broken.share != 0
		&& gen_hits(gen_random_next(&traffic->random), traffic->broken.share)) {
		next->kind = KIND_BROKEN;
		next->index =
			gen_choice_draw(&traffic->broken.choice, gen_random_next(&traffic->random));
		return;
	}
	traffic->copy_next = traffic->copies_share != 0
		&& gen_hits(gen_random_next(&traffic->random), traffic->copies_share);
	if (traffic->captured) {
		next->kind = KIND_CAPTURED;
		next->index = traffic->chosen = choose_next(traffic);
		return;
	}
	next->kind = KIND_FLOW;
	next->index = traffic->chosen = choose_flow(traffic);
	rte_prefetch0(&traffic->flows[next->index]);
	next->size = traffic->sizes.count == 1
		? traffic->size_bytes[0]
		: traffic->size_bytes[gen_choice_draw(
			&traffic->sizes, gen_random_next(&traffic->random))];
}

void gen_traffic_choose(struct gen_traffic *traffic, struct gen_next *next, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		choose(traffic, &next[i]);
}

/* --- writing --- */

/* The packet that comes next in a flow. */
static void make_packet(struct gen_traffic *traffic, struct flow *flow, const struct gen_next *next,
	uint64_t time_ns, struct gen_packet *packet)
{
	bool fragment = flow->shape % GEN_INNERS == GEN_FRAGMENT_FIRST;
	/* Each packet takes the other way than the one before, and has two fragments or one. */
	bool later = fragment && (flow->phase & 1) != 0;
	bool ingress = (flow->phase >> fragment & 1) != 0;

	if (!later) {
		flow->size = next->size;
		flow->id++;
	}
	*packet = (struct gen_packet){
		.own = flow->source,
		.other = flow->peer,
		.vni = flow->vni,
		.own_port = flow->shape % GEN_INNERS == GEN_TCP ? TCP_SERVICE : UDP_SERVICE,
		.other_port = flow->peer_port,
		.outer_port = (uint16_t)(FIRST_PORT + flow->outer_ports[ingress]),
		.size = flow->size,
		.id = flow->id,
		.towards = ingress,
		.mark = {.run = traffic->run,
			.flow = next->index,
			.flow_sequence = flow->sequence,
			.sequence = traffic->sequence,
			.time_ns = time_ns,
			.flags = ingress ? GEN_MARK_INGRESS : 0},
	};
	traffic->last_shape = (uint8_t)(flow->shape + later);
	flow->phase = (uint8_t)((flow->phase + 1) & 3);
}

/* The packet before as its other end's mirror point sees it. */
static void turn_around(struct gen_packet *packet, uint32_t sessions)
{
	struct gen_packet before = *packet;

	packet->own = before.other;
	packet->other = before.own;
	packet->own_port = before.other_port;
	packet->other_port = before.own_port;
	packet->towards = !before.towards;
	packet->vni = before.vni + sessions;
	packet->outer_port =
		(uint16_t)(FIRST_PORT + (before.outer_port - FIRST_PORT + PORTS / 2) % PORTS);
}

/* `one` is 1, or 1 less than 0 to take back. */
static inline void count(struct gen_traffic *traffic, const struct gen_made *made, uint64_t one)
{
	struct gen_counts *counts = &traffic->counts;

	counts->frames += one;
	counts->bytes += one * made->length;
	counts->verdicts[made->verdict] += one;
	if (made->verdict != MT_VERDICT_ACCEPTED)
		return;
	counts->marked += made->marked ? one : 0;
	counts->unmarked += made->unmarked ? one : 0;
	counts->copies += made->copy ? one : 0;
	counts->truncated += made->truncated ? one : 0;
	counts->fragments +=
		traffic->templates[made->shape].inner_kind >= GEN_FRAGMENT_FIRST ? one : 0;
	counts->ipv6 += traffic->templates[made->shape].inner_ip.v6 ? one : 0;
	counts->tunnels[traffic->templates[made->shape].tunnel] += one;
}

/* traffic->last, of which the shape is that of a flow. */
static struct gen_written write_last(struct gen_traffic *traffic, uint8_t *bytes)
{
	const struct gen_template *template = &traffic->templates[traffic->last_shape];

	return gen_packet_write(
		bytes, &traffic->last, template, traffic->prefix, traffic->truncate, traffic->sums);
}

static void write_flow(struct gen_traffic *traffic, const struct gen_next *next, uint8_t *bytes,
	uint64_t time_ns, struct gen_made *made)
{
	struct flow *flow = &traffic->flows[next->index];
	struct gen_written written;

	make_packet(traffic, flow, next, time_ns, &traffic->last);
	written = write_last(traffic, bytes);
	/* What carries no mark has no number. */
	flow->sequence += written.marked;
	traffic->sequence += written.marked;
	made->length = written.length;
	made->marked = written.marked;
	made->unmarked = !written.marked;
	made->truncated = written.truncated;
}

static void write_captured(
	struct gen_traffic *traffic, uint32_t index, uint8_t *bytes, struct gen_made *made)
{
	const struct gen_captured *frame = &traffic->capture.frames[index];
	const struct gen_template *template = &traffic->templates[traffic->last_shape];
	uint32_t length = RTE_MIN((uint32_t)frame->length, traffic->truncate);

	gen_packet_write_outer(bytes, &traffic->last, template, traffic->prefix, length);
	memcpy(bytes + template->inner, traffic->capture.bytes + frame->offset, length);
	made->length = template->inner + length;
	made->truncated = length < frame->length;
}

static void write_next_captured(struct gen_traffic *traffic, const struct gen_next *next,
	uint8_t *bytes, struct gen_made *made)
{
	const struct flow *flow = &traffic->flows[next->index];
	bool ingress = traffic->capture.frames[next->index].ingress;

	traffic->last = (struct gen_packet){
		.own = flow->source,
		.other = flow->peer,
		.vni = flow->vni,
		.outer_port = (uint16_t)(FIRST_PORT + flow->outer_ports[ingress]),
	};
	traffic->last_shape = flow->shape;
	made->unmarked = true;
	write_captured(traffic, next->index, bytes, made);
}

static void write_copy(struct gen_traffic *traffic, const struct gen_next *next, uint8_t *bytes,
	struct gen_made *made)
{
	turn_around(&traffic->last, traffic->sessions);
	made->copy = true;
	if (traffic->captured) {
		write_captured(traffic, next->index, bytes, made);
	} else {
		struct gen_written written = write_last(traffic, bytes);

		made->length = written.length;
		made->truncated = written.truncated;
	}
}

struct gen_made gen_traffic_write(
	struct gen_traffic *traffic, const struct gen_next *next, uint8_t *bytes, uint64_t time_ns)
{
	struct gen_made made = {.verdict = MT_VERDICT_ACCEPTED};
	enum mt_verdict verdict;

	switch (next->kind) {
	case KIND_FLOW:
		write_flow(traffic, next, bytes, time_ns, &made);
		break;
	case KIND_COPY:
		write_copy(traffic, next, bytes, &made);
		break;
	case KIND_CAPTURED:
		write_next_captured(traffic, next, bytes, &made);
		break;
	default:
		made.length = gen_broken_write(&traffic->broken, next->index, bytes, &verdict);
		made.verdict = (uint8_t)verdict;
	}
	made.shape = traffic->last_shape;
	count(traffic, &made, 1);
	return made;
}

void gen_traffic_take_back(struct gen_traffic *traffic, const struct gen_made *made)
{
	count(traffic, made, UINT64_MAX);
}
