-- SPDX-License-Identifier: BSD-3-Clause
-- Mirror traffic that Pktgen makes itself, without a capture: the 128 outer source ports of AWS in
-- turn, by pktgen.range, and many flows inside, by pktgen.rnd. All frames have one size; mixtures
-- and real ones need pcap.lua.
--
--   MT_SOURCE, MT_TARGET  outer addresses
--   MT_TARGET_MAC         of the target's interface
--   MT_VNI                default 4321
--   MT_INNER_BYTES        default 64; at least 42
--   MT_FLOWS              default 1024; rounded up to a power of two, at most 16777216

package.path = debug.getinfo(1, "S").source:match("^@(.*/)") .. "?.lua;" .. package.path

local PORT = "0"
local OUTER_BYTES = 14 + 20 + 8 + 8 -- Ethernet, IPv4, UDP, VXLAN
local FCS_BYTES = 4                 -- counted by Pktgen
local FIRST_PORT, LAST_PORT = 65408, 65535
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

-- 32 bits of each packet, `offset` bytes from its beginning; the last `random` of them differ from
-- packet to packet.
local specs = 0
local function word(offset, value, random)
    local bits = {}
    for bit = 31, 0, -1 do
        bits[#bits + 1] = bit < (random or 0) and "X" or tostring(value >> bit & 1)
    end
    pktgen.rnd(PORT, specs, offset, table.concat(bits))
    specs = specs + 1
end

-- What is behind the outer UDP ports. Pktgen 23.03 writes a VXLAN header of its own, but in packets
-- of a range its flags are 0 (and RFC 7348 wants the I bit), so all of it is laid over.
local function inside(inner_bytes)
    local vni = tonumber((setting("MT_VNI", "4321")))
    local flow_bits = math.ceil(math.log(tonumber((setting("MT_FLOWS", "1024"))), 2))

    word(40, 0x00000800) -- outer UDP checksum 0; VXLAN: I
    word(44, vni >> 8)
    word(48, (vni & 0xff) << 24 | 0x0200) -- to 02:00:00:00:00:02
    word(52, 0x00000002)
    word(56, 0x02000000) -- from 02:00:00:00:00:01
    word(60, 0x00010800) -- IPv4, its checksum 0
    word(64, 0x45000000 | inner_bytes - 14)
    word(68, 0)
    word(72, 0x40110000)
    word(76, 0x0a010000, math.max(flow_bits - 16, 0)) -- from 10.1.0.0
    word(80, 0x0a020001)
    word(82, 0x00010000, math.min(flow_bits, 16)) -- its end, and the UDP source port
    word(86, 9 << 16 | inner_bytes - 34)
    word(88, inner_bytes - 34 << 16)
end

local function traffic()
    local inner_bytes = tonumber((setting("MT_INNER_BYTES", "64")))
    pktgen.range.ip_proto(PORT, "udp")
    fixed(pktgen.range.dst_mac, setting("MT_TARGET_MAC"), "00:00:00:00:00:00")
    fixed(pktgen.range.src_ip, setting("MT_SOURCE"), "0.0.0.0")
    fixed(pktgen.range.dst_ip, setting("MT_TARGET"), "0.0.0.0")
    swept(pktgen.range.src_port, FIRST_PORT, LAST_PORT)
    fixed(pktgen.range.dst_port, 4789, 0)
    fixed(pktgen.range.ttl, 255, 0)
    fixed(pktgen.range.pkt_size, inner_bytes + OUTER_BYTES + FCS_BYTES, 0)
    inside(inner_bytes)
    pktgen.set_range(PORT, "on")
end

require("mirrortap").run(traffic)
