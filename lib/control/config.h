/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration file, mirrortap.yaml: read by libcyaml, then checked. docs/configuration.md
 * describes every key. Nothing here touches DPDK, the network or the machine. */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "control/host_backend.h"
#include "datapath/idle.h"
#include "packet/facts.h"
#include "policy/dedup.h"
#include "policy/reorder.h"
#include "policy/spec.h"

enum {
	MT_MAX_PORTS = 16,
	MT_MAX_OUTPUTS = 16,
	MT_MAX_QUEUES = 64,
	MT_MAX_NAME = 15, /* of ports and outputs, so that they can name kernel interfaces too */
	MT_MAX_SESSION_NAME = 63, /* and of filters */
	MT_MAX_SESSIONS = 65536,
	MT_MAX_FILTERS = 4096,
	MT_MAX_RULES = 4096, /* of one filter */
};
static_assert((int)MT_MAX_OUTPUTS == (int)MT_POLICY_MAX_OUTPUTS, "a policy knows all outputs");

#define MT_DEFAULT_CONFIG "/etc/mirrortap/mirrortap.yaml"
#define MT_DEFAULT_SOCKET "/run/mirrortap/control.sock"

struct mt_config_hash {
	enum mt_hash_fields fields;
	bool include_vni;
};

struct mt_config_dataplane {
	char *lcores;         /* EAL's --lcores syntax; the first controls, the others work */
	char *receive_lcores; /* ids like "1,2" or "1-2"; NULL: every worker receives */
	char *queue_lcores;   /* likewise; NULL: every worker owns queues */
	uint32_t queues;
	enum mt_idle_mode idle;
	uint32_t queue_length; /* packets that the ring to a queue's owner holds; power of two */
	struct mt_config_hash hash;
	char **eal; /* further EAL arguments, as written */
	unsigned eal_count;
};

struct mt_config_port {
	char *name;
	char *device;         /* PCI address, or vdev string with its arguments */
	char *host_interface; /* NULL: none */
	enum mt_host_backend host_interface_backend;
	uint32_t host_rate;    /* frames a second that the kernel is given at most */
	uint32_t buffer_bytes; /* room for packet data in one mbuf; 0: chosen by device */
	uint32_t buffers;      /* of its pool, at least */
	uint32_t descriptors;  /* receive descriptors per queue */
};

struct mt_config_tunnels {
	uint16_t *vxlan_ports; /* host order */
	unsigned vxlan_ports_count;
	uint16_t *geneve_ports;
	unsigned geneve_ports_count;
};

enum mt_config_unknown {
	MT_UNKNOWN_ACCEPT,
	MT_UNKNOWN_DROP,
};

enum mt_config_sample_by {
	MT_SAMPLE_FLOWS,
	MT_SAMPLE_PACKETS,
};

/* All 0: no de-duplication. */
struct mt_config_dedup {
	uint32_t window_ms;
	uint32_t entries;       /* of each queue's table; rounded up to a power of two */
	uint32_t payload_bytes; /* looked at behind the transport header */
	bool across_sessions;
	bool ignore_dscp;
};

/* All 0: no reordering. */
struct mt_config_reorder {
	uint32_t window_us;
	uint32_t packets; /* that one queue holds back */
};

enum mt_config_direction {
	MT_RULE_ANY,
	MT_RULE_INGRESS,
	MT_RULE_EGRESS,
};

enum mt_config_action {
	MT_RULE_ACCEPT,
	MT_RULE_REJECT,
};

enum mt_output_type {
	MT_OUTPUT_TAP,
	MT_OUTPUT_RING,
	MT_OUTPUT_PORT,
	MT_OUTPUT_PCAPNG,
};

/* Numbers that 0 is one of are pointers, NULL where the key is absent. */
struct mt_config_rule {
	uint32_t number;
	enum mt_config_direction direction;
	enum mt_config_action action;
	char *protocol;     /* name or number */
	char *source_ports; /* "80" or "8000-8080" */
	char *destination_ports;
	char *source_cidr;
	char *destination_cidr;
	uint16_t *vlan;
	uint8_t *icmp_type;
	char *tcp_flags; /* "syn,!ack" */
	char *bpf;
	char **outputs;
	unsigned outputs_count;
	uint32_t truncate;
	uint32_t sample;
	enum mt_config_sample_by sample_by;
	char *description;
};

