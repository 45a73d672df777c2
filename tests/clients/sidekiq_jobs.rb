# Sidekiq: a real worker process does the jobs of its queues, on schedule, again after a failure, and in bulk.
# This file is both: what the worker loads (sidekiq -r) and, run by itself, the program that starts it.
require "sidekiq"
require "sidekiq/api"
require_relative "check"

URL = "redis://#{HOST}:#{PORT}/0".freeze
Redis.silence_deprecations = true
Sidekiq.configure_client { |config| config.redis = { url: URL, size: 5 } }
Sidekiq.configure_server do |config|
  config.redis = { url: URL, size: 15 }
  config.options[:poll_interval_average] = 0.1
end

def redis(&block) = Sidekiq.redis(&block)

# Says what it was given and whose worker did it, so that a job that reaches the wrong one is seen.
class Report
  include Sidekiq::Worker
  sidekiq_options queue: "default", retry: 3

  def perform(text) = Sidekiq.redis { |r| r.rpush("results", "#{TENANT}:#{text}") }
end

class Low
  include Sidekiq::Worker
  sidekiq_options queue: "low"

  def perform(text) = Report.new.perform(text)
end

class FailsOnce
  include Sidekiq::Worker
  sidekiq_options retry: 3
  sidekiq_retry_in { 0 }

  def perform(key)
    raise ArgumentError, "the first time" if Sidekiq.redis { |r| r.incr(key) } == 1

    Report.new.perform("the second time")
  end
end

class FailsForever
  include Sidekiq::Worker
  sidekiq_options retry: 0

  def perform = raise(ArgumentError, "always")
end

class Waits
  include Sidekiq::Worker

  def perform(key) = Sidekiq.redis { |r| r.blpop(key, timeout: 15) } && Report.new.perform("waited")
end

# The results that the jobs pushed, as many as asked for, in any order.
def results(count)
  Array.new(count) { redis { |r| r.blpop("results", timeout: DEADLINE) }&.last }.sort_by(&:to_s)
end

def flush = redis { |r| same([r.flushdb, r.dbsize], ["OK", 0]) }

class Server
  attr_reader :pid

  def initialize
    @log = File.join(Dir.pwd, "sidekiq.log")
    @pid = Process.spawn("/usr/bin/sidekiq", "-r", File.expand_path(__FILE__), "-c", "5", "-q", "default,2", "-q", "low",
                         "-t", "5", in: File::NULL, %i[out err] => @log)
  end

  def log = File.read(@log)

  def wait
    Timeout.timeout(DEADLINE) { Process.wait2(@pid)[1].exitstatus }
  end

  def kill
    Process.kill("KILL", @pid)
  rescue Errno::ESRCH
    nil
  end
end

def queued_before_the_worker_starts
  flush
  id = Report.perform_async("early")
  Low.perform_async("low")
  same([Sidekiq::Queue.new.size, Sidekiq::Queue.new.first.jid, Sidekiq::Queue.all.map(&:name).sort], [1, id, %w[default low]])
  deleted = Report.perform_async("deleted")
  Sidekiq::Queue.new.find_job(deleted).delete
  same([Sidekiq::Queue.new.size, Sidekiq::Stats.new.enqueued], [1, 2])
end

def the_worker_starts
  wait_until("one worker process, ours") { Sidekiq::ProcessSet.new.map { |process| process["pid"] } == [$server.pid] }
  same(results(2), [mine("early"), mine("low")])
end

def jobs
  50.times { |i| Report.perform_async(i) }
  same(results(50), (0...50).map { |i| mine(i) }.sort)
  same(Sidekiq::Client.push_bulk("class" => Report, "args" => (0...100).map { |i| ["bulk#{i}"] }).size, 100)
  same(results(100), (0...100).map { |i| mine("bulk#{i}") }.sort)
  wait_until("the count of jobs") { Sidekiq::Stats.new.processed >= 152 || Sidekiq::Stats.new.enqueued.zero? }
end

def schedule
  Report.perform_in(0.2, "later")
  far = Report.perform_in(3600, "never")
  wait_until("the schedule") { Sidekiq::ScheduledSet.new.map(&:jid).include?(far) }
  same(results(1), [mine("later")])
  same(Sidekiq::ScheduledSet.new.map(&:jid), [far])
  Sidekiq::ScheduledSet.new.find_job(far).reschedule(Time.now - 1)
  same(results(1), [mine("never")])
  same(Sidekiq::ScheduledSet.new.size, 0)
end

def failures
  FailsOnce.perform_async("attempts")
  wait_until("the retry") { Sidekiq::RetrySet.new.size == 1 || redis { |r| r.get("attempts") } == "2" }
  Sidekiq::RetrySet.new.each(&:retry)
  same(results(1), [mine("the second time")])
  same([Sidekiq::RetrySet.new.size, redis { |r| r.get("attempts") }], [0, "2"])
  FailsForever.perform_async
  wait_until("its failure") { $server.log.include?("ArgumentError: always") }
  wait_until("nothing to retry") { Sidekiq::RetrySet.new.size.zero? }
end

# With its next heartbeat the worker says what it is doing, and sees that it is to take no more jobs.
def at_work
  Waits.perform_async("gate")
  wait_until("its beginning") { Sidekiq::Queue.new.size.zero? }
  Sidekiq::ProcessSet.new.each(&:quiet!)
  # What its last heartbeat said may still be there: jobs that have ended since.
  wait_until("the job at work") { Sidekiq::WorkSet.new.any? { |_, _, work| work["payload"]["class"] == "Waits" } }
  wait_until("the worker's silence") { $server.log.include?("Received TSTP") }
  redis { |r| r.rpush("gate", "open") }
  same(results(1), [mine("waited")])
end

def what_is_stored
  known = /\A(queues|queue:.*|processes|schedule|retry|dead|stat:.*|attempts|results|.*:\d+:\h+(:work|:workers)?|.*-signals|gate|i-.*|\d{4}.*)\z/
  names = redis(&:keys)
  same(names.grep_v(known), [], "names that Sidekiq does not use")
  same(redis { |r| r.scan_each.to_a.uniq.sort }, names.sort)
end

def the_worker_ends
  Process.kill("TERM", $server.pid)
  same($server.wait, 0, "the worker's exit code")
  same([Sidekiq::ProcessSet.new.size, Sidekiq::WorkSet.new.size], [0, 0])
  flush
end

if $PROGRAM_NAME == __FILE__
  Sidekiq.logger.level = Logger::WARN
  queued_before_the_worker_starts
  $server = Server.new
  run(:the_worker_starts, :jobs, :schedule, :failures, :at_work, :what_is_stored, :the_worker_ends) do
    puts $server.log.lines.last(40)
    $server.kill
  end
end
