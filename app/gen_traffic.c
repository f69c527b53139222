/* SPDX-License-Identifier: BSD-3-Clause */
#include "gen_traffic.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_prefetch.h>

#include "gen_bytes.h"
#include "gen_capture.h"
#include "gen_mark.h"
#include "gen_random.h"
#include "gen_template.h"

enum {
	PORTS = 128, /* outer UDP source ports of a source */
	FIRST_PORT = 0xff80,
	FIRST_PEER = 100 << 24 | 64 << 16, /* 100.64.0.0/10 */
	FIRST_PEER_PORT = 1024,
	PEER_PORTS = 60000,
	TCP_SERVICE = 443,
	UDP_SERVICE = 9,
	TTL_EGRESS = 64,
	TTL_INGRESS = 57,
	MAX_VARIANTS = 8, /* of malformed frames with one verdict */
	ALIGN = 64,
};

enum kind {
	KIND_FLOW,
	KIND_COPY, /* of the frame before */
	KIND_BROKEN,
	KIND_CAPTURED,
};

/* Two of them in a cache line: with many flows, each packet finds its flow in memory. */
struct flow {
	uint64_t sequence;
	uint32_t source;
	uint32_t peer;
	uint32_t vni;
	uint16_t peer_port;
	uint16_t size; /* of the first fragment: the later one is like it */
	uint8_t shape;
	uint8_t outer_ports[2]; /* by direction, over FIRST_PORT */
};
static_assert(sizeof(struct flow) == 32, "two flows in a cache line");

struct broken {
	uint8_t bytes[GEN_BROKEN_BYTES];
	uint32_t length;
};

/* All malformed frames that get one verdict, which take turns. */
struct broken_kind {
	enum mt_verdict verdict;
	uint32_t count;
	uint32_t next;
	struct broken frames[MAX_VARIANTS];
};

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
	uint64_t malformed_share;
	struct gen_choice malformed;
	struct broken_kind *broken;
	uint32_t broken_count;
	uint64_t copies_share;
	bool copy_next;
	/* The frame before, for a copy of it. */
	struct gen_mark last_mark;
	uint16_t last_size;
	bool captured;
	struct gen_capture capture;
	uint32_t longest;
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
	traffic->flows = aligned_alloc(ALIGN, (spec->flows + 1) / 2 * 2 * sizeof(struct flow));
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
	traffic->flows =
		aligned_alloc(ALIGN, (traffic->flows_count + 1) / 2 * 2 * sizeof(*traffic->flows));
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

static bool make_broken(struct gen_traffic *traffic, const struct gen_spec *spec)
{
	double weights[MT_VERDICT_COUNT];
	double sum = 0;

	traffic->broken = calloc(MT_VERDICT_COUNT, sizeof(*traffic->broken));
	if (traffic->broken == NULL)
		return false;
	for (unsigned v = 0; v < MT_VERDICT_COUNT; v++) {
		struct broken_kind *kind = &traffic->broken[traffic->broken_count];

		if (spec->malformed[v] <= 0)
			continue;
		kind->verdict = v;
		for (; kind->count < MAX_VARIANTS; kind->count++) {
			struct broken *frame = &kind->frames[kind->count];

			frame->length = gen_broken_make(v, kind->count, &spec->ends, frame->bytes);
			if (frame->length == 0)
				break;
		}
		if (kind->count == 0)
			continue;
		weights[traffic->broken_count++] = spec->malformed[v];
		sum += spec->malformed[v];
	}
	traffic->malformed_share = gen_share(sum);
	return traffic->broken_count == 0
		|| gen_choice_make(&traffic->malformed, weights, traffic->broken_count);
}

/* How long frames can get, and how much of a template must be written over what an earlier frame
 * has left in the buffer. */
static void measure(struct gen_traffic *traffic, const struct gen_spec *spec)
{
	uint32_t inner = traffic->capture.longest;
	uint32_t headers = traffic->broken_count > 0 ? GEN_BROKEN_BYTES : 0;

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
	traffic->prefix = RTE_MIN(RTE_ALIGN(headers, ALIGN), (uint32_t)GEN_MAX_PREFIX);
	if (traffic->broken_count > 0)
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
	if (!fine || !make_broken(traffic, spec)) {
		gen_traffic_free(traffic);
		return NULL;
	}
	measure(traffic, spec);
	return traffic;
}

