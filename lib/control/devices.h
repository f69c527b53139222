/* SPDX-License-Identifier: BSD-3-Clause */
/* Looks at the devices of the configuration before DPDK does, which says "no such device" where the
 * kernel merely has it. Needs no EAL. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "control/config.h"

#define MT_SYSFS "/sys"

/* Does the device string begin with a PCI address, "0000:00:06.0" or "00:06.0"? Arguments may
 * follow behind a comma. */
bool mt_device_is_pci(const char *device);

/* Can DPDK have this device? A PCI device must exist and be bound to a driver that hands it to user
 * space; the interface and the files that a vdev string names must exist. What else a vdev wants,
 * its driver knows. `sysfs` is MT_SYSFS but in tests. Returns 0, or -errno with one line in
 * `error`: what is wrong and the remedy. */
int mt_device_check(const char *device, const char *sysfs, char *error, size_t error_size);

/* mt_device_check() for every port and output; the line names which. */
int mt_devices_check(
	const struct mt_config *config, const char *sysfs, char *error, size_t error_size);
