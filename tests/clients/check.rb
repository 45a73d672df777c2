# What the Ruby programs share: the endpoint, strict comparison, bounded waits, and the end.
require "timeout"

HOST = ENV.fetch("REDIS_HOST")
PORT = Integer(ENV.fetch("REDIS_PORT"))
TENANT = ENV.fetch("TENANT")
DEADLINE = 30 # seconds for anything that has to happen

$stdout.sync = true

# A value that no other tenant writes.
def mine(text) = "#{TENANT}:#{text}"

# Equal in value and in type.
def same(actual, wanted, what = "value")
  return if actual.eql?(wanted)

  raise "#{what}: #{actual.inspect}, and should be #{wanted.inspect}"
end

# The block raises an error of exactly this class whose message matches.
def fails(kind, pattern)
  result = yield
rescue kind => e
  raise "#{e.class}: #{e.message}; should be #{kind}: #{pattern.inspect}" unless e.instance_of?(kind) && e.message =~ pattern
else
  raise "#{result.inspect}; should be #{kind}: #{pattern.inspect}"
end

# The first true value of the block, looked for every few milliseconds.
def wait_until(what)
  stop = Process.clock_gettime(Process::CLOCK_MONOTONIC) + DEADLINE
  until (value = yield)
    raise "#{what} did not come about in #{DEADLINE} s" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > stop

    sleep 0.005
  end
  value
end

# The block on a thread of its own; `.value` waits for it, bounded.
def at_once(&block)
  Thread.new do
    Thread.current.report_on_exception = false
    Timeout.timeout(2 * DEADLINE) { block.call }
  end
end

# Runs the methods named; what fails is said, and ends the program. The block has more to say then, or to end.
def run(*steps)
  steps.each do |step|
    Timeout.timeout(3 * DEADLINE) { send(step) }
  rescue Exception => e # rubocop:disable Lint/RescueException
    puts e.full_message(highlight: false), "failed in #{step} (tenant #{TENANT})"
    yield if block_given?
    exit! 1
  end
  puts "ok"
end
