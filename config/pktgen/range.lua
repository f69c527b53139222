-- SPDX-License-Identifier: BSD-3-Clause
-- Mirror traffic that Pktgen makes itself: the 128 outer source ports of AWS, one after the other.
-- It has nothing but its pattern inside, one flow, so it shows how a network card spreads the
-- outside over receive queues; for what is spread by the inner flow take pcap.lua.
--
--   MT_SOURCE, MT_TARGET          outer addresses
--   MT_TARGET_MAC                 of the target's interface
--   MT_VNI                        default 4321; at most 65535
--   MT_INNER_BYTES                default 64

package.path = debug.getinfo(1, "S").source:match("^@(.*/)") .. "?.lua;" .. package.path

local PORT = "0"
local OUTER_BYTES = 14 + 20 + 8 + 8 -- Ethernet, IPv4, UDP, VXLAN
local FCS_BYTES = 4                 -- counted by Pktgen
local FIRST_PORT, LAST_PORT = 65408, 65535
local I_FLAG = 0x0800 -- RFC 7348 section 5

local function setting(name, default)
    return os.getenv(name) or default or error("set " .. name .. " in the environment")
end

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
    local size = tonumber(setting("MT_INNER_BYTES", "64")) + OUTER_BYTES + FCS_BYTES
    pktgen.range.ip_proto(PORT, "udp")
    fixed(pktgen.range.dst_mac, setting("MT_TARGET_MAC"), "00:00:00:00:00:00")
    fixed(pktgen.range.src_ip, setting("MT_SOURCE"), "0.0.0.0")
    fixed(pktgen.range.dst_ip, setting("MT_TARGET"), "0.0.0.0")
    swept(pktgen.range.src_port, FIRST_PORT, LAST_PORT)
    fixed(pktgen.range.dst_port, 4789, 0)
    fixed(pktgen.range.ttl, 255, 0)
    fixed(pktgen.range.pkt_size, size, 0)
    -- Pktgen 23.03 brings the id into network order first and makes room for the reserved byte then:
    -- what arrives as the VNI are the upper 16 of the 32 bits.
    pktgen.vxlan_id(PORT, I_FLAG, 0, tonumber(setting("MT_VNI", "4321")) << 16)
    pktgen.vxlan(PORT, "on")
    pktgen.set_range(PORT, "on")
end

require("mirrortap").run(traffic)
