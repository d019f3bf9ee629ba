-- Keeps a message and publishes it, with its place in the history of its channel.
-- KEYS: the stream; the place of the last message in it.
-- ARGV: the message; the channel of it; how many are kept; for how long, in ms; how long the place is, in ms.
local function text(number) return string.format('%.0f', number) end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local last = redis.call('GET', KEYS[2])
local floor = last
if not last then
  -- Its place was forgotten before it was: the clock has gone back, or somebody has removed a key.
  local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
  floor = newest and string.match(newest[1], '^%d+') or '0'
end
-- Places are times in microseconds, so that they grow also where all was forgotten. Such numbers are exact in Lua.
local offset = text(math.max(now, floor + 1))
local previous = last or '0'

redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[3], offset .. '-0', 'p', previous, 'e', ARGV[1])
redis.call('XTRIM', KEYS[1], 'MINID', text(math.max(now - ARGV[4] * 1000, 0)))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('SET', KEYS[2], offset, 'PX', ARGV[5])
redis.call('PUBLISH', ARGV[2], offset .. ' ' .. previous .. ':' .. ARGV[1])
return redis.status_reply('OK')
