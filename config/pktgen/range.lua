-- SPDX-License-Identifier: BSD-3-Clause
-- The 128 outer source ports of AWS in turn, by pktgen.range, to see how a network card spreads the
-- outside over its receive queues. Inside is Pktgen's letters, one flow: for many take pcap.lua.
--
--   MT_SOURCE, MT_TARGET  outer addresses
--   MT_TARGET_MAC         of the target's interface
--   MT_INNER_BYTES        default 64
--   MT_RANGE_PORT         outer destination port, default 8472; the target must have it:
--                         tunnels: {vxlan_ports: [4789, 8472]}
--
-- Not 4789, because to that port Pktgen 23.03 writes a VXLAN header without the I flag in packets of
-- a range. To another one its letters stay, "klmnopqr": 'k' has the I bit, the VNI is "opq".

package.path = debug.getinfo(1, "S").source:match("^@(.*/)") .. "?.lua;" .. package.path
local mirrortap = require("mirrortap")
local setting, PORT = mirrortap.setting, mirrortap.PORT

local OUTER_BYTES = 14 + 20 + 8 + 8 -- Ethernet, IPv4, UDP, VXLAN
local FCS_BYTES = 4                 -- counted by Pktgen
local FIRST_PORT, LAST_PORT = 65408, 65535

-- All four values of a range.
local function fixed(set, value, zero)
    set(PORT, "start", value)
    set(PORT, "inc", zero)
    set(PORT, "min", value)
    set(PORT, "max", value)
end

local function swept(set, first, last)
    set(PORT, "start", first)
    set(PORT, "inc", 1)
    set(PORT, "min", first)
    set(PORT, "max", last)
end

local function traffic()
    pktgen.range.ip_proto(PORT, "udp")
    fixed(pktgen.range.dst_mac, setting("MT_TARGET_MAC"), "00:00:00:00:00:00")
    fixed(pktgen.range.src_ip, setting("MT_SOURCE"), "0.0.0.0")
    fixed(pktgen.range.dst_ip, setting("MT_TARGET"), "0.0.0.0")
    swept(pktgen.range.src_port, FIRST_PORT, LAST_PORT)
    fixed(pktgen.range.dst_port, tonumber(setting("MT_RANGE_PORT", "8472")), 0)
    fixed(pktgen.range.ttl, 255, 0)
    fixed(pktgen.range.pkt_size,
        tonumber(setting("MT_INNER_BYTES", "64")) + OUTER_BYTES + FCS_BYTES, 0)
    pktgen.set_range(PORT, "on")
end

mirrortap.run(traffic)
