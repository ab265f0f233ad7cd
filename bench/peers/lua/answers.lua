-- Enters a batch of answers to one question, each at most once, and ranks them.
--
-- KEYS: 1 the question's answers, a hash of participant -> "option:points:received_ms"
--       2 the board, a sorted set of participants by PLACE * score + tie, where tie
--         falls with time: equal scores share a rank, and who came first is listed first
--       3 exists when the question is closed: nothing is entered then
-- ARGV: four per answer: participant, "option:points:received_ms", points, tie
--
-- Returns the number of answers to the question, the number of participants, then three
-- per answer: the answer that stands, "" for none, the score, the rank.

local PLACE = 4294967296
local closed = redis.call('EXISTS', KEYS[3]) == 1

local function enter(participant, given, points, tie, packed)
  if closed or redis.call('HSETNX', KEYS[1], participant, given) == 0 then
    return redis.call('HGET', KEYS[1], participant) or '', packed
  end
  if points > 0 then
    packed = (math.floor(packed / PLACE) + points) * PLACE + tie
    redis.call('ZADD', KEYS[2], string.format('%.0f', packed), participant)
  end
  return given, packed
end

local reply = {0, redis.call('ZCARD', KEYS[2])}
for at = 1, #ARGV, 4 do
  local participant = ARGV[at]
  local packed = tonumber(redis.call('ZSCORE', KEYS[2], participant) or 0)
  local given
  given, packed = enter(
    participant, ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), packed)
  local score = math.floor(packed / PLACE)
  local better = string.format('%.0f', (score + 1) * PLACE)
  reply[#reply + 1] = given
  reply[#reply + 1] = score
  reply[#reply + 1] = redis.call('ZCOUNT', KEYS[2], better, '+inf') + 1
end
reply[1] = redis.call('HLEN', KEYS[1])
return reply
