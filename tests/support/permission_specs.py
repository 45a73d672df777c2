"""Permissions of a tenant, and the Redis ACL user who has the same: for the differential test of permissions."""

SPECS = {
    "everything": {},
    "denied": {"deny": ["get", "-object|encoding", "@set", "PUBLISH", "xgroup"]},
    "reads-and-set": {"allow": ["+@read", "set", "+eval", "ping", "-mget", "-@hash", "hget"]},
    "takes-first": {"allow": ["-@write", "+incr", "-@connection", "+select"]},
    "read-only": {"read_only": True},
    "read-only-twice": {"read_only": True, "allow": ["*"], "keys": ["s*", "%R~l*"]},
    "few": {"allow": ["@all", "-@all", "get", "object|encoding", "set", "multi"]},
    "no-transactions": {"deny": ["@transaction"]},
    "no-exec": {"deny": ["exec", "discard"]},
    "no-scripts": {"deny": ["@scripting"]},
    "no-greeting": {"deny": ["@connection"]},
    "protected": {"protected": ["flushdb", "keys", "@sortedset"], "allow": ["*", "keys", "+zadd"]},
    "keys": {"keys": ["s*", "l[0-2]", "h?"]},
    "rights": {"keys": ["s*", "%R~l*", "%W~h*", "%RW~t*", "%R~z*", "%W~z1", "%W~x*", "%R~x*", "~?0"]},
    "reads-all": {"keys": ["%R~*", "s*", "%W~l*", "z[1-9]"]},
    "writes-all": {"keys": ["%W~*", "%R~s1", "%R~l*"]},
    "odd-patterns": {"keys": ["\\s1", "l[^0]*", "[", "t[0-", "*z*", "~%R~x*"]},
    "both": {"deny": ["@hash", "copy", "sort"], "keys": ["%R~s*", "l*", "z*", "%W~t*"]},
}


def acl_rules(spec):
    """What ACL SETUSER is told, in order."""
    allow = spec.get("allow", [])
    rules = ["+@all"] if not allow or allow[0].startswith("-") else []
    rules += [word if word[0] in "+-" else "+" + word for word in map(_plain, allow)]
    rules += ["-" + word.lstrip("-").lower() for word in spec.get("deny", [])]
    asked = {word.lstrip("+").lower() for word in allow}
    protected = spec.get("protected", [])
    rules += ["-" + word for word in protected if word not in asked]
    if protected:  # what a category protects, and what is asked for by name
        rules += ["+" + word for word in asked if not word.startswith(("@", "*", "-"))]
    if spec.get("read_only"):
        rules.append("-@write")
    return rules + [word if word[0] in "~%" else "~" + word for word in spec.get("keys", ["*"])]


def _plain(word):
    return word.replace("*", "@all")
