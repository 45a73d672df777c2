# redis-rb: commands of every type, iterators, pipelines, transactions, pub/sub, blocking pops, scripts.
require "redis"
require "securerandom"
require_relative "check"

R = Redis.new(host: HOST, port: PORT, timeout: DEADLINE)

def connect(**options) = Redis.new(host: HOST, port: PORT, timeout: DEADLINE, **options)

# Exactly these keys are there, however one asks.
def own_keys(*names, client: R)
  names.sort!
  same(client.keys.sort, names, "KEYS *")
  same(client.scan_each(count: 3).to_a.uniq.sort, names, "SCAN")
  same(client.dbsize, names.size, "DBSIZE")
end

def strings
  same(R.set("key", mine("v")), "OK")
  same(R.get("key"), mine("v"))
  same(R.set("key", "x", nx: true), false)
  same(R.set("key", "w", xx: true, get: true), mine("v"))
  same(R.mset("a", 1, "b", mine(2)), "OK")
  same(R.mapped_mget("a", "missing", "b"), { "a" => "1", "missing" => nil, "b" => mine(2) })
  same([R.incr("a"), R.incrby("a", 9), R.decr("a"), R.incrbyfloat("a", 0.5)], [2, 11, 10, 10.5])
  same([R.append("key", "xyz"), R.getrange("key", 1, 2), R.strlen("key")], [4, "xy", 4])
  same([R.getset("key", "v"), R.getdel("key"), R.get("key")], ["wxyz", "v", nil])
  same([R.setex("key", 100, "v"), R.ttl("key"), R.persist("key"), R.ttl("key")], ["OK", 100, true, -1])
  same([R.exists("a", "b", "c"), R.exists?("c"), R.type("a"), R.rename("a", "c")], [2, false, "string", "OK"])
  own_keys("b", "c", "key")
  same(R.del("b", "c", "missing"), 2)
  binary = "\x00\xFF\r\n$-1\r\n".b
  same([R.set(binary, binary), R.get(binary).b, R.keys.size, R.del(binary)], ["OK", binary, 2, 1])
  same(R.mapped_mset({ "a" => mine(1), "b" => "x" * 2_000_000 }), "OK")
  same(R.get("b") == "x" * 2_000_000, true)
  same([R.setbit("bits", 7, 1), R.bitcount("bits"), R.bitpos("bits", 1), R.bitop("NOT", "not", "bits")], [0, 1, 7, 1])
  own_keys("a", "b", "bits", "key", "not")
end

def hashes_and_lists
  same([R.hset("hash", "f", mine(1), "g", 2), R.hgetall("hash")], [2, { "f" => mine(1), "g" => "2" }])
  same([R.hget("hash", "none"), R.mapped_hmget("hash", "f", "none"), R.hincrby("hash", "g", 3)], [nil, { "f" => mine(1), "none" => nil }, 5])
  many = (1..700).to_h { |i| ["field#{i}", mine(i)] }
  same([R.del("hash"), R.mapped_hmset("hash", many), R.hscan_each("hash", count: 50).to_h], [1, "OK", many])
  same([R.rpush("list", ["a", "b", mine("c")]), R.lrange("list", 0, -1)], [3, ["a", "b", mine("c")]])
  same([R.lmove("list", "other", "LEFT", "RIGHT"), R.rpoplpush("list", "other"), R.lpop("list", 2)], ["a", mine("c"), ["b"]])
  R.rpush("numbers", [3, 10, 1])
  R.mapped_mset((["w_3", "w_10", "w_1"].zip([1, 2, 3]) + ["v_3", "v_10", "v_1"].map { |name| [name, mine(name)] }).to_h)
  same(R.sort("numbers", by: "w_*", get: ["#", "v_*"]), %w[3 10 1].map { |n| [n, mine("v_#{n}")] })
  same(R.sort("numbers", order: "desc", store: "sorted"), 3)
  own_keys("hash", "numbers", "other", "sorted", "v_1", "v_10", "v_3", "w_1", "w_10", "w_3")
end

