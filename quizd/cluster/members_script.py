"""The one script that renews a lease, and what it answers; see members.py."""

from dataclasses import dataclass
from typing import Any

import orjson

from quizd.cluster import keys
from quizd.cluster.base import Member, RedisClient

_RENEW = """
-- KEYS: the hash of members
-- ARGV: field of the watch, shard, record of the caller, ms to keep the gone
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local watch_field, shard, keep = ARGV[1], ARGV[2], tonumber(ARGV[4])
local me = cjson.decode(ARGV[3])

local function put(field, value)
  redis.call('HSET', KEYS[1], field, cjson.encode(value))
end

local function read(text)
  local ok, value = pcall(cjson.decode, text)
  return ok and type(value) == 'table' and value or {}
end

local function sound(field, value)
  return string.find(field .. tostring(value.instance), '^[%w_.-]+$')
    and type(value.alive_ms) == 'number' and type(value.lease_ms) == 'number'
end

local watch, members = {}, {}
local stored = redis.call('HGETALL', KEYS[1])
for i = 1, #stored, 2 do
  local field, value = stored[i], read(stored[i + 1])
  if field == watch_field then
    watch = value
  elseif sound(field, value) then
    members[field] = value
  else
    redis.call('HDEL', KEYS[1], field)
  end
end

-- Since when somebody renewed without a gap, with this very process of Redis.
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
local silent = now - (watch.seen_ms or 0)
if watch.run ~= run or silent < 0 or silent > me.lease_ms / 2 then
  watch = {run = run, since_ms = now}
end
watch.seen_ms = now
put(watch_field, watch)

-- The caller: a newer instance has the place, an older one hears that it lost it.
-- A newcomer of another machine does not take it from one who lives.
local mine = members[shard]
local same = mine and mine.instance == me.instance
local newer = mine and not same and (mine.born_ms or 0) or -1
local evicted = me.born_ms > 0 and newer >= me.born_ms
local elsewhere = mine and (mine.machine or '') ~= '' and me.machine ~= ''
  and mine.machine ~= me.machine
local taken = me.born_ms == 0 and elsewhere and not same and not mine.dead
if not (evicted or taken) then
  if me.born_ms == 0 then
    me.born_ms = same and mine.born_ms or math.max(now, newer + 1)
  end
  me.since_ms = same and not mine.dead and mine.since_ms or now
  me.alive_ms = now
  me.dead = false
  members[shard] = me
  put(shard, me)
end

-- Dead is who was silent for its lease, all of which was watched.
for field, member in pairs(members) do
  if member.alive_ms > now then
    member.alive_ms = now
    put(field, member)
  end
  local heard = math.max(member.alive_ms, watch.since_ms)
  if not member.dead and now - heard > member.lease_ms then
    member.dead = true
    put(field, member)
  elseif member.dead and now - member.alive_ms > keep then
    redis.call('HDEL', KEYS[1], field)
  end
end
return cjson.encode({
  now_ms = now, since_ms = watch.since_ms, evicted = evicted, taken = taken or false,
  members = members})
"""

_REMOVE = """
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if stored and cjson.decode(stored).instance == ARGV[2] then
  return redis.call('HDEL', KEYS[1], ARGV[1])
end
return 0
"""


@dataclass(frozen=True, slots=True)
class Reply:
    """What one renewal answered; instants are Redis's, in ms since the Unix epoch.

    *evicted*: a newer instance has the caller's place. *taken_by* lives on another
    machine and has the place that the caller came for. *watched_ms* is for how long
    Redis has been watched without a gap. *born_ms* and *since_ms* are of the instance
    that has the place: when it came, and since when nobody has declared it dead. *dead*
    are shards.
    """

    evicted: bool
    taken_by: Member | None
    watched_ms: int
    born_ms: int
    since_ms: int
    live: tuple[Member, ...]
    dead: frozenset[str]


class Register:
    """The members in Redis, as one of them writes and reads them."""

    def __init__(self, client: RedisClient, lease_ms: int, keep_gone_ms: int) -> None:
        self._lease_ms = lease_ms
        self._keep_gone_ms = keep_gone_ms
        self._renew = client.register_script(_RENEW)
        self._remove = client.register_script(_REMOVE)

    async def renew(self, me: Member, born_ms: int) -> Reply:
        """Write that *me* is alive and read everybody, in one round trip.

        With *born_ms* 0 the instance takes the shard's place, unless who has it lives
        on another machine. Raises what the client raises.
        """
        record = {
            "instance": me.instance,
            "region": me.region,
            "address": me.address,
            "leaving": me.leaving,
            "machine": me.machine,
            "lease_ms": self._lease_ms,
            "born_ms": born_ms,
        }
        words = (keys.WATCH, me.shard, orjson.dumps(record), self._keep_gone_ms)
        answer = await self._renew([keys.MEMBERS], words)
        return _reply(orjson.loads(answer), me.shard)

    async def remove(self, me: Member) -> None:
        """Take *me* off the register, unless another instance has the place."""
        await self._remove([keys.MEMBERS], [me.shard, me.instance])


def _reply(answer: dict[str, Any], shard: str) -> Reply:
    records: dict[str, dict[str, Any]] = answer["members"]
    live = (_member(name, r) for name, r in records.items() if not r.get("dead"))
    own = records[shard]
    return Reply(
        evicted=answer["evicted"],
        taken_by=_member(shard, own) if answer["taken"] else None,
        watched_ms=answer["now_ms"] - answer["since_ms"],
        born_ms=own["born_ms"],
        since_ms=own["since_ms"],
        live=tuple(sorted(live, key=lambda member: member.shard)),
        dead=frozenset(name for name, r in records.items() if r.get("dead")),
    )


def _member(shard: str, record: dict[str, Any]) -> Member:
    return Member(
        shard,
        record["instance"],
        record.get("region", ""),
        record.get("address", ""),
        record["alive_ms"],
        record.get("leaving", False),
        record.get("machine", ""),
    )
