#pragma once

#include <array>
#include <string_view>

namespace weir::engine {

inline constexpr std::string_view command_templates[] = {
    "SET s v", "SET s v", "SET s v [ ( NX | XX ) ] [ GET ] [ ( EX sec | PX ms | EXAT at | PXAT pat | KEEPTTL ) ]",
    "SET s v [ ( EX sec | PX ms | EXAT at | PXAT pat | KEEPTTL ) ] [ GET ] [ ( NX | XX ) ]",
    "SET num f", "SET num m",
    "GET s", "GET k", "GETEX s [ ( EX sec | PX ms | EXAT at | PXAT pat | PERSIST ) ]", "GETDEL s", "GETSET s v", "SETNX s v",
    "SETEX s sec v", "PSETEX s ms v", "MGET { k }", "MSET { s v }", "MSETNX { s v }", "APPEND s v", "STRLEN s",
    "GETRANGE s i i", "SUBSTR s i i", "SETRANGE s off v", "INCR s", "DECR s", "INCRBY s n", "DECRBY s n",
    "INCRBYFLOAT s f",
    "DEL { k }", "UNLINK k", "EXISTS { k }", "TYPE k", "TTL k", "PTTL k", "TOUCH { k }",
    "EXPIRE k sec [ ( NX | XX | GT | LT ) ] [ ( NX | XX | GT | LT ) ]", "PEXPIRE k ms [ ( NX | XX | GT | LT ) ]",
    "EXPIREAT k at [ ( NX | XX | GT | LT ) ]", "PEXPIREAT k pat [ ( NX | XX | GT | LT ) ]", "EXPIRETIME k",
    "PEXPIRETIME k", "PERSIST k", "RENAME k k", "RENAMENX k k", "COPY k k [ DB db ] [ REPLACE ]",
    "KEYS p", "SCAN cur [ MATCH p ] COUNT many [ TYPE ( STRING | HASH | LIST | ZSET | SET | OTHER ) ]", "RANDOMKEY",
    "OBJECT ENCODING k",
    "HSET h { m v }", "HSET h { m v }", "HMSET h { m v }", "HSETNX h m v", "HGET h m", "HMGET h { m }", "HDEL h { m }", "HLEN h",
    "HSTRLEN h m", "HEXISTS h m", "HGETALL h", "HKEYS h", "HVALS h", "HINCRBY h m n", "HINCRBYFLOAT h m f",
    "HRANDFIELD h [ rc [ WITHVALUES ] ]", "HSCAN h cur [ MATCH p ] COUNT many",
    "LPUSH l { v }", "RPUSH l { v }", "LPUSHX l v", "RPUSHX l v", "LPOP l [ c ]", "RPOP l [ c ]", "LLEN l", "LINDEX l i",
    "LRANGE l i i", "LSET l i v", "LTRIM l i i", "LREM l i m", "LINSERT l ( BEFORE | AFTER ) m m", "RPOPLPUSH l l",
    "LMOVE l l ( LEFT | RIGHT ) ( LEFT | RIGHT )", "LMPOP one l ( LEFT | RIGHT ) [ COUNT c ]",
    "LMPOP two l l ( LEFT | RIGHT ) [ COUNT c ]", "LPUSH l { m }",
    "LPOS l m [ RANK i ] [ COUNT c ] [ MAXLEN c ]", "LPOS l m [ COUNT c ] [ RANK i ]",
    "SADD t { m }", "SADD t { c }", "SADD t m", "SREM t { m }", "SREM t m", "SMOVE t t m", "SISMEMBER t m", "SMISMEMBER t { m }",
    "SCARD t", "SMEMBERS t", "SPOP t [ c ]", "SRANDMEMBER t [ rc ]", "SINTER { t }", "SUNION { t }", "SDIFF { t }",
    "SINTERSTORE t { t }", "SUNIONSTORE t { t }", "SDIFFSTORE t { t }", "SINTERCARD one t [ LIMIT c ]",
    "SINTERCARD two t t [ LIMIT c ]", "SINTERCARD three t t t [ LIMIT c ]", "SSCAN t cur [ MATCH p ] COUNT many",
};

}  // namespace weir::engine
