// Things to be done after a while.
#ifndef PROVHUB_TOOLS_NODESIM_LATER_H_
#define PROVHUB_TOOLS_NODESIM_LATER_H_

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace provhub::nodesim {

// One thread does them all; what is not due when this is destroyed is dropped. Thread-safe.
class Later {
 public:
    Later();
    ~Later();
    Later(const Later&) = delete;
    Later& operator=(const Later&) = delete;

    // `action` MUST NOT block. Never runs it inside this call.
    void After(absl::Duration delay, absl::AnyInvocable<void()> action);

 private:
    boost::asio::io_context context_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_running_;
    std::thread thread_;
};

}  // namespace provhub::nodesim

#endif  // PROVHUB_TOOLS_NODESIM_LATER_H_
