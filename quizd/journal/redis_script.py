"""The one script by which the journal writes to Redis.

It is one, not one per operation, so that a Redis that has lost its scripts has lost
this one: either every request of a group is served, or none before it is sent again.
``ARGV[1]`` names the operation; ``KEYS`` are `Keys.of` a session, or ``quizd:alive``.

A reply is a list that begins with a word. Refusals go on with the session's term, its
last index and its hash, where it is known. Terms and indices are compared as numbers
below 2^53, which doubles hold exactly; they are written by ``%.0f``, as Lua's own
``tostring`` rounds to 14 digits.

A script that has begun to write is never stopped for lack of memory (Redis looks at
it when the script begins), and is written to the append-only file in one piece.
"""

from hashlib import sha1

SCRIPT = r"""
local meta, log, snap, gone = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local what = ARGV[1]

local function text(number) return string.format('%.0f', number) end

local function now_ms(time)
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function get(...) return redis.call('HMGET', meta, ...) end

local function add(term, index, hash, batch)
  redis.call('XADD', log, term .. '-' .. index, 'h', hash, 'b', batch)
end

-- The term under which a batch that is not forgotten was kept.
local function term_at(terms, index)
  local found
  for term, first in string.gmatch(terms, '(%d+):(%d+)') do
    if tonumber(first) <= index then found = term end
  end
  return found
end

local function grown(terms, log_term, term, index)
  if log_term == term then return terms end
  return terms .. ' ' .. term .. ':' .. index
end

local function entry(term, index)
  local id = term .. '-' .. text(index)
  return redis.call('XRANGE', log, id, id)[1]
end

local function append(term, index, before, hash, batch)
  local m = get('term', 'last', 'hash', 'log_term')
  if not m[1] then return {'missing'} end
  if m[1] ~= term then return {'term', m[1], m[2], m[3]} end
  local last, number = tonumber(m[2]), tonumber(index)
  if number == last + 1 then
    if m[3] ~= before then return {'chain', m[1], m[2], m[3]} end
    add(term, index, hash, batch)
    local at = text(now_ms(redis.call('TIME')))
    redis.call('HSET', meta, 'last', index, 'hash', hash, 'at', at)
    if m[4] ~= term then
      local terms = grown(get('terms')[1], m[4], term, index)
      redis.call('HSET', meta, 'log_term', term, 'terms', terms)
    end
    return {'kept'}
  end
  if number < 1 or number > last then return {'gap', m[1], m[2], m[3]} end
  local kept = entry(term, number)
  if kept and kept[2][4] == batch then return {'same'} end
  return {'other', m[1], m[2], m[3]}
end

if what == 'append' then
  return append(ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6])
end

-- Keep until when the session was alive, before somebody else's term, or its end.
local function freeze(cap)
  local m = get('term', 'log_term', 'ended', 'at', 'claimed', 'run')
  if m[3] == '1' or m[1] ~= m[2] then return end
  local alive = text(math.max(tonumber(m[4]), tonumber(m[5])))
  redis.call('HSET', meta, 'alive', alive, 'alive_of', m[6], 'alive_cap', cap)
end

local function list()
  redis.call('PERSIST', meta)
  redis.call('PERSIST', log)
  redis.call('HSET', meta, 'listed', '1')
end

-- Whether Redis uses so much of the memory that it may that no session should begin.
local function is_full(percent)
  local info = redis.pcall('INFO', 'memory')
  if type(info) ~= 'string' then return false end
  local used = tonumber(string.match(info, '\nused_memory:(%d+)'))
  local limit = tonumber(string.match(info, '\nmaxmemory:(%d+)'))
  return used and limit and limit > 0 and used * 100 >= limit * percent
end

-- All there is to know of the session but its batches and parts.
local function look()
  local fields = get('term', 'last', 'hash', 'log_term', 'owner', 'run', 'claimed',
    'at', 'alive', 'alive_of', 'alive_cap', 'quiz_id', 'pin', 'created', 'ended',
    'trimmed')
  if not fields[1] then return {'missing'} end
  return {'ok', redis.call('HGET', snap, 'index') or '0', fields}
end

local ops = {look = look}

function ops.create(owner, run, quiz_id, pin, hash, batch, unlisted_ms, percent)
  if redis.call('EXISTS', meta) == 1 then return {'exists'} end
  if is_full(tonumber(percent)) then return {'full'} end
  local time = redis.call('TIME')
  local now = text(math.max(now_ms(time), 1))
  local created = text(tonumber(time[1]) * 1000000 + tonumber(time[2]))
  redis.call('DEL', log, snap, gone)
  add(now, '1', hash, batch)
  redis.call('HSET', meta, 'term', now, 'last', '1', 'hash', hash, 'at', now,
    'log_term', now, 'terms', now .. ':1', 'trimmed', '0', 'owner', owner, 'run', run,
    'claimed', now, 'alive', now, 'alive_of', run, 'alive_cap', now,
    'quiz_id', quiz_id, 'pin', pin, 'created', created, 'listed', '0', 'ended', '0')
  redis.call('PEXPIRE', meta, unlisted_ms)
  redis.call('PEXPIRE', log, unlisted_ms)
  return {'ok', now, created}
end

function ops.list()
  if redis.call('EXISTS', meta) == 0 then return {'missing'} end
  list()
  return {'ok'}
end

-- A repair that was cut short has left a snapshot that stands for more than the log.
-- Who goes on from there goes on behind the snapshot.
local function catch_up(last)
  local saved = redis.call('HMGET', snap, 'index', 'hash')
  if not saved[1] or tonumber(saved[1]) <= tonumber(last) then return end
  redis.call('DEL', log)
  redis.call('HSET', meta, 'last', saved[1], 'hash', saved[2], 'trimmed', saved[1],
    'log_term', '0', 'terms', '')
end

function ops.claim(owner, run)
  local m = get('term', 'listed', 'last')
  if not m[1] then return {'missing'} end
  local now = now_ms(redis.call('TIME'))
  local term = text(math.max(tonumber(m[1]) + 1, now))
  freeze(text(now))
  catch_up(m[3])
  redis.call('HSET', meta, 'term', term, 'owner', owner, 'run', run,
    'claimed', text(now))
  if m[2] ~= '1' then list() end
  return look()
end

-- The claimer says what *alive* and *alive_of* came to when it claimed; the process
-- that had the session before may go on to renew.
function ops.freeze(term, alive)
  local m = get('term', 'log_term', 'ended')
  if m[1] == term and m[2] ~= term and m[3] ~= '1' then
    redis.call('HSET', meta, 'alive', alive, 'alive_of', '')
  end
  return {'ok'}
end

function ops.finish(term)
  local m = get('term', 'last', 'hash', 'ended', 'created')
  if not m[1] then return {'missing'} end
  if m[1] ~= term then return {'term', m[1], m[2], m[3]} end
  if m[4] ~= '1' then
    freeze(text(now_ms(redis.call('TIME'))))
    redis.call('HSET', meta, 'ended', '1')
  end
  return {'ok', m[5]}
end

-- Parts are names and contents in turn, from ARGV[first] to ARGV[last].
local function save(index, hash, first, last)
  for n = first, last, 2 do
    redis.call('HSET', snap, 'p:' .. ARGV[n], ARGV[n + 1])
  end
  redis.call('HSET', snap, 'index', index, 'hash', hash)
end

function ops.snapshot(term, index)
  local m = get('term', 'last', 'hash', 'terms')
  if not m[1] then return {'missing'} end
  if m[1] ~= term then return {'term', m[1], m[2], m[3]} end
  local saved = redis.call('HMGET', snap, 'index', 'hash')
  local number, last = tonumber(index), tonumber(m[2])
  if number > last then return {'gap', m[1], m[2], m[3]} end
  local at_least = tonumber(saved[1] or '1')
  if number < at_least then return {'older', m[1], text(at_least), m[3]} end
  local hash
  if index == saved[1] then
    hash = saved[2]
  elseif number == last then
    hash = m[3]
  else
    hash = entry(term_at(m[4], number), number)[2][2]
  end
  save(index, hash, 4, #ARGV)
  return {'ok', hash}
end

function ops.trim(through)
  local m = get('trimmed', 'terms', 'last')
  if not m[1] then return {'missing'} end
  local saved = tonumber(redis.call('HGET', snap, 'index') or '0')
  local upto = math.min(tonumber(through), saved)
  if upto <= tonumber(m[1]) then return {'ok', m[1]} end
  -- The latest batch stays, so that an append of it can be repeated.
  local old = math.min(upto, tonumber(m[3]) - 1)
  if old > 0 then
    local oldest = term_at(m[2], old) .. '-' .. text(old + 1)
    redis.call('XTRIM', log, 'MINID', oldest)
  end
  redis.call('HSET', meta, 'trimmed', text(upto))
  return {'ok', text(upto)}
end

function ops.expire(after_ms, gone_ms)
  local ended = get('ended')[1]
  if not ended then return {'missing'} end
  if ended ~= '1' then return {'running'} end
  for n = 1, 3 do redis.call('PEXPIRE', KEYS[n], after_ms) end
  redis.call('SET', gone, '1', 'PX', text(tonumber(after_ms) + tonumber(gone_ms)))
  return {'ok'}
end

-- Give back what Redis has lost of a session whose owner still lives. What is there
-- must be the beginning of what the owner has: *from* is its index and *before* its
-- hash. A session that is missing wholly begins behind *from*, where a snapshot of
-- that index or a later one is given.
function ops.restore(term, owner, run, claimed, quiz_id, pin, created, ended,
    from, before, saved, saved_hash, parts, ...)
  local rest = {...}
  local m = get('term', 'last', 'hash')
  local now = text(now_ms(redis.call('TIME')))
  if not m[1] then
    if redis.call('EXISTS', gone) == 1 then return {'gone'} end
    redis.call('DEL', log, snap)
    redis.call('HSET', meta, 'term', term, 'last', from, 'hash', before, 'at', now,
      'log_term', '0', 'terms', '', 'trimmed', from, 'owner', owner, 'run', run,
      'claimed', claimed, 'alive', claimed, 'alive_of', run, 'alive_cap', now,
      'quiz_id', quiz_id, 'pin', pin, 'created', created, 'listed', '1', 'ended', '0')
  elseif tonumber(m[1]) > tonumber(term) then
    return {'term', m[1], m[2], m[3]}
  elseif m[2] ~= from or m[3] ~= before then
    return {'moved', m[1], m[2], m[3]}
  elseif m[1] ~= term then
    freeze(claimed)
    redis.call('HSET', meta, 'term', term, 'owner', owner, 'run', run,
      'claimed', claimed)
  end
  local last_part = 14 + 2 * tonumber(parts)
  if saved ~= '0' then save(saved, saved_hash, 15, last_part) end
  local log_term, terms = unpack(get('log_term', 'terms'))
  for n = last_part + 1, #ARGV, 4 do
    local batch_term, index, hash = ARGV[n], ARGV[n + 1], ARGV[n + 2]
    add(batch_term, index, hash, ARGV[n + 3])
    terms = grown(terms, log_term, batch_term, index)
    log_term = batch_term
    redis.call('HSET', meta, 'last', index, 'hash', hash, 'at', now,
      'log_term', log_term, 'terms', terms)
  end
  if ended == '1' and get('ended')[1] ~= '1' then
    freeze(now)
    redis.call('HSET', meta, 'ended', '1')
  end
  return {'ok'}
end

-- The field's value of before, and the one of now.
function ops.renew(field)
  local before = redis.call('HGET', KEYS[1], field)
  local now = text(now_ms(redis.call('TIME')))
  redis.call('HSET', KEYS[1], field, now)
  return {'ok', before or '', now}
end

-- Forget the fields of processes that have not renewed for a while.
function ops.prune(older_ms)
  local oldest = now_ms(redis.call('TIME')) - tonumber(older_ms)
  local all = redis.call('HGETALL', KEYS[1])
  for n = 1, #all, 2 do
    if tonumber(all[n + 1]) < oldest then redis.call('HDEL', KEYS[1], all[n]) end
  end
  return {'ok'}
end

return ops[what](unpack(ARGV, 2, 14))
"""

SHA = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
"""By this name Redis knows the script once it has seen it."""
