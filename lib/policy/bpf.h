/* SPDX-License-Identifier: BSD-3-Clause */
/* Capture filters on inner frames: pcap-filter(7) expressions, compiled by libpcap, run by rte_bpf,
 * as machine code where DPDK can make it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <rte_mbuf.h>

struct mt_bpf;

/* Is this an expression that libpcap takes for Ethernet? False with its complaint in `error`. Needs
 * no EAL. */
bool mt_bpf_check(const char *expression, char *error, size_t error_size);

/* Returns NULL on failure, with the reason in `error`. Needs EAL. */
struct mt_bpf *mt_bpf_create(const char *expression, char *error, size_t error_size);

void mt_bpf_destroy(struct mt_bpf *bpf);

/* Does the frame match? Chained segments too. */
bool mt_bpf_match(const struct mt_bpf *bpf, struct rte_mbuf *frame);
