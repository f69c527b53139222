/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What a host interface is made of. */
enum mt_host_backend {
	MT_HOST_AUTO, /* vhost where /dev/vhost-net exists, else tap */
	MT_HOST_TAP,
	MT_HOST_VHOST, /* virtio-user with the kernel's vhost-net: net_virtio_user */
};
