#include "policy/script_prelude.hpp"

#include <algorithm>
#include <map>

#include "protocol/command_table.hpp"

namespace weir {

namespace {

/// What stands in for `redis`. Q is the raw pcall, M how the commands called so far are called, by their
/// spelling. It runs with every script, so it builds no table of commands, has few functions and fewer
/// variables shared among them (each of either is a piece of memory, and all that differs by tenant stands in
/// it as a literal: $P the prefix, $N where a name begins behind it, $S script_key_places(), $L the line),
/// and looks for the places of a command when it is first called.
///
/// A call with too few arguments, or with others than strings and numbers, goes on as it is: the server's
/// error is for it to say. Lines that begin with -- are not sent.
constexpr std::string_view source = R"lua(
local redis=(function()
local Q,M=redis.pcall,{}
for i=1,#KEYS do KEYS[i]=KEYS[i]:sub($N) end
-- Without h: how to call c, that is 0 as it is, 1 with a key first, or where its places stand in the list; remembered in M.
-- Else calls c so.
local function F(h,c,...)
 local S=$S
 if not h then
  if type(c)~='string' then return 0 end
  local u,b,e=c:upper()..' ',0,0
  repeat b,e=S:find(u,e+1,true) until not b or S:byte(b-1)==32
  h=b and S:find('=',e,true) or 1
  M[c]=h
  return h
 end
 -- A name; servers spell numbers in their own ways.
 local function K(v)
  local t=type(v)
  if t=='string' or t=='number' and v%1==0 and v<1e14 and v>-1e14 then return $P..v end
  if t=='number' then t=redis.pcall('ECHO',v) return $P..(type(t)=='string' and t or v) end
  return v
 end
 -- The letters: 114 is r, 115 s, 111 o, 107 k, 112 p.
 local n,m,f,l,s,p=select('#',...),114,49,49,49
 if h>1 then m,f,l,s,p=S:byte(h+1,h+5) end
 f,l=f-48,l-48
 if n==1 and m==114 and f==1 then return Q(c,K(...)) end
 local t,a,z,d={...},f,n,1
 if #t<n then return Q(c,...) end
 if m==114 then
  z,d=l<8 and math.min(l,n) or n-9+l,s-48
 elseif m==115 then
  z=0
  for i=f,n do
   if tostring(t[i]):upper()=='STREAMS' then a,z=i+1,i+math.floor((n-i)/2) break end
  end
 elseif m==111 then
  a,z=1,1
  local i=f
  while i<n do
   local o=tostring(t[i]):upper()
   if o=='LIMIT' then i=i+2
   elseif o=='COUNT' then i=i+1
   elseif o=='BY' or o=='GET' or o=='STORE' or o=='STOREDIST' then
    i=i+1
    local v=tostring(t[i])
    if (o~='BY' or v:find('*',1,true)) and (o~='GET' or v~='#') then t[i]=K(t[i]) end
   end
   i=i+1
  end
 else
  if m==107 then t[1]=K(t[1]) end
  a,z=f+1,math.min(n,f+(tonumber(t[f]) or 0))
 end
 for i=a,z,d do t[i]=K(t[i]) end
 local r=Q(c,unpack(t))
 if type(r)=='table' and not r.err then
  if p==112 then
   if r[1] then r[1]=r[1]:sub($N) end
  elseif m==115 and r.map then
   local y={}
   for k,v in pairs(r.map) do y[k:sub($N)]=v end
   r.map=y
  elseif m==115 then
   for i=1,#r do r[i][1]=r[i][1]:sub($N) end
  end
 end
 return r
end
return setmetatable({
call=function(...)
$D
$E
 return r
end,
pcall=function(...)
$D
 return r
end},{__index=redis})
end)();
)lua";

/// $D: one call; its reply is r, the text of an error e.
constexpr std::string_view dispatch = R"lua(
 local c,k=...
 local h=k==nil and 0 or M[c] or F(nil,c)
 local r
 if h==0 then r=Q(...)
 elseif h==1 and type(k)=='string' then r=Q(c,$P..k,select(3,...))
 else r=F(h,...) end
 -- What an error calls by the key's name.
 local e=type(r)=='table' and r.err
 if e then
  local i,j=e:find("key '"..$P,1,true)
  if not i then i,j=e:find("key name '"..$P,1,true) end
  if i then e=e:sub(1,j-$N+1)..e:sub(j+1) r.err=e end
 end
)lua";

/// $E: what call() does with an error.
constexpr std::string_view raise = R"lua(
 -- It would be said to come from here: so its line is set. Servers before 7 know errors as strings alone.
 if e then
  if not redis.REDIS_VERSION then error(e,0) end
  local _,w=pcall(error,'',3)
  w=w:match(':(%d+): $')
  error(setmetatable(r,{__newindex=function(t,k,v) rawset(t,k,k=='line' and v==$L and w or v) end}))
 end
)lua";

