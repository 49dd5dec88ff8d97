-- What scripts see of Lua: globals that nobody can change, and functions that keep them so. Called once for an interpreter, with what is
-- written in Rust; returns what Rust needs of it.
--
-- Plain Lua 5.1 knows no table that is read only. So what scripts see in the place of such a table is a proxy: an empty table that
-- finds its content elsewhere. What would see through it (rawset, next, getmetatable ...) is wrapped.

local native, modules, is_for_functions = ...

local byte, concat, find0, gmatch0, gsub0, match0 =
    string.byte, table.concat, string.find, string.gmatch, string.gsub, string.match
local create0, resume0 = coroutine.create, coroutine.resume
local error, next0, pairs0, pcall0, rawget0, rawset0, select, setfenv0, tostring, type, xpcall0 =
    error, next, pairs, pcall, rawget, rawset, select, setfenv, tostring, type, xpcall
local getmetatable0, loadstring0, setmetatable0 = getmetatable, loadstring, setmetatable

local READONLY = 'Attempt to modify a readonly table'
-- Lua's matcher calls itself for every item of a pattern, on a stack that has an end.
local PATTERN_BYTES_MAX = 4096
-- And so does whoever resumes a coroutine.
local RESUMED_MAX = 100

local contents = {} -- by proxy
local metatables = {} -- by proxy: what getmetatable answers

local function protect(content, metatable)
    local proxy = {}
    contents[proxy] = content
    metatables[proxy] = metatable
    return setmetatable0(proxy, { __index = content, __newindex = function() error(READONLY, 2) end })
end

local function fail_on_missing(content)
    return setmetatable0(content, {
        __index = function(_, name)
            error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
        end,
    })
end

local function copy(source, names)
    local result = {}
    for name in string.gmatch(names, '%S+') do result[name] = source[name] end
    return result
end

local function plain(e)
    if type(e) == 'userdata' then e = native.unwrap(e) end
    -- What Lua's functions say of their caller's place, where they are called from here.
    if type(e) == 'string' then return (gsub0(e, '^prelude:%d+: ', '')) end
    return e
end

local visible = copy(_G, [[
    _VERSION assert error gcinfo ipairs rawequal select tonumber tostring type unpack
]])

local collect0 = collectgarbage

-- How memory is given back is not for a script to change: it would be changed for all.
function visible.collectgarbage(what, ...)
    if what == 'stop' or what == 'restart' or what == 'setpause' or what == 'setstepmul' then return 0 end
    return collect0(what or 'collect', ...)
end

function visible.getmetatable(...)
    local of = ...
    if contents[of] ~= nil then return metatables[of] end
    return getmetatable0(...)
end

function visible.setmetatable(...)
    local of = ...
    if contents[of] ~= nil then error(READONLY, 0) end
    return setmetatable0(...)
end

function visible.rawset(...)
    local of = ...
    if contents[of] ~= nil then error(READONLY, 0) end
    return rawset0(...)
end

function visible.rawget(of, ...)
    return rawget0(contents[of] or of, ...)
end

function visible.next(of, ...)
    return next0(contents[of] or of, ...)
end

function visible.pairs(...)
    local of = ...
    if contents[of] ~= nil then return visible.next, of, nil end
    return pairs0(...)
end

-- Since Redis 7 errors are tables; who calls pcall gets the text, as before.
local function caught(ok, ...)
    if ok then return true, ... end
    local e = plain((...))
    if type(e) == 'table' then
        local text = rawget0(contents[e] or e, 'err')
        if type(text) == 'string' or type(text) == 'number' then return false, text end
    end
    return false, e
end

function visible.pcall(...)
    if select('#', ...) == 0 then return caught(pcall0(nil)) end
    return caught(pcall0(...))
end

function visible.xpcall(...)
    if select('#', ...) < 2 then error("bad argument #2 to 'xpcall' (value expected)", 2) end
    local f, handler = ...
    return xpcall0(f, function(e) return handler(plain(e)) end)
end

function visible.loadstring(code, name)
    if type(code) ~= 'string' and type(code) ~= 'number' then
        error("bad argument #1 to 'loadstring' (string expected, got " .. type(code) .. ')', 2)
    end
    -- Compiled code is not checked by Lua, and can crash it.
    if byte(code, 1) == 27 then return nil, '[string "\27LuaQ"]:1: unexpected symbol near \'char(27)\'' end
    local f, text = loadstring0(code, name)
    if f == nil then return f, text end
    return setfenv0(f, visible._G)
end

