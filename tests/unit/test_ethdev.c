/* SPDX-License-Identifier: BSD-3-Clause */
/* What devices are asked, by their capabilities: those of ENA as its driver documents them, and of
 * some virtual ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "output/ethdev.h"

/* drivers/net/ena and doc/guides/nics/ena.rst of DPDK 22.11: at most 8 queues on small instances,
 * RSS on TCP and UDP over IP only, jumbo frames to 9216, receive scatter always on. */
static struct rte_eth_dev_info ena(uint16_t queues)
{
	return (struct rte_eth_dev_info){
		.driver_name = "net_ena",
		.max_rx_queues = queues,
		.max_tx_queues = queues,
		.max_mtu = 9216,
		.reta_size = 128,
		.flow_type_rss_offloads = RTE_ETH_RSS_NONFRAG_IPV4_TCP
			| RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV6_TCP
			| RTE_ETH_RSS_NONFRAG_IPV6_UDP,
		.rx_offload_capa = RTE_ETH_RX_OFFLOAD_SCATTER | RTE_ETH_RX_OFFLOAD_IPV4_CKSUM
			| RTE_ETH_RX_OFFLOAD_UDP_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM,
		.tx_offload_capa = RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM,
	};
}

static const struct mt_ethdev_request request = {
	.rx_queues = 4,
	.tx_queues = 1,
	.rx_descriptors = 1024,
	.mtu = 9216,
	.all_rx_queues = true,
};

static struct mt_ethdev fit(
	const struct rte_eth_dev_info *info, bool nic, struct rte_eth_conf *conf)
{
	struct mt_ethdev ethdev = {0};

	snprintf(ethdev.driver, sizeof(ethdev.driver), "%s", info->driver_name);
	mt_ethdev_fit(&ethdev, &request, info, nic, conf);
	return ethdev;
}

static void ena_is_asked_for_what_it_has(void **state)
{
	struct rte_eth_dev_info info = ena(8);
	struct rte_eth_conf conf;
	struct mt_ethdev ethdev = fit(&info, true, &conf);

	(void)state;
	assert_int_equal(ethdev.rx_queues, 4);
	assert_int_equal(ethdev.tx_queues, 1);
	assert_int_equal(conf.rxmode.mq_mode, RTE_ETH_MQ_RX_RSS);
	assert_int_equal(conf.rx_adv_conf.rss_conf.rss_hf & ~info.flow_type_rss_offloads, 0);
	assert_int_not_equal(conf.rx_adv_conf.rss_conf.rss_hf & RTE_ETH_RSS_NONFRAG_IPV4_UDP, 0);
	assert_null(conf.rx_adv_conf.rss_conf.rss_key); /* only some hardware takes one */
	assert_int_equal(conf.rxmode.offloads & ~info.rx_offload_capa, 0);
	assert_int_equal(conf.txmode.offloads & ~info.tx_offload_capa, 0);
	assert_true(ethdev.scatter);
	assert_true(ethdev.multi_segment_tx);
	assert_int_equal(conf.rxmode.mtu, 9216);
}

static void checksums_are_finished_by_those_that_may_leave_them(void **state)
{
	static const char *const drivers[] = {"net_virtio", "net_virtio_user", "net_vmxnet3"};
	struct rte_eth_dev_info info = ena(8);
	struct rte_eth_conf conf;

	(void)state;
	assert_true(fit(&info, true, &conf).rx_checksums);
	for (size_t d = 0; d < sizeof(drivers) / sizeof(*drivers); d++) {
		info.driver_name = drivers[d];
		assert_false(fit(&info, true, &conf).rx_checksums);
		assert_int_equal(conf.rxmode.offloads, RTE_ETH_RX_OFFLOAD_SCATTER);
	}
}

static void small_instances_have_fewer_queues(void **state)
{
	struct rte_eth_dev_info info = ena(2);
	struct rte_eth_conf conf;

	(void)state;
	assert_int_equal(fit(&info, true, &conf).rx_queues, 2);
	info = ena(1);
	assert_int_equal(fit(&info, true, &conf).rx_queues, 1);
	assert_int_equal(conf.rxmode.mq_mode, RTE_ETH_MQ_RX_NONE);
	info = ena(8);
	info.reta_size = 2;
	assert_int_equal(fit(&info, true, &conf).rx_queues, 2);
	info = ena(8);
	info.max_mtu = 1500;
	fit(&info, true, &conf);
	assert_int_equal(conf.rxmode.mtu, 1500);
}

static void nothing_is_asked_of_a_device_that_has_nothing(void **state)
{
	struct rte_eth_dev_info info = {
		.driver_name = "net_plain", .max_rx_queues = 16, .max_tx_queues = 16};
	struct rte_eth_conf conf;
	struct mt_ethdev ethdev = fit(&info, true, &conf);

	(void)state;
	assert_int_equal(ethdev.rx_queues, 4);
	assert_int_equal(conf.rxmode.offloads, 0);
	assert_int_equal(conf.txmode.offloads, 0);
	assert_int_equal(conf.rxmode.mq_mode, RTE_ETH_MQ_RX_NONE);
	assert_false(ethdev.scatter);
	assert_false(ethdev.multi_segment_tx);
}

static void virtual_devices_keep_their_mtu_and_queues(void **state)
{
	struct rte_eth_dev_info info = {.driver_name = "net_pcap",
		.max_rx_queues = 7,
		.max_tx_queues = 7,
		.max_mtu = 65535};
	struct rte_eth_conf conf;
	struct mt_ethdev ethdev = fit(&info, false, &conf);

	(void)state;
	assert_int_equal(ethdev.rx_queues, 7); /* each is a file: all must be polled */
	assert_int_equal(conf.rxmode.mtu, 0);
	info.driver_name = "net_tap";
	info.max_rx_queues = info.max_tx_queues = 16;
	ethdev = fit(&info, false, &conf);
	assert_int_equal(ethdev.rx_queues, ethdev.tx_queues);
	assert_int_equal(ethdev.rx_queues, 4);
}

static void memif_has_pairs_of_queues_and_one_that_connects(void **state)
{
	struct rte_eth_dev_info info = {
		.driver_name = "net_memif", .max_rx_queues = 256, .max_tx_queues = 256};
	struct rte_eth_conf conf;
	struct mt_ethdev ethdev = fit(&info, false, &conf);

	(void)state;
	assert_int_equal(ethdev.rx_queues, 4);
	assert_int_equal(ethdev.tx_queues, 4); /* a server refuses a peer that has more of either */
	assert_true(mt_ethdev_is_memif(&ethdev));
	ethdev.device = "net_memif0,role=server,socket=x";
	assert_false(mt_ethdev_connects(&ethdev));
	ethdev.device = "net_memif0,role=client";
	assert_true(mt_ethdev_connects(&ethdev));
	ethdev.device = "net_memif0";
	assert_true(mt_ethdev_connects(&ethdev));
	info.driver_name = "net_ring";
	ethdev = fit(&info, false, &conf);
	assert_false(mt_ethdev_is_memif(&ethdev));
	assert_false(mt_ethdev_connects(&ethdev));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ena_is_asked_for_what_it_has),
		cmocka_unit_test(checksums_are_finished_by_those_that_may_leave_them),
		cmocka_unit_test(small_instances_have_fewer_queues),
		cmocka_unit_test(nothing_is_asked_of_a_device_that_has_nothing),
		cmocka_unit_test(virtual_devices_keep_their_mtu_and_queues),
		cmocka_unit_test(memif_has_pairs_of_queues_and_one_that_connects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
