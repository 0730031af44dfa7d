#include "common/provisioning/child_process.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/runtime/file_descriptor.h"
#include "common/status/macros.h"

namespace provhub::provisioning {
namespace {

using Clock = std::chrono::steady_clock;
using runtime::FileDescriptor;

constexpr std::size_t kKeptOutput = 8192;
constexpr int kPollMilliseconds = 60'000;
constexpr int kFirstInherited = 3;

struct Pipe {
    FileDescriptor read;
    FileDescriptor write;
};

absl::StatusOr<Pipe> MakePipe() {
    std::array<int, 2> ends;
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return absl::ErrnoToStatus(errno, "pipe");
    }
    return Pipe{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

// The read end of a pipe that holds `input` already: a program that doesn't read it can neither block nor signal us.
absl::StatusOr<FileDescriptor> InputPipe(absl::string_view input) {
    if (input.size() > PIPE_BUF) {
        return absl::InvalidArgumentError("too much input for a program");
    }
    ASSIGN_OR_RETURN(Pipe pipe, MakePipe());
    if (!input.empty() && ::write(pipe.write.get(), input.data(), input.size()) < 0) {
        return absl::ErrnoToStatus(errno, "writing the input of a program");
    }
    return std::move(pipe.read);
}

class SpawnSettings {
 public:
    SpawnSettings() {
        posix_spawn_file_actions_init(&actions_);
        posix_spawnattr_init(&attributes_);
        sigset_t signals;
        sigemptyset(&signals);
        posix_spawnattr_setsigmask(&attributes_, &signals);
        sigfillset(&signals);
        posix_spawnattr_setsigdefault(&attributes_, &signals);
        posix_spawnattr_setpgroup(&attributes_, 0);
        posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    }
    ~SpawnSettings() {
        posix_spawnattr_destroy(&attributes_);
        posix_spawn_file_actions_destroy(&actions_);
    }
    SpawnSettings(const SpawnSettings&) = delete;
    SpawnSettings& operator=(const SpawnSettings&) = delete;

    void SetStandardFiles(int input, int output, int error) {
        posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO);
        posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&actions_, error, STDERR_FILENO);
        posix_spawn_file_actions_addclosefrom_np(&actions_, kFirstInherited);
    }

    absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& command) const {
        std::vector<char*> arguments;
        for (const std::string& argument : command) {
            arguments.push_back(const_cast<char*>(argument.c_str()));
        }
        arguments.push_back(nullptr);
        pid_t pid = 0;
        const int error = ::posix_spawnp(&pid, arguments[0], &actions_, &attributes_, arguments.data(), environ);
        if (error != 0) {
            return absl::FailedPreconditionError(absl::StrCat("can't be started: ", std::strerror(error)));
        }
        return pid;
    }

 private:
    posix_spawn_file_actions_t actions_;
    posix_spawnattr_t attributes_;
};

// What comes out of a pipe; the last kKeptOutput bytes of it.
class Output {
 public:
    explicit Output(FileDescriptor pipe) : pipe_(std::move(pipe)) {
        ::fcntl(pipe_.get(), F_SETFL, ::fcntl(pipe_.get(), F_GETFL) | O_NONBLOCK);
    }

    // Takes one reading. False when there is nothing now, or never will be.
    bool Read() {
        std::array<char, kKeptOutput> buffer;
        const ssize_t size = ::read(pipe_.get(), buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) {
            return true;
        }
        if (size == 0 || (size < 0 && errno != EAGAIN)) {
            pipe_.Close();
        }
        if (size <= 0) {
            return false;
        }
        kept_.append(buffer.data(), static_cast<std::size_t>(size));
        kept_.erase(0, kept_.size() - std::min(kept_.size(), kKeptOutput));
        return true;
    }

    // For what is in the pipe when the program has ended: a descendant may go on filling it.
    void Drain() {
        constexpr int kPipeCapacityInReadings = 16;
        for (int i = 0; pipe_.valid() && i < kPipeCapacityInReadings && Read(); ++i) {
        }
    }

    pollfd Poll() const { return {pipe_.get(), POLLIN, 0}; }
    std::string Take() { return std::move(kept_); }