function visible.load(f, name)
    if type(f) ~= 'function' then
        error("bad argument #1 to 'load' (function expected, got " .. type(f) .. ')', 2)
    end
    local pieces = {}
    while true do
        local ok, piece = pcall0(f)
        if not ok then return nil, plain(piece) end
        if piece == nil or piece == '' then break end
        if type(piece) ~= 'string' then return nil, 'reader function must return a string' end
        pieces[#pieces + 1] = piece
        if byte(pieces[1], 1) == 27 then break end
    end
    return visible.loadstring(concat(pieces), name or '=(load)')
end

local resumed = 0

local function left(ok, ...)
    resumed = resumed - 1
    if ok then return true, ... end
    return false, plain((...))
end

local coroutines = copy(coroutine, 'create running status yield')

function coroutines.resume(...)
    if resumed >= RESUMED_MAX then return false, 'C stack overflow' end
    resumed = resumed + 1
    return left(resume0(...))
end

local function passed_on(ok, ...)
    if ok then return ... end
    error((...), 0)
end

function coroutines.wrap(...)
    local thread = create0(...)
    return function(...)
        if resumed >= RESUMED_MAX then error('C stack overflow', 2) end
        resumed = resumed + 1
        return passed_on(left(resume0(thread, ...)))
    end
end

local strings = copy(string, 'byte char dump format len lower rep reverse sub upper')

local function guard(name, matcher)
    return function(...)
        local text, pattern, third, plain_text = ...
        for at = 1, 2 do
            local arg = select(at, ...)
            if type(arg) ~= 'string' and type(arg) ~= 'number' then
                local what = select('#', ...) < at and 'no value' or type(arg)
                error('bad argument #' .. at .. " to '" .. name .. "' (string expected, got " .. what .. ')', 2)
            end
        end
        if #tostring(pattern) > PATTERN_BYTES_MAX and not (name == 'find' and plain_text) then
            error('pattern too complex', 2)
        end
        return matcher(...)
    end
end

strings.find, strings.match = guard('find', find0), guard('match', match0)
strings.gmatch, strings.gsub = guard('gmatch', gmatch0), guard('gsub', gsub0)
strings.gfind = strings.gmatch

local tables = copy(table, 'concat foreach foreachi getn maxn remove setn sort')

function tables.insert(...)
    local of = ...
    if contents[of] ~= nil then error(READONLY, 0) end
    if type(of) ~= 'table' then
        local what = select('#', ...) == 0 and 'no value' or type(of)
        error("bad argument #1 to 'insert' (table expected, got " .. what .. ')', 2)
    end
    return table.insert(...)
end

local maths = {}
for name, value in pairs0(math) do maths[name] = value end
maths.random, maths.randomseed = native.random, native.randomseed

visible.bit, visible.cjson = protect(modules.bit), protect(modules.cjson)
visible.cmsgpack, visible.struct = protect(modules.cmsgpack), protect(modules.struct)
visible.coroutine, visible.math, visible.os = protect(coroutines), protect(maths), protect({ clock = native.clock })
visible.string, visible.table = protect(strings), protect(tables)

visible.redis = protect(native.redis)
visible.server = visible.redis
fail_on_missing(visible)

local globals_metatable = { __index = visible }
local globals = protect(visible, protect({ __index = protect(visible) }))
visible._G = globals

local of_strings = getmetatable0('')
of_strings.__index = strings
of_strings.__metatable = protect({ __index = visible.string })

-- What there is while a library is being loaded.
local at_load
if is_for_functions then
    local redis = fail_on_missing(native.redis_at_load)
    at_load = fail_on_missing({ redis = protect(redis), server = protect(redis), _VERSION = visible._VERSION })
    at_load._G = globals
end

-- Has globals stand for those at a load, or for those while a function runs.
local function set_loading(is_loading)
    local content = is_loading and at_load or visible
    contents[globals] = content
    getmetatable0(globals).__index = content
end

-- Makes any error a table that says where it was raised.
local function describe(e)
    local is_from_here = type(e) == 'string' and find0(e, '^prelude:%d+: ') ~= nil
    e = plain(e)
    local source, line = native.where()
    if is_from_here and source ~= nil then e = gsub0(source, '^@', '') .. ':' .. line .. ': ' .. e end
    if type(e) ~= 'table' or contents[e] ~= nil then e = { err = 'ERR ' .. tostring(e) } end
    if source ~= nil then
        rawset0(e, 'source', source)
        rawset0(e, 'line', line)
    end
    return e
end

local f, keys, args -- of the present run

local function start()
    if is_for_functions then return f(keys, args) end
    visible.KEYS, visible.ARGV = keys, args
    return f()
end

-- Runs a script or function with its errors described.
local function run(...)
    f, keys, args = ...
    resumed = 0
    return xpcall0(start, describe)
end

return globals, run, set_loading