/// For scripts that use Valkey's own name of the table.
constexpr std::string_view server_alias = "local server=rawget(_G,'server')and redis;";

std::string on_one_line(std::string_view lines) {
    std::string joined;
    while (!lines.empty()) {
        const std::string_view whole = lines.substr(0, lines.find('\n'));
        lines.remove_prefix(std::min(whole.size() + 1, lines.size()));
        const std::string_view line = whole.substr(std::min(whole.find_first_not_of(' '), whole.size()));
        if (line.empty() || line.starts_with("--")) continue;
        if (!joined.empty()) joined += ' ';
        joined += line;
    }
    return joined;
}

void replace_all(std::string& text, std::string_view mark, std::string_view with) {
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + with.size())) {
        text.replace(at, mark.size(), with);
    }
}

std::string lua_string(std::string_view bytes) {
    std::string quoted = "\"";
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\' || byte < ' ' || byte > '~') {
            const std::string digits = std::to_string(byte);
            quoted += '\\' + std::string(3 - digits.size(), '0') + digits;
        } else {
            quoted += c;
        }
    }
    return quoted + '"';
}

std::string places(char kind, int first, int last = 0, int step = 0) {
    const int last_digit = last >= 0 ? last : 10 + last;
    return kind + std::to_string(first) + std::to_string(last_digit) + std::to_string(step);
}

const std::string first_argument = places('r', 1, 1, 1);
const std::string no_argument = places('r', 2, 0, 1);

/// Negative: from the end.
int last_place(const key_spec& spec) {
    return spec.last_key < 0 ? spec.last_key : spec.index + spec.last_key;
}

std::string places_of(const command_spec& row) {
    const std::span<const key_spec> keys = row.keys();
    if (row.request == request_rule::sort) return places('o', 2);
    if (row.request == request_rule::georadius) return places('o', keys[1].index);
    if (row.request == request_rule::channel) return first_argument;
    if (keys.empty()) return no_argument;
    if (keys[0].begin == key_spec::begin_kind::keyword) return places('s', keys[0].index);
    if (keys[0].find == key_spec::find_kind::keynum) return places('n', keys[0].index);
    if (keys.size() == 2 && keys[1].find == key_spec::find_kind::keynum) return places('k', keys[1].index);
    const key_spec& last = keys.back();
    return places('r', keys[0].index, last_place(last), last.key_step);
}

/// Whether a script may call it at all.
bool is_for_scripts(const command_spec& row) {
    return row.route != command_route::refuse && !row.has(command_flag::noscript) && row.arity != 1;
}

}  // namespace

std::string script_key_places() {
    std::map<std::string, std::vector<std::string>> names_by_places;
    for (const command_spec* row : command_table::built_in()->rows()) {
        const std::size_t bar = row->name.find('|');
        const bool is_subcommand = bar != std::string_view::npos;
        // A container's key stands at the same place in all of its subcommands that have one.
        if (!is_for_scripts(*row) || row->container || (is_subcommand && row->key_spec_count == 0)) continue;
        std::string places = places_of(*row);
        if (places == first_argument) continue;
        if (row->reply == reply_rule::popped) places += 'p';
        std::string name(row->name.substr(0, bar));
        std::ranges::transform(name, name.begin(),
                               [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 0x20) : c; });
        auto& names = names_by_places[places];
        if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
    }
    std::string list = " ";
    for (const auto& [places, names] : names_by_places) {
        for (const std::string& name : names) list += name + ' ';
        list += '=' + places + ' ';
    }
    return list;
}

script_prelude::script_prelude(std::string_view prefix) {
    const std::string places = lua_string(script_key_places());
    const std::string name_begin = std::to_string(prefix.size() + 1);
    const auto on_line = [&](std::string_view line) {
        std::string text(source);
        replace_all(text, "$D", dispatch);
        replace_all(text, "$E", raise);
        text = on_one_line(text);
        replace_all(text, "$N", name_begin);
        replace_all(text, "$L", line);
        replace_all(text, "$S", places);
        replace_all(text, "$P", lua_string(prefix));
        return text;
    };
    first_line_ = on_line("1");
    second_line_ = on_line("2");
    first_line_with_server_ = first_line_ + std::string(server_alias);
    second_line_with_server_ = second_line_ + std::string(server_alias);
}

std::string_view script_prelude::text_for(std::string_view script, bool below_shebang) const {
    const bool names_server = script.find("server") != std::string_view::npos;
    if (below_shebang) return names_server ? second_line_with_server_ : second_line_;
    return names_server ? first_line_with_server_ : first_line_;
}

script_insertion script_prelude::insertion(std::string_view body) const {
    if (!body.starts_with("#!")) return {0, text_for(body, false)};
    const std::size_t line_end = body.find('\n');
    if (line_end == std::string_view::npos) return {};  // not a script: the server will say so
    return {line_end + 1, text_for(body.substr(line_end), true)};
}

}  // namespace weir
