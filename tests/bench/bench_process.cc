#include "tests/bench/bench_process.h"

#include <cstdlib>
#include <ctime>
#include <iostream>
#include <limits>

namespace provhub::bench {

BenchProcess::BenchProcess(const std::vector<std::string>& arguments)
    : process_(Poco::Process::launch("/proc/self/exe", arguments, &input_, &output_, nullptr)), lines_(output_) {}

BenchProcess::~BenchProcess() {
    input_.close(Poco::Pipe::CLOSE_WRITE);
    process_.wait();
}

std::string BenchProcess::ReadLine() {
    std::string line;
    if (!std::getline(lines_, line)) {
        std::cerr << "a process of the benchmark has ended too early\n";
        std::_Exit(EXIT_FAILURE);
    }
    return line;
}

absl::Duration BenchProcess::CpuTime() const {
    clockid_t clock{};
    timespec time{};
    if (::clock_getcpuclockid(process_.id(), &clock) != 0 || ::clock_gettime(clock, &time) != 0) {
        return absl::ZeroDuration();
    }
    return absl::DurationFromTimespec(time);
}

void WaitForEnd() {
    std::cin.ignore(std::numeric_limits<std::streamsize>::max());
}

}  // namespace provhub::bench