def sets_and_sorted_sets
  same([R.sadd("set", ["a", "b", mine("c")]), R.sadd("set2", %w[b d]), R.sismember("set", "a")], [3, 2, true])
  same([R.sinter("set", "set2"), R.sdiffstore("d", "set", "set2"), R.sunion("set", "set2").sort], [["b"], 2, ["a", "b", mine("c"), "d"].sort])
  same(R.sscan_each("set").to_a.sort, ["a", "b", mine("c")].sort)
  same([R.zadd("zset", [[1, "a"], [2.5, mine("b")]]), R.zadd("zset", 3, "c", nx: true), R.zincrby("zset", 1, "a")], [2, true, 2.0])
  same(R.zrange("zset", 0, -1, with_scores: true), [["a", 2.0], [mine("b"), 2.5], ["c", 3.0]])
  same([R.zrangebyscore("zset", "(2", "+inf", limit: [0, 1]), R.zscore("zset", "none"), R.zrank("zset", "c")], [[mine("b")], nil, 2])
  same([R.zpopmin("zset"), R.zunionstore("u", %w[zset set], weights: [2, 1]), R.zcard("u")], [["a", 2.0], 5, 5])
  same(R.zscan_each("zset").to_a, [[mine("b"), 2.5], ["c", 3.0]])
  own_keys("d", "set", "set2", "u", "zset")
end

def streams_geo_and_counts
  same([R.xadd("stream", { "f" => mine(1) }, id: "1-1"), R.xadd("stream", { "f" => mine(2) }, id: "2-1"), R.xlen("stream")], ["1-1", "2-1", 2])
  same(R.xrange("stream"), [["1-1", { "f" => mine(1) }], ["2-1", { "f" => mine(2) }]])
  same(R.xread(%w[stream none], %w[1-1 0]), { "stream" => [["2-1", { "f" => mine(2) }]] })
  same(R.xgroup(:create, "stream", "group", "0"), "OK")
  same(R.xreadgroup("group", "me", "stream", ">", count: 1), { "stream" => [["1-1", { "f" => mine(1) }]] })
  same([R.xpending("stream", "group")["size"], R.xack("stream", "group", "1-1"), R.xinfo(:groups, "stream")[0]["name"]], [1, 1, "group"])
  fails(Redis::CommandError, /^NOGROUP No such key 'none' or consumer group 'group'/) { R.xreadgroup("group", "me", "none", ">") }
  same([R.geoadd("geo", 13.361389, 38.115556, "Palermo"), R.geoadd("geo", 15.087269, 37.502669, "Catania")], [1, 1])
  same([R.geodist("geo", "Palermo", "Catania", "km").to_f.round, R.georadius("geo", 15, 37, 100, "km")], [166, ["Catania"]])
  same([R.pfadd("hll", %w[a b c]), R.pfadd("hll2", "d"), R.pfcount("hll", "hll2"), R.pfmerge("all", "hll", "hll2")], [true, true, 4, true])
  own_keys("all", "geo", "hll", "hll2", "stream")
end

def scanning
  names = (0...1000).to_h { |i| ["user:#{i}", mine(i)] }
  R.mapped_mset(names)
  own_keys(*names.keys)
  same(R.scan_each(match: "user:1?").to_a.uniq.sort, (10..19).map { |i| "user:#{i}" })
  same([R.keys("user:[45]").sort, names.key?(R.randomkey)], [%w[user:4 user:5], true])
  same([R.flushdb, R.randomkey], ["OK", nil])
  own_keys
end

def databases
  nine = connect(db: 9)
  nine.flushdb
  same([R.set("key", mine(0)), nine.set("key", mine(9)), nine.get("key"), R.get("key"), R.move("key", 9)], ["OK", "OK", mine(9), mine(0), false])
  own_keys("key", client: nine)
  same([nine.flushdb, R.select(9), R.dbsize, R.select(0), R.get("key")], ["OK", "OK", 0, "OK", mine(0)])
  nine.close
end

def pipelines
  replies = R.pipelined { |pipe| 2000.times { |i| pipe.set("p#{i}", mine(i)); pipe.get("p#{i}"); pipe.ping } }
  same(replies, (0...2000).flat_map { |i| ["OK", mine(i), "PONG"] })
  fails(Redis::CommandError, /^WRONGTYPE/) { R.pipelined { |pipe| pipe.lpush("p1", "x"); pipe.set("p2", "later") } }
  same(R.get("p2"), "later")
end

