#include "tools/nodesim/later.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <utility>

namespace provhub::nodesim {

Later::Later() : keep_running_(boost::asio::make_work_guard(context_)), thread_([this] { context_.run(); }) {}

Later::~Later() {
    context_.stop();
    thread_.join();
}

void Later::After(absl::Duration delay, absl::AnyInvocable<void()> action) {
    if (delay <= absl::ZeroDuration()) {
        boost::asio::post(context_, [action = std::move(action)]() mutable { action(); });
        return;
    }
    auto timer = std::make_unique<boost::asio::steady_timer>(context_, absl::ToChronoNanoseconds(delay));
    auto& armed = *timer;
    armed.async_wait(
        [timer = std::move(timer), action = std::move(action)](const boost::system::error_code& error) mutable {
            if (!error) {
                action();
            }
        });
}

}  // namespace provhub::nodesim
