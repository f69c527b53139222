/* SPDX-License-Identifier: BSD-3-Clause */
/* Metrics as text: OpenMetrics 1.0 for who asks for it (Prometheus does), else Prometheus' text
 * format 0.0.4, which tools such as promtool read. Both hold the same families and samples, and
 * both end in "# EOF". docs/metrics.md says what each family means and what to do when it rises; a
 * test holds the two together. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(SYMBOL, "name", "type", "unit", "help"): a counter's samples get "_total" behind the name. A
 * unit is the end of the name. */
#define MT_METRICS(X)                                                                              \
	X(BUILD_INFO, "mirrortap_build_info", "gauge", "",                                         \
		"1, with the version of the program and of DPDK.")                                 \
	X(UPTIME, "mirrortap_uptime_seconds", "gauge", "seconds", "Time since the start.")         \
	X(HEALTHY, "mirrortap_healthy", "gauge", "", "1 if /healthz answers 200, else 0.")         \
	X(DRAINING, "mirrortap_draining", "gauge", "", "1 while draining or stopping, else 0.")    \
	X(RELOADS, "mirrortap_reloads", "counter", "",                                             \
		"Reloads of the configuration, by result: applied or refused.")                    \
	X(RELOAD_SUCCESSFUL, "mirrortap_last_reload_successful", "gauge", "",                      \
		"1 if the configuration in force is what the last reload asked for, else 0.")      \
	X(CONFIG_TIME, "mirrortap_config_applied_timestamp_seconds", "gauge", "seconds",           \
		"When the configuration in force came into force, since 1970-01-01 UTC.")          \
	X(LEDGER_BALANCED, "mirrortap_ledger_balanced", "gauge", "",                               \
		"1 if every received packet is accounted for, else 0.")                            \
	X(RECEIVED, "mirrortap_received_packets", "counter", "packets",                            \
		"Packets received by the workers from a port.")                                    \
	X(RECEIVED_BYTES, "mirrortap_received_bytes", "counter", "bytes",                          \
		"Bytes received by the workers from a port, tunnels included.")                    \
	X(HOST, "mirrortap_host_packets", "counter", "packets",                                    \
		"Received packets that are not mirror traffic: for the host interface.")           \
	X(ACCEPTED, "mirrortap_accepted_packets", "counter", "packets",                            \
		"Inner frames given to the outputs.")                                              \
	X(IN_FLIGHT, "mirrortap_in_flight_packets", "gauge", "packets",                            \
		"Packets on the way to or in the rings of the queues, or held back there.")        \
	X(DROPPED, "mirrortap_dropped_packets", "counter", "packets",                              \
		"Received packets that were dropped, by verdict.")                                 \
	X(PORT_UP, "mirrortap_port_up", "gauge", "",                                               \
		"1 if the port is started, 0 while it is reset or gone.")                          \
	X(PORT_LINK, "mirrortap_port_link", "gauge", "", "1 if the port has link.")                \
	X(PORT_RESETS, "mirrortap_port_resets", "counter", "",                                     \
		"Times that the port's device was reset, or came back.")                           \
	X(PORT_MISSED, "mirrortap_port_missed_packets", "counter", "packets",                      \
		"Packets that the device dropped because its receive queues were full (imissed).") \
	X(PORT_ERRORS, "mirrortap_port_receive_errors", "counter", "",                             \
		"Packets that the device received with errors (ierrors).")                         \
	X(PORT_NO_BUFFER, "mirrortap_port_no_buffer", "counter", "",                               \
		"Receive buffers that could not be allocated (rx_nombuf).")                        \
	X(PORT_SEND_ERRORS, "mirrortap_port_send_errors", "counter", "",                           \
		"Packets of the host interface that the device failed to send (oerrors).")         \
	X(PORT_POOL_SIZE, "mirrortap_port_pool_buffers", "gauge", "",                              \
		"Packet buffers of the port's pool.")                                              \
	X(PORT_POOL_USED, "mirrortap_port_pool_buffers_in_use", "gauge", "",                       \
		"Packet buffers of the port's pool that are in use.")                              \
	X(PORT_ALLOWANCE_EXCEEDED, "mirrortap_port_allowance_exceeded_packets", "counter",         \
		"packets",                                                                         \
		"Packets that the instance queued or dropped because a limit of its type was "     \
		"exceeded (ENA).")                                                                 \
	X(PORT_ALLOWANCE_AVAILABLE, "mirrortap_port_allowance_available", "gauge", "",             \
		"What is left of a limit of the instance (ENA).")                                  \
	X(PORT_XSTATS, "mirrortap_port_xstats", "counter", "",                                     \
		"Statistics of the driver, under its own names.")                                  \
	X(PORT_QUEUE_XSTATS, "mirrortap_port_queue_xstats", "counter", "",                         \
		"Statistics of the driver for one receive queue (rx_qN_*), under its own names.")  \
	X(HOST_UP, "mirrortap_host_interface_up", "gauge", "",                                     \
		"1 if the host interface is there and up.")                                        \
	X(HOST_TO, "mirrortap_host_interface_to_kernel_packets", "counter", "packets",             \
		"Frames given to the kernel.")                                                     \
	X(HOST_TO_DROPS, "mirrortap_host_interface_to_kernel_dropped_packets", "counter",          \
		"packets", "Frames that the kernel did not take.")                                 \
	X(HOST_FROM, "mirrortap_host_interface_from_kernel_packets", "counter", "packets",         \
		"Frames of the kernel sent on the port.")                                          \
	X(HOST_FROM_DROPS, "mirrortap_host_interface_from_kernel_dropped_packets", "counter",      \
		"packets", "Frames of the kernel that the port did not take.")                     \
	X(WORKER_HEARTBEAT_AGE, "mirrortap_worker_heartbeat_age_seconds", "gauge", "seconds",      \
		"Time since the worker was last seen to begin a loop.")                            \
	X(WORKER_LOOPS, "mirrortap_worker_loops", "counter", "", "Loops that the worker made.")    \
	X(WORKER_PACKETS, "mirrortap_worker_packets", "counter", "packets",                        \
		"Packets that the worker received from ports or took from queues.")                \
	X(WORKER_BUSY, "mirrortap_worker_busy_seconds", "counter", "seconds",                      \
		"Time in loops that had packets.")                                                 \
	X(WORKER_IDLE, "mirrortap_worker_idle_seconds", "counter", "seconds",                      \
		"Time in loops that had none.")                                                    \
	X(WORKER_BUSY_CYCLES, "mirrortap_worker_busy_cycles", "counter", "cycles",                 \
		"TSC cycles in loops that had packets.")                                           \
	X(WORKER_IDLE_CYCLES, "mirrortap_worker_idle_cycles", "counter", "cycles",                 \
		"TSC cycles in loops that had none.")                                              \
	X(WORKER_CYCLES_PER_PACKET, "mirrortap_worker_cycles_per_packet", "gauge", "",             \
		"Busy cycles per packet in the last second; 0 without packets.")                   \
	X(WORKER_BUSY_RATIO, "mirrortap_worker_busy_ratio", "gauge", "ratio",                      \
		"Share of busy loops' time in the last second, 0 to 1.")                           \
	X(WORKER_LONGEST_LOOP, "mirrortap_worker_longest_loop_seconds", "gauge", "seconds",        \
		"Longest time of one loop with packets since the start.")                          \
	X(WORKER_SLOW_LOOPS, "mirrortap_worker_slow_loops", "counter", "",                         \
		"Loops with packets that took longer than a millisecond.")                         \
	X(WORKER_STAGE, "mirrortap_worker_stage", "gauge", "",                                     \
		"1 for the stage in which the worker was seen.")                                   \
	X(QUEUE_PACKETS, "mirrortap_queue_packets", "counter", "packets",                          \
		"Inner frames that the queue gave to the outputs.")                                \
	X(QUEUE_BYTES, "mirrortap_queue_bytes", "counter", "bytes",                                \
		"Bytes of the inner frames that the queue gave to the outputs.")                   \
	X(QUEUE_FULL, "mirrortap_queue_full_packets", "counter", "packets",                        \
		"Packets dropped because the queue's ring was full.")                              \
	X(QUEUE_DEPTH, "mirrortap_queue_depth_packets", "gauge", "packets",                        \
		"Packets waiting in the queue's ring.")                                            \
	X(QUEUE_LENGTH, "mirrortap_queue_length_packets", "gauge", "packets",                      \
		"Packets that the queue's ring holds; 0: it needs none.")                          \
	X(QUEUE_HIGH_WATER, "mirrortap_queue_high_water_packets", "gauge", "packets",              \
		"Most packets that the queue's owner ever found waiting.")                         \
	X(LATENCY, "mirrortap_latency_seconds", "histogram", "seconds",                            \
		"Time from receive to delivery, of each frame.")                                   \
	X(SESSIONS, "mirrortap_sessions", "gauge", "", "Sessions (VNIs) seen since the start.")    \
	X(SESSION_PACKETS, "mirrortap_session_packets", "counter", "packets",                      \
		"Inner frames of the session that went on to the queues.")                         \
	X(SESSION_BYTES, "mirrortap_session_bytes", "counter", "bytes",                            \
		"Bytes of the inner frames of the session.")                                       \
	X(SESSION_TRUNCATED, "mirrortap_session_truncated_packets", "counter", "packets",          \
		"Inner frames of the session that arrived truncated.")                             \
	X(SESSION_DROPPED, "mirrortap_session_dropped_packets", "counter", "packets",              \
		"Packets dropped whose session was known.")                                        \
	X(SESSION_LAST_SEEN, "mirrortap_session_last_seen_timestamp_seconds", "gauge", "seconds",  \
		"When the session was last seen, since 1970-01-01 UTC.")                           \
	X(SESSION_TABLE_FULL, "mirrortap_session_table_full_packets", "counter", "packets",        \
		"Inner frames that no session was counted for because a worker's table was full.") \
	X(OUTPUT_UP, "mirrortap_output_up", "gauge", "", "1 if the output can take frames.")       \
	X(OUTPUT_REQUIRED, "mirrortap_output_required", "gauge", "",                               \
		"1 if the output is marked as required for health.")                               \
	X(OUTPUT_ERRORS, "mirrortap_output_errors", "counter", "",                                 \
		"Times that the output went into its error state.")                                \
	X(OUTPUT_RESETS, "mirrortap_output_resets", "counter", "",                                 \
		"Times that the output's device was reset, or came back.")                         \
	X(OUTPUT_OFFERED, "mirrortap_output_offered_packets", "counter", "packets",                \
		"Frames offered to the output.")                                                   \
	X(OUTPUT_DELIVERED, "mirrortap_output_delivered_packets", "counter", "packets",            \
		"Frames that the output delivered.")                                               \
	X(OUTPUT_DELIVERED_BYTES, "mirrortap_output_delivered_bytes", "counter", "bytes",          \
		"Bytes of the frames that the output took.")                                       \
	X(OUTPUT_IN_FLIGHT, "mirrortap_output_in_flight_packets", "gauge", "packets",              \
		"Frames set aside in the output for its reader.")                                  \
	X(OUTPUT_DROPPED, "mirrortap_output_dropped_packets", "counter", "packets",                \
		"Frames that the output did not deliver, by reason.")                              \
	X(CONSUMER_ATTACHED, "mirrortap_consumer_attached", "gauge", "",                           \
		"1 if a consumer reads the queue of the ring output.")                             \
	X(CONSUMER_HEARTBEAT_AGE, "mirrortap_consumer_heartbeat_age_seconds", "gauge", "seconds",  \
		"Time since the consumer was last seen to look for frames.")                       \
	X(CONSUMER_LAG, "mirrortap_consumer_lag_packets", "gauge", "packets",                      \
		"Frames that wait for the consumer.")                                              \
	X(CONSUMER_BORROWED, "mirrortap_consumer_borrowed_packets", "gauge", "packets",            \
		"Frames that the consumer took and did not give back yet.")                        \
	X(CONSUMER_HIGH_WATER, "mirrortap_consumer_high_water_packets", "gauge", "packets",        \
		"Most frames that ever waited in the queue's ring.")                               \
	X(CONSUMER_PROCESSED, "mirrortap_consumer_processed_packets", "gauge", "packets",          \
		"Frames that this consumer is done with, as it says itself.")                      \
	X(CONSUMER_ATTACHES, "mirrortap_consumer_attaches", "counter", "",                         \
		"Consumers that the queue has had.")                                               \
	X(CONSUMER_REFUSED, "mirrortap_consumer_refused", "counter", "",                           \
		"Attempts to attach that were refused: taken, other version, no such queue.")      \
	X(CAPTURES, "mirrortap_captures", "gauge", "", "Live captures that are running.")          \
	X(CAPTURES_BEGUN, "mirrortap_captures_begun", "counter", "",                               \
		"Live captures that were begun.")                                                  \
	X(CAPTURES_REFUSED, "mirrortap_captures_refused", "counter", "",                           \
		"Live captures that were refused because as many as there may be were running.")   \
	X(CAPTURE_PACKETS, "mirrortap_capture_packets", "counter", "packets",                      \
		"Frames that live captures got.")                                                  \
	X(CAPTURE_BYTES, "mirrortap_capture_bytes", "counter", "bytes",                            \
		"Bytes of the frames that live captures got.")                                     \
	X(CAPTURE_LOST, "mirrortap_capture_lost_packets", "counter", "packets",                    \
		"Frames that live captures lost because they were not read fast enough.")          \
	X(QUEUE_DUPLICATES, "mirrortap_queue_duplicate_packets", "counter", "packets",             \
		"Packets that the queue's de-duplication dropped.")                                \
	X(DEDUP_EVICTED, "mirrortap_dedup_evicted", "counter", "",                                 \
		"Packets forgotten within the window, because the de-duplication's table was "     \
		"full.")                                                                           \
	X(REORDER_HELD, "mirrortap_reorder_held_packets", "gauge", "packets",                      \
		"TCP segments that are held back, to be put in order.")                            \
	X(REORDER_RELEASED, "mirrortap_reorder_released_packets", "counter", "packets",            \
		"TCP segments that were held back and delivered, by why they were let go.")        \
	X(SESSION_DUPLICATES, "mirrortap_session_duplicate_packets", "counter", "packets",         \
		"Inner frames of the session that were dropped as duplicates.")                    \
	X(SCRAPE_SECONDS, "mirrortap_scrape_duration_seconds", "gauge", "seconds",                 \
		"Time that reading these numbers took.")

