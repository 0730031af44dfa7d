// The servers that were trusted on first use, and the certificates that they showed.
#ifndef PROVHUB_COMMON_TLS_KNOWN_SERVERS_H_
#define PROVHUB_COMMON_TLS_KNOWN_SERVERS_H_

#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace provhub::tls {

// A text file, a server a line: "HOST:PORT FINGERPRINT"; lines that begin with # are comments. Made with mode 0600 at
// the first use. Thread-safe. Of two processes that record a server at the same moment, one may lose its line, which
// costs it another first use.
class KnownServers {
 public:
    explicit KnownServers(std::string path) : path_(std::move(path)) {}

    const std::string& path() const { return path_; }

    // True when `server` was unknown and has been recorded now, false when it showed the same certificate before.
    //
    // Errors: PermissionDenied, when it showed another one: names both and the file. Others: the file can't be read or
    // written; then the server is not trusted.
    absl::StatusOr<bool> TrustOnFirstUse(absl::string_view server, absl::string_view fingerprint);

 private:
    const std::string path_;
    // Serialises the uses of the file by this process.
    absl::Mutex mutex_;
};

}  // namespace provhub::tls

#endif  // PROVHUB_COMMON_TLS_KNOWN_SERVERS_H_
