#include "common/runtime/log.h"

#include <Poco/AutoPtr.h>
#include <Poco/Channel.h>
#include <Poco/FormattingChannel.h>
#include <Poco/Logger.h>
#include <Poco/Message.h>
#include <Poco/PatternFormatter.h>
#include <grpc/support/log.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/runtime/rate_limit.h"

namespace provhub::runtime {
namespace {

constexpr std::size_t kMaxMessageBytes = 8192;
constexpr int kNotStarted = 0;

// Poco's priority of the least urgent message that is written. Asked before every message is made, without Poco's lock.
std::atomic<int> threshold = kNotStarted;

// One write for each line: lines of several processes on one standard error stay whole.
class StderrChannel final : public Poco::Channel {
 public:
    void log(const Poco::Message& message) override {
        const std::string line = message.getText() + "\n";
        absl::string_view rest = line;
        while (!rest.empty()) {
            const ssize_t written = ::write(STDERR_FILENO, rest.data(), rest.size());
            if (written < 0 && errno != EINTR) {
                return;
            }
            rest.remove_prefix(written < 0 ? 0 : static_cast<std::size_t>(written));
        }
    }
};

Poco::Message::Priority ToPoco(LogLevel level) {
    switch (level) {
        case LogLevel::kTrace:
            return Poco::Message::PRIO_TRACE;
        case LogLevel::kDebug:
            return Poco::Message::PRIO_DEBUG;
        case LogLevel::kInformation:
            return Poco::Message::PRIO_INFORMATION;
        case LogLevel::kNotice:
            return Poco::Message::PRIO_NOTICE;
        case LogLevel::kWarning:
            return Poco::Message::PRIO_WARNING;
        case LogLevel::kError:
            return Poco::Message::PRIO_ERROR;
    }
    return Poco::Message::PRIO_ERROR;
}

// C0, DEL and, in UTF-8, C1 (which terminals obey as well).
std::string Escaped(absl::string_view message) {
    std::string escaped;
    escaped.reserve(message.size());
    for (std::size_t i = 0; i < message.size(); ++i) {
        const auto byte = static_cast<unsigned char>(message[i]);
        const auto next = i + 1 < message.size() ? static_cast<unsigned char>(message[i + 1]) : 0U;
        if (byte == '\n') {
            escaped += "\\n";
        } else if (byte == '\t') {
            escaped += "\\t";
        } else if (byte < 0x20 || byte == 0x7f) {
            absl::StrAppendFormat(&escaped, "\\x%02x", byte);
        } else if (byte == 0xc2 && next >= 0x80 && next < 0xa0) {
            absl::StrAppendFormat(&escaped, "\\u%04x", next);
            ++i;
        } else {
            escaped += message[i];
        }
    }
    return escaped;
}

// What gRPC calls an error is mostly a peer that went away or could not shake hands; what it calls information is of
// use to its developers.
LogLevel FromGrpc(gpr_log_severity severity) {
    switch (severity) {
        case GPR_LOG_SEVERITY_DEBUG:
            return LogLevel::kTrace;
        case GPR_LOG_SEVERITY_INFO:
            return LogLevel::kDebug;
        case GPR_LOG_SEVERITY_ERROR:
            return LogLevel::kWarning;
    }
    return LogLevel::kWarning;
}

constexpr Log kGrpcLog("grpc");
constexpr double kGrpcErrorsAtOnce = 50;
constexpr double kGrpcErrorsPerSecond = 2;

// A client asked for a name that the certificate does not have, as one that goes by an IP address does: each handshake
// of it.
constexpr absl::string_view kOtherName = "No match found for server name";
constexpr absl::string_view kHandshakeFailed = "Handshake failed";

struct HandshakeFailures {
    absl::Mutex mutex;
    HandshakeFailureListener listener ABSL_GUARDED_BY(mutex);

    static HandshakeFailures& Instance() {
        static auto* const failures = new HandshakeFailures();
        return *failures;
    }
};

void WriteGrpcError(absl::string_view text) {
    static auto* const limit = new RateLimit(kGrpcErrorsAtOnce, kGrpcErrorsPerSecond);
    if (absl::StartsWith(text, kOtherName)) {
        return kGrpcLog.Debug(text);
    }
    const auto untold = limit->Admit(absl::Now());
    if (!untold) {
        return;
    }
    const std::string message =
        *untold == 0 ? std::string(text) : absl::StrCat(text, " (and ", *untold, " more errors before it)");
    kGrpcLog.Warning(message);
    if (absl::StartsWith(text, kHandshakeFailed)) {
        HandshakeFailures& failures = HandshakeFailures::Instance();
        absl::MutexLock lock(&failures.mutex);
        if (failures.listener) {
            failures.listener(message);
        }
    }
}

void WriteGrpcMessage(gpr_log_func_args* args) {
    const auto text = absl::string_view(args->message);
    switch (FromGrpc(args->severity)) {
        case LogLevel::kTrace:
            return kGrpcLog.Trace(text);
        case LogLevel::kDebug:
            return kGrpcLog.Debug(text);
        default:
            return WriteGrpcError(text);
    }
}

gpr_log_severity GrpcVerbosity(LogLevel level) {
    switch (level) {
        case LogLevel::kTrace:
            return GPR_LOG_SEVERITY_DEBUG;
        case LogLevel::kDebug:
            return GPR_LOG_SEVERITY_INFO;
        default:
            return GPR_LOG_SEVERITY_ERROR;
    }
}

Poco::AutoPtr<Poco::Channel> StderrLines() {
    Poco::AutoPtr<Poco::PatternFormatter> formatter(new Poco::PatternFormatter("%Y-%m-%dT%H:%M:%S.%iZ %p %s: %t"));
    formatter->setProperty(Poco::PatternFormatter::PROP_PRIORITY_NAMES,
                           "fatal,critical,error,warning,notice,information,debug,trace");
    Poco::AutoPtr<Poco::Channel> out(new StderrChannel);
    return Poco::AutoPtr<Poco::Channel>(new Poco::FormattingChannel(formatter, out));
}

}  // namespace

bool Log::Enabled(LogLevel level) const {
    return ToPoco(level) <= threshold.load(std::memory_order_relaxed);
}

void Log::Write(LogLevel level, absl::string_view message) const {
    if (!Enabled(level)) {
        return;
    }
    const std::size_t cut = message.size() > kMaxMessageBytes ? message.size() - kMaxMessageBytes : 0;
    std::string text = Escaped(message.substr(0, kMaxMessageBytes));
    if (cut > 0) {
        absl::StrAppend(&text, " ... (", cut, " bytes more)");
    }
    Poco::Logger::get(part_).log(Poco::Message(part_, text, ToPoco(level)));
}

void OnHandshakeFailure(HandshakeFailureListener listener) {
    HandshakeFailures& failures = HandshakeFailures::Instance();
    absl::MutexLock lock(&failures.mutex);
    failures.listener = std::move(listener);
}

void StartLogging(LogLevel level) {
    // The root first: loggers inherit from it, and the two calls after it reach only those that exist.
    Poco::Logger::root();
    Poco::Logger::setChannel("", StderrLines());
    Poco::Logger::setLevel("", ToPoco(level));
    threshold = ToPoco(level);
    gpr_set_log_verbosity(GrpcVerbosity(level));
    gpr_set_log_function(&WriteGrpcMessage);
}

}  // namespace provhub::runtime
