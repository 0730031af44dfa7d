// Another process of a benchmark: this program again, in another role.
#ifndef PROVHUB_TESTS_BENCH_BENCH_PROCESS_H_
#define PROVHUB_TESTS_BENCH_BENCH_PROCESS_H_

#include <Poco/Pipe.h>
#include <Poco/PipeStream.h>
#include <Poco/Process.h>

#include <string>
#include <vector>

#include "absl/time/time.h"

namespace provhub::bench {

class BenchProcess {
 public:
    // Runs this program with `arguments`.
    explicit BenchProcess(const std::vector<std::string>& arguments);
    // Closes the process's standard input, which ends it, and waits for that.
    ~BenchProcess();
    BenchProcess(const BenchProcess&) = delete;
    BenchProcess& operator=(const BenchProcess&) = delete;

    // The next line of its standard output; ends this program where there is none.
    std::string ReadLine();

    // What it has used of the processors since it began.
    absl::Duration CpuTime() const;

 private:
    Poco::Pipe input_;
    Poco::Pipe output_;
    Poco::ProcessHandle process_;
    Poco::PipeInputStream lines_;
};

// For the other side: returns when the standard input is closed, also by the end of the process that began this one.
void WaitForEnd();

}  // namespace provhub::bench

#endif  // PROVHUB_TESTS_BENCH_BENCH_PROCESS_H_
