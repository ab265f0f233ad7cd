-- Returns score, rank and number of participants for one of them.
--
-- KEYS: 1 the board, as in answers.lua
-- ARGV: 1 the participant

local PLACE = 4294967296
local packed = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
local score = math.floor(packed / PLACE)
local better = string.format('%.0f', (score + 1) * PLACE)
local rank = redis.call('ZCOUNT', KEYS[1], better, '+inf') + 1
return {score, rank, redis.call('ZCARD', KEYS[1])}
