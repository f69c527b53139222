-- SPDX-License-Identifier: BSD-3-Clause
-- The highest rate at which a mirror target loses nothing, as RFC 2544 section 26.1 looks for it:
-- send at a rate, compare what was sent with what the target counted, and halve the distance.
--
-- Run by Pktgen-DPDK (-f pcap.lua, -f range.lua); docs/sizing.md says how. By the environment:
--   MT_LEDGER    command that prints the target's ledger, e.g.
--                curl -s http://10.0.0.5:8080/api/v1/ledger
--   MT_RESULT    file for the results, one JSON object a line: each trial, then the result
--   MT_PROFILE   name of the profile, for the results
--   MT_SECONDS   of one trial; default 10 (RFC 2544 wants 60 for the last one)
--   MT_TOLERANCE share that may be lost; default 0
--   MT_PRECISION percent of the link's rate; default 1

local M = {PORT = "0"}

local PORT = M.PORT
local SETTLE_MS = 1200 -- Pktgen reads its port's counters once a second
local SETTLE_TRIES = 10

local function setting(name, default)
    local value = os.getenv(name) or default
    if value == nil then
        error("set " .. name .. " in the environment; see config/pktgen/mirrortap.lua")
    end
    return value
end

M.setting = setting

local function output_of(command)
    local pipe = assert(io.popen(command))
    local text = pipe:read("a")
    pipe:close()
    return text
end

local function now_s()
    return tonumber(output_of("date +%s.%N"))
end

-- Packets that the target gave to its outputs.
local function accepted()
    local text = output_of(setting("MT_LEDGER"))
    local count = text:match('"accepted": *(%d+)')
    if count == nil then
        error("MT_LEDGER printed no ledger but: " .. text:sub(1, 200))
    end
    return tonumber(count)
end

local function sent()
    return pktgen.portStats(PORT, "port")[0].opackets
end

-- A counter when it has come to rest.
local function settled(read)
    local last = read()
    for _ = 1, SETTLE_TRIES do
        pktgen.delay(SETTLE_MS)
        local now = read()
        if now == last then
            return now
        end
        last = now
    end
    error("a counter does not come to rest: something else sends to the target")
end

local function report(result)
    local file = assert(io.open(setting("MT_RESULT"), "a"))
    file:write(string.format(
        '{"kind": "%s", "profile": "%s", "rate_percent": %.2f, "seconds": %.3f, "sent": %d, '
            .. '"accepted": %d, "lost": %d, "pps": %.0f}\n',
        result.kind, setting("MT_PROFILE"), result.rate, result.seconds, result.sent,
        result.accepted, result.sent - result.accepted, result.sent / result.seconds))
    file:close()
end

local function trial(rate)
    local sent_before, accepted_before = settled(sent), settled(accepted)
    pktgen.set(PORT, "rate", rate)
    local begin = now_s()
    pktgen.start(PORT)
    pktgen.delay(tonumber(setting("MT_SECONDS", "10")) * 1000)
    pktgen.stop(PORT)
    local result = {kind = "trial", rate = rate, seconds = now_s() - begin}
    result.sent = settled(sent) - sent_before
    result.accepted = settled(accepted) - accepted_before
    report(result)
    return result
end

local function passes(result)
    local tolerance = tonumber(setting("MT_TOLERANCE", "0"))
    return result.sent > 0 and result.sent - result.accepted <= result.sent * tolerance
end

-- Looks for the highest rate and ends Pktgen.
local function search()
    local precision = tonumber(setting("MT_PRECISION", "1"))
    local low, high, best = 0, 100, nil
    local rate = high
    while best == nil or high - low > precision do
        local result = trial(rate)
        if passes(result) then
            low, best = rate, result
            if rate == 100 then
                break
            end
        else
            high = rate
            if high <= precision then
                break
            end
        end
        rate = (low + high) / 2
    end
    if best ~= nil then
        best.kind = "result"
        report(best)
    end
end

-- Searches and ends Pktgen; `traffic` is called before and says what to send.
function M.run(traffic)
    pktgen.screen("off")
    pktgen.set(PORT, "count", 0)
    local fine, problem = pcall(function()
        traffic()
        search()
    end)
    if not fine then
        local file = io.open(os.getenv("MT_RESULT") or "/dev/stderr", "a")
        file:write(string.format('{"kind": "error", "error": "%s"}\n',
            tostring(problem):gsub('[\\"%c]', " ")))
        file:close()
    end
    pktgen.quit()
end

return M
