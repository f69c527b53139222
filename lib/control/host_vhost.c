/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/host_vhost.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int set_up(const char *interface, uint32_t mtu)
{
	struct ifreq request = {.ifr_mtu = (int)mtu};
	int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (control < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	if (ioctl(control, SIOCSIFMTU, &request) < 0 || ioctl(control, SIOCGIFFLAGS, &request) < 0)
		rc = -errno;
	request.ifr_flags |= IFF_UP;
	if (rc == 0 && ioctl(control, SIOCSIFFLAGS, &request) < 0)
		rc = -errno;
	close(control);
	return rc;
}

int mt_host_vhost_open(struct mt_host *host, const struct mt_host_settings *settings, char *error,
	size_t error_size)
{
	const struct mt_ethdev_request request = {
		.rx_queues = 1,
		.tx_queues = 1,
		.rx_descriptors = 512,
		.tx_descriptors = 512,
		.mtu = settings->mtu,
		.pool = host->pool,
	};
	char mac[RTE_ETHER_ADDR_FMT_SIZE];
	char device[256];
	char reason[256];
	int rc;

	rte_ether_format_addr(mac, sizeof(mac), &settings->mac);
	snprintf(device, sizeof(device),
		"net_virtio_user_host%u,path=/dev/"
		"vhost-net,queues=1,queue_size=1024,iface=%s,mac=%s",
		settings->index, settings->interface, mac);
	rc = mt_ethdev_probe(device, &host->device, reason, sizeof(reason));
	host->device.device = NULL; /* the string ends here */
	if (rc == 0)
		rc = mt_ethdev_start(&host->device, &request, reason, sizeof(reason));
	if (rc < 0) {
		snprintf(error, error_size,
			"host interface %s: vhost: %s; or set host_interface_backend: tap",
			settings->interface, reason);
		mt_ethdev_stop(&host->device);
		return rc;
	}
	rc = set_up(settings->interface, settings->mtu);
	if (rc < 0) {
		snprintf(error, error_size, "host interface %s: cannot be brought up: %s",
			settings->interface, strerror(-rc));
		mt_ethdev_stop(&host->device);
	}
	return rc;
}
