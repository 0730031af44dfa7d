// How many files and connections this process may have open.
#ifndef PROVHUB_COMMON_RUNTIME_OPEN_FILES_H_
#define PROVHUB_COMMON_RUNTIME_OPEN_FILES_H_

#include <cstdint>

namespace provhub::runtime {

// Raises the limit as far as this process may by itself; the soft limit of 1024 that processes begin with is for
// programs that use select(2). Returns the limit that holds now.
std::uint64_t RaiseOpenFilesLimit();

}  // namespace provhub::runtime

#endif  // PROVHUB_COMMON_RUNTIME_OPEN_FILES_H_
