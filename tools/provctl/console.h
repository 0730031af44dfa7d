// What provctl tells people while it works.
#ifndef PROVHUB_TOOLS_PROVCTL_CONSOLE_H_
#define PROVHUB_TOOLS_PROVCTL_CONSOLE_H_

#include <iosfwd>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace provhub::provctl {

// `text` without control characters: what a server or a program sent must not command the terminal. Line feeds become
// "; ".
std::string Printable(absl::string_view text);

// Thread-safe.
class Console {
 public:
    // `messages`, standard error in the program, MUST outlive the console.
    explicit Console(std::ostream& messages) : messages_(messages) {}

    // One line.
    void Say(absl::string_view text);

 private:
    absl::Mutex mutex_;
    std::ostream& messages_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_CONSOLE_H_
