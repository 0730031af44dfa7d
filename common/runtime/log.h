// Logging through Poco::Logger, one logger for each part of the program.
#ifndef PROVHUB_COMMON_RUNTIME_LOG_H_
#define PROVHUB_COMMON_RUNTIME_LOG_H_

#include <functional>

#include "absl/strings/string_view.h"

namespace provhub::runtime {

enum class LogLevel { kTrace, kDebug, kInformation, kNotice, kWarning, kError };

// The parts of the program that log. A log line names its part.
class Log {
 public:
    // `part` is a short lower-case word such as "hub"; it MUST outlive the Log (a string literal).
    explicit constexpr Log(const char* part) : part_(part) {}

    void Trace(absl::string_view message) const { Write(LogLevel::kTrace, message); }
    void Debug(absl::string_view message) const { Write(LogLevel::kDebug, message); }
    void Information(absl::string_view message) const { Write(LogLevel::kInformation, message); }
    void Notice(absl::string_view message) const { Write(LogLevel::kNotice, message); }
    void Warning(absl::string_view message) const { Write(LogLevel::kWarning, message); }
    void Error(absl::string_view message) const { Write(LogLevel::kError, message); }

    // Whether a message of this level would be written: for messages that are costly to make.
    bool Enabled(LogLevel level) const;

 private:
    void Write(LogLevel level, absl::string_view message) const;

    const char* part_;
};

// What gRPC tells of a TLS handshake that a peer did not pass.
using HandshakeFailureListener = std::function<void(absl::string_view message)>;

// Told of failed handshakes from now on, on a thread of gRPC, as often as they are logged; nobody with an empty
// `listener`. MUST NOT block. When this returns the listener before is not running any more.
void OnHandshakeFailure(HandshakeFailureListener listener);

// Sends every log line to standard error, "TIME LEVEL PART: MESSAGE" with the time in UTC, control characters escaped
// and what is over 8 KiB cut off (a message may quote what a peer sent). Until this is called nothing is written.
// gRPC's own lines come as part "grpc", its errors as warnings, of which peers can't bring about more than some per
// second, its information as debug, its debug as trace. Thread: main, before others are started.
void StartLogging(LogLevel level);

}  // namespace provhub::runtime

#endif  // PROVHUB_COMMON_RUNTIME_LOG_H_