void gen_traffic_free(struct gen_traffic *traffic)
{
	if (traffic == NULL)
		return;
	gen_capture_free(&traffic->capture);
	gen_choice_free(&traffic->zipf);
	gen_choice_free(&traffic->sizes);
	gen_choice_free(&traffic->malformed);
	free(traffic->size_bytes);
	free(traffic->broken);
	free(traffic->flows);
	free(traffic);
}

uint32_t gen_traffic_room(const struct gen_traffic *traffic)
{
	/* A captured frame is copied whole, a fragment of the least size may be longer than asked.
	 */
	return RTE_MAX(traffic->longest, traffic->prefix) + ALIGN;
}

uint32_t gen_traffic_longest(const struct gen_traffic *traffic)
{
	return traffic->longest;
}

const struct gen_counts *gen_traffic_counts(const struct gen_traffic *traffic)
{
	return &traffic->counts;
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
	if (traffic->malformed_share != 0
		&& gen_hits(gen_random_next(&traffic->random), traffic->malformed_share)) {
		next->kind = KIND_BROKEN;
		next->index =
			gen_choice_draw(&traffic->malformed, gen_random_next(&traffic->random));
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

/* Lengths of the IP packet that ends at `end`, and of IPv4 the checksum; `sum` is of what the
 * caller has written into the header. */
static void close_ip(uint8_t *bytes, const struct gen_template_ip *ip, uint32_t end, uint32_t sum)
{
	uint32_t length = end - ip->at;

	if (ip->v6) {
		gen_put16(bytes + ip->at + 4, length - 40);
		return;
	}
	gen_put16(bytes + ip->at + 2, length);
	gen_put16(bytes + ip->at + 10, gen_fold(ip->sum + sum + length));
}

/* UDP behind an outer IP header. */
static void close_udp(uint8_t *bytes, const struct gen_template_ip *ip, uint32_t end, uint16_t port)
{
	uint32_t at = ip->at + (ip->v6 ? 40 : 20);

	gen_put16(bytes + at, port);
	gen_put16(bytes + at + 4, end - at);
}

/* All in front of the inner frame, which ends at `end`. */
static void write_outer(uint8_t *bytes, const struct gen_template *template, uint32_t source,
	uint16_t port, uint32_t vni, uint32_t end)
{
	if (template->tunnel == GEN_GWLB) {
		close_udp(bytes, &template->outer, end, port);
		close_ip(bytes, &template->outer, end, 0);
	}
	gen_put32(bytes + template->mirror.source, source);
	close_udp(bytes, &template->mirror, end, port);
	close_ip(bytes, &template->mirror, end, gen_sum32(source));
	gen_put32(bytes + template->vni, vni << 8);
}

/* From or to `own`, whose other side is the gateway. */
static void write_macs(uint8_t *frame, uint32_t own, bool towards)
{
	static const uint8_t gateway[6] = {0x06, 0xff, 0xff, 0xff, 0xff, 0xfe};
	uint8_t *mine = frame + (towards ? 0 : 6);

	gen_put16(mine, 0x0600);
	gen_put32(mine + 2, own);
	memcpy(frame + (towards ? 6 : 0), gateway, sizeof(gateway));
}

static void write_inner_ip(uint8_t *bytes, const struct gen_template *template,
	const struct flow *flow, bool ingress, uint8_t ttl, uint32_t end, uint32_t sum)
{
	const struct gen_template_ip *ip = &template->inner_ip;

	sum += gen_sum32(flow->source) + gen_sum32(flow->peer);
	gen_put32(bytes + ip->source, ingress ? flow->peer : flow->source);
	gen_put32(bytes + ip->destination, ingress ? flow->source : flow->peer);
	bytes[ip->at + (ip->v6 ? 7 : 8)] = ttl;
	close_ip(bytes, ip, end, sum + ((uint32_t)ttl << 8));
}

/* Offset and identification of a fragment; before the header is closed. Returns what they add to
 * the sum of an IPv4 header. */
static uint32_t write_fragment(
	uint8_t *bytes, const struct gen_template *template, uint32_t id, uint32_t payload)
{
	const struct gen_template_ip *ip = &template->inner_ip;
	bool first = template->inner_kind == GEN_FRAGMENT_FIRST;
	uint32_t field;

	if (ip->v6) {
		gen_put16(bytes + ip->at + 42, first ? 1 : payload);
		gen_put32(bytes + ip->at + 44, id);
		return 0;
	}
	field = first ? 0x2000 : payload / 8;
	gen_put16(bytes + ip->at + 4, id);
	gen_put16(bytes + ip->at + 6, field);
	return (id & 0xffff) + (first ? 0 : field); /* MF is in the template's sum */
}

/* Ports, lengths and numbers. `length`: of the header and what follows it, unfragmented. */
static void write_l4(uint8_t *bytes, const struct gen_template *template, const struct flow *flow,
	const struct gen_mark *mark, uint32_t length)
{
	bool ingress = (mark->flags & GEN_MARK_INGRESS) != 0;
	uint8_t *l4 = bytes + template->l4;
	uint16_t service = template->inner_kind == GEN_TCP ? TCP_SERVICE : UDP_SERVICE;

	if (template->inner_kind == GEN_FRAGMENT_LATER)
		return;
	gen_put16(l4, ingress ? flow->peer_port : service);
	gen_put16(l4 + 2, ingress ? service : flow->peer_port);
	if (template->inner_kind == GEN_TCP) {
		gen_put32(l4 + 4, (uint32_t)mark->flow_sequence);
		gen_put32(l4 + 8, (uint32_t)mark->flow_sequence);
	} else {
		gen_put16(l4 + 4, length);
	}
}

static void copy_template(uint8_t *bytes, const struct gen_template *template, uint32_t prefix)
{
	for (uint32_t i = 0; i < prefix; i += ALIGN)
		memcpy(bytes + i, template->bytes + i, ALIGN);
}

/* One packet of a flow as its mirrored interface sees it, or, as a copy, as its peer's does: that
 * has another address and session, and the packet has passed a gateway. `size` is what was asked
 * for of the inner frame; headers, and in fragments the unit of 8 bytes, have their way. */
static uint32_t write_packet(struct gen_traffic *traffic, const struct flow *flow, uint8_t *bytes,
	uint32_t size, const struct gen_mark *mark, bool copy)
{
	bool fragment = flow->shape % GEN_INNERS == GEN_FRAGMENT_FIRST;
	unsigned shape = flow->shape + (fragment ? mark->flow_sequence & 1 : 0);
	const struct gen_template *template = &traffic->templates[shape];
	bool ingress = (mark->flags & GEN_MARK_INGRESS) != 0;
	uint32_t least = (uint32_t) template->payload - template->inner;
	uint32_t l4 = (uint32_t) template->l4 - template->inner;
	uint8_t ttl = ingress != copy ? TTL_INGRESS : TTL_EGRESS;
	uint8_t port = flow->outer_ports[ingress];
	uint32_t end;
	uint32_t sum = 0;

	size = RTE_MAX(size, least);
	if (fragment)
		size = l4 + RTE_MAX((size - l4) & ~7u, 8u);
	end = template->inner + RTE_MIN(size, traffic->truncate);
	copy_template(bytes, template, traffic->prefix);
	write_outer(bytes, template, copy ? flow->peer : flow->source,
		(uint16_t)(FIRST_PORT + (copy ? (port + PORTS / 2) % PORTS : port)),
		copy ? flow->vni + traffic->sessions : flow->vni, end);
	write_macs(bytes + template->inner, copy ? flow->peer : flow->source, ingress != copy);
	if (fragment)
		sum = write_fragment(
			bytes, template, (uint32_t)(mark->flow_sequence >> 1), size - l4);
	write_inner_ip(bytes, template, flow, ingress, ttl, template->inner + size, sum);
	write_l4(bytes, template, flow, mark, (size - l4) * (fragment ? 2 : 1));
	if (template->payload + (uint32_t)GEN_MARK_LENGTH <= end)
		gen_mark_write(bytes + template->payload, mark);
	traffic->counts.fragments += fragment;
	traffic->counts.ipv6 += template->inner_ip.v6;
	traffic->counts.tunnels[template->tunnel]++;
	traffic->counts.truncated += end < template->inner + size;
	return end;
}

/* Whether write_packet() wrote the mark is a matter of lengths. */
static bool has_room(const struct gen_traffic *traffic, const struct flow *flow, uint64_t sequence,
	uint32_t length)
{
	unsigned shape = flow->shape;

	if (shape % GEN_INNERS == GEN_FRAGMENT_FIRST)
		shape += sequence & 1;
	return traffic->templates[shape].payload + (uint32_t)GEN_MARK_LENGTH <= length;
}

static uint32_t write_flow(
	struct gen_traffic *traffic, const struct gen_next *next, uint8_t *bytes, uint64_t time_ns)
{
	struct flow *flow = &traffic->flows[next->index];
	bool fragment = flow->shape % GEN_INNERS == GEN_FRAGMENT_FIRST;
	struct gen_mark mark = {
		.run = traffic->run,
		.flow = next->index,
		.flow_sequence = flow->sequence,
		.sequence = traffic->sequence,
		.time_ns = time_ns,
		.flags = (flow->sequence >> fragment & 1) != 0 ? GEN_MARK_INGRESS : 0,
	};
	uint16_t size = next->size;
	uint32_t length;

	if (fragment && (flow->sequence & 1) != 0)
		size = flow->size;
	flow->size = size;
	length = write_packet(traffic, flow, bytes, size, &mark, false);
	if (has_room(traffic, flow, flow->sequence, length)) {
		traffic->sequence++;
		traffic->counts.marked++;
	} else {
		traffic->counts.unmarked++;
	}
	flow->sequence++;
	traffic->last_mark = mark;
	traffic->last_size = size;
	return length;
}

static uint32_t write_captured(
	struct gen_traffic *traffic, const struct gen_next *next, uint8_t *bytes, bool copy)
{
	const struct gen_captured *frame = &traffic->capture.frames[next->index];
	const struct flow *flow = &traffic->flows[next->index];
	const struct gen_template *template = &traffic->templates[flow->shape];
	uint32_t length = RTE_MIN((uint32_t)frame->length, traffic->truncate);
	uint32_t port = flow->outer_ports[frame->ingress];

	copy_template(bytes, template, traffic->prefix);
	write_outer(bytes, template, copy ? flow->peer : flow->source,
		(uint16_t)(FIRST_PORT + (copy ? (port + PORTS / 2) % PORTS : port)),
		copy ? flow->vni + traffic->sessions : flow->vni, template->inner + length);
	memcpy(bytes + template->inner, traffic->capture.bytes + frame->offset, length);
	traffic->counts.tunnels[template->tunnel]++;
	traffic->counts.truncated += length < frame->length;
	traffic->counts.unmarked += !copy;
	return template->inner + length;
}

static uint32_t write_broken(
	struct gen_traffic *traffic, const struct gen_next *next, uint8_t *bytes)
{
	struct broken_kind *kind = &traffic->broken[next->index];
	const struct broken *frame = &kind->frames[kind->next];

	kind->next = kind->next + 1 < kind->count ? kind->next + 1 : 0;
	memcpy(bytes, frame->bytes, frame->length);
	traffic->counts.verdicts[kind->verdict]++;
	return frame->length;
}

static uint32_t write_copy(struct gen_traffic *traffic, const struct gen_next *next, uint8_t *bytes)
{
	traffic->counts.copies++;
	if (traffic->captured)
		return write_captured(traffic, next, bytes, true);
	return write_packet(traffic, &traffic->flows[next->index], bytes, traffic->last_size,
		&traffic->last_mark, true);
}

uint32_t gen_traffic_write(
	struct gen_traffic *traffic, const struct gen_next *next, uint8_t *bytes, uint64_t time_ns)
{
	uint32_t length;

	switch (next->kind) {
	case KIND_FLOW:
		length = write_flow(traffic, next, bytes, time_ns);
		break;
	case KIND_COPY:
		length = write_copy(traffic, next, bytes);
		break;
	case KIND_CAPTURED:
		length = write_captured(traffic, next, bytes, false);
		break;
	default:
		length = write_broken(traffic, next, bytes);
	}
	traffic->counts.verdicts[MT_VERDICT_ACCEPTED] += next->kind != KIND_BROKEN;
	traffic->counts.frames++;
	traffic->counts.bytes += length;
	return length;
}