def transactions
  replies = R.multi { |tx| tx.set("key", mine(1)); tx.incr("counter"); tx.hgetall("hash"); tx.keys("*"); tx.scan(0, count: 10_000) }
  same([replies[0..2], replies[3].sort, replies[4][1].sort], [["OK", 1, {}], %w[counter key], %w[counter key]])
  fails(Redis::CommandError, /^WRONGTYPE/) { R.multi { |tx| tx.lpush("key", "x"); tx.incr("counter") } }
  same(R.get("counter"), "2")
  fails(Redis::CommandError, /^ERR unknown command 'nosuch'/i) { R.multi { |tx| tx.set("key", "lost"); tx.call("nosuch") } }
  same([R.multi, R.set("key", "lost"), R.discard, R.get("key")], ["OK", "QUEUED", "OK", mine(1)])
  fails(RuntimeError, /^changed my mind$/) { R.watch("key") { raise "changed my mind" } }
end

def conflicts
  writer = connect
  attempts = 0
  reply = nil
  until reply
    reply = R.watch("counter") do |client|
      value = client.get("counter").to_i
      writer.set("counter", value + 10) if (attempts += 1) < 3
      client.multi { |tx| tx.set("counter", value + 1) }
    end
  end
  same([reply, attempts, R.get("counter")], [["OK"], 3, "21"])
  200.times do |i| # the other tenant writes a key of this name all the while
    same(R.watch("counter") { R.multi { |tx| tx.incr("counter") } }, [22 + i])
  end
  writer.close
end

# Subscribes on a thread of its own, and gives what is heard as it comes.
def subscriber(client, kind, *names)
  heard = Queue.new
  thread = at_once do
    client.public_send(kind, *names) do |on|
      on.message { |channel, text| heard << [channel, text]; client.unsubscribe if text == "stop" }
      on.pmessage { |pattern, channel, text| heard << [pattern, channel, text]; client.punsubscribe if text == "stop" }
    end
    :ended
  end
  [thread, heard]
end

def heard_next(heard) = Timeout.timeout(DEADLINE) { heard.pop }

def subscribing
  clients = Array.new(3) { connect }
  channels, news = subscriber(clients[0], :subscribe, "news", "other")
  patterns, matching = subscriber(clients[1], :psubscribe, "n*")
  everything, all = subscriber(clients[2], :psubscribe, "*")
  wait_until("the subscriptions") { R.pubsub("numpat") == 2 && R.pubsub("numsub", "news", "other") == ["news", 1, "other", 1] }
  same(R.pubsub("channels").sort, %w[news other])
  300.times { |i| same(R.publish("news", mine(i)), 3) }
  same(R.publish("other", "x"), 2)
  300.times do |i|
    same([heard_next(news), heard_next(matching), heard_next(all)], [["news", mine(i)], ["n*", "news", mine(i)], ["*", "news", mine(i)]])
  end
  same(R.publish("news", "stop"), 3)
  same([channels.value, patterns.value, everything.value], %i[ended ended ended])
  wait_until("the end of the subscriptions") { R.pubsub("channels").empty? && R.pubsub("numpat").zero? }
  same(clients.map { |client| client.ping }, %w[PONG PONG PONG], "they are ordinary clients again")
  fails(Redis::TimeoutError, /timed out/) { clients[0].subscribe_with_timeout(0.1, "silence") { |on| on.message { raise "a message" } } }
  clients.each(&:close)
end

# A subscribed connection is cut; its user sees an error, subscribes again and misses nothing from then on.
def resubscribing
  client = connect(reconnect_attempts: 0)
  thread, heard = subscriber(client, :subscribe, "news")
  wait_until("the subscription") { R.publish("news", mine("first")) == 1 }
  same(heard_next(heard), ["news", mine("first")])
  number = R.client(:list).find { |c| c["cmd"] == "subscribe" }["id"]
  same(R.call([:client, :kill, :id, number]), 1)
  fails(Redis::ConnectionError, /lost/) { thread.value }
  same(R.publish("news", "nobody"), 0)
  thread, heard = subscriber(client, :subscribe, "news")
  wait_until("the new subscription") { R.publish("news", mine("second")) == 1 }
  same(heard_next(heard), ["news", mine("second")])
  R.publish("news", "stop")
  same(thread.value, :ended)
  client.close
end

def blocked(name) = wait_until("#{name} blocked") { R.client(:list).any? { |c| c["name"] == name && c["flags"].include?("b") } }

