/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes the seeds of the fuzzer's corpus: one hand-made frame of each shape. Nothing in them is
 * from a capture. make_corpus FOLDER */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_packet.h"

static const char *folder;
static struct packet packet;

/* Input header (see fuzz_packet.c), then the frame. */
static void write_seed(const char *name, const char *header, size_t header_bytes)
{
	char path[4096];
	FILE *file;

	packet_close(&packet);
	snprintf(path, sizeof(path), "%s/seed-%s", folder, name);
	file = fopen(path, "wbe");
	if (file == NULL || fwrite(header, 1, header_bytes, file) != header_bytes
		|| fwrite(packet.bytes, 1, packet.length, file) != packet.length
		|| fclose(file) != 0) {
		perror(path);
		exit(1);
	}
}

#define SEED(name, header) write_seed(name, header, sizeof(header) - 1)

static void outer_v6(uint8_t protocol)
{
	packet_start(&packet);
	put_ethernet(&packet, ETHERTYPE_V6);
	put_ipv6(&packet, protocol, 1, 2);
}

static void inner_v6(uint8_t protocol)
{
	put_ethernet(&packet, ETHERTYPE_V6);
	put_ipv6(&packet, protocol, 3, 4);
}

static void vxlan_and_tcp(void)
{
	put_udp(&packet, 65408, VXLAN_PORT);
	put_vxlan(&packet, 4321);
	put_inner_tcp(&packet, 10);
}

static void outer_shapes(void)
{
	struct ipv4 ip = {0x0a000001, 0x0a000002, IPPROTO_UDP, 2, 0};

	packet_start(&packet);
	put_outer_vxlan(&packet, 4321);
	put_inner_tcp(&packet, 10);
	SEED("plain", "\0\0");
	SEED("plain-vni", "\x82\0");
	SEED("plain-split", "\1\3\0\x0d\0\x20\0\x40");
	packet.bytes[42] = 0;
	SEED("no-vni", "\0\0");
	packet.length = 46;
	SEED("vxlan-short", "\0\0");

	packet_start(&packet);
	put_macs(&packet, 2, 1);
	put_32(&packet, 0x88a80001);
	put_32(&packet, 0x81000002);
	put_16(&packet, ETHERTYPE_V4);
	put_ipv4(&packet, &ip);
	vxlan_and_tcp();
	SEED("tags-options", "\0\1\0\x11");

	outer_v6(IPPROTO_HOPOPTS);
	put_extension(&packet, IPPROTO_ROUTING, 0);
	put_extension(&packet, IPPROTO_FRAGMENT, 1);
	put_fragment6(&packet, IPPROTO_DSTOPTS, 0, false);
	put_extension(&packet, IPPROTO_AH, 0);
	put_extension(&packet, IPPROTO_UDP, 1);
	vxlan_and_tcp();
	SEED("v6-extensions", "\0\1\0\x40");

	outer_v6(IPPROTO_FRAGMENT);
	put_fragment6(&packet, IPPROTO_UDP, 8, true);
	vxlan_and_tcp();
	SEED("v6-fragment", "\0\0");

	packet_start(&packet);
	put_ethernet(&packet, ETHERTYPE_V4);
	ip.fragment = 0x2000;
	put_ipv4(&packet, &ip);
	vxlan_and_tcp();
	SEED("v4-fragment", "\0\0");

	packet_start(&packet);
	put_ethernet(&packet, 0x0806);
	put_pattern(&packet, 28);
	SEED("arp", "\0\0");
	packet_start(&packet);
	put_outer(&packet, 53);
	SEED("host", "\0\0");
}

