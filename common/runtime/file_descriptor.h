// A file descriptor that is closed with its owner.
#ifndef PROVHUB_COMMON_RUNTIME_FILE_DESCRIPTOR_H_
#define PROVHUB_COMMON_RUNTIME_FILE_DESCRIPTOR_H_

#include <unistd.h>

#include <utility>

namespace provhub::runtime {

class FileDescriptor {
 public:
    FileDescriptor() = default;
    // Takes `fd`; negative for none.
    explicit FileDescriptor(int fd) : fd_(fd) {}
    FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        if (this != &other) {
            Close();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    ~FileDescriptor() { Close(); }

    int get() const { return fd_; }
    bool valid() const { return fd_ >= 0; }

    // The result of close(2), 0 when there was nothing to close. The descriptor is gone in any case.
    int Close() { return fd_ < 0 ? 0 : ::close(std::exchange(fd_, -1)); }

 private:
    int fd_ = -1;
};

}  // namespace provhub::runtime

#endif  // PROVHUB_COMMON_RUNTIME_FILE_DESCRIPTOR_H_
