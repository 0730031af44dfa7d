// The signals that steer a daemon.
#ifndef PROVHUB_COMMON_RUNTIME_SIGNAL_QUEUE_H_
#define PROVHUB_COMMON_RUNTIME_SIGNAL_QUEUE_H_

#include <memory>

namespace provhub::runtime {

// From its making on, SIGTERM, SIGINT and SIGHUP don't end the process but wait here to be taken, those included that
// arrive while the application is being made. Only the second SIGTERM or SIGINT ends the process, at once and with exit
// status 1, whatever the thread that ought to take the first is doing.
class SignalQueue {
 public:
    enum class Event { kStop, kReload };

    SignalQueue();
    ~SignalQueue();

    // Waits for the next one. Several SIGHUPs that nobody has taken yet are one; kStop goes before kReload.
    Event Take();

 private:
    class Watcher;
    std::unique_ptr<Watcher> watcher_;
};

}  // namespace provhub::runtime

#endif  // PROVHUB_COMMON_RUNTIME_SIGNAL_QUEUE_H_