static void inner_shapes(void)
{
	struct ipv4 error = {0xc0000201, 0x0a000001, IPPROTO_ICMP, 0, 0};
	struct ipv4 quoted = {0x0a000001, 0xc0000207, IPPROTO_UDP, 0, 0};
	struct ipv4 fragment = {0x0a000001, 0xc0000207, IPPROTO_UDP, 1, 0x2001};

	packet_start(&packet);
	put_outer_vxlan(&packet, 0);
	put_ethernet(&packet, ETHERTYPE_V4);
	put_ipv4(&packet, &error);
	put_icmp(&packet, 3, 3);
	put_ipv4(&packet, &quoted);
	put_udp(&packet, 5000, 53);
	SEED("icmp-error", "\0\1\0\x50");

	packet_start(&packet);
	put_outer_vxlan(&packet, 0);
	inner_v6(IPPROTO_ICMPV6);
	put_icmp(&packet, 1, 0);
	put_ipv6(&packet, IPPROTO_DSTOPTS, 4, 3);
	put_extension(&packet, IPPROTO_UDP, 0);
	put_udp(&packet, 5000, 53);
	SEED("icmp6-error", "\0\1\0\x70");

	packet_start(&packet);
	put_outer_vxlan(&packet, 7);
	inner_v6(IPPROTO_UDP);
	put_udp(&packet, 5000, 53);
	SEED("inner-v6", "\0\0");
	set_16(&packet, 50 + 14 + 4, 1000);
	packet.lengths_count = 2;
	SEED("inner-v6-truncated", "\0\0");
	packet.length = 50 + 14 + 10;
	SEED("inner-v6-cut", "\0\0");

	packet_start(&packet);
	put_outer_vxlan(&packet, 7);
	inner_v6(IPPROTO_FRAGMENT);
	put_fragment6(&packet, IPPROTO_TCP, 16, false);
	SEED("inner-v6-fragment", "\0\0");

	packet_start(&packet);
	put_outer_vxlan(&packet, 7);
	put_macs(&packet, 2, 1);
	put_32(&packet, 0x81000002);
	put_16(&packet, ETHERTYPE_V4);
	put_ipv4(&packet, &fragment);
	SEED("inner-tag-fragment", "\0\0");

	packet_start(&packet);
	put_outer_vxlan(&packet, 7);
	put_ethernet(&packet, 38);
	put_pattern(&packet, 10);
	SEED("inner-802.3", "\0\0");
	packet.length = 50 + 14;
	SEED("inner-runt", "\0\0");
}

static void start_geneve(uint16_t protocol, uint8_t options)
{
	packet_start(&packet);
	put_outer(&packet, GENEVE_PORT);
	put_geneve(&packet, protocol, 0x123456, options);
}

static void geneve_shapes(void)
{
	struct ipv4 middle = {0x0a090909, 0x0a000002, IPPROTO_UDP, 0, 0};

	start_geneve(ETHERTYPE_BRIDGE, 0);
	put_inner_tcp(&packet, 4);
	SEED("geneve", "\0\0");
	packet.bytes[43] = 0x80;
	SEED("geneve-control", "\0\0");
	packet.bytes[42] = 0xc0;
	SEED("geneve-version", "\0\0");

	start_geneve(ETHERTYPE_BRIDGE, 12);
	put_geneve_option(&packet, 0x0108, 0x81, 8);
	put_inner_tcp(&packet, 4);
	SEED("geneve-critical", "\0\0");
	packet.bytes[53] = 9;
	SEED("geneve-options", "\0\0");

	start_geneve(ETHERTYPE_V4, 32);
	put_geneve_option(&packet, 0x0108, 1, 8);
	put_geneve_option(&packet, 0x0108, 2, 8);
	put_geneve_option(&packet, 0x0108, 3, 4);
	put_ipv4(&packet, &middle);
	put_udp(&packet, 65408, VXLAN_PORT);
	put_vxlan(&packet, 4242);
	put_inner_tcp(&packet, 4);
	SEED("gwlb-vxlan", "\0\2\0\x30\0\x60");
	set_16(&packet, 82 + 22, 53);
	SEED("gwlb-dns", "\0\0");

	start_geneve(ETHERTYPE_V6, 0);
	put_ipv6(&packet, IPPROTO_UDP, 1, 2);
	put_udp(&packet, 65408, VXLAN_PORT);
	put_vxlan(&packet, 4242);
	put_inner_tcp(&packet, 4);
	SEED("gwlb-vxlan-v6", "\0\0");

	start_geneve(0x8847, 0);
	SEED("geneve-mpls", "\0\0");
	start_geneve(ETHERTYPE_V6, 0);
	put_8(&packet, 0x60);
	SEED("gwlb-runt", "\0\0");
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	folder = argv[1];
	outer_shapes();
	inner_shapes();
	geneve_shapes();
	return 0;
}
