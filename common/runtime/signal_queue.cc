#include "common/runtime/signal_queue.h"

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace provhub::runtime {
namespace {

constexpr std::array kSignals = {SIGTERM, SIGINT, SIGHUP};

// Asio's handlers would make a system call of any thread fail with EINTR, which not every library (PKCS #11 modules
// among them) expects.
void RestartSystemCalls() {
    for (const int signal : kSignals) {
        struct sigaction action {};
        if (::sigaction(signal, nullptr, &action) == 0) {
            action.sa_flags |= SA_RESTART;
            ::sigaction(signal, &action, nullptr);
        }
    }
}

}  // namespace

class SignalQueue::Watcher {
 public:
    Watcher() : signals_(context_, kSignals[0], kSignals[1], kSignals[2]) {
        RestartSystemCalls();
        Wait();
        thread_ = std::thread([this] { context_.run(); });
    }

    ~Watcher() {
        context_.stop();
        thread_.join();
    }

    Event Take() {
        const auto pending = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stop_ || reload_; };
        absl::MutexLock lock(&mutex_, absl::Condition(&pending));
        if (stop_) {
            stop_ = false;
            return Event::kStop;
        }
        reload_ = false;
        return Event::kReload;
    }

 private:
    void Wait() {
        signals_.async_wait([this](const boost::system::error_code& error, int signal) {
            if (error) {
                return;
            }
            Note(signal);
            Wait();
        });
    }

    void Note(int signal) {
        absl::MutexLock lock(&mutex_);
        if (signal == SIGHUP) {
            reload_ = true;
            return;
        }
        if (stopping_) {
            std::_Exit(EXIT_FAILURE);
        }
        stopping_ = true;
        stop_ = true;
    }

    boost::asio::io_context context_{1};
    boost::asio::signal_set signals_;
    std::thread thread_;
    absl::Mutex mutex_;
    bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
    bool stop_ ABSL_GUARDED_BY(mutex_) = false;
    bool reload_ ABSL_GUARDED_BY(mutex_) = false;
};

SignalQueue::SignalQueue() : watcher_(std::make_unique<Watcher>()) {}

SignalQueue::~SignalQueue() = default;

SignalQueue::Event SignalQueue::Take() {
    return watcher_->Take();
}

}  // namespace provhub::runtime
