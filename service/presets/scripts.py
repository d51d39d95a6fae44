"""Lua scripts of the preset store. Each runs as one step; Redis runs nothing in between.

`LOSS` compares the keys with the census (`keys.Keys.census`) in a number of commands that does
not grow with the number of presets. Every write starts with it, so that no replica writes over
lost data, also one that has not noticed the loss yet.
"""

READING = """
local function text_of_tip(key)
  local text = redis.call('TYPE', key).ok == 'string' and redis.call('GET', key)
  local digits = text and string.match(text, '^(%d+):%w*$')
  local is_tip = digits and #digits < 16 and (digits == '0' or string.sub(digits, 1, 1) ~= '0')
  return is_tip and text or '0:'
end

local function stream(key, command, ...)
  return redis.call('TYPE', key).ok == 'stream' and redis.call(command, key, ...) or {}
end
"""
"""What is no tip, as `audit.Tip` writes one, reads as that of a chain without
events, what is no stream as an empty one."""

LOSS = (
    READING
    + """
local heads, audit, tip, census, seen = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]

local function misfit(key, kind)
  local is = redis.call('TYPE', key).ok
  if is ~= 'none' and is ~= kind then return key .. ' holds a ' .. is .. ', not a ' .. kind end
end

local function sequence(text)
  return tonumber(string.match(text or '', '^(%d+):')) or 0
end

local function newest()
  local entry = redis.call('XREVRANGE', audit, '+', '-', 'COUNT', 1)[1]
  if not entry then return '0-0', false end
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'counted' then return entry[1], true end
  end
  return entry[1], false
end

local function count(key, kind, command)
  return misfit(key, kind) and -1 or redis.call(command, key)
end

local function shortage(key, has, had)
  if has == 0 then return key .. ' is gone' end
  return key .. ' has ' .. has .. ' of ' .. had .. ' entries'
end

-- 'lost' and what; 'new': nothing was ever written; 'uncounted': the census is behind; 'whole'
local function loss()
  local wrong = misfit(heads, 'hash') or misfit(audit, 'stream') or misfit(tip, 'string')
    or misfit(census, 'hash')
  if wrong then return 'lost', wrong end
  local n_heads, n_events = redis.call('HLEN', heads), redis.call('XLEN', audit)
  local stands, last, counted = redis.call('GET', tip), newest()
  local served = not misfit(seen, 'string') and redis.call('GET', seen)
  if sequence(served) > sequence(stands) then
    return 'lost', 'a replica served event ' .. sequence(served) .. ', and the store ends at event '
      .. sequence(stands)
  end
  local known = redis.call('HMGET', census, 'tip', 'events', 'last', 'heads', 'fields')
  local n_fields = redis.call('HLEN', census)
  if n_fields > 0 and n_fields < (tonumber(known[5]) or n_fields + 1) then
    return 'lost', shortage(census, n_fields, known[5] or 'more')
  end
  if not known[1] then
    if counted then return 'lost', census .. ' is gone' end
    if stands or n_heads + n_events > 0 then return 'uncounted' end
    return 'new'
  end
  local had_events, had_heads = tonumber(known[2]) or 0, tonumber(known[4]) or 0
  if n_heads < had_heads then return 'lost', shortage(heads, n_heads, had_heads) end
  if n_events < had_events then return 'lost', shortage(audit, n_events, had_events) end
  if not stands and sequence(known[1]) > 0 then return 'lost', tip .. ' is gone' end
  if n_events > had_events then return 'uncounted' end
  if last ~= known[3] then
    return 'lost', audit .. ' ends at another event than was written last'
  end
  if (stands or '0:') ~= known[1] then
    return 'lost', tip .. ' is of another event than was written last'
  end
  return 'whole'
end

-- what is missing of one preset, or else what of it cannot be read; nil: nothing
local function preset_fault(name, revisions, previews)
  local known = redis.call('HMGET', census, 'etag:' .. name, 'revisions:' .. name,
    'previews:' .. name)
  local text = redis.call('HGET', heads, name)
  if known[1] and not text then return 'lost', heads .. ' lacks preset ' .. name end
  local wrong = misfit(revisions, 'hash') or misfit(previews, 'hash')
  if wrong then return 'unreadable', wrong end
  local n = redis.call('HLEN', revisions)
  if n < (tonumber(known[2]) or 0) then return 'lost', shortage(revisions, n, known[2]) end
  n = redis.call('HLEN', previews)
  if n < (tonumber(known[3]) or 0) then return 'lost', shortage(previews, n, known[3]) end
  if not text then return nil end
  local is_json, head = pcall(cjson.decode, text)
  if not is_json or type(head) ~= 'table' or type(head.etag) ~= 'string' then
    return 'unreadable', 'the head of preset ' .. name .. ' in ' .. heads .. ' is no JSON of a head'
  end
  if known[1] and known[1] ~= head.etag then
    return 'lost', 'the head of preset ' .. name .. ' is not the one that was written last'
  end
end

local function count_preset(name, head, revisions, previews)
  local is_json, read = pcall(cjson.decode, head)
  local etag = is_json and type(read) == 'table' and read.etag
  if type(etag) ~= 'string' then
    return redis.call('HDEL', census, 'etag:' .. name)
  end
  redis.call('HSET', census, 'etag:' .. name, etag,
    'revisions:' .. name, math.max(0, count(revisions, 'hash', 'HLEN')),
    'previews:' .. name, math.max(0, count(previews, 'hash', 'HLEN')))
end

local function count_chain(stands, last)
  redis.call('HSET', census, 'tip', stands, 'last', last,
    'events', redis.call('XLEN', audit), 'heads', redis.call('HLEN', heads))
end

local function seal()
  redis.call('HSET', census, 'fields', 0)
  redis.call('HSET', census, 'fields', redis.call('HLEN', census))
end

local function mend(key, kind)
  if misfit(key, kind) then redis.call('DEL', key) end
end
"""
)
"""Functions of the scripts below. KEYS of each: heads, audit, tip, census, seen, then others."""

