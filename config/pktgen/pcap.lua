-- SPDX-License-Identifier: BSD-3-Clause
-- Mirror traffic from a capture of make-pcaps.sh: pktgen ... -s 0:64-1024.pcap -f pcap.lua
-- Sizes, flows and outer ports are those of the capture.

package.path = debug.getinfo(1, "S").source:match("^@(.*/)") .. "?.lua;" .. package.path
require("mirrortap").run(function() end)
