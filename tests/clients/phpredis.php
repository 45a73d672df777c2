<?php
// phpredis: commands of every type, iterators, options, pipelines, transactions, pub/sub, blocking pops, scripts, sessions.
// PHP has no threads: what waits on a connection of its own does so in a forked child.
declare(strict_types=1);

error_reporting(E_ALL);
set_error_handler(function (int $level, string $message, string $file, int $line) {
    throw new ErrorException($message, 0, $level, $file, $line);
});
ini_set('default_socket_timeout', '20');

define('HOST', getenv('REDIS_HOST'));
define('PORT', (int) getenv('REDIS_PORT'));
define('TENANT', getenv('TENANT'));
const DEADLINE = 20.0;

// A value that no other tenant writes.
function mine($text): string
{
    return TENANT . ':' . $text;
}

function same($actual, $wanted, string $what = 'value'): void
{
    if ($actual !== $wanted) {
        throw new Exception("$what: " . var_export($actual, true) . "\nshould be " . var_export($wanted, true));
    }
}

function fails(string $pattern, callable $call, string $class = RedisException::class): void
{
    try {
        $result = $call();
    } catch (Throwable $error) {
        if (get_class($error) !== $class || !preg_match($pattern, $error->getMessage())) {
            throw new Exception(get_class($error) . ': ' . $error->getMessage() . "; should be $class: $pattern", 0, $error);
        }
        return;
    }
    throw new Exception(var_export($result, true) . "; should be $class: $pattern");
}

// phpredis gives false for most error replies and keeps the text.
function refused(Redis $r, string $pattern, $reply): void
{
    same($reply, false, 'reply');
    if (!preg_match($pattern, rtrim((string) $r->getLastError(), "\0"))) {
        throw new Exception('last error: ' . var_export($r->getLastError(), true) . "; should be $pattern");
    }
    $r->clearLastError();
}

function until(callable $condition, string $what)
{
    for ($end = microtime(true) + DEADLINE; !($value = $condition()); usleep(5000)) {
        if (microtime(true) > $end) {
            throw new Exception("$what did not come about in " . DEADLINE . ' s');
        }
    }
    return $value;
}

function connect(int $database = 0): Redis
{
    $r = new Redis();
    same($r->connect(HOST, PORT, DEADLINE), true, 'connect');
    if ($database) {
        same($r->select($database), true, 'select');
    }
    return $r;
}

function sorted(array $values): array
{
    sort($values);
    return $values;
}

// Forks; the child's results come over a socket, one line of JSON each.
final class Child
{
    private $socket;
    private int $pid;

