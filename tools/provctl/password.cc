#include "tools/provctl/password.h"

#include <openssl/crypto.h>
#include <sys/prctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "common/runtime/atomic_file.h"
#include "common/status/macros.h"

namespace provhub::provctl {
namespace {

constexpr std::size_t kMaxPassword = 255;
constexpr std::size_t kMaxFileBytes = 4096;

volatile std::sig_atomic_t g_interrupted = 0;

// The terminal without echo; as it was when destroyed. An interrupt ends the reading instead of the process, which
// would leave the terminal silent.
class SilentTerminal {
 public:
    SilentTerminal() {
        g_interrupted = 0;
        struct sigaction action {};
        action.sa_handler = [](int) { g_interrupted = 1; };
        ::sigaction(SIGINT, &action, &old_interrupt_);
        ::tcgetattr(STDIN_FILENO, &old_);
        termios silent = old_;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        silent.c_lflag |= ECHONL;
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    SilentTerminal(const SilentTerminal&) = delete;
    SilentTerminal& operator=(const SilentTerminal&) = delete;
    ~SilentTerminal() {
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &old_);
        ::sigaction(SIGINT, &old_interrupt_, nullptr);
    }

 private:
    termios old_{};
    struct sigaction old_interrupt_ {};
};

// A byte at a time: what follows the line belongs to somebody else.
absl::StatusOr<crypto::Secret> ReadLine(int fd) {
    // Room for one byte too many, so that a password that is too long is noticed.
    std::string line;
    line.reserve(kMaxPassword + 2);
    char c = 0;
    while (line.size() <= kMaxPassword) {
        const ssize_t got = ::read(fd, &c, 1);
        if (got < 0 && errno == EINTR && g_interrupted == 0) {
            continue;
        }
        if (got < 0) {
            OPENSSL_cleanse(line.data(), line.size());
            return g_interrupted != 0 ? absl::CancelledError("interrupted")
                                      : absl::ErrnoToStatus(errno, "can't read the password");
        }
        if (got == 0 || c == '\n') {
            break;
        }
        line.push_back(c);
    }
    OPENSSL_cleanse(&c, sizeof(c));
    if (!line.empty() && line.back() == '\r') {
        line.pop_back();
    }
    return crypto::Secret::TakeFrom(line);
}

absl::StatusOr<crypto::Secret> FirstLineOf(const std::string& path) {
    ASSIGN_OR_RETURN(std::string text, runtime::ReadSmallFile(path, kMaxFileBytes));
    const crypto::Secret content = crypto::Secret::TakeFrom(text);
    absl::string_view line = content.Reveal();
    line = line.substr(0, line.find('\n'));
    if (!line.empty() && line.back() == '\r') {
        line.remove_suffix(1);
    }
    return crypto::Secret(line);
}

absl::StatusOr<crypto::Secret> Ask(const char* prompt) {
    const SilentTerminal silent;
    std::cerr << prompt << std::flush;
    return ReadLine(STDIN_FILENO);
}

absl::StatusOr<crypto::Secret> AskOnTerminal(bool confirm) {
    if (::isatty(STDIN_FILENO) != 1) {
        return absl::FailedPreconditionError("there is no terminal to ask for the password: use --password-file");
    }
    ASSIGN_OR_RETURN(crypto::Secret password, Ask("Provisioning password: "));
    if (confirm) {
        ASSIGN_OR_RETURN(const crypto::Secret again, Ask("Once more: "));
        if (!password.Equals(again)) {
            return absl::InvalidArgumentError("the two passwords differ");
        }
    }
    return password;
}

absl::StatusOr<crypto::Secret> Read(const std::string& file, bool confirm) {
    if (file.empty()) {
        return AskOnTerminal(confirm);
    }
    return file == "-" ? ReadLine(STDIN_FILENO) : FirstLineOf(file);
}

}  // namespace

absl::StatusOr<crypto::Secret> ReadPassword(const std::string& file, bool confirm) {
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    ASSIGN_OR_RETURN(crypto::Secret password, Read(file, confirm));
    if (password.empty()) {
        return absl::InvalidArgumentError("the password is empty");
    }
    if (password.size() > kMaxPassword) {
        return absl::InvalidArgumentError(absl::StrCat("the password has more than ", kMaxPassword, " bytes"));
    }
    return password;
}

}  // namespace provhub::provctl