 private:
    FileDescriptor pipe_;
    std::string kept_;
};

class Child {
 public:
    explicit Child(pid_t pid) : pid_(pid), handle_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
    // Nothing is left behind, whatever way the waiting ends.
    ~Child() {
        if (pid_ > 0) {
            Kill();
            Reap();
        }
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    const FileDescriptor& handle() const { return handle_; }
    void Kill() const {
        if (pid_ > 0) {
            ::kill(-pid_, SIGKILL);
        }
    }

    // The wait status.
    int Reap() {
        int wait_status = 0;
        while (::waitpid(std::exchange(pid_, -1), &wait_status, 0) < 0 && errno == EINTR) {
        }
        return wait_status;
    }

 private:
    pid_t pid_;
    FileDescriptor handle_;
};

// Readable once a stop has been requested.
class StopEvent {
 public:
    explicit StopEvent(const std::stop_token& stop)
        : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), wake_(stop, Wake{event_.get()}) {}

    pollfd Poll() const { return {event_.get(), POLLIN, 0}; }

 private:
    struct Wake {
        void operator()() const { ::eventfd_write(event, 1); }
        int event;
    };

    const FileDescriptor event_;
    const std::stop_callback<Wake> wake_;
};

// Reads both outputs until the program itself has ended.
absl::Status Wait(const Child& child, Output& output, Output& error, absl::Duration limit,
                  const std::stop_token& stop) {
    const StopEvent stop_event(stop);
    const auto start = Clock::now();
    while (true) {
        const absl::Duration left = limit - absl::FromChrono(Clock::now() - start);
        if (left <= absl::ZeroDuration()) {
            return absl::DeadlineExceededError(
                absl::StrCat("did not end within ", absl::FormatDuration(limit), " and was killed"));
        }
        const auto milliseconds = std::min<std::int64_t>(absl::ToInt64Milliseconds(left) + 1, kPollMilliseconds);
        std::array<pollfd, 4> waits = {pollfd{child.handle().get(), POLLIN, 0}, output.Poll(), error.Poll(),
                                       stop_event.Poll()};
        const int ready = ::poll(waits.data(), waits.size(), static_cast<int>(milliseconds));
        if (ready < 0 && errno != EINTR) {
            return absl::ErrnoToStatus(errno, "poll");
        }
        if (ready > 0 && waits[1].revents != 0) {
            output.Read();
        }
        if (ready > 0 && waits[2].revents != 0) {
            error.Read();
        }
        if (ready > 0 && waits[0].revents != 0) {
            return absl::OkStatus();
        }
        if (stop.stop_requested()) {
            return absl::CancelledError("was killed, because the node is stopping");
        }
    }
}

}  // namespace

absl::StatusOr<ChildResult> RunChild(const std::vector<std::string>& command, absl::string_view input,
                                     absl::Duration limit, const std::stop_token& stop) {
    ASSIGN_OR_RETURN(FileDescriptor input_pipe, InputPipe(input));
    ASSIGN_OR_RETURN(Pipe output_pipe, MakePipe());
    ASSIGN_OR_RETURN(Pipe error_pipe, MakePipe());
    SpawnSettings settings;
    settings.SetStandardFiles(input_pipe.get(), output_pipe.write.get(), error_pipe.write.get());
    ASSIGN_OR_RETURN(const pid_t pid, settings.Spawn(command));
    Child child(pid);
    input_pipe.Close();
    output_pipe.write.Close();
    error_pipe.write.Close();
    if (!child.handle().valid()) {
        return absl::ErrnoToStatus(errno, "pidfd_open");
    }
    Output output(std::move(output_pipe.read));
    Output error(std::move(error_pipe.read));
    RETURN_IF_ERROR(Wait(child, output, error, limit, stop));
    const int wait_status = child.Reap();
    error.Drain();
    ChildResult result;
    if (WIFEXITED(wait_status)) {
        result.exit_code = WEXITSTATUS(wait_status);
    } else {
        result.signal = WTERMSIG(wait_status);
    }
    result.error_output = error.Take();
    return result;
}

}  // namespace provhub::provisioning
