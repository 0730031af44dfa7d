#include "tools/provctl/shell_command.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/runtime/file_descriptor.h"
#include "common/status/macros.h"

extern char** environ;

namespace provhub::provctl {
namespace {

using runtime::FileDescriptor;

constexpr std::size_t kMaxOutput = std::size_t{256} * 1024;
constexpr std::size_t kKeptError = 1000;

struct Pipe {
    FileDescriptor read;
    FileDescriptor write;
};

absl::StatusOr<Pipe> MakePipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return absl::ErrnoToStatus(errno, "pipe2");
    }
    return Pipe{.read = FileDescriptor(ends[0]), .write = FileDescriptor(ends[1])};
}

// The process and what it leads, ended when this goes.
class ProcessGroup {
 public:
    explicit ProcessGroup(pid_t leader) : leader_(leader) {}
    ProcessGroup(const ProcessGroup&) = delete;
    ProcessGroup& operator=(const ProcessGroup&) = delete;
    ~ProcessGroup() { Kill(); }

    void Kill() {
        if (leader_ > 0) {
            ::kill(-leader_, SIGKILL);
            Wait();
        }
    }

    // The status of waitpid(2).
    int Wait() {
        int status = 0;
        while (leader_ > 0 && ::waitpid(leader_, &status, 0) < 0 && errno == EINTR) {
        }
        leader_ = 0;
        return status;
    }

 private:
    pid_t leader_;
};

absl::StatusOr<pid_t> Spawn(const std::string& command, const Pipe& in, const Pipe& out, const Pipe& err,
                            std::vector<std::string> environment) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in.read.get(), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out.write.get(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err.write.get(), STDERR_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);

    std::vector<char*> variables;
    variables.reserve(environment.size() + 1);
    for (std::string& variable : environment) {
        variables.push_back(variable.data());
    }
    for (char** variable = environ; *variable != nullptr; ++variable) {
        variables.push_back(*variable);
    }
    variables.push_back(nullptr);

    std::string text = command;
    std::string shell = "/bin/sh";
    std::string option = "-c";
    const std::array<char*, 4> argv = {shell.data(), option.data(), text.data(), nullptr};
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, shell.c_str(), &actions, &attributes, argv.data(), variables.data());
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) {
        return absl::ErrnoToStatus(error, "/bin/sh");
    }
    return pid;
}

// Reads what is there; closes the descriptor at its end.
void Drain(FileDescriptor& fd, std::string& text) {
    std::array<char, 4096> buffer{};
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got > 0) {
        text.append(buffer.data(), static_cast<std::size_t>(got));
    } else if (got == 0 || errno != EINTR) {
        fd.Close();
    }
}

// Writes what fits; closes the descriptor when all is written or nobody reads it.
void Feed(FileDescriptor& fd, absl::string_view& rest) {
    const ssize_t wrote = ::write(fd.get(), rest.data(), rest.size());
    if (wrote >= 0) {
        rest.remove_prefix(static_cast<std::size_t>(wrote));
    } else if (errno == EAGAIN || errno == EINTR) {
        return;
    }
    if (rest.empty() || wrote < 0) {
        fd.Close();
    }
}

struct Output {
    std::string out;
    std::string err;
};

absl::Status Exchange(absl::string_view input, FileDescriptor& in, FileDescriptor& out, FileDescriptor& err,
                      absl::Time deadline, Output& output) {
    ::fcntl(in.get(), F_SETFL, O_NONBLOCK);
    while (out.valid() || err.valid()) {
        const absl::Duration left = deadline - absl::Now();
        if (left <= absl::ZeroDuration()) {
            return absl::DeadlineExceededError("not finished in time");
        }
        // poll(2) skips a negative descriptor.
        std::array<pollfd, 3> fds = {pollfd{.fd = in.get(), .events = POLLOUT, .revents = 0},
                                     pollfd{.fd = out.get(), .events = POLLIN, .revents = 0},
                                     pollfd{.fd = err.get(), .events = POLLIN, .revents = 0}};
        const auto wait = std::clamp<std::int64_t>(absl::ToInt64Milliseconds(left), 1, 60'000);
        if (::poll(fds.data(), fds.size(), static_cast<int>(wait)) <= 0) {
            continue;
        }
        if (fds[0].revents != 0) {
            Feed(in, input);
        }
        if (fds[1].revents != 0) {
            Drain(out, output.out);
        }
        if (fds[2].revents != 0) {
            Drain(err, output.err);
            output.err.erase(0, output.err.size() - std::min(output.err.size(), kKeptError));
        }
        if (output.out.size() > kMaxOutput) {
            return absl::OutOfRangeError("more than 256 KiB of output");
        }
    }
    return absl::OkStatus();
}

std::string WithError(absl::string_view what, const std::string& err) {
    const absl::string_view text = absl::StripAsciiWhitespace(err);
    return text.empty() ? std::string(what) : absl::StrCat(what, ": ", text);
}

}  // namespace

absl::StatusOr<std::string> RunShellCommand(const std::string& command, absl::string_view input,
                                            const std::vector<std::pair<std::string, std::string>>& environment,
                                            absl::Duration limit) {
    const absl::Time deadline = absl::Now() + limit;
    ASSIGN_OR_RETURN(Pipe in, MakePipe());
    ASSIGN_OR_RETURN(Pipe out, MakePipe());
    ASSIGN_OR_RETURN(Pipe err, MakePipe());
    std::vector<std::string> variables;
    variables.reserve(environment.size());
    for (const auto& [name, value] : environment) {
        variables.push_back(absl::StrCat(name, "=", value));
    }
    ASSIGN_OR_RETURN(const pid_t pid, Spawn(command, in, out, err, std::move(variables)));
    ProcessGroup process(pid);
    in.read.Close();
    out.write.Close();
    err.write.Close();

    Output output;
    if (const absl::Status status = Exchange(input, in.write, out.read, err.read, deadline, output); !status.ok()) {
        process.Kill();
        return absl::Status(status.code(), WithError(absl::StrCat("'", command, "': ", status.message()), output.err));
    }
    in.write.Close();
    const int status = process.Wait();
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return std::move(output.out);
    }
    const std::string how = WIFEXITED(status) ? absl::StrCat("exit status ", WEXITSTATUS(status))
                                              : absl::StrCat("killed by signal ", WTERMSIG(status));
    return absl::UnknownError(WithError(absl::StrCat("'", command, "': ", how), output.err));
}

}  // namespace provhub::provctl