struct mt_config_filter {
	char *name;
	char *description;
	struct mt_config_rule *rules;
	unsigned rules_count;
};

struct mt_config_session {
	uint32_t vni;
	char *name;
	char *description;
	char **sources; /* CIDRs or addresses */
	unsigned sources_count;
	char *filter;
	char **outputs;
	unsigned outputs_count;
	uint32_t truncate;
	uint32_t sample;
	enum mt_config_sample_by sample_by;
};

struct mt_config_sessions {
	enum mt_config_unknown unknown;
	char *import; /* a file, a folder or a pattern of what the AWS command line wrote */
	struct mt_config_session *list;
	unsigned list_count;
};

enum mt_config_ring_mode {
	MT_CONFIG_ZERO_COPY,
	MT_CONFIG_COPY,
};

struct mt_config_output {
	char *name;
	enum mt_output_type type;
	bool required;      /* must be able to take frames for the daemon to be healthy */
	char *interface;    /* tap: the netdev's name; NULL: the output's name */
	char *device;       /* port: as ports[].device */
	uint32_t tx_queues; /* port: to use of the device; 0: as many as suit it */
	uint32_t mtu;       /* tap: of the netdev; default 9216 */
	uint32_t length;    /* ring, pcapng: frames that one queue's ring holds; power of two */
	uint32_t snap;      /* ring, pcapng: bytes of a frame that are kept; 0: all */
	/* ring */
	enum mt_config_ring_mode mode;
	bool drop_old; /* when_full */
	bool keep;     /* when_absent */
	char *group;   /* that may attach besides root; NULL: none */
	/* pcapng; sizes are read from their texts, such as "1GiB". 0: not by time, all is kept. */
	char *directory; /* an absolute path */
	char *rotate_bytes_text, *keep_bytes_text;
	uint64_t rotate_bytes, keep_bytes;
	uint32_t rotate_seconds;
	uint32_t keep_files;
	/* all */
	unsigned place;  /* the bit that stands for it in sets of outputs */
	char *filter;    /* of this output only; NULL: none */
	uint32_t sample; /* 0: none */
	enum mt_config_sample_by sample_by;
};

struct mt_config_health {
	uint32_t stall_seconds; /* a worker without a heartbeat for so long is stuck */
	uint32_t drain_seconds; /* health is red for so long before SIGTERM stops */
};

struct mt_config_http {
	char **listen; /* "ADDRESS:PORT", "[V6]:PORT" */
	unsigned listen_count;
	char **probe_listen; /* likewise: open only while health is green */
	unsigned probe_listen_count;
	char *control_socket;
};

struct mt_config {
	char *path; /* the file, as messages name it */
	struct mt_config_dataplane dataplane;
	struct mt_config_port *ports;
	unsigned ports_count;
	struct mt_config_tunnels tunnels;
	struct mt_config_sessions sessions;
	struct mt_config_filter *filters;
	unsigned filters_count;
	struct mt_config_dedup dedup;
	struct mt_config_reorder reorder;
	struct mt_config_output *outputs;
	unsigned outputs_count;
	struct mt_config_http http;
	struct mt_config_health health;
	/* Sessions and filters, imported ones too, as the policy room takes them. */
	struct mt_policy_spec policy;
	struct mt_config_memory *memory; /* of the above */
};

/* Reads and checks `path`. On success returns 0 and a configuration with every default filled in,
 * to be given to mt_config_free(). On failure returns -errno (-EINVAL for content) and writes one
 * line without newline into `error`: "FILE:LINE: what is wrong, what is allowed". */
int mt_config_load(const char *path, struct mt_config **config, char *error, size_t error_size);

/* The same for a configuration that shall take the place of `running`: outputs that both have, by
 * their names, keep their places, and a new one gets one that `running` does not use, if there is
 * any. */
int mt_config_load_again(const char *path, const struct mt_config *running,
	struct mt_config **config, char *error, size_t error_size);

void mt_config_free(struct mt_config *config);

/* Tunnels and hash settings in the form that the packet room takes. */
void mt_config_tunnels(const struct mt_config *config, struct mt_tunnels *tunnels);
