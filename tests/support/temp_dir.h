// A directory for one test.
#ifndef PROVHUB_TESTS_SUPPORT_TEMP_DIR_H_
#define PROVHUB_TESTS_SUPPORT_TEMP_DIR_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace provhub::test {

// Made under TMPDIR or /tmp, removed with everything in it at the end.
class TempDir {
 public:
    TempDir();
    ~TempDir();
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;

    const std::string& path() const { return path_; }
    // The path of `name` inside the directory; nothing is made.
    std::string File(absl::string_view name) const;
    // Writes a file, making directories inside this one as needed, and returns its path.
    std::string Write(absl::string_view name, absl::string_view content) const;
    // What a file holds; empty when there is none.
    std::string Read(absl::string_view name) const;
    // Names of what is directly in the directory, sorted.
    std::vector<std::string> List() const;

 private:
    std::string path_;
};

}  // namespace provhub::test

#endif  // PROVHUB_TESTS_SUPPORT_TEMP_DIR_H_
