/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/devices.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct pci_address {
	unsigned domain, bus, slot, function;
};

static bool parse_pci(const char *device, struct pci_address *pci)
{
	int used = 0;

	*pci = (struct pci_address){0};
	if (sscanf(device, "%x:%x:%x.%x%n", &pci->domain, &pci->bus, &pci->slot, &pci->function,
		    &used)
		!= 4) {
		pci->domain = 0;
		if (sscanf(device, "%x:%x.%x%n", &pci->bus, &pci->slot, &pci->function, &used) != 3)
			return false;
	}
	return device[used] == '\0' || device[used] == ',';
}

bool mt_device_is_pci(const char *device)
{
	struct pci_address pci;

	return parse_pci(device, &pci);
}

/* The last part of what a link points to, 63 bytes of it; "" where there is no link. */
static void read_link_name(const char *path, char *name, size_t size)
{
	char target[PATH_MAX];
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	const char *slash;

	name[0] = '\0';
	if (length < 0)
		return;
	target[length] = '\0';
	slash = strrchr(target, '/');
	snprintf(name, size, "%.63s", slash != NULL ? slash + 1 : target);
}

/* Drivers of the kernel that leave the device to DPDK, or share it (NVIDIA's, Microsoft's). */
static bool gives_to_dpdk(const char *driver)
{
	static const char *const list[] = {
		"igb_uio", "uio_pci_generic", "vfio-pci", "mlx4_core", "mlx5_core", "mana"};

	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
		if (strcmp(driver, list[i]) == 0)
			return true;
	}
	return false;
}

static int check_pci(
	const struct pci_address *pci, const char *sysfs, char *error, size_t error_size)
{
	char address[40], folder[PATH_MAX / 2], link[PATH_MAX], driver[64];

	snprintf(address, sizeof(address), "%04x:%02x:%02x.%x", pci->domain, pci->bus, pci->slot,
		pci->function);
	snprintf(folder, sizeof(folder), "%s/bus/pci/devices/%s", sysfs, address);
	if (access(folder, F_OK) < 0) {
		snprintf(error, error_size,
			"no PCI device %s; mirrortap-bind --status lists the network devices",
			address);
		return -ENODEV;
	}
	snprintf(link, sizeof(link), "%s/driver", folder);
	read_link_name(link, driver, sizeof(driver));
	if (driver[0] == '\0') {
		snprintf(error, error_size,
			"PCI device %s has no driver; bind it to one for DPDK: mirrortap-bind %s",
			address, address);
		return -ENODEV;
	}
	if (!gives_to_dpdk(driver)) {
		snprintf(error, error_size,
			"PCI device %s belongs to the kernel, its driver is %s; bind it to one for "
			"DPDK: mirrortap-bind %s",
			address, driver, address);
		return -EBUSY;
	}
	return 0;
}

/* Copies the value of the vdev argument that begins at `name`, which ends in '='. */
static void copy_value(const char *argument, size_t name_length, char *value, size_t size)
{
	const char *begin = argument + name_length;

	snprintf(value, size, "%.*s", (int)strcspn(begin, ","), begin);
}

/* One ",KEY=VALUE" of a vdev string. */
static int check_argument(const char *argument, char *error, size_t error_size)
{
	/* net_af_packet and net_af_xdp; net_pcap. A virtio-user's interface is made, not found. */
	static const char *const interfaces[] = {
		"iface=", "rx_iface=", "tx_iface=", "rx_iface_in="};
	static const char *const files[] = {"rx_pcap="};
	char value[256];

	for (size_t i = 0; i < sizeof(interfaces) / sizeof(*interfaces); i++) {
		size_t length = strlen(interfaces[i]);

		if (strncmp(argument, interfaces[i], length) != 0)
			continue;
		copy_value(argument, length, value, sizeof(value));
		/* Not by sysfs: that may be mounted from another network namespace. */
		if (if_nametoindex(value) != 0)
			return 0;
		snprintf(error, error_size,
			"no network interface \"%s\"; ip link lists those of this machine", value);
		return -ENODEV;
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		size_t length = strlen(files[i]);

		if (strncmp(argument, files[i], length) != 0)
			continue;
		copy_value(argument, length, value, sizeof(value));
		if (access(value, R_OK) == 0)
			return 0;
		snprintf(error, error_size,
			"capture file %s: %s; name one that is there and can be read", value,
			strerror(errno));
		return -ENOENT;
	}
	return 0;
}

/* Drivers whose arguments are known here. */
static bool is_checked(const char *device)
{
	return strncmp(device, "net_af_packet", 13) == 0 || strncmp(device, "net_af_xdp", 10) == 0
		|| strncmp(device, "net_pcap", 8) == 0 || strncmp(device, "eth_af_packet", 13) == 0;
}

int mt_device_check(const char *device, const char *sysfs, char *error, size_t error_size)
{
	struct pci_address pci;
	int rc = 0;

	if (parse_pci(device, &pci))
		return check_pci(&pci, sysfs, error, error_size);
	if (!is_checked(device))
		return 0;
	for (const char *comma = strchr(device, ','); rc == 0 && comma != NULL;
		comma = strchr(comma + 1, ','))
		rc = check_argument(comma + 1, error, error_size);
	return rc;
}

static int check_named(const char *kind, const char *name, const char *device, const char *sysfs,
	char *error, size_t error_size)
{
	char reason[512];
	int rc = mt_device_check(device, sysfs, reason, sizeof(reason));

	if (rc < 0)
		snprintf(error, error_size, "%s %s: %s", kind, name, reason);
	return rc;
}

int mt_devices_check(
	const struct mt_config *config, const char *sysfs, char *error, size_t error_size)
{
	int rc = 0;

	for (unsigned p = 0; rc == 0 && p < config->ports_count; p++)
		rc = check_named("port", config->ports[p].name, config->ports[p].device, sysfs,
			error, error_size);
	for (unsigned o = 0; rc == 0 && o < config->outputs_count; o++) {
		if (config->outputs[o].device != NULL)
			rc = check_named("output", config->outputs[o].name,
				config->outputs[o].device, sysfs, error, error_size);
	}
	return rc;
}
