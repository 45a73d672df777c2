# Perl's Redis (libredis-perl): commands of every type, pipelines by callback, transactions, pub/sub, blocking pops,
# scripts, reconnect, tied hashes and lists. What waits on a connection of its own does so in a forked child.
use strict;
use warnings FATAL => 'all';

use Data::Dumper;
use IO::Handle;
use POSIX ();
use Redis;
use Redis::Hash;
use Redis::List;
use Time::HiRes qw(time usleep);

$Data::Dumper::Terse    = 1;
$Data::Dumper::Indent   = 0;
$Data::Dumper::Sortkeys = 1;
$Data::Dumper::Useqq    = 1;
STDOUT->autoflush(1);

my $server   = "$ENV{REDIS_HOST}:$ENV{REDIS_PORT}";
my $tenant   = $ENV{TENANT};
my $deadline = 20;
my ($r, $section);

# A value that no other tenant writes.
sub mine { return "$tenant:$_[0]" }

# Replies are texts, undef or lists of them: 1 and "1" are the same here.
sub textual {
    my ($value) = @_;
    return ref $value eq 'ARRAY' ? [map { textual($_) } @$value] : defined $value && !ref $value ? "$value" : $value;
}

sub same {
    my ($actual, $wanted, $what) = @_;
    my ($is, $should) = map { Dumper(textual($_)) } $actual, $wanted;
    die(($what // 'value') . ": $is, and should be $should\n  line " . (caller)[2] . "\n") if $is ne $should;
    return;
}

sub fails {
    my ($pattern, $call) = @_;
    my $result = eval { [$call->()] };
    die Dumper($result) . "; should be an error: $pattern\n  line " . (caller)[2] . "\n" if $result;
    die "$@; should be $pattern\n  line " . (caller)[2] . "\n" if $@ !~ $pattern;
    return;
}

sub wait_until {
    my ($what, $condition) = @_;
    for (my $end = time + $deadline; !$condition->(); usleep(5000)) {
        die "$what did not come about in $deadline s\n" if time > $end;
    }
    return;
}

sub connection { return Redis->new(server => $server, read_timeout => $deadline, cnx_timeout => $deadline, @_) }

sub own_keys {
    my @names = sort @_;
    same([sort $r->keys('*')], \@names, 'KEYS *');
    same([sort @{ scan_all('*') }], \@names, 'SCAN');
    same($r->dbsize, scalar @names, 'DBSIZE');
    return;
}

sub scan_all {
    my ($pattern) = @_;
    my ($cursor, %found) = (0);
    do {
        ($cursor, my $page) = $r->scan($cursor, MATCH => $pattern, COUNT => 50);
        @found{@$page} = ();
    } while ($cursor);
    return [keys %found];
}

# Runs the body in a child with a connection of its own; lines that it says come to the handle returned.
sub child {
    my ($body) = @_;
    pipe(my $ours, my $theirs) or die "pipe: $!";
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        $theirs->autoflush(1);
        eval { $body->(sub { print {$theirs} "@_\n" }); 1 } or print {$theirs} "died: $@";
        POSIX::_exit(0);
    }
    close $theirs;
    return { pid => $pid, from => $ours };
}

sub hears {
    my ($child) = @_;
    my $line = eval {
        local $SIG{ALRM} = sub { die "the child says nothing\n" };
        alarm $deadline;
        my $got = readline $child->{from};
        alarm 0;
        $got;
    } // die $@ || "the child ended\n";
    chomp $line;
    return $line;
}

sub ends {
    my ($child) = @_;
    kill KILL => $child->{pid};
    waitpid $child->{pid}, 0;
    return;
}

sub strings {
    same([$r->set('key', mine('v')), $r->get('key'), $r->get('none')], ['OK', mine('v'), undef]);
    same([$r->set('key', 'x', 'NX'), $r->getset('key', 'w'), $r->append('key', 'xyz')], [undef, mine('v'), 4]);
    same([$r->mset(a => 1, b => mine(2)), $r->mget('a', 'none', 'b')], ['OK', 1, undef, mine(2)]);
    same([$r->incr('a'), $r->incrby('a', 9), $r->decr('a'), $r->incrbyfloat('a', '0.5')], [2, 11, 10, '10.5']);
    same([$r->setex('c', 100, 'v'), $r->ttl('c'), $r->persist('c'), $r->ttl('c'), $r->ttl('none')], ['OK', 100, 1, -1, -2]);
    same([$r->exists('a', 'b', 'none'), $r->type('a'), $r->rename('a', 'd'), $r->del('c', 'd', 'none')], [2, 'string', 'OK', 2]);
    my $binary = "\0\xff\r\n\$-1\r\n";
    same([$r->set($binary, $binary), $r->get($binary), $r->del($binary)], ['OK', $binary, 1]);
    my $large = mine('large') x 300_000;
    same([$r->set('large', $large), $r->get('large') eq $large, $r->strlen('large')], ['OK', 1, length $large]);
    same([$r->setbit('bits', 7, 1), $r->bitcount('bits'), $r->bitop('NOT', 'not', 'bits')], [0, 1, 1]);
    own_keys(qw(b bits key large not));
    return;
}

sub collections {
    same([$r->hset('hash', 'f', mine(1)), $r->hmset('hash', g => 2, h => 3), { $r->hgetall('hash') }], [1, 'OK', { f => mine(1), g => 2, h => 3 }]);
    same([$r->hmget('hash', 'f', 'none'), $r->hincrby('hash', 'g', 3), $r->hdel('hash', 'g', 'x')], [mine(1), undef, 5, 1]);
    same([$r->hscan('hash', 0, 'MATCH', 'f*')], [0, ['f', mine(1)]]);
    same([$r->rpush('list', 'a', 'b', mine('c')), $r->lrange('list', 0, -1), $r->lpop('list'), $r->rpoplpush('list', 'other')], [3, 'a', 'b', mine('c'), 'a', mine('c')]);
    $r->rpush('numbers', 3, 10, 1);
    $r->mset(w_3 => 1, w_10 => 2, w_1 => 3, v_3 => mine(3), v_10 => mine(10), v_1 => mine(1));
    same([$r->sort('numbers', 'BY', 'w_*', 'GET', 'v_*', 'GET', '#')], [mine(3), 3, mine(10), 10, mine(1), 1]);
    same([$r->sadd('set', 'a', 'b'), $r->sadd('set2', 'b', 'c'), $r->sinter('set', 'set2'), $r->sunionstore('u', 'set', 'set2')], [2, 2, 'b', 3]);
    same([$r->zadd('zset', 1, 'a', 2.5, mine('b')), $r->zrange('zset', 0, -1, 'WITHSCORES')], [2, 'a', 1, mine('b'), 2.5]);
    same([$r->zincrby('zset', 2, 'a'), $r->zrangebyscore('zset', '-inf', '(3'), $r->zunionstore('zu', 2, 'zset', 'set'), $r->zpopmax('zset')], [3, mine('b'), 3, 'a', 3]);
    same([$r->geoadd('geo', 13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania'), $r->georadius('geo', 15, 37, 100, 'km')], [2, 'Catania']);
    same([$r->pfadd('hll', 'a', 'b'), $r->pfcount('hll')], [1, 2]);
    same([$r->xadd('stream', '1-1', 'f', mine(1)), $r->xread('STREAMS', 'stream', 0)], ['1-1', ['stream', [['1-1', ['f', mine(1)]]]]]);
    same([$r->xgroup('CREATE', 'stream', 'group', 0), $r->xreadgroup('GROUP', 'group', 'me', 'STREAMS', 'stream', '>'), $r->xack('stream', 'group', '1-1')],
         ['OK', ['stream', [['1-1', ['f', mine(1)]]]], 1]);
    same([$r->lmpop(2, 'none', 'list', 'LEFT')], ['list', ['b']]);
    own_keys(qw(geo hash hll numbers other set set2 stream u v_1 v_10 v_3 w_1 w_10 w_3 zset zu));
    return;
}

sub scanning {
    my %all = map { ("user:$_" => mine($_)) } 0 .. 999;
    same($r->mset(%all), 'OK');
    own_keys(keys %all);
    same([sort @{ scan_all('user:1?') }], [map { "user:1$_" } 0 .. 9]);
    same([exists $all{ $r->randomkey }, $r->flushdb, $r->randomkey], [1, 'OK', undef]);
    my $nine = connection();
    same([$nine->select(9), $nine->flushdb, $r->set('key', mine(0)), $nine->set('key', mine(9)), $nine->get('key'), $r->get('key')], ['OK', 'OK', 'OK', 'OK', mine(9), mine(0)]);
    same([$r->move('key', 9), $nine->flushdb, $nine->dbsize], [0, 'OK', 0]);
    own_keys('key');
    return;
}

sub pipelines {
    my (@got, @errors);
    for my $i (0 .. 1999) {
        $r->set("p$i", mine($i), sub { push @got, $_[0] });
        $r->get("p$i", sub { push @got, $_[0] });
    }
    $r->lpush('p0', 'x', sub { push @errors, $_[1] });
    $r->ping(); # waits for all of them
    same(\@got, [map { ('OK', mine($_)) } 0 .. 1999]);
    same(\@errors, ['WRONGTYPE Operation against a key holding the wrong kind of value']);
    return;
}

sub transactions {
    same([$r->multi, $r->set('key', mine(1)), $r->incr('counter'), $r->keys('*r')], ['OK', 'QUEUED', 'QUEUED', 'QUEUED']);
    same([$r->exec], ['OK', 1, ['counter']]);
    same([$r->multi, $r->lpush('key', 'x'), $r->incr('counter')], ['OK', 'QUEUED', 'QUEUED']);
    my @replies;
    $r->exec(sub { @replies = @{ $_[0] } });
    $r->wait_all_responses;
    same(\@replies, [[undef, 'WRONGTYPE Operation against a key holding the wrong kind of value'], [2, undef]]);
    same([$r->multi, $r->set('key', 'lost'), $r->discard, $r->get('key')], ['OK', 'QUEUED', 'OK', mine(1)]);
    $r->multi;
    fails(qr/unknown command/, sub { $r->nosuch });
    fails(qr/EXECABORT Transaction discarded/, sub { $r->exec });
    my $writer = connection();
    my $attempts = 0;
    while ($attempts < 10) {
        $r->watch('counter');
        my $value = $r->get('counter');
        $writer->set('counter', $value + 10) if ++$attempts < 3;
        $r->multi;
        $r->set('counter', $value + 1);
        last if defined scalar $r->exec;
    }
    same([$attempts, $r->get('counter')], [3, 23]);
    for my $i (24 .. 223) { # the other tenant writes a key of this name all the while
        $r->watch('counter', 'key');
        $r->multi;
        $r->incr('counter');
        same([$r->exec], [$i]);
    }
    same([$r->watch('counter'), $r->unwatch], ['OK', 'OK']);
    own_keys(qw(counter key));
    return;
}

sub subscribing {
    my $listen = sub {
        my ($kind, @names) = @_;
        return child(sub {
            my ($say) = @_;
            my $redis = connection(reconnect => 10, every => 5000, on_connect => sub { $say->('connected') });
            my $news = sub { my ($text, $topic, $subscribed) = @_; $say->($subscribed, $topic, $text) };
            $kind eq 'subscribe' ? $redis->subscribe(@names, $news) : $redis->psubscribe(@names, $news);
            $say->('subscribed');
            $redis->wait_for_messages($deadline) for 1 .. 10;
        });
    };
    my $news       = $listen->('subscribe', 'news', 'other');
    my $matching   = $listen->('psubscribe', 'n*');
    my $everything = $listen->('psubscribe', '*');
    # A message that comes in one piece with a confirmation is left in the library's buffer until another one comes.
    same([map { hears($_) } ($_) x 2], ['connected', 'subscribed']) for $news, $matching, $everything;
    wait_until('the subscriptions', sub { $r->pubsub('NUMPAT') == 2 && join(' ', $r->pubsub('NUMSUB', 'news', 'other')) eq 'news 1 other 1' });
    same([sort $r->pubsub('CHANNELS')], ['news', 'other']);
    same([map { $r->publish('news', mine($_)) } 0 .. 199], [(3) x 200]);
    same([$r->publish('other', mine('x')), $r->publish('neither', mine('y'))], [2, 2]);
    for my $i (0 .. 199) {
        same([map { hears($_) } $news, $matching, $everything], ['news news ' . mine($i), 'n* news ' . mine($i), '* news ' . mine($i)]);
    }
    same([map { hears($_) } $news, $matching, $everything, $everything],
         ['other other ' . mine('x'), 'n* neither ' . mine('y'), '* other ' . mine('x'), '* neither ' . mine('y')]);
    # Cut off, the library connects again by itself and subscribes anew.
    ends($_) for $matching, $everything;
    my @ids = map { /^id=(\d+) / } split /\n/, $r->client_list('TYPE', 'pubsub');
    wait_until('one subscriber', sub { (@ids = map { /^id=(\d+) / } split /\n/, $r->client_list('TYPE', 'pubsub')) == 1 });
    same($r->client_kill('ID', $ids[0]), 1);
    wait_until('a new connection', sub { my ($id) = map { /^id=(\d+) / } split /\n/, $r->client_list('TYPE', 'pubsub'); ($id // 0) > $ids[0] });
    same(hears($news), 'connected');
    wait_until('both subscriptions', sub { join(' ', $r->pubsub('NUMSUB', 'news', 'other')) eq 'news 1 other 1' });
    same([$r->publish('news', mine('again')), hears($news)], [1, 'news news ' . mine('again')]);
    ends($news);
    wait_until('the end of the subscriptions', sub { !$r->publish('news', 'x') });

    my $both = connection(); # hears on one connection, and leaves
    my @heard;
    my $hear = sub { push @heard, "$_[1]=$_[0]" };
    $both->subscribe('one', 'two', $hear);
    same([$both->is_subscriber, $r->publish('one', mine(1)), $r->publish('two', mine(2))], [2, 1, 1]);
    fails(qr/while in SUBSCRIBE mode/, sub { $both->get('key') });
    wait_until('both messages', sub { $both->wait_for_messages(0.05); @heard == 2 });
    $both->unsubscribe('one', 'two', $hear);
    same([\@heard, $both->ping], [['one=' . mine(1), 'two=' . mine(2)], 'PONG']);
    return;
}

sub blocked { return scalar grep { /flags=\w*b/ } split /\n/, $r->client_list }

sub blocking {
    my @waits = (
        [sub { join ' ', $_[0]->blpop('none', 'list', 15) }, sub { $r->rpush('list', mine(1)) }, 'list ' . mine(1)],
        [sub { join ' ', $_[0]->brpop('list', 15) }, sub { $r->rpush('list', mine(2)) }, 'list ' . mine(2)],
        [sub { $_[0]->brpoplpush('list', 'moved', 15) }, sub { $r->rpush('list', mine(3)) }, mine(3)],
        [sub { join ' ', $_[0]->bzpopmin('zset', 15) }, sub { $r->zadd('zset', 1.5, mine(4)) }, 'zset ' . mine(4) . ' 1.5'],
        [sub { $_[0]->xread('BLOCK', 15000, 'STREAMS', 'stream', '$')->[0][0] }, sub { $r->xadd('stream', '1-1', 'f', mine(5)) }, 'stream'],
    );
    for my $case (@waits) {
        my ($wait, $push, $wanted) = @$case;
        my $waiter = child(sub { $_[0]->(scalar $wait->(connection())) });
        wait_until('a blocked client', \&blocked);
        $push->();
        same(hears($waiter), $wanted);
        ends($waiter);
    }
    same([scalar $r->blpop('none', 0.05), scalar $r->xread('BLOCK', 50, 'STREAMS', 'none', '$'), $r->wait(0, 50)], [undef, undef, 0]);
    my $doomed = child(sub { connection()->blpop('jobs', 15) });
    wait_until('a blocked client', \&blocked);
    ends($doomed);
    wait_until('its end', sub { !blocked() });
    same([$r->rpush('jobs', mine('kept')), $r->lpop('jobs')], [1, mine('kept')]);
    own_keys(qw(moved stream));
    return;
}

sub scripts {
    my $text = "-- $tenant $$ " . time . "\nreturn {redis.call('INCRBY', KEYS[1], ARGV[1]), ARGV[1]}";
    fails(qr/NOSCRIPT No matching script/, sub { $r->evalsha('f' x 40, 1, 'counter', 1) });
    same([$r->eval($text, 1, 'counter', 5)], [5, 5]);
    my $sha = $r->script_load($text);
    same([$r->evalsha($sha, 1, 'counter', 6), $r->script_exists($sha, 'f' x 40)], [11, 6, 1, 0]);
    fails(qr/WRONGTYPE/, sub { $r->eval("return redis.call('LPUSH', KEYS[1], 'x')", 1, 'counter') });
    own_keys('counter');
    return;
}

sub tied {
    tie my %hash, 'Redis::Hash', 'app', server => $server;
    @hash{qw(one two)} = (mine(1), mine(2));
    same([$hash{one}, exists $hash{two}, exists $hash{three}, sort keys %hash], [mine(1), 1, '', 'one', 'two']);
    delete $hash{one};
    tie my @list, 'Redis::List', 'list', server => $server;
    push @list, mine('a'), 'b';
    unshift @list, 'first';
    same([scalar @list, $list[1], shift @list, pop @list], [3, mine('a'), 'first', 'b']);
    $list[0] = 'set';
    same([$r->lrange('list', 0, -1), $r->get('app:two')], ['set', mine(2)]);
    own_keys('app:two', 'list');
    return;
}

sub connections {
    my $other = connection(name => 'named', reconnect => 10, every => 5000);
    same([$other->client_getname, $r->client_getname, $r->echo('text'), $r->ping], ['named', undef, 'text', 'PONG']);
    my $id = $other->client_id;
    same([$r->client_kill('ID', $id), $r->client_kill('ID', $id)], [1, 0]);
    same([$other->set('key', 'v'), $other->client_getname, $other->client_id > $id], ['OK', 'named', 1], 'it connects again by itself');
    my $info = $r->info;
    same([@{$info}{qw(role loading)}, exists $info->{redis_version}], ['master', 0, 1]);
    fails(qr/\[lpush\] WRONGTYPE Operation against a key holding the wrong kind of value, /, sub { $r->lpush('key', 'x') });
    fails(qr/\[nosuch\] ERR unknown command 'NOSUCH', with args beginning with: 'a' /, sub { $r->nosuch('a') });
    fails(qr/ERR value is not an integer or out of range/, sub { $r->incr('key') });
    same([scalar(my @time = $r->time), $other->quit], [2, 1]);
    return;
}

my @sections = (strings => \&strings, collections => \&collections, scanning => \&scanning, pipelines => \&pipelines,
                transactions => \&transactions, subscribing => \&subscribing, blocking => \&blocking, scripts => \&scripts,
                tied => \&tied, connections => \&connections);
eval {
    $r = connection();
    while (($section, my $code) = splice @sections, 0, 2) {
        same([$r->flushdb, $r->keys('*'), $r->dbsize], ['OK', 0]);
        $code->();
    }
    same([$r->flushall, $r->dbsize], ['OK', 0]);
    1;
} or do {
    print "$@\nfailed in $section (tenant $tenant)\n";
    exit 1;
};
print "ok\n";
