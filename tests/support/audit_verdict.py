"""How the isolation audit judges one case: the replies through weir against those of a private Redis."""
import re

import reply_compare
import resp

REFUSAL = re.compile(rb"-(NOPERM |ERR unknown command|ERR unknown subcommand '|ERR weir does not )")
# What a script may not do on the server that it shares: the server says so itself.
CONFINED = re.compile(rb"-(ERR The user executing the script can't |NOPERM |ERR ACL failure in script|WRONGPASS )")
SCRIPTS = {"eval", "eval_ro", "evalsha", "evalsha_ro", "fcall", "fcall_ro"}
# Served, but not between MULTI and EXEC, where weir would have to answer before the server does; EXEC aborts then.
NOT_QUEUED = re.compile(rb"-ERR .*(cannot be part of a transaction|a transaction here cannot hold)")
NOT_IN_TRANSACTIONS = {
    "auth", "hello", "client|reply", "client|tracking", "client|caching", "dbsize", "randomkey", "flushdb",
    "flushall", "subscribe",
    "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe", "pubsub|channels", "pubsub|numsub",
    "pubsub|numpat",
    "pubsub|shardchannels", "pubsub|shardnumsub", "publish", "spublish", "client|list", "client|kill",
    "client|unblock",
}
# Their own replies, or their end, belong to the transaction itself.
NOT_WRAPPED = {"quit", "reset", "exec", "discard", "multi", "watch", "subscribe", "psubscribe", "ssubscribe",
               "unsubscribe",
               "punsubscribe", "sunsubscribe", "monitor"}

# Answered, but with what no two servers share: the clock, random picks, ids of connections, the whole of INFO, memory
# that a longer name takes, hash order. For these only the type of the reply is compared (and the canaries).
OWN_VIEW = {
    "info", "time", "lastsave", "role", "lolwut", "randomkey", "scan", "xadd", "dump", "hello", "command",
    "command|docs", "command|count",
    "command|info", "command|list", "acl|genpass", "acl|whoami", "acl|cat", "client|list", "client|info", "client|id",
    "client|trackinginfo", "client|unblock", "object|idletime", "object|freq", "memory|usage", "xinfo|stream",
    "xpending",
    "xinfo|consumers", "config|get", "script|load",
}
# Never sent to the private server, whose end or whole state they would be; here weir must refuse, but for HARMLESS.
DANGEROUS = {"acl", "bgrewriteaof", "bgsave", "cluster", "config", "debug", "failover", "migrate", "module",
             "monitor",
             "pfselftest", "pfdebug", "psync", "replconf", "replicaof", "restore-asking", "save", "shutdown",
             "slaveof",
             "swapdb", "sync", "latency", "slowlog", "function", "script", "client|kill", "client|pause"}
HARMLESS = {"acl|cat", "client|kill", "function|list", "script|flush", "acl|genpass", "acl|whoami", "config|get",
            "script|load", "script|exists",
            "cluster|keyslot",
            "cluster|info", "cluster|myid", "acl", "cluster", "config", "debug", "function", "latency", "module",
            "script",
            "slowlog"}  # CLIENT KILL reaches the tenant's own clients, SCRIPT FLUSH its scripts; containers give an arity error
CLOSES = {"quit"}
# weir answers these itself; an older server does not know them.
NEWER = {(b"client", b"no-touch"), (b"client", b"setinfo"), (b"client", b"capa")}
# In MULTI the PING behind the command is queued.
ENDINGS = (b"+QUEUED\r\n",)


def converse(client, args, token):
    """Sends a command and a PING behind it; the raw replies before the PING's. The PING shows that it survived."""
    request = resp.encode(*args)
    if [arg.lower() for arg in args] in ([b"client", b"reply", b"off"], [b"client", b"reply", b"skip"]):
        request += resp.encode("CLIENT", "REPLY", "ON") * 2  # SKIP swallows the reply to the first
    client.send_raw(request + resp.encode("PING", token))
    replies = []
    while not replies or not _answers_ping(replies[-1], token):
        try:
            replies.append(client.read_raw())
        except ConnectionError as fault:
            raise resp.ConnectionClosed(str(fault).encode()) from None
    return replies[:-1]


def _answers_ping(raw, token):
    return token in raw or raw in ENDINGS


def converse_in_transaction(client, args, token):
    """The replies to MULTI, the command and EXEC; pushes are left out."""
    wrapped = (("MULTI",), args, ("EXEC",), ("CLIENT", "REPLY", "ON"), ("PING", token))
    client.send_raw(b"".join(resp.encode(*command) for command in wrapped))
    replies = []
    while not replies or token not in replies[-1] or replies[-1][:1] not in b"$*":
        if (raw := client.read_raw())[:1] != b">":
            replies.append(raw)
    return replies[:-2]


def dangerous(name):
    return name in DANGEROUS or name.split("|")[0] in DANGEROUS


def verdict(name, args, proxied, private):
    """`same`, `refused`, `error` (same, but only a complaint), or a text that says what is wrong."""
    joined = b"".join(proxied)
    if private is None:
        return _without_private(name, joined)
    if len(proxied) == len(private) and all(map(lambda *pair: reply_compare.same(args, *pair), proxied, private)):
        return "error" if joined.startswith(b"-") else "same"
    if REFUSAL.match(joined):
        return "refused"
    if name in SCRIPTS and CONFINED.match(joined):
        return "same"
    if name in OWN_VIEW and joined[:1] == b"".join(private)[:1]:
        return "same"
    return f"{b' '.join(args)!r:.300}\n  weir:  {joined!r:.500}\n  redis: {b''.join(private)!r:.500}"


def verdict_in_transaction(name, args, proxied, private):
    """The same for a command between MULTI and EXEC. What is not queued aborts; what is gives the reply it gives
    outside."""
    text = f"in MULTI: {b' '.join(args)!r:.300}\n  weir:  {proxied!r:.500}\n  redis: {private!r:.500}"
    if len(proxied) != 3 or proxied[0] != b"+OK\r\n":
        return text
    queued, outcome = proxied[1:]
    if queued != b"+QUEUED\r\n":
        if not outcome.startswith(b"-EXECABORT"):
            return text
        if REFUSAL.match(queued) or (NOT_QUEUED.match(queued) and (name in NOT_IN_TRANSACTIONS or name in SCRIPTS)):
            return "refused"
        same_fault = private is None or queued in private[1] or queued in private[2]
        return "error" if same_fault else text
    if private is None:
        return _without_private(name, outcome[4:])
    if len(private) != 3:
        return text
    if outcome.startswith(b"-EXECABORT"):  # only the server knew that it is wrong
        return "error" if private[1].startswith(b"-") else text
    if not outcome.startswith(b"*1\r\n") or not private[2].startswith(b"*1\r\n"):
        return "same" if outcome == private[2] else text
    found = verdict(name, args, [outcome[4:]], [private[2][4:]])
    return found if found in ("same", "error", "refused") else text


def _without_private(name, joined):
    if REFUSAL.match(joined) and b"unknown subcommand" not in joined:
        return "refused"
    if joined.startswith(b"-"):
        return "error"
    if name not in HARMLESS and not name.endswith("|help"):
        return f"{name} was not refused: {joined!r:.300}"
    return "same"


def reason(replies):
    """The text of a refusal without what the client said itself."""
    text = replies[0].decode("latin-1").strip()[1:]
    return re.sub(r", with args beginning with.*| '.*?'", "", text)
