-- SPDX-License-Identifier: BSD-3-Clause
-- Mirror traffic of one size that Pktgen makes itself, without a capture: one packet in which some
-- bits are random (pktgen.rnd), for 128 outer source ports as AWS has them and many flows inside.
--
--   MT_SOURCE, MT_TARGET  outer addresses
--   MT_TARGET_MAC         of the target's interface
--   MT_VNI                default 4321
--   MT_INNER_BYTES        default 64; at least 42
--   MT_FLOWS              default 1024; rounded up to a power of two, at most 16777216

package.path = debug.getinfo(1, "S").source:match("^@(.*/)") .. "?.lua;" .. package.path
local mirrortap = require("mirrortap")
local setting, PORT = mirrortap.setting, mirrortap.PORT

local OUTER_BYTES = 14 + 20 + 8 + 8 -- Ethernet, IPv4, UDP, VXLAN
local FCS_BYTES = 4                 -- counted by Pktgen

-- 32 bits of each packet, `offset` bytes from its beginning. `random` of them, counted from bit
-- `from` up, differ from packet to packet.
local specs = 0
local function word(offset, value, random, from)
    local first = from or 0
    local bits = {}
    for bit = 31, 0, -1 do
        local any = bit >= first and bit < first + (random or 0)
        bits[#bits + 1] = any and "X" or tostring(value >> bit & 1)
    end
    pktgen.rnd(PORT, specs, offset, table.concat(bits))
    specs = specs + 1
end

-- All from the outer UDP ports on is laid over what Pktgen wrote.
local function lay_over(inner_bytes)
    local vni = tonumber(setting("MT_VNI", "4321"))
    local flow_bits = math.ceil(math.log(tonumber(setting("MT_FLOWS", "1024")), 2))

    word(34, 0xff80 << 16 | 4789, 7, 16) -- 65408 to 65535
    word(40, 0x00000800)                 -- UDP checksum 0; VXLAN: I (RFC 7348 section 5)
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
    word(84, 9, math.min(flow_bits, 16), 16) -- from any port to 9
    word(88, inner_bytes - 34 << 16)
end

local function traffic()
    local inner_bytes = tonumber(setting("MT_INNER_BYTES", "64"))

    pktgen.set_mac(PORT, "dst", setting("MT_TARGET_MAC"))
    pktgen.set_ipaddr(PORT, "src", setting("MT_SOURCE") .. "/24")
    pktgen.set_ipaddr(PORT, "dst", setting("MT_TARGET"))
    pktgen.set_proto(PORT, "udp")
    pktgen.set(PORT, "ttl", 255)
    pktgen.set(PORT, "size", inner_bytes + OUTER_BYTES + FCS_BYTES)
    lay_over(inner_bytes)
end

mirrortap.run(traffic)
