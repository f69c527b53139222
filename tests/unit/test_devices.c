/* SPDX-License-Identifier: BSD-3-Clause */
/* Device checks before DPDK's, against a made-up sysfs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/devices.h"

static char sysfs[] = "/tmp/mt-sysfs-XXXXXX";

static void run(const char *format, const char *argument)
{
	char command[512];

	snprintf(command, sizeof(command), format, sysfs, argument);
	assert_int_equal(system(command), 0);
}

/* A device at `address`, with a driver or "". */
static void add_device(const char *address, const char *driver)
{
	char folder[128], link[160], target[128];

	run("mkdir -p %s/bus/pci/devices/%s", address);
	if (driver[0] == '\0')
		return;
	snprintf(folder, sizeof(folder), "%s/bus/pci/devices/%s", sysfs, address);
	snprintf(link, sizeof(link), "%s/driver", folder);
	snprintf(target, sizeof(target), "../../../../bus/pci/drivers/%s", driver);
	assert_int_equal(symlink(target, link), 0);
}

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(sysfs));
	add_device("0000:00:05.0", "ena");
	add_device("0000:00:06.0", "igb_uio");
	add_device("0000:00:07.0", "vfio-pci");
	add_device("0000:00:08.0", "uio_pci_generic");
	add_device("0000:00:09.0", "");
	add_device("0001:0a:1f.7", "mlx5_core");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	run("rm -r %s%s", "");
	return 0;
}

static void expect(const char *device, int wanted, const char *words)
{
	char error[512] = "";
	int rc = mt_device_check(device, sysfs, error, sizeof(error));

	if (rc != wanted || strstr(error, words) == NULL || strchr(error, '\n') != NULL)
		fail_msg("%s: %d \"%s\", expected %d \"%s\"", device, rc, error, wanted, words);
}

static void test_bound_for_dpdk(void **state)
{
	(void)state;
	expect("0000:00:06.0", 0, "");
	expect("0000:00:07.0", 0, "");
	expect("0000:00:08.0", 0, "");
	expect("0001:0a:1f.7", 0, "");
	expect("00:06.0", 0, "");
	expect("0000:00:06.0,control_path_poll_interval=500", 0, "");
}

static void test_bound_to_the_kernel(void **state)
{
	(void)state;
	expect("0000:00:05.0", -EBUSY, "its driver is ena");
	expect("0000:00:05.0", -EBUSY, "mirrortap-bind 0000:00:05.0");
	expect("00:05.0,wd=1", -EBUSY, "mirrortap-bind 0000:00:05.0");
}

static void test_no_driver(void **state)
{
	(void)state;
	expect("0000:00:09.0", -ENODEV, "has no driver");
	expect("0000:00:09.0", -ENODEV, "mirrortap-bind 0000:00:09.0");
}

static void test_no_device(void **state)
{
	(void)state;
	expect("0000:00:0a.0", -ENODEV, "no PCI device 0000:00:0a.0");
	expect("1:2.3", -ENODEV, "mirrortap-bind --status");
}

static void test_virtual_devices(void **state)
{
	(void)state;
	expect("net_null0", 0, "");
	expect("net_af_packet0,iface=lo,qpairs=2", 0, "");
	expect("net_af_packet0,qpairs=2,iface=nosuch0", -ENODEV, "\"nosuch0\"");
	expect("net_af_packet0,iface=", -ENODEV, "\"\"");
	expect("net_af_xdp0,iface=nosuch0,start_queue=0", -ENODEV, "\"nosuch0\"");
	expect("net_pcap0,rx_pcap=/dev/null,tx_pcap=/nosuch/out", 0, "");
	expect("net_pcap0,rx_pcap=/nosuch/in.pcap", -ENOENT, "/nosuch/in.pcap: No such file");
	/* Made by the driver, so not there before. */
	expect("net_tap0,iface=nosuch0", 0, "");
	expect("net_virtio_user0,path=/dev/vhost-net,iface=nosuch0", 0, "");
}

static void test_names_the_port_or_output(void **state)
{
	struct mt_config_port port = {.name = "eth1", .device = "0000:00:06.0"};
	struct mt_config_output outputs[] = {
		{.name = "tools", .type = MT_OUTPUT_TAP},
		{.name = "nic", .type = MT_OUTPUT_PORT, .device = "0000:00:05.0"},
	};
	struct mt_config config = {
		.ports = &port, .ports_count = 1, .outputs = outputs, .outputs_count = 1};
	char error[512] = "";

	(void)state;
	assert_int_equal(mt_devices_check(&config, sysfs, error, sizeof(error)), 0);
	config.outputs_count = 2;
	assert_int_equal(mt_devices_check(&config, sysfs, error, sizeof(error)), -EBUSY);
	assert_ptr_equal(strstr(error, "output nic: PCI device 0000:00:05.0 "), error);
	port.device = "0000:00:0b.0";
	assert_int_equal(mt_devices_check(&config, sysfs, error, sizeof(error)), -ENODEV);
	assert_ptr_equal(strstr(error, "port eth1: no PCI device 0000:00:0b.0"), error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bound_for_dpdk),
		cmocka_unit_test(test_bound_to_the_kernel),
		cmocka_unit_test(test_no_driver),
		cmocka_unit_test(test_no_device),
		cmocka_unit_test(test_virtual_devices),
		cmocka_unit_test(test_names_the_port_or_output),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