LOOK = (
    LOSS
    + """
local state, what = loss()
local has = ARGV[1] == '0-0'
if not has and not misfit(audit, 'stream') then
  has = #redis.call('XRANGE', audit, ARGV[1], ARGV[1]) > 0
end
local unreadable = {}
if state == 'whole' or state == 'uncounted' then
  for i = 2, #ARGV do
    local fault, why = preset_fault(ARGV[i], KEYS[2 * i + 2], KEYS[2 * i + 3])
    if fault == 'lost' and state == 'whole' then
      state, what = fault, why
      break
    elseif fault == 'unreadable' then
      table.insert(unreadable, ARGV[i])
      table.insert(unreadable, why)
    end
  end
end
return {state, what or '', has and 1 or 0, unreadable}
"""
)
"""Then KEYS: revisions and previews of each preset. ARGV: cursor, names of those presets."""

WRITE = (
    LOSS
    + """
local name, revisions = ARGV[1], KEYS[6]
local state, what = loss()
if state == 'lost' or state == 'uncounted' then return {state, what or ''} end
local fault, why = preset_fault(name, revisions, KEYS[7])
if fault then return {fault, why} end
if state == 'new' and redis.call('HLEN', revisions) > 0 then
  return {'lost', revisions .. ' has revisions, and nothing else is there'}
end
local head = redis.call('HGET', heads, name)
local etag = head and cjson.decode(head).etag or ''
if etag ~= ARGV[2] then return {'head'} end
local stands = redis.call('GET', tip) or '0:'
if stands ~= ARGV[6] then return {'tip', stands} end
if ARGV[4] ~= '' then redis.call('HSET', revisions, ARGV[4], ARGV[5]) end
redis.call('HSET', heads, name, ARGV[3])
redis.call('SET', tip, ARGV[7])
mend(seen, 'string')
redis.call('SET', seen, ARGV[7])
local cursor = redis.call('XADD', audit, '*', 'counted', '1', unpack(ARGV, 8))
count_preset(name, ARGV[3], revisions, KEYS[7])
count_chain(ARGV[7], cursor)
seal()
return {'written', cursor}
"""
)
"""Then KEYS: revisions, previews. ARGV: name, etag expected, head, revision, its JSON, tip
expected, tip, event. A revision beyond the head's is one that a recovery left that never ended."""

COUNTS = """
local function count(key)
  local is = redis.call('TYPE', key).ok
  return (is == 'hash' or is == 'none') and redis.call('HLEN', key) or -1
end
local found = {}
for i = 1, #KEYS, 2 do
  local n = count(KEYS[i])
  local shown = n > 0 and redis.call('HEXISTS', KEYS[i], ARGV[(i + 1) / 2]) or 0
  table.insert(found, {n, count(KEYS[i + 1]), shown})
end
return found
"""
"""KEYS: revisions and previews of each preset. ARGV: a revision of each. Gives the numbers of
entries, -1 for a key of another type, and whether the revision is there."""

COUNT = (
    LOSS
    + """
local last = newest()
if text_of_tip(tip) ~= ARGV[1] or last ~= ARGV[2] then return 0 end
redis.call('DEL', census)
count_chain(ARGV[1], last)
for i = 3, #ARGV do
  local head = redis.call('HGET', heads, ARGV[i])
  if head then count_preset(ARGV[i], head, KEYS[2 * i], KEYS[2 * i + 1]) end
end
seal()
return 1
"""
)
"""Then KEYS: revisions and previews of each preset. ARGV: tip expected, newest id expected, names
of those presets. Writes the census of a store that an earlier version wrote."""