enum mt_metric {
#define X(symbol, name, type, unit, help) MT_METRIC_##symbol,
	MT_METRICS(X)
#undef X
		MT_METRIC_COUNT
};

enum {
	MT_METRICS_MAX_BYTES = 8 << 20, /* of all samples; beyond that none are added */
};

struct mt_metrics;

/* NULL without memory. */
struct mt_metrics *mt_metrics_create(void);
void mt_metrics_free(struct mt_metrics *metrics);

/* Adds a sample. Behind the value stand names and values of labels, all `const char *`, and NULL:
 * mt_metrics_add(m, MT_METRIC_DROPPED, 1, "verdict", "queue_full", NULL). */
void mt_metrics_add(struct mt_metrics *metrics, enum mt_metric metric, uint64_t value, ...)
	__attribute__((sentinel));
void mt_metrics_add_real(struct mt_metrics *metrics, enum mt_metric metric, double value, ...)
	__attribute__((sentinel));

/* Adds a histogram: counts of each bucket by itself, the last one without a bound; one label. */
void mt_metrics_add_histogram(struct mt_metrics *metrics, enum mt_metric metric, const char *label,
	const char *label_value, const double *bounds, const uint64_t *buckets, unsigned count,
	double sum);

/* The whole text, to be given to free(), or NULL: no memory, or too much. */
char *mt_metrics_render(const struct mt_metrics *metrics, bool openmetrics, size_t *length);

/* Content-Type of that text. */
const char *mt_metrics_content_type(bool openmetrics);

/* Does this Accept header ask for OpenMetrics? NULL: there is none. */
bool mt_metrics_wants_openmetrics(const char *accept);
