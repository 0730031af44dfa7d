#include "common/runtime/scheduler.h"

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <thread>
#include <utility>

#include "absl/time/clock.h"

namespace provhub::runtime {
namespace {

// Shared by the wait in the queue and the handle that was given out: whoever takes the callback first, has it.
class ArmedCallback {
 public:
    explicit ArmedCallback(absl::AnyInvocable<void()> callback) : callback_(std::move(callback)) {}

    // Empty for everybody but the first.
    absl::AnyInvocable<void()> Take() {
        return taken_.exchange(true) ? absl::AnyInvocable<void()>() : std::move(callback_);
    }

 private:
    std::atomic<bool> taken_ = false;
    absl::AnyInvocable<void()> callback_;
};

class AsioTimer final : public Timer {
 public:
    AsioTimer(boost::asio::io_context& context, absl::Duration delay, absl::AnyInvocable<void()> callback)
        : armed_(std::make_shared<ArmedCallback>(std::move(callback))), timer_(context) {
        timer_.expires_after(absl::ToChronoNanoseconds(delay));
        timer_.async_wait([armed = armed_](const boost::system::error_code&) {
            if (auto due = armed->Take()) {
                due();
            }
        });
    }

    ~AsioTimer() override { armed_->Take(); }

 private:
    const std::shared_ptr<ArmedCallback> armed_;
    boost::asio::steady_timer timer_;
};

class AsioScheduler final : public Scheduler {
 public:
    explicit AsioScheduler(int blocking_threads)
        : blocking_(static_cast<std::size_t>(blocking_threads)),
          keep_running_(boost::asio::make_work_guard(timers_)),
          timer_thread_([this] { timers_.run(); }) {}

    ~AsioScheduler() override {
        timers_.stop();
        timer_thread_.join();
        blocking_.join();
    }

    absl::Time Now() const override { return absl::Now(); }

    void Post(absl::AnyInvocable<void()> work) override {
        boost::asio::post(blocking_, [work = std::move(work)]() mutable { work(); });
    }

    std::unique_ptr<Timer> After(absl::Duration delay, absl::AnyInvocable<void()> callback) override {
        return std::make_unique<AsioTimer>(timers_, delay, std::move(callback));
    }

 private:
    // Destroyed after the timers, whose dropped callbacks may still post.
    boost::asio::thread_pool blocking_;
    boost::asio::io_context timers_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_running_;
    std::thread timer_thread_;
};

}  // namespace

std::unique_ptr<Scheduler> CreateScheduler(int blocking_threads) {
    return std::make_unique<AsioScheduler>(blocking_threads);
}

}  // namespace provhub::runtime