PREPARE = """
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'none' and kind ~= 'hash' then redis.call('DEL', KEYS[1]) end
local clashing = {}
for i = 1, #ARGV, 2 do
  if redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) == 0
      and redis.call('HGET', KEYS[1], ARGV[i]) ~= ARGV[i + 1] then
    table.insert(clashing, ARGV[i])
  end
end
return clashing
"""
"""KEYS: revisions. ARGV: revision, its JSON, revision, its JSON ... Gives those that differ."""

RECOVER = (
    LOSS
    + """
for key, kind in pairs({[heads] = 'hash', [audit] = 'stream', [tip] = 'string',
    [census] = 'hash', [seen] = 'string'}) do
  mend(key, kind)
end
local stands = text_of_tip(tip)
if stands ~= ARGV[1] then return {'tip', stands} end
for _, head in ipairs(cjson.decode(ARGV[3])) do
  redis.call('HSET', heads, head[1], head[2])
end
for _, revision in ipairs(cjson.decode(ARGV[4])) do
  redis.call('HSET', KEYS[4 + 2 * revision[1]], revision[2], revision[3])
end
redis.call('SET', tip, ARGV[2])
redis.call('SET', seen, ARGV[2])
local cursor = redis.call('XADD', audit, '*', 'counted', '1', unpack(ARGV, 7))
redis.call('DEL', census)
count_chain(ARGV[2], cursor)
local names = cjson.decode(ARGV[5])
for i = 1, #names do
  mend(KEYS[4 + 2 * i], 'hash')
  mend(KEYS[5 + 2 * i], 'hash')
end
for _, revision in ipairs(cjson.decode(ARGV[6])) do
  redis.call('HDEL', KEYS[4 + 2 * revision[1]], revision[2])
end
for i, name in ipairs(names) do
  local revisions, previews = KEYS[4 + 2 * i], KEYS[5 + 2 * i]
  local head = redis.call('HGET', heads, name)
  if head then count_preset(name, head, revisions, previews) end
end
seal()
return {'written', cursor}
"""
)
"""Then KEYS: revisions and previews of each preset. ARGV: tip expected, tip, heads as pairs,
revisions as (which preset from 1, number, JSON), names of those presets, revisions that are
removed as (which preset, number), event."""

PAGE = (
    READING
    + """
return {stream(KEYS[1], 'XRANGE', ARGV[1], '+', 'COUNT', ARGV[2]), text_of_tip(KEYS[2])}
"""
)
PLACE = (
    READING
    + """
return {stream(KEYS[1], 'XREVRANGE', '+', '-', 'COUNT', 1), text_of_tip(KEYS[2])}
"""
)
"""KEYS of either: audit, tip. ARGV of the first: where to begin, how many."""

TELL = """
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'none' and kind ~= 'hash' then redis.call('DEL', KEYS[1]) end
local told = redis.call('HGETALL', KEYS[1])
for i = 1, #told, 2 do
  local at = tonumber(string.match(told[i + 1], '^%d+'))
  if not at or ms - at > tonumber(ARGV[3]) then redis.call('HDEL', KEYS[1], told[i]) end
end
local function sequence(text) return tonumber(string.match(text or '', '^(%d+):')) or 0 end
kind = redis.call('TYPE', KEYS[2]).ok
local seen = kind == 'string' and redis.call('GET', KEYS[2]) or '0:'
if sequence(ARGV[4]) > sequence(seen) then redis.call('SET', KEYS[2], ARGV[4]) end
return redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', ms) .. ':' .. ARGV[2])
"""
"""KEYS: replicas, seen. ARGV: replica id, report, silence in ms after which one is forgotten, tip
that the replica serves."""

TOLD = """
local now = redis.call('TIME')
local kind = redis.call('TYPE', KEYS[1]).ok
return {now[1], now[2], kind == 'hash' and redis.call('HGETALL', KEYS[1]) or {}}
"""

PREVIEWED = """
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
local kept = {}
for _, number in ipairs(redis.call('HKEYS', KEYS[1])) do table.insert(kept, tonumber(number)) end
table.sort(kept)
for i = 1, #kept - tonumber(ARGV[3]) do
  redis.call('HDEL', KEYS[1], string.format('%d', kept[i]))
end
if redis.call('HEXISTS', KEYS[2], 'etag:' .. ARGV[4]) == 1 then
  redis.call('HSET', KEYS[2], 'previews:' .. ARGV[4], redis.call('HLEN', KEYS[1]))
end
return 1
"""
"""KEYS: previews, census. ARGV: revision, its summary, most that are kept, name."""
