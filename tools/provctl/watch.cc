#include "tools/provctl/watch.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <ostream>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/status/macros.h"
#include "tools/provctl/report.h"

namespace provhub::provctl {
namespace {

// Requests a stop when the process is interrupted.
class Interruption {
 public:
    Interruption() : signals_(context_, SIGINT, SIGTERM) {
        signals_.async_wait([this](const boost::system::error_code& error, int) {
            if (!error) {
                source_.request_stop();
            }
        });
        thread_ = std::thread([this] { context_.run(); });
    }
    Interruption(const Interruption&) = delete;
    Interruption& operator=(const Interruption&) = delete;
    ~Interruption() {
        context_.stop();
        thread_.join();
    }

    std::stop_token token() const { return source_.get_token(); }
    void Stop() { source_.request_stop(); }

 private:
    std::stop_source source_;
    boost::asio::io_context context_;
    boost::asio::signal_set signals_;
    std::thread thread_;
};

class Writer {
 public:
    Writer(OutputFormat format, std::ostream& out) : json_(format == OutputFormat::kJson), out_(out) {
        if (json_) {
            out_ << "[";
        }
    }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    ~Writer() {
        if (json_) {
            out_ << "\n]\n" << std::flush;
        }
    }

    void Begin(const std::vector<UnitNode>& nodes) {
        if (!json_) {
            out_ << NodesTable(nodes) << std::flush;
            return;
        }
        for (const UnitNode& node : nodes) {
            Element(node);
        }
    }

    void Change(const UnitNode& node) {
        if (json_) {
            Element(node);
        } else {
            out_ << absl::FormatTime("%H:%M:%S", absl::Now(), absl::LocalTimeZone()) << "  " << NodeLine(node)
                 << std::endl;
        }
    }

 private:
    void Element(const UnitNode& node) {
        out_ << (first_ ? "\n" : ",\n") << NodeJson(node) << std::flush;
        first_ = false;
    }

    const bool json_;
    std::ostream& out_;
    bool first_ = true;
};

}  // namespace

absl::Status WatchNodes(UnitClient& client, OutputFormat format, std::ostream& out) {
    Interruption interruption;
    Writer writer(format, out);
    return client.WatchNodes(
        interruption.token(),
        [&]() -> absl::Status {
            ASSIGN_OR_RETURN(const std::vector<UnitNode> nodes, client.ListNodes());
            writer.Begin(nodes);
            return absl::OkStatus();
        },
        [&](const UnitNode& node) {
            writer.Change(node);
            if (!out) {
                interruption.Stop();
            }
        });
}

}  // namespace provhub::provctl
