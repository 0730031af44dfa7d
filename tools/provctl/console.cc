#include "tools/provctl/console.h"

#include <ostream>

#include "absl/strings/ascii.h"

namespace provhub::provctl {

std::string Printable(absl::string_view text) {
    std::string printable;
    for (const char c : absl::StripAsciiWhitespace(text)) {
        if (c == '\n') {
            printable += "; ";
        } else if (!absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
            printable += c;
        }
    }
    return printable;
}

void Console::Say(absl::string_view text) {
    const std::string line = Printable(text) + "\n";
    absl::MutexLock lock(&mutex_);
    messages_ << line << std::flush;
}

}  // namespace provhub::provctl