    public function __construct(callable $body)
    {
        [$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        $this->pid = pcntl_fork();
        if ($this->pid === 0) {
            $say = function ($what) use ($theirs) {
                fwrite($theirs, json_encode($what) . "\n");
            };
            try {
                $body(connect(), $say);
            } catch (Throwable $error) {
                $say(get_class($error) . ': ' . $error->getMessage());
            }
            posix_kill(getmypid(), SIGKILL); // without the parent's destructors
        }
        fclose($theirs);
        stream_set_timeout($ours, (int) DEADLINE);
        $this->socket = $ours;
    }

    public function hears()
    {
        $line = fgets($this->socket);
        if ($line === false) {
            throw new Exception('the child says nothing');
        }
        return json_decode($line, true);
    }

    public function ends(): void
    {
        posix_kill($this->pid, SIGKILL);
        pcntl_waitpid($this->pid, $status);
    }
}

function own_keys(Redis $r, array $names): void
{
    sort($names);
    same(sorted($r->keys('*')), $names, 'KEYS *');
    same(sorted(scan_all($r)), $names, 'SCAN');
    same($r->dbSize(), count($names), 'DBSIZE');
}

function scan_all(Redis $r, ?string $pattern = null): array
{
    $r->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
    $found = [];
    $cursor = null;
    while (($page = $r->scan($cursor, $pattern, 50)) !== false) {
        $found += array_flip($page);
    }
    return array_map('strval', array_keys($found));
}

$sections = [];

$sections['strings'] = function (Redis $r) {
    same([$r->set('key', mine('v')), $r->get('key'), $r->get('none')], [true, mine('v'), false]);
    same([$r->set('key', 'x', ['nx']), $r->setnx('key', 'x'), $r->set('key', 'w', ['xx', 'ex' => 100]), $r->ttl('key')], [false, false, true, 100]);
    same([$r->mset(['a' => '1', 'b' => mine(2)]), $r->mget(['a', 'none', 'b'])], [true, ['1', false, mine(2)]]);
    same([$r->incr('a'), $r->incrBy('a', 9), $r->decr('a'), $r->incrByFloat('a', 0.5)], [2, 11, 10, 10.5]);
    same([$r->append('key', 'xyz'), $r->getRange('key', 1, 2), $r->strlen('key'), $r->getSet('key', 'v')], [4, 'xy', 4, 'wxyz']);
    same([$r->persist('key'), $r->expire('key', 50), $r->pttl('key') > 40000, $r->setex('c', 10, 'v')], [false, true, true, true]);
    same([$r->exists('a', 'b', 'none'), $r->type('a'), $r->rename('a', 'd'), $r->del('c', 'd', 'none')], [2, Redis::REDIS_STRING, true, 2]);
    $binary = "\0\xff\r\n\$-1\r\n";
    same([$r->set($binary, $binary), $r->get($binary), $r->unlink($binary)], [true, $binary, 1]);
    $large = str_repeat(mine('large'), 300000);
    same([$r->set('large', $large), $r->get('large') === $large, $r->strlen('large')], [true, true, strlen($large)]);
    same([$r->setBit('bits', 7, true), $r->getBit('bits', 7), $r->bitCount('bits'), $r->bitOp('NOT', 'not', 'bits')], [0, 1, 1, 1]);
    own_keys($r, ['b', 'bits', 'key', 'large', 'not']);
};

$sections['collections'] = function (Redis $r) {
    same([$r->hSet('hash', 'f', mine(1)), $r->hMSet('hash', ['g' => '2', 'h' => '3']), $r->hGet('hash', 'f')], [1, true, mine(1)]);
    same([$r->hMGet('hash', ['f', 'none']), $r->hGetAll('hash')], [['f' => mine(1), 'none' => false], ['f' => mine(1), 'g' => '2', 'h' => '3']]);
    same([$r->hIncrBy('hash', 'g', 3), $r->hLen('hash'), $r->hExists('hash', 'x'), $r->hDel('hash', 'g', 'x'), $r->hKeys('hash')], [5, 3, false, 1, ['f', 'h']]);
    $cursor = null;
    same($r->hScan('hash', $cursor, 'f*'), ['f' => mine(1)]);
    same([$r->rPush('list', 'a', 'b', mine('c')), $r->lRange('list', 0, -1), $r->lPop('list'), $r->rpoplpush('list', 'other')], [3, ['a', 'b', mine('c')], 'a', mine('c')]);
    $r->rPush('numbers', '3', '10', '1');
    $r->mset(['w_3' => '1', 'w_10' => '2', 'w_1' => '3', 'v_3' => mine(3), 'v_10' => mine(10), 'v_1' => mine(1)]);
    same($r->sort('numbers', ['by' => 'w_*', 'get' => ['v_*', '#']]), [mine(3), '3', mine(10), '10', mine(1), '1']);
    same($r->sort('numbers', ['sort' => 'desc', 'store' => 'sorted']), 3);
    same([$r->sAdd('set', 'a', 'b'), $r->sAdd('set2', 'b', mine('c')), $r->sInter('set', 'set2'), $r->sUnionStore('u', 'set', 'set2')], [2, 2, ['b'], 3]);
    same([$r->sIsMember('set', 'a'), $r->sMove('set', 'set2', 'a'), sorted($r->sMembers('set2'))], [true, true, sorted(['a', 'b', mine('c')])]);
    same([$r->zAdd('zset', 1, 'a', 2.5, mine('b')), $r->zRange('zset', 0, -1, true), $r->zScore('zset', 'none')], [2, ['a' => 1.0, mine('b') => 2.5], false]);
    same([$r->zIncrBy('zset', 2, 'a'), $r->zRangeByScore('zset', '-inf', '(3'), $r->zRank('zset', 'a'), $r->zPopMax('zset')], [3.0, [mine('b')], 1, ['a' => 3.0]]);
    same([$r->zUnionStore('zu', ['zset', 'set']), $r->zCard('zu')], [2, 2]);
    same([$r->geoadd('geo', 13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania'), round($r->geodist('geo', 'Palermo', 'Catania', 'km'))], [2, 166.0]);
    same([$r->georadius('geo', 15, 37, 100, 'km'), $r->pfAdd('hll', ['a', 'b']), $r->pfCount('hll')], [['Catania'], 1, 2]);
    own_keys($r, ['geo', 'hash', 'hll', 'list', 'numbers', 'other', 'set', 'set2', 'sorted', 'u', 'v_1', 'v_10', 'v_3', 'w_1', 'w_10', 'w_3', 'zset', 'zu']);
};

$sections['streams'] = function (Redis $r) {
    same([$r->xAdd('stream', '1-1', ['f' => mine(1)]), $r->xAdd('stream', '2-1', ['f' => mine(2)]), $r->xLen('stream')], ['1-1', '2-1', 2]);
    same($r->xRange('stream', '-', '+'), ['1-1' => ['f' => mine(1)], '2-1' => ['f' => mine(2)]]);
    same($r->xRead(['stream' => '1-1', 'none' => '0']), ['stream' => ['2-1' => ['f' => mine(2)]]]);
    same($r->xGroup('CREATE', 'stream', 'group', '0'), true);
    same($r->xReadGroup('group', 'me', ['stream' => '>'], 1), ['stream' => ['1-1' => ['f' => mine(1)]]]);
    same([$r->xPending('stream', 'group')[0], $r->xAck('stream', 'group', ['1-1']), $r->xInfo('GROUPS', 'stream')[0]['name']], [1, 1, 'group']);
    refused($r, "/^NOGROUP No such key 'none' or consumer group 'group'/", $r->xReadGroup('group', 'me', ['none' => '>']));
    own_keys($r, ['stream']);
};

$sections['scanning and options'] = function (Redis $r) {
    $all = [];
    for ($i = 0; $i < 1000; $i++) {
        $all["user:$i"] = mine($i);
    }
    same($r->mset($all), true);
    own_keys($r, array_keys($all));
    same(sorted(scan_all($r, 'user:1?')), ['user:10', 'user:11', 'user:12', 'user:13', 'user:14', 'user:15', 'user:16', 'user:17', 'user:18', 'user:19']);
    same(isset($all[$r->randomKey()]), true, 'RANDOMKEY');
    same([$r->flushDb(), $r->randomKey()], [true, false]);
    $prefixed = connect();
    $prefixed->setOption(Redis::OPT_PREFIX, 'app:');
    foreach ([Redis::SERIALIZER_PHP, Redis::SERIALIZER_IGBINARY, Redis::SERIALIZER_JSON] as $serializer) {
        $prefixed->setOption(Redis::OPT_SERIALIZER, $serializer);
        $value = ['tenant' => TENANT, 'list' => [1, 2.5, null, true]];
        same([$prefixed->set('value', $value), $prefixed->get('value'), $prefixed->hSet('h', 'f', $value), $prefixed->hGetAll('h')['f']], [true, $value, 1, $value]);
        same([$prefixed->del('h'), $prefixed->keys('v*')], [1, ['app:value']]);
    }
    own_keys($r, ['app:value']);
};

$sections['databases'] = function (Redis $r) {
    $nine = connect(9);
    same([$nine->flushDb(), $r->set('key', mine(0)), $nine->set('key', mine(9)), $r->get('key'), $r->move('key', 9)], [true, true, true, mine(0), false]);
    own_keys($nine, ['key']);
    same([$nine->flushDb(), $r->select(9), $r->dbSize(), $r->select(0), $r->get('key'), $nine->getDbNum()], [true, true, 0, true, mine(0), 9]);
};

$sections['pipelines'] = function (Redis $r) {
    $pipe = $r->multi(Redis::PIPELINE);
    $wanted = [];
    for ($i = 0; $i < 2000; $i++) {
        $pipe->set("p$i", mine($i))->get("p$i");
        array_push($wanted, true, mine($i));
    }
    same($pipe->exec(), $wanted);
    same($r->pipeline()->set('key', 'v')->lPush('key', 'x')->get('key')->exec(), [true, false, 'v']);
};

$sections['transactions'] = function (Redis $r) {
    same($r->multi()->set('key', mine(1))->incr('counter')->hGetAll('none')->get('key')->keys('*key')->exec(), [true, 1, [], mine(1), ['key']]);
    same($r->multi()->lPush('key', 'x')->incr('counter')->exec(), [false, 2]);
    $r->multi()->set('key', 'lost');
    same([$r->discard(), $r->get('key')], [true, mine(1)]);
    $writer = connect();
    $attempts = 0;
    do {
        same($r->watch('counter'), true);
        $value = (int) $r->get('counter');
        if (++$attempts < 3) {
            $writer->set('counter', (string) ($value + 10));
        }
        $reply = $r->multi()->set('counter', (string) ($value + 1))->exec();
    } while ($reply === false);
    same([$attempts, $reply, $r->get('counter')], [3, [true], '23']);
    for ($i = 24; $i < 224; $i++) { // the other tenant writes a key of this name all the while
        $r->watch('counter', 'key');
        same($r->multi()->incr('counter')->exec(), [$i]);
    }
    same([$r->watch('counter'), $writer->set('counter', '0'), $r->unwatch(), $r->multi()->ping()->exec()], [true, true, true, [true]]);
    own_keys($r, ['counter', 'key']);
};

$sections['pub/sub'] = function (Redis $r) {
    $listen = function (string $kind, array $names) {
        return new Child(function (Redis $redis, callable $say) use ($kind, $names) {
            $redis->setOption(Redis::OPT_READ_TIMEOUT, DEADLINE);
            $redis->$kind($names, function (Redis $redis, string ...$message) use ($say) {
                $say($message);
            });
        });
    };
    $news = $listen('subscribe', ['news', 'other']);
    $matching = $listen('psubscribe', ['n*']);
    $everything = $listen('psubscribe', ['*']);
    until(fn () => $r->pubsub('numpat') === 2 && $r->pubsub('numsub', ['news', 'other']) == ['news' => 1, 'other' => 1], 'the subscriptions');
    same([sorted($r->pubsub('channels')), $r->pubsub('channels', 'n*')], [['news', 'other'], ['news']]);
    for ($i = 0; $i < 200; $i++) {
        same($r->publish('news', mine($i)), 3);
    }
    same([$r->publish('other', mine('x')), $r->publish('neither', mine('y'))], [2, 2]);
    for ($i = 0; $i < 200; $i++) {
        same($news->hears(), ['news', mine($i)]);
        same($matching->hears(), ['n*', 'news', mine($i)]);
        same($everything->hears(), ['*', 'news', mine($i)]);
    }
    same([$news->hears(), $matching->hears()], [['other', mine('x')], ['n*', 'neither', mine('y')]]);
    same([$everything->hears(), $everything->hears()], [['*', 'other', mine('x')], ['*', 'neither', mine('y')]]);
    // A cut connection is an exception for its user; a new one hears again.
    $ids = array_column(array_filter($r->client('list'), fn ($client) => $client['cmd'] === 'subscribe'), 'id');
    same(count($ids), 1, 'subscribed clients');
    same($r->rawCommand('CLIENT', 'KILL', 'ID', (string) $ids[0]), 1);
    $said = $news->hears();
    same(is_string($said) && str_starts_with($said, 'RedisException: '), true, 'the cut: ' . json_encode($said));
    $matching->ends();
    $everything->ends();
    until(fn () => $r->publish('news', 'x') === 0, 'the end of the subscriptions');
    $news->ends();
    $news = $listen('subscribe', ['news']);
    until(fn () => $r->publish('news', mine('again')) === 1, 'the new subscription');
    same($news->hears(), ['news', mine('again')]);
    $news->ends();
};

function until_blocked(Redis $r): void
{
    until(fn () => array_filter($r->client('list'), fn ($client) => str_contains($client['flags'], 'b')), 'a blocked client');
}

$sections['blocking'] = function (Redis $r) {
    $waits = [
        [fn ($w) => $w->blPop(['none', 'list'], 15), fn () => $r->rPush('list', mine(1)), ['list', mine(1)]],
        [fn ($w) => $w->brPop('list', 15), fn () => $r->rPush('list', mine(2)), ['list', mine(2)]],
        [fn ($w) => $w->brpoplpush('list', 'moved', 15), fn () => $r->rPush('list', mine(3)), mine(3)],
        [fn ($w) => $w->bzPopMin(['none', 'zset'], 15), fn () => $r->zAdd('zset', 1.5, mine(4)), ['zset', mine(4), '1.5']],
        [fn ($w) => $w->xRead(['stream' => '$'], 1, 15000), fn () => $r->xAdd('stream', '1-1', ['f' => mine(5)]), ['stream' => ['1-1' => ['f' => mine(5)]]]],
    ];
    foreach ($waits as [$wait, $push, $wanted]) {
        $child = new Child(fn (Redis $redis, callable $say) => $say($wait($redis)));
        until_blocked($r);
        $push();
        same($child->hears(), $wanted);
        $child->ends();
    }
    same([$r->rawCommand('BLPOP', 'none', '0.05'), $r->xRead(['none' => '$'], 1, 50), $r->wait(0, 50)], [[], [], 0]);
    $child = new Child(fn (Redis $redis, callable $say) => $redis->blPop('jobs', 15)); // dies while it is blocked
    until_blocked($r);
    $child->ends();
    until(fn () => !array_filter($r->client('list'), fn ($client) => str_contains($client['flags'], 'b')), 'the end of the blocked client');
    same([$r->rPush('jobs', mine('kept')), $r->lPop('jobs')], [1, mine('kept')]);
    own_keys($r, ['moved', 'stream']);
};

$sections['scripts'] = function (Redis $r) {
    $text = '-- ' . TENANT . ' ' . bin2hex(random_bytes(8)) . "\nreturn {redis.call('INCRBY', KEYS[1], ARGV[1]), ARGV[1]}";
    $sha = sha1($text);
    same($r->script('exists', $sha), [0]);
    refused($r, '/^NOSCRIPT No matching script/', $r->evalSha($sha, ['counter', '5'], 1));
    same($r->eval($text, ['counter', '5'], 1), [5, '5']);
    same([$r->evalSha($sha, ['counter', '6'], 1), $r->script('exists', $sha, str_repeat('f', 40)), $r->script('load', $text)], [[11, '6'], [1, 0], $sha]);
    refused($r, '/^WRONGTYPE/', $r->eval("return redis.call('LPUSH', KEYS[1], 'x')", ['counter'], 1));
    own_keys($r, ['counter']);
};

$sections['sessions'] = function (Redis $r) {
    ini_set('session.save_handler', 'redis');
    ini_set('session.save_path', 'tcp://' . HOST . ':' . PORT . '?prefix=session:');
    ini_set('session.use_cookies', '0');
    ini_set('session.cache_limiter', '');
    ini_set('redis.session.locking_enabled', '1');
    foreach ([1, 2, 3] as $visit) {
        session_id('visitor');
        same(session_start(), true, 'session_start');
        same($_SESSION['visits'] ?? 0, $visit - 1);
        $_SESSION = ['visits' => $visit, 'tenant' => TENANT];
        own_keys($r, $visit === 1 ? ['session:visitor_LOCK'] : ['session:visitor', 'session:visitor_LOCK']);
        same(session_write_close(), true, 'session_write_close');
        own_keys($r, ['session:visitor']);
    }
    session_id('visitor');
    session_start();
    same($_SESSION, ['visits' => 3, 'tenant' => TENANT]);
    same(session_destroy(), true);
    own_keys($r, []);
};

$sections['connections'] = function (Redis $r) {
    $other = connect();
    same([$other->client('setname', 'named'), $other->client('getname'), $r->client('getname'), $r->echo('text'), $r->ping()], [true, 'named', false, 'text', true]);
    $listed = array_values(array_filter($r->client('list'), fn ($client) => $client['name'] === 'named'));
    same(count($listed), 1, 'clients of that name');
    same($r->rawCommand('CLIENT', 'KILL', 'ID', (string) $listed[0]['id']), 1);
    same($other->ping(), true, 'phpredis connects again by itself');
    $info = $r->info();
    same([$info['role'], (string) $info['loading'], isset($info['redis_version'], $info['uptime_in_seconds'])], ['master', '0', true]);
    same([$r->info('replication')['role'], $r->role()[0], count($r->time())], ['master', 'master', 2]);
    $r->set('key', 'v');
    refused($r, '/^WRONGTYPE Operation against a key holding the wrong kind of value$/', $r->lPush('key', 'x'));
    refused($r, "/^ERR unknown command 'NOSUCH', with args beginning with: 'a' $/", $r->rawCommand('NOSUCH', 'a'));
    refused($r, '/^ERR value is not an integer or out of range$/', $r->incr('key'));
    $persistent = new Redis();
    same([$persistent->pconnect(HOST, PORT, DEADLINE, 'pool'), $persistent->get('key'), $persistent->close()], [true, 'v', true]);
};

try {
    $r = connect();
    foreach ($sections as $name => $section) {
        same([$r->flushDb(), $r->keys('*'), $r->dbSize()], [true, [], 0]);
        $section($r);
    }
    same([$r->flushAll(), $r->dbSize()], [true, 0]);
} catch (Throwable $error) {
    echo $error, "\nfailed in $name (tenant ", TENANT, ")\n";
    exit(1);
}
echo "ok\n";
