/* SPDX-License-Identifier: BSD-3-Clause */
#include "dump.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>

#include <arpa/inet.h>

#include "packet/frame_info.h"
#include "packet/ip.h"

void dump_format_address(char text[DUMP_ADDRESS_SIZE], struct mt_address address)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	uint8_t bytes[16];

	memcpy(bytes, &address.high, 8);
	memcpy(bytes + 8, &address.low, 8);
	if (memcmp(bytes, mapped, sizeof(mapped)) == 0)
		inet_ntop(AF_INET, bytes + 12, text, DUMP_ADDRESS_SIZE);
	else
		inet_ntop(AF_INET6, bytes, text, DUMP_ADDRESS_SIZE);
}

void dump_format_time(char text[DUMP_TIME_SIZE], uint64_t time_ns)
{
	time_t seconds = (time_t)(time_ns / 1000000000);
	char date[24] = "-";
	struct tm tm;

	if (gmtime_r(&seconds, &tm) != NULL)
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, DUMP_TIME_SIZE, "%s.%09" PRIu64 "Z", date, time_ns % 1000000000);
}

static const char *direction(uint8_t flags)
{
	if ((flags & MT_FLAG_INGRESS) != 0)
		return (flags & MT_FLAG_EGRESS) != 0 ? "self" : "ingress";
	return (flags & MT_FLAG_EGRESS) != 0 ? "egress" : "-";
}

static const char *flags_text(uint8_t flags)
{
	static const char *const texts[] = {
		"-", "truncated", "bad-checksum", "truncated,bad-checksum"};

	return texts[((flags & MT_FLAG_TRUNCATED) != 0)
		+ 2 * ((flags & MT_FLAG_BAD_CHECKSUM) != 0)];
}

/* "tcp", or the number for what has no name here. */
static void print_protocol(FILE *stream, uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		fputs("tcp", stream);
		break;
	case IPPROTO_UDP:
		fputs("udp", stream);
		break;
	case IPPROTO_SCTP:
		fputs("sctp", stream);
		break;
	case IPPROTO_ICMP:
		fputs("icmp", stream);
		break;
	case IPPROTO_ICMPV6:
		fputs("icmp6", stream);
		break;
	default:
		fprintf(stream, "protocol %u", protocol);
	}
}

static void print_ip(FILE *stream, const struct rte_mbuf *frame, const struct mt_ip *ip)
{
	bool ports = ip->complete && ip->fragment != MT_FRAGMENT_LATER
		&& (ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP
			|| ip->protocol == IPPROTO_SCTP);
	char source[DUMP_ADDRESS_SIZE], destination[DUMP_ADDRESS_SIZE];
	uint16_t scratch[2];
	const uint16_t *pair =
		ports ? mt_read(frame, ip->payload, ip->end, sizeof(scratch), scratch) : NULL;
	uint16_t port[2];

	dump_format_address(source, ip->source);
	dump_format_address(destination, ip->destination);
	print_protocol(stream, ip->protocol);
	if (pair != NULL) {
		memcpy(port, pair, sizeof(port));
		fprintf(stream, ip->version == 6 ? " [%s]:%u > [%s]:%u" : " %s:%u > %s:%u", source,
			ntohs(port[0]), destination, ntohs(port[1]));
	} else {
		fprintf(stream, " %s > %s%s", source, destination,
			ip->fragment == MT_FRAGMENT_LATER ? " fragment" : "");
	}
}

static void print_inner(FILE *stream, const struct rte_mbuf *frame)
{
	uint32_t end = frame->pkt_len;
	uint8_t scratch[12];
	const uint8_t *mac = mt_read(frame, 0, end, sizeof(scratch), scratch);
	uint32_t payload;
	uint16_t type = mt_ethertype_read(frame, 0, end, &payload);
	struct mt_ip ip;

	if (mac == NULL || type == 0) {
		fputs("cut short", stream);
		return;
	}
	/* Anything but plain IP is told by its addresses on the wire. */
	if ((type == MT_ETHERTYPE_IPV4 || type == MT_ETHERTYPE_IPV6)
		&& mt_ip_read(frame, payload, end, type, &ip)) {
		print_ip(stream, frame, &ip);
		return;
	}
	fprintf(stream,
		"%02x:%02x:%02x:%02x:%02x:%02x > %02x:%02x:%02x:%02x:%02x:%02x ethertype 0x%04x",
		mac[6], mac[7], mac[8], mac[9], mac[10], mac[11], mac[0], mac[1], mac[2], mac[3],
		mac[4], mac[5], type);
}

/* The first segment of the frame as an mbuf, which is what the packet room reads. */
static struct rte_mbuf wrap(const struct mirrortap_frame *frame)
{
	return (struct rte_mbuf){
		.buf_addr = (void *)(uintptr_t)frame->data,
		.data_len = (uint16_t)RTE_MIN(frame->contiguous, (uint32_t)UINT16_MAX),
		.pkt_len = RTE_MIN(frame->contiguous, (uint32_t)UINT16_MAX),
		.nb_segs = 1,
	};
}

void dump_print_frame(FILE *stream, const struct mirrortap_frame *frame, const char *session)
{
	struct rte_mbuf mbuf = wrap(frame);
	char source[DUMP_ADDRESS_SIZE];
	struct mt_address address;
	char time[DUMP_TIME_SIZE];

	memcpy(&address, frame->source, sizeof(address));
	dump_format_time(time, frame->time_ns);
	dump_format_address(source, address);
	fprintf(stream,
		"%s queue %u vni %" PRIu32 "%s%s source %s length %" PRIu32 "/%" PRIu32 " %s %s ",
		time, frame->queue, frame->vni, session != NULL ? " session " : "",
		session != NULL ? session : "", source, frame->length, frame->original_length,
		direction((uint8_t)frame->flags), flags_text((uint8_t)frame->flags));
	print_inner(stream, &mbuf);
	fputc('\n', stream);
}
