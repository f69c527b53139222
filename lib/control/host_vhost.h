/* SPDX-License-Identifier: BSD-3-Clause */
/* The host interface's other backend: virtio-user with the kernel's vhost-net, which needs no
 * system call for each frame. DPDK's documented successor of KNI. */
#pragma once

#include "control/host.h"

/* Makes host->device: a net_virtio_user on /dev/vhost-net whose kernel side is the TAP interface
 * settings->interface. Returns 0, or -errno with one line in `error`. */
int mt_host_vhost_open(struct mt_host *host, const struct mt_host_settings *settings, char *error,
	size_t error_size);