def blocking
  waiter = connect(id: "waiter")
  same(waiter.client(:setname, "waiter"), "OK")
  [[-> { waiter.blpop("none", "list") }, -> { R.rpush("list", mine(1)) }, ["list", mine(1)]],
   [-> { waiter.brpop("list", timeout: 15) }, -> { R.rpush("list", mine(2)) }, ["list", mine(2)]],
   [-> { waiter.blmove("list", "moved", "LEFT", "RIGHT", timeout: 15) }, -> { R.rpush("list", mine(3)) }, mine(3)],
   [-> { waiter.brpoplpush("list", "moved", timeout: 15) }, -> { R.rpush("list", mine(4)) }, mine(4)],
   [-> { waiter.bzpopmin("none", "zset", timeout: 15) }, -> { R.zadd("zset", 1.5, mine(5)) }, ["zset", mine(5), 1.5]],
   [-> { waiter.xread("stream", "$", block: 15_000) }, -> { R.xadd("stream", { "f" => mine(6) }, id: "1-1") },
    { "stream" => [["1-1", { "f" => mine(6) }]] }]].each do |wait, push, wanted|
    reply = at_once(&wait)
    blocked("waiter")
    push.call
    same(reply.value, wanted)
  end
  same([waiter.blpop("none", timeout: 0.05), waiter.bzpopmax("none", timeout: 0.05), waiter.xread("none", "$", block: 50)], [nil, nil, {}])
  number = waiter.client(:id)
  reply = at_once { waiter.blpop("none", timeout: 0) }
  blocked("waiter")
  same(R.client(:unblock, number), 1)
  same(reply.value, nil)
  same(R.lrange("moved", 0, -1), [mine(4), mine(3)]) # BRPOPLPUSH pushes on the left
  waiter.close
  own_keys("moved", "stream")
end

def scripts
  text = "-- #{TENANT} #{SecureRandom.uuid}\nreturn {KEYS[1] ~= nil, redis.call('INCRBY', KEYS[1], ARGV[1])}"
  fails(Redis::CommandError, /^NOSCRIPT/) { R.evalsha("f" * 40, keys: ["counter"], argv: [1]) }
  same(R.eval(text, keys: ["counter"], argv: [5]), [1, 5])
  sha = R.script(:load, text)
  same([R.evalsha(sha, ["counter"], [6]), R.script(:exists, sha), R.script(:exists, [sha, "f" * 40])], [[1, 11], true, [true, false]])
  fails(Redis::CommandError, /^WRONGTYPE/) { R.eval("return redis.call('LPUSH', KEYS[1], 1)", ["counter"]) }
  own_keys("counter")
end

def connections
  client = connect(id: "named")
  same([client.client(:setname, "named"), client.client(:getname), client.echo("text"), client.ping("text")], %w[OK named text text])
  listed = R.client(:list)
  same(listed.count { |c| c["name"] == "named" }, 1)
  number = client.client(:id)
  same(R.call([:client, :kill, :id, number]), 1)
  same(client.ping, "PONG", "redis-rb connects again by itself")
  same([client.client(:getname), client.client(:id) > number], ["named", true])
  info = R.info
  same([info["role"], info["loading"], info["redis_version"].nil?], ["master", "0", false])
  same(R.info(:replication)["role"], "master")
  same([R.time.size, client.quit], [2, "OK"])
  R.set("key", "v")
  fails(Redis::CommandError, /^WRONGTYPE Operation against a key holding the wrong kind of value$/) { R.lpush("key", "x") }
  fails(Redis::CommandError, /^ERR unknown command 'nosuch', with args beginning with: 'a'$/) { R.call(%w[nosuch a]) }
  fails(Redis::CommandError, /^ERR value is not an integer or out of range$/) { R.incr("key") }
  fails(Redis::CommandError, /^ERR wrong number of arguments for 'get' command$/) { R.call(["get"]) }
end

def empty
  same([R.flushall, R.dbsize, R.keys], ["OK", 0, []])
end

SECTIONS = %i[strings hashes_and_lists sets_and_sorted_sets streams_geo_and_counts scanning databases pipelines transactions
              conflicts subscribing resubscribing blocking scripts connections].freeze
run(*SECTIONS.flat_map { |section| [:empty, section] }, :empty)
