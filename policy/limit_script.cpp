#include "policy/limit_script.hpp"

#include <algorithm>

#include "policy/digest.hpp"

namespace weir {
namespace {

using std::chrono::microseconds;

/// All times in microseconds. Lua's numbers are doubles: whole up to 2^53, which is the year 2255.
constexpr std::string_view source = R"lua(
local each, lease = 12, 1000000
local GCRA, SLIDING = 0, 1
local bounds = { {0, 2}, {1, 1e12}, {1000, 1e14}, {0, 1e12}, {-1e12, 1e12}, {0, 1e15},
                 {0, 1e12}, {0, 1e12}, {0, 1e12}, {0, 1e12}, {0, 1e12}, {0, 1e12} }
if #ARGV ~= each * #KEYS then return redis.error_reply('ERR weir: wrong number of arguments') end
local given = {}
for i = 1, #ARGV do
  local bound, value = bounds[(i - 1) % each + 1], tonumber(ARGV[i])
  if not value or value ~= math.floor(value) or value < bound[1] or value > bound[2] then
    return redis.error_reply('ERR weir: argument ' .. i .. ' is out of range')
  end
  given[i] = value
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

-- The numbers under a key; none when there is nothing, or nothing of ours.
local function load(key)
  local text, numbers = redis.pcall('GET', key), {}
  if type(text) ~= 'string' then return numbers end
  for word in text:gmatch('%S+') do
    local value = tonumber(word)
    if not value or value ~= value or value < 0 or value > 1e18 then return {} end
    numbers[#numbers + 1] = value
  end
  local right = numbers[1] == 0 and #numbers == 6 or numbers[1] == 1 and #numbers == 5
  return right and numbers or {}
end

-- A window's index, its count and the previous one's, as of now. A clock that was set back takes the window with it.
local function roll(state, period)
  local index = math.floor(now / period)
  if state[3] == index - 1 then return index, 0, state[4] end
  if state[3] < index then return index, 0, 0 end
  return index, state[4], state[5]
end

local function weigh(previous, period)
  return math.floor(previous * (period - now % period) / period)
end

local function drain(s, upto, rate)
  s.backlog = math.max(s.backlog - math.max(upto - s.at, 0) * rate, s.held + s.before)
  s.at = upto
end

local function bucket(state, rate)
  local turn = math.floor(now / lease)
  local s = {backlog = 0, at = now, turn = turn, held = 0, before = 0}
  if state[1] == 0 then
    s = {backlog = state[2], at = state[3], turn = math.min(state[4], turn), held = state[5], before = state[6]}
  elseif state[1] == 1 then
    local _, count, previous = roll(state, state[2])
    s.backlog = count + weigh(previous, state[2])
  end
  for _ = 1, math.min(turn - s.turn, 2) do
    s.turn = s.turn + 1
    drain(s, s.turn * lease, rate)
    s.held, s.before = 0, s.held
  end
  s.turn = turn
  drain(s, now, rate)
  return s
end

local function share_of(free, want)
  free = math.max(free, 0)
  if free < want.least then return 0 end
  return math.min(want.most, math.max(want.least, math.floor(free / 2)))
end

local function by_bucket(state, want)
  local rate = want.count / want.period
  local s, kept = bucket(state, rate), 0
  -- What was counted by a rule with more units is held against nobody for ever. Debts are, of 64 processes.
  local most = math.max(2 * want.burst, want.burst + 64 * want.debt)
  s.backlog = math.max(math.min(s.backlog, most), s.held + s.before)
  local place = want.batch == s.turn and 'held' or want.batch == s.turn - 1 and 'before'
  if place then
    s[place] = math.max(0, s[place] - want.used - want.kept - want.back)
    s.held, s.backlog, kept = s.held + want.kept, s.backlog - want.back, 1
  end
  s.backlog = math.max(s.backlog + want.charge, s.held + s.before)
  -- Sums of fractions come out a bit too small. Whoever comes when it was told to finds what it was told.
  local function free() return math.floor(want.burst - s.backlog + 0.02 * rate + 1e-6) end
  local granted = share_of(free(), want)
  s.backlog, s.held = s.backlog + granted, s.held + granted
  local function wait(units)
    if units > want.burst then return -1 end
    return math.max(0, math.ceil((s.backlog + units - want.burst) / rate - 0.01))
  end
  local reset = math.ceil(s.backlog / rate)
  local text = string.format('0 %.17g %.0f %.0f %.0f %.0f', s.backlog, s.at, s.turn, s.held, s.before)
  return text, reset + 2 * lease, granted, kept, s.turn, free(), reset, wait
end

local function by_window(state, want)
  local period, index, count, previous = want.period, math.floor(now / want.period), 0, 0
  if state[1] == 1 and state[2] == period then
    index, count, previous = roll(state, period)
  elseif state[1] then
    count = math.ceil(bucket(state, want.count / period).backlog)
  end
  local kept = 0
  if want.batch == index then
    count, kept = math.max(0, count - want.back), 1
  elseif want.batch == index - 1 then
    previous = math.max(0, previous - want.back)
  end
  count = math.max(0, count + want.charge)
  local function free()
    return want.count - count - (want.algorithm == SLIDING and weigh(previous, period) or 0)
  end
  local granted = share_of(free(), want)
  count = count + granted
  local gone = now % period
  -- How far into a window the weight of what came before has come down to `room`.
  local function moment(before, room)
    if want.algorithm ~= SLIDING or before <= room then return 0 end
    return math.floor(period - (room + 1) * period / before) + 1
  end
  local function wait(units)
    if units > want.count then return -1 end
    local room = want.count - count - units
    if room >= 0 then return math.min(math.max(0, moment(previous, room) - gone), period - gone) end
    return period - gone + moment(count, want.count - units)
  end
  local text = string.format('1 %.0f %.0f %.0f %.0f', period, index, count, previous)
  return text, 2 * period + lease, granted, kept, index, free(), period - gone, wait
end

local answer = {}
for i, key in ipairs(KEYS) do
  local a = (i - 1) * each
  local want = {algorithm = given[a + 1], count = given[a + 2], period = given[a + 3], burst = given[a + 4],
                charge = given[a + 5], batch = given[a + 6], used = given[a + 7], kept = given[a + 8],
                back = given[a + 9], least = given[a + 10], most = given[a + 11], debt = given[a + 12]}
  local by = want.algorithm == GCRA and by_bucket or by_window
  local text, life, granted, kept, batch, free, reset, wait = by(load(key), want)
  redis.call('SET', key, text, 'PX', string.format('%.0f', math.ceil(life / 1000)))
  for _, value in ipairs({granted, kept, batch, math.max(free, 0), reset,
                          wait(math.max(want.least, 1)), wait(want.debt)}) do
    answer[#answer + 1] = value
  end
end
return answer
)lua";

constexpr std::string_view algorithm_number(limit_algorithm algorithm) {
    switch (algorithm) {
        case limit_algorithm::gcra: return "0";
        case limit_algorithm::sliding_window: return "1";
        case limit_algorithm::fixed_window: return "2";
    }
    return "0";
}

std::optional<microseconds> wait_of(long long number) {
    if (number < 0) return {};
    return microseconds(number);
}

}  // namespace

std::string_view limit_script() {
    return source;
}

const std::string& limit_script_name() {
    static const std::string name = to_hex(sha1(source));
    return name;
}

void append_arguments(const share_request& request, std::vector<std::string>& out) {
    const auto add = [&](auto number) { out.push_back(std::to_string(number)); };
    out.emplace_back(algorithm_number(request.rule.algorithm));
    add(request.rule.count);
    add(std::chrono::duration_cast<microseconds>(request.rule.period).count());
    add(request.rule.burst);
    add(request.charge);
    for (const auto units : {request.batch, request.used, request.kept, request.back}) add(units);
    for (const auto units : {request.least, request.most, request.debt}) add(units);
}

std::optional<share_answer> read_share_answer(std::span<const long long> numbers) {
    if (numbers.size() != share_answer_numbers) return {};
    if (std::ranges::any_of(numbers.first(5), [](long long one) { return one < 0; })) return {};
    const auto units = [&](std::size_t at) { return static_cast<std::uint64_t>(numbers[at]); };
    return share_answer{.granted = units(0),
                        .kept = numbers[1] != 0,
                        .batch = units(2),
                        .remaining = units(3),
                        .reset_after = microseconds(numbers[4]),
                        .retry_after = wait_of(numbers[5]),
                        .debt_after = wait_of(numbers[6])};
}

std::string limit_key(std::string_view tenant, std::string_view limit) {
    std::string key("\x01weir:limit:");
    key.append(tenant).append(":").append(limit);
    return key;
}

}  // namespace weir
